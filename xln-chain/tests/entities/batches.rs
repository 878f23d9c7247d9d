//! Batches: by the entity itself and through relayers, skipped operations, credit within a batch, permits, hubs, pages.

use alloy_sol_types::SolCall;
use xln_chain::client::{Funding, Operation, OperationOutcome, Token};
use xln_chain::codec::{RawOperation, encode_operations};
use xln_chain::contracts::depository::Depository;
use xln_chain::contracts::test_erc20_permit::TestErc20Permit;
use xln_chain::deploy::deploy_code;
use xln_chain::{BatchBuilder, ChainError, TestTokens, U256};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::proof::{SettlementUpdate, TokenDiff};
use xln_core::types::{TokenId, UnixSeconds};

use crate::common::*;
use crate::{ETH, refused};

#[test]
fn a_batch_by_itself_does_all_in_order_and_reports_what_it_skipped() {
    let world = World::new(1);
    let (alice, bob) = (key(1), key(2));
    let (me, peer) = (entity(&alice), entity(&bob));
    world.chain.fund(alice.address(), U256::from(1_000));
    let funding = Funding { receiver: me, peer, amount: 300 };
    let batch = BatchBuilder::new(world.deployment, me)
        .then(&Operation::DepositEth { entity: me, wei: 400 })
        .and_then(|b| b.then(&Operation::DepositEth { entity: peer, wei: 50 }))
        .and_then(|b| b.then_skippable(&Operation::ReserveToReserve { to: peer, token: ETH, amount: 401 }))
        .and_then(|b| b.then(&Operation::ReserveToCollateral { token: ETH, fundings: vec![funding] }))
        .and_then(|b| b.then_skippable(&Operation::ReserveToReserve { to: peer, token: ETH, amount: 101 }))
        .and_then(|b| b.then_skippable(&Operation::Withdraw { token: ETH, amount: 40, to: bob.address() }))
        .and_then(|b| b.build(9, world.chain.now()))
        .unwrap();
    assert_eq!(batch.value(), 450);
    let outcome = now(world.client.send_as_self(&alice, &batch));
    let skipped = OperationOutcome::Skipped { reason: "InsufficientReserve" };
    let done = OperationOutcome::Done;
    assert_eq!(outcome.operations, [done, done, skipped, done, skipped, done]);
    assert!(!outcome.is_complete());
    assert_eq!((world.reserve(&me), world.reserve(&peer)), (60, 50));
    assert_eq!(world.collateral(&pair(&alice, &bob)).0, 300);
    assert_eq!(
        (outcome.next_nonce, now(world.client.batch_nonce(&me))),
        (0, 0),
        "without a signature no nonce is used"
    );
}

#[test]
fn a_relayed_batch_counts_once_and_until_its_expiry() {
    let world = World::new(1);
    let (alice, bob, carol) = (key(1), key(2), key(3));
    world.give(entity(&alice), 100);
    let pay = |nonce, expiry| {
        let operation = Operation::ReserveToReserve { to: entity(&bob), token: ETH, amount: 10 };
        world.client.batch(entity(&alice)).then(&operation).unwrap().build(nonce, expiry).unwrap()
    };
    let expiry = world.chain.now().plus(100);
    let batch = pay(0, expiry);
    let signature = alice.sign_digest(&batch.digest()).unwrap();
    assert_eq!(
        refused(attempt(world.client.relay(&carol, &batch, &bob.sign_digest(&batch.digest()).unwrap()))),
        "InvalidSignature"
    );
    assert_eq!(now(world.client.relay(&carol, &batch, &signature)).next_nonce, 1);
    assert_eq!(refused(attempt(world.client.relay(&carol, &batch, &signature))), "InvalidSignature");
    let (last, late) = (pay(1, expiry), pay(2, expiry));
    world.chain.set_time(expiry);
    now(world.client.relay(&carol, &last, &alice.sign_digest(&last.digest()).unwrap()));
    world.chain.advance(1);
    assert_eq!(
        refused(attempt(world.client.relay(&carol, &late, &alice.sign_digest(&late.digest()).unwrap()))),
        "Expired"
    );
    assert_eq!((world.reserve(&entity(&alice)), world.reserve(&entity(&bob))), (80, 20));
}

