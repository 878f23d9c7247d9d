//! Mutants as switches. `cargo mutants --list` names the mutants; this program writes all of them into a copy of the crate,
//! each behind a number that is read from the environment when the tests run. One build then serves them all, where
//! building each by itself would take days.

mod build;
mod more;
mod run;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Tries the mutants of some files of a crate and lists those that no test notices.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// The repository.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Where its copy with switches stands. Apart from the parts it has its own `Cargo.toml` already.
    #[arg(long)]
    copy: PathBuf,
    /// A file or folder of the repository that the tests need.
    #[arg(long = "part")]
    parts: Vec<String>,
    /// The package whose mutants and tests they are.
    #[arg(long, default_value = "xln-core")]
    package: String,
    /// What `cargo mutants --list --json` wrote.
    #[arg(long)]
    list: PathBuf,
    /// A file of which further mutants are made: see `more`.
    #[arg(long)]
    more: Vec<String>,
    /// Survivors that are known, each with its reason: lines of `NAME — reason`, names without line numbers.
    #[arg(long)]
    explained: PathBuf,
    /// Every n-th mutant only.
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// After how many seconds of processor time a test must be green without a mutant; with one it has ten times what it took.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// How many mutants are tried at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// The quicker test binaries, for `--only-first`.
    #[arg(long)]
    first: Vec<String>,
    /// Runs no other binaries than the first ones.
    #[arg(long)]
    only_first: bool,
    /// Only tests that take less than so many milliseconds: what they do not notice goes through all of them with `--again`.
    #[arg(long)]
    below: Option<u64>,
    /// Tries again what an earlier run did not find red, whatever has changed since.
    #[arg(long)]
    again: bool,
    /// The list has all mutants: an explanation of one that it has not is stale.
    #[arg(long)]
    whole: bool,
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
    let mut mutants: Vec<schema::Mutant> = serde_json::from_slice(&std::fs::read(&options.list)?)?;
    for file in &options.more {
        mutants.extend(more::list(&options.root, file)?);
    }
    schema::name_all(&mut mutants);
    let mutants: Vec<_> = mutants.into_iter().step_by(options.every.max(1)).collect();
    let built = build::build(options, &mutants)?;
    run::run(options, &mutants, &built)
}
