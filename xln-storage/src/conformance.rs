//! What a backend must pass. Implement [`Harness`] for it and call [`run`], or let
//! [`storage_conformance!`](crate::storage_conformance) write the test:
//!
//! ```
//! use std::sync::Arc;
//! use xln_storage::{MemoryStore, conformance::Harness};
//!
//! struct Memory;
//! impl Harness for Memory {
//!     type Store = Arc<MemoryStore>;
//!     fn create(&mut self) -> Self::Store { Arc::default() }
//!     fn reopen(&mut self, store: Self::Store) -> Self::Store { store }
//! }
//! xln_storage::storage_conformance!(memory_keeps_the_contract, Memory);
//! xln_storage::conformance::run(&mut Memory)?;
//! # Ok::<(), xln_storage::conformance::Violation>(())
//! ```
//!
//! The suite sees what a caller of the contract can see. That a write really reached the device it cannot see: for that,
//! trace the system calls or cut the power, as this crate's own tests do for its engines.

use std::collections::BTreeMap;

use crate::batch::WriteBatch;
use crate::error::StorageError;
use crate::storage::{MAX_KEY_BYTES, Row, Storage, rows, successor};

/// How the suite makes and reopens stores of the backend under test.
pub trait Harness {
    /// The backend.
    type Store: Storage;

    /// A fresh, empty store. May be called many times; stores made before need not stay usable.
    fn create(&mut self) -> Self::Store;

    /// Closes `store` and opens the same data again, as a restarted process would.
    fn reopen(&mut self, store: Self::Store) -> Self::Store;

    /// A fresh, empty store whose `nth` write (from 1) fails, if the backend can be made to fail. The default says no,
    /// and the checks of rules 2 and 6 that need it are left out.
    fn create_failing(&mut self, nth: u64) -> Option<Self::Store> {
        let _ = nth;
        None
    }
}

/// What the suite looks at; the names of broken promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// A new store has no rows, and a key never written is `None`.
    StartsEmpty,
    /// What was put is got back, whatever the bytes, the empty value included; the last put wins.
    PutGet,
    /// A deleted key is gone, from `get` and from `scan`, also after reopening; deleting a missing key is no error.
    Delete,
    /// `scan` is in ascending order of raw bytes.
    ScanOrder,
    /// `scan` yields exactly the rows under the prefix, also where the prefix ends in `0xff`.
    ScanPrefix,
    /// `from` is inclusive, and ignored where it lies before the prefix.
    ScanFrom,
    /// `scan` yields at most `limit` rows, the first ones, and pages join without gap or overlap.
    ScanLimit,
    /// Operations of a batch apply in order; the last on a key wins.
    BatchOrder,
    /// A batch with a refused operation changes nothing, and a batch that fails is there entirely or not at all.
    BatchAtomic,
    /// The empty key and too long ones are refused by name, and the store lives on.
    Refusal,
    /// What was written is there after reopening.
    Durable,
    /// After a failed write every call says [`StorageError::Dead`].
    DeadAfterFailure,
    /// Random operations and reopenings agree with a map in memory.
    Model,
}

/// A promise that the backend did not keep.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// The backend answered something else than the contract says.
    #[error("{check:?} does not hold")]
    Broken {
        /// What was looked at.
        check: Check,
    },
    /// The backend failed where it should have answered.
    #[error("{check:?} could not be checked")]
    Failed {
        /// What was looked at.
        check: Check,
        /// What the backend said.
        source: StorageError,
    },
}

type Verdict = Result<(), Violation>;

/// Runs every check, each on a fresh store, and stops at the first broken promise.
///
/// # Errors
/// The first [`Violation`].
pub fn run<H: Harness>(harness: &mut H) -> Verdict {
    starts_empty(&harness.create())?;
    put_get(&harness.create())?;
    delete(harness)?;
    scan_order(&harness.create())?;
    scan_prefix(&harness.create())?;
    scan_from(&harness.create())?;
    scan_limit(&harness.create())?;
    batch_order(&harness.create())?;
    refusal(&harness.create())?;
    durable(harness)?;
    failing(harness)?;
    model(harness)
}

/// Writes a test named `$name` that runs the suite on the [`Harness`] `$harness`.
#[macro_export]
macro_rules! storage_conformance {
    ($name:ident, $harness:expr) => {
        #[test]
        fn $name() {
            let verdict = $crate::conformance::run(&mut $harness);
            assert!(verdict.is_ok(), "{verdict:?}");
        }
    };
}

impl Check {
    fn holds(self, held: bool) -> Verdict {
        if held { Ok(()) } else { Err(Violation::Broken { check: self }) }
    }

    fn ok<T>(self, result: Result<T, StorageError>) -> Result<T, Violation> {
        result.map_err(|source| Violation::Failed { check: self, source })
    }

    fn has(self, store: &impl Storage, key: &[u8], value: Option<&[u8]>) -> Verdict {
        self.holds(self.ok(store.get(key))?.as_deref() == value)
    }

