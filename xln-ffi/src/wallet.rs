//! The wallet as an object of Kotlin and Swift. Each method is the one of the same name in [`xln_node::wallet`].

use std::sync::Arc;

use xln_core::channel::ChannelConfig;
use xln_core::machine::{Action, Command};
use xln_node::wallet::{self, WalletHost};

use crate::asks::*;
use crate::chain::ChainFact;
use crate::config::WalletConfig;
use crate::driver::Driver;
use crate::error::XlnError;
use crate::events::{Agreed, WalletEvent};
use crate::hosts::{Clock, EventListener, Host, KvStore, SteadyClock, Transport, WalletSigner, system_clock};
use crate::info::{ChannelInfo, Deadline, PendingEffect};
use crate::proofs::StoredLog;
use crate::types::*;

/// One entity's channels. It is safe to call from any thread; calls are taken one after another. A call that is cancelled
/// loses nothing: what was begun is finished by the next one, or by a thread of the wallet's own that drives what nobody
/// waits for. After `Store` or `Poisoned` it must be opened anew.
#[derive(uniffi::Object)]
pub struct Wallet(
    wallet::Wallet,
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

impl Wallet {
    async fn act(&self, peer: EntityId, action: Action) -> Result<CommandId, XlnError> {
        Ok(self.0.queue(Command { peer, action }).await?)
    }
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

    /// Proposes a transition and waits until it is agreed.
    ///
    /// # Errors
    /// `Refused` by the rules or the peer, with nothing changed; as `connected`.
    pub async fn propose(&self, peer: EntityId, transition: Transition) -> Result<Agreed, XlnError> {
        Ok(self.0.propose(peer, transition).await?)
    }

    /// Asks for a transition, durably, and gives its name at once; `agreed` waits for its end.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn queue(&self, peer: EntityId, transition: Transition) -> Result<CommandId, XlnError> {
        self.act(peer, Action::Propose { transition, submit: false }).await
    }

    /// Asks for all of these in one write, or for none of them.
    ///
    /// # Errors
    /// The first refusal; as `connected`.
    pub async fn queue_all(&self, peer: EntityId, transitions: Vec<Transition>) -> Result<Vec<CommandId>, XlnError> {
        let propose = |transition| Command { peer, action: Action::Propose { transition, submit: false } };
        Ok(self.0.queue_all(transitions.into_iter().map(propose).collect()).await?)
    }

    /// Waits until a proposed transition stands in an agreed block, or never will. The last few thousand ends are known.
    ///
    /// # Errors
    /// `Refused` if it failed, `UnknownCommand`, or as `connected`.
    pub async fn agreed(&self, command: CommandId) -> Result<Agreed, XlnError> {
        Ok(self.0.agreed(command).await?)
    }

    /// Opens the part of the channel with `peer` that one Depository enforces; the channel itself needs no opening.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn open_channel(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        providers: Vec<Address>,
        settle_margin_s: u64,
    ) -> Result<Agreed, XlnError> {
        Ok(self.0.open_channel(peer, key, providers, settle_margin_s).await?)
    }

    /// Closes a subchannel that is empty, off chain.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn close_channel(&self, peer: EntityId, key: SubchannelKey) -> Result<Agreed, XlnError> {
        Ok(self.0.close_channel(peer, key).await?)
    }

    /// Adds a token.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn add_token(&self, peer: EntityId, key: SubchannelKey, token: TokenId) -> Result<Agreed, XlnError> {
        Ok(self.0.add_token(peer, key, token).await?)
    }

    /// Removes a token that is empty.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn remove_token(&self, peer: EntityId, key: SubchannelKey, token: TokenId) -> Result<Agreed, XlnError> {
        Ok(self.0.remove_token(peer, key, token).await?)
    }

    /// Sets how far the peer may owe this side, in the token's base unit.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn grant_credit(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        token: TokenId,
        limit: Amount,
    ) -> Result<Agreed, XlnError> {
        Ok(self.0.grant_credit(peer, key, token, limit).await?)
    }

    /// Pays, in the token's base unit.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn pay(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        token: TokenId,
        amount: Amount,
    ) -> Result<Agreed, XlnError> {
        Ok(self.0.pay(peer, key, token, amount).await?)
    }

    /// Offers a payment that a secret settles, and gives its id.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn lock(&self, peer: EntityId, key: SubchannelKey, terms: LockTerms) -> Result<u64, XlnError> {
        Ok(self.0.lock(peer, key, terms).await?)
    }

    /// Takes a payment with its secret.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn settle(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        id: u64,
        secret: Secret,
    ) -> Result<Agreed, XlnError> {
        Ok(self.0.settle(peer, key, id, secret).await?)
    }

    /// Gives a payment up, or takes an own one back after its expiry.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn cancel(&self, peer: EntityId, key: SubchannelKey, id: u64) -> Result<Agreed, XlnError> {
        Ok(self.0.cancel(peer, key, id).await?)
    }

    /// Offers a swap, and gives its id.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn offer(&self, peer: EntityId, key: SubchannelKey, terms: OfferTerms) -> Result<u64, XlnError> {
        Ok(self.0.offer(peer, key, terms).await?)
    }

    /// Takes `fill` of what the peer's offer gives.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn fill(&self, peer: EntityId, key: SubchannelKey, id: u64, fill: Amount) -> Result<Agreed, XlnError> {
        Ok(self.0.fill(peer, key, id, fill).await?)
    }

    /// Takes an own offer back.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn cancel_offer(&self, peer: EntityId, key: SubchannelKey, id: u64) -> Result<Agreed, XlnError> {
        Ok(self.0.cancel_offer(peer, key, id).await?)
    }

    /// Sends opaque bytes, agreed and durable on both sides.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn memo(&self, peer: EntityId, data: Vec<u8>) -> Result<Agreed, XlnError> {
        Ok(self.0.memo(peer, data).await?)
    }

    /// Proposes a co-signed diff on chain and gives its id; `submit` sends it on chain once both have signed.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn propose_settlement(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        update: SettlementUpdate,
        expiry: UnixSeconds,
        submit: bool,
    ) -> Result<u64, XlnError> {
        Ok(self.0.propose_settlement(peer, key, update, expiry, submit).await?)
    }

    /// Proposes a co-signed close at the present balances and gives its id.
    ///
    /// # Errors
    /// As `propose`.
    pub async fn propose_close(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        expiry: UnixSeconds,
        submit: bool,
    ) -> Result<u64, XlnError> {
        Ok(self.0.propose_close(peer, key, expiry, submit).await?)
    }

    /// Lets the peer propose exactly this diff, once, although it takes something from this side.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn consent(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        update: SettlementUpdate,
    ) -> Result<CommandId, XlnError> {
        self.act(peer, Action::Consent { key, update }).await
    }

    /// Submits the open settlement or close that both have signed.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn submit_settlement(&self, peer: EntityId, key: SubchannelKey) -> Result<CommandId, XlnError> {
        self.act(peer, Action::SubmitSettlement { key }).await
    }

    /// Starts a dispute with the latest state, or the one in `arguments`.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn start_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, XlnError> {
        self.act(peer, Action::StartDispute { key, arguments }).await
    }

    /// Starts a dispute with the empty state: the way out without any signature of the peer.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn start_empty_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        tokens: Vec<TokenId>,
    ) -> Result<CommandId, XlnError> {
        self.act(peer, Action::StartEmptyDispute { key, tokens }).await
    }

    /// Shows a newer state in a dispute.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn counter_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, XlnError> {
        self.act(peer, Action::CounterDispute { key, arguments }).await
    }

    /// Takes the state that a dispute shows.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn accept_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, XlnError> {
        self.act(peer, Action::AcceptDispute { key, arguments }).await
    }

    /// Ends a dispute; a body that the machine no longer holds is taken from the history.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn finalize_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, XlnError> {
        Ok(self.0.finalize_dispute(peer, key, arguments).await?)
    }

    /// Puts a secret into the registry on chain.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn reveal(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        provider: Address,
        kind: HashKind,
        secret: Secret,
    ) -> Result<CommandId, XlnError> {
        self.act(peer, Action::Reveal { key, provider, kind, secret }).await
    }

    /// Begins a cross-chain swap; its end is an event.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn cross_swap(&self, peer: EntityId, offer: CrossSwapOffer) -> Result<CommandId, XlnError> {
        self.act(peer, Action::CrossSwap(offer)).await
    }

    /// Lets the peer begin one cross-chain swap on exactly these terms.
    ///
    /// # Errors
    /// `Refused` with nothing changed; as `connected`.
    pub async fn accept_cross_swap(&self, peer: EntityId, consent: CrossSwapConsent) -> Result<CommandId, XlnError> {
        self.act(peer, Action::AcceptCrossSwap(consent)).await
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
