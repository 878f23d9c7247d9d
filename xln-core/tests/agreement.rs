//! The two-party agreement of `docs/protocol.md` section 5, and the rules of section 10 that concern it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "tests say what they expect by failing"
)]

mod common;
use common::*;
use xln_core::channel::{CommandError, Event, Rejection};
use xln_core::crypto::Signer;
use xln_core::machine::{Input, Machine, Record};
use xln_core::transition::{Transition, TransitionError};
use xln_core::types::*;
use xln_core::wire::{Message, Part};

#[test]
fn pay_both_ways_and_agree() {
    let mut net = two();
    net.with_credit(100);
    net.run(0, pay(60));
    assert_eq!(net.token(1).offdelta, -60);
    net.run(1, pay(100));
    assert_eq!(net.token(0).offdelta, 40);
    net.agreed();
    assert_eq!(
        net.refused(1, pay(61)),
        CommandError::Transition(TransitionError::InsufficientCapacity { available: 60, needed: 61 })
    );
}

#[test]
fn a_collision_keeps_both_commands() {
    for order in 0..2 {
        let mut net = two();
        net.with_credit(100);
        net.submit(order, vec![pay(10)]).remove(0).unwrap();
        net.submit(1 - order, vec![pay(7)]).remove(0).unwrap();
        net.settle();
        net.agreed();
        assert_eq!(net.token(0).offdelta, if order == 0 { -3 } else { 3 });
    }
}

#[test]
fn rule_11_equal_payments_never_collide() {
    let mut net = two();
    net.with_credit(100);
    let e = net.now.plus(600);
    net.submit(0, vec![lock(10, 1, e), lock(10, 1, e), pay(5), pay(5)]).into_iter().for_each(|r| assert!(r.is_ok()));
    net.submit(1, vec![lock(10, 1, e), pay(5)]).into_iter().for_each(|r| assert!(r.is_ok()));
    net.settle();
    net.agreed();
    assert_eq!(net.state(0).subchannels[&KEY].pending.len(), 3);
    assert_eq!((net.token(0).left_hold, net.token(0).right_hold, net.token(0).offdelta), (20, 10, -5));
}

#[test]
fn rule_3_holds_inside_validation_in_order() {
    let mut net = two();
    net.with_credit(100);
    let e = net.now.plus(600);
    let verdicts = net.submit(0, vec![lock(60, 1, e), lock(60, 2, e)]);
    assert!(verdicts[0].is_ok());
    assert_eq!(
        verdicts[1],
        Err(CommandError::Transition(TransitionError::InsufficientCapacity { available: 40, needed: 60 }))
    );
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).left_hold, 60);
}

