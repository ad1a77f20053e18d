//! Answers as CSV (RFC 4180): a header, a row an item, numbers bare.
//!
//! One part makes columns of its names and figures. Several parts with the same figures are told
//! apart by a column `section`; parts of different figures, and all reports at once, have a row a
//! figure. A text that a spreadsheet would take for a formula gets a `'` before it.

use super::numbers::{bare, value};
use super::text::escape_control;
use crate::error::{Error, Result};
use crate::report::ReportOutcome;
use crate::report::answer::Answer;
use crate::report::answer::comparison::{Change, ComparedGroup};
use crate::report::answer::rows::Group;
use crate::report::metric::{Metric, Unit};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::frame::{Record, Value};

/// The name of the row that sums up what a limit cuts off.
pub const REST: &str = "(other)";

/// The column that tells the chatbots apart.
const CHATBOT: &str = "chatbot_id";

/// Keeps a text from becoming a formula; on a terminal, from acting on it.
pub fn safe(text: &str, terminal: bool) -> String {
    let text = if terminal { escape_control(text).into_owned() } else { text.to_owned() };
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text,
    }
}

/// Rows of text, the first of them the header.
type Rows = Vec<Vec<String>>;

/// Writes answers; `terminal` where they go to one.
pub fn write(outcome: &ReportOutcome, terminal: bool) -> Result<String> {
    encode(&rows(outcome, terminal))
}

/// Writes rows as CSV.
pub fn encode(rows: &[Vec<String>]) -> Result<String> {
    let failed = |e: String| Error::failed("cannot write CSV").caused_by(e);
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|e| failed(e.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| failed(e.to_string()))
}

fn rows(outcome: &ReportOutcome, terminal: bool) -> Rows {
    match outcome {
        ReportOutcome::One(answer) => of_answer(answer.as_ref(), terminal),
        ReportOutcome::All(answers) => {
            let answers: Vec<&dyn Answer> = answers.iter().map(Box::as_ref).collect();
            long(&answers, true, terminal)
        }
        ReportOutcome::ByChatbot(outcomes) => {
            let mut all: Rows = Vec::new();
            for outcome in outcomes {
                let chatbots = outcome.answers().first().map(|answer| answer.head().chatbots.clone());
                let chatbot = safe(&chatbots.unwrap_or_default().join(" "), terminal);
                let mut rows = rows(outcome, terminal).into_iter();
                let Some(header) = rows.next() else { continue };
                // A session names its chatbot itself.
                let named = header.iter().any(|name| name == CHATBOT);
                if all.is_empty() {
                    all.push(if named { header } else { with(CHATBOT, header) });
                }
                all.extend(rows.map(|row| if named { row } else { with(&chatbot, row) }));
            }
            all
        }
    }
}

fn with(first: &str, mut row: Vec<String>) -> Vec<String> {
    row.insert(0, first.to_owned());
    row
}

fn of_answer(answer: &dyn Answer, terminal: bool) -> Rows {
    if let Some(page) = answer.session_page() {
        let mut rows = vec![header(Table::Sessions)];
        rows.extend(page.sessions.iter().map(|entry| record(&entry.session, terminal)));
        return rows;
    }
    if let Some(comparison) = answer.comparison() {
        return compared(&comparison.groups, terminal);
    }
    let groups = answer.groups();
    let Some(first) = groups.first() else { return Vec::new() };
    if groups.iter().any(|group| group.metrics != first.metrics) {
        return long(&[answer], false, terminal);
    }
    let several = groups.len() > 1;
    // One name each: `name`. Different names: all of them, in order.
    let mut keys: Vec<&str> = Vec::new();
    if several && groups.iter().all(|group| group.dimensions.len() == 1) {
        keys.push("name");
    } else {
        for key in groups.iter().flat_map(|group| group.dimensions) {
            if !keys.contains(key) {
                keys.push(key);
            }
        }
    }
    let mut top: Vec<String> = if several { vec!["section".to_owned()] } else { Vec::new() };
    top.extend(keys.iter().map(|key| (*key).to_owned()));
    top.extend(first.metrics.iter().map(|(key, _)| (*key).to_owned()));
    let mut rows = vec![top];
    for group in &groups {
        let mut add = |names: Vec<String>, values: &[Option<i64>]| {
            let mut row: Vec<String> = if several { vec![group.name.to_owned()] } else { Vec::new() };
            row.extend(names);
            row.extend(figures(group.metrics, values));
            rows.push(row);
        };
        let placed = |name: &dyn Fn(usize) -> Option<String>| -> Vec<String> {
            let place = |key: &&str| match keys.as_slice() {
                ["name"] => name(0),
                _ => group.dimensions.iter().position(|mine| mine == key).and_then(name),
            };
            keys.iter().map(|key| place(key).unwrap_or_default()).collect()
        };
        for item in group.shown_rows() {
            add(placed(&|at| item.dimensions.get(at).map(|name| safe(name, terminal))), &item.metrics);
        }
        if let Some(rest) = &group.rest {
            add(placed(&|at| (at == 0).then(|| REST.to_owned())), rest);
        }
    }
    rows
}

