//! Parses `wa.toml`. An unknown key or the wrong type is an error with the line number.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::annotations::{self, Annotation};
use super::definitions::{self, Definition};
use super::keys::{KEYS, Key, last_part};
use crate::error::{Error, Result};

/// A setting in the file.
pub(super) struct Entry {
    pub key: &'static Key,
    pub value: String,
    pub line: usize,
}

/// The contents of a settings file, in the order of the lines.
#[derive(Default)]
pub(super) struct Contents {
    pub entries: Vec<Entry>,
    pub definitions: Vec<Definition>,
    pub annotations: Vec<Annotation>,
}

/// Parses the text of a settings file.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if the text is not TOML, a key is unknown or a value has a wrong
/// type.
pub(super) fn parse(path: &Path, text: &str) -> Result<Contents> {
    // Some editors write a byte order mark, which is not part of TOML.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().unwrap_or(0..0);
        file.error(at, e.message().trim_end().replace('\n', "; "))
            .hint("correct that line, or restore the file from a backup of the store")
    })?;
    let mut contents = Contents::default();
    file.read(table.get_ref(), "", &mut contents)?;
    Ok(contents)
}

/// The text of a settings file, for messages with lines.
pub(super) struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// Reads the settings of a table in the order of the file. `prefix` is the name of the table,
    /// followed by a dot.
    fn read(&self, table: &DeTable<'_>, prefix: &str, contents: &mut Contents) -> Result<()> {
        let mut items: Vec<_> = table.iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in items {
            let name = format!("{prefix}{}", key.get_ref());
            match (Key::find(&name), value.get_ref()) {
                (Some(key), DeValue::String(text)) => {
                    let line = self.line(&value.span());
                    contents.entries.push(Entry { key, value: text.to_string(), line });
                }
                (Some(key), other) => return Err(self.wrong_type(key, value.span(), other)),
                (None, DeValue::Table(inner)) if is_table(&name) => {
                    self.read(inner, &format!("{name}."), contents)?;
                }
                (None, DeValue::Table(inner)) if definition_table(&name).is_some() => {
                    let table = definition_table(&name).unwrap_or_default();
                    contents.definitions.extend(definitions::read(self, self.path, table, inner)?);
                }
                (None, DeValue::Table(inner)) if name == annotations::TABLE => {
                    contents.annotations.extend(annotations::read(self, inner)?);
                }
                (None, other)
                    if is_table(&name) || name == annotations::TABLE || definition_table(&name).is_some() =>
                {
                    let message = format!("`{name}` must be a table of settings, not {}", type_name(other));
                    return Err(self
                        .error(value.span(), message)
                        .hint(format!("write [{name}] on a separate line")));
                }
                (None, _) => return Err(self.unknown(&name, key)),
            }
        }
        Ok(())
    }

    fn wrong_type(&self, key: &Key, at: Range<usize>, value: &DeValue<'_>) -> Error {
        let message = format!("`{}` must be a quoted string, not {}", key.name, type_name(value));
        self.error(at, message).hint(key.example_line())
    }

    fn unknown<T: AsRef<str>>(&self, name: &str, key: &Spanned<T>) -> Error {
        // Names of tables are suggested at the top level only.
        let tables = ["retention", "privacy", annotations::TABLE].into_iter().chain(definitions::TABLES);
        let tables = tables.filter(|_| !name.contains('.'));
        let names = KEYS.iter().map(|key| key.name).chain(tables);
        let error = self.error(key.span(), format!("there is no setting `{name}`"));
        // The most likely mistake is a setting in the wrong table.
        if let Some(other) = KEYS.iter().find(|key| last_part(key.name) == last_part(name)) {
            return error.hint(match other.name.split_once('.') {
                Some((table, key)) => format!("move `{key}` below [{table}]"),
                None => format!("move `{}` to the top, before the first [table]", other.name),
            });
        }
        match crate::suggest::nearest(name, names) {
            Some(other) => error.hint(format!("did you mean `{other}`?")),
            None => {
                let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
                error.hint(format!("the settings are {}", names.join(", ")))
            }
        }
    }

    /// Returns a usage error with the line of a span.
    pub(super) fn error(&self, at: Range<usize>, message: String) -> Error {
        Error::usage(format!("{}, line {}: {message}", self.path.display(), self.line(&at)))
    }

    /// Returns the line number, from 1, at which a span starts.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(at.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Returns whether a table of this name has settings.
fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(table, _)| table == name))
}

/// Returns the table of definitions with this name.
fn definition_table(name: &str) -> Option<&'static str> {
    definitions::TABLES.into_iter().find(|table| *table == name)
}

/// Returns the type of a value, with its article.
pub(super) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
