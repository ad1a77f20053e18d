//! Micro-benchmarks of single steps of an ingest.
//!
//! Run `cargo bench --bench micro [-- FILTER]`. The generated log is the same in every run.
//! `benches/compare` measures the whole program; `docs/benchmarks.md` describes both.

mod log;
mod parquet;
mod parse;
mod sessions;
mod store;

fn main() {
    divan::main();
}
