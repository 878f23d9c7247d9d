//! What a peer may propose without the application's consent, and what follows from epochs and reorganisations that only
//! the chain knows of (`docs/protocol.md` sections 4 and 7).
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
use std::sync::Arc;

use common::*;
use xln_core::chain::{ChainFact, ChangeKind};
use xln_core::channel::{CommandError, Event, Freeze, Rejection};
use xln_core::limits::MAX_PENDING;
use xln_core::machine::{Action, Command, Input, Machine, Record};
use xln_core::proof::{Forgiven, SettlementUpdate, TokenDiff};
use xln_core::subcontract::{CreditDefaultSwapTerms, Instruments};
use xln_core::transition::Transition;
use xln_core::types::*;
use xln_core::wire::RejectReason;

fn update(left: i128, right: i128, ondelta: i128) -> SettlementUpdate {
    SettlementUpdate { diffs: vec![TokenDiff { token: USD, left, right, ondelta }], forgiven: vec![] }
}

fn propose(net: &mut Net, by: usize, update: SettlementUpdate) {
    let expiry = net.now.plus(100);
    net.submit(by, vec![Transition::ProposeSettlement { key: KEY, update, expiry }]).remove(0).unwrap();
    net.settle();
}

fn is_open(net: &Net, i: usize) -> bool {
    net.state(i).subchannels[&KEY].settlement.is_some()
}

#[test]
fn a_settlement_that_takes_from_the_receiver_needs_its_consent() {
    let claim = Forgiven { token: USD, debtor: Side::Right, index: 0 };
    // By right, received by left: its reserve, its balance, both against each other, its claim.
    let thefts = [
        update(-10, 10, 0),
        update(0, 10, -10),
        update(-10, 0, 10),
        SettlementUpdate { forgiven: vec![claim], ..update(0, 0, 0) },
    ];
    for theft in thefts {
        let mut net = two();
        net.with_credit(100);
        net.collateral(50, 50);
        propose(&mut net, 1, theft.clone());
        assert!(!is_open(&net, 0) && !is_open(&net, 1), "{theft:?}");
        assert!(net.rejections(0).contains(&Rejection::Refused(RejectReason::Policy { index: 0 })), "{theft:?}");
        net.agreed();
        let peer = net.id(1);
        let consent = Action::Consent { key: KEY, update: theft.clone() };
        net.stage(0, vec![Input::Command(Command { peer, action: consent })]);
        propose(&mut net, 1, theft.clone());
        assert!(is_open(&net, 0) && is_open(&net, 1), "{theft:?}");
        // Once: the consent is used up.
        net.now = net.now.plus(101);
        net.chain(vec![], vec![]);
        assert!(!is_open(&net, 0));
        propose(&mut net, 1, theft);
        assert!(!is_open(&net, 0));
        net.agreed();
    }
}

#[test]
fn a_settlement_that_takes_nothing_from_the_receiver_needs_no_consent() {
    // Left takes its own balance out; right tops up its side of the channel.
    for (by, fair) in [(0, update(10, 0, -10)), (1, update(0, -10, 0))] {
        let mut net = two();
        net.with_credit(100);
        net.collateral(50, 50);
        propose(&mut net, by, fair);
        assert!(is_open(&net, 0) && is_open(&net, 1));
        net.agreed();
    }
}

#[test]
fn a_foreign_provider_or_an_endless_margin_is_refused_on_both_sides() {
    for (providers, settle_margin_s) in
        [(vec![Address([9; 20])], 0), (vec![PROVIDER, Address([9; 20])], 0), (vec![PROVIDER], 3601)]
    {
        let mut net = two();
        let transition = Transition::OpenSubchannel { key: KEY, providers, settle_margin_s };
        assert_eq!(net.refused(0, transition.clone()), CommandError::UnknownDepository);
        // A peer that does not ask itself.
        let mut config = config();
        for depository in &mut config.depositories {
            depository.providers.push(Address([9; 20]));
            depository.max_settle_margin_s = u64::MAX;
        }
        net.stage(0, vec![Input::Configure(config)]);
        net.submit(0, vec![transition]).remove(0).unwrap();
        net.settle();
        assert!(net.rejections(1).contains(&Rejection::Refused(RejectReason::Policy { index: 0 })));
        assert!(net.state(1).subchannels.is_empty());
    }
}

#[test]
fn a_depository_with_too_short_a_window_is_refused() {
    let mut net = two();
    let short = xln_core::channel::ChannelConfig { min_window_s: 3601, ..config() };
    net.stage(1, vec![Input::Configure(short)]);
    net.submit(0, vec![open(KEY)]).remove(0).unwrap();
    net.settle();
    assert!(net.rejections(1).contains(&Rejection::Refused(RejectReason::Policy { index: 0 })));
}

#[test]
fn nothing_is_agreed_in_a_dead_epoch() {
    let mut net = two();
    net.with_credit(100);
    // Only right has seen that the epoch rose: left goes on in leaves that enforce nothing.
    net.block += 1;
    net.chain_for(&[1], vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }], vec![]);
    net.settle();
    assert_eq!(net.channel(1).frozen(&KEY), Some(Freeze::Sighted));
    net.submit(0, vec![pay(10)]).remove(0).unwrap();
    net.settle();
    assert_eq!(net.token(1).offdelta, 0);
    assert!(net.rejections(1).contains(&Rejection::Refused(RejectReason::Frozen { index: 0 })));
}

