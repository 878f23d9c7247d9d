//! Instrument 5, external condition: pays one amount if a contract was recorded to answer yes, another one if it was not.

use alloc::vec::Vec;

use super::{
    Answer, Clock, Decision, Instrument, InstrumentError, Outcome, PAYER_IS_LEFT, Question, Quote, Terms, hold_of,
    one_token, payer_flag, payer_of, pays,
};
use crate::proof::bytes::{Reader, time_bytes};
use crate::types::{AMOUNT_BOUND, Address, Side, UnixSeconds};

/// Bytes of calldata that a condition may carry.
pub const MAX_CALLDATA: usize = 256;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Condition;

/// What the two agree on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConditionTerms {
    /// Who pays either amount.
    pub payer: Side,
    /// How much if the answer was yes, in the token's base unit; not 0, below `2^127`.
    pub amount: u128,
    /// How much otherwise, below `2^127`.
    pub fallback: u128,
    /// Last second of chain time at which a recorded yes counts.
    pub expiry: UnixSeconds,
    /// A yes counts from this chain time on; at most `expiry`.
    pub not_before: UnixSeconds,
    /// The contract that is asked, by a static call of 100,000 gas.
    pub target: Address,
    /// What it is asked, at most [`MAX_CALLDATA`] bytes. Yes is a first word of exactly 1.
    pub calldata: Vec<u8>,
}

impl ConditionTerms {
    /// The bytes of `docs/encodings.md`.
    ///
    /// # Errors
    /// [`InstrumentError::MalformedTerms`] for a number out of its range or too much calldata.
    pub fn encode(&self) -> Result<Vec<u8>, InstrumentError> {
        self.check()?;
        let mut out = Vec::with_capacity(self.calldata.len().saturating_add(63));
        out.push(payer_flag(self.payer));
        out.extend_from_slice(&self.amount.to_be_bytes());
        out.extend_from_slice(&self.fallback.to_be_bytes());
        for time in [self.expiry, self.not_before] {
            out.extend_from_slice(&time_bytes(time).ok_or(InstrumentError::MalformedTerms)?);
        }
        out.extend_from_slice(&self.question());
        Ok(out)
    }

    /// Parses exactly what [`ConditionTerms::encode`] gives.
    ///
    /// # Errors
    /// [`InstrumentError::MalformedTerms`] for anything else.
    pub fn parse(data: &[u8]) -> Result<Self, InstrumentError> {
        let terms = Self::read(&mut Reader(data)).ok_or(InstrumentError::MalformedTerms)?;
        terms.check().map(|()| terms)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.u8().filter(|flags| flags & !PAYER_IS_LEFT == 0)?;
        Some(Self {
            payer: payer_of(flags),
            amount: reader.u128()?,
            fallback: reader.u128()?,
            expiry: reader.time()?,
            not_before: reader.time()?,
            target: Address(reader.array()?),
            calldata: reader.0.to_vec(),
        })
    }

    fn check(&self) -> Result<(), InstrumentError> {
        let amounts = self.amount != 0 && self.amount < AMOUNT_BOUND && self.fallback < AMOUNT_BOUND;
        if amounts && self.not_before <= self.expiry && self.calldata.len() <= MAX_CALLDATA {
            Ok(())
        } else {
            Err(InstrumentError::MalformedTerms)
        }
    }

    fn question(&self) -> Vec<u8> {
        let mut question = self.target.as_bytes().to_vec();
        question.extend_from_slice(&self.calldata);
        question
    }
}

impl Instrument for Condition {
    fn name(&self) -> &'static str {
        "external condition"
    }

    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        one_token(terms)?;
        let condition = ConditionTerms::parse(terms.data)?;
        let (not_before, until) = (condition.not_before, condition.expiry);
        Ok(Quote {
            holds: alloc::vec![hold_of(condition.payer, condition.amount.max(condition.fallback))],
            questions: alloc::vec![Question { not_before, until, question: condition.question() }],
            last: until,
        })
    }

    fn outcome(
        &self,
        terms: &Terms<'_>,
        answers: &[Option<Answer>],
        clock: &Clock,
    ) -> Result<Outcome, InstrumentError> {
        one_token(terms)?;
        let condition = ConditionTerms::parse(terms.data)?;
        match clock.decide(condition.expiry, answers.first().copied().flatten()) {
            Decision::Yes(_) => pays(condition.payer, condition.amount, None),
            Decision::No => pays(condition.payer, condition.fallback, None),
            Decision::Open(until) => Ok(Outcome::Undecided { until }),
        }
    }

    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        ConditionTerms::parse(terms.data)?.encode()
    }
}
