//! The small reference model: what each channel must hold, counted by hand from the blocks that were agreed, and what became
//! of everything that was commanded. It shares no code with the rules that it checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xln_core::block::Block;
use xln_core::channel::CommandId;
use xln_core::state::{ChannelState, Pending};
use xln_core::transition::Transition;
use xln_core::types::{Hash, Nonce, Pair, Side, SubchannelKey, TokenId};

use super::ledger::Closing;

/// A finding, in words.
pub(crate) type Found = Result<(), String>;

/// What makes a command different from all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Mark {
    Amount(u128),
    Lock(Hash),
}

/// A command of an application and what became of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Issue {
    /// The node has said yes; else it died over it.
    pub(crate) accepted: bool,
    pub(crate) agreed: bool,
    pub(crate) failed: bool,
    /// Its node was restored from a backup since, or has said that it cannot tell.
    pub(crate) unknown: bool,
    /// A state that was not agreed was enforced with it.
    pub(crate) enforced: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Open {
    Lock { payer: Side, token: TokenId, amount: u128, hash: Hash },
    Offer { maker: Side, give: TokenId, offered: u128, want: TokenId, wanted: u128, left: u128 },
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Coin {
    pub(crate) offdelta: i128,
    pub(crate) left_limit: u128,
    pub(crate) right_limit: u128,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) epoch: u32,
    pub(crate) coins: BTreeMap<TokenId, Coin>,
    pub(crate) open: BTreeMap<u64, Open>,
    point: Option<u64>,
}

/// One channel.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) pair: Pair,
    pub(crate) head: (Nonce, Hash),
    next_id: u64,
    pub(crate) parts: BTreeMap<SubchannelKey, Part>,
    /// Agreed states.
    agreed: BTreeMap<Nonce, Hash>,
    pub(crate) issues: BTreeMap<(Side, Mark), Issue>,
    /// Locks that were added, by author and hash: once each.
    added: BTreeSet<(Side, Hash)>,
    /// Who was restored from a backup.
    pub(crate) forgetful: BTreeSet<Side>,
    /// What was settled: who, payer or not, under which hash, how much.
    pub(crate) flows: Vec<(Side, Hash, u128)>,
    /// The same, by what chains have enforced: no backup takes that back.
    pub(crate) paid_out: Vec<(Side, Hash, u128)>,
    /// Settlements and closes, and the nonce of the block that made them; 0 for the one that is being looked at.
    settlements: BTreeMap<(SubchannelKey, u64), Nonce>,
    /// Blocks that were on the wire, by hash and by nonce.
    pub(crate) seen: BTreeMap<Hash, Arc<Block>>,
    /// Who has signed what at a nonce.
    pub(crate) signed: BTreeMap<(Side, Nonce), Hash>,
    pub(crate) blocks: u64,
}

fn signed(side: Side, amount: u128) -> i128 {
    let amount = i128::try_from(amount).unwrap();
    if side.is_left() { -amount } else { amount }
}

impl Book {
    pub(crate) fn new(pair: Pair) -> Self {
        Self {
            pair,
            head: (Nonce(0), Hash::ZERO),
            next_id: 1,
            parts: BTreeMap::new(),
            agreed: BTreeMap::new(),
            issues: BTreeMap::new(),
            added: BTreeSet::new(),
            forgetful: BTreeSet::new(),
            flows: Vec::new(),
            paid_out: Vec::new(),
            settlements: BTreeMap::new(),
            seen: BTreeMap::new(),
            signed: BTreeMap::new(),
            blocks: 0,
        }
    }

    /// Since when a settlement is agreed.
    pub(crate) fn settlement_since(&self, key: &SubchannelKey, id: u64) -> Option<Nonce> {
        self.settlements.get(&(*key, id)).copied()
    }

    /// A party's last agreed state: one of those that were agreed, or the next.
    pub(crate) fn committed(&mut self, state: &ChannelState) -> Found {
        if state.nonce == Nonce(0) {
            return Ok(());
        }
        if state.nonce <= self.head.0 {
            return match self.agreed.get(&state.nonce) {
                Some(hash) if *hash == state.block_hash => Ok(()),
                other => Err(format!("at {:?} {} is agreed beside {other:?}", state.nonce, state.block_hash)),
            };
        }
        let mut path = Vec::new();
        let mut hash = state.block_hash;
        while hash != self.head.1 {
            let Some(block) = self.seen.get(&hash).cloned() else {
                return Err(format!("agreed block {hash} does not follow from {:?}, or was never sent", self.head));
            };
            hash = block.prev_block_hash;
            path.push(block);
            if path.len() > 4096 {
                return Err(format!("two histories: {:?} is no ancestor of {}", self.head, state.block_hash));
            }
        }
        for block in path.into_iter().rev() {
            self.agree(&block)?;
        }
        self.compare(state)
    }

