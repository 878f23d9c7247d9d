// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IEntityProvider} from "../interfaces/IEntityProvider.sol";
import {Ecdsa} from "../lib/Ecdsa.sol";
import {State} from "./State.sol";

/// Who speaks for an entity: docs/protocol.md section 2. The caller is its own signature.
abstract contract Signatures is State {
    /// Who acts: the sender, or within a batch the batch's entity, for which the Depository calls itself. Nothing else
    /// makes it do so.
    function _caller() internal view returns (bytes32) {
        if (msg.sender == address(this)) return _actor;
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

    /// An account's key decides at once; the EntityProvider is asked for what a key cannot answer.
    function _signedByKey(bytes32 entity, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (uint256(entity) >> 160 != 0) return false;
        address signer = Ecdsa.recover(digest, signature);
        return signer != address(0) && uint256(uint160(signer)) == uint256(entity);
    }

    function _requireSignature(
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        IEntityProvider.Permission permission
    ) internal view {
        if (_signedByKey(entity, digest, signature)) return;
        if (!IEntityProvider(_entityProvider).isValidSignature(entity, digest, signature, permission)) {
            revert InvalidSignature(entity);
        }
    }

    /// Counts what leaves against the limits of who signed, if it was no key.
    function _requireSpend(
        bytes32 entity,
        bytes32 digest,
        bytes calldata signature,
        IEntityProvider.Outflow[] memory outflows
    ) internal {
        if (!IEntityProvider(_entityProvider).spend(entity, digest, signature, outflows)) revert InvalidSignature(entity);
    }
}
