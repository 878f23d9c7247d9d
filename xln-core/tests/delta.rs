//! The capacity formulae against the shared vectors, against a naive model in 512 bits, and the short cut against them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

use alloy_primitives::{I256, Signed, U256, U512};
use proptest::prelude::*;
use serde_json::Value;
use xln_core::delta::{Delta, DeltaError, DerivedDelta, derive_delta, out_capacity_small};
use xln_core::types::Side;

type I512 = Signed<512, 8>;

const SIDES: [Side; 2] = [Side::Left, Side::Right];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {value}"))
}

fn unsigned(value: &Value, key: &str) -> U256 {
    text(value, key).parse().expect("a decimal number")
}

fn signed(value: &Value, key: &str) -> I256 {
    I256::from_dec_str(text(value, key)).expect("a decimal number")
}

fn expected(value: &Value) -> DerivedDelta {
    let number = |key| unsigned(value, key);
    DerivedDelta {
        delta: signed(value, "delta"),
        collateral: number("collateral"),
        in_collateral: number("inCollateral"),
        out_collateral: number("outCollateral"),
        in_own_credit: number("inOwnCredit"),
        out_peer_credit: number("outPeerCredit"),
        in_allowance: number("inAllowance"),
        out_allowance: number("outAllowance"),
        total_capacity: number("totalCapacity"),
        own_credit_limit: number("ownCreditLimit"),
        peer_credit_limit: number("peerCreditLimit"),
        in_capacity: number("inCapacity"),
        out_capacity: number("outCapacity"),
        out_own_credit: number("outOwnCredit"),
        in_peer_credit: number("inPeerCredit"),
    }
}

#[test]
fn shared_vectors() {
    let file: Value = serde_json::from_str(include_str!("vectors/derive_delta.json")).expect("JSON");
    let vectors = file["vectors"].as_array().expect("a list");
    assert!(vectors.len() >= 35, "the shared file has lost vectors");
    for vector in vectors {
        let input = &vector["input"];
        let delta = Delta {
            collateral: unsigned(input, "collateral"),
            ondelta: signed(input, "ondelta"),
            offdelta: signed(input, "offdelta"),
            left_credit_limit: unsigned(input, "leftCreditLimit"),
            right_credit_limit: unsigned(input, "rightCreditLimit"),
            left_allowance: unsigned(input, "leftAllowance"),
            right_allowance: unsigned(input, "rightAllowance"),
        };
        for (side, key) in [(Side::Left, "left"), (Side::Right, "right")] {
            let found = derive_delta(&delta, side);
            let expected = match vector.get("error") {
                Some(error) => {
                    assert_eq!(error, "Overflow");
                    Err(DeltaError::Overflow)
                }
                None => Ok(expected(&vector["expect"][key])),
            };
            assert_eq!(found, expected, "{} {key}", vector["name"]);
        }
    }
}

#[test]
fn sums_beyond_256_bits_are_errors_and_nothing_else_is() {
    let largest = Delta { collateral: U256::MAX, ondelta: I256::MIN, ..Delta::default() };
    let right = derive_delta(&largest, Side::Right).expect("fits");
    assert_eq!((right.out_capacity, right.in_capacity), (U256::MAX, U256::ZERO));
    let cases = [
        Delta { left_credit_limit: U256::ONE, ..largest },
        Delta { right_credit_limit: U256::ONE, ..largest },
        Delta { offdelta: I256::MINUS_ONE, ..largest },
        Delta { ondelta: I256::MAX, offdelta: I256::ONE, ..Delta::default() },
    ];
    for (case, side) in cases.iter().flat_map(|case| SIDES.map(|side| (case, side))) {
        assert_eq!(derive_delta(case, side), Err(DeltaError::Overflow));
    }
}

/// Numbers of every length, often next to a power of two.
fn amount() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0_usize..=256, -2_i64..=2).prop_map(|(limbs, shift, near)| {
        let number = U256::from_limbs(limbs).checked_shr(shift).unwrap_or_default();
        match near {
            0 => number,
            _ if shift == 256 => number,
            near if near > 0 => (U256::ONE << shift).wrapping_add(U256::from(near.unsigned_abs())),
            near => (U256::ONE << shift).wrapping_sub(U256::from(near.unsigned_abs())),
        }
    })
}

fn any_delta() -> impl Strategy<Value = Delta> {
    (amount(), amount(), amount(), amount(), amount(), amount(), amount(), any::<[bool; 2]>()).prop_map(
        |(collateral, on, off, left, right, left_hold, right_hold, [on_less, off_less])| {
            let sign = |magnitude: U256, less: bool| {
                let number = I256::from_raw(magnitude);
                if less { number.wrapping_neg() } else { number }
            };
            Delta {
                collateral,
                ondelta: sign(on, on_less),
                offdelta: sign(off, off_less),
                left_credit_limit: left,
                right_credit_limit: right,
                left_allowance: left_hold,
                right_allowance: right_hold,
            }
        },
    )
}

