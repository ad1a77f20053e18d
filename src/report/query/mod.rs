//! What is asked of every report: which days, which chatbots, with robots or without.

pub mod event_query;
pub(crate) mod keys;
pub mod predicate;
pub(crate) mod property;
pub(crate) mod pruned;
pub(crate) mod session_report;
pub(crate) mod snapshot;
pub mod tables;
pub(crate) mod view_cache;
pub mod window;

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Texts};
use crate::suggest::nearest;
use crate::time::Day;
use tables::Tables;
use window::Window;

/// A question to the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The days.
    pub window: Window,
    /// The chatbots; all of them where none is named.
    pub chatbots: Vec<String>,
    /// Robots are counted too.
    pub include_bots: bool,
}

impl Query {
    /// Makes a question about all chatbots, robots left out.
    pub fn new(window: Window) -> Query {
        Query { window, chatbots: Vec::new(), include_bots: false }
    }

    /// Returns the same question about the period before.
    pub fn before(&self) -> Query {
        Query { window: self.window.before(), ..self.clone() }
    }

    /// Returns the columns to read: those given, and those that the question is decided by.
    pub(crate) fn columns<'a>(&self, columns: &[&'a str]) -> Vec<&'a str> {
        let mut all = columns.to_vec();
        let needed = ["is_bot"].into_iter().chain((!self.chatbots.is_empty()).then_some("chatbot_id"));
        for name in needed {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// Returns the rows of a frame of sessions that the question is about, and how many more
    /// there were of robots.
    pub(crate) fn select(&self, frame: &Frame) -> Result<Selected> {
        let height = u32::try_from(frame.height())
            .map_err(|_| Error::failed("a file of the store has more than four billion rows"))?;
        let robots = frame.bools("is_bot")?;
        let (everyone, mut asked) = (self.chatbots.is_empty(), self.asked(frame)?);
        let mut selected = Selected { rows: Vec::with_capacity(frame.height()), bots: 0 };
        for row in 0..height {
            let at = row as usize;
            if !everyone && !asked.contains(at) {
                continue;
            }
            if robots.is_true(at) {
                selected.bots += 1;
                if !self.include_bots {
                    continue;
                }
            }
            selected.rows.push(row);
        }
        Ok(selected)
    }

    /// Returns the test of which rows of a frame belong to the chatbots asked about.
    pub(crate) fn asked(&self, frame: &Frame) -> Result<Asked<'_>> {
        let column = if self.chatbots.is_empty() { None } else { Some(frame.texts("chatbot_id")?.clone()) };
        Ok(Asked { chatbots: &self.chatbots, column, last: None })
    }
}

/// The rows of a frame that a question is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selected {
    /// Their numbers, rising.
    pub rows: Vec<u32>,
    /// The number of robots' rows, left out or not.
    pub bots: u64,
}

/// The test of which rows belong to the chatbots asked about.
pub(crate) struct Asked<'a> {
    chatbots: &'a [String],
    column: Option<Texts>,
    last: Option<(u128, bool)>,
}

impl Asked<'_> {
    /// Tells whether a row does.
    pub fn contains(&mut self, row: usize) -> bool {
        let Some(column) = &self.column else { return true };
        let Some(token) = column.token(row) else { return false };
        match self.last {
            Some((last, answer)) if last == token => answer,
            _ => {
                let answer = column.get(row).is_some_and(|id| self.chatbots.iter().any(|c| c == id));
                self.last = Some((token, answer));
                answer
            }
        }
    }
}

/// Returns the chatbots of which the tables hold daily statistics, each with its first and last
/// day with sessions (robots' too), in order of name.
pub fn chatbots(tables: &dyn Tables) -> Result<Vec<(String, Day, Day)>> {
    let mut days: HashMap<String, (i64, i64)> = HashMap::new();
    for frame in tables.read(Table::DailyStats, None, &["chatbot_id", "stat_date"])? {
        let ids = frame.texts("chatbot_id")?;
        let dates = frame.ints("stat_date")?;
        for row in 0..frame.height() {
            let (Some(id), Some(date)) = (ids.get(row), dates.get(row)) else { continue };
            match days.get_mut(id) {
                Some((first, last)) => (*first, *last) = ((*first).min(date), (*last).max(date)),
                None => {
                    days.insert(id.to_owned(), (date, date));
                }
            }
        }
    }
    let day = |number: i64| Day(i32::try_from(number).unwrap_or(0));
    let mut all: Vec<_> = days.into_iter().map(|(id, (a, b))| (id, day(a), day(b))).collect();
    all.sort();
    Ok(all)
}

/// Checks that each chatbot is known.
///
/// # Errors
/// Of kind usage: names the unknown ones, and the nearest known one.
pub fn check_chatbots(tables: &dyn Tables, asked: &[String]) -> Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    let mut known: Vec<String> = chatbots(tables)?.into_iter().map(|(id, ..)| id).collect();
    let is_known = |known: &[String], id: &String| known.iter().any(|k| k == id);
    if asked.iter().all(|id| is_known(&known, id)) {
        return Ok(());
    }
    // Daily statistics can have been pruned by a setting while sessions are kept.
    for frame in tables.read(Table::Sessions, None, &["chatbot_id"])? {
        let ids = frame.texts("chatbot_id")?;
        let mut last = None;
        for row in 0..frame.height() {
            let token = ids.token(row);
            if token != last
                && let Some(id) = ids.get(row)
                && !known.iter().any(|k| k == id)
            {
                known.push(id.to_owned());
            }
            last = token;
        }
    }
    let unknown: Vec<&String> = asked.iter().filter(|id| !is_known(&known, id)).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    known.sort();
    let names: Vec<String> = unknown.iter().map(|id| format!("{id:?}")).collect();
    let message = match names.len() {
        1 => format!("the store holds no chatbot {}", names.concat()),
        _ => format!("the store holds none of the chatbots {}", names.join(", ")),
    };
    let error = Error::usage(message);
    Err(match (nearest(first, &known), known.len()) {
        (_, 0) => error.hint("the store is empty: `wa ingest FILES` fills it"),
        (Some(near), _) => error.hint(format!("did you mean {near:?}?")),
        (None, n) => {
            let some: Vec<String> = known.iter().take(5).map(|id| format!("{id:?}")).collect();
            let more = if n > 5 { format!(" and {} more", n - 5) } else { String::new() };
            error.hint(format!("it holds {}{more}", some.join(", ")))
        }
    })
}
