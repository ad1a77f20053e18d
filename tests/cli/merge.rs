//! `wa merge` through the binary.

use serde_json::json;

use crate::harness::Sandbox;

fn line(id: &str, minute: u32) -> String {
    format!(
        "{{\"event_id\":\"{id}\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"2026-11-09T10:{minute:02}:00Z\",\"ip_address\":\"203.0.113.9\"}}\n"
    )
}

/// Returns a folder with the stores `a` and `b`, which share a key and the event `2`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", line("1", 1) + &line("2", 2) + "no json\n");
    sandbox.write("b.ndjson", line("2", 2) + &line("3", 3) + "no json\nneither\n");
    sandbox.wa("--store a ingest a.ndjson").exits(0);
    copy_key(&sandbox, "a/key", "b");
    sandbox.wa("--store b ingest b.ndjson").exits(0);
    sandbox
}

/// Copies a key to a store that does not exist yet.
fn copy_key(sandbox: &Sandbox, from: &str, store: &str) {
    std::fs::create_dir(sandbox.path(store)).unwrap();
    std::fs::copy(sandbox.path(from), sandbox.path(&format!("{store}/key"))).unwrap();
}

#[test]
fn stores_are_merged_into_a_new_one() {
    let sandbox = sandbox();
    let run = sandbox.wa("--store all merge a b").exits(0);
    let run =
        run.warns("created the store all").says("events: 0 before, 3 now").says("sessions: 0 before, 1 now");
    run.says("rejected lines: 0 before, 2 now");
    assert_eq!(sandbox.read("all/key"), sandbox.read("a/key"));
    assert_eq!(sandbox.read("all/wa.toml"), sandbox.read("a/wa.toml"));
    sandbox.wa("--store all verify").exits(0).says("3 events, 1 session");
    sandbox.wa("--store all merge a b").exits(0).says("nothing is new");
    sandbox.wa("--quiet --store all merge b").prints_nothing();
    // The logs count as ingested.
    sandbox.wa("--store all ingest a.ndjson b.ndjson").exits(0).says("unchanged");
    let one = Sandbox::new();
    copy_key(&one, sandbox.path("a/key").to_str().unwrap(), "wa-store");
    for name in ["a.ndjson", "b.ndjson"] {
        one.write(name, sandbox.read(name));
    }
    one.wa("ingest a.ndjson b.ndjson").exits(0);
    let report = |sandbox: &Sandbox, store: &str| {
        sandbox.wa(&format!("--store {store} report all --as-of latest --format json")).json()
    };
    assert_eq!(report(&one, "wa-store"), report(&sandbox, "all"));
}

#[test]
fn summary_counts_each_store() {
    let sandbox = sandbox();
    let report = sandbox.wa("--store a merge b --format json").json();
    let source = json!({
        "store": "b",
        "events": {"read": 2, "new": 1, "duplicate": 1, "already_pruned": 0, "forgotten": 0, "id_conflicts": 0},
        "sessions": {"read": 1, "added_as_rows": 0, "already_stored": 0, "already_pruned": 0, "forgotten": 0},
        "pruned_days": 0,
        "rejects": {"read": 2, "new": 1, "duplicate": 1, "forgotten": 0},
        "files": 1,
    });
    assert_eq!(
        report,
        json!({
            "dry_run": false, "changed": true, "sources": [source],
            "erased": {"events": 0, "sessions": 0, "visitors": 0, "rejects": 0},
            "events": [2, 3], "sessions": [1, 1], "visitors": [0, 0], "rejects": [1, 2],
        })
    );
}

#[test]
fn dry_run_reports_and_changes_nothing() {
    let sandbox = sandbox();
    for target in ["a", "all"] {
        let dry = sandbox.wa(&format!("--store {target} merge b --dry-run --format json")).json();
        assert_eq!(dry["dry_run"], true);
        assert!(!sandbox.path("all").exists() && !sandbox.path("a/staging").exists());
        sandbox.wa("--store a verify").exits(0).says("2 events");
        if target == "a" {
            let mut real = sandbox.wa("--store a merge b --format json").json();
            real["dry_run"] = true.into();
            assert_eq!(dry, real);
            sandbox.wa("--store a merge b --dry-run").exits(0).says("nothing is new").says("3 would be");
            std::fs::remove_dir_all(sandbox.path("a")).unwrap();
            copy_key(&sandbox, "b/key", "a");
            sandbox.wa("--store a ingest a.ndjson").exits(0);
        }
    }
}

#[test]
fn different_key_is_an_error_that_says_how_to_share_it() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", line("1", 1));
    for store in ["a", "b", "all"] {
        sandbox.wa(&format!("--store {store} ingest a.ndjson")).exits(0);
    }
    let run = sandbox.wa("--store all merge a").exits(2).warns("different secret keys: all has ");
    run.warns(", a has ").warns("WA_KEY_FILE");
    // The keys of the sources must also be equal if the target has no data.
    sandbox.wa("--store new merge a b").exits(2).warns("different secret keys: a has ");
    assert!(!sandbox.path("new").exists());
    copy_key(&sandbox, "b/key", "empty");
    sandbox.wa("--store empty merge a").exits(2).warns("different secret keys: empty/key has ");
    sandbox.wa("--store all verify").exits(0);
}

