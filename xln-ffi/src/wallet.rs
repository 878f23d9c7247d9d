//! The wallet as an object of Kotlin and Swift. Each method is the one of the same name in [`xln_node::wallet`].

use std::sync::Arc;

use xln_core::channel::ChannelConfig;
use xln_node::wallet::{self, WalletHost};

use crate::asks::*;
use crate::chain::ChainFact;
use crate::config::WalletConfig;
use crate::driver::Driver;
use crate::error::XlnError;
use crate::events::WalletEvent;
use crate::hosts::{Clock, EventListener, Host, KvStore, SteadyClock, Transport, WalletSigner, system_clock};
use crate::info::{ChannelInfo, Deadline, PendingEffect};
use crate::proofs::StoredLog;
use crate::types::*;

/// One entity's channels. It is safe to call from any thread; calls are taken one after another. A call that is cancelled
/// loses nothing: what was begun is finished by the next one, or by a thread of the wallet's own that drives what nobody
/// waits for. After `Store` or `Poisoned` it must be opened anew.
#[derive(uniffi::Object)]
pub struct Wallet(
    pub(crate) wallet::Wallet,
    #[expect(dead_code, reason = "ends its thread when it is dropped")] Driver,
    Arc<dyn KvStore>,
);

/// Fills an empty store from a backup of `entity`'s wallet, for `Wallet.open` with the same depositories.
///
/// # Errors
/// `Unusable` for damaged bytes, another entity's backup, or a store that is not empty; `Store`.
#[uniffi::export]
pub async fn restore_backup(
    store: Arc<dyn KvStore>,
    entity: EntityId,
    config: WalletConfig,
    backup: Vec<u8>,
) -> Result<(), XlnError> {
    let channels: ChannelConfig = wallet::WalletConfig::from(config).channels;
    Ok(wallet::Wallet::restore_backup(&Host(store), entity, &channels, &backup).await?)
}

#[uniffi::export]
impl Wallet {
    /// Opens a wallet on its store: a new one, one that was closed or killed, or one that was restored from a backup. Without
    /// a clock it is the system's.
    ///
    /// # Errors
    /// `Unusable` if the store belongs to another entity or other depositories, or does not replay; `Store`.
    #[uniffi::constructor(default(clock = None, listener = None))]
    pub async fn open(
        config: WalletConfig,
        store: Arc<dyn KvStore>,
        transport: Arc<dyn Transport>,
        signer: WalletSigner,
        clock: Option<Arc<dyn Clock>>,
        listener: Option<Arc<dyn EventListener>>,
    ) -> Result<Arc<Self>, XlnError> {
        let clock = SteadyClock::new(clock.unwrap_or_else(system_clock));
        let mut host = WalletHost::new(
            Arc::new(Host(Arc::clone(&store))),
            Arc::new(Host(transport)),
            signer.into(),
            Arc::new(clock),
        );
        if let Some(listener) = listener {
            host.listener = Some(Arc::new(Host(listener)));
        }
        let wallet = wallet::Wallet::open(config.into(), host).await?;
        let driver = Driver::of(wallet.clone())?;
        Ok(Arc::new(Self(wallet, driver, store)))
    }

    /// Whose wallet it is.
    pub fn entity(&self) -> EntityId {
        self.0.entity()
    }

    /// The transport has a connection to a peer.
    ///
    /// # Errors
    /// `Store`, `Poisoned` or `Closed` if the wallet does not work.
    pub async fn connected(&self, peer: EntityId) -> Result<(), XlnError> {
        Ok(self.0.connected(peer).await?)
    }

