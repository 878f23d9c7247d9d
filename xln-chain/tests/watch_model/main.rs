//! Random histories, reorganisations at and beyond the finality depth, lost processes: the watcher's facts must add up to
//! what is found by reading the canonical chain from its first block.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod canonical;
#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use alloy_sol_types::SolCall;
use canonical::{Block, canonical};
use common::*;
use proptest::prelude::*;
use xln_chain::client::{Authority, Funding, GovernCall, Operation, Token, action_transaction};
use xln_chain::contracts::subcontract_provider::SubcontractProvider;
use xln_chain::contracts::test_answers::TestAnswers;
use xln_chain::deploy::deploy_code;
use xln_chain::{Chain, Cursor, QuorumChain, Transaction, U256, WatchConfig, Watcher};
use xln_core::chain::{ChainAction, ChainCall, ChainFact, ChangeKind};
use xln_core::crypto::LocalSigner;
use xln_core::proof::{Body, DepositoryDomain, SettlementUpdate, TokenDiff};
use xln_core::types::{Address, DisputeFact, Hash, Pair, Side, SubchannelKey, TokenId, UnixSeconds};

#[derive(Clone, Debug)]
enum Op {
    Fund(u8, u8),
    StartEmpty(u8, bool),
    Start(u8, bool, u64),
    Accept(u8),
    Counter(u8, u64),
    Finalize(u8),
    Settle(u8, u8, i8),
    Close(u8, u8),
    Reveal(Vec<u8>),
    Record(u8, u8),
    Board(u8, u8),
    Revoke(u8, u8),
    Advance(u16),
    Mine(u8),
    Wait(bool),
    Reorg(u8, bool),
    Poll,
    PollBatch,
    PollFlaky(u8),
    Behind(u8),
    ReorgInPoll(u8, u8),
    Restart(bool),
    /// One endpoint that fails, or mixes things up so that it shows.
    PollFaults(Vec<Fault>),
    /// Two of three endpoints: one lies in every answer, another fails a few times.
    PollQuorum(u8, Vec<Fault>, Vec<Fault>),
}

fn op() -> impl Strategy<Value = Op> {
    let channel = 0..4_u8;
    prop_oneof![
        3 => (channel.clone(), 1..9_u8).prop_map(|(c, n)| Op::Fund(c, n)),
        3 => (channel.clone(), any::<bool>()).prop_map(|(c, l)| Op::StartEmpty(c, l)),
        2 => (channel.clone(), any::<bool>(), 1..50_u64).prop_map(|(c, l, n)| Op::Start(c, l, n)),
        2 => channel.clone().prop_map(Op::Accept),
        2 => (channel.clone(), 1..90_u64).prop_map(|(c, n)| Op::Counter(c, n)),
        3 => channel.prop_map(Op::Finalize),
        3 => (0..4_u8, 0..4_u8, any::<i8>()).prop_map(|(c, tokens, n)| Op::Settle(c, tokens, n)),
        1 => (0..4_u8, 0..4_u8).prop_map(|(c, tokens)| Op::Close(c, tokens)),
        2 => (0..3_u8, 0..3_u8).prop_map(|(question, before)| Op::Record(question, before)),
        2 => (0..4_u8, 0..3_u8).prop_map(|(who, board)| Op::Board(who, board)),
        1 => (0..4_u8, 0..3_u8).prop_map(|(who, delegation)| Op::Revoke(who, delegation)),
        2 => prop::collection::vec(0..6_u8, 1..4).prop_map(Op::Reveal),
        2 => (0..5_000_u16).prop_map(Op::Advance),
        2 => (1..6_u8).prop_map(Op::Mine),
        1 => any::<bool>().prop_map(Op::Wait),
        4 => (1..9_u8, any::<bool>()).prop_map(|(d, r)| Op::Reorg(d, r)),
        6 => Just(Op::Poll),
        2 => Just(Op::PollBatch),
        2 => (0..9_u8).prop_map(Op::PollFlaky),
        2 => (0..9_u8).prop_map(Op::Behind),
        4 => (1..12_u8, 1..9_u8).prop_map(|(n, d)| Op::ReorgInPoll(n, d)),
        2 => any::<bool>().prop_map(Op::Restart),
        5 => faults(&Fault::HONEST, 1..12).prop_map(Op::PollFaults),
        3 => (0..3_u8, faults(&Fault::LIES, 1..6), faults(&[Fault::Unplugged, Fault::Behind(1), Fault::Fine], 0..4))
            .prop_map(|(liar, lies, faults)| Op::PollQuorum(liar, lies, faults)),
    ]
}

