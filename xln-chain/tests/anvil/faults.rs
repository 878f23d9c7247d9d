//! Endpoints that go wrong: what is retried, what is an error with a name, what the watcher makes of it, and what a quorum bears.

use xln_chain::client::DepositoryClient;
use xln_chain::rpc::RpcChain;
use xln_chain::sender::{MemoryOutbox, Sender, SenderConfig};
use xln_chain::{Chain, ChainError, Cursor, Deployment, Mempool, QuorumChain, Transaction, U256, WatchConfig, Watcher};
use xln_core::chain::ChainFact;
use xln_core::types::{Address, ChainId, TokenId};

use crate::common::*;
use crate::node::*;
use crate::proxy::{Proxy, Wrong};

/// Refusals for the rate, and servers that are down for a moment, are repeated; what cannot be read is an error that says that
/// it may be asked again, in bounded time and memory; the next request is as good as ever.
#[test]
fn every_fault_is_retried_or_named() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        let proxy = Proxy::before(&anvil);
        let chain = proxy.connect().await;
        let head = chain.head().await.unwrap();
        for wrong in [Wrong::TooMany, Wrong::Limited, Wrong::Unavailable] {
            proxy.next([wrong, wrong]);
            assert_eq!(chain.head().await.unwrap(), head, "{wrong:?}");
        }
        for wrong in [Wrong::TooMany, Wrong::Limited] {
            proxy.next([wrong; 3]);
            let error = chain.head().await.unwrap_err();
            assert!(error.is_transient(), "{wrong:?}: {error:?}");
        }
        for wrong in [Wrong::Malformed, Wrong::Cut, Wrong::Stalled, Wrong::Null] {
            proxy.always(wrong);
            let error = chain.head().await.unwrap_err();
            assert!(error.is_transient(), "{wrong:?}: {error:?}");
            proxy.always(Wrong::Nothing);
            assert_eq!(chain.head().await.unwrap(), head, "{wrong:?}");
        }
        proxy.always(Wrong::Oversized);
        let error = chain.head().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("longer than the configured bound"), "{source}");
        proxy.always(Wrong::OtherChain);
        assert_eq!(chain.identify().await.unwrap(), ChainId(5));
        let other = RpcChain::connect(proxy.config()).await.unwrap_err();
        assert!(matches!(other, ChainError::WrongChain { found: ChainId(5), .. }), "{other:?}");
        assert_eq!(RpcChain::connect_any(proxy.config()).await.unwrap().chain_id(), ChainId(5));
    });
}

/// Polls until all is confirmed that can be: an endpoint that is behind for a moment has no news, and is asked again.
async fn facts(watcher: &mut Watcher, chain: &impl Chain, last: u64) -> Vec<ChainFact> {
    let mut all = Vec::new();
    while watcher.confirmed().is_none_or(|point| point.number < last) {
        match watcher.poll(chain).await {
            Ok(facts) => all.extend(facts),
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    all
}

/// Through every fault, at every request in turn, the facts are those of the node itself.
#[test]
fn the_watcher_gets_the_same_facts_through_a_bad_endpoint() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        let direct = anvil.connect().await;
        let alice = key(1);
        fund(&direct, alice.address()).await;
        let deployment = Deployment::deploy(&direct, &alice, WINDOW_S).await.unwrap();
        let client = DepositoryClient::new(direct.clone(), deployment).unwrap();
        client.deposit_eth(&alice, &entity(&alice), 1_000_000).await.unwrap();
        for amount in 1..5 {
            let funding = xln_chain::client::Funding { receiver: entity(&alice), peer: entity(&key(2)), amount };
            client.reserve_to_collateral(&alice, TokenId(0), &[funding]).await.unwrap();
        }
        mine(&direct, 4).await;
        let config = WatchConfig { batch_blocks: 2, ..WatchConfig::new(entity(&alice), &deployment, 2) };
        let mut watcher = Watcher::new(CHAIN, config.clone(), &Cursor::default());
        let last = direct.head().await.unwrap().number - 2;
        let expected = facts(&mut watcher, &direct, last).await;
        let changed = expected.iter().filter(|f| matches!(f, ChainFact::Block { changes, .. } if !changes.is_empty()));
        assert_eq!(changed.count(), 4);
        let proxy = Proxy::before(&anvil);
        let chain = proxy.connect().await;
        use Wrong::{Cut, Limited, Malformed, Nothing, Null, OtherHash, OtherNumber, TooMany};
        for wrong in [TooMany, Limited, Malformed, Cut, Null, OtherHash, OtherNumber] {
            for place in [0, 1, 2, 5] {
                let mut watcher = Watcher::new(CHAIN, config.clone(), &Cursor::default());
                proxy.next([Nothing].repeat(place).into_iter().chain([wrong]));
                let found = facts(&mut watcher, &chain, last).await;
                assert_eq!(found, expected, "{wrong:?} at {place}");
            }
        }
    });
}

