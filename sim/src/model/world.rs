//! The two sides, the network between them and the chain beside them.

mod acts;
mod judge;
mod probes;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub(super) use acts::{acts, apply};

use xln_core::machine::{Effect, EffectId, Input};
use xln_core::types::{Side, UnixSeconds};

use super::chain::{Chain, Revert};
use super::index;
use super::laws::{Fault, Law, Mark};
use super::node::{Fate, Letter, Node, Outcome, Shown, Steps, print_of, short};
use super::wishes::Wish;

/// How often what may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub(super) struct Budget {
    /// Messages that are lost.
    pub(super) lose: u8,
    /// Messages that arrive twice.
    pub(super) double: u8,
    /// Messages that overtake others.
    pub(super) reorder: u8,
    /// Connections that break and lose what is on its way.
    pub(super) cuts: u8,
    /// Deaths of a process, in all.
    pub(super) crashes: u8,
    /// Backups that are made and restored, in all.
    pub(super) restores: u8,
    /// Times that the clock moves on by more than the time after which a block is sent again.
    pub(super) ticks: u8,
    /// Blocks of the chain that bring nothing but time.
    pub(super) blocks: u8,
    /// Acts of an operator that disputes against its own node: starts with any state, acceptances, counters.
    pub(super) attacks: u8,
}

/// What a run explores.
#[derive(Clone, Debug)]
pub(super) struct Config {
    /// Its name.
    pub(super) name: &'static str,
    /// Commands of left and right, each given in order.
    pub(super) wishes: [Vec<Wish>; 2],
    /// How often what may happen.
    pub(super) budget: Budget,
    /// How many things may happen one after another; no bound but the others if none.
    pub(super) depth: Option<usize>,
    /// Seconds by which an empty block moves the chain on.
    pub(super) block_s: u64,
    /// Whether the peer tries what can change nothing: proposals that do not verify, blocks of the chain that are recorded.
    pub(super) probes: bool,
    /// How many of the states that were signed at the beginning may be shown on chain.
    pub(super) shown: usize,
    /// What must have happened at the end.
    pub(super) marks: Vec<Mark>,
}

/// What may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// The next command of one side.
    Command(Side, Fate),
    /// A message arrives: at the front of the queue, or further behind; it may come again.
    Deliver { to: Side, at: usize, fate: Fate, again: bool },
    /// A message is lost.
    Lose { to: Side, at: usize },
    /// A message arrives with a signature that does not verify.
    Damage { to: Side, at: usize },
    /// The connection breaks with all that is on its way.
    Cut,
    /// It comes back.
    Connect,
    /// Time passes.
    Tick,
    /// A process dies between two steps.
    Crash(Side),
    /// A backup is made.
    Backup(Side),
    /// It is restored, and the log is lost.
    Restore(Side),
    /// A machine that was started from the backup by mistake, and is told nothing, pays on the present store.
    Haunt(Side),
    /// A watcher reports the next block.
    See(Side),
    /// Something that a node asked for is done on chain, or reverts.
    Execute(Side, EffectId),
    /// A block that brings nothing but time; `true` if it is the one after a dispute's window.
    Block(bool),
    /// An operator starts a dispute with a state that the other side has signed at any time.
    Start(Side, usize),
    /// An operator takes the shown state.
    Accept(Side),
    /// An operator shows another state that the starter has signed.
    Counter(Side, usize),
    /// The peer proposes to record this block of the chain, which both know.
    Record(Side, usize),
}

/// Everything there is.
#[derive(Clone)]
pub(super) struct State {
    pub(super) nodes: [Arc<Node>; 2],
    backup: [Option<Arc<Node>>; 2],
    /// On its way to left, to right.
    pub(super) wire: [Vec<Arc<Letter>>; 2],
    pub(super) connected: bool,
    pub(super) now: UnixSeconds,
    next: [usize; 2],
    left_over: Budget,
    /// The greatest nonce that each side ever signed, also in logs that are lost, and what it signed there.
    top: [(u64, xln_core::types::Hash); 2],
    /// States that each side ever signed, while they may be shown.
    pub(super) ever: [Arc<Vec<Arc<Shown>>>; 2],
    pub(super) chain: Arc<Chain>,
    seen: [usize; 2],
    /// Both sides when a dispute's window ended: what is agreed later can no longer be shown.
    at_deadline: Option<[Arc<Node>; 2]>,
    /// An own state of each side that a dispute came out at.
    pub(super) enforced: [Option<Arc<Shown>>; 2],
    /// Who has worked against its own node.
    pub(super) evil: Option<Side>,
    /// Who was restored from a backup.
    stale: [bool; 2],
    pub(super) fault: Option<Arc<Fault>>,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.substance(h);
        self.next.hash(h);
        self.left_over.hash(h);
        for backup in &self.backup {
            backup.as_ref().map(|b| b.print).hash(h);
        }
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        print_of(|h| self.hash(h)) == print_of(|h| other.hash(h))
    }
}

