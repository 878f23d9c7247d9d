//! Transitions: every change of channel state. One pure function decides and makes it, for proposer and receiver alike;
//! clock and chain reach it only as what the block records (`docs/protocol.md` section 4).

mod chain;
mod error;
mod ledger;
mod payment;
mod settlement;
mod subchannel;
mod subcontract;
mod swap;

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

pub use error::TransitionError;
pub use settlement::settlement_holds;

use crate::limits::MAX_MEMO_BYTES;
use crate::proof::SettlementUpdate;
use crate::state::{ChannelState, SettlementAction, Subchannel};
use crate::subcontract::Instruments;
use crate::types::{
    Address, ChainPoint, Hash, HashKind, RecordedFact, Reveal, Secret, Side, SubchannelFacts, SubchannelKey, TokenId,
    UnixSeconds,
};

/// One change of channel state. Its author is the proposer of the block that it stands in.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Transition {
    /// Opens a subchannel. Nothing else in the block may touch it.
    OpenSubchannel {
        /// Chain and Depository.
        key: SubchannelKey,
        /// SubcontractProviders that both accept; the first serves payments and swaps.
        providers: Vec<Address>,
        /// How long before expiry payments must be settled off chain, in seconds.
        settle_margin_s: u64,
    },
    /// Closes a subchannel that is empty: an empty leaf remains, which the next block drops.
    CloseSubchannel {
        /// Which one.
        key: SubchannelKey,
    },
    /// Adds a token.
    AddToken {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
    },
    /// Removes a token that is empty.
    RemoveToken {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
    },
    /// Sets how far the other side may owe the author.
    SetCreditLimit {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
        /// The new limit, in the token's base unit.
        limit: u128,
    },
    /// The author pays.
    DirectPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
        /// How much, in the token's base unit.
        amount: u128,
    },
    /// The author offers a payment that a secret settles.
    AddPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which token.
        token: TokenId,
        /// How much, in the token's base unit.
        amount: u128,
        /// Hash function of the lock.
        kind: HashKind,
        /// Hash of the secret.
        hash: Hash,
        /// Last second at which it can be settled.
        expiry: UnixSeconds,
        /// Opaque routing layers.
        onion: Vec<u8>,
    },
    /// The beneficiary takes a payment with its secret.
    SettlePayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which payment.
        id: u64,
        /// Its secret.
        secret: Secret,
    },
    /// The beneficiary gives a payment up, or the payer takes it back after its expiry.
    CancelPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which payment.
        id: u64,
    },
    /// The author offers a swap.
    OfferSwap {
        /// In which subchannel.
        key: SubchannelKey,
        /// What the author gives.
        give_token: TokenId,
        /// How much in all.
        give: u128,
        /// What the author wants.
        want_token: TokenId,
        /// How much for all of it.
        want: u128,
        /// The smallest fill, in units of `give`.
        min_fill: u128,
        /// Last second at which it can be filled.
        expiry: UnixSeconds,
    },
    /// The other side takes a part of an offer.
    FillSwap {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which offer.
        id: u64,
        /// How much of the maker's give it takes.
        fill: u128,
    },
    /// The maker takes an offer back.
    CancelSwap {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which offer.
        id: u64,
    },
    /// Records what the chain says. Both sides check it against their own view before they sign.
    SyncChain {
        /// Which subchannel.
        key: SubchannelKey,
        /// At which block.
        point: ChainPoint,
        /// All facts there, for exactly the tokens that were added.
        facts: SubchannelFacts,
        /// Secrets of pending payments that were revealed in time.
        reveals: Vec<Reveal>,
        /// Facts that pending subcontracts wait for, recorded in time.
        recorded: Vec<RecordedFact>,
    },
    /// Proposes a co-signed diff on chain and holds for it.
    ProposeSettlement {
        /// In which subchannel.
        key: SubchannelKey,
        /// The diff.
        update: SettlementUpdate,
        /// Last second at which it can be submitted.
        expiry: UnixSeconds,
    },
    /// Proposes a co-signed close at the present offdeltas and freezes the subchannel.
    ProposeClose {
        /// Which subchannel.
        key: SubchannelKey,
        /// Last second at which it can be submitted.
        expiry: UnixSeconds,
    },
    /// Opaque bytes for the application.
    Memo {
        /// At most `MAX_MEMO_BYTES`.
        data: Vec<u8>,
    },
    /// Adds a subcontract of any registered instrument and takes its holds of both sides.
    AddSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// One of the subchannel's SubcontractProviders.
        provider: Address,
        /// The instrument's number there.
        instrument: u16,
        /// The tokens that it may move, in the instrument's order.
        tokens: Vec<TokenId>,
        /// At most `MAX_TERMS_BYTES`, as the contract on chain reads them.
        terms: Vec<u8>,
    },
    /// Pays what a subcontract has come to; by either side.
    SettleSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which subcontract.
        id: u64,
    },
    /// Ends a subcontract as its instrument allows the author to.
    CancelSubcontract {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which subcontract.
        id: u64,
    },
    /// The beneficiary gives a payment up and says why, in a way that only the payment's sender can read.
    FailPayment {
        /// In which subchannel.
        key: SubchannelKey,
        /// Which payment.
        id: u64,
        /// At most `FAILURE_BYTES`, opaque.
        reason: Vec<u8>,
    },
}

