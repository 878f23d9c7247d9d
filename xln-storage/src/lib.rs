//! The storage contract, its backends, and the Hierarchical State-Time Machine ([`Hstm`]) on top of it.
//!
//! - [`Storage`]: what the rest of the system may rely on; read its prose before writing a backend, then let
//!   [`conformance`] judge the result.
//! - Backends: [`MemoryStore`]; [`RedbStore`], [`FjallStore`] and [`SledStore`] by feature. [`DefaultStore`] is the one
//!   that measured best (below).
//! - [`Pinned`]: a store that knows which format, entity and depositories it belongs to, and refuses others.
//! - [`Hstm`]: an append-only, hash-chained journal of entries plus snapshots, with states by height and by time.
//! - [`FaultStore`]: fails at a chosen operation, for tests.
#![forbid(unsafe_code)]

mod batch;
pub mod conformance;
mod engine;
mod error;
mod fault;
mod hstm;
mod lock;
mod memory;
mod pinned;
mod storage;

pub use batch::{WriteBatch, WriteOp};
pub use engine::*;
pub use error::{PinField, StorageError};
pub use fault::{Fault, FaultStore};
pub use hstm::{
    Corruption, Hstm, HstmError, HstmOptions, Position, Snap, Stamped, StateMachine,
};
pub use memory::MemoryStore;
pub use pinned::{Depository, Pinned, Pins};
pub use storage::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Row, Rows, Storage, rows, successor};
