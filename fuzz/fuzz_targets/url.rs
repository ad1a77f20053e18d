//! Any bytes as the addresses of a page and its referrer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::url(bytes));
