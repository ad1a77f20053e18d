//! Renders stored events as NDJSON, CSV or a table.

use super::layout::{Layout, answer, sessions};
use super::ndjson::EventColumns;
use super::numbers::pluralize;
use super::text::escape_json_control;
use super::{Style, csv, table};
use crate::enrich::Enricher;
use crate::error::Result;
use crate::report::ReportHead;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Record, RecordReader};

/// The line-based formats of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// NDJSON that `wa ingest` reads back as the same rows.
    Ndjson,
    /// CSV: all columns of `events`.
    Csv,
}

/// Renders events line by line.
pub(crate) struct EventRenderer {
    format: LineFormat,
    escape_control: bool,
    enricher: Enricher,
}

impl EventRenderer {
    /// Returns a renderer. If `escape_control` is set, it escapes characters that control a
    /// terminal.
    ///
    /// # Errors
    /// Fails if the enrichment rules cannot be read.
    pub(crate) fn new(format: LineFormat, escape_control: bool) -> Result<EventRenderer> {
        Ok(EventRenderer { format, escape_control, enricher: Enricher::new(None)? })
    }

    /// Returns the line before the first event, if the format has one.
    ///
    /// # Errors
    /// Fails if the header cannot be encoded.
    pub(crate) fn header(&self) -> Result<Option<String>> {
        match self.format {
            LineFormat::Ndjson => Ok(None),
            LineFormat::Csv => csv::encode(&[csv::header(Table::Events)]).map(Some),
        }
    }

    /// Returns the lines of a frame, which must have all columns of `events`.
    ///
    /// # Errors
    /// Fails if the frame lacks a column.
    pub(crate) fn lines(&self, frame: &Frame) -> Result<EventLines<'_>> {
        let columns = match self.format {
            LineFormat::Ndjson => LineColumns::Ndjson(EventColumns::new(frame)?),
            LineFormat::Csv => LineColumns::Csv(RecordReader::all_columns(frame, Table::Events)?),
        };
        Ok(EventLines { renderer: self, columns })
    }

    /// Renders all rows of a frame.
    ///
    /// # Errors
    /// Returns the errors of [`EventRenderer::lines`] and [`EventLines::line`].
    pub(crate) fn render(&self, frame: &Frame) -> Result<String> {
        let lines = self.lines(frame)?;
        (0..frame.height()).map(|row| lines.line(row)).collect()
    }
}

/// The lines of a frame of events.
pub(crate) struct EventLines<'a> {
    renderer: &'a EventRenderer,
    columns: LineColumns,
}

enum LineColumns {
    Ndjson(EventColumns),
    Csv(RecordReader),
}

impl EventLines<'_> {
    /// Returns the line of a row, with its line end.
    ///
    /// # Errors
    /// Fails if the row cannot be encoded.
    pub(crate) fn line(&self, row: usize) -> Result<String> {
        let EventRenderer { escape_control, enricher, .. } = self.renderer;
        match &self.columns {
            LineColumns::Ndjson(columns) => {
                let line = columns.line(row, enricher)?;
                Ok(if *escape_control { escape_json_control(line) } else { line })
            }
            LineColumns::Csv(reader) => csv::encode(&[csv::record(&reader.record(row), *escape_control)]),
        }
    }
}

/// The columns that a table of events needs.
pub(crate) const TABLE_COLUMNS: [&str; 9] = [
    "session_id",
    "anonymous_id",
    "user_id",
    "event_name",
    "event_category",
    "properties",
    "page_url",
    "timestamp",
    "chatbot_id",
];

/// Returns events as a table. `more` is set if the limit hides further events.
pub(crate) fn events_table(head: &ReportHead, events: &[Record], more: bool, style: &Style) -> String {
    let count = pluralize(events.len() as u64, "event", "events");
    let more = if more { "; use --limit to show more" } else { "" };
    let layout = Layout {
        title: answer::title("events", head),
        facts: vec![format!("{count}{more}")],
        sections: vec![sessions::events(events.iter(), head.zone)],
    };
    table::draw(&layout, style)
}
