//! `wa rejects --retry`: ingests rejected lines again.

use serde_json::Value;

use crate::harness::{Sandbox, root};

/// Returns the events of a store with their ids, without the ingest times.
fn events(sandbox: &Sandbox, store: &str) -> Vec<String> {
    let flags = "events --from 2020-01-01 --order oldest --format ndjson --limit all";
    let output = sandbox.wa(&format!("--store {store} {flags}")).output();
    let mut lines: Vec<String> = output
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let event = event.as_object_mut().unwrap();
            event.remove("created_at");
            serde_json::to_string(event).unwrap()
        })
        .collect();
    lines.sort();
    lines
}

/// Retries the rejected lines, and checks that another ingest of the log then changes nothing.
fn retry(sandbox: &Sandbox, flags: &str, again: &str) -> Value {
    let summary = sandbox.wa(&format!("rejects --retry --format json {flags}")).json();
    let before = events(sandbox, "wa-store");
    let rejects = sandbox.wa("rejects --format json").json()["lines"].clone();
    let second = sandbox.run(format!("ingest --force --format json {again}").split(' '));
    let second: Value = serde_json::from_str(&second.stdout()).unwrap();
    assert_eq!(second["total"]["stored"], 0, "{second}");
    assert_eq!(events(sandbox, "wa-store"), before);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], rejects);
    summary
}

#[test]
fn retried_lines_have_the_ids_of_their_log() {
    let sandbox = Sandbox::new();
    let line = |session: &str, name: &str| {
        format!(r#"{{"session_id":"{session}","event_name":"{name}","timestamp":"2026-11-09T10:00:00Z"}}"#)
    };
    // Lines without an id: one occurs three times, one has white space around it, and two share a
    // line.
    let (a, b, c) = (line("s", "a"), line("s", "b"), line("t", "c"));
    let log = format!("{a}\n  {a}\n{a}\n{b}\n{c} {b}\n{a}\n");
    sandbox.write("a.ndjson", log);
    sandbox.wa("ingest a.ndjson").exits(4);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 4);
    let summary = retry(&sandbox, "--chatbot shop", "a.ndjson --chatbot shop");
    assert_eq!(
        (&summary["lines"], &summary["accepted"], &summary["total"]["stored"]),
        (&4.into(), &4.into(), &7.into()),
        "{summary}"
    );
    sandbox.wa("--store direct ingest a.ndjson --chatbot shop").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    assert_eq!(sandbox.wa("rejects").output(), "0 rejected lines\n");
    sandbox.wa("verify").exits(0);
}

