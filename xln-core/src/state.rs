//! What two parties agree on: the state of a channel after a block. Its canonical encoding is hashed into every
//! signature (`docs/protocol.md` sections 3, 4 and 6).

use alloc::vec::Vec;
use alloy_primitives::{I256, U256};
use wincode::{SchemaRead, SchemaWrite};

use crate::codec::{self, CodecError};
use crate::delta::{Delta, DeltaError, DerivedDelta, derive_delta, out_capacity_small};
use crate::map::Map;
use crate::proof::{SettlementUpdate, swap_price};
use crate::subcontract::{Answer, Hold};
use crate::types::{
    Address, ChainPoint, DisputeFact, Hash, HashKind, Nonce, Pair, Side, SubchannelKey, TokenFact, TokenId, UnixSeconds,
};

/// The state of a channel.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ChannelState {
    /// The two entities.
    pub pair: Pair,
    /// Height of the block that made this state, 0 before the first.
    pub height: u64,
    /// Nonce of that block, 0 before the first.
    pub nonce: Nonce,
    /// Hash of that block, so that a signature over the state covers every byte of it.
    pub block_hash: Hash,
    /// Time of that block.
    pub timestamp: UnixSeconds,
    /// The id that the next payment, swap, settlement or close gets.
    pub next_id: u64,
    /// The subchannels that are open, or closed and not yet dropped.
    pub subchannels: Map<SubchannelKey, Subchannel>,
}

/// The part of a channel that one Depository enforces.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Subchannel {
    /// Who opened it; it counts against this side's half of the limit.
    pub opened_by: Side,
    /// Contracts whose instruments both sides accept, the first one for payments and swaps.
    pub providers: Vec<Address>,
    /// How long before expiry a payment must be settled off chain, in seconds.
    pub settle_margin_s: u64,
    /// Closed off chain; an empty leaf until a later block drops it.
    pub closed: bool,
    /// Epoch that proofs are good for.
    pub epoch: u32,
    /// Settlements and closes that the chain has recorded.
    pub settlement_nonce: u32,
    /// Last point of the chain that SyncChain recorded.
    pub point: Option<ChainPoint>,
    /// Dispute that SyncChain recorded.
    pub dispute: Option<DisputeFact>,
    /// The tokens in use.
    pub tokens: Map<TokenId, TokenState>,
    /// Pending subcontracts by id.
    pub pending: Map<u64, Pending>,
    /// The settlement or close that is open.
    pub settlement: Option<OpenSettlement>,
}

/// Balances, limits and holds of one token in one subchannel, in its base unit.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct TokenState {
    /// Who added it.
    pub added_by: Side,
    /// Locked on chain, as recorded by SyncChain.
    pub collateral: u128,
    /// Left's share as the chain recorded it.
    pub ondelta: i128,
    /// The off-chain shift on top of it.
    pub offdelta: i128,
    /// How far left may owe right beyond collateral; right grants it.
    pub left_limit: u128,
    /// How far right may owe left beyond collateral; left grants it.
    pub right_limit: u128,
    /// The most by which what is pending may still lower left's position.
    pub left_hold: u128,
    /// The most by which what is pending may still lower right's position.
    pub right_hold: u128,
}

/// A pending subcontract.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
pub enum Pending {
    /// A payment that a secret settles.
    Payment(Payment),
    /// A swap offer.
    Swap(Swap),
    /// A subcontract of any other instrument.
    Subcontract(Subcontract),
}

impl Pending {
    /// Who added it; it counts against this side's half of the limit.
    #[must_use]
    pub const fn author(&self) -> Side {
        match self {
            Self::Payment(p) => p.payer,
            Self::Swap(s) => s.maker,
            Self::Subcontract(s) => s.author,
        }
    }
}

/// A conditional payment (HTLC).
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Payment {
    /// Who pays.
    pub payer: Side,
    /// In which token.
    pub token: TokenId,
    /// How much, held until settled or cancelled.
    pub amount: u128,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Hash of the secret.
    pub hash: Hash,
    /// Last second at which it can be settled.
    pub expiry: UnixSeconds,
    /// Opaque routing layers for the receiver.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
    pub onion: Vec<u8>,
    /// Chain time of the reveal that SyncChain recorded.
    pub revealed_at: Option<UnixSeconds>,
}

