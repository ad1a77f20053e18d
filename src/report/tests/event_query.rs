//! Lists of events.

use std::ops::ControlFlow;

use super::fixtures::{shop, window, with_properties};
use super::memory_tables::{Event, MemoryTables, Session, day, event, session};
use crate::report::*;
use crate::store::columns::Table;
use crate::store::frame::{Frame, RecordReader};

fn list(tables: &MemoryTables, query: &EventQuery) -> (Vec<String>, EventListing) {
    let mut names = Vec::new();
    let listing = list_events(tables, query, &["event_name"], &mut |frame| {
        let reader = RecordReader::new(frame, Table::Events, &["event_name"])?;
        names
            .extend((0..frame.height()).map(|row| reader.record(row).text("event_name").unwrap().to_owned()));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    (names, listing)
}

#[test]
fn limited_list_is_the_start_of_the_full_list() {
    let mut tables = shop();
    let at = |n: usize| format!("2026-06-{:02}T{:02}:{:02}:00Z", 1 + n % 5, n / 5 % 24, n / 7 % 60);
    // Several events have the same time, and there are more events than fit into one frame.
    tables.events = (0..18_000).map(|n| event(&at(n), "x", if n % 3 == 0 { "a" } else { "b" })).collect();
    for newest_first in [true, false] {
        for names in [vec![], vec!["a".to_owned()]] {
            let query =
                EventQuery { newest_first, names, ..EventQuery::all(window("2026-06-01", "2026-06-10")) };
            let positions = |limit: Option<usize>| {
                let mut positions = Vec::new();
                let limited = EventQuery { limit, ..query.clone() };
                let columns = ["id", "event_name", "timestamp"];
                let listing = list_events(&tables, &limited, &columns, &mut |frame| {
                    let reader = RecordReader::new(frame, Table::Events, &columns)?;
                    positions.extend((0..frame.height()).map(|row| {
                        let record = reader.record(row);
                        (record.number("timestamp").unwrap(), record.text("id").unwrap().to_owned())
                    }));
                    Ok(ControlFlow::Continue(()))
                });
                (positions, listing.unwrap().more)
            };
            let (all, more) = positions(None);
            assert_eq!((all.len(), more), (if query.names.is_empty() { 18_000 } else { 6_000 }, false));
            assert!(all.is_sorted_by(|a, b| if newest_first { a >= b } else { a <= b }));
            for limit in [1, 7, 3_600, 3_601, 5_999, 16_384, 16_385, 18_000] {
                let (some, more) = positions(Some(limit));
                assert_eq!(some, all[..limit.min(all.len())], "{limit}");
                assert_eq!(more, limit < all.len(), "{limit}");
            }
        }
    }
}

#[test]
fn events_are_listed_in_order_and_filtered() {
    let mut tables = shop();
    tables.events = vec![
        with_properties(r#"{"button_id":"send"}"#, event("2026-06-01T10:00:00Z", "x", "first")),
        event("2026-06-05T10:00:00Z", "y", "third"),
        event("2026-06-02T10:00:00Z", "x", "second"),
        Event {
            category: Some("error"),
            anonymous: Some("anna".into()),
            ..event("2026-06-10T23:59:59.999999Z", "z", "last")
        },
        event("2026-06-11T00:00:00Z", "z", "after the window"),
        event("2026-05-31T23:59:59.999999Z", "z", "before the window"),
    ];
    let june = EventQuery::all(window("2026-06-01", "2026-06-10"));
    assert_eq!(list(&tables, &june).0, ["last", "third", "second", "first"]);
    let oldest = EventQuery { newest_first: false, limit: Some(2), ..june.clone() };
    let (names, listing) = list(&tables, &oldest);
    assert_eq!(names, ["first", "second"]);
    assert!(listing.more);
    let names = |query: EventQuery| list(&tables, &query).0;
    assert_eq!(
        names(EventQuery { names: vec!["third".into(), "last".into()], ..june.clone() }),
        ["last", "third"]
    );
    assert_eq!(names(EventQuery { categories: vec!["error".into()], ..june.clone() }), ["last"]);
    assert_eq!(names(EventQuery { session_id: Some("x".into()), ..june.clone() }), ["second", "first"]);
    assert_eq!(names(EventQuery { visitor: Some("anna".into()), ..june.clone() }), ["last"]);
    let conditions = |text: &str| vec![Where::parse("--where", text, Subject::Events).unwrap()];
    let by_condition = |text: &str| names(EventQuery { conditions: conditions(text), ..june.clone() });
    assert_eq!(by_condition("properties.button_id=send"), ["first"]);
    assert_eq!(names(EventQuery { chatbots: vec!["docs".into()], ..june.clone() }), Vec::<String>::new());
    let (_, listing) = list(&tables, &EventQuery { names: vec!["none".into()], ..june });
    assert!(
        listing.notes[0].starts_with("no event from 2026-06-01 to 2026-06-10 matches"),
        "{:?}",
        listing.notes
    );
}

#[test]
fn conditions_apply_to_events_and_their_sessions() {
    let mut tables = MemoryTables::new(vec![
        // A session from the day before the window.
        Session { seconds: 7200, country: Some("DE"), ..session("2026-05-31T23:00:00Z", "long") },
        Session { country: Some("FR"), ..session("2026-06-02T10:00:00Z", "short") },
        // This session has no session id, so its events are found by the visitor's id.
        Session { session: None, country: Some("DE"), ..session("2026-06-03T10:00:00Z", "anna") },
    ]);
    let (long, short) = ("s-long-2026-05-31T23:00:00Z", "s-short-2026-06-02T10:00:00Z");
    tables.events = vec![
        event("2026-05-31T23:00:00Z", long, "before the window"),
        with_properties(r#"{"n":1}"#, event("2026-06-01T00:30:00Z", long, "a")),
        with_properties(r#"{"n":2}"#, event("2026-06-01T01:00:00Z", long, "b")),
        with_properties(r#"{"n":2}"#, event("2026-06-02T10:00:00Z", short, "c")),
        Event { session: None, anonymous: Some("anna".into()), ..event("2026-06-03T10:00:00Z", "", "d") },
        event("2026-06-03T10:00:00Z", "of no session", "e"),
    ];
    let listed = |conditions: &[&str]| {
        let parse = |text: &&str| Where::parse("--where", text, Subject::Events).unwrap();
        let conditions = conditions.iter().map(parse).collect();
        let all = EventQuery::all(window("2026-06-01", "2026-06-10"));
        list(&tables, &EventQuery { conditions, newest_first: false, ..all }).0
    };
    assert_eq!(listed(&["properties.n=2"]), ["b", "c"]);
    assert_eq!(listed(&["session.country_code=DE"]), ["a", "b", "d"]);
    assert_eq!(listed(&["duration_seconds>1h"]), ["a", "b"]);
    assert_eq!(listed(&["session.country_code=DE and properties.n=2"]), ["b"]);
    assert_eq!(listed(&["session.country_code=FR|AT", "properties.n!=1"]), ["c"]);
    // The column of the event itself, which is empty in all events.
    assert_eq!(listed(&["country_code=DE"]), Vec::<String>::new());
    let limited = EventQuery {
        conditions: vec![Where::parse("--where", "duration_seconds>1h", Subject::Events).unwrap()],
        limit: Some(1),
        ..EventQuery::all(window("2026-06-01", "2026-06-10"))
    };
    let (names, listing) = list(&tables, &limited);
    assert_eq!((names, listing.more), (vec!["b".to_owned()], true));
}

#[test]
fn field_is_found_by_its_name_in_the_properties() {
    let mut tables = shop();
    tables.events =
        vec![with_properties(r#"{"plan":"pro","é\"":1}"#, event("2026-06-01T10:00:00Z", "x", "a"))];
    let resolve = |text: &str, subject| {
        let mut condition = Where::parse("--where", text, subject).unwrap();
        let notes = condition.resolve(&tables, Some((day("2026-06-01"), day("2026-06-10"))))?;
        Ok::<_, crate::Error>((condition, notes))
    };
    for subject in [Subject::Events, Subject::Sessions] {
        let (condition, notes) = resolve("plan=pro and event.event_name=a", subject).unwrap();
        assert_eq!(notes, ["plan is read as properties.plan"]);
        let conditions = vec![condition];
        let june = EventQuery::all(window("2026-06-01", "2026-06-10"));
        assert_eq!(list(&tables, &EventQuery { conditions, ..june }).0, ["a"]);
        let error = resolve("contry_code=DE", subject).unwrap_err();
        assert_eq!(error.to_string(), "--where \"contry_code=DE\": there is no field \"contry_code\"");
        assert_eq!(error.hint_text(), Some("did you mean country_code?"));
        let error = resolve("nothing.like.it=1", subject).unwrap_err();
        assert!(error.hint_text().unwrap().contains("no event of these days has such a property"));
    }
}

#[test]
fn clock_does_not_limit_the_listed_events() {
    let mut tables = shop();
    tables.events = vec![event("2026-06-05T10:00:00Z", "x", "one")];
    let window = Window { today: day("2020-01-01"), ..window("2026-06-01", "2026-06-10") };
    assert_eq!(list(&tables, &EventQuery::all(window)).0, ["one"]);
}

#[test]
fn listing_stops_at_break() {
    let mut tables = shop();
    tables.events = (1..=9).map(|n| event(&format!("2026-06-0{n}T10:00:00Z"), "x", "one")).collect();
    let mut rows = 0;
    let all = EventQuery::all(window("2026-06-01", "2026-06-09"));
    let mut visit = |frame: &Frame| {
        rows += frame.height();
        Ok(ControlFlow::Break(()))
    };
    list_events(&tables, &all, &["event_name"], &mut visit).unwrap();
    // Dates are read four at a time.
    assert_eq!(rows, 4);
}
