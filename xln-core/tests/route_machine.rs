//! Payments over several hops on real machines (`docs/protocol.md` section 9): forwarded, settled and given back, with
//! crashes, refusals, closes and late secrets in between.
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
mod route_common;

use common::*;
use route_common::*;
use xln_core::chain::{ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{Arguments, CommandError, End, Event};
use xln_core::machine::{Action, Command, Input, Log, Machine, Record};
use xln_core::route::*;
use xln_core::transition::Transition;
use xln_core::types::*;

#[test]
fn each_hop_takes_its_fee_and_the_last_one_the_amount() {
    let mut net = line(4);
    expect(&mut net, 3, 10_000, 1);
    let route = plan(&net, &[1, 2, 3], 10_000, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    at_rest(&net);
    // 1 % each: 100 of 10,000 for the second hop, 101 of 10,100 for the first.
    assert_eq!([0, 1, 2, 3].map(|i| wealth(&net, i)), [-10_201, 101, 100, 10_000]);
    assert_eq!(end(&net, 0), End::Settled(secret(1)));
    assert_eq!(end(&net, 3), End::Settled(secret(1)));
    assert!(ended(&net, 1).is_empty() && ended(&net, 2).is_empty(), "what is passed on is not a hop's own");
    for i in 0..3 {
        assert_eq!(pending(&net, i, i + 1), 0);
    }
}

#[test]
fn one_neighbour_is_a_route_too() {
    let mut net = line(2);
    expect(&mut net, 1, 70, 1);
    let route = plan(&net, &[1], 70, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!(wealth(&net, 1), 70);
}

#[test]
fn what_is_refused_in_the_middle_unwinds_everything() {
    let mut net = line(4);
    // The last channel carries less than the others.
    tell(&mut net, 3, 2, Transition::SetCreditLimit { key: KEY, token: USD, limit: 50 }).unwrap();
    net.settle();
    let before: Vec<_> = (0..3).map(|i| token(&net, i, i + 1).clone()).collect();
    expect(&mut net, 3, 51, 1);
    let route = plan(&net, &[1, 2, 3], 51, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    at_rest(&net);
    let after: Vec<_> = (0..3).map(|i| token(&net, i, i + 1).clone()).collect();
    assert_eq!(before, after);
    assert!((0..3).all(|i| pending(&net, i, i + 1) == 0));
    assert_eq!(failure(&net, &route), Some((1, FailureCode::InsufficientCapacity)));
}

#[test]
fn a_refused_settlement_is_tried_again_after_a_while_and_not_at_once() {
    let mut net = line(3);
    expect(&mut net, 2, 10_000, 1);
    let route = plan(&net, &[1, 2], 10_000, 1);
    send(&mut net, 0, &route).unwrap();
    // The hop starts a dispute that the recipient cannot see yet, and refuses what it says of the lock.
    while pending(&net, 2, 1) == 0 {
        assert!(net.deliver());
    }
    let action = Action::StartDispute { key: KEY, arguments: Arguments::default() };
    let peer = net.id(2);
    net.stage(1, vec![Input::Command(Command { peer, action })]);
    net.settle();
    let refusals = |net: &Net| net.parties[2].events.iter().filter(|e| matches!(e, Event::Refused { .. })).count();
    assert_eq!(refusals(&net), 1);
    for tries in 2..4 {
        net.now = net.now.plus(11);
        net.stage(2, vec![Input::Tick]);
        net.settle();
        assert_eq!(refusals(&net), tries, "it goes on trying");
    }
    // The start did not come about: the next try succeeds.
    let (effect, _) = net.parties[1].actions.remove(0);
    net.stage(1, vec![Input::Completed { effect, success: false }]);
    net.now = net.now.plus(11);
    net.stage(2, vec![Input::Tick]);
    net.settle();
    assert_eq!([0, 1, 2].map(|i| wealth(&net, i)), [-10_100, 100, 10_000]);
}

/// Sends along a line of three and says how it failed.
fn fails(net: &mut Net, route: &Route) -> Option<(usize, FailureCode)> {
    send(net, 0, route).unwrap();
    net.settle();
    at_rest(net);
    assert_eq!((pending(net, 0, 1), pending(net, 1, 2)), (0, 0));
    assert_eq!([0, 1, 2].map(|i| wealth(net, i)), [0, 0, 0]);
    failure(net, route)
}

#[test]
fn hops_refuse_what_their_policy_refuses() {
    let path = [1, 2];
    let with = |fee, gap, amount| {
        move |net: &Net| {
            let lock = Lock { kind: KIND, hash: secret(1).hash(KIND), expiry: net.now.plus(5000) };
            Route::new(&hops(net, &path, fee, gap), amount, &lock, &[1; 32]).unwrap()
        }
    };
    let mut net = line(3);
    expect(&mut net, 2, 10_000, 1);
    let route = with(FEE_PPM - 100, 0, 10_000)(&net);
    assert_eq!(route.locks[0].0, 10_099, "one less than the hop wants");
    assert_eq!(fails(&mut net, &route), Some((0, FailureCode::FeeTooLow)));

    let mut net = line(3);
    configure(&mut net, 1, |c| c.routing.as_mut().unwrap().forwards = false);
    expect(&mut net, 2, 10_000, 1);
    let route = with(FEE_PPM, 0, 10_000)(&net);
    assert_eq!(fails(&mut net, &route), Some((0, FailureCode::NotForwarding)));

    // What is settled off chain at the last moment must still get into the registry for the incoming lock.
    let mut net = line(3);
    configure(&mut net, 1, |c| c.routing.as_mut().unwrap().reveal_s = 1);
    expect(&mut net, 2, 10_000, 1);
    let route = with(FEE_PPM, 0, 10_000)(&net);
    assert_eq!(fails(&mut net, &route), Some((0, FailureCode::ExpiryTooSoon)));
    let mut net = line(3);
    configure(&mut net, 1, |c| c.routing.as_mut().unwrap().reveal_s = 1);
    expect(&mut net, 2, 10_000, 1);
    let route = with(FEE_PPM, 1, 10_000)(&net);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!(wealth(&net, 2), 10_000);

    let mut net = line(3);
    let route = with(FEE_PPM, 0, 10_000)(&net);
    assert_eq!(fails(&mut net, &route), Some((1, FailureCode::UnknownPayment)));
    let mut net = line(3);
    expect(&mut net, 2, 10_001, 1);
    let route = with(FEE_PPM, 0, 10_000)(&net);
    assert_eq!(fails(&mut net, &route), Some((1, FailureCode::WrongAmount)));
    let mut net = line(3);
    expect(&mut net, 2, 5, 1);
    net.now = net.now.plus(10_001);
    let route = with(FEE_PPM, 0, 10_000)(&net);
    assert_eq!(fails(&mut net, &route), Some((1, FailureCode::UnknownPayment)), "too late for the invoice");

    // A hop without any policy leaves the lock to its application.
    let mut net = line(3);
    configure(&mut net, 1, |c| c.routing = None);
    let route = with(FEE_PPM, 0, 10_000)(&net);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 0));
}

/// Who lets its secret go must still be able to enforce what it buys: its channel's margin off chain, its own on chain, and
/// the clocks.
#[test]
fn a_recipient_keeps_its_secret_if_too_little_time_is_left() {
    let drift = xln_core::limits::MAX_CLOCK_DRIFT_S;
    for (settle_margin_s, reveal_margin_s, margin) in [(0, 600, 600), (900, 600, 900), (900, 1000, 1000)] {
        for spare in [0, 1] {
            let mut net = Net::new((1..=2).map(|i| xln_core::crypto::LocalSigner::new(&[i; 32]).unwrap()).collect());
            for i in 0..2 {
                configure(&mut net, i, |c| c.reveal_margin_s = if i == 1 { reveal_margin_s } else { 600 });
            }
            connect_all(&mut net);
            tell(&mut net, 0, 1, Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s })
                .unwrap();
            net.settle();
            tell(&mut net, 0, 1, Transition::AddToken { key: KEY, token: USD }).unwrap();
            net.settle();
            tell(&mut net, 1, 0, Transition::SetCreditLimit { key: KEY, token: USD, limit: LIMIT }).unwrap();
            net.settle();
            expect(&mut net, 1, 70, 1);
            let expiry = net.now.plus(margin + drift - 1 + spare);
            let lock = Lock { kind: KIND, hash: secret(1).hash(KIND), expiry };
            let route = Route::new(&hops(&net, &[1], FEE_PPM, 0), 70, &lock, &[4; 32]).unwrap();
            send(&mut net, 0, &route).unwrap();
            net.settle();
            at_rest(&net);
            assert_eq!(pending(&net, 0, 1), 0);
            if spare == 0 {
                assert_eq!(failure(&net, &route), Some((0, FailureCode::ExpiryTooSoon)));
            } else {
                assert_eq!(end(&net, 0), End::Settled(secret(1)));
            }
            assert_eq!(wealth(&net, 1), if spare == 0 { 0 } else { 70 });
        }
    }
}

/// An invoice is paid once, whatever comes for it at the same time; what comes too much goes back.
#[test]
fn an_invoice_is_paid_once() {
    let mut net = line(2);
    expect(&mut net, 1, 70, 1);
    let lock = Lock { kind: KIND, hash: secret(1).hash(KIND), expiry: net.now.plus(5000) };
    let routes = [1, 2].map(|seed| Route::new(&hops(&net, &[1], FEE_PPM, 0), 70, &lock, &[seed; 32]).unwrap());
    // Both in one block, behind one that is in flight.
    tell(&mut net, 0, 1, pay(1)).unwrap();
    for route in &routes {
        send(&mut net, 0, route).unwrap();
    }
    net.settle();
    at_rest(&net);
    assert_eq!((pending(&net, 0, 1), wealth(&net, 1)), (0, 71));
    let ends: Vec<End> = ended(&net, 0).into_iter().map(|e| e.end).collect();
    let [End::Settled(_), End::Failed(reason)] = &ends[..] else { panic!("{ends:?}") };
    assert_eq!(routes[1].open_failure(reason), Some((0, FailureCode::UnknownPayment)));
}

/// A hop that is built anew from the first `upto` records of its log, and knows only that.
fn from_backup(net: &mut Net, i: usize, upto: usize) {
    let entity = net.id(i);
    let log = &net.parties[i].log.records[..upto];
    let records: Vec<_> = log.iter().map(|r| Record::decode(r).unwrap()).collect();
    let mut kept = MemoryLog::default();
    for record in &records {
        kept.append(record).unwrap();
    }
    net.parties[i].machine = Machine::restore(entity, None, records).unwrap();
    net.parties[i].log = kept;
    net.wire.clear();
    net.stage(i, vec![Input::RestoredFromBackup]);
}

fn join(net: &mut Net, i: usize, j: usize) {
    for (a, b) in [(i, j), (j, i)] {
        let peer = net.id(b);
        net.stage(a, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
    }
    net.settle();
}

/// [`held`], and the hop in between comes back from a backup that knows neither lock.
fn held_and_restored() -> Net {
    let mut net = line(3);
    configure(&mut net, 2, |c| c.routing = None);
    let backup = net.parties[1].log.records.len();
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 1));
    from_backup(&mut net, 1, backup);
    net
}

