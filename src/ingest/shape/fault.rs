//! Describes the value for which a line was rejected.

use super::keys::shorten;
use crate::ingest::fields::Field;
use crate::ingest::map::local_time::TimeRules;
use crate::ingest::parse::rejected::RejectReason;
use crate::time::{Micros, Zone, format_utc};

/// The times of a line, in the order in which they are reported.
const TIMES: [Field; 4] = [Field::Timestamp, Field::ClientTimestamp, Field::ReceivedAt, Field::SentAt];

/// Literals of Python and JavaScript that programs write instead of JSON.
const FOREIGN_LITERALS: [&str; 8] =
    ["NaN", "Infinity", "-Infinity", "-NaN", "None", "True", "False", "undefined"];

/// Describes the value for which a line was rejected. `fields` are the fields that were read, and
/// `raw` is the line. `columns` is the number of columns of a row.
pub fn describe(
    reason: RejectReason,
    fields: &[(Field, Box<str>)],
    raw: &[u8],
    columns: Option<usize>,
) -> String {
    let value = |field: Field| fields.iter().find(|(own, _)| *own == field).map(|(_, text)| shorten(text));
    let named = |field: Field| value(field).map(|text| format!("{} is {text}", field.name()));
    let time = |fits: &dyn Fn(Option<Micros>) -> bool| {
        TIMES.into_iter().find_map(|field| {
            let text = value(field)?;
            let rules = TimeRules { zone: Zone::UTC, local_epoch: false };
            let time = rules.text(&text).filter(|_| !text.starts_with(['{', '[']));
            fits(time).then(|| match time {
                Some(time) => format!("{} is {text} ({})", field.name(), format_utc(time)),
                None => format!("{} is {text}", field.name()),
            })
        })
    };
    let found = match reason {
        RejectReason::LineTooLong => Some("the line is longer than 1 MiB".to_owned()),
        RejectReason::NotUtf8 => Some(not_utf8(raw)),
        RejectReason::NotJson => Some(not_json(raw)),
        RejectReason::NotAnObject => Some(format!("it is {} instead of an object", kind(raw))),
        RejectReason::NoEventName => Some(
            value(Field::Type)
                .map_or("no event_name".to_owned(), |kind| format!("no event_name; type is {kind}")),
        ),
        RejectReason::NoChatbotId => Some("no chatbot_id, and no --chatbot".to_owned()),
        RejectReason::BadChatbotId => named(Field::ChatbotId),
        RejectReason::NoSessionKey => Some("no session_id, anonymous_id or user_id".to_owned()),
        RejectReason::NoTimestamp => Some("no timestamp".to_owned()),
        RejectReason::BadTimestamp => time(&|time| time.is_none()),
        RejectReason::FutureTimestamp | RejectReason::ImplausibleTimestamp => time(&|time| time.is_some()),
        RejectReason::EmptyEnvelope => Some("events is an empty list".to_owned()),
        RejectReason::NoMatch => Some("the line does not match the pattern of the map".to_owned()),
        RejectReason::WrongWidth => columns.map(|columns| match width(raw) {
            fields if fields == columns => "a quote is not closed".to_owned(),
            fields => format!("{fields} instead of {columns} fields"),
        }),
        RejectReason::BadWrapping => Some("the wrapped value cannot be decoded".to_owned()),
        RejectReason::TooDeep => Some("it has more than four levels of wrappings".to_owned()),
    };
    found.unwrap_or_else(|| reason.name().to_owned())
}

fn not_utf8(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(_) => "it is not UTF-8".to_owned(),
        Err(error) => {
            let byte = raw.get(error.valid_up_to()).copied().unwrap_or(0);
            format!("byte {} is 0x{byte:02X}, which is not UTF-8", error.valid_up_to() + 1)
        }
    }
}

