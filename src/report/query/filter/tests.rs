//! Conditions on rows.

use super::*;
use crate::store::frame::{Cell, FrameBuilder};
use crate::time::Zone;

fn event_frame() -> Frame {
    let mut builder = FrameBuilder::new(Table::Events);
    let properties = r#"{"button_id":"send_message","n":12,"deep":{"list":[5,"six"]},"yes":true,"none":null,"order":1234567890123456789,"a.b":"x|y","wait_ms":2500}"#;
    builder.row(&[
        ("session_id", Cell::Text("007")),
        ("user_id", Cell::Text("1234567890123456789")),
        ("properties", Cell::Json(properties)),
        ("page_url", Cell::Text("https://shop.example/Pricing")),
        ("screen_width", Cell::Int(390)),
        ("timestamp", Cell::Time(1_000_000)),
        ("is_bot", Cell::Bool(false)),
    ]);
    builder.finish().unwrap()
}

fn matches(text: &str) -> bool {
    let conditions = Where::parse("--where", text, Subject::Events).unwrap().on_events();
    accepts(&conditions, &event_frame())
}

/// Returns whether conditions accept the only row of a frame, both for a single row and for all.
fn accepts(conditions: &Conditions, frame: &Frame) -> bool {
    let mut bound = conditions.bind(frame, Zone::UTC).unwrap();
    let is_accepted = bound.matches(0);
    assert_eq!(bound.rows(1), if is_accepted { vec![0] } else { Vec::new() });
    is_accepted
}

#[test]
fn rows_of_a_frame_are_selected_by_all_conditions() {
    let mut builder = FrameBuilder::new(Table::Sessions);
    let devices = [Some("mobile"), Some("desktop"), None, Some("mobile"), Some("a device with a long name")];
    for (device, seconds) in devices.into_iter().zip([5, 90, 70, 80, 61]) {
        let device = device.map_or(Cell::Null, Cell::Text);
        builder.row(&[("device_type", device), ("duration_seconds", Cell::Int(seconds))]);
    }
    let frame = builder.finish().unwrap();
    let rows = |text: &str| {
        let conditions = Where::parse("--where", text, Subject::Sessions).unwrap().on_sessions();
        conditions.bind(&frame, Zone::UTC).unwrap().rows(5)
    };
    assert_eq!(rows("device_type=mobile"), [0, 3]);
    assert_eq!(rows("device_type!=mobile"), [1, 2, 4]);
    assert_eq!(rows("device_type="), [2]);
    assert_eq!(rows("duration_seconds>1m"), [1, 2, 3, 4]);
    assert_eq!(rows("device_type=mobile and duration_seconds>1m"), [3]);
    assert_eq!(rows("duration_seconds>1m and device_type~long"), [4]);
    assert_eq!(Conditions::default().bind(&frame, Zone::UTC).unwrap().rows(5), [0, 1, 2, 3, 4]);
}

#[test]
fn properties_and_columns_are_compared() {
    for yes in [
        "properties.button_id=send_message",
        "properties.button_id != other",
        "properties.button_id~SEND",
        "properties.n=12.0",
        "properties.n > 9",
        "properties.n<=12",
        "properties.deep.list.0=5",
        "properties.deep.list.1=six",
        "properties.yes=true",
        "properties.absent=",
        "properties.none=",
        "properties.absent!=x",
        "page_url~pricing",
        "screen_width<400",
        "timestamp>=1970-01-01T00:00:01Z",
        "is_bot=false",
        "city=",
        "properties~send_message",
        "properties.order=1234567890123456789",
        "properties.order<1234567890123456789.5",
        "user_id=1234567890123456789",
        "session_id=007",
    ] {
        assert!(matches(yes), "{yes}");
    }
    for no in [
        "properties.button_id=send",
        "properties.n>12",
        "properties.n=1",
        "properties.absent=x",
        "properties.absent>0",
        "properties.absent~x",
        "properties.button_id=",
        "page_url=pricing",
        "timestamp<1970-01-01T00:00:01Z",
        "city!=",
        // The same numbers if they are read as floats.
        "properties.order=1234567890123456788",
        "properties.order=1.2345678901234568e18",
        "user_id=1234567890123456788",
        "user_id=1234567890123456789.0",
        "session_id=7",
    ] {
        assert!(!matches(no), "{no}");
    }
}