/// A swap offer of one side, filled by the other.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Swap {
    /// Who offers.
    pub maker: Side,
    /// What the maker gives.
    pub give_token: TokenId,
    /// How much in all.
    pub give: u128,
    /// What the maker wants for it.
    pub want_token: TokenId,
    /// How much in all.
    pub want: u128,
    /// How much of `give` is still there, held.
    pub remaining: u128,
    /// The smallest fill, in units of `give`; the whole remainder is always allowed.
    pub min_fill: u128,
    /// Last second at which it can be filled.
    pub expiry: UnixSeconds,
}

impl Swap {
    /// What the taker pays for `fill` of the give: the maker's price, rounded up. `None` if it passes the range.
    #[must_use]
    pub fn price(&self, fill: u128) -> Option<u128> {
        swap_price(fill, self.give, self.want)
    }
}

/// A pending subcontract of a registered instrument: its terms, and what the instrument says of them, kept beside them so
/// that holds and facts need no instrument.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Subcontract {
    /// Who added it.
    pub author: Side,
    /// The SubcontractProvider that decides it on chain.
    pub provider: Address,
    /// The instrument's number there.
    pub instrument: u16,
    /// The tokens that it may move, in the instrument's order, all different.
    pub tokens: Vec<TokenId>,
    /// What the instrument reads, here and on chain.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_text::bytes"))]
    pub terms: Vec<u8>,
    /// What each side may still lose, per token in the order of `tokens`.
    pub holds: Vec<Hold>,
    /// The facts that decide it, in the instrument's order.
    pub asks: Vec<Ask>,
    /// From this time on nothing new can happen by time alone.
    pub last: UnixSeconds,
}

/// A fact that a pending subcontract waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Ask {
    /// Its name in the registry on chain.
    pub key: Hash,
    /// Last second of chain time at which a record counts.
    pub until: UnixSeconds,
    /// What SyncChain recorded.
    pub answer: Option<Answer>,
}

impl Subcontract {
    /// What SyncChain recorded of each ask, in their order.
    #[must_use]
    pub fn answers(&self) -> Vec<Option<Answer>> {
        self.asks.iter().map(|ask| ask.answer).collect()
    }

    /// Whether it can take nothing from a side.
    #[must_use]
    pub fn is_free_for(&self, side: Side) -> bool {
        self.holds.iter().all(|hold| hold.of(side) == 0)
    }
}

/// A settlement or close whose signatures may be out.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct OpenSettlement {
    /// Its channel-local id.
    pub id: u64,
    /// Who proposed it.
    pub proposer: Side,
    /// Last second of chain time at which it can be submitted.
    pub expiry: UnixSeconds,
    /// What it does.
    pub action: SettlementAction,
}

/// What an open settlement does on chain.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")
)]
pub enum SettlementAction {
    /// A co-signed diff; the channel stays open.
    Update(SettlementUpdate),
    /// A co-signed close at the present offdeltas; the subchannel is frozen.
    Close,
}

impl TokenState {
    /// An empty token.
    #[must_use]
    pub const fn new(added_by: Side, fact: &TokenFact) -> Self {
        Self {
            added_by,
            collateral: fact.collateral,
            ondelta: fact.ondelta,
            offdelta: 0,
            left_limit: 0,
            right_limit: 0,
            left_hold: 0,
            right_hold: 0,
        }
    }

    /// `ondelta + offdelta`.
    #[must_use]
    pub fn delta(&self) -> I256 {
        wide(self.ondelta).wrapping_add(wide(self.offdelta))
    }

    /// The limits that go into the formulae: `max(limit, drawn)`, so that a debt never disappears from capacity when its
    /// limit is lowered.
    #[must_use]
    pub fn effective_limits(&self) -> (u128, u128) {
        (self.left_limit.max(self.drawn(Side::Left)), self.right_limit.max(self.drawn(Side::Right)))
    }

