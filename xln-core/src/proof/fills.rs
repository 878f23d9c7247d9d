//! The only arguments of a dispute: what a taker fills of the other side's swap offers (`docs/protocol.md` section 7).

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::bytes::Reader;
use crate::limits::MAX_FILLS;
use crate::types::Hash;

/// Fills of one side: pairs of an offer's number and an amount in units of its give, numbers strictly ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct Fills(pub Vec<(u64, u128)>);

/// Why fills have no encoding, or bytes are no fills. The contracts take such bytes as no fills at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FillsError {
    /// The length is no multiple of 24.
    #[error("{length} bytes are no list of fills")]
    WrongLength {
        /// Bytes found.
        length: usize,
    },
    /// More fills than a dispute takes.
    #[error("{found} fills, at most {MAX_FILLS} are allowed")]
    TooMany {
        /// Fills found.
        found: usize,
    },
    /// Numbers are repeated or out of order.
    #[error("fills are not strictly ascending")]
    NotAscending,
}

impl Fills {
    /// The amount for one offer.
    #[must_use]
    pub fn amount(&self, id: u64) -> Option<u128> {
        self.0.iter().find(|(of, _)| *of == id).map(|(_, amount)| *amount)
    }

    /// Checks number and order.
    ///
    /// # Errors
    /// [`FillsError`] if there are too many or they are out of order.
    pub fn check(&self) -> Result<(), FillsError> {
        if self.0.len() > MAX_FILLS {
            return Err(FillsError::TooMany { found: self.0.len() });
        }
        if !self.0.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(FillsError::NotAscending);
        }
        Ok(())
    }

    /// The canonical bytes; empty for no fills.
    ///
    /// # Errors
    /// [`FillsError`] as [`Fills::check`] gives it.
    pub fn encode(&self) -> Result<Vec<u8>, FillsError> {
        self.check()?;
        let mut out = Vec::with_capacity(self.0.len().saturating_mul(24));
        for (id, amount) in &self.0 {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&amount.to_be_bytes());
        }
        Ok(out)
    }

    /// Parses exactly what [`Fills::encode`] gives. To see bytes as the contracts do, take an error as no fills.
    ///
    /// # Errors
    /// [`FillsError`] if the bytes are no such list.
    pub fn parse(bytes: &[u8]) -> Result<Self, FillsError> {
        if !bytes.len().is_multiple_of(24) {
            return Err(FillsError::WrongLength { length: bytes.len() });
        }
        let found = bytes.len().checked_div(24).unwrap_or(0);
        if found > MAX_FILLS {
            return Err(FillsError::TooMany { found });
        }
        let mut reader = Reader(bytes);
        let mut fills = Self(Vec::with_capacity(found));
        while let (Some(id), Some(amount)) = (reader.u64(), reader.u128()) {
            fills.0.push((id, amount));
        }
        fills.check().map(|()| fills)
    }
}

/// What a dispute stores of encoded fills: keccak256, or zero for none.
#[must_use]
pub fn fills_hash(fills: &[u8]) -> Hash {
    if fills.is_empty() { Hash::ZERO } else { Hash(xln_merkle::keccak256(fills)) }
}
