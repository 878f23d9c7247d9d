//! The contracts' bytecode against the reference model in `xln-core`: random states go through both, and leaves, roots,
//! paths, digests, proof bodies, verdicts on signatures, clauses, splits and debts must come out the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]
#![allow(unreachable_pub, dead_code, reason = "modules of one test, and of a fuzz target")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
mod instruments;
mod ledger;
#[path = "../../../examples/own_instrument/price_option.rs"]
mod price_option;
mod random;
mod round;
mod verdicts;

use random::Random;
use round::Stage;

/// States of one run; `XLN_DIFFERENTIAL_STATES` asks for more.
const STATES: u64 = 10_000;

fn states() -> u64 {
    std::env::var("XLN_DIFFERENTIAL_STATES").ok().and_then(|n| n.parse().ok()).unwrap_or(STATES)
}

/// Every state is signed, started, perhaps answered, finalized and compared; and shown once more with something wrong.
#[test]
fn bytecode_and_model_agree() {
    let mut stage = Stage::new();
    let (mut done, mut state) = (round::Tally::default(), 0);
    while state < states() {
        let mut random = Random::new(state);
        // Sometimes several epochs in a row, so that debts meet debts.
        let epochs = if random.chance(25) { 3 } else { 1 };
        for _ in 0..epochs {
            stage.round(&mut random, &mut done, state);
            state += 1;
        }
        stage.rewind();
    }
    println!("{done:?}");
    done.expect_variety(state);
}

/// The quick form of the fuzz target `resolve_differential`: every choice is a byte of an input.
#[test]
fn bytecode_and_model_agree_whatever_bytes_choose() {
    let stage = std::cell::RefCell::new(Stage::new());
    corpus::replay("resolve_differential", 300, |bytes| stage.borrow_mut().run(bytes));
}
