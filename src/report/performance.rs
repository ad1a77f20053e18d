//! `performance`: response times, load times, slow responses and errors.
//!
//! The report covers the events of the sessions that started in the window, including events of
//! later days.

use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::event_timings::{EventTimings, SessionTimings};
use super::metric::percentile::nearest_ranks;
use super::metric::values::{Distinct, Millis, Percent};
use super::query::tables::Tables;
use super::query::{Query, pruned};
use crate::error::Result;
use crate::time::{Day, Micros, SECOND};

/// The response time above which a response is slow.
const SLOW_RESPONSE: Micros = 3 * SECOND;

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
    /// Returns the distribution of times in microseconds.
    fn from_micros(mut times: Vec<Micros>) -> TimeDistribution {
        let sum = times.iter().map(|time| u128::from(time.max(&0).unsigned_abs())).sum();
        let [p50, p75, p95, p99] =
            nearest_ranks(&mut times, [50, 75, 95, 99]).map(|time| time.map(Millis::from_micros));
        let count = times.len() as u64;
        TimeDistribution { count, mean: Millis::mean(sum, count), p50, p75, p95, p99 }
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
    let events = SessionTimings::read(tables, query)?;
    let (is_empty, bots) = (events.sessions == 0, events.bots);
    let from = Day::utc(tables.zone().start_of(query.window.from));
    let pruned = tables.events_pruned_through().filter(|day| !is_empty && *day >= from);
    let note = pruned
        .map(|day| format!("events up to {day} are pruned, so this report counts only retained events"));
    let body = measure(events.timings, events.numbers, limit);
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    report.notes = diagnostics::on_window(tables, query, is_empty, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(note);
    Ok(report)
}

/// Computes the figures. All session numbers are less than `sessions`.
fn measure(timings: EventTimings, sessions: u32, limit: Option<usize>) -> Performance {
    let slow = timings.responses.iter().filter(|time| **time > SLOW_RESPONSE).count() as u64;
    let share = Percent::from_parts(slow, timings.responses.len() as u64);
    let mut errors: Vec<ErrorName> = timings
        .errors
        .iter()
        .map(|(name, numbers)| ErrorName {
            event_name: name.clone(),
            count: numbers.len() as u64,
            unique_sessions: Distinct(count_distinct(numbers.iter(), sessions)),
        })
        .collect();
    errors.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.event_name.cmp(&b.event_name)));
    let errors = RowList::limited(errors, limit, |hidden| {
        let numbers = hidden.iter().filter_map(|row| timings.errors.get(&row.event_name));
        ErrorName {
            event_name: String::new(),
            count: hidden.iter().map(|row| row.count).sum(),
            unique_sessions: Distinct(count_distinct(numbers.flatten(), sessions)),
        }
    });
    let (response_time_ms, load_time_ms) = rayon::join(
        || TimeDistribution::from_micros(timings.responses),
        || TimeDistribution::from_micros(timings.loads),
    );
    let slow_responses = SlowResponses { count: slow, share, logged: timings.slow_response_events };
    Performance { response_time_ms, load_time_ms, slow_responses, errors }
}

/// Returns the number of distinct session numbers. All numbers are less than `sessions`.
fn count_distinct<'a>(numbers: impl Iterator<Item = &'a u32>, sessions: u32) -> u64 {
    let mut seen = vec![0u64; sessions as usize / 64 + 1];
    let mut distinct = 0;
    for number in numbers {
        if let Some(word) = seen.get_mut(*number as usize / 64) {
            let bit = 1 << (number % 64);
            distinct += u64::from(*word & bit == 0);
            *word |= bit;
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_half_up_to_milliseconds() {
        // 1, 2, 3.5 and 4 ms: the mean is 2.625; the median is the second, p75 the third.
        let times = TimeDistribution::from_micros(vec![4_000, 1_000, 3_500, 2_000]);
        assert_eq!((times.count, times.mean), (4, Some(Millis(3))));
        assert_eq!((times.p50, times.p75, times.p95), (Some(Millis(2)), Some(Millis(4)), Some(Millis(4))));
        assert_eq!(TimeDistribution::from_micros(Vec::new()).mean, None);
    }
}
