//! What there is in one Depository, and what brings it home.

use std::collections::{BTreeMap, BTreeSet};

use xln_chain::client::{Authority, ChannelHeader, Operation, action_transaction};
use xln_chain::{Chain, ChainError, Deployment, DepositoryClient, Transaction};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::Channel;
use xln_core::commitment::Evidence;
use xln_core::limits::MAX_LOCK_S;
use xln_core::proof::{Batch, Body, Dispute, FillsGiven, ResolveError, TokenSplit, World, resolve_with};
use xln_core::state::Pending;
use xln_core::subcontract::Instruments;
use xln_core::types::{
    Address, DisputeFact, EntityId, Hash, HashKind, Pair, Secret, Side, SubchannelKey, TokenFact, TokenId, UnixSeconds,
};

use super::chain::{Shown, owed, running};
use super::plan::{Step, StepKind};
use super::source::Estate;

/// Tokens of a Depository that are looked at though no channel has them: strangers may register any number.
const LOOKED_AT: u32 = 64;
/// Entries of a queue of debts that one call goes through.
const ENTRIES: u64 = 64;

/// A reserve of the entity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reserve {
    /// Of which token.
    pub token: TokenId,
    /// How much, in its base unit.
    pub amount: u128,
    /// What the entity owes on chain, which is paid first.
    pub debts: u128,
}

/// A debt of somebody to the entity, on chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Who owes.
    pub debtor: EntityId,
    /// Which token.
    pub token: TokenId,
    /// How much, in its base unit.
    pub amount: u128,
    /// What the debtor's reserve holds. Older creditors come first.
    pub covered_by: u128,
}

/// A lock that is pending in the latest state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    /// Its id in the channel.
    pub id: u64,
    /// Whether it pays the entity.
    pub incoming: bool,
    /// Which token.
    pub token: TokenId,
    /// How much.
    pub amount: u128,
    /// Last second at which its secret counts.
    pub expiry: UnixSeconds,
    /// Whether the secret is in the store.
    pub secret_known: bool,
    /// When the registry got it.
    pub revealed_at: Option<UnixSeconds>,
}

/// One token of one subchannel, in its base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenReport {
    /// Which.
    pub token: TokenId,
    /// What is locked on chain.
    pub collateral: u128,
    /// What the entity's reserve gets of it: known secrets are revealed in time, no others are, nobody fills a swap.
    pub expected: u128,
    /// The same if everything that is pending goes against the entity.
    pub worst: u128,
    /// What the peer will owe beyond the collateral. It may never pay.
    pub claim: u128,
    /// What the entity will owe, from its reserve first.
    pub owes: u128,
    /// The same if everything that is pending goes against the entity.
    pub worst_owes: u128,
}

/// How a subchannel is brought to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Nothing in it is the entity's.
    Nothing,
    /// A co-signed close is in the store and runs.
    Close,
    /// A co-signed settlement is in the store and runs; what it leaves is next.
    Settle,
    /// A dispute with the state of this nonce.
    Start {
        /// Nonce of the state.
        nonce: u64,
    },
    /// A dispute with the empty state: the peer never signed anything in this epoch.
    StartEmpty,
    /// A dispute is running.
    Running {
        /// Nonce of the shown state.
        shown: u64,
        /// Nonce of the latest state in the store with the peer's signature.
        best: Option<u64>,
        /// Last second at which an answer counts.
        deadline: UnixSeconds,
    },
    /// A dispute is running whose shown body is not in the store: only who has it can finalize.
    Blocked,
}

/// One subchannel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubchannelReport {
    /// With whom.
    pub peer: EntityId,
    /// The epoch on chain.
    pub epoch: u32,
    /// How it ends.
    pub way: Way,
    /// Its tokens with something in them.
    pub tokens: Vec<TokenReport>,
    /// Its locks.
    pub locks: Vec<Lock>,
}

/// One Depository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Which.
    pub deployment: Deployment,
    /// The block that was looked at.
    pub block: u64,
    /// Its time.
    pub now: UnixSeconds,
    /// The entity's reserves that are not 0, and its debts.
    pub reserves: Vec<Reserve>,
    /// Its channels.
    pub subchannels: Vec<SubchannelReport>,
    /// What others owe it on chain.
    pub claims: Vec<Claim>,
    /// What to do, in order.
    pub steps: Vec<Step>,
}

