//! Steps in groups, and what happens to processes, lines, clocks and chains.

use serde_json::{Value, json};

use super::super::teller::Teller;
use super::{LONGEST_S, set};
use crate::scenario::world::World;

impl Teller {
    /// A step that is agreed between two, for a group.
    pub(in crate::scenario::history) fn between(&mut self, world: &World) -> Option<Value> {
        match self.random.below(16) {
            0..4 => self.pay(world),
            4 | 5 => self.lock(world),
            6 => self.credit(world),
            7 => self.settle(world),
            8 => self.fill(world),
            9 => self.unoffer(world),
            10 => self.cancel(world),
            11 | 12 => self.clause(world),
            13 => self.exercise(world),
            14 => self.drop_clause(world),
            _ => self.offer(world),
        }
    }

    pub(in crate::scenario::history) fn group(&mut self, world: &World, of: Option<&str>) -> Vec<Value> {
        let mut parts: Vec<Value> = Vec::new();
        let wanted = usize::try_from(self.random.below(4).saturating_add(2)).unwrap_or(2);
        for _ in 0..40 {
            if parts.len() >= wanted {
                break;
            }
            let Some(part) = self.between(world) else { continue };
            let by = part.get("by").and_then(Value::as_str);
            // Things that are named by another part of the group do not exist yet, and nobody is told who acts in them.
            if of.is_none() || by == of {
                parts.push(part);
            }
        }
        parts
    }

    pub(in crate::scenario::history) fn together(&mut self, world: &World) -> Option<Value> {
        let parts = self.group(world, None);
        (parts.len() > 1).then(|| json!({ "do": "together", "steps": parts }))
    }

    pub(in crate::scenario::history) fn one_block(&mut self, world: &World) -> Option<Value> {
        let by = self.who();
        let parts = self.group(world, Some(&by));
        (parts.len() > 1).then(|| json!({ "do": "one_block", "steps": parts }))
    }

    pub(in crate::scenario::history) fn observe(&mut self, _: &World) -> Option<Value> {
        Some(json!({ "do": "observe" }))
    }

    pub(in crate::scenario::history) fn advance(&mut self, world: &World) -> Option<Value> {
        let window = self.cast.window_s;
        let near = [window, window.saturating_add(1), window.checked_div(2).unwrap_or(1), 1];
        let far = [1, 30, 31, 600, 3600, 86_400, 86_401];
        let disputed = self.disputed(world).is_some();
        let seconds = match self.random.below(20) {
            0 => LONGEST_S.saturating_add(self.random.below(2)).saturating_add(window),
            1..12 if disputed => self.random.choose(&near),
            _ => self.random.choose(&far),
        };
        Some(json!({ "do": "advance", "seconds": seconds }))
    }

    pub(in crate::scenario::history) fn backup(&mut self, _: &World) -> Option<Value> {
        let (of, name) = (self.who(), self.name("backup"));
        Some(json!({ "do": "backup", "of": of, "as": name }))
    }

    pub(in crate::scenario::history) fn crash(&mut self, _: &World) -> Option<Value> {
        let of = self.who();
        let own: Vec<(String, String)> = self.backups.iter().filter(|(who, _)| *who == of).cloned().collect();
        let mut step = json!({ "do": "crash", "of": of });
        if let (true, Some((_, name))) = (self.random.chance(50), self.random.pick(&own)) {
            set(&mut step, "backup", json!(name));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn cut(&mut self, _: &World) -> Option<Value> {
        let (a, b) = self.two();
        if a == b || self.cuts.contains(&(a.clone(), b.clone())) {
            return None;
        }
        self.cuts.push((a.clone(), b.clone()));
        Some(json!({ "do": "cut", "between": [a, b] }))
    }

    pub(in crate::scenario::history) fn heal(&mut self, _: &World) -> Option<Value> {
        let (a, b) = self.cuts.pop()?;
        Some(json!({ "do": "heal", "between": [a, b] }))
    }

    pub(in crate::scenario::history) fn tamper(&mut self, _: &World) -> Option<Value> {
        let (by, peer) = self.two();
        let how = self.random.choose(&["flip_byte", "truncate", "replay", "impersonate"]);
        (by != peer).then(|| json!({ "do": "tamper", "by": by, "peer": peer, "how": how }))
    }

    pub(in crate::scenario::history) fn reorg(&mut self, world: &World) -> Option<Value> {
        // Mostly what nobody has seen yet.
        if self.unseen == 0 && !self.random.chance(30) {
            return None;
        }
        let chain = self.coin().chain;
        let place = world.ground.place(&chain).ok()?;
        let depth = self.random.below(2).saturating_add(1);
        let story = place.chain.newest().number.saturating_sub(place.start);
        (story > depth).then(|| json!({ "do": "reorg", "chain": chain, "depth": depth }))
    }
}
