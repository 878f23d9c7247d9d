//! The life of one adversary: it trades, deviates, and in the end shows every old state on chain.

use std::rc::Rc;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use xln_core::block::apply_block;
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::channel::Arguments;
use xln_core::commitment::{Commitment, Evidence};
use xln_core::crypto::Signature;
use xln_core::machine::{Action, Command, Input};
use xln_core::route::{ExpectedPayment, Hop, Lock, Route};
use xln_core::state::{ChannelState, Pending};
use xln_core::transition::Transition;
use xln_core::types::{EntityId, Hash, HashKind, Secret, Side};
use xln_core::wire::{Message, Part, RejectReason};
use xln_storage::MemoryStore;

use super::deviation::Deviation;
use super::forge::Ground;
use super::world::{Finding, WINDOW_S, World, check, now, onion_key};
use super::{Cast, FRIENDS, HONEST, Report};

/// Collateral of the channel in favour of each end, and the credit that each grants.
const COLLATERAL: u128 = 10_000;
const CREDIT: u128 = 5_000;
/// Messages that one payment of an honest peer may take.
const SERVICE: u32 = 60;
/// The largest snapshot that the honest node may have, in bytes.
const MAX_SNAPSHOT: usize = 4 << 20;
/// Longest time between two looks at clock and chain during a dispute, in seconds.
const STEP_S: u64 = 300;

/// One adversary.
pub(super) struct Life {
    cast: Cast,
    number: u64,
    me: EntityId,
    side: Side,
    /// Everything that it ever sent.
    sent: Vec<Vec<u8>>,
    /// States that both signed.
    old: Vec<(ChannelState, Signature, Signature)>,
    /// What it could show on chain.
    evidence: Vec<Evidence>,
    /// Copies of its own store.
    backups: Vec<MemoryStore>,
    /// Its own blocks that the honest side has not acknowledged, by hash.
    candidates: Vec<(Hash, Evidence)>,
    /// The greatest height that the honest side has proposed.
    seen_height: u64,
    /// The next secret of a lock.
    secret: u64,
}

impl Life {
    /// Joins and opens a channel as an honest peer would.
    pub(super) fn begin(world: &mut World, cast: Cast, number: u64) -> Result<Self, Finding> {
        let me = world.join(number, 1 << 30)?;
        world.connect(cast.honest, me, COLLATERAL, CREDIT)?;
        let (_, side) = World::pair(me, cast.honest)?;
        Ok(Self {
            cast,
            number,
            me,
            side,
            sent: Vec::new(),
            old: Vec::new(),
            evidence: Vec::new(),
            backups: Vec::new(),
            candidates: Vec::new(),
            seen_height: 0,
            secret: number << 32,
        })
    }

    /// Trades, deviates, and comes back; the others are served meanwhile.
    pub(super) fn round(
        &mut self,
        world: &mut World,
        which: Deviation,
        random: &mut ChaCha8Rng,
        report: &mut Report,
    ) -> Result<(), Finding> {
        for _ in 0..random.random_range(1..4) {
            self.trade(world, random)?;
        }
        self.settle(world, 2_000)?;
        self.remember(world)?;
        self.deviate(world, which, random, report)?;
        report.count(which);
        self.come_back(world, report)?;
        self.serve(world, random, report)?;
        self.check_bounds(world, report)?;
        world.pass(random.random_range(1..40))?;
        self.settle(world, 2_000)
    }

    /// Delivers everything, and keeps what may be of use.
    fn settle(&mut self, world: &mut World, budget: u32) -> Result<(), Finding> {
        for _ in 0..budget {
            self.overhear(world)?;
            if !world.deliver()? {
                return Ok(());
            }
        }
        Err(Finding::Check(format!("more than {budget} messages, and no rest")))
    }

