//! Reads `wa.toml`: every wrong key, value and type is an error that names its line.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key};
use crate::error::{Error, Result};

/// A value of the file, and where it stands.
pub(super) struct Entry {
    pub key: &'static Key,
    pub value: String,
    pub line: usize,
}

/// Reads the text of a settings file.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Entry>> {
    // A byte order mark is what some editors leave; it is no part of TOML.
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
    /// Reads a table, whose keys begin with `prefix`, in the order of the lines.
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
                    let what = format!("`{name}` is a table of settings, not {}", article(other));
                    return Err(self
                        .error(value.span(), what)
                        .hint(format!("write [{name}] on a line of its own")));
                }
                (None, _) => return Err(self.unknown(&name, key)),
            }
        }
        Ok(())
    }

    fn wrong_type(&self, key: &Key, at: Range<usize>, value: &DeValue<'_>) -> Error {
        let what = format!("`{}` has to be text in quotes, not {}", key.name, article(value));
        let last = key.name.rsplit('.').next().unwrap_or(key.name);
        self.error(at, what).hint(format!("write it like {last} = \"{}\"", key.example))
    }

    fn unknown<T: AsRef<str>>(&self, name: &str, key: &Spanned<T>) -> Error {
        // Within a table, its own name is no better one.
        let tables = ["retention", "privacy"].into_iter().filter(|_| !name.contains('.'));
        let names = KEYS.iter().map(|key| key.name).chain(tables);
        let error = self.error(key.span(), format!("there is no setting `{name}`"));
        // A right name in the wrong table is the likeliest slip: compare the last parts first.
        let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
        if let Some(other) = KEYS.iter().find(|key| last(key.name) == last(name)) {
            return error.hint(match other.name.split_once('.') {
                Some((table, key)) => format!("`{key}` belongs under [{table}]"),
                None => format!("`{}` belongs at the top, before the first [table]", other.name),
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

    fn error(&self, at: Range<usize>, what: String) -> Error {
        Error::usage(format!("{}, line {}: {what}", self.path.display(), self.line(&at)))
    }

    /// Returns the number of the line, from 1, in which a span begins.
    fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(at.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Tells whether some setting stands in the table of this name.
fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(table, _)| table == name))
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
