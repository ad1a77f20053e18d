//! Guarantee 3, atomicity: after a crash at any operation of the file system, or an error of any
//! single operation, the store is in the state of a commit. Running the same command again
//! completes the work.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use wa::progress::NoProgress;
use wa::settings::Settings;
use wa::store::Store;
use wa::store::columns::Table;
use wa::store::manifest::Manifest;
use wa::store::snapshot::Snapshot;
use wa::time::{SECOND, Zone};

use super::support::fixtures;
use super::support::generated_logs::{self, NOW, Seed};
use super::support::memory_file_system::{Fault, MemoryFileSystem, Surviving};
use super::support::reference_model::{self, Model};
use super::support::rng::Rng;
use super::support::tables::{self, Tables};

/// A command. Returns its error, and the number of events that it reports as stored.
type Command<'a> = dyn Fn(&Arc<MemoryFileSystem>) -> (Option<String>, Option<u64>) + 'a;

/// A command that changes the store, and the states in which it can leave the store. State 0 is the
/// state before the command, and each commit leads to the next state.
pub struct Scenario<'a> {
    pub name: &'a str,
    /// The file system before the command.
    pub before: Arc<MemoryFileSystem>,
    pub command: &'a Command<'a>,
    /// Returns the number of the state with these tables, or an error if there is none.
    pub state: &'a dyn Fn(&Tables) -> Result<usize, String>,
    /// The number of the last state.
    pub last_state: usize,
}

impl Scenario<'_> {
    /// Runs the command once for each fault at each operation.
    pub fn check_all_faults(&self) {
        let undisturbed = self.before.copy();
        let (error, _) = (self.command)(&undisturbed);
        assert_eq!(error, None, "{}: undisturbed", self.name);
        let operations = undisturbed.operations();
        eprintln!("{}: {operations} operations", self.name);
        self.check("undisturbed", &undisturbed, self.last_state, self.last_state);
        // A reported success is durable, even if the power is cut immediately afterwards.
        self.check(
            "power cut at the end",
            &undisturbed.after_crash(Surviving::Synced),
            self.last_state,
            self.last_state,
        );
        for seed in 0..20 {
            let cut = undisturbed.after_crash(Surviving::Random(seed));
            self.check(&format!("power cut {seed} at the end"), &cut, self.last_state, self.last_state);
            assert_eq!((self.command)(&cut).0, None, "{}: again after a power cut at the end", self.name);
            self.check_complete(&format!("again after power cut {seed} at the end"), &cut);
        }
        for at in 1..=operations {
            self.check_fault(Fault::Error(at));
            self.check_fault(Fault::Stop(at));
            // A full disk at any other operation makes the next operation that needs space fail,
            // which is the same case.
            if undisturbed.needed_space(at) {
                self.check_fault(Fault::Full(at));
            }
        }
    }

    /// Runs the command with a fault, and then again without a fault.
    fn check_fault(&self, fault: Fault) {
        let disk = self.before.copy();
        let rows_before = event_count(&disk);
        disk.inject(Some(fault));
        let (error, stored) = (self.command)(&disk);
        disk.inject(None);
        let context = format!("{} with {fault:?}, result {error:?}", self.name);
        let min = if error.is_none() && !matches!(fault, Fault::Stop(_)) { self.last_state } else { 0 };
        let state = self.check(&context, &disk, min, self.last_state);
        if let Some(stored) = stored {
            let rows = event_count(&disk) - rows_before;
            // The manifest is replaced, but the replacement may not be durable. The ingest then
            // reports the lower number.
            let last_sync = format!("cannot sync the folder {}: the disk failed", fixtures::STORE);
            let in_doubt = error.as_deref() == Some(&last_sync);
            assert!(
                stored == rows || in_doubt && stored < rows,
                "{context}: {stored} events reported as stored, {rows} found\n{}",
                disk.last_operations(8)
            );
        }
        let mut crashed = vec![(disk.copy(), "unchanged".to_owned())];
        if let Fault::Stop(at) = fault {
            crashed.push((disk.after_crash(Surviving::Synced), "after a power cut".to_owned()));
            for seed in [at, at + 1000] {
                crashed.push((disk.after_crash(Surviving::Random(seed)), format!("after power cut {seed}")));
            }
        }
        // Identical file systems lead to identical results, so each is checked once.
        let mut distinct: Vec<(Arc<MemoryFileSystem>, String)> = Vec::new();
        for (disk, crash) in crashed {
            if !distinct.iter().any(|(other, _)| other.same_content(&disk)) {
                distinct.push((disk, crash));
            }
        }
        for (number, (disk, crash)) in distinct.iter().enumerate() {
            let context = format!("{context}, {crash}");
            // A replaced manifest may not be durable yet, so the state can be one commit earlier.
            if number > 0 {
                self.check(&context, disk, state.saturating_sub(1), state);
            }
            let (error, _) = (self.command)(disk);
            assert_eq!(error, None, "{context}: the same command again\n{}", disk.last_operations(8));
            self.check_complete(&context, disk);
        }
    }

    /// Checks that the store is in a state from `min` to `max`, that its files are valid, and that
    /// verify finds no differences. Returns the state.
    fn check(&self, context: &str, disk: &Arc<MemoryFileSystem>, min: usize, max: usize) -> usize {
        let store = fixtures::store_in(disk);
        let tables = match store.snapshot() {
            Ok(snapshot) => {
                fixtures::verify(disk)
                    .unwrap_or_else(|e| panic!("{context}: verify finds {e}\n{}", disk.last_operations(20)));
                tables::read(&snapshot).unwrap_or_else(|e| panic!("{context}: {e}"))
            }
            Err(_) if !store.exists() => Table::ALL.iter().map(|table| (table.name(), Vec::new())).collect(),
            Err(e) => panic!("{context}: {e}"),
        };
        let state =
            (self.state)(&tables).unwrap_or_else(|e| panic!("{context}: not the state of a commit: {e}"));
        assert!(min <= state && state <= max, "{context}: state {state} is not in {min}..={max}");
        state
    }

    /// Checks that the store is in the last state and has no orphan files.
    fn check_complete(&self, context: &str, disk: &Arc<MemoryFileSystem>) {
        self.check(context, disk, self.last_state, self.last_state);
        assert_eq!(fixtures::orphan_files(disk), None, "{context}\n{}", disk.last_operations(20));
    }
}

