//! What a store holds, from its manifest alone: no data file is opened, however many there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::gc::prune::last_expired_day;
use crate::config::quantity::{format_duration, format_retention};
use crate::error::Result;
use crate::settings::{Retention, Settings};
use crate::store::Store;
use crate::store::columns::Table;
use crate::store::manifest::{DataFile, LastRun, Manifest};
use crate::store::snapshot::Snapshot;
use crate::store::transaction::STAGING_DIR;
use crate::time::{Clock, DAY, Day, format_utc};

/// After so many days beyond their retention, rows that are still there are worth a warning.
const OVERDUE_DAYS: i32 = 7;
/// A partition of more files than this is worth a gc.
const MANY_FILES: usize = 32;

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its folder.
    pub store: String,
    /// The version of its layout.
    pub version: u32,
    /// How often it was changed.
    pub generation: u64,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was last changed.
    pub updated_at: String,
    /// The time zone of its days.
    pub timezone: String,
    /// The longest gap within a session.
    pub session_timeout: String,
    /// Each table.
    pub tables: Vec<TableStatus>,
    /// The refused lines that are kept.
    pub rejects: SideStatus,
    /// Logs that were read and are known by now.
    pub ingested_files: u64,
    /// The last ingest.
    pub last_ingest: Option<Run>,
    /// The last gc.
    pub last_gc: Option<Run>,
    /// How long what is kept.
    pub retention: RetentionPeriods,
    /// What should be looked at.
    pub warnings: Vec<Warning>,
}

/// What a table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Its name.
    pub table: &'static str,
    /// The first day, or month, that holds rows.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// Number of days (of months: for daily statistics and visitors) that hold rows.
    pub partitions: u64,
    /// Number of rows.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

/// What other files hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SideStatus {
    /// Number of lines.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

/// A run, and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// When.
    pub at: String,
    /// In figures.
    #[serde(flatten)]
    pub figures: BTreeMap<String, u64>,
}

/// How long what is kept, as the settings say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionPeriods {
    /// Events.
    pub events: String,
    /// Sessions.
    pub sessions: String,
    /// Daily statistics.
    pub daily_stats: String,
    /// Addresses.
    pub addresses: String,
}

/// Something that should be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What kind of thing, for programs.
    pub kind: &'static str,
    /// A sentence, for people.
    pub text: String,
}

/// Says what a store holds.
pub fn status(store: &Store, settings: &Settings, clock: Clock) -> Result<Status> {
    let snapshot = store.snapshot()?;
    let manifest = snapshot.manifest();
    let run = |run: &LastRun| Run { at: format_utc(run.at), figures: run.counts.clone() };
    let days = |days: Option<u32>| days.map_or("forever".to_owned(), |days| format!("{days}d"));
    // An empty store goes by the settings, whatever they were when it was made.
    let (timezone, timeout) = match manifest.is_empty() {
        true => (settings.timezone.name().to_owned(), settings.session_timeout),
        false => (manifest.timezone.clone(), manifest.session_timeout_us),
    };
    Ok(Status {
        store: store.dir().display().to_string(),
        version: manifest.version,
        generation: manifest.generation,
        created_at: format_utc(manifest.created_at),
        updated_at: format_utc(manifest.updated_at),
        timezone,
        session_timeout: format_duration(timeout),
        tables: Table::ALL.into_iter().map(|table| of_table(manifest, table)).collect(),
        rejects: SideStatus {
            rows: manifest.rejects.iter().map(|file| file.rows).sum(),
            files: manifest.rejects.len() as u64,
            bytes: manifest.rejects.iter().map(|file| file.bytes).sum(),
        },
        ingested_files: manifest.sources.as_ref().map_or(0, |file| file.rows),
        last_ingest: manifest.last_ingest.as_ref().map(run),
        last_gc: manifest.last_gc.as_ref().map(run),
        retention: RetentionPeriods {
            events: format_retention(settings.event_retention),
            sessions: format_retention(settings.session_retention),
            daily_stats: format_retention(settings.daily_stats_retention),
            addresses: days(settings.anonymize_after_days),
        },
        warnings: warnings(store, &snapshot, settings, clock),
    })
}

