//! Merges new events into the `sessions` table.
//!
//! New events arrive as fragments of sessions. A fragment joins the stored sessions of its key that
//! are at most a timeout away. The rows of these sessions are removed from their files, and the
//! merged sessions are written. A file is read only if a fragment is at most a timeout away from
//! its time range: the session key columns first, and the other columns only if a row matches.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::changed_days::ChangedDays;
use super::daily_inputs::PartialDay;
use super::partition::PartitionBuilder;
use super::session_fragments::{Session, SessionFragment, StoredSessions};
use super::time_ranges::{SessionSpans, TimeRanges};
use super::{OutputSink, PartialRewrite, PartitionOutput, bounded_parallel};
use crate::daily_stats::{DayAggregates, SessionFacts};
use crate::error::{Error, Result};
use crate::prehashed::PreHashed;
use crate::session::{SessionSummary, merge_adjacent};
use crate::store::columns::Table;
use crate::store::encode::ROW_GROUP;
use crate::store::frame::{Frame, decode_rows};
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::daily_stats::{FACT_COLUMNS, for_each_session_of};
use crate::store::tables::sessions::{KEY_COLUMNS, SessionKeys, SessionReader, row_group};
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros, Zone};

/// The result of a merge.
#[derive(Debug, Default)]
pub struct SessionChanges {
    /// The chatbots and days whose sessions changed.
    pub days: ChangedDays,
    /// Number of sessions written.
    pub sessions: u64,
    /// For each day, the aggregates of the changed chatbots' sessions in the new files, and the
    /// paths of these files. Recomputing the statistics of the day then does not read these files
    /// again.
    pub aggregates: HashMap<Day, PartialDay>,
}

/// Maximum number of sessions and of days whose aggregates are retained over several batches. An
/// aggregate takes about a kilobyte, plus about 50 bytes per session.
const MAX_RETAINED: (u64, usize) = (1 << 18, 1 << 14);

impl SessionChanges {
    /// Adds the changes of a later batch.
    pub fn merge(&mut self, later: SessionChanges) {
        // On a day that both batches change, the later batch can have replaced files of the earlier
        // aggregate. The later aggregate can lack chatbots that only the earlier batch changed.
        self.aggregates.retain(|day, _| !later.days.has_day(*day));
        let of_later = later.aggregates.into_iter();
        self.aggregates.extend(of_later.filter(|(day, _)| later.days.covers(&self.days, *day)));
        self.days.merge(later.days);
        self.sessions += later.sessions;
        if self.sessions > MAX_RETAINED.0 || self.days.count() > MAX_RETAINED.1 {
            self.aggregates.clear();
        }
    }
}

/// Maximum number of chatbots of a day whose sessions are aggregated while they are written.
const MAX_AGGREGATED: usize = 1 << 10;

/// Sessions by the day on which they start.
type SessionsByDay<'a> = BTreeMap<Day, Vec<Session<'a>>>;

/// The rows of a stored file that fragments join.
struct MatchingRows {
    file: DataFile,
    /// For each row of the file, whether a fragment joins it.
    is_match: Vec<bool>,
    rows: Frame,
}

/// Merges fragments with the stored sessions. Fragments of one key must be adjacent, in time order,
/// and more than a timeout apart.
///
/// # Errors
/// Fails if a stored file cannot be read, or a file cannot be written.
pub fn merge(
    snapshot: &Snapshot,
    fragments: Vec<SessionFragment<'_>>,
    zone: Zone,
    timeout: Micros,
    now: Micros,
    sink: OutputSink<'_>,
) -> Result<SessionChanges> {
    let write = |by_day: SessionsByDay<'_>,
                 frames: &[Frame],
                 rewrites: Vec<PartialRewrite>,
                 changed: &ChangedDays| {
        write_days(snapshot, by_day, frames, rewrites, changed, now, sink)
    };
    let matching = find_matching_rows(snapshot, &fragments, timeout)?;
    merge_with(fragments, matching, zone, timeout, write)
}

/// A row of a stored session that another process has read.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow<'a> {
    /// Hash of the session key.
    pub key: u128,
    /// Times of the first and the last event.
    pub span: (Micros, Micros),
    /// Index of its file among the stored files of the table.
    pub file: usize,
    /// Position of the row in its file.
    pub row: usize,
    /// All values of the row: see [`decode_rows`].
    pub bytes: &'a [u8],
}

