//! Cross-chain swaps as the machines run them by themselves: two machines, two chains with a registry each, and every way
//! in which the other side, the wire or a chain may fail (`docs/protocol.md` section 9).
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
use std::collections::{BTreeSet, VecDeque};

use common::*;
use proptest::prelude::*;
use xln_core::chain::{ChainAction, ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{CommandError, CrossLeg, CrossSum, CrossSwapConsent, CrossSwapError, CrossSwapOffer, Event};
use xln_core::machine::{Action, Input, InputOutcome, Machine, Record};
use xln_core::state::Pending;
use xln_core::transition::{Transition, TransitionError};
use xln_core::types::*;
use xln_core::wire::Message;

const KIND: HashKind = HashKind::Sha256;
/// The second leg lives an hour, and the first one longer by a gap of an hour and a bit.
const WANT_S: u64 = 3600;
const GIVE_S: u64 = 7300;
/// How long a block waits for its confirmations.
const CONFIRM_S: u64 = 300;
/// How often the chains make a block.
const STEP_S: u64 = 150;
const LIMIT: u128 = 1000;

/// Two machines and two chains. Whatever is asked of a chain happens in its next block, and is told when it is confirmed.
struct World {
    net: Net,
    number: u64,
    /// What each party is to be told of the chains, and from when on.
    news: [VecDeque<(UnixSeconds, ChainFact)>; 2],
    registry: BTreeSet<(ChainId, Hash)>,
    down: [bool; 2],
    /// No message gets through.
    cut: bool,
    /// Every so many-th message is lost.
    lossy: Option<u64>,
    sent: u64,
    /// Each machine is built anew from its log after every step.
    crashing: bool,
}

fn world() -> World {
    let mut net = two();
    for (key, token) in [(KEY, USD), (KEY2, EUR)] {
        net.run(0, open(key));
        net.run(0, Transition::AddToken { key, token });
        for i in 0..2 {
            net.run(i, Transition::SetCreditLimit { key, token, limit: LIMIT });
        }
    }
    for i in 0..2 {
        net.configure(i, |c| c.vigilant = true);
    }
    net.connect();
    let mut world = World {
        net,
        number: 0,
        news: Default::default(),
        registry: BTreeSet::new(),
        down: [false; 2],
        cut: false,
        lossy: None,
        sent: 0,
        crashing: false,
    };
    world.pass(12);
    world
}

impl World {
    fn pump(&mut self) {
        let mut budget = 3000;
        while let Some((from, to, bytes)) = self.net.wire.pop_front() {
            budget -= 1;
            assert!(budget > 0, "the two never come to rest");
            self.sent += 1;
            let lost = self.lossy.is_some_and(|n| self.sent.is_multiple_of(n));
            if self.cut || lost || self.down[from] || self.down[to] {
                continue;
            }
            let from = self.net.id(from);
            self.net.stage(to, vec![Input::Message { from, bytes }]);
            if self.crashing {
                self.net.restart(to);
            }
        }
    }

    /// Blocks of both chains every so often, until this time has passed.
    fn pass(&mut self, seconds: u64) {
        let end = self.net.now.plus(seconds);
        while self.net.now < end {
            self.net.now = self.net.now.plus(STEP_S).min(end);
            self.block(vec![]);
        }
    }

    /// One block of each chain; the changes are of the first.
    fn block(&mut self, changes: Vec<ChainChange>) {
        let mut reveals: Vec<(ChainId, Reveal)> = Vec::new();
        for i in 0..2 {
            if self.down[i] {
                continue;
            }
            for (effect, action) in core::mem::take(&mut self.net.parties[i].actions) {
                let ChainAction { key, call: ChainCall::Reveal { provider, kind, secret }, .. } = action else {
                    continue;
                };
                assert_eq!(provider, PROVIDER);
                if self.registry.insert((key.chain, secret.hash(kind))) {
                    reveals.push((key.chain, Reveal { provider, kind, secret, at: self.net.now }));
                }
                self.net.stage(i, vec![Input::Completed { effect, success: true }]);
            }
        }
        self.number += 1;
        for key in [KEY, KEY2] {
            let point = ChainPoint {
                chain: key.chain,
                number: self.number,
                hash: Hash([self.number as u8; 32]),
                timestamp: self.net.now,
            };
            let reveals = reveals.iter().filter(|(chain, _)| *chain == key.chain).map(|(_, r)| *r).collect();
            let changes = changes.iter().filter(|c| c.key == key).cloned().collect();
            let fact = ChainFact::Block { point, changes, reveals, facts: vec![], entities: vec![] };
            for news in &mut self.news {
                news.push_back((self.net.now.plus(CONFIRM_S), fact.clone()));
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        for i in 0..2 {
            if self.down[i] {
                continue;
            }
            let mut inputs = Vec::new();
            while self.news[i].front().is_some_and(|(at, _)| *at <= self.net.now) {
                inputs.push(Input::Chain(self.news[i].pop_front().unwrap().1));
            }
            inputs.push(Input::Tick);
            self.net.stage(i, inputs);
        }
        self.pump();
    }

    fn stop(&mut self, i: usize) {
        self.down[i] = true;
        let peer = self.net.id(i);
        self.net.stage(1 - i, vec![Input::Disconnected { peer }]);
    }

    fn start(&mut self, i: usize) {
        self.down[i] = false;
        self.net.restart(i);
        self.tell();
        self.connect();
    }

    fn connect(&mut self) {
        for i in 0..2 {
            let peer = self.net.id(1 - i);
            self.net.stage(i, vec![Input::Disconnected { peer }, Input::Connected { peer }]);
        }
        self.pump();
    }

    fn offer(&self) -> CrossSwapOffer {
        let give = CrossSum { key: KEY, token: USD, amount: 70 };
        let want = CrossSum { key: KEY2, token: EUR, amount: 30 };
        CrossSwapOffer {
            give: CrossLeg { sum: give, expiry: self.net.now.plus(GIVE_S) },
            want: CrossLeg { sum: want, expiry: self.net.now.plus(WANT_S) },
            kind: KIND,
            secret: secret(7),
        }
    }

    fn consent(&self) -> CrossSwapConsent {
        let offer = self.offer();
        let (until, pay_expiry) = (self.net.now.plus(1200), offer.want.expiry);
        CrossSwapConsent { receive: offer.give.sum, pay: offer.want.sum, until, pay_expiry }
    }

    fn accept(&mut self, i: usize, change: impl FnOnce(&mut CrossSwapConsent)) {
        let mut consent = self.consent();
        change(&mut consent);
        let taken = self.net.command(i, Action::AcceptCrossSwap(consent));
        assert!(matches!(taken, InputOutcome::Accepted(_)), "{taken:?}");
    }

    fn swap(&mut self, i: usize) {
        let taken = self.net.command(i, Action::CrossSwap(self.offer()));
        assert!(matches!(taken, InputOutcome::Accepted(_)), "{taken:?}");
    }

    /// How many locks stand in the agreed state of a party, in either subchannel.
    fn locks(&self, i: usize) -> [usize; 2] {
        [KEY, KEY2].map(|key| {
            let pending = &self.net.state(i).subchannels[&key].pending;
            pending.values().filter(|p| matches!(p, Pending::Payment(_))).count()
        })
    }

    /// What left has in either subchannel.
    fn delta(&self, i: usize) -> [i128; 2] {
        [(KEY, USD), (KEY2, EUR)].map(|(key, token)| self.net.state(i).token(&key, token).unwrap().offdelta)
    }

    /// Ends of swaps that a party was told.
    fn ends(&self, i: usize) -> Vec<Event> {
        let is_end = |e: &&Event| {
            matches!(e, Event::CrossSwapDone { .. } | Event::CrossSwapUnwound { .. } | Event::CrossSwapTorn { .. })
        };
        self.net.parties[i].events.iter().filter(is_end).cloned().collect()
    }

    fn assert_done(&self, initiator: usize) {
        let sign = if initiator == 0 { 1 } else { -1 };
        for i in 0..2 {
            assert_eq!(self.delta(i), [-70 * sign, 30 * sign]);
            let peer = self.net.id(1 - i);
            assert_eq!(self.ends(i), [Event::CrossSwapDone { peer, hash: secret(7).hash(KIND) }]);
        }
        self.assert_idle();
    }

    fn assert_unwound(&self, initiator: usize, reasons: [CrossSwapError; 2]) {
        for i in 0..2 {
            assert_eq!(self.delta(i), [0, 0]);
            let (peer, reason) = (self.net.id(1 - i), reasons[usize::from(i != initiator)]);
            assert_eq!(self.ends(i), [Event::CrossSwapUnwound { peer, hash: secret(7).hash(KIND), reason }]);
        }
        self.assert_idle();
    }

    fn assert_idle(&self) {
        self.net.agreed();
        assert_eq!(self.locks(0), [0, 0]);
        for i in 0..2 {
            assert_eq!(self.net.channel(i).cross_swaps().count(), 0);
            assert!(self.net.parties[i].actions.is_empty(), "{:?}", self.net.parties[i].actions);
        }
    }
}

#[test]
fn one_call_on_each_side_moves_both_legs() {
    for initiator in 0..2 {
        for crashing in [false, true] {
            let mut w = world();
            w.crashing = crashing;
            w.accept(1 - initiator, |_| {});
            w.swap(initiator);
            w.pump();
            w.assert_done(initiator);
            assert!(w.registry.is_empty(), "nothing went on chain");
            // The consent was for one.
            let offer = CrossSwapOffer { secret: secret(8), ..w.offer() };
            assert!(matches!(w.net.command(initiator, Action::CrossSwap(offer)), InputOutcome::Accepted(_)));
            w.pump();
            assert_eq!(w.locks(0), [0, 0]);
            let peer = w.net.id(1 - initiator);
            let reason = CrossSwapError::Declined;
            assert_eq!(w.ends(initiator)[1..], [Event::CrossSwapUnwound { peer, hash: secret(8).hash(KIND), reason }]);
        }
    }
}

#[test]
fn the_legs_are_agreed_one_after_the_other_and_the_secret_last() {
    let mut w = world();
    w.accept(1, |_| {});
    w.swap(0);
    let mut blocks: Vec<Vec<String>> = Vec::new();
    while let Some((from, to, bytes)) = w.net.wire.pop_front() {
        let shown = bytes.windows(32).any(|part| part == secret(7).0);
        assert!(!shown || from == 1 || w.locks(0) == [1, 1], "the secret is shown before both legs are agreed");
        for block in proposals(&Message::decode(&bytes).unwrap().parts) {
            let names = block.transitions.iter().map(|t| match t {
                Transition::AddPayment { key, .. } => format!("lock {}", key.chain.0),
                Transition::SettlePayment { key, .. } => format!("settle {}", key.chain.0),
                other => format!("{other:?}"),
            });
            let names: Vec<String> = names.collect();
            if !blocks.contains(&names) {
                blocks.push(names);
            }
        }
        let from = w.net.id(from);
        w.net.stage(to, vec![Input::Message { from, bytes }]);
    }
    assert_eq!(blocks, [["lock 1"], ["lock 2"], ["settle 2"], ["settle 1"]]);
}

#[test]
fn what_the_responder_did_not_consent_to_comes_back_at_once() {
    type Change = fn(&mut CrossSwapConsent);
    let cases: [(Change, CrossSwapError); 6] = [
        (|c| c.receive.amount += 1, CrossSwapError::NoConsent),
        (|c| c.pay.amount -= 1, CrossSwapError::NoConsent),
        (
            |c| (c.receive.token, c.receive.key, c.pay.key, c.pay.token) = (EUR, KEY2, KEY, USD),
            CrossSwapError::NoConsent,
        ),
        (|c| c.pay_expiry = c.pay_expiry.minus(1), CrossSwapError::LockTooLong),
        (|c| (c.pay.amount, c.receive.amount) = (c.receive.amount, c.pay.amount), CrossSwapError::NoConsent),
        (|c| c.until = c.until.minus(1200), CrossSwapError::NoConsent),
    ];
    for initiator in 0..2 {
        for (change, reason) in cases {
            let mut w = world();
            w.accept(1 - initiator, change);
            if reason == CrossSwapError::NoConsent {
                w.net.now = w.net.now.plus(1);
            }
            w.swap(initiator);
            w.pump();
            w.assert_unwound(initiator, [CrossSwapError::Declined, reason]);
        }
        let mut w = world();
        w.swap(initiator);
        w.pump();
        w.assert_unwound(initiator, [CrossSwapError::Declined, CrossSwapError::NoConsent]);
    }
}

#[test]
fn the_responder_judges_gap_capacity_and_freeze_by_itself() {
    // The initiator thinks little of gaps.
    let mut w = world();
    w.net.configure(0, |c| (c.cross_gap_s, c.reveal_margin_s) = (0, 60));
    w.accept(1, |_| {});
    let mut offer = w.offer();
    offer.give.expiry = offer.want.expiry.plus(3599);
    assert!(matches!(w.net.command(0, Action::CrossSwap(offer)), InputOutcome::Accepted(_)));
    w.pump();
    w.assert_unwound(0, [CrossSwapError::Declined, CrossSwapError::GapTooSmall]);
    // One second more is enough.
    let mut w = world();
    w.accept(1, |_| {});
    offer.give.expiry = offer.want.expiry.plus(3600);
    assert!(matches!(w.net.command(0, Action::CrossSwap(offer)), InputOutcome::Accepted(_)));
    w.pump();
    w.assert_done(0);
    // No money for the second leg.
    let mut w = world();
    w.net.run(0, Transition::SetCreditLimit { key: KEY2, token: EUR, limit: 29 });
    w.accept(1, |_| {});
    w.swap(0);
    w.pump();
    let lock = CrossSwapError::Lock(TransitionError::InsufficientCapacity { available: 29, needed: 30 });
    w.assert_unwound(0, [CrossSwapError::Declined, lock]);
    // The responder alone has seen a dispute over the second leg's subchannel.
    let mut w = world();
    w.accept(1, |_| {});
    let kind =
        ChangeKind::Dispute { epoch: 0, dispute: dispute(Side::Left, 0, w.net.now), fills: vec![], body: vec![] };
    let change = ChainChange { key: KEY2, pair: w.net.pair(), kind };
    w.net.stage(1, vec![Input::Chain(ChainFact::Sighted { change })]);
    w.net.parties[1].actions.clear();
    w.swap(0);
    w.pump();
    w.net.parties[1].actions.clear();
    w.assert_unwound(0, [CrossSwapError::Declined, CrossSwapError::Frozen]);
}

#[test]
fn terms_that_do_not_decode_and_hashes_in_use_are_declined() {
    let mut w = world();
    let expiry = w.net.now.plus(GIVE_S);
    let lock = |onion| Transition::AddPayment {
        key: KEY,
        token: USD,
        amount: 5,
        kind: KIND,
        hash: secret(7).hash(KIND),
        expiry,
        onion,
    };
    w.net.submit(0, vec![lock(vec![0xc5, 1, 9])]).remove(0).unwrap();
    w.pump();
    let (peer, hash) = (w.net.id(0), secret(7).hash(KIND));
    let unwound = |reason| Event::CrossSwapUnwound { peer, hash, reason };
    assert_eq!(w.ends(1), [unwound(CrossSwapError::Malformed)]);
    assert_eq!(w.locks(1), [0, 0]);
    // Other onions are nobody's terms.
    w.net.submit(0, vec![lock(vec![0xc5]), lock(vec![1, 1]), lock(vec![])]);
    w.pump();
    assert_eq!((w.ends(1).len(), w.locks(1)), (1, [3, 0]));
    // A swap under the hash of these locks: the initiator does not begin it, the responder does not join it.
    w.accept(1, |_| {});
    let begun = w.net.command(0, Action::CrossSwap(w.offer()));
    assert_eq!(begun, InputOutcome::Refused(CommandError::CrossSwap(CrossSwapError::HashInUse)));
    let mut terms = vec![0xc5, 1];
    terms.extend(xln_core::codec::encode(&w.offer().want).unwrap());
    let Transition::AddPayment { key, token, kind, hash: h, expiry, .. } = lock(vec![]) else { panic!() };
    let first = Transition::AddPayment { key, token, amount: 70, kind, hash: h, expiry, onion: terms };
    w.net.submit(0, vec![first]).remove(0).unwrap();
    w.pump();
    assert_eq!(w.ends(1)[1..], [unwound(CrossSwapError::HashInUse)]);
    assert_eq!(w.locks(1), [3, 0]);
}

#[test]
fn what_cannot_be_begun_is_refused_by_name() {
    let mut w = world();
    let offer = w.offer();
    let changed = |change: fn(&mut CrossSwapOffer)| {
        let mut offer = offer;
        change(&mut offer);
        offer
    };
    let cases = [
        (changed(|o| o.want.sum = o.give.sum), CrossSwapError::SameSubchannel),
        (changed(|o| o.give.expiry = o.want.expiry.plus(3599)), CrossSwapError::GapTooSmall),
        (changed(|o| o.want.expiry = UnixSeconds(1_000_012 + 629)), CrossSwapError::TooLate),
        (changed(|o| o.give.sum.amount = 0), CrossSwapError::Lock(TransitionError::ZeroAmount)),
        (changed(|o| o.want.sum.amount = 0), CrossSwapError::Lock(TransitionError::ZeroAmount)),
        (changed(|o| o.want.sum.token = USD), CrossSwapError::Lock(TransitionError::UnknownToken)),
    ];
    assert_eq!(w.net.now, UnixSeconds(1_000_012));
    for (offer, error) in cases {
        let outcome = w.net.command(0, Action::CrossSwap(offer));
        assert_eq!(outcome, InputOutcome::Refused(CommandError::CrossSwap(error)));
    }
    let poor = changed(|o| o.give.sum.amount = LIMIT + 1);
    assert_eq!(
        w.net.command(0, Action::CrossSwap(poor)),
        InputOutcome::Refused(CommandError::Transition(TransitionError::InsufficientCapacity {
            available: LIMIT,
            needed: LIMIT + 1
        }))
    );
    assert_eq!(w.net.channel(0).cross_swaps().count(), 0);
    // A bounded number of each.
    for i in 0..16 {
        let offer = CrossSwapOffer {
            secret: secret(100 + i),
            give: CrossLeg { sum: CrossSum { amount: 1, ..offer.give.sum }, ..offer.give },
            ..offer
        };
        assert!(matches!(w.net.command(0, Action::CrossSwap(offer)), InputOutcome::Accepted(_)));
        w.accept(0, |_| {});
    }
    let too_many = InputOutcome::Refused(CommandError::CrossSwap(CrossSwapError::TooMany));
    assert_eq!(w.net.command(0, Action::CrossSwap(offer)), too_many);
    assert_eq!(w.net.command(0, Action::AcceptCrossSwap(w.consent())), too_many);
    let late = CrossSwapConsent { until: w.net.now.minus(1), ..w.consent() };
    let too_late = InputOutcome::Refused(CommandError::CrossSwap(CrossSwapError::TooLate));
    assert_eq!(w.net.command(1, Action::AcceptCrossSwap(late)), too_late);
    w.net.configure(1, |c| c.vigilant = false);
    let blind = InputOutcome::Refused(CommandError::CrossSwap(CrossSwapError::NotVigilant));
    assert_eq!(w.net.command(1, Action::AcceptCrossSwap(w.consent())), blind);
    assert_eq!(w.net.command(1, Action::CrossSwap(w.offer())), blind);
}

#[test]
fn a_responder_that_never_answers_costs_the_initiator_only_time() {
    for initiator in 0..2 {
        // It has agreed to the first leg and does nothing.
        let mut w = world();
        w.net.configure(1 - initiator, |c| c.vigilant = false);
        w.swap(initiator);
        w.pump();
        assert_eq!(w.locks(initiator), [1, 0]);
        w.pass(GIVE_S - 150);
        assert_eq!(w.locks(initiator), [1, 0], "not before its expiry");
        w.pass(1000);
        assert_eq!((w.locks(initiator), w.delta(initiator)), ([0, 0], [0, 0]));
        assert!(matches!(w.ends(initiator)[..], [Event::CrossSwapUnwound { reason: CrossSwapError::Expired, .. }]));
        // It is away, and comes back after its own lock would have expired.
        let mut w = world();
        w.accept(1 - initiator, |_| {});
        w.stop(1 - initiator);
        w.swap(initiator);
        w.pass(WANT_S + 100);
        w.start(1 - initiator);
        w.pass(1200);
        w.assert_unwound(initiator, [CrossSwapError::Declined, CrossSwapError::NoConsent]);
    }
}

#[test]
fn an_initiator_that_never_settles_costs_the_responder_only_time() {
    for initiator in 0..2 {
        let mut w = world();
        w.accept(1 - initiator, |_| {});
        w.swap(initiator);
        // From now on it only agrees.
        w.net.configure(initiator, |c| c.vigilant = false);
        w.pump();
        assert_eq!(w.locks(0), [1, 1]);
        w.pass(WANT_S - 150);
        assert_eq!(w.locks(0), [1, 1]);
        w.pass(1000);
        assert_eq!((w.locks(0), w.delta(0)), ([0, 0], [0, 0]), "second leg after its expiry, then the first");
        assert!(matches!(w.ends(1 - initiator)[..], [Event::CrossSwapUnwound { reason: CrossSwapError::Expired, .. }]));
        // It goes away before it has agreed to the second leg, for longer than that lives.
        let mut w = world();
        w.accept(1 - initiator, |_| {});
        w.swap(initiator);
        let (from, to, bytes) = w.net.wire.pop_front().unwrap();
        let from = w.net.id(from);
        w.net.stage(to, vec![Input::Message { from, bytes }]);
        w.stop(initiator);
        w.pass(WANT_S + 100);
        w.start(initiator);
        w.pass(1200);
        for i in 0..2 {
            assert_eq!(w.delta(i), [0, 0]);
            assert!(matches!(w.ends(i)[..], [Event::CrossSwapUnwound { .. }]), "{:?}", w.ends(i));
        }
        w.assert_idle();
    }
}

#[test]
fn the_secret_is_not_let_go_for_a_second_leg_that_is_not_as_asked_or_late() {
    type Change = fn(&mut CrossLeg);
    let cases: [Change; 4] = [
        |leg| leg.sum.amount -= 1,
        |leg| leg.sum.amount += 1,
        |leg| leg.expiry = leg.expiry.minus(1),
        |leg| leg.expiry = leg.expiry.plus(1),
    ];
    for change in cases {
        let mut w = world();
        w.net.configure(1, |c| c.vigilant = false);
        w.swap(0);
        w.pump();
        let mut leg = w.offer().want;
        change(&mut leg);
        let CrossLeg { sum: CrossSum { key, token, amount }, expiry } = leg;
        let hash = secret(7).hash(KIND);
        w.net.submit(1, vec![Transition::AddPayment { key, token, amount, kind: KIND, hash, expiry, onion: vec![] }]);
        w.pump();
        assert_eq!((w.locks(0), w.delta(0)), ([1, 0], [0, 0]), "given back, and the first leg waits");
        w.pass(GIVE_S + 1000);
        assert!(matches!(w.ends(0)[..], [Event::CrossSwapUnwound { reason: CrossSwapError::WrongTerms, .. }]));
    }
    // As asked, but the time that a reveal on chain needs is no longer there.
    for (late, done) in [(WANT_S - 630, true), (WANT_S - 629, false)] {
        let mut w = world();
        let responder = w.offer();
        w.accept(1, |c| c.until = responder.want.expiry);
        w.swap(0);
        w.net.now = w.net.now.plus(late);
        w.pump();
        if done {
            w.assert_done(0);
        } else {
            w.assert_unwound(0, [CrossSwapError::TooLate, CrossSwapError::Declined]);
        }
    }
}

#[test]
fn what_is_lost_on_the_wire_is_made_up_for() {
    for initiator in 0..2 {
        for n in 2..6 {
            let mut w = world();
            w.accept(1 - initiator, |_| {});
            w.lossy = Some(n);
            w.swap(initiator);
            w.pump();
            for _ in 0..20 {
                w.pass(20);
            }
            w.lossy = None;
            w.pass(40);
            w.connect();
            w.assert_done(initiator);
        }
    }
}

/// Delivers until both legs are agreed by the initiator, whose secret then is on the wire, or lost.
fn until_both_locked(w: &mut World, initiator: usize) {
    w.accept(1 - initiator, |_| {});
    w.swap(initiator);
    while w.locks(initiator) != [1, 1] {
        let (from, to, bytes) = w.net.wire.pop_front().unwrap();
        let from = w.net.id(from);
        w.net.stage(to, vec![Input::Message { from, bytes }]);
    }
}

#[test]
fn a_reveal_on_one_chain_settles_the_leg_on_the_other() {
    for initiator in 0..2 {
        let mut w = world();
        until_both_locked(&mut w, initiator);
        w.cut = true;
        w.pump();
        w.pass(WANT_S - 601);
        assert!(w.registry.is_empty(), "not before the margin");
        w.pass(300);
        let hash = secret(7).hash(KIND);
        assert_eq!(w.registry, BTreeSet::from([(KEY2.chain, hash)]), "the initiator takes the second leg on its chain");
        // The responder has seen it there; with the wire still cut it takes the first leg on the other chain.
        w.pass(GIVE_S - WANT_S - 400);
        assert_eq!(w.registry.len(), 1, "its own margin has not begun");
        w.pass(700);
        assert_eq!(w.registry, BTreeSet::from([(KEY.chain, hash), (KEY2.chain, hash)]));
        w.pass(1000);
        w.cut = false;
        w.connect();
        w.pass(1000);
        w.assert_done(initiator);

        // With the wire back in time, one reveal serves both.
        let mut w = world();
        until_both_locked(&mut w, initiator);
        w.cut = true;
        w.pump();
        w.pass(WANT_S - 400);
        w.cut = false;
        w.connect();
        w.pass(1000);
        assert_eq!(w.registry.len(), 1);
        w.assert_done(initiator);
    }
}

#[test]
fn a_secret_in_a_block_that_is_refused_is_known_all_the_same() {
    let mut w = world();
    until_both_locked(&mut w, 0);
    // The responder sees a dispute over the second leg's subchannel before the block that settles it arrives.
    let kind =
        ChangeKind::Dispute { epoch: 0, dispute: dispute(Side::Left, 0, w.net.now), fills: vec![], body: vec![] };
    let change = ChainChange { key: KEY2, pair: w.net.pair(), kind };
    w.net.stage(1, vec![Input::Chain(ChainFact::Sighted { change })]);
    w.net.restart(1);
    w.pump();
    assert_eq!(w.locks(1), [0, 1], "the first leg is settled although the second's settlement is refused");
    assert_eq!(w.delta(1), [-70, 0]);
    // The initiator has what it needs: it reveals where its leg is.
    w.net.parties[1].actions.clear();
    w.pass(WANT_S - 500);
    assert_eq!(w.registry, BTreeSet::from([(KEY2.chain, secret(7).hash(KIND))]));
}

fn closed(key: SubchannelKey, pair: Pair) -> ChainChange {
    ChainChange { key, pair, kind: ChangeKind::Closed { epoch: 1, settlement_nonce: 0 } }
}

#[test]
fn a_dispute_on_the_first_chain_leaves_the_first_leg_to_the_registry() {
    for initiator in 0..2 {
        let mut w = world();
        until_both_locked(&mut w, initiator);
        let kind = |w: &World| ChangeKind::Dispute {
            epoch: 0,
            dispute: DisputeFact { nonce: w.net.state(0).nonce.0, ..dispute(side(initiator), 0, w.net.now) },
            fills: vec![],
            body: vec![],
        };
        let change = ChainChange { key: KEY, pair: w.net.pair(), kind: kind(&w) };
        for i in 0..2 {
            w.net.stage(i, vec![Input::Chain(ChainFact::Sighted { change: change.clone() })]);
        }
        w.pump();
        for i in 0..2 {
            assert_eq!(w.locks(i), [1, 0], "the second leg is settled, the first cannot be");
        }
        w.pass(GIVE_S - 601);
        assert!(w.registry.is_empty());
        w.pass(300);
        assert_eq!(w.registry, BTreeSet::from([(KEY.chain, secret(7).hash(KIND))]), "the responder reveals");
        w.block(vec![closed(KEY, w.net.pair())]);
        for i in 0..2 {
            w.net.parties[i].actions.clear();
        }
        w.pass(1000);
        for i in 0..2 {
            assert!(matches!(w.ends(i)[..], [Event::CrossSwapDone { .. }]), "{:?}", w.ends(i));
        }
    }
}

#[test]
fn a_dispute_on_the_second_chain_before_the_secret_is_out_unwinds_both() {
    for initiator in 0..2 {
        let mut w = world();
        w.accept(1 - initiator, |_| {});
        w.swap(initiator);
        // The initiator sees a start over the second leg's subchannel before that leg is agreed: not settled, not given back.
        w.net.configure(initiator, |c| c.vigilant = false);
        w.pump();
        assert_eq!(w.locks(0), [1, 1]);
        let at = w.net.now;
        let fact = DisputeFact { nonce: w.net.state(0).nonce.0, ..dispute(side(1 - initiator), 0, at) };
        let kind = ChangeKind::Dispute { epoch: 0, dispute: fact, fills: vec![], body: vec![] };
        let change = ChainChange { key: KEY2, pair: w.net.pair(), kind };
        for i in 0..2 {
            w.net.stage(i, vec![Input::Chain(ChainFact::Sighted { change: change.clone() })]);
        }
        w.net.configure(initiator, |c| c.vigilant = true);
        w.pass(WANT_S - 300);
        assert_eq!((w.locks(0), w.registry.len()), ([1, 1], 0));
        // The dispute ends without the leg; only when the chain's clock has passed its expiry is the first given back.
        w.block(vec![closed(KEY2, w.net.pair())]);
        w.pass(450);
        assert_eq!(w.locks(0), [1, 0], "closed, but the registry may still be told");
        w.pass(600);
        assert_eq!((w.locks(0), w.delta(0)), ([0, 0], [0, 0]));
        for i in 0..2 {
            assert!(matches!(w.ends(i)[..], [Event::CrossSwapUnwound { .. }]), "{:?}", w.ends(i));
        }
    }
}

#[test]
fn a_second_leg_that_a_close_took_is_looked_up_in_its_registry() {
    for initiator in 0..2 {
        let mut w = world();
        until_both_locked(&mut w, initiator);
        w.cut = true;
        w.pump();
        w.pass(WANT_S - 500);
        assert_eq!(w.registry, BTreeSet::from([(KEY2.chain, secret(7).hash(KIND))]));
        // The same block brings the close to the responder that brings the secret; both are told together.
        w.block(vec![closed(KEY2, w.net.pair())]);
        w.cut = false;
        w.connect();
        w.pass(1000);
        for i in 0..2 {
            assert_eq!(w.delta(i)[0], if initiator == 0 { -70 } else { 70 });
            assert!(matches!(w.ends(i)[..], [Event::CrossSwapDone { .. }]), "{:?}", w.ends(i));
        }
    }
}

#[test]
fn a_leg_is_not_given_back_by_hand_while_the_other_may_be_taken() {
    let mut w = world();
    until_both_locked(&mut w, 0);
    let id = |w: &World, key| *w.net.state(0).subchannels[&key].pending.keys().next().unwrap();
    let unfinished = CommandError::CrossSwap(CrossSwapError::Unfinished);
    let (first, second) = (id(&w, KEY), id(&w, KEY2));
    assert_eq!(w.net.refused(1, Transition::CancelPayment { key: KEY, id: first }), unfinished);
    assert_eq!(w.net.refused(0, Transition::CancelPayment { key: KEY2, id: second }), unfinished);
    let fail = |key, id| Transition::FailPayment { key, id, reason: vec![1] };
    assert_eq!(w.net.refused(1, fail(KEY, first)), unfinished);
    assert_eq!(w.net.refused(0, fail(KEY2, second)), unfinished);
    w.pump();
    w.assert_done(0);
}

#[test]
fn a_leg_that_is_failed_with_a_word_was_given_back() {
    let mut w = world();
    // A responder that leaves swaps to its user, who refuses and says why.
    w.net.configure(1, |c| c.vigilant = false);
    w.swap(0);
    w.pump();
    let id = *w.net.state(1).subchannels[&KEY].pending.keys().next().unwrap();
    w.net.submit(1, vec![Transition::FailPayment { key: KEY, id, reason: vec![1] }]).remove(0).unwrap();
    w.pump();
    let unwound = |e: &Event| matches!(e, Event::CrossSwapUnwound { reason: CrossSwapError::Declined, .. });
    assert!(w.net.parties[0].events.iter().any(unwound), "no close took it: {:?}", w.net.parties[0].events);
}

#[test]
fn a_restored_responder_locks_nothing_and_gives_nothing_back() {
    for held_back in 0..4 {
        let mut w = world();
        w.accept(1, |_| {});
        w.swap(0);
        let mut backup = w.net.parties[1].log.records.len();
        for _ in 0..held_back {
            let Some((from, to, bytes)) = w.net.wire.pop_front() else { break };
            let from = w.net.id(from);
            w.net.stage(to, vec![Input::Message { from, bytes }]);
            if held_back == 3 {
                backup = w.net.parties[1].log.records.len();
            }
        }
        w.net.wire.clear();
        let records: Vec<Record> =
            w.net.parties[1].log.records[..backup].iter().map(|r| Record::decode(r).unwrap()).collect();
        let entity = w.net.id(1);
        w.net.parties[1].machine = Machine::restore(entity, None, records).unwrap();
        w.net.parties[1].log.records.truncate(backup);
        w.net.stage(1, vec![Input::RestoredFromBackup]);
        let locked = w.locks(0);
        w.connect();
        if locked[1] == 0 {
            // Its lost block may have locked the second leg: the first comes back by its expiry alone, or at once if it
            // was not agreed before.
            assert_eq!(w.locks(0)[1], 0, "{held_back}");
        }
        w.pass(GIVE_S + 1000);
        // A peer that was behind has caught up; a new connection tells the restored one.
        w.connect();
        w.pass(600);
        w.net.agreed();
        assert_eq!(w.locks(0), [0, 0], "{held_back}");
        let moved = w.delta(0).map(|d| d != 0);
        assert_eq!(moved[0], moved[1], "{held_back}: {:?}", w.delta(0));
    }
}

/// The backup is older than the first leg, of which the peer's state tells: what the lost records answered is not known.
#[test]
fn a_first_leg_that_a_restored_responder_learns_of_is_left_alone() {
    let mut w = world();
    w.accept(1, |_| {});
    let backup = w.net.parties[1].log.records.len();
    w.swap(0);
    while w.locks(0) != [1, 0] {
        let (from, to, bytes) = w.net.wire.pop_front().unwrap();
        // The acknowledgement of the first leg alone, without the second.
        let mut message = xln_core::wire::Message::decode(&bytes).unwrap();
        message.parts.retain(|part| from == 0 || matches!(part, xln_core::wire::Part::Ack { .. }));
        let (from, bytes) = (w.net.id(from), message.encode().unwrap());
        w.net.stage(to, vec![Input::Message { from, bytes }]);
    }
    w.net.wire.clear();
    let records = w.net.parties[1].log.records[..backup].iter().map(|r| Record::decode(r).unwrap());
    w.net.parties[1].machine = Machine::restore(w.net.id(1), None, records.collect::<Vec<_>>()).unwrap();
    w.net.parties[1].log.records.truncate(backup);
    w.net.stage(1, vec![Input::RestoredFromBackup]);
    for _ in 0..3 {
        w.connect();
        w.pass(150);
    }
    assert!(!w.net.channel(1).is_recovering());
    assert_eq!(w.locks(1), [1, 0], "neither locked anew nor given back");
    w.pass(GIVE_S + 1000);
    w.assert_idle();
    assert_eq!(w.delta(0), [0, 0]);
}

#[test]
fn a_restored_responder_does_not_take_a_lost_lock_for_none() {
    let mut w = world();
    w.accept(1, |_| {});
    w.swap(0);
    let (_, to, bytes) = w.net.wire.pop_front().unwrap();
    let from = w.net.id(0);
    w.net.stage(to, vec![Input::Message { from, bytes }]);
    w.net.wire.clear();
    // Its second leg is signed and in flight; the backup may be older than it knows.
    w.net.stage(1, vec![Input::RestoredFromBackup]);
    for _ in 0..3 {
        w.connect();
        w.pass(150);
    }
    assert!(!w.net.channel(1).is_recovering());
    assert_eq!(w.locks(1), [1, 0], "neither locked anew nor given back");
    w.pass(GIVE_S + 1000);
    w.assert_idle();
    assert_eq!(w.delta(0), [0, 0]);
}

#[derive(Clone, Debug)]
enum Mishap {
    Deliver(u8),
    Lose,
    Down { who: usize, seconds: u64 },
    Cut { seconds: u64 },
    Crash { who: usize },
    Pass { seconds: u64 },
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        4 => (1u8..6).prop_map(Mishap::Deliver),
        1 => Just(Mishap::Lose),
        2 => (0usize..2, 1u64..9000).prop_map(|(who, seconds)| Mishap::Down { who, seconds }),
        1 => (1u64..9000).prop_map(|seconds| Mishap::Cut { seconds }),
        1 => (0usize..2).prop_map(|who| Mishap::Crash { who }),
        2 => (1u64..3000).prop_map(|seconds| Mishap::Pass { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever happens, both legs move or none, or the loss is to a side that was away for longer than the gap covers.
    #[test]
    fn both_legs_move_or_none(
        initiator in 0usize..2,
        crashing in any::<bool>(),
        mishaps in prop::collection::vec(mishap(), 0..12),
    ) {
        let mut w = world();
        w.crashing = crashing;
        w.accept(1 - initiator, |_| {});
        w.swap(initiator);
        // Seconds that each was away without a break, at most.
        let mut away = [0u64; 2];
        for mishap in mishaps {
            match mishap {
                Mishap::Deliver(n) => {
                    for _ in 0..n {
                        let Some((from, to, bytes)) = w.net.wire.pop_front() else { break };
                        let from = w.net.id(from);
                        w.net.stage(to, vec![Input::Message { from, bytes }]);
                    }
                }
                Mishap::Lose => drop(w.net.wire.pop_front()),
                Mishap::Down { who, seconds } => {
                    w.stop(who);
                    w.pass(seconds);
                    w.start(who);
                    away[who] = away[who].max(seconds);
                }
                Mishap::Cut { seconds } => {
                    w.cut = true;
                    w.pass(seconds);
                    w.cut = false;
                    w.connect();
                }
                Mishap::Crash { who } => w.net.restart(who),
                Mishap::Pass { seconds } => w.pass(seconds),
            }
        }
        w.connect();
        w.pass(GIVE_S + 2000);
        w.connect();
        w.pass(600);
        w.net.agreed();
        prop_assert_eq!(w.locks(0), [0, 0]);
        let sign = if initiator == 0 { 1 } else { -1 };
        let [first, second] = [w.delta(0)[0] == -70 * sign, w.delta(0)[1] == 30 * sign];
        prop_assert!(first || w.delta(0)[0] == 0);
        prop_assert!(second || w.delta(0)[1] == 0);
        for i in 0..2 {
            prop_assert_eq!(w.net.channel(i).cross_swaps().count(), 0);
        }
        // The initiator has from its release to the margin and the margin; the responder the gap without confirmations,
        // blocks, and its own margin.
        let covered = [600 - STEP_S, 3700 - CONFIRM_S - 2 * STEP_S];
        if second && !first {
            prop_assert!(away[1 - initiator] > covered[1], "the responder lost without fault");
        }
        if first && !second {
            prop_assert!(away[initiator] > covered[0], "the initiator lost without fault");
        }
    }
}
