// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Conditions} from "./provider/Conditions.sol";
import {Customs} from "./provider/Customs.sol";
import {Defaults} from "./provider/Defaults.sol";
import {Facts} from "./provider/Facts.sol";
import {Payments} from "./provider/Payments.sol";
import {Schedules} from "./provider/Schedules.sol";
import {Swaps} from "./provider/Swaps.sol";
import {BodyCodec} from "./depository/BodyCodec.sol";

/// Executor of instruments, registry of instruments, of secrets and of facts. No owner. docs/protocol.md sections 7 and 8.
/// An instrument is a contract of its own under provider/; `_observe` and `_settle` are the one place that names them all.
contract SubcontractProvider is Payments, Swaps, Defaults, Schedules, Conditions, Customs {
    using BodyCodec for bytes;

    uint16 private constant PAYMENTS = 1;
    uint16 private constant SWAP = 2;
    uint16 private constant LAST_BUILT_IN = 255;
    uint256 private constant MAX_TOKENS = 4;

    function applyBatch(
        int256[] calldata deltas,
        uint256[] calldata collaterals,
        bytes calldata batch,
        Context calldata context
    ) external view returns (int256[] memory newDeltas, uint40 pendingUntil) {
        if (batch.length < 2 || deltas.length != collaterals.length) revert MalformedBatch();
        uint16 id = uint16(batch.u16(0));
        newDeltas = deltas;
        if (id == PAYMENTS) {
            // Safe: the greatest of 40-bit expiries.
            pendingUntil = uint40(_applyPayments(newDeltas, batch[2:]));
        } else if (id == SWAP) {
            _applySwap(newDeltas, collaterals, batch[2:], context);
        } else {
            pendingUntil = _applyMoves(newDeltas, id, batch, context);
        }
    }

    /// `u8 n || n * u8 tokenIndex || terms` after the id: every instrument but payments and swaps moves the deltas of its
    /// tokens, and knows them by their place in the list.
    function _applyMoves(int256[] memory deltas, uint16 id, bytes calldata batch, Context calldata context)
        private
        view
        returns (uint40 undecidedUntil)
    {
        if (batch.length < 3) revert MalformedBatch();
        uint256 n = batch.u8(2);
        if (n == 0 || n > MAX_TOKENS || batch.length < 3 + n) revert MalformedBatch();
        int256[] memory moves;
        (moves, undecidedUntil) = _settle(id, batch[3 + n:], n, context);
        uint256 seen;
        for (uint256 i; i < n; ++i) {
            uint256 index = batch.u8(3 + i);
            if (index >= deltas.length || seen >> index & 1 != 0) revert MalformedBatch();
            seen |= 1 << index;
            // Checked: whatever a custom instrument says, nothing wraps.
            deltas[index] += moves[i];
        }
    }

    /// What each instrument with a token list moves.
    function _settle(uint16 id, bytes calldata terms, uint256 n, Context calldata context)
        private
        view
        returns (int256[] memory moves, uint40 undecidedUntil)
    {
        if (id > LAST_BUILT_IN) return _settleCustom(id, terms, n, context);
        moves = new int256[](n);
        if (id == DEFAULT_SWAP) (moves[0], undecidedUntil) = _settleDefault(terms, n, context);
        else if (id == SCHEDULE) moves[0] = _settleSchedule(terms, n, context);
        else if (id == CONDITION) (moves[0], undecidedUntil) = _settleCondition(terms, n, context);
        else revert UnknownInstrument(id);
    }

    /// What each instrument that has facts can record.
    function _observe(uint16 id, bytes calldata question) internal view override returns (bool yes, uint128 value) {
        if (id > LAST_BUILT_IN) return _observeCustom(id, question);
        if (id == DEFAULT_SWAP) return _observeDefault(question);
        if (id == CONDITION) return _observeCondition(question);
        revert UnknownInstrument(id);
    }
}
