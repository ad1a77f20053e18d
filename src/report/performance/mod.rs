//! `performance`: response times, load times, slow responses and errors.
//!
//! The report covers the events of the sessions that started in the window, including events of
//! later days.

mod tags;
mod totals;

use std::sync::Arc;

use hashbrown::HashMap;
use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::time_counts::TimeCounts;
use super::metric::values::{Distinct, Millis, Percent};
use super::query::session_keys::NoValues;
use super::query::tables::Tables;
use super::query::{Query, pruned};
use super::sequence::{Folded, SessionGroups, fold_groups, fold_sessions};
use crate::error::Result;
use crate::time::Day;
use tags::PerformanceTags;
use totals::{Errors, PerformanceFold, Totals};

rows! {
    /// The distribution of times in milliseconds. Without times, all metrics except the count are
    /// `None`.
    TimeDistribution {
        dimensions {}
        metrics {
            /// The number of times.
            count: u64,
            /// The mean, rounded half up.
            mean: Option<Millis>,
            /// The median.
            p50: Option<Millis>,
            /// The 75th percentile.
            p75: Option<Millis>,
            /// The 95th percentile.
            p95: Option<Millis>,
            /// The 99th percentile.
            p99: Option<Millis>,
        }
    }
}

impl TimeDistribution {
    fn new(times: &TimeCounts) -> TimeDistribution {
        let [p50, p75, p95, p99] = times.percentiles([50, 75, 95, 99]);
        TimeDistribution { count: times.count(), mean: times.mean(), p50, p75, p95, p99 }
    }
}

rows! {
    /// The errors of one name.
    ErrorName {
        dimensions {
            /// The event name.
            event_name = "event_name",
        }
        metrics {
            /// The number of events.
            count: u64,
            /// The number of sessions with such an event.
            unique_sessions: Distinct,
        }
    }
}

rows! {
    /// The slow responses.
    SlowResponses {
        dimensions {}
        metrics {
            /// The number of response times over 3 seconds.
            count: u64,
            /// Their share of all response times.
            share: Percent,
            /// The number of `slow_response` events in the log.
            logged: u64,
        }
    }
}

/// The body of `performance`.
#[derive(Clone, Debug, Serialize)]
pub struct Performance {
    /// Response times.
    pub response_time_ms: TimeDistribution,
    /// Load times.
    pub load_time_ms: TimeDistribution,
    /// Slow responses.
    pub slow_responses: SlowResponses,
    /// Errors by name, most frequent first.
    pub errors: RowList<ErrorName>,
}

impl ReportBody for Performance {
    const NAME: &'static str = "performance";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::single("response_time_ms", &self.response_time_ms),
            Group::single("load_time_ms", &self.load_time_ms),
            Group::single("slow_responses", &self.slow_responses),
            Group::list("errors", &self.errors).with_bar("count"),
        ]
    }
}

/// Computes `performance` with at most `limit` names of errors.
pub(crate) fn performance(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
) -> Result<Report<Performance>> {
    let tags = PerformanceTags::default();
    let fold = PerformanceFold { names: Arc::clone(&tags.names) };
    let folded = fold_sessions(tables, query, &NoValues, &tags, &fold)?;
    report(tables, query, &folded, limit)
}

/// Computes `performance` for each group of a breakdown, and for all sessions at the end. Returns
/// `None` in the same cases as [`fold_groups`].
pub(crate) fn performance_by_group(
    groups: &SessionGroups<'_>,
    query: &Query,
    limit: Option<usize>,
) -> Result<Option<Vec<Report<Performance>>>> {
    let tags = PerformanceTags::default();
    let fold = PerformanceFold { names: Arc::clone(&tags.names) };
    let Some(folded) = fold_groups(groups, query, &NoValues, &tags, &fold)? else { return Ok(None) };
    groups.reports(folded, |tables, folded| report(tables, query, &folded, limit)).map(Some)
}

fn report(
    tables: &dyn Tables,
    query: &Query,
    folded: &Folded<Totals>,
    limit: Option<usize>,
) -> Result<Report<Performance>> {
    let (is_empty, bots) = (folded.sessions == 0, folded.bots);
    let from = Day::utc(tables.zone().start_of(query.window.from));
    let pruned = tables.events_pruned_through().filter(|day| !is_empty && *day >= from);
    let note = pruned
        .map(|day| format!("events up to {day} are pruned, so this report counts only retained events"));
    let mut report = Report::new(ReportHead::new(tables, query, bots), body(&folded.sum, limit));
    report.notes = diagnostics::on_window(tables, query, is_empty, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(note);
    Ok(report)
}

fn body(totals: &Totals, limit: Option<usize>) -> Performance {
    Performance {
        response_time_ms: TimeDistribution::new(&totals.responses),
        load_time_ms: TimeDistribution::new(&totals.loads),
        slow_responses: SlowResponses {
            count: totals.slow_responses,
            share: Percent::from_parts(totals.slow_responses, totals.responses.count()),
            logged: totals.slow_response_events,
        },
        errors: errors(&totals.errors, limit),
    }
}

/// Returns the rows of errors, most frequent first.
fn errors(errors: &Errors, limit: Option<usize>) -> RowList<ErrorName> {
    let counts = errors.counts();
    let numbers: Vec<u32> = counts.iter().map(|error| error.number).collect();
    let (sessions, _) = errors.sessions(&numbers);
    let by_name: HashMap<&str, u32> =
        counts.iter().map(|error| (error.name.as_str(), error.number)).collect();
    let row = |error: &totals::ErrorCount| ErrorName {
        event_name: error.name.clone(),
        count: error.events,
        unique_sessions: Distinct(sessions.get(&error.number).copied().unwrap_or(0)),
    };
    let mut rows: Vec<ErrorName> = counts.iter().map(row).collect();
    rows.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.event_name.cmp(&b.event_name)));
    RowList::limited(rows, limit, |hidden| {
        let numbers = hidden.iter().filter_map(|row| by_name.get(row.event_name.as_str()).copied());
        ErrorName {
            event_name: String::new(),
            count: hidden.iter().map(|row| row.count).sum(),
            unique_sessions: Distinct(errors.sessions(&numbers.collect::<Vec<u32>>()).1),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_half_up_to_milliseconds() {
        // 1, 2, 3.5 and 4 ms: the mean is 2.625; the median is the second, p75 the third.
        let mut counts = TimeCounts::default();
        [4_000, 1_000, 3_500, 2_000].into_iter().for_each(|time| counts.add(time));
        let times = TimeDistribution::new(&counts);
        assert_eq!((times.count, times.mean), (4, Some(Millis(3))));
        assert_eq!((times.p50, times.p75, times.p95), (Some(Millis(2)), Some(Millis(4)), Some(Millis(4))));
        assert_eq!(TimeDistribution::new(&TimeCounts::default()).mean, None);
    }
}
