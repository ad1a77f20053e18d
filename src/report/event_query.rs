//! Event queries for `wa events`: by name, category, session, visitor and conditions, oldest or
//! newest first.
//!
//! The window applies to the times of the events, not to the days of their sessions. A few dates
//! are read at a time. The columns that decide which events match are read first, so a date without
//! matches costs only these columns. With a limit, only the listed rows are read with all columns.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::answer::diagnostics;
use super::metric::session_index::{SessionFinder, SessionIndex};
use super::query::filter::{BoundConditions, Conditions, Where};
use super::query::tables::{Tables, map_frames};
use super::query::window::{Instants, Window};
use super::query::{ChatbotFilter, Query};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{Bools, Frame, Ints, Texts};
use crate::time::{Day, Micros, Zone};

/// The maximum number of dates that are read together.
const MAX_DATES: i32 = 4;
/// The approximate maximum number of rows in dates that are read together.
const MAX_ROWS: usize = 1 << 17;
/// The maximum number of events in a frame that is passed to the caller.
const CHUNK_ROWS: usize = 1 << 14;
/// The number of columns that are read together if few of their rows are listed.
const COLUMNS_PER_READ: usize = 8;

/// A query for events.
#[derive(Clone, Debug)]
pub struct EventQuery {
    /// The days on which the events happened.
    pub window: Window,
    /// The chatbots; empty for all of them.
    pub chatbots: Vec<String>,
    /// The event names; empty for all of them.
    pub names: Vec<String>,
    /// The event categories; empty for all of them.
    pub categories: Vec<String>,
    /// The session id, as in the log.
    pub session_id: Option<String>,
    /// The visitor: an anonymous id or a user id.
    pub visitor: Option<String>,
    /// Conditions that must all hold, for the event or its session.
    pub conditions: Vec<Where>,
    /// Whether events of bots are excluded.
    pub exclude_bots: bool,
    /// Whether the newest event comes first.
    pub newest_first: bool,
    /// The maximum number of events; `None` for all.
    pub limit: Option<usize>,
}

/// The result of listing events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventListing {
    /// The number of listed events.
    pub listed: usize,
    /// Whether more events match than the limit allows.
    pub more: bool,
    /// Notes for standard error.
    pub notes: Vec<String>,
}

/// The position of an event: the values that order it, and the location of its row.
#[derive(Clone, Copy, Debug)]
struct EventPosition {
    time: Micros,
    id: u128,
    /// The number of its frame among the frames that are read together.
    frame: usize,
    row: u32,
}

/// Events with the order in which they are listed.
#[derive(Default)]
struct OrderedEvents {
    frame: Frame,
    /// The rows of the frame, in order.
    order: Vec<u32>,
}

/// Lists events: calls `visit` with frames of at least the requested columns of `events`, in order
/// within and across frames, until it returns [`ControlFlow::Break`].
pub fn list_events(
    tables: &dyn Tables,
    query: &EventQuery,
    columns: &[&str],
    visit: &mut dyn FnMut(&Frame) -> Result<ControlFlow<()>>,
) -> Result<EventListing> {
    let mut listing = EventListing::default();
    let search = EventSearch::new(tables, Cow::Borrowed(query))?;
    let instants = query.window.instants(tables.zone());
    let window_dates = query.window.utc_dates(tables.zone());
    // If there are no events, this range contains no date.
    let no_dates = (window_dates.1.plus(1), window_dates.0.plus(-1));
    let (first, last) = tables.event_dates().unwrap_or(no_dates);
    let (from, to) = (window_dates.0.max(first), window_dates.1.min(last));
    let mut next = if query.newest_first { to } else { from };
    // With a limit, the first date usually has enough events.
    let mut dates = if query.limit.is_some() { 1 } else { MAX_DATES };
    while from <= next && next <= to {
        let range_of = |dates: i32| match query.newest_first {
            true => (next.plus(1 - dates).max(from), next),
            false => (next, next.plus(dates - 1).min(to)),
        };
        while dates > 1 && tables.estimated_rows(Table::Events, Some(range_of(dates))) > MAX_ROWS {
            dates /= 2;
        }
        let range = range_of(dates);
        dates = (dates * 2).min(MAX_DATES);
        let remaining = query.limit.map(|limit| limit.saturating_sub(listing.listed));
        let OrderedEvents { frame, mut order } = match remaining {
            // One event beyond the limit shows that there are more.
            Some(remaining) => {
                search.read_first(tables, range, instants, columns, remaining.saturating_add(1))?
            }
            None => search.read_all(tables, range, instants, columns)?,
        };
        if let Some(remaining) = remaining
            && order.len() > remaining
        {
            listing.more = true;
            order.truncate(remaining);
        }
        for rows in order.chunks(CHUNK_ROWS) {
            listing.listed += rows.len();
            if visit(&frame.gather(rows)?)?.is_break() {
                return Ok(listing);
            }
        }
        if listing.more {
            break;
        }
        next = if query.newest_first { range.0.plus(-1) } else { range.1.plus(1) };
    }
    if listing.listed == 0 {
        listing.notes.push(query.empty_note(tables));
    }
    if let Some(pruned) = tables.events_pruned_through().filter(|day| *day >= window_dates.0) {
        listing.notes.push(format!("events up to {pruned} are pruned"));
    }
    Ok(listing)
}

