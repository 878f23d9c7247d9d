//! What a chain says about a subchannel: the content of SyncChain and of the machine's confirmed view
//! (`docs/protocol.md` sections 4 and 7).

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use super::{Address, ChainId, EntityId, Hash, HashKind, Secret, Side, TokenId, UnixSeconds};

/// One block of one chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct ChainPoint {
    /// The chain.
    pub chain: ChainId,
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: Hash,
    /// The block's timestamp.
    pub timestamp: UnixSeconds,
}

/// Collateral and ondelta of one token, in its base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct TokenFact {
    /// The token.
    pub token: TokenId,
    /// What is locked, `0 .. 2^127`.
    pub collateral: u128,
    /// Left's share of it as the chain recorded it, `-2^127 .. 2^127`, exclusive.
    pub ondelta: i128,
}

/// A running dispute, as the Depository's `Dispute` struct.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct DisputeFact {
    /// Nonce of the shown state, 0 for the empty state.
    pub nonce: u64,
    /// Chain time of the start.
    pub started_at: UnixSeconds,
    /// Who started.
    pub starter: Side,
    /// Whether the non-starter answered the state that is shown now.
    pub answered: bool,
    /// When it did, 0 if it did not.
    pub answered_at: UnixSeconds,
    /// Hash of the shown body.
    pub body_hash: Hash,
    /// Hash of the starter's fills, zero if it gave none.
    pub starter_fills_hash: Hash,
    /// Hash of the non-starter's fills, zero if it gave none.
    pub answerer_fills_hash: Hash,
}

/// All facts of one subchannel at one block, tokens ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct SubchannelFacts {
    /// How often it was closed on chain.
    pub epoch: u32,
    /// How many settlements and closes it had.
    pub settlement_nonce: u32,
    /// A running dispute.
    pub dispute: Option<DisputeFact>,
    /// Per token. A token that is not listed has neither collateral nor ondelta.
    pub tokens: Vec<TokenFact>,
}

/// A secret in the registry on chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct Reveal {
    /// The registry, a SubcontractProvider.
    pub provider: Address,
    /// Which hash function.
    pub kind: HashKind,
    /// The secret; its hash names the entry.
    pub secret: Secret,
    /// Chain time of the first reveal.
    pub at: UnixSeconds,
}

/// A fact in the registry on chain: a default, a condition, an answer of a custom instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct RecordedFact {
    /// The registry, a SubcontractProvider.
    pub provider: Address,
    /// Names it: `keccak256(u16 instrument || u40 notBefore || question)`.
    pub key: Hash,
    /// Chain time at which it was first recorded.
    pub at: UnixSeconds,
    /// What was recorded, in the instrument's own unit.
    pub value: u128,
}

/// What an EntityProvider says about who signs for an entity (`docs/protocol.md` section 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)
)]
pub enum EntityFact {
    /// An entity has another board.
    Board {
        /// The EntityProvider.
        provider: Address,
        /// Whose board.
        entity: EntityId,
        /// keccak256 of the new board's encoding.
        board: Hash,
        /// The board before, zero if there was none.
        previous: Hash,
        /// Last second at which the board before is valid for channel states.
        previous_valid_until: UnixSeconds,
    },
    /// A delegation was revoked.
    Revoked {
        /// The EntityProvider.
        provider: Address,
        /// Whose delegation.
        entity: EntityId,
        /// keccak256 of its bytes.
        delegation: Hash,
        /// Last second at which it is valid for channel states.
        valid_until: UnixSeconds,
    },
}
