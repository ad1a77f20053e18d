//! The allowed values of each field, and their columns.

use super::*;
use crate::event::{KeyKind, NO_NUMBER, NO_RESPONSE, NO_TIME};

fn extra(parsed: &Parsed) -> Option<&str> {
    parsed.only().text(TextField::Extra)
}

#[test]
fn fields_are_stored_in_their_columns() {
    let line = r#"{"event_id":"e-1","chatbot_id":"c-1","session_id":"s-1","anonymous_id":"a-1","user_id":"u-1",
        "user_email":"ann@example.com","user_name":"Ann","user_metadata":{"plan":"pro"},"event_name":"message_sent",
        "event_category":"custom","properties":{"message_length":150},"page_url":"https://example.com/a?b=c",
        "page_title":"A","referrer":"https://www.google.com/","landing_page":"/a","utm_source":"google",
        "utm_medium":"cpc","utm_campaign":"winter","user_agent":"Mozilla/5.0","screen_width":1920,
        "screen_height":1080,"ip_address":"198.51.100.7","country_code":"DE","city":"Berlin",
        "timestamp":"2026-11-09T08:00:00.5Z","client_timestamp":"2026-11-09T09:00:00+01:00","sent_at":1794211201,
        "received_at":1794211202000}"#
        .replace('\n', " ");
    let parsed = lines(line);
    let event = parsed.only();
    for (column, expected) in [
        (TextField::EventId, "e-1"),
        (TextField::ChatbotId, "c-1"),
        (TextField::SessionId, "s-1"),
        (TextField::AnonymousId, "a-1"),
        (TextField::UserId, "u-1"),
        (TextField::UserEmail, "ann@example.com"),
        (TextField::UserName, "Ann"),
        (TextField::UserMetadata, r#"{"plan":"pro"}"#),
        (TextField::EventName, "message_sent"),
        (TextField::EventCategory, "custom"),
        (TextField::Properties, r#"{"message_length":150}"#),
        (TextField::PageUrl, "https://example.com/a?b=c"),
        (TextField::PageTitle, "A"),
        (TextField::Referrer, "https://www.google.com/"),
        (TextField::ReferrerDomain, "google.com"),
        (TextField::LandingPage, "/a"),
        (TextField::UtmSource, "google"),
        (TextField::UtmMedium, "cpc"),
        (TextField::UtmCampaign, "winter"),
        (TextField::UserAgent, "Mozilla/5.0"),
        (TextField::IpAddress, "198.51.100.7"),
        (TextField::CountryCode, "DE"),
        (TextField::City, "Berlin"),
    ] {
        assert_eq!(event.text(column), Some(expected), "{column:?}");
    }
    assert_eq!(event.text(TextField::Extra), None);
    assert_eq!((event.row.screen_width, event.row.screen_height), (1920, 1080));
    assert_eq!(event.row.time, at("2026-11-09T08:00:00Z") + 500_000);
    assert_eq!(event.row.client_timestamp, at("2026-11-09T08:00:00Z"));
    assert_eq!(event.row.sent_at, at("2026-11-09T08:00:01Z"));
    assert_eq!(event.row.received_at, at("2026-11-09T08:00:02Z"));
    assert_eq!(event.agent().map(|a| a.user_agent.as_str()), Some("Mozilla/5.0"));
    assert!(event.row.names_source && event.row.channel.is_some() && event.row.has_own_id);
    assert!(parsed.warnings.is_empty() && parsed.rejected.is_empty());
}

#[test]
fn camel_case_equals_snake_case() {
    let snake = r#"{"event_id":"e","chatbot_id":"c","session_id":"s","anonymous_id":"a","user_id":"u","user_email":"m",
        "user_name":"n","user_metadata":{},"event_name":"x","event_category":"k","properties":{},"page_url":"p",
        "page_title":"t","referrer":"r","landing_page":"l","utm_source":"1","utm_medium":"2","utm_campaign":"3",
        "user_agent":"ua","screen_width":1,"screen_height":2,"ip_address":"192.0.2.1","country_code":"DE","city":"B",
        "timestamp":1794211200,"client_timestamp":1794211201,"sent_at":1794211202,"received_at":1794211203}"#
        .replace('\n', " ");
    let mut camel = String::new();
    let mut up = false;
    for c in snake.chars() {
        if c == '_' {
            up = true;
        } else {
            camel.push(if up { c.to_ascii_uppercase() } else { c });
            up = false;
        }
    }
    assert!(camel.contains("\"clientTimestamp\"") && camel.contains("\"ipAddress\""));
    let (snake, camel) = (lines(snake), lines(camel));
    assert_eq!(describe(&snake.block, snake.only().row), describe(&camel.block, camel.only().row));
    assert_eq!(extra(&camel), None);
}

