//! Subcontracts of registered instruments: who may add, settle and cancel, what is held and moved, which facts count, and
//! what a peer is allowed without consent (`docs/protocol.md` sections 4, 7 and 8).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::type_complexity,
    reason = "tests say what they expect by failing"
)]

mod common;
#[path = "../../examples/own_instrument/price_option.rs"]
mod price_option;
use std::sync::Arc;

use common::*;
use price_option::{PriceOption, PriceOptionTerms};
use xln_core::chain::{ChainCall, ChainFact, ChainView, FACT_MEMORY_S, REMEMBERED_FACTS};
use xln_core::channel::{CommandError, Rejection};
use xln_core::check::StateError;
use xln_core::commitment::body_of;
use xln_core::limits::{MAX_PENDING, MAX_TERMS_BYTES};
use xln_core::machine::{Action, Input, InputOutcome, Machine};
use xln_core::proof::Batch;
use xln_core::state::{ChannelState, Pending, Subcontract};
use xln_core::subcontract::{
    Clock, ConditionTerms, CreditDefaultSwapTerms, FIRST_CUSTOM, Instruments, Outcome, RegisterError, ScheduleTerms,
    fact_key,
};
use xln_core::transition::{Applier, Transition, TransitionError as E};
use xln_core::types::Side::{Left, Right};
use xln_core::types::*;
use xln_core::wire::RejectReason;

const CDS: u16 = 3;
const SCHEDULE: u16 = 4;
const CONDITION: u16 = 5;

fn add(instrument: u16, terms: Vec<u8>) -> Transition {
    Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument, tokens: vec![USD], terms }
}

fn settle(id: u64) -> Transition {
    Transition::SettleSubcontract { key: KEY, id }
}

fn cancel(id: u64) -> Transition {
    Transition::CancelSubcontract { key: KEY, id }
}

fn swap_terms(payer: Side, amount: u128, not_before: UnixSeconds, expiry: UnixSeconds) -> CreditDefaultSwapTerms {
    CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference: [7; 32], debt_token: EUR }
}

fn default_swap(payer: Side, amount: u128, expiry: UnixSeconds) -> Transition {
    add(CDS, swap_terms(payer, amount, T0, expiry).encode().unwrap())
}

/// The fact that decides such a swap.
fn default_fact(not_before: UnixSeconds, at: UnixSeconds) -> RecordedFact {
    let mut question = KEY.depository.0.to_vec();
    question.extend_from_slice(&[7; 32]);
    question.extend_from_slice(&EUR.0.to_be_bytes());
    RecordedFact { provider: PROVIDER, key: fact_key(CDS, not_before, &question).unwrap(), at, value: 1 }
}

fn schedule_terms(payer: Side, amount: u128, start: UnixSeconds) -> ScheduleTerms {
    ScheduleTerms { payer, cancellable: false, amount, paid: 0, start, duration_s: 600, cliff_s: 0, steps: 0 }
}

fn schedule(terms: ScheduleTerms) -> Transition {
    add(SCHEDULE, terms.encode().unwrap())
}

fn condition(payer: Side, amount: u128, fallback: u128, expiry: UnixSeconds) -> (Transition, RecordedFact) {
    let (target, calldata) = (Address([9; 20]), vec![1, 2, 3, 4]);
    let mut question = target.0.to_vec();
    question.extend_from_slice(&calldata);
    let terms = ConditionTerms { payer, amount, fallback, expiry, not_before: T0, target, calldata };
    let key = fact_key(CONDITION, T0, &question).unwrap();
    (add(CONDITION, terms.encode().unwrap()), RecordedFact { provider: PROVIDER, key, at: expiry, value: 1 })
}

fn record(number: u64, timestamp: UnixSeconds, recorded: Vec<RecordedFact>) -> Transition {
    let facts = facts(0, 0, (0, 0));
    Transition::SyncChain { key: KEY, point: point(number, timestamp), facts, reveals: vec![], recorded }
}

/// Left's hold, right's hold, offdelta.
fn usd(state: &ChannelState) -> (u128, u128, i128) {
    let token = state.token(&KEY, USD).unwrap();
    (token.left_hold, token.right_hold, token.offdelta)
}

