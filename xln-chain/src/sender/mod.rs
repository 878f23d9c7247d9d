//! Sends each action of one key once, whatever happens in between: a restart of this process, of the node, a crowded
//! chain, a reorganisation.
//!
//! An action gets a nonce, and what is signed is stored before anybody sees it. Everything signed for one action has the
//! same nonce, so at most one of it can ever be executed; another nonce is taken only after something else has used up the
//! first one beyond the confirmation depth.

mod outbox;

use std::collections::BTreeMap;

use xln_core::crypto::LocalSigner;

use crate::chain::{Chain, Header, Receipt, Transaction};
use crate::error::ChainError;
use crate::rpc::{Fees, RpcChain};
use outbox::Entry;
pub use outbox::{MemoryOutbox, Outbox};

/// When a sender is sure, and when it pays more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderConfig {
    /// Blocks that must stand on a transaction's block until its outcome is final.
    pub confirmations: u64,
    /// Blocks without it after which a transaction is replaced by one that pays more, not 0.
    pub stall_blocks: u64,
    /// How much more, in percent; nodes want at least 10.
    pub bump_percent: u128,
    /// The most that is ever offered, in wei per gas.
    pub max_fee: u128,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self { confirmations: 12, stall_blocks: 5, bump_percent: 15, max_fee: 2_000_000_000_000 }
    }
}

/// Why a sender cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The chain, its node, or the contract, which refuses the action as things stand.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The outbox failed. What was to be stored may or may not be: make a new sender from it.
    #[error("the outbox failed")]
    Outbox(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The outbox holds bytes that are no entry.
    #[error("entry {0} of the outbox is corrupt")]
    Corrupt(u64),
}

/// A final outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// The caller's id of the action.
    pub id: u64,
    /// The transaction's receipt; look at [`Receipt::success`].
    pub receipt: Receipt,
}

/// Sends the actions of one key on one chain. There must be no other sender of that key.
#[derive(Debug)]
pub struct Sender<O> {
    chain: RpcChain,
    key: LocalSigner,
    config: SenderConfig,
    outbox: O,
    entries: BTreeMap<u64, Entry>,
    /// Actions whose nonce something else has used up, and the block in which that was seen first.
    robbed: BTreeMap<u64, Header>,
}

impl<O: Outbox> Sender<O> {
    /// Goes on with what the outbox holds.
    ///
    /// # Errors
    /// [`SenderError::Outbox`], [`SenderError::Corrupt`].
    pub fn new(chain: RpcChain, key: LocalSigner, config: SenderConfig, outbox: O) -> Result<Self, SenderError> {
        let mut entries = BTreeMap::new();
        for (id, bytes) in outbox.load().map_err(store)? {
            let entry = wincode::deserialize_exact(&bytes).map_err(|_| SenderError::Corrupt(id))?;
            entries.insert(id, entry);
        }
        Ok(Self { chain, key, config, outbox, entries, robbed: BTreeMap::new() })
    }

    /// Ids of all actions that are not forgotten.
    pub fn actions(&self) -> impl Iterator<Item = u64> {
        self.entries.keys().copied()
    }

    /// Takes an action, unless one of that id is on its way: then nothing happens, whatever `transaction` says. The id must
    /// be the action's own for ever.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] if the contract would refuse it now: then it was not taken. After any other error ask
    /// [`Sender::actions`]; what was taken is sent by [`Sender::drive`].
    pub async fn submit(&mut self, id: u64, transaction: &Transaction) -> Result<(), SenderError> {
        if self.entries.contains_key(&id) {
            return Ok(());
        }
        let account = self.key.address();
        let gas_limit = self.chain.estimate(account, transaction).await?;
        let fees = self.capped(self.chain.fees().await?);
        let head = self.chain.head().await?;
        let mut entry = Entry::new(transaction, self.next_nonce().await?, gas_limit, head.number);
        entry.add(self.chain.sign(&self.key, transaction, entry.nonce, gas_limit, fees)?, fees);
        self.store(id, entry)?;
        self.broadcast(id).await
    }

