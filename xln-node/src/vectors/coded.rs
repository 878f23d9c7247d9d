//! Vectors of what travels between nodes and what they store: bytes that decode, and encode to the same bytes again.

use serde_json::{Value, json};
use xln_core::machine::Record;
use xln_core::wire::Message;

use super::fields::{VectorError, bytes, hash, hexed};

pub(super) fn message(vector: &Value) -> Result<Value, VectorError> {
    let bad = |_| VectorError::BadField("bytes".to_owned());
    let message = Message::decode(&bytes(vector, "bytes")?).map_err(bad)?;
    Ok(json!({ "bytes": hexed(&message.encode().map_err(bad)?) }))
}

pub(super) fn record(vector: &Value) -> Result<Value, VectorError> {
    let bad = |_| VectorError::BadField("bytes".to_owned());
    let record = Record::decode(&bytes(vector, "bytes")?).map_err(bad)?;
    Ok(json!({ "bytes": hexed(&record.encode().map_err(bad)?) }))
}

/// The root of a log that stands before it. The file does not say whose log it is, so that only its form can be checked
/// here; the tests of `xln-core` replay it.
pub(super) fn root(vector: &Value) -> Result<Value, VectorError> {
    Ok(json!({ "root": hash(vector, "root")?.to_string() }))
}
