// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// keccak256 of a few words, as of `abi.encode`, in unallocated memory: the hot paths hash often and keep nothing.
library Hashing {
    function words(bytes32 a, bytes32 b) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            mstore(0, a)
            mstore(0x20, b)
            h := keccak256(0, 0x40)
        }
    }

    function words(bytes32 a, bytes32 b, bytes32 c, bytes32 d) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, a)
            mstore(add(p, 0x20), b)
            mstore(add(p, 0x40), c)
            mstore(add(p, 0x60), d)
            h := keccak256(p, 0x80)
        }
    }

    function words(bytes32 a, bytes32 b, bytes32 c, bytes32 d, bytes32 e, bytes32 f) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, a)
            mstore(add(p, 0x20), b)
            mstore(add(p, 0x40), c)
            mstore(add(p, 0x60), d)
            mstore(add(p, 0x80), e)
            mstore(add(p, 0xa0), f)
            h := keccak256(p, 0xc0)
        }
    }

    /// keccak256 of calldata bytes, without an allocation.
    function bytesHash(bytes calldata data) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            calldatacopy(p, data.offset, data.length)
            h := keccak256(p, data.length)
        }
    }

    /// EIP-712: keccak256(0x1901 || domain || structHash).
    function typed(bytes32 domain, bytes32 structHash) internal pure returns (bytes32 h) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, 0x1901000000000000000000000000000000000000000000000000000000000000)
            mstore(add(p, 2), domain)
            mstore(add(p, 0x22), structHash)
            h := keccak256(p, 0x42)
        }
    }
}
