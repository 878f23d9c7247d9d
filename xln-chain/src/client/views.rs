//! What a Depository says of reserves, channels, debts and tokens, read from the newest block.

use alloy_primitives::U256;
use alloy_sol_types::SolCall;
use xln_core::types::{Address, EntityId, Hash, HashKind, Pair, RecordedFact, TokenFact, TokenId, UnixSeconds};

use super::{DepositoryClient, Token, word};
use crate::chain::{Chain, Transaction};
use crate::codec::DisputeHash;
use crate::contracts::depository::Depository;
use crate::contracts::subcontract_provider::SubcontractProvider;
use crate::error::ChainError;

/// What a Depository keeps of a channel beside its collateral.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChannelHeader {
    /// How often it was closed.
    pub epoch: u32,
    /// How many settlements and closes it had.
    pub settlement_nonce: u32,
    /// Names a running dispute: see [`dispute_hash`](crate::codec::dispute_hash).
    pub dispute: Option<DisputeHash>,
}

/// One open debt, in the token's base unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DebtEntry {
    /// Its place in the debtor's queue.
    pub index: u64,
    /// To whom.
    pub creditor: EntityId,
    /// How much is still owed.
    pub amount: u128,
}

/// A part of a debtor's queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DebtPage {
    /// Open entries, oldest first.
    pub entries: Vec<DebtEntry>,
    /// The first index that may be open.
    pub head: u64,
    /// The index after the last.
    pub tail: u64,
}

impl DebtPage {
    /// From where the page after the one asked for with `from` and `max` is to be asked for; `None` at the end.
    #[must_use]
    pub fn next(&self, from: u64, max: u64) -> Option<u64> {
        Some(from.max(self.head).saturating_add(max)).filter(|next| *next < self.tail)
    }
}

/// An entry of the public list of hubs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hub {
    /// Who.
    pub entity: EntityId,
    /// Where to find it: whatever it says, at most 256 bytes.
    pub uri: String,
    /// Gas that its batches used since it registered.
    pub gas_used: U256,
}

