//! What goes out of a wallet: messages, questions to a remote signer, events, and the ends of commands.

use std::collections::VecDeque;
use std::sync::Arc;

use xln_core::channel::{CommandId, Event};
use xln_core::crypto::Signature;
use xln_core::machine::{Effect, EffectId, Effects, InputOutcome};
use xln_core::map::{Map, Set};
use xln_core::types::EntityId;

use super::event::{Agreed, Verdict, WalletEvent};
use super::host::{BoxFuture, EventListener, HostError, MessageSink, RemoteSigner, SignRequest};
use super::keeper::Keeper;
use super::tools::{call_of, parse_signature};

/// Ends of commands that are remembered.
const REMEMBERED_ENDS: usize = 8192;

/// The end of something that was done outside.
pub(super) enum Done {
    Sent { to: EntityId, result: Result<(), HostError> },
    Signed { effect: EffectId, result: Result<Signature, HostError> },
}

/// What is on its way out, and what is kept for those who ask.
pub(super) struct Outside {
    sink: Arc<dyn MessageSink>,
    remote: Option<Arc<dyn RemoteSigner>>,
    listener: Option<Arc<dyn EventListener>>,
    /// Messages by peer; the order within one is kept, and only one of each is on its way.
    outgoing: Map<EntityId, VecDeque<Vec<u8>>>,
    sending: Set<EntityId>,
    questions: VecDeque<(EffectId, SignRequest)>,
    /// Remote signatures that were asked for and not given.
    asked: Set<EffectId>,
    jobs: Vec<BoxFuture<Done>>,
    events: VecDeque<WalletEvent>,
    event_limit: usize,
    missed: u64,
    for_listener: VecDeque<WalletEvent>,
    /// Commands whose end is not known.
    waiting: Set<CommandId>,
    ends: Map<CommandId, Verdict>,
    end_order: VecDeque<CommandId>,
}

/// What is known of a command.
pub(super) enum Fate {
    Ended(Verdict),
    Waits,
    Unknown,
}

impl Outside {
    pub(super) fn new(
        sink: Arc<dyn MessageSink>,
        remote: Option<Arc<dyn RemoteSigner>>,
        listener: Option<Arc<dyn EventListener>>,
        event_limit: usize,
    ) -> Self {
        Self {
            sink,
            remote,
            listener,
            outgoing: Map::new(),
            sending: Set::new(),
            questions: VecDeque::new(),
            asked: Set::new(),
            jobs: Vec::new(),
            events: VecDeque::new(),
            event_limit: event_limit.max(1),
            missed: 0,
            for_listener: VecDeque::new(),
            waiting: Set::new(),
            ends: Map::new(),
            end_order: VecDeque::new(),
        }
    }

    /// What a machine brings from its log: commands that wait, and effects that are not done.
    pub(super) fn resume(&mut self, keeper: &Keeper) {
        self.waiting.extend(keeper.machine.channels().flat_map(|(_, channel)| channel.commands()));
        for (id, effect) in keeper.machine.pending_effects() {
            self.effect(keeper, id, effect);
        }
    }

    /// Takes what a step gave.
    pub(super) fn take(&mut self, keeper: &Keeper, effects: &Effects, waits: &[bool], ticked: bool) {
        for (outcome, waits) in effects.outcomes().iter().zip(waits) {
            match outcome {
                InputOutcome::Accepted(id) if *waits => {
                    self.waiting.insert(*id);
                }
                InputOutcome::Accepted(id) => self.end(*id, Ok(Agreed { command: *id, id: None })),
                _ => {}
            }
        }
        for event in effects.events() {
            match event {
                Event::CommandDone { command, subcontract } => {
                    self.end_waiting(*command, Ok(Agreed { command: *command, id: *subcontract }));
                }
                Event::CommandFailed { command, error } => self.end_waiting(*command, Err(*error)),
                _ => {}
            }
            self.event(WalletEvent::Channel(event.clone()));
        }
        for (id, effect) in effects.effects() {
            self.effect(keeper, *id, effect);
        }
        if ticked {
            for (id, effect) in keeper.machine.pending_effects() {
                if matches!(effect, Effect::Sign { .. }) {
                    self.effect(keeper, id, effect);
                }
            }
        }
    }

