//! `wa init`, `wa config`, `wa.toml` and the environment.

use crate::harness::Sandbox;

#[test]
fn config_shows_the_settings_of_init() {
    let sandbox = Sandbox::new();
    let run = sandbox.wa("init --timezone Europe/Berlin --keep-events 30d").exits(0);
    assert!(run.stdout.is_empty(), "{run}");
    run.warns("wa: created the store ./wa-store");
    let settings = sandbox.wa("config --format json").json();
    assert_eq!(settings["store"], "./wa-store");
    assert_eq!(settings["settings"]["timezone"]["value"], "Europe/Berlin");
    assert_eq!(settings["settings"]["timezone"]["from"], "file");
    assert_eq!(settings["settings"]["retention.events"]["value"], "30d");
    assert_eq!(settings["settings"]["memory"]["from"], "default");
    assert_eq!(settings["settings"]["geoip"]["value"], serde_json::Value::Null);
}

#[test]
fn init_does_not_overwrite_settings_or_other_folders() {
    let sandbox = Sandbox::new();
    sandbox.wa("init").exits(0);
    let before = sandbox.read("wa-store/wa.toml");
    sandbox.wa("init --timezone Asia/Tokyo").exits(1).warns("already exist");
    assert_eq!(sandbox.read("wa-store/wa.toml"), before);

    sandbox.write("holiday/photo.jpg", "");
    sandbox.wa("--store holiday init").exits(1).warns("contains other files").warns("photo.jpg");
    assert_eq!(std::fs::read_dir(sandbox.path("holiday")).unwrap().count(), 1);
}

#[test]
fn store_comes_from_flag_then_environment_then_default() {
    let named = |run: crate::harness::Run| run.json()["store"].as_str().unwrap().to_owned();
    assert_eq!(named(Sandbox::new().wa("config --format json")), "./wa-store");
    let sandbox = Sandbox::new().with("WA_STORE", "from-environment");
    assert_eq!(named(sandbox.wa("config --format json")), "from-environment");
    assert_eq!(named(sandbox.wa("--store from-flag config --format json")), "from-flag");
    assert_eq!(named(sandbox.wa("config --format json --store from-flag")), "from-flag");
    assert_eq!(named(Sandbox::new().with("WA_STORE", "").wa("config --format json")), "./wa-store");
}

#[test]
fn invalid_settings_name_the_line() {
    let sandbox = Sandbox::new();
    sandbox.write("wa-store/wa.toml", "timezone = \"UTC\"\n\n[retention]\nevent = \"90d\"\n");
    for command in ["config", "gc", "ingest x.ndjson", "report summary", "status"] {
        let run = sandbox.wa(command).exits(2);
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
    let sandbox = Sandbox::new();
    sandbox.write("wa-store/wa.toml", "xyz = \"1\"\n");
    sandbox
        .wa("config")
        .exits(2)
        .warns("hint: the settings are timezone, session_timeout, ")
        .warns(", privacy.key_file\n");
}

#[test]
fn config_names_the_origin_of_each_value() {
    let sandbox = Sandbox::new().with("WA_MEMORY", "1G");
    sandbox.write("wa-store/wa.toml", "\ntimezone = \"Europe/Berlin\"\n");
    let table = sandbox.wa("config").output();
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
    let sandbox = Sandbox::new();
    let run = sandbox.wa("files events").exits(1);
    assert!(run.stdout.is_empty(), "{run}");
    run.warns("there is no wa store in ./wa-store").warns("hint: ");
    assert!(!sandbox.path("wa-store").exists(), "a reader creates no store");
}

#[test]
fn ingest_writes_missing_settings_of_an_empty_store() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "log.ndjson",
        "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T12:00:00Z\"}\n",
    );
    sandbox.wa("ingest log.ndjson").exits(0);
    let written = sandbox.read("wa-store/wa.toml");
    // A first ingest that was killed before its first batch leaves a store without settings.
    let sandbox = Sandbox::new();
    sandbox.write("empty.ndjson", "");
    sandbox.wa("ingest empty.ndjson").exits(0);
    std::fs::remove_file(sandbox.path("wa-store/wa.toml")).unwrap();
    sandbox.wa("ingest empty.ndjson").exits(0);
    assert_eq!(sandbox.read("wa-store/wa.toml"), written);
}

