//! The sender on a pool that forgets, refuses, censors and loses blocks, killed at every point: each action happens once, its
//! fees only rise and stay within the limit, and once a block takes what pays, all of them come to an end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod pool;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use common::key;
use pool::{Pool, Tx};
use proptest::prelude::*;
use xln_chain::embedded::ready;
use xln_chain::sender::{Outbox, Sender, SenderConfig, SenderError, Settled};
use xln_chain::{Transaction, U256};
use xln_core::types::Address;

const CONFIG: SenderConfig = SenderConfig { confirmations: 4, stall_blocks: 2, bump_percent: 15, max_fee: 40_000 };
/// Deeper than any reorganisation of the tests.
const DEEP: usize = 4;

/// An outbox that dies at the nth operation, before or after it has written.
#[derive(Clone, Debug, Default)]
struct Mortal {
    kept: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    dies: Arc<Mutex<Option<(u64, bool)>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("killed")]
struct Killed;

impl Mortal {
    /// Whether the write happens, and whether the process is dead after it.
    fn fate(&self) -> (bool, bool) {
        let mut dies = self.dies.lock().unwrap();
        match &mut *dies {
            Some((0, writes)) => {
                let writes = *writes;
                *dies = None;
                (writes, true)
            }
            Some((left, _)) => {
                *left -= 1;
                (true, false)
            }
            None => (true, false),
        }
    }

    fn write(&self, change: impl FnOnce(&mut BTreeMap<u64, Vec<u8>>)) -> Result<(), Killed> {
        let (writes, dead) = self.fate();
        if writes {
            change(&mut self.kept.lock().unwrap());
        }
        if dead { Err(Killed) } else { Ok(()) }
    }
}

impl Outbox for Mortal {
    type Error = Killed;

    fn load(&self) -> Result<Vec<(u64, Vec<u8>)>, Killed> {
        Ok(self.kept.lock().unwrap().iter().map(|(id, bytes)| (*id, bytes.clone())).collect())
    }

    fn put(&mut self, id: u64, bytes: &[u8]) -> Result<(), Killed> {
        self.write(|kept| drop(kept.insert(id, bytes.to_vec())))
    }

    fn delete(&mut self, id: u64) -> Result<(), Killed> {
        self.write(|kept| drop(kept.remove(&id)))
    }
}

#[derive(Clone, Debug)]
enum Op {
    Submit,
    Drive,
    Mine(u8),
    /// Blocks without a look at them.
    Reorg(u8, bool),
    BaseFee(u16),
    Censor(bool),
    Forget,
    Steal,
    /// The process is killed at this operation of its outbox, before or after the write, if it comes so far.
    Kill(u8, bool),
    /// It is killed between two operations.
    Restart,
    /// The node fails at this request, so many times.
    Fail(u8, u8),
    Hide(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::Submit),
        8 => Just(Op::Drive),
        6 => (1..4_u8).prop_map(Op::Mine),
        2 => (1..5_u8, any::<bool>()).prop_map(|(d, r)| Op::Reorg(d, r)),
        2 => (1..30_000_u16).prop_map(Op::BaseFee),
        1 => any::<bool>().prop_map(Op::Censor),
        1 => Just(Op::Forget),
        1 => Just(Op::Steal),
        2 => (0..3_u8, any::<bool>()).prop_map(|(n, w)| Op::Kill(n, w)),
        1 => Just(Op::Restart),
        2 => (0..9_u8, 1..4_u8).prop_map(|(n, k)| Op::Fail(n, k)),
        1 => any::<bool>().prop_map(Op::Hide),
    ]
}

struct Model {
    pool: Pool,
    outbox: Mortal,
    sender: Sender<Mortal, Pool>,
    /// What was asked for, and not yet taken: it is asked for again.
    wanted: BTreeSet<u64>,
    next: u64,
    /// Ended, as the caller knows it.
    ended: BTreeSet<u64>,
}

fn open(pool: &Pool, outbox: &Mortal) -> Sender<Mortal, Pool> {
    Sender::new(pool.clone(), key(1), CONFIG, outbox.clone()).unwrap()
}

impl Model {
    fn new() -> Self {
        let (pool, outbox) = (Pool::new(), Mortal::default());
        let sender = open(&pool, &outbox);
        Self { sender, pool, outbox, wanted: BTreeSet::new(), next: 1, ended: BTreeSet::new() }
    }

    fn restart(&mut self) {
        *self.outbox.dies.lock().unwrap() = None;
        self.sender = open(&self.pool, &self.outbox);
    }

