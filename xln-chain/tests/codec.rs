//! The packed bytes: what is written is read back, and nothing else is read.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use xln_chain::codec::{
    Bucket, CodecError, EventHead, Funding, MAX_OPERATIONS, RawOperation, encode_dispute, encode_fundings,
    encode_operations, parse_dispute, parse_fundings, parse_operations,
};
use xln_chain::{Bytes, U256};
use xln_core::types::{Address, DisputeFact, EntityId, Hash, Side, TokenId, UnixSeconds};

fn hash() -> impl Strategy<Value = Hash> {
    prop_oneof![1 => Just(Hash::ZERO), 2 => any::<[u8; 32]>().prop_map(Hash)]
}

fn time() -> impl Strategy<Value = UnixSeconds> {
    (0..1_u64 << 40).prop_map(UnixSeconds)
}

prop_compose! {
    fn dispute()(
        nonce in any::<u64>(), started_at in time(), answered_at in time(), left in any::<bool>(), answered in any::<bool>(),
        body_hash in hash(), starter_fills_hash in hash(), answerer_fills_hash in hash(),
    ) -> DisputeFact {
        let starter = if left { Side::Left } else { Side::Right };
        DisputeFact { nonce, started_at, starter, answered, answered_at, body_hash, starter_fills_hash, answerer_fills_hash }
    }
}

fn id(kind: u8, bytes: [u8; 20]) -> EntityId {
    match kind {
        0 => EntityId::account(Address(bytes)).unwrap(),
        kind => {
            let mut id = [kind; 32];
            id[1..21].copy_from_slice(&bytes);
            EntityId::parse(id).unwrap()
        }
    }
}

/// Few different ids, so that callers meet themselves.
fn entity() -> impl Strategy<Value = EntityId> {
    (0..3_u8, 1..4_u8).prop_map(|(kind, n)| id(kind, [n; 20]))
}

fn funding() -> impl Strategy<Value = Funding> {
    let amount = (1..127_u32).prop_flat_map(|bits| 1_u128 << (bits - 1)..1 << bits);
    let funding = (entity(), entity(), amount).prop_map(|(receiver, peer, amount)| Funding { receiver, peer, amount });
    funding.prop_filter("a channel has two ends", |f| f.receiver != f.peer)
}

fn operation() -> impl Strategy<Value = RawOperation> {
    (any::<bool>(), any::<u128>(), prop::collection::vec(any::<u8>(), 4..40)).prop_map(|(skippable, value, data)| {
        let value = if skippable { 0 } else { value };
        RawOperation { skippable, value, data: data.into() }
    })
}

/// One bit changed, bytes cut off or added.
fn spoil(bytes: &mut Vec<u8>, kind: u8, place: usize) {
    let length = bytes.len().max(1);
    match kind {
        0 if !bytes.is_empty() => bytes[place % length] ^= 1 << (place % 8),
        1 => bytes.truncate(place % length),
        _ => bytes.push(place as u8),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn disputes(dispute in dispute(), kind in 0..3_u8, place in any::<usize>()) {
        let mut bytes = encode_dispute(&dispute).unwrap();
        prop_assert_eq!(parse_dispute(&bytes), Ok(dispute));
        spoil(&mut bytes, kind, place);
        if let Ok(other) = parse_dispute(&bytes) {
            prop_assert_eq!(encode_dispute(&other).unwrap(), bytes);
        }
    }

    #[test]
    fn fundings(caller in entity(), list in prop::collection::vec(funding(), 0..5), kind in 0..3_u8, place in any::<usize>()) {
        let mut bytes = encode_fundings(&caller, &list).unwrap();
        prop_assert_eq!(parse_fundings(&caller, &bytes), Ok(list));
        spoil(&mut bytes, kind, place);
        if let Ok(other) = parse_fundings(&caller, &bytes) {
            prop_assert_eq!(encode_fundings(&caller, &other).unwrap(), bytes);
        }
    }

    #[test]
    fn operations(list in prop::collection::vec(operation(), 0..5), kind in 0..3_u8, place in any::<usize>()) {
        let mut bytes = encode_operations(&list).unwrap();
        prop_assert_eq!(parse_operations(&bytes), Ok(list));
        spoil(&mut bytes, kind, place);
        if let Ok(other) = parse_operations(&bytes) {
            prop_assert_eq!(encode_operations(&other).unwrap(), bytes);
        }
    }

    #[test]
    fn event_words(token in prop::option::of(any::<u32>()), flags in 0..4_u8, epoch in any::<u32>(), nonce in any::<u32>()) {
        let known = u8::from(token.is_some()) | if token.is_some() { flags << 1 } else { 0 };
        let word = U256::from(known) << 96 | U256::from(epoch) << 64 | U256::from(nonce) << 32 | U256::from(token.unwrap_or(0));
        let head = EventHead::parse(word).unwrap();
        prop_assert_eq!((head.token, head.epoch, head.settlement_nonce), (token.map(TokenId), epoch, nonce));
        prop_assert_eq!((head.left_reserve, head.right_reserve), (known & 2 != 0, known & 4 != 0));
        for bit in 99..256 {
            prop_assert!(EventHead::parse(word | U256::from(1) << bit).is_err());
        }
        if token.is_none() {
            prop_assert!(EventHead::parse(word | U256::from(2) << 96).is_err());
            prop_assert!(EventHead::parse(word | U256::from(5)).is_err());
        }
    }

    #[test]
    fn buckets(collateral in 0..1_u128 << 127, ondelta in -i128::MAX..=i128::MAX) {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&ondelta.to_be_bytes());
        bytes[16..].copy_from_slice(&collateral.to_be_bytes());
        prop_assert_eq!(Bucket::parse(U256::from_be_bytes(bytes)), Ok(Bucket { collateral, ondelta }));
        bytes[16] |= 0x80;
        prop_assert_eq!(Bucket::parse(U256::from_be_bytes(bytes)), Err(CodecError::AmountOutOfRange));
    }
}

