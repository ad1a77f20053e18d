//! The strings that a map reads as null.

/// Returns whether a string is null in every map. Most values of a log are tested, so a `match` is
/// used: it compares lengths and machine words, which is faster than a loop over strings.
#[inline]
fn is_null_text(text: &str) -> bool {
    matches!(
        text,
        "" | "NULL"
            | "null"
            | "undefined"
            | "(not set)"
            | "(none)"
            | "(direct)"
            | "$direct"
            | "-"
            | "\\N"
            | "EMPTY"
    )
}

/// The length of the longest string that is null in every map, in bytes.
const LONGEST: usize = 9;

/// The strings that are null in a map.
#[derive(Clone, Debug, Default)]
pub struct Nulls {
    own: Vec<Box<str>>,
    longest: usize,
}

impl Nulls {
    /// Creates the nulls of a map: the strings that it lists, and those that are null in every map.
    pub fn new(own: Vec<String>) -> Nulls {
        let longest = own.iter().map(String::len).max().unwrap_or(0).max(LONGEST);
        Nulls { own: own.into_iter().map(String::into_boxed_str).collect(), longest }
    }

    /// Returns the strings that are null in this map only.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(|text| &**text)
    }

    /// Returns whether a string of this length can be null.
    #[inline]
    pub fn may_contain(&self, length: usize) -> bool {
        length <= self.longest.max(LONGEST)
    }

    /// Returns whether a string is null.
    #[inline]
    pub fn contains(&self, text: &str) -> bool {
        self.may_contain(text.len()) && (is_null_text(text) || self.own.iter().any(|own| **own == *text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_strings_are_null() {
        let nulls = Nulls::new(vec!["00000000-0000-0000-0000-000000000000".into()]);
        let texts = [
            "",
            "NULL",
            "null",
            "undefined",
            "(not set)",
            "(none)",
            "(direct)",
            "$direct",
            "-",
            "\\N",
            "EMPTY",
        ];
        for text in texts.into_iter().chain(["00000000-0000-0000-0000-000000000000"]) {
            assert!(nulls.contains(text), "{text}");
        }
        for text in ["--", " ", "Null", "none", "undefined ", "0"] {
            assert!(!nulls.contains(text), "{text}");
        }
        assert!(Nulls::default().contains("$direct"));
        assert!(texts.iter().all(|text| text.len() <= LONGEST && Nulls::default().contains(text)));
    }
}
