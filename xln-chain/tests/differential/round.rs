//! One epoch of one channel, from funding to its end, on chain and in the model.

use std::collections::{BTreeMap, BTreeSet};

use xln_chain::client::{Authority, Funding, Token, action_transaction};
use xln_chain::contracts::depository::Depository::DepositoryErrors;
use xln_chain::{ChainError, Receipt, TestTokens, U256};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::commitment::Evidence;
use xln_core::crypto::{KeyCache, LocalSigner};
use xln_core::limits::MAX_LOCK_S;
use xln_core::proof::{
    self, Allowance, Batch, Body, Clause, DepositoryDomain, Dispute, Fills, FillsGiven, PaymentItem, ResolveError,
    SettlementUpdate, SwapItem, TokenDiff, TokenSplit,
};
use xln_core::types::{
    Address, ChainId, DisputeFact, EntityId, Hash, HashKind, Nonce, Pair, Secret, Side, SubchannelKey, TokenFact,
    TokenId, UnixSeconds,
};

use crate::common::*;
use crate::instruments::{Asking, Outside};
use crate::ledger::Ledger;
use crate::random::Random;

/// What a run met, so that it cannot become a test of nothing.
#[derive(Default, Debug)]
pub struct Tally {
    pub verdicts_good: u64,
    pub verdicts_bad: u64,
    pub closes: u64,
    pub answered: u64,
    pub early: u64,
    pub pending: u64,
    pub clauses: u64,
    pub moved: u64,
    pub debts: u64,
    pub behind_debts: u64,
    pub facts: u64,
}

impl Tally {
    pub fn expect_variety(&self, states: u64) {
        let met = [
            self.verdicts_good,
            self.verdicts_bad,
            self.closes,
            self.answered,
            self.early,
            self.pending,
            self.clauses,
            self.moved,
            self.debts,
            self.behind_debts,
            self.facts,
        ];
        assert!(met.iter().all(|count| *count > states / 200), "{self:?}");
    }
}

pub struct Stage {
    pub world: World,
    pub keys: KeyCache,
    /// Ends of the channels, and the bank that funds them.
    parties: [LocalSigner; 3],
    bank: LocalSigner,
    pub tokens: Vec<TokenId>,
    pub outside: Outside,
    ledger: Ledger,
    epochs: BTreeMap<Pair, (u32, u32)>,
    base: (u64, Ledger, BTreeMap<Pair, (u32, u32)>),
}

/// What happened of a plan.
#[derive(Default)]
struct Known {
    /// Chain time of reveals.
    reveals: BTreeMap<(HashKind, Hash), UnixSeconds>,
    asked: BTreeSet<Hash>,
}

enum Step<'a> {
    Reveal((HashKind, Hash), Secret),
    Ask(Hash, &'a Asking),
}

/// What is to happen while a dispute runs.
#[derive(Default)]
pub struct Plan {
    /// Secrets and when they are to be revealed.
    secrets: BTreeMap<(HashKind, Hash), (Secret, UnixSeconds)>,
    /// Questions and when they are to be asked.
    questions: BTreeMap<Hash, Asking>,
}

impl Stage {
    pub fn new() -> Self {
        let world = World::new(31_337);
        let parties = [key(1), key(2), key(3)];
        let outside = Outside::new(&world);
        let mut stage = Self {
            world,
            outside,
            keys: KeyCache::default(),
            parties,
            bank: key(9),
            tokens: Vec::new(),
            ledger: Ledger::default(),
            epochs: BTreeMap::new(),
            base: Default::default(),
        };
        stage.register();
        stage.endow();
        // Debts in the last token beyond what one finalize looks at.
        let (pair, starter) = (pair(&stage.parties[0], &stage.parties[1]), Side::Left);
        for n in 0..11 {
            let body = Body { tokens: vec![(stage.tokens[4], -1_000 - n)], clauses: Vec::new() };
            let evidence = stage.sign(&mut Random::new(n as u64), &pair, &body);
            stage.dispute(
                &mut Random::new(0),
                &mut Tally::default(),
                &pair,
                starter,
                evidence,
                &body,
                &Plan::default(),
            );
        }
        stage.base = (stage.world.chain.newest().number, stage.ledger.clone(), stage.epochs.clone());
        stage
    }

