//! A store in memory: the reference for every other backend, and enough for tests and browsers' scratch data.

use std::sync::RwLock;

use xln_compact::Map;

use crate::batch::{WriteBatch, WriteOp, check_key};
use crate::error::StorageError;
use crate::storage::{Row, Storage};

/// A store that lives as long as its value. "Durable" means that it survives a simulated crash of whoever holds a
/// reference or an `Arc` to it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: RwLock<Map<Vec<u8>, Vec<u8>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An independent copy of the rows, as a crash image of this moment.
    ///
    /// # Errors
    /// [`StorageError::Dead`] if a thread panicked while it wrote.
    pub fn image(&self) -> Result<Self, StorageError> {
        let rows = self.rows.read().map_err(|_| StorageError::Dead)?.clone();
        Ok(Self { rows: RwLock::new(rows) })
    }
}

impl Storage for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        check_key(key)?;
        Ok(self.rows.read().map_err(|_| StorageError::Dead)?.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        let rows = self.rows.read().map_err(|_| StorageError::Dead)?;
        let start = from.unwrap_or(prefix).max(prefix).to_vec();
        Ok(rows
            .range(start..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        batch.check()?;
        let mut rows = self.rows.write().map_err(|_| StorageError::Dead)?;
        for op in batch.into_ops() {
            match op {
                WriteOp::Put { key, value } => rows.insert(key, value),
                WriteOp::Delete { key } => rows.remove(&key),
            };
        }
        Ok(())
    }
}
