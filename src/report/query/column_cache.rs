//! A cache of columns, so that several reports on the same rows decode each column once.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use super::tables::Tables;
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{Day, Micros};

/// Identifies the rows of a read: all its arguments except the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RowRange {
    /// The table.
    pub table: Table,
    /// The days whose partitions are read; `None` for all partitions.
    pub days: Option<(Day, Day)>,
    /// If set, sessions whose last event is at this time or later.
    pub ended_since: Option<Micros>,
}

/// The frames of one column.
struct CachedColumn {
    /// A frame of a single column for each frame of the read.
    frames: Arc<Vec<Frame>>,
    /// The approximate size in bytes.
    size: usize,
    /// The number of the last report that read the column.
    report: u32,
}

/// The cached columns of rows.
#[derive(Default)]
struct CachedRows {
    /// The columns by name.
    columns: HashMap<String, CachedColumn>,
    /// The lists of columns that the current report has read entirely from the cache, with their
    /// frames, which share the memory of the columns. Joining columns takes as long as reading a
    /// few rows, which matters for reports on thousands of chatbots.
    joined: Vec<(Vec<String>, Arc<Vec<Frame>>)>,
}

impl CachedRows {
    /// Returns the frames of a list of columns that was read before.
    fn joined(&self, names: &[&str]) -> Option<Arc<Vec<Frame>>> {
        let (_, frames) = self.joined.iter().find(|(joined, _)| joined == names)?;
        Some(Arc::clone(frames))
    }
}

/// The cached columns by rows.
struct Columns {
    by_rows: HashMap<RowRange, CachedRows>,
    free_bytes: usize,
    /// The number of the current report.
    report: u32,
}

impl Columns {
    /// Adds a column, if there is memory for it. Columns that only earlier reports read are evicted
    /// for it, those of the earliest report first.
    ///
    /// No column of the current report is evicted. All answers of a report read the same columns in
    /// the same order, so the oldest column is the one that the next answer needs first.
    fn insert(&mut self, rows: RowRange, name: &str, frames: Arc<Vec<Frame>>) {
        let size = frames.iter().map(Frame::estimated_size).sum();
        while self.free_bytes < size && self.evict() {}
        let columns = &mut self.by_rows.entry(rows).or_default().columns;
        // Another thread may have read the same column in the meantime.
        if let Some(free_bytes) = self.free_bytes.checked_sub(size)
            && !columns.contains_key(name)
        {
            self.free_bytes = free_bytes;
            columns.insert(name.to_owned(), CachedColumn { frames, size, report: self.report });
        }
    }

    /// Evicts the columns of the earliest report. Returns `false` if that is the current report.
    fn evict(&mut self) -> bool {
        let columns = self.by_rows.values().flat_map(|rows| rows.columns.values());
        let reports = columns.map(|column| column.report);
        let Some(earliest) = reports.min().filter(|report| *report < self.report) else { return false };
        for rows in self.by_rows.values_mut() {
            rows.columns.retain(|_, column| {
                let is_kept = column.report > earliest;
                self.free_bytes += if is_kept { 0 } else { column.size };
                is_kept
            });
        }
        true
    }
}

/// Reads columns of tables, and caches them as far as memory allows.
pub(super) struct ColumnCache<'a> {
    /// The tables.
    pub tables: &'a dyn Tables,
    columns: Mutex<Columns>,
}

