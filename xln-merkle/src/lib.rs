//! Merkle trees, proofs and roots over 32-byte leaves. One layout is the one that the contracts verify (pairs, sorted);
//! the others are wide trees whose root also binds the number of leaves. The crate knows nothing of channels.
//!
//! Two layouts, chosen by [`BatchSize`]:
//!
//! - **Binary** (`batch_size` 2): level by level, neighbours hashed as `H(min || max)`, an odd last node promoted
//!   unchanged: what OpenZeppelin's `MerkleProof` and `docs/encodings.md` (Commitment) say. A leaf must be a *double*
//!   hash ([`leaf_hash`]), so that no inner node, a hash of 64 bytes, can pass for a leaf, a hash of 32. Such a proof
//!   says *that* a leaf is in the tree, not *where*: sorted pairs forget the order.
//! - **Wide** (3 to 256): a group of `n` children is `H(0x01 || u8(n - 1) || child || … || child)`, in order; a group of
//!   one is promoted unchanged; and the root is `H(0x02 || u16 batch_size || u64 leaf_count || top)`, big-endian. The root
//!   thus fixes the shape of the whole tree: the depth and place of every leaf, so neither an inner node nor a shorter
//!   tree can stand in for a leaf, and a proof says *where* a leaf is.
//!
//! The verifier names the [`Scheme`]; a proof never chooses how it is checked. Verification is strict: every byte of
//! a proof is used, indices are in range, ascending and distinct.
//!
//! ```
//! use xln_merkle::{MerkleTree, Scheme, keccak256, leaf_hash, HashAlgorithm};
//!
//! let leaves = [b"a", b"b", b"c"].map(|bytes| leaf_hash(HashAlgorithm::Keccak256, &keccak256(bytes)));
//! let mut tree = MerkleTree::from_leaves(Scheme::CONTRACT, leaves.to_vec());
//! let root = tree.root().ok_or(xln_merkle::MerkleError::Empty)?;
//! let proof = tree.proof(1)?;
//! Scheme::CONTRACT.verify(&proof, &root, &leaves[1])?;
//! assert!(xln_merkle::verify_path(&leaves[1], proof.siblings(), &root));
//! tree.update(1, leaves[0])?;
//! assert!(Scheme::CONTRACT.verify(&proof, &tree.root().unwrap_or_default(), &leaves[1]).is_err());
//! # Ok::<(), xln_merkle::MerkleError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod binary;
mod error;
mod hash;
mod multiproof;
mod proof;
mod scheme;
mod tree;

pub use binary::{leaf_hash, pair_hash, root_of, verify_path};
pub use error::MerkleError;
pub use hash::{Hash, HashAlgorithm, Hasher, Keccak256, keccak256};
pub use multiproof::MultiProof;
pub use proof::Proof;
pub use scheme::{BatchSize, Scheme};
pub use tree::MerkleTree;
