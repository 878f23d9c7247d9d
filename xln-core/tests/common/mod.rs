//! Two or more real machines, a network that the test controls, a chain view that the test states. Nothing is mocked
//! inside the machines: the same bytes travel that would travel on a wire.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "tests say what they expect by failing"
)]

use std::collections::{BTreeMap, VecDeque};

use xln_core::block::{Block, BlockError, apply_block};
use xln_core::chain::{ChainAction, ChainCall, ChainChange, ChainFact};
use xln_core::channel::{AcceptedDepository, ChannelConfig, CommandError, CommandId, Event};
use xln_core::commitment::Commitment;
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{
    Action, Command, Context, Effect, EffectId, Input, InputOutcome, Log, Machine, Record, WantedBody,
};
use xln_core::state::ChannelState;
use xln_core::transition::{Applier, Transition, TransitionError};
use xln_core::types::*;
use xln_core::wire::{Message, Part, Reject, RejectReason};

pub const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };
pub const KEY2: SubchannelKey = SubchannelKey { chain: ChainId(2), depository: Address([0xd1; 20]) };
pub const PROVIDER: Address = Address([0x5c; 20]);
/// The EntityProvider of every chain, and its grace.
pub const ENTITIES: Address = Address([0xee; 20]);
pub const GRACE_S: u64 = 3 * 3600;
pub const USD: TokenId = TokenId(1);
pub const EUR: TokenId = TokenId(2);

/// Keeps records as bytes, as a store would, and refuses what goes back.
#[derive(Default, Clone)]
pub struct MemoryLog {
    pub records: Vec<Vec<u8>>,
    nonces: BTreeMap<Hash, (Nonce, Hash)>,
}

impl Log for MemoryLog {
    type Error = String;
    fn append(&mut self, record: &Record) -> Result<(), String> {
        for s in &record.signed {
            if let Some((nonce, digest)) = self.nonces.get(&s.channel)
                && s.nonce <= *nonce
                && s.digest != *digest
            {
                return Err(format!("nonce {:?} after {:?}", s.nonce, nonce));
            }
            self.nonces.insert(s.channel, (s.nonce, s.digest));
        }
        self.records.push(record.encode().unwrap());
        Ok(())
    }
}

pub struct Party {
    pub machine: Machine,
    pub signer: LocalSigner,
    pub log: MemoryLog,
    pub events: Vec<Event>,
    pub actions: Vec<(EffectId, ChainAction)>,
    pub requests: Vec<(EffectId, Hash)>,
    /// What its last step asks for.
    pub wanted: Vec<WantedBody>,
    /// Sends nothing itself: asks for every signature.
    pub remote: bool,
    /// Signs instead of the key.
    pub instead: Option<Box<dyn Signer>>,
}

/// Asks for every signature.
pub struct Remote(pub EntityId);

impl Signer for Remote {
    fn entity(&self) -> EntityId {
        self.0
    }
    fn sign(&self, _: &Hash) -> Result<xln_core::crypto::SignOutcome, xln_core::crypto::SignError> {
        Ok(xln_core::crypto::SignOutcome::Pending)
    }
}

pub struct Net {
    pub parties: Vec<Party>,
    pub now: UnixSeconds,
    /// In flight: from, to, bytes.
    pub wire: VecDeque<(usize, usize, Vec<u8>)>,
    pub block: u64,
}

pub fn config() -> ChannelConfig {
    let depositories =
        [KEY, KEY2].map(|key| AcceptedDepository::new(key, 3600, vec![PROVIDER], ENTITIES, GRACE_S)).to_vec();
    ChannelConfig { depositories, vigilant: false, ..ChannelConfig::default() }
}

/// Two parties, the first one left.
pub fn two() -> Net {
    let mut keys: Vec<LocalSigner> = (1..=2u8).map(|i| LocalSigner::new(&[i; 32]).unwrap()).collect();
    keys.sort_by_key(|k| k.entity());
    Net::new(keys)
}

