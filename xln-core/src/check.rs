//! Loaded and taken-over state is checked like received state: what the rules could not have made is refused
//! (`docs/protocol.md` section 10, rule 13).

use crate::limits::{
    MAX_FORGIVEN, MAX_LOCK_S, MAX_ONION_BYTES, MAX_PENDING, MAX_PROVIDERS, MAX_SUBCHANNELS, MAX_TOKENS,
};
use crate::map::Map;
use crate::state::{Ask, ChannelState, Pending, SettlementAction, Subchannel, Subcontract, TokenState};
use crate::subcontract::Instruments;
use crate::transition::{TransitionError, settlement_holds};
use crate::types::{AMOUNT_BOUND, Nonce, Side, SubchannelKey, TokenId};

/// What is wrong with a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateError {
    /// The entities are malformed or out of order.
    #[error("entities are malformed or out of order")]
    InvalidPair,
    /// More entries than a limit allows.
    #[error("a limit is passed")]
    LimitPassed,
    /// A number is out of its range.
    #[error("a number is out of range")]
    OutOfRange,
    /// Something pending names a token that is not there, or an id that was not given.
    #[error("something pending has no token or no id")]
    Dangling,
    /// A channel is kept under another peer's name, or run from the wrong side.
    #[error("a channel is under the wrong name or side")]
    WrongSide,
    /// A state has lost a signature, or its nonce passes the greatest that was signed.
    #[error("a signature or nonce is missing")]
    Unsigned,
    /// Something is there that a closed or closing subchannel cannot have.
    #[error("a closed or closing subchannel is not empty")]
    NotEmpty,
    /// Holds are not the sum of what is pending, or not what an instrument says of its terms.
    #[error("holds are not the sum of what is pending")]
    HoldMismatch,
    /// A pending subcontract of an instrument that this node does not know.
    #[error("instrument {instrument} is unknown")]
    UnknownInstrument {
        /// Its number.
        instrument: u16,
    },
}

type Holds = Map<TokenId, (u128, u128)>;

impl ChannelState {
    /// [`ChannelState::check_with`] the built-in instruments.
    ///
    /// # Errors
    /// [`StateError`] names what the rules could not have made.
    pub fn check(&self) -> Result<(), StateError> {
        self.check_with(Instruments::default_ref())
    }

    /// Checks everything that the rules guarantee of a state they made.
    ///
    /// # Errors
    /// [`StateError`] names what they could not have made.
    pub fn check_with(&self, instruments: &Instruments) -> Result<(), StateError> {
        let valid = self.pair.left().check().is_ok() && self.pair.right().check().is_ok();
        if !valid || !self.pair.is_ordered() {
            return Err(StateError::InvalidPair);
        }
        let nonce = |side| Nonce::of(self.height, side) == Some(self.nonce);
        if !nonce(Side::Left) && !nonce(Side::Right) {
            return Err(StateError::OutOfRange);
        }
        for side in [Side::Left, Side::Right] {
            at_most(self.subchannels.values().filter(|s| s.opened_by == side).count(), MAX_SUBCHANNELS / 2)?;
        }
        let foreign =
            |key: &SubchannelKey| !self.pair.left().may_use(key.chain) || !self.pair.right().may_use(key.chain);
        if self.subchannels.keys().any(foreign) {
            return Err(StateError::OutOfRange);
        }
        self.subchannels.iter().try_for_each(|(key, s)| s.check(key, self.next_id, instruments))
    }
}

impl Subchannel {
    fn check(&self, key: &SubchannelKey, next_id: u64, instruments: &Instruments) -> Result<(), StateError> {
        let repeated = self.providers.iter().enumerate().any(|(i, p)| self.providers.iter().take(i).any(|q| q == p));
        if self.providers.is_empty() || repeated || self.settle_margin_s > MAX_LOCK_S {
            return Err(StateError::OutOfRange);
        }
        if self.point.is_some_and(|point| point.chain != key.chain) {
            return Err(StateError::OutOfRange);
        }
        if self.closed && !(self.tokens.is_empty() && self.pending.is_empty() && self.settlement.is_none()) {
            return Err(StateError::NotEmpty);
        }
        at_most(self.tokens.len(), MAX_TOKENS)?;
        at_most(self.pending.len(), MAX_PENDING)?;
        at_most(self.providers.len(), MAX_PROVIDERS)?;
        for side in [Side::Left, Side::Right] {
            at_most(self.pending.values().filter(|p| p.author() == side).count(), MAX_PENDING / 2)?;
            at_most(self.tokens.values().filter(|t| t.added_by == side).count(), MAX_TOKENS / 2)?;
        }
        self.tokens.values().try_for_each(TokenState::check)?;
        let mut holds = Holds::new();
        for (id, pending) in &self.pending {
            if *id >= next_id {
                return Err(StateError::Dangling);
            }
            match pending {
                Pending::Subcontract(s) => self.add_subcontract(&mut holds, key, s, instruments)?,
                other => self.add_pending(&mut holds, other)?,
            }
        }
        self.add_settlement(&mut holds, next_id)?;
        let expected = |token| holds.get(token).copied().unwrap_or_default();
        if self.tokens.iter().any(|(id, t)| (t.left_hold, t.right_hold) != expected(id)) {
            return Err(StateError::HoldMismatch);
        }
        Ok(())
    }

