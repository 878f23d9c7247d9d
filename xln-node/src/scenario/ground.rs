//! The ground that a scenario stands on: embedded chains with the real contracts, and tokens of every kind, minted amply
//! for everyone before the story begins.

use std::collections::BTreeMap;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use alloy_sol_types::{SolCall, SolValue};
use xln_chain::client::{Registration, Token, VotingTerms};
use xln_chain::contracts::test_answers::TestAnswers;
use xln_chain::contracts::test_erc20::TestErc20;
use xln_chain::contracts::test_erc20_fee::TestErc20Fee;
use xln_chain::contracts::test_erc20_no_return::TestErc20NoReturn;
use xln_chain::contracts::test_erc721::TestErc721;
use xln_chain::contracts::test_erc1155::TestErc1155;
use xln_chain::deploy::{Periods, deploy_code};
use xln_chain::{
    Bytes, Chain, ChainError, Deployment, DepositoryClient, EmbeddedChain, Header, Log, LogFilter, Receipt,
    Transaction, U256,
};
use xln_core::crypto::LocalSigner;
use xln_core::entity::Board;
use xln_core::types::{Address, ChainId, EntityId, Hash, SubchannelKey, TokenId, UnixSeconds};

use super::file::{Scenario, TokenKind, TokenSpec};
use super::refusal::RunError;

/// When every scenario begins.
pub(super) const GENESIS: UnixSeconds = UnixSeconds(1_800_000_000);

/// What everyone has of each token: more than a Depository takes, so that every refusal is its own.
const AMPLE: u32 = 140;

/// The answer of a future that is ready at once, as an embedded chain's are.
///
/// # Errors
/// [`RunError::Value`] if it is not ready, else what it gives.
pub(super) fn now<T, E>(future: impl Future<Output = Result<T, E>>) -> Result<T, RunError>
where
    RunError: From<E>,
{
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Ok(answer?),
        Poll::Pending => Err(RunError::Value("an embedded chain did not answer at once")),
    }
}

/// An embedded chain through a wallet that tries before it sends: what would fail is not sent and makes no block.
#[derive(Clone, Debug)]
pub struct TriedChain(pub EmbeddedChain);

impl Chain for TriedChain {
    fn chain_id(&self) -> ChainId {
        self.0.chain_id()
    }

    async fn head(&self) -> Result<Header, ChainError> {
        self.0.head().await
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        self.0.header(number).await
    }

    async fn logs(&self, block: Hash, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.0.logs(block, filter).await
    }

    async fn logs_between(&self, first: u64, last: u64, filter: &LogFilter) -> Result<Vec<Log>, ChainError> {
        self.0.logs_between(first, last, filter).await
    }

    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        self.0.call(from, call).await
    }

    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        if transaction.to.is_some() {
            self.0.simulate(key.address(), &transaction)?;
        }
        self.0.send(key, transaction).await
    }

    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        self.0.receipt(transaction).await
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        self.0.confirm(transaction).await
    }

    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.0.balance(account).await
    }
}

/// The client that everything goes through.
pub(super) type Client = DepositoryClient<TriedChain>;

/// One chain.
pub struct Place {
    /// Its contracts.
    pub client: Client,
    /// The chain itself.
    pub chain: EmbeddedChain,
    /// The first block of the story.
    pub start: u64,
    /// What conditions ask.
    pub answers: Address,
}

/// One named token.
pub struct TokenPlace {
    /// What it is.
    pub kind: TokenKind,
    /// The chain's name.
    pub chain: String,
    /// The contract.
    contract: Address,
    /// Its numbers in the Depository: one, or one for each NFT.
    pub ids: Vec<TokenId>,
}

/// All chains and tokens.
pub struct Ground {
    /// Chains by name.
    pub places: BTreeMap<String, Place>,
    /// Tokens by name.
    pub tokens: BTreeMap<String, TokenPlace>,
    /// Deploys, mints and enforces.
    pub runner: LocalSigner,
}