impl Net {
    pub fn new(keys: Vec<LocalSigner>) -> Self {
        let parties = keys
            .into_iter()
            .map(|signer| Party {
                machine: Machine::new(signer.entity()),
                signer,
                log: MemoryLog::default(),
                events: Vec::new(),
                actions: Vec::new(),
                requests: Vec::new(),
                wanted: Vec::new(),
                remote: false,
                instead: None,
            })
            .collect();
        Self::of(parties)
    }

    /// Any entities, by what signs for them, the smaller one first.
    pub fn between(signers: Vec<Box<dyn Signer>>) -> Self {
        let mut signers = signers;
        signers.sort_by_key(|signer| signer.entity());
        let party = |signer: Box<dyn Signer>| Party {
            machine: Machine::new(signer.entity()),
            signer: LocalSigner::new(&[9; 32]).unwrap(),
            log: MemoryLog::default(),
            events: Vec::new(),
            actions: Vec::new(),
            requests: Vec::new(),
            wanted: Vec::new(),
            remote: false,
            instead: Some(signer),
        };
        Self::of(signers.into_iter().map(party).collect())
    }

    fn of(parties: Vec<Party>) -> Self {
        let mut net = Self { parties, now: UnixSeconds(1_000_000), wire: VecDeque::new(), block: 0 };
        for i in 0..net.parties.len() {
            net.stage(i, vec![Input::Configure(config())]);
        }
        net
    }

    pub fn id(&self, i: usize) -> EntityId {
        self.parties[i].machine.entity()
    }

    pub fn stage(&mut self, i: usize, inputs: Vec<Input>) -> Vec<InputOutcome> {
        let ids: Vec<EntityId> = self.parties.iter().map(|p| p.machine.entity()).collect();
        let party = &mut self.parties[i];
        let remote = Remote(party.machine.entity());
        let signer: &dyn Signer = match &party.instead {
            _ if party.remote => &remote,
            Some(signer) => &**signer,
            None => &party.signer,
        };
        let cx = Context { now: self.now, signer };
        let staged = party.machine.stage(&cx, inputs).unwrap();
        let effects = staged.commit(&mut party.log).unwrap();
        party.events.extend(effects.events().iter().cloned());
        party.wanted = effects.wanted().to_vec();
        for (id, effect) in effects.effects() {
            match effect {
                Effect::Send { to, bytes } => {
                    if let Some(to) = ids.iter().position(|id| id == to) {
                        self.wire.push_back((i, to, bytes.clone()));
                    }
                }
                Effect::Submit(action) => party.actions.push((*id, action.clone())),
                Effect::Sign { digest, .. } => party.requests.push((*id, *digest)),
                other => panic!("unknown effect {other:?}"),
            }
        }
        effects.outcomes().to_vec()
    }

    /// Delivers one message.
    pub fn deliver(&mut self) -> bool {
        let Some((from, to, bytes)) = self.wire.pop_front() else { return false };
        let from = self.id(from);
        self.stage(to, vec![Input::Message { from, bytes }]);
        true
    }

    /// Delivers until nothing moves.
    pub fn settle(&mut self) {
        let mut budget = 2000;
        while self.deliver() {
            budget -= 1;
            assert!(budget > 0, "the two never come to rest");
        }
    }

    pub fn submit(&mut self, i: usize, transitions: Vec<Transition>) -> Vec<Result<CommandId, CommandError>> {
        let peer = self.id(1 - i);
        let inputs = transitions
            .into_iter()
            .map(|t| Input::Command(Command { peer, action: Action::Propose { transition: t, submit: false } }))
            .collect();
        let outcomes = self.stage(i, inputs);
        outcomes
            .into_iter()
            .map(|o| match o {
                InputOutcome::Accepted(id) => Ok(id),
                InputOutcome::Refused(error) => Err(error),
                InputOutcome::Taken => panic!("a command has an outcome"),
            })
            .collect()
    }

    /// Submits one, expects it to be taken, and lets both agree.
    pub fn run(&mut self, i: usize, transition: Transition) {
        self.submit(i, vec![transition]).remove(0).unwrap();
        self.settle();
    }

    pub fn refused(&mut self, i: usize, transition: Transition) -> CommandError {
        self.submit(i, vec![transition]).remove(0).unwrap_err()
    }