    /// A process whose outbox died is gone.
    fn survives<T>(&mut self, done: Result<T, SenderError>) -> Option<T> {
        match done {
            Ok(done) => Some(done),
            Err(SenderError::Outbox(_)) => {
                self.restart();
                None
            }
            Err(_) => None,
        }
    }

    /// Asks for what is wanted and not taken, as a caller with an outbox of its own does.
    fn ask(&mut self) {
        for id in self.wanted.clone() {
            let tx = Transaction { to: Some(Address([9; 20])), value: U256::from(id), ..Transaction::default() };
            let done = ready(self.sender.submit(id, &tx)).unwrap();
            self.survives(done);
        }
    }

    fn drive(&mut self) {
        self.ask();
        let settled: Vec<Settled> = {
            let done = ready(self.sender.drive()).unwrap();
            self.survives(done).unwrap_or_default()
        };
        for Settled { id, receipt } in settled {
            let state = self.pool.0.lock().unwrap();
            let place = usize::try_from(receipt.number).unwrap();
            assert!(state.blocks[place].1.iter().any(|tx| tx.payload == id), "it stands in that block");
            assert!(place + DEEP <= state.head(), "and is final");
            drop(state);
            // First the caller's own note, then the outbox.
            self.ended.insert(id);
            self.wanted.remove(&id);
            let done = self.sender.forget(id);
            self.survives(done);
        }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Submit => {
                self.wanted.insert(self.next);
                self.next += 1;
                self.ask();
            }
            Op::Drive => self.drive(),
            Op::Mine(blocks) => (0..blocks).for_each(|_| self.state(|state| state.mine())),
            Op::Reorg(depth, returns) => {
                self.state(|state| state.reorg(usize::from(depth).min(DEEP), returns));
                (0..=depth).for_each(|_| self.state(|state| state.mine()));
            }
            Op::BaseFee(fee) => self.state(|state| state.base_fee = u128::from(fee)),
            Op::Censor(yes) => self.state(|state| state.censored = yes),
            Op::Forget => self.state(|state| state.pool.clear()),
            Op::Steal => self.state(|state| state.steal()),
            Op::Kill(at, writes) => *self.outbox.dies.lock().unwrap() = Some((u64::from(at), writes)),
            Op::Restart => self.restart(),
            Op::Fail(at, times) => self.state(|state| state.fuse = Some((u64::from(at), u64::from(times)))),
            Op::Hide(yes) => self.state(|state| state.hides_receipts = yes),
        }
        self.once();
    }

    fn state(&self, change: impl FnOnce(&mut pool::State)) {
        change(&mut self.pool.0.lock().unwrap());
    }

    /// Nothing stands on the chain twice, and what is offered for one action only rises, within the limit.
    fn once(&self) {
        let state = self.pool.0.lock().unwrap();
        let mut done = BTreeSet::new();
        for tx in state.done().filter(|tx| tx.payload != 0) {
            assert!(done.insert(tx.payload), "action {} stands twice", tx.payload);
        }
        let mut paid: BTreeMap<u64, &Tx> = BTreeMap::new();
        for tx in state.seen.iter().filter(|tx| tx.payload != 0) {
            assert!(tx.max <= CONFIG.max_fee && tx.priority <= tx.max);
            if let Some(before) = paid.insert(tx.payload, tx) {
                assert!(tx.max >= before.max && tx.priority >= before.priority, "{tx:?} after {before:?}");
            }
        }
    }

    /// From here on nothing goes wrong any more.
    fn finish(&mut self) {
        self.state(|state| {
            (state.fuse, state.censored, state.hides_receipts) = (None, false, false);
            state.base_fee = state.base_fee.min(CONFIG.max_fee);
        });
        *self.outbox.dies.lock().unwrap() = None;
        for _ in 0..600 {
            self.drive();
            self.once();
            if self.ended.len() as u64 + 1 == self.next && self.sender.actions().next().is_none() {
                return;
            }
            self.state(|state| state.mine());
        }
        panic!("not all came to an end: {:?} of {}, {:?}", self.ended, self.next - 1, self.sender);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_action_happens_once_and_ends(ops in prop::collection::vec(op(), 1..80)) {
        let mut model = Model::new();
        ops.into_iter().for_each(|op| model.run(op));
        model.finish();
    }
}

