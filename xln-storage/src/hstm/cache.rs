//! A small cache of states by position; the one used longest ago goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rows::Position;

/// A state at its position.
#[derive(Debug)]
pub(super) struct Placed<S> {
    pub(super) position: Position,
    pub(super) state: Arc<S>,
}

impl<S> Clone for Placed<S> {
    fn clone(&self) -> Self {
        Self { position: self.position, state: Arc::clone(&self.state) }
    }
}

/// At most `capacity` states. Eviction looks at all of them, so the capacity should stay in the hundreds.
#[derive(Debug)]
pub(super) struct Cache<S> {
    capacity: usize,
    clock: u64,
    by_height: BTreeMap<u64, (u64, Placed<S>)>,
}

impl<S> Cache<S> {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, by_height: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, placed: Placed<S>) {
        if self.capacity == 0 {
            return;
        }
        let used = self.tick();
        self.by_height.insert(placed.position.height, (used, placed));
        if self.by_height.len() > self.capacity {
            let oldest = self.by_height.iter().min_by_key(|(_, (used, _))| *used).map(|(height, _)| *height);
            oldest.map(|height| self.by_height.remove(&height));
        }
    }

    /// The highest cached state whose position satisfies `below`, which must hold for a lower part of the heights.
    pub(super) fn highest(&mut self, below: impl Fn(&Position) -> bool) -> Option<Placed<S>> {
        let used = self.tick();
        let (stamp, placed) = self.by_height.values_mut().rev().find(|(_, placed)| below(&placed.position))?;
        *stamp = used;
        Some(placed.clone())
    }

    /// Forgets the states whose height does not satisfy `keep`.
    pub(super) fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        self.by_height.retain(|height, _| keep(*height));
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }
}
