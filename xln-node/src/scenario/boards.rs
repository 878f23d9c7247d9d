//! Entities with members: who they are, and how everybody signs. The runner holds all keys, but a board's node has none: it
//! asks, and each member answers for itself.

use std::collections::BTreeMap;

use xln_core::crypto::{LocalSigner, SignError, SignOutcome, Signature, Signer};
use xln_core::entity::{
    Board, Delegation, MemberSigner, OperatorSigner, Permission, Permissions, Quorum, QuorumRequest, Verifier,
};
use xln_core::machine::{EffectId, Input};
use xln_core::types::{EntityId, Hash};

use super::file::{EntitySpec, Scenario};
use super::refusal::RunError;
use super::world::World;

/// A board's node: it has no key of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere(pub EntityId);

impl Signer for Elsewhere {
    fn entity(&self) -> EntityId {
        self.0
    }

    fn sign(&self, _: &Hash) -> Result<SignOutcome, SignError> {
        Ok(SignOutcome::Pending)
    }
}

/// The entities of a file that have members, those inside of others first.
///
/// # Errors
/// [`RunError`] for members that do not exist, or boards that contain each other.
pub(super) fn in_order(scenario: &Scenario) -> Result<Vec<(&String, &EntitySpec)>, RunError> {
    let mut waiting: Vec<_> = scenario.entities.iter().filter(|(_, spec)| !spec.members.is_empty()).collect();
    let mut ordered: Vec<(&String, &EntitySpec)> = Vec::new();
    while !waiting.is_empty() {
        let ready = |spec: &EntitySpec| {
            spec.members.iter().all(|(member, _)| {
                let is_account = scenario.entities.get(member).is_some_and(|m| m.members.is_empty());
                is_account || ordered.iter().any(|(name, _)| *name == member)
            })
        };
        let Some(at) = waiting.iter().position(|(_, spec)| ready(spec)) else {
            for (member, _) in waiting.iter().flat_map(|(_, spec)| &spec.members) {
                if !scenario.entities.contains_key(member) {
                    return Err(RunError::Unknown { kind: "entity", name: member.clone() });
                }
            }
            return Err(RunError::Malformed("boards contain each other".to_owned()));
        };
        ordered.push(waiting.remove(at));
    }
    Ok(ordered)
}

/// A board of entities by name.
///
/// # Errors
/// [`RunError`] for a member that has no id yet, a threshold or weights that no board has.
pub(super) fn board_of(
    ids: &BTreeMap<String, EntityId>,
    threshold: Option<u64>,
    members: &[(String, u64)],
) -> Result<Board, RunError> {
    let invalid = || RunError::Malformed("a board needs a threshold, and weights that reach it".to_owned());
    let narrow = |n: u64| u32::try_from(n).map_err(|_| invalid());
    let mut list = Vec::with_capacity(members.len());
    for (name, weight) in members {
        let id = ids.get(name).ok_or_else(|| RunError::Unknown { kind: "entity", name: name.clone() })?;
        list.push((*id, narrow(*weight)?));
    }
    Board::new(narrow(threshold.ok_or_else(invalid)?)?, &list).map_err(|error| RunError::Malformed(error.to_string()))
}

/// What an entity has delegated.
#[derive(Clone, Debug)]
pub struct Delegated {
    /// The name of the operator.
    pub operator: String,
    /// What was delegated, and by whose signature.
    pub signer: OperatorSigner<LocalSigner>,
}

impl World {
    /// A signature of any entity: by its key, its operator, or as many of its members as are needed.
    ///
    /// # Errors
    /// [`RunError`] if a key or the members cannot sign.
    pub fn sign_as(&self, name: &str, digest: &Hash, permission: Permission) -> Result<Signature, RunError> {
        let party = self.party(name)?;
        if let Some(delegated) = &party.delegated
            && delegated.signer.delegation().permissions().allows(permission)
            && let Ok(SignOutcome::Signed(signature)) = delegated.signer.sign(digest)
        {
            return Ok(signature);
        }
        if !self.boards.contains_key(&party.id) {
            return party.signer.sign_digest(digest).map_err(|_| RunError::Value("a key did not sign"));
        }
        self.sign_by_members(&party.id, digest, permission)
    }

    fn sign_by_members(&self, id: &EntityId, digest: &Hash, permission: Permission) -> Result<Signature, RunError> {
        let boards = self.boards.iter().map(|(id, board)| (*id, board.clone()));
        let wrong = |_| RunError::Value("a board cannot sign");
        let mut quorum = Quorum::new(*id, *digest, permission, boards).map_err(wrong)?;
        let mut verifier = Verifier::default();
        for QuorumRequest { path, member, .. } in quorum.requests().collect::<Vec<_>>() {
            if self.boards.contains_key(&member) {
                continue;
            }
            let key = self.party(&self.name(&member))?.signer.clone();
            let approval =
                MemberSigner::new(key).approve(&path, digest).map_err(|_| RunError::Value("a key did not sign"))?;
            quorum.add(&mut verifier, approval).map_err(wrong)?;
        }
        quorum
            .signature()
            .map_err(|_| RunError::Value("a board's signature is too long"))?
            .ok_or(RunError::Value("members do not suffice"))
    }

    /// Answers what a board's node asks its members for.
    ///
    /// # Errors
    /// [`RunError`] of the node.
    pub fn answer_signing(&mut self, name: &str, request: EffectId, digest: &Hash, permission: Permission) -> Result<(), RunError> {
        let signature = self.sign_as(name, digest, permission)?;
        self.feed(name, vec![Input::Signed { request, signature }])
    }

    /// Lets a board delegate to an operator's key.
    ///
    /// # Errors
    /// [`RunError`] for names that do not exist.
    pub(super) fn delegate(&mut self, of: &str, to: &super::step::Delegate) -> Result<(), RunError> {
        const YEAR_S: u64 = 31_536_000;
        let id = self.id(of)?;
        let key = self.party(&to.operator)?.signer.clone();
        let named = to.permissions.iter().map(|name| match name.as_str() {
            "states" => Ok(Permission::States),
            "dispute" => Ok(Permission::Dispute),
            "withdraw" => Ok(Permission::Withdraw),
            "govern" => Ok(Permission::Govern),
            _ => Err(RunError::Malformed(format!("there is no permission `{name}`"))),
        });
        let mut permissions = named.collect::<Result<Vec<_>, _>>()?;
        if permissions.is_empty() {
            permissions.extend([Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern]);
        }
        let expiry = self.now.plus(to.expires_in_s.unwrap_or(YEAR_S));
        let invalid = |_| RunError::Value("a delegation");
        self.serial = self.serial.saturating_add(1);
        let delegation = Delegation::new(key.address(), Permissions::of(&permissions), expiry, self.serial, &[])
            .map_err(invalid)?;
        let approval = self.sign_by_members(&id, &delegation.digest(&id), Permission::Govern)?;
        let signer =
            OperatorSigner::new(key, id, delegation, approval).map_err(|_| RunError::Value("an operator"))?;
        self.party_mut(of)?.delegated = Some(Delegated { operator: to.operator.clone(), signer });
        Ok(())
    }
}
