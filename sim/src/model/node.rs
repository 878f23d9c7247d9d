//! One side: the real machine with what restores it, and the memory of steps. A step of a machine depends on nothing but the
//! machine, the time and what goes in, so it is made once and then looked up, in however many global states it occurs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use xln_core::block::{Block, apply_block};
use xln_core::channel::{Channel, CommandError, Event, SignedNonce, StageError};
use xln_core::codec;
use xln_core::commitment::{Commitment, Evidence};
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::machine::{Context, Effect, Input, InputOutcome, Machine, Record, Snapshot};
use xln_core::state::ChannelState;
use xln_core::transition::Transition;
use xln_core::types::{EntityId, Hash, Nonce, Pair, Side, SubchannelKey, UnixSeconds};
use xln_core::wire::{Message, Part};
use xln_node::driver::StoreLog;
use xln_storage::MemoryStore;

use super::laws::{Fault, Law, Mark};
use super::{KEY, index, signed};

/// A message on its way.
pub(super) struct Letter {
    /// Who sent it.
    pub(super) from: Side,
    /// As it travels.
    pub(super) bytes: Vec<u8>,
    /// Of its bytes.
    pub(super) print: u64,
}

/// A state that one side has signed, as it could be shown on chain.
pub(super) struct Shown {
    /// The state.
    pub(super) state: ChannelState,
    /// Its proof for the one subchannel, if it has a leaf there.
    pub(super) evidence: Option<Evidence>,
    /// Whether the signer had proposed it itself; then everything in it that takes is the signer's own offer.
    pub(super) own: bool,
    /// What the signer offered in it: payments and locks.
    pub(super) offered: u128,
    /// By how much each of the signer's own payments in it shifts offdelta.
    pub(super) effects: Vec<i128>,
    /// What was signed.
    pub(super) digest: Hash,
    /// The block that it builds on.
    pub(super) parent: Hash,
}

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It stands in an agreed block.
    Done,
    /// It never will.
    Failed,
    /// Nobody knows: only after a restore from a backup.
    Unknown,
}

/// A block that became agreed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Commit {
    /// Its parent; none if the state was taken over whole.
    pub(super) parent: Option<Hash>,
    /// Its hash.
    pub(super) block: Hash,
    /// Its nonce.
    pub(super) nonce: Nonce,
}

/// One side as its log has it.
pub(super) struct Node {
    /// The real thing. Nobody steps it: a copy is stepped.
    pub(super) machine: Machine,
    snapshot: Arc<Snapshot>,
    /// The snapshot before the last record, and that record: what a restart is made from.
    log: Option<(Arc<Snapshot>, Arc<Record>)>,
    /// What the store's guard knows.
    guard: Option<SignedNonce>,
    /// Blocks that became agreed, as this side's log has them.
    pub(super) commits: Arc<Vec<Commit>>,
    /// What the commands would do to offdelta, by command, and their ends.
    pub(super) asked: BTreeMap<u64, i128>,
    /// How they ended.
    pub(super) ends: BTreeMap<u64, End>,
    /// The own block that was signed last: hash, parent, nonce.
    proposed: Option<(Hash, Hash, Nonce)>,
    next_effect: u64,
    /// Of everything that decides what it will do: not of the number of records.
    pub(super) print: u128,
}

/// What became of a step.
pub(super) struct Outcome {
    /// The side after it.
    pub(super) node: Arc<Node>,
    /// What leaves it.
    pub(super) letters: Vec<Arc<Letter>>,
    /// What it signed.
    pub(super) signed: Vec<Arc<Shown>>,
    /// The law that it broke.
    pub(super) fault: Option<Arc<Fault>>,
}

/// Where a process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum Fate {
    /// Nowhere.
    Lives,
    /// Before the record is durable.
    DiesBefore,
    /// When the record is durable and nothing has left.
    DiesAfter,
}

const SHARDS: usize = 64;

/// The memory of steps, and what they are made with.
pub(super) struct Steps {
    keys: [LocalSigner; 2],
    pub(super) pair: Pair,
    shards: Vec<Mutex<HashMap<u128, Arc<Outcome>>>>,
    made: AtomicUsize,
    marks: AtomicU32,
}