impl Ground {
    /// Deploys everything and gives everyone ample tokens.
    ///
    /// # Errors
    /// [`RunError`] if a chain refuses.
    pub fn new(scenario: &Scenario, owners: &[LocalSigner]) -> Result<Self, RunError> {
        let runner =
            LocalSigner::new(&xln_merkle::keccak256(b"xln scenario runner")).map_err(|_| RunError::Value("key"))?;
        let mut names: Vec<&str> = vec!["a"];
        names.extend(scenario.tokens.values().map(|t| t.chain.as_str()));
        names.sort_unstable();
        names.dedup();
        let mut places = BTreeMap::new();
        for (name, id) in names.into_iter().zip(31_337_u64..) {
            let chain = EmbeddedChain::new(ChainId(id), GENESIS.minus(1));
            // Nobody waits in a story: a board that is proposed can be activated in the same second.
            let periods = Periods { board_delay_s: 0, ..Periods::of_window(scenario.dispute_window_s) };
            let deployment = now(Deployment::deploy_with(&chain, &runner, periods))?;
            let answers = now(deploy_code(&chain, &runner, &TestAnswers::BYTECODE, &[]))?;
            let client = DepositoryClient::new(TriedChain(chain.clone()), deployment)?;
            places.insert(name.to_owned(), Place { client, chain, start: 0, answers });
        }
        let mut ground = Self { places, tokens: BTreeMap::new(), runner };
        for (name, spec) in &scenario.tokens {
            let token = ground.token(spec, owners)?;
            ground.tokens.insert(name.clone(), token);
        }
        for place in ground.places.values_mut() {
            place.start = place.chain.newest().number;
            // Watchers begin in the second before the story, so that they have seen everything in it.
            place.chain.advance(1);
        }
        Ok(ground)
    }

    fn token(&self, spec: &TokenSpec, owners: &[LocalSigner]) -> Result<TokenPlace, RunError> {
        let place = self.places.get(&spec.chain).ok_or(RunError::Value("chain"))?;
        let contract = self.deploy(place, spec)?;
        let tokens = match spec.kind {
            TokenKind::Eth => vec![Token::Eth],
            TokenKind::Erc721 => {
                let ids = (1_u64..).zip(owners).map(|(id, _)| Token::Erc721 { contract, id: U256::from(id) });
                ids.collect()
            }
            TokenKind::Erc1155 => vec![Token::Erc1155 { contract, id: U256::from(1) }],
            _ => vec![Token::Erc20(contract)],
        };
        let mut ids = Vec::new();
        for token in &tokens {
            ids.push(match token {
                Token::Eth => TokenId(0),
                token => now(place.client.register_token(&self.runner, token))?,
            });
        }
        for (owner, number) in owners.iter().zip(1_u64..) {
            self.give(place, spec.kind, contract, owner.address(), number)?;
            if let Some(token) = tokens.first() {
                now(place.client.approve(owner, token, U256::MAX))?;
            }
        }
        Ok(TokenPlace { kind: spec.kind, chain: spec.chain.clone(), contract, ids })
    }

    fn deploy(&self, place: &Place, spec: &TokenSpec) -> Result<Address, RunError> {
        let fee = U256::from(spec.fee_ppm).abi_encode();
        let (code, arguments): (&[u8], &[u8]) = match spec.kind {
            TokenKind::Eth => return Ok(Address::ZERO),
            TokenKind::Erc20 => (&TestErc20::BYTECODE, &[]),
            TokenKind::Erc20NoReturn => (&TestErc20NoReturn::BYTECODE, &[]),
            TokenKind::Erc20Fee => (&TestErc20Fee::BYTECODE, &fee),
            TokenKind::Erc721 => (&TestErc721::BYTECODE, &[]),
            TokenKind::Erc1155 => (&TestErc1155::BYTECODE, &[]),
        };
        now(deploy_code(&place.chain, &self.runner, code, arguments))
    }