#[test]
fn nothing_that_the_formats_exclude_is_written() {
    let (a, b) = (id(0, [1; 20]), id(2, [1; 20]));
    let fund = |receiver, peer, amount| encode_fundings(&a, &[Funding { receiver, peer, amount }]);
    assert_eq!(fund(a, b, 0), Err(CodecError::ZeroAmount));
    assert_eq!(fund(a, b, 1 << 127), Err(CodecError::AmountOutOfRange));
    assert_eq!(fund(b, b, 1), Err(CodecError::SameEntity));
    assert!(fund(b, a, (1 << 127) - 1).is_ok());

    let read = |parts: &[&[u8]]| parse_fundings(&a, &parts.concat());
    let to_b = |head: u8, amount: &[u8]| read(&[&[head], b.as_bytes(), amount]);
    assert_eq!(to_b(64 | 2, &[1, 0]), Ok(vec![Funding { receiver: b, peer: a, amount: 256 }]));
    assert_eq!(to_b(64 | 2, &[0, 1]), Err(CodecError::LeadingZero));
    assert_eq!(to_b(64, &[]), Err(CodecError::ZeroAmount));
    assert_eq!(to_b(64 | 17, &[1; 17]), Err(CodecError::AmountOutOfRange));
    assert_eq!(to_b(64 | 16, &[0xff; 16]), Err(CodecError::AmountOutOfRange));
    assert_eq!(read(&[&[32 | 64 | 1, 1]]), Err(CodecError::SameEntity));
    assert_eq!(read(&[&[1], a.as_bytes(), b.as_bytes(), &[1]]), Err(CodecError::NotShortest), "the caller by name");
    let account = id(0, [2; 20]);
    assert_eq!(read(&[&[64 | 1], account.as_bytes(), &[1]]), Err(CodecError::NotShortest), "an account in 32 bytes");

    let operation = |skippable, value, length| {
        encode_operations(&[RawOperation { skippable, value, data: Bytes::from(vec![0; length]) }]).map(|_| ())
    };
    assert_eq!(operation(true, 1, 4), Err(CodecError::SkippedValue));
    assert_eq!(operation(false, 1, 3), Err(CodecError::CalldataLength(3)));
    assert_eq!(operation(false, 1, 1 << 24), Err(CodecError::CalldataLength(1 << 24)));
    assert_eq!(operation(false, 1, (1 << 24) - 1), Ok(()));
    let one = RawOperation { skippable: false, value: 0, data: Bytes::from(vec![0; 4]) };
    let most = encode_operations(&vec![one.clone(); MAX_OPERATIONS]).unwrap();
    assert!(parse_operations(&most).is_ok());
    assert!(encode_operations(&vec![one.clone(); MAX_OPERATIONS + 1]).is_err());
    let beyond = [&most[..], &encode_operations(&[one]).unwrap()].concat();
    assert_eq!(parse_operations(&beyond), Err(CodecError::TooManyOperations(MAX_OPERATIONS + 1)));
}

/// The sizes that `docs/encodings.md` gives: the whole point of packing.
#[test]
fn sizes() {
    let (me, peer, org) = (id(0, [1; 20]), id(0, [2; 20]), id(2, [3; 20]));
    let size = |receiver, peer, amount| encode_fundings(&me, &[Funding { receiver, peer, amount }]).unwrap().len();
    assert_eq!(size(me, peer, 255), 1 + 20 + 1);
    assert_eq!(size(peer, me, 256), 1 + 20 + 2);
    assert_eq!(size(me, org, 1), 1 + 32 + 1);
    assert_eq!(size(peer, org, 1), 1 + 64 + 1);
    let plain = DisputeFact {
        nonce: 1,
        started_at: UnixSeconds(1),
        starter: Side::Left,
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: Hash([1; 32]),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    };
    assert_eq!(encode_dispute(&plain).unwrap().len(), 51);
    let filled = DisputeFact { starter_fills_hash: Hash([2; 32]), ..plain };
    assert_eq!(encode_dispute(&filled).unwrap().len(), 83);
    let late = DisputeFact { started_at: UnixSeconds(1 << 40), ..plain };
    assert_eq!(encode_dispute(&late), Err(CodecError::TimeOutOfRange));
}
