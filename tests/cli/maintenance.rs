//! `wa verify` and `wa rebuild` through the binary.

use crate::harness::Sandbox;

/// Returns a store with three events of one session id: at 23:00, at 23:29, and at 00:30 on the
/// next day. The last gap exceeds the timeout.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let line = |time: &str| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\"timestamp\":\"{time}\"}}\n"
        )
    };
    let times = ["2026-11-08T23:00:00Z", "2026-11-08T23:29:00Z", "2026-11-09T00:30:00Z"];
    sandbox.write("log.ndjson", times.map(line).concat());
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox
}

#[test]
fn intact_store_is_verified() {
    let sandbox = sandbox();
    sandbox.wa("verify").exits(0).says("3 events, 2 sessions").says("no differences found");
    sandbox.wa("--quiet verify").prints_nothing();
    let report = sandbox.wa("verify --format json").json();
    assert_eq!(report["differences"], serde_json::json!([]));
    assert_eq!(report["sessions"], 2);
}

#[test]
fn damaged_file_is_listed_with_exit_status_1() {
    let sandbox = sandbox();
    let file = sandbox.wa("files sessions").output().lines().next().unwrap().to_owned();
    let mut bytes = std::fs::read(sandbox.path(&file)).unwrap();
    bytes[10] ^= 1;
    std::fs::write(sandbox.path(&file), bytes).unwrap();
    sandbox
        .wa("--quiet verify")
        .exits(1)
        .says("checksum")
        .says("the tables were not compared")
        .warns("1 difference found")
        .warns("hint: restore the damaged files");
    sandbox.wa("rebuild").exits(1).warns("is damaged");
}

#[test]
fn orphan_file_is_left_to_gc() {
    let sandbox = sandbox();
    sandbox.write("wa-store/events/event_date=2026-11-09/stray.parquet", "PAR1");
    sandbox
        .wa("verify")
        .exits(1)
        .says("stray.parquet: the manifest does not name it")
        .warns("hint: run `wa gc` to remove");
    sandbox.wa("gc").exits(0);
    sandbox.wa("verify").exits(0);
}

#[test]
fn missing_store_is_an_error_and_not_created() {
    let sandbox = Sandbox::new();
    sandbox.wa("verify").exits(1).warns("there is no wa store");
    sandbox.wa("rebuild").exits(1).warns("there is no wa store");
    assert!(!sandbox.path("wa-store").exists());
}

#[test]
fn changed_settings_need_a_rebuild() {
    let sandbox = sandbox();
    sandbox.write("wa-store/wa.toml", "timezone = \"Europe/Berlin\"\nsession_timeout = \"2h\"\n");
    sandbox.wa("ingest log.ndjson").exits(2).warns("run `wa rebuild`");
    sandbox
        .wa("rebuild")
        .exits(0)
        .says("time zone: UTC before, Europe/Berlin now")
        .says("session timeout: 1800 s before, 7200 s now")
        .says("sessions: 2 before, 1 now");
    // 23:00 UTC is midnight in Berlin.
    let days = sandbox.wa("report trends --from 2026-11-08 --to 2026-11-10 --format json").json();
    let trends = days["trends"].as_array().unwrap();
    let sessions: Vec<_> = trends.iter().map(|day| (&day["stat_date"], &day["sessions"])).collect();
    assert_eq!(
        serde_json::json!(sessions),
        serde_json::json!([["2026-11-08", 0], ["2026-11-09", 1], ["2026-11-10", 0]])
    );
    sandbox.wa("verify").exits(0);
    sandbox.wa("rebuild").exits(0).says("no changes were necessary");
    sandbox.wa("ingest log.ndjson").exits(0);
}
