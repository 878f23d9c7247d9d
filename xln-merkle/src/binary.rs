//! The contracts' layout without a tree: leaf and pair hashes, the root of a list, an OpenZeppelin path. Nothing here
//! allocates; the core calls it once or more per block.

use crate::hash::{Hash, HashAlgorithm, Hasher, Keccak256};

/// Turns the hash of a leaf's content into the leaf: one more hash, so that a leaf is a hash of 32 bytes and can never
/// be an inner node, which is a hash of 64 (`docs/encodings.md`, Commitment: `keccak256(keccak256(…))`).
#[must_use]
pub fn leaf_hash(algorithm: HashAlgorithm, content_hash: &Hash) -> Hash {
    algorithm.hash(content_hash)
}

/// The parent of two neighbours: `keccak256(min || max)`.
#[must_use]
pub fn pair_hash(a: &Hash, b: &Hash) -> Hash {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let mut hasher = Keccak256::new();
    hasher.update(low);
    hasher.update(high);
    hasher.finalize()
}

/// [`pair_hash`] with either algorithm.
pub(crate) fn pair_hash_with(algorithm: HashAlgorithm, a: &Hash, b: &Hash) -> Hash {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let mut hasher = Hasher::new(algorithm);
    hasher.update(low);
    hasher.update(high);
    hasher.finalize()
}

/// The root that the contracts verify against, of leaves in order; `None` for no leaves.
///
/// Equal to the root of a [`MerkleTree`](crate::MerkleTree) of [`Scheme::CONTRACT`](crate::Scheme::CONTRACT), without
/// allocation: it keeps one finished subtree per level, like the digits of a binary counter, and at the end joins what
/// is left from right to left, which is the same as promoting odd nodes.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Option<Hash> {
    // One slot per bit of the leaf count; `pending[i]` is the root of a full subtree of 2^i leaves.
    let mut pending = [None::<Hash>; 64];
    for leaf in leaves {
        let mut node = *leaf;
        for slot in &mut pending {
            match slot.take() {
                Some(left) => node = pair_hash(&left, &node),
                None => {
                    *slot = Some(node);
                    break;
                }
            }
        }
    }
    pending.iter().flatten().copied().reduce(|right, left| pair_hash(&left, &right))
}

/// Whether `path` leads from `leaf` to `root`, as OpenZeppelin's `MerkleProof.verify` decides it. It proves membership,
/// not position. The caller must have built `leaf` as a double hash ([`leaf_hash`]) from content it understands.
#[must_use]
pub fn verify_path(leaf: &Hash, path: &[Hash], root: &Hash) -> bool {
    path.iter().fold(*leaf, |node, sibling| pair_hash(&node, sibling)) == *root
}
