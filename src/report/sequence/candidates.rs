//! The sessions of a window that a report may count.

use super::{EventTags, retained_since};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::selection::filter::SessionFilter;
use crate::report::query::session_keys::{BoundValues, SessionValues};
use crate::report::query::tables::Tables;
use crate::store::frame::Frame;
use crate::time::Micros;

/// Returns the time from which on sessions are counted in a report with these tags.
pub(super) fn first_start<T>(tables: &dyn Tables, tags: &dyn EventTags<T>) -> Micros {
    if tags.needs_first_events() { retained_since(tables) } else { Micros::MIN }
}

/// Values of the sessions that started at `start` or later.
pub(super) struct Since<'a, S> {
    pub values: &'a dyn SessionValues<Value = S>,
    pub start: Micros,
}

impl<S: Send + 'static> SessionValues for Since<'_, S> {
    type Value = S;

    fn columns(&self) -> Vec<&'static str> {
        self.values.columns()
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, S>> {
        let mut value = self.values.bind(number, frame)?;
        let (started, start) = (frame.ints("started_at")?, self.start);
        Ok(Box::new(move |row| {
            let is_complete = started.get(row).is_some_and(|time| start <= time);
            if is_complete { value(row) } else { None }
        }))
    }
}

/// A session that a report may count, or a bot session.
pub(super) struct Candidate<S> {
    /// The value; `None` for a session that is not counted.
    pub value: Option<S>,
    pub is_bot: bool,
}

/// Values of the sessions that a report may count, and of all bot sessions, which are counted
/// separately. The query for these sessions includes bots.
pub(super) struct Candidates<'a, S> {
    pub values: &'a dyn SessionValues<Value = S>,
    /// Sessions that started earlier are not counted.
    pub start: Micros,
    /// Whether bot sessions are counted like all others.
    pub include_bots: bool,
    /// The filter, whose conditions on sessions must hold.
    pub filter: Option<&'a SessionFilter>,
}

impl<'a, S> Candidates<'a, S> {
    /// Returns the candidates of a query without a filter.
    pub fn new<T>(
        tables: &dyn Tables,
        query: &Query,
        values: &'a dyn SessionValues<Value = S>,
        tags: &dyn EventTags<T>,
    ) -> Candidates<'a, S> {
        let start = first_start(tables, tags);
        Candidates { values, start, include_bots: query.include_bots, filter: None }
    }
}

impl<S: Send + 'static> SessionValues for Candidates<'_, S> {
    type Value = Candidate<S>;

    fn columns(&self) -> Vec<&'static str> {
        let mut columns = self.values.columns();
        columns.extend(self.filter.iter().flat_map(|filter| filter.on_sessions().columns()));
        columns
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, Candidate<S>>> {
        let mut value = self.values.bind(number, frame)?;
        let (started, is_bot) = (frame.ints("started_at")?, frame.bools("is_bot")?);
        let (start, include_bots) = (self.start, self.include_bots);
        let is_selected = match self.filter {
            Some(filter) => filter.selected_rows(frame)?,
            None => Vec::new(),
        };
        Ok(Box::new(move |row| {
            if is_selected.get(row) == Some(&false) {
                return None;
            }
            let is_bot = is_bot.is_true(row);
            let is_counted = (include_bots || !is_bot) && started.get(row).is_some_and(|time| start <= time);
            let value = if is_counted { value(row) } else { None };
            (value.is_some() || is_bot).then_some(Candidate { value, is_bot })
        }))
    }
}
