//! What a hop keeps for forwarding, exactly.

/// Parts per million.
const PPM: u128 = 1_000_000;

/// The fee for forwarding `amount` at `fee_ppm` parts per million, rounded up: what a hop receives more than it forwards.
/// Both in the token's base unit. `None` if it does not fit 128 bits (`docs/protocol.md` section 9).
#[must_use]
pub fn fee(amount: u128, fee_ppm: u32) -> Option<u128> {
    // The whole millions and the rest apart: the product of the whole would not fit.
    let ppm = u128::from(fee_ppm);
    let (whole, rest) = (amount.checked_div(PPM)?, amount.checked_rem(PPM)?);
    let part = rest.checked_mul(ppm)?.div_ceil(PPM);
    whole.checked_mul(ppm)?.checked_add(part)
}

/// What a hop must receive to forward `amount`: the amount and the fee. `None` if it does not fit 128 bits.
#[must_use]
pub fn with_fee(amount: u128, fee_ppm: u32) -> Option<u128> {
    amount.checked_add(fee(amount, fee_ppm)?)
}
