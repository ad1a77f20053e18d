//! The imports of each source file.

use std::collections::BTreeSet;

use crate::source::{SourceFile, code, source_files};

/// A use of one module by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The path of the file that imports.
    pub file: String,
    /// The module that imports.
    pub from: Vec<String>,
    /// The path that is imported, such as `["store", "manifest", "Manifest"]`.
    pub to: Vec<String>,
}

/// Returns all imports of modules of the crate.
pub fn imports() -> Vec<Import> {
    let files = source_files();
    files.iter().flat_map(|file| imports_of(file, &code(&file.text))).collect()
}

/// Returns the imports in the code of a file.
fn imports_of(file: &SourceFile, code: &str) -> Vec<Import> {
    let mut targets = BTreeSet::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut rest = &code[at..];
            let mut base = file.module.clone();
            if rest.starts_with("crate::") {
                base.clear();
                rest = &rest["crate::".len()..];
            }
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
            expand(base, rest, &mut targets);
        }
    }
    let import = |to| Import { file: file.path.clone(), from: file.module.clone(), to };
    targets.into_iter().map(import).collect()
}

/// Adds the paths at the start of `text`, which can contain alternatives in braces. Returns the
/// rest of the text.
fn expand<'a>(base: Vec<String>, text: &'a str, targets: &mut BTreeSet<Vec<String>>) -> &'a str {
    let mut rest = text.trim_start();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            inner = inner.trim_start();
            if let Some(after) = inner.strip_prefix('}') {
                return after;
            }
            let next = expand(base.clone(), inner, targets).trim_start();
            // Skip ` as name` and other text up to the next branch.
            let end = next.find([',', '}']).unwrap_or(next.len());
            inner = next[end..].strip_prefix(',').unwrap_or(&next[end..]);
            if inner.is_empty() {
                return inner;
            }
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let mut path = base;
    if end > 0 && &rest[..end] != "self" {
        path.push(rest[..end].to_owned());
    }
    rest = &rest[end..];
    match rest.strip_prefix("::") {
        Some(after) if end > 0 => expand(path, after, targets),
        _ => {
            targets.insert(path);
            rest
        }
    }
}

#[test]
fn imports_follow_braces_and_super() {
    let file =
        SourceFile { path: "src/a/b.rs".into(), module: vec!["a".into(), "b".into()], text: String::new() };
    let code =
        "use super::{c, d::{E, self}};\nuse crate::f::G as H; fn x() { crate::i::j(super::super::k::l) }";
    let found: Vec<String> = imports_of(&file, code).into_iter().map(|i| i.to.join("::")).collect();
    assert_eq!(found, ["a::c", "a::d", "a::d::E", "f::G", "i::j", "k::l"]);
}
