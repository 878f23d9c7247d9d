//! Who can still pay how much: the capacity formulae of one token of one subchannel (`docs/protocol.md` section 3), over
//! the full range of 256 bits, beside an exact short cut for amounts that fit 128 bits, and the bar that shows them.

mod bar;

pub use bar::{BAR_MAX_WIDTH, BAR_MIN_WIDTH, bar};

use alloy_primitives::{I256, U256};

use crate::types::Side;

/// What the formulae take: one token of one subchannel, all amounts in its base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delta {
    /// Reserves locked into the subchannel.
    pub collateral: U256,
    /// Left's share of the collateral as the chain recorded it.
    pub ondelta: I256,
    /// The off-chain shift on top of it.
    pub offdelta: I256,
    /// How far left may owe right beyond collateral.
    pub left_credit_limit: U256,
    /// How far right may owe left beyond collateral.
    pub right_credit_limit: U256,
    /// The most by which pending subcontracts may still lower left's position.
    pub left_allowance: U256,
    /// The most by which pending subcontracts may still lower right's position.
    pub right_allowance: U256,
}

/// What the formulae give: the zones of the axis and the capacities, as one side sees them. "In" is what this side can
/// still receive, "out" what it can still pay. All amounts in the token's base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DerivedDelta {
    /// `ondelta + offdelta`: left's allocation. It does not flip with the side.
    pub delta: I256,
    /// Reserves locked into the subchannel. It does not flip with the side.
    pub collateral: U256,
    /// Collateral that the other side holds.
    pub in_collateral: U256,
    /// Collateral that this side holds.
    pub out_collateral: U256,
    /// What this side owes beyond collateral, within its limit.
    pub in_own_credit: U256,
    /// What the other side owes beyond collateral, within its limit.
    pub out_peer_credit: U256,
    /// Hold on what this side can receive: the other side's allowance.
    pub in_allowance: U256,
    /// Hold on what this side can pay: its own allowance.
    pub out_allowance: U256,
    /// Collateral and both limits together.
    pub total_capacity: U256,
    /// Limit of this side's debt.
    pub own_credit_limit: U256,
    /// Limit of the other side's debt.
    pub peer_credit_limit: U256,
    /// The most that this side can receive.
    pub in_capacity: U256,
    /// The most that this side can pay.
    pub out_capacity: U256,
    /// This side's limit that is not drawn.
    pub out_own_credit: U256,
    /// The other side's limit that is not drawn.
    pub in_peer_credit: U256,
}

/// Why the formulae have no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DeltaError {
    /// `ondelta + offdelta`, or collateral and both limits together, needs more than 256 bits.
    #[error("the sum does not fit 256 bits")]
    Overflow,
}

/// The capacities of one token as `side` sees them (`docs/protocol.md` section 3).
///
/// # Errors
/// [`DeltaError::Overflow`] if `ondelta + offdelta` or `collateral + both limits` does not fit 256 bits. Every other sum
/// is at most the latter.
pub fn derive_delta(input: &Delta, side: Side) -> Result<DerivedDelta, DeltaError> {
    let left = derive_left(input)?;
    Ok(match side {
        Side::Left => left,
        Side::Right => mirror(&left),
    })
}

fn derive_left(input: &Delta) -> Result<DerivedDelta, DeltaError> {
    let delta = input.ondelta.checked_add(input.offdelta).ok_or(DeltaError::Overflow)?;
    let (collateral, own, peer) = (input.collateral, input.left_credit_limit, input.right_credit_limit);
    let total_capacity = sum(collateral, own, peer)?;
    let (above, below) = parts(delta);
    let in_own_credit = below.min(own);
    let out_peer_credit = above.saturating_sub(collateral).min(peer);
    let (in_collateral, out_collateral) = (collateral.saturating_sub(above), above.min(collateral));
    let (out_own_credit, in_peer_credit) = (own.saturating_sub(in_own_credit), peer.saturating_sub(out_peer_credit));
    Ok(DerivedDelta {
        delta,
        collateral,
        in_collateral,
        out_collateral,
        in_own_credit,
        out_peer_credit,
        in_allowance: input.right_allowance,
        out_allowance: input.left_allowance,
        total_capacity,
        own_credit_limit: own,
        peer_credit_limit: peer,
        in_capacity: sum(in_own_credit, in_collateral, in_peer_credit)?.saturating_sub(input.right_allowance),
        out_capacity: sum(out_peer_credit, out_collateral, out_own_credit)?.saturating_sub(input.left_allowance),
        out_own_credit,
        in_peer_credit,
    })
}

const fn mirror(view: &DerivedDelta) -> DerivedDelta {
    DerivedDelta {
        delta: view.delta,
        collateral: view.collateral,
        in_collateral: view.out_collateral,
        out_collateral: view.in_collateral,
        in_own_credit: view.out_peer_credit,
        out_peer_credit: view.in_own_credit,
        in_allowance: view.out_allowance,
        out_allowance: view.in_allowance,
        total_capacity: view.total_capacity,
        own_credit_limit: view.peer_credit_limit,
        peer_credit_limit: view.own_credit_limit,
        in_capacity: view.out_capacity,
        out_capacity: view.in_capacity,
        out_own_credit: view.in_peer_credit,
        in_peer_credit: view.out_own_credit,
    }
}

/// `(max(delta, 0), max(-delta, 0))`.
fn parts(delta: I256) -> (U256, U256) {
    if delta.is_negative() { (U256::ZERO, delta.unsigned_abs()) } else { (delta.unsigned_abs(), U256::ZERO) }
}

fn sum(a: U256, b: U256, c: U256) -> Result<U256, DeltaError> {
    a.checked_add(b).and_then(|ab| ab.checked_add(c)).ok_or(DeltaError::Overflow)
}

/// `out_capacity` of `side` as [`derive_delta`] gives it, in 128-bit arithmetic: what a channel asks at every transition.
/// The arguments are the fields of [`Delta`] in their order. `None` if a sum does not fit; the caller then takes the wide
/// way.
#[expect(clippy::too_many_arguments, reason = "the numbers of a token, without building a struct of them")]
#[inline]
#[must_use]
pub const fn out_capacity_small(
    collateral: u128,
    delta_on: i128,
    delta_off: i128,
    left_limit: u128,
    right_limit: u128,
    left_hold: u128,
    right_hold: u128,
    side: Side,
) -> Option<u128> {
    let Some(delta) = delta_on.checked_add(delta_off) else { return None };
    let (above, below) = if delta < 0 { (0, delta.unsigned_abs()) } else { (delta.unsigned_abs(), 0) };
    let beyond = above.saturating_sub(collateral);
    let (a, b, c, hold) = match side {
        Side::Left => (min(beyond, right_limit), min(above, collateral), left_limit.saturating_sub(below), left_hold),
        Side::Right => {
            (min(below, left_limit), collateral.saturating_sub(above), right_limit.saturating_sub(beyond), right_hold)
        }
    };
    let Some(ab) = a.checked_add(b) else { return None };
    let Some(abc) = ab.checked_add(c) else { return None };
    Some(abc.saturating_sub(hold))
}

const fn min(a: u128, b: u128) -> u128 {
    if a < b { a } else { b }
}
