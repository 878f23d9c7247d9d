//! Signatures of accounts: known answers, every malformation refused, and the check against a known key exactly as strict
//! as recovery, which is what the contracts do.
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

use k256::ecdsa::signature::hazmat::PrehashVerifier;
use k256::ecdsa::{RecoveryId, VerifyingKey};
use proptest::prelude::*;
use xln_core::crypto::{KeyCache, LocalSigner, SignOutcome, Signature, SignatureError, Signer, recover_address};
use xln_core::types::{Address, EntityId, Hash};

const ORDER: [u8; 32] = alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

fn signer(seed: u8) -> LocalSigner {
    LocalSigner::new(&[seed; 32]).expect("in range")
}

fn one() -> LocalSigner {
    let mut secret = [0; 32];
    secret[31] = 1;
    LocalSigner::new(&secret).expect("in range")
}

/// The chain's rule, written down again: 64 bytes, low `s`, and `ecrecover` with v = 27 + parity gives the address.
fn chain_accepts(address: Address, digest: &Hash, bytes: &[u8]) -> bool {
    let Ok(mut rs) = <[u8; 64]>::try_from(bytes) else { return false };
    let odd = rs[32] & 0x80 != 0;
    rs[32] &= 0x7f;
    let Ok(ecdsa) = k256::ecdsa::Signature::from_slice(&rs) else { return false };
    if ecdsa.normalize_s() != ecdsa {
        return false;
    }
    let Ok(key) = VerifyingKey::recover_from_prehash(&digest.0, &ecdsa, RecoveryId::new(odd, false)) else {
        return false;
    };
    let point = key.to_sec1_point(false);
    xln_merkle::keccak256(&point.as_bytes()[1..])[12..] == address.0
}

#[test]
fn known_answers() {
    let signer = one();
    assert_eq!(signer.address().0, alloy_primitives::hex!("7e5f4552091a69125d5dfcb7b8c2659029395bdf"));
    assert_eq!(signer.entity(), EntityId::account(signer.address()).expect("an account"));
    // RFC 6979 over SHA-256("Satoshi Nakamoto"), a vector that many libraries share.
    let digest = Hash(alloy_primitives::hex!("a0dc65ffca799873cbea0ac274015b9526505daaaed385155425f7337704883e"));
    let mut expected = alloy_primitives::hex!(
        "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
    );
    let found = signer.sign_digest(&digest).expect("signs");
    expected[32] |= found.as_bytes()[32] & 0x80;
    assert_eq!(found.as_bytes(), expected);
    assert_eq!(recover_address(&digest, &found), Ok(signer.address()));
    assert_eq!(signer.sign(&digest), Ok(SignOutcome::Signed(found)));
}

#[test]
fn secrets_out_of_range_are_refused_and_none_is_shown() {
    assert!(LocalSigner::new(&[0; 32]).is_err());
    assert!(LocalSigner::new(&ORDER).is_err());
    assert!(LocalSigner::new(&[0xff; 32]).is_err());
    let shown = format!("{:?}", signer(0xab));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
}

#[test]
fn malformed_signatures_are_refused_cold_and_warm() {
    let (signer, digest) = (signer(3), Hash([0x55; 32]));
    let good = signer.sign_digest(&digest).expect("signs");
    let edit = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.as_bytes().to_vec();
        change(&mut bytes);
        Signature::new(bytes).expect("short enough")
    };
    let with_s = |s: [u8; 32]| edit(&move |bytes| bytes[32..].copy_from_slice(&s));
    let mut half_plus = alloy_primitives::hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1");
    let mut largest_s = [0xff; 32];
    largest_s[0] = 0x7f;
    let cases = [
        (edit(&|bytes| bytes[32] ^= 0x80), SignatureError::WrongSigner),
        (edit(&|bytes| bytes[..32].fill(0)), SignatureError::ScalarOutOfRange),
        (edit(&|bytes| bytes[..32].copy_from_slice(&ORDER)), SignatureError::ScalarOutOfRange),
        (edit(&|bytes| bytes[..32].fill(0xff)), SignatureError::ScalarOutOfRange),
        (with_s([0; 32]), SignatureError::ScalarOutOfRange),
        (with_s(half_plus), SignatureError::HighS),
        (with_s(largest_s), SignatureError::HighS),
        (edit(&|bytes| bytes.truncate(63)), SignatureError::WrongLength { length: 63 }),
        (edit(&|bytes| bytes.push(27)), SignatureError::WrongLength { length: 65 }),
        (edit(&|bytes| bytes.clear()), SignatureError::WrongLength { length: 0 }),
    ];
    let mut warm = KeyCache::default();
    warm.verify(&signer.entity(), &digest, &good).expect("good");
    for (signature, expected) in &cases {
        let cold = KeyCache::default().verify(&signer.entity(), &digest, signature);
        assert_eq!(cold, Err(*expected), "cold {signature:?}");
        assert_eq!(warm.verify(&signer.entity(), &digest, signature), Err(*expected), "warm {signature:?}");
    }
    // The largest low s is no range error.
    half_plus[31] -= 1;
    assert_eq!(warm.verify(&signer.entity(), &digest, &with_s(half_plus)), Err(SignatureError::WrongSigner));
    assert_eq!(Signature::new(vec![0; 4097]), Err(SignatureError::TooLong { length: 4097 }));
}

