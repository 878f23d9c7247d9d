//! The machine's log on a store: records, the last snapshot, the nonces that were signed, and the history of agreed
//! states. One record is one atomic write; everything else that must be stored rides along with it.

use std::collections::BTreeMap;

use xln_core::codec;
use xln_core::commitment::Evidence;
use xln_core::machine::{Log, Record, Snapshot};
use xln_core::types::{EntityId, Hash, Nonce, Pair, SubchannelKey};
use xln_storage::{Storage, WriteBatch, rows};

use super::error::LogError;

/// Version of the rows' layout, pinned in the store.
pub const FORMAT_VERSION: u32 = 1;

const RECORD: u8 = b'r';
const SNAPSHOT: &[u8] = b"s";
const NONCE: u8 = b'n';
const HISTORY: u8 = b'h';
/// What the application around the node keeps, such as the place that a watcher has come to.
const KEPT: u8 = b'k';
/// Present from the import of a backup until the node was opened on it.
const RESTORED: &[u8] = b"b";
const PAGE_ROWS: usize = 256;

/// [`Log`] on a [`Storage`], with the guard of the one invariant in the store itself.
#[derive(Debug)]
pub struct StoreLog<S> {
    storage: S,
    entity: EntityId,
    /// Written with the next record: history of states that became agreed, and a due snapshot with what it replaces.
    riding: WriteBatch,
    /// First record that the store still holds.
    oldest: u64,
    newest: u64,
}

/// What a store holds of a machine.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) records: Vec<Record>,
    pub(super) from_backup: bool,
}

impl<S: Storage> StoreLog<S> {
    /// A log on a store that belongs to `entity`.
    pub(super) fn new(storage: S, entity: EntityId) -> Self {
        Self { storage, entity, riding: WriteBatch::new(), oldest: 1, newest: 0 }
    }

    /// Reads everything that a restore needs.
    pub(super) fn load(&mut self) -> Result<Stored, LogError> {
        let mut stored = Stored { from_backup: self.storage.get(RESTORED)?.is_some(), ..Stored::default() };
        if let Some(bytes) = self.storage.get(SNAPSHOT)? {
            stored.snapshot = Some(decode_snapshot(&bytes)?);
        }
        let after = stored.snapshot.as_ref().map_or(0, |s| s.seq);
        self.oldest = after.saturating_add(1);
        let from = record_key(self.oldest);
        for row in rows(&self.storage, &[RECORD], Some(&from), PAGE_ROWS) {
            let (key, bytes) = row?;
            let record = Record::decode(&bytes)?;
            // In another's place it would be read now, and stay there when a snapshot replaces it.
            if key != record_key(record.seq) {
                return Err(codec::CodecError::Malformed.into());
            }
            stored.records.push(record);
        }
        self.newest = stored.records.last().map_or(after, |r| r.seq);
        if stored.from_backup {
            self.riding.delete(RESTORED);
        }
        Ok(stored)
    }

    /// Lets the history of agreed states ride with the next record. Until then a restore finds them again by replaying.
    pub(super) fn keep(&mut self, agreed: &[(EntityId, Evidence)]) -> Result<(), LogError> {
        for (peer, evidence) in agreed {
            let Ok(pair) = Pair::new(self.entity, *peer) else { continue };
            let key = history_key(&pair.channel_key(), &evidence.key, &evidence.body_hash());
            self.riding.put(key, codec::encode(evidence)?);
        }
        Ok(())
    }

