//! Blocks through both sides with every record synced to disk, on the default engine and on sled, beside one bare sync of
//! the engine; two hundred channels that move in one record; and restoring from the journal.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a bench stops at what fails; criterion's macros make undocumented items"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use xln_benches::{Party, Stored, open, pay, round};
use xln_core::machine::{Machine, Record};
use xln_storage::{RedbStore, SledStore, Storage};

fn parties<S: Storage>(make: impl Fn(&str) -> S) -> (Party<Stored<S>>, Party<Stored<S>>) {
    let log = |name| Stored { store: make(name), records: Vec::new() };
    let (mut a, mut b) = (Party::new(1, log("a")).unwrap(), Party::new(2, log("b")).unwrap());
    open(&mut a, &mut b).unwrap();
    (a, b)
}

fn engine<S: Storage>(c: &mut Criterion, name: &str, make: impl Fn(&str) -> S) {
    let bare = make("floor");
    let mut group = c.benchmark_group(format!("round/{name}"));
    group.sample_size(10);
    let mut n = 0u64;
    group.bench_function("floor: one durable write of 1 kB", |b| {
        b.iter(|| {
            n += 1;
            bare.put(&n.to_be_bytes(), &[7; 1024]).unwrap();
        });
    });
    let (mut left, mut right) = parties(make);
    for size in [1u64, 10, 100, 1000] {
        group.throughput(Throughput::Elements(size));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |b, size| {
            b.iter(|| round(&mut left, &mut right, (0..*size).map(|_| pay(1)).collect()).unwrap());
        });
    }
    group.finish();
}

fn durable(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    engine(c, "redb", |name| RedbStore::open(folder.path().join(format!("redb-{name}"))).unwrap());
    engine(c, "sled", |name| SledStore::open(folder.path().join(format!("sled-{name}"))).unwrap());
}

fn restore(c: &mut Criterion) {
    let (mut a, mut b) = parties(|_| xln_storage::MemoryStore::new());
    for _ in 0..100 {
        round(&mut a, &mut b, vec![pay(1)]).unwrap();
    }
    let records: Vec<Record> = a.log.records.iter().map(|bytes| Record::decode(bytes).unwrap()).collect();
    let entity = a.entity();
    let mut group = c.benchmark_group("restore");
    group.throughput(Throughput::Elements(records.len().try_into().unwrap()));
    group.sample_size(10);
    group.bench_function("replay of 100 payment rounds", |b| {
        b.iter(|| Machine::restore(entity, None, records.clone()).unwrap());
    });
    let snapshot = a.machine.snapshot().unwrap();
    group.bench_function("snapshot of the same", |b| b.iter(|| Machine::restore(entity, Some(&snapshot), []).unwrap()));
    group.finish();
}

criterion_group!(benches, durable, restore);
criterion_main!(benches);
