//! Facts that decide money stay known to whoever they decide for: against withheld answers, strangers who record many, and
//! chains that lose blocks (`docs/protocol.md` sections 4 and 7).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by failing"
)]

mod common;
use common::*;
use xln_core::chain::{ChainFact, ChangeKind, FACT_MEMORY_S, REMEMBERED_FACTS};
use xln_core::channel::{CommandError, Event, Freeze};
use xln_core::machine::{Action, Input};
use xln_core::subcontract::{
    Answer, Clock, CreditDefaultSwapTerms, Hold, Instrument, InstrumentError, Instruments, Outcome, Question, Quote,
    ScheduleTerms, Terms, fact_key,
};
use xln_core::transition::{Applier, Transition, TransitionError};
use xln_core::types::*;
use xln_core::wire::{Part, RejectReason};

/// Credit of 1000 each way, both with a view of the chain that began before `now`.
fn market() -> Net {
    let mut net = two();
    net.with_credit(1000);
    net.chain(vec![], vec![]);
    net.now = net.now.plus(10);
    net
}

/// A default swap that may be decided for a long time, and the fact that decides it 20 seconds later.
fn swap(net: &Net, payer: Side) -> (Transition, RecordedFact) {
    let (not_before, expiry) = (net.now, net.now.plus(10 * FACT_MEMORY_S));
    let (amount, reference, debt_token) = (60, [7; 32], EUR);
    let terms = CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference, debt_token }.encode().unwrap();
    let question = [&KEY.depository.0[..], &[7; 32], &EUR.0.to_be_bytes()].concat();
    let key = fact_key(3, not_before, &question).unwrap();
    let fact = RecordedFact { provider: PROVIDER, key, at: net.now.plus(20), value: 1 };
    (Transition::AddSubcontract { key: KEY, provider: PROVIDER, instrument: 3, tokens: vec![USD], terms }, fact)
}

fn consent(transition: &Transition) -> Action {
    let Transition::AddSubcontract { key, provider, instrument, tokens, terms } = transition.clone() else { panic!() };
    Action::ConsentSubcontract { key, provider, instrument, tokens, terms }
}

/// As many facts of strangers as a view remembers.
fn junk(at: UnixSeconds) -> Vec<RecordedFact> {
    let key = |i: usize| Hash(std::array::from_fn(|at| if at < 8 { i.to_be_bytes()[at] } else { 0x77 }));
    (0..REMEMBERED_FACTS).map(|i| RecordedFact { provider: PROVIDER, key: key(i), at, value: 1 }).collect()
}

/// How a view comes to forget a fact.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Loss {
    /// A day passes.
    Age,
    /// Strangers record many, in later blocks.
    Crowd,
    /// Strangers record many in the same block.
    SameBlock,
}

impl Net {
    fn next_block(&mut self, who: &[usize], facts: Vec<RecordedFact>) {
        self.block += 1;
        self.facts_for(who, vec![], vec![], facts);
    }

    /// One party sees the fact, and its view forgets it.
    fn lose(&mut self, i: usize, fact: RecordedFact, loss: Loss) {
        self.now = fact.at;
        let many = if loss == Loss::SameBlock { junk(fact.at) } else { vec![] };
        self.next_block(&[i], [vec![fact], many].concat());
        let later = if loss == Loss::Age { FACT_MEMORY_S + 1 } else { 1 };
        self.now = self.now.plus(later);
        self.next_block(&[i], if loss == Loss::Crowd { junk(self.now) } else { vec![] });
        assert!(self.parties[i].machine.chain(KEY.chain).unwrap().fact(&PROVIDER, &fact.key).is_none(), "forgotten");
    }
}

/// What the blocks among parts record.
fn recorded(parts: &[Part]) -> Vec<RecordedFact> {
    let transitions = proposals(parts).into_iter().flat_map(|block| block.transitions);
    let told =
        transitions.filter_map(|t| if let Transition::SyncChain { recorded, .. } = t { Some(recorded) } else { None });
    told.flatten().collect()
}

