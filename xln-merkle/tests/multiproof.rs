//! Multiproofs: every subset proves, every tampering is refused by name, and the forgery that the released rs_merkle
//! accepts is refused here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use proptest::sample::subsequence;
use xln_merkle::{BatchSize, Hash, HashAlgorithm, MerkleError, MerkleTree, MultiProof, Scheme};

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|index| xln_merkle::keccak256(&index.to_be_bytes())).collect()
}

fn case() -> impl Strategy<Value = (Scheme, usize, Vec<usize>)> {
    (prop_oneof![Just(2u16), 2..=256u16], 1..200usize).prop_flat_map(|(size, count)| {
        let scheme = Scheme::new(HashAlgorithm::Keccak256, BatchSize::new(size).unwrap());
        (Just(scheme), Just(count), subsequence((0..count).collect::<Vec<_>>(), 1..=count))
    })
}

fn pick(leaves: &[Hash], indices: &[usize]) -> Vec<Hash> {
    indices.iter().map(|&index| leaves[index]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_subset_proves_and_nothing_else((scheme, count, indices) in case(), shuffle in any::<bool>(), victim in any::<prop::sample::Index>()) {
        let all = leaves(count);
        let tree = MerkleTree::from_leaves(scheme, all.clone());
        let root = tree.root().unwrap();
        let mut asked = indices.clone();
        if shuffle {
            asked.reverse();
        }
        let proof = tree.multi_proof(&asked).unwrap();
        prop_assert_eq!(proof.indices(), &indices[..]);
        let proved = pick(&all, &indices);
        prop_assert_eq!(scheme.verify_many(&proof, &root, &proved), Ok(()));

        let mut bogus = proved.clone();
        bogus[victim.index(proved.len())] = [0xee; 32];
        prop_assert_eq!(scheme.verify_many(&proof, &root, &bogus), Err(MerkleError::RootMismatch));

        let found = proof.siblings().len();
        if let Some((_, short)) = proof.siblings().split_last() {
            let short = MultiProof::from_parts(indices.clone(), count, short.to_vec());
            prop_assert_eq!(scheme.verify_many(&short, &root, &proved), Err(MerkleError::MissingSiblings { found: found - 1 }));
        }
        let long = [proof.siblings(), &[[0; 32]]].concat();
        let long = MultiProof::from_parts(indices.clone(), count, long);
        let surplus = MerkleError::SurplusSiblings { expected: found, found: found + 1 };
        prop_assert_eq!(scheme.verify_many(&long, &root, &proved), Err(surplus));
    }

    #[test]
    fn garbage_never_panics_and_never_verifies(
        size in 2..=256u16,
        indices in prop::collection::vec(any::<usize>(), 0..5),
        count in any::<usize>(),
        siblings in prop::collection::vec(any::<[u8; 32]>(), 0..40),
        given in prop::collection::vec(any::<[u8; 32]>(), 0..5),
    ) {
        let scheme = Scheme::new(HashAlgorithm::Sha256, BatchSize::new(size).unwrap());
        let proof = MultiProof::from_parts(indices, count, siblings);
        prop_assert!(scheme.verify_many(&proof, &[0; 32], &given).is_err());
    }
}

#[test]
fn faults_have_names() {
    let all = leaves(5);
    let tree = MerkleTree::from_leaves(Scheme::CONTRACT, all.clone());
    let root = tree.root().unwrap();
    let check = |indices: &[usize], given: &[Hash]| {
        Scheme::CONTRACT.verify_many(&MultiProof::from_parts(indices.to_vec(), 5, vec![]), &root, given)
    };
    assert_eq!(check(&[], &[]), Err(MerkleError::NoIndices));
    assert_eq!(check(&[5], &all[..1]), Err(MerkleError::NoSuchLeaf { index: 5, leaf_count: 5 }));
    assert_eq!(check(&[1, 1], &all[..2]), Err(MerkleError::DuplicateIndex { index: 1 }));
    assert_eq!(check(&[2, 1], &all[..2]), Err(MerkleError::IndicesNotAscending { index: 1 }));
    assert_eq!(check(&[1], &all[..2]), Err(MerkleError::LeafCountMismatch { expected: 1, found: 2 }));
    assert_eq!(tree.multi_proof(&[3, 0, 3]), Err(MerkleError::DuplicateIndex { index: 3 }));
}

#[derive(Clone)]
struct Sorted;

impl rs_merkle::Hasher for Sorted {
    type Hash = Hash;

    fn hash(data: &[u8]) -> Hash {
        xln_merkle::keccak256(data)
    }

    fn concat_and_hash(left: &Hash, right: Option<&Hash>) -> Hash {
        right.map_or(*left, |right| xln_merkle::pair_hash(left, right))
    }
}

#[test]
fn forgery_that_fools_rs_merkle_is_refused() {
    let all = leaves(4);
    let oracle = rs_merkle::MerkleTree::<Sorted>::from_leaves(&all);
    let root = oracle.root().unwrap();
    // A fifth "leaf" under a repeated index: rs_merkle pairs nodes by place, drops what is left over, and says yes.
    let indices = [0, 1, 2, 3, 3];
    let forged = [all.clone(), vec![[0xee; 32]]].concat();
    assert!(rs_merkle::MerkleProof::<Sorted>::new(vec![]).verify(root, &indices, &forged, 4));

    let ours = MultiProof::from_parts(indices.to_vec(), 4, vec![]);
    assert_eq!(Scheme::CONTRACT.verify_many(&ours, &root, &forged), Err(MerkleError::DuplicateIndex { index: 3 }));
}