    /// The transport lost it.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn disconnected(&self, peer: EntityId) -> Result<(), XlnError> {
        Ok(self.0.disconnected(peer).await?)
    }

    /// Takes bytes from a peer, whose name the transport vouches for. Bad bytes become an event, never an error.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn receive(&self, from: EntityId, bytes: Vec<u8>) -> Result<(), XlnError> {
        Ok(self.0.receive(from, bytes).await?)
    }

    /// Does what time has brought, and asks remote signers again that failed. Call it when `nextDeadline` says so, and every
    /// minute or so.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn tick(&self) -> Result<(), XlnError> {
        Ok(self.0.tick().await?)
    }

    /// Takes facts of a chain, in order, and bytes to be kept in the same write: a watcher's cursor.
    ///
    /// # Errors
    /// As `connected`.
    #[uniffi::method(default(keep = None))]
    pub async fn handle_facts(&self, facts: Vec<ChainFact>, keep: Option<Kept>) -> Result<(), XlnError> {
        Ok(self.0.handle_facts(facts, keep.map(|Kept { name, bytes }| (name, bytes))).await?)
    }

    /// What was kept last under a name.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn kept(&self, name: String) -> Result<Option<Vec<u8>>, XlnError> {
        Ok(self.0.kept(&name).await?)
    }

    /// An action on chain came to its end: done, or failed for good.
    ///
    /// # Errors
    /// `UnknownEffect` if none of this name is pending; as `connected`.
    pub async fn completed(&self, effect: EffectId, success: bool) -> Result<(), XlnError> {
        Ok(self.0.completed(effect, success).await?)
    }

    /// Someone has looked at an alarm: the facts as they are now hold.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn clear_alarm(&self, peer: EntityId, key: SubchannelKey) -> Result<(), XlnError> {
        Ok(self.0.clear_alarm(peer, key).await?)
    }

    /// A routed payment will come that this wallet settles by itself.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn expect(&self, payment: ExpectedPayment) -> Result<(), XlnError> {
        Ok(self.0.expect(payment).await?)
    }

    /// All channels, by peer.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn channels(&self) -> Result<Vec<ChannelInfo>, XlnError> {
        Ok(self.0.channels().await?)
    }

    /// The channel with one peer.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn channel(&self, peer: EntityId) -> Result<Option<ChannelInfo>, XlnError> {
        Ok(self.0.channel(peer).await?)
    }

    /// Every agreed state that the store keeps of the channel with one peer, by subchannel and nonce.
    ///
    /// # Errors
    /// `Unusable`; as `connected`.
    pub async fn history(&self, peer: EntityId) -> Result<Vec<Evidence>, XlnError> {
        Ok(self.0.history(peer).await?)
    }

    /// The log that the store holds, every row checked: `replay` takes it, here or elsewhere.
    ///
    /// # Errors
    /// `Store` if the store fails or a row is damaged; as `connected`.
    pub async fn log(&self) -> Result<StoredLog, XlnError> {
        Ok(self.0.log().await?)
    }

    /// What falls due, soonest first.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn deadlines(&self) -> Result<Vec<Deadline>, XlnError> {
        Ok(self.0.deadlines().await?)
    }

    /// When to call `tick` at the latest.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn next_deadline(&self) -> Result<Option<UnixSeconds>, XlnError> {
        Ok(self.0.next_deadline().await?)
    }

    /// What was asked of chains and remote signers and is not done.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn pending_effects(&self) -> Result<Vec<PendingEffect>, XlnError> {
        Ok(self.0.pending_effects().await?.into_iter().map(PendingEffect::from).collect())
    }

    /// keccak256 over the whole machine: two wallets with the same log have the same.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn machine_root(&self) -> Result<Hash, XlnError> {
        Ok(self.0.machine_root().await?)
    }

    /// The next event that nobody has taken; none once the wallet is closed.
    ///
    /// # Errors
    /// None of its own; a cancelled call throws what the language throws.
    pub async fn next_event(&self) -> Result<Option<WalletEvent>, XlnError> {
        Ok(self.0.next_event().await.map(WalletEvent::from))
    }

    /// The whole store as bytes. It is older than what is signed after it: whoever restores one waits for each peer's answer.
    ///
    /// # Errors
    /// As `connected`.
    pub async fn backup(&self) -> Result<Vec<u8>, XlnError> {
        Ok(self.0.backup().await?)
    }

    /// Finishes what was begun and ends the wallet: every later call, and every one that still waits, gives `Closed`. The store
    /// may then be opened again.
    ///
    /// # Errors
    /// `Store` if the store fails.
    pub async fn shutdown(&self) -> Result<(), XlnError> {
        self.0.close().await?;
        self.2.release().await.map_err(|error| XlnError::Store { reason: error.to_string() })
    }
}
