//! The cells of a grid: its sessions by chatbot and by range of days.
//!
//! All windows of a grid end on the same day, so each window consists of whole ranges: the days of
//! the shortest window, the further days of the next longer window, and so on. The sessions of an
//! answer are therefore the sessions of some cells. A report that merges results of disjoint sets
//! of sessions computes the result of each cell once, from one read of the longest window, and
//! merges them for each answer.

use std::sync::Arc;

use rayon::prelude::*;

use super::Query;
use super::session_keys::{BoundValues, SessionValues};
use super::shared_results::SharedResults;
use super::tables::{Tables, map_frames};
use super::view_cache::NULL_TOKEN;
use super::window::Window;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Texts};
use crate::time::{Day, Zone};

/// The columns of sessions that determine their cells.
const COLUMNS: [&str; 2] = ["chatbot_id", "started_at"];

/// The cells of a grid, and the results that its answers share.
pub struct GridCells {
    /// The longest window, with all chatbots of the grid.
    query: Query,
    /// The chatbots with separate cells. All other chatbots share cells, which come last.
    chatbots: Vec<String>,
    /// The first day of each range, the latest first.
    starts: Vec<Day>,
    results: SharedResults,
}

/// The cells of a grid, and its tables with all chatbots.
pub struct GridTables<'a> {
    /// The cells.
    pub cells: &'a GridCells,
    /// The tables.
    pub tables: Box<dyn Tables + 'a>,
}

impl GridCells {
    /// Returns the cells of a grid, given its windows, the shortest first, the chatbots with
    /// separate answers, and the query for all chatbots in the longest window.
    pub fn new(query: Query, windows: &[Window], chatbots: Vec<String>) -> GridCells {
        let starts = windows.iter().map(|window| window.from).collect();
        GridCells { query, chatbots, starts, results: SharedResults::default() }
    }

    /// Returns the query for the sessions of all cells.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Returns the number of cells.
    pub fn count(&self) -> usize {
        (self.chatbots.len() + 1) * self.starts.len()
    }

    /// Returns the cells whose sessions a query selects; `None` if it does not select whole cells.
    pub fn of(&self, query: &Query) -> Option<impl Iterator<Item = usize>> {
        let all = &self.query;
        if query.include_bots != all.include_bots || query.window.to != all.window.to {
            return None;
        }
        let ranges = self.starts.iter().position(|start| *start == query.window.from)? + 1;
        let chatbots = match query.chatbots.as_slice() {
            chatbots if chatbots == all.chatbots => 0..self.chatbots.len() + 1,
            [chatbot] => {
                let number = self.chatbots.iter().position(|other| other == chatbot)?;
                number..number + 1
            }
            _ => return None,
        };
        let per_chatbot = self.starts.len();
        Some(chatbots.flat_map(move |chatbot| (0..ranges).map(move |range| chatbot * per_chatbot + range)))
    }

    /// Returns the results of all cells, which `compute` computes on the first call with this name.
    pub fn share<T: Send + Sync + 'static>(
        &self,
        name: &'static str,
        compute: impl FnOnce() -> Result<Vec<T>>,
    ) -> Result<Arc<Vec<T>>> {
        self.results.get(name, &self.query, compute)
    }

    /// Drops the shared results.
    pub fn clear(&self) {
        self.results.clear();
    }

    /// Returns a finder of the cells of a frame of sessions.
    fn finder<'f>(&'f self, frame: &'f Frame, zone: Zone) -> Result<CellFinder<'f>> {
        // All rows of a file have the same day.
        let day = frame.ints("started_at")?.get(0).map(|start| zone.day(start));
        let is_after = |start: &Day| day.is_some_and(|day| *start <= day);
        let range = self.starts.iter().position(is_after);
        Ok(CellFinder { cells: self, chatbots: frame.texts("chatbot_id")?, range, last: None })
    }

    /// Splits a frame of sessions into runs of adjacent rows of the same cell.
    fn runs(&self, frame: &Frame, zone: Zone) -> Result<Vec<(usize, Frame)>> {
        let mut finder = self.finder(frame, zone)?;
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for row in 0..frame.height() {
            let Some(cell) = finder.cell(row) else { continue };
            match runs.last_mut() {
                Some((last, start, length)) if *last == cell && *start + *length == row => *length += 1,
                _ => runs.push((cell, row, 1)),
            }
        }
        Ok(runs.into_iter().map(|(cell, start, length)| (cell, frame.slice(start, length))).collect())
    }

    /// Returns the number of bot sessions in each cell, whether they are included or not. The query
    /// has some days of the longest window.
    pub fn bots(&self, tables: &dyn Tables, query: &Query) -> Result<Vec<u64>> {
        let mut bots = vec![0; self.count()];
        let (days, zone) = (Some(query.window.range()), tables.zone());
        let files = map_frames(tables, Table::Sessions, days, &query.columns(&COLUMNS), |_, frame| {
            let mut finder = self.finder(frame, zone)?;
            let (is_bot, mut chatbots) = (frame.bools("is_bot")?, query.chatbot_filter(frame)?);
            let rows = (0..frame.height()).filter(|row| is_bot.is_true(*row) && chatbots.contains(*row));
            Ok(rows.filter_map(|row| finder.cell(row)).collect::<Vec<usize>>())
        })?;
        for cell in files.into_iter().flatten() {
            bots.get_mut(cell).into_iter().for_each(|bots| *bots += 1);
        }
        Ok(bots)
    }
}

