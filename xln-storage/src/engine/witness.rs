//! Notices a store that has gone back. An engine that finds its newest commit damaged takes it for one that was cut short, and
//! opens with the one before: right after a loss of power, wrong after a damaged sector, and then what was acknowledged is gone
//! without a word. So every batch carries its number in a row, and a small file beside the engine's is told the number after
//! the batch is durable. The file is not synced: after a loss of power it may be behind, never ahead.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::StorageError;
use crate::lock::io;

/// The row that counts batches. User keys may not equal it.
pub(crate) const COUNT: &[u8] = b"\0xln/count";

const FILE: &str = "WITNESS";

/// The number in the row.
pub(crate) fn decode_count(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The file that remembers the last durable batch.
#[derive(Debug)]
pub(crate) struct Witness {
    file: File,
}

impl Witness {
    /// Opens or makes the file of the store in `dir`, whose engine holds `count` batches.
    pub(crate) fn open(dir: &Path, count: u64) -> Result<Self, StorageError> {
        let path = dir.join(FILE);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io(&path))?;
        let mut bytes = Vec::new();
        // What is longer is damaged, and what is damaged says nothing.
        (&mut file).take(64).read_to_end(&mut bytes).map_err(io(&path))?;
        if let Some(witnessed) = decode(&bytes).filter(|witnessed| *witnessed > count) {
            return Err(StorageError::RolledBack { path: dir.to_owned(), witnessed, found: count });
        }
        let witness = Self { file };
        // Here and now, so that a full disk cannot keep later numbers out.
        witness.write(count).map_err(io(&path))?;
        Ok(witness)
    }

    /// The batch with this number is durable. A failure leaves an earlier number, which is true as well.
    pub(crate) fn saw(&self, count: u64) {
        let _ = self.write(count);
    }

    fn write(&self, count: u64) -> std::io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[count.to_be_bytes(), (!count).to_be_bytes()].concat())
    }
}

/// `u64 count || its complement`, big-endian.
fn decode(bytes: &[u8]) -> Option<u64> {
    let (count, rest) = bytes.split_first_chunk()?;
    let count = u64::from_be_bytes(*count);
    (rest == (!count).to_be_bytes()).then_some(count)
}
