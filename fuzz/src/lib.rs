//! What the fuzz targets run. Each function takes any bytes and panics only if xln-core breaks a promise. The file is also
//! part of `xln-core/tests/decoders.rs`, which runs it on a stable toolchain for a short time.

use std::collections::{BTreeMap, VecDeque};

use xln_core::chain::{ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Context, Effect, Input, Log, Machine, Record, Snapshot};
use xln_core::proof::{Body, Fills, SettlementUpdate, TokenDiff};
use xln_core::state::{ChannelState, Pending};
use xln_core::subcontract::{ConditionTerms, CreditDefaultSwapTerms, ScheduleTerms};
use xln_core::transition::Transition;
use xln_core::types::{
    Address, ChainId, ChainPoint, EntityId, Hash, HashKind, Nonce, Pair, RecordedFact, Reveal, Secret, Side,
    SubchannelKey, TokenFact, TokenId, UnixSeconds,
};
use xln_core::wire::Message;

/// What decodes is canonical: it encodes to the same bytes.
pub fn message_decode(bytes: &[u8]) {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.encode().expect("decoded"), bytes);
    }
}

/// What decodes is canonical.
pub fn record_decode(bytes: &[u8]) {
    if let Ok(record) = Record::decode(bytes) {
        assert_eq!(record.encode().expect("decoded"), bytes);
    }
}

/// What is restored from any bytes has no impossible state, and can be written again.
pub fn snapshot_restore(bytes: &[u8]) {
    let entity = signers()[0].entity();
    let snapshot = Snapshot { seq: 0, bytes: bytes.to_vec() };
    if let Ok(machine) = Machine::restore(entity, Some(&snapshot), Vec::<Record>::new()) {
        assert_eq!(machine.snapshot().expect("restored").bytes, bytes);
        for (_, channel) in machine.channels() {
            channel.state().check().expect("checked when it was loaded");
        }
    }
}

/// What parses is canonical.
pub fn body_parse(bytes: &[u8]) {
    if let Ok(body) = Body::parse(bytes) {
        assert_eq!(body.encode().expect("parsed"), bytes);
    }
}

/// What parses is canonical.
pub fn fills_parse(bytes: &[u8]) {
    if let Ok(fills) = Fills::parse(bytes) {
        assert_eq!(fills.encode().expect("parsed"), bytes);
    }
}

/// What parses is canonical.
pub fn settlement_parse(bytes: &[u8]) {
    if let Ok(update) = SettlementUpdate::parse(bytes) {
        assert_eq!(update.encode().expect("parsed"), bytes);
    }
}

