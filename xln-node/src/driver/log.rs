//! The machine's log on a store: records, the last snapshot, the nonces that were signed, and the history of agreed
//! states. One record is one atomic write; everything else that must be stored rides along with it.

use xln_core::codec;
use xln_core::commitment::Evidence;
use xln_core::machine::{Log, Record, Snapshot};
use xln_core::map::Map;
use xln_core::types::{EntityId, Hash, Nonce, Pair, SubchannelKey};
use xln_merkle::Keccak256;
use xln_storage::{Row, Storage, WriteBatch, WriteOp, rows};

use super::error::LogError;

/// Version of the rows' layout, pinned in the store.
pub const FORMAT_VERSION: u32 = 2;

/// Bytes of a row's checksum. It finds damage, not malice: who can write to the store has the node.
const CHECKSUM: usize = 16;

const RECORD: u8 = b'r';
/// Position of the last record: without it an engine that loses its newest rows would not be noticed.
pub(crate) const LAST: &[u8] = b"l";
const SNAPSHOT: &[u8] = b"s";
const NONCE: u8 = b'n';
const HISTORY: u8 = b'h';
/// What the application around the node keeps, such as the place that a watcher has come to.
const KEPT: u8 = b'k';
/// Present from the import of a backup until the node was opened on it.
const RESTORED: &[u8] = b"b";
const PAGE_ROWS: usize = 256;

/// What is written for a machine's records, and where: everything of a log but the writing, so that stores which one waits
/// for and stores which one awaits hold the same rows.
#[derive(Debug)]
pub(crate) struct Layout {
    entity: EntityId,
    /// Written with the next record: history of states that became agreed, and a due snapshot with what it replaces.
    riding: WriteBatch,
    /// First record that the store still holds.
    oldest: u64,
    newest: u64,
}

/// What a store holds of a machine.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) records: Vec<Record>,
    pub(crate) from_backup: bool,
}

/// Puts a row with a checksum over key and value: engines do not find every flipped bit, and what a record asks for without
/// an effect, or a snapshot holds without a signature, would be taken as it is.
fn put(batch: &mut WriteBatch, key: &[u8], value: &[u8]) {
    batch.put(key, [value, &checksum(key, value)].concat());
}

/// A row's value as it was put, if its checksum fits.
pub(crate) fn unseal(key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, LogError> {
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
    /// Reads everything that a restore needs: `get` gives a row, `scan` all rows under a prefix from a key on, in order.
    pub(crate) fn load<E>(
        get: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, E>,
        scan: impl Fn(&[u8], &[u8]) -> Result<Vec<Row>, E>,
    ) -> Result<Self, LogError>
    where
        LogError: From<E>,
    {
        let checked = |key: &[u8]| -> Result<Option<Vec<u8>>, LogError> {
            get(key)?.map(|sealed| unseal(key, sealed)).transpose()
        };
        let mut stored = Self { from_backup: get(RESTORED)?.is_some(), ..Self::default() };
        if let Some(bytes) = checked(SNAPSHOT)? {
            stored.snapshot = Some(decode_snapshot(&bytes)?);
        }
        let after = stored.snapshot.as_ref().map_or(0, |s| s.seq);
        for (key, value) in scan(&[RECORD], &record_key(after.saturating_add(1)))? {
            let record = Record::decode(&unseal(&key, value)?)?;
            // In another's place it would be read now, and stay there when a snapshot replaces it.
            if key != record_key(record.seq) {
                return Err(codec::CodecError::Malformed.into());
            }
            stored.records.push(record);
        }
        let newest = stored.records.last().map_or(after, |record| record.seq);
        let last = checked(LAST)?.map_or(Ok(0), |bytes| {
            bytes.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| codec::CodecError::Malformed)
        })?;
        // A backup's own checksum covers its rows, and its import leaves the position out: so a mark that is lost is noticed.
        if !stored.from_backup && last != newest {
            return Err(LogError::Incomplete { last, found: newest });
        }
        Ok(stored)
    }

    /// [`Stored::load`] from a store that one waits for.
    pub(super) fn read<S: Storage>(storage: &S) -> Result<Self, LogError> {
        Self::load(
            |key| storage.get(key),
            |prefix, from| rows(storage, prefix, Some(from), PAGE_ROWS).collect::<Result<_, _>>(),
        )
    }
}

/// The greatest nonce that was signed in each channel, with its digest.
pub(super) fn signed_nonces<S: Storage>(storage: &S) -> Result<Map<Hash, (Nonce, Hash)>, LogError> {
    let mut signed = Map::new();
    for row in rows(storage, NONCES, None, PAGE_ROWS) {
        let (key, value) = row?;
        let channel = key.get(1..).and_then(|rest| <[u8; 32]>::try_from(rest).ok());
        let value = decode_nonce(&key, value)?;
        signed.insert(Hash(channel.ok_or(codec::CodecError::Malformed)?), value);
    }
    Ok(signed)
}