    pub fn connect(&mut self) {
        for (i, j) in [(0, 1), (1, 0)] {
            let peer = self.id(j);
            self.stage(i, vec![Input::Connected { peer }]);
        }
        self.settle();
    }

    pub fn channel(&self, i: usize) -> &xln_core::channel::Channel {
        self.parties[i].machine.channel(&self.id(1 - i)).unwrap()
    }

    pub fn state(&self, i: usize) -> &xln_core::state::ChannelState {
        self.channel(i).state()
    }

    pub fn token(&self, i: usize) -> &xln_core::state::TokenState {
        self.state(i).token(&KEY, USD).unwrap()
    }

    pub fn agreed(&self) {
        assert_eq!(self.state(0), self.state(1));
        assert_eq!(self.channel(0).state_root(), self.channel(1).state_root());
        self.state(0).check().unwrap();
        assert!(!self.channel(0).is_in_flight() && !self.channel(1).is_in_flight());
    }

    pub fn open(&mut self) {
        self.run(0, open(KEY));
        self.run(0, Transition::AddToken { key: KEY, token: USD });
        self.run(1, Transition::AddToken { key: KEY, token: EUR });
    }

    /// Opens, and each side grants the other this much credit.
    pub fn with_credit(&mut self, limit: u128) {
        self.open();
        for (i, token) in [(0, USD), (1, USD), (0, EUR), (1, EUR)] {
            self.run(i, Transition::SetCreditLimit { key: KEY, token, limit });
        }
    }

    pub fn pair(&self) -> Pair {
        Pair::new(self.id(0), self.id(1)).unwrap()
    }

    pub fn point(&self) -> ChainPoint {
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&self.block.to_be_bytes());
        ChainPoint { chain: KEY.chain, number: self.block, hash: Hash(hash), timestamp: self.now }
    }

    /// The next confirmed block, seen by the given parties.
    pub fn chain_for(&mut self, who: &[usize], kinds: Vec<xln_core::chain::ChangeKind>, reveals: Vec<Reveal>) {
        self.facts_for(who, kinds, reveals, Vec::new());
    }

    /// [`Net::chain_for`] with recorded facts.
    pub fn facts_for(
        &mut self,
        who: &[usize],
        kinds: Vec<xln_core::chain::ChangeKind>,
        reveals: Vec<Reveal>,
        facts: Vec<RecordedFact>,
    ) {
        let pair = self.pair();
        let changes: Vec<ChainChange> = kinds.into_iter().map(|kind| ChainChange { key: KEY, pair, kind }).collect();
        let point = self.point();
        for i in who {
            self.stage(
                *i,
                vec![Input::Chain(ChainFact::Block {
                    point,
                    changes: changes.clone(),
                    reveals: reveals.clone(),
                    facts: facts.clone(),
                    entities: Vec::new(),
                })],
            );
        }
    }

    pub fn chain(&mut self, kinds: Vec<xln_core::chain::ChangeKind>, reveals: Vec<Reveal>) {
        self.block += 1;
        self.chain_for(&[0, 1], kinds, reveals);
        self.settle();
    }

    pub fn collateral(&mut self, collateral: u128, ondelta: i128) {
        self.chain(
            vec![xln_core::chain::ChangeKind::Collateral(TokenFact { token: USD, collateral, ondelta })],
            vec![],
        );
    }

    /// Drops all memory and restores from the log.
    pub fn restart(&mut self, i: usize) {
        let party = &mut self.parties[i];
        let before = party.machine.root().unwrap();
        let before_entity = party.machine.entity();
        let records: Vec<Record> = party.log.records.iter().map(|r| Record::decode(r).unwrap()).collect();
        party.machine = Machine::restore(before_entity, None, records).unwrap();
        assert_eq!(party.machine.root().unwrap(), before, "replay gives the same machine");
        self.stage(i, vec![Input::Restarted]);
    }

    pub fn rejections(&self, i: usize) -> Vec<xln_core::channel::Rejection> {
        let events = self.parties[i].events.iter();
        events.filter_map(|e| if let Event::Rejected { reason, .. } = e { Some(*reason) } else { None }).collect()
    }
}

