//! Answers as people and programs read them: tables, JSON, CSV, Markdown.
//!
//! Nothing is computed here. An [`ReportOutcome`] goes straight to JSON by its `Serialize`, and to CSV by
//! its figures; for the eye it is first put into words (a [`layout`]), then laid out. Text from a
//! log is made harmless on its way.

pub mod csv;
pub mod events;
mod labels;
pub mod layout;
mod markdown;
mod ndjson;
pub mod numbers;
mod table;
#[cfg(test)]
mod tests;
pub mod text;

use crate::error::{Error, Result};
use crate::report::{Answer, ReportOutcome};

/// The forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For the eye.
    Table,
    /// The original's JSON.
    Json,
    /// For spreadsheets.
    Csv,
    /// For pasting.
    Markdown,
}

impl Format {
    /// All forms.
    pub const ALL: [Format; 4] = [Format::Table, Format::Json, Format::Csv, Format::Markdown];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Markdown => "markdown",
        }
    }

    /// Tells whether it is read by people, who want lists cut.
    pub fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Markdown)
    }
}

/// Where an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// How many cells wide a table may be; less than 60 is taken as 60.
    pub width: usize,
    /// With colours and bold type.
    pub colour: bool,
    /// The output is a terminal: CSV too must be harmless there.
    pub terminal: bool,
}

impl Style {
    /// The least width of a table.
    pub const LEAST_WIDTH: usize = 60;

    /// Makes the style of a pipe: no colour, so many cells.
    pub fn plain(width: usize) -> Style {
        Style { width, colour: false, terminal: false }
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn faint(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Writes an outcome, with a new line at its end.
pub fn render(outcome: &ReportOutcome, format: Format, style: &Style) -> Result<String> {
    let style = Style { width: style.width.max(Style::LEAST_WIDTH), ..*style };
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(outcome)
                .map_err(|e| Error::failed("cannot write the answer as JSON").caused_by(e))?;
            Ok(text::escape_json_control(json) + "\n")
        }
        Format::Csv => csv::write(outcome, style.terminal),
        Format::Table | Format::Markdown => {
            let write = |layout| match format {
                Format::Table => table::write(&layout, &style),
                _ => markdown::write(&layout),
            };
            Ok(layouts(outcome).into_iter().map(write).collect::<Vec<String>>().join("\n"))
        }
    }
}

fn layouts(outcome: &ReportOutcome) -> Vec<layout::Layout> {
    let answers = outcome.answers();
    let is_plain = |answer: &&dyn Answer| answer.name() == "summary" && answer.comparison().is_none();
    if matches!(outcome, ReportOutcome::ByChatbot(_)) && answers.len() > 1 && answers.iter().all(is_plain) {
        return vec![layout::by_chatbot(&answers)];
    }
    answers.into_iter().map(layout::of).collect()
}
