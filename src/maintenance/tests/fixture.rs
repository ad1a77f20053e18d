//! A store in a temporary folder with settings and a clock.

use std::sync::OnceLock;
use std::time::Duration;

use crate::daily_stats::DailyStats;
use crate::enrich::Enricher;
use crate::ingest;
use crate::maintenance::rebuild::rebuild_in_parts;
use crate::maintenance::replay::SESSIONS_TOGETHER;
use crate::maintenance::{self, RebuildReport, VerifyReport};
use crate::progress::NoProgress;
use crate::settings::{Retention, Settings};
use crate::store::columns::Table;
use crate::store::frame::{RecordReader, Value};
use crate::store::manifest::Manifest;
use crate::store::{Store, Writer, tables};
use crate::time::{Clock, Micros, Zone, parse_human};

/// A store with settings and a clock that advances by a second with each run.
pub struct Fixture {
    dir: tempfile::TempDir,
    pub settings: Settings,
    pub now: Micros,
    runs: usize,
}

/// The rows of tables as text, sorted.
pub type Rows = Vec<(Table, Vec<String>)>;

impl Fixture {
    /// Returns an empty store that retains all rows, with the clock at `now`.
    pub fn new(now: &str) -> Fixture {
        let settings = Settings {
            event_retention: Retention::Forever,
            session_retention: Retention::Forever,
            ..Settings::default()
        };
        let dir = tempfile::tempdir().unwrap();
        Fixture { dir, settings, now: parse_human(now).unwrap(), runs: 0 }
    }

    /// Sets the time zone of the settings.
    pub fn set_zone(&mut self, name: &str) {
        self.settings.timezone = Zone::parse(name).unwrap();
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        Store::new(self.dir.path().join("store"))
    }

    /// Opens a writer.
    pub fn writer(&self) -> Writer {
        let first = || Manifest::new(self.now, self.settings.timezone.name(), self.settings.session_timeout);
        self.store().writer("test", Duration::from_secs(5), first).unwrap()
    }

    /// Ingests lines as one file.
    pub fn ingest(&mut self, lines: &[String]) -> ingest::IngestReport {
        static ENRICHER: OnceLock<Enricher> = OnceLock::new();
        let enricher = ENRICHER.get_or_init(|| Enricher::new(None).unwrap());
        self.runs += 1;
        let file = self.dir.path().join(format!("{}.ndjson", self.runs));
        std::fs::write(&file, lines.concat()).unwrap();
        let options = ingest::IngestOptions {
            map: None,
            timezone: None,
            inputs: vec![file.to_owned()],
            chatbot: None,
            force: false,
            atomic: false,
            max_rejects: None,
            clock: Clock { now: self.now },
            lock_timeout: Duration::from_secs(5),
            key_file: None,
            batch_bytes: Some(2000),
            batches_per_commit: 1,
        };
        let report =
            ingest::run_with_writer(self.writer(), &self.settings, &options, enricher, &NoProgress).unwrap();
        assert!(report.failure.is_none() && report.problems.is_empty(), "{report:?}");
        self.now += 1_000_000;
        report
    }

    /// Runs a gc with retention periods in days for events and sessions.
    pub fn gc(&mut self, events: Option<u32>, sessions: Option<u32>) {
        let mut writer = self.writer();
        let keep = |days: Option<u32>| days.map_or(Retention::Forever, Retention::Days);
        let settings = Settings {
            event_retention: keep(events),
            session_retention: keep(sessions),
            daily_stats_retention: Retention::Forever,
            ..self.settings.clone()
        };
        let options = maintenance::GcOptions {
            clock: Clock { now: self.now },
            dry_run: false,
            yes: true,
            lock_timeout: Duration::ZERO,
        };
        maintenance::gc_with_writer(&mut writer, &settings, options).unwrap();
        writer.finish().unwrap();
        self.now += 1_000_000;
    }

    /// Runs a rebuild.
    pub fn rebuild(&mut self) -> RebuildReport {
        self.rebuild_in_parts(SESSIONS_TOGETHER)
    }

    /// Runs a rebuild with about `sessions_together` sessions of a date in memory.
    pub fn rebuild_in_parts(&mut self, sessions_together: u64) -> RebuildReport {
        let mut writer = self.writer();
        let clock = Clock { now: self.now };
        let (settings, progress) = (&self.settings, &NoProgress);
        let report = rebuild_in_parts(&mut writer, settings, clock, progress, sessions_together).unwrap();
        writer.finish().unwrap();
        self.now += 1_000_000;
        report
    }