#[test]
fn lines_of_several_ingests_have_the_ids_of_their_log() {
    let sandbox = Sandbox::new();
    let line = r#"{"session_id":"s","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    let other = line.replace("\"a\"", "\"b\"");
    // The same event with different white space around it is a different rejected line. The
    // rejected lines of another file are stored between these two.
    sandbox.write("a.ndjson", format!("{line}\n"));
    sandbox.write("b.ndjson", format!("{other}\n"));
    sandbox.wa("ingest a.ndjson").exits(4);
    sandbox.wa("ingest b.ndjson").exits(4);
    sandbox.write("a.ndjson", format!("{line}\n  {line}\n"));
    sandbox.write("b.ndjson", format!("\t{other}\n{other}\n   {other}\n"));
    sandbox.wa("ingest a.ndjson").exits(4);
    sandbox.wa("ingest b.ndjson").exits(4);
    retry(&sandbox, "--chatbot c", "a.ndjson b.ndjson --chatbot c");
    sandbox.wa("--store direct ingest a.ndjson b.ndjson --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    assert_eq!(events(&sandbox, "direct").len(), 5);
}

#[test]
fn line_that_is_rejected_again_stays_with_its_new_reason() {
    let sandbox = Sandbox::new();
    let good = r#"{"session_id":"s","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    let late = r#"{"session_id":"s","event_name":"a","timestamp":"soon"}"#;
    sandbox.write("logs/a.ndjson", format!("{good}\n{late}\n{{broken\n"));
    sandbox.write("logs/b.ndjson", format!("{late}\n{}\n", good.replace("\"a\"", "\"b\"")));
    sandbox.wa("ingest logs").exits(4);
    let summary = retry(&sandbox, "--chatbot c --file a.ndjson", "logs/a.ndjson --chatbot c");
    assert_eq!(summary["total"]["rejected"], serde_json::json!({"bad_timestamp": 1, "not_json": 1}));
    let list = sandbox.wa("rejects --format json").json();
    let reasons = serde_json::json!({"bad_timestamp": 1, "no_chatbot_id": 1, "not_json": 1});
    assert_eq!((&list["reasons"], &list["files"]["logs/b.ndjson"]), (&reasons, &1.into()), "{list}");
    let none = sandbox.wa("rejects --retry --format json --reason not_json").json();
    assert_eq!(
        (&none["lines"], &none["accepted"], &none["rejected_again"]),
        (&1.into(), &0.into(), &1.into())
    );
}

#[test]
fn lines_of_csv_are_read_by_another_map() {
    let sandbox = Sandbox::new();
    let folder = root().join("tests/data/formats/csv");
    for name in ["visits.csv", "map.toml"] {
        sandbox.write(name, std::fs::read(folder.join(name)).unwrap());
    }
    sandbox.wa("ingest visits.csv --chatbot demo").exits(4);
    // One row spans two lines, and the first line names the columns.
    let summary =
        retry(&sandbox, "--map map.toml --chatbot demo", "visits.csv --map map.toml --chatbot demo");
    sandbox.wa("--store direct ingest visits.csv --map map.toml --chatbot demo").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    assert_eq!(summary["unreadable"], serde_json::json!({}), "{summary}");
    // The rows that the map rejects too are the only lines left.
    let direct = sandbox.wa("--store direct rejects --format json").json();
    let left = sandbox.wa("rejects --format json").json();
    assert_eq!((&left["reasons"], &left["lines"]), (&direct["reasons"], &direct["lines"]));
}

#[test]
fn mapped_and_wrapped_lines_are_read_as_before() {
    let sandbox = Sandbox::new();
    let inner = r#"{\"session_id\":\"s\",\"event_name\":\"a\"}"#;
    let docker = |second: u32| {
        format!(r#"{{"log":"{inner}\n","stream":"stdout","time":"2026-11-09T10:00:{second:02}.000000000Z"}}"#)
    };
    sandbox.write("docker.log", format!("{}\n{}\n{}\n", docker(1), docker(2), docker(1)));
    let mapped = r#"{"event":"x","distinct_id":"d","uuid":"","timestamp":"2026-11-09T10:00:00Z","properties":{"$session_id":"1"}}"#;
    sandbox.write("posthog.jsonl", format!("{mapped}\n{mapped}\n"));
    sandbox.wa("ingest docker.log").exits(4);
    sandbox.wa("ingest posthog.jsonl --map posthog").exits(4);
    let again = "docker.log --chatbot c";
    let summary = retry(&sandbox, "--file docker.log --chatbot c", again);
    assert_eq!(summary["total"]["stored"], 3, "{summary}");
    let summary =
        retry(&sandbox, "--file posthog.jsonl --chatbot c", "posthog.jsonl --map posthog --chatbot c");
    assert_eq!(summary["total"]["stored"], 2, "{summary}");
    sandbox.wa("--store direct ingest docker.log --chatbot c").exits(0);
    sandbox.wa("--store direct ingest posthog.jsonl --map posthog --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
}

#[test]
fn line_without_its_ip_addresses_is_read_from_its_file() {
    let sandbox = Sandbox::new();
    let line = r#"{"ip":"192.0.2.7","user_agent":"x","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    sandbox.write("a.ndjson", format!("{line}\n"));
    sandbox.wa("ingest a.ndjson --ip drop").exits(4);
    std::fs::rename(sandbox.path("a.ndjson"), sandbox.path("away")).unwrap();
    let run = sandbox.wa("rejects --retry --chatbot c").exits(4);
    let missing =
        format!("1 line of a.ndjson not read: {} does not exist", sandbox.path("a.ndjson").display());
    run.says("0 of 1 line is no longer rejected").says(&missing).warns("put the original file back");
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 1);
    std::fs::rename(sandbox.path("away"), sandbox.path("a.ndjson")).unwrap();
    sandbox.wa("rejects --retry --chatbot c").exits(0).says("1 of 1 line is no longer rejected");
    let stored = events(&sandbox, "wa-store");
    assert_eq!(stored.len(), 1);
    sandbox.wa("ingest a.ndjson --ip drop --chatbot c --force").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), stored);
}

