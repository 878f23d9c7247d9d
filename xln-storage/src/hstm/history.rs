//! Looking into the past: states by height and time, the journal itself, and checking all of it.

use std::sync::Arc;

use super::cache::Placed;
use super::error::{Corruption, HstmError};
use super::machine::{Hstm, PAGE_ROWS};
use super::rows::{Kind, Position};
use super::{Snap, Stamped, StateMachine};
use crate::storage::{Storage, rows};

/// Where a replay ended.
pub(super) struct Replayed<S> {
    pub(super) placed: Placed<S>,
    /// Number of entries applied.
    pub(super) applied: u64,
}

impl<M: StateMachine, S: Storage> Hstm<M, S> {
    /// The state after the last entry that is not higher than `height`.
    ///
    /// # Errors
    /// [`HstmError::AboveTip`], [`HstmError::Pruned`], [`HstmError::Corrupt`], [`HstmError::Machine`],
    /// [`HstmError::Storage`], [`HstmError::InDoubt`].
    pub fn state_at(&mut self, height: u64) -> Result<Arc<M::State>, HstmError<M::Error>> {
        self.check_kept(height)?;
        Ok(self.placed_at(|position| position.height <= height)?.state)
    }

    /// Refuses heights outside of base and tip.
    pub(super) fn check_kept(&self, height: u64) -> Result<(), HstmError<M::Error>> {
        if height > self.tip().height {
            return Err(HstmError::AboveTip { height, tip: self.tip().height });
        }
        if height < self.base.height {
            return Err(HstmError::Pruned { base: self.base.height });
        }
        Ok(())
    }

    /// The state after the last entry that is not later than `time_s` unix seconds; at a time after the tip, the
    /// present state.
    ///
    /// # Errors
    /// As [`Hstm::state_at`], but no time is too late.
    pub fn state_at_time(&mut self, time_s: u64) -> Result<Arc<M::State>, HstmError<M::Error>> {
        if time_s < self.base.time_s {
            return Err(HstmError::Pruned { base: self.base.height });
        }
        Ok(self.placed_at(|position| position.time_s <= time_s)?.state)
    }

    /// The stored snapshot at exactly `height`.
    ///
    /// # Errors
    /// [`HstmError::NoSnap`], [`HstmError::Corrupt`], [`HstmError::Machine`], [`HstmError::Storage`].
    pub fn snap(&self, height: u64) -> Result<Snap<M::State>, HstmError<M::Error>> {
        let index = self.snaps.get(&height).ok_or(HstmError::NoSnap { height })?;
        let bytes = self.storage.get(&self.layout.key(Kind::SnapState, height))?;
        let sound = bytes.filter(|bytes| self.layout.state_hash(bytes) == index.state_hash);
        let bytes = sound.ok_or(HstmError::Corrupt { height, what: Corruption::SnapState })?;
        let state = self.machine.decode_state(&bytes).map_err(HstmError::Machine)?;
        Ok(Snap { position: index.position, state })
    }

    /// Up to `limit` entries, ascending, from the first that is not lower than `from_height`. Each is checked by itself
    /// and against its neighbour in the page.
    ///
    /// # Errors
    /// [`HstmError::Corrupt`], [`HstmError::Machine`], [`HstmError::Storage`]. Entries below the base are gone and
    /// simply not listed.
    pub fn entries(&self, from_height: u64, limit: usize) -> Result<Vec<Stamped<M::Entry>>, HstmError<M::Error>> {
        let from = self.layout.key(Kind::Entry, from_height);
        let page = self.storage.scan(&self.layout.section(Kind::Entry), Some(&from), limit)?;
        let mut previous = None;
        page.iter()
            .map(|(key, bytes)| {
                let height = self.layout.height(Kind::Entry, key);
                let height = height.ok_or(HstmError::Corrupt { height: from_height, what: Corruption::Entry })?;
                let corrupt = |what| HstmError::Corrupt { height, what };
                let row = self.layout.decode_entry(height, bytes).map_err(corrupt)?;
                if previous.replace(row.position.hash).is_some_and(|hash| hash != row.previous) {
                    return Err(corrupt(Corruption::BrokenChain));
                }
                let entry = self.machine.decode_entry(row.body).map_err(HstmError::Machine)?;
                Ok(Stamped { height, time_s: row.position.time_s, entry })
            })
            .collect()
    }

