//! Signing, recovering, verifying: 64 bytes in EIP-2098's compact form.

use wasm_bindgen::prelude::*;
use xln_core::crypto::{self, LocalSigner, Signature, SignatureError};
use xln_core::types::Hash;

use crate::convert::entity;
use crate::error::{Thrown, XlnError, coded, invalid};

fn digest_of(bytes: &[u8]) -> Thrown<Hash> {
    bytes.try_into().map(Hash).map_err(|_| invalid("digest", &"32 bytes"))
}

fn refused(error: SignatureError) -> XlnError {
    coded("invalid_signature", &error)
}

/// A secret key in memory. `free()` wipes it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Key(LocalSigner);

impl Key {
    /// The signer itself.
    #[must_use]
    pub fn signer(&self) -> LocalSigner {
        self.0.clone()
    }
}

#[wasm_bindgen]
impl Key {
    /// Takes a secret key as 32 big-endian bytes. Throws `invalid_secret_key` if there is no such key.
    #[wasm_bindgen(constructor)]
    pub fn new(secret: &[u8]) -> Thrown<Key> {
        let secret = secret.try_into().map_err(|_| invalid("secret", &"32 bytes"))?;
        LocalSigner::new(secret).map(Self).map_err(|error| coded("invalid_secret_key", &error))
    }

    /// The account of this key.
    #[wasm_bindgen(getter, unchecked_return_type = "Hex")]
    #[must_use]
    pub fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// The entity of this key.
    #[wasm_bindgen(getter, unchecked_return_type = "Hex")]
    #[must_use]
    pub fn entity(&self) -> String {
        crypto::Signer::entity(&self.0).to_string()
    }

    /// Signs a digest of 32 bytes, deterministically (RFC 6979).
    pub fn sign(&self, digest: &[u8]) -> Thrown<Vec<u8>> {
        let signature = self.0.sign_digest(&digest_of(digest)?).map_err(|error| coded("cannot_sign", &error))?;
        Ok(signature.as_bytes().to_vec())
    }
}

/// The account that signed a digest. Throws `invalid_signature` if no account did.
#[wasm_bindgen(js_name = recoverAddress, unchecked_return_type = "Hex")]
pub fn recover_address(digest: &[u8], signature: &[u8]) -> Thrown<String> {
    let signature = Signature::new(signature.to_vec()).map_err(refused)?;
    crypto::recover_address(&digest_of(digest)?, &signature).map(|address| address.to_string()).map_err(refused)
}

/// Verifies accounts' signatures and remembers their keys, so that a second one by the same account costs less.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Verifier(crypto::KeyCache);

#[wasm_bindgen]
impl Verifier {
    /// One that knows no key yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Verifier {
        Self::default()
    }

    /// Whether an account signed this digest.
    pub fn verify(
        &mut self,
        #[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] by: &str,
        digest: &[u8],
        signature: &[u8],
    ) -> Thrown<bool> {
        let (by, digest) = (entity("entity", by)?, digest_of(digest)?);
        let Ok(signature) = Signature::new(signature.to_vec()) else { return Ok(false) };
        Ok(self.0.verify(&by, &digest, &signature).is_ok())
    }
}
