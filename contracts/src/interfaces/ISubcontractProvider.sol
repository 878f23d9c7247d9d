// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Registry and executor of instruments, and registry of revealed secrets. docs/protocol.md sections 7 and 8.
interface ISubcontractProvider {
    /// Every secret of one call; those already known keep their first time. kind: 0 keccak256, 1 sha256.
    event SecretsRevealed(uint8 indexed kind, bytes32[] secrets);
    event InstrumentRegistered(uint16 indexed instrument, address code);

    function reveal(uint8 kind, bytes32[] calldata secrets) external;
    /// Chain time of the first reveal in unix seconds, 0 if none.
    function revealedAt(uint8 kind, bytes32 hash) external view returns (uint40);
    /// Ids below 256 are built in; an id once given never changes its code.
    function registerInstrument(address code) external returns (uint16 instrument);
    function instrument(uint16 id) external view returns (address);

    struct Context {
        uint40 startedAt; bytes leftFills; uint40 leftFillsAt; bytes rightFills; uint40 rightFillsAt;
    }
    /// Deltas after the clause; `pendingUntil` is nonzero while a payment of the batch is undecided (its latest expiry).
    function applyBatch(int256[] calldata deltas, uint256[] calldata collaterals, bytes calldata batch, Context calldata context)
        external view returns (int256[] memory newDeltas, uint40 pendingUntil);
}
