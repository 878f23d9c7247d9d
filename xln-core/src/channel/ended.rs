//! How payments leave a channel: what forwards and applications wait for.

use wincode::{SchemaRead, SchemaWrite};

use alloc::vec::Vec;

use super::{Channel, Env, SignedState};
use crate::state::{Payment, Pending};
use crate::transition::Transition;
use crate::types::{Hash, HashKind, Secret, Side, SubchannelKey};

/// How a payment ended.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", content = "value", rename_all = "camelCase")
)]
pub enum End {
    /// Its beneficiary took it with the secret.
    Settled(Secret),
    /// Its beneficiary gave it up, with what it says to the sender, or nothing.
    Failed(#[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))] Vec<u8>),
    /// Its payer took it back after the expiry.
    TakenBack,
}

/// A payment that has left a channel by an agreed block. One that a close on chain ended is not among them: the registry says
/// what became of it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Ended {
    /// In which subchannel.
    pub key: SubchannelKey,
    /// Its id.
    pub id: u64,
    /// Whether this node was to pay it.
    pub outgoing: bool,
    /// How much, in the token's base unit.
    pub amount: u128,
    /// Hash function of its lock.
    pub kind: HashKind,
    /// Hash of its secret.
    pub hash: Hash,
    /// How it ended.
    pub end: End,
}

impl Channel {
    /// Reports what the block of a state that is being agreed ends.
    pub(super) fn report_ended(&self, env: &mut Env<'_>, signed: &SignedState) {
        for transition in signed.block.iter().flat_map(|block| &block.transitions) {
            let (key, id, end) = match transition {
                Transition::SettlePayment { key, id, secret } => (key, *id, End::Settled(*secret)),
                Transition::FailPayment { key, id, reason } => (key, *id, End::Failed(reason.clone())),
                Transition::CancelPayment { key, id } => (key, *id, End::Failed(Vec::new())),
                _ => continue,
            };
            // Who ends a payment cannot be who made it in the same block, so it stands in the state before.
            let Some(payment) = self.payment(key, id) else { continue };
            let taken_back = signed.block.as_ref().is_some_and(|block| block.proposer == payment.payer);
            env.out.ended.push(Ended {
                key: *key,
                id,
                outgoing: payment.payer == self.me,
                amount: payment.amount,
                kind: payment.kind,
                hash: payment.hash,
                end: if taken_back { End::TakenBack } else { end },
            });
        }
    }

    /// A pending payment of the last agreed state.
    pub(crate) fn payment(&self, key: &SubchannelKey, id: u64) -> Option<&Payment> {
        match self.tip.state.subchannels.get(key)?.pending.get(&id)? {
            Pending::Payment(payment) => Some(payment),
            Pending::Swap(_) | Pending::Subcontract(_) => None,
        }
    }

    /// The payments that this side is to pay under a hash, in the last agreed state.
    pub(crate) fn paying(&self, kind: HashKind, hash: Hash) -> impl Iterator<Item = (SubchannelKey, u64)> {
        self.tip.state.subchannels.iter().flat_map(move |(key, subchannel)| {
            let fits = move |pending: &Pending| match pending {
                Pending::Payment(p) => p.payer == self.me && p.kind == kind && p.hash == hash,
                Pending::Swap(_) | Pending::Subcontract(_) => false,
            };
            subchannel.pending.iter().filter(move |(_, pending)| fits(pending)).map(|(id, _)| (*key, *id))
        })
    }

    /// Whether this side pays a payment.
    pub(crate) fn pays(&self, payment: &Payment) -> bool {
        payment.payer == self.me
    }

    /// Payments to this side that carry an onion, in the last agreed state.
    pub(crate) fn routed(&self) -> impl Iterator<Item = (SubchannelKey, u64)> {
        self.onions(self.me.other())
    }

    /// Payments of both sides that carry an onion, in the last agreed state.
    pub(crate) fn all_routed(&self) -> impl Iterator<Item = (SubchannelKey, u64)> {
        self.onions(self.me).chain(self.routed())
    }

    fn onions(&self, payer: Side) -> impl Iterator<Item = (SubchannelKey, u64)> {
        self.tip.state.subchannels.iter().flat_map(move |(key, subchannel)| {
            let mine = move |pending: &Pending| match pending {
                Pending::Payment(p) => p.payer == payer && crate::route::is_onion(&p.onion),
                Pending::Swap(_) | Pending::Subcontract(_) => false,
            };
            subchannel.pending.iter().filter(move |(_, pending)| mine(pending)).map(|(id, _)| (*key, *id))
        })
    }

    /// The secret of a pending payment to this side became known: it stays known until the payment is gone.
    pub(crate) fn learn(&mut self, key: &SubchannelKey, id: u64, secret: Secret) {
        if self.payment(key, id).is_some_and(|p| p.payer != self.me && secret.hash(p.kind) == p.hash) {
            self.secrets.insert((*key, id), secret);
        }
    }
}
