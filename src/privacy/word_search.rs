//! Finds the words of a set in a string. The time is linear in the length of the string, regardless
//! of the words.
//!
//! A word of at least [`MIN_WORD_BYTES`] bytes counts if no letter, digit or underscore directly
//! precedes or follows it. A shorter word, such as `7`, occurs in ordinary text, so it counts only
//! as a whole value: a column value, a JSON string or number, or a component of a URL.

use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input};

use crate::error::{Error, Result};

/// The minimum length of a word that counts within longer text.
const MIN_WORD_BYTES: usize = 5;

/// A search for a set of words.
///
/// Uses an NFA. Building the automaton that [`aho_corasick::AhoCorasick`] chooses for few words
/// takes time quadratic in the length of a periodic word, such as 20,000 times `x`, and a log can
/// contain such an id.
#[derive(Clone, Debug)]
pub(super) struct WordSearch(NFA);

impl WordSearch {
    /// Builds the search; `None` if there are no words.
    ///
    /// # Errors
    /// Fails if there are too many words for one automaton.
    pub(super) fn new(words: &[Vec<u8>], ignore_ascii_case: bool) -> Result<Option<WordSearch>> {
        if words.is_empty() {
            return Ok(None);
        }
        let nfa = NFA::builder().ascii_case_insensitive(ignore_ascii_case).build(words);
        nfa.map(|nfa| Some(WordSearch(nfa)))
            .map_err(|e| Error::failed("too many identifiers for one search").caused_by(e))
    }

    /// Calls a function with the range of each word in a string. If several words end at one
    /// position, the longest one is used.
    pub(super) fn find(&self, text: &[u8], mut each: impl FnMut(usize, usize)) {
        // Nearly all strings contain no word. This search has a prefilter, so it is the fastest for
        // them.
        let first = self.0.try_find(&Input::new(text).earliest(true));
        let (Ok(Some(_)), Ok(mut state)) = (first, self.0.start_state(Anchored::No)) else { return };
        for (index, byte) in text.iter().enumerate() {
            state = self.0.next_state(Anchored::No, state, *byte);
            let end = index + 1;
            if !self.0.is_match(state) || is_word(Some(byte)) && is_word(text.get(end)) {
                continue;
            }
            // The words that end here, the longest first.
            let starts = (0..self.0.match_len(state))
                .map(|number| end.saturating_sub(self.0.pattern_len(self.0.match_pattern(state, number))));
            if let Some(start) = starts.into_iter().find(|start| is_delimited(text, *start, end)) {
                each(start, end);
            }
        }
    }
}

fn is_word(byte: Option<&u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// Returns whether a range of a string is a whole word or, if the range is short, a whole value.
fn is_delimited(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    let after = text.get(end);
    let word = text.get(start..end).unwrap_or(&[]);
    if word.len() >= MIN_WORD_BYTES {
        // A word that does not begin or end with a word character needs no boundary there.
        let continues = |outside, edge| is_word(outside) && is_word(edge);
        return !continues(before, word.first()) && !continues(after, word.last());
    }
    let opens = |b: &u8| b"\"':=/?&#;,[".contains(b);
    let closes = |b: &u8| b"\"'/?&#;,]}\r\n".contains(b);
    let (is_open, is_closed) = (before.is_none_or(opens), after.is_none_or(closes));
    // A word that consists of white space must touch the delimiters. Skipping the white space
    // around each of its occurrences would take quadratic time.
    if is_open && is_closed || word.trim_ascii().is_empty() {
        return is_open && is_closed;
    }
    // JSON with spaces around the value, also in a line that is otherwise invalid:
    // `"user_id": 7 , "ids": [ 8 ]`.
    let value_opens = text.get(..start).and_then(|head| head.trim_ascii_end().last());
    let value_closes = text.get(end..).and_then(|tail| tail.trim_ascii_start().first());
    (is_open || value_opens.is_some_and(|b| b":[".contains(b)))
        && (is_closed || value_closes.is_none_or(|b| b",]}".contains(b)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn search(words: &[&str]) -> WordSearch {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        WordSearch::new(&words, false).unwrap().unwrap()
    }

    fn found(words: &[&str], text: &str) -> Vec<String> {
        let mut found = Vec::new();
        search(words).find(text.as_bytes(), |start, end| found.push(text[start..end].to_owned()));
        found
    }

    #[test]
    fn longest_delimited_word_at_an_end_is_found() {
        assert_eq!(found(&["user_1", "x-user_1"], "x-user_1 user_1"), ["x-user_1", "user_1"]);
        assert_eq!(found(&["user_1", "x-user_1"], "xx-user_1"), ["user_1"]);
        assert_eq!(found(&["user_1", "user_1-b"], "user_1-bc user_1-b"), ["user_1", "user_1", "user_1-b"]);
        assert_eq!(found(&["abcab"], "abcabcab"), [""; 0]);
        assert_eq!(found(&["ab-ab", "7"], "ab-ab-ab /7/ 7"), ["ab-ab", "ab-ab", "7"]);
        assert!(WordSearch::new(&[], false).unwrap().is_none());
    }

    #[test]
    fn word_of_white_space_is_found_only_as_a_value() {
        assert_eq!(found(&["  "], "\"  \" a  b    "), ["  "]);
    }

    /// Returns the time to build a search for a word of this length and to search a string of about
    /// this length: the shortest of three measurements.
    fn time(length: usize) -> Duration {
        let (word, text) = ("x".repeat(length), "x".repeat(length * 2) + "-" + &"x-".repeat(length));
        let once = || {
            let start = Instant::now();
            let search = search(&[&word, &"x-".repeat(length / 2)]);
            search.find(text.as_bytes(), |_, _| {});
            start.elapsed()
        };
        [once(), once(), once()].into_iter().min().unwrap_or_default()
    }

    #[test]
    fn time_for_a_periodic_word_grows_linearly() {
        // A word that is 16 times as long should take about 16 times the time. With quadratic
        // growth, it would take 256 times the time.
        let (short, long) = (time(5_000), time(80_000));
        assert!(long < short.max(Duration::from_micros(200)) * 100, "{short:?} → {long:?}");
    }
}
