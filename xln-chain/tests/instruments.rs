//! Instruments and their contracts decide alike: the three built-in ones with facts, and an option that a user wrote.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "../../examples/own_instrument/price_option.rs"]
mod price_option;

use alloy_sol_types::SolCall;
use common::*;
use price_option::{PriceOption, PriceOptionTerms};
use xln_chain::client::{Authority, Question as Asked};
use xln_chain::conformance::{Disagreement, Ground, compare};
use xln_chain::contracts::price_option::PriceOption as PriceOptionContract;
use xln_chain::contracts::test_answers::TestAnswers;
use xln_chain::contracts::test_feed::TestFeed;
use xln_chain::deploy::deploy_code;
use xln_chain::{Bytes, DepositoryClient, EmbeddedChain, Transaction};
use xln_core::chain::{ChainAction, ChainCall};
use xln_core::proof::Body;
use xln_core::subcontract::conformance::Sample;
use xln_core::subcontract::{
    Answer, Clock, Condition, ConditionTerms, CreditDefaultSwap, CreditDefaultSwapTerms, Instrument, InstrumentError,
    Outcome, PaymentSchedule, Question, Quote, ScheduleTerms, Terms,
};
use xln_core::types::{AMOUNT_BOUND, Address, DisputeFact, Hash, Side, TokenId, UnixSeconds};

/// Times of the samples begin here.
const T: u64 = GENESIS.0 + 10_000;

/// What can be asked for on the chains of these tests.
struct Everything {
    world: World,
    answers: Address,
    feed: Address,
    option: u16,
    instrument: u16,
}

fn build() -> (World, Address, Address, u16) {
    let world = World::new(1);
    let deployer = key(200);
    let deploy = |code: &Bytes| now(deploy_code(&world.chain, &deployer, code, &[]));
    let (answers, feed) = (deploy(&TestAnswers::BYTECODE), deploy(&TestFeed::BYTECODE));
    let option = now(world.client.register_instrument(&deployer, deploy(&PriceOptionContract::BYTECODE)));
    default_on(&world);
    (world, answers, feed, option)
}

/// Key 1 owes key 2 a thousand, and has nothing.
fn default_on(world: &World) {
    let (debtor, creditor) = (key(1), key(2));
    let pair = pair(&debtor, &creditor);
    let debtor_side = pair.side(&entity(&debtor)).unwrap();
    let delta = if debtor_side.is_left() { -1_000 } else { 1_000 };
    let body = Body { tokens: vec![(TokenId(0), delta)], clauses: vec![] };
    let evidence = world.evidence(&debtor, &creditor, 0, 2, &body);
    let starter = debtor_side.other();
    let dispute = DisputeFact {
        nonce: 2,
        started_at: world.chain.now(),
        starter,
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: evidence.body_hash(),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    };
    let body = evidence.body.clone();
    let act = |by, call| {
        let action = ChainAction { key: world.deployment.key(), pair, call };
        now(world.client.submit_by(by, &action, &Authority::Sender));
    };
    act(&creditor, ChainCall::StartDispute { starter, evidence, fills: vec![] });
    let (starter_fills, answerer_fills) = (vec![], vec![]);
    act(&debtor, ChainCall::FinalizeDispute { dispute, body, starter_fills, answerer_fills });
}

impl Everything {
    fn new(instrument: u16) -> Self {
        let (world, answers, feed, option) = build();
        Self { world, answers, feed, option, instrument }
    }

    fn sample(&self, data: Vec<u8>, times: &[u64], values: &[u128]) -> Sample {
        let times = times.iter().map(|time| UnixSeconds(T + time)).collect();
        let key = self.world.deployment.key();
        Sample { key, id: self.instrument, tokens: vec![TokenId(1)], data, times, values: values.to_vec() }
    }
}

impl Ground for Everything {
    fn chain(&self) -> EmbeddedChain {
        build().0.chain
    }

    fn provider(&self) -> Address {
        self.world.deployment.subcontract_provider
    }

    fn record(&self, chain: &EmbeddedChain, question: &Question, answer: &Answer) -> bool {
        let by = key(200);
        let set = match self.instrument {
            // Nobody can put another value than 0 into these.
            3 | 5 if answer.value != 0 => return false,
            3 => None,
            5 => Some((self.answers, TestAnswers::setCall { name: [7; 32].into(), yes: true }.abi_encode())),
            _ => match i128::try_from(answer.value) {
                Ok(price) if price > 0 => {
                    let price = alloy_primitives::I256::try_from(price).unwrap();
                    Some((self.feed, TestFeed::setCall { price }.abi_encode()))
                }
                _ => return false,
            },
        };
        if let Some((contract, data)) = set {
            chain.execute_from(by.address(), Transaction::call(contract, data)).unwrap();
        }
        let client = DepositoryClient::new(chain.clone(), self.world.deployment).unwrap();
        let (not_before, question) = (question.not_before, question.question.clone());
        now(client.record(&by, &[Asked { instrument: self.instrument, not_before, question }]));
        true
    }
}

const PAYERS: [Side; 2] = [Side::Left, Side::Right];

