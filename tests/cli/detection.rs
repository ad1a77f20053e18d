//! Detected formats: logs that resemble a wrapping, and ingests that ignore everything.

use std::fmt::Write as _;

use serde_json::json;

use crate::harness::Sandbox;

/// Returns five lines, each from its number.
fn lines(line: impl Fn(usize) -> String) -> String {
    (0..5).map(|number| line(number) + "\n").collect()
}

fn native(number: usize) -> String {
    json!({"session_id": format!("s{number}"), "event_name": "widget_opened",
        "timestamp": format!("2026-11-09T12:00:0{number}Z")})
    .to_string()
}

#[test]
fn log_that_resembles_a_wrapping_is_rejected() {
    let sandbox = Sandbox::new();
    let time = "2026-11-09T12:00:00Z";
    let logs = [
        // The lines of many logging libraries, which resemble syslog.
        (
            "app1.log",
            lines(|n| format!("{time} INFO chat.server: event=widget_opened visitor=v{n}")),
            "not_json",
        ),
        // The JSON of logstash-logback-encoder, which resembles Logstash.
        (
            "app3.ndjson",
            lines(|n| {
                json!({"@timestamp": time, "@version": "1", "message": "widget opened", "visitor": n})
                    .to_string()
            }),
            "no_event_name",
        ),
        // Resembles the protocol of Airbyte.
        (
            "app4.ndjson",
            lines(|n| json!({"type": "widget_opened", "state": {"open": true}, "visitor": n}).to_string()),
            "no_event_name",
        ),
        // Resembles Fluent Bit.
        (
            "app5.ndjson",
            lines(|n| json!({"date": time, "message": "hi", "conversation": n}).to_string()),
            "no_event_name",
        ),
        // A CloudEvent without data.
        (
            "app6.ndjson",
            lines(|n| {
                json!({"specversion": "1.0", "id": n, "source": "/chat", "type": "opened"}).to_string()
            }),
            "no_event_name",
        ),
    ];
    for (file, text, reason) in logs {
        sandbox.write(file, text);
        let run = sandbox.wa(&format!("--store {file}.d ingest --chatbot c --format json {file}")).exits(4);
        let run = run.warns("all 5 events were rejected; nothing was stored");
        let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(summary["total"]["rejected"], json!({ reason: 5 }), "{file}");
        assert_eq!(summary["total"]["ignored"], 0, "{file}");
        assert_eq!(summary["explanation"]["reason"], reason, "{file}");
    }
}

#[test]
fn one_event_among_chatter_makes_a_wrapping() {
    let sandbox = Sandbox::new();
    let line = |text: &str| {
        format!(
            "{}\n",
            json!({"log": format!("{text}\n"), "stream": "stdout", "time": "2026-11-09T12:00:00Z"})
        )
    };
    let mut log = String::new();
    for number in 0..150 {
        write!(log, "{}", line(&format!("starting worker {number}"))).unwrap();
    }
    sandbox.write("chatter.log", &log);
    sandbox.write("docker.log", log + &line(&native(0)));
    let summary = sandbox.wa("ingest --chatbot c --format json docker.log").json();
    assert_eq!((&summary["total"]["stored"], &summary["total"]["ignored"]), (&json!(1), &json!(150)));
    assert_eq!(summary["files"][0]["map"], "docker");
    // Without the event, nothing shows that these are the logs of a container.
    let summary: serde_json::Value = serde_json::from_str(
        &sandbox.wa("--store other ingest --chatbot c --format json chatter.log").exits(4).stdout,
    )
    .unwrap();
    assert_eq!(summary["total"]["rejected"], json!({"no_event_name": 150}));
    // The format is detected again when the log has grown.
    sandbox.write("chatter.log", std::fs::read_to_string(sandbox.path("docker.log")).unwrap());
    let run = sandbox.wa("--store other ingest --chatbot c --format json chatter.log").exits(0);
    assert!(!run.stderr.contains("another map"), "{run}");
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&summary["total"]["stored"], &summary["files"][0]["map"]), (&json!(1), &json!("docker")));
}

