//! `wa verify`: checks the files and tables of a store.
//!
//! First, every file is compared with the manifest. If all files are intact, derived rows are
//! compared with their retained sources: sessions with events, `visitors` with events, and daily
//! statistics with sessions. The settings must be readable, and the secret key must have the
//! fingerprint in the manifest.

use serde::Serialize;

use super::difference::{Difference, Differences};
use super::replay::{
    ExpectedSession, KeyShard, PrunedBoundary, ReplayVisitor, SESSIONS_TOGETHER, SettledSessions, replay,
    row_order, session_eq,
};
use super::visitors::VisitorCheck;
use super::{daily, files, repeated_events};
use crate::error::{Error, Result};
use crate::event::{Block, KeyKind};
use crate::progress::Progress;
use crate::session::SessionSummary;
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::{Store, key, tables};
use crate::time::{Day, format_utc};

/// The maximum number of attempts while writers change the store.
const MAX_ATTEMPTS: usize = 10;

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Files that the manifest names.
    pub files: u64,
    /// The size of those files.
    pub bytes: u64,
    /// Whether the tables were compared; false if a file is damaged.
    pub tables_compared: bool,
    /// Events that were read.
    pub events: u64,
    /// Stored sessions that were compared with their events.
    pub sessions: u64,
    /// Stored sessions with pruned events, which were compared only in part.
    pub partial_sessions: u64,
    /// Rows of `visitors`.
    pub visitors: u64,
    /// Rows of `daily_stats` that were compared with their sessions.
    pub daily_stats: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// The number of differences that are not listed.
    pub further_differences: u64,
    /// Number of differences that are orphan files.
    pub orphan_files: u64,
    /// Whether the secret key is missing, damaged or the key of another store.
    pub key_damaged: bool,
    /// Whether the settings cannot be read.
    pub settings_damaged: bool,
    /// The number of folders that are symbolic links.
    #[serde(skip)]
    pub linked_folders: u64,
    /// Remarks that are not differences.
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// Returns whether there are no differences.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.further_differences == 0
    }

    fn set_differences(&mut self, differences: Differences) {
        let count = differences.count();
        self.differences = differences.into_listed();
        self.further_differences = count - self.differences.len() as u64;
    }
}

/// Checks a snapshot of a store, without a lock. `settings` are the store's settings, or the error
/// of reading them, which is a difference.
///
/// # Errors
/// Fails if there is no store, its manifest cannot be read, or a writer changed the store during
/// every attempt. All other problems are differences in the report.
pub fn verify(store: &Store, settings: &Result<Settings>, progress: &dyn Progress) -> Result<VerifyReport> {
    for _ in 0..MAX_ATTEMPTS {
        let snapshot = store.snapshot()?;
        let outcome = check(store, &snapshot, settings, progress);
        // A writer may have replaced files, or be adding some. Differences count only if the state
        // of the store is still the same.
        let may_be_disturbed = match &outcome {
            Ok((report, is_file_missing)) => *is_file_missing || !report.is_clean(),
            Err(error) => error.is_missing_file(),
        };
        if may_be_disturbed && store.snapshot()?.manifest().generation != snapshot.manifest().generation {
            continue;
        }
        return outcome.map(|(report, _)| report);
    }
    Err(Error::failed(format!(
        "cannot verify the store {}: a writer changed it during each of {MAX_ATTEMPTS} attempts",
        store.dir().display()
    ))
    .hint("run the command again when no `wa ingest` is running"))
}

