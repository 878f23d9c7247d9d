//! What a subchannel's leaf commits to and a dispute reveals: offdeltas and clauses (`docs/protocol.md` section 8).

use alloc::vec::Vec;
use alloy_primitives::U256;
use wincode::{SchemaRead, SchemaWrite};

use crate::limits::{MAX_CLAUSES, MAX_PENDING, MAX_PROVIDERS, MAX_TOKENS};
use crate::ratio::ratio;
use crate::types::{AMOUNT_BOUND, Address, Hash, HashKind, Side, TokenId, UnixSeconds};

/// The proof body of one subchannel in one state.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct Body {
    /// Offdelta per token, in its base unit, tokens strictly ascending.
    pub tokens: Vec<(TokenId, i128)>,
    /// What is pending, swap offers last.
    pub clauses: Vec<Clause>,
}

/// Instruments for one provider, and how far they may shift the deltas.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Clause {
    /// The SubcontractProvider that decides it.
    pub provider: Address,
    /// Bounds of the shift, token indices strictly ascending. A token that is not listed may not be shifted.
    pub allowances: Vec<Allowance>,
    /// The instruments.
    pub batch: Batch,
}

/// How far a clause may shift the delta of one token, in its base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Allowance {
    /// Index into [`Body::tokens`].
    pub token_index: u8,
    /// The largest increase: what right may lose.
    pub right: u128,
    /// The largest decrease: what left may lose.
    pub left: u128,
}

/// The instruments of a clause.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Batch {
    /// Instrument 1.
    Payments(Vec<PaymentItem>),
    /// Instrument 2, one offer.
    Swap(SwapItem),
    /// Any other instrument of the provider.
    Custom {
        /// Its number, neither 1 nor 2.
        instrument: u16,
        /// What it reads.
        payload: Vec<u8>,
    },
}

/// A conditional payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct PaymentItem {
    /// Who pays.
    pub payer: Side,
    /// Index into [`Body::tokens`].
    pub token_index: u8,
    /// How much, in the token's base unit, not 0.
    pub amount: u128,
    /// Last second of chain time at which a reveal counts; 40 bits.
    pub expiry: UnixSeconds,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Hash of the secret.
    pub hash: Hash,
}

/// A swap offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SwapItem {
    /// Who offers.
    pub maker: Side,
    /// Its number in the channel; fills name it.
    pub id: u64,
    /// The maker's token, an index into [`Body::tokens`].
    pub give_index: u8,
    /// The taker's token, an index into [`Body::tokens`].
    pub want_index: u8,
    /// What the maker offered at first, in the base unit of its token, not 0.
    pub give: u128,
    /// What it wants for all of that, in the base unit of the taker's token, not 0.
    pub want: u128,
    /// How much of `give` is left, not 0.
    pub remaining: u128,
    /// The smallest fill, in units of `give`; the whole remainder is always allowed.
    pub min_fill: u128,
    /// Last second of chain time at which a fill may be given; 40 bits.
    pub expiry: UnixSeconds,
    /// The taker's effective credit limit in its token.
    pub taker_limit: u128,
}

impl SwapItem {
    /// What the taker pays for `fill` of the give.
    #[must_use]
    pub fn price(&self, fill: u128) -> Option<u128> {
        swap_price(fill, self.give, self.want)
    }
}

/// `ceil(fill * want / give)`: the maker's price in its favour. `None` if `give` is 0 or the price passes 128 bits.
#[must_use]
pub fn swap_price(fill: u128, give: u128, want: u128) -> Option<u128> {
    let (price, rest) = ratio(U256::from(fill), U256::from(want), U256::from(give))?;
    u128::try_from(price).ok()?.checked_add(u128::from(!rest.is_zero()))
}

/// Why a body has no encoding, or bytes are no body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The bytes end too soon.
    #[error("body ends too soon")]
    Truncated,
    /// Bytes are left over, in the body or in a batch.
    #[error("bytes are left over")]
    TrailingBytes,
    /// More tokens than a subchannel has.
    #[error("{found} tokens, at most {MAX_TOKENS} are allowed")]
    TooManyTokens {
        /// Tokens found.
        found: usize,
    },
    /// More clauses than a body has.
    #[error("{found} clauses, at most {MAX_CLAUSES} are allowed")]
    TooManyClauses {
        /// Clauses found.
        found: usize,
    },
    /// More providers than a subchannel has.
    #[error("more than {MAX_PROVIDERS} providers")]
    TooManyProviders,
    /// More payments and other subcontracts than a subchannel has.
    #[error("{found} subcontracts, at most {MAX_PENDING} are allowed")]
    TooManyPending {
        /// Subcontracts found.
        found: usize,
    },
    /// Tokens are repeated or out of order.
    #[error("tokens are not strictly ascending")]
    TokensNotAscending,
    /// Allowances are repeated or out of order.
    #[error("allowances are not strictly ascending")]
    AllowancesNotAscending,
    /// A swap offer before a clause of another kind: fills apply after all other clauses.
    #[error("a swap offer stands before another clause")]
    SwapNotLast,
    /// An index beyond the body's tokens.
    #[error("the body has no token at index {index}")]
    NoSuchToken {
        /// The index.
        index: u8,
    },
    /// An offer of a token for itself.
    #[error("a swap gives and wants the same token")]
    SameToken,
    /// An amount is 0, or an amount or delta is not below `2^127`.
    #[error("an amount is out of range")]
    AmountOutOfRange,
    /// A swap has more left than it offered.
    #[error("more remains than was offered")]
    RemainingExceedsGive,
    /// A time of more than 40 bits.
    #[error("expiry {0:?} does not fit 40 bits")]
    ExpiryOutOfRange(UnixSeconds),
    /// Bits of the flags that mean nothing.
    #[error("flags {0:#04x} are unknown")]
    UnknownFlags(u8),
    /// A clause without payments.
    #[error("a clause has no payments")]
    NoPayments,
    /// A batch of more than 65,535 bytes.
    #[error("batch of {length} bytes is too long")]
    BatchTooLong {
        /// Bytes found, with the instrument's number.
        length: usize,
    },
    /// Bytes of a built-in instrument in the guise of a custom one.
    #[error("instrument {0} is built in")]
    BuiltInInstrument(u16),
}