fn faults(among: &'static [Fault], count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Fault>> {
    prop::collection::vec(prop::sample::select(among), count)
}

type Place = (SubchannelKey, Pair);

/// What a machine would have after the facts.
#[derive(Clone, Default)]
struct Consumer {
    blocks: Vec<Block>,
    /// The last sightings per subchannel that nothing has settled, with their epochs: of a close, and of a dispute.
    open: BTreeMap<(Place, bool), u32>,
    reorganised: bool,
}

impl Consumer {
    fn take(&mut self, fact: ChainFact) {
        match fact {
            ChainFact::Block { point, changes, reveals, facts, entities } => {
                if let Some(known) = self.blocks.iter().find(|block| block.point.number == point.number) {
                    assert_eq!(known.point, point, "a block was replaced without a word");
                    return;
                }
                let next = self.blocks.last().map_or(0, |block| block.point.number + 1);
                assert_eq!(point.number, next, "blocks come in order and without gaps");
                for change in &changes {
                    let place = (change.key, change.pair);
                    match change.kind {
                        // A close ends the disputes of the epochs before its own; one that was started after it is another one.
                        ChangeKind::Closed { epoch, .. } => {
                            self.open.remove(&(place, true));
                            if self.open.get(&(place, false)).is_some_and(|started| *started < epoch) {
                                self.open.remove(&(place, false));
                            }
                        }
                        // What a block has takes the place of what was seen before.
                        ChangeKind::Dispute { .. } => drop(self.open.remove(&(place, false))),
                        _ => {}
                    }
                }
                // After a restart the watcher may repeat a reveal; machines keep the first.
                let known: BTreeSet<_> =
                    self.blocks.iter().flat_map(|block| &block.reveals).map(|r| (r.kind, r.secret)).collect();
                let first = reveals.into_iter().filter(|r| !known.contains(&(r.kind, r.secret)));
                self.blocks.push(Block { point, changes, reveals: first.collect(), facts, entities });
            }
            ChainFact::Sighted { change } => {
                let place = (change.key, change.pair);
                match change.kind {
                    ChangeKind::Closed { epoch, .. } => drop(self.open.insert((place, true), epoch)),
                    ChangeKind::Dispute { epoch, .. } => drop(self.open.insert((place, false), epoch)),
                    other => panic!("{other:?} is no sighting"),
                }
            }
            ChainFact::Vanished { key, pair } => {
                self.open.retain(|(place, _), _| *place != (key, pair));
            }
            ChainFact::Reorganised { number, .. } => {
                self.reorganised = true;
                self.blocks.retain(|block| block.point.number < number);
            }
        }
    }
}

struct Model {
    world: World,
    me: LocalSigner,
    others: Vec<LocalSigner>,
    config: WatchConfig,
    watcher: Watcher,
    consumer: Consumer,
    saved: (Cursor, Consumer),
    /// The furthest that any reorganisation went below what was confirmed.
    deepest: bool,
    answers: Address,
    /// The last block that stays.
    setup: u64,
}

impl Model {
    fn new(confirmations: u64, only_some: bool) -> Self {
        let world = World::new(1);
        let me = key(1);
        let others = vec![key(2), key(3), key(4)];
        for signer in others.iter().chain([&me]) {
            world.chain.fund(signer.address(), U256::from(1_000_000));
            now(world.client.deposit_eth(signer, &entity(signer), 1_000_000));
        }
        let token = Token::Erc20(world.tokens.erc20);
        now(world.client.register_token(&me, &token));
        let answers = now(deploy_code(&world.chain, &me, &TestAnswers::BYTECODE, &[]));
        for question in 0..2_u8 {
            let call = TestAnswers::setCall { name: [question; 32].into(), yes: true };
            now(world.chain.execute(&me, Transaction::call(answers, call.abi_encode())));
        }
        let mut config = WatchConfig::new(entity(&me), &world.deployment, confirmations);
        config.entities = only_some.then(|| [entity(&me), entity(&others[1])].into());
        let setup = world.chain.newest().number;
        let watcher = Watcher::new(world.deployment.chain, config.clone(), &Cursor::default());
        Self {
            world,
            me,
            others,
            config,
            watcher,
            consumer: Consumer::default(),
            saved: Default::default(),
            deepest: false,
            answers,
            setup,
        }
    }

