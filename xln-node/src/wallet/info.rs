//! What one may know of a wallet: plain data, copied out.

use xln_core::channel::Freeze;
use xln_core::commitment::Evidence;
use xln_core::delta::{DeltaError, DerivedDelta, bar};
use xln_core::machine::{Effect, EffectId};
use xln_core::state::{OpenSettlement, Pending, TokenState};
use xln_core::types::{
    Address, DisputeFact, EntityId, Hash, Nonce, Side, SubchannelFacts, SubchannelKey, TokenId, UnixSeconds,
};

use super::event::CallRequest;

/// One channel.
#[derive(Clone, PartialEq, Eq, Debug)]
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
#[derive(Clone, PartialEq, Eq, Debug)]
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

/// Something pending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingInfo {
    /// Its id in the channel.
    pub id: u64,
    /// What.
    pub what: Pending,
}

/// One token of a subchannel.
#[derive(Clone, PartialEq, Eq, Debug)]
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

impl TokenInfo {
    /// The picture of it in two lines, `width` columns wide.
    ///
    /// # Errors
    /// None within the protocol's range of amounts.
    pub fn bar(&self, width: usize) -> Result<String, DeltaError> {
        bar(&self.state.to_delta(), self.side, width)
    }
}

/// A dispute on chain, confirmed or not.
#[derive(Clone, PartialEq, Eq, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
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

/// An effect that has not come to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingEffect {
    /// Its name.
    pub id: EffectId,
    /// What.
    pub effect: Effect,
    /// For something on chain: the calldata.
    pub call: Option<CallRequest>,
}

/// An agreed state of one subchannel, as the store keeps it.
pub type HistoryEntry = Evidence;