/// Checks a state of the store. Also returns whether a file is missing.
fn check(
    store: &Store,
    snapshot: &Snapshot,
    settings: &Result<Settings>,
    progress: &dyn Progress,
) -> Result<(VerifyReport, bool)> {
    let manifest = snapshot.manifest();
    let total = |of_table: &dyn Fn(Table) -> u64| Table::ALL.into_iter().map(of_table).sum::<u64>();
    let size = |table: Table| manifest.files(table).iter().map(|file| file.bytes).sum::<u64>();
    let side_files = || manifest.rejects.iter().chain(&manifest.sources).chain(&manifest.ledger);
    let mut report = VerifyReport {
        files: total(&|table| manifest.files(table).len() as u64) + side_files().count() as u64,
        bytes: total(&size) + side_files().map(|file| file.bytes).sum::<u64>(),
        ..VerifyReport::default()
    };
    // The comparison of the tables reads events and sessions once more for each shard.
    let shards = KeyShard::of_store(snapshot, SESSIONS_TOGETHER).count() as u64;
    progress.set_total(report.bytes + shards * (size(Table::Events) + size(Table::Sessions)));
    let file_check = files::check_files(store, snapshot, progress);
    let mut differences = file_check.differences;
    if differences.is_empty() {
        compare_tables(snapshot, progress, &mut report, &mut differences)?;
    } else {
        report.notes.push("the tables were not compared, since files are damaged".to_owned());
    }
    match settings {
        Ok(settings) => {
            let key_file = settings.key_file.as_deref();
            match key::load(store, manifest, key_file) {
                Err(error) => {
                    report.key_damaged = true;
                    differences.add(key::KEY_FILE, || error.to_string());
                }
                // The store is intact, but commands that need the key fail.
                Ok(Some(_)) => {
                    report.notes.extend(key::check_access(store, key_file).err().map(|e| e.to_string()));
                }
                Ok(None) => {}
            }
        }
        Err(error) => {
            report.settings_damaged = true;
            report.notes.push("the key was not checked, since the settings cannot be read".to_owned());
            differences.add(crate::config::FILE_NAME, || error.to_string());
        }
    }
    report.linked_folders = files::check_folders(store, &mut differences)?;
    let orphans = files::orphan_files(store, manifest)?;
    if orphans.has_writer && !orphans.paths.is_empty() {
        report.notes.push(format!(
            "orphan files of a writer that is running or was interrupted: {}; the next writer removes those \
             that are left",
            orphans.paths.len()
        ));
    } else {
        report.orphan_files = orphans.paths.len() as u64;
        for path in orphans.paths {
            differences.add(path, || "the manifest does not name it; `wa gc` removes it".to_owned());
        }
    }
    report.set_differences(differences);
    Ok((report, file_check.is_file_missing))
}

/// Compares the tables with each other.
fn compare_tables(
    snapshot: &Snapshot,
    progress: &dyn Progress,
    report: &mut VerifyReport,
    differences: &mut Differences,
) -> Result<()> {
    let boundary = PrunedBoundary::load(snapshot)?;
    report.tables_compared = true;
    report.visitors = snapshot.manifest().files(Table::Visitors).iter().map(|file| file.rows).sum();
    let mut comparison = Comparison {
        boundary: &boundary,
        visitors: VisitorCheck::new(snapshot, &boundary),
        events: 0,
        sessions: 0,
        partial_sessions: 0,
        differences: Differences::default(),
    };
    for shard in KeyShard::of_store(snapshot, SESSIONS_TOGETHER) {
        replay(snapshot, &boundary, snapshot.timeout(), shard, progress, &mut comparison)?;
    }
    report.events = comparison.events;
    (report.sessions, report.partial_sessions) = (comparison.sessions, comparison.partial_sessions);
    differences.append(comparison.differences);
    differences.append(repeated_events::check_event_ids(snapshot)?);
    progress.set_step("visitors");
    differences.append(comparison.visitors.finish()?);
    progress.set_step("daily_stats");
    report.daily_stats = daily::check_daily_stats(snapshot, &boundary, differences)?;
    Ok(())
}

/// Compares the stored rows with a replay of the events.
struct Comparison<'a> {
    boundary: &'a PrunedBoundary,
    visitors: VisitorCheck<'a>,
    events: u64,
    sessions: u64,
    partial_sessions: u64,
    differences: Differences,
}

