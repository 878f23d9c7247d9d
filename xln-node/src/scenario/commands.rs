//! Telling a node: opening what a step needs, and commands that are accepted or refused.

use xln_core::machine::{Action, Command, Input, InputOutcome};
use xln_core::transition::Transition;
use xln_core::types::{EntityId, SubchannelKey, TokenId};

use super::plan::Plan;
use super::refusal::{Refusal, RunError, Verdict};
use super::step::Act;
use super::world::{Issued, Named, World};

/// Commands that go into one record.
const RECORD_COMMANDS: usize = 1024;

impl World {
    /// Opens what a step needs between two sides, and lets them meet.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn prepare(&mut self, by: &str, peer: &str, tokens: &[&str]) -> Result<(), RunError> {
        let Some(pair) = self.pair(by, peer)? else { return Ok(()) };
        self.meet(&pair)?;
        if !self.scenario.auto_open {
            return Ok(());
        }
        let to = self.id(peer)?;
        for token in tokens {
            let (key, ids) = (self.ground.key(token)?, self.ground.find(token)?.ids.clone());
            self.open(by, to, key, &ids)?;
        }
        self.settle_down()?;
        if self.linked.contains(&pair) { Ok(()) } else { self.connect(&pair) }
    }

    fn open(&mut self, by: &str, peer: EntityId, key: SubchannelKey, ids: &[TokenId]) -> Result<(), RunError> {
        let state = self.party(by)?.node()?.channel(&peer).map(xln_core::channel::Channel::speculative);
        let subchannel = state.as_ref().and_then(|state| state.subchannels.get(&key));
        let mut transitions = Vec::new();
        if subchannel.is_none() {
            let place = self.ground.place_of(&key).ok_or(RunError::Value("depository"))?;
            let providers = vec![place.client.deployment().subcontract_provider];
            transitions.push(Transition::OpenSubchannel {
                key,
                providers,
                settle_margin_s: self.scenario.settle_margin_s,
            });
        }
        let missing = ids.iter().filter(|id| subchannel.is_none_or(|s| !s.tokens.contains_key(id)));
        transitions.extend(missing.map(|token| Transition::AddToken { key, token: *token }));
        if transitions.is_empty() {
            return Ok(());
        }
        let inputs = transitions
            .into_iter()
            .map(|transition| Input::Command(Command { peer, action: Action::Propose { transition, submit: false } }));
        // A refusal means that it is open, or that the command that needs it will be refused for the same reason.
        self.feed(by, inputs.collect())
    }

    /// Names and tokens that a step concerns, for [`World::prepare`]: who acts, with whom, in which tokens.
    #[must_use]
    pub fn concerns(&self, act: &Act) -> Vec<(String, String, Vec<String>)> {
        let of = |name: &str| self.named.get(name).map(|n| (n.by.clone(), n.peer.clone(), Vec::new()));
        let one = match act {
            Act::Collateral { by, peer, token, receiver, to, .. } => {
                let (receiver, peers) =
                    (receiver.as_ref().unwrap_or(by), peer.iter().chain(to.iter().map(|(peer, _)| peer)));
                return peers.map(|peer| (receiver.clone(), peer.clone(), vec![token.clone()])).collect();
            }
            Act::Route { by, via, to, token, .. } => {
                let ends = via.iter().chain([to]);
                let starts = [by].into_iter().chain(via);
                return starts.zip(ends).map(|(a, b)| (a.clone(), b.clone(), vec![token.clone()])).collect();
            }
            Act::Credit { by, peer, token, .. }
            | Act::Pay { by, peer, token, .. }
            | Act::Lock { by, peer, token, .. } => Some((by.clone(), peer.clone(), vec![token.clone()])),
            Act::Clause(clause) => Some((clause.by.clone(), clause.peer.clone(), vec![clause.token.clone()])),
            Act::Exercise { clause, .. } | Act::Drop { clause, .. } => of(clause),
            Act::Offer { by, peer, give, want, .. } => {
                Some((by.clone(), peer.clone(), vec![give.0.clone(), want.0.clone()]))
            }
            Act::Settlement { by, peer, diffs, forgive, .. } => {
                let tokens = diffs.iter().map(|d| d.token.clone()).chain(forgive.iter().cloned());
                Some((by.clone(), peer.clone(), tokens.collect()))
            }
            Act::Close { by, peer, .. } => Some((by.clone(), peer.clone(), Vec::new())),
            Act::Settle { payment, .. } | Act::Cancel { payment, .. } => of(payment),
            Act::Fill { swap, .. } | Act::Unoffer { swap, .. } => of(swap),
            _ => None,
        };
        one.into_iter().collect()
    }

    /// Tells a node one plan: all of it, or nothing.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn issue(&mut self, plan: Plan, part: Option<usize>) -> Result<Verdict, RunError> {
        self.consent(&plan)?;
        self.announce_route(&plan, part)?;
        let Plan { by, commands, named, .. } = plan;
        for chunk in commands.chunks(RECORD_COMMANDS) {
            let at = self.now;
            let inputs = chunk.iter().cloned().map(Input::Command).collect();
            let effects = match self.party_mut(&by)?.node_mut()?.step_whole(at, inputs)? {
                Ok(effects) => effects,
                Err(error) => {
                    self.never_made(named);
                    return Ok(Err(Refusal::of(&error)));
                }
            };
            let issued = Issued { named: named.as_ref().map(|(name, _)| name.clone()), part };
            self.accepted(&by, effects.outcomes(), &[issued])?;
            if let Some((name, named)) = named.clone() {
                self.named.insert(name, named);
            }
            self.take(&by, &effects, true)?;
            if commands.len() > RECORD_COMMANDS {
                self.settle_down()?;
            }
        }
        Ok(Ok(()))
    }

    /// Tells a node several plans in one record; each is accepted or refused on its own.
    ///
    /// # Errors
    /// [`RunError`] of nodes and chains.
    pub fn issue_together(&mut self, by: &str, plans: Vec<(usize, Plan)>) -> Result<Vec<(usize, Verdict)>, RunError> {
        plans.iter().try_for_each(|(part, plan)| {
            self.consent(plan)?;
            self.announce_route(plan, Some(*part))
        })?;
        let (mut inputs, mut issued) = (Vec::new(), Vec::new());
        for (part, plan) in &plans {
            let named = plan.named.as_ref().map(|(name, _)| name.clone());
            for command in &plan.commands {
                inputs.push(Input::Command(command.clone()));
                issued.push(Issued { named: named.clone(), part: Some(*part) });
            }
        }
        let at = self.now;
        let effects = self.party_mut(by)?.node_mut()?.step(at, inputs)?;
        self.accepted(by, effects.outcomes(), &issued)?;
        let mut verdicts: Vec<(usize, Verdict)> = plans.iter().map(|(part, _)| (*part, Ok(()))).collect();
        for (outcome, issued) in effects.outcomes().iter().zip(&issued) {
            let InputOutcome::Refused(error) = outcome else { continue };
            let found = verdicts.iter_mut().find(|(part, _)| Some(*part) == issued.part);
            if let Some((_, verdict)) = found {
                *verdict = Err(Refusal::of(error));
            }
        }
        for (part, plan) in plans {
            let worked = verdicts.iter().any(|(p, verdict)| *p == part && verdict.is_ok());
            match plan.named {
                Some((name, named)) if worked => drop(self.named.insert(name, named)),
                named => self.never_made(named),
            }
        }
        self.take(by, &effects, true)?;
        Ok(verdicts)
    }

    /// A story's settlements are agreed between people: the peer's application consents before its node is asked.
    fn consent(&mut self, plan: &Plan) -> Result<(), RunError> {
        let by = self.id(&plan.by)?;
        for command in &plan.commands {
            let Action::Propose { transition: Transition::ProposeSettlement { key, update, .. }, .. } = &command.action
            else {
                continue;
            };
            let action = Action::Consent { key: *key, update: update.clone() };
            let peer = self.name(&command.peer);
            // Without that subchannel there is nothing to settle, and nothing to consent to.
            let known = |c: &xln_core::channel::Channel| c.state().subchannels.contains_key(key);
            if self.view(&peer, &plan.by).is_some_and(known) {
                self.feed(&peer, vec![Input::Command(Command { peer: by, action })])?;
            }
        }
        Ok(())
    }

    /// What was refused can still be named: then it is not pending.
    fn never_made(&mut self, named: Option<(String, Named)>) {
        if let Some((name, named)) = named {
            self.named.entry(name).or_insert(named);
        }
    }

    fn accepted(&mut self, by: &str, outcomes: &[InputOutcome], issued: &[Issued]) -> Result<(), RunError> {
        let id = self.id(by)?;
        for (outcome, issued) in outcomes.iter().zip(issued.iter().cycle()) {
            if let InputOutcome::Accepted(command) = outcome {
                self.issued.insert((id, *command), issued.clone());
            }
        }
        Ok(())
    }
}