pub fn open(key: SubchannelKey) -> Transition {
    Transition::OpenSubchannel { key, providers: vec![PROVIDER], settle_margin_s: 0 }
}

pub fn pay(amount: u128) -> Transition {
    Transition::DirectPayment { key: KEY, token: USD, amount }
}

pub fn secret(i: u8) -> Secret {
    Secret([i; 32])
}

pub fn lock(amount: u128, i: u8, expiry: UnixSeconds) -> Transition {
    let kind = HashKind::Keccak256;
    Transition::AddPayment { key: KEY, token: USD, amount, kind, hash: secret(i).hash(kind), expiry, onion: vec![] }
}

// A peer that keeps to nothing: blocks made by hand and signed with a real key.

/// A block on `state` that says what the caller wants it to say.
pub fn block_on(state: &ChannelState, proposer: Side, timestamp: UnixSeconds, transitions: Vec<Transition>) -> Block {
    Block {
        height: state.height + 1,
        prev_block_hash: state.block_hash,
        prev_state_hash: state.hash().unwrap(),
        proposer,
        timestamp,
        transitions,
    }
}

/// The state after one block, as anybody computes it.
pub fn step(
    state: &ChannelState,
    proposer: Side,
    timestamp: UnixSeconds,
    transitions: Vec<Transition>,
) -> Result<ChannelState, BlockError> {
    apply_block(state, &state.hash().unwrap(), &block_on(state, proposer, timestamp, transitions))
}

/// One transition, alone in its block. A refusal must leave the state as it was.
pub fn one(
    state: &ChannelState,
    author: Side,
    timestamp: UnixSeconds,
    transition: &Transition,
) -> Result<ChannelState, TransitionError> {
    let mut after = state.clone();
    let verdict = Applier::new(&mut after, author, timestamp).apply(transition);
    let block = step(state, author, timestamp, vec![transition.clone()]);
    match verdict {
        Ok(()) => {
            assert!(block.is_ok(), "{transition:?}: {block:?}");
            if let Err(error) = after.check() {
                // What was impossible before stays so; what was possible stays possible.
                assert!(state.check().is_err(), "{transition:?} makes an impossible state: {error}");
            }
            Ok(after)
        }
        Err(error) => {
            assert_eq!(after, *state, "{transition:?} is refused and changes something");
            assert_eq!(block, Err(BlockError::Transition { index: 0, error }));
            Err(error)
        }
    }
}

/// Two keys, the smaller entity first.
pub fn keys() -> Vec<LocalSigner> {
    let mut keys: Vec<LocalSigner> = (1..=2u8).map(|i| LocalSigner::new(&[i; 32]).unwrap()).collect();
    keys.sort_by_key(Signer::entity);
    keys
}

/// A channel with one subchannel, two tokens, and this much credit each way, at time `T0`.
pub const T0: UnixSeconds = UnixSeconds(1_000_000);

pub fn base(limit: u128) -> ChannelState {
    let keys = keys();
    let mut state = ChannelState::genesis(Pair::new(keys[0].entity(), keys[1].entity()).unwrap());
    state = step(&state, Side::Left, T0, vec![open(KEY)]).unwrap();
    for token in [USD, EUR] {
        state = step(&state, Side::Left, T0, vec![Transition::AddToken { key: KEY, token }]).unwrap();
        for side in [Side::Left, Side::Right] {
            state = step(&state, side, T0, vec![Transition::SetCreditLimit { key: KEY, token, limit }]).unwrap();
        }
    }
    state
}

/// What the chain says of `KEY`: collateral and ondelta of both tokens, the rest as given.
pub fn facts(epoch: u32, settlement_nonce: u32, usd: (u128, i128)) -> SubchannelFacts {
    let token = |token, (collateral, ondelta)| TokenFact { token, collateral, ondelta };
    SubchannelFacts { epoch, settlement_nonce, dispute: None, tokens: vec![token(USD, usd), token(EUR, (0, 0))] }
}

pub fn point(number: u64, timestamp: UnixSeconds) -> ChainPoint {
    ChainPoint { chain: KEY.chain, number, hash: Hash([number as u8; 32]), timestamp }
}

