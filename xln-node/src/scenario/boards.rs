//! Entities with members: who they are, and how everybody signs. The runner holds all keys, but a board's node has none: it
//! asks, and each member answers for itself.

use std::collections::BTreeMap;

use alloy_sol_types::SolError;
use xln_chain::client::{Authority, GovernCall, Operation};
use xln_chain::contracts::depository::Depository;
use xln_chain::{Chain, ChainError, Receipt};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::Purpose;
use xln_core::crypto::{LocalSigner, SignError, SignOutcome, Signature, Signer};
use xln_core::entity::{
    Board, Delegation, MemberSigner, OperatorSigner, Permission, Permissions, Quorum, QuorumRequest, Verifier,
};
use xln_core::machine::{EffectId, Input};
use xln_core::types::{EntityId, Hash, UnixSeconds};

use super::file::{EntitySpec, Scenario};
use super::ground::{Client, Ground, now};
use super::refusal::{Refusal, RunError, Verdict};
use super::step::Act;
use super::world::{World, key};

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

/// Tries to put one entity left of another at most so often.
const MAX_TRIES: u64 = 10_000;

/// Keys of all entities by name: an account's own, or the wallet that sends in the name of one with members. `left` decides by
/// trying.
///
/// # Errors
/// [`RunError`] for an order that cannot be.
pub(super) fn wallets(scenario: &Scenario) -> Result<BTreeMap<String, LocalSigner>, RunError> {
    let keys = |salt_of: &dyn Fn(&str) -> u64| {
        let keys = scenario.entities.keys().map(|name| Ok((name.clone(), key(name, salt_of(name))?)));
        keys.collect::<Result<BTreeMap<_, _>, RunError>>()
    };
    let first = keys(&|_| 0)?;
    let Some((left, right)) = &scenario.left else { return Ok(first) };
    let spec = |name: &String| {
        scenario.entities.get(name).ok_or_else(|| RunError::Unknown { kind: "entity", name: name.clone() })
    };
    let (l, r) = (spec(left)?, spec(right)?);
    if left == right {
        return Err(RunError::Malformed("`left` names one entity twice".to_owned()));
    }
    let kind = |spec: &EntitySpec| (!spec.members.is_empty(), spec.registered);
    if kind(l) != kind(r) {
        return Err(RunError::Malformed("`left` orders two entities of one kind".to_owned()));
    }
    if l.registered {
        // The one that is registered first has the smaller number: see `entities`.
        return Ok(first);
    }
    for salt in 0..=MAX_TRIES {
        // The right one's key, or those of everybody that its board may consist of.
        let tried = keys(&|name| if r.members.is_empty() == (name == right) { salt } else { 0 })?;
        let (ids, _) = entities(scenario, &tried, None)?;
        if ids.get(left) < ids.get(right) {
            return Ok(tried);
        }
    }
    Err(RunError::Value("no keys for this order"))
}

