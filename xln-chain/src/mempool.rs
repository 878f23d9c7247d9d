//! What a sender needs of a chain beyond [`Chain`]: nonces, fees, and signed transactions that are handed over by themselves.
//! Whoever signs once and hands over often never does one thing twice.

use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, Hash};

use crate::chain::{Chain, Transaction};
use crate::error::ChainError;

/// What a transaction pays for gas, in wei per gas (EIP-1559).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fees {
    /// The most, base fee included.
    pub max: u128,
    /// The most that goes to the block's producer.
    pub priority: u128,
}

/// A transaction as it goes to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// Its hash.
    pub hash: Hash,
    /// Its bytes.
    pub raw: Vec<u8>,
}

/// A chain that takes signed transactions. [`Sender`](crate::Sender) and [`QuorumChain`](crate::QuorumChain) work on it.
pub trait Mempool: Chain {
    /// Number of an account's transactions in blocks up to `block`, or up to the newest.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn nonce(&self, account: Address, block: Option<u64>) -> impl Future<Output = Result<u64, ChainError>> + Send;

    /// Number of an account's transactions, those included that the node knows and that wait for a block.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn pending_nonce(&self, account: Address) -> impl Future<Output = Result<u64, ChainError>> + Send;

    /// The hash of the account's transaction with this nonce, if it stands in a block up to `block`; `None` if none is found
    /// there. Recent blocks are searched first: nodes forget old state.
    ///
    /// # Errors
    /// [`ChainError::Transport`], also if the node has forgotten the state that it takes to tell.
    fn user_of(
        &self,
        account: Address,
        nonce: u64,
        block: u64,
    ) -> impl Future<Output = Result<Option<Hash>, ChainError>> + Send;

    /// What the node finds adequate now.
    ///
    /// # Errors
    /// [`ChainError::Transport`].
    fn fees(&self) -> impl Future<Output = Result<Fees, ChainError>> + Send;

    /// Gas for a transaction upon the pending state, with a margin; what is stated, if it states a limit.
    ///
    /// # Errors
    /// [`ChainError::Reverted`], [`ChainError::Halted`], [`ChainError::Transport`].
    fn estimate(
        &self,
        from: Address,
        transaction: &Transaction,
    ) -> impl Future<Output = Result<u64, ChainError>> + Send;

    /// Signs a transaction with a nonce, a gas limit and fees, for this chain alone.
    ///
    /// # Errors
    /// [`ChainError::Sign`].
    fn sign(
        &self,
        key: &LocalSigner,
        transaction: &Transaction,
        nonce: u64,
        gas_limit: u64,
        fees: Fees,
    ) -> Result<Signed, ChainError>;

    /// Hands a signed transaction to the node. One that the node knows already counts as handed over.
    ///
    /// # Errors
    /// [`ChainError::Unacceptable`] if the node refuses it, [`ChainError::Transport`].
    fn broadcast(&self, signed: &Signed) -> impl Future<Output = Result<(), ChainError>> + Send;
}
