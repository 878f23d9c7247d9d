//! Payments that go on to somebody else, and those that were expected (`docs/protocol.md` section 9).
//!
//! One link for every incoming lock that this node has answered for. It lives as long as the lock, survives restarts, and
//! goes one way only: offered, out, then either the secret is known and the lock can only be settled, or what was offered
//! is dead in every state that could be shown and the lock is given back. What a close on chain dropped is neither: the
//! registry decides it.

mod decide;
mod inherit;

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::frame::{Frame, Work};
use super::overlay::Overlay;
use super::types::{Action, Command};
use crate::chain::ChainView;
use crate::channel::{CommandError, CommandId, End, Ended, Event, StageError};
use crate::map::{self, Map};
use crate::route::{ExpectedPayment, FailureCode, SharedSecret, fail, pass_on};
use crate::transition::{Transition, TransitionError};
use crate::types::{Address, ChainId, EntityId, Hash, HashKind, Reveal, Secret, SubchannelKey, UnixSeconds};
use crate::wire::RejectReason;

/// A lock in the channel with `peer`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, SchemaRead, SchemaWrite)]
pub(super) struct LockId {
    peer: EntityId,
    key: SubchannelKey,
    id: u64,
}

impl LockId {
    /// The first and the last that a peer can have.
    fn all_of(peer: EntityId) -> (Self, Self) {
        let key = |chain, byte| SubchannelKey { chain: ChainId(chain), depository: Address([byte; 20]) };
        (Self { peer, key: key(0, 0), id: 0 }, Self { peer, key: key(u64::MAX, u8::MAX), id: u64::MAX })
    }
}

/// An incoming lock and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Link {
    kind: HashKind,
    hash: Hash,
    /// Shared with the sender; none if the onion could not be opened.
    shared: Option<SharedSecret>,
    /// Where it goes on; none if it is for this node.
    next: Option<Next>,
    stage: Stage,
}

/// Where a lock goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Next {
    peer: EntityId,
    key: SubchannelKey,
    /// What decides it there.
    provider: Address,
}

#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
enum Stage {
    /// The command that makes the outgoing lock waits, or stands in a state that may be shown.
    Offered(CommandId),
    /// The outgoing lock is agreed.
    Out(LockId),
    /// It can only be settled.
    Known(Secret),
    /// What was offered is dead, or nothing was: it is given back with these bytes, if any.
    Dead(Vec<u8>),
    /// A close or a restore took the outgoing lock away, or a restore the memory of it: only a secret ends it, or the payer
    /// after the expiry.
    Lost,
}

/// All that a machine knows of routes; part of its state.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub(super) struct Routing {
    links: Map<LockId, Link>,
    /// Outgoing lock to incoming lock; to itself if it may have been made for one in records that are lost.
    outgoing: Map<LockId, LockId>,
    commands: Map<CommandId, LockId>,
    expected: Map<(HashKind, Hash), ExpectedPayment>,
    expected_until: Map<(UnixSeconds, HashKind, Hash), bool>,
    /// Onions that were opened, until no lock with them can be good, and who brought them.
    seen: Map<Hash, UnixSeconds>,
    seen_until: Map<(UnixSeconds, Hash), EntityId>,
    /// How many of them each peer has brought.
    seen_of: Map<EntityId, u32>,
    /// Secrets of own payments that stood in a state which was taken over or in a backup, or were settled while a channel was
    /// recovering, and until when they are kept: what was paid may have been passed on for a lock that is not known again yet.
    late: Map<(HashKind, Hash), (Secret, UnixSeconds)>,
}

impl Routing {
    /// Incoming locks that were answered for.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    fn is_empty(&self) -> bool {
        self.links.is_empty() && self.outgoing.is_empty() && self.commands.is_empty()
    }
}

/// What a step changes, and what it has brought that routes wait for.
#[derive(Debug, Default)]
pub(super) struct Changes {
    links: Overlay<LockId, Link>,
    outgoing: Overlay<LockId, LockId>,
    commands: Overlay<CommandId, LockId>,
    expected: Overlay<(HashKind, Hash), ExpectedPayment>,
    expected_until: Overlay<(UnixSeconds, HashKind, Hash), bool>,
    seen: Overlay<Hash, UnixSeconds>,
    seen_until: Overlay<(UnixSeconds, Hash), EntityId>,
    seen_of: Overlay<EntityId, u32>,
    pub(super) ended: Vec<(EntityId, Ended)>,
    pub(super) revealed: Vec<Reveal>,
    late: Overlay<(HashKind, Hash), (Secret, UnixSeconds)>,
    inherited: Vec<LockId>,
    /// Events that were looked at.
    absorbed: usize,
}

