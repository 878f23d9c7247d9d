//! Keys that are elsewhere: a device that answers late, refuses, or answers wrongly, and a board of two.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod wallet_common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use wallet_common::*;
use xln_core::crypto::Signer;
use xln_core::entity::{Board, MemberSigner, Permission, Quorum, Verifier};
use xln_core::types::{EntityId, EntityKind};
use xln_node::wallet::*;

/// A device with a key: answers after a while, in the form that most wallets give.
#[derive(Default)]
struct Device {
    number: u8,
    polls: u32,
    /// What the next answers are instead of signatures.
    failures: AtomicU32,
    wrong: AtomicU32,
    asked: Mutex<Vec<SignRequest>>,
}

fn fewer(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait::async_trait]
impl RemoteSigner for Device {
    fn entity(&self) -> EntityId {
        id(self.number)
    }

    async fn sign(&self, request: SignRequest) -> Result<Vec<u8>, HostError> {
        delay(self.polls).await;
        self.asked.lock().unwrap().push(request.clone());
        if fewer(&self.failures) {
            return Err(HostError::new("the screen is locked"));
        }
        let digest = if fewer(&self.wrong) { xln_core::types::Hash([9; 32]) } else { request.digest };
        let signature = signer(self.number).sign_digest(&digest).unwrap();
        let mut bytes = signature.as_bytes().to_vec();
        let odd = bytes[32] >> 7;
        bytes[32] &= 0x7f;
        bytes.push(27 + odd);
        Ok(bytes)
    }
}

fn with_remote(world: &mut World, remote: Arc<dyn RemoteSigner>) -> Disk {
    let disk = Disk::default();
    let host = world.host(remote.entity(), WalletSigner::Remote(remote), SlowKv::on(&disk));
    world.wallets.push(block_on(Wallet::open(config(), host)).unwrap());
    disk
}

#[test]
fn a_device_signs_when_it_can() {
    let mut world = World::new(1);
    let device = Arc::new(Device { number: 7, polls: 3, ..Device::default() });
    with_remote(&mut world, device.clone());
    world.channel(1, 0, 1000);
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    world.run(a.pay(b.entity(), KEY, USD, 5)).unwrap();
    world.run(b.pay(a.entity(), KEY, USD, 12)).unwrap();
    assert_eq!(world.paid(1, 0), 7);
    assert!(device.asked.lock().unwrap().iter().all(|request| request.peer == a.entity()));
    assert!(block_on(b.pending_effects()).unwrap().is_empty());
}

#[test]
fn a_device_that_fails_is_asked_again() {
    let mut world = World::new(1);
    let device = Arc::new(Device { number: 7, ..Device::default() });
    with_remote(&mut world, device.clone());
    world.channel(1, 0, 1000);
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    while futures::FutureExt::now_or_never(b.next_event()).is_some() {}
    device.failures.store(1, Ordering::SeqCst);
    device.wrong.store(1, Ordering::SeqCst);
    let failure = |wallet: &Wallet| {
        block_on(async {
            loop {
                if let WalletEvent::SignFailed { effect, reason } = wallet.next_event().await.unwrap() {
                    return (effect, reason.0);
                }
            }
        })
    };
    let before = device.asked.lock().unwrap().len();
    let mut payment = Box::pin(b.pay(a.entity(), KEY, USD, 3));
    block_on(async { assert!(futures::poll!(payment.as_mut()).is_pending()) });
    let (first, reason) = failure(&b);
    assert_eq!(reason, "the screen is locked");
    block_on(b.tick()).unwrap();
    let (second, reason) = failure(&b);
    assert!(reason.starts_with("signer gave a signature that does not verify"), "{reason}");
    assert_eq!(first, second, "the same question");
    assert_eq!(block_on(b.pending_effects()).unwrap().len(), 1);
    block_on(b.tick()).unwrap();
    world.run(payment).unwrap();
    assert_eq!(world.paid(1, 0), 3);
    let digests: std::collections::BTreeSet<_> =
        device.asked.lock().unwrap()[before..].iter().map(|request| request.digest).collect();
    assert_eq!(digests.len(), 1, "never another state at the same height");
}

