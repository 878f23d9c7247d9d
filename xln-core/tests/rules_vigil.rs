//! What a node does by itself when it is told to watch (`docs/protocol.md` sections 4 and 7), and what it can show when.
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
use xln_core::chain::{ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{Arguments, CommandError, Event};
use xln_core::machine::{Action, Effect, Input, InputOutcome, WantedBody};
use xln_core::state::Pending;
use xln_core::transition::Transition;
use xln_core::types::*;
use xln_core::wire::RejectReason;

fn net() -> Net {
    let mut net = two();
    net.with_credit(100);
    for i in 0..2 {
        net.configure(i, |c| c.vigilant = true);
    }
    net
}

fn started(starter: Side, nonce: u64, at: UnixSeconds) -> ChangeKind {
    ChangeKind::Dispute { epoch: 0, dispute: dispute(starter, nonce, at), fills: vec![], body: vec![] }
}

/// One confirmed block for one party; messages of the other stay where they are.
fn block(net: &mut Net, i: usize, kinds: Vec<ChangeKind>, reveals: Vec<Reveal>) {
    net.block += 1;
    net.chain_for(&[i], kinds, reveals);
    net.wire.clear();
}

fn shown(i: u8, at: UnixSeconds) -> Reveal {
    Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: secret(i), at }
}

#[test]
fn a_stale_start_is_countered_once_at_first_sight_and_again_after_a_failure() {
    let mut net = net();
    let old = net.state(0).nonce.0;
    net.run(0, pay(10));
    let change = ChainChange { key: KEY, pair: net.pair(), kind: started(Side::Right, old, net.now) };
    net.stage(0, vec![Input::Chain(ChainFact::Sighted { change })]);
    let calls = net.calls(0);
    let [ChainCall::CounterDispute { dispute, evidence, both: false, .. }] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((dispute.nonce, evidence.nonce), (old, net.state(0).nonce));
    assert!(evidence.right.is_some(), "signed by the starter");
    assert!(
        net.parties[0].events.iter().any(
            |e| matches!(e, Event::DisputeSeen { shown, best, .. } if shown.0 == old && *best == net.state(0).nonce)
        )
    );
    let at = net.now;
    block(&mut net, 0, vec![started(Side::Right, old, at)], vec![]);
    block(&mut net, 0, vec![], vec![]);
    net.stage(0, vec![Input::Tick]);
    assert!(net.calls(0).is_empty(), "once");
    // The effect stays until it is completed; failed for good it is made again.
    let (effect, _) = net.parties[0].machine.pending_effects().next().unwrap();
    net.stage(0, vec![Input::Completed { effect, success: false }]);
    assert!(matches!(net.calls(0)[..], [ChainCall::CounterDispute { .. }]));
}

#[test]
fn a_stale_start_that_a_reorganisation_moves_is_countered_again() {
    let mut net = net();
    let old = net.state(0).nonce.0;
    net.run(0, pay(10));
    let first = net.now;
    for at in [first, first.plus(12)] {
        let change = ChainChange { key: KEY, pair: net.pair(), kind: started(Side::Right, old, at) };
        net.stage(0, vec![Input::Chain(ChainFact::Sighted { change })]);
        let calls = net.calls(0);
        // What is shown to the chain names the start with its time: the counter of the first is void for the second.
        let [ChainCall::CounterDispute { dispute, .. }] = &calls[..] else { panic!("{at:?}: {calls:?}") };
        assert_eq!(dispute.started_at, at);
        // The first one fails as overtaken, which counts as done.
        let (effect, _) = net.parties[0].machine.pending_effects().next().unwrap();
        net.stage(0, vec![Input::Completed { effect, success: true }]);
        assert!(net.calls(0).is_empty());
    }
}

