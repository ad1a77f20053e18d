//! Faults during a merge: the target is in the state of a commit, and the sources are unchanged.

use std::cell::Cell;
use std::path::Path;
use std::sync::Mutex;

use wa::progress::{NoProgress, Progress};
use wa::store::columns::Table;
use wa::store::file_system::FileSystem;

use super::super::atomicity::{LogFolder, Scenario, logs, logs_of_days};
use super::super::order::file_system_with_key;
use super::super::support::fixtures;
use super::super::support::memory_file_system::{MemoryFileSystem, Surviving};
use super::super::support::tables;
use super::{Disk, check_same, ingest, merge, merge_with, same_files, tables_of};

/// Returns a store with some log files.
fn store_with_files(files: &[Vec<String>]) -> Disk {
    let disk = file_system_with_key();
    assert_eq!(LogFolder::new(files.to_vec()).ingest(&disk, true).0, None);
    disk
}

fn command(disk: &Disk, sources: &[&Disk]) -> (Option<String>, Option<u64>) {
    let outcome = merge_with(disk, sources, &fixtures::settings(), 1, &NoProgress);
    (outcome.err().map(|error| error.to_string()), None)
}

/// Runs a merge once for each fault at each operation, and checks the results.
fn check(name: &str, before: &Disk, sources: &[&Disk]) {
    let merged = before.copy();
    assert_eq!(command(&merged, sources).0, None);
    // A target without a store has no rows before the merge.
    let rows = |disk: &Disk| fixtures::store_in(disk).snapshot().ok().map(|s| tables::read(&s).unwrap());
    let (old, new) = (rows(before), tables_of(&merged));
    let contents: Vec<Disk> = sources.iter().map(|source| source.copy()).collect();
    Scenario {
        name,
        before: before.after_crash(Surviving::Everything),
        command: &|disk| command(disk, sources),
        state: &|tables| {
            let is_old = match &old {
                Some(old) => tables::difference(old, tables, &[]).is_none(),
                None => tables.values().all(Vec::is_empty),
            };
            match (tables::difference(&new, tables, tables::WRITE_TIMES), is_old) {
                (None, _) => Ok(1),
                (_, true) => Ok(0),
                (Some(difference), false) => Err(difference),
            }
        },
        last_state: 1,
    }
    .check_all_faults();
    for (source, content) in sources.iter().zip(contents) {
        assert!(same_files(source, &content), "a source has changed");
    }
}

#[test]
fn atomicity_of_merge_into_a_store() {
    let all = logs(3, 5);
    let target = store_with_files(&all[..1]);
    let sources = [store_with_files(&all[..2]), store_with_files(&all[2..])];
    check("merge", &target, &sources.each_ref());
}

#[test]
fn atomicity_of_merge_into_a_new_store() {
    let all = logs_of_days(2, 6);
    let sources = [store_with_files(&all[..1]), store_with_files(&all[1..])];
    check("merge into a new store", &MemoryFileSystem::new(), &sources.each_ref());
}

#[test]
fn damaged_source_is_named_and_nothing_changes() {
    let all = logs(3, 6);
    let target = store_with_files(&all[..1]);
    let (before, source) = (target.copy(), store_with_files(&all[1..]));
    let manifest = fixtures::store_in(&source).snapshot().unwrap().manifest().clone();
    let state = manifest.sources.iter().chain(&manifest.rejects).map(|file| file.path.clone());
    let events = manifest.files(Table::Events).iter().map(|file| file.path.clone());
    let mut damaged = 0;
    for path in events.chain(state) {
        let disk = source.copy();
        let path = Path::new(fixtures::STORE).join(path);
        let mut bytes = disk.read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        disk.remove_file(&path).unwrap();
        disk.write_new(&path, &bytes).unwrap();
        let (error, _) = command(&target, &[&disk]);
        let error = error.unwrap();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(same_files(&target, &before), "{}", path.display());
        damaged += 1;
    }
    assert!(damaged >= 2);
}

/// Progress observer that changes a source at the first step of a merge, as a nightly ingest and gc
/// could.
struct ChangesSource<'a> {
    source: &'a Disk,
    lines: Mutex<Vec<String>>,
    steps: Mutex<Cell<u32>>,
    most: u32,
}

impl Progress for ChangesSource<'_> {
    fn set_total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn set_step(&self, _: &str) {
        let steps = self.steps.lock().unwrap();
        if steps.get() < self.most {
            steps.set(steps.get() + 1);
            let lines = std::mem::take(&mut *self.lines.lock().unwrap());
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            ingest(self.source, "later.ndjson", &lines, super::NOW);
            // Compaction replaces files that the merge has not read yet.
            fixtures::gc(self.source, &fixtures::settings(), super::NOW).unwrap();
        }
    }
}

#[test]
fn merge_reads_one_state_of_a_source_that_changes() {
    let all = logs(3, 8);
    let (first, second) = (all[..2].to_vec(), all[2].clone());
    let source = store_with_files(&first);
    let expected = [file_system_with_key(), file_system_with_key()];
    merge(&expected[0], &[&source]);
    let target = file_system_with_key();
    let progress =
        ChangesSource { source: &source, lines: Mutex::new(second), steps: Mutex::default(), most: 1 };
    merge_with(&target, &[&source], &fixtures::settings(), 1, &progress).unwrap();
    assert_eq!(progress.steps.lock().unwrap().get(), 1);
    merge(&expected[1], &[&source]);
    let states: Vec<bool> = expected.iter().map(|disk| check_same(disk, &target).is_ok()).collect();
    assert!(states == [true, false] || states == [false, true], "{states:?}");
    // The next merge adds the rest.
    merge(&target, &[&source]);
    assert_eq!(check_same(&expected[1], &target), Ok(()));
}
