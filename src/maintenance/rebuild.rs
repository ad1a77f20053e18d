//! `wa rebuild`: recomputes sessions and daily statistics with the timeout and time zone of the
//! settings.
//!
//! - Sessions whose events are all retained are recomputed. Partial sessions ([`PrunedBoundary`])
//!   are never split: a longer timeout merges them with their neighbours, a shorter one does not
//!   change them.
//! - Every session is assigned to the day on which it started in the new time zone.
//! - First-seen times move earlier if retained events are earlier.
//! - The statistics of every day are recomputed from its sessions. On days with pruned sessions,
//!   only the contribution of the retained sessions changes ([`update::pruned_days`]).
//!
//! A rebuild is one commit. Partitions that do not change keep their files.
//!
//! The sessions of a date are in memory. If a day has very many sessions, the session keys are
//! divided into shards, and the store is replayed once per shard ([`KeyShard`]). A first round of
//! replays then finds the partitions that change in any shard. A second round writes these
//! partitions, with one file per shard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::replay::{
    ExpectedSession, KeyShard, PrunedBoundary, ReplayVisitor, SESSIONS_TOGETHER, SettledSessions, replay,
    row_order, session_eq,
};
use super::visitors::{BATCH_IDS, collect_first_seen};
use crate::error::Result;
use crate::event::Block;
use crate::progress::Progress;
use crate::session::SessionSummary;
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::store::update::merge_policy::max_rows;
use crate::store::update::pruned_days::PrunedDays;
use crate::store::update::visitors::{FirstSeenMap, FirstSeenUpdate};
use crate::store::{Completed, Store, Writer, update};
use crate::time::{Clock, Day, Micros, Zone};

/// Maximum number of sessions that wait until their day is complete. Further sessions are written
/// to additional files of their day.
const MAX_WAITING_SESSIONS: usize = 1 << 18;

/// Maximum number of waiting sessions if the store is replayed in shards. Each day then has a file
/// for each shard anyway.
const MAX_WAITING_SESSIONS_OF_PART: usize = 1 << 16;

/// Options of a rebuild.
#[derive(Clone, Copy, Debug)]
pub struct RebuildOptions {
    /// The clock.
    pub clock: Clock,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
}

/// The result of a rebuild.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// The time zone before and after.
    pub timezone: [String; 2],
    /// The session timeout before and after, in seconds.
    pub session_timeout_seconds: [i64; 2],
    /// Number of sessions before.
    pub sessions_before: u64,
    /// Number of sessions after.
    pub sessions: u64,
    /// Sessions that are new or changed.
    pub sessions_changed: u64,
    /// Sessions that moved to another day.
    pub sessions_redated: u64,
    /// Sessions with pruned events, which could not be recomputed.
    pub sessions_not_recomputed: u64,
    /// First-seen times that were added or moved earlier.
    pub first_seen_changed: u64,
    /// Whether the store was changed.
    pub changed: bool,
}

/// Recomputes sessions and daily statistics, in one commit.
///
/// # Errors
/// Fails if there is no store, or one of its files is missing or damaged.
pub fn rebuild(
    store: &Store,
    settings: &Settings,
    options: RebuildOptions,
    progress: &dyn Progress,
) -> Result<Completed<RebuildReport>> {
    // A mistyped path must not create a store.
    store.snapshot()?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store.writer("wa rebuild", options.lock_timeout, first)?;
    let outcome = rebuild_with_writer(&mut writer, settings, options.clock, progress);
    writer.complete(outcome)
}

/// Runs a [`rebuild`] with an open writer.
///
/// # Errors
/// Fails if a file of the store is missing or damaged.
pub fn rebuild_with_writer(
    writer: &mut Writer,
    settings: &Settings,
    clock: Clock,
    progress: &dyn Progress,
) -> Result<RebuildReport> {
    rebuild_in_parts(writer, settings, clock, progress, SESSIONS_TOGETHER)
}