#[test]
fn what_is_not_stale_or_not_watched_is_not_countered() {
    let mut net = net();
    net.run(0, pay(10));
    let current = net.state(0).nonce.0;
    let at = net.now;
    for nonce in [current, current + 4] {
        block(&mut net, 0, vec![started(Side::Right, nonce, at)], vec![]);
        assert!(net.calls(0).is_empty());
    }
    assert!(matches!(
        net.command(0, Action::CounterDispute { key: KEY, arguments: Arguments::default() }),
        InputOutcome::Refused(CommandError::NotNewer)
    ));
    // A node that is not told to watch reports and leaves it to its user.
    net.configure(1, |c| c.vigilant = false);
    block(&mut net, 1, vec![started(Side::Left, 1, at)], vec![]);
    assert!(net.calls(1).is_empty());
    assert!(matches!(
        net.command(1, Action::CounterDispute { key: KEY, arguments: Arguments::default() }),
        InputOutcome::Accepted(_)
    ));
    assert!(matches!(net.calls(1)[..], [ChainCall::CounterDispute { both: false, .. }]));
    assert!(matches!(
        net.command(1, Action::AcceptDispute { key: KEY, arguments: Arguments::default() }),
        InputOutcome::Accepted(_)
    ));
    assert!(matches!(net.calls(1)[..], [ChainCall::AcceptDispute { .. }]));
}

#[test]
fn rule_23_the_starter_counters_itself_only_with_both_signatures() {
    let mut net = net();
    let old = net.state(0).nonce.0;
    net.run(0, pay(10));
    let at = net.now;
    block(&mut net, 0, vec![started(Side::Left, old, at)], vec![]);
    let calls = net.calls(0);
    let [ChainCall::CounterDispute { evidence, both: true, .. }] = &calls[..] else { panic!("{calls:?}") };
    assert!(evidence.left.is_some() && evidence.right.is_some());
}

#[test]
fn a_recovering_node_still_counters_what_is_older_than_what_it_holds() {
    let mut net = net();
    let old = net.state(0).nonce.0;
    net.run(0, pay(10));
    net.stage(0, vec![Input::RestoredFromBackup]);
    let at = net.now;
    block(&mut net, 0, vec![started(Side::Right, old, at)], vec![]);
    assert!(matches!(net.calls(0)[..], [ChainCall::CounterDispute { .. }]));
    assert!(net.wire.is_empty());
}

#[test]
fn a_dispute_is_finalized_after_its_window_by_the_chains_clock() {
    let mut net = net();
    net.collateral(50, 50);
    net.run(0, pay(10));
    let evidence = net.channel(0).best_evidence(&KEY).unwrap();
    let at = net.now;
    let fact = DisputeFact { body_hash: evidence.body_hash(), ..dispute(Side::Right, evidence.nonce.0, at) };
    let kind = ChangeKind::Dispute { epoch: 0, dispute: fact, fills: vec![], body: vec![] };
    block(&mut net, 0, vec![kind], vec![]);
    net.now = at.plus(3600);
    net.stage(0, vec![Input::Tick]);
    block(&mut net, 0, vec![], vec![]);
    assert!(net.calls(0).is_empty(), "not at the deadline itself");
    net.now = at.plus(3601);
    let peer = net.id(1);
    net.stage(0, vec![Input::Tick, Input::Disconnected { peer }]);
    assert!(net.calls(0).is_empty(), "not by an own clock");
    block(&mut net, 0, vec![], vec![]);
    let calls = net.calls(0);
    let [ChainCall::FinalizeDispute { body, starter_fills, answerer_fills, .. }] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!((body, starter_fills.len(), answerer_fills.len()), (&evidence.body, 0, 0));
    block(&mut net, 0, vec![], vec![]);
    assert!(net.calls(0).is_empty(), "once");
    // After the window a stale state is not countered any more, and what nobody has shown cannot be revealed.
    let mut net = self::net();
    let old = net.state(1).nonce.0;
    net.run(0, pay(10));
    let at = net.now;
    net.now = at.plus(4000);
    block(&mut net, 1, vec![started(Side::Left, old, at)], vec![]);
    assert!(net.calls(1).is_empty());
    assert_eq!(
        net.command(1, Action::FinalizeDispute { key: KEY, arguments: Arguments::default() }),
        InputOutcome::Refused(CommandError::NothingToShow)
    );
    let arguments = Arguments { body: Some(vec![1, 2, 3]), ..Arguments::default() };
    assert!(matches!(net.command(1, Action::FinalizeDispute { key: KEY, arguments }), InputOutcome::Accepted(_)));
}

