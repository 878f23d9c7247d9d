//! secp256k1 as xln uses it, by `k256`: what its generic functions become is compiled here, so that it can be compiled for speed
//! where everything else is compiled for size (`profile.wasm`). What a signature must look like is `xln-core`'s business.
#![no_std]
#![forbid(unsafe_code)]

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use k256::elliptic_curve::bigint::U256 as ScalarUint;
use k256::elliptic_curve::ops::{Invert, MulByGeneratorVartime, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};

/// A signature's numbers, big-endian, and whether the `y` of its point `R` is odd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    /// The `x` of `R`.
    pub r: [u8; 32],
    /// The proof.
    pub s: [u8; 32],
    /// The parity of `R`.
    pub y_is_odd: bool,
}

/// Why numbers give no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unrecoverable {
    /// One of them is zero or not below the order of the group.
    OutOfRange,
    /// No point has this `r`, or the key would be the point at infinity.
    NoKey,
}

impl Numbers {
    fn parse(&self) -> Option<Signature> {
        Signature::from_scalars(self.r, self.s).ok()
    }
}

/// A secret key; it is wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Takes 32 big-endian bytes: `None` for zero and for what is not below the order of the group.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(secret).ok().map(Self)
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key().as_affine())
    }

    /// Signs a digest, deterministically (RFC 6979), with `s` in the lower half of the order. `None` if `R` has an `x` beyond
    /// the order, which happens once in `2^128` digests.
    #[must_use]
    pub fn sign(&self, digest: &[u8; 32]) -> Option<Numbers> {
        let (signature, id) = self.0.sign_prehash_recoverable(digest);
        let (r, s) = signature.split_bytes();
        (!id.is_x_reduced()).then(|| Numbers { r: r.into(), s: s.into(), y_is_odd: id.is_y_odd() })
    }
}

/// A public key, ready for verification. Affine, as recovery gives it: its address then costs no inversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(AffinePoint);

impl PublicKey {
    /// The key that gives this signature over this digest.
    ///
    /// # Errors
    /// [`Unrecoverable`].
    pub fn recover(digest: &[u8; 32], numbers: &Numbers) -> Result<Self, Unrecoverable> {
        let id = RecoveryId::new(numbers.y_is_odd, false);
        let signature = numbers.parse().ok_or(Unrecoverable::OutOfRange)?;
        let key = VerifyingKey::recover_from_prehash(digest, &signature, id).map_err(|_| Unrecoverable::NoKey)?;
        Ok(Self(*key.as_affine()))
    }

    /// Its `x` and `y`, 32 big-endian bytes each.
    #[must_use]
    pub fn coordinates(&self) -> [u8; 64] {
        let mut coordinates = [0; 64];
        let (x, y) = coordinates.split_at_mut(32);
        x.copy_from_slice(&self.0.x());
        y.copy_from_slice(&self.0.y());
        coordinates
    }

    /// Whether recovery would give this key. `k256`'s own verification ignores the parity of `R` and accepts an `r` that was
    /// reduced; here both count.
    ///
    /// Recovery takes the point `R` with `x = r` and the parity of the signature and solves `s R = z G + r Q` for `Q`; this
    /// computes `z/s G + r/s Q` and compares it with that `R`: the same equation, without the square root for `R`.
    #[must_use]
    pub fn is_signer(&self, digest: &[u8; 32], numbers: &Numbers) -> bool {
        let Some(signature) = numbers.parse() else { return false };
        let (r, s) = signature.split_scalars();
        let s_inverse = *s.invert_vartime();
        let z = <Scalar as Reduce<ScalarUint>>::reduce(&ScalarUint::from_be_slice(digest));
        let (u1, u2) = (Scalar::mul(&z, &s_inverse), Scalar::mul(&r, &s_inverse));
        let key = ProjectivePoint::from(self.0);
        let point = ProjectivePoint::mul_by_generator_and_mul_add_vartime(&u1, &u2, &key).to_affine();
        // The point at infinity has x = 0 in this library; r is never 0.
        point.x() == FieldBytes::from(numbers.r) && bool::from(point.y_is_odd()) == numbers.y_is_odd
    }
}
