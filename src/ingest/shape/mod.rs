//! The shape of records that no map reads: the reader that fits, the keys, and a draft of a map.
//!
//! - [`keys`] collects keys with types and samples; [`guess`] guesses their columns, and [`times`]
//!   the pattern of their times.
//! - [`lists`] finds the list that holds the events of a record.
//! - [`nearest`] finds the built-in map that matches best; [`names`] suggests standard events.
//! - [`rows`] and [`pattern`] recognize rows and lines of text.
//! - [`skeleton`] writes a map.
//! - [`fault`] names the value for which a line was rejected.

pub(crate) mod fault;
pub(crate) mod guess;
pub(crate) mod keys;
mod lists;
pub(crate) mod names;
pub(crate) mod nearest;
mod pattern;
mod rows;
mod skeleton;
mod times;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::fields::Field;
use super::map::expression::display::escape_key;
use super::map::{Map, Reader};
use guess::Guesses;
use keys::{Key, Keys};
use nearest::{Nearest, nearest_to_columns, nearest_to_json};

/// The shape of a sample of records.
#[derive(Clone, Debug, Serialize)]
pub struct Shape {
    /// The reader that a map for these records needs.
    pub reader: &'static str,
    /// A description of how the records are separated and divided.
    pub form: String,
    /// Number of records that were examined.
    pub records: u64,
    /// The keys, columns or groups.
    pub keys: Vec<Key>,
    /// The likely columns, each with its key.
    pub guesses: BTreeMap<&'static str, String>,
    /// The built-in map that matches best.
    pub nearest: Option<Nearest>,
    /// A draft of a map.
    pub skeleton: String,
}

/// The parts of a draft of a map.
struct Draft<'a> {
    file: &'a str,
    reader: Reader,
    columns: Vec<String>,
    pattern: Option<String>,
    /// The conversion that the rows need before a reader can read them.
    conversion: Option<rows::Conversion>,
    /// The condition under which a row is the header.
    header: Option<String>,
    /// The pointers to the events inside a wrapping or a record.
    unwrap: Vec<String>,
    keys: &'a [Key],
    guesses: Guesses,
    names: Vec<String>,
}

impl<'a> Draft<'a> {
    fn new(file: &'a str, reader: Reader, keys: &'a [Key], guesses: Guesses) -> Draft<'a> {
        Draft {
            file,
            reader,
            columns: Vec::new(),
            pattern: None,
            conversion: None,
            header: None,
            unwrap: Vec::new(),
            keys,
            guesses,
            names: Vec::new(),
        }
    }

    /// Sets the names of the events. `value` returns the text at a pointer of a record.
    fn set_names<R>(&mut self, records: &[R], value: impl Fn(&R, &str) -> Option<String>) {
        let name = self.guesses.fields.iter().find(|(field, _)| *field == Field::EventName);
        let Some((_, place)) = name else { return };
        let names = records.iter().map(|record| names::rendered(place, &|place| value(record, place)));
        self.names = distinct(names.filter(|name| !name.trim().is_empty()));
    }
}

/// Returns the shape of records, which are lines or JSON values that span lines. `file` is the name
/// of their file, and `wrapping` the map of the wrapping around them.
pub fn shape(file: &str, records: &[String], wrapping: Option<&Map>) -> Shape {
    json(file, records, wrapping)
        .or_else(|| rows::w3c(records).map(|rows| of_rows(file, Reader::W3c, rows)))
        .or_else(|| rows::csv(records).map(|rows| of_rows(file, Reader::Csv, rows)))
        .or_else(|| {
            let rows = rows::separated(records)?;
            Some(of_rows(file, if rows.pattern.is_some() { Reader::Text } else { Reader::Csv }, rows))
        })
        .or_else(|| rows::tsv(records).map(|rows| of_rows(file, Reader::Tsv, rows)))
        .unwrap_or_else(|| of_rows(file, Reader::Text, pattern::find(records)))
}

/// Returns the shape of JSON values, if at least half of the records are objects or lists of them.
fn json(file: &str, records: &[String], wrapping: Option<&Map>) -> Option<Shape> {
    let mut objects = Vec::new();
    let mut values = 0;
    for record in records {
        match serde_json::from_str::<Value>(record.trim_start_matches(['\u{feff}', '\u{1e}'])) {
            Ok(Value::Array(elements)) => {
                values += usize::from(elements.iter().any(Value::is_object));
                objects.extend(elements.into_iter().filter(Value::is_object));
            }
            Ok(value @ Value::Object(_)) => {
                values += 1;
                objects.push(value);
            }
            _ => {}
        }
    }
    if values == 0 || values * 2 < records.len() {
        return None;
    }
    let nearest = objects.first().and_then(|object| nearest_to_json(&object.to_string()));
    if let (None, Some(events)) = (wrapping, lists::find(&objects)) {
        return Some(of_lists(file, &events, nearest));
    }
    let mut keys = Keys::default();
    objects.iter().for_each(|object| keys.add_record(object));
    let (records, keys) = (keys.records, keys.into_list());
    let reader = match wrapping {
        Some(map) if map.pattern.is_some() => Reader::Text,
        _ => Reader::Json,
    };
    let mut draft = Draft::new(file, reader, &keys, guess::guesses(&keys));
    draft.set_names(&objects, text_at);
    draft.pattern = wrapping.and_then(|map| map.pattern.as_ref()).map(ToString::to_string);
    draft.unwrap = wrapping.map_or(Vec::new(), |map| map.unwrap.iter().map(ToString::to_string).collect());
    Some(finish(draft, "JSON values".to_owned(), records, nearest))
}

