//! One step of a machine on copies of what it touches: merged when it is durable, dropped without trace otherwise.

mod outgoing;
mod signing;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::forward::Changes;
use super::types::{Action, Command, Effect, EffectId, Input, InputOutcome, WantedBody};
use super::{Machine, MachineState};
use crate::chain::{ChainAction, ChainCall, ChainFact, ChainView};
use crate::channel::{
    Channel, ChannelConfig, CommandError, CommandId, Consented, Env, Event, Output, Rejection, SignatureSource,
    SignedNonce, StageError,
};
use crate::commitment::Evidence;
use crate::crypto::Signature;
use crate::entity::{Directory, Verifier};
use crate::map::{Map, Set};
use crate::state::ChannelState;
use crate::subcontract::Instruments;
use crate::types::{ChainId, EntityId, SubchannelKey, UnixSeconds};
use crate::wire::{Message, Part};
pub(super) use signing::{Replay, Signing};

/// Changes of one step.
pub(super) struct Frame {
    pub(super) seq: u64,
    pub(super) signed: Vec<SignedNonce>,
    config: Option<ChannelConfig>,
    /// Boxed: a step takes them out and puts them back often.
    pub(super) channels: Map<EntityId, Box<Channel>>,
    /// Channels that did not exist before; dropped again if nothing came of them.
    created: Set<EntityId>,
    speculative: Map<EntityId, Box<ChannelState>>,
    directory: Option<Directory>,
    pub(super) chains: Option<Map<ChainId, ChainView>>,
    parts: Map<EntityId, Vec<Part>>,
    effects: Vec<(EffectId, Effect)>,
    done: Vec<EffectId>,
    pub(super) events: Vec<Event>,
    outcomes: Vec<InputOutcome>,
    agreed: Vec<(EntityId, Evidence)>,
    wanted: Vec<WantedBody>,
    pub(super) routes: Changes,
    next_command: u64,
    next_effect: u64,
}

/// What a step works with besides the frame.
pub(super) struct Work<'a> {
    pub(super) machine: &'a MachineState,
    instruments: &'a Instruments,
    verifier: &'a mut Verifier,
    pub(super) now: UnixSeconds,
    signer: &'a mut dyn SignatureSource,
}

impl Frame {
    pub(super) fn new(state: &MachineState) -> Result<Self, StageError> {
        Ok(Self {
            seq: state.seq.checked_add(1).ok_or(StageError::Exhausted)?,
            signed: Vec::new(),
            config: None,
            channels: Map::new(),
            created: Set::new(),
            speculative: Map::new(),
            chains: None,
            directory: None,
            parts: Map::new(),
            effects: Vec::new(),
            done: Vec::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
            agreed: Vec::new(),
            wanted: Vec::new(),
            routes: Changes::default(),
            next_command: state.next_command,
            next_effect: state.next_effect,
        })
    }

    pub(super) fn run(
        &mut self,
        machine: &mut Machine,
        now: UnixSeconds,
        inputs: &[Input],
        signer: &mut dyn SignatureSource,
    ) -> Result<(), StageError> {
        let Machine { state, verifier, instruments, .. } = machine;
        let mut work = Work { machine: state, verifier, instruments, now, signer };
        for input in inputs {
            let outcome = self.input(&mut work, input)?;
            self.outcomes.push(outcome);
        }
        loop {
            self.route(&mut work)?;
            let touched: Vec<EntityId> = self.channels.keys().copied().collect();
            for peer in touched {
                self.with_channel(&mut work, peer, |channel, env| {
                    channel.vigil(env)?;
                    channel.watch_signers(env);
                    channel.try_propose(env)
                })?;
            }
            // A block may turn out to have no room for what was forwarded: the lock that it was for is given back at once.
            if !self.has_route_news(&work) {
                break;
            }
        }
        for peer in core::mem::take(&mut self.created) {
            if self.channels.get(&peer).is_some_and(|c| c.is_pristine()) {
                self.channels.remove(&peer);
            }
        }
        self.pack_messages(state)
    }

