//! The machine's log on a store: records, the last snapshot, the nonces that were signed, and the history of agreed
//! states. One record is one atomic write; everything else that must be stored rides along with it.

use std::collections::BTreeMap;

use xln_core::codec;
use xln_core::commitment::Evidence;
use xln_core::machine::{Log, Record, Snapshot};
use xln_core::types::{EntityId, Hash, Nonce, Pair, SubchannelKey};
use xln_merkle::Keccak256;
use xln_storage::{Storage, WriteBatch, rows};

use super::error::LogError;

/// Version of the rows' layout, pinned in the store.
pub const FORMAT_VERSION: u32 = 2;

/// Bytes of a row's checksum. It finds damage, not malice: who can write to the store has the node.
const CHECKSUM: usize = 16;

const RECORD: u8 = b'r';
/// Position of the last record: without it an engine that loses its newest rows would not be noticed.
const LAST: &[u8] = b"l";
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

/// Puts a row with a checksum over key and value: engines do not find every flipped bit, and what a record asks for without
/// an effect, or a snapshot holds without a signature, would be taken as it is.
fn put(batch: &mut WriteBatch, key: &[u8], value: &[u8]) {
    batch.put(key, [value, &checksum(key, value)].concat());
}

/// A row's value, checked.
fn get<S: Storage>(storage: &S, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
    storage.get(key)?.map(|sealed| unseal(key, sealed)).transpose()
}

fn unseal(key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, LogError> {
    let fits = sealed.split_last_chunk::<CHECKSUM>().is_some_and(|(value, found)| *found == checksum(key, value));
    if !fits {
        return Err(LogError::Damaged { row: key.first().copied().unwrap_or_default() });
    }
    sealed.truncate(sealed.len().saturating_sub(CHECKSUM));
    Ok(sealed)
}

/// The first bytes of keccak256 over the key's length, the key and the value.
fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = Keccak256::new();
    hasher.update(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let hash: [u8; 32] = hasher.finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

impl Stored {
    pub(super) fn read<S: Storage>(storage: &S) -> Result<Self, LogError> {
        let mut stored = Self { from_backup: storage.get(RESTORED)?.is_some(), ..Self::default() };
        if let Some(bytes) = get(storage, SNAPSHOT)? {
            stored.snapshot = Some(decode_snapshot(&bytes)?);
        }
        let after = stored.snapshot.as_ref().map_or(0, |s| s.seq);
        let from = record_key(after.saturating_add(1));
        for row in rows(storage, &[RECORD], Some(&from), PAGE_ROWS) {
            let (key, value) = row?;
            stored.records.push(Record::decode(&unseal(&key, value)?)?);
        }
        let newest = stored.records.last().map_or(after, |record| record.seq);
        let last = get(storage, LAST)?.map_or(Ok(0), |bytes| {
            bytes.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| codec::CodecError::Malformed)
        })?;
        // A backup's own checksum covers its rows, and its import leaves the position out: so a mark that is lost is noticed.
        if !stored.from_backup && last != newest {
            return Err(LogError::Incomplete { last, found: newest });
        }
        Ok(stored)
    }
}

/// The greatest nonce that was signed in each channel, with its digest.
pub(super) fn signed_nonces<S: Storage>(storage: &S) -> Result<BTreeMap<Hash, (Nonce, Hash)>, LogError> {
    let mut signed = BTreeMap::new();
    for row in rows(storage, &[NONCE], None, PAGE_ROWS) {
        let (key, value) = row?;
        let channel = key.get(1..).and_then(|rest| <[u8; 32]>::try_from(rest).ok());
        let value = unseal(&key, value)?;
        signed.insert(Hash(channel.ok_or(codec::CodecError::Malformed)?), decode_signed(&value)?);
    }
    Ok(signed)
}

fn decode_signed(bytes: &[u8]) -> Result<(Nonce, Hash), LogError> {
    let parsed = bytes.split_first_chunk::<8>().and_then(|(nonce, digest)| {
        Some((Nonce(u64::from_be_bytes(*nonce)), Hash(<[u8; 32]>::try_from(digest).ok()?)))
    });
    parsed.ok_or(LogError::Codec(codec::CodecError::Malformed))
}

impl<S: Storage> StoreLog<S> {
    /// A log on a store that belongs to `entity`.
    pub(super) fn new(storage: S, entity: EntityId) -> Self {
        Self { storage, entity, riding: WriteBatch::new(), oldest: 1, newest: 0 }
    }

    /// Reads everything that a restore needs.
    pub(super) fn load(&mut self) -> Result<Stored, LogError> {
        let stored = Stored::read(&self.storage)?;
        let after = stored.snapshot.as_ref().map_or(0, |s| s.seq);
        self.oldest = after.saturating_add(1);
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
            put(&mut self.riding, &key, &codec::encode(evidence)?);
        }
        Ok(())
    }

    /// Lets a snapshot ride with the next record, and the records that it replaces go.
    pub(super) fn keep_snapshot(&mut self, snapshot: &Snapshot) {
        let mut bytes = snapshot.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&snapshot.bytes);
        put(&mut self.riding, SNAPSHOT, &bytes);
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
        put(&mut self.riding, &kept_key(name), bytes);
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
        match riding {
            Some(sealed) => Ok(Some(unseal(row, sealed)?)),
            None => get(&self.storage, row),
        }
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
            put(batch, &nonce_key(&channel), &[nonce.0.to_be_bytes().as_slice(), digest.as_bytes()].concat());
        }
        Ok(())
    }

    /// The greatest nonce that was signed for a channel, and its digest.
    pub(super) fn signed(&self, channel: &Hash) -> Result<Option<(Nonce, Hash)>, LogError> {
        get(&self.storage, &nonce_key(channel))?.map(|bytes| decode_signed(&bytes)).transpose()
    }
}

impl<S: Storage> Log for StoreLog<S> {
    type Error = LogError;

    fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let mut batch = WriteBatch::new();
        self.guard(record, &mut batch)?;
        batch.append(std::mem::take(&mut self.riding));
        put(&mut batch, &record_key(record.seq), &record.encode()?);
        put(&mut batch, LAST, &record.seq.to_be_bytes());
        self.storage.write(batch)?;
        self.newest = record.seq;
        Ok(())
    }
}

/// Whether an import leaves a row of a backup out.
pub(super) fn is_left_out(key: &[u8]) -> bool {
    key == LAST
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
