//! Boards, operators and holders who vote, as owners of reserves and channels.

use xln_chain::client::{
    Authority, EntityClient, GovernCall, Holder, Operation, ProposalKind, ProposalStage, Registration, Share,
    VotingTerms,
};
use xln_chain::{EmbeddedChain, U256};
use xln_core::chain::ChainCall;
use xln_core::crypto::{SignOutcome, Signature, Signer};
use xln_core::entity::{Board, Delegation, Limit, OperatorSigner, Permission, Permissions};
use xln_core::proof::{Body, SettlementUpdate, TokenDiff};
use xln_core::types::{EntityId, Hash, Pair, Side, UnixSeconds};

use crate::common::*;
use crate::{ETH, refused};

fn board() -> Board {
    Board::new(2, &[(entity(&key(1)), 1), (entity(&key(2)), 1), (entity(&key(3)), 1)]).unwrap()
}

fn terms() -> VotingTerms {
    VotingTerms { voting_period_s: 100, delay_s: 10, execution_period_s: 1_000, quorum_ppm: 500_000, proposer_ppm: 0 }
}

fn holder(number: u8, control: u128) -> Holder {
    Holder { holder: entity(&key(number)), control, dividend: 0 }
}

fn entities(world: &World) -> EntityClient<EmbeddedChain> {
    world.client.entities()
}

#[test]
fn a_counterfactual_board_pays_through_a_relayer() {
    let world = World::new(1);
    let board = board();
    let us = board.counterfactual();
    world.give(us, 100);
    let operation = Operation::Withdraw { token: ETH, amount: 70, to: key(7).address() };
    let batch = world.client.batch(us).then(&operation).unwrap().build(0, UnixSeconds(u64::MAX)).unwrap();
    let by = |keys: &[u8]| {
        let keys: Vec<_> = keys.iter().map(|n| key(*n)).collect();
        by_board(&us, &board, &batch.digest(), &keys.iter().collect::<Vec<_>>())
    };
    for wrong in [by(&[1]), by(&[1, 2, 3])] {
        assert_eq!(refused(attempt(world.client.relay(&key(9), &batch, &wrong))), "InvalidSignature");
    }
    assert!(now(world.client.relay(&key(9), &batch, &by(&[1, 3]))).is_complete());
    assert_eq!(now(xln_chain::Chain::balance(&world.chain, key(7).address())), U256::from(70));
}

#[test]
fn an_operator_takes_out_no_more_than_its_limits() {
    let world = World::new(1);
    let board = board();
    let us = board.counterfactual();
    world.give(us, 1_000);
    let operator = key(7);
    let limit = Limit { key: world.deployment.key(), token: ETH, amount: 100 };
    let permissions = Permissions::of(&[Permission::Withdraw]);
    let expiry = world.chain.now().plus(50);
    let delegation = Delegation::new(operator.address(), permissions, expiry, 0, vec![limit]).unwrap();
    let approval = by_board(&us, &board, &delegation.digest(&us), &[&key(1), &key(2)]);
    let signer = OperatorSigner::new(operator, us, delegation.clone(), approval).unwrap();
    let pay = |amount| {
        let operation = Operation::ReserveToReserve { to: entity(&key(8)), token: ETH, amount };
        let nonce = now(world.client.batch_nonce(&us));
        let batch = world.client.batch(us).then(&operation).unwrap().build(nonce, UnixSeconds(u64::MAX)).unwrap();
        let SignOutcome::Signed(signature) = signer.sign(&batch.digest()).unwrap() else { panic!() };
        attempt(world.client.relay(&key(9), &batch, &signature))
    };
    assert!(pay(60).is_ok());
    assert_eq!(refused(pay(41)), "InvalidSignature");
    assert!(pay(40).is_ok());
    let spent = now(entities(&world).spent(&us, &delegation.hash(), ETH));
    assert_eq!((spent, world.reserve(&us)), (100, 900));
    assert_eq!(refused(pay(1)), "InvalidSignature");
}

