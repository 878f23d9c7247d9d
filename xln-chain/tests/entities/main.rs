//! Entities of every kind act on chain through this crate: keys, boards, operators, wallets of several owners, holders who
//! vote; by themselves, in batches, and through relayers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, reason = "modules of one test")]

mod batches;
#[path = "../common/mod.rs"]
mod common;
mod organisations;
mod wallet;

use common::*;
use xln_chain::client::{Authority, Funding};
use xln_chain::{ChainError, Receipt, U256};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::crypto::LocalSigner;
use xln_core::proof::DepositoryDomain;
use xln_core::types::{EntityId, Pair, TokenId};

const ETH: TokenId = TokenId(0);

/// What a contract's refusal is called.
fn refused<T: std::fmt::Debug>(result: Result<T, ChainError>) -> &'static str {
    result.unwrap_err().revert_name().expect("a contract refused")
}

impl World {
    fn domain(&self) -> DepositoryDomain {
        DepositoryDomain::from(&self.deployment.key())
    }

    /// Puts wei into a reserve, from an account that nobody asks about.
    fn give(&self, to: EntityId, wei: u128) {
        let bank = key(250);
        self.chain.fund(bank.address(), U256::from(wei));
        now(self.client.deposit_eth(&bank, &to, wei));
    }

    fn reserve(&self, entity: &EntityId) -> u128 {
        now(self.client.reserve(entity, ETH))
    }

    fn collateral(&self, pair: &Pair) -> (u128, i128) {
        let facts = now(self.client.collaterals(pair, &[ETH]));
        (facts[0].collateral, facts[0].ondelta)
    }

    /// Locks wei into a channel in favour of one end.
    fn lock(&self, receiver: EntityId, peer: EntityId, wei: u128) {
        let bank = key(250);
        self.give(entity(&bank), wei);
        now(self.client.reserve_to_collateral(&bank, ETH, &[Funding { receiver, peer, amount: wei }]));
    }

    fn act(&self, by: &LocalSigner, pair: Pair, call: ChainCall, how: &Authority) -> Result<Receipt, ChainError> {
        let action = ChainAction { key: self.deployment.key(), pair, call };
        attempt(self.client.submit_by(by, &action, how))
    }
}
