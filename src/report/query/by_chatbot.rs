//! The tables of each chatbot, for `--by-chatbot` and dashboards.
//!
//! [`ChatbotPartitions`] reads each column of each file once, partitions the rows by chatbot, and
//! serves all chatbots and all reports from the result. A report on each of a thousand chatbots
//! then costs little more than one report on all of them, as long as the columns that it reads fit
//! into [`COLUMN_BYTES`]. A dashboard also reads all chatbots together, and several windows.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;

use super::Query;
use super::cells::{GridCells, GridTables};
use super::column_cache::{ColumnCache, RowRange};
use super::shared_results::SharedResults;
use super::tables::{TableFacts, Tables, map_frames, map_visited};
use super::view_cache::{NULL_TOKEN, TokenMap};
use super::window::Window;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::tables::visitors::LOOKUP_COLUMNS;
use crate::time::{Day, Micros};

/// The maximum size of the cached columns, in bytes.
const COLUMN_BYTES: usize = 192 << 20;

/// The maximum size of the cached lists of rows, in bytes.
const ROW_BYTES: usize = 64 << 20;

/// The rows of a chatbot in a frame.
enum FrameRows {
    /// All rows.
    All,
    /// The first row, and the number of rows. A file has the sessions and statistics of a chatbot
    /// in adjacent rows.
    Adjacent(u32, u32),
    /// Rows in ascending order.
    Listed(Vec<u32>),
}

impl FrameRows {
    /// Returns ascending rows of a frame with `height` rows.
    fn new(rows: Vec<u32>, height: usize) -> FrameRows {
        match (rows.first(), rows.last()) {
            (Some(_), _) if rows.len() == height => FrameRows::All,
            (Some(first), Some(last)) if (last - first) as usize + 1 == rows.len() => {
                FrameRows::Adjacent(*first, rows.len() as u32)
            }
            _ => FrameRows::Listed(rows),
        }
    }

    /// Returns these rows of a frame.
    fn select(&self, frame: &Frame) -> Result<Frame> {
        match self {
            FrameRows::All => Ok(frame.clone()),
            FrameRows::Adjacent(first, count) => Ok(frame.slice(*first as usize, *count as usize)),
            FrameRows::Listed(rows) => frame.gather(rows),
        }
    }

    /// Returns the number of rows of a frame with `height` rows.
    fn len(&self, height: usize) -> usize {
        match self {
            FrameRows::All => height,
            FrameRows::Adjacent(_, count) => *count as usize,
            FrameRows::Listed(rows) => rows.len(),
        }
    }
}

/// The frames of a read, and the rows of each chatbot in them.
struct PartitionedRows {
    /// The number of rows of each frame.
    heights: Vec<usize>,
    /// The index of each frame, with all its rows.
    all: Vec<(usize, FrameRows)>,
    /// For each chatbot, the indexes of frames with its rows, and the rows. With thousands of
    /// chatbots, separate frames would take more memory for their columns than for the values.
    by_chatbot: HashMap<String, Vec<(usize, FrameRows)>>,
}

impl PartitionedRows {
    /// Partitions the rows of frames with the column `chatbot_id`.
    fn new(frames: &[Frame]) -> Result<PartitionedRows> {
        let mut by_chatbot: HashMap<String, Vec<(usize, FrameRows)>> = HashMap::new();
        for (number, frame) in frames.iter().enumerate() {
            for (chatbot, rows) in partition(frame)? {
                let rows = FrameRows::new(rows, frame.height());
                by_chatbot.entry_ref(chatbot).or_default().push((number, rows));
            }
        }
        let heights: Vec<usize> = frames.iter().map(Frame::height).collect();
        let all = (0..heights.len()).map(|number| (number, FrameRows::All)).collect();
        Ok(PartitionedRows { heights, all, by_chatbot })
    }

    /// Returns the frames with rows of a chatbot, and its rows; all frames for `None`.
    fn parts(&self, chatbot: Option<&str>) -> &[(usize, FrameRows)] {
        match chatbot {
            None => &self.all,
            Some(chatbot) => self.by_chatbot.get(chatbot).map_or(&[], Vec::as_slice),
        }
    }

    /// Returns the number of rows of a chatbot.
    fn count(&self, chatbot: &str) -> usize {
        let height = |number: usize| self.heights.get(number).copied().unwrap_or(0);
        self.parts(Some(chatbot)).iter().map(|(number, rows)| rows.len(height(*number))).sum()
    }

