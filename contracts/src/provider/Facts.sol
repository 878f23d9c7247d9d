// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {NotEnoughGas} from "./Errors.sol";

/// The registry of recorded facts, and what instruments share in asking for them. docs/protocol.md sections 7 and 8.
abstract contract Facts is ISubcontractProvider {
    /// The question at `index` is not so now, or is no question of its instrument.
    error NotSo(uint256 index);
    /// Chain time is before the not-before time of the question at `index`.
    error NotYet(uint256 index);
    error MalformedTerms();

    /// A payer's move: down if left pays.
    uint256 internal constant PAYER_IS_LEFT = 1;
    /// Amounts are below 2^127, as everywhere.
    uint256 internal constant AMOUNT_LIMIT = 1 << 127;

    /// `u40 time || u128 value`, zero if never recorded.
    mapping(bytes32 key => uint256) private _facts;

    /// What an instrument says about a question now.
    function _observe(uint16 id, bytes calldata question) internal view virtual returns (bool yes, uint128 value);

    function record(Question[] calldata questions) external {
        for (uint256 i; i < questions.length; ++i) {
            Question calldata asked = questions[i];
            if (block.timestamp < asked.notBefore) revert NotYet(i);
            bytes32 key = factKey(asked);
            if (_facts[key] != 0) continue;
            (bool yes, uint128 value) = _observe(asked.instrument, asked.question);
            if (!yes) revert NotSo(i);
            _facts[key] = block.timestamp << 128 | value;
            emit FactRecorded(asked.instrument, key, asked.notBefore, value, asked.question);
        }
    }

    function factKey(Question calldata question) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(question.instrument, question.notBefore, question.question));
    }

    function fact(bytes32 key) public view returns (uint40 recordedAt, uint128 value) {
        uint256 word = _facts[key];
        // Safe: a block's time, and the low half.
        return (uint40(word >> 128), uint128(word));
    }

    /// Whether a fact counts: recorded at chain time `<= min(expiry, deadline)`. While it may still be, `undecidedUntil` is
    /// that bound, else 0.
    function _counts(bytes32 key, uint256 expiry, uint256 deadline) internal view returns (bool yes, uint40 undecidedUntil) {
        uint256 recordedAt = _facts[key] >> 128;
        uint256 bound = expiry < deadline ? expiry : deadline;
        if (recordedAt != 0) return (recordedAt <= bound, 0);
        // Safe: the smaller of two 40-bit times.
        return (false, block.timestamp <= bound ? uint40(bound) : 0);
    }

    /// The two first words of a static call's answer; `ok` if it succeeded with at least `words` words. It gets exactly
    /// `bound` gas, or the whole transaction reverts: what starves must not decide.
    function _ask(address target, bytes memory data, uint256 bound, uint256 words)
        internal
        view
        returns (bool ok, uint256 first, uint256 second)
    {
        // What must be left: the bound after the 63/64 rule, and the call's own price.
        if (gasleft() < bound * 64 / 63 + 5_000) revert NotEnoughGas();
        // Assembly: no more than two words are copied, however long the answer is.
        assembly ("memory-safe") {
            mstore(0, 0)
            mstore(0x20, 0)
            ok := staticcall(bound, target, add(data, 0x20), mload(data), 0, 0x40)
            ok := and(ok, iszero(lt(returndatasize(), shl(5, words))))
            first := mload(0)
            second := mload(0x20)
        }
    }

    /// The move of `amount` by its payer. Safe: amounts are below 2^127.
    function _paid(uint256 flags, uint256 amount) internal pure returns (int256) {
        return flags & PAYER_IS_LEFT != 0 ? -int256(amount) : int256(amount);
    }
}
