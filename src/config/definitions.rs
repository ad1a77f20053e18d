//! Definitions in `wa.toml`: the events of goals, funnels and conversations, and the conditions of
//! segments.
//!
//! The user chooses the names of goals, funnels and segments. This module reads the definitions as
//! strings; the reports that use them interpret these strings.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::file::{File, type_name};
use crate::error::{Error, Result};

/// The tables of definitions.
pub(super) const TABLES: [&str; 4] = ["goals", "funnels", "conversations", "segments"];

/// A definition: a name, and events with conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The table, one of `goals`, `funnels`, `conversations` and `segments`.
    pub table: &'static str,
    /// The name.
    pub name: String,
    /// The events, or the conditions of a segment.
    pub events: Vec<WrittenEvent>,
    /// The line number, from 1.
    pub line: usize,
    path: PathBuf,
}

/// An event as written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenEvent {
    /// The event: a name, or `NAME where CONDITION` if there are no separate conditions.
    pub event: String,
    /// The conditions that are separate from the event.
    pub conditions: Vec<String>,
    /// The line number, from 1.
    pub line: usize,
}

impl Definition {
    /// Returns a usage error that names the definition and a line.
    pub fn error(&self, line: usize, reason: &str) -> Error {
        let path = self.path.display();
        Error::usage(format!("{path}, line {line}: `{}.{}`: {reason}", self.table, self.name))
    }

    /// Returns a usage error that adds the definition and a line to the error that the line's text
    /// caused.
    pub fn error_caused_by(&self, line: usize, error: &Error) -> Error {
        let named = self.error(line, &error.to_string());
        match error.hint_text() {
            Some(hint) => named.hint(hint.to_owned()),
            None => named,
        }
    }
}

/// Reads a table of definitions in the order of the file.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if a value is neither an event nor a list of events.
pub(super) fn read(
    file: &File<'_>,
    path: &Path,
    table: &'static str,
    values: &DeTable<'_>,
) -> Result<Vec<Definition>> {
    let mut items: Vec<_> = values.iter().collect();
    items.sort_by_key(|(key, _)| key.span().start);
    let mut definitions = Vec::new();
    for (key, value) in items {
        let name = key.get_ref().to_string();
        let read = |value: &toml::Spanned<DeValue<'_>>| event(file, table, &name, value);
        let events = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(read).collect::<Result<Vec<_>>>()?,
            _ => vec![read(value)?],
        };
        let line = file.line(&key.span());
        if events.is_empty() {
            return Err(file.error(value.span(), format!("`{table}.{name}` is empty")).hint(EXAMPLE));
        }
        definitions.push(Definition { table, name, events, line, path: path.to_owned() });
    }
    Ok(definitions)
}

const EXAMPLE: &str = "write events like \"page_viewed where page_url~/pricing\", or \
                       { event = \"page_viewed\", where = \"page_url~/pricing\" }";

fn event(
    file: &File<'_>,
    table: &str,
    name: &str,
    value: &toml::Spanned<DeValue<'_>>,
) -> Result<WrittenEvent> {
    let line = file.line(&value.span());
    let wrong =
        |what: &str| Err(file.error(value.span(), format!("`{table}.{name}` must be {what}")).hint(EXAMPLE));
    let members = match value.get_ref() {
        DeValue::String(text) => {
            return Ok(WrittenEvent { event: text.to_string(), conditions: Vec::new(), line });
        }
        DeValue::Table(members) => members,
        other => return wrong(&format!("an event, not {}", type_name(other))),
    };
    let mut written = WrittenEvent { event: String::new(), conditions: Vec::new(), line };
    for (key, value) in members.iter() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("event", DeValue::String(text)) => written.event = text.to_string(),
            ("where", DeValue::String(text)) => written.conditions.push(text.to_string()),
            ("where", DeValue::Array(list)) => {
                for condition in list.iter() {
                    match condition.get_ref() {
                        DeValue::String(text) => written.conditions.push(text.to_string()),
                        _ => return wrong("an event whose conditions are strings"),
                    }
                }
            }
            _ => return wrong("an event with the keys event and where, whose values are strings"),
        }
    }
    if written.event.is_empty() { wrong("an event with the key event") } else { Ok(written) }
}
