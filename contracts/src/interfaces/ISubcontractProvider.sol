// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// Registry and executor of instruments, and registry of facts: revealed secrets, recorded defaults, conditions and
/// answers of custom instruments. Append-only, no owner. docs/protocol.md sections 7 and 8, docs/encodings.md.
interface ISubcontractProvider {
    /// Every secret of one call; those already known keep their first time. kind: 0 keccak256, 1 sha256.
    event SecretsRevealed(uint8 indexed kind, bytes32[] secrets);
    event InstrumentRegistered(uint16 indexed instrument, address code);
    /// A fact was recorded for the first time, at the block's time.
    event FactRecorded(uint16 indexed instrument, bytes32 indexed key, uint40 notBefore, uint128 value, bytes question);

    /// A question of one `record` call.
    struct Question { uint16 instrument; uint40 notBefore; bytes question; }

    function reveal(uint8 kind, bytes32[] calldata secrets) external;
    /// Chain time of the first reveal in unix seconds, 0 if none.
    function revealedAt(uint8 kind, bytes32 hash) external view returns (uint40);

    /// Records facts that are so now, at chain time `>= notBefore`: by anyone, the first wins, one that is known changes
    /// nothing. Reverts with `NotSo(index)` at one that is not so.
    function record(Question[] calldata questions) external;
    /// keccak256(u16 instrument || u40 notBefore || question).
    function factKey(Question calldata question) external pure returns (bytes32);
    /// Chain time at which it was recorded, 0 if it was not; and its value.
    function fact(bytes32 key) external view returns (uint40 recordedAt, uint128 value);

    /// Ids below 256 are built in; an id once given never changes its code.
    function registerInstrument(address code) external returns (uint16 instrument);
    function instrument(uint16 id) external view returns (address);

    struct Context {
        uint40 startedAt; uint40 deadline;
        bytes leftFills; uint40 leftFillsAt; bytes rightFills; uint40 rightFillsAt;
    }
    /// Deltas after the clause; called by a Depository. `pendingUntil` is nonzero while the clause is undecided: the latest
    /// expiry of an unrevealed payment; of anything else at most the deadline.
    function applyBatch(int256[] calldata deltas, uint256[] calldata collaterals, bytes calldata batch, Context calldata context)
        external view returns (int256[] memory newDeltas, uint40 pendingUntil);
}
