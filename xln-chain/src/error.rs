//! What can go wrong between this node and a chain: the contract's own refusals by name, and the environment's faults.

use alloy_primitives::Bytes;
use alloy_sol_types::SolInterface;
use xln_core::types::{ChainId, EntityIdError, Hash};

use crate::codec::CodecError;
use crate::contracts::depository::Depository::DepositoryErrors;
use crate::contracts::entity_provider::EntityProvider::EntityProviderErrors;
use crate::contracts::subcontract_provider::SubcontractProvider::SubcontractProviderErrors;
use crate::quorum::Disagreement;

/// Why something could not be read from, or done on, a chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// A contract refused. The chain's state is as before.
    #[error("contract reverted: {name}")]
    Reverted {
        /// Name of the Solidity error, `Error` or `Panic` for the language's own, `Unknown` for any other, `Empty` without data.
        name: &'static str,
        /// The whole revert data; [`ChainError::depository`] decodes it.
        data: Bytes,
    },
    /// Execution ended by a fault of the EVM, mostly for lack of gas.
    #[error("execution halted: out of gas or an invalid operation")]
    Halted,
    /// The transaction is not acceptable: nonce, funds, gas limit or fees.
    #[error("the transaction is not acceptable")]
    Unacceptable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The block is not, or no longer, part of the chain. Ask again from the head.
    #[error("block {0} is not part of the chain")]
    UnknownBlock(Hash),
    /// The transaction is not, or no longer, known.
    #[error("transaction {0} is not known")]
    UnknownTransaction(Hash),
    /// The transaction waits for a block.
    #[error("transaction {0} is in no block yet")]
    Pending(Hash),
    /// The chain is not the one that was expected.
    #[error("chain {found:?} answers, {expected:?} was expected")]
    WrongChain {
        /// Configured.
        expected: ChainId,
        /// What the other side says.
        found: ChainId,
    },
    /// An action for another Depository than this client's, or that its evidence cannot carry out.
    #[error("the action does not fit: {0}")]
    Action(#[from] ActionError),
    /// The key could not sign.
    #[error(transparent)]
    Sign(#[from] xln_core::crypto::SignError),
    /// Return data or a log is not what the contract's interface promises.
    #[error("the contract's answer does not decode")]
    Decode(#[from] alloy_sol_types::Error),
    /// Packed bytes of the Depository are not what its interface promises, or a value has none.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An id that came from the chain is no entity.
    #[error(transparent)]
    Entity(#[from] EntityIdError),
    /// The receipt shows no such batch.
    #[error("the receipt shows no such batch")]
    NoBatch,
    /// A value of the chain is beyond this crate's range.
    #[error("a value of the chain is out of range")]
    OutOfRange,
    /// An answer of the node contradicts what was asked or what it said before: it lies, or several nodes answer behind one
    /// address. Nothing was taken from it.
    #[error("the chain's node contradicts itself: {0}")]
    Contradiction(&'static str),
    /// Too few endpoints of a [`QuorumChain`](crate::QuorumChain) gave one answer.
    #[error(transparent)]
    Disagreement(#[from] Box<Disagreement>),
    /// The node could not be reached or gave no usable answer. Try again later.
    #[error("the chain's node cannot be reached or gave no usable answer")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why an action cannot become a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// It is for another chain or Depository.
    #[error("it is for another Depository")]
    WrongDepository,
    /// The evidence lacks the signature that the call needs.
    #[error("a signature is missing")]
    MissingSignature,
    /// A settlement has no encoding.
    #[error(transparent)]
    Settlement(#[from] xln_core::proof::SettlementError),
    /// A part of it has no bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It is no call of the Depository, and so no operation of a batch.
    #[error("it is no call of the Depository")]
    NotInABatch,
    /// It is no cooperative update of one of the entity's channels.
    #[error("it is no cooperative update of one of the entity's channels")]
    NotAnUpdate,
    /// Only ERC-20 tokens have permits.
    #[error("only an ERC-20 has permits")]
    NoPermit,
    /// A signature that cannot be one.
    #[error(transparent)]
    Signature(#[from] xln_core::crypto::SignatureError),
    /// A question has a not-before time of more than 40 bits.
    #[error("a time has more than 40 bits")]
    TimeOutOfRange,
}

impl ChainError {
    /// The error for revert data.
    #[must_use]
    pub fn reverted(data: Bytes) -> Self {
        Self::Reverted { name: revert_name(&data), data }
    }

    /// The Depository's custom error, if it is one.
    #[must_use]
    pub fn depository(&self) -> Option<DepositoryErrors> {
        match self {
            Self::Reverted { data, .. } => DepositoryErrors::abi_decode(data).ok(),
            _ => None,
        }
    }

    /// The EntityProvider's custom error, if it is one.
    #[must_use]
    pub fn entity_provider(&self) -> Option<EntityProviderErrors> {
        match self {
            Self::Reverted { data, .. } => EntityProviderErrors::abi_decode(data).ok(),
            _ => None,
        }
    }

    /// Name of the Solidity error, if a contract refused.
    #[must_use]
    pub const fn revert_name(&self) -> Option<&'static str> {
        match self {
            Self::Reverted { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without anybody changing it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Transport(_)
                | Self::UnknownBlock(_)
                | Self::Pending(_)
                | Self::Contradiction(_)
                | Self::Disagreement(_)
        )
    }
}

/// Name of the Solidity error in revert data.
pub(crate) fn revert_name(data: &[u8]) -> &'static str {
    let Some((selector, _)) = data.split_first_chunk::<4>() else { return "Empty" };
    match *selector {
        [0x08, 0xc3, 0x79, 0xa0] => "Error",
        [0x4e, 0x48, 0x7b, 0x71] => "Panic",
        selector => DepositoryErrors::name_by_selector(selector)
            .or_else(|| SubcontractProviderErrors::name_by_selector(selector))
            .or_else(|| EntityProviderErrors::name_by_selector(selector))
            .unwrap_or("Unknown"),
    }
}
