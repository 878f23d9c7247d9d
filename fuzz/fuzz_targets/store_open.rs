#![no_main]
//! What a node finds in its store or in a backup.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::store::store_open(bytes));
