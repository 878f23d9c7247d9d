//! What an exit asks of a chain beyond the client's views: the running dispute in full, of which the contract keeps a hash.

use std::collections::BTreeMap;

use alloy_sol_types::SolEvent;
use xln_chain::client::ChannelHeader;
use xln_chain::codec::{dispute_hash, parse_dispute};
use xln_chain::contracts::depository::Depository;
use xln_chain::{Chain, ChainError, DepositoryClient, Log, LogFilter};
use xln_core::proof::body_hash;
use xln_core::types::{DisputeFact, EntityId, Hash, Pair};

/// Blocks that one request for logs spans.
const RANGE: u64 = 2_000;

/// A running dispute, and what was shown in it by hash: fills, and the body of the empty state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub(super) dispute: DisputeFact,
    pub(super) bytes: BTreeMap<Hash, Vec<u8>>,
}

/// The channel's running dispute, searched from the newest block backwards to its start.
pub(super) async fn running<C: Chain>(
    client: &DepositoryClient<C>,
    pair: &Pair,
    header: &ChannelHeader,
) -> Result<Option<Shown>, ChainError> {
    let Some(kept) = header.dispute else { return Ok(None) };
    let filter = LogFilter {
        addresses: vec![client.deployment().depository],
        events: vec![
            Depository::DisputeStarted::SIGNATURE_HASH,
            Depository::DisputeAnswered::SIGNATURE_HASH,
            Depository::EmptyState::SIGNATURE_HASH,
        ],
    };
    let ends = [pair.left(), pair.right()].map(|entity| *entity.as_bytes());
    let mut last = client.chain().head().await?.number;
    let (mut found, mut bytes) = (None, BTreeMap::new());
    loop {
        let first = last.saturating_sub(RANGE.saturating_sub(1));
        let logs = client.chain().logs_between(first, last, &filter).await?;
        for log in logs.iter().rev().filter(|log| is_about(log, &ends)) {
            let started = read(log, &mut found, &mut bytes)?;
            if !started {
                continue;
            }
            // The latest start is the running one; what is found of it must be what the contract has.
            let Some(dispute) = found else { continue };
            if dispute_hash(pair, &dispute).map_err(ChainError::from)? != kept {
                return Err(ChainError::Contradiction("a dispute that the contract does not have"));
            }
            return Ok(Some(Shown { dispute, bytes }));
        }
        let Some(before) = first.checked_sub(1) else {
            return Err(ChainError::Contradiction("a dispute that nobody started"));
        };
        last = before;
    }
}

fn is_about(log: &Log, ends: &[[u8; 32]; 2]) -> bool {
    matches!(log.data.topics(), [_, left, right, ..] if left.0 == ends[0] && right.0 == ends[1])
}

/// Takes one event; true for a start. The first dispute that is met, backwards, is the latest.
fn read(log: &Log, found: &mut Option<DisputeFact>, bytes: &mut BTreeMap<Hash, Vec<u8>>) -> Result<bool, ChainError> {
    let mut keep = |shown: &[u8]| drop(bytes.insert(body_hash(shown), shown.to_vec()));
    let (packed, fills, started) = match log.data.topics().first().copied().unwrap_or_default() {
        Depository::DisputeStarted::SIGNATURE_HASH => {
            let event = Depository::DisputeStarted::decode_log_data_validate(&log.data)?;
            (event.dispute, event.starterFills, true)
        }
        Depository::DisputeAnswered::SIGNATURE_HASH => {
            let event = Depository::DisputeAnswered::decode_log_data_validate(&log.data)?;
            (event.dispute, event.answererFills, false)
        }
        _ => {
            keep(&Depository::EmptyState::decode_log_data_validate(&log.data)?.body);
            return Ok(false);
        }
    };
    if !fills.is_empty() {
        keep(&fills);
    }
    if found.is_none() {
        *found = Some(parse_dispute(&packed)?);
    }
    Ok(started)
}

/// Sum of what these entities' oldest debts owe to `creditor`, and whether a reserve is there to pay them.
pub(super) async fn owed<C: Chain>(
    client: &DepositoryClient<C>,
    debtor: &EntityId,
    creditor: &EntityId,
    token: xln_core::types::TokenId,
) -> Result<u128, ChainError> {
    if client.debt_total(debtor, token).await?.is_zero() {
        return Ok(0);
    }
    let debts = client.all_debts(debtor, token, 256).await?;
    let mine = debts.iter().filter(|entry| entry.creditor == *creditor).map(|entry| entry.amount);
    mine.into_iter().try_fold(0_u128, u128::checked_add).ok_or(ChainError::OutOfRange)
}