pub fn sync(number: u64, timestamp: UnixSeconds, facts: SubchannelFacts, reveals: Vec<Reveal>) -> Transition {
    Transition::SyncChain { key: KEY, point: point(number, timestamp), facts, reveals, recorded: vec![] }
}

pub fn dispute(starter: Side, nonce: u64, at: UnixSeconds) -> DisputeFact {
    DisputeFact {
        nonce,
        started_at: at,
        starter,
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: Hash([9; 32]),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    }
}

pub const fn side(i: usize) -> Side {
    if i == 0 { Side::Left } else { Side::Right }
}

impl Net {
    /// A block of party `i` on the state that the other one holds.
    pub fn forge(&self, i: usize, transitions: Vec<Transition>) -> Block {
        block_on(self.state(1 - i), side(i), self.now, transitions)
    }

    /// The digest of the state that a block gives on the state that the other one holds.
    pub fn digest(&self, i: usize, block: &Block) -> Hash {
        let parent = self.state(1 - i);
        let after = apply_block(parent, &parent.hash().unwrap(), block);
        // What the rules refuse has no state; sign something of this channel then.
        after.map_or_else(|_| Commitment::of(parent).unwrap().digest, |s| Commitment::of(&s).unwrap().digest)
    }

    /// A hand-made part from party `i`, delivered at once; what the other one answers.
    pub fn inject(&mut self, i: usize, part: Part) -> Vec<Part> {
        self.wire.clear();
        let message = Message { channel: self.pair().channel_key(), parts: vec![part] };
        let from = self.id(i);
        self.stage(1 - i, vec![Input::Message { from, bytes: message.encode().unwrap() }]);
        self.taken()
    }

    /// All parts on the wire, taken off it.
    pub fn taken(&mut self) -> Vec<Part> {
        let messages: Vec<_> = self.wire.drain(..).collect();
        messages.into_iter().flat_map(|(_, _, bytes)| Message::decode(&bytes).unwrap().parts).collect()
    }

    /// A hand-made block from party `i` with a true signature, delivered at once.
    pub fn inject_block(&mut self, i: usize, block: Block) -> Vec<Part> {
        let signature = self.parties[i].signer.sign_digest(&self.digest(i, &block)).unwrap();
        self.inject(i, Part::Proposal { block: block.into(), signature })
    }

    /// The refusal of party `i` for a block, truly signed.
    pub fn reject_of(&self, i: usize, block: &Block, reason: RejectReason, min_height: u64) -> Part {
        let (height, block_hash) = (block.height, block.hash().unwrap());
        let digest = Reject::digest(&self.pair().channel_key(), height, &block_hash, &reason, min_height).unwrap();
        let signature = self.parties[i].signer.sign_digest(&digest).unwrap();
        Part::Reject(Reject { height, block_hash, reason, min_height, signature })
    }

    /// Changes what party `i` promises.
    pub fn configure(&mut self, i: usize, change: impl FnOnce(&mut ChannelConfig)) {
        let mut config = self.parties[i].machine.config().clone();
        change(&mut config);
        self.stage(i, vec![Input::Configure(config)]);
    }

    /// What party `i` asked the chain to do since the last call.
    pub fn calls(&mut self, i: usize) -> Vec<ChainCall> {
        core::mem::take(&mut self.parties[i].actions).into_iter().map(|(_, action)| action.call).collect()
    }

    pub fn command(&mut self, i: usize, action: Action) -> InputOutcome {
        let peer = self.id(1 - i);
        self.stage(i, vec![Input::Command(Command { peer, action })]).remove(0)
    }
}

/// The blocks among parts.
pub fn proposals(parts: &[Part]) -> Vec<Block> {
    parts
        .iter()
        .filter_map(|p| if let Part::Proposal { block, .. } = p { Some((**block).clone()) } else { None })
        .collect()
}

pub fn rejects(parts: &[Part]) -> Vec<RejectReason> {
    parts.iter().filter_map(|p| if let Part::Reject(r) = p { Some(r.reason) } else { None }).collect()
}

pub fn acks(parts: &[Part]) -> usize {
    parts.iter().filter(|p| matches!(p, Part::Ack { .. })).count()
}