#[test]
fn lost_messages_heal_on_reconnection_with_the_same_bytes() {
    let mut net = two();
    net.with_credit(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let lost = net.wire.pop_front().unwrap();
    assert!(net.wire.is_empty());
    net.connect();
    net.agreed();
    assert_eq!(net.token(1).offdelta, -10);
    // The Ack is lost: the same bytes answer a second copy of the proposal.
    net.submit(1, vec![pay(3)]).remove(0).unwrap();
    let proposal = net.wire.pop_front().unwrap();
    net.wire.push_back(proposal.clone());
    net.deliver();
    let first = net.wire.pop_front().unwrap();
    net.wire.push_back(proposal);
    net.deliver();
    assert_eq!(net.wire.pop_front().unwrap(), first);
    net.connect();
    net.agreed();
    // A late copy of the very first is no error and changes nothing.
    let before = net.state(1).clone();
    let count = net.rejections(1).len();
    net.wire.push_back(lost);
    net.settle();
    assert_eq!((net.state(1), net.rejections(1).len()), (&before, count));
}

#[test]
fn restart_at_every_point_of_a_collision() {
    for cut in 0..12 {
        for who in 0..2 {
            let mut net = two();
            net.with_credit(100);
            net.submit(0, vec![pay(10), pay(1)]).into_iter().for_each(|r| assert!(r.is_ok()));
            net.submit(1, vec![pay(7)]).into_iter().for_each(|r| assert!(r.is_ok()));
            for _ in 0..cut {
                net.deliver();
            }
            net.restart(who);
            net.wire.clear();
            net.connect();
            net.agreed();
            assert_eq!(net.token(0).offdelta, -4, "cut {cut}, restart of {who}");
        }
    }
}

#[test]
fn a_damaged_message_is_refused_by_name_and_the_channel_goes_on() {
    let mut net = two();
    net.with_credit(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let (from, to, bytes) = net.wire.pop_front().unwrap();
    for position in 0..bytes.len() {
        let before = (net.rejections(1).len(), net.state(1).clone());
        let mut damaged = bytes.clone();
        damaged[position] ^= 1;
        net.wire.push_back((from, to, damaged));
        net.deliver();
        net.wire.clear();
        assert_eq!(net.state(1), &before.1, "byte {position} changed the state");
        assert!(net.rejections(1).len() > before.0, "byte {position} was not refused");
    }
    for length in 0..bytes.len() {
        net.wire.push_back((from, to, bytes[..length].to_vec()));
        net.deliver();
    }
    net.wire.clear();
    net.connect();
    net.agreed();
    assert_eq!(net.token(1).offdelta, -10);
}

#[test]
fn rule_6_nothing_moves_before_the_signature_is_verified() {
    let mut net = two();
    net.with_credit(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let (from, to, bytes) = net.wire.pop_front().unwrap();
    let mut message = Message::decode(&bytes).unwrap();
    let Part::Proposal { signature, .. } = &mut message.parts[0] else { panic!() };
    *signature = net.channel(0).tip().left.clone().unwrap();
    let before = net.channel(1).clone();
    net.wire.push_back((from, to, message.encode().unwrap()));
    net.deliver();
    assert_eq!(net.channel(1), &before, "a bad signature changes nothing, no counter either");
    assert!(matches!(net.rejections(1).last(), Some(Rejection::Signature(_))));
}

#[test]
fn impersonation_is_refused() {
    let mut keys: Vec<_> = (1..=3u8).map(|i| xln_core::crypto::LocalSigner::new(&[i; 32]).unwrap()).collect();
    keys.sort_by_key(xln_core::crypto::Signer::entity);
    let mut net = Net::new(keys);
    net.with_credit(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    let (_, to, bytes) = net.wire.pop_front().unwrap();
    net.wire.push_back((2, to, bytes));
    net.deliver();
    assert_eq!(net.rejections(1), [Rejection::WrongChannel]);
    assert_eq!(net.parties[1].machine.channels().count(), 1, "noise opens no channel");
}

#[test]
fn rule_25_the_store_refuses_to_go_back() {
    let mut net = two();
    net.with_credit(100);
    // The same key, an older copy of the log: two machines that do not know of each other.
    let old: Vec<Record> = net.parties[0].log.records.iter().map(|r| Record::decode(r).unwrap()).collect();
    net.run(0, pay(10));
    net.run(0, pay(11));
    let party = &mut net.parties[0];
    party.machine = Machine::restore(party.signer.entity(), None, old).unwrap();
    let peer = net.id(1);
    let cx = xln_core::machine::Context { now: net.now, signer: &net.parties[0].signer.clone() };
    let command = xln_core::machine::Command {
        peer,
        action: xln_core::machine::Action::Propose { transition: pay(5), submit: false },
    };
    let party = &mut net.parties[0];
    let staged = party.machine.stage(&cx, vec![Input::Command(command)]).unwrap();
    assert!(staged.commit(&mut party.log).is_err());
    assert!(matches!(party.machine.stage(&cx, vec![Input::Tick]), Err(xln_core::channel::StageError::InDoubt)));
}

#[test]
fn rule_26_a_claim_to_be_ahead_changes_nothing() {
    let mut net = two();
    net.with_credit(100);
    let channel = net.pair().channel_key();
    let claim = Part::Reestablish { height: 99, block_hash: Hash([1; 32]), state_hash: Hash([2; 32]), reply: false };
    net.wire.push_back((0, 1, Message { channel, parts: vec![claim] }.encode().unwrap()));
    net.settle();
    net.run(1, pay(5));
    net.agreed();
    assert_eq!(net.token(0).offdelta, 5);
}

#[test]
fn a_backup_signs_nothing_before_the_peer_has_answered_and_then_takes_the_later_state() {
    for who in 0..2 {
        let mut net = two();
        net.with_credit(100);
        let backup = net.parties[who].log.records.len();
        net.run(0, pay(10));
        net.run(1, pay(4));
        // In flight and never seen by the peer: the backup knows nothing of it.
        net.submit(who, vec![pay(1)]).remove(0).unwrap();
        net.wire.clear();
        let lost = net.channel(who).max_signed();
        let records: Vec<Record> =
            net.parties[who].log.records[..backup].iter().map(|r| Record::decode(r).unwrap()).collect();
        let entity = net.id(who);
        net.parties[who].machine = Machine::restore(entity, None, records).unwrap();
        net.parties[who].log = MemoryLog::default();
        net.stage(who, vec![Input::RestoredFromBackup]);
        net.submit(who, vec![pay(2)]).remove(0).unwrap();
        assert!(net.wire.is_empty(), "signs nothing before the peer answered");
        net.connect();
        net.agreed();
        assert_eq!(net.token(0).offdelta, if who == 0 { -8 } else { -4 });
        assert!(net.channel(who).state().nonce > lost, "what the lost log had signed is outranked");
    }
}

/// The backup has everything; the peer lacks the last acknowledgement. It brings the peer to where this side stands, and then
/// the peer must say so, or the node recovers for as long as the connection holds.
#[test]
fn a_backup_that_is_ahead_of_the_peer_recovers_in_the_same_connection() {
    let mut net = two();
    net.with_credit(100);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    net.deliver();
    net.wire.clear();
    assert!(net.channel(0).is_in_flight() && net.token(1).offdelta == -10, "the Ack is lost");
    net.stage(1, vec![Input::RestoredFromBackup]);
    net.connect();
    assert!(!net.channel(1).is_recovering());
    net.run(0, pay(1));
    net.run(1, pay(2));
    net.agreed();
    assert_eq!(net.token(0).offdelta, -9);
}

#[test]
fn a_refused_block_is_replaced_above_and_its_command_fails_only_when_outranked() {
    let mut net = two();
    net.with_credit(100);
    let e = net.now.plus(600);
    net.run(0, lock(10, 1, e));
    // Right's settlement is dated in time, but left's clock is past the expiry when it sees it.
    let settle = Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) };
    let command = net.submit(1, vec![settle]).remove(0).unwrap();
    let (from, to, bytes) = net.wire.pop_front().unwrap();
    net.now = e.plus(1);
    net.wire.push_back((from, to, bytes.clone()));
    net.deliver();
    assert!(matches!(net.rejections(0).last(), Some(Rejection::Refused(_))));
    let failed = |net: &Net| {
        net.parties[1].events.iter().any(|ev| matches!(ev, Event::CommandFailed { command: c, .. } if *c == command))
    };
    net.deliver();
    assert!(!failed(&net), "live until outranked");
    net.settle();
    assert!(failed(&net));
    net.agreed();
    assert_eq!(net.token(0).left_hold, 10);
    // A late copy of the refused block is refused the same way, and never acknowledged.
    net.wire.push_back((from, to, bytes));
    net.settle();
    net.agreed();
}

#[test]
fn a_block_from_the_future_waits_for_the_clock() {
    let mut net = two();
    net.with_credit(100);
    let before = net.now;
    net.now = before.plus(40);
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    net.now = before;
    net.deliver();
    assert_eq!(net.token(1).offdelta, 0);
    net.restart(1);
    net.now = before.plus(10);
    net.stage(1, vec![Input::Tick]);
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).offdelta, -10);
}

