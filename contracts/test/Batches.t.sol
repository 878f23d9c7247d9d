// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {IEntityProvider} from "../src/interfaces/IEntityProvider.sol";
import {Base} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

/// Says yes to one signature for one permission, and remembers what is spent.
contract OneEntity {
    uint40 public grace = type(uint40).max;
    IEntityProvider.Permission public permission;
    bytes32 public spentHash;
    uint256 public spends;

    function set(IEntityProvider.Permission permission_) external {
        permission = permission_;
    }

    function isValidSignature(bytes32, bytes32, bytes calldata s, IEntityProvider.Permission p) external view returns (bool) {
        return p == permission && s.length == 3;
    }

    function spend(bytes32, bytes32, bytes calldata s, IEntityProvider.Outflow[] calldata o) external returns (bool) {
        spentHash = keccak256(abi.encode(o));
        ++spends;
        return permission == IEntityProvider.Permission.Withdraw && s.length == 3;
    }
}

/// Takes ETH and tries things while it does.
contract Nosy {
    IDepository private immutable dep;
    bytes private data;

    constructor(IDepository dep_) {
        dep = dep_;
    }

    function set(bytes calldata data_) external {
        data = data_;
    }

    receive() external payable {
        if (data.length == 0) revert("no");
        (bool ok,) = address(dep).call(data);
        require(ok, "inner");
    }
}

