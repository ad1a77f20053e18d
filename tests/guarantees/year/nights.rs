//! The nights with their disruptions, and the expected results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use wa::ingest;
use wa::progress::NoProgress;
use wa::settings::{Retention, Settings};
use wa::store::Store;
use wa::store::columns::Table;
use wa::time::{DAY, Day, Micros, SECOND, Zone, format_utc};

use super::super::support::fixtures::{self, assert_no_orphan_files, run_expecting, wa};
use super::super::support::generated_logs::LogFile;
use super::super::support::reference_model::{self, Model};
use super::super::support::rng::Rng;
use super::super::support::tables::{self, Row, Tables};
use super::Plan;
use super::cost::{self, Cost};
use super::failing_file_system::FailingFileSystem;
use super::report_checks;
use super::traffic::{Line, LineKind, Traffic, start_of_day};

/// The store's time zone. A night's run is at 02:00 UTC, which is on the same day in this zone.
pub const ZONE: chrono_tz::Tz = chrono_tz::Europe::Berlin;
const TIMEOUT: Micros = 1800 * SECOND;
/// The number of nights after which an unchanged log is removed.
const LOG_LIFETIME: i32 = 45;

/// A log in the folder.
struct Log {
    lines: Vec<Line>,
    /// The night of its last change.
    night: i32,
    /// Whether a completed ingest has read its lines.
    read: bool,
}

/// The disruption of a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disruption {
    None,
    NoRun,
    NoGc,
    IngestKilled,
    GcKilled,
    DiskFailsIngest,
    DiskFailsGc,
}

/// A simulated year: the store, its input, and the expected state.
pub struct Year {
    plan: Plan,
    folder: tempfile::TempDir,
    settings: Settings,
    traffic: Traffic,
    rng: Rng,
    logs: BTreeMap<String, Log>,
    /// The model of all lines that were ingested.
    model: Model,
    /// The retained rejected lines, with the day on which each was rejected.
    rejected: BTreeMap<String, i32>,
    /// The last day whose events are pruned.
    pruned: Option<i32>,
    /// All events that were stored at any time.
    stored_events: BTreeMap<(String, String), Row>,
    /// The data files from which these events were read.
    files_read: BTreeSet<String>,
    costs: Vec<Cost>,
    /// The numbers of processes killed before their end, and of failed disks.
    disruption_counts: [u32; 2],
}

impl Year {
    /// Creates the store with the retention of the plan.
    pub fn new(plan: Plan) -> Year {
        let folder = fixtures::folder();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let mut init = wa(folder.path(), &format_utc(start_of_day(0)));
        init.args(["--store", "store", "init", "--timezone", ZONE.name()]);
        init.args(["--keep-events", &format!("{}d", plan.events)]);
        init.args(["--keep-sessions", &format!("{}d", plan.sessions)]);
        run_expecting(&mut init, 0);
        let days = |days: i32| Retention::Days(days as u32);
        Year {
            plan,
            folder,
            settings: Settings {
                timezone: Zone(ZONE),
                event_retention: days(plan.events),
                session_retention: days(plan.sessions),
                ..Settings::default()
            },
            traffic: Traffic::new(),
            rng: Rng(7),
            logs: BTreeMap::new(),
            model: Model::default(),
            rejected: BTreeMap::new(),
            pruned: None,
            stored_events: BTreeMap::new(),
            files_read: BTreeSet::new(),
            costs: Vec::new(),
            disruption_counts: [0; 2],
        }
    }

    fn store(&self) -> Store {
        Store::new(self.store_dir())
    }

    fn store_dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Returns the time of a night's run: 02:00 UTC after its day.
    fn now(night: i32) -> Micros {
        start_of_day(night + 1) + 2 * 3600 * SECOND
    }

    /// Returns a command that runs on a night.
    fn wa(&self, night: i32, arguments: &str) -> std::process::Command {
        let mut command = wa(self.folder.path(), &format_utc(Self::now(night)));
        command.args(["--store", "store"]).args(arguments.split_whitespace());
        command
    }

    fn disruption(&self, night: i32) -> Disruption {
        if night + 1 == self.plan.nights {
            return Disruption::None;
        }
        match () {
            () if night % 37 == 17 => Disruption::NoRun,
            () if night % 11 == 5 => Disruption::NoGc,
            () if night % 9 == 4 => Disruption::IngestKilled,
            () if night % 17 == 8 => Disruption::GcKilled,
            () if night % 13 == 7 => Disruption::DiskFailsIngest,
            () if night % 13 == 11 => Disruption::DiskFailsGc,
            () => Disruption::None,
        }
    }