    fn effect(&mut self, keeper: &Keeper, id: EffectId, effect: &Effect) {
        match effect {
            Effect::Send { to, bytes } => self.outgoing.entry(*to).or_default().push_back(bytes.clone()),
            Effect::Submit(action) => {
                let call = call_of(keeper.machine.config(), action);
                self.event(WalletEvent::Submit { effect: id, action: action.clone(), call });
            }
            Effect::Sign { peer, purpose, digest } => {
                if !self.asked.insert(id) {
                    return;
                }
                let request = SignRequest { peer: *peer, purpose: purpose.clone(), digest: *digest };
                self.event(WalletEvent::SignRequested { effect: id, request: request.clone() });
                self.questions.push_back((id, request));
            }
            // A kind of effect that this code does not know stays in the outbox.
            _ => {}
        }
    }

    /// The end of a command that somebody may wait for; the machine's own are nobody's.
    fn end_waiting(&mut self, command: CommandId, verdict: Verdict) {
        if self.waiting.remove(&command) {
            self.end(command, verdict);
        }
    }

    fn end(&mut self, command: CommandId, verdict: Verdict) {
        if self.ends.insert(command, verdict).is_none() {
            self.end_order.push_back(command);
        }
        if self.end_order.len() > REMEMBERED_ENDS
            && let Some(oldest) = self.end_order.pop_front()
        {
            self.ends.remove(&oldest);
        }
    }

    /// What is known of a command.
    pub(super) fn fate(&self, command: CommandId) -> Fate {
        match self.ends.get(&command) {
            Some(verdict) => Fate::Ended(*verdict),
            None if self.waiting.contains(&command) => Fate::Waits,
            None => Fate::Unknown,
        }
    }

    pub(super) fn event(&mut self, event: WalletEvent) {
        if self.listener.is_some() {
            self.for_listener.push_back(event.clone());
        }
        if self.events.len() >= self.event_limit {
            self.events.pop_front();
            self.missed = self.missed.saturating_add(1);
        }
        self.events.push_back(event);
    }

    /// The next event for whoever asks.
    pub(super) fn next_event(&mut self) -> Option<WalletEvent> {
        match std::mem::take(&mut self.missed) {
            0 => self.events.pop_front(),
            count => Some(WalletEvent::Missed { count }),
        }
    }

    pub(super) fn next_for_listener(&mut self) -> Option<(Arc<dyn EventListener>, WalletEvent)> {
        let listener = self.listener.clone()?;
        Some((listener, self.for_listener.pop_front()?))
    }

    /// All that is on its way, new things included, to be polled without the lock; and whether something is new.
    pub(super) fn take_jobs(&mut self) -> (Vec<BoxFuture<Done>>, bool) {
        let mut jobs = std::mem::take(&mut self.jobs);
        let before = jobs.len();
        for (to, queue) in &mut self.outgoing {
            if self.sending.contains(to) {
                continue;
            }
            let (to, sink) = (*to, Arc::clone(&self.sink));
            if let Some(bytes) = queue.pop_front() {
                self.sending.insert(to);
                jobs.push(Box::pin(async move { Done::Sent { to, result: sink.send(to, bytes).await } }));
            }
        }
        self.outgoing.retain(|_, queue| !queue.is_empty());
        if let Some(remote) = &self.remote {
            for (effect, request) in self.questions.drain(..) {
                let remote = Arc::clone(remote);
                jobs.push(Box::pin(async move {
                    let answer = remote.sign(request).await;
                    let entity = remote.entity();
                    let parsed = answer.and_then(|bytes| parse_signature(&entity, &bytes).map_err(HostError::new));
                    Done::Signed { effect, result: parsed }
                }));
            }
        }
        let started = jobs.len() > before;
        (jobs, started)
    }

    pub(super) fn put_jobs(&mut self, jobs: Vec<BoxFuture<Done>>) {
        self.jobs = jobs;
    }

    pub(super) fn sent(&mut self, to: EntityId, result: Result<(), HostError>) {
        self.sending.remove(&to);
        if let Err(reason) = result {
            self.event(WalletEvent::SendFailed { to, reason });
        }
    }

    /// A question to the remote signer has been answered, well or not.
    pub(super) fn answered(&mut self, effect: EffectId) {
        self.asked.remove(&effect);
    }

    /// Lets go of all that is on its way.
    pub(super) fn stop(&mut self) -> Vec<BoxFuture<Done>> {
        self.outgoing.clear();
        self.questions.clear();
        std::mem::take(&mut self.jobs)
    }
}
