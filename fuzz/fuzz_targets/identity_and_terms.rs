#![no_main]
//! Boards, delegations, signatures of organisations, quorums, onions, failures, terms of instruments.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::memory::bounded(bytes, xln_fuzz::decoders::identity_and_terms));
