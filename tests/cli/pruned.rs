//! Reports on days whose sessions `wa gc` has pruned, as a user sees them.

use serde_json::Value;

use crate::harness::Place;

/// The line of a session of one event.
fn line(chatbot: &str, time: &str, more: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"{chatbot}\",\"session_id\":\"{time}\",\"anonymous_id\":\"{time}\",\
         \"event_name\":\"widget_loaded\",\"timestamp\":\"{time}\"{more}}}\n"
    )
}

/// Four sessions a day from 22 May to 15 June, at noon of which ten days of them are kept.
fn ten_days() -> Place {
    let place = Place::new().at("2026-06-15T12:00:00Z");
    let days =
        (22..=31).map(|day| format!("2026-05-{day}")).chain((1..=15).map(|day| format!("2026-06-{day:02}")));
    let times = days.flat_map(|day| (6..10).map(move |hour| format!("{day}T{hour:02}:00:00Z")));
    place.write("log.ndjson", times.map(|time| line("shop", &time, "")).collect::<String>());
    place.wa("init -q --keep-events 10d --keep-sessions 10d").exits(0);
    place.wa("ingest -q log.ndjson").exits(0);
    place
}

#[test]
fn comparison_with_a_pruned_period_has_no_change() {
    let place = ten_days();
    let devices = "report devices --days 10 --compare --format csv";
    place.wa(devices).exits(0).says("devices,unknown,kept,40,40,0,0");
    place.wa("gc -q").exits(0);
    let note = "the previous period, 2026-05-27 to 2026-06-05, is unknown: \
                sessions up to 2026-06-05 are pruned";
    place.wa(devices).exits(0).says("devices,unknown,,40,,,\r\n").warns(note);
    let sources = place.wa("report sources --days 10 --compare").exits(0).warns(note);
    assert!(!sources.stdout.contains("new") && sources.stdout.contains('–'), "{sources}");
    // Four sessions a day before and after: what comes from daily statistics knows that.
    place.wa("report trends --days 10 --compare --format csv").says("2026-06-14,kept,4,4,0,0,");
    let fails_if = |flags: &str, condition: &str| {
        let report = format!("report summary --days 9 --as-of yesterday {flags} --fail-if");
        place.run(report.split_whitespace().chain([condition]))
    };
    fails_if("", "total_sessions.change != 0").exits(0);
    // Quiet or not: whoever waits for an alarm is told that there can be none.
    fails_if("--include-bots --quiet", "total_sessions.change > 20")
        .exits(0)
        .warns("cannot evaluate --fail-if")
        .warns("total_sessions of the previous period is 0 or unknown");
}

/// Two chatbots; the only session of one of them is pruned.
fn one_of_two_pruned() -> Place {
    let place = Place::new().at("2026-06-15T12:00:00Z");
    let log = line("old", "2025-05-01T10:00:00Z", "") + &line("new", "2026-06-14T10:00:00Z", "");
    place.write("log.ndjson", log);
    place.wa("ingest -q log.ndjson").exits(0);
    place.wa("gc -q").exits(0);
    place
}

#[test]
fn chatbot_without_pruned_sessions_has_visitors() {
    let place = one_of_two_pruned();
    let unique = |more: &str| {
        let run = place.wa(&format!("report summary --days 500 --format json {more}"));
        let said = run.stderr.clone();
        (run.json()["summary"]["unique_visitors"].clone(), said)
    };
    assert_eq!(unique("--chatbot new"), (1.into(), String::new()));
    let pruned = "sessions up to 2025-05-01 are pruned";
    for lost in ["--chatbot old", "--chatbot old --chatbot new", ""] {
        let (figure, said) = unique(lost);
        assert!(figure == Value::Null && said.contains(pruned), "{lost}: {figure}\n{said}");
    }
}

#[test]
fn pruned_days_follow_the_time_zone_of_the_store() {
    let place = Place::new().at("2026-06-03T20:00:00Z");
    place.write(
        "a.ndjson",
        line("shop", "2026-06-01T15:00:00Z", "") + &line("shop", "2026-06-03T15:00:00Z", ""),
    );
    // On 1 June by the clock of New York.
    place.write("late.ndjson", line("shop", "2026-06-02T03:00:00Z", ""));
    place.wa("init -q --timezone America/New_York --keep-events 2d --keep-sessions 2d").exits(0);
    place.wa("ingest -q a.ndjson").exits(0);
    place.wa("gc -q --yes").exits(0);
    let fates = || {
        let account = place.wa("ingest late.ndjson --format json").json();
        (account["total"]["already_pruned"].clone(), account["total"]["stored"].clone())
    };
    assert_eq!(fates(), (1.into(), 0.into()));
    assert_eq!(fates(), (0.into(), 0.into()));
    let settings = place.read("wa-store/wa.toml").replace("America/New_York", "UTC");
    place.write("wa-store/wa.toml", settings);
    place.wa("rebuild -q").exits(0);
    assert_eq!(fates(), (0.into(), 1.into()));
}

#[test]
fn pruned_window_is_not_reported_as_having_data() {
    let place = one_of_two_pruned();
    let run = place.wa("report devices --chatbot old --from 2025-05-01 --to 2025-05-02").exits(0);
    run.warns("no sessions for \"old\" from 2025-05-01 to 2025-05-02 are retained")
        .warns("sessions up to 2025-05-01 are pruned");
    let run = place.wa("export --chatbot old").exits(0);
    run.warns("no events for \"old\": events up to 2025-05-01 are pruned");
}
