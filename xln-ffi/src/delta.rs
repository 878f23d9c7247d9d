//! Capacities and the bar, apart from any wallet.

use xln_core::delta;

use crate::error::XlnError;
use crate::info::TokenState;
use crate::types::{Side, WideAmount, WideSignedAmount};

pub use delta::{Delta, DerivedDelta};

/// One token of one subchannel, all amounts in its base unit.
#[uniffi::remote(Record)]
pub struct Delta {
    /// Reserves locked into the subchannel.
    pub collateral: WideAmount,
    /// Left's share of the collateral as the chain recorded it.
    pub ondelta: WideSignedAmount,
    /// The off-chain shift on top of it.
    pub offdelta: WideSignedAmount,
    /// How far left may owe right beyond collateral.
    pub left_credit_limit: WideAmount,
    /// How far right may owe left beyond collateral.
    pub right_credit_limit: WideAmount,
    /// The most by which pending subcontracts may still lower left's position.
    pub left_allowance: WideAmount,
    /// The most by which pending subcontracts may still lower right's position.
    pub right_allowance: WideAmount,
}

/// The zones of the axis and the capacities, as one side sees them. "In" is what this side can still receive, "out" what it
/// can still pay. All amounts in the token's base unit.
#[uniffi::remote(Record)]
pub struct DerivedDelta {
    /// `ondelta + offdelta`: left's allocation. It does not flip with the side.
    pub delta: WideSignedAmount,
    /// Reserves locked into the subchannel. It does not flip with the side.
    pub collateral: WideAmount,
    /// Collateral that the other side holds.
    pub in_collateral: WideAmount,
    /// Collateral that this side holds.
    pub out_collateral: WideAmount,
    /// What this side owes beyond collateral, within its limit.
    pub in_own_credit: WideAmount,
    /// What the other side owes beyond collateral, within its limit.
    pub out_peer_credit: WideAmount,
    /// Hold on what this side can receive: the other side's allowance.
    pub in_allowance: WideAmount,
    /// Hold on what this side can pay: its own allowance.
    pub out_allowance: WideAmount,
    /// Collateral and both limits together.
    pub total_capacity: WideAmount,
    /// Limit of this side's debt.
    pub own_credit_limit: WideAmount,
    /// Limit of the other side's debt.
    pub peer_credit_limit: WideAmount,
    /// The most that this side can receive.
    pub in_capacity: WideAmount,
    /// The most that this side can pay.
    pub out_capacity: WideAmount,
    /// This side's limit that is not drawn.
    pub out_own_credit: WideAmount,
    /// The other side's limit that is not drawn.
    pub in_peer_credit: WideAmount,
}

/// Who can still pay how much: the capacities of one token as `side` sees them.
///
/// # Errors
/// `InvalidArgument` if `ondelta + offdelta`, or collateral and both limits together, does not fit 256 bits.
#[uniffi::export]
pub fn derive_delta(delta: Delta, side: Side) -> Result<DerivedDelta, XlnError> {
    delta::derive_delta(&delta, side).map_err(|error| XlnError::invalid("delta", &error))
}

/// The picture of a token in two lines: `-` credit and `=` collateral between brackets, `|` below at the balance. `width`
/// counts the columns of the first line and is brought into 5 to 1024.
///
/// # Errors
/// As `derive_delta`.
#[uniffi::export]
pub fn delta_bar(delta: Delta, side: Side, width: u32) -> Result<String, XlnError> {
    delta::bar(&delta, side, usize::try_from(width).unwrap_or(usize::MAX))
        .map_err(|error| XlnError::invalid("delta", &error))
}

/// What the formulae take for a token of a channel: limits that were lowered below a debt count as the debt.
#[uniffi::export]
pub fn to_delta(state: TokenState) -> Delta {
    state.to_delta()
}
