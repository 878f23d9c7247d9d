//! A chain of nothing but nonces, fees and transactions, with a pool as nodes have it: what pays too little is refused or waits,
//! replacements must pay a tenth more, pools forget, blocks are taken back, receipts are hidden.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use xln_chain::{Bytes, Chain, ChainError, Fees, Header, Log, LogFilter, Mempool, Receipt, Signed, Transaction, U256};
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, Hash, UnixSeconds};

/// A transaction as the pool sees it. The payload says whose action it is; 0 is nobody's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tx {
    pub nonce: u64,
    pub max: u128,
    pub priority: u128,
    pub payload: u64,
}

impl Tx {
    pub fn hash(&self) -> Hash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.nonce.to_be_bytes());
        bytes[8..24].copy_from_slice(&self.max.to_be_bytes());
        bytes[24..].copy_from_slice(&self.payload.to_be_bytes());
        Hash(bytes)
    }

    fn raw(&self) -> Vec<u8> {
        [self.hash().0.to_vec(), self.priority.to_be_bytes().to_vec()].concat()
    }

    fn parse(raw: &[u8]) -> Self {
        let number =
            |range: std::ops::Range<usize>| raw[range].iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        Self {
            nonce: u64::try_from(number(0..8)).unwrap(),
            max: number(8..24),
            payload: u64::try_from(number(24..32)).unwrap(),
            priority: number(32..48),
        }
    }
}

#[derive(Debug, Default)]
pub struct State {
    /// Blocks, each with its hash and the one account's transactions.
    pub blocks: Vec<(Hash, Vec<Tx>)>,
    pub pool: BTreeMap<u64, Tx>,
    pub base_fee: u128,
    pub forks: u64,
    /// Nothing gets into a block.
    pub censored: bool,
    /// Requests until one fails, and how many fail then.
    pub fuse: Option<(u64, u64)>,
    /// Receipts are said to be missing.
    pub hides_receipts: bool,
    /// Every transaction that was ever handed over, in order.
    pub seen: Vec<Tx>,
}

impl State {
    pub fn nonce_at(&self, block: usize) -> u64 {
        self.blocks.iter().take(block + 1).flat_map(|(_, txs)| txs).count().try_into().unwrap()
    }

    pub fn head(&self) -> usize {
        self.blocks.len() - 1
    }

    /// What stands on the chain now.
    pub fn done(&self) -> impl Iterator<Item = &Tx> {
        self.blocks.iter().flat_map(|(_, txs)| txs)
    }

