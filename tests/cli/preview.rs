//! `wa preview`, and the explanation of an ingest that rejects everything.

use serde_json::Value;

use crate::harness::{Sandbox, root};

#[test]
fn every_sample_format_has_events_in_its_preview() {
    let sandbox = Sandbox::new();
    for folder in ["formats", "wrappings"] {
        let folder = root().join("tests/data").join(folder);
        let mut files: Vec<_> = walk(&folder);
        files.retain(|file| !["json", "toml"].contains(&extension(file)) || is_log(file));
        assert!(files.len() > 20);
        for file in files {
            let is_own = file.ends_with("visits.csv");
            let run =
                sandbox.run(["preview".as_ref(), "--format".as_ref(), "json".as_ref(), file.as_os_str()]);
            let run = run.exits(if is_own { 4 } else { 0 });
            let preview: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
            let preview = &preview["files"][0];
            assert_eq!(preview["counts"]["events"].as_u64() > Some(0), !is_own, "{file:?}");
            assert_eq!(preview["format"]["fits"], !is_own, "{file:?}");
        }
    }
    // Nothing is stored.
    assert!(!sandbox.path("wa-store").exists());
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn extension(file: &std::path::Path) -> &str {
    file.extension().and_then(|name| name.to_str()).unwrap_or("")
}

fn is_log(file: &std::path::Path) -> bool {
    extension(file) == "json" && !file.ends_with("expected.json")
}

#[test]
fn preview_fits_the_terminal_and_is_escaped() {
    let sandbox = Sandbox::new().with("COLUMNS", "80");
    let line =
        r#"{"event_name":"\u001b[31m","session_id":"s","timestamp":"2026-11-09T10:00:00Z","x":"\u001b"}"#;
    sandbox.write("a.ndjson", format!("{line}\n\u{1b}[31m\n"));
    let output = sandbox.wa("preview a.ndjson").output();
    assert!(output.contains("first records: 2 read; 1 stored, 1 rejected"), "{output}");
    assert!(output.contains("1 event has no chatbot_id: ingest with --chatbot ID"), "{output}");
    assert!(!output.contains('\u{1b}'), "{output}");
}

#[test]
fn preview_writes_a_map_that_reads_the_file() {
    let sandbox = Sandbox::new();
    let rows = "Action,When,Who\nMessage Sent,2026-11-09 10:00:00,v\nOther,2026-11-09 10:00:01,v\n";
    sandbox.write("my visits.csv", rows);
    let run = sandbox.run(["preview", "--format", "json", "my visits.csv"]).exits(4);
    let preview: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    let skeleton = preview["files"][0]["shape"]["skeleton"].as_str().unwrap();
    sandbox.write("my.toml", skeleton.replace("[event]", "[event]\nanonymous_id = \"/Who\""));
    sandbox.run(["ingest", "my visits.csv", "--map", "my.toml", "--chatbot", "c"]).exits(0);
    let report = sandbox.wa("report events --from 2026-11-01 --format json").json();
    assert_eq!(report["events"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["events"][0]["event_name"], "Other", "{report}");
    assert_eq!(report["events"][1]["event_name"], "message_sent", "{report}");
}

#[test]
fn preview_of_file_that_is_not_a_log_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("a.zip", "PK\u{3}\u{4}");
    sandbox.wa("preview a.zip").exits(4).says("it is a zip archive");
    sandbox.wa("preview missing").exits(4).warns("cannot read missing");
    sandbox.wa("preview a.zip --lines 0").exits(2);
    sandbox.wa("preview a.zip --map sgment").exits(2).warns("did you mean 'segment'?");
}

#[test]
fn ingest_that_rejects_everything_is_explained() {
    let sandbox = Sandbox::new();
    let line = |n: u32| format!(r#"{{"event":"x","distinct_id":"d{n}","properties":{{"time":1794214800}}}}"#);
    sandbox.write("logs/my app.log", format!("{}\nbroken\n{}\n", line(1), line(2)));
    let run = sandbox.wa("ingest logs --chatbot c").exits(4);
    run.says("2 events were rejected as no_event_name, such as:\n  logs/my app.log:1  no event_name")
        .says("logs/my app.log:3")
        .says("likely: anonymous_id = /distinct_id, event_name = /event, properties = /properties, ")
        .says("nearest built-in map: posthog")
        .warns("all 3 events were rejected; nothing was stored")
        .warns("hint: run `wa preview 'logs/my app.log'`");
    let json = sandbox.wa("ingest logs --chatbot c --force --format json").exits(4).stdout();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["explanation"]["reason"], "no_event_name");
    assert_eq!(json["explanation"]["samples"].as_array().unwrap().len(), 2);
}

#[test]
fn ingest_without_chatbot_hints_at_the_flag() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", r#"{"session_id":"s","event_name":"a","timestamp":1794214800}"#);
    sandbox.wa("ingest a.ndjson").exits(4).warns("hint: name the chatbot of the lines: --chatbot ID");
}

