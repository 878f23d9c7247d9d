//! See `xln_fuzz::message_decode`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::message_decode(bytes));
