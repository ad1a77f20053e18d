//! Envelopes: lines with many events.

use super::*;

#[test]
fn large_envelope_is_parsed_in_bounded_chunks() {
    // Invalid elements of a few bytes each, all distinct, and a valid one at the end.
    let elements: String = (0..140_000).map(|n| format!("{n},")).collect();
    let line = format!("{{\"events\":[{elements}{}]}}\n", event_with(""));
    let (mut parser, enricher, mut chunks) = (Parser::default(), Enricher::new(None).unwrap(), Vec::new());
    let chunk_size = 1 << 20;
    let (last, _) =
        parser.parse_in_chunks(raw(line), &options(), &enricher, chunk_size, &mut |chunk| chunks.push(chunk));
    chunks.push(last);
    // The last element of a chunk may exceed the size.
    assert!(chunks.iter().all(|chunk| chunk.rejected_size < chunk_size + 1000));
    assert!(chunks.len() > 50, "{}", chunks.len());
    let indexes = chunks.iter().flat_map(|chunk| &chunk.rejected).map(|rejected| rejected.index.unwrap());
    assert!(indexes.eq(0..140_000));
    assert_eq!(chunks.iter().map(|chunk| chunk.read).sum::<u64>(), 140_001);
    assert_eq!(chunks.pop().unwrap().block.rows.len(), 1);
}

#[test]
fn equal_invalid_elements_are_counted_but_not_retained() {
    // Half a million elements of two bytes, alternating, and then elements of another envelope.
    let envelope = |elements: &str| format!("{{\"events\":[{elements}{}]}}\n", event_with(""));
    let raw = raw(envelope(&"0,1,".repeat(240_000)) + &envelope("0,"));
    let parsed = Parser::default().parse(raw, &options(), &Enricher::new(None).unwrap()).0;
    assert_eq!((parsed.read, parsed.block.rows.len()), (480_003, 2));
    assert_eq!(parsed.rejected.iter().map(|rejected| rejected.count).sum::<u64>(), 480_001);
    // The first sixteen are always retained.
    assert_eq!(parsed.rejected.len(), 16 + 2 + 1);
    let first: Vec<_> = parsed.rejected.iter().map(|r| (r.line, r.index, r.raw.to_vec())).collect();
    assert_eq!(first[17], (1, Some(17), b"1".to_vec()));
    assert_eq!(first[18], (2, Some(0), b"0".to_vec()));
}

const HEAD: &str = r#""chatbotId":"c","sessionId":"s","received_at":1794211200"#;

fn envelope(head: &str, events: &str) -> String {
    format!("{{{head},\"events\":[{events}]}}")
}

