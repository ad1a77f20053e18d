//! The nights, with what goes wrong in them; what is expected is kept beside.

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

use super::super::disk::Chance;
use super::super::kill::assert_no_unnamed_files;
use super::super::logs::File;
use super::super::naive::{self, Model};
use super::super::place::{self, ends, wa};
use super::super::tables::{self, Row, Tables};
use super::Plan;
use super::cost::{self, Cost};
use super::disk::FailingDisk;
use super::figures;
use super::traffic::{Fate, Line, Traffic, moment};

/// The store's zone: a night at two by UTC is a few hours later there, on the same day.
pub const ZONE: chrono_tz::Tz = chrono_tz::Europe::Berlin;
const TIMEOUT: Micros = 1800 * SECOND;
/// For so many nights a log lies in the folder.
const ROTATED: i32 = 45;

/// A log in the folder.
struct Log {
    lines: Vec<Line>,
    /// The night on which it was last changed.
    night: i32,
    /// Its lines were read by an ingest that came to its end.
    read: bool,
}

/// What happens on a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    Missed,
    NoGc,
    IngestKilled,
    GcKilled,
    DiskFailsIngest,
    DiskFailsGc,
}

/// A year, as far as it has been played.
pub struct Year {
    plan: Plan,
    folder: tempfile::TempDir,
    settings: Settings,
    traffic: Traffic,
    chance: Chance,
    logs: BTreeMap<String, Log>,
    /// What is expected.
    model: Model,
    /// The refused lines, with the day on which each was.
    refused: BTreeMap<String, i32>,
    /// The last day whose events a gc took.
    pruned: Option<i32>,
    /// Every event that was ever stored, and the files in which they were found.
    ever: BTreeMap<(String, String), Row>,
    seen: BTreeSet<String>,
    costs: Vec<Cost>,
    /// How often processes were killed in time, and disks failed.
    mishaps: [u32; 2],
}

