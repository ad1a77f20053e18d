//! `heatmap`: sessions, conversations, messages and visitors by weekday and hour.
//!
//! A session and its messages count in the weekday and the hour in which the session started, in
//! the store's time zone, so the cells add up to the totals of `trends`. Visitors are distinct per
//! cell.

use serde::Serialize;

use super::buckets::{self, Counts};
use crate::error::Result;
use crate::report::answer::comparison::Comparison;
use crate::report::answer::matrix::{Matrix, MatrixCell, MatrixRow};
use crate::report::answer::rows::{Group, Row, RowList};
use crate::report::answer::{Report, ReportBody, ReportHead, diagnostics};
use crate::report::metric::local_clock::LocalClock;
use crate::report::metric::values::Distinct;
use crate::report::metric::{AsMetric, Unit};
use crate::report::query::tables::Tables;
use crate::report::query::{Query, pruned};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOURS: usize = 24;
const CELLS: usize = WEEKDAYS.len() * HOURS;

/// The metric that tables show. JSON and CSV have all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeatmapMetric {
    /// Sessions.
    #[default]
    Sessions,
    /// Sessions with at least one message sent.
    Conversations,
    /// Messages sent and received.
    Messages,
    /// Distinct visitors.
    Visitors,
}

/// The metrics of a weekday and an hour.
#[derive(Clone, Debug, Serialize)]
pub struct HeatmapCell {
    /// The weekday, from 1 for Monday to 7.
    pub weekday: usize,
    /// The hour, from 0 to 23.
    pub hour: usize,
    /// The number of sessions.
    pub sessions: u64,
    /// The number of sessions with at least one message sent.
    pub conversations: u64,
    /// The number of messages sent and received.
    pub messages: u64,
    /// The number of distinct visitors.
    pub visitors: Distinct,
    /// Weekday and hour as strings.
    #[serde(skip)]
    names: [String; 2],
}

impl HeatmapCell {
    fn new(number: usize, counts: &Counts) -> HeatmapCell {
        let (weekday, hour) = (number / HOURS + 1, number % HOURS);
        HeatmapCell {
            weekday,
            hour,
            sessions: counts.sessions,
            conversations: counts.conversations,
            messages: counts.messages,
            visitors: Distinct(counts.visitors),
            names: [weekday.to_string(), hour.to_string()],
        }
    }

    fn metric(&self, metric: HeatmapMetric) -> Option<i64> {
        match metric {
            HeatmapMetric::Sessions => self.sessions.value(),
            HeatmapMetric::Conversations => self.conversations.value(),
            HeatmapMetric::Messages => self.messages.value(),
            HeatmapMetric::Visitors => self.visitors.value(),
        }
    }
}

impl Row for HeatmapCell {
    const DIMENSIONS: &'static [&'static str] = &["weekday", "hour"];
    const METRICS: &'static [(&'static str, Unit)] = &[
        ("sessions", Unit::Count),
        ("conversations", Unit::Count),
        ("messages", Unit::Count),
        ("visitors", Unit::Distinct),
    ];

    fn dimensions(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn metrics(&self) -> Vec<Option<i64>> {
        let all = [HeatmapMetric::Sessions, HeatmapMetric::Conversations, HeatmapMetric::Messages];
        all.into_iter().chain([HeatmapMetric::Visitors]).map(|metric| self.metric(metric)).collect()
    }
}

/// The body of `heatmap`.
#[derive(Clone, Debug, Serialize)]
pub struct Heatmap {
    /// The 24 hours of Monday, then the 24 hours of Tuesday, and so on.
    pub cells: RowList<HeatmapCell>,
    /// The metric that tables show.
    #[serde(skip)]
    shown: HeatmapMetric,
}

impl ReportBody for Heatmap {
    const NAME: &'static str = "heatmap";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("cells", &self.cells)]
    }

    fn compared_groups(&self) -> Vec<Group<'_>> {
        self.groups()
    }

    fn matrix(&self) -> Option<Matrix> {
        let value = |cell: usize| self.cells.all.get(cell)?.metric(self.shown);
        let has_sessions = self.cells.all.iter().any(|cell| cell.sessions > 0);
        let shown = match self.shown {
            HeatmapMetric::Sessions => "sessions by the hour in which they started",
            HeatmapMetric::Conversations => "conversations by the hour in which their sessions started",
            HeatmapMetric::Messages => "messages by the hour in which their sessions started",
            HeatmapMetric::Visitors => "distinct visitors by the hour in which their sessions started",
        };
        let rows = if has_sessions { hour_rows(value) } else { Vec::new() };
        Some(matrix(rows, false, shown.to_owned()))
    }

    fn change_matrix(&self, comparison: &Comparison) -> Option<Matrix> {
        let cells = &comparison.groups.first()?.rows;
        let metric = self.shown as usize;
        let change = |cell: usize| cells.get(cell)?.changes.get(metric)?.difference().value;
        Some(matrix(hour_rows(change), true, String::new()))
    }
}

/// Returns a row per hour with a column per weekday. `value` returns the value of a cell.
fn hour_rows(value: impl Fn(usize) -> Option<i64>) -> Vec<MatrixRow> {
    let cell = |hour: usize, weekday: usize| {
        Some(MatrixCell { value: value(weekday * HOURS + hour)?, is_complete: true })
    };
    let row = |hour: usize| MatrixRow {
        names: vec![format!("{hour:02}:00")],
        cells: (0..WEEKDAYS.len()).map(|weekday| cell(hour, weekday)).collect(),
        is_summary: false,
    };
    (0..HOURS).map(row).collect()
}

fn matrix(rows: Vec<MatrixRow>, is_change: bool, fact: String) -> Matrix {
    Matrix {
        names: vec!["Hour"],
        columns: WEEKDAYS.map(str::to_owned).into(),
        column_noun: "",
        rows,
        unit: Unit::Count,
        is_change,
        facts: vec![fact],
    }
}

/// Computes `heatmap`.
pub(crate) fn heatmap(tables: &dyn Tables, query: &Query, shown: HeatmapMetric) -> Result<Report<Heatmap>> {
    let (cells, bots) = count(tables, query)?;
    let is_empty = cells.iter().all(|cell| cell.sessions == 0);
    let body = Heatmap { cells: RowList::complete(cells), shown };
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    report.notes = diagnostics::on_window(tables, query, is_empty, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    Ok(report)
}

/// The number of bits of a cell's index, plus one for the kind of the visitor's id.
const BITS: u32 = 9;

fn count(tables: &dyn Tables, query: &Query) -> Result<(Vec<HeatmapCell>, u64)> {
    let zone = tables.zone();
    let (counts, bots) = buckets::count(tables, query, CELLS, BITS, || {
        let mut clock = LocalClock::new(zone);
        move |start| {
            let (weekday, hour) = clock.weekday_and_hour(start);
            weekday * HOURS + hour
        }
    })?;
    let cells = counts.iter().enumerate().map(|(number, counts)| HeatmapCell::new(number, counts));
    Ok((cells.collect(), bots))
}
