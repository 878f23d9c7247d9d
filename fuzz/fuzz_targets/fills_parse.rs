//! See `xln_fuzz::fills_parse`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::fills_parse(bytes));
