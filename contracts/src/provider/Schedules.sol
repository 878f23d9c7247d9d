// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {BodyCodec} from "../depository/BodyCodec.sol";
import {Reader} from "../lib/Reader.sol";
import {Facts} from "./Facts.sol";

/// Instrument 4, a payment schedule: what has vested when the dispute starts, linear or in steps, after a cliff.
/// docs/protocol.md section 8, docs/encodings.md.
abstract contract Schedules is Facts {
    using BodyCodec for bytes;
    using Reader for bytes;

    uint16 internal constant SCHEDULE = 4;
    /// `u8 flags || u128 amount || u128 paid || u40 start || u40 duration || u40 cliff || u16 steps`
    uint256 private constant TERMS = 50;

    function _settleSchedule(bytes calldata terms, uint256 tokens, Context calldata context)
        internal
        pure
        returns (int256 move)
    {
        if (terms.length != TERMS || tokens != 1) revert MalformedTerms();
        // Bit 1, whether the payer may cancel, is of agreement off chain only.
        uint256 flags = terms.u8(0);
        uint256 amount = terms.u128(1);
        uint256 paid = terms.u128(17);
        uint256 duration = terms.u40(38);
        uint256 cliff = terms.u40(43);
        if (flags > 3 || paid >= amount || amount >= AMOUNT_LIMIT || cliff > duration) revert MalformedTerms();
        uint256 vested = _vested(terms, amount, context.startedAt, duration, cliff);
        // What was paid in advance is not taken back.
        return vested > paid ? _paid(flags, vested - paid) : int256(0);
    }

    /// Products of values below 2^128 and 2^40: no overflow.
    function _vested(bytes calldata terms, uint256 amount, uint256 time, uint256 duration, uint256 cliff)
        private
        pure
        returns (uint256)
    {
        uint256 start = terms.u40(33);
        uint256 steps = terms.u16(48);
        if (time < start + cliff) return 0;
        uint256 passed = time - start;
        if (passed >= duration) return amount;
        if (steps == 0) return amount * passed / duration;
        // The steps that are complete, then their share: both round down.
        uint256 complete = passed * steps / duration;
        return amount * complete / steps;
    }
}
