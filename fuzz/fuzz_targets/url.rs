//! Tests arbitrary bytes as page URL and referrer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::url(bytes));
