// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../src/interfaces/IDepository.sol";
import {IDepositoryTypes} from "../src/interfaces/IDepositoryTypes.sol";
import {ISubcontractProvider} from "../src/interfaces/ISubcontractProvider.sol";
import {Base, IMint} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {vm} from "./utils/Vm.sol";

/// Providers that misbehave, by batch byte.
contract OddProvider {
    function applyBatch(int256[] calldata deltas, uint256[] calldata, bytes calldata batch, ISubcontractProvider.Context calldata)
        external
        view
        returns (int256[] memory out, uint40 pendingUntil)
    {
        uint8 mode = uint8(batch[0]);
        out = deltas;
        if (mode == 0) out[0] += 7;
        if (mode == 1) revert("no");
        if (mode == 2) {
            while (true) {}
        }
        if (mode == 3) {
            assembly {
                return(0, 500000)
            }
        }
        if (mode == 4) out = new int256[](deltas.length + 1);
        if (mode == 5) out[1] += 1;
        if (mode == 6) out[0] = type(int256).min;
        if (mode == 7) pendingUntil = type(uint40).max;
        if (mode == 8) {
            // Burns nearly all of its bound, then answers.
            out[0] += 7;
            while (gasleft() > 3000) {}
        }
        if (mode == 9) out[0] -= 7;
        if (mode == 10) {
            assembly {
                mstore(0, 0x40)
                mstore(0x20, shl(40, 1))
                mstore(0x40, 2)
                mstore(0x60, 7)
                mstore(0x80, 0)
                return(0, 0xa0)
            }
        }
        if (mode == 11) out[0] += 2 ** 128;
    }
}

