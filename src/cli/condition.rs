//! Conditions on the command line: `conversion_rate < 20`, `properties.button_id=send_message`.

use crate::config::nearest;
use crate::error::{Error, Result};

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=` or `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `~`: contains.
    Contains,
}

/// The signs, the longer ones first, so that `<=` is not read as `<`.
const SIGNS: [(&str, Comparison); 8] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("~", Comparison::Contains),
];

impl Comparison {
    /// Returns the sign.
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Contains => "~",
        }
    }

    /// Compares two numbers; one that is no number meets no condition but `!=`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Contains => false,
        }
    }
}

/// The figures of the summary that `--fail-if` can look at.
pub const FIGURES: [&str; 12] = [
    "total_sessions",
    "unique_visitors",
    "total_conversations",
    "avg_session_duration_seconds",
    "conversion_rate",
    "new_visitors",
    "returning_visitors",
    "total_messages_sent",
    "total_messages_received",
    "avg_response_time_ms",
    "error_count",
    "bot_sessions_excluded",
];

/// A condition on a figure of the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureCondition {
    /// The figure: one of [`FIGURES`].
    pub figure: &'static str,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub value: f64,
}

impl FigureCondition {
    /// Reads a condition such as `conversion_rate < 20`.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the figure, the sign or the number makes no sense.
    pub fn parse(text: &str) -> Result<FigureCondition> {
        let wrong = |why: String| Error::usage(format!("--fail-if '{text}': {why}"));
        let (name, comparison, value) = split(text)
            .filter(|(_, comparison, _)| *comparison != Comparison::Contains)
            .ok_or_else(|| {
                wrong("there is no comparison in it".to_owned()).hint("write it like 'conversion_rate < 20'")
            })?;
        let figure = FIGURES.into_iter().find(|figure| *figure == name).ok_or_else(|| {
            let error = wrong(format!("the summary has no figure `{name}`"));
            match nearest(name, FIGURES) {
                Some(other) => error.hint(format!("did you mean `{other}`?")),
                None => error.hint(format!("the figures are {}", FIGURES.join(", "))),
            }
        })?;
        let value: f64 = value
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .ok_or_else(|| wrong(format!("`{value}` is no number")))?;
        Ok(FigureCondition { figure, comparison, value })
    }
}

/// A condition on a field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCondition {
    /// The field's name, or the path into a JSON column: `["properties", "button_id"]`.
    pub path: Vec<String>,
    /// How it is compared: as numbers where both sides are numbers, else as text.
    pub comparison: Comparison,
    /// With what; it can be empty.
    pub value: String,
}

impl FieldCondition {
    /// Reads a condition such as `properties.button_id=send_message`; space around the sign does
    /// not count.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where there is no sign, or no field before it.
    pub fn parse(text: &str) -> Result<FieldCondition> {
        let wrong = |why: &str| {
            Error::usage(format!("--where '{text}': {why}"))
                .hint("write it like 'properties.button_id=send_message'; the signs are = != < <= > >= ~")
        };
        let (name, comparison, value) = split(text).ok_or_else(|| wrong("there is no comparison in it"))?;
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong("there is no field before the sign"));
        }
        Ok(FieldCondition { path, comparison, value: value.to_owned() })
    }
}

/// Splits a condition at its first sign.
fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    let at = text.find(['=', '!', '<', '>', '~'])?;
    let (name, rest) = text.split_at(at);
    let (value, comparison) =
        SIGNS.iter().find_map(|(sign, comparison)| Some((rest.strip_prefix(sign)?, *comparison)))?;
    Some((name.trim(), comparison, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_figure_is_compared_with_a_number() {
        let condition = FigureCondition::parse("conversion_rate < 20").unwrap();
        assert_eq!(
            condition,
            FigureCondition { figure: "conversion_rate", comparison: Comparison::Less, value: 20.0 }
        );
        assert_eq!(
            FigureCondition::parse("error_count>=1.5").unwrap().comparison,
            Comparison::GreaterOrEqual
        );
        assert_eq!(FigureCondition::parse("error_count == 0").unwrap().comparison, Comparison::Equal);
    }

    #[test]
    fn a_wrong_figure_sign_or_number_is_an_error_with_the_fix() {
        let error = FigureCondition::parse("conversion < 20").unwrap_err();
        assert_eq!(error.hint_text(), Some("did you mean `conversion_rate`?"));
        for wrong in [
            "conversion_rate",
            "conversion_rate 20",
            "conversion_rate ~ 2",
            "error_count < ten",
            "error_count < nan",
        ] {
            assert!(FigureCondition::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_is_compared_with_text() {
        let condition = FieldCondition::parse("properties.button_id=send_message").unwrap();
        assert_eq!(condition.path, ["properties", "button_id"]);
        assert_eq!((condition.comparison, condition.value.as_str()), (Comparison::Equal, "send_message"));
        let condition = FieldCondition::parse("page_url ~ a=b").unwrap();
        assert_eq!((condition.comparison, condition.value.as_str()), (Comparison::Contains, "a=b"));
        assert_eq!(FieldCondition::parse("city!=").unwrap().value, "");
        for wrong in ["", "=x", "properties", "properties..a=1", "a!b"] {
            assert!(FieldCondition::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn comparisons_hold_as_they_read() {
        assert!(Comparison::Less.holds(1.0, 2.0) && !Comparison::Less.holds(2.0, 2.0));
        assert!(Comparison::LessOrEqual.holds(2.0, 2.0) && Comparison::NotEqual.holds(1.0, 2.0));
        assert!(!Comparison::Greater.holds(f64::NAN, 2.0));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_condition_panic(text in "([a-z_. ]|[=!<>~]|\\PC){0,30}") {
            let _ = (FigureCondition::parse(&text), FieldCondition::parse(&text));
        }
    }
}
