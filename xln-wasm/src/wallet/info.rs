//! What a page may know of a wallet, as plain objects. The core's own types are written as they are (feature `serde`).

use serde::{Serialize, Serializer};
use tsify::Tsify;
use xln_core::channel::Freeze;
use xln_core::machine::Effect;
use xln_core::state::{OpenSettlement, Pending, TokenState};
use xln_core::types::{Address, DisputeFact, EntityId, Hash, Side, SubchannelFacts, SubchannelKey};
use xln_node::wallet;

use super::event::CallRequest;
use crate::delta::DerivedDelta;

/// One channel.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct ChannelInfo {
    /// With whom.
    #[tsify(type = "Hex")]
    peer: EntityId,
    /// Which side this wallet is.
    #[tsify(type = "Side")]
    side: Side,
    /// The channel's name in signatures and contracts.
    #[tsify(type = "Hex")]
    channel_key: Hash,
    /// Height of the last agreed block, 0 before the first.
    height: u64,
    /// Its nonce.
    nonce: u64,
    /// Its time, in seconds.
    timestamp: u64,
    /// The Merkle root that both signed.
    #[tsify(type = "Hex")]
    state_root: Hash,
    /// What both signed.
    #[tsify(type = "Hex")]
    digest: Hash,
    /// A block of this side waits for the peer.
    in_flight: bool,
    /// Commands that wait for a block.
    queued: u64,
    /// Whether it waits for the peer after a backup was restored.
    recovering: bool,
    /// Its parts, by chain and Depository.
    subchannels: Vec<SubchannelInfo>,
}

impl From<wallet::ChannelInfo> for ChannelInfo {
    fn from(info: wallet::ChannelInfo) -> Self {
        Self {
            peer: info.peer,
            side: info.side,
            channel_key: info.channel_key,
            height: info.height,
            nonce: info.nonce.0,
            timestamp: info.timestamp.0,
            state_root: info.state_root,
            digest: info.digest,
            in_flight: info.in_flight,
            queued: info.queued,
            recovering: info.recovering,
            subchannels: info.subchannels.into_iter().map(SubchannelInfo::from).collect(),
        }
    }
}

/// The part of a channel that one Depository enforces.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct SubchannelInfo {
    /// Chain and Depository.
    #[tsify(type = "SubchannelKey")]
    key: SubchannelKey,
    /// Who opened it.
    #[tsify(type = "Side")]
    opened_by: Side,
    /// SubcontractProviders that both accept.
    #[tsify(type = "Hex[]")]
    providers: Vec<Address>,
    /// How long before expiry a payment must be settled off chain, in seconds.
    settle_margin_s: u64,
    /// Closed off chain.
    closed: bool,
    /// How often it was closed on chain, as agreed.
    epoch: u32,
    /// Why nothing may be done in it now, if so.
    #[tsify(optional, type = "'sighted' | 'ownStart' | 'alarm'")]
    frozen: Option<Freeze>,
    /// Its tokens, ascending.
    tokens: Vec<TokenInfo>,
    /// What is pending, by id.
    pending: Vec<PendingInfo>,
    /// The settlement or close that is open.
    #[tsify(optional, type = "OpenSettlement")]
    settlement: Option<OpenSettlement>,
    /// Whether both have signed it.
    settlement_ready: bool,
    /// What this wallet has seen confirmed on chain, which may be ahead of what is agreed.
    #[tsify(optional, type = "SubchannelFacts")]
    confirmed: Option<SubchannelFacts>,
    /// The dispute that the chain shows.
    #[tsify(optional)]
    dispute: Option<DisputeInfo>,
}

impl From<wallet::SubchannelInfo> for SubchannelInfo {
    fn from(info: wallet::SubchannelInfo) -> Self {
        Self {
            key: info.key,
            opened_by: info.opened_by,
            providers: info.providers,
            settle_margin_s: info.settle_margin_s,
            closed: info.closed,
            epoch: info.epoch,
            frozen: info.frozen,
            tokens: info.tokens.into_iter().map(TokenInfo::from).collect(),
            pending: info.pending.into_iter().map(PendingInfo::from).collect(),
            settlement: info.settlement,
            settlement_ready: info.settlement_ready,
            confirmed: info.confirmed,
            dispute: info.dispute.map(DisputeInfo::from),
        }
    }
}

/// Something pending.
#[derive(Tsify, Serialize)]
#[tsify(large_number_types_as_bigints)]
pub struct PendingInfo {
    /// Its id in the channel.
    id: u64,
    /// What.
    #[tsify(type = "Pending")]
    what: Pending,
}