    pub fn mine(&mut self) {
        let mut nonce = self.nonce_at(self.head());
        let mut taken = Vec::new();
        while !self.censored {
            let Some(tx) = self.pool.get(&nonce).copied().filter(|tx| tx.max >= self.base_fee) else { break };
            taken.push(tx);
            self.pool.remove(&nonce);
            nonce += 1;
        }
        self.pool.retain(|at, _| *at >= nonce);
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&(self.blocks.len() as u64).to_be_bytes());
        hash[8..16].copy_from_slice(&self.forks.to_be_bytes());
        self.blocks.push((Hash(hash), taken));
    }

    /// Takes blocks back; what was in them returns to the pool, or not.
    pub fn reorg(&mut self, depth: usize, returns: bool) {
        let depth = depth.min(self.head());
        let dropped = self.blocks.split_off(self.blocks.len() - depth);
        self.forks += 1;
        for tx in dropped.into_iter().flat_map(|(_, txs)| txs).filter(|_| returns) {
            self.pool.entry(tx.nonce).or_insert(tx);
        }
    }

    /// Somebody else with the same key.
    pub fn steal(&mut self) {
        let nonce = self.nonce_at(self.head());
        let tx = Tx { nonce, max: u128::MAX / 1_000, priority: 1, payload: 0 };
        self.pool.insert(nonce, tx);
    }

    fn ask(&mut self) -> Result<(), ChainError> {
        match self.fuse {
            Some((0, 0)) => self.fuse = None,
            Some((0, left)) => {
                self.fuse = Some((0, left - 1));
                return Err(ChainError::Transport("unplugged".into()));
            }
            Some((wait, left)) => self.fuse = Some((wait - 1, left)),
            None => {}
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub struct Pool(pub Arc<Mutex<State>>);

impl Pool {
    pub fn new() -> Self {
        let mut state = State { base_fee: 100, ..State::default() };
        state.blocks.push((Hash([1; 32]), Vec::new()));
        Self(Arc::new(Mutex::new(state)))
    }

    fn asked(&self) -> Result<std::sync::MutexGuard<'_, State>, ChainError> {
        let mut state = self.0.lock().unwrap();
        state.ask()?;
        Ok(state)
    }
}

fn header(state: &State, number: usize) -> Option<Header> {
    let (hash, _) = state.blocks.get(number)?;
    let parent = number.checked_sub(1).map_or(Hash::ZERO, |before| state.blocks[before].0);
    let time = u64::try_from(number).unwrap();
    Some(Header { number: time, hash: *hash, parent, timestamp: UnixSeconds(time) })
}

impl Chain for Pool {
    fn chain_id(&self) -> ChainId {
        ChainId(1)
    }

    async fn head(&self) -> Result<Header, ChainError> {
        let state = self.asked()?;
        Ok(header(&state, state.head()).unwrap())
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        Ok(header(&*self.asked()?, usize::try_from(number).unwrap()))
    }

    async fn logs(&self, _: Hash, _: &LogFilter) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }

    async fn logs_between(&self, _: u64, _: u64, _: &LogFilter) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }

    async fn call(&self, _: Address, _: &Transaction) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }

    async fn send(&self, _: &LocalSigner, _: Transaction) -> Result<Hash, ChainError> {
        Err(ChainError::OutOfRange)
    }

    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        let state = self.asked()?;
        if state.hides_receipts {
            return Ok(None);
        }
        let place = state.blocks.iter().position(|(_, txs)| txs.iter().any(|tx| tx.hash() == *transaction));
        Ok(place.map(|number| Receipt {
            transaction: *transaction,
            number: u64::try_from(number).unwrap(),
            block: state.blocks[number].0,
            success: true,
            gas_used: 21_000,
            revert: None,
            deployed: None,
            logs: Vec::new(),
        }))
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        Err(ChainError::Pending(*transaction))
    }

    async fn balance(&self, _: Address) -> Result<U256, ChainError> {
        Ok(U256::ZERO)
    }
}

impl Mempool for Pool {
    async fn nonce(&self, _: Address, block: Option<u64>) -> Result<u64, ChainError> {
        let state = self.asked()?;
        let block = block.map_or(state.head(), |number| usize::try_from(number).unwrap());
        Ok(state.nonce_at(block))
    }

    async fn pending_nonce(&self, _: Address) -> Result<u64, ChainError> {
        let state = self.asked()?;
        let mut nonce = state.nonce_at(state.head());
        while state.pool.contains_key(&nonce) {
            nonce += 1;
        }
        Ok(nonce)
    }

    async fn user_of(&self, _: Address, nonce: u64, block: u64) -> Result<Option<Hash>, ChainError> {
        let state = self.asked()?;
        let blocks = state.blocks.iter().take(usize::try_from(block).unwrap() + 1);
        Ok(blocks.flat_map(|(_, txs)| txs).find(|tx| tx.nonce == nonce).map(Tx::hash))
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        let max = self.asked()?.base_fee.saturating_mul(2);
        Ok(Fees { max, priority: 2 })
    }

    async fn estimate(&self, _: Address, _: &Transaction) -> Result<u64, ChainError> {
        self.asked().map(|_| 21_000)
    }

    fn sign(&self, _: &LocalSigner, tx: &Transaction, nonce: u64, _: u64, fees: Fees) -> Result<Signed, ChainError> {
        let tx = Tx { nonce, max: fees.max, priority: fees.priority, payload: tx.value.to::<u64>() };
        Ok(Signed { hash: tx.hash(), raw: tx.raw() })
    }

    async fn broadcast(&self, signed: &Signed) -> Result<(), ChainError> {
        let tx = Tx::parse(&signed.raw);
        let mut state = self.0.lock().unwrap();
        // It may get through although nobody hears of it.
        let answer = state.ask();
        state.seen.push(tx);
        let used = state.nonce_at(state.head());
        let replaced = state.pool.get(&tx.nonce).is_none_or(|old| *old == tx || tx.max * 100 >= old.max * 110);
        if tx.nonce < used || !replaced {
            answer?;
            return Err(ChainError::Unacceptable("refused".into()));
        }
        state.pool.insert(tx.nonce, tx);
        answer
    }
}