const LOSSES: [Loss; 3] = [Loss::Age, Loss::Crowd, Loss::SameBlock];

#[test]
fn a_fact_is_kept_while_the_peer_withholds_its_ack() {
    for victim in [0, 1] {
        for loss in LOSSES {
            let mut net = market();
            let (contract, fact) = swap(&net, side(1 - victim));
            net.command(1 - victim, consent(&contract));
            net.submit(victim, vec![contract]).remove(0).unwrap();
            assert!(net.deliver(), "the proposal arrives");
            let withheld: Vec<_> = net.wire.drain(..).collect();
            net.lose(victim, fact, loss);
            net.wire.clear();
            net.wire.extend(withheld);
            assert!(net.deliver(), "the answer arrives");
            assert_eq!(net.channel(victim).subcontracts(&KEY).count(), 1);
            assert_eq!(recorded(&net.taken()), [fact], "{victim} {loss:?}");
        }
    }
}

#[test]
fn a_fact_is_kept_while_ones_own_signer_takes_its_time() {
    for victim in [0, 1] {
        for loss in LOSSES {
            let mut net = market();
            let (contract, fact) = swap(&net, side(1 - victim));
            net.parties[victim].remote = true;
            net.submit(1 - victim, vec![contract]).remove(0).unwrap();
            assert!(net.deliver(), "the proposal arrives");
            let (request, digest) = net.parties[victim].requests.pop().unwrap();
            net.lose(victim, fact, loss);
            net.wire.clear();
            let signature = net.parties[victim].signer.sign_digest(&digest).unwrap();
            net.parties[victim].remote = false;
            net.stage(victim, vec![Input::Signed { request, signature }]);
            assert_eq!(net.channel(victim).subcontracts(&KEY).count(), 1);
            assert_eq!(recorded(&net.taken()), [fact], "{victim} {loss:?}");
        }
    }
}

#[test]
fn a_fact_is_kept_while_a_refused_block_may_still_be_agreed() {
    let mut net = market();
    let (contract, fact) = swap(&net, Side::Right);
    net.submit(0, vec![contract]).remove(0).unwrap();
    let Some(Part::Proposal { block, signature: left }) = net.taken().pop() else { panic!() };
    let refusal = net.reject_of(1, &block, RejectReason::Policy { index: 0 }, 0);
    net.inject(1, refusal);
    net.lose(0, fact, Loss::Age);
    // Right changes its mind: both have signed that state.
    let parent = net.state(1);
    let state = xln_core::block::apply_block(parent, &parent.hash().unwrap(), &block).unwrap();
    let digest = xln_core::commitment::Commitment::of(&state).unwrap().digest;
    let right = net.parties[1].signer.sign_digest(&digest).unwrap();
    let answer = net.inject(1, Part::StateReply { state, left, right });
    assert_eq!(net.channel(0).subcontracts(&KEY).count(), 1);
    assert_eq!(recorded(&answer), [fact]);
}

#[test]
fn strangers_facts_in_the_same_block_hide_nothing() {
    let mut net = market();
    let (contract, fact) = swap(&net, Side::Left);
    net.run(0, contract);
    net.lose(1, fact, Loss::SameBlock);
    assert_eq!(recorded(&net.taken()), [fact]);
}

#[test]
fn a_command_that_waited_too_long_is_not_proposed_unseen() {
    let mut net = market();
    let (contract, fact) = swap(&net, Side::Right);
    net.command(1, consent(&contract));
    net.submit(0, vec![Transition::Memo { data: vec![1] }]).remove(0).unwrap();
    assert!(net.deliver(), "the memo arrives");
    let withheld: Vec<_> = net.wire.drain(..).collect();
    let queued = net.submit(0, vec![contract]).remove(0).unwrap();
    net.lose(0, fact, Loss::Age);
    net.wire.clear();
    net.wire.extend(withheld);
    net.settle();
    assert_eq!(net.channel(0).subcontracts(&KEY).count(), 0);
    let failed = |e: &Event| matches!(e, Event::CommandFailed { command, error: CommandError::FactsUnseen, .. } if *command == queued);
    assert!(net.parties[0].events.iter().any(failed));
}

