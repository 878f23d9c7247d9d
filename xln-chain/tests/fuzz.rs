//! What a node of a chain says may be anything: the quick form of the fuzz target `chain_decode`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, dead_code, reason = "parts of a crate elsewhere")]

#[path = "../../fuzz/src/chain.rs"]
mod chain;
#[path = "../../fuzz/src/corpus.rs"]
mod corpus;

use alloy_primitives::{B256, FixedBytes, U256};
use alloy_sol_types::SolEvent;
use xln_chain::codec::{Funding, RawOperation, encode_dispute, encode_fundings, encode_operations};
use xln_chain::contracts::depository::Depository as D;
use xln_chain::contracts::entity_provider::EntityProvider as E;
use xln_chain::contracts::subcontract_provider::SubcontractProvider as S;
use xln_chain::{Bytes, Cursor, Log};
use xln_core::types::{ChainId, ChainPoint, DisputeFact, EntityId, Hash, Side, UnixSeconds};

#[test]
fn anything_is_decoded_or_refused() {
    corpus::replay("chain_decode", 5_000, chain::chain_decode);
}

fn dispute(answered: bool) -> DisputeFact {
    let answered_at = UnixSeconds(if answered { 1_800_000_500 } else { 0 });
    DisputeFact {
        nonce: 77,
        started_at: UnixSeconds(1_800_000_000),
        starter: Side::Left,
        answered,
        answered_at,
        body_hash: Hash([5; 32]),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    }
}

/// Events of every kind that a watcher reads, as the contracts write them.
fn logs() -> Vec<Log> {
    let [left, right] = chain::ends().map(|entity| FixedBytes(*entity.as_bytes()));
    let bucket = U256::from(5_u128 << 64) << 128 | U256::from(77);
    let settled = U256::from(7_u128 << 96 | 3 << 64 | 2 << 32 | 1);
    let (first, second) = (encode_dispute(&dispute(false)).unwrap(), encode_dispute(&dispute(true)).unwrap());
    let reserves = U256::from(9);
    let events = [
        (0, D::CollateralUpdated { left, right, token: 1, bucket }.encode_log_data()),
        (0, D::Settled { left, right, head: settled, bucket, reserves }.encode_log_data()),
        (
            0,
            D::DisputeStarted { left, right, epoch: 3, dispute: first.into(), starterFills: vec![1; 24].into() }
                .encode_log_data(),
        ),
        (0, D::EmptyState { left, right, body: vec![0; 9].into() }.encode_log_data()),
        (
            0,
            D::DisputeAnswered { left, right, epoch: 3, dispute: second.into(), answererFills: Bytes::new() }
                .encode_log_data(),
        ),
        (0, D::ChannelClosed { left, right, head: settled, reserves }.encode_log_data()),
        (1, S::SecretsRevealed { kind: 1, secrets: vec![B256::repeat_byte(4), B256::ZERO] }.encode_log_data()),
        (
            1,
            S::FactRecorded {
                instrument: 3,
                key: B256::repeat_byte(8),
                notBefore: "5".parse().unwrap(),
                value: 6,
                question: vec![1, 2].into(),
            }
            .encode_log_data(),
        ),
        (
            2,
            E::BoardSet {
                entity: left,
                boardHash: B256::repeat_byte(1),
                previous: B256::ZERO,
                previousValidUntil: "9".parse().unwrap(),
            }
            .encode_log_data(),
        ),
        (
            2,
            E::DelegationRevoked { entity: left, delegation: B256::repeat_byte(2), validUntil: "9".parse().unwrap() }
                .encode_log_data(),
        ),
    ];
    let log = |(place, data): (usize, _)| Log {
        address: chain::WATCHED[place],
        data,
        number: 0,
        block: Hash::ZERO,
        transaction: Hash::ZERO,
        index: 0,
    };
    events.map(log).to_vec()
}

/// Writes real encodings into the corpus, if asked to.
#[test]
fn seeds() {
    let mut seeds: Vec<Vec<u8>> = logs().into_iter().map(|log| chain::logs_as_input(&[log])).collect();
    seeds.push(chain::logs_as_input(&logs()));
    let [left, right] = chain::ends();
    let third = EntityId::counterfactual(&Hash([6; 32]));
    let fundings = [(left, right, 5), (right, left, 1 << 90), (third, left, 256), (right, third, 1)]
        .map(|(receiver, peer, amount)| Funding { receiver, peer, amount });
    let operation = |skippable, value| RawOperation { skippable, value, data: vec![7; 9].into() };
    let word = U256::from(7_u128 << 96 | 3 << 64 | 2 << 32 | 1);
    let point = ChainPoint { chain: ChainId(1), number: 9, hash: Hash([3; 32]), timestamp: UnixSeconds(5) };
    let packed = [
        (0, encode_dispute(&dispute(false)).unwrap()),
        (0, encode_dispute(&dispute(true)).unwrap()),
        (1, word.to_be_bytes::<32>().to_vec()),
        (2, encode_fundings(&left, &fundings).unwrap()),
        (3, encode_operations(&[operation(true, 0), operation(false, 5)]).unwrap()),
        (4, Cursor::at(&point).encode().unwrap()),
    ];
    seeds.extend(packed.map(|(kind, bytes)| [&[kind], &bytes[..]].concat()));
    for (i, bytes) in seeds.iter().enumerate() {
        chain::chain_decode(bytes);
        corpus::seed("chain_decode", &format!("sample{i}"), bytes);
    }
}