/// Returns the shape of JSON values whose events are the elements of a list.
fn of_lists(file: &str, events: &lists::Events<'_>, nearest: Option<Nearest>) -> Shape {
    let mut keys = Keys::default();
    // For the guesses, `^/id` in the elements of `chats` is named `/chat/id`.
    let mut aliased = Keys::default();
    for levels in &events.levels {
        let Some((event, outer)) = levels.split_last() else { continue };
        keys.add_record(event);
        aliased.add_record(event);
        for (up, object) in (1..).zip(outer.iter().rev()) {
            let members = object.as_object().into_iter().flatten().filter(|(_, value)| !value.is_array());
            let inner: Value = members.map(|(key, value)| (key.clone(), value.clone())).collect();
            keys.add_outer(&"^".repeat(up), &inner);
            aliased.add_outer(&format!("{}{}", "^".repeat(up), alias(events, outer.len() - up)), &inner);
        }
    }
    let (records, keys, aliased) = (keys.records, keys.into_list(), aliased.into_list());
    let mut guesses = guess::guesses(&aliased);
    // An id outside of the events is not the id of one event.
    let is_outer = |(field, place): &(Field, String)| *field == Field::EventId && place.starts_with('^');
    let outer_id = guesses.fields.iter().position(is_outer).map(|at| guesses.fields.remove(at).1);
    let has_session = guesses.fields.iter().any(|(field, _)| *field == Field::SessionId);
    guesses.fields.extend(outer_id.filter(|_| !has_session).map(|place| (Field::SessionId, place)));
    for (_, place) in &mut guesses.fields {
        for (alias, key) in aliased.iter().zip(&keys).filter(|(alias, _)| alias.place.starts_with('^')) {
            *place = if *place == alias.place {
                key.place.clone()
            } else {
                place.replace(&format!("{{{}}}", alias.place), &format!("{{{}}}", key.place))
            };
        }
    }
    let mut draft = Draft::new(file, Reader::Json, &keys, guesses);
    draft.set_names(&events.levels, |levels, place| {
        let inner = place.trim_start_matches('^');
        let level = levels.len().checked_sub(1 + place.len() - inner.len())?;
        text_at(levels.get(level)?, inner)
    });
    draft.unwrap = vec![events.place.clone()];
    let form = format!("JSON values with a list of events at {}", events.place);
    finish(draft, form, records, nearest)
}

/// Returns the step that stands for the objects of a level: `/chat` for the elements of `chats`,
/// and nothing for the record.
fn alias(events: &lists::Events<'_>, level: usize) -> String {
    let name = level.checked_sub(1).and_then(|index| events.names.get(index));
    name.map_or(String::new(), |name| format!("/{}", name.strip_suffix('s').unwrap_or(name)))
}

/// Returns the text at a pointer, which can point into the JSON of a text.
fn text_at(value: &Value, place: &str) -> Option<String> {
    if let Some(found) = value.pointer(place) {
        return text(found);
    }
    // The longest part of the pointer that leads to a text.
    let (inner, rest) = place.char_indices().rev().filter(|(_, sign)| *sign == '/').find_map(|(at, _)| {
        let (outer, rest) = place.split_at(at);
        Some((value.pointer(outer)?.as_str()?, rest))
    })?;
    text_at(&serde_json::from_str(inner).ok()?, rest)
}

/// Returns the text of a value.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn of_rows(file: &str, reader: Reader, rows: rows::Rows) -> Shape {
    let mut keys = Keys::default();
    for row in &rows.rows {
        keys.add_row(&rows.columns, row.iter().map(|field| Some(field.as_str())));
    }
    let nearest = if reader == Reader::Text { None } else { nearest_to_columns(&rows.columns) };
    let (records, keys) = (keys.records, keys.into_list());
    let mut draft = Draft::new(file, reader, &keys, guess::guesses(&keys));
    let place = |name: &String| format!("/{}", escape_key(name));
    draft.set_names(&rows.rows, |row: &Vec<String>, wanted| {
        // A pointer begins with a column. The rest points into the JSON of that column.
        let columns = rows.columns.iter().zip(row);
        let (field, rest) = columns
            .filter_map(|(name, field)| Some((field, wanted.strip_prefix(&place(name))?)))
            .find(|(_, rest)| rest.is_empty() || rest.starts_with('/'))?;
        match rest {
            "" => Some(field.clone()),
            rest => text_at(&serde_json::from_str::<Value>(field).ok()?, rest),
        }
    });
    draft.conversion = rows.conversion;
    draft.header = rows.header.map(|(column, text)| format!("{} = {text}", place(&column)));
    draft.pattern = rows.pattern;
    if reader == Reader::Tsv {
        draft.columns = rows.columns;
    }
    finish(draft, rows.form, records, nearest)
}

