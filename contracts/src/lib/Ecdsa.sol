// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Compact signatures (EIP-2098), docs/encodings.md. No other length, no high s, no zero r or s.
library Ecdsa {
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// The signer's address, or zero if the signature is not valid.
    function recover(bytes32 digest, bytes calldata signature) internal view returns (address signer) {
        if (signature.length != 64) return address(0);
        // Assembly: the precompile straight from calldata, without an allocation.
        assembly ("memory-safe") {
            let vs := calldataload(add(signature.offset, 32))
            let s := and(vs, 0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)
            // The precompile itself refuses r and s of zero.
            if iszero(gt(s, HALF_ORDER)) {
                let p := mload(0x40)
                mstore(p, digest)
                mstore(add(p, 0x20), add(27, shr(255, vs)))
                mstore(add(p, 0x40), calldataload(signature.offset))
                mstore(add(p, 0x60), s)
                mstore(0, 0)
                pop(staticcall(gas(), 1, p, 0x80, 0, 0x20))
                // On failure it returns nothing: the scratch word stays zero.
                signer := mload(0)
            }
        }
    }
}