fn subcontract(state: &ChannelState, id: u64) -> &Subcontract {
    match &state.subchannels[&KEY].pending[&id] {
        Pending::Subcontract(s) => s,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_default_pays_and_only_in_time() {
    let expiry = T0.plus(1000);
    for (payer, holds, paid) in [(Left, (60, 0, 0), -60), (Right, (0, 60, 0), 60)] {
        let s = one(&base(100), Left, T0, &default_swap(payer, 60, expiry)).unwrap();
        assert_eq!(usd(&s), holds, "the hold is the payer's, whoever adds it");
        assert_eq!(one(&s, Right, T0, &settle(1)), Err(E::Undecided));
        let known = one(&s, Left, T0, &record(1, expiry, vec![default_fact(T0, expiry)])).unwrap();
        for by in [Left, Right] {
            let done = one(&known, by, T0, &settle(1)).unwrap();
            assert_eq!(usd(&done), (0, 0, paid));
            assert!(done.subchannels[&KEY].pending.is_empty());
            assert_eq!(one(&done, by, T0, &settle(1)), Err(E::UnknownSubcontract));
        }
        // At the expiry itself it may still come; after it nothing can.
        let at_expiry = one(&s, Left, T0, &record(1, expiry, vec![])).unwrap();
        assert_eq!(one(&at_expiry, payer, T0, &settle(1)), Err(E::Undecided));
        let after = one(&at_expiry, Left, T0, &record(2, expiry.plus(1), vec![])).unwrap();
        let freed = one(&after, payer, T0, &settle(1)).unwrap();
        assert_eq!(usd(&freed), (0, 0, 0));
        assert!(freed.subchannels[&KEY].pending.is_empty());
    }
}

#[test]
fn a_fact_that_is_late_foreign_or_known_is_refused() {
    let expiry = T0.plus(1000);
    let s = one(&base(100), Left, T0, &default_swap(Left, 60, expiry)).unwrap();
    let good = default_fact(T0, expiry);
    let late = RecordedFact { at: expiry.plus(1), ..good };
    let foreign = RecordedFact { provider: Address([9; 20]), ..good };
    let other = RecordedFact { key: Hash([1; 32]), ..good };
    for fact in [late, foreign, other] {
        assert_eq!(one(&s, Left, T0, &record(1, expiry.plus(9), vec![fact])), Err(E::IrrelevantFact), "{fact:?}");
    }
    assert_eq!(one(&s, Left, T0, &record(1, expiry.minus(1), vec![good])), Err(E::IrrelevantFact), "from the future");
    assert_eq!(one(&s, Left, T0, &record(1, expiry, vec![good, good])), Err(E::IrrelevantFact), "twice");
    let known = one(&s, Left, T0, &record(1, expiry, vec![good])).unwrap();
    assert_eq!(one(&known, Left, T0, &record(2, expiry, vec![good])), Err(E::IrrelevantFact), "again");
    let earlier = RecordedFact { at: T0, value: 0, ..good };
    assert_eq!(one(&known, Left, T0, &record(2, expiry, vec![earlier])), Err(E::IrrelevantFact), "the first one wins");
}

#[test]
fn one_fact_decides_all_that_ask_for_it() {
    let expiry = T0.plus(1000);
    let s = one(&base(100), Left, T0, &default_swap(Left, 10, expiry)).unwrap();
    let s = one(&s, Right, T0, &default_swap(Left, 20, expiry.plus(5))).unwrap();
    // In time for the second one only.
    let fact = default_fact(T0, expiry.plus(2));
    let s = one(&s, Left, T0, &record(1, expiry.plus(2), vec![fact])).unwrap();
    let s = one(&s, Right, T0, &settle(1)).unwrap();
    let s = one(&s, Right, T0, &settle(2)).unwrap();
    assert_eq!(usd(&s), (0, 0, -20));
}

#[test]
fn a_condition_pays_one_amount_or_the_other() {
    let expiry = T0.plus(1000);
    for (amount, fallback, hold) in [(10, 40, 40), (40, 10, 40), (40, 0, 40)] {
        let (add, fact) = condition(Right, amount, fallback, expiry);
        let s = one(&base(100), Right, T0, &add).unwrap();
        assert_eq!(usd(&s), (0, hold, 0));
        let yes = one(&s, Left, T0, &record(1, expiry, vec![fact])).unwrap();
        assert_eq!(usd(&one(&yes, Left, T0, &settle(1)).unwrap()), (0, 0, amount as i128));
        let no = one(&s, Left, T0, &record(1, expiry.plus(1), vec![])).unwrap();
        assert_eq!(usd(&one(&no, Right, T0, &settle(1)).unwrap()), (0, 0, fallback as i128));
    }
}

#[test]
fn a_schedule_is_paid_in_parts() {
    let s = one(&base(1000), Left, T0, &schedule(schedule_terms(Left, 600, T0))).unwrap();
    assert_eq!(usd(&s), (600, 0, 0));
    assert_eq!(one(&s, Right, T0, &settle(1)), Err(E::Undecided), "nothing has vested");
    let at = |s: &ChannelState, time: u64| one(s, Right, T0.plus(time), &settle(1));
    let half = at(&s, 300).unwrap();
    assert_eq!(usd(&half), (300, 0, -300));
    assert_eq!(ScheduleTerms::parse(&subcontract(&half, 1).terms).unwrap().paid, 300);
    assert_eq!(at(&half, 300), Err(E::Undecided), "not twice");
    let more = at(&half, 599).unwrap();
    assert_eq!(usd(&more), (1, 0, -599));
    let all = at(&more, 600).unwrap();
    assert_eq!(usd(&all), (0, 0, -600));
    assert!(all.subchannels[&KEY].pending.is_empty());
    assert_eq!(usd(&at(&s, 5000).unwrap()), (0, 0, -600), "as much as at once");
}

#[test]
fn who_may_cancel() {
    let at = T0.plus(150);
    let kept = one(&base(1000), Left, T0, &schedule(schedule_terms(Left, 600, T0))).unwrap();
    assert_eq!(one(&kept, Left, at, &cancel(1)), Err(E::NotCancellable));
    assert_eq!(usd(&one(&kept, Right, at, &cancel(1)).unwrap()), (0, 0, 0), "the beneficiary gives all up");
    let agreed = ScheduleTerms { cancellable: true, ..schedule_terms(Left, 600, T0) };
    let s = one(&base(1000), Left, T0, &schedule(agreed)).unwrap();
    assert_eq!(usd(&one(&s, Left, at, &cancel(1)).unwrap()), (0, 0, -150), "what has vested is paid");
    let s = one(&base(1000), Left, T0, &default_swap(Left, 60, T0.plus(9))).unwrap();
    assert_eq!(one(&s, Left, T0, &cancel(1)), Err(E::NotCancellable));
    assert_eq!(usd(&one(&s, Right, T0, &cancel(1)).unwrap()), (0, 0, 0));
    assert_eq!(one(&s, Right, T0, &cancel(2)), Err(E::UnknownSubcontract));
    let locked = one(&base(1000), Left, T0, &lock(5, 1, T0.plus(700))).unwrap();
    assert_eq!(one(&locked, Right, T0, &settle(1)), Err(E::UnknownSubcontract), "a payment has rules of its own");
    assert_eq!(one(&s, Right, T0, &Transition::CancelPayment { key: KEY, id: 1 }), Err(E::UnknownSubcontract));
}

#[test]
fn what_cannot_be_added() {
    let (s, expiry) = (base(100), T0.plus(1000));
    let terms = swap_terms(Left, 60, T0, expiry).encode().unwrap();
    let with = |change: &dyn Fn(&mut Address, &mut u16, &mut Vec<TokenId>, &mut Vec<u8>)| {
        let (mut provider, mut instrument, mut tokens, mut terms) = (PROVIDER, CDS, vec![USD], terms.clone());
        change(&mut provider, &mut instrument, &mut tokens, &mut terms);
        one(&s, Left, T0, &Transition::AddSubcontract { key: KEY, provider, instrument, tokens, terms })
    };
    assert!(with(&|_, _, _, _| ()).is_ok());
    assert_eq!(with(&|p, _, _, _| *p = Address([1; 20])), Err(E::UnknownProvider));
    for number in [0, 1, 2, 6, FIRST_CUSTOM] {
        assert_eq!(with(&|_, i, _, _| *i = number), Err(E::UnknownInstrument { instrument: number }));
    }
    assert_eq!(with(&|_, _, t, _| t.clear()), Err(E::InvalidTerms));
    assert_eq!(with(&|_, _, t, _| t.push(EUR)), Err(E::InvalidTerms), "it moves one token");
    assert_eq!(with(&|_, _, t, _| t.push(USD)), Err(E::InvalidTerms), "no token twice");
    assert_eq!(with(&|_, _, t, _| t[0] = TokenId(77)), Err(E::UnknownToken));
    assert_eq!(with(&|_, _, _, t| t.truncate(62)), Err(E::InvalidTerms));
    assert_eq!(with(&|_, _, _, t| t.push(0)), Err(E::InvalidTerms));
    assert_eq!(with(&|_, _, _, t| t.resize(MAX_TERMS_BYTES + 1, 0)), Err(E::InvalidTerms));
    assert_eq!(with(&|_, _, _, t| t[0] |= 4), Err(E::InvalidTerms), "unknown flags");
    let add = |amount, time| one(&s, Left, time, &default_swap(Left, amount, expiry));
    assert_eq!(add(101, T0), Err(E::InsufficientCapacity { available: 100, needed: 101 }));
    assert!(add(100, expiry).is_ok(), "at its last second");
    assert_eq!(add(100, expiry.plus(1)), Err(E::Expired));
    let late = one(&s, Left, T0, &sync(1, expiry.plus(1), facts(0, 0, (0, 0)), vec![])).unwrap();
    assert_eq!(one(&late, Left, T0, &default_swap(Left, 1, expiry)), Err(E::Expired), "the chain is past it");
    // The other side's hold needs its capacity too.
    assert_eq!(
        one(&s, Left, T0, &default_swap(Right, 101, expiry)),
        Err(E::InsufficientCapacity { available: 100, needed: 101 })
    );
}

#[test]
fn holds_count_in_order_and_a_half_of_what_may_be_pending() {
    let expiry = T0.plus(1000);
    let mut s = base(1000);
    for _ in 0..MAX_PENDING / 2 {
        s = one(&s, Left, T0, &default_swap(Left, 60, expiry)).unwrap();
    }
    assert_eq!(one(&s, Left, T0, &default_swap(Left, 1, expiry)), Err(E::LimitReached));
    assert_eq!(usd(&s), (960, 0, 0));
    for _ in 0..MAX_PENDING / 2 {
        s = one(&s, Right, T0, &default_swap(Left, 1, expiry)).unwrap();
    }
    assert_eq!(one(&s, Left, T0, &pay(25)), Err(E::InsufficientCapacity { available: 24, needed: 25 }));
    let body = body_of(&s.subchannels[&KEY]).unwrap();
    assert_eq!(body.clauses.len(), MAX_PENDING);
    assert!(body.encode().is_ok(), "a full subchannel has a body");
    let two = vec![default_swap(Left, 60, expiry), default_swap(Left, 60, expiry)];
    assert!(step(&base(100), Left, T0, two).is_err(), "two of 60 against 100 in one block");
}

#[test]
fn a_pending_subcontract_keeps_its_token_and_ends_with_its_epoch() {
    let s = one(&base(100), Left, T0, &default_swap(Left, 60, T0.plus(9))).unwrap();
    assert_eq!(one(&s, Left, T0, &Transition::RemoveToken { key: KEY, token: USD }), Err(E::NotEmpty));
    assert_eq!(one(&s, Left, T0, &Transition::ProposeClose { key: KEY, expiry: T0.plus(9) }), Err(E::SomethingPending));
    let raised = one(&s, Left, T0, &sync(1, T0, facts(1, 0, (0, 0)), vec![])).unwrap();
    assert!(raised.subchannels[&KEY].pending.is_empty());
    assert_eq!(usd(&raised), (0, 0, 0));
}

#[test]
fn a_clause_stands_between_payments_and_swaps() {
    let mut s = base(100);
    let offer = Transition::OfferSwap {
        key: KEY,
        give_token: USD,
        give: 5,
        want_token: EUR,
        want: 5,
        min_fill: 0,
        expiry: T0.plus(700),
    };
    for transition in [offer, schedule(schedule_terms(Right, 30, T0)), default_swap(Left, 60, T0.plus(9))] {
        s = one(&s, Left, T0, &transition).unwrap();
    }
    let s = one(&s, Left, T0, &lock(7, 1, T0.plus(700))).unwrap();
    let body = body_of(&s.subchannels[&KEY]).unwrap();
    let kinds = body.clauses.iter().map(|clause| match &clause.batch {
        Batch::Payments(_) => 1,
        Batch::Swap(_) => 2,
        Batch::Custom { instrument, .. } => *instrument,
    });
    assert_eq!(kinds.collect::<Vec<_>>(), [1, SCHEDULE, CDS, 2]);
    let clause = &body.clauses[2];
    let Batch::Custom { payload, .. } = &clause.batch else { panic!() };
    // One token, the first of the body, then the terms; left may lose 60, right nothing.
    assert_eq!(payload[..2], [1, 0]);
    assert_eq!(payload[2..], subcontract(&s, 3).terms);
    assert_eq!((clause.allowances[0].left, clause.allowances[0].right), (60, 0));
    assert_eq!(clause.provider, PROVIDER);
    assert_eq!(xln_core::proof::Body::parse(&body.encode().unwrap()), Ok(body));
}

#[test]
fn a_loaded_state_holds_what_its_instruments_say() {
    let s = one(&base(100), Left, T0, &default_swap(Left, 60, T0.plus(9))).unwrap();
    s.check().unwrap();
    let broken = |change: &dyn Fn(&mut Subcontract)| {
        let mut s = s.clone();
        let Some(Pending::Subcontract(found)) = s.subchannels.get_mut(&KEY).unwrap().pending.get_mut(&1) else {
            panic!()
        };
        change(found);
        s.check()
    };
    assert_eq!(broken(&|s| s.holds[0].left = 59), Err(StateError::HoldMismatch));
    // Holds that add up, and are not what the terms cost.
    let mut cheap = s.clone();
    let subchannel = cheap.subchannels.get_mut(&KEY).unwrap();
    subchannel.tokens.get_mut(&USD).unwrap().left_hold = 59;
    let Some(Pending::Subcontract(found)) = subchannel.pending.get_mut(&1) else { panic!() };
    found.holds[0].left = 59;
    assert_eq!(cheap.check(), Err(StateError::HoldMismatch));
    assert_eq!(broken(&|s| s.asks.clear()), Err(StateError::HoldMismatch));
    assert_eq!(broken(&|s| s.asks[0].key = Hash([1; 32])), Err(StateError::HoldMismatch));
    assert_eq!(broken(&|s| s.last = T0), Err(StateError::HoldMismatch));
    assert_eq!(broken(&|s| s.terms.push(0)), Err(StateError::OutOfRange));
    assert_eq!(broken(&|s| s.tokens[0] = TokenId(77)), Err(StateError::Dangling));
    assert_eq!(broken(&|s| s.provider = Address([1; 20])), Err(StateError::Dangling));
    assert_eq!(broken(&|s| s.instrument = 9), Err(StateError::UnknownInstrument { instrument: 9 }));
    let late = xln_core::subcontract::Answer { at: T0.plus(10), value: 1 };
    assert_eq!(broken(&|s| s.asks[0].answer = Some(late)), Err(StateError::OutOfRange));
    assert_eq!(s.check_with(&Instruments::none()), Err(StateError::UnknownInstrument { instrument: CDS }));
}

// What an instrument may not do, whatever it says.

struct Wild(Outcome);

impl xln_core::subcontract::Instrument for Wild {
    fn name(&self) -> &'static str {
        "wild"
    }
    fn quote(
        &self,
        terms: &xln_core::subcontract::Terms<'_>,
    ) -> Result<xln_core::subcontract::Quote, xln_core::subcontract::InstrumentError> {
        let held = u128::from(terms.data[0]);
        let mut holds = vec![xln_core::subcontract::Hold::default(); terms.tokens.len()];
        holds[0] = xln_core::subcontract::Hold { left: held, right: 5 };
        Ok(xln_core::subcontract::Quote { holds, questions: vec![], last: UnixSeconds(u64::MAX) })
    }
    fn outcome(
        &self,
        _: &xln_core::subcontract::Terms<'_>,
        _: &[Option<xln_core::subcontract::Answer>],
        _: &Clock,
    ) -> Result<Outcome, xln_core::subcontract::InstrumentError> {
        Ok(self.0.clone())
    }
    fn canonical(
        &self,
        terms: &xln_core::subcontract::Terms<'_>,
    ) -> Result<Vec<u8>, xln_core::subcontract::InstrumentError> {
        Ok(terms.data.to_vec())
    }
}

#[test]
fn a_token_that_nothing_is_held_of_stays_while_it_is_wanted() {
    let mut instruments = Instruments::built_in();
    let outcome = Outcome::Pays { moves: vec![0, 0], rest: None };
    instruments.register(KEY.chain, PROVIDER, 300, Arc::new(Wild(outcome))).unwrap();
    let mut s = base(100);
    let mut applier = Applier::with_instruments(&mut s, Left, T0, &instruments);
    let (tokens, terms) = (vec![USD, EUR], vec![10]);
    let add = Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument: 300, tokens, terms };
    applier.apply(&add).unwrap();
    let remove = Transition::RemoveToken { key: KEY, token: EUR };
    assert_eq!(applier.apply(&remove), Err(E::NotEmpty));
    applier.apply(&settle(1)).unwrap();
    applier.apply(&remove).unwrap();
}