    /// Replays everything that is kept, from the base to the tip, and compares every snapshot with what the journal
    /// leads to.
    ///
    /// # Errors
    /// [`HstmError::Corrupt`] at the first thing that does not hold, [`HstmError::Machine`], [`HstmError::Storage`].
    pub fn verify(&self) -> Result<(), HstmError<M::Error>> {
        let mut placed = self.base_state()?;
        for index in self.snaps.values() {
            let height = index.position.height;
            placed = self.replay(placed, |position| position.height > height)?.placed;
            let snap = self.snap(height)?;
            let same = placed.position == snap.position
                && self.machine.encode_state(&placed.state) == self.machine.encode_state(&snap.state);
            if !same {
                return Err(HstmError::Corrupt { height, what: Corruption::SnapDiffers });
            }
        }
        for row in rows(&self.storage, &self.layout.section(Kind::SnapState), None, 1) {
            let height = self.layout.height(Kind::SnapState, &row?.0).unwrap_or(0);
            if !self.snaps.contains_key(&height) {
                return Err(HstmError::Corrupt { height, what: Corruption::SnapIndex });
            }
        }
        self.replay(placed, |_| false).map(drop)
    }

    /// The last state whose position satisfies `within`, which holds for the base and a lower part of the journal.
    fn placed_at(&mut self, within: impl Fn(&Position) -> bool) -> Result<Placed<M::State>, HstmError<M::Error>> {
        self.check_not_in_doubt()?;
        if within(&self.tip()) {
            return Ok(self.present.clone());
        }
        let stored = self.snaps.values().rev().map(|index| index.position).find(|position| within(position));
        let cached = self.cache.highest(&within);
        let start = match cached {
            Some(cached) if stored.is_none_or(|stored| stored.height <= cached.position.height) => cached,
            _ => self.start_below(&within)?,
        };
        let Replayed { placed, .. } = self.replay(start, |position| !within(position))?;
        self.cache.insert(placed.clone());
        Ok(placed)
    }

    /// The last stored snapshot within, or else the base.
    pub(super) fn start_below(
        &self,
        within: impl Fn(&Position) -> bool,
    ) -> Result<Placed<M::State>, HstmError<M::Error>> {
        match self.snaps.values().rev().find(|index| within(&index.position)) {
            Some(index) => {
                let Snap { position, state } = self.snap(index.position.height)?;
                Ok(Placed { position, state: Arc::new(state) })
            }
            None => self.base_state(),
        }
    }

    fn base_state(&self) -> Result<Placed<M::State>, HstmError<M::Error>> {
        let Position { height, .. } = self.base;
        let state = match self.snaps.contains_key(&height) {
            true => self.snap(height)?.state,
            false if self.base == self.layout.genesis() => self.machine.genesis(),
            false => return Err(HstmError::Corrupt { height, what: Corruption::SnapIndex }),
        };
        Ok(Placed { position: self.base, state: Arc::new(state) })
    }

    /// Applies the entries after `start` until the first whose position satisfies `beyond`, checking that each follows
    /// the one before, that one included, and that the journal reaches exactly to the tip. Returns how many it applied.
    pub(super) fn replay(
        &self,
        start: Placed<M::State>,
        beyond: impl Fn(&Position) -> bool,
    ) -> Result<Replayed<M::State>, HstmError<M::Error>> {
        let Placed { mut position, mut state } = start;
        let mut applied: u64 = 0;
        let from = self.layout.key(Kind::Entry, position.height.saturating_add(1));
        for row in rows(&self.storage, &self.layout.section(Kind::Entry), Some(&from), PAGE_ROWS) {
            let (key, bytes) = row?;
            let height = self.layout.height(Kind::Entry, &key);
            let height = height.ok_or(HstmError::Corrupt { height: position.height, what: Corruption::Entry })?;
            let corrupt = |what| HstmError::Corrupt { height, what };
            if height > self.tip().height {
                return Err(corrupt(Corruption::BeyondHead));
            }
            let row = self.layout.decode_entry(height, &bytes).map_err(corrupt)?;
            if row.previous != position.hash {
                return Err(corrupt(Corruption::BrokenChain));
            }
            if beyond(&row.position) {
                return Ok(Replayed { placed: Placed { position, state }, applied });
            }
            let entry = self.machine.decode_entry(row.body).map_err(HstmError::Machine)?;
            self.machine.apply(Arc::make_mut(&mut state), &entry).map_err(HstmError::Machine)?;
            position = row.position;
            applied = applied.saturating_add(1);
        }
        if position == self.tip() {
            Ok(Replayed { placed: Placed { position, state }, applied })
        } else {
            Err(HstmError::Corrupt { height: position.height, what: Corruption::Truncated })
        }
    }
}
