//! Mutants as switches. `cargo mutants --list` names the mutants; this program writes all of them into a copy of the crate,
//! each behind a number that is read from the environment when the tests run. One build then serves them all, where
//! building each by itself would take days.

mod build;
mod run;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Tries the mutants of some files of a crate and lists those that no test notices.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// A copy of the repository, which is changed.
    #[arg(long)]
    copy: PathBuf,
    /// The package whose mutants and tests they are.
    #[arg(long, default_value = "xln-core")]
    package: String,
    /// What `cargo mutants --list --json` wrote.
    #[arg(long)]
    list: PathBuf,
    /// Survivors that are known, each with its reason: lines of `NAME — reason`, names without line numbers.
    #[arg(long)]
    explained: PathBuf,
    /// Every n-th mutant only.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// After how many seconds a test that does not end counts as a failed one.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// How many mutants are tried at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Test binaries that run first, quickest first; the others follow unless `--only-first`.
    #[arg(long)]
    first: Vec<String>,
    /// Runs no other binaries than the first ones.
    #[arg(long)]
    only_first: bool,
}

fn main() -> ExitCode {
    match work(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn work(options: &Options) -> Result<bool, Box<dyn std::error::Error>> {
    let mutants: Vec<schema::Mutant> = serde_json::from_slice(&std::fs::read(&options.list)?)?;
    let mutants: Vec<_> = mutants.into_iter().step_by(options.every.max(1)).collect();
    let built = build::build(options, &mutants)?;
    run::run(options, &mutants, &built)
}
