//! From the logs of one block to what they mean for one entity.

use alloy_primitives::LogData;
use alloy_sol_types::SolEvent;
use xln_core::chain::{ChainChange, ChangeKind};
use xln_core::types::{
    ChainId, EntityFact, EntityId, Hash, HashKind, Pair, RecordedFact, Reveal, Secret, SubchannelKey, TokenFact,
    TokenId, UnixSeconds,
};

use super::WatchConfig;
use crate::chain::{Header, Log, LogFilter};
use crate::codec::{Bucket, EventHead, parse_dispute};
use crate::contracts::depository::Depository;
use crate::contracts::entity_provider::EntityProvider;
use crate::contracts::subcontract_provider::SubcontractProvider;
use crate::error::ChainError;

/// What one block brought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Content {
    pub(super) changes: Vec<ChainChange>,
    /// All that its transactions revealed, also what was known.
    pub(super) reveals: Vec<Reveal>,
    /// What was recorded for the first time.
    pub(super) facts: Vec<RecordedFact>,
    pub(super) entities: Vec<EntityFact>,
}

impl Content {
    pub(super) const fn is_empty(&self) -> bool {
        let Self { changes, reveals, facts, entities } = self;
        changes.is_empty() && reveals.is_empty() && facts.is_empty() && entities.is_empty()
    }
}

