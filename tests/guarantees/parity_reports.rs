//! Guarantee 9, parity: a report that tasks compute equals the output of `wa report`.
//!
//! These tests distribute the rows of `wa::distributed` without a cluster. `spark/tests` test the
//! same on Spark and Sail.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wa::ErrorKind;
use wa::cli::DistributedReport;
use wa::distributed::{ReportContext, Rows, VisitorsTask, kind};
use wa::store::Store;
use wa::store::columns::Table;

use super::support::fixtures::{self, run_expecting, wa};
use super::support::generated_logs;

const NOW: &str = "2026-12-01T02:00:00Z";

/// The reports that tasks compute.
const KINDS: [&str; 6] = ["summary", "trends", "events", "sources", "devices", "visitors"];

/// Computes a report in tasks, with the visitors in `partitions` partitions.
fn in_tasks(store: &Path, arguments: &[&str], partitions: u128) -> wa::Result<String> {
    let mut words = vec!["--now".to_owned(), NOW.to_owned(), "--store".to_owned()];
    words.push(store.to_str().unwrap().to_owned());
    words.push("report".to_owned());
    words.extend(arguments.iter().map(|word| (*word).to_owned()));
    let mut report = DistributedReport::begin(&words)?;
    let context = ReportContext::open(&report.task_settings()?)?;
    let mut tasks: BTreeMap<u128, VisitorsTask> = BTreeMap::new();
    for file in report.files()? {
        let rows = context.compute(&serde_json::to_vec(&file).unwrap())?;
        for row in 0..rows.len() {
            let mut one = Rows::default();
            one.push(rows.head(row), |payload| payload.extend_from_slice(rows.payload(row)));
            tasks.entry(rows.head(row).key % partitions).or_default().push(&one);
        }
    }
    for task in tasks.into_values() {
        let results = task.finish()?;
        for row in 0..results.len() {
            assert_eq!(results.head(row).kind, kind::REPORT);
            report.add(results.payload(row))?;
        }
    }
    report.finish()
}

fn check(folder: &Path, store: &str, arguments: &[&str]) -> String {
    let mut command = wa(folder, NOW);
    command.args(["--store", store, "report"]).args(arguments).args(["--format", "json"]);
    let expected = String::from_utf8(run_expecting(&mut command, 0).stdout).unwrap();
    for partitions in [1, 3, 64] {
        let found = in_tasks(&folder.join(store), arguments, partitions).unwrap();
        assert_eq!(found, expected, "{arguments:?}");
    }
    expected
}

/// Ingests the sample data and random logs, in several runs.
fn create_store(folder: &Path, store: &str) {
    let logs = folder.join("logs");
    fs::create_dir(&logs).unwrap();
    generated_logs::write_logs_with_gaps(&logs, 3, 400, 4_000_000_000);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/*.ndjson*");
    for inputs in
        [vec![sample], vec![logs.join("00.ndjson")], vec![logs.join("01.ndjson"), logs.join("02.ndjson")]]
    {
        run_expecting(wa(folder, NOW).args(["--store", store, "--quiet", "ingest"]).args(inputs), 0);
    }
}

#[test]
fn reports_in_tasks_equal_reports_on_one_machine() {
    let folder = fixtures::folder();
    create_store(folder.path(), "store");
    let stored = Store::new(folder.path().join("store")).snapshot().unwrap();
    assert!(stored.manifest().files(Table::Visitors).len() > 1);
    for kind in KINDS {
        for options in [
            &[][..],
            &["--days", "60", "--as-of", "latest"],
            &["--from", "2026-11-01", "--to", "2026-11-09", "--chatbot", "c0"],
            &["--days", "60", "--chatbot", "c1", "--chatbot", "harbor-coffee"],
            // A window before the first data.
            &["--from", "2020-01-01", "--to", "2020-01-31"],
        ] {
            check(folder.path(), "store", &[&[kind], options].concat());
        }
    }
    // The limit is below the number of rows: the remaining rows become one row whose sessions
    // overlap.
    let limited = check(folder.path(), "store", &["events", "--days", "60", "--limit", "2"]);
    let all = check(folder.path(), "store", &["events", "--days", "60", "--limit", "all"]);
    assert!(limited.len() < all.len());
    check(folder.path(), "store", &["sources", "--days", "60", "--limit", "1"]);
}

#[test]
fn reports_in_tasks_include_pruned_days() {
    let folder = fixtures::folder();
    create_store(folder.path(), "store");
    let gc = ["gc", "--keep-events", "20d", "--keep-sessions", "20d", "--yes"];
    run_expecting(wa(folder.path(), NOW).args(["--store", "store"]).args(gc), 0);
    for kind in KINDS {
        check(folder.path(), "store", &[kind, "--days", "60"]);
        check(folder.path(), "store", &[kind, "--days", "10"]);
    }
}

#[test]
fn reports_in_tasks_reject_other_options() {
    let folder = fixtures::folder();
    create_store(folder.path(), "store");
    let store = folder.path().join("store");
    for (arguments, text) in [
        (&["funnel"][..], "tasks cannot compute `funnel`"),
        (&["summary", "--compare"], "tasks cannot compute --compare of `summary`"),
        (&["summary", "--include-bots"], "--include-bots"),
        (&["sources", "--by", "city"], "--by"),
        (&["devices", "--where", "city=Bonn"], "--where"),
        (&["trends", "--interval", "week"], "--interval"),
        (&["summary", "--fail-if", "total_sessions < 1"], "--fail-if"),
        (&["summary", "--by-chatbot"], "--by-chatbot"),
        (&["summary", "--chatbot", "c7"], "the store has no chatbot \"c7\""),
        (&["summary", "--from", "2026-11-02", "--to", "2026-11-01"], "is after the last"),
        (&["summary", "--format", "csv"], "--format"),
        (&["nothing"], "nothing"),
    ] {
        let error = in_tasks(&store, arguments, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{arguments:?}: {error}");
        assert!(error.to_string().contains(text), "{arguments:?}: {error}");
    }
    let error = in_tasks(&folder.path().join("nowhere"), &["summary"], 1).unwrap_err();
    assert!(error.to_string().contains("there is no wa store"), "{error}");
}

/// A writer can replace a file before the task that reads it runs.
#[test]
fn report_in_tasks_is_outdated_after_a_commit() {
    let folder = fixtures::folder();
    create_store(folder.path(), "store");
    let words = ["--now", NOW, "--store", "store", "report", "visitors"].map(str::to_owned);
    let mut words = words.to_vec();
    words[3] = folder.path().join("store").to_str().unwrap().to_owned();
    let report = DistributedReport::begin(&words).unwrap();
    assert!(!report.is_outdated());
    fs::write(
        folder.path().join("late.ndjson"),
        "{\"event_name\":\"a\",\"chatbot_id\":\"c0\",\"session_id\":\"new\",\"timestamp\":1793404800}\n",
    )
    .unwrap();
    run_expecting(wa(folder.path(), NOW).args(["--store", "store", "--quiet", "ingest", "late.ndjson"]), 0);
    assert!(report.is_outdated());
}
