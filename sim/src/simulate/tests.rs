//! The quick form: some tens of thousands of steps, everything happened, nothing was found.

use super::play::{draw, play};
use super::step::KINDS;

#[test]
fn quick() {
    let report = super::simulate(1, 20_000, 600, 2);
    report.print();
    assert!(report.finding.is_none(), "{:?}", report.finding.map(|finding| finding.file()));
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
