//! What `wa ingest` finds to read: files of any name, and no part of a store.

use crate::harness::Place;

const EVENT: &str =
    "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"x\",\"timestamp\":1790000000}\n";

#[cfg(target_os = "linux")]
#[test]
fn a_log_whose_name_is_not_utf_8_is_read_in_a_folder_and_by_its_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.write("logs/a.log", EVENT.replace("\"s\"", "\"t\""));
    let name = OsStr::from_bytes(b"logs/caf\xe9.log");
    std::fs::write(place.path("").join(name), EVENT).unwrap();
    for inputs in [[OsStr::new("logs"), OsStr::new("-")], [OsStr::new("logs/a.log"), name]] {
        let _ = std::fs::remove_dir_all(place.path("wa-store"));
        let flags = ["ingest", "--format", "json"].map(OsStr::new);
        let account = place.run(flags.into_iter().chain(inputs)).json();
        assert_eq!(account["total"]["stored"], 2, "{account}");
        let names: Vec<&str> =
            account["files"].as_array().unwrap().iter().filter_map(|f| f["file"].as_str()).collect();
        assert!(names.contains(&"logs/caf\\xe9.log"), "{names:?}");
    }
}

#[test]
fn run_without_readable_input_creates_no_store() {
    let place = Place::new();
    let run = place.wa("ingest gone.ndjson gone-too.ndjson").exits(1);
    let run = run
        .warns("gone.ndjson")
        .warns("gone-too.ndjson")
        .warns("no input could be read; nothing was ingested");
    assert!(!place.path("wa-store").exists() && !run.stdout.contains("max-rejects"), "{run}");
    place.write("a.ndjson", EVENT);
    place.wa("ingest a.ndjson").exits(0);
    place.wa("ingest gone.ndjson --format json").exits(1).says("\"committed\": false");
    // One that is known is no failure.
    place.wa("ingest a.ndjson gone.ndjson").exits(4);
    place.wa("ingest gone.ndjson").exits(1);
    // One that is there and makes no sense is read as far as it goes.
    place.write("broken.gz", [0x1f, 0x8b, 8, 0xff, 1, 2, 3]);
    place.wa("ingest broken.gz").exits(4);
}

#[test]
fn files_of_other_stores_are_not_read() {
    let place = Place::new();
    place.write("bad.log", EVENT.to_owned() + "no json\n");
    place.wa("--store other ingest bad.log").exits(0);
    let run = place.wa("ingest bad.log other/rejects").exits(4);
    run.warns("cannot ingest other/rejects: it belongs to a wa store");
}
