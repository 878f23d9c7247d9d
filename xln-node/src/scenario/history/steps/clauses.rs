//! Steps on clauses, their facts, routes, and the boards of organisations.

use serde_json::{Value, json};
use xln_core::state::{Ask, Pending};

use super::super::people::board;
use super::super::teller::{Made, Teller};
use super::{LONGEST_S, set};
use crate::scenario::world::World;

/// What conditions ask.
const FLAGS: [&str; 3] = ["it rained", "it snowed", "all is well"];

impl Teller {
    pub(in crate::scenario::history) fn clause(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin) = (self.two(), self.coin());
        let amount = self.part(self.capacity(world, &by, &peer, &coin))?;
        let name = self.name("clause");
        let mut step = json!({
            "do": "clause", "as": name, "by": by, "peer": peer, "token": coin.name, "amount": amount,
        });
        match self.random.below(3) {
            0 => self.cds(world, &mut step, &coin.name),
            1 => self.schedule(&mut step),
            _ => self.condition(&mut step, amount.parse().unwrap_or(1)),
        }
        Some(step)
    }

    /// Of anyone, the two themselves included; rather of somebody in debt.
    fn cds(&mut self, world: &World, step: &mut Value, token: &str) {
        let owing: Vec<String> = self.cast.entities.iter().filter(|who| world.owes(who, token)).cloned().collect();
        let anyone = self.who();
        let reference = self.random.pick(&owing).cloned().unwrap_or(anyone);
        set(step, "kind", json!("cds"));
        set(step, "reference", json!(reference));
        self.expires(step);
    }

    fn condition(&mut self, step: &mut Value, amount: u128) {
        let flag = self.random.choose(&FLAGS);
        set(step, "kind", json!("condition"));
        set(step, "answer", json!(flag));
        if self.random.chance(50) {
            let fallback = if self.random.chance(20) { amount.saturating_add(1) } else { self.random.up_to(amount) };
            set(step, "fallback", json!(fallback.to_string()));
        }
        self.expires(step);
    }

    /// Around the window, more often than locks.
    fn expires(&mut self, step: &mut Value) {
        let window = self.cast.window_s;
        let near = [window.checked_div(2).unwrap_or(1), window, window.saturating_add(1), window.saturating_mul(2)];
        let seconds = if self.random.chance(50) { self.random.choose(&near) } else { self.expires_in_s() };
        set(step, "expires_in_s", json!(seconds.min(LONGEST_S.saturating_add(1))));
    }

    fn schedule(&mut self, step: &mut Value) {
        let window = self.cast.window_s;
        let times = [0, 1, 60, window, window.saturating_mul(2), 1000, 3600, 86_400, 86_400, LONGEST_S];
        let duration = self.random.choose(&times);
        set(step, "kind", json!("schedule"));
        set(step, "duration_s", json!(duration));
        if self.random.chance(25) {
            let start = self.random.choose(&[1, 30, window, 3600]);
            set(step, "start_in_s", json!(start));
        }
        if self.random.chance(30) {
            let too_long = u64::from(self.random.chance(5));
            let cliff = self.random.below(duration.saturating_add(1)).saturating_add(too_long);
            set(step, "cliff_s", json!(cliff));
        }
        if self.random.chance(40) {
            let steps = self.random.choose(&[1, 2, 3, 4, 7, 365, 65_535]);
            set(step, "steps", json!(steps));
        }
        if self.random.chance(40) {
            set(step, "cancellable", json!(true));
        }
    }

    pub(in crate::scenario::history) fn answer(&mut self, world: &World) -> Option<Value> {
        if self.clauses.is_empty() && !self.random.chance(3) {
            return None;
        }
        let asked: Vec<String> = self.asks.values().cloned().collect();
        let flag = self.random.pick(&asked).cloned().unwrap_or_else(|| self.random.choose(&FLAGS).to_owned());
        let mut step = json!({ "do": "answer", "name": flag });
        if self.random.chance(20) {
            set(&mut step, "value", json!(false));
        }
        if world.ground.places.len() > 1 {
            self.on_a_chain(&mut step);
        }
        Some(step)
    }

    fn a_clause(&mut self, world: &World, frozen: bool) -> Option<Made> {
        let clauses = self.clauses.clone();
        self.made(world, &clauses, frozen)
    }

    /// Also what is not so, or known already, and by strangers.
    pub(in crate::scenario::history) fn record(&mut self, world: &World) -> Option<Value> {
        let clause = self.a_clause(world, true)?;
        let asked = world.named.get(&clause.name)?.asked.clone();
        let owing = self.cast.tokens.iter().any(|c| self.cast.entities.iter().any(|who| world.owes(who, &c.name)));
        let likely = match (asked, self.asks.get(&clause.name)) {
            (Some(_), Some(flag)) => self.flags.get(flag).copied().unwrap_or(false),
            (Some(_), None) => owing,
            (None, _) => false,
        };
        let known = decided(world, &clause).is_some();
        if (!likely || known) && !self.random.chance(8) {
            return None;
        }
        let mut step = json!({ "do": "record", "clause": clause.name });
        if self.random.chance(30) {
            set(&mut step, "by", json!(self.who()));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn exercise(&mut self, world: &World) -> Option<Value> {
        let clause = self.a_clause(world, false)?;
        let waits = world.named.get(&clause.name).is_some_and(|made| made.asked.is_some());
        if waits && decided(world, &clause).is_none() && !self.random.chance(8) {
            return None;
        }
        let mut step = json!({ "do": "exercise", "clause": clause.name, "by": clause.peer });
        if self.random.chance(15) {
            set(&mut step, "by", json!(clause.by));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn drop_clause(&mut self, world: &World) -> Option<Value> {
        let clause = self.a_clause(world, false)?;
        let mut step = json!({ "do": "drop", "clause": clause.name, "by": clause.peer });
        if self.random.chance(35) {
            set(&mut step, "by", json!(clause.by));
        }
        Some(step)
    }

    /// From one to another over one or two others, or none.
    pub(in crate::scenario::history) fn route(&mut self, world: &World) -> Option<Value> {
        let coin = self.coin();
        let mut way = Vec::new();
        let hops = self.random.choose(&[2, 3, 3, 3, 4]);
        for _ in 0..hops {
            let others: Vec<String> = self.cast.entities.iter().filter(|who| !way.contains(*who)).cloned().collect();
            way.extend(self.random.pick(&others).cloned());
        }
        let (by, to, via) = match way.as_slice() {
            [by, via @ .., to] => (by.clone(), to.clone(), via.to_vec()),
            _ => return None,
        };
        let ends = way.iter().zip(way.iter().skip(1));
        let most = ends.map(|(a, b)| self.capacity(world, a, b, &coin)).min().unwrap_or(0);
        let fee_ppm = if self.random.chance(50) { 0 } else { self.random.choose(&[1, 1000, 100_000, 1_000_000]) };
        let part = u128::from(1_000_000_u32).saturating_mul(most).checked_div(1_100_000).unwrap_or(0);
        let most = if most > 1000 && self.random.chance(70) { part } else { most };
        let amount = self.part(most)?;
        let mut step = json!({ "do": "route", "by": by, "via": via, "to": to, "token": coin.name, "amount": amount });
        if fee_ppm > 0 {
            set(&mut step, "fee_ppm", json!(fee_ppm));
        }
        if self.random.chance(15) {
            let expiry = self.expires_in_s();
            set(&mut step, "expires_in_s", json!(expiry));
        }
        if self.random.chance(30) {
            set(&mut step, "hash", json!("sha256"));
        }
        Some(step)
    }

    /// What the board before has signed is kept by somebody, who mostly shows it when the board is another one.
    fn signed_before(&mut self, world: &World, of: &str) -> Option<Value> {
        let seen = |peer: &&String| peer.as_str() != of && world.view(peer, of).is_some();
        let peers: Vec<String> = self.cast.entities.iter().filter(seen).cloned().collect();
        let peer = self.random.pick(&peers).cloned()?;
        let name = self.name("state");
        if self.random.chance(70) {
            self.first.push(json!({ "do": "dispute", "by": peer, "peer": of, "with": name }));
        }
        Some(json!({ "do": "remember", "by": peer, "peer": of, "as": name }))
    }

    /// A delegation, its revocation, or for what is registered another board.
    pub(in crate::scenario::history) fn board(&mut self, world: &World) -> Option<Value> {
        let of = self.random.pick(&self.cast.boards).cloned()?;
        let registered = self.cast.registered.contains(&of);
        let accounts: Vec<String> =
            self.cast.entities.iter().filter(|who| !self.cast.boards.contains(who)).cloned().collect();
        let operators: Vec<String> =
            self.operators.iter().filter(|(who, _)| *who == of).map(|(_, operator)| operator.clone()).collect();
        let mut step = json!({ "do": "board", "of": of });
        match (self.random.below(10), self.random.pick(&operators).cloned()) {
            (0..4, Some(operator)) => set(&mut step, "revoke", json!(operator)),
            (4..8, _) if registered => {
                let (members, threshold) = board(&mut self.random, &accounts);
                set(&mut step, "members", json!(members));
                set(&mut step, "threshold", json!(threshold));
                if let (true, Some(remember)) = (self.random.chance(60), self.signed_before(world, &of)) {
                    self.first.push(step);
                    return Some(remember);
                }
            }
            _ => {
                let mut delegate = json!({ "operator": self.random.choose(&accounts) });
                let all = ["states", "dispute", "withdraw", "govern"];
                let some: Vec<&str> = all.into_iter().filter(|_| self.random.chance(50)).collect();
                if !some.is_empty() {
                    set(&mut delegate, "permissions", json!(some));
                }
                set(&mut step, "delegate", delegate);
            }
        }
        Some(step)
    }
}

/// What is known of the fact that a clause waits for: that it was recorded, or that it is too late.
fn decided(world: &World, clause: &Made) -> Option<()> {
    let made = world.named.get(&clause.name)?;
    let subchannel = world.view(&made.by, &made.peer)?.state().subchannels.get(&made.key)?;
    let Pending::Subcontract(pending) = subchannel.pending.get(&made.id?)? else { return None };
    let ledger = world.shadow.ledger(&world.ground.name_of(&made.key))?;
    let is_decided = |ask: &Ask| ledger.facts.contains_key(&ask.key) || world.now > ask.until;
    pending.asks.iter().all(is_decided).then_some(())
}
