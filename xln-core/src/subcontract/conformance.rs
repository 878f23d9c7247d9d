//! A kit that checks an instrument: what the core relies on, for terms and times that its author gives and for their
//! boundaries. It also gives the cases that the contract on chain must decide alike, for whoever can run it.

use alloc::vec::Vec;

use super::{Answer, Clock, Hold, Instrument, InstrumentError, Outcome, Question, Quote, Terms, fact_key};
use crate::limits::{MAX_QUESTIONS, MAX_SUBCONTRACT_TOKENS, MAX_TERMS_BYTES};
use crate::proof::bytes::time_bytes;
use crate::types::{AMOUNT_BOUND, Side, SubchannelKey, TokenId, UnixSeconds};

/// Combinations of answers that are tried for one sample, at most.
const MAX_COMBINATIONS: usize = 256;
const FOREVER: UnixSeconds = UnixSeconds(u64::MAX);

/// Terms to try, and what else to try them with.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where the subcontract stands.
    pub key: SubchannelKey,
    /// The instrument's id, as the provider gave it.
    pub id: u16,
    /// Its tokens.
    pub tokens: Vec<TokenId>,
    /// Its terms.
    pub data: Vec<u8>,
    /// Times to try besides the boundaries of the questions and of the end, each less than 2^40.
    pub times: Vec<UnixSeconds>,
    /// Recorded values to try besides 0, 1 and the greatest.
    pub values: Vec<u128>,
}

/// One finalize that both implementations must decide alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Recorded facts, all others are not.
    pub facts: Vec<(Question, Answer)>,
    /// Chain time of the dispute's start.
    pub started_at: UnixSeconds,
    /// Its deadline.
    pub deadline: UnixSeconds,
    /// Chain time of the finalize.
    pub now: UnixSeconds,
    /// The changes of delta per token; none while it is undecided.
    pub moves: Option<Vec<i128>>,
    /// The last second at which it is undecided.
    pub undecided_until: Option<UnixSeconds>,
}

/// What an instrument does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The sample's terms are refused.
    #[error("the sample is refused: {0}")]
    Refused(#[from] InstrumentError),
    /// Two equal calls have two results.
    #[error("two equal calls have two results")]
    NotDeterministic,
    /// The quote has the wrong shape: numbers of holds or questions, amounts or times out of their range.
    #[error("quote is malformed")]
    BadQuote,
    /// Bytes that are accepted are not what their meaning encodes to.
    #[error("terms have two encodings")]
    NotCanonical,
    /// A payment is larger than what is held for it, or what goes on holds more than before.
    #[error("a payment leaves the holds")]
    OutOfBounds,
    /// It is still undecided when no fact can come any more.
    #[error("undecided for ever")]
    Unending,
    /// What was decided changes when more is known of the chain.
    #[error("a decision changes")]
    Unstable,
    /// A fact that was recorded too late counts.
    #[error("a late fact counts")]
    LateFactCounts,
    /// Paid in parts it pays something else than at once.
    #[error("parts do not add up")]
    PartsDiffer,
    /// Ending by one side is refused although that side can lose nothing.
    #[error("who can lose nothing cannot give it up")]
    CannotGiveUp,
}

/// Checks one sample. Gives the cases for the contract.
///
/// # Errors
/// [`Violation`] names the first thing that is wrong.
pub fn check(instrument: &dyn Instrument, sample: &Sample) -> Result<Vec<Case>, Violation> {
    let terms = Terms { key: sample.key, tokens: &sample.tokens, data: &sample.data };
    let quote = instrument.quote(&terms)?;
    check_quote(&quote, sample)?;
    check_encoding(instrument, &terms)?;
    let kit = Kit { instrument, terms, quote: &quote, times: times(&quote, sample) };
    let mut cases = Vec::new();
    for answers in combinations(&quote, &sample.values) {
        kit.off_chain(&answers)?;
        kit.on_chain(&answers, &mut cases)?;
    }
    Ok(cases)
}

fn check_quote(quote: &Quote, sample: &Sample) -> Result<(), Violation> {
    let in_range = |hold: &Hold| hold.left < AMOUNT_BOUND && hold.right < AMOUNT_BOUND;
    let named = |q: &Question| {
        fact_key(sample.id, q.not_before, &q.question).is_some()
            && time_bytes(q.until).is_some()
            && q.not_before <= q.until
    };
    let counts = !sample.tokens.is_empty()
        && sample.tokens.len() <= MAX_SUBCONTRACT_TOKENS
        && quote.holds.len() == sample.tokens.len()
        && quote.questions.len() <= MAX_QUESTIONS
        && sample.data.len() <= MAX_TERMS_BYTES;
    let good = counts && quote.holds.iter().all(in_range) && quote.questions.iter().all(named);
    if good { Ok(()) } else { Err(Violation::BadQuote) }
}

