#![no_main]
//! A channel's epoch whose every choice is a byte, on the contracts' bytecode and in the model of xln-core: the generator and
//! the comparison are those of `xln-chain/tests/differential`.

#[path = "../../xln-chain/tests/common/mod.rs"]
mod common;
#[path = "../../xln-chain/tests/differential/instruments.rs"]
mod instruments;
#[path = "../../xln-chain/tests/differential/ledger.rs"]
mod ledger;
#[path = "../../examples/own_instrument/price_option.rs"]
mod price_option;
#[path = "../../xln-chain/tests/differential/random.rs"]
mod random;
#[path = "../../xln-chain/tests/differential/round.rs"]
mod round;
#[path = "../../xln-chain/tests/differential/verdicts.rs"]
mod verdicts;

use std::cell::RefCell;

use round::Stage;

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

// The contracts are deployed before the clock runs.
libfuzzer_sys::fuzz_target!(init: STAGE.with(|_| ()), |bytes: &[u8]| STAGE.with(|stage| stage.borrow_mut().run(bytes)));