    /// The keys of a scan are `expected`.
    fn keys(self, found: Result<Vec<Row>, StorageError>, expected: &[&[u8]]) -> Verdict {
        self.holds(self.ok(found)?.iter().map(|(key, _)| key.as_slice()).eq(expected.iter().copied()))
    }
}

fn starts_empty(store: &impl Storage) -> Verdict {
    let check = Check::StartsEmpty;
    check.has(store, b"missing", None)?;
    check.keys(store.scan(&[], None, 10), &[])
}

fn put_get(store: &impl Storage) -> Verdict {
    let check = Check::PutGet;
    let long = vec![0xab; MAX_KEY_BYTES];
    let large = vec![0x5a; 1 << 17];
    let pairs: [(&[u8], &[u8]); 5] =
        [(b"a", b"1"), (&[0], b""), (&[0xff, 0xff], &[0, 255]), (&long, b"long"), (b"large", &large)];
    for (key, value) in pairs {
        check.ok(store.put(key, value))?;
    }
    for (key, value) in pairs {
        check.has(store, key, Some(value))?;
    }
    check.ok(store.put(b"a", b"2"))?;
    check.has(store, b"a", Some(b"2"))
}

fn delete<H: Harness>(harness: &mut H) -> Verdict {
    let check = Check::Delete;
    let store = harness.create();
    for key in [b"a", b"b", b"c"] {
        check.ok(store.put(key, b"v"))?;
    }
    check.ok(store.delete(b"b"))?;
    check.ok(store.delete(b"missing"))?;
    let gone = |store: &H::Store| {
        check.has(store, b"b", None)?;
        check.keys(store.scan(&[], None, 10), &[b"a", b"c"])
    };
    gone(&store)?;
    gone(&harness.reopen(store))
}

fn scan_order(store: &impl Storage) -> Verdict {
    let keys: [&[u8]; 9] = [&[0], &[0, 0], &[0, 255], &[1], b"a", b"aa", b"b", &[0x80], &[255, 255]];
    // Written neither ascending nor descending.
    for key in keys.iter().step_by(2).chain(keys.iter().skip(1).step_by(2).rev()) {
        Check::ScanOrder.ok(store.put(key, key))?;
    }
    Check::ScanOrder.keys(store.scan(&[], None, 100), &keys)
}

fn scan_prefix(store: &impl Storage) -> Verdict {
    let check = Check::ScanPrefix;
    let keys: [&[u8]; 7] = [b"a", b"a\xfe", b"a\xff", b"a\xff\0", b"a\xff\xff", b"b", b"\xff\xff"];
    for key in keys {
        check.ok(store.put(key, b"v"))?;
    }
    check.keys(store.scan(b"a", None, 100), &[b"a", b"a\xfe", b"a\xff", b"a\xff\0", b"a\xff\xff"])?;
    check.keys(store.scan(b"a\xff", None, 100), &[b"a\xff", b"a\xff\0", b"a\xff\xff"])?;
    check.keys(store.scan(b"\xff", None, 100), &[b"\xff\xff"])?;
    check.keys(store.scan(b"c", None, 100), &[])
}

fn scan_from(store: &impl Storage) -> Verdict {
    let check = Check::ScanFrom;
    for key in [b"a1", b"b1", b"b2", b"b3", b"c1"] {
        check.ok(store.put(key, b"v"))?;
    }
    check.keys(store.scan(b"b", Some(b"b2"), 100), &[b"b2", b"b3"])?;
    check.keys(store.scan(b"b", Some(&successor(b"b2")), 100), &[b"b3"])?;
    check.keys(store.scan(b"b", Some(b"a"), 100), &[b"b1", b"b2", b"b3"])?;
    check.keys(store.scan(b"b", Some(b"c"), 100), &[])
}

fn scan_limit(store: &impl Storage) -> Verdict {
    let check = Check::ScanLimit;
    let keys: Vec<[u8; 2]> = (0..50).map(|index| [b'k', index]).collect();
    for key in &keys {
        check.ok(store.put(key, key))?;
    }
    check.keys(store.scan(b"k", None, 0), &[])?;
    check.keys(store.scan(b"k", None, 3), &[&[b'k', 0], &[b'k', 1], &[b'k', 2]])?;
    for page_rows in [1, 7, 50, 51] {
        let found = rows(store, b"k", None, page_rows).collect::<Result<Vec<Row>, _>>();
        check.holds(check.ok(found)?.iter().map(|(key, _)| key.as_slice()).eq(keys.iter().map(<[u8; 2]>::as_slice)))?;
    }
    Ok(())
}

fn batch_order(store: &impl Storage) -> Verdict {
    let check = Check::BatchOrder;
    check.ok(store.put(b"c", b"old"))?;
    let mut batch = WriteBatch::new();
    batch.put(b"a", b"1").put(b"a", b"2").put(b"b", b"1").delete(b"b").delete(b"c").put(b"c", b"new");
    check.ok(store.write(batch))?;
    check.ok(store.write(WriteBatch::new()))?;
    check.has(store, b"a", Some(b"2"))?;
    check.has(store, b"b", None)?;
    check.has(store, b"c", Some(b"new"))
}

