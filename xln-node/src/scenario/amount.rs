//! Numbers as scenario files write them: decimal strings in base units, of any size and sign, so that a file can also try
//! what must be refused.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{I256, U256};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A decimal number below `2^255` in absolute value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Amount(pub I256);

impl Amount {
    /// As an unsigned amount of the protocol; `None` if it is negative or does not fit 128 bits.
    #[must_use]
    pub fn unsigned(self) -> Option<u128> {
        u128::try_from(U256::try_from(self.0).ok()?).ok()
    }

    /// As a signed amount of the protocol; `None` if it does not fit 128 bits.
    #[must_use]
    pub fn signed(self) -> Option<i128> {
        i128::try_from(self.0).ok()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A decimal number as text or as a JSON number.
struct Decimal;

impl Visitor<'_> for Decimal {
    type Value = I256;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number as a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<I256, E> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(E::custom(format_args!("`{text}` is no decimal number")));
        }
        I256::from_str(text).map_err(|_| E::custom(format_args!("`{text}` does not fit 256 bits")))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<I256, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<I256, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Decimal).map(Self)
    }
}

/// A small count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(Decimal)?;
        u64::try_from(number).map(Self).map_err(|_| D::Error::custom("a count is at most 2^64 - 1"))
    }
}
