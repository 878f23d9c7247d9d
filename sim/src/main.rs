//! `xln-sim model | simulate | adversary | kill`: the long forms of the checks that are described in `docs/security.md`.

mod adversary;
mod kill;
mod model;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xln-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Explores every behaviour of two parties up to a bound.
    Model(model::Options),
    /// Runs many parties on virtual time, from a seed.
    Simulate(simulate::Options),
    /// Lets honest parties meet a peer that deviates wherever it can.
    Adversary(adversary::Options),
    /// Kills a real process at random and checks what it acknowledged.
    Kill(kill::Options),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Model(options) => options.run(),
        Command::Simulate(options) => options.run(),
        Command::Adversary(options) => options.run(),
        Command::Kill(options) => options.run(),
    }
}
