//! Clauses of instruments with facts, and what is recorded for them on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::I256;
use alloy_sol_types::SolCall;
use xln_chain::Transaction;
use xln_chain::client::Question;
use xln_chain::contracts::price_option::PriceOption as PriceOptionContract;
use xln_chain::contracts::test_answers::TestAnswers;
use xln_chain::contracts::test_feed::TestFeed;
use xln_chain::deploy::deploy_code;
use xln_core::limits::MAX_LOCK_S;
use xln_core::proof::{Allowance, Batch, Clause};
use xln_core::subcontract::{
    Answer, ConditionTerms, CreditDefaultSwapTerms, Instruments, ScheduleTerms, Terms, fact_key,
};
use xln_core::types::{Address, Hash, Side, TokenId, UnixSeconds};

use crate::common::*;
use crate::price_option::{PriceOption, PriceOptionTerms};
use crate::random::Random;
use crate::round::{Stage, Tally};

/// The contracts that instruments ask, and what is known of the registry.
pub struct Outside {
    answers: Address,
    feed: Address,
    option: u16,
    pub instruments: Instruments,
    pub facts: BTreeMap<Hash, Answer>,
}

/// What is to be recorded when, and with which value; a condition may be false then.
#[derive(Clone)]
pub struct Asking {
    pub at: UnixSeconds,
    question: Question,
    value: u128,
}

const YES: [u8; 32] = [1; 32];
const NO: [u8; 32] = [2; 32];

impl Outside {
    pub fn new(world: &World) -> Self {
        let by = key(9);
        let deploy = |code| now(deploy_code(&world.chain, &by, code, &[]));
        let answers = deploy(&TestAnswers::BYTECODE);
        let feed = deploy(&TestFeed::BYTECODE);
        let option = now(world.client.register_instrument(&by, deploy(&PriceOptionContract::BYTECODE)));
        let set = TestAnswers::setCall { name: YES.into(), yes: true }.abi_encode();
        world.chain.execute_from(by.address(), Transaction::call(answers, set)).unwrap();
        let mut instruments = Instruments::built_in();
        let d = &world.deployment;
        instruments.register(d.chain, d.subcontract_provider, option, Arc::new(PriceOption)).unwrap();
        Self { answers, feed, option, instruments, facts: BTreeMap::new() }
    }
}

