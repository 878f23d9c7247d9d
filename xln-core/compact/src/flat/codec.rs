//! The encoding of a B-tree: how many, then each in ascending order. What is not ascending is no map, and is refused.
#![allow(unsafe_code)] // the traits are unsafe to implement; every function here hands on to one of wincode's own

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use litemap::LiteMap;
use wincode::config::ConfigCore;
use wincode::error::invalid_value;
use wincode::io::{Reader, Writer};
use wincode::{ReadResult, SchemaRead, SchemaWrite, WriteResult};

use super::{Map, Set};

// SAFETY: `size_of` and `write` are those of one and the same slice; the metadata is the default.
unsafe impl<C: ConfigCore, K, V> SchemaWrite<C> for Map<K, V>
where
    [(K, V)]: SchemaWrite<C, Src = [(K, V)]>,
{
    type Src = Self;

    fn size_of(src: &Self) -> WriteResult<usize> {
        <[(K, V)]>::size_of(src.0.as_slice())
    }

    fn write(writer: impl Writer, src: &Self) -> WriteResult<()> {
        <[(K, V)]>::write(writer, src.0.as_slice())
    }
}

// SAFETY: where `Ok` is returned `dst` has been written; the metadata is the default.
unsafe impl<'de, C: ConfigCore, K: Ord, V> SchemaRead<'de, C> for Map<K, V>
where
    Vec<(K, V)>: SchemaRead<'de, C, Dst = Vec<(K, V)>>,
{
    type Dst = Self;

    fn read(reader: impl Reader<'de>, dst: &mut MaybeUninit<Self>) -> ReadResult<()> {
        let pairs = Vec::<(K, V)>::get(reader)?;
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(invalid_value("keys of a map that do not ascend"));
        }
        dst.write(Self(LiteMap::from_sorted_store_unchecked(pairs)));
        Ok(())
    }
}

// SAFETY: as for the slice of members.
unsafe impl<C: ConfigCore, T> SchemaWrite<C> for Set<T>
where
    Map<T, ()>: SchemaWrite<C, Src = Map<T, ()>>,
{
    type Src = Self;

    fn size_of(src: &Self) -> WriteResult<usize> {
        Map::size_of(&src.0)
    }

    fn write(writer: impl Writer, src: &Self) -> WriteResult<()> {
        Map::write(writer, &src.0)
    }
}

// SAFETY: where `Ok` is returned `dst` has been written; the metadata is the default.
unsafe impl<'de, C: ConfigCore, T: Ord> SchemaRead<'de, C> for Set<T>
where
    Map<T, ()>: SchemaRead<'de, C, Dst = Map<T, ()>>,
{
    type Dst = Self;

    fn read(reader: impl Reader<'de>, dst: &mut MaybeUninit<Self>) -> ReadResult<()> {
        dst.write(Self(<Map<T, ()> as SchemaRead<C>>::get(reader)?));
        Ok(())
    }
}
