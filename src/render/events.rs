//! Raw events: as lines that `wa ingest` takes back, as CSV, as a table.

use super::layout::{Layout, timeline, title};
use super::text::escape_json_control;
use super::{Style, csv, table};
use crate::error::{Error, Result};
use crate::privacy::export::{self, Stopped};
use crate::report::ReportHead;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Record, RecordReader};

/// Writes events (a frame of all columns) as lines that `wa ingest` takes back; what a terminal acts
/// upon is escaped, where it is one.
pub fn ndjson(frame: &Frame, terminal: bool) -> Result<String> {
    let cannot = || Error::failed("cannot write events as JSON");
    let rows: Vec<usize> = (0..frame.height()).collect();
    let mut lines = Vec::new();
    export::ndjson(frame, &rows, &mut lines).map_err(|stopped| match stopped {
        Stopped::Store(error) => error,
        Stopped::Output(error) => cannot().caused_by(error),
    })?;
    let lines = String::from_utf8(lines).map_err(|e| cannot().caused_by(e))?;
    Ok(if terminal { escape_json_control(lines) } else { lines })
}

/// Writes events (a frame of all columns) as lines of CSV.
pub fn csv(frame: &Frame, terminal: bool) -> Result<String> {
    let reader = RecordReader::all_columns(frame, Table::Events)?;
    let rows = (0..frame.height()).map(|row| csv::record(&reader.record(row), terminal));
    csv::encode(&rows.collect::<Vec<_>>())
}

/// Returns the header of events as CSV.
pub fn csv_header() -> Result<String> {
    csv::encode(&[csv::header(Table::Events)])
}

/// The columns that a table of events shows.
pub const TABLE_COLUMNS: [&str; 9] = [
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

/// Writes events as a table. `more`: there are others that fit.
pub fn events_table(head: &ReportHead, events: &[Record], more: bool, style: &Style) -> String {
    let shown = super::numbers::pluralize(events.len() as u64, "event", "events");
    let more = if more { "; there are more: --limit shows them" } else { "" };
    let layout = Layout {
        title: title("events", head),
        facts: vec![format!("{shown}{more}")],
        sections: vec![timeline(events.iter(), head.zone, true)],
    };
    table::write(&layout, style)
}
