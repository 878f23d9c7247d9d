//! Signatures of accounts, exactly as strict as the contracts: 64 bytes in EIP-2098's compact form, `s` in the lower half,
//! the parity of `R` right (`docs/protocol.md` section 2, `docs/encodings.md`). Signing, recovering, and verifying against
//! a key that was recovered once.

#[cfg(all(test, feature = "secp256k1"))]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
mod differential;
mod keys;
#[cfg(feature = "secp256k1")]
mod native;
#[cfg(any(not(feature = "secp256k1"), test))]
mod pure;
mod signature;
mod signer;

pub use keys::{KeyCache, recover_address};
pub use signature::{COMPACT_SIGNATURE_BYTES, MAX_SIGNATURE_BYTES, Signature, SignatureError};
pub use signer::{LocalSigner, SecretKeyError, SignError, SignOutcome, Signer};

#[cfg(not(feature = "secp256k1"))]
use pure as backend;

#[cfg(feature = "secp256k1")]
use native as backend;

use crate::types::Address;

/// The address of an uncompressed public key without its leading byte.
fn address_of(coordinates: &[u8; 64]) -> Address {
    let [_, _, _, _, _, _, _, _, _, _, _, _, tail @ ..] = xln_merkle::keccak256(coordinates);
    Address(tail)
}
