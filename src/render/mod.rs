//! Renders answers as tables, JSON, CSV and Markdown.
//!
//! Metrics arrive computed from [`report`](crate::report); this module formats and arranges them. A
//! [`ReportOutcome`] is serialized to JSON, or written as CSV from its groups. For tables and
//! Markdown it is first laid out as sections of columns and rows (`layout`). Text from logs is
//! escaped on the way.
//!
//! - `table` draws layouts with comfy-table, `fit` chooses the width of the columns;
//! - `markdown` and `csv` write the other formats;
//! - `events` renders lists of events, `ndjson` single events as log lines;
//! - `numbers`, `labels` and `text` format numbers, keys and text.

pub(crate) mod csv;
pub(crate) mod events;
mod fit;
mod labels;
pub(crate) mod layout;
mod markdown;
mod ndjson;
pub(crate) mod numbers;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use crate::error::{Error, Result};
use crate::report::{Answer, ReportOutcome};

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
    Markdown,
}

impl Format {
    /// Returns whether people read the format. Lists are then limited.
    pub(crate) fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Markdown)
    }
}

/// The properties of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// The maximum width of a table, in terminal cells.
    pub width: usize,
    /// Whether to style text: bold titles, faint headers.
    pub color: bool,
    /// Whether the output is a terminal. CSV then has control characters escaped, too.
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
        Format::Json => {
            let json = serde_json::to_string_pretty(outcome)
                .map_err(|e| Error::failed("cannot write the report as JSON").caused_by(e))?;
            Ok(text::escape_json_control(json) + "\n")
        }
        Format::Csv => csv::write(outcome, style.terminal),
        Format::Table => {
            let tables = layouts(outcome).into_iter().map(|layout| table::draw(&layout, &style));
            Ok(tables.collect::<Vec<String>>().join("\n"))
        }
        Format::Markdown => {
            let pages = layouts(outcome).into_iter().map(|layout| markdown::write(&layout));
            Ok(pages.collect::<Vec<String>>().join("\n"))
        }
    }
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
