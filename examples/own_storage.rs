//! A storage backend of one's own: a sorted map that is one file, replaced whole at each write. Slow, small, and it passes
//! the same conformance suite as the backends that ship.
#![allow(clippy::print_stdout, unreachable_pub, reason = "a program that shows something")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the amounts of a story are small, and a debug build would stop at an overflow"
)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use xln_storage::conformance::{self, Harness};
use xln_storage::{Row, Storage, StorageError, WriteBatch, WriteOp};

struct FileStore {
    path: PathBuf,
    rows: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
    dead: Cell<bool>,
    /// Held while the store is open: a second owner would overwrite what this one writes.
    _lock: File,
}

impl FileStore {
    fn open(path: &Path) -> Result<Self, StorageError> {
        let failed = |source| StorageError::Io { path: path.to_owned(), source };
        let lock = File::create(path.with_extension("lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| StorageError::Locked { path: path.to_owned() })?;
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let rows = xln_core::codec::decode_trusted_length(&bytes);
        let rows = if bytes.is_empty() { BTreeMap::new() } else { rows.map_err(|_| StorageError::HeaderCorrupt)? };
        Ok(Self { path: path.to_owned(), rows: RefCell::new(rows), dead: Cell::new(false), _lock: lock })
    }

    /// A new file, synced, put in the old one's place: after a crash there is one or the other.
    fn replace(&self, rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<()> {
        let bytes = xln_core::codec::encode(rows).map_err(io::Error::other)?;
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        let folder = self.path.parent().ok_or_else(|| io::Error::other("no folder"))?;
        File::open(folder)?.sync_all()
    }

    fn alive(&self) -> Result<(), StorageError> {
        if self.dead.get() { Err(StorageError::Dead) } else { Ok(()) }
    }
}

impl Storage for FileStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.alive()?;
        WriteBatch::from_iter([WriteOp::Delete { key: key.to_vec() }]).check()?;
        Ok(self.rows.borrow().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        self.alive()?;
        let start = prefix.max(from.unwrap_or_default()).to_vec();
        let rows = self.rows.borrow();
        let found = rows.range(start..).take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        self.alive()?;
        batch.check()?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut rows = self.rows.borrow().clone();
        for op in batch.into_ops() {
            match op {
                WriteOp::Put { key, value } => drop(rows.insert(key, value)),
                WriteOp::Delete { key } => drop(rows.remove(&key)),
            }
        }
        if let Err(source) = self.replace(&rows) {
            self.dead.set(true);
            return Err(StorageError::Io { path: self.path.clone(), source });
        }
        *self.rows.borrow_mut() = rows;
        Ok(())
    }
}

struct Files {
    folder: tempfile::TempDir,
    count: u32,
}

impl Harness for Files {
    type Store = FileStore;

    #[expect(clippy::expect_used, reason = "a harness has no way to report that the disk is full")]
    fn create(&mut self) -> FileStore {
        self.count += 1;
        FileStore::open(&self.folder.path().join(self.count.to_string())).expect("a fresh file opens")
    }

    #[expect(clippy::expect_used, reason = "as above")]
    fn reopen(&mut self, store: FileStore) -> FileStore {
        let path = store.path.clone();
        drop(store);
        FileStore::open(&path).expect("a closed store opens again")
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = Files { folder: tempfile::tempdir()?, count: 0 };
    conformance::run(&mut files)?;
    println!("the store keeps every promise that the suite checks");
    Ok(())
}