impl State {
    pub(super) fn new(nodes: [Arc<Node>; 2], chain: Chain, now: UnixSeconds) -> Self {
        let zero = (0, xln_core::types::Hash::ZERO);
        Self {
            nodes,
            backup: [None, None],
            wire: [Vec::new(), Vec::new()],
            connected: false,
            now,
            next: [0, 0],
            left_over: Budget::default(),
            top: [zero, zero],
            ever: [Arc::default(), Arc::default()],
            chain: Arc::new(chain),
            seen: [0, 0],
            at_deadline: None,
            enforced: [None, None],
            evil: None,
            stale: [false, false],
            fault: None,
        }
    }

    /// Ready for a run: of what was signed so far, the last `shown` states of each side may be shown.
    pub(super) fn begin(&mut self, budget: Budget, shown: usize) {
        self.left_over = budget;
        for ever in &mut self.ever {
            let all = Arc::make_mut(ever);
            all.drain(..all.len().saturating_sub(shown));
        }
    }

    /// Everything but what the scripts and budgets still allow.
    pub(super) fn substance(&self, h: &mut impl Hasher) {
        for side in [Side::Left, Side::Right] {
            let i = index(side);
            self.nodes[i].print.hash(h);
            self.wire[i].len().hash(h);
            for letter in &self.wire[i] {
                letter.print.hash(h);
            }
            (self.top[i].0, self.top[i].1.0, self.seen[i], self.stale[i]).hash(h);
            self.ever[i].len().hash(h);
            self.enforced[i].as_ref().map(|s| s.digest.0).hash(h);
            for shown in self.ever[i].iter() {
                shown.digest.0.hash(h);
            }
        }
        (self.connected, self.now.0, self.evil.map(Side::is_left)).hash(h);
        self.chain.hash_into(h);
        self.at_deadline.as_ref().map(|[left, right]| (left.print, right.print)).hash(h);
        self.fault.as_ref().map(|f| f.law.name()).hash(h);
    }

    pub(super) fn node(&self, side: Side) -> &Arc<Node> {
        &self.nodes[index(side)]
    }

    /// The next block that a side has not heard of; from now on it has.
    pub(super) fn unseen(&mut self, side: Side) -> Option<usize> {
        let seen = &mut self.seen[index(side)];
        let at = *seen;
        if at >= self.chain.blocks.len() {
            return None;
        }
        *seen += 1;
        Some(at)
    }

    /// Whether a side was restored from a backup.
    pub(super) const fn is_stale(&self) -> bool {
        self.stale[0] || self.stale[1]
    }

    /// What a node has asked of the chain.
    fn asked(&self, side: Side) -> impl Iterator<Item = EffectId> {
        let effects = self.node(side).machine.pending_effects();
        effects.filter(|(_, e)| matches!(e, Effect::Submit(_))).map(|(id, _)| id)
    }

    /// Whether the watchers have shown everything and everything that was asked for has been tried.
    fn is_attended(&self, side: Side) -> bool {
        self.seen[index(side)] == self.chain.blocks.len() && self.asked(side).next().is_none()
    }
}

const SIDES: [Side; 2] = [Side::Left, Side::Right];

impl State {
    pub(super) fn step(
        &mut self,
        steps: &Steps,
        side: Side,
        fate: Fate,
        name: u64,
        inputs: impl FnOnce() -> Vec<Input>,
    ) {
        let outcome = steps.step(self.node(side), self.now, fate, name, inputs);
        self.take(steps, side, &outcome);
    }

