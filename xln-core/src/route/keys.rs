//! Keys of onions: who may open a layer, and the secrets that a sender shares with each hop.

use core::fmt;
use core::ops::Mul;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::ToSec1Point;
use k256::{FieldBytes, NonZeroScalar, PublicKey, Scalar};
use sha2::{Digest, Sha256};
use wincode::{SchemaRead, SchemaWrite};

/// Bytes of a compressed public key.
pub(super) const PUBLIC_BYTES: usize = 33;

/// A key is no key of secp256k1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a key of secp256k1")]
pub struct InvalidOnionKey;

/// The secret with which a node opens its layers. It guards the privacy of routes and no money; it stands in the node's
/// configuration and so in its log. Never the key that signs: derive one by [`OnionKey::derive`].
#[derive(Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct OnionKey([u8; 32]);

/// The public part of an [`OnionKey`], compressed: what a sender must know of a hop besides its entity, whose id is only an
/// address. Nodes tell it to whom they want to be found by, as part of an invoice or an entry in a directory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
pub struct OnionPublicKey([u8; PUBLIC_BYTES]);

impl OnionKey {
    /// Takes a secret scalar, big-endian.
    ///
    /// # Errors
    /// [`InvalidOnionKey`] for zero and for what is not below the order.
    pub fn new(bytes: [u8; 32]) -> Result<Self, InvalidOnionKey> {
        scalar(&bytes)?;
        Ok(Self(bytes))
    }

    /// Derives a key from 32 secret bytes, such as the node's signing key, by HMAC-SHA256 with a label of its own.
    ///
    /// # Errors
    /// [`InvalidOnionKey`] for one seed in 2^128.
    pub fn derive(seed: &[u8; 32]) -> Result<Self, InvalidOnionKey> {
        Self::new(mac(b"xln onion key 1", &[seed]))
    }

    /// The public part.
    ///
    /// # Errors
    /// [`InvalidOnionKey`] for a key that was decoded from damaged bytes.
    pub fn public(&self) -> Result<OnionPublicKey, InvalidOnionKey> {
        OnionPublicKey::of(&PublicKey::from_secret_scalar(&scalar(&self.0)?))
    }

    /// The secret shared with whoever has made this public key, and the key that the next hop gets.
    pub(super) fn open(&self, ephemeral: &OnionPublicKey) -> Result<(SharedSecret, OnionPublicKey), InvalidOnionKey> {
        let point = ephemeral.point()?;
        let shared = SharedSecret::of(&point, &scalar(&self.0)?)?;
        let next = multiply(&point, &shared.blinding(ephemeral)?)?;
        Ok((shared, next))
    }
}

impl fmt::Debug for OnionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnionKey(..)")
    }
}

impl OnionPublicKey {
    /// Takes a compressed point.
    ///
    /// # Errors
    /// [`InvalidOnionKey`] for bytes that are no point of the curve.
    pub fn new(bytes: [u8; PUBLIC_BYTES]) -> Result<Self, InvalidOnionKey> {
        let key = Self(bytes);
        key.point()?;
        Ok(key)
    }

    /// The compressed point.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_BYTES] {
        &self.0
    }

    fn of(key: &PublicKey) -> Result<Self, InvalidOnionKey> {
        let point = key.to_sec1_point(true);
        point.as_bytes().try_into().map(Self).map_err(|_| InvalidOnionKey)
    }

    fn point(&self) -> Result<PublicKey, InvalidOnionKey> {
        PublicKey::from_sec1_bytes(&self.0).map_err(|_| InvalidOnionKey)
    }
}

impl fmt::Debug for OnionPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What the sender shares with one hop. Everything that hides a layer or a failure is derived from it.
#[derive(Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct SharedSecret([u8; 32]);

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

impl SharedSecret {
    fn of(point: &PublicKey, secret: &NonZeroScalar) -> Result<Self, InvalidOnionKey> {
        Ok(Self(Sha256::digest(multiply(point, secret)?.0).into()))
    }

