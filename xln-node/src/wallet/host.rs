//! What an app brings: storage, a way to its peers, a signer if the key is elsewhere, a clock, and somebody who listens.
//! On wasm32, where nothing leaves its thread, the futures need not be `Send`.

use async_trait::async_trait;
use xln_core::channel::Purpose;
use xln_core::types::{EntityId, Hash};
pub use xln_storage::{Row, WriteOp as KvWrite};

use super::event::WalletEvent;

/// `Send + Sync`, except on wasm32.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send + Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + Sync + ?Sized> MaybeSend for T {}
/// `Send + Sync`, except on wasm32.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// `Send`, except on wasm32.
#[cfg(not(target_arch = "wasm32"))]
pub trait Movable: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send> Movable for T {}
/// `Send`, except on wasm32.
#[cfg(target_arch = "wasm32")]
pub trait Movable {}
#[cfg(target_arch = "wasm32")]
impl<T> Movable for T {}

/// A future on the heap.
#[cfg(not(target_arch = "wasm32"))]
pub(super) type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
/// A future on the heap.
#[cfg(target_arch = "wasm32")]
pub(super) type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T>>>;

/// What the app's side reports when something of it does not work. The text is for people.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

impl HostError {
    /// From anything that can be read.
    pub fn new(text: impl ToString) -> Self {
        Self(text.to_string())
    }
}

/// An ordered map from bytes to bytes that survives a crash. One store belongs to one wallet, and to one process at a time:
/// a store that can tell must refuse a second owner when it is opened.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait KvStore: MaybeSend {
    /// The value of a key.
    ///
    /// # Errors
    /// What the medium reports.
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError>;

    /// All rows whose key begins with `prefix`, in any order. The empty prefix asks for everything.
    ///
    /// # Errors
    /// What the medium reports.
    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<Row>, HostError>;

    /// Applies all writes in order, or none, and returns only once they are durable. Calls come one after another.
    ///
    /// # Errors
    /// Whatever went wrong. The wallet is poisoned then, since the writes may have happened: it must be opened anew.
    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError>;
}

/// Takes messages for peers. In one direction between two entities the order must be kept; anything may be lost. Hand it to
/// a queue or socket and return: until then nothing else goes to the same peer.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait MessageSink: MaybeSend {
    /// Sends bytes. The peer's app calls [`Wallet::receive`](super::Wallet::receive) with them.
    ///
    /// # Errors
    /// What the transport reports; an event says so. The protocol sends again on reconnection and after a while.
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError>;
}

/// What a remote signer is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignRequest {
    /// In whose channel.
    pub peer: EntityId,
    /// What for.
    pub purpose: Purpose,
    /// A digest of EIP-712: sign this and nothing derived from it.
    pub digest: Hash,
}

/// A key that is elsewhere: a device, a service, the members of a board. Nothing waits for it but what needs it.
#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
pub trait RemoteSigner: MaybeSend {
    /// For whom it signs.
    fn entity(&self) -> EntityId;

    /// Signs. An account answers with 64 bytes (`r`, then `s` with the parity in its top bit) or 65 (`r`, `s`, `v`); an
    /// organisation with its own encoding, as [`Quorum`](xln_core::entity::Quorum) gives it.
    ///
    /// # Errors
    /// Why there is no signature now; it is asked for again at the next tick.
    async fn sign(&self, request: SignRequest) -> Result<Vec<u8>, HostError>;
}

/// Tells the time.
pub trait Clock: MaybeSend {
    /// Unix time in seconds.
    fn now_s(&self) -> u64;
}

/// The system's clock; not on wasm32, where the page must bring one.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(not(target_arch = "wasm32"))]
impl Clock for SystemClock {
    fn now_s(&self) -> u64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// Is told what happened, in order, once it is durable.
pub trait EventListener: MaybeSend {
    /// Return soon, and do not wait here for a call of the same wallet.
    fn on_event(&self, event: WalletEvent);
}
