//! The result of `retention`: cohorts, their cells, and the mean of all cohorts.

use serde::Serialize;

use super::RetentionOptions;
use super::count::Counts;
use crate::report::answer::ReportBody;
use crate::report::answer::matrix::{Matrix, MatrixCell, MatrixRow};
use crate::report::answer::rows::{Group, Row, RowFigure, RowList, rows};
use crate::report::calendar::periods::Periods;
use crate::report::metric::values::{Distinct, Percent};
use crate::report::metric::{AsMetric, Unit};

/// The body of `retention`.
#[derive(Clone, Debug, Serialize)]
pub struct Retention {
    /// The length of the periods: `day`, `week` or `month`.
    pub interval: &'static str,
    /// Whether a visitor that came back in a later period also counts for the earlier ones.
    pub unbounded: bool,
    /// The event that a session must have to count as a return; null for any session.
    pub return_event: Option<String>,
    /// The cohorts, the oldest first.
    pub cohorts: Vec<Cohort>,
    /// The weighted mean of the complete cells of each period.
    pub mean: Vec<MeanCell>,
    /// The number of visitors that are known only by a session key, and belong to no cohort.
    pub session_key_visitors: u64,
    /// A row per cell, for CSV.
    #[serde(skip)]
    rows: RowList<CellRow>,
    /// A row per period of the window, for comparisons.
    #[serde(skip)]
    mean_rows: RowList<MeanRow>,
}

/// A cohort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cohort {
    /// The first day of its period.
    pub cohort: String,
    /// The number of visitors.
    pub visitors: u64,
    /// The periods from the one in which the visitors were first seen to the last one of the
    /// window.
    pub periods: Vec<RetentionCell>,
}

/// A period of a cohort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionCell {
    /// The number of periods since the visitors were first seen; 0 for that period itself.
    pub period: usize,
    /// The number of visitors that came back.
    pub visitors: u64,
    /// Their share of the cohort's visitors.
    pub rate: Percent,
    /// Whether the period is over and inside the window.
    pub complete: bool,
}

/// The mean over the cohorts whose period is complete, weighted by their visitors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeanCell {
    /// The number of periods since the visitors were first seen.
    pub period: usize,
    /// The number of visitors of these cohorts.
    pub visitors: u64,
    /// The share of these visitors that came back; null if there are none.
    pub rate: Option<Percent>,
}

/// A cell as a row of CSV.
#[derive(Clone, Debug, Serialize)]
struct CellRow {
    names: [String; 3],
    cohort_visitors: Distinct,
    visitors: Distinct,
    rate: Percent,
}

impl Row for CellRow {
    const DIMENSIONS: &'static [&'static str] = &["cohort", "period", "complete"];
    const METRICS: &'static [(&'static str, Unit)] =
        &[("cohort_visitors", Unit::Distinct), ("visitors", Unit::Distinct), ("rate", Unit::Percent)];

    fn dimensions(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn metrics(&self) -> Vec<Option<i64>> {
        vec![self.cohort_visitors.value(), self.visitors.value(), self.rate.value()]
    }
}

rows! {
    /// The mean of a period as a row of a comparison.
    MeanRow {
        dimensions {
            /// The number of periods since the visitors were first seen.
            period = "period",
        }
        metrics {
            /// The number of visitors of the cohorts.
            visitors: Distinct,
            /// The share of these visitors that came back; `None` if there are none.
            rate: Option<Percent>,
        }
    }
}

impl MeanRow {
    /// Returns a row for each of `periods` periods. The rate of a period without cohorts is
    /// unknown.
    fn list(mean: &[MeanCell], periods: usize) -> RowList<MeanRow> {
        let row = |period: usize| MeanRow {
            period: period.to_string(),
            visitors: Distinct(mean.get(period).map_or(0, |cell| cell.visitors)),
            rate: mean.get(period).and_then(|cell| cell.rate),
        };
        RowList::complete((0..periods.max(mean.len())).map(row).collect())
    }
}

impl Retention {
    /// Converts counts to the result. `in_window` is the number of periods of the window, with or
    /// without data. `is_complete` returns whether a period is over and inside the window.
    pub(super) fn new(
        periods: &Periods,
        counts: &Counts,
        options: &RetentionOptions,
        in_window: usize,
        is_complete: impl Fn(usize) -> bool,
    ) -> Retention {
        let cohort = |(first, (visitors, returned)): (usize, (&u64, &Vec<u64>))| Cohort {
            cohort: periods.first_day(first).map_or(String::new(), |day| day.to_string()),
            visitors: *visitors,
            periods: returned
                .iter()
                .enumerate()
                .map(|(period, count)| RetentionCell {
                    period,
                    visitors: *count,
                    rate: Percent::from_parts(*count, *visitors),
                    complete: is_complete(first + period),
                })
                .collect(),
        };
        let cohorts: Vec<Cohort> =
            counts.visitors.iter().zip(&counts.returned).enumerate().map(cohort).collect();
        let mean: Vec<MeanCell> = (0..periods.len()).map(|period| mean(&cohorts, period)).collect();
        Retention {
            interval: options.interval.name(),
            unbounded: options.unbounded,
            return_event: options.return_event.clone(),
            mean_rows: MeanRow::list(&mean, in_window),
            mean,
            session_key_visitors: counts.session_key_visitors,
            rows: RowList::complete(cohorts.iter().flat_map(rows).collect()),
            cohorts,
        }
    }

