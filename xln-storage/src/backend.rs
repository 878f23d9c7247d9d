//! The engines by name, and a private copy of a store that somebody wants to look into: a store that is read with its own
//! engine is written to, since every engine tidies up when it opens.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StorageError;
use crate::lock::{LOCK_FILE, io};
use crate::storage::Storage;

/// An engine that a store's folder can be written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// redb, the default.
    Redb,
    /// fjall.
    Fjall,
    /// sled.
    Sled,
}

impl Backend {
    /// All of them, built in or not.
    pub const ALL: [Self; 3] = [Self::Redb, Self::Fjall, Self::Sled];

    /// The engine's name, as in the store's `LOCK` file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Fjall => "fjall",
            Self::Sled => "sled",
        }
    }

    /// The engine with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }

    /// The engine that wrote the store in `dir`, by its mark. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// [`StorageError::NotAStore`] if there is no mark or an unknown one, or what the file system reports.
    pub fn of(dir: &Path) -> Result<Self, StorageError> {
        marked(&mut open_mark(dir)?, dir)
    }

    /// Opens the store in the folder `dir`, or makes one there, with this engine.
    ///
    /// # Errors
    /// As the engine's own `open`; [`StorageError::NotBuilt`] if this build has no such engine.
    pub fn open(self, dir: &Path) -> Result<Box<dyn Storage>, StorageError> {
        match self {
            #[cfg(feature = "redb")]
            Self::Redb => Ok(Box::new(crate::RedbStore::open(dir)?)),
            #[cfg(feature = "fjall")]
            Self::Fjall => Ok(Box::new(crate::FjallStore::open(dir)?)),
            #[cfg(feature = "sled")]
            Self::Sled => Ok(Box::new(crate::SledStore::open(dir)?)),
            #[cfg(not(all(feature = "redb", feature = "fjall", feature = "sled")))]
            other => Err(StorageError::NotBuilt { engine: other.name() }),
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn open_mark(dir: &Path) -> Result<File, StorageError> {
    let path = dir.join(LOCK_FILE);
    File::open(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            StorageError::NotAStore { path: dir.to_owned() }
        }
        _ => io(&path)(error),
    })
}

fn marked(mark: &mut File, dir: &Path) -> Result<Backend, StorageError> {
    let mut text = Vec::new();
    // The longest mark has far fewer bytes; what is longer is no mark.
    mark.take(64).read_to_end(&mut text).map_err(io(&dir.join(LOCK_FILE)))?;
    let name = text.strip_prefix(b"xln-store 1 ").and_then(|rest| rest.strip_suffix(b"\n"));
    let backend = name.and_then(|name| std::str::from_utf8(name).ok()).and_then(Backend::by_name);
    backend.ok_or_else(|| StorageError::NotAStore { path: dir.to_owned() })
}

/// Copies the store in `from`, which nobody has open, to the folder `to`, which is made. The original is only read, and is
/// held locked meanwhile; what opens the copy cannot change it. Gives the engine to open the copy with.
///
/// # Errors
/// [`StorageError::Locked`] while the store is open elsewhere, [`StorageError::NotAStore`] if it is none, or what the file
/// system reports.
pub fn copy_store(from: &Path, to: &Path) -> Result<Backend, StorageError> {
    let mut mark = open_mark(from)?;
    mark.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StorageError::Locked { path: from.to_owned() },
        TryLockError::Error(source) => StorageError::Io { path: from.join(LOCK_FILE), source },
    })?;
    let backend = marked(&mut mark, from)?;
    copy_folder(from, to)?;
    Ok(backend)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StorageError> {
    std::fs::create_dir_all(to).map_err(io(to))?;
    for entry in std::fs::read_dir(from).map_err(io(from))? {
        let entry = entry.map_err(io(from))?;
        let (path, target): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(io(&path))?.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            copy_bytes(&path, &target).map_err(io(&path))?;
        }
    }
    Ok(())
}

/// Copies the bytes only: a read-only original must not give a copy that its engine cannot open. Engines allocate far ahead,
/// so zeros become holes.
fn copy_bytes(from: &Path, to: &Path) -> std::io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let (mut source, mut copy) = (File::open(from)?, File::create(to)?);
    let mut chunk = Vec::with_capacity(ZEROS.len());
    loop {
        chunk.clear();
        let length = (&mut source).take(1 << 16).read_to_end(&mut chunk)?;
        if length == 0 {
            break;
        }
        if ZEROS.starts_with(&chunk) {
            copy.seek(SeekFrom::Current(i64::try_from(length).map_err(std::io::Error::other)?))?;
        } else {
            copy.write_all(&chunk)?;
        }
    }
    let length = copy.stream_position()?;
    copy.set_len(length)
}