    fn register(&mut self) {
        let World { chain, client, tokens, .. } = &self.world;
        // One contract for each number: the first of them plain, the rest ids of an ERC-1155.
        let mut list = vec![Token::Erc20(tokens.erc20)];
        list.extend((1..5_u64).map(|id| Token::Erc1155 { contract: tokens.erc1155, id: U256::from(id) }));
        let amount = U256::from(1_u128 << 126);
        for token in list {
            let mint = match token {
                Token::Erc1155 { id, .. } => tokens.mint_erc1155(self.bank.address(), id, amount),
                _ => TestTokens::mint_erc20(tokens.erc20, self.bank.address(), amount),
            };
            chain.execute_from(self.bank.address(), mint).unwrap();
            let id = now(client.register_token(&self.bank, &token));
            now(client.approve(&self.bank, &token, amount));
            now(client.deposit(&self.bank, &entity(&self.bank), id, 1 << 126));
            self.tokens.push(id);
        }
    }

    /// Reserves from nothing to plenty, other for each party and token.
    fn endow(&mut self) {
        let amounts = [[1_u128 << 100, 1_000, 0, 1 << 40, 0], [0, 1 << 90, 77, 1 << 20, 50], [5, 0, 1 << 60, 0, 0]];
        for (party, amounts) in self.parties.clone().iter().zip(amounts) {
            for (token, amount) in self.tokens.clone().into_iter().zip(amounts).filter(|(_, amount)| *amount > 0) {
                now(self.world.client.reserve_to_reserve(&self.bank, &entity(party), token, amount));
                self.ledger.credit(entity(party), token, amount);
            }
        }
    }

    /// Back to where every round starts; only the time goes on.
    pub fn rewind(&mut self) {
        self.world.chain.reorg(self.world.chain.newest().number - self.base.0);
        (self.ledger, self.epochs) = (self.base.1.clone(), self.base.2.clone());
        self.outside.facts.clear();
    }

    fn key_of(&self, pair: &Pair, side: Side) -> &LocalSigner {
        self.parties.iter().find(|key| entity(key) == pair.entity(side)).unwrap()
    }

    fn act(&self, by: &LocalSigner, pair: &Pair, call: ChainCall) -> Result<Receipt, ChainError> {
        let action = ChainAction { key: self.world.deployment.key(), pair: *pair, call };
        let transaction = action_transaction(&self.world.deployment, &action, &Authority::Sender).unwrap();
        self.world.chain.execute_from(by.address(), transaction)
    }

    pub fn now(&self) -> UnixSeconds {
        self.world.chain.now()
    }

    /// Epochs of one channel or more whose every choice is a byte, and back to the start.
    #[allow(dead_code, reason = "seeds and bytes have different callers")]
    pub fn run(&mut self, bytes: &[u8]) {
        let (mut random, mut tally) = (Random::chosen(bytes), Tally::default());
        for epoch in 0..4 {
            if random.is_spent() {
                break;
            }
            self.round(&mut random, &mut tally, epoch);
        }
        self.rewind();
    }

    /// One epoch of a random channel.
    pub fn round(&mut self, random: &mut Random, tally: &mut Tally, seed: u64) {
        let pair = random.pick(&[(0, 1), (0, 2), (1, 2)]);
        let pair = pair_of(&self.parties[pair.0], &self.parties[pair.1]);
        let starter = if random.chance(50) { Side::Left } else { Side::Right };
        self.fund(random, &pair);
        let mut plan = Plan::default();
        let mut body = self.body(random, &pair, seed, &mut plan);
        if random.chance(12) {
            body.clauses.clear();
            tally.closes += 1;
            self.close(&pair, &body);
            return;
        }
        tally.clauses += body.clauses.len() as u64;
        let evidence = self.sign(random, &pair, &body);
        let epoch = self.epochs.get(&pair).map_or(0, |e| e.0);
        if self.compare_verdict(random, &pair, starter, &evidence, epoch) {
            tally.verdicts_good += 1
        } else {
            tally.verdicts_bad += 1
        }
        self.dispute(random, tally, &pair, starter, evidence, &body, &plan);
    }

