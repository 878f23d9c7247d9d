//! Three machines in a line, two accounts and an organisation, that meet whatever bytes choose: commands, payments through the
//! one in the middle, disputes, time, chain, losses, damage, restarts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use xln_core::chain::{ChainAction, ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{AcceptedDepository, Arguments, Channel, ChannelConfig};
use xln_core::commitment::Evidence;
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::entity::{
    Board, Claim, Delegation, MemberSigner, OperatorSigner, Permission, Permissions, Quorum, Verifier,
};
use xln_core::machine::{Action, Command, Context, Effect, EffectId, Input, Log, Machine, Record, Snapshot};
use xln_core::proof::{
    Body, SettlementUpdate, TokenDiff, body_hash, channel_state_digest, fills_hash, subchannel_leaf,
};
use xln_core::route::{ExpectedPayment, Hop, Lock, OnionKey, Route, RoutingPolicy};
use xln_core::state::{ChannelState, Pending};
use xln_core::subcontract::{ConditionTerms, CreditDefaultSwapTerms, ScheduleTerms, fact_key};
use xln_core::transition::Transition;
use xln_core::types::{
    Address, ChainId, ChainPoint, DisputeFact, EntityId, Hash, HashKind, Nonce, Pair, RecordedFact, Reveal, Secret,
    Side, SubchannelKey, TokenFact, TokenId, UnixSeconds,
};

/// Nothing that bytes choose panics, no step fails, no nonce is signed twice, no evidence is shown that the contract would
/// refuse, and neighbours agree in the end.
pub fn machine_inputs(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let mut world = World::new();
    let mut steps = 0;
    while !choices.0.is_empty() && steps < 200 {
        steps += 1;
        world.step(&mut choices);
    }
    world.end();
}

const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
const PROVIDER: Address = Address([0x5c; 20]);
const ENTITIES: Address = Address([0xee; 20]);
const TOKENS: [TokenId; 2] = [TokenId(1), TokenId(2)];

const N: usize = 3;
const WINDOW_S: u64 = 3_600;

fn account(byte: u8) -> LocalSigner {
    LocalSigner::new(&[byte; 32]).expect("a key")
}

/// Two accounts, the second one in the middle, and the operator of an organisation of three.
fn signers() -> [Box<dyn Signer>; N] {
    let members = [11, 12, 13].map(account);
    let board = Board::new(2, &members.each_ref().map(|key| (key.entity(), 1))).expect("a board");
    let entity = board.counterfactual();
    let (permissions, late) = (Permissions::of(&[Permission::States]), UnixSeconds(1 << 39));
    let delegation = Delegation::new(account(21).address(), permissions, late, 1, Vec::new()).expect("an operator");
    let digest = delegation.digest(&entity);
    let mut quorum = Quorum::new(entity, digest, Permission::States, vec![(entity, board)]).expect("two of three");
    for request in quorum.requests().collect::<Vec<_>>().into_iter().take(2) {
        let member = members.iter().find(|key| key.entity() == request.member).expect("a member");
        let approval = MemberSigner::new(member.clone()).approve(&request.path, &digest).expect("it signs");
        quorum.add(&mut Verifier::default(), approval).expect("a member's");
    }
    let approval = quorum.signature().expect("two of three").expect("two of three");
    let operator = OperatorSigner::new(account(21), entity, delegation, approval).expect("approved");
    [Box::new(account(1)), Box::new(account(2)), Box::new(operator)]
}

fn onion_key(i: usize) -> OnionKey {
    OnionKey::derive(&[1 + i as u8; 32]).expect("a key")
}

struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, n: u8) -> u8 {
        self.byte() % n
    }

    fn amount(&mut self) -> u128 {
        match self.byte() {
            255 => u128::MAX,
            254 => (1 << 127) - 1,
            253 => 1 << 127,
            small => u128::from(small) / 2,
        }
    }
}

#[derive(Default)]
struct Records {
    records: Vec<Vec<u8>>,
    nonces: BTreeMap<Hash, (Nonce, Hash)>,
}