    /// The ends of a channel: three are mine, one is not.
    fn ends(&self, channel: u8) -> (&LocalSigner, &LocalSigner) {
        match channel {
            0 => (&self.me, &self.others[0]),
            1 => (&self.me, &self.others[1]),
            2 => (&self.me, &self.others[2]),
            _ => (&self.others[0], &self.others[1]),
        }
    }

    fn sides(&self, channel: u8) -> (&LocalSigner, &LocalSigner) {
        let (a, b) = self.ends(channel);
        if entity(a) < entity(b) { (a, b) } else { (b, a) }
    }

    fn side(&self, channel: u8, side: Side) -> &LocalSigner {
        let (left, right) = self.sides(channel);
        if side.is_left() { left } else { right }
    }

    fn send(&self, from: &LocalSigner, tx: Transaction) {
        // It may fail: the block is there all the same.
        let _ = now(self.world.chain.send(from, tx));
    }

    fn act(&self, channel: u8, from: &LocalSigner, call: ChainCall) {
        let (left, right) = self.sides(channel);
        let action = ChainAction { key: self.world.deployment.key(), pair: pair(left, right), call };
        self.send(from, action_transaction(&self.world.deployment, &action, &Authority::Sender).unwrap());
    }

    fn dispute(&self, channel: u8) -> Option<(DisputeFact, Vec<u8>, Vec<u8>)> {
        let (left, right) = self.sides(channel);
        let mut found = None;
        for block in canonical(&self.world, None, None) {
            for change in block.changes.into_iter().filter(|change| change.pair == pair(left, right)) {
                match change.kind {
                    ChangeKind::Dispute { dispute, fills, body, .. } => found = Some((dispute, fills, body)),
                    ChangeKind::Closed { .. } => found = None,
                    _ => {}
                }
            }
        }
        found
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Fund(c, n) => {
                let (a, b) = self.ends(c);
                let funding = Funding { receiver: entity(a), peer: entity(b), amount: u128::from(n) };
                let operation = Operation::ReserveToCollateral { token: TokenId(0), fundings: vec![funding] };
                let data = operation.calldata(&self.world.deployment, &entity(a)).unwrap();
                self.send(a, Transaction::call(self.world.deployment.depository, data));
            }
            Op::StartEmpty(c, left) => {
                let starter = if left { Side::Left } else { Side::Right };
                self.act(c, self.side(c, starter), ChainCall::StartEmptyDispute { starter, tokens: vec![TokenId(0)] });
            }
            Op::Start(c, left, nonce) => {
                let starter = if left { Side::Left } else { Side::Right };
                let evidence = self.evidence(c, nonce);
                self.act(c, self.side(c, starter), ChainCall::StartDispute { starter, evidence, fills: vec![1, 2] });
            }
            Op::Accept(c) => {
                if let Some((dispute, ..)) = self.dispute(c) {
                    let by = self.side(c, dispute.starter.other());
                    self.act(c, by, ChainCall::AcceptDispute { dispute, fills: Vec::new() });
                }
            }
            Op::Counter(c, nonce) => {
                if let Some((dispute, ..)) = self.dispute(c) {
                    let by = self.side(c, dispute.starter.other());
                    let evidence = self.evidence(c, nonce);
                    self.act(c, by, ChainCall::CounterDispute { dispute, evidence, fills: vec![3], both: false });
                }
            }
            Op::Finalize(c) => {
                if let Some((dispute, ..)) = self.dispute(c) {
                    let by = self.side(c, dispute.starter.other());
                    let body = body().encode().unwrap();
                    let starter_fills = if dispute.starter_fills_hash == Hash::ZERO { vec![] } else { vec![1, 2] };
                    let answerer_fills = if dispute.answerer_fills_hash == Hash::ZERO { vec![] } else { vec![3] };
                    self.act(c, by, ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills });
                }
            }
            Op::Settle(c, tokens, ondelta) => self.settle(c, tokens, ondelta.into()),
            Op::Close(c, tokens) => self.close(c, tokens),
            Op::Record(question, before) => {
                let name = TestAnswers::answerCall { name: [question; 32].into() }.abi_encode();
                let question = [&self.answers.0[..], &name].concat();
                let not_before = UnixSeconds([0, GENESIS.0, GENESIS.0 + 2_000][usize::from(before)]);
                let provider = self.world.deployment.subcontract_provider;
                let call = ChainCall::Record { provider, instrument: 5, not_before, question };
                self.act(0, &self.others[1], call);
            }
            Op::Board(who, board) => {
                let board = (board > 0).then_some(Hash([board; 32]));
                self.govern(who, &GovernCall::RecordBoard(board));
            }
            Op::Revoke(who, delegation) => {
                self.govern(who, &GovernCall::RevokeDelegation(Hash([delegation; 32])));
            }
            Op::Reveal(secrets) => {
                let secrets = secrets.iter().map(|s| [*s; 32].into()).collect();
                let call = SubcontractProvider::revealCall { kind: 1, secrets };
                self.send(
                    &self.others[2],
                    Transaction::call(self.world.deployment.subcontract_provider, call.abi_encode()),
                );
            }
            Op::Advance(s) => drop(self.world.chain.advance(u64::from(s))),
            Op::Mine(n) => self.world.chain.mine_blocks(u64::from(n)),
            Op::Wait(wait) => {
                self.world.chain.set_automine(!wait);
                self.world.chain.mine();
            }
            Op::Reorg(depth, resend) => self.reorg(u64::from(depth), resend),
            Op::Poll => {
                self.config.batch_blocks = 256;
                while self.poll() {}
            }
            Op::PollBatch => drop(self.poll()),
            Op::PollFlaky(requests) => {
                let chain = Flaky::new(&self.world.chain);
                chain.fuse.store(u64::from(requests), Ordering::Relaxed);
                let facts = attempt(self.watcher.poll(&chain)).unwrap_or_default();
                self.take(facts);
            }
            Op::ReorgInPoll(requests, depth) => {
                let chain = Flaky::new(&self.world.chain);
                let depth = self.depth(u64::from(depth));
                chain.replace.0.store(u64::from(requests), Ordering::Relaxed);
                chain.replace.1.store(depth, Ordering::Relaxed);
                let before = self.world.chain.newest();
                let facts = attempt(self.watcher.poll(&chain)).unwrap_or_default();
                self.take(facts);
                // It may have gone below what this very poll confirmed.
                self.deepest |= self.world.chain.newest() != before && depth > self.config.confirmations;
            }
            Op::Behind(blocks) => {
                let chain = Flaky::new(&self.world.chain);
                let head = self.world.chain.newest().number;
                chain.limit.store(head - u64::from(blocks), Ordering::Relaxed);
                let facts = now(self.watcher.poll(&chain));
                self.take(facts);
            }
            Op::Restart(lost) => self.restart(lost),
            Op::PollFaults(faults) => {
                let chain = Faulty::new(&self.world.chain, faults);
                let facts = attempt(self.watcher.poll(&chain)).unwrap_or_default();
                self.take(facts);
            }
            Op::PollQuorum(liar, lies, faults) => {
                let endless = |faults: &[Fault]| faults.iter().copied().cycle().take(4_000).collect::<Vec<_>>();
                let endpoints = (0..3).map(|index| match (index + 3 - liar) % 3 {
                    0 => Faulty::new(&self.world.chain, endless(&lies)),
                    1 => Faulty::new(&self.world.chain, faults.clone()),
                    _ => Faulty::new(&self.world.chain, []),
                });
                let quorum = QuorumChain::new(endpoints.collect(), 2).unwrap();
                let facts = attempt(self.watcher.poll(&quorum)).unwrap_or_default();
                self.take(facts);
            }
        }
    }

    fn govern(&self, who: u8, call: &GovernCall) {
        let who = if who == 0 { &self.me } else { &self.others[usize::from(who) - 1] };
        self.send(who, Transaction::call(self.world.deployment.entity_provider, call.calldata()));
    }

    /// Tokens by the bits of a mask.
    fn tokens(mask: u8) -> impl Iterator<Item = TokenId> {
        [TokenId(0), TokenId(1)].into_iter().filter(move |token| mask >> token.0 & 1 == 1)
    }

    fn settle(&self, channel: u8, tokens: u8, ondelta: i128) {
        let (left, right) = self.sides(channel);
        let pair = pair(left, right);
        let header = now(self.world.client.channel(&pair));
        let diffs = Self::tokens(tokens).map(|token| TokenDiff { token, left: 0, right: 0, ondelta }).collect();
        let update = SettlementUpdate { diffs, forgiven: Vec::new() };
        let expiry = UnixSeconds(self.world.chain.now().0 + 3_000);
        let domain = DepositoryDomain::from(&self.world.deployment.key());
        let (epoch, nonce) = (header.epoch, header.settlement_nonce);
        let bytes = update.encode().unwrap();
        let digest = domain.cooperative_update(&pair.channel_key(), epoch, nonce, expiry, &bytes);
        let [by_left, by_right] = [left, right].map(|key| key.sign_digest(&digest).unwrap());
        let call = ChainCall::CooperativeUpdate { expiry, update, left: by_left, right: by_right };
        self.act(channel, &self.others[2], call);
    }

    fn close(&self, channel: u8, tokens: u8) {
        let (left, right) = self.sides(channel);
        let pair = pair(left, right);
        let header = now(self.world.client.channel(&pair));
        let body = Body { tokens: Self::tokens(tokens).map(|token| (token, 0)).collect(), clauses: Vec::new() };
        let body = body.encode().unwrap();
        let expiry = UnixSeconds(self.world.chain.now().0 + 3_000);
        let domain = DepositoryDomain::from(&self.world.deployment.key());
        let (epoch, nonce) = (header.epoch, header.settlement_nonce);
        let digest = domain.cooperative_close(&pair.channel_key(), epoch, nonce, expiry, &body);
        let [by_left, by_right] = [left, right].map(|key| key.sign_digest(&digest).unwrap());
        self.act(
            channel,
            &self.others[2],
            ChainCall::CooperativeClose { expiry, body, left: by_left, right: by_right },
        );
    }

    fn evidence(&self, channel: u8, nonce: u64) -> xln_core::commitment::Evidence {
        let (left, right) = self.sides(channel);
        let epoch = now(self.world.client.channel(&pair(left, right))).epoch;
        self.world.evidence(left, right, epoch, nonce, &body())
    }

    /// How deep a reorganisation may go: the contracts themselves stay. Notes whether that is below anything confirmed.
    fn depth(&mut self, wanted: u64) -> u64 {
        let head = self.world.chain.newest().number;
        let depth = wanted.min(head.saturating_sub(self.setup));
        let confirmed = self.watcher.confirmed().map_or(0, |p| p.number);
        self.deepest |= head - depth < confirmed || self.saved.0.last().is_some_and(|p| head - depth < p.number);
        depth
    }

    fn reorg(&mut self, depth: u64, resend: bool) {
        let depth = self.depth(depth);
        let dropped = self.world.chain.reorg(depth);
        for tx in dropped.into_iter().filter(|_| resend) {
            let _ = self.world.chain.send_from(tx.from, tx.transaction);
        }
        self.world.chain.mine();
    }

    fn poll(&mut self) -> bool {
        let facts = now(self.watcher.poll(&self.world.chain));
        let any = !facts.is_empty();
        self.take(facts);
        any
    }

    fn take(&mut self, facts: Vec<ChainFact>) {
        facts.into_iter().for_each(|fact| self.consumer.take(fact));
    }

    /// Saves and goes on, or goes back to what was saved.
    fn restart(&mut self, lost: bool) {
        if lost {
            self.consumer = self.saved.1.clone();
        } else {
            self.saved = (self.watcher.cursor(), self.consumer.clone());
        }
        let cursor = Cursor::parse(&self.saved.0.encode().unwrap()).unwrap();
        self.watcher = Watcher::new(self.world.deployment.chain, self.config.clone(), &cursor);
    }

    /// Lets the chain grow beyond every fork, and compares.
    fn check(&mut self) {
        self.world.chain.set_automine(true);
        for _ in 0..2 {
            self.world.chain.mine_blocks(40);
            while self.poll() {}
        }
        let head = self.world.chain.newest().number;
        let expected = canonical(&self.world, Some(entity(&self.me)), self.config.entities.as_ref());
        let expected = &expected[..=usize::try_from(head - self.config.confirmations).unwrap()];
        let found: Vec<Block> = self.consumer.blocks.clone();
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found);
        }
        assert_eq!(expected.len(), found.len());
        assert_eq!(self.consumer.open, BTreeMap::new(), "what was sighted came true or vanished");
        assert!(self.deepest || !self.consumer.reorganised, "a shallow reorganisation is no alarm");
    }
}