#[test]
fn rejected_lines_lead_to_the_next_command() {
    let sandbox = Sandbox::new();
    let good = r#"{"session_id":"s","chatbot_id":"c","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    sandbox.write("a.ndjson", format!("{good}\n{{\"score\":NaN}}\n"));
    sandbox.wa("ingest a.ndjson").exits(0).says("`wa rejects` lists the rejected lines");
    sandbox.wa("preview a.ndjson").exits(0).says("NaN at character 10 is not JSON");
    sandbox.write("b c.log", "text\n");
    sandbox.write("d.log", "text\n");
    sandbox.write("a.ndjson", format!("{good}\n").replace("10:00", "11:00"));
    sandbox
        .run(["ingest", "a.ndjson", "b c.log", "d.log"])
        .exits(0)
        .says("all events of b c.log and 1 other file were rejected; `wa preview 'b c.log'` shows");
}

#[test]
fn rejected_end_of_a_resumed_file_suggests_no_preview() {
    let sandbox = Sandbox::new();
    let line = |time: &str| {
        format!(
            r#"{{"session_id":"s","chatbot_id":"c","event_name":"a","timestamp":"2026-11-09T{time}:00Z"}}"#
        )
    };
    sandbox.write("a.ndjson", line("10:00") + "\n");
    sandbox.wa("ingest a.ndjson").exits(0);
    // The first line of the file is accepted, so a preview would not show the rejected one.
    sandbox.write("a.ndjson", line("10:00") + "\ntext\n");
    sandbox.write("b.ndjson", line("11:00") + "\n");
    sandbox.run(["ingest", "a.ndjson", "b.ndjson"]).exits(0).says("`wa rejects` lists the rejected lines");
}

#[test]
fn empty_file_gets_no_advice_about_maps() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", "");
    let run = sandbox.wa("preview a.ndjson").exits(4).says("the file has no records");
    assert!(!run.stdout.contains("format:") && !run.stderr.contains("--map"), "{run}");
}

#[test]
fn files_with_problems_come_first() {
    let sandbox = Sandbox::new();
    let good = r#"{"chatbot_id":"c","session_id":"s","event_name":"a","timestamp":1794214800}"#;
    sandbox.write("logs/a.ndjson", good);
    sandbox.write("logs/b.ndjson", format!("{good}\nbroken\n"));
    let output = sandbox.wa("ingest logs").exits(0).stdout();
    assert!(output.find("logs/b.ndjson") < output.find("logs/a.ndjson"), "{output}");
}

#[test]
fn local_times_read_as_utc_are_noted_in_another_zone() {
    let sandbox = Sandbox::new();
    let line = r#"{"chatbot_id":"c","session_id":"s","event_name":"a","timestamp":"2026-11-09 10:00:00"}"#;
    sandbox.write("a.ndjson", line);
    sandbox.wa("--store utc ingest a.ndjson").exits(0);
    sandbox.write("berlin/wa.toml", "timezone = \"Europe/Berlin\"\n");
    let run = sandbox.wa("--store berlin ingest a.ndjson").exits(0);
    run.warns("1 event has a time without an offset and was read as UTC")
        .warns("with --timezone Europe/Berlin");
    sandbox.write("zone/wa.toml", "timezone = \"Europe/Berlin\"\n");
    let run = sandbox.wa("--store zone ingest a.ndjson --timezone Europe/Berlin").exits(0);
    assert!(!run.stderr.contains("UTC"), "{run}");
    let events = sandbox.wa("--store zone events --days 3 --format ndjson").output();
    assert!(events.contains("2026-11-09T09:00:00Z"), "{events}");
}

