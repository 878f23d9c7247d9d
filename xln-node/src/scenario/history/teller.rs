//! Tells a story step by step: looks at the world, so that most steps work, and draws the next one from a table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::home::Homeward;
use super::people::Cast;
use super::random::Random;
use super::stage::Outcome;
use crate::scenario::world::World;

/// Makes a step, if the world allows for one.
type Make = fn(&mut Teller, &World) -> Option<Value>;

/// What happens, and how often. A new kind of step gets a line here and a function in `steps.rs`; what every story needs
/// to come home is in `home.rs`.
const STEPS: &[(&str, u64, Make)] = &[
    ("deposit", 5, Teller::deposit),
    ("withdraw", 3, Teller::withdraw),
    ("transfer", 3, Teller::transfer),
    ("collateral", 7, Teller::collateral),
    ("credit", 6, Teller::credit),
    ("pay", 14, Teller::pay),
    ("lock", 8, Teller::lock),
    ("settle", 7, Teller::settle),
    ("cancel", 3, Teller::cancel),
    ("reveal", 5, Teller::reveal),
    ("offer", 14, Teller::offer),
    ("fill", 12, Teller::fill),
    ("unoffer", 2, Teller::unoffer),
    ("clause", 14, Teller::clause),
    ("answer", 7, Teller::answer),
    ("record", 14, Teller::record),
    ("exercise", 16, Teller::exercise),
    ("drop", 3, Teller::drop_clause),
    ("route", 5, Teller::route),
    ("board", 6, Teller::board),
    ("settlement", 5, Teller::settlement),
    ("submit", 10, Teller::submit),
    ("close", 2, Teller::close),
    ("remember", 7, Teller::remember),
    ("dispute", 4, Teller::dispute),
    ("counter", 10, Teller::counter),
    ("accept", 4, Teller::accept),
    ("finalize", 7, Teller::finalize),
    ("enforce", 3, Teller::enforce),
    ("together", 5, Teller::together),
    ("one_block", 3, Teller::one_block),
    ("observe", 2, Teller::observe),
    ("advance", 5, Teller::advance),
    ("backup", 1, Teller::backup),
    ("crash", 3, Teller::crash),
    ("cut", 2, Teller::cut),
    ("heal", 4, Teller::heal),
    ("tamper", 2, Teller::tamper),
    ("reorg", 1, Teller::reorg),
];
/// The kinds of steps that random histories are made of.
#[must_use]
pub fn step_names() -> Vec<&'static str> {
    STEPS.iter().map(|(name, ..)| *name).collect()
}

fn weight_of<'w>(name: &str, weights: &'w mut [u64]) -> Option<&'w mut u64> {
    weights.get_mut(STEPS.iter().position(|(step, ..)| *step == name)?)
}

/// Steps that not every story has: they leave things unfinished, and then less can be reckoned.
const RARE: [&str; 6] = ["cut", "heal", "tamper", "crash", "reorg", "backup"];

/// A lock, an offer or a clause that was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) by: String,
    pub(super) peer: String,
}

/// The teller of one story.
pub(super) struct Teller {
    pub(super) random: Random,
    pub(super) cast: Cast,
    pub(super) locks: Vec<Made>,
    pub(super) offers: Vec<Made>,
    pub(super) clauses: Vec<Made>,
    /// What conditions ask, by name.
    pub(super) asks: BTreeMap<String, String>,
    /// What was said.
    pub(super) flags: BTreeMap<String, bool>,
    /// Boards and their operators.
    pub(super) operators: Vec<(String, String)>,
    pub(super) states: Vec<Made>,
    pub(super) backups: Vec<(String, String)>,
    pub(super) cuts: Vec<(String, String)>,
    /// Blocks since both sides took note of a chain.
    pub(super) unseen: u64,
    /// Bits of usual amounts.
    pub(super) bits: u32,
    pub(super) names: u64,
    weights: Vec<u64>,
    /// What comes next in any case; the last is taken first.
    pub(super) first: Vec<Value>,
    left: u64,
    home: Homeward,
}

