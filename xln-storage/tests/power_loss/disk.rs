//! A model of files on a device, driven by the lines of an `strace` log. A byte is safe once its file was synced after the
//! write; a folder's entry is safe once the folder was synced after the change.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a line of the trace means to the test.
pub(super) enum Moment {
    /// The process wrote this to its standard error.
    Marker(String),
    /// A file's sync was called and has not returned.
    SyncBegins,
}

/// Which part of the bytes that were not synced a crash may leave.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Device {
    /// Every sector, and the length, as of some moment since the last sync, each of its own: the worst that the rules of
    /// POSIX allow.
    AnySector,
    /// Everything as of one moment since the last sync of any file: the device keeps the order of writes.
    InOrder,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

#[derive(Default)]
struct File {
    safe: Vec<u8>,
    /// Changes since, in order, and the number of all changes so far.
    pending: Vec<(u64, Change)>,
    changes: usize,
    len: usize,
}

impl File {
    fn change(&mut self, clock: u64, change: Change) {
        self.len = match &change {
            Change::Write(at, bytes) => self.len.max(at + bytes.len()),
            Change::SetLen(len) => *len,
        };
        self.pending.push((clock, change));
        self.changes += 1;
    }

    /// Everything up to the `upto`-th change is safe.
    fn sync(&mut self, upto: usize) {
        let done = upto.saturating_sub(self.changes - self.pending.len());
        for (_, change) in self.pending.drain(..done.min(self.pending.len())) {
            apply(&mut self.safe, &change);
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, data) => {
            bytes.resize(bytes.len().max(at + data.len()), 0);
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
        Change::SetLen(len) => bytes.resize(*len, 0),
    }
}

type Shared = Rc<RefCell<File>>;

#[derive(Clone)]
enum Open {
    File { file: Shared, offset: Rc<RefCell<usize>>, append: bool },
    Dir(PathBuf),
}

pub(super) struct Disk {
    root: PathBuf,
    names: BTreeMap<PathBuf, Shared>,
    safe_names: BTreeMap<PathBuf, Shared>,
    open: BTreeMap<i64, Open>,
    /// Calls that have begun, by thread, with the number of changes that a sync will cover.
    unfinished: BTreeMap<String, (String, usize)>,
    /// Number of the line of the trace, and of the line of the last finished sync.
    clock: u64,
    synced: u64,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            open: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            clock: 0,
            synced: 0,
        }
    }

    pub(super) fn step(&mut self, line: &str) -> Option<Moment> {
        self.clock += 1;
        let (thread, rest) = line.split_once(' ')?;
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            self.flush_put_off();
            let covered = self.covered(begun);
            self.unfinished.insert(thread.to_owned(), (begun.to_owned(), covered));
            return is_sync(begun).then_some(Moment::SyncBegins);
        }
        if let Some(tail) = rest.strip_prefix("<... ") {
            let (begun, covered) = self.unfinished.remove(thread)?;
            let tail = tail.split_once("resumed>")?.1;
            self.flush_put_off();
            return self.call(&format!("{begun}{tail}"), covered);
        }
        let moment = is_sync(rest).then_some(Moment::SyncBegins);
        if moment.is_some() {
            // The caller looks at the disk as of before the sync: put it off to the next line.
            let covered = self.covered(rest);
            self.flush_put_off();
            self.unfinished.insert("put off".to_owned(), (rest.to_owned(), covered));
            return moment;
        }
        self.flush_put_off();
        self.call(rest, 0)
    }

    fn flush_put_off(&mut self) {
        if let Some((call, covered)) = self.unfinished.remove("put off") {
            self.call(&call, covered);
        }
    }

    fn covered(&self, call: &str) -> usize {
        let fd = call.split_once('(').and_then(|(_, rest)| number(rest));
        match fd.and_then(|fd| self.open.get(&fd)) {
            Some(Open::File { file, .. }) => file.borrow().changes,
            _ => 0,
        }
    }

    fn call(&mut self, call: &str, covered: usize) -> Option<Moment> {
        let (name, rest) = call.split_once('(')?;
        let result = number(call.rsplit_once(" = ")?.1)?;
        if result < 0 {
            return None;
        }
        let size = usize::try_from(result).unwrap();
        let arguments: Vec<&str> =
            rest.rsplit_once(" = ").unwrap().0.trim_end().trim_end_matches(')').split(", ").collect();
        let fd = number(arguments[0]);
        let target = fd.and_then(|fd| self.open.get(&fd)).cloned();
        match (name, target) {
            ("openat", _) => self.opened(result, &arguments),
            ("close", _) => {
                self.open.remove(&fd.unwrap());
            }
            ("fcntl", Some(open)) if arguments[1].starts_with("F_DUPFD") => {
                self.open.insert(result, open);
            }
            ("read", Some(Open::File { offset, .. })) => *offset.borrow_mut() += size,
            ("lseek", Some(Open::File { offset, .. })) => *offset.borrow_mut() = size,
            ("write", Some(Open::File { file, offset, append })) => {
                let mut file = file.borrow_mut();
                let at = if append { file.len } else { *offset.borrow() };
                file.change(self.clock, Change::Write(at, quoted(arguments[1])[..size].to_vec()));
                *offset.borrow_mut() = at + size;
            }
            ("write", None) if fd == Some(2) => {
                return Some(Moment::Marker(String::from_utf8_lossy(&quoted(arguments[1])).into_owned()));
            }
            ("pwrite64", Some(Open::File { file, .. })) => {
                let at = usize::try_from(number(arguments[3]).unwrap()).unwrap();
                file.borrow_mut().change(self.clock, Change::Write(at, quoted(arguments[1])[..size].to_vec()));
            }
            ("ftruncate", Some(Open::File { file, .. })) => {
                let len = usize::try_from(number(arguments[1]).unwrap()).unwrap();
                file.borrow_mut().change(self.clock, Change::SetLen(len));
            }
            ("fsync" | "fdatasync", Some(Open::File { file, .. })) => {
                file.borrow_mut().sync(covered);
                self.synced = self.clock;
            }
            ("fsync" | "fdatasync", Some(Open::Dir(dir))) => {
                self.safe_names.retain(|path, _| path.parent() != Some(&dir));
                let kept = self.names.iter().filter(|(path, _)| path.parent() == Some(&dir));
                self.safe_names.extend(kept.map(|(path, file)| (path.clone(), Rc::clone(file))));
            }
            ("rename", _) => self.renamed(path(arguments[0]), path(arguments[1])),
            ("renameat" | "renameat2", _) => self.renamed(path(arguments[1]), path(arguments[3])),
            ("unlink", _) => {
                self.names.remove(&path(arguments[0]));
            }
            ("unlinkat", _) => {
                self.names.remove(&path(arguments[1]));
            }
            // What the model does not know must not pass unseen.
            ("mmap", _) => {
                let file = number(arguments[4]).and_then(|fd| self.open.get(&fd));
                assert!(!arguments[3].contains("MAP_SHARED") || file.is_none(), "mapped file: {call:.200}");
            }
            ("pwritev" | "writev" | "fallocate" | "copy_file_range" | "link" | "linkat", Some(_)) => {
                panic!("the model does not know this call: {call:.200}")
            }
            _ => {}
        }
        None
    }

    fn opened(&mut self, fd: i64, arguments: &[&str]) {
        let path = path(arguments[1]);
        if !path.starts_with(&self.root) {
            self.open.remove(&fd);
            return;
        }
        let flags = arguments[2];
        if flags.contains("O_CREAT") {
            self.names.entry(path.clone()).or_default();
        }
        let open = match self.names.get(&path) {
            Some(file) => {
                if flags.contains("O_TRUNC") && file.borrow().len > 0 {
                    file.borrow_mut().change(self.clock, Change::SetLen(0));
                }
                Open::File { file: Rc::clone(file), offset: Rc::default(), append: flags.contains("O_APPEND") }
            }
            None => Open::Dir(path),
        };
        self.open.insert(fd, open);
    }

    fn renamed(&mut self, from: PathBuf, to: PathBuf) {
        if let Some(file) = self.names.remove(&from) {
            self.names.insert(to, file);
        }
    }

    /// Writes the safe bytes of the safe names into `to`; with a `seed`, together with a part of what is not safe yet, as
    /// arbitrary as the device may leave it.
    pub(super) fn write_image(&self, to: &Path, seed: Option<(u64, Device)>) {
        let mut dice = seed.map(|(seed, device)| (device, Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)));
        let now = dice.as_mut().map_or(0, |(_, dice)| self.synced + dice.roll() % (self.clock + 1 - self.synced));
        for (path, file) in &self.safe_names {
            let target = to.join(path.strip_prefix(&self.root).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            let file = file.borrow();
            let bytes = dice.as_mut().map_or_else(|| file.safe.clone(), |(device, dice)| file.torn(*device, now, dice));
            std::fs::write(target, bytes).unwrap();
        }
    }
}