    fn give(
        &self,
        place: &Place,
        kind: TokenKind,
        contract: Address,
        to: Address,
        number: u64,
    ) -> Result<(), RunError> {
        let ample = U256::from(1).wrapping_shl(usize::try_from(AMPLE).unwrap_or(0));
        let owner = to.into();
        let data = match kind {
            TokenKind::Eth => {
                place.chain.fund(to, ample);
                return Ok(());
            }
            TokenKind::Erc721 => TestErc721::mintCall { to: owner, id: U256::from(number) }.abi_encode(),
            TokenKind::Erc1155 => TestErc1155::mintCall { to: owner, id: U256::from(1), amount: ample }.abi_encode(),
            _ => TestErc20::mintCall { to: owner, value: ample }.abi_encode(),
        };
        now(place.chain.execute(&self.runner, Transaction::call(contract, data)))?;
        Ok(())
    }

    /// Registers a board on the first chain.
    ///
    /// # Errors
    /// [`RunError`] if the chain fails.
    pub fn register(&self, board: &Board) -> Result<EntityId, RunError> {
        let organisation = Registration {
            board: Some(board.hash()),
            terms: VotingTerms {
                voting_period_s: 86_400,
                delay_s: 86_400,
                execution_period_s: 86_400,
                quorum_ppm: 500_000,
                proposer_ppm: 100_000,
            },
            holders: Vec::new(),
        };
        now(self.place("a")?.client.entities().register(&self.runner, &organisation))
    }

    /// A token by name.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn find(&self, name: &str) -> Result<&TokenPlace, RunError> {
        self.tokens.get(name).ok_or_else(|| RunError::Unknown { kind: "token", name: name.to_owned() })
    }

    /// A chain by name.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn place(&self, name: &str) -> Result<&Place, RunError> {
        self.places.get(name).ok_or_else(|| RunError::Unknown { kind: "chain", name: name.to_owned() })
    }

    /// The chain of a subchannel.
    #[must_use]
    pub fn place_of(&self, key: &SubchannelKey) -> Option<&Place> {
        self.places.values().find(|place| place.client.deployment().key() == *key)
    }

    /// The name of a subchannel's chain; empty if there is none.
    #[must_use]
    pub fn name_of(&self, key: &SubchannelKey) -> String {
        let found = self.places.iter().find(|(_, place)| place.client.deployment().key() == *key);
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// The subchannel of a token that was found.
    #[must_use]
    pub fn key_of(&self, token: &TokenPlace) -> Option<SubchannelKey> {
        self.places.get(&token.chain).map(|place| place.client.deployment().key())
    }

    /// The subchannel of a token.
    ///
    /// # Errors
    /// [`RunError::Unknown`].
    pub fn key(&self, token: &str) -> Result<SubchannelKey, RunError> {
        Ok(self.place(&self.find(token)?.chain)?.client.deployment().key())
    }

    /// What an account holds of a token outside of any Depository.
    ///
    /// # Errors
    /// [`RunError`] if the chain fails.
    pub fn external(&self, token: &TokenPlace, account: Address) -> Result<U256, RunError> {
        let place = self.place(&token.chain)?;
        let owner = account.into();
        let data = match token.kind {
            TokenKind::Eth => return now(place.chain.balance(account)),
            TokenKind::Erc1155 => TestErc1155::balanceOfCall { _0: owner, _1: U256::from(1) }.abi_encode(),
            _ => TestErc20::balanceOfCall(owner).abi_encode(),
        };
        let answer = now(place.chain.call(Address::ZERO, &Transaction::call(token.contract, data)))?;
        U256::abi_decode(&answer).map_err(|_| RunError::Value("a balance does not decode"))
    }

    /// Whether an account owns one NFT itself.
    ///
    /// # Errors
    /// [`RunError`] if the chain fails.
    pub fn owns_nft(&self, token: &TokenPlace, id: TokenId, account: Address) -> Result<bool, RunError> {
        let Some(number) = token.ids.iter().zip(1_u64..).find(|(i, _)| **i == id).map(|(_, n)| n) else {
            return Ok(false);
        };
        let place = self.place(&token.chain)?;
        let call = Transaction::call(token.contract, TestErc721::ownerOfCall(U256::from(number)).abi_encode());
        let answer = now(place.chain.call(Address::ZERO, &call))?;
        let owner = alloy_primitives::Address::abi_decode(&answer).map_err(|_| RunError::Value("an owner"))?;
        Ok(Address::from(owner) == account)
    }
}
