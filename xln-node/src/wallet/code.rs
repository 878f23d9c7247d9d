//! Stable names of errors, for other languages. They never change once published; new ones may come.

use xln_core::channel::{CommandError, CrossSwapError, Freeze, StageError};
use xln_core::transition::TransitionError;
use xln_core::wire::RejectReason;

use super::error::WalletError;
use crate::driver::BackupError;

/// A match whose answers share their beginning.
macro_rules! names {
    ($prefix:literal, $value:expr, { $($pattern:pat => $name:literal,)* }) => {
        match $value { $($pattern => concat!($prefix, $name),)* }
    };
}

/// The rule that refuses a transition, under one prefix.
macro_rules! rule {
    ($prefix:literal, $value:expr) => {
        names!($prefix, $value, {
            TransitionError::UnknownSubchannel => "unknown_subchannel",
            TransitionError::SubchannelExists => "subchannel_exists",
            TransitionError::SubchannelClosed => "subchannel_closed",
            TransitionError::SubchannelFrozen => "subchannel_frozen",
            TransitionError::InDispute => "in_dispute",
            TransitionError::NotEmpty => "not_empty",
            TransitionError::NotAlone => "not_alone",
            TransitionError::UnknownToken => "unknown_token",
            TransitionError::TokenExists => "token_exists",
            TransitionError::LimitReached => "limit_reached",
            TransitionError::ZeroAmount => "zero_amount",
            TransitionError::IdsExhausted => "ids_exhausted",
            TransitionError::AmountOutOfRange => "amount_out_of_range",
            TransitionError::InsufficientCapacity { .. } => "insufficient_capacity",
            TransitionError::UnknownSubcontract => "unknown_subcontract",
            TransitionError::WrongAuthor => "wrong_author",
            TransitionError::WrongSecret => "wrong_secret",
            TransitionError::Expired => "expired",
            TransitionError::ExpiryTooFar => "expiry_too_far",
            TransitionError::NotYetCancellable => "not_yet_cancellable",
            TransitionError::AlreadyRevealed => "already_revealed",
            TransitionError::SameToken => "same_token",
            TransitionError::FillTooLarge => "fill_too_large",
            TransitionError::FillTooSmall => "fill_too_small",
            TransitionError::TooLong => "too_long",
            TransitionError::WrongChain => "wrong_chain",
            TransitionError::ChainWentBack => "chain_went_back",
            TransitionError::FactsIncomplete => "facts_incomplete",
            TransitionError::IrrelevantReveal => "irrelevant_reveal",
            TransitionError::SettlementOpen => "settlement_open",
            TransitionError::InvalidSettlement => "invalid_settlement",
            TransitionError::SomethingPending => "something_pending",
            TransitionError::HoldOutOfRange => "hold_out_of_range",
            TransitionError::InvalidProviders => "invalid_providers",
            TransitionError::UnknownInstrument { .. } => "unknown_instrument",
            TransitionError::UnknownProvider => "unknown_provider",
            TransitionError::InvalidTerms => "invalid_terms",
            TransitionError::Undecided => "undecided",
            TransitionError::NotCancellable => "not_cancellable",
            TransitionError::OutOfBounds => "out_of_bounds",
            TransitionError::IrrelevantFact => "irrelevant_fact",
            TransitionError::ForeignChain => "foreign_chain",
        })
    };
}

impl WalletError {
    /// A stable name: what was refused and why, in parts separated by dots, such as
    /// `refused.transition.insufficient_capacity`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => command(error),
            Self::Stage(error) => stage(error),
            Self::Store(_) => "store",
            Self::Poisoned(_) => "poisoned",
            Self::Closed => "closed",
            Self::StaleNonce => "stale_nonce",
            Self::Restore(_) => "restore",
            Self::WrongStore(_) => "wrong_store",
            Self::Codec(_) => "codec",
            Self::Backup(error) => names!("backup.", error, {
                BackupError::Damaged => "damaged",
                BackupError::WrongEntity => "wrong_entity",
                BackupError::StoreNotEmpty => "store_not_empty",
            }),
            Self::Signature(_) => "signature",
            Self::UnknownEffect(_) => "unknown_effect",
            Self::UnknownCommand => "unknown_command",
            Self::Chain(_) => "chain",
        }
    }
}

const fn stage(error: &StageError) -> &'static str {
    names!("stage.", error, {
        StageError::Signer(_) => "signer",
        StageError::Codec(_) => "codec",
        StageError::Commitment(_) => "commitment",
        StageError::BadOwnSignature(_) => "bad_own_signature",
        StageError::StaleNonce { .. } => "stale_nonce",
        StageError::InDoubt => "in_doubt",
        StageError::Exhausted => "exhausted",
    })
}

const fn command(error: &CommandError) -> &'static str {
    match error {
        CommandError::Transition(rule) => rule!("refused.transition.", rule),
        CommandError::RefusedByPeer(reason) => by_peer(reason),
        CommandError::Frozen(freeze) => names!("refused.frozen.", freeze, {
            Freeze::Sighted => "sighted",
            Freeze::OwnStart => "own_start",
            Freeze::Alarm => "alarm",
        }),
        CommandError::QueueFull => "refused.queue_full",
        CommandError::UnknownPeer => "refused.unknown_peer",
        CommandError::UnknownDepository => "refused.unknown_depository",
        CommandError::Reserved => "refused.reserved",
        CommandError::NothingToShow => "refused.nothing_to_show",
        CommandError::NotNewer => "refused.not_newer",
        CommandError::FateUnknown => "refused.fate_unknown",
        CommandError::Unbalanced => "refused.unbalanced",
        CommandError::FactsUnseen => "refused.facts_unseen",
        CommandError::CrossSwap(error) => cross(error),
    }
}

const fn by_peer(reason: &RejectReason) -> &'static str {
    match reason {
        RejectReason::Transition { error, .. } => rule!("refused.by_peer.transition.", error),
        other => names!("refused.by_peer.", other, {
            RejectReason::Transition { .. } => "transition",
            RejectReason::Frozen { .. } => "frozen",
            RejectReason::FactsDiffer { .. } => "facts_differ",
            RejectReason::Policy { .. } => "policy",
            RejectReason::HeightTooLow => "height_too_low",
            RejectReason::TimeAhead => "time_ahead",
            RejectReason::Malformed => "malformed",
            RejectReason::SignerLapsed => "signer_lapsed",
            RejectReason::DelegationLimit { .. } => "delegation_limit",
        }),
    }
}

const fn cross(error: &CrossSwapError) -> &'static str {
    match error {
        CrossSwapError::Lock(rule) => rule!("refused.cross_swap.lock.", rule),
        other => names!("refused.cross_swap.", other, {
            CrossSwapError::Lock(_) => "lock",
            CrossSwapError::NotVigilant => "not_vigilant",
            CrossSwapError::SameSubchannel => "same_subchannel",
            CrossSwapError::Frozen => "frozen",
            CrossSwapError::GapTooSmall => "gap_too_small",
            CrossSwapError::TooLate => "too_late",
            CrossSwapError::LockTooLong => "lock_too_long",
            CrossSwapError::NoConsent => "no_consent",
            CrossSwapError::Malformed => "malformed",
            CrossSwapError::HashInUse => "hash_in_use",
            CrossSwapError::TooMany => "too_many",
            CrossSwapError::LockFailed => "lock_failed",
            CrossSwapError::WrongTerms => "wrong_terms",
            CrossSwapError::Declined => "declined",
            CrossSwapError::Expired => "expired",
            CrossSwapError::Unfinished => "unfinished",
        }),
    }
}