impl Year {
    pub fn new(plan: Plan) -> Year {
        let folder = place::folder();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let mut init = wa(folder.path(), &format_utc(moment(0)));
        init.args(["--store", "store", "init", "--timezone", ZONE.name()]);
        init.args(["--keep-events", &format!("{}d", plan.events)]);
        init.args(["--keep-sessions", &format!("{}d", plan.sessions)]);
        ends(&mut init, 0);
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
            chance: Chance(7),
            logs: BTreeMap::new(),
            model: Model::default(),
            refused: BTreeMap::new(),
            pruned: None,
            ever: BTreeMap::new(),
            seen: BTreeSet::new(),
            costs: Vec::new(),
            mishaps: [0; 2],
        }
    }

    fn store(&self) -> Store {
        Store::new(self.store_dir())
    }

    fn store_dir(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Returns what time it is on a night: two o'clock after its day.
    fn now(night: i32) -> Micros {
        moment(night + 1) + 2 * 3600 * SECOND
    }

    /// Returns a command of the night.
    fn wa(&self, night: i32, arguments: &str) -> std::process::Command {
        let mut command = wa(self.folder.path(), &format_utc(Self::now(night)));
        command.args(["--store", "store"]).args(arguments.split_whitespace());
        command
    }

    fn mishap(&self, night: i32) -> Mishap {
        if night + 1 == self.plan.nights {
            return Mishap::None;
        }
        match () {
            () if night % 37 == 17 => Mishap::Missed,
            () if night % 11 == 5 => Mishap::NoGc,
            () if night % 9 == 4 => Mishap::IngestKilled,
            () if night % 17 == 8 => Mishap::GcKilled,
            () if night % 13 == 7 => Mishap::DiskFailsIngest,
            () if night % 13 == 11 => Mishap::DiskFailsGc,
            () => Mishap::None,
        }
    }

    /// Plays a night.
    pub fn night(&mut self, night: i32) {
        self.write_logs(night);
        let mishap = self.mishap(night);
        if mishap == Mishap::Missed {
            return;
        }
        let (ticks, started) = (cost::children_ticks(), Instant::now());
        match mishap {
            Mishap::IngestKilled => self.kill(night, "--quiet ingest logs"),
            Mishap::DiskFailsIngest => self.fail_ingest(night),
            _ => {}
        }
        self.ingest(night);
        // What was stored is looked at before a gc takes some of it: that is no part of the night.
        let pause = Instant::now();
        self.look_at_new_files();
        let pause = pause.elapsed();
        match mishap {
            Mishap::NoGc => {}
            Mishap::DiskFailsGc => self.fail_gc(night),
            _ => {
                if mishap == Mishap::GcKilled {
                    self.kill(night, "--quiet gc");
                }
                let done = ends(&mut self.wa(night, "--quiet gc"), 0);
                assert!(done.stdout.is_empty() && done.stderr.is_empty(), "quiet is quiet");
                self.pruned(night);
            }
        }
        ends(&mut self.wa(night, "report summary --days 7 --as-of yesterday"), 0);
        let seconds = (started.elapsed() - pause).as_secs_f64();
        let snapshot = self.store().snapshot().unwrap();
        if mishap == Mishap::None {
            let ticks = ticks.and_then(|before| Some(cost::children_ticks()? - before));
            let dir = self.store_dir();
            self.costs.push(Cost::of(night, ticks, seconds, snapshot.manifest(), &dir));
        }
        if mishap != Mishap::DiskFailsGc {
            assert_no_unnamed_files(snapshot.manifest(), snapshot.dir());
        }
    }

    /// Writes what the day has added to the logs.
    fn write_logs(&mut self, night: i32) {
        let Plan { nights, events, visits, .. } = self.plan;
        self.traffic.day(night, visits);
        if night < 4 {
            self.traffic.history(night, night);
        }
        // Older days of that chatbot, when the sessions of its first days have gone.
        if night == nights - 5 {
            (-6..-3).for_each(|day| self.traffic.history(day, night));
        }
        if night % 10 == 9 && night > events + 6 {
            self.traffic.too_late(night - events - 3, night, 2);
        }
        if night % 5 == 2 {
            self.traffic.bad(night);
        }
        // A copy of a log of some nights ago, or of a day that is pruned.
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
        let due = self.traffic.due(night);
        self.write(format!("day-{night:03}.ndjson"), due.daily, night);
        let mut grown = self.logs.remove("widget.ndjson").map(|log| log.lines).unwrap_or_default();
        grown.extend(due.growing);
        self.write("widget.ndjson".to_owned(), grown, night);
        let old = |log: &Log| log.night < night - ROTATED;
        for (name, _) in self.logs.iter().filter(|(_, log)| old(log)) {
            fs::remove_file(self.folder.path().join("logs").join(name)).unwrap();
        }
        self.logs.retain(|_, log| !old(log));
    }

    fn write(&mut self, name: String, lines: Vec<Line>, night: i32) {
        let texts = lines.iter().map(|line| line.text.clone()).collect();
        let file = File { name: name.clone(), lines: texts, cut: String::new(), no_newline: false };
        fs::write(self.folder.path().join("logs").join(&name), file.bytes()).unwrap();
        self.logs.insert(name, Log { lines, night, read: false });
    }

    /// Takes the logs in, and checks the account against what is expected of each.
    fn ingest(&mut self, night: i32) {
        let done = ends(&mut self.wa(night, "ingest logs --format json"), 0);
        let account: Value = serde_json::from_slice(&done.stdout).unwrap();
        let day = night + 1;
        let mut too_late = 0;
        for log in self.logs.values_mut().filter(|log| !log.read) {
            log.read = true;
            let counts = log.lines.iter().filter(|line| line.fate == Fate::Counts);
            self.model.file(counts.map(|line| line.text.as_str()));
            for line in &log.lines {
                if line.fate == Fate::Refused {
                    self.refused.entry(line.text.clone()).or_insert(day);
                } else if line.day.is_some_and(|day| Some(day) <= self.pruned) {
                    too_late += line.events;
                }
            }
        }
        let total = &account["total"];
        let of = |name: &str| total[name].as_u64().unwrap();
        let refused: u64 = total["rejected"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        let sum = of("stored") + of("duplicate") + of("already_pruned") + refused;
        assert_eq!(of("read"), sum, "night {night}: {account:#}");
        // A run that was interrupted may have taken a log in whole: that one is not read again.
        let all = matches!(self.mishap(night), Mishap::IngestKilled | Mishap::DiskFailsIngest);
        assert!(
            of("already_pruned") == too_late || all && of("already_pruned") < too_late,
            "night {night}: {too_late} events come too late: {account:#}"
        );
    }

    /// Starts a command and kills it, mostly before it is done.
    fn kill(&mut self, night: i32, arguments: &str) {
        let mut command = self.wa(night, arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(self.chance.below(60_000)));
        self.mishaps[0] += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        self.look_at_new_files();
    }

    fn fail_ingest(&mut self, night: i32) {
        let store = Store::with_file_system(FailingDisk::after(self.chance.below(120)), self.store_dir());
        let logs = self.folder.path().join("logs").display().to_string();
        let options = place::options(vec![logs], Self::now(night));
        let failed = match ingest::run(&store, &self.settings, &options, &NoProgress) {
            Ok(report) => report.failure.is_some(),
            Err(_) => true,
        };
        self.mishaps[1] += u32::from(failed);
    }

    /// A gc on a disk that fails; the next night's is the first to work again.
    fn fail_gc(&mut self, night: i32) {
        let store = Store::with_file_system(FailingDisk::after(self.chance.below(80)), self.store_dir());
        let clock = wa::time::Clock { now: Self::now(night) };
        let options =
            wa::maintenance::GcOptions { clock, dry_run: false, yes: false, lock_timeout: Duration::ZERO };
        let before = self.store().snapshot().unwrap().manifest().generation;
        let failed = wa::maintenance::gc(&store, &self.settings, options).is_err();
        self.mishaps[1] += u32::from(failed);
        // It may have failed after its commit.
        if self.store().snapshot().unwrap().manifest().generation > before {
            self.pruned(night);
        }
    }

    /// Takes note that a gc was done.
    fn pruned(&mut self, night: i32) {
        let last = night + 1 - self.plan.events;
        self.pruned = self.pruned.max(Some(last));
        self.refused.retain(|_, day| *day > last);
    }

    /// Reads the events that lie in files which were not there before.
    fn look_at_new_files(&mut self) {
        if !self.store().exists() {
            return;
        }
        let snapshot = self.store().snapshot().unwrap();
        for file in snapshot.manifest().files(Table::Events) {
            if !self.seen.insert(file.path.clone()) {
                continue;
            }
            for row in tables::read_file(&snapshot, Table::Events, file).unwrap() {
                let key = (row["chatbot_id"].to_string(), row["id"].to_string());
                // A file that was merged of others says the same again.
                let known = self.ever.entry(key).or_insert_with(|| row.clone());
                assert_eq!(*known, row, "an event has changed");
            }
        }
    }

    /// Compares the store, after a gc, with what is expected.
    pub fn check(&mut self, night: i32) {
        ends(&mut self.wa(night, "--quiet gc"), 0);
        self.pruned(night);
        self.look_at_new_files();
        let snapshot = self.store().snapshot().unwrap();
        let mut found = tables::read(&snapshot).unwrap();
        self.events_are_kept_to_the_day(night, &found["events"]);
        let all = self.ever.values().cloned().collect();
        found.insert("events", all);
        let last_session = Day::utc(moment(night + 1)).plus(-self.plan.sessions);
        let ended = |row: &Row| Zone(ZONE).day(row["ended_at"].as_i64().unwrap());
        let sessions_before = found["sessions"].len();
        let expected = naive::check_kept(&self.model, ZONE, TIMEOUT, found, |table, row| match table {
            "sessions" => ended(row) > last_session,
            _ => true,
        });
        let expected = expected.unwrap_or_else(|difference| panic!("night {night}: {difference}"));
        if night > self.plan.sessions {
            let first = expected["sessions"].iter().map(ended).min();
            assert_eq!(first, Some(last_session.plus(1)), "of {sessions_before} sessions");
        }
        let rejects: u64 = snapshot.manifest().rejects.iter().map(|file| file.rows).sum();
        assert_eq!(rejects, self.refused.len() as u64, "refused lines go with the events");
        self.reports_say_so(night, &expected);
        let verified = ends(&mut self.wa(night, "--quiet verify"), 0);
        assert!(verified.stdout.is_empty() && verified.stderr.is_empty());
    }

    /// Checks that exactly the events of the last days are there, as they were stored.
    fn events_are_kept_to_the_day(&self, night: i32, found: &[Row]) {
        let last = i64::from(night + 1 - self.plan.events);
        let kept = |row: &&Row| (row["timestamp"].as_i64().unwrap() - moment(0)).div_euclid(DAY) > last;
        let mut expected: Vec<&Row> = self.ever.values().filter(kept).collect();
        let mut found: Vec<&Row> = found.iter().collect();
        for rows in [&mut expected, &mut found] {
            rows.sort_by_key(|row| (row["chatbot_id"].to_string(), row["id"].to_string()));
        }
        assert_eq!(found.len(), expected.len(), "night {night}: events");
        assert!(found == expected, "night {night}: an event is not what it was");
    }

    fn reports_say_so(&self, night: i32, expected: &Tables) {
        for days in [1, 7, 30, self.plan.sessions - 2] {
            let report = |name: &str| -> Value {
                let limit = if name == "events" { "--limit 100" } else { "" };
                let arguments =
                    format!("report {name} --days {days} --as-of yesterday --format json {limit}");
                serde_json::from_slice(&ends(&mut self.wa(night, &arguments), 0).stdout).unwrap()
            };
            let to = Day::utc(moment(night));
            figures::check(expected, (to.plus(1 - days), to), &report);
        }
    }

    /// Checks that the store does not grow but by what is kept for ever: a file a month of daily
    /// statistics and of first sights.
    pub fn is_level(&self) {
        for cost in &self.costs {
            let [events, sessions, months, visitors] = cost.files;
            let most = (cost.night + 20) as u64 / 30 + 2;
            // One file a day; events may lie a day ahead, and sessions that go on a day behind.
            assert!(events <= self.plan.events as u64 + 1, "{cost:?}");
            assert!(sessions <= self.plan.sessions as u64 + 2, "{cost:?}");
            assert!(months <= most && visitors <= most, "{cost:?}");
            // Beside the tables: manifest, key, lock, settings, two notes, and refused lines by day.
            let beside = cost.all_files - events - sessions - months - visitors;
            assert!(beside <= 6 + self.plan.events as u64, "{cost:?}");
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
            assert!((0.8..1.25).contains(&ratio), "{name}: {ratio} of the bytes");
        }
        assert!(self.mishaps[0] > 0 && self.mishaps[1] > 0, "{:?}", self.mishaps);
        // The contrary would go unnoticed: a year in which nothing is ever pruned.
        assert!(
            self.ever.len()
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

    /// Says what nights cost, early and late.
    pub fn costs(&self) -> String {
        let Plan { nights, events, sessions, .. } = self.plan;
        let stretches = [events + 10..events + 40, nights - 30..nights];
        let stretches = match nights > sessions + 34 {
            true => vec![
                stretches[0].clone(),
                nights / 2..nights / 2 + 30,
                sessions + 1..sessions + 18,
                sessions + 18..nights,
            ],
            false => vec![events + 2..events + 12, sessions + 1..nights],
        };
        format!(
            "{} events were stored in {} nights; {} processes were killed at work, and {} disks failed\n{}",
            self.ever.len(),
            nights,
            self.mishaps[0],
            self.mishaps[1],
            cost::table(&self.costs, &stretches)
        )
    }
}