/// The terms themselves, and everything near them that is accepted: one bit changed, one byte more or less.
fn check_encoding(instrument: &dyn Instrument, terms: &Terms<'_>) -> Result<(), Violation> {
    let fits = |data: &[u8]| {
        let near = Terms { data, ..*terms };
        let first = instrument.quote(&near);
        if first != instrument.quote(&near) {
            return Err(Violation::NotDeterministic);
        }
        match first.map(|_| instrument.canonical(&near)) {
            Ok(Ok(again)) if again == data => Ok(()),
            Ok(_) => Err(Violation::NotCanonical),
            Err(_) => Ok(()),
        }
    };
    fits(terms.data)?;
    let mut longer = terms.data.to_vec();
    longer.push(0);
    fits(&longer)?;
    if let Some((_, shorter)) = terms.data.split_last() {
        fits(shorter)?;
    }
    for index in 0..terms.data.len() {
        for bit in 0..8_u32 {
            let mut near = terms.data.to_vec();
            if let Some(byte) = near.get_mut(index) {
                *byte ^= 1_u8.wrapping_shl(bit);
            }
            fits(&near)?;
        }
    }
    Ok(())
}

fn times(quote: &Quote, sample: &Sample) -> Vec<UnixSeconds> {
    let around = |time: UnixSeconds| [time.minus(1), time, time.plus(1)];
    let mut times: Vec<UnixSeconds> = sample.times.clone();
    times.extend(around(quote.last));
    times.extend(quote.questions.iter().flat_map(|q| [around(q.not_before), around(q.until)].concat()));
    times.retain(|time| time_bytes(*time).is_some());
    times.sort_unstable();
    times.dedup();
    times
}

/// Answers to all questions: none, at the first and last second that count, one too late; with every value.
fn combinations(quote: &Quote, values: &[u128]) -> Vec<Vec<Option<Answer>>> {
    let mut all: Vec<Vec<Option<Answer>>> = alloc::vec![Vec::new()];
    for question in &quote.questions {
        let mut one = alloc::vec![None];
        for value in values.iter().copied().chain([0, 1, u128::MAX]) {
            for at in [question.not_before, question.until, question.until.plus(1)] {
                one.push(Some(Answer { at, value }));
            }
        }
        let longer = all.iter().flat_map(|head| {
            one.iter().map(move |answer| {
                let mut head = head.clone();
                head.push(*answer);
                head
            })
        });
        all = longer.collect();
        let step = all.len().div_ceil(MAX_COMBINATIONS);
        all = all.into_iter().step_by(step.max(1)).collect();
    }
    all
}

struct Kit<'a> {
    instrument: &'a dyn Instrument,
    terms: Terms<'a>,
    quote: &'a Quote,
    times: Vec<UnixSeconds>,
}

