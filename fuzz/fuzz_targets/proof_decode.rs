#![no_main]
//! Bodies, fills and settlements.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::memory::bounded(bytes, xln_fuzz::decoders::proof_decode));
