//! Settlements and closes: the holds that must be agreed before either signature leaves.

use super::{Applier, TransitionError};
use crate::limits::{MAX_FORGIVEN, MAX_TOKENS};
use crate::proof::{SettlementUpdate, TokenDiff};
use crate::state::{OpenSettlement, SettlementAction, Subchannel};
use crate::types::{Side, SubchannelKey, UnixSeconds};

/// What one diff may still take from left and from right off chain: `max(-ondelta, 0)` and
/// `max(ondelta - collateral, 0)`. `None` if it leaves the range.
#[must_use]
pub fn settlement_holds(diff: &TokenDiff) -> Option<(u128, u128)> {
    let left = diff.ondelta.checked_neg()?.max(0).unsigned_abs();
    let right = diff.ondelta.checked_sub(diff.collateral()?)?.max(0).unsigned_abs();
    Some((left, right))
}

impl Applier<'_> {
    pub(super) fn propose_settlement(
        &mut self,
        key: &SubchannelKey,
        update: &SettlementUpdate,
        expiry: UnixSeconds,
    ) -> Result<(), TransitionError> {
        self.check_expiry(key, expiry)?;
        self.check_id()?;
        check_shape(update)?;
        let mut after = self.subchannel(key)?.clone();
        if after.settlement.is_some() {
            return Err(TransitionError::SettlementOpen);
        }
        for diff in &update.diffs {
            hold_for(&mut after, diff)?;
        }
        self.open(key, after, expiry, SettlementAction::Update(update.clone()))
    }

    pub(super) fn propose_close(&mut self, key: &SubchannelKey, expiry: UnixSeconds) -> Result<(), TransitionError> {
        self.check_expiry(key, expiry)?;
        self.check_id()?;
        let after = self.subchannel(key)?.clone();
        if after.settlement.is_some() {
            return Err(TransitionError::SettlementOpen);
        }
        if !after.pending.is_empty() {
            return Err(TransitionError::SomethingPending);
        }
        self.open(key, after, expiry, SettlementAction::Close)
    }

    fn open(
        &mut self,
        key: &SubchannelKey,
        mut after: Subchannel,
        expiry: UnixSeconds,
        action: SettlementAction,
    ) -> Result<(), TransitionError> {
        let (id, proposer) = (self.take_id()?, self.author);
        after.settlement = Some(OpenSettlement { id, proposer, expiry, action });
        *self.subchannel(key)? = after;
        Ok(())
    }
}

fn check_shape(update: &SettlementUpdate) -> Result<(), TransitionError> {
    let ascending = update.diffs.iter().zip(update.diffs.iter().skip(1)).all(|(a, b)| a.token < b.token);
    let sizes = update.diffs.len() <= MAX_TOKENS && update.forgiven.len() <= MAX_FORGIVEN;
    let empty = update.diffs.is_empty() && update.forgiven.is_empty();
    // The encoding that is signed has rules of its own (order of the forgiven debts): ask it.
    if ascending && sizes && !empty && update.encode().is_ok() {
        Ok(())
    } else {
        Err(TransitionError::InvalidSettlement)
    }
}

fn hold_for(subchannel: &mut Subchannel, diff: &TokenDiff) -> Result<(), TransitionError> {
    let state = subchannel.tokens.get_mut(&diff.token).ok_or(TransitionError::UnknownToken)?;
    let collateral = diff.collateral().ok_or(TransitionError::AmountOutOfRange)?;
    let after = i128::try_from(state.collateral).ok().and_then(|c| c.checked_add(collateral));
    let ondelta = state.ondelta.checked_add(diff.ondelta);
    if after.is_none_or(|c| c < 0) || ondelta.is_none_or(|o| o == i128::MIN) {
        return Err(TransitionError::InvalidSettlement);
    }
    let (left, right) = settlement_holds(diff).ok_or(TransitionError::AmountOutOfRange)?;
    state.take_hold(Side::Left, left)?;
    state.take_hold(Side::Right, right)
}

impl Subchannel {
    /// Ends the open settlement and frees its holds.
    pub(super) fn drop_settlement(&mut self) -> Result<(), TransitionError> {
        let Some(open) = self.settlement.take() else { return Ok(()) };
        let SettlementAction::Update(update) = open.action else { return Ok(()) };
        for diff in &update.diffs {
            let (left, right) = settlement_holds(diff).ok_or(TransitionError::AmountOutOfRange)?;
            let state = self.tokens.get_mut(&diff.token).ok_or(TransitionError::UnknownToken)?;
            let (l, r) = (state.hold_without(Side::Left, left)?, state.hold_without(Side::Right, right)?);
            state.set_hold(Side::Left, l);
            state.set_hold(Side::Right, r);
        }
        Ok(())
    }
}