/// Bytes choose what happens to two machines: commands, time, chain, losses, damage, restarts. Nothing panics, no step
/// fails, no nonce is signed twice, both agree in the end.
pub fn machine_inputs(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let mut world = World::new();
    world.open();
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

fn signers() -> [LocalSigner; 2] {
    let mut signers = [[1; 32], [2; 32]].map(|key| LocalSigner::new(&key).expect("a key"));
    signers.sort_by_key(Signer::entity);
    signers
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

struct World {
    signers: [LocalSigner; 2],
    machines: [Machine; 2],
    logs: [Records; 2],
    snapshots: [Option<Snapshot>; 2],
    wire: VecDeque<(usize, Vec<u8>)>,
    now: u64,
    block: u64,
    collateral: (u128, i128),
}

impl World {
    fn new() -> Self {
        let signers = signers();
        let machines = [0, 1].map(|i: usize| Machine::new(signers[i].entity()));
        let wire = VecDeque::new();
        let (logs, snapshots) = (Default::default(), [None, None]);
        let mut world = Self { signers, machines, logs, snapshots, wire, now: 1_000_000, block: 0, collateral: (0, 0) };
        let depositories = vec![AcceptedDepository::new(KEY, 3600, vec![PROVIDER], ENTITIES, 10_800)];
        for i in 0..2 {
            let config =
                ChannelConfig { depositories: depositories.clone(), vigilant: i == 0, ..ChannelConfig::default() };
            world.stage(i, vec![Input::Configure(config)]);
        }
        world
    }

    fn id(&self, i: usize) -> EntityId {
        self.signers[i].entity()
    }

    fn state(&self, i: usize) -> &ChannelState {
        self.machines[i].channel(&self.id(1 - i)).expect("opened").state()
    }

    fn stage(&mut self, i: usize, inputs: Vec<Input>) {
        let cx = Context { now: UnixSeconds(self.now), signer: &self.signers[i] };
        let staged = self.machines[i].stage(&cx, inputs).expect("no input stops a machine");
        let effects = staged.commit(&mut self.logs[i]).expect("nonces only rise");
        for (_, effect) in effects.effects() {
            if let Effect::Send { bytes, .. } = effect {
                self.wire.push_back((1 - i, bytes.clone()));
            }
        }
    }

    fn command(&mut self, i: usize, transition: Transition) {
        let peer = self.id(1 - i);
        self.stage(i, vec![Input::Command(Command { peer, action: Action::Propose { transition, submit: false } })]);
    }

    fn deliver(&mut self) -> bool {
        let Some((to, bytes)) = self.wire.pop_front() else { return false };
        let from = self.id(1 - to);
        self.stage(to, vec![Input::Message { from, bytes }]);
        true
    }

    fn settle(&mut self) {
        let mut budget = 3000;
        while self.deliver() {
            budget -= 1;
            assert!(budget > 0, "the two never come to rest");
        }
    }

    fn connect(&mut self) {
        for i in 0..2 {
            let peer = self.id(1 - i);
            self.stage(i, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
        }
    }

    fn open(&mut self) {
        self.command(0, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 0 });
        self.settle();
        for token in TOKENS {
            self.command(0, Transition::AddToken { key: KEY, token });
            for i in 0..2 {
                self.settle();
                self.command(i, Transition::SetCreditLimit { key: KEY, token, limit: 100 });
            }
        }
        self.settle();
    }

    fn step(&mut self, c: &mut Choices<'_>) {
        let i = usize::from(c.below(2));
        match c.below(20) {
            0..=5 => {
                let transition = self.transition(i, c);
                self.command(i, transition);
            }
            6..=9 => drop(self.deliver()),
            10 => drop(self.wire.pop_front()),
            11 => {
                if let Some(copy) = self.wire.front().cloned() {
                    self.wire.push_back(copy);
                }
            }
            12 => {
                if let Some((to, mut bytes)) = self.wire.pop_front() {
                    let at = usize::from(c.byte()).wrapping_mul(usize::from(c.byte()) + 1) % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= c.byte() | 1;
                    }
                    let from = self.id(1 - to);
                    self.stage(to, vec![Input::Message { from, bytes }]);
                }
            }
            13 => {
                let count = usize::from(c.byte()).min(c.0.len());
                let (bytes, rest) = c.0.split_at(count);
                c.0 = rest;
                let from = self.id(1 - i);
                self.stage(i, vec![Input::Message { from, bytes: bytes.to_vec() }]);
            }
            14 => {
                self.now += u64::from(c.byte());
                self.stage(i, vec![Input::Tick]);
            }
            15 | 16 => self.chain(c),
            17 => self.snapshots[i] = Some(self.machines[i].snapshot().expect("a machine has an encoding")),
            18 => self.restart(i),
            _ => self.connect(),
        }
        self.state(i).check().expect("no step makes an impossible state");
    }

    fn transition(&self, i: usize, c: &mut Choices<'_>) -> Transition {
        let token = TOKENS[usize::from(c.below(2))];
        let expiry = UnixSeconds(self.now + u64::from(c.byte()) * 8);
        let id = u64::from(c.below(12));
        let pending = self.state(i).subchannels.get(&KEY).and_then(|s| s.pending.iter().nth(usize::from(c.below(4))));
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
    fn awaited(&self, at: UnixSeconds) -> Vec<RecordedFact> {
        let pending = self.state(0).subchannels.get(&KEY).into_iter().flat_map(|s| s.pending.values());
        let asks = pending.filter_map(|p| if let Pending::Subcontract(s) = p { Some(&s.asks) } else { None });
        let open = asks.flatten().filter(|ask| ask.answer.is_none());
        open.map(|ask| RecordedFact { provider: PROVIDER, key: ask.key, at, value: 1 }).collect()
    }

    /// A confirmed block that both see, with what may have happened in it.
    fn chain(&mut self, c: &mut Choices<'_>) {
        self.block += 1;
        self.now += u64::from(c.byte() % 16);
        let timestamp = UnixSeconds(self.now);
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&self.block.to_be_bytes());
        let point = ChainPoint { chain: KEY.chain, number: self.block, hash: Hash(hash), timestamp };
        let facts = if c.below(4) == 0 { self.awaited(timestamp) } else { Vec::new() };
        let mut reveals = Vec::new();
        let mut kinds = Vec::new();
        match c.below(4) {
            0 => {
                self.collateral.0 += u128::from(c.byte());
                self.collateral.1 += i128::from(c.byte()) - 100;
                kinds.push(self.collateral);
            }
            1 => {
                let kind = if c.below(2) == 0 { HashKind::Keccak256 } else { HashKind::Sha256 };
                reveals.push(Reveal { provider: PROVIDER, kind, secret: Secret([c.below(3); 32]), at: timestamp });
            }
            _ => {}
        }
        let pair = Pair::new(self.id(0), self.id(1)).expect("two");
        let change = |(collateral, ondelta)| ChainChange {
            key: KEY,
            pair,
            kind: ChangeKind::Collateral(TokenFact { token: TOKENS[0], collateral, ondelta }),
        };
        let changes: Vec<ChainChange> = kinds.into_iter().map(change).collect();
        let first = usize::from(c.below(2));
        for i in [first, 1 - first] {
            let (changes, reveals, facts) = (changes.clone(), reveals.clone(), facts.clone());
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
        for _ in 0..8 {
            self.connect();
            self.settle();
            self.now += 700;
            for i in 0..2 {
                self.stage(i, vec![Input::Tick]);
            }
            self.settle();
        }
        assert_eq!(self.state(0), self.state(1), "both agree");
        for i in 0..2 {
            let channel = self.machines[i].channel(&self.id(1 - i)).expect("opened");
            assert!(!channel.is_in_flight() && channel.queued() == 0, "what can complete completes");
        }
    }
}
