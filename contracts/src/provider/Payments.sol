// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {NotEnoughGas} from "./Errors.sol";

/// Instrument 1: payments under a hashlock, and the registry of revealed secrets. docs/protocol.md section 7.
abstract contract Payments is ISubcontractProvider {
    error UnknownKind();
    error MalformedBatch();

    /// `u8 head || u8 length || u40 expiry || amount || 32-byte hash`
    uint256 private constant BEFORE_AMOUNT = 7;
    uint256 private constant SHA256 = 0x40;

    /// First reveal of each hash, in unix seconds: never overwritten, never deleted. It is the word `tag ^ time` in slot
    /// `hash ^ tag`, the tag being one of its kind; a mapping would hash once more for each payment of a finalize. That
    /// nobody can lock with a hash that only leads to a word of something else, the word has the tag, too: no counter,
    /// fact, address or code hash is within 2^40 of a tag.
    uint256 private constant TAG = uint256(keccak256("xln registry of secrets")) & ~uint256(0xffffffffff);
    /// What tells the tag of sha256, from bit 6 of an entry's head.
    uint256 private constant TAG_SHIFT = 200;

    function _tag(uint256 kind) private pure returns (uint256) {
        return TAG ^ (kind == 0 ? 0 : SHA256 << TAG_SHIFT);
    }

    /// The word itself; not zero if the hash is revealed.
    function _revealed(uint256 tag, bytes32 hash) private view returns (uint256 time) {
        assembly ("memory-safe") {
            time := xor(sload(xor(hash, tag)), tag)
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
                    sstore(xor(hash, tag), xor(timestamp(), tag))
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
        uint256 malformed;
        uint256 tagBase = TAG;
        // Assembly: this loop sets the price of a payment in a finalize. A sum of at most 1,680 amounts below 2^128 and a
        // delta below 2^128 cannot overflow. A wrong index or length is found out at the end: until then it writes to
        // memory that nobody reads.
        assembly {
            let n := mload(deltas)
            let values := add(deltas, 0x20)
            let item := payload.offset
            let end := add(item, payload.length)
            for {} lt(item, end) {} {
                let word := calldataload(item)
                let head := byte(0, word)
                let size := byte(1, word)
                let tag := xor(tagBase, shl(TAG_SHIFT, and(head, SHA256)))
                item := add(item, add(size, BEFORE_AMOUNT))
                let time := xor(sload(xor(calldataload(item), tag)), tag)
                item := add(item, 0x20)
                let expiry := and(shr(200, word), 0xffffffffff)
                let index := and(head, 0x1f)
                malformed := or(malformed, or(gt(size, 16), or(and(head, 0x20), iszero(lt(index, n)))))
                // Revealed, and at `<= expiry`: a word without the tag, as that of no reveal, is far above.
                switch gt(time, expiry)
                case 0 {
                    let p := add(values, shl(5, index))
                    let amount := shr(sub(256, shl(3, size)), shl(56, word))
                    // A payment of left lowers delta: minus in two's complement.
                    let sign := sub(0, shr(7, head))
                    mstore(p, add(mload(p), sub(xor(amount, sign), sign)))
                }
                default {
                    // Unrevealed: wait while it may still be.
                    if and(gt(shr(40, time), 0), and(iszero(gt(timestamp(), expiry)), gt(expiry, pendingUntil))) {
                        pendingUntil := expiry
                    }
                }
            }
            malformed := or(malformed, xor(item, end))
        }
        if (malformed != 0) revert MalformedBatch();
    }
}
