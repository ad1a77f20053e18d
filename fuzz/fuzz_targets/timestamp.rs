//! Tests arbitrary bytes as a time.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::timestamp(bytes));
