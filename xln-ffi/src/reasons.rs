//! What the errors of the rules say, and what a remote signer is asked for: the enums of `xln-core` as they are.

use xln_core::{channel, transition, wire};

use crate::types::{Amount, Hash, SubchannelKey};

pub use channel::{CommandError, CrossSwapError, Freeze, Purpose};
pub use transition::TransitionError;
pub use wire::RejectReason;

/// Why a command is refused. A refusal changes nothing and halts nothing.
#[uniffi::remote(Enum)]
pub enum CommandError {
    /// A rule of the protocol.
    Transition(TransitionError),
    /// The peer refused it for good.
    RefusedByPeer(RejectReason),
    /// The subchannel is frozen by what the chain shows.
    Frozen(Freeze),
    /// Too many commands wait.
    QueueFull,
    /// An entity has no channel with itself or a malformed id.
    UnknownPeer,
    /// Depository, provider or margin are not among those that this node accepts.
    UnknownDepository,
    /// SyncChain is made by the machine from its own view only.
    Reserved,
    /// There is no state to show, no dispute to answer, no body to reveal, or no signatures to submit.
    NothingToShow,
    /// What is shown already is not older.
    NotNewer,
    /// It was accepted before a restore from a backup: whether it took effect is for the peer's state to say.
    FateUnknown,
    /// The left, right and collateral diffs do not sum to zero.
    Unbalanced,
    /// A fact that decides this subcontract may have been recorded before this node watched the chain.
    FactsUnseen,
    /// A cross-chain swap.
    CrossSwap(CrossSwapError),
}

/// The rule that refuses a transition. Travels in a Reject, so that the proposer learns it.
#[uniffi::remote(Enum)]
pub enum TransitionError {
    /// No such subchannel is open.
    UnknownSubchannel,
    /// It is open already.
    SubchannelExists,
    /// It was closed off chain.
    SubchannelClosed,
    /// A co-signed close is open.
    SubchannelFrozen,
    /// A dispute is running.
    InDispute,
    /// It still holds value or something pending.
    NotEmpty,
    /// Opening and raising an epoch stand alone.
    NotAlone,
    /// The token was not added.
    UnknownToken,
    /// The token was added already.
    TokenExists,
    /// The author's half of a limit is used up.
    LimitReached,
    /// Zero, which nothing pays.
    ZeroAmount,
    /// Every channel-local id was given.
    IdsExhausted,
    /// At or beyond `2^127`.
    AmountOutOfRange,
    /// More than the payer can send.
    InsufficientCapacity {
        /// What the payer can send.
        available: Amount,
        /// What it wants to send.
        needed: Amount,
    },
    /// No such payment, swap or settlement is pending.
    UnknownSubcontract,
    /// The author has no right to do this.
    WrongAuthor,
    /// The secret does not hash to the lock.
    WrongSecret,
    /// Past its deadline.
    Expired,
    /// A deadline further ahead than `MAX_LOCK_S`.
    ExpiryTooFar,
    /// The payer must first record a chain block later than the expiry, and no reveal.
    NotYetCancellable,
    /// The secret was revealed on chain in time.
    AlreadyRevealed,
    /// Both tokens of a swap are the same.
    SameToken,
    /// More than what remains of an offer.
    FillTooLarge,
    /// Less than the offer's smallest fill.
    FillTooSmall,
    /// Longer than its bound.
    TooLong,
    /// The point's chain is not the subchannel's.
    WrongChain,
    /// Views of a chain only move forward.
    ChainWentBack,
    /// The facts do not list exactly the tokens that were added, ascending.
    FactsIncomplete,
    /// A reveal that no pending payment waits for.
    IrrelevantReveal,
    /// A settlement or close is open already.
    SettlementOpen,
    /// A settlement that does nothing, repeats a token, or takes more collateral than there is.
    InvalidSettlement,
    /// A close needs nothing pending.
    SomethingPending,
    /// A hold would become negative, or its sum leave the range.
    HoldOutOfRange,
    /// Providers are missing, too many, or repeated.
    InvalidProviders,
    /// An instrument that this node does not know.
    UnknownInstrument {
        /// Its number.
        instrument: u16,
    },
    /// A provider that the subchannel does not have.
    UnknownProvider,
    /// Terms that the instrument refuses, too long, or for too many or repeated tokens.
    InvalidTerms,
    /// Nothing to pay now, and more may come.
    Undecided,
    /// The author may not end this subcontract now.
    NotCancellable,
    /// An instrument wants to move more than what was held for it, or goes on under a question that was not asked before.
    OutOfBounds,
    /// A recorded fact that no pending subcontract waits for.
    IrrelevantFact,
    /// An organisation that is registered on another chain has no subchannel here.
    ForeignChain,
}

