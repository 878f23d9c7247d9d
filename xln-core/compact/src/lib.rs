//! What keeps xln small in WebAssembly, where code is downloaded.
//!
//! [`Map`] and [`Set`] are B-trees, but there sorted vectors ([`flat`]): for every pair of types that it is made for a B-tree
//! is some nine kilobytes of code, a sorted vector one. A server's maps stay fast with a million entries. Order, interface
//! and encoding are the same; `tests/flat.rs` holds one against the other.
//!
//! [`bounded`] lets one decoder serve peers and a node's own store, which differ only in how long a length may be, and
//! [`stream`] makes of one decoder one copy.
#![cfg_attr(not(any(feature = "std", test)), no_std)]

extern crate alloc;

#[cfg(all(feature = "std", feature = "wincode"))]
pub mod bounded;
pub mod flat;
#[cfg(feature = "wincode")]
pub mod stream;

#[cfg(not(target_arch = "wasm32"))]
pub use alloc::collections::{BTreeMap as Map, BTreeSet as Set, btree_map::Entry};
#[cfg(target_arch = "wasm32")]
pub use flat::{Entry, Map, Set};

/// The distinct values, ascending.
#[must_use]
pub fn ascending<T: Ord>(values: impl IntoIterator<Item = T>) -> alloc::vec::Vec<T> {
    values.into_iter().collect::<Set<T>>().into_iter().collect()
}
