//! The picture of a channel: shape, proportions, the marker's place, the mirror.
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

use alloy_primitives::{I256, U256};
use proptest::prelude::*;
use xln_core::delta::{BAR_MAX_WIDTH, BAR_MIN_WIDTH, Delta, bar, derive_delta};
use xln_core::types::Side;

fn token(collateral: u64, delta: i64, left: u64, right: u64) -> Delta {
    Delta {
        collateral: U256::from(collateral),
        ondelta: I256::try_from(delta).expect("fits"),
        left_credit_limit: U256::from(left),
        right_credit_limit: U256::from(right),
        ..Delta::default()
    }
}

fn lines(input: &Delta, side: Side, width: usize) -> (String, usize) {
    let text = bar(input, side, width).expect("fits");
    let (zones, marker) = text.split_once('\n').expect("two lines");
    assert_eq!(marker.trim_start(), "|");
    (zones.to_owned(), marker.len() - 1)
}

#[test]
fn pictures() {
    let picture = |input: &Delta, side, expected: &str| assert_eq!(bar(input, side, 22).expect("fits"), expected);
    picture(&token(100, 50, 50, 50), Side::Left, "[-----==========-----]\n           |");
    picture(&token(100, 0, 50, 50), Side::Left, "[-----==========-----]\n      |");
    picture(&token(100, 0, 50, 50), Side::Right, "[-----==========-----]\n               |");
    picture(&token(100, 100, 50, 50), Side::Left, "[-----==========-----]\n               |");
    picture(&token(100, -50, 50, 50), Side::Left, "[-----==========-----]\n |");
    picture(&token(100, 150, 50, 50), Side::Left, "[-----==========-----]\n                    |");
    picture(&token(100, 50, 100, 0), Side::Left, "[----------==========]\n                |");
    picture(&token(100, 50, 100, 0), Side::Right, "[==========----------]\n     |");
    picture(&token(0, 0, 0, 0), Side::Left, "[                    ]\n           |");
}

#[test]
fn any_width_is_brought_into_bounds() {
    for (asked, drawn) in [(0, BAR_MIN_WIDTH), (6, 6), (usize::MAX, BAR_MAX_WIDTH)] {
        let (zones, marker) = lines(&token(1, 1, 1, 1), Side::Left, asked);
        assert_eq!(zones.len(), drawn);
        assert!(marker > 0 && marker < drawn - 1);
    }
}

fn number() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 2_usize..=256)
        .prop_map(|(limbs, shift)| U256::from_limbs(limbs).checked_shr(shift).unwrap_or_default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn shape_holds_for_any_numbers(
        numbers in (number(), number(), number(), number()), less in any::<bool>(), width in BAR_MIN_WIDTH..200,
    ) {
        let (collateral, left, right, magnitude) = numbers;
        let delta = I256::from_raw(magnitude);
        let input = Delta {
            collateral,
            offdelta: if less { I256::ZERO - delta } else { delta },
            left_credit_limit: left,
            right_credit_limit: right,
            ..Delta::default()
        };
        let (zones, marker) = lines(&input, Side::Left, width);
        let inner = zones.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).expect("brackets").to_owned();
        prop_assert_eq!(zones.len(), width);
        prop_assert!(marker >= 1 && marker <= width - 2, "marker at {} of {}", marker, width);

        // Zones in order, none lost, proportional to within one column each.
        let counts = [
            inner.chars().take_while(|glyph| *glyph == '-').count(),
            inner.chars().filter(|glyph| *glyph == '=').count(),
            inner.chars().rev().take_while(|glyph| *glyph == '-').count(),
        ];
        let total = derive_delta(&input, Side::Left).expect("fits").total_capacity;
        if !total.is_zero() {
            prop_assert!(!inner.contains(' '));
            if collateral.is_zero() {
                prop_assert!(!inner.contains('='));
            } else {
                prop_assert_eq!(counts.iter().sum::<usize>(), inner.len());
                for (count, zone) in counts.into_iter().zip([left, collateral, right]) {
                    prop_assert_eq!(count == 0, zone.is_zero());
                    // count * total is within three columns of zone * inner: one given, one rounded, one taken.
                    let (drawn, due) = (count as f64, ratio(zone, total) * inner.len() as f64);
                    prop_assert!((drawn - due).abs() <= 3.0, "{} columns for {}", drawn, due);
                }
            }
            // The marker stands in the zone that the balance is in.
            let glyph = zones.as_bytes()[marker];
            if !collateral.is_zero() && !less && magnitude <= collateral {
                prop_assert_eq!(glyph, b'=');
            } else if less && !magnitude.is_zero() && !left.is_zero() {
                prop_assert!(marker <= counts[0]);
            }
        }

        let (mirrored, mirrored_marker) = lines(&input, Side::Right, width);
        let expected: String = inner.chars().rev().collect();
        prop_assert_eq!(mirrored, format!("[{expected}]"));
        if !total.is_zero() {
            prop_assert_eq!(mirrored_marker, width - 1 - marker);
        }
    }
}

fn ratio(part: U256, whole: U256) -> f64 {
    f64::from(part) / f64::from(whole)
}
