//! Steps on reserves, limits, payments and settlements.

use serde_json::{Value, json};

use super::super::teller::Teller;
use super::{free, set};
use crate::scenario::world::World;

impl Teller {
    pub(in crate::scenario::history) fn deposit(&mut self, _: &World) -> Option<Value> {
        let (by, coin, usual) = (self.who(), self.coin(), self.amount());
        let amount = if coin.nft && !self.random.chance(10) { 1 } else { self.random.around(usual) };
        Some(json!({ "do": "deposit", "by": by, "token": coin.name, "amount": amount.to_string() }))
    }

    pub(in crate::scenario::history) fn withdraw(&mut self, world: &World) -> Option<Value> {
        let (by, coin) = (self.who(), self.coin());
        let amount = self.part(self.reserve(world, &by, &coin))?;
        Some(json!({ "do": "withdraw", "by": by, "token": coin.name, "amount": amount }))
    }

    pub(in crate::scenario::history) fn transfer(&mut self, world: &World) -> Option<Value> {
        let ((by, to), coin) = (self.two(), self.coin());
        let amount = self.part(self.reserve(world, &by, &coin))?;
        Some(json!({ "do": "transfer", "by": by, "to": to, "token": coin.name, "amount": amount }))
    }

    pub(in crate::scenario::history) fn collateral(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin) = (self.two(), self.coin());
        let reserve = self.reserve(world, &by, &coin);
        let amount = self.part(reserve)?;
        let mut step = json!({ "do": "collateral", "by": by, "peer": peer, "token": coin.name, "amount": amount });
        if self.random.chance(15) {
            let others: Vec<String> = self.cast.entities.iter().filter(|name| **name != peer).cloned().collect();
            set(&mut step, "for", json!(self.random.choose(&others)));
        }
        if self.random.chance(15) {
            let more = self.random.up_to(reserve.checked_div(2).unwrap_or(0));
            set(&mut step, "to", json!([[self.two().1, more.to_string()], [peer, more.to_string()]]));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn credit(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin, usual) = (self.two(), self.coin(), self.amount());
        let frozen = world
            .ground
            .key(&coin.name)
            .is_ok_and(|key| world.view(&by, &peer).is_some_and(|c| c.frozen(&key).is_some()));
        if frozen && !self.random.chance(5) {
            return None;
        }
        let amount = if self.random.chance(15) { 0 } else { self.random.around(usual) };
        Some(json!({ "do": "credit", "by": by, "peer": peer, "token": coin.name, "amount": amount.to_string() }))
    }

    pub(in crate::scenario::history) fn pay(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin) = (self.two(), self.coin());
        let capacity = self.capacity(world, &by, &peer, &coin);
        let times = if self.random.chance(20) { self.random.below(4).saturating_add(2) } else { 1 };
        let amount = self.part(capacity.checked_div(u128::from(times)).unwrap_or(0))?;
        let mut step = json!({ "do": "pay", "by": by, "peer": peer, "token": coin.name, "amount": amount });
        if times > 1 {
            set(&mut step, "times", json!(times));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn enforce(&mut self, world: &World) -> Option<Value> {
        let mut owing = Vec::new();
        for coin in &self.cast.tokens {
            let owes = |who: &&String| world.owes(who, &coin.name);
            owing.extend(self.cast.entities.iter().filter(owes).map(|who| (who.clone(), coin.name.clone())));
        }
        let (of, token) = match self.random.pick(&owing).cloned() {
            Some(owing) => owing,
            None if self.random.chance(10) => (self.who(), self.coin().name),
            None => return None,
        };
        let mut step = json!({ "do": "enforce", "of": of, "token": token });
        if self.random.chance(60) {
            let most = self.random.below(4);
            set(&mut step, "max", json!(most));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn settlement(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin) = (self.two(), self.coin());
        let pair = world.pair(&by, &peer).ok()??;
        let (left, right) = (world.name(&pair.left()), world.name(&pair.right()));
        let key = world.ground.key(&coin.name).ok()?;
        let id = *world.ground.find(&coin.name).ok()?.ids.first()?;
        let ledger = world.shadow.ledger(&coin.chain)?;
        let (collateral, _) = ledger.line(&pair).buckets.get(&id).copied().unwrap_or_default();
        let share = world
            .view(&left, &right)
            .and_then(|c| c.state().token(&key, id))
            .map_or(0, |token| u128::try_from(token.delta()).unwrap_or(0).min(collateral));
        let mut amount = |of: u128| i128::try_from(self.random.around(of)).unwrap_or(i128::MAX);
        // Left takes something out, right does, left pays something in, both, or only ondelta moves.
        let out = amount(share);
        let rest = amount(collateral.saturating_sub(share));
        let reserve = free(world, &left, &coin);
        let paid = amount(reserve);
        let moved = amount(collateral);
        let (l, r, ondelta) = match self.random.below(6) {
            0 if share > 0 => (out, 0, out.wrapping_neg()),
            1 if share < collateral => (0, rest, 0),
            2 if collateral > 0 => (out, rest, out.wrapping_neg()),
            3 if reserve > 0 => (paid.wrapping_neg(), 0, paid),
            4 if reserve > 0 => (paid.wrapping_neg(), paid, 0),
            5 if collateral > 0 => (0, 0, if self.random.chance(50) { moved } else { moved.wrapping_neg() }),
            _ if self.random.chance(90) => return None,
            _ => (out, rest, moved),
        };
        let mut step = json!({ "do": "settlement", "by": by, "peer": peer });
        let owed = [(pair.left(), pair.right()), (pair.right(), pair.left())]
            .iter()
            .any(|(debtor, creditor)| ledger.books.debts(*debtor, id).open().any(|(_, to, _)| to == creditor));
        let forgive = owed && self.random.chance(80);
        if forgive {
            set(&mut step, "forgive", json!([coin.name]));
        }
        if !forgive || self.random.chance(40) {
            let diff = json!({
                "token": coin.name, "left": l.to_string(), "right": r.to_string(), "ondelta": ondelta.to_string(),
            });
            set(&mut step, "diffs", json!([diff]));
        }
        self.later(&mut step);
        Some(step)
    }

    /// Signed now, submitted later, or never.
    pub(in crate::scenario::history) fn later(&mut self, step: &mut Value) {
        if self.random.chance(20) {
            set(step, "submit", json!(false));
        }
        if self.random.chance(30) {
            let expiry = self.expires_in_s();
            set(step, "expires_in_s", json!(expiry));
        }
    }

    pub(in crate::scenario::history) fn submit(&mut self, world: &World) -> Option<Value> {
        let (by, peer) = self.two();
        let open = world.view(&by, &peer)?.state().subchannels.values().any(|s| s.settlement.is_some());
        let tried = open || self.random.chance(5);
        tried.then(|| json!({ "do": "submit", "by": by, "peer": peer }))
    }

    pub(in crate::scenario::history) fn close(&mut self, world: &World) -> Option<Value> {
        let (by, peer) = self.two();
        let pending = world.view(&by, &peer)?.state().subchannels.values().any(|s| !s.pending.is_empty());
        if pending && !self.random.chance(10) {
            return None;
        }
        let mut step = json!({ "do": "close", "by": by, "peer": peer });
        self.later(&mut step);
        Some(step)
    }
}
