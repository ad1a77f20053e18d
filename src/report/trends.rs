//! `trends`: a row for each day of the window up to today. Days without data have zeros.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answer::comparison::Comparison;
use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::days::listed_days;
use super::metric::totals::{Totals, by_day};
use super::metric::values::Percent;
use super::query::tables::Tables;
use super::query::{Query, pruned};
use crate::error::Result;
use crate::time::Day;

rows! {
    /// A day.
    TrendDay {
        dimensions {
            /// The day, `YYYY-MM-DD`.
            stat_date = "stat_date",
        }
        metrics {
            /// The number of sessions that started on the day.
            sessions: u64,
            /// The number of sessions with at least one message sent.
            conversations: u64,
            /// The number of messages sent and received.
            messages: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

/// The body of `trends`.
#[derive(Clone, Debug, Serialize)]
pub struct Trends {
    /// The days, in order.
    pub trends: RowList<TrendDay>,
}

impl ReportBody for Trends {
    const NAME: &'static str = "trends";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("trends", &self.trends).with_bar("sessions")]
    }
}

/// Computes `trends`. With `compare`, compares each day of the window with the day at the same
/// position in the previous period.
pub(crate) fn trends(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Report<Trends>> {
    let current = DaysWithData::new(by_day(tables, query)?);
    let (bots, listed) = (current.bots, listed_days(tables, query, current.range())?);
    let mut report = Report::new(ReportHead::new(tables, query, bots), rows(&current.days, listed, 0));
    report.notes = diagnostics::on_window(tables, query, current.days.is_empty(), bots)?;
    if !query.has_daily_stats(tables) {
        report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    }
    if compare {
        let length = i32::try_from(query.window.days()).unwrap_or(i32::MAX);
        let previous_query = query.previous();
        // Only a query without daily statistics depends on the sessions, which may be pruned.
        let has_stats = query.has_daily_stats(tables);
        let pruned = if has_stats { None } else { pruned::in_window(tables, &previous_query)? };
        let previous = match pruned {
            None => Some(DaysWithData::new(by_day(tables, &previous_query)?)),
            Some(_) => None,
        };
        let shifted = previous.as_ref().and_then(DaysWithData::range);
        let shifted = shifted.map(|(first, last)| (first.plus(length), last.plus(length)));
        let range = match (listed, shifted) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        let current = rows(&current.days, range, 0);
        let previous = previous.map(|previous| rows(&previous.days, range, length));
        let previous = previous.as_ref().map(ReportBody::groups);
        report.comparison = Some(Comparison::new(query.window, &current.groups(), previous.as_deref()));
        report.notes.extend(diagnostics::on_comparison(tables, query, pruned));
    }
    Ok(report)
}

/// The days with sessions. A day whose only sessions are excluded bot sessions has no data.
struct DaysWithData {
    days: BTreeMap<Day, Totals>,
    /// The number of bot sessions on all days.
    bots: u64,
}

impl DaysWithData {
    fn new(mut days: BTreeMap<Day, Totals>) -> DaysWithData {
        let bots = days.values().fold(0u64, |sum, day| sum.saturating_add(day.bots));
        days.retain(|_, day| day.sessions > 0);
        DaysWithData { days, bots }
    }

    fn range(&self) -> Option<(Day, Day)> {
        Some((*self.days.first_key_value()?.0, *self.days.last_key_value()?.0))
    }
}

/// Returns a row for each day of a range, with the totals of the day `offset` days earlier.
fn rows(days: &BTreeMap<Day, Totals>, range: Option<(Day, Day)>, offset: i32) -> Trends {
    let range = range.map_or(0..0, |(first, last)| first.0..last.0 + 1);
    let row = |day: i32| {
        let totals = days.get(&Day(day - offset)).copied().unwrap_or_default();
        TrendDay {
            stat_date: Day(day).to_string(),
            sessions: totals.sessions,
            conversations: totals.conversations,
            messages: totals.messages(),
            conversion_rate: Percent::from_parts(totals.conversations, totals.sessions),
        }
    };
    Trends { trends: RowList::complete(range.map(row).collect()) }
}