/// Everything that [`content`] looks at.
pub(super) fn filter(config: &WatchConfig) -> LogFilter {
    LogFilter {
        addresses: [&config.depositories, &config.providers, &config.entity_providers]
            .into_iter()
            .flatten()
            .copied()
            .collect(),
        events: vec![
            Depository::CollateralUpdated::SIGNATURE_HASH,
            Depository::Settled::SIGNATURE_HASH,
            Depository::DisputeStarted::SIGNATURE_HASH,
            Depository::EmptyState::SIGNATURE_HASH,
            Depository::DisputeAnswered::SIGNATURE_HASH,
            Depository::ChannelClosed::SIGNATURE_HASH,
            SubcontractProvider::SecretsRevealed::SIGNATURE_HASH,
            SubcontractProvider::FactRecorded::SIGNATURE_HASH,
            EntityProvider::BoardSet::SIGNATURE_HASH,
            EntityProvider::DelegationRevoked::SIGNATURE_HASH,
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
        if config.providers.contains(&log.address) {
            read_registry(&mut content, header, log)?;
        }
        if config.depositories.contains(&log.address) {
            let key = SubchannelKey { chain, depository: log.address };
            if let Some(pair) = pair_of(&log.data, &config.entity) {
                read_change(&mut content.changes, key, pair, &log.data)?;
            }
        }
        if config.entity_providers.contains(&log.address) {
            let wanted = |entity: &EntityId| config.entities.as_ref().is_none_or(|set| set.contains(entity));
            content.entities.extend(entity_fact(log)?.filter(|fact| wanted(&entity_of(fact))));
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

fn read_registry(content: &mut Content, header: &Header, log: &Log) -> Result<(), ChainError> {
    let (provider, at) = (log.address, header.timestamp);
    match log.data.topics().first().copied().unwrap_or_default() {
        SubcontractProvider::SecretsRevealed::SIGNATURE_HASH => {
            let event = SubcontractProvider::SecretsRevealed::decode_log_data_validate(&log.data)?;
            let kind = HashKind::from_index(event.kind).ok_or(ChainError::OutOfRange)?;
            let reveals = event.secrets.iter().map(|secret| Reveal { provider, kind, secret: Secret(secret.0), at });
            content.reveals.extend(reveals);
        }
        SubcontractProvider::FactRecorded::SIGNATURE_HASH => {
            let event = SubcontractProvider::FactRecorded::decode_log_data_validate(&log.data)?;
            content.facts.push(RecordedFact { provider, key: Hash(event.key.0), at, value: event.value });
        }
        _ => {}
    }
    Ok(())
}

/// Who signs for an entity now. Ids that are none are nobody's business.
fn entity_fact(log: &Log) -> Result<Option<EntityFact>, ChainError> {
    let provider = log.address;
    let fact = match log.data.topics().first().copied().unwrap_or_default() {
        EntityProvider::BoardSet::SIGNATURE_HASH => {
            let event = EntityProvider::BoardSet::decode_log_data_validate(&log.data)?;
            let Ok(entity) = EntityId::parse(event.entity.0) else { return Ok(None) };
            EntityFact::Board {
                provider,
                entity,
                board: Hash(event.boardHash.0),
                previous: Hash(event.previous.0),
                previous_valid_until: UnixSeconds(event.previousValidUntil.to::<u64>()),
            }
        }
        EntityProvider::DelegationRevoked::SIGNATURE_HASH => {
            let event = EntityProvider::DelegationRevoked::decode_log_data_validate(&log.data)?;
            let Ok(entity) = EntityId::parse(event.entity.0) else { return Ok(None) };
            EntityFact::Revoked {
                provider,
                entity,
                delegation: Hash(event.delegation.0),
                valid_until: UnixSeconds(event.validUntil.to::<u64>()),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(fact))
}

const fn entity_of(fact: &EntityFact) -> EntityId {
    match fact {
        EntityFact::Board { entity, .. } | EntityFact::Revoked { entity, .. } => *entity,
    }
}

fn read_change(
    changes: &mut Vec<ChainChange>,
    key: SubchannelKey,
    pair: Pair,
    data: &LogData,
) -> Result<(), ChainError> {
    let mut changed = |kind| changes.push(ChainChange { key, pair, kind });
    match data.topics().first().copied().unwrap_or_default() {
        Depository::CollateralUpdated::SIGNATURE_HASH => {
            let event = Depository::CollateralUpdated::decode_log_data_validate(data)?;
            changed(ChangeKind::Collateral(Bucket::parse(event.bucket)?.fact(TokenId(event.token))));
        }
        Depository::Settled::SIGNATURE_HASH => {
            let event = Depository::Settled::decode_log_data_validate(data)?;
            let EventHead { epoch, settlement_nonce, token, .. } = EventHead::parse(event.head)?;
            let bucket = Bucket::parse(event.bucket)?;
            let kind = ChangeKind::Settled { epoch, settlement_nonce };
            push_before(changes, ChainChange { key, pair, kind }, token.map(|token| bucket.fact(token)));
        }
        Depository::ChannelClosed::SIGNATURE_HASH => {
            let event = Depository::ChannelClosed::decode_log_data_validate(data)?;
            let EventHead { epoch, settlement_nonce, token, .. } = EventHead::parse(event.head)?;
            let kind = ChangeKind::Closed { epoch, settlement_nonce };
            let nothing = token.map(|token| Bucket::default().fact(token));
            push_before(changes, ChainChange { key, pair, kind }, nothing);
        }
        Depository::DisputeStarted::SIGNATURE_HASH => {
            let event = Depository::DisputeStarted::decode_log_data_validate(data)?;
            changed(dispute_change(event.epoch, &event.dispute, event.starterFills.to_vec())?);
        }
        Depository::DisputeAnswered::SIGNATURE_HASH => {
            let event = Depository::DisputeAnswered::decode_log_data_validate(data)?;
            changed(dispute_change(event.epoch, &event.dispute, event.answererFills.to_vec())?);
        }
        Depository::EmptyState::SIGNATURE_HASH => {
            let event = Depository::EmptyState::decode_log_data_validate(data)?;
            attach_body(changes, key, pair, &event.body);
        }
        _ => {}
    }
    Ok(())
}

/// A settlement or close comes once for each of its tokens. It is one change, after those of the tokens.
fn push_before(changes: &mut Vec<ChainChange>, whole: ChainChange, token: Option<TokenFact>) {
    let (key, pair) = (whole.key, whole.pair);
    let place = changes.iter().rposition(|change| *change == whole).unwrap_or_else(|| {
        changes.push(whole);
        changes.len().saturating_sub(1)
    });
    if let Some(fact) = token {
        changes.insert(place, ChainChange { key, pair, kind: ChangeKind::Collateral(fact) });
    }
}

/// The body of an empty state belongs to the start just before it.
fn attach_body(changes: &mut [ChainChange], key: SubchannelKey, pair: Pair, bytes: &[u8]) {
    let last = changes.iter_mut().rev().find(|change| change.key == key && change.pair == pair);
    if let Some(ChangeKind::Dispute { body, .. }) = last.map(|change| &mut change.kind) {
        *body = bytes.to_vec();
    }
}

fn dispute_change(epoch: u32, dispute: &[u8], fills: Vec<u8>) -> Result<ChangeKind, ChainError> {
    Ok(ChangeKind::Dispute { epoch, dispute: parse_dispute(dispute)?, fills, body: Vec::new() })
}
