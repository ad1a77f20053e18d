//! Renders answers as tables, JSON, CSV, Markdown and HTML.
//!
//! [`report`](crate::report) computes the metrics; this module formats and arranges them. A
//! [`ReportOutcome`] is serialized to JSON, or its groups are written as CSV. For tables, Markdown
//! and HTML it is first laid out as sections of columns and rows (`layout`). Text from logs is
//! always escaped.
//!
//! - `table` draws layouts with comfy-table, `fit` chooses the width of the columns;
//! - `markdown`, `html` and `csv` write the other formats;
//! - `each_chatbot` writes the reports of many chatbots one by one;
//! - `pieces` prints an outcome in pieces, so that the text of many values is not in memory;
//! - `events` renders lists of events, `ndjson` single events as log lines;
//! - `lint` renders findings, `preview` the previews of files;
//! - `views` writes `CREATE VIEW` statements for other SQL engines;
//! - `numbers`, `labels` and `text` format numbers, keys and text.

pub(crate) mod csv;
pub(crate) mod each_chatbot;
pub(crate) mod events;
mod fit;
pub(crate) mod html;
mod labels;
pub(crate) mod layout;
pub(crate) mod lint;
mod markdown;
mod ndjson;
pub(crate) mod numbers;
pub(crate) mod pieces;
pub(crate) mod preview;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub(crate) mod views;

use crate::error::{Error, Result};
use crate::report::{Answer, ReportOutcome};

/// The output format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
    Markdown,
    Html,
}

impl Format {
    /// Returns whether the format is for people rather than programs. Its lists are limited by
    /// default.
    pub(crate) fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Markdown | Format::Html)
    }
}

/// The properties of the output device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// The maximum width of a table, in terminal cells.
    pub width: usize,
    /// Whether to style text: bold titles, faint headers.
    pub color: bool,
    /// Whether the output is a terminal. Control characters are then escaped in CSV too.
    pub terminal: bool,
}

impl Style {
    /// The minimum width of a report.
    const MIN_WIDTH: usize = 60;

    /// Returns the style of a pipe: no color.
    #[cfg(test)]
    pub(crate) fn plain(width: usize) -> Style {
        Style { width, color: false, terminal: false }
    }

    fn bold(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn faint(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Renders an outcome as text that ends with a newline.
pub(crate) fn render(outcome: &ReportOutcome, format: Format, style: &Style) -> Result<String> {
    let style = Style { width: style.width.max(Style::MIN_WIDTH), ..*style };
    match format {
        Format::Json => Ok(json(outcome, "report")? + "\n"),
        Format::Csv => csv::write(outcome, style.terminal),
        Format::Table => {
            let tables = layouts(outcome).into_iter().map(|layout| table::draw(&layout, &style));
            Ok(tables.collect::<Vec<String>>().join("\n"))
        }
        Format::Markdown => {
            let pages = layouts(outcome).into_iter().map(|layout| markdown::write(&layout));
            Ok(pages.collect::<Vec<String>>().join("\n"))
        }
        Format::Html => html::write(&layouts(outcome)),
    }
}

/// Returns an answer as a part of an HTML page.
///
/// # Errors
/// Fails if the template cannot be rendered.
pub(crate) fn html_part(answer: &dyn Answer) -> Result<String> {
    html::layout(&layout::answer::layout(answer), 2)
}

/// Returns the label of a column of a group.
pub(crate) fn column_label<'a>(group: &str, key: &'a str) -> &'a str {
    labels::column(group, key)
}

/// Returns the heading of a group.
pub(crate) fn section_label(group: &str) -> &str {
    labels::section(group)
}

/// Returns a value as indented JSON, with characters that control a terminal escaped. `what` names
/// the value in the error.
pub(crate) fn json(value: &impl serde::Serialize, what: &str) -> Result<String> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Error::failed(format!("cannot write the {what} as JSON")).caused_by(e))?;
    Ok(text::escape_json_control(json))
}

/// Returns a layout per answer. Summaries of several chatbots share one.
fn layouts(outcome: &ReportOutcome) -> Vec<layout::Layout> {
    let answers = outcome.answers();
    let is_summary = |answer: &&dyn Answer| answer.name() == "summary" && answer.comparison().is_none();
    if matches!(outcome, ReportOutcome::ByChatbot(_)) && answers.len() > 1 && answers.iter().all(is_summary) {
        return vec![layout::answer::by_chatbot(&answers)];
    }
    answers.into_iter().map(layout::answer::layout).collect()
}
