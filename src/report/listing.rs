//! The raw events of a window, as `wa events` lists them: by name, category, session, visitor, or
//! what a property is; oldest or newest first.
//!
//! The window is that of the events' own times, not of their sessions' days: this is a list of
//! events, no count. Dates are read a few at a time, first only the columns that decide; a date
//! of which nothing fits costs no more.

use std::ops::ControlFlow;

use polars::prelude::DataFrame;

use super::predicate::{Predicate, Test};
use super::query::{Asked, Query};
use super::record::names;
use super::tables::{Tables, map_frames};
use super::window::{Times, Window};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{Bools, Ints, Texts, bools, ints, take, texts};
use crate::time::Day;

/// The most dates that are read at once.
const DATES: i32 = 4;

/// Which events are listed.
#[derive(Clone, Debug)]
pub struct EventsQuery {
    /// The days, by the events' own times.
    pub window: Window,
    /// The chatbots; all of them where none is named.
    pub chatbots: Vec<String>,
    /// The names; any where there is none.
    pub names: Vec<String>,
    /// The categories; any where there is none.
    pub categories: Vec<String>,
    /// The log's session id.
    pub session_id: Option<String>,
    /// The visitor: an anonymous id or a user id.
    pub visitor: Option<String>,
    /// What must hold of properties and columns: all of it.
    pub predicates: Vec<Predicate>,
    /// Events of robots are left out.
    pub without_bots: bool,
    /// The newest event comes first.
    pub newest_first: bool,
    /// The most events to list; all where there is none.
    pub limit: Option<usize>,
}

/// What was listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many events were listed.
    pub listed: usize,
    /// There are more that fit.
    pub more: bool,
    /// Sentences for standard error.
    pub notes: Vec<String>,
}

/// Lists events: hands frames of some columns of `events` to `each`, in order within and among them, until it
/// wants no more.
///
/// `columns`: those that are needed; all are given by [`record::names`](super::record::names).
pub fn list(
    tables: &dyn Tables,
    wanted: &EventsQuery,
    columns: &[&str],
    each: &mut dyn FnMut(&DataFrame) -> Result<ControlFlow<()>>,
) -> Result<Listing> {
    let mut listing = Listing::default();
    let times = wanted.window.times(tables.zone());
    let asked = wanted.window.utc_dates(tables.zone());
    // Where there are no events, there is no date to look at.
    let (first, last) = tables.dates().unwrap_or((asked.1.plus(1), asked.0.plus(-1)));
    let (from, to) = (asked.0.max(first), asked.1.min(last));
    let mut at = if wanted.newest_first { to } else { from };
    // The first date mostly has as many as are wanted.
    let mut dates = if wanted.limit.is_some() { 1 } else { DATES };
    while from <= at && at <= to {
        let run = match wanted.newest_first {
            true => (at.plus(1 - dates).max(from), at),
            false => (at, at.plus(dates - 1).min(to)),
        };
        dates = (dates * 2).min(DATES);
        let room = wanted.limit.map(|limit| limit.saturating_sub(listing.listed));
        let mut frame = wanted.read(tables, run, times, columns)?;
        if let Some(frame) = &mut frame {
            if let Some(room) = room
                && frame.height() > room
            {
                listing.more = true;
                *frame = frame.slice(0, room);
            }
            if frame.height() > 0 {
                listing.listed += frame.height();
                if each(frame)?.is_break() {
                    return Ok(listing);
                }
            }
            if listing.more {
                break;
            }
        }
        at = if wanted.newest_first { run.0.plus(-1) } else { run.1.plus(1) };
    }
    if listing.listed == 0 {
        listing.notes.push(wanted.nothing(tables));
    }
    if let Some(pruned) = tables.events_pruned_through().filter(|day| *day >= asked.0) {
        listing.notes.push(format!("events up to {pruned} are pruned"));
    }
    Ok(listing)
}

impl EventsQuery {
    /// Asks for all events of a window, newest first.
    pub fn all(window: Window) -> EventsQuery {
        EventsQuery {
            window,
            chatbots: Vec::new(),
            names: Vec::new(),
            categories: Vec::new(),
            session_id: None,
            visitor: None,
            predicates: Vec::new(),
            without_bots: false,
            newest_first: true,
            limit: None,
        }
    }

    /// Says why nothing is listed: the window is empty, or nothing in it is what was asked for.
    fn nothing(&self, tables: &dyn Tables) -> String {
        let (from, to) = (self.window.from, self.window.to);
        let period = if from == to { format!("on {from}") } else { format!("from {from} to {to}") };
        if tables.days().is_none() {
            return "the store holds no data yet: `wa ingest FILES` fills it".to_owned();
        }
        let picks = !(self.names.is_empty() && self.categories.is_empty() && self.predicates.is_empty())
            || self.session_id.is_some()
            || self.visitor.is_some()
            || !self.chatbots.is_empty();
        match tables.dates() {
            Some((first, last)) if picks && first <= to && from <= last => {
                format!("no event {period} is one of those asked for")
            }
            // There may have been some: dates with events say nothing of that.
            _ if tables.events_pruned_through().is_some_and(|last| from <= last) => {
                format!("no events {period} are kept")
            }
            Some((first, last)) => format!("no events {period}: there is data from {first} to {last}"),
            None => "no events are kept".to_owned(),
        }
    }