fn refusal(store: &impl Storage) -> Verdict {
    let check = Check::Refusal;
    let long = vec![b'k'; MAX_KEY_BYTES.saturating_add(1)];
    for key in [&[], long.as_slice()] {
        let named = |error: &StorageError| match error {
            StorageError::EmptyKey => key.is_empty(),
            StorageError::KeyTooLong { found } => *found == key.len() && !key.is_empty(),
            _ => false,
        };
        check.holds(store.get(key).is_err_and(|error| named(&error)))?;
        check.holds(store.delete(key).is_err_and(|error| named(&error)))?;
        let mut batch = WriteBatch::new();
        batch.put(b"before", b"v").put(key, b"v").put(b"after", b"v");
        check.holds(store.write(batch).is_err_and(|error| named(&error)))?;
        Check::BatchAtomic.has(store, b"before", None)?;
        Check::BatchAtomic.has(store, b"after", None)?;
    }
    check.ok(store.put(b"alive", b"v"))?;
    check.has(store, b"alive", Some(b"v"))
}

fn durable<H: Harness>(harness: &mut H) -> Verdict {
    let check = Check::Durable;
    let mut store = harness.create();
    for round in 0..4u8 {
        let mut batch = WriteBatch::new();
        batch.put([b'a', round], [round]).put([b'b', round], vec![round; 5000]).delete([b'a', round.wrapping_sub(2)]);
        check.ok(store.write(batch))?;
        store = harness.reopen(store);
    }
    let keys: [&[u8]; 6] = [b"a\x02", b"a\x03", b"b\0", b"b\x01", b"b\x02", b"b\x03"];
    check.keys(store.scan(&[], None, 100), &keys)?;
    check.has(&store, b"b\x03", Some(&[3; 5000]))
}

fn failing<H: Harness>(harness: &mut H) -> Verdict {
    let check = Check::DeadAfterFailure;
    for nth in 1..=4u64 {
        let Some(store) = harness.create_failing(nth) else { return Ok(()) };
        for round in 1..nth {
            check.ok(store.write(round_batch(round)))?;
        }
        check.holds(store.write(round_batch(nth)).is_err_and(|error| !error.is_refusal()))?;
        check.holds(matches!(store.get(b"k"), Err(StorageError::Dead)))?;
        check.holds(matches!(store.scan(&[], None, 1), Err(StorageError::Dead)))?;
        check.holds(matches!(store.put(b"k", b"v"), Err(StorageError::Dead)))?;
        let store = harness.reopen(store);
        let found = Check::BatchAtomic.ok(store.scan(&[], None, 100))?;
        let whole = [nth.saturating_sub(1), nth].map(rows_after);
        Check::BatchAtomic.holds(whole.contains(&found))?;
    }
    Ok(())
}

/// Round `n` writes three rows of its own and deletes one of the round before.
fn round_batch(round: u64) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for part in [b'x', b'y', b'z'] {
        batch.put([&round.to_be_bytes()[..], &[part]].concat(), [part]);
    }
    batch.delete([&round.saturating_sub(1).to_be_bytes()[..], b"y"].concat());
    batch
}

fn rows_after(round: u64) -> Vec<Row> {
    let mut model = BTreeMap::new();
    (1..=round).for_each(|round| apply(&mut model, round_batch(round)));
    model.into_iter().collect()
}

fn apply(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, batch: WriteBatch) {
    for op in batch.into_ops() {
        match op {
            crate::WriteOp::Put { key, value } => model.insert(key, value),
            crate::WriteOp::Delete { key } => model.remove(&key),
        };
    }
}

fn model<H: Harness>(harness: &mut H) -> Verdict {
    let check = Check::Model;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut model = BTreeMap::new();
    let mut store = harness.create();
    for round in 0..120u64 {
        let mut batch = WriteBatch::new();
        for _ in 0..dice.below(6) {
            let key = vec![dice.byte() & 3; usize::from(dice.byte() & 3).saturating_add(1)];
            let key = [key.as_slice(), &[dice.byte() & 7]].concat();
            match dice.below(3) {
                0 => batch.delete(key),
                _ => batch.put(key, vec![dice.byte(); usize::from(dice.byte())]),
            };
        }
        check.ok(store.write(batch.clone()))?;
        apply(&mut model, batch);
        if round % 30 == 29 {
            store = harness.reopen(store);
        }
        let prefix = [dice.byte() & 3];
        let expected = model.iter().filter(|(key, _)| key.starts_with(&prefix));
        let found = check.ok(store.scan(&prefix, None, usize::MAX))?;
        check.holds(found.iter().map(|(key, value)| (key, value)).eq(expected))?;
    }
    Ok(())
}

/// A small deterministic generator (xorshift), so that every run is the same.
struct Dice(u64);

impl Dice {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes().first().copied().unwrap_or(0)
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte().checked_rem(bound).unwrap_or(0)
    }
}