    /// Lets a snapshot ride with the next record, and the records that it replaces go.
    pub(super) fn keep_snapshot(&mut self, snapshot: &Snapshot) {
        let mut bytes = snapshot.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&snapshot.bytes);
        self.riding.put(SNAPSHOT, bytes);
        for seq in self.oldest..=snapshot.seq {
            self.riding.delete(record_key(seq));
        }
        self.oldest = snapshot.seq.saturating_add(1);
    }

    /// Number of records that a restore would replay.
    pub(super) fn unsnapped(&self) -> u64 {
        self.newest.saturating_add(1).saturating_sub(self.oldest)
    }

    /// Any body that was ever agreed, by its hash.
    pub(super) fn evidence(
        &self,
        channel: &Hash,
        key: &SubchannelKey,
        body: &Hash,
    ) -> Result<Option<Evidence>, LogError> {
        let bytes = self.row(&history_key(channel, key, body))?;
        Ok(bytes.map(|bytes| codec::decode_trusted_length(&bytes)).transpose()?)
    }

    /// Lets bytes of the application ride with the next record.
    pub(super) fn keep_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.riding.put(kept_key(name), bytes);
    }

    /// What the application kept last.
    pub(super) fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, LogError> {
        self.row(&kept_key(name))
    }

    /// A row as it will be after the next record.
    fn row(&self, row: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        let riding = self.riding.ops().iter().rev().find_map(|op| match op {
            xln_storage::WriteOp::Put { key, value } if key == row => Some(value.clone()),
            _ => None,
        });
        if riding.is_some() { Ok(riding) } else { Ok(self.storage.get(row)?) }
    }

    pub(super) const fn storage(&self) -> &S {
        &self.storage
    }

    pub(super) fn into_storage(self) -> S {
        self.storage
    }

    /// Refuses a record that would sign backwards, and notes what it signs.
    fn guard(&self, record: &Record, batch: &mut WriteBatch) -> Result<(), LogError> {
        let mut latest: BTreeMap<Hash, (Nonce, Hash)> = BTreeMap::new();
        for signed in &record.signed {
            let stored = match latest.get(&signed.channel) {
                Some(known) => Some(*known),
                None => self.signed(&signed.channel)?,
            };
            if let Some((nonce, digest)) = stored {
                let again = nonce == signed.nonce && digest == signed.digest;
                if signed.nonce <= nonce && !again {
                    let (channel, found) = (signed.channel, signed.nonce);
                    return Err(LogError::StaleNonce { channel, stored: nonce, found });
                }
            }
            latest.insert(signed.channel, (signed.nonce, signed.digest));
        }
        for (channel, (nonce, digest)) in latest {
            batch.put(nonce_key(&channel), [nonce.0.to_be_bytes().as_slice(), digest.as_bytes()].concat());
        }
        Ok(())
    }

    /// The greatest nonce that was signed for a channel, and its digest.
    pub(super) fn signed(&self, channel: &Hash) -> Result<Option<(Nonce, Hash)>, LogError> {
        let Some(bytes) = self.storage.get(&nonce_key(channel))? else { return Ok(None) };
        let parsed = bytes.split_first_chunk::<8>().and_then(|(nonce, digest)| {
            Some((Nonce(u64::from_be_bytes(*nonce)), Hash(<[u8; 32]>::try_from(digest).ok()?)))
        });
        parsed.map(Some).ok_or(LogError::Codec(codec::CodecError::Malformed))
    }
}

impl<S: Storage> Log for StoreLog<S> {
    type Error = LogError;

    fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let mut batch = WriteBatch::new();
        self.guard(record, &mut batch)?;
        batch.append(std::mem::take(&mut self.riding));
        batch.put(record_key(record.seq), record.encode()?);
        self.storage.write(batch)?;
        self.newest = record.seq;
        Ok(())
    }
}

/// The row that says that a store was filled from a backup.
pub(super) fn restored_marker() -> (&'static [u8], &'static [u8]) {
    (RESTORED, &[1])
}

fn record_key(seq: u64) -> Vec<u8> {
    [[RECORD].as_slice(), &seq.to_be_bytes()].concat()
}

fn nonce_key(channel: &Hash) -> Vec<u8> {
    [[NONCE].as_slice(), channel.as_bytes()].concat()
}

fn kept_key(name: &str) -> Vec<u8> {
    [[KEPT].as_slice(), name.as_bytes()].concat()
}

fn history_key(channel: &Hash, key: &SubchannelKey, body: &Hash) -> Vec<u8> {
    let chain = key.chain.0.to_be_bytes();
    [[HISTORY].as_slice(), channel.as_bytes(), &chain, key.depository.as_bytes(), body.as_bytes()].concat()
}

fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, LogError> {
    let (seq, rest) = bytes.split_first_chunk::<8>().ok_or(codec::CodecError::Malformed)?;
    Ok(Snapshot { seq: u64::from_be_bytes(*seq), bytes: rest.to_vec() })
}
