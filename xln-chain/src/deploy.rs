//! Where the contracts are, and how they get there: creation code from `contracts/artifacts`, one transaction each.

use alloy_primitives::U256;
use alloy_primitives::aliases::U40;
use alloy_sol_types::{SolCall, SolConstructor};
use xln_core::channel::AcceptedDepository;
use xln_core::crypto::LocalSigner;
use xln_core::limits::GRACE_MARGIN_S;
use xln_core::types::{Address, ChainId, SubchannelKey};

use crate::chain::{Chain, Transaction};
use crate::contracts::depository::Depository;
use crate::contracts::entity_provider::EntityProvider;
use crate::contracts::subcontract_provider::SubcontractProvider;
use crate::contracts::test_erc20::TestErc20;
use crate::contracts::test_erc20_fee::TestErc20Fee;
use crate::contracts::test_erc20_no_return::TestErc20NoReturn;
use crate::contracts::test_erc721::TestErc721;
use crate::contracts::test_erc1155::TestErc1155;
use crate::error::ChainError;

/// One set of xln's contracts on one chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Deployment {
    /// The chain.
    pub chain: ChainId,
    /// Money and disputes.
    pub depository: Address,
    /// Instruments and the registry of secrets.
    pub subcontract_provider: Address,
    /// Who may sign for an entity.
    pub entity_provider: Address,
    /// The Depository's dispute window, in seconds.
    pub window_s: u64,
    /// How long the EntityProvider keeps a replaced board, a revoked or expired delegation valid for channel states, in
    /// seconds.
    pub grace_s: u64,
    /// How long a proposed board of an organisation waits until it can be activated, in seconds.
    pub board_delay_s: u64,
}

/// Times of a deployment, in seconds, each below `2^40`; grace and delay at most ten years.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Periods {
    /// The Depository's dispute window.
    pub window_s: u64,
    /// The EntityProvider's grace: the Depository refuses one of less than twice the window, nodes one of less than that and
    /// [`GRACE_MARGIN_S`].
    pub grace_s: u64,
    /// How long a proposed board of an organisation waits.
    pub board_delay_s: u64,
}

impl Periods {
    /// For a dispute window: the shortest grace that nodes accept, and a delay of twice the window.
    #[must_use]
    pub const fn of_window(window_s: u64) -> Self {
        let grace_s = window_s.saturating_mul(2).saturating_add(GRACE_MARGIN_S);
        Self { window_s, grace_s, board_delay_s: window_s.saturating_mul(2) }
    }
}

impl Deployment {
    /// Deploys all three contracts with the periods of [`Periods::of_window`].
    ///
    /// # Errors
    /// As [`Deployment::deploy_with`].
    pub async fn deploy<C: Chain>(chain: &C, key: &LocalSigner, window_s: u64) -> Result<Self, ChainError> {
        Self::deploy_with(chain, key, Periods::of_window(window_s)).await
    }

    /// Deploys all three contracts.
    ///
    /// # Errors
    /// [`ChainError`] of the chain; [`ChainError::OutOfRange`] for a period of more than 40 bits.
    pub async fn deploy_with<C: Chain>(chain: &C, key: &LocalSigner, periods: Periods) -> Result<Self, ChainError> {
        let Periods { window_s, grace_s, board_delay_s } = periods;
        let seconds = |period: u64| U40::try_from(period).map_err(|_| ChainError::OutOfRange);
        let subcontract_provider = deploy_code(chain, key, &SubcontractProvider::BYTECODE, &[]).await?;
        let (grace, delay) = (seconds(grace_s)?, seconds(board_delay_s)?);
        let arguments = EntityProvider::constructorCall { grace_: grace, boardDelay_: delay }.abi_encode();
        let entity_provider = deploy_code(chain, key, &EntityProvider::BYTECODE, &arguments).await?;
        let (provider, window) = (entity_provider.into(), seconds(window_s)?);
        let arguments = Depository::constructorCall { entityProvider_: provider, disputeWindow_: window }.abi_encode();
        let depository = deploy_code(chain, key, &Depository::BYTECODE, &arguments).await?;
        let chain = chain.chain_id();
        Ok(Self { chain, depository, subcontract_provider, entity_provider, window_s, grace_s, board_delay_s })
    }

    /// The subchannels that this Depository enforces.
    #[must_use]
    pub const fn key(&self) -> SubchannelKey {
        SubchannelKey { chain: self.chain, depository: self.depository }
    }

    /// As a node's configuration names it.
    #[must_use]
    pub fn accepted(&self) -> AcceptedDepository {
        let providers = vec![self.subcontract_provider];
        AcceptedDepository::new(self.key(), self.window_s, providers, self.entity_provider, self.grace_s)
    }
}

/// Deploys creation code with encoded constructor arguments.
///
/// # Errors
/// [`ChainError`] of the chain; [`ChainError::OutOfRange`] if the receipt names no contract.
pub async fn deploy_code<C: Chain>(
    chain: &C,
    key: &LocalSigner,
    code: &[u8],
    arguments: &[u8],
) -> Result<Address, ChainError> {
    let transaction = Transaction { data: [code, arguments].concat().into(), ..Transaction::default() };
    chain.execute(key, transaction).await?.deployed.ok_or(ChainError::OutOfRange)
}

/// Tokens that anybody may mint, for tests and simulations.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TestTokens {
    /// A well-behaved ERC-20.
    pub erc20: Address,
    /// An ERC-20 whose functions return nothing.
    pub erc20_no_return: Address,
    /// An ERC-20 that keeps one percent of each transfer.
    pub erc20_fee: Address,
    /// An ERC-721.
    pub erc721: Address,
    /// An ERC-1155.
    pub erc1155: Address,
}

impl TestTokens {
    /// Deploys all of them.
    ///
    /// # Errors
    /// [`ChainError`] of the chain.
    pub async fn deploy<C: Chain>(chain: &C, key: &LocalSigner) -> Result<Self, ChainError> {
        let one_percent = TestErc20Fee::constructorCall { feePpm_: U256::from(10_000) }.abi_encode();
        Ok(Self {
            erc20: deploy_code(chain, key, &TestErc20::BYTECODE, &[]).await?,
            erc20_no_return: deploy_code(chain, key, &TestErc20NoReturn::BYTECODE, &[]).await?,
            erc20_fee: deploy_code(chain, key, &TestErc20Fee::BYTECODE, &one_percent).await?,
            erc721: deploy_code(chain, key, &TestErc721::BYTECODE, &[]).await?,
            erc1155: deploy_code(chain, key, &TestErc1155::BYTECODE, &[]).await?,
        })
    }

    /// The mint of an amount of one of the three ERC-20s.
    #[must_use]
    pub fn mint_erc20(token: Address, to: Address, amount: U256) -> Transaction {
        Transaction::call(token, TestErc20::mintCall { to: to.into(), value: amount }.abi_encode())
    }

    /// The mint of one NFT.
    #[must_use]
    pub fn mint_erc721(&self, to: Address, id: U256) -> Transaction {
        Transaction::call(self.erc721, TestErc721::mintCall { to: to.into(), id }.abi_encode())
    }

    /// The mint of an amount of one ERC-1155 id.
    #[must_use]
    pub fn mint_erc1155(&self, to: Address, id: U256, amount: U256) -> Transaction {
        Transaction::call(self.erc1155, TestErc1155::mintCall { to: to.into(), id, amount }.abi_encode())
    }
}
