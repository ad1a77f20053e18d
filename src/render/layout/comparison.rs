//! Lays out comparisons with the previous period.

use super::answer::{heading, name_columns, name_text, rest_names};
use super::{Cell, Column, Row, RowStyle, Section};
use crate::render::labels;
use crate::render::numbers::{UNKNOWN, format_change, format_change_percent, format_metric};
use crate::report::answer::comparison::{Change, ComparedGroup, Comparison, RowStatus};
use crate::report::metric::Metric;
use crate::time::Zone;

/// The lowest drop priority of the previous values and changes of metrics other than the first.
/// They are dropped before the metrics themselves.
const CHANGE_PRIORITY: u8 = 50;

/// Returns a section per compared group.
pub(super) fn sections(comparison: &Comparison, zone: Zone) -> Vec<Section> {
    let titled = comparison.groups.len() > 1;
    let section = |group: &ComparedGroup| {
        let mut section = if group.is_single { row_per_metric(group) } else { list(group, zone) };
        section.heading = heading(group.name, titled);
        section
    };
    comparison.groups.iter().map(section).collect()
}

/// Returns a sentence for each figure of the whole report, such as
/// `sessions: 118, previously 126 (-6.35%)`.
pub(super) fn totals(group: &ComparedGroup) -> Vec<String> {
    let sentence = |((key, _), change): (&(&str, _), &Change)| {
        let label = labels::column(group.name, key).to_lowercase();
        let (current, previous) =
            (format_value(change, change.current), format_value(change, change.previous));
        let percent = change.percent().map_or(String::new(), |p| format!(" ({})", format_change_percent(p)));
        format!("{label}: {current}, previously {previous}{percent}")
    };
    group.metrics.iter().zip(group.single_changes()).map(sentence).collect()
}

/// Returns a section with a heading per compared group, without the rows that have no data in
/// either period.
pub(super) fn titled_sections(comparison: &Comparison, zone: Zone) -> Vec<Section> {
    let has_data = |change: &Change| [change.current, change.previous].iter().flatten().any(|n| *n != 0);
    let section = |group: &ComparedGroup| {
        let rows = group.rows.iter().filter(|row| row.changes.iter().any(has_data)).cloned().collect();
        let mut section = list(&ComparedGroup { rows, ..group.clone() }, zone);
        section.heading = heading(group.name, true);
        section
    };
    comparison.groups.iter().map(section).collect()
}

/// Lays out a group of one row: one row per metric.
fn row_per_metric(group: &ComparedGroup) -> Section {
    let numbers = ["Current", "Previous", "Change", "%"].map(Column::number);
    let mut section = Section::new(std::iter::once(Column::text("")).chain(numbers));
    for row in &group.rows {
        for ((key, _), change) in group.metrics.iter().zip(&row.changes) {
            let percent = change.percent().map_or(UNKNOWN.to_owned(), format_change_percent);
            section.push([
                labels::column(group.name, key).to_owned(),
                format_value(change, change.current),
                format_value(change, change.previous),
                format_change(change.difference()),
                percent,
            ]);
        }
    }
    section
}

/// Lays out a list: one row per name, with three columns per metric.
fn list(group: &ComparedGroup, zone: Zone) -> Section {
    let mut columns = name_columns(group.name, group.dimensions);
    for ((key, _), priority) in group.metrics.iter().zip(0..) {
        let title = labels::column(group.name, key);
        columns.push(Column::number(title).drop_priority(priority));
        for short_title in ["Prev.", "Change"] {
            let priority = if priority == 0 { 0 } else { CHANGE_PRIORITY + priority };
            let mut column = Column::number(short_title).drop_priority(priority);
            column.dropped_name = Some(format!("change of {title}"));
            columns.push(column);
        }
    }
    let mut section = Section::new(columns);
    for row in &group.rows {
        let names = group.dimensions.iter().zip(&row.dimensions);
        let names = names.map(|(key, name)| name_text(key, name, zone)).collect();
        let style = match row.status {
            Some(RowStatus::Kept) | None => RowStyle::Plain,
            Some(RowStatus::New) => RowStyle::Strong,
            Some(RowStatus::Gone) => RowStyle::Faint,
        };
        section.rows.push(Row { cells: cells(names, &row.changes, row.status), style });
    }
    if let Some((hidden, changes)) = &group.rest {
        let cells = cells(rest_names(group.dimensions.len(), *hidden), changes, None);
        section.rows.push(Row { cells, style: RowStyle::Faint });
    }
    section
}

fn cells(names: Vec<String>, changes: &[Change], status: Option<RowStatus>) -> Vec<Cell> {
    let changes = changes.iter().flat_map(|change| {
        [
            format_value(change, change.current),
            format_value(change, change.previous),
            change_text(change, status),
        ]
    });
    names.into_iter().chain(changes).map(Cell::Text).collect()
}

fn format_value(change: &Change, value: Option<i64>) -> String {
    format_metric(Metric { unit: change.unit, value })
}

fn change_text(change: &Change, status: Option<RowStatus>) -> String {
    let difference = format_change(change.difference());
    match (status, change.percent()) {
        (Some(RowStatus::New), _) => format!("{difference} (new)"),
        (Some(RowStatus::Gone), _) => format!("{difference} (gone)"),
        (_, Some(percent)) => format!("{difference} ({})", format_change_percent(percent)),
        (_, None) => difference,
    }
}
