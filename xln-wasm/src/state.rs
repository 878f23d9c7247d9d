//! States and bodies as they are encoded.

use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::codec;
use xln_core::commitment::Commitment;
use xln_core::proof;
use xln_core::state::ChannelState;

use crate::convert::plain;
use crate::error::{Thrown, coded};

/// What one signature over a state commits to.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct StateCommitment {
    #[tsify(type = "Hex")]
    left: String,
    #[tsify(type = "Hex")]
    right: String,
    height: u64,
    nonce: u64,
    /// Hash of the whole state.
    #[tsify(type = "Hex")]
    state_hash: String,
    /// Per subchannel, in order of chain and Depository.
    subchannels: Vec<SubchannelCommitment>,
    /// Root over the state's leaf and the subchannels' leaves.
    #[tsify(type = "Hex")]
    root: String,
    /// What both parties sign.
    #[tsify(type = "Hex")]
    digest: String,
}

/// One subchannel's part of a commitment.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct SubchannelCommitment {
    chain: u64,
    #[tsify(type = "Hex")]
    depository: String,
    epoch: u32,
    /// Hash of the encoded proof body.
    #[tsify(type = "Hex")]
    body_hash: String,
}

/// What a state, as it is encoded, commits to. Throws `invalid_state` for bytes that are none.
#[wasm_bindgen(js_name = commitState, unchecked_return_type = "StateCommitment")]
pub fn commit_state(state: &[u8]) -> Thrown<JsValue> {
    let state: ChannelState = codec::decode(state).map_err(|error| coded("invalid_state", &error))?;
    let commitment = Commitment::of(&state).map_err(|error| coded("invalid_state", &error))?;
    let subchannels = commitment.subchannels.iter().map(|part| SubchannelCommitment {
        chain: part.key.chain.0,
        depository: part.key.depository.to_string(),
        epoch: part.epoch,
        body_hash: part.body_hash.to_string(),
    });
    plain(&StateCommitment {
        left: state.pair.left().to_string(),
        right: state.pair.right().to_string(),
        height: state.height,
        nonce: state.nonce.0,
        state_hash: commitment.state_hash.to_string(),
        subchannels: subchannels.collect(),
        root: commitment.root.to_string(),
        digest: commitment.digest.to_string(),
    })
}

/// Hash of an encoded proof body. Throws `invalid_body` for bytes that are none.
#[wasm_bindgen(js_name = bodyHash, unchecked_return_type = "Hex")]
pub fn body_hash(body: &[u8]) -> Thrown<String> {
    proof::Body::parse(body).map_err(|error| coded("invalid_body", &error))?;
    Ok(proof::body_hash(body).to_string())
}
