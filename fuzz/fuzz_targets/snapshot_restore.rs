#![no_main]
//! Snapshots of a node.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::decoders::snapshot_restore(bytes));
