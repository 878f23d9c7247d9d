//! Playing a story: one step after the other, each judged by what it says about itself.

use std::collections::BTreeMap;

use serde_json::Value;
use xln_core::types::Pair;

use super::disputes::Answering;
use super::file::Scenario;
use super::plan::Plan;
use super::refusal::{Refusal, RunError, Verdict};
use super::step::{Act, Refused, Step};
use super::wealth::Wealth;
use super::world::World;

/// How a story is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Keep every message and effect.
    pub trace: bool,
    /// Check the rules that always hold after every step.
    pub model: bool,
    /// Keep the nodes' stores in memory.
    pub volatile: bool,
}

/// What became of one step.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Its number, from 1.
    pub step: usize,
    /// What it does.
    pub name: String,
    /// The refusal that it expected, or what does not hold.
    pub error: Option<String>,
    /// Whether everything is as the file says.
    pub ok: bool,
    /// Gas that it used.
    pub gas: u64,
    /// Heights of all channels, by pair.
    pub heights: BTreeMap<String, u64>,
    /// Messages and effects.
    pub trace: Vec<Value>,
}

/// A story that is being played.
pub struct Play {
    /// Everything in it.
    pub world: World,
    steps: std::vec::IntoIter<Value>,
    number: usize,
    model: bool,
    wealth: Wealth,
}

impl Play {
    /// Sets the stage.
    ///
    /// # Errors
    /// [`RunError`] if the file cannot be played.
    pub fn new(scenario: Scenario, options: Options) -> Result<Self, RunError> {
        let steps = scenario.steps.clone().into_iter();
        let world = World::new(scenario, options)?;
        Ok(Self { world, steps, number: 0, model: options.model, wealth: Wealth::default() })
    }

    /// Plays the next step; `None` at the end. After a step that is not ok the story is over.
    pub fn next_step(&mut self) -> Option<StepReport> {
        let value = self.steps.next()?;
        self.number = self.number.saturating_add(1);
        let name = value.get("do").and_then(Value::as_str).unwrap_or_default().to_owned();
        let played = self.play(&value);
        let (ok, error) = match played {
            Ok(refusal) => (true, refusal.map(|refusal| refusal.to_string())),
            Err(error) => (false, Some(error.to_string())),
        };
        let world = &mut self.world;
        Some(StepReport {
            step: self.number,
            name,
            error,
            ok,
            gas: std::mem::take(&mut world.gas),
            heights: world.heights(),
            trace: world.trace.as_mut().map(std::mem::take).unwrap_or_default(),
        })
    }

    fn play(&mut self, value: &Value) -> Result<Option<Refusal>, RunError> {
        let step = Step::parse(value)?;
        self.play_step(&step)
    }

    /// Steps over which wealth was compared.
    pub(super) const fn compared(&self) -> u64 {
        self.wealth.compared
    }

    /// Plays one step that is not in the file, as [`Play::next_step`] does.
    ///
    /// # Errors
    /// [`RunError`] for what does not hold.
    pub(super) fn play_step(&mut self, step: &Step) -> Result<Option<Refusal>, RunError> {
        if !self.model {
            return self.world.step(step);
        }
        let change = self.wealth.before(&self.world, step);
        let refusal = self.world.step(step)?;
        self.world.check_model()?;
        self.wealth.after(&self.world, step, refusal.is_some(), change)?;
        Ok(refusal)
    }
}

/// One step inside of `together` or `one_block`, and what became of it.
struct Part {
    step: Step,
    verdict: Verdict,
}

impl World {
    /// Plays one step, and gives the refusal that it expected.
    ///
    /// # Errors
    /// [`RunError`] for what does not hold.
    fn step(&mut self, step: &Step) -> Result<Option<Refusal>, RunError> {
        (self.touched, self.gas) = (false, 0);
        self.failures.clear();
        self.sent_routes.clear();
        self.parts.clear();
        match &step.act {
            Act::Expect(expect) => self.check(expect).map(|()| None),
            Act::Together { steps } | Act::OneBlock { steps } => self.group(step, steps).map(|()| None),
            act => {
                self.open_first(act)?;
                let whole = step.refused != Refused::Maybe;
                let before = if self.must_stay(step) { Some(self.fingerprint(whole)?) } else { None };
                let mut verdict = self.act(act)?;
                let accepted = verdict.is_ok();
                self.finish(step)?;
                if let (Ok(()), Some((_, refusal))) = (&verdict, self.failures.first()) {
                    verdict = Err(refusal.clone());
                }
                // What was agreed and signed stays open when the chain refuses it.
                let signed = accepted && matches!(act, Act::Settlement { .. } | Act::Close { .. });
                if let (Err(_), Some(before), true) = (&verdict, before, whole || !signed) {
                    compare(&before, &self.fingerprint(whole)?)?;
                }
                judge(step, verdict)
            }
        }
    }

