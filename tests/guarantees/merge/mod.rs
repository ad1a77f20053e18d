//! Tests of `wa merge`: the merged store equals one ingest of all logs.

mod erased;
mod faults;
mod formats;
mod pruned;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use wa::maintenance::{MergeOptions, MergeReport, MergeSource, merge_with_writer};
use wa::progress::{NoProgress, Progress};
use wa::settings::Settings;
use wa::store::file_system::FileSystem;
use wa::store::manifest::Manifest;
use wa::time::{Clock, Micros, SECOND, Zone};

use super::order::{TIMEOUTS, ZONES, file_system_with_key, ingest_runs};
use super::support::fixtures;
use super::support::generated_logs::{self, NOW, Run, Seed};
use super::support::memory_file_system::MemoryFileSystem;
use super::support::reference_model::{self, Model};
use super::support::tables::{self, Tables};

/// A store in memory.
pub type Disk = Arc<MemoryFileSystem>;

/// Merges stores into one, with batches of a size in bytes.
pub fn merge_with(
    target: &Disk,
    sources: &[&Disk],
    settings: &Settings,
    batch_bytes: usize,
    progress: &dyn Progress,
) -> wa::Result<MergeReport> {
    let sources: Vec<MergeSource> = sources
        .iter()
        .map(|disk| MergeSource { store: fixtures::store_in(disk), settings: settings.clone() })
        .collect();
    let now = NOW + 5000 * SECOND;
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = fixtures::store_in(target).writer_without_lock(first)?;
    let options = MergeOptions {
        clock: Clock { now },
        dry_run: false,
        lock_timeout: Duration::ZERO,
        batch_bytes: Some(batch_bytes),
    };
    let outcome = merge_with_writer(&mut writer, settings, &sources, &options, progress);
    let completed = writer.complete(outcome)?;
    let report = completed.report.clone();
    completed.check_cleanup("merge")?;
    Ok(report)
}

/// Merges stores into one.
pub fn merge(target: &Disk, sources: &[&Disk]) -> MergeReport {
    merge_with(target, sources, &fixtures::settings(), 1 << 30, &NoProgress).unwrap()
}

/// Reads the tables of a store.
pub fn tables_of(disk: &Disk) -> Tables {
    tables::read(&fixtures::store_in(disk).snapshot().unwrap()).unwrap()
}

/// Returns the rejected lines of a store: reason, SHA-256 and text of each.
pub fn rejects_of(disk: &Disk) -> Vec<String> {
    let snapshot = fixtures::store_in(disk).snapshot().unwrap();
    let mut lines = Vec::new();
    for file in &snapshot.manifest().rejects {
        let content = snapshot.read_checked(&file.path, &file.checksum).unwrap();
        for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: serde_json::Value = serde_json::from_slice(line).unwrap();
            lines.push(format!("{} {} {}", record["reason"], record["sha256"], record["raw"]));
        }
    }
    lines.sort();
    lines
}

/// Returns whether two disks have the same files with the same bytes.
pub fn same_files(a: &Disk, b: &Disk) -> bool {
    let read = |disk: &Disk| -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let disk = disk.copy();
        disk.files().into_iter().map(|path| (path.clone(), disk.read(&path).unwrap())).collect()
    };
    read(a) == read(b)
}

/// Checks that two stores have the same tables and rejected lines.
pub fn check_same(expected: &Disk, found: &Disk) -> Result<(), String> {
    if let Some(difference) = tables::difference(&tables_of(expected), &tables_of(found), tables::WRITE_TIMES)
    {
        return Err(difference);
    }
    let (expected, found) = (rejects_of(expected), rejects_of(found));
    match expected == found {
        true => Ok(()),
        false => Err(format!("rejected lines: expected {expected:#?}, found {found:#?}")),
    }
}

#[derive(Clone, Debug)]
struct Case {
    seeds: Vec<Seed>,
    runs: Vec<[u8; 6]>,
    /// The stores of each run, as bits.
    stores: Vec<u8>,
    choices: [u8; 4],
}

fn case() -> impl Strategy<Value = Case> {
    let events = |range| prop::collection::vec(any::<Seed>(), range);
    let runs = |range| prop::collection::vec(any::<[u8; 6]>(), range);
    let sizes = prop_oneof![2 => (events(1..12), runs(1..4)), 1 => (events(1..40), runs(1..5))];
    (sizes, prop::collection::vec(1..8u8, 5), any::<[u8; 4]>())
        .prop_map(|((seeds, runs), stores, choices)| Case { seeds, runs, stores, choices })
}