/// What a device writes without tearing.
const SECTOR: usize = 512;

impl File {
    fn torn(&self, device: Device, now: u64, dice: &mut Dice) -> Vec<u8> {
        let mut state = self.safe.clone();
        let longest = self.pending.iter().fold(self.safe.len().max(self.len), |longest, (_, change)| match change {
            Change::Write(at, data) => longest.max(at + data.len()),
            Change::SetLen(len) => longest.max(*len),
        });
        let moments = self.pending.len() + 1;
        let mut cut = || usize::try_from(dice.roll() % u64::try_from(moments).unwrap()).unwrap();
        let length_cut = match device {
            Device::AnySector => cut(),
            Device::InOrder => self.pending.iter().take_while(|(clock, _)| *clock <= now).count(),
        };
        let mut length = 0;
        let cut_of = |_| if device == Device::InOrder { length_cut } else { cut() };
        let cuts: Vec<usize> = (0..longest.div_ceil(SECTOR)).map(cut_of).collect();
        let mut torn = vec![0; longest];
        for moment in 0..moments {
            for (sector, _) in cuts.iter().enumerate().filter(|(_, cut)| **cut == moment) {
                let end = ((sector + 1) * SECTOR).min(state.len());
                if let Some(bytes) = state.get(sector * SECTOR..end) {
                    torn[sector * SECTOR..end].copy_from_slice(bytes);
                }
            }
            if length_cut == moment {
                length = state.len();
            }
            if let Some((_, change)) = self.pending.get(moment) {
                apply(&mut state, change);
            }
        }
        torn.truncate(length);
        torn
    }
}

/// A small deterministic generator (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }
}

fn is_sync(call: &str) -> bool {
    call.starts_with("fsync(") || call.starts_with("fdatasync(")
}

/// The number at the beginning of `text`.
fn number(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let end = text.char_indices().find(|(at, char)| !(char.is_ascii_digit() || (*at == 0 && *char == '-')));
    text[..end.map_or(text.len(), |(at, _)| at)].parse().ok()
}

/// The bytes of a string printed by `strace -xx`.
fn quoted(argument: &str) -> Vec<u8> {
    let hex = argument.trim().trim_start_matches('"').trim_end_matches('"');
    hex.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn path(argument: &str) -> PathBuf {
    PathBuf::from(String::from_utf8(quoted(argument)).unwrap())
}