/// The evidence of every state that was ever agreed.
pub(super) fn agreed<S: Storage>(storage: &S) -> Result<Vec<Evidence>, LogError> {
    let rows = rows(storage, &[HISTORY], None, PAGE_ROWS);
    rows.map(|row| {
        let (key, value) = row?;
        Ok(codec::decode_trusted_length(&unseal(&key, value)?)?)
    })
    .collect()
}

impl Layout {
    /// The rows of `entity`'s store.
    pub(crate) const fn new(entity: EntityId) -> Self {
        Self { entity, riding: WriteBatch::new(), oldest: 1, newest: 0 }
    }

    /// Reads everything that a restore needs: `get` gives a row, `scan` all rows under a prefix from a key on, in order.
    pub(crate) fn load<E>(
        &mut self,
        get: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, E>,
        scan: impl Fn(&[u8], &[u8]) -> Result<Vec<Row>, E>,
    ) -> Result<Stored, LogError>
    where
        LogError: From<E>,
    {
        let stored = Stored::load(get, scan)?;
        let after = stored.snapshot.as_ref().map_or(0, |s| s.seq);
        self.oldest = after.saturating_add(1);
        self.newest = stored.records.last().map_or(after, |r| r.seq);
        if stored.from_backup {
            self.riding.delete(RESTORED);
        }
        Ok(stored)
    }

    /// Lets the history of agreed states ride with the next record. Until then a restore finds them again by replaying.
    pub(crate) fn keep(&mut self, agreed: &[(EntityId, Evidence)]) -> Result<(), LogError> {
        for (peer, evidence) in agreed {
            let Ok(pair) = Pair::new(self.entity, *peer) else { continue };
            let key = history_key(&pair.channel_key(), &evidence.key, &evidence.body_hash());
            put(&mut self.riding, &key, &codec::encode(evidence)?);
        }
        Ok(())
    }

    /// Lets a snapshot ride with the next record, and the records that it replaces go.
    pub(crate) fn keep_snapshot(&mut self, snapshot: &Snapshot) {
        let mut bytes = snapshot.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&snapshot.bytes);
        put(&mut self.riding, SNAPSHOT, &bytes);
        for seq in self.oldest..=snapshot.seq {
            self.riding.delete(record_key(seq));
        }
        self.oldest = snapshot.seq.saturating_add(1);
    }

    /// Number of records that a restore would replay.
    pub(crate) fn unsnapped(&self) -> u64 {
        self.newest.saturating_add(1).saturating_sub(self.oldest)
    }

    /// Lets bytes of the application ride with the next record.
    pub(crate) fn keep_bytes(&mut self, name: &str, bytes: &[u8]) {
        put(&mut self.riding, &kept_key(name), bytes);
    }

    /// What the application kept for a step that failed does not ride with another one.
    pub(crate) fn drop_kept(&mut self) {
        let ops = std::mem::take(&mut self.riding).into_ops().into_iter();
        self.riding = ops.filter(|op| !matches!(op, WriteOp::Put { key, .. } if key.first() == Some(&KEPT))).collect();
    }

    /// What the next record will put into a row, with its checksum.
    pub(crate) fn riding(&self, row: &[u8]) -> Option<&Vec<u8>> {
        self.riding.ops().iter().rev().find_map(|op| match op {
            WriteOp::Put { key, value } if key == row => Some(value),
            _ => None,
        })
    }

    /// What the next record will put into all rows under a prefix, with their checksums.
    pub(crate) fn riding_under(&self, prefix: &[u8]) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.riding.ops().iter().filter_map(move |op| match op {
            WriteOp::Put { key, value } if key.starts_with(prefix) => Some((key, value)),
            _ => None,
        })
    }

    /// The batch that stores a record, with all that rides along. Refuses a record that would sign backwards; `stored` gives
    /// the row of a channel's greatest nonce.
    pub(crate) fn batch(
        &mut self,
        record: &Record,
        stored: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, LogError>,
    ) -> Result<WriteBatch, LogError> {
        let mut batch = WriteBatch::new();
        let mut latest: Map<Hash, (Nonce, Hash)> = Map::new();
        for signed in &record.signed {
            let known = match latest.get(&signed.channel) {
                Some(known) => Some(*known),
                None => {
                    let key = nonce_key(&signed.channel);
                    stored(&key)?.map(|row| decode_nonce(&key, row)).transpose()?
                }
            };
            if let Some((nonce, digest)) = known {
                let again = nonce == signed.nonce && digest == signed.digest;
                if signed.nonce <= nonce && !again {
                    let (channel, found) = (signed.channel, signed.nonce);
                    return Err(LogError::StaleNonce { channel, stored: nonce, found });
                }
            }
            latest.insert(signed.channel, (signed.nonce, signed.digest));
        }
        for (channel, (nonce, digest)) in latest {
            put(&mut batch, &nonce_key(&channel), &[nonce.0.to_be_bytes().as_slice(), digest.as_bytes()].concat());
        }
        batch.append(std::mem::take(&mut self.riding));
        put(&mut batch, &record_key(record.seq), &record.encode()?);
        put(&mut batch, LAST, &record.seq.to_be_bytes());
        Ok(batch)
    }

    /// The batch of this record is durable.
    pub(crate) const fn stored(&mut self, record: u64) {
        self.newest = record;
    }
}