impl From<wallet::PendingInfo> for PendingInfo {
    fn from(info: wallet::PendingInfo) -> Self {
        let wallet::PendingInfo { id, what } = info;
        Self { id, what }
    }
}

/// One token of a subchannel.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct TokenInfo {
    /// Which one.
    token: u32,
    /// Whose view the capacities are.
    #[tsify(type = "Side")]
    side: Side,
    /// Collateral, deltas, limits and holds as agreed.
    #[tsify(type = "TokenState")]
    state: TokenState,
    /// Capacities as this side sees them.
    capacities: DerivedDelta,
}

impl From<wallet::TokenInfo> for TokenInfo {
    fn from(info: wallet::TokenInfo) -> Self {
        let wallet::TokenInfo { token, side, state, capacities } = info;
        Self { token: token.0, side, state, capacities: capacities.into() }
    }
}

/// A dispute on chain, confirmed or not.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct DisputeInfo {
    /// In which epoch.
    epoch: u32,
    /// What the Depository stores of it.
    #[tsify(type = "DisputeFact")]
    fact: DisputeFact,
    /// Whether this wallet has started it.
    mine: bool,
    /// The newest nonce that this wallet can show.
    #[tsify(optional)]
    best: Option<u64>,
    /// Last second of chain time at which it can be countered.
    #[tsify(optional)]
    until: Option<u64>,
}

impl From<wallet::DisputeInfo> for DisputeInfo {
    fn from(info: wallet::DisputeInfo) -> Self {
        let wallet::DisputeInfo { epoch, fact, mine, best, until } = info;
        Self { epoch, fact, mine, best: best.map(|nonce| nonce.0), until: until.map(|time| time.0) }
    }
}

/// Something that ends or falls due by itself.
#[derive(Tsify, Serialize)]
#[serde(rename_all = "camelCase")]
#[tsify(large_number_types_as_bigints)]
pub struct Deadline {
    /// When, in seconds of Unix time.
    at: u64,
    /// In whose channel.
    #[tsify(type = "Hex")]
    peer: EntityId,
    /// In which subchannel.
    #[tsify(type = "SubchannelKey")]
    key: SubchannelKey,
    /// What.
    #[tsify(type = "'payment' | 'swap' | 'subcontract' | 'settlement' | 'dispute'")]
    kind: &'static str,
    /// Its id; none for a dispute.
    #[tsify(optional)]
    id: Option<u64>,
}

impl From<wallet::Deadline> for Deadline {
    fn from(deadline: wallet::Deadline) -> Self {
        use wallet::DeadlineKind as Kind;
        let wallet::Deadline { at, peer, key, kind } = deadline;
        let (kind, id) = match kind {
            Kind::Payment { id } => ("payment", Some(id)),
            Kind::Swap { id } => ("swap", Some(id)),
            Kind::Subcontract { id } => ("subcontract", Some(id)),
            Kind::Settlement { id } => ("settlement", Some(id)),
            Kind::Dispute => ("dispute", None),
        };
        Self { at: at.0, peer, key, kind, id }
    }
}

/// Bytes that become a `Uint8Array`.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// The log that a store holds, as `replay` takes it.
#[derive(Tsify, Serialize)]
pub struct StoredLog {
    /// The last snapshot, if there was one.
    #[tsify(optional, type = "Uint8Array")]
    snapshot: Option<Bytes>,
    /// Every record after it, in order.
    #[tsify(type = "Uint8Array[]")]
    records: Vec<Bytes>,
}

impl From<wallet::StoredLog> for StoredLog {
    fn from(wallet::StoredLog { snapshot, records }: wallet::StoredLog) -> Self {
        Self { snapshot: snapshot.map(Bytes), records: records.into_iter().map(Bytes).collect() }
    }
}

/// An effect that has not come to its end.
#[derive(Serialize)]
pub(super) struct PendingEffect {
    id: u64,
    effect: Effect,
    call: Option<CallRequest>,
}

impl From<wallet::PendingEffect> for PendingEffect {
    fn from(pending: wallet::PendingEffect) -> Self {
        Self { id: pending.id.0, effect: pending.effect, call: pending.call.map(CallRequest::from) }
    }
}

/// A command that stands in an agreed block.
#[derive(Serialize)]
pub(super) struct Agreed {
    command: u64,
    id: Option<u64>,
}

impl From<wallet::Agreed> for Agreed {
    fn from(agreed: wallet::Agreed) -> Self {
        Self { command: agreed.command.0, id: agreed.id }
    }
}
