//! The two sides, the network between them, the chain beside them, and everything that may happen next.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use xln_core::block::Block;
use xln_core::commitment::Commitment;
use xln_core::machine::{Effect, EffectId, Input};
use xln_core::transition::Transition;
use xln_core::types::{Side, UnixSeconds};
use xln_core::wire::{Message, Part};

use super::chain::{Chain, Revert};
use super::laws::{Fault, Law, Mark};
use super::node::{Fate, Letter, Node, Outcome, Shown, Steps, of, print_of, short};
use super::wishes::Wish;
use super::{KEY, WINDOW_S, index, signed};

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

/// What may happen next.
pub(super) fn acts(config: &Config, state: &State, out: &mut Vec<Act>) {
    if state.fault.is_some() {
        return;
    }
    let left = &state.left_over;
    let fates: &[Fate] =
        if left.crashes > 0 { &[Fate::Lives, Fate::DiesBefore, Fate::DiesAfter] } else { &[Fate::Lives] };
    for side in SIDES {
        let i = index(side);
        let wish = config.wishes[i].get(state.next[i]);
        let peer = state.node(side.other()).machine.entity();
        if wish.is_some_and(|w| w.input(state.node(side).channel(), peer, state.now).is_some()) {
            // A command that dies before its record was never given.
            out.extend(fates.iter().filter(|f| **f != Fate::DiesBefore).map(|f| Act::Command(side, *f)));
        }
        for at in 0..state.wire[i].len() {
            if at > 0 && (left.reorder == 0 || state.wire[i][at].print == state.wire[i][at - 1].print) {
                continue;
            }
            out.extend(fates.iter().map(|fate| Act::Deliver { to: side, at, fate: *fate, again: false }));
            if left.double > 0 {
                out.push(Act::Deliver { to: side, at, fate: Fate::Lives, again: true });
            }
        }
        for at in 0..state.wire[i].len() {
            if left.lose > 0 {
                out.push(Act::Lose { to: side, at });
            }
            if config.probes {
                out.push(Act::Damage { to: side, at });
            }
        }
        if left.crashes > 0 {
            out.push(Act::Crash(side));
        }
        if left.restores > 0 && state.backup.iter().all(Option::is_none) {
            out.push(Act::Backup(side));
        }
        if state.backup[i].is_some() {
            if left.restores > 0 {
                out.push(Act::Restore(side));
            }
            out.push(Act::Haunt(side));
        }
        if state.seen[i] < state.chain.blocks.len() {
            out.push(Act::See(side));
        }
        out.extend(state.asked(side).map(|effect| Act::Execute(side, effect)));
        if left.attacks > 0 && state.evil.is_none_or(|evil| evil == side) {
            attacks(state, side, out);
        }
        if config.probes {
            out.extend((0..state.seen[i]).map(|at| Act::Record(side, at)));
        }
    }
    if state.connected {
        if left.cuts > 0 {
            out.push(Act::Cut);
        }
    } else {
        out.push(Act::Connect);
    }
    if left.ticks > 0 {
        out.push(Act::Tick);
    }
    match state.chain.dispute {
        // Who watches answers in time: the window ends only when both have seen all of it and were heard.
        Some(_)
            if !state.chain.is_over(state.now)
                && SIDES.iter().all(|side| state.evil == Some(*side) || state.is_attended(*side)) =>
        {
            out.push(Act::Block(true));
        }
        Some(_) => {}
        None if left.blocks > 0 => out.push(Act::Block(false)),
        None => {}
    }
}

fn attacks(state: &State, side: Side, out: &mut Vec<Act>) {
    let signed = &state.ever[index(side.other())];
    let provable = signed
        .iter()
        .enumerate()
        .filter(|(_, s)| s.evidence.as_ref().is_some_and(|evidence| evidence.epoch == state.chain.epoch));
    match &state.chain.dispute {
        None => out.extend(provable.map(|(at, _)| Act::Start(side, at))),
        Some(d) if state.now <= d.started_at.plus(WINDOW_S) && d.starter != side => {
            if !d.answered {
                out.push(Act::Accept(side));
            }
            let newer = provable.filter(|(_, s)| s.state.nonce.0 > d.nonce);
            out.extend(newer.map(|(at, _)| Act::Counter(side, at)));
        }
        Some(_) => {}
    }
}