#[test]
fn rule_31_sync_needs_the_receivers_own_view() {
    let mut net = two();
    net.with_credit(100);
    net.block += 1;
    let fact = xln_core::chain::ChangeKind::Collateral(TokenFact { token: USD, collateral: 50, ondelta: 50 });
    net.chain_for(&[0], vec![fact.clone()], vec![]);
    net.settle();
    assert_eq!(net.token(1).collateral, 0, "no one adds collateral by word alone");
    net.chain_for(&[1], vec![fact], vec![]);
    net.settle();
    net.agreed();
    assert_eq!((net.token(1).collateral, net.token(1).ondelta), (50, 50));
    net.run(0, pay(150));
}

#[test]
fn rule_31_different_facts_are_refused() {
    let mut net = two();
    net.with_credit(100);
    net.block += 1;
    let fact =
        |c: u128| vec![xln_core::chain::ChangeKind::Collateral(TokenFact { token: USD, collateral: c, ondelta: 0 })];
    net.chain_for(&[1], fact(40), vec![]);
    net.chain_for(&[0], fact(50), vec![]);
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).collateral, 0);
    net.run(0, pay(10));
    net.agreed();
}

#[test]
fn rule_32_a_higher_epoch_ends_credit_and_what_was_pending() {
    let mut net = two();
    net.with_credit(100);
    net.collateral(50, 50);
    net.run(0, lock(10, 1, net.now.plus(600)));
    net.run(0, pay(20));
    net.chain(
        vec![
            xln_core::chain::ChangeKind::Collateral(TokenFact { token: USD, collateral: 0, ondelta: 0 }),
            xln_core::chain::ChangeKind::Closed { epoch: 1, settlement_nonce: 0 },
        ],
        vec![],
    );
    net.agreed();
    let token = net.token(0);
    assert_eq!(
        (token.offdelta, token.left_limit, token.right_limit, token.left_hold, token.collateral),
        (0, 0, 0, 0, 0)
    );
    assert_eq!(net.state(0).subchannels[&KEY].epoch, 1);
    assert!(
        net.refused(0, pay(1))
            == CommandError::Transition(TransitionError::InsufficientCapacity { available: 0, needed: 1 })
    );
}

