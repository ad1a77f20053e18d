//! The values of mapped records: each form of a value results in the same row as in a native line.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ingest::input::records::format_detection::detect_format;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::map::{Map, presets};

/// The columns that the tests map, and a column that stays in `extra`.
const COLUMNS: &str = "event_name = '/name'\ntimestamp = '/time'\nsession_id = '/s'\nevent_id = '/id'\n";

/// Parses an input with a map.
fn mapped(map: &str, input: &str) -> Parsed {
    let map = Arc::new(Map::parse("test.toml", map).unwrap());
    let candidates = Arc::new(presets::candidates());
    let source = Box::new(std::io::Cursor::new(input.as_bytes().to_vec()));
    let mut blocks = BlockReader::from_source("test", source).unwrap();
    let (format, _) = detect_format(&mut blocks, &candidates, Some(&map)).unwrap();
    let mut reader = RecordReader::new(blocks, format, &candidates, None);
    let (raw, _) = reader.next_block(Vec::new()).unwrap().unwrap();
    let options = ParseOptions { chatbot: Some("c".into()), ..options() };
    parse(raw, &options, &Enricher::new(None).unwrap())
}

/// Returns a record with an event name and further members.
fn record(name: &str, members: &str) -> String {
    format!(r#"{{"name":"{name}","time":"2026-11-09T08:00:00Z","s":"s","id":"1",{members}}}"#)
}

fn properties(parsed: &Parsed) -> &str {
    parsed.only().text(TextField::Properties).unwrap()
}

#[test]
fn set_property_replaces_equal_keys() {
    let map = format!(
        "[event]\n{COLUMNS}properties = '/props'\n[properties]\n\"a\\\"b\" = '/n'\ntext = '/t'\nlist = '/l'\n"
    );
    let members = r#""props":{"kept":"\u00e9","text":"old","t\u0065xt":2},"n":"1e3","t":"q\"\u00e9\n","l":[{"k":null}]"#;
    let parsed = mapped(&map, &record("x", members));
    // Unnecessary escapes are removed from the values that the map sets, and remain in other
    // values.
    let expected = r#"{"kept":"\u00e9","a\"b":1e3,"text":"q\"é\n","list":[{"k":null}]}"#;
    let (mut found, mut expected_values): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(properties(&parsed)).unwrap(), serde_json::from_str(expected).unwrap());
    assert_eq!(found.as_object_mut(), expected_values.as_object_mut());
    assert_eq!(properties(&parsed).len(), expected.len());
}

#[test]
fn set_property_has_the_type_of_its_value() {
    let map = format!("[event]\n{COLUMNS}[properties]\nv = '/v'\n");
    for (value, expected) in [
        ("12", "12"),
        ("\"12\"", "12"),
        ("\"\\u0031.5e1\"", "1.5e1"),
        ("\"012\"", "\"012\""),
        ("\" 12\"", "\" 12\""),
        ("true", "true"),
        ("\"true\"", "\"true\""),
        ("\"\\u0022\"", "\"\\\"\""),
        ("\"\\ud83d\\ude00\"", "\"😀\""),
        ("{\"a\" : 1}", "{\"a\" : 1}"),
    ] {
        let parsed = mapped(&map, &record("x", &format!("\"v\":{value}")));
        assert_eq!(properties(&parsed), format!("{{\"v\":{expected}}}"), "{value}");
    }
    // A null sets nothing.
    for value in ["null", "\"-\"", "{}", "[]"] {
        let parsed = mapped(&map, &record("x", &format!("\"v\":{value}")));
        assert_eq!(parsed.only().text(TextField::Properties), None, "{value}");
    }
}