/// Runs a [`rebuild`] with an open writer, and about `sessions_together` sessions of a date in
/// memory.
///
/// # Errors
/// Fails if a file of the store is missing or damaged.
pub(super) fn rebuild_in_parts(
    writer: &mut Writer,
    settings: &Settings,
    clock: Clock,
    progress: &dyn Progress,
    sessions_together: u64,
) -> Result<RebuildReport> {
    let before = writer.snapshot()?;
    let ledger = Ledger::load(&before)?;
    let pruned_days = PrunedDays::load(&before, &ledger, Micros::MIN)?;
    let mut transaction = writer.begin();
    let manifest = before.manifest();
    let size = |table: Table| manifest.files(table).iter().map(|file| file.bytes).sum::<u64>();
    let parts = KeyShard::of_store(&before, sessions_together).count() as u64;
    let rounds = if parts > 1 { 2 } else { 1 };
    progress.set_total(rounds * parts * (size(Table::Events) + size(Table::Sessions)));
    let mut report =
        rebuild_tables(&mut transaction, &pruned_days, settings, clock, progress, sessions_together)?;
    report.changed = *transaction.manifest() != *manifest;
    if report.changed {
        writer.commit(transaction, clock.now)?;
    }
    Ok(report)
}

/// Recomputes sessions, first-seen times and daily statistics of the state of a transaction.
/// `pruned_days` describes the pruned days before its first change. About `sessions_together`
/// sessions of a date are in memory.
///
/// # Errors
/// Fails if a file of the store is missing or damaged.
pub(super) fn rebuild_tables(
    transaction: &mut Transaction,
    pruned_days: &PrunedDays<'_>,
    settings: &Settings,
    clock: Clock,
    progress: &dyn Progress,
    sessions_together: u64,
) -> Result<RebuildReport> {
    let before = transaction.snapshot()?;
    let boundary = PrunedBoundary::load(&before)?;
    let manifest = before.manifest();
    let (zone, timeout) = (settings.timezone, settings.session_timeout);
    let mut rewriter = SessionRewriter::new(&before, transaction, zone, clock.now)?;
    let shards = KeyShard::of_store(&before, sessions_together);
    if shards.clone().count() > 1 {
        rewriter.round = Round::FindChanges;
        for shard in shards.clone() {
            rewriter.shard = shard;
            replay(&before, &boundary, timeout, shard, progress, &mut rewriter)?;
        }
        rewriter.round = Round::WriteChanges(std::mem::take(&mut rewriter.changed_days));
    }
    let is_unchanged = matches!(&rewriter.round, Round::WriteChanges(days) if days.is_empty());
    let is_done = is_unchanged && !rewriter.rewrites_all();
    for shard in shards.filter(|_| !is_done) {
        rewriter.shard = shard;
        replay(&before, &boundary, timeout, shard, progress, &mut rewriter)?;
        rewriter.write_waiting()?;
    }
    let (mut report, first_seen_updates) = rewriter.finish()?;
    report.timezone = [manifest.timezone.clone(), zone.name().to_owned()];
    report.session_timeout_seconds =
        [manifest.session_timeout_us, timeout].map(|micros| micros / crate::time::SECOND);
    transaction.manifest().timezone = zone.name().to_owned();
    transaction.manifest().session_timeout_us = timeout;

    progress.set_step("daily_stats");
    let after = transaction.snapshot()?;
    let days = update::changed_days::ChangedDays::of_all_chatbots(days(&after)?);
    let changed = update::sessions::SessionChanges { days, ..Default::default() };
    update::daily::update(&after, transaction, changed, &first_seen_updates, pruned_days, clock.now)?;
    Ok(report)
}

/// Returns the days with sessions or statistics.
fn days(snapshot: &Snapshot) -> Result<BTreeSet<Day>> {
    let sessions = snapshot.manifest().files(Table::Sessions).iter().map(|file| file.day);
    let mut days: BTreeSet<Day> = sessions.collect();
    for frame in snapshot.read(Table::DailyStats, None, &["stat_date"])? {
        let dates = frame.ints("stat_date")?;
        days.extend((0..frame.height()).filter_map(|row| dates.get_i32(row)).map(Day));
    }
    Ok(days)
}

/// The purpose of a [`SessionRewriter`]'s replays.
enum Round {
    /// One replay finds and writes the changes.
    Single,
    /// Replays count the changes and find the partitions that change; no session is written.
    FindChanges,
    /// Replays write these partitions.
    WriteChanges(BTreeSet<Day>),
}

