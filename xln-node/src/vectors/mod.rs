//! Vector files: inputs and expected outputs of one pure function each, `{ "about", "vectors": [..] }`. Which function it is
//! says the content. The project's own are compiled in, so that other implementations can be given them.

mod coded;
mod delta;
mod fields;
mod organisations;
mod proof;

use std::path::Path;

use serde_json::{Map, Value};

pub use fields::VectorError;

/// Computes the outputs of one vector from its inputs.
type Compute = fn(&Value) -> Result<Value, VectorError>;

/// A kind of vector: its name, the fields that only it has, and its function.
struct Kind {
    name: &'static str,
    fields: &'static [&'static str],
    compute: Compute,
}

const KINDS: [Kind; 12] = [
    Kind { name: "derive_delta", fields: &["input"], compute: delta::derive },
    Kind { name: "bodies", fields: &["body", "encoded"], compute: proof::body },
    Kind { name: "settlements", fields: &["diffs", "forgiven"], compute: proof::settlement },
    Kind { name: "fills", fields: &["fills", "encoded"], compute: proof::fills },
    Kind { name: "commitments", fields: &["stateHash", "subchannels"], compute: proof::commitment },
    Kind { name: "depository_digests", fields: &["separator", "depository"], compute: proof::digests },
    Kind { name: "signatures", fields: &["secret", "digest"], compute: proof::signature },
    Kind { name: "outcomes", fields: &["facts", "result"], compute: proof::outcome },
    Kind { name: "wire", fields: &["part", "bytes"], compute: coded::message },
    Kind { name: "record", fields: &["log", "bytes"], compute: coded::record },
    Kind { name: "record", fields: &["log", "root"], compute: coded::root },
    Kind { name: "organisations", fields: &["members", "threshold"], compute: organisations::board },
];

/// The project's own files by name.
const OWN: [(&str, &str); 11] = [
    ("bodies", include_str!("../../../xln-core/tests/vectors/bodies.json")),
    ("commitments", include_str!("../../../xln-core/tests/vectors/commitments.json")),
    ("depository_digests", include_str!("../../../xln-core/tests/vectors/depository_digests.json")),
    ("derive_delta", include_str!("../../../xln-core/tests/vectors/derive_delta.json")),
    ("fills", include_str!("../../../xln-core/tests/vectors/fills.json")),
    ("organisations", include_str!("../../../xln-core/tests/vectors/organisations.json")),
    ("outcomes", include_str!("../../../xln-core/tests/vectors/outcomes.json")),
    ("record", include_str!("../../../xln-core/tests/vectors/record.json")),
    ("settlements", include_str!("../../../xln-core/tests/vectors/settlements.json")),
    ("signatures", include_str!("../../../xln-core/tests/vectors/signatures.json")),
    ("wire", include_str!("../../../xln-core/tests/vectors/wire.json")),
];

/// Names of the project's own files.
pub fn own_names() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(name, _)| *name)
}

/// One of the project's own files.
#[must_use]
pub fn own(name: &str) -> Option<&'static str> {
    OWN.iter().find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// Checks one file, and says which function it is about and how many vectors it has.
///
/// # Errors
/// [`VectorError`] with the first difference.
pub fn check_file(path: &Path) -> Result<(&'static str, usize), VectorError> {
    let file = |source| VectorError::File { path: path.display().to_string(), source };
    check_text(&std::fs::read_to_string(path).map_err(file)?)
}

/// Checks the text of one file.
///
/// # Errors
/// [`VectorError`] with the first difference.
pub fn check_text(text: &str) -> Result<(&'static str, usize), VectorError> {
    let file: Value = serde_json::from_str(text)?;
    let vectors = file.get("vectors").and_then(Value::as_array).ok_or(VectorError::NoVectors)?;
    let mut known = None;
    for (number, vector) in (1_usize..).zip(vectors) {
        let name = vector.get("name").and_then(Value::as_str).map_or_else(|| number.to_string(), str::to_owned);
        let at = |error| VectorError::At { vector: name.clone(), error: Box::new(error) };
        let kind = KINDS.iter().find(|kind| kind.fields.iter().all(|f| vector.get(f).is_some()));
        let kind = kind.ok_or(VectorError::UnknownKind).map_err(at)?;
        let found = (kind.compute)(vector).map_err(at)?;
        compare_fields(vector, &found).map_err(at)?;
        known = Some(kind.name);
    }
    known.map(|name| (name, vectors.len())).ok_or(VectorError::NoVectors)
}

/// Every output that was computed must stand in the vector, and be the same.
fn compare_fields(vector: &Value, found: &Value) -> Result<(), VectorError> {
    let none = Map::new();
    for (field, found) in found.as_object().unwrap_or(&none) {
        let expected = vector.get(field).ok_or_else(|| VectorError::NoField(field.clone()))?;
        compare(field, expected, found)?;
    }
    Ok(())
}

/// Finds the first place where two values differ.
fn compare(path: &str, expected: &Value, found: &Value) -> Result<(), VectorError> {
    match (expected, found) {
        (Value::Object(e), Value::Object(f)) if e.keys().all(|key| f.contains_key(key)) && e.len() == f.len() => {
            e.iter().zip(e.keys()).try_for_each(|((_, value), key)| {
                compare(&format!("{path}.{key}"), value, f.get(key).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(e), Value::Array(f)) if e.len() == f.len() => {
            (0_usize..).zip(e.iter().zip(f)).try_for_each(|(i, (e, f))| compare(&format!("{path}[{i}]"), e, f))
        }
        _ if expected == found => Ok(()),
        _ => Err(VectorError::Differs {
            field: path.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }),
    }
}
