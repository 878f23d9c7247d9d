//! The store on fjall: a log-structured engine, the journal synced at every batch.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::batch::{WriteBatch, WriteOp};
use crate::engine::{Engine, store};
use crate::error::StorageError;
use crate::storage::Row;

store! {
    /// A store on [fjall](https://docs.rs/fjall) 3, in the folder `rows.fjall`.
    FjallStore, Fjall
}

/// The engine.
pub(crate) struct Fjall {
    database: Database,
    rows: Keyspace,
}

impl std::fmt::Debug for Fjall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fjall")
    }
}

impl Engine for Fjall {
    const NAME: &'static str = "fjall";

    fn open(dir: &Path) -> Result<Self, StorageError> {
        let database = Database::builder(dir.join("rows.fjall")).open().map_err(Self::failed)?;
        let rows = database.keyspace("rows", KeyspaceCreateOptions::default).map_err(Self::failed)?;
        database.persist(PersistMode::SyncAll).map_err(Self::failed)?;
        Ok(Self { database, rows })
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.get(key).map_err(Self::failed)?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let mut found = Vec::new();
        for row in self.rows.range(start..).take(limit) {
            let (key, value) = row.into_inner().map_err(Self::failed)?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        // fjall gives all operations of a batch one sequence number, so of several on a key only the last may go in.
        let mut last: std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>> = std::collections::BTreeMap::new();
        for op in batch.into_ops() {
            match op {
                WriteOp::Put { key, value } => last.insert(key, Some(value)),
                WriteOp::Delete { key } => last.insert(key, None),
            };
        }
        let mut ops = self.database.batch().durability(Some(PersistMode::SyncAll));
        for (key, value) in last {
            match value {
                Some(value) => ops.insert(&self.rows, key, value),
                None => ops.remove(&self.rows, key),
            }
        }
        ops.commit().map_err(Self::failed)
    }
}