/// Ingests runs into a store. Without runs, the store gets an empty commit.
fn store_of(settings: &Settings, runs: &[Run], model: &mut Model) -> Result<Disk, String> {
    let disk = file_system_with_key();
    ingest_runs(&disk, settings, runs, model)?;
    if runs.is_empty() {
        let first = || Manifest::new(NOW, settings.timezone.name(), settings.session_timeout);
        fixtures::store_in(&disk)
            .writer_without_lock(first)
            .and_then(wa::store::Writer::finish)
            .map_err(|e| e.to_string())?;
    }
    Ok(disk)
}

fn run_case(case: &Case) -> Result<(), String> {
    let [zone, timeout, start, batch] = case.choices;
    let timeout = TIMEOUTS[usize::from(timeout) % TIMEOUTS.len()];
    let zone = Zone::parse(ZONES[usize::from(zone) % ZONES.len()]).unwrap();
    let settings = Settings { timezone: zone, session_timeout: timeout, ..fixtures::settings() };
    let batch_bytes = [1, 5000, 1 << 30][usize::from(batch) % 3];
    let runs = generated_logs::distribute(
        &generated_logs::lines(&case.seeds, start, timeout),
        &case.seeds,
        &case.runs,
    );
    let merge = |target: &Disk, sources: &[&Disk]| {
        merge_with(target, sources, &settings, batch_bytes, &NoProgress).map_err(|e| e.to_string())
    };
    // Each run goes to one or more of three stores.
    let mut model = Model::default();
    let mut stores = Vec::new();
    for store in 0..3 {
        let of_store = runs.iter().zip(&case.stores).filter(|(_, stores)| *stores >> store & 1 == 1);
        let of_store: Vec<Run> = of_store.map(|(run, _)| run.clone()).collect();
        stores.push(store_of(&settings, &of_store, &mut model)?);
    }
    let [a, b, c] = [&stores[0], &stores[1], &stores[2]];
    let untouched: Vec<Disk> = stores.iter().map(|disk| disk.copy()).collect();

    let all = file_system_with_key();
    let report = merge(&all, &[a, b, c])?;
    let found = tables_of(&all);
    reference_model::check(&model, zone.0, timeout, found.clone())
        .map_err(|difference| format!("merged into an empty store:\n{difference}"))?;
    verify(&all, &settings)?;
    for (source, counts) in stores.iter().zip(&report.sources) {
        let events = &counts.events;
        let parts = events.new + events.duplicate + events.already_pruned + events.forgotten;
        if (events.read, events.read) != (parts, tables_of(source)["events"].len() as u64) {
            return Err(format!("the events of a source do not add up: {counts:?}"));
        }
    }
    let new: u64 = report.sources.iter().map(|source| source.events.new).sum();
    if report.events != [0, new] || new != found["events"].len() as u64 {
        return Err(format!("the events do not add up: {report:?}"));
    }
    for (before, after) in untouched.iter().zip(&stores) {
        if !same_files(before, after) {
            return Err("a source has changed".to_owned());
        }
    }

    // Merging again changes nothing.
    let before = all.copy();
    let again = merge(&all, &[c, b])?;
    if again.changed || !same_files(&before, &all) {
        return Err(format!("merging again changed the store: {again:?}"));
    }

    // Compare with one ingest of all files, which must also have the same rejected lines.
    let one = store_of(&settings, &runs, &mut Model::default())?;
    check_same(&one, &all).map_err(|difference| format!("compared with one ingest:\n{difference}"))?;

    // Merge in other orders and groupings.
    let target = a.copy();
    merge(&target, &[c, b])?;
    check_same(&all, &target).map_err(|difference| format!("(a + c) + b:\n{difference}"))?;
    let grouped = b.copy();
    merge(&grouped, &[c])?;
    verify(&grouped, &settings)?;
    let target = file_system_with_key();
    merge(&target, &[&grouped, a])?;
    check_same(&all, &target).map_err(|difference| format!("(b + c) + a:\n{difference}"))?;
    verify(&target, &settings)?;

    // The source registry of the target lists all files, so ingesting them again stores nothing.
    ingest_runs(&target, &settings, &runs, &mut Model::default())?;
    check_same(&all, &target).map_err(|difference| format!("ingested again:\n{difference}"))
}

fn verify(disk: &Disk, settings: &Settings) -> Result<(), String> {
    let store = fixtures::store_in(disk);
    let report =
        wa::maintenance::verify(&store, &Ok(settings.clone()), &NoProgress).map_err(|e| e.to_string())?;
    match report.is_clean() && report.tables_compared {
        true => fixtures::orphan_files(disk).map_or(Ok(()), Err),
        false => Err(format!("{report:#?}")),
    }
}

