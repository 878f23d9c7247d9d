//! What one node sees of a chain: confirmed blocks in order, sightings of what is not confirmed, and what has vanished. The
//! rules are those of `xln_chain::watch`, on blocks that need no decoding.

use std::collections::{BTreeMap, BTreeSet};

use xln_core::chain::{ChainChange, ChainFact, ChangeKind};
use xln_core::machine::Input;
use xln_core::types::{EntityId, Hash, Pair};

use super::chain::{Block, Chain};

type Sight = (Pair, bool);

/// One node's eye on one chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watcher {
    /// The next block to be confirmed.
    next: u64,
    /// Unconfirmed blocks whose sightings were reported.
    reported: BTreeMap<Hash, (u64, Vec<Sight>)>,
    /// Sightings that stand in no block any more, and the head at which that was noticed.
    lost: BTreeMap<Sight, u64>,
}

const fn is_sight(kind: &ChangeKind) -> bool {
    matches!(kind, ChangeKind::Dispute { .. } | ChangeKind::Closed { .. })
}

fn changes_of(block: &Block, me: EntityId) -> impl Iterator<Item = &ChainChange> {
    block.changes.iter().filter(move |change| change.pair.side(&me).is_some())
}

fn sights(block: &Block, me: EntityId) -> Vec<Sight> {
    let found = changes_of(block, me).filter(|change| is_sight(&change.kind));
    found.map(|change| (change.pair, matches!(change.kind, ChangeKind::Closed { .. }))).collect()
}

impl Watcher {
    /// Goes on behind what the machine has; what was sighted is told again.
    pub(crate) fn resume(&mut self, seen: Option<u64>) {
        self.next = seen.map_or(0, |number| number + 1);
        for (number, sights) in std::mem::take(&mut self.reported).into_values() {
            for sight in sights {
                self.lost.entry(sight).or_insert(number);
            }
        }
    }

    /// What is new; for each confirmed block its facts, then the ends of the node's own transactions in it.
    pub(crate) fn poll(&mut self, chain: &Chain, who: usize, life: u32, me: EntityId) -> Vec<Input> {
        let (head, confirmed) = (chain.head(), chain.confirmed());
        let mut inputs = Vec::new();
        let gone = |hash: &Hash, number: u64| chain.block(number).is_none_or(|block| block.hash != *hash);
        let lost: Vec<Hash> = self.reported.iter().filter(|(h, (n, _))| gone(h, *n)).map(|(h, _)| *h).collect();
        for hash in lost {
            for sight in self.reported.remove(&hash).map(|(_, sights)| sights).unwrap_or_default() {
                self.lost.entry(sight).or_insert(head);
            }
        }
        for number in self.next..=head {
            let Some(block) = chain.block(number) else { continue };
            for sight in sights(block, me) {
                self.lost.remove(&sight);
            }
        }
        let mut again = BTreeSet::new();
        while confirmed.is_some_and(|confirmed| self.next <= confirmed) {
            let number = self.next;
            self.next += 1;
            let (Some(block), Some(point)) = (chain.block(number), chain.point(number)) else { break };
            self.reported.remove(&block.hash);
            again.extend(sights(block, me).into_iter().map(|(pair, _)| pair));
            let changes = changes_of(block, me).cloned().collect();
            let (reveals, facts, entities) = (block.reveals.clone(), Vec::new(), Vec::new());
            inputs.push(Input::Chain(ChainFact::Block { point, changes, reveals, facts, entities }));
            for (tx, success) in &block.txs {
                if let Some((its, effect)) = tx.cause
                    && tx.by == who
                    && its == life
                {
                    inputs.push(Input::Completed { effect, success: *success });
                }
            }
        }
        let wait = u64::try_from(chain.confirmations).unwrap();
        let mut vanished = BTreeSet::new();
        self.lost.retain(|(pair, _), since| {
            let over = *since + wait <= head;
            if over {
                vanished.insert(*pair);
            }
            !over
        });
        let key = chain.ledger.key;
        inputs.extend(vanished.iter().map(|pair| Input::Chain(ChainFact::Vanished { key, pair: *pair })));
        again.extend(vanished);
        for number in self.next..=head {
            let Some(block) = chain.block(number) else { continue };
            let fresh = !self.reported.contains_key(&block.hash);
            for change in changes_of(block, me).filter(|change| is_sight(&change.kind)) {
                if fresh || again.contains(&change.pair) {
                    inputs.push(Input::Chain(ChainFact::Sighted { change: change.clone() }));
                }
            }
            self.reported.insert(block.hash, (number, sights(block, me)));
        }
        inputs
    }
}
