//! Letting things happen: messages arrive, actions are executed, facts are taken note of, until nothing is left to do.

use serde_json::json;
use xln_chain::Receipt;
use xln_core::channel::{Event, Rejection};
use xln_core::machine::{Effect, Effects, Input};
use xln_core::types::{EntityId, Pair};

use super::refusal::{Refusal, RunError, Verdict};
use super::shadow::Operation;
use super::world::{Submission, World};
use crate::driver::is_overtaken;
use crate::transport::Transport;

/// Rounds after which a run that does not come to rest is given up.
const MAX_ROUNDS: u32 = 10_000;

impl World {
    /// Gives inputs to a node and takes over what comes of them.
    ///
    /// # Errors
    /// [`RunError::Node`].
    pub fn feed(&mut self, name: &str, mut inputs: Vec<Input>) -> Result<(), RunError> {
        let at = self.now;
        loop {
            let effects = self.party_mut(name)?.node_mut()?.step(at, std::mem::take(&mut inputs))?;
            self.take(name, &effects, false)?;
            if !self.party(name)?.node()?.is_due() {
                return Ok(());
            }
        }
    }

    /// Sends what a step wants sent, and keeps what it wants executed.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn take(&mut self, name: &str, effects: &Effects, direct: bool) -> Result<(), RunError> {
        let by = self.id(name)?;
        self.trace_effects(name, effects);
        self.network.send(by, effects);
        let mut asked = Vec::new();
        for (effect, what) in effects.effects() {
            match what {
                Effect::Submit(action) => {
                    let action = action.clone();
                    self.submissions.push_back(Submission { by, effect: *effect, action, direct });
                }
                Effect::Sign { digest, purpose, .. } => asked.push((*effect, *digest, purpose.clone())),
                _ => {}
            }
        }
        for event in effects.events() {
            self.on_event(by, event);
        }
        for (request, digest, purpose) in asked {
            self.answer_signing(name, request, &digest, &purpose)?;
        }
        Ok(())
    }

    fn on_event(&mut self, by: EntityId, event: &Event) {
        match event {
            Event::CommandDone { command, subcontract } => {
                let named = self.issued.get(&(by, *command)).and_then(|issued| issued.named.clone());
                if let Some(found) = named.and_then(|name| self.named.get_mut(&name)) {
                    found.id = *subcontract;
                }
            }
            Event::CommandFailed { command, error } => {
                if let Some(issued) = self.issued.get(&(by, *command)) {
                    self.failures.push((issued.part, Refusal::of(error)));
                }
            }
            Event::PaymentEnded { payment, .. } => self.on_ended(by, payment),
            Event::Rejected { from, reason } => {
                let (from, reason): (String, Rejection) = (self.name(from), *reason);
                let by = self.name(&by);
                self.note(|| json!({ "trace": "rejected", "by": by, "from": from, "reason": reason.to_string() }));
            }
            _ => {}
        }
    }

    fn trace_effects(&mut self, name: &str, effects: &Effects) {
        if self.trace.is_none() {
            return;
        }
        for (id, effect) in effects.effects() {
            let entry = match effect {
                Effect::Send { to, bytes } => {
                    json!({ "trace": "send", "from": name, "to": self.name(to), "bytes": bytes.len() })
                }
                Effect::Submit(action) => {
                    json!({ "trace": "submit", "by": name, "effect": id.0, "call": format!("{:?}", action.call) })
                }
                other => json!({ "trace": "effect", "by": name, "effect": id.0, "what": format!("{other:?}") }),
            };
            self.note(|| entry);
        }
        for event in effects.events() {
            let shown = format!("{event:?}");
            self.note(|| json!({ "trace": "event", "at": name, "event": shown }));
        }
    }

    /// Delivers every message, in order.
    ///
    /// # Errors
    /// [`RunError::Node`], or a run that does not come to rest.
    pub fn deliver_all(&mut self) -> Result<(), RunError> {
        for _ in 0..MAX_ROUNDS {
            let Some(delivery) = self.network.deliver() else { return Ok(()) };
            let Some(to) = self.names.get(&delivery.to).cloned() else { continue };
            let (from, length, how) = (self.name(&delivery.from), delivery.bytes.len(), delivery.tampered);
            self.note(|| json!({ "trace": "deliver", "from": from, "to": to, "bytes": length, "tampered": format!("{how:?}") }));
            self.feed(&to, vec![Input::Message { from: delivery.from, bytes: delivery.bytes }])?;
        }
        Err(RunError::Value("the nodes never stop talking"))
    }

    /// Delivers and executes until nothing is on its way.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn settle_down(&mut self) -> Result<(), RunError> {
        for _ in 0..MAX_ROUNDS {
            self.deliver_all()?;
            let Some(submission) = self.submissions.pop_front() else { return Ok(()) };
            let verdict = self.execute(&submission)?;
            let name = self.name(&submission.by);
            let own = submission.direct || !self.scenario.auto;
            let done = verdict.as_ref().map_or_else(|refusal| !own && is_overtaken(refusal.name()), |()| true);
            let completed = Input::Completed { effect: submission.effect, success: done };
            if own || done {
                self.feed(&name, vec![completed])?;
            } else {
                // A vigilant node would try again at once; before there is another block that is in vain.
                self.deferred.push((name.clone(), completed));
            }
            if let Err(refusal) = verdict {
                let shown = refusal.to_string();
                self.note(|| json!({ "trace": "refused", "by": name, "why": shown }));
                if own {
                    self.failures.push((None, refusal));
                }
            }
        }
        Err(RunError::Value("the nodes never come to rest"))
    }

    fn execute(&mut self, submission: &Submission) -> Result<Verdict, RunError> {
        let name = self.name(&submission.by);
        if self.ground.place_of(&submission.action.key).is_none() {
            return Ok(Err(Refusal::named("UnknownDepository", "no such Depository")));
        }
        let answer = self.submit_as(&name, &submission.action)?;
        let chain = self.ground.name_of(&submission.action.key);
        let operation = Operation::Act { by: submission.by, action: Box::new(submission.action.clone()) };
        self.receipt_of(&chain, &operation, answer)
    }

    /// Takes a receipt into account, or says why there is none.
    ///
    /// # Errors
    /// What is no refusal.
    pub fn receipt(&mut self, answer: Result<Receipt, RunError>) -> Result<Verdict, RunError> {
        match answer {
            Ok(receipt) => {
                self.touched = true;
                self.gas = self.gas.saturating_add(receipt.gas_used);
                Ok(Ok(()))
            }
            Err(RunError::Chain(error)) => Ok(Err(Refusal::of_chain(error)?)),
            Err(error) => Err(error),
        }
    }

    /// Everyone takes note of what the chains say, and acts upon it, until there is nothing new.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn observe(&mut self) -> Result<(), RunError> {
        let names: Vec<String> = self.parties.keys().cloned().collect();
        for (name, completed) in std::mem::take(&mut self.deferred) {
            self.feed(&name, vec![completed])?;
        }
        for _ in 0..MAX_ROUNDS {
            let mut news = false;
            for name in &names {
                let party = self.parties.get_mut(name).ok_or(RunError::Value("party"))?;
                let facts = party.news(&self.ground)?;
                if !facts.is_empty() {
                    news = true;
                    self.feed(name, facts.into_iter().map(Input::Chain).collect())?;
                }
            }
            self.settle_down()?;
            if !news {
                return Ok(());
            }
        }
        Err(RunError::Value("the chains never come to rest"))
    }

    /// Two sides tell each other where they stand; what was lost is sent again.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn connect(&mut self, pair: &Pair) -> Result<(), RunError> {
        if self.network.is_cut(pair) {
            return Ok(());
        }
        for (_, name, _) in self.ends(pair) {
            let peer = pair.entity(pair.side(&self.id(&name)?).map_or(xln_core::types::Side::Left, |s| s.other()));
            self.feed(&name, vec![Input::Connected { peer }])?;
        }
        self.linked.insert(*pair);
        self.settle_down()
    }

    /// Lets two sides meet if something between them is not acknowledged.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn meet(&mut self, pair: &Pair) -> Result<(), RunError> {
        if self.network.is_cut(pair) || self.is_level(pair) { Ok(()) } else { self.connect(pair) }
    }

    pub(super) fn is_level(&self, pair: &Pair) -> bool {
        let mut tips = Vec::new();
        for (_, name, peer) in self.ends(pair) {
            let Ok(node) = self.party(&name).and_then(super::party::Party::node) else { continue };
            let Ok(peer) = self.id(&peer) else { continue };
            let Some(channel) = node.channel(&peer) else {
                tips.push(None);
                continue;
            };
            let open = channel.state().subchannels.iter().filter(|(_, s)| s.settlement.is_some());
            let signed =
                open.map(|(key, _)| key).all(|key| channel.settlement(key).is_some_and(|s| s.call().is_some()));
            if channel.is_in_flight() || channel.queued() > 0 || channel.is_recovering() || !signed {
                return false;
            }
            tips.push(Some(channel.tip().commitment.state_hash));
        }
        tips.windows(2).all(|two| matches!(two, [a, b] if a == b))
            && (self.linked.contains(pair) || tips.iter().all(Option::is_none))
    }
}
