//! Tests of the guarantees, one module per guarantee: order, ingest summary, atomicity, agreement,
//! isolation, bounded memory, robustness and erasure.
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
mod bounded_memory;
mod damaged_files;
mod erasure;
mod event_lists;
mod ingest_summary;
mod isolation;
mod order;
mod process_kill;
mod robustness;
mod year;
