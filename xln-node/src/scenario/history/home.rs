//! The end of every story: lines are healed, disputes finalized, channels closed by agreement or by dispute, debts paid and
//! reserves withdrawn, until no money is in any channel.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use xln_core::types::Pair;

use super::stage::{END, START};
use super::teller::Teller;
use crate::scenario::world::World;

/// Far enough for every payment to be decided, in seconds.
const DECIDED_S: u64 = 604_802;
/// Attempts for each channel on each chain.
const ATTEMPTS: u32 = 4;

#[derive(Default)]
enum Stretch {
    #[default]
    Heal,
    Look,
    Wait,
    Finalize,
    Close,
    Collect,
    Done,
}

/// Where the story stands on its way home.
#[derive(Default)]
pub(super) struct Homeward {
    stretch: Stretch,
    queue: Vec<Value>,
    attempts: BTreeMap<(Pair, String), u32>,
    rounds: u32,
    waited: bool,
}

impl Homeward {
    pub(super) fn next(&mut self, teller: &mut Teller, world: &World) -> Option<Value> {
        loop {
            if let Some(step) = self.queue.pop() {
                return Some(step);
            }
            match self.stretch {
                Stretch::Heal => {
                    let cuts = std::mem::take(&mut teller.cuts);
                    self.queue = cuts.into_iter().map(|(a, b)| json!({ "do": "heal", "between": [a, b] })).collect();
                    self.stretch = Stretch::Look;
                }
                Stretch::Look => {
                    // Some end while their clauses are still undecided.
                    self.stretch = if teller.random.chance(40) { Stretch::Close } else { Stretch::Wait };
                    return Some(json!({ "do": "observe", "comment": START }));
                }
                Stretch::Wait => {
                    self.stretch = Stretch::Finalize;
                    self.waited = true;
                    let seconds = DECIDED_S.saturating_add(teller.cast.window_s);
                    // What is due within the margin of a close is not refused for its time.
                    return Some(json!({ "do": "advance", "seconds": seconds }));
                }
                Stretch::Finalize => {
                    self.stretch = Stretch::Close;
                    self.queue = finalize(teller, world);
                }
                Stretch::Close => {
                    self.queue = self.close(teller, world);
                    if self.queue.is_empty() && self.waited {
                        self.stretch = Stretch::Collect;
                    } else {
                        self.stretch = Stretch::Wait;
                        self.rounds = self.rounds.saturating_add(1);
                    }
                }
                Stretch::Collect => {
                    self.stretch = Stretch::Done;
                    self.queue = collect(teller, world);
                    self.queue.insert(0, json!({ "do": "observe", "comment": END }));
                }
                Stretch::Done => return None,
            }
        }
    }