#[test]
fn summary_without_standard_events_names_the_events() {
    let sandbox = Sandbox::new();
    let line = |name: &str, second: u32| {
        format!(
            r#"{{"chatbot_id":"c","session_id":"s","event_name":"{name}","timestamp":"2026-11-09T10:00:{second:02}Z"}}"#
        )
    };
    sandbox.write(
        "a.ndjson",
        format!("{}\n{}\n{}\n", line("Message Sent", 1), line("view", 2), line("view", 3)),
    );
    sandbox.wa("ingest a.ndjson").exits(0);
    let run = sandbox.wa("report summary --days 3").exits(0);
    run.warns("no event of this window belongs to a widget or a conversation, as message_sent does")
        .warns("its events are \"view\" (like page_view?), \"Message Sent\" (like message_sent?);");
    sandbox.write("b.ndjson", line("widget_loaded", 4));
    sandbox.wa("ingest b.ndjson").exits(0);
    let run = sandbox.wa("report summary --days 3").exits(0);
    assert!(!run.stderr.contains("standard event"), "{run}");
}

#[test]
fn times_in_other_forms_are_read_by_a_map() {
    let sandbox = Sandbox::new();
    let rows = "what,when,who,land\na,09.11.2026 10:00,v,Germany\nb,2026-11-09 10:00:00 CET,v,DEU\n\
                c,\"2026-11-09 10:00:00,000\",v,de\nd,1794214800,v,-\ne,9 Nov,v,de\n";
    sandbox.write("a.csv", rows);
    let map = "reader = \"csv\"\ntimezone = \"CET\"\ntime_format = \"%d.%m.%Y %H:%M\"\n[event]\n\
               event_name = \"/what\"\ntimestamp = \"/when\"\nanonymous_id = \"/who\"\n\
               country_code = \"/land\"\n";
    sandbox.write("my.toml", map);
    let run = sandbox.wa("ingest a.csv --map my.toml --chatbot c --format json").exits(0);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(summary["total"]["rejected"], serde_json::json!({"bad_timestamp": 1}));
    let events = sandbox.wa("events --days 3 --format ndjson").output();
    assert_eq!(events.matches("\"timestamp\":\"2026-11-09T09:00:00").count(), 4, "{events}");
    assert_eq!(events.matches("\"country_code\":\"DE\"").count(), 3, "{events}");
    sandbox.write("bad.toml", map.replace("%d.%m", "%Q"));
    sandbox
        .wa("ingest a.csv --map bad.toml")
        .exits(2)
        .warns("bad.toml:3: '%Q.%Y %H:%M' does not describe a time: it is not a strftime pattern");
}

/// Ingests a file with the draft of a map that its preview writes. Returns the counts of its
/// standard events.
fn ingested_by_draft(sandbox: &Sandbox, file: &str, records: u64) -> Vec<(String, u64)> {
    let preview = sandbox.wa(&format!("preview {file} --format json")).exits(4);
    let preview: Value = serde_json::from_str(&preview.stdout()).unwrap();
    let draft = preview["files"][0]["shape"]["skeleton"].as_str().unwrap();
    sandbox.write("my.toml", draft);
    let store = format!("--store {file}-store");
    let ingest = format!("{store} ingest {file} --map my.toml --chatbot c --format json");
    let summary = sandbox.wa(&ingest).json();
    assert_eq!(summary["total"]["stored"], records, "{file}: {summary}\n{draft}");
    let flags = "report events --days 2 --as-of latest --limit all --format json";
    let events = sandbox.wa(&format!("{store} {flags}")).json();
    let events = events["events"].as_array().unwrap().iter();
    let mut events: Vec<(String, u64)> = events
        .map(|row| (row["event_name"].as_str().unwrap().to_owned(), row["event_count"].as_u64().unwrap()))
        .filter(|(name, _)| ["message_sent", "message_received", "page_view"].contains(&name.as_str()))
        .collect();
    events.sort();
    events
}