fn wild(moves: Vec<i128>, rest: Option<Vec<u8>>) -> Result<(u128, u128, i128), E> {
    let mut instruments = Instruments::built_in();
    let outcome = Outcome::Pays { moves, rest };
    instruments.register(KEY.chain, PROVIDER, 300, Arc::new(Wild(outcome))).unwrap();
    let mut s = base(100);
    Applier::with_instruments(&mut s, Left, T0, &instruments).apply(&add(300, vec![10])).unwrap();
    assert_eq!(usd(&s), (10, 5, 0));
    let before = s.clone();
    let verdict = Applier::with_instruments(&mut s, Right, T0, &instruments).apply(&settle(1));
    if verdict.is_err() {
        assert_eq!(s, before, "a refusal changes nothing");
    }
    verdict.map(|()| usd(&s))
}

#[test]
fn an_instrument_never_moves_more_than_its_hold_shrinks_by() {
    assert_eq!(wild(vec![-10], None), Ok((0, 0, -10)));
    assert_eq!(wild(vec![5], None), Ok((0, 0, 5)));
    assert_eq!(wild(vec![-11], None), Err(E::OutOfBounds));
    assert_eq!(wild(vec![6], None), Err(E::OutOfBounds));
    assert_eq!(wild(vec![i128::MIN], None), Err(E::OutOfBounds));
    assert_eq!(wild(vec![], None), Err(E::OutOfBounds));
    assert_eq!(wild(vec![0, 0], None), Err(E::OutOfBounds));
    assert_eq!(wild(vec![-4], Some(vec![6])), Ok((6, 5, -4)));
    assert_eq!(wild(vec![-5], Some(vec![6])), Err(E::OutOfBounds));
    assert_eq!(wild(vec![-1], Some(vec![11])), Err(E::OutOfBounds), "no hold grows");
    assert_eq!(wild(vec![1], Some(vec![10])), Err(E::OutOfBounds), "right's hold did not shrink");
    assert_eq!(wild(vec![0], Some(vec![6])), Err(E::Undecided), "a settlement pays or ends");
}

