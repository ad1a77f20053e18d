//! `wa verify` and `wa rebuild`, as a user sees them.

use crate::harness::Place;

/// A store with three events of one visitor: an hour before midnight, a minute before, an hour after.
fn place() -> Place {
    let place = Place::new();
    let line = |time: &str| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\"timestamp\":\"{time}\"}}\n"
        )
    };
    let times = ["2026-11-08T23:00:00Z", "2026-11-08T23:29:00Z", "2026-11-09T00:30:00Z"];
    place.write("log.ndjson", times.map(line).concat());
    place.wa("ingest log.ndjson").exits(0);
    place
}

#[test]
fn intact_store_is_verified() {
    let place = place();
    place.wa("verify").exits(0).says("3 events, 2 sessions").says("all is as it must be");
    place.wa("--quiet verify").prints_nothing();
    let report = place.wa("verify --format json").json();
    assert_eq!(report["differences"], serde_json::json!([]));
    assert_eq!(report["sessions"], 2);
}

#[test]
fn a_damaged_file_is_listed_and_the_exit_status_is_1() {
    let place = place();
    let file = place.wa("files sessions").output().lines().next().unwrap().to_owned();
    let mut bytes = std::fs::read(place.path(&file)).unwrap();
    bytes[10] ^= 1;
    std::fs::write(place.path(&file), bytes).unwrap();
    place
        .wa("--quiet verify")
        .exits(1)
        .says("checksum")
        .says("the tables were not compared")
        .warns("1 difference was found")
        .warns("hint: put the damaged files back");
    place.wa("rebuild").exits(1).warns("is damaged");
}

#[test]
fn orphan_file_is_left_to_gc() {
    let place = place();
    place.write("wa-store/events/event_date=2026-11-09/stray.parquet", "PAR1");
    place
        .wa("verify")
        .exits(1)
        .says("stray.parquet: the manifest does not name it")
        .warns("hint: `wa gc` removes");
    place.wa("gc").exits(0);
    place.wa("verify").exits(0);
}

#[test]
fn missing_store_is_an_error_and_not_created() {
    let place = Place::new();
    place.wa("verify").exits(1).warns("there is no wa store");
    place.wa("rebuild").exits(1).warns("there is no wa store");
    assert!(!place.path("wa-store").exists());
}

#[test]
fn changed_settings_need_a_rebuild() {
    let place = place();
    place.write("wa-store/wa.toml", "timezone = \"Europe/Berlin\"\nsession_timeout = \"2h\"\n");
    place.wa("ingest log.ndjson").exits(2).warns("run `wa rebuild`");
    place
        .wa("rebuild")
        .exits(0)
        .says("time zone: UTC before, Europe/Berlin now")
        .says("session timeout: 1800 s before, 7200 s now")
        .says("sessions: 2 before, 1 now");
    // 23:00 UTC is midnight in Berlin.
    let days = place.wa("report trends --from 2026-11-08 --to 2026-11-10 --format json").json();
    let trends = days["trends"].as_array().unwrap();
    assert_eq!((trends.len(), &trends[0]["stat_date"]), (1, &serde_json::json!("2026-11-09")));
    place.wa("verify").exits(0);
    place.wa("rebuild").exits(0).says("nothing had to be changed");
    place.wa("ingest log.ndjson").exits(0);
}
