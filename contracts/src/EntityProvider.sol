// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "./interfaces/IEntityProvider.sol";
import {Ecdsa} from "./lib/Ecdsa.sol";

/// Who may sign: accounts by key, and by ERC-1271 for their own actions only. docs/protocol.md section 2. Organisations
/// (tags 1 and 2) have no signers yet.
contract EntityProvider is IEntityProvider {
    function isValidSignature(bytes32 entity, bytes32 digest, bytes calldata signature, Permission permission)
        external
        view
        returns (bool)
    {
        if (uint256(entity) >> 160 != 0) return false;
        address account = address(uint160(uint256(entity)));
        // With code or without: nobody can revoke what recovers to the address.
        address signer = Ecdsa.recover(digest, signature);
        if (signer != address(0) && signer == account) return true;
        if (permission == Permission.States || account.code.length == 0) return false;
        bytes memory data = abi.encodeWithSignature("isValidSignature(bytes32,bytes)", digest, signature);
        bool valid;
        // Assembly: one word of the answer is read, however long it is.
        assembly ("memory-safe") {
            mstore(0, 0)
            let ok := staticcall(gas(), account, add(data, 0x20), mload(data), 0, 0x20)
            valid := and(and(ok, gt(returndatasize(), 31)), eq(mload(0), shl(224, 0x1626ba7e)))
        }
        return valid;
    }
}