impl<'a> ColumnCache<'a> {
    /// Returns an empty cache of at most `free_bytes` bytes.
    pub fn new(tables: &'a dyn Tables, free_bytes: usize) -> ColumnCache<'a> {
        let columns = Columns { by_rows: HashMap::new(), free_bytes, report: 0 };
        ColumnCache { tables, columns: Mutex::new(columns) }
    }

    fn columns(&self) -> std::sync::MutexGuard<'_, Columns> {
        // A panic of another thread leaves the cache intact.
        self.columns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the next report. Columns that it does not read can be evicted.
    pub fn start_report(&self) {
        let mut columns = self.columns();
        columns.report = columns.report.saturating_add(1);
        columns.by_rows.values_mut().for_each(|rows| rows.joined.clear());
    }

    /// Reads columns of rows, as [`Tables::read`] does.
    ///
    /// # Errors
    /// Fails if a file cannot be read.
    pub fn read(&self, rows: RowRange, columns: &[&str]) -> Result<Arc<Vec<Frame>>> {
        // The lock is not held while reading: a thread that waits for part of its read may run
        // another task of the pool, and that task may read too.
        let mut found = match self.find(rows, columns) {
            Found::Joined(frames) => return Ok(frames),
            Found::Columns(found) => found,
        };
        let missing: Vec<&str> =
            columns.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            let frames = match rows.ended_since {
                Some(time) => self.tables.read_sessions_ended_since(time, &missing)?,
                None => self.tables.read(rows.table, rows.days, &missing)?,
            };
            for (name, column) in columns.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                let frames = frames.iter().map(|frame| frame.select(&[name])).collect::<Result<Vec<_>>>()?;
                let frames = Arc::new(frames);
                self.columns().insert(rows, name, Arc::clone(&frames));
                *column = Some(frames);
            }
            if missing.len() == columns.len() {
                return Ok(Arc::new(frames));
            }
        }
        let found: Vec<Arc<Vec<Frame>>> = found.into_iter().flatten().collect();
        let frames = match found.as_slice() {
            [] => Arc::default(),
            [frames] => Arc::clone(frames),
            _ => Arc::new(join(&found)?),
        };
        // A list with uncached columns would hold their memory beyond the limit of the cache.
        if missing.is_empty()
            && let Some(cached) = self.columns().by_rows.get_mut(&rows)
            && cached.joined(columns).is_none()
        {
            let names = columns.iter().map(|name| (*name).to_owned()).collect();
            cached.joined.push((names, Arc::clone(&frames)));
        }
        Ok(frames)
    }

    /// Finds columns of rows in the cache.
    fn find(&self, rows: RowRange, names: &[&str]) -> Found {
        let mut columns = self.columns();
        let report = columns.report;
        let Some(cached) = columns.by_rows.get_mut(&rows) else {
            return Found::Columns(vec![None; names.len()]);
        };
        if let Some(frames) = cached.joined(names) {
            return Found::Joined(frames);
        }
        let find = |name: &&str| {
            let column = cached.columns.get_mut(*name)?;
            column.report = report;
            Some(Arc::clone(&column.frames))
        };
        Found::Columns(names.iter().map(find).collect())
    }
}

/// The cached part of a read.
enum Found {
    /// The frames of the whole read.
    Joined(Arc<Vec<Frame>>),
    /// The frames of each column; `None` if it is not cached.
    Columns(Vec<Option<Arc<Vec<Frame>>>>),
}

