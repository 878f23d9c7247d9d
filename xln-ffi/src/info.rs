//! What one may know of a wallet: copies of its channels, deadlines and history.

use xln_core::machine::Effect;
use xln_core::{state, subcontract};
use xln_node::wallet;

use crate::asks::SettlementUpdate;
use crate::chain::{ChainAction, DisputeFact, SubchannelFacts};
use crate::delta::DerivedDelta;
use crate::events::CallRequest;
use crate::hosts::SignRequest;
use crate::reasons::Freeze;
use crate::types::*;

pub use state::{Ask, OpenSettlement, Payment, Pending, SettlementAction, Subcontract, Swap, TokenState};
pub use subcontract::{Answer, Hold};
pub use wallet::{ChannelInfo, Deadline, DeadlineKind, DisputeInfo, PendingInfo, SubchannelInfo, TokenInfo};

/// Something pending.
#[uniffi::remote(Record)]
pub struct PendingInfo {
    /// Its id in the channel.
    pub id: u64,
    /// What.
    pub what: Pending,
}

/// Something outside of the wallet that has not come to its end.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct PendingEffect {
    /// Its name, for `Wallet.completed`.
    pub id: EffectId,
    /// What is to be done on chain, as the rules name it.
    pub submit: Option<ChainAction>,
    /// The same as calldata.
    pub call: Option<CallRequest>,
    /// What a remote signer is asked.
    pub sign: Option<SignRequest>,
}

impl From<wallet::PendingEffect> for PendingEffect {
    fn from(pending: wallet::PendingEffect) -> Self {
        let wallet::PendingEffect { id, effect, call } = pending;
        let (submit, sign) = match effect {
            Effect::Submit(action) => (Some(action), None),
            Effect::Sign { peer, purpose, digest } => (None, Some(SignRequest { peer, purpose, digest })),
            _ => (None, None),
        };
        Self { id, submit, call, sign }
    }
}

/// One channel.
#[uniffi::remote(Record)]
pub struct ChannelInfo {
    /// With whom.
    pub peer: EntityId,
    /// Which side this wallet is.
    pub side: Side,
    /// The channel's name in signatures and contracts.
    pub channel_key: Hash,
    /// Height of the last agreed block, 0 before the first.
    pub height: u64,
    /// Its nonce.
    pub nonce: Nonce,
    /// Its time.
    pub timestamp: UnixSeconds,
    /// The Merkle root that both signed.
    pub state_root: Hash,
    /// What both signed.
    pub digest: Hash,
    /// A block of this side waits for the peer.
    pub in_flight: bool,
    /// Commands that wait for a block.
    pub queued: u64,
    /// Whether it waits for the peer after a backup was restored.
    pub recovering: bool,
    /// Its parts, by chain and Depository.
    pub subchannels: Vec<SubchannelInfo>,
}

/// The part of a channel that one Depository enforces.
#[uniffi::remote(Record)]
pub struct SubchannelInfo {
    /// Chain and Depository.
    pub key: SubchannelKey,
    /// Who opened it.
    pub opened_by: Side,
    /// SubcontractProviders that both accept.
    pub providers: Vec<Address>,
    /// How long before expiry a payment must be settled off chain, in seconds.
    pub settle_margin_s: u64,
    /// Closed off chain.
    pub closed: bool,
    /// How often it was closed on chain, as agreed.
    pub epoch: u32,
    /// Why nothing may be done in it now, if so.
    pub frozen: Option<Freeze>,
    /// Its tokens, ascending.
    pub tokens: Vec<TokenInfo>,
    /// What is pending, by id.
    pub pending: Vec<PendingInfo>,
    /// The settlement or close that is open.
    pub settlement: Option<OpenSettlement>,
    /// Whether both have signed it.
    pub settlement_ready: bool,
    /// What this wallet has seen confirmed on chain, which may be ahead of what is agreed.
    pub confirmed: Option<SubchannelFacts>,
    /// The dispute that the chain shows.
    pub dispute: Option<DisputeInfo>,
}

/// One token of a subchannel.
#[uniffi::remote(Record)]
pub struct TokenInfo {
    /// Which one.
    pub token: TokenId,
    /// Whose view the capacities are.
    pub side: Side,
    /// Collateral, deltas, limits and holds as agreed.
    pub state: TokenState,
    /// Capacities as this side sees them.
    pub capacities: DerivedDelta,
}

/// A dispute on chain, confirmed or not.
#[uniffi::remote(Record)]
pub struct DisputeInfo {
    /// In which epoch.
    pub epoch: u32,
    /// What the Depository stores of it.
    pub fact: DisputeFact,
    /// Whether this wallet has started it.
    pub mine: bool,
    /// The newest nonce that this wallet can show.
    pub best: Option<Nonce>,
    /// Last second of chain time at which it can be countered; none if the Depository is not in the config.
    pub until: Option<UnixSeconds>,
}

