//! A state machine that remembers everything, and a reference model of the state-time machine: a list.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use proptest::prelude::*;
use xln_storage::{Hstm, HstmError, HstmOptions, Stamped, StateMachine, Storage};

/// The state is the list of all entries; entry 255 is refused after it has spoiled the state.
pub struct Recorder;

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("refused")]
pub struct Refused;

impl StateMachine for Recorder {
    type State = Vec<u8>;
    type Entry = u8;
    type Error = Refused;

    fn genesis(&self) -> Vec<u8> {
        vec![]
    }
    fn apply(&self, state: &mut Vec<u8>, entry: &u8) -> Result<(), Refused> {
        state.push(*entry);
        if *entry == 255 { Err(Refused) } else { Ok(()) }
    }
    fn encode_state(&self, state: &Vec<u8>) -> Vec<u8> {
        [b"state", state.as_slice()].concat()
    }
    fn decode_state(&self, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
        Ok(bytes.strip_prefix(b"state").ok_or(Refused)?.to_vec())
    }
    fn encode_entry(&self, entry: &u8) -> Vec<u8> {
        vec![*entry]
    }
    fn decode_entry(&self, bytes: &[u8]) -> Result<u8, Refused> {
        if let [entry] = bytes { Ok(*entry) } else { Err(Refused) }
    }
}

pub type Machine<S> = Hstm<Recorder, S>;
pub type Error = HstmError<Refused>;

pub const PREFIX: &[u8] = b"channel/1/";

pub fn open<S: Storage>(storage: S, options: HstmOptions) -> Result<Machine<S>, Error> {
    Hstm::open(Recorder, storage, PREFIX, options)
}

#[derive(Clone, Debug)]
pub enum Op {
    /// Steps of height (from 1) and time, and the byte.
    Append(Vec<(u64, u64, u8)>),
    Snapshot,
    /// A height, as a fraction of the tip in 1/16.
    Rollback(u64),
    Prune(u64),
    Reopen,
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let step = (prop_oneof![9 => Just(1u64), 1 => 2..5u64], 0..3u64, any::<u8>());
    let op = prop_oneof![
        8 => prop::collection::vec(step, 1..6).prop_map(Op::Append),
        1 => Just(Op::Snapshot),
        2 => (8..=17u64).prop_map(Op::Rollback),
        1 => (0..=17u64).prop_map(Op::Prune),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..40)
}

pub fn options() -> impl Strategy<Value = HstmOptions> {
    (0..6u64, 0..4usize)
        .prop_map(|(every, cached_states)| HstmOptions { snapshot_every: NonZeroU64::new(every), cached_states })
}

/// What the machine should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub entries: Vec<Stamped<u8>>,
    pub base: u64,
    pub snaps: BTreeSet<u64>,
    every: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    Done,
    Refused,
    AboveTip,
    Pruned,
    NothingToPrune,
}

impl Model {
    pub fn new(options: HstmOptions) -> Self {
        Self { every: options.snapshot_every.map_or(u64::MAX, NonZeroU64::get), ..Self::default() }
    }

    pub fn tip(&self) -> (u64, u64) {
        self.entries.last().map_or((0, 0), |last| (last.height, last.time_s))
    }

    pub fn state(&self) -> Vec<u8> {
        self.state_where(|_| true)
    }

    pub fn state_where(&self, keep: impl Fn(&Stamped<u8>) -> bool) -> Vec<u8> {
        self.entries.iter().filter(|entry| keep(entry)).map(|entry| entry.entry).collect()
    }

    pub fn base_time(&self) -> u64 {
        self.entries.iter().rfind(|entry| entry.height <= self.base).map_or(0, |entry| entry.time_s)
    }

    pub fn stamp(&self, steps: &[(u64, u64, u8)]) -> Vec<Stamped<u8>> {
        let (mut height, mut time_s) = self.tip();
        let mut stamp = |&(up, later, entry)| {
            (height, time_s) = (height + up, time_s + later);
            Stamped { height, time_s, entry }
        };
        steps.iter().map(&mut stamp).collect()
    }