#[test]
fn remote_signers_give_the_same_channel() {
    let mut net = two();
    net.parties[0].remote = true;
    net.parties[1].remote = true;
    let pump = |net: &mut Net| {
        for _ in 0..200 {
            for i in 0..2 {
                for (request, digest) in core::mem::take(&mut net.parties[i].requests) {
                    let signature = net.parties[i].signer.sign_digest(&digest).unwrap();
                    net.stage(i, vec![Input::Signed { request, signature }]);
                }
            }
            if !net.deliver() && net.parties.iter().all(|p| p.requests.is_empty()) {
                break;
            }
        }
    };
    for t in [
        open(KEY),
        Transition::AddToken { key: KEY, token: USD },
        Transition::SetCreditLimit { key: KEY, token: USD, limit: 50 },
    ] {
        net.submit(0, vec![t]).remove(0).unwrap();
        pump(&mut net);
    }
    net.submit(1, vec![pay(20)]).remove(0).unwrap();
    net.submit(0, vec![Transition::Memo { data: vec![1] }]).remove(0).unwrap();
    pump(&mut net);
    net.agreed();
    assert_eq!(net.token(0).offdelta, 20);
}

#[test]
fn a_settlement_signature_leaves_only_after_its_hold_is_agreed() {
    let mut net = two();
    net.with_credit(100);
    net.collateral(50, 50);
    let update = xln_core::proof::SettlementUpdate {
        diffs: vec![xln_core::proof::TokenDiff { token: USD, left: 20, right: 0, ondelta: -20 }],
        forgiven: vec![],
    };
    let expiry = net.now.plus(100);
    net.submit(0, vec![Transition::ProposeSettlement { key: KEY, update, expiry }]).remove(0).unwrap();
    let has_signature = |bytes: &[u8]| {
        Message::decode(bytes).unwrap().parts.iter().any(|p| matches!(p, Part::SettlementSignature { .. }))
    };
    assert!(net.wire.iter().all(|(_, _, b)| !has_signature(b)), "rule 24: not with the proposal");
    net.settle();
    net.agreed();
    assert_eq!(net.token(0).left_hold, 20);
    let open = net.channel(1).settlement(&KEY).unwrap();
    assert!(open.left.is_some() && open.right.is_some());
    // The local clock frees nothing; a confirmed block past the expiry does.
    net.now = expiry.plus(1);
    net.stage(0, vec![Input::Tick]);
    net.settle();
    assert_eq!(net.token(0).left_hold, 20);
    net.chain(vec![], vec![]);
    net.agreed();
    assert_eq!(net.token(0).left_hold, 0);
}