    /// Looks after all actions once: sends again, pays more, gives what became final. Call it with every new block.
    ///
    /// # Errors
    /// The first error; the next call goes on where this one ended.
    pub async fn drive(&mut self) -> Result<Vec<Settled>, SenderError> {
        let head = self.chain.head().await?;
        let mut settled = Vec::new();
        let mut order: Vec<(u64, u64)> = self.entries.iter().map(|(id, entry)| (entry.nonce, *id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            match self.found(id).await? {
                Some(receipt) if receipt.number.saturating_add(self.config.confirmations) <= head.number => {
                    settled.push(Settled { id, receipt });
                }
                Some(_) => {}
                None => self.push(id, &head).await?,
            }
        }
        Ok(settled)
    }

    /// Forgets an action whose outcome is final and known to whoever asked for it.
    ///
    /// # Errors
    /// [`SenderError::Outbox`].
    pub fn forget(&mut self, id: u64) -> Result<(), SenderError> {
        self.outbox.delete(id).map_err(store)?;
        self.robbed.remove(&id);
        self.entries.remove(&id);
        Ok(())
    }

    /// The receipt of whichever attempt stands in a block.
    async fn found(&self, id: u64) -> Result<Option<Receipt>, SenderError> {
        for attempt in self.entries.get(&id).map(|entry| entry.attempts.as_slice()).unwrap_or_default().iter().rev() {
            if let Some(receipt) = self.chain.receipt(&attempt.hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// Gets an action on that stands in no block.
    async fn push(&mut self, id: u64, head: &Header) -> Result<(), SenderError> {
        let Some(entry) = self.entries.get(&id).cloned() else { return Ok(()) };
        if self.chain.nonce(self.key.address(), Some(head.number)).await? > entry.nonce {
            if !self.is_robbed(id, head).await? || self.found(id).await?.is_some() {
                return Ok(());
            }
            self.renumber(id, entry, head).await?;
        } else if head.number.saturating_sub(entry.since) >= self.config.stall_blocks.max(1) {
            self.bump(id, entry, head).await?;
        }
        self.robbed.remove(&id);
        self.broadcast(id).await
    }

    /// Something else has the action's nonce in the block `head`: whether that is final. Only recent state is asked for, since
    /// few nodes keep more.
    async fn is_robbed(&mut self, id: u64, head: &Header) -> Result<bool, SenderError> {
        let seen = *self.robbed.entry(id).or_insert(*head);
        let stands = self.chain.header(seen.number).await?.is_some_and(|header| header.hash == seen.hash);
        if !stands {
            self.robbed.insert(id, *head);
        }
        Ok(stands && seen.number.saturating_add(self.config.confirmations) <= head.number)
    }

    /// Nothing that was signed before can be executed any more: the same action starts anew.
    async fn renumber(&mut self, id: u64, mut entry: Entry, head: &Header) -> Result<(), SenderError> {
        let fees = self.capped(self.chain.fees().await?);
        entry.nonce = self.next_nonce().await?;
        let signed = self.chain.sign(&self.key, &entry.transaction(), entry.nonce, entry.gas_limit, fees)?;
        entry.attempts.clear();
        entry.add(signed, fees);
        entry.since = head.number;
        self.store(id, entry)
    }

    /// Replaces the last attempt by one that pays more, unless that would pass the limit.
    async fn bump(&mut self, id: u64, mut entry: Entry, head: &Header) -> Result<(), SenderError> {
        let Some(last) = entry.attempts.last().map(outbox::Attempt::fees) else { return Ok(()) };
        let wanted = self.chain.fees().await?;
        let raised = |fee: u128| {
            let more = fee.saturating_mul(self.config.bump_percent).checked_div(100).unwrap_or(0);
            fee.saturating_add(more).saturating_add(1)
        };
        let fees = Fees { max: raised(last.max).max(wanted.max), priority: raised(last.priority).max(wanted.priority) };
        if fees.max > self.config.max_fee {
            return Ok(());
        }
        entry.add(self.chain.sign(&self.key, &entry.transaction(), entry.nonce, entry.gas_limit, fees)?, fees);
        entry.since = head.number;
        self.store(id, entry)
    }

    /// Hands the last attempt to the node. A refusal is no error of the action: the next round sees what to do.
    async fn broadcast(&self, id: u64) -> Result<(), SenderError> {
        let Some(last) = self.entries.get(&id).and_then(|entry| entry.attempts.last()) else { return Ok(()) };
        match self.chain.broadcast(&last.signed()).await {
            Ok(()) | Err(ChainError::Unacceptable(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The first nonce that neither a block nor one of the actions uses.
    async fn next_nonce(&self) -> Result<u64, SenderError> {
        let used = self.chain.nonce(self.key.address(), None).await?;
        let own = self.entries.values().map(|entry| entry.nonce.saturating_add(1)).max();
        Ok(own.map_or(used, |own| own.max(used)))
    }

    fn capped(&self, fees: Fees) -> Fees {
        let max = fees.max.min(self.config.max_fee);
        Fees { max, priority: fees.priority.min(max) }
    }

    fn store(&mut self, id: u64, entry: Entry) -> Result<(), SenderError> {
        let bytes = wincode::serialize(&entry).map_err(|_| SenderError::Corrupt(id))?;
        self.outbox.put(id, &bytes).map_err(store)?;
        self.entries.insert(id, entry);
        Ok(())
    }
}

fn store(error: impl std::error::Error + Send + Sync + 'static) -> SenderError {
    SenderError::Outbox(Box::new(error))
}