#[test]
fn store_with_lost_settings_ignores_the_defaults() {
    let sandbox = Sandbox::new();
    sandbox.wa("init --keep-events forever --keep-sessions forever --ip drop").exits(0);
    let old = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2020-01-01T12:00:00Z\"}\n";
    sandbox.write("old.ndjson", old);
    sandbox.wa("ingest old.ndjson").exits(0);
    let written = sandbox.read("wa-store/wa.toml");
    let with_address = old.replace("\"e\"", "\"f\"").replace('}', ",\"ip_address\":\"203.0.113.9\"}");
    sandbox.write("new.ndjson", with_address);
    let refuse = |what: &str| {
        for command in ["ingest new.ndjson", "gc --yes", "gc --dry-run", "rebuild"] {
            sandbox
                .wa(command)
                .exits(2)
                .warns(&format!("the settings of the store are {what}"))
                .warns("wa init");
        }
        // Reports use the settings with which the store was created.
        sandbox.wa("report summary").exits(0);
        assert!(
            !sandbox.wa("events --from 2020-01-01 --limit 0 --format ndjson").stdout.contains("203.0.113.9")
        );
    };
    sandbox.write("wa-store/wa.toml", "\n");
    refuse("empty");
    std::fs::remove_file(sandbox.path("wa-store/wa.toml")).unwrap();
    refuse("missing");
    sandbox.write("wa-store/wa.toml", &written);
    sandbox.wa("ingest new.ndjson").exits(0);
    sandbox.wa("gc --yes").exits(0);
    assert_eq!(sandbox.wa("events --from 2020-01-01 --limit 0 --format ndjson").stdout.lines().count(), 2);
}

#[test]
fn memory_budget_may_exceed_physical_memory() {
    let sandbox = Sandbox::new();
    sandbox
        .write("a.ndjson", r#"{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":1762675200}"#);
    sandbox.wa("ingest a.ndjson --memory 18446744073709551615").exits(0);
}

#[test]
fn first_ingest_writes_its_flags_to_the_settings() {
    let sandbox = Sandbox::new();
    let line = |minute: u32| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s{minute}\",\"event_name\":\"x\",\"ip\":\"203.0.113.9\",\
             \"timestamp\":\"2026-11-09T08:{minute:02}:00Z\"}}\n"
        )
    };
    sandbox.write("a.ndjson", line(0));
    sandbox.write("b.ndjson", line(1));
    sandbox.wa("ingest a.ndjson --ip truncate --memory 300M").exits(0);
    let settings = sandbox.wa("config --format json").json()["settings"].clone();
    for (name, value, from) in
        [("privacy.ip", "truncate", "file"), ("memory", "300M", "file"), ("geoip", "", "default")]
    {
        assert_eq!(settings[name]["from"], from, "{name}");
        assert_eq!(settings[name]["value"].as_str().unwrap_or(""), value, "{name}");
    }
    // The next ingest uses the same settings without flags. Its own flag does not change them.
    sandbox.wa("ingest b.ndjson").exits(0);
    let stored = sandbox.wa("export").output();
    assert_eq!(stored.matches("\"203.0.113.0\"").count(), 2, "{stored}");
    sandbox.wa("ingest b.ndjson --ip drop").exits(0);
    assert_eq!(sandbox.wa("config --format json").json()["settings"]["privacy.ip"]["value"], "truncate");
}

#[test]
fn ingest_with_a_bad_database_creates_no_store() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", "{}\n");
    sandbox.write("bad.mmdb", "no database");
    // The path is absolute, since the first ingest writes it to wa.toml.
    let path = sandbox.path("bad.mmdb").display().to_string();
    sandbox.wa("ingest a.ndjson --geoip bad.mmdb").exits(1).warns(&path);
    assert!(!sandbox.path("wa-store").exists());
}
