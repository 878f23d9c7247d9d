//! What a chain says, as `xln-core` has it: for apps that watch a chain by their own means.

use xln_core::{chain, types};

use crate::asks::{Evidence, SettlementUpdate};
use crate::types::*;

pub use chain::{ChainAction, ChainCall, ChainChange, ChainFact, ChangeKind};
pub use types::{ChainPoint, DisputeFact, EntityFact, RecordedFact, Reveal, SubchannelFacts, TokenFact};

/// A fact of a chain, as the watcher reports it.
#[uniffi::remote(Enum)]
pub enum ChainFact {
    /// One confirmed block, in order of numbers. Every confirmed block is reported, also an empty one.
    Block {
        /// Which block.
        point: ChainPoint,
        /// What changed in it, in order.
        changes: Vec<ChainChange>,
        /// Secrets that were first revealed in it.
        reveals: Vec<Reveal>,
        /// Facts that were first recorded in it.
        facts: Vec<RecordedFact>,
        /// What changed about who may sign.
        entities: Vec<EntityFact>,
    },
    /// A start, answer or close that stands in a block which is not confirmed yet.
    Sighted {
        /// What it says.
        change: ChainChange,
    },
    /// What was sighted has been absent for the confirmation depth.
    Vanished {
        /// In which subchannel.
        key: SubchannelKey,
        /// Of which channel.
        pair: Pair,
    },
    /// Confirmed blocks from `number` on are gone: the chain was reorganised beyond the finality policy.
    Reorganised {
        /// Which chain.
        chain: ChainId,
        /// The first number that is gone.
        number: u64,
    },
}

/// A change of one subchannel.
#[uniffi::remote(Record)]
pub struct ChainChange {
    /// In which subchannel.
    pub key: SubchannelKey,
    /// Of which channel.
    pub pair: Pair,
    /// What changed.
    pub kind: ChangeKind,
}

/// What changed, with the whole new value.
#[uniffi::remote(Enum)]
pub enum ChangeKind {
    /// Collateral and ondelta of one token.
    Collateral(TokenFact),
    /// A settlement was executed.
    Settled {
        /// The epoch.
        epoch: u32,
        /// The new settlement nonce.
        settlement_nonce: u32,
    },
    /// A dispute was started or answered.
    Dispute {
        /// The epoch.
        epoch: u32,
        /// The dispute as it is now.
        dispute: DisputeFact,
        /// The fills that were given with it, encoded.
        fills: Vec<u8>,
        /// The body of an empty-state start, else empty.
        body: Vec<u8>,
    },
    /// A dispute or a co-signed close ended the epoch.
    Closed {
        /// The new epoch.
        epoch: u32,
        /// The new settlement nonce.
        settlement_nonce: u32,
    },
}

/// One block of one chain.
#[uniffi::remote(Record)]
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
#[uniffi::remote(Record)]
pub struct TokenFact {
    /// The token.
    pub token: TokenId,
    /// What is locked, `0 .. 2^127`.
    pub collateral: Amount,
    /// Left's share of it as the chain recorded it, `-2^127 .. 2^127`, exclusive.
    pub ondelta: SignedAmount,
}

/// A running dispute, as the Depository's `Dispute` struct.
#[uniffi::remote(Record)]
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
#[uniffi::remote(Record)]
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
#[uniffi::remote(Record)]
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
#[uniffi::remote(Record)]
pub struct RecordedFact {
    /// The registry, a SubcontractProvider.
    pub provider: Address,
    /// Names it: `keccak256(u16 instrument || u40 notBefore || question)`.
    pub key: Hash,
    /// Chain time at which it was first recorded.
    pub at: UnixSeconds,
    /// What was recorded, in the instrument's own unit.
    pub value: Amount,
}

/// What an EntityProvider says about who signs for an entity (`docs/protocol.md` section 2).
#[uniffi::remote(Enum)]
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

/// What a machine asks to be done on chain, in its own entity's name.
#[uniffi::remote(Record)]
pub struct ChainAction {
    /// Where.
    pub key: SubchannelKey,
    /// In which channel.
    pub pair: Pair,
    /// What.
    pub call: ChainCall,
}

/// A call of a Depository or a SubcontractProvider.
#[uniffi::remote(Enum)]
pub enum ChainCall {
    /// Executes a co-signed diff.
    CooperativeUpdate {
        /// Its expiry.
        expiry: UnixSeconds,
        /// The diff.
        update: SettlementUpdate,
        /// Left's signature.
        left: Signature,
        /// Right's signature.
        right: Signature,
    },
    /// Executes a co-signed close.
    CooperativeClose {
        /// Its expiry.
        expiry: UnixSeconds,
        /// The encoded body.
        body: Vec<u8>,
        /// Left's signature.
        left: Signature,
        /// Right's signature.
        right: Signature,
    },
    /// Starts a dispute with a state that the peer signed.
    StartDispute {
        /// Who starts.
        starter: Side,
        /// The state.
        evidence: Evidence,
        /// The starter's fills, encoded.
        fills: Vec<u8>,
    },
    /// Starts a dispute with the empty state.
    StartEmptyDispute {
        /// Who starts.
        starter: Side,
        /// Its tokens, ascending.
        tokens: Vec<TokenId>,
    },
    /// The non-starter takes the shown state.
    AcceptDispute {
        /// The dispute.
        dispute: DisputeFact,
        /// The non-starter's fills, encoded.
        fills: Vec<u8>,
    },
    /// Shows a newer state: by the non-starter, or by anyone if `both`.
    CounterDispute {
        /// The dispute.
        dispute: DisputeFact,
        /// The newer state.
        evidence: Evidence,
        /// The non-starter's fills, encoded.
        fills: Vec<u8>,
        /// Use both signatures instead of the caller's role.
        both: bool,
    },
    /// Ends a dispute.
    FinalizeDispute {
        /// The dispute.
        dispute: DisputeFact,
        /// The encoded body.
        body: Vec<u8>,
        /// The starter's fills, encoded.
        starter_fills: Vec<u8>,
        /// The non-starter's fills, encoded.
        answerer_fills: Vec<u8>,
    },
    /// Puts a secret into the registry.
    Reveal {
        /// The registry.
        provider: Address,
        /// Which hash function.
        kind: HashKind,
        /// The secret.
        secret: Secret,
    },
    /// Puts a fact into the registry, if it is so.
    Record {
        /// The registry.
        provider: Address,
        /// The instrument that asks.
        instrument: u16,
        /// Chain time from which the fact counts.
        not_before: UnixSeconds,
        /// What is asked.
        question: Vec<u8>,
    },
}
