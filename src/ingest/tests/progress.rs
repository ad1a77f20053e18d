//! Progress updates of an ingest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::blocks::gzip;
use crate::config::ResolvedConfig;
use crate::ingest::{BATCHES_PER_COMMIT, IngestOptions, run};
use crate::progress::Progress;
use crate::store::Store;
use crate::time::Clock;

#[derive(Default)]
struct RecordedProgress {
    total: AtomicU64,
    advanced: AtomicU64,
}

impl Progress for RecordedProgress {
    fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Relaxed);
    }

    fn advance(&self, bytes: u64) {
        self.advanced.fetch_add(bytes, Relaxed);
    }

    fn set_step(&self, _: &str) {}
}

#[test]
fn progress_counts_compressed_bytes_up_to_the_total() {
    let folder = tempfile::tempdir().unwrap();
    let lines = |numbers: std::ops::Range<u32>| {
        let line = |n| {
            format!(
                "{{\"id\":\"e{n}\",\"chatbot_id\":\"c\",\"session_id\":\"s{n}\",\"event_name\":\"e\",\"timestamp\":{}}}\n",
                1_760_000_000 + n
            )
        };
        numbers.map(line).collect::<String>()
    };
    let (plain, packed) = (folder.path().join("a.ndjson"), folder.path().join("b.ndjson.gz"));
    std::fs::write(&plain, lines(0..20_000)).unwrap();
    std::fs::write(&packed, gzip(lines(30_000..50_000).as_bytes())).unwrap();
    let options = IngestOptions {
        map: None,
        timezone: None,
        inputs: vec![plain.clone(), packed.clone()],
        chatbot: None,
        force: false,
        atomic: false,
        max_rejects: None,
        clock: Clock { now: 1_790_000_000_000_000 },
        lock_timeout: Duration::ZERO,
        key_file: None,
        batch_bytes: None,
        batches_per_commit: BATCHES_PER_COMMIT,
    };
    let store = Store::new(folder.path().join("store"));
    // The first run reads the files in full, the second finds them unchanged, the third resumes
    // one.
    for (more, stored) in [("", 40_000), ("", 0), (lines(20_000..20_100).as_str(), 100)] {
        std::fs::write(&plain, std::fs::read_to_string(&plain).unwrap() + more).unwrap();
        let recorded = RecordedProgress::default();
        let report = run(&store, &ResolvedConfig::default(), &options, &recorded).unwrap();
        assert_eq!(report.summary.total.stored, stored);
        let size = |path| std::fs::metadata(path).unwrap().len();
        assert_eq!(recorded.total.load(Relaxed), size(&plain) + size(&packed));
        assert_eq!(recorded.advanced.load(Relaxed), recorded.total.load(Relaxed));
    }
}
