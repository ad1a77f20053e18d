//! Adds the rows of sessions whose events the source has pruned, in full or in part.
//!
//! Sessions with events on a date that the target has pruned are added as rows too, since those
//! events are not stored again. If the target has a session with the same key at that time, the two
//! are treated as one session. The row of the target stays, and the retained events of the source
//! are added to it.

use std::collections::BTreeMap;

use super::report::MergedSource;
use super::run::MergeRun;
use crate::error::Result;
use crate::ingest::batch::TableChanges;
use crate::session::SessionSummary;
use crate::store::Snapshot;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::manifest::DataFile;
use crate::store::tables::sessions::{KEY_COLUMNS, SessionKeys, read};
use crate::store::update;
use crate::store::update::session_fragments::SessionFragment;
use crate::store::update::time_ranges::SessionSpans;
use crate::time::{DAY, Day};

/// Number of rows that are added at a time. Each row takes a few kilobytes.
const ROWS_TOGETHER: usize = 1 << 13;

/// The sessions of a source that are added as rows.
pub(super) struct PrunedSessions<'a> {
    source: &'a Snapshot,
    source_ledger: &'a Ledger,
    target_ledger: &'a Ledger,
    /// Files that have not been read yet; empty if nothing was pruned.
    partitions: BTreeMap<Day, Vec<&'a DataFile>>,
}

impl<'a> PrunedSessions<'a> {
    pub(super) fn new(
        source: &'a Snapshot,
        source_ledger: &'a Ledger,
        target_ledger: &'a Ledger,
    ) -> PrunedSessions<'a> {
        let mut partitions: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        if !(source_ledger.pruned_events.is_empty() && target_ledger.pruned_events.is_empty()) {
            for file in source.manifest().files(Table::Sessions) {
                partitions.entry(file.day).or_default().push(file);
            }
        }
        PrunedSessions { source, source_ledger, target_ledger, partitions }
    }

    /// Adds the sessions that start on or before a UTC date. Their spans are added to `counted`.
    pub(super) fn merge_through(
        &mut self,
        date: Day,
        run: &mut MergeRun<'_>,
        merged: &mut MergedSource,
        counted: &mut SessionSpans,
    ) -> Result<Vec<TableChanges>> {
        let last = self.source.zone().day(i64::from(date.plus(1).0) * DAY - 1);
        let later = self.partitions.split_off(&last.plus(1));
        let due = std::mem::replace(&mut self.partitions, later);
        let mut changes = Vec::new();
        for file in due.into_values().flatten() {
            self.merge_file(file, run, merged, counted, &mut changes)?;
        }
        Ok(changes)
    }

    /// Adds all sessions that have not been read yet.
    pub(super) fn merge_rest(
        &mut self,
        run: &mut MergeRun<'_>,
        merged: &mut MergedSource,
        counted: &mut SessionSpans,
    ) -> Result<Vec<TableChanges>> {
        match self.partitions.last_key_value().map(|(day, _)| day.plus(2)) {
            Some(date) => self.merge_through(date, run, merged, counted),
            None => Ok(Vec::new()),
        }
    }

    fn merge_file(
        &self,
        file: &DataFile,
        run: &mut MergeRun<'_>,
        merged: &mut MergedSource,
        counted: &mut SessionSpans,
        changes: &mut Vec<TableChanges>,
    ) -> Result<()> {
        let frame = self.source.read_file(file, Some(&KEY_COLUMNS))?;
        let keys = SessionKeys::new(&frame)?;
        let is_partial = |row: usize| {
            let (chatbot, span) = (keys.chatbot(row), keys.interval(row));
            self.source_ledger.events_pruned_within(chatbot, span)
                || self.target_ledger.events_pruned_within(chatbot, span)
        };
        let is_partial: Vec<bool> = (0..frame.height()).map(is_partial).collect();
        if !is_partial.contains(&true) {
            return Ok(());
        }
        // Most rows can be partial. Together they can exceed the memory budget, so the file is read
        // in pieces.
        let mut groups = self.source.row_groups(file, None)?;
        let mut is_partial = is_partial.into_iter();
        while let Some(piece) = groups.next_piece(ROWS_TOGETHER)? {
            // A file that another program wrote is a single piece of any size.
            for start in (0..piece.height()).step_by(ROWS_TOGETHER) {
                let rows = piece.slice(start, ROWS_TOGETHER);
                let is_partial: Vec<bool> = is_partial.by_ref().take(rows.height()).collect();
                if is_partial.contains(&true) {
                    let rows = rows.filter(is_partial.into_iter())?;
                    changes.extend(self.merge_rows(&rows, run, merged, counted)?);
                }
            }
        }
        crate::allocator::release_free_memory();
        Ok(())
    }

    fn merge_rows(
        &self,
        rows: &Frame,
        run: &mut MergeRun<'_>,
        merged: &mut MergedSource,
        counted: &mut SessionSpans,
    ) -> Result<Option<TableChanges>> {
        let zone = run.settings.timezone;
        let target = run.transaction.snapshot()?;
        let mut sessions: Vec<SessionSummary<'_>> = read(rows)?;
        sessions.sort_by_key(|session| (session.key.hash(), session.first));
        let fragments: Vec<SessionFragment<'_>> =
            sessions.iter().map(SessionFragment::from_summary).collect();
        let stored = update::sessions::stored_spans(&target, &fragments)?;
        let mut added = Vec::new();
        for (session, fragment) in sessions.iter().zip(fragments) {
            let span = (fragment.first.time, fragment.ended_at);
            let chatbot = session.key.chatbot_id.as_ref();
            if run.suppression.as_ref().is_some_and(|s| s.suppresses_session(session)) {
                merged.sessions.forgotten += 1;
            } else if self.target_ledger.sessions_pruned(chatbot, zone.day(span.0)) {
                merged.sessions.already_pruned += 1;
            } else if stored.overlap(fragment.key, span) {
                merged.sessions.already_stored += 1;
            } else {
                merged.sessions.added_as_rows += 1;
                counted.add(fragment.key, span);
                for date in Day::utc(span.0).0..=Day::utc(span.1).0 {
                    if self.source_ledger.events_pruned(chatbot, Day(date)) {
                        run.ledger.pruned_events.entry(chatbot.to_owned()).or_default().insert(Day(date));
                    }
                }
                added.push(fragment);
            }
        }
        let Some(earliest) = added.iter().map(|fragment| fragment.first.time).min() else { return Ok(None) };
        let (timeout, now) = (run.settings.session_timeout, run.clock.now);
        let sessions = update::write_pipelined(run.transaction, |sink| {
            update::sessions::merge(&target, added, zone, timeout, now, sink)
        })?;
        let since = earliest.saturating_sub(timeout);
        Ok(Some(TableChanges { sessions, first_seen_updates: Vec::new(), since }))
    }
}
