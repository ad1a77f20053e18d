//! Any bytes as a file, plain, gzip or zstd.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::packed(bytes));
