//! Tests that documentation, comments and messages avoid the words listed in `tests/words.txt`, and
//! that lines are not too long.

use std::fs;
use std::path::PathBuf;

use crate::source::{files, is_test_file, relative, root, split};

/// A word or phrase to avoid.
struct Word {
    phrase: String,
    instead: String,
}

/// Reads `tests/words.txt`: a phrase, a tab, and the words to use instead.
fn words() -> Vec<Word> {
    let text = fs::read_to_string(root().join("tests/words.txt")).unwrap();
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (phrase, instead) = line.split_once('\t').unwrap_or_else(|| panic!("no tab in `{line}`"));
            Word { phrase: phrase.trim().to_lowercase(), instead: instead.trim().to_owned() }
        })
        .collect()
}

/// Returns whether a text, in lower case, contains a phrase as whole words.
fn contains(text: &str, phrase: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(phrase).any(|(at, _)| {
        !is_word(text[..at].chars().next_back()) && !is_word(text[at + phrase.len()..].chars().next())
    })
}

/// Returns the lines of a text that contain a word to avoid.
fn findings(path: &str, text: &str, words: &[Word]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in words.iter().filter(|word| contains(&lower, &word.phrase)) {
            let number = number + 1;
            found.push(format!("{path}:{number}: `{}`: use {}", word.phrase, word.instead));
        }
    }
    found
}

/// Returns the pages of documentation.
fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs", &["md", "json"]);
    pages.extend(files("sample-data", &["md"]));
    pages.extend(["README.md", "CHANGELOG.md"].map(|name| root().join(name)));
    pages
}

#[test]
fn documentation_avoids_listed_words() {
    let words = words();
    assert!(words.len() > 20);
    let found: Vec<String> = pages()
        .iter()
        .flat_map(|page| findings(&relative(page), &fs::read_to_string(page).unwrap(), &words))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn comments_and_messages_avoid_listed_words() {
    let words = words();
    let mut found = Vec::new();
    for file in files("src", &["rs"]) {
        // Help texts and messages are strings, so strings are checked too. In tests, strings are
        // data, so only comments are checked.
        if is_test_file(&relative(&file)) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let tests = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        let (_, prose) = split(&text[..tests]);
        found.extend(findings(&relative(&file), &prose, &words));
    }
    for folder in ["src", "tests", "benches", "examples", "fuzz/fuzz_targets", "fuzz/src"] {
        for file in files(folder, &["rs"]) {
            let text = fs::read_to_string(&file).unwrap();
            let comments: String = text
                .lines()
                .map(|line| match line.trim_start().starts_with("//") {
                    true => format!("{line}\n"),
                    false => "\n".to_owned(),
                })
                .collect();
            found.extend(findings(&relative(&file), &comments, &words));
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn lines_of_documentation_fit_100_columns() {
    let mut wide = Vec::new();
    for page in pages().iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        for (number, line) in fs::read_to_string(page).unwrap().lines().enumerate() {
            // A single word cannot be wrapped.
            let is_wide = line.chars().count() > 100 && line.trim().contains(' ');
            if is_wide && !line.contains("http") {
                wide.push(format!("{}:{}", relative(page), number + 1));
            }
        }
    }
    assert!(wide.is_empty(), "lines over 100 columns:\n{}", wide.join("\n"));
}

#[test]
fn comments_fit_100_columns() {
    let mut wide = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz/fuzz_targets", "fuzz/src"] {
        for file in files(folder, &["rs"]) {
            for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
                let is_comment = line.trim_start().starts_with("//");
                if is_comment && line.chars().count() > 100 && !line.contains("http") {
                    wide.push(format!("{}:{}", relative(&file), number + 1));
                }
            }
        }
    }
    assert!(wide.is_empty(), "comments over 100 columns:\n{}", wide.join("\n"));
}

#[test]
fn contains_matches_whole_words() {
    assert!(contains("a robot, here", "robot") && contains("robot", "robot"));
    assert!(!contains("robots_txt robotic", "robot"));
}
