//! The program `xln`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    xln_node::cli::Cli::parse().run()
}
