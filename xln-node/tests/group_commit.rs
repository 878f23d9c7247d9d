//! Two hundred channels of one node that all move share one write per round.
#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{NOW, Store, credit, open, open_channel, options, pay};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Effect, Effects, Input};
use xln_core::types::EntityId;
use xln_node::driver::Node;
use xln_storage::{FaultStore, MemoryStore};

const CHANNELS: u8 = 200;

/// All messages of one step, by receiver.
fn messages(effects: &Effects) -> Vec<(EntityId, Vec<u8>)> {
    let sends = effects.effects().iter().filter_map(|(_, effect)| match effect {
        Effect::Send { to, bytes } => Some((*to, bytes.clone())),
        _ => None,
    });
    sends.collect()
}

/// One round of talk: the hub's messages go out, the answers come in as one record. Gives how many came.
fn round(hub: &mut Node<Store>, peers: &mut [Node<Store>], effects: &mut Effects) -> usize {
    let mut answers = 0;
    for (to, bytes) in messages(effects) {
        let peer = peers.iter_mut().find(|peer| peer.entity() == to).unwrap();
        let replies = peer.handle_message(NOW, hub.entity(), bytes).unwrap();
        for (_, bytes) in messages(&replies) {
            answers += 1;
            hub.gather(Input::Message { from: to, bytes });
        }
    }
    if let Some(next) = hub.flush(NOW).unwrap() {
        *effects = next;
    }
    answers
}

#[test]
fn two_hundred_channels_share_one_write() {
    let key = LocalSigner::new(&[9; 32]).unwrap();
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    let (mut hub, _) = Node::open(store, Box::new(key.clone()), options(), NOW).map(|(n, e)| (n, drop(e))).unwrap();
    let store = || FaultStore::new(Arc::new(MemoryStore::new()));
    let mut peers: Vec<Node<Store>> =
        (1..=CHANNELS).map(|number| open(number, store()).map(|(n, e)| (n, drop(e)).0).unwrap()).collect();
    for peer in &mut peers {
        open_channel(peer.entity()).into_iter().for_each(|input| hub.gather(input));
    }
    let mut effects = hub.flush(NOW).unwrap().unwrap();
    while round(&mut hub, &mut peers, &mut effects) > 0 {}
    // Everyone grants the hub a limit.
    for peer in &mut peers {
        let granted = peer.step(NOW, vec![credit(key.entity(), 100)]).unwrap();
        messages(&granted).into_iter().for_each(|(_, bytes)| hub.gather(Input::Message { from: peer.entity(), bytes }));
    }
    let mut effects = hub.flush(NOW).unwrap().unwrap();
    while round(&mut hub, &mut peers, &mut effects) > 0 {}

    let before = hub.machine().seq();
    peers.iter().for_each(|peer| hub.gather(pay(peer.entity(), 7)));
    let mut effects = hub.flush(NOW).unwrap().unwrap();
    assert_eq!(messages(&effects).len(), usize::from(CHANNELS));
    assert_eq!(round(&mut hub, &mut peers, &mut effects), usize::from(CHANNELS));
    // Two records: the two hundred proposals, and the two hundred acknowledgements. Each was one write.
    assert_eq!(hub.machine().seq() - before, 2);
    for peer in &peers {
        let channel = hub.channel(&peer.entity()).unwrap();
        assert_eq!(channel.state(), peer.channel(&key.entity()).unwrap().state());
        assert!(!channel.is_in_flight());
    }
    let records = hub.machine().seq();
    let store = hub.close();
    // One write for each record, and one for the pins of the new store.
    assert_eq!(store.writes(), records + 1);
}

/// A cursor that was kept for a step which did not happen must not be there without the facts of that step.
#[test]
fn what_was_kept_for_a_refused_step_is_not_kept() {
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    let (mut node, _) = open(1, store).map(|(n, e)| (n, drop(e))).unwrap();
    let stranger = LocalSigner::new(&[77; 32]).unwrap().entity();
    node.keep("cursor", &[1]);
    let _ = node.step(NOW, open_channel(stranger)).unwrap();
    node.keep("cursor", &[2]);
    let unlimited = vec![pay(stranger, 7)];
    assert!(node.step_whole(NOW, unlimited).unwrap().is_err());
    let _ = node.step(NOW, vec![Input::Tick]).unwrap();
    assert_eq!(node.kept("cursor").unwrap(), Some(vec![1]));
}
