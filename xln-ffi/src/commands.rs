//! What an app asks of its channels, as methods of the wallet. Each is the one of the same name in [`xln_node::wallet`].

use xln_core::machine::{Action, Command};

use crate::asks::*;
use crate::error::XlnError;
use crate::events::Agreed;
use crate::types::*;
use crate::wallet::Wallet;

impl Wallet {
    async fn act(&self, peer: EntityId, action: Action) -> Result<CommandId, XlnError> {
        Ok(self.0.queue(Command { peer, action }).await?)
    }
}

#[uniffi::export]
impl Wallet {
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
}
