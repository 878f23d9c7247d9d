//! Opening, appending and the present state.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::cache::{Cache, Placed};
use super::error::{Corruption, HstmError};
use super::history::Replayed;
use super::rows::{Head, Kind, Layout, Position, SnapIndex};
use super::{Snap, Stamped, StateMachine};
use crate::batch::WriteBatch;
use crate::error::StorageError;
use crate::storage::{Storage, rows};

/// Rows per page when reading the journal or the snapshots' index.
pub(super) const PAGE_ROWS: usize = 256;

/// How often to take snapshots and how much to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HstmOptions {
    /// Take a snapshot in the same batch when this many entries follow the last one; `None`: only on demand. It bounds
    /// how many entries an open and a look into the past replay.
    pub snapshot_every: Option<NonZeroU64>,
    /// States to keep in memory beside the present one; 0 for none.
    pub cached_states: usize,
}

impl Default for HstmOptions {
    /// A snapshot every 128 entries, 16 cached states.
    fn default() -> Self {
        Self { snapshot_every: NonZeroU64::new(128), cached_states: 16 }
    }
}

/// The Hierarchical State-Time Machine: a journal of entries, snapshots, and the present state, in a [`Storage`] under
/// a prefix of the caller's choice. Several machines share a store under prefixes of which none begins another.
///
/// Every entry carries the hash of the one before, so a change or a gap anywhere is found when it is read, and the head
/// row names the last entry, so a lost end is found at open. Reading replays from the nearest snapshot and checks each
/// step; [`Hstm::verify`] checks everything.
#[derive(Debug)]
pub struct Hstm<M: StateMachine, S> {
    pub(super) machine: M,
    pub(super) storage: S,
    pub(super) layout: Layout,
    pub(super) options: HstmOptions,
    pub(super) base: Position,
    pub(super) present: Placed<M::State>,
    pub(super) snaps: BTreeMap<u64, SnapIndex>,
    /// Entries since the last snapshot or the base.
    pub(super) unsnapped: u64,
    pub(super) cache: Cache<M::State>,
    pub(super) in_doubt: bool,
}

impl<M: StateMachine, S: Storage> Hstm<M, S> {
    /// Opens the machine under `prefix`, or makes one at genesis if there is no row. Reads the snapshots' index and
    /// replays and checks the entries after the last snapshot.
    ///
    /// # Errors
    /// [`HstmError::Corrupt`], [`HstmError::Machine`] if stored bytes do not decode or apply, [`HstmError::Storage`].
    pub fn open(machine: M, storage: S, prefix: &[u8], options: HstmOptions) -> Result<Self, HstmError<M::Error>> {
        let mut hstm = Self::at_genesis(machine, storage, prefix, options);
        let Some(bytes) = hstm.storage.get(&hstm.layout.section(Kind::Head))? else {
            if hstm.holds_rows()? {
                return Err(HstmError::Corrupt { height: 0, what: Corruption::Head });
            }
            return Ok(hstm);
        };
        let head = hstm.layout.decode_head(&bytes);
        let Head { base, tip } = head.ok_or(HstmError::Corrupt { height: 0, what: Corruption::Head })?;
        hstm.base = base;
        hstm.snaps = hstm.load_index()?;
        hstm.present.position = tip;
        let Replayed { placed, applied } = hstm.replay(hstm.start_below(|_| true)?, |_| false)?;
        hstm.unsnapped = applied;
        hstm.present = placed;
        Ok(hstm)
    }

    /// Makes a machine that begins with `snap`, for instance one received from a backup or a peer and checked there. The
    /// snapshot becomes its base: history before it is [`HstmError::Pruned`].
    ///
    /// # Errors
    /// [`HstmError::NotEmpty`] if there are rows under `prefix`, [`HstmError::Storage`].
    pub fn restore(
        machine: M,
        storage: S,
        prefix: &[u8],
        options: HstmOptions,
        snap: Snap<M::State>,
    ) -> Result<Self, HstmError<M::Error>> {
        let mut hstm = Self::at_genesis(machine, storage, prefix, options);
        if hstm.holds_rows()? {
            return Err(HstmError::NotEmpty);
        }
        let mut batch = WriteBatch::new();
        let index = hstm.put_snap(&mut batch, snap.position, &snap.state);
        let head = Head { base: snap.position, tip: snap.position };
        hstm.put_head(&mut batch, &head);
        hstm.write(batch)?;
        hstm.base = snap.position;
        hstm.snaps.insert(snap.position.height, index);
        hstm.present = Placed { position: snap.position, state: Arc::new(snap.state) };
        Ok(hstm)
    }

    fn at_genesis(machine: M, storage: S, prefix: &[u8], options: HstmOptions) -> Self {
        let layout = Layout::new(prefix);
        let position = layout.genesis();
        let present = Placed { position, state: Arc::new(machine.genesis()) };
        Self {
            machine,
            storage,
            layout,
            options,
            base: position,
            present,
            snaps: BTreeMap::new(),
            unsnapped: 0,
            cache: Cache::new(options.cached_states),
            in_doubt: false,
        }
    }

    fn holds_rows(&self) -> Result<bool, StorageError> {
        Ok(!self.storage.scan(self.layout.prefix(), None, 1)?.is_empty())
    }