    /// How much one side owes beyond collateral, from delta alone.
    #[must_use]
    pub fn drawn(&self, side: Side) -> u128 {
        // Both terms are below 2^127 in absolute value; only out of that range the sum does not fit.
        let owed = match side {
            Side::Left => self.ondelta.checked_add(self.offdelta).map(|d| if d < 0 { d.unsigned_abs() } else { 0 }),
            Side::Right => self
                .ondelta
                .checked_add(self.offdelta)
                .map(|d| u128::try_from(d).unwrap_or(0).saturating_sub(self.collateral)),
        };
        owed.unwrap_or_else(|| self.drawn_wide(side))
    }

    fn drawn_wide(&self, side: Side) -> u128 {
        let delta = self.delta();
        let owed = match side {
            Side::Left if delta.is_negative() => delta.unsigned_abs(),
            Side::Right if delta.is_positive() => delta.unsigned_abs().saturating_sub(U256::from(self.collateral)),
            _ => U256::ZERO,
        };
        u128::try_from(owed).unwrap_or(u128::MAX)
    }

    /// The input of the capacity formulae, with effective limits.
    #[must_use]
    pub fn to_delta(&self) -> Delta {
        let (left, right) = self.effective_limits();
        Delta {
            collateral: U256::from(self.collateral),
            ondelta: wide(self.ondelta),
            offdelta: wide(self.offdelta),
            left_credit_limit: U256::from(left),
            right_credit_limit: U256::from(right),
            left_allowance: U256::from(self.left_hold),
            right_allowance: U256::from(self.right_hold),
        }
    }

    /// Capacities as one side sees them.
    ///
    /// # Errors
    /// None within the protocol's range of amounts.
    pub fn derive(&self, side: Side) -> Result<DerivedDelta, DeltaError> {
        derive_delta(&self.to_delta(), side)
    }

    /// What one side can still pay.
    ///
    /// # Errors
    /// None within the protocol's range of amounts.
    pub fn out_capacity(&self, side: Side) -> Result<u128, DeltaError> {
        let (left, right) = self.effective_limits();
        let small = out_capacity_small(
            self.collateral,
            self.ondelta,
            self.offdelta,
            left,
            right,
            self.left_hold,
            self.right_hold,
            side,
        );
        match small {
            Some(capacity) => Ok(capacity),
            None => Ok(u128::try_from(self.derive(side)?.out_capacity).unwrap_or(u128::MAX)),
        }
    }

    /// The hold of one side.
    #[must_use]
    pub const fn hold(&self, side: Side) -> u128 {
        match side {
            Side::Left => self.left_hold,
            Side::Right => self.right_hold,
        }
    }

    /// Whether nothing of value is left in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.collateral == 0 && self.ondelta == 0 && self.offdelta == 0 && self.left_hold == 0 && self.right_hold == 0
    }
}

fn wide(value: i128) -> I256 {
    let magnitude = I256::from_raw(U256::from(value.unsigned_abs()));
    if value < 0 { magnitude.wrapping_neg() } else { magnitude }
}

impl ChannelState {
    /// The state before the first block: nothing opened, nothing signed.
    #[must_use]
    pub const fn genesis(pair: Pair) -> Self {
        Self {
            pair,
            height: 0,
            nonce: Nonce(0),
            block_hash: Hash::ZERO,
            timestamp: UnixSeconds(0),
            next_id: 1,
            subchannels: Map::new(),
        }
    }

    /// keccak256 over the domain `"xln state 1"` and the canonical encoding.
    ///
    /// # Errors
    /// None for a state within the limits.
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(hash_tagged(b"xln state 1", &codec::encode(self)?))
    }

    /// One token of one subchannel.
    #[must_use]
    pub fn token(&self, key: &SubchannelKey, token: TokenId) -> Option<&TokenState> {
        self.subchannels.get(key)?.tokens.get(&token)
    }
}

/// keccak256 over a domain tag and bytes; tags differ in length or content, so no two kinds of hash can meet.
pub(crate) fn hash_tagged(tag: &[u8], bytes: &[u8]) -> Hash {
    let mut hasher = xln_merkle::Keccak256::new();
    hasher.update(tag);
    hasher.update(bytes);
    Hash(hasher.finalize())
}
