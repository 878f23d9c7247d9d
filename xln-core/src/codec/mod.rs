//! The one codec of wire, records and hashes: bincode's standard format (little endian, variable-length integers), written
//! by `wincode`. Swapping the engine is a change of this module only; `tests/codec.rs` compares it with `bincode` itself.
//!
//! Decoding is strict: everything consumed, bounded before anything is allocated, and canonical, since the decoded value
//! must encode to the same bytes again (so no over-long integers, no unordered or repeated map keys).
//!
//! There are two ways through `wincode`: `slices`, which is fast, and in WebAssembly `streams`, which is small.

use alloc::vec::Vec;
use wincode::config::Configuration;
use wincode::{SchemaRead, SchemaWrite};

/// The longest message, block or state that is ever decoded from a peer, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Largest allocation made on the word of a length prefix of a peer, in bytes of memory.
const PREALLOCATION: usize = 1 << 19;
/// The same for a node's own store, whose records and snapshots grow with the node.
const STORE_PREALLOCATION: usize = 1 << 30;

#[cfg(not(all(target_arch = "wasm32", feature = "std")))]
mod slices;
#[cfg(any(test, all(target_arch = "wasm32", feature = "std")))]
#[cfg_attr(not(target_arch = "wasm32"), allow(unreachable_pub, reason = "public where it is the engine"))]
mod streams;

#[cfg(not(all(target_arch = "wasm32", feature = "std")))]
use slices as engine;
#[cfg(all(target_arch = "wasm32", feature = "std"))]
use streams as engine;

type Varint<const LIMIT: usize, Length> =
    Configuration<true, LIMIT, Length, wincode::int_encoding::LittleEndian, wincode::int_encoding::VarInt>;

pub use engine::{PeerConfig, StoreConfig};

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
    engine::write(value).map_err(|_| CodecError::Unencodable)
}

/// Decodes exactly one value from at most [`MAX_MESSAGE_BYTES`].
///
/// # Errors
/// [`CodecError`] says in which way the bytes are not one canonical value.
pub fn decode<T: Encode + Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(CodecError::TooLong { length: bytes.len(), max: MAX_MESSAGE_BYTES });
    }
    let value: T = engine::read_peers(bytes).map_err(|_| CodecError::Malformed)?;
    check_canonical(value, bytes)
}

/// Decodes exactly one value of any length: for a node's own store.
///
/// # Errors
/// As [`decode`], without the bound on length.
pub fn decode_trusted_length<T: Encode + Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    let value: T = engine::read_own(bytes).map_err(|_| CodecError::Malformed)?;
    check_canonical(value, bytes)
}

fn check_canonical<T: Encode>(value: T, bytes: &[u8]) -> Result<T, CodecError> {
    if encode(&value)? != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}
