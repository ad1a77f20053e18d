//! The raw events of a window, as `wa events` lists them: by name, category, session, visitor, or
//! what a property is; oldest or newest first.
//!
//! The window is that of the events' own times, not of their sessions' days: this is a list of
//! events, no count. Dates are read a few at a time, first only the columns that decide; a date
//! of which nothing fits costs no more. Of a list that has a limit, only the rows that are listed are held
//! with all their columns.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::predicate::{Predicate, Test};
use super::tables::{Tables, map_frames};
use super::window::{Times, Window};
use super::{Asked, Query};
use crate::error::Result;
use crate::report::metric::diagnostics;
use crate::store::columns::Table;
use crate::store::frame::{Bools, Frame, Ints, Texts};

use crate::time::{Day, Micros};

/// The most dates that are read at once.
const DATES: i32 = 4;
/// About how many rows of several dates are read at once.
const ROWS: usize = 1 << 17;
/// How many events are handed on at a time.
const PORTION: usize = 1 << 14;
/// How many columns are read at once, where few of their rows are listed.
const COLUMNS: usize = 8;

/// Where an event lies, and what its place in a list goes by.
#[derive(Clone, Copy, Debug)]
struct Place {
    time: Micros,
    id: u128,
    /// The number of its frame among those that are read.
    file: usize,
    /// Its row there.
    row: u32,
}

