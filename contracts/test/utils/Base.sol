// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../../src/interfaces/IDepositoryTypes.sol";
import {IEntityProvider} from "../../src/interfaces/IEntityProvider.sol";
import {ISubcontractProvider} from "../../src/interfaces/ISubcontractProvider.sol";
import {Codec} from "./Codec.sol";
import {Vm, vm} from "./Vm.sol";

interface IMint {
    function mint(address to, uint256 amount) external;
    function mint(address to, uint256 id, uint256 amount) external;
    function approve(address spender, uint256 amount) external;
    function setApprovalForAll(address spender, bool yes) external;
    function balanceOf(address who) external view returns (uint256);
    function balanceOf(address who, uint256 id) external view returns (uint256);
    function ownerOf(uint256 id) external view returns (address);
    function transfer(address to, uint256 amount) external;
    function safeTransferFrom(address from, address to, uint256 id) external;
    function safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes calldata data) external;
}

/// Deploys, knows two parties with keys, and signs what docs/encodings.md says, computed apart from the contracts.
abstract contract Base {
    bool public constant IS_TEST = true;

    uint40 internal constant WINDOW = 1 days;
    uint40 internal constant GRACE = 3 days;
    uint40 internal constant BOARD_DELAY = 2 days;
    uint256 internal constant T0 = 1_800_000_000;

    IDepository internal dep;
    IEntityProvider internal entities;
    ISubcontractProvider internal provider;
    IMint internal erc20;
    uint32 internal usd;

    uint256 internal leftKey;
    uint256 internal rightKey;
    address internal leftAddr;
    address internal rightAddr;
    bytes32 internal left;
    bytes32 internal right;
    bytes32 internal chKey;

    function setUp() public virtual {
        vm.warp(T0);
        entities = IEntityProvider(vm.deployCode("EntityProvider.sol:EntityProvider", abi.encode(GRACE, BOARD_DELAY)));
        dep = IDepository(vm.deployCode("Depository.sol:Depository", abi.encode(address(entities), WINDOW)));
        provider = ISubcontractProvider(vm.deployCode("SubcontractProvider.sol:SubcontractProvider"));
        erc20 = IMint(vm.deployCode("TestErc20.sol:TestErc20"));
        usd = dep.registerToken(IDepositoryTypes.TokenKind.Erc20, address(erc20), 0);
        (leftKey, rightKey) = (0xa11ce, 0xb0b);
        if (vm.addr(leftKey) > vm.addr(rightKey)) (leftKey, rightKey) = (rightKey, leftKey);
        (leftAddr, rightAddr) = (vm.addr(leftKey), vm.addr(rightKey));
        (left, right) = (entity(leftAddr), entity(rightAddr));
        chKey = keccak256(abi.encode(left, right));
        vm.deal(leftAddr, 1e30);
        vm.deal(rightAddr, 1e30);
        erc20.mint(leftAddr, 1e30);
        erc20.mint(rightAddr, 1e30);
        vm.prank(leftAddr);
        erc20.approve(address(dep), type(uint256).max);
        vm.prank(rightAddr);
        erc20.approve(address(dep), type(uint256).max);
    }

    function entity(address a) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(a)));
    }

    // Signing.

    function sig(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, bytes32(uint256(s) | uint256(v - 27) << 255));
    }

    function domain() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("xln Depository"),
                keccak256("1"),
                block.chainid,
                address(dep)
            )
        );
    }

    function typed(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain(), structHash));
    }

    function stateDigest(uint64 nonce, bytes32 root) internal view returns (bytes32) {
        bytes32 d = keccak256(
            abi.encode(keccak256("EIP712Domain(string name,string version)"), keccak256("xln"), keccak256("1"))
        );
        bytes32 h = keccak256(
            abi.encode(keccak256("ChannelState(bytes32 channelKey,uint64 nonce,bytes32 root)"), chKey, nonce, root)
        );
        return keccak256(abi.encodePacked(hex"1901", d, h));
    }

    function leafOf(uint32 epoch, bytes32 bodyHash) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    abi.encode(
                        keccak256("SubchannelLeaf(uint256 chainId,address depository,uint32 epoch,bytes32 bodyHash)"),
                        block.chainid,
                        address(dep),
                        epoch,
                        bodyHash
                    )
                )
            )
        );
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    bytes32 internal constant STATE_LEAF = keccak256("any state leaf");

    /// A state with this subchannel only: two leaves.
    function rootOf(uint32 epoch, bytes32 bodyHash) internal view returns (bytes32) {
        return pair(STATE_LEAF, leafOf(epoch, bodyHash));
    }

    function proofBy(uint256 key, uint32 epoch, uint64 nonce, bytes memory body)
        internal
        view
        returns (IDepositoryTypes.StateProof memory proof)
    {
        proof.nonce = nonce;
        proof.bodyHash = keccak256(body);
        proof.path = new bytes32[](1);
        proof.path[0] = STATE_LEAF;
        proof.signature = sig(key, stateDigest(nonce, rootOf(epoch, proof.bodyHash)));
    }

    function settlementDigest(string memory what, uint32 epoch, uint32 nonce, uint64 expiry, bytes memory data)
        internal
        view
        returns (bytes32)
    {
        return typed(keccak256(abi.encode(keccak256(bytes(what)), chKey, epoch, nonce, expiry, keccak256(data))));
    }

    string internal constant UPDATE =
        "CooperativeUpdate(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes update)";
    string internal constant CLOSE =
        "CooperativeClose(bytes32 channelKey,uint32 epoch,uint32 settlementNonce,uint64 expiry,bytes body)";

    function startDigest(uint32 epoch, uint64 nonce, bytes32 bodyHash, bytes memory fills, uint64 expiry)
        internal
        view
        returns (bytes32)
    {
        bytes32 t = keccak256(
            "DisputeStart(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills,uint64 expiry)"
        );
        return typed(keccak256(abi.encode(t, chKey, epoch, nonce, bodyHash, keccak256(fills), expiry)));
    }

    function answerDigest(uint32 epoch, uint64 nonce, bytes32 bodyHash, bytes memory fills) internal view returns (bytes32) {
        bytes32 t =
            keccak256("DisputeAnswer(bytes32 channelKey,uint32 epoch,uint64 nonce,bytes32 bodyHash,bytes fills)");
        return typed(keccak256(abi.encode(t, chKey, epoch, nonce, bodyHash, keccak256(fills))));
    }

    function batchDigest(bytes32 who, uint64 nonce, uint64 expiry, bytes memory operations) internal view returns (bytes32) {
        bytes32 t = keccak256("Batch(bytes32 entity,uint64 nonce,uint64 expiry,bytes operations)");
        return typed(keccak256(abi.encode(t, who, nonce, expiry, keccak256(operations))));
    }

    // Steps that many tests share.

    function epochAndNonce() internal view returns (uint32 epoch, uint32 nonce) {
        (epoch, nonce,) = dep.channel(left, right);
    }

    function depositEth(address who, uint256 amount) internal {
        vm.deal(who, who.balance + amount);
        vm.prank(who);
        dep.depositEth{value: amount}(entity(who));
    }

    function depositUsd(address who, uint256 amount) internal {
        vm.prank(who);
        dep.deposit(entity(who), usd, amount);
    }

    function fund(address who, uint32 token, uint128 amount) internal {
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(entity(who), who == leftAddr ? right : left, amount);
        vm.prank(who);
        dep.reserveToCollateral(token, Codec.fundings(f));
    }

    /// Signed by both, sent by nobody in particular.
    function settle(bytes memory update) internal {
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        bytes32 d = settlementDigest(UPDATE, epoch, nonce, type(uint64).max, update);
        (bytes memory l, bytes memory r) = (sig(leftKey, d), sig(rightKey, d));
        dep.cooperativeUpdate(left, right, type(uint64).max, update, l, r);
    }

    function close(bytes memory body) internal {
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        bytes32 d = settlementDigest(CLOSE, epoch, nonce, type(uint64).max, body);
        (bytes memory l, bytes memory r) = (sig(leftKey, d), sig(rightKey, d));
        dep.cooperativeClose(left, right, type(uint64).max, body, l, r);
    }

    function disputeOf(uint64 nonce, bool starterIsLeft, bytes memory body, bytes memory fills)
        internal
        view
        returns (Codec.Dispute memory d)
    {
        d.nonce = nonce;
        d.startedAt = uint40(vm.getBlockTimestamp());
        d.starterIsLeft = starterIsLeft;
        d.bodyHash = keccak256(body);
        d.starterFillsHash = fills.length == 0 ? bytes32(0) : keccak256(fills);
    }

    /// `starter` shows a state signed by its peer.
    function start(bool starterIsLeft, uint64 nonce, bytes memory body, bytes memory fills)
        internal
        returns (Codec.Dispute memory)
    {
        (uint32 epoch,) = epochAndNonce();
        IDepositoryTypes.StateProof memory p = proofBy(starterIsLeft ? rightKey : leftKey, epoch, nonce, body);
        vm.prank(starterIsLeft ? leftAddr : rightAddr);
        dep.startDispute(starterIsLeft ? left : right, starterIsLeft ? right : left, p, fills, 0, "");
        return disputeOf(nonce, starterIsLeft, body, fills);
    }

    /// The non-starter shows a state signed by the starter.
    function counter(Codec.Dispute memory d, uint64 nonce, bytes memory body, bytes memory fills)
        internal
        returns (Codec.Dispute memory next)
    {
        (uint32 epoch,) = epochAndNonce();
        IDepositoryTypes.StateProof memory p = proofBy(d.starterIsLeft ? leftKey : rightKey, epoch, nonce, body);
        vm.prank(d.starterIsLeft ? rightAddr : leftAddr);
        dep.counterDispute(left, right, Codec.dispute(d), p, fills, "");
        return answered(d, nonce, body, fills);
    }

    function answered(Codec.Dispute memory d, uint64 nonce, bytes memory body, bytes memory fills)
        internal
        view
        returns (Codec.Dispute memory next)
    {
        next = abi.decode(abi.encode(d), (Codec.Dispute));
        if (next.bodyHash != keccak256(body)) next.starterFillsHash = 0;
        next.nonce = nonce;
        next.bodyHash = keccak256(body);
        next.answered = true;
        next.answeredAt = uint40(vm.getBlockTimestamp());
        next.answererFillsHash = fills.length == 0 ? bytes32(0) : keccak256(fills);
    }

    function hashOf(Codec.Dispute memory d) internal view returns (bytes32) {
        return bytes24(keccak256(abi.encodePacked(chKey, Codec.dispute(d))));
    }

    // Asserts.

    error Differs(string what, uint256 a, uint256 b);

    function eq(uint256 a, uint256 b, string memory what) internal pure {
        if (a != b) revert Differs(what, a, b);
    }

    function eqi(int256 a, int256 b, string memory what) internal pure {
        if (a != b) revert Differs(what, uint256(a), uint256(b));
    }

    function eqb(bytes32 a, bytes32 b, string memory what) internal pure {
        if (a != b) revert Differs(what, uint256(a), uint256(b));
    }

    function yes(bool a, string memory what) internal pure {
        if (!a) revert Differs(what, 0, 1);
    }

    function reserves(bytes32 who, uint32 token) internal view returns (uint256) {
        return dep.reserveOf(who, token);
    }

    function bucket(uint32 token) internal view returns (uint128 c, int128 o) {
        uint32[] memory list = new uint32[](1);
        list[0] = token;
        (uint128[] memory cs, int128[] memory os) = dep.collaterals(left, right, list);
        return (cs[0], os[0]);
    }
}