    /// Collateral in favour of both ends, and ondeltas far beyond it.
    fn fund(&mut self, random: &mut Random, pair: &Pair) {
        let mut diffs = Vec::new();
        for token in self.tokens.clone() {
            if random.chance(60) {
                let (left, right) = (pair.left(), pair.right());
                let ends = [(left, right, random.amount(60)), (right, left, random.amount(60))];
                let fundings = ends.map(|(receiver, peer, amount)| Funding { receiver, peer, amount });
                now(self.world.client.reserve_to_collateral(&self.bank, token, &fundings));
            }
            if random.chance(15) {
                diffs.push(TokenDiff { token, left: 0, right: 0, ondelta: random.signed(90) });
            }
        }
        if !diffs.is_empty() {
            let update = SettlementUpdate { diffs, forgiven: Vec::new() };
            let (epoch, nonce) = self.epochs.get(pair).copied().unwrap_or_default();
            let expiry = self.now().plus(10);
            let bytes = update.encode().unwrap();
            let digest = self.domain().cooperative_update(&pair.channel_key(), epoch, nonce, expiry, &bytes);
            let [left, right] =
                [Side::Left, Side::Right].map(|side| self.key_of(pair, side).sign_digest(&digest).unwrap());
            self.act(&self.bank, pair, ChainCall::CooperativeUpdate { expiry, update, left, right }).unwrap();
            self.epochs.insert(*pair, (epoch, nonce + 1));
        }
    }

    fn domain(&self) -> DepositoryDomain {
        DepositoryDomain::from(&self.world.deployment.key())
    }

    /// Entities whose debts are asked for.
    pub fn references(&self) -> [EntityId; 3] {
        self.parties.each_ref().map(entity)
    }

    pub fn owes(&self, entity: EntityId, token: TokenId) -> bool {
        !self.ledger.debts(entity, token).is_empty()
    }

    fn facts(&self, pair: &Pair) -> Vec<TokenFact> {
        now(self.world.client.collaterals(pair, &self.tokens))
    }

    /// A random body within the rules; secrets are revealed before it starts, or planned for later.
    fn body(&self, random: &mut Random, pair: &Pair, seed: u64, plan: &mut Plan) -> Body {
        let facts = self.facts(pair);
        let mut tokens: Vec<(TokenId, i128)> = Vec::new();
        for fact in facts {
            if random.chance(55) {
                let near = fact.collateral as i128 / 2 - fact.ondelta;
                let offdelta = if random.chance(60) { near + random.signed(61) } else { random.signed(126) };
                tokens.push((fact.token, offdelta));
            }
        }
        let mut clauses = Vec::new();
        if !tokens.is_empty() {
            for n in 0..random.pick(&[0, 1, 1, 1, 2]) {
                clauses.push(self.payments(random, tokens.len() as u8, seed * 64 + n * 16, plan));
            }
        }
        for _ in 0..random.pick(&[0, 1, 1, 2]) {
            if !tokens.is_empty() {
                clauses.push(self.instrument(random, &tokens, &mut plan.questions));
            }
        }
        if tokens.len() > 1 {
            for id in 0..random.pick(&[0, 0, 1, 2, 3]) {
                clauses.push(self.swap(random, tokens.len() as u8, id));
            }
        }
        Body { tokens, clauses }
    }

    fn expiry(&self, random: &mut Random) -> UnixSeconds {
        let around = [
            0,
            5,
            50,
            WINDOW_S - 1,
            WINDOW_S,
            WINDOW_S + 1,
            WINDOW_S + 100,
            WINDOW_S + MAX_LOCK_S,
            WINDOW_S + MAX_LOCK_S + 500,
        ];
        self.now().plus(random.pick(&around))
    }

    fn payments(&self, random: &mut Random, tokens: u8, secrets: u64, plan: &mut Plan) -> Clause {
        let mut items = Vec::new();
        let mut sums: BTreeMap<u8, (u128, u128)> = BTreeMap::new();
        for n in 0..=random.below(4) {
            let mut secret = [0; 32];
            secret[..8].copy_from_slice(&(secrets + n).to_be_bytes());
            let kind = if random.chance(50) { HashKind::Keccak256 } else { HashKind::Sha256 };
            let hash = Secret(secret).hash(kind);
            let (token_index, amount) = (random.below(u64::from(tokens)) as u8, random.amount(120));
            let payer = if random.chance(50) { Side::Left } else { Side::Right };
            let expiry = self.expiry(random);
            items.push(PaymentItem { payer, token_index, amount, expiry, kind, hash });
            let (right, left) = sums.entry(token_index).or_default();
            *(if payer.is_left() { left } else { right }) += amount;
            if random.chance(50) {
                let at = if random.chance(80) {
                    random.below(WINDOW_S + 200)
                } else {
                    WINDOW_S + random.below(MAX_LOCK_S + 600)
                };
                plan.secrets.insert((kind, hash), (Secret(secret), self.now().plus(at)));
            }
        }
        let allowances = sums.into_iter().map(|(token_index, (right, left))| Allowance { token_index, right, left });
        self.clause(random, Batch::Payments(items), allowances.collect())
    }

