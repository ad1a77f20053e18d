//! Fields: the columns and JSON values that conditions and breakdowns read from sessions and
//! events.

use super::syntax;
use crate::error::{Error, Result};
use crate::store::columns::{Column, ColumnType, Table};
use crate::suggest::nearest;

/// The kind of rows that a condition selects. It determines which column is meant by a name that
/// both sessions and events have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The sessions of a report.
    Sessions,
    /// The events of a list, or of a step of a funnel.
    Events,
}

impl Subject {
    fn tables(self) -> [Table; 2] {
        match self {
            Subject::Sessions => [Table::Sessions, Table::Events],
            Subject::Events => [Table::Events, Table::Sessions],
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Subject::Sessions => "sessions",
            Subject::Events => "events",
        }
    }
}

/// A column of `sessions` or `events`, or a value inside one of their JSON columns.
#[derive(Clone, Debug)]
pub struct Field {
    table: Table,
    column: &'static Column,
    /// The keys of a value inside a JSON column; empty for the column itself.
    path: Vec<String>,
    /// The name as the user wrote it.
    name: String,
    /// Whether the name is not a column and is assumed to be a property.
    is_guess: bool,
}

impl Field {
    /// Parses the name of a field, such as `country_code`, `event.page_url` or `properties.plan`.
    ///
    /// # Errors
    /// Returns a usage error that suggests the nearest name.
    pub fn parse(name: &str, subject: Subject) -> Result<Field> {
        Field::new(syntax::field_name(name)?, subject)
    }

    /// Returns the field with the given keys. A name that is not a column is assumed to be a
    /// property.
    pub(super) fn new(keys: Vec<String>, subject: Subject) -> Result<Field> {
        let name = keys.join(".");
        let (first, rest) = keys.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let prefixed = [("event", Table::Events), ("session", Table::Sessions)];
        if let Some((_, table)) = prefixed.into_iter().find(|(prefix, _)| *prefix == first)
            && let Some((column, path)) = rest.split_first()
        {
            let found = find_column(table, column)
                .ok_or_else(|| unknown_column(&name, column, &[table], [].into_iter()))?;
            return Field::of_column(table, found, path, name);
        }
        let column = subject.tables().into_iter().find_map(|table| Some((table, find_column(table, first)?)));
        if let Some((table, column)) = column {
            return Field::of_column(table, column, rest, name);
        }
        let properties = find_column(Table::Events, "properties");
        let column =
            properties.ok_or_else(|| unknown_column(&name, first, &subject.tables(), [].into_iter()))?;
        Ok(Field { table: Table::Events, column, path: keys, name, is_guess: true })
    }

    fn of_column(table: Table, column: &'static Column, path: &[String], name: String) -> Result<Field> {
        if column.kind != ColumnType::Json && !path.is_empty() {
            return Err(Error::usage(format!("{} has no nested values, as in {name}", column.name))
                .hint("only properties, extra, user_metadata and event_counts do"));
        }
        // The name of an event can contain dots, and counts are not nested.
        let path = match column.name {
            "event_counts" if !path.is_empty() => vec![path.join(".")],
            _ => path.to_vec(),
        };
        Ok(Field { table, column, path, name, is_guess: false })
    }

    /// Returns the table that has the column.
    pub fn table(&self) -> Table {
        self.table
    }

