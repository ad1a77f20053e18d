//! Benchmarks of ingesting one batch into a store on disk, including commit and sync.

use std::path::{Path, PathBuf};
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;
use wa::ingest::{BATCHES_PER_COMMIT, IngestOptions, run};
use wa::progress::NoProgress;
use wa::settings::Settings;
use wa::store::Store;
use wa::time::Clock;

use crate::log::{self, NOW};

const VISITS: u64 = 5_000;

/// A folder with a log in two halves. Every visit has events in both.
struct Logs {
    folder: TempDir,
    events: [usize; 2],
}

impl Logs {
    fn make() -> Logs {
        let folder = tempfile::tempdir().expect("a folder");
        let lines = log::lines(VISITS);
        let events = [0, 1].map(|half| {
            let lines: Vec<&str> = lines.iter().skip(half).step_by(2).map(String::as_str).collect();
            std::fs::write(folder.path().join(half.to_string()), lines.concat()).expect("a log");
            lines.len()
        });
        Logs { folder, events }
    }

    fn half(&self, half: usize) -> PathBuf {
        self.folder.path().join(half.to_string())
    }
}

/// Ingests a log into the store of a folder.
///
/// # Panics
/// Panics if not all events are stored, since the measurement would then be wrong.
fn ingest(folder: &Path, log: &Path, events: usize) {
    let options = IngestOptions {
        map: None,
        timezone: None,
        inputs: vec![log.to_owned()],
        chatbot: None,
        force: false,
        atomic: false,
        max_rejects: None,
        clock: Clock { now: NOW },
        lock_timeout: Duration::ZERO,
        key_file: None,
        batch_bytes: None,
        batches_per_commit: BATCHES_PER_COMMIT,
    };
    let store = Store::new(folder.join("store"));
    let report = run(&store, &Settings::default().into(), &options, &NoProgress).expect("an ingest");
    assert_eq!(report.summary.total.stored, events as u64, "not all events were stored");
}

/// Returns a folder with a store that holds half of the log.
pub fn ingested() -> TempDir {
    let logs = Logs::make();
    let folder = tempfile::tempdir().expect("a folder");
    ingest(folder.path(), &logs.half(0), logs.events[0]);
    folder
}

/// Writes a batch into an empty store.
#[divan::bench(sample_count = 30, sample_size = 1)]
fn write(bencher: Bencher<'_, '_>) {
    let logs = Logs::make();
    bencher
        .counter(ItemsCount::new(logs.events[0]))
        .with_inputs(|| tempfile::tempdir().expect("a folder"))
        .bench_values(|folder| {
            ingest(folder.path(), &logs.half(0), logs.events[0]);
            folder
        });
}

/// Merges a batch into a store that already has part of nearly every session of the batch.
#[divan::bench(sample_count = 30, sample_size = 1)]
fn merge(bencher: Bencher<'_, '_>) {
    let logs = Logs::make();
    bencher
        .counter(ItemsCount::new(logs.events[1]))
        .with_inputs(|| {
            let folder = tempfile::tempdir().expect("a folder");
            ingest(folder.path(), &logs.half(0), logs.events[0]);
            folder
        })
        .bench_values(|folder| {
            ingest(folder.path(), &logs.half(1), logs.events[1]);
            folder
        });
}
