//! What a node does with onions: whether it forwards, for what, and what it expects for itself.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::failure::FailureCode;
use super::fee::with_fee;
use super::keys::OnionKey;
use crate::types::{Address, ChainId, Hash, HashKind, Secret, SubchannelKey, TokenId, UnixSeconds};

/// What a node does with payments that carry an onion. A node without one leaves them to its application.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct RoutingPolicy {
    /// Opens its layers.
    pub onion_key: OnionKey,
    /// Whether it forwards. Else it only receives. A node that forwards should be vigilant: what it paid with a secret it
    /// gets back by that secret, in the registry if need be.
    pub forwards: bool,
    /// The fee that it wants, in parts per million of what it forwards, rounded up.
    pub fee_ppm: u32,
    /// How much later the incoming lock must expire than the outgoing one if they rely on different registries, in seconds:
    /// confirmations and inclusion on both chains, and drift.
    pub gap_s: u64,
    /// How long before the incoming expiry the last settlement off chain of the outgoing lock may come, in seconds: the time
    /// to get a reveal confirmed.
    pub reveal_s: u64,
    /// Tokens that it changes one for one, beside each token into itself.
    pub equivalent: Vec<Equivalence>,
}

/// A token that a node takes and another that it gives for it, one base unit for one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Equivalence {
    /// Where and what it takes.
    pub takes: (SubchannelKey, TokenId),
    /// Where and what it gives.
    pub gives: (SubchannelKey, TokenId),
}

/// A payment that a node expects and settles by itself when it arrives: the recipient's side of an invoice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct ExpectedPayment {
    /// Where: the subchannel, of whatever channel.
    pub key: SubchannelKey,
    /// In which token.
    pub token: TokenId,
    /// How much at least, in the token's base unit.
    pub amount: u128,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Its secret.
    pub secret: Secret,
    /// After this it is forgotten.
    pub until: UnixSeconds,
}

impl ExpectedPayment {
    /// The lock under which it is expected.
    #[must_use]
    pub fn lock(&self) -> (HashKind, Hash) {
        (self.kind, self.secret.hash(self.kind))
    }
}

/// One leg of a forward: what counts for its safety.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Leg {
    /// Where and what.
    pub(crate) asset: (SubchannelKey, TokenId),
    /// How much.
    pub(crate) amount: u128,
    /// Last second at which it can be settled.
    pub(crate) expiry: UnixSeconds,
    /// The registry that decides it.
    pub(crate) registry: (ChainId, Address),
    /// How long before its expiry it must be settled off chain, in seconds.
    pub(crate) settle_margin_s: u64,
}

impl RoutingPolicy {
    /// Whether the outgoing leg is good for what came in.
    pub(crate) fn judge(&self, incoming: &Leg, outgoing: &Leg) -> Result<(), FailureCode> {
        if !self.forwards {
            return Err(FailureCode::NotForwarding);
        }
        let exchange = Equivalence { takes: incoming.asset, gives: outgoing.asset };
        if incoming.asset != outgoing.asset && !self.equivalent.contains(&exchange) {
            return Err(FailureCode::UnknownNext);
        }
        if with_fee(outgoing.amount, self.fee_ppm).is_none_or(|due| incoming.amount < due) {
            return Err(FailureCode::FeeTooLow);
        }
        // One entry of one registry decides both at once; else what is revealed in one must still get into the other.
        let gap = if incoming.registry == outgoing.registry { 0 } else { self.gap_s };
        let last_settled = outgoing.expiry.minus(outgoing.settle_margin_s);
        if incoming.expiry < outgoing.expiry.plus(gap) || incoming.expiry < last_settled.plus(self.reveal_s) {
            return Err(FailureCode::ExpiryTooSoon);
        }
        Ok(())
    }
}
