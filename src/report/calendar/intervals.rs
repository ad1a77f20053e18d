//! `trends` by hour, week or month: sessions and distinct visitors of each interval of the window.
//!
//! The rows are counted from sessions. A visitor who comes on two days of a week counts once for
//! the week, so the visitors of an interval are not the sum over its days.

#[cfg(test)]
mod tests;

use hashbrown::HashMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::buckets::{self, Counts};
use super::periods::{Interval, Periods};
use crate::error::{Error, Result};
use crate::report::answer::comparison::Comparison;
use crate::report::answer::rows::{Group, Row, RowList};
use crate::report::answer::{Report, ReportBody, ReportHead, diagnostics};
use crate::report::metric::values::{Distinct, Percent};
use crate::report::metric::{AsMetric, Unit};
use crate::report::query::tables::Tables;
use crate::report::query::window::Window;
use crate::report::query::{Query, pruned};
use crate::time::{DAY, Micros, SECOND, Zone, format_in};

/// The period that a row of `trends` covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrendInterval {
    /// An hour of the local clock.
    Hour,
    /// A day.
    #[default]
    Day,
    /// A week that begins on Monday.
    Week,
    /// A month.
    Month,
}

impl TrendInterval {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            TrendInterval::Hour => "hour",
            TrendInterval::Day => "day",
            TrendInterval::Week => "week",
            TrendInterval::Month => "month",
        }
    }
}

/// The metrics of an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrendRow {
    /// The first day, `YYYY-MM-DD`, or the start of the hour, RFC 3339 in the store's zone.
    pub start: String,
    /// Whether the whole interval is in the past and in the window, and its sessions are retained.
    pub complete: bool,
    /// The number of sessions that started in the interval.
    pub sessions: u64,
    /// The number of sessions with at least one message sent.
    pub conversations: u64,
    /// The number of messages sent and received.
    pub messages: u64,
    /// 100 × conversations / sessions.
    pub conversion_rate: Percent,
    /// The number of distinct visitors.
    pub unique_visitors: Distinct,
}

impl TrendRow {
    fn new(start: String, complete: bool, counts: &Counts) -> TrendRow {
        TrendRow {
            start,
            complete,
            sessions: counts.sessions,
            conversations: counts.conversations,
            messages: counts.messages,
            conversion_rate: Percent::from_parts(counts.conversations, counts.sessions),
            unique_visitors: Distinct(counts.visitors),
        }
    }
}

impl Serialize for TrendRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("start", &self.start)?;
        map.serialize_entry("complete", &self.complete)?;
        map.serialize_entry("sessions", &self.sessions)?;
        map.serialize_entry("conversations", &self.conversations)?;
        map.serialize_entry("messages", &self.messages)?;
        map.serialize_entry("conversion_rate", &self.conversion_rate)?;
        map.serialize_entry("unique_visitors", &self.unique_visitors)?;
        map.end()
    }
}

impl Row for TrendRow {
    const DIMENSIONS: &'static [&'static str] = &["start", "complete"];
    const METRICS: &'static [(&'static str, Unit)] = &[
        ("sessions", Unit::Count),
        ("conversations", Unit::Count),
        ("messages", Unit::Count),
        ("conversion_rate", Unit::Percent),
        ("unique_visitors", Unit::Distinct),
    ];

    fn dimensions(&self) -> Vec<&str> {
        vec![&self.start, if self.complete { "true" } else { "false" }]
    }

    fn metrics(&self) -> Vec<Option<i64>> {
        vec![
            self.sessions.value(),
            self.conversations.value(),
            self.messages.value(),
            self.conversion_rate.value(),
            self.unique_visitors.value(),
        ]
    }
}

/// The body of `trends` by hour, week or month.
#[derive(Clone, Debug, Serialize)]
pub struct IntervalTrends {
    /// The intervals, in order.
    pub trends: RowList<TrendRow>,
}

impl ReportBody for IntervalTrends {
    const NAME: &'static str = "trends";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("trends", &self.trends).with_bar("sessions")]
    }
}