#[test]
fn instruments_are_registered_once_and_per_provider() {
    let mut instruments = Instruments::built_in();
    let option = || Arc::new(PriceOption);
    assert_eq!(instruments.register(KEY.chain, PROVIDER, 255, option()), Err(RegisterError::Reserved(255)));
    instruments.register(KEY.chain, PROVIDER, 256, option()).unwrap();
    assert_eq!(instruments.register(KEY.chain, PROVIDER, 256, option()), Err(RegisterError::Duplicate(256)));
    instruments.register(KEY2.chain, PROVIDER, 256, option()).unwrap();
    assert!(instruments.get(KEY.chain, &PROVIDER, 256).is_some());
    assert!(instruments.get(KEY.chain, &Address([1; 20]), 256).is_none(), "the same number there is other code");
    assert!(instruments.get(KEY.chain, &Address([1; 20]), CDS).is_some());
}

// Two machines.

/// Credit of 1000 each way, both with a view of the chain that began before `now`.
fn market() -> Net {
    let mut net = two();
    net.with_credit(1000);
    net.chain(vec![], vec![]);
    net.now = net.now.plus(10);
    net
}

fn vigilant() -> Net {
    let mut net = market();
    for i in 0..2 {
        net.configure(i, |c| c.vigilant = true);
    }
    net
}