#[test]
fn fills_and_bodies_that_the_chain_has_shown_serve_to_finalize() {
    let mut net = net();
    let body = vec![9, 9, 9];
    let fills = vec![7; 24];
    let fact = DisputeFact {
        body_hash: xln_core::proof::body_hash(&body),
        starter_fills_hash: xln_core::proof::fills_hash(&fills),
        ..dispute(Side::Right, 0, net.now)
    };
    net.configure(0, |c| c.vigilant = false);
    block(
        &mut net,
        0,
        vec![ChangeKind::Dispute { epoch: 0, dispute: fact, fills: fills.clone(), body: body.clone() }],
        vec![],
    );
    let arguments = Arguments { fills: vec![5; 24], ..Arguments::default() };
    net.command(0, Action::FinalizeDispute { key: KEY, arguments });
    let calls = net.calls(0);
    let [ChainCall::FinalizeDispute { body: b, starter_fills, answerer_fills, .. }] = &calls[..] else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (b, starter_fills, answerer_fills),
        (&body, &fills, &vec![5; 24]),
        "an early finalize of the non-starter is its answer"
    );
}

#[test]
fn a_secret_is_put_on_chain_at_the_margin_and_not_before() {
    let mut net = net();
    let expiry = net.now.plus(5000);
    net.run(0, lock(10, 1, expiry));
    net.submit(1, vec![Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) }]).remove(0).unwrap();
    net.wire.clear();
    let margin = net.parties[1].machine.config().reveal_margin_s;
    net.now = expiry.minus(margin + 1);
    net.stage(1, vec![Input::Tick]);
    assert!(net.calls(1).is_empty());
    assert_eq!(net.parties[1].machine.poll_timeout(), Some(expiry.minus(margin)));
    net.now = expiry.minus(margin);
    net.stage(1, vec![Input::Tick]);
    let calls = net.calls(1);
    assert!(
        matches!(&calls[..], [ChainCall::Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: s }] if *s == secret(1)),
        "{calls:?}"
    );
    net.stage(1, vec![Input::Tick]);
    assert!(net.calls(1).is_empty(), "once");
    // An acknowledged settlement needs no reveal.
    let mut net = self::net();
    let expiry = net.now.plus(5000);
    net.run(0, lock(10, 1, expiry));
    net.run(1, Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) });
    net.now = expiry;
    net.stage(1, vec![Input::Tick]);
    assert!(net.calls(1).is_empty());
}

#[test]
fn a_secret_that_stands_in_the_registry_settles_by_itself_also_late() {
    for late in [false, true] {
        let mut net = net();
        let expiry = net.now.plus(5000);
        net.run(0, lock(10, 1, expiry));
        net.now = if late { expiry } else { net.now.plus(10) };
        let at = net.now;
        if late {
            net.now = expiry.plus(1);
        }
        net.chain(vec![], vec![shown(1, at)]);
        net.stage(0, vec![Input::Tick]);
        net.settle();
        net.chain(vec![], vec![]);
        net.agreed();
        assert_eq!((net.token(0).offdelta, net.token(0).left_hold), (-10, 0), "late: {late}");
        assert!(net.state(0).subchannels[&KEY].pending.is_empty());
    }
}

