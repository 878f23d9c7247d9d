//! A settlement: what a co-signed update does on chain, token by token (`docs/protocol.md` section 4).

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::bytes::Reader;
use crate::limits::{MAX_FORGIVEN, MAX_TOKENS};
use crate::types::{AMOUNT_BOUND, Side, TokenId};

/// The content of a co-signed update.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub struct SettlementUpdate {
    /// What moves, tokens strictly ascending.
    pub diffs: Vec<TokenDiff>,
    /// Debts between the two that are forgiven, strictly ascending by `(token, debtor is left, index)`.
    pub forgiven: Vec<Forgiven>,
}

/// What moves in one token, in its base unit, each below `2^127` in absolute value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct TokenDiff {
    /// The token.
    pub token: TokenId,
    /// Change of left's reserve.
    pub left: i128,
    /// Change of right's reserve.
    pub right: i128,
    /// Change of ondelta.
    pub ondelta: i128,
}

impl TokenDiff {
    /// The change of collateral, `-(left + right)`: the three sum to zero. `None` beyond `2^127` in absolute value.
    #[must_use]
    pub fn collateral(&self) -> Option<i128> {
        let diff = self.left.checked_add(self.right)?.checked_neg()?;
        (diff.unsigned_abs() < AMOUNT_BOUND).then_some(diff)
    }
}

/// A debt between the two that is forgiven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct Forgiven {
    /// The token.
    pub token: TokenId,
    /// Who owes.
    pub debtor: Side,
    /// The debt's place in the debtor's queue.
    pub index: u64,
}

impl Forgiven {
    fn key(&self) -> (TokenId, u8, u64) {
        (self.token, u8::from(self.debtor.is_left()), self.index)
    }
}

/// Why a settlement has no encoding, or bytes are no settlement.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettlementError {
    /// The bytes end too soon.
    #[error("settlement ends too soon")]
    Truncated,
    /// Bytes are left over.
    #[error("bytes are left over")]
    TrailingBytes,
    /// More tokens than a subchannel has.
    #[error("{found} tokens, at most {MAX_TOKENS} are allowed")]
    TooManyTokens {
        /// Tokens found.
        found: usize,
    },
    /// More forgiven debts than a settlement takes.
    #[error("{found} forgiven debts, at most {MAX_FORGIVEN} are allowed")]
    TooManyForgiven {
        /// Debts found.
        found: usize,
    },
    /// Tokens are repeated or out of order.
    #[error("tokens are not strictly ascending")]
    TokensNotAscending,
    /// Forgiven debts are repeated or out of order.
    #[error("forgiven debts are not strictly ascending")]
    ForgivenNotAscending,
    /// A change, or the change of collateral, is not below `2^127` in absolute value.
    #[error("an amount is out of range")]
    AmountOutOfRange,
    /// A debtor that is neither 0 nor 1.
    #[error("debtor {0} is unknown")]
    UnknownDebtor(u8),
}

impl SettlementUpdate {
    /// Checks order, ranges and limits.
    ///
    /// # Errors
    /// [`SettlementError`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), SettlementError> {
        if self.diffs.len() > MAX_TOKENS {
            return Err(SettlementError::TooManyTokens { found: self.diffs.len() });
        }
        if self.forgiven.len() > MAX_FORGIVEN {
            return Err(SettlementError::TooManyForgiven { found: self.forgiven.len() });
        }
        if !self.diffs.is_sorted_by(|a, b| a.token < b.token) {
            return Err(SettlementError::TokensNotAscending);
        }
        if !self.forgiven.is_sorted_by(|a, b| a.key() < b.key()) {
            return Err(SettlementError::ForgivenNotAscending);
        }
        let in_range = |diff: &TokenDiff| {
            diff.collateral().is_some()
                && [diff.left, diff.right, diff.ondelta].iter().all(|amount| amount.unsigned_abs() < AMOUNT_BOUND)
        };
        if self.diffs.iter().all(in_range) { Ok(()) } else { Err(SettlementError::AmountOutOfRange) }
    }

    /// The canonical bytes.
    ///
    /// # Errors
    /// [`SettlementError`] as [`SettlementUpdate::check`] gives it.
    pub fn encode(&self) -> Result<Vec<u8>, SettlementError> {
        self.check()?;
        let count = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
        let mut out = Vec::with_capacity(64);
        out.push(count(self.diffs.len()));
        for diff in &self.diffs {
            out.extend_from_slice(&diff.token.0.to_be_bytes());
            for amount in [diff.left, diff.right, diff.ondelta] {
                out.extend_from_slice(&amount.to_be_bytes());
            }
        }
        out.push(count(self.forgiven.len()));
        for debt in &self.forgiven {
            out.extend_from_slice(&debt.token.0.to_be_bytes());
            out.push(u8::from(debt.debtor.is_left()));
            out.extend_from_slice(&debt.index.to_be_bytes());
        }
        Ok(out)
    }

    /// Parses exactly one settlement.
    ///
    /// # Errors
    /// [`SettlementError`] if the bytes are not what [`SettlementUpdate::encode`] gives for some settlement.
    pub fn parse(bytes: &[u8]) -> Result<Self, SettlementError> {
        let mut reader = Reader(bytes);
        let mut update = Self::default();
        for _ in 0..reader.u8().ok_or(SettlementError::Truncated)? {
            update.diffs.push(read_diff(&mut reader).ok_or(SettlementError::Truncated)?);
        }
        for _ in 0..reader.u8().ok_or(SettlementError::Truncated)? {
            update.forgiven.push(read_forgiven(&mut reader)?);
        }
        if !reader.is_empty() {
            return Err(SettlementError::TrailingBytes);
        }
        update.check().map(|()| update)
    }
}

fn read_diff(reader: &mut Reader<'_>) -> Option<TokenDiff> {
    Some(TokenDiff {
        token: TokenId(reader.u32()?),
        left: reader.i128()?,
        right: reader.i128()?,
        ondelta: reader.i128()?,
    })
}

fn read_forgiven(reader: &mut Reader<'_>) -> Result<Forgiven, SettlementError> {
    let token = TokenId(reader.u32().ok_or(SettlementError::Truncated)?);
    let debtor = match reader.u8().ok_or(SettlementError::Truncated)? {
        0 => Side::Right,
        1 => Side::Left,
        other => return Err(SettlementError::UnknownDebtor(other)),
    };
    Ok(Forgiven { token, debtor, index: reader.u64().ok_or(SettlementError::Truncated)? })
}
