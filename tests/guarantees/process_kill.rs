//! Guarantee 3, atomicity, with a real process that is killed at random moments.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
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
    // Sessions continue from store to store, and both stores have the third file.
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
            // A merge is one commit: the store has all rows of the sources, or none.
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

/// Number of sessions in the shuffled log. A session has [`EVENTS_PER_SESSION`] events, a minute
/// apart.
const SESSIONS: u64 = 8_000;
const EVENTS_PER_SESSION: u64 = 5;

#[test]
fn atomicity_killed_ingest_with_waiting_events_changes_nothing() {
    let folder = fixtures::folder();
    fs::write(folder.path().join("first.ndjson"), line(&mut Rng(0), SESSIONS, 0)).unwrap();
    write_shuffled_log(&folder.path().join("shuffled.ndjson"));
    let ingest = |store: &str, log: &str| {
        let mut command = wa(folder.path(), NOW);
        // The minimum memory results in the most batches.
        command.args(["--store", store, "--quiet", "ingest", log, "--memory", "256M"]);
        command
    };
    let read = |name: &str| tables::read(&Store::new(folder.path().join(name)).snapshot().unwrap()).unwrap();
    run_expecting(&mut ingest("undisturbed", "first.ndjson"), 0);
    run_expecting(&mut ingest("undisturbed", "shuffled.ndjson"), 0);
    let expected = read("undisturbed");

    // Kill the ingest once this number of temporary files exists. A run has about ten files, and
    // all runs together have about forty.
    for files in [1, 12, 25] {
        let name = format!("store-{files}");
        run_expecting(&mut ingest(&name, "first.ndjson"), 0);
        let before = read(&name);
        let staging = folder.path().join(&name).join("staging");
        let mut command = ingest(&name, "shuffled.ndjson");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while temp_files(&staging) < files {
            assert!(child.try_wait().unwrap().is_none(), "the ingest ended with fewer than {files} files");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(temp_files(&staging) >= files);
        assert_eq!(read(&name), before, "killed with {files} temporary files");

        run_expecting(&mut ingest(&name, "shuffled.ndjson"), 0);
        let tables = read(&name);
        let difference = tables::difference(&expected, &tables, WRITE_TIMES);
        assert!(difference.is_none(), "{files} files: {}", difference.unwrap_or_default());
        let counts: BTreeSet<i64> =
            tables["sessions"].iter().map(|row| row["event_count"].as_i64().unwrap()).collect();
        assert_eq!(tables["events"].len() as u64, SESSIONS * EVENTS_PER_SESSION + 1);
        assert_eq!((tables["sessions"].len() as u64, counts), (SESSIONS + 1, [1, 5].into()));
        let stored = Store::new(folder.path().join(&name)).snapshot().unwrap();
        assert_no_orphan_files(stored.manifest(), stored.dir());
    }
}

/// Writes a log of 30 days in random order. Its strings are long and do not compress well, so that
/// few events fill a batch.
fn write_shuffled_log(path: &Path) {
    let mut rng = Rng(1);
    let events = SESSIONS * EVENTS_PER_SESSION;
    let mut order: Vec<u64> = (0..events).collect();
    (1..order.len()).for_each(|at| order.swap(at, rng.below(at as u64 + 1) as usize));
    let lines = order.iter().map(|n| line(&mut rng, n / EVENTS_PER_SESSION, n % EVENTS_PER_SESSION));
    fs::write(path, lines.collect::<String>()).unwrap();
}

fn line(rng: &mut Rng, session: u64, event: u64) -> String {
    // 2026-10-01, and 5 minutes from one session to the next.
    let time = 1_790_812_800_000_000 + session * 300_000_000 + event * 60_000_000;
    let mut text = String::new();
    (0..90).for_each(|_| write!(text, "{:016x}", rng.next()).unwrap());
    format!(
        "{{\"event_id\":\"{session}-{event}\",\"chatbot_id\":\"c\",\"session_id\":\"s{session}\",\
         \"event_name\":\"message_sent\",\"timestamp\":{time},\"properties\":{{\"text\":\"{text}\"}}}}\n"
    )
}

/// Returns the number of temporary files in a folder.
fn temp_files(folder: &Path) -> usize {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "tmp")).count()
}