#[test]
fn records_ignored_by_a_chosen_map_are_a_warning() {
    let sandbox = Sandbox::new();
    let text = |n| {
        json!({"message": format!("worker {n}"), "source_type": "file", "timestamp": "2026-11-09T12:00:00Z"})
            .to_string()
    };
    sandbox.write("vector.ndjson", lines(text));
    let run = sandbox.wa("--quiet ingest --chatbot c --map vector vector.ndjson").exits(0);
    run.warns("warning: all records were ignored").says("vector.ndjson");

    // A file that was read before continues with chatter. It is resumed, since its events have ids.
    let message = native(1).replacen('{', "{\"event_id\":\"e1\",", 1);
    let event = json!({"message": message, "source_type": "file", "timestamp": "2026-11-09T12:00:00Z"});
    let events = format!("{event}\n").repeat(100);
    sandbox.write("grown.ndjson", &events);
    sandbox.wa("--quiet ingest --chatbot c grown.ndjson").exits(0);
    sandbox.write("grown.ndjson", events + &lines(text));
    let run = sandbox.wa("--quiet ingest --chatbot c grown.ndjson --format json").exits(0);
    let run = run.warns("warning: all records were ignored");
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&summary["total"]["read"], &summary["total"]["ignored"]), (&json!(5), &json!(5)));
}

#[test]
fn records_ignored_by_a_detected_map_fail() {
    let sandbox = Sandbox::new();
    // The logs of Caddy itself, which its map ignores.
    let line =
        |n| json!({"logger": "tls", "ts": 1_794_225_600 + n, "msg": "renewed", "level": "info"}).to_string();
    sandbox.write("caddy.log", lines(line));
    let run = sandbox.wa("--quiet ingest --chatbot c caddy.log").exits(4);
    run.warns("all 5 records were ignored; nothing was stored: the map 'caddy' reads caddy.log")
        .warns("hint: run `wa preview caddy.log`")
        .warns("--map caddy");
    sandbox.wa("--store other ingest --chatbot c --map caddy caddy.log").exits(0);
    // Together with an event, the records are a usual part of a log.
    sandbox.write("native.ndjson", native(0) + "\n");
    sandbox.wa("ingest --chatbot c --force caddy.log native.ndjson").exits(0);
}

#[test]
fn kcat_output_is_unwrapped() {
    let sandbox = Sandbox::new();
    // One record as `kcat -J` writes it. The event has no time of its own.
    let event = json!({"session_id": "s", "event_name": "widget_opened"}).to_string();
    let record = json!({"topic": "chat", "partition": 0, "offset": 7, "tstype": "create",
        "ts": 1_794_225_600_000_u64, "broker": 0, "headers": [], "key": null, "payload": event});
    sandbox.write("kcat.ndjson", format!("{record}\n"));
    let summary = sandbox.wa("ingest --chatbot c --format json kcat.ndjson").json();
    assert_eq!((&summary["total"]["stored"], &summary["files"][0]["map"]), (&json!(1), &json!("kafka")));
    let event = sandbox.wa("events --format ndjson").json();
    // 1,794,225,600 seconds are 20,766 days and 43,200 seconds: noon.
    assert_eq!(event["timestamp"], "2026-11-09T12:00:00Z");
    assert_eq!(event["event_id"], "chat-0-7");
}

/// Returns a line of Docker's log that contains an object.
fn docker(value: &serde_json::Value) -> String {
    json!({"log": format!("{value}\n"), "stream": "stdout", "time": "2026-11-09T12:00:00Z"}).to_string()
        + "\n"
}

