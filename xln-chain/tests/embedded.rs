//! The embedded chain by itself: blocks, time, reorganisations, determinism, and the contracts running on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use xln_chain::client::{Funding, Token};
use xln_chain::{Chain, ChainError, EmbeddedChain, TestTokens, Transaction, U256};
use xln_core::types::{Address, ChainId, TokenId, UnixSeconds};

#[test]
fn time_moves_only_when_told() {
    let chain = EmbeddedChain::new(ChainId(7), GENESIS);
    assert_eq!(chain.newest().number, 0);
    assert_eq!(chain.advance(15).timestamp, GENESIS.plus(15));
    chain.mine_blocks(3);
    assert_eq!((chain.newest().number, chain.newest().timestamp), (4, GENESIS.plus(15)));
    assert_eq!(chain.set_time(UnixSeconds(5)).timestamp, GENESIS.plus(15));
}

#[test]
fn the_same_history_has_the_same_hashes_and_another_chain_has_others() {
    let build = |id| {
        let world = World::new(id);
        world.chain.advance(9);
        world.chain.newest().hash
    };
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

#[test]
fn a_reorganisation_takes_state_receipts_and_hashes_back() {
    let world = World::new(1);
    let alice = key(1);
    world.chain.fund(alice.address(), U256::from(10_u64).pow(U256::from(18_u64)));
    world.chain.mine();
    let before = world.chain.newest();
    let receipt = now(world.client.deposit_eth(&alice, &entity(&alice), 1_000));
    assert_eq!(now(world.client.reserve(&entity(&alice), TokenId(0))), 1_000);
    let after = world.chain.newest();
    let dropped = world.chain.reorg(1);
    assert_eq!((dropped.len(), dropped[0].from), (1, alice.address()));
    assert_eq!(world.chain.newest(), before);
    assert_eq!(now(world.client.reserve(&entity(&alice), TokenId(0))), 0);
    assert_eq!(now(world.chain.receipt(&receipt.transaction)), None);
    let unknown = attempt(world.chain.confirm(&receipt.transaction));
    assert!(matches!(unknown, Err(ChainError::UnknownTransaction(_))));
    world.chain.send_from(dropped[0].from, dropped[0].transaction.clone()).unwrap();
    let again = world.chain.newest();
    assert_eq!((again.number, again.parent), (after.number, before.hash));
    assert_ne!(again.hash, after.hash);
    assert_eq!(now(world.client.reserve(&entity(&alice), TokenId(0))), 1_000);
}

#[test]
fn transactions_may_wait_for_a_common_block() {
    let world = World::new(1);
    let (alice, bob) = (key(1), key(2));
    world.chain.fund(alice.address(), U256::from(5_000));
    world.chain.set_automine(false);
    let send = |wei| {
        now(world
            .chain
            .send(&alice, Transaction { to: Some(bob.address()), value: U256::from(wei), ..Transaction::default() }))
    };
    let (first, second) = (send(1_000), send(2_000));
    assert_ne!(first, second);
    assert!(matches!(attempt(world.chain.confirm(&first)), Err(ChainError::Pending(_))));
    let block = world.chain.mine();
    for hash in [first, second] {
        let receipt = now(world.chain.confirm(&hash));
        assert_eq!((receipt.block, receipt.gas_used), (block.hash, 21_000));
    }
    assert_eq!(now(world.chain.balance(bob.address())), U256::from(3_000));
}

#[test]
fn errors_come_by_name_and_leave_nothing() {
    let world = World::new(1);
    let alice = key(1);
    let refused = attempt(world.client.withdraw(&alice, TokenId(0), 5, alice.address()));
    assert_eq!(refused.as_ref().unwrap_err().revert_name(), Some("InsufficientReserve"));
    let poor = world.chain.execute_from(
        Address([9; 20]),
        Transaction { value: U256::from(1), to: Some(Address([8; 20])), ..Transaction::default() },
    );
    assert!(matches!(poor, Err(ChainError::Unacceptable(_))));
}

#[test]
fn every_kind_of_token_goes_in_and_out() {
    let world = World::new(1);
    let World { client, chain, tokens, .. } = &world;
    let (alice, bob) = (key(1), key(2));
    let me = entity(&alice);
    let nft = Token::Erc721 { contract: tokens.erc721, id: U256::from(77) };
    let multi = Token::Erc1155 { contract: tokens.erc1155, id: U256::from(5) };
    for mint in [
        TestTokens::mint_erc20(tokens.erc20, alice.address(), U256::from(1_000)),
        TestTokens::mint_erc20(tokens.erc20_no_return, alice.address(), U256::from(1_000)),
        TestTokens::mint_erc20(tokens.erc20_fee, alice.address(), U256::from(1_000)),
        tokens.mint_erc721(alice.address(), U256::from(77)),
        tokens.mint_erc1155(alice.address(), U256::from(5), U256::from(1_000)),
    ] {
        now(chain.execute(&alice, mint));
    }
    let kinds =
        [(Token::Erc20(tokens.erc20), 1_000), (Token::Erc20(tokens.erc20_no_return), 1_000), (nft, 1), (multi, 1_000)];
    for (token, amount) in kinds {
        let id = now(client.register_token(&bob, &token));
        assert_eq!((now(client.token(id)), now(client.token_id(&token))), (token, Some(id)));
        now(client.approve(&alice, &token, U256::from(amount)));
        now(client.deposit(&alice, &me, id, amount));
        assert_eq!(now(client.reserve(&me, id)), amount);
        now(client.withdraw(&alice, id, amount, bob.address()));
        assert_eq!(now(client.reserve(&me, id)), 0);
    }
    let fee = now(client.register_token(&bob, &Token::Erc20(tokens.erc20_fee)));
    now(client.approve(&alice, &Token::Erc20(tokens.erc20_fee), U256::from(1_000)));
    now(client.deposit(&alice, &me, fee, 1_000));
    let kept = now(client.reserve(&me, fee));
    assert!(kept > 0 && kept < 1_000, "credited with what arrived: {kept}");
    assert_eq!(now(client.tokens(TokenId(0), 100)).len(), 6);
    assert_eq!(now(client.token_count()), 6);
}

#[test]
fn reserves_and_collateral() {
    let world = World::new(1);
    let World { client, chain, deployment, .. } = &world;
    let (alice, bob) = (key(1), key(2));
    chain.fund(alice.address(), U256::from(1_000));
    now(client.deposit_eth(&alice, &entity(&alice), 1_000));
    now(client.reserve_to_reserve(&alice, &entity(&bob), TokenId(0), 300));
    let funding = Funding { receiver: entity(&alice), peer: entity(&bob), amount: 500 };
    now(client.reserve_to_collateral(&alice, TokenId(0), &[funding]));
    let facts = now(client.collaterals(&pair(&alice, &bob), &[TokenId(0), TokenId(9)]));
    assert_eq!((facts[0].collateral, facts[1].collateral), (500, 0));
    assert_eq!(now(client.reserve(&entity(&alice), TokenId(0))), 200);
    assert_eq!(now(client.reserve(&entity(&bob), TokenId(0))), 300);
    assert_eq!(now(client.channel(&pair(&alice, &bob))), Default::default());
    assert_eq!(now(client.window_s()), deployment.window_s);
    assert_eq!(now(client.entity_provider()), deployment.entity_provider);
    assert_eq!(now(client.debt_total(&entity(&alice), TokenId(0))), U256::ZERO);
    assert_eq!(now(client.debts(&entity(&alice), TokenId(0), 0, 10)).entries, []);
}
