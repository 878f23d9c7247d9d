// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../src/interfaces/ISubcontractProvider.sol";
import {Base} from "./utils/Base.sol";
import {vm} from "./utils/Vm.sol";

interface IFeed {
    function set(int256 price) external;
}

interface IOptionErrors {
    error MalformedTerms();
    error NotSo(uint256 index);
    error NotEnoughGas();
}

/// Answers only when it is starved.
contract StarvedFeed {
    function latestAnswer() external view returns (int256) {
        return gasleft() < 90_000 ? int256(1) : int256(0);
    }
}

/// The example of a custom instrument, through the provider.
contract PriceOptionTest is Base {
    ISubcontractProvider.Context private context;
    IFeed private feed;
    uint16 private id;

    struct Option {
        uint8 flags;
        uint128 strike;
        uint128 multiplier;
        uint128 cap;
        uint40 expiry;
        uint40 notBefore;
    }

    function setUp() public override {
        super.setUp();
        feed = IFeed(vm.deployCode("TestFeed.sol:TestFeed"));
        id = provider.registerInstrument(vm.deployCode("PriceOption.sol:PriceOption"));
        (context.startedAt, context.deadline) = (uint40(T0), uint40(T0 + WINDOW));
    }

    function batch(Option memory o) private view returns (bytes memory) {
        return abi.encodePacked(
            id, uint8(1), uint8(0), o.flags, o.strike, o.multiplier, o.cap, o.expiry, o.notBefore, address(feed)
        );
    }

    function settled(Option memory o) private view returns (int256 moved, uint256 pending) {
        (int256[] memory d, uint40 p) = provider.applyBatch(new int256[](1), new uint256[](1), batch(o), context);
        return (d[0], p);
    }

    function record(address who, uint256 notBefore) private {
        ISubcontractProvider.Question[] memory q = new ISubcontractProvider.Question[](1);
        q[0] = ISubcontractProvider.Question(id, uint40(notBefore), abi.encodePacked(who));
        provider.record(q);
    }

    /// The greatest payment within the cap that the difference covers, by its definition.
    function test_option_pays(uint128 price, uint128 strike, uint128 multiplier, uint128 cap, bool put, bool payerIsLeft)
        public
    {
        cap >>= 1;
        vm.assume(price != 0 && multiplier != 0 && cap != 0);
        feed.set(int256(uint256(price)));
        record(address(feed), T0);
        uint8 flags = (payerIsLeft ? 1 : 0) | (put ? 2 : 0);
        (int256 moved, uint256 pending) = settled(Option(flags, strike, multiplier, cap, uint40(T0), uint40(T0)));
        eq(pending, 0, "decided");
        yes(payerIsLeft ? moved <= 0 : moved >= 0, "the payer pays");
        uint256 pays = uint256(moved < 0 ? -moved : moved);
        bool inMoney = put ? strike > price : price > strike;
        uint256 worth = inMoney ? (put ? uint256(strike) - price : uint256(price) - strike) * multiplier : 0;
        yes(pays <= cap && pays * 1e8 <= worth, "no more");
        yes(pays == cap || (pays + 1) * 1e8 > worth, "no less");
    }

    function test_option_example() public {
        // A call on 2,000.00000000 that pays 3 tokens of 6 decimals for each whole unit above, at most 500 tokens.
        Option memory o = Option(0, 2000e8, 3e6, 500e6, uint40(T0 + 100), uint40(T0 + 10));
        (int256 moved, uint256 pending) = settled(o);
        yes(moved == 0 && pending == T0 + 100, "undecided");
        vm.warp(T0 + 10);
        feed.set(2100e8);
        record(address(feed), T0 + 10);
        feed.set(9000e8);
        (moved, pending) = settled(o);
        yes(moved == 300e6 && pending == 0, "the first price decides");
        o.flags = 2;
        (moved,) = settled(o);
        eqi(moved, 0, "the put is worth nothing");
        o.flags = 3;
        o.strike = 2300e8;
        (moved,) = settled(o);
        eqi(moved, -500e6, "capped");
        o.notBefore = uint40(T0 + 11);
        (moved, pending) = settled(o);
        yes(moved == 0 && pending == T0 + 100, "another maturity is another fact");
    }

    function test_option_boundaries() public {
        Option memory o = Option(0, 0, 1e8, 1000, uint40(T0 + 5), uint40(T0));
        feed.set(7);
        vm.warp(T0 + 5);
        record(address(feed), T0);
        (int256 moved, uint256 pending) = settled(o);
        yes(moved == 7 && pending == 0, "at the expiry");
        o.expiry = uint40(T0 + 4);
        (moved, pending) = settled(o);
        yes(moved == 0 && pending == 0, "late");
        o.expiry = uint40(T0 + 100);
        context.deadline = uint40(T0 + 4);
        (moved, pending) = settled(o);
        yes(moved == 0 && pending == 0, "after the deadline");
        context.deadline = uint40(T0 + 5);
        (moved,) = settled(o);
        eqi(moved, 7, "at the deadline");
        o.notBefore = uint40(T0 + 1);
        (, pending) = settled(o);
        eq(pending, T0 + 5, "until the deadline");
        vm.warp(T0 + 6);
        (moved, pending) = settled(o);
        yes(moved == 0 && pending == 0, "no record: nothing");
    }

    function test_option_malformed() public {
        Option memory good = Option(3, 1, 1, 1, 5, 5);
        settled(good);
        bad(Option(4, 1, 1, 1, 5, 5));
        bad(Option(0, 1, 0, 1, 5, 5));
        bad(Option(0, 1, 1, 0, 5, 5));
        bad(Option(0, 1, 1, 1, 5, 6));
        bad(Option(0, 1, 1, 1 << 127, 5, 5));
        settled(Option(0, 1, 1, (1 << 127) - 1, 5, 5));
        badBatch(abi.encodePacked(batch(good), uint8(0)));
        badBatch(abi.encodePacked(id, uint8(1), uint8(0)));
        badBatch(abi.encodePacked(id, uint16(0x0200), uint8(1), new bytes(79)));
    }

    function bad(Option memory o) private {
        badBatch(batch(o));
    }

    function badBatch(bytes memory b) private {
        int256[] memory d = new int256[](2);
        vm.expectRevert(IOptionErrors.MalformedTerms.selector);
        provider.applyBatch(d, new uint256[](2), b, context);
    }

    function test_option_prices() public {
        int256[4] memory none = [int256(0), -1, type(int256).min, int256(uint256(type(uint128).max) + 1)];
        for (uint256 i; i < none.length; ++i) {
            feed.set(none[i]);
            notSo(address(feed));
        }
        notSo(address(erc20));
        notSo(address(0xdead));
        feed.set(int256(uint256(type(uint128).max)));
        record(address(feed), 0);
        (, uint128 value) = provider.fact(keccak256(abi.encodePacked(id, uint40(0), address(feed))));
        eq(value, type(uint128).max, "largest");
        ISubcontractProvider.Question[] memory q = new ISubcontractProvider.Question[](1);
        q[0] = ISubcontractProvider.Question(id, 0, abi.encodePacked(address(feed), uint8(0)));
        vm.expectRevert(abi.encodeWithSelector(IOptionErrors.NotSo.selector, 0));
        provider.record(q);
    }

    function notSo(address who) private {
        vm.expectRevert(abi.encodeWithSelector(IOptionErrors.NotSo.selector, 0));
        record(who, 0);
    }

    /// Rule 28: whatever gas is given, a feed that answers only when starved is never recorded.
    function test_rule28_starvedFeedIsNotRecorded(uint256 gas_) public {
        StarvedFeed starved = new StarvedFeed();
        address option = provider.instrument(id);
        (bool ok, bytes memory answer) =
            option.staticcall{gas: 5_000 + gas_ % 200_000}(abi.encodeWithSignature("observe(bytes)", abi.encodePacked(address(starved))));
        if (ok) {
            (bool said,) = abi.decode(answer, (bool, uint128));
            yes(!said, "starved");
        }
    }
}
