//! Instrument 4, payment schedule: an amount that vests over time, evenly or in steps, after a cliff. Off chain it is paid in
//! parts, on chain by what has vested when a dispute starts.

use alloc::vec::Vec;
use alloy_primitives::U256;

use super::{
    Answer, Clock, Instrument, InstrumentError, Outcome, PAYER_IS_LEFT, Quote, Terms, give_up, hold_of, one_token,
    payer_flag, payer_of, pays,
};
use crate::proof::bytes::{Reader, time_bytes};
use crate::ratio::ratio;
use crate::types::{AMOUNT_BOUND, Side, UnixSeconds};

const CANCELLABLE: u8 = 2;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct PaymentSchedule;

/// What the two agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScheduleTerms {
    /// Who pays.
    pub payer: Side,
    /// Whether the payer may end it, paying what has vested.
    pub cancellable: bool,
    /// How much in all, in the token's base unit; below `2^127`.
    pub amount: u128,
    /// How much of it is paid already; below `amount`.
    pub paid: u128,
    /// Time from which it vests.
    pub start: UnixSeconds,
    /// How long it vests, in seconds; 40 bits.
    pub duration_s: u64,
    /// How long nothing has vested, in seconds; at most `duration_s`.
    pub cliff_s: u64,
    /// In how many equal steps it vests; 0 for evenly.
    pub steps: u16,
}

impl ScheduleTerms {
    /// The bytes of `docs/encodings.md`.
    ///
    /// # Errors
    /// [`InstrumentError::MalformedTerms`] for a number out of its range.
    pub fn encode(&self) -> Result<Vec<u8>, InstrumentError> {
        self.check()?;
        let mut out = Vec::with_capacity(50);
        out.push(payer_flag(self.payer) | if self.cancellable { CANCELLABLE } else { 0 });
        out.extend_from_slice(&self.amount.to_be_bytes());
        out.extend_from_slice(&self.paid.to_be_bytes());
        for time in [self.start, UnixSeconds(self.duration_s), UnixSeconds(self.cliff_s)] {
            out.extend_from_slice(&time_bytes(time).ok_or(InstrumentError::MalformedTerms)?);
        }
        out.extend_from_slice(&self.steps.to_be_bytes());
        Ok(out)
    }

    /// Parses exactly what [`ScheduleTerms::encode`] gives.
    ///
    /// # Errors
    /// [`InstrumentError::MalformedTerms`] for anything else.
    pub fn parse(data: &[u8]) -> Result<Self, InstrumentError> {
        let mut reader = Reader(data);
        let terms = Self::read(&mut reader).filter(|_| reader.is_empty()).ok_or(InstrumentError::MalformedTerms)?;
        terms.check().map(|()| terms)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.u8().filter(|flags| flags & !(PAYER_IS_LEFT | CANCELLABLE) == 0)?;
        Some(Self {
            payer: payer_of(flags),
            cancellable: flags & CANCELLABLE != 0,
            amount: reader.u128()?,
            paid: reader.u128()?,
            start: reader.time()?,
            duration_s: reader.time()?.0,
            cliff_s: reader.time()?.0,
            steps: reader.u16()?,
        })
    }

    fn check(&self) -> Result<(), InstrumentError> {
        let valid = self.paid < self.amount && self.amount < AMOUNT_BOUND && self.cliff_s <= self.duration_s;
        if valid { Ok(()) } else { Err(InstrumentError::MalformedTerms) }
    }

    /// From this time on all of it has vested.
    #[must_use]
    pub const fn end(&self) -> UnixSeconds {
        self.start.plus(self.duration_s)
    }

    /// How much has vested at a time, paid or not.
    #[must_use]
    pub fn vested(&self, at: UnixSeconds) -> u128 {
        if at < self.start.plus(self.cliff_s) {
            return 0;
        }
        if at >= self.end() {
            return self.amount;
        }
        let (elapsed, duration) = (U256::from(at.0.saturating_sub(self.start.0)), U256::from(self.duration_s));
        // The end is later than the start here: the duration is not 0.
        let part_of = |whole, part, of| ratio(whole, part, of).map_or(U256::ZERO, |(share, _)| share);
        let amount = U256::from(self.amount);
        let vested = if self.steps == 0 {
            part_of(amount, elapsed, duration)
        } else {
            let steps = U256::from(self.steps);
            part_of(amount, part_of(elapsed, steps, duration), steps)
        };
        u128::try_from(vested).unwrap_or(self.amount).min(self.amount)
    }

    /// How much is due at a time: what has vested and is not paid. Never negative, if a payment was made by a clock ahead.
    #[must_use]
    pub fn due(&self, at: UnixSeconds) -> u128 {
        self.vested(at).saturating_sub(self.paid)
    }
}

impl Instrument for PaymentSchedule {
    fn name(&self) -> &'static str {
        "payment schedule"
    }

    fn quote(&self, terms: &Terms<'_>) -> Result<Quote, InstrumentError> {
        one_token(terms)?;
        let schedule = ScheduleTerms::parse(terms.data)?;
        let open = schedule.amount.saturating_sub(schedule.paid);
        let holds = alloc::vec![hold_of(schedule.payer, open)];
        Ok(Quote { holds, questions: Vec::new(), last: schedule.end() })
    }

    fn outcome(&self, terms: &Terms<'_>, _: &[Option<Answer>], clock: &Clock) -> Result<Outcome, InstrumentError> {
        one_token(terms)?;
        let schedule = ScheduleTerms::parse(terms.data)?;
        let paid = schedule.paid.max(schedule.vested(clock.at));
        let rest = if paid < schedule.amount { Some(ScheduleTerms { paid, ..schedule }.encode()?) } else { None };
        pays(schedule.payer, schedule.due(clock.at), rest)
    }

    /// The beneficiary gives up all that is not paid; the payer, if so agreed, what has not vested.
    fn cancel(
        &self,
        terms: &Terms<'_>,
        _: &[Option<Answer>],
        clock: &Clock,
        side: Side,
    ) -> Result<Outcome, InstrumentError> {
        let schedule = ScheduleTerms::parse(terms.data)?;
        if side == schedule.payer && schedule.cancellable {
            one_token(terms)?;
            return pays(schedule.payer, schedule.due(clock.at), None);
        }
        give_up(&self.quote(terms)?, side)
    }

    fn canonical(&self, terms: &Terms<'_>) -> Result<Vec<u8>, InstrumentError> {
        ScheduleTerms::parse(terms.data)?.encode()
    }
}
