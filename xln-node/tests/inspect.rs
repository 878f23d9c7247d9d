//! `xln inspect` on stores that real nodes wrote, with numbers computed by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assert_cmd::Command;
use common::{KEY, NOW, USD, collateral, credit, id, lock, open_channel, options, pay, propose, secret, signer};
use predicates::str::contains;
use serde_json::{Value, json};
use xln_core::chain::{ChainChange, ChainFact, ChangeKind};
use xln_core::machine::{Effect, Effects, Input};
use xln_core::transition::Transition;
use xln_core::types::{DisputeFact, EntityId, Hash, Pair, Side, UnixSeconds};
use xln_node::driver::Node;
use xln_storage::{Backend, MemoryStore, Storage};

type OnDisk = Node<Box<dyn Storage>>;

/// The inspected node and its peer.
struct Two {
    node: OnDisk,
    peer: Node<Arc<MemoryStore>>,
}

impl Two {
    fn open(backend: Backend, dir: &Path) -> Self {
        let store = backend.open(dir).unwrap();
        let (node, _) = Node::open(store, Box::new(signer(1)), options(), NOW).map(|(n, e)| (n, drop(e))).unwrap();
        let store = Arc::new(MemoryStore::new());
        let (peer, _) = Node::open(store, Box::new(signer(2)), options(), NOW).map(|(n, e)| (n, drop(e))).unwrap();
        Self { node, peer }
    }

    /// Steps of both, and all the talk that follows.
    fn both(&mut self, node: Vec<Input>, peer: Vec<Input>) {
        let mut queue = Vec::new();
        if !node.is_empty() {
            queue.extend(messages(id(1), &self.node.step(NOW, node).unwrap()));
        }
        if !peer.is_empty() {
            queue.extend(messages(id(2), &self.peer.step(NOW, peer).unwrap()));
        }
        while !queue.is_empty() {
            let (from, to, bytes) = queue.remove(0);
            let effects = if to == id(1) {
                self.node.handle_message(NOW, from, bytes).unwrap()
            } else {
                self.peer.handle_message(NOW, from, bytes).unwrap()
            };
            queue.extend(messages(to, &effects));
        }
    }
}

fn messages(from: EntityId, effects: &Effects) -> Vec<(EntityId, EntityId, Vec<u8>)> {
    let sends = effects.effects().iter().filter_map(|(_, effect)| match effect {
        Effect::Send { to, bytes } => Some((from, *to, bytes.clone())),
        _ => None,
    });
    sends.collect()
}

fn pair() -> Pair {
    Pair::new(id(1), id(2)).unwrap()
}

fn me() -> Side {
    pair().side(&id(1)).unwrap()
}

/// Collateral 300, of which 100 are the node's. The peer may owe 500 and pays 260: position 360, so that 60 are credit. The
/// node has locked 40 for the peer, the peer 30 for the node. Then the peer falls silent, while the node settles those 30
/// and pays 100 in one block, and 5 more wait behind it.
fn story(two: &mut Two) {
    two.both(open_channel(id(2)), vec![]);
    let ondelta = if me() == Side::Left { 100 } else { 200 };
    let fact = || Input::Chain(collateral(pair(), 1, 300, ondelta));
    two.both(vec![fact()], vec![fact()]);
    two.both(vec![credit(id(2), 500)], vec![]);
    two.both(vec![], vec![credit(id(1), 50)]);
    two.both(vec![], vec![pay(id(1), 260)]);
    two.both(vec![lock(id(2), 40, 6)], vec![]);
    let (kind, expiry) = (xln_core::types::HashKind::Sha256, NOW.plus(2000));
    let hash = secret(7).hash(kind);
    let incoming = Transition::AddPayment { key: KEY, token: USD, amount: 30, kind, hash, expiry, onion: Vec::new() };
    two.both(vec![], vec![propose(id(1), incoming)]);
    let settle = Transition::SettlePayment { key: KEY, id: 2, secret: secret(7) };
    drop(two.node.step(NOW, vec![propose(id(2), settle), pay(id(2), 100)]).unwrap());
    drop(two.node.step(NOW, vec![pay(id(2), 5)]).unwrap());
}