fn not_json(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    if !text.trim_start().starts_with(['{', '[', '"']) {
        return "it does not begin with {".to_owned();
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => "it is not strict JSON".to_owned(),
        Err(error) => {
            let message = error.to_string();
            let what = message.rsplit_once(" at line").map_or(message.as_str(), |(what, _)| what);
            // In `"C:\None"`, the error is inside a string, where `None` is text.
            let literal = foreign_literal(&text, error.column()).filter(|_| what != "invalid escape");
            if let Some((literal, at)) = literal {
                return format!("{literal} at character {at} is not JSON");
            }
            format!("{what} at character {}", error.column())
        }
    }
}

/// Returns the literal of Python or JavaScript at which JSON ends, and its position from 1.
/// `column` is the position of the error.
fn foreign_literal(text: &str, column: usize) -> Option<(&'static str, usize)> {
    // The error of `-Infinity` is at the `I`.
    (column.saturating_sub(1)..=column).find_map(|at| {
        let rest = text.get(at.checked_sub(1)?..)?;
        Some((FOREIGN_LITERALS.into_iter().find(|literal| rest.starts_with(literal))?, at))
    })
}

/// Returns the kind of a JSON value.
fn kind(raw: &[u8]) -> &'static str {
    match raw.trim_ascii_start().first() {
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'{') => "an object followed by other text",
        _ => "a number",
    }
}

/// Returns the number of fields of a row.
fn width(raw: &[u8]) -> usize {
    if raw.contains(&b'\t') {
        return raw.split(|byte| *byte == b'\t').count();
    }
    crate::ingest::input::records::first_row(raw).map_or(0, |fields| fields.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_at_fault_is_named() {
        let fields = |values: &[(Field, &str)]| -> Vec<(Field, Box<str>)> {
            values.iter().map(|(field, text)| (*field, (*text).into())).collect()
        };
        let times = fields(&[(Field::Timestamp, "2026-11-09T10:00:00Z"), (Field::SentAt, "soon")]);
        assert_eq!(describe(RejectReason::BadTimestamp, &times, b"", None), "sent_at is soon");
        let far = fields(&[(Field::Timestamp, "4102444800")]);
        assert_eq!(
            describe(RejectReason::FutureTimestamp, &far, b"", None),
            "timestamp is 4102444800 (2100-01-01T00:00:00Z)"
        );
        let track = fields(&[(Field::Type, "track")]);
        assert_eq!(describe(RejectReason::NoEventName, &track, b"", None), "no event_name; type is track");
        assert_eq!(
            describe(RejectReason::NotUtf8, &[], b"ab\xe9", None),
            "byte 3 is 0xE9, which is not UTF-8"
        );
        assert_eq!(describe(RejectReason::NotJson, &[], b"Nov 9", None), "it does not begin with {");
        assert!(describe(RejectReason::NotJson, &[], b"{\"a\" 1}", None).ends_with("at character 6"));
        for (value, at) in [("NaN", 6), ("-Infinity", 6), ("[1,None]", 9), ("undefined", 6)] {
            let line = format!("{{\"a\":{value}}}");
            let literal = value.trim_matches(['[', '1', ',', ']']);
            let expected = format!("{literal} at character {at} is not JSON");
            assert_eq!(describe(RejectReason::NotJson, &[], line.as_bytes(), None), expected);
        }
        // In a string, these words are text.
        let broken = [
            (r#"{"a":"NaN"#, "EOF while parsing a string at character 9"),
            (r#"{"a":"C:\None"}"#, "invalid escape at character 10"),
        ];
        for (line, expected) in broken {
            assert_eq!(describe(RejectReason::NotJson, &[], line.as_bytes(), None), expected);
        }
        assert_eq!(describe(RejectReason::WrongWidth, &[], b"a,\"b,c\"", Some(3)), "2 instead of 3 fields");
        assert_eq!(describe(RejectReason::WrongWidth, &[], b"a,\"b,c\n", Some(2)), "a quote is not closed");
    }
}
