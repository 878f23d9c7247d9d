//! An endpoint that goes wrong on request: it is not there, is behind, refuses for its rate, mixes things up, or lies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use xln_chain::{
    Bytes, Chain, ChainError, EmbeddedChain, Fees, Header, Log, LogFilter, Mempool, Receipt, Signed, Transaction, U256,
};
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, Hash, UnixSeconds};

/// What is wrong with one answer. Where it does not apply, the answer is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    Fine,
    /// Nobody is there.
    Unplugged,
    /// Too many requests.
    Refused,
    /// It knows only what stood this many blocks ago.
    Behind(u64),
    /// Nothing is found where something is.
    Null,
    /// Logs are not there yet.
    Late,
    /// A head far ahead, of a block that nobody has.
    Lofty,
    /// The block before the one that was asked for.
    OtherNumber,
    /// Another hash, a new one each time.
    OtherHash,
    /// Logs of the block before, if it has any.
    OtherLogs,
    /// Each log twice.
    Doubled,
    /// Logs in the reverse order.
    Reversed,
    /// Logs nobody asked for.
    Unasked,
    /// The first log is missing: a lie that one endpoint alone can tell.
    Missing,
    /// Another time: likewise.
    OtherTime,
    /// The same wrong hash each time: likewise.
    Forged,
    /// The id of another chain.
    OtherChain,
}

impl Fault {
    /// Those of an endpoint that only fails, or shows by its own answers that they are wrong.
    pub const HONEST: [Self; 13] = [
        Self::Fine,
        Self::Unplugged,
        Self::Refused,
        Self::Behind(1),
        Self::Behind(3),
        Self::Null,
        Self::Late,
        Self::Lofty,
        Self::OtherNumber,
        Self::OtherHash,
        Self::OtherLogs,
        Self::Doubled,
        Self::Reversed,
    ];
    /// Those of a liar.
    pub const LIES: [Self; 12] = [
        Self::Missing,
        Self::OtherTime,
        Self::Forged,
        Self::OtherChain,
        Self::Null,
        Self::Lofty,
        Self::OtherNumber,
        Self::OtherHash,
        Self::OtherLogs,
        Self::Unasked,
        Self::Behind(20),
        Self::Unplugged,
    ];
}

/// An endpoint of an embedded chain with a list of faults: one for each request, then it is fine.
#[derive(Clone, Debug)]
pub struct Faulty {
    inner: EmbeddedChain,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    asked: Arc<Mutex<u64>>,
    id: ChainId,
}

impl Faulty {
    pub fn new(inner: &EmbeddedChain, faults: impl IntoIterator<Item = Fault>) -> Self {
        let faults = Arc::new(Mutex::new(faults.into_iter().collect()));
        Self { inner: inner.clone(), faults, asked: Arc::default(), id: inner.chain_id() }
    }

    /// One that says that it is of another chain when it is asked.
    pub fn of_another_chain(inner: &EmbeddedChain) -> Self {
        Self { id: ChainId(inner.chain_id().0 + 1), ..Self::new(inner, []) }
    }

    fn ask(&self) -> Result<Fault, ChainError> {
        *self.asked.lock().unwrap() += 1;
        match self.faults.lock().unwrap().pop_front().unwrap_or(Fault::Fine) {
            Fault::Unplugged => Err(ChainError::Transport("unplugged".into())),
            Fault::Refused => Err(ChainError::Transport("429".into())),
            fault => Ok(fault),
        }
    }

    fn known(&self, fault: Fault) -> u64 {
        let head = self.inner.newest().number;
        if let Fault::Behind(blocks) = fault { head.saturating_sub(blocks) } else { head }
    }

    fn before(&self, block: Hash) -> Hash {
        let numbers = (0..=self.inner.newest().number).rev();
        let headers = numbers.map(|number| super::now(self.inner.header(number)).unwrap());
        headers.into_iter().find(|header| header.hash == block).map_or(block, |header| header.parent)
    }

    fn twist(&self, mut header: Header, fault: Fault) -> Header {
        match fault {
            Fault::OtherHash => {
                header.hash.0[..8].copy_from_slice(&self.asked.lock().unwrap().to_be_bytes());
            }
            Fault::Forged => header.hash.0[0] ^= 0xff,
            Fault::OtherTime => header.timestamp = UnixSeconds(header.timestamp.0 + 7),
            Fault::Lofty => {
                header.number += 5_000;
                header.hash.0[1] ^= 0xff;
            }
            _ => {}
        }
        header
    }