fn finish(draft: Draft<'_>, form: String, records: u64, nearest: Option<Nearest>) -> Shape {
    Shape {
        reader: draft.reader.name(),
        form,
        records,
        keys: draft.keys.to_vec(),
        guesses: draft.guesses.fields.iter().map(|(field, place)| (field.name(), place.clone())).collect(),
        nearest,
        skeleton: skeleton::write(&draft),
    }
}

/// Returns the first distinct names.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if !found.contains(&name) && found.len() < 20 {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    fn of(text: &str) -> Shape {
        shape("export.log", &text.lines().map(str::to_owned).collect::<Vec<_>>(), None)
    }

    #[test]
    fn json_has_keys_and_the_nearest_map() {
        let shape = of("{\"event\":\"Message Sent\",\"distinct_id\":\"d\",\"properties\":{\"a\":1}}\nbroken");
        assert_eq!((shape.reader, shape.records), ("json", 1));
        assert_eq!(shape.guesses["event_name"], "/event");
        assert_eq!(shape.nearest.unwrap().map, "posthog");
        assert!(shape.skeleton.contains("\"Message Sent\" = \"message_sent\""), "{}", shape.skeleton);
        assert!(shape.skeleton.contains("anonymous_id = \"/distinct_id\""), "{}", shape.skeleton);
    }

    #[test]
    fn rows_are_recognized_by_their_width() {
        let shape = of("When,What,Who\n2026-11-09 10:00:00,x,\"a,b\"\n2026-11-09 10:00:01,y,c\n");
        assert_eq!((shape.reader, shape.guesses["timestamp"].as_str()), ("csv", "/When"));
        let shape =
            of("#Version: 1.0\n#Fields: date time c-ip cs-method\n2026-11-09 10:00:00 192.0.2.1 GET\n");
        assert_eq!((shape.reader, shape.guesses["timestamp"].as_str()), ("w3c", "{/date} {/time}"));
        assert_eq!(of("a\tb\tc\nd\te\tf").reader, "tsv");
    }

    #[test]
    fn draft_map_reads_values_inside_a_wrapping() {
        let docker = crate::ingest::presets::named("docker").unwrap();
        let shape = shape("a.log", &["{\"act\":\"x\",\"ts\":1794214800}".to_owned()], Some(&docker));
        assert!(shape.skeleton.contains("unwrap = [\"/log\"]"), "{}", shape.skeleton);
        assert!(shape.skeleton.contains("event_name = \"/act\""), "{}", shape.skeleton);
    }

    #[test]
    fn other_lines_get_a_pattern() {
        let shape = of(
            "192.0.2.1 [2026-11-09T10:00:00Z] \"GET /a\" 200\n192.0.2.2 [2026-11-09T10:00:01Z] \"GET /b\" 404",
        );
        assert_eq!((shape.reader, shape.records), ("text", 2));
        assert_eq!(shape.guesses["timestamp"], "/time");
        assert_eq!(shape.guesses["ip_address"], "/ip");
    }

    #[test]
    fn events_in_a_list_get_the_ids_of_outer_objects() {
        let shape =
            of(r#"{"id":7,"messages":[{"from":"user","at":1794214800},{"from":"bot","at":1794214801}]}"#);
        assert!(shape.skeleton.contains("unwrap = [\"/messages/*\"]"), "{}", shape.skeleton);
        assert!(shape.skeleton.contains("\"bot\" = \"message_received\""), "{}", shape.skeleton);
        let guesses = [("event_name", "/from"), ("session_id", "^/id"), ("timestamp", "/at")];
        let guesses = guesses.map(|(field, place)| (field, place.to_owned()));
        assert_eq!(shape.guesses, BTreeMap::from(guesses));
        assert_eq!(shape.records, 2);
    }

    #[test]
    fn every_skeleton_is_a_valid_map() {
        for text in [
            "",
            "{}",
            "{\"a\\\"b\\u007f\":\"x\",\"event\":\"quote \\\" and \\n\"}",
            "[{\"event\":\"a\",\"time\":1794214800},{\"event\":\"b\"}]",
            "a,b\n1,2",
            "a\tb\n1\t2",
            "a b;c\u{e9};3\n1;2;3",
            "it's one 'line'",
            "#Fields: a b\n1 2",
            "((( [ \" \\",
            "x",
            "{\"a/b\":{\"l\":[{\"t\":1794214800,\"from\":\"user\",\"type\":\"{x}\"}]},\"id\":1}",
            "INFO {\"a\": \"{b}\"}",
            "1,2,3,4\n5,6,7,8",
            "\"a\";\"b\"\n1;2",
            "a;b\n\"1;2\";3",
            "a=\"b c\" {d} {e \"POST /x\" [",
            "\u{1b}[31m é\u{0}",
        ] {
            let shape = of(text);
            let map = Map::parse("my.toml", &shape.skeleton);
            assert!(map.is_ok(), "{text:?}: {}\n{}", map.unwrap_err(), shape.skeleton);
        }
    }
}