impl Body {
    /// The index of a token, as clauses name it.
    #[must_use]
    pub fn token_index(&self, token: TokenId) -> Option<u8> {
        self.tokens.binary_search_by_key(&token, |(id, _)| *id).ok().and_then(|index| u8::try_from(index).ok())
    }

    /// Checks everything that the encoding promises: order, ranges, limits.
    ///
    /// # Errors
    /// [`BodyError`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), BodyError> {
        if self.tokens.len() > MAX_TOKENS {
            return Err(BodyError::TooManyTokens { found: self.tokens.len() });
        }
        if self.clauses.len() > MAX_CLAUSES {
            return Err(BodyError::TooManyClauses { found: self.clauses.len() });
        }
        if !self.tokens.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(BodyError::TokensNotAscending);
        }
        if self.tokens.iter().any(|(_, offdelta)| offdelta.unsigned_abs() >= AMOUNT_BOUND) {
            return Err(BodyError::AmountOutOfRange);
        }
        if !self.clauses.is_sorted_by_key(|clause| matches!(clause.batch, Batch::Swap(_))) {
            return Err(BodyError::SwapNotLast);
        }
        self.clauses.iter().try_for_each(|clause| clause.check(self.tokens.len()))?;
        self.check_counts()
    }

    fn check_counts(&self) -> Result<(), BodyError> {
        let found = self.clauses.iter().fold(0_usize, |sum, clause| sum.saturating_add(clause.batch.count()));
        if found > MAX_PENDING {
            return Err(BodyError::TooManyPending { found });
        }
        let mut known = [None; MAX_PROVIDERS];
        for clause in &self.clauses {
            let slot = known.iter_mut().find(|slot| slot.is_none_or(|provider| provider == clause.provider));
            *slot.ok_or(BodyError::TooManyProviders)? = Some(clause.provider);
        }
        Ok(())
    }
}

impl Clause {
    fn check(&self, tokens: usize) -> Result<(), BodyError> {
        if !self.allowances.is_sorted_by(|a, b| a.token_index < b.token_index) {
            return Err(BodyError::AllowancesNotAscending);
        }
        self.allowances.iter().try_for_each(|allowance| index(allowance.token_index, tokens))?;
        match &self.batch {
            Batch::Payments(items) if items.is_empty() => Err(BodyError::NoPayments),
            Batch::Payments(items) => items.iter().try_for_each(|item| item.check(tokens)),
            Batch::Swap(item) => item.check(tokens),
            Batch::Custom { instrument: instrument @ (1 | 2), .. } => Err(BodyError::BuiltInInstrument(*instrument)),
            Batch::Custom { payload, .. } => match payload.len().saturating_add(2) {
                length if u16::try_from(length).is_err() => Err(BodyError::BatchTooLong { length }),
                _ => Ok(()),
            },
        }
    }
}

impl Batch {
    /// How many pending subcontracts it stands for.
    fn count(&self) -> usize {
        match self {
            Self::Payments(items) => items.len(),
            Self::Swap(_) | Self::Custom { .. } => 1,
        }
    }
}

impl PaymentItem {
    fn check(&self, tokens: usize) -> Result<(), BodyError> {
        index(self.token_index, tokens)?;
        amount(self.amount)?;
        expiry(self.expiry)
    }
}

impl SwapItem {
    fn check(&self, tokens: usize) -> Result<(), BodyError> {
        index(self.give_index, tokens)?;
        index(self.want_index, tokens)?;
        if self.give_index == self.want_index {
            return Err(BodyError::SameToken);
        }
        [self.give, self.want, self.remaining].into_iter().try_for_each(amount)?;
        if self.remaining > self.give {
            return Err(BodyError::RemainingExceedsGive);
        }
        if self.min_fill >= AMOUNT_BOUND {
            return Err(BodyError::AmountOutOfRange);
        }
        expiry(self.expiry)
    }
}

fn index(index: u8, tokens: usize) -> Result<(), BodyError> {
    if usize::from(index) < tokens { Ok(()) } else { Err(BodyError::NoSuchToken { index }) }
}

fn amount(amount: u128) -> Result<(), BodyError> {
    if amount > 0 && amount < AMOUNT_BOUND { Ok(()) } else { Err(BodyError::AmountOutOfRange) }
}

fn expiry(time: UnixSeconds) -> Result<(), BodyError> {
    super::bytes::time_bytes(time).map(|_| ()).ok_or(BodyError::ExpiryOutOfRange(time))
}
