//! See `xln_fuzz::snapshot_restore`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::snapshot_restore(bytes));