#[test]
fn session_property_is_that_of_the_native_line() {
    let map = format!("[event]\n{COLUMNS}properties = '/props'\n");
    let long = format!("{{{}\"response_time_ms\":7}}", "\"a\\\\\":1,".repeat(90));
    let objects = [
        r#"{"response_time_ms":1500,"triggered_by":"timer"}"#,
        r#"{"response_time_ms":1,"a":[],"response_time_ms":"2.5","triggered_by":"a","triggered_by":"b"}"#,
        r#"{"response_time_ms":1,"response\u005ftime_ms":3,"triggered\u005fby":"t\u0069mer"}"#,
        r#"{"response_time_ms":null,"triggered_by":""}"#,
        r#"{"response_time_ms":"soon","triggered_by":7}"#,
        r#"{"nested":{"response_time_ms":5,"triggered_by":"x"}}"#,
        "{}",
        &long,
    ];
    for object in objects {
        for name in ["message_received", "widget_opened", "other"] {
            let text = serde_json::Value::from(object).to_string();
            for value in [object, &text] {
                let native = lines(event_with(&format!("\"event_name\":\"{name}\",\"properties\":{value}")));
                let parsed = mapped(&map, &record(name, &format!("\"props\":{value}")));
                let (row, expected) = (&parsed.block.rows[0], &native.block.rows[0]);
                assert_eq!(row.response_us, expected.response_us, "{name} {value}");
                let trigger =
                    |parsed: &Parsed, row: &EventRow| parsed.block.text(row.triggered_by).map(str::to_owned);
                assert_eq!(trigger(&parsed, row), trigger(&native, expected), "{name} {value}");
                assert_eq!(parsed.warned(), native.warned(), "{name} {value}");
            }
        }
    }
}

#[test]
fn session_property_that_the_map_sets_is_used() {
    let map = format!("[event]\n{COLUMNS}properties = '/props'\n[properties]\nresponse_time_ms = '/ms'\n");
    let members = r#""props":{"response_time_ms":1,"a":2},"ms":"1500""#;
    let parsed = mapped(&map, &record("message_received", members));
    assert_eq!(properties(&parsed), r#"{"a":2,"response_time_ms":1500}"#);
    assert_eq!(parsed.block.rows[0].response_us, 1_500_000);
}

/// Writes rows as CSV. `quoted` is a bit mask of the columns that are quoted even if their text
/// does not require it.
fn csv(rows: &[Vec<String>], quoted: u32) -> String {
    let field = |(index, text): (usize, &String)| {
        if quoted >> index & 1 == 1 || text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.clone()
        }
    };
    let row = |row: &Vec<String>| row.iter().enumerate().map(field).collect::<Vec<_>>().join(",") + "\r\n";
    rows.iter().map(row).collect()
}

proptest! {
    #[test]
    fn row_results_in_the_same_event_as_its_object(
        values in prop::collection::vec(["[ab,\"\\\\\n é]{0,3}", "-|7|1.5|\\{\\}|x{20}", "[a{:\"}]{0,3}"], 1..5),
        quoted: u32,
        has_mark: bool,
    ) {
        let names = ["name", "time", "s", "id", "set", "a \"key\"", "page"];
        let mut rows = vec![names.map(str::to_owned).to_vec()];
        let mut objects = String::new();
        for (index, [set, other, page]) in values.into_iter().enumerate() {
            let id = index.to_string();
            rows.push(vec!["x".into(), "2026-11-09 08:00:00".into(), "s".into(), id, set, other, page]);
        }
        for row in rows.iter().skip(1) {
            let is_null = |text: &str| ["", "-"].contains(&text);
            let members = names.iter().zip(row).filter(|(_, value)| !is_null(value));
            let object: serde_json::Map<String, serde_json::Value> =
                members.map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
            objects += &(serde_json::Value::from(object).to_string() + "\n");
        }
        let map = format!("[event]\n{COLUMNS}page_title = '/page'\n[properties]\nset = '/set'\n");
        let mark = if has_mark { "\u{feff}" } else { "" };
        let from_rows = mapped(&format!("reader = 'csv'\n{map}"), &format!("{mark}{}", csv(&rows, quoted)));
        let from_objects = mapped(&map, &objects);
        let events = |parsed: &Parsed| {
            let mut events = Vec::new();
            for row in &parsed.block.rows {
                let event = parsed.block.event(row);
                let json = |field| {
                    event.text(field).map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap())
                };
                let (extra, set) = (json(TextField::Extra), json(TextField::Properties));
                let title = event.text(TextField::PageTitle).map(str::to_owned);
                events.push((row.id, row.time, row.key, title, extra, set));
            }
            (events, parsed.reasons())
        };
        prop_assert_eq!(events(&from_rows), events(&from_objects));
        prop_assert_eq!(from_rows.block.rows.len(), rows.len() - 1);
    }
}

