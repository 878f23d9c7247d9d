//! The same bytes through streams, and with bounds at run time: one copy of each decoder. What a page downloads counts for
//! more there than what a copy costs.

use alloc::vec::Vec;
use wincode::io::std_read::ReadAdapter;
use wincode::io::std_write::WriteAdapter;
use wincode::{ReadResult, SchemaRead, SchemaWrite, WriteResult};
use xln_compact::bounded::{BoundedLen, within};

use super::{PREALLOCATION, STORE_PREALLOCATION, Varint};

/// How bytes of a peer are read.
pub type PeerConfig = Varint<{ wincode::config::PREALLOCATION_SIZE_LIMIT_DISABLED }, BoundedLen>;
/// How everything is written, and a node's own store is read.
pub type StoreConfig = PeerConfig;

pub(super) fn write<T: SchemaWrite<StoreConfig, Src = T>>(value: &T) -> WriteResult<Vec<u8>> {
    let mut bytes = Vec::new();
    within(STORE_PREALLOCATION, || T::write(&mut WriteAdapter::new(&mut bytes), value))?;
    Ok(bytes)
}

pub(super) fn read_peers<T>(bytes: &[u8]) -> ReadResult<T>
where
    T: for<'a> SchemaRead<'a, PeerConfig, Dst = T>,
{
    read(bytes, PREALLOCATION)
}

pub(super) fn read_own<T>(bytes: &[u8]) -> ReadResult<T>
where
    T: for<'a> SchemaRead<'a, StoreConfig, Dst = T>,
{
    read(bytes, STORE_PREALLOCATION)
}

fn read<T>(mut bytes: &[u8], bound: usize) -> ReadResult<T>
where
    T: for<'a> SchemaRead<'a, StoreConfig, Dst = T>,
{
    let value = within(bound, || T::get(&mut ReadAdapter::new(&mut bytes)))?;
    if bytes.is_empty() { Ok(value) } else { Err(wincode::error::trailing_bytes()) }
}
