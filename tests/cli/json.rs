//! The samples in `docs/json.md` and `docs/json-maintenance.md` have the keys of the JSON that the
//! commands print.

use serde_json::Value;

use crate::harness::{Sandbox, root};

/// Checks that two values have the same keys, at any depth. Keys that are names (of reasons,
/// warnings or settings) may differ.
fn compare(at: &str, sample: &Value, printed: &Value) {
    match (sample, printed) {
        (Value::Object(sample), Value::Object(printed)) => {
            let names = ["rejected", "warnings", "settings"].iter().any(|name| at.ends_with(name));
            if !names {
                let keys =
                    |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
                let (mut expected, mut found) = (keys(sample), keys(printed));
                expected.sort();
                found.sort();
                assert_eq!(expected, found, "docs, wa {at}");
            }
            for (key, value) in sample {
                if let Some(other) = printed.get(key) {
                    compare(&format!("{at}.{key}"), value, other);
                }
            }
        }
        (Value::Array(sample), Value::Array(printed)) => {
            if let (Some(sample), Some(printed)) = (sample.first(), printed.first()) {
                compare(at, sample, printed);
            }
        }
        _ => {}
    }
}

#[test]
fn json_pages_have_the_printed_keys() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "log.ndjson",
        "{\"chatbot_id\":\"shop\",\"session_id\":\"s-1\",\"user_id\":\"user_123\",\"event_name\":\"message_sent\",\"ip\":\"203.0.113.9\",\"timestamp\":\"2026-09-09T12:00:00Z\"}\nno json\n",
    );
    let other = sandbox.path("other");
    std::fs::create_dir(&other).unwrap();
    let key = "0123456789abcdef".repeat(4);
    for dir in [&other, &sandbox.path("wa-store")] {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("key"), &key).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(dir.join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }
    sandbox.wa("--store other ingest log.ndjson").exits(0);
    let page = |name| std::fs::read_to_string(root().join(name)).unwrap();
    let pages = page("docs/json.md") + &page("docs/json-maintenance.md");
    // Some sections describe the keys in tables, without an example.
    let mut sections = pages.split("\n## wa ").skip(1).filter_map(|section| {
        let (name, rest) = section.split_once('\n').unwrap();
        let sample = rest.split("```json\n").nth(1)?.split("```").next().unwrap();
        Some((name, serde_json::from_str::<Value>(sample).unwrap_or_else(|e| panic!("{name}: {e}"))))
    });
    for (name, arguments) in [
        ("ingest", "ingest log.ndjson"),
        ("status", "status"),
        ("config", "config"),
        ("anonymize", "anonymize --older-than 30d"),
        ("verify", "verify"),
        ("forget", "forget --user user_123"),
        ("rebuild", "rebuild"),
        ("merge", "merge other"),
        ("gc", "gc"),
    ] {
        let (section, sample) = sections.next().unwrap();
        assert_eq!(section, name);
        compare(name, &sample, &sandbox.wa(&format!("{arguments} --format json")).json());
    }
    assert!(sections.next().is_none());
}