impl EventQuery {
    /// Returns a query for all events of a window, newest first.
    pub fn all(window: Window) -> EventQuery {
        EventQuery {
            window,
            chatbots: Vec::new(),
            names: Vec::new(),
            categories: Vec::new(),
            session_id: None,
            visitor: None,
            conditions: Vec::new(),
            exclude_bots: false,
            newest_first: true,
            limit: None,
        }
    }

    /// Returns the note that explains why no event is listed.
    fn empty_note(&self, tables: &dyn Tables) -> String {
        let (from, to) = (self.window.from, self.window.to);
        let scope = diagnostics::scope(&[], Some((from, to)));
        if tables.days().is_none() {
            return diagnostics::NO_DATA.to_owned();
        }
        let has_filter = !(self.names.is_empty() && self.categories.is_empty() && self.conditions.is_empty())
            || self.session_id.is_some()
            || self.visitor.is_some()
            || !self.chatbots.is_empty();
        match tables.event_days() {
            Some((first, last)) if has_filter && first <= to && from <= last => {
                format!("no event{scope} matches")
            }
            // Matching events may have been pruned, so the dates of other events do not explain the
            // result.
            _ if tables.events_pruned_through().is_some_and(|last| from <= last) => {
                format!("no events{scope} are retained")
            }
            Some((first, last)) => format!("no events{scope}: there is data from {first} to {last}"),
            None => "no events are retained".to_owned(),
        }
    }
}

/// Selects events from frames that the caller reads. The limit of the query is ignored.
pub struct EventSelector(EventSearch<'static>);

impl EventSelector {
    /// Reads the sessions that the query's conditions need.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    pub fn new(tables: &dyn Tables, query: EventQuery) -> Result<EventSelector> {
        Ok(EventSelector(EventSearch::new(tables, Cow::Owned(query))?))
    }

    /// Returns the rows among `rows` that the query selects, in the same order. The frame has all
    /// columns of events.
    ///
    /// # Errors
    /// Fails if a column is missing.
    pub fn select(&self, frame: &Frame, rows: &[usize]) -> Result<Vec<usize>> {
        let matching = self.0.matching_rows(frame, self.0.query.window.instants(self.0.zone))?;
        let matches = |row: &usize| u32::try_from(*row).is_ok_and(|row| matching.binary_search(&row).is_ok());
        Ok(rows.iter().copied().filter(matches).collect())
    }
}

/// A query for events, with its conditions by table.
struct EventSearch<'a> {
    query: Cow<'a, EventQuery>,
    /// The conditions on the events.
    conditions: Conditions,
    /// The sessions that satisfy the conditions on sessions; `None` without such conditions.
    sessions: Option<SessionIndex>,
    scope: Query,
    zone: Zone,
}

