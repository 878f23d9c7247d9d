//! The default backend, in Rust: `k256`. Its own verification ignores the parity of `R` and accepts an `r` that was
//! reduced; here both count, as they do for the chain's `ecrecover`.

use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, VerifyingKey};
use k256::elliptic_curve::bigint::U256 as ScalarUint;
use k256::elliptic_curve::ops::{Invert, MulByGeneratorVartime, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar};

use super::signature::{Parsed, SignatureError};
use crate::types::{Address, Hash};

/// A public key, ready for verification. Affine, as recovery gives it: its address then costs no inversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PublicKey(AffinePoint);

impl PublicKey {
    /// The key that gives this signature over this digest.
    pub(super) fn recover(digest: &Hash, signature: &Parsed) -> Result<Self, SignatureError> {
        let id = RecoveryId::new(signature.y_is_odd, false);
        let ecdsa = to_ecdsa(signature)?;
        let key =
            VerifyingKey::recover_from_prehash(&digest.0, &ecdsa, id).map_err(|_| SignatureError::Unrecoverable)?;
        Ok(Self(*key.as_affine()))
    }

    /// The account of this key.
    pub(super) fn address(&self) -> Address {
        let mut coordinates = [0; 64];
        let (x, y) = coordinates.split_at_mut(32);
        x.copy_from_slice(&self.0.x());
        y.copy_from_slice(&self.0.y());
        super::address_of(&coordinates)
    }

    /// Whether recovery would give this key.
    ///
    /// Recovery takes the point `R` with `x = r` and the parity of the signature and solves `s R = z G + r Q` for `Q`; this
    /// computes `z/s G + r/s Q` and compares it with that `R`: the same equation, without the square root for `R`.
    pub(super) fn is_signer(&self, digest: &Hash, signature: &Parsed) -> bool {
        let Ok(ecdsa) = to_ecdsa(signature) else { return false };
        let (r, s) = ecdsa.split_scalars();
        let s_inverse = *s.invert_vartime();
        let z = <Scalar as Reduce<ScalarUint>>::reduce(&ScalarUint::from_be_slice(&digest.0));
        let (u1, u2) = (Scalar::mul(&z, &s_inverse), Scalar::mul(&r, &s_inverse));
        let key = ProjectivePoint::from(self.0);
        let point = ProjectivePoint::mul_by_generator_and_mul_add_vartime(&u1, &u2, &key).to_affine();
        // The point at infinity has x = 0 in this library; r is never 0.
        point.x() == FieldBytes::from(signature.r) && bool::from(point.y_is_odd()) == signature.y_is_odd
    }
}

fn to_ecdsa(signature: &Parsed) -> Result<EcdsaSignature, SignatureError> {
    EcdsaSignature::from_scalars(signature.r, signature.s).map_err(|_| SignatureError::ScalarOutOfRange)
}
