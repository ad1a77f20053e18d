//! Raw events: as lines that `wa ingest` takes back, as CSV, as a table.

use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::sheet::{Sheet, timeline, title};
use super::text::harmless_json;
use super::{Style, csv, table};
use crate::error::{Error, Result};
use crate::report::Head;
use crate::report::record::{Record, Value};
use crate::store::columns::Table;

/// The columns that `wa ingest` takes, in order; all others are derived from them.
const TAKEN: [&str; 28] = [
    "chatbot_id",
    "session_id",
    "anonymous_id",
    "user_id",
    "user_email",
    "user_name",
    "user_metadata",
    "event_name",
    "event_category",
    "properties",
    "page_url",
    "page_title",
    "timestamp",
    "client_timestamp",
    "sent_at",
    "received_at",
    "referrer",
    "landing_page",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "user_agent",
    "screen_width",
    "screen_height",
    "ip_address",
    "country_code",
    "city",
    "extra",
];

/// An event as `wa ingest` takes it: what is not null, the fields of `extra` beside the others.
struct Line<'a>(&'a Record);

impl serde::Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let record = self.0;
        let mut map = serializer.serialize_map(None)?;
        // The log's own id, or the one that was made of the line: so it stays the same event.
        let own = record.text("event_id").or(record.text("id"));
        map.serialize_entry("event_id", &own)?;
        for name in TAKEN.iter().filter(|name| **name != "extra") {
            match record.get(name) {
                Value::Null => {}
                value => map.serialize_entry(name, value)?,
            }
        }
        let extra = record.text("extra").and_then(|extra| {
            serde_json::from_str::<std::collections::BTreeMap<String, Box<RawValue>>>(extra).ok()
        });
        for (key, value) in extra.unwrap_or_default() {
            // What a column holds wins, as it did when the event was taken in.
            let is_there =
                key == "event_id" || (TAKEN.contains(&key.as_str()) && *record.get(&key) != Value::Null);
            if !is_there {
                map.serialize_entry(&key, &value)?;
            }
        }
        map.end()
    }
}

/// Writes an event (a record of all columns) as a line of NDJSON, its end included.
pub fn ndjson_line(event: &Record) -> Result<String> {
    let line = serde_json::to_string(&Line(event))
        .map_err(|e| Error::failed("cannot write an event as JSON").caused_by(e))?;
    Ok(harmless_json(line) + "\n")
}

/// Returns the header of events as CSV.
pub fn csv_header() -> Result<String> {
    csv::encode(&[csv::header(Table::Events)])
}

/// Writes an event (a record of all columns) as a line of CSV.
pub fn csv_line(event: &Record, terminal: bool) -> Result<String> {
    csv::encode(&[csv::record(event, terminal)])
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
pub fn events_table(head: &Head, events: &[Record], more: bool, style: &Style) -> String {
    let shown = super::figures::grouped(i64::try_from(events.len()).unwrap_or(i64::MAX));
    let s = if events.len() == 1 { "event" } else { "events" };
    let more = if more { "; there are more: --limit shows them" } else { "" };
    let sheet = Sheet {
        title: title("events", head),
        facts: vec![format!("{shown} {s}{more}")],
        parts: vec![timeline(events.iter(), head.zone, true)],
    };
    table::write(&sheet, style)
}
