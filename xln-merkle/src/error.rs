//! What can be wrong with a tree operation or with a proof; each variant names the fact.

/// Why a tree refused an operation or a verifier refused a proof.
///
/// `BatchSizeOutOfRange`, `Empty` and `NoSuchLeaf` from a tree are misuse by the caller; from `verify` everything is the
/// fault of whoever made the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MerkleError {
    /// A batch size must lie in `2..=256`.
    #[error("batch size {found} is not in 2..=256")]
    BatchSizeOutOfRange {
        /// The size that was asked for.
        found: u32,
    },
    /// The tree has no leaves, so there is nothing to prove and no root.
    #[error("the tree has no leaves")]
    Empty,
    /// The index names no leaf of the tree (or of the shape that a proof claims).
    #[error("leaf {index} does not exist among {leaf_count}")]
    NoSuchLeaf {
        /// Zero-based index that was asked for.
        index: usize,
        /// Number of leaves.
        leaf_count: usize,
    },
    /// A proof for many leaves must be for at least one.
    #[error("no leaf index was given")]
    NoIndices,
    /// The same leaf was named twice.
    #[error("leaf {index} is named twice")]
    DuplicateIndex {
        /// The repeated index.
        index: usize,
    },
    /// The indices of a multiproof are not ascending.
    #[error("leaf {index} is named out of order")]
    IndicesNotAscending {
        /// The first index that is smaller than its predecessor.
        index: usize,
    },
    /// The number of leaves handed to the verifier is not the number of indices in the multiproof.
    #[error("the proof is for {expected} leaves, {found} were given")]
    LeafCountMismatch {
        /// Number of indices in the proof.
        expected: usize,
        /// Number of leaves that the caller gave.
        found: usize,
    },
    /// The proof ends before its shape is filled.
    #[error("the proof has too few siblings: {found}")]
    MissingSiblings {
        /// Number of siblings in the proof.
        found: usize,
    },
    /// The proof has material that the verification does not use.
    #[error("the proof has {found} siblings and needs only {expected}")]
    SurplusSiblings {
        /// Number of siblings that the shape uses.
        expected: usize,
        /// Number of siblings in the proof.
        found: usize,
    },
    /// Everything is well-formed and leads to another root.
    #[error("the proof leads to another root")]
    RootMismatch,
}