    fn height(&self, sixteenths: u64) -> u64 {
        (self.tip().0 * sixteenths).div_ceil(16)
    }

    /// Does `op` to the model and says how it should end.
    pub fn apply(&mut self, op: &Op) -> Outcome {
        let tip = self.tip().0;
        match op {
            Op::Append(steps) if steps.iter().any(|step| step.2 == 255) => return Outcome::Refused,
            Op::Append(steps) => {
                self.entries.extend(self.stamp(steps));
                let last_snap = self.snaps.last().copied().unwrap_or(0);
                let unsnapped = self.entries.iter().filter(|entry| entry.height > last_snap).count();
                if u64::try_from(unsnapped).unwrap() >= self.every {
                    self.snaps.insert(self.tip().0);
                }
            }
            Op::Snapshot => {
                self.snaps.insert(tip);
            }
            Op::Rollback(to) => {
                let to = self.height(*to);
                match () {
                    () if to > tip => return Outcome::AboveTip,
                    () if to < self.base => return Outcome::Pruned,
                    () => {}
                }
                self.entries.retain(|entry| entry.height <= to);
                self.snaps.retain(|snap| *snap <= to);
            }
            Op::Prune(keep) => {
                let keep = self.height(*keep);
                if keep > tip {
                    return Outcome::AboveTip;
                }
                let Some(base) = self.snaps.range(self.base + 1..).rfind(|snap| **snap <= keep).copied() else {
                    return Outcome::NothingToPrune;
                };
                self.base = base;
                self.snaps.retain(|snap| *snap >= base);
            }
            Op::Reopen => {}
        }
        Outcome::Done
    }
}

/// Does `op` to the machine; heights are worked out on the model of the moment before. `Op::Reopen` is the caller's.
pub fn perform<S: Storage>(machine: &mut Machine<S>, model: &Model, op: &Op) -> Result<(), Error> {
    match op {
        Op::Append(steps) => machine.append_many(&model.stamp(steps)),
        Op::Snapshot => machine.snapshot().map(drop),
        Op::Rollback(to) => machine.rollback(model.height(*to)),
        Op::Prune(keep) => machine.prune(model.height(*keep)).map(drop),
        Op::Reopen => Ok(()),
    }
}

pub fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(HstmError::Machine(Refused)) => Outcome::Refused,
        Err(HstmError::AboveTip { .. }) => Outcome::AboveTip,
        Err(HstmError::Pruned { .. }) => Outcome::Pruned,
        Err(HstmError::NothingToPrune { .. }) => Outcome::NothingToPrune,
        Err(other) => panic!("{other:?}"),
    }
}

/// The machine is what the model says, by everything that can be asked.
pub fn check<S: Storage>(machine: &mut Machine<S>, model: &Model) {
    assert_eq!(machine.state(), &model.state());
    assert_eq!((machine.tip().height, machine.tip().time_s), model.tip());
    assert_eq!(machine.base().height, model.base);
    assert_eq!(machine.snap_heights().collect::<BTreeSet<_>>(), model.snaps);
    let (height, time_s) = model.tip();
    for asked in 0..height + 2 {
        let expected = model.state_where(|entry| entry.height <= asked);
        match machine.state_at(asked) {
            Ok(state) => assert!(*state == expected && asked >= model.base && asked <= height),
            Err(HstmError::AboveTip { .. }) => assert!(asked > height),
            Err(HstmError::Pruned { base }) => assert!(base == model.base && asked < base),
            Err(other) => panic!("{other:?}"),
        }
    }
    for asked in 0..time_s + 2 {
        match machine.state_at_time(asked) {
            Ok(state) => assert_eq!(*state, model.state_where(|entry| entry.time_s <= asked)),
            Err(HstmError::Pruned { .. }) => assert!(asked < model.base_time()),
            Err(other) => panic!("{other:?}"),
        }
    }
    let kept: Vec<_> = model.entries.iter().filter(|entry| entry.height > model.base).cloned().collect();
    assert_eq!(machine.entries(0, usize::MAX).unwrap(), kept);
}
