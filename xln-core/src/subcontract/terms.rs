//! What this crate makes of an instrument's word: checked before anything is held or moved.

use alloc::vec::Vec;

use super::{Clock, Hold, Instruments, Outcome, Terms, fact_key};
use crate::limits::{MAX_QUESTIONS, MAX_SUBCONTRACT_TOKENS, MAX_TERMS_BYTES};
use crate::proof::bytes::time_bytes;
use crate::state::{Ask, Subchannel, Subcontract};
use crate::transition::TransitionError;
use crate::types::{AMOUNT_BOUND, Address, Side, SubchannelKey, TokenId, UnixSeconds};

/// A subcontract as it is proposed.
#[derive(Clone, Copy)]
pub(crate) struct Contract<'a> {
    pub(crate) key: &'a SubchannelKey,
    pub(crate) provider: &'a Address,
    pub(crate) instrument: u16,
    pub(crate) tokens: &'a [TokenId],
    pub(crate) terms: &'a [u8],
}

/// What its instrument says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Quoted {
    pub(crate) holds: Vec<Hold>,
    pub(crate) asks: Vec<Ask>,
    pub(crate) last: UnixSeconds,
    /// The earliest time at which a fact that decides it may have been recorded.
    pub(crate) since: Option<UnixSeconds>,
}

impl Contract<'_> {
    const fn terms(&self) -> Terms<'_> {
        Terms { key: *self.key, tokens: self.tokens, data: self.terms }
    }

    /// The worst case and the facts that are waited for.
    pub(crate) fn quote(&self, instruments: &Instruments) -> Result<Quoted, TransitionError> {
        let (number, tokens) = (self.instrument, self.tokens);
        let instrument = instruments
            .get(self.key.chain, self.provider, number)
            .ok_or(TransitionError::UnknownInstrument { instrument: number })?;
        let repeated = tokens.iter().enumerate().any(|(i, token)| tokens.iter().take(i).any(|other| other == token));
        if tokens.is_empty() || tokens.len() > MAX_SUBCONTRACT_TOKENS || repeated || self.terms.len() > MAX_TERMS_BYTES
        {
            return Err(TransitionError::InvalidTerms);
        }
        let quote = instrument.quote(&self.terms()).map_err(|_| TransitionError::InvalidTerms)?;
        let in_range = |hold: &Hold| hold.left < AMOUNT_BOUND && hold.right < AMOUNT_BOUND;
        let shape = quote.holds.len() == tokens.len() && quote.questions.len() <= MAX_QUESTIONS;
        if !shape || !quote.holds.iter().all(in_range) {
            return Err(TransitionError::InvalidTerms);
        }
        let mut asks = Vec::with_capacity(quote.questions.len());
        for question in &quote.questions {
            let key = fact_key(number, question.not_before, &question.question);
            let key = key.filter(|_| time_bytes(question.until).is_some()).ok_or(TransitionError::InvalidTerms)?;
            asks.push(Ask { key, until: question.until, answer: None });
        }
        let since = quote.questions.iter().map(|question| question.not_before).min();
        Ok(Quoted { holds: quote.holds, asks, last: quote.last, since })
    }
}

/// How a subcontract ends or goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// By what has come of it.
    Settle,
    /// By one side.
    Cancel(Side),
}

impl Subcontract {
    pub(crate) const fn contract<'a>(&'a self, key: &'a SubchannelKey) -> Contract<'a> {
        Contract {
            key,
            provider: &self.provider,
            instrument: self.instrument,
            tokens: self.tokens.as_slice(),
            terms: self.terms.as_slice(),
        }
    }

    /// What it comes to now.
    ///
    /// # Errors
    /// [`TransitionError::UnknownInstrument`]; [`TransitionError::InvalidTerms`] never for one that the rules let in.
    pub fn outcome(
        &self,
        instruments: &Instruments,
        key: &SubchannelKey,
        clock: &Clock,
    ) -> Result<Outcome, TransitionError> {
        self.ending(instruments, key, clock, Ending::Settle)
    }

    pub(crate) fn ending(
        &self,
        instruments: &Instruments,
        key: &SubchannelKey,
        clock: &Clock,
        ending: Ending,
    ) -> Result<Outcome, TransitionError> {
        let (number, contract, answers) = (self.instrument, self.contract(key), self.answers());
        let instrument = instruments
            .get(key.chain, &self.provider, number)
            .ok_or(TransitionError::UnknownInstrument { instrument: number })?;
        match ending {
            Ending::Settle => {
                instrument.outcome(&contract.terms(), &answers, clock).map_err(|_| TransitionError::InvalidTerms)
            }
            Ending::Cancel(side) => {
                instrument.cancel(&contract.terms(), &answers, clock, side).map_err(|_| TransitionError::NotCancellable)
            }
        }
    }

    /// What goes on under other terms, without new questions; recorded answers stay with their questions.
    pub(crate) fn continued(
        &self,
        instruments: &Instruments,
        key: &SubchannelKey,
        terms: Vec<u8>,
    ) -> Result<Self, TransitionError> {
        let mut next = Self { terms, ..self.clone() };
        let Quoted { holds, mut asks, last, .. } = next.contract(key).quote(instruments)?;
        for ask in &mut asks {
            // Whoever agreed has seen since when the old questions may have been decided, not new ones.
            let old = self.asks.iter().find(|old| old.key == ask.key).ok_or(TransitionError::OutOfBounds)?;
            ask.answer = old.answer.filter(|answer| answer.at <= ask.until);
        }
        (next.holds, next.asks, next.last) = (holds, asks, last);
        Ok(next)
    }
}

impl Subchannel {
    /// The times by which a subcontract in it is decided off chain, in a block of this time.
    #[must_use]
    pub fn clock(&self, time: UnixSeconds) -> Clock {
        let seen = self.point.map_or(UnixSeconds(0), |point| point.timestamp);
        Clock { at: time, facts_until: UnixSeconds(u64::MAX), seen }
    }
}