/// The state after something happened; `None` if nothing has changed.
pub(super) fn apply(config: &Config, steps: &Steps, state: &State, act: &Act) -> Option<State> {
    let mut next = state.clone();
    match *act {
        Act::Command(side, fate) => {
            let i = index(side);
            let wish = *config.wishes[i].get(state.next[i])?;
            next.next[i] += 1;
            next.die(side, fate);
            let peer = state.node(side.other()).machine.entity();
            let input = wish.input(state.node(side).channel(), peer, state.now)?;
            next.step(steps, side, fate, short((1, wish)), || vec![input]);
        }
        Act::Deliver { to, at, fate, again } => {
            let i = index(to);
            let letter = state.wire[i].get(at)?.clone();
            next.left_over.reorder -= u8::from(at > 0);
            next.left_over.double -= u8::from(again);
            if !again {
                next.wire[i].remove(at);
            }
            next.die(to, fate);
            next.deliver(steps, to, fate, &letter);
        }
        Act::Lose { to, at } => {
            next.left_over.lose -= 1;
            next.wire[index(to)].remove(at);
        }
        Act::Damage { to, at } => return damage(steps, state, to, at),
        Act::Cut => {
            next.left_over.cuts -= 1;
            next.cut(steps);
        }
        Act::Connect => next.connect(steps),
        Act::Tick => {
            next.left_over.ticks -= 1;
            next.pass(steps, 61);
        }
        Act::Crash(side) => {
            next.die(side, Fate::DiesAfter);
            let outcome = steps.restarted(state.node(side), state.now);
            next.take(steps, side, &outcome);
        }
        Act::Backup(side) => next.backup[index(side)] = Some(state.node(side).clone()),
        Act::Restore(side) => {
            let i = index(side);
            next.left_over.restores -= 1;
            next.nodes[i] = next.backup[i].take()?;
            next.stale[i] = true;
            next.connected = false;
            next.seen[i] = next.nodes[i].heard();
            next.step(steps, side, Fate::Lives, short(2), || vec![Input::RestoredFromBackup]);
        }
        Act::Haunt(side) => return haunt(steps, state, side),
        Act::See(side) => drop(next.see(steps, side)),
        Act::Execute(side, effect) => next.execute(steps, side, effect),
        Act::Block(over) => {
            next.left_over.blocks -= u8::from(!over);
            next.mine(if over { WINDOW_S + 1 } else { config.block_s });
        }
        Act::Start(side, at) => {
            let shown = state.ever[index(side.other())].get(at)?;
            if shown.state.nonce < state.node(side.other()).channel().state().nonce {
                steps.mark(Mark::StaleStart);
            }
            let evidence = shown.evidence.as_ref()?;
            next.attack(side, |chain, now| chain.start(now, side, evidence, &[], false));
        }
        Act::Accept(side) => {
            let dispute = state.chain.dispute?;
            next.attack(side, |chain, now| chain.accept(now, side, &dispute, &[]));
        }
        Act::Counter(side, at) => {
            let dispute = state.chain.dispute?;
            let shown = state.ever[index(side.other())].get(at)?;
            let evidence = shown.evidence.as_ref()?;
            next.attack(side, |chain, now| chain.counter(now, side, &dispute, evidence, &[], false));
        }
        Act::Record(side, at) => return record(steps, state, side, at),
    }
    next.judge();
    Some(next)
}

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

    fn note_execution(&mut self, steps: &Steps, before: &Chain, after: &Chain) {
        if after.settlement_nonce > before.settlement_nonce {
            steps.mark(Mark::Executed);
        }
        if let (Some(old), Some(new)) = (before.dispute, after.dispute)
            && new.nonce > old.nonce
        {
            steps.mark(Mark::Countered);
        }
        let Some(dispute) = before.dispute.filter(|_| after.dispute.is_none()) else { return };
        steps.mark(Mark::Finalized);
        if after.books.owed != before.books.owed {
            steps.mark(Mark::Debt);
        }
        for side in SIDES {
            let i = index(side);
            let own = |s: &&Arc<Shown>| {
                let body = s.evidence.as_ref().map(xln_core::commitment::Evidence::body_hash);
                s.own && s.state.nonce.0 == dispute.nonce && body == Some(dispute.body_hash)
            };
            self.enforced[i] = self.ever[i].iter().find(own).cloned();
            let mine = dispute.starter == side && !before.honest;
            if self.evil != Some(side) && !mine && self.fault.is_none() {
                self.fault = self.judge_outcome(side, before, after);
            }
        }
        self.at_deadline = None;
    }

    /// Whether an honest side got what it may expect.
    fn judge_outcome(&self, side: Side, before: &Chain, after: &Chain) -> Option<Arc<Fault>> {
        let then = self.at_deadline.as_ref().map_or(&self.nodes, |nodes| nodes);
        let channel = then[index(side)].channel();
        let tip = channel.tip().evidence(&KEY).filter(|e| e.epoch == before.epoch)?;
        let running = before.dispute?;
        let value = |body: &[u8]| {
            let books = before.outcome(body, self.now, &running, (&[], &[])).ok()?;
            Some((books.wealth(side), owed_to(side, books.owed - before.books.owed)))
        };
        let (agreed, owed_then) = value(&tip.body)?;
        let nonce = channel.state().nonce;
        let live = self.ever[index(side)].iter().filter(|s| s.state.nonce > nonce);
        let floor = if self.stale[index(side)] {
            // What stood in the lost log counts as it stands there.
            let lost = live.filter_map(|s| Some(value(&s.evidence.as_ref()?.body)?.0));
            lost.fold(agreed, i128::min)
        } else {
            agreed - live.map(|s| signed(s.offered)).max().unwrap_or(0)
        };
        let got = after.wealth(side);
        if got < floor {
            return Fault::new(Law::Outcome, &format!("{side:?} gets {got}, and may expect {floor}"));
        }
        // A debt is worth what its creditor had agreed to lend.
        let granted = of(channel.state(), KEY).and_then(|s| s.tokens.values().next()).map_or(0, |t| match side {
            Side::Left => t.right_limit,
            Side::Right => t.left_limit,
        });
        let owed = owed_to(side, after.books.owed - before.books.owed);
        if !self.stale[index(side)] && owed > signed(granted).max(owed_then) {
            let text = format!("{side:?} is owed {owed}, and has lent no more than {granted}");
            return Fault::new(Law::Outcome, &text);
        }
        None
    }

    /// What concerns both sides: the agreed states of both form one line.
    fn judge(&mut self) {
        if self.fault.is_some() {
            return;
        }
        let [left, right] = &self.nodes;
        for one in left.commits.iter() {
            for other in right.commits.iter() {
                let twice = one.nonce == other.nonce && one.block != other.block;
                let forked = one.parent.is_some() && one.parent == other.parent && one.block != other.block;
                if twice || forked {
                    let text = format!("nonces {} and {} were agreed on one parent", one.nonce.0, other.nonce.0);
                    self.fault = Fault::new(Law::Agreement, &text);
                    return;
                }
            }
        }
    }
}

