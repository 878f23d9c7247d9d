// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../src/interfaces/ISubcontractProvider.sol";
import {IEntityProvider} from "../src/interfaces/IEntityProvider.sol";
import {Base} from "./utils/Base.sol";
import {Codec} from "./utils/Codec.sol";
import {Scripted} from "./utils/Instruments.sol";
import {vm} from "./utils/Vm.sol";

interface IProviderErrors {
    error UnknownKind();
    error MalformedBatch();
    error MalformedOffer();
    error NoCode();
    error UnknownInstrument(uint16 instrument);
    error InstrumentChanged(uint16 instrument);
}

interface IWallet1271 {
    function allow(bytes32 digest, bool yes) external;
}

contract ProviderTest is Base {
    ISubcontractProvider.Context private context;

    function apply_(int256 a, int256 b, uint256 ca, uint256 cb, bytes memory batch)
        private
        view
        returns (int256 x, int256 y, uint40 pending)
    {
        int256[] memory d = new int256[](2);
        (d[0], d[1]) = (a, b);
        uint256[] memory c = new uint256[](2);
        (c[0], c[1]) = (ca, cb);
        (d, pending) = provider.applyBatch(d, c, batch, context);
        return (d[0], d[1], pending);
    }

    function expectBad(bytes memory why, bytes memory batch) private {
        int256[] memory d = new int256[](2);
        uint256[] memory c = new uint256[](2);
        vm.expectRevert(why);
        provider.applyBatch(d, c, batch, context);
    }

    function test_reveal_firstWinsInBatches(bytes32 a, bytes32 b) public {
        bytes32[] memory s = new bytes32[](2);
        (s[0], s[1]) = (a, b);
        provider.reveal(0, s);
        vm.warp(T0 + 5);
        provider.reveal(0, s);
        provider.reveal(1, s);
        eq(provider.revealedAt(0, keccak256(abi.encode(a))), T0, "keccak");
        eq(provider.revealedAt(0, keccak256(abi.encode(b))), T0, "keccak");
        eq(provider.revealedAt(1, sha256(abi.encode(a))), T0 + 5, "sha");
        eq(provider.revealedAt(1, keccak256(abi.encode(a))), 0, "kinds apart");
        eq(provider.revealedAt(2, keccak256(abi.encode(a))), 0, "no such kind");
        vm.expectRevert(IProviderErrors.UnknownKind.selector);
        provider.reveal(2, s);
    }

    function test_payments_sumsAndPending() public {
        bytes32[] memory s = new bytes32[](1);
        provider.reveal(0, s);
        bytes32 known = keccak256(abi.encode(bytes32(0)));
        Codec.Payment[] memory p = new Codec.Payment[](6);
        p[0] = Codec.Payment(true, 0, 0, 5, uint40(T0), known);
        p[1] = Codec.Payment(false, 0, 1, 7, uint40(T0), known);
        p[2] = Codec.Payment(false, 0, 1, 100, uint40(T0 - 1), known);
        p[3] = Codec.Payment(true, 1, 1, 1000, uint40(T0 + 9), known);
        p[4] = Codec.Payment(true, 1, 1, 1000, uint40(T0), "x");
        p[5] = Codec.Payment(true, 1, 1, 1000, uint40(T0 - 1), "y");
        (int256 x, int256 y, uint40 pending) = apply_(10, -3, 0, 0, Codec.payments(p));
        yes(x == 5 && y == 4, "deltas");
        eq(pending, T0 + 9, "latest");
        // Rule 11: equal payments never collide.
        p = new Codec.Payment[](2);
        p[0] = p[1] = Codec.Payment(true, 0, 0, 5, uint40(T0), known);
        (x,, pending) = apply_(0, 0, 0, 0, Codec.payments(p));
        yes(x == -10 && pending == 0, "both");
        (x,, pending) = apply_(1, 0, 0, 0, hex"0001");
        yes(x == 1 && pending == 0, "none");
    }

    function test_payments_malformed() public {
        bytes memory bad = abi.encodeWithSelector(IProviderErrors.MalformedBatch.selector);
        expectBad(bad, "");
        expectBad(bad, hex"00");
        expectBad(bad, abi.encodePacked(uint16(1), new bytes(54)));
        expectBad(bad, abi.encodePacked(uint16(1), uint8(4), new bytes(54)));
        expectBad(bad, abi.encodePacked(uint16(1), uint8(0), uint8(2), new bytes(53)));
        int256[] memory d = new int256[](2);
        vm.expectRevert(bad);
        provider.applyBatch(d, new uint256[](1), hex"0001", context);
    }

    function offer() private pure returns (Codec.Offer memory) {
        return Codec.Offer(true, 5, 0, 1, 1000, 3001, 900, 10, uint40(T0), 0);
    }

    function fills(bool takerIsLeft, bytes memory data) private {
        if (takerIsLeft) (context.leftFills, context.leftFillsAt) = (data, uint40(T0));
        else (context.rightFills, context.rightFillsAt) = (data, uint40(T0));
    }

    function test_swap_roundsForTheMaker(uint64 give, uint64 want, uint64 f, bool makerIsLeft) public {
        vm.assume(give > 0 && f > 0 && f <= give);
        fills(!makerIsLeft, abi.encodePacked(uint64(5), uint128(f)));
        Codec.Offer memory o = Codec.Offer(makerIsLeft, 5, 0, 1, give, want, give, 0, uint40(T0), type(uint128).max);
        (int256 x, int256 y, uint40 pending) = apply_(0, 0, 0, 0, Codec.offer(o));
        int256 sign = makerIsLeft ? int256(-1) : int256(1);
        uint256 pays = uint256(-sign * y);
        eqi(x, sign * int256(uint256(f)), "given");
        yes(pays * give >= uint256(f) * want, "not less than the price");
        yes(pays == 0 || (pays - 1) * give < uint256(f) * want, "the least such");
        eq(pending, 0, "a swap defers nothing");
    }

    function test_swap_cutToWhatTheTakerMayPay(uint64 give, uint64 want, uint64 f, uint64 coll, int64 delta, uint64 limit, bool makerIsLeft)
        public
    {
        vm.assume(give > 0 && f > 0 && f <= give);
        fills(!makerIsLeft, abi.encodePacked(uint64(5), uint128(f)));
        Codec.Offer memory o = Codec.Offer(makerIsLeft, 5, 0, 1, give, want, give, 0, uint40(T0), limit);
        (int256 x, int256 y,) = apply_(0, delta, 0, coll, Codec.offer(o));
        int256 available = (makerIsLeft ? int256(uint256(coll)) - delta : int256(delta)) + int256(uint256(limit));
        checkCut(o, f, makerIsLeft ? -x : x, makerIsLeft ? y - delta : delta - y, available < 0 ? int256(0) : available);
    }

    function price(Codec.Offer memory o, int256 f) private pure returns (int256) {
        int256 give = int256(uint256(o.give));
        return (f * int256(uint256(o.want)) + give - 1) / give;
    }

    function checkCut(Codec.Offer memory o, uint64 f, int256 filled, int256 pays, int256 available) private pure {
        yes(filled >= 0 && filled <= int256(uint256(f)), "at most the fill");
        yes(pays >= 0 && (pays == 0 || pays <= available), "within the limit");
        eqi(pays, price(o, filled), "price");
        if (filled < int256(uint256(f))) yes(price(o, filled + 1) > available, "no more than needed is cut");
    }

    function test_swap_minimumAndRemaining() public {
        uint128[7] memory f = [uint128(9), 10, 900, 901, 0, 1, 1001];
        int256[7] memory given = [int256(0), 10, 900, 0, 0, 0, 0];
        Codec.Offer memory o = offer();
        o.takerLimit = 1e6;
        for (uint256 i; i < f.length; ++i) {
            fills(false, abi.encodePacked(uint64(5), f[i]));
            (int256 x,,) = apply_(0, 0, 0, 0, Codec.offer(o));
            eqi(-x, given[i], "given");
        }
        // Less than the minimum is fine where it is all that remains.
        o.remaining = 9;
        fills(false, abi.encodePacked(uint64(5), uint128(9)));
        (int256 z,,) = apply_(0, 0, 0, 0, Codec.offer(o));
        eqi(z, -9, "the rest");
        // But not if the limit cut it there.
        o.remaining = 900;
        o.takerLimit = 29;
        fills(false, abi.encodePacked(uint64(5), uint128(100)));
        (z,,) = apply_(0, 0, 0, 0, Codec.offer(o));
        eqi(z, 0, "9 is below the minimum");
        o.takerLimit = 31;
        (z,,) = apply_(0, 0, 0, 0, Codec.offer(o));
        eqi(z, -10, "10 is not");
    }

    /// A missing or malformed list means no fill, never a revert.
    function test_swap_malformedFills() public {
        Codec.Offer memory o = offer();
        o.takerLimit = 1e6;
        bytes memory good = abi.encodePacked(uint64(5), uint128(10));
        bytes[7] memory lists = [
            bytes(""),
            abi.encodePacked(good, uint8(0)),
            abi.encodePacked(good, good),
            abi.encodePacked(good, uint64(4), uint128(1)),
            abi.encodePacked(uint64(6), uint128(10)),
            hex"05",
            many(33)
        ];
        for (uint256 i; i < lists.length; ++i) {
            fills(false, lists[i]);
            (int256 x,,) = apply_(0, 0, 0, 0, Codec.offer(o));
            eqi(x, 0, "none");
        }
        fills(false, many(32));
        (int256 y,,) = apply_(0, 0, 0, 0, Codec.offer(o));
        eqi(y, -10, "at the limit");
        // The other side's list is not looked at.
        fills(false, "");
        fills(true, good);
        (y,,) = apply_(0, 0, 0, 0, Codec.offer(o));
        eqi(y, 0, "rule 19");
    }

    function many(uint64 n) private pure returns (bytes memory out) {
        for (uint64 i = 1; i <= n; ++i) out = abi.encodePacked(out, i, uint128(10));
    }

    function test_swap_malformedOffers() public {
        bytes memory bad = abi.encodeWithSelector(IProviderErrors.MalformedOffer.selector);
        Codec.Offer memory o = offer();
        bytes memory good = Codec.offer(o);
        expectBad(bad, abi.encodePacked(good, uint8(0)));
        expectBad(bad, hex"0002");
        good[2] = 0x02;
        expectBad(bad, good);
        o.give = 0;
        o.remaining = 0;
        expectBad(bad, Codec.offer(o));
        o = offer();
        o.remaining = 1001;
        expectBad(bad, Codec.offer(o));
        o = offer();
        o.wantIndex = 0;
        expectBad(bad, Codec.offer(o));
        o.wantIndex = 2;
        expectBad(bad, Codec.offer(o));
        o = offer();
        o.giveIndex = 2;
        expectBad(bad, Codec.offer(o));
    }

    function test_swap_extremesDoNotWrap() public {
        uint128 max = type(uint128).max;
        fills(false, abi.encodePacked(uint64(5), max));
        Codec.Offer memory o = Codec.Offer(true, 5, 0, 1, max, max, max, max, uint40(T0), max);
        (int256 x, int256 y,) = apply_(0, 0, 0, 0, Codec.offer(o));
        yes(x == -int256(uint256(max)) && y == int256(uint256(max)), "whole");
        o = Codec.Offer(true, 5, 0, 1, 1, max, 1, 0, uint40(T0), max);
        fills(false, abi.encodePacked(uint64(5), uint128(1)));
        (x, y,) = apply_(0, 1, 0, 0, Codec.offer(o));
        yes(x == 0 && y == 1, "one short of the price: cut to none");
    }

    function test_instruments() public {
        Scripted code = new Scripted();
        uint16 id = provider.registerInstrument(address(code));
        eq(id, 256, "first");
        eq(provider.registerInstrument(address(code)), 257, "append only");
        yes(provider.instrument(256) == address(code) && provider.instrument(258) == address(0), "lookup");
        int256[] memory moves = new int256[](1);
        moves[0] = 5;
        bytes memory said = abi.encodePacked(uint8(1), uint8(0), abi.encode(moves, type(uint40).max));
        (int256 x,, uint40 pending) = apply_(1, 0, 0, 0, abi.encodePacked(id, said));
        eqi(x, 6, "applied");
        eq(pending, context.deadline, "payments alone can defer past the deadline");
        expectBad(abi.encodeWithSelector(IProviderErrors.UnknownInstrument.selector, 258), abi.encodePacked(uint16(258), said));
        vm.expectRevert(IProviderErrors.NoCode.selector);
        provider.registerInstrument(address(0xdead));
        vm.etch(address(code), hex"00");
        expectBad(abi.encodeWithSelector(IProviderErrors.InstrumentChanged.selector, 256), abi.encodePacked(id, said));
    }

    /// Of the 255 bits of s, those above half the order are refused, whatever they recover to.
    function test_signatures_highS(bytes32 digest) public view {
        uint256 half = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
        (, bytes32 r,) = vm.sign(leftKey, digest);
        for (uint256 i; i < 2; ++i) {
            address signer = ecrecover(digest, 27, r, bytes32(half + i));
            bool valid = entities.isValidSignature(
                entity(signer), digest, abi.encodePacked(r, half + i), IEntityProvider.Permission.States
            );
            yes(signer != address(0) && valid == (i == 0), "low s only");
        }
    }

    function test_entityProvider() public {
        bytes32 digest = keccak256("d");
        address wallet = vm.deployCode("TestWallet.sol:TestWallet", abi.encode(address(this)));
        bytes memory s = sig(leftKey, digest);
        for (uint8 i; i < 4; ++i) {
            IEntityProvider.Permission p = IEntityProvider.Permission(i);
            yes(entities.isValidSignature(left, digest, s, p), "key");
            yes(!entities.isValidSignature(right, digest, s, p), "another's");
            yes(!entities.isValidSignature(left, digest, "", p), "none");
            yes(!entities.isValidSignature(bytes32(0), digest, new bytes(64), p), "zero");
            yes(!entities.isValidSignature(left | bytes32(uint256(1) << 248), digest, s, p), "organisation");
            yes(!entities.isValidSignature(entity(wallet), digest, s, p), "not allowed");
            yes(!entities.isValidSignature(entity(address(erc20)), digest, s, p), "no 1271");
        }
        IWallet1271(wallet).allow(digest, true);
        for (uint8 i; i < 4; ++i) {
            bool want = i != 0;
            yes(entities.isValidSignature(entity(wallet), digest, "", IEntityProvider.Permission(i)) == want, "1271, not for states");
        }
    }
}