impl Report {
    /// Tokens that occur.
    #[must_use]
    pub fn tokens(&self) -> BTreeSet<TokenId> {
        let channels = self.subchannels.iter().flat_map(|s| &s.tokens).map(|t| t.token);
        self.reserves.iter().map(|r| r.token).chain(channels).collect()
    }

    /// What comes home of a token: as things stand, and at worst. Claims are in neither.
    #[must_use]
    pub fn total(&self, token: TokenId) -> (u128, u128) {
        let reserves = self.reserves.iter().filter(|r| r.token == token);
        let (have, mut owe) = reserves
            .fold((0_u128, 0_u128), |(have, owe), r| (have.saturating_add(r.amount), owe.saturating_add(r.debts)));
        let (mut expected, mut worst, mut worst_owe) = (have, have, owe);
        for found in self.subchannels.iter().flat_map(|s| &s.tokens).filter(|t| t.token == token) {
            expected = expected.saturating_add(found.expected);
            worst = worst.saturating_add(found.worst);
            owe = owe.saturating_add(found.owes);
            worst_owe = worst_owe.saturating_add(found.worst_owes);
        }
        (expected.saturating_sub(owe), worst.saturating_sub(worst_owe))
    }

    /// Whether nothing is left to do, now or later.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Looks at everything of the entity's in one Depository. Reserves will be paid out to `to`.
///
/// # Errors
/// [`ChainError`] of the chain: look again.
pub async fn survey<C: Chain>(
    estate: &Estate,
    client: &DepositoryClient<C>,
    to: Address,
) -> Result<Report, ChainError> {
    let (deployment, head) = (*client.deployment(), client.chain().head().await?);
    let key = deployment.key();
    let mut survey = Survey { estate, client, key, me: estate.entity(), now: head.timestamp, steps: Vec::new() };
    let tokens = survey.tokens().await?;
    let mut subchannels = Vec::new();
    for (peer, channel) in estate.machine().channels() {
        if let Some(report) = survey.subchannel(peer, channel, &tokens).await? {
            subchannels.push(report);
        }
    }
    let under_way = !survey.steps.is_empty();
    let claims = survey.claims(&tokens).await?;
    let reserves = survey.reserves(&tokens, under_way, to).await?;
    let mut steps = survey.steps;
    steps.sort_by_key(|step| (step.transaction.is_none(), step.not_before, step.kind));
    Ok(Report { deployment, block: head.number, now: head.timestamp, reserves, subchannels, claims, steps })
}

struct Survey<'a, C> {
    estate: &'a Estate,
    client: &'a DepositoryClient<C>,
    key: SubchannelKey,
    me: EntityId,
    now: UnixSeconds,
    steps: Vec<Step>,
}

/// A subchannel as the chain has it now.
struct Found<'a> {
    channel: &'a Channel,
    peer: EntityId,
    pair: Pair,
    side: Side,
    header: ChannelHeader,
    facts: Vec<TokenFact>,
    known: BTreeMap<(HashKind, Hash), Secret>,
    registry: BTreeMap<(HashKind, Hash), UnixSeconds>,
}

