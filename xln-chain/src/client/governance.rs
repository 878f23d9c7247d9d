//! What an entity decides about itself in the EntityProvider, by its own transaction or by its signature through anybody.
#![expect(non_snake_case, reason = "variables are named as the contract's parameters, to fill the calls' fields")]

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, sol};
use xln_core::crypto::Signature;
use xln_core::entity::Permission;
use xln_core::types::{Address, ChainId, EntityId, Hash, UnixSeconds};

use super::entities::{ProposalKind, Share};
use super::word;
use crate::chain::Transaction;
use crate::contracts::entity_provider::EntityProvider;
use crate::deploy::Deployment;

mod typed {
    use super::sol;

    sol! {
        #[allow(missing_docs)]
        struct Govern { bytes32 entity; uint64 nonce; uint64 expiry; bytes call; }
        #[allow(missing_docs)]
        struct Revoke { bytes32 entity; bytes32 delegation; }
    }
}

/// One decision of an entity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GovernCall {
    /// An account has another board at once; `None` takes it away.
    RecordBoard(Option<Hash>),
    /// A registered organisation will have another board after the delay.
    ProposeBoard(Hash),
    /// It will not.
    CancelBoard,
    /// A delegation, named by the hash of its bytes, is revoked for good.
    RevokeDelegation(Hash),
    /// Shares go to another holder.
    TransferShares {
        /// Of which organisation.
        organisation: EntityId,
        /// Which kind.
        share: Share,
        /// To whom.
        to: EntityId,
        /// How many.
        amount: u128,
    },
    /// Holders are to decide.
    Propose {
        /// Of which organisation.
        organisation: EntityId,
        /// On what.
        kind: ProposalKind,
    },
    /// A vote with the whole power, once.
    Vote {
        /// On which proposal.
        proposal: u64,
        /// For or against.
        in_favour: bool,
    },
    /// An own proposal is withdrawn.
    CancelProposal(u64),
}

impl GovernCall {
    /// Calldata for the EntityProvider.
    #[must_use]
    pub fn calldata(&self) -> Bytes {
        let hash = |hash: &Hash| B256::from(hash.0);
        let data = match self {
            Self::RecordBoard(board) => {
                let boardHash = board.as_ref().map(hash).unwrap_or_default();
                EntityProvider::recordBoardCall { boardHash }.abi_encode()
            }
            Self::ProposeBoard(board) => EntityProvider::proposeBoardCall { boardHash: hash(board) }.abi_encode(),
            Self::CancelBoard => EntityProvider::cancelBoardCall {}.abi_encode(),
            Self::RevokeDelegation(delegation) => {
                EntityProvider::revokeDelegationCall { delegation: hash(delegation) }.abi_encode()
            }
            Self::TransferShares { organisation, share, to, amount } => {
                let (entity, to) = (word(organisation), word(to));
                EntityProvider::transferSharesCall { entity, share: share.index(), to, amount: *amount }.abi_encode()
            }
            Self::Propose { organisation, kind } => {
                let (kind, permission, what) = kind.parts();
                EntityProvider::proposeCall { entity: word(organisation), kind, permission, what }.abi_encode()
            }
            Self::Vote { proposal, in_favour } => {
                EntityProvider::voteCall { number: *proposal, inFavour: *in_favour }.abi_encode()
            }
            Self::CancelProposal(proposal) => EntityProvider::cancelProposalCall { number: *proposal }.abi_encode(),
        };
        data.into()
    }
}

/// A decision as an entity signs it and anybody sends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Govern {
    chain: ChainId,
    provider: Address,
    entity: EntityId,
    nonce: u64,
    expiry: UnixSeconds,
    call: Bytes,
}

impl Govern {
    /// What whoever signs for the entity must be allowed to.
    pub const PERMISSION: Permission = Permission::Govern;

    /// A decision with the entity's next nonce, [`EntityClient::nonce`](super::EntityClient::nonce). `expiry` is the last
    /// second of chain time at which it counts.
    #[must_use]
    pub fn new(deployment: &Deployment, entity: EntityId, nonce: u64, expiry: UnixSeconds, call: &GovernCall) -> Self {
        let (chain, provider) = (deployment.chain, deployment.entity_provider);
        Self { chain, provider, entity, nonce, expiry, call: call.calldata() }
    }

    /// What the entity signs.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let Self { nonce, expiry, call, .. } = self;
        let message = typed::Govern { entity: word(&self.entity), nonce: *nonce, expiry: expiry.0, call: call.clone() };
        Hash(message.eip712_signing_hash(&domain(self.chain, self.provider)).0)
    }

    /// The transaction, by anybody.
    #[must_use]
    pub fn transaction(&self, signature: &Signature) -> Transaction {
        let (entity, expiry, call) = (word(&self.entity), self.expiry.0, self.call.clone());
        let signature = Bytes::copy_from_slice(signature.as_bytes());
        let call = EntityProvider::relayCall { entity, expiry, call, signature };
        Transaction::call(self.provider, call.abi_encode())
    }
}

/// What an entity signs so that anybody may revoke one of its delegations. It has no nonce: it is for good, and a replay is
/// nothing.
#[must_use]
pub(super) fn revoke_digest(deployment: &Deployment, entity: &EntityId, delegation: &Hash) -> Hash {
    let message = typed::Revoke { entity: word(entity), delegation: delegation.0.into() };
    Hash(message.eip712_signing_hash(&domain(deployment.chain, deployment.entity_provider)).0)
}

fn domain(chain: ChainId, provider: Address) -> Eip712Domain {
    let (name, version) = (Some("xln EntityProvider".into()), Some("1".into()));
    Eip712Domain::new(name, version, Some(U256::from(chain.0)), Some(provider.into()), None)
}
