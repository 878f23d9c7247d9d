//! The store on sled 0.34, made durable. Its own `flush` calls `sync_file_range` on Linux, which neither waits for the
//! device's cache nor records the file's length; so every batch ends with `fsync` on sled's files.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::batch::{WriteBatch, WriteOp};
use crate::engine::{Engine, store};
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
    tree: sled::Db,
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
        let tree = sled::Config::new().path(&dir).flush_every_ms(None).open().map_err(Self::failed)?;
        let engine = Self { tree, dir, files: Mutex::default() };
        engine.make_durable()?;
        Ok(engine)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.tree.get(key).map_err(Self::failed)?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, StorageError> {
        let mut found = Vec::new();
        for row in self.tree.range(start..).take(limit) {
            let (key, value) = row.map_err(Self::failed)?;
            if !key.starts_with(prefix) {
                break;
            }
            found.push((key.to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut ops = sled::Batch::default();
        for op in batch.into_ops() {
            match op {
                WriteOp::Put { key, value } => ops.insert(key, value),
                WriteOp::Delete { key } => ops.remove(key),
            }
        }
        self.tree.apply_batch(ops).map_err(Self::failed)?;
        self.make_durable()
    }
}

impl Sled {
    /// Has sled write out what it buffers, then syncs each of its files, and the folders when a file is new.
    fn make_durable(&self) -> Result<(), StorageError> {
        self.tree.flush().map_err(Self::failed)?;
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
