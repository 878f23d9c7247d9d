//! The tree against a reference model written straight from the documented layout, and against rs_merkle.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use xln_merkle::{BatchSize, Hash, HashAlgorithm, MerkleError, MerkleTree, Proof, Scheme, root_of, verify_path};

fn leaf() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>()
}

fn scheme() -> impl Strategy<Value = Scheme> {
    let size = prop_oneof![Just(2u16), Just(3), Just(4), Just(16), Just(255), Just(256), 2..=256u16];
    (size, any::<bool>()).prop_map(|(size, sha)| {
        let algorithm = if sha { HashAlgorithm::Sha256 } else { HashAlgorithm::Keccak256 };
        Scheme::new(algorithm, BatchSize::new(size).unwrap())
    })
}

/// The layout as the crate's documentation words it, concatenating everything.
fn reference_root(scheme: Scheme, leaves: &[Hash]) -> Option<Hash> {
    let size = u16::from(scheme.batch_size);
    let hash = |bytes: &[u8]| scheme.algorithm.hash(bytes);
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = level
            .chunks(usize::from(size))
            .map(|group| match group {
                [only] => *only,
                [a, b] if size == 2 => {
                    let mut pair = [*a, *b];
                    pair.sort();
                    hash(&pair.concat())
                }
                _ => hash(&[&[0x01, u8::try_from(group.len() - 1).unwrap()][..], &group.concat()].concat()),
            })
            .collect();
    }
    let top = *level.first()?;
    if size == 2 {
        return Some(top);
    }
    let count = u64::try_from(leaves.len()).unwrap();
    Some(hash(&[&[0x02][..], &size.to_be_bytes(), &count.to_be_bytes(), &top].concat()))
}

#[derive(Clone)]
struct SortedKeccak;

impl rs_merkle::Hasher for SortedKeccak {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        xln_merkle::keccak256(data)
    }

    fn concat_and_hash(left: &Hash, right: Option<&Hash>) -> Hash {
        right.map_or(*left, |right| {
            let mut pair = [*left, *right];
            pair.sort();
            Self::hash(&pair.concat())
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn root_is_the_documented_one(scheme in scheme(), leaves in prop::collection::vec(leaf(), 0..600)) {
        prop_assert_eq!(MerkleTree::from_leaves(scheme, leaves.clone()).root(), reference_root(scheme, &leaves));
    }

    #[test]
    fn contract_layout_agrees_with_rs_merkle(leaves in prop::collection::vec(leaf(), 1..200), pick in any::<prop::sample::Index>()) {
        let oracle = rs_merkle::MerkleTree::<SortedKeccak>::from_leaves(&leaves);
        let tree = MerkleTree::from_leaves(Scheme::CONTRACT, leaves.clone());
        let root = oracle.root().unwrap();
        prop_assert_eq!(tree.root(), Some(root));
        prop_assert_eq!(root_of(&leaves), Some(root));
        let index = pick.index(leaves.len());
        let proof = tree.proof(index).unwrap();
        let oracle_proof = oracle.proof(&[index]);
        prop_assert_eq!(proof.siblings(), oracle_proof.proof_hashes());
        prop_assert!(verify_path(&leaves[index], proof.siblings(), &root));
    }

    #[test]
    fn updates_and_pushes_equal_a_rebuild(
        scheme in scheme(),
        start in prop::collection::vec(leaf(), 0..300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), leaf(), 0..4u8), 1..40),
    ) {
        let mut leaves = start.clone();
        let mut tree = MerkleTree::from_leaves(scheme, start);
        for (pick, leaf, kind) in changes {
            match (kind, leaves.len()) {
                (0, _) | (_, 0) => {
                    leaves.push(leaf);
                    tree.push(leaf);
                }
                (1, _) => {
                    leaves.extend([leaf; 7]);
                    tree.extend([leaf; 7]);
                }
                (_, len) => {
                    leaves[pick.index(len)] = leaf;
                    tree.update(pick.index(len), leaf).unwrap();
                }
            }
            // Equality covers every inner node, not only the root.
            prop_assert_eq!(&tree, &MerkleTree::from_leaves(scheme, leaves.clone()));
        }
    }

    #[test]
    fn proof_holds_for_its_leaf_only(
        scheme in scheme(),
        leaves in prop::collection::hash_set(leaf(), 2..300),
        pick in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let leaves: Vec<Hash> = leaves.into_iter().collect();
        let tree = MerkleTree::from_leaves(scheme, leaves.clone());
        let (root, index) = (tree.root().unwrap(), pick.index(leaves.len()));
        let proof = tree.proof(index).unwrap();
        prop_assert_eq!(scheme.verify(&proof, &root, &leaves[index]), Ok(()));

        let other = other.index(leaves.len());
        if other != index {
            prop_assert_eq!(scheme.verify(&proof, &root, &leaves[other]), Err(MerkleError::RootMismatch));
        }
        let mut siblings = proof.siblings().to_vec();
        siblings.push(leaves[0]);
        let surplus = Proof::from_parts(index, leaves.len(), siblings.clone());
        prop_assert_eq!(
            scheme.verify(&surplus, &root, &leaves[index]),
            Err(MerkleError::SurplusSiblings { expected: siblings.len() - 1, found: siblings.len() })
        );
        siblings.truncate(siblings.len() - 2);
        let found = siblings.len();
        let short = Proof::from_parts(index, leaves.len(), siblings);
        if found + 1 == proof.siblings().len() {
            prop_assert_eq!(scheme.verify(&short, &root, &leaves[index]), Err(MerkleError::MissingSiblings { found }));
        }
    }

    #[test]
    fn wide_proof_binds_index_and_leaf_count(
        size in 3..=256u16,
        leaves in prop::collection::hash_set(leaf(), 2..300),
        pick in any::<prop::sample::Index>(),
        claimed_index in 0..300usize,
        claimed_count in 1..300usize,
    ) {
        let leaves: Vec<Hash> = leaves.into_iter().collect();
        let scheme = Scheme::new(HashAlgorithm::Keccak256, BatchSize::new(size).unwrap());
        let tree = MerkleTree::from_leaves(scheme, leaves.clone());
        let index = pick.index(leaves.len());
        let siblings = tree.proof(index).unwrap().siblings().to_vec();
        let lie = Proof::from_parts(claimed_index, claimed_count, siblings);
        let verdict = scheme.verify(&lie, &tree.root().unwrap(), &leaves[index]);
        prop_assert_eq!(verdict.is_ok(), (claimed_index, claimed_count) == (index, leaves.len()));
    }
}

