//! Loss of power, by system-call trace: a child process commits batches under `strace`; from the trace we rebuild what the
//! device is sure to hold (bytes and folder entries that were synced, nothing else), open that, and look for every batch
//! that the child had been told was durable. Needs `strace`; `XLN_WITHOUT_STRACE=1` leaves these tests out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(all(target_os = "linux", any(feature = "redb", feature = "fjall", feature = "sled")))]

#[path = "power_loss/disk.rs"]
mod disk;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use disk::{Device, Disk, Moment};
use xln_storage::{Storage, StorageError, WriteBatch, WriteOp};

const COMMITS: u32 = 24;

/// Batches of different sizes; together a megabyte, so that log segments and tables turn over.
fn batch(round: u32, largest: usize) -> WriteBatch {
    let mut batch = WriteBatch::new();
    let size = match round % 10 {
        4 => 70_000,
        9 => largest,
        _ => 700,
    };
    batch.put([b"k", &round.to_be_bytes()[..]].concat(), vec![u8::try_from(round).unwrap(); size]);
    batch.put(b"last", round.to_be_bytes());
    if round % 3 == 2 {
        batch.delete([b"k", &(round - 2).to_be_bytes()[..]].concat());
    }
    batch
}

fn model(commits: u32, largest: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut rows = BTreeMap::new();
    for op in (0..commits).flat_map(|round| batch(round, largest).into_ops()) {
        match op {
            WriteOp::Put { key, value } => rows.insert(key, value),
            WriteOp::Delete { key } => rows.remove(&key),
        };
    }
    rows
}

fn open(engine: &str, dir: &Path) -> Result<Box<dyn Storage>, StorageError> {
    Ok(match engine {
        #[cfg(feature = "redb")]
        "redb" => Box::new(xln_storage::RedbStore::open(dir)?),
        #[cfg(feature = "fjall")]
        "fjall" => Box::new(xln_storage::FjallStore::open(dir)?),
        #[cfg(feature = "sled")]
        "sled" => Box::new(xln_storage::SledStore::open(dir)?),
        other => panic!("no engine {other}"),
    })
}

/// The process under trace; run by the tests below.
#[test]
#[ignore = "started by the other tests under strace"]
fn child() {
    let (engine, dir) = (std::env::var("XLN_ENGINE").unwrap(), std::env::var("XLN_DIR").unwrap());
    let largest = std::env::var("XLN_LARGEST").unwrap().parse().unwrap();
    let store = open(&engine, Path::new(&dir)).unwrap();
    for round in 0..COMMITS {
        store.write(batch(round, largest)).unwrap();
        // One unbuffered write, which the trace shows: from here on the batch was promised.
        std::io::stderr().write_all(format!("ACK {}\n", round + 1).as_bytes()).unwrap();
    }
    // Leave without closing anything, as a machine that loses power.
    std::process::exit(0);
}

fn trace(engine: &str, dir: &Path, largest: usize) -> String {
    let log = dir.join("trace");
    let data = dir.join("data");
    std::fs::create_dir(&data).unwrap();
    let calls = "trace=openat,close,read,write,pwrite64,pwritev,writev,lseek,ftruncate,fallocate,fcntl,fsync,fdatasync,\
                 rename,renameat,renameat2,unlink,unlinkat,link,linkat,copy_file_range,mmap";
    let status = Command::new("strace")
        .args(["-f", "-xx", "-s", "10000000", "-o", log.to_str().unwrap(), "-e", calls])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"])
        .envs([("XLN_ENGINE", engine), ("XLN_DIR", data.to_str().unwrap()), ("XLN_LARGEST", &largest.to_string())])
        .output();
    let output = status.expect("these tests need strace; XLN_WITHOUT_STRACE=1 leaves them out");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(log).unwrap()
}

fn rows(store: &dyn Storage) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StorageError> {
    Ok(store.scan(&[], None, usize::MAX)?.into_iter().collect())
}

/// What an engine promises about a loss of power in the middle of a commit.
#[derive(Clone, Copy, PartialEq)]
enum Promise {
    /// It opens, with the batch whole or not at all.
    Opens,
    /// It opens like that, or fails with an error at open or at the first reading; it never shows part of a batch.
    OpensOrRefuses,
}

/// Opens an image for every acknowledgement and for every sync that was about to happen.
fn survives(engine: &str, largest: usize, device: Device, promise: Promise) {
    if std::env::var_os("XLN_WITHOUT_STRACE").is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = trace(engine, dir.path(), largest);
    let (mut acknowledged, mut torn) = (0, 0);
    let mut disk = Disk::new(&dir.path().join("data"));
    for line in log.lines() {
        let moment = disk.step(line);
        let image = tempfile::tempdir().unwrap();
        match moment {
            Some(Moment::Marker(text)) => {
                let Some(count) = text.strip_prefix("ACK ") else { continue };
                acknowledged = count.trim().parse().unwrap();
                disk.write_image(image.path(), None);
                let store = open(engine, image.path()).unwrap();
                assert!(
                    rows(&*store).unwrap() == model(acknowledged, largest),
                    "{engine} lost what it acknowledged as {acknowledged}"
                );
            }
            Some(Moment::SyncBegins) if (1..COMMITS).contains(&acknowledged) => {
                torn += 1;
                disk.write_image(image.path(), Some((u64::from(torn), device)));
                let found = match open(engine, image.path()).and_then(|store| rows(&*store)) {
                    Err(StorageError::Engine { .. }) if promise == Promise::OpensOrRefuses => continue,
                    found => found.unwrap(),
                };
                let whole = [acknowledged, acknowledged + 1].iter().any(|commits| found == model(*commits, largest));
                assert!(whole, "{engine} tore the batch after {acknowledged}");
            }
            _ => {}
        }
    }
    assert_eq!(acknowledged, COMMITS);
    assert!(torn >= COMMITS - 1, "a commit without a sync");
}

#[cfg(feature = "redb")]
#[test]
fn redb_survives_the_worst_device() {
    survives("redb", 300_000, Device::AnySector, Promise::Opens);
}

#[cfg(feature = "fjall")]
#[test]
fn fjall_survives_a_device_that_keeps_order() {
    survives("fjall", 300_000, Device::InOrder, Promise::Opens);
}

/// A checksum that fails in the last batch of fjall's journal is an error to it, not the end of the journal.
#[cfg(feature = "fjall")]
#[test]
fn fjall_may_refuse_to_open_on_the_worst_device() {
    survives("fjall", 300_000, Device::AnySector, Promise::OpensOrRefuses);
}

/// sled's own recovery does not stand every crash in the middle of a commit; between commits everything is safe.
#[cfg(feature = "sled")]
#[test]
fn sled_keeps_what_it_acknowledged_and_never_tears() {
    for device in [Device::InOrder, Device::AnySector] {
        survives("sled", 300_000, device, Promise::OpensOrRefuses);
    }
}