    /// Returns the first period that tables show. Without a return event, period 0 is not shown:
    /// its rate is always 100%.
    fn first_shown(&self) -> usize {
        usize::from(self.return_event.is_none())
    }

    fn fact(&self) -> String {
        let returned =
            self.return_event.as_ref().map_or("came back".to_owned(), |name| format!("had {name}"));
        let (unit, preposition) = (self.interval, if self.interval == "day" { "on" } else { "in" });
        let later = if self.unbounded { " or more" } else { "" };
        format!(
            "visitors first seen {preposition} each {unit}, and the percentage that {returned} \
             N {unit}s later{later}"
        )
    }
}

/// Returns the mean of a period over all cohorts that have it.
fn mean(cohorts: &[Cohort], period: usize) -> MeanCell {
    let complete = cohorts.iter().filter_map(|cohort| {
        let cell = cohort.periods.get(period)?;
        cell.complete.then_some((cohort.visitors, cell.visitors))
    });
    let (visitors, returned) = complete.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    MeanCell { period, visitors, rate: (visitors > 0).then(|| Percent::from_parts(returned, visitors)) }
}

fn rows(cohort: &Cohort) -> impl Iterator<Item = CellRow> {
    cohort.periods.iter().map(|cell| CellRow {
        names: [cohort.cohort.clone(), cell.period.to_string(), cell.complete.to_string()],
        cohort_visitors: Distinct(cohort.visitors),
        visitors: Distinct(cell.visitors),
        rate: cell.rate,
    })
}

impl ReportBody for Retention {
    const NAME: &'static str = "retention";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("cohorts", &self.rows)]
    }

    fn totals(&self) -> Option<Group<'static>> {
        let metrics = &[("session_key_visitors", Unit::Distinct)];
        Some(Group::totals(Self::NAME, metrics, vec![Distinct(self.session_key_visitors).value()]))
    }

    /// Returns the mean of each period, because two windows have different cohorts.
    fn compared_groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("mean", &self.mean_rows)]
    }

    /// Returns the mean of each period.
    fn figures(&self) -> Vec<RowFigure> {
        let figures = |cell: &MeanCell| {
            let figure = |metric, unit, value| {
                let (list, row) = ("mean", cell.period.to_string());
                RowFigure { list, row, number: None, metric, unit, value }
            };
            [
                figure("visitors", Unit::Distinct, Distinct(cell.visitors).value()),
                figure("rate", Unit::Percent, cell.rate.and_then(|rate| rate.value())),
            ]
        };
        self.mean.iter().flat_map(figures).collect()
    }

    /// Returns a row per cohort and a column per period after it, and a row for the mean.
    fn matrix(&self) -> Option<Matrix> {
        let first = self.first_shown();
        let cell =
            |cell: &RetentionCell| Some(MatrixCell { value: cell.rate.value()?, is_complete: cell.complete });
        let row = |cohort: &Cohort| MatrixRow {
            names: vec![cohort.cohort.clone(), cohort.visitors.to_string()],
            cells: cohort.periods.iter().skip(first).map(cell).collect(),
            is_summary: false,
        };
        let mut rows: Vec<MatrixRow> = self.cohorts.iter().map(row).collect();
        if self.cohorts.iter().all(|cohort| cohort.visitors == 0) {
            rows.clear();
        }
        if !rows.is_empty() {
            let cell = |cell: &MeanCell| Some(MatrixCell { value: cell.rate?.value()?, is_complete: true });
            let visitors: u64 = self.cohorts.iter().map(|cohort| cohort.visitors).sum();
            rows.push(MatrixRow {
                names: vec!["Mean".to_owned(), visitors.to_string()],
                cells: self.mean.iter().skip(first).map(cell).collect(),
                is_summary: true,
            });
        }
        Some(Matrix {
            names: vec!["Cohort", "Visitors"],
            columns: (first..self.mean.len()).map(|period| period.to_string()).collect(),
            column_noun: self.interval,
            rows,
            unit: Unit::Percent,
            is_change: false,
            facts: vec![self.fact()],
        })
    }
}
