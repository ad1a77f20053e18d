//! `wa status`: the contents of a store.
//!
//! The command reads the manifest, the daily statistics and the newest sessions, so that its
//! duration hardly depends on the size of the store.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::chatbots::{ChatbotsStatus, chatbots};
use super::gc::prune::last_expired_day;
use crate::config::quantity::{format_duration, format_retention};
use crate::error::Result;
use crate::settings::{Retention, Settings};
use crate::store::Store;
use crate::store::columns::Table;
use crate::store::manifest::{DataFile, LastRun, Manifest};
use crate::store::paths::STAGING_DIR;
use crate::store::snapshot::Snapshot;
use crate::time::{Clock, DAY, Day, format_utc};

/// Days past the retention period after which rows that are still stored cause a warning.
const OVERDUE_DAYS: i32 = 7;
/// Files of a partition above which a warning suggests a gc.
const MANY_FILES: usize = 32;

/// The contents of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// The store's folder.
    pub(crate) store: String,
    /// The version of the store's format.
    pub(crate) version: u32,
    /// The number of commits.
    pub(crate) generation: u64,
    /// When the store was created, RFC 3339.
    pub(crate) created_at: String,
    /// When the store was last changed, RFC 3339.
    pub(crate) updated_at: String,
    /// The time zone of the days.
    pub(crate) timezone: String,
    /// The session timeout.
    pub(crate) session_timeout: String,
    /// The tables.
    pub(crate) tables: Vec<TableStatus>,
    /// The stored rejected lines.
    pub(crate) rejects: RejectsStatus,
    /// The chatbots; `None` if a file that names them cannot be read, which is then a warning.
    pub(crate) chatbots: Option<ChatbotsStatus>,
    /// Files that were ingested and are recognized when they are ingested again.
    pub(crate) ingested_files: u64,
    /// The last ingest.
    pub(crate) last_ingest: Option<Run>,
    /// The last gc.
    pub(crate) last_gc: Option<Run>,
    /// The retention periods.
    pub(crate) retention: RetentionStatus,
    /// Problems that need attention.
    pub(crate) warnings: Vec<Warning>,
}

/// The contents of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TableStatus {
    /// The name of the table.
    pub(crate) table: &'static str,
    /// The first day with rows; for `daily_stats` and `visitors`, the first month.
    pub(crate) first: Option<String>,
    /// The last day or month with rows.
    pub(crate) last: Option<String>,
    /// The number of days or months with rows.
    pub(crate) partitions: u64,
    /// The number of rows.
    pub(crate) rows: u64,
    /// The number of files.
    pub(crate) files: u64,
    /// The size of the files.
    pub(crate) bytes: u64,
}

/// The stored rejected lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RejectsStatus {
    /// The number of lines.
    pub(crate) rows: u64,
    /// The number of files.
    pub(crate) files: u64,
    /// The size of the files.
    pub(crate) bytes: u64,
}

/// A past run of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Run {
    /// When it ran, RFC 3339.
    pub(crate) at: String,
    /// The results of the run, as counts by name.
    #[serde(flatten)]
    pub(crate) counts: BTreeMap<String, u64>,
}

/// The retention periods of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RetentionStatus {
    /// Events.
    pub(crate) events: String,
    /// Sessions.
    pub(crate) sessions: String,
    /// Daily statistics.
    pub(crate) daily_stats: String,
    /// IP addresses.
    pub(crate) ip_addresses: String,
}

/// A problem that needs attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    /// The kind of warning, for programs.
    pub(crate) kind: &'static str,
    /// The warning as a sentence.
    pub(crate) text: String,
}

/// Returns the status of a store.
///
/// # Errors
/// Fails if there is no store, or its manifest cannot be read.
pub(crate) fn status(store: &Store, settings: &Settings, clock: Clock) -> Result<Status> {
    Ok(status_of(store, &store.snapshot()?, settings, clock))
}

