//! Finds a pattern that matches lines of text.

use regex::Regex;

use super::rows::Rows;
use crate::enrich::first_ip_address;
use crate::ingest::map::local_time::{TimeRules, is_number};
use crate::time::Zone;

/// The largest number of groups of a pattern.
const MAX_GROUPS: usize = 40;

/// A part of a line.
struct Token<'a> {
    text: &'a str,
    /// The key of `key="value"`; empty without a key.
    key: &'a str,
    /// The delimiters around it: `"…"`, `[…]`, `{…}`, or none.
    signs: Option<(char, char)>,
}

/// Returns the rows of the pattern with the most groups that matches at least three quarters of the
/// lines.
pub fn find(lines: &[String]) -> Rows {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    let tokens = tokens(lines.first().copied().unwrap_or(""));
    for groups in (1..=tokens.len().min(MAX_GROUPS)).rev() {
        let Some(used) = tokens.get(..groups) else { continue };
        let text = pattern(used, groups == tokens.len());
        let Ok(regex) = Regex::new(&text) else { continue };
        let fit = lines.iter().filter(|line| regex.is_match(line)).count();
        if fit * 4 >= lines.len() * 3 {
            return rows(text, &regex, &lines);
        }
    }
    let text = "^(?<line>.*)$".to_owned();
    match Regex::new(&text) {
        Ok(regex) => rows(text, &regex, &lines),
        Err(_) => Rows::new(Vec::new(), Vec::new(), FORM),
    }
}

/// The description of lines of text.
const FORM: &str = "lines of text";

fn rows(pattern: String, regex: &Regex, lines: &[&str]) -> Rows {
    let names: Vec<String> = regex.capture_names().flatten().map(str::to_owned).collect();
    let row = |captures: regex::Captures<'_>| -> Vec<String> {
        names.iter().map(|name| captures.name(name).map_or("", |group| group.as_str()).to_owned()).collect()
    };
    let rows = lines.iter().filter_map(|line| regex.captures(line)).map(row).collect();
    Rows { pattern: Some(pattern), ..Rows::new(names, rows, FORM) }
}

