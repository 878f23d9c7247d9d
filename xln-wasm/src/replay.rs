//! A log, run again: the same records give the same states here and natively.

use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::machine::{Machine, Record, RestoreError};

use crate::convert::{entity, plain};
use crate::error::{Thrown, XlnError, coded};

/// A machine as it is after a log.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct Replayed {
    /// Position of the last record.
    seq: u64,
    /// Hash over everything that the machine holds.
    #[tsify(type = "Hex")]
    root: String,
    /// Its channels, by peer.
    channels: Vec<ReplayedChannel>,
}

/// The state that a channel's parties agreed on last.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct ReplayedChannel {
    #[tsify(type = "Hex")]
    peer: String,
    height: u64,
    nonce: u64,
    /// Merkle root that both signed.
    #[tsify(type = "Hex")]
    state_root: String,
}

fn damaged(error: impl Into<RestoreError>) -> XlnError {
    coded("log_damaged", &error.into())
}

/// Replays the records of an entity's machine from the first, with all signatures and effects checked. Throws
/// `log_damaged` if they are not what a machine of these rules wrote.
#[wasm_bindgen(unchecked_return_type = "Replayed")]
pub fn replay(
    #[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] of: &str,
    #[wasm_bindgen(unchecked_param_type = "readonly Uint8Array[]")] records: Vec<js_sys::Uint8Array>,
) -> Thrown<JsValue> {
    let records = records.iter().map(|bytes| Record::decode(&bytes.to_vec()));
    let records: Vec<Record> = records.collect::<Result<_, _>>().map_err(damaged)?;
    let machine = Machine::restore(entity("entity", of)?, None, records).map_err(damaged)?;
    let channels = machine.channels().map(|(peer, channel)| {
        let tip = channel.tip();
        ReplayedChannel {
            peer: peer.to_string(),
            height: tip.state.height,
            nonce: tip.state.nonce.0,
            state_root: channel.state_root().to_string(),
        }
    });
    plain(&Replayed {
        seq: machine.seq(),
        root: machine.root().map_err(damaged)?.to_string(),
        channels: channels.collect(),
    })
}
