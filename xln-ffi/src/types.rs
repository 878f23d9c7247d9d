//! Numbers, ids and hashes as they cross: text for what is longer than 64 bits, checked by the parsers of the crates below.
//! What does not parse reaches the caller as [`XlnError::InvalidArgument`].

use std::str::FromStr;

use alloy_primitives::{I256, U256};
use xln_core::types as core;

use crate::error::XlnError;

pub use core::{
    Address, ChainId, EntityId, Hash, HashKind, Nonce, Pair, Secret, Side, SubchannelKey, TokenId, UnixSeconds,
};
pub use xln_core::channel::CommandId;
pub use xln_core::crypto::Signature;
pub use xln_core::machine::EffectId;

/// An amount of a token in its base unit, from 0 to `2^128 - 1`.
pub type Amount = u128;
/// A change or a balance of a token in its base unit, from `-2^127` to `2^127 - 1`.
pub type SignedAmount = i128;
/// The two entities of a channel: left's id, then right's, the smaller one first.
pub type ChannelPair = Pair;
/// A capacity, or a sum of amounts, in the token's base unit, from 0 to `2^256 - 1`.
pub type WideAmount = U256;
/// A sum of changes in the token's base unit, from `-2^255` to `2^255 - 1`.
pub type WideSignedAmount = I256;

uniffi::custom_type!(
    /// An amount of a token in its base unit, from 0 to `2^128 - 1`.
    Amount, String, { remote, lower: |amount| amount.to_string(), try_lift: |text| Ok(decimal(&text)?) }
);
uniffi::custom_type!(
    /// A change or a balance of a token in its base unit, from `-2^127` to `2^127 - 1`.
    SignedAmount, String, { remote, lower: |amount| amount.to_string(), try_lift: |text| Ok(decimal(&text)?) }
);
uniffi::custom_type!(
    /// A capacity, or a sum of amounts, in the token's base unit, from 0 to `2^256 - 1`.
    WideAmount, String, { remote, lower: |amount| amount.to_string(), try_lift: |text| Ok(decimal(&text)?) }
);
uniffi::custom_type!(
    /// A sum of changes in the token's base unit, from `-2^255` to `2^255 - 1`.
    WideSignedAmount, String, { remote, lower: |amount| amount.to_string(), try_lift: |text| Ok(decimal(&text)?) }
);
uniffi::custom_type!(
    /// Who owns money and signs: 32 bytes in hexadecimal, tagged by the first.
    EntityId, String, {
    remote,
    lower: |id| id.to_string(),
    try_lift: |text| Ok(EntityId::parse(bytes("entity id", &text)?).map_err(|e| XlnError::invalid("entity id", &e))?),
});
uniffi::custom_type!(
    /// A keccak256 or sha256 hash, or a block hash of a chain: 32 bytes in hexadecimal.
    Hash, String, {
    remote,
    lower: |hash| hash.to_string(),
    try_lift: |text| Ok(core::Hash(bytes("hash", &text)?)),
});
uniffi::custom_type!(
    /// An address on an EVM chain: 20 bytes in hexadecimal.
    Address, String, {
    remote,
    lower: |address| address.to_string(),
    try_lift: |text| Ok(core::Address(bytes("address", &text)?)),
});
uniffi::custom_type!(
    /// A 32-byte preimage that settles a payment. Whoever knows it can take the payment.
    Secret, String, {
    remote,
    lower: |secret| core::Hash(secret.0).to_string(),
    try_lift: |text| Ok(core::Secret(bytes("secret", &text)?)),
});
uniffi::custom_type!(
    /// An EIP-155 chain id.
    ChainId, u64, { remote, lower: |id| id.0, try_lift: |id| Ok(core::ChainId(id)) }
);
uniffi::custom_type!(
    /// A token's number in one Depository; 0 is the chain's native coin.
    TokenId, u32, { remote, lower: |id| id.0, try_lift: |id| Ok(core::TokenId(id)) }
);
uniffi::custom_type!(
    /// Unix time in seconds.
    UnixSeconds, u64, { remote, lower: |time| time.0, try_lift: |time| Ok(core::UnixSeconds(time)) }
);

uniffi::custom_type!(
    /// Orders all signed states of a channel.
    Nonce, u64, { remote, lower: |nonce| nonce.0, try_lift: |nonce| Ok(core::Nonce(nonce)) }
);
uniffi::custom_type!(
    /// Names a command for its whole life.
    CommandId, u64, { remote, lower: |id| id.0, try_lift: |id| Ok(xln_core::channel::CommandId(id)) }
);
uniffi::custom_type!(
    /// Names an effect for its whole life, also over restarts.
    EffectId, u64, { remote, lower: |id| id.0, try_lift: |id| Ok(xln_core::machine::EffectId(id)) }
);
uniffi::custom_type!(
    /// A signature as the contracts take it: 64 bytes (EIP-2098) of an account, or an organisation's encoding.
    Signature, Vec<u8>, {
    remote,
    lower: |signature| signature.as_bytes().to_vec(),
    try_lift: |bytes| Ok(Signature::new(bytes).map_err(|error| XlnError::invalid("signature", &error))?),
});
uniffi::custom_type!(
    /// The two entities of a channel: left's id, then right's, the smaller one first.
    ChannelPair, Vec<EntityId>, {
    remote,
    lower: |pair| vec![pair.left(), pair.right()],
    try_lift: |ids| Ok(pair(&ids)?),
});

/// One of the two ends of a channel. Left has the smaller entity id.
#[uniffi::remote(Enum)]
pub enum Side {
    /// The smaller id.
    Left,
    /// The larger id.
    Right,
}

/// Which function a hashlock uses.
#[uniffi::remote(Enum)]
pub enum HashKind {
    /// keccak256, kind 0 of the registry.
    Keccak256,
    /// SHA-256, kind 1 of the registry.
    Sha256,
}

/// The part of a channel that one Depository on one chain enforces.
#[uniffi::remote(Record)]
pub struct SubchannelKey {
    /// The chain.
    pub chain: ChainId,
    /// The Depository on it.
    pub depository: Address,
}

fn pair(ids: &[EntityId]) -> Result<Pair, XlnError> {
    match ids {
        [left, right] if left < right => Pair::new(*left, *right).map_err(|error| XlnError::invalid("pair", &error)),
        _ => Err(XlnError::invalid("pair", &"the ids of left and right, the smaller one first")),
    }
}

/// Plain decimal digits, perhaps after a minus: the parsers below also take signs, prefixes and underscores.
fn decimal<T: FromStr>(text: &str) -> Result<T, XlnError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        XlnError::invalid(
            "amount",
            &format_args!("{} is not a decimal number in range", text.get(..80).unwrap_or(text)),
        )
    })
}

/// Exactly `N` bytes from hexadecimal, with or without `0x`.
pub(crate) fn bytes<const N: usize>(what: &str, text: &str) -> Result<[u8; N], XlnError> {
    alloy_primitives::hex::decode_to_array(text).map_err(|error| XlnError::invalid(what, &error))
}
