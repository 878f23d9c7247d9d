//! The record logs of a scenario's entities, as files: other implementations replay them and must come to the same state
//! roots (`xln scenario --records DIR`).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::hex;
use serde_json::{Value, json};
use xln_storage::{Row, Storage, StorageError, WriteBatch, WriteOp};

use super::party::{Party, Store};
use super::refusal::RunError;
use super::world::World;
use crate::driver::log::unseal;
use crate::wallet::replay;

/// What was written of one life's log.
#[derive(Clone, Default)]
pub(super) struct Tape(Arc<Mutex<Taped>>);

#[derive(Clone, Default)]
pub(super) struct Taped {
    /// The snapshot that the life began with: it was restored from a backup.
    pub(super) snapshot: Option<Vec<u8>>,
    pub(super) records: Vec<Vec<u8>>,
}

impl Tape {
    /// A store that tapes what is written to it.
    pub(super) fn on(&self, store: Store) -> Store {
        Box::new(Taping { store, tape: self.clone() })
    }

    fn take(&self, ops: &[WriteOp]) {
        let mut taped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A snapshot before the first record comes from a backup; later ones replace records that were taped.
        let first = taped.records.is_empty();
        for op in ops {
            match op {
                WriteOp::Put { key, value } if key.starts_with(b"r") => {
                    taped.records.extend(unseal(key, value.clone()));
                }
                WriteOp::Put { key, value } if key == b"s" && first => {
                    taped.snapshot = unseal(key, value.clone()).ok();
                }
                _ => {}
            }
        }
    }

    fn taped(&self) -> Taped {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Taping {
    store: Store,
    tape: Tape,
}

impl Storage for Taping {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.store.get(key)
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        self.store.scan(prefix, from, limit)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let ops = batch.ops().to_vec();
        self.store.write(batch)?;
        self.tape.take(&ops);
        Ok(())
    }
}

/// Writes one file for every life of every entity: `FILE.NAME.LIFE.json` in `dir`.
///
/// # Errors
/// [`RunError`] if it cannot be written, or a log does not replay to the roots that its node has.
pub fn write_records(world: &World, stem: &str, dir: &Path) -> Result<(), RunError> {
    std::fs::create_dir_all(dir)?;
    for party in world.parties.values() {
        let lives = party.tapes.len();
        for (life, tape) in party.tapes.iter().enumerate() {
            let file = told(party, &tape.taped(), life.saturating_add(1) == lives)?;
            std::fs::write(dir.join(format!("{stem}.{}.{life}.json", party.name)), format!("{file:#}\n"))?;
        }
    }
    Ok(())
}

fn told(party: &Party, taped: &Taped, is_last: bool) -> Result<Value, RunError> {
    let replayed = replay(party.id, taped.snapshot.as_deref(), &taped.records)
        .map_err(|_| RunError::Value("a log does not replay"))?;
    let here: Vec<_> = party.node()?.machine().channels().map(|(peer, c)| (*peer, c.state_root())).collect();
    let there: Vec<_> = replayed.last().iter().flat_map(|last| &last.roots).map(|r| (r.peer, r.root)).collect();
    if is_last && here != there {
        return Err(RunError::Value("a log replays to other roots"));
    }
    let roots = replayed.iter().map(|after| {
        let roots = after.roots.iter().map(|root| (root.peer.to_string(), json!(root.root.to_string())));
        Value::Object(roots.collect())
    });
    Ok(json!({
        "entity": party.id.to_string(),
        "snapshot": taped.snapshot.as_deref().map(hex::encode_prefixed),
        "records": taped.records.iter().map(hex::encode_prefixed).collect::<Vec<_>>(),
        "roots": roots.collect::<Vec<_>>(),
    }))
}
