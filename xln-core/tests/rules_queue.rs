//! Commands, the queue that they wait in, and the blocks that are made of them (`docs/protocol.md` section 5): nothing is
//! lost, said twice, or told apart wrongly. Each test is about one edge of a rule.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests say what they expect by failing"
)]

mod common;
use common::*;
use xln_core::chain::{ChainCall, ChangeKind};
use xln_core::channel::{CommandError, CommandId, Event};
use xln_core::limits::*;
use xln_core::machine::{Action, Command, Input, InputOutcome};
use xln_core::transition::{Transition, TransitionError as E};
use xln_core::types::*;
use xln_core::wire::{Part, RejectReason};

/// Commands that may wait in one channel.
const MAX_QUEUED: usize = 8192;

fn net(limit: u128) -> Net {
    let mut net = two();
    net.with_credit(limit);
    net
}

fn memo(i: u8) -> Transition {
    Transition::Memo { data: vec![i] }
}

/// Its depository is nobody's: the rules take it, policy refuses it for good.
fn foreign(i: u64) -> Transition {
    open(SubchannelKey { chain: ChainId(1000 + i), ..KEY })
}

fn done(net: &Net, i: usize) -> Vec<CommandId> {
    let events = net.parties[i].events.iter();
    events.filter_map(|e| if let Event::CommandDone { command, .. } = e { Some(*command) } else { None }).collect()
}

fn failed(net: &Net, i: usize) -> Vec<CommandId> {
    let events = net.parties[i].events.iter();
    events.filter_map(|e| if let Event::CommandFailed { command, .. } = e { Some(*command) } else { None }).collect()
}

fn ack(net: &Net, i: usize, block: &xln_core::block::Block) -> Part {
    let signature = net.parties[i].signer.sign_digest(&net.digest(1 - i, block)).unwrap();
    Part::Ack { height: block.height, block_hash: block.hash().unwrap(), signature }
}

/// As many as may wait are taken, in one step or in many; each comes into a block, in order, and no block is too long.
#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let mut net = net(100);
    net.parties[0].events.clear();
    let first = net.submit(0, vec![memo(0)]).remove(0).unwrap();
    let outcomes = net.submit(0, vec![memo(1); MAX_QUEUED + 1]);
    assert_eq!(outcomes[MAX_QUEUED], Err(CommandError::QueueFull));
    let mut taken = vec![first];
    taken.extend(outcomes.into_iter().take(MAX_QUEUED).map(Result::unwrap));
    net.settle();
    assert_eq!(done(&net, 0), taken);
    assert_eq!(net.channel(0).queued(), 0);
    net.agreed();
}

/// A secret is worth keeping if it opens a payment to this side that is still good. Nothing else is.
#[test]
fn only_a_secret_that_can_still_be_used_is_kept() {
    let mut net = net(100);
    let e = net.now.plus(600);
    net.run(0, lock(10, 1, e));
    let settle = |i| Transition::SettlePayment { key: KEY, id: 1, secret: secret(i) };
    assert_eq!(net.refused(1, settle(2)), CommandError::Transition(E::WrongSecret));
    assert_eq!(net.channel(1).secret(&KEY, 1), None);
    assert_eq!(net.refused(0, settle(1)), CommandError::Transition(E::WrongAuthor));
    assert_eq!(net.channel(0).secret(&KEY, 1), None);
    let now = net.now;
    net.now = e.plus(1);
    assert_eq!(net.refused(1, settle(1)), CommandError::Transition(E::Expired));
    assert_eq!(net.channel(1).secret(&KEY, 1), None);
    net.now = now;
    net.submit(1, vec![settle(1)]).remove(0).unwrap();
    assert_eq!(net.channel(1).secret(&KEY, 1), Some(&secret(1)));
}

