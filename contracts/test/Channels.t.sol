// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {Base} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

interface IWallet {
    function allow(bytes32 digest, bool yes) external;
    function execute(address to, uint256 value, bytes calldata data) external;
}

contract ChannelsTest is Base {
    function setUp() public override {
        super.setUp();
        depositEth(leftAddr, 1000);
        depositEth(rightAddr, 1000);
    }

    // External wrappers, so that expectRevert sees one call.
    function settle_(bytes memory update) external {
        settle(update);
    }

    function close_(bytes memory body) external {
        close(body);
    }

    function start_(uint64 nonce, bytes memory body) external {
        start(true, nonce, body, "");
    }

    function expectSettle(bytes4 why, bytes memory update) private {
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        bytes32 d = settlementDigest(UPDATE, epoch, nonce, type(uint64).max, update);
        (bytes memory l, bytes memory r) = (sig(leftKey, d), sig(rightKey, d));
        vm.expectRevert(why);
        dep.cooperativeUpdate(left, right, type(uint64).max, update, l, r);
    }

    function expectClose(bytes4 why, bytes memory body) private {
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        bytes32 d = settlementDigest(CLOSE, epoch, nonce, type(uint64).max, body);
        (bytes memory l, bytes memory r) = (sig(leftKey, d), sig(rightKey, d));
        vm.expectRevert(why);
        dep.cooperativeClose(left, right, type(uint64).max, body, l, r);
    }

    function test_fund_inFavourOfReceiver() public {
        fund(leftAddr, 0, 100);
        (uint128 c, int128 o) = bucket(0);
        yes(c == 100 && o == 100, "left's own");
        fund(rightAddr, 0, 50);
        (c, o) = bucket(0);
        yes(c == 150 && o == 100, "right's own");
        // Anyone may fund, here right for left.
        Codec.Funding[] memory f = new Codec.Funding[](2);
        f[0] = Codec.Funding(left, right, 7);
        f[1] = Codec.Funding(right, left, 5);
        vm.prank(rightAddr);
        dep.reserveToCollateral(0, Codec.fundings(f));
        (c, o) = bucket(0);
        yes(c == 162 && o == 107, "both");
        eq(reserves(right, 0), 1000 - 50 - 12, "paid by the caller");
    }

    function test_rule1_leftAndRightByRawBytes(uint256 a, uint256 b) public {
        bytes32 x = bytes32(uint256(uint160(a)));
        bytes32 y = bytes32(uint256(uint160(b)));
        vm.assume(x != 0 && y != 0 && x != y);
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(x, y, 10);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, Codec.fundings(f));
        uint32[] memory list = new uint32[](1);
        (bytes32 l, bytes32 r) = uint256(x) < uint256(y) ? (x, y) : (y, x);
        (uint128[] memory cs, int128[] memory os) = dep.collaterals(l, r, list);
        eq(cs[0], 10, "collateral");
        eqi(os[0], x == l ? int256(10) : int256(0), "in favour of the receiver");
        vm.expectRevert(IDepositoryTypes.InvalidChannel.selector);
        dep.collaterals(r, l, list);
    }

    function test_fund_reverts() public {
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(left, left, 1);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.InvalidChannel.selector);
        dep.reserveToCollateral(0, Codec.fundings(f));
        f[0] = Codec.Funding(left, bytes32(uint256(9) << 248), 1);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.InvalidEntity.selector);
        dep.reserveToCollateral(0, Codec.fundings(f));
        f[0] = Codec.Funding(bytes32(0), left, 1);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.InvalidEntity.selector);
        dep.reserveToCollateral(0, Codec.fundings(f));
        f[0] = Codec.Funding(left, right, 1001);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.InsufficientReserve.selector);
        dep.reserveToCollateral(0, Codec.fundings(f));
        f = new Codec.Funding[](3);
        for (uint256 i; i < 3; ++i) f[i] = Codec.Funding(left, right, 334);
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.InsufficientReserve.selector);
        dep.reserveToCollateral(0, Codec.fundings(f));
    }

    function test_update(uint64 deposit, int64 l, int64 r, int64 od) public {
        if (deposit != 0) depositEth(leftAddr, deposit);
        depositEth(rightAddr, type(uint64).max);
        depositEth(leftAddr, type(uint64).max);
        if (deposit != 0) fund(leftAddr, 0, deposit);
        (uint256 lr, uint256 rr) = (reserves(left, 0), reserves(right, 0));
        bytes memory u = Codec.diff(0, l, r, od);
        if (int256(uint256(deposit)) - l - r < 0) {
            expectSettle(IDepositoryTypes.InsufficientCollateral.selector, u);
            return;
        }
        settle(u);
        eqi(int256(reserves(left, 0)), int256(lr) + l, "left");
        eqi(int256(reserves(right, 0)), int256(rr) + r, "right");
        (uint128 c, int128 o) = bucket(0);
        eqi(int256(uint256(c)), int256(uint256(deposit)) - l - r, "collateral: the sum is zero");
        eqi(o, int256(uint256(deposit)) + od, "ondelta");
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        yes(epoch == 0 && nonce == 1, "only the nonce");
    }

    function test_update_callerIsItsOwnSignature() public {
        fund(leftAddr, 0, 100);
        bytes memory u = Codec.diff(0, 40, 0, -40);
        bytes32 d = settlementDigest(UPDATE, 0, 0, uint64(T0), u);
        bytes memory s = sig(rightKey, d);
        vm.prank(leftAddr);
        dep.cooperativeUpdate(left, right, uint64(T0), u, "", s);
        eq(reserves(left, 0), 940, "paid");
        // Not twice.
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.cooperativeUpdate(left, right, uint64(T0), u, "", s);
    }

    function test_update_needsBothOwners() public {
        fund(leftAddr, 0, 100);
        bytes memory u = Codec.diff(0, 40, 0, -40);
        bytes32 d = settlementDigest(UPDATE, 0, 0, uint64(T0), u);
        bytes memory l = sig(leftKey, d);
        bytes memory r = sig(rightKey, d);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, left));
        dep.cooperativeUpdate(left, right, uint64(T0), u, "", r);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, right));
        dep.cooperativeUpdate(left, right, uint64(T0), u, l, "");
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.cooperativeUpdate(left, right, uint64(T0), u, r, r);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, right));
        dep.cooperativeUpdate(left, right, uint64(T0), u, l, l);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.cooperativeUpdate(left, right, uint64(T0) + 1, u, l, r);
        vm.warp(T0 + 1);
        vm.expectRevert(IDepositoryTypes.Expired.selector);
        dep.cooperativeUpdate(left, right, uint64(T0), u, l, r);
        // At the second itself it counts (rule 9).
        vm.warp(T0);
        dep.cooperativeUpdate(left, right, uint64(T0), u, l, r);
    }

    function test_update_malformed() public {
        bytes4 bad = IDepositoryTypes.MalformedUpdate.selector;
        expectSettle(bad, "");
        expectSettle(bad, hex"00");
        expectSettle(bad, hex"000000");
        expectSettle(bad, hex"01");
        expectSettle(bad, hex"21");
        expectSettle(bad, hex"0009");
        expectSettle(bad, hex"0001");
        bytes memory twice = abi.encodePacked(uint8(2), uint32(0), new bytes(48), uint32(0), new bytes(48), uint8(0));
        expectSettle(bad, twice);
        bytes memory down = abi.encodePacked(uint8(2), uint32(1), new bytes(48), uint32(0), new bytes(48), uint8(0));
        expectSettle(bad, down);
        bytes memory f = abi.encodePacked(uint8(0), uint8(1), uint32(0), uint8(2), uint64(0));
        expectSettle(bad, f);
        f = abi.encodePacked(uint8(0), uint8(1), uint32(0), uint8(1), uint64(0));
        expectSettle(bad, f);
        settle(hex"0000");
        (, uint32 nonce) = epochAndNonce();
        eq(nonce, 1, "an empty update voids older ones");
    }

    function test_update_range() public {
        expectSettle(IDepositoryTypes.AmountOutOfRange.selector, Codec.diff(0, 0, 0, type(int128).min));
        settle(Codec.diff(0, 0, 0, type(int128).max));
        expectSettle(IDepositoryTypes.AmountOutOfRange.selector, Codec.diff(0, 0, 0, 1));
        settle(Codec.diff(0, 0, 0, -type(int128).max));
        settle(Codec.diff(0, 0, 0, -type(int128).max));
        expectSettle(IDepositoryTypes.AmountOutOfRange.selector, Codec.diff(0, 0, 0, -1));
        expectSettle(IDepositoryTypes.InsufficientReserve.selector, Codec.diff(0, type(int128).min, type(int128).max, 0));
    }

    function test_update_refusedDuringDispute() public {
        fund(leftAddr, 0, 100);
        start(true, 2, Codec.one(0, 0), "");
        expectSettle(IDepositoryTypes.DisputeRunning.selector, hex"0000");
    }

    function test_close_splits(uint64 c, int64 offdelta) public {
        depositEth(leftAddr, uint256(c) + 1);
        fund(leftAddr, 0, uint128(c) + 1);
        uint256 coll = uint256(c) + 1;
        (uint256 lr, uint256 rr) = (reserves(left, 0), reserves(right, 0));
        int256 delta = int256(coll) + offdelta;
        close(Codec.one(0, offdelta));
        uint256 total = lr + rr + coll;
        eq(reserves(left, 0) + reserves(right, 0), total, "nothing lost");
        if (delta >= 0 && delta <= int256(coll)) {
            eqi(int256(reserves(left, 0)), int256(lr) + delta, "split");
            eq(dep.debtTotal(left, 0) + dep.debtTotal(right, 0), 0, "no debt");
        } else {
            (bytes32 creditor, bytes32 debtor, uint256 owed, uint256 has, uint256 debtorHas) = delta < 0
                ? (right, left, uint256(-delta), rr, lr)
                : (left, right, uint256(delta) - coll, lr, rr);
            uint256 paid = owed < debtorHas ? owed : debtorHas;
            eq(reserves(creditor, 0), has + coll + paid, "creditor");
            eq(reserves(debtor, 0), debtorHas - paid, "debtor");
            eq(dep.debtTotal(debtor, 0), owed - paid, "rest is a debt");
        }
        (uint128 cc, int128 o) = bucket(0);
        yes(cc == 0 && o == 0, "empty");
        (uint32 epoch, uint32 nonce) = epochAndNonce();
        yes(epoch == 1 && nonce == 0, "epoch");
    }

    function test_close_unlistedTokensStay() public {
        depositUsd(leftAddr, 50);
        fund(leftAddr, usd, 50);
        fund(leftAddr, 0, 10);
        close(Codec.one(0, 0));
        (uint128 c, int128 o) = bucket(usd);
        yes(c == 50 && o == 50, "untouched");
        close(Codec.one(usd, -20));
        eq(reserves(right, usd), 20, "later");
    }

    function test_close_usesStateOfTheMoment() public {
        fund(leftAddr, 0, 100);
        bytes memory body = Codec.one(0, -30);
        bytes32 d = settlementDigest(CLOSE, 0, 0, type(uint64).max, body);
        bytes memory l = sig(leftKey, d);
        bytes memory r = sig(rightKey, d);
        fund(rightAddr, 0, 5);
        dep.cooperativeClose(left, right, type(uint64).max, body, l, r);
        eq(reserves(left, 0), 1000 - 100 + 70, "left");
        eq(reserves(right, 0), 1000 + 30, "right");
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.cooperativeClose(left, right, type(uint64).max, body, l, r);
    }

    function test_close_endsADispute() public {
        fund(leftAddr, 0, 100);
        start(true, 2, Codec.one(0, 0), "");
        close(Codec.one(0, -10));
        (uint32 epoch,, bytes32 h) = dep.channel(left, right);
        yes(epoch == 1 && h == 0, "ended");
        eq(reserves(right, 0), 1010, "paid");
    }

    function test_close_malformed() public {
        bytes4 bad = IDepositoryTypes.MalformedBody.selector;
        expectClose(bad, "");
        expectClose(bad, hex"00");
        expectClose(bad, hex"0001");
        expectClose(bad, hex"000000");
        expectClose(bad, hex"01");
        expectClose(bad, abi.encodePacked(uint8(33), new bytes(33 * 20 + 1)));
        expectClose(bad, abi.encodePacked(uint8(2), uint32(1), int128(0), uint32(1), int128(0), uint8(0)));
        expectClose(bad, abi.encodePacked(uint8(2), uint32(2), int128(0), uint32(1), int128(0), uint8(0)));
        expectClose(bad, Codec.one(0, type(int128).min));
        bytes32 d = settlementDigest(CLOSE, 0, 0, 5, hex"0000");
        vm.expectRevert(IDepositoryTypes.Expired.selector);
        dep.cooperativeClose(left, right, 5, hex"0000", sig(leftKey, d), sig(rightKey, d));
        close(hex"0000");
    }

    /// Updates and closes are different messages, and stale nonces are dead.
    function test_signaturesDoNotCross() public {
        bytes32 d = settlementDigest(UPDATE, 0, 0, type(uint64).max, hex"0000");
        bytes memory l = sig(leftKey, d);
        bytes memory r = sig(rightKey, d);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.cooperativeClose(left, right, type(uint64).max, hex"0000", l, r);
        close(hex"0000");
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.cooperativeUpdate(left, right, type(uint64).max, hex"0000", l, r);
    }

    function test_signatures_strict() public {
        bytes32 d = settlementDigest(UPDATE, 0, 0, type(uint64).max, hex"0000");
        bytes memory r = sig(rightKey, d);
        bytes memory l = sig(leftKey, d);
        bytes memory why = abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left);
        // 65 bytes, high s, zero r, zero s.
        (uint8 v, bytes32 rr, bytes32 s) = vm.sign(leftKey, d);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes[5] memory bad = [
            abi.encodePacked(rr, s, v),
            abi.encodePacked(rr, bytes32((order - uint256(s)) | uint256(28 - v) << 255)),
            abi.encodePacked(bytes32(0), s),
            abi.encodePacked(rr, bytes32(0)),
            abi.encodePacked(l, bytes1(0))
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(why);
            dep.cooperativeUpdate(left, right, type(uint64).max, hex"0000", bad[i], r);
        }
        dep.cooperativeUpdate(left, right, type(uint64).max, hex"0000", l, r);
    }

    /// ERC-1271 for settlements at the moment they run, and never for channel states (rule 27).
    function test_rule27_contractAccounts() public {
        address wallet = vm.deployCode("TestWallet.sol:TestWallet", abi.encode(address(this)));
        bytes32 w = entity(wallet);
        (bytes32 lo, bytes32 hi) = left < w ? (left, w) : (w, left);
        chKey = keccak256(abi.encode(lo, hi));
        bytes32 d = settlementDigest(UPDATE, 0, 0, type(uint64).max, hex"0000");
        bytes memory mine = sig(leftKey, d);
        bytes memory its = hex"01";
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, w));
        dep.cooperativeUpdate(lo, hi, type(uint64).max, hex"0000", lo == left ? mine : its, lo == left ? its : mine);
        IWallet(wallet).allow(d, true);
        dep.cooperativeUpdate(lo, hi, type(uint64).max, hex"0000", lo == left ? mine : its, lo == left ? its : mine);

        bytes memory body = Codec.one(0, 0);
        IDepositoryTypes.StateProof memory p = proofBy(leftKey, 0, 2, body);
        IWallet(wallet).allow(stateDigest(2, rootOf(0, keccak256(body))), true);
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, w));
        dep.startDispute(left, w, p, "", 0, "");
        // The wallet itself acts as the caller.
        vm.prank(wallet);
        dep.startDispute(w, left, p, "", 0, "");
    }

    /// What recovers to the address is valid although the address has code.
    function test_rule27_keyWithCode() public {
        vm.etch(leftAddr, hex"60006000fd");
        fund(leftAddr, 0, 10);
        settle(Codec.diff(0, 5, 0, -5));
        start(false, 2, Codec.one(0, 0), "");
    }

    function test_anotherChainHasAnotherDomain() public {
        bytes32 d = settlementDigest(UPDATE, 0, 0, type(uint64).max, hex"0000");
        bytes memory l = sig(leftKey, d);
        bytes memory r = sig(rightKey, d);
        vm.chainId(77);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, left));
        dep.cooperativeUpdate(left, right, type(uint64).max, hex"0000", l, r);
        settle(hex"0000");
    }

    function test_organisationsHaveNoSignersYet() public {
        bytes32 org = bytes32(uint256(1) << 248 | 5);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.InvalidSignature.selector, org));
        vm.prank(leftAddr);
        dep.cooperativeUpdate(left, org, type(uint64).max, hex"0000", "", hex"00");
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.Unauthorized.selector, org));
        vm.prank(leftAddr);
        dep.cooperativeUpdate(left, org, type(uint64).max, hex"0000", "", "");
    }

    function test_reserveToReserve(uint64 amount) public {
        vm.assume(amount > 0);
        depositEth(leftAddr, amount);
        vm.prank(leftAddr);
        dep.reserveToReserve(right, 0, amount);
        eq(reserves(left, 0), 1000, "out");
        eq(reserves(right, 0), 1000 + uint256(amount), "in");
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.InsufficientReserve.selector);
        dep.reserveToReserve(right, 0, 1001);
        vm.prank(leftAddr);
        dep.reserveToReserve(left, 0, 1000);
        eq(reserves(left, 0), 1000, "to itself");
    }

    /// The short form of a funding refuses what the long one does.
    function test_fund_range() public {
        depositEth(leftAddr, 1 << 119);
        vm.prank(leftAddr);
        dep.reserveToCollateral(0, Codec.funding(rightAddr, 100));
        settle(Codec.diff(0, 0, 0, type(int128).max - 100));
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.AmountOutOfRange.selector);
        dep.reserveToCollateral(0, Codec.funding(rightAddr, 1));
        bytes4[4] memory why = [
            IDepositoryTypes.InvalidChannel.selector,
            IDepositoryTypes.InvalidEntity.selector,
            IDepositoryTypes.ZeroAmount.selector,
            IDepositoryTypes.MalformedFundings.selector
        ];
        bytes[4] memory bad = [
            Codec.funding(leftAddr, 1), Codec.funding(address(0), 1), Codec.funding(rightAddr, 0), abi.encodePacked(uint8(0xb1), rightAddr, new bytes(17))
        ];
        for (uint256 i; i < 4; ++i) {
            vm.prank(leftAddr);
            vm.expectRevert(why[i]);
            dep.reserveToCollateral(0, bad[i]);
        }
        vm.prank(leftAddr);
        vm.expectRevert(IDepositoryTypes.MalformedFundings.selector);
        dep.reserveToCollateral(usd, abi.encodePacked(uint8(0xa2), rightAddr, uint8(1)));
    }

    /// Any form gives the same, whoever is left.
    function test_fund_forms(bool byLeft, uint64 amount) public {
        vm.assume(amount != 0);
        (address me, address other) = byLeft ? (leftAddr, rightAddr) : (rightAddr, leftAddr);
        depositEth(me, uint256(amount) * 3);
        bytes memory data = bytes.concat(
            Codec.funding(other, amount),
            abi.encodePacked(uint8(0x28), entity(other), amount),
            abi.encodePacked(uint8(0xc8), me, amount)
        );
        // The last is invalid: both ends are the caller.
        vm.prank(me);
        vm.expectRevert(IDepositoryTypes.InvalidChannel.selector);
        dep.reserveToCollateral(0, data);
        data = bytes.concat(
            Codec.funding(other, amount),
            abi.encodePacked(uint8(0x28), entity(other), amount),
            abi.encodePacked(uint8(0xc8), other, amount)
        );
        vm.prank(me);
        dep.reserveToCollateral(0, data);
        (uint128 c, int128 o) = bucket(0);
        eq(c, 3 * uint256(amount), "collateral");
        eqi(o, int256(uint256(amount)) * (byLeft ? int256(2) : int256(1)), "two for the caller, one for the other");
    }

    /// Right's outflow pays what it owes left: the event shows left's reserve after that.
    function test_update_eventAfterOlderDebts() public {
        close(Codec.one(0, 1500));
        eq(dep.debtTotal(right, 0), 500, "owes");
        depositEth(rightAddr, 600);
        bytes memory u = Codec.diff(0, -10, -20, 0);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.Settled(
            left, right, uint256(7) << 96 | uint256(1) << 64 | uint256(1) << 32, 30, uint256(2490) << 128 | 80
        );
        settle(u);
        yes(reserves(left, 0) == 2490 && reserves(right, 0) == 80, "as told");
    }

    function test_events_ofACloseAndWithoutTokens() public {
        fund(leftAddr, 0, 100);
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.Settled(left, right, uint256(1) << 32, 0, 0);
        settle(hex"0000");
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.ChannelClosed(
            left, right, uint256(7) << 96 | uint256(1) << 64 | uint256(1) << 32, uint256(930) << 128 | 1070
        );
        close(Codec.one(0, -70));
        vm.expectEmit(true, true, true, true);
        emit IDepositoryTypes.ChannelClosed(left, right, uint256(2) << 64 | uint256(1) << 32, 0);
        close(hex"0000");
    }
}