#[test]
fn alternatives_wildcards_and_negations_are_compared() {
    for yes in [
        "properties.button_id=other|send_message",
        "properties.button_id!=other|third",
        "properties.button_id=send*|x",
        "properties.button_id=*_message",
        "properties.button_id=*",
        "properties.button_id!=s*x",
        "properties.button_id!~other|third",
        "properties.button_id~other|SEND",
        "properties.absent!~x",
        "city=|Bonn",
        "screen_width=1|390",
        "screen_width!=1|2",
        "screen_width=3*",
        "properties.\"a.b\"=\"x|y\"",
        "properties.n>9 and properties.button_id=send_message",
        "timestamp=1970-01-01",
        "timestamp<=1970-01-01",
        "properties.wait_ms>2s",
        "properties.wait_ms=2500ms",
    ] {
        assert!(matches(yes), "{yes}");
    }
    for no in [
        "properties.button_id!=other|send_message",
        "properties.button_id!=send*",
        "properties.button_id=\"send*\"",
        "properties.button_id!~SEND|x",
        "properties.absent=*",
        "city!=|Bonn",
        "screen_width!=390|1",
        "properties.n>9 and properties.button_id=x",
        "timestamp>1970-01-01",
        "timestamp!=1970-01-01",
        "properties.wait_ms>3s",
    ] {
        assert!(!matches(no), "{no}");
    }
}

#[test]
fn threshold_selects_only_numbers_and_versions() {
    let holds = |rating: &str, text: &str| {
        let properties = format!("{{\"rating\":{rating}}}");
        let mut builder = FrameBuilder::new(Table::Events);
        builder.row(&[("properties", Cell::Json(&properties)), ("city", Cell::Text("Bonn"))]);
        let conditions = Where::parse("--where", text, Subject::Events).unwrap().on_events();
        accepts(&conditions, &builder.finish().unwrap())
    };
    // Compared as strings, some of these texts would be greater or less than 4.
    for operator in ["<", "<=", ">", ">="] {
        for text in ["\"bad\"", "\"n/a\"", "\"\"", "null", "true", "[5]", "{\"a\":5}"] {
            assert!(!holds(text, &format!("properties.rating{operator}4")), "{text} {operator}");
        }
        assert!(!holds("5", &format!("city{operator}4")), "{operator}");
    }
    // Some loggers write numbers in quotes.
    for five in ["5", "5.0", "0.5e1", "\"5\"", "\"05\""] {
        assert!(holds(five, "properties.rating>4") && holds(five, "properties.rating>=5.0"), "{five}");
        assert!(holds(five, "properties.rating<10") && !holds(five, "properties.rating<5"), "{five}");
    }
    assert!(holds("\"10.2.3\"", "properties.rating>4") && !holds("\"1.2.3\"", "properties.rating>4"));
    // With a text as the value, strings are compared.
    assert!(holds("\"good\"", "properties.rating>bad") && !holds("\"bad\"", "properties.rating>good"));
    assert!(holds("5", "city>=Berlin") && holds("5", "properties.rating<bad"));
}

#[test]
fn equal_numbers_are_one_value_and_texts_are_not() {
    let values = ["\"01234\"", "\"1234\"", "1234", "1234.0", "\"1234.0\"", "\"+1234\"", "\"\"", "null"];
    let selected = |text: &str| {
        let mut builder = FrameBuilder::new(Table::Events);
        let rows = values.map(|value| format!("{{\"z\":{value}}}"));
        rows.iter().for_each(|row| builder.row(&[("properties", Cell::Json(row))]));
        let conditions = Where::parse("--where", text, Subject::Events).unwrap().on_events();
        conditions.bind(&builder.finish().unwrap(), Zone::UTC).unwrap().rows(8)
    };
    assert_eq!(selected("properties.z=1234"), [1, 2, 3]);
    assert_eq!(selected("properties.z=\"1234\""), [1, 2, 3]);
    assert_eq!(selected("properties.z=1234.0"), [2, 3, 4]);
    assert_eq!(selected("properties.z=\"1234.0\""), [4]);
    assert_eq!(selected("properties.z=12.34e2"), [2, 3]);
    assert_eq!(selected("properties.z=01234"), [0]);
    assert_eq!(selected("properties.z=+1234"), [5]);
    assert_eq!(selected("properties.z="), [6, 7]);
    assert_eq!(selected("properties.z=*"), [0, 1, 2, 3, 4, 5]);
    assert_eq!(selected("properties.z!=1234|01234"), [4, 5, 6, 7]);
}

