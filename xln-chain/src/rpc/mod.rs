//! A chain behind a node's JSON-RPC, over HTTP or WebSocket, by alloy. Requests that the node or the network dropped are
//! retried by alloy's layer, each has a time limit, and transactions are signed here: no key leaves the process.

mod convert;
mod http;

use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::{SignableTransaction, Transaction as _, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::Ethereum;
use alloy::providers::{Provider, RootProvider, WsConnect};
use alloy::rpc::client::{ClientBuilder, RpcClient};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::transports::layers::{RateLimitRetryPolicy, RetryBackoffLayer};
use alloy::transports::ws::WebSocketConfig;
use alloy::transports::{TransportError, TransportErrorKind, TransportResult};
use alloy_primitives::{B256, Bytes, Signature, TxKind, U256};
use tokio::sync::Mutex;
use xln_core::crypto::LocalSigner;
use xln_core::types::{Address, ChainId, Hash};

use crate::chain::{Chain, Header, Log, LogFilter, Receipt, Transaction};
use crate::error::ChainError;
use crate::mempool::Mempool;
pub use crate::mempool::{Fees, Signed};

/// Where a node is and how patient this side is with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RpcConfig {
    /// `http://`, `https://`, `ws://` or `wss://`.
    pub url: String,
    /// The chain that must answer there.
    pub chain: ChainId,
    /// How long one request may take, its retries included.
    pub request_timeout: Duration,
    /// How often a request is repeated that was refused for its rate or did not get through.
    pub retries: u32,
    /// The pause before a repetition.
    pub backoff: Duration,
    /// How often a receipt is asked for.
    pub poll_interval: Duration,
    /// How long [`Chain::confirm`] waits for a block.
    pub confirm_timeout: Duration,
    /// The longest answer that is read, in bytes: what is longer ends as [`ChainError::Transport`]. Ranges of logs are the
    /// longest honest answers; see [`WatchConfig::batch_range`](crate::WatchConfig::batch_range).
    pub max_answer_bytes: usize,
    /// What is added to estimated gas, in percent: the state may change before the block.
    pub gas_margin_percent: u64,
}

impl RpcConfig {
    /// A node with ordinary patience.
    #[must_use]
    pub fn new(url: impl Into<String>, chain: ChainId) -> Self {
        Self {
            url: url.into(),
            chain,
            request_timeout: Duration::from_secs(20),
            retries: 5,
            backoff: Duration::from_millis(300),
            poll_interval: Duration::from_millis(500),
            confirm_timeout: Duration::from_secs(180),
            max_answer_bytes: 64 << 20,
            gas_margin_percent: 20,
        }
    }
}

/// Handle of a chain behind JSON-RPC. It needs a tokio runtime.
///
/// [`Chain::send`] takes the account's next pending nonce, one transaction after the other within this handle and its clones;
/// what must survive a restart goes through [`Sender`](crate::sender::Sender).
#[derive(Clone, Debug)]
pub struct RpcChain {
    provider: RootProvider<Ethereum>,
    config: Arc<RpcConfig>,
    sending: Arc<Mutex<()>>,
}

impl RpcChain {
    /// Connects and checks that the right chain answers.
    ///
    /// # Errors
    /// [`ChainError::Transport`] for a bad address or an unreachable node, [`ChainError::WrongChain`].
    pub async fn connect(config: RpcConfig) -> Result<Self, ChainError> {
        let expected = config.chain;
        let chain = Self::connect_any(config).await?;
        let found = chain.config.chain;
        if found == expected { Ok(chain) } else { Err(ChainError::WrongChain { expected, found }) }
    }

    /// Connects to whatever chain answers; [`RpcConfig::chain`] becomes its id. What is signed then is for that chain: compare
    /// it with what you know.
    ///
    /// # Errors
    /// [`ChainError::Transport`] for a bad address or an unreachable node.
    pub async fn connect_any(mut config: RpcConfig) -> Result<Self, ChainError> {
        let client = connect(&config).await?;
        let provider = RootProvider::new(client);
        let asked = tokio::time::timeout(config.request_timeout, provider.get_chain_id()).await.map_err(transport)?;
        config.chain = ChainId(asked.map_err(convert::error)?);
        Ok(Self { provider, config: Arc::new(config), sending: Arc::new(Mutex::new(())) })
    }

    /// How it was configured.
    #[must_use]
    pub fn config(&self) -> &RpcConfig {
        &self.config
    }

    /// alloy's provider, for what this crate has no method for.
    #[must_use]
    pub const fn provider(&self) -> &RootProvider<Ethereum> {
        &self.provider
    }

