// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Further readers of packed calldata, as of `BodyCodec`: no bounds are checked, callers prove the length first.
library Reader {
    function u40(bytes calldata data, uint256 pos) internal pure returns (uint40 value) {
        assembly ("memory-safe") {
            value := shr(216, calldataload(add(data.offset, pos)))
        }
    }

    function bytes32At(bytes calldata data, uint256 pos) internal pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(data.offset, pos))
        }
    }
}
