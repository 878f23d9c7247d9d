//! How values look to serde: names in camelCase, ids and bytes as hex text with `0x`, amounts and times as numbers. For apps
//! and logs; what is signed and stored is the business of [`crate::codec`] alone.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::crypto::Signature;
use crate::types::{Address, EntityId, Hash, Pair, Secret};

fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| de::Error::custom("hex begins with 0x"))?;
    hex::decode(digits).map_err(de::Error::custom)
}

fn exact<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
    let bytes = parse(deserializer)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| de::Error::custom(format!("{length} bytes where {N} are due")))
}

macro_rules! fixed {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&hex::encode_prefixed(self.0))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                exact(deserializer).map(Self)
            }
        }
    )*};
}

fixed!(Hash, Address, Secret);

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(exact(deserializer)?).map_err(de::Error::custom)
    }
}

/// In either order; the smaller entity is left.
impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Both {
            left: EntityId,
            right: EntityId,
        }
        let Both { left, right } = Both::deserialize(deserializer)?;
        Self::new(left, right).map_err(de::Error::custom)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(self.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(parse(deserializer)?).map_err(de::Error::custom)
    }
}

/// `#[serde(with)]` for byte strings.
pub(crate) mod bytes {
    use super::{Deserializer, Serializer, Vec, hex, parse};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode_prefixed(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        parse(deserializer)
    }
}

/// `#[serde(with)]` for byte strings that may be absent.
pub(crate) mod maybe_bytes {
    use super::{Deserialize, Deserializer, Serializer, String, Vec, de, hex};

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&hex::encode_prefixed(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let digits = text.strip_prefix("0x").ok_or_else(|| de::Error::custom("hex begins with 0x"))?;
        hex::decode(digits).map(Some).map_err(de::Error::custom)
    }
}

/// `#[serde(serialize_with)]` for errors: what they say to people.
pub(crate) fn message<E: ToString, S: Serializer>(error: &E, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error.to_string())
}