#[test]
fn an_organisation_replaces_its_board_and_the_old_one_signs_states_only_for_a_while() {
    let world = World::new(1);
    let client = entities(&world);
    let (old, new) = (board(), Board::new(1, &[(entity(&key(5)), 1)]).unwrap());
    let registration = Registration { board: Some(old.hash()), terms: terms(), holders: vec![] };
    let us = now(client.register(&key(9), &registration));
    let d = world.deployment;
    assert_eq!(us, EntityId::registered(d.chain, &d.entity_provider, 1).unwrap());
    assert_eq!((now(client.board(&us)), now(client.organisations())), (Some(old.hash()), 1));
    let digest = Hash([9; 32]);
    let by_old = by_board(&us, &old, &digest, &[&key(1), &key(2)]);
    let by_new = by_board(&us, &new, &digest, &[&key(5)]);
    let all = [Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern];
    let verdicts = |signature: &Signature| all.map(|p| now(client.is_valid(&us, &digest, signature, p)));
    assert_eq!((verdicts(&by_old), verdicts(&by_new)), ([true; 4], [false; 4]));

    let expiry = world.chain.now().plus(1_000_000);
    let decision = now(client.prepare(us, expiry, &GovernCall::ProposeBoard(new.hash())));
    let signed = by_board(&us, &old, &decision.digest(), &[&key(2), &key(3)]);
    now(client.relay(&key(9), &decision, &signed));
    assert_eq!(refused(attempt(client.relay(&key(9), &decision, &signed))), "InvalidSignature", "its nonce is used");
    let pending = now(client.pending_board(&us)).unwrap();
    assert_eq!(pending.active_from, world.chain.now().plus(d.board_delay_s));
    assert_eq!((pending.board, pending.by_vote), (new.hash(), false));
    world.chain.set_time(pending.active_from.minus(1));
    assert_eq!(refused(attempt(client.activate_board(&key(9), &us))), "TooEarly");
    world.chain.advance(1);
    now(client.activate_board(&key(9), &us));
    let until = now(client.board_valid_until(&us, &old.hash())).unwrap();
    assert_eq!(until, world.chain.now().plus(d.grace_s));
    assert_eq!((verdicts(&by_old), verdicts(&by_new)), ([true, false, false, false], [true; 4]));
    world.chain.set_time(until);
    assert!(verdicts(&by_old)[0]);
    world.chain.advance(1);
    assert_eq!(verdicts(&by_old), [false; 4]);
}

#[test]
fn a_delegation_is_revoked_without_a_nonce() {
    let world = World::new(1);
    let client = entities(&world);
    let board = board();
    let us = board.counterfactual();
    let revoke = client.revoke_digest(&us, &Hash([3; 32]));
    let signed = by_board(&us, &board, &revoke, &[&key(1), &key(2)]);
    assert_eq!(refused(attempt(client.revoke_for(&key(9), &us, &Hash([4; 32]), &signed))), "InvalidSignature");
    now(client.revoke_for(&key(9), &us, &Hash([3; 32]), &signed));
    let until = world.chain.now().plus(world.deployment.grace_s);
    assert_eq!(now(client.revoked_until(&us, &Hash([3; 32]))), Some(until));
    assert_eq!(now(client.nonce(&us)), 0);
}

/// Left, right and the organisation's place in it.
fn channel(us: EntityId, peer: EntityId) -> (Pair, Side) {
    let pair = Pair::new(us, peer).unwrap();
    (pair, pair.side(&us).unwrap())
}

#[test]
fn holders_decide_an_update_of_their_channel_by_vote() {
    let world = World::new(1);
    let client = entities(&world);
    let holders = vec![holder(1, 60), holder(2, 30), holder(3, 10)];
    let us = now(client.register(&key(9), &Registration { board: None, terms: terms(), holders }));
    assert_eq!(now(client.shares(&us, Share::Control, &entity(&key(2)))), 30);
    assert_eq!(now(client.supply(&us, Share::Control)), 100);
    let peer = key(5);
    let (pair, side) = channel(us, entity(&peer));
    world.lock(us, entity(&peer), 500);
    world.chain.mine();

    // 200 of the collateral go into the organisation's reserve.
    let (left, right, ondelta) = if side.is_left() { (200, 0, -200) } else { (0, 200, 0) };
    let update = SettlementUpdate { diffs: vec![TokenDiff { token: ETH, left, right, ondelta }], forgiven: vec![] };
    let expiry = world.chain.now().plus(100_000);
    let digest = world.domain().cooperative_update(&pair.channel_key(), 0, 0, expiry, &update.encode().unwrap());
    let kind = ProposalKind::Approve { digest, permission: Permission::Withdraw };
    let number = now(client.propose(&key(3), us, kind));
    let proposal = now(client.proposal(number)).unwrap();
    assert_eq!((proposal.organisation, proposal.proposer, proposal.kind), (us, entity(&key(3)), kind));
    assert_eq!(proposal.stage, ProposalStage::Voting);

    let by_vote = Signature::new([&[3][..], &number.to_be_bytes()].concat()).unwrap();
    let by_peer = peer.sign_digest(&digest).unwrap();
    let submit = || {
        let (left, right) = match side {
            Side::Left => (by_vote.clone(), by_peer.clone()),
            Side::Right => (by_peer.clone(), by_vote.clone()),
        };
        let call = ChainCall::CooperativeUpdate { expiry, update: update.clone(), left, right };
        world.act(&key(9), pair, call, &Authority::Sender)
    };
    now(client.govern(&key(3), &GovernCall::Vote { proposal: number, in_favour: true }));
    now(client.govern(&key(1), &GovernCall::Vote { proposal: number, in_favour: true }));
    // Shares that moved after the proposal change nothing.
    now(client.govern(
        &key(1),
        &GovernCall::TransferShares { organisation: us, share: Share::Control, to: entity(&key(2)), amount: 60 },
    ));
    now(client.govern(&key(2), &GovernCall::Vote { proposal: number, in_favour: false }));
    let proposal = now(client.proposal(number)).unwrap();
    assert_eq!((proposal.in_favour, proposal.against), (70, 30));
    let ready = proposal.created_at.plus(terms().voting_period_s + terms().delay_s + 1);
    world.chain.set_time(ready.minus(1));
    assert_eq!(refused(submit()), "InvalidSignature", "the delay runs");
    world.chain.set_time(ready);
    assert_eq!(now(client.proposal(number)).unwrap().stage, ProposalStage::Ready);
    submit().unwrap();
    assert_eq!((world.reserve(&us), world.collateral(&pair).0), (200, 300));
    assert_eq!(refused(submit()), "InvalidSignature", "the settlement nonce has moved");
    // The vote is for this digest and this permission alone.
    for permission in [Permission::States, Permission::Dispute, Permission::Govern] {
        assert!(!now(client.is_valid(&us, &digest, &by_vote, permission)));
    }
    assert!(!now(client.is_valid(&us, &Hash([1; 32]), &by_vote, Permission::Withdraw)));
    assert_eq!(now(client.proposal(number + 1)), None);
}

