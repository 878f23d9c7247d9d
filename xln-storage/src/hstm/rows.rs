//! Keys and bytes of the stored rows. Everything is big-endian, and every row carries a checksum that also covers the
//! machine's prefix and the row's kind, so a row copied from elsewhere does not pass.
//!
//! Under the prefix: `0x00` the head; `0x01 || height` an entry; `0x02 || height` a snapshot's index;
//! `0x03 || height` a snapshot's state.

use xln_merkle::{Hash, Keccak256};

use super::error::Corruption;

/// Version of the layout, first byte of the head.
const VERSION: u8 = 1;

/// The kind of a row: the first byte after the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Head,
    Entry,
    SnapIndex,
    SnapState,
}

impl Kind {
    const fn tag(self) -> u8 {
        match self {
            Self::Head => 0,
            Self::Entry => 1,
            Self::SnapIndex => 2,
            Self::SnapState => 3,
        }
    }
}

/// A place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Height of the entry; 0 before the first.
    pub height: u64,
    /// Its time in unix seconds; 0 before the first.
    pub time_s: u64,
    /// Chain hash: commits to this entry and all before it.
    pub hash: Hash,
}

/// A position is `u64 height || u64 time || hash`.
const POSITION_BYTES: usize = 48;

impl Position {
    fn encode(&self) -> [u8; POSITION_BYTES] {
        let mut bytes = [0; POSITION_BYTES];
        let parts = self.height.to_be_bytes().into_iter().chain(self.time_s.to_be_bytes()).chain(self.hash);
        bytes.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    fn decode(bytes: &[u8; POSITION_BYTES]) -> Option<Self> {
        let (height, rest) = bytes.split_first_chunk()?;
        let (time_s, rest) = rest.split_first_chunk()?;
        let hash = rest.try_into().ok()?;
        Some(Self { height: u64::from_be_bytes(*height), time_s: u64::from_be_bytes(*time_s), hash })
    }
}

/// Where the journal begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) base: Position,
    pub(super) tip: Position,
}

/// What the index says of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SnapIndex {
    pub(super) position: Position,
    pub(super) state_hash: Hash,
}

/// An entry's row, checked.
pub(super) struct EntryRow<'a> {
    pub(super) position: Position,
    /// Chain hash of the entry before.
    pub(super) previous: Hash,
    pub(super) body: &'a [u8],
}

/// Builds and reads the rows of one machine.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: Vec<u8>,
}

impl Layout {
    pub(super) fn new(prefix: &[u8]) -> Self {
        Self { prefix: prefix.to_vec() }
    }

    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// What all keys of `kind` begin with.
    pub(super) fn section(&self, kind: Kind) -> Vec<u8> {
        [self.prefix.as_slice(), &[kind.tag()]].concat()
    }

    pub(super) fn key(&self, kind: Kind, height: u64) -> Vec<u8> {
        [self.prefix.as_slice(), &[kind.tag()], &height.to_be_bytes()].concat()
    }

    /// The height at the end of a key of `kind`.
    pub(super) fn height(&self, kind: Kind, key: &[u8]) -> Option<u64> {
        let height = key.strip_prefix(self.section(kind).as_slice())?;
        Some(u64::from_be_bytes(height.try_into().ok()?))
    }

    /// `keccak256("xln/hstm" || kind || u16 prefix length || prefix || parts…)`; the parts have fixed lengths but the last.
    fn checksum(&self, kind: Kind, parts: &[&[u8]]) -> Hash {
        let mut hasher = Keccak256::new();
        hasher.update(b"xln/hstm");
        hasher.update(&[kind.tag()]);
        // Keys are short (`MAX_KEY_BYTES`), so the length always fits.
        hasher.update(&u16::try_from(self.prefix.len()).unwrap_or(u16::MAX).to_be_bytes());
        hasher.update(&self.prefix);
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }

    /// The position before the first entry.
    pub(super) fn genesis(&self) -> Position {
        Position { height: 0, time_s: 0, hash: self.checksum(Kind::Entry, &[]) }
    }

    /// Head: `version || base || tip || checksum`.
    pub(super) fn encode_head(&self, head: &Head) -> Vec<u8> {
        let body = [[VERSION].as_slice(), &head.base.encode(), &head.tip.encode()].concat();
        let checksum = self.checksum(Kind::Head, &[&body]);
        [body.as_slice(), &checksum].concat()
    }

    pub(super) fn decode_head(&self, bytes: &[u8]) -> Option<Head> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        let (version, positions) = body.split_first()?;
        let (base, tip) = positions.split_first_chunk()?;
        let head = Head { base: Position::decode(base)?, tip: Position::decode(tip.try_into().ok()?)? };
        let sound = *version == VERSION && self.checksum(Kind::Head, &[body]) == *checksum;
        (sound && head.base.height <= head.tip.height).then_some(head)
    }

    /// The position of an entry that follows `previous`.
    pub(super) fn follow(&self, previous: &Hash, height: u64, time_s: u64, body: &[u8]) -> Position {
        let hash = self.checksum(Kind::Entry, &[previous, &height.to_be_bytes(), &time_s.to_be_bytes(), body]);
        Position { height, time_s, hash }
    }

    /// Entry: `u64 time || hash of the entry before || hash || body`.
    pub(super) fn encode_entry(position: &Position, previous: &Hash, body: &[u8]) -> Vec<u8> {
        [position.time_s.to_be_bytes().as_slice(), previous, &position.hash, body].concat()
    }

    pub(super) fn decode_entry<'a>(&self, height: u64, bytes: &'a [u8]) -> Result<EntryRow<'a>, Corruption> {
        let split = || {
            let (time_s, rest) = bytes.split_first_chunk()?;
            let (previous, rest) = rest.split_first_chunk()?;
            let (hash, body) = rest.split_first_chunk::<32>()?;
            Some((u64::from_be_bytes(*time_s), *previous, *hash, body))
        };
        let (time_s, previous, hash, body) = split().ok_or(Corruption::Entry)?;
        let position = self.follow(&previous, height, time_s, body);
        if position.hash == hash { Ok(EntryRow { position, previous, body }) } else { Err(Corruption::Entry) }
    }

    pub(super) fn state_hash(&self, bytes: &[u8]) -> Hash {
        self.checksum(Kind::SnapState, &[bytes])
    }

    /// Snapshot index: `position || state hash || checksum`.
    pub(super) fn encode_index(&self, index: &SnapIndex) -> Vec<u8> {
        let body = [index.position.encode().as_slice(), &index.state_hash].concat();
        let checksum = self.checksum(Kind::SnapIndex, &[&body]);
        [body.as_slice(), &checksum].concat()
    }

    pub(super) fn decode_index(&self, height: u64, bytes: &[u8]) -> Option<SnapIndex> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        let (position, state_hash) = body.split_first_chunk()?;
        let position = Position::decode(position)?;
        let sound = self.checksum(Kind::SnapIndex, &[body]) == *checksum && position.height == height;
        let state_hash = state_hash.try_into().ok()?;
        sound.then_some(SnapIndex { position, state_hash })
    }
}
