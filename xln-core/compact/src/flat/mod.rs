//! Maps and sets in one sorted vector, with the interface, the order and the encoding of B-trees.
//!
//! Inserting and removing move what lies behind: linear in the number of entries, at the speed of a copy.

#[cfg(feature = "wincode")]
mod codec;
mod map;
mod set;

pub use litemap::{Entry, OccupiedEntry, VacantEntry};
pub use map::Map;
pub use set::Set;
