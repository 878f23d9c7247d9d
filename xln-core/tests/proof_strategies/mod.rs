//! Valid bodies, fills and settlements at random, shared by the tests of the proof formats.
#![allow(dead_code, reason = "every test file takes what it needs")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use xln_core::proof::{
    Allowance, Batch, Body, Clause, Fills, Forgiven, PaymentItem, SettlementUpdate, SwapItem, TokenDiff,
};
use xln_core::types::{Address, Hash, HashKind, Side, TokenId, UnixSeconds};

pub(crate) fn side() -> impl Strategy<Value = Side> {
    any::<bool>().prop_map(|left| if left { Side::Left } else { Side::Right })
}

fn kind() -> impl Strategy<Value = HashKind> {
    any::<bool>().prop_map(|keccak| if keccak { HashKind::Keccak256 } else { HashKind::Sha256 })
}

/// `1 .. 2^127`, of every length.
fn amount() -> impl Strategy<Value = u128> {
    (any::<u128>(), 1_u32..128).prop_map(|(number, shift)| (number >> shift).max(1))
}

fn delta() -> impl Strategy<Value = i128> {
    (any::<i128>(), 1_u32..127).prop_map(|(number, shift)| number >> shift)
}

fn expiry() -> impl Strategy<Value = UnixSeconds> {
    (0_u64..1 << 40).prop_map(UnixSeconds)
}

fn payment(tokens: u8) -> impl Strategy<Value = PaymentItem> {
    (side(), 0..tokens, amount(), expiry(), kind(), any::<[u8; 32]>()).prop_map(
        |(payer, token_index, amount, expiry, kind, hash)| PaymentItem {
            payer,
            token_index,
            amount,
            expiry,
            kind,
            hash: Hash(hash),
        },
    )
}

fn swap(tokens: u8) -> impl Strategy<Value = SwapItem> {
    let indices = (0..tokens, 1..tokens).prop_map(move |(give, step)| (give, (give + step) % tokens));
    (side(), any::<u64>(), indices, amount(), amount(), any::<u128>(), amount(), expiry(), any::<u128>()).prop_map(
        |(maker, id, (give_index, want_index), give, want, left, min_fill, expiry, taker_limit)| SwapItem {
            maker,
            id,
            give_index,
            want_index,
            give,
            want,
            remaining: left % give + 1,
            min_fill,
            expiry,
            taker_limit,
        },
    )
}

fn batch(tokens: u8) -> impl Strategy<Value = Batch> {
    prop_oneof![
        prop::collection::vec(payment(tokens), 1..5).prop_map(Batch::Payments),
        swap(tokens).prop_map(Batch::Swap),
        (3_u16.., prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(instrument, payload)| Batch::Custom { instrument, payload }),
    ]
}

fn clause(tokens: u8) -> impl Strategy<Value = Clause> {
    let allowances = prop::collection::btree_map(0..tokens, any::<(u128, u128)>(), 0..4);
    (0_u8..4, allowances, batch(tokens)).prop_map(|(provider, allowances, batch)| Clause {
        provider: Address([provider; 20]),
        allowances: allowances
            .into_iter()
            .map(|(token_index, (right, left))| Allowance { token_index, right, left })
            .collect(),
        batch,
    })
}

pub(crate) fn any_body() -> impl Strategy<Value = Body> {
    prop::collection::btree_map(any::<u32>(), delta(), 2..6)
        .prop_flat_map(|tokens: BTreeMap<u32, i128>| {
            let count = u8::try_from(tokens.len()).expect("few");
            (Just(tokens), prop::collection::vec(clause(count), 0..6))
        })
        .prop_map(|(tokens, mut clauses)| {
            clauses.sort_by_key(|clause| matches!(clause.batch, Batch::Swap(_)));
            Body { tokens: tokens.into_iter().map(|(token, delta)| (TokenId(token), delta)).collect(), clauses }
        })
}

pub(crate) fn any_fills() -> impl Strategy<Value = Fills> {
    prop::collection::btree_map(any::<u64>(), any::<u128>(), 0..33).prop_map(|fills| Fills(fills.into_iter().collect()))
}

pub(crate) fn any_update() -> impl Strategy<Value = SettlementUpdate> {
    let half = || delta().prop_map(|number| number / 2);
    let diffs = prop::collection::btree_map(any::<u32>(), (half(), half(), delta()), 0..6);
    let forgiven = prop::collection::btree_set((any::<u32>(), any::<bool>(), any::<u64>()), 0..6);
    (diffs, forgiven).prop_map(|(diffs, forgiven): (BTreeMap<_, _>, BTreeSet<_>)| SettlementUpdate {
        diffs: diffs
            .into_iter()
            .map(|(token, (left, right, ondelta))| TokenDiff { token: TokenId(token), left, right, ondelta })
            .collect(),
        forgiven: forgiven
            .into_iter()
            .map(|(token, left, index)| Forgiven {
                token: TokenId(token),
                debtor: if left { Side::Left } else { Side::Right },
                index,
            })
            .collect(),
    })
}
