//! The engines behind one shell that holds what they share: the folder's lock, checked arguments, and death after
//! the first failure.

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "sled")]
mod intent;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "sled")]
mod sled;

#[cfg(feature = "fjall")]
pub use self::fjall::FjallStore;
#[cfg(feature = "redb")]
pub use self::redb::RedbStore;
#[cfg(feature = "sled")]
pub use self::sled::SledStore;

/// The engine that the node uses unless told otherwise; the crate's documentation says what measuring showed.
#[cfg(feature = "redb")]
pub type DefaultStore = RedbStore;

pub(crate) use shell::{Engine, Shell};

mod shell {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::batch::{WriteBatch, check_key};
    use crate::error::StorageError;
    use crate::lock::StoreLock;
    use crate::storage::Row;

    /// What an engine does; arguments are checked already, and every error is a failure.
    pub(crate) trait Engine: Sized {
        /// The engine's name, also in the folder's lock file. Changing it orphans stores.
        const NAME: &'static str;

        /// Opens or creates the engine's files inside `dir`, durably.
        fn open(dir: &Path) -> Result<Self, StorageError>;
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;
        fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, StorageError>;
        fn write(&self, batch: WriteBatch) -> Result<(), StorageError>;

        /// The engine's own error, boxed.
        fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
            StorageError::Engine { engine: Self::NAME, source: source.into() }
        }
    }

    /// An engine that dies at its first failure.
    #[derive(Debug)]
    pub(crate) struct Shell<E> {
        dead: AtomicBool,
        // Before the lock: fields drop in order, and the engine must be closed when the lock goes.
        engine: E,
        _lock: StoreLock,
    }

    /// The engine panicked; sled does on some damaged files.
    #[derive(Debug, thiserror::Error)]
    #[error("the engine panicked")]
    struct Panicked;

    /// Makes an engine's panic an error. The engine may be inconsistent after it, but it is never called again.
    fn contain<E: Engine, T>(call: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|_| Err(E::failed(Panicked)))
    }

    impl<E: Engine> Shell<E> {
        pub(crate) fn open(dir: &Path) -> Result<Self, StorageError> {
            let lock = StoreLock::acquire(dir, E::NAME)?;
            let engine = contain::<E, _>(|| E::open(dir))?;
            crate::lock::sync_dir(dir)?;
            Ok(Self { dead: AtomicBool::new(false), engine, _lock: lock })
        }

        fn alive<T>(&self, call: impl FnOnce(&E) -> Result<T, StorageError>) -> Result<T, StorageError> {
            if self.dead.load(Ordering::SeqCst) {
                return Err(StorageError::Dead);
            }
            contain::<E, _>(|| call(&self.engine)).inspect_err(|_| self.dead.store(true, Ordering::SeqCst))
        }

        pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            check_key(key)?;
            self.alive(|engine| engine.get(key))
        }

        pub(crate) fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
            let start = from.unwrap_or(prefix).max(prefix);
            self.alive(|engine| if limit == 0 { Ok(Vec::new()) } else { engine.scan(prefix, start, limit) })
        }

        pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
            batch.check()?;
            self.alive(|engine| if batch.is_empty() { Ok(()) } else { engine.write(batch) })
        }
    }
}

/// The public face of an engine: `open` and the contract.
macro_rules! store {
    ($(#[$doc:meta])* $store:ident, $engine:ty) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $store(crate::engine::Shell<$engine>);

        impl $store {
            /// Opens the store in the folder `dir`, or makes one there.
            ///
            /// # Errors
            /// [`StorageError::Locked`](crate::StorageError::Locked) while it is open elsewhere,
            /// [`StorageError::WrongEngine`](crate::StorageError::WrongEngine) if another engine wrote the folder, or
            /// what the file system and the engine report.
            pub fn open(dir: impl AsRef<std::path::Path>) -> Result<Self, crate::StorageError> {
                crate::engine::Shell::open(dir.as_ref()).map(Self)
            }
        }

        impl crate::Storage for $store {
            fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, crate::StorageError> {
                self.0.get(key)
            }
            fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<crate::Row>, crate::StorageError> {
                self.0.scan(prefix, from, limit)
            }
            fn write(&self, batch: crate::WriteBatch) -> Result<(), crate::StorageError> {
                self.0.write(batch)
            }
        }
    };
}
use store;
