//! The syntax of conditions: `FIELD OP VALUE|VALUE and FIELD OP VALUE`.
//!
//! Text in double quotes, as a value or as a key of a field, is literal; inside quotes, `\"` and
//! `\\` stand for a quote and a backslash.

use crate::error::{Error, Result};
use crate::report::query::operator::Operator;

/// The syntax of a condition, for hints.
pub(super) const SYNTAX: &str = "write it as country_code=DE|AT or properties.button_id=send_message; \
                                 the operators are = != ~ !~ < <= > >=, and ~ stands for \"contains\"";

/// A parsed condition, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenCondition {
    /// The keys of the field, separated by dots in the text.
    pub keys: Vec<String>,
    pub operator: Operator,
    /// The alternatives; at least one.
    pub values: Vec<WrittenValue>,
}

/// A parsed value, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrittenValue {
    pub text: String,
    /// Whether it was in quotes. In quotes, `*` is a plain character.
    pub is_quoted: bool,
}

/// Parses conditions joined by ` and `.
///
/// # Errors
/// Returns a usage error that shows the syntax.
pub(super) fn parse(text: &str) -> Result<Vec<WrittenCondition>> {
    let mut conditions = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (keys, tail) = field(text)?;
        let Some((operator, tail)) = Operator::strip(tail) else {
            return Err(no_operator(text, !conditions.is_empty()));
        };
        let (values, next) = values(tail)?;
        conditions.push(WrittenCondition { keys, operator, values });
        rest = next;
    }
    Ok(conditions)
}

/// Parses the name of a field alone into its keys.
///
/// # Errors
/// Returns a usage error if the text is not the name of a field.
pub(super) fn field_name(text: &str) -> Result<Vec<String>> {
    let (keys, rest) = field(text)?;
    match rest.is_empty() {
        true => Ok(keys),
        false => Err(Error::usage(format!("{text:?} is not the name of a field"))
            .hint("write a field such as country_code or properties.plan")),
    }
}

fn no_operator(text: &str, follows_and: bool) -> Error {
    let error = Error::usage(format!("{:?} has no comparison operator", text.trim()));
    match follows_and {
        true => error.hint("put a value that contains ` and ` in double quotes"),
        false => error.hint(SYNTAX),
    }
}

/// Parses a field at the start of a string. Returns its keys and the rest of the string.
fn field(text: &str) -> Result<(Vec<String>, &str)> {
    let mut keys = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (key, tail) = match rest.starts_with('"') {
            true => quoted(rest)?,
            false => {
                let ends = |(at, _): &(usize, char)| {
                    let tail = rest.get(*at..).unwrap_or("");
                    tail.starts_with('.') || Operator::strip(tail).is_some()
                };
                let end = rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at);
                let (key, tail) = rest.split_at(end);
                if let Some((before, _)) = key.split_once(" and ") {
                    return Err(no_operator(before, false));
                }
                (key.trim().to_owned(), tail)
            }
        };
        if key.is_empty() {
            return Err(Error::usage("a field has no name").hint(SYNTAX));
        }
        keys.push(key);
        let tail = tail.trim_start();
        match tail.strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None => return Ok((keys, tail)),
        }
    }
}

/// Parses the alternatives after an operator. Returns them and the text of the next condition.
fn values(text: &str) -> Result<(Vec<WrittenValue>, Option<&str>)> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, tail) = match rest.trim_start().strip_prefix('"') {
            Some(_) => {
                let (text, tail) = quoted(rest.trim_start())?;
                (WrittenValue { text, is_quoted: true }, tail)
            }
            None => {
                let ends = [rest.find('|'), rest.find(" and ")];
                let end = ends.into_iter().flatten().min().unwrap_or(rest.len());
                let (value, tail) = rest.split_at(end);
                (WrittenValue { text: value.trim().to_owned(), is_quoted: false }, tail)
            }
        };
        values.push(value);
        if let Some(next) = tail.strip_prefix(" and ") {
            return Ok((values, Some(next)));
        }
        let tail = tail.trim_start();
        match tail.strip_prefix('|') {
            Some(next) => rest = next,
            None if tail.is_empty() => return Ok((values, None)),
            None => {
                return Err(Error::usage(format!("{tail:?} follows a closing quote"))
                    .hint("write another value after |, or another condition after ` and `"));
            }
        }
    }
}

