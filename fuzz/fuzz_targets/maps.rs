//! Tests arbitrary bytes as a log in another format, and as a map.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::maps(bytes));
