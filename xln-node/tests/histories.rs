//! Random histories on core and bytecode. `XLN_HISTORIES` says how many, `XLN_HISTORIES_SEED` where to begin; `xln histories`
//! does the same from a shell. A difference is kept as a scenario file in `XLN_HISTORIES_KEEP`.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use xln_node::scenario::history::{Tally, keep, play, play_many, shrink, step_names, tale};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn core_and_bytecode_agree_on_random_histories() {
    let (count, seed) = (number("XLN_HISTORIES", 2000), number("XLN_HISTORIES_SEED", 1));
    let outcome = play_many(seed, count, &|| {});
    if let Some(finding) = outcome.finding {
        let small = shrink(&finding);
        let folder = std::env::var("XLN_HISTORIES_KEEP").map_or_else(|_| std::env::temp_dir(), PathBuf::from);
        let path = keep(&small, &folder).expect("a place for the scenario");
        panic!("seed {}: {}\nkept in {}", finding.seed, finding.difference.text, path.display());
    }
    assert_eq!(outcome.histories, count);
    println!("{}", outcome.tally);
    expect_variety(&outcome.tally, count);
}

/// Of every kind of step some work, and some are refused where that is possible; every notable thing happens.
fn expect_variety(tally: &Tally, histories: u64) {
    let least = histories / 100;
    for name in step_names() {
        let (worked, _) = tally.steps.get(name).copied().unwrap_or_default();
        assert!(worked >= histories / 200, "{name} worked {worked} times in {histories} histories");
    }
    for name in
        ["pay", "lock", "settle", "cancel", "fill", "withdraw", "collateral", "settlement", "dispute", "finalize"]
    {
        let (_, refused) = tally.steps.get(name).copied().unwrap_or_default();
        assert!(refused >= histories / 400, "{name} was refused {refused} times in {histories} histories");
    }
    for name in Tally::NOTABLE {
        let count = tally.notable.get(name).copied().unwrap_or_default();
        assert!(count >= least, "{name}: {count} in {histories} histories");
    }
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    for seed in [3, 77, 1 << 40] {
        let (one, other) = (tale(seed).file().to_string(), tale(seed).file().to_string());
        assert_eq!(one, other);
        assert!(play(seed).is_ok());
    }
    assert_ne!(tale(3).file(), tale(4).file());
}