impl Net {
    /// The next confirmed block with recorded facts.
    fn chain_facts(&mut self, facts: Vec<RecordedFact>) {
        self.block += 1;
        let point = self.point();
        for i in 0..2 {
            let (changes, reveals, facts) = (vec![], vec![], facts.clone());
            let fact = ChainFact::Block { point, changes, reveals, facts, entities: vec![] };
            self.stage(i, vec![Input::Chain(fact)]);
        }
        self.settle();
    }
}

fn net_swap(net: &Net, payer: Side, amount: u128) -> (Transition, RecordedFact) {
    let terms = swap_terms(payer, amount, net.now, net.now.plus(1000));
    (add(CDS, terms.encode().unwrap()), default_fact(net.now, net.now.plus(20)))
}

fn consent(transition: &Transition) -> Action {
    let Transition::AddSubcontract { key, provider, instrument, tokens, terms } = transition.clone() else { panic!() };
    Action::ConsentSubcontract { key, provider, instrument, tokens, terms }
}

fn is_pending(net: &Net, id: u64) -> bool {
    net.state(0).subchannels[&KEY].pending.contains_key(&id)
}

#[test]
fn what_may_take_from_the_receiver_needs_its_consent_to_exactly_that() {
    for i in [0, 1] {
        let mut net = market();
        let (harmless, _) = net_swap(&net, side(i), 60);
        net.run(i, harmless);
        assert_eq!(net.channel(1 - i).subcontracts(&KEY).count(), 1, "what takes nothing from the receiver");
        let (theft, _) = net_swap(&net, side(1 - i), 60);
        let (other, _) = net_swap(&net, side(1 - i), 61);
        let refused = |net: &mut Net| {
            net.parties[1 - i].events.clear();
            net.run(i, theft.clone());
            assert!(net.rejections(1 - i).contains(&Rejection::Refused(RejectReason::Policy { index: 0 })));
            assert_eq!(net.channel(1 - i).subcontracts(&KEY).count(), 1);
            net.agreed();
        };
        refused(&mut net);
        net.command(1 - i, consent(&other));
        refused(&mut net);
        net.command(1 - i, consent(&theft));
        net.run(i, theft.clone());
        assert_eq!(net.channel(1 - i).subcontracts(&KEY).count(), 2);
        // Used up: once.
        net.parties[1 - i].events.clear();
        net.run(i, theft.clone());
        assert!(net.rejections(1 - i).contains(&Rejection::Refused(RejectReason::Policy { index: 0 })));
        assert_eq!(net.channel(1 - i).subcontracts(&KEY).count(), 2);
        // Two in one block need two.
        net.command(1 - i, consent(&theft));
        net.submit(i, vec![theft.clone(), theft.clone()]);
        net.settle();
        assert_eq!(net.channel(1 - i).subcontracts(&KEY).count(), 3);
        net.agreed();
    }
}