#[test]
fn object_that_resembles_a_wrapping_is_not_ignored_inside_one() {
    let sandbox = Sandbox::new();
    // Each object has the keys of Fluent Bit.
    let chatter = |n: usize| docker(&json!({"date": "2026-11-09T12:00:00Z", "message": "hi", "visitor": n}));
    sandbox.write("app.log", (0..3).map(chatter).collect::<String>());
    let summary = sandbox.wa("ingest app.log --map docker --chatbot c --format json").exits(4).stdout();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["total"]["rejected"], json!({"no_event_name": 3}), "{summary}");
    assert_eq!(summary["total"]["ignored"], 0);
    sandbox.wa("rejects").exits(0).says("no_event_name").says("visitor");

    // A map for such objects reads them.
    sandbox.write("my.toml", "[event]\nevent_name = '/message'\ntimestamp = '/date'\nuser_id = '/visitor'\n");
    let summary = sandbox.wa("--store own ingest app.log --map my.toml --chatbot c --format json").json();
    assert_eq!([&summary["total"]["stored"], &summary["total"]["ignored"]], [3, 0], "{summary}");

    // More values than are held back, then an event inside the inner wrapping, and another value.
    let event = json!({"date": "2026-11-09T12:00:00Z", "message": native(1)});
    let log = (0..102).map(chatter).chain([docker(&event), chatter(102)]).collect::<String>();
    sandbox.write("mixed.log", log);
    let summary = sandbox.wa("--store mixed ingest mixed.log --map docker --chatbot c --format json").json();
    assert_eq!(summary["total"]["rejected"], json!({"no_event_name": 100}), "{summary}");
    assert_eq!([&summary["total"]["stored"], &summary["total"]["ignored"]], [1, 3], "{summary}");
}

#[test]
fn rest_of_a_file_with_inner_wrappings_need_not_contain_an_event() {
    let sandbox = Sandbox::new();
    let time = "2026-11-09T12:00:00Z";
    // The form of Logstash inside that of Fluent Bit.
    let inner = |message: &str| {
        let value = json!({"@timestamp": time, "@version": "1", "message": message});
        json!({"date": time, "log": value.to_string()}).to_string() + "\n"
    };
    let event = json!({"event_id": "1", "session_id": "s", "event_name": "widget_opened", "timestamp": time});
    let first = inner(&event.to_string()) + &inner("started");
    sandbox.write("pod.log", &first);
    let ignored = |sandbox: &Sandbox| {
        let summary = sandbox.wa("ingest pod.log --chatbot c --format json").exits(0).stdout();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        (summary["total"]["stored"].clone(), summary["total"]["ignored"].clone())
    };
    assert_eq!(ignored(&sandbox), (json!(1), json!(1)));
    sandbox.write("pod.log", first + &inner("stopped"));
    assert_eq!(ignored(&sandbox), (json!(0), json!(1)));
}

#[test]
fn column_that_is_named_twice_must_not_be_read() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "my.toml",
        "reader = ['csv', 'w3c']\n[event]\nevent_name = '/name'\ntimestamp = '/time'\nsession_id = '/s'\n\
         page_url = '/url'\n",
    );
    sandbox.write("a.csv", "name,time,s,url,url\nx,2026-11-09T10:00:00Z,s,https://h/a,https://h/b\n");
    sandbox.write("b.csv", "name,time,s,url,note,note\nx,2026-11-09T10:00:00Z,s,https://h/c,first,second\n");
    sandbox
        .wa("ingest a.csv b.csv --map my.toml --chatbot c")
        .exits(4)
        .warns(
            "cannot read a.csv: its first row names the column 'url' twice, and the map 'my.toml' reads it",
        )
        .warns("hint: rename one of the two columns in the first row");
    let event = sandbox.wa("events --format ndjson").json();
    let found = ["page_url", "note", "note (2)"].map(|key| event[key].as_str().unwrap_or(""));
    assert_eq!(found, ["https://h/c", "first", "second"], "{event}");
    sandbox.wa("preview a.csv --map my.toml").exits(4).says("names the column 'url' twice");

    // Rows of W3C, whose columns can change within the file.
    let row = |n: u32, url: &str| format!("x 2026-11-09T10:00:0{n}Z s {url}\n");
    let fields = |names: &str| format!("#Fields: name time s {names}\n");
    sandbox.write("c.log", fields("url url") + &row(1, "/a /b"));
    sandbox.write("d.log", [fields("url n"), row(2, "/a 1"), fields("url url"), row(3, "/b /c")].concat());
    let summary =
        sandbox.wa("--store w3c ingest c.log d.log --map my.toml --chatbot c --format json").exits(4);
    let summary: serde_json::Value = serde_json::from_str(&summary.stdout()).unwrap();
    assert_eq!(summary["total"]["stored"], 1, "{summary}");
    assert_eq!(summary["total"]["rejected"], json!({"wrong_width": 1}), "{summary}");
}
