//! One Depository as `docs/protocol.md` has it, plainly: reserves, debts, collateral, disputes and the registry. Small and
//! fast, so that millions of steps pass over it; `--evm` holds it against the bytecode.

use std::collections::BTreeMap;

use xln_core::chain::{ChainAction, ChainCall, ChainChange, ChangeKind};
use xln_core::commitment::Evidence;
use xln_core::crypto::Signature;
use xln_core::entity::{Claim, Permission, Verifier};
use xln_core::proof::{
    self, Body, DepositoryDomain, Dispute, FillsGiven, ResolveError, SettlementUpdate, TokenSplit, World, fills_hash,
    resolve_with,
};
use xln_core::subcontract::Instruments;
use xln_core::types::{
    Address, DisputeFact, EntityId, Hash, HashKind, Nonce, Pair, Reveal, Side, SubchannelKey, TokenFact, TokenId,
    UnixSeconds,
};

/// Older debts that one call looks at.
const LOOKED_AT: usize = 8;

/// Why the chain refuses something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// It may work later: too early, or a payment is undecided.
    Later,
    /// What it was to bring about is there, or was overtaken.
    Overtaken,
    /// Never.
    Refused,
}

/// What is done on chain.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Deposit { token: TokenId, amount: u128 },
    Withdraw { token: TokenId, amount: u128 },
    Transfer { to: EntityId, token: TokenId, amount: u128 },
    Fund { peer: EntityId, own: bool, token: TokenId, amount: u128 },
    Enforce { token: TokenId },
    Act(Box<ChainAction>),
}

/// One channel.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Line {
    pub(crate) epoch: u32,
    pub(crate) settlement_nonce: u32,
    pub(crate) dispute: Option<DisputeFact>,
    pub(crate) buckets: BTreeMap<TokenId, (u128, i128)>,
}

/// How an epoch ended.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    pub(crate) pair: Pair,
    /// Of the shown state; none for a co-signed close.
    pub(crate) dispute: Option<DisputeFact>,
    pub(crate) epoch: u32,
    pub(crate) body: Body,
    pub(crate) body_hash: Hash,
    /// Items of payments that a timely reveal decided.
    pub(crate) paid: Vec<Hash>,
}

/// What an operation has brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) changes: Vec<ChainChange>,
    pub(crate) reveal: Option<Reveal>,
    pub(crate) closing: Option<Closing>,
}

/// One Depository and its registry.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) key: SubchannelKey,
    pub(crate) window_s: u64,
    pub(crate) reserves: BTreeMap<(EntityId, TokenId), u128>,
    pub(crate) debts: BTreeMap<(EntityId, TokenId), Vec<(EntityId, u128)>>,
    /// What each has more, or less, outside than at the start.
    pub(crate) outside: BTreeMap<(EntityId, TokenId), i128>,
    pub(crate) lines: BTreeMap<Pair, Line>,
    pub(crate) secrets: BTreeMap<(HashKind, Hash), UnixSeconds>,
}

impl Ledger {
    pub(crate) fn new(key: SubchannelKey, window_s: u64) -> Self {
        let (reserves, debts, outside) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { key, window_s, reserves, debts, outside, lines: BTreeMap::new(), secrets: BTreeMap::new() }
    }

    pub(crate) fn line(&self, pair: &Pair) -> Line {
        self.lines.get(pair).cloned().unwrap_or_default()
    }

    /// All that there is of a token: outside, in reserves, in channels. Nothing may change it.
    pub(crate) fn total(&self, token: TokenId) -> i128 {
        let free: u128 = self.reserves.iter().filter(|((_, t), _)| *t == token).map(|(_, a)| a).sum();
        let out: i128 = self.outside.iter().filter(|((_, t), _)| *t == token).map(|(_, a)| a).sum();
        let locked: u128 = self.lines.values().filter_map(|l| l.buckets.get(&token)).map(|(c, _)| c).sum();
        i128::try_from(free + locked).unwrap() + out
    }