impl ReplayVisitor for Comparison<'_> {
    fn visit_events(&mut self, block: &Block) -> Result<()> {
        self.events += block.rows.len() as u64;
        self.visitors.add(block)
    }

    fn visit_settled(&mut self, settled: SettledSessions) -> Result<()> {
        self.sessions += settled.unchanged_rows.len() as u64;
        let is_different = |expected: &ExpectedSession| !self.confirm(expected);
        let mut different: Vec<ExpectedSession> = settled.sessions.into_iter().filter(is_different).collect();
        different.sort_unstable_by(|a, b| row_order(&a.session, &b.session));
        for expected in different {
            self.compare_session(&expected);
        }
        for row in settled.obsolete_rows {
            self.differences
                .add("sessions", || format!("{} does not match its events", describe(&row.session)));
        }
        Ok(())
    }
}

impl Comparison<'_> {
    /// Returns whether the stored row of a session matches its events, and counts it. All events of
    /// the session must be retained.
    fn confirm(&mut self, expected: &ExpectedSession) -> bool {
        let is_equal = expected
            .stored
            .as_ref()
            .is_some_and(|row| row.is_consistent && !row.is_partial && *row.session == *expected.session);
        self.sessions += u64::from(is_equal);
        is_equal
    }

    fn compare_session(&mut self, expected: &ExpectedSession) {
        let session = &expected.session;
        let Some(row) = &expected.stored else {
            self.differences.add("sessions", || format!("{} is missing", describe(session)));
            return;
        };
        self.sessions += 1;
        if !row.is_consistent {
            self.differences.add("sessions", || {
                format!("{} has derived columns that do not match its other columns", describe(&row.session))
            });
        } else if !session_eq(&row.session, session) {
            self.differences.add("sessions", || {
                let columns = differing_columns(&row.session, session);
                format!("{} does not match its events: {columns} differ", describe(&row.session))
            });
        } else if row.is_partial {
            self.partial_sessions += 1;
            let problem = partial_problem(&row.session, row.retained_part.as_deref(), self.boundary);
            if let Some(problem) = problem {
                self.differences.add("sessions", || format!("{} {problem}", describe(&row.session)));
            }
        }
    }
}

/// Describes how the row of a partial session contradicts its retained events.
fn partial_problem(
    row: &SessionSummary<'_>,
    retained: Option<&SessionSummary<'_>>,
    boundary: &PrunedBoundary,
) -> Option<&'static str> {
    let is_end_retained = !boundary.ledger().events_pruned(&row.key.chatbot_id, Day::utc(row.ended_at));
    if is_end_retained && retained.is_none_or(|retained| retained.ended_at != row.ended_at) {
        return Some("ends with an event that is missing");
    }
    let retained = retained?;
    let has_fewer = retained.counts.iter().any(|(name, count)| row.count(name) < count)
        || row.errors < retained.errors
        || row.response_count < retained.response_count
        || row.response_sum_us < retained.response_sum_us;
    has_fewer.then_some("counts fewer events than are retained")
}

/// Returns the names of the columns in which two sessions differ.
fn differing_columns(a: &SessionSummary<'_>, b: &SessionSummary<'_>) -> String {
    let frames = [a, b].map(|session| tables::sessions::frame(std::slice::from_ref(session)));
    let [Ok(a), Ok(b)] = frames else { return "columns".to_owned() };
    let differs = |name: &&str| a.select(&[name]).ok() != b.select(&[name]).ok();
    a.column_names().filter(differs).collect::<Vec<_>>().join(", ")
}

fn describe(session: &SessionSummary<'_>) -> String {
    let kind = match session.key.kind {
        KeyKind::Session => "session_id",
        KeyKind::Anonymous => "anonymous_id",
        KeyKind::User => "user_id",
    };
    format!(
        "the session of {kind} {:?} of chatbot {:?} from {} to {}",
        session.key.value,
        session.key.chatbot_id,
        format_utc(session.first.time),
        format_utc(session.ended_at)
    )
}
