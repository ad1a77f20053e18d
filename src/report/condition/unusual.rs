//! `unusual`: tests whether the figure of a day is far from the figures of the same weekday in the
//! weeks before.
//!
//! A figure is unusual if it is outside the median ± 3 scaled MAD of up to eight days, where MAD is
//! the median absolute deviation from the median, and 1.4826 scales it to the standard deviation of
//! a normal distribution. The median and the MAD are robust: one outlier among the days changes
//! neither by much.

use chrono::Datelike;

use super::figure::Figure;
use super::{Part, Verdict, shown};
use crate::decimal::round_half_up;
use crate::error::{Error, Result};
use crate::report::dispatch::{ReportKind, ReportRequest, run};
use crate::report::query::chatbots::chatbots;
use crate::report::query::tables::Tables;
use crate::report::query::window::Window;
use crate::report::query::{Query, pruned};
use crate::time::Day;

/// The number of weeks that a day is compared with.
const WEEKS: i32 = 8;
/// The minimum number of these weeks that must have data.
const MIN_WEEKS: usize = 4;
/// The scale of the MAD, in ten-thousandths.
const SCALE: i128 = 14_826;

/// Evaluates whether a figure is unusual on the last complete day of the request's window.
///
/// # Errors
/// Returns a usage error for `active`, which has no days.
pub(super) fn evaluate(tables: &dyn Tables, request: &ReportRequest, path: &[String]) -> Result<Verdict> {
    if request.kind == ReportKind::Active {
        return Err(Error::usage("--fail-if: active sessions cannot be tested with unusual")
            .hint("compare them with a number, as in 'active_sessions < 1'"));
    }
    let window = request.query.window;
    let last = window.to.min(window.today.plus(-1));
    let day = if last < window.from { window.to } else { last };
    let Some(value) = figure_on(tables, request, path, day)? else {
        return Ok(Verdict::Unknown(format!("{} is unknown on {day}", path.join("."))));
    };
    let first = first_day(tables, request)?;
    let mut others = Vec::new();
    for week in 1..=WEEKS {
        let day = day.plus(-7 * week);
        if first.is_some_and(|first| first <= day) && has_all_data(tables, request, day)? {
            others.extend(figure_on(tables, request, path, day)?);
        }
    }
    let weekday = weekday(day);
    if others.len() < MIN_WEEKS {
        return Ok(Verdict::Unknown(format!(
            "only {} of the {WEEKS} {weekday}s before {day} have data; {MIN_WEEKS} are needed",
            others.len()
        )));
    }
    let count = others.len();
    let range = Range::of(others);
    if range.contains(value) {
        return Ok(Verdict::Passed);
    }
    let (low, high) = range.bounds();
    Ok(Verdict::Failed(format!(
        "{} is {} on {day}, outside {} to {} (median ± 3 scaled MAD of the {count} {weekday}s before)",
        path.join("."),
        shown(value),
        shown(low),
        shown(high)
    )))
}

/// Returns a figure of one day, in hundredths; `None` if it is unknown.
fn figure_on(
    tables: &dyn Tables,
    request: &ReportRequest,
    path: &[String],
    day: Day,
) -> Result<Option<i128>> {
    let window = Window { from: day, to: day, ..request.query.window };
    let request = ReportRequest {
        query: Query { window, ..request.query.clone() },
        compare: false,
        with_sessions: false,
        ..request.clone()
    };
    let outcome = run(tables, &request)?;
    let metric = Figure::find(&outcome.answers(), path)?.metric(Part::Value);
    Ok(metric.and_then(|metric| metric.hundredths()))
}

/// Returns the first day with data of the request's chatbots.
fn first_day(tables: &dyn Tables, request: &ReportRequest) -> Result<Option<Day>> {
    let names = &request.query.chatbots;
    if names.is_empty() {
        return Ok(tables.days().map(|(first, _)| first));
    }
    let selected = chatbots(tables)?.into_iter().filter(|(id, ..)| names.contains(id));
    Ok(selected.map(|(_, first, _)| first).min())
}

/// Returns whether the data of a day that the report needs is retained.
fn has_all_data(tables: &dyn Tables, request: &ReportRequest, day: Day) -> Result<bool> {
    let window = Window { from: day, to: day, ..request.query.window };
    let query = Query { window, ..request.query.clone() };
    if !request.conditions.is_empty() && pruned::in_window(tables, &query)?.is_some() {
        return Ok(false);
    }
    let needs_events = request.kind.needs_events() || request.conditions.iter().any(|c| c.needs_events());
    let first_date = window.utc_dates(tables.zone()).0;
    Ok(!needs_events || tables.events_pruned_through().is_none_or(|last| last < first_date))
}

fn weekday(day: Day) -> &'static str {
    match day.date().weekday() {
        chrono::Weekday::Mon => "Monday",
        chrono::Weekday::Tue => "Tuesday",
        chrono::Weekday::Wed => "Wednesday",
        chrono::Weekday::Thu => "Thursday",
        chrono::Weekday::Fri => "Friday",
        chrono::Weekday::Sat => "Saturday",
        chrono::Weekday::Sun => "Sunday",
    }
}

/// The median and the MAD (median absolute deviation) of values.
struct Range {
    /// Twice the median.
    median2: i128,
    /// Four times the MAD.
    mad4: i128,
}

/// Returns twice the median of at least one value.
fn twice_median(values: &mut [i128]) -> i128 {
    values.sort_unstable();
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    let at = |index: usize| values.get(index).copied().unwrap_or(0);
    at(low) + at(high)
}

impl Range {
    fn of(mut values: Vec<i128>) -> Range {
        let median2 = twice_median(&mut values);
        let mut distances: Vec<i128> = values.iter().map(|value| (2 * value - median2).abs()).collect();
        Range { median2, mad4: twice_median(&mut distances) }
    }

    fn contains(&self, value: i128) -> bool {
        // |value - median| <= 3 × 1.4826 × MAD, in integers.
        (2 * value - self.median2).abs() * 2 * 10_000 <= 3 * SCALE * self.mad4
    }

    /// Returns the bounds, rounded to whole units of the values.
    fn bounds(&self) -> (i128, i128) {
        let (median, distance) = (20_000 * self.median2, 3 * SCALE * self.mad4);
        let rounded = |value: i128| i128::from(round_half_up(value, 40_000));
        (rounded(median - distance), rounded(median + distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_outside_median_and_three_scaled_mad_is_unusual() {
        // The median is 100. The distances 0 0 1 1 2 3 10 50 have the median 1.5, which is the MAD,
        // and 3 × 1.4826 × 1.5 is 6.67.
        let range = Range::of(vec![100, 100, 101, 99, 98, 103, 90, 150]);
        for (value, is_usual) in [(100, true), (106, true), (94, true), (107, false), (93, false)] {
            assert_eq!(range.contains(value), is_usual, "{value}");
        }
        assert_eq!(range.bounds(), (93, 107));
        // The MAD of equal values is 0, so every other value is unusual.
        let equal = Range::of(vec![5, 5, 5, 5]);
        assert!(equal.contains(5) && !equal.contains(6));
        // The median is 2.5, and the median of the distances 1.5 0.5 0.5 1.5 is 1, so values up to
        // 6.9478 are usual.
        let even = Range::of(vec![1, 2, 3, 4]);
        assert!(even.contains(6) && !even.contains(7) && even.contains(-1) && !even.contains(-2));
    }
}
