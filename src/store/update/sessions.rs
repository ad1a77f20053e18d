//! Merges pieces of sessions into the `sessions` table.
//!
//! A piece is the summary of some new events of one key. It joins the stored sessions of its key
//! that are at most a timeout away; those rows are taken out of their files, and the merged ones
//! put in. Only files whose stretch of time a piece touches are looked at, and of them only the
//! columns of keys, until a row is found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use polars::prelude::{ChunkAgg, DataFrame};

use super::coverage::Coverage;
use super::events::filter;
use super::{Losing, Made, Sink, few_at_once, fold};
use crate::daily_stats::{Facts, Tallies};
use crate::error::Result;
use crate::hash::Identity;
use crate::session::{Summary, join};
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros, Zone};

/// A piece of a session, with the hash of its key.
pub type Piece<'a> = (u128, Summary<'a>);

/// What a merge did.
#[derive(Debug, Default)]
pub struct Changed {
    /// Days whose sessions changed: those that lost rows and those that gained some.
    pub days: BTreeSet<Day>,
    /// Number of sessions put in.
    pub sessions: u64,
    /// What the sessions of the new files add up to, by day, with the path of the file: whoever
    /// works the days out again need not read what has just been written.
    pub tallies: HashMap<Day, (String, Tallies)>,
}

/// Stored rows that pieces join, file by file.
struct Found {
    file: DataFile,
    superseded: Vec<bool>,
    rows: DataFrame,
}

/// Merges pieces with the table. Those of one key stand beside each other, more than a timeout apart.
pub fn merge(
    snapshot: &Snapshot,
    pieces: Vec<Piece<'_>>,
    zone: Zone,
    timeout: Micros,
    sink: Sink<'_>,
) -> Result<Changed> {
    let found = find(snapshot, &pieces, timeout)?;
    let mut changed = Changed::default();
    let mut stored: Vec<Summary<'_>> = Vec::new();
    let mut superseded = Vec::new();
    let mut frames = Vec::new();
    for Found { file, superseded: mask, rows } in found {
        changed.days.insert(file.day);
        frames.push(rows);
        superseded.push((file, mask));
    }
    for frame in &frames {
        stored.extend(tables::sessions::read(frame)?);
    }
    let sessions = put_together(pieces, stored, timeout);
    changed.sessions = sessions.len() as u64;
    let mut by_day: BTreeMap<Day, Vec<&Summary<'_>>> = BTreeMap::new();
    for session in in_order(&sessions) {
        by_day.entry(zone.day(session.first.time)).or_default().push(session);
    }
    changed.days.extend(by_day.keys());
    changed.tallies = rewrite(snapshot, by_day, superseded, sink)?;
    Ok(changed)
}

/// Joins pieces with the stored sessions of their keys.
fn put_together<'a>(pieces: Vec<Piece<'a>>, stored: Vec<Summary<'a>>, timeout: Micros) -> Vec<Summary<'a>> {
    let mut joined: HashMap<u128, Vec<Summary<'a>>, Identity> = HashMap::with_hasher(Identity);
    for session in stored {
        joined.entry(session.key.hash()).or_default().push(session);
    }
    let mut sessions = Vec::with_capacity(pieces.len());
    for (key, piece) in pieces {
        // Pieces alone are sessions: nothing else of their key is near.
        match joined.get_mut(&key) {
            Some(others) => others.push(piece),
            None => sessions.push(piece),
        }
    }
    sessions.extend(joined.into_values().flat_map(|pieces| join(pieces, timeout)));
    sessions
}

/// Returns sessions in the order of a file: those of one chatbot and one moment lie together, for
/// compression, and for reports.
fn in_order<'s, 'a>(sessions: &'s [Summary<'a>]) -> Vec<&'s Summary<'a>> {
    let chatbots: BTreeSet<&str> = sessions.iter().map(|s| s.key.chatbot_id.as_ref()).collect();
    let ranks: HashMap<&str, usize> = chatbots.into_iter().zip(0..).collect();
    let rank = |s: &Summary<'_>| ranks.get(s.key.chatbot_id.as_ref()).copied().unwrap_or(0);
    let mut order: Vec<_> = sessions.iter().map(|s| (rank(s), s.first, s)).collect();
    // The pieces come nearly in this order: a stable sort makes use of it.
    order.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| a.2.key.cmp(&b.2.key)));
    order.into_iter().map(|(_, _, session)| session).collect()
}

