//! `xln exit`: what is there, what to do about it, and doing it (`docs/tools.md`).

mod print;
#[cfg(feature = "rpc")]
mod rpc;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use xln_core::types::Address;

use crate::exit::Estate;

#[derive(Debug, Args)]
pub(super) struct ExitArgs {
    #[command(subcommand)]
    command: ExitCommand,
}

#[derive(Debug, Subcommand)]
enum ExitCommand {
    /// Shows what there is, how it comes home, when and at what cost.
    List {
        #[command(flatten)]
        from: From,
    },
    /// Does what can be done now. Run it again, after however long, until nothing is left.
    Run {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        how: How,
    },
}

/// Whose money, and on which chains.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["store", "backup"])))]
struct From {
    /// The node's store. No node may have it open.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A backup of it.
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// A node of a chain: http, https, ws or wss. Once for each chain.
    #[arg(long = "rpc", value_name = "URL", required = true)]
    urls: Vec<String>,
    /// JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[cfg_attr(not(feature = "rpc"), allow(dead_code, reason = "parsed all the same, so that its help is there"))]
struct How {
    /// A file with the account's secret key: 64 hexadecimal digits.
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    key: Option<PathBuf>,
    /// Who is paid; the entity's own account if not given.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    to: Option<Address>,
    /// Sends nothing and prints the transactions that could be sent now, for a wallet.
    #[arg(long)]
    dry_run: bool,
    /// Goes on until nothing is left, waiting for the chains.
    #[arg(long, conflicts_with = "dry_run")]
    until_done: bool,
    /// Blocks that must stand on the last step until it counts as done.
    #[arg(long, default_value_t = 12, value_name = "BLOCKS")]
    confirmations: u64,
    /// Seconds between two looks at the chains.
    #[arg(long, default_value_t = 12, value_name = "SECONDS")]
    poll: u64,
}

fn address(text: &str) -> Result<Address, String> {
    let found: Result<alloy_primitives::Address, _> = text.parse();
    found.map(Into::into).map_err(|error| error.to_string())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> std::io::Error {
    std::io::Error::other(error)
}

impl ExitArgs {
    pub(super) fn run(self) -> std::io::Result<bool> {
        let (ExitCommand::List { from } | ExitCommand::Run { from, .. }) = &self.command;
        let estate = from.estate()?;
        self.on_chain(&estate)
    }

    #[cfg(not(feature = "rpc"))]
    fn on_chain(&self, _: &Estate) -> std::io::Result<bool> {
        let _ = print::report;
        Err(std::io::Error::other(
            "this build reaches no chain: build it with `cargo build -p xln-node --features rpc`",
        ))
    }

    #[cfg(feature = "rpc")]
    fn on_chain(&self, estate: &Estate) -> std::io::Result<bool> {
        rpc::run(&self.command, estate)
    }
}

impl From {
    fn estate(&self) -> std::io::Result<Estate> {
        if let Some(path) = &self.backup {
            return Estate::from_backup(&std::fs::read(path)?).map_err(failed);
        }
        let path = self.store.as_deref().unwrap_or_else(|| std::path::Path::new("."));
        // An engine makes what it does not find: a wrong path must not become an empty store.
        if !path.is_dir() {
            return Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("{} is no store", path.display())));
        }
        Estate::read(&xln_storage::DefaultStore::open(path).map_err(failed)?).map_err(failed)
    }
}
