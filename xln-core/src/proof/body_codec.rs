//! The bytes of a proof body (`docs/encodings.md`). Parsing accepts exactly what encoding gives, so that a body has one
//! encoding and one hash.

use alloc::vec::Vec;

use super::body::{Allowance, Batch, Body, BodyError, Clause, PaymentItem, SwapItem};
use super::bytes::{Reader, time_bytes};
use crate::limits::{MAX_CLAUSES, MAX_TOKENS};
use crate::types::{Address, Hash, HashKind, Side, TokenId, UnixSeconds};

const PAYMENTS: u16 = 1;
const SWAP: u16 = 2;

const LEFT: u8 = 1;
const SHA256: u8 = 2;

impl Body {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`BodyError`] as [`Body::check`] gives it.
    pub fn encode(&self) -> Result<Vec<u8>, BodyError> {
        self.check()?;
        let mut out = Vec::with_capacity(64);
        out.push(count(self.tokens.len()).ok_or(BodyError::TooManyTokens { found: self.tokens.len() })?);
        for (token, offdelta) in &self.tokens {
            out.extend_from_slice(&token.0.to_be_bytes());
            out.extend_from_slice(&offdelta.to_be_bytes());
        }
        out.push(count(self.clauses.len()).ok_or(BodyError::TooManyClauses { found: self.clauses.len() })?);
        self.clauses.iter().try_for_each(|clause| encode_clause(clause, &mut out))?;
        Ok(out)
    }

    /// Parses exactly one body.
    ///
    /// # Errors
    /// [`BodyError`] if the bytes are not what [`Body::encode`] gives for some body.
    pub fn parse(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut reader = Reader(bytes);
        let body = read_body(&mut reader)?;
        if !reader.is_empty() {
            return Err(BodyError::TrailingBytes);
        }
        body.check().map(|()| body)
    }
}

fn count(length: usize) -> Option<u8> {
    u8::try_from(length).ok()
}

fn encode_clause(clause: &Clause, out: &mut Vec<u8>) -> Result<(), BodyError> {
    out.extend_from_slice(&clause.provider.0);
    out.push(count(clause.allowances.len()).ok_or(BodyError::AllowancesNotAscending)?);
    for allowance in &clause.allowances {
        out.push(allowance.token_index);
        out.extend_from_slice(&allowance.right.to_be_bytes());
        out.extend_from_slice(&allowance.left.to_be_bytes());
    }
    let length = batch_length(&clause.batch);
    out.extend_from_slice(&u16::try_from(length).map_err(|_| BodyError::BatchTooLong { length })?.to_be_bytes());
    match &clause.batch {
        Batch::Payments(items) => {
            out.extend_from_slice(&PAYMENTS.to_be_bytes());
            items.iter().try_for_each(|item| encode_payment(item, out))
        }
        Batch::Swap(item) => {
            out.extend_from_slice(&SWAP.to_be_bytes());
            encode_swap(item, out)
        }
        Batch::Custom { instrument, payload } => {
            out.extend_from_slice(&instrument.to_be_bytes());
            out.extend_from_slice(payload);
            Ok(())
        }
    }
}

/// Bytes of a batch, with the instrument's number.
fn batch_length(batch: &Batch) -> usize {
    let payload = match batch {
        Batch::Payments(items) => items.len().saturating_mul(55),
        Batch::Swap(_) => 96,
        Batch::Custom { payload, .. } => payload.len(),
    };
    payload.saturating_add(2)
}

fn encode_payment(item: &PaymentItem, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let kind = match item.kind {
        HashKind::Keccak256 => 0,
        HashKind::Sha256 => SHA256,
    };
    out.push(side_flag(item.payer) | kind);
    out.push(item.token_index);
    out.extend_from_slice(&item.amount.to_be_bytes());
    out.extend_from_slice(&expiry_bytes(item.expiry)?);
    out.extend_from_slice(&item.hash.0);
    Ok(())
}

fn encode_swap(item: &SwapItem, out: &mut Vec<u8>) -> Result<(), BodyError> {
    out.push(side_flag(item.maker));
    out.extend_from_slice(&item.id.to_be_bytes());
    out.extend_from_slice(&[item.give_index, item.want_index]);
    for amount in [item.give, item.want, item.remaining, item.min_fill] {
        out.extend_from_slice(&amount.to_be_bytes());
    }
    out.extend_from_slice(&expiry_bytes(item.expiry)?);
    out.extend_from_slice(&item.taker_limit.to_be_bytes());
    Ok(())
}

