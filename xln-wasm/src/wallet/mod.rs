//! The wallet of `xln-node` as a JavaScript class.

pub mod calls;
mod event;
pub mod host;
pub mod info;

use std::pin::Pin;
use std::sync::Arc;

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use xln_core::chain::ChainFact;
use xln_core::channel::{ChannelConfig, CommandId};
use xln_core::machine::EffectId;
use xln_core::route::ExpectedPayment;
use xln_core::types::{EntityId, SubchannelKey};
use xln_node::wallet::{self, View, WalletConfig, WalletError, WalletHost, WalletSigner};

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

/// A promise of what a future gives. Futures are boxed, so that what drives them is there once and not for each of them.
fn promise(future: impl Future<Output = Thrown<JsValue>> + 'static) -> Promise {
    promise_of(Box::pin(future))
}

fn promise_of(future: Pin<Box<dyn Future<Output = Thrown<JsValue>>>>) -> Promise {
    future_to_promise(async move { future.await.map_err(JsValue::from) })
}

fn nothing(done: Result<(), WalletError>) -> Thrown<JsValue> {
    done.map(|()| JsValue::UNDEFINED).map_err(failed)
}

async fn open(signer: Thrown<WalletSigner>, host: JsHost, config: JsValue) -> Thrown<JsValue> {
    let channels: ChannelConfig = object("config", config)?;
    let mut settings = WalletConfig { channels, ..WalletConfig::default() };
    if let Some(every) = host.snapshot_every()? {
        settings.snapshot_every = every;
    }
    let mut brought = WalletHost::new(host.store()?, host.transport()?, signer?, host.clock()?);
    brought.listener = host.listener()?;
    let opened = wallet::Wallet::open(settings, brought).await.map_err(failed)?;
    // Slow stores, transports and signers go on while nobody waits for a call.
    let driven = opened.clone();
    wasm_bindgen_futures::spawn_local(async move { driven.run().await });
    Ok(Wallet(opened).into())
}

/// What a page tells a wallet.
enum Told {
    Connected(EntityId),
    Disconnected(EntityId),
    Received(EntityId, Vec<u8>),
    Tick,
    Facts(Vec<ChainFact>, Option<(String, Vec<u8>)>),
    Expected(ExpectedPayment),
    Completed(EffectId, bool),
    AlarmCleared(EntityId, SubchannelKey),
    Close,
}

/// All that is told goes through here, and all that is asked through `look`: what waits for a wallet is there once.
fn tell(wallet: &Wallet, told: Thrown<Told>) -> Promise {
    let wallet = wallet.0.clone();
    promise(async move {
        nothing(match told? {
            Told::Connected(peer) => wallet.connected(peer).await,
            Told::Disconnected(peer) => wallet.disconnected(peer).await,
            Told::Received(from, bytes) => wallet.receive(from, bytes).await,
            Told::Tick => wallet.tick().await,
            Told::Facts(facts, keep) => wallet.handle_facts(facts, keep).await,
            Told::Expected(payment) => wallet.expect(payment).await,
            Told::Completed(effect, success) => wallet.completed(effect, success).await,
            Told::AlarmCleared(peer, key) => wallet.clear_alarm(peer, key).await,
            Told::Close => wallet.close().await,
        })
    })
}

