//! The default backend, in Rust: `k256`, through `xln-curve`. The parity of `R` counts, and an `r` that was reduced is refused,
//! as the chain's `ecrecover` has it.

use xln_curve::{Numbers, Unrecoverable};

use super::signature::{Parsed, SignatureError};
use crate::types::{Address, Hash};

/// A public key, ready for verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PublicKey(xln_curve::PublicKey);

impl PublicKey {
    /// The key that gives this signature over this digest.
    pub(super) fn recover(digest: &Hash, signature: &Parsed) -> Result<Self, SignatureError> {
        xln_curve::PublicKey::recover(&digest.0, &numbers(signature)).map(Self).map_err(|error| match error {
            Unrecoverable::OutOfRange => SignatureError::ScalarOutOfRange,
            Unrecoverable::NoKey => SignatureError::Unrecoverable,
        })
    }

    /// The account of this key.
    pub(super) fn address(&self) -> Address {
        super::address_of(&self.0.coordinates())
    }

    /// Whether recovery would give this key.
    pub(super) fn is_signer(&self, digest: &Hash, signature: &Parsed) -> bool {
        self.0.is_signer(&digest.0, &numbers(signature))
    }
}

const fn numbers(signature: &Parsed) -> Numbers {
    Numbers { r: signature.r, s: signature.s, y_is_odd: signature.y_is_odd }
}
