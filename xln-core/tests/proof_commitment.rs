//! Leaves, roots, paths and digests against independent implementations: `abi.encode` and EIP-712 of alloy, the trees of
//! xln-merkle.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say what they expect by failing"
)]

use alloy_primitives::{Address as EthAddress, B256, Bytes, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolStruct, SolValue, sol};
use proptest::prelude::*;
use xln_core::proof::{
    DepositoryDomain, body_hash, channel_state_digest, fills_hash, path, root, state_leaf, subchannel_leaf, verify_path,
};
use xln_core::types::{Address, ChainId, EntityId, Hash, Nonce, Pair, SubchannelKey, UnixSeconds};
use xln_merkle::{MerkleTree, Scheme};

sol! {
    struct ChannelState { bytes32 channelKey; uint64 nonce; bytes32 root; }
    struct CooperativeUpdate { bytes32 channelKey; uint32 epoch; uint32 settlementNonce; uint64 expiry; bytes update; }
    struct CooperativeClose { bytes32 channelKey; uint32 epoch; uint32 settlementNonce; uint64 expiry; bytes body; }
    struct DisputeStart { bytes32 channelKey; uint32 epoch; uint64 nonce; bytes32 bodyHash; bytes fills; uint64 expiry; }
    struct DisputeAnswer { bytes32 channelKey; uint32 epoch; uint64 nonce; bytes32 bodyHash; bytes fills; }
}

fn twice(bytes: &[u8]) -> Hash {
    Hash(keccak256(keccak256(bytes)).0)
}

fn domain(name: &'static str, verifier: Option<(u64, [u8; 20])>) -> Eip712Domain {
    Eip712Domain {
        name: Some(name.into()),
        version: Some("1".into()),
        chain_id: verifier.map(|(chain, _)| U256::from(chain)),
        verifying_contract: verifier.map(|(_, address)| EthAddress::new(address)),
        salt: None,
    }
}

proptest! {
    #[test]
    fn leaves_are_double_hashes_of_abi_encodings(
        hash in any::<[u8; 32]>(), chain in any::<u64>(), depository in any::<[u8; 20]>(), epoch in any::<u32>(),
    ) {
        let kind = keccak256("StateLeaf(bytes32 stateHash)");
        prop_assert_eq!(state_leaf(&Hash(hash)), twice(&(kind, B256::new(hash)).abi_encode()));
        let kind = keccak256("SubchannelLeaf(uint256 chainId,address depository,uint32 epoch,bytes32 bodyHash)");
        let encoded = (kind, U256::from(chain), EthAddress::new(depository), epoch, B256::new(hash)).abi_encode();
        let key = SubchannelKey { chain: ChainId(chain), depository: Address(depository) };
        prop_assert_eq!(subchannel_leaf(&key, epoch, &Hash(hash)), twice(&encoded));
    }

    #[test]
    fn digests_are_eip712s(
        key in any::<[u8; 32]>(), word in any::<[u8; 32]>(), chain in any::<u64>(), contract in any::<[u8; 20]>(),
        numbers in any::<(u32, u32, u64, u64)>(), bytes in any::<Vec<u8>>(),
    ) {
        let (epoch, settlement_nonce, expiry, nonce) = numbers;
        let (sol_key, sol_word, sol_bytes) = (B256::new(key), B256::new(word), Bytes::from(bytes.clone()));
        let (key, word) = (Hash(key), Hash(word));

        let state = ChannelState { channelKey: sol_key, nonce, root: sol_word };
        let expected = state.eip712_signing_hash(&domain("xln", None));
        prop_assert_eq!(channel_state_digest(&key, Nonce(nonce), &word).0, expected.0);

        let ours = DepositoryDomain::new(ChainId(chain), Address(contract));
        let theirs = domain("xln Depository", Some((chain, contract)));
        prop_assert_eq!(ours.separator().0, theirs.separator().0);
        let update = CooperativeUpdate {
            channelKey: sol_key, epoch, settlementNonce: settlement_nonce, expiry, update: sol_bytes.clone(),
        };
        let found = ours.cooperative_update(&key, epoch, settlement_nonce, UnixSeconds(expiry), &bytes);
        prop_assert_eq!(found.0, update.eip712_signing_hash(&theirs).0);
        let close = CooperativeClose {
            channelKey: sol_key, epoch, settlementNonce: settlement_nonce, expiry, body: sol_bytes.clone(),
        };
        let found = ours.cooperative_close(&key, epoch, settlement_nonce, UnixSeconds(expiry), &bytes);
        prop_assert_eq!(found.0, close.eip712_signing_hash(&theirs).0);
        let start = DisputeStart {
            channelKey: sol_key, epoch, nonce, bodyHash: sol_word, fills: sol_bytes.clone(), expiry,
        };
        let found = ours.dispute_start(&key, epoch, Nonce(nonce), &word, &bytes, UnixSeconds(expiry));
        prop_assert_eq!(found.0, start.eip712_signing_hash(&theirs).0);
        let answer = DisputeAnswer { channelKey: sol_key, epoch, nonce, bodyHash: sol_word, fills: sol_bytes };
        let found = ours.dispute_answer(&key, epoch, Nonce(nonce), &word, &bytes);
        prop_assert_eq!(found.0, answer.eip712_signing_hash(&theirs).0);
    }

    #[test]
    fn roots_and_paths_are_the_trees(leaves in prop::collection::vec(any::<[u8; 32]>(), 1..40), other in any::<[u8; 32]>()) {
        let hashes: Vec<Hash> = leaves.iter().copied().map(Hash).collect();
        let tree = MerkleTree::from_leaves(Scheme::CONTRACT, leaves.clone());
        let top = root(&hashes);
        prop_assert_eq!(Some(top.0), tree.root());
        for index in 0..leaves.len() {
            let found = path(&hashes, index);
            let siblings: Vec<[u8; 32]> = found.iter().map(|hash| hash.0).collect();
            let proof = tree.proof(index).expect("in range");
            prop_assert_eq!(&siblings, proof.siblings());
            prop_assert!(verify_path(&hashes[index], &found, &top));
            prop_assert!(!verify_path(&Hash(other), &found, &top));
        }
    }
}

#[test]
fn edges() {
    assert_eq!(root(&[]), Hash::ZERO);
    assert_eq!(root(&[Hash([3; 32])]), Hash([3; 32]));
    assert!(path(&[Hash([3; 32])], 0).is_empty());
    for index in 3..9 {
        assert!(path(&[Hash([3; 32]); 3], index).is_empty());
    }
    assert_eq!(body_hash(b"abc").0, keccak256("abc").0);
    assert_eq!(fills_hash(b""), Hash::ZERO);
    assert_eq!(fills_hash(b"abc").0, keccak256("abc").0);
}

#[test]
fn channel_keys_are_abi_encodings() {
    let entity = |byte| EntityId::account(Address([byte; 20])).expect("an account");
    let pair = Pair::new(entity(9), entity(2)).expect("two");
    let encoded = (B256::new(*entity(2).as_bytes()), B256::new(*entity(9).as_bytes())).abi_encode();
    assert_eq!(pair.channel_key().0, keccak256(encoded).0);
}
