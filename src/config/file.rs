//! Parses `wa.toml`. An unknown key or a wrong type is an error with the number of the line.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key};
use crate::error::{Error, Result};

/// A setting in the file.
pub(super) struct Entry {
    pub key: &'static Key,
    pub value: String,
    pub line: usize,
}

/// Parses the text of a settings file.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if the text is not TOML, a key is unknown or a value is not a
/// string.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Entry>> {
    // Some editors write a byte order mark, which is not part of TOML.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|e| {
        let at = e.span().unwrap_or(0..0);
        file.error(at, e.message().trim_end().replace('\n', "; "))
    })?;
    let mut entries = Vec::new();
    file.read(table.get_ref(), "", &mut entries)?;
    Ok(entries)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// Reads the settings of a table in the order of their lines. `prefix` is the name of the table
    /// with a dot.
    fn read(&self, table: &DeTable<'_>, prefix: &str, entries: &mut Vec<Entry>) -> Result<()> {
        let mut items: Vec<_> = table.iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in items {
            let name = format!("{prefix}{}", key.get_ref());
            match (Key::find(&name), value.get_ref()) {
                (Some(key), DeValue::String(text)) => {
                    entries.push(Entry { key, value: text.to_string(), line: self.line(&value.span()) });
                }
                (Some(key), other) => return Err(self.wrong_type(key, value.span(), other)),
                (None, DeValue::Table(inner)) if is_table(&name) => {
                    self.read(inner, &format!("{name}."), entries)?;
                }
                (None, other) if is_table(&name) => {
                    let message = format!("`{name}` is a table of settings, not {}", type_name(other));
                    return Err(self
                        .error(value.span(), message)
                        .hint(format!("write [{name}] on a line of its own")));
                }
                (None, _) => return Err(self.unknown(&name, key)),
            }
        }
        Ok(())
    }

    fn wrong_type(&self, key: &Key, at: Range<usize>, value: &DeValue<'_>) -> Error {
        let message = format!("`{}` must be a quoted string, not {}", key.name, type_name(value));
        let name = last_part(key.name);
        self.error(at, message).hint(format!("write it like {name} = \"{}\"", key.example))
    }

    fn unknown<T: AsRef<str>>(&self, name: &str, key: &Spanned<T>) -> Error {
        // Names of tables are suggested at the top level only.
        let tables = ["retention", "privacy"].into_iter().filter(|_| !name.contains('.'));
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

    fn error(&self, at: Range<usize>, message: String) -> Error {
        Error::usage(format!("{}, line {}: {message}", self.path.display(), self.line(&at)))
    }

    /// Returns the number of the line, from 1, in which a span starts.
    fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(at.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Returns the name of a setting without its table.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Returns whether a table of this name has settings.
fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(table, _)| table == name))
}

/// Returns the type of a value, with its article.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
