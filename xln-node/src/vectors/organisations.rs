//! Vectors of organisations: a board's bytes, its id, what its members sign, and what it delegates.

use serde_json::{Map, Value, json};
use xln_core::entity::{Board, Delegation, approval_digest};
use xln_core::types::EntityId;

use super::fields::{VectorError, bytes, entity, field, hash, hexed, list, number};

fn bad(name: &'static str) -> impl Fn() -> VectorError {
    move || VectorError::BadField(name.to_owned())
}

pub(super) fn board(vector: &Value) -> Result<Value, VectorError> {
    let mut members = Vec::new();
    for member in list(vector, "members")? {
        members.push((entity(member, "entity")?, number(member, "weight")?));
    }
    let board = Board::new(number(vector, "threshold")?, &members).map_err(|_| bad("members")())?;
    let (id, digest) = (board.counterfactual(), hash(vector, "digest")?);
    let mut found = Map::new();
    found.insert("board".to_owned(), json!(hexed(&board.encode())));
    found.insert("boardHash".to_owned(), json!(hexed(&board.hash().0)));
    found.insert("counterfactual".to_owned(), json!(hexed(id.as_bytes())));
    found.insert("approval".to_owned(), json!(hexed(&approval_digest(&id, &digest).0)));
    if let Some(nested) = vector.get("nestedApproval") {
        let outer = entity(nested, "outer")?;
        let approval = approval_digest(&id, &approval_digest(&outer, &digest));
        let nested = json!({ "outer": hexed(outer.as_bytes()), "approval": hexed(&approval.0) });
        found.insert("nestedApproval".to_owned(), nested);
    }
    if vector.get("delegation").is_some() {
        found.insert("delegation".to_owned(), delegation(field(vector, "delegation")?, &id)?);
    }
    Ok(Value::Object(found))
}

fn delegation(given: &Value, id: &EntityId) -> Result<Value, VectorError> {
    let delegation = Delegation::decode(&bytes(given, "bytes")?).map_err(|_| bad("bytes")())?;
    let limits = delegation.limits().iter().map(|limit| {
        json!({
            "chainId": limit.key.chain.0.to_string(), "depository": hexed(&limit.key.depository.0),
            "token": limit.token.0.to_string(), "limit": limit.amount.to_string(),
        })
    });
    let of_board = delegation.digest(id);
    Ok(json!({
        "approval": hexed(&approval_digest(id, &of_board).0),
        "bytes": hexed(&delegation.encode()),
        "digest": hexed(&of_board.0),
        "expiry": delegation.expiry().0.to_string(),
        "hash": hexed(&delegation.hash().0),
        "limits": limits.collect::<Vec<_>>(),
        "operator": hexed(&delegation.operator().address().unwrap_or_default().0),
        "permissions": delegation.permissions().bits().to_string(),
        "serial": delegation.serial().to_string(),
    }))
}
