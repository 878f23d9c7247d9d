//! Sends each action of one key once, whatever happens in between: a restart of this process, of the node, a crowded
//! chain, a reorganisation.
//!
//! An action gets a nonce, and what is signed is stored before anybody sees it. Everything signed for one action has the
//! same nonce, so at most one of it can ever be executed; another nonce is taken only after something else has used up the
//! first one beyond the confirmation depth, and the chain shows what that is.
//!
//! **Fees** of one action only rise: with every `stall_blocks` blocks that it stands in none, and when it gets another nonce;
//! a restart forgets none. They end at `max_fee`, which is offered in full before the sender waits for the chain to become
//! cheaper.
//!
//! **When it is in.** Let a transaction that pays `max_fee` be in one of the next `I` blocks. One action is in a block at most
//! `stall_blocks * n + I` blocks after it was submitted, `n = 1 + ln(max_fee / first fee) / ln(1 + bump_percent / 100)` rounded
//! up, if [`Sender::drive`] runs for each block; each reorganisation that drops it costs the blocks that it replaced and `I`
//! again, and a nonce that something else has taken `confirmations + I`. With the default configuration, a first fee of
//! 20 gwei and `I` = 3: `n` = 34 if fees only creep, so at most 173 blocks, 35 minutes at 12 s. A fee that a node's estimate
//! follows needs one step, so 8 blocks. A dispute window should be no less than twice the greater of them, with what the
//! watcher needs to see a block (one poll) and the longest outage added.

mod outbox;

use std::collections::BTreeMap;

use xln_core::crypto::LocalSigner;

use crate::chain::{Header, Receipt, Transaction};
use crate::error::ChainError;
use crate::mempool::{Fees, Mempool};
use outbox::Entry;
pub use outbox::{MemoryOutbox, Outbox};

/// How much more than the transaction in its place a node wants of another one, in percent.
const LEAST_BUMP_PERCENT: u128 = 10;
/// What a transfer to oneself takes.
const TRANSFER_GAS: u64 = 21_000;

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
pub struct Sender<O, C> {
    chain: C,
    key: LocalSigner,
    config: SenderConfig,
    outbox: O,
    entries: BTreeMap<u64, Entry>,
    /// Actions whose nonce something else has used up, and the block in which that was seen first.
    robbed: BTreeMap<u64, Header>,
    /// The first nonce that no action of this process has had.
    unused: u64,
    gap: Option<Gap>,
}

/// A nonce before those of the actions that neither a block nor the node has anything for: nothing moves before it is used.
#[derive(Clone, Copy, Debug)]
struct Gap {
    nonce: u64,
    /// Head when it was noticed, or when something was sent for it last.
    since: u64,
    /// What was offered for it.
    paid: Option<Fees>,
    /// Something waited there already, and was given as long again.
    spared: bool,
}