impl Kit<'_> {
    fn outcome(&self, answers: &[Option<Answer>], clock: &Clock) -> Result<Outcome, Violation> {
        let outcome = self.instrument.outcome(&self.terms, answers, clock)?;
        if outcome != self.instrument.outcome(&self.terms, answers, clock)? {
            return Err(Violation::NotDeterministic);
        }
        if let Outcome::Pays { moves, rest } = &outcome {
            self.check_bounds(moves, rest.as_deref())?;
        }
        Ok(outcome)
    }

    fn check_bounds(&self, moves: &[i128], rest: Option<&[u8]>) -> Result<(), Violation> {
        let none = alloc::vec![Hold::default(); self.quote.holds.len()];
        let kept = match rest {
            Some(data) => {
                let terms = Terms { data, ..self.terms };
                if self.instrument.canonical(&terms)? != data {
                    return Err(Violation::NotCanonical);
                }
                self.instrument.quote(&terms)?.holds
            }
            None => none,
        };
        let lengths = moves.len() == self.quote.holds.len() && kept.len() == moves.len();
        let bounded = self.quote.holds.iter().zip(&kept).zip(moves).all(|((held, kept), moved)| {
            let left = if *moved < 0 { moved.unsigned_abs() } else { 0 };
            let right = if *moved > 0 { moved.unsigned_abs() } else { 0 };
            let fits = |lost: u128, kept: u128, held: u128| lost.checked_add(kept).is_some_and(|sum| sum <= held);
            fits(left, kept.left, held.left) && fits(right, kept.right, held.right)
        });
        if lengths && bounded { Ok(()) } else { Err(Violation::OutOfBounds) }
    }

    fn off_chain(&self, answers: &[Option<Answer>]) -> Result<(), Violation> {
        for at in &self.times {
            let mut decided: Option<Outcome> = None;
            for seen in &self.times {
                // What is not seen yet is no answer yet.
                let known: Vec<_> = answers.iter().map(|a| a.filter(|a| a.at <= *seen)).collect();
                let outcome = self.outcome(&known, &Clock { at: *at, facts_until: FOREVER, seen: *seen })?;
                match (&decided, &outcome) {
                    (Some(before), after) if before != after => return Err(Violation::Unstable),
                    (_, Outcome::Pays { .. }) => decided = Some(outcome),
                    (_, Outcome::Undecided { until }) => {
                        let over = Clock { at: *at, facts_until: FOREVER, seen: until.plus(1) };
                        if seen > until || matches!(self.outcome(&known, &over)?, Outcome::Undecided { .. }) {
                            return Err(Violation::Unending);
                        }
                    }
                }
            }
            self.give_up(answers, *at)?;
        }
        self.parts(answers)
    }

    fn give_up(&self, answers: &[Option<Answer>], at: UnixSeconds) -> Result<(), Violation> {
        for side in [Side::Left, Side::Right] {
            let clock = Clock { at, facts_until: FOREVER, seen: at };
            let free = self.quote.holds.iter().all(|hold| hold.of(side) == 0);
            match self.instrument.cancel(&self.terms, answers, &clock, side) {
                Ok(Outcome::Pays { moves, rest }) => self.check_bounds(&moves, rest.as_deref())?,
                Ok(Outcome::Undecided { .. }) | Err(_) if free => return Err(Violation::CannotGiveUp),
                _ => {}
            }
        }
        Ok(())
    }

    /// Paid at one time and then at a later one: as much as at the later one alone.
    fn parts(&self, answers: &[Option<Answer>]) -> Result<(), Violation> {
        let clock = |at: &UnixSeconds| Clock { at: *at, facts_until: FOREVER, seen: FOREVER };
        for (index, early) in self.times.iter().enumerate() {
            let first = self.outcome(answers, &clock(early))?;
            let Outcome::Pays { moves: paid, rest: Some(data) } = first else { continue };
            let terms = Terms { data: &data, ..self.terms };
            if self.instrument.quote(&terms)?.questions != self.quote.questions {
                return Err(Violation::PartsDiffer);
            }
            for late in self.times.iter().skip(index) {
                let then = self.instrument.outcome(&terms, answers, &clock(late))?;
                let whole = self.outcome(answers, &clock(late))?;
                let (Outcome::Pays { moves: then, rest: a }, Outcome::Pays { moves: whole, rest: b }) = (then, whole)
                else {
                    return Err(Violation::PartsDiffer);
                };
                let sum = paid.iter().zip(&then).map(|(paid, then)| paid.checked_add(*then));
                if a != b || !sum.eq(whole.iter().copied().map(Some)) {
                    return Err(Violation::PartsDiffer);
                }
            }
        }
        Ok(())
    }

    fn on_chain(&self, answers: &[Option<Answer>], cases: &mut Vec<Case>) -> Result<(), Violation> {
        for (index, started_at) in self.times.iter().enumerate() {
            for deadline in self.times.iter().skip(index) {
                let counted: Vec<_> = answers.iter().map(|a| a.filter(|a| a.at <= *deadline)).collect();
                let mut ends = alloc::vec![*started_at, *deadline, deadline.plus(1)];
                ends.dedup();
                for now in ends {
                    let known: Vec<_> = answers.iter().map(|a| a.filter(|a| a.at <= now)).collect();
                    let clock = Clock { at: *started_at, facts_until: *deadline, seen: now };
                    let outcome = self.outcome(&known, &clock)?;
                    if now > *deadline && outcome != self.outcome(&counted, &clock)? {
                        return Err(Violation::LateFactCounts);
                    }
                    let (moves, undecided_until) = match outcome {
                        Outcome::Pays { moves, .. } => (Some(moves), None),
                        Outcome::Undecided { until } if now <= *deadline => (None, Some(until.min(*deadline))),
                        Outcome::Undecided { .. } => return Err(Violation::Unending),
                    };
                    let asked = self.quote.questions.iter().cloned().zip(known);
                    let facts = asked.filter_map(|(q, a)| Some((q, a?))).collect();
                    cases.push(Case {
                        facts,
                        started_at: *started_at,
                        deadline: *deadline,
                        now,
                        moves,
                        undecided_until,
                    });
                }
            }
        }
        Ok(())
    }
}
