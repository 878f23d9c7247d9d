//! What a page brings, as the traits of the wallet.

use std::sync::Arc;

use async_trait::async_trait;
use js_sys::{Array, Date, Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use xln_core::types::EntityId;
use xln_node::wallet::{
    Clock, EventListener, HostError, KvStore, KvWrite, MessageSink, RemoteSigner, Row, SignRequest, WalletEvent,
};

use super::event;
use crate::convert::{entity, object, plain};
use crate::error::{Thrown, invalid};

#[wasm_bindgen]
extern "C" {
    /// A page's store.
    #[wasm_bindgen(typescript_type = "WalletStore")]
    pub type JsStore;
    #[wasm_bindgen(method, catch)]
    fn get(this: &JsStore, key: Uint8Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn scan(this: &JsStore, prefix: Uint8Array) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn commit(this: &JsStore, batch: Array) -> Result<JsValue, JsValue>;

    /// A page's transport.
    pub type JsTransport;
    #[wasm_bindgen(method, catch)]
    fn send(this: &JsTransport, to: &str, bytes: Uint8Array) -> Result<JsValue, JsValue>;

    /// A page's remote signer.
    #[wasm_bindgen(typescript_type = "RemoteSigner")]
    pub type JsSigner;
    #[wasm_bindgen(method, getter, catch, js_name = entity)]
    fn entity_of(this: &JsSigner) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn sign(this: &JsSigner, request: JsValue) -> Result<JsValue, JsValue>;

    /// What a page brings.
    #[wasm_bindgen(typescript_type = "WalletHost")]
    pub type JsHost;
    #[wasm_bindgen(method, getter, catch, js_name = store)]
    fn store_of(this: &JsHost) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = transport)]
    fn transport_of(this: &JsHost) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = now)]
    fn now_of(this: &JsHost) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = onEvent)]
    fn listener_of(this: &JsHost) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, getter, catch, js_name = snapshotEvery)]
    fn snapshot_every_of(this: &JsHost) -> Result<JsValue, JsValue>;
}

/// What a page threw, for people.
fn thrown(value: JsValue) -> HostError {
    let text = value.dyn_ref::<js_sys::Error>().map(|error| String::from(error.to_string()));
    HostError::new(text.unwrap_or_else(|| format!("{value:?}")))
}

/// What a call gives, at once or later.
async fn answer(call: Result<JsValue, JsValue>) -> Result<JsValue, HostError> {
    let promise = Promise::resolve(&call.map_err(thrown)?);
    JsFuture::from(promise).await.map_err(thrown)
}

fn bytes(value: JsValue) -> Result<Vec<u8>, HostError> {
    let array =
        value.dyn_into::<Uint8Array>().map_err(|_| HostError::new("a store or signer must give a Uint8Array"))?;
    Ok(array.to_vec())
}

fn present(name: &str, value: Result<JsValue, JsValue>) -> Thrown<Option<JsValue>> {
    let value = value.map_err(|error| invalid(name, &thrown(error)))?;
    Ok((!value.is_undefined() && !value.is_null()).then_some(value))
}

fn required(name: &str, value: Result<JsValue, JsValue>) -> Thrown<JsValue> {
    present(name, value)?.ok_or_else(|| invalid(name, &"is missing"))
}

fn function(name: &str, value: Result<JsValue, JsValue>) -> Thrown<Option<Function>> {
    let found = present(name, value)?.map(|value| value.dyn_into::<Function>());
    found.transpose().map_err(|_| invalid(name, &"is no function"))
}

impl JsHost {
    pub(super) fn store(&self) -> Thrown<Arc<dyn KvStore>> {
        Ok(Arc::new(Store::new(required("store", self.store_of())?.unchecked_into())))
    }

    pub(super) fn transport(&self) -> Thrown<Arc<dyn MessageSink>> {
        Ok(Arc::new(Sink(required("transport", self.transport_of())?.unchecked_into())))
    }

