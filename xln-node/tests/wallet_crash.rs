//! Wallets whose store fails at every commit, and whose callers lose interest at any moment: nothing is lost, nothing happens
//! twice. Payments are powers of four, so that each has its own digit of the balance: 0 for not done, 1 for done, and never 2.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod wallet_common;

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::executor::block_on;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wallet_common::*;
use xln_node::wallet::*;
use xln_storage::Fault;

const PAYMENTS: u32 = 8;
const CREDIT: u128 = 1 << 100;

/// What a payment came to, as far as its caller knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Done,
    Refused,
    Doubtful,
}

/// The digits of what was paid, checked against what the callers know.
fn check(paid: i128, known: &[Known], what: &str) {
    let mut rest = u128::try_from(paid).unwrap();
    for (number, known) in known.iter().enumerate() {
        let digit = rest % 4;
        rest /= 4;
        let fits = match known {
            Known::Done => digit == 1,
            Known::Refused => digit == 0,
            Known::Doubtful => digit <= 1,
        };
        assert!(fits, "{what}: payment {number} is {known:?} and was made {digit} times");
    }
    assert_eq!(rest, 0, "{what}: more was paid than was asked for");
}

/// A run in which party `who`'s store fails at its `nth` write. Gives the number of crashes.
fn crash_at(who: usize, nth: u64, fault: Fault, slow: u32) -> u32 {
    let what = format!("party {who}, {fault:?} at write {nth}");
    let mut world = World::new(2);
    world.channel(0, 1, CREDIT);
    let number = u8::try_from(who + 1).unwrap();
    let reopen = |world: &mut World, store: SlowKv| {
        world.mail.0.lock().unwrap().clear();
        let opened = block_on(world.open(number, store));
        let crashed = opened.is_err();
        let store = SlowKv { before: slow, after: slow, ..SlowKv::on(&world.disks[who]) };
        world.wallets[who] = opened.or_else(|_| block_on(world.open(number, store))).unwrap();
        let _ = block_on(world.wallets[1 - who].disconnected(world.wallets[who].entity()));
        block_on(world.connect(0, 1));
        crashed
    };
    block_on(world.wallets[who].close()).unwrap();
    let failing = SlowKv { before: slow, after: slow, ..SlowKv::on(&world.disks[who]) };
    failing.store.fail_at(nth, fault);
    // The connection's own writes may fail, too: then the wallet is opened once more.
    world.mail.0.lock().unwrap().clear();
    let mut crashes = 0;
    match block_on(world.open(number, failing)) {
        Ok(wallet) => {
            world.wallets[who] = wallet;
            let _ = block_on(world.wallets[1 - who].disconnected(world.wallets[who].entity()));
            let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
            let _ = block_on(a.connected(b.entity()));
            let _ = block_on(b.connected(a.entity()));
        }
        Err(_) => {
            crashes += 1;
            let store = SlowKv::on(&world.disks[who]);
            reopen(&mut world, store);
        }
    }
    let mut known = Vec::new();
    for number in 0..PAYMENTS {
        let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
        let payment = async {
            let mut payment = pin!(a.pay(b.entity(), KEY, USD, 1 << (2 * number)));
            for _ in 0..200 {
                if let Poll::Ready(done) = futures::poll!(payment.as_mut()) {
                    return Some(done);
                }
                world.deliver().await;
                if b.tick().await.is_err() {
                    return None;
                }
            }
            panic!("{what}: nothing moves");
        };
        let end = block_on(payment);
        known.push(match end {
            Some(Ok(_)) => Known::Done,
            Some(Err(WalletError::Refused(_))) => Known::Refused,
            Some(Err(WalletError::Store(_) | WalletError::Poisoned(_))) | None => Known::Doubtful,
            Some(Err(error)) => panic!("{what}: {error}"),
        });
        let failed = block_on(world.wallets[who].tick());
        if let Err(error) = failed {
            // The tick's own write may be the one that fails.
            assert!(["poisoned", "store"].contains(&error.code()), "{what}: {error}");
            crashes += 1;
            let store = SlowKv::on(&world.disks[who]);
            assert!(!reopen(&mut world, store));
            block_on(world.deliver());
        }
    }
    block_on(world.deliver());
    assert_eq!(world.root(0, 1), world.root(1, 0), "{what}");
    check(world.paid(0, 1), &known, &what);
    assert!(crashes > 0 || !known.contains(&Known::Doubtful), "{what}");
    assert!(known.iter().filter(|known| **known == Known::Done).count() >= 6, "{what}: {known:?}");
    crashes
}

fn crash_everywhere(who: usize, fault: Fault, slow: u32) {
    for nth in 1.. {
        if crash_at(who, nth, fault, slow) == 0 {
            assert!(nth > 20, "the run is too short: {nth} writes");
            return;
        }
    }
}

#[test]
fn payer_write_lost() {
    crash_everywhere(0, Fault::WriteLost, 0);
}

#[test]
fn payer_write_kept() {
    crash_everywhere(0, Fault::WriteKept, 2);
}

#[test]
fn payee_write_lost() {
    crash_everywhere(1, Fault::WriteLost, 2);
}

#[test]
fn payee_write_kept() {
    crash_everywhere(1, Fault::WriteKept, 0);
}