    /// Runs a night.
    pub fn night(&mut self, night: i32) {
        self.write_logs(night);
        let disruption = self.disruption(night);
        if disruption == Disruption::NoRun {
            return;
        }
        let (ticks, started) = (cost::children_ticks(), Instant::now());
        match disruption {
            Disruption::IngestKilled => self.kill(night, "--quiet ingest logs"),
            Disruption::DiskFailsIngest => self.ingest_on_failing_disk(night),
            _ => {}
        }
        self.ingest(night);
        // Collect stored events before gc prunes some of them. This time is not part of the
        // measured time.
        let pause = Instant::now();
        self.collect_stored_events();
        let pause = pause.elapsed();
        match disruption {
            Disruption::NoGc => {}
            Disruption::DiskFailsGc => self.gc_on_failing_disk(night),
            _ => {
                if disruption == Disruption::GcKilled {
                    self.kill(night, "--quiet gc");
                }
                let done = run_expecting(&mut self.wa(night, "--quiet gc"), 0);
                assert!(
                    done.stdout.is_empty() && done.stderr.is_empty(),
                    "`--quiet` must suppress all output"
                );
                self.record_gc(night);
            }
        }
        run_expecting(&mut self.wa(night, "report summary --days 7 --as-of yesterday"), 0);
        let seconds = (started.elapsed() - pause).as_secs_f64();
        let snapshot = self.store().snapshot().unwrap();
        if disruption == Disruption::None {
            let ticks = ticks.and_then(|before| Some(cost::children_ticks()? - before));
            let dir = self.store_dir();
            self.costs.push(Cost::measure(night, ticks, seconds, snapshot.manifest(), &dir));
        }
        if disruption != Disruption::DiskFailsGc {
            assert_no_orphan_files(snapshot.manifest(), snapshot.dir());
        }
    }

    /// Writes the lines of the day to the logs, and rotates and removes logs.
    fn write_logs(&mut self, night: i32) {
        let Plan { nights, events, visits, .. } = self.plan;
        self.traffic.day(night, visits);
        if night < 4 {
            self.traffic.history(night, night);
        }
        // Send earlier days of the separate chatbot, after the sessions of its first days were
        // pruned.
        if night == nights - 5 {
            (-6..-3).for_each(|day| self.traffic.history(day, night));
        }
        if night % 10 == 9 && night > events + 6 {
            self.traffic.pruned_day(night - events - 3, night, 2);
        }
        if night % 5 == 2 {
            self.traffic.malformed(night);
        }
        // Send a copy of a log from four nights ago, or of a pruned day.
        let back = if night % 20 == 13 { events + 3 } else { 4 };
        if night % 7 == 6
            && let Some(log) = self.logs.get(&format!("day-{:03}.ndjson", night - back))
        {
            let lines = log.lines.clone();
            self.write(format!("sent-again-{night:03}.ndjson.gz"), lines, night);
        }
        if night % 30 == 29
            && let Some(log) = self.logs.remove("widget.ndjson")
        {
            fs::remove_file(self.folder.path().join("logs/widget.ndjson")).unwrap();
            self.write(format!("widget-{night:03}.ndjson.gz"), log.lines, night);
        }
        let due = self.traffic.take_due(night);
        self.write(format!("day-{night:03}.ndjson"), due.daily, night);
        let mut grown = self.logs.remove("widget.ndjson").map(|log| log.lines).unwrap_or_default();
        grown.extend(due.growing);
        self.write("widget.ndjson".to_owned(), grown, night);
        let old = |log: &Log| log.night < night - LOG_LIFETIME;
        for (name, _) in self.logs.iter().filter(|(_, log)| old(log)) {
            fs::remove_file(self.folder.path().join("logs").join(name)).unwrap();
        }
        self.logs.retain(|_, log| !old(log));
    }

    fn write(&mut self, name: String, lines: Vec<Line>, night: i32) {
        let texts = lines.iter().map(|line| line.text.clone()).collect();
        let file = LogFile { name: name.clone(), lines: texts, unfinished: String::new(), no_newline: false };
        fs::write(self.folder.path().join("logs").join(&name), file.bytes()).unwrap();
        self.logs.insert(name, Log { lines, night, read: false });
    }