    async fn ask<T>(&self, request: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, ChainError> {
        match tokio::time::timeout(self.config.request_timeout, request.into_future()).await {
            Ok(answer) => answer.map_err(convert::error),
            Err(late) => Err(ChainError::Transport(Box::new(late))),
        }
    }

    /// Receipts do not carry revert data: executing it again upon the block before shows it, in most cases exactly. A node
    /// that refuses to, having forgotten that block's state, does not keep anybody from the receipt.
    async fn revert_data(&self, transaction: B256, number: u64) -> Result<Option<Bytes>, ChainError> {
        let Some(found) = self.ask(self.provider.get_transaction_by_hash(transaction)).await? else { return Ok(None) };
        let block = BlockId::number(number.saturating_sub(1));
        let again = Provider::call(&self.provider, found.into()).block(block);
        match tokio::time::timeout(self.config.request_timeout, again.into_future()).await {
            Ok(Ok(_)) => Ok(None),
            Ok(Err(TransportError::ErrorResp(payload))) => Ok(payload.as_revert_data()),
            Ok(Err(error)) => Err(transport(error)),
            Err(late) => Err(transport(late)),
        }
    }

    /// The number of the block with the account's transaction of this nonce: it has more transactions there than in the
    /// block before. `None` if it has not used the nonce up to `last`.
    async fn block_of(&self, account: Address, nonce: u64, last: u64) -> Result<Option<u64>, ChainError> {
        if self.nonce(account, Some(last)).await? <= nonce {
            return Ok(None);
        }
        // Up to `low` the nonce is not used, at `high` it is.
        let (mut low, mut high, mut step) = (None, last, 1_u64);
        while low.is_none() {
            let Some(probe) = high.checked_sub(step) else { break };
            if self.nonce(account, Some(probe)).await? > nonce {
                (high, step) = (probe, step.saturating_mul(2));
            } else {
                low = Some(probe);
            }
        }
        let mut low = low.unwrap_or(0);
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.nonce(account, Some(middle)).await? > nonce { high = middle } else { low = middle }
        }
        Ok(Some(high))
    }
}

async fn connect(config: &RpcConfig) -> Result<RpcClient, ChainError> {
    // Rates are the node's business: what it refuses is retried, nothing is held back.
    let unit_cost = u64::MAX;
    let policy =
        RateLimitRetryPolicy::default().or(|error: &TransportError| matches!(error, TransportError::Transport(_)));
    let backoff = u64::try_from(config.backoff.as_millis()).unwrap_or(u64::MAX);
    let layer = RetryBackoffLayer::new_with_policy(config.retries, backoff, unit_cost, policy);
    let builder = ClientBuilder::default().layer(layer);
    // Already installed means that somebody chose before; their choice stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url: reqwest::Url = config.url.parse().map_err(transport)?;
    if matches!(url.scheme(), "ws" | "wss") {
        let size = Some(config.max_answer_bytes);
        let frames = WebSocketConfig::default().max_message_size(size).max_frame_size(size);
        let socket = WsConnect::new(config.url.as_str())
            .with_max_retries(config.retries)
            .with_retry_interval(config.backoff)
            .with_config(frames);
        return builder.ws(socket).await.map_err(transport);
    }
    let http = reqwest::Client::builder().timeout(config.request_timeout).build().map_err(transport)?;
    let is_local = url.host_str().is_some_and(|host| host == "localhost" || host == "127.0.0.1" || host == "[::1]");
    Ok(builder.transport(http::Bounded::new(http, url, config.max_answer_bytes), is_local))
}

fn transport(error: impl std::error::Error + Send + Sync + 'static) -> ChainError {
    ChainError::Transport(Box::new(error))
}

fn request(from: Address, transaction: &Transaction) -> TransactionRequest {
    let mut request =
        TransactionRequest::default().from(from.into()).value(transaction.value).input(transaction.data.clone().into());
    request.to = Some(transaction.to.map_or(TxKind::Create, |to| TxKind::Call(to.into())));
    request.gas = transaction.gas_limit;
    request
}

fn filter(wanted: &LogFilter) -> Filter {
    let addresses: Vec<_> = wanted.addresses.iter().map(|address| alloy_primitives::Address::from(*address)).collect();
    Filter::new().address(addresses).event_signature(wanted.events.clone())
}

impl Chain for RpcChain {
    fn chain_id(&self) -> ChainId {
        self.config.chain
    }

    async fn identify(&self) -> Result<ChainId, ChainError> {
        Ok(ChainId(self.ask(self.provider.get_chain_id()).await?))
    }