    fn swap(&self, random: &mut Random, tokens: u8, id: u64) -> Clause {
        let give_index = random.below(u64::from(tokens)) as u8;
        let want_index = (give_index + 1 + random.below(u64::from(tokens) - 1) as u8) % tokens;
        let (give, want) = (random.amount(70), random.amount(70));
        let remaining = if random.chance(50) { give } else { 1 + random.wide() % give };
        let min_fill = if random.chance(50) { random.wide() % remaining } else { 0 };
        let maker = if random.chance(50) { Side::Left } else { Side::Right };
        let taker_limit = if random.chance(30) { 0 } else { random.amount(126) };
        let expiry = self.expiry(random);
        let item = SwapItem { maker, id, give_index, want_index, give, want, remaining, min_fill, expiry, taker_limit };
        let price = item.price(remaining).unwrap();
        let (gives, wants) = if maker.is_left() { ((0, remaining), (price, 0)) } else { ((remaining, 0), (0, price)) };
        let mut allowances = vec![(give_index, gives), (want_index, wants)]
            .into_iter()
            .map(|(token_index, (right, left))| Allowance { token_index, right, left })
            .collect::<Vec<_>>();
        allowances.sort_by_key(|a| a.token_index);
        self.clause(random, Batch::Swap(item), allowances)
    }

    /// Allowances that fit, or that are a little too small.
    pub fn clause(&self, random: &mut Random, batch: Batch, mut allowances: Vec<Allowance>) -> Clause {
        if random.chance(15) {
            match random.below(3) {
                0 => drop(allowances.pop()),
                1 => allowances
                    .iter_mut()
                    .for_each(|a| (a.right, a.left) = (a.right.saturating_sub(1), a.left.saturating_sub(1))),
                _ => allowances.iter_mut().for_each(|a| (a.right, a.left) = (a.left, a.right)),
            }
        }
        Clause { provider: self.world.deployment.subcontract_provider, allowances, batch }
    }

    /// Signs a state with this body among random other subchannels.
    fn sign(&self, random: &mut Random, pair: &Pair, body: &Body) -> Evidence {
        let key = self.world.deployment.key();
        let body = body.encode().unwrap();
        assert_eq!(Body::parse(&body).unwrap().encode().unwrap(), body);
        let epoch = self.epochs.get(pair).map_or(0, |e| e.0);
        let mut subchannels = BTreeMap::from([(key, proof::subchannel_leaf(&key, epoch, &proof::body_hash(&body)))]);
        for _ in 0..random.below(7) {
            let other = SubchannelKey { chain: ChainId(random.below(60_000)), depository: Address(random.bytes()) };
            subchannels.entry(other).or_insert(proof::subchannel_leaf(
                &other,
                random.below(9) as u32,
                &Hash(random.bytes()),
            ));
        }
        let mut leaves = vec![proof::state_leaf(&Hash(random.bytes()))];
        leaves.extend(subchannels.values());
        let index = 1 + subchannels.keys().position(|k| *k == key).unwrap();
        let root = proof::root(&leaves);
        let nonce = Nonce(1 + random.next() / 2);
        let digest = proof::channel_state_digest(&pair.channel_key(), nonce, &root);
        let [left, right] =
            [Side::Left, Side::Right].map(|side| Some(self.key_of(pair, side).sign_digest(&digest).unwrap()));
        Evidence { key, epoch, nonce, body, path: proof::path(&leaves, index), root, left, right }
    }

    fn close(&mut self, pair: &Pair, body: &Body) {
        let (epoch, nonce) = self.epochs.get(pair).copied().unwrap_or_default();
        let (expiry, bytes) = (self.now(), body.encode().unwrap());
        let digest = self.domain().cooperative_close(&pair.channel_key(), epoch, nonce, expiry, &bytes);
        let [left, right] = [Side::Left, Side::Right].map(|side| self.key_of(pair, side).sign_digest(&digest).unwrap());
        let facts = self.facts(pair);
        self.act(&self.bank, pair, ChainCall::CooperativeClose { expiry, body: bytes, left, right }).unwrap();
        let nothing = |_: &Address, _, _: &Hash| None;
        let dispute = Dispute {
            body,
            facts: &facts,
            now: expiry,
            started_at: expiry,
            window_s: WINDOW_S,
            left_fills: FillsGiven::default(),
            right_fills: FillsGiven::default(),
        };
        let splits = proof::resolve(&dispute, &nothing).unwrap();
        self.compare(pair, &facts, &splits);
    }
}

