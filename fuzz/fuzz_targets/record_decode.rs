#![no_main]
//! Records of a node's log.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::decoders::record_decode(bytes));