impl Changes {
    /// Locks that this node may have answered for in records that are lost.
    pub(super) fn inherit(&mut self, peer: EntityId, locks: Vec<(SubchannelKey, u64)>) {
        self.inherited.extend(locks.into_iter().map(|(key, id)| LockId { peer, key, id }));
    }

    pub(super) fn merge(self, base: &mut Routing) {
        self.links.merge(&mut base.links);
        self.outgoing.merge(&mut base.outgoing);
        self.commands.merge(&mut base.commands);
        self.expected.merge(&mut base.expected);
        self.expected_until.merge(&mut base.expected_until);
        self.seen.merge(&mut base.seen);
        self.seen_until.merge(&mut base.seen_until);
        self.seen_of.merge(&mut base.seen_of);
        self.late.merge(&mut base.late);
    }
}

impl Frame {
    /// Takes note of a payment that will come, and forgets what did not come in time.
    pub(super) fn expect(&mut self, work: &Work<'_>, payment: &ExpectedPayment) {
        let (base, routes) = (&work.machine.routing, &mut self.routes);
        let (kind, hash) = payment.lock();
        let first = (UnixSeconds(0), HashKind::Keccak256, Hash::ZERO);
        let last = (work.now.minus(1), HashKind::Sha256, Hash([u8::MAX; 32]));
        for old in routes.expected_until.range(&base.expected_until, first, last.max(first)) {
            routes.expected_until.remove(old);
            let name = (old.1, old.2);
            // It may have been announced again, for longer.
            if routes.expected.get(&base.expected, &name).is_some_and(|e| e.until == old.0) {
                routes.expected.remove(name);
            }
        }
        routes.expected.set((kind, hash), *payment);
        routes.expected_until.set((payment.until, kind, hash), true);
    }

    /// Whether a command would give up a lock that this node must keep until it knows what became of what it passed on.
    pub(super) fn is_bound(&self, work: &Work<'_>, command: &Command) -> bool {
        let Action::Propose { transition, .. } = &command.action else { return false };
        let (Transition::CancelPayment { key, id } | Transition::FailPayment { key, id, .. }) = transition else {
            return false;
        };
        let lock = LockId { peer: command.peer, key: *key, id: *id };
        let link = self.routes.links.get(&work.machine.routing.links, &lock);
        link.is_some_and(|link| !matches!(link.stage, Stage::Dead(_)))
    }

    /// Whether the blocks that were just made have refused something that was to be passed on.
    pub(super) fn has_route_news(&self, work: &Work<'_>) -> bool {
        let new = self.events.get(self.routes.absorbed..).unwrap_or_default();
        new.iter().any(|event| match event {
            Event::CommandFailed { command, .. } => {
                self.routes.commands.get(&work.machine.routing.commands, command).is_some()
            }
            _ => false,
        })
    }

    /// Looks at what the step has brought and does what follows: forwards, settles, gives back.
    pub(super) fn route(&mut self, work: &mut Work<'_>) -> Result<(), StageError> {
        let policy = self.config(work.machine).routing.clone();
        let idle = work.machine.routing.is_empty() && policy.is_none();
        if idle && self.routes.ended.is_empty() && self.routes.inherited.is_empty() {
            self.routes.absorbed = self.events.len();
            return Ok(());
        }
        self.absorb_commands(work);
        self.absorb_inherited(work, policy.as_ref());
        self.absorb_ended(work);
        self.absorb_reveals(work);
        if let Some(policy) = policy {
            self.decide_all(work, &policy)?;
        }
        self.advance_all(work)
    }

