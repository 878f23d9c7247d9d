//! What the watcher says in the situations that matter, one by one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::atomic::Ordering;

use common::*;
use xln_chain::client::GovernCall;
use xln_chain::{Cursor, WatchConfig, Watcher};
use xln_core::chain::{ChainAction, ChainCall, ChainFact, ChangeKind, REMEMBERED_POINTS};
use xln_core::proof::{Body, DepositoryDomain};
use xln_core::types::{Hash, HashKind, Secret, Side, TokenId, UnixSeconds};

const CONFIRMATIONS: u64 = 3;

struct Setting {
    world: World,
    watcher: Watcher,
}

impl Setting {
    /// A watcher for key 1 that has read all there is.
    fn new() -> Self {
        let world = World::new(1);
        world.chain.mine_blocks(CONFIRMATIONS);
        let mut setting = Self { watcher: watcher(&world, &Cursor::default()), world };
        setting.poll();
        setting
    }

    fn poll(&mut self) -> Vec<ChainFact> {
        now(self.watcher.poll(&self.world.chain))
    }

    /// Both sign a close with nothing to move.
    fn close(&self) {
        let (me, peer) = (key(1), key(2));
        let pair = pair(&me, &peer);
        let header = now(self.world.client.channel(&pair));
        let body = Body { tokens: vec![(TokenId(0), 0)], clauses: Vec::new() }.encode().unwrap();
        let expiry = UnixSeconds(self.world.chain.now().0 + 3_000);
        let at = self.world.deployment.key();
        let domain = DepositoryDomain::from(&at);
        let digest =
            domain.cooperative_close(&pair.channel_key(), header.epoch, header.settlement_nonce, expiry, &body);
        let sign = |side| {
            let signer = if pair.side(&entity(&me)) == Some(side) { &me } else { &peer };
            signer.sign_digest(&digest).unwrap()
        };
        let call = ChainCall::CooperativeClose { expiry, body, left: sign(Side::Left), right: sign(Side::Right) };
        now(self.world.client.submit(&peer, &ChainAction { key: at, pair, call }));
    }

    fn start(&self) {
        let (me, peer) = (key(1), key(2));
        let pair = pair(&me, &peer);
        let starter = pair.side(&entity(&peer)).unwrap();
        let call = ChainCall::StartEmptyDispute { starter, tokens: vec![TokenId(0), TokenId(4)] };
        now(self.world.client.submit(&peer, &ChainAction { key: self.world.deployment.key(), pair, call }));
    }
}

fn watcher(world: &World, cursor: &Cursor) -> Watcher {
    let config = WatchConfig::new(entity(&key(1)), &world.deployment, CONFIRMATIONS);
    Watcher::new(world.deployment.chain, config, cursor)
}

fn sightings(facts: &[ChainFact]) -> usize {
    facts.iter().filter(|fact| matches!(fact, ChainFact::Sighted { .. })).count()
}

fn vanished(facts: &[ChainFact]) -> usize {
    facts.iter().filter(|fact| matches!(fact, ChainFact::Vanished { .. })).count()
}

#[test]
fn a_start_is_sighted_at_once_and_confirmed_later_with_its_body() {
    let mut setting = Setting::new();
    setting.start();
    let facts = setting.poll();
    let [ChainFact::Block { changes, .. }, ChainFact::Sighted { change }] = facts.as_slice() else {
        panic!("{facts:?}")
    };
    assert!(changes.is_empty(), "the block that is confirmed now is an older one");
    let ChangeKind::Dispute { epoch: 0, dispute, fills, body } = &change.kind else { panic!("{change:?}") };
    assert_eq!((dispute.nonce, dispute.started_at, fills.len()), (0, GENESIS, 0));
    assert_eq!(dispute.body_hash, xln_core::proof::body_hash(body));
    for n in 0..CONFIRMATIONS {
        setting.world.chain.mine();
        let facts = setting.poll();
        let [ChainFact::Block { changes, .. }] = facts.as_slice() else { panic!("{facts:?}") };
        assert_eq!(changes.contains(change), n + 1 == CONFIRMATIONS);
    }
    assert_eq!(setting.poll(), []);
}

