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
    table_with_fact(head, events, count_fact(events.len(), more), style)
}

/// Draws a long list of events as tables of a bounded number of events. The widths of the columns
/// differ between tables, because a width depends on all values of a column.
pub(crate) struct EventTables<'a> {
    head: &'a ReportHead,
    style: Style,
    /// The number of events in the tables so far.
    drawn: usize,
}

impl EventTables<'_> {
    /// The number of events in a table.
    pub(crate) const ROWS: usize = 10_000;

    /// Returns an empty list.
    pub(crate) fn new(head: &ReportHead, style: Style) -> EventTables<'_> {
        EventTables { head, style, drawn: 0 }
    }

    /// Draws a table that is not the last one.
    pub(crate) fn next(&mut self, events: &[Record]) -> String {
        let is_first = self.drawn == 0;
        self.drawn += events.len();
        if is_first {
            let fact = format!("more than {}", pluralize(events.len() as u64, "event", "events"));
            return table_with_fact(self.head, events, fact, &self.style);
        }
        format!("\n{}", table::draw_section(&sessions::events(events.iter(), self.head.zone), &self.style))
    }

    /// Draws the last table. If it is not the only one, the number of all events follows it. `more`
    /// is set if the limit hides further events.
    pub(crate) fn last(mut self, events: &[Record], more: bool) -> String {
        if self.drawn == 0 {
            return events_table(self.head, events, more, &self.style);
        }
        let table = self.next(events);
        format!("{table}\n{}\n", self.style.faint(&count_fact(self.drawn, more)))
    }
}

fn table_with_fact(head: &ReportHead, events: &[Record], fact: String, style: &Style) -> String {
    let layout = Layout {
        title: answer::title("events", head),
        facts: vec![fact],
        sections: vec![sessions::events(events.iter(), head.zone)],
    };
    table::draw(&layout, style)
}

/// Returns the number of events, and whether there are more.
fn count_fact(events: usize, more: bool) -> String {
    let more = if more { "; use --limit to show more" } else { "" };
    format!("{}{more}", pluralize(events as u64, "event", "events"))
}