#[test]
fn session_columns_are_compared() {
    let matches = |text: &str| {
        let mut builder = FrameBuilder::new(Table::Sessions);
        builder.row(&[
            ("duration_seconds", Cell::Int(90)),
            ("event_counts", Cell::Json(r#"{"message_sent":3,"chat.opened":1}"#)),
            ("user_metadata", Cell::Json(r#"{"plan":"pro"}"#)),
        ]);
        let conditions = Where::parse("--where", text, Subject::Sessions).unwrap().on_sessions();
        accepts(&conditions, &builder.finish().unwrap())
    };
    for yes in [
        "duration_seconds>1m",
        "duration_seconds=1m30s",
        "event_counts.message_sent>=3",
        "event_counts.chat.opened=1",
        "event_counts.absent=0",
        "event_counts.absent<1",
        "user_metadata.plan=pro",
        // A session without a source is direct, as in `sources`.
        "channel=Direct",
        "channel=",
        "referrer_domain=direct|x",
    ] {
        assert!(matches(yes), "{yes}");
    }
    for no in [
        "duration_seconds>2m",
        "event_counts.absent>0",
        "channel!=Direct",
        "channel!=",
        "user_metadata.plan=",
    ] {
        assert!(!matches(no), "{no}");
    }
}

#[test]
fn conditions_are_split_by_table() {
    let both = "country_code=DE and event.event_name=x and properties.n>1";
    let parsed = Where::parse("--where", both, Subject::Sessions).unwrap();
    assert_eq!(parsed.on_sessions().columns(), ["country_code"]);
    assert_eq!(parsed.on_events().columns(), ["event_name", "properties"]);
}

#[test]
fn deeply_nested_property_is_found() {
    // A recursive parser would stop at 128 levels.
    let nested = |inner: &str| "{\"a\":".repeat(200) + inner + &"}".repeat(200);
    let properties = format!("{{\"deep\":{},\"plan\" : \"pro\\u00e9\"}}", nested("[1, \"x\"]"));
    let matches = |text: &str| {
        let mut builder = FrameBuilder::new(Table::Events);
        builder.row(&[("properties", Cell::Json(&properties))]);
        let conditions = Where::parse("--where", text, Subject::Events).unwrap().on_events();
        accepts(&conditions, &builder.finish().unwrap())
    };
    assert!(matches("properties.plan=proé"));
    assert!(!matches("properties.plan="));
    let path = format!("properties.deep{}", ".a".repeat(200));
    assert!(matches(&format!("{path}.1=x")) && matches(&format!("{path}.0<2")));
    assert!(matches(&format!("{path}=[1,\"x\"]")) && matches(&format!("{path}.2=")));
}

#[test]
fn invalid_condition_is_rejected_with_a_hint() {
    for (wrong, hint) in [
        ("properties.button_id", "write it as"),
        ("city.name=x", "properties, extra, user_metadata and event_counts do"),
        ("=x", "write it as"),
        ("screen_width>wide", "screen_width>=10"),
        ("screen_width=wide", "screen_width>=10"),
        ("is_bot=maybe", "is_bot=true"),
        ("timestamp>yesterday", "store's time zone"),
        ("screen_width>1|2", "write alternatives with ="),
        ("event.cty=x", "did you mean event.city?"),
    ] {
        let error = Where::parse("--where", wrong, Subject::Events).unwrap_err();
        assert!(error.to_string().starts_with("--where \""), "{error}");
        assert!(error.hint_text().unwrap_or("").contains(hint), "{wrong}: {:?}", error.hint_text());
    }
}
