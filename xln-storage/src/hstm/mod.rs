//! The Hierarchical State-Time Machine: an append-only, hash-chained journal of entries and snapshots of the state
//! that they lead to, so that the state at any kept height or time can be had again and checked.

mod cache;
mod error;
mod history;
mod machine;
mod retention;
mod rows;

pub use error::{Corruption, HstmError};
pub use machine::{Hstm, HstmOptions};
pub use rows::Position;

/// A deterministic state machine: the same entries on the same state give the same state, everywhere.
pub trait StateMachine {
    /// What the entries change.
    type State: Clone;
    /// One change.
    type Entry;
    /// Why an entry does not apply or bytes do not decode.
    type Error: std::error::Error + 'static;

    /// The state at height 0, before any entry.
    fn genesis(&self) -> Self::State;

    /// Applies `entry`. After an error `state` is thrown away, so it may be half changed.
    ///
    /// # Errors
    /// The entry does not fit the state.
    fn apply(&self, state: &mut Self::State, entry: &Self::Entry) -> Result<(), Self::Error>;

    /// The bytes of a state for a snapshot. Equal states must give equal bytes.
    fn encode_state(&self, state: &Self::State) -> Vec<u8>;

    /// The state of `bytes`.
    ///
    /// # Errors
    /// The bytes are no state.
    fn decode_state(&self, bytes: &[u8]) -> Result<Self::State, Self::Error>;

    /// The bytes of an entry for the journal.
    fn encode_entry(&self, entry: &Self::Entry) -> Vec<u8>;

    /// The entry of `bytes`.
    ///
    /// # Errors
    /// The bytes are no entry.
    fn decode_entry(&self, bytes: &[u8]) -> Result<Self::Entry, Self::Error>;
}

/// An entry with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped<E> {
    /// Greater than the height of the entry before; gaps are allowed. The first is at least 1.
    pub height: u64,
    /// Unix seconds; not less than the time of the entry before.
    pub time_s: u64,
    /// The change.
    pub entry: E,
}

/// A snapshot: the state at a position of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snap<S> {
    /// Height, time and chain hash of the last entry that the state contains.
    pub position: Position,
    /// The state.
    pub state: S,
}
