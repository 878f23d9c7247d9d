//! In which ways the adversary deviates.

/// One way to break the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Deviation {
    /// Signs a state with another nonce than its height gives.
    WrongNonce,
    /// A height that is not above the parent's, or far above it.
    WrongHeight,
    /// Another parent block.
    WrongParent,
    /// Another parent state.
    WrongStateHash,
    /// Signs another root than the state's.
    WrongRoot,
    /// Bytes that are no signature of anybody.
    BadSignature,
    /// A signature by another key.
    ForeignSignature,
    /// Its own signature over another state.
    ReplayedSignature,
    /// A block in the honest side's name.
    WrongSide,
    /// Ends a payment that is over, or one that it may not end.
    ReusedId,
    /// A lock that has expired.
    ExpiredLock,
    /// A lock beyond the longest one.
    EndlessLock,
    /// A block time before its parent's.
    Late,
    /// A block time far ahead.
    Early,
    /// More transitions, or more bytes, than fit.
    Oversized,
    /// Bytes that are no message, or of another channel.
    Nonsense,
    /// Two different valid blocks of one height, and acknowledgements for the wrong one.
    Contradiction,
    /// Takes what the honest side has not consented to give.
    Theft,
    /// Facts that the chain does not say.
    FalseFacts,
    /// Answers nothing for a while.
    Silence,
    /// Refuses a block that it has acknowledged.
    RejectsAcknowledged,
    /// Refuses every block, however often.
    RejectsAll,
    /// Acknowledges what is not in flight, twice, or with a bad signature.
    WrongAck,
    /// Says that it is ahead, and has nothing to show.
    ClaimsAhead,
    /// Shows a state that the honest side never signed.
    ForgedState,
    /// Shows an older state that both signed.
    OldState,
    /// Sends everything again that it ever sent.
    Replay,
    /// Goes on from an old backup as if nothing had been signed since.
    ReplayAfterRestore,
    /// A settlement signature without a settlement, or for another one.
    SettlementOutOfTurn,
    /// Does not take a secret that the honest side shows for its payment.
    IgnoresSecret,
    /// Shows an old state on chain.
    OldDispute,
    /// Counters the honest side's own start with an old state.
    OldCounter,
}

use Deviation as D;

/// All of them that are made in messages.
pub(super) const SPOKEN: [Deviation; 30] = [
    D::WrongNonce,
    D::WrongHeight,
    D::WrongParent,
    D::WrongStateHash,
    D::WrongRoot,
    D::BadSignature,
    D::ForeignSignature,
    D::ReplayedSignature,
    D::WrongSide,
    D::ReusedId,
    D::ExpiredLock,
    D::EndlessLock,
    D::Late,
    D::Early,
    D::Oversized,
    D::Nonsense,
    D::Contradiction,
    D::Theft,
    D::FalseFacts,
    D::Silence,
    D::RejectsAcknowledged,
    D::RejectsAll,
    D::WrongAck,
    D::ClaimsAhead,
    D::ForgedState,
    D::OldState,
    D::Replay,
    D::ReplayAfterRestore,
    D::SettlementOutOfTurn,
    D::IgnoresSecret,
];

/// Those that are made on chain.
pub(super) const ON_CHAIN: [Deviation; 2] = [D::OldDispute, D::OldCounter];

impl Deviation {
    /// Whether nothing that it sends may change what both have agreed.
    pub(super) const fn moves_nothing(self) -> bool {
        !matches!(
            self,
            D::Contradiction | D::Silence | D::RejectsAll | D::Replay | D::ReplayAfterRestore | D::IgnoresSecret
        )
    }
}
