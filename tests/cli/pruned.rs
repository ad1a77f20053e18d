//! Reports on days whose sessions `wa gc` pruned.

use serde_json::Value;

use crate::harness::Sandbox;

/// Returns the line of a session with one event.
fn line(chatbot: &str, time: &str, more: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"{chatbot}\",\"session_id\":\"{time}\",\"anonymous_id\":\"{time}\",\
         \"event_name\":\"widget_loaded\",\"timestamp\":\"{time}\"{more}}}\n"
    )
}

/// Returns a store with four sessions a day from 22 May to 15 June, after a gc that retained
/// ten days.
fn ten_days() -> Sandbox {
    let sandbox = Sandbox::new().at("2026-06-15T12:00:00Z");
    let days =
        (22..=31).map(|day| format!("2026-05-{day}")).chain((1..=15).map(|day| format!("2026-06-{day:02}")));
    let times = days.flat_map(|day| (6..10).map(move |hour| format!("{day}T{hour:02}:00:00Z")));
    sandbox.write("log.ndjson", times.map(|time| line("shop", &time, "")).collect::<String>());
    sandbox.wa("init -q --keep-events 10d --keep-sessions 10d").exits(0);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    sandbox
}

#[test]
fn comparison_with_a_pruned_period_has_no_change() {
    let sandbox = ten_days();
    let devices = "report devices --days 10 --compare --format csv";
    sandbox.wa(devices).exits(0).says("devices,unknown,kept,40,40,0,0");
    sandbox.wa("gc -q").exits(0);
    let note = "the previous period, 2026-05-27 to 2026-06-05, is unknown: \
                sessions up to 2026-06-05 are pruned";
    sandbox.wa(devices).exits(0).says("devices,unknown,,40,,,\r\n").warns(note);
    let sources = sandbox.wa("report sources --days 10 --compare").exits(0).warns(note);
    assert!(!sources.stdout.contains("new") && sources.stdout.contains('–'), "{sources}");
    // Daily statistics still contain the four sessions a day of both periods.
    sandbox.wa("report trends --days 10 --compare --format csv").says("2026-06-14,kept,4,4,0,0,");
    let fails_if = |flags: &str, condition: &str| {
        let report = format!("report summary --days 9 --as-of yesterday {flags} --fail-if");
        sandbox.run(report.split_whitespace().chain([condition]))
    };
    fails_if("", "total_sessions.change != 0").exits(0);
    // Even with `--quiet`, the note says that the condition cannot be checked.
    fails_if("--include-bots --quiet", "total_sessions.change > 20")
        .exits(0)
        .warns("cannot evaluate --fail-if")
        .warns("total_sessions of the previous period is 0 or unknown");
}

/// Returns a store of two chatbots; the only session of one of them is pruned.
fn one_of_two_pruned() -> Sandbox {
    let sandbox = Sandbox::new().at("2026-06-15T12:00:00Z");
    let log = line("old", "2025-05-01T10:00:00Z", "") + &line("new", "2026-06-14T10:00:00Z", "");
    sandbox.write("log.ndjson", log);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    sandbox.wa("gc -q").exits(0);
    sandbox
}

#[test]
fn chatbot_without_pruned_sessions_has_visitors() {
    let sandbox = one_of_two_pruned();
    let unique = |more: &str| {
        let run = sandbox.wa(&format!("report summary --days 500 --format json {more}"));
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
    let sandbox = Sandbox::new().at("2026-06-03T20:00:00Z");
    sandbox.write(
        "a.ndjson",
        line("shop", "2026-06-01T15:00:00Z", "") + &line("shop", "2026-06-03T15:00:00Z", ""),
    );
    // This time is on 1 June in New York.
    sandbox.write("late.ndjson", line("shop", "2026-06-02T03:00:00Z", ""));
    sandbox.wa("init -q --timezone America/New_York --keep-events 2d --keep-sessions 2d").exits(0);
    sandbox.wa("ingest -q a.ndjson").exits(0);
    sandbox.wa("gc -q --yes").exits(0);
    let outcomes = || {
        let summary = sandbox.wa("ingest late.ndjson --format json").json();
        (summary["total"]["already_pruned"].clone(), summary["total"]["stored"].clone())
    };
    assert_eq!(outcomes(), (1.into(), 0.into()));
    assert_eq!(outcomes(), (0.into(), 0.into()));
    let settings = sandbox.read("wa-store/wa.toml").replace("America/New_York", "UTC");
    sandbox.write("wa-store/wa.toml", settings);
    sandbox.wa("rebuild -q").exits(0);
    assert_eq!(outcomes(), (0.into(), 1.into()));
}

#[test]
fn pruned_window_is_not_reported_as_having_data() {
    let sandbox = one_of_two_pruned();
    let run = sandbox.wa("report devices --chatbot old --from 2025-05-01 --to 2025-05-02").exits(0);
    run.warns("no sessions for \"old\" from 2025-05-01 to 2025-05-02 are retained")
        .warns("sessions up to 2025-05-01 are pruned");
    let run = sandbox.wa("export --chatbot old").exits(0);
    run.warns("no events for \"old\": events up to 2025-05-01 are pruned");
}
