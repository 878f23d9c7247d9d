//! Where a step's signatures come from.

use alloc::vec::Vec;

use crate::channel::SignatureSource;
use crate::crypto::{SignError, SignOutcome, Signature, Signer};
use crate::types::Hash;

/// Asks the real signer and keeps what it gave.
pub(in crate::machine) struct Signing<'a> {
    signer: &'a dyn Signer,
    given: Vec<Option<Signature>>,
}

impl<'a> Signing<'a> {
    pub(in crate::machine) const fn new(signer: &'a dyn Signer) -> Self {
        Self { signer, given: Vec::new() }
    }

    pub(in crate::machine) fn into_given(self) -> Vec<Option<Signature>> {
        self.given
    }
}

impl SignatureSource for Signing<'_> {
    fn sign(&mut self, digest: &Hash) -> Result<SignOutcome, SignError> {
        let outcome = self.signer.sign(digest)?;
        self.given.push(match &outcome {
            SignOutcome::Signed(signature) => Some(signature.clone()),
            SignOutcome::Pending => None,
        });
        Ok(outcome)
    }
}

/// Gives what the signer gave when the record was made.
pub(in crate::machine) struct Replay {
    given: alloc::vec::IntoIter<Option<Signature>>,
}

impl Replay {
    pub(in crate::machine) fn new(given: Vec<Option<Signature>>) -> Self {
        Self { given: given.into_iter() }
    }

    pub(in crate::machine) fn is_used_up(&self) -> bool {
        self.given.as_slice().is_empty()
    }
}

impl SignatureSource for Replay {
    fn sign(&mut self, _: &Hash) -> Result<SignOutcome, SignError> {
        match self.given.next() {
            Some(Some(signature)) => Ok(SignOutcome::Signed(signature)),
            Some(None) | None => Ok(SignOutcome::Pending),
        }
    }
}
