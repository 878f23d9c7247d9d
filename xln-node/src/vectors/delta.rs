//! Vectors of `derive_delta`.

use serde_json::{Value, json};
use xln_core::delta::{Delta, DeltaError, DerivedDelta, derive_delta};
use xln_core::types::Side;

use super::fields::{VectorError, field, number};

/// `expect` with both views, or `error`.
pub(super) fn derive(vector: &Value) -> Result<Value, VectorError> {
    let input = field(vector, "input")?;
    let delta = Delta {
        collateral: number(input, "collateral")?,
        ondelta: number(input, "ondelta")?,
        offdelta: number(input, "offdelta")?,
        left_credit_limit: number(input, "leftCreditLimit")?,
        right_credit_limit: number(input, "rightCreditLimit")?,
        left_allowance: number(input, "leftAllowance")?,
        right_allowance: number(input, "rightAllowance")?,
    };
    let views = derive_delta(&delta, Side::Left).and_then(|left| Ok((left, derive_delta(&delta, Side::Right)?)));
    Ok(match views {
        Ok((left, right)) => {
            let asked = vector.get("expect");
            let of = |side: &str, view: &DerivedDelta| asked_for(asked.and_then(|e| e.get(side)), shown(view));
            json!({ "expect": { "left": of("left", &left), "right": of("right", &right) } })
        }
        Err(DeltaError::Overflow) => json!({ "error": "Overflow" }),
    })
}

/// A file may ask for some of the fields only.
fn asked_for(asked: Option<&Value>, mut all: Value) -> Value {
    if let (Some(asked), Some(fields)) = (asked.and_then(Value::as_object), all.as_object_mut()) {
        fields.retain(|name, _| asked.contains_key(name));
    }
    all
}

fn shown(view: &DerivedDelta) -> Value {
    json!({
        "delta": view.delta.to_string(),
        "collateral": view.collateral.to_string(),
        "inCollateral": view.in_collateral.to_string(),
        "outCollateral": view.out_collateral.to_string(),
        "inOwnCredit": view.in_own_credit.to_string(),
        "outPeerCredit": view.out_peer_credit.to_string(),
        "inAllowance": view.in_allowance.to_string(),
        "outAllowance": view.out_allowance.to_string(),
        "totalCapacity": view.total_capacity.to_string(),
        "ownCreditLimit": view.own_credit_limit.to_string(),
        "peerCreditLimit": view.peer_credit_limit.to_string(),
        "inCapacity": view.in_capacity.to_string(),
        "outCapacity": view.out_capacity.to_string(),
        "outOwnCredit": view.out_own_credit.to_string(),
        "inPeerCredit": view.in_peer_credit.to_string(),
    })
}
