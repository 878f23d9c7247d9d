//! The same bytes through streams, and with bounds at run time: one copy of each decoder. What a page downloads counts for
//! more there than what a copy costs.

use alloc::vec::Vec;
use wincode::{ReadResult, SchemaRead, SchemaWrite, WriteResult};
use xln_compact::bounded::{BoundedLen, within};
use xln_compact::stream::{Sink, Source};

use super::{PREALLOCATION, STORE_PREALLOCATION, Varint};

/// How bytes of a peer are read.
pub type PeerConfig = Varint<{ wincode::config::PREALLOCATION_SIZE_LIMIT_DISABLED }, BoundedLen>;
/// How everything is written, and a node's own store is read.
pub type StoreConfig = PeerConfig;

pub(super) fn write<T: SchemaWrite<StoreConfig, Src = T>>(value: &T) -> WriteResult<Vec<u8>> {
    let mut sink = Sink::default();
    within(STORE_PREALLOCATION, || T::write(&mut sink, value))?;
    Ok(sink.0)
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

fn read<T>(bytes: &[u8], bound: usize) -> ReadResult<T>
where
    T: for<'a> SchemaRead<'a, StoreConfig, Dst = T>,
{
    let mut source = Source(bytes);
    let value = within(bound, || T::get(&mut source))?;
    if source.0.is_empty() { Ok(value) } else { Err(wincode::error::trailing_bytes()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::slices;
    use crate::map::Map;

    #[derive(Clone, Debug, PartialEq, SchemaRead, SchemaWrite)]
    enum Kind {
        Unit,
        Fixed { hash: [u8; 32], flag: bool },
        Loose { wide: i128, inner: Vec<Kind>, maybe: Option<u64> },
    }

    type Value = (Vec<(u64, Kind)>, Map<[u8; 4], Vec<u8>>, u128);

    fn kind() -> impl Strategy<Value = Kind> {
        let leaf = prop_oneof![
            Just(Kind::Unit),
            any::<([u8; 32], bool)>().prop_map(|(hash, flag)| Kind::Fixed { hash, flag })
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            (any::<i128>(), proptest::collection::vec(inner, 0..4), any::<Option<u64>>())
                .prop_map(|(wide, inner, maybe)| Kind::Loose { wide, inner, maybe })
        })
    }

    proptest! {
        #[test]
        fn streams_and_slices_agree(
            list in proptest::collection::vec((any::<u64>(), kind()), 0..6), map in any::<Map<[u8; 4], Vec<u8>>>(),
            number in any::<u128>(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in any::<prop::sample::Index>(), whole in any::<bool>(),
        ) {
            let value: Value = (list, map, number);
            let mut bytes = slices::write(&value).unwrap();
            prop_assert_eq!(&write(&value).unwrap(), &bytes);
            prop_assert_eq!(read_own::<Value>(&bytes).unwrap(), value.clone());
            prop_assert_eq!(read_peers::<Value>(&bytes).unwrap(), value);
            prop_assert!(read_own::<Value>(&[bytes.as_slice(), &[0]].concat()).is_err(), "bytes left over");
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if !whole {
                bytes.truncate(cut.index(bytes.len()));
            }
            prop_assert_eq!(read_peers::<Value>(&bytes).ok(), slices::read_peers::<Value>(&bytes).ok());
            prop_assert_eq!(read_own::<Value>(&bytes).ok(), slices::read_own::<Value>(&bytes).ok());
        }
    }

    #[test]
    fn a_peers_length_may_ask_for_less_memory_than_an_own() {
        let exact = vec![7_u8; PREALLOCATION];
        let more = vec![7_u8; PREALLOCATION + 1];
        let (exact, more) = (write(&exact).unwrap(), write(&more).unwrap());
        assert!(read_peers::<Vec<u8>>(&exact).is_ok());
        assert!(read_peers::<Vec<u8>>(&more).is_err());
        assert!(read_own::<Vec<u8>>(&more).is_ok());
        // Five bytes that claim two thousand million elements.
        assert!(read_own::<Vec<u64>>(&[252, 0, 0, 0, 128]).is_err());
    }
}