/// Parses a string in double quotes. Returns it and the text after the closing quote.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut content = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((content, text.get(at + 1..).unwrap_or(""))),
            '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => content.push(escaped),
                None => content.push('\\'),
            },
            other => content.push(other),
        }
    }
    Err(Error::usage(format!("{text} has no closing quote"))
        .hint("inside quotes, write a quote as \\\", and a backslash as \\\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns conditions as `key/key OP value|value`, with quoted values in `<>`.
    fn parsed(text: &str) -> Vec<String> {
        let value = |value: &WrittenValue| match value.is_quoted {
            true => format!("<{}>", value.text),
            false => value.text.clone(),
        };
        let condition = |condition: &WrittenCondition| {
            let values: Vec<String> = condition.values.iter().map(value).collect();
            format!("{} {:?} {}", condition.keys.join("/"), condition.operator, values.join("|"))
        };
        parse(text).unwrap().iter().map(condition).collect()
    }

    #[test]
    fn field_operator_and_alternatives_are_split() {
        assert_eq!(parsed("country_code=DE|AT"), ["country_code Equal DE|AT"]);
        assert_eq!(parsed("properties.a.0 >= 5"), ["properties/a/0 GreaterOrEqual 5"]);
        assert_eq!(parsed("city!~x"), ["city NotContains x"]);
        assert_eq!(parsed("city=="), ["city Equal "]);
        assert_eq!(parsed("city=|Bonn "), ["city Equal |Bonn"]);
        assert_eq!(parsed("page_url=*/a?b=c&d<e"), ["page_url Equal */a?b=c&d<e"]);
        assert_eq!(parsed("properties.first name=x"), ["properties/first name Equal x"]);
        assert_eq!(parsed(r#"properties.x=[1,"y"]"#), [r#"properties/x Equal [1,"y"]"#]);
    }

    #[test]
    fn and_joins_conditions() {
        assert_eq!(parsed("a=1 and b.c != 2|3 and d~"), ["a Equal 1", "b/c NotEqual 2|3", "d Contains "]);
        assert_eq!(parsed("a= and b=1"), ["a Equal ", "b Equal 1"]);
        assert_eq!(parsed("a=sand and b=band"), ["a Equal sand", "b Equal band"]);
    }

    #[test]
    fn separators_in_quotes_are_literal() {
        assert_eq!(parsed(r#"a="x | y and z*" | b and c=1"#), ["a Equal <x | y and z*>|b", "c Equal 1"]);
        assert_eq!(parsed(r#"a="say \"hi\" \\ \n""#), [r#"a Equal <say "hi" \ \n>"#]);
        assert_eq!(parsed(r#"properties."a.b=c".d=1"#), ["properties/a.b=c/d Equal 1"]);
    }

    #[test]
    fn invalid_syntax_is_an_error_with_a_hint() {
        for (wrong, message, hint) in [
            ("city", "\"city\" has no comparison operator", "write it as"),
            ("a=Terms and conditions", "\"conditions\" has no", "double quotes"),
            ("a and b=1", "\"a\" has no comparison", "write it as"),
            ("=x", "a field has no name", "write it as"),
            ("properties.=x", "a field has no name", "write it as"),
            ("a=\"x", "no closing quote", "inside quotes"),
            ("a=\"x\" y", "follows a closing quote", "after |"),
            ("", "has no", "write it as"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.to_string().contains(message), "{wrong}: {error}");
            assert!(error.hint_text().unwrap().contains(hint), "{wrong}: {:?}", error.hint_text());
        }
    }
}
