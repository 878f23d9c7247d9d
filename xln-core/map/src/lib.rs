//! The ordered maps and sets of the core and of stores: B-trees, but in WebAssembly sorted vectors. For every pair of types
//! that it is made for a B-tree is some nine kilobytes of code, which a page downloads, a sorted vector one; a server's
//! maps stay fast with a million entries.
//!
//! Order, interface and encoding are the same; `tests/` holds [`flat`] against the B-trees.
#![no_std]

extern crate alloc;

pub mod flat;

#[cfg(not(target_arch = "wasm32"))]
pub use alloc::collections::{BTreeMap as Map, BTreeSet as Set, btree_map::Entry};
#[cfg(target_arch = "wasm32")]
pub use flat::{Entry, Map, Set};

/// The distinct values, ascending.
#[must_use]
pub fn ascending<T: Ord>(values: impl IntoIterator<Item = T>) -> alloc::vec::Vec<T> {
    values.into_iter().collect::<Set<T>>().into_iter().collect()
}