impl<'a> EventSearch<'a> {
    fn new(tables: &dyn Tables, query: Cow<'a, EventQuery>) -> Result<EventSearch<'a>> {
        let scope = Query { window: query.window, chatbots: query.chatbots.clone(), include_bots: true };
        let on_sessions = Conditions::join(query.conditions.iter().map(Where::on_sessions));
        let sessions = match on_sessions.is_empty() {
            true => None,
            false => {
                // An event of the window may belong to a session that started long before the
                // window.
                let since = query.window.instants(tables.zone()).possible.0;
                Some(SessionIndex::read_ended_since(tables, &scope, since, &on_sessions)?)
            }
        };
        let conditions = Conditions::join(query.conditions.iter().map(Where::on_events));
        Ok(EventSearch { query, conditions, sessions, scope, zone: tables.zone() })
    }

    /// Returns the columns that decide which events match.
    fn filter_columns(&self) -> Vec<&'static str> {
        let mut columns = vec!["timestamp"];
        let mut add = |name: &'static str, is_needed: bool| {
            if is_needed && !columns.contains(&name) {
                columns.push(name);
            }
        };
        add("chatbot_id", !self.query.chatbots.is_empty());
        add("event_name", !self.query.names.is_empty());
        add("event_category", !self.query.categories.is_empty());
        add("session_id", self.query.session_id.is_some());
        add("anonymous_id", self.query.visitor.is_some());
        add("user_id", self.query.visitor.is_some());
        add("is_bot", self.query.exclude_bots);
        self.conditions.columns().into_iter().for_each(|name| add(name, true));
        let of_sessions = self.sessions.as_ref().map(|sessions| sessions.columns(&[]));
        of_sessions.into_iter().flatten().for_each(|name| add(name, true));
        columns
    }

    /// Adds the columns that decide which events match, and in which order, to the given columns.
    fn with_position_columns<'c>(&self, columns: &[&'c str]) -> Vec<&'c str> {
        let mut all = columns.to_vec();
        for name in self.filter_columns().into_iter().chain(["id"]) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// Reads all matching events of the given dates.
    fn read_all(
        &self,
        tables: &dyn Tables,
        dates: (Day, Day),
        instants: Instants,
        columns: &[&str],
    ) -> Result<OrderedEvents> {
        let Some(dates) = self.matching_dates(tables, dates, instants)? else {
            return Ok(OrderedEvents::default());
        };
        let columns = self.with_position_columns(columns);
        let parts = map_frames(tables, Table::Events, Some(dates), &columns, |number, frame| {
            let rows = self.matching_rows(frame, instants)?;
            let part = if rows.len() == frame.height() { frame.clone() } else { frame.gather(&rows)? };
            let rows: Vec<u32> = (0..part.height() as u32).collect();
            Ok((positions(&part, number, &rows)?, part))
        })?;
        let (positions, frames): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        self.order(positions, Frame::concat(frames)?)
    }

    /// Reads the first `count` matching events of the given dates. For all other events, only the
    /// columns of their positions are read.
    fn read_first(
        &self,
        tables: &dyn Tables,
        dates: (Day, Day),
        instants: Instants,
        columns: &[&str],
        count: usize,
    ) -> Result<OrderedEvents> {
        let Some(dates) = self.matching_dates(tables, dates, instants)? else {
            return Ok(OrderedEvents::default());
        };
        let position_columns = self.with_position_columns(&[]);
        let mut frames =
            map_frames(tables, Table::Events, Some(dates), &position_columns, |number, frame| {
                let positions = positions(frame, number, &self.matching_rows(frame, instants)?)?;
                Ok(self.first(positions, count))
            })?;
        let chosen = self.first(frames.concat(), count);
        for (number, positions) in frames.iter_mut().enumerate() {
            positions.clear();
            positions.extend(chosen.iter().filter(|position| position.frame == number));
            positions.sort_unstable_by_key(|position| position.row);
        }
        let rows: Vec<Vec<u32>> =
            frames.iter().map(|positions| positions.iter().map(|position| position.row).collect()).collect();
        let mut read = Vec::new();
        for columns in self.with_position_columns(columns).chunks(COLUMNS_PER_READ) {
            let parts = map_frames(tables, Table::Events, Some(dates), columns, |number, frame| {
                frame.gather(rows.get(number).map_or(&[][..], Vec::as_slice))
            })?;
            read.push(Frame::concat(parts)?);
        }
        let frame = Frame::join_columns(chosen.len(), read)?;
        self.order(frames, frame)
    }

    /// Returns the range from the first to the last date with matching events; `None` if there are
    /// none. If the query filters only by time, returns all dates.
    fn matching_dates(
        &self,
        tables: &dyn Tables,
        dates: (Day, Day),
        instants: Instants,
    ) -> Result<Option<(Day, Day)>> {
        let columns = self.filter_columns();
        if columns.len() == 1 {
            return Ok(Some(dates));
        }
        let found = map_frames(tables, Table::Events, Some(dates), &columns, |_, frame| {
            // All rows of a file have the same date.
            let first = self.matching_rows(frame, instants)?.into_iter().next();
            let times = frame.ints("timestamp")?;
            Ok(first.and_then(|row| times.get(row as usize)).map(Day::utc))
        })?;
        let dates = || found.iter().flatten().copied();
        Ok(dates().min().zip(dates().max()))
    }

    fn compare(&self, a: &EventPosition, b: &EventPosition) -> Ordering {
        // Events of two chatbots can have the same id. Ties are ordered by frame and row, so the
        // order is the same with and without a limit.
        let order = (a.time, a.id, a.frame, a.row).cmp(&(b.time, b.id, b.frame, b.row));
        if self.query.newest_first { order.reverse() } else { order }
    }

    /// Returns the first `count` positions, in no particular order.
    fn first(&self, mut positions: Vec<EventPosition>, count: usize) -> Vec<EventPosition> {
        if positions.len() > count {
            positions.select_nth_unstable_by(count, |a, b| self.compare(a, b));
            positions.truncate(count);
        }
        positions
    }

    /// Orders the rows of a frame, given their positions frame by frame.
    fn order(&self, positions: Vec<Vec<EventPosition>>, frame: Frame) -> Result<OrderedEvents> {
        let mut rows: Vec<(u32, EventPosition)> = (0..).zip(positions.into_iter().flatten()).collect();
        rows.par_sort_unstable_by(|a, b| self.compare(&a.1, &b.1));
        Ok(OrderedEvents { frame, order: rows.into_iter().map(|(row, _)| row).collect() })
    }

    fn matching_rows(&self, frame: &Frame, instants: Instants) -> Result<Vec<u32>> {
        let finder = self.sessions.as_ref().map(|sessions| SessionFinder::new(frame, &self.scope, sessions));
        let mut filter = EventFilter {
            instants,
            times: frame.ints("timestamp")?,
            chatbots: self.scope.chatbot_filter(frame)?,
            names: value_filter(frame, "event_name", &self.query.names)?,
            categories: value_filter(frame, "event_category", &self.query.categories)?,
            session_ids: value_filter(frame, "session_id", self.query.session_id.as_slice())?,
            anonymous_ids: value_filter(frame, "anonymous_id", self.query.visitor.as_slice())?,
            user_ids: value_filter(frame, "user_id", self.query.visitor.as_slice())?,
            is_bot: if self.query.exclude_bots { Some(frame.bools("is_bot")?) } else { None },
            conditions: self.conditions.bind(frame, self.zone)?,
            sessions: finder.transpose()?,
        };
        Ok((0..frame.height() as u32).filter(|row| filter.matches(*row as usize)).collect())
    }
}

