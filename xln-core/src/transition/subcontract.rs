//! Subcontracts of any instrument: what the instrument says is held, checked against the holds, and moved.

use alloc::vec::Vec;

use super::{Applier, TransitionError};
use crate::map::Map;
use crate::state::{Pending, Subcontract, TokenState};
use crate::subcontract::{Contract, Ending, Hold, Outcome, Quoted};
use crate::types::{Address, Side, SubchannelKey, TokenId};

type Tokens = Map<TokenId, TokenState>;

impl Applier<'_> {
    pub(super) fn add_subcontract(
        &mut self,
        key: &SubchannelKey,
        provider: &Address,
        instrument: u16,
        tokens: &[TokenId],
        terms: &[u8],
    ) -> Result<(), TransitionError> {
        let (author, time) = (self.author, self.time);
        self.check_id()?;
        if !self.subchannel(key)?.providers.contains(provider) {
            return Err(TransitionError::UnknownProvider);
        }
        let contract = Contract { key, provider, instrument, tokens, terms };
        let Quoted { holds, asks, last, .. } = contract.quote(self.instruments)?;
        if holds.iter().all(|hold| *hold == Hold::default()) {
            return Err(TransitionError::ZeroAmount);
        }
        let chain = self.subchannel(key)?.point;
        if last < time || chain.is_some_and(|point| point.timestamp > last) {
            return Err(TransitionError::Expired);
        }
        self.check_pending_limit(key)?;
        // On a copy, so that no hold is taken alone.
        let mut after = self.subchannel(key)?.tokens.clone();
        for (token, hold) in tokens.iter().zip(&holds) {
            let state = after.get_mut(token).ok_or(TransitionError::UnknownToken)?;
            state.take_hold(Side::Left, hold.left)?;
            state.take_hold(Side::Right, hold.right)?;
        }
        let id = self.take_id()?;
        let subchannel = self.subchannel(key)?;
        subchannel.tokens = after;
        let (provider, tokens, terms) = (*provider, tokens.to_vec(), terms.to_vec());
        let subcontract = Subcontract { author, provider, instrument, tokens, terms, holds, asks, last };
        subchannel.pending.insert(id, Pending::Subcontract(subcontract));
        Ok(())
    }

    pub(super) fn settle_subcontract(&mut self, key: &SubchannelKey, id: u64) -> Result<(), TransitionError> {
        self.end_subcontract(key, id, Ending::Settle)
    }

    pub(super) fn cancel_subcontract(&mut self, key: &SubchannelKey, id: u64) -> Result<(), TransitionError> {
        self.end_subcontract(key, id, Ending::Cancel(self.author))
    }

    fn end_subcontract(&mut self, key: &SubchannelKey, id: u64, ending: Ending) -> Result<(), TransitionError> {
        let (instruments, time) = (self.instruments, self.time);
        let subchannel = self.subchannel(key)?;
        let clock = subchannel.clock(time);
        let Some(Pending::Subcontract(subcontract)) = subchannel.pending.get(&id) else {
            return Err(TransitionError::UnknownSubcontract);
        };
        let (moves, rest) = match subcontract.ending(instruments, key, &clock, ending)? {
            Outcome::Undecided { .. } => return Err(TransitionError::Undecided),
            Outcome::Pays { moves, rest: Some(_) } if moves.iter().all(|moved| *moved == 0) => {
                return Err(TransitionError::Undecided);
            }
            Outcome::Pays { moves, rest } => (moves, rest),
        };
        let next = rest.map(|terms| subcontract.continued(instruments, key, terms)).transpose()?;
        let kept = next.as_ref().map_or_else(|| alloc::vec![Hold::default(); moves.len()], |n| n.holds.clone());
        let tokens = move_held(&subchannel.tokens, subcontract, &moves, &kept)?;
        subchannel.tokens = tokens;
        match next {
            Some(next) => subchannel.pending.insert(id, Pending::Subcontract(next)),
            None => subchannel.pending.remove(&id),
        };
        Ok(())
    }
}

/// The tokens after a subcontract moved them and its holds became smaller: no side loses more than what its hold shrinks
/// by, and no hold grows, so that neither capacity nor range can refuse what was held.
fn move_held(
    before: &Tokens,
    subcontract: &Subcontract,
    moves: &[i128],
    kept: &[Hold],
) -> Result<Tokens, TransitionError> {
    let lengths = [moves.len(), kept.len(), subcontract.holds.len()];
    if lengths.iter().any(|length| *length != subcontract.tokens.len()) {
        return Err(TransitionError::OutOfBounds);
    }
    let mut after = before.clone();
    let parts: Vec<(&TokenId, &Hold)> = subcontract.tokens.iter().zip(&subcontract.holds).collect();
    for (((token, held), moved), kept) in parts.into_iter().zip(moves).zip(kept) {
        let state = after.get_mut(token).ok_or(TransitionError::UnknownToken)?;
        for side in [Side::Left, Side::Right] {
            let freed = held.of(side).checked_sub(kept.of(side)).ok_or(TransitionError::OutOfBounds)?;
            let lost = match side {
                Side::Left if *moved < 0 => moved.unsigned_abs(),
                Side::Right if *moved > 0 => moved.unsigned_abs(),
                _ => 0,
            };
            if lost > freed {
                return Err(TransitionError::OutOfBounds);
            }
            let hold = state.hold_without(side, freed)?;
            state.offdelta = state.paid(side, lost)?;
            state.set_hold(side, hold);
        }
    }
    Ok(after)
}
