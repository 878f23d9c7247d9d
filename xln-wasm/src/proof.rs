//! What is signed and what a contract is shown: leaves, paths, digests.

use serde::Deserialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::proof::{self, DepositoryDomain};
use xln_core::types::{ChainId, Hash, Nonce, SubchannelKey, UnixSeconds};

use crate::convert::{address, hash, object};
use crate::error::Thrown;

/// The leaf of the part of a state that no contract looks at.
#[wasm_bindgen(js_name = stateLeaf, unchecked_return_type = "Hex")]
pub fn state_leaf(#[wasm_bindgen(js_name = stateHash, unchecked_param_type = "Hex")] of: &str) -> Thrown<String> {
    Ok(proof::state_leaf(&hash("stateHash", of)?).to_string())
}

/// The leaf that one Depository checks.
#[wasm_bindgen(js_name = subchannelLeaf, unchecked_return_type = "Hex")]
pub fn subchannel_leaf(
    #[wasm_bindgen(unchecked_param_type = "bigint")] chain: JsValue,
    #[wasm_bindgen(unchecked_param_type = "Hex")] depository: &str,
    #[wasm_bindgen(unchecked_param_type = "number")] epoch: JsValue,
    #[wasm_bindgen(js_name = bodyHash, unchecked_param_type = "Hex")] body: &str,
) -> Thrown<String> {
    let key = SubchannelKey { chain: ChainId(object("chain", chain)?), depository: address("depository", depository)? };
    Ok(proof::subchannel_leaf(&key, object("epoch", epoch)?, &hash("bodyHash", body)?).to_string())
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
    #[wasm_bindgen(unchecked_param_type = "bigint")] nonce: JsValue,
    #[wasm_bindgen(unchecked_param_type = "Hex")] root: &str,
) -> Thrown<String> {
    let digest = proof::channel_state_digest(
        &hash("channelKey", channel)?,
        Nonce(object("nonce", nonce)?),
        &hash("root", root)?,
    );
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
    #[wasm_bindgen(js_name = settlementNonce, unchecked_param_type = "number")] nonce: JsValue,
    #[wasm_bindgen(unchecked_param_type = "bigint")] expiry: JsValue,
    update: &[u8],
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    Ok(domain
        .cooperative_update(
            &channel,
            epoch,
            object("settlementNonce", nonce)?,
            UnixSeconds(object("expiry", expiry)?),
            update,
        )
        .to_string())
}

/// The digest of a close by agreement; `body` as it is encoded, `expiry` in seconds of chain time.
#[wasm_bindgen(js_name = cooperativeCloseDigest, unchecked_return_type = "Hex")]
pub fn cooperative_close_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    #[wasm_bindgen(js_name = settlementNonce, unchecked_param_type = "number")] nonce: JsValue,
    #[wasm_bindgen(unchecked_param_type = "bigint")] expiry: JsValue,
    body: &[u8],
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    Ok(domain
        .cooperative_close(
            &channel,
            epoch,
            object("settlementNonce", nonce)?,
            UnixSeconds(object("expiry", expiry)?),
            body,
        )
        .to_string())
}

/// The digest by which an entity starts a dispute through somebody else's transaction.
#[wasm_bindgen(js_name = disputeStartDigest, unchecked_return_type = "Hex")]
pub fn dispute_start_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    #[wasm_bindgen(unchecked_param_type = "bigint")] nonce: JsValue,
    #[wasm_bindgen(js_name = bodyHash, unchecked_param_type = "Hex")] body: &str,
    fills: &[u8],
    #[wasm_bindgen(unchecked_param_type = "bigint")] expiry: JsValue,
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    let (nonce, body) = (Nonce(object("nonce", nonce)?), hash("bodyHash", body)?);
    Ok(domain.dispute_start(&channel, epoch, nonce, &body, fills, UnixSeconds(object("expiry", expiry)?)).to_string())
}

/// The digest by which the other side answers a dispute through somebody else's transaction.
#[wasm_bindgen(js_name = disputeAnswerDigest, unchecked_return_type = "Hex")]
pub fn dispute_answer_digest(
    #[wasm_bindgen(unchecked_param_type = "DepositoryMessage")] message: JsValue,
    #[wasm_bindgen(unchecked_param_type = "bigint")] nonce: JsValue,
    #[wasm_bindgen(js_name = bodyHash, unchecked_param_type = "Hex")] body: &str,
    fills: &[u8],
) -> Thrown<String> {
    let (domain, channel, epoch) = DepositoryMessage::read(message)?;
    Ok(domain
        .dispute_answer(&channel, epoch, Nonce(object("nonce", nonce)?), &hash("bodyHash", body)?, fills)
        .to_string())
}