/// Returns the number of stored events.
fn event_count(disk: &Arc<MemoryFileSystem>) -> u64 {
    let count = |snapshot: Snapshot| snapshot.manifest().files(Table::Events).iter().map(|f| f.rows).sum();
    fixtures::store_in(disk).snapshot().map_or(0, count)
}

/// Returns the lines of files whose events share sessions, so that each batch changes stored
/// sessions. The events are on the last evening of a month and in the following night. Further days
/// would only add operations of the same kind.
pub fn logs(files: usize, events: usize) -> Vec<Vec<String>> {
    // Gaps of an hour or more become gaps of exactly the timeout.
    log_lines(files, events, |gap| if gap % 12 > 8 { 4 } else { gap })
}

/// Returns the lines of files like those of [`logs`] that span a few days.
pub fn logs_of_days(files: usize, events: usize) -> Vec<Vec<String>> {
    log_lines(files, events, |gap| gap)
}

/// Returns the lines of files. `gap` maps the random byte that selects the length of a gap.
fn log_lines(files: usize, events: usize, gap: fn(u8) -> u8) -> Vec<Vec<String>> {
    let mut rng = Rng(7);
    let mut seed = |_| {
        let mut seed: Seed = std::array::from_fn(|_| rng.next() as u8);
        seed[1] = gap(seed[1]);
        seed
    };
    let seeds: Vec<Seed> = (0..files * events).map(&mut seed).collect();
    let lines = generated_logs::lines(&seeds, 1, 1800 * SECOND);
    let mut result = vec![Vec::new(); files];
    for (number, line) in lines.into_iter().enumerate() {
        // The titles are distinct, so each prefix of the files has a different number of events.
        result[number % files].push(line);
    }
    for (number, lines) in result.iter_mut().enumerate() {
        lines.push(format!("not json {number}"));
    }
    result
}

/// Returns how many of the first files the reference model needs to produce these tables.
fn committed_files(files: &[Vec<String>], tables: &Tables) -> Result<usize, String> {
    let mut model = Model::default();
    let mut differences = BTreeMap::new();
    for number in 0..=files.len() {
        let zone = chrono_tz::Tz::UTC;
        match reference_model::check(&model, zone, 1800 * SECOND, tables.clone()) {
            Ok(()) => return Ok(number),
            Err(difference) => drop(differences.insert(number, difference)),
        }
        model.add_file(files.get(number).into_iter().flatten().map(String::as_str));
    }
    Err(format!("{differences:#?}"))
}