/// [`Log`] on a [`Storage`], with the guard of the one invariant in the store itself.
#[derive(Debug)]
pub struct StoreLog<S> {
    storage: S,
    layout: Layout,
}

impl<S: Storage> StoreLog<S> {
    /// A log on a store that belongs to `entity`. [`Node::open`](super::Node::open) makes its own; this is for who drives a
    /// machine without a node.
    #[must_use]
    pub const fn new(storage: S, entity: EntityId) -> Self {
        Self { storage, layout: Layout::new(entity) }
    }

    /// Reads everything that a restore needs.
    pub(super) fn load(&mut self) -> Result<Stored, LogError> {
        let Self { storage, layout } = self;
        layout.load(
            |key| storage.get(key),
            |prefix, from| rows(storage, prefix, Some(from), PAGE_ROWS).collect::<Result<_, _>>(),
        )
    }

    /// What rides with the next record.
    pub(super) const fn layout(&mut self) -> &mut Layout {
        &mut self.layout
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

    /// What the application kept last.
    pub(super) fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, LogError> {
        self.row(&kept_key(name))
    }

    /// A row as it will be after the next record.
    fn row(&self, row: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        let sealed = match self.layout.riding(row) {
            Some(riding) => Some(riding.clone()),
            None => self.storage.get(row)?,
        };
        sealed.map(|sealed| unseal(row, sealed)).transpose()
    }

    pub(super) const fn storage(&self) -> &S {
        &self.storage
    }

    pub(super) fn into_storage(self) -> S {
        self.storage
    }

    /// The greatest nonce that was signed for a channel, and its digest.
    ///
    /// # Errors
    /// What the store reports, or [`LogError::Damaged`].
    pub fn signed(&self, channel: &Hash) -> Result<Option<(Nonce, Hash)>, LogError> {
        let key = nonce_key(channel);
        self.storage.get(&key)?.map(|row| decode_nonce(&key, row)).transpose()
    }
}

impl<S: Storage> Log for StoreLog<S> {
    type Error = LogError;

    fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let Self { storage, layout } = self;
        let batch = layout.batch(record, |key| Ok(storage.get(key)?))?;
        storage.write(batch)?;
        layout.stored(record.seq);
        Ok(())
    }
}

/// Whether an import leaves a row of a backup out.
pub(crate) fn is_left_out(key: &[u8]) -> bool {
    key == LAST
}

/// The row that says that a store was filled from a backup.
pub(crate) fn restored_marker() -> (&'static [u8], &'static [u8]) {
    (RESTORED, &[1])
}

fn record_key(seq: u64) -> Vec<u8> {
    [[RECORD].as_slice(), &seq.to_be_bytes()].concat()
}

fn nonce_key(channel: &Hash) -> Vec<u8> {
    [[NONCE].as_slice(), channel.as_bytes()].concat()
}

pub(crate) fn kept_key(name: &str) -> Vec<u8> {
    [[KEPT].as_slice(), name.as_bytes()].concat()
}

pub(crate) fn history_key(channel: &Hash, key: &SubchannelKey, body: &Hash) -> Vec<u8> {
    let chain = key.chain.0.to_be_bytes();
    [[HISTORY].as_slice(), channel.as_bytes(), &chain, key.depository.as_bytes(), body.as_bytes()].concat()
}

/// Prefix of a channel's history, all subchannels.
pub(crate) fn history_prefix(channel: &Hash) -> Vec<u8> {
    [[HISTORY].as_slice(), channel.as_bytes()].concat()
}

/// Prefix of the nonces' rows.
pub(crate) const NONCES: &[u8] = &[NONCE];

fn decode_nonce(key: &[u8], sealed: Vec<u8>) -> Result<(Nonce, Hash), LogError> {
    let row = unseal(key, sealed)?;
    let parsed = row.split_first_chunk::<8>().and_then(|(nonce, digest)| {
        Some((Nonce(u64::from_be_bytes(*nonce)), Hash(<[u8; 32]>::try_from(digest).ok()?)))
    });
    parsed.ok_or(LogError::Codec(codec::CodecError::Malformed))
}

fn decode_snapshot(bytes: &[u8]) -> Result<Snapshot, LogError> {
    let (seq, rest) = bytes.split_first_chunk::<8>().ok_or(codec::CodecError::Malformed)?;
    Ok(Snapshot { seq: u64::from_be_bytes(*seq), bytes: rest.to_vec() })
}
