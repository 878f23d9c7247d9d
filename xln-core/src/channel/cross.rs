//! Cross-chain swaps: two locks under one hash on two subchannels, made, settled and taken back by the machine itself
//! (`docs/protocol.md` section 9). Blocks are not atomic over chains, so the legs go in separate blocks: the leg of the
//! initiator, who knows the secret, is agreed first and expires later by a gap.

mod act;
mod learn;
mod track;

use alloc::boxed::Box;
use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::{Channel, ChannelConfig, CommandError, CommandId, Env};
use crate::check::StateError;
use crate::codec::{self, CodecError};
use crate::limits::{MAX_CLOCK_DRIFT_S, MAX_PENDING, MAX_SUBCHANNELS};
use crate::state::{ChannelState, Payment, Pending};
use crate::transition::{Transition, TransitionError};
use crate::types::{Hash, HashKind, Secret, Side, SubchannelKey, TokenId, UnixSeconds};

/// First byte of an onion that belongs to a cross-chain swap.
pub const CROSS_TAG: u8 = 0xc5;
/// Second byte: the initiator's lock. The encoding of the [`CrossLeg`] that it wants follows.
const FIRST_LEG: u8 = 1;
/// Second byte: the responder's lock. Nothing follows.
const SECOND_LEG: u8 = 2;
/// Swaps that one side may have begun and not ended, and consents that it may have given, in one channel.
pub const MAX_CROSS_SWAPS: usize = 16;
/// What a channel can follow at most: every pending lock may be a leg.
const MAX_FOLLOWED: usize = MAX_CROSS_SWAPS + MAX_PENDING * MAX_SUBCHANNELS;

/// An amount of a token in one subchannel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct CrossSum {
    /// Which subchannel.
    pub key: SubchannelKey,
    /// Which token.
    pub token: TokenId,
    /// How much, in its base unit, `1 .. 2^127`.
    pub amount: u128,
}

/// One lock of a cross-chain swap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct CrossLeg {
    /// What is locked.
    pub sum: CrossSum,
    /// Last second at which it can be settled.
    pub expiry: UnixSeconds,
}

/// What the initiator of a cross-chain swap asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct CrossSwapOffer {
    /// The initiator's lock. It expires later than the other by the gap at least.
    pub give: CrossLeg,
    /// The responder's lock.
    pub want: CrossLeg,
    /// Which hash function locks both.
    pub kind: HashKind,
    /// What opens both: random, and never used before.
    pub secret: Secret,
}

/// What a responder lets its peer begin, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct CrossSwapConsent {
    /// What the peer gives.
    pub receive: CrossSum,
    /// What this side gives.
    pub pay: CrossSum,
    /// Last second at which this side locks.
    pub until: UnixSeconds,
    /// The latest expiry of its own lock: until then the peer may choose whether to take it.
    pub pay_expiry: UnixSeconds,
}

/// Why a cross-chain swap is not begun, or what undid it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, SchemaRead, SchemaWrite)]
pub enum CrossSwapError {
    /// Its safety is the machine's own vigilance.
    #[error("a node that is not vigilant swaps nothing over chains")]
    NotVigilant,
    /// Both legs are in one subchannel: a swap offer does that.
    #[error("both legs are in one subchannel")]
    SameSubchannel,
    /// A leg's subchannel is frozen by what the chain shows.
    #[error("a leg's subchannel is frozen")]
    Frozen,
    /// The first leg does not outlive the second by the gap.
    #[error("the first leg does not outlive the second by the gap")]
    GapTooSmall,
    /// Not enough time is left to settle the second leg, if need be on chain.
    #[error("not enough time is left for the second leg")]
    TooLate,
    /// The second leg would lock the responder's money for longer than it consented to.
    #[error("the second leg would be locked for too long")]
    LockTooLong,
    /// The responder has not consented to exactly these terms, or no longer does.
    #[error("no consent to these terms")]
    NoConsent,
    /// The terms do not decode.
    #[error("terms do not decode")]
    Malformed,
    /// Another lock has the same hash.
    #[error("another lock has the same hash")]
    HashInUse,
    /// Too many are open.
    #[error("too many cross-chain swaps are open")]
    TooMany,
    /// A leg breaks a rule: capacity, say.
    #[error(transparent)]
    Lock(#[from] TransitionError),
    /// The second leg was queued and could not be agreed.
    #[error("the second leg could not be agreed")]
    LockFailed,
    /// The responder locked something else than was asked for.
    #[error("the second leg is not what was asked for")]
    WrongTerms,
    /// The peer gave its incoming leg back.
    #[error("the peer declined")]
    Declined,
    /// A leg expired unsettled.
    #[error("a leg expired")]
    Expired,
    /// This lock is a leg that may not be given back while the other one is open.
    #[error("the other leg is still open")]
    Unfinished,
}

/// What became of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
enum Fate {
    /// It was in no agreed state.
    Unseen,
    /// It stands in the agreed state under this id.
    Pending(u64),
    /// Settled off chain.
    Settled,
    /// Given or taken back off chain, by this side.
    Cancelled(Side),
    /// The chain closed its epoch: the registry there decides.
    Closed,
    /// It ended in blocks that this node has lost.
    Lost,
}

/// How far this side has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
enum Stage {
    /// Nothing is decided.
    Open,
    /// Initiator: the secret is on its way. Responder: the second leg is queued, once and never again.
    Bound,
    /// Decided against, for good.
    Undone(CrossSwapError),
    /// Found in a state that was taken over after a restore: what was signed before is not known, so it is only followed.
    Inherited,
}

/// One swap as one side follows it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct CrossSwap {
    initiator: Side,
    kind: HashKind,
    hash: Hash,
    give: CrossLeg,
    want: CrossLeg,
    /// The initiator's.
    secret: Option<Secret>,
    stage: Stage,
    first: Fate,
    second: Fate,
    /// The command that gives the incoming leg back was queued.
    returned: bool,
}