/// Something that ends or falls due by itself.
#[uniffi::remote(Record)]
pub struct Deadline {
    /// When.
    pub at: UnixSeconds,
    /// In whose channel.
    pub peer: EntityId,
    /// In which subchannel.
    pub key: SubchannelKey,
    /// What.
    pub kind: DeadlineKind,
}

/// What falls due.
#[uniffi::remote(Enum)]
pub enum DeadlineKind {
    /// Last second at which a payment can be settled.
    Payment {
        /// Its id.
        id: u64,
    },
    /// Last second at which an offer can be filled.
    Swap {
        /// Its id.
        id: u64,
    },
    /// From then on nothing new happens to a subcontract by time alone.
    Subcontract {
        /// Its id.
        id: u64,
    },
    /// Last second at which the open settlement or close can be submitted.
    Settlement {
        /// Its id.
        id: u64,
    },
    /// Last second at which the dispute can be countered.
    Dispute,
}

/// Balances, limits and holds of one token in one subchannel, in its base unit.
#[uniffi::remote(Record)]
pub struct TokenState {
    /// Who added it.
    pub added_by: Side,
    /// Locked on chain, as recorded by SyncChain.
    pub collateral: Amount,
    /// Left's share as the chain recorded it.
    pub ondelta: SignedAmount,
    /// The off-chain shift on top of it.
    pub offdelta: SignedAmount,
    /// How far left may owe right beyond collateral; right grants it.
    pub left_limit: Amount,
    /// How far right may owe left beyond collateral; left grants it.
    pub right_limit: Amount,
    /// The most by which what is pending may still lower left's position.
    pub left_hold: Amount,
    /// The most by which what is pending may still lower right's position.
    pub right_hold: Amount,
}

/// A pending subcontract.
#[uniffi::remote(Enum)]
pub enum Pending {
    /// A payment that a secret settles.
    Payment(Payment),
    /// A swap offer.
    Swap(Swap),
    /// A subcontract of any other instrument.
    Subcontract(Subcontract),
}

/// A conditional payment (HTLC).
#[uniffi::remote(Record)]
pub struct Payment {
    /// Who pays.
    pub payer: Side,
    /// In which token.
    pub token: TokenId,
    /// How much, held until settled or cancelled.
    pub amount: Amount,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Hash of the secret.
    pub hash: Hash,
    /// Last second at which it can be settled.
    pub expiry: UnixSeconds,
    /// Opaque routing layers for the receiver.
    pub onion: Vec<u8>,
    /// Chain time of the reveal that SyncChain recorded.
    pub revealed_at: Option<UnixSeconds>,
}

/// A swap offer of one side, filled by the other.
#[uniffi::remote(Record)]
pub struct Swap {
    /// Who offers.
    pub maker: Side,
    /// What the maker gives.
    pub give_token: TokenId,
    /// How much in all.
    pub give: Amount,
    /// What the maker wants for it.
    pub want_token: TokenId,
    /// How much in all.
    pub want: Amount,
    /// How much of `give` is still there, held.
    pub remaining: Amount,
    /// The smallest fill, in units of `give`; the whole remainder is always allowed.
    pub min_fill: Amount,
    /// Last second at which it can be filled.
    pub expiry: UnixSeconds,
}

/// A pending subcontract of a registered instrument: its terms, and what the instrument says of them, kept beside them so
/// that holds and facts need no instrument.
#[uniffi::remote(Record)]
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
    pub terms: Vec<u8>,
    /// What each side may still lose, per token in the order of `tokens`.
    pub holds: Vec<Hold>,
    /// The facts that decide it, in the instrument's order.
    pub asks: Vec<Ask>,
    /// From this time on nothing new can happen by time alone.
    pub last: UnixSeconds,
}

/// A fact that a pending subcontract waits for.
#[uniffi::remote(Record)]
pub struct Ask {
    /// Its name in the registry on chain.
    pub key: Hash,
    /// Last second of chain time at which a record counts.
    pub until: UnixSeconds,
    /// What SyncChain recorded.
    pub answer: Option<Answer>,
}

/// A settlement or close whose signatures may be out.
#[uniffi::remote(Record)]
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
#[uniffi::remote(Enum)]
pub enum SettlementAction {
    /// A co-signed diff; the channel stays open.
    Update(SettlementUpdate),
    /// A co-signed close at the present offdeltas; the subchannel is frozen.
    Close,
}

/// The worst case of one token, in its base unit.
#[uniffi::remote(Record)]
pub struct Hold {
    /// The most that left may lose: the largest decrease of delta.
    pub left: Amount,
    /// The most that right may lose: the largest increase of delta.
    pub right: Amount,
}

/// What a recorded fact says.
#[uniffi::remote(Record)]
pub struct Answer {
    /// Chain time at which it was recorded first.
    pub at: UnixSeconds,
    /// What was recorded, in the instrument's own unit.
    pub value: Amount,
}
