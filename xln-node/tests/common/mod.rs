//! Nodes of two or more entities on stores in memory that can be told to fail, on one network.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use xln_core::chain::{ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Effect, Effects, Input};
use xln_core::transition::Transition;
use xln_core::types::{
    Address, ChainId, ChainPoint, EntityId, Hash, HashKind, Nonce, Pair, Secret, SubchannelKey, TokenFact, TokenId,
    UnixSeconds,
};
use xln_core::wire::{Message, Part};
use xln_node::driver::{Node, NodeError, NodeOptions};
use xln_storage::{FaultStore, MemoryStore};

pub(crate) type Store = FaultStore<Arc<MemoryStore>>;

pub(crate) const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
pub(crate) const USD: TokenId = TokenId(1);
pub(crate) const KEY: SubchannelKey = SubchannelKey { chain: ChainId(31_337), depository: Address([0xd0; 20]) };

pub(crate) fn signer(number: u8) -> LocalSigner {
    LocalSigner::new(&xln_merkle::keccak256(&[number])).unwrap()
}

pub(crate) fn options() -> NodeOptions {
    let depositories = vec![AcceptedDepository::new(KEY, 3600, vec![Address([0xab; 20])], Address([0xee; 20]), 10_800)];
    let config = ChannelConfig { depositories, vigilant: false, ..ChannelConfig::default() };
    NodeOptions { config, snapshot_every: 4 }
}

pub(crate) fn open(number: u8, store: Store) -> Result<(Node<Store>, Effects), NodeError> {
    Node::open(store, Box::new(signer(number)), options(), NOW)
}

pub(crate) fn id(number: u8) -> EntityId {
    signer(number).entity()
}

pub(crate) fn propose(peer: EntityId, transition: Transition) -> Input {
    Input::Command(Command { peer, action: Action::Propose { transition, submit: false } })
}

pub(crate) fn open_channel(peer: EntityId) -> Vec<Input> {
    vec![
        propose(
            peer,
            Transition::OpenSubchannel { key: KEY, providers: vec![Address([0xab; 20])], settle_margin_s: 0 },
        ),
        propose(peer, Transition::AddToken { key: KEY, token: USD }),
    ]
}

pub(crate) fn pay(peer: EntityId, amount: u128) -> Input {
    propose(peer, Transition::DirectPayment { key: KEY, token: USD, amount })
}

pub(crate) fn credit(peer: EntityId, limit: u128) -> Input {
    propose(peer, Transition::SetCreditLimit { key: KEY, token: USD, limit })
}

pub(crate) fn secret(number: u8) -> Secret {
    Secret([number; 32])
}

pub(crate) fn lock(peer: EntityId, amount: u128, number: u8) -> Input {
    let (kind, expiry) = (HashKind::Sha256, NOW.plus(1000));
    let hash = secret(number).hash(kind);
    propose(peer, Transition::AddPayment { key: KEY, token: USD, amount, kind, hash, expiry, onion: Vec::new() })
}

pub(crate) fn collateral(pair: Pair, number: u64, collateral: u128, ondelta: i128) -> ChainFact {
    let point =
        ChainPoint { chain: KEY.chain, number, hash: Hash([u8::try_from(number).unwrap(); 32]), timestamp: NOW };
    let kind = ChangeKind::Collateral(TokenFact { token: USD, collateral, ondelta });
    ChainFact::Block {
        point,
        changes: vec![ChainChange { key: KEY, pair, kind }],
        reveals: Vec::new(),
        facts: Vec::new(),
        entities: Vec::new(),
    }
}

/// Checks that everything that is being sent is signed with nonces that the store has.
pub(crate) fn assert_stored(node: &Node<Store>, effects: &Effects) {
    for (_, effect) in effects.effects() {
        let Effect::Send { to, bytes } = effect else { continue };
        let side = node.channel(to).map(xln_core::channel::Channel::side);
        for part in Message::decode(bytes).unwrap().parts {
            let signed = match &part {
                Part::Proposal { block, .. } => block.nonce().unwrap(),
                Part::Ack { height, .. } => Nonce::of(*height, side.unwrap().other()).unwrap(),
                _ => continue,
            };
            // A store that has just died cannot be asked, and nothing came out of it either.
            let stored = node.signed_nonce(to).map(|found| found.map_or(Nonce(0), |(nonce, _)| nonce));
            if let Ok(stored) = stored {
                assert!(signed <= stored, "sent {signed:?}, stored {stored:?}");
            }
        }
    }
}
