//! The engines on disk: the conformance suite, the lock, the engine's mark, images of the files taken while the store is
//! open, and the pins across processes' lives.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(any(feature = "redb", feature = "fjall", feature = "sled"))]

use std::path::Path;

use tempfile::TempDir;
use xln_storage::conformance::Harness;
use xln_storage::{Backend, Storage, StorageError, WriteBatch, copy_store};

struct OnDisk<S, F: Fn(&Path) -> Result<S, StorageError>> {
    dir: TempDir,
    open: F,
}

fn on_disk<S, F: Fn(&Path) -> Result<S, StorageError>>(open: F) -> OnDisk<S, F> {
    OnDisk { dir: tempfile::tempdir().unwrap(), open }
}

impl<S: Storage, F: Fn(&Path) -> Result<S, StorageError>> Harness for OnDisk<S, F> {
    type Store = S;

    fn create(&mut self) -> S {
        self.dir = tempfile::tempdir().unwrap();
        (self.open)(self.dir.path()).unwrap()
    }

    fn reopen(&mut self, store: S) -> S {
        drop(store);
        (self.open)(self.dir.path()).unwrap()
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else if let Err(error) = std::fs::copy(entry.path(), &target) {
            // An engine may remove a file of its own between listing and copying.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
    }
}

/// What a killed process leaves behind: the files as they are right after a write, copied while the store is open.
fn image_after_every_write<S: Storage>(open: fn(&Path) -> Result<S, StorageError>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for round in 0..12u8 {
        let mut batch = WriteBatch::new();
        batch.put([b'k', round], vec![round; 3000]).put(b"last", [round]);
        if round > 1 {
            batch.delete([b'k', round - 2]);
        }
        store.write(batch).unwrap();
        let image = tempfile::tempdir().unwrap();
        copy_tree(dir.path(), image.path());
        let found = open(image.path()).unwrap();
        let mut expected = vec![];
        if round > 0 {
            expected.push((vec![b'k', round - 1], vec![round - 1; 3000]));
        }
        expected.push((vec![b'k', round], vec![round; 3000]));
        assert_eq!(found.scan(b"k", None, 100).unwrap(), expected);
        assert_eq!(found.get(b"last").unwrap(), Some(vec![round]));
    }
}

fn second_open_is_refused<S: Storage>(open: fn(&Path) -> Result<S, StorageError>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.put(b"k", b"v").unwrap();
    assert!(matches!(open(dir.path()), Err(StorageError::Locked { path }) if path == dir.path()));
    // Another process: `flock` takes a lock that conflicts with ours, or fails at once.
    let taken = std::process::Command::new("flock").arg("-n").arg(dir.path().join("LOCK")).arg("true").status();
    assert!(!taken.unwrap().success());
    drop(store);
    assert_eq!(open(dir.path()).unwrap().get(b"k").unwrap(), Some(b"v".to_vec()));
}

/// An engine that opens with older rows than were durable: what its own recovery does when the newest commit is damaged.
fn going_back_is_refused<S: Storage>(open: fn(&Path) -> Result<S, StorageError>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.put(b"k", b"1").unwrap();
    drop(store);
    let older = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), older.path());
    let store = open(dir.path()).unwrap();
    store.put(b"k", b"2").unwrap();
    store.put(b"k", b"3").unwrap();
    drop(store);
    // A witness that is behind, as after a loss of power, or damaged, says nothing.
    let witness = std::fs::read(dir.path().join("WITNESS")).unwrap();
    for harmless in [std::fs::read(older.path().join("WITNESS")).unwrap(), b"x".to_vec(), vec![0; 100], vec![]] {
        std::fs::write(dir.path().join("WITNESS"), harmless).unwrap();
        assert_eq!(open(dir.path()).unwrap().get(b"k").unwrap(), Some(b"3".to_vec()));
    }
    std::fs::write(older.path().join("WITNESS"), witness).unwrap();
    let error = open(older.path()).err().unwrap();
    assert!(matches!(error, StorageError::RolledBack { witnessed: 3, found: 1, .. }), "{error:?}");
}

/// The row that counts batches is the engine's own business.
fn count_is_hidden<S: Storage>(open: fn(&Path) -> Result<S, StorageError>) {
    let (dir, count) = (tempfile::tempdir().unwrap(), b"\0xln/count");
    let store = open(dir.path()).unwrap();
    store.put(b"\0a", b"").unwrap();
    store.put(b"\0z", b"").unwrap();
    assert!(matches!(store.get(count), Err(StorageError::ReservedKey)));
    assert!(matches!(store.put(count, b""), Err(StorageError::ReservedKey)));
    let keys = |prefix: &[u8], from: Option<&[u8]>, limit| {
        store.scan(prefix, from, limit).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(b"", None, 10), [b"\0a".to_vec(), b"\0z".to_vec()]);
    assert_eq!(keys(b"", None, 2), [b"\0a".to_vec(), b"\0z".to_vec()]);
    assert_eq!(keys(b"\0xln", None, 1), Vec::<Vec<u8>>::new());
    assert_eq!(keys(b"", Some(b"\0b"), 1), [b"\0z".to_vec()]);
}

fn copies<S: Storage>(open: fn(&Path) -> Result<S, StorageError>, backend: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    assert!(matches!(copy_store(&from, &to), Err(StorageError::NotAStore { path }) if path == from));
    let store = open(&from).unwrap();
    store.put(b"k", b"v").unwrap();
    assert!(matches!(copy_store(&from, &to), Err(StorageError::Locked { path }) if path == from));
    drop(store);
    assert_eq!(copy_store(&from, &to).unwrap(), backend);
    assert_eq!(Backend::of(&to).unwrap(), backend);
    assert_eq!(Backend::by_name(backend.name()), Some(backend));
    let copy = backend.open(&to).unwrap();
    copy.put(b"k", b"w").unwrap();
    assert_eq!(open(&from).unwrap().get(b"k").unwrap(), Some(b"v".to_vec()));
    std::fs::write(from.join("LOCK"), "xln-store 1 leveldb\n").unwrap();
    assert!(matches!(copy_store(&from, &dir.path().join("third")), Err(StorageError::NotAStore { .. })));
}

macro_rules! engine_tests {
    ($feature:literal, $module:ident, $store:ident) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::*;
            use xln_storage::$store;

            xln_storage::storage_conformance!(conformance, on_disk(|dir: &Path| $store::open(dir)));

            #[test]
            fn images() {
                image_after_every_write(|dir| $store::open(dir));
            }

            #[test]
            fn gone_back() {
                going_back_is_refused(|dir| $store::open(dir));
            }

            #[test]
            fn count() {
                count_is_hidden(|dir| $store::open(dir));
            }

            #[test]
            fn copy() {
                copies(|dir| $store::open(dir), Backend::by_name($feature).unwrap());
            }

            #[test]
            fn lock() {
                second_open_is_refused(|dir| $store::open(dir));
            }
        }
    };
}

engine_tests!("redb", redb, RedbStore);
engine_tests!("fjall", fjall, FjallStore);
engine_tests!("sled", sled, SledStore);

#[cfg(all(feature = "redb", feature = "sled"))]
#[test]
fn folder_of_another_engine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(xln_storage::RedbStore::open(dir.path()).unwrap());
    let error = xln_storage::SledStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StorageError::WrongEngine { expected: "sled", .. }));
}
