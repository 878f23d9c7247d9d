//! Many calls at once, from many threads, and many payments.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod wallet_common;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use futures::future::join_all;
use wallet_common::*;
use xln_core::types::EntityId;
use xln_node::wallet::*;
use xln_storage::Storage;

#[test]
fn thousands_of_payments() {
    const COUNT: u128 = 1200;
    let world = World::new(2);
    world.channel(0, 1, 1 << 60);
    let (a, b) = (&world.wallets[0], &world.wallets[1]);
    let all = join_all((1..=COUNT).map(|amount| a.pay(b.entity(), KEY, USD, amount)));
    let ends = world.run(all);
    assert!(ends.iter().all(Result::is_ok));
    assert_eq!(world.paid(0, 1), i128::try_from(COUNT * (COUNT + 1) / 2).unwrap());
    // Calls that wait together share writes and blocks.
    let height = block_on(a.channel(b.entity())).unwrap().unwrap().height;
    assert!(height < 200, "{height} blocks");
    assert_eq!(world.root(0, 1), world.root(1, 0));
}

/// Hands messages to the peer's own thread.
struct Wire {
    from: EntityId,
    peer: Mutex<Sender<(EntityId, Vec<u8>)>>,
}

#[async_trait::async_trait]
impl MessageSink for Wire {
    async fn send(&self, _: EntityId, bytes: Vec<u8>) -> Result<(), HostError> {
        self.peer.lock().unwrap().send((self.from, bytes)).map_err(HostError::new)
    }
}

#[test]
fn calls_from_many_threads() {
    const THREADS: u8 = 4;
    const EACH: u128 = 50;
    let (to_a, from_b) = channel::<(EntityId, Vec<u8>)>();
    let (to_b, from_a) = channel::<(EntityId, Vec<u8>)>();
    let open = |number: u8, peer: Sender<_>| {
        let wire = Wire { from: id(number), peer: Mutex::new(peer) };
        let signer = WalletSigner::Local(signer(number));
        let clock = Arc::new(TestClock::default());
        block_on(Wallet::open(config(), WalletHost::new(Arc::new(MemoryKv::new()), Arc::new(wire), signer, clock)))
            .unwrap()
    };
    let (a, b) = (open(1, to_b.clone()), open(2, to_a.clone()));
    let (ida, idb) = (id(1), id(2));
    let paid = std::thread::scope(|scope| {
        for (wallet, inbox) in [(a.clone(), from_b), (b.clone(), from_a)] {
            scope.spawn(move || {
                while let Ok((from, bytes)) = inbox.recv() {
                    if block_on(wallet.receive(from, bytes)).is_err() {
                        break;
                    }
                }
            });
        }
        for wallet in [&a, &b] {
            // A task for each, as an app with slow hosts has.
            scope.spawn(|| block_on(wallet.run()));
        }
        block_on(async {
            a.connected(idb).await.unwrap();
            b.connected(ida).await.unwrap();
            a.open_channel(idb, KEY, vec![PROVIDER], 0).await.unwrap();
            a.add_token(idb, KEY, USD).await.unwrap();
            a.grant_credit(idb, KEY, USD, 1 << 60).await.unwrap();
            b.grant_credit(ida, KEY, USD, 1 << 60).await.unwrap();
        });
        let payers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (a, b) = (&a, &b);
                scope.spawn(move || {
                    for amount in 1..=EACH {
                        // Both directions at once: blocks collide, and every payment is made once.
                        let (wallet, peer) = if number % 2 == 0 { (a, idb) } else { (b, ida) };
                        let weight = if number < 2 { 1 } else { 1000 };
                        block_on(wallet.pay(peer, KEY, USD, amount * weight)).unwrap();
                        assert!(!block_on(wallet.channels()).unwrap().is_empty());
                    }
                })
            })
            .collect();
        let ok = payers.into_iter().all(|payer| payer.join().is_ok());
        let info = |wallet: &Wallet, peer| block_on(wallet.channel(peer)).unwrap().unwrap();
        let infos = (info(&a, idb), info(&b, ida));
        block_on(a.close()).unwrap();
        block_on(b.close()).unwrap();
        // Wakes the two that may still wait for messages: closed wallets take none.
        drop(to_a.send((idb, Vec::new())));
        drop(to_b.send((ida, Vec::new())));
        (ok, infos)
    });
    let (ok, (left, right)) = paid;
    assert!(ok);
    assert_eq!(left.state_root, right.state_root);
    assert_eq!(left.subchannels[0].tokens[0].state.offdelta, 0);
}

/// A store whose commits never end, until somebody lets them.
struct Gate {
    inner: MemoryKv,
    open: std::sync::atomic::AtomicBool,
    writes: std::sync::atomic::AtomicU64,
}

#[async_trait::async_trait]
impl KvStore for Gate {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, HostError> {
        self.inner.get(key).await
    }

    async fn scan(&self, prefix: Vec<u8>) -> Result<Vec<Row>, HostError> {
        self.inner.scan(prefix).await
    }

    async fn commit(&self, batch: Vec<KvWrite>) -> Result<(), HostError> {
        use std::sync::atomic::Ordering::SeqCst;
        futures::future::poll_fn(|cx| {
            if self.open.load(SeqCst) {
                return std::task::Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        self.writes.fetch_add(1, SeqCst);
        self.inner.commit(batch).await
    }
}

/// Nothing leaves before the record is durable, and what waits meanwhile becomes one record.
#[test]
fn nothing_leaves_early() {
    use std::sync::atomic::Ordering::SeqCst;
    let world = World::empty();
    let gate = Arc::new(Gate { inner: MemoryKv::new(), open: true.into(), writes: 0.into() });
    let sink = Sink { from: id(1), mail: world.mail.clone(), polls: 0 };
    let host =
        WalletHost::new(gate.clone(), Arc::new(sink), WalletSigner::Local(signer(1)), Arc::new(TestClock::default()));
    let wallet = block_on(Wallet::open(config(), host)).unwrap();
    gate.open.store(false, SeqCst);
    let writes = gate.writes.load(SeqCst);
    let mut calls: Vec<_> = (2..60).map(|number| Box::pin(wallet.connected(id(number)))).collect();
    block_on(async {
        for _ in 0..5 {
            for call in &mut calls {
                assert!(futures::poll!(call.as_mut()).is_pending());
            }
        }
    });
    assert!(world.mail.0.lock().unwrap().is_empty());
    gate.open.store(true, SeqCst);
    assert!(block_on(join_all(calls)).into_iter().all(|end| end.is_ok()));
    assert_eq!(gate.writes.load(SeqCst) - writes, 2, "the first, and all that came after it");
    assert_eq!(world.mail.0.lock().unwrap().len(), 58);
    let rows = gate.inner.0.scan(b"r", None, 10).unwrap();
    assert!(!rows.is_empty());
}
