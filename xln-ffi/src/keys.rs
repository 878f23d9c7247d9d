//! Ids and signatures apart from any wallet.

use xln_core::crypto::{Signature, recover_address};

use crate::error::XlnError;
use crate::types::{Address, EntityId, Hash, HashKind, Secret};

/// The version of this library, the same as that of the package around it.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The entity of an account: its address with zeros in front.
///
/// # Errors
/// `InvalidArgument` for the zero address.
#[uniffi::export]
pub fn account(address: Address) -> Result<EntityId, XlnError> {
    EntityId::account(address).map_err(|error| XlnError::invalid("address", &error))
}

/// The hash that a secret opens.
#[uniffi::export]
pub fn secret_hash(secret: Secret, kind: HashKind) -> Hash {
    secret.hash(kind)
}

/// The account that gave a signature of 64 bytes (EIP-2098) over a digest, as the chain's `ecrecover` would find it.
///
/// # Errors
/// `InvalidArgument` if it is no signature.
#[uniffi::export]
pub fn recover_signer(digest: Hash, signature: Vec<u8>) -> Result<Address, XlnError> {
    Signature::new(signature)
        .and_then(|signature| recover_address(&digest, &signature))
        .map_err(|error| XlnError::invalid("signature", &error))
}
