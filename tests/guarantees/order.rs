//! Guarantee 1, order: the tables are a function of the set of events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use wa::identity::{Identifier, IdentifierKind};
use wa::settings::Settings;
use wa::store::columns::Table;
use wa::time::{DAY, Micros, SECOND, Zone};

use super::support::generated_logs::{self, LogFile, NOW, Run, Seed};
use super::support::memory_file_system::MemoryFileSystem;
use super::support::reference_model::{self, Model};
use super::support::{fixtures, tables};

pub const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "America/New_York"];
/// With the longest timeout, sessions can span several midnights.
pub const TIMEOUTS: [Micros; 4] = [1800 * SECOND, 1800 * SECOND, 90 * SECOND, 26 * 3600 * SECOND];

#[derive(Clone, Debug)]
struct Case {
    seeds: Vec<Seed>,
    runs: Vec<[u8; 6]>,
    zone: u8,
    timeout: u8,
    start: u8,
}

fn case() -> impl Strategy<Value = Case> {
    let events = |range| prop::collection::vec(any::<Seed>(), range);
    let runs = |range| prop::collection::vec(any::<[u8; 6]>(), range);
    // Most bugs need few events, and many small cases find them faster than large ones.
    let sizes = prop_oneof![2 => (events(1..12), runs(1..4)), 1 => (events(1..40), runs(1..5))];
    (sizes, any::<[u8; 3]>()).prop_map(|((seeds, runs), [zone, timeout, start])| Case {
        seeds,
        runs,
        zone: zone % 3,
        timeout: timeout % 4,
        start,
    })
}

fn run_case(case: &Case) -> Result<(), String> {
    let timeout = TIMEOUTS[usize::from(case.timeout)];
    let zone = Zone::parse(ZONES[usize::from(case.zone)]).unwrap();
    let settings = Settings { timezone: zone, session_timeout: timeout, ..fixtures::settings() };
    let lines = generated_logs::lines(&case.seeds, case.start, timeout);
    let runs = generated_logs::distribute(&lines, &case.seeds, &case.runs);
    let disk = file_system_with_key();
    let mut model = Model::default();
    ingest_runs(&disk, &settings, &runs, &mut model)?;
    let found = tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).map_err(|e| e.to_string())?;
    if let Some(problem) = fixtures::orphan_files(&disk) {
        return Err(problem);
    }
    reference_model::check(&model, zone.0, timeout, found.clone())?;
    if case.seeds[0][12].is_multiple_of(4) {
        rebuild_with_other_settings(case, &disk, &settings, &model)?;
    }
    if case.seeds[0][13].is_multiple_of(8) {
        // Ingest the same lines as one file. Each line occurs as often as in the file with the most
        // copies of it.
        let mut copies: BTreeMap<String, usize> = Default::default();
        for file in runs.iter().flat_map(|run| &run.files) {
            for line in &file.lines {
                let count = file.lines.iter().filter(|other| *other == line).count();
                let most = copies.entry(line.clone()).or_default();
                *most = (*most).max(count);
            }
        }
        let lines = copies.into_iter().flat_map(|(line, n)| std::iter::repeat_n(line, n)).collect();
        let file = LogFile { name: "all.ndjson".into(), lines, unfinished: String::new(), no_newline: false };
        let single_run = Run {
            files: vec![file],
            batch_bytes: 1 << 30,
            batches_per_commit: 1,
            force: false,
            atomic: false,
            whole_folder: false,
            gc: false,
            rebuild: false,
        };
        let other = file_system_with_key();
        ingest_runs(&other, &settings, &[single_run], &mut Model::default())?;
        let expected = tables::read(&fixtures::store_in(&other).snapshot().unwrap()).unwrap();
        if let Some(difference) = tables::difference(&expected, &found, tables::WRITE_TIMES) {
            return Err(format!("the same events in one file result in different tables:\n{difference}"));
        }
    }
    Ok(())
}

