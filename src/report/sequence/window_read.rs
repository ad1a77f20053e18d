//! Reads the events of the sessions of a window.

use std::ops::Range;

use super::groups::Groups;
use super::single_file::{SingleFiles, fold_single_files};
use super::ties::EventIds;
use super::{EventTags, SequenceEvent, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::{SessionFinder, SessionIndex};
use crate::report::query::Query;
use crate::report::query::tables::{Tables, map_frames, with_columns};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::Day;

/// A read of the events of indexed sessions.
pub(super) struct WindowRead<'a, T> {
    pub tables: &'a dyn Tables,
    pub query: &'a Query,
    pub index: &'a SessionIndex,
    pub tags: &'a dyn EventTags<T>,
    /// Receives the events of each session; `None` if only their tags are needed.
    pub rows: Option<&'a dyn SessionRows>,
}

/// Receives the events of each session, with or without tags, before its sequence is added.
pub(super) trait SessionRows: Sync {
    /// Returns the columns of events that it reads.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns a function that receives the number of a session and adjacent rows of a frame with
    /// its events, in ascending order of the rows.
    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundRows<'f>>;
}

/// Receives the rows of a session. Returns whether the session is counted according to its events
/// so far.
pub(super) type BoundRows<'f> = Box<dyn FnMut(u32, Range<usize>) -> bool + 'f>;

impl<T: Tag> WindowRead<'_, T> {
    /// Returns the first and the last UTC date with events; `None` without sessions.
    fn dates(&self) -> Option<(Day, Day)> {
        let first = self.tables.zone().start_of(self.query.window.from);
        Some((Day::utc(first), Day::utc(self.index.last?)))
    }

    /// Returns the columns of events for their tags, their sessions and [`SessionRows`].
    pub fn columns(&self) -> Vec<&'static str> {
        let of_rows = self.rows.map(SessionRows::columns).unwrap_or_default();
        with_columns(&self.tags.columns(), self.index.columns(&[]).into_iter().chain(of_rows))
    }

    /// Computes the sum over the sequences of the sessions; `None` without sessions. `value`
    /// returns the value of a session once all its events are read; `None` for a session that is
    /// not counted.
    pub fn fold<'v, S: Sync + 'v, F: SequenceFold<S, T>>(
        &self,
        fold: &F,
        value: &(impl Fn(u32) -> Option<&'v S> + Sync),
    ) -> Result<Option<F::Sum>> {
        let Some(dates) = self.dates() else { return Ok(None) };
        let SingleFiles { sum, dates: of_frames, others } = fold_single_files(self, dates, fold, value)?;
        if others.iter().all(Vec::is_empty) {
            return Ok(Some(sum));
        }
        let mut sequences = Groups::new(others, self.index.len() as usize);
        let matters = |events: &[SequenceEvent<T>]| fold.depends_on_ties(events);
        let ids = |tied| EventIds::read(self.tables, dates, &of_frames, tied);
        sequences.sort(self.tags.tie_order(), matters, ids)?;
        Ok(Some(fold.merge(sum, sequences.fold(fold, |session| value(session as u32)))))
    }

    /// Groups the events into `groups` sequences, which are sorted. `group` maps the number of a
    /// session and the tag of an event to the number of its sequence and its new tag; events for
    /// which it returns `None` are left out. `matters` returns whether the order of the tied events
    /// of a sequence matters. Returns `None` without sessions.
    pub fn group(
        &self,
        groups: usize,
        group: impl Fn(u32, T) -> Option<(u32, T)> + Sync,
        matters: impl Fn(&[SequenceEvent<T>]) -> bool + Sync,
    ) -> Result<Option<Groups<T>>> {
        let Some(dates) = self.dates() else { return Ok(None) };
        let files = map_frames(self.tables, Table::Events, Some(dates), &self.columns(), |number, frame| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let mut tag = self.tags.bind(frame)?;
            let mut finder = SessionFinder::new(frame, self.query, self.index)?;
            let mut events = Vec::with_capacity(frame.height());
            for row in 0..frame.height() {
                let Some(tag) = tag(row) else { continue };
                let Some((session, time)) = finder.session(row) else { continue };
                let Some((group, tag)) = group(session, tag) else { continue };
                events.push(SequenceEvent { time, tag, group, position: (number, row as u32) });
            }
            Ok((utc_date(frame)?, events))
        })?;
        let (of_frames, files): (Vec<Option<Day>>, Vec<_>) = files.into_iter().unzip();
        let mut sequences = Groups::new(files, groups);
        let ids = |tied| EventIds::read(self.tables, dates, &of_frames, tied);
        sequences.sort(self.tags.tie_order(), matters, ids)?;
        Ok(Some(sequences))
    }
}

/// Returns the UTC date of a frame of events, which is the same for all rows; `None` without rows.
pub(super) fn utc_date(frame: &Frame) -> Result<Option<Day>> {
    Ok(frame.ints("timestamp")?.get(0).map(Day::utc))
}