    fn load_index(&self) -> Result<BTreeMap<u64, SnapIndex>, HstmError<M::Error>> {
        let mut snaps = BTreeMap::new();
        for row in rows(&self.storage, &self.layout.section(Kind::SnapIndex), None, PAGE_ROWS) {
            let (key, bytes) = row?;
            let height = self.layout.height(Kind::SnapIndex, &key);
            let index = height.and_then(|height| self.layout.decode_index(height, &bytes));
            let corrupt = HstmError::Corrupt { height: height.unwrap_or(0), what: Corruption::SnapIndex };
            let index = index.ok_or(corrupt)?;
            snaps.insert(index.position.height, index);
        }
        Ok(snaps)
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> &M::State {
        &self.present.state
    }

    /// The present state, shared: it stays what it is while the machine goes on.
    #[must_use]
    pub fn shared_state(&self) -> Arc<M::State> {
        Arc::clone(&self.present.state)
    }

    /// The position of the last entry.
    #[must_use]
    pub const fn tip(&self) -> Position {
        self.present.position
    }

    /// The lowest position whose state is kept: genesis, or where it was pruned to.
    #[must_use]
    pub const fn base(&self) -> Position {
        self.base
    }

    /// Heights of the stored snapshots, ascending.
    pub fn snap_heights(&self) -> impl DoubleEndedIterator<Item = u64> {
        self.snaps.keys().copied()
    }

    /// The state machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The store.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// Gives the store back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Applies one entry and stores it durably, with a snapshot if one is due.
    ///
    /// # Errors
    /// As [`Hstm::append_with`].
    pub fn append(&mut self, height: u64, time_s: u64, entry: M::Entry) -> Result<(), HstmError<M::Error>> {
        self.append_with(&[Stamped { height, time_s, entry }], WriteBatch::new())
    }

    /// Applies all entries and stores them durably in one batch, or none of them.
    ///
    /// # Errors
    /// As [`Hstm::append_with`].
    pub fn append_many(&mut self, entries: &[Stamped<M::Entry>]) -> Result<(), HstmError<M::Error>> {
        self.append_with(entries, WriteBatch::new())
    }

    /// [`append_many`](Self::append_many), and the operations of `extra` in the same batch: tables that must agree with
    /// the journal. Their keys lie outside the machine's prefix (so none fits a machine under the empty prefix).
    ///
    /// # Errors
    /// [`HstmError::HeightNotAbove`], [`HstmError::TimeBackwards`], [`HstmError::Machine`],
    /// [`HstmError::ExtraUnderPrefix`]: nothing changed. [`HstmError::Storage`]: unless the store refused an argument,
    /// the machine is [in doubt](HstmError::InDoubt) from here on.
    pub fn append_with(&mut self, entries: &[Stamped<M::Entry>], extra: WriteBatch) -> Result<(), HstmError<M::Error>> {
        self.check_not_in_doubt()?;
        if extra.ops().iter().any(|op| op.key().starts_with(self.layout.prefix())) {
            return Err(HstmError::ExtraUnderPrefix);
        }
        let mut batch = WriteBatch::new();
        let mut position = self.tip();
        let mut state = self.state().clone();
        for Stamped { height, time_s, entry } in entries {
            check_order(&position, *height, *time_s)?;
            self.machine.apply(&mut state, entry).map_err(HstmError::Machine)?;
            let body = self.machine.encode_entry(entry);
            let next = self.layout.follow(&position.hash, *height, *time_s, &body);
            batch.put(self.layout.key(Kind::Entry, *height), Layout::encode_entry(&next, &position.hash, &body));
            position = next;
        }
        let unsnapped = self.unsnapped.saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX));
        let due = !entries.is_empty() && self.options.snapshot_every.is_some_and(|every| unsnapped >= every.get());
        let index = due.then(|| self.put_snap(&mut batch, position, &state));
        if !entries.is_empty() {
            self.put_head(&mut batch, &Head { base: self.base, tip: position });
        }
        batch.append(extra);
        self.write(batch)?;

        self.unsnapped = if due { 0 } else { unsnapped };
        self.snaps.extend(index.map(|index| (position.height, index)));
        if !entries.is_empty() {
            let next = Placed { position, state: Arc::new(state) };
            self.cache.insert(std::mem::replace(&mut self.present, next));
        }
        Ok(())
    }

    pub(super) fn check_not_in_doubt(&self) -> Result<(), HstmError<M::Error>> {
        if self.in_doubt { Err(HstmError::InDoubt) } else { Ok(()) }
    }

    /// Writes; a failure that may have stored the batch puts the machine in doubt.
    pub(super) fn write(&mut self, batch: WriteBatch) -> Result<(), StorageError> {
        self.storage.write(batch).inspect_err(|error| self.in_doubt = !error.is_refusal())
    }

    pub(super) fn put_head(&self, batch: &mut WriteBatch, head: &Head) {
        batch.put(self.layout.section(Kind::Head), self.layout.encode_head(head));
    }

    pub(super) fn put_snap(&self, batch: &mut WriteBatch, position: Position, state: &M::State) -> SnapIndex {
        let bytes = self.machine.encode_state(state);
        let index = SnapIndex { position, state_hash: self.layout.state_hash(&bytes) };
        batch.put(self.layout.key(Kind::SnapIndex, position.height), self.layout.encode_index(&index));
        batch.put(self.layout.key(Kind::SnapState, position.height), bytes);
        index
    }
}

/// Heights rise, time does not go back.
pub(super) fn check_order<E: std::error::Error>(
    previous: &Position,
    height: u64,
    time_s: u64,
) -> Result<(), HstmError<E>> {
    if height <= previous.height {
        return Err(HstmError::HeightNotAbove { tip: previous.height, found: height });
    }
    if time_s < previous.time_s {
        return Err(HstmError::TimeBackwards { previous_s: previous.time_s, found_s: time_s });
    }
    Ok(())
}
