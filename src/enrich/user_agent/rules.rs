//! The rules about user agents: data files, compiled into one automaton.
//!
//! A data file has one rule per line, `Name = token, token, …`. Lines that start with `#` are
//! comments. Tokens match regardless of case, and only whole words: a letter or digit must not
//! precede or follow a token that starts or ends with one. `*` at an end of a token lifts that
//! restriction; `^` anchors a token to the start of the user agent. If several rules of a file
//! match, the first line takes precedence.
//!
//! In `browsers.txt` and `operating_systems.txt`, a rule also matches if woothee returns its name.
//! A line without tokens matches only in that way. If woothee's result and the tokens match
//! different lines, the first of these lines is used.
//!
//! One pass finds all tokens of all files, so the time is linear in the length of the user agent.
//! [`super::normalize::MAX_LENGTH`] limits that length.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// The subject of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Keywords and names of bots. The name of a rule is the context in which its tokens indicate a
    /// bot.
    Bot,
    /// Browsers.
    Browser,
    /// Operating systems.
    Os,
    /// Devices. The name of a rule is the device type.
    Device,
}

const FILES: [(Table, &str); 4] = [
    (Table::Bot, include_str!("rules/bots.txt")),
    (Table::Browser, include_str!("rules/browsers.txt")),
    (Table::Os, include_str!("rules/operating_systems.txt")),
    (Table::Device, include_str!("rules/devices.txt")),
];

/// One line of a data file.
#[derive(Debug)]
struct Rule {
    table: Table,
    name: &'static str,
}

/// A token of a rule.
#[derive(Debug)]
struct Token {
    rule: u16,
    start: Start,
    free_end: bool,
}

/// The positions at which a token may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Anywhere,
    Word,
    UserAgent,
}

/// A token found in a user agent.
#[derive(Clone, Debug)]
pub(super) struct Match {
    /// The index of the rule's line; the lowest index takes precedence.
    pub rule: u16,
    /// The subject of the rule.
    pub table: Table,
    /// The rule's name.
    pub name: &'static str,
    /// The token's bytes in the user agent.
    pub range: Range<usize>,
}

/// All rules, compiled.
#[derive(Debug)]
pub(super) struct Rules {
    automaton: Option<AhoCorasick>,
    tokens: Vec<Token>,
    rules: Vec<Rule>,
}