// A block that was long under way.

#[test]
fn an_old_block_that_brings_its_own_fact_is_not_dated_back() {
    let mut net = market();
    let (contract, fact) = swap(&net, Side::Right);
    net.run(1, contract);
    net.now = fact.at;
    net.next_block(&[1], vec![fact]);
    net.wire.clear();
    let (point, facts) = (net.point(), facts(0, 0, (0, 0)));
    let told = Transition::SyncChain { key: KEY, point, facts, reveals: vec![], recorded: vec![fact] };
    let block = net.forge(0, vec![told, Transition::SettleSubcontract { key: KEY, id: 1 }]);
    net.now = net.now.plus(100);
    assert_eq!(acks(&net.inject_block(0, block)), 1);
    assert_eq!(net.token(1).offdelta, 60);
}

#[test]
fn an_old_block_is_judged_by_what_stands_before_each_ending() {
    let mut net = market();
    let start = net.now;
    let (payer, cancellable, amount, paid, duration_s) = (Side::Left, true, 300, 0, 600);
    let terms = ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s: 0, steps: 0 };
    let (provider, tokens, terms) = (PROVIDER, vec![USD], terms.encode().unwrap());
    let added = Transition::AddSubcontract { key: KEY, provider, instrument: 4, tokens, terms };
    net.run(0, added.clone());
    net.now = start.plus(100);
    let settle = |id| Transition::SettleSubcontract { key: KEY, id };
    let cancel = |id| Transition::CancelSubcontract { key: KEY, id };
    // A part takes nothing away: the rest stays. The end of what was added in the same block does.
    for (transitions, index) in [(vec![settle(1), cancel(1)], 1), (vec![added, settle(1), cancel(2)], 2)] {
        let mut block = net.forge(0, transitions);
        block.height += u64::from(index);
        net.now = start.plus(300);
        let error = TransitionError::Expired;
        assert_eq!(rejects(&net.inject_block(0, block)), [RejectReason::Transition { index, error }]);
        net.now = start.plus(100);
    }
    let mut block = net.forge(0, vec![settle(1)]);
    block.height += 3;
    net.now = start.plus(300);
    assert_eq!((acks(&net.inject_block(0, block)), net.token(1).offdelta), (1, -50));
}

// Chains that lose blocks.

fn reorganised(net: &mut Net, number: u64) -> [bool; 2] {
    [0, 1].map(|i| {
        net.parties[i].events.clear();
        net.stage(i, vec![Input::Chain(ChainFact::Reorganised { chain: KEY.chain, number })]);
        let alarms = net.parties[i].events.iter().filter(|e| matches!(e, Event::Alarm { .. })).count();
        let frozen = net.channel(i).frozen(&KEY);
        assert_eq!((alarms == 1, frozen), (frozen.is_some(), frozen.map(|_| Freeze::Alarm)));
        frozen.is_some()
    })
}

#[test]
fn a_recorded_fact_that_vanishes_alarms_until_its_subcontract_ends() {
    for settled in [false, true] {
        let mut net = market();
        let (contract, fact) = swap(&net, Side::Left);
        net.run(0, contract);
        net.now = fact.at;
        net.next_block(&[0, 1], vec![fact]);
        net.settle();
        net.agreed();
        let number = net.block;
        net.now = net.now.plus(FACT_MEMORY_S + 1);
        net.chain(vec![], vec![]);
        if settled {
            net.run(0, Transition::SettleSubcontract { key: KEY, id: 1 });
            net.agreed();
        }
        assert_eq!(reorganised(&mut net, number + 1), [false; 2]);
        assert_eq!(reorganised(&mut net, number), [!settled; 2]);
    }
}

