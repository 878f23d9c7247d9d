//! What becomes of locks that this node may have answered for in records that a restore from a backup has lost: nothing is
//! passed on a second time, and nothing is given back that may have been passed on (`docs/protocol.md` section 9).

use super::decide::{leg, until};
use super::{Frame, Link, LockId, Next, Stage, Work};
use crate::channel::Channel;
use crate::limits::MAX_LOCK_S;
use crate::route::{Layer, RoutingPolicy, peel};
use crate::state::Payment;
use crate::types::{EntityId, Hash, HashKind, Secret, UnixSeconds};

impl Frame {
    /// Binds every inherited lock that nothing is known of.
    pub(super) fn absorb_inherited(&mut self, work: &Work<'_>, policy: Option<&RoutingPolicy>) {
        for lock in core::mem::take(&mut self.routes.inherited) {
            if self.routes.links.get(&work.machine.routing.links, &lock).is_some() {
                continue;
            }
            let channel = self.channels.get(&lock.peer);
            let Some(payment) = channel.and_then(|c| c.payment(&lock.key, lock.id)).cloned() else { continue };
            if channel.is_some_and(|c| c.pays(&payment)) {
                self.orphan(work, policy, lock);
                continue;
            }
            let link = self.inherited(work, policy, &lock, &payment);
            self.routes.links.set(lock, link);
        }
    }

    /// An outgoing lock that may have been made for an incoming one which its payer will propose again. It is bound to itself.
    fn orphan(&mut self, work: &Work<'_>, policy: Option<&RoutingPolicy>, lock: LockId) {
        if policy.is_some() && self.routes.outgoing.get(&work.machine.routing.outgoing, &lock).is_none() {
            self.routes.outgoing.set(lock, lock);
        }
    }

    fn inherited(&mut self, work: &Work<'_>, policy: Option<&RoutingPolicy>, lock: &LockId, payment: &Payment) -> Link {
        let (kind, hash) = (payment.kind, payment.hash);
        let stage = self.late_secret(work, kind, hash).map_or(Stage::Lost, Stage::Known);
        let mut link = Link { kind, hash, shared: None, next: None, stage };
        let Some(peeled) = policy.and_then(|p| peel(&payment.onion, &p.onion_key, (kind, &hash)).ok()) else {
            return link;
        };
        // Remembered, not asked: this is the lock that it came with.
        let _ = self.note(work, lock.peer, &peeled.shared, until(payment, &peeled.layer));
        link.shared = Some(peeled.shared);
        match peeled.layer {
            // What this node expects it may take; what it does not expect any more it may have taken.
            Layer::Receive { amount, expiry } => {
                if let Ok(stage) = self.receive(work, lock, payment, (amount, expiry)) {
                    link.stage = stage;
                }
            }
            Layer::Forward { next, key, token, amount, expiry } => {
                let way = self.known(work, &next).and_then(|channel| leg(channel, (key, token), amount, expiry));
                link.next = way.map(|way| Next { peer: next, key, provider: way.registry.1 });
            }
        }
        link
    }

    /// Whether a lock that is new here may have been passed on before a restore: then it is neither passed on nor given
    /// back. Its payer may have had it in flight, acknowledged in a record that is lost, and proposes it again.
    pub(super) fn unsure(&self, work: &Work<'_>, next: &EntityId, (kind, hash): (HashKind, Hash)) -> Option<Stage> {
        if let Some(secret) = self.late_secret(work, kind, hash) {
            return Some(Stage::Known(secret));
        }
        let channel = self.known(work, next)?;
        let base = &work.machine.routing.outgoing;
        let unbound = |(key, id)| {
            let out = LockId { peer: *next, key, id };
            self.routes.outgoing.get(base, &out).is_none_or(|incoming| *incoming == out)
        };
        (channel.is_recovering() || channel.paying(kind, hash).any(unbound)).then_some(Stage::Lost)
    }

    /// Keeps the secret of a payment that no lock is known for, as long as one may come back: of an orphan, and of whatever is
    /// settled while a channel is recovering.
    pub(super) fn keep_late(&mut self, work: &Work<'_>, name: (HashKind, Hash), secret: Secret, orphan: bool) {
        let recovering = |(peer, channel): (&EntityId, _)| self.channels.get(peer).unwrap_or(channel).is_recovering();
        if !orphan && !work.machine.channels.iter().any(recovering) {
            return;
        }
        let base = &work.machine.routing.late;
        for old in self.routes.late.find(base, |(_, until)| *until < work.now) {
            self.routes.late.remove(old);
        }
        self.routes.late.set(name, (secret, work.now.plus(MAX_LOCK_S)));
    }

    fn late_secret(&self, work: &Work<'_>, kind: HashKind, hash: Hash) -> Option<Secret> {
        self.routes.late.get(&work.machine.routing.late, &(kind, hash)).map(|(secret, _): &(_, UnixSeconds)| *secret)
    }

    fn known<'a>(&'a self, work: &'a Work<'_>, peer: &EntityId) -> Option<&'a Channel> {
        self.channels.get(peer).or_else(|| work.machine.channels.get(peer)).map(|channel| &**channel)
    }
}
