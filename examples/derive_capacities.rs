//! What can each side of a channel send and receive? Pure arithmetic, no channel needed.
#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that shows something")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the amounts of a story are small, and a debug build would stop at an overflow"
)]

use xln_core::delta::{Delta, DeltaError, bar, derive_delta};
use xln_core::types::Side;

fn main() -> Result<(), DeltaError> {
    let number = |n: u64| n.try_into().unwrap_or_default();
    let delta = Delta {
        collateral: number(100),
        ondelta: 100i32.try_into().unwrap_or_default(),
        offdelta: (-130i32).try_into().unwrap_or_default(),
        left_credit_limit: number(50),
        right_credit_limit: number(20),
        left_allowance: number(5),
        right_allowance: number(0),
    };
    for side in [Side::Left, Side::Right] {
        let view = derive_delta(&delta, side)?;
        println!("{side:?}: sends up to {}, receives up to {}", view.out_capacity, view.in_capacity);
        println!("{}", bar(&delta, side, 64)?);
    }
    Ok(())
}
