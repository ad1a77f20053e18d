//! `--where`: what an event's property or column must be.
//!
//! `properties.button_id=send_message`, `properties.timing.load > 200`, `page_url~pricing`,
//! `city!=Bonn`, `user_id=` (there is none).

use super::property::at_path;
use crate::decimal::compare::Decimal;
use crate::error::{Error, Result};
use crate::json;
use crate::store::columns::{Column, ColumnType, EVENTS};
use crate::store::frame::{Cell, Cells, Frame};
use crate::suggest::nearest;
use crate::time::{format_utc, parse_human};

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Equal,
    Different,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
}

const SIGNS: [(&str, Sign); 8] = [
    ("!=", Sign::Different),
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("==", Sign::Equal),
    ("=", Sign::Equal),
    ("<", Sign::Less),
    (">", Sign::More),
    ("~", Sign::Contains),
];

/// A condition on one value of an event.
#[derive(Clone, Debug)]
pub struct Predicate {
    column: &'static Column,
    /// The keys that lead to a value within a JSON column.
    path: Vec<String>,
    sign: Sign,
    value: String,
}

impl Predicate {
    /// Reads a condition: a column, or a path into a JSON one, then a sign and a value.
    ///
    /// # Errors
    /// Of kind usage, with the nearest column, or the form.
    pub fn parse(text: &str) -> Result<Predicate> {
        let form =
            "write it as properties.button_id=send_message; the signs are = != < <= > >= and ~ (contains)";
        let found = text.char_indices().find_map(|(at, _)| {
            let rest = text.get(at..)?;
            SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(sign, what)| (at, sign.len(), *what))
        });
        let Some((at, length, sign)) = found else {
            return Err(Error::usage(format!("--where {text:?} compares nothing")).hint(form));
        };
        let (place, rest) = text.split_at(at);
        let mut keys = place.trim().split('.').map(str::to_owned);
        let name = keys.next().unwrap_or_default();
        let path: Vec<String> = keys.collect();
        let Some(column) = EVENTS.iter().find(|column| column.name == name) else {
            let known: Vec<String> = EVENTS.iter().map(|column| column.name.to_owned()).collect();
            let hint = match nearest(&name, &known) {
                Some(near) if !name.is_empty() => format!("did you mean {near}?"),
                _ => format!("a property is named properties.{}; {form}", place.trim()),
            };
            return Err(Error::usage(format!("--where {text:?}: events have no column {name:?}")).hint(hint));
        };
        if column.kind != ColumnType::Json && !path.is_empty() {
            return Err(Error::usage(format!("--where {text:?}: {name} has nothing within it"))
                .hint("properties, extra and user_metadata do"));
        }
        let value = rest.get(length..).unwrap_or("").trim().to_owned();
        Ok(Predicate { column, path, sign, value })
    }

    /// Returns the column to read.
    pub fn column(&self) -> &'static str {
        self.column.name
    }

    /// Makes the test for the rows of a frame.
    pub(crate) fn on<'a>(&'a self, frame: &Frame) -> Result<Test<'a>> {
        // A number may be a place in a list, which no text spells out.
        let needle = self.path.iter().rev().find(|key| key.parse::<usize>().is_err());
        let needle = needle.map(|key| key.as_bytes());
        Ok(Test {
            predicate: self,
            cells: frame.cells(self.column)?,
            needle: needle.map(memchr::memmem::Finder::new),
        })
    }
}

/// A [`Predicate`] on the rows of one frame.
pub(crate) struct Test<'a> {
    predicate: &'a Predicate,
    cells: Cells,
    needle: Option<memchr::memmem::Finder<'a>>,
}

