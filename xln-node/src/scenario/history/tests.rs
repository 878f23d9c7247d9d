//! Mistakes in the reckoning are found, and what is kept of them is small and stands alone.

use super::{Finding, keep, play, replay, shrink};
use crate::scenario::Options;
use crate::scenario::report::{Show, run_file};
use crate::scenario::shadow::planted::{Mistake, PLANTED};

/// Seeds that are tried.
const SEEDS: u64 = 600;

fn found(mistake: Mistake) -> Finding {
    PLANTED.set(Some(mistake));
    let finding = (1..SEEDS).find_map(|seed| play(seed).err()).expect("a history that finds it");
    let small = shrink(&finding);
    // What is kept fails by itself while the mistake is there, and holds without it.
    let folder = tempfile::tempdir().expect("a folder");
    let path = keep(&small, folder.path()).expect("a file");
    let show = Show { json: true, options: Options { trace: false, model: true, volatile: true } };
    let mut out = Vec::new();
    let report = run_file(&path, show, &mut out).expect("a report");
    assert!(!report.ok, "the file does not show it: {}", small.tale.file());
    PLANTED.set(None);
    let without = replay(&small.tale).map(|(difference, _)| difference.text);
    assert_eq!(without, None, "{:#}", small.tale.file());
    small
}

#[test]
fn a_reserve_that_is_spared_is_found_in_few_steps() {
    let small = found(Mistake::ReserveSpared);
    assert!(small.tale.steps.len() <= 10, "{:#}", small.tale.file());
}

#[test]
fn a_deadline_off_by_a_second_is_found_in_few_steps() {
    let small = found(Mistake::DeadlineEarly);
    assert!(small.tale.steps.len() <= 6, "{:#}", small.tale.file());
}

#[test]
fn a_reveal_that_counts_again_is_found_in_few_steps() {
    let small = found(Mistake::LastRevealCounts);
    assert!(small.tale.steps.len() <= 6, "{:#}", small.tale.file());
}

#[test]
fn a_transfer_to_nobody_is_found_in_two_steps() {
    let small = found(Mistake::TransferLost);
    let [deposit, transfer] = small.tale.steps.as_slice() else { panic!("{:#}", small.tale.file()) };
    assert_eq!((&deposit["do"], &deposit["amount"]), (&"deposit".into(), &"1".into()));
    assert_eq!((&transfer["do"], &transfer["amount"]), (&"transfer".into(), &"1".into()));
    assert_eq!(small.tale.head["entities"].as_object().map(|all| all.len()), Some(2));
}

#[test]
fn a_fact_that_counts_too_late_is_found_in_few_steps() {
    let small = found(Mistake::LateFactCounts);
    assert!(small.tale.steps.len() <= 10, "{:#}", small.tale.file());
}

#[test]
fn a_grace_that_is_missing_is_found_in_few_steps() {
    let small = found(Mistake::NoGrace);
    assert!(small.tale.steps.len() <= 6, "{:#}", small.tale.file());
}

#[test]
fn a_schedule_that_rounds_up_is_found_in_few_steps() {
    let small = found(Mistake::VestedUp);
    assert!(small.tale.steps.len() <= 6, "{:#}", small.tale.file());
}

#[test]
fn a_fee_that_is_rounded_down_is_found_in_few_steps() {
    let small = found(Mistake::FeeDown);
    assert!(small.tale.steps.len() <= 6, "{:#}", small.tale.file());
}