/// What one side gives as fills: for the offers, or nonsense.
fn fills(random: &mut Random, body: &Body) -> Vec<u8> {
    if random.chance(25) {
        return Vec::new();
    }
    let mut list = Vec::new();
    for clause in &body.clauses {
        if let (Batch::Swap(offer), true) = (&clause.batch, random.chance(80)) {
            let amount = match random.below(4) {
                0 => offer.remaining,
                1 => offer.min_fill,
                2 => random.amount(72),
                _ => random.wide() % offer.remaining + 1,
            };
            list.push((offer.id, amount));
        }
    }
    let mut bytes = Fills(list).encode().unwrap();
    match random.below(20) {
        0 => bytes.push(1),
        1 => bytes = random.bytes::<48>().to_vec(),
        2 if bytes.len() > 24 => bytes.rotate_left(24),
        _ => {}
    }
    bytes
}

pub fn pair_of(a: &LocalSigner, b: &LocalSigner) -> Pair {
    pair(a, b)
}

impl Stage {
    /// Start, perhaps answer, finalize, compare.
    #[expect(clippy::too_many_arguments, reason = "one story with many characters")]
    fn dispute(
        &mut self,
        random: &mut Random,
        tally: &mut Tally,
        pair: &Pair,
        starter: Side,
        evidence: Evidence,
        body: &Body,
        plan: &Plan,
    ) {
        let started_at = self.now();
        let mut reveals = Known::default();
        self.go_to(plan, &mut reveals, tally, started_at);
        let starter_fills = fills(random, body);
        let (nonce, body_hash, bytes) = (evidence.nonce.0, evidence.body_hash(), evidence.body.clone());
        self.act(
            self.key_of(pair, starter),
            pair,
            ChainCall::StartDispute { starter, evidence, fills: starter_fills.clone() },
        )
        .unwrap();
        let mut dispute = DisputeFact {
            nonce,
            started_at,
            starter,
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: proof::fills_hash(&starter_fills),
            answerer_fills_hash: Hash::ZERO,
        };
        let mut answer = (Vec::new(), UnixSeconds(0));
        let answerer = self.key_of(pair, starter.other()).clone();
        let deadline = started_at.plus(WINDOW_S);
        if random.chance(50) {
            tally.answered += 1;
            let at = started_at.plus(random.pick(&[0, 5, 51, WINDOW_S - 1, WINDOW_S]));
            self.go_to(plan, &mut reveals, tally, at);
            answer = (fills(random, body), at);
            self.act(&answerer, pair, ChainCall::AcceptDispute { dispute, fills: answer.0.clone() }).unwrap();
            (dispute.answered, dispute.answered_at) = (true, at);
            dispute.answerer_fills_hash = proof::fills_hash(&answer.0);
        }
        let facts = self.facts(pair);
        let early = fills(random, body);
        let mut at = self.now().plus(random.pick(&[
            0,
            1,
            60,
            WINDOW_S,
            WINDOW_S + 1,
            WINDOW_S + 150,
            WINDOW_S + MAX_LOCK_S + 1,
        ]));
        let splits = loop {
            self.go_to(plan, &mut reveals, tally, at);
            let mut given = answer.clone();
            if at <= deadline && !dispute.answered {
                tally.early += 1;
                given = (early.clone(), at);
            }
            let by = |side: Side| {
                if side == starter {
                    FillsGiven { bytes: &starter_fills, at: started_at }
                } else {
                    FillsGiven { bytes: &given.0, at: given.1 }
                }
            };
            let registry = |_: &Address, kind, hash: &Hash| reveals.reveals.get(&(kind, *hash)).copied();
            let model = Dispute {
                body,
                facts: &facts,
                now: at,
                started_at,
                window_s: WINDOW_S,
                left_fills: by(Side::Left),
                right_fills: by(Side::Right),
            };
            let world = proof::World {
                key: self.world.deployment.key(),
                instruments: &self.outside.instruments,
                reveals: &registry,
                facts: &|_, name| self.outside.facts.get(name).copied(),
            };
            let expected = proof::resolve_with(&model, &world);
            let call = ChainCall::FinalizeDispute {
                dispute,
                body: bytes.clone(),
                starter_fills: starter_fills.clone(),
                answerer_fills: given.0.clone(),
            };
            let found = self.act(&answerer, pair, call);
            match (expected, found) {
                (Ok(splits), Ok(_)) => break splits,
                (Err(ResolveError::PendingUntil(until)), Err(error)) => {
                    let pending = matches!(error.depository(), Some(DepositoryErrors::PaymentPending(p)) if p.until.to::<u64>() == until.0);
                    assert!(pending, "{error:?} in place of {until:?}");
                    tally.pending += 1;
                    at = until.plus(u64::from(random.chance(80)));
                    if random.chance(20) {
                        at = at.max(deadline.plus(1));
                    }
                    if at <= self.now() {
                        at = until.plus(1);
                    }
                }
                (expected, found) => panic!("{expected:?} in the model, {found:?} on chain; {body:?}"),
            }
        };
        let plain = Body { tokens: body.tokens.clone(), clauses: Vec::new() };
        let unmoved = Dispute {
            body: &plain,
            facts: &facts,
            now: at,
            started_at,
            window_s: WINDOW_S,
            left_fills: FillsGiven::default(),
            right_fills: FillsGiven::default(),
        };
        tally.moved += u64::from(proof::resolve(&unmoved, &|_, _, _| None).unwrap() != splits);
        tally.debts += u64::from(splits.iter().any(|s| s.debt.is_some()));
        tally.behind_debts += u64::from(
            splits
                .iter()
                .any(|s| s.debt.is_some_and(|(side, _)| !self.ledger.debts(pair.entity(side), s.token).is_empty())),
        );
        self.compare(pair, &facts, &splits);
    }