    /// Does it, or changes nothing.
    pub(crate) fn execute(&mut self, by: EntityId, operation: &Operation, now: UnixSeconds) -> Result<Outcome, Rule> {
        let mut next = self.clone();
        let outcome = next.run(by, operation, now)?;
        *self = next;
        Ok(outcome)
    }

    fn run(&mut self, by: EntityId, operation: &Operation, now: UnixSeconds) -> Result<Outcome, Rule> {
        let mut outcome = Outcome::default();
        match operation {
            Operation::Deposit { token, amount } => {
                *self.outside.entry((by, *token)).or_default() -= signed(*amount);
                self.pay_in(by, *token, *amount);
            }
            Operation::Withdraw { token, amount } => {
                self.debit(by, *token, *amount)?;
                *self.outside.entry((by, *token)).or_default() += signed(*amount);
            }
            Operation::Transfer { to, token, amount } => {
                self.debit(by, *token, *amount)?;
                self.pay_in(*to, *token, *amount);
            }
            Operation::Fund { peer, own, token, amount } => {
                self.debit(by, *token, *amount)?;
                let pair = Pair::new(by, *peer).map_err(|_| Rule::Refused)?;
                let receiver = if *own { by } else { *peer };
                let bucket = self.lines.entry(pair).or_default().buckets.entry(*token).or_default();
                bucket.0 += amount;
                if pair.left() == receiver {
                    bucket.1 += signed(*amount);
                }
                let fact = TokenFact { token: *token, collateral: bucket.0, ondelta: bucket.1 };
                self.change(&mut outcome, &pair, ChangeKind::Collateral(fact));
            }
            Operation::Enforce { token } => self.pay_debts(by, *token, LOOKED_AT).map_or((), drop),
            Operation::Act(action) => self.act(by, action, now, &mut outcome)?,
        }
        Ok(outcome)
    }

    fn change(&self, outcome: &mut Outcome, pair: &Pair, kind: ChangeKind) {
        outcome.changes.push(ChainChange { key: self.key, pair: *pair, kind });
    }

    fn pay_in(&mut self, entity: EntityId, token: TokenId, amount: u128) {
        *self.reserves.entry((entity, token)).or_default() += amount;
    }

    fn reserve(&self, entity: EntityId, token: TokenId) -> u128 {
        self.reserves.get(&(entity, token)).copied().unwrap_or_default()
    }

    /// From the oldest on. How many were looked at.
    fn pay_debts(&mut self, debtor: EntityId, token: TokenId, most: usize) -> Option<usize> {
        let mut seen = 0;
        while seen < most {
            let (creditor, owed) = *self.debts.get(&(debtor, token))?.first()?;
            let part = owed.min(self.reserve(debtor, token));
            if part == 0 {
                break;
            }
            seen += 1;
            *self.reserves.entry((debtor, token)).or_default() -= part;
            self.pay_in(creditor, token, part);
            let queue = self.debts.get_mut(&(debtor, token))?;
            if part == owed {
                queue.remove(0);
            } else {
                queue[0].1 -= part;
            }
        }
        Some(seen)
    }

    fn owes(&self, debtor: EntityId, token: TokenId) -> bool {
        self.debts.get(&(debtor, token)).is_some_and(|queue| !queue.is_empty())
    }

    fn debit(&mut self, entity: EntityId, token: TokenId, amount: u128) -> Result<(), Rule> {
        self.pay_debts(entity, token, LOOKED_AT);
        if self.owes(entity, token) || self.reserve(entity, token) < amount || amount == 0 {
            return Err(Rule::Refused);
        }
        *self.reserves.entry((entity, token)).or_default() -= amount;
        Ok(())
    }

