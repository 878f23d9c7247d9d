//! All blocks, read one by one with the plainest of means: what the watcher's facts must add up to.

use std::collections::BTreeSet;

use alloy_sol_types::SolEvent;
use xln_chain::contracts::depository::Depository;
use xln_chain::contracts::entity_provider::EntityProvider;
use xln_chain::contracts::subcontract_provider::SubcontractProvider;
use xln_chain::{Chain, Log, LogFilter, U256};
use xln_core::chain::{ChainChange, ChangeKind};
use xln_core::types::{
    ChainPoint, DisputeFact, EntityFact, EntityId, Hash, HashKind, Pair, RecordedFact, Reveal, Secret, Side, TokenFact,
    TokenId, UnixSeconds,
};

use crate::common::*;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    pub(crate) point: ChainPoint,
    pub(crate) changes: Vec<ChainChange>,
    pub(crate) reveals: Vec<Reveal>,
    pub(crate) facts: Vec<RecordedFact>,
    pub(crate) entities: Vec<EntityFact>,
}

/// Blocks with what concerns one entity, or everybody, and with the boards of some entities, or of all.
pub(crate) fn canonical(world: &World, entity: Option<EntityId>, signers: Option<&BTreeSet<EntityId>>) -> Vec<Block> {
    let d = &world.deployment;
    let filter = LogFilter {
        addresses: vec![d.depository, d.subcontract_provider, d.entity_provider],
        events: vec![
            Depository::CollateralUpdated::SIGNATURE_HASH,
            Depository::Settled::SIGNATURE_HASH,
            Depository::DisputeStarted::SIGNATURE_HASH,
            Depository::DisputeAnswered::SIGNATURE_HASH,
            Depository::EmptyState::SIGNATURE_HASH,
            Depository::ChannelClosed::SIGNATURE_HASH,
            SubcontractProvider::SecretsRevealed::SIGNATURE_HASH,
            SubcontractProvider::FactRecorded::SIGNATURE_HASH,
            EntityProvider::BoardSet::SIGNATURE_HASH,
            EntityProvider::DelegationRevoked::SIGNATURE_HASH,
        ],
    };
    let mut known = BTreeSet::new();
    let mut blocks = Vec::new();
    for number in 0..=world.chain.newest().number {
        let header = now(world.chain.header(number)).unwrap();
        let mut block = Block {
            point: header.point(d.chain),
            changes: Vec::new(),
            reveals: Vec::new(),
            facts: Vec::new(),
            entities: Vec::new(),
        };
        for log in now(world.chain.logs(header.hash, &filter)) {
            let (provider, at) = (log.address, header.timestamp);
            if let Ok(event) = SubcontractProvider::SecretsRevealed::decode_log_data(&log.data) {
                for secret in event.secrets.into_iter().map(|s| Secret(s.0)) {
                    let kind = HashKind::from_index(event.kind).unwrap();
                    if known.insert((kind, secret)) {
                        block.reveals.push(Reveal { provider, kind, secret, at });
                    }
                }
            } else if let Ok(e) = SubcontractProvider::FactRecorded::decode_log_data(&log.data) {
                block.facts.push(RecordedFact { provider, key: Hash(e.key.0), at, value: e.value });
            } else if let Some((of, fact)) = signer(&log) {
                if signers.is_none_or(|set| set.contains(&of)) {
                    block.entities.push(fact);
                }
            } else {
                change(world, entity, &log, &mut block.changes);
            }
        }
        blocks.push(block);
    }
    blocks
}

fn signer(log: &Log) -> Option<(EntityId, EntityFact)> {
    let provider = log.address;
    if let Ok(e) = EntityProvider::BoardSet::decode_log_data(&log.data) {
        let entity = EntityId::parse(e.entity.0).unwrap();
        let (board, previous) = (Hash(e.boardHash.0), Hash(e.previous.0));
        let previous_valid_until = UnixSeconds(e.previousValidUntil.to());
        return Some((entity, EntityFact::Board { provider, entity, board, previous, previous_valid_until }));
    }
    let e = EntityProvider::DelegationRevoked::decode_log_data(&log.data).ok()?;
    let entity = EntityId::parse(e.entity.0).unwrap();
    let (delegation, valid_until) = (Hash(e.delegation.0), UnixSeconds(e.validUntil.to()));
    Some((entity, EntityFact::Revoked { provider, entity, delegation, valid_until }))
}