    /// Ingests the logs, and checks the ingest summary.
    fn ingest(&mut self, night: i32) {
        let done = run_expecting(&mut self.wa(night, "ingest logs --format json"), 0);
        let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
        let day = night + 1;
        let mut pruned_events = 0;
        for log in self.logs.values_mut().filter(|log| !log.read) {
            log.read = true;
            let valid = log.lines.iter().filter(|line| line.kind == LineKind::Valid);
            self.model.add_file(valid.map(|line| line.text.as_str()));
            for line in &log.lines {
                if line.kind == LineKind::Malformed {
                    self.rejected.entry(line.text.clone()).or_insert(day);
                } else if line.day.is_some_and(|day| Some(day) <= self.pruned) {
                    pruned_events += line.events;
                }
            }
        }
        let total = &summary["total"];
        let count = |name: &str| total[name].as_u64().unwrap();
        let rejected: u64 = total["rejected"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        let sum = count("stored") + count("duplicate") + count("already_pruned") + rejected;
        assert_eq!(count("read"), sum, "night {night}: {summary:#}");
        // An interrupted run may already have ingested a log. The log is then not read again.
        let interrupted =
            matches!(self.disruption(night), Disruption::IngestKilled | Disruption::DiskFailsIngest);
        assert!(
            count("already_pruned") == pruned_events
                || interrupted && count("already_pruned") < pruned_events,
            "night {night}: expected {pruned_events} already pruned events: {summary:#}"
        );
    }

    /// Starts a command and kills it, in most cases before its end.
    fn kill(&mut self, night: i32, arguments: &str) {
        let mut command = self.wa(night, arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(self.rng.below(60_000)));
        self.disruption_counts[0] += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        self.collect_stored_events();
    }

    /// Ingests the logs on a disk that fails.
    fn ingest_on_failing_disk(&mut self, night: i32) {
        let store = Store::with_file_system(FailingFileSystem::after(self.rng.below(120)), self.store_dir());
        let logs = self.folder.path().join("logs").display().to_string();
        let options = fixtures::ingest_options(vec![logs], Self::now(night));
        let failed = match ingest::run(&store, &self.settings.clone().into(), &options, &NoProgress) {
            Ok(report) => report.failure.is_some(),
            Err(_) => true,
        };
        self.disruption_counts[1] += u32::from(failed);
    }

    /// Runs gc on a disk that fails; gc succeeds again on the next night.
    fn gc_on_failing_disk(&mut self, night: i32) {
        let store = Store::with_file_system(FailingFileSystem::after(self.rng.below(80)), self.store_dir());
        let clock = wa::time::Clock { now: Self::now(night) };
        let options =
            wa::maintenance::GcOptions { clock, dry_run: false, yes: false, lock_timeout: Duration::ZERO };
        let before = self.store().snapshot().unwrap().manifest().generation;
        let failed = wa::maintenance::gc(&store, &self.settings, options).is_err();
        self.disruption_counts[1] += u32::from(failed);
        // gc may fail after its commit.
        if self.store().snapshot().unwrap().manifest().generation > before {
            self.record_gc(night);
        }
    }

    /// Records that gc has pruned events and rejected lines.
    fn record_gc(&mut self, night: i32) {
        let last = night + 1 - self.plan.events;
        self.pruned = self.pruned.max(Some(last));
        self.rejected.retain(|_, day| *day > last);
    }

    /// Collects the events in new data files.
    fn collect_stored_events(&mut self) {
        if !self.store().exists() {
            return;
        }
        let snapshot = self.store().snapshot().unwrap();
        for file in snapshot.manifest().files(Table::Events) {
            if !self.files_read.insert(file.path.clone()) {
                continue;
            }
            for row in tables::read_file(&snapshot, Table::Events, file).unwrap() {
                let key = (row["chatbot_id"].to_string(), row["id"].to_string());
                // A merged file contains the same events again.
                let first = self.stored_events.entry(key).or_insert_with(|| row.clone());
                assert_eq!(*first, row, "an event has changed");
            }
        }
    }

    /// Compares the store after gc with the expected state.
    pub fn check(&mut self, night: i32) {
        run_expecting(&mut self.wa(night, "--quiet gc"), 0);
        self.record_gc(night);
        self.collect_stored_events();
        let snapshot = self.store().snapshot().unwrap();
        let mut found = tables::read(&snapshot).unwrap();
        self.check_retained_events(night, &found["events"]);
        let all = self.stored_events.values().cloned().collect();
        found.insert("events", all);
        let last_session = Day::utc(start_of_day(night + 1)).plus(-self.plan.sessions);
        let ended = |row: &Row| Zone(ZONE).day(row["ended_at"].as_i64().unwrap());
        let sessions_before = found["sessions"].len();
        let expected =
            reference_model::check_retained(&self.model, ZONE, TIMEOUT, found, |table, row| match table {
                "sessions" => ended(row) > last_session,
                _ => true,
            });
        let expected = expected.unwrap_or_else(|difference| panic!("night {night}: {difference}"));
        if night > self.plan.sessions {
            let first = expected["sessions"].iter().map(ended).min();
            assert_eq!(first, Some(last_session.plus(1)), "of {sessions_before} sessions");
        }
        let rejects: u64 = snapshot.manifest().rejects.iter().map(|file| file.rows).sum();
        assert_eq!(rejects, self.rejected.len() as u64, "rejected lines are pruned with events");
        self.check_reports(night, &expected);
        let verified = run_expecting(&mut self.wa(night, "--quiet verify"), 0);
        assert!(verified.stdout.is_empty() && verified.stderr.is_empty());
    }

    /// Checks that exactly the events within the retention period are stored, unchanged.
    fn check_retained_events(&self, night: i32, found: &[Row]) {
        let last = i64::from(night + 1 - self.plan.events);
        let is_retained =
            |row: &&Row| (row["timestamp"].as_i64().unwrap() - start_of_day(0)).div_euclid(DAY) > last;
        let mut expected: Vec<&Row> = self.stored_events.values().filter(is_retained).collect();
        let mut found: Vec<&Row> = found.iter().collect();
        for rows in [&mut expected, &mut found] {
            rows.sort_by_key(|row| (row["chatbot_id"].to_string(), row["id"].to_string()));
        }
        assert_eq!(found.len(), expected.len(), "night {night}: events");
        assert!(found == expected, "night {night}: an event has changed");
    }

    /// Compares reports over four windows with the expected tables.
    fn check_reports(&self, night: i32, expected: &Tables) {
        for days in [1, 7, 30, self.plan.sessions - 2] {
            let report = |name: &str| -> Value {
                let limit = if name == "events" { "--limit 100" } else { "" };
                let arguments =
                    format!("report {name} --days {days} --as-of yesterday --format json {limit}");
                serde_json::from_slice(&run_expecting(&mut self.wa(night, &arguments), 0).stdout).unwrap()
            };
            let to = Day::utc(start_of_day(night));
            report_checks::check(expected, (to.plus(1 - days), to), &report);
        }
    }

    /// Asserts that the store grows only by data that is never pruned, which is in monthly files of
    /// daily statistics and visitors.
    pub fn assert_steady_size(&self) {
        for cost in &self.costs {
            let [events, sessions, months, visitors] = cost.files;
            let most = (cost.night + 20) as u64 / 30 + 2;
            // One file per day. There can be one more day of events, and one more day of continued
            // sessions.
            assert!(events <= self.plan.events as u64 + 1, "{cost:?}");
            assert!(sessions <= self.plan.sessions as u64 + 2, "{cost:?}");
            assert!(months <= most && visitors <= most, "{cost:?}");
            // Other files: manifest, key, lock, settings, two auxiliary files, and rejects by day.
            let other_files = cost.all_files - events - sessions - months - visitors;
            assert!(other_files <= 6 + self.plan.events as u64, "{cost:?}");
        }
        let last = self.plan.nights;
        let pairs = [
            (
                "events",
                0,
                self.plan.events + 2..self.plan.events + 2 + 30.min(last / 4),
                last - 30.min(last / 4)..last,
            ),
            (
                "sessions",
                1,
                self.plan.sessions + 2..(self.plan.sessions + 2 + last) / 2,
                (self.plan.sessions + 2 + last) / 2..last,
            ),
        ];
        for (name, table, early, late) in pairs {
            let files = |nights| cost::mean(&self.costs, nights, |cost| cost.files[table] as f64);
            let bytes = |nights| cost::mean(&self.costs, nights, |cost| cost.bytes[table] as f64);
            let (files_early, files_late) = (files(early.clone()), files(late.clone()));
            assert!(
                (files_early - files_late).abs() <= 1.5,
                "{name}: {files_early} files, then {files_late}"
            );
            let ratio = bytes(late) / bytes(early);
            assert!((0.8..1.25).contains(&ratio), "{name}: the bytes grew by a factor of {ratio}");
        }
        assert!(
            self.disruption_counts[0] > 0 && self.disruption_counts[1] > 0,
            "{:?}",
            self.disruption_counts
        );
        // If nothing was pruned, the checks above would prove nothing.
        assert!(
            self.stored_events.len()
                > 2 * self
                    .store()
                    .snapshot()
                    .unwrap()
                    .manifest()
                    .files(Table::Events)
                    .iter()
                    .map(|f| f.rows as usize)
                    .sum::<usize>()
        );
    }

    /// Returns a table of the cost of nights, early and late in the year.
    pub fn costs(&self) -> String {
        let Plan { nights, events, sessions, .. } = self.plan;
        let periods = [events + 10..events + 40, nights - 30..nights];
        let periods = match nights > sessions + 34 {
            true => vec![
                periods[0].clone(),
                nights / 2..nights / 2 + 30,
                sessions + 1..sessions + 18,
                sessions + 18..nights,
            ],
            false => vec![events + 2..events + 12, sessions + 1..nights],
        };
        format!(
            "{} events were stored in {} nights; {} processes were killed, and {} disks failed\n{}",
            self.stored_events.len(),
            nights,
            self.disruption_counts[0],
            self.disruption_counts[1],
            cost::table(&self.costs, &periods)
        )
    }
}
