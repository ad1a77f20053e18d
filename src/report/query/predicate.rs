//! `--where`: conditions on a column or property of an event.
//!
//! Examples: `properties.button_id=send_message`, `properties.timing.load > 200`,
//! `page_url~pricing`, `city!=Bonn`, and `user_id=` for events without a user id.

use super::json_lookup::at_path;
use super::operator::Operator;
use crate::decimal::DecimalText;
use crate::error::{Error, Result};
use crate::json;
use crate::store::columns::{Column, ColumnType, EVENTS};
use crate::store::frame::{Cell, Cells, Frame};
use crate::suggest::nearest;
use crate::time::{format_utc, parse_human};

/// A condition on one value of an event.
#[derive(Clone, Debug)]
pub struct Predicate {
    column: &'static Column,
    /// The path to a value within a JSON column; empty for the column itself.
    path: Vec<String>,
    operator: Operator,
    value: String,
}

impl Predicate {
    /// Parses a condition: a column, or a path into a JSON column, an operator and a value.
    ///
    /// # Errors
    /// Returns a usage error that suggests the nearest column or shows the syntax.
    pub fn parse(text: &str) -> Result<Predicate> {
        let syntax = "write it as properties.button_id=send_message; \
                      the operators are = != < <= > >= and ~ (contains)";
        let Some((target, operator, value)) = Operator::split(text) else {
            return Err(Error::usage(format!("--where {text:?} has no comparison operator")).hint(syntax));
        };
        let mut keys = target.split('.').map(str::to_owned);
        let name = keys.next().unwrap_or_default();
        let path: Vec<String> = keys.collect();
        let Some(column) = EVENTS.iter().find(|column| column.name == name) else {
            let hint = match nearest(&name, EVENTS.iter().map(|column| column.name)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("to filter by a property, write properties.{target}; {syntax}"),
            };
            return Err(Error::usage(format!("--where {text:?}: events have no column {name:?}")).hint(hint));
        };
        if column.kind != ColumnType::Json && !path.is_empty() {
            return Err(Error::usage(format!("--where {text:?}: {name} has no nested values"))
                .hint("only properties, extra and user_metadata do"));
        }
        Ok(Predicate { column, path, operator, value: value.to_owned() })
    }

    /// Returns the name of the column to read.
    pub(crate) fn column(&self) -> &'static str {
        self.column.name
    }

    /// Binds the condition to the rows of a frame that has the column.
    pub(crate) fn bind<'a>(&'a self, frame: &Frame) -> Result<BoundPredicate<'a>> {
        // A number may be an index into a list, which the JSON text does not contain.
        let key = self.path.iter().rev().find(|key| key.parse::<usize>().is_err());
        Ok(BoundPredicate {
            predicate: self,
            cells: frame.cells(self.column)?,
            key: key.map(|key| memchr::memmem::Finder::new(key.as_bytes())),
        })
    }

    /// Returns whether a missing value satisfies the condition: it equals the empty text only.
    fn matches_null(&self) -> bool {
        match self.operator {
            Operator::Equal => self.value.is_empty(),
            Operator::NotEqual => !self.value.is_empty(),
            _ => false,
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        let value = self.value.as_str();
        if self.operator == Operator::Contains {
            return text.contains(value) || text.to_lowercase().contains(&value.to_lowercase());
        }
        // Two numbers compare by value, all other texts as text. An id that looks like a number is
        // a text: 7 is not 007.
        let numbers = match is_id(self.column) {
            true => None,
            false => DecimalText::parse(text).zip(DecimalText::parse(value)),
        };
        self.operator.accepts(numbers.map_or_else(|| text.cmp(value), |(a, b)| a.cmp(&b)))
    }
}

fn is_id(column: &Column) -> bool {
    column.kind == ColumnType::Uuid || column.name.ends_with("_id")
}

/// A [`Predicate`] bound to the rows of one frame.
pub(crate) struct BoundPredicate<'a> {
    predicate: &'a Predicate,
    cells: Cells,
    /// Finds the last key of the path in a JSON text.
    key: Option<memchr::memmem::Finder<'a>>,
}