#[test]
fn snake_case_and_the_last_repeated_key_have_precedence() {
    let text = |members: &str, column| lines(event_with(members)).only().text(column).map(str::to_owned);
    let user = |members: &str| text(members, TextField::UserId);
    assert_eq!(user(r#""user_id":"snake","userId":"camel""#).as_deref(), Some("snake"));
    assert_eq!(user(r#""userId":"camel","user_id":"snake""#).as_deref(), Some("snake"));
    assert_eq!(user(r#""user_id":"1","user_id":"2""#).as_deref(), Some("2"));
    assert_eq!(user(r#""user_id":"1","userId":"camel","user_id":"2""#).as_deref(), Some("2"));
    assert_eq!(user(r#""user_id":"1","user_id":null"#), None);
    assert_eq!(user(r#""user_id":"1","user_id":"""#), None);
    // A null field counts as missing and has no precedence.
    assert_eq!(user(r#""user_id":null,"userId":"camel""#).as_deref(), Some("camel"));
    assert_eq!(user(r#""userId":"camel","user_id":"""#).as_deref(), Some("camel"));
    assert_eq!(user(r#""user_id":"1","userId":"camel","user_id":null"#).as_deref(), Some("camel"));
    // Keys are compared after decoding.
    assert_eq!(user(r#""user\u005fid":"escaped""#).as_deref(), Some("escaped"));
    assert_eq!(
        text(r#""ipAddress":"192.0.2.2","ip_address":"192.0.2.1""#, TextField::IpAddress).as_deref(),
        Some("192.0.2.1")
    );
}

#[test]
fn overridden_id_and_ip_go_to_extra() {
    let parsed = lines(event_with(r#""id":"e","ip":"192.0.2.1""#));
    assert_eq!(parsed.only().text(TextField::EventId), Some("e"));
    assert_eq!(parsed.only().text(TextField::IpAddress), Some("192.0.2.1"));
    assert_eq!(extra(&parsed), None);

    let parsed = lines(event_with(r#""ip":"192.0.2.1","id":7,"ip_address":"192.0.2.2","eventId":"e""#));
    assert_eq!(parsed.only().text(TextField::EventId), Some("e"));
    assert_eq!(parsed.only().text(TextField::IpAddress), Some("192.0.2.2"));
    assert_eq!(extra(&parsed), Some(r#"{"ip":"192.0.2.1","id":7}"#));
}

#[test]
fn integer_ids_are_stored_as_text() {
    for (value, text) in [
        ("42", "42"),
        ("-7", "-7"),
        ("0", "0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("\"042\"", "042"),
    ] {
        for field in ["event_id", "chatbot_id", "session_id", "anonymous_id", "user_id"] {
            let parsed = lines(event_with(&format!(r#""{field}":{value}"#)));
            let column = Field::from_key(field.as_bytes()).unwrap().0.column().unwrap();
            assert_eq!(parsed.only().text(column), Some(text), "{field}");
            assert!(parsed.warnings.is_empty());
        }
    }
    for value in ["1.0", "1e3", "true", "[]", "{\"a\":1}"] {
        let parsed = lines(event_with(&format!(r#""user_id":{value}"#)));
        assert_eq!(parsed.only().text(TextField::UserId), None);
        assert_eq!(extra(&parsed), Some(&*format!(r#"{{"user_id":{value}}}"#)));
        assert_eq!(parsed.warned(), [("wrong_type:user_id".to_owned(), 1)]);
    }
    let same = lines(event_with("\"session_id\":7") + "\n" + &event_with("\"session_id\":\"7\""));
    assert_eq!(same.block.rows[0].key, same.block.rows[1].key);
}

#[test]
fn field_of_wrong_type_goes_to_extra_with_a_warning() {
    for (field, value) in [
        ("session_id", "{}"),
        ("event_id", "1.5"),
        ("user_email", "1"),
        ("user_name", "[\"Ann\"]"),
        ("user_metadata", "\"pro\""),
        ("user_metadata", r#""[{\"plan\":1}]""#),
        ("event_category", "false"),
        ("properties", "[1]"),
        ("properties", r#""{\"a\":1""#),
        ("properties", r#""{\"a\":1} {}""#),
        ("properties", r#""{\"a\":1\n2}""#),
        ("properties", r#""{\"a\":\"\n\"}""#),
        ("properties", r#""\"{}\"""#),
        ("pageUrl", "{\"href\":\"/\"}"),
        ("page_title", "7"),
        ("referrer", "true"),
        ("landing_page", "0"),
        ("utm_source", "1"),
        ("utm_medium", "1"),
        ("utm_campaign", "2026"),
        ("user_agent", "{}"),
        ("screen_width", "\"1920px\""),
        ("screenHeight", "1080.5"),
        ("ip_address", "3405803783"),
        ("country_code", "49"),
        ("city", "null0"),
    ] {
        let value = if value == "null0" { "0" } else { value };
        // The anonymous id makes the event valid if the session id has the wrong type.
        let parsed = lines(event_with(&format!(r#""anonymous_id":"a","{field}":{value}"#)));
        let field = Field::from_key(field.as_bytes()).unwrap().0;
        let event = parsed.only();
        if let Some(column) = field.column() {
            assert_eq!(event.text(column), None, "{field:?}");
        }
        let key = if field == Field::PageUrl { "pageUrl" } else { field.name() };
        let key = if field == Field::ScreenHeight { "screenHeight" } else { key };
        assert_eq!(event.text(TextField::Extra), Some(&*format!(r#"{{"{key}":{value}}}"#)));
        assert_eq!(parsed.warned(), [(format!("wrong_type:{}", field.name()), 1)]);
    }
}

#[test]
fn empty_string_is_null_without_a_warning() {
    for field in Field::ALL {
        if matches!(
            field,
            Field::Events | Field::Type | Field::ChatbotId | Field::EventName | Field::Timestamp
        ) {
            continue;
        }
        for null in ["\"\"", "null"] {
            let with = lines(event_with(&format!(r#""anonymous_id":"a","{}":{null}"#, field.name())));
            let (column, row) = (field.column(), with.only().row);
            if let Some(column) = column
                && column != TextField::SessionId
            {
                assert!(with.only().text(column).is_none() || column == TextField::AnonymousId, "{field:?}");
            }
            assert_eq!((row.screen_width, row.sent_at), (NO_NUMBER, NO_TIME));
            assert!(with.warnings.is_empty(), "{field:?}");
            assert_eq!(with.only().text(TextField::Extra), None);
        }
    }
}

#[test]
fn unknown_fields_are_copied_to_extra_in_order() {
    let line =
        event_with(r#""z" : 1.50 ,"a":[ 1,{"b":null}],"é":"é\n","type":"click","events":[],"n":null,"e":"""#);
    assert_eq!(
        extra(&lines(line)),
        Some(r#"{"z":1.50,"a":[ 1,{"b":null}],"é":"é\n","type":"click","events":[],"n":null,"e":""}"#)
    );
    // The last member with a key counts, even if the key is escaped or there are many members.
    assert_eq!(extra(&lines(event_with(r#""a":1,"b":2,"\u0061":3"#))), Some(r#"{"b":2,"\u0061":3}"#));
    let many: Vec<_> = (0..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
    let last: Vec<_> = (20..40).map(|n| format!("\"k{}\":{n}", n % 20)).collect();
    assert_eq!(extra(&lines(event_with(&many.join(",")))), Some(&*format!("{{{}}}", last.join(","))));
}

#[test]
fn escapes_are_decoded_in_text_columns_only() {
    let parsed = lines(event_with(
        r#""page_title":"A \"B\" \u00e9 \ud83d\ude00","properties":{"k\u00e9y":"\n"},"event_name":"m\u0065ssage""#,
    ));
    let event = parsed.only();
    assert_eq!(event.text(TextField::PageTitle), Some("A \"B\" é 😀"));
    assert_eq!(event.text(TextField::Properties), Some(r#"{"k\u00e9y":"\n"}"#));
    assert_eq!(event.name(), "message");
}

#[test]
fn lone_surrogate_is_replaced_with_a_warning() {
    let parsed = lines(event_with(
        r#""page_title":"a\ud83dz","properties":{"b":"\ude00","c":"\ud83d\ude00"},"other\udead":["\ud800"]"#,
    ));
    let event = parsed.only();
    assert_eq!(event.text(TextField::PageTitle), Some("a\u{fffd}z"));
    assert_eq!(event.text(TextField::Properties), Some(r#"{"b":"\ufffd","c":"\ud83d\ude00"}"#));
    assert_eq!(event.text(TextField::Extra), Some(r#"{"other\ufffd":["\ufffd"]}"#));
    assert_eq!(parsed.warned(), [("lone_surrogate".to_owned(), 3)]);
}

#[test]
fn screen_sizes_are_integers_in_range() {
    let width = |value: &str| lines(event_with(&format!("\"screen_width\":{value}"))).only().row.screen_width;
    assert_eq!(width("1920"), 1920);
    assert_eq!(width("1920.0"), 1920);
    assert_eq!(width("1.92e3"), 1920);
    assert_eq!(width("\"1920\""), 1920);
    assert_eq!(width("2147483647"), i32::MAX);
    for value in ["2147483648", "-2147483648", "1e99", "0.5", "\"1920px\"", "\"\"", "true"] {
        assert_eq!(width(value), NO_NUMBER, "{value}");
    }
}

#[test]
fn object_as_json_text_is_read_as_the_object() {
    // The text in the log, and the stored object.
    for (text, stored) in [
        (r#"{\"response_time_ms\":1200}"#, r#"{"response_time_ms":1200}"#),
        (r#" {\"a\":\"\\\"\u00e9\",\"response_time_ms\":1.2e3} "#, r#"{"a":"\"é","response_time_ms":1.2e3}"#),
        (r#"{\n\"response_time_ms\":\n\t1200\n}"#, "{ \"response_time_ms\": \t1200 }"),
    ] {
        let members =
            format!(r#""event_name":"message_received","properties":"{text}","userMetadata":"{text}""#);
        let parsed = lines(event_with(&members));
        let event = parsed.only();
        assert_eq!(event.row.response_us, 1_200_000, "{text}");
        assert_eq!(event.text(TextField::Properties), Some(stored));
        assert_eq!(event.text(TextField::UserMetadata), Some(stored));
        assert_eq!((extra(&parsed), parsed.warned()), (None, vec![]));
    }
    let opened =
        lines(event_with(r#""event_name":"widget_opened","properties":"{\"triggered_by\":\"button\"}""#));
    assert_eq!(opened.block.text(opened.only().row.triggered_by), Some("button"));
    let empty = lines(event_with(r#""event_name":"message_received","properties":"{ }""#));
    assert_eq!(empty.only().text(TextField::Properties), Some("{ }"));

    // One event inherits the metadata; the other has its own.
    let envelope = lines(
        r#"{"chatbot_id":"c","session_id":"s","timestamp":1794211200,"userMetadata":"{\"plan\":\"pro\"}","events":
        [{"event_name":"a","timestamp":1794211200},
        {"event_name":"b","timestamp":1794211200,"user_metadata":"{\"n\":1}"}]}"#
            .replace('\n', " "),
    );
    let metadata = |index: usize| envelope.event(index).text(TextField::UserMetadata);
    assert_eq!((metadata(0), metadata(1)), (Some(r#"{"plan":"pro"}"#), Some(r#"{"n":1}"#)));
    assert!(envelope.warnings.is_empty());
}

#[test]
fn lone_surrogate_in_json_text_is_counted_once() {
    for (text, stored, other) in [
        // As an escape of the string, and as an escape within its JSON.
        (r#"{\"a\":\"\ud83d\"}"#, Some("{\"a\":\"\u{fffd}\"}"), None),
        (r#"{\"a\":\"\\ud83d\"}"#, Some(r#"{"a":"\ufffd"}"#), None),
        (r#"\ud83d"#, None, Some(r#"{"properties":"\ufffd"}"#)),
    ] {
        let parsed = lines(event_with(&format!(r#""properties":"{text}""#)));
        assert_eq!(parsed.only().text(TextField::Properties), stored);
        assert_eq!(extra(&parsed), other);
        let lone = parsed.warned().into_iter().filter(|(name, _)| name == "lone_surrogate");
        assert!(lone.eq([("lone_surrogate".to_owned(), 1)]), "{text}");
    }
}

#[test]
fn invalid_response_time_is_a_warning() {
    let parse = |name: &str, properties: &str| {
        let line = event_with(&format!(r#""event_name":"{name}","properties":{properties}"#));
        let parsed = lines(line);
        (parsed.only().row.response_us, parsed.warned())
    };
    let micros = |value: &str| parse("message_received", &format!("{{\"response_time_ms\":{value}}}"));
    for (value, expected) in [
        ("120", 120_000),
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0.1234", 123),
        ("0.1235", 124),
        ("1.0005", 1001),
        ("1e3", 1_000_000),
        ("2592000000", 30 * 86_400_000_000),
        ("\"120\"", 120_000),
    ] {
        assert_eq!(micros(value), (expected, vec![]), "{value}");
    }
    for value in
        ["-1", "-0.0001", "2592000000.001", "9000000000000000", "1e999", "\"120 ms\"", "true", "[]", "{}"]
    {
        assert_eq!(micros(value), (NO_RESPONSE, vec![("bad_response_time".to_owned(), 1)]), "{value}");
    }
    assert_eq!(micros("null"), (NO_RESPONSE, vec![]));
    assert_eq!(parse("message_received", "{}"), (NO_RESPONSE, vec![]));
    assert_eq!(parse("message_received", r#"{"a":{"response_time_ms":5}}"#), (NO_RESPONSE, vec![]));
    assert_eq!(parse("message_received", r#"{"response_time_ms":5,"response_time_ms":6}"#).0, 6000);
    assert_eq!(parse("message_received", r#"{"response\u005ftime_ms":5}"#).0, 5000);
    assert_eq!(parse("slow_response", r#"{"response_time_ms":5}"#), (NO_RESPONSE, vec![]));
}

#[test]
fn triggered_by_is_read_from_properties() {
    let triggered_by = |name: &str, value: &str| {
        let parsed =
            lines(event_with(&format!(r#""event_name":"{name}","properties":{{"triggered_by":{value}}}"#)));
        parsed.block.text(parsed.only().row.triggered_by).map(str::to_owned)
    };
    assert_eq!(triggered_by("widget_opened", "\"button\"").as_deref(), Some("button"));
    assert_eq!(triggered_by("widget_opened", r#""a\u00e9""#).as_deref(), Some("aé"));
    assert_eq!(triggered_by("widget_opened", "\"\""), None);
    assert_eq!(triggered_by("widget_opened", "7"), None);
    assert_eq!(triggered_by("widget_minimized", "\"button\""), None);
}

#[test]
fn missing_category_comes_from_the_standard_event() {
    let category =
        |members: &str| lines(event_with(members)).only().text(TextField::EventCategory).map(str::to_owned);
    for (name, expected) in [
        ("widget_loaded", Some("system")),
        ("widget_opened", Some("engagement")),
        ("widget_minimized", Some("engagement")),
        ("message_sent", Some("engagement")),
        ("message_received", Some("engagement")),
        ("pre_chat_form_shown", Some("engagement")),
        ("pre_chat_form_submitted", Some("engagement")),
        ("feedback_given", Some("engagement")),
        ("widget_error", Some("error")),
        ("api_error", Some("error")),
        ("slow_response", Some("performance")),
        ("page_viewed", None),
        ("Widget_loaded", None),
    ] {
        assert_eq!(category(&format!(r#""event_name":"{name}""#)).as_deref(), expected, "{name}");
    }
    assert_eq!(category(r#""event_name":"api_error","event_category":"custom""#).as_deref(), Some("custom"));
    assert_eq!(category(r#""event_name":"api_error","event_category":"""#).as_deref(), Some("error"));
    assert_eq!(category(r#""event_name":"api_error","event_category":5"#).as_deref(), Some("error"));
}

#[test]
fn session_and_identify_lines_become_events() {
    for (kind, name) in [("session", "session_updated"), ("identify", "user_identified")] {
        let line = format!(
            r#"{{"type":"{kind}","chatbot_id":"c","session_id":"s","timestamp":1794211200,"plan":"pro","event_category":"x"}}"#
        );
        let parsed = lines(line);
        assert_eq!(parsed.only().name(), name);
        assert_eq!(parsed.only().text(TextField::EventCategory), Some("system"));
        assert_eq!(extra(&parsed), Some(r#"{"plan":"pro","event_category":"x"}"#));
    }
    // A line with an event name is an event, regardless of its `type`.
    let parsed = lines(event_with(r#""type":"session""#));
    assert_eq!(parsed.only().name(), "x");
    assert_eq!(extra(&parsed), Some(r#"{"type":"session"}"#));
    let parsed = lines(event_with(r#""event_name":"","type":"identify""#));
    assert_eq!(parsed.only().name(), "user_identified");
}

#[test]
fn event_time_is_derived_from_four_times() {
    let time = |times: &str| {
        let parsed = lines(format!(r#"{{"chatbot_id":"c","session_id":"s","event_name":"x",{times}}}"#));
        parsed.only().row.time - at("2026-11-09T08:00:00Z")
    };
    let (client, sent, received) =
        (r#""client_timestamp":1794211100"#, r#""sent_at":1794211130"#, r#""received_at":1794211260"#);
    // The clock of the visitor is 130 s slow; the event was sent 30 s after it happened.
    assert_eq!(time(&format!("{client},{sent},{received}")), 30_000_000);
    assert_eq!(time(&format!(r#"{client},{sent},{received},"timestamp":1794211201"#)), 1_000_000);
    assert_eq!(time(&format!("{client},{received}")), 60_000_000);
    assert_eq!(time(&format!("{sent},{received}")), 60_000_000);
    assert_eq!(time(&format!("{client},{sent}")), -100_000_000);
    assert_eq!(time(client), -100_000_000);
    assert_eq!(time(&format!(r#""timestamp":"",{received}"#)), 60_000_000);
}

#[test]
fn session_key_is_the_first_available_id() {
    let key = |ids: &str| {
        let parsed = lines(format!(r#"{{"chatbot_id":"c","event_name":"x","timestamp":1794211200,{ids}}}"#));
        let event = parsed.only();
        assert_eq!(event.row.key, crate::event::session_key_hash("c", event.row.key_kind, event.key_value()));
        (event.row.key_kind, event.key_value().to_owned())
    };
    assert_eq!(key(r#""user_id":"u","anonymous_id":"a","session_id":"s""#), (KeyKind::Session, "s".into()));
    assert_eq!(key(r#""user_id":"u","anonymous_id":"a""#), (KeyKind::Anonymous, "a".into()));
    assert_eq!(key(r#""user_id":"u","session_id":"""#), (KeyKind::User, "u".into()));
    assert_eq!(key(r#""user_id":"u","session_id":{}"#), (KeyKind::User, "u".into()));
}

#[test]
fn missing_campaign_is_read_from_the_page_url() {
    let parsed = lines(event_with(r#""page_url":"https://example.com/?utm_source=news&utm_medium=email""#));
    let event = parsed.only();
    assert_eq!(event.text(TextField::UtmSource), Some("news"));
    assert_eq!(event.text(TextField::UtmMedium), Some("email"));
    assert_eq!(event.text(TextField::UtmCampaign), None);
    let parsed = lines(event_with(r#""utm_source":"log","page_url":"https://example.com/?utm_source=news""#));
    assert_eq!(parsed.only().text(TextField::UtmSource), Some("log"));
}

#[test]
fn rows_share_columns_derived_from_one_string() {
    let line =
        event_with(r#""user_agent":"ua","referrer":"https://www.google.com/","ip":"192.0.2.1, 10.0.0.1""#);
    let other = event_with(r#""user_agent":"other""#);
    let parsed = lines(format!("{line}\n{other}\n{line}\n"));
    assert_eq!(parsed.block.agents.len(), 2);
    let rows = &parsed.block.rows;
    assert_eq!((rows[0].agent, rows[1].agent, rows[2].agent), (0, 1, 0));
    for column in [TextField::ReferrerDomain, TextField::IpAddress] {
        assert_eq!(rows[0].text[column as usize], rows[2].text[column as usize]);
    }
    assert_eq!(parsed.event(2).text(TextField::IpAddress), Some("192.0.2.1"));
}

#[test]
fn country_code_is_upper_case_or_null() {
    for (value, column, extra, warned) in [
        ("\"DE\"", Some("DE"), None, false),
        ("\"de\"", Some("DE"), None, false),
        ("\" at\\n\"", Some("AT"), None, false),
        ("\"\\u0064\\u0065\"", Some("DE"), None, false),
        ("\"uk\"", Some("GB"), None, false),
        ("\"XK\"", Some("XK"), None, false),
        ("\"XX\"", None, None, false),
        ("\"t1\"", None, None, false),
        ("\"ZZ\"", None, None, false),
        ("\"-\"", None, None, false),
        ("\"  \"", None, None, false),
        ("\"\"", None, None, false),
        ("\"DEU\"", Some("DE"), None, false),
        ("\"Germany\"", Some("DE"), None, false),
        ("\"Deutschland\"", None, Some(r#"{"country_code":"Deutschland"}"#), true),
    ] {
        let parsed = lines(event_with(&format!("\"country_code\":{value}")));
        let event = parsed.only();
        assert_eq!(
            (event.text(TextField::CountryCode), event.text(TextField::Extra)),
            (column, extra),
            "{value}"
        );
        let warnings = if warned { vec![("not_a_country_code".to_owned(), 1)] } else { Vec::new() };
        assert_eq!(parsed.warned(), warnings, "{value}");
    }
    // The warning about an envelope's country is counted once. An event that has a country does not
    // inherit it.
    let parsed = lines(
        r#"{"chatbot_id":"c","session_id":"s","timestamp":1,"country_code":"Oesterreich","received_at":1794211200,
        "events":[{"event_name":"a"},{"event_name":"b","country_code":"at"},{"event_name":"c"}]}"#
            .replace('\n', ""),
    );
    let columns = |index: usize| {
        let event = parsed.event(index);
        (event.text(TextField::CountryCode), event.text(TextField::Extra))
    };
    let unusable = (None, Some(r#"{"country_code":"Oesterreich"}"#));
    assert_eq!([columns(0), columns(1), columns(2)], [unusable, (Some("AT"), None), unusable]);
    assert_eq!(parsed.warned(), [("not_a_country_code".to_owned(), 1)]);
}

#[test]
fn white_space_around_campaign_and_city_is_removed() {
    let parsed = lines(event_with(
        r#""utm_source":" news ","utm_medium":"\te\u00a0mail\u00a0","utm_campaign":" ","city":"Bad Ems\r\n","page_title":" T ","page_url":"https://example.com/?utm_campaign=may""#,
    ));
    let event = parsed.only();
    for (field, expected) in [
        (TextField::UtmSource, "news"),
        (TextField::UtmMedium, "e\u{a0}mail"),
        // A value of only white space is null, so the campaign of the URL applies.
        (TextField::UtmCampaign, "may"),
        (TextField::City, "Bad Ems"),
        (TextField::PageTitle, " T "),
    ] {
        assert_eq!(event.text(field), Some(expected));
    }
    assert_eq!(event.text(TextField::Extra), None);
    // Ids are compared as written.
    let spaced = lines(event_with(r#""session_id":" s""#));
    assert_eq!(spaced.only().text(TextField::SessionId), Some(" s"));
}

#[test]
fn optional_time_out_of_range_is_null_with_a_warning() {
    let huge = i64::MAX.to_string();
    for (field, value) in [
        ("client_timestamp", huge.as_str()),
        ("client_timestamp", "-9223372036854775807"),
        ("sent_at", "253402300800000000"),
        ("received_at", "-62135596801000000"),
        ("sentAt", "\"0000-12-31T23:59:59Z\""),
        ("received_at", "\"9999-12-31T23:59:59-00:01\""),
    ] {
        let parsed = lines(event_with(&format!("\"{field}\":{value}")));
        let event = parsed.only();
        let row = event.row;
        assert_eq!(
            [row.client_timestamp, row.sent_at, row.received_at],
            [crate::event::NO_TIME; 3],
            "{field}"
        );
        assert_eq!(event.text(TextField::Extra), Some(format!("{{\"{field}\":{value}}}").as_str()));
        let name = field.replace("sentAt", "sent_at");
        assert_eq!(parsed.warned(), [(format!("time_out_of_range:{name}"), 1)]);
    }
    // The first and the last microsecond of the calendar.
    let parsed = lines(event_with(
        r#""client_timestamp":"0001-01-01T00:00:00Z","sent_at":"9999-12-31T23:59:59.999999Z""#,
    ));
    assert!(parsed.warned().is_empty());
    assert_eq!(parsed.only().row.client_timestamp, -62_135_596_800_000_000);
    // An optional time out of range does not affect the event's time, unless there is no other
    // time.
    let without_timestamp =
        |members: &str| lines(format!(r#"{{"chatbot_id":"c","session_id":"s","event_name":"x",{members}}}"#));
    let parsed = without_timestamp(&format!(
        r#""client_timestamp":{huge},"sent_at":1794211200,"received_at":1794211260"#
    ));
    assert_eq!(parsed.only().row.time, 1_794_211_260_000_000);
    let rejected = |members: &str| without_timestamp(members).reasons();
    assert_eq!(rejected(&format!("\"client_timestamp\":{huge}")), ["future_timestamp"]);
    assert_eq!(rejected("\"received_at\":-9223372036854775807"), ["implausible_timestamp"]);
    assert_eq!(lines(event_with(&format!("\"timestamp\":{huge}"))).reasons(), ["future_timestamp"]);
}

#[test]
fn key_with_a_nul_character_is_an_unknown_field() {
    let parsed = lines(event_with(
        r#""user_id":"ada","user_id\u0000":"eve","chatbot_id\u0000":"d","timestamp\u0000":"bad","properties":{"a":1},"properties\u0000":{}"#,
    ));
    let event = parsed.only();
    assert_eq!((event.text(TextField::UserId), event.chatbot_id()), (Some("ada"), "c"));
    assert_eq!(
        event.text(TextField::Extra),
        Some(
            r#"{"user_id\u0000":"eve","chatbot_id\u0000":"d","timestamp\u0000":"bad","properties\u0000":{}}"#
        )
    );
    let no_name = r#"{"chatbot_id":"c","session_id":"s","event_name\u0000":"x","timestamp":1794211200}"#;
    assert_eq!(lines(no_name).reasons(), ["no_event_name"]);
}

#[test]
fn byte_order_mark_at_any_line_start_is_skipped() {
    let event = event_with("");
    let parsed = lines(format!(
        "{event}\n\u{feff}{event}\n\u{feff}\u{feff} {event}\r\n\u{feff}\n\u{feff}no\n\u{feff}{event}"
    ));
    // A line without an id is identified by its bytes, which do not include the mark.
    let ids: std::collections::BTreeSet<u128> = parsed.block.rows.iter().map(|row| row.id).collect();
    assert_eq!((parsed.block.rows.len(), ids.len(), parsed.blank), (4, 1, 1));
    assert_eq!((&*parsed.rejected[0].raw, parsed.rejected[0].line), (&b"no"[..], 5));
    // Within a line, it is as invalid as any other character outside of a value.
    assert_eq!(lines(format!(" \u{feff}{event}")).reasons(), ["not_json"]);
}