    /// One party has lost what it had agreed alone: the other's last state is the last one now.
    pub(crate) fn roll_back(&mut self, state: &ChannelState) -> Found {
        if state.nonce >= self.head.0 {
            return Ok(());
        }
        let mut again = Self::new(self.pair);
        (again.seen, again.signed) = (self.seen.clone(), self.signed.clone());
        (again.issues, again.paid_out) = (self.issues.clone(), self.paid_out.clone());
        again.forgetful = self.forgetful.clone();
        again.issues.values_mut().for_each(|issue| issue.agreed = false);
        again.committed(state)?;
        *self = again;
        Ok(())
    }

    /// A hop that has lost its memory passes on again what came to nothing before: nothing is open or was paid for it.
    fn may_lock_again(&self, by: Side, hash: &Hash) -> bool {
        let open = self.parts.values().flat_map(|part| part.open.values());
        let mut same =
            open.filter(|open| matches!(open, Open::Lock { payer, hash: of, .. } if *payer == by && of == hash));
        let mut paid = self.flows.iter().chain(&self.paid_out).filter(|(payer, of, _)| *payer == by && of == hash);
        self.forgetful.contains(&by) && same.next().is_none() && paid.next().is_none()
    }

    fn agree(&mut self, block: &Arc<Block>) -> Found {
        let (hash, nonce) = (block.hash().unwrap(), block.nonce().unwrap());
        if nonce <= self.head.0 {
            return Err(format!("agreed nonce {nonce:?} is not above {:?}", self.head.0));
        }
        self.blocks += 1;
        let raised: BTreeSet<SubchannelKey> = self.raised(block);
        for transition in &block.transitions {
            if let Some(key) = transition.key()
                && raised.contains(key)
                && !matches!(transition, Transition::SyncChain { .. })
            {
                return Err(format!("{transition:?} stands in the block that raises the epoch"));
            }
            self.apply(block.proposer, transition, true)?;
        }
        self.settlements.values_mut().filter(|made| **made == Nonce(0)).for_each(|made| *made = nonce);
        self.head = (nonce, hash);
        self.agreed.insert(nonce, hash);
        Ok(())
    }

    fn raised(&self, block: &Block) -> BTreeSet<SubchannelKey> {
        let raises = block.transitions.iter().filter_map(|transition| match transition {
            Transition::SyncChain { key, facts, .. } => {
                self.parts.get(key).is_some_and(|part| facts.epoch > part.epoch).then_some(*key)
            }
            _ => None,
        });
        raises.collect()
    }

    fn coin(&mut self, key: &SubchannelKey, token: TokenId) -> Result<&mut Coin, String> {
        let coins = self.parts.get_mut(key).map(|part| &mut part.coins);
        coins.and_then(|coins| coins.get_mut(&token)).ok_or_else(|| format!("no {token:?} in {key:?}"))
    }

