//! The codec against `bincode` itself, byte for byte on mirrored types, and its strictness: one encoding per value,
//! everything consumed, nothing large allocated on the word of a prefix.
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

use std::collections::BTreeMap;

use proptest::prelude::*;
use xln_core::codec::{CodecError, MAX_MESSAGE_BYTES, decode, encode};
use xln_core::proof::Fills;
use xln_core::types::Side;

/// The same declarations for both engines: the derives are named by what is imported.
mod ours {
    use std::collections::BTreeMap;
    use wincode::{SchemaRead as Reads, SchemaWrite as Writes};
    include!("codec_types/declarations.rs");
}

mod theirs {
    use bincode::{Decode as Reads, Encode as Writes};
    use std::collections::BTreeMap;
    include!("codec_types/declarations.rs");
}

fn kinds(seeds: &[(u8, u64, i128)]) -> (Vec<ours::Kind>, Vec<theirs::Kind>) {
    let kind = |(tag, number, wide): &(u8, u64, i128)| match tag % 3 {
        0 => (ours::Kind::Unit, theirs::Kind::Unit),
        1 => (ours::Kind::Tuple(*number), theirs::Kind::Tuple(*number)),
        _ => (
            ours::Kind::Named { left: *wide, right: vec![*tag; 3] },
            theirs::Kind::Named { left: *wide, right: vec![*tag; 3] },
        ),
    };
    seeds.iter().map(kind).unzip()
}

fn to_bincode<T: bincode::Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::standard()).expect("encodes")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn bytes_are_bincodes(
        numbers in any::<(u8, bool, u16, u32, u64, u128, i64, i128)>(), shift in 0_u32..128, hash in any::<[u8; 32]>(),
        bytes in any::<Vec<u8>>(), pairs in any::<Vec<(u32, i128)>>(), maybe in any::<Option<u64>>(),
        seeds in any::<Vec<(u8, u64, i128)>>(), map in any::<BTreeMap<u64, [u8; 20]>>(),
    ) {
        let (small, flag, short, medium, long, wide, signed, wide_signed) = numbers;
        // Integers of every length, so that each of the format's prefixes is met.
        let (medium, long, wide) = (medium >> (shift % 32), long >> (shift % 64), wide >> shift);
        let (signed, wide_signed) = (signed >> (shift % 64), wide_signed >> shift);
        let (our_kinds, their_kinds) = kinds(&seeds);
        let ours = ours::All {
            small, flag, short, medium, long, wide, signed, wide_signed, hash, maybe,
            bytes: bytes.clone(), pairs: pairs.clone(), kinds: our_kinds, map: map.clone(),
        };
        let theirs = theirs::All {
            small, flag, short, medium, long, wide, signed, wide_signed, hash, maybe, bytes, pairs, kinds: their_kinds, map,
        };
        let encoded = encode(&ours).expect("encodes");
        prop_assert_eq!(&encoded, &to_bincode(&theirs));
        prop_assert_eq!(decode::<ours::All>(&encoded), Ok(ours));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..200), low in any::<bool>()) {
        if low {
            bytes.iter_mut().for_each(|byte| *byte %= 4);
        }
        if let Ok(value) = decode::<ours::All>(&bytes) {
            prop_assert_eq!(encode(&value).expect("encodes"), bytes.clone());
        }
        if let Ok(value) = decode::<Fills>(&bytes) {
            prop_assert_eq!(encode(&value).expect("encodes"), bytes);
        }
    }
}

#[test]
fn over_long_integers_are_refused() {
    for bytes in [&[251, 5, 0][..], &[252, 5, 0, 0, 0], &[253, 5, 0, 0, 0, 0, 0, 0, 0], &[252, 0xff, 0xff, 0, 0]] {
        let lax: Result<(u64, usize), _> = bincode::decode_from_slice(bytes, bincode::config::standard());
        assert!(lax.is_ok(), "bincode reads {bytes:?}");
        assert_eq!(decode::<u64>(bytes), Err(CodecError::NotCanonical), "{bytes:?}");
    }
    assert_eq!(decode::<u64>(&[5]), Ok(5));
    // Also as the length of a list and the tag of an enum.
    assert_eq!(decode::<Vec<u8>>(&[251, 1, 0, 7]), Err(CodecError::NotCanonical));
    assert!(decode::<Side>(&[251, 1, 0]).is_err());
    assert_eq!(decode::<Side>(&[1]), Ok(Side::Right));
    assert_eq!(decode::<Side>(&[2]), Err(CodecError::Malformed));
}

#[test]
fn left_over_and_missing_bytes_are_refused() {
    assert_eq!(decode::<u64>(&[5, 0]), Err(CodecError::Malformed));
    assert_eq!(decode::<u64>(&[251, 0]), Err(CodecError::Malformed));
    assert_eq!(decode::<Vec<u8>>(&[2, 7]), Err(CodecError::Malformed));
    assert_eq!(decode::<bool>(&[2]), Err(CodecError::Malformed));
    assert_eq!(decode::<Option<u8>>(&[2, 0]), Err(CodecError::Malformed));
    let long = vec![0; MAX_MESSAGE_BYTES + 1];
    let length = long.len();
    assert_eq!(decode::<Vec<u8>>(&long), Err(CodecError::TooLong { length, max: MAX_MESSAGE_BYTES }));
}

#[test]
fn maps_out_of_order_or_with_repeated_keys_are_refused() {
    assert!(decode::<BTreeMap<u8, u8>>(&[2, 1, 9, 2, 9]).is_ok());
    assert_eq!(decode::<BTreeMap<u8, u8>>(&[2, 2, 9, 1, 9]), Err(CodecError::NotCanonical));
    assert_eq!(decode::<BTreeMap<u8, u8>>(&[2, 1, 9, 1, 9]), Err(CodecError::NotCanonical));
}

#[test]
fn huge_lengths_are_refused_before_anything_is_allocated() {
    // If memory were reserved for these counts, the test would be killed or take very long.
    for length in [u64::MAX, 1 << 62, 1 << 40, 1 << 31] {
        let mut bytes = vec![253];
        bytes.extend_from_slice(&length.to_le_bytes());
        assert_eq!(decode::<Vec<u8>>(&bytes), Err(CodecError::Malformed));
        assert_eq!(decode::<Vec<[u8; 32]>>(&bytes), Err(CodecError::Malformed));
        assert_eq!(decode::<Vec<Vec<u8>>>(&bytes), Err(CodecError::Malformed));
        assert_eq!(decode::<BTreeMap<u64, u64>>(&bytes), Err(CodecError::Malformed));
        assert_eq!(decode::<Fills>(&bytes), Err(CodecError::Malformed));
    }
}
