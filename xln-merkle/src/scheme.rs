//! How nodes are hashed: the hash function and the number of children per node. Trees and verifiers share it.

use core::num::NonZeroUsize;

use crate::binary::pair_hash_with;
use crate::error::MerkleError;
use crate::hash::{Hash, HashAlgorithm, Hasher};

/// Number of children of an inner node, in `2..=256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u16", into = "u16"))]
pub struct BatchSize(u16);

impl BatchSize {
    /// Two children: the layout that the contracts verify.
    pub const BINARY: Self = Self(2);

    /// Checks that `children` lies in `2..=256`.
    ///
    /// # Errors
    /// [`MerkleError::BatchSizeOutOfRange`] otherwise.
    pub const fn new(children: u16) -> Result<Self, MerkleError> {
        match children {
            2..=256 => Ok(Self(children)),
            // A const fn cannot call `u32::from`; widening by bytes says the same.
            _ => {
                let [high, low] = children.to_be_bytes();
                Err(MerkleError::BatchSizeOutOfRange { found: u32::from_be_bytes([0, 0, high, low]) })
            }
        }
    }

    /// The number of children.
    #[must_use]
    pub fn children(self) -> NonZeroUsize {
        NonZeroUsize::new(usize::from(self.0)).unwrap_or(NonZeroUsize::MIN)
    }

    /// Whether this is the contracts' layout of sorted pairs.
    #[must_use]
    pub fn is_binary(self) -> bool {
        self == Self::BINARY
    }
}

impl Default for BatchSize {
    fn default() -> Self {
        Self::BINARY
    }
}

impl TryFrom<u16> for BatchSize {
    type Error = MerkleError;

    fn try_from(children: u16) -> Result<Self, MerkleError> {
        Self::new(children)
    }
}

impl From<BatchSize> for u16 {
    fn from(size: BatchSize) -> Self {
        size.0
    }
}

/// Hash function and batch size of a tree. A verifier states it; a proof does not carry it, or whoever made the proof
/// would choose how it is judged. The default is [`Scheme::CONTRACT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Scheme {
    /// The hash function of every node.
    pub algorithm: HashAlgorithm,
    /// Children per node.
    pub batch_size: BatchSize,
}

impl Scheme {
    /// Sorted pairs of Keccak-256: what the contracts verify.
    pub const CONTRACT: Self = Self { algorithm: HashAlgorithm::Keccak256, batch_size: BatchSize::BINARY };

    /// A scheme of this hash function and batch size.
    #[must_use]
    pub const fn new(algorithm: HashAlgorithm, batch_size: BatchSize) -> Self {
        Self { algorithm, batch_size }
    }

    /// The parent of a group of 1 to `batch_size` children; an only child is its own parent.
    pub(crate) fn parent(self, children: &[Hash]) -> Hash {
        match children {
            [only] => *only,
            [a, b] if self.batch_size.is_binary() => pair_hash_with(self.algorithm, a, b),
            _ => {
                let mut hasher = Hasher::new(self.algorithm);
                let surplus = u8::try_from(children.len().saturating_sub(1)).unwrap_or(u8::MAX);
                hasher.update(&[INNER, surplus]);
                for child in children {
                    hasher.update(child);
                }
                hasher.finalize()
            }
        }
    }

    /// The root above the topmost node: itself in the binary layout, else bound to the shape of the tree.
    pub(crate) fn seal(self, top: Hash, leaf_count: usize) -> Hash {
        if self.batch_size.is_binary() {
            return top;
        }
        let mut hasher = Hasher::new(self.algorithm);
        hasher.update(&[ROOT]);
        hasher.update(&self.batch_size.0.to_be_bytes());
        // No platform of Rust has a usize wider than 64 bits.
        hasher.update(&u64::try_from(leaf_count).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(&top);
        hasher.finalize()
    }
}

/// First byte of a wide inner node's preimage.
const INNER: u8 = 0x01;
/// First byte of a wide root's preimage.
const ROOT: u8 = 0x02;