fn change(world: &World, entity: Option<EntityId>, log: &Log, changes: &mut Vec<ChainChange>) {
    let ends = [log.data.topics()[1], log.data.topics()[2]].map(|t| EntityId::parse(t.0).unwrap());
    if entity.is_some_and(|entity| !ends.contains(&entity)) {
        return;
    }
    let (key, pair) = (world.deployment.key(), Pair::new(ends[0], ends[1]).unwrap());
    let mut add = |kind| changes.push(ChainChange { key, pair, kind });
    let data = &log.data;
    if let Ok(e) = Depository::CollateralUpdated::decode_log_data(data) {
        add(collateral(e.token, e.bucket));
    } else if let Ok(e) = Depository::Settled::decode_log_data(data) {
        let (epoch, settlement_nonce, token) = head(e.head);
        let before = changes.pop_if(|last| matches!(last.kind, ChangeKind::Settled { .. }) && last.pair == pair);
        let kind = ChangeKind::Settled { epoch, settlement_nonce };
        // Of several updates in a row each has its own nonce.
        if let Some(other) = before.filter(|before| before.kind != kind) {
            changes.push(other);
        }
        changes.extend(token.map(|token| ChainChange { key, pair, kind: collateral(token, e.bucket) }));
        changes.push(ChainChange { key, pair, kind });
    } else if let Ok(e) = Depository::ChannelClosed::decode_log_data(data) {
        let (epoch, settlement_nonce, token) = head(e.head);
        changes.pop_if(|last| {
            matches!(last.kind, ChangeKind::Closed { epoch: of, .. } if of == epoch) && last.pair == pair
        });
        changes.extend(token.map(|token| ChainChange { key, pair, kind: collateral(token, U256::ZERO) }));
        changes.push(ChainChange { key, pair, kind: ChangeKind::Closed { epoch, settlement_nonce } });
    } else if let Ok(e) = Depository::DisputeStarted::decode_log_data(data) {
        let (dispute, fills) = (fact(&e.dispute), e.starterFills.to_vec());
        add(ChangeKind::Dispute { epoch: e.epoch, dispute, fills, body: vec![] });
    } else if let Ok(e) = Depository::DisputeAnswered::decode_log_data(data) {
        let (dispute, fills) = (fact(&e.dispute), e.answererFills.to_vec());
        add(ChangeKind::Dispute { epoch: e.epoch, dispute, fills, body: vec![] });
    } else {
        let e = Depository::EmptyState::decode_log_data(data).unwrap();
        let Some(ChangeKind::Dispute { body, .. }) = changes.last_mut().map(|c| &mut c.kind) else {
            panic!("a body without a start")
        };
        *body = e.body.to_vec();
    }
}

fn number(word: U256, from_bit: usize, bits: usize) -> u64 {
    ((word >> from_bit) & ((U256::from(1) << bits) - U256::from(1))).to()
}

fn head(word: U256) -> (u32, u32, Option<u32>) {
    let part = |from| u32::try_from(number(word, from, 32)).unwrap();
    (part(64), part(32), (number(word, 96, 1) == 1).then(|| part(0)))
}

fn collateral(token: u32, bucket: U256) -> ChangeKind {
    let bytes = bucket.to_be_bytes::<32>();
    let ondelta = i128::from_be_bytes(bytes[..16].try_into().unwrap());
    let collateral = u128::from_be_bytes(bytes[16..].try_into().unwrap());
    ChangeKind::Collateral(TokenFact { token: TokenId(token), collateral, ondelta })
}

fn fact(bytes: &[u8]) -> DisputeFact {
    let time = |at: usize| UnixSeconds(bytes[at..at + 5].iter().fold(0, |sum, byte| sum * 256 + u64::from(*byte)));
    let word = |at: usize| Hash(bytes[at..at + 32].try_into().unwrap());
    let flag = |bit: u8| bytes[18] >> bit & 1 == 1;
    let second = if flag(2) { 83 } else { 51 };
    DisputeFact {
        nonce: u64::from_be_bytes(bytes[..8].try_into().unwrap()),
        started_at: time(8),
        starter: if flag(0) { Side::Left } else { Side::Right },
        answered: flag(1),
        answered_at: time(13),
        body_hash: word(19),
        starter_fills_hash: if flag(2) { word(51) } else { Hash::ZERO },
        answerer_fills_hash: if flag(3) { word(second) } else { Hash::ZERO },
    }
}