#[test]
fn a_question_survives_a_crash() {
    let mut world = World::new(1);
    let device = Arc::new(Device { number: 7, ..Device::default() });
    let disk = with_remote(&mut world, device.clone());
    world.channel(1, 0, 1000);
    device.failures.store(1, Ordering::SeqCst);
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    let command = {
        let transition = xln_core::transition::Transition::DirectPayment { key: KEY, token: USD, amount: 3 };
        let action = xln_core::machine::Action::Propose { transition, submit: false };
        block_on(b.queue(xln_core::machine::Command { peer: a.entity(), action })).unwrap()
    };
    let asked = device.asked.lock().unwrap().len();
    drop(b);
    let host = world.host(id(7), WalletSigner::Remote(device.clone()), SlowKv::on(&disk));
    block_on(world.wallets[1].close()).unwrap();
    world.wallets[1] = block_on(Wallet::open(config(), host)).unwrap();
    let b = world.wallets[1].clone();
    assert!(device.asked.lock().unwrap().len() > asked);
    world.run(async {
        a.disconnected(b.entity()).await.unwrap();
        world.connect(0, 1).await;
        // The command of before the crash is still known by its name.
        assert_eq!(b.agreed(command).await.unwrap().command, command);
    });
    assert_eq!(world.paid(1, 0), 3);
}

/// Two members, both needed, each at its own pace.
struct TwoMembers {
    board: Board,
    members: [u8; 2],
}

#[async_trait::async_trait]
impl RemoteSigner for TwoMembers {
    fn entity(&self) -> EntityId {
        self.board.counterfactual()
    }

    async fn sign(&self, request: SignRequest) -> Result<Vec<u8>, HostError> {
        let boards = [(self.entity(), self.board.clone())];
        let mut quorum =
            Quorum::new(self.entity(), request.digest, Permission::Withdraw, boards).map_err(HostError::new)?;
        let mut verifier = Verifier::default();
        for (pause, number) in self.members.into_iter().enumerate() {
            delay(u32::try_from(pause).unwrap() * 2).await;
            let asked = quorum.requests().find(|asked| asked.member == id(number)).unwrap();
            let approval = MemberSigner::new(signer(number)).approve(&asked.path, &request.digest).unwrap();
            quorum.add(&mut verifier, approval).map_err(HostError::new)?;
        }
        let signature = quorum.signature().map_err(HostError::new)?;
        signature.map(|signature| signature.as_bytes().to_vec()).ok_or_else(|| HostError::new("no quorum"))
    }
}

#[test]
fn a_board_of_two_pays() {
    let board = Board::new(2, &[(id(21), 1), (id(22), 1)]).unwrap();
    let mut world = World::new(1);
    with_remote(&mut world, Arc::new(TwoMembers { board: board.clone(), members: [22, 21] }));
    let (a, b) = (world.wallets[0].clone(), world.wallets[1].clone());
    assert_eq!(b.entity().check(), Ok(EntityKind::Counterfactual));
    world.channel(1, 0, 1000);
    world.run(b.pay(a.entity(), KEY, USD, 30)).unwrap();
    world.run(a.pay(b.entity(), KEY, USD, 4)).unwrap();
    assert_eq!(world.paid(1, 0), 26);
    assert_eq!(world.root(0, 1), world.root(1, 0));
    // The other side's evidence holds the board's signature, longer than an account's.
    let history = block_on(a.history(b.entity())).unwrap();
    let last = history.last().unwrap();
    let side = block_on(b.channel(a.entity())).unwrap().unwrap().side;
    assert!(last.signature(side).unwrap().as_bytes().len() > 128);
}

#[test]
fn signatures_in_every_form() {
    let digest = xln_core::types::Hash([5; 32]);
    let compact = signer(1).sign(&digest).unwrap();
    let xln_core::crypto::SignOutcome::Signed(compact) = compact else { panic!("signs at once") };
    let parsed = |bytes: &[u8]| parse_signature(&id(1), bytes);
    assert_eq!(parsed(compact.as_bytes()).unwrap(), compact);
    let mut long = compact.as_bytes().to_vec();
    let odd = long[32] >> 7;
    long[32] &= 0x7f;
    for v in [odd, 27 + odd] {
        assert_eq!(parsed(&[&long[..], &[v]].concat()).unwrap(), compact);
    }
    assert_ne!(parsed(&[&long[..], &[28 - odd]].concat()).unwrap(), compact);
    assert_eq!(parsed(&[&long[..], &[29]].concat()).unwrap_err().code(), "signature");
    long[32] |= 0x80;
    assert_eq!(parsed(&[&long[..], &[27]].concat()).unwrap_err().code(), "signature");
    assert_eq!(parsed(&[0; 5000]).unwrap_err().code(), "signature");
}
