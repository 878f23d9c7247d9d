//! The parts, each beside what it cannot go below: arithmetic, signatures, codec, Merkle trees.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a bench stops at what fails; criterion's macros make undocumented items"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use xln_benches::pay;
use xln_core::block::Block;
use xln_core::codec::{decode, encode};
use xln_core::crypto::{KeyCache, LocalSigner, Signer, recover_address};
use xln_core::delta::{Delta, derive_delta, out_capacity_small};
use xln_core::types::{Hash, Side, UnixSeconds};
use xln_merkle::{MerkleTree, Scheme, keccak256};

fn delta(c: &mut Criterion) {
    let number = |n: u64| n.try_into().unwrap();
    let delta = Delta {
        collateral: number(1_000_000),
        ondelta: 1_000_000i64.try_into().unwrap(),
        offdelta: (-250_000i64).try_into().unwrap(),
        left_credit_limit: number(500_000),
        right_credit_limit: number(0),
        left_allowance: number(10),
        right_allowance: number(0),
    };
    c.bench_function("derive_delta/256 bits, all fields", |b| b.iter(|| derive_delta(black_box(&delta), Side::Left)));
    c.bench_function("derive_delta/128 bits, capacity only", |b| {
        b.iter(|| {
            out_capacity_small(black_box(1_000_000), 1_000_000, black_box(-250_000), 500_000, 0, 10, 0, Side::Left)
        });
    });
}

fn signatures(c: &mut Criterion) {
    let signer = LocalSigner::new(&[1; 32]).unwrap();
    let digest = Hash([7; 32]);
    let signature = signer.sign_digest(&digest).unwrap();
    let mut keys = KeyCache::default();
    c.bench_function("signature/sign", |b| b.iter(|| signer.sign_digest(black_box(&digest))));
    c.bench_function("signature/verify, cached key", |b| {
        b.iter(|| keys.verify(&signer.entity(), black_box(&digest), &signature));
    });
    c.bench_function("signature/recover", |b| b.iter(|| recover_address(black_box(&digest), &signature)));
}

fn codec(c: &mut Criterion) {
    let block = Block {
        height: 9,
        prev_block_hash: Hash([1; 32]),
        prev_state_hash: Hash([2; 32]),
        proposer: Side::Left,
        timestamp: UnixSeconds(1_800_000_000),
        transitions: vec![pay(1_000_000); 1000],
    };
    let bytes = encode(&block).unwrap();
    let mut group = c.benchmark_group("codec/block of 1,000 payments");
    group.throughput(Throughput::Bytes(bytes.len().try_into().unwrap()));
    group.bench_function("floor: copy", |b| b.iter(|| black_box(&bytes).clone()));
    group.bench_function("encode", |b| b.iter(|| encode(black_box(&block))));
    group.bench_function("decode, canonical", |b| b.iter(|| decode::<Block>(black_box(&bytes))));
    group.bench_function("keccak256", |b| b.iter(|| keccak256(black_box(&bytes))));
    group.finish();
}

fn merkle(c: &mut Criterion) {
    for count in [1_000u64, 100_000] {
        let leaves: Vec<[u8; 32]> = (0..count).map(|i| keccak256(&i.to_be_bytes())).collect();
        let mut group = c.benchmark_group(format!("merkle/{count} leaves"));
        group.bench_function("floor: one hash of two nodes", |b| b.iter(|| keccak256(black_box(&[7; 64]))));
        group.sample_size(10);
        group.bench_function("build", |b| b.iter(|| MerkleTree::from_leaves(Scheme::CONTRACT, leaves.clone())));
        let mut tree = MerkleTree::from_leaves(Scheme::CONTRACT, leaves);
        let mut at = 0;
        group.bench_function("update one leaf", |b| {
            b.iter(|| {
                at = (at + 7919) % usize::try_from(count).unwrap();
                tree.update(at, keccak256(&at.to_be_bytes()))
            });
        });
        group.bench_function("proof", |b| b.iter(|| tree.proof(black_box(17))));
        group.finish();
    }
}

criterion_group!(benches, delta, signatures, codec, merkle);
criterion_main!(benches);