    /// Looks at the next message: what it sent can be sent again, what the honest side signed can be shown.
    fn overhear(&mut self, world: &World) -> Result<(), Finding> {
        let Some(message) = world.wire.front() else { return Ok(()) };
        if message.from == self.me {
            self.sent.push(message.bytes.clone());
            if self.sent.len() > 256 {
                self.sent.drain(..128);
            }
        }
        if message.to != self.me {
            return Ok(());
        }
        let parts = Message::decode(&message.bytes).map_err(Finding::ground)?.parts;
        let honest = self.side.other();
        for part in parts {
            match part {
                Part::Proposal { block, signature } => {
                    self.seen_height = self.seen_height.max(block.height);
                    let tip = world.see(&self.me)?.channel(&self.cast.honest)?.state();
                    let Ok(state) = apply_block(tip, &tip.hash().map_err(Finding::ground)?, &block) else { continue };
                    let commitment = Commitment::of(&state).map_err(Finding::ground)?;
                    if let Some(evidence) = commitment.evidence(&world.key(), state.nonce) {
                        self.keep(evidence, honest, signature);
                    }
                }
                Part::Ack { block_hash, signature, .. } => {
                    if let Some(at) = self.candidates.iter().position(|(hash, _)| *hash == block_hash) {
                        let (_, evidence) = self.candidates.swap_remove(at);
                        self.keep(evidence, honest, signature);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn keep(&mut self, mut evidence: Evidence, signer: Side, signature: Signature) {
        match signer {
            Side::Left => evidence.left = Some(signature),
            Side::Right => evidence.right = Some(signature),
        }
        if !self.evidence.contains(&evidence) {
            self.evidence.push(evidence);
        }
    }

    /// Keeps the last agreed state, and a copy of its own store.
    fn remember(&mut self, world: &World) -> Result<(), Finding> {
        let party = world.see(&self.me)?;
        let tip = party.channel(&self.cast.honest)?.tip();
        if let (Some(left), Some(right)) = (&tip.left, &tip.right)
            && self.old.last().is_none_or(|(state, ..)| state.nonce < tip.state.nonce)
        {
            self.old.push((tip.state.clone(), left.clone(), right.clone()));
            let evidence = tip.evidence(&world.key());
            self.evidence.extend(evidence.filter(|evidence| !self.evidence.contains(evidence)));
        }
        if self.backups.len() < 16 {
            self.backups.push(party.store.image().map_err(Finding::ground)?);
        }
        Ok(())
    }

    /// Something that honest peers do.
    fn trade(&mut self, world: &mut World, random: &mut ChaCha8Rng) -> Result<(), Finding> {
        let (honest, me) = (self.cast.honest, self.me);
        let (from, to) = if random.random() { (honest, me) } else { (me, honest) };
        let (key, token, amount) = (world.key(), world.token, random.random_range(1..60_u128));
        match random.random_range(0..6) {
            0..=2 => drop(world.propose(from, to, Transition::DirectPayment { key, token, amount }, amount)?),
            3 => drop(self.lock(world, from, to, amount, random.random_range(1_500..3_000))?),
            _ => self.end_a_lock(world, to, from, random)?,
        }
        Ok(())
    }

    /// A lock whose secret everybody in this file can find out; gives the secret.
    fn lock(
        &mut self,
        world: &mut World,
        from: EntityId,
        to: EntityId,
        amount: u128,
        lasts_s: u64,
    ) -> Result<Option<Secret>, Finding> {
        self.secret = self.secret.saturating_add(1);
        let (key, token, kind) = (world.key(), world.token, HashKind::Sha256);
        let (secret, expiry) = (secret(self.secret), world.now().plus(lasts_s));
        let (hash, onion) = (secret.hash(kind), Vec::new());
        let lock = Transition::AddPayment { key, token, amount, kind, hash, expiry, onion };
        Ok(world.propose(from, to, lock, amount)?.then_some(secret))
    }

    /// The recipient settles or gives up a lock.
    fn end_a_lock(
        &mut self,
        world: &mut World,
        recipient: EntityId,
        payer: EntityId,
        random: &mut ChaCha8Rng,
    ) -> Result<(), Finding> {
        let (_, side) = World::pair(payer, recipient)?;
        let state = world.see(&recipient)?.channel(&payer)?.state();
        let pending = state.subchannels.get(&world.key()).into_iter().flat_map(|s| &s.pending);
        let locks: Vec<(u64, Hash)> = pending
            .filter_map(|(id, p)| if let Pending::Payment(p) = p { Some((*id, p)) } else { None })
            .filter(|(_, payment)| payment.payer == side)
            .map(|(id, payment)| (id, payment.hash))
            .collect();
        let Some((id, hash)) = locks.choose(random).copied() else { return Ok(()) };
        let first = self.number << 32;
        let secret = (first..=self.secret).map(secret).find(|secret| secret.hash(HashKind::Sha256) == hash);
        let key = world.key();
        let transition = match secret.filter(|_| random.random_range(0..4) > 0) {
            Some(secret) => Transition::SettlePayment { key, id, secret },
            None => Transition::CancelPayment { key, id },
        };
        world.propose(recipient, payer, transition, 0).map(drop)
    }

    fn with_ground<T>(
        &self,
        world: &World,
        make: impl FnOnce(&Ground<'_>) -> Result<T, Finding>,
    ) -> Result<T, Finding> {
        let party = world.see(&self.me)?;
        make(&Ground {
            tip: party.channel(&self.cast.honest)?.state(),
            me: self.side,
            signer: &party.signer,
            key: world.key(),
            token: world.token,
            now: world.now(),
            old: &self.old,
        })
    }

    fn deviate(
        &mut self,
        world: &mut World,
        which: Deviation,
        random: &mut ChaCha8Rng,
        report: &mut Report,
    ) -> Result<(), Finding> {
        match which {
            Deviation::Contradiction => self.contradict(world, random, report),
            Deviation::Silence => self.be_silent(world, random),
            Deviation::RejectsAll => self.reject_all(world, random, report),
            Deviation::Replay => {
                let sent = self.sent.clone();
                self.speak(world, sent, report)
            }
            Deviation::ReplayAfterRestore => self.restore(world, random),
            Deviation::IgnoresSecret => self.ignore_secret(world),
            _ => {
                let messages = self.with_ground(world, |ground| ground.messages(which, random))?;
                self.speak_in_vain(world, which, messages, report)
            }
        }
    }

    /// Sends bytes as they are.
    fn speak(&mut self, world: &mut World, messages: Vec<Vec<u8>>, report: &mut Report) -> Result<(), Finding> {
        for bytes in messages {
            report.messages = report.messages.saturating_add(1);
            world.step(self.cast.honest, vec![Input::Message { from: self.me, bytes }])?;
        }
        Ok(())
    }

    /// Sends what must not move anything.
    fn speak_in_vain(
        &mut self,
        world: &mut World,
        which: Deviation,
        messages: Vec<Vec<u8>>,
        report: &mut Report,
    ) -> Result<(), Finding> {
        let tip = |world: &World| Ok::<_, Finding>(world.see(&self.cast.honest)?.channel(&self.me)?.state().clone());
        let before = tip(world)?;
        for bytes in messages {
            report.messages = report.messages.saturating_add(1);
            world.step(self.cast.honest, vec![Input::Message { from: self.me, bytes }])?;
        }
        check(!which.moves_nothing() || tip(world)? == before, || format!("{which:?} moved what was agreed"))
    }

    /// Two good blocks of one height; the honest side may take one, and neither after the other.
    fn contradict(&mut self, world: &mut World, random: &mut ChaCha8Rng, report: &mut Report) -> Result<(), Finding> {
        let (key, token) = (world.key(), world.token);
        let pays = |amount| vec![Transition::DirectPayment { key, token, amount }];
        let height = world.see(&self.cast.honest)?.channel(&self.me)?.state().height;
        let mut messages = Vec::new();
        for amount in [1, 2] {
            let (message, hash, evidence) = self.with_ground(world, |ground| {
                let block = ground.block(pays(amount))?;
                let hash = block.hash().map_err(Finding::ground)?;
                let evidence = ground.evidence(&block)?;
                Ok((ground.message(vec![ground.proposal(block)?])?, hash, evidence))
            })?;
            self.candidates.extend(evidence.map(|evidence| (hash, evidence)));
            messages.push(message);
        }
        if random.random() {
            messages.reverse();
        }
        messages.extend(messages.clone());
        self.speak(world, messages, report)?;
        let after = world.see(&self.cast.honest)?.channel(&self.me)?.state().height;
        check(after <= height.saturating_add(1), || "both of two contradicting blocks were taken".into())
    }

    /// The honest side asks, and nobody answers for a while.
    fn be_silent(&mut self, world: &mut World, random: &mut ChaCha8Rng) -> Result<(), Finding> {
        world.silent = Some(self.me);
        for _ in 0..random.random_range(1..5) {
            self.trade(world, random)?;
            world.pass(random.random_range(1..100))?;
            world.settle(500)?;
        }
        world.silent = None;
        Ok(())
    }

    /// Refuses every block. The honest side must give up on this parent: what it signed stays live, and each one is kept.
    fn reject_all(&mut self, world: &mut World, random: &mut ChaCha8Rng, report: &mut Report) -> Result<(), Finding> {
        let (honest, me) = (self.cast.honest, self.me);
        let (key, token) = (world.key(), world.token);
        world.propose(honest, me, Transition::DirectPayment { key, token, amount: 1 }, 1)?;
        let mut refused: u32 = 0;
        for _ in 0..400_u32 {
            let Some(at) = world.wire.iter().position(|message| message.from == honest && message.to == me) else {
                break;
            };
            if let Some(message) = world.wire.remove(at) {
                world.wire.push_front(message);
            }
            self.overhear(world)?;
            let Some(message) = world.wire.pop_front() else { break };
            let parts = Message::decode(&message.bytes).map_err(Finding::ground)?.parts;
            for part in parts {
                let Part::Proposal { block, .. } = part else { continue };
                refused = refused.saturating_add(1);
                let index = random.random_range(0..3);
                let reason = if random.random() { RejectReason::Malformed } else { RejectReason::Policy { index } };
                let least = block.height.saturating_add(random.random_range(0..4));
                let at = (block.height, block.hash().map_err(Finding::ground)?);
                let bytes =
                    self.with_ground(world, |ground| ground.message(vec![ground.reject(at, reason, least)?]))?;
                self.speak(world, vec![bytes], report)?;
            }
        }
        check(refused > 0, || "there was nothing to refuse".into())?;
        check(refused < 200, || format!("{refused} blocks on one parent, each refused and each kept"))?;
        // It comes back with a block that outranks all of them.
        let height = self.seen_height.saturating_add(4);
        let (message, hash, evidence) = self.with_ground(world, |ground| {
            let mut block = ground.block(vec![Transition::DirectPayment { key, token, amount: 1 }])?;
            block.height = height;
            let hash = block.hash().map_err(Finding::ground)?;
            let evidence = ground.evidence(&block)?;
            Ok((ground.message(vec![ground.proposal(block)?])?, hash, evidence))
        })?;
        self.candidates.extend(evidence.map(|evidence| (hash, evidence)));
        self.speak(world, vec![message], report)
    }

    /// Runs on from an old copy of its own store, which says nothing of being one.
    fn restore(&mut self, world: &mut World, random: &mut ChaCha8Rng) -> Result<(), Finding> {
        let Some(backup) = self.backups.choose(random) else { return Ok(()) };
        let store = Rc::new(backup.image().map_err(Finding::ground)?);
        let watcher = world.see(&self.me)?.watcher.clone();
        let mut party = world.open(self.number, store)?;
        party.watcher = watcher;
        world.parties.insert(self.me, party);
        let (key, token) = (world.key(), world.token);
        let amount = random.random_range(1..9);
        world.propose(self.me, self.cast.honest, Transition::DirectPayment { key, token, amount }, amount)?;
        self.settle(world, 500)
    }

    /// A payment to the honest side, which shows its secret and gets no answer: it must be on chain in time.
    fn ignore_secret(&mut self, world: &mut World) -> Result<(), Finding> {
        let (honest, me) = (self.cast.honest, self.me);
        let Some(secret) = self.lock(world, me, honest, 7, 2_000)? else { return Ok(()) };
        self.settle(world, 500)?;
        let (hash, key) = (secret.hash(HashKind::Sha256), world.key());
        let state = world.see(&honest)?.channel(&me)?.state();
        let pending = state.subchannels.get(&key).into_iter().flat_map(|s| &s.pending);
        let ours = |(id, p): (&u64, &Pending)| match p {
            Pending::Payment(p) if p.hash == hash => Some((*id, p.expiry)),
            _ => None,
        };
        let Some((id, expiry)) = pending.into_iter().find_map(ours) else { return Ok(()) };
        world.silent = Some(me);
        world.propose(honest, me, Transition::SettlePayment { key, id, secret }, 0)?;
        while world.now() < expiry.minus(STEP_S) {
            world.pass(STEP_S)?;
            world.settle(500)?;
        }
        let revealed = now(world.client.revealed_at(HashKind::Sha256, &hash))?;
        world.silent = None;
        check(revealed.is_some_and(|at| at <= expiry), || "a secret was not revealed in time".into())
    }

    /// Connects anew, as often as an honest peer would need to be level again.
    fn come_back(&mut self, world: &mut World, report: &mut Report) -> Result<(), Finding> {
        world.silent = None;
        for _ in 0..3 {
            world.reconnect(self.cast.honest, self.me)?;
            self.settle(world, 2_000)?;
            world.pass(11)?;
            self.settle(world, 2_000)?;
        }
        let ours = world.see(&self.cast.honest)?.channel(&self.me)?;
        let theirs = world.see(&self.me)?.channel(&self.cast.honest)?;
        if ours.state() == theirs.state() && !ours.is_in_flight() {
            report.level = report.level.saturating_add(1);
        }
        Ok(())
    }

    /// The honest node's other peers pay it, and through it, while the adversary shouts.
    fn serve(&mut self, world: &mut World, random: &mut ChaCha8Rng, report: &mut Report) -> Result<(), Finding> {
        let (honest, [first, second]) = (self.cast.honest, self.cast.friends);
        let (key, token) = (world.key(), world.token);
        let amount = random.random_range(1..20_u128);
        let transition = Transition::DirectPayment { key, token, amount };
        let (from, to) = if random.random() { (first, honest) } else { (honest, first) };
        let before = position(world, to, from)?;
        check(world.propose(from, to, transition, 0)?, || "a payment of an honest peer was refused".into())?;
        self.served(world, random, report)?;
        let gained = position(world, to, from)?.saturating_sub(before);
        check(u128::try_from(gained) == Ok(amount), || "a payment of an honest peer did not arrive".into())?;
        // Through the honest node to the other.
        let (payer, recipient) = if random.random() { (first, second) } else { (second, first) };
        self.secret = self.secret.saturating_add(1);
        let (kind, secret, until) = (HashKind::Sha256, secret(self.secret), world.now().plus(9_000));
        let expected = ExpectedPayment { key, token, amount: 1_000, kind, secret, until };
        world.step(recipient, vec![Input::Expect(expected)])?;
        let [near, far] = FRIENDS;
        let number = if recipient == first { near } else { far };
        let hop = |entity, number, gap_s| {
            let onion_key = onion_key(number)?.public().map_err(Finding::ground)?;
            Ok::<_, Finding>(Hop { entity, onion_key, key, token, fee_ppm: 1_000, gap_s })
        };
        let hops = [hop(honest, HONEST, 600)?, hop(recipient, number, 600)?];
        let lock = Lock { kind, hash: secret.hash(kind), expiry: world.now().plus(4_000) };
        let session: [u8; 32] = std::array::from_fn(|_| random.random());
        let route = Route::new(&hops, 1_000, &lock, &session).map_err(Finding::ground)?;
        let before = position(world, recipient, honest)?;
        let taken = world.propose(payer, honest, route.payment, 0)?;
        check(taken, || "a payment through the honest node was refused".into())?;
        self.served(world, random, report)?;
        let gained = position(world, recipient, honest)?.saturating_sub(before);
        check(gained == 1_000, || format!("a payment through the honest node brought {gained}"))
    }

    /// Delivers what honest peers say among the adversary's noise, until nothing moves.
    fn served(&mut self, world: &mut World, random: &mut ChaCha8Rng, report: &mut Report) -> Result<(), Finding> {
        let mut needed: u32 = 0;
        while let Some(message) = world.wire.front() {
            let noise = message.from == self.me || message.to == self.me;
            needed = needed.saturating_add(u32::from(!noise));
            check(needed <= SERVICE, || format!("a payment takes more than {SERVICE} messages"))?;
            self.overhear(world)?;
            world.deliver()?;
            if let Some(bytes) = self.sent.choose(random).cloned().filter(|_| random.random_range(0..3) == 0) {
                self.speak(world, vec![bytes], report)?;
            }
        }
        report.served = report.served.saturating_add(1);
        report.longest_service = report.longest_service.max(needed);
        Ok(())
    }

    fn check_bounds(&self, world: &World, report: &mut Report) -> Result<(), Finding> {
        let machine = world.see(&self.cast.honest)?.node.machine();
        let snapshot = machine.snapshot().map_err(Finding::ground)?.bytes.len();
        report.largest_store = report.largest_store.max(snapshot);
        check(snapshot < MAX_SNAPSHOT, || format!("{snapshot} bytes in memory"))?;
        let channels = machine.channels().count();
        let lives = usize::try_from(report.lives).unwrap_or(usize::MAX);
        check(channels == lives.saturating_add(3), || format!("{channels} channels"))?;
        let outbox = machine.pending_effects().count();
        check(outbox < 64, || format!("{outbox} effects wait"))?;
        let queued: usize = machine.channels().map(|(_, channel)| channel.queued()).sum();
        check(queued < 512, || format!("{queued} commands wait"))?;
        check(machine.routes() < 64, || format!("{} routes", machine.routes()))
    }

    /// Shows every old state on chain, each on a fork of its own, and once counters the honest side's start.
    pub(super) fn end(
        &mut self,
        world: &mut World,
        random: &mut ChaCha8Rng,
        report: &mut Report,
    ) -> Result<(), Finding> {
        self.remember(world)?;
        // A block of the honest side that hangs in the air makes it worse.
        world.silent = Some(self.me);
        self.trade(world, random)?;
        while !world.wire.is_empty() {
            self.overhear(world)?;
            world.deliver()?;
        }
        let (honest, me) = (self.cast.honest, self.me);
        let (pair, _) = World::pair(honest, me)?;
        let header = now(world.client.channel(&pair))?;
        let signed = |e: &&Evidence| e.epoch == header.epoch && e.signature(self.side.other()).is_some();
        let shown: Vec<Evidence> = self.evidence.iter().filter(signed).cloned().collect();
        check(!shown.is_empty(), || "it has nothing to show".into())?;
        let whole = world.party(&honest)?.store.image().map_err(Finding::ground)?;
        let watcher = world.see(&honest)?.watcher.clone();
        let Some(original) = world.parties.remove(&honest) else { return Ok(()) };
        let due = self.due(world, &original)?;
        for (n, evidence) in shown.iter().enumerate() {
            let base = world.chain.newest().number;
            let mut fork = world.open(HONEST, Rc::new(whole.image().map_err(Finding::ground)?))?;
            fork.watcher = watcher.clone();
            world.parties.insert(honest, fork);
            world.observe(honest)?;
            let which = if n == 0 { Deviation::OldCounter } else { Deviation::OldDispute };
            self.fight(world, evidence, which, due, random, report)?;
            report.count(which);
            world.wire.clear();
            world.chain.reorg(world.chain.newest().number.saturating_sub(base));
        }
        world.parties.insert(honest, original);
        world.parties.remove(&me);
        world.silent = None;
        world.wire.clear();
        world.observe_all()?;
        world.settle(500).map(drop)
    }

    /// What the honest side gets at least: its share by the last agreed state, less what it was offering.
    fn due(&self, world: &World, party: &super::world::Party) -> Result<i128, Finding> {
        let (pair, side) = World::pair(self.cast.honest, self.me)?;
        let channel = party.channel(&self.me)?;
        let facts = now(world.client.collaterals(&pair, &[world.token]))?;
        let fact = facts.first().ok_or_else(|| Finding::Check("no collateral".into()))?;
        let Some(token) = channel.state().token(&world.key(), world.token) else { return Ok(0) };
        let delta = fact.ondelta.saturating_add(token.offdelta);
        let collateral = i128::try_from(fact.collateral).map_err(Finding::ground)?;
        let share = if side.is_left() { delta } else { collateral.saturating_sub(delta) };
        let pending = channel.state().subchannels.get(&world.key()).into_iter().flat_map(|s| s.pending.values());
        let locked = pending.filter_map(|p| if let Pending::Payment(p) = p { Some(p) } else { None });
        let locked: u128 = locked.filter(|p| p.payer == side).map(|p| p.amount).fold(0, u128::saturating_add);
        // Offers to this adversary and to nobody else: the others have no open ones now.
        let offered = party.open.values().fold(locked, |sum, amount| sum.saturating_add(*amount));
        Ok(share.saturating_sub(i128::try_from(offered).map_err(Finding::ground)?))
    }

    /// One dispute to its end.
    fn fight(
        &self,
        world: &mut World,
        evidence: &Evidence,
        which: Deviation,
        due: i128,
        random: &mut ChaCha8Rng,
        report: &mut Report,
    ) -> Result<(), Finding> {
        let (honest, me) = (self.cast.honest, self.me);
        let (pair, _) = World::pair(honest, me)?;
        let (key, before) = (world.key(), world.net(&honest, &me)?);
        let signer = world.see(&me)?.signer.clone();
        let (starter, fills) = (self.side, Vec::new());
        if which == Deviation::OldCounter {
            let action = Action::StartDispute { key, arguments: Arguments::default() };
            world.step(honest, vec![Input::Command(Command { peer: me, action })])?;
        } else {
            let call = ChainCall::StartDispute { starter, evidence: evidence.clone(), fills };
            let started = world.submit_raw(&signer, &ChainAction { key, pair, call });
            check(started.is_ok(), || format!("a start with a signed state of this epoch: {started:?}"))?;
        }
        let epoch = now(world.client.channel(&pair))?.epoch;
        // The honest side may be away for the first half of the window.
        let away = if random.random() { WINDOW_S / 2 } else { 0 };
        let started_at = world.now();
        let limit = started_at.plus(WINDOW_S.saturating_add(8_000));
        while now(world.client.channel(&pair))?.epoch == epoch {
            check(world.now() < limit, || "a dispute without end".into())?;
            world.chain.advance(STEP_S);
            if which == Deviation::OldCounter {
                self.counter(world, &signer, evidence);
            }
            if world.now() > started_at.plus(away) {
                world.observe(honest)?;
            }
            world.wire.clear();
        }
        report.disputes = report.disputes.saturating_add(1);
        report.countered = world.countered;
        let got = world.net(&honest, &me)?.saturating_sub(before);
        check(got >= due, || {
            format!("{which:?} with nonce {:?}: the honest side got {got} where {due} was due", evidence.nonce)
        })
    }

    /// Tries to put an old state in the place of what the honest side has shown.
    fn counter(&self, world: &World, signer: &xln_core::crypto::LocalSigner, evidence: &Evidence) {
        let Ok(party) = world.see(&self.cast.honest) else { return };
        let Ok(channel) = party.channel(&self.me) else { return };
        let Some((_, dispute)) = channel.watch(&world.key()).and_then(|watch| watch.dispute()) else { return };
        for both in [false, true] {
            let (dispute, evidence, fills) = (*dispute, evidence.clone(), Vec::new());
            let call = ChainCall::CounterDispute { dispute, evidence, fills, both };
            let action = ChainAction { key: world.key(), pair: channel.pair(), call };
            // A refusal is what is expected; the outcome is what is checked.
            let _ = world.submit_raw(signer, &action);
        }
    }
}

fn secret(number: u64) -> Secret {
    let mut bytes = [0x77; 32];
    if let Some(end) = bytes.last_chunk_mut::<8>() {
        *end = number.to_be_bytes();
    }
    Secret(bytes)
}

/// What `who` has gained in its channel with `peer` by off-chain payments.
fn position(world: &World, who: EntityId, peer: EntityId) -> Result<i128, Finding> {
    let (_, side) = World::pair(who, peer)?;
    let state = world.see(&who)?.channel(&peer)?.state();
    let offdelta = state.token(&world.key(), world.token).map_or(0, |token| token.offdelta);
    Ok(if side.is_left() { offdelta } else { offdelta.saturating_neg() })
}
