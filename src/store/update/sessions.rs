//! Merges pieces of sessions into the `sessions` table.
//!
//! A piece is the summary of some new events of one key. It joins the stored sessions of its key
//! that are at most a timeout away; those rows are taken out of their files, and the merged ones
//! put in. Only files whose stretch of time a piece touches are looked at, and of them only the
//! columns of keys, until a row is found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use polars::prelude::{ChunkAgg, DataFrame};
use rayon::prelude::*;

use super::coverage::Coverage;
use super::events::filter;
use super::fold;
use crate::error::Result;
use crate::session::{Summary, join};
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::time::{Day, Micros, Zone};

/// What a merge did.
#[derive(Debug, Default)]
pub struct Changed {
    /// Days whose sessions changed: those that lost rows and those that gained some.
    pub days: BTreeSet<Day>,
    /// Number of sessions put in.
    pub sessions: u64,
}

/// Stored rows that pieces join, file by file.
struct Found {
    file: DataFile,
    superseded: Vec<bool>,
    sessions: Vec<Summary>,
}

/// Merges pieces, grouped by key in `pieces`, into the table.
pub fn merge(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    pieces: HashMap<u128, Vec<Summary>>,
    zone: Zone,
    timeout: Micros,
) -> Result<Changed> {
    let found = find(snapshot, &pieces, timeout)?;
    let mut changed = Changed::default();
    let mut pieces = pieces;
    let mut superseded = Vec::new();
    for Found { file, superseded: mask, sessions } in found {
        changed.days.insert(file.day);
        for session in sessions {
            pieces.entry(session.key.hash()).or_default().push(session);
        }
        superseded.push((file, mask));
    }
    let mut sessions: Vec<Summary> = pieces
        .into_par_iter()
        .flat_map_iter(|(_, pieces)| if pieces.len() > 1 { join(pieces, timeout) } else { pieces })
        .collect();
    changed.sessions = sessions.len() as u64;
    // Sessions of one chatbot and one moment lie together: for compression, and for reports.
    sessions.par_sort_unstable_by(|a, b| {
        (&a.key.chatbot_id, a.first, &a.key).cmp(&(&b.key.chatbot_id, b.first, &b.key))
    });
    let mut by_day: BTreeMap<Day, Vec<Summary>> = BTreeMap::new();
    for session in sessions {
        by_day.entry(zone.day(session.first.time)).or_default().push(session);
    }
    changed.days.extend(by_day.keys());
    write(snapshot, transaction, by_day, superseded)?;
    Ok(changed)
}

fn find(snapshot: &Snapshot, pieces: &HashMap<u128, Vec<Summary>>, timeout: Micros) -> Result<Vec<Found>> {
    let coverage = Coverage::of(
        pieces
            .values()
            .flatten()
            .map(|p| (p.first.time.saturating_sub(timeout), p.ended_at.saturating_add(timeout))),
    );
    let files = snapshot.manifest().files(Table::Sessions);
    let found: Vec<Option<Found>> = files
        .par_iter()
        .filter(|file| coverage.touches(file.min_time, file.max_time))
        .map(|file| {
            let keys =
                tables::sessions::keys(&snapshot.read_file(file, Some(&tables::sessions::KEY_COLUMNS))?)?;
            let superseded: Vec<bool> = keys
                .iter()
                .map(|&(key, start, end)| {
                    pieces.get(&key).is_some_and(|pieces| {
                        pieces.iter().any(|p| {
                            start.saturating_sub(p.ended_at) <= timeout
                                && p.first.time.saturating_sub(end) <= timeout
                        })
                    })
                })
                .collect();
            if !superseded.contains(&true) {
                return Ok(None);
            }
            let whole = snapshot.read_file_checked(file)?;
            let sessions = tables::sessions::read(&filter(&whole, superseded.iter().copied())?)?;
            Ok(Some(Found { file: file.clone(), superseded, sessions }))
        })
        .collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn write(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    by_day: BTreeMap<Day, Vec<Summary>>,
    superseded: Vec<(DataFile, Vec<bool>)>,
) -> Result<()> {
    let mut by_day = by_day;
    let mut losing: BTreeMap<Day, Vec<(DataFile, Vec<bool>)>> = BTreeMap::new();
    for (file, mask) in superseded {
        by_day.entry(file.day).or_default();
        losing.entry(file.day).or_default().push((file, mask));
    }
    let days: Vec<(Day, Vec<Summary>, Vec<(DataFile, Vec<bool>)>)> = by_day
        .into_iter()
        .map(|(day, sessions)| (day, sessions, losing.remove(&day).unwrap_or_default()))
        .collect();
    let made: Vec<(Option<NewFile>, Vec<DataFile>)> = days
        .into_par_iter()
        .map(|(day, sessions, losing)| rewrite_day(snapshot, day, &sessions, losing))
        .collect::<Result<_>>()?;
    for (file, replaced) in made {
        for old in replaced {
            transaction.remove(Table::Sessions, &old.path);
        }
        if let Some(file) = file {
            transaction.add(file)?;
        }
    }
    Ok(())
}

/// Makes the new file of a day, and names the files that it replaces.
fn rewrite_day(
    snapshot: &Snapshot,
    day: Day,
    sessions: &[Summary],
    losing: Vec<(DataFile, Vec<bool>)>,
) -> Result<(Option<NewFile>, Vec<DataFile>)> {
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
    if rows == 0 {
        return Ok((None, replaced));
    }
    let mut times: Vec<(Micros, Micros)> = sessions.iter().map(|s| (s.first.time, s.ended_at)).collect();
    for frame in &others {
        let reader = tables::Reader(frame);
        let (starts, ends) = (reader.int64("started_at")?, reader.int64("ended_at")?);
        times.extend(starts.min().zip(ends.max()));
    }
    let file = Some(NewFile {
        table: Table::Sessions,
        day,
        rows: rows as u64,
        min_time: times.iter().map(|t| t.0).min().unwrap_or(0),
        max_time: times.iter().map(|t| t.1).max().unwrap_or(0),
        bytes: tables::sessions::file(sessions, &others)?,
    });
    Ok((file, replaced))
}