#[test]
fn a_restored_hop_passes_nothing_on_twice() {
    for payer_first in [true, false] {
        let mut net = held_and_restored();
        let order = if payer_first { [0, 2] } else { [2, 0] };
        order.into_iter().for_each(|j| join(&mut net, 1, j));
        // Whoever was behind has caught up; a new connection tells the restored one.
        order.into_iter().for_each(|j| join(&mut net, 1, j));
        assert!(!chan(&net, 1, 0).is_recovering() && !chan(&net, 1, 2).is_recovering());
        assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 1), "not a second one, and not given back");
        assert_eq!((chan(&net, 1, 2).queued(), chan(&net, 1, 0).queued()), (0, 0));
        // Neither by hand.
        let id = only(&net, 1, 0);
        assert_eq!(tell(&mut net, 1, 0, Transition::CancelPayment { key: KEY, id }), Err(CommandError::Reserved));
        // The secret is worth the incoming lock all the same.
        let id = only(&net, 2, 1);
        tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
        net.settle();
        at_rest(&net);
        assert_eq!([0, 1, 2].map(|i| wealth(&net, i)), [-505, 5, 500], "payer first: {payer_first}");
    }
}

/// The way on looks shut after the restore: that is no reason to give back what was passed on before.
#[test]
fn a_restored_hop_fails_nothing_that_it_may_have_passed_on() {
    for payer_first in [true, false] {
        let mut net = held_and_restored();
        configure(&mut net, 1, |c| c.routing.as_mut().unwrap().forwards = false);
        let order = if payer_first { [0, 2, 0, 2] } else { [2, 0, 2, 0] };
        order.into_iter().for_each(|j| join(&mut net, 1, j));
        assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 1));
        // It ends by its expiry alone.
        configure(&mut net, 0, |c| c.vigilant = true);
        net.now = net.now.plus(5001);
        block(&mut net, &[0, 1], (0, 1), vec![], vec![]);
        net.settle();
        assert_eq!((pending(&net, 0, 1), end(&net, 0)), (0, End::TakenBack));
    }
}

