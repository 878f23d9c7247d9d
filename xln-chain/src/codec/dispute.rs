//! A running dispute as its events show it and every call about it repeats it.

use std::fmt;

use alloy_primitives::keccak256;
use xln_core::types::{DisputeFact, Hash, Pair, Side};

use super::{CodecError, Reader, time_bytes};

const STARTER_IS_LEFT: u8 = 1;
const ANSWERED: u8 = 2;
const STARTER_FILLS: u8 = 4;
const ANSWERER_FILLS: u8 = 8;

/// What a Depository remembers of a running dispute: 24 bytes of a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisputeHash(pub [u8; 24]);

impl fmt::Debug for DisputeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The dispute's bytes.
///
/// # Errors
/// [`CodecError::TimeOutOfRange`].
pub fn encode_dispute(dispute: &DisputeFact) -> Result<Vec<u8>, CodecError> {
    let fills = [(dispute.starter_fills_hash, STARTER_FILLS), (dispute.answerer_fills_hash, ANSWERER_FILLS)];
    let mut flags = if dispute.starter.is_left() { STARTER_IS_LEFT } else { 0 };
    if dispute.answered {
        flags |= ANSWERED;
    }
    let mut out = Vec::with_capacity(115);
    out.extend_from_slice(&dispute.nonce.to_be_bytes());
    out.extend_from_slice(&time_bytes(dispute.started_at)?);
    out.extend_from_slice(&time_bytes(dispute.answered_at)?);
    out.push(fills.iter().filter(|(hash, _)| *hash != Hash::ZERO).fold(flags, |flags, (_, flag)| flags | flag));
    out.extend_from_slice(&dispute.body_hash.0);
    for (hash, _) in fills.iter().filter(|(hash, _)| *hash != Hash::ZERO) {
        out.extend_from_slice(&hash.0);
    }
    Ok(out)
}

/// Reads exactly one dispute.
///
/// # Errors
/// [`CodecError`] if the bytes are not what [`encode_dispute`] gives.
pub fn parse_dispute(bytes: &[u8]) -> Result<DisputeFact, CodecError> {
    let mut reader = Reader(bytes);
    let nonce = u64::from_be_bytes(reader.array()?);
    let (started_at, answered_at) = (reader.time()?, reader.time()?);
    let flags = reader.u8()?;
    if flags > STARTER_IS_LEFT | ANSWERED | STARTER_FILLS | ANSWERER_FILLS {
        return Err(CodecError::Flags(flags.into()));
    }
    let body_hash = Hash(reader.array()?);
    let mut fills = |flag: u8| match flags & flag {
        0 => Ok(Hash::ZERO),
        _ => Some(Hash(reader.array()?)).filter(|hash| *hash != Hash::ZERO).ok_or(CodecError::ZeroHash),
    };
    let (starter_fills_hash, answerer_fills_hash) = (fills(STARTER_FILLS)?, fills(ANSWERER_FILLS)?);
    reader.end()?;
    let starter = if flags & STARTER_IS_LEFT == 0 { Side::Right } else { Side::Left };
    let answered = flags & ANSWERED != 0;
    // Fills and time of an answer without an answer: it was void when both signatures countered it with the same body.
    Ok(DisputeFact {
        nonce,
        started_at,
        starter,
        answered,
        answered_at,
        body_hash,
        starter_fills_hash,
        answerer_fills_hash,
    })
}

/// What the Depository keeps of a dispute of this channel.
///
/// # Errors
/// As [`encode_dispute`].
pub fn dispute_hash(pair: &Pair, dispute: &DisputeFact) -> Result<DisputeHash, CodecError> {
    let mut bytes = pair.channel_key().0.to_vec();
    bytes.extend(encode_dispute(dispute)?);
    let [kept @ .., _, _, _, _, _, _, _, _] = keccak256(bytes).0;
    Ok(DisputeHash(kept))
}