/// Finds the cells of the sessions of a frame.
struct CellFinder<'a> {
    cells: &'a GridCells,
    chatbots: &'a Texts,
    /// The range of the frame's day; `None` if it is in no window.
    range: Option<usize>,
    /// The token of the last chatbot, and its number. A file is ordered by chatbot.
    last: Option<(u128, usize)>,
}

impl CellFinder<'_> {
    fn cell(&mut self, row: usize) -> Option<usize> {
        let range = self.range?;
        let token = self.chatbots.token(row).unwrap_or(NULL_TOKEN);
        let number = match self.last {
            Some((last, number)) if last == token => number,
            _ => {
                let chatbots = &self.cells.chatbots;
                let id = self.chatbots.get(row).unwrap_or("");
                chatbots.iter().position(|other| other == id).unwrap_or(chatbots.len())
            }
        };
        self.last = Some((token, number));
        Some(number * self.cells.starts.len() + range)
    }
}

/// Values of sessions together with their cells.
pub(crate) struct InCells<'a, S> {
    pub values: &'a dyn SessionValues<Value = S>,
    pub cells: &'a GridCells,
    /// The time zone of the days.
    pub zone: Zone,
}

impl<S: Send + 'static> SessionValues for InCells<'_, S> {
    type Value = (S, u32);

    fn columns(&self) -> Vec<&'static str> {
        let mut columns = self.values.columns();
        columns.extend(COLUMNS);
        columns
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, (S, u32)>> {
        let mut value = self.values.bind(number, frame)?;
        let mut finder = self.cells.finder(frame, self.zone)?;
        let of_row: Vec<Option<usize>> = (0..frame.height()).map(|row| finder.cell(row)).collect();
        Ok(Box::new(move |row| Some((value(row)?, u32::try_from(of_row.get(row).copied()??).ok()?))))
    }
}

/// Maps each frame of the sessions that a query selects, and merges the results. `name` is the name
/// of the result, as in [`SharedResults`].
///
/// `map` receives a frame and a query, whose window it must not use. Merging must be associative
/// and commutative.
pub(crate) fn merge_frames<T: Clone + Default + Send + Sync + 'static>(
    tables: &dyn Tables,
    name: &'static str,
    query: &Query,
    columns: &[&str],
    map: impl Fn(&Frame, &Query) -> Result<T> + Sync,
    merge: impl Fn(T, T) -> T + Sync,
) -> Result<T> {
    if let Some(grid) = tables.grid()
        && let Some(cells) = grid.cells.of(query)
    {
        let results = grid.cells.share(name, || merge_cells(&grid, columns, &map, &merge))?;
        let results = cells.filter_map(|cell| results.get(cell));
        return Ok(results.fold(T::default(), |sum, result| merge(sum, result.clone())));
    }
    let days = Some(query.window.range());
    let parts = map_frames(tables, Table::Sessions, days, columns, |_, frame| map(frame, query))?;
    Ok(parts.into_iter().fold(T::default(), merge))
}