fn look(wallet: &Wallet, question: impl FnOnce(View<'_>) -> Thrown<JsValue> + 'static) -> Promise {
    let (wallet, question): (_, Question) = (wallet.0.clone(), Box::new(question));
    promise(async move { wallet.view(question).await.map_err(failed)? })
}

type Question = Box<dyn FnOnce(View<'_>) -> Thrown<JsValue>>;

#[wasm_bindgen]
impl Wallet {
    /// Opens a wallet on its store with a key in memory: a new one, one that was closed or killed, or one that was restored.
    #[wasm_bindgen(unchecked_return_type = "Promise<Wallet>")]
    pub fn open(
        key: &Key,
        host: JsHost,
        #[wasm_bindgen(unchecked_param_type = "ChannelConfig")] config: JsValue,
    ) -> Promise {
        promise(open(Ok(WalletSigner::Local(key.signer())), host, config))
    }

    /// The same with a key that is elsewhere.
    #[wasm_bindgen(js_name = openWith, unchecked_return_type = "Promise<Wallet>")]
    pub fn open_with(
        signer: JsSigner,
        host: JsHost,
        #[wasm_bindgen(unchecked_param_type = "ChannelConfig")] config: JsValue,
    ) -> Promise {
        let remote = host::Remote::new(signer).map(|remote| WalletSigner::Remote(Arc::new(remote)));
        promise(open(remote, host, config))
    }

    /// Fills an empty store from a backup of `entity`'s wallet; open it afterwards with the same depositories.
    #[wasm_bindgen(js_name = restoreBackup, unchecked_return_type = "Promise<void>")]
    pub fn restore_backup(
        store: JsStore,
        #[wasm_bindgen(js_name = entity, unchecked_param_type = "Hex")] of: String,
        #[wasm_bindgen(unchecked_param_type = "ChannelConfig")] config: JsValue,
        backup: Vec<u8>,
    ) -> Promise {
        promise(async move {
            let (of, config): (EntityId, ChannelConfig) = (entity("entity", &of)?, object("config", config)?);
            nothing(wallet::Wallet::restore_backup(&host::Store::new(store), of, &config, &backup).await)
        })
    }

    /// Whose wallet it is.
    #[wasm_bindgen(getter, unchecked_return_type = "Hex")]
    #[must_use]
    pub fn entity(&self) -> String {
        self.0.entity().to_string()
    }
}

#[wasm_bindgen]
impl Wallet {
    /// The transport has a connection to a peer.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn connected(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Promise {
        tell(self, entity("peer", &peer).map(Told::Connected))
    }

    /// The transport lost it.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn disconnected(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Promise {
        tell(self, entity("peer", &peer).map(Told::Disconnected))
    }

    /// Takes bytes from a peer, whose name the transport vouches for. Bad bytes become an event, never an error.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn receive(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] from: String, bytes: Vec<u8>) -> Promise {
        tell(self, entity("from", &from).map(|from| Told::Received(from, bytes)))
    }

    /// Does what time has brought. Call it when `nextDeadline` says so, and every minute or so.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn tick(&self) -> Promise {
        tell(self, Ok(Told::Tick))
    }

    /// Takes facts of a chain, in order, and bytes to be kept under a name in the same write: a watcher's cursor.
    #[wasm_bindgen(js_name = handleFacts, unchecked_return_type = "Promise<void>")]
    pub fn handle_facts(
        &self,
        #[wasm_bindgen(unchecked_param_type = "readonly ChainFact[]")] facts: JsValue,
        name: Option<String>,
        cursor: Option<Vec<u8>>,
    ) -> Promise {
        let keep = name.map(|name| (name, cursor.unwrap_or_default()));
        tell(self, object("facts", facts).map(|facts| Told::Facts(facts, keep)))
    }

    /// A routed payment will come that this wallet settles by itself.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn expect(&self, #[wasm_bindgen(unchecked_param_type = "ExpectedPayment")] payment: JsValue) -> Promise {
        tell(self, object("payment", payment).map(Told::Expected))
    }

    /// An action on chain came to its end: done, or failed for good.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn completed(
        &self,
        #[wasm_bindgen(unchecked_param_type = "bigint")] effect: JsValue,
        success: bool,
    ) -> Promise {
        tell(self, object("effect", effect).map(|effect| Told::Completed(EffectId(effect), success)))
    }

    /// Someone has looked at an alarm: the facts as they are now hold.
    #[wasm_bindgen(js_name = clearAlarm, unchecked_return_type = "Promise<void>")]
    pub fn clear_alarm(&self, #[wasm_bindgen(unchecked_param_type = "OfSubchannel")] values: JsValue) -> Promise {
        tell(self, object("values", values).map(|calls::OfSubchannel { peer, key }| Told::AlarmCleared(peer, key)))
    }

    /// Finishes what was begun and ends the wallet; every later call, and every one that still waits, throws `closed`.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn close(&self) -> Promise {
        tell(self, Ok(Told::Close))
    }

    /// All channels, by peer.
    #[wasm_bindgen(unchecked_return_type = "Promise<ChannelInfo[]>")]
    pub fn channels(&self) -> Promise {
        look(self, |view| plain(&view.channels().into_iter().map(ChannelInfo::from).collect::<Vec<_>>()))
    }

    /// The channel with one peer.
    #[wasm_bindgen(unchecked_return_type = "Promise<ChannelInfo | undefined>")]
    pub fn channel(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Promise {
        look(self, move |view| plain(&view.channel(&entity("peer", &peer)?).map(ChannelInfo::from)))
    }

    /// What falls due, soonest first.
    #[wasm_bindgen(unchecked_return_type = "Promise<Deadline[]>")]
    pub fn deadlines(&self) -> Promise {
        look(self, |view| plain(&view.deadlines().into_iter().map(Deadline::from).collect::<Vec<_>>()))
    }

    /// When to call `tick` at the latest, in seconds of Unix time.
    #[wasm_bindgen(js_name = nextDeadline, unchecked_return_type = "Promise<bigint | undefined>")]
    pub fn next_deadline(&self) -> Promise {
        look(self, |view| plain(&view.next_deadline()))
    }

    /// What was asked of chains and remote signers and is not done.
    #[wasm_bindgen(js_name = pendingEffects, unchecked_return_type = "Promise<PendingEffect[]>")]
    pub fn pending_effects(&self) -> Promise {
        look(self, |view| plain(&view.pending_effects().into_iter().map(PendingEffect::from).collect::<Vec<_>>()))
    }

    /// Hash over everything that the wallet holds: two with the same log have the same.
    #[wasm_bindgen(js_name = machineRoot, unchecked_return_type = "Promise<Hex>")]
    pub fn machine_root(&self) -> Promise {
        look(self, |view| Ok(view.machine_root().map_err(failed)?.to_string().into()))
    }

    /// Waits until a command stands in an agreed block, or never will.
    #[wasm_bindgen(unchecked_return_type = "Promise<Agreed>")]
    pub fn agreed(&self, #[wasm_bindgen(unchecked_param_type = "bigint")] command: JsValue) -> Promise {
        let wallet = self.0.clone();
        promise(async move {
            let agreed = wallet.agreed(CommandId(object("command", command)?)).await.map_err(failed)?;
            plain(&info::Agreed::from(agreed))
        })
    }

    /// The next event that nobody has taken; `undefined` once the wallet is closed.
    #[wasm_bindgen(js_name = nextEvent, unchecked_return_type = "Promise<WalletEvent | undefined>")]
    pub fn next_event(&self) -> Promise {
        let wallet = self.0.clone();
        promise(async move { plain(&wallet.next_event().await.map(event::WalletEvent::from)) })
    }

    /// What was kept last under a name.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array | undefined>")]
    pub fn kept(&self, name: String) -> Promise {
        let wallet = self.0.clone();
        promise(async move {
            let kept = wallet.kept(&name).await.map_err(failed)?;
            Ok(kept.map_or(JsValue::UNDEFINED, |bytes| Uint8Array::from(bytes.as_slice()).into()))
        })
    }

    /// The whole store as bytes. It is older than what is signed after it: who restores one waits for each peer's answer.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn backup(&self) -> Promise {
        let wallet = self.0.clone();
        promise(async move { Ok(Uint8Array::from(wallet.backup().await.map_err(failed)?.as_slice()).into()) })
    }

    /// Every agreed state that the store keeps of the channel with one peer.
    #[wasm_bindgen(unchecked_return_type = "Promise<Evidence[]>")]
    pub fn history(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> Promise {
        let wallet = self.0.clone();
        promise(async move { plain(&wallet.history(entity("peer", &peer)?).await.map_err(failed)?) })
    }

    /// The log that the store holds, every row checked: `replay` takes it, here or elsewhere.
    #[wasm_bindgen(unchecked_return_type = "Promise<StoredLog>")]
    pub fn log(&self) -> Promise {
        let wallet = self.0.clone();
        promise(async move { plain(&info::StoredLog::from(wallet.log().await.map_err(failed)?)) })
    }
}
