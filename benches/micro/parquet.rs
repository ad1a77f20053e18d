//! Reading a few columns of sessions with the decoder of `wa` and with the reader of Polars.

use std::fs::File;

use divan::Bencher;
use polars::prelude::{ParquetReader, SerReader};
use tempfile::TempDir;
use wa::store::columns::Table;
use wa::store::{Snapshot, Store};

use crate::store::ingested;

/// Columns that `report summary` reads, among others.
const COLUMNS: [&str; 6] =
    ["chatbot_id", "anonymous_id", "started_at", "landing_page", "messages_sent", "is_bot"];

/// Returns a folder with a store, and the snapshot of the store.
fn sessions() -> (TempDir, Snapshot) {
    let folder = ingested();
    let snapshot = Store::new(folder.path().join("store")).snapshot().expect("a snapshot");
    (folder, snapshot)
}

/// Reads with the decoder of `wa`.
#[divan::bench]
fn read_own(bencher: Bencher<'_, '_>) {
    let (_folder, snapshot) = sessions();
    bencher.bench(|| snapshot.read(Table::Sessions, None, &COLUMNS).expect("frames"));
}

/// Reads with the Parquet reader of Polars.
#[divan::bench]
fn read_polars(bencher: Bencher<'_, '_>) {
    let (folder, snapshot) = sessions();
    let store = folder.path().join("store");
    bencher.bench(|| {
        let files = snapshot.manifest().files(Table::Sessions).iter();
        let read = |path: &str| {
            let file = File::open(store.join(path)).expect("a file");
            let columns = COLUMNS.map(str::to_owned).to_vec();
            ParquetReader::new(file).with_columns(Some(columns)).finish().expect("a frame")
        };
        files.map(|file| read(&file.path).height()).sum::<usize>()
    });
}