const fn side_flag(side: Side) -> u8 {
    match side {
        Side::Left => LEFT,
        Side::Right => 0,
    }
}

fn expiry_bytes(time: UnixSeconds) -> Result<[u8; 5], BodyError> {
    time_bytes(time).ok_or(BodyError::ExpiryOutOfRange(time))
}

fn read_body(reader: &mut Reader<'_>) -> Result<Body, BodyError> {
    let tokens = usize::from(reader.u8().ok_or(BodyError::Truncated)?);
    if tokens > MAX_TOKENS {
        return Err(BodyError::TooManyTokens { found: tokens });
    }
    let mut body = Body { tokens: Vec::with_capacity(tokens), clauses: Vec::new() };
    for _ in 0..tokens {
        body.tokens.push(read_token(reader).ok_or(BodyError::Truncated)?);
    }
    let clauses = usize::from(reader.u8().ok_or(BodyError::Truncated)?);
    if clauses > MAX_CLAUSES {
        return Err(BodyError::TooManyClauses { found: clauses });
    }
    for _ in 0..clauses {
        body.clauses.push(read_clause(reader)?);
    }
    Ok(body)
}

fn read_token(reader: &mut Reader<'_>) -> Option<(TokenId, i128)> {
    Some((TokenId(reader.u32()?), reader.i128()?))
}

fn read_clause(reader: &mut Reader<'_>) -> Result<Clause, BodyError> {
    let provider = Address(reader.array().ok_or(BodyError::Truncated)?);
    let mut allowances = Vec::new();
    for _ in 0..reader.u8().ok_or(BodyError::Truncated)? {
        allowances.push(read_allowance(reader).ok_or(BodyError::Truncated)?);
    }
    let length = usize::from(reader.u16().ok_or(BodyError::Truncated)?);
    let batch = read_batch(&mut Reader(reader.slice(length).ok_or(BodyError::Truncated)?))?;
    Ok(Clause { provider, allowances, batch })
}

fn read_allowance(reader: &mut Reader<'_>) -> Option<Allowance> {
    Some(Allowance { token_index: reader.u8()?, right: reader.u128()?, left: reader.u128()? })
}

/// Takes the whole reader.
fn read_batch(reader: &mut Reader<'_>) -> Result<Batch, BodyError> {
    match reader.u16().ok_or(BodyError::Truncated)? {
        PAYMENTS => {
            let mut items = Vec::new();
            while !reader.is_empty() {
                items.push(read_payment(reader)?);
            }
            Ok(Batch::Payments(items))
        }
        SWAP => {
            let item = read_swap(reader)?;
            if reader.is_empty() { Ok(Batch::Swap(item)) } else { Err(BodyError::TrailingBytes) }
        }
        instrument => Ok(Batch::Custom { instrument, payload: reader.0.to_vec() }),
    }
}

fn read_payment(reader: &mut Reader<'_>) -> Result<PaymentItem, BodyError> {
    let flags = reader.u8().ok_or(BodyError::Truncated)?;
    if flags & !(LEFT | SHA256) != 0 {
        return Err(BodyError::UnknownFlags(flags));
    }
    let kind = if flags & SHA256 != 0 { HashKind::Sha256 } else { HashKind::Keccak256 };
    read_payment_after(reader, flag_side(flags), kind).ok_or(BodyError::Truncated)
}

fn read_payment_after(reader: &mut Reader<'_>, payer: Side, kind: HashKind) -> Option<PaymentItem> {
    Some(PaymentItem {
        payer,
        token_index: reader.u8()?,
        amount: reader.u128()?,
        expiry: reader.time()?,
        kind,
        hash: Hash(reader.array()?),
    })
}

fn read_swap(reader: &mut Reader<'_>) -> Result<SwapItem, BodyError> {
    let flags = reader.u8().ok_or(BodyError::Truncated)?;
    if flags & !LEFT != 0 {
        return Err(BodyError::UnknownFlags(flags));
    }
    read_swap_after(reader, flag_side(flags)).ok_or(BodyError::Truncated)
}

fn read_swap_after(reader: &mut Reader<'_>, maker: Side) -> Option<SwapItem> {
    Some(SwapItem {
        maker,
        id: reader.u64()?,
        give_index: reader.u8()?,
        want_index: reader.u8()?,
        give: reader.u128()?,
        want: reader.u128()?,
        remaining: reader.u128()?,
        min_fill: reader.u128()?,
        expiry: reader.time()?,
        taker_limit: reader.u128()?,
    })
}

const fn flag_side(flags: u8) -> Side {
    if flags & LEFT != 0 { Side::Left } else { Side::Right }
}
