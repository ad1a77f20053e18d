//! Tests arbitrary bytes as a plain, gzip or zstd file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::packed(bytes));
