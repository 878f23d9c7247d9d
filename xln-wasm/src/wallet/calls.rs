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
use xln_node::wallet::WalletError;

use super::{Wallet, failed, info, promise};
use crate::convert::{entity, object, plain};
use crate::error::Thrown;

/// The values of a call: who and where, and what it is about.
macro_rules! values {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $ts:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Tsify, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The other entity.
            #[tsify(type = "Hex")]
            pub(super) peer: EntityId,
            /// Which subchannel.
            #[tsify(type = "SubchannelKey")]
            pub(super) key: SubchannelKey,
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

/// What a call gives once its command is taken.
enum Gives {
    /// The command's name, at once.
    Name,
    /// What was agreed.
    Agreed,
    /// The id of what was made, once it is agreed.
    Id,
}

/// All calls go through here: what waits for a wallet is there once and not for each of them.
fn run(wallet: &Wallet, command: Thrown<Command>, gives: Gives) -> Promise {
    let wallet = wallet.0.clone();
    promise(async move {
        let name = wallet.queue(command?).await.map_err(failed)?;
        if let Gives::Name = gives {
            return plain(&name);
        }
        let agreed = wallet.agreed(name).await.map_err(failed)?;
        match gives {
            Gives::Id => plain(&agreed.id.ok_or(WalletError::UnknownCommand).map_err(failed)?),
            _ => plain(&info::Agreed::from(agreed)),
        }
    })
}

const fn propose(transition: Transition) -> Action {
    Action::Propose { transition, submit: false }
}

/// One method: reads the values and says which command they are.
macro_rules! calls {
    ($($(#[$doc:meta])* $js:literal $name:ident($values:ident $ts:literal) -> $out:literal $gives:ident
        |$v:ident| $action:expr;)*) => {
        #[wasm_bindgen]
        impl Wallet {$(
            $(#[$doc])*
            #[wasm_bindgen(js_name = $js, unchecked_return_type = $out)]
            pub fn $name(&self, #[wasm_bindgen(unchecked_param_type = $ts)] values: JsValue) -> Promise {
                let command = object("values", values).map(|$v: $values| Command { peer: $v.peer, action: $action });
                run(self, command, Gives::$gives)
            }
        )*}
    };
}

calls! {
    /// Opens the part of the channel with a peer that one Depository enforces.
    "openChannel" open_channel(OpenChannel "OpenChannel") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::OpenSubchannel { key: v.key, providers: v.providers, settle_margin_s: v.settle_margin_s });
    /// Closes a subchannel that is empty, off chain.
    "closeChannel" close_channel(OfSubchannel "OfSubchannel") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::CloseSubchannel { key: v.key });
    /// Adds a token.
    "addToken" add_token(OfToken "OfToken") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::AddToken { key: v.key, token: v.token });
    /// Removes a token that is empty.
    "removeToken" remove_token(OfToken "OfToken") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::RemoveToken { key: v.key, token: v.token });
    /// Sets how far the peer may owe this side.
    "grantCredit" grant_credit(Credit "Credit") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::SetCreditLimit { key: v.key, token: v.token, limit: v.limit });
    /// Pays. Resolves once the peer has agreed.
    "pay" pay(Payment "Payment") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::DirectPayment { key: v.key, token: v.token, amount: v.amount });
    /// The quick form of `pay`: resolves once it is durable, with a name for `agreed`.
    "queuePayment" queue_payment(Payment "Payment") -> "Promise<bigint>" Name |v| propose(
        Transition::DirectPayment { key: v.key, token: v.token, amount: v.amount });
    /// Offers a payment that a secret settles, and gives its id.
    "lock" lock(Lock "Lock") -> "Promise<bigint>" Id |v| propose({
        let Lock { key, token, amount, kind, hash, expiry, .. } = v;
        Transition::AddPayment { key, token, amount, kind, hash, expiry, onion: Vec::new() }
    });
    /// Takes a payment with its secret.
    "settle" settle(Settle "Settle") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::SettlePayment { key: v.key, id: v.id, secret: v.secret });
    /// Gives a payment up, or takes an own one back after its expiry.
    "cancel" cancel(OfId "OfId") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::CancelPayment { key: v.key, id: v.id });
    /// Offers a swap, and gives its id.
    "offer" offer(Offer "Offer") -> "Promise<bigint>" Id |v| propose({
        let Offer { key, give_token, give, want_token, want, min_fill, expiry, .. } = v;
        Transition::OfferSwap { key, give_token, give, want_token, want, min_fill, expiry }
    });
    /// Takes a part of what the peer's offer gives.
    "fill" fill(Fill "Fill") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::FillSwap { key: v.key, id: v.id, fill: v.fill });
    /// Takes an own offer back.
    "cancelOffer" cancel_offer(OfId "OfId") -> "Promise<Agreed>" Agreed |v| propose(
        Transition::CancelSwap { key: v.key, id: v.id });
    /// Proposes a co-signed diff on chain and gives its id.
    "proposeSettlement" propose_settlement(Settlement "Settlement") -> "Promise<bigint>" Id |v| Action::Propose {
        transition: Transition::ProposeSettlement { key: v.key, update: v.update, expiry: v.expiry }, submit: v.submit };
    /// Lets the peer propose exactly this diff, once, although it takes something from this side.
    "consent" consent(Consent "Consent") -> "Promise<bigint>" Name |v| Action::Consent { key: v.key, update: v.update };
    /// Proposes a co-signed close at the present balances and gives its id.
    "proposeClose" propose_close(Close "Close") -> "Promise<bigint>" Id |v| Action::Propose {
        transition: Transition::ProposeClose { key: v.key, expiry: v.expiry }, submit: v.submit };
    /// Submits the open settlement or close that both have signed.
    "submitSettlement" submit_settlement(OfSubchannel "OfSubchannel") -> "Promise<bigint>" Name |v|
        Action::SubmitSettlement { key: v.key };
    /// Starts a dispute with the latest state, or the one in `arguments`.
    "startDispute" start_dispute(Dispute "Dispute") -> "Promise<bigint>" Name |v|
        Action::StartDispute { key: v.key, arguments: v.arguments };
    /// Starts a dispute with the empty state: the way out without any signature of the peer.
    "startEmptyDispute" start_empty_dispute(EmptyDispute "EmptyDispute") -> "Promise<bigint>" Name |v|
        Action::StartEmptyDispute { key: v.key, tokens: v.tokens };
    /// Shows a newer state in a dispute.
    "counterDispute" counter_dispute(Dispute "Dispute") -> "Promise<bigint>" Name |v|
        Action::CounterDispute { key: v.key, arguments: v.arguments };
    /// Takes the state that a dispute shows.
    "acceptDispute" accept_dispute(Dispute "Dispute") -> "Promise<bigint>" Name |v|
        Action::AcceptDispute { key: v.key, arguments: v.arguments };
    /// Ends a dispute.
    "finalizeDispute" finalize_dispute(Dispute "Dispute") -> "Promise<bigint>" Name |v|
        Action::FinalizeDispute { key: v.key, arguments: v.arguments };
    /// Puts a secret into the registry on chain.
    "reveal" reveal(Reveal "Reveal") -> "Promise<bigint>" Name |v|
        Action::Reveal { key: v.key, provider: v.provider, kind: v.kind, secret: v.secret };
}