    pub(super) fn clock(&self) -> Thrown<Arc<dyn Clock>> {
        Ok(Arc::new(PageClock(function("now", self.now_of())?)))
    }

    pub(super) fn listener(&self) -> Thrown<Option<Arc<dyn EventListener>>> {
        let Some(callback) = function("onEvent", self.listener_of())? else { return Ok(None) };
        Ok(Some(Arc::new(Listener(callback))))
    }

    pub(super) fn snapshot_every(&self) -> Thrown<Option<u64>> {
        present("snapshotEvery", self.snapshot_every_of())?.map(|value| object("snapshotEvery", value)).transpose()
    }
}

/// A page's store.
pub(super) struct Store(JsStore);

impl Store {
    pub(super) const fn new(store: JsStore) -> Self {
        Self(store)
    }
}

#[async_trait(?Send)]
impl KvStore for Store {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError> {
        let value = answer(self.0.get(Uint8Array::from(key.as_slice()))).await?;
        if value.is_undefined() || value.is_null() { Ok(None) } else { bytes(value).map(Some) }
    }

    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<Row>, HostError> {
        let rows = answer(self.0.scan(Uint8Array::from(prefix.as_slice()))).await?;
        let rows = rows.dyn_into::<Array>().map_err(|_| HostError::new("a scan must give an array of rows"))?;
        let row = |value: JsValue| {
            let row = value.dyn_into::<Array>().map_err(|_| HostError::new("a row must be an array of two"))?;
            Ok((bytes(row.get(0))?, bytes(row.get(1))?))
        };
        rows.iter().map(row).collect()
    }

    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError> {
        let write = |write: &KvWrite| match write {
            KvWrite::Put { key, value } => {
                Array::of2(&Uint8Array::from(key.as_slice()), &Uint8Array::from(value.as_slice()))
            }
            KvWrite::Delete { key } => Array::of2(&Uint8Array::from(key.as_slice()), &JsValue::NULL),
        };
        answer(self.0.commit(batch.iter().map(write).collect())).await.map(drop)
    }
}

/// A page's transport.
struct Sink(JsTransport);

#[async_trait(?Send)]
impl MessageSink for Sink {
    async fn send(&self, to: EntityId, bytes: Vec<u8>) -> Result<(), HostError> {
        answer(self.0.send(&to.to_string(), Uint8Array::from(bytes.as_slice()))).await.map(drop)
    }
}

/// A page's remote signer.
pub(super) struct Remote {
    signer: JsSigner,
    entity: EntityId,
}

impl Remote {
    pub(super) fn new(signer: JsSigner) -> Thrown<Self> {
        let text = required("signer", signer.entity_of())?.as_string().unwrap_or_default();
        Ok(Self { entity: entity("signer", &text)?, signer })
    }
}

#[async_trait(?Send)]
impl RemoteSigner for Remote {
    fn entity(&self) -> EntityId {
        self.entity
    }

    async fn sign(&self, request: SignRequest) -> Result<Vec<u8>, HostError> {
        let request = plain(&event::SignRequest::from(request)).map_err(|error| thrown(error.into()))?;
        bytes(answer(self.signer.sign(request)).await?)
    }
}

/// The page's clock, or its own one for tests.
struct PageClock(Option<Function>);

impl Clock for PageClock {
    fn now_s(&self) -> u64 {
        let own = self.0.as_ref().and_then(|now| now.call0(&JsValue::UNDEFINED).ok());
        own.and_then(|now| object("now", now).ok()).unwrap_or_else(|| {
            let milliseconds: u64 = object("now", JsValue::from_f64(Date::now())).unwrap_or_default();
            milliseconds.checked_div(1000).unwrap_or_default()
        })
    }
}

/// A page's listener. What it throws is its own business: nothing here waits for it.
struct Listener(Function);

impl EventListener for Listener {
    fn on_event(&self, event: WalletEvent) {
        if let Ok(value) = plain(&event::WalletEvent::from(event)) {
            drop(self.0.call1(&JsValue::UNDEFINED, &value));
        }
    }
}