/// The outgoing lock came and went with the lost records: no trace of it is left but the incoming one.
#[test]
fn what_was_settled_in_lost_records_is_not_passed_on_again() {
    for forwards in [true, false] {
        let mut net = line(3);
        configure(&mut net, 2, |c| c.routing = None);
        let backup = net.parties[1].log.records.len();
        let route = plan(&net, &[1, 2], 500, 1);
        send(&mut net, 0, &route).unwrap();
        net.settle();
        let id = only(&net, 2, 1);
        tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
        while net.deliver() {
            net.wire.retain(|(_, to, _)| *to != 0);
        }
        assert_eq!((pending(&net, 0, 1), pending(&net, 2, 1)), (1, 0));
        from_backup(&mut net, 1, backup);
        configure(&mut net, 1, |c| c.routing.as_mut().unwrap().forwards = forwards);
        [2, 0, 2, 0].into_iter().for_each(|j| join(&mut net, 1, j));
        assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2), balance(&net, 2, 1)), (1, 0, 500));
        // The registry of either chain may still show the secret.
        let reveal = revealed(&net, 1);
        block(&mut net, &[0, 1, 2], (1, 2), vec![], vec![reveal]);
        net.settle();
        assert_eq!([0, 1, 2].map(|i| wealth(&net, i)), [-505, 5, 500]);
    }
}