impl<C: Chain> Survey<'_, C> {
    /// Tokens of the channels, and the first that are registered.
    async fn tokens(&self) -> Result<Vec<TokenId>, ChainError> {
        let count = self.client.token_count().await?.min(LOOKED_AT);
        let mut tokens: BTreeSet<TokenId> = (0..count).map(TokenId).collect();
        for (_, channel) in self.estate.machine().channels() {
            tokens.extend(channel.state().subchannels.get(&self.key).into_iter().flat_map(|s| s.tokens.keys()));
            let facts = channel.watch(&self.key).and_then(|watch| watch.facts());
            tokens.extend(facts.into_iter().flat_map(|facts| &facts.tokens).map(|fact| fact.token));
        }
        Ok(tokens.into_iter().collect())
    }

    async fn subchannel(
        &mut self,
        peer: &EntityId,
        channel: &Channel,
        tokens: &[TokenId],
    ) -> Result<Option<SubchannelReport>, ChainError> {
        let (pair, side) = (channel.pair(), channel.side());
        let header = self.client.channel(&pair).await?;
        let facts = self.client.collaterals(&pair, tokens).await?;
        let (known, registry) = (BTreeMap::new(), BTreeMap::new());
        let mut found = Found { channel, peer: *peer, pair, side, header, facts, known, registry };
        let locks = self.locks(&mut found).await?;
        let best = channel.best_evidence(&self.key).filter(|evidence| evidence.epoch == header.epoch);
        let shown = running(self.client, &pair, &header).await?;
        let body = match &shown {
            Some(shown) => self.shown_body(&found, shown).and_then(|bytes| Body::parse(&bytes).ok()),
            None => None,
        };
        let best_body = best.as_ref().and_then(|evidence| Body::parse(&evidence.body).ok());
        let counters = shown.as_ref().is_some_and(|shown| self.can_counter(&found, &shown.dispute, best.as_ref()));
        let decisive = if counters || shown.is_none() { best_body } else { body.clone() };
        self.look_up(&mut found, decisive.as_ref()).await?;
        let started_at = shown.as_ref().map_or(self.now, |shown| shown.dispute.started_at);
        let report = self.outcome(&found, decisive.as_ref(), started_at);
        let worth = report.iter().any(|token| token.expected > 0 || token.claim > 0);
        if shown.is_none() && !worth && locks.is_empty() {
            return Ok(None);
        }
        let way = match shown {
            _ if worth && self.cosigned(&found, StepKind::Close).await? => Way::Close,
            Some(shown) => self.running(&found, &shown, best.as_ref(), body.as_ref(), counters)?,
            None if !worth => Way::Nothing,
            None if self.cosigned(&found, StepKind::Settle).await? => Way::Settle,
            None => self.start(&found, best)?,
        };
        if way != Way::Nothing && way != Way::Close {
            self.reveals(&found, decisive.as_ref())?;
        }
        Ok(Some(SubchannelReport { peer: *peer, epoch: header.epoch, way, tokens: report, locks }))
    }

    /// The latest state's locks, and the secrets that are known.
    async fn locks(&self, found: &mut Found<'_>) -> Result<Vec<Lock>, ChainError> {
        let mut locks = Vec::new();
        let Some(subchannel) = found.channel.state().subchannels.get(&self.key) else { return Ok(locks) };
        if subchannel.epoch != found.header.epoch {
            return Ok(locks);
        }
        for (id, pending) in &subchannel.pending {
            let Pending::Payment(payment) = pending else { continue };
            let secret = found.channel.secret(&self.key, *id).copied();
            found.known.extend(secret.map(|secret| ((payment.kind, payment.hash), secret)));
            let revealed_at = self.client.revealed_at(payment.kind, &payment.hash).await?;
            locks.push(Lock {
                id: *id,
                incoming: payment.payer != found.side,
                token: payment.token,
                amount: payment.amount,
                expiry: payment.expiry,
                secret_known: secret.is_some(),
                revealed_at,
            });
        }
        Ok(locks)
    }

    /// What the registry says of a body's payments.
    async fn look_up(&self, found: &mut Found<'_>, body: Option<&Body>) -> Result<(), ChainError> {
        for payment in body.into_iter().flat_map(payments) {
            let at = self.client.revealed_at(payment.kind, &payment.hash).await?;
            found.registry.extend(at.map(|at| ((payment.kind, payment.hash), at)));
        }
        Ok(())
    }

    fn shown_body(&self, found: &Found<'_>, shown: &Shown) -> Option<Vec<u8>> {
        let hash = shown.dispute.body_hash;
        shown.bytes.get(&hash).cloned().or_else(|| self.estate.body(&found.peer, &self.key, &hash))
    }

    fn deadline(&self, dispute: &DisputeFact) -> UnixSeconds {
        dispute.started_at.plus(self.client.deployment().window_s)
    }

    fn can_counter(&self, found: &Found<'_>, dispute: &DisputeFact, best: Option<&Evidence>) -> bool {
        let both = |evidence: &Evidence| evidence.left.is_some() && evidence.right.is_some();
        self.now <= self.deadline(dispute)
            && best.is_some_and(|evidence| {
                evidence.nonce.0 > dispute.nonce
                    && evidence.body_hash() != dispute.body_hash
                    && (dispute.starter != found.side || both(evidence))
            })
    }

    /// What a finalize of this body would give, once all is decided; with none, that of the empty state.
    fn outcome(&self, found: &Found<'_>, body: Option<&Body>, started_at: UnixSeconds) -> Vec<TokenReport> {
        let locked = found.facts.iter().filter(|fact| fact.collateral > 0 || fact.ondelta != 0);
        let empty = Body { tokens: locked.map(|fact| (fact.token, 0)).collect(), clauses: Vec::new() };
        let body = body.unwrap_or(&empty);
        // Known secrets are revealed now; nothing else happens any more.
        let mut registry = found.registry.clone();
        for name in found.known.keys() {
            registry.entry(*name).or_insert(self.now);
        }
        let late = started_at.plus(self.client.deployment().window_s).plus(MAX_LOCK_S).plus(1).max(self.now);
        let plain = Body { tokens: body.tokens.clone(), clauses: Vec::new() };
        let splits = self.resolve(found, body, &registry, late, started_at);
        let splits = splits.or_else(|_| self.resolve(found, &plain, &registry, late, started_at)).unwrap_or_default();
        let worst =
            worst_of(body, found.side).and_then(|body| self.resolve(found, &body, &registry, late, started_at).ok());
        let worst = worst.unwrap_or_default();
        let rows = splits.iter().map(|split| {
            let (expected, claim, owes) = shares(split, found.side);
            let (worst, _, worst_owes) =
                worst.iter().find(|w| w.token == split.token).map_or((0, 0, owes), |w| shares(w, found.side));
            let collateral = found.facts.iter().find(|f| f.token == split.token).map_or(0, |f| f.collateral);
            TokenReport { token: split.token, collateral, expected, worst, claim, owes, worst_owes }
        });
        rows.filter(|t| t.collateral > 0 || t.claim > 0 || t.owes > 0 || t.worst_owes > 0).collect()
    }

    fn resolve(
        &self,
        found: &Found<'_>,
        body: &Body,
        registry: &BTreeMap<(HashKind, Hash), UnixSeconds>,
        now: UnixSeconds,
        started_at: UnixSeconds,
    ) -> Result<Vec<TokenSplit>, ResolveError> {
        let window_s = self.client.deployment().window_s;
        let (left_fills, right_fills) = (FillsGiven::default(), FillsGiven::default());
        let dispute = Dispute { body, facts: &found.facts, now, started_at, window_s, left_fills, right_fills };
        let instruments: &Instruments = self.estate.machine().instruments();
        let reveals = |_: &Address, kind: HashKind, hash: &Hash| registry.get(&(kind, *hash)).copied();
        resolve_with(&dispute, &World { key: self.key, instruments, reveals: &reveals, facts: &|_, _| None })
    }

    fn push(&mut self, kind: StepKind, peer: Option<EntityId>, what: String, transaction: Option<Transaction>) {
        let (key, not_before) = (self.key, self.now);
        self.steps.push(Step { kind, key, peer, what, not_before, deadline: None, transaction });
    }

    fn set_times(&mut self, not_before: UnixSeconds, deadline: Option<UnixSeconds>) {
        if let Some(step) = self.steps.last_mut() {
            (step.not_before, step.deadline) = (not_before, deadline);
        }
    }

    fn act(&self, found: &Found<'_>, call: ChainCall) -> Result<Transaction, ChainError> {
        let action = ChainAction { key: self.key, pair: found.pair, call };
        action_transaction(self.client.deployment(), &action, &Authority::Sender)
    }

    /// A close or settlement with both signatures that would run now.
    async fn cosigned(&mut self, found: &Found<'_>, kind: StepKind) -> Result<bool, ChainError> {
        let Some(open) = found.channel.settlement(&self.key) else { return Ok(false) };
        let current = open.epoch == found.header.epoch && open.settlement_nonce == found.header.settlement_nonce;
        let fits = current && open.expiry >= self.now && open.update.is_none() == (kind == StepKind::Close);
        let Some(call) = open.call().filter(|_| fits) else { return Ok(false) };
        let transaction = self.act(found, call)?;
        // It may lack a reserve, or stand against a dispute: then the way is another.
        match self.client.chain().call(self.sender(), &transaction).await {
            Ok(_) => {}
            Err(ChainError::Reverted { .. } | ChainError::Halted) => return Ok(false),
            Err(error) => return Err(error),
        }
        let what = if kind == StepKind::Close { "co-signed close" } else { "co-signed settlement" };
        self.push(kind, Some(found.peer), format!("{what} {}", open.id), Some(transaction));
        self.set_times(self.now, Some(open.expiry));
        Ok(true)
    }

    fn sender(&self) -> Address {
        self.me.address().unwrap_or_default()
    }

    fn start(&mut self, found: &Found<'_>, best: Option<Evidence>) -> Result<Way, ChainError> {
        let (starter, end) = (found.side, self.now.plus(self.client.deployment().window_s).plus(1));
        let way = match best {
            Some(evidence) => {
                let nonce = evidence.nonce.0;
                let call = ChainCall::StartDispute { starter, evidence, fills: Vec::new() };
                let transaction = self.act(found, call)?;
                self.push(StepKind::Start, Some(found.peer), format!("state of nonce {nonce}"), Some(transaction));
                Way::Start { nonce }
            }
            None => {
                let locked = found.facts.iter().filter(|fact| fact.collateral > 0).map(|fact| fact.token).collect();
                let transaction = self.act(found, ChainCall::StartEmptyDispute { starter, tokens: locked })?;
                self.push(StepKind::StartEmpty, Some(found.peer), "empty state".to_owned(), Some(transaction));
                Way::StartEmpty
            }
        };
        self.push(StepKind::Finalize, Some(found.peer), "after the window".to_owned(), None);
        self.set_times(end, None);
        Ok(way)
    }

    fn running(
        &mut self,
        found: &Found<'_>,
        shown: &Shown,
        best: Option<&Evidence>,
        body: Option<&Body>,
        counters: bool,
    ) -> Result<Way, ChainError> {
        let (dispute, deadline) = (shown.dispute, self.deadline(&shown.dispute));
        let way = Way::Running { shown: dispute.nonce, best: best.map(|evidence| evidence.nonce.0), deadline };
        let is_starter = dispute.starter == found.side;
        if let (true, Some(evidence)) = (counters, best) {
            let (evidence, nonce) = (evidence.clone(), evidence.nonce.0);
            let call = ChainCall::CounterDispute { dispute, evidence, fills: Vec::new(), both: is_starter };
            let transaction = self.act(found, call)?;
            self.push(StepKind::Counter, Some(found.peer), format!("state of nonce {nonce}"), Some(transaction));
            self.set_times(self.now, Some(deadline));
            self.push(StepKind::Finalize, Some(found.peer), "after the counter".to_owned(), None);
            self.set_times(if is_starter { deadline.plus(1) } else { self.now }, None);
            return Ok(way);
        }
        let fills = |hash: &Hash| if *hash == Hash::ZERO { Some(Vec::new()) } else { shown.bytes.get(hash).cloned() };
        let given = (fills(&dispute.starter_fills_hash), fills(&dispute.answerer_fills_hash));
        let (Some(parsed), Some(bytes), (Some(starter_fills), Some(answerer_fills))) =
            (body, self.shown_body(found, shown), given)
        else {
            return Ok(Way::Blocked);
        };
        let mut not_before = if dispute.answered || !is_starter { self.now } else { deadline.plus(1).max(self.now) };
        // A payment or a fact may keep it waiting, another one after that.
        while let Err(ResolveError::PendingUntil(until)) =
            self.resolve(found, parsed, &found.registry, not_before, dispute.started_at)
        {
            not_before = until.plus(1).max(not_before.plus(1));
        }
        let call = ChainCall::FinalizeDispute { dispute, body: bytes, starter_fills, answerer_fills };
        let transaction = self.act(found, call)?;
        self.push(StepKind::Finalize, Some(found.peer), format!("state of nonce {}", dispute.nonce), Some(transaction));
        self.set_times(not_before, None);
        Ok(way)
    }

    /// Secrets that the body pays for, if they come in time.
    fn reveals(&mut self, found: &Found<'_>, body: Option<&Body>) -> Result<(), ChainError> {
        let provider = self.client.deployment().subcontract_provider;
        for payment in body.into_iter().flat_map(payments).filter(|payment| payment.payer != found.side) {
            let (name, timely) = ((payment.kind, payment.hash), self.now <= payment.expiry);
            let Some(secret) = found.known.get(&name).filter(|_| timely && !found.registry.contains_key(&name)) else {
                continue;
            };
            let call = ChainCall::Reveal { provider, kind: payment.kind, secret: *secret };
            let transaction = self.act(found, call)?;
            self.push(StepKind::Reveal, Some(found.peer), format!("lock of {}", payment.amount), Some(transaction));
            self.set_times(self.now, Some(payment.expiry));
        }
        Ok(())
    }

    async fn claims(&mut self, tokens: &[TokenId]) -> Result<Vec<Claim>, ChainError> {
        let mut claims = Vec::new();
        for (peer, _) in self.estate.machine().channels() {
            for token in tokens {
                let amount = owed(self.client, peer, &self.me, *token).await?;
                if amount == 0 {
                    continue;
                }
                let covered_by = self.client.reserve(peer, *token).await?;
                claims.push(Claim { debtor: *peer, token: *token, amount, covered_by });
                if covered_by > 0 {
                    self.enforce(*peer, *token, format!("debts of the peer in token {}", token.0))?;
                }
            }
        }
        Ok(claims)
    }

    fn enforce(&mut self, debtor: EntityId, token: TokenId, what: String) -> Result<(), ChainError> {
        let operation = Operation::EnforceDebts { entity: debtor, token, max_entries: ENTRIES };
        let transaction = self.operate(&operation)?;
        self.push(StepKind::Enforce, Some(debtor), what, Some(transaction));
        Ok(())
    }

    fn operate(&self, operation: &Operation) -> Result<Transaction, ChainError> {
        let data = operation.calldata(self.client.deployment(), &self.me)?;
        Ok(Transaction::call(self.client.deployment().depository, data))
    }

    /// Reserves come last: what is under way may still add to them.
    async fn reserves(&mut self, tokens: &[TokenId], under_way: bool, to: Address) -> Result<Vec<Reserve>, ChainError> {
        let wait = under_way || !self.steps.is_empty();
        let mut reserves = Vec::new();
        for token in tokens.iter().copied() {
            let amount = self.client.reserve(&self.me, token).await?;
            let debts = self.client.debt_total(&self.me, token).await?;
            if amount == 0 && debts.is_zero() {
                continue;
            }
            let debts = u128::try_from(debts).unwrap_or(u128::MAX);
            reserves.push(Reserve { token, amount, debts });
            if amount == 0 {
                continue;
            }
            if debts > 0 && !wait {
                self.enforce(self.me, token, format!("own debts in token {}", token.0))?;
            } else if debts == 0 {
                let withdraw = self.operate(&Operation::Withdraw { token, amount, to })?;
                self.push(
                    StepKind::Withdraw,
                    None,
                    format!("{amount} of token {}", token.0),
                    (!wait).then_some(withdraw),
                );
            }
        }
        Ok(reserves)
    }
}

