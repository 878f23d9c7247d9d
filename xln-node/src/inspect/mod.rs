//! What a store says about its owner's money: read without its key and without changing it. Every number comes from the last
//! agreed states, the confirmed view of the chains, and the states that this side has signed and that are still live.
//!
//! Positions are seen from the store's owner, per token of one subchannel, in the token's base unit:
//!
//! - *position*: its share of the collateral, negative if it owes: `delta` of left, `C - delta` of right, with `C` and
//!   ondelta as the chain has confirmed them last;
//! - *secured*: what of it the collateral pays;
//! - *loss*: what of it, and of payments to it whose secret is known, the collateral does **not** pay: credit that the peer has
//!   drawn. That is gone if the peer vanishes now and has no reserve;
//! - *guaranteed*: the least that a dispute brings out of collateral if everything that is pending, and everything that it has
//!   signed and that is live, goes to the peer.

mod deadlines;
mod money;
mod report;
mod table;

pub use deadlines::Deadline;
pub use money::TokenReport;
pub use report::{
    ChainReport, ChannelReport, DisputeReport, LiveReport, OutboxReport, PendingReport, QueuedReport, Report,
    SettlementReport, SignedReport, StoreReport, SubchannelReport,
};
pub use table::write_table;

use std::path::Path;
use std::sync::Arc;

use xln_core::machine::RestoreError;
use xln_core::subcontract::Instruments;
use xln_core::types::UnixSeconds;
use xln_storage::{Backend, StorageError, copy_store};

use crate::driver::{NodeError, StoredNode};

/// Why a store cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The folder is no store, is open elsewhere, or cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The store was written by another engine than the one that was asked for.
    #[error("the store was written by {found}, not by {asked}")]
    OtherBackend {
        /// The engine of its mark.
        found: Backend,
        /// The engine that was asked for.
        asked: Backend,
    },
    /// The store holds no node.
    #[error("the store is empty")]
    Empty,
    /// The store does not hold what a node's store does.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The log does not replay.
    #[error("the log does not replay: {0}")]
    Restore(#[from] RestoreError),
    /// No room for the copy that is read.
    #[error("no folder for a copy of the store: {0}")]
    Copy(std::io::Error),
}

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The engine, if it is not to be found out from the store.
    pub backend: Option<Backend>,
    /// The time by which deadlines are judged.
    pub now: UnixSeconds,
    /// Whether secrets are told.
    pub secrets: bool,
}

/// Reads the store in a folder. The store itself is only copied, and held locked meanwhile.
///
/// # Errors
/// [`InspectError`]; [`StorageError::Locked`] while a node has it open.
pub fn inspect(dir: &Path, look: Look) -> Result<Report, InspectError> {
    let copy = tempfile::tempdir().map_err(InspectError::Copy)?;
    let backend = copy_store(dir, copy.path())?;
    if let Some(asked) = look.backend.filter(|asked| *asked != backend) {
        return Err(InspectError::OtherBackend { found: backend, asked });
    }
    let stored = StoredNode::read(&backend.open(copy.path())?)?.ok_or(InspectError::Empty)?;
    let machine = stored.machine(Arc::new(Instruments::built_in()))?;
    Ok(report::report(dir, backend, &stored, &machine, look))
}
