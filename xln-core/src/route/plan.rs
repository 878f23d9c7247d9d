//! A route as its sender makes it: amounts and expiries backwards from the recipient, then the onion.

use alloc::vec::Vec;

use super::failure::{FailureCode, open_failure};
use super::fee::with_fee;
use super::keys::{OnionPublicKey, SharedSecret};
use super::onion::{Layer, OnionError, wrap};
use crate::transition::Transition;
use crate::types::{EntityId, Hash, HashKind, SubchannelKey, TokenId, UnixSeconds};

/// One hop, the recipient included, as the sender knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Who it is.
    pub entity: EntityId,
    /// The key of its layer.
    pub onion_key: OnionPublicKey,
    /// The subchannel with the hop before it in which it receives.
    pub key: SubchannelKey,
    /// The token in which it receives.
    pub token: TokenId,
    /// What it takes of the amount that it forwards, in parts per million; nothing of the recipient's.
    pub fee_ppm: u32,
    /// How much later its incoming lock must expire than its outgoing one, in seconds; 0 where both rely on one registry.
    pub gap_s: u64,
}

/// The lock that all hops share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    /// Hash function.
    pub kind: HashKind,
    /// Hash of the recipient's secret.
    pub hash: Hash,
    /// Expiry of the recipient's lock.
    pub expiry: UnixSeconds,
}

/// Why there is no such route.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RouteError {
    /// The onion cannot be made.
    #[error(transparent)]
    Onion(#[from] OnionError),
    /// Amounts with all fees pass the range of amounts.
    #[error("amount with fees is out of range")]
    AmountOutOfRange,
}

/// A route that can be paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The first hop: in whose channel to propose.
    pub peer: EntityId,
    /// What to propose there.
    pub payment: Transition,
    /// Amount and expiry of each hop's incoming lock, the first hop's first.
    pub locks: Vec<(u128, UnixSeconds)>,
    /// What the sender shares with each hop, to read a failure. Keep it until the payment has ended.
    pub shared: Vec<SharedSecret>,
}

impl Route {
    /// Plans a payment of `amount` to the last of `hops`; fees come on top. `session` are 32 random bytes, used once.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn new(hops: &[Hop], amount: u128, lock: &Lock, session: &[u8; 32]) -> Result<Self, RouteError> {
        let (mut due, mut expiry) = (amount, lock.expiry);
        let mut layers = Vec::new();
        let mut locks = Vec::new();
        let mut after: Option<&Hop> = None;
        for hop in hops.iter().rev() {
            let layer = match after {
                None => Layer::Receive { amount, expiry },
                Some(Hop { entity, key, token, .. }) => {
                    Layer::Forward { next: *entity, key: *key, token: *token, amount: due, expiry }
                }
            };
            if after.is_some() {
                due = with_fee(due, hop.fee_ppm).ok_or(RouteError::AmountOutOfRange)?;
                expiry = expiry.plus(hop.gap_s);
            }
            layers.push((hop.onion_key, layer));
            locks.push((due, expiry));
            after = Some(hop);
        }
        layers.reverse();
        locks.reverse();
        let first = after.ok_or(OnionError::Hops)?;
        let (onion, shared) = wrap(&layers, (lock.kind, &lock.hash), session)?;
        let payment = Transition::AddPayment {
            key: first.key,
            token: first.token,
            amount: due,
            kind: lock.kind,
            hash: lock.hash,
            expiry,
            onion,
        };
        Ok(Self { peer: first.entity, payment, locks, shared })
    }

    /// Which hop failed, from 0, and why; `None` for a failure that no hop can have made.
    #[must_use]
    pub fn open_failure(&self, failure: &[u8]) -> Option<(usize, FailureCode)> {
        open_failure(&self.shared, failure)
    }
}
