//! How a wallet is set up.

use std::sync::Arc;

use xln_core::channel::ChannelConfig;
use xln_core::crypto::{LocalSigner, SignError, SignOutcome, Signer};
use xln_core::subcontract::Instruments;
use xln_core::types::{EntityId, Hash};

use super::host::{Clock, EventListener, KvStore, MaybeSend, MessageSink, RemoteSigner};

/// What a wallet promises and how it keeps its store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WalletConfig {
    /// Depositories, providers, windows and margins. The depositories are pinned in the store.
    pub channels: ChannelConfig,
    /// After how many records a snapshot replaces them; at least 1.
    pub snapshot_every: u64,
    /// Events that are kept for [`Wallet::next_event`](super::Wallet::next_event); the oldest are dropped beyond that.
    pub event_queue: usize,
}

impl Default for WalletConfig {
    fn default() -> Self {
        Self { channels: ChannelConfig::default(), snapshot_every: 1024, event_queue: 4096 }
    }
}

/// A signer that answers at once and may be shared.
pub trait SharedSigner: Signer + MaybeSend {}
impl<T: Signer + MaybeSend> SharedSigner for T {}

/// Who signs for the wallet's entity.
#[derive(Clone)]
pub enum WalletSigner {
    /// A key in memory.
    Local(LocalSigner),
    /// Anything else that answers at once, such as an operator of an organisation.
    Shared(Arc<dyn SharedSigner>),
    /// Somebody elsewhere.
    Remote(Arc<dyn RemoteSigner>),
}

impl Signer for WalletSigner {
    fn entity(&self) -> EntityId {
        match self {
            Self::Local(signer) => signer.entity(),
            Self::Shared(signer) => signer.entity(),
            Self::Remote(signer) => signer.entity(),
        }
    }

    fn sign(&self, digest: &Hash) -> Result<SignOutcome, SignError> {
        match self {
            Self::Local(signer) => signer.sign(digest),
            Self::Shared(signer) => signer.sign(digest),
            Self::Remote(_) => Ok(SignOutcome::Pending),
        }
    }
}

/// What the app brings.
#[derive(Clone)]
pub struct WalletHost {
    /// Where the wallet is kept.
    pub store: Arc<dyn KvStore>,
    /// The way to its peers.
    pub sink: Arc<dyn MessageSink>,
    /// Who signs.
    pub signer: WalletSigner,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told what happens, besides [`Wallet::next_event`](super::Wallet::next_event).
    pub listener: Option<Arc<dyn EventListener>>,
    /// The instruments that are known: the same ones each time, or the log does not replay.
    pub instruments: Arc<Instruments>,
}

impl WalletHost {
    /// With the built-in instruments and no listener.
    #[must_use]
    pub fn new(
        store: Arc<dyn KvStore>,
        sink: Arc<dyn MessageSink>,
        signer: WalletSigner,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, sink, signer, clock, listener: None, instruments: Arc::new(Instruments::built_in()) }
    }
}