/// The backup held the lock without a word of routing; what was passed on since is lost. Told of routing once more, the hop
/// neither passes it on again nor gives it back.
#[test]
fn what_a_backup_held_before_routing_was_told_is_not_passed_on_again() {
    let mut net = line(3);
    for i in [1, 2] {
        configure(&mut net, i, |c| c.routing = None);
    }
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 0));
    let backup = net.parties[1].log.records.len();
    configure(&mut net, 1, |_| ());
    let peer = net.id(0);
    net.stage(1, vec![Input::Connected { peer }]);
    net.settle();
    let id = only(&net, 2, 1);
    tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
    while net.deliver() {
        net.wire.retain(|(_, to, _)| *to != 0);
    }
    assert_eq!((pending(&net, 0, 1), pending(&net, 2, 1)), (1, 0));
    from_backup(&mut net, 1, backup);
    configure(&mut net, 1, |_| ());
    [2, 0, 2, 0].into_iter().for_each(|j| join(&mut net, 1, j));
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2), balance(&net, 2, 1)), (1, 0, 500));
    assert_eq!((chan(&net, 1, 2).queued(), chan(&net, 1, 0).queued()), (0, 0));
}

/// What is settled while the incoming lock is not known yet settles that one when it is.
#[test]
fn a_secret_that_comes_before_its_lock_is_kept() {
    let mut net = held_and_restored();
    join(&mut net, 1, 2);
    let id = only(&net, 2, 1);
    tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
    net.settle();
    assert_eq!(pending(&net, 1, 2), 0);
    assert!(chan(&net, 1, 0).is_recovering());
    net.restart(1);
    join(&mut net, 1, 2);
    join(&mut net, 1, 0);
    join(&mut net, 1, 0);
    at_rest(&net);
    assert_eq!([0, 1, 2].map(|i| wealth(&net, i)), [-505, 5, 500]);
}

/// The incoming lock was in flight at its payer and acknowledged in a record that is lost: it comes again, as a new one.
#[test]
fn what_comes_again_after_a_restore_is_not_passed_on_again() {
    for payer_first in [true, false] {
        let mut net = line(3);
        configure(&mut net, 2, |c| c.routing = None);
        let backup = net.parties[1].log.records.len();
        let route = plan(&net, &[1, 2], 500, 1);
        send(&mut net, 0, &route).unwrap();
        while net.deliver() {
            net.wire.retain(|(_, to, _)| *to != 0);
        }
        assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (0, 1));
        from_backup(&mut net, 1, backup);
        let order = if payer_first { [0, 2, 0, 2] } else { [2, 0, 2, 0] };
        order.into_iter().for_each(|j| join(&mut net, 1, j));
        assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 1), "payer first: {payer_first}");
        let id = only(&net, 2, 1);
        tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
        net.settle();
        at_rest(&net);
        assert_eq!([0, 1, 2].map(|i| wealth(&net, i)), [-505, 5, 500]);
    }
}

#[test]
fn registries_that_differ_need_a_gap() {
    let key2 = SubchannelKey { chain: KEY2.chain, depository: KEY2.depository };
    for (gap, works) in [(3599, false), (3600, true)] {
        let mut net = line(3);
        tell(&mut net, 1, 2, open(key2)).unwrap();
        net.settle();
        tell(&mut net, 1, 2, Transition::AddToken { key: key2, token: EUR }).unwrap();
        net.settle();
        tell(&mut net, 2, 1, Transition::SetCreditLimit { key: key2, token: EUR, limit: LIMIT }).unwrap();
        net.settle();
        let until = net.now.plus(10_000);
        let expected = ExpectedPayment { key: key2, token: EUR, amount: 100, kind: KIND, secret: secret(1), until };
        net.stage(2, vec![Input::Expect(expected)]);
        let lock = Lock { kind: KIND, hash: secret(1).hash(KIND), expiry: net.now.plus(5000) };
        let mut hops = hops(&net, &[1, 2], FEE_PPM, gap);
        (hops[1].key, hops[1].token) = (key2, EUR);
        let route = Route::new(&hops, 100, &lock, &[4; 32]).unwrap();
        // Without a word of its owner no token goes for another.
        assert_eq!(fails(&mut net, &route), Some((0, FailureCode::UnknownNext)));
        net.parties[0].events.clear();
        configure(&mut net, 1, |c| {
            c.routing.as_mut().unwrap().equivalent = vec![Equivalence { takes: (KEY, USD), gives: (key2, EUR) }];
        });
        let route = Route::new(&hops, 100, &lock, &[5; 32]).unwrap();
        if works {
            send(&mut net, 0, &route).unwrap();
            net.settle();
            assert_eq!(balance(&net, 0, 1), -101);
            assert_eq!(chan(&net, 2, 1).state().token(&key2, EUR).unwrap().offdelta.unsigned_abs(), 100);
        } else {
            assert_eq!(fails(&mut net, &route), Some((0, FailureCode::ExpiryTooSoon)));
        }
    }
}

