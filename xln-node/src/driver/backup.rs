//! A node's store as one piece of bytes, and back. A backup is older than what the node has signed since: who restores
//! one signs nothing new before each peer has answered (`docs/protocol.md` section 5), and the imported store says so.

use xln_core::channel::ChannelConfig;
use xln_core::codec::{self, CodecError};
use xln_core::types::EntityId;
use xln_merkle::keccak256;
use xln_storage::{Pinned, Row, Storage, WriteBatch, rows};

use super::error::{BackupError, NodeError};
use super::log::restored_marker;
use super::pins;

const MAGIC: &[u8] = b"xlnback1";
const PAGE_ROWS: usize = 256;

/// All rows of a node's store, with its entity and a checksum.
pub(super) fn export<S: Storage>(storage: &S, entity: EntityId) -> Result<Vec<u8>, NodeError> {
    let rows: Vec<Row> = rows(storage, &[], None, PAGE_ROWS).collect::<Result<_, _>>()?;
    Ok(pack(&rows, entity)?)
}

/// Rows as a backup: ascending, without the header.
pub(crate) fn pack(rows: &Vec<Row>, entity: EntityId) -> Result<Vec<u8>, CodecError> {
    let mut bytes = [MAGIC, entity.as_bytes(), &codec::encode(rows)?].concat();
    let checksum = keccak256(&bytes);
    bytes.extend_from_slice(&checksum);
    Ok(bytes)
}

/// The rows of a backup of `entity`, and the one that says that it was restored; none if it is damaged or another's.
pub(crate) fn unpack(backup: &[u8], entity: EntityId) -> Result<WriteBatch, UnpackError> {
    let (body, checksum) = backup.split_last_chunk::<32>().ok_or(BackupError::Damaged)?;
    let rest = body.strip_prefix(MAGIC).filter(|_| keccak256(body) == *checksum).ok_or(BackupError::Damaged)?;
    let (owner, rows) = rest.split_first_chunk::<32>().ok_or(BackupError::Damaged)?;
    if owner != entity.as_bytes() {
        return Err(BackupError::WrongEntity.into());
    }
    let rows: Vec<Row> = codec::decode_trusted_length(rows)?;
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        batch.put(key, value);
    }
    let (key, value) = restored_marker();
    batch.put(key, value);
    Ok(batch)
}

/// Why a backup has no rows.
#[derive(Debug)]
pub(crate) enum UnpackError {
    Backup(BackupError),
    Codec(CodecError),
}

impl From<BackupError> for UnpackError {
    fn from(error: BackupError) -> Self {
        Self::Backup(error)
    }
}

impl From<CodecError> for UnpackError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<UnpackError> for NodeError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Backup(error) => Self::Backup(error),
            UnpackError::Codec(error) => Self::Codec(error),
        }
    }
}

/// Fills an empty store from a backup of `entity`'s node, and gives it back. The node that is opened on it knows that it
/// was restored.
///
/// # Errors
/// [`BackupError`] for damaged bytes, another entity's backup, or a store that is not empty; what the store reports.
pub fn import<S: Storage>(storage: S, entity: EntityId, config: &ChannelConfig, backup: &[u8]) -> Result<S, NodeError> {
    let batch = unpack(backup, entity)?;
    if !storage.scan(&[], None, 1)?.is_empty() {
        return Err(BackupError::StoreNotEmpty.into());
    }
    let pinned = Pinned::open(storage, &pins(entity, config))?;
    pinned.write(batch)?;
    Ok(pinned.into_storage())
}
