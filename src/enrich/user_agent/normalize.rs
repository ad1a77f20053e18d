//! Normalization: decodes a user agent and restores its case, so that the rules match its usual
//! form.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};

/// The longest prefix of a user agent that is classified, in bytes.
///
/// Real user agents are shorter than 1 KiB. The limit bounds the cost of hostile input.
pub(super) const MAX_LENGTH: usize = 2048;

const WORDS: &str = include_str!("rules/words.txt");

/// Normalizes user agents.
#[derive(Debug)]
pub(super) struct Normalizer {
    /// Words in the case in which browsers send them.
    words: Vec<&'static str>,
    search: Option<AhoCorasick>,
}

impl Normalizer {
    /// Builds the search for `rules/words.txt`.
    pub fn new() -> Normalizer {
        let words: Vec<&str> =
            WORDS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&words)
            .ok(); // fails only for too many patterns; a test checks that it does not
        Normalizer { words, search }
    }

    /// Returns a user agent in its usual form.
    ///
    /// - White space and quotation marks around it are removed, and it is cut at [`MAX_LENGTH`].
    /// - The name of a proxy (` via HTTP/1.0 proxy.example`) is removed.
    /// - Escaped spaces are decoded: IIS writes `+`, CloudFront `%20` or `%2520`, and some load
    ///   balancers `_`.
    /// - If all letters have one case, words get their usual case, because some pipelines convert
    ///   user agents to lower case.
    pub fn normalize<'a>(&self, user_agent: &'a str) -> Cow<'a, str> {
        let trimmed = user_agent.trim_matches(|c: char| c.is_whitespace() || c == '"');
        let mut text = Cow::Borrowed(prefix(trimmed));
        if let Some(end) = text.find(" via HTTP/") {
            text = Cow::Borrowed(trimmed.get(..end).unwrap_or(""));
        }
        // The first pass turns `%2520` into `%20`.
        for _ in 0..2 {
            if text.contains("%20") || (!text.contains(' ') && text.contains('%')) {
                text = Cow::Owned(percent_decode(&text));
            }
        }
        if !text.contains(' ') && ["+(", ";+", ")+"].iter().any(|escaped| text.contains(escaped)) {
            text = Cow::Owned(decode_plus(&text));
        }
        if !text.contains(' ') && text.contains(";_") {
            text = Cow::Owned(decode_underscores(&text));
        }
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
        if upper != lower {
            text = Cow::Owned(self.restore_case(&text));
        }
        text
    }

    /// Restores the usual case of known words. A letter must not precede or follow such a word.
    fn restore_case(&self, text: &str) -> String {
        let Some(search) = &self.search else { return text.to_owned() };
        let letter_at = |at: Option<usize>| {
            at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_alphabetic)
        };
        let mut restored = String::with_capacity(text.len());
        let mut end = 0;
        for found in search.find_iter(text) {
            let part_of_word = letter_at(found.start().checked_sub(1)) || letter_at(Some(found.end()));
            if let (false, Some(word)) = (part_of_word, self.words.get(found.pattern().as_usize())) {
                restored.push_str(text.get(end..found.start()).unwrap_or(""));
                restored.push_str(word);
                end = found.end();
            }
        }
        restored.push_str(text.get(end..).unwrap_or(""));
        restored
    }
}

/// Returns at most [`MAX_LENGTH`] bytes of `text`.
fn prefix(text: &str) -> &str {
    let mut end = text.len().min(MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// Decodes each `%XX` that stands for a printable ASCII character.
fn percent_decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| (b' '..=b'~').contains(byte)) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = after.get(2..).unwrap_or("");
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

/// Replaces each `+` with a space, except a `+` that belongs to the user agent: in
/// `AppleWebKit/420+` before a comment, and in `+http`.
fn decode_plus(text: &str) -> String {
    let decode = |(at, character): (usize, char)| {
        let before = text.get(..at).unwrap_or("");
        let after = text.get(at + 1..).unwrap_or("");
        let of_link = after.starts_with("http") && before.ends_with(['+', '(']);
        let literal = of_link || after.starts_with("+(");
        if character == '+' && !literal { ' ' } else { character }
    };
    text.char_indices().map(decode).collect()
}

/// Replaces each `_` with a space, except between digits: `OS_17_5` is `OS 17_5`.
fn decode_underscores(text: &str) -> String {
    let digit_at =
        |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let decode = |(at, character): (usize, char)| {
        let part_of_number = digit_at(at.checked_sub(1)) && digit_at(Some(at + 1));
        if character == '_' && !part_of_number { ' ' } else { character }
    };
    text.char_indices().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(text: &str) -> String {
        Normalizer::new().normalize(text).into_owned()
    }

    #[test]
    fn usual_user_agent_is_unchanged() {
        let text = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/420+ (KHTML, like Gecko) 100%";
        assert_eq!(normalized(text), text);
        assert_eq!(normalized("  \"curl/8.4.0\"\n"), "curl/8.4.0");
    }

    #[test]
    fn escaped_spaces_are_decoded() {
        let text = "Mozilla/5.0 (Windows NT 10.0; x) A/534.1+ (+http://a.b)";
        assert_eq!(normalized("Mozilla/5.0+(Windows+NT+10.0;+x)+A/534.1++(+http://a.b)"), text);
        assert_eq!(normalized("Mozilla/5.0%20(Windows%20NT%2010.0;%20x)%20A/534.1+%20(+http://a.b)"), text);
        assert_eq!(normalized("Mozilla/5.0_(iPhone;_OS_17_5)"), "Mozilla/5.0 (iPhone; OS 17_5)");
        assert_eq!(normalized("Bot/1.0+(a;++http://a.b)"), "Bot/1.0 (a; +http://a.b)");
        assert_eq!(normalized("Canary%20Mail/397 CFNetwork/893"), "Canary Mail/397 CFNetwork/893");
        assert_eq!(normalized("Opera 7 (X11) [en] via HTTP/1.0 checker.example/"), "Opera 7 (X11) [en]");
        // These are not escapes: a library, a name and an invalid sequence.
        assert_eq!(normalized("libstdc++/3.4"), "libstdc++/3.4");
        assert_eq!(normalized("My_App/1_2"), "My_App/1_2");
        assert_eq!(normalized("App%ZZ/1%2"), "App%ZZ/1%2");
    }

    #[test]
    fn words_get_their_usual_case() {
        assert_eq!(normalized("mozilla/5.0 (ipad; x)"), "Mozilla/5.0 (iPad; x)");
        assert_eq!(normalized("MOZILLA/5.0 (IPAD; X)"), "Mozilla/5.0 (iPad; X)");
        // The word is part of a longer word.
        assert_eq!(normalized("chromewright/1.0"), "chromewright/1.0");
        // Text in mixed case stays unchanged.
        assert_eq!(normalized("mozilla/5.0 (iPad)"), "mozilla/5.0 (iPad)");
    }

    #[test]
    fn long_user_agent_is_cut_at_a_character() {
        let long = normalized(&"é".repeat(MAX_LENGTH));
        assert_eq!(long.len(), MAX_LENGTH);
        assert_eq!(normalized(&format!("a{}", "é".repeat(MAX_LENGTH))).len(), MAX_LENGTH - 1);
    }
}