/// What is owed to a side, of what left owes right.
const fn owed_to(side: Side, owed: i128) -> i128 {
    match side {
        Side::Left => -owed,
        Side::Right => owed,
    }
}

/// A proposal arrives whose signature does not verify: nothing may come of it.
fn damage(steps: &Steps, state: &State, to: Side, at: usize) -> Option<State> {
    let letter = state.wire[index(to)].get(at)?;
    let mut message = Message::decode(&letter.bytes).ok()?;
    message.parts.retain(|part| matches!(part, Part::Proposal { .. } | Part::Ack { .. }));
    for part in &mut message.parts {
        let (Part::Proposal { signature, .. } | Part::Ack { signature, .. }) = part else { continue };
        let mut bytes = signature.as_bytes().to_vec();
        *bytes.get_mut(9)? ^= 1;
        *signature = xln_core::crypto::Signature::new(bytes).ok()?;
    }
    if message.parts.is_empty() {
        return None;
    }
    let bytes = message.encode().ok()?;
    let from = state.node(to.other()).machine.entity();
    let name = short((9, letter.print));
    let inputs = || vec![Input::Message { from, bytes }];
    let outcome = steps.step(state.node(to), state.now, Fate::Lives, name, inputs);
    let (before, after) = (state.node(to).channel(), outcome.node.channel());
    let same = before.tip() == after.tip()
        && before.is_in_flight() == after.is_in_flight()
        && before.queued() == after.queued()
        && before.max_signed() == after.max_signed();
    if same && outcome.fault.is_none() {
        return None;
    }
    let mut next = state.clone();
    let text = format!("{to:?} changes its mind by a message that does not verify");
    next.fault = outcome.fault.clone().or_else(|| Fault::new(Law::Authentic, &text));
    Some(next)
}

