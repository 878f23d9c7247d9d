//! The world of one seed: parties, the network between them, two chains, time, and the reference model that watches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::{CommandError, Event};
use xln_core::commitment::Evidence;
use xln_core::machine::{Effect, Effects, Input, InputOutcome};
use xln_core::types::{
    DisputeFact, EntityId, Hash, HashKind, Nonce, Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds,
};
use xln_core::wire::{Message, Part};
use xln_node::driver::NodeError;
use xln_storage::FaultStore;

use super::book::{Book, Found, Named};
use super::chain::{Chain, MAX_DELAY_S, Tx};
use super::ledger::{Closing, Ledger, Operation};
use super::party::{Party, WINDOW_S, key_of};
use super::tally::Tally;

pub(crate) const USD: TokenId = TokenId(1);
pub(crate) const EUR: TokenId = TokenId(2);
/// Seconds between two blocks of a chain.
pub(crate) const INTERVAL_S: u64 = 60;
/// Seconds that a node is down, stalled, or behind its chain at most.
pub(crate) const MAX_OUTAGE_S: u64 = 150;
/// Messages on one way.
const MAX_IN_FLIGHT: usize = 32;
const START: u64 = 1_800_000_000;
/// The kind of all locks.
pub(crate) const KIND: HashKind = HashKind::Sha256;

/// One way of a connection, and what was on it before.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) queue: VecDeque<Vec<u8>>,
    pub(crate) past: VecDeque<Vec<u8>>,
}

/// The world.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) parties: Vec<Party>,
    /// Who has a channel with whom.
    pub(crate) edges: Vec<(usize, usize)>,
    pub(crate) links: BTreeMap<(usize, usize), Link>,
    /// Edges without a connection.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    pub(crate) chains: [Chain; 2],
    next_block: [u64; 2],
    /// Confirmed blocks of which everything was checked.
    checked: [u64; 2],
    pub(crate) books: BTreeMap<Pair, Book>,
    pub(crate) named: Named,
    /// Effects that became transactions, and their end.
    submitted: BTreeMap<(usize, u32, xln_core::machine::EffectId), Option<bool>>,
    /// Agreed states that can be shown, oldest first.
    pub(crate) history: BTreeMap<(Pair, SubchannelKey), Vec<Evidence>>,
    /// Disputes whose starter does not want them countered.
    pub(crate) cheats: BTreeSet<(usize, Pair, SubchannelKey, u32)>,
    /// What they have shown, by the hash of its body.
    pub(crate) exhibits: BTreeMap<Hash, Vec<u8>>,
    /// Who may be restored from a backup, and whether it was.
    pub(crate) frail: usize,
    pub(crate) restored: bool,
    pub(crate) serial: u128,
    pub(crate) secrets: BTreeMap<Hash, Secret>,
    /// Payments over hops: who is to get it.
    pub(crate) routes: BTreeMap<Hash, EntityId>,
    /// The first block of the chains that is not healed any more.
    pub(crate) calm: bool,
    /// Tells every delivery.
    pub(crate) trace: bool,
    pub(crate) tally: Tally,
}

