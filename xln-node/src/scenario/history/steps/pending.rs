//! Steps on locks and offers.

use alloy_primitives::U256;
use serde_json::{Value, json};
use xln_core::state::Pending;

use super::super::teller::{Made, Teller};
use super::set;
use crate::scenario::world::World;

impl Teller {
    pub(in crate::scenario::history) fn lock(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin) = (self.two(), self.coin());
        let amount = self.part(self.capacity(world, &by, &peer, &coin))?;
        let (name, expiry) = (self.name("lock"), self.expires_in_s());
        let mut step = json!({
            "do": "lock", "as": name, "by": by, "peer": peer, "token": coin.name, "amount": amount,
            "expires_in_s": expiry,
        });
        if self.random.chance(40) {
            set(&mut step, "hash", json!("sha256"));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn settle(&mut self, world: &World) -> Option<Value> {
        let lock = self.a_lock(world, false)?;
        let mut step = json!({ "do": "settle", "payment": lock.name });
        match self.random.below(20) {
            0 => set(&mut step, "secret", json!("wrong")),
            1 => set(&mut step, "by", json!(lock.by)),
            _ => {}
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn cancel(&mut self, world: &World) -> Option<Value> {
        let lock = self.a_lock(world, false)?;
        let mut step = json!({ "do": "cancel", "payment": lock.name });
        if self.random.chance(40) {
            set(&mut step, "by", json!(lock.by));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn reveal(&mut self, world: &World) -> Option<Value> {
        let lock = self.a_lock(world, true)?;
        let mut step = json!({ "do": "reveal", "payment": lock.name });
        if self.random.chance(20) {
            set(&mut step, "by", json!(self.who()));
        }
        if self.random.chance(8) {
            set(&mut step, "secret", json!("wrong"));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn offer(&mut self, world: &World) -> Option<Value> {
        let ((by, peer), coin) = (self.two(), self.coin());
        let other = self.other_coin(&coin)?;
        let give = self.part(self.capacity(world, &by, &peer, &coin))?;
        let there = self.capacity(world, &peer, &by, &other);
        let usual = self.amount();
        if there == 0 && !self.random.chance(8) {
            return None;
        }
        let want = if there > 0 && self.random.chance(80) { self.random.up_to(there) } else { usual };
        let (name, expiry) = (self.name("offer"), self.expires_in_s());
        let mut step = json!({
            "do": "offer", "as": name, "by": by, "peer": peer, "give": [coin.name, give],
            "want": [other.name, want.to_string()], "expires_in_s": expiry,
        });
        if self.random.chance(30) {
            let least = self.random.up_to(give.parse().unwrap_or(1));
            set(&mut step, "min_fill", json!(least.to_string()));
        }
        Some(step)
    }

    /// What remains of an offer, and who may take it.
    pub(in crate::scenario::history) fn remains(&self, world: &World, offer: &Made) -> u128 {
        let named = world.named.get(&offer.name);
        let found = named.and_then(|n| {
            let subchannel = world.view(&n.by, &n.peer)?.state().subchannels.get(&n.key)?;
            match subchannel.pending.get(&n.id?)? {
                Pending::Swap(swap) => Some(swap.remaining),
                _ => None,
            }
        });
        found.unwrap_or(0)
    }

    /// What of an offer the other side can pay for.
    pub(in crate::scenario::history) fn affordable(&self, world: &World, offer: &Made) -> u128 {
        let remains = self.remains(world, offer);
        let found = world.named.get(&offer.name).and_then(|n| {
            let channel = world.view(&n.peer, &n.by)?;
            let Pending::Swap(swap) = channel.state().subchannels.get(&n.key)?.pending.get(&n.id?)? else {
                return None;
            };
            let there = channel.state().token(&n.key, swap.want_token)?.out_capacity(channel.side()).ok()?;
            let most = U256::from(there).checked_mul(U256::from(swap.give))?.checked_div(U256::from(swap.want))?;
            Some(u128::try_from(most).unwrap_or(u128::MAX))
        });
        found.map_or(remains, |most| most.min(remains))
    }

    pub(in crate::scenario::history) fn fill(&mut self, world: &World) -> Option<Value> {
        let offers = self.offers.clone();
        let offer = self.made(world, &offers, false)?;
        let give = self.part(self.affordable(world, &offer))?;
        let mut step = json!({ "do": "fill", "swap": offer.name, "give": give });
        if self.random.chance(4) {
            set(&mut step, "by", json!(offer.by));
        }
        Some(step)
    }

    pub(in crate::scenario::history) fn unoffer(&mut self, world: &World) -> Option<Value> {
        let offers = self.offers.clone();
        let offer = self.made(world, &offers, false)?;
        let mut step = json!({ "do": "unoffer", "swap": offer.name });
        if self.random.chance(10) {
            set(&mut step, "by", json!(offer.peer));
        }
        Some(step)
    }
}
