//! The unit of writing: operations that take effect together.

use crate::error::StorageError;
use crate::storage::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteOp {
    /// Store `value` under `key`.
    Put {
        /// 1 to [`MAX_KEY_BYTES`] bytes.
        key: Vec<u8>,
        /// Up to [`MAX_VALUE_BYTES`] bytes.
        value: Vec<u8>,
    },
    /// Remove `key`, which need not exist.
    Delete {
        /// 1 to [`MAX_KEY_BYTES`] bytes.
        key: Vec<u8>,
    },
}

impl WriteOp {
    /// The key that the operation changes.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Operations that a store applies together, in order, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    ops: Vec<WriteOp>,
}

impl WriteBatch {
    /// A batch without operations.
    #[must_use]
    pub const fn new() -> Self {
        Self { ops: Vec::new() }
    }

    /// Adds a put.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.ops.push(WriteOp::Put { key: key.into(), value: value.into() });
        self
    }

    /// Adds a delete.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.ops.push(WriteOp::Delete { key: key.into() });
        self
    }

    /// Adds the operations of `other` after those of `self`.
    pub fn append(&mut self, mut other: WriteBatch) -> &mut Self {
        self.ops.append(&mut other.ops);
        self
    }

    /// The operations in order.
    #[must_use]
    pub fn ops(&self) -> &[WriteOp] {
        &self.ops
    }

    /// The operations in order, owned.
    #[must_use]
    pub fn into_ops(self) -> Vec<WriteOp> {
        self.ops
    }

    /// Number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there are no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Checks every operation against the limits of the contract; backends call it before they write anything.
    ///
    /// # Errors
    /// [`StorageError::EmptyKey`], [`StorageError::KeyTooLong`] or [`StorageError::ValueTooLong`].
    pub fn check(&self) -> Result<(), StorageError> {
        self.ops.iter().try_for_each(|op| {
            check_key(op.key())?;
            match op {
                WriteOp::Put { value, .. } if value.len() > MAX_VALUE_BYTES => {
                    Err(StorageError::ValueTooLong { found: value.len() })
                }
                _ => Ok(()),
            }
        })
    }
}

impl Extend<WriteOp> for WriteBatch {
    fn extend<I: IntoIterator<Item = WriteOp>>(&mut self, ops: I) {
        self.ops.extend(ops);
    }
}

impl FromIterator<WriteOp> for WriteBatch {
    fn from_iter<I: IntoIterator<Item = WriteOp>>(ops: I) -> Self {
        Self { ops: ops.into_iter().collect() }
    }
}

/// Refuses the empty key and one that is too long.
pub(crate) fn check_key(key: &[u8]) -> Result<(), StorageError> {
    match key.len() {
        0 => Err(StorageError::EmptyKey),
        found if found > MAX_KEY_BYTES => Err(StorageError::KeyTooLong { found }),
        _ => Ok(()),
    }
}
