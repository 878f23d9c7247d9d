#![no_main]
//! The Depository's packed bytes, logs, a watcher's cursor.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::chain::chain_decode(bytes));
