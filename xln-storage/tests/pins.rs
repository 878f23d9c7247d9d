//! A store opens only for what it is pinned to, and its header cannot be seen, changed or damaged unnoticed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use xln_storage::{Depository, MemoryStore, PinField, Pinned, Pins, Storage, StorageError};

fn depository(chain_id: u64) -> Depository {
    Depository { chain_id, address: [0xdd; 20] }
}

fn pins() -> Pins {
    Pins { format_version: 3, entity: [7; 32], depositories: [depository(1), depository(10)].into() }
}

fn mismatch(store: &MemoryStore, change: impl FnOnce(&mut Pins)) -> PinField {
    let mut expected = pins();
    change(&mut expected);
    match Pinned::open(store, &expected) {
        Err(StorageError::PinMismatch { field }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_differs_is_named() {
    let store = MemoryStore::new();
    Pinned::open(&store, &pins()).unwrap().put(b"k", b"v").unwrap();
    assert_eq!(Pinned::open(&store, &pins()).unwrap().get(b"k").unwrap(), Some(b"v".to_vec()));
    assert_eq!(mismatch(&store, |pins| pins.format_version = 4), PinField::FormatVersion);
    assert_eq!(mismatch(&store, |pins| pins.entity[31] = 8), PinField::EntityId);
    assert_eq!(mismatch(&store, |pins| assert!(pins.depositories.pop_first().is_some())), PinField::Depositories);
    assert_eq!(mismatch(&store, |pins| assert!(pins.depositories.insert(depository(5)))), PinField::Depositories);
}

#[test]
fn a_further_depository_is_an_explicit_call() {
    let store = MemoryStore::new();
    Pinned::open(&store, &pins()).unwrap().pin_depository(depository(5)).unwrap();
    assert_eq!(mismatch(&store, |_| {}), PinField::Depositories);
    let mut more = pins();
    more.depositories.insert(depository(5));
    assert_eq!(Pinned::open(&store, &more).unwrap().pins(), &more);
}

#[test]
fn header_is_out_of_reach_and_checked() {
    let store = MemoryStore::new();
    let pinned = Pinned::open(&store, &pins()).unwrap();
    let (key, header) = store.scan(&[], None, 1).unwrap().remove(0);
    assert_eq!(pinned.scan(&[], None, 10).unwrap(), vec![]);
    assert!(matches!(pinned.put(&key, b""), Err(StorageError::ReservedKey)));
    assert!(matches!(pinned.delete(&key), Err(StorageError::ReservedKey)));
    for byte in 0..header.len() {
        let mut damaged = header.clone();
        damaged[byte] ^= 1;
        store.put(&key, &damaged).unwrap();
        assert!(matches!(Pinned::open(&store, &pins()), Err(StorageError::HeaderCorrupt)));
    }
}

#[test]
fn data_without_header_is_refused() {
    let store = MemoryStore::new();
    store.put(b"k", b"v").unwrap();
    assert!(matches!(Pinned::open(&store, &pins()), Err(StorageError::Unpinned)));
}
