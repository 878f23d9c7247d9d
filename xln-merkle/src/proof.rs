//! A proof for one leaf, and its verification.

use alloc::vec::Vec;

use crate::error::MerkleError;
use crate::hash::Hash;
use crate::scheme::Scheme;

/// Says that one leaf belongs to a root. In the wide layout it also says at which index; in the binary layout index and
/// leaf count only give the path its shape, and [`siblings`](Self::siblings) is the path that the contracts take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Proof {
    index: usize,
    leaf_count: usize,
    siblings: Vec<Hash>,
}

impl Proof {
    /// A proof from its parts, as they came over a wire; [`Scheme::verify`] judges them.
    #[must_use]
    pub const fn from_parts(index: usize, leaf_count: usize, siblings: Vec<Hash>) -> Self {
        Self { index, leaf_count, siblings }
    }

    /// Zero-based index that is claimed for the leaf.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Number of leaves that is claimed for the tree.
    #[must_use]
    pub const fn leaf_count(&self) -> usize {
        self.leaf_count
    }

    /// The nodes beside the path, from the leaf up, each group in order.
    #[must_use]
    pub fn siblings(&self) -> &[Hash] {
        &self.siblings
    }
}

impl Scheme {
    /// Checks that `proof` leads from `leaf` to `root` in this scheme and has neither gaps nor surplus.
    ///
    /// # Errors
    /// [`MerkleError::NoSuchLeaf`], [`MerkleError::MissingSiblings`], [`MerkleError::SurplusSiblings`] or
    /// [`MerkleError::RootMismatch`].
    pub fn verify(self, proof: &Proof, root: &Hash, leaf: &Hash) -> Result<(), MerkleError> {
        self.verify_shape(&[proof.index], proof.leaf_count, &proof.siblings, root, &[*leaf])
    }
}
