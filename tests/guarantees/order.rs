//! Guarantee 1, order: the tables are a function of the set of events.

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use wa::settings::Settings;
use wa::time::{Micros, SECOND, Zone};

use super::disk::MemoryDisk;
use super::logs::{self, NOW, Run, Seed};
use super::naive::{self, Model};
use super::{place, tables};

const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "America/New_York"];
const TIMEOUTS: [Micros; 3] = [1800 * SECOND, 1800 * SECOND, 90 * SECOND];

#[derive(Clone, Debug)]
struct Case {
    seeds: Vec<Seed>,
    runs: Vec<[u8; 6]>,
    zone: u8,
    timeout: u8,
    beginning: u8,
}

fn case() -> impl Strategy<Value = Case> {
    let seeds = prop::collection::vec(any::<Seed>(), 1..40);
    let runs = prop::collection::vec(any::<[u8; 6]>(), 1..5);
    (seeds, runs, any::<[u8; 3]>()).prop_map(|(seeds, runs, [zone, timeout, beginning])| Case {
        seeds,
        runs,
        zone: zone % 3,
        timeout: timeout % 3,
        beginning,
    })
}

fn run_case(case: &Case) -> Result<(), String> {
    let timeout = TIMEOUTS[usize::from(case.timeout)];
    let zone = Zone::parse(ZONES[usize::from(case.zone)]).unwrap();
    let settings = Settings { timezone: zone, session_timeout: timeout, ..place::settings() };
    let lines = logs::lines(&case.seeds, case.beginning, timeout);
    let runs = logs::deal(&lines, &case.seeds, &case.runs);
    let disk = disk_with_key();
    let mut model = Model::default();
    take_in(&disk, &settings, &runs, &mut model)?;
    let found = tables::read(&place::store_on(&disk).snapshot().unwrap()).map_err(|e| e.to_string())?;
    if let Some(problem) = place::unnamed_files(&disk) {
        return Err(problem);
    }
    naive::check(&model, zone.0, timeout, found.clone())?;
    if case.seeds[0][12].is_multiple_of(4) {
        rebuilt_by_other_settings(case, &disk, &settings, &model)?;
    }
    if case.seeds[0][13].is_multiple_of(8) {
        // The same lines, as often as the file with the most copies has them, in one file.
        let mut copies: std::collections::BTreeMap<String, usize> = Default::default();
        for file in runs.iter().flat_map(|run| &run.files) {
            for line in &file.lines {
                let count = file.lines.iter().filter(|other| *other == line).count();
                let known = copies.entry(line.clone()).or_default();
                *known = (*known).max(count);
            }
        }
        let lines = copies.into_iter().flat_map(|(line, n)| std::iter::repeat_n(line, n)).collect();
        let file = logs::File { name: "all.ndjson".into(), lines, cut: String::new(), no_newline: false };
        let once = Run {
            files: vec![file],
            batch_bytes: 1 << 30,
            force: false,
            atomic: false,
            whole_folder: false,
            gc: false,
            rebuild: false,
        };
        let other = disk_with_key();
        take_in(&other, &settings, &[once], &mut Model::default())?;
        let expected = tables::read(&place::store_on(&other).snapshot().unwrap()).unwrap();
        // Whether a visitor is marked for pruning says nothing about events either.
        if let Some(difference) = tables::difference(&expected, &found, tables::DATES) {
            return Err(format!("another dealing of the same events gives other tables:\n{difference}"));
        }
    }
    Ok(())
}

/// Rebuilds by another zone and another timeout: the tables are as if they had been the settings all
/// along. Then back again: the tables are what they were.
fn rebuilt_by_other_settings(
    case: &Case,
    disk: &Arc<MemoryDisk>,
    settings: &Settings,
    model: &Model,
) -> Result<(), String> {
    let zone = Zone::parse(ZONES[(usize::from(case.zone) + 1) % ZONES.len()]).unwrap();
    // The most sessions are joined by a long timeout, and cut by a short one.
    let timeout = [90, 1800, 7200][usize::from(case.seeds[0][12] / 4 % 3)] * SECOND;
    let other = Settings { timezone: zone, session_timeout: timeout, ..settings.clone() };
    for (what, settings) in [("by other settings", &other), ("back again", settings)] {
        place::rebuild(disk, settings, NOW + 1000 * SECOND).map_err(|e| e.to_string())?;
        let found = tables::read(&place::store_on(disk).snapshot().unwrap()).map_err(|e| e.to_string())?;
        naive::check(model, settings.timezone.0, settings.session_timeout, found)
            .map_err(|difference| format!("rebuilt {what}:\n{difference}"))?;
        if let Some(problem) = place::unnamed_files(disk) {
            return Err(format!("rebuilt {what}: {problem}"));
        }
    }
    Ok(())
}

/// Makes a disk with a store's key on it, so that two stores make the same ids of addresses.
fn disk_with_key() -> Arc<MemoryDisk> {
    use wa::store::fs::Disk;
    let disk = MemoryDisk::new();
    let dir = std::path::Path::new(place::STORE);
    disk.create_dir_all(dir).unwrap();
    disk.write_new(&dir.join("key"), "5a".repeat(32).as_bytes()).unwrap();
    disk
}

fn take_in(
    disk: &Arc<MemoryDisk>,
    settings: &Settings,
    runs: &[Run],
    model: &mut Model,
) -> Result<(), String> {
    let folder = place::folder();
    let mut present: std::collections::BTreeMap<String, Vec<String>> = Default::default();
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
            model.file(lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty()));
        }
        let now = NOW + number as Micros * SECOND;
        let options = wa::ingest::run::Options {
            batch_bytes: Some(run.batch_bytes),
            force: run.force,
            atomic: run.atomic,
            ..place::options(inputs, now)
        };
        let report = place::ingest(disk, settings, &options).map_err(|e| e.to_string())?;
        if let Some(problem) = report.failure.iter().chain(&report.problems).next() {
            return Err(format!("run {number}: {problem}"));
        }
        if !report.account.adds_up() {
            return Err(format!("run {number}: the account does not add up: {:#?}", report.account));
        }
        let expected = model.read - read_before;
        let total = &report.account.total;
        if run.force && total.read - total.unfinished != expected {
            return Err(format!("run {number}: {} events read, not {expected}", total.read));
        }
        if run.gc {
            place::gc(disk, settings, now).map_err(|e| e.to_string())?;
        }
        if run.rebuild {
            let report = place::rebuild(disk, settings, now).map_err(|e| e.to_string())?;
            // By the same settings, there is nothing to be made anew.
            if (report.sessions_changed, report.first_sights_changed) != (0, 0) {
                return Err(format!("run {number}: a rebuild by the same settings changes rows: {report:?}"));
            }
        }
    }
    Ok(())
}

/// Tries so many cases by chance, besides those that once failed.
fn try_cases(cases: u32) {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/order.txt");
    let config = Config {
        cases: place::cases(cases),
        max_shrink_iters: 2000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        ..Config::default()
    };
    // A failure prints the smallest case that was found, and its seed, which is kept in that file.
    let outcome = TestRunner::new(config).run(&case(), |case| run_case(&case).map_err(TestCaseError::fail));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// In two tests, so that two threads try them.
const CASES: u32 = 1000;

#[test]
fn order_the_tables_are_a_function_of_the_set_of_events() {
    try_cases(CASES);
}

#[test]
fn order_the_tables_are_a_function_of_the_set_of_events_in_further_cases() {
    try_cases(CASES);
}
