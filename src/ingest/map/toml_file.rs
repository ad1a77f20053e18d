//! The values of a TOML file with their positions, so that errors can name lines.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::suggest::nearest;

/// A TOML file.
#[derive(Clone, Copy)]
pub struct TomlFile<'a> {
    /// Name of the file, for errors.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

/// A value and its position.
#[derive(Clone, Copy)]
pub struct Entry<'t> {
    /// The key.
    pub key: &'t str,
    /// Offset of the key in the file.
    pub at: usize,
    /// The value.
    pub value: &'t DeValue<'t>,
    /// Offset of the value in the file.
    pub value_at: usize,
}

impl<'a> TomlFile<'a> {
    /// Parses the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the text is not TOML.
    pub fn parse(self) -> Result<Spanned<DeTable<'a>>> {
        DeTable::parse(self.text).map_err(|e| self.error(e.span().map_or(0, |span| span.start), e.message()))
    }

    /// Returns an error that names the line at an offset.
    pub fn error(self, at: usize, message: &str) -> Error {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        Error::usage(format!("{}:{line}: {message}", self.name))
    }

    /// Returns the error about an unknown key or name.
    pub fn unknown(self, at: usize, kind: &str, name: &str, known: &[&str]) -> Error {
        let message = match nearest(name, known.iter().copied()) {
            Some(near) => format!("there is no {kind} '{name}'; did you mean '{near}'?"),
            None => format!("there is no {kind} '{name}'"),
        };
        self.error(at, &message).hint(format!("use one of {}", known.join(", ")))
    }

    /// Returns the entries of a table, in the order of the file.
    pub fn entries<'t>(self, table: &'t DeTable<'t>) -> Vec<Entry<'t>> {
        let mut entries: Vec<Entry<'t>> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref(),
                at: key.span().start,
                value: value.get_ref(),
                value_at: value.span().start,
            })
            .collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// Returns a string.
    pub fn text(self, entry: Entry<'_>) -> Result<String> {
        match entry.value {
            DeValue::String(text) => Ok(text.to_string()),
            _ => Err(self.error(entry.value_at, &format!("'{}' must be a quoted string", entry.key))),
        }
    }

    /// Returns a string, or a list of strings, with their positions.
    pub fn texts(self, entry: Entry<'_>) -> Result<Vec<(String, usize)>> {
        let error = |at| self.error(at, &format!("'{}' must be a string or a list of strings", entry.key));
        match entry.value {
            DeValue::String(text) => Ok(vec![(text.to_string(), entry.value_at)]),
            DeValue::Array(list) => list
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Ok((text.to_string(), item.span().start)),
                    _ => Err(error(item.span().start)),
                })
                .collect(),
            _ => Err(error(entry.value_at)),
        }
    }

    /// Returns a boolean.
    pub fn boolean(self, entry: Entry<'_>) -> Result<bool> {
        match entry.value {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.error(entry.value_at, &format!("'{}' must be true or false", entry.key))),
        }
    }

    /// Returns the entries of a table.
    pub fn table<'t>(self, entry: Entry<'t>) -> Result<Vec<Entry<'t>>> {
        match entry.value {
            DeValue::Table(table) => Ok(self.entries(table)),
            _ => Err(self.error(entry.value_at, &format!("'{}' must be a table", entry.key))),
        }
    }
}
