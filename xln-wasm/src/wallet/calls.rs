//! What a page asks of its channels: one object of named values each, so that no amount is taken for a token.

use js_sys::Promise;
use serde::Deserialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;
use xln_core::channel::Arguments;
use xln_core::machine::{Action, Command};
use xln_core::proof::SettlementUpdate;
use xln_core::transition::Transition;
use xln_core::types::{Address, EntityId, Hash, HashKind, Secret, SubchannelKey, TokenId, UnixSeconds};
use xln_node::wallet::{LockTerms, OfferTerms};

use super::{Wallet, failed, info, nothing, promise};
use crate::convert::{entity, object, plain};

/// The values of a call: who and where, and what it is about.
macro_rules! values {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $ts:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Tsify, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The other entity.
            #[tsify(type = "Hex")]
            peer: EntityId,
            /// Which subchannel.
            #[tsify(type = "SubchannelKey")]
            key: SubchannelKey,
            $($(#[$doc])* #[tsify(type = $ts)] $field: $type,)*
        }
    )*};
}

values! {
    /// A subchannel.
    OfSubchannel {}
    /// A subchannel to be opened.
    OpenChannel {
        /// SubcontractProviders that both accept.
        providers: Vec<Address> = "Hex[]",
        /// How long before expiry a payment must be settled off chain, in seconds.
        settle_margin_s: u64 = "bigint",
    }
    /// A token of a subchannel.
    OfToken {
        /// Which token.
        token: TokenId = "number",
    }
    /// How far the peer may owe this side.
    Credit {
        /// Which token.
        token: TokenId = "number",
        /// The limit, in the token's base unit.
        limit: u128 = "bigint",
    }
    /// A payment at once.
    Payment {
        /// Which token.
        token: TokenId = "number",
        /// How much, in the token's base unit.
        amount: u128 = "bigint",
    }
    /// A payment that a secret settles.
    Lock {
        /// Which token.
        token: TokenId = "number",
        /// How much, in the token's base unit.
        amount: u128 = "bigint",
        /// Hash function of the lock.
        kind: HashKind = "HashKind",
        /// Hash of the secret.
        hash: Hash = "Hex",
        /// Last second at which it can be settled.
        expiry: UnixSeconds = "bigint",
    }
    /// Something pending, by its id.
    OfId {
        /// Its id.
        id: u64 = "bigint",
    }
    /// A payment and its secret.
    Settle {
        /// The payment's id.
        id: u64 = "bigint",
        /// 32 bytes.
        secret: Secret = "Hex",
    }
    /// A swap that the peer may fill.
    Offer {
        /// What this side gives.
        give_token: TokenId = "number",
        /// How much in all, in that token's base unit.
        give: u128 = "bigint",
        /// What this side wants.
        want_token: TokenId = "number",
        /// How much for all of it, in that token's base unit.
        want: u128 = "bigint",
        /// The smallest fill, in units of `give`.
        min_fill: u128 = "bigint",
        /// Last second at which it can be filled.
        expiry: UnixSeconds = "bigint",
    }
    /// What is taken of an offer.
    Fill {
        /// The offer's id.
        id: u64 = "bigint",
        /// How much of what it gives.
        fill: u128 = "bigint",
    }
    /// A settlement.
    Settlement {
        /// What moves.
        update: SettlementUpdate = "SettlementUpdate",
        /// Last second of chain time at which it can be submitted.
        expiry: UnixSeconds = "bigint",
        /// Whether this wallet submits it once both have signed.
        submit: bool = "boolean",
    }
    /// A settlement that the peer may propose.
    Consent {
        /// Exactly what it moves.
        update: SettlementUpdate = "SettlementUpdate",
    }
    /// A close by agreement.
    Close {
        /// Last second of chain time at which it can be submitted.
        expiry: UnixSeconds = "bigint",
        /// Whether this wallet submits it once both have signed.
        submit: bool = "boolean",
    }
    /// A step of a dispute.
    Dispute {
        /// What is shown.
        arguments: Arguments = "DisputeArguments",
    }
    /// The tokens of a dispute with the empty state.
    EmptyDispute {
        /// The tokens to settle.
        tokens: Vec<TokenId> = "number[]",
    }
    /// A secret for the registry on chain.
    Reveal {
        /// The registry.
        provider: Address = "Hex",
        /// Hash function of the lock.
        kind: HashKind = "HashKind",
        /// 32 bytes.
        secret: Secret = "Hex",
    }
}

