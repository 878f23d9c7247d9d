// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Who may sign for an entity. docs/protocol.md section 2.
interface IEntityProvider {
    /// States: channel states, relied on by the other side; never ERC-1271. Others are the entity's own actions.
    enum Permission { States, Dispute, Withdraw, Govern }
    function isValidSignature(bytes32 entity, bytes32 digest, bytes calldata signature, Permission permission) external view returns (bool);
}
