//! Products over divisors, exact where the product does not fit.

use alloy_primitives::U256;

/// `value * factor / divisor`, rounded down, and the remainder. `None` if the divisor is 0 or the quotient passes 256 bits.
///
/// Multiples are kept as quotient and remainder and doubled bit by bit: nothing wider than 256 bits is needed, and no division,
/// which is the largest function that a page would download for this.
pub(crate) fn ratio(value: U256, factor: U256, divisor: U256) -> Option<(U256, U256)> {
    let one = match divisor {
        U256::ZERO => return None,
        U256::ONE => (U256::ONE, U256::ZERO),
        _ => (U256::ZERO, U256::ONE),
    };
    multiple(multiple(one, value, divisor)?, factor, divisor)
}

/// `times` times a number that is given as quotient and remainder.
fn multiple(number: (U256, U256), times: U256, divisor: U256) -> Option<(U256, U256)> {
    (0..times.bit_len()).rev().try_fold((U256::ZERO, U256::ZERO), |sum, bit| {
        let double = sum_of(sum, sum, divisor)?;
        if times.bit(bit) { sum_of(double, number, divisor) } else { Some(double) }
    })
}

fn sum_of(one: (U256, U256), other: (U256, U256), divisor: U256) -> Option<(U256, U256)> {
    let quotient = one.0.checked_add(other.0)?;
    // Both remainders are below the divisor, their sum perhaps beyond 256 bits.
    let room = divisor.checked_sub(other.1)?;
    match one.1.checked_sub(room) {
        Some(remainder) => Some((quotient.checked_add(U256::ONE)?, remainder)),
        None => Some((quotient, one.1.checked_add(other.1)?)),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U512;
    use proptest::prelude::*;

    use super::*;

    /// Numbers of all lengths, and those beside powers of two.
    fn number() -> impl Strategy<Value = U256> {
        let any = (any::<[u64; 4]>(), 0_usize..=256).prop_map(|(limbs, by)| U256::from_limbs(limbs).checked_shr(by));
        let edge = (0_usize..=256, 0_u8..3).prop_map(|(bit, by)| {
            let power = U256::ONE.checked_shl(bit).filter(|power| !power.is_zero()).unwrap_or(U256::MAX);
            match by {
                0 => power.checked_sub(U256::ONE),
                1 => Some(power),
                _ => power.checked_add(U256::ONE),
            }
        });
        prop_oneof![any, edge].prop_map(Option::unwrap_or_default)
    }

    proptest! {
        #[test]
        fn as_512_bits_have_it(value in number(), factor in number(), divisor in number()) {
            let product = U512::from(value).checked_mul(U512::from(factor));
            let wide = product.filter(|_| !divisor.is_zero()).map(|product| product.div_rem(U512::from(divisor)));
            let expected = wide.filter(|(quotient, _)| *quotient <= U512::from(U256::MAX));
            let found = ratio(value, factor, divisor).map(|(quotient, rest)| (U512::from(quotient), U512::from(rest)));
            prop_assert_eq!(found, expected);
        }
    }
}