/// Merges fragments like [`merge`], for one of several processes that work on different session
/// keys. `stored` are the stored sessions of these keys that can be near the fragments. New files
/// contain only the merged sessions. Returns the rows that they replace, for
/// [`partition::rewrite`](super::partition::rewrite).
///
/// # Errors
/// Returns the errors of [`merge`].
pub fn merge_part(
    snapshot: &Snapshot,
    (fragments, stored): (Vec<SessionFragment<'_>>, &[StoredRow<'_>]),
    zone: Zone,
    timeout: Micros,
    now: Micros,
    sink: OutputSink<'_>,
) -> Result<(SessionChanges, Vec<PartialRewrite>)> {
    let matching = decode_matching_rows(snapshot, &fragments, stored, timeout)?;
    let mut replaced = Vec::new();
    let write = |by_day: SessionsByDay<'_>,
                 frames: &[Frame],
                 rewrites: Vec<PartialRewrite>,
                 changed: &ChangedDays| {
        replaced = rewrites;
        write_days(&snapshot.without_files(), by_day, frames, Vec::new(), changed, now, sink)
    };
    let changes = merge_with(fragments, matching, zone, timeout, write)?;
    Ok((changes, replaced))
}

/// Merges fragments with the stored rows that they join. `write` writes the sessions of each day.
/// It receives the frames that the sessions refer to, the files that lose rows, and the changed
/// days.
fn merge_with(
    fragments: Vec<SessionFragment<'_>>,
    matching: Vec<MatchingRows>,
    zone: Zone,
    timeout: Micros,
    write: impl FnOnce(
        SessionsByDay<'_>,
        &[Frame],
        Vec<PartialRewrite>,
        &ChangedDays,
    ) -> Result<HashMap<Day, PartialDay>>,
) -> Result<SessionChanges> {
    let mut changes = SessionChanges::default();
    let mut rewrites = Vec::new();
    let mut frames = Vec::new();
    for MatchingRows { file, is_match, rows } in matching {
        let keys = SessionKeys::new(&rows)?;
        (0..rows.height()).for_each(|row| changes.days.add(file.day, keys.chatbot(row)));
        frames.push(rows);
        rewrites.push(PartialRewrite { file, removed: is_match });
    }
    let sessions = merge_with_stored(fragments, &frames, timeout)?;
    changes.sessions = sessions.len() as u64;
    let mut by_day: BTreeMap<Day, Vec<Session<'_>>> = BTreeMap::new();
    for session in sessions {
        by_day.entry(zone.day(session.first.time)).or_default().push(session);
    }
    for (day, sessions) in &by_day {
        for sessions in sessions.chunk_by(|a, b| a.chatbot_id == b.chatbot_id) {
            sessions.first().into_iter().for_each(|session| changes.days.add(*day, session.chatbot_id));
        }
    }
    changes.aggregates = write(by_day, &frames, rewrites, &changes.days)?;
    Ok(changes)
}

/// Merges fragments with the stored sessions of their keys.
fn merge_with_stored<'a>(
    fragments: Vec<SessionFragment<'a>>,
    stored: &'a [Frame],
    timeout: Micros,
) -> Result<Vec<Session<'a>>> {
    let mut by_key: HashMap<u128, Vec<Session<'a>>, PreHashed> = HashMap::with_hasher(PreHashed);
    for (index, frame) in stored.iter().enumerate() {
        let reader = SessionReader::new(frame)?;
        for row in 0..frame.height() {
            let session = Session::from_row(&reader, index, row);
            by_key.entry(session.key).or_default().push(session);
        }
    }
    let mut sessions = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        match by_key.get_mut(&fragment.key) {
            Some(others) => others.push(Session::from_fragment(fragment)),
            // No stored session of the key is near: the fragment is a session.
            None => sessions.push(Session::from_fragment(fragment)),
        }
    }
    sessions.extend(by_key.into_values().flat_map(|sessions| merge_adjacent(sessions, timeout)));
    Ok(sessions)
}

