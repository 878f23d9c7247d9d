// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ISubcontractProvider} from "../interfaces/ISubcontractProvider.sol";

/// Instrument 1: payments under a hashlock, and the registry of revealed secrets. docs/protocol.md section 7.
abstract contract Payments is ISubcontractProvider {
    error UnknownKind();
    error MalformedBatch();

    /// `u8 flags || u8 tokenIndex || u128 amount || u40 expiry || 32-byte hash`
    uint256 internal constant PAYMENT_ENTRY = 55;

    /// First reveal of each hash, in unix seconds. Never overwritten, never deleted.
    mapping(uint256 kind => mapping(bytes32 hash => uint256)) private _revealed;

    function reveal(uint8 kind, bytes32[] calldata secrets) external {
        if (kind > 1) revert UnknownKind();
        mapping(bytes32 => uint256) storage known = _revealed[kind];
        for (uint256 i; i < secrets.length; ++i) {
            bytes32 secret = secrets[i];
            bytes32 hash;
            if (kind == 0) {
                assembly ("memory-safe") {
                    mstore(0, secret)
                    hash := keccak256(0, 0x20)
                }
            } else {
                hash = sha256(abi.encodePacked(secret));
            }
            if (known[hash] == 0) known[hash] = block.timestamp;
        }
        emit SecretsRevealed(kind, secrets);
    }

    function revealedAt(uint8 kind, bytes32 hash) external view returns (uint40) {
        // Safe: a block's time.
        return uint40(_revealed[kind][hash]);
    }

    /// Pays what was revealed at chain time `<= expiry`; waits for what is unrevealed and unexpired.
    function _applyPayments(int256[] memory deltas, bytes calldata payload) internal view returns (uint256 pendingUntil) {
        if (payload.length % PAYMENT_ENTRY != 0) revert MalformedBatch();
        uint256 kind0;
        uint256 kind1;
        bool malformed;
        mapping(bytes32 => uint256) storage keccaks = _revealed[0];
        mapping(bytes32 => uint256) storage shas = _revealed[1];
        // Assembly: this loop sets the price of a payment in a finalize. A sum of 1,191 amounts below 2^128 and a delta
        // below 2^128 cannot overflow.
        assembly ("memory-safe") {
            kind0 := keccaks.slot
            kind1 := shas.slot
            let n := mload(deltas)
            let end := add(payload.offset, payload.length)
            for { let item := payload.offset } lt(item, end) { item := add(item, PAYMENT_ENTRY) } {
                let word := calldataload(item)
                let flags := byte(0, word)
                let index := byte(1, word)
                if or(gt(flags, 3), iszero(lt(index, n))) {
                    malformed := 1
                    break
                }
                let expiry := and(shr(72, word), 0xffffffffff)
                mstore(0, calldataload(add(item, 23)))
                mstore(0x20, kind0)
                if gt(flags, 1) { mstore(0x20, kind1) }
                let time := sload(keccak256(0, 0x40))
                switch time
                case 0 {
                    if iszero(gt(timestamp(), expiry)) {
                        if gt(expiry, pendingUntil) { pendingUntil := expiry }
                    }
                }
                default {
                    if iszero(gt(time, expiry)) {
                        let amount := and(shr(112, word), 0xffffffffffffffffffffffffffffffff)
                        let p := add(add(deltas, 0x20), shl(5, index))
                        // A payment of left lowers delta.
                        switch and(flags, 1)
                        case 1 { mstore(p, sub(mload(p), amount)) }
                        default { mstore(p, add(mload(p), amount)) }
                    }
                }
            }
        }
        if (malformed) revert MalformedBatch();
    }
}
