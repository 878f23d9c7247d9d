//! The conformance kit over every built-in instrument and over one that an SDK user could write; and that the kit finds what
//! an instrument can do wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests say what they expect by failing"
)]

#[path = "../../examples/own_instrument/price_option.rs"]
mod price_option;

use price_option::{PriceOption, PriceOptionTerms};
use xln_core::subcontract::conformance::{Sample, Violation, check};
use xln_core::subcontract::{
    Answer, Clock, Condition, ConditionTerms, CreditDefaultSwap, CreditDefaultSwapTerms, Instrument, InstrumentError,
    Outcome, PaymentSchedule, Quote, ScheduleTerms, Terms,
};
use xln_core::types::*;

const KEY: SubchannelKey = SubchannelKey { chain: ChainId(1), depository: Address([0xd0; 20]) };

fn sample(id: u16, data: Vec<u8>, times: &[u64], values: &[u128]) -> Sample {
    let times = times.iter().copied().map(UnixSeconds).collect();
    Sample { key: KEY, id, tokens: vec![TokenId(1)], data, times, values: values.to_vec() }
}

fn swap(payer: Side, amount: u128) -> Vec<u8> {
    let (expiry, not_before) = (UnixSeconds(2000), UnixSeconds(1000));
    CreditDefaultSwapTerms { payer, amount, expiry, not_before, reference: [7; 32], debt_token: TokenId(2) }
        .encode()
        .unwrap()
}

fn schedule(payer: Side, cancellable: bool, amount: u128, paid: u128, times: (u64, u64, u64), steps: u16) -> Vec<u8> {
    let (start, duration_s, cliff_s) = (UnixSeconds(times.0), times.1, times.2);
    ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s, steps }.encode().unwrap()
}

fn condition(payer: Side, amount: u128, fallback: u128, calldata: usize) -> Vec<u8> {
    let (expiry, not_before) = (UnixSeconds(2000), UnixSeconds(2000));
    let (target, calldata) = (Address([9; 20]), vec![1; calldata]);
    ConditionTerms { payer, amount, fallback, expiry, not_before, target, calldata }.encode().unwrap()
}

#[test]
fn built_in_instruments_conform() {
    let most = AMOUNT_BOUND - 1;
    for payer in [Side::Left, Side::Right] {
        for amount in [1, 1000, most] {
            assert!(!check(&CreditDefaultSwap, &sample(3, swap(payer, amount), &[1500], &[])).unwrap().is_empty());
        }
        for (amount, fallback, calldata) in [(10, 0, 0), (10, 30, 4), (most, most, 256), (1, 0, 36)] {
            let data = condition(payer, amount, fallback, calldata);
            assert!(!check(&Condition, &sample(5, data, &[1500], &[])).unwrap().is_empty());
        }
        for cancellable in [false, true] {
            for (amount, paid, times, steps) in [
                (1000, 0, (1000, 100, 0), 0),
                (1000, 333, (1000, 100, 50), 0),
                (7, 0, (1000, 100, 100), 3),
                (most, 1, (0, (1 << 40) - 2, 5), u16::MAX),
                (1, 0, (1000, 0, 0), 9),
                (1000, 999, (1000, 97, 13), 7),
            ] {
                let data = schedule(payer, cancellable, amount, paid, times, steps);
                check(&PaymentSchedule, &sample(4, data, &[999, 1001, 1033, 1034, 1050, 1066, 1099], &[])).unwrap();
            }
        }
    }
}

#[test]
fn an_instrument_of_a_user_conforms() {
    for (put, strike, multiplier) in [(false, 100, 100_000_000), (true, 100, 250_000_001), (false, 0, u128::MAX)] {
        let terms = PriceOptionTerms { put, ..PriceOptionTerms::call(Side::Left, strike, multiplier, 500) };
        let values = [strike, strike + 1, strike + 7, strike / 2];
        check(&PriceOption, &sample(256, terms.encode().unwrap(), &[1500], &values)).unwrap();
    }
}

/// A credit default swap that does one thing wrong.
struct Broken(u8);

