//! Stores that are there already: in memory, and any store of `xln-storage`.

use std::sync::Arc;

use async_trait::async_trait;
use xln_storage::{MemoryStore, Storage, rows};

use super::host::{HostError, KvStore, KvWrite, MaybeSend, Row};

/// Rows that are read at a time.
const PAGE_ROWS: usize = 256;

/// Any [`Storage`] as a store of a wallet. Its calls block, as redb's do for about a millisecond: run the wallet on a thread
/// that may.
#[derive(Clone, Debug)]
pub struct BlockingKv<S>(pub S);

#[cfg_attr(not(target_arch = "wasm32"), async_trait)]
#[cfg_attr(target_arch = "wasm32", async_trait(?Send))]
impl<S: Storage + MaybeSend> KvStore for BlockingKv<S> {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError> {
        self.0.get(&key).map_err(HostError::new)
    }

    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<Row>, HostError> {
        rows(&self.0, &prefix, None, PAGE_ROWS).collect::<Result<_, _>>().map_err(HostError::new)
    }

    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError> {
        self.0.write(batch.into_iter().collect()).map_err(HostError::new)
    }
}

/// A store in memory. Clones share their rows, so that one of them survives a simulated crash.
pub type MemoryKv = BlockingKv<Arc<MemoryStore>>;

impl MemoryKv {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for MemoryKv {
    fn default() -> Self {
        Self(Arc::default())
    }
}
