//! Damage to any stored row is found, misuse is refused by name, extra rows go with their append or not at all.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::num::NonZeroU64;

use common::*;
use xln_storage::{
    Corruption, Fault, FaultStore, Hstm, HstmError, HstmOptions, MemoryStore, Stamped, Storage, StorageError,
    WriteBatch,
};

fn every(entries: u64) -> HstmOptions {
    HstmOptions { snapshot_every: NonZeroU64::new(entries), cached_states: 0 }
}

/// Ten entries at heights 1 to 10 and times 100 to 110, snapshots at 4 and 8, pruned to 4 if asked.
fn ten_entries(pruned: bool) -> MemoryStore {
    let store = MemoryStore::new();
    let mut machine = open(&store, every(4)).unwrap();
    for height in 1..=10 {
        machine.append(height, 100 + height, u8::try_from(height).unwrap()).unwrap();
    }
    if pruned {
        assert_eq!(machine.prune(7).unwrap(), 4);
    }
    store
}

fn verdict(store: &MemoryStore) -> Result<(), Error> {
    open(store, every(4))?.verify()
}

#[test]
fn any_flipped_bit_is_found() {
    for pruned in [false, true] {
        let store = ten_entries(pruned);
        verdict(&store).unwrap();
        for (key, value) in store.scan(&[], None, 1000).unwrap() {
            for byte in 0..value.len() {
                let mut damaged = value.clone();
                damaged[byte] ^= 1 << (byte % 8);
                store.put(&key, &damaged).unwrap();
                assert!(matches!(verdict(&store), Err(HstmError::Corrupt { .. })), "{key:?} byte {byte}");
            }
            store.put(&key, &value[..value.len() - 1]).unwrap();
            assert!(matches!(verdict(&store), Err(HstmError::Corrupt { .. })), "{key:?} shortened");
            store.put(&key, &value).unwrap();
        }
        verdict(&store).unwrap();
    }
}

#[test]
fn any_missing_row_is_found() {
    for pruned in [false, true] {
        let store = ten_entries(pruned);
        for (key, value) in store.scan(&[], None, 1000).unwrap() {
            store.delete(&key).unwrap();
            assert!(matches!(verdict(&store), Err(HstmError::Corrupt { .. })), "{key:?}");
            store.put(&key, &value).unwrap();
        }
        verdict(&store).unwrap();
    }
}

fn entry_key(height: u64) -> Vec<u8> {
    [PREFIX, &[1], &height.to_be_bytes()].concat()
}

#[test]
fn the_gap_just_after_the_answer_is_found() {
    let store = ten_entries(false);
    let mut machine = open(&store, every(4)).unwrap();
    assert_eq!(*machine.state_at(6).unwrap(), [1, 2, 3, 4, 5, 6]);
    store.delete(&entry_key(6)).unwrap();
    // The entry is missing at the very end of what the question needs: only the next one shows it.
    let found = machine.state_at(6);
    assert!(matches!(found, Err(HstmError::Corrupt { height: 7, what: Corruption::BrokenChain })), "{found:?}");
}

#[test]
fn rows_beyond_the_head_and_rows_from_elsewhere_are_found() {
    let store = ten_entries(false);
    let last = store.get(&entry_key(10)).unwrap().unwrap();
    store.put(&entry_key(11), &last).unwrap();
    assert!(matches!(verdict(&store), Err(HstmError::Corrupt { height: 11, what: Corruption::BeyondHead })));

    let moved = MemoryStore::new();
    for (key, value) in ten_entries(false).scan(PREFIX, None, 1000).unwrap() {
        moved.put(&[b"channel/2/", &key[PREFIX.len()..]].concat(), &value).unwrap();
    }
    let found = Hstm::open(Recorder, &moved, b"channel/2/", every(4));
    assert!(matches!(found.err(), Some(HstmError::Corrupt { height: 0, what: Corruption::Head })));
}

