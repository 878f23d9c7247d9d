//! What the auditor knows by itself: every command with its fate, every block that was ever sent, and the sum of what the
//! agreed ones pay. It reads messages, never a node's memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xln_core::block::Block;
use xln_core::transition::Transition;
use xln_core::types::{Hash, Nonce, Side};
use xln_core::wire::{Message, Part};

use super::child::{KEY, USD};
use super::frames::Standing;

/// A command, named by what is unique in it: the amount of a payment or lock, the id that a settlement settles.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Name {
    /// A payment or lock of this amount.
    Amount(u128),
    /// The settlement of this lock.
    Settle(u64),
}

/// What is known of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Given to a process that died before it answered.
    InDoubt,
    /// Acknowledged as accepted.
    Accepted,
    /// Refused, or known to be in no block although everything has come to rest.
    Nothing,
    /// In an agreed block.
    Done,
}

/// A lock that is agreed and open.
#[derive(Clone, Copy, Debug)]
struct Lock {
    payer: Side,
    amount: u128,
}

/// The auditor's own book of one channel.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    commands: BTreeMap<(Side, Name), Fate>,
    blocks: BTreeMap<Hash, Arc<Block>>,
    /// Per side, what each nonce was signed for.
    signed: BTreeMap<Side, BTreeMap<Nonce, Hash>>,
    /// The last block that was audited.
    audited: Hash,
    offdelta: i128,
    next_id: u64,
    locks: BTreeMap<u64, Lock>,
    /// Commands that a kill left in doubt and that turned out done.
    pub(crate) doubts_done: u64,
    /// Commands that a kill left in doubt and that never took effect.
    pub(crate) doubts_gone: u64,
    /// Agreed blocks that were audited.
    pub(crate) audited_blocks: u64,
    /// Payments and settlements in them.
    pub(crate) moves: u64,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { next_id: 1, ..Self::default() }
    }

    /// A command is given to a process.
    pub(crate) fn given(&mut self, side: Side, name: Name) {
        self.commands.insert((side, name), Fate::InDoubt);
    }

    /// The process acknowledged it.
    pub(crate) fn answered(&mut self, side: Side, name: Name, accepted: bool) {
        let fate = if accepted { Fate::Accepted } else { Fate::Nothing };
        self.commands.insert((side, name), fate);
    }

    /// Locks that `side` can settle.
    pub(crate) fn settleable(&self, side: Side) -> Vec<(u64, u128)> {
        let mine = self.locks.iter().filter(|(_, lock)| lock.payer != side);
        mine.map(|(id, lock)| (*id, lock.amount)).collect()
    }

    /// Open locks that `side` pays.
    pub(crate) fn paying(&self, side: Side) -> usize {
        self.locks.values().filter(|lock| lock.payer == side).count()
    }

    /// Whether a command is known to be in no block.
    pub(crate) fn is_given(&self, side: Side, name: Name) -> bool {
        self.commands.get(&(side, name)).is_some_and(|fate| *fate != Fate::Nothing)
    }

    /// A message left a process: whatever it signs must outrank all that this side has signed, or be the same again.
    pub(crate) fn sent(&mut self, side: Side, bytes: &[u8]) -> Result<(), String> {
        let message = Message::decode(bytes).map_err(|error| format!("a node sent {error}"))?;
        for part in message.parts {
            let (nonce, hash) = match part {
                Part::Proposal { block, .. } => {
                    let hash = block.hash().map_err(|error| error.to_string())?;
                    let nonce = Nonce::of(block.height, block.proposer).ok_or("height out of range")?;
                    self.blocks.insert(hash, block);
                    (nonce, hash)
                }
                Part::Ack { height, block_hash, .. } => {
                    (Nonce::of(height, side.other()).ok_or("height out of range")?, block_hash)
                }
                Part::Reestablish { .. } => continue,
                // An honest process that was killed has lost nothing, so it never has to ask for a state.
                other => return Err(format!("{side:?} sent what it never should: {other:?}")),
            };
            let signed = self.signed.entry(side).or_default();
            let newest = signed.last_key_value().map(|(nonce, _)| *nonce);
            match signed.get(&nonce) {
                Some(known) if *known == hash => {}
                Some(known) => return Err(format!("{side:?} signed {known} and {hash} at {nonce:?}")),
                None if newest.is_some_and(|newest| nonce < newest) => {
                    return Err(format!("{side:?} signed {nonce:?} after {newest:?}"));
                }
                None => {
                    signed.insert(nonce, hash);
                }
            }
        }
        Ok(())
    }

    /// The greatest nonce that left a side's process.
    pub(crate) fn newest(&self, side: Side) -> Nonce {
        self.signed.get(&side).and_then(|signed| signed.last_key_value()).map_or(Nonce(0), |(nonce, _)| *nonce)
    }

    /// Both stand still: they must agree with each other and with this book.
    pub(crate) fn audit(&mut self, a: &Standing, b: &Standing) -> Result<(), String> {
        if (a.block, a.state) != (b.block, b.state) {
            return Err(format!("the two differ at rest: {a:?} and {b:?}"));
        }
        if a.unsettled != 0 || b.unsettled != 0 {
            return Err(format!("something still waits at rest: {a:?} and {b:?}"));
        }
        for block in self.chain_to(a.block)? {
            self.apply(&block)?;
        }
        self.audited = a.block;
        for ((side, name), fate) in &mut self.commands {
            match fate {
                Fate::Accepted => return Err(format!("{name:?} of {side:?} was acknowledged and is in no block")),
                Fate::InDoubt => {
                    self.doubts_gone = self.doubts_gone.saturating_add(1);
                    *fate = Fate::Nothing;
                }
                Fate::Nothing | Fate::Done => {}
            }
        }
        let ids: Vec<u64> = self.locks.keys().copied().collect();
        if a.offdelta != self.offdelta || a.pending != ids {
            return Err(format!("the sum is {} with {ids:?} open, the nodes have {a:?}", self.offdelta));
        }
        Ok(())
    }

    /// The blocks from the last audited one to `tip`, oldest first.
    fn chain_to(&self, tip: Hash) -> Result<Vec<Arc<Block>>, String> {
        let (mut chain, mut at, mut seen) = (Vec::new(), tip, BTreeSet::new());
        while at != self.audited {
            let block = self.blocks.get(&at).ok_or_else(|| format!("block {at} was never sent"))?;
            if !seen.insert(at) {
                return Err("blocks form a circle".into());
            }
            at = block.prev_block_hash;
            chain.push(Arc::clone(block));
        }
        chain.reverse();
        Ok(chain)
    }

    fn apply(&mut self, block: &Block) -> Result<(), String> {
        self.audited_blocks = self.audited_blocks.saturating_add(1);
        for transition in &block.transitions {
            let by = block.proposer;
            match transition {
                Transition::DirectPayment { key, token, amount } if (*key, *token) == (KEY, USD) => {
                    self.done(by, Name::Amount(*amount))?;
                    self.pay(by, *amount)?;
                }
                Transition::AddPayment { key, token, amount, .. } if (*key, *token) == (KEY, USD) => {
                    self.done(by, Name::Amount(*amount))?;
                    self.locks.insert(self.next_id, Lock { payer: by, amount: *amount });
                    self.next_id = self.next_id.saturating_add(1);
                }
                Transition::SettlePayment { id, .. } => {
                    self.done(by, Name::Settle(*id))?;
                    let lock =
                        self.locks.remove(id).ok_or_else(|| format!("lock {id} was settled and is not there"))?;
                    if lock.payer == by {
                        return Err(format!("lock {id} was settled by its payer"));
                    }
                    self.pay(lock.payer, lock.amount)?;
                }
                Transition::OpenSubchannel { .. } | Transition::AddToken { .. } | Transition::SetCreditLimit { .. } => {
                }
                other => return Err(format!("nobody asked for {other:?}")),
            }
        }
        Ok(())
    }

    fn done(&mut self, side: Side, name: Name) -> Result<(), String> {
        self.moves = self.moves.saturating_add(1);
        match self.commands.insert((side, name), Fate::Done) {
            Some(Fate::Accepted) => Ok(()),
            Some(Fate::InDoubt) => {
                self.doubts_done = self.doubts_done.saturating_add(1);
                Ok(())
            }
            Some(Fate::Done) => Err(format!("{name:?} of {side:?} stands in two blocks")),
            Some(Fate::Nothing) => Err(format!("{name:?} of {side:?} was refused or gone and stands in a block")),
            None => Err(format!("{name:?} of {side:?} was never asked for")),
        }
    }

    fn pay(&mut self, payer: Side, amount: u128) -> Result<(), String> {
        let amount = i128::try_from(amount).map_err(|error| error.to_string())?;
        let sum = match payer {
            Side::Left => self.offdelta.checked_sub(amount),
            Side::Right => self.offdelta.checked_add(amount),
        };
        self.offdelta = sum.ok_or("the sum leaves its range")?;
        Ok(())
    }
}