impl Test<'_> {
    /// Tells whether a row fits. A value that is not there, or null, is equal to nothing but the
    /// empty text, and is different from everything else.
    pub fn fits(&self, row: usize) -> bool {
        let predicate = self.predicate;
        match self.cells.get(row) {
            Cell::Null => predicate.fits_nothing(),
            Cell::Text(text) => predicate.fits_text(text),
            Cell::Json(json) => self.fits_json(json),
            Cell::Int(number) => predicate.fits_text(&number.to_string()),
            Cell::Float(number) => predicate.fits_text(&number.to_string()),
            Cell::Bool(value) => predicate.fits_text(if value { "true" } else { "false" }),
            Cell::Time(time) => match (parse_human(&predicate.value), predicate.sign) {
                (Some(wanted), sign) if sign != Sign::Contains => sign.fits(time.cmp(&wanted)),
                _ => predicate.fits_text(&format_utc(time)),
            },
            Cell::Date(day) => predicate.fits_text(&day.to_string()),
        }
    }

    fn fits_json(&self, json: &str) -> bool {
        // Most objects do not have the key, and need not be parsed to see it.
        if let Some(needle) = &self.needle
            && needle.find(json.as_bytes()).is_none()
            && memchr::memchr(b'\\', json.as_bytes()).is_none()
        {
            return self.predicate.fits_nothing();
        }
        if self.predicate.path.is_empty() {
            return self.predicate.fits_text(json);
        }
        // The value as it stands in the log: a parser would round long numbers, and give up where objects are
        // nested deep.
        let found = at_path(json, &self.predicate.path).filter(|value| *value != "null");
        let Some(value) = found else { return self.predicate.fits_nothing() };
        match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => self.predicate.fits_text(&json::unescape(text)),
            None if value.starts_with(['{', '[']) => self.predicate.fits_text(&json::lenient::compact(value)),
            None => self.predicate.fits_text(value),
        }
    }
}

impl Predicate {
    fn fits_nothing(&self) -> bool {
        match self.sign {
            Sign::Equal => self.value.is_empty(),
            Sign::Different => !self.value.is_empty(),
            _ => false,
        }
    }

    fn fits_text(&self, text: &str) -> bool {
        let wanted = self.value.as_str();
        if self.sign == Sign::Contains {
            return text.contains(wanted) || text.to_lowercase().contains(&wanted.to_lowercase());
        }
        // Numbers compare as numbers, whatever their spelling; all else as text, ids too.
        let numbers = match holds_ids(self.column) {
            true => None,
            false => Decimal::parse(text).zip(Decimal::parse(wanted)),
        };
        self.sign.fits(numbers.map_or_else(|| text.cmp(wanted), |(a, b)| a.cmp(&b)))
    }
}

/// Tells whether a column holds ids, which may look like numbers.
fn holds_ids(column: &Column) -> bool {
    column.kind == ColumnType::Uuid || column.name.ends_with("_id")
}

impl Sign {
    fn fits(self, order: std::cmp::Ordering) -> bool {
        match self {
            Sign::Equal => order.is_eq(),
            Sign::Different => order.is_ne(),
            Sign::Less => order.is_lt(),
            Sign::AtMost => order.is_le(),
            Sign::More => order.is_gt(),
            Sign::AtLeast => order.is_ge(),
            Sign::Contains => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::frame::FrameBuilder;

    fn fits(predicate: &str) -> bool {
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
        Predicate::parse(predicate).unwrap().on(&frame).unwrap().fits(0)
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
            assert!(fits(yes), "{yes}");
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
            // What a float takes for the same.
            "properties.order=1234567890123456788",
            "properties.order=1.2345678901234568e18",
            "user_id=1234567890123456788",
            "user_id=1234567890123456789.0",
            "session_id=7",
        ] {
            assert!(!fits(no), "{no}");
        }
    }

    #[test]
    fn a_property_is_found_however_deep_the_objects_beside_it_and_around_it_are_nested() {
        // A parser that goes down by recursion gives up at 128.
        let nested = |inner: &str| "{\"a\":".repeat(200) + inner + &"}".repeat(200);
        let properties = format!("{{\"deep\":{},\"plan\" : \"pro\\u00e9\"}}", nested("[1, \"x\"]"));
        let fits = |predicate: &str| {
            let mut builder = FrameBuilder::new(Table::Events);
            builder.row(&[("properties", Cell::Json(&properties))]);
            Predicate::parse(predicate).unwrap().on(&builder.finish().unwrap()).unwrap().fits(0)
        };
        assert!(fits("properties.plan=proé"));
        assert!(!fits("properties.plan="));
        let path = format!("properties.deep{}", ".a".repeat(200));
        assert!(fits(&format!("{path}.1=x")) && fits(&format!("{path}.0<2")));
        assert!(fits(&format!("{path}=[1,\"x\"]")) && fits(&format!("{path}.2=")));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_a_fix() {
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
