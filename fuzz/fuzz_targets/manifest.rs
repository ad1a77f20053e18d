//! Any bytes as a manifest, and any change of one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::manifest(bytes));
