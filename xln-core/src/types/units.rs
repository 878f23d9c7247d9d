//! Newtypes for everything that is a number or a hash, so that a token id is never passed where a chain id belongs.

use core::fmt;
use wincode::{SchemaRead, SchemaWrite};

use super::Side;

macro_rules! bytes_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, SchemaRead, SchemaWrite)]
        #[repr(transparent)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; $len]);

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

bytes_type!(
    /// A keccak256 or sha256 hash, or a block hash of a chain.
    Hash, 32
);
bytes_type!(
    /// An address on an EVM chain.
    Address, 20
);

impl From<alloy_primitives::Address> for Address {
    fn from(a: alloy_primitives::Address) -> Self {
        Self(a.into_array())
    }
}

impl From<Address> for alloy_primitives::Address {
    fn from(a: Address) -> Self {
        Self::new(a.0)
    }
}

/// A 32-byte preimage that settles a payment. It prints as its length only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(32 bytes)")
    }
}

impl Secret {
    /// The hash that this secret opens.
    #[must_use]
    pub fn hash(&self, kind: HashKind) -> Hash {
        Hash(match kind {
            HashKind::Keccak256 => xln_merkle::keccak256(&self.0),
            HashKind::Sha256 => xln_merkle::HashAlgorithm::Sha256.hash(&self.0),
        })
    }
}

/// Which function a hashlock uses (`docs/protocol.md` section 4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum HashKind {
    /// keccak256, kind 0 of the registry.
    Keccak256,
    /// SHA-256, kind 1 of the registry.
    Sha256,
}

impl HashKind {
    /// The number of this kind in the registry on chain.
    #[must_use]
    pub const fn index(self) -> u8 {
        match self {
            Self::Keccak256 => 0,
            Self::Sha256 => 1,
        }
    }

    /// The kind with this number in the registry on chain.
    #[must_use]
    pub const fn from_index(index: u8) -> Option<Self> {
        match index {
            0 => Some(Self::Keccak256),
            1 => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// An EIP-155 chain id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChainId(pub u64);

/// A token's number in one Depository; 0 is the chain's native coin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TokenId(pub u32);

/// Unix time in seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// This time `seconds` later; the end of time where that would overflow.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// This time `seconds` earlier, not before 0.
    #[must_use]
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

/// Orders all signed states of a channel: `2 * height + (1 if proposed by left)` (`docs/protocol.md` section 5). At equal
/// height what left proposed outranks what right proposed, so an agreed block always beats the one abandoned for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nonce(pub u64);

impl Nonce {
    /// The nonce of a block of `height` by `proposer`; `None` if the height does not fit.
    #[must_use]
    pub fn of(height: u64, proposer: Side) -> Option<Self> {
        let left = match proposer {
            Side::Left => 1,
            Side::Right => 0,
        };
        Some(Self(height.checked_mul(2)?.checked_add(left)?))
    }

    /// The height of the block that it belongs to.
    #[must_use]
    pub const fn height(self) -> u64 {
        self.0 >> 1
    }
}

/// The part of a channel that one Depository on one chain enforces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct SubchannelKey {
    /// The chain.
    pub chain: ChainId,
    /// The Depository on it.
    pub depository: Address,
}
