//! What a store can answer instead of data.

use std::path::PathBuf;

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Keys have at least one byte. Caller's misuse; nothing was changed.
    #[error("the empty key")]
    EmptyKey,
    /// Caller's misuse; nothing was changed.
    #[error("a key of {found} bytes is longer than {}", crate::MAX_KEY_BYTES)]
    KeyTooLong {
        /// Length of the key in bytes.
        found: usize,
    },
    /// Caller's misuse; nothing was changed.
    #[error("a value of {found} bytes is longer than {}", crate::MAX_VALUE_BYTES)]
    ValueTooLong {
        /// Length of the value in bytes.
        found: usize,
    },
    /// The key belongs to the store's own header. Caller's misuse; nothing was changed.
    #[error("the key is reserved for the store's header")]
    ReservedKey,
    /// The store is open elsewhere, in this process or another.
    #[error("{} is open elsewhere", path.display())]
    Locked {
        /// The store's folder.
        path: PathBuf,
    },
    /// The folder holds a store of another engine; opening it with this one would show an empty store.
    #[error("{} was not written by {expected}", path.display())]
    WrongEngine {
        /// The engine that tried to open the folder.
        expected: &'static str,
        /// The store's folder.
        path: PathBuf,
    },
    /// The engine holds fewer batches than were durable once: its newest ones are damaged or lost. A node that went on would
    /// sign from a past; restore a backup instead, which says that it is one.
    #[error("{} has gone back: {witnessed} batches were durable, {found} are left", path.display())]
    RolledBack {
        /// The store's folder.
        path: PathBuf,
        /// How many batches were durable.
        witnessed: u64,
        /// How many the engine holds.
        found: u64,
    },
    /// The folder is missing or holds no store.
    #[error("{} is no store", path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// This build has no such engine.
    #[error("this build has no engine {engine}")]
    NotBuilt {
        /// The engine's name.
        engine: &'static str,
    },
    /// The store belongs to something else than what was expected.
    #[error("the store is pinned to another {field}")]
    PinMismatch {
        /// What differs.
        field: PinField,
    },
    /// The store has rows but no header: it was not made by [`Pinned`](crate::Pinned).
    #[error("the store has rows but no header")]
    Unpinned,
    /// The store's header does not decode or fails its checksum.
    #[error("the store's header is corrupt")]
    HeaderCorrupt,
    /// The operating system failed. The store is dead from here on.
    #[error("I/O on {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The engine failed. The store is dead from here on.
    #[error("the engine {engine} failed")]
    Engine {
        /// Name of the engine.
        engine: &'static str,
        /// The engine's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// [`FaultStore`](crate::FaultStore) failed on purpose. The store is dead from here on.
    #[error("injected fault")]
    Injected,
    /// An earlier call failed; open the store anew and read it from scratch.
    #[error("the store is dead after an earlier failure")]
    Dead,
}

impl StorageError {
    /// Whether the call was refused for its arguments: nothing was changed and the store lives on. After every other
    /// error of a write it is unknown whether the batch was stored.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::EmptyKey | Self::KeyTooLong { .. } | Self::ValueTooLong { .. } | Self::ReservedKey)
    }
}

/// What a store is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinField {
    /// The version of the stored format.
    FormatVersion,
    /// The entity whose store it is.
    EntityId,
    /// The set of (chain id, depository) pairs.
    Depositories,
}

impl std::fmt::Display for PinField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FormatVersion => "format version",
            Self::EntityId => "entity",
            Self::Depositories => "set of depositories",
        })
    }
}
