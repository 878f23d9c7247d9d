//! The EntityProvider: boards of accounts and organisations, delegations, shares and votes (`docs/protocol.md` section 2).
#![expect(non_snake_case, reason = "variables are named as the contract's parameters, to fill the calls' fields")]

use alloy_primitives::aliases::U48;
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{SolCall, SolEvent};
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::entity::Permission;
use xln_core::types::{EntityId, Hash, TokenId, UnixSeconds};

use super::governance::{Govern, GovernCall};
use super::views::read;
use super::{same_chain, word};
use crate::chain::{Chain, Receipt, Transaction};
use crate::contracts::entity_provider::{EntityProvider, IGovernance};
use crate::deploy::Deployment;
use crate::error::ChainError;

/// What shares are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// They vote.
    Control,
    /// They do not.
    Dividend,
}

impl Share {
    pub(super) const fn index(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Dividend => 1,
        }
    }
}

/// How an organisation's holders decide. Fixed at registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VotingTerms {
    /// How long votes count, in seconds, below `2^40`.
    pub voting_period_s: u64,
    /// How long a decision waits then, in seconds, below `2^40`.
    pub delay_s: u64,
    /// For how long it may be executed then, in seconds, below `2^40`.
    pub execution_period_s: u64,
    /// What must be cast for a decision, in parts per million of the control shares.
    pub quorum_ppm: u32,
    /// What a holder needs for a proposal, in parts per million of the control shares, and 1 share in any case.
    pub proposer_ppm: u32,
}

/// A holder at registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Who.
    pub holder: EntityId,
    /// Control shares.
    pub control: u128,
    /// Dividend shares.
    pub dividend: u128,
}

/// A new organisation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Hash of its first board; without one holders decide.
    pub board: Option<Hash>,
    /// How holders decide.
    pub terms: VotingTerms,
    /// The whole supply.
    pub holders: Vec<Holder>,
}

/// A board that will be one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingBoard {
    /// Its hash.
    pub board: Hash,
    /// First second at which it can be activated.
    pub active_from: UnixSeconds,
    /// Holders decided it: the board cannot cancel it.
    pub by_vote: bool,
}

/// What a proposal is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProposalKind {
    /// Another board.
    SetBoard(Hash),
    /// A signature over a digest, `0x03 || number`, never for channel states.
    Approve {
        /// What is signed.
        digest: Hash,
        /// For what.
        permission: Permission,
    },
    /// The pending board is dropped.
    CancelBoard,
    /// A delegation is revoked.
    RevokeDelegation(Hash),
}

impl ProposalKind {
    pub(super) fn parts(self) -> (u8, u8, B256) {
        match self {
            Self::SetBoard(board) => (0, 0, board.0.into()),
            Self::Approve { digest, permission } => (1, permission_index(permission), digest.0.into()),
            Self::CancelBoard => (2, 0, B256::ZERO),
            Self::RevokeDelegation(delegation) => (3, 0, delegation.0.into()),
        }
    }

    fn of(kind: u8, permission: u8, what: B256) -> Result<Self, ChainError> {
        let what = Hash(what.0);
        let permissions = [Permission::States, Permission::Dispute, Permission::Withdraw, Permission::Govern];
        match kind {
            0 => Ok(Self::SetBoard(what)),
            1 => {
                let found = permissions.into_iter().find(|known| permission_index(*known) == permission);
                let permission = found.ok_or(ChainError::OutOfRange)?;
                Ok(Self::Approve { digest: what, permission })
            }
            2 => Ok(Self::CancelBoard),
            3 => Ok(Self::RevokeDelegation(what)),
            _ => Err(ChainError::OutOfRange),
        }
    }
}

/// As the contract numbers permissions.
const fn permission_index(permission: Permission) -> u8 {
    match permission {
        Permission::States => 0,
        Permission::Dispute => 1,
        Permission::Withdraw => 2,
        Permission::Govern => 3,
    }
}

/// How far a proposal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProposalStage {
    /// Votes count.
    Voting,
    /// It did not pass.
    Rejected,
    /// It passed, and the delay runs.
    Waiting,
    /// It may be executed; an approved digest counts.
    Ready,
    /// It passed, and its time is over.
    Lapsed,
    /// It was executed.
    Executed,
    /// It was cancelled.
    Cancelled,
}