fn positions(frame: &Frame, number: usize, rows: &[u32]) -> Result<Vec<EventPosition>> {
    let (times, ids) = (frame.ints("timestamp")?, frame.texts("id")?);
    // Ids are UUIDs in canonical form, whose numeric order equals their order as strings.
    let id = |row: usize| ids.get(row).and_then(|id| uuid::Uuid::try_parse(id).ok()).unwrap_or_default();
    let position = |&row: &u32| {
        let (time, id) = (times.or_zero(row as usize), id(row as usize).as_u128());
        EventPosition { time, id, frame: number, row }
    };
    Ok(rows.iter().map(position).collect())
}

/// A column and the values that match; `None` if any value matches.
type ValueFilter<'a> = Option<(&'a Texts, &'a [String])>;

fn value_filter<'a>(frame: &'a Frame, name: &str, values: &'a [String]) -> Result<ValueFilter<'a>> {
    if values.is_empty() { Ok(None) } else { Ok(Some((frame.texts(name)?, values))) }
}

/// The filter of a query, bound to the columns of a frame.
struct EventFilter<'a> {
    instants: Instants,
    times: &'a Ints,
    chatbots: ChatbotFilter<'a>,
    names: ValueFilter<'a>,
    categories: ValueFilter<'a>,
    session_ids: ValueFilter<'a>,
    anonymous_ids: ValueFilter<'a>,
    user_ids: ValueFilter<'a>,
    is_bot: Option<&'a Bools>,
    conditions: BoundConditions<'a>,
    /// Finds the event's session among those that satisfy conditions.
    sessions: Option<SessionFinder<'a>>,
}

impl EventFilter<'_> {
    fn matches(&mut self, row: usize) -> bool {
        let matches = |column: &ValueFilter<'_>| match column {
            None => true,
            Some((column, values)) => {
                column.get(row).is_some_and(|text| values.iter().any(|value| value == text))
            }
        };
        self.times.get(row).is_some_and(|time| self.instants.contain(time))
            && self.chatbots.contains(row)
            && matches(&self.names)
            && matches(&self.categories)
            && matches(&self.session_ids)
            && (matches(&self.anonymous_ids) || matches(&self.user_ids))
            && !self.is_bot.is_some_and(|is_bot| is_bot.is_true(row))
            && self.conditions.matches(row)
            && self.sessions.as_mut().is_none_or(|sessions| sessions.session(row).is_some())
    }
}
