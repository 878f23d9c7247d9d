//! Deposits into collateral, in the fewest bytes.

use xln_core::types::{Address, EntityId};

use super::{CodecError, Reader};

const LENGTH: u8 = 31;
const TO_SELF: u8 = 32;
const PEER_SELF: u8 = 64;
const ACCOUNTS: u8 = 128;
const MAX_AMOUNT: u128 = i128::MAX.unsigned_abs();

/// An amount for one channel's collateral, in the token's base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Funding {
    /// In whose favour.
    pub receiver: EntityId,
    /// The other end of the channel.
    pub peer: EntityId,
    /// How much, `1 .. 2^127`.
    pub amount: u128,
}

/// The bytes for a call by `caller`, whose own id is not written.
///
/// # Errors
/// [`CodecError::ZeroAmount`], [`CodecError::AmountOutOfRange`], [`CodecError::SameEntity`].
pub fn encode_fundings(caller: &EntityId, fundings: &[Funding]) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(fundings.len().saturating_mul(38));
    for Funding { receiver, peer, amount } in fundings {
        check(receiver, peer, *amount)?;
        let written = written(caller, receiver, peer);
        let addresses: Option<Vec<_>> = written.iter().map(|id| id.address()).collect();
        let bytes = amount.to_be_bytes();
        let amount = bytes.iter().position(|byte| *byte != 0).and_then(|first| bytes.get(first..)).unwrap_or_default();
        let mut head = u8::try_from(amount.len()).map_err(|_| CodecError::AmountOutOfRange)?;
        head |= if receiver == caller { TO_SELF } else { 0 };
        head |= if peer == caller { PEER_SELF } else { 0 };
        match addresses {
            Some(addresses) => {
                out.push(head | ACCOUNTS);
                addresses.iter().for_each(|address| out.extend_from_slice(&address.0));
            }
            None => {
                out.push(head);
                written.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
            }
        }
        out.extend_from_slice(amount);
    }
    Ok(out)
}

/// The ids of a funding that are not the caller's.
fn written<'a>(caller: &EntityId, receiver: &'a EntityId, peer: &'a EntityId) -> Vec<&'a EntityId> {
    [receiver, peer].into_iter().filter(|id| *id != caller).collect()
}

fn check(receiver: &EntityId, peer: &EntityId, amount: u128) -> Result<(), CodecError> {
    match amount {
        0 => Err(CodecError::ZeroAmount),
        _ if amount > MAX_AMOUNT => Err(CodecError::AmountOutOfRange),
        _ if receiver == peer => Err(CodecError::SameEntity),
        _ => Ok(()),
    }
}

/// Reads the fundings of a call by `caller`. Only the shortest form is accepted: the contract also takes longer ones.
///
/// # Errors
/// [`CodecError`] if the bytes are not what [`encode_fundings`] gives.
pub fn parse_fundings(caller: &EntityId, bytes: &[u8]) -> Result<Vec<Funding>, CodecError> {
    let mut reader = Reader(bytes);
    let mut fundings = Vec::new();
    while !reader.0.is_empty() {
        let head = reader.u8()?;
        if head & TO_SELF != 0 && head & PEER_SELF != 0 {
            return Err(CodecError::SameEntity);
        }
        let mut id = |own: u8| match (head & own, head & ACCOUNTS) {
            (0, 0) => Ok(EntityId::parse(reader.array()?)?),
            (0, _) => Ok(EntityId::account(Address(reader.array()?))?),
            _ => Ok::<_, CodecError>(*caller),
        };
        let (receiver, peer) = (id(TO_SELF)?, id(PEER_SELF)?);
        let digits = reader.slice((head & LENGTH).into())?;
        let amount = amount(digits)?;
        check(&receiver, &peer, amount)?;
        let named = head & (TO_SELF | PEER_SELF) == 0 && [receiver, peer].contains(caller);
        let short = written(caller, &receiver, &peer).iter().all(|id| id.address().is_some());
        if named || short != (head & ACCOUNTS != 0) {
            return Err(CodecError::NotShortest);
        }
        fundings.push(Funding { receiver, peer, amount });
    }
    Ok(fundings)
}

fn amount(digits: &[u8]) -> Result<u128, CodecError> {
    match digits.first() {
        None => return Err(CodecError::ZeroAmount),
        Some(0) => return Err(CodecError::LeadingZero),
        Some(_) => {}
    }
    let mut bytes = [0; 16];
    let start = bytes.len().checked_sub(digits.len()).ok_or(CodecError::AmountOutOfRange)?;
    bytes.get_mut(start..).unwrap_or_default().copy_from_slice(digits);
    Ok(u128::from_be_bytes(bytes))
}
