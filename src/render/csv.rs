//! Writes answers and stored rows as CSV (RFC 4180).
//!
//! An answer whose groups have the same metrics is *wide*: one row per item, with a column
//! `section` if there are several groups. An answer with different metrics, and the answer of all
//! reports, are *long*: one row per metric.

use super::numbers::{format_plain, format_value};
use super::text::escape_control;
use crate::error::{Error, Result};
use crate::report::ReportOutcome;
use crate::report::answer::Answer;
use crate::report::answer::comparison::{Change, ComparedGroup};
use crate::report::answer::rows::Group;
use crate::report::metric::{Metric, Unit};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::frame::{Record, Value};

/// The name of the row that sums the rows beyond the limit.
const REST: &str = "(other)";

const CHATBOT_COLUMN: &str = "chatbot_id";

/// Rows of cells, the header first.
type Rows = Vec<Vec<String>>;

/// Returns an outcome as CSV. On a terminal, control characters are escaped.
pub(super) fn write(outcome: &ReportOutcome, terminal: bool) -> Result<String> {
    encode(&rows(outcome, terminal))
}

/// Encodes rows of cells, which may differ in length.
pub(crate) fn encode(rows: &[Vec<String>]) -> Result<String> {
    let error = |e: String| Error::failed("cannot write CSV").caused_by(e);
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|e| error(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| error(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| error(e.to_string()))
}

/// Returns the header of a stored table.
pub(super) fn header(table: Table) -> Vec<String> {
    table.columns().iter().map(|column| column.name.to_owned()).collect()
}

/// Returns the cells of a stored row.
pub(crate) fn record(record: &Record, terminal: bool) -> Vec<String> {
    let cell = |(column, value): (&Column, &Value)| match column.kind {
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => text_cell(&format_value(value), terminal),
        _ => format_value(value),
    };
    record.entries().map(cell).collect()
}

/// Returns a text from a log as a cell. A text that a spreadsheet would evaluate as a formula is
/// prefixed with `'`. On a terminal, control characters are escaped.
pub(super) fn text_cell(text: &str, terminal: bool) -> String {
    let text = if terminal { escape_control(text).into_owned() } else { text.to_owned() };
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text,
    }
}

fn rows(outcome: &ReportOutcome, terminal: bool) -> Rows {
    match outcome {
        ReportOutcome::One(answer) => answer_rows(answer.as_ref(), terminal),
        ReportOutcome::All(answers) => {
            let answers: Vec<&dyn Answer> = answers.iter().map(Box::as_ref).collect();
            long_rows(&answers, true, terminal)
        }
        ReportOutcome::ByChatbot(outcomes) => rows_by_chatbot(outcomes, terminal),
    }
}

/// Returns the rows of all outcomes below one header, with a first column for the chatbot. Sessions
/// already have that column.
fn rows_by_chatbot(outcomes: &[ReportOutcome], terminal: bool) -> Rows {
    let mut all: Rows = Vec::new();
    for outcome in outcomes {
        let answers = outcome.answers();
        let chatbots = answers.first().map_or(&[][..], |answer| &answer.head().chatbots);
        let chatbot = text_cell(&chatbots.join(" "), terminal);
        let mut rows = rows(outcome, terminal).into_iter();
        let Some(mut header) = rows.next() else { continue };
        let has_column = header.iter().any(|name| name == CHATBOT_COLUMN);
        if all.is_empty() {
            if !has_column {
                header.insert(0, CHATBOT_COLUMN.to_owned());
            }
            all.push(header);
        }
        all.extend(rows.map(|mut row| {
            if !has_column {
                row.insert(0, chatbot.clone());
            }
            row
        }));
    }
    all
}

fn answer_rows(answer: &dyn Answer, terminal: bool) -> Rows {
    if let Some(page) = answer.session_page() {
        let sessions = page.sessions.iter().map(|entry| record(&entry.session, terminal));
        return std::iter::once(header(Table::Sessions)).chain(sessions).collect();
    }
    if let Some(comparison) = answer.comparison() {
        return compared_rows(&comparison.groups, terminal);
    }
    let groups = answer.groups();
    match groups.first() {
        None => Vec::new(),
        Some(first) if groups.iter().any(|group| group.metrics != first.metrics) => {
            long_rows(&[answer], false, terminal)
        }
        Some(_) => wide_rows(&groups, terminal),
    }
}