fn default_swap(payer: Side, amount: u128) -> Vec<u8> {
    let (expiry, not_before) = (UnixSeconds(T + 2_000), UnixSeconds(T + 1_000));
    let reference = *entity(&key(1)).as_bytes();
    CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference, debt_token: TokenId(0) }.encode().unwrap()
}

#[test]
fn default_swaps() {
    let ground = Everything::new(3);
    for payer in PAYERS {
        let sample = ground.sample(default_swap(payer, AMOUNT_BOUND - 1), &[1_500], &[]);
        let report = compare(&CreditDefaultSwap, &sample, &ground).unwrap();
        println!("{report:?}");
        assert!(report.cases > 100 && report.encodings > 500, "{report:?}");
    }
}

#[test]
fn conditions() {
    let ground = Everything::new(5);
    let calldata = TestAnswers::answerCall { name: [7; 32].into() }.abi_encode();
    for (payer, amount, fallback) in [(Side::Left, 10, 0), (Side::Right, AMOUNT_BOUND - 1, 30)] {
        let (expiry, not_before, target) = (UnixSeconds(T + 2_000), UnixSeconds(T + 2_000), ground.answers);
        let terms = ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata: calldata.clone() };
        let report = compare(&Condition, &ground.sample(terms.encode().unwrap(), &[1_500], &[]), &ground).unwrap();
        println!("{report:?}");
        assert!(report.cases > 50 && report.encodings > 500, "{report:?}");
    }
}

#[test]
fn schedules() {
    let ground = Everything::new(4);
    for payer in PAYERS {
        for (amount, paid, (start, duration_s, cliff_s), steps) in [
            (1_000, 0, (1_000, 100, 0), 0),
            (1_000, 333, (1_000, 100, 50), 0),
            (7, 0, (1_000, 100, 100), 3),
            (AMOUNT_BOUND - 1, 1, (0, 1 << 39, 5), u16::MAX),
            (1, 0, (1_000, 0, 0), 9),
            (1_000, 999, (1_000, 97, 13), 7),
        ] {
            let start = UnixSeconds(T + start);
            let terms = ScheduleTerms { payer, cancellable: true, amount, paid, start, duration_s, cliff_s, steps };
            let times = [999, 1_001, 1_033, 1_034, 1_050, 1_066, 1_099];
            let report = compare(&PaymentSchedule, &ground.sample(terms.encode().unwrap(), &times, &[]), &ground);
            let report = report.unwrap();
            assert!(report.cases > 50 && report.encodings > 300 && report.left_out == 0, "{report:?}");
        }
    }
}

fn option(feed: Address, put: bool, strike: u128, multiplier: u128) -> PriceOptionTerms {
    let (expiry, not_before) = (UnixSeconds(T + 2_000), UnixSeconds(T + 1_000));
    PriceOptionTerms { put, expiry, not_before, feed, ..PriceOptionTerms::call(Side::Left, strike, multiplier, 500) }
}

#[test]
fn an_option_that_a_user_wrote() {
    let mut ground = Everything::new(0);
    ground.instrument = ground.option;
    for (put, strike, multiplier) in [(false, 100, 100_000_000), (true, 100, 250_000_001), (false, 0, u128::MAX)] {
        let terms = option(ground.feed, put, strike, multiplier);
        let values = [strike, strike + 1, strike + 7, strike / 2];
        let sample = ground.sample(terms.encode().unwrap(), &[1_500], &values);
        let report = compare(&PriceOption, &sample, &ground).unwrap();
        println!("{report:?}");
        assert!(report.cases > 300 && report.encodings > 500, "{report:?}");
    }
}

/// An option that is one off from its contract, in one way.
struct Wrong(u8);

impl Instrument for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        // It takes a third flag for nothing.
        if self.0 == 1 && terms.data.first().is_some_and(|flags| flags & 4 != 0) {
            let mut data = terms.data.to_vec();
            data[0] &= !4;
            return PriceOption.quote(&Terms { data: &data, ..*terms });
        }
        PriceOption.quote(terms)
    }
    fn outcome(
        &self,
        terms: &Terms<'_>,
        answers: &[Option<Answer>],
        clock: &Clock,
    ) -> Result<Outcome, InstrumentError> {
        // It decides by half the price.
        let half = if self.0 == 0 { 2 } else { 1 };
        let answers: Vec<_> = answers.iter().map(|a| a.map(|a| Answer { value: a.value / half, ..a })).collect();
        PriceOption.outcome(terms, &answers, clock)
    }
    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        if self.0 == 1 { Ok(terms.data.to_vec()) } else { PriceOption.canonical(terms) }
    }
}

#[test]
fn the_kit_finds_what_differs() {
    let mut ground = Everything::new(0);
    ground.instrument = ground.option;
    let sample = ground.sample(option(ground.feed, false, 100, 100_000_000).encode().unwrap(), &[], &[150, 300]);
    let found = compare(&Wrong(0), &sample, &ground);
    assert!(matches!(found, Err(Disagreement::Differs { .. })), "{found:?}");
    let sample = ground.sample(option(ground.feed, false, 100, 100_000_000).encode().unwrap(), &[], &[]);
    let found = compare(&Wrong(1), &sample, &ground);
    assert!(matches!(found, Err(Disagreement::Encoding { by_contract: false, .. })), "{found:?}");
}
