// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Reading packed bytes (docs/encodings.md) from calldata. The readers do not check bounds: calldata past the end reads
/// as something or zero, so callers prove the length first.
library BodyCodec {
    /// `u32 token || i128 offdelta`
    uint256 internal constant TOKEN_ENTRY = 20;
    /// `u8 tokenIndex || u128 rightAllowance || u128 leftAllowance`
    uint256 internal constant ALLOWANCE_ENTRY = 33;

    function u8(bytes calldata data, uint256 pos) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(add(data.offset, pos)))
        }
    }

    function u16(bytes calldata data, uint256 pos) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(240, calldataload(add(data.offset, pos)))
        }
    }

    function u24(bytes calldata data, uint256 pos) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(232, calldataload(add(data.offset, pos)))
        }
    }

    function u32(bytes calldata data, uint256 pos) internal pure returns (uint32 value) {
        assembly ("memory-safe") {
            value := shr(224, calldataload(add(data.offset, pos)))
        }
    }

    function u64(bytes calldata data, uint256 pos) internal pure returns (uint64 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(data.offset, pos)))
        }
    }

    function u128(bytes calldata data, uint256 pos) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(128, calldataload(add(data.offset, pos)))
        }
    }

    function i128(bytes calldata data, uint256 pos) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            value := sar(128, calldataload(add(data.offset, pos)))
        }
    }

    function word(bytes calldata data, uint256 pos) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(data.offset, pos))
        }
    }

    function addr(bytes calldata data, uint256 pos) internal pure returns (address value) {
        assembly ("memory-safe") {
            value := shr(96, calldataload(add(data.offset, pos)))
        }
    }
}