#[test]
fn an_unknown_instrument_is_refused_by_name() {
    let mut net = two();
    let mut instruments = Instruments::built_in();
    instruments.register(KEY.chain, PROVIDER, 256, Arc::new(PriceOption)).unwrap();
    // Only left knows it.
    net.parties[0].machine = Machine::new_with(net.id(0), Arc::new(instruments));
    net.parties[0].log = MemoryLog::default();
    net.stage(0, vec![Input::Configure(config())]);
    net.with_credit(1000);
    net.chain(vec![], vec![]);
    net.now = net.now.plus(10);
    let (expiry, not_before) = (net.now.plus(100), net.now);
    let terms = PriceOptionTerms { expiry, not_before, ..PriceOptionTerms::call(Left, 1, 100_000_000, 50) };
    let option = add(256, terms.encode().unwrap());
    assert_eq!(net.refused(1, option.clone()), CommandError::Transition(E::UnknownInstrument { instrument: 256 }));
    net.run(0, option);
    assert!(net.state(1).subchannels[&KEY].pending.is_empty());
    let named = RejectReason::Transition { index: 0, error: E::UnknownInstrument { instrument: 256 } };
    let refused = |e: &xln_core::channel::Event| matches!(e, xln_core::channel::Event::Refused { reason, .. } if *reason == named);
    assert!(net.parties[0].events.iter().any(refused));
    net.agreed();
}

#[test]
fn a_custom_instrument_settles_between_two_that_know_it() {
    let mut instruments = Instruments::built_in();
    instruments.register(KEY.chain, PROVIDER, 256, Arc::new(PriceOption)).unwrap();
    let instruments = Arc::new(instruments);
    let mut net = two();
    for i in 0..2 {
        net.parties[i].machine = Machine::new_with(net.id(i), instruments.clone());
        net.parties[i].log = MemoryLog::default();
        net.stage(i, vec![Input::Configure(config())]);
    }
    net.with_credit(1000);
    net.chain(vec![], vec![]);
    net.now = net.now.plus(10);
    let (expiry, not_before) = (net.now.plus(100), net.now);
    // Pays 2 for each whole unit of price above 100, at most 50.
    let call = PriceOptionTerms::call(Left, 10_000_000_000, 2, 50);
    let terms = PriceOptionTerms { expiry, not_before, multiplier: 200_000_000, strike: 100, ..call };
    net.run(0, add(256, terms.encode().unwrap()));
    assert_eq!(net.token(1).left_hold, 50);
    let key = fact_key(256, not_before, &terms.feed.0).unwrap();
    net.now = net.now.plus(20);
    net.chain_facts(vec![RecordedFact { provider: PROVIDER, key, at: net.now, value: 107 }]);
    net.run(1, settle(1));
    assert_eq!((net.token(0).offdelta, net.token(0).left_hold), (-14, 0));
    net.agreed();
    // The machine needs its instruments again.
    let records: Vec<_> =
        net.parties[0].log.records.iter().map(|r| xln_core::machine::Record::decode(r).unwrap()).collect();
    assert!(Machine::restore(net.id(0), None, records.clone()).is_err());
    let restored = Machine::restore_with_instruments(net.id(0), instruments, None, records, |_| ()).unwrap();
    assert_eq!(restored.root().unwrap(), net.parties[0].machine.root().unwrap());
}