    async fn head(&self) -> Result<Header, ChainError> {
        let block = self.ask(self.provider.get_block_by_number(BlockNumberOrTag::Latest)).await?;
        block
            .map(|block| convert::header(&block.header))
            .ok_or_else(|| transport(TransportErrorKind::custom_str("the node has no newest block")))
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, ChainError> {
        let block = self.ask(self.provider.get_block_by_number(BlockNumberOrTag::Number(number))).await?;
        Ok(block.map(|block| convert::header(&block.header)))
    }

    async fn logs(&self, block: Hash, wanted: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let found = self.ask(self.provider.get_logs(&filter(wanted).at_block_hash(B256::from(block.0)))).await;
        match found {
            Ok(logs) => convert::logs(logs),
            Err(error) => match self.ask(self.provider.get_block_by_hash(B256::from(block.0))).await? {
                Some(_) => Err(error),
                None => Err(ChainError::UnknownBlock(block)),
            },
        }
    }

    async fn logs_between(&self, first: u64, last: u64, wanted: &LogFilter) -> Result<Vec<Log>, ChainError> {
        let request = filter(wanted).from_block(first).to_block(last);
        convert::logs(self.ask(self.provider.get_logs(&request)).await?)
    }

    async fn call(&self, from: Address, call: &Transaction) -> Result<Bytes, ChainError> {
        self.ask(Provider::call(&self.provider, request(from, call)).block(BlockId::latest())).await
    }

    async fn send(&self, key: &LocalSigner, transaction: Transaction) -> Result<Hash, ChainError> {
        let gas_limit = self.estimate(key.address(), &transaction).await?;
        let fees = self.fees().await?;
        let _turn = self.sending.lock().await;
        let nonce = self.pending_nonce(key.address()).await?;
        let signed = self.sign(key, &transaction, nonce, gas_limit, fees)?;
        self.broadcast(&signed).await?;
        Ok(signed.hash)
    }

    async fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>, ChainError> {
        let hash = B256::from(transaction.0);
        let Some(found) = self.ask(self.provider.get_transaction_receipt(hash)).await? else { return Ok(None) };
        let Some(mut receipt) = convert::receipt(found)? else { return Ok(None) };
        if !receipt.success {
            receipt.revert = self.revert_data(hash, receipt.number).await?;
        }
        Ok(Some(receipt))
    }

    async fn confirm(&self, transaction: &Hash) -> Result<Receipt, ChainError> {
        let waiting = async {
            loop {
                if let Some(receipt) = self.receipt(transaction).await? {
                    return Ok(receipt);
                }
                tokio::time::sleep(self.config.poll_interval).await;
            }
        };
        let limit = tokio::time::timeout(self.config.confirm_timeout, waiting);
        limit.await.unwrap_or(Err(ChainError::Pending(*transaction)))
    }

    async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.ask(self.provider.get_balance(account.into())).await
    }
}

impl Mempool for RpcChain {
    async fn nonce(&self, account: Address, block: Option<u64>) -> Result<u64, ChainError> {
        let request = self.provider.get_transaction_count(account.into());
        let block = block.map_or(BlockId::latest(), BlockId::number);
        self.ask(request.block_id(block)).await
    }

    async fn pending_nonce(&self, account: Address) -> Result<u64, ChainError> {
        self.ask(self.provider.get_transaction_count(account.into()).pending()).await
    }

    async fn user_of(&self, account: Address, nonce: u64, block: u64) -> Result<Option<Hash>, ChainError> {
        let Some(number) = self.block_of(account, nonce, block).await? else { return Ok(None) };
        let found = self.ask(self.provider.get_block_by_number(BlockNumberOrTag::Number(number)).full()).await?;
        let transactions = found.map(|block| block.transactions.into_transactions_vec()).unwrap_or_default();
        let account: alloy_primitives::Address = account.into();
        let user = transactions.into_iter().find(|tx| tx.inner.signer() == account && tx.nonce() == nonce);
        Ok(user.map(|tx| Hash(tx.inner.hash().0)))
    }

    async fn fees(&self) -> Result<Fees, ChainError> {
        let found = self.ask(self.provider.estimate_eip1559_fees()).await?;
        Ok(Fees { max: found.max_fee_per_gas, priority: found.max_priority_fee_per_gas })
    }

    async fn estimate(&self, from: Address, transaction: &Transaction) -> Result<u64, ChainError> {
        if let Some(limit) = transaction.gas_limit {
            return Ok(limit);
        }
        let found = self.ask(self.provider.estimate_gas(request(from, transaction))).await?;
        let margin = found.saturating_mul(self.config.gas_margin_percent).checked_div(100).unwrap_or(0);
        Ok(found.saturating_add(margin))
    }

    fn sign(
        &self,
        key: &LocalSigner,
        transaction: &Transaction,
        nonce: u64,
        gas_limit: u64,
        fees: Fees,
    ) -> Result<Signed, ChainError> {
        let unsigned = TxEip1559 {
            chain_id: self.config.chain.0,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.priority,
            to: transaction.to.map_or(TxKind::Create, |to| TxKind::Call(to.into())),
            value: transaction.value,
            access_list: Default::default(),
            input: transaction.data.clone(),
        };
        let compact = key.sign_digest(&Hash(unsigned.signature_hash().0))?;
        let compact: &[u8; 64] = compact.as_bytes().try_into().map_err(|_| ChainError::OutOfRange)?;
        let signed = unsigned.into_signed(Signature::from_erc2098(compact));
        Ok(Signed { hash: Hash(signed.hash().0), raw: signed.encoded_2718() })
    }

    async fn broadcast(&self, signed: &Signed) -> Result<(), ChainError> {
        let sent = tokio::time::timeout(self.config.request_timeout, self.provider.send_raw_transaction(&signed.raw));
        match sent.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if convert::is_known(&error) => Ok(()),
            Ok(Err(error @ TransportError::ErrorResp(_))) => Err(ChainError::Unacceptable(Box::new(error))),
            Ok(Err(error)) => Err(ChainError::Transport(Box::new(error))),
            Err(late) => Err(ChainError::Transport(Box::new(late))),
        }
    }
}