    /// Runs a verify.
    pub fn verify(&self) -> VerifyReport {
        maintenance::verify(&self.store(), &Ok(self.settings.clone()), &NoProgress).unwrap()
    }

    /// Returns the number of files of all tables.
    pub fn file_count(&self) -> u64 {
        let snapshot = self.store().snapshot().unwrap();
        Table::ALL.into_iter().map(|table| snapshot.manifest().files(table).len() as u64).sum()
    }

    /// Checks that verify finds no differences.
    #[track_caller]
    pub fn assert_clean(&self) {
        let report = self.verify();
        assert!(report.is_clean() && report.notes.is_empty(), "{report:#?}");
        assert!(report.tables_compared);
    }

    /// Returns the rows of all tables except `events`, without the given columns.
    pub fn rows(&self, without: &[&str]) -> Rows {
        let snapshot = self.store().snapshot().unwrap();
        let tables = [Table::Sessions, Table::DailyStats, Table::Visitors];
        let of = |table: Table| {
            let mut rows = Vec::new();
            for file in snapshot.manifest().files(table) {
                let frame = snapshot.read_file(file, None).unwrap();
                let reader = RecordReader::all_columns(&frame, table).unwrap();
                for row in 0..frame.height() {
                    let mut text = format!("{} ", file.day);
                    for (column, value) in reader.record(row).entries() {
                        let value = match value {
                            Value::Date(day) => day.to_string(),
                            value => serde_json::to_string(value).unwrap(),
                        };
                        if !without.contains(&column.name) {
                            text.push_str(&format!("{}={value} ", column.name));
                        }
                    }
                    rows.push(text);
                }
            }
            rows.sort();
            rows
        };
        tables.into_iter().map(|table| (table, of(table))).collect()
    }

    /// Returns the rows without the columns that depend on when they were stored.
    pub fn content(&self) -> Rows {
        self.rows(&["created_at", "updated_at"])
    }

    /// Returns the sums of integer columns of a table.
    pub fn sums(&self, table: Table, columns: &[&str]) -> Vec<i64> {
        let snapshot = self.store().snapshot().unwrap();
        let frames = snapshot.read(table, None, columns).unwrap();
        let sum =
            |name: &&str| frames.iter().map(|f| f.ints(name).unwrap().iter().flatten().sum::<i64>()).sum();
        columns.iter().map(sum).collect()
    }

    /// Returns the rows of daily statistics, sorted by chatbot and day.
    pub fn days(&self) -> Vec<DailyStats> {
        let snapshot = self.store().snapshot().unwrap();
        let read = |file| tables::daily_stats::read(&snapshot.read_file(file, None).unwrap()).unwrap();
        let mut days: Vec<DailyStats> =
            snapshot.manifest().files(Table::DailyStats).iter().flat_map(read).collect();
        days.sort_by_key(|row| (row.chatbot_id.clone(), row.stat_date));
        days
    }

    /// Returns start, end and number of events of the sessions, sorted by start.
    pub fn sessions(&self) -> Vec<(String, String, u64)> {
        let snapshot = self.store().snapshot().unwrap();
        let texts = crate::session::TextInterner::default();
        let mut all = Vec::new();
        for file in snapshot.manifest().files(Table::Sessions) {
            let frame = snapshot.read_file(file, None).unwrap();
            let sessions = crate::store::tables::sessions::read(&frame).unwrap();
            all.extend(sessions.into_iter().map(|session| session.into_owned(&texts)));
        }
        all.sort_by_key(|session| session.first);
        let time = |time: Micros| crate::time::format_utc(time);
        all.iter().map(|s| (time(s.first.time), time(s.ended_at), s.event_count())).collect()
    }
}

/// Returns the line of an event; `more` is empty, or JSON members with a leading comma.
pub fn line(time: &str, session: &str, name: &str, more: &str) -> String {
    format!(
        "{{\"event_id\":\"{time} {session} {name}\",\"chatbot_id\":\"c\",\"session_id\":\"{session}\",\
         \"timestamp\":\"{time}\",\"event_name\":\"{name}\"{more}}}\n"
    )
}