#[test]
fn a_default_reaches_the_channel_and_its_beneficiary_settles_by_itself() {
    for (payer, beneficiary, paid) in [(0, 1, -60), (1, 0, 60)] {
        let mut net = vigilant();
        let (swap, fact) = net_swap(&net, side(payer), 60);
        net.run(payer, swap);
        net.now = net.now.plus(20);
        net.chain_facts(vec![fact]);
        assert_eq!(net.token(0).offdelta, paid, "settled by {beneficiary}");
        assert!(!is_pending(&net, 1));
        net.agreed();
    }
}

#[test]
fn the_payer_gets_its_hold_back_after_the_expiry() {
    for payer in [0, 1] {
        let mut net = vigilant();
        let (swap, _) = net_swap(&net, side(payer), 60);
        net.run(payer, swap);
        net.now = net.now.plus(1000);
        net.chain_facts(vec![]);
        assert!(is_pending(&net, 1), "at the expiry itself a fact may come");
        net.now = net.now.plus(1);
        net.chain_facts(vec![]);
        assert!(!is_pending(&net, 1));
        assert_eq!((net.token(0).offdelta, net.token(0).left_hold, net.token(0).right_hold), (0, 0, 0));
        net.agreed();
    }
}

#[test]
fn the_beneficiary_of_a_fallback_asks_for_it_itself() {
    for payer in [0, 1] {
        let mut net = vigilant();
        let expiry = net.now.plus(100);
        let (target, calldata) = (Address([9; 20]), vec![]);
        let (payer_side, not_before) = (side(payer), net.now);
        let terms =
            ConditionTerms { payer: payer_side, amount: 10, fallback: 30, expiry, not_before, target, calldata };
        net.run(payer, add(CONDITION, terms.encode().unwrap()));
        // The payer does nothing by itself.
        net.configure(payer, |c| c.vigilant = false);
        net.now = expiry.plus(1);
        net.chain_facts(vec![]);
        assert_eq!(net.token(0).offdelta, if payer == 0 { -30 } else { 30 });
        net.agreed();
    }
}

#[test]
fn a_schedule_that_has_ended_is_settled_by_the_clock() {
    let mut net = vigilant();
    let start = net.now;
    net.run(0, schedule(schedule_terms(Left, 600, start)));
    net.now = net.now.plus(300);
    net.stage(1, vec![Input::Tick]);
    net.settle();
    assert_eq!(net.token(0).offdelta, 0, "parts are the application's decision");
    assert_eq!(net.parties[1].machine.poll_timeout(), Some(start.plus(600)));
    net.now = start.plus(600);
    net.stage(1, vec![Input::Tick]);
    net.settle();
    assert_eq!((net.token(0).offdelta, net.token(0).left_hold), (-600, 0));
    assert!(net.parties[1].machine.poll_timeout().is_none_or(|at| at > net.now));
    net.agreed();
}

#[test]
fn a_payer_cannot_date_its_cancel_back() {
    let mut net = market();
    let start = net.now;
    let agreed = ScheduleTerms { cancellable: true, ..schedule_terms(Left, 600, start) };
    net.run(0, schedule(agreed));
    net.now = start.plus(300);
    let dated = |net: &Net, time: UnixSeconds| block_on(net.state(1), Left, time, vec![cancel(1)]);
    let old = dated(&net, start.plus(269));
    let answer = net.inject_block(0, old);
    assert_eq!(rejects(&answer), [RejectReason::Transition { index: 0, error: E::Expired }]);
    assert!(is_pending(&net, 1));
    // As late as an honest block may be.
    let mut block = dated(&net, start.plus(270));
    block.height += 1;
    let answer = net.inject_block(0, block);
    assert_eq!((acks(&answer), net.token(1).offdelta), (1, -270));
}

#[test]
fn a_peers_facts_must_be_those_of_my_own_view() {
    let mut net = market();
    let (swap, fact) = net_swap(&net, Right, 60);
    net.run(1, swap);
    net.now = net.now.plus(20);
    // Only right has this block, and it is not the one to propose.
    net.block += 1;
    let point = net.point();
    let block = |facts| ChainFact::Block { point, changes: vec![], reveals: vec![], facts, entities: vec![] };
    net.stage(1, vec![Input::Chain(block(vec![]))]);
    net.wire.clear();
    let facts = facts(0, 0, (0, 0));
    let forged =
        |recorded| vec![Transition::SyncChain { key: KEY, point, facts: facts.clone(), reveals: vec![], recorded }];
    let lie = net.forge(0, forged(vec![fact]));
    assert_eq!(rejects(&net.inject_block(0, lie)), [RejectReason::FactsDiffer { index: 0 }]);
    let mut truth = net.forge(0, forged(vec![]));
    truth.height += 1;
    assert_eq!(acks(&net.inject_block(0, truth)), 1);
}

