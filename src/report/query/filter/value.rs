//! A value of a condition: text, pattern, number, duration or time.

use std::cmp::Ordering;

use super::field::Field;
use super::reader::FieldText;
use super::syntax::WrittenValue;
use crate::config::quantity::parse_duration;
use crate::decimal::DecimalText;
use crate::decimal::integer::is_number;
use crate::error::{Error, Result};
use crate::report::query::operator::Operator;
use crate::store::columns::ColumnType;
use crate::time::{Day, Micros, SECOND, Zone, parse_human, parse_human_in};

/// A value that a condition compares with.
#[derive(Clone, Debug)]
pub(super) struct Value {
    text: String,
    /// The text as a number, if it consists of at most nine digits.
    digits: Option<u64>,
    lowercase: String,
    /// The parts of a pattern between its wildcards.
    pattern: Option<Vec<String>>,
    /// Whether it equals all numbers of its value, however it is written.
    equals_numbers: bool,
    /// Whether `<`, `<=`, `>` and `>=` compare numbers.
    orders_numbers: bool,
}

impl Value {
    /// Checks a value of a field. A duration becomes a number of the field's unit.
    ///
    /// # Errors
    /// Returns a usage error if the field cannot have the value.
    pub fn new(written: WrittenValue, field: &Field, operator: Operator) -> Result<Value> {
        let mut text = written.text;
        let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        let has_wildcard = is_equality && !written.is_quoted && text.contains('*');
        if let Some(number) = duration(&text, field) {
            text = number;
        }
        if !has_wildcard && (operator.is_order() || is_equality && !text.is_empty()) {
            check_type(&text, field)?;
        }
        let pattern = has_wildcard.then(|| text.split('*').map(str::to_owned).collect());
        let is_decimal = DecimalText::parse(&text).is_some();
        Ok(Value {
            lowercase: text.to_lowercase(),
            equals_numbers: !written.is_quoted && (is_number(&text) || is_decimal && field.is_number()),
            orders_numbers: is_decimal && field.can_hold_numbers(),
            digits: parse_digits(&text),
            text,
            pattern,
        })
    }

    /// Returns whether the value is empty, which stands for a missing value.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns whether a string contains the value, ignoring case.
    pub fn is_contained_in(&self, text: &str) -> bool {
        text.contains(&self.text) || text.to_lowercase().contains(&self.lowercase)
    }

    /// Returns whether a string equals the value or matches the pattern. Two numbers compare by
    /// value. A text that holds a number equals only the same text: 1.10 may be a version, and
    /// 01234 a postal code.
    pub fn equals(&self, value: &FieldText<'_>) -> bool {
        let FieldText { text, is_number } = value;
        match &self.pattern {
            Some(parts) => matches_pattern(text, parts),
            None if *text == self.text => true,
            None if *is_number && self.equals_numbers => self.order_of_numbers(text) == Some(Ordering::Equal),
            None => false,
        }
    }

    /// Compares a string with the value; `None` if the value is a number and the string is not. A
    /// threshold must not select texts such as `timeout`.
    pub fn order_of(&self, text: &str) -> Option<Ordering> {
        match self.orders_numbers {
            true => self.order_of_numbers(text).or_else(|| self.order_of_versions(text)),
            false => Some(text.cmp(self.text.as_str())),
        }
    }

    /// Compares a number with the value; `None` if one of them is not a number.
    fn order_of_numbers(&self, text: &str) -> Option<Ordering> {
        // Most numbers of events are short and whole. A column of them has a different one in
        // nearly every row, so results are seldom cached.
        match parse_digits(text).zip(self.digits) {
            Some((number, value)) => Some(number.cmp(&value)),
            None => Some(DecimalText::parse(text)?.cmp(&DecimalText::parse(&self.text)?)),
        }
    }

