//! The tree itself: every level kept as one flat array, so that changing a leaf touches one node per level.

use alloc::vec::Vec;

use crate::error::MerkleError;
use crate::hash::Hash;
use crate::multiproof::MultiProof;
use crate::proof::Proof;
use crate::scheme::Scheme;

/// A Merkle tree that holds all its nodes. Node `i` of a level is the parent of the `i`-th group of `batch_size` nodes
/// below. Memory is about `32 * n * k / (k - 1)` bytes for `n` leaves and batch size `k`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleTree {
    scheme: Scheme,
    /// `levels[0]` are the leaves, the last level has one node; no level of an empty tree.
    levels: Vec<Vec<Hash>>,
}

impl MerkleTree {
    /// A tree without leaves.
    #[must_use]
    pub const fn new(scheme: Scheme) -> Self {
        Self { scheme, levels: Vec::new() }
    }

    /// Builds the tree over `leaves` in one pass per level. In the binary layout each leaf must be a double hash
    /// ([`leaf_hash`](crate::leaf_hash)).
    #[must_use]
    pub fn from_leaves(scheme: Scheme, leaves: Vec<Hash>) -> Self {
        let mut tree = Self::new(scheme);
        if !leaves.is_empty() {
            tree.levels.push(leaves);
            tree.rebuild_from(0);
        }
        tree
    }

    /// The scheme that the tree was built with; a verifier needs the same.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The root, `None` while there are no leaves.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        let top = self.levels.last()?.first()?;
        Some(self.scheme.seal(*top, self.len()))
    }

    /// Number of leaves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves().len()
    }

    /// Whether there are no leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// All leaves in order.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Replaces the leaf at `index` and the nodes above it: O(`batch_size` * log n) hashing, no allocation.
    ///
    /// # Errors
    /// [`MerkleError::NoSuchLeaf`]; the tree is then unchanged.
    pub fn update(&mut self, index: usize, leaf: Hash) -> Result<(), MerkleError> {
        let leaf_count = self.len();
        let slot = self.levels.first_mut().and_then(|leaves| leaves.get_mut(index));
        *slot.ok_or(MerkleError::NoSuchLeaf { index, leaf_count })? = leaf;
        let arity = self.scheme.batch_size.children();
        let mut child = index;
        let mut levels = self.levels.as_mut_slice();
        while let [below, rest @ ..] = levels {
            let group = child / arity;
            let node = rest.first_mut().and_then(|above| above.get_mut(group));
            if let (Some(children), Some(node)) = (below.chunks(arity.get()).nth(group), node) {
                *node = self.scheme.parent(children);
            }
            child = group;
            levels = rest;
        }
        Ok(())
    }

    /// Appends one leaf: O(`batch_size` * log n) hashing.
    pub fn push(&mut self, leaf: Hash) {
        self.extend([leaf]);
    }

    /// Hashes the nodes above the leaves from index `first_changed` on, adding levels as needed.
    fn rebuild_from(&mut self, first_changed: usize) {
        let arity = self.scheme.batch_size.children();
        let mut first = first_changed;
        let mut depth: usize = 0;
        while let Some(below) = self.levels.get(depth).filter(|level| level.len() > 1) {
            first /= arity;
            let parents: Vec<Hash> =
                below.chunks(arity.get()).skip(first).map(|group| self.scheme.parent(group)).collect();
            depth = depth.saturating_add(1);
            match self.levels.get_mut(depth) {
                Some(level) => {
                    level.truncate(first);
                    level.extend(parents);
                }
                None => self.levels.push(parents),
            }
        }
    }

    /// The proof for the leaf at `index`.
    ///
    /// # Errors
    /// [`MerkleError::NoSuchLeaf`].
    pub fn proof(&self, index: usize) -> Result<Proof, MerkleError> {
        let leaf_count = self.len();
        if index >= leaf_count {
            return Err(MerkleError::NoSuchLeaf { index, leaf_count });
        }
        let mut siblings = Vec::new();
        self.collect_siblings(&mut alloc::vec![index], &mut siblings);
        Ok(Proof::from_parts(index, leaf_count, siblings))
    }

    /// One proof for the leaves at `indices`, given in any order; the proof lists them ascending.
    ///
    /// # Errors
    /// [`MerkleError::NoIndices`], [`MerkleError::NoSuchLeaf`] or [`MerkleError::DuplicateIndex`].
    pub fn multi_proof(&self, indices: &[usize]) -> Result<MultiProof, MerkleError> {
        let mut sorted = indices.to_vec();
        sorted.sort_unstable();
        MultiProof::check_indices(&sorted, self.len())?;
        let mut siblings = Vec::new();
        self.collect_siblings(&mut sorted.clone(), &mut siblings);
        Ok(MultiProof::from_parts(sorted, self.len(), siblings))
    }

    /// Lists, level by level and left to right, the nodes that must be known beside `known` (ascending, distinct).
    fn collect_siblings(&self, known: &mut Vec<usize>, siblings: &mut Vec<Hash>) {
        let arity = self.scheme.batch_size.children();
        for level in &self.levels {
            let mut groups: Vec<usize> = known.iter().map(|index| *index / arity).collect();
            groups.dedup();
            let mut wanted = known.iter().copied().peekable();
            for group in &groups {
                let start = group.saturating_mul(arity.get());
                let members = level.iter().enumerate().skip(start).take(arity.get());
                for (index, node) in members {
                    if wanted.next_if_eq(&index).is_none() {
                        siblings.push(*node);
                    }
                }
            }
            *known = groups;
        }
    }
}

impl Extend<Hash> for MerkleTree {
    /// Appends leaves and rehashes only what they change.
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        let first_new = self.len();
        let mut leaves = leaves.into_iter().peekable();
        if leaves.peek().is_none() {
            return;
        }
        match self.levels.first_mut() {
            Some(level) => level.extend(leaves),
            None => self.levels.push(leaves.collect()),
        }
        self.rebuild_from(first_new);
    }
}
