//! `heatmap`: sessions, conversations, messages and visitors by weekday and hour.
//!
//! A session and its messages count in the weekday and the hour in which the session started, in
//! the store's time zone, so the cells add up to the totals of `trends`. Visitors are distinct per
//! cell.

use serde::ser::{Serialize, Serializer};

use super::buckets::{self, Counts};
use crate::error::Result;
use crate::report::answer::comparison::Comparison;
use crate::report::answer::matrix::{Matrix, MatrixCell, MatrixRow};
use crate::report::answer::rows::{Group, GroupRow};
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
#[derive(Clone, Debug, serde::Serialize)]
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
}

impl HeatmapCell {
    const DIMENSIONS: &'static [&'static str] = &["weekday", "hour"];
    const METRICS: &'static [(&'static str, Unit)] = &[
        ("sessions", Unit::Count),
        ("conversations", Unit::Count),
        ("messages", Unit::Count),
        ("visitors", Unit::Distinct),
    ];

    fn new(number: usize, counts: &Counts) -> HeatmapCell {
        HeatmapCell {
            weekday: number / HOURS + 1,
            hour: number % HOURS,
            sessions: counts.sessions,
            conversations: counts.conversations,
            messages: counts.messages,
            visitors: Distinct(counts.visitors),
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

    fn row(&self) -> GroupRow<'static> {
        let name = |number: usize| NUMBERS.get(number).copied().unwrap_or_default();
        let all = [HeatmapMetric::Sessions, HeatmapMetric::Conversations, HeatmapMetric::Messages];
        let metrics = all.into_iter().chain([HeatmapMetric::Visitors]).map(|metric| self.metric(metric));
        GroupRow { dimensions: vec![name(self.weekday), name(self.hour)], metrics: metrics.collect() }
    }
}

/// The numbers of weekdays and hours as strings.
const NUMBERS: [&str; HOURS] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18",
    "19", "20", "21", "22", "23",
];

/// The cells of a heatmap. Only those with sessions are stored: a heatmap of each value of a field
/// would otherwise take many times the memory of the sessions.
#[derive(Clone, Debug)]
pub struct HeatmapCells(Vec<(u8, Counts)>);

impl HeatmapCells {
    fn new(counts: &[Counts]) -> HeatmapCells {
        let numbered = (0..).zip(counts.iter().copied());
        HeatmapCells(numbered.filter(|(_, counts)| counts.sessions > 0).collect())
    }

    /// Returns all cells: the 24 hours of Monday, then the 24 hours of Tuesday, and so on.
    fn all(&self) -> impl Iterator<Item = HeatmapCell> {
        let mut stored = self.0.iter().peekable();
        (0..CELLS).map(move |number| {
            let found = stored.next_if(|(stored, _)| usize::from(*stored) == number);
            HeatmapCell::new(number, &found.map(|(_, counts)| *counts).unwrap_or_default())
        })
    }
}

impl Serialize for HeatmapCells {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all())
    }
}

/// The body of `heatmap`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Heatmap {
    /// The cells.
    pub cells: HeatmapCells,
    /// The metric that tables show.
    #[serde(skip)]
    shown: HeatmapMetric,
}

impl ReportBody for Heatmap {
    const NAME: &'static str = "heatmap";

    fn groups(&self) -> Vec<Group<'_>> {
        let rows = self.cells.all().map(|cell| cell.row()).collect();
        vec![Group::computed("cells", HeatmapCell::DIMENSIONS, HeatmapCell::METRICS, rows)]
    }

    fn compared_groups(&self) -> Vec<Group<'_>> {
        self.groups()
    }

    fn matrix(&self) -> Option<Matrix> {
        let values: Vec<Option<i64>> = self.cells.all().map(|cell| cell.metric(self.shown)).collect();
        let value = |cell: usize| values.get(cell).copied().flatten();
        let has_sessions = !self.cells.0.is_empty();
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
    let is_empty = cells.0.is_empty();
    let body = Heatmap { cells, shown };
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    report.notes = diagnostics::on_window(tables, query, is_empty, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    Ok(report)
}

/// The number of bits of a cell's index, plus one for the kind of the visitor's id.
const BITS: u32 = 9;

fn count(tables: &dyn Tables, query: &Query) -> Result<(HeatmapCells, u64)> {
    let zone = tables.zone();
    let (counts, bots) = buckets::count(tables, query, CELLS, BITS, || {
        let mut clock = LocalClock::new(zone);
        move |start| {
            let (weekday, hour) = clock.weekday_and_hour(start);
            weekday * HOURS + hour
        }
    })?;
    Ok((HeatmapCells::new(&counts), bots))
}
