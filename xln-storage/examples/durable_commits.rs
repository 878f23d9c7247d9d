//! Durable small batches, one after another: `durable_commits ENGINE DIR COMMITS`. Prints the time per commit; run it under
//! `strace -f -c -e trace=fsync,fdatasync,sync_file_range,msync` for syncs per commit. A batch has the shape of one block:
//! a journal entry of 600 bytes, a head of 129 and a history row of 200.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a measuring tool, not a library"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use xln_storage::{MemoryStore, Storage, WriteBatch};

fn open(engine: &str, dir: &Path) -> Box<dyn Storage> {
    match engine {
        "memory" => Box::new(MemoryStore::new()),
        #[cfg(feature = "redb")]
        "redb" => Box::new(xln_storage::RedbStore::open(dir).unwrap()),
        #[cfg(feature = "fjall")]
        "fjall" => Box::new(xln_storage::FjallStore::open(dir).unwrap()),
        #[cfg(feature = "sled")]
        "sled" => Box::new(xln_storage::SledStore::open(dir).unwrap()),
        other => panic!("no engine {other} in this build"),
    }
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
            Ok(meta) => std::os::unix::fs::MetadataExt::blocks(&meta) * 512,
            Err(_) => 0,
        })
        .sum()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, engine, dir, commits] = arguments.as_slice() else { panic!("durable_commits ENGINE DIR COMMITS") };
    let commits: u64 = commits.parse().unwrap();
    let dir = Path::new(dir).join(format!("{engine}-{}", std::process::id()));
    let store = open(engine, &dir);
    let mut times: Vec<Duration> = Vec::new();
    for height in 0..commits {
        let mut batch = WriteBatch::new();
        let channel = xln_merkle::keccak256(&(height % 50).to_be_bytes());
        batch.put([&channel[..], &[1], &height.to_be_bytes()].concat(), [7; 600]);
        batch.put([&channel[..], &[0]].concat(), [8; 129]);
        batch.put([b"history/", &height.to_be_bytes()[..]].concat(), [9; 200]);
        let start = Instant::now();
        store.write(batch).unwrap();
        times.push(start.elapsed());
    }
    let start = Instant::now();
    let found = store.scan(b"history/", None, usize::MAX).unwrap();
    let scanned = start.elapsed();
    assert_eq!(u64::try_from(found.len()).unwrap(), commits);
    times.sort();
    let total: Duration = times.iter().sum();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{engine}: {commits} commits, mean {:?}, median {:?}, p99 {:?}, max {:?}; scan of all {scanned:?}; {} KiB on disk",
        total / u32::try_from(commits).unwrap(),
        at(50),
        at(99),
        at(100),
        folder_bytes(&dir) / 1024
    );
    drop(store);
    std::fs::remove_dir_all(&dir).ok();
}