impl Transition {
    /// The subchannel that it touches.
    #[must_use]
    pub const fn key(&self) -> Option<&SubchannelKey> {
        match self {
            Self::OpenSubchannel { key, .. }
            | Self::CloseSubchannel { key }
            | Self::AddToken { key, .. }
            | Self::RemoveToken { key, .. }
            | Self::SetCreditLimit { key, .. }
            | Self::DirectPayment { key, .. }
            | Self::AddPayment { key, .. }
            | Self::SettlePayment { key, .. }
            | Self::CancelPayment { key, .. }
            | Self::FailPayment { key, .. }
            | Self::OfferSwap { key, .. }
            | Self::FillSwap { key, .. }
            | Self::CancelSwap { key, .. }
            | Self::SyncChain { key, .. }
            | Self::ProposeSettlement { key, .. }
            | Self::ProposeClose { key, .. }
            | Self::AddSubcontract { key, .. }
            | Self::SettleSubcontract { key, .. }
            | Self::CancelSubcontract { key, .. } => Some(key),
            Self::Memo { .. } => None,
        }
    }
}

impl Transition {
    /// The payment or subcontract that it ends, wholly or in part.
    #[must_use]
    pub(crate) const fn ends(&self) -> Option<(SubchannelKey, u64)> {
        match self {
            Self::SettlePayment { key, id, .. }
            | Self::CancelPayment { key, id }
            | Self::FailPayment { key, id, .. }
            | Self::SettleSubcontract { key, id }
            | Self::CancelSubcontract { key, id } => Some((*key, *id)),
            _ => None,
        }
    }

    /// No less than its encoded length, in bytes: cheap, for filling a block.
    #[must_use]
    pub fn size_bound(&self) -> usize {
        const FIXED: usize = 160;
        let variable = match self {
            Self::OpenSubchannel { providers, .. } => providers.len().saturating_mul(20),
            Self::AddPayment { onion, .. } => onion.len(),
            Self::Memo { data } => data.len(),
            Self::FailPayment { reason, .. } => reason.len(),
            Self::SyncChain { facts, reveals, recorded, .. } => facts
                .tokens
                .len()
                .saturating_mul(48)
                .saturating_add(reveals.len().saturating_mul(80))
                .saturating_add(recorded.len().saturating_mul(80))
                .saturating_add(256),
            Self::AddSubcontract { tokens, terms, .. } => tokens.len().saturating_mul(5).saturating_add(terms.len()),
            Self::ProposeSettlement { update, .. } => {
                let (diffs, forgiven) = (update.diffs.len(), update.forgiven.len());
                diffs.saturating_mul(64).saturating_add(forgiven.saturating_mul(24))
            }
            _ => 0,
        };
        variable.saturating_add(FIXED)
    }
}

/// Applies the transitions of one block in order, each against the state that those before it left.
pub struct Applier<'a> {
    state: &'a mut ChannelState,
    author: Side,
    time: UnixSeconds,
    instruments: &'a Instruments,
    touched: Vec<(SubchannelKey, Touch)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    Shared,
    /// Opened, or its epoch raised: nothing else may touch it in this block, or its leaf could not be countered.
    Alone,
}

impl<'a> Applier<'a> {
    /// Starts on a state that will be thrown away if a transition is refused, with the built-in instruments.
    #[must_use]
    pub fn new(state: &'a mut ChannelState, author: Side, time: UnixSeconds) -> Self {
        Self::with_instruments(state, author, time, Instruments::default_ref())
    }

    /// [`Applier::new`] with these instruments.
    #[must_use]
    pub const fn with_instruments(
        state: &'a mut ChannelState,
        author: Side,
        time: UnixSeconds,
        instruments: &'a Instruments,
    ) -> Self {
        Self { state, author, time, instruments, touched: Vec::new() }
    }

    /// The state so far.
    #[must_use]
    pub const fn state(&self) -> &ChannelState {
        self.state
    }

    /// Checks and applies one transition.
    ///
    /// # Errors
    /// [`TransitionError`] names the rule that refuses it; the state is then unchanged.
    pub fn apply(&mut self, transition: &Transition) -> Result<(), TransitionError> {
        let Some(key) = transition.key() else {
            return check_memo(transition);
        };
        let touch = self.touch_of(transition, key);
        self.check_touch(key, touch)?;
        self.check_open(transition, key)?;
        self.dispatch(transition)?;
        if !self.touched.iter().any(|(k, _)| k == key) {
            self.touched.push((*key, touch));
        }
        Ok(())
    }

    fn touch_of(&self, transition: &Transition, key: &SubchannelKey) -> Touch {
        let raises = |facts: &SubchannelFacts| self.state.subchannels.get(key).is_some_and(|s| facts.epoch > s.epoch);
        match transition {
            Transition::OpenSubchannel { .. } => Touch::Alone,
            Transition::SyncChain { facts, .. } if raises(facts) => Touch::Alone,
            _ => Touch::Shared,
        }
    }