    /// Every channel with money in it, or with something agreed: by agreement, by the newest state, or by the empty one.
    fn close(&mut self, teller: &mut Teller, world: &World) -> Vec<Value> {
        let (mut steps, mut first) = (Vec::new(), Vec::new());
        for (chain, place) in &world.ground.places {
            let Some(ledger) = world.shadow.ledger(chain) else { continue };
            let key = place.client.deployment().key();
            for pair in world.all_pairs() {
                let line = ledger.line(&pair);
                let (a, b) = (world.name(&pair.left()), world.name(&pair.right()));
                let subchannel = world.view(&a, &b).and_then(|channel| channel.state().subchannels.get(&key));
                let agreed =
                    subchannel.is_some_and(|s| s.epoch == line.epoch && s.tokens.values().any(|t| t.offdelta != 0));
                let locked = line.buckets.values().any(|bucket| *bucket != (0, 0));
                if !agreed && !locked {
                    continue;
                }
                let tried = self.attempts.entry((pair, chain.clone())).or_default();
                *tried = tried.saturating_add(1);
                if *tried > ATTEMPTS {
                    continue;
                }
                // No state lists a token that was put in while nothing could be agreed, and whoever holds a state counters the
                // empty one with it: the token is added first.
                for coin in teller.cast.tokens.iter().filter(|coin| coin.chain == *chain) {
                    let ids = world.ground.find(&coin.name).map(|place| place.ids.clone()).unwrap_or_default();
                    let missing = |id| subchannel.is_none_or(|s| !s.tokens.contains_key(id));
                    if ids.iter().any(|id| line.buckets.get(id).is_some_and(|b| *b != (0, 0)) && missing(id)) {
                        first.push(json!({ "do": "credit", "by": a, "peer": b, "token": coin.name, "amount": "0" }));
                    }
                }
                let (a, b) = if teller.random.chance(50) { (a, b) } else { (b, a) };
                match *tried {
                    1 if teller.random.chance(40) => {
                        steps.push(json!({ "do": "close", "by": a, "peer": b, "chain": chain }));
                    }
                    1 | 2 => steps.push(json!({ "do": "dispute", "by": a, "peer": b, "chain": chain })),
                    ..=ATTEMPTS => {
                        let coins = teller.cast.tokens.iter().filter(|coin| coin.chain == *chain);
                        let coins: Vec<&str> = coins.map(|coin| coin.name.as_str()).collect();
                        steps.push(json!({ "do": "dispute", "by": a, "peer": b, "empty": coins }));
                    }
                    _ => {}
                }
                if *tried < 3 && teller.random.chance(25) {
                    steps.insert(0, json!({ "do": "accept", "by": b, "peer": a, "chain": chain }));
                }
            }
        }
        if self.rounds == 0 {
            for step in facts(teller) {
                steps.insert(0, step);
            }
        }
        // The last is taken first.
        steps.append(&mut first);
        steps
    }
}

/// While disputes run some facts are recorded, in time or too late.
fn facts(teller: &mut Teller) -> Vec<Value> {
    let mut steps = Vec::new();
    if teller.clauses.is_empty() || !teller.random.chance(60) {
        return steps;
    }
    let window = teller.cast.window_s;
    let waits = [0, 1, window.checked_div(2).unwrap_or(1), window, window, window.saturating_add(1)];
    for clause in teller.clauses.clone() {
        if let Some(flag) = teller.asks.get(&clause.name).cloned() {
            steps.push(json!({ "do": "answer", "name": flag }));
        }
        if teller.random.chance(50) {
            let seconds = teller.random.choose(&waits);
            steps.push(json!({ "do": "advance", "seconds": seconds }));
        }
        steps.push(json!({ "do": "record", "clause": clause.name }));
        if steps.len() > 8 {
            break;
        }
    }
    if teller.random.chance(50) {
        steps.push(json!({ "do": "advance", "seconds": window }));
        steps.extend(teller.clauses.last().map(|clause| json!({ "do": "record", "clause": clause.name })));
    }
    steps
}

fn finalize(teller: &mut Teller, world: &World) -> Vec<Value> {
    let mut steps = Vec::new();
    for chain in world.ground.places.keys() {
        let Some(ledger) = world.shadow.ledger(chain) else { continue };
        for (pair, line) in &ledger.lines {
            if line.dispute.is_some() {
                let (a, b) = (world.name(&pair.left()), world.name(&pair.right()));
                let mut by = teller.two().0;
                if chain == "b" && teller.cast.bound.contains(&by) {
                    by.clone_from(&a);
                }
                steps.push(json!({ "do": "finalize", "by": by, "channel": format!("{a}-{b}"), "chain": chain }));
            }
        }
    }
    steps
}

/// Debts are paid as far as they go, and some people take their money.
fn collect(teller: &mut Teller, world: &World) -> Vec<Value> {
    let mut steps = Vec::new();
    for coin in teller.cast.tokens.clone() {
        for who in teller.cast.entities.clone() {
            if world.owes(&who, &coin.name) && teller.random.chance(70) {
                steps.push(json!({ "do": "enforce", "of": who, "token": coin.name }));
            }
            let reserve = world.free(&who, &coin.name);
            if !reserve.is_zero() && teller.random.chance(20) {
                let amount = if coin.nft { "1".to_owned() } else { reserve.to_string() };
                steps.insert(0, json!({ "do": "withdraw", "by": who, "token": coin.name, "amount": amount }));
            }
        }
    }
    steps
}
