// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../src/interfaces/ISubcontractProvider.sol";
import {Base} from "./utils/Base.sol";
import {Answers, Debts, Scripted} from "./utils/Instruments.sol";
import {vm} from "./utils/Vm.sol";

interface IInstrumentErrors {
    error MalformedBatch();
    error MalformedTerms();
    error NotEnoughGas();
    error NotSo(uint256 index);
    error NotYet(uint256 index);
    error UnknownInstrument(uint16 instrument);
    error InstrumentChanged(uint16 instrument);
    error WrongMoves();
}

/// Facts, and the instruments that are decided by them or by the start's time.
contract InstrumentsTest is Base {
    Answers private answers;
    Debts private debts;
    ISubcontractProvider.Context private context;
    int256 private constant D0 = 1e30;
    uint256 private now_;

    function setUp() public override {
        super.setUp();
        answers = new Answers();
        debts = new Debts();
        (context.startedAt, context.deadline) = (uint40(T0), uint40(T0 + WINDOW));
        now_ = T0;
    }

    function atTime(uint256 time) private {
        now_ = time;
        vm.warp(time);
    }

    // What is asked of the provider.

    function record(uint16 id, uint256 notBefore, bytes memory question) private {
        provider.record(ask(id, notBefore, question));
    }

    function ask(uint16 id, uint256 notBefore, bytes memory question)
        private
        pure
        returns (ISubcontractProvider.Question[] memory q)
    {
        q = new ISubcontractProvider.Question[](1);
        q[0] = ISubcontractProvider.Question(id, uint40(notBefore), question);
    }

    function key(uint16 id, uint256 notBefore, bytes memory question) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(id, uint40(notBefore), question));
    }

    function factOf(uint16 id, uint256 notBefore, bytes memory question) private view returns (uint256 time, uint256 value) {
        return provider.fact(key(id, notBefore, question));
    }

    /// One token, the second of two, asked by the Depository `debts`.
    function move(uint16 id, bytes memory terms) private returns (int256 moved, uint256 pending) {
        (int256[] memory d, uint40 p) = apply_(abi.encodePacked(id, uint8(1), uint8(1), terms));
        eqi(d[0], D0, "another token");
        return (d[1] - D0, p);
    }

    function apply_(bytes memory batch) private returns (int256[] memory d, uint40 pending) {
        d = new int256[](2);
        (d[0], d[1]) = (D0, D0);
        vm.prank(address(debts));
        return provider.applyBatch(d, new uint256[](2), batch, context);
    }

    function bad(bytes memory why, bytes memory batch) private {
        int256[] memory d = new int256[](2);
        vm.expectRevert(why);
        provider.applyBatch(d, new uint256[](2), batch, context);
    }

    function terms_(uint16 id, bytes memory terms) private {
        bad(abi.encodeWithSelector(IInstrumentErrors.MalformedTerms.selector), abi.encodePacked(id, uint8(1), uint8(1), terms));
    }

    function target(bytes memory data) private view returns (bytes memory) {
        return abi.encodePacked(address(answers), data);
    }

    function notSo(uint16 id, bytes memory question) private {
        vm.expectRevert(abi.encodeWithSelector(IInstrumentErrors.NotSo.selector, 0));
        record(id, 0, question);
    }

    // Facts.

    function test_record_firstWins() public {
        bytes memory q = target(abi.encodeCall(Answers.word, (1)));
        vm.expectEmit(true, true, true, true);
        emit ISubcontractProvider.FactRecorded(5, key(5, T0, q), uint40(T0), 0, q);
        record(5, T0, q);
        atTime(T0 + 9);
        vm.recordLogs();
        record(5, T0, q);
        eq(vm.getRecordedLogs().length, 0, "known: nothing happens");
        (uint256 time,) = factOf(5, T0, q);
        eq(time, T0, "first");
        (time,) = factOf(5, T0 - 1, q);
        eq(time, 0, "another not-before time is another fact");
        record(5, T0 - 1, q);
        (time,) = factOf(5, T0 - 1, q);
        eq(time, T0 + 9, "recorded in its own time");
        eqb(provider.factKey(ask(5, T0, q)[0]), key(5, T0, q), "key");
    }

    /// One that is known is not asked again, even if it is not so any more.
    function test_record_knownIsNotAskedAgain() public {
        bytes memory q = abi.encodePacked(address(debts), left, usd);
        debts.set(left, usd, 5);
        record(3, 0, q);
        debts.set(left, usd, 0);
        record(3, 0, q);
        vm.expectRevert(abi.encodeWithSelector(IInstrumentErrors.NotSo.selector, 0));
        record(3, 1, q);
    }

    function test_record_wholeOrNot() public {
        ISubcontractProvider.Question[] memory q = new ISubcontractProvider.Question[](3);
        for (uint256 i; i < 3; ++i) {
            q[i] = ISubcontractProvider.Question(5, uint40(i), target(abi.encodeCall(Answers.word, (1))));
        }
        q[2].notBefore = uint40(T0 + 1);
        vm.expectRevert(abi.encodeWithSelector(IInstrumentErrors.NotYet.selector, 2));
        provider.record(q);
        q[2].question = target(abi.encodeCall(Answers.word, (0)));
        q[2].notBefore = uint40(T0);
        vm.expectRevert(abi.encodeWithSelector(IInstrumentErrors.NotSo.selector, 2));
        provider.record(q);
        (uint256 time,) = factOf(5, 0, q[0].question);
        eq(time, 0, "all or nothing");
        q[2].question = q[0].question;
        provider.record(q);
        (time,) = factOf(5, T0, q[0].question);
        eq(time, T0, "at its not-before time");
    }

    function test_record_conditions() public {
        notSo(5, target(abi.encodeCall(Answers.word, (0))));
        notSo(5, target(abi.encodeCall(Answers.word, (2))));
        notSo(5, target(abi.encodeCall(Answers.word, (type(uint256).max))));
        notSo(5, target(abi.encodeCall(Answers.short, ())));
        notSo(5, target(abi.encodeCall(Answers.no, ())));
        notSo(5, target(abi.encodeCall(Answers.burn, ())));
        notSo(5, target(abi.encodeCall(Answers.write, ())));
        notSo(5, abi.encodePacked(address(0xdead), uint8(1)));
        // The precompile 4 answers its input: the length of a question is 20 to 276.
        notSo(5, abi.encodePacked(address(4)));
        record(5, 0, abi.encodePacked(address(4), uint256(1), new bytes(224)));
        notSo(5, abi.encodePacked(address(4), uint256(1), new bytes(225)));
        notSo(5, new bytes(19));
        record(5, 0, target(abi.encodeCall(Answers.long, ())));
        record(5, 0, target(abi.encodeCall(Answers.bound, ())));
    }

    /// Rule 28: with whatever gas, a target that says yes only when starved is never recorded.
    function test_rule28_starvedQuestionsAreNotRecorded(uint256 gas_) public {
        gas_ = 30_000 + gas_ % 120_000;
        bytes memory q = target(abi.encodeCall(Answers.starved, ()));
        bytes memory call = abi.encodeCall(ISubcontractProvider.record, (ask(5, 0, q)));
        (bool ok,) = address(provider).call{gas: gas_}(call);
        (uint256 time,) = factOf(5, 0, q);
        yes(!ok && time == 0, "not so");
    }

    function test_rule28_starvedQuestionsSaySo() public {
        ISubcontractProvider.Question[] memory q = ask(5, 0, target(abi.encodeCall(Answers.starved, ())));
        vm.expectRevert(IInstrumentErrors.NotEnoughGas.selector);
        provider.record{gas: 100_000}(q);
    }

    function test_record_defaults() public {
        bytes memory q = abi.encodePacked(address(debts), left, usd);
        notSo(3, q);
        debts.set(left, usd, 1);
        notSo(3, abi.encodePacked(q, uint8(0)));
        notSo(3, abi.encodePacked(address(debts), left, uint24(usd)));
        notSo(3, abi.encodePacked(address(debts), right, usd));
        notSo(3, abi.encodePacked(address(answers), left, usd));
        notSo(3, abi.encodePacked(address(0xdead), left, usd));
        record(3, 0, q);
        (uint256 time, uint256 value) = factOf(3, 0, q);
        yes(time == T0 && value == 0, "recorded");
    }

    function test_record_unknownInstruments() public {
        uint16[7] memory ids = [uint16(0), 1, 2, 4, 6, 255, 256];
        for (uint256 i; i < ids.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IInstrumentErrors.UnknownInstrument.selector, ids[i]));
            record(ids[i], 0, target(abi.encodeCall(Answers.word, (1))));
            if (i != 1 && i != 2 && i != 3) {
                bad(
                    abi.encodeWithSelector(IInstrumentErrors.UnknownInstrument.selector, ids[i]),
                    abi.encodePacked(ids[i], uint8(1), uint8(0))
                );
            }
        }
    }

    function test_record_custom() public {
        uint16 id = provider.registerInstrument(address(new Scripted()));
        record(id, 0, hex"010203");
        (uint256 time, uint256 value) = factOf(id, 0, hex"010203");
        yes(time == T0 && value == 3, "with its value");
        notSo(id, hex"00");
        notSo(id, hex"02");
        notSo(id, hex"03");
        notSo(id, "");
        vm.etch(provider.instrument(id), hex"00");
        vm.expectRevert(abi.encodeWithSelector(IInstrumentErrors.InstrumentChanged.selector, id));
        record(id, 1, hex"01");
    }

    // Instruments that a fact decides.

    struct Case {
        bool payerIsLeft;
        uint128 amount;
        uint128 other;
        uint8 expiry;
        uint8 notBefore;
        uint8 recorded;
        uint8 time;
        uint8 deadline;
        bool never;
    }

    /// What docs/encodings.md says of a fact recorded at `recorded`, seen at `time`.
    function outcome(Case memory c) private pure returns (bool counts, uint256 pending) {
        uint256 last = c.expiry < c.deadline ? c.expiry : c.deadline;
        bool known = !c.never && c.recorded <= c.time;
        counts = known && c.recorded <= last;
        pending = !known && c.time <= last ? T0 + last : 0;
    }

    function shape(Case memory c) private {
        // Below 2^127.
        (c.amount, c.other) = (c.amount >> 1, c.other >> 1);
        if (c.amount == 0) c.amount = 1;
        if (c.notBefore > c.expiry) (c.notBefore, c.expiry) = (c.expiry, c.notBefore);
        if (c.recorded < c.notBefore) c.never = true;
        context.deadline = uint40(T0 + c.deadline);
    }

    function sign(bool payerIsLeft, uint128 amount) private pure returns (int256) {
        return payerIsLeft ? -int256(uint256(amount)) : int256(uint256(amount));
    }

    function check(Case memory c, uint16 id, bytes memory terms, bytes memory question, uint128 otherwise) private {
        if (!c.never && c.recorded <= c.time) {
            atTime(T0 + c.recorded);
            record(id, T0 + c.notBefore, question);
        }
        atTime(T0 + c.time);
        (int256 moved, uint256 pending) = move(id, terms);
        (bool counts, uint256 want) = outcome(c);
        eqi(moved, sign(c.payerIsLeft, counts ? c.amount : otherwise), "move");
        eq(pending, want, "pending");
    }

    function test_default_paysByTheRecord(Case memory c) public {
        shape(c);
        debts.set(right, usd, 1);
        bytes memory terms = abi.encodePacked(
            uint8(c.payerIsLeft ? 1 : 0), c.amount, uint40(T0 + c.expiry), uint40(T0 + c.notBefore), right, usd
        );
        check(c, 3, terms, abi.encodePacked(address(debts), right, usd), 0);
    }

    /// Rule 9: one boundary, `<=`, of the expiry and of the deadline, for records and for waiting.
    function test_rule9_factsHaveOneBoundary() public {
        debts.set(right, usd, 1);
        bytes memory q = abi.encodePacked(address(debts), right, usd);
        for (uint256 i; i < 2; ++i) {
            uint256 notBefore = T0 + i;
            bytes memory terms =
                abi.encodePacked(uint8(0), uint128(7), uint40(i == 0 ? T0 + 50 : T0 + 500), uint40(notBefore), right, usd);
            context.deadline = uint40(i == 0 ? T0 + 500 : T0 + 50);
            atTime(T0 + 50);
            (int256 moved, uint256 pending) = move(3, terms);
            yes(moved == 0 && pending == T0 + 50, "may still be recorded");
            record(3, notBefore, q);
            (moved, pending) = move(3, terms);
            yes(moved == 7 && pending == 0, "recorded in the last second");
            context.deadline = uint40(T0 + 49);
            (moved, pending) = move(3, terms);
            yes(moved == 0 && pending == 0, "recorded too late");
        }
    }

    /// A record of another Depository's debts is nothing to this one.
    function test_default_asksItsOwnDepository() public {
        Debts other = new Debts();
        other.set(right, usd, 1);
        record(3, T0, abi.encodePacked(address(other), right, usd));
        bytes memory terms = abi.encodePacked(uint8(0), uint128(7), uint40(T0 + 5), uint40(T0), right, usd);
        (int256 moved, uint256 pending) = move(3, terms);
        yes(moved == 0 && pending == T0 + 5, "undecided");
    }

    function test_condition_paysByTheRecord(Case memory c) public {
        shape(c);
        bytes memory q = target(abi.encodeCall(Answers.word, (1)));
        bytes memory terms = abi.encodePacked(
            uint8(c.payerIsLeft ? 1 : 0), c.amount, c.other, uint40(T0 + c.expiry), uint40(T0 + c.notBefore), q
        );
        check(c, 5, terms, q, c.other);
    }

    function test_factInstruments_malformed() public {
        bytes memory owed = abi.encodePacked(right, usd);
        terms_(3, abi.encodePacked(uint8(2), uint128(1), uint40(5), uint40(5), owed));
        terms_(3, abi.encodePacked(uint8(0), uint128(0), uint40(5), uint40(5), owed));
        terms_(3, abi.encodePacked(uint8(0), uint128(1), uint40(5), uint40(6), owed));
        terms_(3, abi.encodePacked(uint8(0), uint128(1), uint40(5), uint40(5), owed, uint8(0)));
        terms_(3, abi.encodePacked(uint8(0), uint128(1), uint40(5), uint40(5), right, uint24(0)));
        uint128 large = 1 << 127;
        terms_(3, abi.encodePacked(uint8(0), large, uint40(5), uint40(5), owed));
        move(3, abi.encodePacked(uint8(0), large - 1, uint40(5), uint40(5), owed));
        bytes memory q = target("");
        terms_(5, abi.encodePacked(uint8(0), large, uint128(0), uint40(5), uint40(5), q));
        terms_(5, abi.encodePacked(uint8(0), uint128(1), large, uint40(5), uint40(5), q));
        move(5, abi.encodePacked(uint8(0), large - 1, large - 1, uint40(5), uint40(5), q));
        terms_(5, abi.encodePacked(uint8(2), uint128(1), uint128(0), uint40(5), uint40(5), q));
        terms_(5, abi.encodePacked(uint8(0), uint128(0), uint128(0), uint40(5), uint40(5), q));
        terms_(5, abi.encodePacked(uint8(0), uint128(1), uint128(0), uint40(5), uint40(6), q));
        terms_(5, abi.encodePacked(uint8(0), uint128(1), uint128(0), uint40(5), uint40(5), uint152(0)));
        terms_(5, abi.encodePacked(uint8(0), uint128(1), uint128(0), uint40(5), uint40(5), q, new bytes(257)));
        terms_(5, abi.encodePacked(uint8(0), uint128(1)));
        // The longest is fine.
        move(5, abi.encodePacked(uint8(0), uint128(1), uint128(0), uint40(5), uint40(5), q, new bytes(256)));
    }

    // Schedules.

    function schedule(uint128 amount, uint128 paid, uint40 duration, uint40 cliff, uint16 steps)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(3), amount, paid, uint40(T0), duration, cliff, steps);
    }

    function vestedAt(uint256 passed, uint128 amount, uint40 duration, uint40 cliff, uint16 steps) private returns (uint256) {
        context.startedAt = uint40(T0 + passed);
        (int256 moved, uint256 pending) = move(4, schedule(amount, 0, duration, cliff, steps));
        yes(moved <= 0 && pending == 0, "left pays, nothing is undecided");
        return uint256(-moved);
    }

    /// The greatest whole share that has vested: by its definition, not by its formula.
    function test_schedule_vests(uint128 amount, uint32 duration, uint32 cliff, uint16 steps, uint32 passed) public {
        amount >>= 1;
        vm.assume(amount != 0 && cliff <= duration);
        uint256 v = vestedAt(passed, amount, duration, cliff, steps);
        if (passed < cliff) {
            eq(v, 0, "before the cliff");
        } else if (passed >= duration) {
            eq(v, amount, "after the end");
        } else if (steps == 0) {
            yes(v * duration <= uint256(amount) * passed && (v + 1) * duration > uint256(amount) * passed, "linear");
        } else {
            // Step k is complete at the first second t with t * steps >= k * duration.
            uint256 k = v == 0 ? 0 : (v * steps - 1) / amount + 1;
            yes(k <= steps && k * uint256(amount) / steps == v, "a step's value");
            yes(k * duration <= uint256(passed) * steps, "complete");
            uint256 next = (k + 1) * uint256(amount) / steps;
            yes(next == v || (k + 1) * duration > uint256(passed) * steps, "no later one is");
        }
    }

    function test_schedule_boundaries() public {
        uint256 y = 365 days;
        eq(vestedAt(0, 1000, 100, 0, 0), 0, "start");
        eq(vestedAt(1, 1000, 100, 0, 0), 10, "a second");
        eq(vestedAt(99, 1000, 100, 0, 0), 990, "before the end");
        eq(vestedAt(100, 1000, 100, 100, 0), 1000, "the end");
        eq(vestedAt(24, 1000, 100, 25, 0), 0, "before the cliff");
        eq(vestedAt(25, 1000, 100, 25, 0), 250, "at the cliff");
        eq(vestedAt(24, 1000, 100, 0, 4), 0, "before the first step");
        eq(vestedAt(25, 1000, 100, 0, 4), 250, "the first step");
        eq(vestedAt(0, 1000, 0, 0, 0), 1000, "at once");
        uint128 most = type(uint128).max >> 1;
        eq(vestedAt(y / 3, most, uint40(y), 0, 65535), uint256(most) * 21845 / 65535, "large");
    }

    function test_schedule_lessPaid() public {
        context.startedAt = uint40(T0 + 50);
        (int256 moved,) = move(4, schedule(1000, 200, 100, 0, 0));
        eqi(moved, -300, "what is not paid yet");
        (moved,) = move(4, schedule(1000, 501, 100, 0, 0));
        eqi(moved, 0, "never back");
        bytes memory byRight = schedule(1000, 200, 100, 0, 0);
        byRight[0] = 0x00;
        (moved,) = move(4, byRight);
        eqi(moved, 300, "right pays");
        // Nothing vests by waiting for the finalize.
        atTime(T0 + 99);
        (moved,) = move(4, byRight);
        eqi(moved, 300, "the start's time counts");
        context.startedAt = uint40(T0 - 1);
        (moved,) = move(4, byRight);
        eqi(moved, 0, "before the start");
    }

    function test_schedule_malformed() public {
        terms_(4, schedule(1000, 1000, 100, 0, 0));
        terms_(4, schedule(0, 0, 100, 0, 0));
        terms_(4, schedule(1 << 127, 0, 100, 0, 0));
        move(4, schedule((1 << 127) - 1, 0, 100, 0, 0));
        terms_(4, schedule(1000, 0, 100, 101, 0));
        terms_(4, abi.encodePacked(schedule(1000, 0, 100, 0, 0), uint8(0)));
        bytes memory t = schedule(1000, 0, 100, 0, 0);
        t[0] = 0x04;
        terms_(4, t);
        terms_(4, "");
    }

    // Tokens of subcontracts, and custom instruments.

    function test_tokens_malformed() public {
        bytes memory why = abi.encodeWithSelector(IInstrumentErrors.MalformedBatch.selector);
        bytes memory s = schedule(1000, 0, 100, 0, 0);
        bad(why, abi.encodePacked(uint16(4)));
        bad(why, abi.encodePacked(uint16(4), uint8(0), s));
        bad(why, abi.encodePacked(uint16(4), uint8(1)));
        bad(why, abi.encodePacked(uint16(4), uint8(1), uint8(2), s));
        bad(abi.encodeWithSelector(IInstrumentErrors.MalformedTerms.selector), abi.encodePacked(uint16(4), uint16(0x0200), uint8(1), s));
        bytes memory d = abi.encodePacked(right, usd);
        bytes memory two = abi.encodePacked(uint16(0x0200), uint8(1));
        terms2(3, two, abi.encodePacked(uint8(0), uint128(1), uint40(5), uint40(5), d));
        terms2(5, two, abi.encodePacked(uint8(0), uint128(1), uint128(0), uint40(5), uint40(5), target("")));
    }

    function terms2(uint16 id, bytes memory list, bytes memory terms) private {
        bad(abi.encodeWithSelector(IInstrumentErrors.MalformedTerms.selector), abi.encodePacked(id, list, terms));
    }

    function moves(int256 a, int256 b, uint256 n) private pure returns (int256[] memory out) {
        out = new int256[](n);
        if (n > 0) out[0] = a;
        if (n > 1) out[1] = b;
    }

    function test_custom_movesItsTokens(int128 a, int128 b, uint40 until) public {
        uint16 id = provider.registerInstrument(address(new Scripted()));
        bytes memory said = abi.encode(moves(a, b, 2), until);
        (int256[] memory d, uint40 pending) = apply_(abi.encodePacked(id, uint8(2), uint8(1), uint8(0), said));
        yes(d[1] == D0 + a && d[0] == D0 + b, "in their order");
        eq(pending, until < context.deadline ? until : context.deadline, "cut to the deadline");
        (d,) = apply_(abi.encodePacked(id, uint8(1), uint8(1), abi.encode(moves(a, 0, 1), until)));
        yes(d[0] == D0 && d[1] == D0 + a, "one");
    }

    function test_custom_malformed() public {
        uint16 id = provider.registerInstrument(address(new Scripted()));
        bytes memory why = abi.encodeWithSelector(IInstrumentErrors.MalformedBatch.selector);
        bytes memory wrong = abi.encodeWithSelector(IInstrumentErrors.WrongMoves.selector);
        bytes memory said = abi.encode(moves(1, 1, 2), 0);
        bad(why, abi.encodePacked(id, uint8(2), uint8(1), uint8(1), said));
        bad(why, abi.encodePacked(id, uint8(2), uint8(0), uint8(2), said));
        bad(why, abi.encodePacked(id, uint8(5), uint8(0), uint8(1), uint24(0), abi.encode(moves(0, 0, 5), 0)));
        bad(why, abi.encodePacked(id, uint8(2), uint8(0)));
        // At most four tokens, even where there are more.
        for (uint256 n = 4; n < 6; ++n) {
            bytes memory many = abi.encodePacked(id, uint8(n), hex"0001020304");
            assembly {
                mstore(many, add(3, n))
            }
            if (n == 5) vm.expectRevert(why);
            provider.applyBatch(new int256[](5), new uint256[](5), abi.encodePacked(many, abi.encode(new int256[](n), 0)), context);
        }
        bad(wrong, abi.encodePacked(id, uint8(1), uint8(1), said));
        bad(wrong, abi.encodePacked(id, uint8(2), uint8(1), uint8(0), abi.encode(moves(1, 1, 3), 0)));
        bad(wrong, abi.encodePacked(id, uint8(2), uint8(1), uint8(0), abi.encode(moves(1, 1, 1), 0)));
        // Nothing wraps, and what it answers malformed or reverts is a revert.
        int256[] memory d = moves(1, -2, 2);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        provider.applyBatch(d, new uint256[](2), abi.encodePacked(id, uint8(1), uint8(0), abi.encode(moves(type(int256).max, 0, 1), 0)), context);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        provider.applyBatch(d, new uint256[](2), abi.encodePacked(id, uint8(1), uint8(1), abi.encode(moves(type(int256).min, 0, 1), 0)), context);
        vm.expectRevert();
        provider.applyBatch(d, new uint256[](2), abi.encodePacked(id, uint8(1), uint8(0), abi.encode(moves(1, 0, 1), uint256(1) << 40)), context);
        vm.expectRevert();
        provider.applyBatch(d, new uint256[](2), abi.encodePacked(id, uint8(1), uint8(0)), context);
    }
}