    /// Returns the approximate size in bytes.
    fn size(&self) -> usize {
        let of_rows = |rows: &FrameRows| match rows {
            FrameRows::Listed(rows) => size_of_val(rows.as_slice()),
            _ => 0,
        };
        let part = size_of::<(usize, FrameRows)>();
        let parts: usize = self.by_chatbot.values().flatten().map(|(_, rows)| of_rows(rows) + part).sum();
        let chatbot = size_of::<(String, Vec<(usize, FrameRows)>)>();
        parts + self.by_chatbot.len() * chatbot + self.heights.len() * (part + size_of::<usize>())
    }
}

/// Partitions the rows of a frame by chatbot.
fn partition(frame: &Frame) -> Result<Vec<(&str, Vec<u32>)>> {
    let ids = frame.texts("chatbot_id")?;
    let mut parts: Vec<(&str, Vec<u32>)> = Vec::new();
    // Equal strings can have different tokens, so chatbots are looked up by name too.
    let mut by_token: TokenMap<usize> = TokenMap::default();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut last: Option<(u128, usize)> = None;
    for row in 0..frame.height() {
        let token = ids.token(row).unwrap_or(NULL_TOKEN);
        let part = match last {
            Some((last, part)) if last == token => part,
            _ => *by_token.entry(token).or_insert_with(|| {
                let name = ids.get(row).unwrap_or("");
                *by_name.entry(name).or_insert_with(|| {
                    parts.push((name, Vec::new()));
                    parts.len() - 1
                })
            }),
        };
        last = Some((token, part));
        if let Some((_, rows)) = parts.get_mut(part) {
            rows.push(row as u32);
        }
    }
    Ok(parts)
}

/// The cached rows by read.
///
/// Nothing is evicted: all answers need the rows of all chatbots, and most need the newest days.
struct RowCache {
    reads: HashMap<RowRange, Arc<PartitionedRows>>,
    free_bytes: usize,
}

/// Tables that read each file once for all chatbots if the reads fit into the caches.
pub(crate) struct ChatbotPartitions<'a> {
    columns: ColumnCache<'a>,
    rows: Mutex<RowCache>,
    ledger: Mutex<Option<Arc<Ledger>>>,
    /// Days that contain all windows; `None` for one window. Tables that are partitioned by month
    /// are read for all these days at once, so that several windows share the read.
    span: Option<(Day, Day)>,
    /// The cells of several windows; `None` for one window.
    cells: Option<GridCells>,
    results: SharedResults,
}

