//! JSON Pointers (RFC 6901), extended by `^`, `*` and searches in lists.

pub(crate) mod tree;

use self::tree::Branch;
use crate::json::Key;

/// The maximum number of steps. Following a pointer recurses once per step.
const MAX_STEPS: usize = 256;

/// A pointer to a value in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Number of levels to go up from the event before the first step: the number of `^` signs.
    pub up: usize,
    /// The steps.
    pub steps: Vec<Step>,
    /// Its place in the tree of the map's pointers, if it is in the tree.
    pub(super) branch: Option<Branch>,
}

/// A step of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The key of a member. If an object has no member `*`, the key `*` selects its first member
    /// whose value is not null.
    pub key: Key,
    /// The meaning of the step in a list.
    pub in_list: ListStep,
}

/// The meaning of a step in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListStep {
    /// The element with an index.
    Index(u32),
    /// The first object whose member `key` is `value`.
    Find {
        /// Key of the member.
        key: Key,
        /// A string, number or boolean.
        value: Box<str>,
    },
    /// `*`: the first value that is not null; in `unwrap`, every element.
    Any,
    /// No element.
    Nothing,
}

impl Pointer {
    /// Parses `/a/b`, optionally after `^` signs. An empty pointer refers to the whole event.
    ///
    /// # Errors
    /// Returns a description of the mistake.
    pub fn parse(text: &str) -> Result<Pointer, String> {
        let rest = text.trim_start_matches('^');
        let up = text.len() - rest.len();
        if rest.is_empty() {
            return Ok(Pointer { up, steps: Vec::new(), branch: None });
        }
        let Some(rest) = rest.strip_prefix('/') else {
            return Err(format!("'{text}' is not a pointer: it must begin with '/'"));
        };
        let count = rest.split('/').count();
        if count > MAX_STEPS {
            return Err(format!("a pointer has at most {MAX_STEPS} steps, and this one has {count}"));
        }
        let steps = rest.split('/').map(|step| Step::parse(step, text)).collect::<Result<_, _>>()?;
        Ok(Pointer { up, steps, branch: None })
    }
}

impl Step {
    fn parse(text: &str, pointer: &str) -> Result<Step, String> {
        let mut key = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            key.push(match (c, c == '~') {
                (_, true) => match chars.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    _ => {
                        return Err(format!(
                            "'{pointer}' is not a pointer: '~' must be followed by 0 (for ~) or 1 (for /)"
                        ));
                    }
                },
                (c, false) => c,
            });
        }
        let in_list = if key == "*" {
            ListStep::Any
        } else if let Some((name, value)) = key.split_once('=') {
            ListStep::Find { key: Key::new(name), value: value.into() }
        } else if key.bytes().all(|b| b.is_ascii_digit()) && (key == "0" || !key.starts_with('0')) {
            key.parse().map_or(ListStep::Nothing, ListStep::Index)
        } else {
            ListStep::Nothing
        };
        Ok(Step { key: Key::new(&key), in_list })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_is_parsed_into_levels_and_steps() {
        let pointer = Pointer::parse("^^/a~1b/~0/key=x=y/*/7/07").unwrap();
        assert_eq!(pointer.up, 2);
        let keys: Vec<&str> = pointer.steps.iter().map(|step| &*step.key).collect();
        assert_eq!(keys, ["a/b", "~", "key=x=y", "*", "7", "07"]);
        let lists: Vec<&ListStep> = pointer.steps.iter().map(|step| &step.in_list).collect();
        let find = ListStep::Find { key: Key::new("key"), value: "x=y".into() };
        let nothing = ListStep::Nothing;
        assert_eq!(lists, [&nothing, &nothing, &find, &ListStep::Any, &ListStep::Index(7), &nothing]);
        assert_eq!(Pointer::parse("").unwrap(), Pointer { up: 0, steps: Vec::new(), branch: None });
        assert_eq!(Pointer::parse("/").unwrap().steps.len(), 1);
    }

    #[test]
    fn bad_pointer_is_an_error() {
        for text in ["a", "a/b", "^a", "/a~", "/a~2"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
        assert_eq!(Pointer::parse(&"/a".repeat(256)).unwrap().steps.len(), 256);
        let error = Pointer::parse(&"/a".repeat(257)).unwrap_err();
        assert_eq!(error, "a pointer has at most 256 steps, and this one has 257");
    }
}
