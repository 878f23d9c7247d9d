//! The wallet of `xln-node` as a JavaScript class.

pub mod calls;
mod event;
pub mod host;
pub mod info;

use std::sync::Arc;

use wasm_bindgen::prelude::*;
use xln_core::channel::{ChannelConfig, CommandId};
use xln_core::machine::EffectId;
use xln_core::types::EntityId;
use xln_node::wallet::{self, WalletConfig, WalletError, WalletHost, WalletSigner};

use crate::convert::{entity, object, plain};
use crate::crypto::Key;
use crate::error::{Thrown, XlnError, coded};
use host::{JsHost, JsSigner, JsStore};
use info::{ChannelInfo, Deadline, PendingEffect};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("../types.d.ts");

/// A wallet's error under its own code.
pub(crate) fn failed(error: WalletError) -> XlnError {
    coded(error.code(), &error)
}

/// One entity's channels. Calls are taken one after another, and nothing leaves the wallet before what explains it is durable in
/// its store. If the store fails the wallet must be opened anew.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Wallet(pub(crate) wallet::Wallet);

async fn open(signer: WalletSigner, host: JsHost, config: JsValue) -> Thrown<Wallet> {
    let channels: ChannelConfig = object("config", config)?;
    let mut settings = WalletConfig { channels, ..WalletConfig::default() };
    if let Some(every) = host.snapshot_every()? {
        settings.snapshot_every = every;
    }
    let mut brought = WalletHost::new(host.store()?, host.transport()?, signer, host.clock()?);
    brought.listener = host.listener()?;
    let opened = wallet::Wallet::open(settings, brought).await.map_err(failed)?;
    // Slow stores, transports and signers go on while nobody waits for a call.
    let driven = opened.clone();
    wasm_bindgen_futures::spawn_local(async move { driven.run().await });
    Ok(Wallet(opened))
}

#[wasm_bindgen]
impl Wallet {
    /// Opens a wallet on its store with a key in memory: a new one, one that was closed or killed, or one that was restored.
    pub async fn open(
        key: &Key,
        host: JsHost,
        #[wasm_bindgen(unchecked_param_type = "ChannelConfig")] config: JsValue,
    ) -> Thrown<Wallet> {
        open(WalletSigner::Local(key.signer()), host, config).await
    }

    /// The same with a key that is elsewhere.
    #[wasm_bindgen(js_name = openWith)]
    pub async fn open_with(
        signer: JsSigner,
        host: JsHost,
        #[wasm_bindgen(unchecked_param_type = "ChannelConfig")] config: JsValue,
    ) -> Thrown<Wallet> {
        open(WalletSigner::Remote(Arc::new(host::Remote::new(signer)?)), host, config).await
    }

    /// Fills an empty store from a backup of `entity`'s wallet; open it afterwards with the same depositories.
    #[wasm_bindgen(js_name = restoreBackup)]
    pub async fn restore_backup(
        store: JsStore,
        #[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] of: String,
        #[wasm_bindgen(unchecked_param_type = "ChannelConfig")] config: JsValue,
        backup: Vec<u8>,
    ) -> Thrown<()> {
        let (of, config): (EntityId, ChannelConfig) = (entity("entity", &of)?, object("config", config)?);
        wallet::Wallet::restore_backup(&host::Store::new(store), of, &config, &backup).await.map_err(failed)
    }

    /// The whole store as bytes. It is older than what is signed after it: who restores one waits for each peer's answer.
    pub async fn backup(&self) -> Thrown<Vec<u8>> {
        self.0.backup().await.map_err(failed)
    }

    /// Whose wallet it is.
    #[wasm_bindgen(getter, unchecked_return_type = "Hex")]
    #[must_use]
    pub fn entity(&self) -> String {
        self.0.entity().to_string()
    }

