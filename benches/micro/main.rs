//! Micro-benchmarks: how long one step of an ingest takes, apart from the others.
//!
//! `cargo bench --bench micro [-- FILTER]`: the log is made up, the same each time. What the whole
//! program takes beside others is measured by `benches/compare`; `docs/benchmarks.md` has both.

mod log;
mod parse;
mod sessions;
mod store;

fn main() {
    divan::main();
}
