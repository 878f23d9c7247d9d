//! A typed client of one deployment: every operation and view of the Depository, and what a machine asks for.
//!
//! Operations are executed in the name of the key's account: `EntityId::account(key.address())` is who pays and acts. Other
//! entities act by a [`Batch`] that they sign and anybody sends.

mod action;
mod batch;
mod entities;
mod governance;
mod operation;
mod permit;
mod tokens;
mod views;

use alloy_primitives::U256;
use alloy_sol_types::{SolCall, SolEvent};
use xln_core::chain::ChainAction;
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, EntityId, HashKind, Secret, TokenId, UnixSeconds};

pub use action::{Authority, action_transaction};
pub use batch::{Batch, BatchBuilder, BatchOutcome, OperationOutcome};
pub use entities::{
    EntityClient, Holder, PendingBoard, Proposal, ProposalKind, ProposalStage, Registration, Share, VotingTerms,
};
pub use governance::{Govern, GovernCall};
pub use operation::{Operation, Permit};
pub use tokens::Token;
pub use views::{ChannelHeader, DebtEntry, DebtPage, Hub};

pub use crate::codec::Funding;

use crate::chain::{Chain, Receipt, Transaction};
use crate::contracts::depository::Depository;
use crate::contracts::subcontract_provider::ISubcontractProvider;
use crate::contracts::subcontract_provider::SubcontractProvider;
use crate::deploy::Deployment;
use crate::error::{ActionError, ChainError};

/// A client of one deployment.
#[derive(Clone, Debug)]
pub struct DepositoryClient<C> {
    chain: C,
    deployment: Deployment,
}

/// What is asked of the registry of facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The instrument that knows the answer.
    pub instrument: u16,
    /// First second of chain time at which it may be recorded, below `2^40`.
    pub not_before: UnixSeconds,
    /// The question, in the instrument's own encoding.
    pub question: Vec<u8>,
}

impl<C: Chain> DepositoryClient<C> {
    /// A client of a deployment on this chain.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`] if the deployment is on another one.
    pub fn new(chain: C, deployment: Deployment) -> Result<Self, ChainError> {
        same_chain(&chain, &deployment)?;
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

    /// Boards, delegations, shares and votes of the deployment.
    #[must_use]
    pub fn entities(&self) -> EntityClient<C> {
        EntityClient::of(self.chain.clone(), self.deployment)
    }

    /// Executes what a machine asks for, with the key of its own entity.
    ///
    /// # Errors
    /// [`ChainError::Action`] if it has no transaction; else as [`Chain::execute`].
    pub async fn submit(&self, key: &LocalSigner, action: &ChainAction) -> Result<Receipt, ChainError> {
        self.submit_by(key, action, &Authority::Sender).await
    }

    /// Executes what a machine of any entity asks for, with any key. Starts and answers need the entity's signature then.
    ///
    /// # Errors
    /// [`ChainError::Action`] if it has no transaction; else as [`Chain::execute`].
    pub async fn submit_by(
        &self,
        key: &LocalSigner,
        action: &ChainAction,
        authority: &Authority,
    ) -> Result<Receipt, ChainError> {
        let transaction = action_transaction(&self.deployment, action, authority)?;
        self.chain.execute(key, transaction).await
    }

    /// Executes one operation for the key's account.
    ///
    /// # Errors
    /// [`ChainError::Action`] if it has no calldata; else as [`Chain::execute`].
    pub async fn operate(&self, key: &LocalSigner, operation: &Operation) -> Result<Receipt, ChainError> {
        let data = operation.calldata(&self.deployment, &EntityId::account(key.address())?)?;
        let value = U256::from(operation.value());
        self.chain.execute(key, Transaction::call(self.deployment.depository, data).with_value(value)).await
    }

    /// Makes a token known to the Depository; anybody may, and the first decides its number.
    ///
    /// # Errors
    /// As [`Chain::execute`]; [`ChainError::OutOfRange`] if the Depository does not tell the number.
    pub async fn register_token(&self, key: &LocalSigner, token: &Token) -> Result<TokenId, ChainError> {
        let receipt = self.operate(key, &Operation::RegisterToken(*token)).await?;
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
        self.operate(key, &Operation::DepositEth { entity: *entity, wei }).await
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
        self.operate(key, &Operation::Deposit { entity: *entity, token, amount }).await
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
        self.operate(key, &Operation::Withdraw { token, amount, to }).await
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
        self.operate(key, &Operation::ReserveToReserve { to: *to, token, amount }).await
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
        self.operate(key, &Operation::ReserveToCollateral { token, fundings: fundings.to_vec() }).await
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
        self.operate(key, &Operation::EnforceDebts { entity: *entity, token, max_entries }).await
    }

    /// Puts the key's account on the public list of hubs, or changes its URI of at most 256 bytes.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn register_hub(&self, key: &LocalSigner, uri: &str) -> Result<Receipt, ChainError> {
        self.operate(key, &Operation::RegisterHub { uri: uri.to_owned() }).await
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

    /// Records facts that are so now in the deployment's registry; anybody may.
    ///
    /// # Errors
    /// As [`Chain::execute`]; [`ActionError::TimeOutOfRange`].
    pub async fn record(&self, key: &LocalSigner, questions: &[Question]) -> Result<Receipt, ChainError> {
        let call = record_call(questions)?;
        self.chain.execute(key, Transaction::call(self.deployment.subcontract_provider, call.abi_encode())).await
    }

    /// Gives a custom instrument's code an id in the deployment's registry.
    ///
    /// # Errors
    /// As [`Chain::execute`]; [`ChainError::OutOfRange`] if the registry does not tell the id.
    pub async fn register_instrument(&self, key: &LocalSigner, code: Address) -> Result<u16, ChainError> {
        let provider = self.deployment.subcontract_provider;
        let call = SubcontractProvider::registerInstrumentCall { code: code.into() };
        let receipt = self.chain.execute(key, Transaction::call(provider, call.abi_encode())).await?;
        let events = receipt.logs.iter().filter(|log| log.address == provider);
        let mut found =
            events.filter_map(|log| SubcontractProvider::InstrumentRegistered::decode_log_data(&log.data).ok());
        found.next().map(|event| event.instrument).ok_or(ChainError::OutOfRange)
    }
}

fn record_call(questions: &[Question]) -> Result<SubcontractProvider::recordCall, ActionError> {
    let questions = questions.iter().map(|question| {
        let not_before = question.not_before.0.try_into().map_err(|_| ActionError::TimeOutOfRange)?;
        let (instrument, question) = (question.instrument, question.question.clone().into());
        Ok(ISubcontractProvider::Question { instrument, notBefore: not_before, question })
    });
    Ok(SubcontractProvider::recordCall { questions: questions.collect::<Result<_, ActionError>>()? })
}

fn same_chain<C: Chain>(chain: &C, deployment: &Deployment) -> Result<(), ChainError> {
    let (expected, found) = (deployment.chain, chain.chain_id());
    if expected == found { Ok(()) } else { Err(ChainError::WrongChain { expected, found }) }
}

pub(crate) fn word(entity: &EntityId) -> alloy_primitives::B256 {
    (*entity.as_bytes()).into()
}
