//! What this crate needs of a chain. [`EmbeddedChain`](crate::EmbeddedChain) answers at once, so that a synchronous caller
//! may block on its futures; a remote node answers when it can. Everything above is written once, against this trait.

use std::future::Future;

use alloy_primitives::{B256, Bytes, LogData, U256};
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, ChainPoint, Hash, UnixSeconds};

use crate::error::ChainError;

/// One block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Hash of the block before it.
    pub parent: Hash,
    /// Its time.
    pub timestamp: UnixSeconds,
}

impl Header {
    /// The block as the rules name it.
    #[must_use]
    pub const fn point(&self, chain: ChainId) -> ChainPoint {
        ChainPoint { chain, number: self.number, hash: self.hash, timestamp: self.timestamp }
    }
}

/// What a contract emitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// Topics and data.
    pub data: LogData,
    /// Number of the block.
    pub number: u64,
    /// Hash of the block.
    pub block: Hash,
    /// The transaction.
    pub transaction: Hash,
    /// Place among all logs of the block.
    pub index: u64,
}

/// Which logs are wanted: those of any of these contracts whose first topic is any of these events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogFilter {
    /// Contracts.
    pub addresses: Vec<Address>,
    /// First topics.
    pub events: Vec<B256>,
}

impl LogFilter {
    /// Whether a log is wanted.
    #[must_use]
    pub fn admits(&self, log: &Log) -> bool {
        self.addresses.contains(&log.address)
            && log.data.topics().first().is_some_and(|topic| self.events.contains(topic))
    }
}

/// What is to be executed. Nonce and fees are the chain's business.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Transaction {
    /// The contract or account, `None` to deploy.
    pub to: Option<Address>,
    /// Wei that go with it.
    pub value: U256,
    /// Calldata, or code and arguments of a deployment.
    pub data: Bytes,
    /// The most gas that it may use; estimated where it is not given.
    pub gas_limit: Option<u64>,
}

impl Transaction {
    /// A call without value.
    #[must_use]
    pub fn call(to: Address, data: impl Into<Bytes>) -> Self {
        Self { to: Some(to), data: data.into(), ..Self::default() }
    }

    /// The same with wei.
    #[must_use]
    pub fn with_value(self, value: U256) -> Self {
        Self { value, ..self }
    }
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The transaction.
    pub transaction: Hash,
    /// Number of its block.
    pub number: u64,
    /// Hash of its block.
    pub block: Hash,
    /// Whether it did what it says; else only its fee was taken.
    pub success: bool,
    /// Gas used, intrinsic and calldata costs included.
    pub gas_used: u64,
    /// Revert data of a failed one, where the chain can tell.
    pub revert: Option<Bytes>,
    /// The contract that it deployed.
    pub deployed: Option<Address>,
    /// What it emitted.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// The receipt of a success.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the contract's error, or [`ChainError::Halted`].
    pub fn succeeded(self) -> Result<Self, ChainError> {
        match (self.success, self.revert) {
            (true, revert) => Ok(Self { revert, ..self }),
            (false, Some(data)) => Err(ChainError::reverted(data)),
            (false, None) => Err(ChainError::Halted),
        }
    }
}

/// A chain. Handles are cheap to clone and share.
pub trait Chain: Clone + Send + Sync + 'static {
    /// The EIP-155 id.
    fn chain_id(&self) -> ChainId;

    /// The EIP-155 id as the other side states it now, for the moments before something irrevocable: an address may come to
    /// lead to another chain. Without another side it is [`Chain::chain_id`].
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn identify(&self) -> impl Future<Output = Result<ChainId, ChainError>> + Send {
        let id = self.chain_id();
        async move { Ok(id) }
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn head(&self) -> impl Future<Output = Result<Header, ChainError>> + Send;

    /// The block with this number on the chain as it is now; `None` beyond the head.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn header(&self, number: u64) -> impl Future<Output = Result<Option<Header>, ChainError>> + Send;

    /// Logs of one block, in order.
    ///
    /// # Errors
    /// [`ChainError::UnknownBlock`] if the block is not part of the chain any more, [`ChainError::Transport`].
    fn logs(&self, block: Hash, filter: &LogFilter) -> impl Future<Output = Result<Vec<Log>, ChainError>> + Send;

    /// Logs of the blocks from `first` to `last`, both included, in order, on the chain as it is now.
    ///
    /// # Errors
    /// [`ChainError::Transport`], also for a range that the node finds too long.
    fn logs_between(
        &self,
        first: u64,
        last: u64,
        filter: &LogFilter,
    ) -> impl Future<Output = Result<Vec<Log>, ChainError>> + Send;

    /// Executes a call upon the newest block without leaving a trace.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the contract's error, [`ChainError::Halted`], [`ChainError::Transport`].
    fn call(&self, from: Address, call: &Transaction) -> impl Future<Output = Result<Bytes, ChainError>> + Send;

    /// Signs and sends a transaction with the key's next nonce. It may still fail or vanish: see [`Chain::confirm`].
    ///
    /// # Errors
    /// [`ChainError::Unacceptable`], [`ChainError::Transport`]; a chain that estimates gas also
    /// [`ChainError::Reverted`] and [`ChainError::Halted`], and then nothing was sent.
    fn send(
        &self,
        key: &LocalSigner,
        transaction: Transaction,
    ) -> impl Future<Output = Result<Hash, ChainError>> + Send;

    /// The receipt of a transaction that stands in a block.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn receipt(&self, transaction: &Hash) -> impl Future<Output = Result<Option<Receipt>, ChainError>> + Send;

    /// Waits until a transaction stands in a block, also one that failed there.
    ///
    /// # Errors
    /// [`ChainError::Pending`] after the chain's time limit, or at once where nothing can be waited for;
    /// [`ChainError::UnknownTransaction`], [`ChainError::Transport`].
    fn confirm(&self, transaction: &Hash) -> impl Future<Output = Result<Receipt, ChainError>> + Send;

    /// Wei of an account.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn balance(&self, account: Address) -> impl Future<Output = Result<U256, ChainError>> + Send;

    /// Sends a transaction, waits for its block, and takes a failure there as an error.
    ///
    /// # Errors
    /// As [`Chain::send`] and [`Chain::confirm`]; [`ChainError::Reverted`] and [`ChainError::Halted`].
    fn execute(
        &self,
        key: &LocalSigner,
        transaction: Transaction,
    ) -> impl Future<Output = Result<Receipt, ChainError>> + Send {
        async move {
            let hash = self.send(key, transaction).await?;
            self.confirm(&hash).await?.succeeded()
        }
    }
}