impl Rules {
    /// Compiles the data files.
    pub fn new() -> Rules {
        let mut rules = Vec::new();
        let mut tokens = Vec::new();
        let mut patterns = Vec::new();
        for (table, text) in FILES {
            for (name, list) in lines(text) {
                let rule = rules.len() as u16;
                rules.push(Rule { table, name });
                for token in list.split(',').map(str::trim) {
                    let bare = token.trim_start_matches('^').trim_matches('*');
                    if bare.is_empty() {
                        continue;
                    }
                    let start = match token.bytes().next() {
                        Some(b'^') => Start::UserAgent,
                        Some(b'*') => Start::Anywhere,
                        first if alphanumeric(first) => Start::Word,
                        _ => Start::Anywhere,
                    };
                    let free_end = token.ends_with('*') || !alphanumeric(bare.bytes().next_back());
                    tokens.push(Token { rule, start, free_end });
                    patterns.push(bare);
                }
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .ok(); // fails only for too many patterns; a test checks that it does not
        Rules { automaton, tokens, rules }
    }

    /// Returns the tokens found in `text`, in the order of their ends.
    ///
    /// Inside a URL only the tokens of bots count: `https://android.example` does not mean Android.
    pub fn find(&self, text: &str) -> Vec<Match> {
        let bytes = text.as_bytes();
        let urls = urls(text);
        let mut matches = Vec::new();
        let Some(automaton) = &self.automaton else { return matches };
        for found in automaton.find_overlapping_iter(text) {
            let Some(token) = self.tokens.get(found.pattern().as_usize()) else { continue };
            let before = found.start().checked_sub(1).and_then(|at| bytes.get(at)).copied();
            let starts = match token.start {
                Start::Anywhere => true,
                Start::Word => !alphanumeric(before),
                Start::UserAgent => before.is_none(),
            };
            if !starts || (!token.free_end && alphanumeric(bytes.get(found.end()).copied())) {
                continue;
            }
            let Some(rule) = self.rules.get(token.rule as usize) else { continue };
            let ignored = match rule.table {
                Table::Bot => false,
                // `Pixel 2 Build/OPD3.170816.012` names a build, not an OPD tablet.
                Table::Device if text.get(..found.start()).is_some_and(|t| t.ends_with("Build/")) => true,
                _ => urls.iter().any(|url| url.contains(&found.start())),
            };
            if !ignored {
                let (rule, table, name) = (token.rule, rule.table, rule.name);
                matches.push(Match { rule, table, name, range: found.range() });
            }
        }
        matches
    }

    /// Returns the index of the first rule with this name.
    pub fn named(&self, table: Table, name: &str) -> Option<u16> {
        let index = self.rules.iter().position(|rule| rule.table == table && rule.name == name)?;
        Some(index as u16)
    }
}

/// Returns the ranges of the URLs in a user agent.
fn urls(text: &str) -> Vec<Range<usize>> {
    let mut urls: Vec<Range<usize>> = Vec::new();
    for start in memchr::memmem::find_iter(text.as_bytes(), "http") {
        let url = text.get(start..).unwrap_or("");
        if urls.last().is_some_and(|last| last.contains(&start))
            || !(url.starts_with("http://") || url.starts_with("https://"))
        {
            continue;
        }
        let end = url.find([' ', ';', ',', ')', ']', '"']).unwrap_or(url.len());
        urls.push(start..start + end);
    }
    urls
}

/// Splits a data file into names and lists of tokens.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, list)| (name.trim(), list.trim()))
}

/// Returns whether a byte is an ASCII letter or digit.
fn alphanumeric(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DeviceType;

    fn first(text: &str, table: Table) -> Option<&'static str> {
        let matches = Rules::new().find(text);
        let in_table = matches.iter().filter(|found| found.table == table);
        in_table.min_by_key(|found| (found.rule, found.range.start)).map(|found| found.name)
    }

    #[test]
    fn every_line_of_the_data_files_is_a_rule() {
        let kinds =
            ["person", "compatible", "word", "name", "shared", "generic", "library", "anywhere", "link"];
        for (table, text) in FILES {
            let written = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
            assert_eq!(written.count(), lines(text).count(), "{table:?}");
            for (name, list) in lines(text) {
                let known = match table {
                    Table::Bot => kinds.contains(&name),
                    Table::Device => DeviceType::from_name(name) != DeviceType::Unknown,
                    Table::Browser | Table::Os => !name.is_empty(),
                };
                assert!(known, "{table:?}: {name}");
                assert!(
                    list.split(',').all(|token| !token.trim().trim_matches('*').is_empty()),
                    "{name} = {list}"
                );
            }
        }
        assert!(Rules::new().automaton.is_some());
    }

    #[test]
    fn token_matches_a_whole_word_in_any_case() {
        assert_eq!(first("x FALKON/3.2", Table::Browser), Some("Falkon"));
        assert_eq!(first("xfalkon/3.2", Table::Browser), None);
        assert_eq!(first("falkonx/3.2", Table::Browser), None);
    }

    #[test]
    fn first_line_wins() {
        assert_eq!(first("Chrome/120 Safari/537 Falkon/3.2", Table::Browser), Some("Falkon"));
        assert_eq!(first("Linux; Android 13", Table::Os), Some("Android"));
    }

    #[test]
    fn build_is_not_a_model() {
        assert_eq!(first("Pixel 2 Build/tablet", Table::Device), None);
        assert_eq!(first("Pixel 2 tablet", Table::Device), Some("tablet"));
    }

    #[test]
    fn only_bot_words_match_inside_a_url() {
        assert_eq!(first("https://android.example/bot; Windows", Table::Os), Some("Windows"));
        assert_eq!(first("https://android.example/bot; Windows", Table::Bot), Some("word"));
    }
}
