//! `summary`: a window in a dozen figures.
//!
//! Sums come from the daily statistics, which are never pruned by default; different visitors
//! cannot be added up over days, so they are counted over the window's sessions.

use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::metric::totals::{Totals, by_day};
use super::metric::unique_visitors::Audience;
use super::metric::{Group, Row, rows};
use super::metric::{compare::Comparison, diagnostics};
use super::query::Query;
use super::query::pruned;
use super::query::tables::Tables;
use crate::decimal::fixed::{Distinct, Millis, Percent, Seconds};
use crate::error::Result;
use crate::time::Day;

rows! {
    /// The figures of a window.
    SummaryFigures {
        names {}
        figures {
            /// Sessions that started in the window.
            total_sessions: u64,
            /// Different visitors; `None` where sessions of the window are pruned.
            unique_visitors: Option<Distinct>,
            /// Sessions with at least one message sent.
            total_conversations: u64,
            /// Mean duration, half up; 0 without sessions.
            avg_session_duration_seconds: Seconds,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
            /// Visitors first seen in the window, or known only by a session.
            new_visitors: Option<Distinct>,
            /// The other visitors.
            returning_visitors: Option<Distinct>,
            /// Number of `message_sent`.
            total_messages_sent: u64,
            /// Number of `message_received`.
            total_messages_received: u64,
            /// Mean response time over messages; `None` without any.
            avg_response_time_ms: Option<Millis>,
            /// Events of category `error`.
            error_count: u64,
            /// Robots' sessions, which no other figure counts; 0 where they are included.
            bot_sessions_excluded: u64,
        }
    }
}

/// The answer of `summary`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The figures.
    pub summary: SummaryFigures,
}

impl Body for Summary {
    const NAME: &'static str = "summary";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::one("summary", &self.summary)]
    }
}

impl SummaryFigures {
    /// Returns the names of all figures.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::FIGURES.iter().map(|(name, _)| *name)
    }
}

/// Answers `summary`; with `compare`, beside the period before.
pub fn summary(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Report<Summary>> {
    let pruned = pruned::in_window(tables, query)?;
    let (mut report, bots) = figures(tables, query, pruned)?;
    let empty = report.body.summary.total_sessions == 0;
    report.notes.extend(diagnostics::on_window(tables, query, empty, bots)?);
    report.notes.extend(unknown_visitors(query, pruned));
    if query.include_bots {
        report.notes.extend(diagnostics::on_pruned_sessions(pruned));
    }
    if compare {
        let before = query.before();
        let pruned_before = pruned::in_window(tables, &before)?;
        // With robots all figures come from the sessions, else those of the visitors alone.
        let unknown = pruned_before.filter(|_| query.include_bots);
        let previous = match unknown {
            None => Some(figures(tables, &before, pruned_before)?.0.body),
            Some(_) => None,
        };
        let groups = previous.as_ref().map(Body::groups);
        report.comparison = Some(Comparison::of(query.window, &report.body.groups(), groups.as_deref()));
        report.notes.extend(diagnostics::on_comparison(tables, query, unknown));
        if unknown.is_none() && pruned.is_none() {
            report.notes.extend(unknown_visitors(&before, pruned_before));
        }
    }
    report.head.robots = super::answer::Robots::of(query, bots);
    Ok(report)
}

/// Works out the figures of a window, of which sessions are pruned as far as a day.
fn figures(tables: &dyn Tables, query: &Query, pruned: Option<Day>) -> Result<(Report<Summary>, u64)> {
    let visitors = || match pruned {
        None => Audience::of(tables, query).map(Some),
        Some(_) => Ok(None),
    };
    let (visitors, days) = rayon::join(visitors, || by_day(tables, query));
    let (visitors, days) = (visitors?, days?);
    let mut sums = Totals::default();
    for totals in days.values() {
        sums.add(totals);
    }
    let summary = SummaryFigures {
        total_sessions: sums.sessions,
        unique_visitors: visitors.as_ref().map(|all| Distinct(all.unique)),
        total_conversations: sums.conversations,
        avg_session_duration_seconds: Seconds::mean(sums.seconds, sums.sessions),
        conversion_rate: Percent::of(sums.conversations, sums.sessions),
        new_visitors: visitors.as_ref().map(|all| Distinct(all.new)),
        returning_visitors: visitors.as_ref().map(|all| Distinct(all.returning())),
        total_messages_sent: sums.sent,
        total_messages_received: sums.received,
        avg_response_time_ms: Millis::mean(sums.response_us, sums.responses),
        error_count: sums.errors,
        bot_sessions_excluded: if query.include_bots { 0 } else { sums.bots },
    };
    Ok((Report::new(Head::of(tables, query, sums.bots), Summary { summary }), sums.bots))
}

fn unknown_visitors(query: &Query, pruned: Option<Day>) -> Option<String> {
    let pruned = pruned?;
    Some(format!(
        "unique, new and returning visitors from {} on are not known: sessions up to {pruned} are pruned",
        query.window.from
    ))
}
