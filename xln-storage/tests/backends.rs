//! Every backend through the conformance suite, deliberately broken ones included: a suite that passes those would prove
//! nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use xln_storage::conformance::{Check, Harness, Violation, run};
use xln_storage::{
    Fault, FaultStore, MemoryStore, Pinned, Pins, Row, Storage, StorageError, WriteBatch, WriteOp, storage_conformance,
};

/// Stores whose data outlive them in an `Arc`, made by a function.
struct Wrapped<S, F: Fn(Arc<MemoryStore>) -> S> {
    data: Arc<MemoryStore>,
    wrap: F,
}

impl<S: Storage, F: Fn(Arc<MemoryStore>) -> S> Harness for Wrapped<S, F> {
    type Store = S;

    fn create(&mut self) -> S {
        self.data = Arc::default();
        (self.wrap)(Arc::clone(&self.data))
    }

    fn reopen(&mut self, _: S) -> S {
        (self.wrap)(Arc::clone(&self.data))
    }
}

fn wrapped<S: Storage, F: Fn(Arc<MemoryStore>) -> S>(wrap: F) -> Wrapped<S, F> {
    Wrapped { data: Arc::default(), wrap }
}

storage_conformance!(memory, wrapped(|data| data));
storage_conformance!(boxed, wrapped(|data: Arc<MemoryStore>| -> Box<dyn Storage> { Box::new(data) }));
storage_conformance!(pinned, wrapped(|data| Pinned::open(data, &pins()).unwrap()));

fn pins() -> Pins {
    Pins { format_version: 1, entity: [1; 32], depositories: Default::default() }
}

/// A store that fails as told.
struct Failing(Fault);

impl Harness for Failing {
    type Store = FaultStore<Arc<MemoryStore>>;

    fn create(&mut self) -> Self::Store {
        FaultStore::new(Arc::default())
    }

    fn reopen(&mut self, store: Self::Store) -> Self::Store {
        FaultStore::new(store.into_inner())
    }

    fn create_failing(&mut self, nth: u64) -> Option<Self::Store> {
        Some(FaultStore::failing(Arc::default(), nth, self.0))
    }
}

storage_conformance!(lost_write, Failing(Fault::WriteLost));
storage_conformance!(kept_write, Failing(Fault::WriteKept));

fn broken(harness: &mut impl Harness) -> Check {
    match run(harness) {
        Err(Violation::Broken { check } | Violation::Failed { check, .. }) => check,
        Ok(()) => panic!("the suite let a broken store pass"),
    }
}

#[test]
fn torn_batch_is_caught() {
    for kept_ops in 1..=3 {
        assert_eq!(broken(&mut Failing(Fault::WriteTorn { kept_ops })), Check::BatchAtomic);
    }
}

/// A store with one thing wrong.
struct Broken {
    data: Arc<MemoryStore>,
    flaw: Flaw,
    /// Where some flaws keep what they should have written.
    unsynced: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    OneByOne,
    Unordered,
    LosesDeletes,
    DeletesComeBack,
    PrefixByString,
    FromExclusive,
    LimitIgnored,
    FirstOfBatchWins,
    EmptyIsMissing,
    AcceptsEmptyKey,
    ForgetsOnReopen,
}

impl Storage for Broken {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if let Some(value) = self.unsynced.lock().unwrap().get(key) {
            return Ok(Some(value.clone()));
        }
        let value = match self.data.get(key) {
            Err(StorageError::EmptyKey) if self.flaw == Flaw::AcceptsEmptyKey => None,
            other => other?,
        };
        Ok(value.filter(|value| self.flaw != Flaw::EmptyIsMissing || !value.is_empty()))
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        let mut rows = match self.flaw {
            Flaw::LimitIgnored => self.data.scan(prefix, from, usize::MAX)?,
            // The usual mistake: an upper bound made by adding one to the last byte, wrapping at 0xff.
            Flaw::PrefixByString if prefix.last() == Some(&0xff) => vec![],
            _ => self.data.scan(prefix, from, limit)?,
        };
        match self.flaw {
            Flaw::Unordered => rows.sort_by_key(|(key, _)| (key.len(), key.clone())),
            Flaw::FromExclusive => rows.retain(|(key, _)| Some(key.as_slice()) != from),
            _ => {}
        }
        let unsynced = self.unsynced.lock().unwrap();
        if !unsynced.is_empty() {
            rows.extend(
                unsynced.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(k, v)| (k.clone(), v.clone())),
            );
            rows.sort();
        }
        Ok(rows)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut ops = batch.into_ops();
        match self.flaw {
            Flaw::OneByOne => return ops.into_iter().try_for_each(|op| self.data.write([op].into_iter().collect())),
            Flaw::LosesDeletes => ops.retain(|op| matches!(op, WriteOp::Put { .. })),
            Flaw::FirstOfBatchWins => ops.reverse(),
            Flaw::ForgetsOnReopen => ops.retain(|op| match op {
                WriteOp::Put { key, value } if value.len() == 5000 => {
                    self.unsynced.lock().unwrap().insert(key.clone(), value.clone());
                    false
                }
                _ => true,
            }),
            Flaw::DeletesComeBack => {
                for op in &ops {
                    if let WriteOp::Delete { key } = op
                        && self.data.get(key)?.is_some()
                    {
                        self.data.put(&[b"zombie/", key.as_slice()].concat(), b"")?;
                    }
                }
            }
            _ => {}
        }
        self.data.write(ops.into_iter().collect())
    }
}

#[test]
fn broken_stores_are_caught() {
    let cases = [
        (Flaw::OneByOne, Check::BatchAtomic),
        (Flaw::Unordered, Check::ScanOrder),
        (Flaw::LosesDeletes, Check::Delete),
        (Flaw::DeletesComeBack, Check::Delete),
        (Flaw::PrefixByString, Check::ScanPrefix),
        (Flaw::FromExclusive, Check::ScanFrom),
        (Flaw::LimitIgnored, Check::ScanLimit),
        (Flaw::FirstOfBatchWins, Check::BatchOrder),
        (Flaw::EmptyIsMissing, Check::PutGet),
        (Flaw::AcceptsEmptyKey, Check::Refusal),
        (Flaw::ForgetsOnReopen, Check::Durable),
    ];
    for (flaw, check) in cases {
        let mut harness = wrapped(|data| Broken { data, flaw, unsynced: Mutex::default() });
        assert_eq!(broken(&mut harness), check);
    }
}