fn payments(body: &Body) -> impl Iterator<Item = &xln_core::proof::PaymentItem> {
    let batches = body.clauses.iter().filter_map(|clause| match &clause.batch {
        Batch::Payments(items) => Some(items),
        _ => None,
    });
    batches.flatten()
}

/// The body with everything pending decided against a side, as far as the clauses allow.
fn worst_of(body: &Body, side: Side) -> Option<Body> {
    let mut tokens = body.tokens.clone();
    for allowance in body.clauses.iter().flat_map(|clause| &clause.allowances) {
        let (_, offdelta) = tokens.get_mut(usize::from(allowance.token_index))?;
        *offdelta = match side {
            Side::Left => offdelta.checked_sub_unsigned(allowance.left)?,
            Side::Right => offdelta.checked_add_unsigned(allowance.right)?,
        };
    }
    Some(Body { tokens, clauses: Vec::new() })
}

/// What a side gets, is owed, and owes.
fn shares(split: &TokenSplit, side: Side) -> (u128, u128, u128) {
    let gets = if side.is_left() { split.left_reserve } else { split.right_reserve };
    match split.debt {
        Some((debtor, amount)) if debtor == side => (gets, 0, amount),
        Some((_, amount)) => (gets, amount, 0),
        None => (gets, 0, 0),
    }
}