    fn input(&mut self, work: &mut Work<'_>, input: &Input) -> Result<InputOutcome, StageError> {
        match input {
            Input::Command(command) => return self.command(work, command),
            Input::Message { from, bytes } => self.message(work, *from, bytes)?,
            Input::Configure(config) => self.config = Some(config.clone()),
            Input::Chain(fact) => self.chain(work, fact)?,
            Input::Connected { peer } => self.quietly(work, *peer, |c, env| {
                c.connected(env);
                Ok(())
            })?,
            Input::Disconnected { peer } => self.quietly(work, *peer, |c, _| {
                c.disconnected();
                Ok(())
            })?,
            Input::ClearAlarm { peer, key } => self.quietly(work, *peer, |c, _| {
                c.clear_alarm(key);
                Ok(())
            })?,
            Input::Signed { request, signature } => self.signed(work, *request, signature)?,
            Input::Completed { effect, success } => self.completed(work, *effect, *success)?,
            Input::Restarted => self.each(
                work,
                |_| true,
                |c, _| {
                    c.disconnected();
                    Ok(())
                },
            )?,
            Input::RestoredFromBackup => self.each(
                work,
                |_| true,
                |c, env| {
                    c.begin_recovery(env);
                    Ok(())
                },
            )?,
            Input::Tick => self.tick(work)?,
            Input::Expect(payment) => self.expect(work, payment),
            Input::Supplied { peer, key, body } => self.quietly(work, *peer, |c, _| {
                c.supplied(key, body);
                Ok(())
            })?,
        }
        Ok(InputOutcome::Taken)
    }

    fn tick(&mut self, work: &mut Work<'_>) -> Result<(), StageError> {
        let (now, config, chains) = (work.now, self.config(work.machine).clone(), &work.machine.chains);
        self.each(work, |c| c.deadline(&config, chains).is_some_and(|at| at <= now), Channel::tick)
    }

    fn command(&mut self, work: &mut Work<'_>, command: &Command) -> Result<InputOutcome, StageError> {
        if !self.ensure_channel(work, command.peer)? {
            return Ok(InputOutcome::Refused(CommandError::UnknownPeer));
        }
        if self.is_bound(work, command) {
            return Ok(InputOutcome::Refused(CommandError::Reserved));
        }
        let id = CommandId(self.next_command);
        let mut speculative = self.speculative.remove(&command.peer);
        let mut verdict = Ok(());
        self.with_channel(work, command.peer, |channel, env| {
            verdict = act(channel, env, &mut speculative, id, &command.action);
            Ok(())
        })?;
        if let Some(state) = speculative {
            self.speculative.insert(command.peer, state);
        }
        match verdict {
            Ok(()) => {
                self.next_command = id.0.checked_add(1).ok_or(StageError::Exhausted)?.max(self.next_command);
                Ok(InputOutcome::Accepted(id))
            }
            Err(error) => Ok(InputOutcome::Refused(error)),
        }
    }

