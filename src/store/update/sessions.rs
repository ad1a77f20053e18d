//! Merges pieces of sessions into the `sessions` table.
//!
//! A piece is the summary of some new events of one key. It joins the stored sessions of its key
//! that are at most a timeout away; those rows are taken out of their files, and the merged ones
//! put in. Only files whose stretch of time a piece touches are looked at, and of them only the
//! columns of keys, until a row is found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::coverage::Coverage;
use super::partition::Partition;
use super::session_fragments::{Piece, Session, Stored};
use super::{Losing, Made, Sink, few_at_once};
use crate::daily_stats::{DayAggregates, SessionFacts};
use crate::error::Result;
use crate::prehashed::PreHashed;
use crate::session::{SessionSummary, merge_adjacent};
use crate::store::columns::Table;
use crate::store::encode::ROW_GROUP;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::{
    self,
    sessions::{Keys, Rows},
};
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros, Zone};

/// What a merge did.
#[derive(Debug, Default)]
pub struct Changed {
    /// Days whose sessions changed: those that lost rows and those that gained some.
    pub days: BTreeSet<Day>,
    /// Number of sessions put in.
    pub sessions: u64,
    /// What the sessions of the new files add up to, by day, with the paths of those files: whoever
    /// works the days out again need not read what has just been written.
    pub tallies: HashMap<Day, (Vec<String>, DayAggregates)>,
}

/// Stored rows that pieces join, file by file.
struct Found {
    file: DataFile,
    superseded: Vec<bool>,
    rows: Frame,
}

/// Merges pieces with the table. Those of one key stand beside each other, more than a timeout apart.
pub fn merge(
    snapshot: &Snapshot,
    pieces: Vec<Piece<'_>>,
    zone: Zone,
    timeout: Micros,
    now: Micros,
    sink: Sink<'_>,
) -> Result<Changed> {
    let found = find(snapshot, &pieces, timeout)?;
    let mut changed = Changed::default();
    let mut superseded = Vec::new();
    let mut frames = Vec::new();
    for Found { file, superseded: mask, rows } in found {
        changed.days.insert(file.day);
        frames.push(rows);
        superseded.push((file, mask));
    }
    let sessions = put_together(pieces, &frames, timeout)?;
    changed.sessions = sessions.len() as u64;
    let mut by_day: BTreeMap<Day, Vec<Session<'_>>> = BTreeMap::new();
    for session in sessions {
        by_day.entry(zone.day(session.first.time)).or_default().push(session);
    }
    changed.days.extend(by_day.keys());
    changed.tallies = rewrite(snapshot, by_day, &frames, superseded, now, sink)?;
    Ok(changed)
}

/// Joins pieces with the stored sessions of their keys.
fn put_together<'a>(
    pieces: Vec<Piece<'a>>,
    stored: &'a [Frame],
    timeout: Micros,
) -> Result<Vec<Session<'a>>> {
    let mut joined: HashMap<u128, Vec<Session<'a>>, PreHashed> = HashMap::with_hasher(PreHashed);
    for (number, frame) in stored.iter().enumerate() {
        let rows = Rows::of(frame)?;
        for row in 0..frame.height() {
            let session = Session::stored(&rows, number, row);
            joined.entry(session.key).or_default().push(session);
        }
    }
    let mut sessions = Vec::with_capacity(pieces.len());
    for piece in pieces {
        // Pieces alone are sessions: nothing else of their key is near.
        match joined.get_mut(&piece.key) {
            Some(others) => others.push(Session::of(piece)),
            None => sessions.push(Session::of(piece)),
        }
    }
    sessions.extend(joined.into_values().flat_map(|pieces| merge_adjacent(pieces, timeout)));
    Ok(sessions)
}

/// Brings sessions into the order of a file: those of one chatbot and one moment lie together, for
/// compression, and for reports.
fn in_order<'s, 'a>(sessions: &'s [Session<'a>]) -> Vec<&'s Session<'a>> {
    let chatbots: BTreeSet<&str> = sessions.iter().map(|s| s.chatbot_id).collect();
    let ranks: HashMap<&str, usize> = chatbots.into_iter().zip(0..).collect();
    let rank = |s: &Session<'_>| ranks.get(s.chatbot_id).copied().unwrap_or(0);
    let mut order: Vec<_> = sessions.iter().map(|s| (rank(s), s.first, s)).collect();
    // The pieces come nearly in this order: a stable sort makes use of it.
    order.sort_by_key(|place| (place.0, place.1, place.2.key));
    order.into_iter().map(|(_, _, session)| session).collect()
}

