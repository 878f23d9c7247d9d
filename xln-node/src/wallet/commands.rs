//! What an app asks of its channels, each as one call. They resolve once the peer has agreed; [`Wallet::queue`] is the quick
//! form of all of them. What is not proposed to the peer but done alone (disputes, consents) resolves once it is durable.

use xln_core::channel::{Arguments, CommandId, CrossSwapConsent, CrossSwapOffer};
use xln_core::machine::{Action, Command};
use xln_core::proof::SettlementUpdate;
use xln_core::transition::Transition;
use xln_core::types::{Address, EntityId, Hash, HashKind, Secret, SubchannelKey, TokenId, UnixSeconds};

use super::Wallet;
use super::error::WalletError;
use super::event::Agreed;

/// A payment that a secret settles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LockTerms {
    /// In which token.
    pub token: TokenId,
    /// How much, in the token's base unit.
    pub amount: u128,
    /// Hash function of the lock.
    pub kind: HashKind,
    /// Hash of the secret.
    pub hash: Hash,
    /// Last second at which it can be settled.
    pub expiry: UnixSeconds,
    /// Opaque routing layers; empty for a direct peer.
    pub onion: Vec<u8>,
}

/// A swap that the peer may fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OfferTerms {
    /// What this side gives.
    pub give_token: TokenId,
    /// How much in all, in that token's base unit.
    pub give: u128,
    /// What this side wants.
    pub want_token: TokenId,
    /// How much for all of it, in that token's base unit.
    pub want: u128,
    /// The smallest fill, in units of `give`.
    pub min_fill: u128,
    /// Last second at which it can be filled.
    pub expiry: UnixSeconds,
}

impl Wallet {
    /// Proposes a transition and waits until it is agreed.
    ///
    /// # Errors
    /// [`WalletError::Refused`] by the rules or the peer, with nothing changed; as [`Wallet::connected`].
    pub async fn propose(&self, peer: EntityId, transition: Transition) -> Result<Agreed, WalletError> {
        self.propose_and(peer, transition, false).await
    }

    async fn propose_and(&self, peer: EntityId, transition: Transition, submit: bool) -> Result<Agreed, WalletError> {
        let command = self.queue(Command { peer, action: Action::Propose { transition, submit } }).await?;
        self.agreed(command).await
    }

    async fn act(&self, peer: EntityId, action: Action) -> Result<CommandId, WalletError> {
        self.queue(Command { peer, action }).await
    }

    async fn made(&self, peer: EntityId, transition: Transition, submit: bool) -> Result<u64, WalletError> {
        self.propose_and(peer, transition, submit).await?.id.ok_or(WalletError::UnknownCommand)
    }

