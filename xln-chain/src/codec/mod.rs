//! The Depository's packed bytes (`docs/encodings.md`), one writer and one strict reader each: what an event shows, a call
//! takes, and a batch carries. Reading accepts exactly what writing gives.

mod dispute;
mod events;
mod fundings;
mod operations;

pub use dispute::{DisputeHash, dispute_hash, encode_dispute, parse_dispute};
pub use events::{Bucket, EventHead, split_reserves, split_token_reserve};
pub use fundings::{Funding, encode_fundings, parse_fundings};
pub use operations::{MAX_OPERATIONS, RawOperation, encode_operations, parse_operations};

use xln_core::types::{EntityIdError, UnixSeconds};

/// Why a value has no bytes, or bytes are none of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Fewer bytes than announced.
    #[error("the bytes end too soon")]
    Truncated,
    /// Bytes after the end.
    #[error("bytes follow the end")]
    TrailingBytes,
    /// Flags that no writer sets, or that contradict what follows.
    #[error("flags {0:#x} are not allowed")]
    Flags(u128),
    /// A time has more than 40 bits.
    #[error("a time has more than 40 bits")]
    TimeOutOfRange,
    /// A hash that must name something is zero.
    #[error("a hash that is given must not be zero")]
    ZeroHash,
    /// An amount is zero.
    #[error("an amount is zero")]
    ZeroAmount,
    /// An amount or delta is not below `2^127`.
    #[error("an amount is not below 2^127")]
    AmountOutOfRange,
    /// An amount starts with a zero byte.
    #[error("an amount has a leading zero")]
    LeadingZero,
    /// An end of a channel is no entity.
    #[error(transparent)]
    Entity(#[from] EntityIdError),
    /// Receiver and peer are the same.
    #[error("an entity has no channel with itself")]
    SameEntity,
    /// An account is written in the long form, or the caller by name.
    #[error("a shorter form exists")]
    NotShortest,
    /// More operations than a batch takes.
    #[error("{0} operations, at most {MAX_OPERATIONS} are allowed")]
    TooManyOperations(usize),
    /// An operation's calldata has more than 24 bits of length, or no selector.
    #[error("calldata of {0} bytes")]
    CalldataLength(usize),
    /// An operation with a value may not be skipped.
    #[error("an operation with a value may not be skipped")]
    SkippedValue,
}

/// The rest of some bytes; every method takes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(CodecError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    fn time(&mut self) -> Result<UnixSeconds, CodecError> {
        let [a, b, c, d, e] = self.array()?;
        Ok(UnixSeconds(u64::from_be_bytes([0, 0, 0, a, b, c, d, e])))
    }

    const fn end(&self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::TrailingBytes) }
    }
}

/// A time as 40 bits.
const fn time_bytes(time: UnixSeconds) -> Result<[u8; 5], CodecError> {
    match time.0.to_be_bytes() {
        [0, 0, 0, a, b, c, d, e] => Ok([a, b, c, d, e]),
        _ => Err(CodecError::TimeOutOfRange),
    }
}
