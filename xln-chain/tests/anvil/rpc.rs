//! `RpcChain` by itself, and the watcher upon it.

use xln_chain::client::{DepositoryClient, Funding};
use xln_chain::rpc::{RpcChain, RpcConfig};
use xln_chain::{Chain, ChainError, Cursor, Deployment, LogFilter, Transaction, WatchConfig, Watcher};
use xln_core::chain::{ChainAction, ChainCall, ChainFact, ChangeKind};
use xln_core::types::{ChainId, Hash, HashKind, Secret, TokenId};

use crate::common::*;
use crate::node::*;

/// Deploys, deposits and funds a channel; gives the gas of each step.
async fn story<C: Chain>(chain: &C) -> (DepositoryClient<C>, Vec<u64>) {
    let (alice, bob) = (key(1), key(2));
    let deployment = Deployment::deploy(chain, &alice, WINDOW_S).await.unwrap();
    let client = DepositoryClient::new(chain.clone(), deployment).unwrap();
    let mut gas = Vec::new();
    gas.push(client.deposit_eth(&alice, &entity(&alice), 1_000_000).await.unwrap().gas_used);
    let funding = Funding { receiver: entity(&alice), peer: entity(&bob), amount: 500 };
    gas.push(client.reserve_to_collateral(&alice, TokenId(0), &[funding]).await.unwrap().gas_used);
    gas.push(client.reveal(&alice, HashKind::Sha256, &[Secret([3; 32])]).await.unwrap().gas_used);
    let pair = pair(&alice, &bob);
    let starter = pair.side(&entity(&alice)).unwrap();
    let call = ChainCall::StartEmptyDispute { starter, tokens: vec![TokenId(0)] };
    gas.push(client.submit(&alice, &ChainAction { key: deployment.key(), pair, call }).await.unwrap().gas_used);
    (client, gas)
}

#[test]
fn gas_and_views_are_those_of_the_embedded_chain() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        let chain = anvil.connect().await;
        fund(&chain, key(1).address()).await;
        let (client, gas) = story(&chain).await;
        let embedded = xln_chain::EmbeddedChain::new(CHAIN, GENESIS);
        embedded.fund(key(1).address(), xln_chain::U256::from(1_u128 << 100));
        let (other, expected) = story(&embedded).await;
        assert_eq!(gas, expected);
        let (a, b) = (pair(&key(1), &key(2)), entity(&key(1)));
        assert_eq!(
            client.collaterals(&a, &[TokenId(0)]).await.unwrap(),
            other.collaterals(&a, &[TokenId(0)]).await.unwrap()
        );
        assert_eq!(client.reserve(&b, TokenId(0)).await.unwrap(), 999_500);
        assert_eq!(client.window_s().await.unwrap(), WINDOW_S);
        assert!(client.revealed_at(HashKind::Sha256, &Secret([3; 32]).hash(HashKind::Sha256)).await.unwrap().is_some());
    });
}

#[test]
fn errors_have_their_names_wherever_they_show_up() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        let chain = anvil.connect().await;
        let alice = key(1);
        fund(&chain, alice.address()).await;
        let client =
            DepositoryClient::new(chain.clone(), Deployment::deploy(&chain, &alice, WINDOW_S).await.unwrap()).unwrap();
        let early = client.withdraw(&alice, TokenId(0), 5, alice.address()).await.unwrap_err();
        assert_eq!(early.revert_name(), Some("InsufficientReserve"), "the estimate shows it, nothing is sent");
        // With a stated limit nothing is estimated, and the block shows it.
        let data = alloy_primitives::hex!("3ccfd60b");
        let call = Transaction { gas_limit: Some(100_000), ..Transaction::call(client.deployment().depository, data) };
        assert!(chain.call(alice.address(), &call).await.unwrap_err().revert_name().is_some());
        let receipt = chain.confirm(&chain.send(&alice, call).await.unwrap()).await.unwrap();
        assert!(!receipt.success && receipt.revert.is_some());
        assert!(matches!(receipt.succeeded(), Err(ChainError::Reverted { .. })));
        assert_eq!(chain.receipt(&Hash([1; 32])).await.unwrap(), None);
        assert_eq!(chain.header(1_000_000).await.unwrap(), None);
        let unknown = chain.logs(Hash([1; 32]), &LogFilter::default()).await;
        assert!(matches!(unknown, Err(ChainError::UnknownBlock(_))), "{unknown:?}");
        let wrong = RpcConfig { chain: ChainId(5), ..anvil.config("http") };
        assert!(matches!(RpcChain::connect(wrong).await, Err(ChainError::WrongChain { .. })));
        let nobody = RpcConfig { retries: 1, ..RpcConfig::new("http://127.0.0.1:9", CHAIN) };
        assert!(RpcChain::connect(nobody).await.is_err_and(|error| error.is_transient()));
    });
}

fn disputes(facts: &[ChainFact]) -> (usize, usize, usize, bool) {
    let count = |test: fn(&ChainFact) -> bool| facts.iter().filter(|fact| test(fact)).count();
    (
        count(|f| matches!(f, ChainFact::Sighted { .. })),
        count(|f| matches!(f, ChainFact::Vanished { .. })),
        count(
            |f| matches!(f, ChainFact::Block { changes, .. } if changes.iter().any(|c| matches!(c.kind, ChangeKind::Dispute { .. }))),
        ),
        facts.iter().any(|f| matches!(f, ChainFact::Reorganised { .. })),
    )
}

async fn read(watcher: &mut Watcher, chain: &RpcChain) -> (usize, usize, usize, bool) {
    let mut all = Vec::new();
    loop {
        let facts = watcher.poll(chain).await.unwrap();
        if facts.is_empty() {
            return disputes(&all);
        }
        all.extend(facts);
    }
}

#[test]
fn the_watcher_follows_reorganisations_that_nobody_announces() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        for scheme in ["http", "ws"] {
            let chain = RpcChain::connect(anvil.config(scheme)).await.unwrap();
            fund(&chain, key(1).address()).await;
            let (client, _) = story(&chain).await;
            let config = WatchConfig::new(entity(&key(2)), client.deployment(), 3);
            let mut watcher = Watcher::new(CHAIN, config, &Cursor::default());
            assert_eq!(read(&mut watcher, &chain).await, (1, 0, 0, false), "{scheme}");
            reorg(&chain, 2).await;
            assert_eq!(read(&mut watcher, &chain).await, (0, 0, 0, false), "{scheme}: gone, and not for long enough");
            mine(&chain, 4).await;
            assert_eq!(read(&mut watcher, &chain).await, (0, 1, 0, false), "{scheme}: gone for good");
            let (a, b) = (key(1), key(2));
            let call =
                ChainCall::StartEmptyDispute { starter: pair(&a, &b).side(&entity(&a)).unwrap(), tokens: Vec::new() };
            client.submit(&a, &ChainAction { key: client.deployment().key(), pair: pair(&a, &b), call }).await.unwrap();
            assert_eq!(read(&mut watcher, &chain).await, (1, 0, 0, false), "{scheme}");
            mine(&chain, 3).await;
            assert_eq!(read(&mut watcher, &chain).await, (0, 0, 1, false), "{scheme}");
            mine(&chain, 10).await;
            read(&mut watcher, &chain).await;
            reorg(&chain, 8).await;
            mine(&chain, 1).await;
            assert_eq!(read(&mut watcher, &chain).await, (0, 0, 0, true), "{scheme}: beyond what was confirmed");
        }
    });
}
