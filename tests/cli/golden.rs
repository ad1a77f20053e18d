//! Stores of released versions: every later version reads, verifies, reports on and extends them.
//!
//! `tests/data/golden/0.1/` contains a store that version 0.1 wrote from `first.ndjson`, in the
//! zone Europe/Berlin. `second.ndjson` continues and corrects it: a late event joins a stored
//! session, a visitor is first seen earlier, and one event is a duplicate. The expected figures
//! were computed by hand from the two logs: see the comments in the tests.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Sandbox, root};

/// The versions whose stores are tested.
const VERSIONS: [&str; 1] = ["0.1"];

/// Copies the golden store of a version into the folder of a test, with its logs.
fn golden(version: &str) -> Sandbox {
    let sandbox = Sandbox::new().at("2026-03-12T12:00:00Z");
    let folder = root().join("tests/data/golden").join(version);
    copy(&folder.join("wa-store"), &sandbox.path("wa-store"));
    for log in ["first.ndjson", "second.ndjson"] {
        sandbox.write(log, fs::read(folder.join(log)).unwrap());
    }
    sandbox
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            #[cfg(unix)]
            if entry.file_name() == "key" {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
    }
}

/// Returns the figures of a summary that the tests compare.
fn summary(sandbox: &Sandbox) -> serde_json::Value {
    let answer = sandbox.wa("report summary --from 2026-03-01 --to 2026-03-12 --format json").json();
    let figures = &answer["summary"];
    json!([
        figures["total_sessions"],
        figures["unique_visitors"],
        figures["total_conversations"],
        figures["avg_session_duration_seconds"],
        figures["conversion_rate"],
    ])
}

#[test]
fn golden_store_is_verified_and_reported() {
    for version in VERSIONS {
        let sandbox = golden(version);
        sandbox.wa("verify").exits(0);
        // Sessions of shop: a (10:00 to 10:20, one message), b (only 10:00), c (on the night of the
        // 10th in Berlin); of help: d. The bot session is excluded. Conversations: a and d.
        // Durations: (1200 + 0 + 60 + 90) seconds / 4 sessions = 337.5, rounded to 338.
        assert_eq!(summary(&sandbox), json!([4, 4, 2, 338, 50]), "{version}");
        let trends = sandbox.wa("report trends --from 2026-03-09 --to 2026-03-10 --format json").json();
        // 2026-03-09T23:30Z is the 10th in Berlin.
        let days: Vec<_> = trends["trends"].as_array().unwrap().iter().map(|day| &day["sessions"]).collect();
        assert_eq!(json!(days), json!([3, 1]), "{version}");
        let events =
            sandbox.wa("events --from 2026-03-01 --to 2026-03-12 --limit 0 --format ndjson").output();
        assert_eq!(events.lines().count(), 9, "{version}");
    }
}

#[test]
fn golden_store_recognizes_its_log() {
    for version in VERSIONS {
        let sandbox = golden(version);
        let summary = sandbox.wa("ingest first.ndjson --force --format json").json();
        let total = &summary["total"];
        assert_eq!(
            [&total["stored"], &total["duplicate"], &total["read"]],
            [&json!(0), &json!(9), &json!(10)]
        );
    }
}

#[test]
fn golden_store_extends_like_a_new_store() {
    for version in VERSIONS {
        let sandbox = golden(version);
        let total = sandbox.wa("ingest second.ndjson --format json").json()["total"].clone();
        assert_eq!([&total["stored"], &total["duplicate"]], [&json!(3), &json!(1)], "{version}");
        sandbox.wa("verify").exits(0);
        // The late event at 10:40 extends a to 2400 seconds. e is new: a session of b's visitor
        // with a message. (2400 + 0 + 60 + 90 + 0) seconds / 5 sessions = 510; 3 conversations.
        assert_eq!(summary(&sandbox), json!([5, 4, 3, 510, 60]), "{version}");
        let new = Sandbox::new().at("2026-03-12T12:00:00Z");
        for log in ["first.ndjson", "second.ndjson"] {
            new.write(log, sandbox.read(log));
        }
        new.wa("init --timezone Europe/Berlin").exits(0);
        new.wa("ingest second.ndjson first.ndjson").exits(0);
        for report in
            ["summary", "trends", "events", "sources", "devices", "sessions", "locations", "visitors"]
        {
            let answers = [&sandbox, &new].map(|sandbox| {
                sandbox
                    .wa(&format!("report {report} --from 2026-03-01 --to 2026-03-12 --format json"))
                    .output()
            });
            assert_eq!(without_times(&answers[0]), without_times(&answers[1]), "{version} {report}");
        }
    }
}

#[test]
fn golden_store_gets_new_checksums_with_new_files() {
    let sandbox = golden("0.1");
    let manifest = |sandbox: &Sandbox| -> serde_json::Value {
        serde_json::from_str(&sandbox.read("wa-store/manifest.json")).unwrap()
    };
    let before = manifest(&sandbox)["manifest"].clone();
    assert_eq!(before["version"], 1);
    // All new events are on the 8th and the 9th, so the session of the 10th stays in its old file.
    sandbox.wa("ingest second.ndjson").exits(0);
    let after = manifest(&sandbox)["manifest"].clone();
    assert_eq!(after["version"], 2);
    let mut kept = Vec::new();
    for (table, files) in after["tables"].as_object().unwrap() {
        for file in files.as_array().unwrap() {
            let is_old = before["tables"][table].as_array().unwrap().contains(file);
            assert_ne!(file["footer_checksum"].is_string(), is_old, "{file}");
            if is_old {
                kept.push(file["path"].as_str().unwrap().to_owned());
            }
        }
    }
    assert!(kept.iter().any(|path| path.contains("session_date=2026-03-10")), "{kept:?}");
    sandbox.wa("verify").exits(0);
}

/// Removes the lines with the times at which rows were stored.
fn without_times(answer: &str) -> String {
    let stored = |line: &&str| !line.contains("\"created_at\"") && !line.contains("\"updated_at\"");
    answer.lines().filter(stored).map(|line| format!("{line}\n")).collect()
}
