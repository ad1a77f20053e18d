//! `wa init`, `wa config`, `wa.toml` and the environment.

use crate::harness::Place;

#[test]
fn config_shows_the_settings_of_init() {
    let place = Place::new();
    let run = place.wa("init --timezone Europe/Berlin --keep-events 30d").exits(0);
    assert!(run.stdout.is_empty(), "{run}");
    run.warns("wa: made the store ./wa-store");
    let settings = place.wa("config --format json").json();
    assert_eq!(settings["store"], "./wa-store");
    assert_eq!(settings["settings"]["timezone"]["value"], "Europe/Berlin");
    assert_eq!(settings["settings"]["timezone"]["from"], "file");
    assert_eq!(settings["settings"]["retention.events"]["value"], "30d");
    assert_eq!(settings["settings"]["memory"]["from"], "default");
    assert_eq!(settings["settings"]["geoip"]["value"], serde_json::Value::Null);
}

#[test]
fn init_does_not_overwrite_settings_or_other_folders() {
    let place = Place::new();
    place.wa("init").exits(0);
    let before = place.read("wa-store/wa.toml");
    place.wa("init --timezone Asia/Tokyo").exits(1).warns("are there already");
    assert_eq!(place.read("wa-store/wa.toml"), before);

    place.write("holiday/photo.jpg", "");
    place.wa("--store holiday init").exits(1).warns("contains other files").warns("photo.jpg");
    assert_eq!(std::fs::read_dir(place.path("holiday")).unwrap().count(), 1);
}

#[test]
fn store_comes_from_flag_then_environment_then_default() {
    let named = |run: crate::harness::Run| run.json()["store"].as_str().unwrap().to_owned();
    assert_eq!(named(Place::new().wa("config --format json")), "./wa-store");
    let place = Place::new().with("WA_STORE", "from-environment");
    assert_eq!(named(place.wa("config --format json")), "from-environment");
    assert_eq!(named(place.wa("--store from-flag config --format json")), "from-flag");
    assert_eq!(named(place.wa("config --format json --store from-flag")), "from-flag");
    assert_eq!(named(Place::new().with("WA_STORE", "").wa("config --format json")), "./wa-store");
}

#[test]
fn invalid_settings_name_the_line() {
    let place = Place::new();
    place.write("wa-store/wa.toml", "timezone = \"UTC\"\n\n[retention]\nevent = \"90d\"\n");
    for command in ["config", "gc", "ingest x.ndjson", "report summary", "status"] {
        let run = place.wa(command).exits(2);
        assert_eq!(
            run.stderr,
            "wa: error: ./wa-store/wa.toml, line 4: there is no setting `retention.event`\n\
             hint: did you mean `retention.events`?\n",
            "{command}"
        );
    }
}

#[test]
fn unknown_setting_lists_the_known_ones() {
    let place = Place::new();
    place.write("wa-store/wa.toml", "xyz = \"1\"\n");
    place
        .wa("config")
        .exits(2)
        .warns("hint: the settings are timezone, session_timeout, ")
        .warns(", privacy.key_file\n");
}

#[test]
fn config_names_the_origin_of_each_value() {
    let place = Place::new().with("WA_MEMORY", "1G");
    place.write("wa-store/wa.toml", "\ntimezone = \"Europe/Berlin\"\n");
    let table = place.wa("config").output();
    let row = |name: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("timezone"), "timezone Europe/Berlin ./wa-store/wa.toml, line 2");
    assert_eq!(row("memory"), "memory 1G WA_MEMORY");
    assert_eq!(row("session_timeout"), "session_timeout 30m default");
}

#[test]
fn missing_store_hints_how_to_name_or_create_one() {
    let place = Place::new();
    let run = place.wa("files events").exits(1);
    assert!(run.stdout.is_empty(), "{run}");
    run.warns("there is no wa store in ./wa-store").warns("hint: ");
    assert!(!place.path("wa-store").exists(), "a reader makes no store");
}

#[test]
fn ingest_writes_missing_settings_of_an_empty_store() {
    let place = Place::new();
    place.write(
        "log.ndjson",
        "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T12:00:00Z\"}\n",
    );
    place.wa("ingest log.ndjson").exits(0);
    let written = place.read("wa-store/wa.toml");
    // A first ingest that was killed before its first batch leaves a store without settings.
    let place = Place::new();
    place.write("empty.ndjson", "");
    place.wa("ingest empty.ndjson").exits(0);
    std::fs::remove_file(place.path("wa-store/wa.toml")).unwrap();
    place.wa("ingest empty.ndjson").exits(0);
    assert_eq!(place.read("wa-store/wa.toml"), written);
}

#[test]
fn store_with_lost_settings_ignores_the_defaults() {
    let place = Place::new();
    place.wa("init --keep-events forever --keep-sessions forever --ip drop").exits(0);
    let old = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2020-01-01T12:00:00Z\"}\n";
    place.write("old.ndjson", old);
    place.wa("ingest old.ndjson").exits(0);
    let written = place.read("wa-store/wa.toml");
    let with_address = old.replace("\"e\"", "\"f\"").replace('}', ",\"ip_address\":\"203.0.113.9\"}");
    place.write("new.ndjson", with_address);
    let refuse = |what: &str| {
        for command in ["ingest new.ndjson", "gc --yes", "gc --dry-run", "rebuild"] {
            place
                .wa(command)
                .exits(2)
                .warns(&format!("the settings of the store are {what}"))
                .warns("wa init");
        }
        // Reports go by what the store was made with.
        place.wa("report summary").exits(0);
        assert!(
            !place.wa("events --from 2020-01-01 --limit 0 --format ndjson").stdout.contains("203.0.113.9")
        );
    };
    place.write("wa-store/wa.toml", "\n");
    refuse("empty");
    std::fs::remove_file(place.path("wa-store/wa.toml")).unwrap();
    refuse("gone");
    place.write("wa-store/wa.toml", &written);
    place.wa("ingest new.ndjson").exits(0);
    place.wa("gc --yes").exits(0);
    assert_eq!(place.wa("events --from 2020-01-01 --limit 0 --format ndjson").stdout.lines().count(), 2);
}

#[test]
fn memory_budget_may_exceed_physical_memory() {
    let place = Place::new();
    place.write("a.ndjson", r#"{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":1762675200}"#);
    place.wa("ingest a.ndjson --memory 18446744073709551615").exits(0);
}