impl Stage {
    /// A clause of one of the four, sometimes malformed, and perhaps a plan to record its fact.
    pub fn instrument(
        &self,
        random: &mut Random,
        tokens: &[(TokenId, i128)],
        plan: &mut BTreeMap<Hash, Asking>,
    ) -> Clause {
        let amount = if random.chance(3) { random.wide() } else { random.amount(126) };
        let payer = if random.chance(50) { Side::Left } else { Side::Right };
        let not_before = match random.below(4) {
            0 => self.now().minus(random.below(100)),
            1 => self.now(),
            _ => self.now().plus(random.below(WINDOW_S + 50)),
        };
        let lasts = random.pick(&[0, 1, 50, WINDOW_S - 1, WINDOW_S, WINDOW_S + 1, MAX_LOCK_S]);
        let expiry = not_before.plus(lasts);
        let (instrument, mut data) = match random.below(4) {
            0 => {
                let (reference, debt_token) = (*random.pick(&self.references()).as_bytes(), random.pick(&self.tokens));
                (3, CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference, debt_token }.encode().ok())
            }
            1 => (4, self.schedule(random, payer, amount).encode().ok()),
            2 => {
                let target = self.outside.answers;
                let name = random.pick(&[YES, YES, NO]);
                let calldata = TestAnswers::answerCall { name: name.into() }.abi_encode();
                let fallback = if random.chance(50) { 0 } else { random.amount(126) };
                (5, ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata }.encode().ok())
            }
            _ => {
                let (strike, multiplier) = (random.amount(100), random.amount(100));
                let (put, cap, feed) = (random.chance(50), amount, self.outside.feed);
                let terms = PriceOptionTerms { payer, put, strike, multiplier, cap, expiry, not_before, feed };
                (self.outside.option, terms.encode())
            }
        };
        let mut data = data.take().unwrap_or_else(|| random.bytes::<63>().to_vec());
        if random.chance(5) {
            let bit = random.below(data.len() as u64 * 8) as usize;
            data[bit / 8] ^= 1 << (bit % 8);
        }
        let index = random.below(tokens.len() as u64) as u8;
        let n = random.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0]);
        let mut payload = vec![n];
        payload.extend(vec![index; usize::from(n)]);
        payload.extend_from_slice(&data);
        let token = [tokens[usize::from(index)].0];
        let terms = Terms { key: self.world.deployment.key(), tokens: &token, data: &data };
        let provider = self.world.deployment.subcontract_provider;
        let known = self.outside.instruments.get(terms.key.chain, &provider, instrument).unwrap();
        let quote = known.quote(&terms).ok();
        let (left, right) = match &quote {
            Some(quote) => (quote.holds[0].left, quote.holds[0].right),
            None => (u128::MAX, u128::MAX),
        };
        for asked in quote.iter().flat_map(|quote| &quote.questions) {
            if random.chance(30) {
                continue;
            }
            let at = match random.below(5) {
                0 => asked.not_before,
                1 => asked.until,
                2 => asked.until.plus(1),
                _ => self.now().plus(random.below(WINDOW_S + 200)),
            };
            let question = Question { instrument, not_before: asked.not_before, question: asked.question.clone() };
            let name = fact_key(instrument, asked.not_before, &asked.question).unwrap();
            let value = if instrument > 255 { random.amount(110) } else { 0 };
            plan.insert(name, Asking { at: at.max(self.now()), question, value });
        }
        let allowances = vec![Allowance { token_index: index, right, left }];
        self.clause(random, Batch::Custom { instrument, payload }, allowances)
    }

    fn schedule(&self, random: &mut Random, payer: Side, amount: u128) -> ScheduleTerms {
        let duration_s = random.pick(&[0, 1, 99, 1_000, 40_000_000]);
        let cliff_s = random.below(duration_s + 1);
        let start = self.now().minus(random.pick(&[0, 1, cliff_s, duration_s, duration_s / 2, duration_s + 1]));
        let start = if random.chance(20) { self.now().plus(random.below(9)) } else { start };
        let steps = random.pick(&[0, 0, 1, 7, 1_000, u16::MAX]);
        let paid = if random.chance(50) { 0 } else { random.wide() % amount };
        ScheduleTerms { payer, cancellable: random.chance(50), amount, paid, start, duration_s, cliff_s, steps }
    }

    /// Asks the registry now. It must record exactly what is so and was not known.
    pub fn ask(&mut self, name: Hash, asking: &Asking, tally: &mut Tally) {
        let Asking { question, value, .. } = asking;
        let by = key(9);
        if question.instrument == self.outside.option {
            let call = TestFeed::setCall { price: I256::try_from(*value).unwrap() }.abi_encode();
            self.world.chain.execute_from(by.address(), Transaction::call(self.outside.feed, call)).unwrap();
        }
        let result = attempt(self.world.client.record(&by, std::slice::from_ref(question)));
        let known = self.outside.facts.contains_key(&name);
        let expected = if self.now() < question.not_before {
            Some("NotYet")
        } else if !known && !self.is_so(question) {
            Some("NotSo")
        } else {
            None
        };
        assert_eq!(result.as_ref().err().and_then(|error| error.revert_name()), expected, "{question:?}");
        if result.is_ok() && !known {
            tally.facts += 1;
            self.outside.facts.insert(name, Answer { at: self.now(), value: *value });
        }
        let found = now(self.world.client.fact(&name)).map(|fact| Answer { at: fact.at, value: fact.value });
        assert_eq!(found, self.outside.facts.get(&name).copied());
    }

    fn is_so(&self, question: &Question) -> bool {
        match question.instrument {
            3 => {
                let bytes: [u8; 32] = question.question[20..52].try_into().unwrap();
                let token = u32::from_be_bytes(question.question[52..].try_into().unwrap());
                let entity = self.references().into_iter().find(|entity| *entity.as_bytes() == bytes);
                entity.is_some_and(|entity| self.owes(entity, TokenId(token)))
            }
            5 => {
                let asks = TestAnswers::answerCall { name: YES.into() }.abi_encode();
                question.question == [&self.outside.answers.0[..], &asks].concat()
            }
            _ => question.question == self.outside.feed.0,
        }
    }
}
