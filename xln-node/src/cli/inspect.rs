//! `xln inspect STORE`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use xln_core::types::UnixSeconds;
use xln_storage::{Backend, StorageError};

use crate::inspect::{InspectError, Look, inspect, write_table};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The store's folder. Nothing in it is changed.
    store: PathBuf,
    /// The engine that wrote it, redb, fjall or sled; found out from the store unless told.
    #[arg(long, value_parser = backend)]
    backend: Option<Backend>,
    /// One JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// Also tells the secrets of pending payments. Whoever knows one can take the payment.
    #[arg(long)]
    secrets: bool,
    /// The time by which deadlines are judged, in unix seconds; the system's clock unless told.
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
}

fn backend(name: &str) -> Result<Backend, String> {
    Backend::by_name(name).ok_or_else(|| "one of redb, fjall, sled".to_owned())
}

impl InspectArgs {
    pub(super) fn run(self) -> io::Result<bool> {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = UnixSeconds(self.now.unwrap_or_else(clock));
        let look = Look { backend: self.backend, now, secrets: self.secrets };
        let report = match inspect(&self.store, look) {
            Ok(report) => report,
            Err(error) => {
                super::complain(&said(&error));
                return Ok(false);
            }
        };
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        } else {
            write_table(&report, &mut out)?;
        }
        Ok(true)
    }
}

/// The error with its causes, and what to do about the most likely one.
fn said(error: &InspectError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if matches!(error, InspectError::Storage(StorageError::Locked { .. })) {
        text.push_str("; a node that runs holds its store locked: stop it, or inspect a backup");
    }
    text
}