fn xln(dir: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let now = NOW.0.to_string();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("xln"));
    command.arg("inspect").arg(dir).args(["--now", &now]).args(arguments).assert()
}

fn report(dir: &Path, arguments: &[&str]) -> Value {
    let done = xln(dir, &[&["--json"], arguments].concat()).success();
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn every_engine_gives_the_numbers_that_were_computed_by_hand_and_is_not_changed() {
    for backend in Backend::ALL {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        let mut two = Two::open(backend, &dir);
        story(&mut two);
        let signed = two.node.channel(&id(2)).unwrap().max_signed().0;
        drop(two);
        let before = contents(&dir);
        let report = report(&dir, &[]);
        assert_eq!(contents(&dir), before);
        assert_eq!(report["store"]["backend"], backend.name());
        assert_eq!(report["store"]["entity"], id(1).to_string());
        assert_eq!(report["store"]["from_backup"], false);
        assert_eq!(report["outbox"], json!([]));
        let channel = &report["channels"][0];
        assert_eq!(channel["peer"], id(2).to_string());
        assert_eq!(channel["in_flight"], true);
        assert_eq!(channel["signed"], json!({ "machine": signed, "guard": signed }));
        assert_eq!(channel["queue"].as_array().unwrap().len(), 1);
        assert_eq!(channel["queue"][0]["transition"], "DirectPayment 5 of token 1");
        // The agreed state and the one in flight, which only this side has signed.
        let live: Vec<bool> = channel["live"].as_array().unwrap().iter().map(|l| l["agreed"] == true).collect();
        assert_eq!(live, [true, false]);
        let subchannel = &channel["subchannels"][0];
        assert_eq!(subchannel["chain"], 31_337);
        assert_eq!(subchannel["provable"], channel["nonce"]);
        // The window is 3600 s and both locks end earlier.
        assert_eq!(subchannel["bound_until"], NOW.0 + 3600);
        let token = &subchannel["tokens"][0];
        let expected = [
            ("token", json!(1)),
            ("collateral", json!("300")),
            ("own_limit", json!("50")),
            ("peer_limit", json!("500")),
            ("own_hold", json!("40")),
            ("peer_hold", json!("30")),
            // 60 of the peer's debt, 300 collateral, 50 credit, less 40 held.
            ("out_capacity", json!("370")),
            // 500 - 60 of the peer's credit, less 30 held.
            ("in_capacity", json!("410")),
            ("position", json!("360")),
            ("secured", json!("300")),
            ("owes", json!("0")),
            ("exposure", json!("60")),
            ("exposure_at_limit", json!("500")),
            ("claimable", json!("30")),
            // 360 + 30 - 300.
            ("loss", json!("90")),
            // The state in flight, with the lock going out: 360 + 30 - 100 - 40.
            ("guaranteed", json!("250")),
            ("may_owe", json!("0")),
        ];
        for (name, value) in expected {
            assert_eq!(token[name], value, "{backend}: {name}");
        }
        let delta = if me() == Side::Left { 360 } else { 300 - 360 };
        assert_eq!(token["delta"], delta.to_string());
        // The lock of 40 ends at 1000; the one of 30 must be on chain 600 s before 2000.
        assert_eq!(report["earliest"]["at"], NOW.0 + 1000);
        assert_eq!(report["earliest"]["reason"], "payment 1 of 40 goes out or can be taken back after it");
        assert_eq!(subchannel["deadlines"][1]["at"], NOW.0 + 1400);
        assert_eq!(subchannel["deadlines"][1]["reason"], "payment 2 of 30 must be revealed on chain");
    }
}

#[test]
fn secrets_are_told_to_who_asks_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut two = Two::open(Backend::Redb, folder.path());
    story(&mut two);
    drop(two);
    let told = "07".repeat(32);
    for arguments in [&["--json"][..], &[]] {
        let quiet = xln(folder.path(), arguments).success();
        assert!(!String::from_utf8_lossy(&quiet.get_output().stdout).contains(&told));
        xln(folder.path(), &[arguments, &["--secrets"]].concat()).success().stdout(contains(&told));
    }
}

