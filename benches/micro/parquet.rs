//! The encoder and the decoder of `wa`, compared with the writer and the reader of Polars.

use std::fs::File;
use std::io::Cursor;

use divan::Bencher;
use divan::counter::ItemsCount;
use polars::prelude::{ParquetCompression, ParquetReader, ParquetWriter, SerReader};
use polars_parquet::write::ZstdLevel;
use tempfile::TempDir;
use wa::event::{Block, Event};
use wa::store::columns::Table;
use wa::store::{Snapshot, Store, events_to_parquet};

use crate::log::{self, NOW};
use crate::store::ingested;

/// Visits of the written file; a visit has 7.5 events on average.
const VISITS: u64 = 15_000;

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

/// Returns the events of a block in the order of a file: by session key, then by time.
fn in_file_order(block: &Block) -> Vec<Event<'_>> {
    let mut events: Vec<Event<'_>> = block.rows.iter().map(|row| block.event(row)).collect();
    events.sort_by_key(|event| (event.row.key, event.position()));
    events
}

/// Writes events with the encoder of `wa`.
#[divan::bench]
fn write_own(bencher: Bencher<'_, '_>) {
    let block = log::parsed(VISITS);
    let events = in_file_order(&block);
    bencher.counter(ItemsCount::new(events.len())).bench(|| events_to_parquet(&events, NOW).expect("a file"));
}

/// Writes the same rows with the Parquet writer of Polars. The frame is built in advance, so that
/// the time to build it is not measured.
#[divan::bench]
fn write_polars(bencher: Bencher<'_, '_>) {
    let block = log::parsed(VISITS);
    let file = events_to_parquet(&in_file_order(&block), NOW).expect("a file");
    let mut frame = ParquetReader::new(Cursor::new(file)).finish().expect("a frame");
    bencher.counter(ItemsCount::new(frame.height())).bench_local(|| {
        let mut bytes = Vec::new();
        let level = ZstdLevel::try_new(1).expect("a level");
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Zstd(Some(level)))
            .set_parallel(false)
            .finish(&mut frame)
            .expect("a file");
        bytes
    });
}