#[test]
fn a_fact_that_is_left_out_is_refused_too() {
    let mut net = market();
    let (swap, fact) = net_swap(&net, Left, 60);
    net.run(0, swap);
    net.now = net.now.plus(20);
    net.block += 1;
    let point = net.point();
    let block = ChainFact::Block { point, changes: vec![], reveals: vec![], facts: vec![fact], entities: vec![] };
    net.stage(1, vec![Input::Chain(block)]);
    net.wire.clear();
    let facts = facts(0, 0, (0, 0));
    let silent = Transition::SyncChain { key: KEY, point, facts, reveals: vec![], recorded: vec![] };
    let silent = net.forge(0, vec![silent]);
    assert_eq!(rejects(&net.inject_block(0, silent)), [RejectReason::FactsDiffer { index: 0 }]);
}

#[test]
fn what_may_have_been_recorded_unseen_is_not_agreed() {
    let mut net = market();
    // The views began at T0: what could be recorded then was not seen for certain.
    let unseen = add(CDS, swap_terms(Left, 60, T0, net.now.plus(100)).encode().unwrap());
    assert_eq!(net.refused(0, unseen.clone()), CommandError::FactsUnseen);
    let block = net.forge(0, vec![unseen]);
    assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Policy { index: 0 }]);
    let seen = add(CDS, swap_terms(Left, 60, T0.plus(1), net.now.plus(100)).encode().unwrap());
    let mut block = net.forge(0, vec![seen]);
    block.height += 1;
    assert_eq!(acks(&net.inject_block(0, block)), 1);
}

#[test]
fn a_fact_from_before_the_subcontract_counts() {
    let mut net = vigilant();
    let (swap, fact) = net_swap(&net, Left, 60);
    net.now = net.now.plus(20);
    net.chain_facts(vec![fact]);
    net.now = net.now.plus(20);
    net.run(0, swap);
    net.chain_facts(vec![]);
    assert_eq!(net.token(0).offdelta, -60);
    net.agreed();
}

#[test]
fn a_view_forgets_strangers_facts_but_a_channel_keeps_its_own() {
    let mut net = market();
    let (swap, fact) = net_swap(&net, Left, 60);
    net.run(0, swap);
    net.now = net.now.plus(20);
    // Right alone hears of it, so that nothing can be agreed, and then of nothing for more than a day.
    for (wait, facts) in [(0, vec![fact]), (FACT_MEMORY_S + 1, vec![])] {
        net.now = net.now.plus(wait);
        net.block += 1;
        let point = net.point();
        let block = ChainFact::Block { point, changes: vec![], reveals: vec![], facts, entities: vec![] };
        net.stage(1, vec![Input::Chain(block)]);
    }
    assert!(net.parties[1].machine.chain(KEY.chain).unwrap().fact(&PROVIDER, &fact.key).is_none(), "forgotten");
    net.wire.clear();
    let point = net.point();
    let facts = facts(0, 0, (0, 0));
    let told = Transition::SyncChain { key: KEY, point, facts, reveals: vec![], recorded: vec![fact] };
    let told = net.forge(0, vec![told]);
    assert_eq!(acks(&net.inject_block(0, told)), 1, "but not by the channel that waits for it");
}

#[test]
fn memory_for_facts_is_bounded_and_says_since_when_it_is_whole() {
    let mut view = ChainView::default();
    assert!(!view.knows_facts_since(UnixSeconds(u64::MAX)), "nothing was seen");
    view.advance(point(1, T0), &[], &[]);
    assert!(!view.knows_facts_since(T0) && view.knows_facts_since(T0.plus(1)));
    let fact = |i: u64, at| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&i.to_be_bytes());
        RecordedFact { provider: PROVIDER, key: Hash(key), at, value: 0 }
    };
    let at = T0.plus(10);
    let many: Vec<_> = (0..REMEMBERED_FACTS as u64).map(|i| fact(i, at)).collect();
    view.advance(point(2, at), &[], &many);
    assert!(view.knows_facts_since(T0.plus(1)), "just as many as fit");
    view.advance(point(3, at.plus(1)), &[], &[fact(u64::MAX, at.plus(1))]);
    assert!(view.fact(&PROVIDER, &fact(0, at).key).is_none());
    assert!(view.fact(&PROVIDER, &fact(1, at).key).is_some());
    assert!(!view.knows_facts_since(at) && view.knows_facts_since(at.plus(1)));
    view.roll_back(3);
    assert!(view.fact(&PROVIDER, &fact(u64::MAX, at).key).is_none());
    view.advance(point(9, at.plus(FACT_MEMORY_S + 1)), &[], &[]);
    assert!(view.fact(&PROVIDER, &fact(5, at).key).is_none(), "too old");
}

#[test]
fn a_fact_is_recorded_on_chain_by_command() {
    let mut net = market();
    let question = vec![1, 2, 3];
    let (provider, instrument, not_before) = (PROVIDER, CONDITION, T0);
    let action = Action::Record { key: KEY, provider, instrument, not_before, question: question.clone() };
    assert!(matches!(net.command(0, action), InputOutcome::Accepted(_)));
    assert_eq!(net.calls(0), [ChainCall::Record { provider, instrument, not_before, question }]);
}
