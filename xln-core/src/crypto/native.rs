//! The optional backend: libsecp256k1. It recovers about as fast as it verifies and its verification ignores parity, so
//! that checking against a known key is recovering and comparing.

use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

use super::signature::{Parsed, SignatureError};
use crate::types::{Address, Hash};

/// A public key, ready for verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PublicKey(secp256k1::PublicKey);

impl PublicKey {
    /// The key that gives this signature over this digest.
    pub(super) fn recover(digest: &Hash, signature: &Parsed) -> Result<Self, SignatureError> {
        let mut compact = [0; 64];
        let (r, s) = compact.split_at_mut(32);
        r.copy_from_slice(&signature.r);
        s.copy_from_slice(&signature.s);
        let id = if signature.y_is_odd { RecoveryId::One } else { RecoveryId::Zero };
        RecoverableSignature::from_compact(&compact, id)
            .and_then(|ecdsa| ecdsa.recover_ecdsa(Message::from_digest(digest.0)))
            .map(Self)
            .map_err(|_| SignatureError::Unrecoverable)
    }

    /// The account of this key.
    pub(super) fn address(&self) -> Address {
        let [_, coordinates @ ..] = self.0.serialize_uncompressed();
        super::address_of(&coordinates)
    }

    /// Whether recovery would give this key.
    pub(super) fn is_signer(&self, digest: &Hash, signature: &Parsed) -> bool {
        Self::recover(digest, signature).is_ok_and(|key| key == *self)
    }
}