/// All swaps of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub(super) struct CrossSwaps {
    consents: Vec<CrossSwapConsent>,
    swaps: Vec<CrossSwap>,
}

impl ChannelConfig {
    /// By how much the first leg of a cross-chain swap must outlive the second, in seconds: [`ChannelConfig::cross_gap_s`],
    /// but never less than what a reveal of this node's own needs.
    #[must_use]
    pub fn cross_gap(&self) -> u64 {
        let least = self.reveal_margin_s.saturating_add(MAX_CLOCK_DRIFT_S.saturating_mul(2));
        self.cross_gap_s.max(least)
    }
}

impl CrossSwaps {
    pub(super) const fn is_empty(&self) -> bool {
        self.swaps.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), StateError> {
        let within = self.consents.len() <= MAX_CROSS_SWAPS && self.swaps.len() <= MAX_FOLLOWED;
        if within { Ok(()) } else { Err(StateError::LimitPassed) }
    }
}

impl CrossSwap {
    fn first_onion(want: &CrossLeg) -> Result<Vec<u8>, CodecError> {
        let mut onion = alloc::vec![CROSS_TAG, FIRST_LEG];
        onion.append(&mut codec::encode(want)?);
        Ok(onion)
    }

    fn has(&self, kind: HashKind, hash: &Hash) -> bool {
        self.kind == kind && self.hash == *hash
    }

    const fn lock(&self, leg: &CrossLeg, onion: Vec<u8>) -> Transition {
        let CrossLeg { sum: CrossSum { key, token, amount }, expiry } = *leg;
        Transition::AddPayment { key, token, amount, kind: self.kind, hash: self.hash, expiry, onion }
    }
}

/// The terms that a lock carries, if it is the first leg of a swap.
fn terms(payment: &Payment) -> Option<Result<CrossLeg, CrossSwapError>> {
    match payment.onion.split_first_chunk::<2>() {
        Some(([CROSS_TAG, FIRST_LEG], rest)) => Some(codec::decode(rest).map_err(|_| CrossSwapError::Malformed)),
        _ => None,
    }
}

impl Channel {
    /// The hashes of the swaps that are not over.
    pub fn cross_swaps(&self) -> impl Iterator<Item = &Hash> {
        self.crosses.swaps.iter().map(|swap| &swap.hash)
    }