/// A folder of log files.
pub struct LogFolder {
    pub dir: tempfile::TempDir,
    pub files: Vec<Vec<String>>,
}

impl LogFolder {
    /// Writes the files to a temporary folder.
    pub fn new(files: Vec<Vec<String>>) -> LogFolder {
        let dir = fixtures::folder();
        for (number, lines) in files.iter().enumerate() {
            fs::write(dir.path().join(format!("{number}.ndjson")), lines.join("\n") + "\n").unwrap();
        }
        LogFolder { dir, files }
    }

    /// Ingests the folder, with a commit after each file unless `atomic`.
    pub fn ingest(&self, disk: &Arc<MemoryFileSystem>, atomic: bool) -> (Option<String>, Option<u64>) {
        self.ingest_in_commits(disk, if atomic { self.files.len() } else { 1 }, atomic)
    }

    /// Ingests the folder, with commits of several files.
    fn ingest_in_commits(
        &self,
        disk: &Arc<MemoryFileSystem>,
        batches_per_commit: usize,
        atomic: bool,
    ) -> (Option<String>, Option<u64>) {
        let options = wa::ingest::IngestOptions {
            batch_bytes: Some(1),
            batches_per_commit,
            atomic,
            ..fixtures::ingest_options(vec![self.dir.path().display().to_string()], NOW)
        };
        match fixtures::ingest(disk, &fixtures::settings(), &options) {
            Ok(report) => {
                assert!(report.summary.adds_up());
                (report.failure.map(|e| e.to_string()), Some(report.summary.total.stored))
            }
            Err(e) => (Some(e.to_string()), None),
        }
    }
}

#[test]
fn atomicity_of_ingest_into_a_new_store() {
    let folder = LogFolder::new(logs(2, 6));
    Scenario {
        name: "ingest",
        before: MemoryFileSystem::new(),
        command: &|disk| folder.ingest(disk, false),
        state: &|tables| committed_files(&folder.files, tables),
        last_state: 2,
    }
    .check_all_faults();
}

#[test]
fn atomicity_of_ingest_that_changes_stored_sessions() {
    let all = logs(3, 8);
    let first = LogFolder::new(all[..1].to_vec());
    let before = MemoryFileSystem::new();
    assert_eq!(first.ingest(&before, true).0, None);
    let folder = LogFolder::new(all);
    Scenario {
        name: "ingest into a store",
        before: before.after_crash(Surviving::Everything),
        command: &|disk| folder.ingest(disk, false),
        // One file was ingested in advance.
        state: &|tables| committed_files(&folder.files, tables).map(|state| state.saturating_sub(1)),
        last_state: 2,
    }
    .check_all_faults();
}

#[test]
fn atomicity_of_atomic_ingest() {
    let folder = LogFolder::new(logs(3, 6));
    Scenario {
        name: "atomic ingest",
        before: MemoryFileSystem::new(),
        command: &|disk| folder.ingest(disk, true),
        state: &|tables| match committed_files(&folder.files, tables)? {
            0 => Ok(0),
            3 => Ok(1),
            some => Err(format!("{some} of the files")),
        },
        last_state: 1,
    }
    .check_all_faults();
}

#[test]
fn atomicity_of_commits_of_two_batches() {
    let folder = LogFolder::new(logs(3, 6));
    Scenario {
        name: "ingest, two batches per commit",
        before: MemoryFileSystem::new(),
        command: &|disk| folder.ingest_in_commits(disk, 2, false),
        state: &|tables| match committed_files(&folder.files, tables)? {
            0 => Ok(0),
            2 => Ok(1),
            3 => Ok(2),
            some => Err(format!("{some} of the files")),
        },
        last_state: 2,
    }
    .check_all_faults();
}

