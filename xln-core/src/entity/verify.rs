//! Verification of every kind of entity's signature: what it says by itself, and what it relies on from the chains. Work is
//! bounded by bytes: one recovery per 64 of them.

use alloc::vec::Vec;

use super::delegation::Permission;
use super::digest::approval_digest;
use super::signature::{MAX_NESTING, OrganisationError, OrganisationSignature};
use super::{Board, Delegation};
use crate::crypto::{COMPACT_SIGNATURE_BYTES, KeyCache, Signature, SignatureError};
use crate::map::Map;
use crate::types::{EntityId, EntityKind, Hash, UnixSeconds};

/// Delegations that are remembered as verified.
const MAX_DELEGATIONS: usize = 4096;

/// What a signature relies on beyond itself: facts of the chains, and time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reliance {
    /// Boards of registered organisations and of accounts, by hash. Those of counterfactual ones are fixed.
    pub boards: Vec<(EntityId, Hash)>,
    /// Delegations, by hash, and their last second.
    pub delegations: Vec<(EntityId, Hash, UnixSeconds)>,
}

impl Reliance {
    /// What a signature relies on that was verified before.
    ///
    /// # Errors
    /// [`SignatureError`] for what has no such form.
    pub fn of(entity: &EntityId, signature: &Signature) -> Result<Self, SignatureError> {
        let mut walk = Walk { verifier: None, permission: None, reliance: Self::default() };
        walk.entity(entity, &Hash::ZERO, signature, &mut Vec::new())?;
        Ok(walk.reliance)
    }

    /// Whether it relies on nothing: an account's key, a counterfactual organisation's board.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.boards.is_empty() && self.delegations.is_empty()
    }

    fn extend(&mut self, other: &Self) {
        self.boards.extend_from_slice(&other.boards);
        self.delegations.extend_from_slice(&other.delegations);
    }
}

/// What is to be verified.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who is said to have signed.
    pub entity: &'a EntityId,
    /// What.
    pub digest: &'a Hash,
    /// The signature.
    pub signature: &'a Signature,
    /// For what: an operator must have it.
    pub permission: Permission,
}

/// Verifies, and remembers keys and delegations, so that a block by an operator costs one verification. What it remembers
/// never changes a verdict.
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    keys: KeyCache,
    delegations: Map<Hash, Reliance>,
}

impl Verifier {
    /// Checks all that does not depend on a chain, and says on what it relies; [`Directory`](super::Directory) judges that.
    ///
    /// # Errors
    /// [`SignatureError`] says what is wrong.
    pub fn verify(&mut self, claim: &Claim<'_>) -> Result<Reliance, SignatureError> {
        self.verify_within(claim, &[])
    }

    /// [`Verifier::verify`] for a member that signs inside these boards, the outermost first.
    pub(super) fn verify_within(&mut self, claim: &Claim<'_>, path: &[EntityId]) -> Result<Reliance, SignatureError> {
        let mut walk = Walk { verifier: Some(self), permission: Some(claim.permission), reliance: Reliance::default() };
        walk.entity(claim.entity, claim.digest, claim.signature, &mut path.to_vec())?;
        Ok(walk.reliance)
    }

    /// Number of keys and of delegations that are remembered.
    #[must_use]
    pub fn remembered(&self) -> (usize, usize) {
        (self.keys.len(), self.delegations.len())
    }

    fn remember(&mut self, name: Hash, reliance: Reliance) {
        if self.delegations.len() >= MAX_DELEGATIONS {
            self.delegations.clear();
        }
        self.delegations.insert(name, reliance);
    }
}

/// One way through a signature. Without a verifier only its form is looked at.
struct Walk<'a> {
    verifier: Option<&'a mut Verifier>,
    permission: Option<Permission>,
    reliance: Reliance,
}

