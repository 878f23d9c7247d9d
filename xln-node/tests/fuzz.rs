//! What a node finds in its store or in a backup may be anything: the quick form of the fuzz target `store_open`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, dead_code, reason = "parts of a crate elsewhere")]

#[path = "../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../fuzz/src/store.rs"]
mod store;

#[test]
fn any_store_opens_or_says_why_not() {
    corpus::replay("store_open", 1_000, store::store_open);
}

/// Kinds of input: rows as they are, rows whose checksums are put right, the same as a backup.
const KINDS: [u8; 3] = [1, 2, 3];

/// Otherwise the target would only ever see refusals.
#[test]
fn what_nobody_damaged_opens() {
    assert!(store::opens(&store::real_backup()));
    let mut records = 0;
    for (kind, base) in KINDS.iter().flat_map(|kind| (0..26).map(move |base| (*kind, base))) {
        assert!(store::opens(&[kind, base]), "kind {kind}, store {base}");
        let Some(at) = store::first_record(base) else { continue };
        records += 1;
        // Its number is changed: found by the checksum, and behind a right one by the record's own number.
        assert!(!store::opens(&misplaced(kind, base, at)), "kind {kind}, store {base}");
    }
    assert!(records > 30, "{records} stores with records");
}

/// A record's number is changed in its key. A backup's rows begin after the header.
fn misplaced(kind: u8, base: u8, at: u8) -> Vec<u8> {
    vec![kind, base, at - u8::from(kind == 3), 5, 0, 8, 0x41]
}

/// Writes real inputs into the corpus, if asked to.
#[test]
fn seeds() {
    corpus::seed("store_open", "backup", &store::real_backup());
    for (kind, base) in KINDS.iter().flat_map(|kind| (0..26).step_by(8).map(move |base| (*kind, base))) {
        corpus::seed("store_open", &format!("real{kind}_{base}"), &[kind, base]);
        corpus::seed("store_open", &format!("flip{kind}_{base}"), &[kind, base, base, 6, 0, base, 1]);
        if let Some(at) = store::first_record(base) {
            corpus::seed("store_open", &format!("misplaced{kind}_{base}"), &misplaced(kind, base, at));
        }
    }
}
