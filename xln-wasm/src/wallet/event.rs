//! Events as plain objects, told apart by `type`; their TypeScript is in `types.d.ts`.

use serde::Serialize;
use xln_core::chain::ChainAction;
use xln_core::channel::{Event, Purpose};
use xln_core::types::{EntityId, Hash};
use xln_node::wallet;

/// A transaction to be sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallRequest {
    chain: u64,
    to: String,
    value: u128,
    data: String,
    by_entity: bool,
}

impl From<wallet::CallRequest> for CallRequest {
    fn from(call: wallet::CallRequest) -> Self {
        let wallet::CallRequest { chain, to, value, data, by_entity } = call;
        let data = alloy_primitives::hex::encode_prefixed(data);
        Self { chain: chain.0, to: to.to_string(), value, data, by_entity }
    }
}

/// What a remote signer is asked.
#[derive(Serialize)]
pub(super) struct SignRequest {
    peer: EntityId,
    purpose: Purpose,
    digest: Hash,
}

impl From<wallet::SignRequest> for SignRequest {
    fn from(request: wallet::SignRequest) -> Self {
        let wallet::SignRequest { peer, purpose, digest } = request;
        Self { peer, purpose, digest }
    }
}

/// What happened.
#[derive(Serialize)]
#[expect(clippy::large_enum_variant, reason = "it lives for one conversion")]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum WalletEvent {
    Submit {
        effect: u64,
        action: ChainAction,
        call: Option<CallRequest>,
    },
    SignRequested {
        effect: u64,
        request: SignRequest,
    },
    SignFailed {
        effect: u64,
        reason: String,
    },
    SendFailed {
        to: EntityId,
        reason: String,
    },
    Poisoned {
        reason: String,
    },
    Missed {
        count: u64,
    },
    #[serde(untagged)]
    Channel(Event),
}

impl From<wallet::WalletEvent> for WalletEvent {
    fn from(event: wallet::WalletEvent) -> Self {
        use wallet::WalletEvent as Core;
        match event {
            Core::Channel(event) => Self::Channel(event),
            Core::Submit { effect, action, call } => {
                Self::Submit { effect: effect.0, action, call: call.map(CallRequest::from) }
            }
            Core::SignRequested { effect, request } => {
                Self::SignRequested { effect: effect.0, request: request.into() }
            }
            Core::SignFailed { effect, reason } => Self::SignFailed { effect: effect.0, reason: reason.0 },
            Core::SendFailed { to, reason } => Self::SendFailed { to, reason: reason.0 },
            Core::Poisoned { reason } => Self::Poisoned { reason: reason.0 },
            Core::Missed { count } => Self::Missed { count },
        }
    }
}