#[test]
fn line_stored_with_and_without_ip_address_is_one_event() {
    let sandbox = Sandbox::new();
    let line = r#"{"ip":"192.0.2.7","user_agent":"x","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    sandbox.write("a.ndjson", format!("{line}\n"));
    sandbox.wa("ingest a.ndjson --ip keep").exits(4);
    sandbox.wa("ingest a.ndjson --ip drop --force").exits(4);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 2);
    let summary = retry(&sandbox, "--chatbot c", "a.ndjson --chatbot c");
    assert_eq!((&summary["accepted"], &summary["total"]["stored"]), (&2.into(), &1.into()), "{summary}");
}

/// Returns a line of an event without chatbot that is longer than 64 KiB.
fn long_line(session: &str, name: &str) -> String {
    let pad = "x".repeat(70_000);
    format!(
        r#"{{"session_id":"{session}","event_name":"{name}","timestamp":"2026-11-09T10:00:00Z","properties":{{"pad":"{pad}"}}}}"#
    )
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn long_line_is_read_from_its_file() {
    let sandbox = Sandbox::new();
    let (a, b, c) = (long_line("s", "a"), long_line("s", "b"), long_line("t", "c"));
    // One line occurs twice, and one has an IP address that is removed from the stored text.
    let c = c.replace("\"pad\"", "\"from\":\"192.0.2.7\",\"pad\"");
    let log = format!("{a}\r\n{b}\nbroken\n{a}\n");
    sandbox.write("a.ndjson", &log);
    sandbox.write("b.ndjson.gz", gzip(&format!("{c}\n")));
    sandbox.wa("ingest a.ndjson b.ndjson.gz --ip truncate").exits(4);
    // One long line of the file was replaced.
    sandbox.write("a.ndjson", log.replace("\"b\"", "\"d\""));
    let summary = sandbox.run("rejects --retry --format json --chatbot c".split(' '));
    let summary: Value = serde_json::from_str(&summary.stdout()).unwrap();
    assert_eq!(summary["unreadable"], serde_json::json!({"file_changed": 1}), "{summary}");
    assert_eq!((&summary["total"]["stored"], &summary["accepted"]), (&3.into(), &2.into()), "{summary}");
    sandbox.write("a.ndjson", &log);
    let again = "a.ndjson b.ndjson.gz --chatbot c --ip truncate";
    let summary = retry(&sandbox, "--chatbot c", again);
    assert_eq!((&summary["total"]["stored"], &summary["accepted"]), (&1.into(), &1.into()), "{summary}");
    sandbox.wa(&format!("--store direct ingest {again}")).exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    assert_eq!(sandbox.wa("rejects --format json").json()["reasons"], serde_json::json!({"not_json": 1}));
}

#[test]
fn short_and_long_copies_of_a_line_are_separate_events() {
    let sandbox = Sandbox::new();
    let line = r#"{"session_id":"s","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    let space = " ".repeat(70_000);
    // Each text occurs twice. White space is not part of an event.
    sandbox.write("a.ndjson", format!("{line}\n{space}{line}\n{line}\n{space}{line}\n"));
    sandbox.wa("ingest a.ndjson").exits(4);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 2);
    let summary = retry(&sandbox, "--chatbot c", "a.ndjson --chatbot c");
    assert_eq!((&summary["accepted"], &summary["total"]["stored"]), (&2.into(), &4.into()), "{summary}");
    sandbox.wa("--store direct ingest a.ndjson --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
}

#[test]
fn line_before_a_read_error_stays_until_its_file_is_whole() {
    let sandbox = Sandbox::new();
    let line = format!("{}\n", long_line("s", "a"));
    // The second occurrence is in another part of the file, which is cut off later.
    let (first, second) = (gzip(&line), gzip(&line));
    let whole = [first.as_slice(), &second].concat();
    sandbox.write("a.ndjson.gz", &whole);
    sandbox.wa("ingest a.ndjson.gz").exits(4);
    sandbox.write("a.ndjson.gz", &whole[..first.len() + second.len() / 2]);
    let summary = sandbox.run("rejects --retry --format json --chatbot c".split(' ')).stdout();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["unreadable"], serde_json::json!({"read_failed": 1}), "{summary}");
    assert_eq!((&summary["accepted"], &summary["total"]["stored"]), (&0.into(), &1.into()), "{summary}");
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 1);
    sandbox.write("a.ndjson.gz", &whole);
    let summary = retry(&sandbox, "--chatbot c", "a.ndjson.gz --chatbot c");
    let total = &summary["total"];
    assert_eq!((&total["stored"], &total["duplicate"]), (&1.into(), &1.into()), "{summary}");
    assert_eq!(sandbox.wa("rejects").output(), "0 rejected lines\n");
}