    /// Goes to a time, and does on the way what was planned for before it.
    fn go_to(&mut self, plan: &Plan, done: &mut Known, tally: &mut Tally, until: UnixSeconds) {
        let secrets = plan.secrets.iter().filter(|(name, _)| !done.reveals.contains_key(*name));
        let secrets = secrets.map(|(name, (secret, at))| (*at, Step::Reveal(*name, *secret)));
        let questions = plan.questions.iter().filter(|(name, _)| !done.asked.contains(*name));
        let questions = questions.map(|(name, asking)| (asking.at, Step::Ask(*name, asking)));
        let mut due: Vec<_> = secrets.chain(questions).filter(|(at, _)| *at <= until).collect();
        due.sort_by_key(|(at, _)| *at);
        for (at, step) in due {
            self.world.chain.set_time(at);
            match step {
                Step::Reveal((kind, hash), secret) => {
                    now(self.world.client.reveal(&self.bank, kind, &[secret]));
                    done.reveals.insert((kind, hash), self.now());
                }
                Step::Ask(name, asking) => {
                    self.ask(name, asking, tally);
                    done.asked.insert(name);
                }
            }
        }
        self.world.chain.set_time(until);
        assert_eq!(self.now(), until, "time goes forward");
    }

    /// The epoch is over: the chain's books against the model's.
    fn compare(&mut self, pair: &Pair, facts: &[TokenFact], splits: &[TokenSplit]) {
        let before = facts.iter().filter(|fact| splits.iter().all(|split| split.token != fact.token));
        for fact in before {
            let left = now(self.world.client.collaterals(pair, &[fact.token]));
            assert_eq!(left, [*fact], "a token that the body does not list stays");
        }
        for split in splits {
            let left = now(self.world.client.collaterals(pair, &[split.token]));
            assert_eq!((left[0].collateral, left[0].ondelta), (0, 0));
        }
        self.ledger.settle(pair, splits);
        for party in &self.parties {
            for token in &self.tokens {
                let who = entity(party);
                assert_eq!(
                    now(self.world.client.reserve(&who, *token)),
                    self.ledger.reserve(who, *token),
                    "{splits:?}"
                );
                let debts = now(self.world.client.debts(&who, *token, 0, 100)).entries;
                let debts: Vec<_> = debts.into_iter().map(|d| (d.index, d.creditor, d.amount)).collect();
                assert_eq!(debts, self.ledger.debts(who, *token), "{splits:?}");
            }
        }
        let (epoch, nonce) = self.epochs.get(pair).copied().unwrap_or_default();
        let header = now(self.world.client.channel(pair));
        assert_eq!((header.epoch, header.dispute), (epoch + 1, None));
        self.epochs.insert(*pair, (header.epoch, header.settlement_nonce));
        assert_eq!(header.settlement_nonce, nonce);
    }
}
