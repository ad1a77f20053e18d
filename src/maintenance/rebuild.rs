//! `wa rebuild`: sessions and daily statistics made again, by the timeout and the time zone that
//! the settings say.
//!
//! Sessions all of whose events are kept are cut anew. A row whose events are not all kept
//! ([`super::replay::pruned_boundary`]) stays a whole: a longer timeout joins it with what is now near enough, a
//! shorter one leaves it as it is. Then every session is dated by the time zone, first sights move
//! earlier where events say so, and the statistics of every day are worked out from its sessions;
//! those of days whose sessions were pruned only change by what their held sessions do
//! ([`update::frozen`]).
//!
//! All of it is one change of the store. A file in which nothing changes is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::replay::pruned_boundary::PrunedBoundary;
use super::replay::session_eq::session_eq;
use super::replay::{ExpectedSession, ReplayVisitor, SettledSessions, order, replay};
use super::visitors::{PORTION, earliest};
use crate::error::Result;
use crate::event::Block;
use crate::progress::Progress;
use crate::session::SessionSummary;
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::manifest::Manifest;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::Transaction;
use crate::store::update::merge_policy::max_rows;
use crate::store::update::partition::encode_file;
use crate::store::update::visitors::{FirstSeenMap, FirstSeenUpdate};
use crate::store::{Store, Writer, update};
use crate::time::{Clock, Day, Micros, Zone};

/// Sessions that wait for their day to be whole before it is written in parts.
const MOST_WAITING: usize = 1 << 18;

/// What a rebuild is told.
#[derive(Clone, Copy, Debug)]
pub struct RebuildOptions {
    /// The present.
    pub clock: Clock,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
}

/// What a rebuild did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// The time zone before and now.
    pub timezone: [String; 2],
    /// The timeout before and now, in seconds.
    pub session_timeout_seconds: [i64; 2],
    /// Sessions before.
    pub sessions_before: u64,
    /// Sessions now.
    pub sessions: u64,
    /// Sessions that are new or not what they were.
    pub sessions_changed: u64,
    /// Sessions that the time zone moved to another day.
    pub sessions_redated: u64,
    /// Sessions whose events are not all kept: they could not be cut anew.
    pub sessions_not_recomputed: u64,
    /// First sights that were added or moved earlier.
    pub first_seen_changed: u64,
    /// Whether the store was changed at all.
    pub changed: bool,
}

/// Makes sessions and daily statistics again, and commits once.
pub fn rebuild(
    store: &Store,
    settings: &Settings,
    options: RebuildOptions,
    progress: &dyn Progress,
) -> Result<RebuildReport> {
    // A store that is not there is an error, not one to be made.
    store.snapshot()?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store.writer("wa rebuild", options.lock_timeout, first)?;
    let report = rebuild_with_writer(&mut writer, settings, options.clock, progress)?;
    writer.finish()?;
    Ok(report)
}

/// Rebuilds with a writer that is open already.
pub fn rebuild_with_writer(
    writer: &mut Writer,
    settings: &Settings,
    clock: Clock,
    progress: &dyn Progress,
) -> Result<RebuildReport> {
    let before = writer.snapshot()?;
    let boundary = PrunedBoundary::of(&before)?;
    let mut transaction = writer.begin();
    let manifest = before.manifest();
    let bytes = |table: Table| manifest.files(table).iter().map(|file| file.bytes).sum::<u64>();
    progress.set_total(bytes(Table::Events) + bytes(Table::Sessions));
    let (zone, timeout) = (settings.timezone, settings.session_timeout);
    let frozen = update::pruned_days::PrunedDays::load(&before, boundary.ledger(), Micros::MIN)?;
    let mut rewrite = Rewrite::new(&before, &mut transaction, zone, clock.now)?;
    replay(&before, &boundary, timeout, progress, &mut rewrite)?;
    let (mut report, moved) = rewrite.finish()?;
    report.timezone = [manifest.timezone.clone(), zone.name().to_owned()];
    report.session_timeout_seconds =
        [manifest.session_timeout_us, timeout].map(|micros| micros / crate::time::SECOND);
    transaction.manifest().timezone = zone.name().to_owned();
    transaction.manifest().session_timeout_us = timeout;

    progress.set_step("daily_stats");
    let after = transaction.snapshot()?;
    let changed = update::sessions::SessionChanges { days: days(&after)?, ..Default::default() };
    update::daily::update(&after, &mut transaction, changed, &moved, &frozen, clock.now)?;

    report.changed = *transaction.manifest() != *manifest;
    if report.changed {
        writer.commit(transaction, clock.now)?;
    }
    Ok(report)
}

/// Returns the days that have sessions or statistics.
fn days(snapshot: &Snapshot) -> Result<BTreeSet<Day>> {
    let sessions = snapshot.manifest().files(Table::Sessions).iter().map(|file| file.day);
    let mut days: BTreeSet<Day> = sessions.collect();
    for frame in snapshot.read(Table::DailyStats, None, &["stat_date"])? {
        let dates = frame.ints("stat_date")?;
        days.extend((0..frame.height()).filter_map(|row| dates.get_i32(row)).map(Day));
    }
    Ok(days)
}

/// Puts the sessions that a replay finds into the table.
struct Rewrite<'a, 't> {
    before: &'a Snapshot,
    transaction: &'t mut Transaction,
    zone: Zone,
    now: Micros,
    /// SettledSessions sessions, by their day.
    rows: BTreeMap<Day, Vec<SessionSummary<'static>>>,
    waiting: usize,
    /// Partitions that do not stay as they are.
    changed: BTreeSet<Day>,
    /// Partitions whose old files are out.
    emptied: BTreeSet<Day>,
    seen: FirstSeenMap,
    moved: Vec<FirstSeenUpdate>,
    report: RebuildReport,
}

