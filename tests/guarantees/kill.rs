//! Guarantee 3 again, with the real thing: the process killed at random moments, and its lock.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use wa::store::Store;

use super::disk::Chance;
use super::place::{self, ends, wa};
use super::tables::{self, DATES};

const NOW: &str = "2026-11-10T02:00:00Z";

/// Writes files of events whose sessions go on from file to file: a visitor comes back every minute
/// or so, now and then after more than half an hour. Returns the number of events.
pub fn write_logs(folder: &Path, files: usize, events: usize) -> u64 {
    write_logs_with_gaps(folder, files, events, 20_000_000)
}

/// Does the same with gaps of up to so many microseconds between events.
pub fn write_logs_with_gaps(folder: &Path, files: usize, events: usize, gap: u64) -> u64 {
    let mut chance = Chance(42);
    let mut time = 1_793_404_800_000_000_i64; // 2026-10-31T00:00:00Z
    for number in 0..files {
        let mut text = String::new();
        for event in 0..events {
            time += chance.below(gap) as i64;
            let visitor = chance.below(40);
            let name = ["widget_opened", "message_sent", "message_received"][chance.below(3) as usize];
            // One line in five has no id.
            let id = match chance.below(5) {
                0 => String::new(),
                _ => format!("\"event_id\":\"{number}-{event}\","),
            };
            text.push_str(&format!(
                "{{{id}\"chatbot_id\":\"c{}\",\"session_id\":\"s{visitor}\",\"anonymous_id\":\"a{visitor}\",\
                 \"event_name\":\"{name}\",\"timestamp\":{time},\"page_title\":\"{number}-{event}\",\
                 \"page_url\":\"https://shop.example.com/{}\"}}\n",
                visitor % 2,
                chance.below(50),
            ));
        }
        fs::write(folder.join(format!("{number:02}.ndjson")), text).unwrap();
    }
    (files * events) as u64
}

#[test]
fn whole_or_not_at_all_when_the_process_is_killed_at_random_moments() {
    let folder = place::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let events = write_logs_with_gaps(&logs, 8, 12_000, 8_000_000);
    let ingest = |store: &str| {
        let mut command = wa(folder.path(), NOW);
        // The least memory makes the most batches.
        command.args(["--store", store, "--quiet", "ingest", "logs", "--memory", "256M"]);
        command
    };
    let started = Instant::now();
    ends(&mut ingest("undisturbed"), 0);
    let whole = started.elapsed();
    let read = |name: &str| tables::read(&Store::new(folder.path().join(name)).snapshot().unwrap()).unwrap();
    let expected = read("undisturbed");
    assert_eq!(expected["events"].len() as u64, events);

    let mut chance = Chance(place::cases(1).into());
    let mut killed = 0;
    for round in 0..place::cases(8) {
        let store = format!("store-{round}");
        for _ in 0..4 {
            let mut child = ingest(&store).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(chance.below(whole.as_micros() as u64)));
            if child.try_wait().unwrap().is_none() {
                killed += 1;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // Whatever is there can be read, and sessions and events agree.
            let stored = Store::new(folder.path().join(&store));
            if stored.exists() {
                let tables = tables::read(&stored.snapshot().unwrap()).unwrap();
                let in_sessions: i64 =
                    tables["sessions"].iter().map(|row| row["event_count"].as_i64().unwrap()).sum();
                assert_eq!(in_sessions, tables["events"].len() as i64);
            }
        }
        ends(&mut ingest(&store), 0);
        let difference = tables::difference(&expected, &read(&store), DATES);
        assert!(difference.is_none(), "round {round}: {}", difference.unwrap_or_default());
        let stored = Store::new(folder.path().join(&store)).snapshot().unwrap();
        assert_no_unnamed_files(stored.manifest(), stored.dir());
        fs::remove_dir_all(folder.path().join(&store)).unwrap();
    }
    assert!(killed > 0, "no process was killed in time");
}

/// Checks that a glob over the store's tables is exact.
pub fn assert_no_unnamed_files(manifest: &wa::store::manifest::Manifest, dir: &Path) {
    let named: std::collections::BTreeSet<_> = manifest.paths().map(|path| dir.join(path)).collect();
    let mut pending: Vec<_> =
        ["events", "sessions", "daily_stats", "visitors", "rejects", "state", "staging"]
            .map(|d| dir.join(d))
            .into();
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => pending.push(entry.path()),
                false => assert!(named.contains(&entry.path()), "unnamed: {}", entry.path().display()),
            }
        }
    }
}
