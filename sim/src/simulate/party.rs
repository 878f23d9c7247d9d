//! One party: a real node on a store that can be told to fail, and what of it outlives a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use xln_core::channel::{AcceptedDepository, ChannelConfig, SignedState};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::Effects;
use xln_core::route::{OnionKey, RoutingPolicy};
use xln_core::types::{Address, ChainId, EntityId, SubchannelKey, UnixSeconds};
use xln_node::driver::{Node, NodeError, NodeOptions};
use xln_storage::{FaultStore, MemoryStore};

use super::watcher::Watcher;

/// A store that fails when told to; what is durable outlives it.
pub(crate) type Store = Arc<FaultStore<Arc<MemoryStore>>>;

/// The dispute window of both Depositories, in seconds.
pub(crate) const WINDOW_S: u64 = 3600;
/// How long before the expiry a payment is settled off chain at the latest, in seconds.
pub(crate) const SETTLE_MARGIN_S: u64 = 600;
/// What hops take, in parts per million.
pub(crate) const FEE_PPM: u32 = 1000;

/// The contract that decides payments and swaps.
pub(crate) const PROVIDER: Address = Address([0xab; 20]);

/// The Depository of the chain with this index.
pub(crate) const fn key_of(index: usize) -> SubchannelKey {
    match index {
        0 => SubchannelKey { chain: ChainId(31_337), depository: Address([0xd0; 20]) },
        _ => SubchannelKey { chain: ChainId(31_338), depository: Address([0xd1; 20]) },
    }
}

/// One party.
pub(crate) struct Party {
    pub(crate) id: EntityId,
    key: [u8; 32],
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) node: Option<Node<Store>>,
    /// The same store as the running process has it.
    pub(crate) faults: Store,
    /// Not started before this time.
    pub(crate) down_until: u64,
    /// Handles nothing before this time.
    pub(crate) stalled_until: u64,
    /// Sees nothing new of a chain before this time.
    pub(crate) lagging_until: [u64; 2],
    /// How far its clock is ahead of the world's, in seconds.
    pub(crate) ahead_s: u64,
    /// How often it was restored from a backup.
    pub(crate) life: u32,
    pub(crate) backup: Option<Vec<u8>>,
    /// When it was restored from a backup last.
    pub(crate) restored_at: Option<u64>,
    /// It may have missed events: it died over a write that was kept.
    pub(crate) deaf: bool,
    /// When it came to each state that it has agreed to, by peer.
    pub(crate) agreed: BTreeMap<EntityId, Vec<(u64, Arc<SignedState>)>>,
    pub(crate) watchers: [Watcher; 2],
}

impl Party {
    pub(crate) fn new(number: u8, ahead_s: u64) -> Self {
        let key = [number + 1; 32];
        let signer = LocalSigner::new(&key).unwrap();
        Self {
            id: signer.entity(),
            key,
            store: Arc::default(),
            node: None,
            faults: Arc::new(FaultStore::new(Arc::default())),
            down_until: 0,
            stalled_until: 0,
            lagging_until: [0; 2],
            ahead_s,
            life: 0,
            backup: None,
            restored_at: None,
            deaf: false,
            agreed: BTreeMap::new(),
            watchers: Default::default(),
        }
    }

    pub(crate) fn onion_key(&self) -> OnionKey {
        OnionKey::derive(&self.key).unwrap()
    }

    pub(crate) fn config(&self) -> ChannelConfig {
        let accepted = |index| {
            let mut found =
                AcceptedDepository::new(key_of(index), WINDOW_S, vec![PROVIDER], Address([0xee; 20]), 3 * WINDOW_S);
            found.max_settle_margin_s = SETTLE_MARGIN_S;
            found
        };
        let routing = RoutingPolicy {
            onion_key: self.onion_key(),
            forwards: true,
            fee_ppm: FEE_PPM,
            gap_s: 3600,
            reveal_s: 600,
            equivalent: Vec::new(),
        };
        ChannelConfig {
            depositories: vec![accepted(0), accepted(1)],
            reveal_margin_s: 1200,
            min_window_s: WINDOW_S,
            routing: Some(routing),
            ..ChannelConfig::default()
        }
    }

    /// Opens the node on what is durable.
    pub(crate) fn open(&self, store: Store, now: u64) -> Result<(Node<Store>, Effects), NodeError> {
        let signer = LocalSigner::new(&self.key).unwrap();
        let options = NodeOptions { config: self.config(), snapshot_every: 24 };
        Node::open(store, Box::new(signer), options, UnixSeconds(now + self.ahead_s))
    }

    /// Whether it takes inputs now.
    pub(crate) fn is_up(&self, now: u64) -> bool {
        self.node.is_some() && self.stalled_until <= now
    }
}
