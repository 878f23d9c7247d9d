// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IGovernance} from "../interfaces/IGovernance.sol";
import {Hashing} from "../lib/Hashing.sol";
import {Verification} from "./Verification.sol";

/// Who acts: the caller's account, or whoever signed what is relayed.
abstract contract Actors is Verification {
    bytes32 private constant GOVERN = keccak256("Govern(bytes32 entity,uint64 nonce,uint64 expiry,bytes call)");
    bytes32 private constant REVOKE = keccak256("Revoke(bytes32 entity,bytes32 delegation)");

    mapping(bytes32 entity => uint64) public nonceOf;
    /// Whoever signed what runs now; accounts act without it.
    bytes32 private transient _relayed;

    function relay(bytes32 entity, uint64 expiry, bytes calldata call, bytes calldata signature)
        external
        returns (bytes memory answer)
    {
        if (_relayed != 0) revert Reentered();
        if (block.timestamp > expiry) revert Expired();
        uint64 nonce = nonceOf[entity];
        bytes32 digest = _message(keccak256(abi.encode(GOVERN, entity, nonce, expiry, keccak256(call))));
        if (!_verify(entity, digest, signature, Permission.Govern)) revert InvalidSignature(entity);
        nonceOf[entity] = nonce + 1;
        emit Relayed(entity, nonce);
        // An account's board changes at once: an operator's own board would have no permissions and no limits.
        if (signature[0] == 0x02 && bytes4(call) == IGovernance.recordBoard.selector) revert InvalidSignature(entity);
        _relayed = entity;
        bool ok;
        (ok, answer) = address(this).call(call);
        _relayed = 0;
        if (!ok) {
            // Assembly: the reason as it came.
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    function _actor() internal view returns (bytes32) {
        return msg.sender == address(this) ? _relayed : bytes32(uint256(uint160(msg.sender)));
    }

    function _revokeDigest(bytes32 entity, bytes32 delegation) internal view returns (bytes32) {
        return _message(keccak256(abi.encode(REVOKE, entity, delegation)));
    }

    /// EIP-712 of this contract on this chain.
    function _message(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("xln EntityProvider"),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
        return Hashing.typed(domain, structHash);
    }

    /// As a Depository's: an account's nonzero address, or an organisation's tag.
    function _checkEntity(bytes32 entity) internal pure {
        uint8 tag = uint8(entity[0]);
        if (entity == 0 || (!_isAccount(entity) && tag != 1 && tag != 2)) revert InvalidEntity();
    }
}
