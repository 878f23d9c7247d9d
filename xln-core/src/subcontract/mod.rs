//! Subcontracts of any instrument (`docs/protocol.md` section 4): what an instrument decides, behind one pure trait, so that a
//! new one is a new file and not a new branch everywhere. Its counterpart on chain is `IInstrument`.

mod condition;
pub mod conformance;
mod credit_default_swap;
mod registry;
mod schedule;
mod terms;

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

pub use condition::{Condition, ConditionTerms, MAX_CALLDATA};
pub use credit_default_swap::{CreditDefaultSwap, CreditDefaultSwapTerms};
pub use registry::{FIRST_CUSTOM, Instruments, RegisterError};
pub use schedule::{PaymentSchedule, ScheduleTerms};
pub(crate) use terms::{Contract, Ending, Quoted};

use crate::types::{Hash, Side, SubchannelKey, TokenId, UnixSeconds};

/// What an instrument reads: where the subcontract stands, the tokens that it may move, and the bytes that the contract on
/// chain reads as `terms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms<'a> {
    /// The chain and its Depository.
    pub key: SubchannelKey,
    /// The tokens, 1 to `MAX_SUBCONTRACT_TOKENS` of them, all different; the instrument knows them by their place.
    pub tokens: &'a [TokenId],
    /// The terms, at most `MAX_TERMS_BYTES`.
    pub data: &'a [u8],
}

/// The worst case of one token, in its base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Hold {
    /// The most that left may lose: the largest decrease of delta.
    pub left: u128,
    /// The most that right may lose: the largest increase of delta.
    pub right: u128,
}

impl Hold {
    /// What one side may lose.
    #[must_use]
    pub const fn of(&self, side: Side) -> u128 {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }
}

/// A fact that an instrument asks the registry for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Chain time before which it cannot be recorded; 40 bits.
    pub not_before: UnixSeconds,
    /// Last second of chain time at which a record counts; 40 bits.
    pub until: UnixSeconds,
    /// What is asked, as the contract on chain reads it.
    pub question: Vec<u8>,
}

/// What a recorded fact says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Answer {
    /// Chain time at which it was recorded first.
    pub at: UnixSeconds,
    /// What was recorded, in the instrument's own unit.
    pub value: u128,
}

/// What terms may cost, and what they wait for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// The worst case of each token, in the order of the terms.
    pub holds: Vec<Hold>,
    /// The facts that decide, at most `MAX_QUESTIONS`, in an order of the instrument's own.
    pub questions: Vec<Question>,
    /// From this time on nothing new can happen by time alone.
    pub last: UnixSeconds,
}

/// The times by which an instrument decides. None of them is the moment of the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// What vests, vests by this time: the block's off chain, the dispute's start on chain.
    pub at: UnixSeconds,
    /// A fact counts only if it was recorded by then: no bound off chain, the dispute's deadline on chain.
    pub facts_until: UnixSeconds,
    /// Chain time up to which the registry is known: what has no answer at or before it was not recorded by then.
    pub seen: UnixSeconds,
}

/// What became of one question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Recorded in time.
    Yes(u128),
    /// Not recorded, and too late now.
    No,
    /// It may still be recorded, until then.
    Open(UnixSeconds),
}

impl Clock {
    /// What became of a question that counts `until`.
    #[must_use]
    pub fn decide(&self, until: UnixSeconds, answer: Option<Answer>) -> Decision {
        let last = until.min(self.facts_until);
        match answer {
            Some(answer) if answer.at <= last => Decision::Yes(answer.value),
            _ if self.seen > last => Decision::No,
            _ => Decision::Open(last),
        }
    }
}

/// What a subcontract comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A fact may still be recorded.
    Undecided {
        /// Until then.
        until: UnixSeconds,
    },
    /// It pays.
    Pays {
        /// The change of delta per token, in its base unit: what right pays left. Within the quote's holds.
        moves: Vec<i128>,
        /// The terms that go on after this payment; none if nothing more can come.
        rest: Option<Vec<u8>>,
    },
}

/// Why an instrument cannot say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InstrumentError {
    /// The bytes are no terms: wrong length, unknown flags, a number out of its range. The contract on chain reverts.
    #[error("terms are malformed")]
    MalformedTerms,
    /// Not as many tokens as the instrument moves.
    #[error("wrong number of tokens")]
    WrongTokens,
    /// This side may not end it now.
    #[error("this side may not cancel it now")]
    NotCancellable,
}

