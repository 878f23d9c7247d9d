// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {BodyCodec} from "./BodyCodec.sol";
import {Channels} from "./Channels.sol";

/// Execution of a body's clauses. docs/protocol.md sections 7 and 8, rules 19 and 28.
abstract contract Clauses is Channels {
    using BodyCodec for bytes;

    /// Clauses of one body.
    uint256 internal constant MAX_CLAUSES = 33;
    /// Gas that every clause gets, exactly.
    uint256 internal constant CLAUSE_GAS = 200_000;
    /// How long payments may defer a finalize past the deadline.
    uint256 internal constant MAX_LOCK_S = 604_800;

    /// What must be left before a call: its bound after the 63/64 rule, and the call's own price.
    uint256 private constant GAS_BEFORE_CLAUSE = CLAUSE_GAS * 64 / 63 + 3_000;

    /// Applies all clauses to `deltas`, in the body's order. A clause that fails, answers malformed, or leaves its
    /// allowances changes nothing; an undecided one reverts the finalize, until deadline + MAX_LOCK_S at
    /// the latest. `pos` is where the number of clauses stands.
    function _applyClauses(
        bytes calldata body,
        uint256 pos,
        uint256[] memory collaterals_,
        int256[] memory deltas,
        ISubcontractProvider.Context memory context
    ) internal view {
        unchecked {
            uint256 clauses = body.u8(pos++);
            if (clauses > MAX_CLAUSES) revert MalformedBody();
            for (uint256 c; c < clauses; ++c) {
                // Every length is checked before it is used; sums of u8, u16 and calldata offsets cannot overflow.
                if (body.length < pos + 21) revert MalformedBody();
                address provider = body.addr(pos);
                uint256 allowances = pos + 21;
                pos = allowances + body.u8(pos + 20) * BodyCodec.ALLOWANCE_ENTRY;
                if (body.length < pos + 2) revert MalformedBody();
                bytes calldata allowed = body[allowances:pos];
                _checkAllowances(allowed, deltas.length);
                uint256 end = pos + 2 + body.u16(pos);
                if (body.length < end) revert MalformedBody();
                _applyClause(provider, body[pos + 2:end], allowed, collaterals_, deltas, context);
                pos = end;
            }
            if (pos != body.length) revert MalformedBody();
        }
    }

    function _checkAllowances(bytes calldata allowed, uint256 nTokens) private pure {
        unchecked {
            uint256 next;
            for (uint256 p; p < allowed.length; p += BodyCodec.ALLOWANCE_ENTRY) {
                uint256 index = allowed.u8(p);
                if (index < next || index >= nTokens) revert MalformedBody();
                next = index + 1;
            }
        }
    }

    function _applyClause(
        address provider,
        bytes calldata batch,
        bytes calldata allowed,
        uint256[] memory collaterals_,
        int256[] memory deltas,
        ISubcontractProvider.Context memory context
    ) private view {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        (uint256 answer, uint256 pendingUntil) = _callProvider(
            provider,
            abi.encodeCall(ISubcontractProvider.applyBatch, (deltas, collaterals_, batch, context)),
            deltas.length
        );
        if (answer != 0) {
            if (pendingUntil != 0) {
                uint256 cap = uint256(context.deadline) + MAX_LOCK_S;
                if (pendingUntil > cap) pendingUntil = cap;
                if (block.timestamp <= pendingUntil) revert PaymentPending(uint40(pendingUntil));
            }
            if (_withinAllowances(allowed, deltas, answer)) {
                assembly ("memory-safe") {
                    mcopy(add(deltas, 0x20), answer, shl(5, mload(deltas)))
                }
            }
        }
        // Nothing allocated here is used again.
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }

    /// Where in memory the `n` new deltas stand; 0 if the call failed or its answer is not exactly
    /// 0x40, pendingUntil, n, values. An exact gas bound, and no returndata copied but such an answer.
    function _callProvider(address provider, bytes memory data, uint256 n)
        private
        view
        returns (uint256 answer, uint256 pendingUntil)
    {
        if (gasleft() < GAS_BEFORE_CLAUSE) revert NotEnoughGas();
        uint256 gasBound = CLAUSE_GAS;
        assembly ("memory-safe") {
            let size := add(0x60, shl(5, n))
            if staticcall(gasBound, provider, add(data, 0x20), mload(data), 0, 0) {
                if eq(returndatasize(), size) {
                    let p := mload(0x40)
                    mstore(0x40, add(p, size))
                    returndatacopy(p, 0, size)
                    pendingUntil := mload(add(p, 0x20))
                    if and(and(eq(mload(p), 0x40), iszero(shr(40, pendingUntil))), eq(mload(add(p, 0x40)), n)) {
                        answer := add(p, 0x60)
                    }
                }
            }
        }
    }

    /// Every token's change is at most its allowance, none without one, and |delta| stays below 2^128.
    function _withinAllowances(bytes calldata allowed, int256[] memory deltas, uint256 answer) private pure returns (bool) {
        unchecked {
            uint256 p;
            for (uint256 i; i < deltas.length; ++i) {
                int256 delta;
                assembly ("memory-safe") {
                    delta := mload(add(answer, shl(5, i)))
                }
                bool listed = p < allowed.length && allowed.u8(p) == i;
                if (delta != deltas[i]) {
                    if (!listed) return false;
                    int256 bound = int256(uint256(type(uint128).max));
                    if (delta > bound || delta < -bound) return false;
                    int256 change = delta - deltas[i];
                    if (change > int256(allowed.u128(p + 1)) || -change > int256(allowed.u128(p + 17))) return false;
                }
                if (listed) p += BodyCodec.ALLOWANCE_ENTRY;
            }
            return true;
        }
    }
}