#[test]
fn merge_equals_one_ingest_of_all_logs() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/merge.txt");
    let config = Config {
        cases: fixtures::cases(200),
        max_shrink_iters: 1000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&case(), |case| run_case(&case).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Ingests the lines of one file into a new store.
pub fn store_with(name: &str, lines: &[&str]) -> Disk {
    let disk = file_system_with_key();
    ingest(&disk, name, lines, NOW);
    disk
}

/// Ingests the lines of one file into a store.
pub fn ingest(disk: &Disk, name: &str, lines: &[&str], now: Micros) {
    let folder = fixtures::folder();
    let path = folder.path().join(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let options = fixtures::ingest_options(vec![path.display().to_string()], now);
    let report = fixtures::ingest(disk, &fixtures::settings(), &options).unwrap();
    assert!(report.failure.is_none() && report.problems.is_empty());
}

/// Returns a line without an id.
fn line_without_id(minute: u32) -> String {
    format!(
        r#"{{"chatbot_id":"c","session_id":"s","event_name":"message_sent","timestamp":"2026-11-09T10:{minute:02}:00Z"}}"#
    )
}

#[test]
fn merge_counts_identical_lines_as_one_ingest_does() {
    // An event without an id is identified by its line and the ordinal of that line in its file.
    // The same line in two files is one event; the same line twice in one file is two events.
    let (line, other) = (line_without_id(1), line_without_id(2));
    let once = store_with("a.ndjson", &[&line, &other]);
    let twice = store_with("b.ndjson", &[&line, &line]);
    let merged = file_system_with_key();
    let report = merge(&merged, &[&once, &twice]);
    assert_eq!(report.events, [0, 3]);
    assert_eq!((report.sources[1].events.new, report.sources[1].events.duplicate), (1, 1));
    let one = store_with("a.ndjson", &[&line, &other]);
    ingest(&one, "b.ndjson", &[&line, &line], NOW);
    assert_eq!(check_same(&one, &merged), Ok(()));
}

#[test]
fn merge_keeps_the_stored_event_of_an_ambiguous_id() {
    let line = |name: &str, minute: u32| {
        format!(
            r#"{{"event_id":"e","chatbot_id":"c","session_id":"s","event_name":"{name}","timestamp":"2026-11-09T10:{minute:02}:00Z"}}"#
        )
    };
    let target = store_with("a.ndjson", &[&line("first", 5)]);
    let source = store_with("b.ndjson", &[&line("second", 1)]);
    let report = merge(&target, &[&source]);
    assert_eq!((report.sources[0].events.duplicate, report.sources[0].events.id_conflicts), (1, 1));
    assert_eq!(tables_of(&target)["events"][0]["event_name"], "first");
}

#[test]
fn merge_records_the_files_of_both_stores() {
    let lines: Vec<String> = (0..9).map(line_without_id).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let folder = fixtures::folder();
    let ingest = |disk: &Disk, names: &[&str]| {
        let inputs = names.iter().map(|name| folder.path().join(name).display().to_string()).collect();
        let options = fixtures::ingest_options(inputs, NOW);
        fixtures::ingest(disk, &fixtures::settings(), &options).unwrap().summary
    };
    for (name, lines) in [("1.ndjson", &lines[..3]), ("2.ndjson", &lines[3..6]), ("3.ndjson", &lines[6..])] {
        std::fs::write(folder.path().join(name), lines.join("\n") + "\n").unwrap();
        std::fs::copy(folder.path().join(name), folder.path().join(format!("copy-{name}"))).unwrap();
    }
    let (a, b) = (file_system_with_key(), file_system_with_key());
    ingest(&a, &["1.ndjson", "2.ndjson"]);
    // In the other store, a file with the same content has a different name.
    ingest(&b, &["copy-2.ndjson", "3.ndjson"]);
    let report = merge(&a, &[&b]);
    assert_eq!((report.sources[0].files, report.events), (1, [6, 9]));
    let summary = ingest(&a, &["1.ndjson", "copy-2.ndjson", "3.ndjson"]);
    assert_eq!((summary.total.read, summary.files.len()), (0, 3));
    let outcomes: BTreeSet<String> = summary.files.iter().map(|file| format!("{:?}", file.outcome)).collect();
    assert_eq!(outcomes, BTreeSet::from(["Unchanged".to_owned()]));
}
