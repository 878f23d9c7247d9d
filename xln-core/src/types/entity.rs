//! Who owns money and signs (`docs/protocol.md` section 2), and the two sides of a channel.

use core::fmt;
use wincode::{SchemaRead, SchemaWrite};

use super::{Address, Hash};

/// Who owns money and signs: 32 bytes, tagged by the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
#[repr(transparent)]
pub struct EntityId([u8; 32]);

/// What kind of entity an id names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntityKind {
    /// `0x00`: an account, a key or a contract.
    Account(Address),
    /// `0x01`: an organisation registered in an EntityProvider.
    Registered,
    /// `0x02`: an organisation whose fixed board is its identity.
    Counterfactual,
}

/// Why bytes are no entity id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntityIdError {
    /// The first byte is no known kind.
    #[error("entity kind {0:#04x} is unknown")]
    UnknownKind(u8),
    /// An account's bytes 1 to 11 must be zero.
    #[error("padding of an account id is not zero")]
    DirtyPadding,
    /// The zero address is no entity.
    #[error("the zero address is no entity")]
    ZeroAddress,
    /// Registered organisations are numbered from 1.
    #[error("an organisation with number 0 is not registered")]
    ZeroNumber,
}

impl EntityId {
    /// The id of an account.
    ///
    /// # Errors
    /// [`EntityIdError::ZeroAddress`] for the zero address.
    pub fn account(address: Address) -> Result<Self, EntityIdError> {
        let mut id = [0; 32];
        for (to, from) in id.iter_mut().skip(12).zip(address.0) {
            *to = from;
        }
        Self::parse(id)
    }

    /// Checks raw bytes, the way an id enters from outside.
    ///
    /// # Errors
    /// [`EntityIdError`] says what is wrong with them.
    pub fn parse(bytes: [u8; 32]) -> Result<Self, EntityIdError> {
        let id = Self(bytes);
        id.check().map(|_| id)
    }

    /// An id whose bytes are checked where they are used.
    pub(crate) const fn unchecked(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Checks an id that was decoded with something else.
    ///
    /// # Errors
    /// As [`EntityId::parse`].
    pub fn check(&self) -> Result<EntityKind, EntityIdError> {
        let [tag, rest @ ..] = &self.0;
        match tag {
            0 => {
                let (padding, tail) = rest.split_at(11);
                let mut address = [0; 20];
                address.copy_from_slice(tail);
                if padding.iter().any(|b| *b != 0) {
                    Err(EntityIdError::DirtyPadding)
                } else if address == [0; 20] {
                    Err(EntityIdError::ZeroAddress)
                } else {
                    Ok(EntityKind::Account(Address(address)))
                }
            }
            1 if rest.ends_with(&[0; 8]) => Err(EntityIdError::ZeroNumber),
            1 => Ok(EntityKind::Registered),
            2 => Ok(EntityKind::Counterfactual),
            other => Err(EntityIdError::UnknownKind(*other)),
        }
    }

    /// The address of an account, `None` for an organisation.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match self.check() {
            Ok(EntityKind::Account(address)) => Some(address),
            _ => None,
        }
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hash(self.0), f)
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One of the two ends of a channel. Left has the smaller [`EntityId`] as raw bytes, in every layer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub enum Side {
    /// The smaller id.
    Left,
    /// The larger id.
    Right,
}

impl Side {
    /// The opposite side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// Whether this is the left side.
    #[must_use]
    pub const fn is_left(self) -> bool {
        matches!(self, Self::Left)
    }
}

/// The two entities of a channel in their fixed order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Pair {
    left: EntityId,
    right: EntityId,
}

/// An entity has no channel with itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an entity has no channel with itself")]
pub struct PairError;

impl Pair {
    /// Orders two entities by raw bytes.
    ///
    /// # Errors
    /// [`PairError`] if they are the same.
    pub fn new(a: EntityId, b: EntityId) -> Result<Self, PairError> {
        match a.cmp(&b) {
            core::cmp::Ordering::Less => Ok(Self { left: a, right: b }),
            core::cmp::Ordering::Greater => Ok(Self { left: b, right: a }),
            core::cmp::Ordering::Equal => Err(PairError),
        }
    }

    /// Whether the two are in order: what decoded data must satisfy.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.left < self.right
    }

    /// The entity with the smaller id.
    #[must_use]
    pub const fn left(&self) -> EntityId {
        self.left
    }

    /// The entity with the larger id.
    #[must_use]
    pub const fn right(&self) -> EntityId {
        self.right
    }

    /// The entity of one side.
    #[must_use]
    pub const fn entity(&self, side: Side) -> EntityId {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    /// The side of one entity, `None` for a stranger.
    #[must_use]
    pub fn side(&self, entity: &EntityId) -> Option<Side> {
        if *entity == self.left {
            Some(Side::Left)
        } else if *entity == self.right {
            Some(Side::Right)
        } else {
            None
        }
    }

    /// `keccak256(abi.encode(left, right))`, the channel's name in signatures and contracts.
    #[must_use]
    pub fn channel_key(&self) -> Hash {
        let mut bytes = [0; 64];
        let (l, r) = bytes.split_at_mut(32);
        l.copy_from_slice(self.left.as_bytes());
        r.copy_from_slice(self.right.as_bytes());
        Hash(xln_merkle::keccak256(&bytes))
    }
}