    fn message(&mut self, work: &mut Work<'_>, from: EntityId, bytes: &[u8]) -> Result<(), StageError> {
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => return self.refuse(from, error),
        };
        if !self.ensure_channel(work, from)? {
            return self.refuse(from, Rejection::UnknownPeer);
        }
        if self.channels.get(&from).is_some_and(|c| c.pair().channel_key() != message.channel) {
            return self.refuse(from, Rejection::WrongChannel);
        }
        self.speculative.remove(&from);
        for part in message.parts {
            self.with_channel(work, from, |channel, env| channel.receive(env, part))?;
        }
        Ok(())
    }

    fn refuse(&mut self, from: EntityId, reason: impl Into<Rejection>) -> Result<(), StageError> {
        self.events.push(Event::Rejected { from, reason: reason.into() });
        Ok(())
    }

    fn chain(&mut self, work: &mut Work<'_>, fact: &ChainFact) -> Result<(), StageError> {
        match fact {
            ChainFact::Block { point, changes, reveals, facts, entities } => {
                let chains = self.chains.get_or_insert_with(|| work.machine.chains.clone());
                if !chains.entry(point.chain).or_default().take(*point, reveals, facts) {
                    return Ok(());
                }
                if !entities.is_empty() {
                    self.directory(work).advance(point, entities);
                    self.each(work, Channel::relies_on_chains, |_, _| Ok(()))?;
                }
                self.routes.revealed.extend_from_slice(reveals);
                for change in changes {
                    if let Some(peer) = peer_of(work.machine.entity, &change.pair) {
                        self.quietly(work, peer, |c, env| {
                            c.chain_change(env, point, change);
                            Ok(())
                        })?;
                    }
                }
                self.each(work, |c| c.awaits_chain(point.chain), Channel::chain_moved)?;
                // Only now: a channel keeps what it waits for, however much strangers have recorded in the same block.
                self.chains
                    .iter_mut()
                    .filter_map(|chains| chains.get_mut(&point.chain))
                    .for_each(ChainView::forget_facts);
                Ok(())
            }
            ChainFact::Sighted { change } => match peer_of(work.machine.entity, &change.pair) {
                Some(peer) => self.quietly(work, peer, |c, env| {
                    c.chain_sight(env, change);
                    Ok(())
                }),
                None => Ok(()),
            },
            ChainFact::Vanished { key, pair } => match peer_of(work.machine.entity, pair) {
                Some(peer) => self.quietly(work, peer, |c, _| {
                    c.chain_vanish(key);
                    Ok(())
                }),
                None => Ok(()),
            },
            ChainFact::Reorganised { chain, number } => {
                // Before the view forgets what is lost: a channel looks up there what concerns it.
                self.each(
                    work,
                    |_| true,
                    |c, env| {
                        c.chain_reorganised(env, *chain, *number);
                        Ok(())
                    },
                )?;
                let chains = self.chains.get_or_insert_with(|| work.machine.chains.clone());
                chains.entry(*chain).or_default().roll_back(*number);
                self.directory(work).roll_back(*chain, *number);
                Ok(())
            }
        }
    }

    fn directory(&mut self, work: &Work<'_>) -> &mut Directory {
        self.directory.get_or_insert_with(|| work.machine.directory.clone())
    }

    fn signed(&mut self, work: &mut Work<'_>, request: EffectId, signature: &Signature) -> Result<(), StageError> {
        let Some(Effect::Sign { peer, purpose, digest }) = work.machine.outbox.get(&request).cloned() else {
            return Ok(());
        };
        self.done.push(request);
        self.quietly(work, peer, |c, env| {
            c.verify_own(env, &purpose, &digest, signature).map_err(StageError::BadOwnSignature)?;
            c.signed(env, purpose, &digest, signature.clone())
        })
    }

    fn completed(&mut self, work: &mut Work<'_>, effect: EffectId, success: bool) -> Result<(), StageError> {
        let Some(known) = work.machine.outbox.get(&effect).cloned() else { return Ok(()) };
        self.done.push(effect);
        let Effect::Submit(action) = known else { return Ok(()) };
        let Some(peer) = peer_of(work.machine.entity, &action.pair).filter(|_| !success) else { return Ok(()) };
        self.quietly(work, peer, |c, _| {
            c.action_failed(&action);
            Ok(())
        })
    }

    /// Runs on a channel that may have to be made; an impossible peer is passed over.
    pub(super) fn quietly(
        &mut self,
        work: &mut Work<'_>,
        peer: EntityId,
        run: impl FnOnce(&mut Channel, &mut Env<'_>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        if self.ensure_channel(work, peer)? { self.with_channel(work, peer, run) } else { Ok(()) }
    }

    fn each(
        &mut self,
        work: &mut Work<'_>,
        concerned: impl Fn(&Channel) -> bool,
        run: impl Fn(&mut Channel, &mut Env<'_>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let known = work.machine.channels.iter().filter(|(p, c)| concerned(self.channels.get(*p).unwrap_or(c)));
        let peers: Vec<EntityId> = known.map(|(peer, _)| *peer).collect();
        peers.into_iter().try_for_each(|peer| self.quietly(work, peer, &run))
    }

    /// Copies a channel into the frame, or makes one. False for an entity that no channel is possible with.
    fn ensure_channel(&mut self, work: &Work<'_>, peer: EntityId) -> Result<bool, StageError> {
        if self.channels.contains_key(&peer) {
            return Ok(true);
        }
        if let Some(channel) = work.machine.channels.get(&peer) {
            self.channels.insert(peer, channel.clone());
            return Ok(true);
        }
        let full = work.machine.channels.len() >= self.config(work.machine).max_channels();
        let Some((pair, side)) = work.machine.pair(&peer).filter(|_| !full) else { return Ok(false) };
        self.channels.insert(peer, Box::new(Channel::new(pair, side)?));
        self.created.insert(peer);
        Ok(true)
    }

    pub(super) fn config<'a>(&'a self, machine: &'a MachineState) -> &'a ChannelConfig {
        self.config.as_ref().unwrap_or(&machine.config)
    }

    fn with_channel(
        &mut self,
        work: &mut Work<'_>,
        peer: EntityId,
        run: impl FnOnce(&mut Channel, &mut Env<'_>) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let Some(mut channel) = self.channels.remove(&peer) else { return Ok(()) };
        let mut out = Output::default();
        let mut env = Env {
            now: work.now,
            config: self.config.as_ref().unwrap_or(&work.machine.config),
            next_command: &mut self.next_command,
            chains: self.chains.as_ref().unwrap_or(&work.machine.chains),
            instruments: work.instruments,
            verifier: &mut *work.verifier,
            directory: self.directory.as_ref().unwrap_or(&work.machine.directory),
            signer: &mut *work.signer,
            out: &mut out,
        };
        let result = run(&mut channel, &mut env);
        self.channels.insert(peer, channel);
        result?;
        self.collect(peer, out)
    }
}

fn peer_of(entity: EntityId, pair: &crate::types::Pair) -> Option<EntityId> {
    pair.side(&entity).map(|side| pair.entity(side.other()))
}

fn act(
    channel: &mut Channel,
    env: &mut Env<'_>,
    speculative: &mut Option<Box<ChannelState>>,
    id: CommandId,
    action: &Action,
) -> Result<(), CommandError> {
    match action.clone() {
        Action::Propose { transition, submit } => channel.enqueue(env, speculative, id, transition, submit),
        Action::Consent { key, update } => {
            channel.consent(Consented::Settlement { key, update });
            Ok(())
        }
        Action::ConsentSubcontract { key, provider, instrument, tokens, terms } => {
            channel.consent(Consented::Subcontract { key, provider, instrument, tokens, terms });
            Ok(())
        }
        Action::Record { key, provider, instrument, not_before, question } => {
            let call = ChainCall::Record { provider, instrument, not_before, question };
            env.out.actions.push(ChainAction { key, pair: channel.pair(), call });
            Ok(())
        }
        Action::SubmitSettlement { key } => channel.submit_settlement(env, &key),
        Action::StartDispute { key, arguments } => channel.start_dispute(env, &key, arguments),
        Action::StartEmptyDispute { key, tokens } => channel.start_empty(env, &key, tokens),
        Action::CounterDispute { key, arguments } => channel.counter(env, &key, arguments),
        Action::AcceptDispute { key, arguments } => channel.accept_dispute(env, &key, arguments),
        Action::FinalizeDispute { key, arguments } => channel.finalize(env, &key, arguments),
        Action::CrossSwap(offer) => channel.cross_swap(env, speculative, id, &offer),
        Action::AcceptCrossSwap(consent) => channel.accept_cross_swap(env, &consent),
        Action::Reveal { key, provider, kind, secret } => {
            let call = ChainCall::Reveal { provider, kind, secret };
            env.out.actions.push(ChainAction { key, pair: channel.pair(), call });
            Ok(())
        }
    }
}

impl MachineState {
    fn pair(&self, peer: &EntityId) -> Option<(crate::types::Pair, crate::types::Side)> {
        peer.check().ok()?;
        let pair = crate::types::Pair::new(self.entity, *peer).ok()?;
        Some((pair, pair.side(&self.entity)?))
    }
}

impl Channel {
    /// Whether nothing has come of it: what a stranger's noise leaves behind.
    fn is_pristine(&self) -> bool {
        Self::new(self.pair(), self.side()).is_ok_and(|new| new.same_but_connected(self))
    }

    /// Whether a new block on this chain may change something for it.
    fn awaits_chain(&self, chain: ChainId) -> bool {
        self.waits()
            || self.sees_dispute(chain)
            || self.awaits_secret()
            || self.asks_in_doubt(chain)
            || self.lags(chain)
            || self.state().subchannels.iter().any(|(key, s)| concerns(key, s, chain))
    }
}

fn concerns(key: &SubchannelKey, subchannel: &crate::state::Subchannel, chain: ChainId) -> bool {
    let lively = !subchannel.pending.is_empty() || subchannel.settlement.is_some() || subchannel.dispute.is_some();
    key.chain == chain && (lively || subchannel.tokens.values().any(|t| t.collateral != 0))
}
