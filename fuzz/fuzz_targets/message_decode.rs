#![no_main]
//! Messages of a peer.

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::memory::bounded(bytes, xln_fuzz::decoders::message_decode));