#[test]
fn empty_tree_has_no_root_and_no_proofs() {
    let mut tree = MerkleTree::new(Scheme::CONTRACT);
    assert_eq!((tree.root(), root_of(&[])), (None, None));
    assert_eq!(tree.proof(0), Err(MerkleError::NoSuchLeaf { index: 0, leaf_count: 0 }));
    assert_eq!(tree.update(0, [1; 32]), Err(MerkleError::NoSuchLeaf { index: 0, leaf_count: 0 }));
    assert_eq!(tree.multi_proof(&[]), Err(MerkleError::NoIndices));
}

#[test]
fn batch_size_range() {
    assert_eq!(BatchSize::new(1), Err(MerkleError::BatchSizeOutOfRange { found: 1 }));
    assert_eq!(BatchSize::new(257), Err(MerkleError::BatchSizeOutOfRange { found: 257 }));
    assert_eq!(BatchSize::new(256).map(u16::from), Ok(256));
}

#[test]
fn inner_node_of_a_wide_tree_cannot_pass_for_a_leaf() {
    let scheme = Scheme::new(HashAlgorithm::Keccak256, BatchSize::new(3).unwrap());
    let leaves: Vec<Hash> = (0..9).map(|byte| [byte; 32]).collect();
    let tree = MerkleTree::from_leaves(scheme, leaves.clone());
    let group = |members: &[Hash]| scheme.algorithm.hash(&[&[1u8, 2][..], &members.concat()].concat());
    let inner: Vec<Hash> = leaves.chunks(3).map(group).collect();
    // The three inner nodes as leaves of a tree of 3: the same hashes all the way to the top, another root above it.
    let forged = Proof::from_parts(0, 3, inner[1..].to_vec());
    assert_eq!(scheme.verify(&forged, &tree.root().unwrap(), &inner[0]), Err(MerkleError::RootMismatch));
}

#[cfg(feature = "serde")]
#[test]
fn serde_round_trip_and_strictness() {
    let tree = MerkleTree::from_leaves(Scheme::CONTRACT, vec![[7; 32]; 5]);
    let proof = tree.proof(3).unwrap();
    let json = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<Proof>(&json).unwrap(), proof);
    let extra = json.replacen('{', "{\"surplus\":1,", 1);
    assert!(serde_json::from_str::<Proof>(&extra).unwrap_err().to_string().contains("surplus"));
    assert!(serde_json::from_str::<BatchSize>("257").unwrap_err().to_string().contains("257"));
    assert_eq!(serde_json::from_str::<BatchSize>("16").unwrap(), BatchSize::new(16).unwrap());
}
