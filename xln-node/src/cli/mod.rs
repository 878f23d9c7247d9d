//! The command line: `xln scenario FILE…` and `xln vectors FILE…`. Output goes to stdout, the first thing that does not hold
//! also to stderr, and then the exit code is 1; 2 for wrong usage.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use indicatif::ProgressBar;

use crate::scenario::Options;
use crate::scenario::report::{Show, run_file};
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
}

impl Cli {
    /// Does what was asked.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Scenario(args) => args.run(),
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
            let report = run_file(path, show, &mut out)?;
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
