//! A counter is in a block within the time that `docs/chain.md` states, whatever endpoints and reorganisations do meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use xln_chain::client::{Authority, Funding, action_transaction};
use xln_chain::{Cursor, Transaction, WatchConfig, Watcher};
use xln_core::chain::{ChainAction, ChainCall, ChainFact, ChangeKind};
use xln_core::proof::Body;
use xln_core::types::{DisputeFact, TokenId, UnixSeconds};

const CONFIRMATIONS: u64 = 3;
/// The block interval, and the seconds between two polls.
const BLOCK_S: u64 = 12;
const OLD: u64 = 5;
const NEW: u64 = 9;

struct Story {
    world: World,
    watcher: Watcher,
    started_at: UnixSeconds,
}

impl Story {
    /// My peer has just shown the old state.
    fn new() -> Self {
        let world = World::new(1);
        let (me, peer) = (key(1), key(2));
        world.chain.fund(me.address(), xln_chain::U256::from(1_000_000));
        now(world.client.deposit_eth(&me, &entity(&me), 1_000_000));
        let funding = Funding { receiver: entity(&me), peer: entity(&peer), amount: 100 };
        now(world.client.reserve_to_collateral(&me, TokenId(0), &[funding]));
        let config = WatchConfig::new(entity(&me), &world.deployment, CONFIRMATIONS);
        let mut watcher = Watcher::new(world.deployment.chain, config, &Cursor::default());
        while !now(watcher.poll(&world.chain)).is_empty() {}
        let starter = pair(&me, &peer).side(&entity(&peer)).unwrap();
        let start = ChainCall::StartDispute { starter, evidence: evidence_of(&world, OLD), fills: Vec::new() };
        now(world.client.submit(&peer, &action(&world, start)));
        let started_at = world.chain.newest().timestamp;
        Self { world, watcher, started_at }
    }

    fn counter(&self, dispute: DisputeFact) -> Transaction {
        let evidence = evidence_of(&self.world, NEW);
        let call = ChainCall::CounterDispute { dispute, evidence, fills: Vec::new(), both: false };
        action_transaction(&self.world.deployment, &action(&self.world, call), &Authority::Sender).unwrap()
    }
}

fn evidence_of(world: &World, nonce: u64) -> xln_core::commitment::Evidence {
    let body = Body { tokens: vec![(TokenId(0), -i128::from(nonce))], clauses: Vec::new() };
    world.evidence(&key(1), &key(2), 0, nonce, &body)
}

fn action(world: &World, call: ChainCall) -> ChainAction {
    ChainAction { key: world.deployment.key(), pair: pair(&key(1), &key(2)), call }
}

/// The dispute that a poll shows, confirmed or not.
fn seen(facts: &[ChainFact]) -> Option<DisputeFact> {
    let changes = facts.iter().flat_map(|fact| match fact {
        ChainFact::Block { changes, .. } => changes.clone(),
        ChainFact::Sighted { change } => vec![change.clone()],
        _ => Vec::new(),
    });
    let mut disputes = changes.filter_map(|change| match change.kind {
        ChangeKind::Dispute { dispute, .. } => Some(dispute),
        _ => None,
    });
    disputes.next_back()
}

/// Endpoints are down for a while, a transaction takes its time, and a reorganisation of every depth up to the confirmations takes
/// the block with the counter back once.
#[test]
fn a_counter_is_in_time() {
    for outage in 0..4_u64 {
        for inclusion in 1..4_u64 {
            for depth in 0..=CONFIRMATIONS {
                let mut story = Story::new();
                let (chain, me) = (story.world.chain.clone(), key(1).address());
                chain.set_automine(false);
                let (mut counter, mut due, mut taken_back) = (None, None, depth == 0);
                let mut stands = None;
                for tick in 1..40_u64 {
                    // What was sent waits until its block.
                    if due == Some(tick) {
                        chain.send_from(me, Option::clone(&counter).unwrap()).unwrap();
                    }
                    let header = chain.advance(BLOCK_S);
                    if due == Some(tick) {
                        stands = Some(header.timestamp);
                        if !taken_back {
                            // As deep as the start's own block allows: without it there is nothing to counter.
                            let above = (header.timestamp.0 - story.started_at.0) / BLOCK_S;
                            let depth = depth.min(above);
                            chain.reorg(depth);
                            chain.mine_blocks(depth);
                            (taken_back, stands, due) = (true, None, Some(tick + inclusion));
                        }
                    }
                    let poll = if tick <= outage {
                        attempt(story.watcher.poll(&Faulty::new(&chain, [Fault::Unplugged])))
                    } else {
                        attempt(story.watcher.poll(&chain))
                    };
                    let dispute = poll.ok().and_then(|facts| seen(&facts)).filter(|dispute| dispute.nonce == OLD);
                    if let (Some(dispute), None) = (dispute, &counter) {
                        (counter, due) = (Some(story.counter(dispute)), Some(tick + inclusion));
                    }
                }
                let mut bound = BLOCK_S * (1 + outage + inclusion);
                if depth > 0 {
                    bound += BLOCK_S * (depth + inclusion);
                }
                let stands = stands.unwrap_or_else(|| panic!("no counter: {outage} {inclusion} {depth}"));
                assert!(stands.0 <= story.started_at.0 + bound, "{outage} {inclusion} {depth}: {stands:?}");
                // And it is the new state that stands.
                let facts: Vec<ChainFact> =
                    std::iter::from_fn(|| Some(now(story.watcher.poll(&chain))).filter(|facts| !facts.is_empty()))
                        .flatten()
                        .collect();
                let header = now(story.world.client.channel(&pair(&key(1), &key(2))));
                assert!(header.dispute.is_some(), "{facts:?}");
                let old = evidence_of(&story.world, OLD);
                let again = story.counter(DisputeFact {
                    nonce: OLD,
                    started_at: story.started_at,
                    starter: pair(&key(1), &key(2)).side(&entity(&key(2))).unwrap(),
                    answered: false,
                    answered_at: UnixSeconds(0),
                    body_hash: old.body_hash(),
                    starter_fills_hash: Default::default(),
                    answerer_fills_hash: Default::default(),
                });
                let refused = chain.simulate(me, &again).unwrap_err();
                assert_eq!(refused.revert_name(), Some("DisputeMismatch"), "the old one does not stand any more");
            }
        }
    }
}
