//! The store as a folder: made, found, refused.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::Place;

const LINE: &str = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
                    \"timestamp\":\"2026-11-09T10:00:00Z\"}\n";

/// Every file below a folder, with its bytes; but the lock, which every writer makes.
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
    let place = Place::new();
    place.write("log.ndjson", format!("{LINE}no json\n"));
    place.wa("ingest log.ndjson").exits(0);
    std::fs::remove_file(place.path("wa-store/manifest.json")).unwrap();
    // What an interrupted writer leaves: the next one removes all that no manifest names.
    for leftover in [false, true] {
        if leftover {
            place.write("wa-store/staging/half.parquet", "PAR1");
        }
        let before = files(&place.path("wa-store"));
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
            "export",
            "forget --user u",
            "anonymize --older-than 1d",
        ] {
            place
                .wa(command)
                .exits(1)
                .warns("the manifest of the store ./wa-store is missing")
                .warns("put the manifest back from a backup of the store");
            assert!(files(&place.path("wa-store")) == before, "{command} has changed the store");
        }
    }
}

#[test]
fn interrupted_first_ingest_can_be_repeated() {
    let place = Place::new();
    place.write("log.ndjson", LINE);
    place.write("wa-store/staging/manifest.json", "{\"manif");
    place.write("wa-store/lock", "");
    std::fs::create_dir_all(place.path("wa-store/events/event_date=2026-11-09")).unwrap();
    place.wa("report summary").exits(1).warns("there is no wa store");
    place.wa("ingest log.ndjson").exits(0).warns("created the store");
    assert!(!place.path("wa-store/staging").exists());
    place.wa("verify").exits(0).says("compared 1 event, 1 session (0 of them in part)");
}

#[test]
fn commands_work_on_an_empty_store() {
    let place = Place::new();
    place.wa("init").exits(0).warns("made the store ./wa-store");
    assert!(!place.path("wa-store/staging").exists());
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
        place.wa(command).exits(0);
    }
    place.write("log.ndjson", LINE);
    place.wa("ingest log.ndjson").exits(0);
    place.wa("init").exits(1).warns("are there already");
}

#[test]
fn empty_store_follows_edited_settings() {
    let place = Place::new();
    place.wa("init").exits(0);
    place.write("wa-store/wa.toml", "timezone = \"Asia/Tokyo\"\nsession_timeout = \"1h\"\n");
    place.wa("gc --dry-run").exits(0);
    place.wa("forget --user u").exits(0);
    let status = place.wa("status --format json").json();
    assert_eq!((&status["timezone"], &status["warnings"]), (&"Asia/Tokyo".into(), &serde_json::json!([])));
    // 15:30 UTC is half past midnight in Tokyo.
    place.write("log.ndjson", LINE.replace("10:00:00Z", "15:30:00Z"));
    place.wa("ingest log.ndjson").exits(0);
    let days = place.wa("report trends --from 2026-11-09 --to 2026-11-11 --format json").json();
    assert_eq!(days["trends"][0]["stat_date"], "2026-11-10");
    place.wa("verify").exits(0);
    // From here on there is something that goes by them.
    place.write("wa-store/wa.toml", "timezone = \"UTC\"\n");
    place.wa("ingest log.ndjson").exits(2).warns("run `wa rebuild`");
    std::fs::remove_file(place.path("wa-store/wa.toml")).unwrap();
    place.wa("init").exits(2).warns("the store was created with the time zone Asia/Tokyo");
    place.wa("init --timezone Asia/Tokyo --session-timeout 1h").exits(0);
    place.wa("ingest log.ndjson").exits(0);
}

#[test]
fn init_uses_existing_settings() {
    let place = Place::new();
    place.write("wa-store/wa.toml", "timezone = \"Asia/Tokyo\"\n");
    place.wa("init --timezone UTC").exits(1).warns("are there already");
    place.wa("init").exits(0).warns("by the settings in ./wa-store/wa.toml");
    assert_eq!(place.read("wa-store/wa.toml"), "timezone = \"Asia/Tokyo\"\n");
    assert_eq!(place.wa("status --format json").json()["timezone"], "Asia/Tokyo");
}
