//! A map with changes that are not durable yet.

use crate::map::{self, Map};
use alloc::vec::Vec;

/// Changes of a map: a new value, or none for what is gone.
#[derive(Debug)]
pub(super) struct Overlay<K, V>(Map<K, Option<V>>);

impl<K, V> Default for Overlay<K, V> {
    fn default() -> Self {
        Self(Map::new())
    }
}

impl<K: Ord + Copy, V> Overlay<K, V> {
    pub(super) fn get<'a>(&'a self, base: &'a Map<K, V>, key: &K) -> Option<&'a V> {
        match self.0.get(key) {
            Some(changed) => changed.as_ref(),
            None => base.get(key),
        }
    }

    pub(super) fn set(&mut self, key: K, value: V) {
        self.0.insert(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: K) {
        self.0.insert(key, None);
    }

    /// The keys from `first` to `last`, both included, in order.
    pub(super) fn range(&self, base: &Map<K, V>, first: K, last: K) -> Vec<K> {
        let kept = base.range(first..=last).filter(|(key, _)| !self.0.contains_key(key)).map(|(key, _)| *key);
        let changed = self.0.range(first..=last).filter(|(_, value)| value.is_some()).map(|(key, _)| *key);
        map::ascending(kept.chain(changed))
    }

    /// The keys that have a changed value.
    pub(super) fn changed(&self) -> Vec<K> {
        self.0.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| *key).collect()
    }

    /// The keys of all entries that fit.
    pub(super) fn find(&self, base: &Map<K, V>, fits: impl Fn(&V) -> bool) -> Vec<K> {
        let kept = base.iter().filter(|(key, _)| !self.0.contains_key(key));
        let changed = self.0.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        kept.chain(changed).filter(|(_, value)| fits(value)).map(|(key, _)| *key).collect()
    }

    pub(super) fn merge(self, base: &mut Map<K, V>) {
        for (key, value) in self.0 {
            match value {
                Some(value) => drop(base.insert(key, value)),
                None => drop(base.remove(&key)),
            }
        }
    }
}