/// Deposit, start, counter, finalize, reveal, each in a block of its own, and after each of them a reorganisation of every
/// depth: up to the confirmations it is no alarm and nothing is taken back, beyond them it is one. What was dropped comes
/// back in other blocks, or never. After each poll an endpoint has failed in every way once.
#[test]
fn every_depth_at_every_step() {
    const CONFIRMATIONS: u64 = 3;
    let story = || [Op::Fund(0, 5), Op::Start(0, true, 4), Op::Counter(0, 40), Op::Finalize(0), Op::Reveal(vec![1, 2])];
    for at in 0..story().len() {
        for depth in 1..=CONFIRMATIONS + 3 {
            for resend in [false, true] {
                let mut model = Model::new(CONFIRMATIONS, false);
                model.run(Op::Poll);
                for (place, op) in story().into_iter().enumerate() {
                    model.run(op);
                    model.run(Op::Poll);
                    if place == at {
                        // So that any depth falls into the blocks of the story and what stands on it.
                        model.run(Op::Mine(u8::try_from(depth).unwrap() - 1));
                        model.run(Op::PollFaults(Fault::HONEST.to_vec()));
                        model.run(Op::Poll);
                        assert!(!model.consumer.reorganised);
                        model.run(Op::Reorg(u8::try_from(depth).unwrap(), resend));
                        for fault in Fault::HONEST {
                            model.run(Op::PollFaults(vec![Fault::Fine, fault, fault]));
                        }
                        model.run(Op::Mine(u8::try_from(depth).unwrap()));
                        model.run(Op::Poll);
                        assert_eq!(model.consumer.reorganised, depth > CONFIRMATIONS, "step {at}, depth {depth}");
                    }
                }
                model.check();
            }
        }
    }
}

