// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {BodyCodec} from "../depository/BodyCodec.sol";
import {Reader} from "../lib/Reader.sol";
import {Facts} from "./Facts.sol";

/// Instrument 5, an external condition: pays one amount if a contract was recorded to answer yes, else another.
/// docs/protocol.md section 8, docs/encodings.md.
abstract contract Conditions is Facts {
    using BodyCodec for bytes;
    using Reader for bytes;

    uint16 internal constant CONDITION = 5;
    /// `u8 flags || u128 amount || u128 fallback || u40 expiry || u40 notBefore`, the question after it.
    uint256 private constant TERMS = 43;
    uint256 private constant MAX_CALLDATA = 256;
    uint256 private constant ANSWER_GAS = 100_000;

    /// `target (20 bytes) || calldata`: does it answer at least a word, the first being 1?
    function _observeCondition(bytes calldata question) internal view returns (bool yes, uint128 value) {
        if (!_isQuestion(question.length)) return (false, 0);
        (bool ok, uint256 first,) = _ask(question.addr(0), question[20:], ANSWER_GAS, 1);
        return (ok && first == 1, 0);
    }

    function _settleCondition(bytes calldata terms, uint256 tokens, Context calldata context)
        internal
        view
        returns (int256 move, uint40 undecidedUntil)
    {
        if (terms.length < TERMS || tokens != 1 || !_isQuestion(terms.length - TERMS)) revert MalformedTerms();
        uint256 flags = terms.u8(0);
        uint256 amount = terms.u128(1);
        uint256 expiry = terms.u40(33);
        uint256 notBefore = terms.u40(38);
        uint256 otherwise = terms.u128(17);
        if (flags > PAYER_IS_LEFT || amount == 0 || notBefore > expiry) revert MalformedTerms();
        if (amount >= AMOUNT_LIMIT || otherwise >= AMOUNT_LIMIT) revert MalformedTerms();
        bytes32 key = keccak256(abi.encodePacked(CONDITION, uint40(notBefore), terms[TERMS:]));
        bool yes;
        (yes, undecidedUntil) = _counts(key, expiry, context.deadline);
        move = _paid(flags, yes ? amount : otherwise);
    }

    function _isQuestion(uint256 length) private pure returns (bool) {
        return length >= 20 && length <= 20 + MAX_CALLDATA;
    }
}
