//! Writes `sample-data/`: small logs of four fictional sites, and logs with one defect each.
//!
//! `cargo run --release --example sample_data [DIR]`. The output is the same on every machine: it
//! depends on integer arithmetic only.

// rustfmt would expand the tables in `world` to hundreds of lines.
#[rustfmt::skip]
mod world;
pub mod bad;
mod calendar;
mod compressed;
mod json;
mod log;
mod pages;
mod rng;
pub mod sites;
mod traffic;
pub mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Returns all files by path in `sample-data/`.
pub fn files() -> BTreeMap<String, Vec<u8>> {
    let logs = sites::logs();
    let bad = bad::bad();
    let mut files: BTreeMap<String, Vec<u8>> =
        logs.iter().map(|log| (log.name.to_owned(), log.bytes())).collect();
    files.insert("README.md".to_owned(), pages::logs_page(&logs).into_bytes());
    files.insert("bad/README.md".to_owned(), pages::bad_page(&bad).into_bytes());
    files.extend(bad.into_iter().map(|bad| (format!("bad/{}", bad::file_name(&bad)), bad.bytes)));
    files
}

fn main() -> std::io::Result<()> {
    let dir = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sample-data"), PathBuf::from);
    std::fs::create_dir_all(dir.join("bad"))?;
    let mut total = 0;
    for (name, bytes) in files() {
        std::fs::write(dir.join(&name), &bytes)?;
        println!("{:>8}  {name}", bytes.len());
        total += bytes.len();
    }
    println!("{total:>8}  total");
    Ok(())
}
