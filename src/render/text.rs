//! Text from logs on a terminal: escaping, measuring, truncating, wrapping.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Returns whether a character moves the cursor, changes colors, is invisible or changes the
/// direction of text. Joiners are allowed, since emoji and some scripts need them.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Escapes control characters and bidirectional formatting, so that text from a log cannot control
/// the terminal: a line feed becomes `\n`, an escape character `\u{1b}`.
pub(crate) fn escape_control(text: &str) -> Cow<'_, str> {
    if !text.chars().any(needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if !needs_escape(c) => escaped.push(c),
            c => escaped.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(escaped)
}

/// Escapes control characters and bidirectional formatting in JSON text, without changing its
/// value. Within strings they become `\u` escapes. Tabs and carriage returns occur only between
/// values and become spaces; line feeds stay.
pub(crate) fn escape_json_control(json: String) -> String {
    // Usually, all bytes are printable ASCII. This check processes many bytes at a time.
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    if json.as_bytes().chunks(64).all(|bytes| bytes.iter().fold(true, |all, byte| all & is_printable(byte))) {
        return json;
    }
    let needs_escape = |c: char| needs_escape(c) && c != '\n';
    if !json.chars().any(needs_escape) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for c in json.chars() {
        if matches!(c, '\t' | '\r') {
            escaped.push(' ');
        } else if needs_escape(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Returns the width of a string in terminal cells.
pub(crate) fn display_width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Truncates a string to a width in terminal cells, and appends `…`. Grapheme clusters are not
/// split.
pub(crate) fn truncate(text: &str, width: usize) -> Cow<'_, str> {
    if display_width(text) <= width {
        return Cow::Borrowed(text);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let mut truncated = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += display_width(grapheme);
        if used > width - 1 {
            break;
        }
        truncated.push_str(grapheme);
    }
    truncated.push('…');
    Cow::Owned(truncated)
}

/// Shortens a path or URL to a width in terminal cells. Keeps the end of the path, which
/// distinguishes files and pages. Omits the scheme, the query, the host and the first folders, in
/// this order; `…` replaces each of them except the scheme.
pub(super) fn shorten_path(text: &str, width: usize) -> Cow<'_, str> {
    if display_width(text) <= width {
        return Cow::Borrowed(text);
    }
    let url = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = url.unwrap_or(text);
    let place = match url {
        Some(url) => url.split(['?', '#']).next().unwrap_or(url),
        None => text,
    };
    let tail = if place.len() < rest.len() { "…" } else { "" };
    // A trailing slash does not begin another part of the path.
    let inner = place.trim_end_matches('/');
    let parts = inner.match_indices('/').filter_map(|(at, _)| Some(format!("…{}{tail}", place.get(at..)?)));
    let whole = [rest.to_owned(), format!("{place}{tail}")];
    if let Some(fitting) = whole.into_iter().chain(parts).find(|short| display_width(short) <= width) {
        return Cow::Owned(fitting);
    }
    let last = inner.rfind('/').and_then(|at| inner.get(at + 1..)).unwrap_or(inner);
    Cow::Owned(shorten_middle(last, width))
}

/// Shortens a string to a width in terminal cells: `…` replaces its middle. Keeps more of the end
/// than of the beginning, since file names end with their date and type.
fn shorten_middle(text: &str, width: usize) -> String {
    let Some(room) = width.checked_sub(1).filter(|_| display_width(text) > width) else {
        return truncate(text, width).into_owned();
    };
    let end: Vec<&str> = fitting(text.graphemes(true).rev(), room - room / 3);
    let start: Vec<&str> = fitting(text.graphemes(true), room / 3);
    start.into_iter().chain(["…"]).chain(end.into_iter().rev()).collect()
}

/// Returns the leading graphemes that fit into a width in terminal cells.
fn fitting<'a>(graphemes: impl Iterator<Item = &'a str>, width: usize) -> Vec<&'a str> {
    let mut used = 0;
    graphemes
        .take_while(|grapheme| {
            used += display_width(grapheme);
            used <= width
        })
        .collect()
}

/// Wraps the lines of a string between words. A word longer than a line, such as a path, is not
/// split; the terminal continues it on the next line. Indented lines are not wrapped.
pub(crate) fn wrap_lines(text: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(text.len() + 8);
    for line in text.lines() {
        let mut used = 0;
        for (index, word) in line.split(' ').enumerate() {
            let word_width = display_width(word);
            if index > 0 {
                let fits = used + 1 + word_width <= width || line.starts_with(' ');
                wrapped.push(if fits { ' ' } else { '\n' });
                used = if fits { used + 1 } else { 0 };
            }
            wrapped.push_str(word);
            used += word_width;
        }
        wrapped.push('\n');
    }
    wrapped
}

/// Wraps a string between words into lines of at most `width` terminal cells. Longer words are
/// truncated.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    join_wrapped(text.split(' '), " ", width)
}