/// A proposal and its votes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// Whose holders decide.
    pub organisation: EntityId,
    /// Who asked.
    pub proposer: EntityId,
    /// On what.
    pub kind: ProposalKind,
    /// Power is that at the end of this block.
    pub power_block: u64,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// Power cast for it.
    pub in_favour: u128,
    /// Power cast against it.
    pub against: u128,
    /// How far it is, now.
    pub stage: ProposalStage,
}

/// A client of a deployment's EntityProvider.
#[derive(Clone, Debug)]
pub struct EntityClient<C> {
    chain: C,
    deployment: Deployment,
}

impl<C: Chain> EntityClient<C> {
    /// A client of a deployment on this chain.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`] if the deployment is on another one.
    pub fn new(chain: C, deployment: Deployment) -> Result<Self, ChainError> {
        same_chain(&chain, &deployment)?;
        Ok(Self::of(chain, deployment))
    }

    pub(super) const fn of(chain: C, deployment: Deployment) -> Self {
        Self { chain, deployment }
    }

    async fn send(&self, key: &LocalSigner, call: impl Into<Bytes>) -> Result<Receipt, ChainError> {
        self.chain.execute(key, Transaction::call(self.deployment.entity_provider, call)).await
    }

    async fn view<F: SolCall + Sync>(&self, call: &F) -> Result<F::Return, ChainError> {
        read(&self.chain, self.deployment.entity_provider, call).await
    }

    /// Registers an organisation. Anybody may; its id is what comes back.
    ///
    /// # Errors
    /// As [`Chain::execute`]; [`ChainError::OutOfRange`] for a period of more than 40 bits.
    pub async fn register(&self, key: &LocalSigner, organisation: &Registration) -> Result<EntityId, ChainError> {
        let VotingTerms { voting_period_s, delay_s, execution_period_s, quorum_ppm, proposer_ppm } = organisation.terms;
        let period = |seconds: u64| seconds.try_into().map_err(|_| ChainError::OutOfRange);
        let terms = IGovernance::Terms {
            votingPeriod: period(voting_period_s)?,
            delay: period(delay_s)?,
            executionPeriod: period(execution_period_s)?,
            quorumPpm: quorum_ppm,
            proposerPpm: proposer_ppm,
        };
        let holders = organisation.holders.iter().map(|given| IGovernance::Holder {
            holder: word(&given.holder),
            control: given.control,
            dividend: given.dividend,
        });
        let boardHash = organisation.board.map(|board| B256::from(board.0)).unwrap_or_default();
        let call = EntityProvider::registerCall { boardHash, terms, holders: holders.collect() };
        let receipt = self.send(key, call.abi_encode()).await?;
        let events = receipt.logs.iter().filter(|log| log.address == self.deployment.entity_provider);
        let mut found = events.filter_map(|log| EntityProvider::Registered::decode_log_data(&log.data).ok());
        let event = found.next().ok_or(ChainError::OutOfRange)?;
        Ok(EntityId::parse(event.entity.0)?)
    }

