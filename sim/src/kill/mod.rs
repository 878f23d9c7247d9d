//! `xln-sim kill`: two real processes, each a node on a real store on disk, pay each other over pipes and are killed with
//! SIGKILL at random moments: after so many answers, after so many microseconds, while they open, one or both. What starts
//! again is checked against what it had acknowledged:
//!
//! - the log holds every acknowledged record, and its replay gives the same root over the whole machine;
//! - the store's guard holds the greatest nonce that ever left the process, and no process ever signs two things at one nonce;
//! - the last agreed state that was acknowledged is in the history;
//! - after the two are connected again they agree, every acknowledged command stands in exactly one agreed block, one in doubt
//!   in at most one, and the sum of all payments is exact, by a book that reads nothing but messages.
//!
//! Before that, with each engine: a second process on a store in use, a read-only disk, and a full one (`mishaps.rs`).
//!
//! The choices come from the seed; the moment at which a signal strikes is the operating system's. Only processes die here, not
//! the machine: the loss of power is `xln-storage/tests/power_loss.rs`.

mod child;
mod frames;
mod ledger;
mod mishaps;
mod party;
mod run;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use xln_storage::Backend;

use run::{Plan, Tally};

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only this engine: redb, fjall or sled.
    #[arg(long, value_parser = backend)]
    backend: Option<Backend>,
    /// How often to kill in all; divided among the engines.
    #[arg(long, default_value_t = 5000)]
    kills: u64,
    /// Where the choices come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 45 kills instead, for a first look.
    #[arg(long, conflicts_with = "kills")]
    quick: bool,
    /// How many kills one pair of stores goes through before the next pair begins.
    #[arg(long, default_value_t = 250)]
    per_store: u64,
    /// Where the stores are made; the system's folder for temporary files unless told otherwise.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Plants a fault: writes are reported done before they are made. The run must find it.
    #[arg(long)]
    write_behind: bool,
    /// Removes the stores of a finding too.
    #[arg(long, hide = true)]
    keep_nothing: bool,
    /// The folder is on a small file system of its own: fill it up to see what happens then.
    #[arg(long, requires = "dir")]
    fill: bool,
    /// Be the process that is killed.
    #[arg(long, hide = true)]
    child: bool,
}

fn backend(name: &str) -> Result<Backend, String> {
    Backend::by_name(name).ok_or_else(|| "one of redb, fjall, sled".to_owned())
}

impl Options {
    pub(crate) fn run(self) -> ExitCode {
        if self.child {
            return child::run();
        }
        let backends: Vec<Backend> = self.backend.map_or_else(|| Backend::ALL.to_vec(), |backend| vec![backend]);
        let kills = if self.quick { 45 } else { self.kills };
        let share = kills.div_ceil(u64::try_from(backends.len()).unwrap_or(1).max(1));
        let mut found = false;
        for backend in backends {
            let plan = Plan {
                backend,
                kills: share,
                seed: self.seed,
                per_store: self.per_store.max(1),
                dir: self.dir.clone().unwrap_or_else(std::env::temp_dir),
                write_behind: self.write_behind,
                fill: self.fill,
                keep: !self.keep_nothing,
            };
            let (begun, mut tally) = (Instant::now(), Tally::default());
            let outcome = plan.run(&mut tally);
            say(&format!("{backend}: {tally}, {} s", begun.elapsed().as_secs()));
            if let Err(finding) = outcome {
                say(&format!("{backend}: FOUND with --seed {} --backend {backend}: {finding}", self.seed));
                found = true;
            }
        }
        if found { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn say(line: &str) {
    // A reader that has seen enough is no failure of ours.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