/// Rebuilds with a different time zone and timeout, and then with the original settings. After each
/// rebuild, the tables must equal those of an ingest with the same settings.
fn rebuild_with_other_settings(
    case: &Case,
    disk: &Arc<MemoryFileSystem>,
    settings: &Settings,
    model: &Model,
) -> Result<(), String> {
    let zone = Zone::parse(ZONES[(usize::from(case.zone) + 1) % ZONES.len()]).unwrap();
    // A long timeout merges the most sessions, and a short timeout splits the most.
    let timeout = [90, 1800, 7200][usize::from(case.seeds[0][12] / 4 % 3)] * SECOND;
    let other = Settings { timezone: zone, session_timeout: timeout, ..settings.clone() };
    for (name, settings) in [("other settings", &other), ("original settings", settings)] {
        fixtures::rebuild(disk, settings, NOW + 1000 * SECOND).map_err(|e| e.to_string())?;
        let found = tables::read(&fixtures::store_in(disk).snapshot().unwrap()).map_err(|e| e.to_string())?;
        reference_model::check(model, settings.timezone.0, settings.session_timeout, found)
            .map_err(|difference| format!("rebuild with {name}:\n{difference}"))?;
        if let Some(problem) = fixtures::orphan_files(disk) {
            return Err(format!("rebuild with {name}: {problem}"));
        }
    }
    Ok(())
}

/// Creates a file system with a fixed secret key in the store, so that two stores derive the same
/// visitor ids from IP addresses.
pub fn file_system_with_key() -> Arc<MemoryFileSystem> {
    use wa::store::file_system::FileSystem;
    let disk = MemoryFileSystem::new();
    let dir = std::path::Path::new(fixtures::STORE);
    disk.create_dir_all(dir).unwrap();
    let key: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    disk.write_new(&dir.join("key"), key.as_bytes()).unwrap();
    disk
}

