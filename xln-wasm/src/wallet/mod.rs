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

/// One method: what it takes, and what it gives once it is done.
macro_rules! methods {
    ($($(#[$doc:meta])* [$js:ident] $name:ident($wallet:ident $(, #[$($attribute:tt)*] $arg:ident: $kind:ty)*) -> $out:literal $body:block)*) => {
        #[wasm_bindgen]
        impl Wallet {$(
            $(#[$doc])*
            #[wasm_bindgen(js_name = $js, unchecked_return_type = $out)]
            pub fn $name(&self $(, #[$($attribute)*] $arg: $kind)*) -> Promise {
                let $wallet = self.0.clone();
                promise(async move { $body })
            }
        )*}
    };
}

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

methods! {
    /// The whole store as bytes. It is older than what is signed after it: who restores one waits for each peer's answer.
    [backup] backup(w) -> "Promise<Uint8Array>" {
        Ok(Uint8Array::from(w.backup().await.map_err(failed)?.as_slice()).into())
    }
    /// The transport has a connection to a peer.
    [connected] connected(w, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> "Promise<void>" {
        nothing(w.connected(entity("peer", &peer)?).await)
    }
    /// The transport lost it.
    [disconnected] disconnected(w, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> "Promise<void>" {
        nothing(w.disconnected(entity("peer", &peer)?).await)
    }
    /// Takes bytes from a peer, whose name the transport vouches for. Bad bytes become an event, never an error.
    [receive] receive(
        w,
        #[wasm_bindgen(unchecked_param_type = "Hex")] from: String,
        #[wasm_bindgen(js_name = bytes)] bytes: Vec<u8>
    ) -> "Promise<void>" {
        nothing(w.receive(entity("from", &from)?, bytes).await)
    }
    /// Does what time has brought. Call it when `nextDeadline` says so, and every minute or so.
    [tick] tick(w) -> "Promise<void>" {
        nothing(w.tick().await)
    }
    /// Takes facts of a chain, in order, and bytes to be kept under a name in the same write: a watcher's cursor.
    [handleFacts] handle_facts(
        w,
        #[wasm_bindgen(unchecked_param_type = "readonly ChainFact[]")] facts: JsValue,
        #[wasm_bindgen(js_name = name)] name: Option<String>,
        #[wasm_bindgen(js_name = cursor)] cursor: Option<Vec<u8>>
    ) -> "Promise<void>" {
        let keep = name.map(|name| (name, cursor.unwrap_or_default()));
        nothing(w.handle_facts(object("facts", facts)?, keep).await)
    }
    /// What was kept last under a name.
    [kept] kept(w, #[wasm_bindgen(js_name = name)] name: String) -> "Promise<Uint8Array | undefined>" {
        let kept = w.kept(&name).await.map_err(failed)?;
        Ok(kept.map_or(JsValue::UNDEFINED, |bytes| Uint8Array::from(bytes.as_slice()).into()))
    }
    /// A routed payment will come that this wallet settles by itself.
    [expect] expect(w, #[wasm_bindgen(unchecked_param_type = "ExpectedPayment")] payment: JsValue) -> "Promise<void>" {
        nothing(w.expect(object("payment", payment)?).await)
    }
    /// Begins a cross-chain swap; its end is an event. Gives the command's name.
    [crossSwap] cross_swap(
        w,
        #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String,
        #[wasm_bindgen(unchecked_param_type = "CrossSwapOffer")] offer: JsValue
    ) -> "Promise<bigint>" {
        plain(&w.cross_swap(entity("peer", &peer)?, object("offer", offer)?).await.map_err(failed)?)
    }
    /// Lets the peer begin one cross-chain swap on exactly these terms. Gives the command's name.
    [acceptCrossSwap] accept_cross_swap(
        w,
        #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String,
        #[wasm_bindgen(unchecked_param_type = "CrossSwapConsent")] consent: JsValue
    ) -> "Promise<bigint>" {
        plain(&w.accept_cross_swap(entity("peer", &peer)?, object("consent", consent)?).await.map_err(failed)?)
    }
    /// An action on chain came to its end: done, or failed for good.
    [completed] completed(
        w,
        #[wasm_bindgen(unchecked_param_type = "bigint")] effect: JsValue,
        #[wasm_bindgen(js_name = success)] success: bool
    ) -> "Promise<void>" {
        nothing(w.completed(EffectId(object("effect", effect)?), success).await)
    }
    /// Waits until a command stands in an agreed block, or never will.
    [agreed] agreed(w, #[wasm_bindgen(unchecked_param_type = "bigint")] command: JsValue) -> "Promise<Agreed>" {
        plain(&info::Agreed::from(w.agreed(CommandId(object("command", command)?)).await.map_err(failed)?))
    }
    /// The next event that nobody has taken; `undefined` once the wallet is closed.
    [nextEvent] next_event(w) -> "Promise<WalletEvent | undefined>" {
        plain(&w.next_event().await.map(event::WalletEvent::from))
    }
    /// All channels, by peer.
    [channels] channels(w) -> "Promise<ChannelInfo[]>" {
        plain(&w.channels().await.map_err(failed)?.into_iter().map(ChannelInfo::from).collect::<Vec<_>>())
    }
    /// The channel with one peer.
    [channel] channel(w, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> "Promise<ChannelInfo | undefined>" {
        plain(&w.channel(entity("peer", &peer)?).await.map_err(failed)?.map(ChannelInfo::from))
    }
    /// Every agreed state that the store keeps of the channel with one peer.
    [history] history(w, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String) -> "Promise<Evidence[]>" {
        plain(&w.history(entity("peer", &peer)?).await.map_err(failed)?)
    }
    /// The log that the store holds, every row checked: `replay` takes it, here or elsewhere.
    [log] log(w) -> "Promise<StoredLog>" {
        plain(&info::StoredLog::from(w.log().await.map_err(failed)?))
    }
    /// What falls due, soonest first.
    [deadlines] deadlines(w) -> "Promise<Deadline[]>" {
        plain(&w.deadlines().await.map_err(failed)?.into_iter().map(Deadline::from).collect::<Vec<_>>())
    }
    /// When to call `tick` at the latest, in seconds of Unix time.
    [nextDeadline] next_deadline(w) -> "Promise<bigint | undefined>" {
        plain(&w.next_deadline().await.map_err(failed)?)
    }
    /// What was asked of chains and remote signers and is not done.
    [pendingEffects] pending_effects(w) -> "Promise<PendingEffect[]>" {
        plain(&w.pending_effects().await.map_err(failed)?.into_iter().map(PendingEffect::from).collect::<Vec<_>>())
    }
    /// Hash over everything that the wallet holds: two with the same log have the same.
    [machineRoot] machine_root(w) -> "Promise<Hex>" {
        Ok(w.machine_root().await.map_err(failed)?.to_string().into())
    }
    /// Finishes what was begun and ends the wallet; every later call, and every one that still waits, throws `closed`.
    [close] close(w) -> "Promise<void>" {
        nothing(w.close().await)
    }
}