#[test]
fn plain_ecdsa_would_accept_the_wrong_parity() {
    let (signer, digest) = (signer(9), Hash([1; 32]));
    let mut bytes = <[u8; 64]>::try_from(signer.sign_digest(&digest).expect("signs").as_bytes()).expect("64 bytes");
    let flipped = {
        bytes[32] ^= 0x80;
        Signature::compact(bytes)
    };
    bytes[32] &= 0x7f;
    let key = *k256::ecdsa::SigningKey::from_slice(&[9; 32]).expect("in range").verifying_key();
    let plain = k256::ecdsa::Signature::from_slice(&bytes).expect("in range");
    assert!(key.verify_prehash(&digest.0, &plain).is_ok());
    let mut cache = KeyCache::default();
    cache.verify(&signer.entity(), &digest, &signer.sign_digest(&digest).expect("signs")).expect("good");
    assert_eq!(cache.verify(&signer.entity(), &digest, &flipped), Err(SignatureError::WrongSigner));
}

#[test]
fn the_cache_keeps_only_proven_keys() {
    let (honest, other, digest) = (signer(1), signer(2), Hash([7; 32]));
    let mut cache = KeyCache::default();
    let foreign = other.sign_digest(&digest).expect("signs");
    assert_eq!(cache.verify(&honest.entity(), &digest, &foreign), Err(SignatureError::WrongSigner));
    assert!(cache.is_empty());
    let own = honest.sign_digest(&digest).expect("signs");
    assert_eq!(cache.verify(&honest.entity(), &digest, &own), Ok(()));
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.verify(&honest.entity(), &digest, &foreign), Err(SignatureError::WrongSigner));
    assert_eq!(cache.verify(&honest.entity(), &Hash([8; 32]), &own), Err(SignatureError::WrongSigner));
    cache.forget(&honest.entity());
    assert!(cache.is_empty());
}

#[test]
fn a_key_cache_knows_accounts_only() {
    for tag in [1, 2] {
        let mut id = [0; 32];
        (id[0], id[31]) = (tag, 1);
        let entity = EntityId::parse(id).expect("a known kind");
        let verdict = KeyCache::default().verify(&entity, &Hash::ZERO, &Signature::compact([1; 64]));
        assert!(matches!(verdict, Err(SignatureError::UnsupportedEntity(_))), "{verdict:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is done to a signature or digest: cold, warm and chain agree.
    #[test]
    fn verdicts_are_the_chains(
        seed in 1_u8..=254, digest in digests(), place in 0_usize..64, flip in any::<u8>(), noise in any::<Option<[u8; 32]>>(),
    ) {
        let signer = signer(seed);
        let mut bytes = signer.sign_digest(&digest).expect("signs").as_bytes().to_vec();
        let mut warm = KeyCache::default();
        prop_assert_eq!(warm.verify(&signer.entity(), &digest, &Signature::new(bytes.clone()).expect("short")), Ok(()));
        bytes[place] ^= flip;
        if let Some(noise) = noise {
            bytes[..32].copy_from_slice(&noise);
        }
        let spoilt = Signature::new(bytes.clone()).expect("short");
        let cold = KeyCache::default().verify(&signer.entity(), &digest, &spoilt);
        prop_assert_eq!(cold.is_ok(), chain_accepts(signer.address(), &digest, &bytes));
        prop_assert_eq!(cold, warm.verify(&signer.entity(), &digest, &spoilt));
        prop_assert_eq!(cold.is_ok(), recover_address(&digest, &spoilt) == Ok(signer.address()));
    }
}

/// Digests, also such as are not below the order.
fn digests() -> impl Strategy<Value = Hash> {
    prop_oneof![any::<[u8; 32]>(), Just([0; 32]), Just(ORDER), Just([0xff; 32])].prop_map(Hash)
}
