//! Reserves and debts of one Depository as `docs/protocol.md` sections 1, 3 and 7 have them, written a second time and
//! plainly, without a look at the contracts' storage.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use xln_core::proof::TokenSplit;
use xln_core::types::{EntityId, Pair, Side, TokenId};

use super::planted::{Mistake, is_planted};

/// Older debts that one finalize, close or outflow looks at.
const LOOKED_AT: u64 = 8;
/// Amounts are below this.
const LIMIT: U256 = U256::from_limbs([0, 1 << 63, 0, 0]);

/// Why the rules refuse something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Zero moves nothing.
    Zero,
    /// A number leaves the range.
    Range,
    /// A reserve or collateral does not hold it.
    Short,
    /// Older debts come first, and remain.
    Debts,
    /// Who acts, or signs, may not.
    Authority,
    /// A dispute runs that must not, or none that must, or another one.
    Dispute,
    /// Too early, or too late.
    Time,
    /// Bytes are not what they must be.
    Shape,
    /// A payment is undecided.
    Pending,
    /// The shown state is no newer one.
    Stale,
    /// The registry takes only what is so.
    NotSo,
    /// Only the owner can give it away.
    NotTheOwner,
}

/// What one entity owes in one token, oldest first; entries that were forgiven keep their place until they are passed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Queue {
    /// Index, creditor, amount.
    entries: Vec<(u64, EntityId, U256)>,
    next: u64,
}

impl Queue {
    /// Entries that are owed, oldest first.
    pub(crate) fn open(&self) -> impl Iterator<Item = &(u64, EntityId, U256)> {
        self.entries.iter().filter(|(.., amount)| !amount.is_zero())
    }

    /// How many there were ever.
    pub(crate) fn ever(&self) -> u64 {
        self.next
    }

    fn is_empty(&self) -> bool {
        self.open().next().is_none()
    }

    fn push(&mut self, creditor: EntityId, amount: U256) {
        self.entries.push((self.next, creditor, amount));
        self.next = self.next.saturating_add(1);
    }
}

type Place = (EntityId, TokenId);

/// All reserves and debts of one Depository.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Books {
    reserves: BTreeMap<Place, U256>,
    debts: BTreeMap<Place, Queue>,
}

impl Books {
    /// What an entity has free.
    pub(crate) fn reserve(&self, entity: EntityId, token: TokenId) -> U256 {
        self.reserves.get(&(entity, token)).copied().unwrap_or_default()
    }

    /// What an entity owes.
    pub(crate) fn debts(&self, entity: EntityId, token: TokenId) -> Queue {
        self.debts.get(&(entity, token)).cloned().unwrap_or_default()
    }

    /// Queues that somebody owes in.
    pub(crate) fn queues(&self) -> impl Iterator<Item = (&Place, &Queue)> {
        self.debts.iter()
    }

    fn pay_in(&mut self, entity: EntityId, token: TokenId, amount: U256) {
        let reserve = self.reserves.entry((entity, token)).or_default();
        *reserve = reserve.saturating_add(amount);
    }

    fn take_out(&mut self, entity: EntityId, token: TokenId, amount: U256) {
        let reserve = self.reserves.entry((entity, token)).or_default();
        *reserve = reserve.saturating_sub(amount);
    }

    /// A deposit or a transfer arrives.
    pub(crate) fn credit(&mut self, entity: EntityId, token: TokenId, amount: U256) -> Result<(), Rule> {
        let sum = self.reserve(entity, token).saturating_add(amount);
        if amount >= LIMIT || sum >= LIMIT {
            return Err(Rule::Range);
        }
        self.pay_in(entity, token, amount);
        Ok(())
    }

    /// An outflow: the owner's older debts first, and nothing while any remain.
    pub(crate) fn debit(&mut self, entity: EntityId, token: TokenId, amount: U256) -> Result<(), Rule> {
        let _ = self.pay_debts(entity, token, LOOKED_AT);
        if !self.debts(entity, token).is_empty() {
            return Err(Rule::Debts);
        }
        if amount > self.reserve(entity, token) {
            return Err(Rule::Short);
        }
        self.take_out(entity, token, amount);
        Ok(())
    }

    /// Pays debts from the oldest on and looks at no more than `most` of them. Gives how many it looked at.
    pub(crate) fn pay_debts(&mut self, debtor: EntityId, token: TokenId, most: u64) -> u64 {
        let mut seen = 0_u64;
        while seen < most && !self.debts(debtor, token).is_empty() {
            let Some(&(_, creditor, amount)) = self.debts(debtor, token).entries.first() else { break };
            let part = amount.min(self.reserve(debtor, token));
            if part.is_zero() && !amount.is_zero() {
                break;
            }
            seen = seen.saturating_add(1);
            self.take_out(debtor, token, part);
            self.pay_in(creditor, token, part);
            let queue = self.debts.entry((debtor, token)).or_default();
            if part == amount {
                queue.entries.remove(0);
            } else if let Some(first) = queue.entries.first_mut() {
                first.2 = amount.saturating_sub(part);
                break;
            }
        }
        // Places of forgiven entries behind the last debt mean nothing.
        if self.debts(debtor, token).is_empty()
            && let Some(queue) = self.debts.get_mut(&(debtor, token))
        {
            queue.entries.clear();
        }
        seen
    }

    /// The creditor lets one entry go. One that was paid meanwhile is no error.
    pub(crate) fn forgive(
        &mut self,
        debtor: EntityId,
        creditor: EntityId,
        token: TokenId,
        index: u64,
    ) -> Result<(), Rule> {
        let queue = self.debts.entry((debtor, token)).or_default();
        if index >= queue.next {
            return Err(Rule::Shape);
        }
        let Some(entry) = queue.entries.iter_mut().find(|(i, ..)| *i == index) else { return Ok(()) };
        if !entry.2.is_zero() && entry.1 != creditor {
            return Err(Rule::Authority);
        }
        entry.2 = U256::ZERO;
        if queue.is_empty() {
            queue.entries.clear();
        }
        Ok(())
    }

    /// The end of an epoch: everyone gets its part, and what is owed is taken from the debtor's reserve, as far as that goes
    /// after its older debts.
    pub(crate) fn settle(&mut self, pair: &Pair, splits: &[TokenSplit]) {
        let mut budget = LOOKED_AT;
        for split in splits {
            if let Some((side, owed)) = split.debt {
                let (debtor, creditor) = (pair.entity(side), pair.entity(side.other()));
                let seen = self.pay_debts(debtor, split.token, budget);
                budget = budget.saturating_sub(seen);
                self.owe(debtor, creditor, split.token, U256::from(owed));
            }
            self.pay_in(pair.entity(Side::Left), split.token, U256::from(split.left_reserve));
            self.pay_in(pair.entity(Side::Right), split.token, U256::from(split.right_reserve));
        }
    }

    fn owe(&mut self, debtor: EntityId, creditor: EntityId, token: TokenId, owed: U256) {
        let mut paid = U256::ZERO;
        if self.debts(debtor, token).is_empty() && !is_planted(Mistake::ReserveSpared) {
            paid = owed.min(self.reserve(debtor, token));
            self.take_out(debtor, token, paid);
            self.pay_in(creditor, token, paid);
        }
        if paid < owed {
            self.debts.entry((debtor, token)).or_default().push(creditor, owed.saturating_sub(paid));
        }
    }
}