/// Returns sessions in the order of a file, by chatbot and time. This order compresses well and
/// suits reports.
fn in_file_order<'s, 'a>(sessions: &'s [Session<'a>]) -> Vec<&'s Session<'a>> {
    let chatbots: BTreeSet<&str> = sessions.iter().map(|s| s.chatbot_id).collect();
    let ranks: HashMap<&str, usize> = chatbots.into_iter().zip(0..).collect();
    let rank = |s: &Session<'_>| ranks.get(s.chatbot_id).copied().unwrap_or(0);
    let mut order: Vec<_> = sessions.iter().map(|s| (rank(s), s.first, s)).collect();
    // The sessions are nearly sorted, which makes a stable sort fast.
    order.sort_by_key(|(rank, first, session)| (*rank, *first, session.key));
    order.into_iter().map(|(_, _, session)| session).collect()
}

/// Returns the time spans of the stored sessions that have the same key as a fragment, from the
/// files whose times overlap any of the fragments.
///
/// # Errors
/// Fails if a stored file cannot be read.
pub fn stored_spans(snapshot: &Snapshot, fragments: &[SessionFragment<'_>]) -> Result<SessionSpans> {
    let ranges = TimeRanges::from_ranges(fragments.iter().map(|f| (f.first.time, f.ended_at)));
    let keys: HashSet<u128, PreHashed> = fragments.iter().map(|fragment| fragment.key).collect();
    let files = snapshot.manifest().files(Table::Sessions).iter();
    let files: Vec<&DataFile> = files.filter(|file| ranges.overlaps(file.min_time, file.max_time)).collect();
    let found = bounded_parallel(files, |file| {
        let frame = snapshot.read_file(file, Some(&KEY_COLUMNS))?;
        let rows = SessionKeys::new(&frame)?;
        let spans = (0..frame.height()).map(|row| (rows.key(row).hash(), rows.interval(row)));
        Ok(spans.filter(|(key, _)| keys.contains(key)).collect::<Vec<_>>())
    })?;
    let mut spans = SessionSpans::default();
    found.into_iter().flatten().for_each(|(key, span)| spans.add(key, span));
    Ok(spans)
}

/// Fragments by the hash of their session key.
struct FragmentIndex<'f, 'a> {
    by_key: HashMap<u128, &'f [SessionFragment<'a>], PreHashed>,
    timeout: Micros,
}

impl<'f, 'a> FragmentIndex<'f, 'a> {
    fn new(fragments: &'f [SessionFragment<'a>], timeout: Micros) -> FragmentIndex<'f, 'a> {
        let mut by_key: HashMap<u128, &[SessionFragment<'_>], PreHashed> =
            HashMap::with_capacity_and_hasher(fragments.len(), PreHashed);
        by_key.extend(
            fragments
                .chunk_by(|a, b| a.key == b.key)
                .filter_map(|of_key| Some((of_key.first()?.key, of_key))),
        );
        FragmentIndex { by_key, timeout }
    }

    /// Returns whether a fragment joins a session with this key and these times.
    fn joins(&self, key: u128, (start, end): (Micros, Micros)) -> bool {
        let Some(fragments) = self.by_key.get(&key) else { return false };
        // Skip the fragments that end more than a timeout before the session starts.
        let next = fragments.partition_point(|f| start.saturating_sub(f.ended_at) > self.timeout);
        fragments.get(next).is_some_and(|f| f.first.time.saturating_sub(end) <= self.timeout)
    }
}

