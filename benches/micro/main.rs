//! Micro-benchmarks: how long one step of an ingest takes, apart from the others.
//!
//! `cargo bench --bench micro [-- FILTER]`: the log is made up, the same each time. What the whole
//! program takes beside others is measured by `benches/compare`; `docs/benchmarks.md` has both.

mod log;
mod parse;
mod sessions;
mod store;

/// The program's allocator: the system's would make other steps the slow ones.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}