fn find(snapshot: &Snapshot, pieces: &[Piece<'_>], timeout: Micros) -> Result<Vec<Found>> {
    let coverage = Coverage::of(
        pieces.iter().map(|p| (p.first.time.saturating_sub(timeout), p.ended_at.saturating_add(timeout))),
    );
    let files: Vec<&DataFile> = snapshot
        .manifest()
        .files(Table::Sessions)
        .iter()
        .filter(|file| coverage.touches(file.min_time, file.max_time))
        .collect();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_key: HashMap<u128, &[Piece<'_>], PreHashed> =
        HashMap::with_capacity_and_hasher(pieces.len(), PreHashed);
    by_key.extend(
        pieces.chunk_by(|a, b| a.key == b.key).filter_map(|of_key| Some((of_key.first()?.key, of_key))),
    );
    let found = few_at_once(files, |file| {
        let frame = snapshot.read_file(file, Some(&tables::sessions::KEY_COLUMNS))?;
        let keys = Keys::of(&frame)?;
        let joins = |row: usize| {
            let Some(pieces) = by_key.get(&keys.key(row).hash()) else { return false };
            let (start, end) = keys.interval(row);
            // Pieces of one key are in order of time, and none touches the next.
            let from = pieces.partition_point(|p| start.saturating_sub(p.ended_at) > timeout);
            pieces.get(from).is_some_and(|p| p.first.time.saturating_sub(end) <= timeout)
        };
        let superseded: Vec<bool> = (0..frame.height()).map(joins).collect();
        if !superseded.contains(&true) {
            return Ok(None);
        }
        let rows = snapshot.read_file_checked(file)?.filter(superseded.iter().copied())?;
        Ok(Some(Found { file: file.clone(), superseded, rows }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

fn rewrite(
    snapshot: &Snapshot,
    by_day: BTreeMap<Day, Vec<Session<'_>>>,
    frames: &[Frame],
    superseded: Vec<Losing>,
    now: Micros,
    sink: Sink<'_>,
) -> Result<HashMap<Day, (Vec<String>, DayAggregates)>> {
    let mut by_day = by_day;
    let mut losing: BTreeMap<Day, Vec<Losing>> = BTreeMap::new();
    for (file, mask) in superseded {
        by_day.entry(file.day).or_default();
        losing.entry(file.day).or_default().push((file, mask));
    }
    let days: Vec<_> = by_day
        .into_iter()
        .map(|(day, sessions)| (day, sessions, losing.remove(&day).unwrap_or_default()))
        .collect();
    let counted = few_at_once(days, |(day, sessions, losing)| {
        let (made, tallies) = rewrite_day(snapshot, day, &sessions, frames, losing, now)?;
        let paths: Vec<String> = made.files.iter().map(NewFile::path).collect();
        sink(made)?;
        Ok((!paths.is_empty()).then_some((day, (paths, tallies))))
    })?;
    Ok(counted.into_iter().flatten().collect())
}

/// Makes the new files of a day, and adds its sessions up.
fn rewrite_day(
    snapshot: &Snapshot,
    day: Day,
    sessions: &[Session<'_>],
    frames: &[Frame],
    losing: Vec<Losing>,
    now: Micros,
) -> Result<(Made, DayAggregates)> {
    let mut tallies = DayAggregates::default();
    let mut partition = Partition::new(snapshot, Table::Sessions, day, sessions.len())?;
    let summaries = summaries(sessions, frames, now)?;
    let sessions: Vec<&SessionSummary<'_>> = summaries.iter().flatten().collect();
    let mut left = &sessions[..];
    while !left.is_empty() {
        let (rows, columns) = tables::sessions::columns(&left[..left.len().min(ROW_GROUP)])?;
        let (sessions, rest) = left.split_at(rows);
        let earliest = sessions.iter().map(|session| session.first.time).min();
        let latest = sessions.iter().map(|session| session.ended_at).max();
        partition.add(rows, earliest.zip(latest).unwrap_or_default(), columns)?;
        left = rest;
    }
    for session in &sessions {
        tallies.add(&session.key.chatbot_id, SessionFacts::from_session(session));
    }
    for losing in &losing {
        let rest = partition.add_rest(losing)?;
        tables::daily_stats::facts(&rest, |chatbot, facts| tallies.add(chatbot, facts))?;
    }
    for file in partition.fold()? {
        let facts = snapshot.read_file(&file, Some(&tables::daily_stats::FACT_COLUMNS))?;
        tables::daily_stats::facts(&facts, |chatbot, facts| tallies.add(chatbot, facts))?;
    }
    Ok((partition.finish()?, tallies))
}

/// How many summaries lie together: blocks of memory that are all alike are used again.
const TOGETHER: usize = 1024;

/// Makes the summaries of sessions, in the order of a file.
fn summaries<'a>(
    sessions: &[Session<'a>],
    frames: &'a [Frame],
    now: Micros,
) -> Result<Vec<Vec<SessionSummary<'a>>>> {
    let mut stored = Stored::of(frames);
    let mut made = Vec::with_capacity(sessions.len().div_ceil(TOGETHER));
    for sessions in in_order(sessions).chunks(TOGETHER) {
        let mut some = Vec::with_capacity(TOGETHER);
        for session in sessions {
            some.extend(session.summary(&mut stored, now)?);
        }
        made.push(some);
    }
    Ok(made)
}