/// Joins the frames of several columns.
fn join(columns: &[Arc<Vec<Frame>>]) -> Result<Vec<Frame>> {
    // Reads of the same rows return the same frames, regardless of the columns.
    let join = |(number, frame): (usize, &Frame)| {
        let parts: Option<Vec<Frame>> = columns.iter().map(|frames| frames.get(number).cloned()).collect();
        let differ = || Error::failed("two reads of the same rows returned different frames");
        Frame::join_columns(frame.height(), parts.ok_or_else(differ)?)
    };
    columns.first().map_or(&[][..], |frames| frames.as_slice()).iter().enumerate().map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::query::tables::TableFacts;
    use crate::report::tests::memory_tables::{MemoryTables, day, session};

    /// Tables that record the columns of their reads.
    struct Recorded {
        tables: MemoryTables,
        reads: Mutex<Vec<String>>,
    }

    impl Recorded {
        fn new() -> Recorded {
            let sessions = ["2026-06-01", "2026-06-02"].map(|date| session(date, "v"));
            Recorded { tables: MemoryTables::new(sessions.into()), reads: Mutex::default() }
        }

        /// Reads columns of a day through a cache. Returns the columns that the tables read for it.
        fn read(&self, cache: &ColumnCache<'_>, date: &str, columns: &[&str]) -> Vec<String> {
            let frames = cache.read(sessions_of(date), columns).unwrap();
            let days = Some((day(date), day(date)));
            assert_eq!(*frames, self.tables.read(Table::Sessions, days, columns).unwrap());
            std::mem::take(&mut self.reads.lock().unwrap())
        }
    }

    impl Tables for Recorded {
        fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
            self.reads.lock().unwrap().extend(columns.iter().map(|name| (*name).to_owned()));
            self.tables.read(table, days, columns)
        }

        fn facts(&self) -> &dyn TableFacts {
            &self.tables
        }
    }

    fn sessions_of(date: &str) -> RowRange {
        RowRange { table: Table::Sessions, days: Some((day(date), day(date))), ended_since: None }
    }

    const FIRST: &str = "2026-06-01";
    const SECOND: &str = "2026-06-02";

    #[test]
    fn column_is_read_once_for_several_lists_of_columns() {
        let recorded = Recorded::new();
        let cache = ColumnCache::new(&recorded, 1 << 20);
        assert_eq!(recorded.read(&cache, FIRST, &["started_at", "is_bot"]), ["started_at", "is_bot"]);
        assert_eq!(recorded.read(&cache, FIRST, &["chatbot_id", "started_at"]), ["chatbot_id"]);
        cache.start_report();
        assert!(recorded.read(&cache, FIRST, &["is_bot", "started_at", "chatbot_id"]).is_empty());
        assert!(recorded.read(&cache, FIRST, &["is_bot"]).is_empty());
        // The frames of a list of columns are joined once per report.
        let read = || cache.read(sessions_of(FIRST), &["chatbot_id", "started_at"]).unwrap();
        let joined = read();
        assert!(Arc::ptr_eq(&joined, &read()));
        cache.start_report();
        assert!(!Arc::ptr_eq(&joined, &read()));
        // Rows of other days, and the same days of other tables, are other rows.
        assert_eq!(recorded.read(&cache, SECOND, &["is_bot"]), ["is_bot"]);
        let events = RowRange { table: Table::Events, ..sessions_of(FIRST) };
        cache.read(events, &["chatbot_id"]).unwrap();
        assert_eq!(*recorded.reads.lock().unwrap(), ["chatbot_id"]);
    }

    #[test]
    fn columns_of_earlier_reports_are_evicted_first() {
        let recorded = Recorded::new();
        let size = |name: &str| -> usize {
            let frames = recorded.tables.read(Table::Sessions, sessions_of(FIRST).days, &[name]).unwrap();
            frames.iter().map(Frame::estimated_size).sum()
        };
        // The cache holds two of the three columns, which have the same size.
        let times = ["started_at", "ended_at", "created_at"];
        let [a, b, c] = times;
        assert!(times.iter().all(|name| size(name) == size(a)));
        let cache = ColumnCache::new(&recorded, 2 * size(a));
        assert_eq!(recorded.read(&cache, FIRST, &[a, b, c]), times);
        // No column of the current report was evicted.
        assert_eq!(recorded.read(&cache, FIRST, &[a, b, c]), [c]);
        cache.start_report();
        assert!(recorded.read(&cache, FIRST, &[b]).is_empty());
        // The second report evicts the first column, which it has not read.
        assert_eq!(recorded.read(&cache, FIRST, &[c]), [c]);
        assert!(recorded.read(&cache, FIRST, &[b, c]).is_empty());
        assert_eq!(recorded.read(&cache, FIRST, &[a]), [a]);
        assert_eq!(recorded.read(&cache, FIRST, &[a]), [a]);
    }
}
