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
mod witness;

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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use crate::batch::{WriteBatch, check_key};
    use crate::engine::witness::{COUNT, Witness, decode_count};
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
        /// How many batches were ever written, as the row [`COUNT`] says. Held while one is written.
        written: Mutex<u64>,
        witness: Witness,
        // Before the lock: fields drop in order, and the engine must be closed when the lock goes.
        engine: E,
        _lock: StoreLock,
    }

    /// The engine panicked; sled does on some damaged files.
    #[derive(Debug, thiserror::Error)]
    #[error("the engine panicked")]
    struct Panicked;

    /// The row that counts the batches does not decode.
    #[derive(Debug, thiserror::Error)]
    #[error("the count of batches is stored damaged")]
    struct CountCorrupt;

    /// Makes an engine's panic an error. The engine may be inconsistent after it, but it is never called again.
    fn contain<E: Engine, T>(call: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|_| Err(E::failed(Panicked)))
    }

    impl<E: Engine> Shell<E> {
        pub(crate) fn open(dir: &Path) -> Result<Self, StorageError> {
            let lock = StoreLock::acquire(dir, E::NAME)?;
            let engine = contain::<E, _>(|| E::open(dir))?;
            let count = contain::<E, _>(|| engine.get(COUNT))?;
            let written = count.map_or(Some(0), |bytes| decode_count(&bytes)).ok_or(CountCorrupt).map_err(E::failed)?;
            let witness = Witness::open(dir, written)?;
            crate::lock::sync_dir(dir)?;
            Ok(Self { dead: AtomicBool::new(false), written: Mutex::new(written), witness, engine, _lock: lock })
        }

        fn alive<T>(&self, call: impl FnOnce(&E) -> Result<T, StorageError>) -> Result<T, StorageError> {
            if self.dead.load(Ordering::SeqCst) {
                return Err(StorageError::Dead);
            }
            contain::<E, _>(|| call(&self.engine)).inspect_err(|_| self.dead.store(true, Ordering::SeqCst))
        }

        pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
            check_key(key)?;
            if key == COUNT {
                return Err(StorageError::ReservedKey);
            }
            self.alive(|engine| engine.get(key))
        }

        pub(crate) fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
            let start = from.unwrap_or(prefix).max(prefix);
            if limit == 0 {
                return self.alive(|_| Ok(Vec::new()));
            }
            if !COUNT.starts_with(prefix) || COUNT < start {
                return self.alive(|engine| engine.scan(prefix, start, limit));
            }
            let mut rows = self.alive(|engine| engine.scan(prefix, start, limit.saturating_add(1)))?;
            rows.retain(|(key, _)| key != COUNT);
            rows.truncate(limit);
            Ok(rows)
        }

        pub(crate) fn write(&self, mut batch: WriteBatch) -> Result<(), StorageError> {
            batch.check()?;
            if batch.ops().iter().any(|op| op.key() == COUNT) {
                return Err(StorageError::ReservedKey);
            }
            self.alive(|engine| {
                if batch.is_empty() {
                    return Ok(());
                }
                let mut written = self.written.lock().map_err(|_| StorageError::Dead)?;
                let count = written.saturating_add(1);
                batch.put(COUNT, count.to_be_bytes());
                engine.write(batch)?;
                *written = count;
                self.witness.saw(count);
                Ok(())
            })
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
