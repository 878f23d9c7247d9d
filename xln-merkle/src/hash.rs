//! The two hash functions, whole and incremental. Keccak comes from tiny-keccak, or with feature `asm-keccak` from
//! assembly (not on wasm32, where the feature changes nothing).

/// A 32-byte hash.
pub type Hash = [u8; 32];

/// Which hash function a tree uses. The contracts use [`HashAlgorithm::Keccak256`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// Keccak-256 with Ethereum's padding; not SHA3-256.
    #[default]
    Keccak256,
}

impl HashAlgorithm {
    /// The hash of `bytes`.
    #[must_use]
    pub fn hash(self, bytes: &[u8]) -> Hash {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// An incremental hash of either algorithm.
#[derive(Clone)]
pub struct Hasher(Inner);

// Lives on the stack for one hash; a box would cost an allocation per node.
#[allow(clippy::large_enum_variant, reason = "with asm-keccak the sponge buffers a block")]
#[derive(Clone)]
enum Inner {
    Sha256(sha2::Sha256),
    Keccak256(Keccak256),
}

impl Hasher {
    /// A hasher that has seen no bytes.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm) -> Self {
        Self(match algorithm {
            HashAlgorithm::Sha256 => Inner::Sha256(sha2::Digest::new()),
            HashAlgorithm::Keccak256 => Inner::Keccak256(Keccak256::new()),
        })
    }

    /// Appends `bytes` to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(inner) => sha2::Digest::update(inner, bytes),
            Inner::Keccak256(inner) => inner.update(bytes),
        }
    }

    /// The hash of everything appended so far.
    #[must_use]
    pub fn finalize(self) -> Hash {
        match self.0 {
            Inner::Sha256(inner) => sha2::Digest::finalize(inner).into(),
            Inner::Keccak256(inner) => inner.finalize(),
        }
    }
}

impl core::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.0 {
            Inner::Sha256(_) => "Hasher(Sha256)",
            Inner::Keccak256(_) => "Hasher(Keccak256)",
        })
    }
}

/// Keccak-256 of `bytes`, as Ethereum uses it.
#[must_use]
pub fn keccak256(bytes: &[u8]) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update(bytes);
    hasher.finalize()
}

/// An incremental Keccak-256.
#[derive(Clone)]
pub struct Keccak256(backend::Keccak);

impl Keccak256 {
    /// A hasher that has seen no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self(backend::new())
    }

    /// Appends `bytes` to what is hashed.
    pub fn update(&mut self, bytes: &[u8]) {
        backend::update(&mut self.0, bytes);
    }

    /// The hash of everything appended so far.
    #[must_use]
    pub fn finalize(self) -> Hash {
        backend::finalize(self.0)
    }
}

impl Default for Keccak256 {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Keccak256 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keccak256")
    }
}

#[cfg(not(all(feature = "asm-keccak", not(target_arch = "wasm32"))))]
mod backend {
    use tiny_keccak::Hasher as _;

    pub(super) type Keccak = tiny_keccak::Keccak;

    pub(super) fn new() -> Keccak {
        Keccak::v256()
    }

    pub(super) fn update(keccak: &mut Keccak, bytes: &[u8]) {
        keccak.update(bytes);
    }

    pub(super) fn finalize(keccak: Keccak) -> super::Hash {
        let mut out = [0; 32];
        keccak.finalize(&mut out);
        out
    }
}

#[cfg(all(feature = "asm-keccak", not(target_arch = "wasm32")))]
mod backend {
    use keccak_asm::Digest as _;

    pub(super) type Keccak = keccak_asm::Keccak256;

    pub(super) fn new() -> Keccak {
        Keccak::new()
    }

    pub(super) fn update(keccak: &mut Keccak, bytes: &[u8]) {
        keccak.update(bytes);
    }

    pub(super) fn finalize(keccak: Keccak) -> super::Hash {
        keccak.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: Hash) -> alloc::string::String {
        hash.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
    }

    #[test]
    fn known_answers() {
        assert_eq!(hex(keccak256(b"")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
        assert_eq!(hex(keccak256(b"abc")), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
        assert_eq!(
            hex(HashAlgorithm::Sha256.hash(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let bytes: alloc::vec::Vec<u8> = (0..=255).cycle().take(1000).collect();
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Keccak256] {
            for cut in [0, 1, 135, 136, 137, 500, 1000] {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&bytes[..cut]);
                hasher.update(&bytes[cut..]);
                assert_eq!(hasher.finalize(), algorithm.hash(&bytes));
            }
        }
    }
}
