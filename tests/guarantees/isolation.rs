//! Guarantee 5, isolation: with concurrent readers and writers, each reader sees one state.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wa::store::Store;
use wa::store::columns::Table;
use wa::store::frame::Frame;
use wa::store::snapshot::Snapshot;

use super::support::fixtures::{self, assert_no_orphan_files, run_expecting, wa};
use super::support::generated_logs::write_logs;
use super::support::tables::{self, WRITE_TIMES};

const NOW: &str = "2026-11-10T02:00:00Z";

/// Checks that the sums over the tables of a state agree, and returns its number of events.
fn check_sums(snapshot: &Snapshot) -> wa::Result<u64> {
    let sum = |table: Table, column: &str| -> wa::Result<i64> {
        let mut sum = 0;
        for frame in snapshot.read(table, None, &[column])? {
            let values = frame.ints(column)?;
            sum += (0..frame.height()).map(|row| values.or_zero(row)).sum::<i64>();
        }
        Ok(sum)
    };
    let rows = |table: Table| -> wa::Result<i64> {
        let frames = snapshot.read(table, None, &["chatbot_id"])?;
        Ok(frames.iter().map(|frame| frame.height() as i64).sum())
    };
    let events = rows(Table::Events)?;
    assert_eq!(sum(Table::Sessions, "event_count")?, events, "sum of event_count");
    let sessions = rows(Table::Sessions)?;
    assert_eq!(sum(Table::DailyStats, "total_sessions")?, sessions, "sum of total_sessions");
    let sent = sum(Table::Sessions, "messages_sent")?;
    assert_eq!(sum(Table::DailyStats, "total_messages_sent")?, sent, "sum of total_messages_sent");
    Ok(events as u64)
}

#[test]
fn isolation_concurrent_runs_see_one_state_and_lose_nothing() {
    let folder = fixtures::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let events = write_logs(&logs, 12, 500);
    let run = |store: &str, arguments: &[&str]| {
        let mut command = wa(folder.path(), NOW);
        command.args(["--store", store]).args(arguments);
        run_expecting(&mut command, 0)
    };
    run("expected", &["ingest", "logs"]);
    let read = |name: &str| tables::read(&Store::new(folder.path().join(name)).snapshot().unwrap()).unwrap();
    let expected = read("expected");

    // The readers need a store from the start.
    run("store", &["ingest", "logs/05.ndjson"]);
    let store = Store::new(folder.path().join("store"));
    let done = AtomicBool::new(false);
    let states = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let events = store.read_consistently(check_sums).unwrap();
                    assert!(last <= events, "the number of events fell from {last} to {events}");
                    states.fetch_add(u64::from(last != events), Ordering::Relaxed);
                    last = events;
                }
            });
        }
        let reports = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let list = run("store", &["files", "sessions"]);
                assert!(!list.stdout.is_empty());
                let summary = wa(folder.path(), NOW)
                    .args(["--store", "store", "report", "summary", "--format", "json"])
                    .output()
                    .unwrap();
                assert!(summary.status.success(), "{summary:?}");
                let summary: serde_json::Value = serde_json::from_slice(&summary.stdout).unwrap();
                assert!(summary["summary"]["total_sessions"].as_i64().is_some_and(|n| n > 0), "{summary}");
            }
        });
        let run = &run;
        let overlapping: [&[usize]; 3] = [&[0, 1, 2, 3, 4, 5, 6], &[4, 5, 6, 7, 8, 9], &[11, 10, 9, 3, 2, 0]];
        let mut writers = Vec::new();
        for files in overlapping {
            writers.push(scope.spawn(move || {
                for file in files {
                    run("store", &["ingest", &format!("logs/{file:02}.ndjson"), "--lock-timeout", "5m"]);
                }
            }));
        }
        writers.push(scope.spawn(move || {
            for _ in 0..8 {
                run("store", &["gc", "--yes", "--lock-timeout", "5m"]);
            }
        }));
        let failed = writers.into_iter().map(|writer| writer.join()).any(|outcome| outcome.is_err());
        done.store(true, Ordering::Relaxed);
        let reports_failed = reports.join().is_err();
        assert!(!failed && !reports_failed);
    });
    let found = read("store");
    assert_eq!(found["events"].len() as u64, events);
    let difference = tables::difference(&expected, &found, WRITE_TIMES);
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    let snapshot = store.snapshot().unwrap();
    assert_no_orphan_files(snapshot.manifest(), snapshot.dir());
    assert!(states.load(Ordering::Relaxed) > 2, "the readers saw too few states");
}

#[test]
fn isolation_lock_names_its_holder_and_ends_with_it() {
    let folder = fixtures::folder();
    let mut holder = wa(folder.path(), NOW)
        .args(["--store", "store", "ingest", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The ingest waits for more lines and holds the lock. Its first batch is not committed.
    let line = b"{\"event_name\":\"x\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\"timestamp\":1790000000}\n";
    let mut lines = holder.stdin.take().unwrap();
    lines.write_all(line).unwrap();
    lines.flush().unwrap();
    let lock_file = folder.path().join("store/lock");
    let is_locked = || fs::read_to_string(&lock_file).is_ok_and(|text| text.ends_with('\n'));
    let start = Instant::now();
    while !is_locked() {
        assert!(start.elapsed() < Duration::from_secs(60), "the ingest did not acquire the lock");
        std::thread::sleep(Duration::from_millis(5));
    }

    fs::write(folder.path().join("a.ndjson"), line).unwrap();
    let second = |timeout: &'static str| {
        let mut command = wa(folder.path(), NOW);
        command.args(["--store", "store", "ingest", "a.ndjson", "--lock-timeout", timeout]);
        command
    };
    let start = Instant::now();
    let blocked = run_expecting(&mut second("1s"), 1);
    assert!(start.elapsed() >= Duration::from_secs(1), "the second ingest did not wait");
    let stderr = String::from_utf8_lossy(&blocked.stderr);
    let name = format!("is being written by process {} (wa ingest)", holder.id());
    assert!(stderr.contains(&name) && stderr.contains("waited 1 s"), "{stderr}");
    assert!(stderr.contains("--lock-timeout"), "{stderr}");

    // After SIGKILL the lock file remains.
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(is_locked());
    run_expecting(&mut second("0s"), 0);
    drop(lines);
    let store = Store::new(folder.path().join("store"));
    assert_eq!(store.read_consistently(check_sums).unwrap(), 1);
}

#[test]
fn isolation_pinned_files_stay_readable_after_removal() {
    let folder = fixtures::folder();
    let events = write_logs(folder.path(), 1, 600);
    run_expecting(wa(folder.path(), NOW).args(["--store", "store", "--quiet", "ingest", "00.ndjson"]), 0);
    let snapshot = Store::new(folder.path().join("store")).snapshot().unwrap();
    let pinned = snapshot.pin_files(Table::Events, None).unwrap();
    // Simulate a writer that removes the files it has replaced.
    fs::remove_dir_all(folder.path().join("store/events")).unwrap();
    assert!(snapshot.read(Table::Events, None, &["id"]).unwrap_err().is_missing_file());
    // Two reads, as in a list of events: first the columns of the filter, then the columns of the
    // rows.
    for columns in [&["event_name"][..], &["id", "properties"]] {
        let frames = pinned.read(Table::Events, None, columns).unwrap();
        assert_eq!(frames.iter().map(Frame::height).sum::<usize>() as u64, events);
    }
}
