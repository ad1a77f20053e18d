//! Merges of stores with logs in other formats.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::formats::{data, ingest, read_tables};
use super::super::harness::wa;
use super::super::support::fixtures::{folder, run_expecting};
use super::super::support::tables;

/// Returns the log files below a folder, sorted.
fn logs_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        match path.is_dir() {
            true => found.extend(logs_below(&path)),
            false if name != "expected.json" && !name.ends_with(".md") && !name.ends_with(".toml") => {
                found.push(path);
            }
            false => {}
        }
    }
    found.sort();
    found
}

#[test]
fn merge_of_mapped_logs_equals_one_ingest() {
    let dir = folder();
    let files = logs_below(&data("formats"));
    assert!(files.len() > 20, "{files:?}");
    let chatbot = ["--chatbot".to_owned(), "shop".to_owned()];
    // Every third file is in both stores. All other files are in one of them.
    let of_store = |store: usize| -> Vec<PathBuf> {
        let is_in = |number: usize| number % 3 == 2 || number % 3 == store;
        files.iter().enumerate().filter(|(number, _)| is_in(*number)).map(|(_, file)| file.clone()).collect()
    };
    // Some files have the same events in different formats. The event that is ingested first is
    // stored.
    ingest(dir.path(), "one", &of_store(0), &chatbot);
    ingest(dir.path(), "one", &of_store(1), &chatbot);
    for (name, store) in [("even", 0), ("odd", 1)] {
        ingest(dir.path(), name, &of_store(store), &chatbot);
    }
    let mut command = wa(dir.path(), "2026-11-20T00:00:00Z");
    command.env("WA_KEY_FILE", dir.path().join("the-key"));
    command.args(["--store", "merged", "merge", "even", "odd", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&run_expecting(&mut command, 0).stdout).unwrap();
    let (expected, found) = (read_tables(dir.path(), "one"), read_tables(dir.path(), "merged"));
    assert_eq!(report["events"][1].as_u64(), Some(expected["events"].len() as u64), "{report}");
    let difference = tables::difference(&expected, &found, tables::WRITE_TIMES);
    assert_eq!(difference, None);
    assert!(report["sources"][0]["events"]["new"].as_u64() > Some(100), "{report}");
    assert!(report["sources"][1]["events"]["duplicate"].as_u64() > Some(100), "{report}");
}
