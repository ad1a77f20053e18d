//! The tables of each chatbot, for `--by-chatbot`.
//!
//! [`ChatbotPartitions`] reads each file once, partitions its rows by chatbot, and serves all
//! chatbots from the result. A report on each of a thousand chatbots then costs little more than
//! one report on all of them, as long as the rows that it reads fit into [`CACHE_BYTES`].
//!
//! A dashboard also reads all chatbots together, and several windows. [`AllChatbots`] serves them
//! from the same cache.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;

use super::tables::{TableFacts, Tables};
use super::window::Window;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::time::{Day, Micros};

/// The maximum size of the cached reads, in bytes.
const CACHE_BYTES: usize = 256 << 20;

/// The arguments of a read. Tables that are partitioned by day are read and cached day by day.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ReadKey {
    table: Table,
    days: Option<(Day, Day)>,
    ended_since: Option<Micros>,
    columns: Vec<String>,
}

/// The frames of a read, with the rows of each chatbot.
struct PartitionedRead {
    frames: Vec<Frame>,
    /// For each chatbot, the indexes of frames with its rows, and the rows. With thousands of
    /// chatbots, separate frames would take more memory for their columns than for the values.
    rows_by_chatbot: HashMap<String, Vec<(usize, Vec<u32>)>>,
    /// The approximate size in bytes.
    size: usize,
}

impl PartitionedRead {
    /// Returns the frames with the rows of a chatbot; `None` for all rows.
    fn frames(&self, chatbot: Option<&str>) -> Result<Vec<Frame>> {
        let Some(chatbot) = chatbot else { return Ok(self.frames.clone()) };
        let parts = self.rows_by_chatbot.get(chatbot).map_or(&[][..], Vec::as_slice);
        let part = |(number, rows): &(usize, Vec<u32>)| match self.frames.get(*number)? {
            frame if rows.len() == frame.height() => Some(Ok(frame.clone())),
            // A file has the sessions and statistics of a chatbot in adjacent rows.
            frame => Some(match adjacent(rows) {
                Some(start) => Ok(frame.slice(start, rows.len())),
                None => frame.gather(rows),
            }),
        };
        parts.iter().filter_map(part).collect()
    }
}

/// Returns the first of ascending rows if they are adjacent.
fn adjacent(rows: &[u32]) -> Option<usize> {
    let (first, last) = (*rows.first()? as usize, *rows.last()? as usize);
    (last + 1 - first == rows.len()).then_some(first)
}

/// The cached reads.
///
/// No read is evicted. All chatbots make the same reads in the same order, so the oldest read is
/// the one that the next chatbot needs first.
struct ReadCache {
    reads: HashMap<ReadKey, Arc<PartitionedRead>>,
    free_bytes: usize,
}

impl ReadCache {
    fn insert(&mut self, key: ReadKey, partitioned: Arc<PartitionedRead>) {
        if let Some(free_bytes) = self.free_bytes.checked_sub(partitioned.size)
            && !self.reads.contains_key(&key)
        {
            self.free_bytes = free_bytes;
            self.reads.insert(key, partitioned);
        }
    }
}

/// Tables that read each file once for all chatbots if the reads fit into the cache.
pub(crate) struct ChatbotPartitions<'a> {
    tables: &'a dyn Tables,
    cache: Mutex<ReadCache>,
    ledger: Mutex<Option<Arc<Ledger>>>,
    /// Days that contain all windows; `None` for one window. Tables that are partitioned by month
    /// are read for all these days at once, so that several windows share the read.
    span: Option<(Day, Day)>,
}

