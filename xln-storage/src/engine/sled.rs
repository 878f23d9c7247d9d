//! The store on sled 0.34, made durable and atomic.
//!
//! - Its `flush` calls `sync_file_range` on Linux, which neither empties the device's cache nor records the file's length;
//!   so each step here ends with `fsync` on sled's files.
//! - Its batches tear when the process or the power dies in the middle (`tests/power_loss.rs` found it). So a batch is first
//!   stored whole as one row, the intent, and synced; then it is applied and synced; and an open applies the last intent
//!   again. Two syncs per commit.
//! - What cannot be mended from outside: sled relies on `sync_file_range` for the order of its own writes, and its recovery
//!   does not stand every loss of power in the middle of a commit: it then panics (an error here), and acknowledged rows
//!   cannot be read. Between commits everything acknowledged is safe. Where power can fail, use the default engine.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::batch::{WriteBatch, WriteOp};
use crate::engine::{Engine, intent, store};
use crate::error::StorageError;
use crate::lock::{io, sync_dir};
use crate::storage::Row;

store! {
    /// A store on [sled](https://docs.rs/sled) 0.34, in the folder `rows.sled`. Slower and less looked after than the
    /// default; here for those who have data or tools around it.
    SledStore, Sled
}

/// The engine.
pub(crate) struct Sled {
    database: sled::Db,
    /// The rows.
    rows: sled::Tree,
    /// One row: the last batch. Applying it again changes nothing, unless a crash cut it short.
    intent: sled::Tree,
    /// Held while a batch is written: there is room for one intent.
    writing: Mutex<()>,
    dir: PathBuf,
    /// Our own handles to sled's files: fsync works on the file, whoever wrote it.
    files: Mutex<BTreeMap<PathBuf, File>>,
}

impl std::fmt::Debug for Sled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sled").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Engine for Sled {
    const NAME: &'static str = "sled";

    fn open(dir: &Path) -> Result<Self, StorageError> {
        let dir = dir.join("rows.sled");
        let database = sled::Config::new().path(&dir).flush_every_ms(None).open().map_err(Self::failed)?;
        let rows = database.open_tree("rows").map_err(Self::failed)?;
        let intent = database.open_tree("intent").map_err(Self::failed)?;
        let engine = Self { database, rows, intent, writing: Mutex::default(), dir, files: Mutex::default() };
        if let Some(bytes) = engine.intent.get(INTENT).map_err(Self::failed)? {
            engine.apply(intent::decode(&bytes).ok_or(IntentCorrupt).map_err(Self::failed)?)?;
        }
        engine.make_durable()?;
        Ok(engine)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.get(key).map_err(Self::failed)?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let mut found = Vec::new();
        for row in self.rows.range(start..).take(limit) {
            let (key, value) = row.map_err(Self::failed)?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let _writing = self.writing.lock().map_err(|_| StorageError::Dead)?;
        self.intent.insert(INTENT, intent::encode(&batch)).map_err(Self::failed)?;
        self.make_durable()?;
        self.apply(batch)?;
        self.make_durable()
    }
}

/// The key of the intent in its tree.
const INTENT: &[u8] = b"last";

/// The stored intent does not decode; a torn write of it would have left the one before.
#[derive(Debug, thiserror::Error)]
#[error("the last batch is stored damaged")]
struct IntentCorrupt;

impl Sled {
    /// Changes the rows, not yet durably.
    fn apply(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut ops = sled::Batch::default();
        for op in batch.into_ops() {
            match op {
                WriteOp::Put { key, value } => ops.insert(key, value),
                WriteOp::Delete { key } => ops.remove(key),
            }
        }
        self.rows.apply_batch(ops).map_err(Self::failed)
    }

    /// Has sled write out what it buffers, then syncs each of its files, and the folders when a file is new.
    fn make_durable(&self) -> Result<(), StorageError> {
        self.database.flush().map_err(Self::failed)?;
        let mut files = self.files.lock().map_err(|_| StorageError::Dead)?;
        let mut present = Vec::new();
        // `db` is the log; values too large for it become files of their own in `blobs`.
        for folder in [self.dir.clone(), self.dir.join("blobs")] {
            if !folder.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&folder).map_err(io(&folder))? {
                let entry = entry.map_err(io(&folder))?;
                if entry.file_type().map_err(io(&folder))?.is_file() {
                    present.push(entry.path());
                }
            }
        }
        let log = self.dir.join("db");
        let mut new_file = false;
        for path in &present {
            if let Some(file) = files.get(path) {
                // Blobs never change; sled itself syncs `conf` and its snapshots when it writes them.
                if *path == log {
                    file.sync_all().map_err(io(path))?;
                }
            } else {
                match File::open(path) {
                    Ok(file) => {
                        file.sync_all().map_err(io(path))?;
                        files.insert(path.clone(), file);
                        new_file = true;
                    }
                    // sled renames its snapshots and removes old blobs on its own threads.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(io(path)(error)),
                }
            }
        }
        files.retain(|path, _| present.contains(path));
        if new_file {
            sync_dir(&self.dir)?;
            let blobs = self.dir.join("blobs");
            if blobs.is_dir() {
                sync_dir(&blobs)?;
            }
            if let Some(parent) = self.dir.parent() {
                sync_dir(parent)?;
            }
        }
        Ok(())
    }
}
