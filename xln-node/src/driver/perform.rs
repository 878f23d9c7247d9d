//! Doing what a step asked for: messages through a transport, actions through a chain, and the outbox told of their end.

use xln_core::chain::ChainAction;
use xln_core::channel::Event;
use xln_core::machine::{Effect, EffectId, Effects, Input, InputOutcome};
use xln_core::types::{EntityId, UnixSeconds};
use xln_storage::Storage;

use super::{Node, NodeError};
use crate::transport::Transport;

/// Executes actions on chain. It is called at least once for each, so it must take a duplicate of something that is done
/// already as done.
pub trait Executor {
    /// Why an action did not work and never will; the machine is told.
    type Refusal;

    /// Executes one action in the name of `by`.
    ///
    /// # Errors
    /// The refusal. What may still work later is for the executor to repeat.
    fn execute(&mut self, by: EntityId, action: &ChainAction) -> Result<(), Self::Refusal>;
}

/// Whether a contract's refusal only says that somebody else was faster, or that it was done before: what the action was to
/// bring about is there, or was overtaken by a fact that the machine will be told. Such an action is done, not failed.
#[must_use]
pub fn is_overtaken(revert_name: &str) -> bool {
    const OVERTAKEN: [&str; 5] = ["DisputeMismatch", "NoDispute", "NonceNotNewer", "AlreadyAnswered", "DeadlinePassed"];
    OVERTAKEN.contains(&revert_name)
}

/// What came of effects.
#[derive(Debug)]
pub struct Performed<R> {
    /// What the application wants to know, in order.
    pub events: Vec<Event>,
    /// What became of the inputs of the first step.
    pub outcomes: Vec<InputOutcome>,
    /// Actions that the chain refused.
    pub refusals: Vec<(EffectId, R)>,
}

impl<S: Storage> Node<S> {
    /// Sends the messages, executes the actions, and tells the machine how they ended, until nothing is left to do.
    ///
    /// # Errors
    /// As [`Node::step`].
    pub fn perform<T: Transport, X: Executor>(
        &mut self,
        now: UnixSeconds,
        effects: Effects,
        transport: &mut T,
        executor: &mut X,
    ) -> Result<Performed<X::Refusal>, NodeError> {
        let entity = self.entity();
        let mut performed =
            Performed { events: Vec::new(), outcomes: effects.outcomes().to_vec(), refusals: Vec::new() };
        let mut next = Some(effects);
        while let Some(effects) = next.take() {
            transport.send(entity, &effects);
            performed.events.extend_from_slice(effects.events());
            let mut completed = Vec::new();
            for (id, effect) in effects.effects() {
                let Effect::Submit(action) = effect else { continue };
                let verdict = executor.execute(entity, action);
                completed.push(Input::Completed { effect: *id, success: verdict.is_ok() });
                performed.refusals.extend(verdict.err().map(|refusal| (*id, refusal)));
            }
            if !completed.is_empty() || self.is_due() {
                next = Some(self.step(now, completed)?);
            }
        }
        Ok(performed)
    }
}
