//! What a node promises and expects.

use alloc::vec::Vec;
use wincode::{SchemaRead, SchemaWrite};

use crate::entity::Place;
use crate::limits::GRACE_MARGIN_S;
use crate::map;
use crate::route::RoutingPolicy;
use crate::state::ChannelState;
use crate::types::{Address, SubchannelKey};

/// What a node promises and expects in all its channels.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub struct ChannelConfig {
    /// Depositories that this node accepts.
    pub depositories: Vec<AcceptedDepository>,
    /// Blocks without an answer are sent again after this, in seconds.
    pub resend_s: u64,
    /// A peer that does not answer for this long is reported, in seconds. A deferral ends before it.
    pub peer_timeout_s: u64,
    /// Whether it counters, settles, cancels, reveals and finalizes by itself.
    pub vigilant: bool,
    /// How long before a payment's expiry its beneficiary reveals on chain, in seconds.
    pub reveal_margin_s: u64,
    /// By how much the first leg of a cross-chain swap must outlive the second, in seconds: the confirmations of both
    /// chains, the longest outage, inclusion and drift together (`docs/protocol.md` section 9).
    pub cross_gap_s: u64,
    /// The shortest dispute window that it accepts, in seconds: at least twice the time that confirmations and the longest
    /// outage which it promises to survive take together.
    pub min_window_s: u64,
    /// How many channels strangers and this node may open in all.
    pub max_channels: u32,
    /// Onions that it remembers for each peer that brought them, so that none is opened twice. Each is kept until its lock or
    /// its layer has expired; while a peer has used up its share, what it brings fails as busy. One takes about 200 bytes.
    pub max_onions: u32,
    /// What it does with payments over several hops; none leaves them to the application.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub routing: Option<RoutingPolicy>,
}

/// A Depository that a node accepts, pinned with what it was found to promise.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "camelCase", deny_unknown_fields)
)]
pub struct AcceptedDepository {
    /// Which one.
    pub key: SubchannelKey,
    /// Its dispute window, in seconds.
    pub window_s: u64,
    /// The EntityProvider that it asks who may sign.
    pub entity_provider: Address,
    /// How long that keeps a replaced board, a revoked or expired delegation valid for channel states, in seconds.
    pub grace_s: u64,
    /// SubcontractProviders that this node trusts to judge its payments and swaps in a dispute.
    pub providers: Vec<Address>,
    /// The largest settle margin that it accepts, in seconds: a peer's long one would make every settlement a reveal on chain.
    pub max_settle_margin_s: u64,
}

impl AcceptedDepository {
    /// A Depository as it was found, and the usual bound on settle margins.
    #[must_use]
    pub const fn new(
        key: SubchannelKey,
        window_s: u64,
        providers: Vec<Address>,
        entity_provider: Address,
        grace_s: u64,
    ) -> Self {
        Self { key, window_s, entity_provider, grace_s, providers, max_settle_margin_s: 3600 }
    }
}

impl ChannelConfig {
    /// [`ChannelConfig::max_channels`] as a count.
    pub(crate) fn max_channels(&self) -> usize {
        usize::try_from(self.max_channels).unwrap_or(usize::MAX)
    }

    /// Whether a subchannel may be opened like this: a Depository that this node accepts, whose window leaves it time to
    /// answer and fits twice, with a margin, into the grace of who signs; providers that it trusts; a margin that still lets
    /// payments settle off chain.
    #[must_use]
    pub fn accepts(&self, key: &SubchannelKey, providers: &[Address], settle_margin_s: u64) -> bool {
        self.depositories.iter().any(|d| {
            d.key == *key
                && d.window_s >= self.min_window_s
                && d.grace_s >= d.window_s.saturating_mul(2).saturating_add(GRACE_MARGIN_S)
                && settle_margin_s <= d.max_settle_margin_s
                && providers.iter().all(|p| d.providers.contains(p))
        })
    }

    /// The EntityProvider of an accepted Depository, and its grace in seconds.
    #[must_use]
    pub fn place(&self, key: &SubchannelKey) -> Option<(Place, u64)> {
        let found = self.depositories.iter().find(|d| d.key == *key)?;
        Some((Place { chain: key.chain, provider: found.entity_provider }, found.grace_s))
    }

    /// Where a state can be enforced: the EntityProviders of its subchannels, and their graces.
    #[must_use]
    pub fn places(&self, state: &ChannelState) -> Vec<(Place, u64)> {
        let mut places = map::ascending(state.subchannels.keys().filter_map(|key| self.place(key)));
        places.dedup_by_key(|(place, _)| *place);
        places
    }

    /// The dispute window of an accepted Depository, in seconds.
    #[must_use]
    pub fn window_s(&self, key: &SubchannelKey) -> Option<u64> {
        self.depositories.iter().find(|d| d.key == *key).map(|d| d.window_s)
    }
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            depositories: Vec::new(),
            resend_s: 10,
            peer_timeout_s: 120,
            vigilant: true,
            reveal_margin_s: 600,
            cross_gap_s: 3600,
            min_window_s: 3600,
            max_channels: 100_000,
            max_onions: 65_536,
            routing: None,
        }
    }
}