    fn deciding_columns(&self) -> Vec<&'static str> {
        let mut columns = vec!["timestamp"];
        let mut need = |name: &'static str, needed: bool| {
            if needed && !columns.contains(&name) {
                columns.push(name);
            }
        };
        need("chatbot_id", !self.chatbots.is_empty());
        need("event_name", !self.names.is_empty());
        need("event_category", !self.categories.is_empty());
        need("session_id", self.session_id.is_some());
        need("anonymous_id", self.visitor.is_some());
        need("user_id", self.visitor.is_some());
        need("is_bot", self.without_bots);
        self.predicates.iter().for_each(|predicate| need(predicate.column(), true));
        columns
    }

    /// Returns the events of some dates that fit, in order; `None` where there are none.
    fn read(
        &self,
        tables: &dyn Tables,
        days: (Day, Day),
        times: Times,
        columns: &[&str],
    ) -> Result<Option<DataFrame>> {
        let mut all: Vec<&str> = columns.to_vec();
        let deciding = self.deciding_columns();
        for name in deciding.iter().chain(&["id"]) {
            if !all.contains(name) {
                all.push(name);
            }
        }
        let mut days = days;
        if deciding.len() > 1 {
            let found = map_frames(tables, Table::Events, Some(days), &deciding, |_, frame| {
                // No row of a file is of another date than the others.
                let first = self.fitting(frame, times)?.into_iter().next();
                let times = ints(frame, "timestamp")?;
                Ok(first.and_then(|row| times.get(row as usize)).map(Day::utc))
            })?;
            let dates = || found.iter().flatten().copied();
            let (Some(first), Some(last)) = (dates().min(), dates().max()) else { return Ok(None) };
            days = (first, last);
        }
        let parts = map_frames(tables, Table::Events, Some(days), &all, |_, frame| {
            take(frame, &self.fitting(frame, times)?)
        })?;
        let mut parts = parts.into_iter().filter(|part| part.height() > 0);
        let Some(mut joined) = parts.next() else { return Ok(None) };
        for part in parts {
            joined.vstack_mut(&part).map_err(|e| {
                crate::error::Error::failed("cannot put the files of a table together").caused_by(e)
            })?;
        }
        self.in_order(&joined).map(Some)
    }

    fn in_order(&self, frame: &DataFrame) -> Result<DataFrame> {
        let (times, ids) = (ints(frame, "timestamp")?, texts(frame, "id")?);
        let key = |row: &u32| (times.or_zero(*row as usize), ids.get(*row as usize).unwrap_or(""));
        let mut rows: Vec<u32> = (0..frame.height() as u32).collect();
        match self.newest_first {
            true => rows.sort_unstable_by(|a, b| key(b).cmp(&key(a))),
            false => rows.sort_unstable_by(|a, b| key(a).cmp(&key(b))),
        }
        take(frame, &rows)
    }

    fn fitting(&self, frame: &DataFrame, window: Times) -> Result<Vec<u32>> {
        let query = Query { window: self.window, chatbots: self.chatbots.clone(), include_bots: true };
        let mut filter = Filter {
            times: ints(frame, "timestamp")?,
            asked: query.asked(frame)?,
            names: one_of(frame, "event_name", &self.names)?,
            categories: one_of(frame, "event_category", &self.categories)?,
            session: one_of(frame, "session_id", self.session_id.as_slice())?,
            anonymous: one_of(frame, "anonymous_id", self.visitor.as_slice())?,
            user: one_of(frame, "user_id", self.visitor.as_slice())?,
            robots: if self.without_bots { Some(bools(frame, "is_bot")?) } else { None },
            tests: self.predicates.iter().map(|predicate| predicate.on(frame)).collect::<Result<_>>()?,
        };
        Ok((0..frame.height() as u32).filter(|row| filter.fits(*row as usize, &window)).collect())
    }
}

/// A column that must be one of some values; nothing where any value fits.
type OneOf<'a> = Option<(Texts, &'a [String])>;

fn one_of<'a>(frame: &DataFrame, name: &str, wanted: &'a [String]) -> Result<OneOf<'a>> {
    if wanted.is_empty() { Ok(None) } else { Ok(Some((texts(frame, name)?, wanted))) }
}

struct Filter<'a> {
    times: Ints,
    asked: Asked<'a>,
    names: OneOf<'a>,
    categories: OneOf<'a>,
    session: OneOf<'a>,
    anonymous: OneOf<'a>,
    user: OneOf<'a>,
    robots: Option<Bools>,
    tests: Vec<Test<'a>>,
}

impl Filter<'_> {
    fn fits(&mut self, row: usize, window: &Times) -> bool {
        let is = |column: &OneOf<'_>| match column {
            None => true,
            Some((column, wanted)) => {
                column.get(row).is_some_and(|text| wanted.iter().any(|wanted| wanted == text))
            }
        };
        self.times.get(row).is_some_and(|time| window.contain(time))
            && self.asked.contains(row)
            && is(&self.names)
            && is(&self.categories)
            && is(&self.session)
            && (is(&self.anonymous) || is(&self.user))
            && !self.robots.as_ref().is_some_and(|robots| robots.is(row))
            && self.tests.iter().all(|test| test.fits(row))
    }
}

/// Returns the names of all columns of `events`.
pub fn all_columns() -> Vec<&'static str> {
    names(Table::Events)
}