// Batches that overlap earlier batches in time wait in temporary files and are committed together.
#[test]
fn atomicity_of_ingest_of_files_that_overlap_in_time() {
    // Each file has events in all parts of the same two hours.
    let line = |number: i64| {
        let time = NOW / SECOND - 86_400 + number * 150;
        format!(
            r#"{{"chatbot_id":"c","anonymous_id":"v{}","event_name":"a","timestamp":{time},"event_id":"e{number}","page_title":"t{number}"}}"#,
            number % 5
        )
    };
    let files = (0..4).map(|file| (0..12).map(|n| line(4 * n + file)).collect()).collect();
    let folder = LogFolder::new(files);
    Scenario {
        name: "ingest, overlapping files",
        before: MemoryFileSystem::new(),
        command: &|disk| {
            let outcome = folder.ingest(disk, false);
            let log = disk.last_operations(usize::MAX);
            let files = |operation: &str| {
                log.lines().filter(|line| line.contains(operation) && line.ends_with(".tmp")).count()
            };
            if outcome == (None, Some(48)) {
                assert_eq!(files(" write "), 3, "a run for each file but the first: {log}");
            }
            outcome
        },
        // The first file has its own commit. The other files are committed together at the end.
        state: &|tables| match committed_files(&folder.files, tables)? {
            state @ (0 | 1) => Ok(state),
            4 => Ok(2),
            some => Err(format!("{some} of the files")),
        },
        last_state: 2,
    }
    .check_all_faults();
}

// A commit of many small files syncs the whole file system instead of each file.
#[test]
fn atomicity_of_ingest_that_syncs_all_files_at_once() {
    let folder = LogFolder::new(logs_of_days(2, 6));
    Scenario {
        name: "ingest, all files at once",
        before: MemoryFileSystem::with_grouped_sync(3),
        command: &|disk| {
            let outcome = folder.ingest(disk, false);
            let log = disk.last_operations(usize::MAX);
            let files = log.lines().filter(|line| line.contains(" sync /")).count();
            // Each ingest has three files of the change, the manifest, the settings and the key.
            if outcome.0.is_none() && log.contains(" sync all ") {
                assert!(files < log.lines().filter(|line| line.contains(" write ")).count(), "{log}");
            }
            outcome
        },
        state: &|tables| committed_files(&folder.files, tables),
        last_state: 2,
    }
    .check_all_faults();
}

/// Ingests the rejected lines of a store again, as lines of a chatbot.
fn retry(disk: &Arc<MemoryFileSystem>) -> (Option<String>, Option<u64>) {
    // Events and rejected lines change in one commit.
    if let Ok(snapshot) = fixtures::store_in(disk).snapshot() {
        let rejects: u64 = snapshot.manifest().rejects.iter().map(|file| file.rows).sum();
        let events = event_count(disk);
        assert!((events, rejects) == (0, 5) || (events, rejects) == (4, 1), "{events}, {rejects}");
    }
    let options = wa::ingest::IngestOptions {
        chatbot: Some("shop".to_owned()),
        batch_bytes: Some(1),
        atomic: true,
        ..fixtures::ingest_options(Vec::new(), NOW)
    };
    let first = || Manifest::new(NOW, "UTC", 1800 * SECOND);
    let retried = fixtures::store_in(disk).writer_without_lock(first).and_then(|writer| {
        let (settings, enricher) = (fixtures::settings(), fixtures::enricher());
        wa::ingest::retry_with_writer(writer, &settings, &options, enricher, &|_| true, &NoProgress)
    });
    match retried {
        Ok(report) => (report.ingest.failure.map(|e| e.to_string()), None),
        Err(error) => (Some(error.to_string()), None),
    }
}

