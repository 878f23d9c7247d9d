//! One proof for many leaves, and the strict verification that single proofs share.
//!
//! The shape (which nodes are computed, which are given) follows from the indices and the number of leaves alone, so the
//! verifier knows before hashing how every sibling is used. Released versions of rs_merkle accept duplicate indices,
//! where a bogus leaf is hashed into nothing; here duplicates, disorder, gaps and surplus are refused by name.

use alloc::vec::Vec;

use crate::error::MerkleError;
use crate::hash::Hash;
use crate::scheme::Scheme;

/// Says that several leaves belong to a root. Position is proved in the wide layout only, as for a
/// [`Proof`](crate::Proof).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct MultiProof {
    indices: Vec<usize>,
    leaf_count: usize,
    siblings: Vec<Hash>,
}

impl MultiProof {
    /// A multiproof from its parts, as they came over a wire; [`Scheme::verify_many`] judges them.
    #[must_use]
    pub const fn from_parts(indices: Vec<usize>, leaf_count: usize, siblings: Vec<Hash>) -> Self {
        Self { indices, leaf_count, siblings }
    }

    /// Zero-based indices of the leaves, ascending: the order in which the verifier takes the leaves.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Number of leaves that is claimed for the tree.
    #[must_use]
    pub const fn leaf_count(&self) -> usize {
        self.leaf_count
    }

    /// The given nodes: level by level from the leaves up, left to right.
    #[must_use]
    pub fn siblings(&self) -> &[Hash] {
        &self.siblings
    }

    /// Refuses no index, an index beyond the tree, a repeated one, and one out of order.
    pub(crate) fn check_indices(indices: &[usize], leaf_count: usize) -> Result<(), MerkleError> {
        let mut previous = None;
        for &index in indices {
            match previous {
                _ if index >= leaf_count => return Err(MerkleError::NoSuchLeaf { index, leaf_count }),
                Some(previous) if previous == index => return Err(MerkleError::DuplicateIndex { index }),
                Some(previous) if previous > index => return Err(MerkleError::IndicesNotAscending { index }),
                _ => previous = Some(index),
            }
        }
        previous.map(|_| ()).ok_or(MerkleError::NoIndices)
    }
}

impl Scheme {
    /// Checks that `proof` leads from `leaves`, in the order of [`MultiProof::indices`], to `root`.
    ///
    /// # Errors
    /// Every fault of the proof has its variant of [`MerkleError`].
    pub fn verify_many(self, proof: &MultiProof, root: &Hash, leaves: &[Hash]) -> Result<(), MerkleError> {
        self.verify_shape(&proof.indices, proof.leaf_count, &proof.siblings, root, leaves)
    }

    /// The verification of both kinds of proof.
    pub(crate) fn verify_shape(
        self,
        indices: &[usize],
        leaf_count: usize,
        siblings: &[Hash],
        root: &Hash,
        leaves: &[Hash],
    ) -> Result<(), MerkleError> {
        MultiProof::check_indices(indices, leaf_count)?;
        if leaves.len() != indices.len() {
            return Err(MerkleError::LeafCountMismatch { expected: indices.len(), found: leaves.len() });
        }
        let mut given = siblings.iter();
        let mut known: Vec<(usize, Hash)> = indices.iter().copied().zip(leaves.iter().copied()).collect();
        let mut width = leaf_count;
        while width > 1 {
            known =
                self.climb(known, width, &mut given).ok_or(MerkleError::MissingSiblings { found: siblings.len() })?;
            width = width.div_ceil(self.batch_size.children().get());
        }
        match given.len() {
            0 => {}
            surplus => {
                let expected = siblings.len().saturating_sub(surplus);
                return Err(MerkleError::SurplusSiblings { expected, found: siblings.len() });
            }
        }
        let top = known.first().map(|(_, top)| *top).ok_or(MerkleError::NoIndices)?;
        if self.seal(top, leaf_count) == *root { Ok(()) } else { Err(MerkleError::RootMismatch) }
    }

    /// The known nodes one level up, `None` when the given siblings run out. `width` is the width of the level below.
    fn climb<'a>(
        self,
        known: Vec<(usize, Hash)>,
        width: usize,
        given: &mut impl Iterator<Item = &'a Hash>,
    ) -> Option<Vec<(usize, Hash)>> {
        let arity = self.batch_size.children();
        let mut parents = Vec::with_capacity(known.len());
        let mut children = Vec::with_capacity(arity.get());
        let mut known = known.into_iter().peekable();
        while let Some(&(first, _)) = known.peek() {
            let group = first / arity;
            let start = group.saturating_mul(arity.get());
            let end = start.saturating_add(arity.get()).min(width);
            children.clear();
            for index in start..end {
                let child = match known.next_if(|(known, _)| *known == index) {
                    Some((_, node)) => node,
                    None => *given.next()?,
                };
                children.push(child);
            }
            parents.push((group, self.parent(&children)));
        }
        Some(parents)
    }
}
