//! Reserves and debts as `docs/protocol.md` sections 1 and 7 have them, written a second time and plainly.

use std::collections::BTreeMap;

use xln_core::proof::TokenSplit;
use xln_core::types::{EntityId, Pair, Side, TokenId};

/// Older debts that one finalize looks at.
const BUDGET: usize = 8;

/// Open debts, oldest first: index, creditor, amount.
type Queue = Vec<(u64, EntityId, u128)>;

#[derive(Clone, Default, Debug)]
pub struct Ledger {
    reserves: BTreeMap<(EntityId, TokenId), u128>,
    debts: BTreeMap<(EntityId, TokenId), Queue>,
    next_index: BTreeMap<(EntityId, TokenId), u64>,
}

impl Ledger {
    pub fn reserve(&self, entity: EntityId, token: TokenId) -> u128 {
        self.reserves.get(&(entity, token)).copied().unwrap_or(0)
    }

    pub fn debts(&self, entity: EntityId, token: TokenId) -> Queue {
        self.debts.get(&(entity, token)).cloned().unwrap_or_default()
    }

    pub fn credit(&mut self, entity: EntityId, token: TokenId, amount: u128) {
        *self.reserves.entry((entity, token)).or_default() += amount;
    }

    pub fn debit(&mut self, entity: EntityId, token: TokenId, amount: u128) {
        *self.reserves.entry((entity, token)).or_default() -= amount;
    }

    /// Takes the outcome of one epoch.
    pub fn settle(&mut self, pair: &Pair, splits: &[TokenSplit]) {
        let mut budget = BUDGET;
        for split in splits {
            if let Some((side, owed)) = split.debt {
                let (debtor, creditor) = (pair.entity(side), pair.entity(side.other()));
                self.pay_debts(debtor, split.token, &mut budget);
                let mut paid = 0;
                if self.debts(debtor, split.token).is_empty() {
                    paid = owed.min(self.reserve(debtor, split.token));
                    self.debit(debtor, split.token, paid);
                    self.credit(creditor, split.token, paid);
                }
                if paid < owed {
                    let index = self.next_index.entry((debtor, split.token)).or_default();
                    self.debts.entry((debtor, split.token)).or_default().push((*index, creditor, owed - paid));
                    *index += 1;
                }
            }
            self.credit(pair.entity(Side::Left), split.token, split.left_reserve);
            self.credit(pair.entity(Side::Right), split.token, split.right_reserve);
        }
    }

    fn pay_debts(&mut self, debtor: EntityId, token: TokenId, budget: &mut usize) {
        while *budget > 0 {
            let Some(&(_, creditor, amount)) = self.debts.get(&(debtor, token)).and_then(|queue| queue.first()) else {
                return;
            };
            let part = amount.min(self.reserve(debtor, token));
            if part == 0 {
                return;
            }
            *budget -= 1;
            self.debit(debtor, token, part);
            self.credit(creditor, token, part);
            let queue = self.debts.get_mut(&(debtor, token)).unwrap();
            if part == amount {
                queue.remove(0);
            } else {
                queue[0].2 -= part;
                return;
            }
        }
    }
}
