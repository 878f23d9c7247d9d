// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {BodyCodec} from "../depository/BodyCodec.sol";

/// Instrument 2: one swap offer, filled by the side that did not make it. docs/protocol.md section 7, rule 19.
abstract contract Swaps is ISubcontractProvider {
    using BodyCodec for bytes;

    error MalformedOffer();

    uint256 private constant OFFER = 96;
    uint256 private constant FILL_ENTRY = 24;
    uint256 private constant MAX_FILLS = 32;

    struct Offer {
        bool makerIsLeft;
        uint64 id;
        uint256 giveIndex;
        uint256 wantIndex;
        uint256 give;
        uint256 want;
        uint256 remaining;
        uint256 minFill;
        uint256 expiry;
        uint256 takerLimit;
    }

    function _applySwap(
        int256[] memory deltas,
        uint256[] calldata collaterals,
        bytes calldata payload,
        Context calldata context
    ) internal pure {
        Offer memory offer = _decode(payload, deltas.length);
        (bytes calldata fills, uint40 fillsAt) = offer.makerIsLeft
            ? (context.rightFills, context.rightFillsAt)
            : (context.leftFills, context.leftFillsAt);
        if (fillsAt > offer.expiry) return;
        uint256 fill = _fillOf(fills, offer.id);
        if (fill == 0 || fill > offer.remaining || (fill < offer.minFill && fill != offer.remaining)) return;

        _move(deltas, offer, fill, collaterals[offer.wantIndex]);
    }

    /// Moves what one fill of at most `remaining` moves, cut to what the taker may pay.
    function _move(int256[] memory deltas, Offer memory offer, uint256 fill, uint256 collateral) private pure {
        unchecked {
            // fill <= give, so the payment is at most want; products of two values below 2^128.
            uint256 payment = _ceilDiv(fill * offer.want, offer.give);
            int256 delta = deltas[offer.wantIndex];
            // What the taker may pay: its balance and its credit limit.
            int256 available = (offer.makerIsLeft ? int256(collateral) - delta : delta) + int256(offer.takerLimit);
            if (available < 0) available = 0;
            if (payment > uint256(available)) {
                // Less than a payment of at most want: below 2^128, and want is not zero.
                fill = uint256(available) * offer.give / offer.want;
                if (fill == 0 || fill < offer.minFill) return;
                payment = _ceilDiv(fill * offer.want, offer.give);
            }
            if (offer.makerIsLeft) {
                deltas[offer.giveIndex] -= int256(fill);
                deltas[offer.wantIndex] += int256(payment);
            } else {
                deltas[offer.giveIndex] += int256(fill);
                deltas[offer.wantIndex] -= int256(payment);
            }
        }
    }

    function _decode(bytes calldata payload, uint256 n) private pure returns (Offer memory offer) {
        if (payload.length != OFFER) revert MalformedOffer();
        uint256 flags = payload.u8(0);
        offer.makerIsLeft = flags == 1;
        offer.id = payload.u64(1);
        offer.giveIndex = payload.u8(9);
        offer.wantIndex = payload.u8(10);
        offer.give = payload.u128(11);
        offer.want = payload.u128(27);
        offer.remaining = payload.u128(43);
        offer.minFill = payload.u128(59);
        offer.expiry = uint256(payload.u64(75)) >> 24;
        offer.takerLimit = payload.u128(80);
        if (
            flags > 1 || offer.giveIndex >= n || offer.wantIndex >= n || offer.giveIndex == offer.wantIndex
                || offer.give == 0 || offer.remaining > offer.give
        ) revert MalformedOffer();
    }

    /// The fill of one offer; 0 if there is none, or if the list is anything but well formed.
    function _fillOf(bytes calldata fills, uint64 id) private pure returns (uint256 fill) {
        unchecked {
            uint256 n = fills.length / FILL_ENTRY;
            if (n > MAX_FILLS || n * FILL_ENTRY != fills.length) return 0;
            uint256 next;
            for (uint256 p; p < fills.length; p += FILL_ENTRY) {
                uint256 offerId = fills.u64(p);
                if (offerId < next) return 0;
                next = offerId + 1;
                if (offerId == id) fill = fills.u128(p + 8);
            }
        }
    }

    function _ceilDiv(uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            return a == 0 ? 0 : (a - 1) / b + 1;
        }
    }
}
