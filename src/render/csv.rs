//! Writes answers and stored rows as CSV (RFC 4180).
//!
//! An answer whose groups have the same metrics is *wide*: one row per item, with a column
//! `section` if there are several groups. An answer whose groups have different metrics is *long*:
//! one row per metric. The answer of `report all` is long too.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use super::labels::csv_name;
use super::numbers::{format_plain, format_value};
use super::pieces::PIECE_BYTES;
use super::text::escape_control;
use crate::error::{Error, Result};
use crate::report::ReportOutcome;
use crate::report::answer::Answer;
use crate::report::answer::broken_down::{BrokenDown, BrokenDownGroup};
use crate::report::answer::comparison::{Change, ComparedGroup};
use crate::report::answer::rows::Group;
use crate::report::metric::{Metric, Unit};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::frame::{Record, Value};

/// The name of the row for the sum of the rows beyond the limit.
const REST: &str = "(other)";

const CHATBOT_COLUMN: &str = "chatbot_id";

/// Rows of cells, the header first.
type Rows = Vec<Vec<String>>;

/// Returns an outcome as CSV. On a terminal, control characters are escaped.
pub(super) fn write(outcome: &ReportOutcome, terminal: bool) -> Result<String> {
    encode(&rows(outcome, terminal))
}

/// Passes the text that [`write`] returns to `print`; that of a breakdown is passed in pieces.
pub(super) fn print(
    outcome: &ReportOutcome,
    terminal: bool,
    print: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let broken_down = match outcome {
        // Annotations need all rows at once.
        ReportOutcome::One(answer) if answer.annotations().is_empty() => answer.broken_down(),
        _ => None,
    };
    let Some(broken_down) = broken_down else { return print(&write(outcome, terminal)?) };
    let mut is_started = false;
    let mut text = String::new();
    for group in &broken_down.groups {
        let rows = group_rows(broken_down, group, is_started, terminal);
        is_started |= !rows.is_empty();
        text.push_str(&encode(&rows)?);
        if text.len() >= PIECE_BYTES {
            print(&text)?;
            text.clear();
        }
    }
    // Without groups, the text is empty, as in `write`.
    if text.is_empty() && is_started { Ok(()) } else { print(&text) }
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

/// Returns a string from a log as a cell. A string that a spreadsheet would evaluate as a formula
/// is prefixed with `'`. On a terminal, control characters are escaped.
pub(super) fn text_cell(text: &str, terminal: bool) -> String {
    let shown = if terminal { escape_control(text) } else { Cow::Borrowed(text) };
    if is_formula(text) { format!("'{shown}") } else { shown.into_owned() }
}

/// Returns whether a spreadsheet may evaluate a string as a formula.
///
/// Spreadsheets differ in the white space and invisible characters that they skip before a formula,
/// and also accept a full-width first character. All these strings count as formulas. A negative
/// number is not a formula.
fn is_formula(text: &str) -> bool {
    let is_skipped = |c: char| c.is_whitespace() || c.width().unwrap_or(0) == 0;
    let formula = text.trim_start_matches(is_skipped);
    match formula.chars().next() {
        Some('-') => !is_negative_number(formula),
        Some('=' | '+' | '@' | '＝' | '＋' | '－' | '＠' | '﹦' | '﹢' | '﹣' | '﹫') => true,
        _ => text.starts_with(['\t', '\r', '\n']),
    }
}

fn is_negative_number(text: &str) -> bool {
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = text.strip_prefix('-').unwrap_or("");
    number.split_once('.').map_or(is_digits(number), |(whole, part)| is_digits(whole) && is_digits(part))
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

/// Returns the rows of all outcomes below one header, with a first column for the chatbot.
fn rows_by_chatbot(outcomes: &[ReportOutcome], terminal: bool) -> Rows {
    let mut all: Rows = Vec::new();
    for outcome in outcomes {
        let rows = chatbot_rows(outcome, terminal);
        all.extend(rows.into_iter().skip(usize::from(!all.is_empty())));
    }
    all
}

/// Returns the rows of a chatbot's outcome, with a first column for the chatbot. Sessions already
/// have that column.
pub(super) fn chatbot_rows(outcome: &ReportOutcome, terminal: bool) -> Rows {
    let answers = outcome.answers();
    let chatbots = answers.first().map_or(&[][..], |answer| &answer.head().chatbots);
    let chatbot = text_cell(&chatbots.join(" "), terminal);
    let mut rows = rows(outcome, terminal);
    if rows.first().is_some_and(|header| header.iter().any(|name| name == CHATBOT_COLUMN)) {
        return rows;
    }
    let first_cells = std::iter::once(CHATBOT_COLUMN.to_owned()).chain(std::iter::repeat(chatbot));
    rows.iter_mut().zip(first_cells).for_each(|(row, cell)| row.insert(0, cell));
    rows
}

/// Returns the rows of an answer. If it has notes on days, the last column contains the notes on
/// the days of each row, and the first column is the day or time at which the row begins.
fn answer_rows(answer: &dyn Answer, terminal: bool) -> Rows {
    let mut rows = rows_without_annotations(answer, terminal);
    let notes = answer.annotations();
    if notes.is_empty() {
        return rows;
    }
    let days: Vec<String> = rows.iter().skip(1).filter_map(|row| row.first().cloned()).collect();
    let mut texts = vec![Vec::new(); days.len()];
    for note in notes {
        // A note belongs to the row of its day, or of the first hour of that day. If there is no
        // such row, it belongs to the latest week or month that began before the day.
        let same_day = days.iter().position(|day| day.starts_with(&note.date));
        let row = same_day.or_else(|| days.iter().rposition(|day| day.as_str() < note.date.as_str()));
        if let Some(texts) = row.and_then(|row| texts.get_mut(row)) {
            texts.push(note.text.as_str());
        }
    }
    let header = std::iter::once("annotations".to_owned());
    let cells = header.chain(texts.iter().map(|texts| text_cell(&texts.join("; "), terminal)));
    rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
    rows
}

fn rows_without_annotations(answer: &dyn Answer, terminal: bool) -> Rows {
    if let Some(page) = answer.session_page() {
        let sessions = page.sessions.iter().map(|entry| record(&entry.session, terminal));
        return std::iter::once(header(Table::Sessions)).chain(sessions).collect();
    }
    if let Some(broken_down) = answer.broken_down() {
        return broken_down_rows(broken_down, terminal);
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

/// Returns the rows of the answer for each value below one header, with a first column per field.
fn broken_down_rows(broken_down: &BrokenDown, terminal: bool) -> Rows {
    let mut all: Rows = Vec::new();
    for group in &broken_down.groups {
        all.extend(group_rows(broken_down, group, !all.is_empty(), terminal));
    }
    all
}

/// Returns the rows of one value, below the header unless it is already written.
fn group_rows(broken_down: &BrokenDown, group: &BrokenDownGroup, has_header: bool, terminal: bool) -> Rows {
    let mut rows = answer_rows(group.answer.as_ref(), terminal).into_iter();
    let Some(header) = rows.next() else { return Vec::new() };
    let names = broken_down.by.iter().map(|name| text_cell(name, terminal));
    let header = (!has_header).then(|| names.chain(header).collect());
    let values: Vec<String> = group.values.iter().map(|value| text_cell(value, terminal)).collect();
    header.into_iter().chain(rows.map(|row| values.iter().cloned().chain(row).collect())).collect()
}

/// Returns one row per item of groups with the same metrics.
fn wide_rows(groups: &[Group<'_>], terminal: bool) -> Rows {
    let sectioned = groups.len() > 1;
    let section = |group: &Group<'_>| sectioned.then(|| group.name.to_owned());
    let names = dimension_columns(groups.iter().map(|group| group.dimensions));
    let metrics = groups.first().map_or(&[][..], |group| group.metrics);
    let header = sectioned.then(|| "section".to_owned()).into_iter();
    let first = groups.first().map_or("", |group| group.name);
    let metric_names = metrics.iter().map(|(key, _)| csv_name(first, key));
    let header = header.chain(names.iter().copied().chain(metric_names).map(str::to_owned));
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

/// Returns the header of the columns that name an item: `name` if there are several groups with one
/// name each, otherwise the keys of all groups.
fn dimension_columns(
    groups: impl ExactSizeIterator<Item = &'static [&'static str]> + Clone,
) -> Vec<&'static str> {
    if groups.len() > 1 && groups.clone().all(|dimensions| dimensions.len() == 1) {
        return vec!["name"];
    }
    let mut columns: Vec<&str> = Vec::new();
    for key in groups.flatten() {
        if !columns.contains(key) {
            columns.push(key);
        }
    }
    columns
}

fn plain_values(metrics: &[(&str, Unit)], values: &[Option<i64>]) -> impl Iterator<Item = String> {
    metrics.iter().zip(values).map(|((_, unit), value)| format_plain(Metric { unit: *unit, value: *value }))
}

/// Returns one row per item of compared groups, with four columns per metric. Groups with different
/// metrics have a row per metric.
fn compared_rows(groups: &[ComparedGroup], terminal: bool) -> Rows {
    let sectioned = groups.len() > 1;
    let Some(first) = groups.first() else { return Vec::new() };
    if groups.iter().any(|group| group.metrics != first.metrics) {
        return long_compared_rows(groups, terminal);
    }
    let names = dimension_columns(groups.iter().map(|group| group.dimensions));
    let mut header: Vec<String> = sectioned.then(|| "section".to_owned()).into_iter().collect();
    header.extend(names.iter().map(|key| (*key).to_owned()));
    header.extend((!first.is_single).then(|| "status".to_owned()));
    for (key, _) in first.metrics {
        let suffixes = ["", "_previous", "_change", "_change_percent"];
        let key = csv_name(first.name, key);
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
            let cell = |key: &&str| {
                let position = match names.as_slice() {
                    ["name"] => Some(0),
                    _ => group.dimensions.iter().position(|other| other == key),
                };
                let name = position.and_then(|position| row.dimensions.get(position));
                name.map(|name| text_cell(name, terminal)).unwrap_or_default()
            };
            let names = names.iter().map(cell).collect();
            let name = |status| serde_json::to_value(status).ok()?.as_str().map(str::to_owned);
            let status = row.status.and_then(name).unwrap_or_default();
            add(names, (!group.is_single).then_some(status), &row.changes);
        }
        if let Some((_, changes)) = &group.rest {
            let mut rest = vec![String::new(); names.len()];
            rest.iter_mut().take(1).for_each(|name| *name = REST.to_owned());
            add(rest, Some(String::new()), changes);
        }
    }
    rows
}

/// Returns one row per metric of compared groups.
fn long_compared_rows(groups: &[ComparedGroup], terminal: bool) -> Rows {
    let header = ["section", "name", "metric", "value", "value_previous", "value_change"];
    let header = header.into_iter().chain(["value_change_percent"]).map(str::to_owned).collect();
    let mut rows = vec![header];
    for group in groups {
        let mut add = |name: String, changes: &[Change]| {
            for ((key, _), change) in group.metrics.iter().zip(changes) {
                let names = [group.name, &name, csv_name(group.name, key)].map(str::to_owned);
                rows.push(names.into_iter().chain(change_cells(change)).collect());
            }
        };
        for row in &group.rows {
            add(text_cell(&row.dimensions.join(" / "), terminal), &row.changes);
        }
        if let Some((_, changes)) = &group.rest {
            add(REST.to_owned(), changes);
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
                    add(group.name, &item, csv_name(group.name, key), &change_cells(change));
                }
            }
            continue;
        }
        for group in answer.groups() {
            for (item, values) in items(&group) {
                let item = text_cell(&item, terminal);
                for ((key, _), value) in group.metrics.iter().zip(plain_values(group.metrics, values)) {
                    add(group.name, &item, csv_name(group.name, key), &[value]);
                }
            }
        }
    }
    rows
}

/// Returns the items of a group, and the row that sums the items beyond the limit, with their
/// values.
fn items<'a>(group: &'a Group<'_>) -> Vec<(String, &'a [Option<i64>])> {
    let items = group.shown_rows().iter().map(|item| (item.dimensions.join(", "), item.metrics.as_slice()));
    let rest = group.rest.iter().map(|rest| (REST.to_owned(), rest.as_slice()));
    items.chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formula_after_space_or_in_full_width_is_prefixed() {
        for formula in [
            "=1+1",
            "+1-1",
            "@SUM(A1)",
            "-A1",
            "-1+2",
            "--1",
            "-",
            " =1+1",
            "\n=1+1",
            "\r\n =1+1",
            "\t=1+1",
            "\u{b}\u{c}=1+1",
            "\u{0}=1+1",
            "\u{a0}=1+1",
            "\u{3000}＝1+1",
            "\u{200b}\u{feff}=1+1",
            "＝1+1",
            "＋1",
            "－A1",
            "＠SUM(A1)",
            "\ttext",
            "\ntext",
        ] {
            assert_eq!(text_cell(formula, false), format!("'{formula}"), "{formula:?}");
        }
        assert_eq!(text_cell("\u{1b}=1", true), "'\\u{1b}=1");
    }

    #[test]
    fn text_and_numbers_are_unchanged() {
        for text in ["", " ", "text", "a=1", "1+1", " text", "-5", "-12.50", "5", "é=1", "'=1"] {
            assert_eq!(text_cell(text, false), text);
        }
    }
}
