//! What a signature is and what can be wrong with one. Every backend gets signatures through one strict parser, so that
//! the two can only differ in arithmetic.

use alloc::vec::Vec;
use core::fmt;
use wincode::{SchemaRead, SchemaWrite};

use crate::entity::OrganisationError;
use crate::types::{EntityIdError, EntityKind};

/// Length of an account's signature.
pub const COMPACT_SIGNATURE_BYTES: usize = 64;
/// The longest signature of any entity: room for a board's.
pub const MAX_SIGNATURE_BYTES: usize = 4096;

/// A signature as it travels: for an account `r || (yParity << 255 | s)`. Its bytes are opaque until verified.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// Takes bytes as they came.
    ///
    /// # Errors
    /// [`SignatureError::TooLong`] beyond [`MAX_SIGNATURE_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, SignatureError> {
        if bytes.len() > MAX_SIGNATURE_BYTES {
            return Err(SignatureError::TooLong { length: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// An account's signature.
    #[must_use]
    pub fn compact(bytes: [u8; COMPACT_SIGNATURE_BYTES]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes, as the contracts take them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The parts of an account's signature.
    pub(super) fn parse(&self) -> Result<Parsed, SignatureError> {
        if self.0.len() > MAX_SIGNATURE_BYTES {
            return Err(SignatureError::TooLong { length: self.0.len() });
        }
        let wrong_length = SignatureError::WrongLength { length: self.0.len() };
        let (r, s) = self.0.split_first_chunk::<32>().ok_or(wrong_length)?;
        let mut s = *<&[u8; 32]>::try_from(s).map_err(|_| wrong_length)?;
        let y_is_odd = s.first().is_some_and(|top| top & 0x80 != 0);
        if let Some(top) = s.first_mut() {
            *top &= 0x7f;
        }
        if !in_range(r) || !in_range(&s) {
            return Err(SignatureError::ScalarOutOfRange);
        }
        if s > HALF_ORDER {
            return Err(SignatureError::HighS);
        }
        Ok(Parsed { r: *r, s, y_is_odd })
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The order of the group.
pub(super) const ORDER: [u8; 32] =
    alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
/// Half of it, rounded down: the largest `s` that is valid.
pub(super) const HALF_ORDER: [u8; 32] =
    alloy_primitives::hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

fn in_range(scalar: &[u8; 32]) -> bool {
    *scalar != [0; 32] && *scalar < ORDER
}

/// The parts of an account's signature: `r` and `s` in `1 .. n`, `s` low, as big-endian bytes.
#[derive(Clone, Copy)]
pub(super) struct Parsed {
    pub(super) r: [u8; 32],
    pub(super) s: [u8; 32],
    pub(super) y_is_odd: bool,
}

/// Why a signature is no good. All are the fault of whoever sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// Longer than any entity's signature.
    #[error("signature of {length} bytes, at most {MAX_SIGNATURE_BYTES} are accepted")]
    TooLong {
        /// Bytes found.
        length: usize,
    },
    /// An account's signature has 64 bytes.
    #[error("an account's signature has 64 bytes, not {length}")]
    WrongLength {
        /// Bytes found.
        length: usize,
    },
    /// `r` or `s` is zero or not below the order of the group.
    #[error("r or s is out of range")]
    ScalarOutOfRange,
    /// `s` is in the upper half of the order.
    #[error("s is in the upper half of the order")]
    HighS,
    /// No key gives this signature over this digest.
    #[error("no key gives this signature")]
    Unrecoverable,
    /// It is not by the entity.
    #[error("signature is not by the entity")]
    WrongSigner,
    /// The id of the signer is no entity.
    #[error(transparent)]
    Entity(#[from] EntityIdError),
    /// A [`KeyCache`](super::KeyCache) knows accounts only; organisations are for [`crate::entity::Verifier`].
    #[error("signatures of entity kind {0:?} are not by a key")]
    UnsupportedEntity(EntityKind),
    /// An organisation's signature is no good.
    #[error(transparent)]
    Organisation(#[from] OrganisationError),
}
