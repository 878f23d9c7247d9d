//! The only places where money and holds of a token move: checked, and before anything else changes.

use super::TransitionError;
use crate::state::TokenState;
use crate::types::{AMOUNT_BOUND, Side};

/// An amount that something pays: positive, below `2^127`.
pub(super) const fn check_amount(amount: u128) -> Result<(), TransitionError> {
    if amount == 0 {
        Err(TransitionError::ZeroAmount)
    } else if amount >= AMOUNT_BOUND {
        Err(TransitionError::AmountOutOfRange)
    } else {
        Ok(())
    }
}

impl TokenState {
    /// Refuses what the payer cannot send.
    pub(super) fn check_capacity(&self, payer: Side, amount: u128) -> Result<(), TransitionError> {
        let available = self.out_capacity(payer).map_err(|_| TransitionError::AmountOutOfRange)?;
        if amount > available {
            return Err(TransitionError::InsufficientCapacity { available, needed: amount });
        }
        Ok(())
    }

    /// `offdelta` after `payer` paid; a payment of left lowers it. The room that holds may still need stays in range, so
    /// that settling what was held never fails.
    pub(super) fn paid(&self, payer: Side, amount: u128) -> Result<i128, TransitionError> {
        let amount = i128::try_from(amount).map_err(|_| TransitionError::AmountOutOfRange)?;
        let moved = match payer {
            Side::Left => self.offdelta.checked_sub(amount),
            Side::Right => self.offdelta.checked_add(amount),
        };
        moved.ok_or(TransitionError::AmountOutOfRange)
    }

    /// Checks that offdelta and delta, and both with every hold settled, stay within the range.
    pub(super) fn check_range(&self) -> Result<(), TransitionError> {
        let within = |base: Option<i128>| {
            let low = base.and_then(|b| b.checked_sub(i128::try_from(self.left_hold).ok()?));
            let high = base.and_then(|b| b.checked_add(i128::try_from(self.right_hold).ok()?));
            matches!((low, high), (Some(l), Some(_)) if l > i128::MIN)
        };
        if within(Some(self.offdelta)) && within(self.ondelta.checked_add(self.offdelta)) {
            Ok(())
        } else {
            Err(TransitionError::AmountOutOfRange)
        }
    }

    /// Holds `amount` of what `side` can send.
    pub(super) fn take_hold(&mut self, side: Side, amount: u128) -> Result<(), TransitionError> {
        self.check_capacity(side, amount)?;
        let before = self.hold(side);
        let held = before.checked_add(amount).filter(|h| *h < AMOUNT_BOUND).ok_or(TransitionError::HoldOutOfRange)?;
        self.set_hold(side, held);
        self.check_range().inspect_err(|_| self.set_hold(side, before))
    }

    /// What the hold of `side` becomes without `amount`; an underflow is an error before anything changes.
    pub(super) fn hold_without(&self, side: Side, amount: u128) -> Result<u128, TransitionError> {
        self.hold(side).checked_sub(amount).ok_or(TransitionError::HoldOutOfRange)
    }

    pub(super) const fn set_hold(&mut self, side: Side, hold: u128) {
        match side {
            Side::Left => self.left_hold = hold,
            Side::Right => self.right_hold = hold,
        }
    }

    /// Moves what was held: frees the hold and pays, both or neither.
    pub(super) fn settle_hold(&mut self, payer: Side, amount: u128) -> Result<(), TransitionError> {
        let (hold, offdelta) = (self.hold_without(payer, amount)?, self.paid(payer, amount)?);
        self.set_hold(payer, hold);
        self.offdelta = offdelta;
        Ok(())
    }

    /// Pays without a hold, within capacity and range.
    pub(super) fn pay(&mut self, payer: Side, amount: u128) -> Result<(), TransitionError> {
        check_amount(amount)?;
        self.check_capacity(payer, amount)?;
        let before = self.offdelta;
        self.offdelta = self.paid(payer, amount)?;
        self.check_range().inspect_err(|_| self.offdelta = before)
    }
}
