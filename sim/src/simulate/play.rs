//! One world from its seed or from a list of steps, and the shortest list that still shows what was found.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::step::Step;
use super::tally::Tally;
use super::world::World;

/// A world in which something went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) seed: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) what: String,
}

/// The steps of a seed.
pub(crate) fn draw(seed: u64, count: usize) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5e7d_0000_0000_0000);
    (0..count).map(|_| Step::draw(&mut rng)).collect()
}

fn run(seed: u64, steps: &[Step], trace: bool) -> Result<Tally, String> {
    let mut world = World::new(seed)?;
    world.trace = trace;
    for (number, step) in steps.iter().enumerate() {
        if trace {
            eprintln!("{}: {}", world.now, step.line());
        }
        world.step(step).map_err(|found| format!("{found}\n  at step {number}, {}", step.line()))?;
    }
    world.finish()?;
    world.tally.worlds = 1;
    Ok(world.tally)
}

/// Plays a world. A panic is a finding too.
pub(crate) fn play(seed: u64, steps: &[Step]) -> Result<Tally, String> {
    play_traced(seed, steps, false)
}

/// As [`play`], and tells on standard error what happens.
pub(crate) fn play_traced(seed: u64, steps: &[Step], trace: bool) -> Result<Tally, String> {
    match catch_unwind(AssertUnwindSafe(|| run(seed, steps, trace))) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

/// What kind of finding it is: its words without the numbers.
fn kind_of(what: &str) -> String {
    let line = what.lines().next().unwrap_or_default();
    let words = line.split_whitespace().filter(|word| word.chars().all(|c| c.is_alphabetic() || c == ':' || c == ','));
    words.take(6).collect::<Vec<_>>().join(" ")
}

/// Leaves out what is not needed: halves first, then smaller parts, single steps last. At most `tries` worlds are played.
pub(crate) fn shrink(finding: &Finding, mut tries: usize) -> Finding {
    let (mut best, kind) = (finding.clone(), kind_of(&finding.what));
    let mut part = best.steps.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut shorter = false;
        while start < best.steps.len() && tries > 0 {
            tries -= 1;
            let end = (start + part).min(best.steps.len());
            let steps: Vec<Step> = best.steps[..start].iter().chain(&best.steps[end..]).copied().collect();
            match play(best.seed, &steps) {
                Err(what) if kind_of(&what) == kind => {
                    (best.steps, best.what) = (steps, what);
                    shorter = true;
                }
                _ => start = end,
            }
        }
        if tries == 0 || (part == 1 && !shorter) {
            return best;
        }
        if part > 1 {
            part = part.div_ceil(2);
        }
    }
}

impl Finding {
    /// As a file that `--replay` reads.
    pub(crate) fn file(&self) -> String {
        let what: Vec<String> = self.what.lines().map(|line| format!("# {line}")).collect();
        let steps: Vec<String> = self.steps.iter().map(Step::line).collect();
        format!("{}\nseed {}\n{}\n", what.join("\n"), self.seed, steps.join("\n"))
    }

    /// Seed and steps of such a file.
    pub(crate) fn parse(text: &str) -> Option<(u64, Vec<Step>)> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let seed = lines.next()?.strip_prefix("seed ")?.trim().parse().ok()?;
        Some((seed, lines.map(Step::parse).collect::<Option<_>>()?))
    }
}