contract BatchesTest is Base {
    bytes32 private constant ORG = bytes32(uint256(1) << 248 | 7);

    function setUp() public override {
        super.setUp();
        depositEth(leftAddr, 1000);
        depositEth(rightAddr, 1000);
        depositUsd(leftAddr, 1000);
    }

    function op(bool skip, uint128 value, bytes memory data) private pure returns (bytes memory) {
        return abi.encodePacked(skip, value, uint24(data.length), data);
    }

    function op(bytes memory data) private pure returns (bytes memory) {
        return op(false, 0, data);
    }

    function send(bytes32 to, uint128 amount) private pure returns (bytes memory) {
        return abi.encodeCall(IDepository.reserveToReserve, (to, 0, amount));
    }

    function flashed(uint32 token, uint128 amount) private pure returns (bytes memory) {
        return op(abi.encodeCall(IDepository.flash, (token, amount)));
    }

    function withdrawal(uint32 token, uint256 amount, address to) private pure returns (bytes memory) {
        return abi.encodeCall(IDepository.withdraw, (token, amount, to));
    }

    function byLeft(bytes memory ops) private {
        vm.prank(leftAddr);
        dep.processBatch(left, 0, ops, "");
    }

    function refuse(bytes memory why, bytes memory ops) private {
        vm.prank(leftAddr);
        vm.expectRevert(why);
        dep.processBatch(left, 0, ops, "");
    }

    function failed(uint256 index, bytes memory why) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDepositoryTypes.OperationFailed.selector, index, why);
    }

    function name(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function test_batch_byItself() public {
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.BatchProcessed(left, 0, 3, 0);
        byLeft(
            bytes.concat(
                op(send(right, 10)),
                op(abi.encodeCall(IDepository.reserveToCollateral, (0, Codec.funding(rightAddr, 20)))),
                op(withdrawal(usd, 5, rightAddr))
            )
        );
        eq(reserves(left, 0), 970, "left");
        eq(reserves(right, 0), 1010, "right");
        eq(reserves(left, usd), 995, "usd");
        (uint128 c, int128 o) = bucket(0);
        yes(c == 20 && o == 20, "collateral");
        eq(dep.batchNonce(left), 0, "no nonce used");
    }

    function test_batch_byRelayerOnce() public {
        bytes memory ops = op(send(right, 10));
        bytes memory s = sig(leftKey, batchDigest(left, 0, uint64(T0), ops));
        vm.prank(address(0x5e1a7));
        dep.processBatch(left, uint64(T0), ops, s);
        eq(reserves(right, 0), 1010, "moved");
        eq(dep.batchNonce(left), 1, "nonce");
        bytes memory why = abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left);
        vm.expectRevert(why);
        dep.processBatch(left, uint64(T0), ops, s);
        // Every part is signed: the expiry, the operations with their flags, the entity.
        s = sig(leftKey, batchDigest(left, 1, uint64(T0), ops));
        vm.expectRevert(why);
        dep.processBatch(left, uint64(T0) + 1, ops, s);
        vm.expectRevert(why);
        dep.processBatch(left, uint64(T0), op(true, 0, send(right, 10)), s);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.processBatch(right, uint64(T0), ops, s);
        vm.warp(T0 + 1);
        vm.expectRevert(IDepositoryTypes.Expired.selector);
        dep.processBatch(left, uint64(T0), ops, s);
    }

    function test_batch_neverOnSomeonesBehalf() public {
        vm.prank(rightAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, left));
        dep.processBatch(left, 0, op(send(right, 10)), "");
    }

    function test_batch_ethSumsToWhatWasSent() public {
        bytes memory a = op(false, 30, abi.encodeCall(IDepository.depositEth, (left)));
        bytes memory b = op(false, 12, abi.encodeCall(IDepository.depositEth, (right)));
        vm.prank(leftAddr);
        dep.processBatch{value: 42}(left, 0, bytes.concat(a, b), "");
        yes(reserves(left, 0) == 1030 && reserves(right, 0) == 1012, "both");
        eq(address(dep).balance, 2042, "held");
        for (uint256 sent = 41; sent < 44; sent += 2) {
            vm.prank(leftAddr);
            vm.expectRevert(IDepositoryTypes.WrongValue.selector);
            dep.processBatch{value: sent}(left, 0, bytes.concat(a, b), "");
        }
        refuse(failed(0, new bytes(32)), op(false, 0, hex"deadbeef"));
    }

    function test_batch_malformed() public {
        bytes memory bad = name(IDepositoryTypes.MalformedBatch.selector);
        bytes memory good = send(right, 1);
        refuse(bad, abi.encodePacked(uint8(2), uint128(0), uint24(good.length), good));
        refuse(bad, abi.encodePacked(uint8(0), uint128(0), uint24(good.length + 1), good));
        refuse(bad, abi.encodePacked(uint8(0), uint128(0), uint24(3), hex"010203"));
        refuse(bad, bytes.concat(op(good), hex"00"));
        vm.deal(leftAddr, 5);
        vm.prank(leftAddr);
        vm.expectRevert(bad);
        dep.processBatch{value: 5}(left, 0, op(true, 5, abi.encodeCall(IDepository.depositEth, (left))), "");
        bytes memory many;
        bytes memory one = op(abi.encodeCall(IDepository.enforceDebts, (left, 0, 0)));
        for (uint256 i; i < 256; ++i) many = bytes.concat(many, one);
        byLeft(many);
        refuse(bad, bytes.concat(many, one));
    }

    function test_batch_noBatchInside() public {
        bytes memory inner = abi.encodeCall(IDepository.processBatch, (left, 0, op(send(right, 1)), ""));
        refuse(failed(0, name(IDepositoryTypes.Reentered.selector)), op(true, 0, inner));
        Nosy nosy = new Nosy(dep);
        nosy.set(abi.encodeCall(IDepository.processBatch, (entity(address(nosy)), 0, "", "")));
        refuse(failed(0, name(IDepositoryTypes.TransferFailed.selector)), op(withdrawal(0, 1, address(nosy))));
    }

    function test_batch_skipsNamedFailuresOnly() public {
        Nosy nosy = new Nosy(dep);
        bytes memory out = withdrawal(0, 1, address(nosy));
        bytes memory ops = bytes.concat(op(true, 0, out), op(true, 0, send(right, 5000)), op(send(right, 10)));
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.OperationSkipped(left, 0, IDepositoryTypes.TransferFailed.selector);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.OperationSkipped(left, 1, IDepositoryTypes.InsufficientReserve.selector);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.BatchProcessed(left, 0, 3, 2);
        byLeft(ops);
        eq(reserves(left, 0), 990, "only the last");
        refuse(failed(0, name(IDepositoryTypes.TransferFailed.selector)), op(out));
        refuse(failed(0, name(IDepositoryTypes.ZeroAmount.selector)), op(true, 0, send(right, 0)));
        refuse(failed(0, new bytes(32)), op(true, 0, hex"deadbeef"));
    }

    /// Nobody makes an operation fail by giving it too little gas.
    function test_batch_starvedReverts() public {
        address sink = address(0x51c0);
        bytes memory data =
            abi.encodeCall(IDepository.processBatch, (left, 0, op(true, 0, withdrawal(0, 1, sink)), ""));
        for (uint256 gas_ = 60_000; gas_ < 1_300_000; gas_ += 49_999) {
            vm.prank(leftAddr);
            (bool ok,) = address(dep).call{gas: gas_}(data);
            eq(sink.balance, ok ? 1 : 0, "done or reverted");
            if (ok) {
                yes(gas_ > 1_000_000, "its gas was there");
                return;
            }
        }
        yes(false, "never");
    }

    // Flash.

    function test_flash_movesAndComesBack() public {
        // Right owes left's channel nothing: left funds with borrowed money what it gets back in the same batch.
        bytes memory u = Codec.diff(0, 5000, 0, -5000);
        bytes memory r = sig(rightKey, settlementDigest(UPDATE, 0, 0, type(uint64).max, u));
        byLeft(
            bytes.concat(
                flashed(0, 4500),
                op(abi.encodeCall(IDepository.reserveToCollateral, (0, Codec.funding(rightAddr, 5000)))),
                op(abi.encodeCall(IDepository.cooperativeUpdate, (left, right, type(uint64).max, u, "", r))),
                flashed(0, 1)
            )
        );
        eq(reserves(left, 0), 1000, "as before");
        (uint128 c,) = bucket(0);
        eq(c, 0, "out again");
    }

    function test_flash_mustComeBack() public {
        bytes memory why = name(IDepositoryTypes.InsufficientReserve.selector);
        refuse(why, bytes.concat(flashed(0, 1), op(send(right, 1001))));
        // Summed per token, and each token by itself.
        refuse(why, bytes.concat(flashed(0, 600), flashed(0, 600), op(send(right, 1001))));
        refuse(why, bytes.concat(flashed(usd, 5000), flashed(0, 1), op(send(right, 1001))));
        byLeft(bytes.concat(flashed(0, 600), flashed(usd, 7), flashed(0, 600), op(send(right, 1000))));
        yes(reserves(left, 0) == 0 && reserves(left, usd) == 1000, "own money only");
    }

    function test_flash_nothingLeavesMeanwhile() public {
        refuse(
            failed(1, abi.encodeWithSelector(IDepositoryTypes.FlashOpen.selector, 0)),
            bytes.concat(flashed(0, 1), op(withdrawal(0, 1, leftAddr)))
        );
        // Another token may; and the next batch may.
        byLeft(bytes.concat(flashed(0, 1), op(withdrawal(usd, 1, leftAddr))));
        byLeft(op(withdrawal(0, 1, leftAddr)));
    }

    function test_flash_onlyInABatchAndOfKnownTokens() public {
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.OnlyInBatch.selector);
        dep.flash(0, 1);
        refuse(failed(0, name(IDepositoryTypes.UnknownToken.selector)), flashed(99, 1));
        refuse(failed(0, name(IDepositoryTypes.ZeroAmount.selector)), flashed(0, 0));
        refuse(failed(0, name(IDepositoryTypes.AmountOutOfRange.selector)), flashed(0, 1 << 127));
    }

    /// Rule 20 inside batches, too: borrowed money pays older debts before it does anything else.
    function test_rule20_debtsInBatches() public {
        close(Codec.one(0, -1500));
        eq(dep.debtTotal(left, 0), 500, "owes");
        refuse(
            failed(0, abi.encodeWithSelector(IDepositoryTypes.DebtsOutstanding.selector, left, 0)), op(send(right, 1))
        );
        refuse(abi.encodeWithSelector(IDepositoryTypes.DebtsOutstanding.selector, left, 0), flashed(0, 499));
        refuse(
            name(IDepositoryTypes.InsufficientReserve.selector),
            bytes.concat(flashed(0, 600), op(abi.encodeCall(IDepository.enforceDebts, (left, 0, 10))))
        );
        vm.prank(leftAddr);
        dep.processBatch{value: 500}(
            left,
            0,
            bytes.concat(
                flashed(0, 600),
                op(abi.encodeCall(IDepository.enforceDebts, (left, 0, 10))),
                op(false, 500, abi.encodeCall(IDepository.depositEth, (left)))
            ),
            ""
        );
        yes(dep.debtTotal(left, 0) == 0 && reserves(left, 0) == 0, "paid by itself");
    }

    // Organisations.

    function orgs() private returns (OneEntity one) {
        one = new OneEntity();
        dep = IDepository(vm.deployCode("Depository.sol:Depository", abi.encode(address(one), WINDOW)));
        vm.prank(leftAddr);
        dep.depositEth{value: 1000}(ORG);
    }

    function outflow(uint128 amount) private pure returns (IEntityProvider.Outflow[] memory o) {
        o = new IEntityProvider.Outflow[](1);
        o[0] = IEntityProvider.Outflow(0, amount);
    }

    function test_org_withdrawsWithinWhatItMaySpend() public {
        OneEntity one = orgs();
        one.set(IEntityProvider.Permission.Dispute);
        bytes memory no = abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, ORG);
        bytes[7] memory ops = [
            op(send(right, 10)),
            op(withdrawal(0, 10, rightAddr)),
            op(abi.encodeCall(IDepository.reserveToCollateral, (0, abi.encodePacked(uint8(0x21), right, uint8(10))))),
            flashed(0, 10),
            op(abi.encodeCall(IDepository.deposit, (right, 0, 10))),
            op(abi.encodeCall(IDepository.cooperativeUpdate, (right, left, 0, hex"0000", "", ""))),
            op(abi.encodeCall(IDepository.cooperativeClose, (right, left, 0, hex"0000", "", "")))
        ];
        for (uint256 i; i < ops.length; ++i) {
            vm.expectRevert(no);
            dep.processBatch(ORG, type(uint64).max, ops[i], "abc");
        }
        // What takes nothing out needs no more than Dispute.
        dep.processBatch(ORG, type(uint64).max, op(abi.encodeCall(IDepository.registerHub, ("uri"))), "abc");
        eq(one.spends(), 0, "reverted");
        one.set(IEntityProvider.Permission.Withdraw);
        for (uint256 i; i < 3; ++i) {
            dep.processBatch(ORG, type(uint64).max, ops[i], "abc");
            eqb(one.spentHash(), keccak256(abi.encode(outflow(10))), "amount");
        }
        eq(reserves(ORG, 0), 970, "three times ten");
        eq(dep.batchNonce(ORG), 4, "nonces");
        dep.registerToken(IDepositoryTypes.TokenKind.Erc20, address(erc20), 0);
        vm.expectRevert(failed(0, abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, ORG)));
        dep.processBatch(ORG, type(uint64).max, op(abi.encodeCall(IDepository.deposit, (right, 1, 10))), "abc");
    }

    /// In an update, by a signature of its own or by the batch's.
    function test_org_updatesAskToSpend() public {
        OneEntity one = orgs();
        one.set(IEntityProvider.Permission.Withdraw);
        chKey = keccak256(abi.encode(left, ORG));
        bytes memory u = Codec.diff(0, 0, -30, 0);
        bytes memory l = sig(leftKey, settlementDigest(UPDATE, 0, 0, type(uint64).max, u));
        dep.cooperativeUpdate(left, ORG, type(uint64).max, u, l, "abc");
        eqb(one.spentHash(), keccak256(abi.encode(outflow(30))), "direct");
        u = Codec.diff(0, 0, -40, 0);
        l = sig(leftKey, settlementDigest(UPDATE, 0, 1, type(uint64).max, u));
        bytes memory data = op(abi.encodeCall(IDepository.cooperativeUpdate, (left, ORG, type(uint64).max, u, l, "")));
        dep.processBatch(ORG, type(uint64).max, data, "abc");
        eqb(one.spentHash(), keccak256(abi.encode(outflow(40))), "in a batch");
        eq(one.spends(), 2, "once each");
        u = Codec.diff(0, 0, 50, 0);
        l = sig(leftKey, settlementDigest(UPDATE, 0, 2, type(uint64).max, u));
        dep.cooperativeUpdate(left, ORG, type(uint64).max, u, l, "abc");
        eqb(one.spentHash(), keccak256(abi.encode(new IEntityProvider.Outflow[](0))), "nothing goes out");
        one.set(IEntityProvider.Permission.Dispute);
        u = Codec.diff(0, 0, -1, 0);
        l = sig(leftKey, settlementDigest(UPDATE, 0, 3, type(uint64).max, u));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, ORG));
        dep.cooperativeUpdate(left, ORG, type(uint64).max, u, l, "abc");
    }

    /// States of whom a key does not speak for are the EntityProvider's to judge, contract accounts included.
    function test_org_statesAskTheProvider() public {
        OneEntity one = orgs();
        one.set(IEntityProvider.Permission.States);
        bytes32 wallet = entity(address(type(uint160).max));
        chKey = keccak256(abi.encode(left, wallet));
        IDepositoryTypes.StateProof memory p;
        (p.nonce, p.bodyHash, p.signature) = (3, keccak256("body"), "abc");
        p.path = new bytes32[](0);
        vm.prank(leftAddr);
        dep.startDispute(left, wallet, p, "", 0, "");
        one.set(IEntityProvider.Permission.Dispute);
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, ORG));
        dep.startDispute(left, ORG, p, "", 0, "");
    }

    function test_graceMustCoverTwoWindows() public {
        IEntityProvider short = IEntityProvider(vm.deployCode("EntityProvider.sol:EntityProvider", abi.encode(2 * WINDOW - 1, 0)));
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.GraceTooShort.selector, 2 * WINDOW - 1));
        vm.deployCode("Depository.sol:Depository", abi.encode(address(short), WINDOW));
    }

    // Hubs.

    function test_hubs() public {
        vm.prank(rightAddr);
        dep.registerHub("right");
        byLeft(op(abi.encodeCall(IDepository.registerHub, ("left"))));
        vm.prank(rightAddr);
        dep.registerHub("right, moved");
        eq(dep.hubCount(), 2, "two");
        IDepositoryTypes.Hub[] memory list = dep.hubs(0, 10);
        yes(list.length == 2 && list[0].entity == right && list[1].entity == left, "order");
        yes(keccak256(bytes(list[0].uri)) == keccak256("right, moved"), "uri");
        uint256 used = list[1].gasUsed;
        byLeft(op(send(right, 1)));
        list = dep.hubs(1, 1);
        yes(list.length == 1 && list[0].entity == left && list[0].gasUsed > used + 10_000, "gas used");
        yes(dep.hubs(2, 1).length == 0 && dep.hubs(0, 0).length == 0, "pages");
        vm.prank(rightAddr);
        vm.expectRevert(IDepositoryTypes.UriTooLong.selector);
        dep.registerHub(string(new bytes(257)));
    }

    /// The extension's own storage is never touched.
    function test_extensionHoldsNothing() public {
        IDepository ext = IDepository(dep.extension());
        yes(address(ext) != address(dep) && address(ext).code.length != 0, "made");
        vm.expectRevert(IDepositoryTypes.OnlyDelegated.selector);
        ext.registerToken(IDepositoryTypes.TokenKind.Erc20, address(erc20), 0);
        vm.expectRevert(IDepositoryTypes.OnlyDelegated.selector);
        ext.registerHub("x");
        vm.expectRevert(IDepositoryTypes.OnlyDelegated.selector);
        ext.processBatch(left, 0, "", "");
        vm.expectRevert(IDepositoryTypes.OnlyDelegated.selector);
        ext.depositWithPermit(left, 0, 1, 0, 0, 0, 0);
        vm.expectRevert(IDepositoryTypes.OnlyDelegated.selector);
        ext.startEmptyDispute(left, right, new uint32[](0), 0, "");
    }
}
