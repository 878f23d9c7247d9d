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

/// Writes real inputs into the corpus, if asked to.
#[test]
fn seeds() {
    let backup = store::real_backup();
    store::store_open(&backup);
    corpus::seed("store_open", "backup", &backup);
    for base in (0..26).step_by(2) {
        corpus::seed("store_open", &format!("real{base}"), &[1, base]);
        corpus::seed("store_open", &format!("flip{base}"), &[1, base, base, 6, 0, base, 1]);
    }
}