    /// Whether a refusal of this step must leave everything as it is. Where it is not known whether there will be one,
    /// the step must be one action, and nothing else may be on its way.
    fn must_stay(&self, step: &Step) -> bool {
        match step.refused {
            Refused::No => false,
            Refused::Yes | Refused::With(_) => true,
            Refused::Maybe => !self.touched && self.ground.places.len() == 1 && self.is_quiet() && step.act.is_single(),
        }
    }

    /// Whether no line is cut and nothing between any two is unfinished.
    pub(super) fn is_quiet(&self) -> bool {
        let pairs = self.pairs();
        self.submissions.is_empty()
            && self.deferred.is_empty()
            && pairs.iter().all(|pair| !self.network.is_cut(pair) && self.is_level(pair))
    }

    fn open_first(&mut self, act: &Act) -> Result<(), RunError> {
        for (by, peer, tokens) in self.concerns(act) {
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            self.prepare(&by, &peer, &tokens)?;
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<Verdict, RunError> {
        if let Some(verdict) = self.on_reserves(act)? {
            return Ok(verdict);
        }
        if let Some(verdict) = self.on_faults(act)? {
            return Ok(verdict);
        }
        match act {
            Act::Remember { by, peer, name, both, forged } => return self.remember(by, peer, name, *both, *forged),
            Act::Counter(answer) => return self.answer(Answering::Counter, answer),
            Act::Accept(answer) => return self.answer(Answering::Accept, answer),
            Act::Finalize(answer) => return self.answer(Answering::Finalize, answer),
            _ => {}
        }
        let planned = match self.plan(act)? {
            Some(planned) => Some(planned),
            None => self.plan_dispute(act)?,
        };
        match planned {
            Some(Ok(plan)) => self.issue(plan, None),
            Some(Err(refusal)) => Ok(Err(refusal)),
            None => Err(RunError::Malformed("this step cannot stand here".to_owned())),
        }
    }

    fn finish(&mut self, step: &Step) -> Result<(), RunError> {
        self.settle_down()?;
        if self.touched && step.observe {
            self.observe()?;
        }
        if matches!(step.act, Act::Advance { .. }) { self.meet_all() } else { Ok(()) }
    }

    /// Steps that become proposals before any message is delivered: all of one side in one record, in order.
    fn group(&mut self, outer: &Step, steps: &[Value]) -> Result<(), RunError> {
        let mut parts = Vec::new();
        flatten(steps, &mut parts)?;
        for part in &parts {
            self.open_first(&part.step.act)?;
        }
        let must_stay = matches!(outer.refused, Refused::Yes | Refused::With(_));
        let before = if must_stay { self.fingerprint(true)? } else { String::new() };
        let mut plans: Vec<(String, Vec<(usize, Plan)>)> = Vec::new();
        for (number, part) in parts.iter_mut().enumerate() {
            let act = &part.step.act;
            let planned = match self.plan(act)? {
                Some(planned) => Some(planned),
                None => self.plan_dispute(act)?,
            };
            match planned {
                Some(Ok(plan)) => match plans.iter_mut().find(|(by, _)| *by == plan.by) {
                    Some((_, list)) => list.push((number, plan)),
                    None => plans.push((plan.by.clone(), vec![(number, plan)])),
                },
                Some(Err(refusal)) => part.verdict = Err(refusal),
                None => part.verdict = self.act(act)?,
            }
        }
        if matches!(outer.act, Act::OneBlock { .. }) && plans.len() > 1 {
            return Err(RunError::Malformed("`one_block` is of one side".to_owned()));
        }
        for (by, list) in plans {
            for (number, verdict) in self.issue_together(&by, list)? {
                if let Some(part) = parts.get_mut(number) {
                    part.verdict = verdict;
                }
            }
        }
        self.finish(outer)?;
        for (number, refusal) in std::mem::take(&mut self.failures) {
            let found = number.and_then(|number| parts.get_mut(number)).filter(|part| part.verdict.is_ok());
            if let Some(part) = found {
                part.verdict = Err(refusal);
            }
        }
        self.judge_group(outer, parts, &before)
    }

    fn judge_group(&mut self, outer: &Step, parts: Vec<Part>, before: &str) -> Result<(), RunError> {
        if outer.refused == Refused::Maybe {
            self.parts = parts.into_iter().map(|part| part.verdict.err()).collect();
            return Ok(());
        }
        self.parts = parts.iter().map(|part| part.verdict.as_ref().err().cloned()).collect();
        if outer.refused != Refused::No {
            let refused = parts.into_iter().find_map(|part| part.verdict.err());
            compare(before, &self.fingerprint(true)?)?;
            return judge(outer, refused.map_or(Ok(()), Err)).map(|_| ());
        }
        for (number, part) in (1_usize..).zip(parts) {
            judge(&part.step, part.verdict)
                .map_err(|error| RunError::Malformed(format!("inner step {number}: {error}")))?;
        }
        Ok(())
    }

    /// Everything that a refused step must leave as it was: money, promises, disputes; not heights, ids and times. What is
    /// not `whole` leaves the chains to the reckoning that is compared with them after every step.
    fn fingerprint(&self, whole: bool) -> Result<String, RunError> {
        let mut lines = Vec::new();
        for (name, party) in &self.parties {
            for token in self.ground.tokens.keys().filter(|_| whole) {
                let (reserve, debt) = (self.reserve(name, token)?, self.debt(name, token)?);
                let external = self.external(name, token)?;
                lines.push(format!("{name} {token}: reserve {reserve}, debt {debt}, external {external}"));
            }
            for (peer, channel) in party.node()?.machine().channels() {
                for (key, s) in &channel.state().subchannels {
                    let peer = self.name(peer);
                    lines.push(format!("{name}-{peer} chain {}: {:?} {:?}", key.chain.0, s.tokens, s.dispute));
                    lines.push(format!("{name}-{peer} chain {}: {:?} {:?}", key.chain.0, s.pending, s.settlement));
                }
            }
        }
        for pair in self.pairs().into_iter().filter(|_| whole) {
            lines.push(format!(
                "{} {}: epoch {}, dispute {}",
                pair.left(),
                pair.right(),
                self.epoch(&pair)?,
                self.in_dispute(&pair)?
            ));
        }
        Ok(lines.join("\n"))
    }

    /// Heights of all channels; where the two sides differ, the greater.
    #[must_use]
    pub fn heights(&self) -> BTreeMap<String, u64> {
        let height = |pair: &Pair| {
            let ends = self.ends(pair);
            let heights = ends.iter().filter_map(|(_, name, peer)| Some(self.view(name, peer)?.state().height));
            heights.max().unwrap_or(0)
        };
        let name = |pair: &Pair| format!("{}-{}", self.name(&pair.left()), self.name(&pair.right()));
        self.pairs().iter().map(|pair| (name(pair), height(pair))).collect()
    }
}

fn flatten(steps: &[Value], parts: &mut Vec<Part>) -> Result<(), RunError> {
    for step in Step::parse_all(steps)? {
        match &step.act {
            Act::Together { steps } | Act::OneBlock { steps } => flatten(steps, parts)?,
            _ => parts.push(Part { step, verdict: Ok(()) }),
        }
    }
    Ok(())
}

/// Whether a step ended as it says.
fn judge(step: &Step, verdict: Verdict) -> Result<Option<Refusal>, RunError> {
    match (&step.refused, verdict) {
        (Refused::No, Ok(())) => Ok(None),
        (Refused::No, Err(refusal)) => Err(RunError::Refused(refusal)),
        (Refused::Maybe, verdict) => Ok(verdict.err()),
        (Refused::Yes, Ok(())) => Err(RunError::Worked(String::new())),
        (Refused::With(name), Ok(())) => Err(RunError::Worked(format!(" with {name}"))),
        (Refused::With(name), Err(refusal)) if !refusal.is(name) => {
            Err(RunError::OtherRefusal { expected: name.clone(), found: refusal })
        }
        (_, Err(refusal)) => Ok(Some(refusal)),
    }
}

fn compare(before: &str, after: &str) -> Result<(), RunError> {
    if before == after {
        return Ok(());
    }
    let pairs = before.lines().zip(after.lines()).find(|(a, b)| a != b);
    let (expected, found) = pairs.unwrap_or((before, after));
    Err(RunError::Changed { expected: expected.to_owned(), found: found.to_owned() })
}