impl<'a, 't> Rewrite<'a, 't> {
    fn new(
        before: &'a Snapshot,
        transaction: &'t mut Transaction,
        zone: Zone,
        now: Micros,
    ) -> Result<Rewrite<'a, 't>> {
        let files = before.manifest().files(Table::Sessions);
        let mut rewrite = Rewrite {
            before,
            transaction,
            zone,
            now,
            rows: BTreeMap::new(),
            waiting: 0,
            changed: BTreeSet::new(),
            emptied: BTreeSet::new(),
            seen: FirstSeenMap::default(),
            moved: Vec::new(),
            report: RebuildReport {
                sessions_before: files.iter().map(|file| file.rows).sum(),
                ..RebuildReport::default()
            },
        };
        if zone != before.zone() {
            // A row says nothing of its day: every partition is dealt anew.
            for day in files.iter().map(|file| file.day).collect::<BTreeSet<_>>() {
                rewrite.empty(day);
            }
        }
        Ok(rewrite)
    }

    /// Takes the old files out of a partition.
    fn empty(&mut self, day: Day) {
        if self.emptied.insert(day) {
            for file in self.before.manifest().files(Table::Sessions).iter().filter(|file| file.day == day) {
                self.transaction.remove(Table::Sessions, &file.path);
            }
        }
    }

    fn session(&mut self, expected: ExpectedSession) {
        let ExpectedSession { mut session, stored, created_at } = expected;
        let day = self.zone.day(session.first.time);
        self.report.sessions += 1;
        let was_on = stored.as_ref().map(|row| row.day);
        let same = stored.as_ref().is_some_and(|row| row.sound && session_eq(&row.session, &session));
        let stays = same && was_on == Some(day);
        if let Some(row) = stored {
            self.report.sessions_not_recomputed += u64::from(row.fixed);
            self.report.sessions_redated += u64::from(row.day != day);
            if !stays {
                self.changed.insert(row.day);
            }
            if same {
                session = row.session;
            }
        }
        if !same {
            session.created_at = created_at.unwrap_or(self.now);
            session.updated_at = self.now;
            self.report.sessions_changed += 1;
        }
        if !stays {
            self.changed.insert(day);
        }
        self.rows.entry(day).or_default().push(session);
        self.waiting += 1;
    }

    /// Writes what is settled of a day, where it does not stay as it was.
    fn write(&mut self, day: Day) -> Result<()> {
        let mut sessions = self.rows.remove(&day).unwrap_or_default();
        self.waiting -= sessions.len();
        let changed = self.changed.remove(&day);
        if !changed && !self.emptied.contains(&day) && self.zone == self.before.zone() {
            return Ok(());
        }
        self.empty(day);
        sessions.sort_by(order);
        for part in sessions.chunks(max_rows(Table::Sessions) as usize) {
            let frame = tables::sessions::frame(part)?;
            let file = encode_file(Table::Sessions, day, &frame)?;
            self.transaction.add(file)?;
        }
        Ok(())
    }

    fn write_visitors(&mut self) -> Result<()> {
        let seen = std::mem::take(&mut self.seen);
        let before = self.transaction.snapshot()?;
        let rows = |snapshot: &Snapshot| -> u64 {
            snapshot.manifest().files(Table::Visitors).iter().map(|file| file.rows).sum()
        };
        let moved =
            update::write_pipelined(self.transaction, |sink| update::visitors::write(&before, seen, sink))?;
        let added = rows(&self.transaction.snapshot()?) - rows(&before);
        self.report.first_seen_changed += added + moved.len() as u64;
        self.moved.extend(moved);
        Ok(())
    }

    /// Ends with everything put in.
    fn finish(mut self) -> Result<(RebuildReport, Vec<FirstSeenUpdate>)> {
        self.write_visitors()?;
        let left: BTreeSet<Day> = self.rows.keys().chain(&self.changed).copied().collect();
        for day in left {
            self.write(day)?;
        }
        Ok((self.report, self.moved))
    }
}

impl ReplayVisitor for Rewrite<'_, '_> {
    fn events(&mut self, block: &Block) -> Result<()> {
        earliest(block, &mut self.seen);
        if self.seen.len() >= PORTION { self.write_visitors() } else { Ok(()) }
    }

    fn settled(&mut self, settled: SettledSessions) -> Result<()> {
        for expected in settled.sessions {
            self.session(expected);
        }
        for row in settled.gone {
            self.changed.insert(row.day);
        }
        if settled.through == Micros::MAX {
            return Ok(());
        }
        let today = self.zone.day(settled.through);
        let mut open: BTreeSet<Day> = settled.open.iter().map(|(start, _)| self.zone.day(*start)).collect();
        open.extend(settled.open.iter().filter_map(|(_, partition)| *partition));
        let crowded = self.waiting > MOST_WAITING;
        let days: Vec<Day> = self
            .rows
            .keys()
            .copied()
            .filter(|day| crowded || (*day < today && !open.contains(day)))
            .collect();
        for day in days {
            if crowded && (day >= today || open.contains(&day)) {
                // The rest of the day comes in a file of its own.
                self.changed.insert(day);
            }
            self.write(day)?;
        }
        Ok(())
    }
}
