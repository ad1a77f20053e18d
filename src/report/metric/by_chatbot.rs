//! The tables, dealt out by chatbot: what `--by-chatbot` reads.
//!
//! Each file is read once and its rows are dealt out to their chatbots, so that a report on each
//! of a thousand chatbots costs little more than one on all, as long as what it reads fits into memory.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::tables::Tables;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::time::{Day, Micros, Zone};

/// Which rows are read: those of a day, where days can be read apart, else all that were asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Read {
    table: Table,
    days: Option<(Day, Day)>,
    ended_since: Option<Micros>,
    columns: Vec<String>,
}

/// What was read, dealt out by chatbot.
struct Dealt {
    frames: Vec<Frame>,
    /// The rows of each chatbot, by the number of their frame. A frame of its own for each would take more for
    /// its columns than for what is in them, where there are thousands of chatbots.
    by_chatbot: HashMap<String, Vec<(usize, Vec<u32>)>>,
    /// About how many bytes it takes.
    size: usize,
}

/// How many bytes of what was read are kept for other chatbots.
const KEPT: usize = 256 << 20;

/// What was read first. All chatbots ask for the same in the same order: to give up the oldest for the latest
/// would give up what is asked for next.
struct Kept {
    reads: HashMap<Read, Arc<Dealt>>,
    /// For how many bytes there is room.
    room: usize,
}

impl Kept {
    fn add(&mut self, read: Read, dealt: Arc<Dealt>) {
        if let Some(room) = self.room.checked_sub(dealt.size)
            && !self.reads.contains_key(&read)
        {
            self.room = room;
            self.reads.insert(read, dealt);
        }
    }
}

/// Tables of which each read is made once, as far as memory allows, and dealt out by chatbot.
pub struct Split<'a> {
    tables: &'a dyn Tables,
    kept: Mutex<Kept>,
    ledger: Mutex<Option<Arc<Ledger>>>,
}

