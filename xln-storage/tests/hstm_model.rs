//! The state-time machine against a list, with random operations, and with a crash at every storage operation.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use common::*;
use proptest::prelude::*;
use xln_storage::{Fault, FaultStore, HstmError, HstmOptions, MemoryStore, StorageError};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_a_list(ops in ops(), options in options()) {
        let store = MemoryStore::new();
        let mut machine = open(&store, options).unwrap();
        let mut model = Model::new(options);
        for op in &ops {
            let result = perform(&mut machine, &model, op);
            prop_assert_eq!(outcome(result), model.apply(op));
            if matches!(op, Op::Reopen) {
                machine = open(&store, options).unwrap();
            }
            check(&mut machine, &model);
        }
        machine.verify().unwrap();
    }
}

/// Runs `ops` until the store fails; returns the model before and after the failed operation.
fn run_until_failure(store: &FaultStore<Arc<MemoryStore>>, ops: &[Op], options: HstmOptions) -> Option<(Model, Model)> {
    let mut model = Model::new(options);
    let mut machine = match open(store, options) {
        Ok(machine) => machine,
        Err(HstmError::Storage(StorageError::Injected)) => return Some((model.clone(), model)),
        Err(other) => panic!("{other:?}"),
    };
    for op in ops {
        let before = model.clone();
        let result = match op {
            Op::Reopen => open(store, options).map(|reopened| machine = reopened),
            _ => perform(&mut machine, &model, op),
        };
        let expected = model.apply(op);
        match result {
            Err(HstmError::Storage(StorageError::Injected)) => {
                // Nobody goes on as if nothing had happened, and what is in memory is still what was acknowledged.
                if !matches!(op, Op::Reopen) {
                    assert_eq!(machine.state(), &before.state());
                }
                let again = machine.append_many(&before.stamp(&[(1, 0, 1)]));
                assert!(matches!(again, Err(HstmError::InDoubt | HstmError::Storage(StorageError::Dead))), "{again:?}");
                return Some((before, model));
            }
            result => assert_eq!(outcome(result), expected),
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn crash_at_every_write(ops in ops(), options in options()) {
        for fault in [Fault::WriteLost, Fault::WriteKept] {
            let mut struck = 0;
            for nth in 1.. {
                let data = Arc::new(MemoryStore::new());
                let Some((before, after)) = run_until_failure(&FaultStore::failing(data.clone(), nth, fault), &ops, options) else {
                    break;
                };
                struck = nth;
                let mut machine = open(&*data, options).unwrap();
                machine.verify().unwrap();
                let expected = if fault == Fault::WriteKept { after } else { before };
                check(&mut machine, &expected);
            }
            let appends = ops.iter().any(|op| matches!(op, Op::Append(steps) if steps.iter().all(|step| step.2 != 255)));
            prop_assert!(struck > 0 || !appends);
        }
    }

    #[test]
    fn crash_at_every_read(ops in ops(), options in options()) {
        for nth in 1.. {
            let data = Arc::new(MemoryStore::new());
            let Some((before, _)) = run_until_failure(&FaultStore::failing(data.clone(), nth, Fault::Read), &ops, options) else {
                // The first open reads at least the head and looks for rows.
                prop_assert!(nth > 2);
                break;
            };
            let mut machine = open(&*data, options).unwrap();
            machine.verify().unwrap();
            check(&mut machine, &before);
        }
    }

    /// A store that breaks the contract and tears batches cannot make the machine show a state that never was.
    #[test]
    fn torn_batch_is_noticed_or_harmless(ops in ops(), options in options(), kept_ops in 1..6usize) {
        for nth in 1.. {
            let data = Arc::new(MemoryStore::new());
            let store = FaultStore::failing(data.clone(), nth, Fault::WriteTorn { kept_ops });
            let Some((before, after)) = run_until_failure(&store, &ops, options) else { break };
            match open(&*data, options).and_then(|machine| machine.verify().map(|()| machine)) {
                Ok(machine) => prop_assert!(*machine.state() == before.state() || *machine.state() == after.state()),
                Err(HstmError::Corrupt { .. }) => {}
                Err(other) => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
