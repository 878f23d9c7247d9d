//! Many machines on virtual time: real nodes on stores that fail, a network that loses, repeats and parts, two chains that
//! reorganise, congest and censor, random commands, parties that cheat, and beside it a small reference model that counts
//! what everybody must have. Everything follows from a seed; a finding is shortened and can be played again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a check: its own panics are caught, and findings like any other"
)]

mod act;
mod book;
mod chain;
mod ending;
mod fault;
mod ledger;
mod party;
mod play;
mod step;
mod tally;
#[cfg(test)]
mod tests;
mod watcher;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Args;

use play::{Finding, draw, play, play_traced, shrink};
use step::KINDS;
use tally::Tally;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The first world; others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after this many steps: what the scheduler did, and what the script did besides.
    #[arg(long, default_value_t = 10_000_000)]
    steps: u64,
    /// Steps of the script of one world.
    #[arg(long, default_value_t = 1500)]
    script: usize,
    /// 100,000 steps.
    #[arg(long)]
    quick: bool,
    /// Worlds at a time.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Plays the steps of a file instead.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Tells on standard error what happens in the replay.
    #[arg(long)]
    trace: bool,
    /// Worlds played to shorten a finding.
    #[arg(long, default_value_t = 600)]
    shrink: usize,
    /// Where to keep a finding.
    #[arg(long, default_value = "simulate.finding")]
    keep: PathBuf,
}

/// What came of many worlds.
pub(crate) struct Report {
    tally: Tally,
    finding: Option<Finding>,
}

/// Plays worlds from `seed` on until `steps` are made or something is found.
pub(crate) fn simulate(seed: u64, steps: u64, script: usize, threads: usize) -> Report {
    let (next, over) = (AtomicU64::new(seed), AtomicBool::new(false));
    let report = Mutex::new(Report { tally: Tally::default(), finding: None });
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let list = draw(seed, script);
                    let result = play(seed, &list);
                    let mut report = report.lock().unwrap();
                    match result {
                        Ok(tally) => report.tally.merge(tally),
                        Err(what) => {
                            // Of several the first world counts, whoever was faster.
                            let earlier = report.finding.as_ref().is_none_or(|other| seed < other.seed);
                            if earlier {
                                report.finding = Some(Finding { seed, steps: list, what });
                            }
                            over.store(true, Ordering::Relaxed);
                        }
                    }
                    if report.tally.total() >= steps {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    report.into_inner().unwrap()
}

impl Report {
    fn print(&self) {
        let tally = &self.tally;
        println!("{} steps in {} worlds, {} agreed blocks", tally.total(), tally.worlds, tally.blocks);
        for (name, counts) in [("scheduler", &tally.events), ("chain calls", &tally.calls), ("reports", &tally.reports)]
        {
            let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            println!("{name}: {}", counts.join(", "));
        }
        let count = |kind| tally.steps.get(kind).copied().unwrap_or_default();
        let steps: Vec<String> = KINDS.iter().map(|(kind, word, _)| format!("{word} {}", count(kind))).collect();
        println!("script: {}; {} without occasion", steps.join(", "), tally.idle);
        println!(
            "{} inputs, {} commands refused, {} deaths of a failed store",
            tally.inputs, tally.refused, tally.deaths
        );
    }
}

impl Options {
    pub(crate) fn run(self) -> ExitCode {
        if let Some(path) = &self.replay {
            return Self::replay(path, self.trace);
        }
        std::panic::set_hook(Box::new(|_| ()));
        let steps = if self.quick { 100_000 } else { self.steps };
        let started = std::time::Instant::now();
        let report = simulate(self.seed, steps, self.script, self.threads);
        report.print();
        println!("{} s", started.elapsed().as_secs());
        let Some(finding) = report.finding else {
            println!("no findings");
            return ExitCode::SUCCESS;
        };
        println!("FOUND in world {}: {}", finding.seed, finding.what);
        let shorter = shrink(&finding, self.shrink);
        println!("{} of {} steps show it:\n{}", shorter.steps.len(), finding.steps.len(), shorter.file());
        if let Err(error) = std::fs::write(&self.keep, shorter.file()) {
            println!("{}: {error}", self.keep.display());
        }
        ExitCode::FAILURE
    }

    fn replay(path: &PathBuf, trace: bool) -> ExitCode {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let parsed = text.and_then(|text| Finding::parse(&text).ok_or_else(|| "no list of steps".to_owned()));
        let (seed, steps) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                println!("{}: {error}", path.display());
                return ExitCode::from(2);
            }
        };
        match play_traced(seed, &steps, trace) {
            Ok(tally) => {
                Report { tally, finding: None }.print();
                println!("no findings");
                ExitCode::SUCCESS
            }
            Err(what) => {
                println!("FOUND: {what}");
                ExitCode::FAILURE
            }
        }
    }
}
