//! Keys, accounts with boards, registered and counterfactual organisations, and what happens to them.

use std::collections::BTreeMap;

use xln_chain::client::{GovernCall, Registration, VotingTerms};
use xln_chain::{Cursor, WatchConfig, Watcher};
use xln_core::chain::ChainFact;
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::entity::{
    Board, Delegation, Directory, Limit, OrganisationSignature, Permission, Permissions, Verifier, approval_digest,
};
use xln_core::types::{EntityId, Hash, TokenId, UnixSeconds};

use crate::common::*;
use crate::random::Random;

const KEYS: u8 = 6;

pub struct Crowd {
    pub world: World,
    pub entities: Vec<EntityId>,
    pub directory: Directory,
    pub verifier: Verifier,
    keys: BTreeMap<EntityId, LocalSigner>,
    /// Boards of an entity, the present one last.
    boards: BTreeMap<EntityId, Vec<Board>>,
    registered: Vec<EntityId>,
    delegations: Vec<(EntityId, Delegation, Signature)>,
    interesting: Vec<UnixSeconds>,
    watcher: Watcher,
}

impl Crowd {
    pub fn new(random: &mut Random) -> Self {
        let world = World::new(1);
        let keys: BTreeMap<_, _> = (1..=KEYS).map(|n| (entity(&key(n)), key(n))).collect();
        let config = WatchConfig::new(entity(&key(1)), &world.deployment, 0);
        let watcher = Watcher::new(world.deployment.chain, config, &Cursor::default());
        let entities = keys.keys().copied().collect();
        let mut crowd = Self {
            world,
            entities,
            directory: Directory::default(),
            verifier: Verifier::default(),
            keys,
            boards: BTreeMap::new(),
            registered: Vec::new(),
            delegations: Vec::new(),
            interesting: Vec::new(),
            watcher,
        };
        // Each may have all before it in its board, so that boards get deep.
        for _ in 0..8 {
            let board = crowd.board(random);
            if random.chance(50) {
                crowd.boards.insert(board.counterfactual(), vec![board.clone()]);
                crowd.entities.push(board.counterfactual());
            } else {
                let terms = VotingTerms {
                    voting_period_s: 1,
                    delay_s: 0,
                    execution_period_s: 1,
                    quorum_ppm: 1,
                    proposer_ppm: 0,
                };
                let new = Registration { board: Some(board.hash()), terms, holders: vec![] };
                let id = now(crowd.world.client.entities().register(&key(9), &new));
                crowd.boards.insert(id, vec![board]);
                crowd.registered.push(id);
                crowd.entities.push(id);
            }
        }
        crowd
    }

    /// Late entities are likelier members: deep boards.
    fn board(&self, random: &mut Random) -> Board {
        let mut members = BTreeMap::new();
        for _ in 0..=random.below(3) {
            let among = if random.chance(60) { self.entities.len().saturating_sub(2) } else { 0 };
            let member = random.pick(&self.entities[among.min(self.entities.len() - 1)..]);
            members.insert(member, 1 + random.below(3) as u32);
        }
        let sum: u32 = members.values().sum();
        let threshold = 1 + random.below(u64::from(sum)) as u32;
        Board::new(threshold, &members.into_iter().collect::<Vec<_>>()).unwrap()
    }

    /// Something about who signs changes.
    pub fn event(&mut self, random: &mut Random) {
        let client = self.world.client.entities();
        match random.below(4) {
            // An account gets a board, perhaps one with itself in it.
            0 | 1 => {
                let number = 1 + random.below(u64::from(KEYS)) as u8;
                let (account, board) = (key(number), self.board(random));
                if now(client.board(&entity(&account))) != Some(board.hash()) {
                    now(client.govern(&account, &GovernCall::RecordBoard(Some(board.hash()))));
                    self.boards.entry(entity(&account)).or_default().push(board);
                }
            }
            2 if !self.registered.is_empty() => {
                let id = random.pick(&self.registered);
                let board = self.board(random);
                let expiry = UnixSeconds(u64::MAX);
                let decision = now(client.prepare(id, expiry, &GovernCall::ProposeBoard(board.hash())));
                let present = self.boards[&id].last().unwrap().clone();
                let Some(signature) = self.by_board(random, &id, &present, &decision.digest(), 0, true) else { return };
                // It may be nested too deeply to sign.
                if attempt(client.relay(&key(9), &decision, &signature)).is_ok() {
                    self.world.chain.advance(self.world.deployment.board_delay_s);
                    now(client.activate_board(&key(9), &id));
                    self.boards.get_mut(&id).unwrap().push(board);
                }
            }
            _ => {
                let Some((id, delegation, _)) = self.delegations.last().cloned() else { return };
                let digest = client.revoke_digest(&id, &delegation.hash());
                let Some(board) = self.boards.get(&id).and_then(|boards| boards.last()).cloned() else { return };
                let Some(signature) = self.by_board(random, &id, &board, &digest, 0, true) else { return };
                let _ = attempt(client.revoke_for(&key(9), &id, &delegation.hash(), &signature));
            }
        }
        let at = self.world.chain.now();
        self.interesting.push(at.plus(self.world.deployment.grace_s));
        self.world.chain.advance(random.below(50));
    }

