//! The command line: `xln scenario FILE…` and `xln vectors FILE…`. Output goes to stdout, the first thing that does not hold
//! also to stderr, and then the exit code is 1; 2 for wrong usage.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use indicatif::ProgressBar;

use crate::scenario::report::{Show, run_recorded};
use crate::scenario::{Options, history};
use crate::vectors;

/// Payment channels with reserve credit.
#[derive(Debug, Parser)]
#[command(name = "xln", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays scenario files on real machines, stores, messages and contracts.
    Scenario(ScenarioArgs),
    /// Plays random histories on core and bytecode and compares every number.
    Histories(HistoriesArgs),
    /// Checks vector files against this library.
    Vectors(VectorsArgs),
}

#[derive(Debug, Args)]
struct VectorsArgs {
    /// The files.
    #[arg(required_unless_present = "emit")]
    files: Vec<PathBuf>,
    /// Writes one of the project's own files to stdout.
    #[arg(long, value_name = "NAME", conflicts_with = "files", value_parser = PossibleValuesParser::new(vectors::own_names()))]
    emit: Option<String>,
}

#[derive(Debug, Args)]
struct HistoriesArgs {
    /// How many.
    #[arg(long, default_value_t = 2000)]
    count: u64,
    /// The first one's seed; the others' follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where a difference is kept, made small, as a scenario file.
    #[arg(long, value_name = "DIR", default_value = ".")]
    keep: PathBuf,
    /// Writes the story of the first seed to stdout instead, as far as it holds.
    #[arg(long)]
    tell: bool,
}

#[derive(Debug, Args)]
struct ScenarioArgs {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// One JSON line per step; the default where stdout is no terminal.
    #[arg(long, conflicts_with = "table")]
    json: bool,
    /// Readable tables with the channels' bars; the default on a terminal.
    #[arg(long)]
    table: bool,
    /// Adds every message and effect.
    #[arg(long)]
    trace: bool,
    /// Also checks the conservation rules after every step.
    #[arg(long)]
    model: bool,
    /// Writes each entity's log into this folder, with the state roots after each record, for other implementations.
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Scenario(args) => args.run(),
            Command::Histories(args) => args.run(),
            Command::Vectors(args) => args.run(),
        };
        match done {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            // A reader that has seen enough is no failure of ours.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            Err(error) => {
                complain(&error.to_string());
                ExitCode::FAILURE
            }
        }
    }
}

impl HistoriesArgs {
    fn run(self) -> std::io::Result<bool> {
        if self.tell {
            writeln!(std::io::stdout().lock(), "{:#}", history::tale(self.seed).file())?;
            return Ok(true);
        }
        let bar = progress(usize::try_from(self.count).unwrap_or(usize::MAX));
        let outcome = history::play_many(self.seed, self.count, &|| bar.inc(1));
        bar.finish_and_clear();
        if let Some(finding) = outcome.finding {
            complain(&format!("seed {}: {}", finding.seed, finding.difference.text));
            let small = history::shrink(&finding);
            let path = history::keep(&small, &self.keep)?;
            complain(&format!("{} steps of it are kept in {}", small.tale.steps.len(), path.display()));
            return Ok(false);
        }
        writeln!(std::io::stdout().lock(), "{}{} histories, nothing differs", outcome.tally, outcome.histories)?;
        Ok(true)
    }
}

fn complain(text: &str) {
    // Nobody is left to be told if stderr is gone too.
    let _ = writeln!(std::io::stderr().lock(), "xln: {text}");
}

impl ScenarioArgs {
    fn run(self) -> std::io::Result<bool> {
        let json = self.json || (!self.table && !std::io::stdout().is_terminal());
        let show = Show { json, options: Options { trace: self.trace, model: self.model, volatile: false } };
        let bar = progress(self.files.len());
        for path in &self.files {
            // Collected first, so that the progress bar and the report never write into each other.
            let mut out = Vec::new();
            let report = run_recorded(path, show, self.records.as_deref(), &mut out)?;
            bar.suspend(|| std::io::stdout().lock().write_all(&out))?;
            bar.inc(1);
            if !report.ok {
                bar.finish_and_clear();
                complain(&format!("{}: {}", path.display(), report.error.unwrap_or_default()));
                return Ok(false);
            }
        }
        bar.finish_and_clear();
        Ok(true)
    }
}

/// A bar for several files; one needs none.
fn progress(files: usize) -> ProgressBar {
    if files < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::new(u64::try_from(files).unwrap_or(u64::MAX))
}

impl VectorsArgs {
    fn run(self) -> std::io::Result<bool> {
        let mut out = std::io::stdout().lock();
        if let Some(text) = self.emit.as_deref().and_then(vectors::own) {
            out.write_all(text.as_bytes())?;
        }
        for path in &self.files {
            match vectors::check_file(path) {
                Ok((kind, count)) => writeln!(out, "{}: ok, {count} vectors of {kind}", path.display())?,
                Err(error) => {
                    writeln!(out, "{}: FAILED", path.display())?;
                    complain(&format!("{}: {error}", path.display()));
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
