//! The storage contract, its backends, and the Hierarchical State-Time Machine ([`Hstm`]) on top of it.
//!
//! - [`Storage`]: what the rest of the system may rely on; read its prose before writing a backend, then let
//!   [`conformance`] judge the result.
//! - Backends: [`MemoryStore`]; [`RedbStore`], [`FjallStore`] and [`SledStore`] by feature. [`DefaultStore`] is the one
//!   that measured best (below).
//! - [`Pinned`]: a store that knows which format, entity and depositories it belongs to, and refuses others.
//! - [`Hstm`]: an append-only, hash-chained journal of entries plus snapshots, with states by height and by time.
//! - [`FaultStore`]: fails at a chosen operation, for tests.
//!
//! # Which engine: what measuring showed
//!
//! One block-shaped batch (three rows, about 1 kB) per durable commit, 2 cores, virtual disk with ext4; times from a quiet
//! machine, where the virtual disk syncs in about 50 us: on a real disk the syncs are all that counts.
//!
//! | engine | syncs per commit | device flushes | KiB to the device | median | crates |
//! |---|---|---|---|---|---|
//! | redb 4.6 | 1.01 `fdatasync` | 1.00 | 47 | 0.28 ms | 2 |
//! | fjall 3.1 | 1.04 `fsync` | 1.01 | 6-10 | 0.12 ms | 38 |
//! | sled 0.34 | 2.01 `fsync` (and 3 `sync_file_range`) | 2.00 | 31 | 1.6 ms, busy machine | 16 |
//!
//! ```text
//! cargo build --release -p xln-storage --all-features --example durable_commits
//! target/release/examples/durable_commits redb DIR 2000
//! strace -f -c -e trace=fsync,fdatasync,sync_file_range target/release/examples/durable_commits redb DIR 1000
//! ```
//!
//! Device flushes and bytes are the difference of the disk's line in `/proc/diskstats` around a run.
//!
//! redb is the default although fjall writes less and is twice as fast here: both cost one sync, and redb is the only one
//! that opened after *every* simulated loss of power (`tests/power_loss.rs`: each unsynced sector kept or lost on its own).
//! fjall never lost or tore anything, but refuses to open when the last batch of its journal is torn across sectors. sled
//! keeps what it acknowledged if power fails between commits; in the middle of one its own recovery may fail.
#![forbid(unsafe_code)]

mod batch;
pub mod conformance;
#[cfg(any(feature = "fjall", feature = "redb", feature = "sled"))]
mod engine;
mod error;
mod fault;
mod hstm;
#[cfg(any(feature = "fjall", feature = "redb", feature = "sled"))]
mod lock;
mod memory;
mod pinned;
mod storage;

pub use batch::{WriteBatch, WriteOp};
#[cfg(any(feature = "fjall", feature = "redb", feature = "sled"))]
pub use engine::*;
pub use error::{PinField, StorageError};
pub use fault::{Fault, FaultStore};
pub use hstm::{Corruption, Hstm, HstmError, HstmOptions, Position, Snap, Stamped, StateMachine};
pub use memory::MemoryStore;
pub use pinned::{Depository, HEADER_KEY, Pinned, Pins};
pub use storage::{MAX_KEY_BYTES, MAX_VALUE_BYTES, Row, Rows, Storage, rows, successor};