fn pattern(tokens: &[Token<'_>], is_all: bool) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut text = "^".to_owned();
    for (index, token) in tokens.iter().enumerate() {
        if index > 0 {
            text.push_str(r"\s+");
        }
        let mut name = |kind: &str| {
            let is_same = |name: &&String| name.trim_end_matches(char::is_numeric) == kind;
            let count = names.iter().filter(is_same).count();
            let name = if count == 0 { kind.to_owned() } else { format!("{kind}{}", count + 1) };
            names.push(name.clone());
            name
        };
        let (key, value) = match key_value(token) {
            Some((key, value)) => (key, value),
            None => (token.key, token.text),
        };
        let sign = if key.is_empty() { String::new() } else { format!("{key}=") };
        let kind = if key.is_empty() { kind(value) } else { key };
        text.push_str(&match token.signs {
            Some(('"', _)) if key.is_empty() && is_request(value) => {
                format!(r#"\"(?<{}>[A-Z]+) (?<{}>\S+)[^\"]*\""#, name("method"), name("url"))
            }
            Some((open, close)) => format!(r"{sign}\{open}(?<{}>[^\{close}]*)\{close}", name(kind)),
            None if kind == "json" => format!(r"(?<{}>\{{.*\}})", name(kind)),
            None => format!(r"{sign}(?<{}>\S+)", name(kind)),
        });
    }
    text.push_str(if is_all { r"\s*$" } else { r"\s*(?<rest>.*)$" });
    text
}

/// Returns whether a string is an HTTP request line.
fn is_request(text: &str) -> bool {
    let mut parts = text.split(' ');
    let method = parts.next().unwrap_or("");
    let is_method = (3..=7).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase());
    let has_url = parts.next().is_some_and(|url| url.contains('/') || url == "*");
    is_method && has_url && parts.next().is_none_or(|version| version.starts_with("HTTP/"))
}

/// Returns the key and the value of `key=value`.
fn key_value<'a>(token: &Token<'a>) -> Option<(&'a str, &'a str)> {
    let (key, value) = token.text.split_once('=').filter(|_| token.signs.is_none())?;
    (is_key(key) && !value.is_empty()).then_some((key, value))
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.ends_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Splits a line at white space outside quotes and brackets. A JSON object at the end of the line
/// is one token.
fn tokens(line: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        if rest.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(rest).is_ok() {
            tokens.push(Token { text: rest, key: "", signs: None });
            break;
        }
        let closed = closed_token("", rest).or_else(|| {
            let (key, value) =
                rest.split_once('=').filter(|(key, value)| is_key(key) && value.starts_with('"'))?;
            closed_token(key, value)
        });
        let (token, after) = closed.unwrap_or_else(|| {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (text, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (Token { text, key: "", signs: None }, after)
        });
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// Returns the token in quotes or brackets at the beginning of a string, and the rest of the
/// string.
fn closed_token<'a>(key: &'a str, text: &'a str) -> Option<(Token<'a>, &'a str)> {
    let (open, close) = match text.chars().next()? {
        '"' => ('"', '"'),
        '[' => ('[', ']'),
        '{' => ('{', '}'),
        _ => return None,
    };
    let inner = text.get(1..)?;
    let end = inner.find(close)?;
    let after = inner.get(end + close.len_utf8()..)?;
    let is_whole = after.is_empty() || after.starts_with(char::is_whitespace);
    is_whole.then_some((Token { text: inner.get(..end)?, key, signs: Some((open, close)) }, after))
}

/// Returns the name of a group, which depends on the kind of its text.
fn kind(text: &str) -> &'static str {
    let rules = TimeRules { zone: Zone::UTC, local_epoch: false };
    if text.starts_with("Mozilla/") {
        "user_agent"
    } else if text.starts_with('{') && text.ends_with('}') {
        "json"
    } else if first_ip_address(text).is_some() {
        "ip"
    } else if is_number(text) {
        "number"
    } else if rules.text(text).is_some() {
        "time"
    } else if rules.text(&format!("{text} 00:00:00")).is_some() {
        "date"
    } else if rules.text(&format!("2026-01-01 {text}")).is_some() {
        "time"
    } else if text.contains("://") || (text.starts_with('/') && text.len() > 1) {
        "url"
    } else {
        "text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        find(&text.lines().map(str::to_owned).collect::<Vec<_>>()).pattern.unwrap()
    }

    #[test]
    fn groups_are_named_by_their_values() {
        assert_eq!(
            found("192.0.2.1 [2026-11-09T10:00:00Z] \"a b\" 200 x"),
            r#"^(?<ip>\S+)\s+\[(?<time>[^\]]*)\]\s+\"(?<text>[^\"]*)\"\s+(?<number>\S+)\s+(?<text2>\S+)\s*$"#
        );
        assert_eq!(
            found("2026-11-09 10:00:00 INFO started\n2026-11-09 10:00:01 WARN a longer line"),
            r"^(?<date>\S+)\s+(?<time>\S+)\s+(?<text>\S+)\s*(?<rest>.*)$"
        );
    }

    #[test]
    fn keys_with_values_name_their_groups() {
        assert_eq!(
            found("2026-11-09 10:00:00,123 user=u1 action=x"),
            r"^(?<date>\S+)\s+(?<time>\S+)\s+user=(?<user>\S+)\s+action=(?<action>\S+)\s*$"
        );
        assert_eq!(
            found("level=info msg=\"a message\" n=1"),
            r#"^level=(?<level>\S+)\s+msg=\"(?<msg>[^\"]*)\"\s+n=(?<n>\S+)\s*$"#
        );
    }

    #[test]
    fn requests_and_objects_are_parts_of_a_line() {
        let rows = find(&["1 \"GET /a?b HTTP/1.1\" \"Mozilla/5.0 (X11)\" {x|y z}".to_owned()]);
        let columns: Vec<(&str, &str)> =
            rows.columns.iter().map(String::as_str).zip(rows.rows[0].iter().map(String::as_str)).collect();
        let expected = [
            ("number", "1"),
            ("method", "GET"),
            ("url", "/a?b"),
            ("user_agent", "Mozilla/5.0 (X11)"),
            ("text", "x|y z"),
        ];
        assert_eq!(columns, expected);
        let rows = find(&["INFO {\"a\": {\"b\": 1}}".to_owned()]);
        assert_eq!(
            (rows.columns.join(" "), rows.rows[0][1].as_str()),
            ("text json".into(), "{\"a\": {\"b\": 1}}")
        );
    }

    #[test]
    fn lines_without_a_common_form_are_one_group() {
        assert_eq!(found(""), "^(?<line>.*)$");
        assert_eq!(found("a"), r"^(?<text>\S+)\s*$");
    }
}
