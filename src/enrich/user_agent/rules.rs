//! The rules about user agents: data files, read into one automaton.
//!
//! A data file has one rule a line, `Name = token, token …`; `#` starts a comment line. A token is
//! found without regard to case, as a whole word: what stands before and after it must not be a
//! letter or digit where the token itself has one at that end. `*` at an end lifts that; `^` ties a
//! token to the start of the text.
//! Where several rules of a file are found, the one that stands first wins.
//!
//! All tokens of all files are searched in one pass over the text, so the time that a user agent
//! costs is bounded by its length, of which [`super::LOOKED_AT`] bytes are looked at.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// What a data file's rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Words of robots; the names are ignored but for `Person`, whose tokens hide robots' words.
    Robot,
    /// Browsers.
    Browser,
    /// Operating systems.
    System,
    /// Devices by name or model: the rule's name is the device type.
    Device,
}

const FILES: [(Table, &str); 4] = [
    (Table::Robot, include_str!("../data/robots.txt")),
    (Table::Browser, include_str!("../data/browsers.txt")),
    (Table::System, include_str!("../data/systems.txt")),
    (Table::Device, include_str!("../data/devices.txt")),
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

/// Where a token may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Anywhere,
    Word,
    Text,
}

/// A rule that was found in a user agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    /// The rule's line: the lower, the more it counts.
    rule: u16,
    /// What the rule is about.
    pub table: Table,
    /// The rule's name.
    pub name: &'static str,
    /// Where the token starts.
    pub start: usize,
    /// Where the token ends.
    pub end: usize,
}

/// All rules, ready to be searched for.
#[derive(Debug)]
pub(super) struct Rules {
    automaton: Option<AhoCorasick>,
    tokens: Vec<Token>,
    rules: Vec<Rule>,
}

impl Rules {
    /// Reads the data files.
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
                        Some(b'^') => Start::Text,
                        Some(b'*') => Start::Anywhere,
                        first if edge(first) => Start::Word,
                        _ => Start::Anywhere,
                    };
                    let free_end = token.ends_with('*') || !edge(bare.bytes().next_back());
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
            .ok(); // fails for more patterns than fit 31 bits only: a test sees that it is there
        Rules { automaton, tokens, rules }
    }

    /// Returns the rules that are found in `text`, in the order in which their tokens end.
    pub fn find(&self, text: &str) -> Vec<Hit> {
        let bytes = text.as_bytes();
        let mut hits = Vec::new();
        let Some(automaton) = &self.automaton else { return hits };
        for found in automaton.find_overlapping_iter(text) {
            let Some(token) = self.tokens.get(found.pattern().as_usize()) else { continue };
            let before = found.start().checked_sub(1).and_then(|at| bytes.get(at)).copied();
            let starts = match token.start {
                Start::Anywhere => true,
                Start::Word => !edge(before),
                Start::Text => before.is_none(),
            };
            if !starts || (!token.free_end && edge(bytes.get(found.end()).copied())) {
                continue;
            }
            if let Some(rule) = self.rules.get(token.rule as usize) {
                // `Pixel 2 Build/OPD3.170816.012` is no OPD tablet: a build is not a model.
                let build = rule.table == Table::Device
                    && text.get(..found.start()).is_some_and(|t| t.ends_with("Build/"));
                if build {
                    continue;
                }
                let (start, end) = (found.start(), found.end());
                hits.push(Hit { rule: token.rule, table: rule.table, name: rule.name, start, end });
            }
        }
        hits
    }
}

/// Returns the hit of a table whose rule stands first in its file; of one rule, the earliest.
pub(super) fn first(hits: &[Hit], table: Table) -> Option<Hit> {
    hits.iter().filter(|hit| hit.table == table).min_by_key(|hit| (hit.rule, hit.start)).copied()
}

/// Splits a data file into names and lists of tokens.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, list)| (name.trim(), list.trim()))
}

/// Tells whether a byte belongs to a word.
fn edge(byte: Option<u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrich::DeviceType;

    fn found(text: &str, table: Table) -> Option<&'static str> {
        first(&Rules::new().find(text), table).map(|hit| hit.name)
    }

    #[test]
    fn every_line_of_the_data_is_a_rule() {
        for (table, text) in FILES {
            let written = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
            assert_eq!(written.count(), lines(text).count(), "{table:?}");
            for (name, list) in lines(text) {
                let known = match table {
                    Table::Robot => ["person", "word", "anywhere", "library", "link", "name"].contains(&name),
                    Table::Device => DeviceType::from_name(name) != DeviceType::Unknown,
                    Table::Browser | Table::System => !name.is_empty(),
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
    fn a_token_is_a_whole_word_in_any_case() {
        assert_eq!(found("x VIVALDI/6.7", Table::Browser), Some("Vivaldi"));
        assert_eq!(found("xvivaldi/6.7", Table::Browser), None);
        assert_eq!(found("vivaldix/6.7", Table::Browser), None);
    }

    #[test]
    fn the_rule_that_stands_first_wins() {
        assert_eq!(found("Chrome/120 Safari/537 Edg/120", Table::Browser), Some("Edge"));
        assert_eq!(found("Linux; Android 13", Table::System), Some("Android"));
    }

    #[test]
    fn a_build_is_no_model() {
        assert_eq!(found("Pixel 2 Build/iPad", Table::Device), None);
        assert_eq!(found("Pixel 2 iPad", Table::Device), Some("tablet"));
    }
}
