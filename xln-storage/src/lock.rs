//! One store, one owner: a lock on a file in the store's folder that also says which engine wrote the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::StorageError;

/// The file in a store's folder that is locked and says which engine wrote the folder.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// Holds the exclusive lock of a store's folder until dropped. The system releases it when the process ends.
#[derive(Debug)]
pub(crate) struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Makes the folder if need be, locks it, and claims it for `engine`.
    pub(crate) fn acquire(dir: &Path, engine: &'static str) -> Result<Self, StorageError> {
        std::fs::create_dir_all(dir).map_err(io(dir))?;
        let path = dir.join(LOCK_FILE);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io(&path))?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StorageError::Locked { path: dir.to_owned() },
            TryLockError::Error(source) => StorageError::Io { path: path.clone(), source },
        })?;
        let claim = format!("xln-store 1 {engine}\n");
        let mut found = Vec::new();
        file.read_to_end(&mut found).map_err(io(&path))?;
        if found.is_empty() {
            file.write_all(claim.as_bytes()).and_then(|()| file.sync_all()).map_err(io(&path))?;
            sync_dir(dir)?;
            // The folder's own entry must survive too, or a crash could lose the whole store.
            if let Some(parent) = dir.canonicalize().map_err(io(dir))?.parent() {
                sync_dir(parent)?;
            }
        } else if found != claim.as_bytes() {
            return Err(StorageError::WrongEngine { expected: engine, path: dir.to_owned() });
        }
        Ok(Self { _file: file })
    }
}

/// Makes the entries of a folder durable. Only Unix can; elsewhere the file system's journal must do.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StorageError> {
    if cfg!(unix) { File::open(dir).and_then(|file| file.sync_all()).map_err(io(dir)) } else { Ok(()) }
}

/// Names the path in an I/O error.
pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StorageError {
    let path: PathBuf = path.to_owned();
    move |source| StorageError::Io { path, source }
}