/// Writes the sessions of a replay to the partitions that change.
struct SessionRewriter<'a, 't> {
    before: &'a Snapshot,
    transaction: &'t mut Transaction,
    zone: Zone,
    now: Micros,
    round: Round,
    /// The shard of the session keys that is being replayed.
    shard: KeyShard,
    /// Settled sessions that are not written yet, by their day.
    waiting: BTreeMap<Day, Vec<SessionSummary<'static>>>,
    /// The number of sessions in `waiting`.
    waiting_count: usize,
    /// Partitions with changes that are not written yet.
    changed_days: BTreeSet<Day>,
    /// Partitions whose old files were removed.
    emptied_days: BTreeSet<Day>,
    /// The earliest times of ids that were found since the last update of `visitors`.
    first_seen: FirstSeenMap,
    first_seen_updates: Vec<FirstSeenUpdate>,
    report: RebuildReport,
}

impl<'a, 't> SessionRewriter<'a, 't> {
    fn new(
        before: &'a Snapshot,
        transaction: &'t mut Transaction,
        zone: Zone,
        now: Micros,
    ) -> Result<SessionRewriter<'a, 't>> {
        let files = before.manifest().files(Table::Sessions);
        let sessions_before = files.iter().map(|file| file.rows).sum();
        let mut rewriter = SessionRewriter {
            before,
            transaction,
            zone,
            now,
            round: Round::Single,
            shard: KeyShard::ALL,
            waiting: BTreeMap::new(),
            waiting_count: 0,
            changed_days: BTreeSet::new(),
            emptied_days: BTreeSet::new(),
            first_seen: FirstSeenMap::default(),
            first_seen_updates: Vec::new(),
            report: RebuildReport { sessions_before, ..RebuildReport::default() },
        };
        if rewriter.rewrites_all() {
            for day in files.iter().map(|file| file.day).collect::<BTreeSet<_>>() {
                rewriter.remove_partition(day);
            }
        }
        Ok(rewriter)
    }

    /// Removes the old files of a partition.
    fn remove_partition(&mut self, day: Day) {
        if self.emptied_days.insert(day) {
            for file in self.before.manifest().files(Table::Sessions).iter().filter(|file| file.day == day) {
                self.transaction.remove(file);
            }
        }
    }

    /// Adds a settled session.
    fn add(&mut self, expected: ExpectedSession) {
        let ExpectedSession { mut session, stored, created_at } = expected;
        let is_same =
            stored.as_ref().is_some_and(|row| row.is_consistent && session_eq(&row.session, &session));
        let origin = stored.as_ref().map(|row| (row.day, row.is_partial));
        match stored {
            Some(row) if is_same => session = row.session,
            _ => {
                session.created_at = created_at.unwrap_or(self.now);
                session.updated_at = self.now;
            }
        }
        self.add_session(session, origin, is_same);
    }

    /// Adds a settled session, and marks the partitions that it changes. `origin` is the day of the
    /// stored row, and whether the row is partial. `is_same` is set if the session equals the row.
    fn add_session(
        &mut self,
        session: Box<SessionSummary<'static>>,
        origin: Option<(Day, bool)>,
        is_same: bool,
    ) {
        let day = self.zone.day(session.first.time);
        if !is_same || origin.is_none_or(|(stored_day, _)| stored_day != day) {
            self.changed_days.extend(origin.map(|(stored_day, _)| stored_day));
            self.changed_days.insert(day);
        }
        if !matches!(self.round, Round::WriteChanges(_)) {
            self.report.sessions += 1;
            self.report.sessions_changed += u64::from(!is_same);
            if let Some((stored_day, is_partial)) = origin {
                self.report.sessions_not_recomputed += u64::from(is_partial);
                self.report.sessions_redated += u64::from(stored_day != day);
            }
        }
        let is_written = match &self.round {
            Round::FindChanges => false,
            Round::WriteChanges(days) => days.contains(&day) || self.rewrites_all(),
            // The partition can still change.
            Round::Single => true,
        };
        if is_written {
            self.waiting.entry(day).or_default().push(*session);
            self.waiting_count += 1;
        }
    }

    /// Returns whether all partitions are rewritten, since sessions can move between days.
    fn rewrites_all(&self) -> bool {
        self.zone != self.before.zone()
    }