/// Returns the status of a snapshot of a store. The chatbots are those of the current state of the
/// store, which can be newer.
pub(crate) fn status_of(store: &Store, snapshot: &Snapshot, settings: &Settings, clock: Clock) -> Status {
    let manifest = snapshot.manifest();
    let run = |run: &LastRun| Run { at: format_utc(run.at), counts: run.counts.clone() };
    // An empty store has no days or sessions yet, so the settings apply.
    let (timezone, timeout) = match manifest.is_empty() {
        true => (settings.timezone.name().to_owned(), settings.session_timeout),
        false => (manifest.timezone.clone(), manifest.session_timeout_us),
    };
    let mut warnings = warnings(store, snapshot, settings, clock);
    let chatbots = match store.read_consistently(chatbots) {
        Ok(chatbots) => Some(chatbots),
        // Return the rest of the status: it helps to find out why the file cannot be read.
        Err(error) => {
            let text = format!("the chatbots are unknown: {error}: run `wa verify`");
            warnings.push(Warning { kind: "unreadable_file", text });
            None
        }
    };
    Status {
        store: store.dir().display().to_string(),
        version: manifest.version,
        generation: manifest.generation,
        created_at: format_utc(manifest.created_at),
        updated_at: format_utc(manifest.updated_at),
        timezone,
        session_timeout: format_duration(timeout),
        tables: Table::ALL.into_iter().map(|table| table_status(manifest, table)).collect(),
        rejects: RejectsStatus {
            rows: manifest.rejects.iter().map(|file| file.rows).sum(),
            files: manifest.rejects.len() as u64,
            bytes: manifest.rejects.iter().map(|file| file.bytes).sum(),
        },
        ingested_files: manifest.sources.as_ref().map_or(0, |file| file.rows),
        last_ingest: manifest.last_ingest.as_ref().map(run),
        last_gc: manifest.last_gc.as_ref().map(run),
        retention: RetentionStatus {
            events: format_retention(settings.event_retention),
            sessions: format_retention(settings.session_retention),
            daily_stats: format_retention(settings.daily_stats_retention),
            ip_addresses: settings
                .anonymize_after_days
                .map_or("forever".to_owned(), |days| format!("{days}d")),
        },
        chatbots,
        warnings,
    }
}

fn table_status(manifest: &Manifest, table: Table) -> TableStatus {
    let files = manifest.files(table);
    let partitions: BTreeSet<Day> = files.iter().map(|file| file.day).collect();
    let sum = |value: fn(&DataFile) -> u64| files.iter().map(value).sum();
    let is_monthly = matches!(table, Table::DailyStats | Table::Visitors);
    let format = |day: &Day| match is_monthly {
        true => day.to_string().chars().take("YYYY-MM".len()).collect(),
        false => day.to_string(),
    };
    TableStatus {
        table: table.name(),
        first: partitions.first().map(format),
        last: partitions.last().map(format),
        partitions: partitions.len() as u64,
        rows: sum(|file| file.rows),
        files: files.len() as u64,
        bytes: sum(|file| file.bytes),
    }
}

fn warnings(store: &Store, snapshot: &Snapshot, settings: &Settings, clock: Clock) -> Vec<Warning> {
    let manifest = snapshot.manifest();
    let mut warnings = Vec::new();
    let mut warn = |kind: &'static str, text: String| warnings.push(Warning { kind, text });
    let newest = manifest.files(Table::Events).iter().map(|file| file.max_time).max();
    if let Some(newest) = newest.filter(|newest| *newest > clock.now) {
        warn(
            "future_events",
            format!(
                "the newest event is from {}, which is in the future: the clock of this machine or of a \
                 log's source is wrong",
                format_utc(newest)
            ),
        );
    }
    let today = snapshot.zone().day(clock.now);
    for (table, retention) in
        [(Table::Events, settings.event_retention), (Table::Sessions, settings.session_retention)]
    {
        if let Some(overdue) = oldest_overdue_day(manifest, snapshot, table, retention, today) {
            warn(
                "not_pruned",
                format!(
                    "{} are retained for {}, but some are from {overdue}: run `wa gc` every night",
                    table.name(),
                    format_retention(retention)
                ),
            );
        }
    }
    let overdue = i64::from(OVERDUE_DAYS) * DAY;
    if let Some(run) = manifest.last_ingest.as_ref().filter(|run| clock.now - run.at > overdue) {
        warn("no_ingest", format!("no ingest has run since {}", format_utc(run.at)));
    }
    let mut files: BTreeMap<(Table, Day), usize> = BTreeMap::new();
    for (table, file) in Table::ALL.into_iter().flat_map(|t| manifest.files(t).iter().map(move |f| (t, f))) {
        *files.entry((table, file.day)).or_default() += 1;
    }
    if let Some(((table, day), count)) =
        files.iter().max_by_key(|(_, count)| **count).filter(|(_, n)| **n > MANY_FILES)
    {
        warn("many_files", format!("{} of {day} are in {count} files: `wa gc` merges them", table.name()));
    }
    let differ = manifest.timezone != settings.timezone.name()
        || manifest.session_timeout_us != settings.session_timeout;
    if differ && !manifest.is_empty() {
        warn(
            "settings_differ",
            "the time zone or session timeout differs from the store's: run `wa rebuild`, or restore \
             the setting in wa.toml"
                .to_owned(),
        );
    }
    if store.dir().join(STAGING_DIR).exists() {
        warn(
            "orphan_files",
            "a writer is running or was interrupted; after an interruption, the next writer removes its \
             orphan files"
                .to_owned(),
        );
    }
    warnings
}

