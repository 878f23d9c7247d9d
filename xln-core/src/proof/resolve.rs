//! What a dispute comes out at when it is finalized: the reference model of the contracts (`docs/protocol.md` sections 7
//! and 8). Pure: the facts of the chain are arguments. Dispute decisions use it, and differential tests hold the bytecode
//! against it.

use alloc::vec::Vec;
use alloy_primitives::{I256, U256};

use super::body::{Batch, Body, Clause, PaymentItem, SwapItem};
use super::fills::Fills;
use crate::limits::{MAX_LOCK_S, MAX_SUBCONTRACT_TOKENS};
use crate::subcontract::{Answer, Clock, Instruments, Outcome, Question, Terms, fact_key};
use crate::types::{Address, ChainId, Hash, HashKind, Side, SubchannelKey, TokenFact, TokenId, UnixSeconds};

/// A dispute at the moment of its finalize.
#[derive(Clone, Copy, Debug)]
pub struct Dispute<'a> {
    /// The body of the shown state.
    pub body: &'a Body,
    /// Collateral and ondelta that the chain has now. A token that is not listed has neither.
    pub facts: &'a [TokenFact],
    /// Chain time of the finalize.
    pub now: UnixSeconds,
    /// Chain time of the start.
    pub started_at: UnixSeconds,
    /// The Depository's window, in seconds.
    pub window_s: u64,
    /// Fills that left gave for this body, at the start or in its answer.
    pub left_fills: FillsGiven<'a>,
    /// Fills that right gave for this body, at the start or in its answer.
    pub right_fills: FillsGiven<'a>,
}

/// Encoded fills as one side gave them; empty if it gave none.
#[derive(Clone, Copy, Debug, Default)]
pub struct FillsGiven<'a> {
    /// The bytes; malformed ones mean no fill.
    pub bytes: &'a [u8],
    /// Chain time at which they were given.
    pub at: UnixSeconds,
}

/// What becomes of one token, in its base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenSplit {
    /// The token.
    pub token: TokenId,
    /// What left's reserve receives.
    pub left_reserve: u128,
    /// What right's reserve receives.
    pub right_reserve: u128,
    /// Who owes the other how much more, from its reserve first, then as a debt.
    pub debt: Option<(Side, u128)>,
}

/// Why a dispute has no outcome now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// A payment is neither revealed nor expired, or a fact may still be recorded: finalize reverts up to and including this
    /// time.
    #[error("a clause is undecided until {0:?}")]
    PendingUntil(UnixSeconds),
    /// An instrument that this model does not know decides a clause.
    #[error("instrument {0} is unknown to this model")]
    UnknownInstrument(u16),
    /// A delta lies so far out that the debt passes 128 bits, which no channel within the protocol's range reaches.
    #[error("a debt is out of range")]
    DebtOutOfRange,
}

/// What the model knows besides the dispute itself.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The chain and the Depository.
    pub key: SubchannelKey,
    /// The instruments of the providers. One that is not among them is an error.
    pub instruments: &'a Instruments,
    /// When a secret was first revealed to a provider's registry.
    pub reveals: &'a dyn Fn(&Address, HashKind, &Hash) -> Option<UnixSeconds>,
    /// What a provider's registry has recorded under a name.
    pub facts: &'a dyn Fn(&Address, &Hash) -> Option<Answer>,
}

/// [`resolve_with`] no instruments but payments and swaps.
///
/// # Errors
/// As [`resolve_with`].
pub fn resolve(
    dispute: &Dispute<'_>,
    registry: &dyn Fn(&Address, HashKind, &Hash) -> Option<UnixSeconds>,
) -> Result<Vec<TokenSplit>, ResolveError> {
    let key = SubchannelKey { chain: ChainId(0), depository: Address::ZERO };
    resolve_with(dispute, &World { key, instruments: &Instruments::none(), reveals: registry, facts: &|_, _| None })
}

/// Applies the clauses of a body that [`Body::check`] accepts, in their order, and splits the collateral of its tokens.
///
/// A clause that leaves its allowances, or that its instrument refuses, changes nothing. Who may finalize when is the caller's
/// business.
///
/// # Errors
/// [`ResolveError::PendingUntil`] with the latest expiry of the first clause that has an undecided payment, at most
/// deadline plus [`MAX_LOCK_S`], or with the last second at which a fact may still be recorded, at most the deadline; later
/// it blocks no more. Other variants as they say.
pub fn resolve_with(dispute: &Dispute<'_>, world: &World<'_>) -> Result<Vec<TokenSplit>, ResolveError> {
    let mut model = Model::new(dispute, world);
    dispute.body.clauses.iter().try_for_each(|clause| model.apply(clause))?;
    model.rows.iter().zip(&dispute.body.tokens).map(|(row, (token, _))| row.split(*token)).collect()
}

