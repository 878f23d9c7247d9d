// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {NotEnoughGas} from "./Errors.sol";

/// Instrument 1: payments under a hashlock, and the registry of revealed secrets. docs/protocol.md section 7.
abstract contract Payments is ISubcontractProvider {
    error UnknownKind();
    error MalformedBatch();

    /// u8 sizes, u40 base.
    uint256 private constant PAYLOAD_HEAD = 6;
    /// Hash and head; offset and amount are as long as `sizes` says.
    uint256 private constant ENTRY = 33;

    /// First reveal of each hash: never overwritten, never deleted. In slot `~hash`, since a mapping would hash once more
    /// for each payment of a finalize; no slot of anything else is the complement of a hash of 32 bytes. The word is
    /// `tag + unix seconds`, the tag being one of its kind: else one could lock with a hash that has no preimage, but
    /// leads to the word of something else. No counter, fact, address or code hash is within 2^40 above a tag.
    /// `keccak256("xln registry of secrets")` without its first bit and its last 40.
    uint256 private constant TAG = 0x6529a2bb563d5631e8c21bbe588e6e82caff6c7227a6acd593e2e40000000000;
    uint256 private constant SHA256 = 0x8000000000000000000000000000000000000000000000000000000000000000;

    function _tag(uint256 kind) private pure returns (uint256) {
        return kind == 0 ? TAG : TAG | SHA256;
    }

    /// Zero if it is not.
    function _revealed(uint256 tag, bytes32 hash) private view returns (uint256 time) {
        assembly ("memory-safe") {
            time := sub(sload(not(hash)), tag)
            if shr(40, time) { time := 0 }
        }
    }

    function reveal(uint8 kind, bytes32[] calldata secrets) external {
        if (kind > 1) revert UnknownKind();
        uint256 tag = _tag(kind);
        for (uint256 i; i < secrets.length; ++i) {
            bytes32 secret = secrets[i];
            bytes32 hash;
            if (kind == 0) {
                assembly ("memory-safe") {
                    mstore(0, secret)
                    hash := keccak256(0, 0x20)
                }
            } else {
                bool ok;
                assembly ("memory-safe") {
                    mstore(0, secret)
                    ok := staticcall(gas(), 2, 0, 0x20, 0, 0x20)
                    hash := mload(0)
                }
                // Starved of gas it would leave the secret itself as the hash.
                if (!ok) revert NotEnoughGas();
            }
            if (_revealed(tag, hash) == 0) {
                assembly ("memory-safe") {
                    sstore(not(hash), add(tag, timestamp()))
                }
            }
        }
        emit SecretsRevealed(kind, secrets);
    }

    function revealedAt(uint8 kind, bytes32 hash) external view returns (uint40) {
        // Safe: 40 bits.
        return kind > 1 ? 0 : uint40(_revealed(_tag(kind), hash));
    }

    /// Pays what was revealed at chain time `<= expiry`; waits for what is unrevealed and unexpired.
    function _applyPayments(int256[] memory deltas, bytes calldata payload) internal view returns (uint256 pendingUntil) {
        if (payload.length == 0) return 0;
        // What left and right are paid in all, by token index: right's at 32 and on.
        uint256[] memory sums = new uint256[](64);
        pendingUntil = _sum(sums, payload);
        // An expiry beyond 40 bits is none.
        if (pendingUntil > type(uint40).max) revert MalformedBatch();
        unchecked {
            for (uint256 i; i < 32; ++i) {
                (uint256 toLeft, uint256 toRight) = (sums[i], sums[i + 32]);
                if (toLeft | toRight == 0) continue;
                if (i >= deltas.length) revert MalformedBatch();
                // Fewer than 2^11 amounts below 2^128, and a delta below 2^128.
                deltas[i] += int256(toLeft) - int256(toRight);
            }
        }
    }

    /// Too great if the payload is malformed.
    function _sum(uint256[] memory sums, bytes calldata payload) private view returns (uint256 pendingUntil) {
        // Assembly: this loop sets the price of a payment in a finalize.
        assembly ("memory-safe") {
            let table := add(sums, 0x20)
            let word := calldataload(payload.offset)
            let base := add(TAG, shr(216, shl(8, word)))
            // From an entry's second word on: the head, the offset, the amount.
            let amountStart := add(8, shl(3, shr(253, word)))
            let offsetShift := sub(264, amountStart)
            let amountShift := sub(256, shl(3, and(byte(0, word), 0x1f)))
            let stride := add(add(ENTRY, and(byte(0, word), 0x1f)), shr(253, word))
            let end := add(payload.offset, payload.length)
            let item := add(payload.offset, PAYLOAD_HEAD)
            if or(
                or(gt(amountStart, 48), lt(amountShift, 128)),
                or(iszero(lt(item, end)), mod(sub(end, item), stride))
            ) {
                pendingUntil := not(0)
                end := item
            }
            for {} lt(item, end) { item := add(item, stride) } {
                word := calldataload(add(item, 0x20))
                // As the registry's word would be if it was revealed at the expiry.
                let last := add(add(base, shr(offsetShift, shl(8, word))), and(word, SHA256))
                if shr(40, sub(last, sload(not(calldataload(item))))) {
                    // Late or unrevealed: wait while it may still be. What was revealed late is past its expiry.
                    last := sub(last, add(TAG, and(word, SHA256)))
                    if iszero(or(gt(timestamp(), last), lt(last, pendingUntil))) { pendingUntil := last }
                    continue
                }
                last := add(table, and(shr(243, word), 0x7e0))
                mstore(last, add(mload(last), shr(amountShift, shl(amountStart, word))))
            }
        }
    }
}
