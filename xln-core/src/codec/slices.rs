//! From memory to memory. Each decoder is there twice for the two bounds, and each of those twice, for what has been found
//! to be long enough and for what has not.

use alloc::vec::Vec;
use wincode::config::{DefaultConfig, deserialize_exact, serialize};
use wincode::len::BincodeLen;
use wincode::{ReadResult, SchemaRead, SchemaWrite, WriteResult};

use super::{PREALLOCATION, STORE_PREALLOCATION, Varint};

/// How bytes of a peer are read.
pub type PeerConfig = Varint<PREALLOCATION, BincodeLen>;
/// How everything is written, and a node's own store is read: the same bytes, another bound.
pub type StoreConfig = Varint<STORE_PREALLOCATION, BincodeLen>;

const fn config<const LIMIT: usize>() -> Varint<LIMIT, BincodeLen> {
    DefaultConfig::default().with_varint_encoding().with_preallocation_size_limit::<LIMIT>()
}

pub(super) fn write<T: SchemaWrite<StoreConfig, Src = T>>(value: &T) -> WriteResult<Vec<u8>> {
    serialize(value, config::<STORE_PREALLOCATION>())
}

pub(super) fn read_peers<T>(bytes: &[u8]) -> ReadResult<T>
where
    T: for<'a> SchemaRead<'a, PeerConfig, Dst = T>,
{
    deserialize_exact(bytes, config::<PREALLOCATION>())
}

pub(super) fn read_own<T>(bytes: &[u8]) -> ReadResult<T>
where
    T: for<'a> SchemaRead<'a, StoreConfig, Dst = T>,
{
    deserialize_exact(bytes, config::<STORE_PREALLOCATION>())
}