impl Log for Records {
    type Error = String;
    fn append(&mut self, record: &Record) -> Result<(), String> {
        for signed in &record.signed {
            if let Some((nonce, digest)) = self.nonces.get(&signed.channel)
                && signed.nonce <= *nonce
                && signed.digest != *digest
            {
                return Err(format!("{:?} after {nonce:?}", signed.nonce));
            }
            self.nonces.insert(signed.channel, (signed.nonce, signed.digest));
        }
        self.records.push(record.encode().expect("a record has an encoding"));
        Ok(())
    }
}

/// What the contract knows of one channel: no signatures, no money, only the order of things.
#[derive(Default)]
struct Contract {
    epoch: u32,
    settlement_nonce: u32,
    dispute: Option<DisputeFact>,
    fact: (u128, i128),
    executed: BTreeSet<Vec<u8>>,
}

struct World {
    signers: [Box<dyn Signer>; N],
    machines: [Machine; N],
    logs: [Records; N],
    snapshots: [Option<Snapshot>; N],
    wire: VecDeque<(usize, usize, Vec<u8>)>,
    actions: Vec<(usize, EffectId, ChainAction)>,
    contracts: [Contract; N - 1],
    verifier: Verifier,
    now: u64,
    block: u64,
}

impl World {
    fn new() -> Self {
        let signers = signers();
        let machines = [0, 1, 2].map(|i: usize| Machine::new(signers[i].entity()));
        let mut world = Self {
            signers,
            machines,
            logs: Default::default(),
            snapshots: Default::default(),
            wire: VecDeque::new(),
            actions: Vec::new(),
            contracts: Default::default(),
            verifier: Verifier::default(),
            now: 1_000_000,
            block: 0,
        };
        let depositories = vec![AcceptedDepository::new(KEY, WINDOW_S, vec![PROVIDER], ENTITIES, 10_800)];
        for i in 0..N {
            let (onion_key, equivalent) = (onion_key(i), Vec::new());
            let routing =
                RoutingPolicy { onion_key, forwards: true, fee_ppm: 1_000, gap_s: 600, reveal_s: 0, equivalent };
            let (depositories, vigilant) = (depositories.clone(), i == 0);
            let config = ChannelConfig { depositories, vigilant, routing: Some(routing), ..ChannelConfig::default() };
            world.stage(i, vec![Input::Configure(config)]);
        }
        for i in [0, 1] {
            world.open(i, i + 1);
        }
        world
    }

    fn id(&self, i: usize) -> EntityId {
        self.signers[i].entity()
    }

    fn channel(&self, i: usize, j: usize) -> &Channel {
        self.machines[i].channel(&self.id(j)).expect("opened")
    }

    fn state(&self, i: usize, j: usize) -> &ChannelState {
        self.channel(i, j).state()
    }

