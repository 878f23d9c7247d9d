//! A chain that fails on request, that may be behind, and that counts what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xln_chain::{Bytes, Chain, ChainError, EmbeddedChain, Header, Log, LogFilter, Receipt, Transaction, U256};
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, Hash};

#[derive(Clone)]
pub struct Flaky {
    inner: EmbeddedChain,
    /// Requests until one fails; then no more do.
    pub fuse: Arc<AtomicU64>,
    /// The last block that it knows.
    pub limit: Arc<AtomicU64>,
    /// Requests so far.
    pub asked: Arc<AtomicU64>,
    /// Requests until blocks are replaced, and how many.
    pub replace: Arc<(AtomicU64, AtomicU64)>,
}

impl Flaky {
    pub fn new(inner: &EmbeddedChain) -> Self {
        let number = |n| Arc::new(AtomicU64::new(n));
        Self {
            inner: inner.clone(),
            fuse: number(u64::MAX),
            limit: number(u64::MAX),
            asked: number(0),
            replace: Arc::new((AtomicU64::new(u64::MAX), AtomicU64::new(0))),
        }
    }

    fn ask(&self) -> Result<(), ChainError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == self.replace.0.load(Ordering::Relaxed) {
            let depth = self.replace.1.load(Ordering::Relaxed);
            self.inner.reorg(depth);
            self.inner.mine_blocks(depth + 1);
        }
        match self.fuse.load(Ordering::Relaxed) {
            u64::MAX => Ok(()),
            0 => {
                self.fuse.store(u64::MAX, Ordering::Relaxed);
                Err(ChainError::Transport(Box::new(std::io::Error::other("unplugged"))))
            }
            left => {
                self.fuse.store(left - 1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }
}

impl Chain for Flaky {
    fn chain_id(&self) -> ChainId {
        self.inner.chain_id()
    }

    async fn head(&self) -> Result<Header, ChainError> {
        self.ask()?;
        let head = self.inner.head().await?;
        if head.number <= self.limit() { Ok(head) } else { Ok(self.inner.header(self.limit()).await?.unwrap()) }
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        self.ask()?;
        if number <= self.limit() { self.inner.header(number).await } else { Ok(None) }
    }

    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.ask()?;
        self.inner.logs(block, filter).await
    }

    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.ask()?;
        self.inner.logs_between(first, last, filter).await
    }

    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        self.inner.call(from, call).await
    }

    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        self.inner.send(key, transaction).await
    }

    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        self.inner.receipt(transaction).await
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        self.inner.confirm(transaction).await
    }

    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.inner.balance(account).await
    }
}