/// Returns the oldest day with rows, if it is more than [`OVERDUE_DAYS`] past the retention period.
fn oldest_overdue_day(
    manifest: &Manifest,
    snapshot: &Snapshot,
    table: Table,
    retention: Retention,
    today: Day,
) -> Option<Day> {
    let last = last_expired_day(retention, today)?.plus(-OVERDUE_DAYS);
    // Events expire by UTC date, sessions by the day of their last event.
    let days = manifest.files(table).iter().map(|file| match table {
        Table::Events => file.day,
        _ => snapshot.zone().day(file.max_time),
    });
    days.min().filter(|oldest| *oldest <= last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, TestStore, clock};

    fn kinds(status: &Status) -> Vec<&str> {
        status.warnings.iter().map(|warning| warning.kind).collect()
    }

    #[test]
    fn status_counts_tables_and_lists_warnings() {
        let store = TestStore::new();
        let lines = ["2026-11-08T23:00:00Z", "2026-11-09T08:00:00Z", "2026-11-09T09:00:00Z"].map(|time| {
            format!(r#"{{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":"{time}"}}"#)
        });
        store.ingest(&store.write_log("a.ndjson", &lines), NOW);
        store.ingest(&store.write_log("b.ndjson", &["no json".to_owned()]), NOW);
        let found = status(&store.store(), &Settings::default(), clock(NOW)).unwrap();
        let events = &found.tables[0];
        assert_eq!((events.table, events.rows, events.partitions), ("events", 3, 2));
        assert_eq!(events.first.as_deref(), Some("2026-11-08"));
        assert_eq!(events.last.as_deref(), Some("2026-11-09"));
        assert_eq!((found.tables[1].rows, found.tables[2].rows, found.tables[3].rows), (3, 2, 0));
        assert_eq!(found.tables[2].first.as_deref(), Some("2026-11"));
        assert_eq!((found.rejects.rows, found.ingested_files), (1, 2));
        assert_eq!(found.last_ingest.as_ref().unwrap().counts["rejected"], 1);
        assert_eq!(kinds(&found), Vec::<&str>::new());

        let later = status(&store.store(), &Settings::default(), clock("2027-02-20T00:00:00Z")).unwrap();
        assert_eq!(kinds(&later), ["not_pruned", "no_ingest"]);
        let earlier = status(&store.store(), &Settings::default(), clock("2026-11-09T08:30:00Z")).unwrap();
        assert_eq!(kinds(&earlier), ["future_events"]);
        let other = Settings { session_timeout: 1, ..Settings::default() };
        std::fs::create_dir(store.store().dir().join(STAGING_DIR)).unwrap();
        let found = status(&store.store(), &other, clock(NOW)).unwrap();
        assert_eq!(kinds(&found), ["settings_differ", "orphan_files"]);
    }

    #[test]
    fn status_of_10000_files_opens_none() {
        let store = TestStore::new();
        let line =
            r#"{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":"2026-11-09T08:00:00Z"}"#;
        store.ingest(&store.write_log("a.ndjson", &[line.to_owned()]), NOW);
        let mut manifest = store.store().snapshot().unwrap().manifest().clone();
        let files = manifest.tables.get_mut(&Table::Events).unwrap();
        let pattern = files.remove(0);
        // Each of 100 days has a file for each of 100 nights. None of the files exists.
        for number in 0..10_000 {
            let day = pattern.day.plus(-(number / 100));
            let path = format!("events/event_date={day}/{number}.parquet");
            files.push(DataFile { path, day, rows: 3, bytes: 7, ..pattern.clone() });
        }
        std::fs::write(store.store().dir().join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
        let found = status(&store.store(), &Settings::default(), clock(NOW)).unwrap();
        let events = &found.tables[0];
        assert_eq!((events.files, events.partitions), (10_000, 100));
        assert_eq!((events.rows, events.bytes), (30_000, 70_000));
        assert_eq!(
            (events.first.as_deref(), events.last.as_deref()),
            (Some("2026-08-02"), Some("2026-11-09"))
        );
        assert_eq!(kinds(&found), ["not_pruned", "many_files"]);
    }
}