    fn add_pending(&self, holds: &mut Holds, pending: &Pending) -> Result<(), StateError> {
        let (token, amount) = match pending {
            Pending::Payment(p) => {
                at_most(p.onion.len(), MAX_ONION_BYTES)?;
                if p.revealed_at.is_some_and(|at| at > p.expiry) {
                    return Err(StateError::OutOfRange);
                }
                (p.token, p.amount)
            }
            Pending::Swap(s) => {
                if s.remaining > s.give
                    || s.want == 0
                    || s.want >= AMOUNT_BOUND
                    || !self.tokens.contains_key(&s.want_token)
                {
                    return Err(StateError::Dangling);
                }
                if s.give_token == s.want_token || s.min_fill > s.give || s.give >= AMOUNT_BOUND {
                    return Err(StateError::OutOfRange);
                }
                (s.give_token, s.remaining)
            }
            Pending::Subcontract(_) => return Ok(()),
        };
        if !self.tokens.contains_key(&token) {
            return Err(StateError::Dangling);
        }
        if amount == 0 || amount >= AMOUNT_BOUND {
            return Err(StateError::OutOfRange);
        }
        add(holds, token, pending.author(), amount)
    }

    /// What stands beside the terms must be what the instrument says of them.
    fn add_subcontract(
        &self,
        holds: &mut Holds,
        key: &SubchannelKey,
        subcontract: &Subcontract,
        instruments: &Instruments,
    ) -> Result<(), StateError> {
        if !self.providers.contains(&subcontract.provider) {
            return Err(StateError::Dangling);
        }
        let quoted = subcontract.contract(key).quote(instruments).map_err(|error| match error {
            TransitionError::UnknownInstrument { instrument } => StateError::UnknownInstrument { instrument },
            _ => StateError::OutOfRange,
        })?;
        let asked = |ask: &Ask| Ask { answer: None, ..*ask };
        let same =
            quoted.last == subcontract.last && quoted.asks.iter().copied().eq(subcontract.asks.iter().map(asked));
        if quoted.holds != subcontract.holds || !same {
            return Err(StateError::HoldMismatch);
        }
        if subcontract.asks.iter().any(|ask| ask.answer.is_some_and(|answer| answer.at > ask.until)) {
            return Err(StateError::OutOfRange);
        }
        for (token, hold) in subcontract.tokens.iter().zip(&subcontract.holds) {
            if !self.tokens.contains_key(token) {
                return Err(StateError::Dangling);
            }
            add(holds, *token, Side::Left, hold.left)?;
            add(holds, *token, Side::Right, hold.right)?;
        }
        Ok(())
    }

    fn add_settlement(&self, holds: &mut Holds, next_id: u64) -> Result<(), StateError> {
        let Some(open) = &self.settlement else { return Ok(()) };
        if open.id >= next_id {
            return Err(StateError::Dangling);
        }
        let SettlementAction::Update(update) = &open.action else {
            return if self.pending.is_empty() { Ok(()) } else { Err(StateError::NotEmpty) };
        };
        at_most(update.forgiven.len(), MAX_FORGIVEN)?;
        let ascending = update.diffs.iter().zip(update.diffs.iter().skip(1)).all(|(a, b)| a.token < b.token);
        if !ascending || update.diffs.iter().any(|diff| !self.tokens.contains_key(&diff.token)) {
            return Err(StateError::Dangling);
        }
        for diff in &update.diffs {
            let (left, right) = settlement_holds(diff).ok_or(StateError::OutOfRange)?;
            add(holds, diff.token, Side::Left, left)?;
            add(holds, diff.token, Side::Right, right)?;
        }
        Ok(())
    }
}

impl TokenState {
    fn check(&self) -> Result<(), StateError> {
        let amounts = [self.collateral, self.left_limit, self.right_limit, self.left_hold, self.right_hold];
        let deltas = [self.ondelta, self.offdelta];
        if amounts.iter().any(|a| *a >= AMOUNT_BOUND) || deltas.contains(&i128::MIN) {
            return Err(StateError::OutOfRange);
        }
        Ok(())
    }
}

const fn at_most(count: usize, limit: usize) -> Result<(), StateError> {
    if count > limit { Err(StateError::LimitPassed) } else { Ok(()) }
}

fn add(holds: &mut Holds, token: TokenId, side: Side, amount: u128) -> Result<(), StateError> {
    let (left, right) = holds.entry(token).or_default();
    let hold = match side {
        Side::Left => left,
        Side::Right => right,
    };
    *hold = hold.checked_add(amount).ok_or(StateError::OutOfRange)?;
    Ok(())
}