/// What an update moves: own reserve and ondelta of one end, the collateral by the rest.
fn update(world: &World, hub: &LocalSigner, peer: &LocalSigner, own: i128) -> ChainAction {
    let pair = pair(hub, peer);
    let hub_is_left = pair.left() == entity(hub);
    let (left, right) = if hub_is_left { (own, 0) } else { (0, own) };
    // What goes in or out is the hub's: its share moves with the collateral.
    let ondelta = if hub_is_left { -own } else { 0 };
    let diffs = vec![TokenDiff { token: ETH, left, right, ondelta }];
    let update = SettlementUpdate { diffs, forgiven: Vec::new() };
    let header = now(world.client.channel(&pair));
    let (epoch, nonce, expiry) = (header.epoch, header.settlement_nonce, world.chain.now().plus(50));
    let bytes = update.encode().unwrap();
    let digest = world.domain().cooperative_update(&pair.channel_key(), epoch, nonce, expiry, &bytes);
    // The hub need not sign: its batch does.
    let nobody = Signature::new(vec![1]).unwrap();
    let by_peer = peer.sign_digest(&digest).unwrap();
    let (left, right) = if hub_is_left { (nobody, by_peer) } else { (by_peer, nobody) };
    ChainAction {
        key: world.deployment.key(),
        pair,
        call: ChainCall::CooperativeUpdate { expiry, update, left, right },
    }
}

#[test]
fn a_hub_rebalances_many_channels_in_one_transaction_from_an_empty_reserve() {
    let world = World::new(1);
    let hub = key(1);
    let peers = [key(2), key(3), key(4), key(5)];
    for (peer, wei) in peers.iter().zip([500, 300, 0, 0]) {
        if wei > 0 {
            world.lock(entity(&hub), entity(peer), wei);
        }
    }
    // First out of the reserve, which has nothing, then back into it.
    let moves = [0, 0, -450, -150];
    let order = [2, 3, 0, 1];
    let back = [400, 200];
    let actions = order.map(|n| {
        let own = if n < 2 { back[n] } else { moves[n] };
        update(&world, &hub, &peers[n], own)
    });
    let build = |actions: &[ChainAction]| world.client.batch(entity(&hub)).updates(actions).unwrap();
    // What is lent comes back, or nothing happens.
    let short = build(&actions[..3]).build(0, UnixSeconds(u64::MAX)).unwrap();
    let error = attempt(world.client.send_as_self(&hub, &short)).unwrap_err();
    assert!(error.revert_name().is_some(), "{error}");
    let batch = build(&actions).build(0, UnixSeconds(u64::MAX)).unwrap();
    let signature = hub.sign_digest(&batch.digest()).unwrap();
    let outcome = now(world.client.relay(&key(9), &batch, &signature));
    assert!(outcome.is_complete());
    assert_eq!(outcome.operations.len(), 5, "one loan and four updates");
    let collaterals = peers.each_ref().map(|peer| world.collateral(&pair(&hub, peer)).0);
    assert_eq!(collaterals, [100, 100, 450, 150]);
    assert_eq!(world.reserve(&entity(&hub)), 0);
}

#[test]
fn only_updates_of_own_channels_can_be_rebalanced() {
    let world = World::new(1);
    let (hub, peer) = (key(1), key(2));
    let action = update(&world, &hub, &peer, 0);
    let stranger = world.client.batch(entity(&key(3)));
    assert!(matches!(stranger.updates(std::slice::from_ref(&action)), Err(ChainError::Action(_))));
    let starter = action.pair.side(&entity(&hub)).unwrap();
    let other = ChainAction { call: ChainCall::StartEmptyDispute { starter, tokens: vec![ETH] }, ..action };
    assert!(matches!(world.client.batch(entity(&hub)).updates(&[other]), Err(ChainError::Action(_))));
}