#[test]
fn events_inherit_fields_they_lack() {
    let line = r#"{"chatbotId":"c","sessionId":"s","userAgent":"ua","page_url":"https://example.com/","screen_width":800,
        "user_metadata":{"plan":"pro"},"country_code":"DE","received_at":1794211200,"ip":"192.0.2.1","site":"blue",
        "events":[{"event_name":"a"},{"event_name":"b","session_id":"t","pageUrl":"https://example.com/b","city":"",
        "timestamp":1794211201,"screen_width":null}]}"#
        .replace('\n', " ");
    let parsed = lines(line);
    assert_eq!((parsed.read, parsed.block.rows.len()), (2, 2));
    let (a, b) = (parsed.event(0), parsed.event(1));
    for event in [a, b] {
        assert_eq!(event.chatbot_id(), "c");
        assert_eq!(event.text(TextField::UserAgent), Some("ua"));
        assert_eq!(event.text(TextField::UserMetadata), Some(r#"{"plan":"pro"}"#));
        assert_eq!(event.text(TextField::IpAddress), Some("192.0.2.1"));
        assert_eq!(event.text(TextField::CountryCode), Some("DE"));
        assert_eq!(event.text(TextField::Extra), Some(r#"{"site":"blue"}"#));
        assert_eq!(event.row.screen_width, 800);
        assert_eq!(event.row.received_at, at("2026-11-09T08:00:00Z"));
    }
    assert_eq!((a.name(), a.text(TextField::SessionId)), ("a", Some("s")));
    assert_eq!((b.name(), b.text(TextField::SessionId)), ("b", Some("t")));
    assert_eq!(a.text(TextField::PageUrl), Some("https://example.com/"));
    assert_eq!(b.text(TextField::PageUrl), Some("https://example.com/b"));
    assert_eq!(a.row.time, at("2026-11-09T08:00:00Z"));
    assert_eq!(b.row.time, at("2026-11-09T08:00:01Z"));
}

#[test]
fn fields_of_single_events_are_not_inherited() {
    let head = r#""chatbotId":"c","sessionId":"s","received_at":1794211200,"id":"1","event_id":"2","event_category":"k",
        "properties":{"a":1},"timestamp":1794211300,"client_timestamp":"bad""#
        .replace('\n', " ");
    let parsed = lines(envelope(&head, r#"{"eventName":"x"}"#));
    let event = parsed.only();
    for column in [TextField::EventId, TextField::EventCategory, TextField::Properties, TextField::Extra] {
        assert_eq!(event.text(column), None, "{column:?}");
    }
    assert!(!event.row.has_own_id);
    assert_eq!(event.row.time, at("2026-11-09T08:00:00Z"));
    assert_eq!(event.row.client_timestamp, crate::event::NO_TIME);
}

#[test]
fn invalid_events_are_rejected_with_their_index() {
    let events = r#"{"event_name":"a"}, 7 ,{"name":"b"},{"event_name":"c","timestamp":"bad"},{"event_name":"d"},[],
        {"type":"session"},{"type":"identify","user_id":"u"},{"type":"other"},{"events":[{"event_name":"e"}]}"#
        .replace('\n', " ");
    let parsed = lines(envelope(HEAD, &events));
    let names: Vec<_> = (0..4).map(|n| parsed.event(n).name()).collect();
    assert_eq!(names, ["a", "d", "session_updated", "user_identified"]);
    assert_eq!(parsed.event(3).text(TextField::UserId), Some("u"));
    let rejected: Vec<_> = parsed
        .rejected
        .iter()
        .map(|r| (r.index.unwrap(), r.reason.name(), String::from_utf8_lossy(&r.raw).into_owned()))
        .collect();
    assert_eq!(
        rejected,
        [
            (1, "not_an_object", "7".to_owned()),
            (2, "no_event_name", r#"{"name":"b"}"#.to_owned()),
            (3, "bad_timestamp", r#"{"event_name":"c","timestamp":"bad"}"#.to_owned()),
            (5, "not_an_object", "[]".to_owned()),
            (8, "no_event_name", r#"{"type":"other"}"#.to_owned()),
            (9, "no_event_name", r#"{"events":[{"event_name":"e"}]}"#.to_owned()),
        ]
    );
    assert_eq!(parsed.read, 10);
    // A rejected event inherits the ids of the envelope.
    let identity = parsed.rejected[2].identity.as_ref().unwrap();
    assert_eq!(parsed.block.text(identity.session_id), Some("s"));
}

#[test]
fn empty_envelope_is_one_rejected_event() {
    let parsed = lines(envelope(HEAD, " "));
    assert_eq!((parsed.read, parsed.reasons()), (1, vec!["empty_envelope"]));
    assert_eq!(parsed.rejected[0].index, None);
}

#[test]
fn line_with_event_name_and_events_is_one_event() {
    let parsed = lines(envelope(&format!("{HEAD},\"event_name\":\"x\""), r#"{"event_name":"a"}"#));
    assert_eq!(parsed.only().name(), "x");
    assert_eq!(parsed.only().text(TextField::Extra), Some(r#"{"events":[{"event_name":"a"}]}"#));
}

#[test]
fn unknown_fields_of_envelope_and_event_are_combined() {
    let line = format!(
        r#"{{"v":1,{HEAD},"events":[{{"event_name":"a","w":3,"v":4}},{{"event_name":"b"}}],"type":"batch","u":2}}"#
    );
    let parsed = lines(line);
    assert_eq!(parsed.event(0).text(TextField::Extra), Some(r#"{"type":"batch","u":2,"w":3,"v":4}"#));
    assert_eq!(parsed.event(1).text(TextField::Extra), Some(r#"{"v":1,"type":"batch","u":2}"#));
}

#[test]
fn wrong_types_of_an_envelope_are_counted_once() {
    let head = format!(
        r#"{HEAD},"page_url":7,"user_metadata":[],"ip":"nowhere","screen_width":"1px","user_id":{{}}"#
    );
    let parsed = lines(envelope(&head, r#"{"event_name":"a"},{"event_name":"b","page_url":"p"}"#));
    let extra = r#"{"page_url":7,"user_metadata":[],"ip":"nowhere","screen_width":"1px","user_id":{}}"#;
    assert_eq!(parsed.event(0).text(TextField::Extra), Some(extra));
    assert_eq!(parsed.event(1).text(TextField::PageUrl), Some("p"));
    let warned: Vec<_> = parsed.warned().into_iter().map(|(name, times)| format!("{name} {times}")).collect();
    assert_eq!(
        warned,
        [
            "wrong_type:user_id 1",
            "wrong_type:user_metadata 1",
            "wrong_type:page_url 1",
            "wrong_type:screen_width 1",
            "not_an_ip_address 1",
        ]
    );
}

#[test]
fn invalid_envelope_field_rejects_events_that_inherit_it() {
    let parsed = lines(envelope(
        r#""chatbotId":[],"sessionId":"s","received_at":1794211200"#,
        r#"{"event_name":"a"},{"event_name":"b","chatbot_id":"c"}"#,
    ));
    assert_eq!(parsed.reasons(), ["bad_chatbot_id"]);
    assert_eq!(parsed.only().name(), "b");
    let parsed = lines(envelope(
        &format!("{HEAD},\"sent_at\":\"bad\""),
        r#"{"event_name":"a"},{"event_name":"b","sent_at":1794211200}"#,
    ));
    assert_eq!(parsed.reasons(), ["bad_timestamp"]);
    assert_eq!(parsed.only().name(), "b");
}

#[test]
fn escaped_envelope_fields_are_decoded_once() {
    let head = format!(r#"{HEAD},"page_title":"\u00e9{}""#, "x".repeat(1000));
    let parsed = lines(envelope(&head, &vec![r#"{"event_name":"a"}"#; 1000].join(",")));
    assert_eq!(parsed.block.rows.len(), 1000);
    assert!(parsed.block.texts.as_str().len() < 3000);
    assert_eq!(parsed.event(999).text(TextField::PageTitle).map(|t| t.chars().count()), Some(1001));
}

#[test]
fn copies_of_envelope_fields_are_bounded() {
    let head = format!(r#"{HEAD},"big":"{}""#, "x".repeat(100_000));
    let line = envelope(&head, &vec![r#"{"event_name":"a","own":1}"#; 1000].join(","));
    let length = line.len();
    let parsed = lines(line);
    assert_eq!(parsed.block.rows.len(), 1000);
    assert!(parsed.block.texts.as_str().len() < 10 * length);
    let left_out = parsed.warnings.count(Warning::EnvelopeFieldsLeftOut);
    let whole =
        (0..1000).filter(|n| parsed.event(*n).text(TextField::Extra).unwrap().len() > 100_000).count() as u64;
    assert!(whole > 0 && left_out + whole == 1000);
    assert_eq!(parsed.event(999).text(TextField::Extra), Some("{\"own\":1}"));
    // Events without unknown fields share one object.
    let parsed = lines(envelope(&head, &vec![r#"{"event_name":"a"}"#; 1000].join(",")));
    assert!(parsed.warnings.is_empty());
    assert!(parsed.event(999).text(TextField::Extra).unwrap().len() > 100_000);
}

#[test]
fn unusable_field_goes_to_events_that_lack_it() {
    let parsed = lines(envelope(
        &format!(r#"{HEAD},"ip_address":"unknown","ip":"192.0.2.9","page_title":5,"site":"blue""#),
        r#"{"event_name":"a","ip":"198.51.100.7","pageTitle":"Real"},{"event_name":"b"},
        {"event_name":"c","page_title":"","own":1},{"event_name":"d","page_title":6}"#
            .replace('\n', "")
            .as_str(),
    ));
    let extra = |index: usize| parsed.event(index).text(TextField::Extra).map(str::to_owned).unwrap();
    assert_eq!(extra(0), r#"{"site":"blue"}"#);
    let all = r#""ip_address":"unknown","ip":"192.0.2.9","page_title":5,"site":"blue""#;
    assert_eq!(extra(1), format!("{{{all}}}"));
    // An empty string counts as missing.
    assert_eq!(extra(2), format!("{{{all},\"own\":1}}"));
    // The value of the event has precedence, although it cannot be used either.
    assert_eq!(extra(3), r#"{"ip_address":"unknown","ip":"192.0.2.9","site":"blue","page_title":6}"#);
    assert_eq!(parsed.event(0).text(TextField::IpAddress), Some("198.51.100.7"));
    assert_eq!(parsed.event(0).text(TextField::PageTitle), Some("Real"));
}