impl<'a> Split<'a> {
    /// Makes the split of some tables.
    pub fn new(tables: &'a dyn Tables) -> Split<'a> {
        Split::with_room(tables, KEPT)
    }

    fn with_room(tables: &'a dyn Tables, room: usize) -> Split<'a> {
        let kept = Mutex::new(Kept { reads: HashMap::new(), room });
        Split { tables, kept, ledger: Mutex::default() }
    }

    /// Returns the tables of one chatbot.
    pub fn of<'s>(&'s self, chatbot: &'s str) -> OneOf<'s> {
        OneOf { split: self, chatbot }
    }

    fn read(&self, read: Read, chatbot: &str) -> Result<Vec<Frame>> {
        let columns = &read.columns;
        match (read.table, read.days) {
            // A day is what the days that two chatbots ask for have in common.
            (table @ (Table::Events | Table::Sessions), Some((from, to))) => {
                // A window may begin long before there is anything, and end long after.
                let (first, last) = self.tables.days().unwrap_or((from, to));
                let last = if table == Table::Sessions { last.plus(1) } else { to };
                let mut frames = Vec::new();
                let mut day = from.max(first.plus(-2));
                while day <= to.min(last) {
                    let one =
                        Read { table, days: Some((day, day)), ended_since: None, columns: columns.clone() };
                    frames.extend(self.read_once(one, chatbot)?);
                    day = day.plus(1);
                }
                Ok(frames)
            }
            _ => self.read_once(read, chatbot),
        }
    }

    fn read_once(&self, read: Read, chatbot: &str) -> Result<Vec<Frame>> {
        // A panic elsewhere leaves what is kept whole. Nothing is read under the lock: a thread that waits
        // for a part of its read may take up another one meanwhile.
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().reads.get(&read).map(Arc::clone);
        let dealt = match known {
            Some(dealt) => dealt,
            None => {
                let dealt = Arc::new(self.deal(&read)?);
                kept().add(read, Arc::clone(&dealt));
                dealt
            }
        };
        dealt.of(chatbot)
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        let mut known = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = known.as_ref() {
            return Ok(Arc::clone(ledger));
        }
        let ledger = self.tables.ledger()?;
        *known = Some(Arc::clone(&ledger));
        Ok(ledger)
    }

    fn deal(&self, read: &Read) -> Result<Dealt> {
        let mut columns: Vec<&str> = read.columns.iter().map(String::as_str).collect();
        if !columns.contains(&"chatbot_id") {
            columns.push("chatbot_id");
        }
        let frames = match read.ended_since {
            Some(time) => self.tables.read_sessions_ended_since(time, &columns)?,
            None => self.tables.read(read.table, read.days, &columns)?,
        };
        let mut size = frames.iter().map(Frame::estimated_size).sum();
        let mut by_chatbot: HashMap<String, Vec<(usize, Vec<u32>)>> = HashMap::new();
        for (number, frame) in frames.iter().enumerate() {
            let ids = frame.texts("chatbot_id")?;
            let mut rows: HashMap<&str, Vec<u32>> = HashMap::new();
            for row in 0..frame.height() {
                rows.entry(ids.get(row).unwrap_or("")).or_default().push(row as u32);
            }
            for (chatbot, rows) in rows {
                size += size_of_val(rows.as_slice()) + size_of::<(String, [(usize, Vec<u32>); 2])>();
                by_chatbot.entry_ref(chatbot).or_default().push((number, rows));
            }
        }
        Ok(Dealt { frames, by_chatbot, size })
    }
}

impl Dealt {
    fn of(&self, chatbot: &str) -> Result<Vec<Frame>> {
        let parts = self.by_chatbot.get(chatbot).map_or(&[][..], Vec::as_slice);
        let part = |(number, rows): &(usize, Vec<u32>)| match self.frames.get(*number)? {
            frame if rows.len() == frame.height() => Some(Ok(frame.clone())),
            frame => Some(frame.gather(rows)),
        };
        parts.iter().filter_map(part).collect()
    }
}

/// The tables of one chatbot.
pub struct OneOf<'a> {
    split: &'a Split<'a>,
    chatbot: &'a str,
}

fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

impl Tables for OneOf<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let read = Read { table, days, ended_since: None, columns: owned(columns) };
        self.split.read(read, self.chatbot)
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        let read =
            Read { table: Table::Sessions, days: None, ended_since: Some(time), columns: owned(columns) };
        self.split.read(read, self.chatbot)
    }

    fn zone(&self) -> Zone {
        self.split.tables.zone()
    }

    fn timeout(&self) -> Micros {
        self.split.tables.timeout()
    }

    fn days(&self) -> Option<(Day, Day)> {
        self.split.tables.days()
    }

    fn dates(&self) -> Option<(Day, Day)> {
        self.split.tables.dates()
    }

    fn sessions_pruned_through(&self) -> Option<Day> {
        self.split.tables.sessions_pruned_through()
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.split.ledger()
    }

    fn events_pruned_through(&self) -> Option<Day> {
        self.split.tables.events_pruned_through()
    }
}

