// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {Base} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

/// Queues of debts: rule 20.
contract DebtsTest is Base {
    /// Left owes right `amount` more each time.
    function owe(uint256 n, uint128 amount) private {
        for (uint256 i; i < n; ++i) {
            close(Codec.one(0, -int128(amount)));
        }
    }

    function queue() private view returns (uint256 open, uint64 head, uint64 tail) {
        IDepositoryTypes.DebtEntry[] memory e;
        (e, head, tail) = dep.debtsOf(left, 0, 0, type(uint64).max);
        return (e.length, head, tail);
    }

    function test_shortfallIsADebt() public {
        depositEth(leftAddr, 30);
        owe(1, 100);
        eq(reserves(right, 0), 30, "from the reserve first");
        eq(dep.debtTotal(left, 0), 70, "rest");
        (IDepositoryTypes.DebtEntry[] memory e, uint64 head, uint64 tail) = dep.debtsOf(left, 0, 0, 10);
        yes(e.length == 1 && e[0].creditor == right && e[0].amount == 70 && e[0].index == 0, "entry");
        yes(head == 0 && tail == 1, "cursors");
    }

    function test_rule20_debtBlocksEveryOutflow() public {
        owe(1, 100);
        bytes memory why = abi.encodeWithSelector(IDepositoryTypes.DebtsOutstanding.selector, left, 0);
        depositEth(leftAddr, 40);
        vm.prank(leftAddr);
        vm.expectRevert(why);
        dep.withdraw(0, 1, leftAddr);
        vm.prank(leftAddr);
        vm.expectRevert(why);
        dep.reserveToReserve(right, 0, 1);
        Codec.Funding[] memory f = new Codec.Funding[](1);
        f[0] = Codec.Funding(left, right, 1);
        vm.prank(leftAddr);
        vm.expectRevert(why);
        dep.reserveToCollateral(0, Codec.fundings(f));
        bytes memory u = Codec.diff(0, -1, 0, 0);
        bytes32 d = settlementDigest(UPDATE, 1, 0, type(uint64).max, u);
        bytes memory l = sig(leftKey, d);
        bytes memory r = sig(rightKey, d);
        vm.expectRevert(why);
        dep.cooperativeUpdate(left, right, type(uint64).max, u, l, r);
        // Another token is free.
        depositUsd(leftAddr, 5);
        vm.prank(leftAddr);
        dep.withdraw(usd, 5, leftAddr);
        // With enough in the reserve the outflow pays first.
        depositEth(leftAddr, 80);
        vm.prank(leftAddr);
        dep.withdraw(0, 20, leftAddr);
        eq(reserves(left, 0), 0, "120 - 100 - 20");
        eq(reserves(right, 0), 100, "paid");
        eq(dep.debtTotal(left, 0), 0, "clear");
    }

    function test_enforce_fifoBoundedResumable() public {
        owe(20, 10);
        depositEth(leftAddr, 1000);
        (uint256 paid, uint256 open) = dep.enforceDebts(left, 0, 7);
        yes(paid == 70 && open == 13, "seven");
        (paid, open) = dep.enforceDebts(left, 0, 0);
        yes(paid == 0 && open == 13, "none");
        // More than one call's bound remain: refused, and nothing is lost by it.
        vm.prank(leftAddr);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.DebtsOutstanding.selector, left, 0));
        dep.withdraw(0, 1, leftAddr);
        (paid, open) = dep.enforceDebts(left, 0, 5);
        yes(paid == 50 && open == 8, "twelve");
        vm.prank(leftAddr);
        dep.withdraw(0, 800, leftAddr);
        eq(reserves(right, 0), 200, "all paid");
        (uint256 n, uint64 head, uint64 tail) = queue();
        yes(n == 0 && head == 20 && tail == 20, "empty");
    }

    function test_enforce_partly() public {
        owe(3, 10);
        depositEth(leftAddr, 15);
        (uint256 paid, uint256 open) = dep.enforceDebts(left, 0, 100);
        yes(paid == 15 && open == 2, "one and a half");
        (IDepositoryTypes.DebtEntry[] memory e,,) = dep.debtsOf(left, 0, 0, 10);
        yes(e.length == 2 && e[0].amount == 5 && e[0].index == 1 && e[1].amount == 10, "rest");
        eq(dep.debtTotal(left, 0), 15, "total");
        (paid, open) = dep.enforceDebts(left, 0, 100);
        yes(paid == 0 && open == 2, "nothing to pay with");
        (paid, open) = dep.enforceDebts(right, 0, 100);
        yes(paid == 0 && open == 0, "no debts");
    }

    function test_close_paysOlderDebtsFirst() public {
        owe(3, 10);
        depositEth(leftAddr, 35);
        owe(1, 10);
        eq(reserves(right, 0), 35, "30 of old, 5 of the new");
        eq(dep.debtTotal(left, 0), 5, "rest");
    }

    function test_close_queuesWholeBehindTooManyOlder() public {
        owe(9, 10);
        depositEth(leftAddr, 1000);
        owe(1, 10);
        eq(reserves(right, 0), 80, "eight older");
        eq(dep.debtTotal(left, 0), 20, "one older and the whole of the new");
        (uint256 n,,) = queue();
        eq(n, 2, "entries");
        eq(reserves(left, 0), 920, "rest stays until enforced");
    }

    function forgive(uint64[] memory indices, bytes memory diffs) private pure returns (bytes memory u) {
        u = abi.encodePacked(diffs, uint8(indices.length));
        for (uint256 i; i < indices.length; ++i) {
            u = abi.encodePacked(u, uint32(0), uint8(1), indices[i]);
        }
    }

    function test_forgiveness_beforeTheDiffs() public {
        owe(2, 10);
        depositEth(leftAddr, 8);
        uint64[] memory all = new uint64[](2);
        all[1] = 1;
        // Left's 8 go into collateral in the same settlement: only because nothing is owed any more.
        bytes memory diffs = abi.encodePacked(uint8(1), uint32(0), int128(-8), int128(0), int128(8));
        settle(forgive(all, diffs));
        (uint256 n, uint64 head, uint64 tail) = queue();
        yes(n == 0 && head == 2 && tail == 2 && dep.debtTotal(left, 0) == 0, "clear");
        (uint128 c, int128 o) = bucket(0);
        yes(c == 8 && o == 8, "in");
        eq(reserves(right, 0), 0, "nothing was paid");
    }

    function test_forgiveness_inTheMiddle() public {
        owe(5, 10);
        uint64[] memory some = new uint64[](2);
        (some[0], some[1]) = (1, 3);
        settle(forgive(some, hex"00"));
        eq(dep.debtTotal(left, 0), 30, "total");
        (IDepositoryTypes.DebtEntry[] memory e,,) = dep.debtsOf(left, 0, 1, 10);
        yes(e.length == 2 && e[0].index == 2 && e[1].index == 4, "page");
        depositEth(leftAddr, 100);
        (uint256 paid, uint256 open) = dep.enforceDebts(left, 0, 2);
        yes(paid == 10 && open == 2, "a forgiven entry is passed over");
        (paid, open) = dep.enforceDebts(left, 0, 3);
        yes(paid == 20 && open == 0, "and never strands the rest");
        vm.prank(leftAddr);
        dep.withdraw(0, 70, leftAddr);
    }

    function test_forgiveness_ofWhatWasPaidMeanwhile() public {
        owe(1, 10);
        bytes memory u = forgive(new uint64[](1), hex"00");
        depositEth(leftAddr, 10);
        dep.enforceDebts(left, 0, 1);
        settle(u);
        eq(reserves(right, 0), 10, "paid stays paid");
    }

    function test_forgiveness_onlyByTheCreditor() public {
        owe(1, 10);
        // Left and a third party cannot forgive what left owes right.
        uint256 thirdKey = 0xc0ffee;
        bytes32 third = entity(vm.addr(thirdKey));
        bool isLeft = left < third;
        (bytes32 lo, bytes32 hi) = isLeft ? (left, third) : (third, left);
        chKey = keccak256(abi.encode(lo, hi));
        bytes memory u = abi.encodePacked(uint8(0), uint8(1), uint32(0), uint8(isLeft ? 1 : 0), uint64(0));
        bytes32 d = settlementDigest(UPDATE, 0, 0, type(uint64).max, u);
        bytes memory a = sig(isLeft ? leftKey : thirdKey, d);
        bytes memory b = sig(isLeft ? thirdKey : leftKey, d);
        vm.expectRevert(IDepositoryTypes.NotTheCreditor.selector);
        dep.cooperativeUpdate(lo, hi, type(uint64).max, u, a, b);
    }

    /// Nobody's full reserve blocks a close.
    function test_closeNeverOverflowsAReserve() public {
        depositEth(rightAddr, (1 << 127) - 1);
        depositEth(leftAddr, 1000);
        fund(leftAddr, 0, 500);
        close(Codec.one(0, -500));
        eq(reserves(right, 0), (1 << 127) + 499, "beyond the bound of deposits");
        vm.prank(rightAddr);
        dep.withdraw(0, (1 << 127) + 499, rightAddr);
    }

    function test_conservation(uint8 n, uint16 each, uint16 has) public {
        n = n % 12 + 1;
        each = each % 1000 + 1;
        owe(n, each);
        if (has != 0) depositEth(leftAddr, has);
        (uint256 paid,) = dep.enforceDebts(left, 0, 100);
        uint256 all = uint256(n) * each;
        eq(paid, has < all ? has : all, "paid");
        eq(dep.debtTotal(left, 0), all - paid, "total");
        eq(reserves(left, 0) + reserves(right, 0), has, "debts are not value");
    }

    /// A queue of 10,000 entries, some of them forgiven, is read and paid in pieces.
    function test_tenThousandDebts() public {
        uint256 n = 10_000;
        // All of the one shape that closes make, put into storage at once: a close each would take the test minutes.
        owe(1, 1);
        bytes32 queueSlot = keccak256(abi.encode(uint256(0), keccak256(abi.encode(left, uint256(0)))));
        bytes32 entries = keccak256(abi.encode(uint256(0), keccak256(abi.encode(left, uint256(1)))));
        eqb(vm.load(address(dep), queueSlot), bytes32(uint256(1) << 96 | uint256(1) << 64 | uint256(1) << 32), "where it is");
        for (uint256 i = 1; i < n; ++i) {
            bytes32 at = keccak256(abi.encode(i, entries));
            vm.store(address(dep), at, right);
            vm.store(address(dep), bytes32(uint256(at) + 1), bytes32(uint256(1)));
        }
        vm.store(address(dep), queueSlot, bytes32(n << 96 | n << 64 | n << 32));
        uint64[] memory some = new uint64[](8);
        for (uint64 i; i < 8; ++i) some[i] = i;
        settle(forgive(some, hex"00"));
        for (uint64 i; i < 8; ++i) some[i] = 5_000 + i;
        settle(forgive(some, hex"00"));
        depositEth(leftAddr, n);
        // Pages, also such as begin in a hole.
        (uint256 seen, uint256 sum, uint64 from) = (0, 0, 0);
        while (from < n) {
            (IDepositoryTypes.DebtEntry[] memory e, uint64 head, uint64 tail) = dep.debtsOf(left, 0, from, 1_000);
            yes(tail == n && e.length <= 1_000, "page");
            for (uint256 i; i < e.length; ++i) sum += e[i].amount;
            seen += e.length;
            from = (from > head ? from : head) + 1_000;
        }
        yes(seen == n - 16 && sum == n - 16 && dep.debtTotal(left, 0) == sum, "all of them");
        uint256 open = seen;
        uint256 calls;
        while (open != 0) {
            vm.prank(leftAddr);
            vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.DebtsOutstanding.selector, left, 0));
            dep.withdraw(0, 1, leftAddr);
            (, open) = dep.enforceDebts(left, 0, 500);
            ++calls;
        }
        eq(calls, n / 500, "in pieces");
        yes(reserves(right, 0) == n - 16 && reserves(left, 0) == 16, "paid");
        vm.prank(leftAddr);
        dep.withdraw(0, 16, leftAddr);
    }
}
