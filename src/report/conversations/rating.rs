//! The rating in the properties of an event.

use crate::decimal::DecimalText;
use crate::json::lenient::{each_member, key_is, string_value};

/// The properties that can contain a rating, in order of precedence.
const NAMES: [&str; 8] = ["rating", "score", "stars", "csat", "thumbs", "helpful", "feedback", "value"];

const GOOD: [&str; 10] =
    ["good", "up", "thumbs_up", "thumbsup", "positive", "like", "yes", "true", "happy", "👍"];
const BAD: [&str; 10] =
    ["bad", "down", "thumbs_down", "thumbsdown", "negative", "dislike", "no", "false", "unhappy", "👎"];

/// Returns whether the rating of an event is positive; `None` without a rating.
///
/// A rating is a number from 1 to 5, which is positive from 4 on, or a thumb: a word such as
/// `good`, `up`, `bad` or `down`, or a boolean.
pub(super) fn is_positive(properties: &str) -> Option<bool> {
    let mut found: [Option<&str>; NAMES.len()] = [None; NAMES.len()];
    each_member(properties, |key, value| {
        for (name, found) in NAMES.iter().zip(&mut found) {
            if key_is(key, name) {
                *found = Some(value);
            }
        }
    })?;
    found.into_iter().flatten().find_map(judge)
}

/// Returns whether a JSON value is a positive rating; `None` if it is not a rating.
fn judge(value: &str) -> Option<bool> {
    let text = string_value(value).unwrap_or(value.into());
    let text = text.trim().to_lowercase();
    if GOOD.contains(&text.as_str()) || BAD.contains(&text.as_str()) {
        return Some(GOOD.contains(&text.as_str()));
    }
    let number = DecimalText::parse(&text)?;
    let bound = |text: &'static str| DecimalText::parse(text);
    (bound("1")? <= number && number <= bound("5")?).then_some(bound("4")? <= number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rating_of_four_or_more_is_positive() {
        for (value, expected) in [
            ("5", Some(true)),
            ("4", Some(true)),
            ("4.0", Some(true)),
            ("3.9", Some(false)),
            ("1", Some(false)),
            ("\"4\"", Some(true)),
            ("0", None),
            ("6", None),
            ("-1", None),
            ("null", None),
            ("[5]", None),
        ] {
            assert_eq!(is_positive(&format!("{{\"rating\":{value}}}")), expected, "{value}");
        }
    }

    #[test]
    fn thumbs_are_good_or_bad() {
        for (properties, expected) in [
            (r#"{"rating":"good"}"#, Some(true)),
            (r#"{"thumbs":"down"}"#, Some(false)),
            (r#"{"helpful":true}"#, Some(true)),
            (r#"{"feedback":"Thumbs_Up"}"#, Some(true)),
            (r#"{"feedback":"It was fine"}"#, None),
            // The string is not a rating, so the next property is tried.
            (r#"{"rating":"it depends","score":2}"#, Some(false)),
            (r#"{"comment":"good"}"#, None),
            ("", None),
            ("{", None),
        ] {
            assert_eq!(is_positive(properties), expected, "{properties}");
        }
    }
}