impl<'a> ChatbotPartitions<'a> {
    /// Returns the partitions of the given tables. Nothing is read yet.
    pub fn new(tables: &'a dyn Tables) -> ChatbotPartitions<'a> {
        ChatbotPartitions::with_cache_size(tables, COLUMN_BYTES)
    }

    fn with_cache_size(tables: &'a dyn Tables, column_bytes: usize) -> ChatbotPartitions<'a> {
        let rows = Mutex::new(RowCache { reads: HashMap::new(), free_bytes: ROW_BYTES });
        let columns = ColumnCache::new(tables, column_bytes);
        ChatbotPartitions {
            columns,
            rows,
            ledger: Mutex::default(),
            span: None,
            cells: None,
            results: SharedResults::default(),
        }
    }

    /// Returns the partitions for several windows with their previous periods. All windows end on
    /// the same day, and the shortest comes first. `query` is the query for all chatbots in the
    /// longest window; `chatbots` have separate answers.
    pub fn for_windows(
        tables: &'a dyn Tables,
        query: &Query,
        windows: &[Window],
        chatbots: &[String],
    ) -> ChatbotPartitions<'a> {
        let span = Some((query.window.previous().from, query.window.to));
        let cells = Some(GridCells::new(query.clone(), windows, chatbots.to_vec()));
        ChatbotPartitions { span, cells, ..ChatbotPartitions::new(tables) }
    }

    /// Starts the next report: cached columns that it does not read can be evicted, and the results
    /// of cells are dropped.
    pub fn start_report(&self) {
        self.columns.start_report();
        self.cells.iter().for_each(GridCells::clear);
    }

    /// Returns the tables of all chatbots together.
    pub fn all<'s>(&'s self) -> ChatbotTables<'s> {
        ChatbotTables { partitions: self, chatbot: None }
    }

    /// Returns the tables of one chatbot.
    pub fn chatbot<'s>(&'s self, chatbot: &'s str) -> ChatbotTables<'s> {
        ChatbotTables { partitions: self, chatbot: Some(chatbot) }
    }

    /// Splits a read into reads that are cached separately. Tables that are partitioned by day are
    /// read day by day.
    fn split(&self, rows: RowRange) -> Vec<RowRange> {
        match (rows.table, rows.days) {
            (table @ (Table::Events | Table::Sessions), Some((from, to))) => {
                // A window may begin long before the first data and end long after the last. Events
                // are read by UTC date, which may be before the first day of sessions.
                let (first, last) = self.columns.tables.days().unwrap_or((from, to));
                let last = match table {
                    Table::Sessions => last.plus(1),
                    _ => self.columns.tables.event_dates().map_or(to, |(_, last)| last),
                };
                let (from, to) = (from.max(first.plus(-2)), to.min(last));
                let of_day = |day: i32| RowRange { days: Some((Day(day), Day(day))), ..rows };
                (from.0..to.0.saturating_add(1)).map(of_day).collect()
            }
            (_, Some((from, to))) => {
                let span = self.span.filter(|(first, last)| *first <= from && to <= *last);
                vec![RowRange { days: span.or(rows.days), ..rows }]
            }
            _ => vec![rows],
        }
    }

    /// Returns the partitioned rows of each part of a read.
    fn partitioned(&self, rows: RowRange) -> Result<Vec<(RowRange, Arc<PartitionedRows>)>> {
        // A panic of another thread leaves the cache intact. The lock is not held while reading.
        let cache = || self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = self.split(rows);
        let cached: Vec<Option<Arc<PartitionedRows>>> = {
            let cache = cache();
            parts.iter().map(|rows| cache.reads.get(rows).map(Arc::clone)).collect()
        };
        let read = |rows: &RowRange| {
            let partitioned = PartitionedRows::new(&self.columns.read(*rows, &["chatbot_id"])?)?;
            let size = partitioned.size();
            let partitioned = Arc::new(partitioned);
            let mut cache = cache();
            if let Some(free_bytes) = cache.free_bytes.checked_sub(size)
                && !cache.reads.contains_key(rows)
            {
                cache.free_bytes = free_bytes;
                cache.reads.insert(*rows, Arc::clone(&partitioned));
            }
            Ok(partitioned)
        };
        let partitioned: Vec<Arc<PartitionedRows>> = if cached.iter().any(Option::is_none) {
            let all = parts.par_iter().zip(cached).with_max_len(1);
            all.map(|(rows, cached)| cached.map_or_else(|| read(rows), Ok)).collect::<Result<_>>()?
        } else {
            cached.into_iter().flatten().collect()
        };
        Ok(parts.into_iter().zip(partitioned).collect())
    }

    /// Calls `visit` with each frame of a read, with the rows of one chatbot or of all.
    fn read_each(
        &self,
        rows: RowRange,
        chatbot: Option<&str>,
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let mut offset = 0;
        let mut reads = Vec::new();
        for (rows, partitioned) in self.partitioned(rows)? {
            let count = partitioned.parts(chatbot).len();
            reads.extend((count > 0).then_some((offset, rows, partitioned)));
            offset += count;
        }
        reads.into_par_iter().with_max_len(1).try_for_each(|(offset, rows, partitioned)| {
            let frames = self.columns.read(rows, columns)?;
            let visit = |(index, (number, rows)): (usize, &(usize, FrameRows))| match frames.get(*number) {
                Some(frame) => visit(offset + index, &rows.select(frame)?),
                None => Ok(()),
            };
            match partitioned.parts(chatbot) {
                [part] => visit((0, part)),
                parts => parts.par_iter().with_max_len(1).enumerate().try_for_each(visit),
            }
        })
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        let mut cached = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = cached.as_ref() {
            return Ok(Arc::clone(ledger));
        }
        let ledger = self.columns.tables.ledger()?;
        *cached = Some(Arc::clone(&ledger));
        Ok(ledger)
    }
}

/// The tables of one chatbot, or of all together.
pub(crate) struct ChatbotTables<'a> {
    partitions: &'a ChatbotPartitions<'a>,
    chatbot: Option<&'a str>,
}

