//! Reports and lists in a time zone other than UTC.

use crate::harness::Sandbox;

/// Returns a store in the time zone of Tokyo with a session of one event at each of `times`.
fn tokyo(times: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new().at("2026-11-13T10:00:00Z");
    let line = |time: &&str| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\"timestamp\":\"{time}\"}}\n"
        )
    };
    sandbox.write("log.ndjson", times.iter().map(line).collect::<String>());
    sandbox.wa("init -q --timezone Asia/Tokyo").exits(0);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    sandbox
}

#[test]
fn empty_event_list_names_days_in_the_zone() {
    // 05:00 on 12 November in Tokyo.
    let sandbox = tokyo(&["2026-11-11T20:00:00Z"]);
    sandbox
        .wa("events --from 2026-11-11 --to 2026-11-11")
        .exits(0)
        .warns("no events on 2026-11-11: there is data from 2026-11-12 to 2026-11-12");
    sandbox
        .run(["events", "--from", "2026-11-12", "--to", "2026-11-12", "--where", "event_name=no"])
        .exits(0)
        .warns("no event on 2026-11-12 matches");
    sandbox.wa("events --from 2026-11-12 --to 2026-11-12 --format csv").exits(0).says("message_sent");
}

#[test]
fn latest_day_of_events_is_the_day_of_the_last_event() {
    // One session that spans midnight in Tokyo.
    let sandbox = tokyo(&["2026-11-10T14:50:00Z", "2026-11-10T15:10:00Z"]);
    for command in ["events --format ndjson", "export"] {
        let found = sandbox.wa(&format!("{command} --days 1 --as-of latest")).exits(0);
        let times: Vec<&str> = found.stdout.lines().collect();
        assert!(times.len() == 1 && times[0].contains("2026-11-10T15:10:00"), "{command}: {times:?}");
    }
    // Reports attribute a session to the day on which it started.
    sandbox.wa("report summary --days 1 --as-of latest --format csv").exits(0).says("\r\n1,");
}

#[test]
fn tables_show_local_times() {
    let sandbox = tokyo(&["2026-11-11T20:00:00Z"]);
    let session = sandbox.wa("report sessions --session-id s --from 2026-11-12").exits(0);
    assert!(!session.stdout.contains("20:00:00"), "{session}");
    // Start and end of the session, and the time of its event.
    assert_eq!(session.stdout.matches("2026-11-12 05:00:00").count(), 2, "{session}");
    assert_eq!(session.stdout.matches("\n05:00:00 ").count(), 1, "{session}");
    let active = sandbox.wa("report active --as-of 2026-11-11T20:10:00Z").exits(0);
    // The title and the row of the time.
    assert_eq!(active.stdout.matches("2026-11-12 05:10:00").count(), 2, "{active}");
    assert!(!active.stdout.contains("20:10:00"), "{active}");
    let status = sandbox.wa("status").exits(0);
    // The last event of the chatbot.
    assert!(status.stdout.contains("2026-11-12 05:00:00"), "{status}");
    // The store was created at 10:00 UTC by the clock of the test.
    let created = status.stdout.lines().find(|line| line.starts_with("created")).unwrap();
    assert!(created.ends_with(" 2026-11-13 19:00:00"), "{status}");
    let json = sandbox.wa("status --format json").json();
    assert_eq!(json["chatbots"]["largest"][0]["last_event"], "2026-11-11T20:00:00Z");
    // JSON and CSV show UTC.
    sandbox.wa("report active --as-of 2026-11-11T20:10:00Z --format json").says("\"2026-11-11T20:10:00Z\"");
}
