//! Blocks of 1, 10, 100 and 1,000 payments through both sides in memory, beside their floor: one signature and one
//! verification of each party.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a bench stops at what fails; criterion's macros make undocumented items"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use xln_benches::{EncodeOnly, Party, open, pay, round};
use xln_core::crypto::{KeyCache, LocalSigner, Signer};
use xln_core::types::Hash;

fn parties() -> (Party<EncodeOnly>, Party<EncodeOnly>) {
    let (mut a, mut b) = (Party::new(1, EncodeOnly::default()).unwrap(), Party::new(2, EncodeOnly::default()).unwrap());
    open(&mut a, &mut b).unwrap();
    (a, b)
}

fn floor(c: &mut Criterion) {
    let signer = LocalSigner::new(&[1; 32]).unwrap();
    let mut keys = KeyCache::default();
    let mut digest = [0u8; 32];
    c.bench_function("round/floor: 2 signatures, 2 verifications", |b| {
        b.iter(|| {
            for _ in 0..2 {
                digest[0] = digest[0].wrapping_add(1);
                let signature = signer.sign_digest(&Hash(digest)).unwrap();
                keys.verify(&signer.entity(), &Hash(digest), &signature).unwrap();
            }
        });
    });
}

fn rounds(c: &mut Criterion) {
    let mut group = c.benchmark_group("round/memory");
    for size in [1u64, 10, 100, 1000] {
        group.throughput(Throughput::Elements(size));
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |b, size| {
            let (mut left, mut right) = parties();
            b.iter(|| round(&mut left, &mut right, (0..*size).map(|_| pay(1)).collect()).unwrap());
        });
    }
}

criterion_group!(benches, floor, rounds);
criterion_main!(benches);