impl<C: Chain> DepositoryClient<C> {
    /// An entity's free balance, in the token's base unit.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn reserve(&self, entity: &EntityId, token: TokenId) -> Result<u128, ChainError> {
        self.view(&Depository::reserveOfCall { entity: word(entity), token: token.0 }).await
    }

    /// A channel's epoch, settlement nonce and dispute.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn channel(&self, pair: &Pair) -> Result<ChannelHeader, ChainError> {
        let found =
            self.view(&Depository::channelCall { left: word(&pair.left()), right: word(&pair.right()) }).await?;
        let dispute = Some(DisputeHash(found.disputeHash.0)).filter(|hash| hash.0 != [0; 24]);
        Ok(ChannelHeader { epoch: found.epoch, settlement_nonce: found.settlementNonce, dispute })
    }

    /// Collateral and ondelta of a channel's tokens, in the order asked for.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn collaterals(&self, pair: &Pair, tokens: &[TokenId]) -> Result<Vec<TokenFact>, ChainError> {
        let found = self
            .view(&Depository::collateralsCall {
                left: word(&pair.left()),
                right: word(&pair.right()),
                tokens: tokens.iter().map(|token| token.0).collect(),
            })
            .await?;
        let values = found.collateral.into_iter().zip(found.ondelta);
        let facts = tokens.iter().zip(values);
        Ok(facts.map(|(token, (collateral, ondelta))| TokenFact { token: *token, collateral, ondelta }).collect())
    }

    /// Open debts of an entity among the `max` queue entries from index `from` on, or from the head if that is later. There
    /// may be none and more behind: [`DebtPage::next`] says where to go on.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn debts(&self, entity: &EntityId, token: TokenId, from: u64, max: u64) -> Result<DebtPage, ChainError> {
        let found = self.view(&Depository::debtsOfCall { entity: word(entity), token: token.0, from, max }).await?;
        let entries = found.entries.iter().map(|entry| {
            let creditor = EntityId::parse(entry.creditor.0)?;
            Ok(DebtEntry { index: entry.index, creditor, amount: entry.amount })
        });
        let entries = entries.collect::<Result<_, ChainError>>()?;
        Ok(DebtPage { entries, head: found.head, tail: found.tail })
    }

    /// Sum of all open debts of an entity, in the token's base unit.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn debt_total(&self, entity: &EntityId, token: TokenId) -> Result<U256, ChainError> {
        self.view(&Depository::debtTotalCall { entity: word(entity), token: token.0 }).await
    }

    /// How many tokens are registered; the native coin is the first.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn token_count(&self) -> Result<u32, ChainError> {
        self.view(&Depository::tokenCountCall {}).await
    }

    /// What a token number stands for.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn token(&self, token: TokenId) -> Result<Token, ChainError> {
        Token::of(&self.view(&Depository::tokenInfoCall { token: token.0 }).await?)
    }

    /// What the token numbers from `from` on stand for, at most `max`.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn tokens(&self, from: TokenId, max: u32) -> Result<Vec<Token>, ChainError> {
        self.view(&Depository::tokensCall { from: from.0, max }).await?.iter().map(Token::of).collect()
    }

    /// A token's number, `None` if nobody registered it.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn token_id(&self, token: &Token) -> Result<Option<TokenId>, ChainError> {
        if *token == Token::Eth {
            return Ok(Some(TokenId(0)));
        }
        let (kind, address, id) = token.parts();
        let found = self.view(&Depository::tokenIdCall { kind, token: address.into(), id }).await?;
        Ok(Some(TokenId(found)).filter(|id| id.0 != 0))
    }

    /// All open debts of an entity, oldest first, read in pages of `page` entries.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn all_debts(&self, entity: &EntityId, token: TokenId, page: u64) -> Result<Vec<DebtEntry>, ChainError> {
        let (mut entries, mut from) = (Vec::new(), Some(0));
        while let Some(start) = from {
            let found = self.debts(entity, token, start, page.max(1)).await?;
            from = found.next(start, page.max(1));
            entries.extend(found.entries);
        }
        Ok(entries)
    }

    /// The nonce of an entity's next signed batch.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn batch_nonce(&self, entity: &EntityId) -> Result<u64, ChainError> {
        self.view(&Depository::batchNonceCall { entity: word(entity) }).await
    }

    /// How many hubs are registered.
    ///
    /// # Errors
    /// As [`Chain::call`]; [`ChainError::OutOfRange`].
    pub async fn hub_count(&self) -> Result<u64, ChainError> {
        u64::try_from(self.view(&Depository::hubCountCall {}).await?).map_err(|_| ChainError::OutOfRange)
    }

    /// Hubs from a place of the list on, at most `max`.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn hubs(&self, from: u64, max: u64) -> Result<Vec<Hub>, ChainError> {
        let call = Depository::hubsCall { from: U256::from(from), max: U256::from(max) };
        let found = self.view(&call).await?.into_iter().map(|hub| {
            let entity = EntityId::parse(hub.entity.0)?;
            Ok(Hub { entity, uri: hub.uri, gas_used: U256::from(hub.gasUsed) })
        });
        found.collect()
    }

    /// Chain time at which a fact was recorded in the deployment's registry, and its value.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn fact(&self, key: &Hash) -> Result<Option<RecordedFact>, ChainError> {
        let provider = self.deployment.subcontract_provider;
        let found = self.read(provider, &SubcontractProvider::factCall { key: key.0.into() }).await?;
        let fact = RecordedFact { provider, key: *key, at: UnixSeconds(found.recordedAt.to()), value: found.value };
        Ok(Some(fact).filter(|fact| fact.at.0 != 0))
    }

    /// The code of a custom instrument, `None` if the id was not given.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn instrument(&self, id: u16) -> Result<Option<Address>, ChainError> {
        let found =
            self.read(self.deployment.subcontract_provider, &SubcontractProvider::instrumentCall { id }).await?;
        Ok(Some(found.into()).filter(|address| *address != Address::ZERO))
    }

    /// The dispute window that the contract itself states, in seconds: what a node compares its configuration with.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn window_s(&self) -> Result<u64, ChainError> {
        Ok(self.view(&Depository::disputeWindowCall {}).await?.to::<u64>())
    }

    /// The EntityProvider that the contract itself names.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn entity_provider(&self) -> Result<Address, ChainError> {
        Ok(self.view(&Depository::entityProviderCall {}).await?.into())
    }

    /// Chain time of a secret's first reveal in the deployment's registry.
    ///
    /// # Errors
    /// As [`Chain::call`].
    pub async fn revealed_at(&self, kind: HashKind, hash: &Hash) -> Result<Option<UnixSeconds>, ChainError> {
        let call = SubcontractProvider::revealedAtCall { kind: kind.index(), hash: hash.0.into() };
        let found = self.read(self.deployment.subcontract_provider, &call).await?.to::<u64>();
        Ok(Some(UnixSeconds(found)).filter(|time| time.0 != 0))
    }

    pub(super) async fn view<F: SolCall + Sync>(&self, call: &F) -> Result<F::Return, ChainError> {
        self.read(self.deployment.depository, call).await
    }

    async fn read<F: SolCall + Sync>(&self, contract: Address, call: &F) -> Result<F::Return, ChainError> {
        read(&self.chain, contract, call).await
    }
}

/// Calls a view of a contract.
pub(super) async fn read<C: Chain, F: SolCall + Sync>(
    chain: &C,
    contract: Address,
    call: &F,
) -> Result<F::Return, ChainError> {
    let call = Transaction::call(contract, call.abi_encode());
    let output = chain.call(Address::ZERO, &call).await?;
    Ok(F::abi_decode_returns_validate(&output)?)
}
