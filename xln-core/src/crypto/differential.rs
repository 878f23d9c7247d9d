//! The two backends give the same verdicts, keys and addresses, on good and on spoilt signatures.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::signature::{HALF_ORDER, ORDER, Parsed};
use super::{LocalSigner, Signature, native, pure};
use crate::types::Hash;

/// `n - s`, by school subtraction.
fn negate(s: &[u8; 32]) -> [u8; 32] {
    let (mut out, mut borrow) = ([0; 32], 0_u16);
    for i in (0..32).rev() {
        let (from, take) = (u16::from(ORDER[i]) + 256, u16::from(s[i]) + borrow);
        out[i] = u8::try_from((from - take) & 0xff).unwrap();
        borrow = u16::from(from - take < 256);
    }
    out
}

/// What is done to a good signature; the number picks the place.
fn spoil(signature: &Signature, how: u8, place: usize) -> Signature {
    let mut bytes: Vec<u8> = signature.as_bytes().to_vec();
    match how {
        0 => {}
        1 => bytes[32] ^= 0x80,
        2 => bytes[place % 64] ^= 1 << (place / 64 % 8),
        3 => bytes[..32].fill(0),
        4 => bytes[32..].fill(0),
        5 => bytes[..32].copy_from_slice(&ORDER),
        6 => bytes[..32].fill(0xff),
        7 => {
            let mut s: [u8; 32] = bytes[32..].try_into().unwrap();
            let parity = s[0] & 0x80;
            s[0] &= 0x7f;
            s = negate(&s);
            s[0] = s[0] & 0x7f | (parity ^ 0x80);
            bytes[32..].copy_from_slice(&s);
        }
        8 => bytes[..32].rotate_left(place % 32),
        9 => bytes[32..].copy_from_slice(&HALF_ORDER),
        _ => bytes.truncate(place % 65),
    }
    Signature::new(bytes).unwrap()
}

fn agree(
    digest: &Hash,
    signature: &Parsed,
    signer: (&pure::PublicKey, &native::PublicKey),
) -> Result<(), TestCaseError> {
    match (pure::PublicKey::recover(digest, signature), native::PublicKey::recover(digest, signature)) {
        (Ok(a), Ok(b)) => {
            prop_assert_eq!(a.address(), b.address());
            prop_assert!(a.is_signer(digest, signature) && b.is_signer(digest, signature));
            prop_assert_eq!(a == *signer.0, b == *signer.1);
        }
        (a, b) => prop_assert_eq!(a.err(), b.err()),
    }
    let verdicts = (signer.0.is_signer(digest, signature), signer.1.is_signer(digest, signature));
    prop_assert_eq!(verdicts.0, verdicts.1);
    let recovered = native::PublicKey::recover(digest, signature).is_ok_and(|key| key == *signer.1);
    prop_assert_eq!(verdicts.0, recovered, "the check against a known key is not recovery");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn backends_agree(
        secret in any::<[u8; 32]>(), digest in any::<[u8; 32]>(), how in 0_u8..=10, place in any::<usize>(),
    ) {
        let Ok(signer) = LocalSigner::new(&secret) else { return Ok(()) };
        let digest = Hash(digest);
        let good = signer.sign_digest(&digest).unwrap();
        let parsed = good.parse().unwrap();
        let keys = (pure::PublicKey::recover(&digest, &parsed).unwrap(), native::PublicKey::recover(&digest, &parsed).unwrap());
        prop_assert_eq!(keys.0.address(), signer.address());
        agree(&digest, &parsed, (&keys.0, &keys.1))?;
        if let Ok(spoilt) = spoil(&good, how, place).parse() {
            agree(&digest, &spoilt, (&keys.0, &keys.1))?;
        }
    }

    /// Signatures out of nowhere: half of all `r` are no point.
    #[test]
    fn backends_agree_on_noise(r in any::<[u8; 32]>(), s in any::<[u8; 32]>(), digest in any::<[u8; 32]>()) {
        let noise = Signature::new([r, s].concat()).unwrap();
        let signer = LocalSigner::new(&[7; 32]).unwrap();
        let good = signer.sign_digest(&Hash(digest)).unwrap().parse().unwrap();
        let keys = (
            pure::PublicKey::recover(&Hash(digest), &good).unwrap(),
            native::PublicKey::recover(&Hash(digest), &good).unwrap(),
        );
        if let Ok(noise) = noise.parse() {
            agree(&Hash(digest), &noise, (&keys.0, &keys.1))?;
        }
    }
}

/// `s R = z G + r Q` with `Q` at infinity: `z = s` and `R = G`. Both refuse, as the chain does.
#[test]
fn no_key_at_infinity() {
    let r = alloy_primitives::hex!("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    let signature = Parsed { r, s: [1; 32], y_is_odd: false };
    assert!(pure::PublicKey::recover(&Hash([1; 32]), &signature).is_err());
    assert!(native::PublicKey::recover(&Hash([1; 32]), &signature).is_err());
}