#[test]
fn an_onion_is_opened_once() {
    let mut net = line(3);
    let route = plan(&net, &[1, 2], 500, 1);
    assert_eq!(fails(&mut net, &route), Some((1, FailureCode::UnknownPayment)));
    net.parties[0].events.clear();
    restart(&mut net, 1);
    net.settle();
    // Now it would arrive, but the hop has seen it: nobody can feel its way along a route by sending a lock again.
    expect(&mut net, 2, 500, 1);
    assert_eq!(fails(&mut net, &route), Some((0, FailureCode::Replayed)));
}

/// A peer may fill its own share of the memory for onions and no more, and gets it back as they expire.
#[test]
fn onions_that_are_remembered_are_bounded_for_each_peer() {
    let mut net = line(3);
    configure(&mut net, 1, |c| c.max_onions = 2);
    let busy = Some((0, FailureCode::Busy));
    let unknown = Some((1, FailureCode::UnknownPayment));
    let send_one = |net: &mut Net, seed: u8| {
        let lock = Lock { kind: KIND, hash: secret(1).hash(KIND), expiry: net.now.plus(5000) };
        let route = Route::new(&hops(net, &[1, 2], FEE_PPM, 0), 500, &lock, &[seed; 32]).unwrap();
        net.parties[0].events.clear();
        (fails(net, &route), route)
    };
    let (outcome, first) = send_one(&mut net, 1);
    assert_eq!(outcome, unknown);
    assert_eq!(send_one(&mut net, 2).0, unknown);
    assert_eq!(send_one(&mut net, 3).0, busy);
    // Another peer has its own.
    expect(&mut net, 0, 200, 2);
    let back = plan(&net, &[1, 0], 200, 2);
    tell(&mut net, 2, 1, back.payment.clone()).unwrap();
    net.settle();
    assert_eq!(balance(&net, 0, 1), 200);
    tell(&mut net, 0, 1, pay(200)).unwrap();
    tell(&mut net, 1, 2, pay(202)).unwrap();
    net.settle();
    assert_eq!([0, 2].map(|i| balance(&net, 1, i)), [0, 0]);
    // Until their expiry they are remembered, also by who is restarted.
    net.now = net.now.plus(5000);
    restart(&mut net, 1);
    net.settle();
    assert_eq!(send_one(&mut net, 4).0, busy);
    net.now = net.now.plus(1);
    assert_eq!(send_one(&mut net, 5).0, unknown);
    assert_eq!(send_one(&mut net, 6).0, unknown);
    assert_eq!(send_one(&mut net, 7).0, busy);
    // What is forgotten is refused for its expiry, however long the new lock is.
    net.now = net.now.plus(5001);
    let mut again = first;
    let Transition::AddPayment { expiry, .. } = &mut again.payment else { panic!() };
    *expiry = net.now.plus(5000);
    net.parties[0].events.clear();
    expect(&mut net, 2, 500, 1);
    assert_eq!(fails(&mut net, &again), Some((0, FailureCode::ExpiryTooSoon)));
}

#[test]
fn an_onion_for_somebody_else_is_given_back_without_a_word() {
    let mut net = line(3);
    let mut route = plan(&net, &[1, 2], 500, 1);
    let Transition::AddPayment { onion, .. } = &mut route.payment else { panic!() };
    onion[100] ^= 1;
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!(end(&net, 0), End::Failed(vec![]));
    assert_eq!((pending(&net, 0, 1), wealth(&net, 1)), (0, 0));
    // The hop after it: the first one is left to say that the second failed.
    let mut net = line(3);
    configure(&mut net, 2, |c| c.routing.as_mut().unwrap().onion_key = onion_key(7));
    let route = plan(&net, &[1, 2], 500, 1);
    assert_eq!(fails(&mut net, &route), Some((0, FailureCode::NextHopFailed)));
}

#[test]
fn a_crash_anywhere_at_any_step_changes_nothing_in_the_end() {
    for success in [true, false] {
        for victim in 0..4 {
            for step in 0.. {
                let mut net = line(4);
                if success {
                    expect(&mut net, 3, 1000, 1);
                }
                let route = plan(&net, &[1, 2, 3], 1000, 1);
                send(&mut net, 0, &route).unwrap();
                let reached = (0..step).all(|_| net.deliver());
                restart(&mut net, victim);
                net.settle();
                at_rest(&net);
                assert!((0..3).all(|i| pending(&net, i, i + 1) == 0), "{success} {victim} {step}");
                let expected = if success { [-1021, 11, 10, 1000] } else { [0; 4] };
                assert_eq!([0, 1, 2, 3].map(|i| wealth(&net, i)), expected, "{success} {victim} {step}");
                if !success {
                    assert_eq!(failure(&net, &route), Some((2, FailureCode::UnknownPayment)));
                }
                if !reached {
                    assert!(step > 10, "it takes that many messages");
                    break;
                }
            }
        }
    }
}

