//! The inputs of daily statistics: the sessions of a day, and the visitors first seen on it.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::daily_stats::{DayAggregates, VisitorSet};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::daily_stats::{FACT_COLUMNS, for_each_session_of};
use crate::store::tables::visitors::{LOOKUP_COLUMNS, hashes_and_times};
use crate::time::{Day, Micros, Zone};

/// Maximum number of sessions of a day that are read at once, in parallel. The sessions of a larger
/// day are read one row group at a time.
const MAX_ROWS_TOGETHER: u64 = 1 << 17;

/// Minimum number of sessions of a day for which each file is first searched for the selected
/// chatbots, so that only files with their sessions are read as a whole. If each batch adds new
/// chatbots to a day, most files have none of the chatbots that the last batch changed.
const MIN_SEARCHED_ROWS: u64 = 1 << 14;

/// The aggregates of a day's session files, with the paths of these files.
pub type PartialDay = (Vec<String>, DayAggregates);

/// Returns the visitors first seen on each of the days.
///
/// # Errors
/// Fails if a file of visitors cannot be read.
pub fn first_seen_on(snapshot: &Snapshot, days: &[Day], zone: Zone) -> Result<HashMap<Day, VisitorSet>> {
    let day_set: HashSet<Day> = days.iter().copied().collect();
    let bounds: Vec<(Micros, Micros)> =
        days.iter().map(|&day| (zone.start_of(day), zone.start_bounds(day.plus(1)).1)).collect();
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let files = files.filter(|f| bounds.iter().any(|&(from, to)| f.min_time < to && from <= f.max_time));
    let visitors: Vec<Vec<(Day, u128)>> = files
        .map(|file| {
            let stored = snapshot.read_file(file, Some(&LOOKUP_COLUMNS))?;
            let dated = hashes_and_times(&stored)?.map(|(hash, time)| (zone.day(time), hash));
            Ok(dated.filter(|(day, _)| day_set.contains(day)).collect())
        })
        .collect::<Result<_>>()?;
    let mut by_day: HashMap<Day, VisitorSet> = HashMap::new();
    for (day, hash) in visitors.into_iter().flatten() {
        by_day.entry(day).or_default().insert(hash);
    }
    Ok(by_day)
}

/// Aggregates a day's sessions of the chatbots that `is_selected` accepts. `partial` contains the
/// aggregates of files that need not be read. Also returns a measure of the work: the number of
/// sessions whose columns were read, plus a sixteenth of all sessions, whose chatbots may have been
/// read first.
///
/// # Errors
/// Fails if a file of sessions cannot be read.
pub fn aggregate_day(
    snapshot: &Snapshot,
    day: Day,
    partial: Option<PartialDay>,
    is_selected: impl Fn(&str) -> bool + Sync,
) -> Result<(DayAggregates, u64)> {
    let (paths, mut aggregates) = partial.unwrap_or_default();
    let files: Vec<&DataFile> =
        snapshot.partition(Table::Sessions, day).filter(|file| !paths.contains(&file.path)).collect();
    let searched = files.iter().map(|file| file.rows).sum::<u64>();
    let is_needed =
        |file: &DataFile| Ok(searched < MIN_SEARCHED_ROWS || has_selected(snapshot, file, &is_selected)?);
    let needed = files.into_par_iter().map(|file| Ok(is_needed(file)?.then_some(file)));
    let needed: Vec<&DataFile> = needed.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let rows = needed.iter().map(|file| file.rows).sum::<u64>();
    let mut add = |frame: &Frame| {
        for_each_session_of(frame, &is_selected, |chatbot, facts| aggregates.add(chatbot, facts))
    };
    if rows > MAX_ROWS_TOGETHER {
        for file in needed {
            let mut groups = snapshot.row_groups(file, Some(&FACT_COLUMNS))?;
            let rows = |frame: &Frame| selected_rows(frame, &is_selected);
            while let Some((frame, _)) = groups.next_selected(&["chatbot_id"], rows)? {
                add(&frame)?;
            }
        }
    } else {
        let read = needed.into_par_iter().map(|file| snapshot.read_file(file, Some(&FACT_COLUMNS)));
        read.collect::<Result<Vec<Frame>>>()?.iter().try_for_each(add)?;
    }
    Ok((aggregates, rows + searched / 16))
}

/// Returns the positions of the sessions of the chatbots that `is_selected` accepts.
fn selected_rows(frame: &Frame, is_selected: impl Fn(&str) -> bool) -> Result<Vec<u32>> {
    let chatbots = frame.texts("chatbot_id")?;
    let mut last = (None, false);
    let mut is_selected_row = |row: &u32| {
        let token = chatbots.token(*row as usize);
        if last.0 != token || token.is_none() {
            last = (token, is_selected(chatbots.get(*row as usize).unwrap_or("")));
        }
        last.1
    };
    Ok((0..frame.height() as u32).filter(|row| is_selected_row(row)).collect())
}

/// Returns whether a file has sessions of a chatbot that `is_selected` accepts. Reads only the
/// column of chatbots, which is many times faster than reading all columns.
fn has_selected(snapshot: &Snapshot, file: &DataFile, is_selected: impl Fn(&str) -> bool) -> Result<bool> {
    let mut groups = snapshot.row_groups(file, Some(&["chatbot_id"]))?;
    while let Some(frame) = groups.next_group()? {
        let chatbots = frame.texts("chatbot_id")?;
        let mut last = None;
        for row in 0..frame.height() {
            let token = chatbots.token(row);
            if last.replace(token) != Some(token) && chatbots.get(row).is_some_and(&is_selected) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
