//! Steps of disputes.

use serde_json::{Map, Value, json};
use xln_core::types::Pair;

use super::super::teller::{Made, Teller};
use super::set;
use crate::scenario::world::World;

impl Teller {
    pub(in crate::scenario::history) fn remember(&mut self, world: &World) -> Option<Value> {
        let (by, peer) = self.two();
        world.view(&by, &peer)?;
        let name = self.name("state");
        let mut step = json!({ "do": "remember", "by": by, "peer": peer, "as": name });
        match self.random.below(20) {
            0..8 => set(&mut step, "both", json!(true)),
            8 => set(&mut step, "forged", json!(true)),
            _ => {}
        }
        Some(step)
    }

    /// Fills of what the other side offers.
    pub(in crate::scenario::history) fn fills(&mut self, world: &World, by: &str, peer: &str) -> Value {
        let mut fills = Map::new();
        for offer in self.offers.clone() {
            let theirs = offer.by == peer && offer.peer == by && world.named.contains_key(&offer.name);
            let wrong = self.random.chance(2) && world.named.contains_key(&offer.name);
            if (theirs && self.random.chance(60)) || wrong {
                let amount = self.random.around(self.remains(world, &offer));
                fills.insert(offer.name, json!(amount.to_string()));
            }
        }
        json!({ "fills": fills })
    }

    pub(in crate::scenario::history) fn argued(&mut self, world: &World, step: &mut Value, by: &str, peer: &str) {
        if self.random.chance(50) {
            let fills = self.fills(world, by, peer);
            if fills.get("fills").and_then(Value::as_object).is_some_and(|fills| !fills.is_empty()) {
                set(step, "arguments", fills);
            }
        }
    }

    /// A remembered state of a pair, of either side.
    pub(in crate::scenario::history) fn state(&mut self, world: &World, by: &str, peer: &str) -> Option<String> {
        let pair = world.pair(by, peer).ok()??;
        let wrong = self.random.chance(10);
        let of =
            |made: &&Made| made.by == by && made.peer == peer && (wrong || is_of_this_epoch(world, &pair, &made.name));
        let own: Vec<Made> = self.states.iter().filter(of).cloned().collect();
        self.random.pick(&own).map(|made| made.name.clone())
    }

    pub(in crate::scenario::history) fn dispute(&mut self, world: &World) -> Option<Value> {
        let (by, peer) = self.two();
        world.view(&by, &peer)?;
        let pair = world.pair(&by, &peer).ok()??;
        let runs = |chain| world.shadow.ledger(chain).is_some_and(|ledger| ledger.line(&pair).dispute.is_some());
        if world.ground.places.keys().any(|chain| runs(chain)) && !self.random.chance(10) {
            return None;
        }
        let mut step = json!({ "do": "dispute", "by": by, "peer": peer });
        match (self.random.below(10), self.state(world, &by, &peer)) {
            (0..6, Some(state)) => set(&mut step, "with", json!(state)),
            (6 | 7, _) => {
                let chain = self.coin().chain;
                let coins = self.cast.tokens.iter().filter(|coin| coin.chain == chain);
                let coins: Vec<String> = coins.map(|coin| coin.name.clone()).collect();
                set(&mut step, "empty", json!(coins));
                return Some(step);
            }
            _ => self.on_a_chain(&mut step),
        }
        self.argued(world, &mut step, &by, &peer);
        Some(step)
    }

    /// Who acts in a dispute: mostly the one who may.
    pub(in crate::scenario::history) fn actor(
        &mut self,
        kind: &str,
        (starter, other): (&str, &str),
        may: u64,
    ) -> (Value, String, String) {
        let roll = self.random.below(100);
        if roll < may {
            return (json!({ "do": kind, "by": other, "peer": starter }), other.to_owned(), starter.to_owned());
        }
        if roll.is_multiple_of(2) {
            return (json!({ "do": kind, "by": starter, "peer": other }), starter.to_owned(), other.to_owned());
        }
        let by = self.who();
        (json!({ "do": kind, "by": by, "channel": format!("{starter}-{other}") }), by, starter.to_owned())
    }

    pub(in crate::scenario::history) fn counter(&mut self, world: &World) -> Option<Value> {
        let (starter, other) = self.disputed(world)?;
        if !self.is_stale(world, &starter, &other) && !self.random.chance(10) {
            return None;
        }
        let (mut step, by, peer) = self.actor("counter", (&starter, &other), 65);
        let (owner, against) = if self.random.chance(70) { (&by, &peer) } else { (&starter, &other) };
        if let (true, Some(state)) = (self.random.chance(35), self.state(world, owner, against)) {
            set(&mut step, "with", json!(state));
        }
        self.argued(world, &mut step, &by, &peer);
        Some(step)
    }

    /// Whether something newer than what is shown could be.
    pub(in crate::scenario::history) fn is_stale(&self, world: &World, starter: &str, other: &str) -> bool {
        world.ground.places.iter().any(|(chain, place)| {
            let key = place.client.deployment().key();
            let pair = world.pair(starter, other).ok().flatten();
            let line = pair.zip(world.shadow.ledger(chain)).map(|(pair, ledger)| ledger.line(&pair));
            let shown = line.and_then(|line| line.dispute);
            let best = world.view(other, starter).and_then(|channel| channel.best_evidence(&key));
            shown
                .zip(best)
                .is_some_and(|(shown, best)| best.nonce.0 > shown.nonce && best.body_hash() != shown.body_hash)
        })
    }

    pub(in crate::scenario::history) fn accept(&mut self, world: &World) -> Option<Value> {
        let (starter, other) = self.disputed(world)?;
        let (mut step, by, peer) = self.actor("accept", (&starter, &other), 85);
        self.argued(world, &mut step, &by, &peer);
        Some(step)
    }

    pub(in crate::scenario::history) fn finalize(&mut self, world: &World) -> Option<Value> {
        let (starter, other) = self.disputed(world)?;
        let (mut step, by, peer) = self.actor("finalize", (&starter, &other), 50);
        self.argued(world, &mut step, &by, &peer);
        self.on_a_chain(&mut step);
        Some(step)
    }
}

/// Whether a remembered state could be shown now.
fn is_of_this_epoch(world: &World, pair: &Pair, name: &str) -> bool {
    world.remembered.get(name).is_some_and(|evidence| {
        evidence.iter().any(|e| {
            let chain = world.ground.name_of(&e.key);
            world.shadow.ledger(&chain).is_some_and(|ledger| ledger.line(pair).epoch == e.epoch)
        })
    })
}
