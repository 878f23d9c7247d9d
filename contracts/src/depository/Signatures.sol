// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IDepository} from "../interfaces/IDepository.sol";
import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {Ecdsa} from "../lib/Ecdsa.sol";

/// Who speaks for an entity: docs/protocol.md section 2. The caller is its own signature.
abstract contract Signatures is IDepository {
    address public immutable entityProvider;

    constructor(address entityProvider_) {
        entityProvider = entityProvider_;
    }

    function _caller() internal view returns (bytes32) {
        return bytes32(uint256(uint160(msg.sender)));
    }

    /// Accounts: eleven zero bytes and a nonzero address. Other tags are organisations.
    function _checkEntity(bytes32 entity) internal pure {
        unchecked {
            if (uint256(entity) - 1 >= type(uint160).max) {
                uint8 tag = uint8(entity[0]);
                if (tag != 1 && tag != 2) revert InvalidEntity();
            }
        }
    }

    /// For an entity's own actions: an empty signature means that the caller is the entity.
    function _isCaller(bytes32 entity, bytes calldata signature) internal view returns (bool) {
        if (signature.length != 0) return false;
        if (entity != _caller()) revert Unauthorized(entity);
        return true;
    }

    /// A key's signature decides at once; the EntityProvider is asked only for what a key cannot answer, and never
    /// about an account's channel states (rule 27).
    function _requireSignature(
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        IEntityProvider.Permission permission
    ) internal view {
        bool account = uint256(entity) >> 160 == 0;
        if (account) {
            address signer = Ecdsa.recover(digest, signature);
            if (signer != address(0) && uint256(uint160(signer)) == uint256(entity)) return;
        }
        if (
            (account && permission == IEntityProvider.Permission.States)
                || !IEntityProvider(entityProvider).isValidSignature(entity, digest, signature, permission)
        ) revert InvalidSignature(entity);
    }
}