/// A token while clauses are applied.
#[derive(Clone, Copy)]
struct Row {
    collateral: u128,
    delta: I256,
}

struct Model<'a> {
    dispute: &'a Dispute<'a>,
    world: &'a World<'a>,
    left_fills: Fills,
    right_fills: Fills,
    rows: Vec<Row>,
}

impl<'a> Model<'a> {
    fn new(dispute: &'a Dispute<'a>, world: &'a World<'a>) -> Self {
        let row = |(token, offdelta): &(TokenId, i128)| {
            let fact = dispute.facts.iter().find(|fact| fact.token == *token);
            let (collateral, ondelta) = fact.map_or((0, 0), |fact| (fact.collateral, fact.ondelta));
            // Two numbers of 128 bits never overflow 256.
            Row { collateral, delta: wide(ondelta).saturating_add(wide(*offdelta)) }
        };
        Self {
            dispute,
            world,
            left_fills: Fills::parse(dispute.left_fills.bytes).unwrap_or_default(),
            right_fills: Fills::parse(dispute.right_fills.bytes).unwrap_or_default(),
            rows: dispute.body.tokens.iter().map(row).collect(),
        }
    }

    fn apply(&mut self, clause: &Clause) -> Result<(), ResolveError> {
        let before = self.rows.clone();
        match &clause.batch {
            Batch::Payments(items) => self.pay(clause, items)?,
            Batch::Swap(offer) => self.swap(offer),
            Batch::Custom { instrument, payload } => self.settle(&clause.provider, *instrument, payload)?,
        }
        if !within_allowances(clause, &before, &self.rows) {
            self.rows = before;
        }
        Ok(())
    }