fn figures<'a>(
    units: &'a [(&'static str, Unit)],
    values: &'a [Option<i64>],
) -> impl Iterator<Item = String> + 'a {
    units.iter().zip(values).map(|((_, unit), value)| bare(Metric { unit: *unit, value: *value }))
}

fn compared(groups: &[ComparedGroup], terminal: bool) -> Rows {
    let several = groups.len() > 1;
    let Some(first) = groups.first() else { return Vec::new() };
    let mut top: Vec<String> = if several { vec!["section".to_owned()] } else { Vec::new() };
    if several {
        top.push("name".to_owned());
    } else {
        top.extend(first.dimensions.iter().map(|key| (*key).to_owned()));
    }
    if !first.is_single {
        top.push("status".to_owned());
    }
    for (key, _) in first.metrics {
        let parts = ["", "_previous", "_change", "_change_percent"];
        top.extend(parts.iter().map(|part| format!("{key}{part}")));
    }
    let mut rows = vec![top];
    for group in groups {
        let mut add = |names: Vec<String>, status: Option<String>, changes: &[Change]| {
            let mut row: Vec<String> = if several { vec![group.name.to_owned()] } else { Vec::new() };
            row.extend(names);
            row.extend(status);
            row.extend(changes.iter().flat_map(change));
            rows.push(row);
        };
        for row in &group.rows {
            let names = row.dimensions.iter().map(|name| safe(name, terminal)).collect();
            let name =
                |status| serde_json::to_string(&status).unwrap_or_default().trim_matches('"').to_owned();
            let status = (!group.is_single).then(|| row.status.map_or(String::new(), name));
            add(names, status, &row.changes);
        }
        if let Some((_, changes)) = &group.rest {
            add(vec![REST.to_owned()], Some(String::new()), changes);
        }
    }
    rows
}

fn change(change: &Change) -> [String; 4] {
    let figure = |value| bare(Metric { unit: change.unit, value });
    let percent = change.percent().map(|percent| percent.0);
    [
        figure(change.current),
        figure(change.previous),
        bare(change.difference()),
        bare(Metric { unit: Unit::Percent, value: percent }),
    ]
}

/// A row a figure.
fn long(answers: &[&dyn Answer], with_report: bool, terminal: bool) -> Rows {
    let is_compared = answers.iter().any(|answer| answer.comparison().is_some());
    let mut top = if with_report { vec!["report"] } else { Vec::new() };
    top.extend(["section", "item", "figure", "value"]);
    if is_compared {
        top.extend(["previous", "change", "change_percent"]);
    }
    let mut rows: Rows = vec![top.into_iter().map(str::to_owned).collect()];
    for answer in answers {
        let start: Vec<String> = if with_report { vec![answer.name().to_owned()] } else { Vec::new() };
        let groups = answer.groups();
        let compared = answer.comparison().map_or(&[][..], |comparison| &comparison.groups);
        let mut add = |section: &str, item: &str, figure: &str, values: Vec<String>| {
            let mut row = start.clone();
            row.extend([section.to_owned(), item.to_owned(), figure.to_owned()]);
            row.extend(values);
            row.resize(rows.first().map_or(0, Vec::len), String::new());
            rows.push(row);
        };
        for group in compared {
            for row in &group.rows {
                let item = safe(&row.dimensions.join(", "), terminal);
                for ((key, _), values) in group.metrics.iter().zip(&row.changes) {
                    add(group.name, &item, key, change(values).to_vec());
                }
            }
        }
        for group in groups.iter().filter(|_| compared.is_empty()) {
            for (item, values) in items(group) {
                let item = safe(&item, terminal);
                for ((key, _), value) in group.metrics.iter().zip(figures(group.metrics, values)) {
                    add(group.name, &item, key, vec![value]);
                }
            }
        }
    }
    rows
}

fn items<'a>(group: &'a Group<'_>) -> Vec<(String, &'a [Option<i64>])> {
    let mut items: Vec<(String, &[Option<i64>])> =
        group.shown_rows().iter().map(|item| (item.dimensions.join(", "), item.metrics.as_slice())).collect();
    if let Some(rest) = &group.rest {
        items.push((REST.to_owned(), rest));
    }
    items
}

/// Returns the header of a table's rows.
pub fn header(table: Table) -> Vec<String> {
    table.columns().iter().map(|column| column.name.to_owned()).collect()
}

/// Returns a row of a table.
pub fn record(record: &Record, terminal: bool) -> Vec<String> {
    let cell = |(column, cell): (&Column, &Value)| match column.kind {
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => safe(&value(cell), terminal),
        _ => value(cell),
    };
    record.entries().map(cell).collect()
}
