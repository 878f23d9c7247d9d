//! Signing: the trait that a machine signs through, and a key in memory behind it.

use core::fmt;

use xln_curve::{Numbers, SecretKey};

use super::signature::Signature;
use crate::types::{Address, EntityId, EntityIdError, Hash};

/// What a signer did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignOutcome {
    /// It signed.
    Signed(Signature),
    /// The signature will come later, as an input: a remote key, a quorum, a device.
    Pending,
}

/// Why a signer did not sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The signer refuses this digest.
    #[error("the signer refused")]
    Refused,
    /// The signature has no 64-byte form: `R` has an `x` beyond the order. It happens once in `2^128` digests.
    #[error("the signature has no compact form")]
    Unrepresentable,
}

/// Who signs for an entity. What it is given is a digest of EIP-712; it must sign that and nothing derived from it.
pub trait Signer {
    /// The entity that it signs for.
    fn entity(&self) -> EntityId;

    /// Signs a digest, or says that the signature will come later.
    ///
    /// # Errors
    /// [`SignError`] if there will be no signature.
    fn sign(&self, digest: &Hash) -> Result<SignOutcome, SignError>;
}

/// Why bytes are no secret key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// Zero, or not below the order of the group.
    #[error("the secret key is out of range")]
    OutOfRange,
    /// Its address is no entity.
    #[error(transparent)]
    Entity(#[from] EntityIdError),
}

/// A key in memory. Signatures are deterministic (RFC 6979), the key is wiped when dropped, and `Debug` shows the entity.
#[derive(Clone)]
pub struct LocalSigner {
    key: SecretKey,
    address: Address,
    entity: EntityId,
}

impl LocalSigner {
    /// Takes a secret key as 32 big-endian bytes. The caller wipes its own copy.
    ///
    /// # Errors
    /// [`SecretKeyError::OutOfRange`] for zero or a value not below the order of the group.
    pub fn new(secret: &[u8; 32]) -> Result<Self, SecretKeyError> {
        let key = SecretKey::new(secret).ok_or(SecretKeyError::OutOfRange)?;
        let address = super::address_of(&key.public().coordinates());
        Ok(Self { key, address, entity: EntityId::account(address)? })
    }

    /// The account of this key.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a digest now.
    ///
    /// # Errors
    /// [`SignError::Unrepresentable`], practically never.
    pub fn sign_digest(&self, digest: &Hash) -> Result<Signature, SignError> {
        let Numbers { r, s, y_is_odd } = self.key.sign(&digest.0).ok_or(SignError::Unrepresentable)?;
        let mut bytes = [0; 64];
        let (low, high) = bytes.split_at_mut(32);
        low.copy_from_slice(&r);
        high.copy_from_slice(&s);
        // The lower half of the order is below 2^255, so that the top bit of s is free for the parity.
        if let (true, Some(top)) = (y_is_odd, bytes.get_mut(32)) {
            *top |= 0x80;
        }
        Ok(Signature::compact(bytes))
    }
}

impl Signer for LocalSigner {
    fn entity(&self) -> EntityId {
        self.entity
    }

    fn sign(&self, digest: &Hash) -> Result<SignOutcome, SignError> {
        self.sign_digest(digest).map(SignOutcome::Signed)
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("entity", &self.entity).finish_non_exhaustive()
    }
}