/// A payment that waits at its recipient, whose node has no policy: locks stand everywhere.
fn held() -> (Net, Route) {
    let mut net = line(3);
    configure(&mut net, 2, |c| c.routing = None);
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    at_rest(&net);
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 1));
    (net, route)
}

#[test]
fn a_hop_cannot_give_up_what_it_has_passed_on() {
    let (mut net, route) = held();
    let id = only(&net, 0, 1);
    let before = (token(&net, 0, 1).clone(), token(&net, 1, 2).clone());
    for transition in
        [Transition::CancelPayment { key: KEY, id }, Transition::FailPayment { key: KEY, id, reason: vec![] }]
    {
        assert_eq!(tell(&mut net, 1, 0, transition), Err(CommandError::Reserved));
    }
    assert_eq!(before, (token(&net, 0, 1).clone(), token(&net, 1, 2).clone()));
    // The recipient gives it back, and so it goes back to the sender.
    let id = only(&net, 2, 1);
    tell(&mut net, 2, 1, Transition::CancelPayment { key: KEY, id }).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (0, 0));
    assert_eq!(failure(&net, &route), Some((0, FailureCode::NextHopFailed)));
}

#[test]
fn a_secret_that_comes_late_is_worth_the_incoming_lock() {
    // Off chain, while the channel to the sender is cut: the secret is durable before anything, and used when they meet.
    let (mut net, _) = held();
    let id = only(&net, 2, 1);
    tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
    while net.deliver() {
        net.wire.retain(|(from, to, _)| *from != 0 && *to != 0);
    }
    assert_eq!((pending(&net, 1, 2), pending(&net, 1, 0)), (0, 1));
    restart(&mut net, 1);
    net.settle();
    assert_eq!((pending(&net, 0, 1), wealth(&net, 1), wealth(&net, 2)), (0, 5, 500));

    // On chain: an entry in the registry settles both.
    let (mut net, _) = held();
    let reveal = revealed(&net, 1);
    block(&mut net, &[0, 1, 2], (1, 2), vec![], vec![reveal]);
    net.settle();
    assert_eq!((pending(&net, 0, 1), wealth(&net, 1)), (0, 505), "the hop has its own, whatever the recipient does");
}

#[test]
fn near_the_expiry_the_hop_reveals_on_chain() {
    let (mut net, _) = held();
    configure(&mut net, 1, |c| (c.vigilant, c.reveal_margin_s) = (true, 600));
    let id = only(&net, 2, 1);
    tell(&mut net, 2, 1, Transition::SettlePayment { key: KEY, id, secret: secret(1) }).unwrap();
    while net.deliver() {
        net.wire.retain(|(from, to, _)| *from != 0 && *to != 0);
    }
    assert!(net.calls(1).is_empty());
    net.now = net.now.plus(5000 - 600);
    assert!(net.parties[1].machine.poll_timeout().is_some_and(|at| at <= net.now));
    net.stage(1, vec![Input::Tick]);
    assert!(matches!(net.calls(1)[..], [ChainCall::Reveal { secret: s, .. }] if s == secret(1)));
}

fn closed() -> Vec<ChangeKind> {
    vec![ChangeKind::Closed { epoch: 1, settlement_nonce: 0 }]
}

#[test]
fn an_outgoing_lock_that_a_close_dropped_is_no_failure() {
    // The registry shows the secret, before the close or after it.
    for first in [true, false] {
        let (mut net, _) = held();
        let reveal = revealed(&net, 1);
        if first {
            block(&mut net, &[0, 1, 2], (1, 2), closed(), vec![reveal]);
        } else {
            block(&mut net, &[0, 1, 2], (1, 2), closed(), vec![]);
            net.settle();
            assert_eq!((pending(&net, 1, 2), pending(&net, 0, 1)), (0, 1), "dropped there, and not given back here");
            restart(&mut net, 1);
            block(&mut net, &[0, 1, 2], (1, 2), vec![], vec![reveal]);
        }
        net.settle();
        assert_eq!((pending(&net, 0, 1), balance(&net, 1, 0)), (0, 505));
    }
    // It was there before the lock came.
    let mut net = line(3);
    configure(&mut net, 2, |c| c.routing = None);
    let reveal = revealed(&net, 1);
    block(&mut net, &[0, 1, 2], (1, 2), vec![], vec![reveal]);
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (1, 1));
    block(&mut net, &[0, 1, 2], (1, 2), closed(), vec![]);
    net.settle();
    assert_eq!((pending(&net, 0, 1), balance(&net, 1, 0)), (0, 505));
    // It never does: the payer takes it back after the expiry, the hop never gives it away.
    let (mut net, _) = held();
    block(&mut net, &[0, 1, 2], (1, 2), closed(), vec![]);
    net.settle();
    for _ in 0..3 {
        net.stage(1, vec![Input::Tick]);
        net.settle();
        assert_eq!(pending(&net, 0, 1), 1);
    }
    configure(&mut net, 0, |c| c.vigilant = true);
    net.now = net.now.plus(5001);
    block(&mut net, &[0, 1], (0, 1), vec![], vec![]);
    net.settle();
    assert_eq!((pending(&net, 0, 1), balance(&net, 1, 0)), (0, 0));
    assert_eq!(end(&net, 0), End::TakenBack);
}

