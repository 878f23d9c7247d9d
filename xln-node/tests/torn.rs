//! Damaged stores: a bit flipped, a file cut, in every region of every file of every engine's store, closed or killed. A node
//! either has everything that was acknowledged or refuses with an error: nothing is lost silently, nothing panics.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
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
    let options = || NodeOptions { snapshot_every: 16, ..options() };
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

/// A file without the zeros at its end, and its length: engines allocate far ahead.
struct Image {
    used: Vec<u8>,
    length: u64,
}

impl Image {
    fn of(path: &Path) -> Self {
        let mut used = std::fs::read(path).unwrap();
        let length = u64::try_from(used.len()).unwrap();
        // Whole pages at first: a test is not optimised.
        while used.len() > 4096 && used[used.len() - 4096..] == [0; 4096] {
            used.truncate(used.len() - 4096);
        }
        let end = used.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        used.truncate(end);
        Self { used, length }
    }

    fn write(&self, path: &Path) {
        let mut file = std::fs::File::create(path).unwrap();
        std::io::Write::write_all(&mut file, &self.used).unwrap();
        file.set_len(self.length).unwrap();
    }

    fn damaged(&self, damage: Damage) -> Self {
        let Self { mut used, mut length } = Self { used: self.used.clone(), length: self.length };
        match damage {
            Damage::Flip(at, bits) => used[at] ^= bits,
            Damage::Cut(at) => {
                used.truncate(at);
                length = u64::try_from(at).unwrap();
            }
            Damage::Zero(at, count) => {
                let end = (at + count).min(used.len());
                used[at..end].fill(0);
            }
        }
        Self { used, length }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            Image::of(&entry.path()).write(&target);
        }
    }
}

/// The folder again, from what was read of it once.
fn lay_out(images: &[(PathBuf, Image)], root: &Path) {
    for (name, image) in images {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.write(&path);
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

/// Damage in every region that holds something: a region is as long as `regions` of them make up the file's content.
fn damages(content: &[u8], regions: usize) -> Vec<Damage> {
    let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
    let step = used.len().div_ceil(regions).max(1);
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
    damages.extend((0..content.len().min(regions)).map(|at| Damage::Flip(at, 1 << (at % 8))));
    damages
}

/// What a damaged store gives back, or that it was refused.
type Look = fn(&Path, Backend) -> Option<String>;

fn in_this_process(dir: &Path, backend: Backend) -> Option<String> {
    held(dir, backend).ok().map(|held| format!("{held:?}"))
}

/// fjall panics on some damage, and again while it is dropped for that: the process is aborted. It has lost nothing, but no
/// library call can make an error of it.
fn in_a_process_of_its_own(dir: &Path, _: Backend) -> Option<String> {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("xln"));
    let now = NOW.0.to_string();
    let done = command.arg("inspect").arg(dir).args(["--json", "--now", &now]).output().unwrap();
    let aborted = std::os::unix::process::ExitStatusExt::signal(&done.status) == Some(6);
    assert!(aborted || done.status.code() != Some(101), "{}", String::from_utf8_lossy(&done.stderr));
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

fn damaged_stores_lose_nothing_silently(backend: Backend, look: Look, regions: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (mut whole, mut refused, mut silent) = (0, 0, Vec::new());
    for image in images(backend, dir.path()) {
        let work = dir.path().join("work");
        copy_tree(&image, &work);
        let expected = look(&work, backend).unwrap();
        assert!(held(&work, backend).unwrap().seq > 24);
        std::fs::remove_dir_all(&work).unwrap();
        let named = |file: PathBuf| (file.strip_prefix(&image).unwrap().to_owned(), Image::of(&file));
        let images: Vec<(PathBuf, Image)> = files(&image).into_iter().map(named).collect();
        for (file, content) in &images {
            for damage in damages(&content.used, regions) {
                lay_out(&images, &work);
                content.damaged(damage).write(&work.join(file));
                match look(&work, backend) {
                    Some(found) if found == expected => whole += 1,
                    Some(found) => silent.push((file.clone(), damage, found)),
                    None => refused += 1,
                }
                std::fs::remove_dir_all(&work).unwrap();
            }
        }
    }
    assert!(
        silent.is_empty(),
        "{backend}: {} of {} lost something silently: {silent:#?}",
        silent.len(),
        whole + refused + silent.len()
    );
    assert!(whole > 0 && refused > 0, "{whole} whole, {refused} refused");
}

#[test]
fn redb() {
    damaged_stores_lose_nothing_silently(Backend::Redb, in_this_process, 24);
}

#[test]
fn fjall() {
    damaged_stores_lose_nothing_silently(Backend::Fjall, in_a_process_of_its_own, 4);
}

#[test]
fn sled() {
    damaged_stores_lose_nothing_silently(Backend::Sled, in_this_process, 24);
}
