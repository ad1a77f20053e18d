//! Text from a log on a terminal: harmless, measured, cut.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Tells whether a character moves the cursor, changes colours, hides itself or turns the
/// direction of the text round. Joiners stay: emoji and some scripts are made with them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Makes control characters escape_control, so that no text from a log can move the cursor, colour the screen or
/// write into the terminal's title: a new line becomes `\n`, an escape `\u{1b}`, a mark that turns the
/// direction of text `\u{202e}`.
pub fn escape_control(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if !is_unseen(c) => shown.push(c),
            c => shown.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

/// Escapes in JSON text what JSON itself lets through but a terminal acts upon. Such characters
/// occur in JSON only within strings, so the value stays the same; but for tabs and returns, which
/// occur only between values, where they become blanks.
pub fn escape_json_control(json: String) -> String {
    let acts = |c: char| is_unseen(c) && !matches!(c, '\n');
    if !json.chars().any(acts) {
        return json;
    }
    let mut shown = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if matches!(c, '\t' | '\r') {
            shown.push(' ');
        } else if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Returns how many cells of a terminal a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Cuts a text to so many cells; `…` stands for what was cut off. Nothing that is seen as one
/// character is cut in two.
pub fn cut(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    if cells == 0 {
        return Cow::Borrowed("");
    }
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = width(grapheme);
        if used + wide > cells - 1 {
            break;
        }
        used += wide;
        kept.push_str(grapheme);
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// Breaks words into lines of so many cells; a longer word is cut.
pub fn wrap(text: &str, cells: usize) -> Vec<String> {
    join(text.split(' '), " ", cells)
}

/// Joins pieces by a separator into lines of so many cells; a longer piece is cut.
pub fn join<'a>(pieces: impl Iterator<Item = &'a str>, separator: &str, cells: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        let piece = cut(piece, cells);
        match lines.last_mut() {
            Some(line) if width(line) + width(separator) + width(&piece) <= cells => {
                line.push_str(separator);
                line.push_str(&piece);
            }
            _ => lines.push(piece.into_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(escape_control("plain é 🙂"), "plain é 🙂");
        assert_eq!(escape_control("a\u{1b}[31mred\n\tb\u{7f}\u{9b}"), "a\\u{1b}[31mred\\n\\tb\\u{7f}\\u{9b}");
        assert_eq!(escape_control("abc\u{202e}fed"), "abc\\u{202e}fed");
        // A family is one emoji, put together with joiners.
        assert_eq!(escape_control("👨\u{200d}👩"), "👨\u{200d}👩");
        assert_eq!(escape_control("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(escape_control("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape_control("\u{9b}2J"), "\\u{9b}2J"); // the 8-bit form of ESC [
        assert_eq!(escape_control("evil\u{202e}gnp.exe"), "evil\\u{202e}gnp.exe");
    }

    #[test]
    fn ordinary_text_of_any_language_stays_as_it_is() {
        for text in ["", "Käse", "日本語", "👩‍👩‍👧", "שלום", "C:\\dir"] {
            assert_eq!(escape_control(text), text);
            assert!(matches!(escape_control(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn json_keeps_its_meaning_and_loses_its_teeth() {
        let value = serde_json::json!({"a": "x\u{9b}\u{7f}\u{202e}\u{e0041}", "b": "é\n"});
        let text = escape_json_control(serde_json::to_string_pretty(&value).unwrap());
        assert!(text.contains(r"x\u009b\u007f\u202e\udb40\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        // A log may have tabs between its values, and they are kept as they are.
        assert_eq!(
            escape_json_control("{\"a\":\t1,\r\n\"b\":\"\\t\"}".to_owned()),
            "{\"a\": 1, \n\"b\":\"\\t\"}"
        );
    }

    #[test]
    fn wide_characters_are_cut_whole() {
        assert_eq!(cut("pricing", 7), "pricing");
        assert_eq!(cut("pricing", 6), "prici…");
        // Each of these takes two cells.
        assert_eq!(cut("日本語のページ", 7), "日本語…");
        assert_eq!(cut("日本語のページ", 6), "日本…");
        assert_eq!(cut("👨\u{200d}👩\u{200d}👧 family", 3), "👨\u{200d}👩\u{200d}👧…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(
            join(["Summary", "all chatbots", "May"].into_iter(), " · ", 22),
            ["Summary · all chatbots", "May"]
        );
        assert_eq!(wrap("abcdefgh", 4), ["abc…"]);
    }

    proptest! {
        #[test]
        fn nothing_that_was_cut_is_wider_than_asked(text in "\\PC{0,20}", cells in 0usize..12) {
            prop_assert!(width(&cut(&text, cells)) <= cells.max(width(&text).min(cells)));
        }

        #[test]
        fn nothing_visible_moves_the_cursor(text in any::<String>()) {
            prop_assert!(!escape_control(&text).chars().any(char::is_control));
        }
    }
}