#[test]
fn atomicity_of_retried_rejects() {
    let line = |number: u32| {
        let time = format!("2026-11-09T10:{number:02}:00Z");
        let event = format!(r#"{{"session_id":"s{}","event_name":"a","timestamp":"{time}"}}"#, number % 2);
        // The element of an envelope is read from its file.
        if number == 3 { format!(r#"{{"events":[{event}]}}"#) } else { event }
    };
    let mut lines: Vec<String> = (0..4).map(line).collect();
    lines.push("broken".to_owned());
    let folder = LogFolder::new(vec![lines]);
    let before = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&before, true).0, None);
    let read =
        |disk: &Arc<MemoryFileSystem>| tables::read(&fixtures::store_in(disk).snapshot().unwrap()).unwrap();
    let (old, undisturbed) = (read(&before), before.copy());
    assert_eq!(retry(&undisturbed).0, None);
    let new = read(&undisturbed);
    assert_eq!((old["events"].len(), new["events"].len(), new["sessions"].len()), (0, 4, 2));
    let same = |a: &Tables, b: &Tables| tables::difference(a, b, &[]).is_none();
    Scenario {
        name: "retry",
        before: before.after_crash(Surviving::Everything),
        command: &retry,
        state: &|tables| match () {
            () if same(&new, tables) => Ok(1),
            () if same(&old, tables) => Ok(0),
            () => Err(tables::difference(&old, tables, &[]).unwrap_or_default()),
        },
        last_state: 1,
    }
    .check_all_faults();
}

#[test]
fn atomicity_of_gc_that_prunes_and_compacts() {
    let folder = LogFolder::new(logs_of_days(4, 6));
    let before = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let old = tables::read(&fixtures::store_in(&before).snapshot().unwrap()).unwrap();
    // Today is two days after the first event, so the data of its date is pruned.
    let first = old["events"].iter().map(|row| row["timestamp"].as_i64().unwrap()).min().unwrap();
    let settings = Settings {
        event_retention: wa::settings::Retention::Days(2),
        session_retention: wa::settings::Retention::Days(2),
        ..fixtures::settings()
    };
    let now = first + 2 * wa::time::DAY;
    let gc = |disk: &Arc<MemoryFileSystem>| {
        (fixtures::gc(disk, &settings, now).err().map(|e| e.to_string()), None)
    };
    let undisturbed = before.copy();
    assert_eq!(gc(&undisturbed).0, None);
    let new = tables::read(&fixtures::store_in(&undisturbed).snapshot().unwrap()).unwrap();
    // Events of the first date and sessions that ended on it are pruned, but daily statistics are
    // not.
    let date = |time: i64| time.div_euclid(wa::time::DAY);
    let retained = |table: &str, column: &str| {
        old[table].iter().filter(|row| date(row[column].as_i64().unwrap()) > date(first)).count()
    };
    assert!(!new["events"].is_empty() && new["events"].len() < old["events"].len());
    assert_eq!(new["events"].len(), retained("events", "timestamp"));
    assert_eq!(new["sessions"].len(), retained("sessions", "ended_at"));
    assert_eq!(new["daily_stats"], old["daily_stats"]);
    let same = |a: &Tables, b: &Tables| tables::difference(a, b, &["counted_new_on"]).is_none();
    Scenario {
        name: "gc",
        before: before.after_crash(Surviving::Everything),
        command: &gc,
        state: &|tables| match () {
            () if same(&new, tables) => Ok(1),
            () if same(&old, tables) => Ok(0),
            () => Err(tables::difference(&old, tables, &["counted_new_on"]).unwrap_or_default()),
        },
        last_state: 1,
    }
    .check_all_faults();
}

/// Checks a rebuild with other settings.
fn check_rebuild(name: &str, settings: Settings) {
    let folder = LogFolder::new(logs(4, 6));
    let before = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let mut model = Model::default();
    for lines in &folder.files {
        model.add_file(lines.iter().map(String::as_str));
    }
    let same = |tables: &Tables, settings: &Settings| {
        reference_model::check(&model, settings.timezone.0, settings.session_timeout, tables.clone())
    };
    // The states before and after the rebuild must differ.
    let old = tables::read(&fixtures::store_in(&before).snapshot().unwrap()).unwrap();
    assert!(same(&old, &settings).is_err());
    Scenario {
        name,
        before: before.after_crash(Surviving::Everything),
        command: &|disk| (fixtures::rebuild(disk, &settings, NOW).err().map(|e| e.to_string()), None),
        state: &|tables| match (same(tables, &settings), same(tables, &fixtures::settings())) {
            (Ok(()), _) => Ok(1),
            (_, Ok(())) => Ok(0),
            (Err(new), Err(old)) => Err(format!("neither the new state:\n{new}\nnor the old:\n{old}")),
        },
        last_state: 1,
    }
    .check_all_faults();
}

#[test]
fn atomicity_of_rebuild_with_another_timeout() {
    check_rebuild("rebuild, timeout", Settings { session_timeout: 90 * SECOND, ..fixtures::settings() });
}

#[test]
fn atomicity_of_rebuild_with_another_time_zone() {
    let timezone = Zone::parse("America/New_York").unwrap();
    check_rebuild("rebuild, zone", Settings { timezone, ..fixtures::settings() });
}

#[test]
fn atomicity_of_rebuild_that_repairs_the_tables() {
    let folder = LogFolder::new(logs(3, 6));
    let before = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let mut model = Model::default();
    for lines in &folder.files {
        model.add_file(lines.iter().map(String::as_str));
    }
    // Remove a file of sessions from the table, as a bug could.
    let first = || Manifest::new(NOW, "UTC", 1800 * SECOND);
    let mut writer = fixtures::store_in(&before).writer_without_lock(first).unwrap();
    let mut transaction = writer.begin();
    let missing = transaction.manifest().files(Table::Sessions)[0].clone();
    transaction.remove(&missing);
    writer.commit(transaction, NOW).unwrap();
    writer.finish().unwrap();
    assert!(fixtures::verify(&before).is_err());
    let disk = before.copy();
    let rebuilt = fixtures::rebuild(&disk, &fixtures::settings(), NOW).unwrap();
    assert!(rebuilt.changed && rebuilt.sessions > rebuilt.sessions_before);
    assert_eq!(fixtures::verify(&disk), Ok(()));
    let found = tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).unwrap();
    reference_model::check(&model, chrono_tz::Tz::UTC, 1800 * SECOND, found).unwrap();
    // After a crash at any operation, the rebuild can be run again.
    for at in 1..=disk.operations() {
        let disk = before.copy();
        disk.inject(Some(Fault::Stop(at)));
        let _ = fixtures::rebuild(&disk, &fixtures::settings(), NOW);
        disk.inject(None);
        for surviving in [Surviving::Everything, Surviving::Synced, Surviving::Random(at)] {
            let disk = disk.after_crash(surviving);
            fixtures::rebuild(&disk, &fixtures::settings(), NOW).unwrap();
            assert_eq!(fixtures::verify(&disk), Ok(()));
            assert_eq!(fixtures::orphan_files(&disk), None);
        }
    }
}

