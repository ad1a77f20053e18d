//! Broken JSON values next to whole ones: only the broken ones are lost.

use serde_json::{Value, json};

use crate::harness::Sandbox;

fn event(number: usize) -> Value {
    json!({"chatbot_id": "c", "session_id": format!("s{number}"), "event_name": "widget_opened",
        "timestamp": 1_794_225_600 + number})
}

fn pretty(numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| serde_json::to_string_pretty(&event(number)).unwrap() + "\n").collect()
}

/// Returns the total counts of the summary that `wa ingest FILE --format json` prints.
fn total(sandbox: &Sandbox, arguments: &str, status: i32) -> Value {
    let run = sandbox.wa(&format!("{arguments} --format json")).exits(status);
    let mut summary: Value = serde_json::from_str(&run.stdout).unwrap();
    summary["total"].take()
}

fn rejects(sandbox: &Sandbox, store: &str) -> Vec<(u64, String)> {
    let list = sandbox.wa(&format!("--store {store} rejects --format json")).json();
    let rejects = list["rejects"].as_array().unwrap().iter();
    rejects.map(|each| (each["line"].as_u64().unwrap(), each["raw"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn values_before_a_broken_one_on_a_line_are_stored() {
    let sandbox = Sandbox::new();
    let (a, b, c) = (event(1), event(2), event(3));
    let rest = format!("{{\"a\":}}{c}");
    let native = format!("{}\n{a}{b}{rest}\n{}\n", event(0), event(4));
    sandbox.write("native.ndjson", &native);
    // Reads the same lines by a map, and inside a wrapping.
    sandbox.write(
        "map.toml",
        "[event]\nchatbot_id = '/chatbot_id'\nevent_name = '/event_name'\nsession_id = '/session_id'\n\
         timestamp = '/timestamp'\n",
    );
    let wrap =
        |value: &Value| json!({"topic": "t", "partition": 0, "offset": value["timestamp"], "value": value});
    let wrapped: Vec<String> = [&a, &b, &c].map(|each| wrap(each).to_string()).to_vec();
    let wrapped_rest = format!("{{\"a\":}}{}", wrapped[2]);
    let lines =
        format!("{}\n{}{}{wrapped_rest}\n{}\n", wrap(&event(0)), wrapped[0], wrapped[1], wrap(&event(4)));
    sandbox.write("kafka.ndjson", lines);
    for (file, map, rest) in [
        ("native.ndjson", "", &rest),
        ("native.ndjson", "--map map.toml", &rest),
        ("kafka.ndjson", "", &wrapped_rest),
    ] {
        let store = format!("{file}{}", map.len());
        let total = total(&sandbox, &format!("--store {store} ingest {file} {map}"), 0);
        assert_eq!(
            (&total["read"], &total["stored"], &total["rejected"]),
            (&json!(5), &json!(4), &json!({"not_json": 1})),
            "{file} {map}"
        );
        assert_eq!(rejects(&sandbox, &store), [(2, rest.to_owned())], "{file} {map}");
        let sessions =
            sandbox.wa(&format!("--store {store} report sessions --format json --limit all")).json();
        let mut ids: Vec<&str> = sessions["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|s| s["session_id"].as_str())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, ["s0", "s1", "s2", "s4"], "{file} {map}");
    }
    // The rejected rest is found again, and still rejected.
    let run = sandbox.wa("--store native.ndjson0 rejects --retry --format json");
    assert_eq!(rejects(&sandbox, "native.ndjson0").len(), 1, "{run}");
    // The offset locates the value: the previous line and two events come before it.
    let list = sandbox.wa("--store native.ndjson0 rejects --format json").json();
    let offset = native.find("{\"a\":}").unwrap();
    assert_eq!(list["rejects"][0]["offset"], offset);
}

#[test]
fn line_with_other_text_after_its_object_is_rejected_whole() {
    let sandbox = Sandbox::new();
    let line = format!("{} and more", event(1));
    sandbox.write("a.ndjson", format!("{}\n{line}\n", event(0)));
    let total = total(&sandbox, "ingest a.ndjson", 0);
    assert_eq!((&total["stored"], &total["rejected"]), (&json!(1), &json!({"not_json": 1})));
    assert_eq!(rejects(&sandbox, "wa-store"), [(2, line)]);
}

#[test]
fn pretty_values_before_a_broken_one_are_stored() {
    let sandbox = Sandbox::new();
    // Each of the 50 events has six lines.
    for (name, broken) in [("object", "{\"a\":\n}\n"), ("text", "restarted\n")] {
        sandbox.write(name, pretty(0..50) + broken + &pretty(50..51));
        let arguments = ["--store", &format!("{name}.d"), "ingest", name, "--format", "json"];
        let run = sandbox.run(arguments).exits(4).warns("no complete JSON value at line 301, byte");
        let summary: Value = serde_json::from_str(&run.stdout).unwrap();
        let total = &summary["total"];
        assert_eq!(
            (&total["read"], &total["stored"], &total["rejected"]),
            (&json!(50), &json!(50), &json!({}))
        );
    }
}

#[test]
fn pretty_value_without_its_end_is_left_unfinished() {
    let sandbox = Sandbox::new();
    let text = pretty(0..3);
    // The last value, cut after its second line, even if it is the only one.
    let third = pretty(0..2).len();
    for (name, start) in [("three.json", 0), ("one.json", third)] {
        let store = format!("{name}.d");
        let arguments = format!("--store {store} ingest {name}");
        let (whole, written) = (&text[start..], third - start + 30);
        sandbox.write(name, &whole[..written]);
        let before = total(&sandbox, &arguments, 0);
        let stored = if start == 0 { 2 } else { 0 };
        assert_eq!((&before["stored"], &before["unfinished"]), (&json!(stored), &json!(1)), "{name}");
        assert_eq!(before["read"], stored + 1, "{name}");
        sandbox.write(name, whole);
        let after = total(&sandbox, &arguments, 0);
        assert_eq!((&after["stored"], &after["unfinished"]), (&json!(1), &json!(0)), "{name}");
        assert_eq!(rejects(&sandbox, &store), [], "{name}");
    }
    // A brace is missing in the middle of the file, so its end is not the end of a value.
    let broken = text.replacen('}', "", 1);
    sandbox.write("broken.json", broken);
    sandbox.wa("--store broken ingest broken.json").exits(4);
}

#[test]
fn partial_record_of_a_container_log_is_left_unfinished() {
    let sandbox = Sandbox::new();
    let text = event(1).to_string();
    let (one, two) = text.split_at(20);
    let time = "2026-11-09T12:00:00.000000000Z stdout";
    let docker = |text: &str| {
        format!("{}\n", json!({"log": text, "stream": "stdout", "time": "2026-11-09T12:00:00Z"}))
    };
    let cri = [format!("{time} F {}\n{time} P {one}\n", event(0)), format!("{time} F {two}\n")];
    let docker = [docker(&format!("{}\n", event(0))) + &docker(one), docker(&format!("{two}\n"))];
    for (name, [first, second]) in [("cri.log", cri), ("docker.log", docker)] {
        let arguments = format!("--store {name}.d ingest {name} --max-rejects 0");
        sandbox.write(name, &first);
        let before = total(&sandbox, &arguments, 0);
        assert_eq!(
            (&before["read"], &before["stored"], &before["unfinished"]),
            (&json!(2), &json!(1), &json!(1))
        );
        sandbox.write(name, first + &second);
        let after = total(&sandbox, &arguments, 0);
        assert_eq!(
            (&after["read"], &after["stored"], &after["duplicate"]),
            (&json!(2), &json!(1), &json!(1))
        );
        assert_eq!(rejects(&sandbox, &format!("{name}.d")), [], "{name}");
    }
}