/// Why a block was refused for good.
#[uniffi::remote(Enum)]
pub enum RejectReason {
    /// A transition breaks a rule.
    Transition {
        /// Its position.
        index: u32,
        /// The rule.
        error: TransitionError,
    },
    /// A transition concerns a subchannel that a start or close on chain has frozen.
    Frozen {
        /// Its position.
        index: u32,
    },
    /// The chain says something else, or never had that block.
    FactsDiffer {
        /// Its position.
        index: u32,
    },
    /// The receiver's policy refuses it.
    Policy {
        /// Its position.
        index: u32,
    },
    /// The receiver has signed a state that this block would not outrank.
    HeightTooLow,
    /// The block's time stayed ahead of the receiver's clock.
    TimeAhead,
    /// The block does not follow from its parent.
    Malformed,
    /// The proposer's board was replaced, or its delegation was revoked or has expired: who signs now must sign.
    SignerLapsed,
    /// The proposer's operator would pay more than its delegation allows in all.
    DelegationLimit {
        /// Its position.
        index: u32,
    },
}

/// Why a cross-chain swap is not begun, or what undid it.
#[uniffi::remote(Enum)]
pub enum CrossSwapError {
    /// Its safety is the machine's own vigilance.
    NotVigilant,
    /// Both legs are in one subchannel: a swap offer does that.
    SameSubchannel,
    /// A leg's subchannel is frozen by what the chain shows.
    Frozen,
    /// The first leg does not outlive the second by the gap.
    GapTooSmall,
    /// Not enough time is left to settle the second leg, if need be on chain.
    TooLate,
    /// The second leg would lock the responder's money for longer than it consented to.
    LockTooLong,
    /// The responder has not consented to exactly these terms, or no longer does.
    NoConsent,
    /// The terms do not decode.
    Malformed,
    /// Another lock has the same hash.
    HashInUse,
    /// Too many are open.
    TooMany,
    /// A leg breaks a rule: capacity, say.
    Lock(TransitionError),
    /// The second leg was queued and could not be agreed.
    LockFailed,
    /// The responder locked something else than was asked for.
    WrongTerms,
    /// The peer gave its incoming leg back.
    Declined,
    /// A leg expired unsettled.
    Expired,
    /// This lock is a leg that may not be given back while the other one is open.
    Unfinished,
}

/// Why a subchannel is frozen.
#[uniffi::remote(Enum)]
pub enum Freeze {
    /// A start or close stands in a block, confirmed or not.
    Sighted,
    /// This node has signed a start.
    OwnStart,
    /// A confirmed fact vanished.
    Alarm,
}

/// What a signature is for; a remote signer is asked with it.
#[uniffi::remote(Enum)]
pub enum Purpose {
    /// My block in flight.
    Proposal,
    /// The peer's block that waits for it.
    Ack,
    /// A refusal.
    Reject {
        /// Height of the refused block.
        height: u64,
        /// Hash of the refused block.
        block_hash: Hash,
        /// Why.
        reason: RejectReason,
        /// The smallest height of a replacement.
        min_height: u64,
    },
    /// A settlement or close.
    Settlement {
        /// In which subchannel.
        key: SubchannelKey,
        /// Its id.
        id: u64,
    },
}