#[test]
fn atomicity_reading_a_missing_store_creates_no_files() {
    let disk = MemoryFileSystem::new();
    assert!(Store::with_file_system(disk.clone(), fixtures::STORE).snapshot().is_err());
    assert!(disk.files().is_empty());
}

#[test]
fn atomicity_full_disk_is_named_and_commits_are_retained() {
    let folder = LogFolder::new(logs(3, 6));
    let undisturbed = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&undisturbed, false).0, None);
    let disk = MemoryFileSystem::new();
    // The fault occurs halfway, when some of the three batches are committed.
    disk.inject(Some(Fault::Full(undisturbed.operations() / 2)));
    let options = wa::ingest::IngestOptions {
        batch_bytes: Some(1),
        ..fixtures::ingest_options(vec![folder.dir.path().display().to_string()], NOW)
    };
    let report = fixtures::ingest(&disk, &fixtures::settings(), &options).unwrap();
    let failure = report.failure.unwrap();
    assert_eq!(failure.kind(), wa::ErrorKind::Failed);
    assert!(failure.to_string().starts_with("cannot write /wa-memory-disk/store/staging/"), "{failure}");
    let hint = failure.hint_text().unwrap();
    assert!(hint.contains("free some disk space"), "{hint}");
    assert!(hint.contains("committed data is not affected"), "{hint}");
    assert!(report.committed && report.summary.total.stored > 0);
    assert_eq!(event_count(&disk), report.summary.total.stored);
    disk.inject(None);
    assert_eq!(folder.ingest(&disk, false).0, None);
    assert_eq!(event_count(&disk), event_count(&undisturbed));
}

#[test]
fn atomicity_failed_ingest_reports_whether_it_committed() {
    let all = logs(3, 6);
    let (first, folder) = (LogFolder::new(all[..1].to_vec()), LogFolder::new(all));
    let before = MemoryFileSystem::new();
    assert_eq!(first.ingest(&before, true).0, None);
    let generation =
        |disk: &Arc<MemoryFileSystem>| fixtures::store_in(disk).snapshot().unwrap().manifest().generation;
    let options = wa::ingest::IngestOptions {
        batch_bytes: Some(1),
        ..fixtures::ingest_options(vec![folder.dir.path().display().to_string()], NOW)
    };
    let mut committed = std::collections::BTreeSet::new();
    for operation in 0.. {
        let disk = before.after_crash(Surviving::Everything);
        disk.inject(Some(Fault::Full(operation)));
        // An error before the first batch has no report.
        let Ok(report) = fixtures::ingest(&disk, &fixtures::settings(), &options) else { continue };
        disk.inject(None);
        if report.failure.is_none() {
            break;
        }
        assert_eq!(report.committed, generation(&disk) > generation(&before), "at operation {operation}");
        committed.insert(report.committed);
    }
    assert_eq!(committed.len(), 2);
}
