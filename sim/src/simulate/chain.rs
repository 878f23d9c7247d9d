//! A chain: transactions wait, may be held back by congestion or a censor, get into blocks, and come out of them again when
//! the last blocks are replaced. No deeper than what counts as confirmed.

use xln_core::chain::{ChainCall, ChainChange};
use xln_core::machine::EffectId;
use xln_core::types::{ChainPoint, EntityId, Hash, Reveal, UnixSeconds};

use super::ledger::{Closing, Ledger, Operation, Rule};

/// Seconds after which a transaction gets into the next block, whatever holds it back.
pub(crate) const MAX_DELAY_S: u64 = 240;
/// Blocks whose ledgers are kept: more than are ever replaced.
const KEPT: usize = 8;

/// The effect of a node that a transaction carries out: which life of the node, which effect.
pub(crate) type Cause = (u32, EffectId);

/// A transaction.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) by: usize,
    pub(crate) entity: EntityId,
    pub(crate) operation: Operation,
    pub(crate) cause: Option<Cause>,
    pub(crate) submitted: u64,
    pub(crate) not_before: u64,
}

impl Tx {
    /// Whether a node answers or ends a dispute by it.
    fn is_answer(&self, ledger: &Ledger) -> bool {
        let Operation::Act(action) = &self.operation else { return false };
        let answers = match &action.call {
            // What is of an epoch that has ended meanwhile was right when it was asked for.
            ChainCall::CounterDispute { evidence, .. } => evidence.epoch == ledger.line(&action.pair).epoch,
            ChainCall::FinalizeDispute { .. } => true,
            _ => false,
        };
        answers && self.cause.is_some()
    }
}

/// A block. Its transactions stand in it also if they failed: the next chain may take them.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) hash: Hash,
    pub(crate) time: u64,
    pub(crate) txs: Vec<(Tx, bool)>,
    pub(crate) changes: Vec<ChainChange>,
    pub(crate) reveals: Vec<Reveal>,
    pub(crate) closings: Vec<Closing>,
    /// Answers and ends of disputes that nodes asked for and that can never work: no node may ask for such.
    pub(crate) wrong: Vec<Tx>,
}

/// A chain with its Depository.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) ledger: Ledger,
    /// By number, from 0.
    pub(crate) blocks: Vec<Block>,
    /// After each of the last blocks.
    past: Vec<Ledger>,
    pub(crate) waiting: Vec<Tx>,
    pub(crate) confirmations: usize,
    pub(crate) congested_until: u64,
    pub(crate) censored: Option<(usize, u64)>,
    salt: u64,
}

impl Chain {
    pub(crate) fn new(ledger: Ledger, confirmations: usize, now: u64) -> Self {
        let past = Vec::new();
        let mut chain = Self {
            ledger,
            blocks: Vec::new(),
            past,
            waiting: Vec::new(),
            confirmations,
            congested_until: 0,
            censored: None,
            salt: 0,
        };
        chain.mine(now);
        chain
    }

    pub(crate) fn head(&self) -> u64 {
        u64::try_from(self.blocks.len()).unwrap() - 1
    }

    pub(crate) fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// The last block that counts as confirmed, if there is one.
    pub(crate) fn confirmed(&self) -> Option<u64> {
        self.head().checked_sub(u64::try_from(self.confirmations).unwrap())
    }

    pub(crate) fn point(&self, number: u64) -> Option<ChainPoint> {
        let block = self.block(number)?;
        let (chain, hash, timestamp) = (self.ledger.key.chain, block.hash, UnixSeconds(block.time));
        Some(ChainPoint { chain, number, hash, timestamp })
    }

    fn is_held_back(&self, tx: &Tx, now: u64) -> bool {
        let overdue = tx.submitted + MAX_DELAY_S <= now;
        let censored = self.censored.is_some_and(|(who, until)| who == tx.by && now < until);
        !overdue && (tx.not_before > now || now < self.congested_until || censored)
    }

    /// The next block.
    pub(crate) fn mine(&mut self, now: u64) {
        self.salt += 1;
        let number = u64::try_from(self.blocks.len()).unwrap();
        let parent = self.blocks.last().map_or(Hash::ZERO, |block| block.hash);
        let mut seed = parent.0.to_vec();
        seed.extend(number.to_be_bytes().into_iter().chain(self.salt.to_be_bytes()));
        let hash = Hash(xln_core::proof::body_hash(&seed).0);
        let time = self.blocks.last().map_or(now, |block| now.max(block.time));
        let (txs, changes, reveals, closings, wrong) = Default::default();
        let mut block = Block { hash, time, txs, changes, reveals, closings, wrong };
        for tx in std::mem::take(&mut self.waiting) {
            if self.is_held_back(&tx, now) {
                self.waiting.push(tx);
                continue;
            }
            match self.ledger.execute(tx.entity, &tx.operation, UnixSeconds(time)) {
                Ok(outcome) => {
                    block.changes.extend(outcome.changes);
                    block.reveals.extend(outcome.reveal);
                    block.closings.extend(outcome.closing);
                    block.txs.push((tx, true));
                }
                // What may still work is tried again with every block.
                Err(Rule::Later) => self.waiting.push(tx),
                Err(Rule::Overtaken) => block.txs.push((tx, true)),
                Err(Rule::Refused) => {
                    if tx.is_answer(&self.ledger) {
                        block.wrong.push(tx.clone());
                    }
                    block.txs.push((tx, false));
                }
            }
        }
        self.blocks.push(block);
        self.past.push(self.ledger.clone());
        if self.past.len() > KEPT {
            self.past.remove(0);
        }
    }

    /// The last blocks are replaced by as many others; what stood in them waits again, some of it for longer.
    pub(crate) fn reorganise(&mut self, depth: usize, now: u64, delayed: u64) -> bool {
        let depth = depth.min(self.confirmations).min(self.past.len().saturating_sub(1));
        if depth == 0 || self.blocks.len() <= depth {
            return false;
        }
        let gone = self.blocks.split_off(self.blocks.len() - depth);
        self.past.truncate(self.past.len() - depth);
        self.ledger = self.past.last().unwrap().clone();
        let times: Vec<u64> = gone.iter().map(|block| block.time).collect();
        let txs = gone.into_iter().flat_map(|block| block.txs);
        let back = txs.enumerate().map(|(i, (mut tx, _))| {
            if (delayed >> (i % 64)) & 1 == 1 {
                (tx.not_before, tx.submitted) = (now + 60, now);
            }
            tx
        });
        let back: Vec<Tx> = back.collect();
        self.waiting.splice(0..0, back);
        for time in times {
            self.mine(time);
        }
        true
    }
}
