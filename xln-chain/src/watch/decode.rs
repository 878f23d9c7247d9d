//! From the logs of one block to what they mean for one entity.

use alloy_primitives::{B256, LogData};
use alloy_sol_types::SolEvent;
use xln_core::chain::{ChainChange, ChangeKind};
use xln_core::types::{
    ChainId, DisputeFact, EntityId, Hash, HashKind, Pair, Reveal, Secret, Side, SubchannelKey, TokenFact, TokenId,
    UnixSeconds,
};

use super::WatchConfig;
use crate::chain::{Header, Log, LogFilter};
use crate::contracts::depository::{Depository, IDepository};
use crate::contracts::subcontract_provider::SubcontractProvider::SecretsRevealed;
use crate::error::ChainError;

/// What one block brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Content {
    pub(super) changes: Vec<ChainChange>,
    /// All that its transactions revealed, also what was known.
    pub(super) reveals: Vec<Reveal>,
}

/// Everything that [`content`] looks at.
pub(super) fn filter(config: &WatchConfig) -> LogFilter {
    LogFilter {
        addresses: config.depositories.iter().chain(&config.providers).copied().collect(),
        events: vec![
            Depository::CollateralUpdated::SIGNATURE_HASH,
            Depository::Settled::SIGNATURE_HASH,
            Depository::DisputeStarted::SIGNATURE_HASH,
            Depository::EmptyState::SIGNATURE_HASH,
            Depository::DisputeAnswered::SIGNATURE_HASH,
            Depository::ChannelClosed::SIGNATURE_HASH,
            SecretsRevealed::SIGNATURE_HASH,
        ],
    }
}

/// Reads the logs of one block, in order.
pub(super) fn content(
    config: &WatchConfig,
    chain: ChainId,
    header: &Header,
    logs: &[Log],
) -> Result<Content, ChainError> {
    let mut content = Content::default();
    for log in logs {
        if config.providers.contains(&log.address)
            && log.data.topics().first() == Some(&SecretsRevealed::SIGNATURE_HASH)
        {
            read_reveals(&mut content.reveals, header, log)?;
        } else if config.depositories.contains(&log.address) {
            let key = SubchannelKey { chain, depository: log.address };
            if let Some(pair) = pair_of(&log.data, &config.entity) {
                read_change(&mut content.changes, key, pair, &log.data)?;
            }
        }
    }
    Ok(content)
}

/// The channel that an event is about, if the entity is one of its ends. A peer that is no entity is none of its business.
fn pair_of(data: &LogData, entity: &EntityId) -> Option<Pair> {
    let [_, left, right, ..] = data.topics() else { return None };
    let (left, right) = (EntityId::parse(left.0).ok()?, EntityId::parse(right.0).ok()?);
    let pair = Pair::new(left, right).ok()?;
    pair.side(entity).map(|_| pair)
}

fn read_reveals(reveals: &mut Vec<Reveal>, header: &Header, log: &Log) -> Result<(), ChainError> {
    let event = SecretsRevealed::decode_log_data_validate(&log.data)?;
    let kind = HashKind::from_index(event.kind).ok_or(ChainError::OutOfRange)?;
    let (provider, at) = (log.address, header.timestamp);
    reveals.extend(event.secrets.iter().map(|secret| Reveal { provider, kind, secret: Secret(secret.0), at }));
    Ok(())
}

fn read_change(
    changes: &mut Vec<ChainChange>,
    key: SubchannelKey,
    pair: Pair,
    data: &LogData,
) -> Result<(), ChainError> {
    let Some(kind) = change_kind(data)? else {
        if data.topics().first() == Some(&Depository::EmptyState::SIGNATURE_HASH) {
            let event = Depository::EmptyState::decode_log_data_validate(data)?;
            attach_body(changes, key, pair, &event.body);
        }
        return Ok(());
    };
    changes.push(ChainChange { key, pair, kind });
    Ok(())
}

/// The body of an empty state belongs to the start just before it.
fn attach_body(changes: &mut [ChainChange], key: SubchannelKey, pair: Pair, bytes: &[u8]) {
    let last = changes.iter_mut().rev().find(|change| change.key == key && change.pair == pair);
    if let Some(ChangeKind::Dispute { body, .. }) = last.map(|change| &mut change.kind) {
        *body = bytes.to_vec();
    }
}

fn change_kind(data: &LogData) -> Result<Option<ChangeKind>, ChainError> {
    let topic = data.topics().first().copied().unwrap_or_default();
    let kind = match topic {
        Depository::CollateralUpdated::SIGNATURE_HASH => {
            let event = Depository::CollateralUpdated::decode_log_data_validate(data)?;
            let token = TokenId(event.token);
            ChangeKind::Collateral(TokenFact { token, collateral: event.collateral, ondelta: event.ondelta })
        }
        Depository::Settled::SIGNATURE_HASH => {
            let event = Depository::Settled::decode_log_data_validate(data)?;
            ChangeKind::Settled { epoch: event.epoch, settlement_nonce: event.settlementNonce }
        }
        Depository::DisputeStarted::SIGNATURE_HASH => {
            let event = Depository::DisputeStarted::decode_log_data_validate(data)?;
            dispute_change(event.epoch, &event.dispute, event.starterFills.to_vec())
        }
        Depository::DisputeAnswered::SIGNATURE_HASH => {
            let event = Depository::DisputeAnswered::decode_log_data_validate(data)?;
            dispute_change(event.epoch, &event.dispute, event.answererFills.to_vec())
        }
        Depository::ChannelClosed::SIGNATURE_HASH => {
            let event = Depository::ChannelClosed::decode_log_data_validate(data)?;
            ChangeKind::Closed { epoch: event.epoch, settlement_nonce: event.settlementNonce }
        }
        _ => return Ok(None),
    };
    Ok(Some(kind))
}

fn dispute_change(epoch: u32, dispute: &IDepository::Dispute, fills: Vec<u8>) -> ChangeKind {
    let hash = |word: B256| Hash(word.0);
    let dispute = DisputeFact {
        nonce: dispute.nonce,
        started_at: UnixSeconds(dispute.startedAt.to::<u64>()),
        starter: if dispute.starterIsLeft { Side::Left } else { Side::Right },
        answered: dispute.answered,
        answered_at: UnixSeconds(dispute.answeredAt.to::<u64>()),
        body_hash: hash(dispute.bodyHash),
        starter_fills_hash: hash(dispute.starterFillsHash),
        answerer_fills_hash: hash(dispute.answererFillsHash),
    };
    ChangeKind::Dispute { epoch, dispute, fills, body: Vec::new() }
}