impl World {
    /// A world with open channels.
    pub(crate) fn new(seed: u64) -> Result<Self, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = rng.random_range(3..=5_u8);
        let parties: Vec<Party> = (0..n).map(|i| Party::new(i, rng.random_range(0..6))).collect();
        let count = parties.len();
        let mut edges: Vec<(usize, usize)> = (1..count).map(|i| (i - 1, i)).collect();
        if rng.random_bool(0.5) && count > 2 {
            edges.push((0, count - 1));
        }
        let chain = |index, rng: &mut ChaCha8Rng| {
            let ledger = Ledger::new(key_of(index), WINDOW_S);
            Chain::new(ledger, rng.random_range(1..=3), START)
        };
        let chains = [chain(0, &mut rng), chain(1, &mut rng)];
        let frail = rng.random_range(0..count);
        let mut world = Self {
            now: START,
            parties,
            edges,
            links: BTreeMap::new(),
            cut: BTreeSet::new(),
            chains,
            next_block: [START + INTERVAL_S, START + INTERVAL_S / 2],
            checked: [0; 2],
            books: BTreeMap::new(),
            named: BTreeMap::new(),
            submitted: BTreeMap::new(),
            history: BTreeMap::new(),
            cheats: BTreeSet::new(),
            exhibits: BTreeMap::new(),
            frail,
            restored: false,
            serial: 0,
            secrets: BTreeMap::new(),
            routes: BTreeMap::new(),
            calm: false,
            trace: false,
            tally: Tally::default(),
        };
        for (a, b) in world.edges.clone() {
            let pair = world.pair(a, b);
            world.books.insert(pair, Book::new(pair));
            world.links.insert((a, b), Link::default());
            world.links.insert((b, a), Link::default());
        }
        for who in 0..count {
            world.start(who)?;
        }
        world.set_up(&mut rng)?;
        Ok(world)
    }

    pub(crate) fn pair(&self, a: usize, b: usize) -> Pair {
        Pair::new(self.parties[a].id, self.parties[b].id).unwrap()
    }

    pub(crate) fn index(&self, id: &EntityId) -> Option<usize> {
        self.parties.iter().position(|party| party.id == *id)
    }

    pub(crate) fn side(&self, who: usize, peer: usize) -> Side {
        self.pair(who, peer).side(&self.parties[who].id).unwrap()
    }

    pub(crate) fn is_connected(&self, a: usize, b: usize) -> bool {
        let edge = (a.min(b), a.max(b));
        !self.cut.contains(&edge) && self.parties[a].node.is_some() && self.parties[b].node.is_some()
    }

    pub(crate) fn neighbours(&self, who: usize) -> Vec<usize> {
        let other = |&(a, b): &(usize, usize)| if a == who { Some(b) } else { (b == who).then_some(a) };
        self.edges.iter().filter_map(other).collect()
    }

    // Nodes.

    /// Starts a node on what is durable.
    pub(crate) fn start(&mut self, who: usize) -> Found {
        let party = &mut self.parties[who];
        party.faults = Arc::new(FaultStore::new(Arc::clone(&party.store)));
        let (node, effects) =
            party.open(Arc::clone(&party.faults), self.now).map_err(|e| format!("node {who} does not start: {e}"))?;
        let pending: Vec<_> = node.pending_effects().map(|(id, effect)| (id, effect.clone())).collect();
        let seen: [Option<u64>; 2] =
            [0, 1].map(|i| node.machine().chain(key_of(i).chain).and_then(|view| view.head()).map(|head| head.number));
        let party = &mut self.parties[who];
        party.node = Some(node);
        for (watcher, seen) in party.watchers.iter_mut().zip(seen) {
            watcher.resume(seen);
        }
        self.take(who, &effects, &[])?;
        for (id, effect) in pending {
            self.carry_out(who, id, &effect)?;
        }
        for peer in self.neighbours(who) {
            if self.is_connected(who, peer) {
                self.connect(who, peer)?;
            }
        }
        Ok(())
    }

    /// A process ends, whatever it was doing.
    pub(crate) fn kill(&mut self, who: usize, seconds: u64) -> Found {
        if self.parties[who].node.take().is_none() {
            return Ok(());
        }
        self.parties[who].down_until = self.now + seconds;
        for peer in self.neighbours(who) {
            self.disconnect(who, peer)?;
        }
        if seconds == 0 { self.start(who) } else { Ok(()) }
    }

    /// What is on the way is lost.
    pub(crate) fn disconnect(&mut self, a: usize, b: usize) -> Found {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(link) = self.links.get_mut(&(from, to)) {
                link.queue.clear();
            }
        }
        for (who, peer) in [(a, b), (b, a)] {
            if self.parties[who].node.is_some() {
                let peer = self.parties[peer].id;
                self.feed(who, vec![Input::Disconnected { peer }])?;
            }
        }
        Ok(())
    }

    pub(crate) fn connect(&mut self, a: usize, b: usize) -> Found {
        for (who, peer) in [(a, b), (b, a)] {
            let peer = self.parties[peer].id;
            if self.is_connected(a, b) {
                self.feed(who, vec![Input::Connected { peer }])?;
            }
        }
        Ok(())
    }

    /// One step of a node. `None` if it died of it.
    pub(crate) fn feed(&mut self, who: usize, inputs: Vec<Input>) -> Result<Option<Vec<InputOutcome>>, String> {
        let party = &mut self.parties[who];
        let now = UnixSeconds(self.now + party.ahead_s);
        let Some(node) = party.node.as_mut() else { return Ok(None) };
        self.tally.inputs += u64::try_from(inputs.len()).unwrap();
        if self.trace && !matches!(inputs.first(), Some(Input::Message { .. })) {
            eprintln!("{} {who}: {inputs:?}", self.now);
        }
        let result = node.step(now, inputs.clone());
        match result {
            Ok(effects) => {
                self.take(who, &effects, &inputs)?;
                Ok(Some(effects.outcomes().to_vec()))
            }
            Err(NodeError::Stage(error)) => Err(format!("node {who} cannot take {inputs:?}: {error}")),
            Err(_) => {
                self.parties[who].deaf = true;
                self.tally.deaths += 1;
                self.kill(who, 0)?;
                Ok(None)
            }
        }
    }

    /// Looks at what a step has brought, and passes it on.
    fn take(&mut self, who: usize, effects: &Effects, inputs: &[Input]) -> Found {
        for (input, outcome) in inputs.iter().zip(effects.outcomes()) {
            if let InputOutcome::Refused(_) = outcome
                && let Input::Command(_) = input
            {
                self.tally.refused += 1;
            }
        }
        self.look(who)?;
        let id = self.parties[who].id;
        for (effect, what) in effects.effects() {
            match what {
                Effect::Send { to, bytes } => self.send(who, to, bytes)?,
                other => self.carry_out(who, *effect, other)?,
            }
        }
        for (peer, evidence) in effects.agreed() {
            let pair = Pair::new(id, *peer).map_err(|e| e.to_string())?;
            let known = self.history.entry((pair, evidence.key)).or_default();
            if known.last().is_none_or(|last| last.nonce < evidence.nonce) {
                known.push(evidence.clone());
            }
        }
        for event in effects.events() {
            self.hear(who, event)?;
        }
        Ok(())
    }

    /// What a node has agreed with its peers must be what the reference model counts.
    pub(crate) fn look(&mut self, who: usize) -> Found {
        let Self { parties, books, .. } = self;
        let Party { node, agreed, .. } = &mut parties[who];
        let Some(node) = node.as_ref() else { return Ok(()) };
        for (peer, channel) in node.machine().channels() {
            let known = agreed.entry(*peer).or_default();
            if known.last().is_none_or(|(_, last)| last.state.nonce < channel.state().nonce) {
                known.push((self.now, Arc::new(channel.tip().clone())));
            }
            let Some(book) = books.get_mut(&channel.pair()) else { continue };
            if channel.state().block_hash != book.head.1 {
                book.committed(channel.state()).map_err(|found| format!("node {who}: {found}"))?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, who: usize, event: &Event) -> Found {
        if self.trace {
            eprintln!("{} {who} says {event:?}", self.now);
        }
        self.tally.hear(event);
        let life = self.parties[who].life;
        let (command, error) = match event {
            Event::CommandFailed { command, error } => (command, error),
            Event::Alarm { .. } => return Err(format!("node {who} raises an alarm within the finality")),
            _ => return Ok(()),
        };
        if let Some((pair, side, mark)) = self.named.get(&(who, life, *command)) {
            let unknown = *error == CommandError::FateUnknown;
            if let Some(book) = self.books.get_mut(pair) {
                book.failed(*side, *mark, unknown).map_err(|found| format!("node {who}: {found} ({error})"))?;
            }
        }
        Ok(())
    }

    /// Checks a message on its way out, and queues it.
    fn send(&mut self, who: usize, to: &EntityId, bytes: &[u8]) -> Found {
        let Some(peer) = self.index(to) else { return Ok(()) };
        let (pair, side) = (self.pair(who, peer), self.side(who, peer));
        let message = Message::decode(bytes).map_err(|e| format!("node {who} sends what does not decode: {e}"))?;
        for part in message.parts {
            let (nonce, hash) = match part {
                Part::Proposal { block, .. } => {
                    let hash = block.hash().map_err(|e| e.to_string())?;
                    let nonce = block.nonce().map_err(|e| e.to_string())?;
                    if let Some(book) = self.books.get_mut(&pair) {
                        book.seen.insert(hash, block);
                    }
                    (nonce, hash)
                }
                Part::Ack { height, block_hash, .. } => {
                    (Nonce::of(height, side.other()).ok_or("no nonce")?, block_hash)
                }
                Part::SettlementSignature { key, id, .. } => {
                    self.check_settlement(who, to, &key, id)?;
                    continue;
                }
                _ => continue,
            };
            if let Some(book) = self.books.get_mut(&pair) {
                let known = *book.signed.entry((side, nonce)).or_insert(hash);
                if known != hash {
                    return Err(format!("node {who} signs {hash} and {known} at {nonce:?}"));
                }
            }
            // A store that has just been told to fail cannot be asked, and nothing came out of it either.
            let stored = self.parties[who].node.as_ref().and_then(|node| node.signed_nonce(to).ok());
            if stored.is_some_and(|stored| stored.is_none_or(|(stored, _)| stored < nonce)) {
                return Err(format!("node {who} sends {nonce:?}, stored is {stored:?}"));
            }
        }
        if self.is_connected(who, peer)
            && let Some(link) = self.links.get_mut(&(who, peer))
        {
            // A transport that nobody reads from loses what is beyond its buffers.
            if link.queue.len() < MAX_IN_FLIGHT {
                link.queue.push_back(bytes.to_vec());
            }
        }
        Ok(())
    }

    /// A settlement signature leaves only after the block that holds for it is agreed.
    fn check_settlement(&self, who: usize, to: &EntityId, key: &SubchannelKey, id: u64) -> Found {
        let channel = self.parties[who].node.as_ref().and_then(|node| node.channel(to)).ok_or("no channel")?;
        let since = self.books.get(&channel.pair()).and_then(|book| book.settlement_since(key, id));
        match since {
            Some(since) if since <= channel.state().nonce => Ok(()),
            _ => Err(format!("node {who} signs settlement {id} of {since:?} at {:?}", channel.state().nonce)),
        }
    }

    /// A message arrives. False if there is none, or nobody to take it.
    pub(crate) fn deliver(&mut self, from: usize, to: usize) -> Result<bool, String> {
        if !self.parties[to].is_up(self.now) {
            return Ok(false);
        }
        let Some(link) = self.links.get_mut(&(from, to)) else { return Ok(false) };
        let Some(bytes) = link.queue.pop_front() else { return Ok(false) };
        link.past.push_back(bytes.clone());
        if link.past.len() > 24 {
            link.past.pop_front();
        }
        self.tally.event("delivery");
        if self.trace
            && let Ok(message) = Message::decode(&bytes)
        {
            eprintln!("{} {from} -> {to}: {:?}", self.now, message.parts);
        }
        let from = self.parties[from].id;
        self.feed(to, vec![Input::Message { from, bytes }])?;
        Ok(true)
    }

    // Chains.

    /// An effect becomes a transaction, once.
    fn carry_out(&mut self, who: usize, id: xln_core::machine::EffectId, effect: &Effect) -> Found {
        let Effect::Submit(action) = effect else { return Ok(()) };
        let (life, entity) = (self.parties[who].life, self.parties[who].id);
        let index = usize::from(action.key == key_of(1));
        let epoch = self.chains[index].ledger.line(&action.pair).epoch;
        let counters = matches!(action.call, ChainCall::CounterDispute { both: true, .. });
        let dishonest = counters && self.cheats.contains(&(who, action.pair, action.key, epoch));
        match self.submitted.get(&(who, life, id)) {
            // It ended, and the node has forgotten it, or it was told so and died of it.
            Some(Some(success)) => {
                let success = *success;
                self.feed(who, vec![Input::Completed { effect: id, success }])?;
                return Ok(());
            }
            Some(None) => return Ok(()),
            None => {}
        }
        if dishonest {
            self.submitted.insert((who, life, id), Some(true));
            self.feed(who, vec![Input::Completed { effect: id, success: true }])?;
            return Ok(());
        }
        self.submitted.insert((who, life, id), None);
        self.tally.call(&action.call);
        let operation = Operation::Act(Box::new(action.clone()));
        let (submitted, not_before) = (self.now, self.now);
        self.chains[index].waiting.push(Tx {
            by: who,
            entity,
            operation,
            cause: Some((life, id)),
            submitted,
            not_before,
        });
        Ok(())
    }

    /// A transaction of a party's own.
    pub(crate) fn submit(&mut self, who: usize, index: usize, operation: Operation) {
        let (entity, submitted, not_before) = (self.parties[who].id, self.now, self.now);
        self.chains[index].waiting.push(Tx { by: who, entity, operation, cause: None, submitted, not_before });
    }

    /// A node looks at a chain.
    pub(crate) fn poll(&mut self, who: usize, index: usize) -> Found {
        let party = &mut self.parties[who];
        if !party.is_up(self.now) || party.lagging_until[index] > self.now {
            return Ok(());
        }
        let (life, id) = (party.life, party.id);
        let inputs = party.watchers[index].poll(&self.chains[index], who, life, id);
        if inputs.is_empty() {
            return Ok(());
        }
        for input in &inputs {
            if let Input::Completed { effect, success } = input {
                self.submitted.insert((who, life, *effect), Some(*success));
            }
        }
        self.tally.event("block seen");
        self.feed(who, inputs).map(drop)
    }

    fn mine(&mut self, index: usize) -> Found {
        let now = self.now;
        self.chains[index].mine(now);
        self.tally.event("block");
        self.finalize_exhibits(index);
        self.check_chain(index)
    }

    /// Who shows an old state sees to it that it is enforced.
    fn finalize_exhibits(&mut self, index: usize) {
        let key = key_of(index);
        let ledger = &self.chains[index].ledger;
        let over = |dispute: &DisputeFact| self.now > dispute.started_at.0 + ledger.window_s;
        let running = ledger.lines.iter().filter_map(|(pair, line)| Some((*pair, line.dispute?)));
        let due: Vec<_> = running.filter(|(_, dispute)| over(dispute)).collect();
        for (pair, dispute) in due {
            let Some(body) = self.exhibits.get(&dispute.body_hash).cloned() else { continue };
            let Some(who) = self.index(&pair.entity(dispute.starter)) else { continue };
            let call =
                ChainCall::FinalizeDispute { dispute, body, starter_fills: Vec::new(), answerer_fills: Vec::new() };
            self.submit(who, index, Operation::Act(Box::new(ChainAction { key, pair, call })));
        }
    }

    /// Looks at the blocks that have come to count as confirmed.
    pub(crate) fn check_chain(&mut self, index: usize) -> Found {
        for token in [USD, EUR] {
            let total = self.chains[index].ledger.total(token);
            if total != 0 {
                return Err(format!("chain {index} has {total} of {token:?} too much"));
            }
        }
        while self.chains[index].confirmed().is_some_and(|confirmed| self.checked[index] <= confirmed) {
            let number = self.checked[index];
            self.checked[index] += 1;
            let block = self.chains[index].block(number);
            if let Some(tx) = block.and_then(|block| block.wrong.first()) {
                return Err(format!("node {} asks for what the chain refuses: {:?}", tx.by, tx.operation));
            }
            let closings = block.map(|block| block.closings.clone());
            for closing in closings.unwrap_or_default() {
                self.check_closing(index, &closing)?;
            }
        }
        Ok(())
    }

    /// No honest side may end with less than its last agreed state, or one that it offered after it. What it agreed to when it
    /// was too late to show it does not count: an acknowledgement may come when the dispute is over.
    fn check_closing(&mut self, index: usize, closing: &Closing) -> Found {
        let key = key_of(index);
        self.tally.event(if closing.dispute.is_some() { "dispute ended" } else { "close" });
        for side in [Side::Left, Side::Right] {
            let Some(who) = self.index(&closing.pair.entity(side)) else { continue };
            let peer = closing.pair.entity(side.other());
            if self.cheats.contains(&(who, closing.pair, key, closing.epoch)) || (self.restored && who == self.frail) {
                continue;
            }
            if self.parties[who].node.is_none() {
                continue;
            }
            let in_time = |at: u64| closing.dispute.is_none_or(|d| at + 2 * MAX_DELAY_S <= d.started_at.0 + WINDOW_S);
            let mut known = self.parties[who].agreed.get(&peer).into_iter().flatten();
            let Some((_, tip)) = known.rfind(|(at, _)| in_time(*at)) else { continue };
            let Some(last) = tip.commitment.subchannels.iter().find(|s| s.key == key) else { continue };
            if last.epoch != closing.epoch {
                continue;
            }
            let shown = closing.dispute.map(|dispute| Nonce(dispute.nonce));
            if last.body_hash != closing.body_hash && shown.is_none_or(|shown| shown < tip.state.nonce) {
                return Err(format!(
                    "node {who} has agreed to {:?} with {peer} in {key:?}, and {shown:?} was enforced",
                    tip.state.nonce
                ));
            }
        }
        if let Some(book) = self.books.get_mut(&closing.pair) {
            if let Some(dispute) = closing.dispute
                && Nonce(dispute.nonce) > book.head.0
            {
                self.tally.event("enforced unagreed");
                book.enforce(&key, Nonce(dispute.nonce))?;
            }
            book.pay_out(closing);
        }
        Ok(())
    }

    // Time.

    /// Time passes: blocks come, nodes look at them, clocks run out, processes come back.
    pub(crate) fn wait(&mut self, seconds: u64) -> Found {
        let end = self.now + seconds;
        while self.now < end {
            let blocks = self.next_block.iter().copied().min().unwrap_or(end);
            let back = self.parties.iter().filter(|p| p.node.is_none()).map(|p| p.down_until.max(self.now + 1));
            let due = self.parties.iter().filter_map(|p| {
                let at = p.node.as_ref()?.poll_timeout()?.0.saturating_sub(p.ahead_s);
                Some(at.max(self.now + 1))
            });
            let next = back.chain(due).chain([blocks]).min().unwrap_or(end);
            self.now = next.clamp(self.now + 1, end.max(self.now + 1));
            self.pass()?;
        }
        Ok(())
    }

    /// What is due now.
    fn pass(&mut self) -> Found {
        for who in 0..self.parties.len() {
            if self.parties[who].node.is_none() && self.parties[who].down_until <= self.now {
                self.tally.event("return");
                self.start(who)?;
            }
        }
        for index in [0, 1] {
            if self.next_block[index] <= self.now {
                let interval = if self.calm { 5 * INTERVAL_S } else { INTERVAL_S };
                self.next_block[index] = self.now + interval;
                self.mine(index)?;
                for who in 0..self.parties.len() {
                    self.poll(who, index)?;
                }
            }
        }
        for who in 0..self.parties.len() {
            let party = &self.parties[who];
            let due = party.node.as_ref().and_then(|node| node.poll_timeout());
            if party.is_up(self.now) && due.is_some_and(|due| due.0 <= self.now + party.ahead_s) {
                self.tally.event("tick");
                self.feed(who, vec![Input::Tick])?;
            }
        }
        Ok(())
    }
}
