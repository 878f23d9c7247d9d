//! One function for each kind of step: it looks for something that can be done, and now and then does it wrong.

use alloy_primitives::U256;
use serde_json::{Map, Value, json};
use xln_core::state::Pending;
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
    fn who(&mut self) -> String {
        self.random.choose(&self.cast.entities)
    }

    pub(super) fn two(&mut self) -> (String, String) {
        let by = self.who();
        let others: Vec<String> = self.cast.entities.iter().filter(|name| **name != by).cloned().collect();
        let peer = if self.random.chance(1) { by.clone() } else { self.random.choose(&others) };
        (by, peer)
    }

    fn coin(&mut self) -> Coin {
        self.random.choose(&self.cast.tokens)
    }

    /// The other token of a swap: nearly always another one of the same chain.
    fn other_coin(&mut self, coin: &Coin) -> Option<Coin> {
        let same = |other: &&Coin| other.chain == coin.chain && other.name != coin.name;
        let others: Vec<Coin> = self.cast.tokens.iter().filter(same).cloned().collect();
        if self.random.chance(3) { Some(self.coin()) } else { self.random.pick(&others).cloned() }
    }

    fn reserve(&self, world: &World, who: &str, coin: &Coin) -> u128 {
        free(world, who, coin)
    }

    /// What one can send to the other.
    fn capacity(&self, world: &World, by: &str, peer: &str, coin: &Coin) -> u128 {
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
    fn part(&mut self, available: u128) -> Option<String> {
        if available == 0 && !self.random.chance(3) {
            return None;
        }
        Some(self.random.around(available).to_string())
    }

    pub(super) fn deposit(&mut self, _: &World) -> Option<Value> {
        let (by, coin, usual) = (self.who(), self.coin(), self.amount());
        let amount = if coin.nft && !self.random.chance(10) { 1 } else { self.random.around(usual) };
        Some(json!({ "do": "deposit", "by": by, "token": coin.name, "amount": amount.to_string() }))
    }

    pub(super) fn withdraw(&mut self, world: &World) -> Option<Value> {
        let (by, coin) = (self.who(), self.coin());
        let amount = self.part(self.reserve(world, &by, &coin))?;
        Some(json!({ "do": "withdraw", "by": by, "token": coin.name, "amount": amount }))
    }

    pub(super) fn transfer(&mut self, world: &World) -> Option<Value> {
        let ((by, to), coin) = (self.two(), self.coin());
        let amount = self.part(self.reserve(world, &by, &coin))?;
        Some(json!({ "do": "transfer", "by": by, "to": to, "token": coin.name, "amount": amount }))
    }

    pub(super) fn collateral(&mut self, world: &World) -> Option<Value> {
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

    pub(super) fn credit(&mut self, world: &World) -> Option<Value> {
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

    pub(super) fn pay(&mut self, world: &World) -> Option<Value> {
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

    fn expires_in_s(&mut self) -> u64 {
        let window = self.cast.window_s;
        let usual = [0, 1, 60, window, window.saturating_add(1), 3600, 86_400, 86_400, 86_400, LONGEST_S];
        if self.random.chance(3) { LONGEST_S.saturating_add(1) } else { self.random.choose(&usual) }
    }

    pub(super) fn lock(&mut self, world: &World) -> Option<Value> {
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

    /// A lock or an offer: nearly always one that is pending.
    fn made(&mut self, world: &World, of: &[Made], frozen: bool) -> Option<Made> {
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

    fn a_lock(&mut self, world: &World, frozen: bool) -> Option<Made> {
        let locks = self.locks.clone();
        self.made(world, &locks, frozen)
    }

    pub(super) fn settle(&mut self, world: &World) -> Option<Value> {
        let lock = self.a_lock(world, false)?;
        let mut step = json!({ "do": "settle", "payment": lock.name });
        match self.random.below(20) {
            0 => set(&mut step, "secret", json!("wrong")),
            1 => set(&mut step, "by", json!(lock.by)),
            _ => {}
        }
        Some(step)
    }

    pub(super) fn cancel(&mut self, world: &World) -> Option<Value> {
        let lock = self.a_lock(world, false)?;
        let mut step = json!({ "do": "cancel", "payment": lock.name });
        if self.random.chance(40) {
            set(&mut step, "by", json!(lock.by));
        }
        Some(step)
    }

    pub(super) fn reveal(&mut self, world: &World) -> Option<Value> {
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

    pub(super) fn offer(&mut self, world: &World) -> Option<Value> {
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
    fn remains(&self, world: &World, offer: &Made) -> u128 {
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
    fn affordable(&self, world: &World, offer: &Made) -> u128 {
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

    pub(super) fn fill(&mut self, world: &World) -> Option<Value> {
        let offers = self.offers.clone();
        let offer = self.made(world, &offers, false)?;
        let give = self.part(self.affordable(world, &offer))?;
        let mut step = json!({ "do": "fill", "swap": offer.name, "give": give });
        if self.random.chance(4) {
            set(&mut step, "by", json!(offer.by));
        }
        Some(step)
    }

    pub(super) fn unoffer(&mut self, world: &World) -> Option<Value> {
        let offers = self.offers.clone();
        let offer = self.made(world, &offers, false)?;
        let mut step = json!({ "do": "unoffer", "swap": offer.name });
        if self.random.chance(10) {
            set(&mut step, "by", json!(offer.peer));
        }
        Some(step)
    }

    pub(super) fn settlement(&mut self, world: &World) -> Option<Value> {
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
    fn later(&mut self, step: &mut Value) {
        if self.random.chance(20) {
            set(step, "submit", json!(false));
        }
        if self.random.chance(30) {
            let expiry = self.expires_in_s();
            set(step, "expires_in_s", json!(expiry));
        }
    }

    pub(super) fn submit(&mut self, world: &World) -> Option<Value> {
        let (by, peer) = self.two();
        let open = world.view(&by, &peer)?.state().subchannels.values().any(|s| s.settlement.is_some());
        let tried = open || self.random.chance(5);
        tried.then(|| json!({ "do": "submit", "by": by, "peer": peer }))
    }

    pub(super) fn close(&mut self, world: &World) -> Option<Value> {
        let (by, peer) = self.two();
        let pending = world.view(&by, &peer)?.state().subchannels.values().any(|s| !s.pending.is_empty());
        if pending && !self.random.chance(10) {
            return None;
        }
        let mut step = json!({ "do": "close", "by": by, "peer": peer });
        self.later(&mut step);
        Some(step)
    }

    pub(super) fn remember(&mut self, world: &World) -> Option<Value> {
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
    fn fills(&mut self, world: &World, by: &str, peer: &str) -> Value {
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

    fn argued(&mut self, world: &World, step: &mut Value, by: &str, peer: &str) {
        if self.random.chance(50) {
            let fills = self.fills(world, by, peer);
            if fills.get("fills").and_then(Value::as_object).is_some_and(|fills| !fills.is_empty()) {
                set(step, "arguments", fills);
            }
        }
    }

    /// A remembered state of a pair, of either side.
    fn state(&mut self, world: &World, by: &str, peer: &str) -> Option<String> {
        let pair = world.pair(by, peer).ok()??;
        let wrong = self.random.chance(10);
        let of =
            |made: &&Made| made.by == by && made.peer == peer && (wrong || is_of_this_epoch(world, &pair, &made.name));
        let own: Vec<Made> = self.states.iter().filter(of).cloned().collect();
        self.random.pick(&own).map(|made| made.name.clone())
    }

    pub(super) fn dispute(&mut self, world: &World) -> Option<Value> {
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

    fn on_a_chain(&mut self, step: &mut Value) {
        if self.random.chance(20) {
            let chain = self.coin().chain;
            set(step, "chain", json!(chain));
        }
    }

    /// A channel in dispute: starter, the other, and the chain.
    fn disputed(&mut self, world: &World) -> Option<(String, String)> {
        let mut running: Vec<(Pair, Side)> = Vec::new();
        for chain in world.ground.places.keys() {
            let lines = world.shadow.ledger(chain).into_iter().flat_map(|ledger| &ledger.lines);
            running.extend(lines.filter_map(|(pair, line)| Some((*pair, line.dispute?.starter))));
        }
        let (pair, starter) = *self.random.pick(&running)?;
        Some((world.name(&pair.entity(starter)), world.name(&pair.entity(starter.other()))))
    }

    /// Who acts in a dispute: mostly the one who may.
    fn actor(&mut self, kind: &str, (starter, other): (&str, &str), may: u64) -> (Value, String, String) {
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

    pub(super) fn counter(&mut self, world: &World) -> Option<Value> {
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
    fn is_stale(&self, world: &World, starter: &str, other: &str) -> bool {
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

    pub(super) fn accept(&mut self, world: &World) -> Option<Value> {
        let (starter, other) = self.disputed(world)?;
        let (mut step, by, peer) = self.actor("accept", (&starter, &other), 85);
        self.argued(world, &mut step, &by, &peer);
        Some(step)
    }

    pub(super) fn finalize(&mut self, world: &World) -> Option<Value> {
        let (starter, other) = self.disputed(world)?;
        let (mut step, by, peer) = self.actor("finalize", (&starter, &other), 50);
        self.argued(world, &mut step, &by, &peer);
        self.on_a_chain(&mut step);
        Some(step)
    }

    pub(super) fn enforce(&mut self, world: &World) -> Option<Value> {
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

    /// A step that is agreed between two, for a group.
    fn between(&mut self, world: &World) -> Option<Value> {
        match self.random.below(12) {
            0..4 => self.pay(world),
            4 | 5 => self.lock(world),
            6 => self.credit(world),
            7 => self.settle(world),
            8 => self.fill(world),
            9 => self.unoffer(world),
            10 => self.cancel(world),
            _ => self.offer(world),
        }
    }

    fn group(&mut self, world: &World, of: Option<&str>) -> Vec<Value> {
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

    pub(super) fn together(&mut self, world: &World) -> Option<Value> {
        let parts = self.group(world, None);
        (parts.len() > 1).then(|| json!({ "do": "together", "steps": parts }))
    }

    pub(super) fn one_block(&mut self, world: &World) -> Option<Value> {
        let by = self.who();
        let parts = self.group(world, Some(&by));
        (parts.len() > 1).then(|| json!({ "do": "one_block", "steps": parts }))
    }

    pub(super) fn observe(&mut self, _: &World) -> Option<Value> {
        Some(json!({ "do": "observe" }))
    }

    pub(super) fn advance(&mut self, world: &World) -> Option<Value> {
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

    pub(super) fn backup(&mut self, _: &World) -> Option<Value> {
        let (of, name) = (self.who(), self.name("backup"));
        Some(json!({ "do": "backup", "of": of, "as": name }))
    }

    pub(super) fn crash(&mut self, _: &World) -> Option<Value> {
        let of = self.who();
        let own: Vec<(String, String)> = self.backups.iter().filter(|(who, _)| *who == of).cloned().collect();
        let mut step = json!({ "do": "crash", "of": of });
        if let (true, Some((_, name))) = (self.random.chance(50), self.random.pick(&own)) {
            set(&mut step, "backup", json!(name));
        }
        Some(step)
    }

    pub(super) fn cut(&mut self, _: &World) -> Option<Value> {
        let (a, b) = self.two();
        if a == b || self.cuts.contains(&(a.clone(), b.clone())) {
            return None;
        }
        self.cuts.push((a.clone(), b.clone()));
        Some(json!({ "do": "cut", "between": [a, b] }))
    }

    pub(super) fn heal(&mut self, _: &World) -> Option<Value> {
        let (a, b) = self.cuts.pop()?;
        Some(json!({ "do": "heal", "between": [a, b] }))
    }

    pub(super) fn tamper(&mut self, _: &World) -> Option<Value> {
        let (by, peer) = self.two();
        let how = self.random.choose(&["flip_byte", "truncate", "replay", "impersonate"]);
        (by != peer).then(|| json!({ "do": "tamper", "by": by, "peer": peer, "how": how }))
    }

    pub(super) fn reorg(&mut self, world: &World) -> Option<Value> {
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

/// Whether a remembered state could be shown now.
fn is_of_this_epoch(world: &World, pair: &Pair, name: &str) -> bool {
    world.remembered.get(name).is_some_and(|evidence| {
        evidence.iter().any(|e| {
            let chain = world.ground.name_of(&e.key);
            world.shadow.ledger(&chain).is_some_and(|ledger| ledger.line(pair).epoch == e.epoch)
        })
    })
}

fn free(world: &World, who: &str, coin: &Coin) -> u128 {
    u128::try_from(world.free(who, &coin.name)).unwrap_or(u128::MAX)
}
