//! Tokens of every kind that a Depository takes.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use xln_core::types::Address;

use crate::chain::Transaction;
use crate::contracts::depository::IDepository;
use crate::contracts::test_erc20::TestErc20;
use crate::contracts::test_erc721::TestErc721;
use crate::error::ChainError;

/// What a Depository's token number stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Token {
    /// The chain's native coin, always token 0.
    Eth,
    /// An ERC-20.
    Erc20(Address),
    /// One NFT of an ERC-721.
    Erc721 {
        /// The contract.
        contract: Address,
        /// Which one.
        id: U256,
    },
    /// One id of an ERC-1155.
    Erc1155 {
        /// The contract.
        contract: Address,
        /// Which one.
        id: U256,
    },
}

impl Token {
    /// As the contract names it: kind, address, id.
    pub(super) const fn parts(&self) -> (u8, Address, U256) {
        match self {
            Self::Eth => (0, Address::ZERO, U256::ZERO),
            Self::Erc20(address) => (1, *address, U256::ZERO),
            Self::Erc721 { contract, id } => (2, *contract, *id),
            Self::Erc1155 { contract, id } => (3, *contract, *id),
        }
    }

    pub(super) fn of(info: &IDepository::TokenInfo) -> Result<Self, ChainError> {
        let contract = Address::from(info.token);
        match info.kind {
            0 => Ok(Self::Eth),
            1 => Ok(Self::Erc20(contract)),
            2 => Ok(Self::Erc721 { contract, id: info.id }),
            3 => Ok(Self::Erc1155 { contract, id: info.id }),
            _ => Err(ChainError::OutOfRange),
        }
    }

    /// The transaction that lets `spender` take it; the standards share the functions with the test tokens. `None` for ETH.
    #[must_use]
    pub fn approval(&self, spender: Address, amount: U256) -> Option<Transaction> {
        match self {
            Self::Eth => None,
            Self::Erc20(address) => {
                let call = TestErc20::approveCall { spender: spender.into(), value: amount };
                Some(Transaction::call(*address, call.abi_encode()))
            }
            Self::Erc721 { contract, .. } | Self::Erc1155 { contract, .. } => {
                let call = TestErc721::setApprovalForAllCall { operator: spender.into(), yes: true };
                Some(Transaction::call(*contract, call.abi_encode()))
            }
        }
    }
}
