//! Numbers that look random and are the same on every run and machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// One of `0 .. bound`; 0 if there is none.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.random_range(0..bound) }
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        let length = u64::try_from(of.len()).ok()?;
        of.get(usize::try_from(self.below(length)).ok()?)
    }

    pub(super) fn choose<T: Clone + Default>(&mut self, of: &[T]) -> T {
        self.pick(of).cloned().unwrap_or_default()
    }

    /// One of `1 ..= most` of any order of magnitude; 1 if there is none.
    pub(super) fn up_to(&mut self, most: u128) -> u128 {
        let bits = u64::from(128_u32.saturating_sub(most.leading_zeros()));
        let shift = u32::try_from(self.below(bits)).unwrap_or(0);
        let bound = most.checked_shr(shift).unwrap_or(0).max(1);
        self.0.random_range(0..bound).saturating_add(1)
    }

    /// Around what there is: nearly always something that fits, now and then all, one too many, nothing, or far too much.
    pub(super) fn around(&mut self, available: u128) -> u128 {
        match self.below(100) {
            0..80 => self.up_to(available),
            80..93 => available,
            93..97 => available.saturating_add(1),
            97..99 => 0,
            _ => self.choose(&[u128::MAX, 1 << 127, (1 << 127) - 1]),
        }
    }
}