pub fn ingest_runs(
    disk: &Arc<MemoryFileSystem>,
    settings: &Settings,
    runs: &[Run],
    model: &mut Model,
) -> Result<(), String> {
    let folder = fixtures::folder();
    let mut present: BTreeMap<String, Vec<String>> = Default::default();
    for (number, run) in runs.iter().enumerate() {
        let path = |name: &str| folder.path().join(name).display().to_string();
        for file in &run.files {
            fs::write(path(&file.name), file.bytes()).unwrap();
            present.insert(file.name.clone(), file.lines.clone());
        }
        let inputs = match run.whole_folder {
            true => vec![folder.path().display().to_string()],
            false => run.files.iter().map(|file| path(&file.name)).collect(),
        };
        let read_before = model.read;
        let read: Vec<&Vec<String>> = match run.whole_folder {
            true => present.values().collect(),
            false => run.files.iter().map(|file| &file.lines).collect(),
        };
        for lines in read {
            model.add_file(lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty()));
        }
        let now = NOW + number as Micros * SECOND;
        let options = wa::ingest::IngestOptions {
            batch_bytes: Some(run.batch_bytes),
            batches_per_commit: run.batches_per_commit,
            force: run.force,
            atomic: run.atomic,
            ..fixtures::ingest_options(inputs, now)
        };
        let report = fixtures::ingest(disk, settings, &options).map_err(|e| e.to_string())?;
        if let Some(problem) = report.failure.iter().chain(&report.problems).next() {
            return Err(format!("run {number}: {problem}"));
        }
        if !report.summary.adds_up() {
            return Err(format!("run {number}: the ingest summary does not add up: {:#?}", report.summary));
        }
        let expected = model.read - read_before;
        let total = &report.summary.total;
        if run.force && total.read - total.unfinished != expected {
            return Err(format!("run {number}: {} events read, not {expected}", total.read));
        }
        if run.gc {
            fixtures::gc(disk, settings, now).map_err(|e| e.to_string())?;
        }
        if run.rebuild {
            let report = fixtures::rebuild(disk, settings, now).map_err(|e| e.to_string())?;
            // With the same settings, a rebuild changes nothing.
            if (report.sessions_changed, report.first_seen_changed) != (0, 0) {
                return Err(format!(
                    "run {number}: a rebuild with the same settings changed rows: {report:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Runs the cases that failed in the past, and then random cases.
fn run_cases(cases: u32) {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/order.txt");
    let config = Config {
        cases: fixtures::cases(cases),
        max_shrink_iters: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..Config::default()
    };
    // On failure, the smallest failing case is printed, and its seed is added to the file.
    let outcome = TestRunner::new(config).run(&case(), |case| run_case(&case).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// The number of cases of each of the two tests, which run on two threads.
const CASES: u32 = 1500;

#[test]
fn order_tables_depend_only_on_the_set_of_events() {
    run_cases(CASES);
}

#[test]
fn order_tables_depend_only_on_the_set_in_further_cases() {
    run_cases(CASES);
}

/// Returns events of many days, in an order in which adjacent lines are many days apart. The
/// reference model finds an event by its page title. Every seventh line repeats an earlier line,
/// and some sessions continue on the next day.
fn lines_of_days(days: i64) -> Vec<String> {
    let line = |number: i64| {
        let number = if number % 7 == 6 { number / 2 } else { number };
        let (day, second) = (number * 37 % days, number * 4_201 % 86_400);
        let time = NOW / SECOND - 200 * 86_400 + day * 86_400 + second;
        let (chatbot, visitor) = (number % 3, number % 41);
        format!(
            r#"{{"chatbot_id":"c{chatbot}","anonymous_id":"v{visitor}","event_name":"a","timestamp":{time},"event_id":"e{number}","page_title":"t{number}"}}"#
        )
    };
    (0..2500).map(line).collect()
}

#[test]
fn order_of_many_days_in_small_batches_gives_the_same_tables() {
    let settings = fixtures::settings();
    let lines = lines_of_days(100);
    let run = |batch_bytes: usize, atomic: bool| {
        let halves = lines.chunks(1300).enumerate().map(|(number, lines)| LogFile {
            name: format!("{number}.ndjson"),
            lines: lines.to_vec(),
            unfinished: String::new(),
            no_newline: false,
        });
        let run = Run {
            files: halves.collect(),
            batch_bytes,
            batches_per_commit: 1,
            force: false,
            atomic,
            whole_folder: false,
            gc: false,
            rebuild: false,
        };
        let (disk, mut model) = (file_system_with_key(), Model::default());
        ingest_runs(&disk, &settings, &[run], &mut model).unwrap();
        assert_eq!(fixtures::verify(&disk), Ok(()));
        let found = tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).unwrap();
        reference_model::check(&model, settings.timezone.0, settings.session_timeout, found.clone()).unwrap();
        found
    };
    let expected = run(1 << 30, false);
    // Batches of more than a hundred events that span a hundred days are written together in time
    // order. Batches of about twenty events are written one at a time.
    for (batch_bytes, atomic) in [(200_000, false), (200_000, true), (30_000, false)] {
        let found = run(batch_bytes, atomic);
        let difference = tables::difference(&expected, &found, tables::WRITE_TIMES);
        assert_eq!(difference, None, "batches of {batch_bytes} bytes, atomic: {atomic}");
    }
}

/// Returns lines in time order, ten minutes apart, except that every 23rd arrives ten hours late.
/// Visitors take turns every four events.
fn lines_with_late_events(days: i64) -> Vec<String> {
    let per_day = 144;
    let start = NOW / SECOND - 30 * 86_400;
    let mut lines: Vec<(i64, String)> = (0..days * per_day)
        .map(|number| {
            let (time, visitor, chatbot) = (start + number * 600, number / 4 % 5, number / 20 % 2);
            let line = format!(
                r#"{{"chatbot_id":"c{chatbot}","anonymous_id":"v{visitor}","user_id":"u{visitor}","event_name":"a","timestamp":{time},"event_id":"e{number}","page_title":"t{number}"}}"#
            );
            (number + if number % 23 == 11 { 60 } else { 0 }, line)
        })
        .collect();
    lines.sort_by_key(|(arrival, _)| *arrival);
    lines.into_iter().map(|(_, line)| line).collect()
}

// Sessions continue across the edges of batches, and late events change sessions of earlier
// batches of the same commit.
#[test]
fn order_of_batches_in_one_commit_gives_the_same_tables() {
    let (days, per_file) = (12, 50);
    let lines = lines_with_late_events(days);
    let folder = fixtures::folder();
    for (number, lines) in lines.chunks(per_file).enumerate() {
        fs::write(folder.path().join(format!("{number:02}.ndjson")), lines.join("\n") + "\n").unwrap();
    }
    let ingest =
        |disk: &Arc<MemoryFileSystem>, files: usize, batch_bytes: usize, batches_per_commit: usize| {
            let path =
                |number: usize| folder.path().join(format!("{number:02}.ndjson")).display().to_string();
            let options = wa::ingest::IngestOptions {
                batch_bytes: Some(batch_bytes),
                batches_per_commit,
                force: true,
                ..fixtures::ingest_options((0..files).map(path).collect(), NOW)
            };
            let report = fixtures::ingest(disk, &fixtures::settings(), &options).unwrap();
            assert!(report.failure.is_none() && report.summary.adds_up(), "{:?}", report.failure);
            report.summary.total
        };
    // In the store, the first three days are pruned and a person is forgotten.
    let before = file_system_with_key();
    ingest(&before, 20, 1 << 30, 1);
    let settings = Settings {
        event_retention: wa::settings::Retention::Days(27),
        session_retention: wa::settings::Retention::Days(27),
        ..fixtures::settings()
    };
    fixtures::gc(&before, &settings, NOW).unwrap();
    let person = [Identifier::new(IdentifierKind::User, "u3")];
    fixtures::forget(&before, &person, NOW).unwrap();

    let files = lines.len().div_ceil(per_file);
    for is_empty in [true, false] {
        let ingested = |batch_bytes, batches_per_commit| {
            let disk = if is_empty { file_system_with_key() } else { before.copy() };
            let generation = || fixtures::store_in(&disk).snapshot().map_or(0, |s| s.manifest().generation);
            let first = generation();
            let total = ingest(&disk, files, batch_bytes, batches_per_commit);
            assert_eq!((total.forgotten > 0, total.already_pruned > 0), (!is_empty, !is_empty));
            assert_eq!((fixtures::verify(&disk), fixtures::orphan_files(&disk)), (Ok(()), None));
            let snapshot = fixtures::store_in(&disk).snapshot().unwrap();
            (total.stored, tables::read(&snapshot).unwrap(), generation() - first)
        };
        let (stored, expected, _) = ingested(1 << 30, 1);
        for (batches_per_commit, commits) in [(1, 5..=files), (3, 2..=files / 3 + 1), (100, 1..=1)] {
            let (same, found, count) = ingested(1, batches_per_commit);
            assert_eq!(same, stored);
            let difference = tables::difference(&expected, &found, tables::WRITE_TIMES);
            assert_eq!(difference, None, "{batches_per_commit} batches per commit");
            // In the other store, the batches of known events are committed one by one.
            let is_expected = !is_empty || commits.contains(&(count as usize));
            assert!(is_expected, "{count} commits, not {commits:?}");
        }
    }
}

#[test]
fn order_of_overlapping_files_gives_the_same_tables() {
    let settings = fixtures::settings();
    let file = |(number, lines): (usize, &[String])| LogFile {
        name: format!("{number:02}.ndjson"),
        lines: lines.to_vec(),
        unfinished: String::new(),
        no_newline: false,
    };
    let run = |lines: &[String], batch_bytes: usize, per_file: usize| {
        let run = Run {
            files: lines.chunks(per_file).enumerate().map(file).collect(),
            batch_bytes,
            batches_per_commit: 1,
            force: false,
            atomic: false,
            whole_folder: true,
            gc: false,
            rebuild: false,
        };
        let (disk, mut model) = (file_system_with_key(), Model::default());
        ingest_runs(&disk, &settings, &[run], &mut model).unwrap();
        assert_eq!((fixtures::verify(&disk), fixtures::orphan_files(&disk)), (Ok(()), None));
        let snapshot = fixtures::store_in(&disk).snapshot().unwrap();
        let found = tables::read(&snapshot).unwrap();
        reference_model::check(&model, settings.timezone.0, settings.session_timeout, found.clone()).unwrap();
        (found, snapshot.manifest().generation, disk)
    };
    // Each file is a batch. A batch waits in a temporary file if it overlaps earlier batches in
    // time, or has few events on each of many days. If more than 64 batches wait, they are
    // committed before the end.
    for (days, per_file, expected_runs, expected_commits) in [(100, 100, 12, 1..=2), (3, 25, 65, 3..=40)] {
        let lines = lines_of_days(days);
        let (expected, ..) = run(&lines, 1 << 30, lines.len());
        let (found, commits, disk) = run(&lines, 1, per_file);
        assert_eq!(tables::difference(&expected, &found, tables::WRITE_TIMES), None, "{days} days");
        let log = disk.last_operations(usize::MAX);
        let runs = log.lines().filter(|line| line.contains(" write ") && line.ends_with(".tmp")).count();
        assert!(runs >= expected_runs, "{runs} runs");
        assert!(expected_commits.contains(&commits), "{commits} commits");
    }
}

#[test]
fn order_of_shuffled_files_takes_at_most_twice_their_space() {
    let folder = fixtures::folder();
    generated_logs::write_logs_with_gaps(folder.path(), 1, 24_000, 20_000_000);
    let text = fs::read_to_string(folder.path().join("00.ndjson")).unwrap();
    let disk = MemoryFileSystem::new();
    let mut files = vec![String::new(); 12];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        files[number * 7 % 12].push_str(line);
    }
    for (number, text) in files.iter().enumerate() {
        fs::write(folder.path().join(format!("{number:02}.ndjson")), text).unwrap();
    }
    let options = wa::ingest::IngestOptions {
        batch_bytes: Some(1 << 20),
        ..fixtures::ingest_options(vec![folder.path().display().to_string()], NOW)
    };
    let report = fixtures::ingest(&disk, &fixtures::settings(), &options).unwrap();
    assert_eq!((report.summary.total.stored, report.failure.map(|e| e.to_string())), (24_000, None));
    let log = disk.last_operations(usize::MAX);
    let runs = log.lines().filter(|line| line.contains(" write ") && line.ends_with(".tmp")).count();
    assert!(runs >= 2, "{runs} temporary files");
    let snapshot = fixtures::store_in(&disk).snapshot().unwrap();
    let tables = [Table::Events, Table::Sessions, Table::Visitors, Table::DailyStats];
    let stored: u64 =
        tables.iter().flat_map(|table| snapshot.manifest().files(*table)).map(|file| file.bytes).sum();
    let peak = disk.peak_bytes();
    assert!(peak <= 2 * stored, "{peak} bytes for {stored} bytes of tables");
    // A compaction barely reduces the size.
    fixtures::gc(&disk, &fixtures::settings(), NOW).unwrap();
    let compacted = fixtures::store_in(&disk).snapshot().unwrap();
    let compacted: u64 =
        tables.iter().flat_map(|table| compacted.manifest().files(*table)).map(|file| file.bytes).sum();
    assert!(stored <= compacted + compacted / 20, "{stored} bytes before a compaction, {compacted} after");
}

#[test]
fn order_random_cases_cover_every_feature() {
    // This test detects a generator that no longer covers a feature.
    let mut runner = TestRunner::deterministic();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..100 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let timeout = TIMEOUTS[usize::from(case.timeout)];
        let settings = Settings { session_timeout: timeout, ..fixtures::settings() };
        let runs = generated_logs::distribute(
            &generated_logs::lines(&case.seeds, case.start, timeout),
            &case.seeds,
            &case.runs,
        );
        let mut add = |feature, n: usize| *count.entry(feature).or_default() += n;
        let files = || runs.iter().flat_map(|run| &run.files);
        let commits_blocks = |run: &&Run| run.batch_bytes == 1 && run.batches_per_commit == 1;
        add("runs that commit after every block", runs.iter().filter(commits_blocks).count());
        let commits_several = |run: &&Run| run.batch_bytes == 1 && run.batches_per_commit > 1;
        add("runs that commit after several blocks", runs.iter().filter(commits_several).count());
        add("runs that commit once", runs.iter().filter(|run| run.atomic).count());
        add("gcs", runs.iter().filter(|run| run.gc).count());
        add("rebuilds", runs.iter().filter(|run| run.rebuild).count());
        add("compressed files", files().filter(|file| !file.name.ends_with(".ndjson")).count());
        add("unfinished lines", files().filter(|file| !file.unfinished.is_empty()).count());
        let mut found_in: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (number, file) in files().enumerate() {
            let distinct: BTreeSet<&String> = file.lines.iter().collect();
            add("repeated lines in a file", file.lines.len() - distinct.len());
            for line in distinct {
                found_in.entry(line).or_default().insert(number);
            }
        }
        add("lines in several files", found_in.values().filter(|files| files.len() > 1).count());

        let disk = file_system_with_key();
        let tables = || tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).unwrap();
        let mut first_seen: BTreeMap<[String; 3], i64> = BTreeMap::new();
        let mut ends: BTreeSet<(String, i64)> = BTreeSet::new();
        for run in runs.chunks(1) {
            ingest_runs(&disk, &settings, run, &mut Model::default()).unwrap();
            for row in &tables()["visitors"] {
                let visitor = ["chatbot_id", "id_kind", "visitor_id"].map(|name| row[name].to_string());
                let time = row["first_seen_at"].as_i64().unwrap();
                let before = first_seen.insert(visitor, time).unwrap_or(time);
                add("visitors first seen on an earlier day", usize::from(before / DAY > time / DAY));
            }
            let now: BTreeSet<(String, i64)> = tables()["sessions"]
                .iter()
                .map(|row| (row["chatbot_id"].to_string(), row["ended_at"].as_i64().unwrap()))
                .collect();
            add("sessions that later lines extend", ends.difference(&now).count());
            ends = now;
        }
        let tables = tables();
        for row in &tables["sessions"] {
            let day = |column: &str| row[column].as_i64().unwrap().div_euclid(DAY);
            let midnights = day("ended_at") - day("started_at");
            add("sessions past midnight", usize::from(midnights == 1));
            add("sessions past several midnights", usize::from(midnights > 1));
        }
        let mut times: BTreeMap<[String; 4], Vec<i64>> = BTreeMap::new();
        for row in &tables["events"] {
            // The version of the UUID is 8 if the log has no id.
            let derived = row["id"].as_str().unwrap().as_bytes()[14] == b'8';
            add(if derived { "events without an id" } else { "events with an id" }, 1);
            let key =
                ["chatbot_id", "session_id", "anonymous_id", "user_id"].map(|name| row[name].to_string());
            times.entry(key).or_default().push(row["timestamp"].as_i64().unwrap());
        }
        for times in times.values_mut() {
            times.sort_unstable();
            for pair in times.windows(2) {
                match pair[1] - pair[0] {
                    0 => add("events at the same time", 1),
                    gap if gap == timeout => add("gaps of exactly the timeout", 1),
                    gap if gap == timeout + 1 => add("gaps of a microsecond more", 1),
                    _ => {}
                }
            }
        }
        let mut chatbots: BTreeMap<[String; 2], BTreeSet<String>> = BTreeMap::new();
        for [chatbot, kind, id] in first_seen.into_keys() {
            chatbots.entry([kind, id]).or_default().insert(chatbot);
        }
        add("visitors on two chatbots", chatbots.values().filter(|chatbots| chatbots.len() > 1).count());
    }
    eprintln!("{count:#?}");
    assert_eq!(count.len(), 19, "{count:#?}");
    for (feature, n) in &count {
        assert!(*n >= 10, "{feature}: {n} in 100 cases");
    }
}
