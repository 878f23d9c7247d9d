//! What an app brings: storage, a way to its peers, a signer, a clock, a listener. Each is built in or written in Kotlin or
//! Swift. Everything that is called back may fail, since an app's exception that has no place to go would end the process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use xln_core::crypto::LocalSigner;
use xln_node::wallet::{self, BlockingKv, MemoryKv};
use xln_storage::DefaultStore;

use crate::error::{HostError, XlnError};
use crate::events::WalletEvent;
use crate::keys::LocalKey;
use crate::reasons::Purpose;
use crate::types::{EntityId, Hash};

/// A key and its value.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct KvRow {
    /// The key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// One write of a batch.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum KvWrite {
    /// Store `value` under `key`.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Remove `key`, which need not exist.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

/// An ordered map from bytes to bytes that survives a crash. One store belongs to one wallet, and to one process at a time.
#[uniffi::export(with_foreign)]
#[async_trait]
pub trait KvStore: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError>;

    /// All rows whose key begins with `prefix`, in any order. The empty prefix asks for everything.
    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<KvRow>, HostError>;

    /// Applies all writes in order, or none, and returns only once they are durable. Calls come one after another. After an
    /// error the wallet must be opened anew, since the writes may have happened.
    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError>;

    /// The wallet was shut down: nothing more is asked, and what is held open may be let go.
    async fn release(&self) -> Result<(), HostError>;
}

/// Takes messages for peers. In one direction between two entities the order must be kept; anything may be lost. Hand each
/// to a queue or socket and return.
#[uniffi::export(with_foreign)]
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends bytes. The peer's app calls `Wallet.receive` with them.
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError>;
}

/// What a remote signer is asked.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct SignRequest {
    /// In whose channel.
    pub peer: EntityId,
    /// What for.
    pub purpose: Purpose,
    /// A digest of EIP-712: sign this and nothing derived from it.
    pub digest: Hash,
}

/// A key that is elsewhere: a device, a service, the members of a board.
#[uniffi::export(with_foreign)]
#[async_trait]
pub trait RemoteSigner: Send + Sync {
    /// Signs. An account answers with 64 bytes (EIP-2098) or 65 (`r`, `s`, `v`); an organisation with its own encoding, as
    /// `Quorum` gives it. After an error it is asked again at the next tick.
    async fn sign(&self, request: SignRequest) -> Result<Vec<u8>, HostError>;
}

/// Tells the time.
#[uniffi::export(with_foreign)]
pub trait Clock: Send + Sync {
    /// Unix time in seconds. While it fails, time stands still.
    fn now(&self) -> Result<u64, HostError>;
}

/// Is told what happened, in order, once it is durable.
#[uniffi::export(with_foreign)]
pub trait EventListener: Send + Sync {
    /// Return soon, and do not wait here for a call of the same wallet. An error is ignored.
    fn on_event(&self, event: WalletEvent) -> Result<(), HostError>;
}

/// Who signs for the wallet's entity.
#[derive(Clone, uniffi::Enum)]
pub enum WalletSigner {
    /// A key in memory.
    Local {
        /// The key.
        key: Arc<LocalKey>,
    },
    /// Somebody elsewhere.
    Remote {
        /// For whom it signs.
        entity: EntityId,
        /// Who signs.
        signer: Arc<dyn RemoteSigner>,
    },
}

impl WalletSigner {
    /// For whom it signs.
    pub(crate) fn entity(&self) -> EntityId {
        match self {
            Self::Local { key } => key.entity(),
            Self::Remote { entity, .. } => *entity,
        }
    }
}

/// A store in one file, or a new one if there is none. Its commits wait for the disk, so run the wallet where that may be.
///
/// # Errors
/// `Store` if it cannot be opened: damaged, or open already.
#[uniffi::export]
pub fn open_store(path: String) -> Result<Arc<dyn KvStore>, XlnError> {
    let store = DefaultStore::open(path).map_err(|error| XlnError::Store { reason: error.to_string() })?;
    Ok(Arc::new(BuiltInStore { store: Mutex::new(Some(Arc::new(BlockingKv(store)))), stays_open: false }))
}

/// A store in memory, gone with its last holder.
#[uniffi::export]
pub fn memory_store() -> Arc<dyn KvStore> {
    Arc::new(BuiltInStore { store: Mutex::new(Some(Arc::new(MemoryKv::new()))), stays_open: true })
}