#[test]
fn what_the_registry_shows_already_is_no_reason_to_wake_up() {
    let mut net = net();
    let expiry = net.now.plus(5000);
    net.run(0, lock(10, 1, expiry));
    net.submit(1, vec![Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) }]).remove(0).unwrap();
    net.wire.clear();
    // The peer is silent; somebody has made the entry already.
    let reveal = shown(1, net.now);
    block(&mut net, 1, vec![], vec![reveal]);
    net.now = expiry.minus(net.parties[1].machine.config().reveal_margin_s);
    let late = |net: &Net| net.parties[1].machine.poll_timeout().is_some_and(|at| at <= net.now);
    for _ in 0..3 {
        net.stage(1, vec![Input::Tick]);
        net.wire.clear();
        assert!(net.calls(1).is_empty(), "the entry is there");
        assert!(!late(&net), "a tick that changes nothing asks for no other one");
        net.now = net.now.plus(1);
    }
}

#[test]
fn a_reveal_one_second_too_late_gives_the_payment_back_by_itself() {
    let mut net = net();
    let expiry = net.now.plus(50);
    net.run(0, lock(10, 1, expiry));
    net.now = expiry.plus(1);
    let at = net.now;
    net.chain(vec![], vec![shown(1, at)]);
    net.chain(vec![], vec![]);
    net.agreed();
    assert_eq!((net.token(0).offdelta, net.token(0).left_hold), (0, 0));
}

#[test]
fn the_payer_cancels_by_itself_only_after_the_chain_has_passed_the_expiry() {
    for payer in 0..2 {
        let mut net = net();
        let expiry = net.now.plus(50);
        net.run(payer, lock(10, 1, expiry));
        net.now = expiry.plus(1000);
        net.stage(payer, vec![Input::Tick]);
        net.settle();
        assert_eq!(net.state(0).subchannels[&KEY].pending.len(), 1, "no clock gives it back");
        net.now = expiry;
        net.chain(vec![], vec![]);
        assert_eq!(net.state(0).subchannels[&KEY].pending.len(), 1);
        net.now = expiry.plus(1);
        net.chain(vec![], vec![]);
        net.agreed();
        assert!(net.state(0).subchannels[&KEY].pending.is_empty(), "payer {payer}");
        assert_eq!(net.token(0).hold(side(payer)), 0);
    }
}

#[test]
fn a_swap_outlives_nothing_but_its_maker() {
    let mut net = net();
    let expiry = net.now.plus(5);
    net.run(
        0,
        Transition::OfferSwap { key: KEY, give_token: USD, give: 10, want_token: EUR, want: 10, min_fill: 0, expiry },
    );
    net.now = expiry.plus(100);
    net.chain(vec![], vec![]);
    assert!(matches!(net.state(0).subchannels[&KEY].pending[&1], Pending::Swap(_)));
    net.run(0, Transition::CancelSwap { key: KEY, id: 1 });
    assert_eq!(net.token(1).left_hold, 0);
}

#[test]
fn a_close_is_submitted_with_both_signatures_if_its_proposer_asked_for_it() {
    let mut net = net();
    net.collateral(50, 20);
    net.run(0, pay(10));
    let expiry = net.now.plus(500);
    let peer = net.id(1);
    let action = Action::Propose { transition: Transition::ProposeClose { key: KEY, expiry }, submit: true };
    net.stage(0, vec![Input::Command(xln_core::machine::Command { peer, action })]);
    assert!(net.calls(0).is_empty());
    net.settle();
    net.agreed();
    let calls = net.calls(0);
    let [ChainCall::CooperativeClose { body, .. }] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(xln_core::proof::Body::parse(body).unwrap().tokens, [(USD, -10), (EUR, 0)]);
    assert!(net.calls(1).is_empty(), "one of the two is enough");
    net.chain(
        vec![
            ChangeKind::Closed { epoch: 1, settlement_nonce: 1 },
            ChangeKind::Collateral(TokenFact { token: USD, collateral: 0, ondelta: 0 }),
        ],
        vec![],
    );
    net.agreed();
    assert_eq!(
        (net.token(0).offdelta, net.token(0).left_limit, net.state(0).subchannels[&KEY].settlement.clone()),
        (0, 0, None)
    );
}

