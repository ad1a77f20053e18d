//! `retention`: cohorts of visitors by the period in which they were first seen, and the share of
//! each cohort that came back in later periods.
//!
//! A cohort consists of the visitors whose first event is in its period and who have a counted
//! session in that period. A visitor comes back in a later period if one of its sessions starts in
//! that period. A cohort can therefore be counted as long as the sessions of its period are
//! retained.

mod body;
mod count;

pub use body::Retention;

use count::Counts;

use super::periods::{Interval, Periods};
use crate::error::Result;
use crate::report::answer::{Report, ReportHead, diagnostics};
use crate::report::metric::event_counts::each_count;
use crate::report::query::tables::{Tables, map_frames};
use crate::report::query::window::Window;
use crate::report::query::{Query, pruned};
use crate::store::columns::Table;
use crate::suggest::nearest;
use crate::time::Day;

/// The options of `retention`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionOptions {
    /// The length of the periods.
    pub interval: Interval,
    /// Whether a visitor counts for a period if it came back in that period or any later one.
    pub unbounded: bool,
    /// The event that a session needs in order to count as a return; `None` for any session.
    pub return_event: Option<String>,
}

impl RetentionOptions {
    /// Returns a query whose window is extended to the start of its first period.
    pub(crate) fn extended(&self, query: &Query) -> Query {
        let window = Window { from: self.interval.start(query.window.from), ..query.window };
        Query { window, ..query.clone() }
    }
}

/// Computes `retention`. The window is extended to the start of its first period.
///
/// # Errors
/// Returns a usage error for too many periods.
pub(crate) fn retention(
    tables: &dyn Tables,
    query: &Query,
    options: &RetentionOptions,
) -> Result<Report<Retention>> {
    let query = options.extended(query);
    let window = query.window;
    let pruned = pruned::in_window(tables, &query)?;
    let first = first_cohort(tables, &query, options.interval, pruned);
    // Ingest accepts events up to a day in the future, so the last data can be after today.
    let last = window.to.min(window.today.max(tables.days().map_or(window.today, |(_, last)| last)));
    let periods = Periods::new(options.interval, first, last, tables.zone())?;
    let counted = Query { window: Window { from: first, to: last, ..window }, ..query.clone() };
    let counts =
        if periods.len() == 0 { Counts::new(0) } else { count::count(tables, &counted, &periods, options)? };
    let in_window =
        Periods::new(options.interval, window.from, last, tables.zone()).map_or(0, |all| all.len());
    let body = Retention::new(&periods, &counts, options, in_window, |period| {
        periods.last_day(period).is_some_and(|day| day < window.today && day <= window.to)
    });
    let mut report = Report::new(ReportHead::new(tables, &query, counts.bots), body);
    report.notes = diagnostics::on_window(tables, &query, counts.sessions == 0, counts.bots)?;
    report.notes.extend(pruned.map(|day| match periods.first_day(0).filter(|_| periods.len() > 0) {
        Some(first) => format!("sessions up to {day} are pruned: the first cohort begins on {first}"),
        None => format!("sessions up to {day} are pruned: no cohort of the window is known"),
    }));
    report.notes.extend(match counts.session_key_visitors {
        0 => None,
        1 => Some("1 visitor known only by a session key is left out".to_owned()),
        count => Some(format!("{count} visitors known only by a session key are left out")),
    });
    if let Some(event) = &options.return_event
        && counts.sessions > 0
        && counts.returns == 0
    {
        report.notes.push(on_missing_event(tables, &counted, event)?);
    }
    Ok(report)
}

/// Returns the first day of the first cohort. It begins with the first data at the earliest, and
/// after all pruned sessions.
fn first_cohort(tables: &dyn Tables, query: &Query, interval: Interval, pruned: Option<Day>) -> Day {
    let data = tables.days().map_or(query.window.from, |(first, _)| interval.start(first));
    let retained = pruned.map_or(data, |day| {
        let next = day.plus(1);
        if interval.start(next) == next { next } else { interval.next_start(next) }
    });
    query.window.from.max(data).max(retained)
}

/// Returns the note on an event that no session has.
fn on_missing_event(tables: &dyn Tables, query: &Query, event: &str) -> Result<String> {
    let (days, columns) = (Some(query.window.range()), query.columns(&["event_counts"]));
    let names = map_frames(tables, Table::Sessions, days, &columns, |_, frame| {
        let counts = frame.texts("event_counts")?;
        let mut names = std::collections::BTreeSet::new();
        for row in query.select(frame)?.rows {
            each_count(counts.get(row as usize).unwrap_or(""), |name, _| {
                if !names.contains(name) {
                    names.insert(name.to_owned());
                }
            });
        }
        Ok(names)
    })?;
    let near = nearest(event, names.iter().flatten().map(String::as_str));
    let near = near.map_or(String::new(), |near| format!(": did you mean {near:?}?"));
    Ok(format!("no session has the event {event:?}{near}"))
}