#[test]
fn a_start_that_was_dropped_vanishes_after_the_confirmation_depth() {
    let mut setting = Setting::new();
    setting.start();
    assert_eq!(sightings(&setting.poll()), 1);
    setting.world.chain.reorg(1);
    setting.world.chain.mine();
    for _ in 0..CONFIRMATIONS {
        assert_eq!(vanished(&setting.poll()), 0);
        setting.world.chain.mine();
    }
    assert_eq!(vanished(&setting.poll()), 1);
    assert_eq!(setting.watcher.cursor().sighted, []);
}

/// A close that comes back says nothing about a dispute of the epoch after it.
#[test]
fn a_start_after_a_close_vanishes_although_the_close_comes_back() {
    let mut setting = Setting::new();
    setting.close();
    setting.start();
    assert_eq!(sightings(&setting.poll()), 2);
    setting.world.chain.reorg(2);
    setting.close();
    assert_eq!(sightings(&setting.poll()), 1);
    let mut gone = 0;
    for _ in 0..3 * CONFIRMATIONS {
        setting.world.chain.mine();
        gone += vanished(&setting.poll());
    }
    assert_eq!(gone, 1);
}

#[test]
fn a_start_that_comes_back_does_not_vanish() {
    let mut setting = Setting::new();
    setting.start();
    assert_eq!(sightings(&setting.poll()), 1);
    setting.world.chain.reorg(1);
    setting.world.chain.mine_blocks(2);
    assert_eq!(sightings(&setting.poll()), 0);
    setting.start();
    assert_eq!(sightings(&setting.poll()), 1);
    for _ in 0..9 {
        setting.world.chain.mine();
        assert_eq!(vanished(&setting.poll()), 0);
    }
}

#[test]
fn what_was_sighted_before_a_restart_vanishes_after_it() {
    let mut setting = Setting::new();
    setting.start();
    assert_eq!(sightings(&setting.poll()), 1);
    let cursor = Cursor::parse(&setting.watcher.cursor().encode().unwrap()).unwrap();
    setting.world.chain.reorg(1);
    setting.watcher = watcher(&setting.world, &cursor);
    setting.world.chain.mine();
    assert_eq!(vanished(&setting.poll()), 0);
    setting.world.chain.mine_blocks(CONFIRMATIONS);
    assert_eq!(vanished(&setting.poll()), 1);
}

#[test]
fn a_reorganisation_beyond_the_finality_depth_is_reported_with_its_first_block() {
    let mut setting = Setting::new();
    setting.world.chain.mine_blocks(10);
    setting.poll();
    let confirmed = setting.watcher.confirmed().unwrap().number;
    setting.world.chain.reorg(CONFIRMATIONS + 2);
    assert_eq!(setting.poll(), [], "a shorter chain may be a node that is behind");
    setting.world.chain.mine_blocks(CONFIRMATIONS + 2);
    let facts = setting.poll();
    let ChainFact::Reorganised { number, .. } = facts[0] else { panic!("{facts:?}") };
    assert_eq!(number, confirmed - 1);
    let ChainFact::Block { point, .. } = &facts[1] else { panic!("{facts:?}") };
    assert_eq!(point.number, number, "what took their place follows");
}

#[test]
fn a_node_that_is_behind_is_no_reorganisation() {
    let mut setting = Setting::new();
    let chain = Flaky::new(&setting.world.chain);
    setting.world.chain.mine_blocks(10);
    setting.poll();
    let head = setting.world.chain.newest().number;
    for behind in 1..10 {
        chain.limit.store(head - behind, Ordering::Relaxed);
        assert_eq!(now(setting.watcher.poll(&chain)), []);
    }
    setting.world.chain.mine();
    assert_eq!(setting.poll().len(), 1);
}