/// One method: reads the values, asks the wallet, gives what it says.
macro_rules! calls {
    ($($(#[$doc:meta])* $js:literal $name:ident($values:ident $ts:literal) -> $out:literal
        |$wallet:ident, $v:ident| $call:expr, |$result:ident| $give:expr;)*) => {
        #[wasm_bindgen]
        impl Wallet {$(
            $(#[$doc])*
            #[wasm_bindgen(js_name = $js, unchecked_return_type = $out)]
            pub fn $name(&self, #[wasm_bindgen(unchecked_param_type = $ts)] values: JsValue) -> Promise {
                let wallet = self.0.clone();
                promise(async move {
                    let ($wallet, $v): (_, $values) = (&wallet, object("values", values)?);
                    let $result = $call.await.map_err(failed)?;
                    plain(&$give)
                })
            }
        )*}
    };
}

calls! {
    /// Opens the part of the channel with a peer that one Depository enforces.
    "openChannel" open_channel(OpenChannel "OpenChannel") -> "Promise<Agreed>"
        |w, v| w.open_channel(v.peer, v.key, v.providers, v.settle_margin_s), |agreed| info::Agreed::from(agreed);
    /// Closes a subchannel that is empty, off chain.
    "closeChannel" close_channel(OfSubchannel "OfSubchannel") -> "Promise<Agreed>"
        |w, v| w.close_channel(v.peer, v.key), |agreed| info::Agreed::from(agreed);
    /// Adds a token.
    "addToken" add_token(OfToken "OfToken") -> "Promise<Agreed>"
        |w, v| w.add_token(v.peer, v.key, v.token), |agreed| info::Agreed::from(agreed);
    /// Removes a token that is empty.
    "removeToken" remove_token(OfToken "OfToken") -> "Promise<Agreed>"
        |w, v| w.remove_token(v.peer, v.key, v.token), |agreed| info::Agreed::from(agreed);
    /// Sets how far the peer may owe this side.
    "grantCredit" grant_credit(Credit "Credit") -> "Promise<Agreed>"
        |w, v| w.grant_credit(v.peer, v.key, v.token, v.limit), |agreed| info::Agreed::from(agreed);
    /// Pays. Resolves once the peer has agreed.
    "pay" pay(Payment "Payment") -> "Promise<Agreed>"
        |w, v| w.pay(v.peer, v.key, v.token, v.amount), |agreed| info::Agreed::from(agreed);
    /// The quick form of `pay`: resolves once it is durable, with a name for `agreed`.
    "queuePayment" queue_payment(Payment "Payment") -> "Promise<bigint>"
        |w, v| {
            let transition = Transition::DirectPayment { key: v.key, token: v.token, amount: v.amount };
            w.queue(Command { peer: v.peer, action: Action::Propose { transition, submit: false } })
        }, |command| command;
    /// Offers a payment that a secret settles, and gives its id.
    "lock" lock(Lock "Lock") -> "Promise<bigint>"
        |w, v| {
            let Lock { peer, key, token, amount, kind, hash, expiry } = v;
            w.lock(peer, key, LockTerms { token, amount, kind, hash, expiry, onion: Vec::new() })
        }, |id| id;
    /// Takes a payment with its secret.
    "settle" settle(Settle "Settle") -> "Promise<Agreed>"
        |w, v| w.settle(v.peer, v.key, v.id, v.secret), |agreed| info::Agreed::from(agreed);
    /// Gives a payment up, or takes an own one back after its expiry.
    "cancel" cancel(OfId "OfId") -> "Promise<Agreed>"
        |w, v| w.cancel(v.peer, v.key, v.id), |agreed| info::Agreed::from(agreed);
    /// Offers a swap, and gives its id.
    "offer" offer(Offer "Offer") -> "Promise<bigint>"
        |w, v| {
            let Offer { peer, key, give_token, give, want_token, want, min_fill, expiry } = v;
            w.offer(peer, key, OfferTerms { give_token, give, want_token, want, min_fill, expiry })
        }, |id| id;
    /// Takes a part of what the peer's offer gives.
    "fill" fill(Fill "Fill") -> "Promise<Agreed>"
        |w, v| w.fill(v.peer, v.key, v.id, v.fill), |agreed| info::Agreed::from(agreed);
    /// Takes an own offer back.
    "cancelOffer" cancel_offer(OfId "OfId") -> "Promise<Agreed>"
        |w, v| w.cancel_offer(v.peer, v.key, v.id), |agreed| info::Agreed::from(agreed);
    /// Proposes a co-signed diff on chain and gives its id.
    "proposeSettlement" propose_settlement(Settlement "Settlement") -> "Promise<bigint>"
        |w, v| w.propose_settlement(v.peer, v.key, v.update, v.expiry, v.submit), |id| id;
    /// Lets the peer propose exactly this diff, once, although it takes something from this side.
    "consent" consent(Consent "Consent") -> "Promise<bigint>"
        |w, v| w.consent(v.peer, v.key, v.update), |command| command;
    /// Proposes a co-signed close at the present balances and gives its id.
    "proposeClose" propose_close(Close "Close") -> "Promise<bigint>"
        |w, v| w.propose_close(v.peer, v.key, v.expiry, v.submit), |id| id;
    /// Submits the open settlement or close that both have signed.
    "submitSettlement" submit_settlement(OfSubchannel "OfSubchannel") -> "Promise<bigint>"
        |w, v| w.submit_settlement(v.peer, v.key), |command| command;
    /// Starts a dispute with the latest state, or the one in `arguments`.
    "startDispute" start_dispute(Dispute "Dispute") -> "Promise<bigint>"
        |w, v| w.start_dispute(v.peer, v.key, v.arguments), |command| command;
    /// Starts a dispute with the empty state: the way out without any signature of the peer.
    "startEmptyDispute" start_empty_dispute(EmptyDispute "EmptyDispute") -> "Promise<bigint>"
        |w, v| w.start_empty_dispute(v.peer, v.key, v.tokens), |command| command;
    /// Shows a newer state in a dispute.
    "counterDispute" counter_dispute(Dispute "Dispute") -> "Promise<bigint>"
        |w, v| w.counter_dispute(v.peer, v.key, v.arguments), |command| command;
    /// Takes the state that a dispute shows.
    "acceptDispute" accept_dispute(Dispute "Dispute") -> "Promise<bigint>"
        |w, v| w.accept_dispute(v.peer, v.key, v.arguments), |command| command;
    /// Ends a dispute.
    "finalizeDispute" finalize_dispute(Dispute "Dispute") -> "Promise<bigint>"
        |w, v| w.finalize_dispute(v.peer, v.key, v.arguments), |command| command;
    /// Puts a secret into the registry on chain.
    "reveal" reveal(Reveal "Reveal") -> "Promise<bigint>"
        |w, v| w.reveal(v.peer, v.key, v.provider, v.kind, v.secret), |command| command;
}

#[wasm_bindgen]
impl Wallet {
    /// Someone has looked at an alarm: the facts as they are now hold.
    #[wasm_bindgen(js_name = clearAlarm, unchecked_return_type = "Promise<void>")]
    pub fn clear_alarm(&self, #[wasm_bindgen(unchecked_param_type = "OfSubchannel")] values: JsValue) -> Promise {
        let wallet = self.0.clone();
        promise(async move {
            let OfSubchannel { peer, key } = object("values", values)?;
            nothing(wallet.clear_alarm(peer, key).await)
        })
    }

    /// Sends opaque bytes, agreed and durable on both sides.
    #[wasm_bindgen(unchecked_return_type = "Promise<Agreed>")]
    pub fn memo(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String, data: Vec<u8>) -> Promise {
        let wallet = self.0.clone();
        promise(
            async move { plain(&info::Agreed::from(wallet.memo(entity("peer", &peer)?, data).await.map_err(failed)?)) },
        )
    }
}