/// The system's clock.
#[uniffi::export]
pub fn system_clock() -> Arc<dyn Clock> {
    Arc::new(BuiltInClock)
}

/// A store of Rust under the trait of this crate. A file is let go when its wallet is shut down, although Kotlin's garbage
/// collector may keep the object.
struct BuiltInStore {
    store: Mutex<Option<Arc<dyn wallet::KvStore>>>,
    stays_open: bool,
}

impl BuiltInStore {
    fn store(&self) -> Result<Arc<dyn wallet::KvStore>, HostError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        store.ok_or_else(|| HostError::Failed { reason: "store is closed".to_owned() })
    }
}

#[async_trait]
impl KvStore for BuiltInStore {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.store()?.get(key).await?)
    }

    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<KvRow>, HostError> {
        Ok(self.store()?.scan(prefix).await?.into_iter().map(|(key, value)| KvRow { key, value }).collect())
    }

    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError> {
        let batch = batch.into_iter().map(|write| match write {
            KvWrite::Put { key, value } => wallet::KvWrite::Put { key, value },
            KvWrite::Delete { key } => wallet::KvWrite::Delete { key },
        });
        Ok(self.store()?.commit(batch.collect()).await?)
    }

    async fn release(&self) -> Result<(), HostError> {
        if !self.stays_open {
            self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        Ok(())
    }
}

struct BuiltInClock;

impl Clock for BuiltInClock {
    fn now(&self) -> Result<u64, HostError> {
        Ok(wallet::Clock::now_s(&wallet::SystemClock))
    }
}

/// Something of the app under the trait of `xln-node`.
pub(crate) struct Host<T: ?Sized>(pub(crate) Arc<T>);

#[async_trait]
impl wallet::KvStore for Host<dyn KvStore> {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, wallet::HostError> {
        Ok(self.0.get(key).await?)
    }

    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<wallet::Row>, wallet::HostError> {
        Ok(self.0.scan(prefix).await?.into_iter().map(|row| (row.key, row.value)).collect())
    }

    async fn commit(&self, batch: Vec<wallet::KvWrite>) -> Result<(), wallet::HostError> {
        let batch = batch.into_iter().map(|write| match write {
            wallet::KvWrite::Put { key, value } => KvWrite::Put { key, value },
            wallet::KvWrite::Delete { key } => KvWrite::Delete { key },
        });
        Ok(self.0.commit(batch.collect()).await?)
    }
}

#[async_trait]
impl wallet::MessageSink for Host<dyn Transport> {
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), wallet::HostError> {
        Ok(self.0.send(to, bytes).await?)
    }
}

impl wallet::EventListener for Host<dyn EventListener> {
    fn on_event(&self, event: wallet::WalletEvent) {
        // Nobody is left to tell, and the wallet goes on.
        let _ = self.0.on_event(event.into());
    }
}

/// A remote signer and for whom it signs.
struct Remote {
    entity: EntityId,
    signer: Arc<dyn RemoteSigner>,
}

#[async_trait]
impl wallet::RemoteSigner for Remote {
    fn entity(&self) -> EntityId {
        self.entity
    }

    async fn sign(&self, request: wallet::SignRequest) -> Result<Vec<u8>, wallet::HostError> {
        Ok(self.signer.sign(request.into()).await?)
    }
}

impl From<wallet::SignRequest> for SignRequest {
    fn from(request: wallet::SignRequest) -> Self {
        let wallet::SignRequest { peer, purpose, digest } = request;
        Self { peer, purpose, digest }
    }
}

impl From<WalletSigner> for wallet::WalletSigner {
    fn from(signer: WalletSigner) -> Self {
        match signer {
            WalletSigner::Local { key } => Self::Local(LocalSigner::clone(&key.0)),
            WalletSigner::Remote { entity, signer } => Self::Remote(Arc::new(Remote { entity, signer })),
        }
    }
}

/// The app's clock, which may fail, as one that may not.
pub(crate) struct SteadyClock {
    clock: Arc<dyn Clock>,
    last: AtomicU64,
}

impl SteadyClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: AtomicU64::new(0) }
    }
}

impl wallet::Clock for SteadyClock {
    fn now_s(&self) -> u64 {
        match self.clock.now() {
            Ok(now) => {
                self.last.store(now, Ordering::Relaxed);
                now
            }
            Err(_) => self.last.load(Ordering::Relaxed),
        }
    }
}