    /// Returns the column to read.
    pub(crate) fn column(&self) -> &'static Column {
        self.column
    }

    /// Returns the keys of a value inside a JSON column; empty for the column itself.
    pub(crate) fn path(&self) -> &[String] {
        &self.path
    }

    /// Returns the name as the user wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the name is not a column and is assumed to be a property.
    pub(super) fn is_guess(&self) -> bool {
        self.is_guess
    }

    /// Replaces the assumed column with the JSON column in which the name was found.
    pub(super) fn confirm(&mut self, table: Table, column: &'static Column) {
        (self.table, self.column, self.is_guess) = (table, column, false);
    }

    /// Returns the error for an assumed property that no event has. `keys` are the names that
    /// events have.
    pub(super) fn unknown<'k>(&self, subject: Subject, keys: impl Iterator<Item = &'k str>) -> Error {
        let first = self.path.first().map_or("", String::as_str);
        let error = unknown_column(&self.name, first, &subject.tables(), keys);
        match error.hint_text() {
            Some(_) => error,
            None => error.hint(format!(
                "{} have no such column, and no event of these days has such a property; `wa events \
                 --limit 1 --format ndjson` shows the fields of an event",
                subject.plural()
            )),
        }
    }

    /// Returns whether values are ids, which compare as strings: 7 is not 007.
    pub(super) fn is_id(&self) -> bool {
        self.column.kind == ColumnType::Uuid || (self.path.is_empty() && self.column.name.ends_with("_id"))
    }

    /// Returns whether all values are numbers.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.column.kind, ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float)
    }

    /// Returns whether values can be numbers, or strings that contain a number.
    pub(super) fn can_hold_numbers(&self) -> bool {
        self.is_number() || matches!(self.column.kind, ColumnType::Text | ColumnType::Json) && !self.is_id()
    }

    /// Returns the label of a missing value, as in the reports `sources` and `events`.
    pub(crate) fn null_text(&self) -> Option<&'static str> {
        match (self.table, self.column.name, self.path.len()) {
            (Table::Sessions, "channel", 0) => Some("Direct"),
            (Table::Sessions, "referrer_domain", 0) => Some("direct"),
            // The count of an event that did not happen is 0.
            (_, "event_counts", 1..) => Some("0"),
            _ => None,
        }
    }
}

fn find_column(table: Table, name: &str) -> Option<&'static Column> {
    // `merge_state` is internal.
    table.columns().iter().find(|column| column.name == name && name != "merge_state")
}

/// Returns the error for an unknown name. The hint is the nearest column or key, if one is near.
fn unknown_column<'k>(
    field: &str,
    name: &str,
    tables: &[Table],
    keys: impl Iterator<Item = &'k str>,
) -> Error {
    let columns = tables.iter().flat_map(|table| table.column_names()).filter(|name| *name != "merge_state");
    let columns = columns.map(|name| -> &'k str { name });
    let error = Error::usage(format!("there is no field {field:?}"));
    match nearest(name, columns.chain(keys)) {
        Some(near) if tables.len() == 1 => {
            let prefix = if tables.contains(&Table::Events) { "event" } else { "session" };
            error.hint(format!("did you mean {prefix}.{near}?"))
        }
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, subject: Subject) -> String {
        let field = Field::parse(name, subject).unwrap();
        format!("{}.{}/{}", field.table.name(), field.column.name, field.path.join("/"))
    }

    #[test]
    fn name_selects_the_column_of_the_subject() {
        let session = |name| field(name, Subject::Sessions);
        assert_eq!(session("country_code"), "sessions.country_code/");
        assert_eq!(session("event.country_code"), "events.country_code/");
        assert_eq!(session("event_name"), "events.event_name/");
        assert_eq!(session("user_metadata.plan.0"), "sessions.user_metadata/plan/0");
        assert_eq!(session("properties.a.b"), "events.properties/a/b");
        assert_eq!(session("event.properties.a"), "events.properties/a");
        assert_eq!(session("event_counts.chat.opened"), "sessions.event_counts/chat.opened");
        assert_eq!(session("plan"), "events.properties/plan");
        let event = |name| field(name, Subject::Events);
        assert_eq!(event("country_code"), "events.country_code/");
        assert_eq!(event("session.country_code"), "sessions.country_code/");
        assert_eq!(event("duration_seconds"), "sessions.duration_seconds/");
    }

    #[test]
    fn unknown_field_suggests_the_nearest() {
        for (wrong, hint) in [
            ("event.contry_code", "did you mean event.country_code?"),
            ("session.chanel", "did you mean session.channel?"),
            ("city.name", "only properties, extra, user_metadata and event_counts do"),
        ] {
            let error = Field::parse(wrong, Subject::Sessions).unwrap_err();
            assert_eq!(error.hint_text(), Some(hint), "{wrong}");
        }
        let guess = Field::parse("contry_code", Subject::Sessions).unwrap();
        assert!(guess.is_guess);
        let error = guess.unknown(Subject::Sessions, ["plan"].into_iter());
        assert_eq!(error.to_string(), "there is no field \"contry_code\"");
        assert_eq!(error.hint_text(), Some("did you mean country_code?"));
        let error = Field::parse("plann", Subject::Sessions).unwrap();
        let error = error.unknown(Subject::Sessions, ["cart", "plan"].into_iter());
        assert_eq!(error.hint_text(), Some("did you mean plan?"));
        Field::parse("session.merge_state", Subject::Sessions).unwrap_err();
    }
}
