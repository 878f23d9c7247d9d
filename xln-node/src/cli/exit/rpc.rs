//! `xln exit` on chains behind JSON-RPC.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use alloy_primitives::hex;
use xln_chain::{Chain, DepositoryClient, RpcChain, RpcConfig};
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::types::{Address, ChainId};

use super::{ExitCommand, From, How, failed, print};
use crate::exit::{Estate, Report, advance, survey};

type Client = DepositoryClient<RpcChain>;

pub(super) fn run(command: &ExitCommand, estate: &Estate) -> std::io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            ExitCommand::List { from } => list(from, estate).await,
            ExitCommand::Run { from, how } if how.dry_run => dry_run(from, how, estate).await,
            ExitCommand::Run { from, how } => execute(from, how, estate).await,
        }
    })
}

/// A client for each Depository of the chains that answer; the others are named.
async fn clients(from: &From, estate: &Estate) -> std::io::Result<Vec<Client>> {
    let mut chains = Vec::new();
    for url in &from.urls {
        chains.push(RpcChain::connect_any(RpcConfig::new(url, ChainId(0))).await.map_err(failed)?);
    }
    let mut clients = Vec::new();
    for deployment in estate.deployments() {
        match chains.iter().find(|chain| chain.chain_id() == deployment.chain) {
            Some(chain) => clients.push(DepositoryClient::new(chain.clone(), deployment).map_err(failed)?),
            None => crate::cli::complain(&format!("chain {} is left out: no --rpc leads to it", deployment.chain.0)),
        }
    }
    Ok(clients)
}

async fn reports(from: &From, estate: &Estate, to: Address) -> std::io::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for client in clients(from, estate).await? {
        reports.push(survey(estate, &client, to).await.map_err(failed)?);
    }
    Ok(reports)
}

fn own_address(estate: &Estate) -> Address {
    estate.entity().address().unwrap_or_default()
}

async fn list(from: &From, estate: &Estate) -> std::io::Result<bool> {
    let reports = reports(from, estate, own_address(estate)).await?;
    std::io::stdout().lock().write_all(print::report(estate, &reports, from.json).as_bytes())?;
    Ok(true)
}

async fn dry_run(from: &From, how: &How, estate: &Estate) -> std::io::Result<bool> {
    let reports = reports(from, estate, how.to.unwrap_or_else(|| own_address(estate))).await?;
    std::io::stdout().lock().write_all(print::transactions(&reports, from.json).as_bytes())?;
    Ok(true)
}

fn key(path: &Path) -> std::io::Result<LocalSigner> {
    let text = std::fs::read_to_string(path)?;
    let bytes = hex::decode(text.trim()).map_err(failed)?;
    let secret: [u8; 32] = bytes.try_into().map_err(|_| std::io::Error::other("a key has 32 bytes"))?;
    LocalSigner::new(&secret).map_err(failed)
}

/// One round after the other until nothing is left, or, without `--until-done`, one.
async fn execute(from: &From, how: &How, estate: &Estate) -> std::io::Result<bool> {
    let path = how.key.as_deref().ok_or_else(|| std::io::Error::other("a key is needed"))?;
    let key = key(path)?;
    if key.entity() != estate.entity() {
        return Err(std::io::Error::other(
            "the key is not this node's: print the steps with --dry-run and have them signed",
        ));
    }
    let to = how.to.unwrap_or_else(|| key.address());
    let clients = clients(from, estate).await?;
    // Per Depository, the block at which nothing was left.
    let mut done: Vec<Option<u64>> = vec![None; clients.len()];
    loop {
        for (client, done) in clients.iter().zip(&mut done) {
            let round = advance(estate, client, &key, to, |step| {
                // A reader that is gone does not stop an exit.
                let _ = std::io::stdout().lock().write_all(print::executed(step, from.json).as_bytes());
            });
            match round.await {
                Ok(progress) if progress.is_done() => *done = Some(done.unwrap_or(progress.report.block)),
                Ok(progress) => {
                    *done = None;
                    if !how.until_done {
                        let left = print::waiting(&progress, from.json);
                        std::io::stdout().lock().write_all(left.as_bytes())?;
                    }
                }
                Err(crate::exit::RunError::Chain(error)) if how.until_done && error.is_transient() => {
                    crate::cli::complain(&format!("chain {}: {error}", client.deployment().chain.0));
                    *done = None;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if !how.until_done {
            return Ok(done.iter().all(Option::is_some));
        }
        let mut final_ = true;
        for (client, done) in clients.iter().zip(&done) {
            let head = client.chain().head().await.map(|head| head.number).unwrap_or_default();
            final_ &= done.is_some_and(|block| head >= block.saturating_add(how.confirmations));
        }
        if final_ {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_secs(how.poll.max(1))).await;
    }
}