    /// Commands that made an outgoing lock, or never will.
    fn absorb_commands(&mut self, work: &Work<'_>) {
        let base = &work.machine.routing;
        for event in self.events.get(self.routes.absorbed..).unwrap_or_default() {
            let (Event::CommandDone { command, .. } | Event::CommandFailed { command, .. }) = event else { continue };
            let Some(lock) = self.routes.commands.get(&base.commands, command).copied() else { continue };
            self.routes.commands.remove(*command);
            let Some(mut link) = self.routes.links.get(&base.links, &lock).cloned() else { continue };
            let Some(next) = link.next else { continue };
            let stage = match event {
                Event::CommandDone { subcontract: Some(id), .. } => {
                    let out = LockId { peer: next.peer, key: next.key, id: *id };
                    self.routes.outgoing.set(out, lock);
                    Stage::Out(out)
                }
                // Whether it took effect is for the peer's state to say: not a failure.
                Event::CommandFailed { error: CommandError::FateUnknown, .. } => Stage::Lost,
                Event::CommandFailed { error, .. } => Stage::Dead(link.failure(code_of(error))),
                _ => Stage::Lost,
            };
            if matches!(link.stage, Stage::Offered(_)) {
                link.stage = stage;
                self.routes.links.set(lock, link);
            }
        }
        self.routes.absorbed = self.events.len();
    }

    /// Payments that ended off chain: a secret is worth every lock under it; what was given back is given back further.
    fn absorb_ended(&mut self, work: &Work<'_>) {
        let base = &work.machine.routing;
        for (peer, ended) in core::mem::take(&mut self.routes.ended) {
            let lock = LockId { peer, key: ended.key, id: ended.id };
            if !ended.outgoing {
                let link = self.routes.links.get(&base.links, &lock);
                if link.is_none_or(|link| link.next.is_none()) {
                    self.events.push(Event::PaymentEnded { peer, payment: ended });
                }
                continue;
            }
            let incoming = self.routes.outgoing.get(&base.outgoing, &lock).copied();
            if incoming.is_some() {
                self.routes.outgoing.remove(lock);
            }
            let orphan = incoming == Some(lock);
            match (incoming.filter(|_| !orphan), &ended.end) {
                (Some(incoming), end) => {
                    let Some(mut link) = self.routes.links.get(&base.links, &incoming).cloned() else { continue };
                    let dead = match end {
                        End::Settled(secret) => Stage::Known(*secret),
                        End::Failed(reason) => {
                            Stage::Dead(link.shared.as_ref().map_or_else(Vec::new, |s| pass_on(s, reason)))
                        }
                        End::TakenBack => Stage::Dead(link.failure(FailureCode::Expired)),
                    };
                    if !matches!(link.stage, Stage::Known(_)) {
                        link.stage = dead;
                        self.routes.links.set(incoming, link);
                    }
                }
                (None, End::Settled(secret)) => {
                    self.learn(work, ended.kind, ended.hash, *secret);
                    self.keep_late(work, (ended.kind, ended.hash), *secret, orphan);
                    self.events.push(Event::PaymentEnded { peer, payment: ended });
                }
                (None, _) => self.events.push(Event::PaymentEnded { peer, payment: ended }),
            }
        }
        self.routes.absorbed = self.events.len();
    }

    fn absorb_reveals(&mut self, work: &Work<'_>) {
        for reveal in core::mem::take(&mut self.routes.revealed) {
            self.learn(work, reveal.kind, reveal.secret.hash(reveal.kind), reveal.secret);
        }
    }

    /// A secret opens every lock under its hash, wherever it was shown.
    fn learn(&mut self, work: &Work<'_>, kind: HashKind, hash: Hash, secret: Secret) {
        let base = &work.machine.routing.links;
        let waits = |link: &Link| {
            let open = !matches!(link.stage, Stage::Known(_) | Stage::Dead(_));
            open && link.kind == kind && link.hash == hash
        };
        for lock in self.routes.links.find(base, waits) {
            if let Some(mut link) = self.routes.links.get(base, &lock).cloned() {
                link.stage = Stage::Known(secret);
                self.routes.links.set(lock, link);
            }
        }
    }

    /// Every link whose channels this step has touched.
    fn advance_all(&mut self, work: &mut Work<'_>) -> Result<(), StageError> {
        let base = &work.machine.routing;
        let mut locks: Vec<LockId> = self.routes.links.changed();
        for peer in self.channels.keys() {
            let (first, last) = LockId::all_of(*peer);
            locks.extend(self.routes.links.range(&base.links, first, last));
            for out in self.routes.outgoing.range(&base.outgoing, first, last) {
                locks.extend(self.routes.outgoing.get(&base.outgoing, &out));
            }
        }
        map::ascending(locks).into_iter().try_for_each(|lock| self.advance(work, lock))
    }

