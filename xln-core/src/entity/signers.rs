//! Who signs for an organisation: members, one by one, and operators, at once.

use alloc::vec::Vec;

use super::delegation::Delegation;
use super::digest::approval_digest;
use super::signature::{OrganisationError, OrganisationSignature};
use crate::crypto::{COMPACT_SIGNATURE_BYTES, SignError, SignOutcome, Signature, Signer};
use crate::types::{EntityId, Hash};

/// A member's signature, on its way to a [`Quorum`](super::Quorum).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Approval {
    /// Who signed.
    pub member: EntityId,
    /// Over the digest that the member was asked for.
    pub signature: Signature,
}

/// A member of boards. It signs what is wrapped for a board, never a bare digest.
#[derive(Clone, Debug)]
pub struct MemberSigner<S> {
    signer: S,
}

impl<S: Signer> MemberSigner<S> {
    /// A member that signs with this.
    pub const fn new(signer: S) -> Self {
        Self { signer }
    }

    /// Approves `digest` for a board: `path` names the organisations from the outermost to the one whose member this is.
    ///
    /// # Errors
    /// [`SignError`] of the signer; [`SignError::Refused`] if it signs only later.
    pub fn approve(&self, path: &[EntityId], digest: &Hash) -> Result<Approval, SignError> {
        let wrapped = path.iter().fold(*digest, |digest, entity| approval_digest(entity, &digest));
        if path.is_empty() {
            return Err(SignError::Refused);
        }
        match self.signer.sign(&wrapped)? {
            SignOutcome::Signed(signature) => Ok(Approval { member: self.signer.entity(), signature }),
            SignOutcome::Pending => Err(SignError::Refused),
        }
    }
}

/// A key to which a board has delegated: it signs at once, and shows the delegation with every signature.
#[derive(Clone, Debug)]
pub struct OperatorSigner<S> {
    signer: S,
    entity: EntityId,
    delegation: Delegation,
    approval: Signature,
}

/// Why an operator cannot sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OperatorSignerError {
    /// The delegation names another operator.
    #[error("delegation names another operator")]
    WrongOperator,
    /// The approval is not a signature by a board.
    #[error(transparent)]
    Approval(#[from] OrganisationError),
}

impl<S: Signer> OperatorSigner<S> {
    /// The operator of `entity`; `approval` is its board's signature over [`Delegation::digest`].
    ///
    /// # Errors
    /// [`OperatorSignerError`] names what does not fit. Whether the board has really signed is for a verifier to say.
    pub fn new(
        signer: S,
        entity: EntityId,
        delegation: Delegation,
        approval: Signature,
    ) -> Result<Self, OperatorSignerError> {
        if delegation.operator() != signer.entity() {
            return Err(OperatorSignerError::WrongOperator);
        }
        match OrganisationSignature::parse(approval.as_bytes())? {
            OrganisationSignature::Board { .. } => Ok(Self { signer, entity, delegation, approval }),
            OrganisationSignature::Operator { .. } => Err(OrganisationError::NotByBoard.into()),
        }
    }

    /// What was delegated.
    #[must_use]
    pub const fn delegation(&self) -> &Delegation {
        &self.delegation
    }
}

impl<S: Signer> Signer for OperatorSigner<S> {
    fn entity(&self) -> EntityId {
        self.entity
    }

    fn sign(&self, digest: &Hash) -> Result<SignOutcome, SignError> {
        let SignOutcome::Signed(own) = self.signer.sign(&approval_digest(&self.entity, digest))? else {
            return Ok(SignOutcome::Pending);
        };
        let operator: [u8; COMPACT_SIGNATURE_BYTES] =
            own.as_bytes().try_into().map_err(|_| SignError::Unrepresentable)?;
        let (delegation, approval) = (self.delegation.clone(), self.approval.clone());
        let signature = OrganisationSignature::Operator { delegation, approval, operator };
        signature.encode().map(SignOutcome::Signed).map_err(|_| SignError::Unrepresentable)
    }
}

/// The members' signatures of one board, from which what is needed is taken.
pub(super) fn needed(threshold: u32, available: &[Option<u32>]) -> Option<Vec<bool>> {
    let mut taken = alloc::vec![false; available.len()];
    let mut weights = 0_u64;
    for (take, weight) in taken.iter_mut().zip(available) {
        if let (Some(weight), true) = (weight, weights < u64::from(threshold)) {
            *take = true;
            weights = weights.saturating_add(u64::from(*weight));
        }
    }
    if weights < u64::from(threshold) {
        return None;
    }
    // Who can be missed is: the last one stays the one that reaches the threshold.
    for (take, weight) in taken.iter_mut().zip(available) {
        let weight = u64::from(weight.unwrap_or(0));
        if *take && weights.saturating_sub(weight) >= u64::from(threshold) {
            *take = false;
            weights = weights.saturating_sub(weight);
        }
    }
    Some(taken)
}