    /// Hears what the chain says.
    pub fn catch_up(&mut self) {
        loop {
            let facts = now(self.watcher.poll(&self.world.chain));
            if facts.is_empty() {
                return;
            }
            for fact in facts {
                if let ChainFact::Block { point, entities, .. } = fact {
                    self.directory.advance(&point, &entities);
                }
            }
        }
    }

    /// Times at which something may end, and the seconds after.
    pub fn boundaries(&self) -> Vec<UnixSeconds> {
        self.interesting.iter().flat_map(|time| [*time, time.plus(1)]).collect()
    }

    /// A signature by whatever means, well made if `strict`; `None` where there is none.
    pub fn sign(&mut self, random: &mut Random, id: &EntityId, digest: &Hash, depth: usize) -> Option<Signature> {
        self.sign_as(random, id, digest, depth, false)
    }

    fn sign_as(
        &mut self,
        random: &mut Random,
        id: &EntityId,
        digest: &Hash,
        depth: usize,
        strict: bool,
    ) -> Option<Signature> {
        let boards = self.boards.get(id).cloned().unwrap_or_default();
        if let Some(key) = self.keys.get(id)
            && (strict || boards.is_empty() || random.chance(60))
        {
            return Some(key.sign_digest(digest).unwrap());
        }
        // Endless where boards contain each other.
        if depth > 5 {
            return None;
        }
        let old = !strict && random.chance(25);
        let board =
            if old { boards[random.below(boards.len() as u64) as usize].clone() } else { boards.last()?.clone() };
        if !strict && random.chance(35) {
            return self.by_operator(random, id, &board, digest, depth);
        }
        self.by_board(random, id, &board, digest, depth, strict)
    }

    fn by_board(
        &mut self,
        random: &mut Random,
        id: &EntityId,
        board: &Board,
        digest: &Hash,
        depth: usize,
        strict: bool,
    ) -> Option<Signature> {
        let wrapped = approval_digest(id, digest);
        let mut missing = i64::from(board.threshold());
        // Now and then one signature more or less than it takes.
        missing += if strict { 0 } else { random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1]) };
        let rest: i64 = board.members().iter().map(|member| i64::from(member.weight)).sum();
        let mut spare = rest - missing;
        let mut signatures = Vec::new();
        for member in board.members().to_vec() {
            let weight = i64::from(member.weight);
            let skip = missing <= 0 || (spare >= weight && random.chance(40));
            if skip {
                spare -= weight;
                signatures.push(None);
            } else {
                missing -= weight;
                // In the wrong wrapping: a digest that was meant for something else.
                let bare = !strict && random.chance(2);
                let asked = if bare { digest } else { &wrapped };
                signatures.push(Some(self.sign_as(random, &member.entity, asked, depth + 1, strict)?));
            }
        }
        OrganisationSignature::Board { board: board.clone(), signatures }.encode().ok()
    }

    fn by_operator(
        &mut self,
        random: &mut Random,
        id: &EntityId,
        board: &Board,
        digest: &Hash,
        depth: usize,
    ) -> Option<Signature> {
        let again: Vec<_> = self.delegations.iter().filter(|(of, ..)| of == id).cloned().collect();
        let (delegation, approval) = if !again.is_empty() && random.chance(40) {
            let (_, delegation, approval) = again[random.below(again.len() as u64) as usize].clone();
            (delegation, approval)
        } else {
            let all = [Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern];
            let mut some: Vec<_> = all.into_iter().filter(|_| random.chance(60)).collect();
            if some.is_empty() || random.chance(30) {
                some = all.to_vec();
            }
            let expiry = self.world.chain.now().plus(random.pick(&[0, 20, 100, 100_000]));
            let limit = Limit { key: self.world.deployment.key(), token: TokenId(0), amount: 5 };
            let limits = if random.chance(30) { vec![limit] } else { vec![] };
            let operator = key(1 + random.below(u64::from(KEYS)) as u8).address();
            let serial = random.below(100) as u32;
            let delegation = Delegation::new(operator, Permissions::of(&some), expiry, serial, limits).unwrap();
            let approval = self.by_board(random, id, board, &delegation.digest(id), depth, false)?;
            self.interesting.extend([expiry, expiry.plus(self.world.deployment.grace_s)]);
            self.delegations.push((*id, delegation.clone(), approval.clone()));
            (delegation, approval)
        };
        let operator = &self.keys[&delegation.operator()];
        let own = operator.sign_digest(&approval_digest(id, digest)).unwrap();
        let operator = own.as_bytes().try_into().unwrap();
        OrganisationSignature::Operator { delegation, approval, operator }.encode().ok()
    }
}
