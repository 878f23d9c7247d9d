//! Leaves of a state and the root that is signed (`docs/protocol.md` section 6, `docs/encodings.md`, Commitment). Nothing
//! but [`path`] allocates.

use alloc::vec::Vec;
use alloy_primitives::hex;
use xln_merkle::{keccak256, pair_hash};

use super::eip712::{address_word, number_word, words_hash};
use crate::types::{Hash, SubchannelKey};

/// keccak256 of `StateLeaf(bytes32 stateHash)`.
pub(super) const STATE_LEAF_TYPE: [u8; 32] = hex!("453f05652666811a646ac6c677527c12e10c05eac9bcbcf0d94b388d1d12c7f2");
/// keccak256 of `SubchannelLeaf(uint256 chainId,address depository,uint32 epoch,bytes32 bodyHash)`.
pub(super) const SUBCHANNEL_LEAF_TYPE: [u8; 32] =
    hex!("066a99ed0704d4d6e5a38415d392e2d6c5eb3a0423718e020a76f0ae9bab7f4b");

/// The leaf of everything that no contract looks at: limits, ids, heights.
#[must_use]
pub fn state_leaf(state_hash: &Hash) -> Hash {
    Hash(keccak256(&words_hash(&[STATE_LEAF_TYPE, state_hash.0])))
}

/// The leaf that one Depository checks: its chain, its address, the epoch and the hash of the encoded body.
#[must_use]
pub fn subchannel_leaf(key: &SubchannelKey, epoch: u32, body_hash: &Hash) -> Hash {
    let words = [
        SUBCHANNEL_LEAF_TYPE,
        number_word(key.chain.0),
        address_word(&key.depository),
        number_word(u64::from(epoch)),
        body_hash.0,
    ];
    Hash(keccak256(&words_hash(&words)))
}

/// The Merkle root of leaves in order: the state's leaf, then the subchannels' by `(chain, depository)`. Neighbours are
/// hashed in sorted order, an odd last node is promoted. No leaves give the zero hash, which no signed state has.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::ZERO,
        [only] => *only,
        _ => {
            // Promoting odd nodes makes the left subtree the largest full one that leaves something for the right.
            let full = leaves.len().div_ceil(2).next_power_of_two();
            let (left, right) = leaves.split_at_checked(full).unwrap_or((leaves, &[]));
            Hash(pair_hash(&root(left).0, &root(right).0))
        }
    }
}

/// The siblings from the leaf at `index` up to the root; empty for a single leaf or an index that there is none of.
#[must_use]
pub fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    let mut siblings = Vec::new();
    let mut level: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
    let mut index = index;
    if index >= level.len() {
        return siblings;
    }
    while level.len() > 1 {
        if let Some(sibling) = level.get(index ^ 1) {
            siblings.push(Hash(*sibling));
        }
        level = level.chunks(2).map(parent).collect();
        index >>= 1;
    }
    siblings
}

fn parent(children: &[[u8; 32]]) -> [u8; 32] {
    match children {
        [left, right] => pair_hash(left, right),
        [only] => *only,
        _ => [0; 32],
    }
}

/// Whether `path` leads from `leaf` to `root`, as the Depository decides it.
#[must_use]
pub fn verify_path(leaf: &Hash, path: &[Hash], root: &Hash) -> bool {
    path.iter().fold(leaf.0, |node, sibling| pair_hash(&node, &sibling.0)) == root.0
}