#[wasm_bindgen]
impl Wallet {
    /// Begins a cross-chain swap; its end is an event. Gives the command's name.
    #[wasm_bindgen(js_name = crossSwap, unchecked_return_type = "Promise<bigint>")]
    pub fn cross_swap(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String,
        #[wasm_bindgen(unchecked_param_type = "CrossSwapOffer")] offer: JsValue,
    ) -> Promise {
        let action = object("offer", offer).map(Action::CrossSwap);
        run(self, with(&peer, action), Gives::Name)
    }

    /// Lets the peer begin one cross-chain swap on exactly these terms. Gives the command's name.
    #[wasm_bindgen(js_name = acceptCrossSwap, unchecked_return_type = "Promise<bigint>")]
    pub fn accept_cross_swap(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String,
        #[wasm_bindgen(unchecked_param_type = "CrossSwapConsent")] consent: JsValue,
    ) -> Promise {
        let action = object("consent", consent).map(Action::AcceptCrossSwap);
        run(self, with(&peer, action), Gives::Name)
    }

    /// Sends opaque bytes, agreed and durable on both sides.
    #[wasm_bindgen(unchecked_return_type = "Promise<Agreed>")]
    pub fn memo(&self, #[wasm_bindgen(unchecked_param_type = "Hex")] peer: String, data: Vec<u8>) -> Promise {
        run(self, with(&peer, Ok(propose(Transition::Memo { data }))), Gives::Agreed)
    }
}

fn with(peer: &str, action: Thrown<Action>) -> Thrown<Command> {
    Ok(Command { peer: entity("peer", peer)?, action: action? })
}
