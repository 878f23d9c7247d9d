//! A dispute that is over with a state which the machine has forgotten: its node looks the body up in its history, once, and
//! ends it by itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use common::{KEY, NOW, credit, id, open_channel, options, pay, signer};
use xln_core::chain::{ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::commitment::Evidence;
use xln_core::machine::{Effect, Effects, Input, InputOutcome};
use xln_core::types::{ChainPoint, DisputeFact, Hash, Pair, UnixSeconds};
use xln_node::driver::{Node, NodeOptions};
use xln_storage::{FaultStore, MemoryStore};

type Store = Arc<FaultStore<Arc<MemoryStore>>>;

fn open(number: u8, store: Store) -> Node<Store> {
    let NodeOptions { mut config, snapshot_every } = options();
    config.vigilant = true;
    let (node, effects) =
        Node::open(store, Box::new(signer(number)), NodeOptions { config, snapshot_every }, NOW).unwrap();
    drop(effects);
    node
}

struct Pairing {
    nodes: [Node<Store>; 2],
    stores: [Store; 2],
    blocks: u64,
}

impl Pairing {
    /// Two nodes that have agreed on several states; and evidence of one that neither holds in memory any more.
    fn new() -> (Self, Evidence) {
        let stores = [(); 2].map(|()| Store::new(FaultStore::new(Arc::default())));
        let nodes = [open(1, Arc::clone(&stores[0])), open(2, Arc::clone(&stores[1]))];
        let mut pairing = Self { nodes, stores, blocks: 0 };
        for input in open_channel(id(2)) {
            pairing.tell(0, input);
        }
        pairing.tell(1, credit(id(1), 100));
        pairing.tell(0, pay(id(2), 1));
        let old = pairing.nodes[0].channel(&id(2)).unwrap().best_evidence(&KEY).unwrap();
        pairing.tell(0, pay(id(2), 2));
        pairing.tell(0, pay(id(2), 3));
        assert!(pairing.nodes[0].channel(&id(2)).unwrap().body(&KEY, &old.body_hash()).is_none());
        (pairing, old)
    }

    fn tell(&mut self, who: usize, input: Input) {
        let effects = self.nodes[who].step(NOW, vec![input]).unwrap();
        self.carry(who, &effects);
    }

    fn carry(&mut self, from: usize, effects: &Effects) {
        for (_, effect) in effects.effects() {
            let Effect::Send { bytes, .. } = effect else { continue };
            let sender = self.nodes[from].entity();
            let answer = self.nodes[1 - from].handle_message(NOW, sender, bytes.clone()).unwrap();
            self.carry(1 - from, &answer);
        }
    }

    /// The next block, for the first node.
    fn block(&mut self, timestamp: UnixSeconds, dispute: Option<DisputeFact>) -> ChainFact {
        self.blocks += 1;
        let hash = Hash([u8::try_from(self.blocks).unwrap(); 32]);
        let point = ChainPoint { chain: KEY.chain, number: self.blocks, hash, timestamp };
        let pair = Pair::new(id(1), id(2)).unwrap();
        let kind = |dispute| ChangeKind::Dispute { epoch: 0, dispute, fills: Vec::new(), body: Vec::new() };
        let changes = dispute.into_iter().map(|dispute| ChainChange { key: KEY, pair, kind: kind(dispute) }).collect();
        ChainFact::Block { point, changes, reveals: Vec::new(), facts: Vec::new(), entities: Vec::new() }
    }

    fn feed(&mut self, now: UnixSeconds, dispute: Option<DisputeFact>) -> Vec<Vec<u8>> {
        let fact = self.block(now, dispute);
        ended(&self.nodes[0].handle_facts(now, vec![fact]).unwrap())
    }

    /// What the peer has started with this body, at [`NOW`].
    fn started(body_hash: Hash, nonce: u64) -> DisputeFact {
        DisputeFact {
            nonce,
            started_at: NOW,
            starter: Pair::new(id(1), id(2)).unwrap().side(&id(2)).unwrap(),
            answered: false,
            answered_at: UnixSeconds(0),
            body_hash,
            starter_fills_hash: Hash::ZERO,
            answerer_fills_hash: Hash::ZERO,
        }
    }
}

/// The bodies that a step ends disputes with.
fn ended(effects: &Effects) -> Vec<Vec<u8>> {
    let bodies = effects.effects().iter().filter_map(|(_, effect)| match effect {
        Effect::Submit(action) => match &action.call {
            ChainCall::FinalizeDispute { body, .. } => Some(body.clone()),
            _ => None,
        },
        _ => None,
    });
    bodies.collect()
}

const OVER: UnixSeconds = NOW.plus(3601);

#[test]
fn a_due_dispute_is_ended_with_a_body_of_the_history() {
    let (mut pairing, old) = Pairing::new();
    let fact = Pairing::started(old.body_hash(), old.nonce.0);
    // Seen too late to counter.
    assert_eq!(pairing.feed(OVER, Some(fact)), Vec::<Vec<u8>>::new());
    assert_eq!(pairing.nodes[0].poll_timeout(), Some(UnixSeconds(0)), "at once");
    // Outcomes are those of the caller's inputs, in order, and then what the node had to add.
    let peer = id(2);
    let effects = pairing.nodes[0].step(OVER, vec![pay(peer, 1), Input::Tick]).unwrap();
    assert!(matches!(effects.outcomes(), [InputOutcome::Refused(_), InputOutcome::Taken, InputOutcome::Taken]));
    assert_eq!(ended(&effects), [old.body]);
    assert_ne!(pairing.nodes[0].poll_timeout(), Some(UnixSeconds(0)));
    assert_eq!(pairing.feed(OVER.plus(12), None), Vec::<Vec<u8>>::new(), "once");
    // What was handed over is in the log: it replays, and the action waits in the outbox, once.
    let Pairing { nodes: [node, _], .. } = pairing;
    let node = open(1, node.close());
    let waiting = node.pending_effects().filter(|(_, effect)| matches!(effect, Effect::Submit(_))).count();
    assert_eq!(waiting, 1);
}

#[test]
fn a_node_that_dies_before_it_has_looked_looks_again() {
    let (mut pairing, old) = Pairing::new();
    let fact = Pairing::started(old.body_hash(), old.nonce.0);
    pairing.feed(OVER, Some(fact));
    let Pairing { nodes: [node, other], stores, blocks } = pairing;
    let mut pairing = Pairing { nodes: [open(1, node.close()), other], stores, blocks };
    assert_eq!(ended(&pairing.nodes[0].tick(OVER.plus(12)).unwrap()), [old.body]);
    assert_eq!(pairing.feed(OVER.plus(12), None), Vec::<Vec<u8>>::new(), "once");
}

#[test]
fn a_body_is_looked_up_once_wherever_it_is() {
    let reads = |choose: fn(&Evidence, &Evidence) -> Hash| {
        let (mut pairing, old) = Pairing::new();
        let tip = pairing.nodes[0].channel(&id(2)).unwrap().best_evidence(&KEY).unwrap();
        let fact = Pairing::started(choose(&old, &tip), old.nonce.0);
        let before = pairing.stores[0].reads();
        for round in 0..5 {
            pairing.feed(OVER.plus(12 * round), (round == 0).then_some(fact));
            pairing.nodes[0].tick(OVER.plus(12 * round)).map(drop).unwrap();
            assert_ne!(pairing.nodes[0].poll_timeout(), Some(UnixSeconds(0)));
        }
        pairing.stores[0].reads() - before
    };
    // What the steps read besides.
    let held = reads(|_, tip| tip.body_hash());
    assert_eq!(reads(|old, _| old.body_hash()), held + 1);
    assert_eq!(reads(|_, _| Hash([9; 32])), held + 1, "nowhere");
}