/// Ids of all entities by name, and boards by id. Registered ones are registered on the first chain; without a ground they get
/// a stand-in.
///
/// # Errors
/// [`RunError`] for boards that cannot be.
#[expect(clippy::type_complexity, reason = "ids and boards")]
pub(super) fn entities(
    scenario: &Scenario,
    wallets: &BTreeMap<String, LocalSigner>,
    ground: Option<&Ground>,
) -> Result<(BTreeMap<String, EntityId>, BTreeMap<EntityId, Board>), RunError> {
    let (mut ids, mut boards) = (BTreeMap::new(), BTreeMap::new());
    for (name, spec) in &scenario.entities {
        if let (true, Some(wallet)) = (spec.members.is_empty(), wallets.get(name)) {
            ids.insert(name.clone(), wallet.entity());
        }
    }
    let mut ordered = in_order(scenario)?;
    if let Some((left, right)) = &scenario.left {
        let place = |name: &String| ordered.iter().position(|(n, _)| *n == name);
        if let (Some(l), Some(r)) = (place(left), place(right))
            && l > r
        {
            // Only where neither is inside of the other: else the order of the numbers is given.
            ordered.swap(l, r);
        }
    }
    for (name, spec) in ordered {
        let board = board_of(&ids, spec.threshold, &spec.members)?;
        let id = match ground.filter(|_| spec.registered) {
            Some(ground) => ground.register(&board)?,
            None => board.counterfactual(),
        };
        ids.insert(name.clone(), id);
        boards.insert(id, board);
    }
    Ok((ids, boards))
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
            && delegated.signer.delegation().permissions().allow(permission)
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
    pub fn answer_signing(
        &mut self,
        name: &str,
        request: EffectId,
        digest: &Hash,
        purpose: &Purpose,
    ) -> Result<(), RunError> {
        let permission = match purpose {
            Purpose::Settlement { .. } => Permission::Withdraw,
            _ => Permission::States,
        };
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
        let delegation = Delegation::new(key.address(), Permissions::of(&permissions), expiry, self.serial, Vec::new())
            .map_err(invalid)?;
        let approval = self.sign_by_members(&id, &delegation.digest(&id), Permission::States)?;
        let signer = OperatorSigner::new(key, id, delegation, approval).map_err(|_| RunError::Value("an operator"))?;
        self.party_mut(of)?.delegated = Some(Delegated { operator: to.operator.clone(), signer });
        Ok(())
    }

    /// One operation of an entity in a Depository: by its own account, or by its wallet with the entity's signature.
    ///
    /// # Errors
    /// [`RunError`] if the members cannot sign.
    pub(super) fn operate(
        &self,
        by: &str,
        client: &Client,
        operation: &Operation,
    ) -> Result<Result<Receipt, RunError>, RunError> {
        let party = self.party(by)?;
        if party.is_account() {
            return Ok(now(client.operate(&party.signer, operation)));
        }
        let batch = client.batch(party.id).then(operation).and_then(|batch| {
            let nonce = now(client.batch_nonce(&party.id)).map_err(|_| ChainError::OutOfRange)?;
            batch.build(nonce, self.in_s(3600))
        });
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return Ok(Err(error.into())),
        };
        let signature = self.sign_as(by, &batch.digest(), batch.permission())?;
        let sent = client.chain().execute(&party.signer, batch.transaction(Some(&signature)));
        Ok(now(sent).map_err(first_cause))
    }

    /// What a machine asks for, in its entity's name.
    ///
    /// # Errors
    /// [`RunError`] for a Depository that is none of the story's, or members that cannot sign.
    pub(super) fn submit_as(&self, by: &str, action: &ChainAction) -> Result<Result<Receipt, RunError>, RunError> {
        let party = self.party(by)?;
        let place = self.ground.place_of(&action.key).ok_or(RunError::Value("depository"))?;
        let anybodys = matches!(
            action.call,
            ChainCall::Reveal { .. }
                | ChainCall::Record { .. }
                | ChainCall::CooperativeUpdate { .. }
                | ChainCall::CooperativeClose { .. }
        );
        if party.is_account() || anybodys {
            return Ok(now(place.client.submit(&party.signer, action)));
        }
        let (action, authority) = (action.clone(), Authority::Sender);
        self.operate(by, &place.client, &Operation::Act { action, authority })
    }

    /// The step `board`: another board of a registered organisation, a delegation, or its revocation.
    ///
    /// # Errors
    /// [`RunError`] for names that do not exist, or a chain that failed.
    pub(super) fn change_board(&mut self, act: &Act) -> Result<Verdict, RunError> {
        let Act::Board { of, threshold, members, delegate, revoke } = act else { return Ok(Ok(())) };
        let id = self.id(of)?;
        if !self.boards.contains_key(&id) {
            return Ok(Err(Refusal::named("NoBoard", "this entity has no members")));
        }
        if let Some(delegate) = delegate {
            self.delegate(of, delegate)?;
        }
        if let Some(operator) = revoke {
            let given = self.party(of)?.delegated.clone().filter(|given| given.operator == *operator);
            let Some(given) = given else {
                return Ok(Err(Refusal::named("NoDelegation", "nothing was delegated to this operator")));
            };
            let revoked = given.signer.delegation().hash();
            let places: Vec<String> = self.ground.places.keys().cloned().collect();
            for place in places {
                if !id.may_use(self.ground.place(&place)?.client.deployment().chain) {
                    continue;
                }
                let verdict = self.revoke(of, id, &place, &revoked)?;
                if verdict.is_err() {
                    return Ok(verdict);
                }
            }
            self.party_mut(of)?.delegated = None;
        }
        if threshold.is_none() && members.is_empty() {
            Ok(Ok(()))
        } else {
            self.replace_board(of, id, *threshold, members)
        }
    }

    fn revoke(&mut self, of: &str, id: EntityId, place: &str, delegation: &Hash) -> Result<Verdict, RunError> {
        let entities = self.ground.place(place)?.client.entities();
        let signature = self.sign_by_members(&id, &entities.revoke_digest(&id, delegation), Permission::Govern)?;
        let sent = now(entities.revoke_for(&self.party(of)?.signer, &id, delegation, &signature));
        let verdict = self.receipt(sent)?;
        if verdict.is_ok() {
            let until = self.grace_end()?;
            self.shadow.revoke(place, id, *delegation, until);
        }
        Ok(verdict)
    }

    /// Proposed and, since nobody waits in a story, activated.
    fn replace_board(
        &mut self,
        of: &str,
        id: EntityId,
        threshold: Option<u32>,
        members: &[(String, u32)],
    ) -> Result<Verdict, RunError> {
        let ids = self.parties.iter().map(|(name, party)| (name.clone(), party.id)).collect();
        let members: Vec<_> = members.iter().map(|(name, weight)| (name.clone(), u64::from(*weight))).collect();
        let board = board_of(&ids, threshold.map(u64::from), &members)?;
        let (entities, wallet) = (self.ground.place("a")?.client.entities(), self.party(of)?.signer.clone());
        let govern = now(entities.prepare(id, self.in_s(3600), &GovernCall::ProposeBoard(board.hash())))?;
        let signature = self.sign_by_members(&id, &govern.digest(), Permission::Govern)?;
        let proposed = now(entities.relay(&wallet, &govern, &signature));
        let verdict = self.receipt(proposed)?;
        if verdict.is_err() {
            return Ok(verdict);
        }
        let activated = now(entities.activate_board(&wallet, &id));
        let verdict = self.receipt(activated)?;
        if verdict.is_ok() {
            let (hash, until) = (board.hash(), self.grace_end()?);
            self.boards.insert(id, board);
            self.shadow.board(id, hash, until);
            self.lapse(id);
        }
        Ok(verdict)
    }

    /// What the board before has delegated, alone or inside of others, is not used any more.
    fn lapse(&mut self, replaced: EntityId) {
        let mut reached = vec![replaced];
        while let Some(id) = reached.pop() {
            let outer =
                self.boards.iter().filter(|(_, board)| board.members().iter().any(|member| member.entity == id));
            reached.extend(outer.map(|(outer, _)| *outer));
            self.parties.values_mut().filter(|party| party.id == id).for_each(|party| party.delegated = None);
        }
    }

    fn grace_end(&self) -> Result<UnixSeconds, RunError> {
        Ok(self.in_s(self.ground.place("a")?.client.deployment().grace_s))
    }
}

/// Of a batch of one operation that failed, what failed.
fn first_cause(error: RunError) -> RunError {
    let RunError::Chain(ChainError::Reverted { data, .. }) = &error else { return error };
    match Depository::OperationFailed::abi_decode(data) {
        Ok(failed) => RunError::Chain(ChainError::reverted(failed.reason)),
        Err(_) => error,
    }
}