/// Computes `trends` by hour, week or month. Hours of today after `now` are omitted if they have no
/// sessions. If `now` is not on `window.today`, all hours of `window.today` are listed. With
/// `compare`, compares each interval with the one at the same position in the previous period.
///
/// # Errors
/// Returns a usage error for too many intervals.
pub(crate) fn interval_trends(
    tables: &dyn Tables,
    query: &Query,
    interval: TrendInterval,
    now: Micros,
    compare: bool,
) -> Result<Report<IntervalTrends>> {
    let window = query.window;
    let pruned = pruned::in_window(tables, query)?;
    let first = pruned.map_or(window.from, |last| last.plus(1).max(window.from));
    // Ingest accepts events up to a day in the future, so the last data can be after today.
    let last = window.to.min(window.today.max(tables.days().map_or(window.today, |(_, last)| last)));
    let listed = Window { from: first, to: last, ..window };
    let intervals = Intervals::new(interval, listed, tables.zone())?;
    let (counts, bots) = intervals.count(tables, &Query { window: listed, ..query.clone() })?;
    let is_empty = counts.iter().all(|counts| counts.sessions == 0);
    let rows = intervals.rows(&counts, now);
    let body = IntervalTrends { trends: RowList::complete(rows) };
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    report.notes = diagnostics::on_window(tables, query, is_empty, bots)?;
    report.notes.extend(pruned.map(|day| {
        format!(
            "sessions up to {day} are pruned, so trends by {} begin after that day; `wa report trends` \
             without --interval reaches further back",
            interval.name()
        )
    }));
    if compare {
        let pruned = pruned::in_window(tables, &query.previous())?;
        let previous = match pruned {
            None => {
                let (previous, note) = previous_rows(tables, query, interval, &report.body.trends.all)?;
                report.notes.extend(note);
                Some(previous)
            }
            Some(_) => None,
        };
        let groups = previous.as_ref().map(ReportBody::groups);
        report.comparison = Some(Comparison::new(query.window, &report.body.groups(), groups.as_deref()));
        report.notes.extend(diagnostics::on_comparison(tables, query, pruned));
    }
    Ok(report)
}

/// Returns the intervals of the previous period. Each takes its start from `rows`: the start of the
/// interval at the same position in the window. An interval is excluded if its counterpart in the
/// window has not begun. Also returns a note if an interval has no counterpart in the window, such
/// as a sixth week.
fn previous_rows(
    tables: &dyn Tables,
    query: &Query,
    interval: TrendInterval,
    rows: &[TrendRow],
) -> Result<(IntervalTrends, Option<String>)> {
    let current = Intervals::new(interval, query.window, tables.zone())?;
    let numbers: HashMap<Position, usize> = current.positions().into_iter().zip(0..).collect();
    let query = query.previous();
    let intervals = Intervals::new(interval, query.window, tables.zone())?;
    let (counts, _) = intervals.count(tables, &query)?;
    let (mut all, mut missing) = (Vec::new(), 0u64);
    for (position, counts) in intervals.positions().into_iter().zip(counts) {
        match numbers.get(&position) {
            None => missing += 1,
            Some(number) => all
                .extend(rows.get(*number).map(|row| TrendRow::new(row.start.clone(), row.complete, &counts))),
        }
    }
    let note = (missing > 0).then(|| {
        format!(
            "{missing} of the {0}s of the previous period cannot be compared: the window has no such {0}",
            interval.name()
        )
    });
    Ok((IntervalTrends { trends: RowList::complete(all) }, note))
}

const HOUR: Micros = 3_600 * SECOND;

/// The number of bits of an interval's index, plus one for the kind of the visitor's id.
const BITS: u32 = 15;

/// The maximum number of hours: more than a year.
const MAX_HOURS: usize = 1 << (BITS - 1);

/// The position of an interval in its window: the number of a week or month, or the number of a day
/// and the local time at which an hour begins. The last number counts repetitions of an hour.
type Position = (i32, Micros, u32);

/// Consecutive intervals that cover the days of a window.
struct Intervals {
    window: Window,
    zone: Zone,
    parts: Parts,
}

enum Parts {
    /// The starts of the hours, and the end of the last.
    Hours(Vec<Micros>),
    Periods(Periods),
}

