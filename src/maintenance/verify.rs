//! `wa verify`: is everything as it must be?
//!
//! First the files, each against the manifest. Where all of them are whole, the tables: the rows of
//! sessions against those that the events make, the first-seen index against the events, daily
//! statistics against the sessions; each as far as its sources are kept.

use std::collections::HashSet;

use serde::Serialize;

use super::difference::{Difference, Differences};
use super::replay::pruned_boundary::PrunedBoundary;
use super::replay::session_eq::session_eq;
use super::replay::{ExpectedSession, ReplayVisitor, SettledSessions, replay};
use super::{daily, files, visitors};
use crate::error::{Error, Result};
use crate::event::{Block, KeyKind};
use crate::ingest::batch::stored_ids::Keys;
use crate::prehashed::PreHashed;
use crate::progress::Progress;
use crate::session::SessionSummary;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::{Store, tables};
use crate::time::{Day, format_utc};

/// How often a check is begun on a store that a writer keeps changing under it.
const MOST_TRIES: usize = 10;

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Files that the manifest names.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the tables were compared; they are not where a file is damaged.
    pub tables_compared: bool,
    /// Events that were read.
    pub events: u64,
    /// StoredSession sessions that were compared with what the events make.
    pub sessions: u64,
    /// StoredSession sessions whose events are not all kept, of which only a part could be compared.
    pub partial_sessions: u64,
    /// Entries of the first-seen index.
    pub visitors: u64,
    /// Rows of daily statistics that were compared with their sessions.
    pub daily_stats: u64,
    /// What differs; the first of it.
    pub differences: Vec<Difference>,
    /// How much differs beside what is listed.
    pub further_differences: u64,
    /// How many of the differences are files that the manifest does not name.
    pub orphan_files: u64,
    /// What is worth knowing and no difference.
    pub notes: Vec<String>,
}

impl VerifyReport {
    /// Tells whether nothing differs.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.further_differences == 0
    }

    fn put(&mut self, differences: Differences) {
        self.further_differences = differences.count() - differences.listed().len() as u64;
        self.differences = differences.listed().to_vec();
    }
}

/// Checks a store, in one state of it; takes no lock.
///
/// # Errors
/// Where there is no store, its manifest cannot be read, or a writer has changed the store under
/// every try. All else that is wrong stands in the report.
pub fn verify(store: &Store, progress: &dyn Progress) -> Result<VerifyReport> {
    for _ in 0..MOST_TRIES {
        let snapshot = store.snapshot()?;
        let outcome = check(store, &snapshot, progress);
        // A file that has gone and a directory that has changed can be a writer's work: only where
        // the state is still the same do they count.
        let disturbed = match &outcome {
            Ok((report, missing)) => *missing || !report.is_clean(),
            Err(error) => error.is_missing_file(),
        };
        if disturbed && store.snapshot()?.manifest().generation != snapshot.manifest().generation {
            continue;
        }
        return outcome.map(|(report, _)| report);
    }
    Err(Error::failed(format!(
        "cannot check the store {}: a writer has changed it {MOST_TRIES} times meanwhile",
        store.dir().display()
    ))
    .hint("run the same command again when no `wa ingest` is at work"))
}

fn check(store: &Store, snapshot: &Snapshot, progress: &dyn Progress) -> Result<(VerifyReport, bool)> {
    let manifest = snapshot.manifest();
    let named = |of: &dyn Fn(Table) -> u64| Table::ALL.into_iter().map(of).sum::<u64>();
    let size = |table: Table| manifest.files(table).iter().map(|file| file.bytes).sum::<u64>();
    let side = || manifest.rejects.iter().chain(&manifest.sources).chain(&manifest.ledger);
    let mut report = VerifyReport {
        files: named(&|table| manifest.files(table).len() as u64) + side().count() as u64,
        bytes: named(&size) + side().map(|file| file.bytes).sum::<u64>(),
        ..VerifyReport::default()
    };
    progress.set_total(report.bytes + size(Table::Events) + size(Table::Sessions));
    let looked = files::check(store, snapshot, progress);
    let mut differences = looked.differences;
    if differences.is_empty() {
        compare(snapshot, progress, &mut report, &mut differences)?;
    } else {
        report.notes.push("the tables were not compared: some of their files are damaged".to_owned());
    }
    let unnamed = files::unnamed(store, manifest)?;
    if unnamed.writer && !unnamed.paths.is_empty() {
        report.notes.push(format!(
            "files that the manifest does not name: {}; a writer is at work, or was interrupted, and the \
             next one removes them",
            unnamed.paths.len()
        ));
    } else {
        report.orphan_files = unnamed.paths.len() as u64;
        for path in unnamed.paths {
            differences.add(path, || "the manifest does not name it: `wa gc` removes it".to_owned());
        }
    }
    report.put(differences);
    Ok((report, looked.missing))
}

