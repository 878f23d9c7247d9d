//! Entities, channels, hashes.

use wasm_bindgen::prelude::*;
use xln_core::types::{EntityId, EntityKind, Hash, Pair, Secret};

use crate::convert::{address, entity, fixed, hash_kind};
use crate::error::{Thrown, invalid};

/// The entity of an account's address. Throws `invalid_argument` for the zero address.
#[wasm_bindgen(js_name = entityOfAccount, unchecked_return_type = "Hex")]
pub fn entity_of_account(#[wasm_bindgen(js_name = address, unchecked_param_type = "Hex")] of: &str) -> Thrown<String> {
    EntityId::account(address("address", of)?).map(|id| id.to_string()).map_err(|error| invalid("address", &error))
}

/// What kind of entity an id names. Throws `invalid_argument` for bytes that are none.
#[wasm_bindgen(js_name = entityKind, unchecked_return_type = "'account' | 'registered' | 'counterfactual'")]
pub fn entity_kind(#[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] id: &str) -> Thrown<String> {
    let kind = entity("entity", id)?.check().map_err(|error| invalid("entity", &error))?;
    Ok(match kind {
        EntityKind::Account(_) => "account",
        EntityKind::Registered => "registered",
        EntityKind::Counterfactual => "counterfactual",
    }
    .to_owned())
}

/// The address of an account's entity; `undefined` for an organisation.
#[wasm_bindgen(js_name = accountOf, unchecked_return_type = "Hex | undefined")]
pub fn account_of(#[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] id: &str) -> Thrown<Option<String>> {
    Ok(entity("entity", id)?.address().map(|address| address.to_string()))
}

/// The name of two entities' channel in signatures and contracts, in whichever order they are given.
#[wasm_bindgen(js_name = channelKey, unchecked_return_type = "Hex")]
pub fn channel_key(
    #[wasm_bindgen(unchecked_param_type = "Hex")] one: &str,
    #[wasm_bindgen(unchecked_param_type = "Hex")] other: &str,
) -> Thrown<String> {
    let pair = Pair::new(entity("one", one)?, entity("other", other)?).map_err(|error| invalid("other", &error))?;
    Ok(pair.channel_key().to_string())
}

/// keccak256.
#[wasm_bindgen(unchecked_return_type = "Hex")]
#[must_use]
pub fn keccak256(bytes: &[u8]) -> String {
    Hash(xln_merkle::keccak256(bytes)).to_string()
}

/// The hash that a 32-byte secret opens.
#[wasm_bindgen(js_name = secretHash, unchecked_return_type = "Hex")]
pub fn secret_hash(
    #[wasm_bindgen(unchecked_param_type = "Hex")] secret: &str,
    #[wasm_bindgen(unchecked_param_type = "HashKind")] kind: &str,
) -> Thrown<String> {
    Ok(Secret(fixed("secret", secret)?).hash(hash_kind(kind)?).to_string())
}