#[test]
fn wrapped_line_with_a_different_time_is_not_read() {
    let sandbox = Sandbox::new();
    let inner =
        format!(r#"{{\"session_id\":\"s\",\"event_name\":\"a\",\"pad\":\"{}\"}}"#, "x".repeat(70_000));
    let docker = |second: u32| {
        let time = format!("2026-11-09T10:00:{second:02}.000000000Z");
        format!("{{\"log\":\"{inner}\\n\",\"stream\":\"stdout\",\"time\":\"{time}\"}}\n")
    };
    sandbox.write("docker.log", docker(1));
    sandbox.wa("ingest docker.log").exits(4);
    // The same text with a different time is a different line.
    sandbox.write("docker.log", docker(2));
    let summary = sandbox.run("rejects --retry --format json --chatbot c".split(' ')).stdout();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["unreadable"], serde_json::json!({"file_changed": 1}), "{summary}");
    assert_eq!(summary["total"]["stored"], 0, "{summary}");
    sandbox.write("docker.log", docker(2) + &docker(1));
    let summary = sandbox.wa("rejects --retry --format json --chatbot c").json();
    assert_eq!((&summary["accepted"], &summary["total"]["stored"]), (&1.into(), &1.into()), "{summary}");
    let stored = events(&sandbox, "wa-store");
    assert!(stored.len() == 1 && stored[0].contains("10:00:01"), "{stored:?}");
}