#[test]
fn misuse_is_refused_and_changes_nothing() {
    let store = ten_entries(false);
    let before = store.scan(&[], None, 1000).unwrap();
    let mut machine = open(&store, every(4)).unwrap();
    assert!(matches!(machine.append(10, 200, 1), Err(HstmError::HeightNotAbove { tip: 10, found: 10 })));
    assert!(matches!(machine.append(11, 109, 1), Err(HstmError::TimeBackwards { previous_s: 110, found_s: 109 })));
    let second_is_bad = [(11, 200, 1), (11, 200, 2)].map(|(height, time_s, entry)| Stamped { height, time_s, entry });
    assert!(matches!(machine.append_many(&second_is_bad), Err(HstmError::HeightNotAbove { tip: 11, found: 11 })));
    assert!(matches!(machine.append(11, 200, 255), Err(HstmError::Machine(Refused))));
    let mut inside = WriteBatch::new();
    inside.delete(entry_key(3));
    assert!(matches!(machine.append_with(&[], inside), Err(HstmError::ExtraUnderPrefix)));
    assert!(matches!(machine.snap(5), Err(HstmError::NoSnap { height: 5 })));
    assert!(matches!(machine.prune(3), Err(HstmError::NothingToPrune { height: 3 })));
    // An extra row that the store refuses: nothing was written, and the machine is not in doubt.
    let mut refused = WriteBatch::new();
    refused.put([], []);
    let entry = [Stamped { height: 11, time_s: 200, entry: 11 }];
    assert!(matches!(machine.append_with(&entry, refused), Err(HstmError::Storage(StorageError::EmptyKey))));
    assert_eq!(machine.state(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(store.scan(&[], None, 1000).unwrap(), before);
    machine.append(11, 200, 11).unwrap();
}

#[test]
fn extra_rows_share_the_fate_of_their_append() {
    for (fault, there) in [(None, true), (Some(Fault::WriteKept), true), (Some(Fault::WriteLost), false)] {
        let store = FaultStore::new(MemoryStore::new());
        if let Some(fault) = fault {
            store.fail_at(1, fault);
        }
        let mut extra = WriteBatch::new();
        extra.put(b"history/1", b"block");
        let mut machine = open(&store, every(4)).unwrap();
        let result = machine.append_with(&[Stamped { height: 1, time_s: 1, entry: 7 }], extra);
        assert_eq!(result.is_ok(), fault.is_none());
        let data = store.into_inner();
        assert_eq!(data.get(b"history/1").unwrap().is_some(), there);
        assert_eq!(open(&data, every(4)).unwrap().state().is_empty(), !there);
    }
}

#[test]
fn restored_machine_goes_on_from_the_snapshot() {
    let store = ten_entries(false);
    let machine = open(&store, every(4)).unwrap();
    let snap = machine.snap(8).unwrap();
    let target = MemoryStore::new();
    let mut restored = Hstm::restore(Recorder, &target, b"copy/", every(4), snap.clone()).unwrap();
    restored.append_many(&machine.entries(9, 10).unwrap()).unwrap();
    assert_eq!(restored.state(), machine.state());
    assert!(matches!(restored.state_at(7), Err(HstmError::Pruned { base: 8 })));
    let mut reopened = Hstm::open(Recorder, &target, b"copy/", every(4)).unwrap();
    reopened.verify().unwrap();
    assert_eq!(*reopened.state_at(9).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let again = Hstm::restore(Recorder, &target, b"copy/", every(4), snap);
    assert!(matches!(again.err(), Some(HstmError::NotEmpty)));
}

#[test]
fn several_machines_share_a_store() {
    let store = MemoryStore::new();
    let mut one = Hstm::open(Recorder, &store, b"one/", every(2)).unwrap();
    let mut two = Hstm::open(Recorder, &store, b"two/", every(2)).unwrap();
    for height in 1..=5 {
        one.append(height, 0, 1).unwrap();
        two.append(height, 0, 2).unwrap();
    }
    one.rollback(3).unwrap();
    assert_eq!(Hstm::open(Recorder, &store, b"one/", every(2)).unwrap().state(), &[1, 1, 1]);
    assert_eq!(Hstm::open(Recorder, &store, b"two/", every(2)).unwrap().state(), &[2, 2, 2, 2, 2]);
}
