//! One function for each kind of step: it looks for something that can be done, and now and then does it wrong.

mod clauses;
mod disputes;
mod events;
mod money;
mod pending;

use serde_json::{Value, json};
use xln_core::types::{Pair, Side};

use super::people::Coin;
use super::teller::{Made, Teller};
use crate::scenario::world::World;

/// The longest lock, in seconds.
const LONGEST_S: u64 = 604_800;

fn set(step: &mut Value, field: &str, value: Value) {
    if let Some(fields) = step.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

impl Teller {
    pub(in crate::scenario::history) fn who(&mut self) -> String {
        self.random.choose(&self.cast.entities)
    }

    pub(in crate::scenario::history) fn two(&mut self) -> (String, String) {
        let by = self.who();
        let others: Vec<String> = self.cast.entities.iter().filter(|name| **name != by).cloned().collect();
        let peer = if self.random.chance(1) { by.clone() } else { self.random.choose(&others) };
        (by, peer)
    }

    pub(in crate::scenario::history) fn coin(&mut self) -> Coin {
        self.random.choose(&self.cast.tokens)
    }

    /// The other token of a swap: nearly always another one of the same chain.
    pub(in crate::scenario::history) fn other_coin(&mut self, coin: &Coin) -> Option<Coin> {
        let same = |other: &&Coin| other.chain == coin.chain && other.name != coin.name;
        let others: Vec<Coin> = self.cast.tokens.iter().filter(same).cloned().collect();
        if self.random.chance(3) { Some(self.coin()) } else { self.random.pick(&others).cloned() }
    }

    pub(in crate::scenario::history) fn reserve(&self, world: &World, who: &str, coin: &Coin) -> u128 {
        free(world, who, coin)
    }

    /// What one can send to the other.
    pub(in crate::scenario::history) fn capacity(&self, world: &World, by: &str, peer: &str, coin: &Coin) -> u128 {
        let (Some(channel), Ok(key), Ok(place)) =
            (world.view(by, peer), world.ground.key(&coin.name), world.ground.find(&coin.name))
        else {
            return 0;
        };
        if channel.frozen(&key).is_some() {
            return 0;
        }
        let tokens = place.ids.iter().filter_map(|id| channel.state().token(&key, *id));
        let amounts = tokens.filter_map(|t| t.out_capacity(channel.side()).ok());
        amounts.max().unwrap_or(0)
    }

    /// A part of what there is; nothing to tell if there is nothing, but for once.
    pub(in crate::scenario::history) fn part(&mut self, available: u128) -> Option<String> {
        if available == 0 && !self.random.chance(3) {
            return None;
        }
        Some(self.random.around(available).to_string())
    }

    pub(in crate::scenario::history) fn expires_in_s(&mut self) -> u64 {
        let window = self.cast.window_s;
        let usual = [0, 1, 60, window, window.saturating_add(1), 3600, 86_400, 86_400, 86_400, LONGEST_S];
        if self.random.chance(3) { LONGEST_S.saturating_add(1) } else { self.random.choose(&usual) }
    }

    /// A lock or an offer: nearly always one that is pending.
    pub(in crate::scenario::history) fn made(&mut self, world: &World, of: &[Made], frozen: bool) -> Option<Made> {
        let pending = |made: &&Made| {
            let named = world.named.get(&made.name);
            let found = named.and_then(|n| {
                let channel = world.view(&n.by, &n.peer).filter(|c| frozen || c.frozen(&n.key).is_none())?;
                let subchannel = channel.state().subchannels.get(&n.key)?;
                subchannel.pending.get(&n.id?).map(|_| ())
            });
            found.is_some()
        };
        let open: Vec<Made> = of.iter().filter(pending).cloned().collect();
        if self.random.chance(5) { self.random.pick(of).cloned() } else { self.random.pick(&open).cloned() }
    }

    pub(in crate::scenario::history) fn a_lock(&mut self, world: &World, frozen: bool) -> Option<Made> {
        let locks = self.locks.clone();
        self.made(world, &locks, frozen)
    }

    pub(in crate::scenario::history) fn on_a_chain(&mut self, step: &mut Value) {
        if self.random.chance(20) {
            let chain = self.coin().chain;
            set(step, "chain", json!(chain));
        }
    }

    /// A channel in dispute: starter, the other, and the chain.
    pub(in crate::scenario::history) fn disputed(&mut self, world: &World) -> Option<(String, String)> {
        let mut running: Vec<(Pair, Side)> = Vec::new();
        for chain in world.ground.places.keys() {
            let lines = world.shadow.ledger(chain).into_iter().flat_map(|ledger| &ledger.lines);
            running.extend(lines.filter_map(|(pair, line)| Some((*pair, line.dispute?.starter))));
        }
        let (pair, starter) = *self.random.pick(&running)?;
        Some((world.name(&pair.entity(starter)), world.name(&pair.entity(starter.other()))))
    }
}

fn free(world: &World, who: &str, coin: &Coin) -> u128 {
    u128::try_from(world.free(who, &coin.name)).unwrap_or(u128::MAX)
}
