//! Everything that an entity does in a Depository, alone or as a part of a batch.

use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::SolCall;
use xln_core::chain::ChainAction;
use xln_core::types::{Address, EntityId, TokenId};

use super::{Authority, Token, action_transaction, word};
use crate::codec::{Funding, encode_fundings};
use crate::contracts::depository::Depository;
use crate::deploy::Deployment;
use crate::error::{ActionError, ChainError};

/// One operation, in the name of whoever calls or signed the batch. Amounts are in the token's base unit.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "few exist at a time, and a box would be in every caller's way")]
pub enum Operation {
    /// Makes a token known; anybody may, and the first decides its number.
    RegisterToken(Token),
    /// Pays wei into an entity's reserve.
    DepositEth {
        /// Whose reserve.
        entity: EntityId,
        /// How much.
        wei: u128,
    },
    /// Pays an approved token of any kind but ETH into an entity's reserve; of an ERC-721 the amount is 1.
    Deposit {
        /// Whose reserve.
        entity: EntityId,
        /// Which token.
        token: TokenId,
        /// How much.
        amount: u128,
    },
    /// The same with the approval signed: see [`DepositoryClient::permit_digest`](super::DepositoryClient::permit_digest).
    DepositWithPermit {
        /// Whose reserve.
        entity: EntityId,
        /// Which token, an ERC-20 with ERC-2612.
        token: TokenId,
        /// How much.
        amount: u128,
        /// The owner's consent.
        permit: Permit,
    },
    /// Pays out of the own reserve to any account.
    Withdraw {
        /// Which token.
        token: TokenId,
        /// How much.
        amount: u128,
        /// To whom.
        to: Address,
    },
    /// Moves money into another reserve.
    ReserveToReserve {
        /// Whose.
        to: EntityId,
        /// Which token.
        token: TokenId,
        /// How much.
        amount: u128,
    },
    /// Moves money into collateral of channels, not necessarily own ones.
    ReserveToCollateral {
        /// Which token.
        token: TokenId,
        /// Into which channels.
        fundings: Vec<Funding>,
    },
    /// Adds to the own reserve until the end of the batch; only in one.
    Flash {
        /// Which token.
        token: TokenId,
        /// How much.
        amount: u128,
    },
    /// Pays an entity's oldest debts from its reserve.
    EnforceDebts {
        /// Whose debts.
        entity: EntityId,
        /// Which token.
        token: TokenId,
        /// Entries to look at, at most.
        max_entries: u64,
    },
    /// Puts the caller on the public list of hubs, or changes its URI.
    RegisterHub {
        /// At most 256 bytes.
        uri: String,
    },
    /// What a machine asked for.
    Act {
        /// A call of this Depository.
        action: ChainAction,
        /// By what right; matters to starts and answers only.
        authority: Authority,
    },
}

/// A signed approval (ERC-2612) for exactly the amount that is deposited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permit {
    /// Last second at which it counts.
    pub deadline: u64,
    /// The owner's signature as the standard has it.
    pub v: u8,
    /// Its first half.
    pub r: B256,
    /// Its second half.
    pub s: B256,
}

impl Operation {
    /// Wei that go with it.
    #[must_use]
    pub const fn value(&self) -> u128 {
        match self {
            Self::DepositEth { wei, .. } => *wei,
            _ => 0,
        }
    }

    /// Calldata for the Depository, called by `caller`.
    ///
    /// # Errors
    /// [`ActionError`] if it has none.
    pub fn calldata(&self, deployment: &Deployment, caller: &EntityId) -> Result<Bytes, ChainError> {
        let wide = |amount: &u128| U256::from(*amount);
        let data = match self {
            Self::RegisterToken(token) => {
                let (kind, address, id) = token.parts();
                Depository::registerTokenCall { kind, token: address.into(), id }.abi_encode()
            }
            Self::DepositEth { entity, .. } => Depository::depositEthCall { entity: word(entity) }.abi_encode(),
            Self::Deposit { entity, token, amount } => {
                Depository::depositCall { entity: word(entity), token: token.0, amount: wide(amount) }.abi_encode()
            }
            Self::DepositWithPermit { entity, token, amount, permit: Permit { deadline, v, r, s } } => {
                let (entity, amount, deadline) = (word(entity), wide(amount), U256::from(*deadline));
                let (token, v, r, s) = (token.0, *v, *r, *s);
                Depository::depositWithPermitCall { entity, token, amount, deadline, v, r, s }.abi_encode()
            }
            Self::Withdraw { token, amount, to } => {
                Depository::withdrawCall { token: token.0, amount: wide(amount), to: (*to).into() }.abi_encode()
            }
            Self::ReserveToReserve { to, token, amount } => {
                Depository::reserveToReserveCall { to: word(to), token: token.0, amount: *amount }.abi_encode()
            }
            Self::ReserveToCollateral { token, fundings } => {
                let fundings = encode_fundings(caller, fundings).map_err(ActionError::Codec)?.into();
                Depository::reserveToCollateralCall { token: token.0, fundings }.abi_encode()
            }
            Self::Flash { token, amount } => Depository::flashCall { token: token.0, amount: *amount }.abi_encode(),
            Self::EnforceDebts { entity, token, max_entries: n } => {
                let (entity, token, entries) = (word(entity), token.0, U256::from(*n));
                Depository::enforceDebtsCall { entity, token, maxEntries: entries }.abi_encode()
            }
            Self::RegisterHub { uri } => Depository::registerHubCall { uri: uri.clone() }.abi_encode(),
            Self::Act { action, authority } => {
                let transaction = action_transaction(deployment, action, authority)?;
                if transaction.to != Some(deployment.depository) {
                    return Err(ActionError::NotInABatch.into());
                }
                return Ok(transaction.data);
            }
        };
        Ok(data.into())
    }
}
