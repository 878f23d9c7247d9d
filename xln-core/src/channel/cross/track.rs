//! What becomes of the legs, read from the states that both signed.

use alloc::vec::Vec;

use super::{CrossLeg, CrossSum, CrossSwap, Fate, Stage, terms};
use crate::block::Block;
use crate::channel::{Channel, SignedState};
use crate::state::{ChannelState, Payment, Pending};
use crate::transition::Transition;
use crate::types::{Hash, HashKind, Side, SubchannelKey, UnixSeconds};

impl Channel {
    /// Follows all legs into the next agreed state, before it replaces the last one.
    pub(in crate::channel) fn track_crosses(&mut self, next: &SignedState) {
        let (state, block) = (&next.state, next.block.as_deref());
        for swap in &mut self.crosses.swaps {
            let (initiator, kind, hash) = (swap.initiator, swap.kind, swap.hash);
            let step = |fate, leg: &CrossLeg, payer| follow(fate, &leg.sum.key, (payer, kind, &hash), state, block);
            swap.first = step(swap.first, &swap.give, initiator);
            swap.second = step(swap.second, &swap.want, initiator.other());
        }
        if block.is_none() {
            self.recover_crosses();
        }
        self.find_offers(state, block.is_some());
    }

    /// First legs of the peer that are new here.
    fn find_offers(&mut self, state: &ChannelState, witnessed: bool) {
        let peer = self.peer();
        for (key, subchannel) in &state.subchannels {
            for (id, pending) in &subchannel.pending {
                let Pending::Payment(payment) = pending else { continue };
                let known = self.crosses.swaps.iter().any(|s| s.give.sum.key == *key && s.first == Fate::Pending(*id));
                if payment.payer != peer || known {
                    continue;
                }
                let Some(terms) = terms(payment) else { continue };
                let sum = CrossSum { key: *key, token: payment.token, amount: payment.amount };
                let give = CrossLeg { sum, expiry: payment.expiry };
                let mut stage = if witnessed { Stage::Open } else { Stage::Inherited };
                let want = terms.unwrap_or_else(|error| {
                    stage = if witnessed { Stage::Undone(error) } else { stage };
                    CrossLeg { sum: CrossSum { amount: 0, ..sum }, expiry: UnixSeconds(0) }
                });
                let second = find(state, &want.sum.key, (self.me, payment.kind, &payment.hash)).map(Fate::Pending);
                let second = second.unwrap_or(if witnessed { Fate::Unseen } else { Fate::Lost });
                let (kind, hash) = (payment.kind, payment.hash);
                let first = Fate::Pending(*id);
                let swap = CrossSwap {
                    initiator: peer,
                    kind,
                    hash,
                    give,
                    want,
                    secret: None,
                    stage,
                    first,
                    second,
                    returned: false,
                };
                self.crosses.swaps.push(swap);
            }
        }
    }

    /// A restore from a backup: what this node has signed since is not known. It consents to nothing, locks nothing, and
    /// gives no leg back on the ground that the other one does not exist.
    pub(in crate::channel) fn recover_crosses(&mut self) {
        self.crosses.consents.clear();
        for swap in &mut self.crosses.swaps {
            swap.returned = false;
            if swap.initiator != self.me && swap.second == Fate::Unseen {
                (swap.stage, swap.second) = (Stage::Inherited, Fate::Lost);
            }
        }
    }

    /// Whether the second leg waits for a block, is in flight, or stands in a state that may still be shown on chain.
    pub(super) fn second_lives(&self, swap: &CrossSwap) -> bool {
        self.lock_lives(&swap.want.sum.key, (swap.initiator.other(), swap.kind, &swap.hash))
    }

    pub(super) fn first_lives(&self, swap: &CrossSwap) -> bool {
        self.lock_lives(&swap.give.sum.key, (swap.initiator, swap.kind, &swap.hash))
    }

    fn lock_lives(&self, key: &SubchannelKey, name: (Side, HashKind, &Hash)) -> bool {
        let queued = self.mempool.iter().any(|queued| {
            matches!(&queued.transition, Transition::AddPayment { key: k, kind, hash, .. }
                if k == key && (self.me, *kind, hash) == name)
        });
        let own = self.own.iter().map(|own| &own.signed);
        let signing = self.waiting.iter().filter_map(|w| w.signing.as_ref());
        let mut live = own.chain(signing).chain(self.abandoned.iter().map(|a| &a.signed));
        queued || live.any(|signed| find(&signed.state, key, name).is_some())
    }
}

/// The lock of one side with this hash.
fn find(state: &ChannelState, key: &SubchannelKey, (payer, kind, hash): (Side, HashKind, &Hash)) -> Option<u64> {
    let is = |p: &Payment| p.payer == payer && p.kind == kind && p.hash == *hash;
    let pending = &state.subchannels.get(key)?.pending;
    pending.iter().find(|(_, p)| matches!(p, Pending::Payment(p) if is(p))).map(|(id, _)| *id)
}

fn follow(
    fate: Fate,
    key: &SubchannelKey,
    name: (Side, HashKind, &Hash),
    next: &ChannelState,
    block: Option<&Block>,
) -> Fate {
    match fate {
        Fate::Unseen => find(next, key, name).map_or(Fate::Unseen, Fate::Pending),
        Fate::Pending(id) if !next.subchannels.get(key).is_some_and(|s| s.pending.contains_key(&id)) => {
            let Some(block) = block else { return Fate::Lost };
            let ends: Vec<Fate> = block.transitions.iter().filter_map(|t| end(t, key, id, block.proposer)).collect();
            ends.first().copied().unwrap_or(Fate::Closed)
        }
        other => other,
    }
}

fn end(transition: &Transition, key: &SubchannelKey, leg: u64, author: Side) -> Option<Fate> {
    match transition {
        Transition::SettlePayment { key: k, id, .. } if k == key && *id == leg => Some(Fate::Settled),
        Transition::CancelPayment { key: k, id } | Transition::FailPayment { key: k, id, .. }
            if k == key && *id == leg =>
        {
            Some(Fate::Cancelled(author))
        }
        _ => None,
    }
}