/// Why a transaction failed is nice to know; that nobody remembers must not hide that it did.
#[test]
fn a_receipt_needs_no_old_state() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        let direct = anvil.connect().await;
        let alice = key(1);
        fund(&direct, alice.address()).await;
        let deployment = Deployment::deploy(&direct, &alice, WINDOW_S).await.unwrap();
        let data = alloy_primitives::hex!("3ccfd60b");
        let call = Transaction { gas_limit: Some(100_000), ..Transaction::call(deployment.depository, data) };
        let hash = direct.send(&alice, call).await.unwrap();
        direct.confirm(&hash).await.unwrap();
        let proxy = Proxy::before(&anvil);
        let chain = proxy.connect().await;
        proxy.always(Wrong::Pruned);
        let receipt = chain.receipt(&hash).await.unwrap().unwrap();
        assert!(!receipt.success && receipt.revert.is_none());
        proxy.always(Wrong::Nothing);
        assert!(chain.receipt(&hash).await.unwrap().unwrap().revert.is_some());
    });
}

/// Two of three: one endpoint may lie or stall, and what is sent happens once; when two disagree with everybody, the error
/// names what each said.
#[test]
fn two_of_three_endpoints() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    run(async {
        let direct = anvil.connect().await;
        fund(&direct, key(1).address()).await;
        mine(&direct, 5).await;
        let proxies = [Proxy::before(&anvil), Proxy::before(&anvil), Proxy::before(&anvil)];
        let mut endpoints = Vec::new();
        for proxy in &proxies {
            endpoints.push(proxy.connect().await);
        }
        let quorum = QuorumChain::new(endpoints, 2).unwrap();
        let head = direct.head().await.unwrap();
        for wrong in [Wrong::OtherHash, Wrong::OtherNumber, Wrong::Null, Wrong::Stalled, Wrong::Malformed] {
            proxies[1].always(wrong);
            assert_eq!(quorum.head().await.unwrap(), head, "{wrong:?}");
            assert_eq!(quorum.header(3).await.unwrap(), direct.header(3).await.unwrap(), "{wrong:?}");
        }
        proxies[1].always(Wrong::OtherHash);
        let config = SenderConfig { confirmations: 1, ..SenderConfig::default() };
        let mut sender = Sender::new(quorum.clone(), key(1), config, MemoryOutbox::default()).unwrap();
        let to = Transaction { to: Some(Address([0x76; 20])), value: U256::from(7), ..Transaction::default() };
        sender.submit(1, &to).await.unwrap();
        let mut settled = Vec::new();
        while settled.is_empty() {
            mine(&direct, 1).await;
            settled = sender.drive().await.unwrap();
        }
        assert_eq!(direct.balance(Address([0x76; 20])).await.unwrap(), U256::from(7));
        assert_eq!(direct.nonce(key(1).address(), None).await.unwrap(), 1);
        proxies[2].always(Wrong::Null);
        let Err(ChainError::Disagreement(found)) = quorum.header(3).await else { panic!("one against one") };
        assert_eq!((found.required, found.answers.len(), found.question.as_str()), (2, 3, "block 3"));
        assert!(found.answers[1].contains("abab") && found.answers[2] == "None", "{found}");
    });
}
