//! Sequences of visitors: the events of all sessions of a visitor.

use hashbrown::HashMap;

use super::candidates::{Since, first_start};
use super::chunks::with_data;
use super::window_read::WindowRead;
use super::{EventTags, Folded, SequenceFold};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::session_keys::{BoundValues, SessionValues, VisitorKeys};
use crate::report::query::tables::{Tables, map_frames};
use crate::report::query::window::Window;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{DAY, Day, Micros, Zone};

/// The bit of a tag that marks the events of sessions that started in the window.
pub(crate) const STARTS: u32 = 1 << 31;

/// The maximum number of events for which all visitors are read together. If there are more, the
/// events are read several times, each time for a part of the visitors.
const MAX_EVENTS: usize = 8 << 20;

/// Computes the sum over the sequences of the visitors with a session in the query's window.
///
/// A sequence has the events of the visitor's sessions that start in the window, which are marked
/// with [`STARTS`], and of the visitor's sessions that start less than `ahead` after the end of the
/// window.
pub(crate) fn fold_visitors<F: SequenceFold<()>>(
    tables: &dyn Tables,
    query: &Query,
    ahead: Micros,
    tags: &dyn EventTags,
    fold: &F,
) -> Result<Folded<F::Sum>> {
    let days = i32::try_from(ahead.max(0) / DAY).unwrap_or(i32::MAX - 2).saturating_add(2);
    let to = Day(query.window.to.0.saturating_add(days));
    let extended = with_data(tables, Window { to, ..query.window });
    let events = extended.map_or(0, |window| tables.estimated_rows(Table::Events, Some(window.range())));
    let parts = events.div_ceil(MAX_EVENTS).max(1) as u64;
    fold_parts(tables, query, (extended, ahead), tags, fold, parts)
}

/// Computes the sum over the sequences of visitors, in `parts` parts by visitor. `extended` has the
/// days of the sessions to read.
pub(super) fn fold_parts<F: SequenceFold<()>>(
    tables: &dyn Tables,
    query: &Query,
    (extended, ahead): (Option<Window>, Micros),
    tags: &dyn EventTags,
    fold: &F,
    parts: u64,
) -> Result<Folded<F::Sum>> {
    let bots = bot_sessions(tables, query)?;
    let mut folded = Folded { sum: fold.empty(), sessions: 0, visitors: 0, bots };
    let Some(window) = extended else { return Ok(folded) };
    let read = Query { window, ..query.clone() };
    let end = query.window.instants(tables.zone()).possible.1.saturating_add(ahead);
    for part in 0..parts {
        let visitors = VisitorsOfPart { zone: tables.zone(), window: query.window, end, part, parts };
        let values = Since { values: &visitors, start: first_start(tables, tags) };
        let (index, sessions) = SessionIndex::read_with(tables, &read, &values)?;
        let mut numbers: HashMap<u128, u32> = HashMap::new();
        for (visitor, _) in sessions.iter().filter(|(_, is_in_window)| *is_in_window) {
            folded.sessions += 1;
            let next = numbers.len() as u32;
            numbers.entry(*visitor).or_insert(next);
        }
        folded.visitors += numbers.len() as u64;
        if numbers.is_empty() {
            continue;
        }
        let groups: Vec<Option<(u32, u32)>> = sessions
            .iter()
            .map(|(visitor, starts)| Some((*numbers.get(visitor)?, if *starts { STARTS } else { 0 })))
            .collect();
        drop(sessions);
        let group = |session: u32, tag: u32| {
            let (group, bits) = groups.get(session as usize).copied().flatten()?;
            Some((group, tag | bits))
        };
        let events = WindowRead { tables, query: &read, index: &index, tags, rows: None };
        let groups = events.group(numbers.len(), group, |events| fold.depends_on_ties(events))?;
        let sum = groups.map(|groups| groups.fold(fold, |_| Some(&())));
        folded.sum = sum.into_iter().fold(folded.sum, |sum, other| fold.merge(sum, other));
    }
    Ok(folded)
}

/// Returns the number of bot sessions of a window, whether included or not.
fn bot_sessions(tables: &dyn Tables, query: &Query) -> Result<u64> {
    let days = Some(query.window.range());
    let files = map_frames(tables, Table::Sessions, days, &query.columns(&[]), |_, frame| {
        Ok(query.select(frame)?.bots)
    })?;
    Ok(files.into_iter().sum())
}

/// The visitor of each session, and whether the session started in the window. Only the visitors of
/// one part have values.
struct VisitorsOfPart {
    zone: Zone,
    window: Window,
    /// The end of the sessions to read: sessions that start at this time or later are left out.
    end: Micros,
    part: u64,
    parts: u64,
}

impl SessionValues for VisitorsOfPart {
    type Value = (u128, bool);

    fn columns(&self) -> Vec<&'static str> {
        vec!["anonymous_id", "user_id"]
    }

    fn bind<'f>(&self, _: usize, frame: &'f Frame) -> Result<BoundValues<'f, (u128, bool)>> {
        let (zone, window, end) = (self.zone, self.window, self.end);
        let (part, parts) = (self.part, self.parts);
        let mut keys = VisitorKeys::new(frame)?;
        let started = frame.ints("started_at")?;
        Ok(Box::new(move |row| {
            let (visitor, start) = (keys.hash(row)?, started.get(row)?);
            let is_in_part = (visitor >> 64) as u64 % parts == part;
            (is_in_part && start < end).then(|| (visitor, window.contains(zone.day(start))))
        }))
    }
}