impl Intervals {
    fn new(interval: TrendInterval, window: Window, zone: Zone) -> Result<Intervals> {
        let period = match interval {
            TrendInterval::Hour => None,
            TrendInterval::Day => Some(Interval::Day),
            TrendInterval::Week => Some(Interval::Week),
            TrendInterval::Month => Some(Interval::Month),
        };
        let parts = match period {
            None => Parts::Hours(hours(window, zone)?),
            Some(period) => Parts::Periods(Periods::new(period, window.from, window.to, zone)?),
        };
        Ok(Intervals { window, zone, parts })
    }

    fn len(&self) -> usize {
        match &self.parts {
            Parts::Hours(starts) => starts.len().saturating_sub(1),
            Parts::Periods(periods) => periods.len(),
        }
    }

    /// Counts the sessions of a query in each interval, and its bot sessions. The intervals must
    /// cover the query's window.
    fn count(&self, tables: &dyn Tables, query: &Query) -> Result<(Vec<Counts>, u64)> {
        match self.len() {
            0 => Ok((Vec::new(), 0)),
            intervals => {
                buckets::count(tables, query, intervals, BITS, || |start| self.find(start).unwrap_or(0))
            }
        }
    }

    /// Returns the position of each interval, which is unique.
    fn positions(&self) -> Vec<Position> {
        let Parts::Hours(starts) = &self.parts else {
            return (0..self.len()).map(|number| (number as i32, 0, 0)).collect();
        };
        let mut repetitions: HashMap<(i32, Micros), u32> = HashMap::new();
        let position = |start: &Micros| {
            let day = self.zone.day(*start).0 - self.window.from.0;
            let time = self.zone.local(*start).rem_euclid(DAY);
            let next = repetitions.entry((day, time)).or_default();
            *next += 1;
            (day, time, *next)
        };
        starts.iter().take(self.len()).map(position).collect()
    }

    /// Returns the interval of a time; `None` if it is in no interval.
    fn find(&self, time: Micros) -> Option<usize> {
        match &self.parts {
            Parts::Hours(starts) => {
                let number = starts.partition_point(|start| *start <= time).checked_sub(1)?;
                (number < self.len()).then_some(number)
            }
            Parts::Periods(periods) => periods.find(time),
        }
    }

    /// Returns the start of an interval as a string, and whether the interval is complete.
    fn describe(&self, number: usize, now: Micros) -> Option<(String, bool)> {
        let window = self.window;
        match &self.parts {
            Parts::Hours(starts) => {
                let (start, end) = (*starts.get(number)?, *starts.get(number + 1)?);
                let day = self.zone.day(start);
                let is_over = day < window.today || (self.zone.day(now) == window.today && end <= now);
                Some((format_in(start, self.zone), is_over))
            }
            Parts::Periods(periods) => {
                let (first, last) = (periods.first_day(number)?, periods.last_day(number)?);
                let is_whole = window.contains(first) && window.contains(last);
                Some((first.to_string(), is_whole && last < window.today))
            }
        }
    }

    /// Returns a row for each interval. Hours after `now` are listed only up to the last with data.
    fn rows(&self, counts: &[Counts], now: Micros) -> Vec<TrendRow> {
        let with_data = counts.iter().rposition(|counts| counts.sessions > 0).map_or(0, |last| last + 1);
        let begun = match &self.parts {
            Parts::Hours(starts) if self.zone.day(now) == self.window.today => {
                starts.partition_point(|start| *start <= now)
            }
            _ => counts.len(),
        };
        let listed = counts.iter().enumerate().take(begun.max(with_data));
        let row = |(number, counts): (usize, &Counts)| {
            let (start, complete) = self.describe(number, now)?;
            Some(TrendRow::new(start, complete, counts))
        };
        listed.filter_map(row).collect()
    }
}

/// Returns the starts of the hours of a window, and the end of the last. An hour begins at each
/// full hour of the local clock, or at a clock change that skips it.
fn hours(window: Window, zone: Zone) -> Result<Vec<Micros>> {
    let mut starts = Vec::new();
    if window.from > window.to {
        return Ok(starts);
    }
    let (mut start, end) = window.instants(zone).possible;
    while start < end {
        if starts.len() >= MAX_HOURS {
            return Err(Error::usage(format!("the window has more than {MAX_HOURS} hours"))
                .hint("choose fewer days, or a longer --interval"));
        }
        starts.push(start);
        start += HOUR - zone.local(start).rem_euclid(HOUR);
    }
    starts.push(end);
    Ok(starts)
}
