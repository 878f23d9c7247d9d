//! To be written.

use std::process::ExitCode;

use clap::Args;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Options {}

impl Options {
    pub(crate) fn run(self) -> ExitCode {
        ExitCode::FAILURE
    }
}