/// A machine from the backup, started by mistake beside the present one, gives a command to the present store.
fn haunt(steps: &Steps, state: &State, side: Side) -> Option<State> {
    let old = state.backup[index(side)].as_ref()?;
    let peer = state.node(side.other()).machine.entity();
    let input = Wish::Pay(3).input(old.channel(), peer, state.now)?;
    let fault = steps.haunted(old, state.node(side), state.now, short(10), input);
    steps.mark(Mark::Haunted);
    fault.map(|fault| State { fault: Some(fault), ..state.clone() })
}

/// The peer proposes to record a block of the chain that both know: an older one must be refused.
fn record(steps: &Steps, state: &State, to: Side, at: usize) -> Option<State> {
    let tip = state.node(to).channel().tip();
    let recorded = of(&tip.state, KEY)?.point?;
    let (point, facts) = state.chain.history.get(at)?.clone();
    if point.number > recorded.number {
        return None;
    }
    let (proposer, height) = (to.other(), tip.state.height + 2);
    let reveals = Vec::new();
    let sync = Transition::SyncChain { key: KEY, point, facts: facts.clone(), reveals, recorded: Vec::new() };
    let name = short((11, point.hash.0, tip.state.block_hash.0));
    let inputs = || {
        let block = Block {
            height,
            prev_block_hash: tip.state.block_hash,
            prev_state_hash: tip.commitment.state_hash,
            proposer,
            timestamp: state.now.max(tip.state.timestamp),
            transitions: vec![sync],
        };
        // What the peer would sign if it could go back: the rules decide on the receiver's side.
        let signature = xln_core::block::apply_block(&tip.state, &tip.commitment.state_hash, &block)
            .ok()
            .and_then(|after| Commitment::of(&after).ok())
            .and_then(|c| steps.key(proposer).sign_digest(&c.digest).ok())
            .unwrap_or_else(|| xln_core::crypto::Signature::compact([1; 64]));
        let part = Part::Proposal { block: Arc::new(block), signature };
        let message = Message { channel: steps.pair.channel_key(), parts: vec![part] };
        let bytes = message.encode().expect("one block fits");
        vec![Input::Message { from: steps.pair.entity(proposer), bytes }]
    };
    let outcome = steps.step(state.node(to), state.now, Fate::Lives, name, inputs);
    let after = outcome.node.channel().state();
    steps.mark(Mark::WentBack);
    let back = of(after, KEY).and_then(|s| s.point).is_some_and(|p| p.number <= recorded.number && p != recorded);
    let fault = outcome.fault.clone().filter(|f| f.law == Law::Forward);
    if !back && fault.is_none() {
        return None;
    }
    let text = format!("{to:?} lets its peer record block {} after {}", point.number, recorded.number);
    let fault = fault.or_else(|| Fault::new(Law::Forward, &text));
    Some(State { fault, ..state.clone() })
}