    /// Compares a version of at least three numbers, such as `131.0.0.0`, with the value. Returns
    /// `None` for any other text. A missing number counts as 0.
    fn order_of_versions(&self, text: &str) -> Option<Ordering> {
        let numbers = |text: &str| -> Option<Vec<u64>> {
            let mut numbers: Vec<u64> = text.split('.').map(parse_digits).collect::<Option<_>>()?;
            while numbers.last() == Some(&0) {
                numbers.pop();
            }
            Some(numbers)
        };
        if text.matches('.').count() < 2 {
            return None;
        }
        Some(numbers(text)?.cmp(&numbers(&self.text)?))
    }

    /// Returns the value as a whole number; `None` if its text is not an integer, or if the value
    /// equals only the same text and integers are not printed like that, such as `"007"`.
    pub fn whole_number(&self) -> Option<i64> {
        self.text.parse().ok().filter(|number: &i64| self.equals_numbers || number.to_string() == self.text)
    }

    /// Returns the times that the value stands for; `None` if it is not a time.
    pub fn time_range(&self, zone: Zone) -> Option<TimeRange> {
        if let Some(day) = Day::parse(&self.text) {
            return Some(TimeRange { start: zone.start_of(day), end: zone.start_of(day.plus(1)) });
        }
        let time = parse_human_in(&self.text, zone)?;
        Some(TimeRange { start: time, end: time.saturating_add(1) })
    }
}

/// The times that a value stands for: all times of a day, or one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeRange {
    start: Micros,
    /// The first time after the range.
    end: Micros,
}

impl TimeRange {
    /// Returns whether a time satisfies an operator. For `!=`, returns whether the time satisfies
    /// `=`. A time is less than a range if it is before the range, and greater if it is after the
    /// range.
    pub fn accepts(self, time: Micros, operator: Operator) -> bool {
        let order = if time < self.start {
            Ordering::Less
        } else if time < self.end {
            Ordering::Equal
        } else {
            Ordering::Greater
        };
        match operator {
            Operator::NotEqual => order.is_eq(),
            operator => operator.accepts(order),
        }
    }
}

