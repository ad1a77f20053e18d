//! Tests of previews.

use super::*;
use crate::progress::NoProgress;
use crate::testing::{NOW, clock};
use crate::time::SECOND;

/// Returns the preview of a file with the given content.
fn of_file(name: &str, content: &str, change: impl FnOnce(&mut PreviewOptions)) -> FilePreview {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let mut options = PreviewOptions {
        inputs: vec![path],
        lines: 100,
        chatbot: None,
        map: None,
        timezone: None,
        session_timeout: 1800 * SECOND,
        clock: clock(NOW),
    };
    change(&mut options);
    let mut preview = preview(&options, &NoProgress).unwrap();
    assert_eq!(preview.problems.len(), 0);
    preview.files.remove(0)
}

fn event(session: &str, time: &str, name: &str, more: &str) -> String {
    format!(r#"{{"session_id":"{session}","timestamp":"2026-11-09T{time}","event_name":"{name}"{more}}}"#)
}

#[test]
fn native_lines_have_columns_names_and_sessions() {
    let lines = [
        event("s", "10:00:00Z", "widget_opened", ",\"plan\":\"pro\",\"id\":\"a\""),
        event("s", "10:30:00Z", "message_sent", ",\"properties\":{\"n\":1}"),
        // A gap of more than 30 minutes.
        event("s", "11:00:01Z", "Message Sent", ""),
        event("t", "10:00:00", "x", ",\"anonymous_id\":\"v\",\"id\":\"a\""),
        event("t", "soon", "x", ""),
        "broken".to_owned(),
    ];
    let file = of_file("a.ndjson", &format!("{}\n", lines.join("\n")), |_| ());
    assert!(file.format.fits && file.format.map.is_none());
    assert!(file.format.why.starts_with("5 of 6 records have event_name"), "{}", file.format.why);
    let counts = &file.counts;
    assert_eq!((counts.read, counts.events, counts.duplicate, counts.without_chatbot), (6, 3, 1, 3));
    assert_eq!(counts.utc_times, 1);
    let expected = [(RejectReason::NotJson, 1), (RejectReason::BadTimestamp, 1)];
    assert_eq!(counts.rejected, BTreeMap::from(expected));
    let faults: Vec<&str> = file.rejected.iter().map(|line| line.fault.as_str()).collect();
    assert_eq!(faults, ["timestamp is 2026-11-09Tsoon", "it does not begin with {"]);
    let sessions = &file.sessions;
    assert_eq!((sessions.sessions, sessions.visitors, sessions.conversations), (2, 1, 1));
    assert_eq!(sessions.last.as_deref(), Some("2026-11-09T11:00:01Z"));
    let column = |name: &str| file.columns.iter().find(|column| column.column == name);
    assert_eq!(column("session_id").unwrap().events, 3);
    assert_eq!(column("event_id").unwrap().samples, ["a"]);
    assert!(column("chatbot_id").is_none() && column("page_url").is_none());
    assert_eq!((file.unknown[0].place.as_str(), file.properties[0].place.as_str()), ("/plan", "/n"));
    let name = file.names.iter().find(|name| name.name == "Message Sent").unwrap();
    assert_eq!((name.standard, name.suggestion), (false, Some("message_sent")));
    assert!(file.shape.is_none());
}

#[test]
fn preview_reads_the_given_number_of_records() {
    let lines: Vec<String> = (0..9).map(|n| event("s", &format!("10:00:0{n}Z"), "x", "")).collect();
    let file = of_file("a.ndjson", &lines.join("\n"), |options| options.lines = 4);
    assert_eq!((file.counts.read, file.counts.has_more), (4, true));
    let file = of_file("a.ndjson", &lines.join("\n"), |options| options.lines = 9);
    assert_eq!((file.counts.read, file.counts.has_more), (9, false));
    let list = format!("[\n{}\n]", lines.join(",\n"));
    let file = of_file("a.json", &list, |options| options.lines = 4);
    assert_eq!((file.counts.read, file.counts.has_more), (4, true));
}

#[test]
fn map_shows_sources_and_renamed_events() {
    let text = "reader = 'csv'\ntimezone = 'Europe/Berlin'\n[event]\nevent_name = '/What'\n\
                timestamp = '/When'\nanonymous_id = '/Who'\n[names]\nView = 'page_view'\nbeat = ''";
    let map = std::sync::Arc::new(crate::ingest::map::Map::parse("my.toml", text).unwrap());
    let rows = "What,When,Who,Note\nView,2026-11-09 10:00:00,v,\"two\nlines\"\nbeat,2026-11-09 10:00:00,v,\nx,never,v,\na,b\n";
    let file = of_file("a.csv", rows, |options| options.map = Some(map));
    assert_eq!(file.format.map.as_deref(), Some("my.toml"));
    assert_eq!((file.counts.read, file.counts.events, file.counts.ignored), (4, 1, 1));
    let time = file.columns.iter().find(|column| column.column == "timestamp").unwrap();
    assert_eq!((time.from.as_deref(), time.samples[0].as_str()), (Some("/When"), "2026-11-09T09:00:00Z"));
    let names: Vec<(&str, &str)> =
        file.names.iter().map(|name| (name.name.as_str(), name.stored_as.as_str())).collect();
    assert!(names.contains(&("View", "page_view")) && names.contains(&("beat", "")), "{names:?}");
    let faults: Vec<&str> = file.rejected.iter().map(|line| line.fault.as_str()).collect();
    assert_eq!(faults, ["timestamp is never", "2 instead of 4 fields"]);
}

#[test]
fn file_that_no_map_fits_gets_a_draft_map() {
    let rows = "What,When,Who\nMessage Sent,2026-11-09 10:00:00,v\nother,2026-11-09 10:00:01,v\n";
    let file = of_file("a.csv", rows, |_| ());
    assert!(!file.format.fits);
    let shape = file.shape.unwrap();
    assert_eq!(shape.reader, "csv");
    // The map reads the file once the names are corrected.
    let skeleton = shape
        .skeleton
        .replace("# timestamp", "timestamp")
        .replace("event_name = \"=event\"", "event_name = \"/What\"\nanonymous_id = \"/Who\"");
    let map = std::sync::Arc::new(crate::ingest::map::Map::parse("my.toml", &skeleton).unwrap());
    let file = of_file("a.csv", rows, |options| options.map = Some(map));
    assert_eq!(file.counts.events, 2, "{skeleton}");
}

#[test]
fn file_that_is_not_a_log_is_an_error() {
    let file = of_file("a.log", "PK\u{3}\u{4}rest", |_| ());
    assert!(file.error.unwrap().contains("a zip archive"));
    let file = of_file("a.log", "", |_| ());
    assert_eq!((file.error, file.counts.read), (None, 0));
}
