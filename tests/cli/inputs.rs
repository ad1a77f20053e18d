//! The files that `wa ingest` finds: logs of any name, but no part of a store.

use crate::harness::Sandbox;

const EVENT: &str =
    "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"x\",\"timestamp\":1790000000}\n";

#[cfg(target_os = "linux")]
#[test]
fn a_log_whose_name_is_not_utf_8_is_read_in_a_folder_and_by_its_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.log", EVENT.replace("\"s\"", "\"t\""));
    let name = OsStr::from_bytes(b"logs/caf\xe9.log");
    std::fs::write(sandbox.path("").join(name), EVENT).unwrap();
    for inputs in [[OsStr::new("logs"), OsStr::new("-")], [OsStr::new("logs/a.log"), name]] {
        let _ = std::fs::remove_dir_all(sandbox.path("wa-store"));
        let flags = ["ingest", "--format", "json"].map(OsStr::new);
        let account = sandbox.run(flags.into_iter().chain(inputs)).json();
        assert_eq!(account["total"]["stored"], 2, "{account}");
        let names: Vec<&str> =
            account["files"].as_array().unwrap().iter().filter_map(|f| f["file"].as_str()).collect();
        assert!(names.contains(&"logs/caf\\xe9.log"), "{names:?}");
    }
}

#[test]
fn run_without_readable_input_creates_no_store() {
    let sandbox = Sandbox::new();
    let run = sandbox.wa("ingest gone.ndjson gone-too.ndjson").exits(1);
    let run = run
        .warns("gone.ndjson")
        .warns("gone-too.ndjson")
        .warns("no input could be read; nothing was ingested");
    assert!(!sandbox.path("wa-store").exists() && !run.stdout.contains("max-rejects"), "{run}");
    sandbox.write("a.ndjson", EVENT);
    sandbox.wa("ingest a.ndjson").exits(0);
    sandbox.wa("ingest gone.ndjson --format json").exits(1).says("\"committed\": false");
    // An unchanged file is not a failure.
    sandbox.wa("ingest a.ndjson gone.ndjson").exits(4);
    sandbox.wa("ingest gone.ndjson").exits(1);
    // A damaged file is read up to the damage.
    sandbox.write("broken.gz", [0x1f, 0x8b, 8, 0xff, 1, 2, 3]);
    sandbox.wa("ingest broken.gz").exits(4);
}

#[test]
fn files_of_other_stores_are_not_read() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.log", EVENT.to_owned() + "no json\n");
    sandbox.wa("--store other ingest bad.log").exits(0);
    let run = sandbox.wa("ingest bad.log other/rejects").exits(4);
    run.warns("cannot ingest other/rejects: it belongs to a wa store");
}
