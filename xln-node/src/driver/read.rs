//! A node's store, read without its key and without changing it: for tools that look into any store.

use std::sync::Arc;

use xln_core::commitment::Evidence;
use xln_core::machine::{Machine, Record, RestoreError, Snapshot};
use xln_core::map::Map;
use xln_core::subcontract::Instruments;
use xln_core::types::{EntityId, Hash, Nonce};
use xln_storage::{Pins, Storage, StorageError};

use super::error::NodeError;
use super::log::{FORMAT_VERSION, Stored, signed_nonces};

/// What a store holds of a node.
#[derive(Debug)]
pub struct StoredNode {
    /// What the store is pinned to.
    pub pins: Pins,
    /// Whose node it is.
    pub entity: EntityId,
    /// Whether it was imported from a backup and not opened since.
    pub from_backup: bool,
    /// The last snapshot.
    pub snapshot: Option<Snapshot>,
    /// Every record after it, in order.
    pub records: Vec<Record>,
    /// The greatest nonce that was signed in each channel, with its digest, as the store's own guard knows it.
    pub signed: Map<Hash, (Nonce, Hash)>,
}

impl StoredNode {
    /// Reads what a store holds; `None` if it is empty.
    ///
    /// # Errors
    /// [`NodeError`] if it is no node's store of this format, or a row does not decode.
    pub fn read<S: Storage>(storage: &S) -> Result<Option<Self>, NodeError> {
        let Some(pins) = Pins::read(storage)? else {
            return if storage.scan(&[], None, 1)?.is_empty() { Ok(None) } else { Err(StorageError::Unpinned.into()) };
        };
        if pins.format_version != FORMAT_VERSION {
            return Err(StorageError::PinMismatch { field: xln_storage::PinField::FormatVersion }.into());
        }
        let entity = EntityId::parse(pins.entity).map_err(|_| StorageError::HeaderCorrupt)?;
        let Stored { snapshot, records, from_backup } = Stored::read(storage)?;
        Ok(Some(Self { pins, entity, from_backup, snapshot, records, signed: signed_nonces(storage)? }))
    }

    /// Position of the last record.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.records.last().map_or_else(|| self.snapshot.as_ref().map_or(0, |s| s.seq), |record| record.seq)
    }

    /// The machine as the log gives it.
    ///
    /// # Errors
    /// [`RestoreError`] if the log does not replay.
    pub fn machine(&self, instruments: Arc<Instruments>) -> Result<Machine, RestoreError> {
        self.machine_at(self.seq(), instruments)
    }

    /// The machine as it was after the record `seq`, or after the last one if that is earlier. What the snapshot contains
    /// cannot be taken apart: an earlier `seq` gives the machine of the snapshot.
    ///
    /// # Errors
    /// As [`StoredNode::machine`].
    pub fn machine_at(&self, seq: u64, instruments: Arc<Instruments>) -> Result<Machine, RestoreError> {
        let records = self.records.iter().take_while(|record| record.seq <= seq).cloned();
        Machine::restore_with_instruments(self.entity, instruments, self.snapshot.as_ref(), records, |_| ())
    }
}

/// The evidence of every state that was ever agreed, by channel and subchannel in no particular order.
///
/// # Errors
/// What the store reports; [`NodeError::Log`] if a row does not decode.
pub fn agreed_evidence<S: Storage>(storage: &S) -> Result<Vec<Evidence>, NodeError> {
    Ok(super::log::agreed(storage)?)
}
