//! The one codec of wire, records and hashes: bincode's standard format (little endian, variable-length integers), written
//! by `wincode`. Swapping the engine is a change of this file only; `tests/codec.rs` compares it with `bincode` itself.
//!
//! Decoding is strict: everything consumed, bounded before anything is allocated, and canonical, since the decoded value
//! must encode to the same bytes again (so no over-long integers, no unordered or repeated map keys).

use alloc::vec::Vec;
use wincode::config::Configuration;
use wincode::{SchemaRead, SchemaWrite};

/// The longest message, block or state that is ever decoded from a peer, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Largest allocation made on the word of a length prefix of a peer, in bytes of memory.
const PREALLOCATION: usize = 1 << 19;
/// The same for a node's own store, whose records and snapshots grow with the node.
const STORE_PREALLOCATION: usize = 1 << 30;

type Varint<const LIMIT: usize> = Configuration<
    true,
    LIMIT,
    wincode::len::BincodeLen,
    wincode::int_encoding::LittleEndian,
    wincode::int_encoding::VarInt,
>;

/// How bytes of a peer are read.
pub type PeerConfig = Varint<PREALLOCATION>;
/// How everything is written, and a node's own store is read: the same bytes, another bound.
pub type StoreConfig = Varint<STORE_PREALLOCATION>;

/// What can be encoded.
pub trait Encode: SchemaWrite<StoreConfig, Src = Self> {}
impl<T: SchemaWrite<StoreConfig, Src = T>> Encode for T {}

/// What can be decoded.
pub trait Decode:
    for<'a> SchemaRead<'a, PeerConfig, Dst = Self> + for<'a> SchemaRead<'a, StoreConfig, Dst = Self> + Sized
{
}
impl<T> Decode for T where T: for<'a> SchemaRead<'a, PeerConfig, Dst = T> + for<'a> SchemaRead<'a, StoreConfig, Dst = T> {}

/// Why bytes are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// Longer than the bound for its kind.
    #[error("{length} bytes where at most {max} are accepted")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes accepted.
        max: usize,
    },
    /// Cut short, an unknown tag, a length that cannot be, or bytes left over.
    #[error("bytes do not decode")]
    Malformed,
    /// The value has a shorter or differently ordered encoding.
    #[error("encoding is not canonical")]
    NotCanonical,
    /// A value that has no encoding: longer than its length prefix can say.
    #[error("value has no encoding")]
    Unencodable,
    /// A format version that this code does not know.
    #[error("format version {0} is unknown")]
    UnknownVersion(u8),
}

/// Encodes a value.
///
/// # Errors
/// [`CodecError::Unencodable`] for a length beyond the format, which no value within the protocol's limits has.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    engine::write::<T>(value).map_err(|_| CodecError::Unencodable)
}

/// Decodes exactly one value from at most [`MAX_MESSAGE_BYTES`].
///
/// # Errors
/// [`CodecError`] says in which way the bytes are not one canonical value.
pub fn decode<T: Encode + Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(CodecError::TooLong { length: bytes.len(), max: MAX_MESSAGE_BYTES });
    }
    let value: T = engine::read::<T, PREALLOCATION>(bytes).map_err(|_| CodecError::Malformed)?;
    check_canonical(value, bytes)
}

/// Decodes exactly one value of any length: for a node's own store.
///
/// # Errors
/// As [`decode`], without the bound on length.
pub fn decode_trusted_length<T: Encode + Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    let value: T = engine::read::<T, STORE_PREALLOCATION>(bytes).map_err(|_| CodecError::Malformed)?;
    check_canonical(value, bytes)
}

fn check_canonical<T: Encode>(value: T, bytes: &[u8]) -> Result<T, CodecError> {
    if encode(&value)? != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// From memory to memory, with a second copy of each codec where lengths are known before.
#[cfg(not(all(target_arch = "wasm32", feature = "std")))]
mod engine {
    use alloc::vec::Vec;
    use wincode::config::DefaultConfig;
    use wincode::{ReadResult, SchemaRead, WriteResult};

    use super::{Encode, STORE_PREALLOCATION, Varint};

    const fn config<const LIMIT: usize>() -> Varint<LIMIT> {
        DefaultConfig::default().with_varint_encoding().with_preallocation_size_limit::<LIMIT>()
    }

    pub(super) fn write<T: Encode>(value: &T) -> WriteResult<Vec<u8>> {
        wincode::config::serialize(value, config::<STORE_PREALLOCATION>())
    }

    pub(super) fn read<T, const LIMIT: usize>(bytes: &[u8]) -> ReadResult<T>
    where
        T: for<'a> SchemaRead<'a, Varint<LIMIT>, Dst = T>,
    {
        wincode::config::deserialize_exact(bytes, config::<LIMIT>())
    }
}

/// The same bytes through streams, which have one copy: what a page downloads counts more there than what a copy costs.
#[cfg(all(target_arch = "wasm32", feature = "std"))]
mod engine {
    use alloc::vec::Vec;
    use wincode::io::std_read::ReadAdapter;
    use wincode::io::std_write::WriteAdapter;
    use wincode::{ReadResult, SchemaRead, SchemaWrite, WriteResult};

    use super::{Encode, StoreConfig, Varint};

    pub(super) fn write<T: Encode>(value: &T) -> WriteResult<Vec<u8>> {
        let mut bytes = Vec::new();
        <T as SchemaWrite<StoreConfig>>::write(&mut WriteAdapter::new(&mut bytes), value)?;
        Ok(bytes)
    }

    pub(super) fn read<T, const LIMIT: usize>(mut bytes: &[u8]) -> ReadResult<T>
    where
        T: for<'a> SchemaRead<'a, Varint<LIMIT>, Dst = T>,
    {
        let value = <T as SchemaRead<Varint<LIMIT>>>::get(&mut ReadAdapter::new(&mut bytes))?;
        if bytes.is_empty() { Ok(value) } else { Err(wincode::error::trailing_bytes()) }
    }
}
