//! A whole EVM chain inside this process: no network, no clock but the caller's, the same hashes on every run. Several
//! parties share one by cloning the handle. Scenarios, simulations and tests run on it; nobody's money should.

mod evm;
mod history;
mod state;

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use alloy_primitives::{Bytes, U256};
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, Hash, UnixSeconds};

pub use evm::TRANSACTION_GAS;
pub use history::Dropped;
use history::History;

use crate::chain::{Chain, Header, Log, LogFilter, Receipt, Transaction};
use crate::error::ChainError;

/// The outcome of a future that does not wait, as all futures of and upon an embedded chain are; `None` if it does wait.
pub fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Handle of an embedded chain. Its futures are ready at once.
///
/// A transaction gets a block of its own unless [`EmbeddedChain::set_automine`] says otherwise, blocks carry the time that was
/// last set, and gas costs nothing.
#[derive(Clone)]
pub struct EmbeddedChain {
    id: ChainId,
    inner: Arc<Mutex<History>>,
}

impl EmbeddedChain {
    /// A chain with one empty block, number 0, of the time `genesis`.
    #[must_use]
    pub fn new(id: ChainId, genesis: UnixSeconds) -> Self {
        Self { id, inner: Arc::new(Mutex::new(History::new(id, genesis))) }
    }

    /// A panic while the lock was held would be a bug of this module; the state is whole after each of its steps.
    fn lock(&self) -> MutexGuard<'_, History> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets an account's wei. A block dropped by a reorganisation does not take it back.
    pub fn fund(&self, account: Address, wei: U256) {
        self.lock().fund(account, wei);
    }

    /// The time of the next block.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        self.lock().now
    }

    /// Moves the time forward and makes a block then. Time does not go back: an earlier one counts as now.
    pub fn set_time(&self, time: UnixSeconds) -> Header {
        let mut inner = self.lock();
        inner.now = inner.now.max(time);
        inner.mine()
    }

    /// Moves the time forward by seconds and makes a block then.
    pub fn advance(&self, seconds: u64) -> Header {
        let mut inner = self.lock();
        inner.now = inner.now.plus(seconds);
        inner.mine()
    }

    /// Makes one block of whatever waits, possibly nothing.
    pub fn mine(&self) -> Header {
        self.lock().mine()
    }

    /// Makes that many blocks.
    pub fn mine_blocks(&self, count: u64) {
        let mut inner = self.lock();
        for _ in 0..count {
            inner.mine();
        }
    }

    /// Whether each transaction gets a block at once, which is the case at first. Else they wait for [`EmbeddedChain::mine`],
    /// and one that is not acceptable then is dropped.
    pub fn set_automine(&self, automine: bool) {
        self.lock().automine = automine;
    }

    /// Drops the last `depth` blocks with their transactions and their state; the first block stays. Blocks that follow get
    /// other hashes. Gives what was dropped, so that a test may send it again.
    pub fn reorg(&self, depth: u64) -> Vec<Dropped> {
        self.lock().reorg(depth)
    }

    /// Sends a transaction in the name of any account, without a key.
    ///
    /// # Errors
    /// [`ChainError::Unacceptable`].
    pub fn send_from(&self, from: Address, transaction: Transaction) -> Result<Hash, ChainError> {
        self.lock().submit(from, transaction)
    }

    /// Sends in the name of any account and takes a failure as an error.
    ///
    /// # Errors
    /// [`ChainError::Unacceptable`], [`ChainError::Reverted`], [`ChainError::Halted`], [`ChainError::Pending`].
    pub fn execute_from(&self, from: Address, transaction: Transaction) -> Result<Receipt, ChainError> {
        let mut inner = self.lock();
        let hash = inner.submit(from, transaction)?;
        inner.receipt(&hash).cloned().ok_or(ChainError::Pending(hash))?.succeeded()
    }

    /// The newest block, at once.
    #[must_use]
    pub fn newest(&self) -> Header {
        self.lock().head()
    }

    /// Executes a call without leaving a trace, at once: return data and gas used.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub fn simulate(&self, from: Address, call: &Transaction) -> Result<(Bytes, u64), ChainError> {
        self.lock().call(from, call)
    }
}

impl std::fmt::Debug for EmbeddedChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedChain").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Chain for EmbeddedChain {
    fn chain_id(&self) -> ChainId {
        self.id
    }

    async fn head(&self) -> Result<Header, ChainError> {
        Ok(self.newest())
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        Ok(self.lock().header(number))
    }

    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.lock().logs(&block, filter)
    }

    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        Ok(self.lock().logs_between(first, last, filter))
    }

    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        self.simulate(from, call).map(|(output, _)| output)
    }

    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        self.send_from(key.address(), transaction)
    }

    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        Ok(self.lock().receipt(transaction).cloned())
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        let inner = self.lock();
        match inner.receipt(transaction) {
            Some(receipt) => Ok(receipt.clone()),
            None if inner.waits(transaction) => Err(ChainError::Pending(*transaction)),
            None => Err(ChainError::UnknownTransaction(*transaction)),
        }
    }

    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        Ok(self.lock().balance(&account))
    }
}
