//! Why a node cannot go on, and whose fault it is.

use xln_core::channel::StageError;
use xln_core::codec::CodecError;
use xln_core::machine::RestoreError;
use xln_core::types::{Hash, Nonce};
use xln_storage::StorageError;

/// Why a record was not stored. Whatever it is, the machine is in doubt until the node is opened anew.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store refused or failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The record has no encoding, or a row of the store does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A row's checksum does not fit: the medium is damaged. Nothing can be relied on; restore a backup.
    #[error("a row of kind {:?} is damaged", char::from(*row))]
    Damaged {
        /// The first byte of its key.
        row: u8,
    },
    /// The newest records are not there.
    #[error("the log ends at record {found}, {last} were stored")]
    Incomplete {
        /// The last record that was stored.
        last: u64,
        /// The last one found.
        found: u64,
    },
    /// The one invariant, kept by the store itself: no channel state is signed whose nonce is not greater than every
    /// one that was signed before, the same bytes excepted (`docs/protocol.md` section 5).
    #[error("nonce {found:?} of channel {channel} was outranked by {stored:?} already")]
    StaleNonce {
        /// Of which channel.
        channel: Hash,
        /// The greatest nonce that the store holds.
        stored: Nonce,
        /// The nonce of the record.
        found: Nonce,
    },
}

/// Why a node does not work.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The step cannot be made; the node is as before.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The step may or may not be stored: open the node anew.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store does not hold what it should.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The store refused or failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A row of the store or a backup does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The signer and the store belong to different entities, or the backup is damaged.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// Why a backup is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BackupError {
    /// Its checksum does not fit, or it was cut.
    #[error("backup is damaged")]
    Damaged,
    /// It is of another entity's node.
    #[error("backup belongs to another entity")]
    WrongEntity,
    /// The store that should take it has rows already.
    #[error("a backup is only restored into an empty store")]
    StoreNotEmpty,
}
