//! A typed client of one deployment: every operation and view of the Depository, and what a machine asks for.
//!
//! Operations are executed in the name of the key's account: `EntityId::account(key.address())` is who pays and acts.

mod action;
mod tokens;
mod views;

use alloy_primitives::U256;
use alloy_sol_types::{SolCall, SolEvent};
use xln_core::chain::ChainAction;
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, EntityId, HashKind, Secret, TokenId};

pub use action::{Authority, action_transaction};
pub use tokens::Token;
pub use views::{ChannelHeader, DebtEntry, DebtPage};

use crate::chain::{Chain, Receipt, Transaction};
use crate::contracts::depository::{Depository, IDepository};
use crate::contracts::subcontract_provider::SubcontractProvider;
use crate::deploy::Deployment;
use crate::error::ChainError;

/// A client of one deployment.
#[derive(Clone, Debug)]
pub struct DepositoryClient<C> {
    chain: C,
    deployment: Deployment,
}

/// An amount for one channel's collateral, in the token's base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Funding {
    /// In whose favour.
    pub receiver: EntityId,
    /// The other end of the channel.
    pub peer: EntityId,
    /// How much, `1 .. 2^127`.
    pub amount: u128,
}

impl<C: Chain> DepositoryClient<C> {
    /// A client of a deployment on this chain.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`] if the deployment is on another one.
    pub fn new(chain: C, deployment: Deployment) -> Result<Self, ChainError> {
        let (expected, found) = (deployment.chain, chain.chain_id());
        if expected != found {
            return Err(ChainError::WrongChain { expected, found });
        }
        Ok(Self { chain, deployment })
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &C {
        &self.chain
    }

    /// The deployment.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Executes what a machine asks for, with the key of its own entity.
    ///
    /// # Errors
    /// [`ChainError::Action`] if it has no transaction; else as [`Chain::execute`].
    pub async fn submit(&self, key: &LocalSigner, action: &ChainAction) -> Result<Receipt, ChainError> {
        let transaction = action_transaction(&self.deployment, action, &Authority::Sender)?;
        self.chain.execute(key, transaction).await
    }

    /// Makes a token known to the Depository; anybody may, and the first decides its number.
    ///
    /// # Errors
    /// As [`Chain::execute`]; [`ChainError::OutOfRange`] if the Depository does not tell the number.
    pub async fn register_token(&self, key: &LocalSigner, token: &Token) -> Result<TokenId, ChainError> {
        let (kind, address, id) = token.parts();
        let receipt = self.run(key, &Depository::registerTokenCall { kind, token: address.into(), id }).await?;
        let events = receipt.logs.iter().filter(|log| log.address == self.deployment.depository);
        let mut numbers = events.filter_map(|log| Depository::TokenRegistered::decode_log_data(&log.data).ok());
        numbers.next().map(|event| TokenId(event.token)).ok_or(ChainError::OutOfRange)
    }

    /// Lets the Depository take tokens from the key's account: an amount of an ERC-20, all of an NFT contract.
    ///
    /// # Errors
    /// As [`Chain::execute`]. ETH needs no approval: that succeeds without a transaction and gives `None`.
    pub async fn approve(&self, key: &LocalSigner, token: &Token, amount: U256) -> Result<Option<Receipt>, ChainError> {
        match token.approval(self.deployment.depository, amount) {
            Some(transaction) => self.chain.execute(key, transaction).await.map(Some),
            None => Ok(None),
        }
    }

    /// Deposits wei into an entity's reserve.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn deposit_eth(&self, key: &LocalSigner, entity: &EntityId, wei: u128) -> Result<Receipt, ChainError> {
        let call = Depository::depositEthCall { entity: word(entity) };
        let transaction = Transaction::call(self.deployment.depository, call.abi_encode()).with_value(U256::from(wei));
        self.chain.execute(key, transaction).await
    }

    /// Deposits an approved token of any kind but ETH; of an ERC-721 the amount is 1.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn deposit(
        &self,
        key: &LocalSigner,
        entity: &EntityId,
        token: TokenId,
        amount: u128,
    ) -> Result<Receipt, ChainError> {
        let amount = U256::from(amount);
        self.run(key, &Depository::depositCall { entity: word(entity), token: token.0, amount }).await
    }

    /// Pays out of the key's own reserve to any account, tokens of every kind.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn withdraw(
        &self,
        key: &LocalSigner,
        token: TokenId,
        amount: u128,
        to: Address,
    ) -> Result<Receipt, ChainError> {
        let call = Depository::withdrawCall { token: token.0, amount: U256::from(amount), to: to.into() };
        self.run(key, &call).await
    }

    /// Moves money between reserves.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn reserve_to_reserve(
        &self,
        key: &LocalSigner,
        to: &EntityId,
        token: TokenId,
        amount: u128,
    ) -> Result<Receipt, ChainError> {
        self.run(key, &Depository::reserveToReserveCall { to: word(to), token: token.0, amount }).await
    }

    /// Moves money from the key's reserve into collateral of channels, not necessarily its own.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn reserve_to_collateral(
        &self,
        key: &LocalSigner,
        token: TokenId,
        fundings: &[Funding],
    ) -> Result<Receipt, ChainError> {
        let fundings = fundings.iter().map(|funding| IDepository::Funding {
            receiver: word(&funding.receiver),
            peer: word(&funding.peer),
            amount: funding.amount,
        });
        self.run(key, &Depository::reserveToCollateralCall { token: token.0, fundings: fundings.collect() }).await
    }

    /// Pays an entity's oldest debts from its reserve, at most `max_entries` of them; anybody may.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn enforce_debts(
        &self,
        key: &LocalSigner,
        entity: &EntityId,
        token: TokenId,
        max_entries: u64,
    ) -> Result<Receipt, ChainError> {
        let call =
            Depository::enforceDebtsCall { entity: word(entity), token: token.0, maxEntries: U256::from(max_entries) };
        self.run(key, &call).await
    }

    /// Puts secrets into the deployment's registry.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn reveal(&self, key: &LocalSigner, kind: HashKind, secrets: &[Secret]) -> Result<Receipt, ChainError> {
        let secrets = secrets.iter().map(|secret| secret.0.into()).collect();
        let call = SubcontractProvider::revealCall { kind: kind.index(), secrets };
        self.chain.execute(key, Transaction::call(self.deployment.subcontract_provider, call.abi_encode())).await
    }

    async fn run(&self, key: &LocalSigner, call: &impl SolCall) -> Result<Receipt, ChainError> {
        let transaction = Transaction::call(self.deployment.depository, call.abi_encode());
        self.chain.execute(key, transaction).await
    }
}

pub(crate) fn word(entity: &EntityId) -> alloy_primitives::B256 {
    (*entity.as_bytes()).into()
}