/// Returns the chatbots of a window (those asked for, where some are), most sessions first, then
/// by name; with `compare`, those of the window before it too: one that has gone quiet is what to look for.
pub fn ranked(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Vec<String>> {
    let mut sessions = sessions_by_chatbot(tables, query)?;
    if compare {
        for id in sessions_by_chatbot(tables, &query.before())?.into_keys() {
            sessions.entry(id).or_default();
        }
    }
    let mut ranked: Vec<(String, u64)> = sessions.into_iter().collect();
    ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(ranked.into_iter().map(|(id, _)| id).collect())
}

fn sessions_by_chatbot(tables: &dyn Tables, query: &Query) -> Result<HashMap<String, u64>> {
    let mut sessions: HashMap<String, u64> = query.chatbots.iter().map(|id| (id.clone(), 0)).collect();
    let is_asked = |id: &str| query.chatbots.is_empty() || query.chatbots.iter().any(|asked| asked == id);
    let columns = ["chatbot_id", "stat_date", "total_sessions", "bot_sessions"];
    let days = Some(query.window.range());
    for frame in tables.read(Table::DailyStats, days, &columns)? {
        let (ids, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
        let (people, robots) = (frame.ints("total_sessions")?, frame.ints("bot_sessions")?);
        for row in 0..frame.height() {
            let day = dates.get(row).and_then(|day| i32::try_from(day).ok()).map(Day);
            let Some(id) = ids.get(row).filter(|id| is_asked(id)) else { continue };
            if !day.is_some_and(|day| query.window.contains(day)) {
                continue;
            }
            // A chatbot that only robots came to is listed, with nothing but them left out.
            let (people, robots) = (people.or_zero(row).max(0), robots.or_zero(row).max(0));
            if people > 0 || robots > 0 {
                let counted = if query.include_bots { people.saturating_add(robots) } else { people };
                *sessions.entry_ref(id).or_default() += counted.unsigned_abs();
            }
        }
    }
    // Daily statistics can be pruned by a setting while sessions are kept.
    for frame in tables.read(Table::Sessions, days, &["chatbot_id"])? {
        let ids = frame.texts("chatbot_id")?;
        let mut last = None;
        for row in 0..frame.height() {
            let token = ids.token(row);
            if token == last {
                continue;
            }
            last = token;
            if let Some(id) = ids.get(row).filter(|id| is_asked(id)) {
                sessions.entry_ref(id).or_default();
            }
        }
    }
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::report::tests::memory::{Memory, Session, day, session};

    /// Tables that count their reads.
    struct Counting {
        tables: Memory,
        reads: AtomicUsize,
    }

    impl Tables for Counting {
        fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
            self.reads.fetch_add(1, Relaxed);
            self.tables.read(table, days, columns)
        }

        fn zone(&self) -> Zone {
            self.tables.zone()
        }

        fn timeout(&self) -> Micros {
            self.tables.timeout()
        }

        fn days(&self) -> Option<(Day, Day)> {
            self.tables.days()
        }

        fn dates(&self) -> Option<(Day, Day)> {
            self.tables.dates()
        }

        fn sessions_pruned_through(&self) -> Option<Day> {
            None
        }

        fn ledger(&self) -> Result<Arc<Ledger>> {
            self.tables.ledger()
        }
    }

    /// Returns how often the tables were read for each of three chatbots, with room for so many bytes.
    fn reads(room: usize) -> Vec<usize> {
        let of = |date: &str, chatbot: &'static str| Session { chatbot, ..session(date, "v") };
        let sessions = ["2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04"]
            .into_iter()
            .flat_map(|date| ["a", "b", "c"].map(|chatbot| of(date, chatbot)));
        let counting = Counting { tables: Memory::of(sessions.collect()), reads: AtomicUsize::new(0) };
        let split = Split::with_room(&counting, room);
        let days = Some((day("2026-06-01"), day("2026-06-04")));
        let read = |chatbot| {
            let frames = split.of(chatbot).read(Table::Sessions, days, &["started_at"]).unwrap();
            assert_eq!(frames.iter().map(Frame::height).sum::<usize>(), 4);
            counting.reads.swap(0, Relaxed)
        };
        ["a", "b", "c"].map(read).into()
    }

    #[test]
    fn each_day_is_read_once_and_where_there_is_no_room_for_all_what_there_is_room_for() {
        assert_eq!(reads(1 << 20), [4, 0, 0]);
        assert_eq!(reads(0), [4, 4, 4]);
        // About half of them.
        let day = (1..1000).find(|room| reads(*room)[1] < 4).unwrap();
        assert_eq!(reads(2 * day), [4, 2, 2]);
    }
}