impl<'a> ChatbotPartitions<'a> {
    /// Returns the partitions of the given tables. Nothing is read yet.
    pub fn new(tables: &'a dyn Tables) -> ChatbotPartitions<'a> {
        ChatbotPartitions::with_cache_size(tables, CACHE_BYTES)
    }

    fn with_cache_size(tables: &'a dyn Tables, free_bytes: usize) -> ChatbotPartitions<'a> {
        let cache = Mutex::new(ReadCache { reads: HashMap::new(), free_bytes });
        ChatbotPartitions { tables, cache, ledger: Mutex::default(), span: None }
    }

    /// Returns the partitions for several windows with their previous periods, given the longest
    /// window.
    pub fn for_windows(tables: &'a dyn Tables, longest: Window) -> ChatbotPartitions<'a> {
        let span = Some((longest.previous().from, longest.to));
        ChatbotPartitions { span, ..ChatbotPartitions::new(tables) }
    }

    /// Returns the tables of all chatbots together.
    pub fn all<'s>(&'s self) -> AllChatbots<'s> {
        AllChatbots { partitions: self }
    }

    /// Returns the tables of one chatbot.
    pub fn chatbot<'s>(&'s self, chatbot: &'s str) -> ChatbotTables<'s> {
        ChatbotTables { partitions: self, chatbot }
    }

    fn read(&self, key: ReadKey, chatbot: Option<&str>) -> Result<Vec<Frame>> {
        let columns = &key.columns;
        match (key.table, key.days) {
            (table @ (Table::Events | Table::Sessions), Some((from, to))) => {
                // A window may begin long before the first data and end long after the last. Events
                // are read by UTC date, which may be before the first day of sessions.
                let (first, last) = self.tables.days().unwrap_or((from, to));
                let last = if table == Table::Sessions { last.plus(1) } else { to };
                let (from, to) = (from.max(first.plus(-2)), to.min(last));
                let read = |day: i32| {
                    let days = Some((Day(day), Day(day)));
                    let key = ReadKey { table, days, ended_since: None, columns: columns.clone() };
                    self.read_cached(key, chatbot)
                };
                let days: Vec<Vec<Frame>> = (from.0..to.0.saturating_add(1))
                    .into_par_iter()
                    .with_max_len(1)
                    .map(read)
                    .collect::<Result<_>>()?;
                Ok(days.into_iter().flatten().collect())
            }
            (_, Some((from, to))) => {
                let span = self.span.filter(|(first, last)| *first <= from && to <= *last);
                self.read_cached(ReadKey { days: span.or(key.days), ..key }, chatbot)
            }
            _ => self.read_cached(key, chatbot),
        }
    }

    fn read_cached(&self, key: ReadKey, chatbot: Option<&str>) -> Result<Vec<Frame>> {
        // A panic of another thread leaves the cache intact. The lock is not held while reading: a
        // thread that waits for a part of its read may start another read in the meantime.
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache().reads.get(&key).map(Arc::clone);
        let partitioned = match cached {
            Some(partitioned) => partitioned,
            None => {
                let partitioned = Arc::new(self.read_partitioned(&key)?);
                cache().insert(key, Arc::clone(&partitioned));
                partitioned
            }
        };
        partitioned.frames(chatbot)
    }

    fn read_partitioned(&self, key: &ReadKey) -> Result<PartitionedRead> {
        let mut columns: Vec<&str> = key.columns.iter().map(String::as_str).collect();
        if !columns.contains(&"chatbot_id") {
            columns.push("chatbot_id");
        }
        let frames = match key.ended_since {
            Some(time) => self.tables.read_sessions_ended_since(time, &columns)?,
            None => self.tables.read(key.table, key.days, &columns)?,
        };
        let mut size = frames.iter().map(Frame::estimated_size).sum();
        let mut rows_by_chatbot: HashMap<String, Vec<(usize, Vec<u32>)>> = HashMap::new();
        for (number, frame) in frames.iter().enumerate() {
            let ids = frame.texts("chatbot_id")?;
            let mut rows: HashMap<&str, Vec<u32>> = HashMap::new();
            for row in 0..frame.height() {
                rows.entry(ids.get(row).unwrap_or("")).or_default().push(row as u32);
            }
            for (chatbot, rows) in rows {
                size += size_of_val(rows.as_slice()) + size_of::<(String, [(usize, Vec<u32>); 2])>();
                rows_by_chatbot.entry_ref(chatbot).or_default().push((number, rows));
            }
        }
        Ok(PartitionedRead { frames, rows_by_chatbot, size })
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        let mut cached = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = cached.as_ref() {
            return Ok(Arc::clone(ledger));
        }
        let ledger = self.tables.ledger()?;
        *cached = Some(Arc::clone(&ledger));
        Ok(ledger)
    }
}

/// The tables of one chatbot.
pub(crate) struct ChatbotTables<'a> {
    partitions: &'a ChatbotPartitions<'a>,
    chatbot: &'a str,
}

fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

impl Tables for ChatbotTables<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let key = ReadKey { table, days, ended_since: None, columns: owned(columns) };
        self.partitions.read(key, Some(self.chatbot))
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        let (table, ended_since) = (Table::Sessions, Some(time));
        let key = ReadKey { table, days: None, ended_since, columns: owned(columns) };
        self.partitions.read(key, Some(self.chatbot))
    }

    fn is_filtered(&self) -> bool {
        self.partitions.tables.is_filtered()
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.partitions.ledger()
    }

    fn facts(&self) -> &dyn TableFacts {
        self.partitions.tables.facts()
    }
}

/// The tables of all chatbots together.
pub(crate) struct AllChatbots<'a> {
    partitions: &'a ChatbotPartitions<'a>,
}

impl Tables for AllChatbots<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let key = ReadKey { table, days, ended_since: None, columns: owned(columns) };
        self.partitions.read(key, None)
    }

    fn estimated_rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        self.partitions.tables.estimated_rows(table, days)
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        self.partitions.tables.read_sessions_ended_since(time, columns)
    }

    fn is_filtered(&self) -> bool {
        self.partitions.tables.is_filtered()
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.partitions.ledger()
    }

    fn facts(&self) -> &dyn TableFacts {
        self.partitions.tables.facts()
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
    fn adjacent_returns_first_of_consecutive_rows() {
        for (rows, start) in
            [(&[3][..], Some(3)), (&[3, 4, 5], Some(3)), (&[3, 5], None), (&[0, 1, 3], None), (&[], None)]
        {
            assert_eq!(adjacent(rows), start, "{rows:?}");
        }
    }

    #[test]
    fn day_is_read_once_if_it_fits_into_the_cache() {
        assert_eq!(reads(1 << 20), [4, 0, 0]);
        assert_eq!(reads(0), [4, 4, 4]);
        // The cache holds two of the four days.
        let day = (1..1000).find(|size| reads(*size)[1] < 4).unwrap();
        assert_eq!(reads(2 * day), [4, 2, 2]);
    }
}
