// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Who may sign for an entity: boards, delegations, votes. No owner. docs/protocol.md section 2, docs/encodings.md.
interface IEntityProvider {
    /// States: channel states, relied on by the other side; never ERC-1271. Others are the entity's own actions.
    enum Permission { States, Dispute, Withdraw, Govern }
    /// What a delegation's limits are counted against.
    struct Outflow { uint32 token; uint128 amount; }

    /// The board of a registered organisation or of a contract account. The previous one (zero: none) stays valid for
    /// channel states until `previousValidUntil`, and for nothing else.
    event BoardSet(bytes32 indexed entity, bytes32 boardHash, bytes32 previous, uint40 previousValidUntil);
    /// `delegation` is keccak256 of its bytes; it stays valid for channel states until `validUntil`.
    event DelegationRevoked(bytes32 indexed entity, bytes32 indexed delegation, uint40 validUntil);

    /// The one question that a Depository asks.
    function isValidSignature(bytes32 entity, bytes32 digest, bytes calldata signature, Permission permission) external view returns (bool);
    /// The same question (permission Withdraw) about an action that takes `outflows` out of the entity's reserve in the calling
    /// Depository. Counts them against the limits of the delegation that signed, if one did; false if a limit is passed.
    function spend(bytes32 entity, bytes32 digest, bytes calldata signature, Outflow[] calldata outflows) external returns (bool);
    /// How long a replaced board, a revoked or expired delegation stays valid for channel states, in seconds: at least twice
    /// the dispute window of every Depository that relies on it, plus a margin.
    function grace() external view returns (uint40);
}