/// Every fault at every request of a poll that has blocks with several logs to read, with and without blocks that stand: it
/// changes nothing but the time.
#[test]
fn every_fault_at_every_request() {
    for confirmations in [0, 2] {
        for fault in Fault::HONEST {
            for place in 0..8 {
                let mut model = Model::new(confirmations, false);
                model.run(Op::Mine(3));
                model.run(Op::Poll);
                model.run(Op::Fund(0, 5));
                model.run(Op::Settle(0, 3, 1));
                model.run(Op::Fund(1, 7));
                let faults = [vec![Fault::Fine; place], vec![fault]].concat();
                model.run(Op::PollFaults(faults));
                model.check();
                assert!(!model.consumer.reorganised, "{fault:?} at {place}");
            }
        }
    }
}

/// One endpoint that says of a chain of its own that it goes on for ever confirms nothing by that.
#[test]
fn a_head_that_nobody_can_show_confirms_nothing() {
    let mut model = Model::new(4, false);
    model.run(Op::Poll);
    model.run(Op::Fund(0, 5));
    let funded = model.world.chain.newest().number;
    model.run(Op::PollFaults(vec![Fault::Lofty]));
    assert!(model.watcher.confirmed().is_some_and(|point| point.number + 4 <= funded));
    assert_eq!(model.consumer.blocks.last().map(|block| block.point.number + 4), Some(funded));
}

