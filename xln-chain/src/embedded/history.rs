//! Blocks of an embedded chain: making them, finding things in them, taking them back.

use std::collections::HashMap;

use alloy_primitives::{Bytes, U256};
use xln_core::types::{Address, ChainId, Hash, UnixSeconds};
use xln_merkle::Keccak256;

use super::evm::{self, Moment, Outcome};
use super::state::{State, Undo};
use crate::chain::{Header, Log, LogFilter, Receipt, Transaction};
use crate::error::ChainError;

/// A transaction that a reorganisation dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dropped {
    /// Who sent it.
    pub from: Address,
    /// What it was.
    pub transaction: Transaction,
}

struct Block {
    header: Header,
    transactions: Vec<(Hash, Dropped)>,
    logs: Vec<Log>,
    undo: Undo,
}

/// A chain's blocks, its state after the newest, and what waits for the next.
pub(super) struct History {
    chain: ChainId,
    state: State,
    blocks: Vec<Block>,
    receipts: HashMap<Hash, Receipt>,
    waiting: Vec<(Hash, Dropped)>,
    /// Goes up with every reorganisation, so that a block made again has another hash.
    fork: u64,
    pub(super) automine: bool,
    pub(super) now: UnixSeconds,
}

impl History {
    pub(super) fn new(chain: ChainId, genesis: UnixSeconds) -> Self {
        let mut history = Self {
            chain,
            state: State::default(),
            blocks: Vec::new(),
            receipts: HashMap::new(),
            waiting: Vec::new(),
            fork: 0,
            automine: true,
            now: genesis,
        };
        history.mine();
        history
    }

    /// Before the first block there is a header of zeros, which nobody sees.
    pub(super) fn head(&self) -> Header {
        let nothing = Header { number: 0, hash: Hash::ZERO, parent: Hash::ZERO, timestamp: UnixSeconds(0) };
        self.blocks.last().map_or(nothing, |block| block.header)
    }

    pub(super) fn header(&self, number: u64) -> Option<Header> {
        self.block(number).map(|block| block.header)
    }

    fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    fn next_number(&self) -> u64 {
        u64::try_from(self.blocks.len()).unwrap_or(u64::MAX)
    }

    fn moment(&self) -> Moment {
        Moment { chain: self.chain, number: self.next_number(), timestamp: self.now, parent: self.head().hash }
    }

    pub(super) fn fund(&mut self, account: Address, wei: U256) {
        self.state.fund(account.into(), wei, &mut Undo::default());
    }

    pub(super) fn balance(&self, account: &Address) -> U256 {
        self.state.balance(&(*account).into())
    }

    pub(super) fn call(&self, from: Address, call: &Transaction) -> Result<(Bytes, u64), ChainError> {
        let outcome = evm::simulate(&self.state, &self.moment(), from, call)?;
        match (outcome.success, outcome.output) {
            (true, output) => Ok((output.unwrap_or_default(), outcome.gas_used)),
            (false, Some(data)) => Err(ChainError::reverted(data)),
            (false, None) => Err(ChainError::Halted),
        }
    }

    /// Takes a transaction: into a block of its own, or to wait.
    pub(super) fn submit(&mut self, from: Address, transaction: Transaction) -> Result<Hash, ChainError> {
        let queued = self.waiting.iter().filter(|(_, tx)| tx.from == from).count();
        let queued = u64::try_from(queued).unwrap_or(u64::MAX);
        let nonce = self.state.nonce(&from.into()).saturating_add(queued);
        let hash = transaction_hash(self.chain, from, nonce, &transaction);
        let dropped = Dropped { from, transaction };
        if !self.automine {
            self.waiting.push((hash, dropped));
            return Ok(hash);
        }
        let outcome = evm::run(&self.state, &self.moment(), from, &dropped.transaction)?;
        self.seal(vec![(hash, dropped, outcome)]);
        Ok(hash)
    }

    pub(super) fn waits(&self, transaction: &Hash) -> bool {
        self.waiting.iter().any(|(hash, _)| hash == transaction)
    }

    /// Makes a block of all that waits.
    pub(super) fn mine(&mut self) -> Header {
        self.seal(Vec::new())
    }

