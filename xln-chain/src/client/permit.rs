//! Approvals by signature (ERC-2612), so that a deposit is one transaction.

use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolStruct, sol};
use xln_core::crypto::{LocalSigner, Signature};
use xln_core::types::{Address, Hash, TokenId, UnixSeconds};

use super::views::read;
use super::{DepositoryClient, Operation, Permit, Token};
use crate::chain::{Chain, Receipt};
use crate::error::{ActionError, ChainError};

mod typed {
    use super::sol;

    sol! {
        #[allow(missing_docs)]
        struct Permit { address owner; address spender; uint256 value; uint256 nonce; uint256 deadline; }
        #[allow(missing_docs)]
        function nonces(address owner) external view returns (uint256);
        #[allow(missing_docs)]
        function DOMAIN_SEPARATOR() external view returns (bytes32);
    }
}

impl Permit {
    /// From a signature of 64 bytes over [`DepositoryClient::permit_digest`].
    ///
    /// # Errors
    /// [`ActionError::MissingSignature`] if it is no account's.
    pub fn new(deadline: UnixSeconds, signature: &Signature) -> Result<Self, ActionError> {
        let bytes: &[u8; 64] = signature.as_bytes().try_into().map_err(|_| ActionError::MissingSignature)?;
        let (r, s) = bytes.split_first_chunk::<32>().ok_or(ActionError::MissingSignature)?;
        let mut s = <[u8; 32]>::try_from(s).map_err(|_| ActionError::MissingSignature)?;
        let odd = s.first().is_some_and(|top| top & 0x80 != 0);
        if let Some(top) = s.first_mut() {
            *top &= 0x7f;
        }
        Ok(Self { deadline: deadline.0, v: if odd { 28 } else { 27 }, r: B256::from(*r), s: s.into() })
    }
}

impl<C: Chain> DepositoryClient<C> {
    /// What the owner of an ERC-20 signs, so that the Depository may take exactly this amount until the deadline. The token's
    /// own domain separator and nonce are asked for.
    ///
    /// # Errors
    /// As [`Chain::call`]; [`ActionError::NoPermit`] if the token is no ERC-20.
    pub async fn permit_digest(
        &self,
        owner: Address,
        token: TokenId,
        amount: u128,
        deadline: UnixSeconds,
    ) -> Result<Hash, ChainError> {
        let Token::Erc20(contract) = self.token(token).await? else { return Err(ActionError::NoPermit.into()) };
        let nonce = read(&self.chain, contract, &typed::noncesCall { owner: owner.into() }).await?;
        let domain = read(&self.chain, contract, &typed::DOMAIN_SEPARATORCall {}).await?;
        let (value, deadline) = (U256::from(amount), U256::from(deadline.0));
        let spender = self.deployment.depository.into();
        let permit = typed::Permit { owner: owner.into(), spender, value, nonce, deadline };
        let message = [&[0x19, 0x01], domain.as_slice(), permit.eip712_hash_struct().as_slice()].concat();
        Ok(Hash(alloy_primitives::keccak256(message).0))
    }

    /// Deposits an ERC-20 with ERC-2612 into the key's own reserve, without an approval before.
    ///
    /// # Errors
    /// As [`DepositoryClient::permit_digest`] and [`Chain::execute`].
    pub async fn deposit_with_permit(
        &self,
        key: &LocalSigner,
        token: TokenId,
        amount: u128,
        deadline: UnixSeconds,
    ) -> Result<Receipt, ChainError> {
        let digest = self.permit_digest(key.address(), token, amount, deadline).await?;
        let permit = Permit::new(deadline, &key.sign_digest(&digest)?)?;
        let entity = xln_core::types::EntityId::account(key.address())?;
        self.operate(key, &Operation::DepositWithPermit { entity, token, amount, permit }).await
    }
}
