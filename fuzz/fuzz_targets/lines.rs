//! Tests arbitrary bytes as lines of a log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::lines(bytes));
