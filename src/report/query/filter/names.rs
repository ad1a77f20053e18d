//! Searches JSON columns for fields: finds the column of a name given without a column, and detects
//! paths that no row has.

use std::collections::BTreeSet;

use memchr::memmem::Finder;

use super::field::{Field, Subject};
use crate::error::Result;
use crate::json::lenient::{each_member, key_is};
use crate::report::query::json_lookup::at_path;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::{Column, Table};
use crate::store::frame::Frame;
use crate::suggest::nearest;
use crate::time::Day;

/// The JSON columns that are searched for names, in order.
const COLUMNS: [&str; 3] = ["properties", "user_metadata", "extra"];

/// The maximum number of keys that are collected for suggestions.
const MAX_KEYS: usize = 1_000;

/// The maximum number of objects per file that are searched for keys.
const MAX_OBJECTS: usize = 4_096;

/// Finds the JSON columns of fields whose names are not columns, in the events of the given UTC
/// dates. Returns a note on each field that was found, and on each path that no row has.
///
/// # Errors
/// Returns a usage error with the nearest field for a name that no event has.
pub(crate) fn find_names<'f>(
    tables: &dyn Tables,
    dates: Option<(Day, Day)>,
    fields: impl Iterator<Item = &'f mut Field>,
    subject: Subject,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for field in fields {
        if field.is_guess() {
            let column = column_with_key(tables, dates, field, subject)?;
            // `user_metadata` is also a column of sessions, and reports read that one.
            let table = match (subject, column.name) {
                (Subject::Sessions, "user_metadata") => Table::Sessions,
                _ => Table::Events,
            };
            let column = table.columns().iter().find(|other| other.name == column.name).unwrap_or(column);
            field.confirm(table, column);
            notes.push(format!("{} is read as {}.{}", field.name(), column.name, field.name()));
            if field.path().len() == 1 {
                continue;
            }
        }
        notes.extend(on_missing_path(tables, dates, field)?);
    }
    Ok(notes)
}

/// Returns the JSON column of events in which a name occurs.
fn column_with_key(
    tables: &dyn Tables,
    dates: Option<(Day, Day)>,
    field: &Field,
    subject: Subject,
) -> Result<&'static Column> {
    let key = field.path().get(..1).unwrap_or_default();
    let mut keys = BTreeSet::new();
    for name in COLUMNS {
        let column = Table::Events.columns().iter().find(|column| column.name == name);
        let Some(column) = column else { continue };
        let search = search(tables, Table::Events, dates, column, key)?;
        if search.is_found {
            return Ok(column);
        }
        keys.extend(search.keys);
    }
    Err(field.unknown(subject, keys.iter().map(String::as_str)))
}

/// Returns a note if no row of the field's table has a value at the field's path.
fn on_missing_path(tables: &dyn Tables, dates: Option<(Day, Day)>, field: &Field) -> Result<Option<String>> {
    let Some(first) = field.path().first() else { return Ok(None) };
    let search = search(tables, field.table(), dates, field.column(), field.path())?;
    if search.is_found || search.rows == 0 {
        return Ok(None);
    }
    let subject = match field.table() {
        Table::Events => "event",
        _ => "session",
    };
    // A longer path can have a valid first key.
    let keys = search.keys.iter().map(String::as_str);
    let near = if search.keys.contains(first) { None } else { nearest(first, keys) };
    let near = near.map_or(String::new(), |near| format!(": did you mean {}.{near}?", field.column().name));
    Ok(Some(format!("no {subject} of these days has {}{near}", field.name())))
}

/// The result of a search for a path.
#[derive(Default)]
struct Search {
    is_found: bool,
    /// The number of searched rows.
    rows: usize,
    /// Keys of the searched objects, if the path was not found.
    keys: BTreeSet<String>,
}

impl Search {
    fn merge(mut self, other: Search) -> Search {
        self.is_found |= other.is_found;
        self.rows += other.rows;
        let room = MAX_KEYS.saturating_sub(self.keys.len());
        self.keys.extend(other.keys.into_iter().take(room));
        self
    }
}

/// Searches a JSON column for a value at a path, from the newest dates on, because most paths occur
/// every day.
fn search(
    tables: &dyn Tables,
    table: Table,
    dates: Option<(Day, Day)>,
    column: &Column,
    path: &[String],
) -> Result<Search> {
    let mut result = Search::default();
    for dates in newest_first(tables, dates) {
        let files = map_frames(tables, table, dates, &[column.name], |_, frame: &Frame| {
            search_frame(frame, column, path)
        })?;
        result = files.into_iter().fold(result, Search::merge);
        if result.is_found {
            break;
        }
    }
    Ok(result)
}

/// Splits dates, or all dates with data, into ranges that double in length, newest first.
fn newest_first(tables: &dyn Tables, dates: Option<(Day, Day)>) -> Vec<Option<(Day, Day)>> {
    let (Some(days), Some(of_events)) = (tables.days(), tables.event_dates()) else { return vec![dates] };
    // The days of sessions are not UTC dates, but differ by at most a day.
    let first = days.0.min(of_events.0).plus(-1);
    let (from, mut to) = dates.unwrap_or((first, days.1.max(of_events.1).plus(1)));
    let from = from.max(first);
    let (mut ranges, mut length) = (Vec::new(), 1);
    while from <= to {
        let start = to.plus(1 - length).max(from);
        ranges.push(Some((start, to)));
        to = start.plus(-1);
        length *= 2;
    }
    ranges
}

fn search_frame(frame: &Frame, column: &Column, path: &[String]) -> Result<Search> {
    let first = path.first().map_or("", String::as_str);
    let finder = Finder::new(first.as_bytes());
    let texts = frame.texts(column.name)?;
    let mut search = Search { rows: frame.height(), ..Search::default() };
    let (mut last, mut objects) = (None, 0);
    for row in 0..frame.height() {
        let token = texts.token(row);
        if token == last {
            continue;
        }
        last = token;
        let Some(object) = texts.get(row) else { continue };
        let bytes = object.as_bytes();
        // An escape may hide the key.
        let may_have_key = finder.find(bytes).is_some() || memchr::memchr(b'\\', bytes).is_some();
        if may_have_key && has_path(object, path) {
            search.is_found = true;
            return Ok(search);
        }
        if objects < MAX_OBJECTS {
            objects += 1;
            let _ = each_member(object, |name, _| {
                if search.keys.len() < MAX_KEYS && !search.keys.contains(name) {
                    search.keys.insert(name.to_owned());
                }
            });
        }
    }
    Ok(search)
}

/// Returns whether an object has a path. If the path is a single key, its value may be null.
fn has_path(object: &str, path: &[String]) -> bool {
    match path {
        [key] => {
            let mut has_key = false;
            let _ = each_member(object, |name, _| has_key |= key_is(name, key));
            has_key
        }
        _ => at_path(object, path).is_some_and(|value| value != "null"),
    }
}
