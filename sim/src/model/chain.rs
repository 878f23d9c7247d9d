//! The Depository's dispute game of one channel in one token, as `docs/protocol.md` section 7 has it: small and pure. What a
//! body comes out at is decided by `xln_core::proof::resolve_with`, which the contracts are compared with elsewhere.

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use xln_core::chain::{ChainAction, ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::commitment::Evidence;
use xln_core::crypto::{Signature, recover_address};
use xln_core::proof::{
    self, Body, DepositoryDomain, Dispute, FillsGiven, ResolveError, World, fills_hash, resolve_with,
};
use xln_core::subcontract::Instruments;
use xln_core::types::{
    Address, ChainPoint, DisputeFact, Hash, HashKind, Nonce, Pair, Reveal, Side, SubchannelFacts, TokenFact,
    UnixSeconds,
};

use super::{KEY, PROVIDER, USD, WINDOW_S, index, signed};

/// Why a call reverts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Revert {
    /// It came too late, or something else came before: no fault of whoever made it.
    Overtaken,
    /// A clause is undecided.
    Pending,
    /// The caller's role forbids it, or a signature that it needs is not there.
    Role,
}

/// What each side has: reserves beyond the start, and what left owes right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub(super) struct Books {
    /// Reserves beyond the start, left's and right's.
    pub(super) reserves: [i128; 2],
    /// What left owes right as a debt; negative if right owes.
    pub(super) owed: i128,
}

impl Books {
    /// All that a side has on chain, debts at their face.
    pub(super) const fn wealth(&self, side: Side) -> i128 {
        match side {
            Side::Left => self.reserves[0] - self.owed,
            Side::Right => self.reserves[1] + self.owed,
        }
    }
}

/// The chain.
#[derive(Clone)]
pub(super) struct Chain {
    pair: Pair,
    /// Number of the last block.
    pub(super) number: u64,
    /// Facts of the subchannel.
    pub(super) epoch: u32,
    pub(super) settlement_nonce: u32,
    pub(super) collateral: u128,
    pub(super) ondelta: i128,
    pub(super) dispute: Option<DisputeFact>,
    /// Whether the running dispute was started by the starter's own node, with its best state.
    pub(super) honest: bool,
    reveals: Vec<(HashKind, Hash, UnixSeconds)>,
    pub(super) books: Books,
    /// All blocks so far, as the watchers report them.
    pub(super) blocks: Arc<Vec<Arc<ChainFact>>>,
    /// The facts at every block.
    pub(super) history: Arc<Vec<(ChainPoint, SubchannelFacts)>>,
}

impl Chain {
    pub(super) fn new(pair: Pair) -> Self {
        Self {
            pair,
            number: 0,
            epoch: 0,
            settlement_nonce: 0,
            collateral: 0,
            ondelta: 0,
            dispute: None,
            honest: false,
            reveals: Vec::new(),
            books: Books::default(),
            blocks: Arc::default(),
            history: Arc::default(),
        }
    }

    pub(super) fn hash_into(&self, h: &mut impl Hasher) {
        (self.number, self.epoch, self.settlement_nonce, self.collateral, self.ondelta, self.honest).hash(h);
        self.books.hash(h);
        for (point, _) in self.history.iter() {
            (point.hash.0, point.timestamp.0).hash(h);
        }
        if let Some(d) = &self.dispute {
            (d.nonce, d.started_at.0, d.starter.is_left(), d.answered, d.body_hash.0).hash(h);
        }
        for (_, hash, at) in &self.reveals {
            (hash.0, at.0).hash(h);
        }
    }

