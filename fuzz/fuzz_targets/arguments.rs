//! See ../src/arguments.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| halloo_fuzz::arguments::run(input));
