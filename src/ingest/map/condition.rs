//! Conditions: `"/a"`, `"/a = text"`, `"!/a"`.

use super::pointer::Pointer;

/// A condition on a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Whether the condition is negated: it holds if the pointer does not match.
    pub negated: bool,
    /// The pointer to the value.
    pub pointer: Pointer,
    /// The string, number or boolean that the value must equal; `None` for any value that is not
    /// null.
    pub equals: Option<Box<str>>,
}

/// Conditions; at least one must hold.
pub type Alternatives = Vec<Condition>;

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// Returns a description of the mistake.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (place, equals) = match rest.split_once(" = ") {
            Some((place, value)) => (place, Some(value.into())),
            None => (rest, None),
        };
        if place.is_empty() {
            return Err(format!("'{text}' is not a condition: write \"/pointer\" or \"/pointer = value\""));
        }
        Ok(Condition { negated, pointer: Pointer::parse(place)?, equals })
    }

    /// Returns whether rows with these columns can satisfy the condition. Only the existence of the
    /// column counts.
    pub fn holds_for_columns(&self, columns: &[&str]) -> bool {
        let first = self.pointer.steps.first();
        first.is_some_and(|step| columns.contains(&&*step.key)) != self.negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn condition_is_parsed_into_pointer_and_value() {
        let condition = Condition::parse("!^/a/key=x = b = c").unwrap();
        assert!(condition.negated);
        assert_eq!(condition.pointer, Pointer::parse("^/a/key=x").unwrap());
        assert_eq!(condition.equals.as_deref(), Some("b = c"));
        assert_eq!(Condition::parse("/a").unwrap().equals, None);
        assert_eq!(Condition::parse("/a = ").unwrap().equals.as_deref(), Some(""));
        for text in ["", "!", "a", " = b", "/a~b"] {
            assert!(Condition::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn row_condition_holds_for_its_columns() {
        let holds = |text: &str| Condition::parse(text).unwrap().holds_for_columns(&["id", "cs(Host)"]);
        assert!(holds("/id") && holds("/cs(Host)") && holds("/id = 3") && holds("!/name"));
        assert!(!holds("/name") && !holds("!/id"));
    }
}
