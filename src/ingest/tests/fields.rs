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
fn snake_case_and_the_last_repeated_key_win() {
    let text = |members: &str, column| lines(event_with(members)).only().text(column).map(str::to_owned);
    let user = |members: &str| text(members, TextField::UserId);
    assert_eq!(user(r#""user_id":"snake","userId":"camel""#).as_deref(), Some("snake"));
    assert_eq!(user(r#""userId":"camel","user_id":"snake""#).as_deref(), Some("snake"));
    assert_eq!(user(r#""user_id":"1","user_id":"2""#).as_deref(), Some("2"));
    assert_eq!(user(r#""user_id":"1","userId":"camel","user_id":"2""#).as_deref(), Some("2"));
    assert_eq!(user(r#""user_id":"1","user_id":null"#), None);
    assert_eq!(user(r#""user_id":"1","user_id":"""#), None);
    // A null field counts as missing and does not win.
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
        ("event_category", "false"),
        ("properties", "[1]"),
        ("pageUrl", "{\"href\":\"/\"}"),
        ("page_title", "7"),
        ("referrer", "true"),
        ("landing_page", "0"),
        ("utm_source", "1"),
        ("utm_medium", "1"),
        ("utm_campaign", "2026"),
        ("user_agent", "{}"),
        ("screen_width", "\"1920\""),
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
    // The last member with a key wins, also if it is escaped, also among many.
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
    assert_eq!(width("2147483647"), i32::MAX);
    for value in ["2147483648", "-2147483648", "1e99", "0.5", "\"1920\"", "true"] {
        assert_eq!(width(value), NO_NUMBER, "{value}");
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
        ("9223372036854775.807", i64::MAX),
    ] {
        assert_eq!(micros(value), (expected, vec![]), "{value}");
    }
    for value in ["-1", "-0.0001", "9223372036854775.808", "1e999", "\"120\"", "true", "[]", "{}"] {
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
fn missing_category_is_that_of_the_standard_event() {
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
fn rows_share_columns_derived_from_one_text() {
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