impl ChatbotTables<'_> {
    fn tables(&self) -> &dyn Tables {
        self.partitions.columns.tables
    }

    /// Returns the tables themselves for reads of all partitions and of visitors, if one answer on
    /// all chatbots is computed. These reads are not repeated, and can have more rows than fit into
    /// memory.
    fn uncached(&self, table: Table, days: Option<(Day, Day)>) -> Option<&dyn Tables> {
        let is_single = self.chatbot.is_none() && self.partitions.span.is_none();
        (is_single && (days.is_none() || table == Table::Visitors)).then(|| self.tables())
    }
}

impl Tables for ChatbotTables<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        map_frames(self, table, days, columns, |_, frame| Ok(frame.clone()))
    }

    fn estimated_rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        let Some(chatbot) = self.chatbot else { return self.tables().estimated_rows(table, days) };
        // An error is reported by the read that follows.
        let rows = self.partitions.partitioned(RowRange { table, days, ended_since: None });
        rows.unwrap_or_default().iter().map(|(_, rows)| rows.count(chatbot)).sum()
    }

    fn read_each(
        &self,
        table: Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        if let Some(tables) = self.uncached(table, days) {
            return tables.read_each(table, days, columns, visit);
        }
        let rows = RowRange { table, days, ended_since: None };
        self.partitions.read_each(rows, self.chatbot, columns, visit)
    }

    fn read_first_seen(
        &self,
        days: (Day, Day),
        between: (Micros, Micros),
        visit: &(dyn Fn(&Frame, bool) -> Result<()> + Sync),
    ) -> Result<()> {
        if let Some(tables) = self.uncached(Table::Visitors, Some(days)) {
            return tables.read_first_seen(days, between, visit);
        }
        self.read_each(Table::Visitors, Some(days), &LOOKUP_COLUMNS, &|_, frame| visit(frame, false))
    }

    fn shared_results(&self) -> Option<&SharedResults> {
        Some(&self.partitions.results)
    }

    fn grid(&self) -> Option<GridTables<'_>> {
        let cells = self.partitions.cells.as_ref()?;
        Some(GridTables { cells, tables: Box::new(self.partitions.all()) })
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        let rows = RowRange { table: Table::Sessions, days: None, ended_since: Some(time) };
        map_visited(
            |visit| self.partitions.read_each(rows, self.chatbot, columns, visit),
            |_, frame| Ok(frame.clone()),
        )
    }

    fn is_filtered(&self) -> bool {
        self.tables().is_filtered()
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.partitions.ledger()
    }

    fn facts(&self) -> &dyn TableFacts {
        self.tables().facts()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::report::tests::memory_tables::{MemoryTables, Session, day, session};

    /// Tables that count their reads.
    struct Counting {
        tables: MemoryTables,
        reads: AtomicUsize,
    }

    impl Tables for Counting {
        fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
            self.reads.fetch_add(1, Relaxed);
            self.tables.read(table, days, columns)
        }

        fn facts(&self) -> &dyn TableFacts {
            &self.tables
        }
    }

    /// Returns the number of reads for each of three chatbots, with a cache of the given size.
    fn reads(cache_size: usize) -> Vec<usize> {
        let session_on = |date: &str, chatbot: &'static str| Session { chatbot, ..session(date, "v") };
        let sessions = ["2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04"]
            .into_iter()
            .flat_map(|date| ["a", "b", "c"].map(|chatbot| session_on(date, chatbot)));
        let counting = Counting { tables: MemoryTables::new(sessions.collect()), reads: AtomicUsize::new(0) };
        let partitions = ChatbotPartitions::with_cache_size(&counting, cache_size);
        let days = Some((day("2026-06-01"), day("2026-06-04")));
        let read = |chatbot| {
            let frames = partitions.chatbot(chatbot).read(Table::Sessions, days, &["started_at"]).unwrap();
            assert_eq!(frames.iter().map(Frame::height).sum::<usize>(), 4);
            counting.reads.swap(0, Relaxed)
        };
        ["a", "b", "c"].map(read).into()
    }

    #[test]
    fn rows_are_listed_unless_they_are_adjacent() {
        let kind = |rows: &[u32]| match FrameRows::new(rows.to_vec(), 6) {
            FrameRows::All => "all".to_owned(),
            FrameRows::Adjacent(first, count) => format!("{count} from {first}"),
            FrameRows::Listed(listed) => format!("{listed:?}"),
        };
        for (rows, expected) in [
            (&[0, 1, 2, 3, 4, 5][..], "all"),
            (&[3], "1 from 3"),
            (&[3, 4, 5], "3 from 3"),
            (&[3, 5], "[3, 5]"),
            (&[0, 1, 3], "[0, 1, 3]"),
            (&[], "[]"),
        ] {
            assert_eq!(kind(rows), expected);
            assert_eq!(FrameRows::new(rows.to_vec(), 6).len(6), rows.len());
        }
    }

    #[test]
    fn rows_of_a_chatbot_are_in_the_order_of_the_frame() {
        let chatbots = ["b", "b", "a", "b", "a", "a", "c"].repeat(2);
        let sessions = chatbots.iter().map(|chatbot| Session { chatbot, ..session("2026-06-01", "v") });
        let tables = MemoryTables::new(sessions.collect());
        // Two frames with the same chatbots.
        let frames = tables.read(Table::Sessions, None, &["chatbot_id"]).unwrap();
        let ids: Vec<String> =
            frames[0].texts("chatbot_id").unwrap().iter().flatten().map(Into::into).collect();
        let partitioned = PartitionedRows::new(&frames).unwrap();
        for chatbot in ["a", "b", "c", "d"] {
            let rows: Vec<u32> =
                (0..).zip(&ids).filter(|(_, id)| *id == chatbot).map(|(row, _)| row).collect();
            let parts = partitioned.parts(Some(chatbot));
            assert_eq!(parts.len(), if rows.is_empty() { 0 } else { 2 }, "{chatbot}");
            assert_eq!(partitioned.count(chatbot), 2 * rows.len());
            for (number, selected) in parts {
                let frame = frames[*number].gather(&rows).unwrap();
                assert_eq!(selected.select(&frames[*number]).unwrap(), frame, "{chatbot}");
            }
        }
        assert_eq!(partitioned.parts(None).len(), 2);
    }

    #[test]
    fn frames_of_a_chatbot_are_numbered_without_gaps() {
        let session_on = |date: &str, chatbot: &'static str| Session { chatbot, ..session(date, "v") };
        let sessions = [("2026-06-01", "a"), ("2026-06-02", "b"), ("2026-06-03", "a"), ("2026-06-03", "b")];
        let tables = MemoryTables::new(sessions.map(|(date, chatbot)| session_on(date, chatbot)).into());
        let partitions = ChatbotPartitions::new(&tables);
        let days = Some((day("2026-05-01"), day("2026-06-30")));
        let numbers = |tables: ChatbotTables<'_>| {
            let starts = map_frames(&tables, Table::Sessions, days, &["started_at"], |number, frame| {
                Ok((number, frame.ints("started_at")?.get(0).map(Day::utc)))
            });
            let (numbers, days): (Vec<usize>, Vec<Option<Day>>) = starts.unwrap().into_iter().unzip();
            assert!(days.is_sorted());
            numbers
        };
        assert_eq!(numbers(partitions.chatbot("a")), [0, 1]);
        assert_eq!(numbers(partitions.chatbot("b")), [0, 1]);
        assert_eq!(numbers(partitions.chatbot("c")), [0usize; 0]);
        assert_eq!(numbers(partitions.all()), [0, 1, 2, 3]);
        let count = |chatbot| partitions.chatbot(chatbot).estimated_rows(Table::Sessions, days);
        assert_eq!((count("a"), count("b"), count("c")), (2, 2, 0));
    }

    #[test]
    fn day_is_read_once_if_it_fits_into_the_cache() {
        // The first read of each day finds the rows of all chatbots.
        assert_eq!(reads(1 << 20), [8, 0, 0]);
        assert_eq!(reads(0), [8, 4, 4]);
        // The cache holds the chatbots of all four days, and the times of two.
        let session = Session { chatbot: "a", ..session("2026-06-01", "v") };
        let tables = MemoryTables::new(vec![session.clone(), session.clone(), session]);
        let size = |column: &str| {
            let frames = tables.read(Table::Sessions, None, &[column]).unwrap();
            frames.iter().map(Frame::estimated_size).sum::<usize>()
        };
        assert_eq!(reads(4 * size("chatbot_id") + 2 * size("started_at")), [8, 2, 2]);
    }
}
