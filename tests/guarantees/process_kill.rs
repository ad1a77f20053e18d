//! Guarantee 3, atomicity, with a real process that is killed at random moments.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use wa::store::Store;

use super::support::fixtures::{self, assert_no_orphan_files, run_expecting, wa};
use super::support::generated_logs::write_logs_with_gaps;
use super::support::rng::Rng;
use super::support::tables::{self, WRITE_TIMES};

const NOW: &str = "2026-11-10T02:00:00Z";

#[test]
fn atomicity_killed_ingest_is_completed_by_the_next_one() {
    let folder = fixtures::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let events = write_logs_with_gaps(&logs, 8, 12_000, 8_000_000);
    let ingest = |store: &str| {
        let mut command = wa(folder.path(), NOW);
        // The minimum memory results in the most batches.
        command.args(["--store", store, "--quiet", "ingest", "logs", "--memory", "256M"]);
        command
    };
    let started = Instant::now();
    run_expecting(&mut ingest("undisturbed"), 0);
    let duration = started.elapsed();
    let read = |name: &str| tables::read(&Store::new(folder.path().join(name)).snapshot().unwrap()).unwrap();
    let expected = read("undisturbed");
    assert_eq!(expected["events"].len() as u64, events);

    let mut rng = Rng(fixtures::cases(1).into());
    let mut killed = 0;
    for round in 0..fixtures::cases(8) {
        let store = format!("store-{round}");
        for _ in 0..4 {
            let mut child = ingest(&store).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(rng.below(duration.as_micros() as u64)));
            if child.try_wait().unwrap().is_none() {
                killed += 1;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            // The store can be read, and its sessions agree with its events.
            let stored = Store::new(folder.path().join(&store));
            if stored.exists() {
                let tables = tables::read(&stored.snapshot().unwrap()).unwrap();
                let in_sessions: i64 =
                    tables["sessions"].iter().map(|row| row["event_count"].as_i64().unwrap()).sum();
                assert_eq!(in_sessions, tables["events"].len() as i64);
            }
        }
        run_expecting(&mut ingest(&store), 0);
        let difference = tables::difference(&expected, &read(&store), WRITE_TIMES);
        assert!(difference.is_none(), "round {round}: {}", difference.unwrap_or_default());
        let stored = Store::new(folder.path().join(&store)).snapshot().unwrap();
        assert_no_orphan_files(stored.manifest(), stored.dir());
        fs::remove_dir_all(folder.path().join(&store)).unwrap();
    }
    assert!(killed > 0, "no process was killed before its end");
}