    fn part(&mut self, key: &SubchannelKey) -> Result<&mut Part, String> {
        self.parts.get_mut(key).ok_or_else(|| format!("no subchannel {key:?}"))
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Applies one transition; `agreed` or else enforced without having been agreed.
    pub(crate) fn apply(&mut self, by: Side, transition: &Transition, agreed: bool) -> Found {
        match transition {
            Transition::OpenSubchannel { key, .. } => drop(self.parts.insert(*key, Part::default())),
            Transition::CloseSubchannel { key } => drop(self.parts.remove(key)),
            Transition::AddToken { key, token } => {
                self.part(key)?.coins.insert(*token, Coin::default());
            }
            Transition::RemoveToken { key, token } => {
                self.part(key)?.coins.remove(token);
            }
            Transition::SetCreditLimit { key, token, limit } => {
                let coin = self.coin(key, *token)?;
                if by.is_left() {
                    coin.right_limit = *limit;
                } else {
                    coin.left_limit = *limit;
                }
            }
            Transition::DirectPayment { key, token, amount } => {
                self.take(by, Mark::Amount(*amount), agreed)?;
                self.coin(key, *token)?.offdelta += signed(by, *amount);
            }
            Transition::AddPayment { key, token, amount, hash, onion, .. } => {
                let mark = Mark::Lock(*hash);
                if self.issues.contains_key(&(by, mark)) || onion.is_empty() {
                    self.take(by, mark, agreed)?;
                }
                if !self.added.insert((by, *hash)) && !self.may_lock_again(by, hash) {
                    return Err(format!("{by:?} has locked twice under {hash}"));
                }
                let (id, lock) = (self.id(), Open::Lock { payer: by, token: *token, amount: *amount, hash: *hash });
                self.part(key)?.open.insert(id, lock);
            }
            Transition::SettlePayment { key, id, .. } => {
                let Some(Open::Lock { payer, token, amount, hash }) = self.part(key)?.open.remove(id) else {
                    return Err(format!("lock {id} is settled and is not there"));
                };
                self.coin(key, token)?.offdelta += signed(payer, amount);
                self.flows.push((payer, hash, amount));
            }
            Transition::CancelPayment { key, id } | Transition::FailPayment { key, id, .. } => {
                let found = self.part(key)?.open.remove(id);
                if !matches!(found, Some(Open::Lock { .. })) {
                    return Err(format!("lock {id} ends and is not there"));
                }
            }
            Transition::OfferSwap { key, give_token, give, want_token, want, .. } => {
                let id = self.id();
                let (give, offered, want, wanted) = (*give_token, *give, *want_token, *want);
                let offer = Open::Offer { maker: by, give, offered, want, wanted, left: offered };
                self.part(key)?.open.insert(id, offer);
            }
            Transition::FillSwap { key, id, fill } => {
                let part = self.part(key)?;
                let Some(Open::Offer { maker, give, offered, want, wanted, left }) = part.open.remove(id) else {
                    return Err(format!("offer {id} is filled and is not there"));
                };
                if maker == by || *fill > left {
                    return Err(format!("{by:?} takes {fill} of {left} offered by {maker:?}"));
                }
                if left > *fill {
                    let left = left - fill;
                    part.open.insert(*id, Open::Offer { maker, give, offered, want, wanted, left });
                }
                // Rounded up, as one divides by hand.
                let price = (fill * wanted).div_ceil(offered);
                self.coin(key, give)?.offdelta += signed(maker, *fill);
                self.coin(key, want)?.offdelta += signed(by, price);
            }
            Transition::CancelSwap { key, id } => {
                if !matches!(self.part(key)?.open.remove(id), Some(Open::Offer { .. })) {
                    return Err(format!("offer {id} ends and is not there"));
                }
            }
            Transition::SyncChain { key, point, facts, .. } => {
                let part = self.part(key)?;
                if part.point.is_some_and(|last| last >= point.number) {
                    return Err(format!("SyncChain at {} follows one at {:?}", point.number, part.point));
                }
                if facts.epoch < part.epoch {
                    return Err(format!("epoch {} follows {}", facts.epoch, part.epoch));
                }
                part.point = Some(point.number);
                if facts.epoch > part.epoch {
                    part.epoch = facts.epoch;
                    part.open.clear();
                    part.coins.values_mut().for_each(|coin| *coin = Coin::default());
                }
            }
            Transition::ProposeSettlement { key, .. } | Transition::ProposeClose { key, .. } => {
                let id = self.id();
                self.settlements.insert((*key, id), Nonce(0));
            }
            Transition::Memo { .. } => {}
            other => return Err(format!("nobody asked for {other:?}")),
        }
        Ok(())
    }

    /// A command takes effect: once, and never after it was reported failed.
    fn take(&mut self, by: Side, mark: Mark, agreed: bool) -> Found {
        let issue = self.issues.get_mut(&(by, mark)).ok_or_else(|| format!("{by:?} never asked for {mark:?}"))?;
        if issue.agreed || issue.enforced {
            return Err(format!("{mark:?} of {by:?} takes effect twice"));
        }
        if issue.failed {
            return Err(format!("{mark:?} of {by:?} takes effect after it was reported failed"));
        }
        if agreed {
            issue.agreed = true;
        } else {
            issue.enforced = true;
        }
        Ok(())
    }

    /// Holds a state against the count.
    fn compare(&self, state: &ChannelState) -> Found {
        for (key, part) in &self.parts {
            let Some(found) = state.subchannels.get(key) else { return Err(format!("{key:?} is missing")) };
            if found.closed {
                continue;
            }
            if found.epoch != part.epoch {
                return Err(format!("epoch is {}, counted {}", found.epoch, part.epoch));
            }
            for (token, coin) in &part.coins {
                let Some(t) = found.tokens.get(token) else { return Err(format!("{token:?} is missing")) };
                let is = Coin { offdelta: t.offdelta, left_limit: t.left_limit, right_limit: t.right_limit };
                if is != *coin {
                    return Err(format!("{key:?} {token:?} is {is:?}, counted {coin:?}"));
                }
            }
            let open: BTreeMap<u64, Open> = found.pending.iter().filter_map(|(id, p)| Some((*id, open(p)?))).collect();
            if open != part.open || found.pending.len() != part.open.len() {
                return Err(format!("{key:?} has pending {open:?}, counted {:?}", part.open));
            }
            for (token, t) in &found.tokens {
                let held = |side: Side| -> u128 { part.open.values().map(|o| hold(o, side, *token)).sum() };
                let (left, right) = (held(Side::Left), held(Side::Right));
                let more = found.settlement.is_some();
                let fits = |is: u128, counted: u128| if more { is >= counted } else { is == counted };
                if !fits(t.left_hold, left) || !fits(t.right_hold, right) {
                    return Err(format!("holds of {token:?} are {t:?}, counted {left} and {right}"));
                }
            }
        }
        Ok(())
    }

    /// A state was enforced that was not agreed: what it brought has happened.
    pub(crate) fn enforce(&mut self, key: &SubchannelKey, nonce: Nonce) -> Found {
        let blocks: Vec<Arc<Block>> = self
            .seen
            .values()
            .filter(|b| b.nonce() == Ok(nonce) && b.prev_block_hash == self.head.1)
            .cloned()
            .collect();
        let [block] = blocks.as_slice() else { return Ok(()) };
        let mut copy = self.clone();
        for transition in block.transitions.iter().filter(|t| t.key() == Some(key)) {
            copy.apply(block.proposer, transition, false)?;
        }
        self.paid_out.extend(copy.flows.drain(self.flows.len()..));
        (self.issues, self.added) = (copy.issues, copy.added);
        Ok(())
    }

    /// What a close has paid of what was pending.
    pub(crate) fn pay_out(&mut self, closing: &Closing) {
        let items = closing.body.clauses.iter().flat_map(|clause| match &clause.batch {
            xln_core::proof::Batch::Payments(items) => items.clone(),
            _ => Vec::new(),
        });
        for item in items.filter(|item| closing.paid.contains(&item.hash)) {
            self.paid_out.push((item.payer, item.hash, item.amount));
        }
    }

    /// A command has come to its end, as its node says.
    pub(crate) fn failed(&mut self, by: Side, mark: Mark, fate_unknown: bool) -> Found {
        let Some(issue) = self.issues.get_mut(&(by, mark)) else { return Ok(()) };
        if fate_unknown {
            issue.unknown = true;
        } else if issue.agreed {
            return Err(format!("{mark:?} of {by:?} is agreed and reported failed"));
        } else if issue.enforced {
            return Err(format!("{mark:?} of {by:?} was enforced and is reported failed"));
        } else {
            issue.failed = true;
        }
        Ok(())
    }
}

fn hold(open: &Open, side: Side, of: TokenId) -> u128 {
    match open {
        Open::Lock { payer, token, amount, .. } if *payer == side && *token == of => *amount,
        Open::Offer { maker, give, left, .. } if *maker == side && *give == of => *left,
        _ => 0,
    }
}

fn open(pending: &Pending) -> Option<Open> {
    Some(match pending {
        Pending::Payment(p) => Open::Lock { payer: p.payer, token: p.token, amount: p.amount, hash: p.hash },
        Pending::Swap(s) => Open::Offer {
            maker: s.maker,
            give: s.give_token,
            offered: s.give,
            want: s.want_token,
            wanted: s.want,
            left: s.remaining,
        },
        Pending::Subcontract(_) => return None,
    })
}

/// Commands by who gave them in which life, and their names there.
pub(crate) type Named = BTreeMap<(usize, u32, CommandId), (Pair, Side, Mark)>;
