//! Playing a story in which any step may be refused: a refusal changes nothing, success is what the reckonings say.

use serde_json::{Value, json};

use super::tally::Tally;
use crate::scenario::file::Scenario;
use crate::scenario::play::{Options, Play};
use crate::scenario::refusal::{Refusal, RunError};
use crate::scenario::step::{Act, Refused, Step};

/// What does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// In a sentence.
    pub text: String,
    /// The same for the same cause, whatever the numbers.
    pub kind: String,
    /// A step of a file that shows it, if no other does.
    pub shown_by: Option<Value>,
}

/// Letters of a difference that make its kind.
const KIND_LETTERS: usize = 48;

impl Difference {
    fn new(text: String) -> Self {
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 1 && !is_name(word));
        let kind: String = words.flat_map(|word| [word, " "]).collect();
        Self { kind: kind.chars().take(KIND_LETTERS).collect(), text, shown_by: None }
    }

    pub(super) fn panic(text: &str) -> Self {
        Self::new(format!("panic: {text}"))
    }
}

fn is_name(word: &str) -> bool {
    ["alice", "bob", "carol", "dave", "club", "dao", "eth"].contains(&word)
}

/// What became of one step.
pub(super) struct Outcome {
    /// As a file would have it: with its refusals; nothing if it makes no sense here.
    pub(super) told: Option<Value>,
    /// Whether it worked.
    pub(super) worked: bool,
}

/// One story while it is played.
pub(super) struct Stage {
    pub(super) play: Play,
    tally: Tally,
    reorganised: bool,
    ended: bool,
}

impl Stage {
    pub(super) fn new(head: &Value) -> Result<Self, Difference> {
        let mut file = head.clone();
        if let Some(fields) = file.as_object_mut() {
            fields.insert("steps".to_owned(), json!([]));
        }
        let scenario: Scenario =
            serde_json::from_value(file).map_err(|error| Difference::new(format!("no scenario: {error}")))?;
        let options = Options { trace: false, model: true, volatile: true };
        let play = Play::new(scenario, options).map_err(|error| Difference::new(format!("no stage: {error}")))?;
        Ok(Self { play, tally: Tally::default(), reorganised: false, ended: false })
    }

    /// Plays one step.
    pub(super) fn step(&mut self, value: &Value) -> Result<Outcome, Difference> {
        let mut bare = value.clone();
        strip(&mut bare);
        let step = Step::parse(&bare).map_err(|error| Difference::new(format!("no step: {error}: {bare}")))?;
        let refused = if matches!(step.act, Act::Expect(_)) { Refused::No } else { Refused::Maybe };
        let step = Step { refused, ..step };
        let noticed = Tally::notice(&self.play.world, &step.act);
        let refusal = match self.play.play_step(&step) {
            Ok(refusal) => refusal,
            // Steps that it is about were taken out of the story.
            Err(RunError::Unknown { .. } | RunError::Malformed(_)) => return Ok(Outcome { told: None, worked: false }),
            Err(error) => return Err(Difference::new(error.to_string())),
        };
        self.reorganised |= matches!(step.act, Act::Reorg { .. }) && refusal.is_none();
        self.ended = is_end(value);
        if refusal.is_none() {
            self.tally.confirm(noticed);
        }
        self.tally.step(&step.name, refusal.as_ref());
        annotate(&mut bare, refusal.as_ref(), &self.play.world.parts);
        for (part, refusal) in parts(&bare).zip(&self.play.world.parts) {
            self.tally.step(part, refusal.as_ref());
        }
        Ok(Outcome { told: Some(bare), worked: refusal.is_none() })
    }

    /// At the end everything has come home: no money is in any channel, no dispute runs.
    pub(super) fn check_home(&self) -> Result<(), Difference> {
        // After a reorganisation a frozen channel waits for people, and its node starts nothing by itself.
        if self.reorganised {
            return Ok(());
        }
        let world = &self.play.world;
        for chain in world.ground.places.keys() {
            let Some(ledger) = world.shadow.ledger(chain) else { continue };
            for (pair, line) in &ledger.lines {
                let left = line.buckets.values().find(|bucket| **bucket != (0, 0));
                if line.dispute.is_some() || left.is_some() {
                    let (a, b) = (world.name(&pair.left()), world.name(&pair.right()));
                    let dispute = line.dispute.is_some();
                    let text = format!("cannot go home: {a}-{b} on {chain} keeps {left:?}, dispute {dispute}");
                    let name = format!("{a}-{b}");
                    let tokens = world.ground.tokens.keys().map(|token| (token.clone(), json!("0")));
                    let tokens: serde_json::Map<String, Value> = tokens.collect();
                    let shown_by = json!({
                        "do": "expect", "collateral": { name.clone(): tokens }, "in_dispute": { name: false },
                    });
                    return Err(Difference { shown_by: Some(shown_by), ..Difference::new(text) });
                }
            }
        }
        Ok(())
    }

    /// The same for a story of which not all may be there.
    pub(super) fn check_home_if_done(&self) -> Result<(), Difference> {
        if self.ended { self.check_home() } else { Ok(()) }
    }

    pub(super) fn count(mut self, tally: &mut Tally) {
        self.tally.finish(&self.play);
        tally.add(&self.tally);
    }
}

/// The step of a whole history from which on it goes home is an `observe` with this comment.
pub(super) const START: &str = "home from here";
/// The last step of a whole history is an `observe` with this comment.
pub(super) const END: &str = "everything is home";

fn is_end(value: &Value) -> bool {
    value.get("comment").and_then(Value::as_str) == Some(END)
}

fn inner(value: &Value) -> impl Iterator<Item = &Value> {
    value.get("steps").and_then(Value::as_array).into_iter().flatten()
}

fn parts(value: &Value) -> impl Iterator<Item = &str> {
    inner(value).filter_map(|part| part.get("do").and_then(Value::as_str))
}

/// Without what it says about being refused.
fn strip(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("refused");
        if let Some(steps) = fields.get_mut("steps").and_then(Value::as_array_mut) {
            steps.iter_mut().for_each(strip);
        }
    }
}

fn annotate(value: &mut Value, refusal: Option<&Refusal>, parts: &[Option<Refusal>]) {
    let Some(fields) = value.as_object_mut() else { return };
    if let Some(steps) = fields.get_mut("steps").and_then(Value::as_array_mut) {
        for (step, refusal) in steps.iter_mut().zip(parts) {
            annotate(step, refusal.as_ref(), &[]);
        }
    } else if let Some(refusal) = refusal {
        fields.insert("refused".to_owned(), json!(refusal.name()));
    }
}