impl BoundPredicate<'_> {
    /// Returns whether a row satisfies the condition. A missing value, like null, equals the empty
    /// text and differs from every other text.
    pub fn matches(&self, row: usize) -> bool {
        let predicate = self.predicate;
        match self.cells.get(row) {
            Cell::Null => predicate.matches_null(),
            Cell::Text(text) => predicate.matches_text(text),
            Cell::Json(json) => self.matches_json(json),
            Cell::Int(number) => predicate.matches_text(&number.to_string()),
            Cell::Float(number) => predicate.matches_text(&number.to_string()),
            Cell::Bool(value) => predicate.matches_text(if value { "true" } else { "false" }),
            Cell::Time(time) => match (parse_human(&predicate.value), predicate.operator) {
                (Some(value), operator) if operator != Operator::Contains => {
                    operator.accepts(time.cmp(&value))
                }
                _ => predicate.matches_text(&format_utc(time)),
            },
            Cell::Date(day) => predicate.matches_text(&day.to_string()),
        }
    }

    fn matches_json(&self, json: &str) -> bool {
        // Most objects do not contain the key, which a search for its text shows without parsing.
        // An escape may hide the key, so objects with a backslash are parsed.
        if let Some(key) = &self.key
            && key.find(json.as_bytes()).is_none()
            && memchr::memchr(b'\\', json.as_bytes()).is_none()
        {
            return self.predicate.matches_null();
        }
        if self.predicate.path.is_empty() {
            return self.predicate.matches_text(json);
        }
        // The value is compared as it is written in the log: a parser would round long numbers and
        // reject deeply nested objects.
        let found = at_path(json, &self.predicate.path).filter(|value| *value != "null");
        let Some(value) = found else { return self.predicate.matches_null() };
        match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => self.predicate.matches_text(&json::unescape(text)),
            None if value.starts_with(['{', '[']) => {
                self.predicate.matches_text(&json::lenient::compact(value))
            }
            None => self.predicate.matches_text(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::frame::FrameBuilder;

    fn matches(predicate: &str) -> bool {
        let mut builder = FrameBuilder::new(Table::Events);
        let properties = r#"{"button_id":"send_message","n":12,"deep":{"list":[5,"six"]},"yes":true,"none":null,"order":1234567890123456789}"#;
        builder.row(&[
            ("session_id", Cell::Text("007")),
            ("user_id", Cell::Text("1234567890123456789")),
            ("properties", Cell::Json(properties)),
            ("page_url", Cell::Text("https://shop.example/Pricing")),
            ("screen_width", Cell::Int(390)),
            ("timestamp", Cell::Time(1_000_000)),
            ("is_bot", Cell::Bool(false)),
        ]);
        let frame = builder.finish().unwrap();
        Predicate::parse(predicate).unwrap().bind(&frame).unwrap().matches(0)
    }

    #[test]
    fn properties_and_columns_are_compared() {
        for yes in [
            "properties.button_id=send_message",
            "properties.button_id != other",
            "properties.button_id~SEND",
            "properties.n=12.0",
            "properties.n > 9",
            "properties.n<=12",
            "properties.deep.list.0=5",
            "properties.deep.list.1=six",
            "properties.yes=true",
            "properties.absent=",
            "properties.none=",
            "properties.absent!=x",
            "page_url~pricing",
            "screen_width<400",
            "timestamp>=1970-01-01T00:00:01Z",
            "is_bot=false",
            "city=",
            "properties~send_message",
            "properties.order=1234567890123456789",
            "properties.order<1234567890123456789.5",
            "user_id=1234567890123456789",
            "session_id=007",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in [
            "properties.button_id=send",
            "properties.n>12",
            "properties.n=1",
            "properties.absent=x",
            "properties.absent>0",
            "properties.absent~x",
            "properties.button_id=",
            "page_url=pricing",
            "timestamp<1970-01-01T00:00:01Z",
            "city!=",
            // The same numbers as floats.
            "properties.order=1234567890123456788",
            "properties.order=1.2345678901234568e18",
            "user_id=1234567890123456788",
            "user_id=1234567890123456789.0",
            "session_id=7",
        ] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn deeply_nested_property_is_found() {
        // A recursive parser gives up at 128 levels.
        let nested = |inner: &str| "{\"a\":".repeat(200) + inner + &"}".repeat(200);
        let properties = format!("{{\"deep\":{},\"plan\" : \"pro\\u00e9\"}}", nested("[1, \"x\"]"));
        let matches = |predicate: &str| {
            let mut builder = FrameBuilder::new(Table::Events);
            builder.row(&[("properties", Cell::Json(&properties))]);
            Predicate::parse(predicate).unwrap().bind(&builder.finish().unwrap()).unwrap().matches(0)
        };
        assert!(matches("properties.plan=proé"));
        assert!(!matches("properties.plan="));
        let path = format!("properties.deep{}", ".a".repeat(200));
        assert!(matches(&format!("{path}.1=x")) && matches(&format!("{path}.0<2")));
        assert!(matches(&format!("{path}=[1,\"x\"]")) && matches(&format!("{path}.2=")));
    }

    #[test]
    fn invalid_condition_is_rejected_with_a_hint() {
        for (wrong, hint) in [
            ("properties.button_id", "write it as"),
            ("propertys.button_id=x", "did you mean properties?"),
            ("button=x", "properties.button"),
            ("city.name=x", "properties, extra and user_metadata do"),
            ("=x", "write it as"),
        ] {
            let error = Predicate::parse(wrong).unwrap_err();
            assert!(error.hint_text().unwrap_or("").contains(hint), "{wrong}: {:?}", error.hint_text());
        }
    }
}
