//! The steps of an exit.

use xln_chain::Transaction;
use xln_core::types::{ChainId, EntityId, SubchannelKey, UnixSeconds};

/// What a step does. In the order in which steps of one moment are taken: what has a deadline first, what pays out last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StepKind {
    /// Puts a known secret into the registry, so that a lock pays.
    Reveal,
    /// Shows a newer state than the one that is shown.
    Counter,
    /// Executes a close that both have signed.
    Close,
    /// Executes a settlement that both have signed.
    Settle,
    /// Starts a dispute with the latest state that the peer has signed.
    Start,
    /// Starts a dispute with the empty state.
    StartEmpty,
    /// Ends a dispute; its outcome goes to reserves.
    Finalize,
    /// Pays debts of a peer, or of this entity, from the debtor's reserve.
    Enforce,
    /// Pays a reserve out.
    Withdraw,
}

impl StepKind {
    /// Its name, as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reveal => "reveal",
            Self::Counter => "counter",
            Self::Close => "close",
            Self::Settle => "settle",
            Self::Start => "start",
            Self::StartEmpty => "start-empty",
            Self::Finalize => "finalize",
            Self::Enforce => "enforce",
            Self::Withdraw => "withdraw",
        }
    }

    /// Gas that it takes in an ordinary case, as `contracts/snapshots` has it; long bodies and queues of debts take more.
    #[must_use]
    pub const fn usual_gas(self) -> u64 {
        match self {
            Self::Reveal => 46_000,
            Self::Counter => 46_000,
            Self::Close => 85_000,
            Self::Settle => 67_000,
            Self::Start | Self::StartEmpty => 61_000,
            Self::Finalize => 90_000,
            Self::Enforce => 60_000,
            Self::Withdraw => 45_000,
        }
    }
}

/// Something to do on a chain, now or later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// In which Depository.
    pub key: SubchannelKey,
    /// In the channel with whom, if it is about one.
    pub peer: Option<EntityId>,
    /// In words.
    pub what: String,
    /// Chain time before which it cannot be done.
    pub not_before: UnixSeconds,
    /// Last second of chain time at which it still helps.
    pub deadline: Option<UnixSeconds>,
    /// The transaction, sent by the entity's own account; none while it depends on a step before.
    pub transaction: Option<Transaction>,
}

impl Step {
    /// On which chain.
    #[must_use]
    pub const fn chain(&self) -> ChainId {
        self.key.chain
    }

    /// Whether it can be done at this chain time.
    #[must_use]
    pub fn is_ready(&self, now: UnixSeconds) -> bool {
        self.transaction.is_some() && self.not_before <= now
    }
}
