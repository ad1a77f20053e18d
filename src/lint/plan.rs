//! Tracking plans: a JSON Schema for the properties of each event.

use std::collections::BTreeMap;
use std::path::Path;

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::json::lenient::{TokenKind, strings_and_numbers};

/// The maximum number of violations that are counted for one event.
const MAX_VIOLATIONS: usize = 10;
/// The maximum size of a plan.
const MAX_BYTES: u64 = 16 << 20;

/// The file of a tracking plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    /// A title or description for readers of the file.
    #[serde(default, rename = "description")]
    _description: Option<String>,
    /// The schema of the properties of each event.
    events: BTreeMap<String, Value>,
    /// Whether events that the plan does not name are allowed.
    #[serde(default)]
    additional_events: bool,
}

/// A tracking plan.
#[derive(Debug)]
pub struct TrackingPlan {
    events: BTreeMap<String, Validator>,
    additional_events: bool,
}

/// A part of the properties that does not match its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The path of the property, as in other findings; `None` for the object itself.
    pub property: Option<String>,
    /// The message, without values of the event.
    pub message: String,
}

/// The result of checking an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// The event matches.
    Passed,
    /// The plan does not allow the event.
    UnknownEvent,
    /// The properties do not match.
    Violations(Vec<Violation>),
}

/// Parses properties. A number beyond the range of a float becomes the largest float; `None` if the
/// properties are nested too deeply.
fn parse(properties: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(properties) {
        return Some(value);
    }
    let mut text = String::with_capacity(properties.len());
    let mut copied = 0;
    for token in strings_and_numbers(properties).filter(|token| token.kind == TokenKind::Number) {
        if token.text.parse().is_ok_and(f64::is_finite) {
            continue;
        }
        let max = if token.text.starts_with('-') { f64::MIN } else { f64::MAX };
        text.push_str(properties.get(copied..token.start)?);
        text.push_str(&format!("{max:e}"));
        copied = token.end;
    }
    text.push_str(properties.get(copied..)?);
    serde_json::from_str(&text).ok()
}

impl TrackingPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the file is not a plan or a schema is invalid;
    /// [`crate::ErrorKind::Failed`] if it cannot be read.
    pub fn read(path: &Path) -> Result<TrackingPlan> {
        let size = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
        if !size.is_file() || size.len() > MAX_BYTES {
            return Err(Error::usage(format!("{} is not a tracking plan", path.display()))
                .hint("a plan is a JSON file of at most 16 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        TrackingPlan::parse(&text).map_err(|e| {
            let invalid = Error::usage(format!("invalid tracking plan {}", path.display()));
            invalid.caused_by(e).hint("`wa lint --infer-plan` shows what a plan looks like")
        })
    }

    /// Parses a plan: an object with `events`, and optionally `additional_events` and
    /// `description`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if it is not a plan or a schema is invalid. The error names the
    /// event, or line and column.
    pub fn parse(text: &str) -> Result<TrackingPlan> {
        let file: PlanFile =
            serde_json::from_str(text).map_err(|e| Error::usage("it cannot be parsed").caused_by(e))?;
        let validator = |(name, schema): (String, Value)| {
            // Schemas must not refer to anything outside the plan, neither files nor hosts.
            let validator = jsonschema::options().offline().build(&schema).map_err(|e| {
                Error::usage(format!(
                    "the schema of {name:?} is invalid at {:?}: {e}",
                    e.instance_path().as_str()
                ))
            })?;
            Ok((name, validator))
        };
        Ok(TrackingPlan {
            events: file.events.into_iter().map(validator).collect::<Result<_>>()?,
            additional_events: file.additional_events,
        })
    }

    /// Returns the names of the plan's events.
    pub(super) fn event_names(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }

    /// Checks the properties of an event; missing properties are an empty object.
    pub(super) fn check(&self, event_name: &str, properties: Option<&str>) -> Check {
        let Some(validator) = self.events.get(event_name) else {
            return if self.additional_events { Check::Passed } else { Check::UnknownEvent };
        };
        let Some(properties) = parse(properties.unwrap_or("{}")) else {
            // Stored properties are JSON, so parsing fails only if they are nested too deeply.
            let message = "the properties are nested too deeply to be checked".to_owned();
            return Check::Violations(vec![Violation { property: None, message }]);
        };
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            property: property_path(error.instance_path().as_str()),
            message: error.masked_with("the value").to_string(),
        };
        let violations: Vec<Violation> =
            validator.iter_errors(&properties).take(MAX_VIOLATIONS).map(violation).collect();
        if violations.is_empty() { Check::Passed } else { Check::Violations(violations) }
    }
}