    /// Begins a swap: locks the first leg under the hash of the secret, which stays here until the second leg is agreed.
    pub(crate) fn cross_swap(
        &mut self,
        env: &mut Env<'_>,
        speculative: &mut Option<Box<ChannelState>>,
        id: CommandId,
        offer: &CrossSwapOffer,
    ) -> Result<(), CommandError> {
        let CrossSwapOffer { give, want, kind, secret } = *offer;
        let hash = secret.hash(kind);
        self.check_sums(env, &give.sum, &want.sum)?;
        if give.expiry < want.expiry.plus(env.config.cross_gap()) {
            return Err(CrossSwapError::GapTooSmall.into());
        }
        if !self.in_time(env, &want) {
            return Err(CrossSwapError::TooLate.into());
        }
        if self.crosses.swaps.iter().filter(|s| s.initiator == self.me).count() >= MAX_CROSS_SWAPS {
            return Err(CrossSwapError::TooMany.into());
        }
        if self.crosses.swaps.iter().any(|s| s.has(kind, &hash)) || self.locks(kind, &hash).next().is_some() {
            return Err(CrossSwapError::HashInUse.into());
        }
        let onion = CrossSwap::first_onion(&want).map_err(|_| CrossSwapError::Malformed)?;
        let swap = CrossSwap {
            initiator: self.me,
            kind,
            hash,
            give,
            want,
            secret: Some(secret),
            stage: Stage::Open,
            first: Fate::Unseen,
            second: Fate::Unseen,
            returned: false,
        };
        self.enqueue(env, speculative, id, swap.lock(&give, onion), false)?;
        self.crosses.swaps.push(swap);
        Ok(())
    }

    /// Lets the peer begin one swap on these terms.
    pub(crate) fn accept_cross_swap(&mut self, env: &Env<'_>, consent: &CrossSwapConsent) -> Result<(), CommandError> {
        self.check_sums(env, &consent.receive, &consent.pay)?;
        if env.now > consent.until || consent.until > consent.pay_expiry {
            return Err(CrossSwapError::TooLate.into());
        }
        self.crosses.consents.retain(|known| env.now <= known.until);
        if self.crosses.consents.len() >= MAX_CROSS_SWAPS {
            return Err(CrossSwapError::TooMany.into());
        }
        self.crosses.consents.push(*consent);
        Ok(())
    }

    fn check_sums(&self, env: &Env<'_>, give: &CrossSum, want: &CrossSum) -> Result<(), CommandError> {
        if !env.config.vigilant {
            return Err(CrossSwapError::NotVigilant.into());
        }
        if give.key == want.key {
            return Err(CrossSwapError::SameSubchannel.into());
        }
        for sum in [give, want] {
            if let Some(freeze) = self.frozen(&sum.key) {
                return Err(CommandError::Frozen(freeze));
            }
            if self.tip.state.token(&sum.key, sum.token).is_none() {
                return Err(CrossSwapError::Lock(TransitionError::UnknownToken).into());
            }
            if sum.amount == 0 {
                return Err(CrossSwapError::Lock(TransitionError::ZeroAmount).into());
            }
        }
        Ok(())
    }

    /// Whether the second leg leaves time to settle it off chain, and on chain if the peer does not answer.
    fn in_time(&self, env: &Env<'_>, want: &CrossLeg) -> bool {
        let settle = self.tip.state.subchannels.get(&want.sum.key).map_or(0, |s| s.settle_margin_s);
        let margin = settle.max(env.config.reveal_margin_s).saturating_add(MAX_CLOCK_DRIFT_S);
        env.now.plus(margin) <= want.expiry
    }

    /// Locks of the agreed state with this hash.
    fn locks(&self, kind: HashKind, hash: &Hash) -> impl Iterator<Item = (&SubchannelKey, u64, &Payment)> {
        let all =
            self.tip.state.subchannels.iter().flat_map(|(key, s)| s.pending.iter().map(move |(id, p)| (key, *id, p)));
        all.filter_map(move |(key, id, pending)| match pending {
            Pending::Payment(p) if p.kind == kind && p.hash == *hash => Some((key, id, p)),
            _ => None,
        })
    }

    /// The user may not tear a swap: an incoming leg is not given back while the other one may still be taken.
    pub(super) fn guard_cross(&self, transition: &Transition) -> Result<(), CommandError> {
        let (Transition::CancelPayment { key, id } | Transition::FailPayment { key, id, .. }) = transition else {
            return Ok(());
        };
        let torn = self.crosses.swaps.iter().any(|swap| {
            let (incoming, leg, other) = if swap.initiator == self.me {
                (swap.second, &swap.want, swap.stage == Stage::Bound)
            } else {
                let open = matches!(swap.second, Fate::Pending(_) | Fate::Closed);
                (swap.first, &swap.give, open || self.second_lives(swap))
            };
            incoming == Fate::Pending(*id) && leg.sum.key == *key && other
        });
        if torn { Err(CrossSwapError::Unfinished.into()) } else { Ok(()) }
    }
}