/// Parses one to nine digits; `None` for any other text.
fn parse_digits(text: &str) -> Option<u64> {
    let is_short = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| text.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Converts a duration with a unit to a number in the field's unit; `None` if the field or the
/// string is not a duration.
fn duration(text: &str, field: &Field) -> Option<String> {
    let name = field.path().last().map_or(field.column().name, String::as_str);
    let per_unit = match () {
        () if name.ends_with("_ms") => 1_000,
        () if name.ends_with("_seconds") => SECOND,
        () => return None,
    };
    let millis =
        || text.strip_suffix("ms").and_then(|digits| digits.parse::<Micros>().ok()?.checked_mul(1_000));
    let micros = millis().or_else(|| parse_duration(text).ok())?;
    let (whole, rest) = (micros / per_unit, micros % per_unit);
    Some(if rest == 0 { whole.to_string() } else { format!("{whole}.{:06}", rest * (SECOND / per_unit)) })
}

/// Checks that a value has the type of its column.
fn check_type(text: &str, field: &Field) -> Result<()> {
    let name = field.name();
    let invalid = |what: &str| Error::usage(format!("{name} must be {what}, not {text:?}"));
    match field.column().kind {
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float if DecimalText::parse(text).is_none() => {
            Err(invalid("a number").hint(format!("write a number, such as {name}>=10")))
        }
        ColumnType::Bool if !matches!(text, "true" | "false") => {
            Err(invalid("true or false").hint(format!("write {name}=true or {name}=false")))
        }
        ColumnType::Timestamp if parse_human(text).is_none() => Err(invalid("a time").hint(format!(
            "write a day or a time, such as {name}>='2026-01-31 12:00', in the store's time zone"
        ))),
        _ => Ok(()),
    }
}

/// Returns whether a string consists of the parts of a pattern, with any text between them.
fn matches_pattern(text: &str, parts: &[String]) -> bool {
    let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
    let Some((last, middle)) = rest.split_last() else { return text == first };
    let Some(mut text) = text.strip_prefix(first.as_str()).and_then(|text| text.strip_suffix(last.as_str()))
    else {
        return false;
    };
    for part in middle {
        match text.find(part.as_str()).and_then(|at| text.get(at + part.len()..)) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::query::filter::field::Subject;
    use crate::time::format_utc;

    #[test]
    fn wildcard_stands_for_any_text() {
        let matches = |text: &str, pattern: &str| {
            matches_pattern(text, &pattern.split('*').map(str::to_owned).collect::<Vec<_>>())
        };
        for (text, pattern) in [
            ("/pricing", "/pricing*"),
            ("/pricing/eu", "/pricing*"),
            ("/a/b/c", "*b*"),
            ("abab", "*ab"),
            ("aXbYc", "a*b*c"),
            ("", "*"),
            ("é", "*é*"),
        ] {
            assert!(matches(text, pattern), "{text} {pattern}");
        }
        // The start and the end of a match must not overlap, and the parts must occur in order.
        for (text, pattern) in [("aba", "ab*ba"), ("/x", "/pricing*"), ("acb", "a*b*c"), ("ab", "*a")] {
            assert!(!matches(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn thresholds_compare_numbers_and_versions() {
        let accepts = |text: &str, value: &str| {
            let field = Field::parse("browser_version", Subject::Events).unwrap();
            let written = WrittenValue { text: value.to_owned(), is_quoted: false };
            let value = Value::new(written, &field, Operator::GreaterOrEqual).unwrap();
            value.order_of(text).map(|order| Operator::GreaterOrEqual.accepts(order))
        };
        for (text, value, expected) in [
            ("120.0", "100", Some(true)),
            ("99.0", "100", Some(false)),
            ("131.0.0.0", "100", Some(true)),
            ("99.0.4844.51", "100", Some(false)),
            ("100.0.0.0", "100", Some(true)),
            ("10.15.7", "10.15", Some(true)),
            ("10.9.5", "10.15", Some(false)),
            ("timeout", "100", None),
            ("1.2.x", "1", None),
            ("", "1", None),
        ] {
            assert_eq!(accepts(text, value), expected, "{text} {value}");
        }
    }

    #[test]
    fn time_is_read_in_the_zone_and_day_covers_all_its_times() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let range = |text: &str| {
            let field = Field::parse("timestamp", Subject::Events).unwrap();
            let written = WrittenValue { text: text.to_owned(), is_quoted: false };
            let value = Value::new(written, &field, Operator::Equal).unwrap();
            let range = value.time_range(berlin).unwrap();
            (format_utc(range.start), range.end - range.start)
        };
        // Clocks are set forward that night, so the day has 23 hours.
        assert_eq!(range("2026-03-29"), ("2026-03-28T23:00:00Z".into(), 23 * 3600 * SECOND));
        assert_eq!(range("2026-06-01 12:30"), ("2026-06-01T10:30:00Z".into(), 1));
        assert_eq!(range("2026-06-01T12:30:00Z"), ("2026-06-01T12:30:00Z".into(), 1));
        let day = TimeRange { start: 10, end: 20 };
        let accepted = |operator: Operator| {
            [9, 10, 19, 20].map(|time| u8::from(day.accepts(time, operator) != operator.is_negative()))
        };
        assert_eq!(accepted(Operator::Equal), [0, 1, 1, 0]);
        assert_eq!(accepted(Operator::NotEqual), [1, 0, 0, 1]);
        assert_eq!(accepted(Operator::Less), [1, 0, 0, 0]);
        assert_eq!(accepted(Operator::LessOrEqual), [1, 1, 1, 0]);
        assert_eq!(accepted(Operator::Greater), [0, 0, 0, 1]);
        assert_eq!(accepted(Operator::GreaterOrEqual), [0, 1, 1, 1]);
    }
}