impl Instrument for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        let mut quote = CreditDefaultSwap.quote(terms)?;
        match self.0 {
            0 => quote.holds[0].left = AMOUNT_BOUND,
            1 => quote.holds[0].left = quote.holds[0].left.saturating_sub(1),
            2 => quote.questions[0].until = UnixSeconds(1 << 40),
            _ => {}
        }
        Ok(quote)
    }
    fn outcome(
        &self,
        terms: &Terms<'_>,
        answers: &[Option<Answer>],
        clock: &Clock,
    ) -> Result<Outcome, InstrumentError> {
        let over = clock.seen > clock.facts_until;
        let seen = if over { UnixSeconds(u64::MAX) } else { clock.seen };
        let any_time = Clock { facts_until: UnixSeconds(u64::MAX), seen, ..*clock };
        let never = Clock { seen: UnixSeconds(0), ..*clock };
        match self.0 {
            3 => CreditDefaultSwap.outcome(terms, answers, &any_time),
            4 => CreditDefaultSwap.outcome(terms, answers, &never),
            5 if clock.seen > UnixSeconds(2000) => Ok(Outcome::Pays { moves: vec![-1], rest: None }),
            6 => Ok(Outcome::Pays { moves: vec![-1], rest: Some(terms.data.to_vec()) }),
            7 => Ok(Outcome::Pays { moves: vec![0], rest: Some(terms.data.to_vec()) }),
            8 => Ok(Outcome::Pays { moves: vec![0, 0], rest: None }),
            _ => CreditDefaultSwap.outcome(terms, answers, clock),
        }
    }
    fn cancel(&self, _: &Terms<'_>, _: &[Option<Answer>], _: &Clock, _: Side) -> Result<Outcome, InstrumentError> {
        if self.0 == 9 {
            return Err(InstrumentError::NotCancellable);
        }
        Ok(Outcome::Pays { moves: vec![0], rest: None })
    }
    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        let mut data = CreditDefaultSwap.canonical(terms)?;
        if self.0 == 10 {
            data[62] = 0;
        }
        Ok(data)
    }
}

#[test]
fn the_kit_finds_what_is_wrong() {
    let found = |which| {
        check(&Broken(which), &sample(3, swap(Side::Left, 10), &[1500], &[])).map(|cases| cases.len()).unwrap_err()
    };
    assert_eq!(found(0), Violation::BadQuote);
    assert_eq!(found(1), Violation::OutOfBounds);
    assert_eq!(found(2), Violation::BadQuote);
    assert_eq!(found(3), Violation::LateFactCounts);
    assert_eq!(found(4), Violation::Unending);
    assert_eq!(found(5), Violation::Unstable);
    assert_eq!(found(6), Violation::OutOfBounds);
    assert_eq!(found(8), Violation::OutOfBounds);
    assert_eq!(found(9), Violation::CannotGiveUp);
    assert_eq!(found(10), Violation::NotCanonical);
    // Waits for ever off chain, which costs nobody more than its hold: no violation, but nothing is ever paid.
    check(&Broken(7), &sample(3, swap(Side::Left, 10), &[1500], &[])).unwrap();
    check(&Broken(11), &sample(3, swap(Side::Left, 10), &[1500], &[])).unwrap();
}

/// Exact numbers, computed by hand.
#[test]
fn a_schedule_vests_as_agreed() {
    let vested = |times, steps, at| {
        let (start, duration_s, cliff_s): (u64, u64, u64) = times;
        let (payer, cancellable, amount, paid) = (Side::Left, false, 1000, 0);
        let start = UnixSeconds(start);
        let terms = ScheduleTerms { payer, cancellable, amount, paid, start, duration_s, cliff_s, steps };
        terms.vested(UnixSeconds(at))
    };
    let evenly = |at| vested((10_000, 600, 0), 0, at);
    assert_eq!([9_999, 10_000, 10_001, 10_300, 10_599, 10_600, 99_999].map(evenly), [0, 0, 1, 500, 998, 1000, 1000]);
    let after_a_cliff = |at| vested((10_000, 600, 200), 0, at);
    assert_eq!([10_199, 10_200, 10_300].map(after_a_cliff), [0, 333, 500]);
    // Three steps of 200 seconds: 333, 666, 1000.
    let in_steps = |at| vested((10_000, 600, 0), 3, at);
    assert_eq!([10_199, 10_200, 10_399, 10_400, 10_599, 10_600].map(in_steps), [0, 333, 333, 666, 666, 1000]);
    // Everything at once.
    assert_eq!([9_999, 10_000].map(|at| vested((10_000, 0, 0), 0, at)), [0, 1000]);
    assert_eq!([10_599, 10_600].map(|at| vested((10_000, 600, 600), 5, at)), [0, 1000]);
}