fn find(snapshot: &Snapshot, pieces: &[Piece<'_>], timeout: Micros) -> Result<Vec<Found>> {
    let coverage = Coverage::of(
        pieces
            .iter()
            .map(|(_, p)| (p.first.time.saturating_sub(timeout), p.ended_at.saturating_add(timeout))),
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
    let mut by_key: HashMap<u128, &[Piece<'_>], Identity> =
        HashMap::with_capacity_and_hasher(pieces.len(), Identity);
    by_key.extend(pieces.chunk_by(|a, b| a.0 == b.0).map(|of_key| (of_key[0].0, of_key)));
    let found = few_at_once(files, |file| {
        let keys = tables::sessions::keys(&snapshot.read_file(file, Some(&tables::sessions::KEY_COLUMNS))?)?;
        let superseded: Vec<bool> = keys
            .iter()
            .map(|&(key, start, end)| {
                by_key.get(&key).is_some_and(|pieces| {
                    pieces.iter().any(|(_, p)| {
                        start.saturating_sub(p.ended_at) <= timeout
                            && p.first.time.saturating_sub(end) <= timeout
                    })
                })
            })
            .collect();
        if !superseded.contains(&true) {
            return Ok(None);
        }
        let rows = filter(&snapshot.read_file_checked(file)?, superseded.iter().copied())?;
        Ok(Some(Found { file: file.clone(), superseded, rows }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

fn rewrite(
    snapshot: &Snapshot,
    by_day: BTreeMap<Day, Vec<&Summary<'_>>>,
    superseded: Vec<Losing>,
    sink: Sink<'_>,
) -> Result<HashMap<Day, (String, Tallies)>> {
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
        let (made, tallies) = rewrite_day(snapshot, day, &sessions, losing)?;
        let path = made.file.as_ref().map(NewFile::path);
        sink(made)?;
        Ok(path.map(|path| (day, (path, tallies))))
    })?;
    Ok(counted.into_iter().flatten().collect())
}

/// Makes the new file of a day, and adds its sessions up.
fn rewrite_day(
    snapshot: &Snapshot,
    day: Day,
    sessions: &[&Summary<'_>],
    losing: Vec<Losing>,
) -> Result<(Made, Tallies)> {
    let mut others: Vec<DataFrame> = Vec::new();
    let mut replaced = Vec::new();
    for (file, mask) in losing {
        others.push(filter(&snapshot.read_file_checked(&file)?, mask.iter().map(|gone| !gone))?);
        replaced.push(file);
    }
    let mut rows = sessions.len() + others.iter().map(DataFrame::height).sum::<usize>();
    let partition = snapshot.files_in(Table::Sessions, Some((day, day))).into_iter();
    let partition = partition.filter(|file| replaced.iter().all(|r| r.path != file.path));
    for file in fold::choose(partition, rows as u64) {
        others.push(snapshot.read_file_checked(file)?);
        rows += file.rows as usize;
        replaced.push(file.clone());
    }
    let mut tallies = Tallies::default();
    if rows == 0 {
        return Ok((Made { table: Table::Sessions, file: None, replaced }, tallies));
    }
    let mut times: Vec<(Micros, Micros)> = sessions.iter().map(|s| (s.first.time, s.ended_at)).collect();
    for session in sessions {
        tallies.add(&session.key.chatbot_id, Facts::of(session));
    }
    for frame in &others {
        let reader = tables::Reader(frame);
        let (starts, ends) = (reader.int64("started_at")?, reader.int64("ended_at")?);
        times.extend(starts.min().zip(ends.max()));
        tables::daily_stats::facts(frame, |chatbot, facts| tallies.add(chatbot, facts))?;
    }
    let earliest = times.iter().map(|t| t.0).min().unwrap_or(0);
    let latest = times.iter().map(|t| t.1).max().unwrap_or(0);
    let bytes = tables::sessions::file(sessions, &others)?;
    let file = NewFile::new(Table::Sessions, day, rows as u64, (earliest, latest), bytes);
    Ok((Made { table: Table::Sessions, file: Some(file), replaced }, tallies))
}
