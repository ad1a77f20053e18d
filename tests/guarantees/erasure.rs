//! Guarantee 8, erasure: after an erasure, the store does not contain the data, and ingesting the
//! log again does not restore it.

use std::sync::Arc;

use wa::identity::{Identifier, IdentifierKind};
use wa::ingest::IngestOptions;
use wa::store::file_system::FileSystem;
use wa::time::SECOND;

use super::atomicity::{LogFolder, Scenario};
use super::support::fixtures;
use super::support::generated_logs::NOW;
use super::support::memory_file_system::{MemoryFileSystem, Surviving};
use super::support::reference_model::{self, Model};
use super::support::tables::{self, Tables};

/// The user to erase.
const MALLORY: &str = "mallory-7";

/// Returns the lines of three users, who have separate sessions on the same days. The last line
/// names the user to erase and is rejected.
fn lines_of_three_users() -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..36_usize {
        let person = ["alice", MALLORY, "bob"][number % 3];
        // Each user has an event every three hours, and each event is a session.
        let time = 1_790_000_000 + number * 3600;
        let page = ["pricing", "docs", person][number / 3 % 3];
        lines.push(format!(
            "{{\"event_id\":\"{number}\",\"chatbot_id\":\"c\",\"session_id\":\"of {person} {}\",\
             \"anonymous_id\":\"cookie of {person}\",\"user_id\":\"{person}\",\"event_name\":\"message_sent\",\
             \"page_title\":\"n{number}\",\"page_url\":\"https://shop.example.com/{page}\",\"timestamp\":{time}}}",
            number / 6
        ));
    }
    lines.push(format!(
        "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"user_id\":\"{MALLORY}\",\"event_name\":\"x\",\"timestamp\":\"never\"}}"
    ));
    lines
}

/// Returns a folder with the lines in four files.
fn log_folder(lines: &[String]) -> LogFolder {
    LogFolder::new(lines.chunks(10).map(<[String]>::to_vec).collect())
}

/// Returns the model of the lines without the lines of one user.
fn model_without(lines: &[String], user: Option<&str>) -> Model {
    let mut model = Model::default();
    let is_other = |line: &&String| user.is_none_or(|user| !line.contains(user));
    model.add_file(lines.iter().filter(is_other).map(String::as_str));
    model
}

fn check_tables(model: &Model, tables: &Tables) -> Result<(), String> {
    reference_model::check(model, chrono_tz::Tz::UTC, 1800 * SECOND, tables.clone())
}

fn forget_mallory(disk: &Arc<MemoryFileSystem>) -> wa::Result<()> {
    let identifiers = [Identifier::new(IdentifierKind::User, MALLORY)];
    fixtures::forget(disk, &identifiers, NOW).map(drop)
}

fn assert_no_file_contains_mallory(disk: &Arc<MemoryFileSystem>) {
    // Verify a copy, because reads count as operations.
    let disk = disk.copy();
    for path in disk.files() {
        let bytes = disk.read(&path).unwrap();
        let found = bytes.windows(MALLORY.len()).any(|window| window == MALLORY.as_bytes());
        assert!(!found, "{} contains the user id", path.display());
    }
}

#[test]
fn erasure_is_complete_after_a_fault_at_any_operation() {
    let lines = lines_of_three_users();
    let folder = log_folder(&lines);
    let before = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let old = model_without(&lines, None);
    let new = model_without(&lines, Some(MALLORY));
    let forget = |disk: &Arc<MemoryFileSystem>| {
        let result = forget_mallory(disk);
        if result.is_ok() {
            assert_no_file_contains_mallory(disk);
        }
        (result.err().map(|e| e.to_string()), None)
    };
    Scenario {
        name: "forget",
        before: before.after_crash(Surviving::Everything),
        command: &forget,
        state: &|tables| match (check_tables(&new, tables), check_tables(&old, tables)) {
            (Ok(()), _) => Ok(1),
            (_, Ok(())) => Ok(0),
            (Err(new), Err(old)) => Err(format!("neither without the user:\n{new}\nnor with:\n{old}")),
        },
        last_state: 1,
    }
    .check_all_faults();
}

#[test]
fn erasure_persists_when_the_log_is_ingested_again() {
    let lines = lines_of_three_users();
    let folder = log_folder(&lines);
    let disk = MemoryFileSystem::new();
    assert_eq!(folder.ingest(&disk, false).0, None);
    forget_mallory(&disk).unwrap();
    let inputs = vec![folder.dir.path().display().to_string()];
    let options = IngestOptions { force: true, ..fixtures::ingest_options(inputs, NOW) };
    let report = fixtures::ingest(&disk, &fixtures::settings(), &options).unwrap();
    assert!(report.failure.is_none() && report.summary.adds_up(), "{:#?}", report.summary);
    assert_eq!(report.summary.total.stored, 0);
    let tables = tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).unwrap();
    check_tables(&model_without(&lines, Some(MALLORY)), &tables).unwrap();
    assert_no_file_contains_mallory(&disk);
}