/// Converts a JSON Pointer (RFC 6901) to a path of properties: `/items/0/name` to `items[].name`.
fn property_path(pointer: &str) -> Option<String> {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str("[]");
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&step.replace("~1", "/").replace("~0", "~"));
    }
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{
        "description": "the widget",
        "events": {
            "message_sent": {
                "type": "object",
                "required": ["message_length"],
                "properties": {
                    "message_length": { "type": "integer", "minimum": 0 },
                    "tags": { "type": "array", "items": { "enum": ["a", "b"] } }
                },
                "additionalProperties": false
            },
            "widget_opened": true
        }
    }"#;

    fn violations(properties: Option<&str>) -> Vec<(Option<String>, String)> {
        match TrackingPlan::parse(PLAN).unwrap().check("message_sent", properties) {
            Check::Violations(violations) => {
                violations.into_iter().map(|v| (v.property, v.message)).collect()
            }
            Check::Passed => Vec::new(),
            Check::UnknownEvent => panic!("the plan has the event"),
        }
    }

    #[test]
    fn properties_are_checked_by_the_schema_of_their_event() {
        assert_eq!(violations(Some(r#"{"message_length":3,"tags":["a"]}"#)), []);
        let properties = |properties: &str| -> Vec<Option<String>> {
            violations(Some(properties)).into_iter().map(|(property, _)| property).collect()
        };
        assert_eq!(properties(r#"{"message_length":"3"}"#), [Some("message_length".to_owned())]);
        assert_eq!(properties(r#"{"message_length":3,"tags":["b","secret"]}"#), [Some("tags[]".to_owned())]);
        assert_eq!(properties(r#"{"message_length":3,"extra":1}"#), [None]);
        assert_eq!(violations(None), [(None, r#""message_length" is a required property"#.to_owned())]);
        // Messages contain no values, which may be personal data.
        let messages = violations(Some(r#"{"message_length":3,"tags":["secret"]}"#));
        assert!(!messages.iter().any(|(_, message)| message.contains("secret")), "{messages:?}");
    }

    #[test]
    fn unknown_events_are_allowed_only_if_the_plan_says_so() {
        let plan = TrackingPlan::parse(PLAN).unwrap();
        assert_eq!(plan.check("widget_opened", Some("{\"x\":1}")), Check::Passed);
        assert_eq!(plan.check("other", None), Check::UnknownEvent);
        let open = TrackingPlan::parse(r#"{"events":{},"additional_events":true}"#).unwrap();
        assert_eq!(open.check("other", None), Check::Passed);
    }

    #[test]
    fn invalid_plans_are_errors_that_name_the_event() {
        for (plan, says) in [
            ("[", "cannot be parsed"),
            (r#"{"event":{}}"#, "unknown field `event`"),
            (r#"{}"#, "missing field `events`"),
            (r#"{"events":{"a":{"type":"text"}}}"#, "\"a\""),
            (r#"{"events":{"a":{"$ref":"https://example.com/a.json"}}}"#, "\"a\""),
        ] {
            let error = TrackingPlan::parse(plan).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn pointers_become_property_paths() {
        assert_eq!(property_path(""), None);
        assert_eq!(property_path("/a/b"), Some("a.b".to_owned()));
        assert_eq!(property_path("/a/0/b~1c"), Some("a[].b/c".to_owned()));
    }
}
