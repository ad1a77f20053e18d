//! The documentation says what the program does: generated pages are fresh, the others name every
//! setting.

use crate::harness::root;

/// Compares a page with what it should be; with `UPDATE_DOCS=1` it is written instead.
fn check_fresh(name: &str, expected: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    let actual = std::fs::read_to_string(&path).unwrap_or_default();
    let line = actual.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count() + 1;
    assert!(
        actual == expected,
        "docs/{name} is stale from line {line}: run `UPDATE_DOCS=1 cargo test --release --test cli` and look at what changed"
    );
}

#[test]
fn the_reference_of_the_command_line_is_fresh() {
    check_fresh("commands.md", &wa::cli::args::reference::commands());
}

#[test]
fn the_list_of_columns_is_fresh() {
    check_fresh("columns.md", &wa::cli::args::reference::columns());
}

#[test]
fn every_setting_is_described() {
    let page = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    for key in wa::config::KEYS {
        assert!(page.contains(&format!("`{}`", key.name)), "docs/settings.md leaves out {}", key.name);
        if let Some(variable) = key.variable {
            assert!(page.contains(variable), "docs/settings.md leaves out {variable}");
        }
    }
}

#[test]
fn every_file_that_a_page_links_to_is_there() {
    let pages = ["README.md", "CHANGELOG.md"].map(|name| root().join(name));
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let samples = [root().join("sample-data/README.md"), root().join("sample-data/bad/README.md")];
    for page in pages.into_iter().chain(docs).chain(samples) {
        if page.extension().is_none_or(|e| e != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(target).exists(), "{}: no {target}", page.display());
        }
    }
}
