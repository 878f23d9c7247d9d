//! Instrument 3, credit default swap: pays if the reference entity was recorded to have an unpaid debt in one token of the same
//! Depository. A premium is a payment schedule beside it.

use alloc::vec::Vec;

use super::{
    Answer, Clock, Decision, Instrument, InstrumentError, Outcome, PAYER_IS_LEFT, Question, Quote, Terms, hold_of,
    one_token, payer_flag, payer_of, pays,
};
use crate::proof::bytes::{Reader, time_bytes};
use crate::types::{AMOUNT_BOUND, Side, TokenId, UnixSeconds};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct CreditDefaultSwap;

/// What the two agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreditDefaultSwapTerms {
    /// Who pays upon a default: the protection seller.
    pub payer: Side,
    /// How much, in the token's base unit; not 0, below `2^127`.
    pub amount: u128,
    /// Last second of chain time at which a recorded default counts.
    pub expiry: UnixSeconds,
    /// A debt counts from this chain time on, however old it is; at most `expiry`.
    pub not_before: UnixSeconds,
    /// Whose debts: the bytes of an `EntityId`.
    pub reference: [u8; 32],
    /// In which token of the same Depository.
    pub debt_token: TokenId,
}

impl CreditDefaultSwapTerms {
    /// The bytes of `docs/encodings.md`.
    ///
    /// # Errors
    /// [`InstrumentError::MalformedTerms`] for a number out of its range.
    pub fn encode(&self) -> Result<Vec<u8>, InstrumentError> {
        let mut out = Vec::with_capacity(63);
        out.push(payer_flag(self.payer));
        out.extend_from_slice(&self.amount.to_be_bytes());
        for time in [self.expiry, self.not_before] {
            out.extend_from_slice(&time_bytes(time).ok_or(InstrumentError::MalformedTerms)?);
        }
        out.extend_from_slice(&self.reference);
        out.extend_from_slice(&self.debt_token.0.to_be_bytes());
        self.check().map(|()| out)
    }

    /// Parses exactly what [`CreditDefaultSwapTerms::encode`] gives.
    ///
    /// # Errors
    /// [`InstrumentError::MalformedTerms`] for anything else.
    pub fn parse(data: &[u8]) -> Result<Self, InstrumentError> {
        let mut reader = Reader(data);
        let terms = Self::read(&mut reader).filter(|_| reader.is_empty()).ok_or(InstrumentError::MalformedTerms)?;
        terms.check().map(|()| terms)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.u8().filter(|flags| flags & !PAYER_IS_LEFT == 0)?;
        Some(Self {
            payer: payer_of(flags),
            amount: reader.u128()?,
            expiry: reader.time()?,
            not_before: reader.time()?,
            reference: reader.array()?,
            debt_token: TokenId(reader.u32()?),
        })
    }

    fn check(&self) -> Result<(), InstrumentError> {
        let valid = self.amount != 0 && self.amount < AMOUNT_BOUND && self.not_before <= self.expiry;
        if valid { Ok(()) } else { Err(InstrumentError::MalformedTerms) }
    }
}

impl Instrument for CreditDefaultSwap {
    fn name(&self) -> &'static str {
        "credit default swap"
    }

    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        one_token(terms)?;
        let swap = CreditDefaultSwapTerms::parse(terms.data)?;
        let mut question = Vec::with_capacity(56);
        question.extend_from_slice(terms.key.depository.as_bytes());
        question.extend_from_slice(&swap.reference);
        question.extend_from_slice(&swap.debt_token.0.to_be_bytes());
        Ok(Quote {
            holds: alloc::vec![hold_of(swap.payer, swap.amount)],
            questions: alloc::vec![Question { not_before: swap.not_before, until: swap.expiry, question }],
            last: swap.expiry,
        })
    }

    fn outcome(
        &self,
        terms: &Terms<'_>,
        answers: &[Option<Answer>],
        clock: &Clock,
    ) -> Result<Outcome, InstrumentError> {
        one_token(terms)?;
        let swap = CreditDefaultSwapTerms::parse(terms.data)?;
        match clock.decide(swap.expiry, answers.first().copied().flatten()) {
            Decision::Yes(_) => pays(swap.payer, swap.amount, None),
            Decision::No => pays(swap.payer, 0, None),
            Decision::Open(until) => Ok(Outcome::Undecided { until }),
        }
    }

    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        CreditDefaultSwapTerms::parse(terms.data)?.encode()
    }
}