/// Joins parts with a separator into lines of at most `width` terminal cells. Longer parts are
/// truncated.
pub(super) fn join_wrapped<'a>(
    parts: impl Iterator<Item = &'a str>,
    separator: &str,
    width: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let part = truncate(part, width);
        match lines.last_mut() {
            Some(line) if display_width(line) + display_width(separator) + display_width(&part) <= width => {
                line.push_str(separator);
                line.push_str(&part);
            }
            _ => lines.push(part.into_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape_control("plain é 🙂"), "plain é 🙂");
        assert_eq!(escape_control("a\u{1b}[31mred\n\tb\u{7f}\u{9b}"), "a\\u{1b}[31mred\\n\\tb\\u{7f}\\u{9b}");
        assert_eq!(escape_control("abc\u{202e}fed"), "abc\\u{202e}fed");
        // An emoji that consists of several emoji, with joiners between them.
        assert_eq!(escape_control("👨\u{200d}👩"), "👨\u{200d}👩");
        assert_eq!(escape_control("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(escape_control("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape_control("\u{9b}2J"), "\\u{9b}2J"); // the 8-bit form of ESC [
        assert_eq!(escape_control("evil\u{202e}gnp.exe"), "evil\\u{202e}gnp.exe");
    }

    #[test]
    fn ordinary_text_of_any_language_is_unchanged() {
        for text in ["", "Käse", "日本語", "👩‍👩‍👧", "שלום", "C:\\dir"] {
            assert_eq!(escape_control(text), text);
            assert!(matches!(escape_control(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({"a": "x\u{9b}\u{7f}\u{202e}\u{e0041}", "b": "é\n"});
        let text = escape_json_control(serde_json::to_string_pretty(&value).unwrap());
        assert!(text.contains(r"x\u009b\u007f\u202e\udb40\udc41"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        // Stored JSON may have tabs between values.
        assert_eq!(
            escape_json_control("{\"a\":\t1,\r\n\"b\":\"\\t\"}".to_owned()),
            "{\"a\": 1, \n\"b\":\"\\t\"}"
        );
    }

    #[test]
    fn wide_characters_are_not_split() {
        assert_eq!(truncate("pricing", 7), "pricing");
        assert_eq!(truncate("pricing", 6), "prici…");
        // Each of these characters is two cells wide.
        assert_eq!(truncate("日本語のページ", 7), "日本語…");
        assert_eq!(truncate("日本語のページ", 6), "日本…");
        assert_eq!(truncate("👨\u{200d}👩\u{200d}👧 family", 3), "👨\u{200d}👩\u{200d}👧…");
        assert_eq!(truncate("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(truncate("abc", 0), "");
    }

    #[test]
    fn shortened_path_keeps_its_end() {
        let file = "/srv/chat/logs/harbor-coffee-2026-10.ndjson";
        assert_eq!(shorten_path(file, 43), file);
        assert_eq!(shorten_path(file, 42), "…/chat/logs/harbor-coffee-2026-10.ndjson");
        assert_eq!(shorten_path(file, 30), "…/harbor-coffee-2026-10.ndjson");
        assert_eq!(shorten_path(file, 29), "harbor-coffee-2026-10.ndjson");
        // 12 cells: 3 of the beginning, 8 of the end.
        assert_eq!(shorten_path(file, 12), "har…0.ndjson");
        assert_eq!(shorten_path("logs/日本語.ndjson", 12), "日….ndjson");
        assert_eq!((shorten_path("/a/b", 1), shorten_path("/a/bc", 0)), ("b".into(), "".into()));
    }

    #[test]
    fn shortened_url_keeps_its_path() {
        let url = "https://shop.example/beans/autumn-blend?utm_source=newsletter#top";
        assert_eq!(shorten_path(url, 57), "shop.example/beans/autumn-blend?utm_source=newsletter#top");
        assert_eq!(shorten_path(url, 56), "shop.example/beans/autumn-blend…");
        assert_eq!(shorten_path(url, 31), "…/beans/autumn-blend…");
        assert_eq!(shorten_path(url, 20), "…/autumn-blend…");
        assert_eq!(shorten_path(url, 14), "autumn-blend");
        assert_eq!(shorten_path("http://shop.example/a/b/", 6), "…/a/b/");
        // Without a path, the end of the host identifies the site.
        assert_eq!(shorten_path("https://help.shop.example/", 12), "hel….example");
    }

    #[test]
    fn wrapped_lines_keep_long_words_and_indentation() {
        assert_eq!(wrap_lines("one two three\n\nfour\n", 7), "one two\nthree\n\nfour\n");
        assert_eq!(wrap_lines("in /a/long/path", 6), "in\n/a/long/path\n");
        assert_eq!(wrap_lines("  a b c d e f", 6), "  a b c d e f\n");
        assert_eq!(wrap_lines("a b", usize::MAX), "a b\n");
    }

    #[test]
    fn lines_wrap_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(
            join_wrapped(["Summary", "all chatbots", "May"].into_iter(), " · ", 22),
            ["Summary · all chatbots", "May"]
        );
        assert_eq!(wrap("abcdefgh", 4), ["abc…"]);
    }

    proptest! {
        #[test]
        fn truncated_text_is_not_wider_than_its_limit(text in "\\PC{0,20}", width in 0usize..12) {
            prop_assert!(display_width(&truncate(&text, width)) <= width.max(display_width(&text).min(width)));
        }

        #[test]
        fn shortened_path_is_not_wider_than_its_limit(text in "(https://)?[a/日?.]{0,20}", width in 0usize..20) {
            prop_assert!(display_width(&shorten_path(&text, width)) <= width);
        }

        #[test]
        fn escaped_text_has_no_control_characters(text in any::<String>()) {
            prop_assert!(!escape_control(&text).chars().any(char::is_control));
        }
    }
}
