//! What is signed and what a contract is shown: states, bodies, leaves, digests.

use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::codec;
use xln_core::commitment::Commitment;
use xln_core::proof::{self, DepositoryDomain};
use xln_core::state::ChannelState;
use xln_core::types::{ChainId, Hash, Nonce, SubchannelKey, UnixSeconds};

use crate::convert::{address, hash, object, plain};
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

/// The leaf of the part of a state that no contract looks at.
#[wasm_bindgen(js_name = stateLeaf, unchecked_return_type = "Hex")]
pub fn state_leaf(#[wasm_bindgen(js_name = stateHash, unchecked_param_type = "Hex")] of: &str) -> Thrown<String> {
    Ok(proof::state_leaf(&hash("stateHash", of)?).to_string())
}

/// The leaf that one Depository checks.
#[wasm_bindgen(js_name = subchannelLeaf, unchecked_return_type = "Hex")]
pub fn subchannel_leaf(
    chain: u64,
    #[wasm_bindgen(unchecked_param_type = "Hex")] depository: &str,
    epoch: u32,
    #[wasm_bindgen(js_name = bodyHash, unchecked_param_type = "Hex")] body: &str,
) -> Thrown<String> {
    let key = SubchannelKey { chain: ChainId(chain), depository: address("depository", depository)? };
    Ok(proof::subchannel_leaf(&key, epoch, &hash("bodyHash", body)?).to_string())
}

/// The Merkle root of leaves in order.
#[wasm_bindgen(js_name = merkleRoot, unchecked_return_type = "Hex")]
pub fn merkle_root(#[wasm_bindgen(unchecked_param_type = "readonly Hex[]")] leaves: Vec<String>) -> Thrown<String> {
    Ok(proof::root(&hashes("leaves", &leaves)?).to_string())
}

/// The siblings from a leaf up to the root.
#[wasm_bindgen(js_name = merklePath, unchecked_return_type = "Hex[]")]
pub fn merkle_path(
    #[wasm_bindgen(unchecked_param_type = "readonly Hex[]")] leaves: Vec<String>,
    index: u32,
) -> Thrown<Vec<String>> {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    Ok(proof::path(&hashes("leaves", &leaves)?, index).iter().map(Hash::to_string).collect())
}

/// Whether a path leads from a leaf to the root, as the Depository decides it.
#[wasm_bindgen(js_name = verifyPath)]
pub fn verify_path(
    #[wasm_bindgen(unchecked_param_type = "Hex")] leaf: &str,
    #[wasm_bindgen(unchecked_param_type = "readonly Hex[]")] path: Vec<String>,
    #[wasm_bindgen(unchecked_param_type = "Hex")] root: &str,
) -> Thrown<bool> {
    Ok(proof::verify_path(&hash("leaf", leaf)?, &hashes("path", &path)?, &hash("root", root)?))
}

fn hashes(name: &str, texts: &[String]) -> Thrown<Vec<Hash>> {
    texts.iter().map(|text| hash(name, text)).collect()
}

/// What both sides of a channel sign for a state.
#[wasm_bindgen(js_name = channelStateDigest, unchecked_return_type = "Hex")]
pub fn channel_state_digest(
    #[wasm_bindgen(js_name = channelKey, unchecked_param_type = "Hex")] channel: &str,
    nonce: u64,
    #[wasm_bindgen(unchecked_param_type = "Hex")] root: &str,
) -> Thrown<String> {
    let digest = proof::channel_state_digest(&hash("channelKey", channel)?, Nonce(nonce), &hash("root", root)?);
    Ok(digest.to_string())
}

/// The fields that the digests of one Depository are made of; which of them count depends on the digest.
#[derive(Tsify, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[tsify(large_number_types_as_bigints)]
pub struct DepositoryMessage {
    chain: u64,
    #[tsify(type = "Hex")]
    depository: String,
    #[tsify(type = "Hex")]
    channel_key: String,
    epoch: u32,
}

impl DepositoryMessage {
    fn read(value: JsValue) -> Thrown<(DepositoryDomain, Hash, u32)> {
        let message: Self = object("message", value)?;
        let domain = DepositoryDomain::new(ChainId(message.chain), address("depository", &message.depository)?);
        Ok((domain, hash("channelKey", &message.channel_key)?, message.epoch))
    }
}

/// The digest of a settlement; `update` as it is encoded, `expiry` in seconds of chain time.
#[wasm_bindgen(js_name = cooperativeUpdateDigest, unchecked_return_type = "Hex")]
pub fn cooperative_update_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    #[wasm_bindgen(js_name = settlementNonce)] nonce: u32,
    expiry: u64,
    update: &[u8],
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    Ok(domain.cooperative_update(&channel, epoch, nonce, UnixSeconds(expiry), update).to_string())
}

/// The digest of a close by agreement; `body` as it is encoded, `expiry` in seconds of chain time.
#[wasm_bindgen(js_name = cooperativeCloseDigest, unchecked_return_type = "Hex")]
pub fn cooperative_close_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    #[wasm_bindgen(js_name = settlementNonce)] nonce: u32,
    expiry: u64,
    body: &[u8],
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    Ok(domain.cooperative_close(&channel, epoch, nonce, UnixSeconds(expiry), body).to_string())
}

/// The digest by which an entity starts a dispute through somebody else's transaction.
#[wasm_bindgen(js_name = disputeStartDigest, unchecked_return_type = "Hex")]
pub fn dispute_start_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    nonce: u64,
    #[wasm_bindgen(js_name = bodyHash, unchecked_param_type = "Hex")] body: &str,
    fills: &[u8],
    expiry: u64,
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    let (nonce, body) = (Nonce(nonce), hash("bodyHash", body)?);
    Ok(domain.dispute_start(&channel, epoch, nonce, &body, fills, UnixSeconds(expiry)).to_string())
}

/// The digest by which the other side answers a dispute through somebody else's transaction.
#[wasm_bindgen(js_name = disputeAnswerDigest, unchecked_return_type = "Hex")]
pub fn dispute_answer_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    nonce: u64,
    #[wasm_bindgen(js_name = bodyHash, unchecked_param_type = "Hex")] body: &str,
    fills: &[u8],
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    Ok(domain.dispute_answer(&channel, epoch, Nonce(nonce), &hash("bodyHash", body)?, fills).to_string())
}
