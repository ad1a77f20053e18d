//! Access to the source files, and to their text without comments, strings and test modules.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file of the crate.
pub struct SourceFile {
    /// The path relative to the package, with `/` separators.
    pub path: String,
    /// The module path, such as `["store", "manifest"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    /// The text.
    pub text: String,
}

/// Returns the root of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns all files below a folder of the package with one of the extensions, sorted.
pub fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns a path relative to the package, with `/` separators.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// Returns the source files of the crate, except files that contain only tests.
pub fn source_files() -> Vec<SourceFile> {
    files("src", &["rs"])
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let path = relative(&path);
            let stem = path.trim_start_matches("src/").trim_end_matches(".rs");
            let stem = stem.strip_suffix("/mod").unwrap_or(stem);
            let module = match stem {
                "lib" | "main" => Vec::new(),
                stem => stem.split('/').map(str::to_owned).collect(),
            };
            SourceFile { path, module, text }
        })
        .filter(|file| !is_test_file(&file.path))
        .collect()
}

/// Returns whether a file contains only tests or their fixtures.
pub fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "testing" | "testing.rs"))
}

/// Returns the code of a file up to the first test module. Comments and the contents of strings are
/// blanked.
pub fn code(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    split(&text[..end]).0
}

/// Splits a text into its code, and its comments and strings. Both parts keep all line breaks.
pub fn split(text: &str) -> (String, String) {
    let (mut code, mut prose) = (String::new(), String::new());
    let mut rest = text;
    let mut put = |part: &str, is_prose: bool| {
        let blank: String = part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        code.push_str(if is_prose { &blank } else { part });
        prose.push_str(if is_prose { part } else { &blank });
    };
    while !rest.is_empty() {
        let (length, is_prose) = token(rest);
        let (part, tail) = rest.split_at(length);
        put(part, is_prose);
        rest = tail;
    }
    (code, prose)
}

/// Returns the length of the token at the start of a text, and whether it is a comment or a string.
fn token(text: &str) -> (usize, bool) {
    let length_of = |end: Option<usize>| end.unwrap_or(text.len());
    if text.starts_with("//") {
        return (length_of(text.find('\n')), true);
    }
    if text.starts_with("/*") {
        return (length_of(text.find("*/").map(|at| at + 2)), true);
    }
    if let Some(after) = text.strip_prefix("r#").or_else(|| text.strip_prefix("r\"").map(|_| &text[1..])) {
        let hashes = text[1..].bytes().take_while(|b| *b == b'#').count();
        if after.trim_start_matches('#').starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            return (length_of(text[start..].find(&close).map(|at| start + at + close.len())), true);
        }
    }
    if text.starts_with('"') {
        let mut escaped = false;
        for (at, c) in text.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return (at + 1, true),
                _ => {}
            }
        }
        return (text.len(), true);
    }
    if let Some(after) = text.strip_prefix('\'') {
        // A character literal, or a lifetime.
        let mut chars = after.char_indices();
        let close = match chars.next() {
            Some((_, '\\')) => after.char_indices().skip(2).find(|(_, c)| *c == '\'').map(|(at, _)| at),
            Some(_) => chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at),
            None => None,
        };
        return (close.map_or(1, |at| at + 2), false);
    }
    // A word is one token, so that the `r` of an identifier does not start a raw string.
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (word.max(text.chars().next().map_or(1, char::len_utf8)).min(text.len()), false)
}

#[test]
fn split_separates_code_from_comments_and_strings() {
    let text = "let a = \"x // \\\" y\"; // note\nlet b: &'a str = r#\"raw \" \"#; let c = '\"'; /* z */ car";
    let (code, prose) = split(text);
    assert_eq!(code.replace(' ', ""), "leta=;\nletb:&'astr=;letc='\"';car");
    assert!(prose.contains("x // \\\" y") && prose.contains("// note") && prose.contains("raw \" "));
    assert_eq!(code.lines().count(), text.lines().count());
}
