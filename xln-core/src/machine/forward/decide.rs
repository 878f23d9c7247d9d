//! What becomes of a lock with an onion that has become agreed: it goes on, it was expected, or it goes back.

use alloc::vec::Vec;

use super::{Frame, Link, LockId, Next, Stage, Work, code_of};
use crate::channel::{Channel, CommandId, StageError};
use crate::limits::MAX_CLOCK_DRIFT_S;
use crate::route::{FailureCode, Layer, Leg, RoutingPolicy, SharedSecret, peel};
use crate::state::Payment;
use crate::transition::Transition;
use crate::types::{EntityId, Hash, SubchannelKey, UnixSeconds};

impl Frame {
    /// Looks at every lock with an onion that has become agreed.
    pub(super) fn decide_all(&mut self, work: &mut Work<'_>, policy: &RoutingPolicy) -> Result<(), StageError> {
        let base = &work.machine.routing;
        let mut new = Vec::new();
        for (peer, channel) in &self.channels {
            for (key, id) in channel.routed() {
                let lock = LockId { peer: *peer, key, id };
                let ending = channel.is_queued(&key, id) || channel.frozen(&key).is_some();
                if self.routes.links.get(&base.links, &lock).is_none() && !ending {
                    new.extend(channel.payment(&key, id).map(|payment| (lock, payment.clone())));
                }
            }
        }
        for (lock, payment) in new {
            self.decide(work, policy, lock, &payment)?;
        }
        Ok(())
    }

    fn decide(
        &mut self,
        work: &mut Work<'_>,
        policy: &RoutingPolicy,
        lock: LockId,
        payment: &Payment,
    ) -> Result<(), StageError> {
        let (kind, hash) = (payment.kind, payment.hash);
        let mut link = Link { kind, hash, shared: None, next: None, stage: Stage::Dead(Vec::new()) };
        let peeled = match peel(&payment.onion, &policy.onion_key, (kind, &hash)) {
            Ok(peeled) => peeled,
            // Nothing is shared with whoever made it: given back without a word, the hop before says what it knows.
            Err(_) => {
                self.routes.links.set(lock, link);
                return Ok(());
            }
        };
        link.shared = Some(peeled.shared.clone());
        if let Layer::Forward { next, .. } = &peeled.layer
            && let Some(stage) = self.unsure(work, next, (kind, hash))
        {
            link.stage = stage;
            self.routes.links.set(lock, link);
            return Ok(());
        }
        let verdict = match (self.note(work, lock.peer, &peeled.shared, until(payment, &peeled.layer)), peeled.layer) {
            (Err(code), _) => Err(code),
            (Ok(()), Layer::Receive { amount, expiry }) => self.receive(work, &lock, payment, (amount, expiry)),
            (Ok(()), Layer::Forward { next, key, token, amount, expiry }) => {
                let onion = peeled.next;
                let add = Transition::AddPayment { key, token, amount, kind, hash, expiry, onion };
                self.offer(work, policy, &lock, payment, next, &add)?.map(|(next, command)| {
                    link.next = Some(next);
                    self.routes.commands.set(command, lock);
                    Stage::Offered(command)
                })
            }
        };
        link.stage = verdict.unwrap_or_else(|code| Stage::Dead(link.failure(code)));
        self.routes.links.set(lock, link);
        Ok(())
    }

    /// Takes note of an onion of `peer`, as long as a lock with it could be good: after `until` its layer is refused for
    /// its expiry.
    ///
    /// # Errors
    /// It was opened before, or the peer has brought too many.
    pub(super) fn note(
        &mut self,
        work: &Work<'_>,
        peer: EntityId,
        shared: &SharedSecret,
        until: UnixSeconds,
    ) -> Result<(), FailureCode> {
        let limit = self.config(work.machine).max_onions;
        let (base, routes) = (&work.machine.routing, &mut self.routes);
        let first = (UnixSeconds(0), Hash::ZERO);
        let last = (work.now.minus(1), Hash([u8::MAX; 32]));
        for old in routes.seen_until.range(&base.seen_until, first, last.max(first)) {
            let by = routes.seen_until.get(&base.seen_until, &old).copied();
            routes.seen_until.remove(old);
            routes.seen.remove(old.1);
            if let Some(by) = by {
                match routes.seen_of.get(&base.seen_of, &by).map_or(0, |count| count.saturating_sub(1)) {
                    0 => routes.seen_of.remove(by),
                    count => routes.seen_of.set(by, count),
                }
            }
        }
        let tag = Hash(shared.tag());
        if routes.seen.get(&base.seen, &tag).is_some() {
            return Err(FailureCode::Replayed);
        }
        let count = routes.seen_of.get(&base.seen_of, &peer).copied().unwrap_or(0);
        if count >= limit {
            return Err(FailureCode::Busy);
        }
        routes.seen_of.set(peer, count.saturating_add(1));
        routes.seen.set(tag, until);
        routes.seen_until.set((until, tag), peer);
        Ok(())
    }