#[test]
fn what_expires_on_the_way_is_given_back() {
    let (mut net, route) = held();
    configure(&mut net, 1, |c| c.vigilant = true);
    net.now = net.now.plus(5001);
    block(&mut net, &[0, 1, 2], (1, 2), vec![], vec![]);
    net.settle();
    assert_eq!((pending(&net, 1, 2), pending(&net, 0, 1)), (0, 0));
    assert_eq!(failure(&net, &route), Some((0, FailureCode::Expired)));
}

/// `2` refuses the block that forwards: its state is live until a later one outranks it, and only then the lock goes back.
#[test]
fn a_refused_block_fails_nothing_until_it_is_outranked() {
    let mut net = line(3);
    let kind = ChangeKind::Dispute { epoch: 0, dispute: dispute(Side::Left, 1, net.now), fills: vec![], body: vec![] };
    let change = ChainChange { key: KEY, pair: Pair::new(net.id(1), net.id(2)).unwrap(), kind };
    net.stage(2, vec![Input::Chain(ChainFact::Sighted { change })]);
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    // Until the hop has heard the refusal and has made the empty block above it, which is not answered yet.
    while !net.parties[1].events.iter().any(|e| matches!(e, Event::Refused { .. })) {
        assert!(net.deliver());
    }
    let above = net.wire.clone();
    net.wire.retain(|(from, to, _)| (*from, *to) != (1, 2));
    net.settle();
    restart(&mut net, 1);
    net.wire.retain(|(from, to, _)| (*from, *to) == (0, 1) || (*from, *to) == (1, 0));
    net.settle();
    assert_eq!(pending(&net, 0, 1), 1, "the refused state could still be shown");
    assert!(ended(&net, 0).is_empty());
    drop(above);
    connect_all(&mut net);
    net.settle();
    assert_eq!(pending(&net, 0, 1), 0);
    assert_eq!(failure(&net, &route), Some((0, FailureCode::ChannelUnavailable)));
}

/// The block is refused for something else in it, and what was to be passed on comes apart in the queue, too late for its
/// expiry: the refused state is live all the same.
#[test]
fn what_comes_apart_in_the_queue_fails_only_when_outranked() {
    let mut net = line(3);
    configure(&mut net, 2, |c| c.depositories.retain(|d| d.key == KEY));
    let lock = Lock { kind: KIND, hash: secret(1).hash(KIND), expiry: net.now.plus(5000) };
    let route = Route::new(&hops(&net, &[1, 2], FEE_PPM, 4000), 500, &lock, &[6; 32]).unwrap();
    tell(&mut net, 1, 2, pay(1)).unwrap();
    let held = net.wire.pop_front().unwrap();
    tell(&mut net, 1, 2, open(KEY2)).unwrap();
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!(chan(&net, 1, 2).queued(), 2);
    net.wire.push_back(held);
    let refused = |net: &Net| net.parties[1].events.iter().any(|e| matches!(e, Event::Refused { .. }));
    while !refused(&net) {
        if net.wire.front().is_some_and(|(from, _, _)| *from == 2) && chan(&net, 1, 2).queued() == 0 {
            net.now = UnixSeconds(1_000_000 + 5001);
        }
        assert!(net.deliver());
    }
    assert_eq!((chan(&net, 1, 2).queued(), pending(&net, 1, 2)), (0, 0));
    net.wire.retain(|(from, to, _)| (*from, *to) != (1, 2));
    net.settle();
    assert_eq!(pending(&net, 0, 1), 1, "it could still be shown");
    connect_all(&mut net);
    net.settle();
    assert_eq!((pending(&net, 0, 1), pending(&net, 1, 2)), (0, 0));
    assert_eq!(failure(&net, &route), Some((0, FailureCode::ExpiryTooSoon)));
}

/// After `Memo`, whatever stands between: enums grow at their end only. The rest by hand from `docs/wire.md`.
#[test]
fn a_failure_on_the_wire() {
    let failure = Transition::FailPayment { key: KEY, id: 300, reason: vec![9, 8] };
    let bytes = xln_core::codec::encode(&failure).unwrap();
    assert!((16..=19).contains(&bytes[0]));
    let rest = [&[1][..], &[0xd0; 20], &[0xfb, 0x2c, 0x01], &[2, 9, 8]].concat();
    assert_eq!(bytes[1..], rest);
}

