//! Hex text, sides and big numbers.

use core::fmt::{self, Formatter};

use alloy_primitives::{I256, U256, hex};
use serde::ser::SerializeTupleStruct;
use serde::{Deserializer, Serialize, Serializer, de};
use wasm_bindgen::prelude::*;
use xln_core::types::{Address, EntityId, Hash, HashKind, Side};

use crate::error::{Thrown, coded, invalid};
use crate::reader::{self, Reader};
use crate::writer;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r"
/** Bytes as text: `0x` and lower-case hex digits. Any case is taken. */
export type Hex = `0x${string}`;
/** One of the two ends of a channel; left has the smaller entity id. */
export type Side = 'left' | 'right';
/** Hash function of a conditional payment. */
export type HashKind = 'keccak256' | 'sha256';
";

/// Exactly `N` bytes of hex.
pub fn fixed<const N: usize>(name: &str, text: &str) -> Thrown<[u8; N]> {
    let digits = text.strip_prefix("0x").ok_or_else(|| invalid(name, &"hex begins with 0x"))?;
    hex::decode_to_array(digits).map_err(|error| invalid(name, &error))
}

/// A hash of 32 bytes.
pub fn hash(name: &str, text: &str) -> Thrown<Hash> {
    fixed(name, text).map(Hash)
}

/// An address of 20 bytes.
pub fn address(name: &str, text: &str) -> Thrown<Address> {
    fixed(name, text).map(Address)
}

/// An entity id, checked.
pub fn entity(name: &str, text: &str) -> Thrown<EntityId> {
    EntityId::parse(fixed(name, text)?).map_err(|error| invalid(name, &error))
}

/// Left or right.
pub fn side(text: &str) -> Thrown<Side> {
    match text {
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        _ => Err(invalid("side", &"'left' or 'right'")),
    }
}

/// A hash function by name.
pub fn hash_kind(text: &str) -> Thrown<HashKind> {
    match text {
        "keccak256" => Ok(HashKind::Keccak256),
        "sha256" => Ok(HashKind::Sha256),
        _ => Err(invalid("kind", &"'keccak256' or 'sha256'")),
    }
}

/// Reads a plain object.
pub fn object<T: de::DeserializeOwned>(name: &str, value: JsValue) -> Thrown<T> {
    T::deserialize(Reader(&value)).map_err(|error| invalid(name, &error))
}

/// Writes a plain object; what is 64 bits or more becomes a `bigint`.
pub fn plain<T: Serialize>(value: &T) -> Thrown<JsValue> {
    writer::write(value).map_err(|error| coded("cannot_convert", &error))
}

/// Writes a big number of 256 bits.
fn wide<S: Serializer>(name: &'static str, value: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    let mut big = serializer.serialize_tuple_struct(name, 1)?;
    big.serialize_field(&hex::encode_prefixed(value.to_be_bytes::<32>()))?;
    big.end()
}

/// Takes the bytes of a big number.
struct Wide;

impl de::Visitor<'_> for Wide {
    type Value = U256;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a bigint")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<U256, E> {
        U256::try_from_be_slice(bytes).ok_or_else(|| E::custom("256 bits are due"))
    }
}

/// `#[serde(with = "u256")]`: a `bigint` that fits 256 bits without sign.
pub mod u256 {
    use super::*;

    /// For serde.
    pub fn serialize<S: Serializer>(value: &U256, serializer: S) -> Result<S::Ok, S::Error> {
        wide(reader::UNSIGNED, value, serializer)
    }

    /// For serde.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<U256, D::Error> {
        deserializer.deserialize_tuple_struct(reader::UNSIGNED, 0, Wide)
    }
}

/// `#[serde(with = "i256")]`: a `bigint` that fits 256 bits with sign.
pub mod i256 {
    use super::*;

    /// For serde.
    pub fn serialize<S: Serializer>(value: &I256, serializer: S) -> Result<S::Ok, S::Error> {
        wide(reader::SIGNED, &value.into_raw(), serializer)
    }

    /// For serde.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<I256, D::Error> {
        deserializer.deserialize_tuple_struct(reader::SIGNED, 0, Wide).map(I256::from_raw)
    }
}
