//! Damaged stores: a bit flipped, a file cut, in every region of every file of every engine's store, closed or killed. A node
//! either has everything that was acknowledged or refuses with an error: nothing is lost silently, nothing panics.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{NOW, credit, id, lock, open_channel, options, pay, signer};
use xln_core::machine::{Effect, Effects, Input};
use xln_core::subcontract::Instruments;
use xln_core::types::{Hash, Nonce};
use xln_node::driver::{Node, NodeOptions, StoredNode};
use xln_storage::{Backend, MemoryStore, Storage};

type OnDisk = Node<Box<dyn Storage>>;

/// What a store must give back.
#[derive(PartialEq, Eq, Debug)]
struct Held {
    seq: u64,
    root: Hash,
    signed: BTreeMap<Hash, (Nonce, Hash)>,
}

fn held(dir: &Path, backend: Backend) -> Result<Held, String> {
    let store = backend.open(dir).map_err(|e| e.to_string())?;
    let stored = StoredNode::read(&store).map_err(|e| e.to_string())?.ok_or("empty")?;
    let machine = stored.machine(Arc::new(Instruments::built_in())).map_err(|e| e.to_string())?;
    Ok(Held { seq: stored.seq(), root: machine.root().unwrap(), signed: stored.signed })
}

/// Carries messages between the two until none is left.
fn carry(left: &mut OnDisk, right: &mut Node<Arc<MemoryStore>>, first: Vec<Effects>) {
    let (ids, mut queue) = ([left.entity(), right.entity()], Vec::new());
    let push = |queue: &mut Vec<_>, from, effects: &Effects| {
        for (_, effect) in effects.effects() {
            if let Effect::Send { to, bytes } = effect {
                queue.push((from, *to, bytes.clone()));
            }
        }
    };
    for effects in &first {
        push(&mut queue, ids[0], effects);
    }
    while !queue.is_empty() {
        let (from, to, bytes) = queue.remove(0);
        let effects = if to == ids[0] {
            left.handle_message(NOW, from, bytes).unwrap()
        } else {
            right.handle_message(NOW, from, bytes).unwrap()
        };
        push(&mut queue, to, &effects);
    }
}

/// A store with a snapshot, records after it, agreed states, a lock, and commands that wait. Gives two images: as a killed
/// process leaves it, and closed.
fn images(backend: Backend, dir: &Path) -> [PathBuf; 2] {
    let home = dir.join("home");
    let options = || NodeOptions { snapshot_every: 24, ..options() };
    let store = backend.open(&home).unwrap();
    let (mut node, _) = Node::open(store, Box::new(signer(1)), options(), NOW).map(|(n, e)| (n, drop(e))).unwrap();
    let memory = Arc::new(MemoryStore::new());
    let (mut peer, _) = Node::open(memory, Box::new(signer(2)), options(), NOW).map(|(n, e)| (n, drop(e))).unwrap();
    let mut effects = vec![node.step(NOW, open_channel(id(2))).unwrap()];
    effects.push(node.step(NOW, vec![credit(id(2), 1_000_000)]).unwrap());
    carry(&mut node, &mut peer, effects);
    for amount in 1..=20 {
        let paid = peer.step(NOW, vec![pay(id(1), amount)]).unwrap();
        // The peer's own messages first: it is the one that pays.
        for (_, effect) in paid.effects() {
            if let Effect::Send { bytes, .. } = effect {
                let answer = node.handle_message(NOW, id(2), bytes.clone()).unwrap();
                carry(&mut node, &mut peer, vec![answer]);
            }
        }
    }
    let locked = node.step(NOW, vec![lock(id(2), 5, 7)]).unwrap();
    carry(&mut node, &mut peer, vec![locked]);
    // In flight without an answer, and a command behind it: only the log knows of that one.
    drop(node.step(NOW, vec![pay(id(2), 3)]).unwrap());
    drop(node.step(NOW, vec![pay(id(2), 4)]).unwrap());
    drop(node.step(NOW, vec![Input::Tick]).unwrap());
    let killed = dir.join("killed");
    copy_tree(&home, &killed);
    drop(node.close());
    [killed, home]
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Zero(usize, usize),
}

/// Damage in every region that holds something: a region is as long as `REGIONS` of them make up the file's content.
const REGIONS: usize = 48;

fn damages(content: &[u8]) -> Vec<Damage> {
    let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
    let step = used.len().div_ceil(REGIONS).max(1);
    let mut damages = Vec::new();
    for (number, at) in used.iter().step_by(step).enumerate() {
        damages.push(Damage::Flip(*at, 1 << (number % 8)));
        if number % 3 == 0 {
            damages.push(Damage::Cut(*at));
        }
        if number % 3 == 1 {
            damages.push(Damage::Zero(*at, 512));
        }
    }
    // Headers are where engines keep which root is valid.
    damages.extend((0..content.len().min(16)).map(|at| Damage::Flip(at, 1)));
    damages
}

fn inflict(content: &[u8], damage: Damage) -> Vec<u8> {
    let mut bytes = content.to_vec();
    match damage {
        Damage::Flip(at, bits) => bytes[at] ^= bits,
        Damage::Cut(at) => bytes.truncate(at),
        Damage::Zero(at, length) => {
            let end = (at + length).min(bytes.len());
            bytes[at..end].fill(0);
        }
    }
    bytes
}

fn damaged_stores_lose_nothing_silently(backend: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let (mut whole, mut refused, mut silent) = (0, 0, Vec::new());
    for image in images(backend, dir.path()) {
        let work = dir.path().join("work");
        copy_tree(&image, &work);
        let expected = held(&work, backend).unwrap();
        assert!(expected.seq > 60);
        std::fs::remove_dir_all(&work).unwrap();
        for file in files(&image) {
            let content = std::fs::read(&file).unwrap();
            for damage in damages(&content) {
                copy_tree(&image, &work);
                let target = work.join(file.strip_prefix(&image).unwrap());
                std::fs::write(&target, inflict(&content, damage)).unwrap();
                match held(&work, backend) {
                    Ok(found) if found == expected => whole += 1,
                    Ok(found) => silent.push((file.clone(), damage, found.seq, expected.seq)),
                    Err(_) => refused += 1,
                }
                std::fs::remove_dir_all(&work).unwrap();
            }
        }
        drop(expected);
    }
    assert!(silent.is_empty(), "{backend}: {} of {} lost something silently: {silent:#?}", silent.len(), whole + refused + silent.len());
    assert!(whole > 0 && refused > 0, "{whole} whole, {refused} refused");
}

#[test]
fn redb() {
    damaged_stores_lose_nothing_silently(Backend::Redb);
}

#[test]
fn fjall() {
    damaged_stores_lose_nothing_silently(Backend::Fjall);
}

#[test]
fn sled() {
    damaged_stores_lose_nothing_silently(Backend::Sled);
}
