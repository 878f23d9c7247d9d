//! What is kept: snapshots on demand, rolling back to a height, pruning what is old.

use std::sync::Arc;

use super::cache::Placed;
use super::error::HstmError;
use super::history::Replayed;
use super::machine::{Hstm, PAGE_ROWS};
use super::rows::{Head, Kind};
use super::{Snap, StateMachine};
use crate::batch::WriteBatch;
use crate::storage::{Storage, rows};

impl<M: StateMachine, S: Storage> Hstm<M, S> {
    /// Stores a snapshot of the present state, unless there is one, and returns it.
    ///
    /// # Errors
    /// [`HstmError::Storage`], [`HstmError::InDoubt`].
    pub fn snapshot(&mut self) -> Result<Snap<M::State>, HstmError<M::Error>> {
        self.check_not_in_doubt()?;
        let Placed { position, state } = self.present.clone();
        if !self.snaps.contains_key(&position.height) {
            let mut batch = WriteBatch::new();
            let index = self.put_snap(&mut batch, position, &state);
            // A machine at genesis has no head yet.
            self.put_head(&mut batch, &Head { base: self.base, tip: position });
            self.write(batch)?;
            self.snaps.insert(position.height, index);
            self.unsnapped = 0;
        }
        Ok(Snap { position, state: M::State::clone(&state) })
    }

    /// Forgets every entry and snapshot above `height`, in one batch. The present state is then that of
    /// [`state_at(height)`](Self::state_at).
    ///
    /// # Errors
    /// As [`Hstm::state_at`]; after a failed write the machine is [in doubt](HstmError::InDoubt).
    pub fn rollback(&mut self, height: u64) -> Result<(), HstmError<M::Error>> {
        self.check_not_in_doubt()?;
        self.check_kept(height)?;
        let tip = self.tip().height;
        if height == tip {
            return Ok(());
        }
        let start = self.start_below(|position| position.height <= height)?;
        let Replayed { placed, applied } = self.replay(start, |position| position.height > height)?;
        let mut batch = WriteBatch::new();
        self.delete_entries(&mut batch, height.saturating_add(1), tip)?;
        for &above in self.snaps.keys().filter(|above| **above > height) {
            self.delete_snap(&mut batch, above);
        }
        self.put_head(&mut batch, &Head { base: self.base, tip: placed.position });
        self.write(batch)?;
        self.snaps.retain(|snap, _| *snap <= height);
        self.cache.retain(|cached| cached <= height);
        self.unsnapped = applied;
        self.present = placed;
        Ok(())
    }

    /// Forgets what is not needed for the states from `keep_from` on: everything below the last snapshot that is not
    /// higher. That snapshot becomes the base; returns its height. Asking below the base then gives
    /// [`HstmError::Pruned`].
    ///
    /// # Errors
    /// [`HstmError::AboveTip`], [`HstmError::NothingToPrune`] if there is no such snapshot above the present base,
    /// [`HstmError::Storage`], [`HstmError::InDoubt`].
    pub fn prune(&mut self, keep_from: u64) -> Result<u64, HstmError<M::Error>> {
        self.check_not_in_doubt()?;
        let tip = self.tip();
        if keep_from > tip.height {
            return Err(HstmError::AboveTip { height: keep_from, tip: tip.height });
        }
        let newest = self.snaps.range(..=keep_from).next_back().map(|(_, index)| index.position);
        let base = newest.filter(|position| position.height > self.base.height);
        let base = base.ok_or(HstmError::NothingToPrune { height: keep_from })?;
        // The base must be readable before what leads to it goes.
        let snap = self.snap(base.height)?;
        let mut batch = WriteBatch::new();
        self.delete_entries(&mut batch, 0, base.height)?;
        for (&below, _) in self.snaps.range(..base.height) {
            self.delete_snap(&mut batch, below);
        }
        self.put_head(&mut batch, &Head { base, tip });
        self.write(batch)?;
        self.base = base;
        self.snaps.retain(|snap, _| *snap >= base.height);
        self.cache.retain(|cached| cached >= base.height);
        self.cache.insert(Placed { position: base, state: Arc::new(snap.state) });
        Ok(base.height)
    }

    /// Adds deletes of the entries from `first` to `last`, both included.
    fn delete_entries(&self, batch: &mut WriteBatch, first: u64, last: u64) -> Result<(), HstmError<M::Error>> {
        let from = self.layout.key(Kind::Entry, first);
        let end = self.layout.key(Kind::Entry, last);
        for row in rows(&self.storage, &self.layout.section(Kind::Entry), Some(&from), PAGE_ROWS) {
            let (key, _) = row?;
            if key > end {
                break;
            }
            batch.delete(key);
        }
        Ok(())
    }

    fn delete_snap(&self, batch: &mut WriteBatch, height: u64) {
        batch.delete(self.layout.key(Kind::SnapIndex, height));
        batch.delete(self.layout.key(Kind::SnapState, height));
    }
}
