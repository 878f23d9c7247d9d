//! The store on redb: one file, a copy-on-write B-tree, every commit synced before it returns.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use crate::batch::{WriteBatch, WriteOp};
use crate::engine::{Engine, store};
use crate::error::StorageError;
use crate::storage::Row;

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

store! {
    /// A store on [redb](https://docs.rs/redb) 4, in the file `rows.redb`.
    RedbStore, Redb
}

/// The engine.
#[derive(Debug)]
pub(crate) struct Redb {
    database: Database,
}

impl Engine for Redb {
    const NAME: &'static str = "redb";

    fn open(dir: &Path) -> Result<Self, StorageError> {
        let database = Database::create(dir.join("rows.redb")).map_err(Self::failed)?;
        let engine = Self { database };
        // Makes the table, so that reading an empty store finds it.
        engine.write(WriteBatch::new())?;
        Ok(engine)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let view = self.database.begin_read().map_err(Self::failed)?;
        let rows = view.open_table(ROWS).map_err(Self::failed)?;
        Ok(rows.get(key).map_err(Self::failed)?.map(|value| value.value().to_vec()))
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let view = self.database.begin_read().map_err(Self::failed)?;
        let rows = view.open_table(ROWS).map_err(Self::failed)?;
        let mut found = Vec::new();
        for row in rows.range(start..).map_err(Self::failed)?.take(limit) {
            let (key, value) = row.map_err(Self::failed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut transaction = self.database.begin_write().map_err(Self::failed)?;
        transaction.set_durability(Durability::Immediate).map_err(Self::failed)?;
        {
            let mut rows = transaction.open_table(ROWS).map_err(Self::failed)?;
            for op in batch.ops() {
                match op {
                    WriteOp::Put { key, value } => rows.insert(key.as_slice(), value.as_slice()),
                    WriteOp::Delete { key } => rows.remove(key.as_slice()),
                }
                .map_err(Self::failed)?;
            }
        }
        transaction.commit().map_err(Self::failed)
    }
}