/// Returns one row per item of groups with the same metrics.
fn wide_rows(groups: &[Group<'_>], terminal: bool) -> Rows {
    let sectioned = groups.len() > 1;
    let section = |group: &Group<'_>| sectioned.then(|| group.name.to_owned());
    let names = name_columns(groups);
    let metrics = groups.first().map_or(&[][..], |group| group.metrics);
    let header = sectioned.then(|| "section".to_owned()).into_iter();
    let header =
        header.chain(names.iter().chain(metrics.iter().map(|(key, _)| key)).map(|&key| key.to_owned()));
    let mut rows = vec![header.collect()];
    for group in groups {
        let position = |column: &&str| group.dimensions.iter().position(|key| key == column);
        let positions: Vec<Option<usize>> =
            if names == ["name"] { vec![Some(0)] } else { names.iter().map(position).collect() };
        let mut add = |name: &dyn Fn(usize) -> String, values: &[Option<i64>]| {
            let names = positions.iter().map(|position| position.map(name).unwrap_or_default());
            rows.push(
                section(group).into_iter().chain(names).chain(plain_values(group.metrics, values)).collect(),
            );
        };
        for item in group.shown_rows() {
            let name = |index: usize| item.dimensions.get(index).map(|name| text_cell(name, terminal));
            add(&|index| name(index).unwrap_or_default(), &item.metrics);
        }
        if let Some(rest) = &group.rest {
            add(&|index| if index == 0 { REST.to_owned() } else { String::new() }, rest);
        }
    }
    rows
}

/// Returns the columns of names: one column `name` if there are several groups with one name each,
/// otherwise the keys of all groups.
fn name_columns(groups: &[Group<'_>]) -> Vec<&'static str> {
    if groups.len() > 1 && groups.iter().all(|group| group.dimensions.len() == 1) {
        return vec!["name"];
    }
    let mut columns: Vec<&str> = Vec::new();
    for key in groups.iter().flat_map(|group| group.dimensions) {
        if !columns.contains(key) {
            columns.push(key);
        }
    }
    columns
}

fn plain_values(metrics: &[(&str, Unit)], values: &[Option<i64>]) -> impl Iterator<Item = String> {
    metrics.iter().zip(values).map(|((_, unit), value)| format_plain(Metric { unit: *unit, value: *value }))
}

/// Returns one row per item of compared groups, with four columns per metric.
fn compared_rows(groups: &[ComparedGroup], terminal: bool) -> Rows {
    let sectioned = groups.len() > 1;
    let Some(first) = groups.first() else { return Vec::new() };
    let mut header: Vec<String> = Vec::new();
    if sectioned {
        header.extend(["section", "name"].map(str::to_owned));
    } else {
        header.extend(first.dimensions.iter().map(|key| (*key).to_owned()));
    }
    header.extend((!first.is_single).then(|| "status".to_owned()));
    for (key, _) in first.metrics {
        let suffixes = ["", "_previous", "_change", "_change_percent"];
        header.extend(suffixes.map(|suffix| format!("{key}{suffix}")));
    }
    let mut rows = vec![header];
    for group in groups {
        let mut add = |names: Vec<String>, status: Option<String>, changes: &[Change]| {
            let section = sectioned.then(|| group.name.to_owned());
            let changes = changes.iter().flat_map(change_cells);
            rows.push(section.into_iter().chain(names).chain(status).chain(changes).collect());
        };
        for row in &group.rows {
            let names = row.dimensions.iter().map(|name| text_cell(name, terminal)).collect();
            let name = |status| serde_json::to_value(status).ok()?.as_str().map(str::to_owned);
            let status = row.status.and_then(name).unwrap_or_default();
            add(names, (!group.is_single).then_some(status), &row.changes);
        }
        if let Some((_, changes)) = &group.rest {
            add(vec![REST.to_owned()], Some(String::new()), changes);
        }
    }
    rows
}

/// Returns the current value, the previous value, the change and the change in percent.
fn change_cells(change: &Change) -> [String; 4] {
    let cell = |value| format_plain(Metric { unit: change.unit, value });
    let percent = change.percent().map(|percent| percent.0);
    [
        cell(change.current),
        cell(change.previous),
        format_plain(change.difference()),
        format_plain(Metric { unit: Unit::Percent, value: percent }),
    ]
}

/// Returns one row per metric of each item.
fn long_rows(answers: &[&dyn Answer], with_report: bool, terminal: bool) -> Rows {
    let mut header = if with_report { vec!["report"] } else { Vec::new() };
    header.extend(["section", "item", "figure", "value"]);
    if answers.iter().any(|answer| answer.comparison().is_some()) {
        header.extend(["previous", "change", "change_percent"]);
    }
    let columns = header.len();
    let mut rows: Rows = vec![header.into_iter().map(str::to_owned).collect()];
    for answer in answers {
        let mut add = |section: &str, item: &str, key: &str, values: &[String]| {
            let report = with_report.then(|| answer.name().to_owned());
            let labels = [section, item, key].map(str::to_owned);
            let mut row: Vec<String> =
                report.into_iter().chain(labels).chain(values.iter().cloned()).collect();
            row.resize(columns, String::new());
            rows.push(row);
        };
        if let Some(comparison) = answer.comparison() {
            for (group, row) in
                comparison.groups.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row)))
            {
                let item = text_cell(&row.dimensions.join(", "), terminal);
                for ((key, _), change) in group.metrics.iter().zip(&row.changes) {
                    add(group.name, &item, key, &change_cells(change));
                }
            }
            continue;
        }
        for group in answer.groups() {
            for (item, values) in items(&group) {
                let item = text_cell(&item, terminal);
                for ((key, _), value) in group.metrics.iter().zip(plain_values(group.metrics, values)) {
                    add(group.name, &item, key, &[value]);
                }
            }
        }
    }
    rows
}

/// Returns the items of a group, and the row that sums the others, with their values.
fn items<'a>(group: &'a Group<'_>) -> Vec<(String, &'a [Option<i64>])> {
    let items = group.shown_rows().iter().map(|item| (item.dimensions.join(", "), item.metrics.as_slice()));
    let rest = group.rest.iter().map(|rest| (REST.to_owned(), rest.as_slice()));
    items.chain(rest).collect()
}
