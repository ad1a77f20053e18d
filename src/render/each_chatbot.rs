//! Writes the reports of many chatbots one by one, as CSV or JSON.

use super::{Format, Style, csv, json};
use crate::error::Result;
use crate::report::ReportOutcome;

/// Writes one outcome after another. The parts add up to the text that
/// [`render`](super::render) returns for all outcomes together.
pub(crate) struct ChatbotWriter {
    format: Format,
    style: Style,
    /// Whether the header of CSV, or the start of the JSON list, is written.
    is_started: bool,
}

impl ChatbotWriter {
    /// Starts the text. All formats but JSON are written as CSV.
    pub fn new(format: Format, style: Style) -> ChatbotWriter {
        ChatbotWriter { format, style, is_started: false }
    }

    /// Appends the outcome of a chatbot to `text`.
    ///
    /// # Errors
    /// Fails if the outcome cannot be written in the format.
    pub fn add(&mut self, outcome: &ReportOutcome, text: &mut String) -> Result<()> {
        if self.format == Format::Json {
            text.push_str(if self.is_started { ",\n" } else { "[\n" });
            self.is_started = true;
            // A JSON string contains no line feed, so each line begins between two values.
            let item = json(outcome, "report")?;
            for (number, line) in item.split('\n').enumerate() {
                text.push_str(if number == 0 { "  " } else { "\n  " });
                text.push_str(line);
            }
            return Ok(());
        }
        let rows = csv::chatbot_rows(outcome, self.style.terminal);
        let is_started = self.is_started;
        self.is_started |= !rows.is_empty();
        text.push_str(&csv::encode(rows.get(usize::from(is_started)..).unwrap_or_default())?);
        Ok(())
    }

    /// Appends the end of the text.
    pub fn finish(self, text: &mut String) {
        if self.format == Format::Json {
            text.push_str(if self.is_started { "\n]\n" } else { "[]\n" });
        }
    }
}
