//! A header that says whose store this is, checked before anything else is read: a node started with the wrong folder
//! or configuration stops instead of signing from another entity's state.

use xln_compact::Set;
use xln_merkle::keccak256;

use crate::batch::WriteBatch;
use crate::error::{PinField, StorageError};
use crate::storage::{Row, Storage};

/// Where the header of a [`Pinned`] store lives. User keys may not equal it.
pub const HEADER_KEY: &[u8] = b"\0xln/pins";
/// First bytes of an encoded header; the version of the *header's* layout, not of the data.
const MAGIC: &[u8] = b"xlnpins1";

/// One Depository on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Depository {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract's address.
    pub address: [u8; 20],
}

/// What a store belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Version of the format of the data above the storage contract; its owner counts it up.
    pub format_version: u32,
    /// The entity whose store it is.
    pub entity: [u8; 32],
    /// The depositories that the entity's channels may use.
    pub depositories: Set<Depository>,
}

impl Pins {
    /// What a store says that it is pinned to; `None` if it has no header. For tools that look into any store.
    ///
    /// # Errors
    /// [`StorageError::HeaderCorrupt`], or what the store reports.
    pub fn read<S: Storage>(storage: &S) -> Result<Option<Self>, StorageError> {
        let header = storage.get(HEADER_KEY)?;
        header.map(|bytes| Self::decode(&bytes).ok_or(StorageError::HeaderCorrupt)).transpose()
    }

    /// Refuses the first field that differs from what the store says.
    fn expect(&self, stored: &Self) -> Result<(), StorageError> {
        let field = if stored.format_version != self.format_version {
            PinField::FormatVersion
        } else if stored.entity != self.entity {
            PinField::EntityId
        } else if stored.depositories != self.depositories {
            PinField::Depositories
        } else {
            return Ok(());
        };
        Err(StorageError::PinMismatch { field })
    }

    /// `MAGIC || u32 version || entity || n * (u64 chain id || address) || keccak256 of all before`, big-endian.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, &self.format_version.to_be_bytes(), &self.entity].concat();
        for Depository { chain_id, address } in &self.depositories {
            bytes.extend(chain_id.to_be_bytes());
            bytes.extend(address);
        }
        let checksum = keccak256(&bytes);
        bytes.extend(checksum);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        if keccak256(body) != *checksum {
            return None;
        }
        let (format_version, body) = body.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (entity, body) = body.split_first_chunk()?;
        let mut depositories = Set::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (chain_id, tail) = rest.split_first_chunk()?;
            let (address, tail) = tail.split_first_chunk()?;
            depositories.insert(Depository { chain_id: u64::from_be_bytes(*chain_id), address: *address });
            rest = tail;
        }
        Some(Self { format_version: u32::from_be_bytes(*format_version), entity: *entity, depositories })
    }
}

/// A store whose header was checked. It is a store itself; the header's row cannot be seen or changed through it.
#[derive(Debug)]
pub struct Pinned<S> {
    storage: S,
    pins: Pins,
}

impl<S: Storage> Pinned<S> {
    /// Checks that `storage` is pinned to exactly `expected`; an empty store is pinned to it now.
    ///
    /// # Errors
    /// [`StorageError::PinMismatch`] with the first field that differs, [`StorageError::Unpinned`] if there is data
    /// without a header, [`StorageError::HeaderCorrupt`], or what the store reports.
    pub fn open(storage: S, expected: &Pins) -> Result<Self, StorageError> {
        match storage.get(HEADER_KEY)? {
            Some(bytes) => expected.expect(&Pins::decode(&bytes).ok_or(StorageError::HeaderCorrupt)?)?,
            None if storage.scan(&[], None, 1)?.is_empty() => storage.put(HEADER_KEY, &expected.encode())?,
            None => return Err(StorageError::Unpinned),
        }
        Ok(Self { storage, pins: expected.clone() })
    }

    /// What the store is pinned to.
    #[must_use]
    pub const fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Allows one more depository, durably. From now on it belongs to what must be expected at open.
    ///
    /// # Errors
    /// As [`Storage::write`].
    pub fn pin_depository(&mut self, depository: Depository) -> Result<(), StorageError> {
        let mut pins = self.pins.clone();
        if pins.depositories.insert(depository) {
            self.storage.put(HEADER_KEY, &pins.encode())?;
            self.pins = pins;
        }
        Ok(())
    }

    /// The store beneath.
    pub fn into_storage(self) -> S {
        self.storage
    }
}

impl<S: Storage> Storage for Pinned<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if key == HEADER_KEY { Err(StorageError::ReservedKey) } else { self.storage.get(key) }
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        let start = from.unwrap_or(prefix).max(prefix);
        if limit == 0 || !HEADER_KEY.starts_with(prefix) || HEADER_KEY < start {
            return self.storage.scan(prefix, from, limit);
        }
        let mut rows = self.storage.scan(prefix, from, limit.saturating_add(1))?;
        rows.retain(|(key, _)| key != HEADER_KEY);
        rows.truncate(limit);
        Ok(rows)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        if batch.ops().iter().any(|op| op.key() == HEADER_KEY) {
            return Err(StorageError::ReservedKey);
        }
        self.storage.write(batch)
    }
}