#[test]
fn a_lock_that_is_gone_is_not_offered_any_more() {
    let mut net = line(3);
    // The block in flight keeps what is to be passed on in the queue.
    tell(&mut net, 1, 2, pay(1)).unwrap();
    net.wire.clear();
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), chan(&net, 1, 2).queued()), (1, 1));
    // The incoming lock goes with a close of its channel.
    block(&mut net, &[0, 1], (0, 1), closed(), vec![]);
    net.settle();
    assert_eq!((pending(&net, 0, 1), chan(&net, 1, 2).queued()), (0, 0));
    connect_all(&mut net);
    net.settle();
    assert_eq!((pending(&net, 1, 2), balance(&net, 1, 2)), (0, -1));
}

/// The same, but a refused state with the outgoing lock is live: as long as it may be shown its command is not given up.
#[test]
fn a_lock_that_may_be_shown_is_not_withdrawn() {
    let mut net = line(3);
    configure(&mut net, 2, |c| c.depositories.retain(|d| d.key == KEY));
    tell(&mut net, 1, 2, pay(1)).unwrap();
    let held = net.wire.pop_front().unwrap();
    // Refused for the depository, not for the lock beside it.
    tell(&mut net, 1, 2, open(KEY2)).unwrap();
    let route = plan(&net, &[1, 2], 500, 1);
    send(&mut net, 0, &route).unwrap();
    net.settle();
    assert_eq!((pending(&net, 0, 1), chan(&net, 1, 2).queued()), (1, 2));
    net.wire.push_back(held);
    while chan(&net, 1, 2).queued() > 0 {
        assert!(net.deliver());
    }
    // Nothing touches the subchannel meanwhile, so that the lock waits.
    let kind = ChangeKind::Dispute { epoch: 0, dispute: dispute(Side::Left, 1, net.now), fills: vec![], body: vec![] };
    let change = ChainChange { key: KEY, pair: Pair::new(net.id(1), net.id(2)).unwrap(), kind };
    net.stage(1, vec![Input::Chain(ChainFact::Sighted { change })]);
    while !net.parties[1].events.iter().any(|e| matches!(e, Event::Refused { .. })) {
        assert!(net.deliver());
    }
    net.wire.clear();
    assert_eq!(chan(&net, 1, 2).queued(), 1);
    block(&mut net, &[0, 1], (0, 1), closed(), vec![]);
    net.wire.retain(|(from, to, _)| *from != 2 && *to != 2);
    while net.deliver() {
        net.wire.retain(|(from, to, _)| *from != 2 && *to != 2);
    }
    assert_eq!((pending(&net, 0, 1), chan(&net, 1, 2).queued()), (0, 1));
    connect_all(&mut net);
    net.settle();
    assert_eq!((pending(&net, 1, 2), chan(&net, 1, 2).queued()), (0, 0), "outranked");
}

#[test]
fn a_failure_needs_its_beneficiary_and_few_bytes() {
    use xln_core::transition::TransitionError;
    let (mut net, _) = held();
    let id = only(&net, 1, 2);
    let long = vec![0; xln_core::limits::FAILURE_BYTES + 1];
    let fail = |reason| Transition::FailPayment { key: KEY, id, reason };
    let refused = |error: TransitionError| Err(CommandError::Transition(error));
    assert_eq!(tell(&mut net, 2, 1, fail(long)), refused(TransitionError::TooLong));
    assert_eq!(tell(&mut net, 1, 2, fail(vec![])), refused(TransitionError::WrongAuthor));
    let unknown = Transition::FailPayment { key: KEY, id: id + 1, reason: vec![] };
    assert_eq!(tell(&mut net, 2, 1, unknown), refused(TransitionError::UnknownSubcontract));
    tell(&mut net, 2, 1, fail(vec![1])).unwrap();
    net.settle();
    assert_eq!((pending(&net, 1, 2), pending(&net, 0, 1)), (0, 0));
}

#[test]
fn two_hops_that_send_to_each_other_at_once() {
    let mut net = line(3);
    expect(&mut net, 2, 300, 1);
    expect(&mut net, 0, 200, 2);
    let (there, back) = (plan(&net, &[1, 2], 300, 1), plan(&net, &[1, 0], 200, 2));
    send(&mut net, 0, &there).unwrap();
    let to = net.id(1);
    let action = xln_core::machine::Action::Propose { transition: back.payment.clone(), submit: false };
    net.stage(2, vec![Input::Command(Command { peer: to, action })]);
    net.settle();
    at_rest(&net);
    assert_eq!([0, 1, 2].map(|i| wealth(&net, i)), [200 - 303, 3 + 2, 300 - 202]);
}