impl Teller {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let cast = Cast::new(&mut random, seed);
        // What a registry says of boards is not taken back.
        let (stormy, reorganised) = (random.chance(35), random.chance(10) && cast.registered.is_empty());
        let mut weights = Vec::new();
        for (name, weight, _) in STEPS {
            let rare = RARE.contains(name);
            let mood = match *name {
                "reorg" => u64::from(reorganised).saturating_mul(8),
                _ if rare => u64::from(stormy).saturating_mul(2),
                _ => random.choose(&[1, 2, 2, 2, 4, 6]),
            };
            weights.push(weight.saturating_mul(mood));
        }
        if let (true, Some(weight)) = (cast.boards.is_empty(), weight_of("board", &mut weights)) {
            *weight = 0;
        }
        let bits = random.choose(&[4, 10, 20, 40, 40, 64, 100, 125]);
        let left = random.below(36).saturating_add(12);
        let mut teller = Self {
            random,
            cast,
            locks: Vec::new(),
            offers: Vec::new(),
            clauses: Vec::new(),
            asks: BTreeMap::new(),
            flags: BTreeMap::new(),
            operators: Vec::new(),
            states: Vec::new(),
            backups: Vec::new(),
            cuts: Vec::new(),
            unseen: 0,
            bits,
            names: 0,
            weights,
            first: Vec::new(),
            left,
            home: Homeward::default(),
        };
        teller.first = teller.beginning();
        teller.first.reverse();
        teller
    }

    pub(super) fn head(&self) -> Value {
        self.cast.head.clone()
    }

    /// Money for everyone, or nothing could happen.
    fn beginning(&mut self) -> Vec<Value> {
        let mut steps = Vec::new();
        for who in self.cast.entities.clone() {
            for token in self.cast.tokens.clone() {
                if self.random.chance(75) && !(token.chain == "b" && self.cast.bound.contains(&who)) {
                    let amount = if token.nft { 1 } else { self.amount() };
                    steps
                        .push(json!({ "do": "deposit", "by": who, "token": token.name, "amount": amount.to_string() }));
                }
            }
        }
        // Some trust each other.
        for by in self.cast.entities.clone() {
            for peer in self.cast.entities.clone() {
                if by != peer && self.random.chance(35) {
                    let (coin, amount) = (self.random.choose(&self.cast.tokens).name, self.amount().to_string());
                    let step = json!({ "do": "credit", "by": by, "peer": peer, "token": coin, "amount": amount });
                    steps.extend(Some(step).filter(|step| self.is_possible(step)));
                }
            }
        }
        steps
    }

    /// The next step; `None` when everything is home.
    pub(super) fn next(&mut self, world: &World) -> Option<Value> {
        if let Some(step) = self.first.pop() {
            return Some(step);
        }
        if self.left > 0 {
            self.left = self.left.saturating_sub(1);
            for _ in 0..64 {
                let total: u64 = self.weights.iter().sum();
                let mut at = self.random.below(total);
                for ((_, _, make), weight) in STEPS.iter().zip(self.weights.clone()) {
                    if at < weight {
                        if let Some(step) = make(self, world).filter(|step| self.is_possible(step)) {
                            return Some(self.unobserved(step));
                        }
                        break;
                    }
                    at = at.saturating_sub(weight);
                }
            }
        }
        let mut home = std::mem::take(&mut self.home);
        let step = home.next(self, world);
        self.home = home;
        step
    }

    /// What is registered on the first chain has nothing on the second.
    fn is_possible(&self, step: &Value) -> bool {
        let bound = |text: &str| self.cast.bound.iter().any(|name| text.split('-').any(|part| part == name));
        let elsewhere =
            |text: &str| text == "b" || self.cast.tokens.iter().any(|coin| coin.chain == "b" && coin.name == text);
        // What a third one does in a channel is done on every chain.
        let third = step.get("channel").is_some() && self.cast.tokens.iter().any(|coin| coin.chain == "b");
        !(says(step, &bound) && (third || says(step, &elsewhere)))
    }

    /// Now and then nobody looks at the chain at once.
    fn unobserved(&mut self, mut step: Value) -> Value {
        let on_chain = ["deposit", "collateral", "settlement", "dispute", "counter", "finalize", "close", "reveal"];
        let name = step.get("do").and_then(Value::as_str).unwrap_or_default().to_owned();
        if on_chain.contains(&name.as_str()) && self.random.chance(10) {
            if let Some(fields) = step.as_object_mut() {
                fields.insert("observe".to_owned(), json!(false));
            }
            self.unseen = self.unseen.saturating_add(1);
        } else {
            self.unseen = 0;
        }
        step
    }

    /// Takes note of what became of a step.
    pub(super) fn hear(&mut self, step: &Value, outcome: &Outcome) {
        let text = |field: &str| step.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let made = || Made { name: text("as"), by: text("by"), peer: text("peer") };
        match step.get("do").and_then(Value::as_str) {
            Some("remember") if outcome.worked => self.states.push(made()),
            Some("backup") if outcome.worked => self.backups.push((text("of"), text("as"))),
            Some("lock") => self.locks.push(made()),
            Some("clause") => {
                self.clauses.push(made());
                if text("kind") == "condition" {
                    self.asks.insert(text("as"), text("answer"));
                }
            }
            Some("answer") if outcome.worked => {
                let value = step.get("value").and_then(Value::as_bool).unwrap_or(true);
                self.flags.insert(text("name"), value);
            }
            Some("board") if outcome.worked => {
                let operator = step.pointer("/delegate/operator").and_then(Value::as_str);
                self.operators.retain(|(of, _)| *of != text("of") || step.get("members").is_some());
                self.operators.extend(operator.map(|operator| (text("of"), operator.to_owned())));
            }
            Some("offer") => self.offers.push(made()),
            Some("together" | "one_block") => {
                for part in step.get("steps").and_then(Value::as_array).into_iter().flatten() {
                    self.hear(part, outcome);
                }
            }
            _ => {}
        }
    }

    /// A name that nothing has.
    pub(super) fn name(&mut self, kind: &str) -> String {
        self.names = self.names.saturating_add(1);
        format!("{kind}{}", self.names)
    }

    /// A usual amount.
    pub(super) fn amount(&mut self) -> u128 {
        let most = 1_u128.checked_shl(self.bits).unwrap_or(u128::MAX);
        self.random.up_to(most)
    }
}

/// Whether some text of a step is such.
fn says(value: &Value, such: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => such(text),
        Value::Array(list) => list.iter().any(|item| says(item, such)),
        Value::Object(fields) => fields.values().any(|item| says(item, such)),
        _ => false,
    }
}
