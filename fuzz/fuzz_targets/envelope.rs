//! Tests arbitrary bytes as the fields and events of an envelope.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wa_fuzz::properties::envelope(bytes));
