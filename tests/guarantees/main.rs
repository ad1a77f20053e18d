//! Tests of the guarantees: order, ingest summary, atomicity, agreement, isolation, bounded memory,
//! robustness, erasure and parity. Further modules test logs in other formats, merges of stores,
//! retried lines, and a year of nightly runs.
//!
//! Expected tables and reports come from independent models ([`support::reference_model`] and
//! [`support::reference_reports`]), never from the code under test. `WA_TEST_CASES` multiplies the
//! number of random cases (default 1).

#[path = "../harness/mod.rs"]
mod harness;
mod support;

mod agreement;
mod arbitrary_bytes;
mod atomicity;
mod bit_flips;
mod bounded_memory;
mod damaged_files;
mod erasure;
mod event_lists;
mod formats;
mod ingest_summary;
mod isolation;
mod mapped_privacy;
mod merge;
mod order;
mod parity;
mod parity_reports;
mod process_kill;
mod retry;
mod robustness;
mod selections;
mod sequences;
mod wrappings;
mod year;
