//! One chain behind several endpoints: what `k` of `n` say is so, what is sent goes to all.
//!
//! A node believes its endpoint: one that lies can hide a dispute or invent collateral. Of `n` endpoints of different
//! operators, `k` must give the same answer here. As long as fewer than `k` lie together, no lie gets through; as long as
//! `k` are reachable and tell the truth, no truth is held up. So `k = 2` of 3, or 3 of 5, bears one or two of either kind.
//! `k` must be more than half of `n`, or two camps could both be right.
//!
//! * Endpoints are never in step. The head is the newest block that `k` of them have, so that one which is behind, or
//!   claims blocks that nobody else has, holds up nobody.
//! * Answers about the newest state (calls, balances) may differ for a moment after each block. They fail with
//!   [`ChainError::Disagreement`], which names what each endpoint said, and may be asked again at once.
//! * The head is asked of everybody and waits for the slowest endpoint; everything else returns with the `k`th equal answer.
//!   Give each endpoint a request timeout well below the chain's block interval.
//! * Fees and gas are estimates, which honest nodes make differently: the middle one counts, which honest endpoints bound.
//! * A transaction is signed once and handed to all, so that no endpoint can keep it back, and none can make it two.
//!
//! What it does not bear: `k` endpoints of one operator, or behind one another.

mod agree;

use std::sync::Arc;

use alloy_primitives::{Bytes, U256};
use futures_util::future::join_all;
use futures_util::lock::Mutex;
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, Hash};

pub use agree::Disagreement;

use crate::chain::{Chain, Header, Log, LogFilter, Receipt, Transaction};
use crate::error::ChainError;
use crate::mempool::{Fees, Mempool, Signed};

/// Why endpoints make no quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuorumError {
    /// More than half of the endpoints must agree, and not more than there are.
    #[error("{required} of {endpoints} is no quorum: it takes more than half, and not more than all")]
    NoMajority {
        /// How many were to agree.
        required: usize,
        /// How many there are.
        endpoints: usize,
    },
    /// The endpoints are of different chains.
    #[error("endpoints of the chains {first:?} and {other:?}")]
    DifferentChains {
        /// The first endpoint's.
        first: ChainId,
        /// Another one's.
        other: ChainId,
    },
}

/// Handle of a chain behind several endpoints. See the module for what it bears.
#[derive(Clone, Debug)]
pub struct QuorumChain<C> {
    endpoints: Arc<[C]>,
    required: usize,
    id: ChainId,
    sending: Arc<Mutex<()>>,
}

impl<C: Mempool> QuorumChain<C> {
    /// A chain of which `required` of these endpoints must say the same.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn new(endpoints: Vec<C>, required: usize) -> Result<Self, QuorumError> {
        let count = endpoints.len();
        let majority = required.checked_mul(2).is_some_and(|twice| twice > count) && required <= count;
        let (true, Some(first)) = (majority, endpoints.first()) else {
            return Err(QuorumError::NoMajority { required, endpoints: count });
        };
        let id = first.chain_id();
        if let Some(other) = endpoints.iter().map(Chain::chain_id).find(|other| *other != id) {
            return Err(QuorumError::DifferentChains { first: id, other });
        }
        Ok(Self { endpoints: endpoints.into(), required, id, sending: Arc::default() })
    }

    /// The endpoints, in the order in which a [`Disagreement`] names them.
    #[must_use]
    pub fn endpoints(&self) -> &[C] {
        &self.endpoints
    }

    async fn agree<'a, T: std::fmt::Debug + PartialEq + Send, F>(
        &'a self,
        question: impl FnOnce() -> String + Send,
        ask: impl Fn(&'a C) -> F + Send,
    ) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>> + Send,
    {
        agree::agree(&self.endpoints, self.required, question, T::eq, ask).await
    }

    /// The middle one of the answers, of which there must be enough; a refusal on which enough agree is one.
    async fn middle<'a, T: Copy + Ord + std::fmt::Debug + Send, F>(
        &'a self,
        question: &'static str,
        ask: impl Fn(&'a C) -> F + Send,
    ) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>> + Send,
    {
        let answers = join_all(self.endpoints.iter().map(&ask)).await;
        let mut good: Vec<T> = answers.iter().filter_map(|answer| answer.as_ref().ok()).copied().collect();
        if good.len() >= self.required {
            good.sort_unstable();
            let middle = good.len().checked_div(2).and_then(|index| good.get(index));
            return middle.copied().ok_or(ChainError::OutOfRange);
        }
        // Too few estimates: what they refuse alike is refused, and nothing else is equal.
        agree::settle(answers, self.required, || question.to_owned(), |_, _| false)
    }
}

impl<C: Mempool> Chain for QuorumChain<C> {
    fn chain_id(&self) -> ChainId {
        self.id
    }