#[test]
fn a_batch_needs_as_much_permission_as_its_operations() {
    use xln_core::entity::Permission;
    let world = World::new(1);
    let me = entity(&key(1));
    let of = |operations: &[Operation]| {
        let batch = operations.iter().fold(world.client.batch(me), |batch, operation| batch.then(operation).unwrap());
        batch.build(0, UnixSeconds(0)).unwrap().permission()
    };
    let debts = Operation::EnforceDebts { entity: me, token: ETH, max_entries: 1 };
    assert_eq!(of(&[]), Permission::Dispute);
    assert_eq!(of(&[debts.clone(), Operation::RegisterHub { uri: String::new() }]), Permission::Dispute);
    for out in [
        Operation::Withdraw { token: ETH, amount: 1, to: key(1).address() },
        Operation::ReserveToReserve { to: me, token: ETH, amount: 1 },
        Operation::ReserveToCollateral { token: ETH, fundings: vec![] },
        Operation::Flash { token: ETH, amount: 1 },
    ] {
        assert_eq!(of(&[debts.clone(), out]), Permission::Withdraw);
    }
}

#[test]
fn bytes_that_are_no_operations_are_refused_by_both() {
    let world = World::new(1);
    let alice = key(1);
    let good = RawOperation {
        skippable: false,
        value: 0,
        data: Depository::registerHubCall { uri: "x".into() }.abi_encode().into(),
    };
    let bytes = encode_operations(&[good.clone(), good]).unwrap();
    let mut wrong = vec![bytes[..bytes.len() - 1].to_vec(), [&bytes[..], &[0]].concat()];
    let mut flags = bytes.clone();
    flags[0] = 2;
    wrong.push(flags);
    for bytes in wrong {
        let ours = xln_chain::codec::parse_operations(&bytes);
        assert!(ours.is_err());
        let call = Depository::processBatchCall {
            entity: (*entity(&alice).as_bytes()).into(),
            expiry: u64::MAX,
            operations: bytes.into(),
            signature: Default::default(),
        };
        let call = xln_chain::Transaction::call(world.deployment.depository, call.abi_encode());
        let theirs = world.chain.simulate(alice.address(), &call);
        assert_eq!(refused(theirs), "MalformedBatch", "{ours:?}");
    }
}

#[test]
fn a_permit_saves_the_approval() {
    let world = World::new(1);
    let alice = key(1);
    let token = now(deploy_code(&world.chain, &alice, &TestErc20Permit::BYTECODE, &[]));
    let id = now(world.client.register_token(&alice, &Token::Erc20(token)));
    let mint = TestTokens::mint_erc20(token, alice.address(), U256::from(100));
    world.chain.execute_from(alice.address(), mint).unwrap();
    let deadline = world.chain.now();
    for amount in [30_u128, 20] {
        now(world.client.deposit_with_permit(&alice, id, amount, deadline));
    }
    assert_eq!(now(world.client.reserve(&entity(&alice), id)), 50);
    world.chain.advance(1);
    let late = attempt(world.client.deposit_with_permit(&alice, id, 1, deadline));
    assert_eq!(refused(late), "TransferFailed");
    let no_token = attempt(world.client.deposit_with_permit(&alice, TokenId(0), 1, deadline));
    assert!(matches!(no_token, Err(ChainError::Action(_))));
}

#[test]
fn hubs_are_listed_in_pages() {
    let world = World::new(1);
    for number in 1..=5 {
        now(world.client.register_hub(&key(number), &format!("hub {number}")));
    }
    now(world.client.register_hub(&key(2), "moved"));
    assert_eq!(now(world.client.hub_count()), 5);
    let page = now(world.client.hubs(1, 3));
    let found: Vec<_> = page.iter().map(|hub| (hub.entity, hub.uri.as_str())).collect();
    assert_eq!(found, [(entity(&key(2)), "moved"), (entity(&key(3)), "hub 3"), (entity(&key(4)), "hub 4")]);
    assert_eq!(now(world.client.hubs(4, u64::MAX)).len(), 1);
    let long = attempt(world.client.register_hub(&key(6), &"x".repeat(257)));
    assert_eq!(refused(long), "UriTooLong");
}