    pub(super) fn receive(
        &mut self,
        work: &Work<'_>,
        lock: &LockId,
        payment: &Payment,
        (amount, expiry): (u128, UnixSeconds),
    ) -> Result<Stage, FailureCode> {
        let name = (payment.kind, payment.hash);
        let expected = self.routes.expected.get(&work.machine.routing.expected, &name).copied();
        let expected = expected.filter(|e| work.now <= e.until).ok_or(FailureCode::UnknownPayment)?;
        if (expected.key, expected.token) != (lock.key, payment.token) || payment.amount < expected.amount.max(amount) {
            return Err(FailureCode::WrongAmount);
        }
        // Whoever lets its secret go must be able to enforce what it buys: off chain, or in the registry.
        let channel = self.channels.get(&lock.peer);
        let settle = channel.and_then(|c| c.state().subchannels.get(&lock.key)).map_or(0, |s| s.settle_margin_s);
        let margin = settle.max(self.config(work.machine).reveal_margin_s).saturating_add(MAX_CLOCK_DRIFT_S);
        let late = expiry < work.now || payment.expiry < work.now.plus(margin);
        if payment.expiry < expiry || late {
            return Err(FailureCode::ExpiryTooSoon);
        }
        self.routes.expected.remove(name);
        Ok(Stage::Known(expected.secret))
    }

    /// Offers the outgoing lock, if policy and channel agree.
    fn offer(
        &mut self,
        work: &mut Work<'_>,
        policy: &RoutingPolicy,
        lock: &LockId,
        payment: &Payment,
        peer: EntityId,
        add: &Transition,
    ) -> Result<Result<(Next, CommandId), FailureCode>, StageError> {
        let Transition::AddPayment { key, token, amount, expiry, .. } = add else {
            return Ok(Err(FailureCode::UnknownLayer));
        };
        let known = work.machine.channels.contains_key(&peer) || self.channels.contains_key(&peer);
        if !known {
            return Ok(Err(FailureCode::UnknownNext));
        }
        let incoming = self.leg(&lock.peer, (lock.key, payment.token), payment.amount, payment.expiry);
        let mut made = Err(FailureCode::UnknownNext);
        let (mut next, mut next_command) = (None, None);
        self.quietly(work, peer, |channel, env| {
            let outgoing = leg(channel, (*key, *token), *amount, *expiry);
            let (Some(incoming), Some(outgoing)) = (incoming, outgoing) else { return Ok(()) };
            next = Some(Next { peer, key: *key, provider: outgoing.registry.1 });
            made = policy.judge(&incoming, &outgoing);
            if made.is_err() {
                return Ok(());
            }
            let id = CommandId(*env.next_command);
            *env.next_command = id.0.checked_add(1).ok_or(StageError::Exhausted)?;
            made = channel.enqueue(env, &mut None, id, add.clone(), false).map_err(|error| code_of(&error));
            if made.is_ok() {
                next_command = Some(id);
            }
            Ok(())
        })?;
        Ok(made.and_then(|()| next.zip(next_command).ok_or(FailureCode::UnknownNext)))
    }

    fn leg(&self, peer: &EntityId, asset: Asset, amount: u128, expiry: UnixSeconds) -> Option<Leg> {
        leg(self.channels.get(peer)?, asset, amount, expiry)
    }
}

/// Until when an onion could be good. A layer that outlives its lock is refused with it, and tells nothing if it comes again.
pub(super) fn until(payment: &Payment, layer: &Layer) -> UnixSeconds {
    let (Layer::Receive { expiry, .. } | Layer::Forward { expiry, .. }) = layer;
    payment.expiry.min(*expiry)
}

type Asset = (SubchannelKey, crate::types::TokenId);

pub(super) fn leg(channel: &Channel, asset: Asset, amount: u128, expiry: UnixSeconds) -> Option<Leg> {
    let subchannel = channel.state().subchannels.get(&asset.0)?;
    let registry = (asset.0.chain, *subchannel.providers.first()?);
    Some(Leg { asset, amount, expiry, registry, settle_margin_s: subchannel.settle_margin_s })
}
