//! The packed words of the Depository's events.

use alloy_primitives::U256;
use xln_core::types::{TokenFact, TokenId};

use super::CodecError;

const TOKEN: u8 = 1;
const LEFT_RESERVE: u8 = 2;
const RIGHT_RESERVE: u8 = 4;

/// The high and the low half of a word.
fn halves(word: U256) -> (u128, u128) {
    let [a, b, c, d] = word.into_limbs();
    ((u128::from(d) << 64) | u128::from(c), (u128::from(b) << 64) | u128::from(a))
}

/// Collateral and ondelta of a token: `ondelta << 128 | collateral`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    /// What is locked, below `2^127`.
    pub collateral: u128,
    /// Left's share, `-2^127 .. 2^127`, exclusive.
    pub ondelta: i128,
}

impl Bucket {
    /// Reads the word.
    ///
    /// # Errors
    /// [`CodecError::AmountOutOfRange`].
    pub fn parse(word: U256) -> Result<Self, CodecError> {
        let (high, collateral) = halves(word);
        let ondelta = i128::from_be_bytes(high.to_be_bytes());
        if collateral > i128::MAX.unsigned_abs() || ondelta == i128::MIN {
            return Err(CodecError::AmountOutOfRange);
        }
        Ok(Self { collateral, ondelta })
    }

    /// As the fact about a token.
    #[must_use]
    pub const fn fact(&self, token: TokenId) -> TokenFact {
        TokenFact { token, collateral: self.collateral, ondelta: self.ondelta }
    }
}

/// What `Settled` and `ChannelClosed` say first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventHead {
    /// The token that the event is about, if it is about one.
    pub token: Option<TokenId>,
    /// Left's reserve of it changed.
    pub left_reserve: bool,
    /// Right's reserve of it changed.
    pub right_reserve: bool,
    /// The epoch.
    pub epoch: u32,
    /// The settlement nonce.
    pub settlement_nonce: u32,
}

impl EventHead {
    /// Reads `flags << 96 | epoch << 64 | settlementNonce << 32 | token`.
    ///
    /// # Errors
    /// [`CodecError::Flags`] for unknown flags, or something about a token without one.
    pub fn parse(word: U256) -> Result<Self, CodecError> {
        let (high, low) = halves(word);
        let [_, _, _, flags, e0, e1, e2, e3, n0, n1, n2, n3, t0, t1, t2, t3] = low.to_be_bytes();
        let number = u32::from_be_bytes([t0, t1, t2, t3]);
        let token = (flags & TOKEN != 0).then_some(TokenId(number));
        let plain = token.is_some() || (flags == 0 && number == 0);
        if high != 0 || low >> 99 != 0 || !plain {
            return Err(CodecError::Flags(low >> 96));
        }
        Ok(Self {
            token,
            left_reserve: flags & LEFT_RESERVE != 0,
            right_reserve: flags & RIGHT_RESERVE != 0,
            epoch: u32::from_be_bytes([e0, e1, e2, e3]),
            settlement_nonce: u32::from_be_bytes([n0, n1, n2, n3]),
        })
    }
}

/// The reserves after `Settled` or `ChannelClosed`, left's and right's: of those that the head says have changed.
#[must_use]
pub fn split_reserves(word: U256) -> (u128, u128) {
    halves(word)
}

/// Token and reserve of `ReserveUpdated`.
///
/// # Errors
/// [`CodecError::Flags`] if the token has more than 32 bits.
pub fn split_token_reserve(word: U256) -> Result<(TokenId, u128), CodecError> {
    let (high, reserve) = halves(word);
    let token = u32::try_from(high).map_err(|_| CodecError::Flags(high))?;
    Ok((TokenId(token), reserve))
}