/// An address that leads to another chain one day looks like the deepest of all reorganisations.
#[test]
fn another_chain_is_no_reorganisation() {
    let mut model = Model::new(2, false);
    model.run(Op::Mine(5));
    model.run(Op::Poll);
    let before = model.watcher.clone();
    // What another chain would answer: other blocks at every number, and its own id.
    let other = World::new(1);
    other.chain.mine_blocks(model.world.chain.newest().number + 5);
    let error = attempt(model.watcher.poll(&Faulty::of_another_chain(&other.chain))).unwrap_err();
    assert!(matches!(error, xln_chain::ChainError::WrongChain { .. }), "{error:?}");
    assert_eq!(model.watcher.cursor(), before.cursor());
    // Had it the same id, it were a reorganisation.
    let facts = attempt(model.watcher.poll(&Faulty::new(&other.chain, []))).unwrap();
    assert!(facts.iter().any(|fact| matches!(fact, ChainFact::Reorganised { .. })));
}

fn body() -> Body {
    Body { tokens: vec![(TokenId(0), 0)], clauses: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn facts_add_up_to_the_canonical_chain(
        confirmations in 0..6_u64,
        batch in 1..5_u64,
        only_some in any::<bool>(),
        ops in prop::collection::vec(op(), 5..60),
    ) {
        let mut model = Model::new(confirmations, only_some);
        model.config.batch_blocks = batch;
        for op in ops {
            model.run(op);
        }
        model.check();
    }
}