impl<O: Outbox, C: Mempool> Sender<O, C> {
    /// Goes on with what the outbox holds.
    ///
    /// # Errors
    /// [`SenderError::Outbox`], [`SenderError::Corrupt`].
    pub fn new(chain: C, key: LocalSigner, config: SenderConfig, outbox: O) -> Result<Self, SenderError> {
        let mut entries: BTreeMap<u64, Entry> = BTreeMap::new();
        for (id, bytes) in outbox.load().map_err(store)? {
            let entry = wincode::deserialize_exact(&bytes).map_err(|_| SenderError::Corrupt(id))?;
            entries.insert(id, entry);
        }
        Ok(Self { chain, key, config, outbox, entries, robbed: BTreeMap::new(), unused: 0, gap: None })
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
    /// The first error, if nothing became final; every action was looked after all the same, as far as the chain answered.
    pub async fn drive(&mut self) -> Result<Vec<Settled>, SenderError> {
        let head = self.chain.head().await?;
        let mut settled = Vec::new();
        let mut failed = None;
        let mut order: Vec<(u64, u64)> = self.entries.iter().map(|(id, entry)| (entry.nonce, *id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            match self.look_after(id, &head).await {
                Ok(outcome) => settled.extend(outcome),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Err(error) = self.fill_gap(&head).await {
            failed = failed.or(Some(error));
        }
        match failed {
            Some(error) if settled.is_empty() => Err(error),
            _ => Ok(settled),
        }
    }

    async fn look_after(&mut self, id: u64, head: &Header) -> Result<Option<Settled>, SenderError> {
        let Some(receipt) = self.found(id).await? else {
            self.push(id, head).await?;
            return Ok(None);
        };
        if receipt.number.saturating_add(self.config.confirmations) > head.number {
            return Ok(None);
        }
        // A node that is on another branch has receipts of blocks that do not stand.
        let stands = self.chain.header(receipt.number).await?.is_some_and(|header| header.hash == receipt.block);
        Ok(stands.then_some(Settled { id, receipt }))
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
            if !self.is_robbed(id, head).await? || !self.is_proven(&entry, head).await? {
                return Ok(());
            }
            self.renumber(id, entry, head).await?;
        } else if head.number.saturating_sub(entry.since) >= self.config.stall_blocks.max(1) {
            self.bump(id, entry, head).await?;
        }
        self.robbed.remove(&id);
        self.broadcast(id).await
    }

    /// That a receipt is missing proves nothing: nodes forget them, and may be behind. Only what has used the nonce, if it is
    /// nothing of this action's, proves that the action did not happen.
    async fn is_proven(&self, entry: &Entry, head: &Header) -> Result<bool, SenderError> {
        let (expected, found) = (self.chain.chain_id(), self.chain.identify().await?);
        if found != expected {
            return Err(ChainError::WrongChain { expected, found }.into());
        }
        let user = self.chain.user_of(self.key.address(), entry.nonce, head.number).await?;
        Ok(user.is_some_and(|hash| entry.attempts.iter().all(|attempt| attempt.hash != hash)))
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

    /// Nothing that was signed before can be executed any more: the same action starts anew, and pays no less.
    async fn renumber(&mut self, id: u64, mut entry: Entry, head: &Header) -> Result<(), SenderError> {
        let wanted = self.chain.fees().await?;
        let paid = entry.attempts.last().map_or(wanted, outbox::Attempt::fees);
        let fees = self.capped(Fees { max: wanted.max.max(paid.max), priority: wanted.priority.max(paid.priority) });
        entry.nonce = self.next_nonce().await?;
        let signed = self.chain.sign(&self.key, &entry.transaction(), entry.nonce, entry.gas_limit, fees)?;
        entry.attempts.clear();
        entry.add(signed, fees);
        entry.since = head.number;
        self.store(id, entry)
    }

    /// Replaces the last attempt by one that pays more, as far as the limit allows.
    async fn bump(&mut self, id: u64, mut entry: Entry, head: &Header) -> Result<(), SenderError> {
        let Some(last) = entry.attempts.last().map(outbox::Attempt::fees) else { return Ok(()) };
        let Some(fees) = self.raised(last).await? else { return Ok(()) };
        entry.add(self.chain.sign(&self.key, &entry.transaction(), entry.nonce, entry.gas_limit, fees)?, fees);
        entry.since = head.number;
        self.store(id, entry)
    }

    /// Fees above these that a node takes for a replacement; `None` if the limit leaves no room.
    async fn raised(&self, last: Fees) -> Result<Option<Fees>, SenderError> {
        let wanted = self.chain.fees().await?;
        let more = |fee: u128, percent: u128| {
            let more = fee.saturating_mul(percent).checked_div(100).unwrap_or(0);
            fee.saturating_add(more).saturating_add(1)
        };
        let percent = self.config.bump_percent.max(LEAST_BUMP_PERCENT);
        let fees = self.capped(Fees {
            max: more(last.max, percent).max(wanted.max),
            priority: more(last.priority, percent).max(wanted.priority),
        });
        Ok((fees.max >= more(last.max, LEAST_BUMP_PERCENT)).then_some(fees))
    }

    /// Uses up a nonce that blocks the way of the actions, with a transfer of nothing to oneself: a block that was dropped may
    /// have taken somebody's transaction with it for good. The actions themselves keep their nonces, or they could happen twice.
    async fn fill_gap(&mut self, head: &Header) -> Result<(), SenderError> {
        let account = self.key.address();
        let Some(lowest) = self.entries.values().map(|entry| entry.nonce).min() else {
            self.gap = None;
            return Ok(());
        };
        let nonce = self.chain.nonce(account, Some(head.number)).await?;
        if nonce >= lowest {
            self.gap = None;
            return Ok(());
        }
        let fresh = Gap { nonce, since: head.number, paid: None, spared: false };
        let gap = *self.gap.insert(self.gap.filter(|gap| gap.nonce == nonce).unwrap_or(fresh));
        if head.number.saturating_sub(gap.since) < self.config.stall_blocks.max(1) {
            return Ok(());
        }
        let fees = match gap.paid {
            // What cannot be raised is handed over again: the node may have forgotten it.
            Some(paid) => Some(self.raised(paid).await?.unwrap_or(paid)),
            // It may be a filler of this sender's, from before a restart, that pays too little by now.
            None if !gap.spared && self.chain.pending_nonce(account).await? > nonce => {
                self.gap = Some(Gap { since: head.number, spared: true, ..gap });
                None
            }
            None => Some(self.capped(self.chain.fees().await?)),
        };
        let Some(fees) = fees else { return Ok(()) };
        self.gap = Some(Gap { since: head.number, paid: Some(fees), ..gap });
        let nothing = Transaction { to: Some(account), ..Transaction::default() };
        let signed = self.chain.sign(&self.key, &nothing, nonce, TRANSFER_GAS, fees)?;
        match self.chain.broadcast(&signed).await {
            Ok(()) | Err(ChainError::Unacceptable(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
        Ok(own.map_or(used, |own| own.max(used)).max(self.unused))
    }

    /// Fees within the limit. What could not be raised once more below it is the limit: nodes want a tenth more of a
    /// replacement, so anything between would be the last offer.
    fn capped(&self, fees: Fees) -> Fees {
        let next = fees.max.saturating_add(fees.max.saturating_mul(LEAST_BUMP_PERCENT).div_ceil(100)).saturating_add(1);
        let max = if next > self.config.max_fee { self.config.max_fee } else { fees.max };
        Fees { max, priority: fees.priority.min(max) }
    }

    fn store(&mut self, id: u64, entry: Entry) -> Result<(), SenderError> {
        let bytes = wincode::serialize(&entry).map_err(|_| SenderError::Corrupt(id))?;
        self.outbox.put(id, &bytes).map_err(store)?;
        self.unused = self.unused.max(entry.nonce.saturating_add(1));
        self.entries.insert(id, entry);
        Ok(())
    }
}

fn store(error: impl std::error::Error + Send + Sync + 'static) -> SenderError {
    SenderError::Outbox(Box::new(error))
}
