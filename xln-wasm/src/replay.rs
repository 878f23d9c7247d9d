//! A log, run again: the same records give the same states here and natively.

use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::machine::{Machine, Record, RestoreError};
use xln_core::types::{EntityId, Hash};
use xln_node::wallet::{self, WalletError};

use crate::convert::{entity, plain};
use crate::error::{Thrown, XlnError, coded};

/// What the channels were after one record.
#[derive(Tsify, Serialize)]
#[tsify(large_number_types_as_bigints)]
pub struct Replayed {
    /// Position of the record.
    seq: u64,
    /// The state root of every channel, by peer.
    roots: Vec<PeerRoot>,
}

/// The state root of one channel.
#[derive(Tsify, Serialize)]
pub struct PeerRoot {
    /// With whom.
    #[tsify(type = "Hex")]
    peer: EntityId,
    /// The Merkle root that both signed last, or that of the state before the first block.
    #[tsify(type = "Hex")]
    root: Hash,
}

impl From<wallet::Replayed> for Replayed {
    fn from(step: wallet::Replayed) -> Self {
        let root = |wallet::PeerRoot { peer, root }| PeerRoot { peer, root };
        Self { seq: step.seq, roots: step.roots.into_iter().map(root).collect() }
    }
}

fn failed(error: impl Into<WalletError>) -> XlnError {
    let error = error.into();
    coded(error.code(), &error)
}

/// Replays the records of an entity's machine from the first, or from a snapshot as a store keeps it, with all signatures and
/// effects checked. Gives the state roots after each.
#[wasm_bindgen(unchecked_return_type = "Replayed[]")]
pub fn replay(
    #[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] of: &str,
    #[wasm_bindgen(unchecked_param_type = "readonly Uint8Array[]")] records: Vec<js_sys::Uint8Array>,
    snapshot: Option<Vec<u8>>,
) -> Thrown<JsValue> {
    let records: Vec<Vec<u8>> = records.iter().map(js_sys::Uint8Array::to_vec).collect();
    let steps = wallet::replay(entity("entity", of)?, snapshot.as_deref(), &records).map_err(failed)?;
    plain(&steps.into_iter().map(Replayed::from).collect::<Vec<_>>())
}

/// Hash over everything that an entity's machine holds after these records, from the first.
#[wasm_bindgen(js_name = replayRoot, unchecked_return_type = "Hex")]
pub fn replay_root(
    #[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] of: &str,
    #[wasm_bindgen(unchecked_param_type = "readonly Uint8Array[]")] records: Vec<js_sys::Uint8Array>,
) -> Thrown<String> {
    let records = records.iter().map(|bytes| Record::decode(&bytes.to_vec()));
    let records: Vec<Record> = records.collect::<Result<_, _>>().map_err(RestoreError::from).map_err(failed)?;
    let machine = Machine::restore(entity("entity", of)?, None, records).map_err(failed)?;
    Ok(machine.root().map_err(failed)?.to_string())
}
