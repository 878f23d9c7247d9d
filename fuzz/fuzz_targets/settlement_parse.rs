//! See `xln_fuzz::settlement_parse`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| xln_fuzz::settlement_parse(bytes));