#[test]
fn only_the_first_reveal_counts() {
    let mut setting = Setting::new();
    let client = &setting.world.client;
    let (one, two) = (Secret([1; 32]), Secret([2; 32]));
    now(client.reveal(&key(5), HashKind::Sha256, &[one]));
    setting.world.chain.advance(100);
    now(client.reveal(&key(6), HashKind::Sha256, &[two, one, two]));
    now(client.reveal(&key(6), HashKind::Keccak256, &[one]));
    setting.world.chain.mine_blocks(CONFIRMATIONS);
    let facts = setting.poll();
    let reveals = facts.iter().filter_map(|fact| match fact {
        ChainFact::Block { reveals, .. } => Some(reveals),
        _ => None,
    });
    let reveals: Vec<_> = reveals.flatten().map(|r| (r.kind, r.secret, r.at)).collect();
    let later = GENESIS.plus(100);
    assert_eq!(
        reveals,
        [(HashKind::Sha256, one, GENESIS), (HashKind::Sha256, two, later), (HashKind::Keccak256, one, later),]
    );
    let hash = one.hash(HashKind::Sha256);
    assert_eq!(now(setting.world.client.revealed_at(HashKind::Sha256, &hash)), Some(GENESIS));
}

#[test]
fn a_long_absence_is_caught_up_with_by_few_requests() {
    let setting = Setting::new();
    let cursor = setting.watcher.cursor();
    setting.world.chain.mine_blocks(2_000);
    setting.start();
    setting.world.chain.mine_blocks(10);
    let board = GovernCall::RecordBoard(Some(Hash([1; 32])));
    now(setting.world.client.entities().govern(&key(7), &board));
    setting.world.chain.mine_blocks(3_990);
    let head = setting.world.chain.newest().number;
    let chain = Flaky::new(&setting.world.chain);
    let mut watcher = watcher(&setting.world, &cursor);
    let mut blocks = Vec::new();
    let (mut disputes, mut boards) = (0, 0);
    loop {
        let facts = now(watcher.poll(&chain));
        if facts.is_empty() {
            break;
        }
        for fact in facts {
            let ChainFact::Block { point, changes, entities, .. } = fact else { panic!("{fact:?}") };
            disputes += changes.len();
            boards += entities.len();
            blocks.push(point.number);
        }
    }
    assert_eq!((disputes, boards), (1, 1));
    assert!(blocks.is_sorted_by(|a, b| a < b));
    let recent = u64::try_from(REMEMBERED_POINTS).unwrap();
    let last = head - CONFIRMATIONS;
    assert!((last - recent + 1..=last).all(|number| blocks.contains(&number)), "recent blocks come one by one");
    let asked = chain.asked.load(Ordering::Relaxed);
    assert!(asked < 3 * recent, "{asked} requests for 6,000 blocks");
    let cursor = watcher.cursor();
    assert_eq!(cursor.last().unwrap().number, last);
    assert!(cursor.points.len() < 32, "{} points", cursor.points.len());
    assert!(cursor.encode().unwrap().len() < 2_000);
}

#[test]
fn a_cursor_is_read_strictly() {
    let cursor = Setting::new().watcher.cursor();
    let bytes = cursor.encode().unwrap();
    assert_eq!(Cursor::parse(&bytes).unwrap(), cursor);
    assert!(Cursor::parse(&bytes[1..]).is_err());
    assert!(Cursor::parse(&[&bytes[..], &[0]].concat()).is_err());
    let mut twisted = cursor.clone();
    twisted.points.reverse();
    assert!(Cursor::parse(&twisted.encode().unwrap()).is_err());
}

#[test]
fn other_peoples_channels_are_none_of_its_business() {
    let mut setting = Setting::new();
    let (a, b) = (key(3), key(4));
    let call = ChainCall::StartEmptyDispute {
        starter: pair(&a, &b).side(&entity(&a)).unwrap_or(Side::Left),
        tokens: Vec::new(),
    };
    now(setting
        .world
        .client
        .submit(&a, &ChainAction { key: setting.world.deployment.key(), pair: pair(&a, &b), call }));
    assert_eq!(sightings(&setting.poll()), 0);
}