#[test]
fn times_without_an_offset_are_counted_in_any_form() {
    let record = |time: &str| format!(r#"{{"name":"a","time":"{time}","sent":"{time}","s":"s"}}"#);
    let columns = "event_name = '/name'\ntimestamp = '/time'\nsent_at = '/sent'\nsession_id = '/s'\n";
    let map = format!("time_format = '%d.%m.%Y %H:%M'\n[event]\n{columns}");
    let local = ["2026-11-09 10:00:00", "2026-11-09 10:00:00,123", "09.11.2026 10:00"];
    let others = ["2026-11-09T10:00:00Z", "2026-11-09 10:00:00,123 CET", "09/Nov/2026:10:00:00 +0100"];
    let input: String = local.into_iter().chain(others).map(|time| record(time) + "\n").collect();
    let parsed = mapped(&map, &input);
    assert_eq!((parsed.block.rows.len(), parsed.utc_times), (6, 3));
    let parsed = mapped(&format!("timezone = 'Europe/Berlin'\n{map}"), &input);
    assert_eq!((parsed.block.rows.len(), parsed.utc_times), (6, 0));
}

/// Parses an input with a copy of a built-in map that also reads the country.
fn with_country(name: &str, place: &str, input: &str) -> Parsed {
    let map = presets::text(name).unwrap();
    mapped(&map.replace("[event]\n", &format!("[event]\ncountry_code = '{place}'\n")), input)
}

#[test]
fn country_names_of_vendors_become_codes() {
    let ga4 = |country: &str| {
        format!(
            r#"{{"event_name":"x","event_timestamp":"1794214800000000","event_params":[],"user_pseudo_id":"u",
            "geo":{{"city":"Bremen","country":"{country}"}}}}"#
        )
        .replace('\n', " ")
    };
    let amplitude = |country: &str| {
        format!(
            r#"{{"event_type":"x","uuid":"1","event_time":"2026-11-09 09:00:00","device_id":"d","session_id":-1,
            "city":"Bremen","country":"{country}"}}"#
        )
        .replace('\n', " ")
    };
    for (map, place, line) in
        [("ga4", "/geo/country", &ga4 as &dyn Fn(&str) -> String), ("amplitude", "/country", &amplitude)]
    {
        for (country, code) in
            [("Germany", Some("DE")), ("Côte d’Ivoire", Some("CI")), ("(not set)", None), ("Atlantis", None)]
        {
            let parsed = with_country(map, place, &line(country));
            let event = parsed.only();
            assert_eq!(event.text(TextField::CountryCode), code, "{map} {country}");
            assert_eq!(event.text(TextField::City), Some("Bremen"), "{map}");
            let extra = event.text(TextField::Extra).unwrap_or("");
            assert!(country != "Atlantis" || extra.contains(country), "{map} {extra}");
        }
    }
}

// Text that was decoded for a record is discarded before the next one.
#[test]
fn decoded_text_of_a_record_does_not_affect_the_next_one() {
    let map = "[event]\nevent_name = '{/name}:{/n}'\ntimestamp = '/time'\nsession_id = '/s'\nuser_name = '/u'\n\
               page_url = 'https://h{/path|urldecode}'\n";
    let long = |n: usize| format!("\\n{}{n}", "x".repeat(400 + n % 3));
    let line = |n: usize| {
        format!(
            r#"{{"name":"e","n":{n},"time":"2026-11-09T08:00:00Z","s":"s{n}","u":"{}","path":"/%61{n}","i":{n}}}"#,
            long(n)
        ) + "\n"
    };
    let parsed = mapped(map, &(0..50).map(line).collect::<String>());
    let events: Vec<_> = parsed.block.rows.iter().map(|row| parsed.block.event(row)).collect();
    assert_eq!(events.len(), 50);
    for (n, event) in events.iter().enumerate() {
        let expected = [
            (TextField::EventName, format!("e:{n}")),
            (TextField::SessionId, format!("s{n}")),
            (TextField::UserName, long(n).replace("\\n", "\n")),
            (TextField::PageUrl, format!("https://h/a{n}")),
        ];
        for (field, text) in expected {
            assert_eq!(event.text(field), Some(text.as_str()));
        }
    }
}