    fn advance(&mut self, work: &mut Work<'_>, lock: LockId) -> Result<(), StageError> {
        let base = &work.machine.routing;
        let Some(mut link) = self.routes.links.get(&base.links, &lock).cloned() else { return Ok(()) };
        self.follow(work, &mut link)?;
        let mut pending = true;
        let stage = link.stage.clone();
        self.quietly(work, lock.peer, |channel, env| {
            pending = channel.payment(&lock.key, lock.id).is_some();
            let transition = match &stage {
                Stage::Known(secret) => {
                    channel.learn(&lock.key, lock.id, *secret);
                    Transition::SettlePayment { key: lock.key, id: lock.id, secret: *secret }
                }
                Stage::Dead(reason) if reason.is_empty() => Transition::CancelPayment { key: lock.key, id: lock.id },
                Stage::Dead(reason) => Transition::FailPayment { key: lock.key, id: lock.id, reason: reason.clone() },
                _ => return Ok(()),
            };
            if pending && !channel.is_queued(&lock.key, lock.id) {
                let id = CommandId(*env.next_command);
                *env.next_command = id.0.checked_add(1).ok_or(StageError::Exhausted)?;
                // A refusal now, of a frozen subchannel say, is no end: it is tried again, and a secret goes on chain in time.
                let _ = channel.enqueue(env, &mut None, id, transition, false);
            }
            Ok(())
        })?;
        if !pending && matches!(link.stage, Stage::Offered(_)) {
            self.withdraw(work, &mut link)?;
        }
        match link.stage {
            Stage::Offered(_) | Stage::Out(_) => self.routes.links.set(lock, link),
            _ if pending => self.routes.links.set(lock, link),
            _ => self.routes.links.remove(lock),
        }
        Ok(())
    }

    /// What became of an outgoing lock that is gone without a word: a close or a restore took it.
    fn follow(&mut self, work: &mut Work<'_>, link: &mut Link) -> Result<(), StageError> {
        if let Stage::Out(out) = link.stage {
            let mut gone = false;
            self.quietly(work, out.peer, |channel, _| {
                gone = channel.payment(&out.key, out.id).is_none();
                Ok(())
            })?;
            if gone {
                self.routes.outgoing.remove(out);
                link.stage = Stage::Lost;
            }
        }
        let Some(next) = link.next.filter(|_| link.stage == Stage::Lost) else { return Ok(()) };
        let chains = self.chains.as_ref().unwrap_or(&work.machine.chains);
        let view: Option<&ChainView> = chains.get(&next.key.chain);
        if let Some(reveal) = view.and_then(|view| view.secret(&next.provider, link.kind, &link.hash)) {
            link.stage = Stage::Known(reveal.secret);
        }
        Ok(())
    }

    /// The incoming lock is gone and the outgoing one was never signed: it must not be any more.
    fn withdraw(&mut self, work: &mut Work<'_>, link: &mut Link) -> Result<(), StageError> {
        let (Stage::Offered(command), Some(next)) = (&link.stage, link.next) else { return Ok(()) };
        let command = *command;
        let mut withdrawn = false;
        self.quietly(work, next.peer, |channel, _| {
            withdrawn = channel.withdraw(command);
            Ok(())
        })?;
        if withdrawn {
            self.routes.commands.remove(command);
            link.stage = Stage::Dead(Vec::new());
        }
        Ok(())
    }
}

impl Link {
    /// A failure of this node's own.
    fn failure(&self, code: FailureCode) -> Vec<u8> {
        self.shared.as_ref().map_or_else(Vec::new, |shared| fail(shared, code))
    }
}

/// What the sender may know of why the way on is closed.
const fn code_of(error: &CommandError) -> FailureCode {
    match error {
        CommandError::Transition(error) | CommandError::RefusedByPeer(RejectReason::Transition { error, .. }) => {
            match error {
                TransitionError::InsufficientCapacity { .. } => FailureCode::InsufficientCapacity,
                TransitionError::Expired | TransitionError::ExpiryTooFar => FailureCode::ExpiryTooSoon,
                TransitionError::UnknownSubchannel | TransitionError::UnknownToken => FailureCode::UnknownNext,
                TransitionError::LimitReached => FailureCode::Busy,
                _ => FailureCode::ChannelUnavailable,
            }
        }
        CommandError::QueueFull => FailureCode::Busy,
        _ => FailureCode::ChannelUnavailable,
    }
}