/// An instrument: pure, deterministic, and equal to its contract on chain. [`conformance`] checks what it can of that.
pub trait Instrument: Send + Sync {
    /// For people.
    fn name(&self) -> &'static str;

    /// The worst case of these terms and the facts that they wait for. It refuses exactly what the contract reverts for.
    ///
    /// # Errors
    /// [`InstrumentError`] for bytes that are no terms.
    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError>;

    /// What the subcontract pays. `answers` has one place for each question of the quote, in its order. Off chain it may be
    /// paid in parts: what `rest` pays later, together with `moves`, is what the whole would have paid then.
    ///
    /// # Errors
    /// [`InstrumentError`] for bytes that are no terms.
    fn outcome(&self, terms: &Terms<'_>, answers: &[Option<Answer>], clock: &Clock)
    -> Result<Outcome, InstrumentError>;

    /// What ending it by `side` alone pays, off chain. Whoever can lose nothing may give it up; an instrument may allow more.
    ///
    /// # Errors
    /// [`InstrumentError::NotCancellable`] if this side may not.
    fn cancel(
        &self,
        terms: &Terms<'_>,
        answers: &[Option<Answer>],
        clock: &Clock,
        side: Side,
    ) -> Result<Outcome, InstrumentError> {
        let _ = (answers, clock);
        give_up(&self.quote(terms)?, side)
    }

    /// The terms decoded and encoded again: the same bytes, or they have two encodings.
    ///
    /// # Errors
    /// [`InstrumentError`] for bytes that are no terms.
    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError>;
}

/// What happens when a side that can lose nothing gives a subcontract up: nothing is paid.
///
/// # Errors
/// [`InstrumentError::NotCancellable`] if it could lose something.
pub fn give_up(quote: &Quote, side: Side) -> Result<Outcome, InstrumentError> {
    if quote.holds.iter().any(|hold| hold.of(side) != 0) {
        return Err(InstrumentError::NotCancellable);
    }
    Ok(Outcome::Pays { moves: alloc::vec![0; quote.holds.len()], rest: None })
}

/// The name of a fact in the registry: `keccak256(u16 instrument || u40 notBefore || question)`. `None` for a time of more
/// than 40 bits.
#[must_use]
pub fn fact_key(instrument: u16, not_before: UnixSeconds, question: &[u8]) -> Option<Hash> {
    let mut hasher = xln_merkle::Keccak256::new();
    hasher.update(&instrument.to_be_bytes());
    hasher.update(&crate::proof::bytes::time_bytes(not_before)?);
    hasher.update(question);
    Some(Hash(hasher.finalize()))
}

/// The change of delta when `payer` pays. `None` at or beyond `2^127`.
#[must_use]
pub fn paid_by(payer: Side, amount: u128) -> Option<i128> {
    let amount = i128::try_from(amount).ok()?;
    match payer {
        Side::Left => amount.checked_neg(),
        Side::Right => Some(amount),
    }
}

/// The worst case of one payer that pays `amount` of one token.
#[must_use]
pub const fn hold_of(payer: Side, amount: u128) -> Hold {
    match payer {
        Side::Left => Hold { left: amount, right: 0 },
        Side::Right => Hold { left: 0, right: amount },
    }
}

/// Flag bit 0 of every built-in instrument: the payer is left.
const PAYER_IS_LEFT: u8 = 1;

const fn payer_of(flags: u8) -> Side {
    if flags & PAYER_IS_LEFT != 0 { Side::Left } else { Side::Right }
}

const fn payer_flag(payer: Side) -> u8 {
    match payer {
        Side::Left => PAYER_IS_LEFT,
        Side::Right => 0,
    }
}

/// The one token of an instrument that moves one.
const fn one_token(terms: &Terms<'_>) -> Result<(), InstrumentError> {
    if terms.tokens.len() == 1 { Ok(()) } else { Err(InstrumentError::WrongTokens) }
}

/// An outcome that moves one token once.
fn pays(payer: Side, amount: u128, rest: Option<Vec<u8>>) -> Result<Outcome, InstrumentError> {
    let moved = paid_by(payer, amount).ok_or(InstrumentError::MalformedTerms)?;
    Ok(Outcome::Pays { moves: alloc::vec![moved], rest })
}
