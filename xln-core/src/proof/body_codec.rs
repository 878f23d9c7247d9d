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

/// Of a payment's head.
const PAYER_LEFT: u8 = 0x20;
const SHA256: u8 = 0x80;
const TOKEN_INDEX: u8 = 0x1f;
/// Of `sizes`: bytes of an amount in the low five bits, of an offset above them.
const AMOUNT_SIZE: u8 = 0x1f;
const OFFSET_SHIFT: u32 = 5;

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
    let batch = encode_batch(&clause.batch)?;
    let length = batch.len();
    out.extend_from_slice(&u16::try_from(length).map_err(|_| BodyError::BatchTooLong { length })?.to_be_bytes());
    out.extend_from_slice(&batch);
    Ok(())
}

fn encode_batch(batch: &Batch) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    match batch {
        Batch::Payments(items) => {
            out.extend_from_slice(&PAYMENTS.to_be_bytes());
            encode_payments(items, &mut out)?;
        }
        Batch::Swap(item) => {
            out.extend_from_slice(&SWAP.to_be_bytes());
            encode_swap(item, &mut out)?;
        }
        Batch::Custom { instrument, payload } => {
            out.extend_from_slice(&instrument.to_be_bytes());
            out.extend_from_slice(payload);
        }
    }
    Ok(out)
}

/// What all payments of a clause share: how many bytes an amount and an offset have, and the smallest expiry.
struct Shape {
    amount_size: u8,
    offset_size: u8,
    base: u64,
}

impl Shape {
    /// The least that holds all of them; `None` without payments.
    fn of(items: &[PaymentItem]) -> Option<Self> {
        let base = items.iter().map(|item| item.expiry.0).min()?;
        let last = items.iter().map(|item| item.expiry.0).max()?;
        let most = items.iter().map(|item| item.amount).max()?;
        let offset = u128::from(last.saturating_sub(base));
        Some(Self { amount_size: byte_size(most), offset_size: byte_size(offset), base })
    }
}

/// Bytes that a number needs, 0 for 0.
fn byte_size(value: u128) -> u8 {
    let bits = u128::BITS.saturating_sub(value.leading_zeros());
    u8::try_from(bits.div_ceil(8)).unwrap_or(u8::MAX)
}

/// The last `size` bytes of a number.
fn push_cut(out: &mut Vec<u8>, value: u128, size: u8) {
    let bytes = value.to_be_bytes();
    let skipped = bytes.len().saturating_sub(usize::from(size));
    out.extend(bytes.iter().skip(skipped));
}

fn encode_payments(items: &[PaymentItem], out: &mut Vec<u8>) -> Result<(), BodyError> {
    let Some(shape) = Shape::of(items) else { return Ok(()) };
    out.push(shape.offset_size << OFFSET_SHIFT | shape.amount_size);
    out.extend_from_slice(&expiry_bytes(UnixSeconds(shape.base))?);
    for item in items {
        // Every expiry fits 40 bits.
        expiry_bytes(item.expiry)?;
        let kind = match item.kind {
            HashKind::Keccak256 => 0,
            HashKind::Sha256 => SHA256,
        };
        let payer = match item.payer {
            Side::Left => PAYER_LEFT,
            Side::Right => 0,
        };
        if item.token_index > TOKEN_INDEX {
            return Err(BodyError::NoSuchToken { index: item.token_index });
        }
        out.extend_from_slice(&item.hash.0);
        out.push(kind | payer | item.token_index);
        push_cut(out, u128::from(item.expiry.0.saturating_sub(shape.base)), shape.offset_size);
        push_cut(out, item.amount, shape.amount_size);
    }
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
            let items = read_payments(reader)?;
            Ok(Batch::Payments(items))
        }
        SWAP => {
            let item = read_swap(reader)?;
            if reader.is_empty() { Ok(Batch::Swap(item)) } else { Err(BodyError::TrailingBytes) }
        }
        instrument => Ok(Batch::Custom { instrument, payload: reader.0.to_vec() }),
    }
}

fn read_payments(reader: &mut Reader<'_>) -> Result<Vec<PaymentItem>, BodyError> {
    let mut items = Vec::new();
    if reader.is_empty() {
        return Ok(items);
    }
    let sizes = reader.u8().ok_or(BodyError::Truncated)?;
    let base = reader.time().ok_or(BodyError::Truncated)?.0;
    let shape = Shape { amount_size: sizes & AMOUNT_SIZE, offset_size: sizes >> OFFSET_SHIFT, base };
    while !reader.is_empty() {
        items.push(read_payment(reader, &shape)?);
    }
    // One encoding: nothing is longer than it must be.
    let least = Shape::of(&items).ok_or(BodyError::Truncated)?;
    if (least.amount_size, least.offset_size, least.base) == (shape.amount_size, shape.offset_size, base) {
        Ok(items)
    } else {
        Err(BodyError::UnknownFlags(sizes))
    }
}

fn read_payment(reader: &mut Reader<'_>, shape: &Shape) -> Result<PaymentItem, BodyError> {
    let hash = Hash(reader.array().ok_or(BodyError::Truncated)?);
    let head = reader.u8().ok_or(BodyError::Truncated)?;
    if head & !(PAYER_LEFT | SHA256 | TOKEN_INDEX) != 0 {
        return Err(BodyError::UnknownFlags(head));
    }
    let offset = read_cut(reader, shape.offset_size).ok_or(BodyError::Truncated)?;
    let amount = read_cut(reader, shape.amount_size).ok_or(BodyError::Truncated)?;
    let expiry = u64::try_from(offset).ok().and_then(|offset| shape.base.checked_add(offset)).map(UnixSeconds);
    let expiry = expiry.ok_or(BodyError::UnknownFlags(head))?;
    expiry_bytes(expiry)?;
    Ok(PaymentItem {
        payer: if head & PAYER_LEFT != 0 { Side::Left } else { Side::Right },
        token_index: head & TOKEN_INDEX,
        amount,
        expiry,
        kind: if head & SHA256 != 0 { HashKind::Sha256 } else { HashKind::Keccak256 },
        hash,
    })
}

/// A number of `size` bytes, at most 16.
fn read_cut(reader: &mut Reader<'_>, size: u8) -> Option<u128> {
    let mut bytes = [0; 16];
    let skipped = bytes.len().checked_sub(usize::from(size))?;
    bytes.get_mut(skipped..)?.copy_from_slice(reader.slice(usize::from(size))?);
    Some(u128::from_be_bytes(bytes))
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
