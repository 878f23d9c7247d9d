//! Two wallets that pay each other: what calls give, what events say, what is refused and how it is named.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod wallet_common;

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use wallet_common::*;
use xln_core::chain::{ChainCall, ChainChange, ChainFact, ChangeKind};
use xln_core::channel::{Arguments, Event, Rejection};
use xln_core::machine::{Action, Command, EffectId};
use xln_core::proof::SettlementUpdate;
use xln_core::transition::Transition;
use xln_core::types::*;
use xln_node::driver::{Node, NodeOptions};
use xln_node::wallet::*;
use xln_storage::{DefaultStore, FaultStore};

fn secret(number: u8) -> Secret {
    Secret([number; 32])
}

fn lock_terms(amount: u128, number: u8) -> LockTerms {
    let (kind, expiry) = (HashKind::Sha256, UnixSeconds(NOW_S + 1000));
    LockTerms { token: USD, amount, kind, hash: secret(number).hash(kind), expiry, onion: Vec::new() }
}

fn events(wallet: &Wallet) -> Vec<WalletEvent> {
    let mut all = Vec::new();
    while let Some(Some(event)) = futures::FutureExt::now_or_never(wallet.next_event()) {
        all.push(event);
    }
    all
}

#[test]
fn every_kind_of_payment() {
    let world = World::new(2);
    world.channel(0, 1, 1000);
    let (a, b) = (&world.wallets[0], &world.wallets[1]);
    let (ida, idb) = (a.entity(), b.entity());
    world.run(async {
        let agreed = a.pay(idb, KEY, USD, 100).await.unwrap();
        assert_eq!(agreed.id, None);
        // The same end as often as one asks.
        assert_eq!(a.agreed(agreed.command).await, Ok(agreed));
        b.pay(ida, KEY, USD, 30).await.unwrap();
        let lock = a.lock(idb, KEY, lock_terms(50, 1)).await.unwrap();
        let info = b.channel(ida).await.unwrap().unwrap();
        assert_eq!(info.subchannels[0].pending.iter().map(|p| p.id).collect::<Vec<_>>(), [lock]);
        let [deadline] = b.deadlines().await.unwrap()[..] else { panic!("one deadline") };
        assert_eq!((deadline.at, deadline.kind), (UnixSeconds(NOW_S + 1000), DeadlineKind::Payment { id: lock }));
        let wrong = b.settle(ida, KEY, lock, secret(2)).await.unwrap_err();
        assert_eq!(wrong.code(), "refused.transition.wrong_secret");
        b.settle(ida, KEY, lock, secret(1)).await.unwrap();
        let other = a.lock(idb, KEY, lock_terms(50, 3)).await.unwrap();
        b.cancel(ida, KEY, other).await.unwrap();
        let terms = OfferTerms {
            give_token: USD,
            give: 100,
            want_token: EUR,
            want: 200,
            min_fill: 1,
            expiry: UnixSeconds(NOW_S + 500),
        };
        let offer = a.offer(idb, KEY, terms).await.unwrap();
        b.fill(ida, KEY, offer, 40).await.unwrap();
        a.cancel_offer(idb, KEY, offer).await.unwrap();
        a.memo(idb, b"hello".to_vec()).await.unwrap();
    });
    assert_eq!(world.paid(0, 1), 100 - 30 + 50 + 40);
    assert_eq!(world.paid(1, 0), -world.paid(0, 1));
    assert_eq!(world.root(0, 1), world.root(1, 0));
    let info = block_on(a.channel(idb)).unwrap().unwrap();
    let tokens = &info.subchannels[0].tokens;
    assert_eq!(tokens[0].capacities.out_capacity, xln_chain::U256::from(1000 - 160));
    assert_eq!(tokens[1].capacities.out_capacity, xln_chain::U256::from(1000 + 80));
    assert!(tokens[0].bar(20).unwrap().contains('|'));
    assert_eq!(block_on(a.channels()).unwrap(), [info]);
}

