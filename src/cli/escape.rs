//! Makes text from logs, paths and arguments safe to show on a terminal: as reports do.

pub use crate::render::text::visible as escape;

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

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
