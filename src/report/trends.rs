//! `trends`: a row a day, from the first to the last day with data, gaps filled with zeros.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::metric::compare::Comparison;
use super::metric::diagnostics;
use super::metric::totals::{Totals, by_day};
use super::metric::{Group, Listed, rows};
use super::query::Query;
use super::query::pruned;
use super::query::tables::Tables;
use crate::decimal::fixed::Percent;
use crate::error::Result;
use crate::time::Day;

rows! {
    /// A day.
    TrendDay {
        names {
            /// The day, `YYYY-MM-DD`.
            stat_date = "stat_date",
        }
        figures {
            /// Sessions that started on the day.
            sessions: u64,
            /// Those with at least one message sent.
            conversations: u64,
            /// Messages sent and received.
            messages: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

/// The answer of `trends`.
#[derive(Clone, Debug, Serialize)]
pub struct Trends {
    /// The days.
    pub trends: Listed<TrendDay>,
}

impl Body for Trends {
    const NAME: &'static str = "trends";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::many("trends", &self.trends).bar("sessions")]
    }
}

/// Answers `trends`; with `compare`, each day beside the one as far into the period before.
pub fn trends(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Report<Trends>> {
    let days = with_data(by_day(tables, query)?);
    let bots = days.bots;
    let mut report = Report::new(Head::of(tables, query, bots), rows(&days.days, days.range(), 0));
    report.notes = diagnostics::on_window(tables, query, days.days.is_empty(), bots)?;
    if query.include_bots {
        report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    }
    if compare {
        let length = i32::try_from(query.window.days()).unwrap_or(i32::MAX);
        let before = query.before();
        // With robots, the figures come from the sessions.
        let pruned = if query.include_bots { pruned::in_window(tables, &before)? } else { None };
        let before = if pruned.is_none() { Some(with_data(by_day(tables, &before)?)) } else { None };
        let moved = before.as_ref().and_then(Days::range);
        let moved = moved.map(|(first, last)| (first.plus(length), last.plus(length)));
        let range = match (days.range(), moved) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        let now = rows(&days.days, range, 0);
        let previous = before.map(|before| rows(&before.days, range, length));
        let previous = previous.as_ref().map(Body::groups);
        report.comparison = Some(Comparison::of(query.window, &now.groups(), previous.as_deref()));
        report.notes.extend(diagnostics::on_comparison(tables, query, pruned));
    }
    Ok(report)
}

struct Days {
    days: BTreeMap<Day, Totals>,
    bots: u64,
}

impl Days {
    fn range(&self) -> Option<(Day, Day)> {
        Some((*self.days.first_key_value()?.0, *self.days.last_key_value()?.0))
    }
}

/// A day on which only robots came is a day without data.
fn with_data(mut days: BTreeMap<Day, Totals>) -> Days {
    let bots = days.values().fold(0u64, |sum, day| sum.saturating_add(day.bots));
    days.retain(|_, day| day.sessions > 0);
    Days { days, bots }
}

/// Makes a row of each day of a range, of what happened `back` days earlier.
fn rows(days: &BTreeMap<Day, Totals>, range: Option<(Day, Day)>, back: i32) -> Trends {
    let range = range.map_or(0..0, |(first, last)| first.0..last.0 + 1);
    let row = |day: i32| {
        let totals = days.get(&Day(day - back)).copied().unwrap_or_default();
        TrendDay {
            stat_date: Day(day).to_string(),
            sessions: totals.sessions,
            conversations: totals.conversations,
            messages: totals.messages(),
            conversion_rate: Percent::of(totals.conversations, totals.sessions),
        }
    };
    Trends { trends: Listed::whole(range.map(row).collect()) }
}
