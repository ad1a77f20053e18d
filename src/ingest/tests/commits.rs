//! The number of commits of an ingest.

use std::time::Duration;

use crate::config::ResolvedConfig;
use crate::ingest::{IngestOptions, run};
use crate::progress::NoProgress;
use crate::store::Store;
use crate::time::{Clock, DAY, SECOND};

/// Ingests one file of 60 visitors for each of seven days, each file as a batch. Returns the number
/// of commits.
fn commits(batches_per_commit: usize, atomic: bool) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    for day in 0..7 {
        let line = |n: i64| {
            let time = 1_760_000_000 + day * (DAY / SECOND) + n;
            format!(
                "{{\"chatbot_id\":\"c\",\"session_id\":\"s{day}-{n}\",\"event_name\":\"e\",\"timestamp\":{time}}}\n"
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
    assert_eq!(report.summary.total.stored, 7 * 60);
    store.snapshot().unwrap().manifest().generation
}

#[test]
fn commit_contains_the_given_number_of_batches() {
    // Each of seven batches; three, three and one; all.
    for (batches_per_commit, expected) in [(1, 7), (3, 3), (7, 1), (8, 1)] {
        assert_eq!(commits(batches_per_commit, false), expected, "{batches_per_commit} batches per commit");
    }
    assert_eq!(commits(1, true), 1);
}