    /// Moves what an instrument says, unless a fact may still come. Malformed payloads and terms move nothing.
    fn settle(&mut self, provider: &Address, number: u16, payload: &[u8]) -> Result<(), ResolveError> {
        let World { key, instruments, facts, .. } = *self.world;
        let instrument = instruments.get(key.chain, provider, number).ok_or(ResolveError::UnknownInstrument(number))?;
        let Some((indices, data)) = split_payload(payload, self.rows.len()) else { return Ok(()) };
        let body = &self.dispute.body.tokens;
        let tokens: Vec<TokenId> = indices.iter().filter_map(|index| Some(body.get(usize::from(*index))?.0)).collect();
        let terms = Terms { key, tokens: &tokens, data };
        let Ok(quote) = instrument.quote(&terms) else { return Ok(()) };
        let answer = |q: &Question| facts(provider, &fact_key(number, q.not_before, &q.question)?);
        let answers: Vec<Option<Answer>> = quote.questions.iter().map(answer).collect();
        let Dispute { now, started_at, window_s, .. } = *self.dispute;
        let deadline = started_at.plus(window_s);
        let clock = Clock { at: started_at, facts_until: deadline, seen: now };
        match instrument.outcome(&terms, &answers, &clock) {
            Ok(Outcome::Undecided { until }) if now <= until.min(deadline) => {
                Err(ResolveError::PendingUntil(until.min(deadline)))
            }
            Ok(Outcome::Pays { moves, .. }) if moves.len() == indices.len() => {
                for (index, moved) in indices.iter().zip(moves) {
                    let payer = if moved < 0 { Side::Left } else { Side::Right };
                    self.shift(*index, payer, moved.unsigned_abs());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Applies what was revealed in time, unless the rest is to be waited for.
    fn pay(&mut self, clause: &Clause, items: &[PaymentItem]) -> Result<(), ResolveError> {
        let Dispute { now, started_at, window_s, .. } = *self.dispute;
        let mut pending = None;
        for item in items {
            match (self.world.reveals)(&clause.provider, item.kind, &item.hash) {
                Some(at) if at <= item.expiry => self.shift(item.token_index, item.payer, item.amount),
                None if now <= item.expiry => pending = pending.max(Some(item.expiry)),
                _ => {}
            }
        }
        let last_wait = started_at.plus(window_s).plus(MAX_LOCK_S);
        match pending.map(|expiry| expiry.min(last_wait)) {
            Some(until) if now <= until => Err(ResolveError::PendingUntil(until)),
            _ => Ok(()),
        }
    }

    fn swap(&mut self, offer: &SwapItem) {
        let taker = offer.maker.other();
        let (fills, given) = match taker {
            Side::Left => (&self.left_fills, self.dispute.left_fills),
            Side::Right => (&self.right_fills, self.dispute.right_fills),
        };
        let Some(asked) = fills.amount(offer.id).filter(|_| given.at <= offer.expiry) else { return };
        let allowed = asked == offer.remaining || (asked >= offer.min_fill && asked < offer.remaining);
        let Some(fill) = self.cut(offer, taker, asked).filter(|fill| allowed && *fill > 0) else { return };
        let Some(price) = offer.price(fill) else { return };
        self.shift(offer.give_index, offer.maker, fill);
        self.shift(offer.want_index, taker, price);
    }

    /// What of a fill the taker can pay for; `None` if that is less than the offer's smallest fill.
    fn cut(&self, offer: &SwapItem, taker: Side, asked: u128) -> Option<u128> {
        let affordable = self.affordable(offer, taker)?;
        if asked <= affordable { Some(asked) } else { Some(affordable).filter(|fill| *fill >= offer.min_fill) }
    }

    /// The largest fill whose price leaves the taker within its credit limit, even one beyond the offer.
    fn affordable(&self, offer: &SwapItem, taker: Side) -> Option<u128> {
        let row = self.rows.get(usize::from(offer.want_index))?;
        let limit = wide_unsigned(offer.taker_limit);
        let capacity = match taker {
            Side::Left => row.delta.checked_add(limit)?,
            Side::Right => wide_unsigned(row.collateral).checked_add(limit)?.checked_sub(row.delta)?,
        };
        if capacity.is_negative() {
            return Some(0);
        }
        // The rounded-up price of f is at most the capacity c exactly if f * want <= c * give. Prices and amounts are below
        // 2^128, so that a capacity beyond that is as good as that.
        let capacity = capacity.unsigned_abs().min(U256::from(u128::MAX));
        let fill = capacity.checked_mul(U256::from(offer.give))?.checked_div(U256::from(offer.want))?;
        Some(u128::try_from(fill).unwrap_or(u128::MAX))
    }

    /// Moves an amount from `payer` to the other side.
    fn shift(&mut self, index: u8, payer: Side, amount: u128) {
        if let Some(row) = self.rows.get_mut(usize::from(index)) {
            // At most 33 clauses of 32 items move 128 bits each: 256 are never reached.
            row.delta = match payer {
                Side::Left => row.delta.saturating_sub(wide_unsigned(amount)),
                Side::Right => row.delta.saturating_add(wide_unsigned(amount)),
            };
        }
    }
}

/// `u8 n || n * u8 tokenIndex || terms`: 1 to `MAX_SUBCONTRACT_TOKENS` indices, all different, of tokens that are there.
fn split_payload(payload: &[u8], tokens: usize) -> Option<(&[u8], &[u8])> {
    let (count, rest) = payload.split_first()?;
    let (indices, terms) = rest.split_at_checked(usize::from(*count))?;
    let repeated = indices.iter().enumerate().any(|(i, index)| indices.iter().take(i).any(|other| other == index));
    let known = indices.iter().all(|index| usize::from(*index) < tokens);
    (!indices.is_empty() && indices.len() <= MAX_SUBCONTRACT_TOKENS && !repeated && known).then_some((indices, terms))
}

/// Whether every change is within its allowance, none without one, and no changed delta beyond 128 bits.
fn within_allowances(clause: &Clause, before: &[Row], after: &[Row]) -> bool {
    before.iter().zip(after).enumerate().all(|(index, (old, new))| {
        let allowance = clause.allowances.iter().find(|allowance| usize::from(allowance.token_index) == index);
        let (right, left) = allowance.map_or((0, 0), |allowance| (allowance.right, allowance.left));
        let change = new.delta.saturating_sub(old.delta);
        let bound = if change.is_negative() { left } else { right };
        let in_range = change.is_zero() || new.delta.unsigned_abs() <= U256::from(u128::MAX);
        in_range && change.unsigned_abs() <= U256::from(bound)
    })
}

impl Row {
    /// Inside `0 ..= collateral` the delta splits it; outside, one side takes all and the other owes the rest.
    fn split(&self, token: TokenId) -> Result<TokenSplit, ResolveError> {
        let magnitude = self.delta.unsigned_abs();
        let amount = |value: U256| u128::try_from(value).map_err(|_| ResolveError::DebtOutOfRange);
        let (left_reserve, debt) = if self.delta.is_negative() {
            (0, Some((Side::Left, amount(magnitude)?)))
        } else if magnitude > U256::from(self.collateral) {
            let beyond = magnitude.saturating_sub(U256::from(self.collateral));
            (self.collateral, Some((Side::Right, amount(beyond)?)))
        } else {
            (amount(magnitude)?, None)
        };
        Ok(TokenSplit { token, left_reserve, right_reserve: self.collateral.saturating_sub(left_reserve), debt })
    }
}

fn wide(value: i128) -> I256 {
    let magnitude = wide_unsigned(value.unsigned_abs());
    if value < 0 { magnitude.saturating_neg() } else { magnitude }
}

fn wide_unsigned(value: u128) -> I256 {
    I256::from_raw(U256::from(value))
}
