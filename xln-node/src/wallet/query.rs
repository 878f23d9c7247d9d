//! What an app may ask. Answers are copies, taken between two steps.

use xln_core::types::{EntityId, UnixSeconds};

use super::error::WalletError;
use super::info::{ChannelInfo, Deadline, HistoryEntry, PendingEffect};
use super::Wallet;

impl Wallet {
    /// All channels, by peer.
    ///
    /// # Errors
    /// [`WalletError`] if the wallet does not work.
    pub async fn channels(&self) -> Result<Vec<ChannelInfo>, WalletError> {
        Err(WalletError::Closed)
    }

    /// The channel with one peer.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn channel(&self, peer: EntityId) -> Result<Option<ChannelInfo>, WalletError> {
        let _ = peer;
        Err(WalletError::Closed)
    }

    /// Every agreed state that the store keeps of the channel with one peer, by subchannel and nonce.
    ///
    /// # Errors
    /// As [`Wallet::channels`]; [`WalletError::Codec`].
    pub async fn history(&self, peer: EntityId) -> Result<Vec<HistoryEntry>, WalletError> {
        let _ = peer;
        Err(WalletError::Closed)
    }

    /// What falls due, soonest first.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn deadlines(&self) -> Result<Vec<Deadline>, WalletError> {
        Err(WalletError::Closed)
    }

    /// When to call [`Wallet::tick`] at the latest.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn next_deadline(&self) -> Result<Option<UnixSeconds>, WalletError> {
        Err(WalletError::Closed)
    }

    /// What was asked of chains and remote signers and is not done.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn pending_effects(&self) -> Result<Vec<PendingEffect>, WalletError> {
        Err(WalletError::Closed)
    }

    /// keccak256 over the whole machine: two wallets with the same log have the same.
    ///
    /// # Errors
    /// As [`Wallet::channels`].
    pub async fn machine_root(&self) -> Result<xln_core::types::Hash, WalletError> {
        Err(WalletError::Closed)
    }
}