    fn check_touch(&self, key: &SubchannelKey, touch: Touch) -> Result<(), TransitionError> {
        match self.touched.iter().find(|(k, _)| k == key) {
            Some((_, Touch::Alone)) => Err(TransitionError::NotAlone),
            Some(_) if touch == Touch::Alone => Err(TransitionError::NotAlone),
            _ => Ok(()),
        }
    }

    /// What a closed, closing or disputed subchannel still accepts.
    fn check_open(&self, transition: &Transition, key: &SubchannelKey) -> Result<(), TransitionError> {
        let subchannel = match (self.state.subchannels.get(key), transition) {
            (None, Transition::OpenSubchannel { .. }) => return Ok(()),
            (None, _) => return Err(TransitionError::UnknownSubchannel),
            (Some(s), _) => s,
        };
        if subchannel.closed {
            return Err(TransitionError::SubchannelClosed);
        }
        if matches!(transition, Transition::SyncChain { .. }) {
            return Ok(());
        }
        if matches!(&subchannel.settlement, Some(s) if s.action == SettlementAction::Close) {
            return Err(TransitionError::SubchannelFrozen);
        }
        if subchannel.dispute.is_some() && !matches!(transition, Transition::ProposeClose { .. }) {
            return Err(TransitionError::InDispute);
        }
        Ok(())
    }

    fn dispatch(&mut self, transition: &Transition) -> Result<(), TransitionError> {
        match transition {
            Transition::OpenSubchannel { key, providers, settle_margin_s } => {
                self.open_subchannel(key, providers, *settle_margin_s)
            }
            Transition::CloseSubchannel { key } => self.close_subchannel(key),
            Transition::AddToken { key, token } => self.add_token(key, *token),
            Transition::RemoveToken { key, token } => self.remove_token(key, *token),
            Transition::SetCreditLimit { key, token, limit } => self.set_credit_limit(key, *token, *limit),
            Transition::DirectPayment { key, token, amount } => self.direct_payment(key, *token, *amount),
            Transition::AddPayment { key, token, amount, kind, hash, expiry, onion } => {
                self.add_payment(key, *token, *amount, *kind, *hash, *expiry, onion)
            }
            Transition::SettlePayment { key, id, secret } => self.settle_payment(key, *id, secret),
            Transition::CancelPayment { key, id } => self.cancel_payment(key, *id),
            Transition::FailPayment { key, id, reason } => self.fail_payment(key, *id, reason),
            Transition::OfferSwap { key, give_token, give, want_token, want, min_fill, expiry } => {
                self.offer_swap(key, (*give_token, *give), (*want_token, *want), *min_fill, *expiry)
            }
            Transition::FillSwap { key, id, fill } => self.fill_swap(key, *id, *fill),
            Transition::CancelSwap { key, id } => self.cancel_swap(key, *id),
            Transition::SyncChain { key, point, facts, reveals, recorded } => {
                self.sync_chain(key, point, facts, reveals, recorded)
            }
            Transition::ProposeSettlement { key, update, expiry } => self.propose_settlement(key, update, *expiry),
            Transition::ProposeClose { key, expiry } => self.propose_close(key, *expiry),
            Transition::Memo { .. } => check_memo(transition),
            Transition::AddSubcontract { key, provider, instrument, tokens, terms } => {
                self.add_subcontract(key, provider, *instrument, tokens, terms)
            }
            Transition::SettleSubcontract { key, id } => self.settle_subcontract(key, *id),
            Transition::CancelSubcontract { key, id } => self.cancel_subcontract(key, *id),
        }
    }

    fn subchannel(&mut self, key: &SubchannelKey) -> Result<&mut Subchannel, TransitionError> {
        self.state.subchannels.get_mut(key).ok_or(TransitionError::UnknownSubchannel)
    }

    fn take_id(&mut self) -> Result<u64, TransitionError> {
        let id = self.state.next_id;
        self.state.next_id = id.checked_add(1).ok_or(TransitionError::IdsExhausted)?;
        Ok(id)
    }

    /// Before anything changes: is there a number for what is about to be added?
    const fn check_id(&self) -> Result<(), TransitionError> {
        if self.state.next_id == u64::MAX { Err(TransitionError::IdsExhausted) } else { Ok(()) }
    }

    /// A deadline must lie ahead, also of the chain's recorded time, and at most `MAX_LOCK_S`.
    fn check_expiry(&self, key: &SubchannelKey, expiry: UnixSeconds) -> Result<(), TransitionError> {
        let chain = self.state.subchannels.get(key).and_then(|s| s.point);
        if expiry < self.time || chain.is_some_and(|point| point.timestamp > expiry) {
            Err(TransitionError::Expired)
        } else if expiry > self.time.plus(crate::limits::MAX_LOCK_S) {
            Err(TransitionError::ExpiryTooFar)
        } else {
            Ok(())
        }
    }
}

const fn check_memo(transition: &Transition) -> Result<(), TransitionError> {
    match transition {
        Transition::Memo { data } if data.len() > MAX_MEMO_BYTES => Err(TransitionError::TooLong),
        _ => Ok(()),
    }
}
