//! The number of commits of an ingest.

use std::time::Duration;

use crate::config::ResolvedConfig;
use crate::ingest::{IngestOptions, run};
use crate::progress::NoProgress;
use crate::store::Store;
use crate::time::{Clock, DAY, SECOND};

/// Ingests one file of 60 visitors for each of seven days, each file as a batch. The lines of all
/// days from `rejected_from` on have no event name. Returns the number of commits.
fn commits(batches_per_commit: usize, atomic: bool, rejected_from: i64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for day in 0..7 {
        let line = |n: i64| {
            let time = 1_760_000_000 + day * (DAY / SECOND) + n;
            let key = if day < rejected_from { "event_name" } else { "unknown" };
            format!(
                "{{\"chatbot_id\":\"c\",\"session_id\":\"s{day}-{n}\",\"{key}\":\"e\",\"timestamp\":{time}}}\n"
            )
        };
        std::fs::write(logs.join(format!("{day}.ndjson")), (0..60).map(line).collect::<String>()).unwrap();
    }
    let options = IngestOptions {
        map: None,
        timezone: None,
        inputs: vec![logs],
        chatbot: None,
        force: false,
        atomic,
        max_rejects: None,
        clock: Clock { now: 1_790_000_000 * SECOND },
        lock_timeout: Duration::ZERO,
        key_file: None,
        batch_bytes: Some(1),
        batches_per_commit,
    };
    let store = Store::new(folder.path().join("store"));
    let report = run(&store, &ResolvedConfig::default(), &options, &NoProgress).unwrap();
    assert!(report.failure.is_none() && report.committed);
    assert_eq!(report.summary.total.stored, 60 * rejected_from as u64);
    assert_eq!(report.summary.total.rejected_total(), 60 * (7 - rejected_from) as u64);
    store.snapshot().unwrap().manifest().generation
}

#[test]
fn commit_contains_the_given_number_of_batches() {
    // There are seven batches. If a commit is full after the last of them, a further commit stores
    // that the end of the last file was read.
    for (batches_per_commit, expected) in [(1, 8), (3, 3), (7, 2), (8, 1)] {
        assert_eq!(
            commits(batches_per_commit, false, 7),
            expected,
            "{batches_per_commit} batches per commit"
        );
    }
    assert_eq!(commits(1, true, 7), 1);
}

#[test]
fn batches_of_rejected_lines_count_for_the_commit() {
    for stored_days in [0, 1] {
        assert_eq!(commits(3, false, stored_days), 3, "{stored_days} days with events");
    }
}