/// Events, and the order in which they are listed.
#[derive(Default)]
struct Ordered {
    frame: Frame,
    /// Rows of it.
    order: Vec<u32>,
}

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
/// `columns`: those that are needed; all are given by [`record::names`](crate::store::columns::Table::column_names).
pub fn list(
    tables: &dyn Tables,
    wanted: &EventsQuery,
    columns: &[&str],
    each: &mut dyn FnMut(&Frame) -> Result<ControlFlow<()>>,
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
        let run_of = |dates: i32| match wanted.newest_first {
            true => (at.plus(1 - dates).max(from), at),
            false => (at, at.plus(dates - 1).min(to)),
        };
        while dates > 1 && tables.rows(Table::Events, Some(run_of(dates))) > ROWS {
            dates /= 2;
        }
        let run = run_of(dates);
        dates = (dates * 2).min(DATES);
        let room = wanted.limit.map(|limit| limit.saturating_sub(listing.listed));
        let Ordered { frame, mut order } = match room {
            // One more tells whether there are more.
            Some(room) => wanted.read_first(tables, run, times, columns, room.saturating_add(1))?,
            None => wanted.read(tables, run, times, columns)?,
        };
        if let Some(room) = room
            && order.len() > room
        {
            listing.more = true;
            order.truncate(room);
        }
        for rows in order.chunks(PORTION) {
            listing.listed += rows.len();
            if each(&frame.gather(rows)?)?.is_break() {
                return Ok(listing);
            }
        }
        if listing.more {
            break;
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
        let asked = diagnostics::asked(&[], Some((from, to)));
        if tables.days().is_none() {
            return diagnostics::NO_DATA.to_owned();
        }
        let picks = !(self.names.is_empty() && self.categories.is_empty() && self.predicates.is_empty())
            || self.session_id.is_some()
            || self.visitor.is_some()
            || !self.chatbots.is_empty();
        match tables.event_days() {
            Some((first, last)) if picks && first <= to && from <= last => {
                format!("no event{asked} is one of those asked for")
            }
            // There may have been some: dates with events say nothing of that.
            _ if tables.events_pruned_through().is_some_and(|last| from <= last) => {
                format!("no events{asked} are kept")
            }
            Some((first, last)) => format!("no events{asked}: there is data from {first} to {last}"),
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

    /// Returns the events of some dates that fit.
    fn read(&self, tables: &dyn Tables, days: (Day, Day), times: Times, columns: &[&str]) -> Result<Ordered> {
        let Some(days) = self.days_with_fitting(tables, days, times)? else { return Ok(Ordered::default()) };
        let all = self.with_places(columns);
        let parts = map_frames(tables, Table::Events, Some(days), &all, |place, frame| {
            let rows = self.fitting(frame, times)?;
            let part = if rows.len() == frame.height() { frame.clone() } else { frame.gather(&rows)? };
            let rows: Vec<u32> = (0..part.height() as u32).collect();
            Ok((self.places(&part, place, &rows)?, part))
        })?;
        let (places, frames): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        self.ordered(places, Frame::concat(frames)?)
    }

    /// Returns the first events of some dates that fit, so many at most. What is not returned is not read
    /// whole, however many there are.
    fn read_first(
        &self,
        tables: &dyn Tables,
        days: (Day, Day),
        times: Times,
        columns: &[&str],
        most: usize,
    ) -> Result<Ordered> {
        let Some(days) = self.days_with_fitting(tables, days, times)? else { return Ok(Ordered::default()) };
        let mut files =
            map_frames(tables, Table::Events, Some(days), &self.with_places(&[]), |place, frame| {
                let places = self.places(frame, place, &self.fitting(frame, times)?)?;
                Ok(self.first_of(places, most))
            })?;
        let chosen = self.first_of(files.concat(), most);
        for (number, file) in files.iter_mut().enumerate() {
            file.clear();
            file.extend(chosen.iter().filter(|place| place.file == number));
            // As they lie in the file.
            file.sort_unstable_by_key(|place| place.row);
        }
        let rows: Vec<Vec<u32>> =
            files.iter().map(|file| file.iter().map(|place| place.row).collect()).collect();
        let mut read = Vec::new();
        for some in self.with_places(columns).chunks(COLUMNS) {
            let parts = map_frames(tables, Table::Events, Some(days), some, |place, frame| {
                frame.gather(rows.get(place).map_or(&[][..], Vec::as_slice))
            })?;
            read.push(Frame::concat(parts)?);
        }
        let frame = Frame::join_columns(chosen.len(), read)?;
        self.ordered(files, frame)
    }

    /// Returns the dates on which there are events that fit; `None` where there are none. Where nothing but
    /// their time decides, it is all of them.
    fn days_with_fitting(
        &self,
        tables: &dyn Tables,
        days: (Day, Day),
        times: Times,
    ) -> Result<Option<(Day, Day)>> {
        let deciding = self.deciding_columns();
        if deciding.len() == 1 {
            return Ok(Some(days));
        }
        let found = map_frames(tables, Table::Events, Some(days), &deciding, |_, frame| {
            // No row of a file is of another date than the others.
            let first = self.fitting(frame, times)?.into_iter().next();
            let times = frame.ints("timestamp")?;
            Ok(first.and_then(|row| times.get(row as usize)).map(Day::utc))
        })?;
        let dates = || found.iter().flatten().copied();
        Ok(dates().min().zip(dates().max()))
    }

    /// Returns some columns, and those that say which events fit and in which order.
    fn with_places<'a>(&self, columns: &[&'a str]) -> Vec<&'a str> {
        let mut all = columns.to_vec();
        for name in self.deciding_columns().into_iter().chain(["id"]) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    fn places(&self, frame: &Frame, file: usize, rows: &[u32]) -> Result<Vec<Place>> {
        let (times, ids) = (frame.ints("timestamp")?, frame.texts("id")?);
        // Ids are UUIDs in one form: their numbers are in the order of their texts.
        let id = |row: usize| ids.get(row).and_then(|id| uuid::Uuid::try_parse(id).ok()).unwrap_or_default();
        let place = |&row: &u32| {
            let (time, id) = (times.or_zero(row as usize), id(row as usize).as_u128());
            Place { time, id, file, row }
        };
        Ok(rows.iter().map(place).collect())
    }

    fn compare(&self, a: &Place, b: &Place) -> Ordering {
        // Two chatbots may have one id: the order is the same with and without a limit.
        let order = (a.time, a.id, a.file, a.row).cmp(&(b.time, b.id, b.file, b.row));
        if self.newest_first { order.reverse() } else { order }
    }

    fn first_of(&self, mut places: Vec<Place>, most: usize) -> Vec<Place> {
        if places.len() > most {
            places.select_nth_unstable_by(most, |a, b| self.compare(a, b));
            places.truncate(most);
        }
        places
    }

    /// Puts the rows of a frame in order; `places` are those of its rows, file by file.
    fn ordered(&self, places: Vec<Vec<Place>>, frame: Frame) -> Result<Ordered> {
        let mut places: Vec<(u32, Place)> = (0..).zip(places.into_iter().flatten()).collect();
        places.par_sort_unstable_by(|a, b| self.compare(&a.1, &b.1));
        Ok(Ordered { frame, order: places.into_iter().map(|(row, _)| row).collect() })
    }

    fn fitting(&self, frame: &Frame, window: Times) -> Result<Vec<u32>> {
        let query = Query { window: self.window, chatbots: self.chatbots.clone(), include_bots: true };
        let mut filter = Filter {
            times: frame.ints("timestamp")?.clone(),
            asked: query.asked(frame)?,
            names: one_of(frame, "event_name", &self.names)?,
            categories: one_of(frame, "event_category", &self.categories)?,
            session: one_of(frame, "session_id", self.session_id.as_slice())?,
            anonymous: one_of(frame, "anonymous_id", self.visitor.as_slice())?,
            user: one_of(frame, "user_id", self.visitor.as_slice())?,
            robots: if self.without_bots { Some(frame.bools("is_bot")?.clone()) } else { None },
            tests: self.predicates.iter().map(|predicate| predicate.on(frame)).collect::<Result<_>>()?,
        };
        Ok((0..frame.height() as u32).filter(|row| filter.fits(*row as usize, &window)).collect())
    }
}

/// A column that must be one of some values; nothing where any value fits.
type OneOf<'a> = Option<(Texts, &'a [String])>;

fn one_of<'a>(frame: &Frame, name: &str, wanted: &'a [String]) -> Result<OneOf<'a>> {
    if wanted.is_empty() { Ok(None) } else { Ok(Some((frame.texts(name)?.clone(), wanted))) }
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
            && !self.robots.as_ref().is_some_and(|robots| robots.is_true(row))
            && self.tests.iter().all(|test| test.fits(row))
    }
}

/// Returns the names of all columns of `events`.
pub fn all_columns() -> Vec<&'static str> {
    Table::Events.column_names()
}