    fn stage(&mut self, i: usize, inputs: Vec<Input>) {
        let cx = Context { now: UnixSeconds(self.now), signer: &*self.signers[i] };
        let staged = self.machines[i].stage(&cx, inputs).expect("no input stops a machine");
        let effects = staged.commit(&mut self.logs[i]).expect("nonces only rise");
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { to, bytes } => {
                    if let Some(to) = (0..N).find(|j| self.id(*j) == *to) {
                        self.wire.push_back((i, to, bytes.clone()));
                    }
                }
                Effect::Submit(action) => self.actions.push((i, *id, action.clone())),
                _ => {}
            }
        }
    }

    fn command(&mut self, i: usize, j: usize, action: Action) {
        let peer = self.id(j);
        self.stage(i, vec![Input::Command(Command { peer, action })]);
    }

    fn propose(&mut self, i: usize, j: usize, transition: Transition) {
        self.command(i, j, Action::Propose { transition, submit: false });
    }

    fn deliver(&mut self) -> bool {
        let Some((from, to, bytes)) = self.wire.pop_front() else { return false };
        let from = self.id(from);
        self.stage(to, vec![Input::Message { from, bytes }]);
        true
    }

    fn settle(&mut self) {
        let mut budget = 5_000;
        while let Some((from, to, bytes)) = self.wire.front() {
            budget -= 1;
            let parts = xln_core::wire::Message::decode(bytes).map(|message| message.parts);
            assert!(budget > 0, "they never come to rest: {from} to {to} {parts:?}");
            self.deliver();
        }
    }

    fn connect(&mut self) {
        for (i, j) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
            let peer = self.id(j);
            self.stage(i, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
        }
    }

    fn open(&mut self, i: usize, j: usize) {
        self.propose(i, j, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 0 });
        self.settle();
        for token in TOKENS {
            self.propose(i, j, Transition::AddToken { key: KEY, token });
            for (a, b) in [(i, j), (j, i)] {
                self.settle();
                self.propose(a, b, Transition::SetCreditLimit { key: KEY, token, limit: 100 });
            }
        }
        self.settle();
    }

    fn step(&mut self, c: &mut Choices<'_>) {
        let i = usize::from(c.below(3));
        // The one in the middle has two neighbours.
        let j = if i == 1 { 2 * usize::from(c.below(2)) } else { 1 };
        match c.below(26) {
            0..=4 => {
                let transition = self.transition(i, j, c);
                self.propose(i, j, transition);
            }
            5..=9 => drop(self.deliver()),
            10 => drop(self.wire.pop_front()),
            11 => {
                if let Some(copy) = self.wire.front().cloned() {
                    self.wire.push_back(copy);
                }
            }
            12 => {
                if let Some((from, to, mut bytes)) = self.wire.pop_front() {
                    let at = usize::from(c.byte()).wrapping_mul(usize::from(c.byte()) + 1) % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= c.byte() | 1;
                    }
                    let from = self.id(from);
                    self.stage(to, vec![Input::Message { from, bytes }]);
                }
            }
            13 => {
                let count = usize::from(c.byte()).min(c.0.len());
                let (bytes, rest) = c.0.split_at(count);
                c.0 = rest;
                let from = self.id(j);
                self.stage(i, vec![Input::Message { from, bytes: bytes.to_vec() }]);
            }
            14 => {
                self.now += u64::from(c.byte()) << (c.byte() % 6);
                self.stage(i, vec![Input::Tick]);
            }
            15 | 16 => self.chain(c),
            17 => self.snapshots[i] = Some(self.machines[i].snapshot().expect("a machine has an encoding")),
            18 => self.restart(i),
            19 => self.connect(),
            20 | 21 => self.send_through(c),
            22 => self.ask_the_chain(i, j, c),
            23 | 24 => self.act(usize::from(c.byte())),
            _ => self.settle(),
        }
        for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
            self.state(a, b).check().expect("no step makes an impossible state");
        }
        assert!(self.machines.iter().all(|m| m.routes() < 64 && m.pending_effects().count() < 64), "it grows");
    }

    /// A payment through the one in the middle, which its recipient may expect.
    fn send_through(&mut self, c: &mut Choices<'_>) {
        let (from, to) = if c.below(2) == 0 { (0, 2) } else { (2, 0) };
        let (amount, secret, kind) = (c.amount().min(1 << 100), Secret([3 + c.below(3); 32]), HashKind::Sha256);
        let lock = Lock { kind, hash: secret.hash(kind), expiry: UnixSeconds(self.now + u64::from(c.byte()) * 40) };
        if c.below(4) != 0 {
            let until = UnixSeconds(self.now + 9_000);
            let expected = ExpectedPayment { key: KEY, token: TOKENS[0], amount, kind, secret, until };
            self.stage(to, vec![Input::Expect(expected)]);
        }
        let gap_s = 600 * u64::from(c.below(3));
        let hop = |i: usize| Hop {
            entity: self.id(i),
            onion_key: onion_key(i).public().expect("a key"),
            key: KEY,
            token: TOKENS[0],
            fee_ppm: 1_000,
            gap_s,
        };
        if let Ok(route) = Route::new(&[hop(1), hop(to)], amount, &lock, &[c.byte(); 32]) {
            self.propose(from, 1, route.payment);
        }
    }

    /// What only the chain can do.
    fn ask_the_chain(&mut self, i: usize, j: usize, c: &mut Choices<'_>) {
        let (key, arguments) = (KEY, Arguments::default());
        let action = match c.below(9) {
            0 | 1 => Action::StartDispute { key, arguments },
            2 => Action::StartEmptyDispute { key, tokens: TOKENS[..usize::from(c.below(3))].to_vec() },
            3 => Action::CounterDispute { key, arguments },
            4 => Action::AcceptDispute { key, arguments },
            5 => Action::FinalizeDispute { key, arguments },
            6 => Action::SubmitSettlement { key },
            7 => Action::Reveal { key, provider: PROVIDER, kind: HashKind::Sha256, secret: Secret([c.below(6); 32]) },
            _ => {
                let small = |byte: u8| i128::from(byte) - 128;
                let diff = TokenDiff { token: TOKENS[0], left: small(c.byte()), right: small(c.byte()), ondelta: 0 };
                Action::Consent { key, update: SettlementUpdate { diffs: vec![diff], forgiven: vec![] } }
            }
        };
        self.command(i, j, action);
    }

    /// One of the transactions that were asked for gets into a block, or fails there.
    fn act(&mut self, which: usize) {
        if self.actions.is_empty() {
            return;
        }
        let (i, effect, action) = self.actions.remove(which % self.actions.len());
        let p = usize::from(action.pair != self.pair(0));
        self.now += 1;
        let done = self.execute(p, &action);
        let success = done.is_some();
        if let Some((changes, reveals, facts)) = done {
            self.confirm(p, changes, reveals, facts, i);
        }
        self.stage(i, vec![Input::Completed { effect, success }]);
    }

    fn pair(&self, p: usize) -> Pair {
        Pair::new(self.id(p), self.id(p + 1)).expect("two")
    }

    #[allow(clippy::type_complexity, reason = "what a block has")]
    fn execute(&mut self, p: usize, action: &ChainAction) -> Option<(Vec<ChangeKind>, Vec<Reveal>, Vec<RecordedFact>)> {
        let (pair, at) = (action.pair, UnixSeconds(self.now));
        if let ChainCall::StartDispute { starter, evidence, .. } = &action.call {
            self.expect_good(&pair, starter.other(), evidence);
        }
        if let ChainCall::CounterDispute { dispute, evidence, .. } = &action.call {
            self.expect_good(&pair, dispute.starter, evidence);
        }
        let contract = &mut self.contracts[p];
        let epoch = contract.epoch;
        let current = contract.dispute;
        let mut disputed = |dispute: DisputeFact, fills: &Vec<u8>, body| {
            contract.dispute = Some(dispute);
            Some((vec![ChangeKind::Dispute { epoch, dispute, fills: fills.clone(), body }], vec![], vec![]))
        };
        let started = |starter, nonce, body_hash, fills: &[u8]| DisputeFact {
            nonce,
            started_at: at,
            starter,
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: fills_hash(fills),
            answerer_fills_hash: Hash::ZERO,
        };
        let answered = |dispute: &DisputeFact, fills: &[u8]| DisputeFact {
            answered: true,
            answered_at: at,
            answerer_fills_hash: fills_hash(fills),
            ..*dispute
        };
        let open = |dispute: &DisputeFact| !dispute.answered && at <= dispute.started_at.plus(WINDOW_S);
        match &action.call {
            ChainCall::StartDispute { starter, evidence, fills } => {
                let fits = current.is_none() && evidence.epoch == epoch;
                let dispute = started(*starter, evidence.nonce.0, evidence.body_hash(), fills);
                if fits { disputed(dispute, fills, vec![]) } else { None }
            }
            ChainCall::StartEmptyDispute { starter, tokens } => {
                let tokens = tokens.iter().map(|token| (*token, 0)).collect();
                let body = Body { tokens, clauses: Vec::new() }.encode().expect("within the limits");
                let dispute = started(*starter, 0, body_hash(&body), &[]);
                if current.is_none() { disputed(dispute, &vec![], body) } else { None }
            }
            ChainCall::AcceptDispute { dispute, fills } => {
                let fits = current == Some(*dispute) && open(dispute);
                if fits { disputed(answered(dispute, fills), fills, vec![]) } else { None }
            }
            ChainCall::CounterDispute { dispute, evidence, fills, .. } => {
                let newer = evidence.nonce.0 > dispute.nonce && evidence.epoch == epoch;
                let (nonce, body_hash) = (evidence.nonce.0, evidence.body_hash());
                let after = DisputeFact { nonce, body_hash, ..answered(dispute, fills) };
                let fits = current == Some(*dispute) && open(dispute) && newer;
                if fits { disputed(after, fills, vec![]) } else { None }
            }
            ChainCall::FinalizeDispute { dispute, body, .. } => {
                let over = dispute.answered || at > dispute.started_at.plus(WINDOW_S);
                if contract.dispute != Some(*dispute) || !over {
                    return None;
                }
                assert_eq!(body_hash(body), dispute.body_hash, "a finalize with another body");
                Some((contract.close(), vec![], vec![]))
            }
            ChainCall::CooperativeUpdate { expiry, update, left, .. } => {
                if contract.dispute.is_some() || at > *expiry || !contract.executed.insert(left.as_bytes().to_vec()) {
                    return None;
                }
                let diff = update.diffs.iter().find(|diff| diff.token == TOKENS[0]);
                let (mut collateral, mut ondelta) = contract.fact;
                if let Some(TokenDiff { left, right, ondelta: moved, .. }) = diff {
                    let less = left.checked_add(*right)?;
                    collateral = collateral.checked_add_signed(less.checked_neg()?)?;
                    ondelta = ondelta.checked_add(*moved)?;
                }
                contract.fact = (collateral, ondelta);
                contract.settlement_nonce += 1;
                let settled = ChangeKind::Settled { epoch, settlement_nonce: contract.settlement_nonce };
                Some((vec![contract.collateral(), settled], vec![], vec![]))
            }
            ChainCall::CooperativeClose { expiry, left, .. } => {
                let fits = contract.dispute.is_none() && at <= *expiry;
                let fits = fits && contract.executed.insert(left.as_bytes().to_vec());
                fits.then(|| (contract.close(), vec![], vec![]))
            }
            ChainCall::Reveal { provider, kind, secret } => {
                Some((vec![], vec![Reveal { provider: *provider, kind: *kind, secret: *secret, at }], vec![]))
            }
            ChainCall::Record { provider, instrument, not_before, question } => {
                let key = fact_key(*instrument, *not_before, question)?;
                let fact = RecordedFact { provider: *provider, key, at, value: 1 };
                (at >= *not_before).then(|| (vec![], vec![], vec![fact]))
            }
        }
    }

    /// What a machine shows was signed by the other side.
    fn expect_good(&mut self, pair: &Pair, signer: Side, evidence: &Evidence) {
        let leaf = subchannel_leaf(&evidence.key, evidence.epoch, &evidence.body_hash());
        assert!(xln_core::proof::verify_path(&leaf, &evidence.path, &evidence.root), "a path to nowhere");
        let digest = &channel_state_digest(&pair.channel_key(), evidence.nonce, &evidence.root);
        let signature = evidence.signature(signer).expect("the other side's signature");
        let entity = &pair.entity(signer);
        let claim = Claim { entity, digest, signature, permission: Permission::States };
        self.verifier.verify(&claim).expect("the other side's signature");
    }

    fn transition(&self, i: usize, j: usize, c: &mut Choices<'_>) -> Transition {
        let token = TOKENS[usize::from(c.below(2))];
        let expiry = UnixSeconds(self.now + u64::from(c.byte()) * 8);
        let id = u64::from(c.below(12));
        let pending =
            self.state(i, j).subchannels.get(&KEY).and_then(|s| s.pending.iter().nth(usize::from(c.below(4))));
        let id = pending.map_or(id, |(id, _)| *id);
        let secret = Secret([c.below(3); 32]);
        let kind = if c.below(2) == 0 { HashKind::Keccak256 } else { HashKind::Sha256 };
        match c.below(17) {
            0 | 1 => Transition::DirectPayment { key: KEY, token, amount: c.amount() },
            2 | 3 => Transition::AddPayment {
                key: KEY,
                token,
                amount: c.amount(),
                kind,
                hash: secret.hash(kind),
                expiry,
                onion: vec![0; 3],
            },
            4 => match pending {
                Some((_, Pending::Payment(p))) => {
                    let known = (0..3).map(|s| Secret([s; 32])).find(|s| s.hash(p.kind) == p.hash);
                    Transition::SettlePayment { key: KEY, id, secret: known.unwrap_or(secret) }
                }
                _ => Transition::SettlePayment { key: KEY, id, secret },
            },
            5 => Transition::CancelPayment { key: KEY, id },
            6 => Transition::OfferSwap {
                key: KEY,
                give_token: token,
                give: c.amount(),
                want_token: TOKENS[1],
                want: c.amount(),
                min_fill: c.amount(),
                expiry,
            },
            7 => Transition::FillSwap { key: KEY, id, fill: c.amount() },
            8 => Transition::CancelSwap { key: KEY, id },
            9 => Transition::SetCreditLimit { key: KEY, token, limit: c.amount() },
            10 => {
                let small = |byte: u8| i128::from(byte) - 128;
                let diff = TokenDiff { token, left: small(c.byte()), right: small(c.byte()), ondelta: small(c.byte()) };
                Transition::ProposeSettlement {
                    key: KEY,
                    update: SettlementUpdate { diffs: vec![diff], forgiven: vec![] },
                    expiry,
                }
            }
            11 if c.below(8) == 0 => Transition::ProposeClose { key: KEY, expiry },
            12 => Transition::SettleSubcontract { key: KEY, id },
            13 => Transition::CancelSubcontract { key: KEY, id },
            14 | 15 => self.subcontract(c, token, expiry),
            _ => Transition::Memo { data: vec![c.byte(); 2] },
        }
    }

    /// A subcontract of some instrument, with terms that are mostly valid.
    fn subcontract(&self, c: &mut Choices<'_>, token: TokenId, expiry: UnixSeconds) -> Transition {
        let payer = if c.below(2) == 0 { Side::Left } else { Side::Right };
        let (amount, not_before) = (c.amount(), UnixSeconds(self.now));
        let instrument = 3 + u16::from(c.below(3));
        let terms = match instrument {
            3 => {
                let (reference, debt_token) = ([c.below(3); 32], token);
                CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference, debt_token }.encode()
            }
            4 => {
                let (cancellable, paid, steps) = (c.below(2) == 0, c.amount() / 2, u16::from(c.below(4)));
                let (start, duration_s, cliff_s) = (not_before, u64::from(c.byte()), u64::from(c.below(20)));
                ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s, steps }.encode()
            }
            _ => {
                let (fallback, target, calldata) = (c.amount(), Address([c.below(3); 20]), vec![]);
                ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata }.encode()
            }
        };
        let terms = terms.unwrap_or_else(|_| vec![c.byte(); 9]);
        Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument, tokens: vec![token], terms }
    }

    /// Everything that something pending waits for, as if it had just been recorded.
    fn awaited(&self, p: usize, at: UnixSeconds) -> Vec<RecordedFact> {
        let pending = self.state(p, p + 1).subchannels.get(&KEY).into_iter().flat_map(|s| s.pending.values());
        let asks = pending.filter_map(|p| if let Pending::Subcontract(s) = p { Some(&s.asks) } else { None });
        let open = asks.flatten().filter(|ask| ask.answer.is_none());
        open.map(|ask| RecordedFact { provider: PROVIDER, key: ask.key, at, value: 1 }).collect()
    }

    /// A confirmed block that all see, with what strangers may have done in it.
    fn chain(&mut self, c: &mut Choices<'_>) {
        let p = usize::from(c.below(2));
        self.now += u64::from(c.byte() % 16);
        let at = UnixSeconds(self.now);
        let facts = if c.below(4) == 0 { self.awaited(p, at) } else { Vec::new() };
        let (mut reveals, mut kinds) = (Vec::new(), Vec::new());
        match c.below(4) {
            0 => {
                let contract = &mut self.contracts[p];
                contract.fact.0 += u128::from(c.byte());
                contract.fact.1 += i128::from(c.byte()) - 100;
                kinds.push(contract.collateral());
            }
            1 => {
                let kind = if c.below(2) == 0 { HashKind::Keccak256 } else { HashKind::Sha256 };
                reveals.push(Reveal { provider: PROVIDER, kind, secret: Secret([c.below(6); 32]), at });
            }
            _ => {}
        }
        self.confirm(p, kinds, reveals, facts, usize::from(c.below(3)));
    }

    fn confirm(
        &mut self,
        p: usize,
        kinds: Vec<ChangeKind>,
        reveals: Vec<Reveal>,
        facts: Vec<RecordedFact>,
        first: usize,
    ) {
        self.block += 1;
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&self.block.to_be_bytes());
        let timestamp = UnixSeconds(self.now);
        let point = ChainPoint { chain: KEY.chain, number: self.block, hash: Hash(hash), timestamp };
        let pair = self.pair(p);
        let changes: Vec<ChainChange> = kinds.into_iter().map(|kind| ChainChange { key: KEY, pair, kind }).collect();
        for i in [first, (first + 1) % N, (first + 2) % N] {
            // A watcher only reports what concerns its entity.
            let changes = if i == p || i == p + 1 { changes.clone() } else { Vec::new() };
            let (reveals, facts) = (reveals.clone(), facts.clone());
            self.stage(
                i,
                vec![Input::Chain(ChainFact::Block { point, changes, reveals, facts, entities: Vec::new() })],
            );
        }
    }

    /// From the log alone, or from a snapshot and the records after it: the same machine.
    fn restart(&mut self, i: usize) {
        let before = self.machines[i].root().expect("a machine has a root");
        let decode = |bytes: &Vec<u8>| Record::decode(bytes).expect("a stored record");
        let records = self.logs[i].records.iter().map(decode);
        let entity = self.id(i);
        let restored = match &self.snapshots[i] {
            Some(snapshot) => Machine::restore(entity, Some(snapshot), records.filter(|r| r.seq > snapshot.seq)),
            None => Machine::restore(entity, None, records),
        };
        self.machines[i] = restored.expect("a log that this machine wrote");
        assert_eq!(self.machines[i].root().expect("a machine has a root"), before);
        self.stage(i, vec![Input::Restarted]);
        self.wire.clear();
        self.connect();
    }

    fn end(&mut self) {
        self.wire.clear();
        // Until every deferral and every deadline is over.
        for round in 0..12 {
            self.connect();
            self.settle();
            self.now += 700;
            for _ in 0..self.actions.len() {
                self.act(0);
            }
            for p in 0..N - 1 {
                let open = self.contracts[p].dispute;
                let over = open.is_some_and(|dispute| UnixSeconds(self.now) > dispute.started_at.plus(WINDOW_S));
                // Anyone may finalize.
                let kinds = if over { self.contracts[p].close() } else { Vec::new() };
                self.confirm(p, kinds, Vec::new(), Vec::new(), round % N);
            }
            for i in 0..N {
                self.stage(i, vec![Input::Tick]);
            }
            self.settle();
        }
        for (i, j) in [(0, 1), (1, 2)] {
            assert_eq!(self.state(i, j), self.state(j, i), "both agree");
            for (a, b) in [(i, j), (j, i)] {
                let channel = self.channel(a, b);
                let (in_flight, queued) = (channel.is_in_flight(), channel.queued());
                assert!(!in_flight && queued == 0, "what can complete completes: {a} to {b}, {in_flight}, {queued}");
            }
        }
    }
}

impl Contract {
    fn collateral(&self) -> ChangeKind {
        let (collateral, ondelta) = self.fact;
        ChangeKind::Collateral(TokenFact { token: TOKENS[0], collateral, ondelta })
    }

    /// The epoch ends, by a finalize or by both.
    fn close(&mut self) -> Vec<ChangeKind> {
        self.epoch += 1;
        self.dispute = None;
        self.fact = (0, 0);
        let closed = ChangeKind::Closed { epoch: self.epoch, settlement_nonce: self.settlement_nonce };
        vec![self.collateral(), closed]
    }
}