/// 128 bits of anything.
pub(super) fn print_of(feed: impl Fn(&mut DefaultHasher)) -> u128 {
    let mut halves = [0u64; 2];
    for (seed, half) in (1u64..).zip(&mut halves) {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        feed(&mut hasher);
        *half = hasher.finish();
    }
    u128::from(halves[0]) << 64 | u128::from(halves[1])
}

/// 64 bits of anything.
pub(super) fn short(value: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Steps {
    pub(super) fn new(keys: [LocalSigner; 2], pair: Pair) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { keys, pair, shards, made: AtomicUsize::new(0), marks: AtomicU32::new(0) }
    }

    /// Different steps of one side that were made by the machine.
    pub(super) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    pub(super) fn mark(&self, mark: Mark) {
        self.marks.fetch_or(mark.bit(), Ordering::Relaxed);
    }

    pub(super) fn has(&self, mark: Mark) -> bool {
        self.marks.load(Ordering::Relaxed) & mark.bit() != 0
    }

    pub(super) fn key(&self, side: Side) -> &LocalSigner {
        &self.keys[index(side)]
    }

    /// A side before its first input.
    pub(super) fn newborn(&self, side: Side) -> Arc<Node> {
        let machine = Machine::new(self.pair.entity(side));
        let snapshot = Arc::new(machine.snapshot().expect("a new machine has an encoding"));
        let node = Node {
            machine,
            snapshot,
            log: None,
            guard: None,
            commits: Arc::default(),
            asked: BTreeMap::new(),
            ends: BTreeMap::new(),
            proposed: None,
            next_effect: 1,
            print: 0,
        };
        Arc::new(node)
    }

    /// One durable step, or how the process died in it. `name` stands for the inputs.
    pub(super) fn step(
        &self,
        node: &Arc<Node>,
        now: UnixSeconds,
        fate: Fate,
        name: u64,
        inputs: impl FnOnce() -> Vec<Input>,
    ) -> Arc<Outcome> {
        self.remember(node, now, short((fate, name)), || self.make(node, now, fate, inputs()))
    }

    fn remember(&self, node: &Arc<Node>, now: UnixSeconds, name: u64, make: impl FnOnce() -> Outcome) -> Arc<Outcome> {
        let print = print_of(|h| (node.print, now.0, name).hash(h));
        let shard = &self.shards[usize::try_from(print % 64).expect("below 64")];
        if let Some(known) = shard.lock().expect("no panic inside").get(&print) {
            return known.clone();
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let made = catch_unwind(AssertUnwindSafe(make));
        let outcome = made.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
            broken(node, Law::Sound, format!("the machine panicked: {text}"))
        });
        let outcome = Arc::new(outcome);
        shard.lock().expect("no panic inside").entry(print).or_insert(outcome).clone()
    }

    fn make(&self, node: &Arc<Node>, now: UnixSeconds, fate: Fate, inputs: Vec<Input>) -> Outcome {
        match fate {
            Fate::Lives => self.live(node, now, inputs),
            Fate::DiesBefore => {
                let mut machine = node.machine.clone();
                let signer = self.signer(&machine);
                let cx = Context { now, signer };
                match machine.stage(&cx, inputs) {
                    Ok(mut staged) => drop(staged.record().seq),
                    Err(error) => return broken(node, Law::Sound, format!("a step cannot be made: {error}")),
                }
                if machine.stage(&cx, vec![Input::Tick]).map(|_| ()) != Err(StageError::InDoubt) {
                    return broken(node, Law::Sound, "a machine goes on after a write that may have failed".into());
                }
                self.restart(node, now)
            }
            Fate::DiesAfter => {
                let lived = self.live(node, now, inputs);
                if lived.fault.is_some() {
                    return lived;
                }
                let Outcome { node, letters, signed, fault } = self.restart(&lived.node, now);
                let signed = lived.signed.into_iter().chain(signed).collect();
                Outcome { node, letters, signed, fault }
            }
        }
    }

    /// A death between two steps.
    pub(super) fn restarted(&self, node: &Arc<Node>, now: UnixSeconds) -> Arc<Outcome> {
        self.remember(node, now, short(12), || self.restart(node, now))
    }

    /// [`Steps::haunt`], looked up.
    pub(super) fn haunted(
        &self,
        old: &Arc<Node>,
        present: &Arc<Node>,
        now: UnixSeconds,
        name: u64,
        input: Input,
    ) -> Option<Arc<Fault>> {
        let taken = present.guard.map(|g| (g.nonce.0, g.digest.0));
        let haunt = || Outcome {
            node: old.clone(),
            letters: Vec::new(),
            signed: Vec::new(),
            fault: self.haunt(old, present, now, vec![input]),
        };
        self.remember(old, now, short((name, taken)), haunt).fault.clone()
    }

    fn signer(&self, machine: &Machine) -> &LocalSigner {
        self.key(self.pair.side(&machine.entity()).expect("a side of the pair"))
    }

    /// All memory is gone; the log is there.
    pub(super) fn restart(&self, node: &Arc<Node>, now: UnixSeconds) -> Outcome {
        let entity = node.machine.entity();
        let restored = match &node.log {
            Some((snapshot, record)) => Machine::restore(entity, Some(snapshot), [(**record).clone()]),
            None => Machine::restore(entity, Some(&node.snapshot), []),
        };
        let machine = match restored {
            Ok(machine) => machine,
            Err(error) => return broken(node, Law::Sound, format!("the log does not restore: {error}")),
        };
        if machine.snapshot().ok().as_ref() != Some(&*node.snapshot) {
            return broken(node, Law::Sound, "the log restores another machine".into());
        }
        let restored = Node { machine, ..copy(node) };
        self.live(&Arc::new(restored), now, vec![Input::Restarted])
    }

    fn live(&self, node: &Arc<Node>, now: UnixSeconds, inputs: Vec<Input>) -> Outcome {
        let mut machine = node.machine.clone();
        let entity = machine.entity();
        let side = self.pair.side(&entity).expect("a side of the pair");
        let mut staged = match machine.stage(&Context { now, signer: self.key(side) }, inputs) {
            Ok(staged) => staged,
            Err(error) => return broken(node, Law::Sound, format!("a step cannot be made: {error}")),
        };
        let record = staged.record().clone();
        let effects = match staged.commit(&mut self.store(entity, node.guard)) {
            Ok(effects) => effects,
            Err(error) => return broken(node, Law::Signing, format!("the store refuses a record: {error}")),
        };
        let mut next = copy(node);
        next.guard = record.signed.last().copied().or(node.guard);
        next.next_effect = effects.effects().iter().map(|(id, _)| id.0 + 1).max().unwrap_or(node.next_effect);
        self.note_commands(&mut next, &record, effects.outcomes(), effects.events());
        let (before, after) = (self.channel(node), machine.channel(&self.pair.entity(side.other())));
        let mut fault = None;
        let mut signed = Vec::new();
        let letters: Vec<Arc<Letter>> = effects
            .effects()
            .iter()
            .filter_map(|(_, effect)| match effect {
                Effect::Send { bytes, .. } => {
                    Some(Arc::new(Letter { from: side, bytes: bytes.clone(), print: short(bytes) }))
                }
                _ => None,
            })
            .collect();
        if let Some(after) = after {
            fault = fault.or_else(|| self.note_commit(&mut next, before, after));
            fault = fault.or_else(|| check_channel(before, after, &record));
            for letter in &letters {
                fault = fault.or_else(|| self.look(letter, before, after, &record, &mut signed));
            }
            self.note_ack(before, after, &record, &mut signed);
            for own in signed.iter().filter(|s| s.own) {
                next.proposed = Some((own.state.block_hash, own.parent, own.state.nonce));
            }
            if signed.len() != record.signed.len() {
                fault = fault
                    .or_else(|| Fault::new(Law::Signing, "a state was signed that is neither proposed nor agreed"));
            }
        }
        self.note_events(effects.events(), before, after);
        next.log = Some((node.snapshot.clone(), Arc::new(record)));
        next.machine = machine;
        next.snapshot = Arc::new(next.machine.snapshot().expect("a machine within the limits has an encoding"));
        next.print = next.fingerprint();
        Outcome { node: Arc::new(next), letters, signed, fault }
    }

    /// The real log on a store that knows what was signed last.
    fn store(&self, entity: EntityId, guard: Option<SignedNonce>) -> StoreLog<MemoryStore> {
        let mut store = StoreLog::new(MemoryStore::new(), entity);
        if let Some(signed) = guard {
            let (inputs, signatures, now) = (Vec::new(), Vec::new(), UnixSeconds(0));
            let first = Record { seq: 0, now, inputs, signatures, signed: vec![signed], effects_hash: Hash::ZERO };
            xln_core::machine::Log::append(&mut store, &first).expect("an empty store takes a record");
        }
        store
    }

    /// What a machine that was started a second time from an old image would get past the guard of the present store: the
    /// signature that goes back or stands at a nonce that is taken, if there is one.
    pub(super) fn haunt(
        &self,
        old: &Arc<Node>,
        present: &Node,
        now: UnixSeconds,
        inputs: Vec<Input>,
    ) -> Option<Arc<Fault>> {
        let mut machine = old.machine.clone();
        let entity = machine.entity();
        let mut staged = machine.stage(&Context { now, signer: self.signer(&old.machine) }, inputs).ok()?;
        let record = staged.record().clone();
        drop(staged.commit(&mut self.store(entity, present.guard)).ok()?);
        let taken = present.guard?;
        let bad = |s: &&SignedNonce| s.nonce <= taken.nonce && s.digest != taken.digest;
        let bad = record.signed.iter().find(bad)?;
        Fault::new(Law::Signing, &format!("the store takes nonce {} after {}", bad.nonce.0, taken.nonce.0))
    }

    fn channel<'n>(&self, node: &'n Node) -> Option<&'n Channel> {
        let side = self.pair.side(&node.machine.entity())?;
        node.machine.channel(&self.pair.entity(side.other()))
    }

    fn note_commands(&self, next: &mut Node, record: &Record, outcomes: &[InputOutcome], events: &[Event]) {
        for (input, outcome) in record.inputs.iter().zip(outcomes) {
            let (Input::Command(command), InputOutcome::Accepted(id)) = (input, outcome) else { continue };
            if let xln_core::machine::Action::Propose { transition, .. } = &command.action {
                next.asked.insert(id.0, self.effect(next, transition));
            }
        }
        for event in events {
            let (id, end) = match event {
                Event::CommandDone { command, .. } => (command.0, End::Done),
                Event::CommandFailed { command, error: CommandError::FateUnknown } => (command.0, End::Unknown),
                Event::CommandFailed { command, .. } => (command.0, End::Failed),
                _ => continue,
            };
            if next.asked.contains_key(&id) {
                next.ends.insert(id, end);
            }
        }
    }

    /// By how much a transition of this side shifts offdelta.
    fn effect(&self, node: &Node, transition: &Transition) -> i128 {
        let gain = |amount: u128| {
            let amount = i128::try_from(amount).expect("small amounts");
            if node.machine.entity() == self.pair.left() { amount } else { -amount }
        };
        match transition {
            Transition::DirectPayment { amount, .. } => -gain(*amount),
            Transition::SettlePayment { key, id, .. } => {
                let pending = self.channel(node).and_then(|c| c.state().subchannels.get(key)?.pending.get(id));
                match pending {
                    Some(xln_core::state::Pending::Payment(p)) => gain(p.amount),
                    _ => 0,
                }
            }
            _ => 0,
        }
    }

    fn note_commit(&self, next: &mut Node, before: Option<&Channel>, after: &Channel) -> Option<Arc<Fault>> {
        let tip = after.tip();
        let was = before.map_or(Hash::ZERO, |c| c.state().block_hash);
        if tip.state.block_hash == was {
            return None;
        }
        let parent = tip.block.as_ref().map(|b| b.prev_block_hash);
        let commits = Arc::make_mut(&mut next.commits);
        match parent {
            Some(parent) if parent == was => {}
            // One message acknowledged the own block and brought the peer's next one.
            Some(parent) => match next.proposed.filter(|(block, ..)| *block == parent) {
                Some((block, under, nonce)) if under == was => {
                    commits.push(Commit { parent: Some(under), block, nonce });
                }
                _ => return Fault::new(Law::Agreement, "an agreed block does not follow from the one before"),
            },
            None => self.mark(Mark::TakenOver),
        }
        commits.push(Commit { parent, block: tip.state.block_hash, nonce: tip.state.nonce });
        None
    }

    /// Looks at what leaves: states that are proposed, and signatures of settlements.
    fn look(
        &self,
        letter: &Letter,
        before: Option<&Channel>,
        after: &Channel,
        record: &Record,
        signed: &mut Vec<Arc<Shown>>,
    ) -> Option<Arc<Fault>> {
        let Ok(message) = Message::decode(&letter.bytes) else {
            return Fault::new(Law::Sound, "a message does not decode");
        };
        for part in &message.parts {
            match part {
                Part::Proposal { block, signature } => {
                    let tip = after.tip();
                    if block.prev_block_hash != tip.state.block_hash {
                        // Sent again before a block of the peer outranked it in the same step.
                        continue;
                    }
                    let Ok(state) = apply_block(&tip.state, &tip.commitment.state_hash, block) else {
                        return Fault::new(Law::Sound, "a block is proposed that does not follow from the tip");
                    };
                    if let Some(fault) = check_forward(&tip.state, &state).or_else(|| check_blank(&tip.state, &state)) {
                        return Some(fault);
                    }
                    let commitment = Commitment::of(&state).expect("a state of the rules");
                    if record.signed.iter().any(|s| s.digest == commitment.digest) {
                        signed.push(Arc::new(shown(state, &commitment, letter.from, signature, Some(block))));
                    }
                }
                Part::SettlementSignature { key, id, .. } => {
                    let open = |channel: &Channel| {
                        let subchannel = channel.state().subchannels.get(key);
                        subchannel.and_then(|s| s.settlement.as_ref()).is_some_and(|open| open.id == *id)
                    };
                    // What is sent again may end in the same step.
                    if !open(after) && !before.is_some_and(open) {
                        let text = format!("the signature of settlement {id} leaves, and no agreed state holds for it");
                        return Fault::new(Law::Hold, &text);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// A peer's block that was acknowledged in this step.
    fn note_ack(&self, before: Option<&Channel>, after: &Channel, record: &Record, signed: &mut Vec<Arc<Shown>>) {
        let (tip, side) = (after.tip(), after.side());
        let new = before.is_none_or(|b| b.state().block_hash != tip.state.block_hash);
        if !new || !record.signed.iter().any(|s| s.digest == tip.commitment.digest) {
            return;
        }
        let (Some(block), Some(signature)) = (&tip.block, tip.signature(side)) else { return };
        if block.proposer != side {
            // In the order of signing: the acknowledgement comes before an own block on top of it.
            signed.insert(0, Arc::new(shown(tip.state.clone(), &tip.commitment, side, signature, None)));
        }
    }

    fn note_events(&self, events: &[Event], before: Option<&Channel>, after: Option<&Channel>) {
        for event in events {
            match event {
                Event::Refused { .. } => self.mark(Mark::Refused),
                Event::CommandDone { .. } => self.mark(Mark::Agreed),
                Event::SettlementReady { .. } => self.mark(Mark::Signed),
                _ => {}
            }
        }
        let (Some(before), Some(after)) = (before, after) else { return };
        if before.is_recovering() && !after.is_recovering() {
            self.mark(Mark::Recovered);
        }
        let peers = after.tip().block.as_ref().is_some_and(|b| b.proposer != after.side());
        if before.is_in_flight() && peers && before.state().block_hash != after.state().block_hash {
            self.mark(Mark::Collided);
        }
    }
}

fn shown(
    state: ChannelState,
    commitment: &Commitment,
    side: Side,
    signature: &Signature,
    own: Option<&Block>,
) -> Shown {
    let evidence = commitment.evidence(&KEY, state.nonce).map(|mut evidence| {
        match side {
            Side::Left => evidence.left = Some(signature.clone()),
            Side::Right => evidence.right = Some(signature.clone()),
        }
        evidence
    });
    let effects = own.iter().flat_map(|block| &block.transitions).filter_map(|t| match t {
        Transition::DirectPayment { amount, .. } if side.is_left() => Some(-signed(*amount)),
        Transition::DirectPayment { amount, .. } => Some(signed(*amount)),
        _ => None,
    });
    let effects = effects.collect();
    let offered = own.iter().flat_map(|block| &block.transitions).map(|t| match t {
        Transition::DirectPayment { amount, .. } | Transition::AddPayment { amount, .. } => *amount,
        _ => 0,
    });
    let (offered, parent) = (offered.sum(), own.map_or(Hash::ZERO, |block| block.prev_block_hash));
    Shown { evidence, own: own.is_some(), offered, effects, digest: commitment.digest, parent, state }
}

fn copy(node: &Node) -> Node {
    Node {
        machine: node.machine.clone(),
        snapshot: node.snapshot.clone(),
        log: node.log.clone(),
        guard: node.guard,
        commits: node.commits.clone(),
        asked: node.asked.clone(),
        ends: node.ends.clone(),
        proposed: node.proposed,
        next_effect: node.next_effect,
        print: node.print,
    }
}

fn broken(node: &Arc<Node>, law: Law, text: String) -> Outcome {
    Outcome { node: node.clone(), letters: Vec::new(), signed: Vec::new(), fault: Fault::new(law, &text) }
}

impl Node {
    /// Over everything that decides what this side does next, and what is judged of it. The number of records and of effects
    /// does not: without it, hearing a thing twice is one state.
    fn fingerprint(&self) -> u128 {
        let bytes = &self.snapshot.bytes;
        let seq = codec::encode(&self.snapshot.seq).expect("a number has an encoding");
        let effect = codec::encode(&self.next_effect).expect("a number has an encoding");
        // Version and entity come first, then the number of records; the next effect is last.
        let (head, rest) = bytes.split_at(33);
        let state = rest.strip_prefix(&seq[..]).expect("the number of records follows the entity");
        let state = state.strip_suffix(&effect[..]).expect("the next effect comes last");
        print_of(|h| {
            (head, state).hash(h);
            self.guard.map(|g| (g.nonce.0, g.digest.0)).hash(h);
            for (id, end) in &self.ends {
                (id, *end == End::Done, *end == End::Failed).hash(h);
            }
            self.asked.hash(h);
        })
    }

    /// How many blocks of the chain it has heard of.
    pub(super) fn heard(&self) -> usize {
        let head = self.machine.chain(KEY.chain).and_then(|view| view.head());
        head.map_or(0, |head| usize::try_from(head.number).expect("few blocks"))
    }

    /// The channel.
    pub(super) fn channel(&self) -> &Channel {
        self.machine.channels().next().map(|(_, channel)| channel).expect("the one channel is there from the beginning")
    }
}

/// What must hold of every channel after every step.
fn check_channel(before: Option<&Channel>, after: &Channel, record: &Record) -> Option<Arc<Fault>> {
    let tip = &after.tip().state;
    if let Err(error) = tip.check() {
        return Fault::new(Law::Sound, &format!("an agreed state is impossible: {error}"));
    }
    if tip.nonce > after.max_signed() && tip.nonce.0 != 0 {
        return Fault::new(Law::Sound, "a state was agreed that this side has not counted as signed");
    }
    let before = before?;
    if after.max_signed() < before.max_signed() {
        return Fault::new(Law::Signing, "the greatest signed nonce went back");
    }
    if record.signed.iter().any(|s| s.nonce <= before.max_signed()) {
        return Fault::new(Law::Signing, "a nonce was signed that is not greater than all before");
    }
    check_forward(before.state(), tip)
}

/// The chain's facts in a state go forward only.
fn check_forward(before: &ChannelState, after: &ChannelState) -> Option<Arc<Fault>> {
    for (key, new) in &after.subchannels {
        let Some(old) = before.subchannels.get(key) else { continue };
        let number = |s: &xln_core::state::Subchannel| s.point.map_or(0, |p| p.number);
        if number(new) < number(old) || new.epoch < old.epoch || new.settlement_nonce < old.settlement_nonce {
            return Fault::new(Law::Forward, "what is recorded of the chain went back");
        }
    }
    None
}

/// The first state of an epoch is blank.
fn check_blank(before: &ChannelState, after: &ChannelState) -> Option<Arc<Fault>> {
    for (key, new) in &after.subchannels {
        let Some(old) = before.subchannels.get(key) else { continue };
        if new.epoch > old.epoch {
            let blank = new
                .tokens
                .values()
                .all(|t| t.offdelta == 0 && (t.left_limit, t.right_limit, t.left_hold, t.right_hold) == (0, 0, 0, 0));
            if !blank || !new.pending.is_empty() || new.settlement.is_some() {
                return Fault::new(Law::Blank, "an epoch does not begin blank");
            }
        }
    }
    None
}

/// The one subchannel of a state.
pub(super) fn of(state: &ChannelState, key: SubchannelKey) -> Option<&xln_core::state::Subchannel> {
    state.subchannels.get(&key)
}