    async fn identify(&self) -> Result<ChainId, ChainError> {
        self.agree(|| "the chain's id".to_owned(), C::identify).await
    }

    async fn head(&self) -> Result<Header, ChainError> {
        let heads = join_all(self.endpoints.iter().map(C::head)).await;
        let mut numbers: Vec<u64> = heads.iter().filter_map(|head| head.as_ref().ok()).map(|h| h.number).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        // From the newest that enough of them claim to have: a claim may be false, so go on to the next.
        let mut claimed: Vec<u64> = numbers.split_off(self.required.saturating_sub(1).min(numbers.len()));
        claimed.dedup();
        for number in claimed {
            if let Ok(Some(header)) = self.header(number).await {
                return Ok(header);
            }
        }
        let answers = heads.iter().map(|head| match head {
            Ok(head) => format!("block {} {}", head.number, head.hash),
            Err(error) => agree::quote(&error.to_string()),
        });
        let answers = answers.collect();
        Err(Box::new(Disagreement { question: "the newest block".to_owned(), required: self.required, answers }).into())
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        self.agree(|| format!("block {number}"), |endpoint| endpoint.header(number)).await
    }

    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.agree(|| format!("logs of block {block}"), |endpoint| endpoint.logs(block, filter)).await
    }

    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let question = || format!("logs of blocks {first} to {last}");
        self.agree(question, |endpoint| endpoint.logs_between(first, last, filter)).await
    }

    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        let question = || format!("a call of {}", call.to.unwrap_or_default());
        self.agree(question, |endpoint| endpoint.call(from, call)).await
    }

    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        let gas_limit = self.estimate(key.address(), &transaction).await?;
        let fees = self.fees().await?;
        let _turn = self.sending.lock().await;
        let nonce = self.pending_nonce(key.address()).await?;
        let signed = self.sign(key, &transaction, nonce, gas_limit, fees)?;
        self.broadcast(&signed).await?;
        Ok(signed.hash)
    }

    /// Revert data are each endpoint's best effort, and no part of what must agree.
    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        let same = |a: &Option<Receipt>, b: &Option<Receipt>| match (a, b) {
            (Some(a), Some(b)) => is_same_receipt(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let question = || format!("the receipt of {transaction}");
        agree::agree(&self.endpoints, self.required, question, same, |c| c.receipt(transaction)).await
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        let question = || format!("the receipt of {transaction}");
        agree::agree(&self.endpoints, self.required, question, is_same_receipt, |c| c.confirm(transaction)).await
    }

    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.agree(|| format!("the balance of {account}"), |endpoint| endpoint.balance(account)).await
    }
}

fn is_same_receipt(a: &Receipt, b: &Receipt) -> bool {
    Receipt { revert: None, ..a.clone() } == Receipt { revert: None, ..b.clone() }
}

impl<C: Mempool> Mempool for QuorumChain<C> {
    async fn nonce(&self, account: Address, block: Option<u64>) -> Result<u64, ChainError> {
        self.agree(|| format!("the nonce of {account}"), |endpoint| endpoint.nonce(account, block)).await
    }

    async fn pending_nonce(&self, account: Address) -> Result<u64, ChainError> {
        self.middle("the next nonce", |endpoint| endpoint.pending_nonce(account)).await
    }

    async fn user_of(&self, account: Address, nonce: u64, block: u64) -> Result<Option<Hash>, ChainError> {
        let question = || format!("what used nonce {nonce} of {account}");
        self.agree(question, |endpoint| endpoint.user_of(account, nonce, block)).await
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        self.middle("fees", C::fees).await
    }

    async fn estimate(&self, from: Address, transaction: &Transaction) -> Result<u64, ChainError> {
        self.middle("gas", |endpoint| endpoint.estimate(from, transaction)).await
    }

    fn sign(
        &self,
        key: &LocalSigner,
        transaction: &Transaction,
        nonce: u64,
        gas_limit: u64,
        fees: Fees,
    ) -> Result<Signed, ChainError> {
        let endpoint = self.endpoints.first().ok_or(ChainError::OutOfRange)?;
        endpoint.sign(key, transaction, nonce, gas_limit, fees)
    }

    /// To all, whatever some of them say; it is handed over if anyone takes it.
    async fn broadcast(&self, signed: &Signed) -> Result<(), ChainError> {
        let mut refusal = None;
        for answer in join_all(self.endpoints.iter().map(|endpoint| endpoint.broadcast(signed))).await {
            match (answer, &refusal) {
                (Ok(()), _) => return Ok(()),
                // That a node refuses it says more than that another is not there.
                (Err(error @ ChainError::Unacceptable(_)), _) => refusal = Some(error),
                (Err(error), None) => refusal = Some(error),
                _ => {}
            }
        }
        Err(refusal.unwrap_or(ChainError::OutOfRange))
    }
}
