// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {IGovernance} from "../src/interfaces/IGovernance.sol";
import {Codec} from "./utils/Codec.sol";
import {OrgBase} from "./utils/OrgBase.sol";
import {vm} from "./utils/Vm.sol";

interface IMultisig {
    function callHash(address to, uint256 value, bytes calldata data, uint256 nonce) external view returns (bytes32);
    function digestHash(bytes32 digest) external view returns (bytes32);
    function nonce() external view returns (uint256);
    function execute(address to, uint256 value, bytes calldata data, bytes calldata signatures) external returns (bytes memory);
    function isValidSignature(bytes32 digest, bytes calldata signatures) external view returns (bytes4);
}

/// A contract wallet owns reserves and a channel: its board signs states, the wallet itself (ERC-1271) all else.
contract MultisigTest is OrgBase {
    IMultisig private wallet;
    bytes32 private who;
    bytes32 private peer;
    address private peerAddr;
    uint256 private peerKey;
    bool private walletIsLeft;

    function setUp() public override {
        super.setUp();
        address[] memory owners = new address[](3);
        for (uint256 i; i < 3; ++i) owners[i] = vm.addr(keys[i]);
        wallet = IMultisig(vm.deployCode("TestMultisig.sol:TestMultisig", abi.encode(owners, 2)));
        who = entity(address(wallet));
        (peerKey, peerAddr, peer) = (leftKey, leftAddr, left);
        walletIsLeft = who < peer;
        (left, right) = walletIsLeft ? (who, peer) : (peer, who);
        chKey = keccak256(abi.encode(left, right));
        vm.deal(address(wallet), 10 ether);
        execute(address(dep), 5 ether, abi.encodeCall(IDepository.depositEth, (who)));
        depositEth(peerAddr, 5 ether);
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(who, peer, 3 ether);
        execute(address(dep), 0, abi.encodeCall(IDepository.reserveToCollateral, (0, Codec.fundings(f))));
        execute(address(gov), 0, abi.encodeCall(IGovernance.recordBoard, (keccak256(board3()))));
    }

    function owners2(bytes32 hash) private view returns (bytes memory out) {
        for (uint256 i; i < 2; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], hash);
            out = abi.encodePacked(out, r, s, v);
        }
    }

    function execute(address to, uint256 value, bytes memory data) private {
        wallet.execute(to, value, data, owners2(wallet.callHash(to, value, data, wallet.nonce())));
    }

    /// What the wallet itself signs, not its board.
    function byWallet(bytes32 digest) private view returns (bytes memory) {
        return owners2(wallet.digestHash(digest));
    }

    /// The wallet's share of its 3 ETH after `d` of delta moved to the peer.
    function off(int128 d) private view returns (bytes memory) {
        return Codec.one(0, walletIsLeft ? -d : d);
    }

    function proof(uint64 nonce, bytes memory body, bool boardSigns) private view returns (IDepositoryTypes.StateProof memory p) {
        (p.nonce, p.bodyHash) = (nonce, keccak256(body));
        p.path = new bytes32[](1);
        p.path[0] = STATE_LEAF;
        bytes32 digest = stateDigest(nonce, rootOf(0, p.bodyHash));
        p.signature = boardSigns ? by3(who, digest) : sig(peerKey, digest);
    }

    function dispute(uint64 nonce, bool byWallet_, bytes memory body) private view returns (Codec.Dispute memory) {
        return disputeOf(nonce, walletIsLeft == byWallet_, body, "");
    }

    /// The peer shows a state that the wallet's board signed.
    function test_multisig_statesByItsBoard() public {
        bytes memory body = off(1 ether);
        IDepositoryTypes.StateProof memory p = proof(5, body, true);
        vm.prank(peerAddr);
        dep.startDispute(peer, who, p, "", 0, "");
        Codec.Dispute memory running = dispute(5, false, body);
        vm.warp(T0 + WINDOW + 1);
        dep.finalizeDispute(left, right, Codec.dispute(running), body, "", "");
        eq(reserves(who, 0), 4 ether, "2 + 2");
        eq(reserves(peer, 0), 6 ether, "5 + 1");
    }

    /// ERC-1271 signs no state: the wallet could take it back.
    function test_multisig_neverStatesByErc1271() public {
        bytes memory body = off(1 ether);
        IDepositoryTypes.StateProof memory p = proof(5, body, true);
        p.signature = byWallet(stateDigest(5, rootOf(0, p.bodyHash)));
        yes(valid(who, stateDigest(5, rootOf(0, p.bodyHash)), p.signature, DISPUTE), "a good signature of the wallet");
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        vm.prank(peerAddr);
        dep.startDispute(peer, who, p, "", 0, "");
    }

    /// Rule 27: the peer enforces what a replaced board signed, until the grace ends; the old board starts nothing.
    function test_multisig_replacedBoard() public {
        execute(address(gov), 0, abi.encodeCall(IGovernance.recordBoard, (keccak256("another"))));
        bytes memory body = off(1 ether);
        IDepositoryTypes.StateProof memory p = proof(5, body, true);
        uint256 before = vm.getBlockTimestamp();
        vm.warp(before + GRACE + 1);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        vm.prank(peerAddr);
        dep.startDispute(peer, who, p, "", 0, "");
        vm.warp(before + GRACE);
        vm.prank(peerAddr);
        dep.startDispute(peer, who, p, "", 0, "");
    }

    /// The wallet signs a start of its own, which anyone relays: by ERC-1271, or by its board.
    function test_multisig_actionsByErc1271() public {
        bytes memory body = off(1 ether);
        IDepositoryTypes.StateProof memory p = proof(5, body, false);
        bytes32 d = startDigest(0, 5, p.bodyHash, "", uint64(T0 + 1));
        bytes memory s = byWallet(d);
        s[0] ^= 0x01;
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, who));
        dep.startDispute(who, peer, p, "", uint64(T0 + 1), s);
        dep.startDispute(who, peer, p, "", uint64(T0 + 1), byWallet(d));
        // The peer counters with what the board signed.
        bytes memory newer = off(2 ether);
        IDepositoryTypes.StateProof memory n = proof(6, newer, true);
        Codec.Dispute memory running = dispute(5, true, body);
        vm.prank(peerAddr);
        dep.counterDispute(left, right, Codec.dispute(running), n, "", "");
        dep.finalizeDispute(left, right, Codec.dispute(answered(running, 6, newer, "")), newer, "", "");
        eq(reserves(who, 0), 3 ether, "2 + 1");
    }

    /// Settlements and withdrawals, by the owners.
    function test_multisig_settlesAndWithdraws() public {
        bytes memory diff = Codec.diff(0, 1 ether, 1 ether, 0);
        bytes32 d = settlementDigest(UPDATE, 0, 0, uint64(T0 + 1), diff);
        (bytes memory mine, bytes memory theirs) = (byWallet(d), sig(peerKey, d));
        dep.cooperativeUpdate(
            left, right, uint64(T0 + 1), diff, walletIsLeft ? mine : theirs, walletIsLeft ? theirs : mine
        );
        eq(reserves(who, 0), 3 ether, "2 + 1");
        execute(address(dep), 0, abi.encodeCall(IDepository.withdraw, (0, 3 ether, address(0xcafe))));
        eq(address(0xcafe).balance, 3 ether, "withdrawn");
    }

    /// One owner, or owners out of order, are not enough.
    function test_multisig_needsItsOwners() public {
        bytes32 h = wallet.digestHash("x");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], h);
        yes(wallet.isValidSignature("x", owners2(h)) == bytes4(0x1626ba7e), "two");
        yes(wallet.isValidSignature("x", abi.encodePacked(r, s, v, r, s, v)) != bytes4(0x1626ba7e), "one twice");
        yes(wallet.isValidSignature("x", abi.encodePacked(r, s, v)) != bytes4(0x1626ba7e), "one");
        bytes memory call = abi.encodeCall(IDepository.withdraw, (0, 1, address(0xcafe)));
        bytes memory old = owners2(wallet.callHash(address(dep), 0, call, wallet.nonce()));
        wallet.execute(address(dep), 0, call, old);
        vm.expectRevert();
        wallet.execute(address(dep), 0, call, old);
    }
}