/// Compares the tables with each other.
fn compare(
    snapshot: &Snapshot,
    progress: &dyn Progress,
    report: &mut VerifyReport,
    differences: &mut Differences,
) -> Result<()> {
    let boundary = PrunedBoundary::of(snapshot)?;
    report.tables_compared = true;
    report.visitors = snapshot.manifest().files(Table::Visitors).iter().map(|file| file.rows).sum();
    let mut compare = Compare {
        boundary: &boundary,
        visitors: visitors::Check::new(snapshot, &boundary),
        events: 0,
        keys: Keys::default(),
        ids: HashSet::with_hasher(PreHashed),
        sessions: 0,
        in_part: 0,
        differences: Differences::default(),
    };
    replay(snapshot, &boundary, snapshot.timeout(), progress, &mut compare)?;
    report.events = compare.events;
    (report.sessions, report.partial_sessions) = (compare.sessions, compare.in_part);
    differences.append(compare.differences);
    progress.set_step("visitors");
    differences.append(compare.visitors.finish()?);
    progress.set_step("daily_stats");
    report.daily_stats = daily::check(snapshot, &boundary, differences)?;
    Ok(())
}

struct Compare<'a> {
    boundary: &'a PrunedBoundary,
    visitors: visitors::Check<'a>,
    events: u64,
    keys: Keys,
    /// The events of a date, each by its key.
    ids: HashSet<u128, PreHashed>,
    sessions: u64,
    in_part: u64,
    differences: Differences,
}

impl ReplayVisitor for Compare<'_> {
    fn events(&mut self, block: &Block) -> Result<()> {
        self.events += block.rows.len() as u64;
        for row in &block.rows {
            let event = block.event(row);
            if !self.ids.insert(self.keys.of(&event)) {
                self.differences.add("events", || {
                    let id = uuid::Uuid::from_u128(row.id);
                    format!("the event {id} of chatbot {:?} is stored twice", event.chatbot_id())
                });
            }
        }
        self.visitors.take(block)
    }

    fn settled(&mut self, settled: SettledSessions) -> Result<()> {
        self.ids.clear();
        for expected in settled.sessions {
            self.session(&expected);
        }
        for row in settled.gone {
            self.differences
                .add("sessions", || format!("{} is not what the events make", name(&row.session)));
        }
        Ok(())
    }
}

impl Compare<'_> {
    fn session(&mut self, expected: &ExpectedSession) {
        let session = &expected.session;
        let Some(row) = &expected.stored else {
            self.differences.add("sessions", || format!("{} is missing", name(session)));
            return;
        };
        self.sessions += 1;
        if !row.sound {
            self.differences
                .add("sessions", || format!("{} has columns that do not fit each other", name(&row.session)));
        } else if !session_eq(&row.session, session) {
            self.differences.add("sessions", || {
                let columns = unlike(&row.session, session);
                format!("{} is not what the events make: {columns} differ", name(&row.session))
            });
        } else if row.fixed {
            self.in_part += 1;
            if let Some(why) = unfit(&row.session, row.covered.as_deref(), self.boundary) {
                self.differences.add("sessions", || format!("{} {why}", name(&row.session)));
            }
        }
    }
}

/// Says what is wrong with a row whose events are not all kept, by those that are.
fn unfit(
    row: &SessionSummary<'_>,
    covered: Option<&SessionSummary<'_>>,
    boundary: &PrunedBoundary,
) -> Option<&'static str> {
    let last_is_kept = !boundary.ledger().events_pruned(&row.key.chatbot_id, Day::utc(row.ended_at));
    if last_is_kept && covered.is_none_or(|covered| covered.ended_at != row.ended_at) {
        return Some("ends with an event that is not there");
    }
    let covered = covered?;
    let fewer = covered.counts.iter().any(|(name, count)| row.count(name) < count)
        || row.errors < covered.errors
        || row.response_count < covered.response_count
        || row.response_sum_us < covered.response_sum_us;
    fewer.then_some("counts fewer events than are kept of it")
}

/// Names the columns in which two sessions differ.
fn unlike(a: &SessionSummary<'_>, b: &SessionSummary<'_>) -> String {
    let frames = [a, b].map(|session| tables::sessions::frame(std::slice::from_ref(session)));
    let [Ok(a), Ok(b)] = frames else { return "columns".to_owned() };
    let differs = |name: &&str| a.select(&[name]).ok() != b.select(&[name]).ok();
    a.column_names().filter(differs).collect::<Vec<_>>().join(", ")
}

fn name(session: &SessionSummary<'_>) -> String {
    let kind = match session.key.kind {
        KeyKind::Session => "session_id",
        KeyKind::Anonymous => "anonymous_id",
        KeyKind::User => "user_id",
    };
    format!(
        "the session of {kind} {:?} at chatbot {:?} from {} to {}",
        session.key.value,
        session.key.chatbot_id,
        format_utc(session.first.time),
        format_utc(session.ended_at)
    )
}