    fn take(&mut self, _: &Steps, side: Side, outcome: &Outcome) {
        let i = index(side);
        self.nodes[i] = outcome.node.clone();
        self.wire[index(side.other())].extend(outcome.letters.iter().cloned());
        self.fault = self.fault.take().or_else(|| outcome.fault.clone());
        for shown in &outcome.signed {
            let (nonce, digest) = (shown.state.nonce.0, shown.digest);
            let (top, known) = self.top[i];
            if nonce <= top && digest != known && self.fault.is_none() {
                self.fault = Fault::new(Law::Signing, &format!("{side:?} signs nonce {nonce} after {top}"));
            }
            self.top[i] = (nonce.max(top), if nonce > top { digest } else { known });
            let known = self.ever[i].iter().any(|s| s.digest == digest);
            if !known {
                Arc::make_mut(&mut self.ever[i]).push(shown.clone());
            }
        }
    }

    pub(super) fn deliver(&mut self, steps: &Steps, to: Side, fate: Fate, letter: &Arc<Letter>) {
        let from = self.node(to.other()).machine.entity();
        let copy = letter.clone();
        self.step(steps, to, fate, short((4, letter.print)), || {
            vec![Input::Message { from, bytes: copy.bytes.clone() }]
        });
    }

    fn die(&mut self, _: Side, fate: Fate) {
        if fate != Fate::Lives {
            self.left_over.crashes -= 1;
            self.connected = false;
        }
    }

    fn cut(&mut self, steps: &Steps) {
        self.connected = false;
        self.wire = [Vec::new(), Vec::new()];
        for side in SIDES {
            let peer = self.node(side.other()).machine.entity();
            self.step(steps, side, Fate::Lives, short(5), || vec![Input::Disconnected { peer }]);
        }
    }

    pub(super) fn connect(&mut self, steps: &Steps) {
        self.connected = true;
        for side in SIDES {
            let peer = self.node(side.other()).machine.entity();
            self.step(steps, side, Fate::Lives, short(6), || {
                vec![Input::Disconnected { peer }, Input::Connected { peer }]
            });
        }
    }

    /// A block that brings nothing but time.
    pub(super) fn mine(&mut self, seconds: u64) {
        let over = self.chain.is_over(self.now);
        self.now = self.now.plus(seconds);
        let now = self.now;
        Arc::make_mut(&mut self.chain).mine(now, Vec::new(), Vec::new());
        if !over && self.chain.is_over(now) {
            self.at_deadline = Some(self.nodes.clone());
        }
    }

    /// Time passes, and both look at the clock.
    pub(super) fn pass(&mut self, steps: &Steps, seconds: u64) {
        self.now = self.now.plus(seconds);
        for side in SIDES {
            self.step(steps, side, Fate::Lives, short(7), || vec![Input::Tick]);
        }
    }

    fn attack(&mut self, side: Side, call: impl FnOnce(&mut Chain, UnixSeconds) -> Result<(), Revert>) {
        self.left_over.attacks -= 1;
        self.evil = Some(side);
        let now = self.now;
        if let Err(revert) = call(Arc::make_mut(&mut self.chain), now) {
            self.fault = Fault::new(Law::Sound, &format!("the model's own attack reverts: {revert:?}"));
        }
    }

    pub(super) fn execute(&mut self, steps: &Steps, side: Side, effect: EffectId) {
        let found = self.node(side).machine.pending_effects().find(|(id, _)| *id == effect).map(|(_, e)| e.clone());
        let Some(Effect::Submit(action)) = found else { return };
        let before = self.chain.clone();
        let mut chain = (*before).clone();
        let verdict = chain.execute(self.now, side, &action);
        if verdict == Err(Revert::Pending) {
            // It is tried again later.
            return;
        }
        if verdict == Err(Revert::Role) && self.fault.is_none() {
            let name = format!("{:?}", action.call);
            let name = name.split([' ', '{']).next().unwrap_or_default().to_owned();
            self.fault = Fault::new(Law::Role, &format!("{side:?} asks for {name}, which its role forbids"));
        }
        if verdict.is_ok() {
            self.note_execution(steps, &before, &chain);
            self.chain = Arc::new(chain);
        }
        let success = verdict.is_ok();
        let name = short((8, effect.0, success));
        self.step(steps, side, Fate::Lives, name, || vec![Input::Completed { effect, success }]);
    }
}