    fn twisted(&self, mut logs: Vec<Log>, fault: Fault) -> Vec<Log> {
        match fault {
            Fault::Doubled => logs = logs.into_iter().flat_map(|log| [log.clone(), log]).collect(),
            Fault::Reversed => logs.reverse(),
            Fault::Missing if !logs.is_empty() => drop(logs.remove(0)),
            Fault::Unasked => logs.iter_mut().for_each(|log| log.address = Address([9; 20])),
            _ => {}
        }
        logs
    }
}

impl Chain for Faulty {
    fn chain_id(&self) -> ChainId {
        self.inner.chain_id()
    }

    async fn identify(&self) -> Result<ChainId, ChainError> {
        match self.ask()? {
            Fault::OtherChain => Ok(ChainId(self.chain_id().0 + 1)),
            _ => Ok(self.id),
        }
    }

    async fn head(&self) -> Result<Header, ChainError> {
        let fault = self.ask()?;
        let header = self.inner.header(self.known(fault)).await?;
        Ok(self.twist(header.unwrap(), fault))
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        let fault = self.ask()?;
        let number = if fault == Fault::OtherNumber { number.saturating_sub(1) } else { number };
        if fault == Fault::Null || number > self.known(fault) {
            return Ok(None);
        }
        let fault = if fault == Fault::Lofty { Fault::Fine } else { fault };
        Ok(self.inner.header(number).await?.map(|header| self.twist(header, fault)))
    }

    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let fault = self.ask()?;
        if fault == Fault::Late {
            return Err(ChainError::UnknownBlock(block));
        }
        let logs = self.inner.logs(block, filter).await?;
        // Where the block before has none, this would be to leave them all out.
        let others =
            if fault == Fault::OtherLogs { self.inner.logs(self.before(block), filter).await? } else { Vec::new() };
        Ok(self.twisted(if others.is_empty() { logs } else { others }, fault))
    }

    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let fault = self.ask()?;
        Ok(self.twisted(self.inner.logs_between(first, last, filter).await?, fault))
    }

    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        let fault = self.ask()?;
        let output = self.inner.call(from, call).await?;
        Ok(if fault == Fault::Missing { Bytes::from(vec![1; output.len()]) } else { output })
    }

    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        self.inner.send(key, transaction).await
    }

    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        match self.ask()? {
            Fault::Null => Ok(None),
            Fault::Forged => Ok(self.inner.receipt(transaction).await?.map(|r| Receipt { success: !r.success, ..r })),
            _ => self.inner.receipt(transaction).await,
        }
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        self.ask()?;
        self.inner.confirm(transaction).await
    }

    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        let fault = self.ask()?;
        let balance = self.inner.balance(account).await?;
        Ok(if fault == Fault::Missing { balance + U256::ONE } else { balance })
    }
}

/// Only what a quorum asks; embedded chains have neither fees nor a pool of signed transactions.
impl Mempool for Faulty {
    async fn nonce(&self, _: Address, _: Option<u64>) -> Result<u64, ChainError> {
        self.ask().map(|_| 0)
    }

    async fn pending_nonce(&self, _: Address) -> Result<u64, ChainError> {
        self.ask().map(|_| 0)
    }

    async fn user_of(&self, _: Address, _: u64, _: u64) -> Result<Option<Hash>, ChainError> {
        self.ask().map(|_| None)
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        let fault = self.ask()?;
        let max = if fault == Fault::Lofty { u128::MAX } else { 100 };
        Ok(Fees { max, priority: 1 })
    }

    async fn estimate(&self, _: Address, _: &Transaction) -> Result<u64, ChainError> {
        self.ask().map(|_| 21_000)
    }

    fn sign(&self, _: &LocalSigner, _: &Transaction, _: u64, _: u64, _: Fees) -> Result<Signed, ChainError> {
        Ok(Signed { hash: Hash([1; 32]), raw: vec![1] })
    }

    async fn broadcast(&self, _: &Signed) -> Result<(), ChainError> {
        self.ask().map(|_| ())
    }
}
