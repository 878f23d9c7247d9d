//! What a node finds on its disk, and what it is given as a backup: anything. It opens or says by a typed error why not; it
//! never panics, and what opened goes on.

use std::cell::OnceCell;

use xln_core::channel::{AcceptedDepository, ChannelConfig};
use xln_core::codec;
use xln_core::crypto::{LocalSigner, Signer};
use xln_core::machine::{Action, Command, Effect, Input};
use xln_core::transition::Transition;
use xln_core::types::{Address, ChainId, EntityId, HashKind, Secret, SubchannelKey, TokenId, UnixSeconds};
use xln_node::driver::{Node, NodeOptions, import};
use xln_storage::{MemoryStore, Row, Storage, rows};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const KEY: SubchannelKey = SubchannelKey { chain: ChainId(31_337), depository: Address([0xd0; 20]) };
const PROVIDER: Address = Address([0x5c; 20]);

/// The first byte says whether bytes become rows or a backup.
pub fn store_open(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => backup(bytes),
        _ => contents(bytes),
    }
}

/// A backup is taken as it is, or with its checksum put right, so that what stands behind it is reached.
fn backup(bytes: &[u8]) {
    let checked = [bytes, &xln_merkle::keccak256(bytes)].concat();
    for bytes in [bytes, &checked] {
        if let Ok(store) = import(MemoryStore::new(), id(0), &options().config, bytes) {
            open_and_use(store);
        }
    }
}

/// The rows of a real node's store, some of them damaged, replaced, dropped or added.
fn contents(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let base = usize::from(choices.byte());
    let store = MemoryStore::new();
    let mut all = REAL.with(|real| {
        let stores = real.get_or_init(real_stores);
        stores[base % stores.len()].clone()
    });
    while !choices.0.is_empty() && !all.is_empty() {
        let at = usize::from(choices.byte()) % all.len();
        match choices.byte() % 8 {
            0 => drop(all.remove(at)),
            1 => {
                let other = usize::from(choices.byte()) % all.len();
                all[at].1 = all[other].1.clone();
            }
            2 => {
                let length = usize::from(choices.byte());
                let key = choices.take(length % 40).to_vec();
                let length = usize::from(choices.byte()) * 4;
                all.push((key, choices.take(length).to_vec()));
            }
            3 => {
                let to = choices.place(all[at].1.len());
                all[at].1.truncate(to);
            }
            4 => {
                let from = choices.place(all[at].1.len());
                let length = usize::from(choices.byte());
                let piece = choices.take(length).to_vec();
                let to = (from + piece.len()).min(all[at].1.len());
                all[at].1.splice(from..to, piece);
            }
            5 => {
                let key = choices.place(all[at].0.len());
                if let Some(byte) = all[at].0.get_mut(key) {
                    *byte ^= choices.byte() | 1;
                }
            }
            _ => {
                let place = choices.place(all[at].1.len());
                if let Some(byte) = all[at].1.get_mut(place) {
                    *byte ^= choices.byte() | 1;
                }
            }
        }
    }
    for (key, value) in all {
        // A key that no store takes cannot be found in one either.
        let _ = store.put(&key, &value);
    }
    open_and_use(store);
}

/// A node that opens goes on: it takes what time, its peer and its owner bring, and can be opened again.
fn open_and_use(store: MemoryStore) {
    let Ok((mut node, _)) = Node::open(store, Box::new(signer(0)), options(), NOW) else { return };
    let peer = id(1);
    let pay = Transition::DirectPayment { key: KEY, token: TokenId(1), amount: 1 };
    let inputs = [
        Input::Connected { peer },
        Input::Tick,
        Input::Command(Command { peer, action: Action::Propose { transition: pay, submit: false } }),
        Input::Command(Command { peer, action: Action::StartDispute { key: KEY, arguments: Default::default() } }),
        Input::Message { from: peer, bytes: vec![1; 40] },
    ];
    for (n, input) in inputs.into_iter().enumerate() {
        if node.step(NOW.plus(n as u64 * 1_000), vec![input]).is_err() {
            return;
        }
    }
    let _ = node.poll_timeout();
    let backup = node.backup().expect("a store in memory");
    let store = node.close();
    let opened = Node::open(store, Box::new(signer(0)), options(), NOW.plus(9_000));
    assert!(opened.is_ok(), "it opened once and wrote what it cannot read: {:?}", opened.err());
    let imported = import(MemoryStore::new(), id(0), &options().config, &backup);
    assert!(imported.is_ok(), "its own backup: {:?}", imported.err());
}

struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length.min(self.0.len()));
        self.0 = tail;
        head
    }

    fn place(&mut self, length: usize) -> usize {
        let place = usize::from(self.byte()) << 8 | usize::from(self.byte());
        place % length.max(1)
    }
}

fn signer(number: usize) -> LocalSigner {
    let mut signers = [[1; 32], [2; 32]].map(|key| LocalSigner::new(&key).expect("a key"));
    signers.sort_by_key(Signer::entity);
    signers[number].clone()
}

fn id(number: usize) -> EntityId {
    signer(number).entity()
}

fn options() -> NodeOptions {
    let depositories = vec![AcceptedDepository::new(KEY, 3600, vec![PROVIDER], Address([0xee; 20]), 10_800)];
    let config = ChannelConfig { depositories, vigilant: false, ..ChannelConfig::default() };
    NodeOptions { config, snapshot_every: 6 }
}

thread_local! {
    static REAL: OnceCell<Vec<Vec<Row>>> = const { OnceCell::new() };
}

/// Stores of a node at several times of its life, and what it had exported the last time.
fn real_stores() -> Vec<Vec<Row>> {
    lives().0
}

/// The parts of a real backup that [`store_open`] takes: all but its checksum.
pub fn real_backup() -> Vec<u8> {
    let backup = lives().1;
    [&[0], backup.split_last_chunk::<32>().expect("a checksum").0].concat()
}

fn lives() -> (Vec<Vec<Row>>, Vec<u8>) {
    let open = |i| Node::open(MemoryStore::new(), Box::new(signer(i)), options(), NOW).expect("an empty store").0;
    let mut nodes = [open(0), open(1)];
    let mut stores = vec![all_rows(&nodes[0])];
    let key = KEY;
    let (token, kind, expiry) = (TokenId(1), HashKind::Sha256, NOW.plus(4_000));
    let lock = |amount, secret: u8| {
        let hash = Secret([secret; 32]).hash(kind);
        Transition::AddPayment { key, token, amount, kind, hash, expiry, onion: vec![secret; 5] }
    };
    let story = [
        (0, Transition::OpenSubchannel { key, providers: vec![PROVIDER], settle_margin_s: 0 }),
        (0, Transition::AddToken { key, token }),
        (0, Transition::SetCreditLimit { key, token, limit: 500 }),
        (1, Transition::SetCreditLimit { key, token, limit: 500 }),
        (0, lock(30, 1)),
        (1, lock(40, 2)),
        (1, Transition::DirectPayment { key, token, amount: 7 }),
        (0, Transition::SettlePayment { key, id: 2, secret: Secret([2; 32]) }),
        (0, Transition::Memo { data: vec![3; 20] }),
    ];
    for (by, transition) in story {
        let action = Action::Propose { transition, submit: false };
        let mut inputs = vec![(by, Input::Command(Command { peer: id(1 - by), action }))];
        while let Some((to, input)) = inputs.pop() {
            let effects = nodes[to].step(NOW, vec![input]).expect("two honest nodes");
            for (_, effect) in effects.effects() {
                if let Effect::Send { bytes, .. } = effect {
                    inputs.insert(0, (1 - to, Input::Message { from: id(to), bytes: bytes.clone() }));
                }
            }
            // In the middle of a step too: what was proposed and is not answered yet.
            if stores.len() < 24 {
                stores.push(all_rows(&nodes[0]));
            }
        }
    }
    stores.push(all_rows(&nodes[0]));
    let backup = nodes[0].backup().expect("a store in memory");
    let imported = import(MemoryStore::new(), id(0), &options().config, &backup).expect("its own");
    stores.push(all(&imported));
    (stores, backup)
}

fn all_rows(node: &Node<MemoryStore>) -> Vec<Row> {
    let backup = node.backup().expect("a store in memory");
    let store = import(MemoryStore::new(), id(0), &options().config, &backup).expect("its own");
    let _ = store.delete(b"b");
    all(&store)
}

fn all(store: &MemoryStore) -> Vec<Row> {
    rows(store, &[], None, 256).collect::<Result<_, _>>().expect("a store in memory")
}

/// Rows as they stand in a backup decode to the same bytes.
#[must_use]
pub fn rows_are_canonical(bytes: &[u8]) -> bool {
    codec::decode_trusted_length::<Vec<Row>>(bytes).is_ok_and(|rows| codec::encode(&rows).is_ok_and(|b| b == bytes))
}
