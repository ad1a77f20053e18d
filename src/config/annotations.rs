//! `[annotations]` in `wa.toml`: notes on days.

use toml::de::{DeTable, DeValue};

use super::file::{File, type_name};
use crate::error::Result;
use crate::time::Day;

/// The name of the table.
pub(super) const TABLE: &str = "annotations";

const EXAMPLE: &str = "write annotations like \"2026-11-03\" = \"new widget\"";

/// A note on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The day.
    pub day: Day,
    /// The note.
    pub text: String,
}

/// Reads the annotations, ordered by day. Annotations of one day keep the order of the file.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if a key is not a day, or a value is neither a string nor a list of
/// strings.
pub(super) fn read(file: &File<'_>, values: &DeTable<'_>) -> Result<Vec<Annotation>> {
    let mut annotations = Vec::new();
    for (key, value) in values.iter() {
        let name = key.get_ref();
        let Some(day) = Day::parse(name) else {
            let message = format!("`{TABLE}.{name}`: the name of an annotation must be a day, YYYY-MM-DD");
            return Err(file.error(key.span(), message).hint(EXAMPLE));
        };
        let single = std::slice::from_ref(value);
        let notes = match value.get_ref() {
            DeValue::Array(list) => &list[..],
            _ => single,
        };
        for note in notes {
            let DeValue::String(text) = note.get_ref() else {
                let found = type_name(note.get_ref());
                let message = format!("`{TABLE}.{name}` must be a string or a list of strings, not {found}");
                return Err(file.error(note.span(), message).hint(EXAMPLE));
            };
            annotations.push(Annotation { day, text: text.to_string() });
        }
    }
    annotations.sort_by_key(|annotation| annotation.day);
    Ok(annotations)
}