#[test]
fn equal_elements_of_two_envelopes_of_a_record_are_two_lines() {
    let sandbox = Sandbox::new();
    let element = r#"{"event_name":"x","timestamp":"2026-11-09T10:00:00Z"}"#;
    let envelope = |session: &str| format!(r#"{{"session_id":"{session}","events":[{element}]}}"#);
    // Equal elements are counted instead of stored, but not among the first 16 rejected lines.
    let wrapped = |payload: &str| format!("{{\"schema\":{{\"type\":\"struct\"}},\"payload\":{payload}}}\n");
    let event = |n: u32| element.replace("\"x\"", &format!("\"x{n}\",\"session_id\":\"s\""));
    let mut log: String = (0..20).map(|n| wrapped(&event(n))).collect();
    log += &wrapped(&format!("[{},{}]", envelope("a"), envelope("b")));
    sandbox.write("k.jsonl", log);
    sandbox.wa("ingest k.jsonl").exits(4);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 22);
    let summary = retry(&sandbox, "--chatbot c", "k.jsonl --chatbot c");
    assert_eq!(summary["total"]["stored"], 22, "{summary}");
    sandbox.wa("--store direct ingest k.jsonl --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
}

#[test]
fn elements_of_envelopes_and_lists_are_read_from_their_file() {
    let sandbox = Sandbox::new();
    let element = r#"{"event_name":"x","timestamp":"2026-11-09T10:00:00Z"}"#;
    let named = element.replace("\"x\"", "\"y\"");
    let envelope = |session: &str, rest: &str| {
        format!(r#"{{"session_id":"{session}"{rest},"events":[{element},{named},{element},3]}}"#)
    };
    // The same elements in four envelopes and a list. The second envelope names its chatbot.
    let chatbot = r#","chatbot_id":"own""#;
    let log = [envelope("a", ""), envelope("b", chatbot), envelope("c", ""), format!("[{named},{element}]")];
    sandbox.write("a.ndjson", log.join("\n") + "\n");
    sandbox.write("b.ndjson", envelope("d", "") + "\n");
    let list = serde_json::json!([{"session_id": "e", "event_name": "z", "timestamp": 1_794_211_200}, 4]);
    sandbox.write("c.json", serde_json::to_string_pretty(&list).unwrap());
    sandbox.wa("ingest a.ndjson b.ndjson c.json").exits(0);
    // Equal elements of different envelopes are different rejected lines. Each envelope without a
    // chatbot has three rejected events, and each envelope has a number.
    let counts = sandbox.wa("rejects --format json").json();
    assert_eq!(counts["files"], serde_json::json!({"a.ndjson": 9, "b.ndjson": 3, "c.json": 2}), "{counts}");
    // The elements of the second envelope are stored, and are not read with the other chatbot.
    let summary = retry(&sandbox, "--chatbot c", "a.ndjson b.ndjson c.json --chatbot c");
    assert_eq!(summary["total"]["duplicate"], 0, "{summary}");
    assert_eq!(summary["total"]["stored"], 3 * 3 + 1, "{summary}");
    sandbox.wa("--store direct ingest a.ndjson b.ndjson c.json --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    let left = serde_json::json!({"no_session_key": 2, "not_an_object": 5});
    assert_eq!(sandbox.wa("rejects --format json").json()["reasons"], left);
    sandbox.wa("rejects").says("b.ndjson:1[3]");
}

#[test]
fn elements_of_mapped_batches_are_read_from_their_file() {
    let sandbox = Sandbox::new();
    let map =
        "unwrap = \"/batch/*\"\n[event]\nevent_name = \"/what\"\ntimestamp = \"/at\"\nsession_id = \"^/s\"\n";
    sandbox.write("map.toml", map);
    let event = |id: u32, time: &str| format!(r#"{{"what":"e","at":"{time}","n":{id}}}"#);
    let time = "2026-11-09T10:00:00Z";
    let batch = |ids: [u32; 2]| {
        let elements = [event(ids[0], time), event(ids[1], time), event(ids[1], "soon")];
        format!(r#"{{"s":"s","sent":{},"batch":[{}]}}"#, ids[0], elements.join(","))
    };
    sandbox.write("s.jsonl", format!("{}\n{}\n", batch([1, 2]), batch([3, 2])));
    let again = "s.jsonl --map map.toml --chatbot c";
    sandbox.wa(&format!("--store direct ingest {again}")).exits(0);
    // If the lines were also rejected as native lines, the map reads each event twice: from the
    // stored text of its line, and from the file.
    for (is_native, duplicate) in [(false, 0), (true, 4)] {
        std::fs::remove_dir_all(sandbox.path("wa-store")).ok();
        if is_native {
            sandbox.wa("ingest s.jsonl").exits(4);
        }
        sandbox.wa("ingest s.jsonl --map map.toml").exits(4);
        let summary = retry(&sandbox, "--map map.toml --chatbot c", again);
        let total = &summary["total"];
        assert_eq!((&total["stored"], &total["duplicate"]), (&4.into(), &duplicate.into()), "{summary}");
        assert_eq!(summary["files"].as_array().unwrap().len(), 1, "{summary}");
        assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
        let left = 2 + 2 * u64::from(is_native);
        let reasons = serde_json::json!({"bad_timestamp": left});
        assert_eq!(sandbox.wa("rejects --format json").json()["reasons"], reasons);
    }
}

const CSV_MAP: &str = r#"
reader = "csv"
[event]
event_name = "/what"
timestamp = "/when"
session_id = "/who"
"#;

#[test]
fn rows_of_csv_are_read_with_the_header_of_their_file() {
    let sandbox = Sandbox::new();
    sandbox.write("map.toml", CSV_MAP);
    let when = "2026-11-09T10:00:00Z";
    // The last field of a row spans lines, and one of its lines equals a row of the file. Both
    // files have rows in common, and their columns differ in order.
    let rows = format!("{when},v,p,\n{when},v,q,\"a\n{when},v,p,\n\nb\"\n{when},v,p,\n");
    sandbox.write("a.csv", format!("when,who,what,\"no\nte\"\n{rows}"));
    sandbox.write("b.csv", format!("when,what,who,note\n{rows}{when},other,v,\n"));
    // Without the map the rows are rejected because they are not JSON, with the map because they
    // have no chatbot. After both ingests, the row that spans lines is read from its stored text
    // and from the file.
    let (native, mapped) = ("", " --map map.toml");
    for (ingests, read) in [(&[native][..], mapped), (&[mapped], ""), (&[native, mapped], mapped)] {
        std::fs::remove_dir_all(sandbox.path("wa-store")).ok();
        std::fs::remove_dir_all(sandbox.path("direct")).ok();
        for flags in ingests {
            sandbox.wa(&format!("ingest a.csv b.csv{flags}")).exits(4);
        }
        let again = "a.csv b.csv --map map.toml --chatbot c";
        retry(&sandbox, &format!("--chatbot c{read}"), again);
        sandbox.wa(&format!("--store direct ingest {again}")).exits(0);
        let stored = events(&sandbox, "wa-store");
        assert_eq!(stored, events(&sandbox, "direct"), "{ingests:?}");
        // Equal rows of the two files are one event, whatever the order of their columns: three
        // events of both files and one of b.csv.
        assert_eq!(stored.len(), 4, "{ingests:?}");
        assert_eq!(sandbox.wa("rejects").output(), "0 rejected lines\n");
    }
}

#[test]
fn filter_without_lines_prints_a_note() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", "{\n");
    sandbox.wa("ingest a.ndjson").exits(4);
    for command in ["rejects --file b.ndjson", "rejects --retry --file b.ndjson"] {
        sandbox.wa(command).exits(0).warns("no rejected line has this reason and file");
    }
    sandbox.wa("rejects --retry").exits(0).warns("the line was rejected again");
    sandbox.write("a.ndjson", "{\n[\n");
    sandbox.wa("ingest a.ndjson").exits(4);
    sandbox.wa("rejects --retry").exits(0).warns("every line was rejected again");
}

#[test]
fn retry_needs_a_store_and_a_map_of_events() {
    let sandbox = Sandbox::new();
    sandbox.wa("rejects --retry").exits(1).warns("there is no wa store");
    assert!(!sandbox.path("wa-store").exists());
    sandbox.wa("rejects --map segment").exits(2);
    sandbox.wa("init").exits(0);
    sandbox.wa("rejects --retry --map docker").exits(2).warns("wa ingest FILE --map docker");
    sandbox.wa("rejects --retry --format ndjson").exits(2);
}