#[test]
fn refusals_are_typed_and_named() {
    let world = World::new(2);
    world.channel(0, 1, 1000);
    let (a, idb) = (&world.wallets[0], world.wallets[1].entity());
    let before = block_on(a.machine_root()).unwrap();
    let code = |refused: Result<Agreed, WalletError>| refused.unwrap_err().code();
    world.run(async {
        assert_eq!(code(a.pay(idb, KEY, USD, 1001).await), "refused.transition.insufficient_capacity");
        assert_eq!(code(a.pay(idb, KEY, USD, 0).await), "refused.transition.zero_amount");
        assert_eq!(code(a.pay(idb, KEY, TokenId(9), 1).await), "refused.transition.unknown_token");
        assert_eq!(code(a.pay(a.entity(), KEY, USD, 1).await), "refused.unknown_peer");
        let other = SubchannelKey { depository: Address([1; 20]), ..KEY };
        assert_eq!(code(a.open_channel(idb, other, vec![PROVIDER], 0).await), "refused.unknown_depository");
        assert_eq!(code(a.settle(idb, KEY, 77, secret(1)).await), "refused.transition.unknown_subcontract");
        assert_eq!(a.submit_settlement(idb, KEY).await.unwrap_err().code(), "refused.nothing_to_show");
        let error = a.completed(EffectId(99), true).await.unwrap_err();
        assert_eq!(error.code(), "unknown_effect");
        let far = xln_core::channel::CommandId(1 << 40);
        assert_eq!(a.agreed(far).await, Err(WalletError::UnknownCommand));
    });
    assert_ne!(before, block_on(a.machine_root()).unwrap(), "refusals are recorded, too");
    assert_eq!(world.paid(0, 1), 0);
    let refused = block_on(a.pay(idb, KEY, USD, 1001)).unwrap_err();
    assert_eq!(refused.to_string(), "capacity is 1000, 1001 are needed");
}

#[test]
fn all_or_none() {
    let world = World::new(2);
    world.channel(0, 1, 1000);
    let (a, idb) = (&world.wallets[0], world.wallets[1].entity());
    let pay = |amount| {
        let transition = Transition::DirectPayment { key: KEY, token: USD, amount };
        Command { peer: idb, action: Action::Propose { transition, submit: false } }
    };
    let before = block_on(a.machine_root()).unwrap();
    let refused = block_on(a.queue_all(vec![pay(600), pay(600)])).unwrap_err();
    assert_eq!(refused.code(), "refused.transition.insufficient_capacity");
    assert_eq!(before, block_on(a.machine_root()).unwrap());
    let ids = block_on(a.queue_all(vec![pay(600), pay(300)])).unwrap();
    let last = world.run(a.agreed(ids[1])).unwrap();
    assert_eq!(last.command, ids[1]);
    assert_eq!(world.paid(0, 1), 900);
}

#[derive(Default)]
struct Heard(Mutex<Vec<WalletEvent>>);

