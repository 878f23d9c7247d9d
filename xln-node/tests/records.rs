//! The logs that `xln scenario --records` writes replay to the roots beside them, and to no others.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use alloy_primitives::hex;
use serde_json::Value;
use xln_core::types::EntityId;
use xln_node::scenario::report::{Show, run_recorded};
use xln_node::wallet::replay;

type Roots = Vec<BTreeMap<String, String>>;

struct Log {
    entity: EntityId,
    snapshot: Option<Vec<u8>>,
    records: Vec<Vec<u8>>,
    roots: Roots,
}

fn played(name: &str) -> BTreeMap<String, Log> {
    let dir = tempfile::tempdir().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/scenarios/{name}.json"));
    let show = Show { json: true, ..Show::default() };
    let report = run_recorded(&path, show, Some(dir.path()), &mut Vec::new()).unwrap();
    assert!(report.ok, "{:?}", report.error);
    let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

fn read(path: &Path) -> Log {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    Log {
        entity: EntityId::parse(bytes(&file["entity"]).try_into().unwrap()).unwrap(),
        snapshot: (!file["snapshot"].is_null()).then(|| bytes(&file["snapshot"])),
        records: file["records"].as_array().unwrap().iter().map(bytes).collect(),
        roots: serde_json::from_value(file["roots"].clone()).unwrap(),
    }
}

fn replayed(log: &Log, records: &[Vec<u8>]) -> Result<Roots, &'static str> {
    let all = replay(log.entity, log.snapshot.as_deref(), records).map_err(|error| error.code())?;
    let named = all.iter().map(|after| after.roots.iter().map(|r| (r.peer.to_string(), r.root.to_string())).collect());
    Ok(named.collect())
}

#[test]
fn logs_replay_to_their_roots() {
    let logs = played("crash_of_the_proposer_in_flight");
    assert_eq!(logs.len(), 2, "{:?}", logs.keys());
    for (name, log) in &logs {
        assert!(log.records.len() > 5 && log.snapshot.is_none(), "{name}");
        assert_eq!(replayed(log, &log.records).as_ref(), Ok(&log.roots), "{name}");
        // A record that says something else is noticed.
        let mut records = log.records.clone();
        let middle = records.len() / 2;
        let last = records[middle].len() - 1;
        records[middle][last] ^= 1;
        assert_eq!(replayed(log, &records), Err("restore"), "{name}");
        records.remove(middle);
        assert_eq!(replayed(log, &records), Err("restore"), "{name}");
    }
    // Both sides have come to the same states.
    let ends: Vec<_> = logs.values().map(|log| log.roots.last().unwrap().values().next().unwrap()).collect();
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_life_after_a_backup_has_a_log_of_its_own() {
    let logs = played("backup_restored_catches_up");
    assert!(logs.len() > 2, "{:?}", logs.keys());
    for (name, log) in &logs {
        assert_eq!(replayed(log, &log.records).as_ref(), Ok(&log.roots), "{name}");
    }
}