    /// The transport has a connection to a peer.
    pub async fn connected(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Thrown<()> {
        self.0.connected(entity("peer", &peer)?).await.map_err(failed)
    }

    /// The transport lost it.
    pub async fn disconnected(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Thrown<()> {
        self.0.disconnected(entity("peer", &peer)?).await.map_err(failed)
    }

    /// Takes bytes from a peer, whose name the transport vouches for. Bad bytes become an event, never an error.
    pub async fn receive(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Hex")] from: String,
        bytes: Vec<u8>,
    ) -> Thrown<()> {
        self.0.receive(entity("from", &from)?, bytes).await.map_err(failed)
    }

    /// Does what time has brought. Call it when `nextDeadline` says so, and every minute or so.
    pub async fn tick(&self) -> Thrown<()> {
        self.0.tick().await.map_err(failed)
    }

    /// An action on chain came to its end: done, or failed for good.
    pub async fn completed(
        &self,
        #[wasm_bindgen(unchecked_param_type = "bigint")] effect: JsValue,
        success: bool,
    ) -> Thrown<()> {
        self.0.completed(EffectId(object("effect", effect)?), success).await.map_err(failed)
    }

    /// Waits until a command stands in an agreed block, or never will.
    #[wasm_bindgen(unchecked_return_type = "Agreed")]
    pub async fn agreed(&self, #[wasm_bindgen(unchecked_param_type = "bigint")] command: JsValue) -> Thrown<JsValue> {
        let agreed = self.0.agreed(CommandId(object("command", command)?)).await.map_err(failed)?;
        plain(&info::Agreed::from(agreed))
    }

    /// The next event that nobody has taken; `undefined` once the wallet is closed.
    #[wasm_bindgen(js_name = nextEvent, unchecked_return_type = "WalletEvent | undefined")]
    pub async fn next_event(&self) -> Thrown<JsValue> {
        plain(&self.0.next_event().await.map(event::WalletEvent::from))
    }

    /// All channels, by peer.
    #[wasm_bindgen(unchecked_return_type = "ChannelInfo[]")]
    pub async fn channels(&self) -> Thrown<JsValue> {
        let channels = self.0.channels().await.map_err(failed)?;
        plain(&channels.into_iter().map(ChannelInfo::from).collect::<Vec<_>>())
    }

    /// The channel with one peer.
    #[wasm_bindgen(unchecked_return_type = "ChannelInfo | undefined")]
    pub async fn channel(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Thrown<JsValue> {
        let channel = self.0.channel(entity("peer", &peer)?).await.map_err(failed)?;
        plain(&channel.map(ChannelInfo::from))
    }

    /// Every agreed state that the store keeps of the channel with one peer.
    #[wasm_bindgen(unchecked_return_type = "Evidence[]")]
    pub async fn history(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Thrown<JsValue> {
        plain(&self.0.history(entity("peer", &peer)?).await.map_err(failed)?)
    }

    /// What falls due, soonest first.
    #[wasm_bindgen(unchecked_return_type = "Deadline[]")]
    pub async fn deadlines(&self) -> Thrown<JsValue> {
        let deadlines = self.0.deadlines().await.map_err(failed)?;
        plain(&deadlines.into_iter().map(Deadline::from).collect::<Vec<_>>())
    }

    /// When to call `tick` at the latest, in seconds of Unix time.
    #[wasm_bindgen(js_name = nextDeadline, unchecked_return_type = "bigint | undefined")]
    pub async fn next_deadline(&self) -> Thrown<JsValue> {
        plain(&self.0.next_deadline().await.map_err(failed)?)
    }

    /// What was asked of chains and remote signers and is not done.
    #[wasm_bindgen(js_name = pendingEffects, unchecked_return_type = "PendingEffect[]")]
    pub async fn pending_effects(&self) -> Thrown<JsValue> {
        let pending = self.0.pending_effects().await.map_err(failed)?;
        plain(&pending.into_iter().map(PendingEffect::from).collect::<Vec<_>>())
    }

    /// Hash over everything that the wallet holds: two with the same log have the same.
    #[wasm_bindgen(js_name = machineRoot, unchecked_return_type = "Hex")]
    pub async fn machine_root(&self) -> Thrown<String> {
        Ok(self.0.machine_root().await.map_err(failed)?.to_string())
    }

    /// Finishes what was begun and ends the wallet; every later call, and every one that still waits, throws `closed`.
    pub async fn close(&self) -> Thrown<()> {
        self.0.close().await.map_err(failed)
    }
}
