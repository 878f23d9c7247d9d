#![no_main]
//! Machines whose inputs the bytes choose.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::machine::machine_inputs(bytes));
