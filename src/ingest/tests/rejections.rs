//! The reasons for a rejection, and the part of a line that is retained.

use super::*;
use crate::ingest::parse::rejected::RAW_LIMIT;

fn reason(line: &str) -> &'static str {
    let parsed = lines(line);
    assert_eq!(parsed.block.rows.len(), 0);
    assert_eq!(parsed.rejected.len(), 1);
    parsed.rejected[0].reason.name()
}

#[test]
fn invalid_lines_are_rejected_with_their_reason() {
    assert_eq!(lines(&b"{\"a\":\"\xff\"}\n"[..]).reasons(), ["not_utf8"]);
    for line in
        ["{", "{\"a\":1,}", "{'a':1}", "x", "{\"a\":\"\u{1}\"}", "{\"a\":\"\0\"}", "NaN", "{\"a\":01}"]
    {
        assert_eq!(reason(line), "not_json", "{line}");
    }
    for line in ["1", "\"x\"", "[]", "[1,[2]]", "null", " true "] {
        assert_eq!(reason(line), "not_an_object", "{line}");
    }
    // The elements of a list are events. So are values that follow one another.
    assert_eq!(reason("[{\"event_name\":\"x\"}]"), "no_chatbot_id");
    assert_eq!(lines("{}{\"type\":1} [7]").reasons(), ["no_event_name", "no_event_name", "not_an_object"]);
    // Only the rest of the line is lost. Other text after an object can be a damaged object.
    assert_eq!(lines("{} {").reasons(), ["no_event_name", "not_json"]);
    assert_eq!(lines("{} x").reasons(), ["not_json"]);
    assert_eq!(lines("{}}").reasons(), ["not_json"]);
    assert_eq!(lines("1 {").reasons(), ["not_json"]);
    for line in [
        "{}",
        r#"{"event_name":""}"#,
        r#"{"event_name":7,"chatbot_id":"c"}"#,
        r#"{"event_name":["x"],"type":"session"}"#,
        r#"{"type":"Session"}"#,
        r#"{"type":7}"#,
        r#"{"events":{}}"#,
        r#"{"events":"x"}"#,
    ] {
        assert_eq!(reason(line), "no_event_name", "{line}");
    }
    assert_eq!(reason(r#"{"event_name":"x"}"#), "no_chatbot_id");
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":""}"#), "no_chatbot_id");
    for id in ["1.5", "{}", "true", &format!("\"{}\"", "é".repeat(129))] {
        assert_eq!(reason(&format!(r#"{{"event_name":"x","chatbot_id":{id}}}"#)), "bad_chatbot_id", "{id}");
    }
    assert_eq!(lines(event_with(&format!("\"chatbot_id\":\"{}\"", "é".repeat(128)))).reasons(), [""; 0]);
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":"c"}"#), "no_session_key");
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":"c","ip":"192.0.2.1"}"#), "no_session_key");
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":"c","user_agent":"ua","ip":"-"}"#), "no_session_key");
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":"c","session_id":1.5}"#), "no_session_key");
    for times in ["", ",\"timestamp\":null", ",\"sent_at\":1794211200", ",\"sent_at\":\"bad\""] {
        let line = format!(r#"{{"event_name":"x","chatbot_id":"c","session_id":"s"{times}}}"#);
        assert_eq!(reason(&line), "no_timestamp", "{times}");
    }
    for times in [
        r#""timestamp":"yesterday""#,
        r#""timestamp":"2026-02-30T00:00:00Z""#,
        r#""timestamp":true"#,
        r#""timestamp":{}"#,
        r#""timestamp":1e300"#,
        r#""timestamp":"17942112""#,
        r#""timestamp":"1794211200 s""#,
        r#""client_timestamp":"bad""#,
        r#""sent_at":"bad""#,
        r#""received_at":"bad""#,
    ] {
        assert_eq!(reason(&event_with(times)), "bad_timestamp", "{times}");
    }
    assert_eq!(reason(&event_with(r#""timestamp":"2026-11-24T12:00:00.000001Z""#)), "future_timestamp");
    assert_eq!(lines(event_with(r#""timestamp":"2026-11-24T12:00:00Z""#)).reasons(), [""; 0]);
    // This is Unix time in quotes.
    let quoted = lines(event_with(r#""timestamp":"1794211200.5""#));
    assert_eq!(quoted.only().row.time, 1_794_211_200_500_000);
    assert_eq!(reason(&event_with(r#""timestamp":"1999-12-31T23:59:59.999999Z""#)), "implausible_timestamp");
    assert_eq!(lines(event_with(r#""timestamp":"2000-01-01T00:00:00Z""#)).reasons(), [""; 0]);
    assert_eq!(reason(&event_with(r#""timestamp":9223372036854775807"#)), "future_timestamp");
    assert_eq!(reason(r#"{"events":[]}"#), "empty_envelope");
}

#[test]
fn only_the_event_time_must_be_plausible() {
    let parsed = lines(event_with(r#""client_timestamp":0,"sent_at":"2999-01-01T00:00:00Z""#));
    assert_eq!(parsed.only().row.client_timestamp, 0);
    // The clock correction results in a time out of range.
    let line = r#"{"event_name":"x","chatbot_id":"c","session_id":"s","received_at":9223372036854775807,"sent_at":-9000000000000000000,"client_timestamp":9000000000000000000}"#;
    assert_eq!(reason(line), "future_timestamp");
}

#[test]
fn first_of_several_reasons_is_reported() {
    assert_eq!(reason(r#"{"timestamp":"bad"}"#), "no_event_name");
    assert_eq!(reason(r#"{"event_name":"x","timestamp":"bad"}"#), "no_chatbot_id");
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":{},"timestamp":"bad"}"#), "bad_chatbot_id");
    assert_eq!(reason(r#"{"event_name":"x","chatbot_id":"c","timestamp":"bad"}"#), "no_session_key");
    assert_eq!(reason(&event_with(r#""timestamp":0,"sent_at":"bad""#)), "bad_timestamp");
}

#[test]
fn default_chatbot_applies_to_lines_without_one() {
    let options = ParseOptions { chatbot: Some("named".into()), ..options() };
    let line = r#"{"event_name":"x","session_id":"s","timestamp":1794211200}"#;
    assert_eq!(parse_with(&options, line).only().chatbot_id(), "named");
    assert_eq!(parse_with(&options, event_with("")).only().chatbot_id(), "c");
    assert_eq!(parse_with(&options, event_with("\"chatbot_id\":null")).only().chatbot_id(), "named");
    assert_eq!(parse_with(&options, event_with("\"chatbot_id\":[]")).reasons(), ["bad_chatbot_id"]);
}

#[test]
fn rejected_line_has_number_length_and_text() {
    let long = format!("{{\"a\":\"{}", "x".repeat(RAW_LIMIT));
    let text = format!("\n{}\r\n  {{}} \r\n{long}\n\t\n", event_with(""));
    let parsed = lines(text);
    assert_eq!(parsed.blank, 2);
    assert_eq!(parsed.block.rows.len(), 1);
    let [empty, long_one] = &parsed.rejected[..] else { panic!("{:?}", parsed.reasons()) };
    assert_eq!((empty.line, empty.length, empty.index), (3, 5, None));
    assert_eq!(*empty.raw, *b"  {} ");
    assert_eq!((long_one.line, long_one.length), (4, long.len() as u64));
    assert_eq!(*long_one.raw, long.as_bytes()[..RAW_LIMIT]);
}

#[test]
fn invalid_line_does_not_affect_its_neighbours() {
    let good = event_with("");
    let mut text = Vec::new();
    for bad in [&b"\xff\xfe\xfd"[..], b"{", b"\0\0\0", b"{\"a\":\"", b"\"\\", b"[[[[[", b"\xf0\x9f", b"\x0c"]
    {
        text.extend_from_slice(good.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(bad);
        text.push(b'\n');
    }
    let parsed = lines(text);
    assert_eq!(parsed.block.rows.len(), 8);
    assert_eq!(
        parsed.reasons(),
        ["not_utf8", "not_json", "not_json", "not_json", "not_json", "not_json", "not_utf8"]
    );
    assert_eq!(parsed.rejected.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 4, 6, 8, 10, 12, 14]);
    assert_eq!(parsed.blank, 1);
    assert_eq!(*parsed.rejected[0].raw, *b"\xff\xfe\xfd");
}

#[test]
fn deeply_nested_property_is_accepted() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let parsed = lines(event_with(&format!("\"properties\":{{\"a\":{deep}}}")));
    assert_eq!(parsed.only().text(TextField::Properties).map(str::len), Some(20_006));
    let open = "{\"a\":".repeat(10_000);
    assert_eq!(lines(event_with(&format!("\"properties\":{open}"))).reasons(), ["not_json"]);
}

#[test]
fn rejected_line_has_the_ids_it_names() {
    let line = r#"{"event_name":"x","chatbot_id":7,"session_id":"s","userId":"u","user_email":"a@example.com","timestamp":0}"#;
    let parsed = lines(line);
    let identity = parsed.rejected[0].identity.as_ref().unwrap();
    let text = |span| parsed.block.text(span);
    assert_eq!(text(identity.chatbot_id), Some("7"));
    assert_eq!(text(identity.session_id), Some("s"));
    assert_eq!(text(identity.anonymous_id), None);
    assert_eq!(text(identity.user_id), Some("u"));
    assert_eq!(text(identity.user_email), Some("a@example.com"));
    assert_eq!(identity.time, Some(0));
    assert_eq!(lines("{\"user_id\":\"u\",").rejected[0].identity, None);
}

#[test]
fn unfinished_last_line_is_left_unless_it_is_valid() {
    let unfinished = |text: &[u8]| {
        let block = RawBlock { unfinished: true, offset: 100, end: 100 + text.len() as u64, ..raw(text) };
        parse(block, &options(), &Enricher::new(None).unwrap())
    };
    let parsed = unfinished(b"{}\n{\"event_name\":\"x");
    assert_eq!(parsed.unfinished, Some(UnfinishedLine { line: 2, offset: 103, length: 16 }));
    assert_eq!((parsed.read, parsed.reasons()), (2, vec!["no_event_name"]));
    // Truncated within a character.
    let parsed = unfinished(b"{}\n{\"a\":\"\xc3");
    assert_eq!(parsed.unfinished, Some(UnfinishedLine { line: 2, offset: 103, length: 7 }));
    assert_eq!((parsed.read, parsed.blank), (2, 0));
    // A valid line without a line end is parsed.
    let parsed = unfinished(event_with("").as_bytes());
    assert_eq!((parsed.read, parsed.unfinished, parsed.block.rows.len()), (1, None, 1));
    let parsed = unfinished(b"{}");
    assert_eq!((parsed.unfinished, parsed.reasons()), (None, vec!["no_event_name"]));
    let parsed = unfinished(b"{}\n  \r");
    assert_eq!((parsed.unfinished, parsed.blank), (None, 1));
    // Only the last line can be unfinished.
    let parsed = unfinished(b"{\n{");
    assert_eq!(parsed.reasons(), ["not_json"]);
    assert_eq!(parsed.unfinished.map(|u| (u.line, u.offset)), Some((2, 102)));
}
