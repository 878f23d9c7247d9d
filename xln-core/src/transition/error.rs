//! Why a transition is refused.

use wincode::{SchemaRead, SchemaWrite};

/// The rule that refuses a transition. Travels in a Reject, so that the proposer learns it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, SchemaRead, SchemaWrite)]
pub enum TransitionError {
    /// No such subchannel is open.
    #[error("no such subchannel is open")]
    UnknownSubchannel,
    /// It is open already.
    #[error("subchannel is open already")]
    SubchannelExists,
    /// It was closed off chain.
    #[error("subchannel is closed")]
    SubchannelClosed,
    /// A co-signed close is open.
    #[error("subchannel is frozen by an open close")]
    SubchannelFrozen,
    /// A dispute is running.
    #[error("subchannel is in dispute")]
    InDispute,
    /// It still holds value or something pending.
    #[error("not empty")]
    NotEmpty,
    /// Opening and raising an epoch stand alone.
    #[error("a block that opens a subchannel or raises its epoch touches it in no other way")]
    NotAlone,
    /// The token was not added.
    #[error("token was not added")]
    UnknownToken,
    /// The token was added already.
    #[error("token was added already")]
    TokenExists,
    /// The author's half of a limit is used up.
    #[error("the author's half of the limit is used up")]
    LimitReached,
    /// Zero, which nothing pays.
    #[error("amount is zero")]
    ZeroAmount,
    /// Every channel-local id was given.
    #[error("channel-local ids are used up")]
    IdsExhausted,
    /// At or beyond `2^127`.
    #[error("amount or delta is out of range")]
    AmountOutOfRange,
    /// More than the payer can send.
    #[error("capacity is {available}, {needed} are needed")]
    InsufficientCapacity {
        /// What the payer can send.
        available: u128,
        /// What it wants to send.
        needed: u128,
    },
    /// No such payment, swap or settlement is pending.
    #[error("no such subcontract is pending")]
    UnknownSubcontract,
    /// The author has no right to do this.
    #[error("the author may not do this")]
    WrongAuthor,
    /// The secret does not hash to the lock.
    #[error("wrong secret")]
    WrongSecret,
    /// Past its deadline.
    #[error("past its deadline")]
    Expired,
    /// A deadline further ahead than `MAX_LOCK_S`.
    #[error("expiry is too far ahead")]
    ExpiryTooFar,
    /// The payer must first record a chain block later than the expiry, and no reveal.
    #[error("not cancellable by the payer yet")]
    NotYetCancellable,
    /// The secret was revealed on chain in time.
    #[error("the secret was revealed in time")]
    AlreadyRevealed,
    /// Both tokens of a swap are the same.
    #[error("a swap needs two different tokens")]
    SameToken,
    /// More than what remains of an offer.
    #[error("fill is larger than what remains")]
    FillTooLarge,
    /// Less than the offer's smallest fill.
    #[error("fill is smaller than the offer's minimum")]
    FillTooSmall,
    /// Longer than its bound.
    #[error("too long")]
    TooLong,
    /// The point's chain is not the subchannel's.
    #[error("point is of another chain")]
    WrongChain,
    /// Views of a chain only move forward.
    #[error("view of the chain would go back")]
    ChainWentBack,
    /// The facts do not list exactly the tokens that were added, ascending.
    #[error("facts do not cover exactly the tokens in use")]
    FactsIncomplete,
    /// A reveal that no pending payment waits for.
    #[error("reveal concerns no pending payment")]
    IrrelevantReveal,
    /// A settlement or close is open already.
    #[error("a settlement or close is open already")]
    SettlementOpen,
    /// A settlement that does nothing, repeats a token, or takes more collateral than there is.
    #[error("settlement is malformed")]
    InvalidSettlement,
    /// A close needs nothing pending.
    #[error("something is pending")]
    SomethingPending,
    /// A hold would become negative, or its sum leave the range.
    #[error("hold out of range")]
    HoldOutOfRange,
    /// Providers are missing, too many, or repeated.
    #[error("list of providers is invalid")]
    InvalidProviders,
    /// An instrument that this node does not know.
    #[error("instrument {instrument} is unknown")]
    UnknownInstrument {
        /// Its number.
        instrument: u16,
    },
    /// A provider that the subchannel does not have.
    #[error("provider is not one of the subchannel's")]
    UnknownProvider,
    /// Terms that the instrument refuses, too long, or for too many or repeated tokens.
    #[error("terms are invalid")]
    InvalidTerms,
    /// Nothing to pay now, and more may come.
    #[error("nothing is decided yet")]
    Undecided,
    /// The author may not end this subcontract now.
    #[error("not cancellable by the author now")]
    NotCancellable,
    /// An instrument wants to move more than what was held for it, or goes on under a question that was not asked before.
    #[error("instrument leaves its bounds")]
    OutOfBounds,
    /// A recorded fact that no pending subcontract waits for.
    #[error("fact concerns no pending subcontract")]
    IrrelevantFact,
    /// An organisation that is registered on another chain has no subchannel here.
    #[error("an organisation has subchannels on its own chain only")]
    ForeignChain,
}