    /// Opens the part of the channel with `peer` that one Depository enforces; the channel itself needs no opening.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn open_channel(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        providers: Vec<Address>,
        settle_margin_s: u64,
    ) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::OpenSubchannel { key, providers, settle_margin_s }).await
    }

    /// Closes a subchannel that is empty, off chain.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn close_channel(&self, peer: EntityId, key: SubchannelKey) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::CloseSubchannel { key }).await
    }

    /// Adds a token.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn add_token(&self, peer: EntityId, key: SubchannelKey, token: TokenId) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::AddToken { key, token }).await
    }

    /// Removes a token that is empty.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn remove_token(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        token: TokenId,
    ) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::RemoveToken { key, token }).await
    }

    /// Sets how far the peer may owe this side, in the token's base unit.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn grant_credit(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        token: TokenId,
        limit: u128,
    ) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::SetCreditLimit { key, token, limit }).await
    }

    /// Pays, in the token's base unit.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn pay(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        token: TokenId,
        amount: u128,
    ) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::DirectPayment { key, token, amount }).await
    }

    /// Offers a payment that a secret settles, and gives its id.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn lock(&self, peer: EntityId, key: SubchannelKey, terms: LockTerms) -> Result<u64, WalletError> {
        let LockTerms { token, amount, kind, hash, expiry, onion } = terms;
        self.made(peer, Transition::AddPayment { key, token, amount, kind, hash, expiry, onion }, false).await
    }

    /// Takes a payment with its secret.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn settle(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        id: u64,
        secret: Secret,
    ) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::SettlePayment { key, id, secret }).await
    }

    /// Gives a payment up, or takes an own one back after its expiry.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn cancel(&self, peer: EntityId, key: SubchannelKey, id: u64) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::CancelPayment { key, id }).await
    }

    /// Offers a swap, and gives its id.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn offer(&self, peer: EntityId, key: SubchannelKey, terms: OfferTerms) -> Result<u64, WalletError> {
        let OfferTerms { give_token, give, want_token, want, min_fill, expiry } = terms;
        self.made(peer, Transition::OfferSwap { key, give_token, give, want_token, want, min_fill, expiry }, false)
            .await
    }

    /// Takes `fill` of what the peer's offer gives.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn fill(&self, peer: EntityId, key: SubchannelKey, id: u64, fill: u128) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::FillSwap { key, id, fill }).await
    }

    /// Takes an own offer back.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn cancel_offer(&self, peer: EntityId, key: SubchannelKey, id: u64) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::CancelSwap { key, id }).await
    }

    /// Sends opaque bytes, agreed and durable on both sides.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn memo(&self, peer: EntityId, data: Vec<u8>) -> Result<Agreed, WalletError> {
        self.propose(peer, Transition::Memo { data }).await
    }

    /// Proposes a co-signed diff on chain and gives its id; `submit` sends it on chain once both have signed.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn propose_settlement(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        update: SettlementUpdate,
        expiry: UnixSeconds,
        submit: bool,
    ) -> Result<u64, WalletError> {
        self.made(peer, Transition::ProposeSettlement { key, update, expiry }, submit).await
    }

    /// Lets the peer propose exactly this diff, once, although it takes something from this side.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn consent(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        update: SettlementUpdate,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::Consent { key, update }).await
    }

    /// Proposes a co-signed close at the present balances and gives its id.
    ///
    /// # Errors
    /// As [`Wallet::propose`].
    pub async fn propose_close(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        expiry: UnixSeconds,
        submit: bool,
    ) -> Result<u64, WalletError> {
        self.made(peer, Transition::ProposeClose { key, expiry }, submit).await
    }

    /// Submits the open settlement or close that both have signed.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn submit_settlement(&self, peer: EntityId, key: SubchannelKey) -> Result<CommandId, WalletError> {
        self.act(peer, Action::SubmitSettlement { key }).await
    }

    /// Starts a dispute with the latest state, or the one in `arguments`.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn start_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::StartDispute { key, arguments }).await
    }

    /// Starts a dispute with the empty state: the way out without any signature of the peer.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn start_empty_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        tokens: Vec<TokenId>,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::StartEmptyDispute { key, tokens }).await
    }

    /// Shows a newer state in a dispute.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn counter_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::CounterDispute { key, arguments }).await
    }

    /// Takes the state that a dispute shows.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn accept_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::AcceptDispute { key, arguments }).await
    }

    /// Ends a dispute; a body that the machine no longer holds is taken from the history.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn finalize_dispute(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        arguments: Arguments,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::FinalizeDispute { key, arguments }).await
    }

    /// Puts a secret into the registry on chain.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn reveal(
        &self,
        peer: EntityId,
        key: SubchannelKey,
        provider: Address,
        kind: HashKind,
        secret: Secret,
    ) -> Result<CommandId, WalletError> {
        self.act(peer, Action::Reveal { key, provider, kind, secret }).await
    }

    /// Begins a cross-chain swap; its end is an event.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn cross_swap(&self, peer: EntityId, offer: CrossSwapOffer) -> Result<CommandId, WalletError> {
        self.act(peer, Action::CrossSwap(offer)).await
    }

    /// Lets the peer begin one cross-chain swap on exactly these terms.
    ///
    /// # Errors
    /// As [`Wallet::queue`].
    pub async fn accept_cross_swap(&self, peer: EntityId, consent: CrossSwapConsent) -> Result<CommandId, WalletError> {
        self.act(peer, Action::AcceptCrossSwap(consent)).await
    }
}
