//! See `xln_fuzz::machine_inputs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::machine_inputs(bytes));
