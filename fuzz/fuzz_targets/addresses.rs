//! See ../src/addresses.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| halloo_fuzz::addresses::run(input));