contract ClausesTest is Base {
    OddProvider private odd;

    function setUp() public override {
        super.setUp();
        odd = new OddProvider();
        depositEth(leftAddr, 1000);
        depositEth(rightAddr, 1000);
        depositUsd(leftAddr, 1000);
        depositUsd(rightAddr, 1000);
        fund(leftAddr, 0, 100);
        fund(rightAddr, usd, 100);
    }

    function offs() private view returns (Codec.Off[] memory list) {
        list = new Codec.Off[](2);
        list[0] = Codec.Off(0, -50);
        list[1] = Codec.Off(usd, 50);
    }

    function clause(address who, bytes memory batch, uint128 r, uint128 l) private pure returns (Codec.Clause memory c) {
        c.provider = who;
        c.allowances = new Codec.Allow[](1);
        c.allowances[0] = Codec.Allow(0, r, l);
        c.batch = batch;
    }

    function one(Codec.Clause memory c) private view returns (bytes memory) {
        Codec.Clause[] memory list = new Codec.Clause[](1);
        list[0] = c;
        return Codec.body(offs(), list);
    }

    /// Finalized at once by right, who did not start. Returns left's share of token 0.
    function run(bytes memory body) private returns (uint256 share) {
        uint256 before = reserves(left, 0);
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.prank(rightAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        return reserves(left, 0) - before;
    }

    function test_withinAllowance() public {
        eq(run(one(clause(address(odd), hex"00", 7, 0))), 57, "up");
    }

    function test_withinAllowanceDown() public {
        eq(run(one(clause(address(odd), hex"09", 0, 7))), 43, "down");
    }

    /// Rule 28: nothing that a failed clause did counts, and the close goes on.
    function test_rule28_failuresChangeNothing() public {
        Codec.Clause[] memory list = new Codec.Clause[](13);
        uint128 max = type(uint128).max;
        list[0] = clause(address(odd), hex"00", 6, max);
        list[1] = clause(address(odd), hex"09", max, 6);
        list[2] = clause(address(odd), hex"01", max, max);
        list[3] = clause(address(odd), hex"02", max, max);
        list[4] = clause(address(odd), hex"03", max, max);
        list[5] = clause(address(odd), hex"04", max, max);
        list[6] = clause(address(odd), hex"05", max, max);
        list[7] = clause(address(odd), hex"06", max, max);
        list[8] = clause(address(odd), hex"0a", max, max);
        list[9] = clause(address(odd), hex"0b", max, max);
        list[10] = clause(address(0xdead), hex"00", max, max);
        list[11] = clause(address(provider), hex"ffff", max, max);
        list[12] = clause(address(odd), hex"00", 7, 0);
        eq(run(Codec.body(offs(), list)), 57, "only the last");
        eq(reserves(left, usd), 1050, "the other token as the body has it");
    }

    function test_rule28_starvedTransactionReverts() public {
        bytes memory body = one(clause(address(odd), hex"08", 7, 0));
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.warp(T0 + WINDOW + 1);
        bytes memory data = abi.encodeCall(IDepository.finalizeDispute, (left, right, Codec.dispute(d), body, "", ""));
        // Whatever the gas, the clause is applied or nothing happens at all.
        uint256 refused;
        uint256 named;
        for (uint256 gas_ = 100_000; gas_ < 600_000; gas_ += 7_919) {
            (bool ok, bytes memory why) = address(dep).call{gas: gas_}(data);
            if (ok) {
                eq(reserves(left, 0), 957, "applied");
                yes(refused > 10 && named > 0, "was refused with less");
                return;
            }
            ++refused;
            if (bytes4(why) == IDepositoryTypes.NotEnoughGas.selector) ++named;
            yes(why.length == 0 || bytes4(why) == IDepositoryTypes.NotEnoughGas.selector, "by name or out of gas");
        }
        yes(false, "never finalized");
    }

    function test_malformedClauses() public {
        bytes memory head = Codec.offs(offs());
        address p = address(provider);
        bytes[8] memory tails = [
            abi.encodePacked(uint8(34)),
            abi.encodePacked(uint8(1)),
            abi.encodePacked(uint8(1), p),
            abi.encodePacked(uint8(1), p, uint8(1), uint8(0), new bytes(31)),
            abi.encodePacked(uint8(1), p, uint8(1), uint8(2), new bytes(32), uint16(0)),
            abi.encodePacked(uint8(1), p, uint8(2), uint8(0), new bytes(32), uint8(0), new bytes(32), uint16(0)),
            abi.encodePacked(uint8(1), p, uint8(0), uint16(1)),
            abi.encodePacked(uint8(1), p, uint8(0), uint16(0), uint8(0))
        ];
        Codec.Dispute memory d = start(true, 1, head, "");
        for (uint256 i; i < tails.length; ++i) {
            bytes memory body = abi.encodePacked(head, tails[i]);
            d = counter(d, uint64(2 + i), body, "");
            vm.expectRevert(IDepositoryTypes.MalformedBody.selector);
            dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        }
    }

    function payment(bool payerIsLeft, uint8 kind, uint128 amount, uint40 expiry, bytes32 hash) private view returns (bytes memory) {
        Codec.Payment[] memory list = new Codec.Payment[](1);
        list[0] = Codec.Payment(payerIsLeft, kind, 0, amount, expiry, hash);
        return one(clause(address(provider), Codec.payments(list), payerIsLeft ? 0 : amount, payerIsLeft ? amount : 0));
    }

    function reveal(uint8 kind, bytes32 secret) private {
        bytes32[] memory s = new bytes32[](1);
        s[0] = secret;
        provider.reveal(kind, s);
    }

    function test_payment_revealedInTime() public {
        reveal(0, bytes32(0));
        eq(run(payment(true, 0, 20, uint40(T0), keccak256(abi.encode(0)))), 30, "left paid; the zero secret is a secret");
    }

    function test_payment_sha256() public {
        reveal(1, "s");
        eq(run(payment(false, 1, 20, uint40(T0), sha256(abi.encode(bytes32("s"))))), 70, "right paid");
    }

    /// A hash that nobody has a preimage of, but whose entry would be a word of something else, is not revealed.
    function test_payment_otherWordsAreNoReveals() public {
        reveal(1, "s");
        bytes32 sha = sha256(abi.encode(bytes32("s")));
        yes(provider.revealedAt(1, sha) == T0 && provider.revealedAt(0, sha) == 0, "of its kind only");
        // Every word that lies low in storage: counters, registered codes, the complement of slots 0 to 9.
        provider.registerInstrument(address(odd));
        for (uint256 slot; slot < 10; ++slot) {
            eq(provider.revealedAt(0, bytes32(~slot)), 0, "keccak");
            eq(provider.revealedAt(1, bytes32(~slot)), 0, "sha");
        }
        vm.warp(T0 + 1);
        eq(run(payment(false, 0, 20, uint40(T0), bytes32(~uint256(1)))), 50, "not paid");
    }

    function test_payment_malformedIsNone() public {
        reveal(0, "s");
        bytes32 h = keccak256(abi.encode(bytes32("s")));
        bytes memory entry = abi.encodePacked(h, uint8(0), uint8(20));
        bytes[6] memory bad = [
            abi.encodePacked(uint16(1), uint8(1), uint40(T0)),
            abi.encodePacked(uint16(1), uint8(1), uint40(T0), entry, uint8(0)),
            abi.encodePacked(uint16(1), uint8(2), uint40(T0), entry),
            abi.encodePacked(uint16(1), uint8(17), uint40(T0), h, uint8(0), new bytes(17)),
            abi.encodePacked(uint16(1), uint8(6 << 5), uint40(T0), h, uint8(0), new bytes(6)),
            abi.encodePacked(uint16(1), uint8(1), uint40(T0), entry, h, uint8(2), uint8(20))
        ];
        Codec.Clause[] memory list = new Codec.Clause[](7);
        for (uint256 i; i < 6; ++i) list[i] = clause(address(provider), bad[i], 100, 100);
        list[6] = clause(address(provider), abi.encodePacked(uint16(1), uint8(1), uint40(T0), entry), 100, 100);
        eq(run(Codec.body(offs(), list)), 70, "only the last");
    }

    function test_payment_kindsDoNotCross() public {
        reveal(1, "s");
        vm.warp(T0 + 1);
        eq(run(payment(false, 0, 20, uint40(T0), sha256(abi.encode(bytes32("s"))))), 50, "not paid");
    }

    /// A reveal counts at chain time `<= expiry`, whenever the finalize comes.
    function test_rule9_lateRevealDoesNotPay() public {
        bytes memory body = payment(false, 0, 20, uint40(T0), keccak256(abi.encode(bytes32("s"))));
        vm.warp(T0 + 1);
        reveal(0, "s");
        eq(run(body), 50, "late");
    }

    function test_pendingPaymentDefersEvenTheNonStarter() public {
        bytes32 secret = "s";
        uint40 expiry = uint40(T0 + WINDOW + 3 days);
        bytes memory body = payment(false, 0, 20, expiry, keccak256(abi.encode(secret)));
        Codec.Dispute memory d = start(true, 2, body, "");
        bytes memory why = abi.encodeWithSelector(IDepositoryTypes.PaymentPending.selector, expiry);
        vm.prank(rightAddr);
        vm.expectRevert(why);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        vm.warp(expiry);
        vm.expectRevert(why);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        reveal(0, secret);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        eq(reserves(left, 0), 970, "paid");
    }

    function test_pendingEndsWithTheExpiry() public {
        uint40 expiry = uint40(T0 + 5);
        bytes memory body = payment(false, 0, 20, expiry, keccak256("x"));
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.warp(expiry + 1);
        vm.prank(rightAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        eq(reserves(left, 0), 950, "not paid");
    }

    function test_pendingIsCapped() public {
        uint256 cap = T0 + WINDOW + 7 days;
        bytes memory body = one(clause(address(odd), hex"07", 0, 0));
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.warp(cap);
        vm.expectRevert(abi.encodeWithSelector(IDepositoryTypes.PaymentPending.selector, uint40(cap)));
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        vm.warp(cap + 1);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        eq(reserves(left, 0), 950, "closed");
    }

    /// Re-reveals never change a live dispute.
    function test_rule15_reRevealChangesNothing() public {
        reveal(0, "s");
        bytes memory body = payment(false, 0, 20, uint40(T0), keccak256(abi.encode(bytes32("s"))));
        vm.warp(T0 + 9);
        reveal(0, "s");
        eq(provider.revealedAt(0, keccak256(abi.encode(bytes32("s")))), T0, "first wins");
        eq(run(body), 70, "paid");
    }

    function offer(bool makerIsLeft, uint40 expiry) private pure returns (bytes memory) {
        // 10 of token 0 for 30 of usd.
        return Codec.offer(Codec.Offer(makerIsLeft, 5, 0, 1, 10, 30, 10, 1, expiry, 0));
    }

    function swapBody(bool makerIsLeft) private view returns (bytes memory) {
        Codec.Clause[] memory list = new Codec.Clause[](1);
        list[0].provider = address(provider);
        list[0].allowances = new Codec.Allow[](2);
        list[0].allowances[0] = makerIsLeft ? Codec.Allow(0, 0, 10) : Codec.Allow(0, 10, 0);
        list[0].allowances[1] = makerIsLeft ? Codec.Allow(1, 30, 0) : Codec.Allow(1, 0, 30);
        list[0].batch = offer(makerIsLeft, uint40(T0 + 100));
        return Codec.body(offs(), list);
    }

    /// Rule 19: the maker of a swap never chooses its own fill. Left starts, right answers.
    function test_rule19_onlyTheTakerFills() public {
        bytes memory fill = abi.encodePacked(uint64(5), uint128(4));
        bytes memory body = swapBody(true);
        Codec.Dispute memory d = start(true, 2, body, fill);
        vm.prank(rightAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, fill, "");
        eq(reserves(left, 0), 950, "the maker's own fill is none");
    }

    function test_swap_takerFillsAtItsEarlyFinalize() public {
        bytes memory fill = abi.encodePacked(uint64(5), uint128(4));
        bytes memory body = swapBody(true);
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.warp(T0 + 100);
        vm.prank(rightAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", fill);
        eq(reserves(left, 0), 946, "gave 4");
        eq(reserves(left, usd), 1000 + 50 + 12, "got 12");
    }

    function test_swap_starterFillsAtStart() public {
        bytes memory fill = abi.encodePacked(uint64(5), uint128(4));
        bytes memory body = swapBody(false);
        Codec.Dispute memory d = start(true, 2, body, fill);
        vm.warp(T0 + WINDOW + 1);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, fill, "");
        eq(reserves(left, 0), 954, "got 4");
        eq(reserves(left, usd), 1000 + 50 - 12, "paid 12");
    }

    function test_swap_lateFillIsNone() public {
        bytes memory fill = abi.encodePacked(uint64(5), uint128(4));
        bytes memory body = swapBody(true);
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.warp(T0 + 101);
        vm.prank(rightAddr);
        dep.acceptDispute(left, right, Codec.dispute(d), fill, "");
        d = answered(d, 2, body, fill);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", fill);
        eq(reserves(left, 0), 950, "expired");
    }

    /// How many payments fit a clause's gas, with 32 tokens in the body: what nodes sign must stay below.
    function test_paymentsPerClause() public {
        yes(paymentsFit(80), "80 fit");
    }

    function paymentsFit(uint256 n) private returns (bool) {
        Codec.Off[] memory list = new Codec.Off[](32);
        for (uint32 t; t < 32; ++t) list[t] = Codec.Off(t, t == 0 ? int128(-50) : int128(0));
        Codec.Payment[] memory p = new Codec.Payment[](n);
        bytes32[] memory s = new bytes32[](n);
        for (uint256 i; i < n; ++i) {
            s[i] = keccak256(abi.encode(n, i));
            p[i] = Codec.Payment(false, 1, 0, 1, type(uint40).max, sha256(abi.encode(s[i])));
        }
        provider.reveal(1, s);
        Codec.Clause[] memory clauses = new Codec.Clause[](1);
        clauses[0] = clause(address(provider), Codec.payments(p), uint128(n), 0);
        bytes memory body = Codec.body(list, clauses);
        fund(leftAddr, 0, 100);
        uint256 before = reserves(left, 0);
        (, int128 o) = bucket(0);
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.prank(rightAddr);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        uint256 share = reserves(left, 0) - before;
        uint256 unpaid = uint256(int256(o) - 50);
        yes(share == unpaid || share == unpaid + n, "all or nothing");
        return share != unpaid;
    }

    /// A channel at every limit finalizes within 12,000,000 gas: 32 tokens with collateral, payouts into empty reserves,
    /// 32 first debts, 33 clauses that burn their whole bound, allowances without a zero byte.
    function test_worstCaseGas() public {
        uint256 n = 32;
        Codec.Off[] memory list = new Codec.Off[](n);
        for (uint256 t; t < n; ++t) {
            address token = vm.deployCode("TestErc20.sol:TestErc20");
            uint32 id = dep.registerToken(IDepositoryTypes.TokenKind.Erc20, token, 0);
            IMint(token).mint(leftAddr, 100);
            vm.prank(leftAddr);
            IMint(token).approve(address(dep), 100);
            vm.prank(leftAddr);
            dep.deposit(left, id, 100);
            fund(leftAddr, id, 100);
            list[t] = Codec.Off(id, -200);
        }
        uint128 full = type(uint128).max;
        Codec.Clause[] memory clauses = new Codec.Clause[](33);
        for (uint256 i; i < 33; ++i) {
            clauses[i].provider = address(odd);
            clauses[i].batch = hex"02";
            clauses[i].allowances = new Codec.Allow[](n);
            for (uint8 t; t < n; ++t) clauses[i].allowances[t] = Codec.Allow(t, full, full);
        }
        bytes memory body = Codec.body(list, clauses);
        Codec.Dispute memory d = start(true, 2, body, "");
        vm.warp(T0 + WINDOW + 1);
        dep.finalizeDispute(left, right, Codec.dispute(d), body, "", "");
        uint256 used = vm.snapshotGasLastCall("gas", "worst case: 32 tokens, 32 first debts, 33 clauses at their bound");
        eq(dep.debtTotal(left, list[31].token), 100, "owed");
        yes(used < 12_000_000, "within the bound");
    }
}
