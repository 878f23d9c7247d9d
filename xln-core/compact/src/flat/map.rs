//! The map.

use alloc::vec::{self, Vec};
use core::borrow::Borrow;
use core::ops::{Bound, RangeBounds};
use core::{iter, slice};

use litemap::{Entry, LiteMap};

/// An ordered map in one sorted vector, with the interface of [`BTreeMap`](alloc::collections::BTreeMap).
#[derive(Clone, PartialEq, Eq)]
pub struct Map<K, V>(pub(super) LiteMap<K, V>);

type Pair<'a, K, V> = fn(&'a (K, V)) -> (&'a K, &'a V);
type PairMut<'a, K, V> = fn(&'a mut (K, V)) -> (&'a K, &'a mut V);

impl<K, V> Map<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(LiteMap::new())
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes out what the function does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let mut pairs = core::mem::take(&mut self.0).into_tuple_vec();
        pairs.retain_mut(|(key, value)| keep(key, value));
        self.0 = LiteMap::from_sorted_store_unchecked(pairs);
    }

    /// Keys and values, ascending.
    pub fn iter(&self) -> iter::Map<slice::Iter<'_, (K, V)>, Pair<'_, K, V>> {
        self.0.as_slice().iter().map(|(key, value)| (key, value))
    }

    /// Keys and values to change, ascending.
    pub fn iter_mut(&mut self) -> iter::Map<slice::IterMut<'_, (K, V)>, PairMut<'_, K, V>> {
        self.0.iter_mut()
    }

    /// The keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.0.as_slice().iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.0.as_slice().iter().map(|(_, value)| value)
    }

    /// The values to change, in the order of their keys.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The keys alone.
    pub fn into_keys(self) -> impl DoubleEndedIterator<Item = K> + ExactSizeIterator {
        self.into_iter().map(|(key, _)| key)
    }

    /// The values alone.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> + ExactSizeIterator {
        self.into_iter().map(|(_, value)| value)
    }

    /// The least key and its value.
    #[must_use]
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.0.first()
    }

    /// The greatest key and its value.
    #[must_use]
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.0.last()
    }

    /// Takes out the least key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let mut pairs = core::mem::take(&mut self.0).into_tuple_vec();
        let first = if pairs.is_empty() { None } else { Some(pairs.remove(0)) };
        self.0 = LiteMap::from_sorted_store_unchecked(pairs);
        first
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of a key, to change.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// Whether it has the key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Gives a key a value; the one that it had comes back.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Takes a key out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }

    /// The place of a key, empty or not.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V, Vec<(K, V)>> {
        self.0.entry(key)
    }

    /// Keys within a range and their values, ascending. A range that ends before it begins is empty.
    pub fn range<Q: Ord + ?Sized>(
        &self,
        range: impl RangeBounds<Q>,
    ) -> iter::Map<slice::Iter<'_, (K, V)>, Pair<'_, K, V>>
    where
        K: Borrow<Q>,
    {
        let all = self.0.as_slice();
        let below = |end: &Q| all.partition_point(|(key, _)| key.borrow() < end);
        let through = |end: &Q| all.partition_point(|(key, _)| key.borrow() <= end);
        let first = match range.start_bound() {
            Bound::Included(start) => below(start),
            Bound::Excluded(start) => through(start),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => through(end),
            Bound::Excluded(end) => below(end),
            Bound::Unbounded => all.len(),
        };
        all.get(first..end).unwrap_or_default().iter().map(|(key, value)| (key, value))
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(LiteMap::new())
    }
}

impl<K: core::fmt::Debug, V: core::fmt::Debug> core::fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    // One by one: what comes is few or ascending, and sorting would be more code than all the rest.
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, pairs: T) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        let mut map = Self::default();
        map.extend(pairs);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = iter::Map<slice::Iter<'a, (K, V)>, Pair<'a, K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut Map<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = iter::Map<slice::IterMut<'a, (K, V)>, PairMut<'a, K, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
