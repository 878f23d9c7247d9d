//! Verification. An account is known by its address alone, so its key is recovered from its first signature and kept;
//! whether it is kept never changes a verdict.

use super::backend::PublicKey;
use super::signature::{Signature, SignatureError};
use crate::map::Map;
use crate::types::{Address, EntityId, EntityKind, Hash};

/// The account that gave this signature over this digest, as the chain's `ecrecover` would find it, and refused where the
/// contracts refuse it.
///
/// # Errors
/// [`SignatureError`] says what is wrong with the signature.
pub fn recover_address(digest: &Hash, signature: &Signature) -> Result<Address, SignatureError> {
    Ok(PublicKey::recover(digest, &signature.parse()?)?.address())
}

/// Keys that are remembered at most: members of boards that strangers make up are no reason to run out of memory.
const MAX_KEYS: usize = 1 << 16;

/// Public keys by entity, so that only an entity's first signature is recovered (`docs/protocol.md` section 2).
#[derive(Clone, Debug, Default)]
pub struct KeyCache {
    keys: Map<EntityId, PublicKey>,
}

impl KeyCache {
    /// Checks that `signature` is by `entity` over `digest`, and remembers the key of an account that was not known.
    ///
    /// The verdict is the same whether the key was known: exactly the signatures that recover to the account's address, with
    /// low `s`, the right parity and an `r` that was not reduced.
    ///
    /// # Errors
    /// [`SignatureError`] says what is wrong. A signature by nobody and one by somebody else are both
    /// [`SignatureError::WrongSigner`], since telling them apart would need a recovery.
    pub fn verify(&mut self, entity: &EntityId, digest: &Hash, signature: &Signature) -> Result<(), SignatureError> {
        let address = match entity.check()? {
            EntityKind::Account(address) => address,
            kind => return Err(SignatureError::UnsupportedEntity(kind)),
        };
        let signature = signature.parse()?;
        if let Some(key) = self.keys.get(entity) {
            return if key.is_signer(digest, &signature) { Ok(()) } else { Err(SignatureError::WrongSigner) };
        }
        let key = PublicKey::recover(digest, &signature).map_err(|_| SignatureError::WrongSigner)?;
        if key.address() != address {
            return Err(SignatureError::WrongSigner);
        }
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        self.keys.insert(*entity, key);
        Ok(())
    }

    /// Forgets an entity whose channel is gone.
    pub fn forget(&mut self, entity: &EntityId) {
        self.keys.remove(entity);
    }

    /// Number of known keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
