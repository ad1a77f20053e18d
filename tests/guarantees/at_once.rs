//! Guarantee 5, readers, and several writers: everything at the same time, and each answer of one state.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wa::store::Store;
use wa::store::columns::Table;
use wa::store::snapshot::Snapshot;

use super::kill::{assert_no_unnamed_files, write_logs};
use super::place::{self, ends, wa};
use super::tables::{self, DATES};

const NOW: &str = "2026-11-10T02:00:00Z";

/// Returns sums of one state that have to agree; the rows of events.
fn agreement(snapshot: &Snapshot) -> wa::Result<u64> {
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
    assert_eq!(sum(Table::Sessions, "event_count")?, events, "events of sessions, and events");
    let sessions = rows(Table::Sessions)?;
    assert_eq!(sum(Table::DailyStats, "total_sessions")?, sessions, "sessions of days, and sessions");
    let sent = sum(Table::Sessions, "messages_sent")?;
    assert_eq!(sum(Table::DailyStats, "total_messages_sent")?, sent, "messages of days, and of sessions");
    Ok(events as u64)
}

#[test]
fn readers_see_one_state_and_writers_lose_and_double_nothing() {
    let folder = place::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let events = write_logs(&logs, 12, 500);
    let run = |store: &str, arguments: &[&str]| {
        let mut command = wa(folder.path(), NOW);
        command.args(["--store", store]).args(arguments);
        ends(&mut command, 0)
    };
    run("expected", &["ingest", "logs"]);
    let read = |name: &str| tables::read(&Store::new(folder.path().join(name)).snapshot().unwrap()).unwrap();
    let expected = read("expected");

    // So that the readers have something to read from the beginning.
    run("store", &["ingest", "logs/05.ndjson"]);
    let store = Store::new(folder.path().join("store"));
    let done = AtomicBool::new(false);
    let states = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let events = store.read_consistently(agreement).unwrap();
                    assert!(last <= events, "events went away: {last}, then {events}");
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
    let difference = tables::difference(&expected, &found, DATES);
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    let snapshot = store.snapshot().unwrap();
    assert_no_unnamed_files(snapshot.manifest(), snapshot.dir());
    assert!(states.load(Ordering::Relaxed) > 2, "the readers saw too few states to tell");
}

#[test]
fn at_once_the_lock_says_who_holds_it_and_a_dead_holder_never_blocks() {
    let folder = place::folder();
    let mut holder = wa(folder.path(), NOW)
        .args(["--store", "store", "ingest", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for more lines, and holds the lock: its note is there, and its first batch is not.
    let line = b"{\"event_name\":\"x\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\"timestamp\":1790000000}\n";
    let mut lines = holder.stdin.take().unwrap();
    lines.write_all(line).unwrap();
    lines.flush().unwrap();
    let note = folder.path().join("store/lock");
    let noted = || fs::read_to_string(&note).is_ok_and(|note| note.ends_with('\n'));
    let began = Instant::now();
    while !noted() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never took the lock");
        std::thread::sleep(Duration::from_millis(5));
    }

    fs::write(folder.path().join("a.ndjson"), line).unwrap();
    let second = |timeout: &'static str| {
        let mut command = wa(folder.path(), NOW);
        command.args(["--store", "store", "ingest", "a.ndjson", "--lock-timeout", timeout]);
        command
    };
    let began = Instant::now();
    let refused = ends(&mut second("1s"), 1);
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    let said = String::from_utf8_lossy(&refused.stderr);
    let name = format!("is being written by process {} (wa ingest)", holder.id());
    assert!(said.contains(&name) && said.contains("waited 1 s"), "{said}");
    assert!(said.contains("--lock-timeout"), "{said}");

    // SIGKILL: it can tidy nothing up, and its note stays.
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(noted());
    ends(&mut second("0s"), 0);
    drop(lines);
    let store = Store::new(folder.path().join("store"));
    assert_eq!(store.read_consistently(agreement).unwrap(), 1);
}