#[test]
fn a_fact_of_what_is_in_flight_that_vanishes_alarms_too() {
    let mut net = market();
    let (contract, fact) = swap(&net, Side::Right);
    net.submit(0, vec![contract]).remove(0).unwrap();
    net.now = fact.at;
    net.next_block(&[0, 1], vec![fact]);
    let number = net.block;
    assert_eq!(reorganised(&mut net, number), [true, false]);
}

#[test]
fn a_recorded_reveal_that_vanishes_alarms_until_its_payment_ends() {
    for settled in [false, true] {
        let mut net = market();
        net.run(0, lock(10, 1, net.now.plus(1000)));
        net.now = net.now.plus(20);
        let reveal = Reveal { provider: PROVIDER, kind: HashKind::Keccak256, secret: secret(1), at: net.now };
        net.chain(vec![], vec![reveal]);
        net.agreed();
        let number = net.block;
        if settled {
            net.run(1, Transition::SettlePayment { key: KEY, id: 1, secret: secret(1) });
            net.agreed();
        }
        assert_eq!(reorganised(&mut net, number + 1), [false; 2]);
        assert_eq!(reorganised(&mut net, number), [!settled; 2]);
    }
}

// What goes on asks nothing new.

/// Pays one of left's ten, and goes on under terms that ask another question, or the same one.
struct Curious(bool);

impl Instrument for Curious {
    fn name(&self) -> &'static str {
        "curious"
    }
    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        let held = u128::from(terms.data[0]);
        let question = if self.0 { terms.data.to_vec() } else { vec![] };
        let until = T0.plus(1000);
        let questions = vec![Question { not_before: T0, until, question }];
        Ok(Quote { holds: vec![Hold { left: held, right: 0 }], questions, last: until })
    }
    fn outcome(&self, terms: &Terms<'_>, _: &[Option<Answer>], _: &Clock) -> Result<Outcome, InstrumentError> {
        Ok(Outcome::Pays { moves: vec![-1], rest: Some(vec![terms.data[0] - 1]) })
    }
    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        Ok(terms.data.to_vec())
    }
}

#[test]
fn what_goes_on_asks_nothing_new() {
    for (curious, verdict) in [(false, Ok(())), (true, Err(TransitionError::OutOfBounds))] {
        let mut instruments = Instruments::built_in();
        instruments.register(KEY.chain, PROVIDER, 300, std::sync::Arc::new(Curious(curious))).unwrap();
        let mut state = base(100);
        let mut applier = Applier::with_instruments(&mut state, Side::Left, T0, &instruments);
        let (provider, tokens, terms) = (PROVIDER, vec![USD], vec![10]);
        applier.apply(&Transition::AddSubcontract { key: KEY, provider, instrument: 300, tokens, terms }).unwrap();
        assert_eq!(applier.apply(&Transition::SettleSubcontract { key: KEY, id: 1 }), verdict);
        let moved = if curious { 0 } else { -1 };
        assert_eq!(state.token(&KEY, USD).unwrap().offdelta, moved);
    }
}

// A token that comes after its collateral.

#[test]
fn a_token_that_is_added_late_has_its_collateral_with_the_next_block() {
    let mut net = two();
    net.run(0, open(KEY));
    net.run(0, Transition::AddToken { key: KEY, token: USD });
    let fact = |token, collateral| ChangeKind::Collateral(TokenFact { token, collateral, ondelta: 0 });
    net.chain(vec![fact(USD, 50)], vec![]);
    net.chain(vec![fact(USD, 0), fact(EUR, 30)], vec![]);
    assert_eq!(net.state(0).subchannels[&KEY].point, Some(net.point()));
    net.run(1, Transition::AddToken { key: KEY, token: EUR });
    net.now = net.now.plus(1);
    net.chain(vec![], vec![]);
    assert_eq!(net.state(1).token(&KEY, EUR).unwrap().collateral, 30);
    net.agreed();
}