#[test]
fn a_board_starts_and_answers_disputes_through_a_relayer() {
    let world = World::new(1);
    let board = board();
    let (us, peer, anybody) = (board.counterfactual(), key(5), key(9));
    let (pair, side) = channel(us, entity(&peer));
    world.lock(us, entity(&peer), 500);
    let body = Body { tokens: vec![(ETH, if side.is_left() { -100 } else { 100 })], clauses: vec![] };
    let by_us = |digest: &Hash| by_board(&us, &board, digest, &[&key(1), &key(3)]);
    let by_peer = |digest: &Hash| peer.sign_digest(digest).unwrap();
    let sign: [&dyn Fn(&Hash) -> Signature; 2] = if side.is_left() { [&by_us, &by_peer] } else { [&by_peer, &by_us] };
    let evidence = |nonce| evidence_by(&world.deployment, &pair, 0, nonce, &body, sign);
    let hash = evidence(2).body_hash();
    let (expiry, nonce) = (world.chain.now().plus(5), evidence(2).nonce);
    let digest = world.domain().dispute_start(&pair.channel_key(), 0, nonce, &hash, &[], expiry);
    let start = ChainCall::StartDispute { starter: side, evidence: evidence(2), fills: vec![] };
    let wrong = Authority::Signed { signature: by_us(&Hash([1; 32])), expiry };
    assert_eq!(refused(world.act(&anybody, pair, start.clone(), &wrong)), "InvalidSignature");
    let right = Authority::Signed { signature: by_us(&digest), expiry };
    world.act(&anybody, pair, start, &right).unwrap();
    let mut dispute = xln_core::types::DisputeFact {
        nonce: nonce.0,
        started_at: world.chain.now(),
        starter: side,
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: hash,
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    };
    let known = now(world.client.channel(&pair)).dispute;
    assert_eq!(known, Some(xln_chain::codec::dispute_hash(&pair, &dispute).unwrap()));
    // The peer counters through the same relayer, by its signature.
    let newer = evidence(4);
    let digest = world.domain().dispute_answer(&pair.channel_key(), 0, newer.nonce, &hash, &[]);
    let signed = Authority::Signed { signature: by_peer(&digest), expiry: UnixSeconds(0) };
    world.chain.advance(60);
    let counter = ChainCall::CounterDispute { dispute, evidence: newer, fills: vec![], both: false };
    world.act(&anybody, pair, counter, &signed).unwrap();
    (dispute.nonce, dispute.answered, dispute.answered_at) = (4, true, world.chain.now());
    assert_eq!(
        now(world.client.channel(&pair)).dispute,
        Some(xln_chain::codec::dispute_hash(&pair, &dispute).unwrap())
    );
    let finalize = ChainCall::FinalizeDispute {
        dispute,
        body: body.encode().unwrap(),
        starter_fills: vec![],
        answerer_fills: vec![],
    };
    world.act(&anybody, pair, finalize, &Authority::Sender).unwrap();
    assert_eq!((world.reserve(&us), world.reserve(&entity(&peer))), (400, 100));
}
