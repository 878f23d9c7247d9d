//! What a node finds on its disk, and what it is given as a backup: anything. It opens or says by a typed error why not; it
//! never panics, and what opened goes on.

use std::cell::OnceCell;
use std::sync::Arc;

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

/// The first byte says whether bytes become rows or a backup, and whether their checksums are put right, so that what
/// stands behind them is reached.
pub fn store_open(bytes: &[u8]) {
    opens(bytes);
}

/// Whether what [`store_open`] makes of bytes is a node's store.
pub fn opens(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    match kind % 4 {
        0 => backup(bytes),
        1 => open_and_use(stored(damaged(bytes, |rows| rows))),
        2 => open_and_use(stored(sealed(damaged(bytes, unsealed), kind / 4 % 2 == 0))),
        _ => {
            // A backup has no header: its import writes one.
            let rows = sealed(damaged(bytes, |rows| unsealed(rows.into_iter().skip(1).collect())), false);
            let Ok(rows) = codec::encode(&rows) else { return false };
            backup(&[BACKUP, id(0).as_bytes(), &rows].concat())
        }
    }
}

/// A backup is taken as it is, or with its checksum put right.
fn backup(bytes: &[u8]) -> bool {
    let checked = [bytes, &xln_merkle::keccak256(bytes)].concat();
    let open = |bytes: &[u8]| import(MemoryStore::new(), id(0), &options().config, bytes).is_ok_and(open_and_use);
    open(bytes) | open(&checked)
}

/// The rows of a real node's store, some of them damaged, replaced, dropped or added.
fn damaged(bytes: &[u8], base: impl Fn(Vec<Row>) -> Vec<Row>) -> Vec<Row> {
    let mut choices = Choices(bytes);
    let mut all = base(rows_of(choices.byte().into()));
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
    all
}

/// A key that no store takes cannot be found in one either.
fn stored(rows: Vec<Row>) -> MemoryStore {
    let store = MemoryStore::new();
    for (key, value) in rows {
        let _ = store.put(&key, &value);
    }
    store
}

/// Rows with a checksum behind their value: record, position, snapshot, nonces, history, what the application keeps.
fn has_checksum(key: &[u8]) -> bool {
    key.first().is_some_and(|kind| b"rlsnhk".contains(kind))
}

fn checksum(key: &[u8], value: &[u8]) -> Vec<u8> {
    let length = (key.len() as u64).to_be_bytes();
    xln_merkle::keccak256(&[&length, key, value].concat())[..16].to_vec()
}

/// Real rows without their checksums.
fn unsealed(mut rows: Vec<Row>) -> Vec<Row> {
    for (key, value) in rows.iter_mut().filter(|(key, _)| has_checksum(key)) {
        let found = value.split_off(value.len() - 16);
        assert_eq!(checksum(key, value), found, "a checksum is not what the driver writes any more");
    }
    rows
}

/// Checksums that fit; and, if asked for, the position of the record that is the last one now.
fn sealed(mut rows: Vec<Row>, position: bool) -> Vec<Row> {
    if position {
        let at = |(key, value): &Row| match key.split_first() {
            Some((b'r', at)) => at.try_into().ok(),
            Some((b's', [])) => value.first_chunk().copied(),
            _ => None,
        };
        let newest = rows.iter().filter_map(at).map(u64::from_be_bytes).max().unwrap_or_default();
        rows.retain(|(key, _)| key != b"l");
        rows.push((b"l".to_vec(), newest.to_be_bytes().to_vec()));
    }
    for (key, value) in rows.iter_mut().filter(|(key, _)| has_checksum(key)) {
        let sum = checksum(key, value);
        value.extend_from_slice(&sum);
    }
    rows
}

/// The first bytes of a backup.
const BACKUP: &[u8] = b"xlnback1";

/// A node that opens goes on: it takes what time, its peer and its owner bring, and can be opened again.
fn open_and_use(store: MemoryStore) -> bool {
    let Ok((mut node, _)) = Node::open(store, Box::new(signer(0)), options(), NOW) else { return false };
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
            return true;
        }
    }
    let _ = node.poll_timeout();
    let backup = node.backup().expect("a store in memory");
    let store = node.close();
    let opened = Node::open(store, Box::new(signer(0)), options(), NOW.plus(9_000));
    assert!(opened.is_ok(), "it opened once and wrote what it cannot read: {:?}", opened.err());
    let imported = import(MemoryStore::new(), id(0), &options().config, &backup);
    assert!(imported.is_ok(), "its own backup: {:?}", imported.err());
    true
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
    thread_local! {
        static SIGNERS: [LocalSigner; 2] = {
            let mut signers = [[1; 32], [2; 32]].map(|key| LocalSigner::new(&key).expect("a key"));
            signers.sort_by_key(Signer::entity);
            signers
        };
    }
    SIGNERS.with(|signers| signers[number].clone())
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

/// The rows of one of the real stores.
fn rows_of(store: usize) -> Vec<Row> {
    REAL.with(|real| {
        let stores = real.get_or_init(|| lives().0);
        stores[store % stores.len()].clone()
    })
}

/// Where the first record lies in one of the real stores; none if a snapshot has replaced all.
pub fn first_record(store: u8) -> Option<u8> {
    let rows = rows_of(store.into());
    rows.iter().position(|(key, _)| key.starts_with(b"r")).and_then(|place| u8::try_from(place).ok())
}

/// The parts of a real backup that [`store_open`] takes: all but its checksum.
pub fn real_backup() -> Vec<u8> {
    let backup = lives().1;
    [&[0], backup.split_last_chunk::<32>().expect("a checksum").0].concat()
}

/// Stores of a node at several times of its life, and what it had exported the last time.
fn lives() -> (Vec<Vec<Row>>, Vec<u8>) {
    let disks = [Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new())];
    let open = |i: usize| Node::open(disks[i].clone(), Box::new(signer(i)), options(), NOW).expect("an empty store").0;
    let mut nodes = [open(0), open(1)];
    let mut stores = vec![all(&disks[0])];
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
                stores.push(all(&disks[0]));
            }
        }
    }
    stores.push(all(&disks[0]));
    let backup = nodes[0].backup().expect("a store in memory");
    let imported = import(MemoryStore::new(), id(0), &options().config, &backup).expect("its own");
    stores.push(all(&imported));
    (stores, backup)
}

fn all(store: &MemoryStore) -> Vec<Row> {
    rows(store, &[], None, 256).collect::<Result<_, _>>().expect("a store in memory")
}
