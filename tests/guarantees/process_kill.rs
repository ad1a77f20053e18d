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

#[test]
fn atomicity_killed_merge_is_completed_by_the_next_one() {
    let folder = fixtures::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let events = write_logs_with_gaps(&logs, 4, 10_000, 8_000_000);
    // Sessions continue from store to store, and both have the third file.
    for (store, files) in [("web-1", [0, 2, 2]), ("web-2", [1, 2, 3])] {
        fs::create_dir(folder.path().join(store)).unwrap();
        fixtures::write_key(&folder.path().join(store).join("key"));
        let files = files.map(|number| format!("logs/{number:02}.ndjson"));
        run_expecting(wa(folder.path(), NOW).args(["--store", store, "--quiet", "ingest"]).args(files), 0);
    }
    let merge = |store: &str| {
        let mut command = wa(folder.path(), NOW);
        // The minimum memory results in the most batches.
        command.args(["--store", store, "--quiet", "merge", "web-1", "web-2", "--memory", "256M"]);
        command
    };
    let sources =
        ["web-1", "web-2"].map(|name| fs::read(folder.path().join(name).join("manifest.json")).unwrap());
    let started = Instant::now();
    run_expecting(&mut merge("undisturbed"), 0);
    let duration = started.elapsed();
    let read = |name: &str| tables::read(&Store::new(folder.path().join(name)).snapshot().unwrap()).unwrap();
    let expected = read("undisturbed");
    assert_eq!(expected["events"].len() as u64, events);

    let mut rng = Rng(fixtures::cases(2).into());
    let mut killed = 0;
    for round in 0..fixtures::cases(8) {
        let store = format!("store-{round}");
        // Half of the merges add to a store that has data.
        if round % 2 == 0 {
            fs::create_dir(folder.path().join(&store)).unwrap();
            fixtures::write_key(&folder.path().join(&store).join("key"));
            let log = "logs/01.ndjson";
            run_expecting(wa(folder.path(), NOW).args(["--store", &store, "--quiet", "ingest", log]), 0);
        }
        for _ in 0..4 {
            let stored = Store::new(folder.path().join(&store));
            let before = stored.exists().then(|| read(&store));
            let mut child = merge(&store).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_micros(rng.below(duration.as_micros() as u64)));
            killed += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            // One commit: the store has all rows of the sources, or none.
            let after = stored.exists().then(|| read(&store));
            let is_complete =
                |tables: &tables::Tables| tables::difference(&expected, tables, WRITE_TIMES).is_none();
            let is_unchanged =
                after == before || after.as_ref().is_some_and(|tables| tables["events"].is_empty());
            assert!(is_unchanged || after.as_ref().is_some_and(is_complete), "round {round}");
        }
        run_expecting(&mut merge(&store), 0);
        let difference = tables::difference(&expected, &read(&store), WRITE_TIMES);
        assert!(difference.is_none(), "round {round}: {}", difference.unwrap_or_default());
        let stored = Store::new(folder.path().join(&store)).snapshot().unwrap();
        assert_no_orphan_files(stored.manifest(), stored.dir());
        fs::remove_dir_all(folder.path().join(&store)).unwrap();
    }
    assert!(killed > 0, "no process was killed before its end");
    for (name, manifest) in ["web-1", "web-2"].into_iter().zip(sources) {
        assert_eq!(fs::read(folder.path().join(name).join("manifest.json")).unwrap(), manifest);
    }
}
