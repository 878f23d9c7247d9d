//! The sender: each action once, through restarts on either side, stalls, reorganisations and a stolen nonce.

use serde_json::json;
use xln_chain::rpc::RpcChain;
use xln_chain::sender::{MemoryOutbox, Outbox, Sender, SenderConfig, Settled};
use xln_chain::{Chain, Mempool, Transaction, U256};
use xln_core::types::Address;

use crate::common::*;
use crate::node::*;

const CONFIG: SenderConfig =
    SenderConfig { confirmations: 2, stall_blocks: 3, bump_percent: 15, max_fee: 10_000_000_000_000 };

fn transfer(to: u8, wei: u64) -> Transaction {
    Transaction { to: Some(Address([to; 20])), value: U256::from(wei), ..Transaction::default() }
}

fn sender(chain: &RpcChain, outbox: &MemoryOutbox) -> Sender<MemoryOutbox, RpcChain> {
    Sender::new(chain.clone(), key(1), CONFIG, outbox.clone()).unwrap()
}

async fn balance(chain: &RpcChain, to: u8) -> u64 {
    chain.balance(Address([to; 20])).await.unwrap().to::<u64>()
}

/// Lets blocks come until all is settled.
async fn finish(chain: &RpcChain, sender: &mut Sender<MemoryOutbox, RpcChain>) -> Vec<Settled> {
    let mut settled = Vec::new();
    for _ in 0..40 {
        for outcome in sender.drive().await.unwrap() {
            sender.forget(outcome.id).unwrap();
            settled.push(outcome);
        }
        if sender.actions().next().is_none() {
            return settled;
        }
        mine(chain, 1).await;
    }
    panic!("not settled: {settled:?}");
}

#[test]
fn an_action_is_sent_once_however_often_it_is_asked_for() {
    let Some(anvil) = Anvil::start(&["--no-mining"]) else { return };
    run(async {
        let chain = anvil.connect().await;
        fund(&chain, key(1).address()).await;
        let outbox = MemoryOutbox::default();
        let mut first = sender(&chain, &outbox);
        first.submit(7, &transfer(0x70, 100)).await.unwrap();
        first.submit(7, &transfer(0x70, 100)).await.unwrap();
        first.submit(8, &transfer(0x70, 1)).await.unwrap();
        // The process dies; its successor is asked again, before and after the block.
        let mut second = sender(&chain, &outbox);
        second.submit(7, &transfer(0x70, 100)).await.unwrap();
        assert_eq!(second.drive().await.unwrap(), []);
        mine(&chain, 1).await;
        let mut third = sender(&chain, &outbox);
        third.submit(7, &transfer(0x70, 100)).await.unwrap();
        third.submit(8, &transfer(0x70, 1)).await.unwrap();
        let settled = finish(&chain, &mut third).await;
        assert_eq!(settled.iter().map(|s| (s.id, s.receipt.success)).collect::<Vec<_>>(), [(7, true), (8, true)]);
        assert_eq!(balance(&chain, 0x70).await, 101);
        assert_eq!(chain.nonce(key(1).address(), None).await.unwrap(), 2);
        assert!(outbox.load().unwrap().is_empty());
    });
}

#[test]
fn a_stalled_transaction_pays_more_until_it_gets_in() {
    let Some(anvil) = Anvil::start(&["--no-mining"]) else { return };
    run(async {
        let chain = anvil.connect().await;
        fund(&chain, key(1).address()).await;
        let mut sender = sender(&chain, &MemoryOutbox::default());
        sender.submit(1, &transfer(0x71, 100)).await.unwrap();
        for _ in 0..5 {
            raw(&chain, "anvil_setNextBlockBaseFeePerGas", json!(["0x174876e800"])).await;
            mine(&chain, 1).await;
        }
        assert_eq!(balance(&chain, 0x71).await, 0, "it pays too little");
        let settled = finish(&chain, &mut sender).await;
        assert_eq!((settled.len(), balance(&chain, 0x71).await), (1, 100));
        assert_eq!(chain.nonce(key(1).address(), None).await.unwrap(), 1);
    });
}

#[test]
fn a_node_that_dies_with_what_waited_gets_it_again() {
    let Some(mut anvil) = Anvil::start(&["--no-mining"]) else { return };
    run(async {
        let chain = anvil.connect().await;
        fund(&chain, key(1).address()).await;
        mine(&chain, 1).await;
        let mut sender = sender(&chain, &MemoryOutbox::default());
        sender.submit(1, &transfer(0x72, 100)).await.unwrap();
        sender.submit(2, &transfer(0x72, 10)).await.unwrap();
        anvil.stop();
        assert!(sender.drive().await.is_err(), "nobody answers");
        assert!(sender.submit(3, &transfer(0x72, 1)).await.is_err());
        anvil.restart_stopped();
        sender.submit(3, &transfer(0x72, 1)).await.unwrap();
        let settled = finish(&chain, &mut sender).await;
        assert_eq!((settled.len(), balance(&chain, 0x72).await), (3, 111));
        assert_eq!(chain.nonce(key(1).address(), None).await.unwrap(), 3);
    });
}

#[test]
fn what_a_reorganisation_drops_is_sent_again() {
    let Some(anvil) = Anvil::start(&["--no-mining"]) else { return };
    run(async {
        let chain = anvil.connect().await;
        fund(&chain, key(1).address()).await;
        mine(&chain, 3).await;
        let mut sender = sender(&chain, &MemoryOutbox::default());
        sender.submit(1, &transfer(0x73, 100)).await.unwrap();
        mine(&chain, 1).await;
        assert_eq!(balance(&chain, 0x73).await, 100);
        assert_eq!(sender.drive().await.unwrap(), [], "not final yet");
        reorg(&chain, 1).await;
        assert_eq!(balance(&chain, 0x73).await, 0);
        let settled = finish(&chain, &mut sender).await;
        assert_eq!((settled.len(), balance(&chain, 0x73).await), (1, 100));
    });
}

#[test]
fn a_stolen_nonce_is_replaced_only_when_that_is_final() {
    let Some(mut anvil) = Anvil::start(&["--no-mining"]) else { return };
    run(async {
        let chain = anvil.connect().await;
        fund(&chain, key(1).address()).await;
        mine(&chain, 1).await;
        let mut sender = sender(&chain, &MemoryOutbox::default());
        sender.submit(1, &transfer(0x74, 100)).await.unwrap();
        anvil.restart();
        // Somebody uses the key behind the sender's back.
        chain.send(&key(1), transfer(0x75, 5)).await.unwrap();
        mine(&chain, 1).await;
        assert_eq!(sender.drive().await.unwrap(), []);
        assert_eq!(chain.pending_nonce(key(1).address()).await.unwrap(), 1, "no second transaction yet");
        let settled = finish(&chain, &mut sender).await;
        assert_eq!((settled.len(), balance(&chain, 0x74).await, balance(&chain, 0x75).await), (1, 100, 5));
        assert_eq!(chain.nonce(key(1).address(), None).await.unwrap(), 2);
    });
}