impl Walk<'_> {
    /// `path`: the organisations inside whose boards this entity signs, from the outside.
    fn entity(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        path: &mut Vec<EntityId>,
    ) -> Result<(), SignatureError> {
        let kind = entity.check()?;
        if path.contains(entity) {
            return Err(OrganisationError::Cycle.into());
        }
        let account = matches!(kind, EntityKind::Account(_));
        if account && signature.as_bytes().len() == COMPACT_SIGNATURE_BYTES {
            return self.key(entity, digest, signature);
        }
        let parsed = match OrganisationSignature::parse(signature.as_bytes()) {
            Err(OrganisationError::Malformed) if account => {
                return Err(SignatureError::WrongLength { length: signature.as_bytes().len() });
            }
            parsed => parsed?,
        };
        if path.len() >= MAX_NESTING {
            return Err(OrganisationError::TooDeep.into());
        }
        path.push(*entity);
        match parsed {
            OrganisationSignature::Board { board, signatures } => {
                self.board(entity, kind, digest, &board, &signatures, path)?;
            }
            OrganisationSignature::Operator { delegation, approval, operator } => {
                self.operator(entity, digest, &delegation, &approval, operator, path)?;
            }
        }
        path.pop();
        Ok(())
    }

    fn key(&mut self, entity: &EntityId, digest: &Hash, signature: &Signature) -> Result<(), SignatureError> {
        self.verifier.as_mut().map_or(Ok(()), |verifier| verifier.keys.verify(entity, digest, signature))
    }

    fn board(
        &mut self,
        entity: &EntityId,
        kind: EntityKind,
        digest: &Hash,
        board: &Board,
        signatures: &[Option<Signature>],
        path: &mut Vec<EntityId>,
    ) -> Result<(), SignatureError> {
        let hash = board.hash();
        match kind {
            EntityKind::Counterfactual if EntityId::counterfactual(&hash) != *entity => {
                return Err(OrganisationError::WrongBoard.into());
            }
            EntityKind::Counterfactual => {}
            EntityKind::Registered | EntityKind::Account(_) => self.reliance.boards.push((*entity, hash)),
        }
        let signers = || board.members().iter().zip(signatures).filter_map(|(m, s)| Some((m, s.as_ref()?)));
        // Weights first: they cost nothing.
        let (mut weights, threshold) = (0_u64, board.threshold());
        for (member, _) in signers() {
            if weights >= u64::from(threshold) {
                return Err(OrganisationError::Unused.into());
            }
            weights = weights.saturating_add(u64::from(member.weight));
        }
        if weights < u64::from(threshold) {
            return Err(OrganisationError::BelowThreshold { weights, threshold }.into());
        }
        let wrapped = approval_digest(entity, digest);
        for (member, signature) in signers() {
            self.entity(&member.entity, &wrapped, signature, path)?;
        }
        Ok(())
    }

    fn operator(
        &mut self,
        entity: &EntityId,
        digest: &Hash,
        delegation: &Delegation,
        approval: &Signature,
        operator: [u8; COMPACT_SIGNATURE_BYTES],
        path: &mut Vec<EntityId>,
    ) -> Result<(), SignatureError> {
        if self.permission.is_some_and(|permission| !delegation.permissions().allow(permission)) {
            return Err(OrganisationError::NotPermitted.into());
        }
        // Nobody could count what leaves by a member's operator: the chain refuses it, too.
        let uncounted = path.len() > 1 && !delegation.limits().is_empty();
        if uncounted && self.permission == Some(Permission::Withdraw) {
            return Err(OrganisationError::NotPermitted.into());
        }
        self.key(&delegation.operator(), &approval_digest(entity, digest), &Signature::compact(operator))?;
        // What is within another board depends on where it stands, so only an outermost delegation is remembered.
        let name = (path.len() == 1).then(|| self.name(entity, delegation, approval));
        let known = name.as_ref().and_then(|name| self.verifier.as_ref()?.delegations.get(name)).cloned();
        let relied = match known {
            Some(known) => known,
            None => self.delegation(entity, delegation, approval, path)?,
        };
        self.reliance.extend(&relied);
        if let (Some(verifier), Some(name)) = (self.verifier.as_mut(), name) {
            verifier.remember(name, relied);
        }
        Ok(())
    }

    fn delegation(
        &mut self,
        entity: &EntityId,
        delegation: &Delegation,
        approval: &Signature,
        path: &mut Vec<EntityId>,
    ) -> Result<Reliance, SignatureError> {
        let outer = core::mem::take(&mut self.reliance);
        self.reliance.delegations.push((*entity, delegation.hash(), delegation.expiry()));
        let OrganisationSignature::Board { board, signatures } = OrganisationSignature::parse(approval.as_bytes())?
        else {
            return Err(OrganisationError::NotByBoard.into());
        };
        self.board(entity, entity.check()?, &delegation.digest(entity), &board, &signatures, path)?;
        Ok(core::mem::replace(&mut self.reliance, outer))
    }

    /// All that a delegation's verdict depends on.
    fn name(&self, entity: &EntityId, delegation: &Delegation, approval: &Signature) -> Hash {
        let mut hasher = xln_merkle::Keccak256::new();
        hasher.update(entity.as_bytes());
        hasher.update(&[self.permission.map_or(0, permission_number)]);
        hasher.update(&delegation.hash().0);
        hasher.update(approval.as_bytes());
        Hash(hasher.finalize())
    }
}

const fn permission_number(permission: Permission) -> u8 {
    match permission {
        Permission::States => 1,
        Permission::Dispute => 2,
        Permission::Withdraw => 3,
        Permission::Govern => 4,
    }
}