#[test]
fn the_table_says_what_is_lost_and_by_when() {
    let folder = tempfile::tempdir().unwrap();
    let mut two = Two::open(Backend::Redb, folder.path());
    story(&mut two);
    drop(two);
    let earliest = format!("earliest   {}: payment 1 of 40", NOW.0 + 1000);
    let done =
        xln(folder.path(), &[]).success().stdout(contains(earliest)).stdout(contains("live signature at height"));
    let text = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let loss = text.lines().find(|line| line.contains("LOSS if the peer vanishes now")).unwrap();
    assert_eq!(loss.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect::<Vec<_>>(), ["90", "500"]);
}

#[test]
fn a_stale_dispute_is_the_earliest_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let mut two = Two::open(Backend::Redb, folder.path());
    story(&mut two);
    let best = two.node.channel(&id(2)).unwrap().best_nonce(&KEY).unwrap().0;
    let dispute = DisputeFact {
        nonce: 2,
        started_at: UnixSeconds(NOW.0 - 3000),
        starter: me().other(),
        answered: false,
        answered_at: UnixSeconds(0),
        body_hash: Hash([1; 32]),
        starter_fills_hash: Hash::ZERO,
        answerer_fills_hash: Hash::ZERO,
    };
    let kind = ChangeKind::Dispute { epoch: 0, dispute, fills: Vec::new(), body: Vec::new() };
    let change = ChainChange { key: KEY, pair: pair(), kind };
    drop(two.node.step(NOW, vec![Input::Chain(ChainFact::Sighted { change })]).unwrap());
    drop(two);
    let report = report(folder.path(), &[]);
    assert_eq!(report["earliest"]["at"], NOW.0 + 600);
    assert_eq!(report["earliest"]["reason"], format!("counter the dispute at nonce 2 with nonce {best}"));
    let subchannel = &report["channels"][0]["subchannels"][0];
    assert_eq!(subchannel["frozen"], "Sighted");
    // Started 3000 s ago with a window of 3600 s; the lock of 30 is open until 2000.
    assert_eq!(subchannel["bound_until"], NOW.0 + 2000);
}

#[test]
fn what_cannot_be_inspected_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("store");
    xln(&dir, &[]).code(1).stderr(contains("is no store"));
    let two = Two::open(Backend::Redb, &dir);
    // Another process has it: this one.
    xln(&dir, &[]).code(1).stderr(contains("is open elsewhere; a node that runs holds its store locked"));
    drop(two);
    xln(&dir, &["--backend", "sled"]).code(1).stderr(contains("was written by redb, not by sled"));
    xln(&dir, &["--backend", "leveldb"]).code(2);
    xln(&dir, &["--backend", "redb"]).success();
    let empty = folder.path().join("empty");
    drop(Backend::Fjall.open(&empty).unwrap());
    xln(&empty, &[]).code(1).stderr(contains("the store is empty"));
}

#[test]
fn an_imported_backup_is_shown_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut two = Two::open(Backend::Redb, &folder.path().join("first"));
    story(&mut two);
    let backup = two.node.backup().unwrap();
    let dir = folder.path().join("second");
    let store = Backend::Fjall.open(&dir).unwrap();
    drop(xln_node::driver::import(store, id(1), &options().config, &backup).unwrap());
    assert_eq!(report(&dir, &[])["store"]["from_backup"], true);
    xln(&dir, &[]).success().stdout(contains("it will sign nothing before its peers have answered"));
}
