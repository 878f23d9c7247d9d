//! Payments: direct ones, and those that a secret settles.

use super::ledger::check_amount;
use super::{Applier, TransitionError};
use crate::limits::{FAILURE_BYTES, MAX_ONION_BYTES, MAX_PENDING};
use crate::state::{Payment, Pending};
use crate::types::{Hash, HashKind, Secret, SubchannelKey, TokenId, UnixSeconds};

impl Applier<'_> {
    pub(super) fn direct_payment(
        &mut self,
        key: &SubchannelKey,
        token: TokenId,
        amount: u128,
    ) -> Result<(), TransitionError> {
        let author = self.author;
        self.token(key, token)?.pay(author, amount)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one transition")]
    pub(super) fn add_payment(
        &mut self,
        key: &SubchannelKey,
        token: TokenId,
        amount: u128,
        kind: HashKind,
        hash: Hash,
        expiry: UnixSeconds,
        onion: &[u8],
    ) -> Result<(), TransitionError> {
        let (author, time) = (self.author, self.time);
        check_amount(amount)?;
        self.check_expiry(key, expiry)?;
        self.check_id()?;
        if onion.len() > MAX_ONION_BYTES {
            return Err(TransitionError::TooLong);
        }
        self.check_pending_limit(key)?;
        // A lock that could not be settled off chain any more would only cost its beneficiary a reveal on chain.
        if time.plus(self.subchannel(key)?.settle_margin_s) > expiry {
            return Err(TransitionError::Expired);
        }
        self.token(key, token)?.take_hold(author, amount)?;
        let id = self.take_id()?;
        let payment =
            Payment { payer: author, token, amount, kind, hash, expiry, onion: onion.to_vec(), revealed_at: None };
        self.subchannel(key)?.pending.insert(id, Pending::Payment(payment));
        Ok(())
    }

    pub(super) fn settle_payment(
        &mut self,
        key: &SubchannelKey,
        id: u64,
        secret: &Secret,
    ) -> Result<(), TransitionError> {
        let (author, time) = (self.author, self.time);
        let subchannel = self.subchannel(key)?;
        let margin = subchannel.settle_margin_s;
        let payment = pending_payment(subchannel.pending.get(&id))?.clone();
        if author == payment.payer {
            return Err(TransitionError::WrongAuthor);
        }
        if payment.revealed_at.is_none() && time.plus(margin) > payment.expiry {
            return Err(TransitionError::Expired);
        }
        if secret.hash(payment.kind) != payment.hash {
            return Err(TransitionError::WrongSecret);
        }
        self.token(key, payment.token)?.settle_hold(payment.payer, payment.amount)?;
        self.subchannel(key)?.pending.remove(&id);
        Ok(())
    }

    pub(super) fn cancel_payment(&mut self, key: &SubchannelKey, id: u64) -> Result<(), TransitionError> {
        let author = self.author;
        let subchannel = self.subchannel(key)?;
        let payment = pending_payment(subchannel.pending.get(&id))?;
        if author == payment.payer {
            if payment.revealed_at.is_some() {
                return Err(TransitionError::AlreadyRevealed);
            }
            // The chain's clock, as SyncChain recorded it: a local one would let the payer take back what is still good.
            if subchannel.point.is_none_or(|p| p.timestamp <= payment.expiry) {
                return Err(TransitionError::NotYetCancellable);
            }
        }
        let (payer, token, amount) = (payment.payer, payment.token, payment.amount);
        let state = self.token(key, token)?;
        let hold = state.hold_without(payer, amount)?;
        state.set_hold(payer, hold);
        self.subchannel(key)?.pending.remove(&id);
        Ok(())
    }

    /// A cancel by the beneficiary that says why.
    pub(super) fn fail_payment(&mut self, key: &SubchannelKey, id: u64, reason: &[u8]) -> Result<(), TransitionError> {
        if reason.len() > FAILURE_BYTES {
            return Err(TransitionError::TooLong);
        }
        let author = self.author;
        if pending_payment(self.subchannel(key)?.pending.get(&id))?.payer == author {
            return Err(TransitionError::WrongAuthor);
        }
        self.cancel_payment(key, id)
    }

    /// Each side may have half of what may be pending.
    pub(super) fn check_pending_limit(&mut self, key: &SubchannelKey) -> Result<(), TransitionError> {
        let author = self.author;
        let mine = self.subchannel(key)?.pending.values().filter(|p| p.author() == author).count();
        if mine >= MAX_PENDING / 2 { Err(TransitionError::LimitReached) } else { Ok(()) }
    }
}

fn pending_payment(pending: Option<&Pending>) -> Result<&Payment, TransitionError> {
    match pending {
        Some(Pending::Payment(payment)) => Ok(payment),
        _ => Err(TransitionError::UnknownSubcontract),
    }
}
