//! A store that fails when it is told to, deterministically: the tool for crashing at every storage operation.

use std::sync::Mutex;

use crate::batch::{WriteBatch, WriteOp};
use crate::error::StorageError;
use crate::storage::{Row, Storage};

/// How a failing operation fails. Every kind kills the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A read fails.
    Read,
    /// A write fails and nothing of it is stored.
    WriteLost,
    /// A write fails and yet all of it is stored, as after a failed fsync whose pages reached the device anyway.
    WriteKept,
    /// A write fails with only its first `kept_ops` operations stored. No store that keeps the contract does this: it
    /// models a broken engine.
    WriteTorn {
        /// Number of operations that are stored.
        kept_ops: usize,
    },
}

#[derive(Debug, Default)]
struct Plan {
    /// Which fault strikes when its counter reaches the number.
    fault: Option<(u64, Fault)>,
    reads: u64,
    writes: u64,
    dead: bool,
}

/// Wraps a store, counts its operations, and fails at a chosen one. Get the wrapped store back with
/// [`into_inner`](Self::into_inner), as a restarted process would find it.
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    plan: Mutex<Plan>,
}

impl<S> FaultStore<S> {
    /// Counts only, until [`fail_at`](Self::fail_at).
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// Wraps `inner` and fails at the `nth` read ([`Fault::Read`]) or write (the others), counted from 1.
    pub fn failing(inner: S, nth: u64, fault: Fault) -> Self {
        let plan = Plan { fault: Some((nth, fault)), ..Plan::default() };
        Self { inner, plan: Mutex::new(plan) }
    }

    /// Fails at the `nth` read or write from now on, counted from 1; replaces an earlier plan.
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        let mut plan = self.lock();
        let past = if fault == Fault::Read { plan.reads } else { plan.writes };
        plan.fault = Some((past.saturating_add(nth), fault));
    }

    /// Number of reads (`get` and `scan`) so far, the failed one included.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Number of writes (`write`, `put` and `delete`) so far, the failed one included.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Whether the fault has struck.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// The wrapped store.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
        // The plan is plain numbers: valid after any panic.
        self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts one operation and says whether a fault strikes it.
    fn count(&self, write: bool) -> Result<Option<Fault>, StorageError> {
        let mut plan = self.lock();
        if plan.dead {
            return Err(StorageError::Dead);
        }
        let counter = if write { &mut plan.writes } else { &mut plan.reads };
        *counter = counter.saturating_add(1);
        let now = *counter;
        let struck = plan.fault.filter(|(nth, fault)| *nth == now && (*fault == Fault::Read) != write);
        plan.dead = struck.is_some();
        Ok(struck.map(|(_, fault)| fault))
    }
}

impl<S: Storage> Storage for FaultStore<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.count(false)? {
            None => self.inner.get(key),
            Some(_) => Err(StorageError::Injected),
        }
    }

    fn scan(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, StorageError> {
        match self.count(false)? {
            None => self.inner.scan(prefix, from, limit),
            Some(_) => Err(StorageError::Injected),
        }
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        batch.check()?;
        let kept_ops = match self.count(true)? {
            None => return self.inner.write(batch),
            Some(Fault::WriteKept) => batch.len(),
            Some(Fault::WriteTorn { kept_ops }) => kept_ops,
            Some(Fault::WriteLost | Fault::Read) => 0,
        };
        let kept: Vec<WriteOp> = batch.into_ops().into_iter().take(kept_ops).collect();
        self.inner.write(kept.into_iter().collect())?;
        Err(StorageError::Injected)
    }
}