    fn act(&mut self, by: EntityId, action: &ChainAction, now: UnixSeconds, out: &mut Outcome) -> Result<(), Rule> {
        let pair = &action.pair;
        let line = self.line(pair);
        match &action.call {
            ChainCall::Reveal { kind, secret, provider } => {
                let name = (*kind, secret.hash(*kind));
                if self.secrets.contains_key(&name) {
                    return Err(Rule::Overtaken);
                }
                self.secrets.insert(name, now);
                out.reveal = Some(Reveal { provider: *provider, kind: *kind, secret: *secret, at: now });
                Ok(())
            }
            ChainCall::CooperativeUpdate { expiry, update, left, right } => {
                let bytes = update.encode().map_err(|_| Rule::Refused)?;
                let domain = DepositoryDomain::from(&self.key);
                let key = pair.channel_key();
                let digest = domain.cooperative_update(&key, line.epoch, line.settlement_nonce, *expiry, &bytes);
                if line.dispute.is_some() || now > *expiry {
                    return Err(Rule::Refused);
                }
                consented(pair, &digest, (left, right))?;
                self.update(pair, update, out)
            }
            ChainCall::CooperativeClose { expiry, body: bytes, left, right } => {
                let (domain, key) = (DepositoryDomain::from(&self.key), pair.channel_key());
                let digest = domain.cooperative_close(&key, line.epoch, line.settlement_nonce, *expiry, bytes);
                if now > *expiry {
                    return Err(Rule::Refused);
                }
                consented(pair, &digest, (left, right))?;
                let body = Body::parse(bytes).map_err(|_| Rule::Refused)?;
                let splits = self.outcome(pair, &body, now, None)?;
                self.end_epoch(pair, body, bytes, None, &splits, out);
                Ok(())
            }
            ChainCall::StartDispute { starter, evidence, fills } => {
                if line.dispute.is_some() || pair.entity(*starter) != by || evidence.nonce == Nonce(0) {
                    return Err(Rule::Refused);
                }
                shown_by(pair, starter.other(), evidence, line.epoch)?;
                self.start(pair, *starter, (evidence.nonce, evidence.body_hash()), fills, &[], now, out);
                Ok(())
            }
            ChainCall::StartEmptyDispute { starter, tokens } => {
                if line.dispute.is_some() || pair.entity(*starter) != by {
                    return Err(Rule::Refused);
                }
                let body = Body { tokens: tokens.iter().map(|token| (*token, 0)).collect(), clauses: Vec::new() };
                let body = body.encode().map_err(|_| Rule::Refused)?;
                self.start(pair, *starter, (Nonce(0), proof::body_hash(&body)), &[], &body, now, out);
                Ok(())
            }
            ChainCall::AcceptDispute { dispute, fills } => {
                let mut next = self.answerable(pair, dispute, now)?;
                if next.answered {
                    return Err(Rule::Overtaken);
                }
                answer(by, pair, &mut next, fills, now)?;
                self.show(pair, next, fills, &[], out);
                Ok(())
            }
            ChainCall::CounterDispute { dispute, evidence, fills, both } => {
                let mut next = self.answerable(pair, dispute, now)?;
                if evidence.nonce.0 <= next.nonce {
                    return Err(Rule::Overtaken);
                }
                shown_by(pair, next.starter, evidence, line.epoch)?;
                next.nonce = evidence.nonce.0;
                if next.body_hash != evidence.body_hash() {
                    next.body_hash = evidence.body_hash();
                    (next.starter_fills_hash, next.answerer_fills_hash) = (Hash::ZERO, Hash::ZERO);
                    next.answered_at = UnixSeconds(0);
                }
                if *both {
                    shown_by(pair, next.starter.other(), evidence, line.epoch)?;
                    next.answered = false;
                } else {
                    answer(by, pair, &mut next, fills, now)?;
                }
                self.show(pair, next, fills, &[], out);
                Ok(())
            }
            ChainCall::FinalizeDispute { dispute, body: bytes, starter_fills, answerer_fills } => {
                let running = line.dispute.filter(|running| running == dispute).ok_or(Rule::Overtaken)?;
                if proof::body_hash(bytes) != running.body_hash || given(starter_fills) != running.starter_fills_hash {
                    return Err(Rule::Refused);
                }
                let mut answered_at = running.answered_at;
                if now <= running.started_at.plus(self.window_s) && !running.answered {
                    if by != pair.entity(running.starter.other()) {
                        return Err(Rule::Later);
                    }
                    answered_at = now;
                } else if given(answerer_fills) != running.answerer_fills_hash {
                    return Err(Rule::Refused);
                }
                let body = Body::parse(bytes).map_err(|_| Rule::Refused)?;
                let starter = FillsGiven { bytes: starter_fills, at: running.started_at };
                let answerer = FillsGiven { bytes: answerer_fills, at: answered_at };
                let fills = if running.starter.is_left() { [starter, answerer] } else { [answerer, starter] };
                let splits = self.outcome(pair, &body, now, Some((running.started_at, fills)))?;
                self.end_epoch(pair, body, bytes, Some(running), &splits, out);
                Ok(())
            }
            ChainCall::Record { .. } => Err(Rule::Refused),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a start has")]
    fn start(
        &mut self,
        pair: &Pair,
        starter: Side,
        (nonce, body_hash): (Nonce, Hash),
        fills: &[u8],
        body: &[u8],
        now: UnixSeconds,
        out: &mut Outcome,
    ) {
        let dispute = DisputeFact {
            nonce: nonce.0,
            started_at: now,
            starter,
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: given(fills),
            answerer_fills_hash: Hash::ZERO,
        };
        self.show(pair, dispute, fills, body, out);
    }

    fn show(&mut self, pair: &Pair, dispute: DisputeFact, fills: &[u8], body: &[u8], out: &mut Outcome) {
        let line = self.lines.entry(*pair).or_default();
        line.dispute = Some(dispute);
        let epoch = line.epoch;
        let kind = ChangeKind::Dispute { epoch, dispute, fills: fills.to_vec(), body: body.to_vec() };
        self.change(out, pair, kind);
    }

    fn answerable(&self, pair: &Pair, shown: &DisputeFact, now: UnixSeconds) -> Result<DisputeFact, Rule> {
        let running = self.line(pair).dispute.filter(|running| running == shown).ok_or(Rule::Overtaken)?;
        if now > running.started_at.plus(self.window_s) { Err(Rule::Overtaken) } else { Ok(running) }
    }

    fn outcome(
        &self,
        pair: &Pair,
        body: &Body,
        now: UnixSeconds,
        dispute: Option<(UnixSeconds, [FillsGiven<'_>; 2])>,
    ) -> Result<Vec<TokenSplit>, Rule> {
        let line = self.line(pair);
        let fact = |token: &TokenId| {
            let (collateral, ondelta) = line.buckets.get(token).copied().unwrap_or_default();
            TokenFact { token: *token, collateral, ondelta }
        };
        let facts: Vec<_> = body.tokens.iter().map(|(token, _)| fact(token)).collect();
        let (started_at, [left_fills, right_fills]) = dispute.unwrap_or((now, Default::default()));
        let window_s = self.window_s;
        let moment = Dispute { body, facts: &facts, now, started_at, window_s, left_fills, right_fills };
        let registry = |_: &Address, kind: HashKind, hash: &Hash| self.secrets.get(&(kind, *hash)).copied();
        let instruments = Instruments::none();
        let world = World { key: self.key, instruments: &instruments, reveals: &registry, facts: &|_, _| None };
        resolve_with(&moment, &world).map_err(|error| match error {
            ResolveError::PendingUntil(_) => Rule::Later,
            _ => Rule::Refused,
        })
    }

    fn update(&mut self, pair: &Pair, update: &SettlementUpdate, out: &mut Outcome) -> Result<(), Rule> {
        if !update.forgiven.is_empty() {
            return Err(Rule::Refused);
        }
        for diff in &update.diffs {
            for (side, change) in [(Side::Left, diff.left), (Side::Right, diff.right)] {
                match change.signum() {
                    -1 => self.debit(pair.entity(side), diff.token, change.unsigned_abs())?,
                    1 => self.pay_in(pair.entity(side), diff.token, change.unsigned_abs()),
                    _ => {}
                }
            }
            let bucket = self.lines.entry(*pair).or_default().buckets.entry(diff.token).or_default();
            let rest = signed(bucket.0) - diff.left - diff.right;
            *bucket = (u128::try_from(rest).map_err(|_| Rule::Refused)?, bucket.1 + diff.ondelta);
            let fact = TokenFact { token: diff.token, collateral: bucket.0, ondelta: bucket.1 };
            self.change(out, pair, ChangeKind::Collateral(fact));
        }
        let line = self.lines.entry(*pair).or_default();
        line.settlement_nonce += 1;
        let kind = ChangeKind::Settled { epoch: line.epoch, settlement_nonce: line.settlement_nonce };
        self.change(out, pair, kind);
        Ok(())
    }

    fn end_epoch(
        &mut self,
        pair: &Pair,
        body: Body,
        bytes: &[u8],
        dispute: Option<DisputeFact>,
        splits: &[TokenSplit],
        out: &mut Outcome,
    ) {
        let mut budget = LOOKED_AT;
        for split in splits {
            if let Some((side, owed)) = split.debt {
                let (debtor, creditor) = (pair.entity(side), pair.entity(side.other()));
                budget -= self.pay_debts(debtor, split.token, budget).unwrap_or_default().min(budget);
                let mut paid = 0;
                if !self.owes(debtor, split.token) {
                    paid = owed.min(self.reserve(debtor, split.token));
                    *self.reserves.entry((debtor, split.token)).or_default() -= paid;
                    self.pay_in(creditor, split.token, paid);
                }
                if paid < owed {
                    self.debts.entry((debtor, split.token)).or_default().push((creditor, owed - paid));
                }
            }
            self.pay_in(pair.left(), split.token, split.left_reserve);
            self.pay_in(pair.right(), split.token, split.right_reserve);
        }
        let line = self.lines.entry(*pair).or_default();
        let ended = line.epoch;
        line.epoch += 1;
        line.dispute = None;
        let kind = ChangeKind::Closed { epoch: line.epoch, settlement_nonce: line.settlement_nonce };
        for split in splits {
            line.buckets.remove(&split.token);
        }
        for split in splits {
            let fact = TokenFact { token: split.token, collateral: 0, ondelta: 0 };
            self.change(out, pair, ChangeKind::Collateral(fact));
        }
        self.change(out, pair, kind);
        let items = body.clauses.iter().flat_map(|clause| match &clause.batch {
            proof::Batch::Payments(items) => items.as_slice(),
            _ => &[],
        });
        let timely =
            |item: &&proof::PaymentItem| self.secrets.get(&(item.kind, item.hash)).is_some_and(|at| *at <= item.expiry);
        let paid = items.filter(timely).map(|item| item.hash).collect();
        let body_hash = proof::body_hash(bytes);
        out.closing = Some(Closing { pair: *pair, dispute, epoch: ended, body, body_hash, paid });
    }
}

fn signed(amount: u128) -> i128 {
    i128::try_from(amount).unwrap()
}

fn given(fills: &[u8]) -> Hash {
    fills_hash(fills)
}

fn answer(by: EntityId, pair: &Pair, next: &mut DisputeFact, fills: &[u8], now: UnixSeconds) -> Result<(), Rule> {
    if by != pair.entity(next.starter.other()) {
        return Err(Rule::Refused);
    }
    (next.answered, next.answered_at, next.answerer_fills_hash) = (true, now, given(fills));
    Ok(())
}

fn by_key(entity: EntityId, digest: &Hash, signature: &Signature, permission: Permission) -> Result<(), Rule> {
    let claim = Claim { entity: &entity, digest, signature, permission };
    Verifier::default().verify(&claim).map(drop).map_err(|_| Rule::Refused)
}

fn consented(pair: &Pair, digest: &Hash, (left, right): (&Signature, &Signature)) -> Result<(), Rule> {
    by_key(pair.left(), digest, left, Permission::Withdraw)?;
    by_key(pair.right(), digest, right, Permission::Withdraw)
}

fn shown_by(pair: &Pair, side: Side, evidence: &Evidence, epoch: u32) -> Result<(), Rule> {
    let leaf = proof::subchannel_leaf(&evidence.key, epoch, &evidence.body_hash());
    if !proof::verify_path(&leaf, &evidence.path, &evidence.root) {
        return Err(Rule::Refused);
    }
    let digest = proof::channel_state_digest(&pair.channel_key(), evidence.nonce, &evidence.root);
    let signature = evidence.signature(side).ok_or(Rule::Refused)?;
    by_key(pair.entity(side), &digest, signature, Permission::States)
}
