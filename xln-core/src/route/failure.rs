//! Failures: whoever fails a lock says why to the sender alone. Each hop on the way back adds its own encryption, so that
//! nobody in between learns where it failed, and nobody can put words into another hop's mouth.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::keys::SharedSecret;
use crate::limits::FAILURE_BYTES;

const MAC: usize = 32;

/// Why a hop does not forward, or the recipient does not take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error, SchemaRead, SchemaWrite)]
#[non_exhaustive]
pub enum FailureCode {
    /// This node does not forward.
    #[error("node does not forward")]
    NotForwarding,
    /// The node has no such channel, subchannel or token, or does not change one token into the other.
    #[error("no such way on")]
    UnknownNext,
    /// What arrived does not pay the amount and the fee.
    #[error("fee is too low")]
    FeeTooLow,
    /// The expiry leaves too little time.
    #[error("expiry is too soon")]
    ExpiryTooSoon,
    /// The way on cannot carry the amount now.
    #[error("capacity is not sufficient")]
    InsufficientCapacity,
    /// The way on is closed or refuses for another reason.
    #[error("the way on is not open")]
    ChannelUnavailable,
    /// The next hop gave it back and said nothing that can be passed on.
    #[error("the next hop failed")]
    NextHopFailed,
    /// It was not settled in time.
    #[error("expired on the way")]
    Expired,
    /// This onion was here before.
    #[error("onion was seen before")]
    Replayed,
    /// The recipient expects no such payment.
    #[error("recipient expects no such payment")]
    UnknownPayment,
    /// The recipient expects more, or something else.
    #[error("amount is not what the recipient expects")]
    WrongAmount,
    /// The layer says nothing known.
    #[error("layer says nothing known")]
    UnknownLayer,
    /// The node has too many payments on their way.
    #[error("too much is on its way")]
    Busy,
}

impl FailureCode {
    const ALL: [Self; 13] = [
        Self::NotForwarding,
        Self::UnknownNext,
        Self::FeeTooLow,
        Self::ExpiryTooSoon,
        Self::InsufficientCapacity,
        Self::ChannelUnavailable,
        Self::NextHopFailed,
        Self::Expired,
        Self::Replayed,
        Self::UnknownPayment,
        Self::WrongAmount,
        Self::UnknownLayer,
        Self::Busy,
    ];

    /// Its number in a failure.
    #[must_use]
    pub fn index(self) -> u8 {
        let found = (0u8..).zip(Self::ALL).find(|(_, code)| *code == self);
        found.map_or(u8::MAX, |(index, _)| index)
    }

    fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }
}

/// A failure of this hop's own, readable by the sender only.
#[must_use]
pub fn fail(shared: &SharedSecret, code: FailureCode) -> Vec<u8> {
    let mut text = alloc::vec![0; FAILURE_BYTES.saturating_sub(MAC)];
    if let Some(first) = text.first_mut() {
        *first = code.index();
    }
    let mut failure = shared.authenticate(b"failure mac", &[&text]).to_vec();
    failure.append(&mut text);
    wrap_failure(shared, failure)
}

/// Another hop's failure on its way back. One of the wrong length cannot be passed on.
#[must_use]
pub fn pass_on(shared: &SharedSecret, failure: &[u8]) -> Vec<u8> {
    if failure.len() == FAILURE_BYTES {
        wrap_failure(shared, failure.to_vec())
    } else {
        fail(shared, FailureCode::NextHopFailed)
    }
}

fn wrap_failure(shared: &SharedSecret, mut failure: Vec<u8>) -> Vec<u8> {
    shared.cipher(b"failure", &mut failure);
    failure
}

/// What a failure says, for the sender that has the secrets of all hops: the position of the hop on the route, from 0, and
/// why. `None` if no hop can have made it: the first hop, or whoever damaged it on the way, is to blame then.
#[must_use]
pub fn open_failure(shared: &[SharedSecret], failure: &[u8]) -> Option<(usize, FailureCode)> {
    let mut failure = failure.to_vec();
    for (hop, secret) in shared.iter().enumerate() {
        secret.cipher(b"failure", &mut failure);
        let (tag, text) = failure.split_first_chunk::<MAC>()?;
        if secret.verify(b"failure mac", &[text], tag) {
            return Some((hop, FailureCode::from_index(*text.first()?)?));
        }
    }
    None
}