/// Section 3 as it is written, from left, in integers wide enough for anything: `(in_capacity, out_capacity, total)`.
fn naive(d: &Delta) -> (I512, I512, I512) {
    let wide = |number: U256| I512::from_raw(U512::from(number));
    let sign = |n: I256| if n.is_negative() { I512::ZERO - wide(n.unsigned_abs()) } else { wide(n.unsigned_abs()) };
    let (zero, c) = (I512::ZERO, wide(d.collateral));
    let (own, peer) = (wide(d.left_credit_limit), wide(d.right_credit_limit));
    let delta = sign(d.ondelta) + sign(d.offdelta);
    let in_collateral = if delta > zero { (c - delta).max(zero) } else { c };
    let out_collateral = if delta > zero { delta.min(c) } else { zero };
    let in_own = (zero - delta).max(zero).min(own);
    let out_peer = (delta - c).max(zero).min(peer);
    let (out_own, in_peer) = ((own - in_own).max(zero), (peer - out_peer).max(zero));
    let in_capacity = (in_own + in_collateral + in_peer - wide(d.right_allowance)).max(zero);
    let out_capacity = (out_peer + out_collateral + out_own - wide(d.left_allowance)).max(zero);
    (in_capacity, out_capacity, c + own + peer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn follows_the_naive_model(input in any_delta()) {
        let (in_capacity, out_capacity, total) = naive(&input);
        let fits = input.ondelta.checked_add(input.offdelta).is_some() && total <= I512::from_raw(U512::from(U256::MAX));
        let wide = |number: U256| I512::from_raw(U512::from(number));
        match derive_delta(&input, Side::Left) {
            Err(DeltaError::Overflow) => prop_assert!(!fits),
            Ok(left) => {
                prop_assert!(fits);
                prop_assert_eq!(wide(left.in_capacity), in_capacity);
                prop_assert_eq!(wide(left.out_capacity), out_capacity);
                prop_assert_eq!(wide(left.total_capacity), total);
                prop_assert_eq!(left.in_collateral + left.out_collateral, input.collateral);
                prop_assert_eq!(left.in_own_credit + left.out_own_credit, left.own_credit_limit);
                prop_assert_eq!(left.in_peer_credit + left.out_peer_credit, left.peer_credit_limit);
            }
        }
    }

    /// What one side can receive the other can pay, and without holds the two capacities are all there is.
    #[test]
    fn the_two_views_mirror(input in any_delta()) {
        let (left, right) = (derive_delta(&input, Side::Left), derive_delta(&input, Side::Right));
        prop_assert_eq!(left.is_ok(), right.is_ok());
        if let (Ok(left), Ok(right)) = (left, right) {
            prop_assert_eq!((left.in_capacity, left.out_capacity), (right.out_capacity, right.in_capacity));
            prop_assert_eq!((left.in_own_credit, left.out_own_credit), (right.out_peer_credit, right.in_peer_credit));
            prop_assert_eq!((left.delta, left.collateral), (right.delta, right.collateral));
            let free = Delta { left_allowance: U256::ZERO, right_allowance: U256::ZERO, ..input };
            let free = derive_delta(&free, Side::Left).expect("holds are in no sum");
            prop_assert_eq!(free.in_capacity + free.out_capacity, free.total_capacity);
        }
    }

    #[test]
    fn the_short_cut_is_exact(
        collateral in small(), left_limit in small(), right_limit in small(), left_hold in small(),
        right_hold in small(), on in small(), off in small(), less in any::<[bool; 2]>(),
    ) {
        let sign = |n: u128, less: bool| if less { 0_i128.wrapping_sub_unsigned(n) } else { 0_i128.wrapping_add_unsigned(n) };
        let (on, off) = (sign(on, less[0]), sign(off, less[1]));
        let input = Delta {
            collateral: U256::from(collateral),
            ondelta: I256::try_from(on).expect("fits"),
            offdelta: I256::try_from(off).expect("fits"),
            left_credit_limit: U256::from(left_limit),
            right_credit_limit: U256::from(right_limit),
            left_allowance: U256::from(left_hold),
            right_allowance: U256::from(right_hold),
        };
        for side in SIDES {
            let exact = derive_delta(&input, side).expect("256 bits are enough");
            match out_capacity_small(collateral, on, off, left_limit, right_limit, left_hold, right_hold, side) {
                Some(capacity) => prop_assert_eq!(U256::from(capacity), exact.out_capacity),
                // It gives up only where a sum before the hold passes 128 bits.
                None => prop_assert!(
                    on.checked_add(off).is_none()
                        || exact.out_peer_credit + exact.out_collateral + exact.out_own_credit > U256::from(u128::MAX)
                ),
            }
        }
    }
}

/// Numbers of every length, and often the ends of the range.
fn small() -> impl Strategy<Value = u128> {
    prop_oneof![
        3 => (any::<u128>(), 0_u32..128).prop_map(|(number, shift)| number >> shift),
        1 => (0_u128..4).prop_map(|less| u128::MAX - less),
        1 => (0_u128..4).prop_map(|less| (1 << 127) - less),
    ]
}
