//! Tests arbitrary bytes as a manifest, and single-byte changes of a valid manifest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::manifest(bytes));