#[test]
fn poisoned_wallets_say_so() {
    let mut world = World::new(2);
    let disk = Disk::default();
    let store = SlowKv::on(&disk);
    store.store.fail_at(4, Fault::WriteKept);
    world.wallets[0] = block_on(world.open(1, store)).unwrap();
    let wallet = &world.wallets[0];
    let waiting = wallet.run();
    block_on(wallet.connected(id(2))).unwrap();
    let failed = block_on(wallet.tick()).unwrap_err();
    assert_eq!(failed, WalletError::Store(HostError("injected fault".into())));
    let later = block_on(wallet.tick()).unwrap_err();
    assert_eq!(later, WalletError::Poisoned(HostError("store failed: injected fault".into())));
    block_on(waiting);
    let last = block_on(async {
        let mut last = None;
        while let Some(event) = wallet.next_event().await {
            last = Some(event);
        }
        last
    });
    assert!(matches!(last, Some(WalletEvent::Poisoned { .. })), "{last:?}");
}

/// Polls a future at most so often.
async fn try_for<T>(future: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(done) = futures::poll!(future.as_mut()) {
            return Some(done);
        }
    }
    None
}

/// Every future is dropped after a random number of polls: payments, deliveries, ticks, questions.
fn lose_interest(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(2);
    world.channel(0, 1, CREDIT);
    for who in [0, 1] {
        block_on(world.wallets[who].close()).unwrap();
        let store = SlowKv {
            before: random.random_range(0..4),
            after: random.random_range(0..4),
            ..SlowKv::on(&world.disks[who])
        };
        let number = u8::try_from(who + 1).unwrap();
        let host = world.host(id(number), WalletSigner::Local(signer(number)), store);
        let sink = Sink { from: id(number), mail: world.mail.clone(), polls: random.random_range(0..4) };
        let host = WalletHost { sink: Arc::new(sink), ..host };
        world.wallets[who] = block_on(Wallet::open(config(), host)).unwrap();
    }
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    block_on(world.connect(0, 1));
    let mut known = Vec::new();
    block_on(async {
        for number in 0..40 {
            let end = try_for(a.pay(b.entity(), KEY, USD, 1 << (2 * number)), random.random_range(0..8)).await;
            known.push(match end {
                Some(Ok(_)) => Known::Done,
                Some(Err(error)) => panic!("seed {seed}: {error}"),
                None => Known::Doubtful,
            });
            for _ in 0..random.random_range(0..4) {
                let next = world.mail.0.lock().unwrap().pop_front();
                let Some((from, to, bytes)) = next else { continue };
                let wallet = if to == a.entity() { &a } else { &b };
                // What was not begun is lost, as in any network.
                let _ = try_for(wallet.receive(from, bytes), random.random_range(0..8)).await;
            }
            let _ = try_for(b.channels(), random.random_range(0..3)).await;
            let _ = try_for(a.tick(), random.random_range(0..3)).await;
            let _ = try_for(b.next_event(), random.random_range(0..3)).await;
            let _ = try_for(a.backup(), random.random_range(0..3)).await;
        }
        // The protocol sends again what was lost.
        for round in 1..20 {
            world.clock.0.store(round * 30, std::sync::atomic::Ordering::SeqCst);
            a.tick().await.unwrap();
            b.tick().await.unwrap();
            world.deliver().await;
            for wallet in [&a, &b] {
                let _ = try_for(wallet.run(), 10).await;
            }
        }
    });
    let info = block_on(a.channel(b.entity())).unwrap().unwrap();
    assert!(!info.in_flight && info.queued == 0, "seed {seed}");
    assert_eq!(world.root(0, 1), world.root(1, 0), "seed {seed}");
    check(world.paid(0, 1), &known, &format!("seed {seed}"));
}

#[test]
fn futures_dropped_at_any_moment() {
    for seed in 0..60 {
        lose_interest(seed);
    }
}

/// A call that was begun on a wallet at rest is done, whatever becomes of its future; one that was not begun never is.
#[test]
fn what_was_begun_is_finished() {
    let mut world = World::new(2);
    world.channel(0, 1, CREDIT);
    block_on(world.wallets[0].close()).unwrap();
    let slow = SlowKv { before: 3, after: 3, ..SlowKv::on(&world.disks[0]) };
    world.wallets[0] = block_on(world.open(1, slow)).unwrap();
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    block_on(async {
        world.connect(0, 1).await;
        world.deliver().await;
        let first = a.pay(b.entity(), KEY, USD, 1);
        assert!(try_for(first, 1).await.is_none());
        // The first is being stored: these wait behind it, and are dropped before their turn.
        assert!(try_for(a.pay(b.entity(), KEY, USD, 4), 1).await.is_none());
        drop(a.pay(b.entity(), KEY, USD, 16));
        a.tick().await.unwrap();
        world.deliver().await;
    });
    assert_eq!(world.paid(0, 1), 1);
}

/// A future that is held and no longer polled holds up nobody.
#[test]
fn a_forgotten_future_stops_nobody() {
    let mut world = World::new(2);
    world.channel(0, 1, CREDIT);
    block_on(world.wallets[0].close()).unwrap();
    let slow = SlowKv { before: 3, after: 3, ..SlowKv::on(&world.disks[0]) };
    world.wallets[0] = block_on(world.open(1, slow)).unwrap();
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    block_on(world.connect(0, 1));
    let mut forgotten = Box::pin(a.pay(b.entity(), KEY, USD, 1));
    block_on(async { assert!(futures::poll!(forgotten.as_mut()).is_pending()) });
    let mut listening = Box::pin(a.run());
    block_on(async { assert!(futures::poll!(listening.as_mut()).is_pending()) });
    world.run(a.pay(b.entity(), KEY, USD, 4)).unwrap();
    world.run(forgotten).unwrap();
    assert_eq!(world.paid(0, 1), 5);
}