/// Returns the rows of `stored` that fragments join, by file.
fn decode_matching_rows(
    snapshot: &Snapshot,
    fragments: &[SessionFragment<'_>],
    stored: &[StoredRow<'_>],
    timeout: Micros,
) -> Result<Vec<MatchingRows>> {
    let index = FragmentIndex::new(fragments, timeout);
    let mut by_file: BTreeMap<usize, BTreeMap<usize, &[u8]>> = BTreeMap::new();
    for stored in stored.iter().filter(|stored| index.joins(stored.key, stored.span)) {
        by_file.entry(stored.file).or_default().insert(stored.row, stored.bytes);
    }
    let files = snapshot.manifest().files(Table::Sessions);
    let matching = by_file.into_iter().map(|(file, rows)| {
        let file = files.get(file).filter(|file| rows.keys().all(|row| (*row as u64) < file.rows));
        let file = file.ok_or_else(|| Error::failed("a stored session is in no file of the store"))?;
        let bytes: Vec<&[u8]> = rows.values().copied().collect();
        let is_match = (0..file.rows as usize).map(|row| rows.contains_key(&row)).collect();
        Ok(MatchingRows { file: file.clone(), is_match, rows: decode_rows(Table::Sessions, &bytes)? })
    });
    matching.collect()
}

fn find_matching_rows(
    snapshot: &Snapshot,
    fragments: &[SessionFragment<'_>],
    timeout: Micros,
) -> Result<Vec<MatchingRows>> {
    let ranges = TimeRanges::from_ranges(fragments.iter().map(|fragment| {
        (fragment.first.time.saturating_sub(timeout), fragment.ended_at.saturating_add(timeout))
    }));
    let files: Vec<&DataFile> = snapshot
        .manifest()
        .files(Table::Sessions)
        .iter()
        .filter(|file| ranges.overlaps(file.min_time, file.max_time))
        .collect();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let index = FragmentIndex::new(fragments, timeout);
    let matching = bounded_parallel(files, |file| {
        let frame = snapshot.read_file(file, Some(&KEY_COLUMNS))?;
        let keys = SessionKeys::new(&frame)?;
        let joins = |row: usize| index.joins(keys.key(row).hash(), keys.interval(row));
        let is_match: Vec<bool> = (0..frame.height()).map(joins).collect();
        if !is_match.contains(&true) {
            return Ok(None);
        }
        let rows = snapshot.read_rows(file, &is_match)?;
        Ok(Some(MatchingRows { file: file.clone(), is_match, rows }))
    })?;
    Ok(matching.into_iter().flatten().collect())
}

/// Builds the files of the days that gain or lose sessions.
fn write_days(
    snapshot: &Snapshot,
    mut by_day: BTreeMap<Day, Vec<Session<'_>>>,
    frames: &[Frame],
    rewrites: Vec<PartialRewrite>,
    changed: &ChangedDays,
    now: Micros,
    sink: OutputSink<'_>,
) -> Result<HashMap<Day, PartialDay>> {
    let mut rewrites_by_day: BTreeMap<Day, Vec<PartialRewrite>> = BTreeMap::new();
    for rewrite in rewrites {
        by_day.entry(rewrite.file.day).or_default();
        rewrites_by_day.entry(rewrite.file.day).or_default().push(rewrite);
    }
    let days: Vec<_> = by_day
        .into_iter()
        .map(|(day, sessions)| (day, sessions, rewrites_by_day.remove(&day).unwrap_or_default()))
        .collect();
    let aggregates = bounded_parallel(days, |(day, sessions, rewrites)| {
        // The statistics of a day with many chatbots are recomputed only after further batches.
        // These aggregates would be obsolete by then.
        let is_aggregated = changed.chatbots_on(day) <= MAX_AGGREGATED;
        let is_changed = |chatbot: &str| changed.contains(day, chatbot);
        let is_changed = is_aggregated.then_some(is_changed);
        let (output, aggregates) = write_day(snapshot, day, &sessions, frames, rewrites, is_changed, now)?;
        let paths: Vec<String> = output.files.iter().map(NewFile::path).collect();
        sink(output)?;
        Ok((is_aggregated && !paths.is_empty()).then_some((day, (paths, aggregates))))
    })?;
    Ok(aggregates.into_iter().flatten().collect())
}

/// Builds the new files of a day. If `is_changed` is given, also aggregates those sessions in these
/// files whose chatbot it accepts.
fn write_day(
    snapshot: &Snapshot,
    day: Day,
    sessions: &[Session<'_>],
    frames: &[Frame],
    rewrites: Vec<PartialRewrite>,
    is_changed: Option<impl Fn(&str) -> bool>,
    now: Micros,
) -> Result<(PartitionOutput, DayAggregates)> {
    let mut aggregates = DayAggregates::default();
    let mut partition = PartitionBuilder::new(snapshot, Table::Sessions, day, sessions.len());
    let summaries = summarize(sessions, frames, now)?;
    let sessions: Vec<&SessionSummary<'_>> = summaries.iter().flatten().collect();
    let mut remaining = &sessions[..];
    while !remaining.is_empty() {
        let (rows, columns) = row_group(&remaining[..remaining.len().min(ROW_GROUP)])?;
        let (sessions, rest) = remaining.split_at(rows);
        let earliest = sessions.iter().map(|session| session.first.time).min();
        let latest = sessions.iter().map(|session| session.ended_at).max();
        partition.add(rows, earliest.zip(latest).unwrap_or_default(), columns)?;
        remaining = rest;
    }
    if is_changed.is_some() {
        for session in &sessions {
            aggregates.add(&session.key.chatbot_id, SessionFacts::from_session(session));
        }
    }
    for rewrite in &rewrites {
        partition.add_remaining(rewrite)?;
        if let Some(is_changed) = &is_changed {
            let rows = snapshot.read_file(&rewrite.file, Some(&FACT_COLUMNS))?;
            let rows = rows.filter(rewrite.removed.iter().map(|removed| !removed))?;
            for_each_session_of(&rows, is_changed, |chatbot, facts| aggregates.add(chatbot, facts))?;
        }
    }
    for file in partition.merge_small_files()? {
        let Some(is_changed) = &is_changed else { continue };
        let rows = snapshot.read_file(&file, Some(&FACT_COLUMNS))?;
        for_each_session_of(&rows, is_changed, |chatbot, facts| aggregates.add(chatbot, facts))?;
    }
    Ok((partition.finish()?, aggregates))
}

/// Number of summaries in one allocation. All these allocations have one size, so that the
/// allocator can reuse them.
const SUMMARIES_PER_BLOCK: usize = 1024;

/// Computes the summaries of sessions, in the order of a file.
fn summarize<'a>(
    sessions: &[Session<'a>],
    frames: &'a [Frame],
    now: Micros,
) -> Result<Vec<Vec<SessionSummary<'a>>>> {
    let mut stored = StoredSessions::new(frames);
    let mut blocks = Vec::with_capacity(sessions.len().div_ceil(SUMMARIES_PER_BLOCK));
    for sessions in in_file_order(sessions).chunks(SUMMARIES_PER_BLOCK) {
        let mut block = Vec::with_capacity(SUMMARIES_PER_BLOCK);
        for session in sessions {
            block.extend(session.summary(&mut stored, now)?);
        }
        blocks.push(block);
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the change of a session of chatbot `c` on each of some days.
    fn changes(days: impl IntoIterator<Item = i32>) -> SessionChanges {
        let mut changes = SessionChanges::default();
        for day in days.into_iter().map(Day) {
            changes.days.add(day, "c");
            changes.aggregates.insert(day, (vec![format!("a file of {day}")], DayAggregates::default()));
            changes.sessions += 1;
        }
        changes
    }

    fn aggregated(changes: &SessionChanges) -> Vec<i32> {
        let mut days: Vec<i32> = changes.aggregates.keys().map(|day| day.0).collect();
        days.sort_unstable();
        days
    }

    #[test]
    fn later_aggregate_with_all_changed_chatbots_is_kept() {
        let mut all = changes([1, 2]);
        let mut later = changes([2, 3]);
        later.aggregates.insert(Day(2), (vec!["a later file".to_owned()], DayAggregates::default()));
        all.merge(later);
        assert_eq!((aggregated(&all), all.sessions, all.days.count()), (vec![1, 2, 3], 4, 3));
        assert_eq!(all.aggregates[&Day(2)].0, ["a later file"]);
    }

    #[test]
    fn later_aggregate_without_a_changed_chatbot_is_dropped() {
        let mut all = changes([1, 2]);
        all.days.add(Day(2), "d");
        all.merge(changes([2, 3]));
        assert_eq!(aggregated(&all), vec![1, 3]);
        // Chatbot `d` still has no aggregate.
        all.merge(changes([2, 4]));
        assert_eq!(aggregated(&all), vec![1, 3, 4]);
        // A batch without an aggregate can have replaced files of an earlier one.
        let mut later = changes([1]);
        later.aggregates.clear();
        all.merge(later);
        assert_eq!(aggregated(&all), vec![3, 4]);
    }

    #[test]
    fn aggregates_of_too_many_sessions_are_dropped() {
        let mut all = changes([1]);
        all.merge(SessionChanges { sessions: MAX_RETAINED.0, ..changes([2]) });
        assert!(all.aggregates.is_empty());
        let mut all = changes([1]);
        all.merge(changes(2..=MAX_RETAINED.1 as i32));
        assert_eq!(all.aggregates.len(), MAX_RETAINED.1);
        all.merge(changes([-1]));
        assert!(all.aggregates.is_empty());
    }
}