/// The worst case that the documentation states: the chain takes only what pays the limit, and the node's estimate never says so.
#[test]
fn the_stated_number_of_blocks_is_kept() {
    let mut model = Model::new();
    model.run(Op::Submit);
    let first = model.pool.0.lock().unwrap().seen[0].max;
    // Whatever the estimate, nothing below the limit gets in.
    model.state(|state| state.censored = true);
    let mut blocks = 0;
    while model.pool.0.lock().unwrap().seen.last().unwrap().max < CONFIG.max_fee {
        model.state(|state| state.mine());
        model.drive();
        blocks += 1;
        assert!(blocks < 1_000);
    }
    // n steps of 15 percent from the first fee to the limit, one more to be at it, each after a stall.
    let mut fee = first;
    let mut steps = 1;
    while fee * 115 / 100 < CONFIG.max_fee {
        fee = fee * 115 / 100;
        steps += 1;
    }
    assert!(blocks <= steps * CONFIG.stall_blocks, "{blocks} blocks, {steps} steps");
    model.state(|state| state.censored = false);
    model.state(|state| state.mine());
    assert_eq!(model.pool.0.lock().unwrap().done().filter(|tx| tx.payload == 1).count(), 1);
}

/// A spike beyond the limit: the limit is offered in full, and gets in as soon as the chain takes it.
#[test]
fn a_spike_beyond_the_limit_does_not_stop_what_the_limit_allows() {
    let mut model = Model::new();
    model.run(Op::Submit);
    // The estimate is twice the base fee, beyond the limit; the base fee is not.
    model.state(|state| state.base_fee = CONFIG.max_fee - 1);
    for _ in 0..=CONFIG.stall_blocks {
        model.state(|state| state.mine());
        model.drive();
    }
    model.state(|state| state.mine());
    assert_eq!(model.pool.0.lock().unwrap().done().filter(|tx| tx.payload == 1).count(), 1);
}

/// A node that has lost its receipts proves nothing: what is done is not done again.
#[test]
fn a_missing_receipt_is_no_reason_to_do_it_again() {
    let mut model = Model::new();
    model.run(Op::Submit);
    model.run(Op::Mine(1));
    model.run(Op::Hide(true));
    for _ in 0..40 {
        model.run(Op::Drive);
        model.run(Op::Mine(1));
    }
    model.finish();
    assert_eq!(model.pool.0.lock().unwrap().done().count(), 1);
}

/// Whatever fee the first one is, the last one is the limit: nothing between can be replaced by it any more.
#[test]
fn the_limit_is_offered_in_full() {
    for base_fee in [1, 17_000, 18_181, 18_182, 18_183, 19_999, 20_000] {
        let mut model = Model::new();
        model.state(|state| (state.base_fee, state.censored) = (base_fee, true));
        model.run(Op::Submit);
        for _ in 0..200 {
            model.state(pool::State::mine);
            model.drive();
        }
        assert_eq!(model.pool.0.lock().unwrap().seen.last().unwrap().max, CONFIG.max_fee, "from {base_fee}");
    }
}

/// What fills a gap is forgotten by the node when nothing more can be offered for it: it is handed over again.
#[test]
fn a_forgotten_filler_is_handed_over_again() {
    let mut model = Model::new();
    model.state(|state| state.base_fee = CONFIG.max_fee / 2);
    [Op::Steal, Op::Mine(1), Op::Submit, Op::Censor(true), Op::Reorg(1, false)]
        .into_iter()
        .for_each(|op| model.run(op));
    for _ in 0..=CONFIG.stall_blocks {
        model.state(pool::State::mine);
        model.drive();
    }
    assert!(model.pool.0.lock().unwrap().pool.contains_key(&0), "the gap is being filled");
    model.run(Op::Forget);
    model.finish();
}

/// A filler of a process that is gone pays too little by now: whoever comes after it outbids it.
#[test]
fn a_stranded_filler_is_outbid() {
    let mut model = Model::new();
    [Op::Steal, Op::Mine(1), Op::Submit, Op::Censor(true), Op::Reorg(1, false)]
        .into_iter()
        .for_each(|op| model.run(op));
    for _ in 0..=CONFIG.stall_blocks {
        model.state(pool::State::mine);
        model.drive();
    }
    let stranded = model.pool.0.lock().unwrap().pool[&0].max;
    model.run(Op::Restart);
    model.state(|state| state.base_fee = stranded + 1);
    model.finish();
}

/// A block that is dropped for good with somebody else's transaction leaves a nonce that nobody uses: it is filled.
#[test]
fn a_gap_before_the_actions_is_filled() {
    let mut model = Model::new();
    model.run(Op::Steal);
    model.run(Op::Mine(1));
    model.run(Op::Submit);
    model.run(Op::Reorg(1, false));
    assert_eq!(model.pool.0.lock().unwrap().nonce_at(1), 0);
    model.finish();
    let done: Vec<u64> = model.pool.0.lock().unwrap().done().map(|tx| tx.payload).collect();
    assert_eq!(done, [0, 1]);
}
