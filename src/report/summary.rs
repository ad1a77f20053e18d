//! `summary`: the main metrics of a window.
//!
//! Sums come from the daily statistics, which are never pruned by default. Distinct visitors do not
//! add up over days, so they are counted over the sessions of the window.

use serde::Serialize;

use super::answer::comparison::Comparison;
use super::answer::rows::{Group, Row, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::totals::{Totals, by_day};
use super::metric::unique_visitors::UniqueVisitors;
use super::metric::values::{Distinct, Millis, Percent, Seconds};
use super::query::tables::Tables;
use super::query::{Query, pruned};
use crate::error::Result;
use crate::time::Day;

rows! {
    /// The metrics of a window.
    SummaryMetrics {
        dimensions {}
        metrics {
            /// The number of sessions that started in the window.
            total_sessions: u64,
            /// The number of distinct visitors; `None` if sessions of the window are pruned.
            unique_visitors: Option<Distinct>,
            /// The number of sessions with at least one message sent.
            total_conversations: u64,
            /// The mean session duration, rounded half up; 0 without sessions.
            avg_session_duration_seconds: Seconds,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
            /// The number of visitors first seen in the window or identified by a session id.
            new_visitors: Option<Distinct>,
            /// The number of visitors first seen before the window.
            returning_visitors: Option<Distinct>,
            /// The number of `message_sent` events.
            total_messages_sent: u64,
            /// The number of `message_received` events.
            total_messages_received: u64,
            /// The mean response time over all messages, rounded half up; `None` without any.
            avg_response_time_ms: Option<Millis>,
            /// The number of events of category `error`.
            error_count: u64,
            /// The number of bot sessions, which no other metric counts; 0 if they are included.
            bot_sessions_excluded: u64,
        }
    }
}

impl SummaryMetrics {
    /// Returns the names of all metrics.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::METRICS.iter().map(|(name, _)| *name)
    }
}

/// The body of `summary`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The metrics.
    pub summary: SummaryMetrics,
}

impl ReportBody for Summary {
    const NAME: &'static str = "summary";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::single("summary", &self.summary)]
    }
}

/// Computes `summary`. With `compare`, compares it with the previous period.
pub fn summary(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Report<Summary>> {
    let pruned = pruned::in_window(tables, query)?;
    let (body, bots) = measure(tables, query, pruned)?;
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    let is_empty = report.body.summary.total_sessions == 0;
    report.notes.extend(diagnostics::on_window(tables, query, is_empty, bots)?);
    report.notes.extend(on_unknown_visitors(query, pruned));
    if query.include_bots {
        report.notes.extend(diagnostics::on_pruned_sessions(pruned));
    }
    if compare {
        let previous_query = query.previous();
        let previous_pruned = pruned::in_window(tables, &previous_query)?;
        // With bot sessions, all metrics depend on the sessions; without them, only visitors do.
        let all_unknown = previous_pruned.filter(|_| query.include_bots);
        let previous = match all_unknown {
            None => Some(measure(tables, &previous_query, previous_pruned)?.0),
            Some(_) => None,
        };
        let groups = previous.as_ref().map(ReportBody::groups);
        let comparison = Comparison::new(query.window, &report.body.groups(), groups.as_deref());
        report.comparison = Some(comparison);
        report.notes.extend(diagnostics::on_comparison(tables, query, all_unknown));
        if all_unknown.is_none() && pruned.is_none() {
            report.notes.extend(on_unknown_visitors(&previous_query, previous_pruned));
        }
    }
    Ok(report)
}

/// Measures a window, given the last pruned day if sessions of it are pruned. Returns the metrics
/// and the number of bot sessions.
fn measure(tables: &dyn Tables, query: &Query, pruned: Option<Day>) -> Result<(Summary, u64)> {
    let visitors = || match pruned {
        None => UniqueVisitors::count(tables, query).map(Some),
        Some(_) => Ok(None),
    };
    let (visitors, days) = rayon::join(visitors, || by_day(tables, query));
    let (visitors, days) = (visitors?, days?);
    let mut sums = Totals::default();
    for totals in days.values() {
        sums.add(totals);
    }
    let summary = SummaryMetrics {
        total_sessions: sums.sessions,
        unique_visitors: visitors.as_ref().map(|visitors| Distinct(visitors.unique)),
        total_conversations: sums.conversations,
        avg_session_duration_seconds: Seconds::mean(sums.seconds, sums.sessions),
        conversion_rate: Percent::from_parts(sums.conversations, sums.sessions),
        new_visitors: visitors.as_ref().map(|visitors| Distinct(visitors.new)),
        returning_visitors: visitors.as_ref().map(|visitors| Distinct(visitors.returning())),
        total_messages_sent: sums.sent,
        total_messages_received: sums.received,
        avg_response_time_ms: Millis::mean(sums.response_us, sums.responses),
        error_count: sums.errors,
        bot_sessions_excluded: if query.include_bots { 0 } else { sums.bots },
    };
    Ok((Summary { summary }, sums.bots))
}

fn on_unknown_visitors(query: &Query, pruned: Option<Day>) -> Option<String> {
    let pruned = pruned?;
    Some(format!(
        "unique, new and returning visitors from {} on are unknown: sessions up to {pruned} are pruned",
        query.window.from
    ))
}
