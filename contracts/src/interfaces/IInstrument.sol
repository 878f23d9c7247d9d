// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// A custom instrument (id 256 and above), called by the SubcontractProvider that it is registered in. docs/protocol.md
/// section 8. Both functions must decide by facts that do not depend on the moment of the call; what they are asked for is
/// in docs/encodings.md. What a call costs must fit its bound with cold storage, or whoever finalizes decides by warming it. Recorded facts are read back from the caller: `ISubcontractProvider(msg.sender).fact(key)`. Whoever
/// starves them of gas must get a revert: a call that they bound themselves needs the gas for its bound checked before.
interface IInstrument {
    /// Whether `question` can be recorded as a fact now, and with which value. Gets 200,000 gas.
    function observe(bytes calldata question) external view returns (bool yes, uint128 value);

    /// How the deltas of the subcontract's `tokens` tokens move, in their order: exactly as many values. `instrument` is the
    /// id under which this contract was asked, which names its facts. `undecidedUntil` is nonzero while a fact may still be
    /// recorded; the provider cuts it to the dispute's deadline, since payments alone can defer a finalize past it.
    /// A fact counts if it was recorded at chain time `<= min(its expiry, deadline)`.
    function settle(uint16 instrument, bytes calldata terms, uint256 tokens, uint40 startedAt, uint40 deadline)
        external view returns (int256[] memory moves, uint40 undecidedUntil);
}