    /// Mines a block with these changes.
    pub(super) fn mine(&mut self, now: UnixSeconds, kinds: Vec<ChangeKind>, reveals: Vec<Reveal>) {
        self.number += 1;
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&self.number.to_be_bytes());
        hash[8..16].copy_from_slice(&super::node::short(format!("{kinds:?}{reveals:?}")).to_be_bytes());
        let point = ChainPoint { chain: KEY.chain, number: self.number, hash: Hash(hash), timestamp: now };
        let changes = kinds.into_iter().map(|kind| ChainChange { key: KEY, pair: self.pair, kind }).collect();
        let block = ChainFact::Block { point, changes, reveals, facts: Vec::new(), entities: Vec::new() };
        Arc::make_mut(&mut self.blocks).push(Arc::new(block));
        let facts = SubchannelFacts {
            epoch: self.epoch,
            settlement_nonce: self.settlement_nonce,
            dispute: self.dispute,
            tokens: vec![TokenFact { token: USD, collateral: self.collateral, ondelta: self.ondelta }],
        };
        Arc::make_mut(&mut self.history).push((point, facts));
    }

    /// Money is put into the channel for left or right.
    pub(super) fn deposit(&mut self, now: UnixSeconds, amount: u128, for_left: u128) {
        self.collateral += amount;
        self.ondelta += signed(for_left);
        self.books.reserves[0] -= signed(for_left);
        self.books.reserves[1] -= signed(amount - for_left);
        let kinds = vec![self.collateral_change()];
        self.mine(now, kinds, Vec::new());
    }

    const fn collateral_change(&self) -> ChangeKind {
        ChangeKind::Collateral(TokenFact { token: USD, collateral: self.collateral, ondelta: self.ondelta })
    }

    fn is_by(&self, side: Side, digest: &Hash, signature: Option<&Signature>) -> Result<(), Revert> {
        let found = signature.and_then(|s| recover_address(digest, s).ok());
        if found.is_some() && found == self.pair.entity(side).address() { Ok(()) } else { Err(Revert::Role) }
    }

    fn proves(&self, side: Side, evidence: &Evidence) -> Result<(), Revert> {
        if evidence.epoch != self.epoch {
            return Err(Revert::Overtaken);
        }
        let leaf = proof::subchannel_leaf(&KEY, self.epoch, &evidence.body_hash());
        if !proof::verify_path(&leaf, &evidence.path, &evidence.root) {
            return Err(Revert::Role);
        }
        let digest = proof::channel_state_digest(&self.pair.channel_key(), evidence.nonce, &evidence.root);
        self.is_by(side, &digest, evidence.signature(side))
    }

    /// Starts a dispute: `starter` shows a state that the other side signed.
    pub(super) fn start(
        &mut self,
        now: UnixSeconds,
        starter: Side,
        evidence: &Evidence,
        fills: &[u8],
        honest: bool,
    ) -> Result<(), Revert> {
        if self.dispute.is_some() {
            return Err(Revert::Overtaken);
        }
        self.proves(starter.other(), evidence)?;
        self.open(now, starter, (evidence.nonce, evidence.body_hash()), fills, honest, Vec::new());
        Ok(())
    }

    fn open(
        &mut self,
        now: UnixSeconds,
        starter: Side,
        (nonce, body_hash): (Nonce, Hash),
        fills: &[u8],
        honest: bool,
        body: Vec<u8>,
    ) {
        self.honest = honest;
        let dispute = DisputeFact {
            nonce: nonce.0,
            started_at: now,
            starter,
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: fills_hash(fills),
            answerer_fills_hash: Hash::ZERO,
        };
        self.record(now, dispute, fills, body);
    }

    fn record(&mut self, now: UnixSeconds, dispute: DisputeFact, fills: &[u8], body: Vec<u8>) {
        self.dispute = Some(dispute);
        let kind = ChangeKind::Dispute { epoch: self.epoch, dispute, fills: fills.to_vec(), body };
        self.mine(now, vec![kind], Vec::new());
    }

    fn answerable(&self, now: UnixSeconds, shown: &DisputeFact) -> Result<DisputeFact, Revert> {
        let running = self.dispute.filter(|d| d == shown).ok_or(Revert::Overtaken)?;
        if now > running.started_at.plus(WINDOW_S) { Err(Revert::Overtaken) } else { Ok(running) }
    }

    /// The non-starter takes the shown state.
    pub(super) fn accept(
        &mut self,
        now: UnixSeconds,
        by: Side,
        shown: &DisputeFact,
        fills: &[u8],
    ) -> Result<(), Revert> {
        let mut next = self.answerable(now, shown)?;
        if by == next.starter {
            return Err(Revert::Role);
        }
        if next.answered {
            return Err(Revert::Overtaken);
        }
        (next.answered, next.answered_at, next.answerer_fills_hash) = (true, now, fills_hash(fills));
        self.record(now, next, fills, Vec::new());
        Ok(())
    }

    /// A newer state is shown: by the non-starter with the starter's signature, or by anyone with both.
    pub(super) fn counter(
        &mut self,
        now: UnixSeconds,
        by: Side,
        shown: &DisputeFact,
        evidence: &Evidence,
        fills: &[u8],
        both: bool,
    ) -> Result<(), Revert> {
        let mut next = self.answerable(now, shown)?;
        if evidence.nonce.0 <= next.nonce {
            return Err(Revert::Overtaken);
        }
        next.nonce = evidence.nonce.0;
        if next.body_hash != evidence.body_hash() {
            next.body_hash = evidence.body_hash();
            (next.starter_fills_hash, next.answerer_fills_hash) = (Hash::ZERO, Hash::ZERO);
            next.answered_at = UnixSeconds(0);
        }
        self.proves(next.starter, evidence)?;
        if both {
            self.proves(next.starter.other(), evidence)?;
            next.answered = false;
            self.record(now, next, &[], Vec::new());
        } else {
            if by == next.starter {
                return Err(Revert::Role);
            }
            (next.answered, next.answered_at, next.answerer_fills_hash) = (true, now, fills_hash(fills));
            self.record(now, next, fills, Vec::new());
        }
        Ok(())
    }

    /// Ends the dispute.
    pub(super) fn finalize(
        &mut self,
        now: UnixSeconds,
        by: Side,
        shown: &DisputeFact,
        body: &[u8],
        fills: (&[u8], &[u8]),
    ) -> Result<(), Revert> {
        let running = self.dispute.filter(|d| d == shown).ok_or(Revert::Overtaken)?;
        let early = now <= running.started_at.plus(WINDOW_S) && !running.answered;
        if early && by == running.starter {
            return Err(Revert::Overtaken);
        }
        if proof::body_hash(body) != running.body_hash {
            return Err(Revert::Role);
        }
        self.books = self.outcome(body, now, &running, fills)?;
        (self.collateral, self.ondelta, self.dispute) = (0, 0, None);
        self.epoch += 1;
        let kinds = vec![self.collateral_change(), self.closed()];
        self.mine(now, kinds, Vec::new());
        Ok(())
    }

    const fn closed(&self) -> ChangeKind {
        ChangeKind::Closed { epoch: self.epoch, settlement_nonce: self.settlement_nonce }
    }

    /// What the books would be if this body were finalized now.
    pub(super) fn outcome(
        &self,
        body: &[u8],
        now: UnixSeconds,
        running: &DisputeFact,
        (starter, answerer): (&[u8], &[u8]),
    ) -> Result<Books, Revert> {
        let body = Body::parse(body).map_err(|_| Revert::Role)?;
        let facts = [TokenFact { token: USD, collateral: self.collateral, ondelta: self.ondelta }];
        let given = |bytes, at| FillsGiven { bytes, at };
        let fills = [given(starter, running.started_at), given(answerer, running.answered_at)];
        let [left_fills, right_fills] = if running.starter.is_left() { fills } else { [fills[1], fills[0]] };
        let (started_at, window_s) = (running.started_at, WINDOW_S);
        let dispute = Dispute { body: &body, facts: &facts, now, started_at, window_s, left_fills, right_fills };
        let reveals = |provider: &Address, kind: HashKind, hash: &Hash| {
            let found = self.reveals.iter().find(|(k, h, _)| *provider == PROVIDER && (*k, h) == (kind, hash));
            found.map(|(_, _, at)| *at)
        };
        let world = World { key: KEY, instruments: Instruments::default_ref(), reveals: &reveals, facts: &|_, _| None };
        let splits = resolve_with(&dispute, &world).map_err(|error| match error {
            ResolveError::PendingUntil(_) => Revert::Pending,
            _ => Revert::Role,
        })?;
        let mut books = self.books;
        for split in splits {
            books.reserves[0] += signed(split.left_reserve);
            books.reserves[1] += signed(split.right_reserve);
            match split.debt {
                Some((Side::Left, amount)) => books.owed += signed(amount),
                Some((Side::Right, amount)) => books.owed -= signed(amount),
                None => {}
            }
        }
        Ok(books)
    }

    /// Does what a node asks for.
    pub(super) fn execute(&mut self, now: UnixSeconds, by: Side, action: &ChainAction) -> Result<(), Revert> {
        match &action.call {
            ChainCall::StartDispute { starter, evidence, fills } => {
                if *starter != by {
                    return Err(Revert::Role);
                }
                self.start(now, by, evidence, fills, true)
            }
            ChainCall::StartEmptyDispute { starter, tokens } => {
                if *starter != by {
                    return Err(Revert::Role);
                }
                if self.dispute.is_some() {
                    return Err(Revert::Overtaken);
                }
                let tokens = tokens.iter().map(|token| (*token, 0)).collect();
                let body = Body { tokens, clauses: Vec::new() }.encode().map_err(|_| Revert::Role)?;
                self.open(now, by, (Nonce(0), proof::body_hash(&body)), &[], true, body);
                Ok(())
            }
            ChainCall::AcceptDispute { dispute, fills } => self.accept(now, by, dispute, fills),
            ChainCall::CounterDispute { dispute, evidence, fills, both } => {
                self.counter(now, by, dispute, evidence, fills, *both)
            }
            ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills } => {
                self.finalize(now, by, dispute, body, (starter_fills, answerer_fills))
            }
            ChainCall::CooperativeUpdate { expiry, update, left, right } => {
                if now > *expiry || self.dispute.is_some() {
                    return Err(Revert::Overtaken);
                }
                let bytes = update.encode().map_err(|_| Revert::Role)?;
                let domain = DepositoryDomain::new(KEY.chain, KEY.depository);
                let (key, nonce) = (self.pair.channel_key(), self.settlement_nonce);
                let digest = domain.cooperative_update(&key, self.epoch, nonce, *expiry, &bytes);
                // Signatures of an older epoch or settlement are no fault: it was executed already, or the epoch was closed.
                let valid = |side, s| self.is_by(side, &digest, Some(s)).map_err(|_| Revert::Overtaken);
                valid(Side::Left, left)?;
                valid(Side::Right, right)?;
                for diff in &update.diffs {
                    self.books.reserves[0] += diff.left;
                    self.books.reserves[1] += diff.right;
                    let collateral = signed(self.collateral) + diff.collateral().ok_or(Revert::Role)?;
                    self.collateral = u128::try_from(collateral).map_err(|_| Revert::Overtaken)?;
                    self.ondelta += diff.ondelta;
                }
                self.settlement_nonce += 1;
                let settled = ChangeKind::Settled { epoch: self.epoch, settlement_nonce: self.settlement_nonce };
                let kinds = vec![self.collateral_change(), settled];
                self.mine(now, kinds, Vec::new());
                Ok(())
            }
            ChainCall::CooperativeClose { expiry, body, left, right } => {
                if now > *expiry {
                    return Err(Revert::Overtaken);
                }
                let domain = DepositoryDomain::new(KEY.chain, KEY.depository);
                let (key, nonce) = (self.pair.channel_key(), self.settlement_nonce);
                let digest = domain.cooperative_close(&key, self.epoch, nonce, *expiry, body);
                let valid = |side, s| self.is_by(side, &digest, Some(s)).map_err(|_| Revert::Overtaken);
                valid(Side::Left, left)?;
                valid(Side::Right, right)?;
                let now_running = DisputeFact {
                    nonce: 0,
                    started_at: now,
                    starter: Side::Left,
                    answered: false,
                    answered_at: UnixSeconds(0),
                    body_hash: Hash::ZERO,
                    starter_fills_hash: Hash::ZERO,
                    answerer_fills_hash: Hash::ZERO,
                };
                self.books = self.outcome(body, now, &now_running, (&[], &[]))?;
                (self.collateral, self.ondelta, self.dispute) = (0, 0, None);
                self.epoch += 1;
                let kinds = vec![self.collateral_change(), self.closed()];
                self.mine(now, kinds, Vec::new());
                Ok(())
            }
            ChainCall::Reveal { provider, kind, secret } => {
                let hash = secret.hash(*kind);
                if self.reveals.iter().any(|(k, h, _)| (k, h) == (kind, &hash)) {
                    return Ok(());
                }
                self.reveals.push((*kind, hash, now));
                let reveal = Reveal { provider: *provider, kind: *kind, secret: *secret, at: now };
                self.mine(now, Vec::new(), vec![reveal]);
                Ok(())
            }
            ChainCall::Record { .. } => Err(Revert::Overtaken),
        }
    }

    /// Whether nobody can answer any more.
    pub(super) fn is_over(&self, now: UnixSeconds) -> bool {
        self.dispute.is_some_and(|d| now > d.started_at.plus(WINDOW_S))
    }

    /// What a side has on chain.
    pub(super) const fn wealth(&self, side: Side) -> i128 {
        self.books.wealth(side)
    }

    /// The reserve of a side beyond the start.
    pub(super) const fn reserve(&self, side: Side) -> i128 {
        self.books.reserves[index(side)]
    }
}
