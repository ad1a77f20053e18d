//! The store as a folder: how it is created, found or rejected.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::Sandbox;

const LINE: &str = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
                    \"timestamp\":\"2026-11-09T10:00:00Z\"}\n";

/// Returns all files below a folder with their bytes, except the lock file.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => pending.push(path),
                false if path.ends_with("lock") => {}
                false => drop(found.insert(path.display().to_string(), std::fs::read(&path).unwrap())),
            }
        }
    }
    found
}

#[test]
fn store_without_manifest_is_an_error_and_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", format!("{LINE}no json\n"));
    sandbox.wa("ingest log.ndjson").exits(0);
    std::fs::remove_file(sandbox.path("wa-store/manifest.json")).unwrap();
    // The files of an interrupted writer, which the next writer removes.
    for interrupted in [false, true] {
        if interrupted {
            sandbox.write("wa-store/staging/half.parquet", "PAR1");
        }
        let before = files(&sandbox.path("wa-store"));
        for command in [
            "ingest log.ndjson",
            "gc",
            "gc --dry-run",
            "rebuild",
            "verify",
            "init",
            "status",
            "report summary",
            "events",
            "files events",
            "views --for duckdb",
            "export",
            "forget --user u",
            "anonymize --older-than 1d",
        ] {
            sandbox
                .wa(command)
                .exits(1)
                .warns("the store ./wa-store has no manifest.json")
                .warns("restore the manifest and the files that it names from a backup");
            assert!(files(&sandbox.path("wa-store")) == before, "{command} has changed the store");
        }
    }
}

#[test]
fn interrupted_first_ingest_can_be_repeated() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", LINE);
    sandbox.write("wa-store/staging/manifest.json", "{\"manif");
    sandbox.write("wa-store/lock", "");
    std::fs::create_dir_all(sandbox.path("wa-store/events/event_date=2026-11-09")).unwrap();
    sandbox.wa("report summary").exits(1).warns("there is no wa store");
    sandbox.wa("ingest log.ndjson").exits(0).warns("created the store");
    assert!(!sandbox.path("wa-store/staging").exists());
    sandbox.wa("verify").exits(0).says("compared 1 event, 1 session (0 partially pruned)");
}

#[test]
fn views_name_the_files_of_the_manifest_by_absolute_path() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", LINE);
    sandbox.wa("ingest log.ndjson").exits(0);
    let files = sandbox.wa("files sessions").output();
    let [file] = files.lines().collect::<Vec<_>>()[..] else { panic!("{files}") };
    let path = sandbox.path(file.trim_start_matches("./"));
    for engine in ["duckdb", "clickhouse", "spark"] {
        let views = sandbox.wa(&format!("views --for {engine}")).output();
        assert_eq!(views.matches(&format!("'{}'", path.display())).count(), 1, "{views}");
        assert_eq!(views.matches("CREATE OR REPLACE ").count(), 4, "{views}");
    }
    sandbox.wa("views").exits(2).warns("--for <ENGINE>");
    sandbox.wa("views --for sqlite").exits(2).warns("[possible values: duckdb, clickhouse, spark]");
}

#[test]
fn commands_work_on_an_empty_store() {
    let sandbox = Sandbox::new();
    sandbox.wa("init").exits(0).warns("created the store ./wa-store");
    assert!(!sandbox.path("wa-store/staging").exists());
    for command in [
        "status",
        "report summary",
        "report all",
        "events",
        "files events",
        "export",
        "verify",
        "gc --dry-run",
        "gc",
        "rebuild",
        "anonymize --older-than 1d",
        "forget --user u --dry-run",
        "forget --user u",
    ] {
        sandbox.wa(command).exits(0);
    }
    sandbox.write("log.ndjson", LINE);
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox.wa("init").exits(1).warns("already exist");
}

#[test]
fn empty_store_follows_edited_settings() {
    let sandbox = Sandbox::new();
    sandbox.wa("init").exits(0);
    sandbox.write("wa-store/wa.toml", "timezone = \"Asia/Tokyo\"\nsession_timeout = \"1h\"\n");
    sandbox.wa("gc --dry-run").exits(0);
    sandbox.wa("forget --user u").exits(0);
    let status = sandbox.wa("status --format json").json();
    assert_eq!((&status["timezone"], &status["warnings"]), (&"Asia/Tokyo".into(), &serde_json::json!([])));
    // 15:30 UTC is 00:30 in Tokyo.
    sandbox.write("log.ndjson", LINE.replace("10:00:00Z", "15:30:00Z"));
    sandbox.wa("ingest log.ndjson").exits(0);
    let days = sandbox.wa("report trends --from 2026-11-09 --to 2026-11-11 --format json").json();
    let days = days["trends"].as_array().unwrap();
    let with_sessions: Vec<_> =
        days.iter().filter(|day| day["sessions"] == 1).map(|day| &day["stat_date"]).collect();
    assert_eq!(with_sessions, ["2026-11-10"]);
    sandbox.wa("verify").exits(0);
    // From now on the store contains data.
    sandbox.write("wa-store/wa.toml", "timezone = \"UTC\"\n");
    sandbox.wa("ingest log.ndjson").exits(2).warns("run `wa rebuild`");
    std::fs::remove_file(sandbox.path("wa-store/wa.toml")).unwrap();
    sandbox.wa("init").exits(2).warns("the store was created with the time zone Asia/Tokyo");
    sandbox.wa("init --timezone Asia/Tokyo --session-timeout 1h").exits(0);
    sandbox.wa("ingest log.ndjson").exits(0);
}

#[test]
fn init_uses_existing_settings() {
    let sandbox = Sandbox::new();
    sandbox.write("wa-store/wa.toml", "timezone = \"Asia/Tokyo\"\n");
    sandbox.wa("init --timezone UTC").exits(1).warns("already exist");
    sandbox.wa("init").exits(0).warns("with the settings of ./wa-store/wa.toml");
    assert_eq!(sandbox.read("wa-store/wa.toml"), "timezone = \"Asia/Tokyo\"\n");
    assert_eq!(sandbox.wa("status --format json").json()["timezone"], "Asia/Tokyo");
}
