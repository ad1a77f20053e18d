//! The documentation matches the program: generated pages are up to date, the settings are
//! complete, and links have targets.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::harness::{Sandbox, root};

/// Compares a page with its expected text. With `UPDATE_DOCS=1`, writes it instead.
fn assert_up_to_date(name: &str, expected: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let actual = std::fs::read_to_string(&path).unwrap_or_default();
    let line = actual.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count() + 1;
    assert!(
        actual == expected,
        "docs/{name} is stale from line {line}: run `UPDATE_DOCS=1 cargo test --release --test cli`"
    );
}

#[test]
fn generated_pages_are_up_to_date() {
    for page in wa::cli::reference::pages() {
        assert_up_to_date(&page.file, &page.text);
    }
}

#[test]
fn every_page_of_a_format_is_generated() {
    let generated: BTreeSet<String> = wa::cli::reference::pages().into_iter().map(|page| page.file).collect();
    for entry in std::fs::read_dir(root().join("docs/formats")).unwrap() {
        let name = format!("formats/{}", entry.unwrap().file_name().into_string().unwrap());
        assert!(generated.contains(&name), "docs/{name} belongs to no map");
    }
}

#[test]
fn settings_page_describes_every_setting() {
    let page = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    for key in wa::config::KEYS {
        assert!(page.contains(&format!("`{}`", key.name)), "docs/settings.md does not mention {}", key.name);
        if let Some(variable) = key.variable {
            assert!(page.contains(variable), "docs/settings.md does not mention {variable}");
        }
    }
}

/// Returns all hand-written and generated pages.
fn pages() -> Vec<PathBuf> {
    let folder =
        |name: &str| std::fs::read_dir(root().join(name)).unwrap().map(|entry| entry.unwrap().path());
    let docs = folder("docs").chain(folder("docs/formats"));
    let others = ["README.md", "CHANGELOG.md", "sample-data/README.md", "sample-data/bad/README.md"];
    let pages = others.map(|name| root().join(name)).into_iter().chain(docs);
    pages.filter(|page| page.extension().is_some_and(|e| e == "md")).collect()
}

/// Returns the anchors of a page's headings, as GitHub derives them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        in_code ^= line.starts_with("```");
        if !in_code && line.starts_with('#') {
            let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let keep = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
            anchors.insert(heading.chars().filter(keep).collect());
        }
    }
    anchors
}

#[test]
fn links_lead_to_files_and_headings() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: no {target}", page.display());
            if !anchor.is_empty() {
                let anchors = anchors(&std::fs::read_to_string(&path).unwrap());
                assert!(anchors.contains(anchor), "{}: no heading {target}", page.display());
            }
        }
    }
}

#[test]
fn source_files_named_in_pages_exist() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.');
        for name in text.split(|c| !is_path(c)).filter(|name| name.starts_with("src/")) {
            assert!(root().join(name).exists(), "{}: no {name}", page.display());
        }
    }
}

/// Returns the code blocks of a page with their languages.
fn code_blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (code, after) = after.split_once("```").unwrap();
        blocks.push((language, code));
        rest = after;
    }
    blocks
}

#[test]
fn guide_to_other_logs_shows_what_the_program_prints() {
    let page = std::fs::read_to_string(root().join("docs/your-log-looks-different.md")).unwrap();
    let sandbox = Sandbox::new();
    let mut command = None;
    let mut compared = 0;
    for (language, code) in code_blocks(&page) {
        match language {
            "json" => sandbox.write("export.ndjson", code),
            "toml" => sandbox.write("my.toml", code),
            "sh" => command = code.trim().strip_prefix("wa "),
            // The output of the command above; that of `wa preview` is shortened.
            "text" if command.unwrap().starts_with("preview") => {
                let run = sandbox.wa(command.unwrap()).exits(4);
                for row in code.lines().filter(|line| line.starts_with('/')) {
                    let row = row.split(" | …").next().unwrap();
                    assert!(run.stdout.contains(row), "{row}\n{}", run.stdout);
                }
                compared += 1;
            }
            "text" => {
                assert_eq!(sandbox.wa(command.unwrap()).exits(0).stdout, code);
                compared += 1;
            }
            other => panic!("a block of {other}"),
        }
    }
    assert_eq!(compared, 3);
}
