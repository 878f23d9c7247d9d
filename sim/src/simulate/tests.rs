//! The quick form: some tens of thousands of steps, everything happened, nothing was found.

use super::play::{Finding, draw, play};
use super::step::KINDS;

#[test]
fn quick() {
    let report = super::simulate(1, 20_000, 600, 2);
    report.print();
    assert!(report.finding.is_none(), "{:?}", report.finding.map(|finding| finding.file()));
    for call in ["start", "counter", "finalize", "settlement", "co-signed close", "reveal"] {
        assert!(report.tally.calls.contains_key(call), "no {call}");
    }
    for (kind, word, _) in KINDS {
        assert!(report.tally.steps.get(kind).is_some_and(|count| *count > 0), "no {word}");
    }
}

#[test]
fn a_seed_says_everything() {
    let steps = draw(7, 300);
    let print = |tally| format!("{tally:?}");
    assert_eq!(play(7, &steps).map(print), play(7, &steps).map(print));
}

/// Lists of steps that showed something once.
const FOUND: [&str; 5] = [
    // A settlement that the peer refused was proposed again at once, and again.
    "seed 1\nroute 5273 3579 7054\nsettle 2664 2624 8897\ndispute 1021 2475 5314",
    include_str!("found/frozen_by_a_start_that_was_taken_away.txt"),
    include_str!("found/passed_on_twice_after_a_backup.txt"),
    include_str!("found/ended_with_a_body_of_the_history.txt"),
    // Of the reference model only.
    include_str!("found/settled_on_chain_before_a_backup.txt"),
];

#[test]
fn what_was_found_stays_mended() {
    for text in FOUND {
        let (seed, steps) = Finding::parse(text).unwrap();
        play(seed, &steps).unwrap();
    }
}
