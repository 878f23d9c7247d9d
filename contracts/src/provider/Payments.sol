// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";
import {NotEnoughGas} from "./Errors.sol";

/// Instrument 1: payments under a hashlock, and the registry of revealed secrets. docs/protocol.md section 7.
abstract contract Payments is ISubcontractProvider {
    error UnknownKind();
    error MalformedBatch();

    /// `u8 flags || u8 tokenIndex || u128 amount || u40 expiry || 32-byte hash`
    uint256 internal constant PAYMENT_ENTRY = 55;

    /// First reveal of each hash, in unix seconds. Never overwritten, never deleted.
    mapping(bytes32 hash => uint256) private _keccaks;
    mapping(bytes32 hash => uint256) private _shas;

    function reveal(uint8 kind, bytes32[] calldata secrets) external {
        if (kind > 1) revert UnknownKind();
        mapping(bytes32 => uint256) storage known = kind == 0 ? _keccaks : _shas;
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
            if (known[hash] == 0) known[hash] = block.timestamp;
        }
        emit SecretsRevealed(kind, secrets);
    }

    function revealedAt(uint8 kind, bytes32 hash) external view returns (uint40) {
        // Safe: a block's time.
        return uint40(kind == 0 ? _keccaks[hash] : kind == 1 ? _shas[hash] : 0);
    }

    /// Pays what was revealed at chain time `<= expiry`; waits for what is unrevealed and unexpired.
    function _applyPayments(int256[] memory deltas, bytes calldata payload) internal view returns (uint256 pendingUntil) {
        if (payload.length % PAYMENT_ENTRY != 0) revert MalformedBatch();
        bool malformed;
        // Assembly: this loop sets the price of a payment in a finalize. A sum of 1,191 amounts below 2^128 and a delta
        // below 2^128 cannot overflow. The two registries stand in neighbouring slots.
        assembly ("memory-safe") {
            let values := add(deltas, 0x20)
            let end := add(payload.offset, payload.length)
            for { let item := payload.offset } lt(item, end) { item := add(item, PAYMENT_ENTRY) } {
                let word := calldataload(item)
                let flags := byte(0, word)
                if or(gt(flags, 3), iszero(lt(byte(1, word), mload(deltas)))) {
                    malformed := 1
                    break
                }
                mstore(0, calldataload(add(item, 23)))
                mstore(0x20, add(_keccaks.slot, shr(1, flags)))
                let time := sload(keccak256(0, 0x40))
                let expiry := and(shr(72, word), 0xffffffffff)
                // Revealed, and at `<= expiry`: no reveal is time 0, which wraps.
                if lt(sub(time, 1), expiry) {
                    let p := add(values, shl(5, byte(1, word)))
                    let amount := and(shr(112, word), 0xffffffffffffffffffffffffffffffff)
                    // A payment of left lowers delta.
                    if and(flags, 1) { amount := sub(0, amount) }
                    mstore(p, add(mload(p), amount))
                    continue
                }
                // Unrevealed: wait while it may still be.
                if iszero(or(time, or(gt(timestamp(), expiry), lt(expiry, pendingUntil)))) { pendingUntil := expiry }
            }
        }
        if (malformed) revert MalformedBatch();
    }
}
