//! The tables, dealt out by chatbot: what `--by-chatbot` reads.
//!
//! Each file is read once and its rows are dealt out to their chatbots, so that a report on each
//! of a thousand chatbots costs little more than one on all.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use polars::prelude::DataFrame;

use super::query::Query;
use super::tables::Tables;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{ints, take, texts};
use crate::store::ledger::Ledger;
use crate::time::{Day, Micros, Zone};

/// A read: table, days, last event not before, columns.
type Read = (Table, Option<(Day, Day)>, Option<Micros>, Vec<String>);
type ByChatbot = Arc<HashMap<String, Vec<DataFrame>>>;

/// Tables of which each read is made once and dealt out by chatbot.
pub struct Split<'a> {
    tables: &'a dyn Tables,
    reads: Mutex<HashMap<Read, ByChatbot>>,
    ledger: Mutex<Option<Arc<Ledger>>>,
}

impl<'a> Split<'a> {
    /// Makes the split of some tables.
    pub fn new(tables: &'a dyn Tables) -> Split<'a> {
        Split { tables, reads: Mutex::default(), ledger: Mutex::default() }
    }

    /// Returns the tables of one chatbot.
    pub fn of<'s>(&'s self, chatbot: &'s str) -> OneOf<'s> {
        OneOf { split: self, chatbot }
    }

    fn read(&self, read: Read, chatbot: &str) -> Result<Vec<DataFrame>> {
        // A read that panicked left no entry, so the others are whole. None is made under the lock: a
        // thread that waits for a part of its read may take up another one meanwhile.
        let reads = || self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let known = reads().get(&read).map(Arc::clone);
        let dealt = match known {
            Some(dealt) => dealt,
            None => {
                let dealt = Arc::new(self.deal(&read)?);
                reads().insert(read, Arc::clone(&dealt));
                dealt
            }
        };
        Ok(dealt.get(chatbot).cloned().unwrap_or_default())
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

    fn deal(&self, (table, days, ended_since, columns): &Read) -> Result<HashMap<String, Vec<DataFrame>>> {
        let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        if !columns.contains(&"chatbot_id") {
            columns.push("chatbot_id");
        }
        let frames = match ended_since {
            Some(time) => self.tables.read_sessions_ended_since(*time, &columns)?,
            None => self.tables.read(*table, *days, &columns)?,
        };
        let mut dealt: HashMap<String, Vec<DataFrame>> = HashMap::new();
        for frame in &frames {
            let ids = texts(frame, "chatbot_id")?;
            let mut rows: HashMap<&str, Vec<u32>> = HashMap::new();
            for row in 0..frame.height() {
                rows.entry(ids.get(row).unwrap_or("")).or_default().push(row as u32);
            }
            for (chatbot, rows) in rows {
                let part = if rows.len() == frame.height() { frame.clone() } else { take(frame, &rows)? };
                dealt.entry_ref(chatbot).or_default().push(part);
            }
        }
        Ok(dealt)
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
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<DataFrame>> {
        self.split.read((table, days, None, owned(columns)), self.chatbot)
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<DataFrame>> {
        self.split.read((Table::Sessions, None, Some(time), owned(columns)), self.chatbot)
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
/// by name.
pub fn ranked(tables: &dyn Tables, query: &Query) -> Result<Vec<String>> {
    let mut sessions: HashMap<String, u64> = query.chatbots.iter().map(|id| (id.clone(), 0)).collect();
    let is_asked = |id: &str| query.chatbots.is_empty() || query.chatbots.iter().any(|asked| asked == id);
    let columns = ["chatbot_id", "stat_date", "total_sessions", "bot_sessions"];
    let days = Some(query.window.range());
    for frame in tables.read(Table::DailyStats, days, &columns)? {
        let (ids, dates) = (texts(&frame, "chatbot_id")?, ints(&frame, "stat_date")?);
        let (people, robots) = (ints(&frame, "total_sessions")?, ints(&frame, "bot_sessions")?);
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
        let ids = texts(&frame, "chatbot_id")?;
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
    let mut ranked: Vec<(String, u64)> = sessions.into_iter().collect();
    ranked.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(ranked.into_iter().map(|(id, _)| id).collect())
}