/// Left's payments are in flight when right shows them on chain; right refuses them only when the window is over. The block
/// that outranks them comes too late, so they have not failed: a hop that took one for failed would give back
/// what it has paid.
#[test]
fn what_a_dispute_may_come_out_at_is_neither_failed_nor_said_again() {
    for refused in [true, false] {
        let mut net = net();
        net.collateral(50, 50);
        let ids = net.submit(0, vec![pay(10), pay(11)]);
        let [Ok(first), Ok(second)] = ids[..] else { panic!("{ids:?}") };
        let block = proposals(&net.taken())[0].clone();
        let nonce = Nonce::of(block.height, Side::Left).unwrap().0;
        let at = net.now;
        for (time, kinds) in [(at, vec![started(Side::Right, nonce, at)]), (at.plus(3601), vec![])] {
            (net.now, net.block) = (time, net.block + 1);
            net.chain_for(&[0, 1], kinds, vec![]);
            net.wire.clear();
        }
        net.parties[0].events.clear();
        // The first command is to blame, or none is.
        let reason = if refused { RejectReason::Frozen { index: 0 } } else { RejectReason::HeightTooLow };
        let reject = net.reject_of(1, &block, reason, block.height);
        let next = proposals(&net.inject(1, reject)).remove(0);
        assert!(matches!(next.transitions[..], [Transition::SyncChain { .. }]), "nothing else touches it: {next:?}");
        net.connect();
        net.agreed();
        assert!(net.state(0).nonce.0 > nonce, "the next block outranks it");
        let failed = |event: &Event| match event {
            Event::CommandFailed { command, error } => Some((*command, *error)),
            _ => None,
        };
        let fates: Vec<_> = net.parties[0].events.iter().filter_map(failed).collect();
        let unknown = CommandError::FateUnknown;
        assert_eq!(fates, [(first, unknown), (second, unknown)]);
        assert_eq!(net.channel(0).queued(), 0);
        // The end of the epoch is recorded: nothing of it is paid once more.
        net.now = net.now.plus(1);
        let closed = ChangeKind::Closed { epoch: 1, settlement_nonce: 0 };
        let fact = TokenFact { token: USD, collateral: 0, ondelta: 0 };
        net.chain(vec![ChangeKind::Collateral(fact), closed], vec![]);
        net.agreed();
        assert_eq!((net.state(0).subchannels[&KEY].epoch, net.token(0).offdelta), (1, 0));
    }
}

#[test]
fn a_body_that_was_held_when_it_was_shown_serves_to_finalize() {
    let mut net = net();
    let evidence = net.channel(0).best_evidence(&KEY).unwrap();
    // Right has proposed before it sees the start, left sees it later than right's block.
    net.run(1, Transition::Memo { data: vec![1] });
    net.submit(1, vec![pay(10)]).remove(0).unwrap();
    let at = net.now;
    let fact = DisputeFact { body_hash: evidence.body_hash(), ..dispute(Side::Left, evidence.nonce.0, at) };
    let kind = ChangeKind::Dispute { epoch: 0, dispute: fact, fills: vec![], body: vec![] };
    net.block += 1;
    net.chain_for(&[1], vec![kind], vec![]);
    net.settle();
    net.agreed();
    assert_eq!(net.token(1).offdelta, 10, "agreed before left saw the start: the shown body is no state's any more");
    net.now = at.plus(3601);
    block(&mut net, 1, vec![], vec![]);
    let calls = net.calls(1);
    // The counter has not come into a block.
    let Some(ChainCall::FinalizeDispute { body, .. }) = calls.last() else { panic!("{calls:?}") };
    assert_eq!(*body, evidence.body);
}

/// A dispute with a state that party 1 has agreed to and does not hold any more: its body and the change that shows it.
fn forgotten(net: &mut Net) -> (Vec<u8>, ChangeKind) {
    net.run(0, pay(10));
    let old = net.channel(1).best_evidence(&KEY).unwrap();
    net.run(0, pay(5));
    let fact = DisputeFact { body_hash: old.body_hash(), ..dispute(Side::Left, old.nonce.0, net.now) };
    assert!(net.channel(1).body(&KEY, &fact.body_hash).is_none());
    (old.body, ChangeKind::Dispute { epoch: 0, dispute: fact, fills: vec![], body: vec![] })
}

