//! See `xln_fuzz::body_parse`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::body_parse(bytes));
