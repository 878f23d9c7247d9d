//! How a wallet is set up. What is not said is as `xln-node` has it.

use xln_core::channel::{self, ChannelConfig};
use xln_node::wallet;

use crate::types::{Address, SubchannelKey};

pub use channel::AcceptedDepository;

/// A Depository that a wallet accepts, pinned with what it was found to promise.
#[uniffi::remote(Record)]
pub struct AcceptedDepository {
    /// Which one.
    pub key: SubchannelKey,
    /// Its dispute window, in seconds.
    pub window_s: u64,
    /// The EntityProvider that it asks who may sign.
    pub entity_provider: Address,
    /// How long that keeps a replaced board, a revoked or expired delegation valid for channel states, in seconds.
    pub grace_s: u64,
    /// SubcontractProviders that this wallet trusts to judge its payments and swaps in a dispute.
    pub providers: Vec<Address>,
    /// The largest settle margin that it accepts, in seconds.
    #[uniffi(default = 3600)]
    pub max_settle_margin_s: u64,
}

/// What a wallet promises and how it keeps its store. What is left out is as usual.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct WalletConfig {
    /// Depositories that it accepts; they are pinned in the store.
    pub depositories: Vec<AcceptedDepository>,
    /// Blocks without an answer are sent again after this, in seconds.
    #[uniffi(default = None)]
    pub resend_s: Option<u64>,
    /// A peer that does not answer for this long is reported, in seconds.
    #[uniffi(default = None)]
    pub peer_timeout_s: Option<u64>,
    /// Whether it counters, settles, cancels, reveals and finalizes by itself.
    #[uniffi(default = None)]
    pub vigilant: Option<bool>,
    /// How long before a payment's expiry its beneficiary reveals on chain, in seconds.
    #[uniffi(default = None)]
    pub reveal_margin_s: Option<u64>,
    /// By how much the first leg of a cross-chain swap must outlive the second, in seconds.
    #[uniffi(default = None)]
    pub cross_gap_s: Option<u64>,
    /// The shortest dispute window that it accepts, in seconds.
    #[uniffi(default = None)]
    pub min_window_s: Option<u64>,
    /// How many channels strangers and this wallet may open in all.
    #[uniffi(default = None)]
    pub max_channels: Option<u32>,
    /// After how many records a snapshot replaces them; at least 1.
    #[uniffi(default = None)]
    pub snapshot_every: Option<u64>,
    /// Events that are kept for `nextEvent`; the oldest are dropped beyond that.
    #[uniffi(default = None)]
    pub event_queue: Option<u32>,
}

impl From<WalletConfig> for wallet::WalletConfig {
    fn from(config: WalletConfig) -> Self {
        let usual = Self::default();
        let channels = usual.channels;
        let queue = config.event_queue.and_then(|events| usize::try_from(events).ok());
        Self {
            channels: ChannelConfig {
                depositories: config.depositories,
                resend_s: config.resend_s.unwrap_or(channels.resend_s),
                peer_timeout_s: config.peer_timeout_s.unwrap_or(channels.peer_timeout_s),
                vigilant: config.vigilant.unwrap_or(channels.vigilant),
                reveal_margin_s: config.reveal_margin_s.unwrap_or(channels.reveal_margin_s),
                cross_gap_s: config.cross_gap_s.unwrap_or(channels.cross_gap_s),
                min_window_s: config.min_window_s.unwrap_or(channels.min_window_s),
                max_channels: config.max_channels.unwrap_or(channels.max_channels),
                ..channels
            },
            snapshot_every: config.snapshot_every.unwrap_or(usual.snapshot_every),
            event_queue: queue.unwrap_or(usual.event_queue),
        }
    }
}