#[test]
fn key_outside_of_the_stores_is_shared() {
    let sandbox = Sandbox::new();
    let key = sandbox.path("shared.key").display().to_string();
    let sandbox = sandbox.with("WA_KEY_FILE", &key);
    sandbox.write("a.ndjson", line("1", 1));
    sandbox.write("b.ndjson", line("2", 2));
    sandbox.wa("--store a ingest a.ndjson").exits(0);
    sandbox.wa("--store b ingest b.ndjson").exits(0);
    sandbox.wa("--store all merge a b").exits(0).says("events: 0 before, 2 now");
    assert!(!sandbox.path("all/key").exists());
    sandbox.wa("--store all ingest a.ndjson").exits(0);
    // A new target takes the key of its first source, which is missing here.
    let other = Sandbox::new();
    std::fs::rename(sandbox.path("a"), other.path("a")).unwrap();
    other.wa("--store all merge a").exits(1).warns("the key file a/key is missing").warns("WA_KEY_FILE");
    assert!(!other.path("all").exists());
}

#[test]
fn different_settings_are_an_error_with_both_values() {
    let sandbox = sandbox();
    let settings = sandbox.read("b/wa.toml");
    for (own, other, message) in [
        (
            "timezone = \"UTC\"",
            "timezone = \"Asia/Tokyo\"",
            "the time zone of b is Asia/Tokyo, but that of a is UTC",
        ),
        (
            "session_timeout = \"30m\"",
            "session_timeout = \"1h\"",
            "the session timeout of b is 1h, but that of a is 30m",
        ),
    ] {
        sandbox.write("b/wa.toml", settings.replace(own, other));
        sandbox.wa("--store b rebuild").exits(0);
        sandbox.wa("--store a merge b").exits(2).warns(message).warns("rebuild");
        // The suggested solution works.
        sandbox.write("b/wa.toml", &settings);
        sandbox.wa("--store b rebuild").exits(0);
        sandbox.wa("--store a merge b --dry-run").exits(0);
    }
    sandbox.write("b/wa.toml", settings.replace("ip = \"keep\"", "ip = \"drop\""));
    let run = sandbox.wa("--store a merge b").exits(2);
    run.warns("privacy.ip of b is \"drop\", but that of a is \"keep\"").warns("wa anonymize");
    std::fs::remove_file(sandbox.path("b/wa.toml")).unwrap();
    sandbox.wa("--store a merge b").exits(2).warns("the settings of the store are missing: b/wa.toml");
    sandbox.wa("--store a verify").exits(0).says("2 events");
}

#[test]
fn wrong_stores_are_named() {
    let sandbox = sandbox();
    sandbox.wa("--store a merge a").exits(2).warns("cannot merge the store a into itself");
    sandbox.wa("--store all merge a b a").exits(2).warns("the store a is named twice");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(sandbox.path("b"), sandbox.path("link")).unwrap();
        sandbox.wa("--store all merge link b").exits(2).warns("the store b is named twice");
        sandbox.wa("--store b merge link").exits(2).warns("cannot merge the store link into itself");
    }
    sandbox.wa("--store all merge a missing").exits(1).warns("there is no wa store in missing");
    sandbox.write("file", "");
    sandbox.wa("--store all merge a file").exits(1).warns("file");
    sandbox.wa("--store all merge").exits(2).warns("<STORE>");
    assert!(!sandbox.path("all").exists());
    sandbox.write("other/notes.txt", "");
    sandbox.wa("--store other merge a").exits(1).warns("is not a wa store and contains other files");
}

#[test]
fn damaged_store_is_named_and_the_target_unchanged() {
    let sandbox = sandbox();
    let file = sandbox.wa("--store b files events").output().lines().next().unwrap().to_owned();
    let mut bytes = std::fs::read(sandbox.path(&file)).unwrap();
    bytes[10] ^= 1;
    std::fs::write(sandbox.path(&file), bytes).unwrap();
    sandbox.wa("--store a merge b").exits(1).warns(&file).warns("is damaged");
    std::fs::remove_file(sandbox.path(&file)).unwrap();
    sandbox.wa("--store a merge b").exits(1).warns(&file).warns("hint: restore the missing file");
    assert!(!sandbox.path("a/staging").exists());
    sandbox.wa("--store a verify").exits(0).says("2 events");
}

#[test]
fn settings_with_a_relative_path_are_not_copied() {
    let sandbox = sandbox();
    let settings = sandbox.read("a/wa.toml");
    sandbox.write("a/wa.toml", format!("geoip = \"places.mmdb\"\n{settings}"));
    sandbox
        .wa("--store all merge a")
        .exits(2)
        .warns("contains a path relative to its store")
        .warns("wa init");
    sandbox.wa("--store all init").exits(0);
    sandbox.wa("--store all merge a").exits(0);
    sandbox.wa("--store all verify").exits(0).says("2 events");
}

#[test]
fn forgotten_person_is_erased_from_the_target() {
    let sandbox = sandbox();
    sandbox.wa("--store b forget --session-id s").exits(0);
    sandbox
        .wa("--store a merge b")
        .exits(0)
        .says("erased rows of people whom another store has forgotten: 2 events");
    sandbox.wa("--store a verify").exits(0).says("0 events");
    sandbox.wa("--store a ingest --force a.ndjson").exits(0).says("forgotten");
}

#[test]
fn pruned_sessions_are_added_as_rows() {
    let sandbox = sandbox();
    sandbox.wa("--store b gc --yes --keep-events 1d").exits(0);
    copy_key(&sandbox, "a/key", "all");
    sandbox
        .wa("--store all merge b")
        .exits(0)
        .says("1 session with pruned events: 1 added, 0 already stored");
    sandbox.wa("--store all verify").exits(0).says("0 events, 1 session");
    sandbox.wa("--store a merge b").exits(0).says("0 added, 1 already stored");
}