fn of_table(manifest: &Manifest, table: Table) -> TableStatus {
    let files = manifest.files(table);
    let partitions: BTreeSet<Day> = files.iter().map(|file| file.day).collect();
    let sum = |of: fn(&DataFile) -> u64| files.iter().map(of).sum();
    let monthly = matches!(table, Table::DailyStats | Table::Visitors);
    let show = |day: &Day| match monthly {
        true => day.to_string().chars().take(7).collect(),
        false => day.to_string(),
    };
    TableStatus {
        table: table.name(),
        first: partitions.first().map(show),
        last: partitions.last().map(show),
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
                "the newest event is of {}, after now: a clock was wrong, here or there",
                format_utc(newest)
            ),
        );
    }
    let today = snapshot.zone().day(clock.now);
    for (table, keep) in
        [(Table::Events, settings.event_retention), (Table::Sessions, settings.session_retention)]
    {
        if let Some(overdue) = overdue(manifest, snapshot, table, keep, today) {
            warn(
                "not_pruned",
                format!(
                    "{} are kept for {}, and there are some of {overdue}: run `wa gc` every night",
                    table.name(),
                    format_retention(keep)
                ),
            );
        }
    }
    if let Some(run) =
        manifest.last_ingest.as_ref().filter(|run| clock.now - run.at > OVERDUE_DAYS as i64 * DAY)
    {
        warn("no_ingest", format!("nothing was taken in since {}", format_utc(run.at)));
    }
    let mut files: BTreeMap<(Table, Day), usize> = BTreeMap::new();
    for (table, file) in Table::ALL.into_iter().flat_map(|t| manifest.files(t).iter().map(move |f| (t, f))) {
        *files.entry((table, file.day)).or_default() += 1;
    }
    if let Some(((table, day), count)) =
        files.iter().max_by_key(|(_, count)| **count).filter(|(_, n)| **n > MANY_FILES)
    {
        warn("many_files", format!("{} of {day} lie in {count} files: `wa gc` merges them", table.name()));
    }
    let differ = manifest.timezone != settings.timezone.name()
        || manifest.session_timeout_us != settings.session_timeout;
    if differ && !manifest.is_empty() {
        warn(
            "settings_differ",
            "time zone or session timeout are not those by which the sessions were made: run `wa rebuild`, or change wa.toml back".to_owned(),
        );
    }
    // A folder there may also be of a writer that is at work right now.
    if store.dir().join(STAGING_DIR).exists() {
        warn(
            "leftovers",
            "a writer is at work, or was interrupted; in the second case the next one tidies up".to_owned(),
        );
    }
    warnings
}

/// Returns the oldest day that should have gone long ago.
fn overdue(
    manifest: &Manifest,
    snapshot: &Snapshot,
    table: Table,
    keep: Retention,
    today: Day,
) -> Option<Day> {
    let last = last_expired_day(keep, today)?.plus(-OVERDUE_DAYS);
    let files = manifest.files(table).iter();
    // An event goes by its UTC date, a session by the day of its end.
    let days = files.map(|file| match table {
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
    fn it_says_what_the_tables_hold_and_what_should_be_looked_at() {
        let place = TestStore::new();
        let lines = ["2026-11-08T23:00:00Z", "2026-11-09T08:00:00Z", "2026-11-09T09:00:00Z"].map(|time| {
            format!(r#"{{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":"{time}"}}"#)
        });
        place.ingest(&place.write_log("a.ndjson", &lines), NOW);
        place.ingest(&place.write_log("b.ndjson", &["no json".to_owned()]), NOW);
        let told = status(&place.store(), &Settings::default(), clock(NOW)).unwrap();
        let events = &told.tables[0];
        assert_eq!((events.table, events.rows, events.partitions), ("events", 3, 2));
        assert_eq!(events.first.as_deref(), Some("2026-11-08"));
        assert_eq!(events.last.as_deref(), Some("2026-11-09"));
        assert_eq!((told.tables[1].rows, told.tables[2].rows, told.tables[3].rows), (3, 2, 0));
        assert_eq!(told.tables[2].first.as_deref(), Some("2026-11"));
        assert_eq!((told.rejects.rows, told.ingested_files), (1, 2));
        assert_eq!(told.last_ingest.as_ref().unwrap().figures["rejected"], 1);
        assert_eq!(kinds(&told), Vec::<&str>::new());

        let later = status(&place.store(), &Settings::default(), clock("2027-02-20T00:00:00Z")).unwrap();
        assert_eq!(kinds(&later), ["not_pruned", "no_ingest"]);
        let earlier = status(&place.store(), &Settings::default(), clock("2026-11-09T08:30:00Z")).unwrap();
        assert_eq!(kinds(&earlier), ["future_events"]);
        let other = Settings { session_timeout: 1, ..Settings::default() };
        std::fs::create_dir(place.store().dir().join(STAGING_DIR)).unwrap();
        let told = status(&place.store(), &other, clock(NOW)).unwrap();
        assert_eq!(kinds(&told), ["settings_differ", "leftovers"]);
    }

    #[test]
    fn ten_thousand_files_are_counted_and_none_is_opened() {
        let place = TestStore::new();
        let line =
            r#"{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":"2026-11-09T08:00:00Z"}"#;
        place.ingest(&place.write_log("a.ndjson", &[line.to_owned()]), NOW);
        let mut manifest = place.store().snapshot().unwrap().manifest().clone();
        let files = manifest.tables.get_mut(&Table::Events).unwrap();
        let pattern = files.remove(0);
        // A file for each of the hundred nights that added to each of a hundred days; none of them is there.
        for number in 0..10_000 {
            let day = pattern.day.plus(-(number / 100));
            let path = format!("events/event_date={day}/{number}.parquet");
            files.push(DataFile { path, day, rows: 3, bytes: 7, ..pattern.clone() });
        }
        std::fs::write(place.store().dir().join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
        let told = status(&place.store(), &Settings::default(), clock(NOW)).unwrap();
        let events = &told.tables[0];
        assert_eq!((events.files, events.partitions), (10_000, 100));
        assert_eq!((events.rows, events.bytes), (30_000, 70_000));
        assert_eq!(
            (events.first.as_deref(), events.last.as_deref()),
            (Some("2026-08-02"), Some("2026-11-09"))
        );
        assert_eq!(kinds(&told), ["not_pruned", "many_files"]);
    }
}