#[test]
fn drafts_read_logs_in_other_formats() {
    let sandbox = Sandbox::new();
    let pairs = |events: &[(&str, u64)]| -> Vec<(String, u64)> {
        events.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let messages = pairs(&[("message_received", 1), ("message_sent", 2)]);

    // Messages in a list of conversations. The id of a conversation is not part of its messages.
    let chat = r#"{"chats":[
        {"id":"c1","visitor":{"id":"v1"},"history":[
            {"type":"chat.msg","msg":"Hello","timestamp":"2026-11-09T10:00:05Z","sender_type":"Visitor"},
            {"type":"chat.msg","msg":"Hi","timestamp":"2026-11-09T10:00:15Z","sender_type":"Agent"}]},
        {"id":"c2","visitor":{"id":"v2"},"history":[
            {"type":"chat.msg","msg":"Help","timestamp":"2026-11-09T11:00:05Z","sender_type":"Visitor"},
            {"type":"chat.end","timestamp":"2026-11-09T11:00:15Z","sender_type":"Visitor"}]}]}"#;
    sandbox.write("chats.json", chat);
    assert_eq!(ingested_by_draft(&sandbox, "chats.json", 4), messages);

    // Messages of visitors and agents in CSV.
    sandbox.write(
        "messages.csv",
        "ConversationId,MessageId,ActorType,MessageText,CreatedTime\n\
         c1,m1,USER,\"Hello, there\",2026-11-09T10:00:05Z\nc1,m2,AGENT,Hi,2026-11-09T10:00:15Z\n\
         c2,m3,USER,\"Help\nme\",2026-11-09T11:00:05Z\n",
    );
    assert_eq!(ingested_by_draft(&sandbox, "messages.csv", 3), messages);

    // Columns separated by semicolons, with the date and the time in two columns.
    sandbox.write(
        "excel.csv",
        "\u{feff}Date;Time of day;Visitor ID;Action;Page\r\n09.11.2026;10:00;V-1;Page view;/a\r\n\
         30.11.2025;10:01;V-1;\"Page view\";/b\r\n",
    );
    assert_eq!(ingested_by_draft(&sandbox, "excel.csv", 2), pairs(&[("page_view", 1)]));

    // JSON after a time and a log level.
    sandbox.write(
        "app.log",
        "2026-11-09T10:00:00Z INFO [w-1] {\"evt\": \"page view\", \"sid\": \"s1\"}\n\
         2026-11-09T10:00:01Z INFO [w-2] {\"evt\": \"click\", \"sid\": \"s1\"}\n",
    );
    assert_eq!(ingested_by_draft(&sandbox, "app.log", 2), pairs(&[("page_view", 1)]));

    // An access log with a request, a user agent, and a time without an offset.
    let line = |second: u32| {
        format!(
            "lb1 192.0.2.1:33317 [09/Nov/2026:10:00:{second:02}.655] web/s1 10/0/30 200 - {{shop.example.com}} \
             \"GET /cart?a=b HTTP/1.1\" \"Mozilla/5.0 (X11; Linux x86_64)\"\n"
        )
    };
    sandbox.write("access.log", format!("{}{}", line(1), line(2)));
    assert_eq!(ingested_by_draft(&sandbox, "access.log", 2), pairs(&[("page_view", 2)]));

    // Rows separated by tabs, without a header.
    let row = |number: u64| {
        format!(
            "69{number:017}\t2026-11-09 10:00:0{number}\thttps://shop.example.com/\tMozilla/5.0 (X11)\t192.0.2.{number}\n"
        )
    };
    sandbox.write("hits.tsv", (1..4).map(row).collect::<String>());
    assert_eq!(ingested_by_draft(&sandbox, "hits.tsv", 3), pairs(&[]));
}