#[test]
fn a_body_that_is_not_held_is_asked_for_when_the_dispute_is_due() {
    let mut net = net();
    let (body, kind) = forgotten(&mut net);
    let (at, peer, body_hash) = (net.now, net.id(0), xln_core::proof::body_hash(&body));
    let asked = [WantedBody { peer, key: KEY, body_hash }];
    net.now = at.plus(3600);
    block(&mut net, 1, vec![kind.clone()], vec![]);
    assert!(matches!(net.calls(1)[..], [ChainCall::CounterDispute { .. }]));
    assert_eq!(net.parties[1].wanted, [], "not at the deadline itself");
    net.now = at.plus(3601);
    block(&mut net, 1, vec![], vec![]);
    assert_eq!(net.parties[1].wanted, asked);
    // It is in no state: a restarted node asks again.
    net.restart(1);
    block(&mut net, 1, vec![], vec![]);
    assert_eq!(net.parties[1].wanted, asked);
    // Nothing but the body that is shown ends the dispute.
    let other = net.channel(1).best_evidence(&KEY).unwrap().body;
    for (key, body) in [(KEY, &other), (KEY, &vec![]), (KEY2, &body)] {
        net.stage(1, vec![Input::Supplied { peer, key, body: body.clone() }]);
        assert_eq!((net.calls(1).len(), &net.parties[1].wanted[..]), (0, &asked[..]));
    }
    net.stage(1, vec![Input::Supplied { peer, key: KEY, body: body.clone() }]);
    let calls = net.calls(1);
    let [ChainCall::FinalizeDispute { body: revealed, .. }] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((revealed, &net.parties[1].wanted[..]), (&body, &[][..]));
    block(&mut net, 1, vec![], vec![]);
    assert_eq!((net.calls(1).len(), net.parties[1].wanted.len()), (0, 0), "once");
    // Refused while a payment is pending it is tried again, after a restart too, with the body that is held now.
    net.restart(1);
    let ends =
        |effect: &Effect| matches!(effect, Effect::Submit(a) if matches!(a.call, ChainCall::FinalizeDispute { .. }));
    let (effect, _) = net.parties[1].machine.pending_effects().find(|(_, effect)| ends(effect)).unwrap();
    net.stage(1, vec![Input::Completed { effect, success: false }]);
    assert!(matches!(net.calls(1)[..], [ChainCall::FinalizeDispute { .. }]));
    assert_eq!(net.parties[1].wanted, []);
    // A node that is not told to watch leaves it to its user.
    let mut net = self::net();
    let (_, kind) = forgotten(&mut net);
    net.configure(1, |c| c.vigilant = false);
    net.now = net.now.plus(3601);
    block(&mut net, 1, vec![kind], vec![]);
    assert_eq!(net.parties[1].wanted, []);
}

#[test]
fn a_body_that_is_handed_over_ends_no_dispute_before_its_time() {
    let mut net = net();
    let (body, kind) = forgotten(&mut net);
    let (at, peer) = (net.now, net.id(0));
    net.now = at.plus(3600);
    block(&mut net, 1, vec![kind], vec![]);
    assert!(matches!(net.calls(1)[..], [ChainCall::CounterDispute { .. }]));
    // The one who did not start could finalize now: that would be its answer, and cut off a better one.
    net.stage(1, vec![Input::Supplied { peer, key: KEY, body }]);
    assert!(net.calls(1).is_empty());
    net.now = at.plus(3601);
    block(&mut net, 1, vec![], vec![]);
    assert!(matches!(net.calls(1)[..], [ChainCall::FinalizeDispute { .. }]));
    assert_eq!(net.parties[1].wanted, []);
}
