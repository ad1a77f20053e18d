//! Makes text from logs, paths and arguments safe to show on a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Makes control characters visible, so that no text from a log can move the cursor, colour the
/// screen or write into the terminal's title: `\n`, `\t`, `\u{1b}` …
///
/// Characters that turn the direction of writing, or show nothing where they stand, are made
/// visible too: they can make one name look like another.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if hides(c) => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Tells whether a character does something to a terminal other than to stand there.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{feff}'
            | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_become_visible_text() {
        assert_eq!(escape("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(escape("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape("\u{9b}2J"), "\\u{9b}2J"); // the 8-bit form of ESC [
        assert_eq!(escape("evil\u{202e}gnp.exe"), "evil\\u{202e}gnp.exe");
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in ["", "Käse", "日本語", "👩‍👩‍👧", "שלום", "C:\\dir"] {
            assert_eq!(escape(text), text);
            assert!(matches!(escape(text), Cow::Borrowed(_)));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_escaped_holds_a_control_character(text: String) {
            prop_assert!(!escape(&text).chars().any(char::is_control));
        }
    }
}
