//! Making a story small: steps are left out and amounts halved as long as the same thing still differs.

use serde_json::{Value, json};

use super::stage::START;
use super::{Finding, Tale, replay};

/// Stories that are tried at most.
const TRIES: u32 = 1500;

struct Shrinker {
    best: Finding,
    tries: u32,
}

impl Shrinker {
    /// Takes a story if it differs in the same way.
    fn accepts(&mut self, tale: Tale) -> bool {
        if self.tries >= TRIES {
            return false;
        }
        self.tries = self.tries.saturating_add(1);
        match replay(&tale) {
            Some((difference, told)) if difference.kind == self.best.difference.kind => {
                self.best = Finding { seed: self.best.seed, difference, tale: told };
                true
            }
            _ => false,
        }
    }

    fn with_steps(&self, steps: Vec<Value>) -> Tale {
        Tale { head: self.best.tale.head.clone(), steps }
    }

    /// How many steps may be left out: not those of the way home, if it is that which fails.
    fn loose(&self) -> usize {
        let steps = &self.best.tale.steps;
        let starts = |step: &Value| step.get("comment").and_then(Value::as_str) == Some(START);
        let start = steps.iter().position(starts).filter(|_| self.best.difference.shown_by.is_some());
        start.unwrap_or(steps.len())
    }

    /// Leaves out ranges of steps, from halves down to single ones.
    fn leave_out(&mut self) -> bool {
        let mut changed = false;
        let mut size = self.loose().checked_div(2).unwrap_or(0).max(1);
        loop {
            let mut at = 0_usize;
            while at < self.loose() {
                let end = at.saturating_add(size).min(self.loose());
                let mut steps = self.best.tale.steps.clone();
                steps.drain(at..end);
                if self.accepts(self.with_steps(steps)) {
                    changed = true;
                } else {
                    at = at.saturating_add(size);
                }
            }
            if size <= 1 {
                return changed;
            }
            size = size.checked_div(2).unwrap_or(1).max(1);
        }
    }

    /// Takes every step's simpler versions.
    fn simplify(&mut self) -> bool {
        let mut changed = false;
        for at in 0..self.loose() {
            while let Some(step) = self.best.tale.steps.get(at) {
                let simpler = simpler(step);
                let taken = simpler.into_iter().any(|step| {
                    let mut steps = self.best.tale.steps.clone();
                    if let Some(place) = steps.get_mut(at) {
                        *place = step;
                    }
                    self.accepts(self.with_steps(steps))
                });
                if !taken {
                    break;
                }
                changed = true;
            }
        }
        changed
    }

    /// Makes all amounts of the story smaller at once: one after the other they would not fit each other.
    fn scale(&mut self) -> bool {
        let mut changed = false;
        for by in [1_000_000_000_i128, 1000, 10, 2] {
            loop {
                let steps: Vec<Value> = self.best.tale.steps.iter().map(|step| scaled(step, by)).collect();
                if steps == self.best.tale.steps || !self.accepts(self.with_steps(steps)) {
                    break;
                }
                changed = true;
            }
        }
        changed
    }

    /// People and tokens that nobody speaks of.
    fn dismiss(&mut self) {
        for kind in ["entities", "tokens"] {
            let names: Vec<String> = self
                .best
                .tale
                .head
                .get(kind)
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|m| m.keys().cloned())
                .collect();
            for name in names {
                let mut head = self.best.tale.head.clone();
                if let Some(all) = head.get_mut(kind).and_then(Value::as_object_mut) {
                    all.remove(&name);
                }
                let steps = self.best.tale.steps.clone();
                let _ = self.accepts(Tale { head, steps });
            }
        }
    }
}

/// Makes a finding small.
pub(super) fn shrink(finding: &Finding) -> Finding {
    let mut shrinker = Shrinker { best: finding.clone(), tries: 0 };
    loop {
        let fewer = shrinker.leave_out();
        let simpler = shrinker.scale() | shrinker.simplify();
        if !(fewer || simpler) || shrinker.tries >= TRIES {
            break;
        }
    }
    shrinker.dismiss();
    shrinker.best
}

/// The same step with less in it: an inner step or an option less, one amount halved or one.
fn simpler(step: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    let Some(fields) = step.as_object() else { return all };
    if let Some(parts) = fields.get("steps").and_then(Value::as_array) {
        for at in 0..parts.len() {
            let mut fewer = parts.clone();
            fewer.remove(at);
            if !fewer.is_empty() {
                all.push(with(step, "steps", Value::Array(fewer)));
            }
            for part in parts.get(at).map(simpler).unwrap_or_default() {
                let mut changed = parts.clone();
                if let Some(place) = changed.get_mut(at) {
                    *place = part;
                }
                all.push(with(step, "steps", Value::Array(changed)));
            }
        }
        if let [only] = parts.as_slice() {
            all.push(only.clone());
        }
    }
    let optional =
        ["times", "observe", "arguments", "min_fill", "submit", "for", "to", "hash", "max", "expires_in_s", "comment"];
    for field in optional.into_iter().filter(|field| fields.contains_key(*field)) {
        let mut fewer = fields.clone();
        fewer.remove(field);
        all.push(Value::Object(fewer));
    }
    for (field, value) in fields {
        for smaller in halves(value) {
            all.push(with(step, field, smaller));
        }
    }
    all
}

fn with(step: &Value, field: &str, value: Value) -> Value {
    let mut step = step.clone();
    if let Some(fields) = step.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    step
}

/// Every amount of a value divided, none to nothing.
fn scaled(value: &Value, by: i128) -> Value {
    match value {
        Value::String(text) => match text.parse::<i128>() {
            Ok(number) if number.unsigned_abs() > 1 => {
                let part = number.checked_div(by).filter(|part| *part != 0).unwrap_or(number.signum());
                json!(part.to_string())
            }
            _ => value.clone(),
        },
        Value::Array(list) => Value::Array(list.iter().map(|item| scaled(item, by)).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(field, item)| (field.clone(), scaled(item, by))).collect())
        }
        _ => value.clone(),
    }
}

/// Smaller versions of a value: numbers in it, one after the other, become a tenth of themselves.
fn halves(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => match text.parse::<i128>() {
            Ok(number) if number.unsigned_abs() > 1 => {
                let round = [1, 10, 100, 1000].into_iter().map(|n: i128| n.saturating_mul(number.signum()));
                let smaller = round.chain(number.checked_div(2)).filter(|n| n.unsigned_abs() < number.unsigned_abs());
                smaller.map(|n| json!(n.to_string())).collect()
            }
            _ => Vec::new(),
        },
        Value::Array(list) => {
            let mut all = Vec::new();
            for (at, item) in list.iter().enumerate() {
                for smaller in halves(item) {
                    let mut changed = list.clone();
                    if let Some(place) = changed.get_mut(at) {
                        *place = smaller;
                    }
                    all.push(Value::Array(changed));
                }
            }
            all
        }
        Value::Object(fields) => {
            let each = fields.iter().flat_map(|(field, item)| halves(item).into_iter().map(move |s| (field, s)));
            each.map(|(field, smaller)| with(value, field, smaller)).collect()
        }
        _ => Vec::new(),
    }
}
