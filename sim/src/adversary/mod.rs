//! A peer that speaks the protocol with the honest code's own types and breaks it wherever it can, against an honest node that
//! serves honest peers at the same time, on the real contracts (`docs/security.md`, "The adversary").
//!
//! One adversary after the other opens a channel with the honest node, trades with it as an honest peer would, and deviates
//! after each round. In the end it shows every state that it ever had on chain, each on a fork of its own. What is checked:
//! nothing that it sends moves what was agreed unless it may; on chain the honest node gets at least what it had in the last
//! agreed state, less what it was offering; what it holds in memory stays bounded; its other peers are served all the while.

mod deviation;
mod forge;
mod life;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use xln_core::types::EntityId;

use deviation::{Deviation, ON_CHAIN, SPOKEN};
use life::Life;
use world::{Finding, World, check};

/// Rounds of one adversary before it goes on chain.
const ROUNDS_OF_A_LIFE: u32 = 40;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the choices begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many rounds of deviation in all, at least as many as there are deviations.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(40..))]
    rounds: u32,
    /// A few rounds only, each deviation at least once.
    #[arg(long)]
    quick: bool,
}

impl Options {
    pub(crate) fn run(self) -> ExitCode {
        let rounds = if self.quick { 3 * ROUNDS_OF_A_LIFE } else { self.rounds };
        match attack(self.seed, rounds) {
            Ok(report) => {
                println!("{report}");
                ExitCode::SUCCESS
            }
            Err((at, finding)) => {
                println!("seed {}, round {at}: {finding}", self.seed);
                ExitCode::from(1)
            }
        }
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Report {
    rounds: u32,
    lives: u32,
    made: BTreeMap<Deviation, u64>,
    messages: u64,
    served: u64,
    longest_service: u32,
    disputes: u64,
    countered: u64,
    largest_store: usize,
    level: u32,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} rounds by {} adversaries, {} messages of theirs", self.rounds, self.lives, self.messages)?;
        writeln!(f, "{} payments of others, at most {} messages for one", self.served, self.longest_service)?;
        writeln!(f, "{} disputes with old states, {} countered", self.disputes, self.countered)?;
        writeln!(f, "{} rounds after which both were level again", self.level)?;
        writeln!(f, "largest snapshot {} bytes", self.largest_store)?;
        self.made.iter().try_for_each(|(deviation, count)| writeln!(f, "  {count:8} {deviation:?}"))
    }
}

impl Report {
    fn count(&mut self, deviation: Deviation) {
        let count = self.made.entry(deviation).or_default();
        *count = count.saturating_add(1);
    }
}

/// The honest node and its two honest peers, by the numbers of their keys.
const HONEST: u64 = 1;
const FRIENDS: [u64; 2] = [2, 3];

/// Who takes part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    honest: EntityId,
    friends: [EntityId; 2],
}

fn attack(seed: u64, rounds: u32) -> Result<Report, (u32, Finding)> {
    let mut report = Report::default();
    attack_into(seed, rounds, &mut report).map_err(|finding| (report.rounds, finding))?;
    Ok(report)
}

fn attack_into(seed: u64, rounds: u32, report: &mut Report) -> Result<(), Finding> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new()?;
    let honest = world.join(HONEST, 1 << 40)?;
    let [first, second] = FRIENDS;
    let friends = [world.join(first, 1 << 40)?, world.join(second, 1 << 40)?];
    for friend in friends {
        world.connect(honest, friend, 1 << 30, 1 << 30)?;
    }
    let cast = Cast { honest, friends };
    let mut number = 100;
    while report.rounds < rounds {
        let mut life = Life::begin(&mut world, cast, number)?;
        for _ in 0..ROUNDS_OF_A_LIFE.min(rounds.saturating_sub(report.rounds)) {
            // In turn, so that each happens; then any.
            let at = usize::try_from(report.rounds).unwrap_or(usize::MAX);
            let which =
                SPOKEN.get(at).copied().or_else(|| SPOKEN.choose(&mut random).copied()).unwrap_or(Deviation::Nonsense);
            life.round(&mut world, which, &mut random, report)?;
            report.rounds = report.rounds.saturating_add(1);
        }
        life.end(&mut world, &mut random, report)?;
        report.lives = report.lives.saturating_add(1);
        number = number.saturating_add(1);
    }
    let missing: Vec<_> = SPOKEN.iter().chain(&ON_CHAIN).filter(|which| !report.made.contains_key(which)).collect();
    check(missing.is_empty(), || format!("never happened: {missing:?}"))?;
    check(report.countered > 0, || "no old state was countered".into())?;
    // What deviates and comes back is dealt with again: else the later rounds would test a dead channel.
    check(report.level >= report.rounds.saturating_mul(9).wrapping_div(10), || format!("level {} times", report.level))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::{ROUNDS_OF_A_LIFE, attack};

    #[test]
    fn adversary_gains_nothing_and_stops_nobody() {
        for seed in [1, 2] {
            match attack(seed, ROUNDS_OF_A_LIFE) {
                Ok(report) => println!("{report}"),
                Err((round, finding)) => panic!("seed {seed}, round {round}: {finding}"),
            }
        }
    }
}
