//! An instrument that is not in the core: an option on a price feed, as an SDK user would write it. Its counterpart on chain
//! is a `PriceOption` contract.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses a part of it")]

use xln_core::subcontract::{
    Answer, Clock, Decision, Instrument, InstrumentError, Outcome, Question, Quote, Terms, hold_of, paid_by,
};
use xln_core::types::{AMOUNT_BOUND, Address, Side, UnixSeconds};

/// Prices have eight decimals: a price above the strike by 1.00000000 pays `multiplier`.
const PRICE_UNIT: u128 = 100_000_000;

pub struct PriceOption;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriceOptionTerms {
    pub payer: Side,
    pub put: bool,
    pub strike: u128,
    pub multiplier: u128,
    pub cap: u128,
    pub expiry: UnixSeconds,
    pub not_before: UnixSeconds,
    pub feed: Address,
}

impl PriceOptionTerms {
    pub const fn call(payer: Side, strike: u128, multiplier: u128, cap: u128) -> Self {
        let (expiry, not_before, feed) = (UnixSeconds(2000), UnixSeconds(1000), Address([0xfe; 20]));
        Self { payer, put: false, strike, multiplier, cap, expiry, not_before, feed }
    }

    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = vec![u8::from(self.payer.is_left()) | u8::from(self.put) << 1];
        for number in [self.strike, self.multiplier, self.cap] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        for time in [self.expiry, self.not_before] {
            out.extend_from_slice(time.0.to_be_bytes().get(3..)?);
        }
        out.extend_from_slice(&self.feed.0);
        Some(out)
    }

    fn parse(data: &[u8]) -> Option<Self> {
        let flags = data.first().copied().filter(|flags| flags & !3 == 0 && data.len() == 79)?;
        let number = |at: usize| Some(u128::from_be_bytes(data.get(at..at.checked_add(16)?)?.try_into().ok()?));
        let time = |at: usize| {
            let mut bytes = [0; 8];
            bytes.get_mut(3..)?.copy_from_slice(data.get(at..at.checked_add(5)?)?);
            Some(UnixSeconds(u64::from_be_bytes(bytes)))
        };
        let terms = Self {
            payer: if flags & 1 != 0 { Side::Left } else { Side::Right },
            put: flags & 2 != 0,
            strike: number(1)?,
            multiplier: number(17)?,
            cap: number(33)?,
            expiry: time(49)?,
            not_before: time(54)?,
            feed: Address(data.get(59..)?.try_into().ok()?),
        };
        let valid = terms.multiplier != 0 && terms.cap != 0 && terms.cap < AMOUNT_BOUND;
        (valid && terms.not_before <= terms.expiry).then_some(terms)
    }

    /// `min(cap, floor(max(price - strike, 0) * multiplier / 10^8))`, of a put `strike - price`.
    fn value(&self, price: u128) -> u128 {
        let (high, low) = if self.put { (self.strike, price) } else { (price, self.strike) };
        let difference = alloy_primitives::U256::from(high.saturating_sub(low));
        let product = difference.saturating_mul(alloy_primitives::U256::from(self.multiplier));
        let worth = product.checked_div(alloy_primitives::U256::from(PRICE_UNIT)).unwrap_or_default();
        u128::try_from(worth).unwrap_or(u128::MAX).min(self.cap)
    }
}

fn terms_of(terms: &Terms<'_>) -> Result<PriceOptionTerms, InstrumentError> {
    if terms.tokens.len() != 1 {
        return Err(InstrumentError::WrongTokens);
    }
    PriceOptionTerms::parse(terms.data).ok_or(InstrumentError::MalformedTerms)
}

impl Instrument for PriceOption {
    fn name(&self) -> &'static str {
        "price option"
    }

    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        let option = terms_of(terms)?;
        let (not_before, until, question) = (option.not_before, option.expiry, option.feed.0.to_vec());
        Ok(Quote {
            holds: vec![hold_of(option.payer, option.cap)],
            questions: vec![Question { not_before, until, question }],
            last: until,
        })
    }

    fn outcome(
        &self,
        terms: &Terms<'_>,
        answers: &[Option<Answer>],
        clock: &Clock,
    ) -> Result<Outcome, InstrumentError> {
        let option = terms_of(terms)?;
        let amount = match clock.decide(option.expiry, answers.first().copied().flatten()) {
            Decision::Yes(price) => option.value(price),
            Decision::No => 0,
            Decision::Open(until) => return Ok(Outcome::Undecided { until }),
        };
        let moved = paid_by(option.payer, amount).ok_or(InstrumentError::MalformedTerms)?;
        Ok(Outcome::Pays { moves: vec![moved], rest: None })
    }

    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        terms_of(terms)?.encode().ok_or(InstrumentError::MalformedTerms)
    }
}