/// Returns the merged result of each cell.
fn merge_cells<T: Default + Send>(
    grid: &GridTables<'_>,
    columns: &[&str],
    map: &(impl Fn(&Frame, &Query) -> Result<T> + Sync),
    merge: &(impl Fn(T, T) -> T + Sync),
) -> Result<Vec<T>> {
    let (tables, query) = (grid.tables.as_ref(), grid.cells.query());
    let mut columns = columns.to_vec();
    for name in COLUMNS {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let (days, zone) = (Some(query.window.range()), tables.zone());
    let files = map_frames(tables, Table::Sessions, days, &query.columns(&columns), |_, frame| {
        let runs = grid.cells.runs(frame, zone)?.into_iter();
        runs.map(|(cell, frame)| Ok((cell, map(&frame, query)?))).collect::<Result<Vec<(usize, T)>>>()
    })?;
    let mut parts: Vec<Vec<T>> = (0..grid.cells.count()).map(|_| Vec::new()).collect();
    for (cell, part) in files.into_iter().flatten() {
        if let Some(parts) = parts.get_mut(cell) {
            parts.push(part);
        }
    }
    let merged = parts.into_par_iter().with_max_len(1);
    Ok(merged.map(|parts| parts.into_iter().fold(T::default(), merge)).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::report::query::by_chatbot::ChatbotPartitions;
    use crate::report::tests::memory_tables::{MemoryTables, Session, day, session};

    /// Returns a query for some days up to 2026-06-10.
    fn query(from: &str, chatbots: &[&str]) -> Query {
        let window = Window { from: day(from), to: day("2026-06-10"), today: day("2026-06-10") };
        Query { chatbots: chatbots.iter().map(|id| (*id).to_owned()).collect(), ..Query::new(window) }
    }

    /// The windows of two, five and ten days.
    fn windows() -> [Window; 3] {
        ["2026-06-09", "2026-06-06", "2026-06-01"].map(|from| query(from, &[]).window)
    }

    #[test]
    fn query_consists_of_the_cells_of_its_chatbots_and_ranges() {
        let chatbots = vec!["a".to_owned(), "b".to_owned()];
        let cells = GridCells::new(query("2026-06-01", &[]), &windows(), chatbots);
        let of = |query: Query| cells.of(&query).map(|cells| cells.collect::<Vec<usize>>());
        assert_eq!(cells.count(), 9);
        // The cells of `a`, then those of `b`, then those of other chatbots.
        assert_eq!(of(query("2026-06-09", &["a"])), Some(vec![0]));
        assert_eq!(of(query("2026-06-01", &["b"])), Some(vec![3, 4, 5]));
        assert_eq!(of(query("2026-06-06", &[])), Some(vec![0, 1, 3, 4, 6, 7]));
        // Other days and chatbots, the previous period, and bot sessions are not whole cells.
        assert_eq!(of(query("2026-06-02", &[])), None);
        assert_eq!(of(query("2026-06-01", &["c"])), None);
        assert_eq!(of(query("2026-06-01", &["a", "b"])), None);
        assert_eq!(of(query("2026-06-01", &[]).previous()), None);
        assert_eq!(of(Query { include_bots: true, ..query("2026-06-01", &[]) }), None);
    }

    #[test]
    fn sessions_are_mapped_once_for_all_windows_and_chatbots() {
        let of = |date: &str, chatbot: &'static str| Session { chatbot, ..session(date, "v") };
        // The chatbots of a day alternate, so each of its sessions is a run.
        let sessions = [
            of("2026-06-10", "a"),
            of("2026-06-10", "b"),
            of("2026-06-10", "a"),
            of("2026-06-07", "b"),
            of("2026-06-07", "c"),
            of("2026-06-02", "a"),
            of("2026-05-31", "a"),
        ];
        let tables = MemoryTables::new(sessions.into());
        let all = query("2026-06-01", &[]);
        let chatbots = ["a".to_owned(), "b".to_owned()];
        let partitions = ChatbotPartitions::for_windows(&tables, &all, &windows(), &chatbots);
        let mapped = AtomicUsize::new(0);
        let count = |query: &Query| {
            let map = |frame: &Frame, query: &Query| {
                mapped.fetch_add(frame.height(), Relaxed);
                Ok(query.select(frame)?.rows.len())
            };
            let columns = query.columns(&[]);
            merge_frames(&partitions.all(), "sessions", query, &columns, map, |a, b| a + b).unwrap()
        };
        let counts = [("2026-06-09", 3), ("2026-06-06", 5), ("2026-06-01", 6)];
        for (from, expected) in counts {
            assert_eq!(count(&query(from, &[])), expected, "{from}");
        }
        assert_eq!((count(&query("2026-06-06", &["a"])), count(&query("2026-06-06", &["b"]))), (2, 2));
        assert_eq!(count(&query("2026-06-01", &["a"])), 3);
        assert_eq!(mapped.swap(0, Relaxed), 6);
        // Another report maps them again.
        partitions.start_report();
        assert_eq!((count(&query("2026-06-09", &["b"])), mapped.load(Relaxed)), (1, 6));
    }
}
