//! Reading a vector's inputs, and what can be wrong with a vector file.

use std::str::FromStr;

use alloy_primitives::hex;
use serde_json::Value;
use xln_core::types::{Address, EntityId, Hash, Side};

/// Why a vector file does not hold.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It has no vectors.
    #[error("no vectors: expected an object with a list \"vectors\" that is not empty")]
    NoVectors,
    /// Its fields are those of no kind that is known.
    #[error("its fields are of no kind of vector that is known")]
    UnknownKind,
    /// A field is missing.
    #[error("field `{0}` is missing")]
    NoField(String),
    /// A field does not hold what it should.
    #[error("field `{0}` does not parse")]
    BadField(String),
    /// Something else than expected.
    #[error("{field}: expected {expected}, found {found}")]
    Differs {
        /// Where.
        field: String,
        /// As the file says.
        expected: String,
        /// As the library computes it.
        found: String,
    },
    /// In one vector.
    #[error("vector {vector}: {error}")]
    At {
        /// Its name, or its number from 1.
        vector: String,
        /// What.
        error: Box<VectorError>,
    },
}

/// A field's value.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> Result<&'v Value, VectorError> {
    value.get(name).ok_or_else(|| VectorError::NoField(name.to_owned()))
}

/// A number, as text or as a JSON number.
pub(super) fn number<T: FromStr>(value: &Value, name: &str) -> Result<T, VectorError> {
    let bad = || VectorError::BadField(name.to_owned());
    let found = field(value, name)?;
    let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    text.parse().map_err(|_| bad())
}

/// Bytes in hex.
pub(super) fn bytes(value: &Value, name: &str) -> Result<Vec<u8>, VectorError> {
    let text = field(value, name)?.as_str().and_then(|text| text.strip_prefix("0x"));
    text.and_then(|text| hex::decode(text).ok()).ok_or_else(|| VectorError::BadField(name.to_owned()))
}

fn exact<const N: usize>(value: &Value, name: &str) -> Result<[u8; N], VectorError> {
    <[u8; N]>::try_from(bytes(value, name)?).map_err(|_| VectorError::BadField(name.to_owned()))
}

/// 32 bytes.
pub(super) fn hash(value: &Value, name: &str) -> Result<Hash, VectorError> {
    exact(value, name).map(Hash)
}

/// An address.
pub(super) fn address(value: &Value, name: &str) -> Result<Address, VectorError> {
    exact(value, name).map(Address)
}

/// An entity.
pub(super) fn entity(value: &Value, name: &str) -> Result<EntityId, VectorError> {
    EntityId::parse(exact(value, name)?).map_err(|_| VectorError::BadField(name.to_owned()))
}

/// A list.
pub(super) fn list<'v>(value: &'v Value, name: &str) -> Result<&'v Vec<Value>, VectorError> {
    field(value, name)?.as_array().ok_or_else(|| VectorError::BadField(name.to_owned()))
}

/// Bytes as the files write them.
pub(super) fn hexed(bytes: &[u8]) -> String {
    hex::encode_prefixed(bytes)
}

/// A side as the files write it.
pub(super) const fn side(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}