impl EventListener for Heard {
    fn on_event(&self, event: WalletEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn listener_and_stream_hear_the_same() {
    let mut world = World::new(1);
    let heard = Arc::new(Heard::default());
    let disk = Disk::default();
    let host = world.host(id(2), WalletSigner::Local(signer(2)), SlowKv::on(&disk));
    let host = WalletHost { listener: Some(heard.clone()), ..host };
    world.wallets.push(block_on(Wallet::open(config(), host)).unwrap());
    world.channel(0, 1, 10);
    let (a, b) = (&world.wallets[0], &world.wallets[1]);
    world.run(a.pay(b.entity(), KEY, USD, 1)).unwrap();
    block_on(b.receive(a.entity(), b"noise".to_vec())).unwrap();
    let streamed = events(b);
    assert_eq!(*heard.0.lock().unwrap(), streamed);
    let committed = |event: &&WalletEvent| matches!(event, WalletEvent::Channel(Event::Committed { .. }));
    assert!(streamed.iter().filter(committed).count() >= 5);
    let last = streamed.last();
    assert!(
        matches!(last, Some(WalletEvent::Channel(Event::Rejected { reason: Rejection::Codec(_), .. }))),
        "{last:?}"
    );
}

#[test]
fn events_that_nobody_takes_are_counted() {
    let world = World::empty();
    let disk = Disk::default();
    let host = world.host(id(1), WalletSigner::Local(signer(1)), SlowKv::on(&disk));
    let wallet = block_on(Wallet::open(WalletConfig { event_queue: 3, ..config() }, host)).unwrap();
    for _ in 0..5 {
        block_on(wallet.receive(id(2), b"noise".to_vec())).unwrap();
    }
    let told = events(&wallet);
    assert_eq!(told.len(), 4);
    assert_eq!(told[0], WalletEvent::Missed { count: 2 });
}

#[test]
fn settlement_comes_with_calldata() {
    let world = World::new(2);
    world.channel(0, 1, 1000);
    let (a, b) = (&world.wallets[0], &world.wallets[1]);
    let (left, right) = if a.entity() < b.entity() { (a, b) } else { (b, a) };
    // What one takes the other must consent to.
    let diff = xln_core::proof::TokenDiff { token: USD, left: 10, right: -10, ondelta: 0 };
    let update = SettlementUpdate { diffs: vec![diff], forgiven: Vec::new() };
    let expiry = UnixSeconds(NOW_S + 3000);
    events(left);
    world.run(async {
        let unasked = left.propose_settlement(right.entity(), KEY, update.clone(), expiry, true).await.unwrap_err();
        assert_eq!(unasked.code(), "refused.by_peer.policy");
        right.consent(left.entity(), KEY, update.clone()).await.unwrap();
        left.propose_settlement(right.entity(), KEY, update.clone(), expiry, true).await.unwrap();
    });
    block_on(world.deliver());
    let told = events(left);
    let submit = told.iter().find_map(|event| match event {
        WalletEvent::Submit { effect, call, .. } => Some((*effect, call.clone().unwrap())),
        _ => None,
    });
    let (effect, call) = submit.unwrap();
    assert_eq!((call.to, call.chain, call.value, call.by_entity), (KEY.depository, KEY.chain, 0, false));
    assert!(call.data.len() > 200);
    let pending = block_on(left.pending_effects()).unwrap();
    assert_eq!(pending.iter().map(|p| (p.id, p.call.clone())).collect::<Vec<_>>(), [(effect, Some(call))]);
    block_on(left.completed(effect, true)).unwrap();
    assert_eq!(block_on(left.pending_effects()).unwrap(), []);
    // What is done alone needs no peer.
    let started = block_on(left.start_dispute(right.entity(), KEY, Arguments::default())).unwrap();
    assert_eq!(block_on(left.agreed(started)).unwrap().id, None);
    let refused = block_on(left.pay(right.entity(), KEY, USD, 1)).unwrap_err();
    assert_eq!(refused.code(), "refused.frozen.own_start");
    let call = block_on(left.pending_effects()).unwrap().remove(0).call.unwrap();
    assert!(call.by_entity);
}

#[test]
fn history_and_backup() {
    let mut world = World::new(2);
    world.channel(0, 1, 1000);
    let (ida, idb) = (world.wallets[0].entity(), world.wallets[1].entity());
    for amount in 1..=10 {
        world.run(world.wallets[0].pay(idb, KEY, USD, amount)).unwrap();
    }
    let history = block_on(world.wallets[0].history(idb)).unwrap();
    let nonces: Vec<_> = history.iter().map(|evidence| evidence.nonce).collect();
    assert!(nonces.len() > 10 && nonces.is_sorted());
    let info = block_on(world.wallets[0].channel(idb)).unwrap().unwrap();
    assert_eq!(history.last().unwrap().nonce, info.nonce);
    assert!(history.iter().any(|evidence| evidence.root == info.state_root));

    let backup = block_on(world.wallets[0].backup()).unwrap();
    // Money that the backup does not know of.
    world.run(world.wallets[0].pay(idb, KEY, USD, 100)).unwrap();
    let new = Disk::default();
    let restore = |bytes: &[u8], entity, disk: &Disk| {
        block_on(Wallet::restore_backup(&SlowKv::on(disk), entity, &config().channels, bytes)).map_err(|e| e.code())
    };
    let mut torn = backup.clone();
    torn[50] ^= 1;
    assert_eq!(restore(&torn, ida, &new), Err("backup.damaged"));
    assert_eq!(restore(&backup, idb, &new), Err("backup.wrong_entity"));
    assert_eq!(restore(&backup, ida, &new), Ok(()));
    assert_eq!(restore(&backup, ida, &new), Err("backup.store_not_empty"));
    let restored = block_on(world.open(1, SlowKv::on(&new))).unwrap();
    assert!(block_on(restored.channel(idb)).unwrap().unwrap().recovering);
    block_on(world.wallets[0].close()).unwrap();
    world.wallets[0] = restored;
    world.run(async {
        world.wallets[1].disconnected(ida).await.unwrap();
        world.connect(0, 1).await;
        world.wallets[0].pay(idb, KEY, USD, 1).await.unwrap();
    });
    assert_eq!(world.paid(0, 1), 55 + 100 + 1);
    assert_eq!(world.root(0, 1), world.root(1, 0));
}

#[test]
fn the_log_of_a_store_replays() {
    let world = World::new(2);
    world.channel(0, 1, 1000);
    let (a, b) = (&world.wallets[0], &world.wallets[1]);
    let log = world.run(async {
        for amount in 1..=10 {
            a.pay(b.entity(), KEY, USD, amount).await.unwrap();
        }
        a.log().await.unwrap()
    });
    let after = replay(a.entity(), log.snapshot.as_deref(), &log.records).unwrap();
    assert_eq!(after.last().unwrap().roots, [PeerRoot { peer: b.entity(), root: world.root(0, 1) }]);
    let twice = [log.records.clone(), log.records.clone()].concat();
    assert_eq!(replay(a.entity(), log.snapshot.as_deref(), &twice).map_err(|e| e.code()), Err("restore"));
}

#[test]
fn a_closed_wallet_is_closed_and_its_store_free() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::empty();
    let open = || {
        let store = BlockingKv(DefaultStore::open(folder.path().join("store")).unwrap());
        let sink = Sink { from: id(1), mail: world.mail.clone(), polls: 0 };
        let signer = WalletSigner::Local(signer(1));
        let host = WalletHost::new(Arc::new(store), Arc::new(sink), signer, Arc::new(TestClock::default()));
        block_on(Wallet::open(config(), host)).unwrap()
    };
    let wallet = open();
    block_on(wallet.connected(id(2))).unwrap();
    let waiting = wallet.next_event();
    block_on(wallet.close()).unwrap();
    assert_eq!(block_on(waiting), None);
    assert_eq!(block_on(wallet.tick()), Err(WalletError::Closed));
    assert_eq!(block_on(wallet.channels()), Err(WalletError::Closed));
    block_on(wallet.close()).unwrap();
    block_on(wallet.run());
    // The first handle is still there, and holds nothing.
    let again = open();
    block_on(again.tick()).unwrap();
}

#[test]
fn a_store_belongs_to_one_entity_and_its_depositories() {
    let world = World::new(2);
    let other = block_on(world.open(1, SlowKv::on(&world.disks[1])));
    assert_eq!(other.err().unwrap().code(), "wrong_store");
    let host = world.host(id(1), WalletSigner::Local(signer(1)), SlowKv::on(&world.disks[0]));
    let mut elsewhere = config();
    elsewhere.channels.depositories.clear();
    assert_eq!(block_on(Wallet::open(elsewhere, host)).err().unwrap().code(), "wrong_store");
    let foreign = Disk::default();
    xln_storage::Storage::put(&foreign, b"x", b"y").unwrap();
    assert_eq!(block_on(world.open(1, SlowKv::on(&foreign))).err().unwrap().code(), "wrong_store");
}

#[test]
fn kept_bytes_ride_with_the_facts() {
    let world = World::new(1);
    let wallet = &world.wallets[0];
    assert_eq!(block_on(wallet.kept("cursor")), Ok(None));
    block_on(wallet.handle_facts(Vec::new(), Some(("cursor".into(), vec![7])))).unwrap();
    assert_eq!(block_on(wallet.kept("cursor")), Ok(Some(vec![7])));
    let again = block_on(world.open(1, SlowKv::on(&world.disks[0]))).unwrap();
    assert_eq!(block_on(again.kept("cursor")), Ok(Some(vec![7])));
}

/// The same inputs through a node and through a wallet: the same rows, byte by byte, and the same roots; and each opens what
/// the other wrote.
#[test]
fn a_node_and_a_wallet_are_the_same() {
    let world = World::new(2);
    let (a, b) = (&world.wallets[0], &world.wallets[1]);
    let now = UnixSeconds(NOW_S);
    let disks = [Disk::default(), Disk::default()];
    let options = || NodeOptions { config: config().channels, snapshot_every: 4 };
    let open = |number: usize, disk: &Disk| {
        let signer = Box::new(signer(u8::try_from(number + 1).unwrap()));
        Node::open(FaultStore::new(Arc::clone(disk)), signer, options(), now).unwrap().0
    };
    let mut nodes = [open(0, &disks[0]), open(1, &disks[1])];
    let ids = [a.entity(), b.entity()];
    let mut network = xln_node::transport::memory::MemoryNetwork::default();
    use xln_node::transport::Transport;
    let propose = |peer, transition| Command { peer, action: Action::Propose { transition, submit: false } };
    let open_it = Transition::OpenSubchannel { key: KEY, providers: vec![PROVIDER], settle_margin_s: 0 };
    let mut script: Vec<(usize, Transition)> = vec![(0, open_it), (0, Transition::AddToken { key: KEY, token: USD })];
    script.push((1, Transition::SetCreditLimit { key: KEY, token: USD, limit: 500 }));
    script.push((0, Transition::SetCreditLimit { key: KEY, token: USD, limit: 500 }));
    for amount in 1..20 {
        script.push((
            usize::try_from(amount % 3 / 2).unwrap(),
            Transition::DirectPayment { key: KEY, token: USD, amount },
        ));
    }
    script.push((1, Transition::DirectPayment { key: KEY, token: USD, amount: 10_000 }));
    for (round, (who, transition)) in script.into_iter().enumerate() {
        let command = propose(ids[1 - who], transition);
        let effects = nodes[who].command(now, command.clone()).unwrap();
        network.send(ids[who], &effects);
        let _ = block_on(world.wallets[who].queue(command));
        // Every third round both speak before either hears.
        if round % 3 != 0 {
            while let Some(delivery) = network.deliver() {
                let to = usize::from(delivery.to == ids[1]);
                let effects = nodes[to].handle_message(now, delivery.from, delivery.bytes).unwrap();
                network.send(ids[to], &effects);
            }
            block_on(world.deliver());
        }
        for who in [0, 1] {
            let root = block_on(world.wallets[who].machine_root()).unwrap();
            assert_eq!(nodes[who].machine().root().unwrap(), root, "round {round}");
            assert_eq!(all_rows(&disks[who]), all_rows(&world.disks[who]), "round {round}");
        }
    }
    assert!(world.paid(0, 1) != 0);
    assert_eq!(nodes[0].backup().unwrap(), block_on(a.backup()).unwrap());
    let root = block_on(a.machine_root()).unwrap();
    let paid = world.paid(0, 1);
    block_on(a.close()).unwrap();
    let reopened = open(0, &world.disks[0]);
    assert_eq!(reopened.channel(&ids[1]).unwrap().state_root(), world.root(1, 0));
    drop(reopened);
    drop(nodes);
    let mut world = world;
    world.wallets[0] = block_on(world.open(1, SlowKv::on(&disks[0]))).unwrap();
    assert_eq!(world.paid(0, 1), paid);
    assert_ne!(block_on(world.wallets[0].machine_root()).unwrap(), root, "the restart is a record of its own");
}

/// A dispute that is over with a state which the machine has forgotten: the wallet ends it in the step after the block.
#[test]
fn a_due_dispute_is_ended_with_a_body_of_the_history() {
    let mut world = World::new(2);
    world.channel(0, 1, 1000);
    let peer = world.wallets[1].entity();
    for amount in 1..=3 {
        world.run(world.wallets[0].pay(peer, KEY, USD, amount)).unwrap();
    }
    let old = block_on(world.wallets[0].history(peer)).unwrap().remove(3);
    let mut vigilant = config();
    vigilant.channels.vigilant = true;
    block_on(world.wallets[0].close()).unwrap();
    let host = world.host(id(1), WalletSigner::Local(signer(1)), SlowKv::on(&world.disks[0]));
    world.wallets[0] = block_on(Wallet::open(vigilant, host)).unwrap();
    let wallet = &world.wallets[0];
    let pair = Pair::new(wallet.entity(), peer).unwrap();
    let dispute = DisputeFact {
        nonce: old.nonce.0,
        started_at: UnixSeconds(NOW_S),
        starter: pair.side(&peer).unwrap(),
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: old.body_hash(),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    };
    let kind = ChangeKind::Dispute { epoch: 0, dispute, fills: Vec::new(), body: Vec::new() };
    let (hash, timestamp) = (Hash([1; 32]), UnixSeconds(NOW_S + 3601));
    let block = ChainFact::Block {
        point: ChainPoint { chain: KEY.chain, number: 1, hash, timestamp },
        changes: vec![ChainChange { key: KEY, pair, kind }],
        reveals: Vec::new(),
        facts: Vec::new(),
        entities: Vec::new(),
    };
    block_on(wallet.handle_facts(vec![block], None)).unwrap();
    block_on(wallet.tick()).unwrap();
    let told = events(wallet).into_iter().filter_map(|event| match event {
        WalletEvent::Submit { action, .. } => Some(action.call),
        _ => None,
    });
    let calls: Vec<ChainCall> = told.collect();
    let [ChainCall::FinalizeDispute { dispute: ended, body, .. }] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((ended, xln_core::proof::body_hash(body)), (&dispute, old.body_hash()));
}