    /// A decision of the key's own account.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn govern(&self, key: &LocalSigner, call: &GovernCall) -> Result<Receipt, ChainError> {
        self.send(key, call.calldata()).await
    }

    /// A decision for an entity to sign, with its next nonce.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn prepare(
        &self,
        entity: EntityId,
        expiry: UnixSeconds,
        call: &GovernCall,
    ) -> Result<Govern, ChainError> {
        let nonce = self.nonce(&entity).await?;
        Ok(Govern::new(&self.deployment, entity, nonce, expiry, call))
    }

    /// Sends what an entity signed.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn relay(
        &self,
        key: &LocalSigner,
        decision: &Govern,
        signature: &Signature,
    ) -> Result<Receipt, ChainError> {
        self.chain.execute(key, decision.transaction(signature)).await
    }

    /// Revokes a delegation by the entity's signature over [`EntityClient::revoke_digest`].
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn revoke_for(
        &self,
        key: &LocalSigner,
        entity: &EntityId,
        delegation: &Hash,
        signature: &Signature,
    ) -> Result<Receipt, ChainError> {
        let (entity, delegation) = (word(entity), delegation.0.into());
        let signature = Bytes::copy_from_slice(signature.as_bytes());
        self.send(key, EntityProvider::revokeDelegationForCall { entity, delegation, signature }.abi_encode()).await
    }

    /// What an entity signs so that anybody may revoke one of its delegations.
    #[must_use]
    pub fn revoke_digest(&self, entity: &EntityId, delegation: &Hash) -> Hash {
        super::governance::revoke_digest(&self.deployment, entity, delegation)
    }

    /// Makes a pending board the board, once its delay is over; anybody may.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn activate_board(&self, key: &LocalSigner, entity: &EntityId) -> Result<Receipt, ChainError> {
        self.send(key, EntityProvider::activateBoardCall { entity: word(entity) }.abi_encode()).await
    }

    /// Executes a proposal that is ready; anybody may.
    ///
    /// # Errors
    /// As [`Chain::execute`].
    pub async fn execute(&self, key: &LocalSigner, proposal: u64) -> Result<Receipt, ChainError> {
        self.send(key, EntityProvider::executeCall { number: proposal }.abi_encode()).await
    }

    /// Proposes for the key's own account and gives the proposal's number.
    ///
    /// # Errors
    /// As [`Chain::execute`]; [`ChainError::OutOfRange`] if the contract does not tell the number.
    pub async fn propose(
        &self,
        key: &LocalSigner,
        organisation: EntityId,
        kind: ProposalKind,
    ) -> Result<u64, ChainError> {
        let receipt = self.govern(key, &GovernCall::Propose { organisation, kind }).await?;
        let events = receipt.logs.iter().filter(|log| log.address == self.deployment.entity_provider);
        let mut found = events.filter_map(|log| EntityProvider::Proposed::decode_log_data(&log.data).ok());
        found.next().map(|event| event.proposal).ok_or(ChainError::OutOfRange)
    }

    /// Whether a signature is an entity's, for a purpose, at the newest block.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn is_valid(
        &self,
        entity: &EntityId,
        digest: &Hash,
        signature: &Signature,
        permission: Permission,
    ) -> Result<bool, ChainError> {
        let (digest, permission) = (digest.0.into(), permission_index(permission));
        let (entity, signature) = (word(entity), Bytes::copy_from_slice(signature.as_bytes()));
        self.view(&EntityProvider::isValidSignatureCall { entity, digest, signature, permission }).await
    }

    /// Hash of the board that an account recorded or an organisation has.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn board(&self, entity: &EntityId) -> Result<Option<Hash>, ChainError> {
        let found = self.view(&EntityProvider::boardOfCall { entity: word(entity) }).await?;
        Ok(Some(Hash(found.0)).filter(|board| *board != Hash::ZERO))
    }

    /// Last second at which a replaced board is valid for channel states; `None` if it was not replaced.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn board_valid_until(&self, entity: &EntityId, board: &Hash) -> Result<Option<UnixSeconds>, ChainError> {
        let call = EntityProvider::boardValidUntilCall { entity: word(entity), boardHash: board.0.into() };
        Ok(time(self.view(&call).await?.to()))
    }

    /// The board that an organisation will have.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn pending_board(&self, entity: &EntityId) -> Result<Option<PendingBoard>, ChainError> {
        let found = self.view(&EntityProvider::pendingBoardCall { entity: word(entity) }).await?;
        let (board, by_vote) = (Hash(found.boardHash.0), found.byVote);
        Ok(time(found.activeFrom.to()).map(|active_from| PendingBoard { board, active_from, by_vote }))
    }

    /// Last second at which a revoked delegation is valid for channel states; `None` if it was not revoked.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn revoked_until(&self, entity: &EntityId, delegation: &Hash) -> Result<Option<UnixSeconds>, ChainError> {
        let call = EntityProvider::revokedUntilCall { entity: word(entity), delegation: delegation.0.into() };
        Ok(time(self.view(&call).await?.to()))
    }

    /// What a delegation took out of the entity's reserve in this deployment's Depository, in the token's base unit.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn spent(&self, entity: &EntityId, delegation: &Hash, token: TokenId) -> Result<u128, ChainError> {
        let depository = self.deployment.depository.into();
        let (entity, delegation, token) = (word(entity), delegation.0.into(), token.0);
        self.view(&EntityProvider::spentCall { depository, entity, delegation, token }).await
    }

    /// The nonce of an entity's next relayed decision.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn nonce(&self, entity: &EntityId) -> Result<u64, ChainError> {
        self.view(&EntityProvider::nonceOfCall { entity: word(entity) }).await
    }

    /// How many organisations are registered; their numbers begin at 1.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn organisations(&self) -> Result<u64, ChainError> {
        self.view(&EntityProvider::organisationsCall {}).await
    }

    /// Shares of a kind in all.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn supply(&self, organisation: &EntityId, share: Share) -> Result<u128, ChainError> {
        let call = EntityProvider::supplyCall { organisation: word(organisation), share: share.index() };
        self.view(&call).await
    }

    /// Shares that a holder has.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn shares(&self, organisation: &EntityId, share: Share, holder: &EntityId) -> Result<u128, ChainError> {
        let (entity, share, holder) = (word(organisation), share.index(), word(holder));
        self.view(&EntityProvider::sharesOfCall { entity, share, holder }).await
    }

    /// Shares that a holder had at the end of a block that is over.
    ///
    /// # Errors
    /// As [`Chain::call`]; [`ChainError::OutOfRange`] for a block of more than 48 bits.
    pub async fn shares_at(
        &self,
        organisation: &EntityId,
        share: Share,
        holder: &EntityId,
        block: u64,
    ) -> Result<u128, ChainError> {
        let (entity, share, holder) = (word(organisation), share.index(), word(holder));
        let blockNumber = U48::try_from(block).map_err(|_| ChainError::OutOfRange)?;
        self.view(&EntityProvider::sharesAtCall { entity, share, holder, blockNumber }).await
    }

    /// How many proposals were made; their numbers begin at 1.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn proposals(&self) -> Result<u64, ChainError> {
        self.view(&EntityProvider::proposalsCall {}).await
    }

    /// A proposal, `None` if there is none with this number.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn proposal(&self, number: u64) -> Result<Option<Proposal>, ChainError> {
        let found = self.view(&EntityProvider::proposalCall { number }).await?;
        let (content, stage) = (found._0, found._1);
        let stage = match stage {
            0 => return Ok(None),
            1 => ProposalStage::Voting,
            2 => ProposalStage::Rejected,
            3 => ProposalStage::Waiting,
            4 => ProposalStage::Ready,
            5 => ProposalStage::Lapsed,
            6 => ProposalStage::Executed,
            7 => ProposalStage::Cancelled,
            _ => return Err(ChainError::OutOfRange),
        };
        Ok(Some(Proposal {
            organisation: EntityId::parse(content.organisation.0)?,
            proposer: EntityId::parse(content.proposer.0)?,
            kind: ProposalKind::of(content.kind, content.permission, content.what)?,
            power_block: content.powerBlock.to(),
            created_at: UnixSeconds(content.createdAt.to()),
            in_favour: content.inFavour,
            against: content.against,
            stage,
        }))
    }

    /// Whether a holder has voted.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn has_voted(&self, proposal: u64, holder: &EntityId) -> Result<bool, ChainError> {
        self.view(&EntityProvider::hasVotedCall { number: proposal, holder: word(holder) }).await
    }

    /// How long what is replaced, revoked or expired stays valid for channel states, in seconds.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn grace_s(&self) -> Result<u64, ChainError> {
        Ok(self.view(&EntityProvider::graceCall {}).await?.to())
    }

    /// How long a proposed board waits, in seconds.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn board_delay_s(&self) -> Result<u64, ChainError> {
        Ok(self.view(&EntityProvider::boardDelayCall {}).await?.to())
    }
}

/// A time of the contract, where 0 means none.
fn time(seconds: u64) -> Option<UnixSeconds> {
    Some(UnixSeconds(seconds)).filter(|time| time.0 != 0)
}