#[test]
fn draft_for_german_columns_reads_the_rows() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "daten.csv",
        "Zeitstempel;Sitzung;Ereignis;Größe (m);Größe [m];Übrig\r\n\
         09.11.2026 10:00:05;S-1;message_sent;1,5;a;-\r\n\
         30.11.2025 10:00:06;S-1;message_sent;1,6;b;x\r\n\
         09.11.2026 10:00:15;S-1;message_received;1,7;;x\r\n",
    );
    let preview = sandbox.wa("preview daten.csv --format json").exits(4);
    let preview: Value = serde_json::from_str(&preview.stdout()).unwrap();
    let draft = preview["files"][0]["shape"]["skeleton"].as_str().unwrap();
    // The draft is a map that reads the times. Only the columns with German names are missing.
    sandbox.write("draft.toml", draft);
    sandbox.wa("preview daten.csv --map draft.toml").exits(4).says("no_session_key");
    let event_name = "event_name = \"=event\"";
    assert!(draft.contains(event_name), "{draft}");
    let corrected = draft.replace(event_name, "event_name = \"/Ereignis\"\nsession_id = \"/Sitzung\"");
    sandbox.write("my.toml", corrected);
    let summary = sandbox.wa("ingest daten.csv --map my.toml --chatbot c --format json").json();
    assert_eq!(
        (&summary["total"]["stored"], &summary["total"]["ignored"]),
        (&3.into(), &1.into()),
        "{draft}"
    );
    let events = sandbox.wa("events --from 2026-11-09 --to 2026-11-09 --format ndjson").output();
    // The latest event comes first.
    let events: Vec<Value> = events.lines().rev().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = events.iter().map(|event| (&event["timestamp"], &event["event_name"])).collect();
    let expected = [
        ("2026-11-09T10:00:05Z".into(), "message_sent".into()),
        ("2026-11-09T10:00:15Z".into(), "message_received".into()),
    ];
    assert_eq!(found, expected.iter().map(|(time, name)| (time, name)).collect::<Vec<_>>());
    let preview = sandbox.wa("preview daten.csv --map my.toml --format json").json();
    let unknown = preview["files"][0]["unknown"].as_array().unwrap().iter();
    let unknown: Vec<_> = unknown.map(|key| (&key["place"], &key["samples"][0])).collect();
    let expected: [(Value, Value); 3] =
        [("/Größe__m_", "1,5"), ("/Größe__m__", "a"), ("/Übrig", "x")].map(|(a, b)| (a.into(), b.into()));
    assert_eq!(unknown, expected.iter().map(|(place, sample)| (place, sample)).collect::<Vec<_>>());
}

#[test]
fn draft_for_csv_without_header_adds_one() {
    let sandbox = Sandbox::new();
    let row = |n: u32| format!("2026-11-09 10:00:0{n} CET,\"shop\",{n},\"select \"\"a\"\",\nb\",web\n");
    sandbox.write("rows.csv", (1..5).map(row).collect::<String>());
    let preview = sandbox.wa("preview rows.csv --format json").exits(4);
    let preview: Value = serde_json::from_str(&preview.stdout()).unwrap();
    let draft = preview["files"][0]["shape"]["skeleton"].as_str().unwrap();
    let names = "column1,column2,column3,column4,column5";
    assert!(draft.contains(&format!("(echo {names}; cat rows.csv) | wa ingest - --map my.toml")), "{draft}");
    sandbox.write("with.csv", format!("{names}\n{}", (1..5).map(row).collect::<String>()));
    sandbox.write("my.toml", draft.replace("[event]", "[event]\nsession_id = \"/column2\""));
    let summary = sandbox.wa("ingest with.csv --map my.toml --chatbot c --format json").json();
    assert_eq!(summary["total"]["stored"], 4, "{summary}\n{draft}");
}

#[test]
fn preview_of_an_endless_file_stops_and_shows_what_it_read() {
    let sandbox = Sandbox::new();
    let zeros = sandbox.wa("preview /dev/zero").exits(4).stdout();
    let expected = "stopped reading /dev/zero: it begins with more than 64 MiB of zero bytes; a log that was";
    assert!(zeros.contains(expected) && !zeros.contains("draft"), "{zeros}");
    // The lines before the endless one are shown.
    let good = r#"{"session_id":"s","chatbot_id":"c","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    sandbox.write("long.log", format!("{good}\n{}", "long line ".repeat(7 << 20)));
    sandbox
        .wa("preview long.log")
        .exits(4)
        .says("stopped reading long.log: no record ends within 64 MiB")
        .says("2026-11-09T10:00:00Z");
    sandbox.wa("preview long.log --lines 1").exits(0).says("the file has more");
}

#[test]
fn draft_quotes_the_name_of_the_file() {
    let sandbox = Sandbox::new();
    sandbox.write("my shop's $log.ndjson", "{\"kind\":\"open\",\"at\":\"2026-11-09T10:00:00Z\"}\n".repeat(3));
    let row = |n: u32| format!("2026-11-09 10:00:0{n} CET,\"shop\",{n},\"select \"\"a\"\",\nb\",web\n");
    sandbox.write("rows of a day.csv", (1..5).map(row).collect::<String>());
    sandbox
        .run(["preview", "my shop's $log.ndjson"])
        .exits(4)
        .says(r"wa preview 'my shop'\''s $log.ndjson' --map my.toml")
        .says(r"wa ingest 'my shop'\''s $log.ndjson' --map my.toml --chatbot ID");
    sandbox.run(["preview", "rows of a day.csv"]).exits(4).says(
        "(echo column1,column2,column3,column4,column5; cat 'rows of a day.csv') | wa ingest - --map my.toml",
    );
}