/// Refused blocks of the peer use heights up. Above the eighth this side first makes an empty block, with which all
/// refusals are forgotten, and then says what it wants.
#[test]
fn when_heights_are_used_up_an_empty_block_comes_first() {
    for (used, commands) in [(7, 1), (8, 0), (12, 0)] {
        let mut net = net(100);
        let height = net.state(1).height;
        let mut bad = net.forge(0, vec![foreign(1)]);
        bad.height = height + used;
        assert_eq!(rejects(&net.inject_block(0, bad)), [RejectReason::Policy { index: 0 }]);
        net.submit(1, vec![pay(3)]).remove(0).unwrap();
        let block = proposals(&net.taken()).remove(0);
        assert_eq!((block.height, block.transitions.len()), (height + used + 1, commands), "{used}");
        let part = ack(&net, 0, &block);
        let next = net.inject(0, part);
        let said = if commands == 1 { block.transitions } else { proposals(&next).remove(0).transitions };
        assert_eq!(said, [pay(3)]);
    }
}

/// The greatest least height that a refusal may ask for is the gap above what was refused.
#[test]
fn a_refusal_may_ask_for_the_whole_gap() {
    let mut net = net(100);
    net.submit(0, vec![pay(3)]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let least = block.height + MAX_HEIGHT_GAP;
    let reject = net.reject_of(1, &block, RejectReason::HeightTooLow, least);
    let next = proposals(&net.inject(1, reject)).remove(0);
    assert_eq!(next.height, least);
}

/// What the machine puts into a block by itself is nobody's command: a refusal blames the right one, and what goes back into
/// the queue is what was asked for.
#[test]
fn what_the_machine_adds_is_told_from_commands() {
    let mut net = net(100);
    let blamed = net.submit(0, vec![memo(0)]).remove(0).unwrap();
    net.settle();
    assert_eq!(done(&net, 0).last(), Some(&blamed));
    net.block += 1;
    let kind = ChangeKind::Collateral(TokenFact { token: USD, collateral: 50, ondelta: 50 });
    let pair = net.pair();
    let changes = vec![xln_core::chain::ChainChange { key: KEY, pair, kind }];
    let (peer, point) = (net.id(1), net.point());
    let command = |transition| Input::Command(Command { peer, action: Action::Propose { transition, submit: false } });
    let seen = xln_core::chain::ChainFact::Block { point, changes, reveals: vec![], facts: vec![], entities: vec![] };
    let outcomes = net.stage(0, vec![Input::Chain(seen), command(memo(1)), command(memo(2))]);
    let [_, InputOutcome::Accepted(first), InputOutcome::Accepted(second)] = outcomes[..] else {
        panic!("{outcomes:?}")
    };
    let block = proposals(&net.taken()).remove(0);
    assert!(matches!(
        block.transitions[..],
        [Transition::SyncChain { .. }, Transition::Memo { .. }, Transition::Memo { .. }]
    ));
    let reject = net.reject_of(1, &block, RejectReason::Policy { index: 1 }, block.height);
    let next = proposals(&net.inject(1, reject)).remove(0);
    let said: Vec<_> = next.transitions.iter().filter(|t| !matches!(t, Transition::SyncChain { .. })).collect();
    assert_eq!(said, [&memo(2)], "the first is to blame");
    let part = ack(&net, 1, &next);
    net.inject(1, part);
    assert_eq!((failed(&net, 0), done(&net, 0).last()), (vec![first], Some(&second)));
}

/// A settlement's signatures are those of the Depository's own message, and they stay while other blocks are agreed.
#[test]
fn settlement_signatures_are_the_depositorys_and_stay() {
    let mut net = net(100);
    net.collateral(50, 50);
    let update = xln_core::proof::SettlementUpdate {
        diffs: vec![xln_core::proof::TokenDiff { token: USD, left: 20, right: 0, ondelta: -20 }],
        forgiven: vec![],
    };
    let (expiry, channel) = (net.now.plus(100), net.pair().channel_key());
    net.run(0, Transition::ProposeSettlement { key: KEY, update: update.clone(), expiry });
    let (epoch, nonce) = (net.state(0).subchannels[&KEY].epoch, net.state(0).subchannels[&KEY].settlement_nonce);
    let domain = xln_core::proof::DepositoryDomain::new(KEY.chain, KEY.depository);
    let digest = domain.cooperative_update(&channel, epoch, nonce, expiry, &update.encode().unwrap());
    let wanted = [0, 1].map(|i: usize| Some(net.parties[i].signer.sign_digest(&digest).unwrap()));
    for i in 0..2 {
        let open = net.channel(i).settlement(&KEY).unwrap();
        assert_eq!([open.left.clone(), open.right.clone()], wanted);
    }
    let block = net.forge(0, vec![memo(1)]);
    assert_eq!(acks(&net.inject_block(0, block)), 1);
    let open = net.channel(1).settlement(&KEY).unwrap();
    assert_eq!([open.left.clone(), open.right.clone()], wanted, "both are still there without a message");
    // The other's signature again makes nothing ready a second time, and lost ones come again with a connection.
    let ready = |net: &Net| net.parties[1].events.iter().filter(|e| matches!(e, Event::SettlementReady { .. })).count();
    let signature = wanted[0].clone().unwrap();
    net.inject(0, Part::SettlementSignature { key: KEY, id: 1, signature });
    assert_eq!((ready(&net), net.rejections(1)), (1, vec![]));
    assert!(matches!(net.command(1, Action::SubmitSettlement { key: KEY }), InputOutcome::Accepted(_)));
    let calls = net.calls(1);
    let [ChainCall::CooperativeUpdate { left, right, .. }] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!([Some(left.clone()), Some(right.clone())], wanted);
    // A close has a message of its own.
    let mut net = self::net(100);
    let expiry = net.now.plus(100);
    net.run(1, Transition::ProposeClose { key: KEY, expiry });
    let body = xln_core::commitment::Commitment::of(net.state(0)).unwrap().subchannels[0].body.clone();
    let digest = domain.cooperative_close(&channel, 0, 0, expiry, &body);
    let open = net.channel(0).settlement(&KEY).unwrap();
    assert_eq!(open.left, Some(net.parties[0].signer.sign_digest(&digest).unwrap()));
}

/// A settlement's signatures that were lost on the way come again with the next connection.
#[test]
fn lost_settlement_signatures_come_again() {
    let mut net = net(100);
    net.submit(0, vec![Transition::ProposeClose { key: KEY, expiry: net.now.plus(100) }]).remove(0).unwrap();
    let block = proposals(&net.taken()).remove(0);
    let answer = net.inject_block(0, block);
    let ack = answer.into_iter().find(|part| matches!(part, Part::Ack { .. })).unwrap();
    net.inject(1, ack);
    let both = |net: &Net| {
        let open = [0, 1].map(|i| net.channel(i).settlement(&KEY).unwrap().clone());
        open.iter().all(|open| open.left.is_some() && open.right.is_some())
    };
    assert!(!both(&net));
    net.connect();
    assert!(both(&net));
}

/// When what a dispute may come out at is outranked, the commands in it are given up, and those that were never signed
/// stay.
#[test]
fn what_was_never_signed_outlives_a_dispute() {
    let mut net = net(100);
    net.collateral(50, 50);
    let ids: Vec<_> = [pay(10), pay(11)].into_iter().map(|t| net.submit(0, vec![t]).remove(0).unwrap()).collect();
    let block = proposals(&net.taken()).remove(0);
    assert_eq!(block.transitions, [pay(10)]);
    let nonce = Nonce::of(block.height, Side::Left).unwrap().0;
    let shown =
        ChangeKind::Dispute { epoch: 0, dispute: dispute(Side::Right, nonce, net.now), fills: vec![], body: vec![] };
    net.block += 1;
    net.chain_for(&[0, 1], vec![shown], vec![]);
    net.wire.clear();
    let reject = net.reject_of(1, &block, RejectReason::HeightTooLow, block.height);
    net.inject(1, reject);
    net.connect();
    net.agreed();
    assert!(net.state(0).nonce.0 > nonce);
    assert_eq!(failed(&net, 0), [ids[0]]);
    assert_eq!(net.channel(0).queue().map(|(id, t)| (id, t.clone())).collect::<Vec<_>>(), [(ids[1], pay(11))]);
}