    /// What the ephemeral key of one hop is multiplied with to get the next hop's: two hops cannot tell by it that they are
    /// on one route.
    fn blinding(&self, ephemeral: &OnionPublicKey) -> Result<NonZeroScalar, InvalidOnionKey> {
        let mut hasher = Sha256::new();
        hasher.update(ephemeral.0);
        hasher.update(self.0);
        let bytes: [u8; 32] = hasher.finalize().into();
        let reduced = <Scalar as Reduce<FieldBytes>>::reduce(&FieldBytes::from(bytes));
        NonZeroScalar::new(reduced).into_option().ok_or(InvalidOnionKey)
    }

    /// A key for one purpose.
    fn key(&self, purpose: &[u8]) -> [u8; 32] {
        mac(purpose, &[&self.0])
    }

    /// Names this secret without giving it away: an onion that comes twice has the same.
    pub(crate) fn tag(&self) -> [u8; 32] {
        self.key(b"xln onion replay")
    }

    /// Encrypts or decrypts, from the start of the stream for one purpose. Each such key is used for one text only.
    pub(super) fn cipher(&self, purpose: &[u8], text: &mut [u8]) {
        stream(&self.key(purpose), text);
    }

    /// Authenticates `parts` under the key for one purpose.
    pub(super) fn authenticate(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.key(purpose), parts)
    }

    /// Whether `tag` authenticates `parts`, in constant time.
    pub(super) fn verify(&self, purpose: &[u8], parts: &[&[u8]], tag: &[u8; 32]) -> bool {
        let mut hasher = keyed(&self.key(purpose));
        parts.iter().for_each(|part| hasher.update(part));
        hasher.verify_slice(tag).is_ok()
    }
}

/// The ephemeral public key and the shared secret of every hop, from the sender's session key.
pub(super) fn exchange(
    session: &[u8; 32],
    hops: impl Iterator<Item = OnionPublicKey>,
) -> Result<(OnionPublicKey, alloc::vec::Vec<SharedSecret>), InvalidOnionKey> {
    let mut secret = scalar(session)?;
    let first = OnionPublicKey::of(&PublicKey::from_secret_scalar(&secret))?;
    let mut shared = alloc::vec::Vec::new();
    for hop in hops {
        let ephemeral = OnionPublicKey::of(&PublicKey::from_secret_scalar(&secret))?;
        let with_hop = SharedSecret::of(&hop.point()?, &secret)?;
        let blinding = with_hop.blinding(&ephemeral)?;
        secret = NonZeroScalar::new(Scalar::mul(&secret, &blinding)).into_option().ok_or(InvalidOnionKey)?;
        shared.push(with_hop);
    }
    Ok((first, shared))
}

/// Noise from the sender's session key.
pub(super) fn noise(session: &[u8; 32], text: &mut [u8]) {
    stream(&mac(b"xln onion noise", &[session]), text);
}

/// XORs the ChaCha20 stream of `key`, nonce zero, into `text`.
fn stream(key: &[u8; 32], text: &mut [u8]) {
    ChaCha20::new(&(*key).into(), &[0; 12].into()).apply_keystream(text);
}

fn scalar(bytes: &[u8; 32]) -> Result<NonZeroScalar, InvalidOnionKey> {
    NonZeroScalar::from_repr(FieldBytes::from(*bytes)).into_option().ok_or(InvalidOnionKey)
}

fn multiply(point: &PublicKey, by: &NonZeroScalar) -> Result<OnionPublicKey, InvalidOnionKey> {
    let product = k256::ProjectivePoint::mul(point.to_projective(), **by).to_affine();
    OnionPublicKey::of(&PublicKey::from_affine(product).map_err(|_| InvalidOnionKey)?)
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    match <Hmac<Sha256> as KeyInit>::new_from_slice(key) {
        Ok(hasher) => hasher,
        // HMAC takes keys of every length.
        Err(_) => <Hmac<Sha256> as KeyInit>::new(&Default::default()),
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = keyed(key);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into_bytes().into()
}
