//! Swaps: an offer of one side that only the other side fills, whole or in parts, at the maker's price.

use super::ledger::check_amount;
use super::{Applier, TransitionError};
use crate::state::{Pending, Swap};
use crate::types::{SubchannelKey, TokenId, UnixSeconds};

impl Applier<'_> {
    pub(super) fn offer_swap(
        &mut self,
        key: &SubchannelKey,
        (give_token, give): (TokenId, u128),
        (want_token, want): (TokenId, u128),
        min_fill: u128,
        expiry: UnixSeconds,
    ) -> Result<(), TransitionError> {
        let author = self.author;
        check_amount(give)?;
        check_amount(want)?;
        self.check_expiry(key, expiry)?;
        self.check_id()?;
        if give_token == want_token {
            return Err(TransitionError::SameToken);
        }
        if min_fill > give {
            return Err(TransitionError::FillTooLarge);
        }
        self.check_pending_limit(key)?;
        self.token(key, want_token)?;
        self.token(key, give_token)?.take_hold(author, give)?;
        let id = self.take_id()?;
        let swap = Swap { maker: author, give_token, give, want_token, want, remaining: give, min_fill, expiry };
        self.subchannel(key)?.pending.insert(id, Pending::Swap(swap));
        Ok(())
    }

    pub(super) fn fill_swap(&mut self, key: &SubchannelKey, id: u64, fill: u128) -> Result<(), TransitionError> {
        let (author, time) = (self.author, self.time);
        let swap = pending_swap(self.subchannel(key)?.pending.get(&id))?.clone();
        if author == swap.maker {
            return Err(TransitionError::WrongAuthor);
        }
        check_amount(fill)?;
        if time > swap.expiry {
            return Err(TransitionError::Expired);
        }
        let remaining = swap.remaining.checked_sub(fill).ok_or(TransitionError::FillTooLarge)?;
        if fill < swap.min_fill && remaining != 0 {
            return Err(TransitionError::FillTooSmall);
        }
        let price = swap.price(fill).ok_or(TransitionError::AmountOutOfRange)?;
        // Check the give leg on a copy, so that neither leg moves alone.
        let mut given = self.token(key, swap.give_token)?.clone();
        given.settle_hold(swap.maker, fill)?;
        self.token(key, swap.want_token)?.pay(author, price)?;
        *self.token(key, swap.give_token)? = given;
        let pending = &mut self.subchannel(key)?.pending;
        if remaining == 0 {
            pending.remove(&id);
        } else {
            pending.insert(id, Pending::Swap(Swap { remaining, ..swap }));
        }
        Ok(())
    }

    pub(super) fn cancel_swap(&mut self, key: &SubchannelKey, id: u64) -> Result<(), TransitionError> {
        let author = self.author;
        let swap = pending_swap(self.subchannel(key)?.pending.get(&id))?;
        if author != swap.maker {
            return Err(TransitionError::WrongAuthor);
        }
        let (token, remaining) = (swap.give_token, swap.remaining);
        let state = self.token(key, token)?;
        let hold = state.hold_without(author, remaining)?;
        state.set_hold(author, hold);
        self.subchannel(key)?.pending.remove(&id);
        Ok(())
    }
}

fn pending_swap(pending: Option<&Pending>) -> Result<&Swap, TransitionError> {
    match pending {
        Some(Pending::Swap(swap)) => Ok(swap),
        _ => Err(TransitionError::UnknownSubcontract),
    }
}