    /// Writes the waiting sessions of a day, if its partition changes.
    fn write_day(&mut self, day: Day) -> Result<()> {
        let mut sessions = self.waiting.remove(&day).unwrap_or_default();
        self.waiting_count -= sessions.len();
        let is_changed = self.changed_days.remove(&day)
            || matches!(&self.round, Round::WriteChanges(days) if days.contains(&day));
        if !is_changed && !self.emptied_days.contains(&day) && !self.rewrites_all() {
            return Ok(());
        }
        self.remove_partition(day);
        sessions.sort_by(row_order);
        for chunk in sessions.chunks(max_rows(Table::Sessions) as usize) {
            let sessions: Vec<&SessionSummary<'_>> = chunk.iter().collect();
            let earliest = sessions.iter().map(|session| session.first.time).min();
            let latest = sessions.iter().map(|session| session.ended_at).max();
            let times = earliest.zip(latest).unwrap_or_default();
            let bytes = tables::sessions::file_builder(&sessions)?.finish()?;
            self.transaction.add(NewFile::new(Table::Sessions, day, chunk.len() as u64, times, bytes))?;
        }
        Ok(())
    }

    /// Merges the collected first-seen times into `visitors`.
    fn write_first_seen(&mut self) -> Result<()> {
        let first_seen = std::mem::take(&mut self.first_seen);
        let before = self.transaction.snapshot()?;
        let rows = |snapshot: &Snapshot| -> u64 {
            snapshot.manifest().files(Table::Visitors).iter().map(|file| file.rows).sum()
        };
        let updates = update::write_pipelined(self.transaction, |sink| {
            update::visitors::write(&before, first_seen, sink)
        })?;
        let added = rows(&self.transaction.snapshot()?) - rows(&before);
        self.report.first_seen_changed += added + updates.len() as u64;
        self.first_seen_updates.extend(updates);
        Ok(())
    }

    /// Writes all waiting sessions.
    fn write_waiting(&mut self) -> Result<()> {
        let mut left: BTreeSet<Day> = self.waiting.keys().chain(&self.changed_days).copied().collect();
        // No session waits for a partition that loses all its sessions.
        if let Round::WriteChanges(days) = &self.round {
            left.extend(days);
        }
        left.into_iter().try_for_each(|day| self.write_day(day))
    }

    /// Writes all remaining sessions and first-seen times.
    fn finish(mut self) -> Result<(RebuildReport, Vec<FirstSeenUpdate>)> {
        self.write_first_seen()?;
        self.write_waiting()?;
        Ok((self.report, self.first_seen_updates))
    }
}

impl ReplayVisitor for SessionRewriter<'_, '_> {
    fn visit_events(&mut self, block: &Block) -> Result<()> {
        // The first round has collected these events.
        if matches!(self.round, Round::WriteChanges(_)) {
            return Ok(());
        }
        collect_first_seen(block, &mut self.first_seen);
        if self.first_seen.len() >= BATCH_IDS { self.write_first_seen() } else { Ok(()) }
    }

    fn visit_settled(&mut self, settled: SettledSessions) -> Result<()> {
        for expected in settled.sessions {
            self.add(expected);
        }
        for row in settled.unchanged_rows {
            self.add_session(row.session, Some((row.day, row.is_partial)), true);
        }
        for row in settled.obsolete_rows {
            self.changed_days.insert(row.day);
        }
        if settled.through == Micros::MAX || matches!(self.round, Round::FindChanges) {
            return Ok(());
        }
        let current = self.zone.day(settled.through);
        let mut open: BTreeSet<Day> = settled.open.iter().map(|(start, _)| self.zone.day(*start)).collect();
        open.extend(settled.open.iter().filter_map(|(_, partition)| *partition));
        let is_complete = |day: Day| day < current && !open.contains(&day);
        let is_full = match self.round {
            Round::WriteChanges(_) => self.waiting_count > MAX_WAITING_SESSIONS_OF_PART,
            Round::Single | Round::FindChanges => self.waiting_count > MAX_WAITING_SESSIONS,
        };
        let days: Vec<Day> =
            self.waiting.keys().copied().filter(|day| is_full || is_complete(*day)).collect();
        for day in days {
            if !is_complete(day) {
                // Sessions of the day that are not settled yet are written to another file later.
                self.changed_days.insert(day);
            }
            self.write_day(day)?;
        }
        Ok(())
    }
}