#[test]
fn a_deep_reorganisation_takes_facts_back_and_the_new_branch_counts() {
    let mut net = two();
    net.with_credit(100);
    net.collateral(50, 50);
    let chain = KEY.chain;
    for i in 0..2 {
        net.stage(i, vec![Input::Chain(ChainFact::Reorganised { chain, number: net.block })]);
    }
    net.settle();
    assert!(net.parties.iter().all(|p| p.events.iter().any(|e| matches!(e, Event::Alarm { .. }))));
    assert_eq!(net.channel(0).frozen(&KEY), Some(Freeze::Alarm));
    // The same number again, on the new branch, with other facts; then a later block.
    net.chain_for(&[0, 1], vec![ChangeKind::Collateral(TokenFact { token: USD, collateral: 20, ondelta: 20 })], vec![]);
    for (i, j) in [(0, 1), (1, 0)] {
        let peer = net.id(j);
        net.stage(i, vec![Input::ClearAlarm { peer, key: KEY }]);
    }
    net.chain(vec![], vec![]);
    net.agreed();
    assert_eq!((net.token(0).collateral, net.token(1).ondelta), (20, 20));
}

#[test]
fn waiting_for_the_chain_does_not_spin() {
    let mut net = two();
    net.with_credit(100);
    net.block += 1;
    net.chain_for(&[0], vec![ChangeKind::Collateral(TokenFact { token: USD, collateral: 50, ondelta: 50 })], vec![]);
    net.settle();
    net.now = net.now.plus(2);
    net.stage(1, vec![Input::Tick]);
    assert!(
        net.parties[1].machine.poll_timeout().is_none_or(|at| at > net.now),
        "nothing to do before the chain moves"
    );
}

/// What a lost block may have used up is not there after a restore, nor after the peer has shown a state that was lost.
#[test]
fn a_consent_does_not_outlive_a_restore_from_a_backup() {
    for (announced, lost) in [(true, true), (true, false), (false, true)] {
        let mut net = two();
        net.with_credit(100);
        net.collateral(50, 50);
        let theft = update(-10, 10, 0);
        let peer = net.id(1);
        let action = Action::Consent { key: KEY, update: theft.clone() };
        net.stage(0, vec![Input::Command(Command { peer, action })]);
        let backup: Vec<Record> = net.parties[0].log.records.iter().map(|r| Record::decode(r).unwrap()).collect();
        if lost {
            propose(&mut net, 1, theft.clone());
            assert!(is_open(&net, 0));
            net.now = net.now.plus(101);
            net.chain(vec![], vec![]);
            assert!(!is_open(&net, 0) && !is_open(&net, 1));
        }
        net.parties[0].machine = Machine::restore(net.id(0), None, backup).unwrap();
        net.parties[0].log = MemoryLog::default();
        net.stage(0, vec![if announced { Input::RestoredFromBackup } else { Input::Restarted }]);
        net.connect();
        net.agreed();
        propose(&mut net, 1, theft);
        assert!(!is_open(&net, 0) && !is_open(&net, 1), "announced {announced}, lost {lost}");
        net.agreed();
    }
}

/// A swap against the default of somebody, in which the right or left side holds.
fn default_swap(net: &Net, payer: Side) -> Transition {
    let (not_before, expiry) = (net.now, net.now.plus(1000));
    let terms = CreditDefaultSwapTerms { payer, amount: 1, expiry, not_before, reference: [7; 32], debt_token: EUR };
    let terms = terms.encode().unwrap();
    Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument: 3, tokens: vec![USD], terms }
}

/// However many commands of an honest node its peer refuses, for what it has not consented to or does not know, the
/// channel goes on, whoever proposes them, and also right after a restore from a backup.
#[test]
fn refusals_without_end_stop_no_channel() {
    for (proposers, knows, recovered) in [
        (vec![0], true, false),
        (vec![1], true, false),
        (vec![0, 1], true, false),
        (vec![0], false, false),
        (vec![1], false, false),
        (vec![0], true, true),
        (vec![1], false, true),
    ] {
        let mut net = two();
        if !knows {
            let i = 1 - proposers[0];
            net.parties[i].machine = Machine::new_with(net.id(i), Arc::new(Instruments::none()));
            net.parties[i].log = MemoryLog::default();
            net.stage(i, vec![Input::Configure(config())]);
        }
        net.with_credit(1000);
        net.chain(vec![], vec![]);
        net.now = net.now.plus(10);
        if recovered {
            net.stage(proposers[0], vec![Input::RestoredFromBackup]);
        }
        for i in &proposers {
            let commands = vec![default_swap(&net, side(1 - i)); MAX_PENDING / 2];
            let taken = net.submit(*i, commands);
            assert!(taken.iter().all(Result::is_ok), "{taken:?}");
        }
        if recovered {
            net.connect();
        }
        net.settle();
        net.agreed();
        assert!(net.state(0).subchannels[&KEY].pending.is_empty());
        for i in &proposers {
            let failed = |e: &&Event| matches!(e, Event::CommandFailed { error: CommandError::RefusedByPeer(_), .. });
            assert_eq!(net.parties[*i].events.iter().filter(failed).count(), MAX_PENDING / 2);
        }
        for i in [0, 1] {
            let before = net.token(0).offdelta;
            net.run(i, pay(5));
            net.agreed();
            assert_eq!(net.token(0).offdelta.abs_diff(before), 5);
        }
    }
}