    /// Makes a block: first what was executed already, upon the present state, then what waits.
    fn seal(&mut self, executed: Vec<(Hash, Dropped, Outcome)>) -> Header {
        let moment = self.moment();
        let mut undo = Undo::default();
        let mut done = Vec::new();
        for (hash, dropped, mut outcome) in executed {
            self.state.commit(std::mem::take(&mut outcome.changes), &mut undo);
            done.push((hash, dropped, outcome));
        }
        for (hash, dropped) in std::mem::take(&mut self.waiting) {
            let Ok(mut outcome) = evm::run(&self.state, &moment, dropped.from, &dropped.transaction) else { continue };
            self.state.commit(std::mem::take(&mut outcome.changes), &mut undo);
            done.push((hash, dropped, outcome));
        }
        let header = self.next_header(&moment, done.iter().map(|(hash, ..)| hash));
        let mut block = Block { header, transactions: Vec::new(), logs: Vec::new(), undo };
        for (hash, dropped, outcome) in done {
            let receipt = receipt(&header, hash, outcome, block.logs.len());
            block.logs.extend(receipt.logs.iter().cloned());
            self.receipts.insert(hash, receipt);
            block.transactions.push((hash, dropped));
        }
        self.state.push_hash(header.hash.0.into());
        self.blocks.push(block);
        header
    }

    fn next_header<'a>(&self, moment: &Moment, transactions: impl Iterator<Item = &'a Hash>) -> Header {
        let mut hasher = Keccak256::new();
        hasher.update(b"xln embedded block");
        for number in [self.chain.0, moment.number, moment.timestamp.0, self.fork] {
            hasher.update(&number.to_be_bytes());
        }
        hasher.update(&moment.parent.0);
        for hash in transactions {
            hasher.update(&hash.0);
        }
        Header {
            number: moment.number,
            hash: Hash(hasher.finalize()),
            parent: moment.parent,
            timestamp: moment.timestamp,
        }
    }

    pub(super) fn reorg(&mut self, depth: u64) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        for _ in 0..depth {
            if self.blocks.len() <= 1 {
                break;
            }
            let Some(block) = self.blocks.pop() else { break };
            self.state.revert(block.undo);
            for (hash, transaction) in block.transactions.into_iter().rev() {
                self.receipts.remove(&hash);
                dropped.push(transaction);
            }
        }
        self.fork = self.fork.saturating_add(1);
        dropped.reverse();
        dropped
    }

    pub(super) fn receipt(&self, transaction: &Hash) -> Option<&Receipt> {
        self.receipts.get(transaction)
    }

    pub(super) fn logs(&self, block: &Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let found =
            self.blocks.iter().rev().find(|b| b.header.hash == *block).ok_or(ChainError::UnknownBlock(*block))?;
        Ok(found.logs.iter().filter(|log| filter.admits(log)).cloned().collect())
    }

    pub(super) fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Vec<Log> {
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        let blocks = self.blocks.iter().skip(skipped).take_while(|block| block.header.number <= last);
        blocks.flat_map(|block| &block.logs).filter(|log| filter.admits(log)).cloned().collect()
    }
}

fn receipt(header: &Header, transaction: Hash, outcome: Outcome, first_log: usize) -> Receipt {
    let (number, block) = (header.number, header.hash);
    let indices = u64::try_from(first_log).unwrap_or(u64::MAX)..;
    let logs = outcome.logs.into_iter().zip(indices).map(|(log, index)| Log {
        address: log.address.into(),
        data: log.data,
        number,
        block,
        transaction,
        index,
    });
    let logs = logs.collect();
    let revert = outcome.output.filter(|_| !outcome.success);
    let (success, gas_used, deployed) = (outcome.success, outcome.gas_used, outcome.deployed);
    Receipt { transaction, number, block, success, gas_used, revert, deployed, logs }
}

fn transaction_hash(chain: ChainId, from: Address, nonce: u64, tx: &Transaction) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update(b"xln embedded transaction");
    hasher.update(&chain.0.to_be_bytes());
    hasher.update(&from.0);
    hasher.update(&nonce.to_be_bytes());
    hasher.update(&tx.to.unwrap_or_default().0);
    hasher.update(&[u8::from(tx.to.is_some())]);
    hasher.update(&tx.value.to_be_bytes::<32>());
    hasher.update(&tx.gas_limit.unwrap_or_default().to_be_bytes());
    hasher.update(&tx.data);
    Hash(hasher.finalize())
}
