//! Tests that reading a window in chunks does not change a sum.

use std::sync::Mutex;

use super::sessions::fold_chunks;
use super::*;
use crate::report::query::filter::{Subject, Where};
use crate::report::query::selection::ClassifiedSessions;
use crate::report::query::selection::filter::{SELECTED, SessionFilter};
use crate::report::query::session_keys::NoValues;
use crate::report::query::tables::TableFacts;
use crate::report::tests::fixtures::june;
use crate::report::tests::memory_tables::{Event, MemoryTables, Session, event, session, time};
use crate::store::columns::Table;
use crate::time::SECOND;

/// Tables with an estimate of ten rows for each day.
struct Estimated(MemoryTables);

impl Tables for Estimated {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        self.0.read(table, days, columns)
    }
    fn estimated_rows(&self, _: Table, days: Option<(Day, Day)>) -> usize {
        days.map_or(0, |(from, to)| 10 * (to.0 - from.0 + 1) as usize)
    }

    fn facts(&self) -> &dyn TableFacts {
        &self.0
    }
}

/// Tags events with the number at the end of their name.
struct Numbers;

impl EventTags for Numbers {
    fn columns(&self) -> Vec<&'static str> {
        vec!["event_name"]
    }
    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>> {
        let names = frame.texts("event_name")?;
        Ok(Box::new(|row| names.get(row)?.strip_prefix("step ")?.parse().ok()))
    }
}

/// Collects the sequences of tags.
struct Collect;

impl<S> SequenceFold<S> for Collect {
    type Sum = Vec<Vec<u32>>;
    fn empty(&self) -> Self::Sum {
        Vec::new()
    }
    fn add(&self, sum: &mut Self::Sum, _: &S, events: &[SequenceEvent]) {
        sum.push(events.iter().map(|event| event.tag).collect());
    }
    fn merge(&self, mut sum: Self::Sum, other: Self::Sum) -> Self::Sum {
        sum.extend(other);
        sum.sort();
        sum
    }
}

/// Returns ten sessions, one per day, that start at 23:59 and end after midnight. Their events have
/// the numbers 1, 2 and 3; the event with the number 9 belongs to no session.
fn tables() -> MemoryTables {
    let mut tables = MemoryTables::new(Vec::new());
    for day in 1..=10 {
        let start = format!("2026-06-{day:02}T23:59:00Z");
        let session = Session { seconds: 120, ..session(&start, "anna") };
        let id = session.session.clone().unwrap();
        let at =
            |seconds: i64, name| Event { time: time(&start) + seconds * SECOND, ..event(&start, &id, name) };
        // Ids are in the order of this list. Some events are late, and some have the same time.
        tables.events.extend([at(120, "step 3"), at(60, "step 2"), at(0, "step 1"), at(60, "step 1")]);
        tables.events.extend([at(30, "other"), at(130, "step 9")]);
        tables.sessions.push(session);
    }
    tables
}

#[test]
fn sequences_are_ordered_by_time_and_id_in_any_chunks() {
    for max_events in [0, 25, 1_000] {
        let folded = fold_chunks(&Estimated(tables()), &june(), &NoValues, &Numbers, &Collect, max_events);
        let folded = folded.unwrap();
        assert_eq!(folded.sum, vec![vec![1, 2, 1, 3]; 10], "{max_events}");
        assert_eq!(folded.sessions, 10);
    }
}

/// On each of ten days, two sessions have all their events in one file. All events of one session
/// have different times; two events of the other session have the same time.
#[test]
fn sequences_in_single_files_are_ordered_by_time_and_id() {
    let mut tables = tables();
    (tables.sessions, tables.events) = (Vec::new(), Vec::new());
    for day in 1..=10 {
        for (hour, seconds) in [(8, [20, 10, 0, 15]), (9, [120, 60, 0, 60])] {
            let start = format!("2026-06-{day:02}T{hour:02}:00:00Z");
            let id = format!("{day} {hour}");
            let session = Session { session: Some(id.clone()), ..session(&start, "anna") };
            tables.sessions.push(Session { seconds: *seconds.iter().max().unwrap(), ..session });
            let names = ["step 3", "step 2", "step 1", "step 1"];
            tables.events.extend(seconds.into_iter().zip(names).map(|(seconds, name)| Event {
                time: time(&start) + seconds * SECOND,
                ..event(&start, &id, name)
            }));
        }
    }
    let mut expected = vec![vec![1, 2, 1, 3]; 20];
    assert_eq!(fold_sessions(&tables, &june(), &NoValues, &Numbers, &Collect).unwrap().sum, expected);
    // Ties by tag: the event with the smaller number is first.
    struct ByTag;
    impl EventTags for ByTag {
        fn columns(&self) -> Vec<&'static str> {
            Numbers.columns()
        }
        fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>> {
            Numbers.bind(frame)
        }
        fn tie_order(&self) -> TieOrder {
            TieOrder::Tag
        }
    }
    expected.splice(..10, vec![vec![1, 1, 2, 3]; 10]);
    assert_eq!(fold_sessions(&tables, &june(), &NoValues, &ByTag, &Collect).unwrap().sum, expected);
}

#[test]
fn sequences_of_a_filter_are_those_with_a_matching_event() {
    let mut tables = tables();
    // Only the last event of a session, after midnight, can match.
    for (number, event) in tables.events.iter_mut().filter(|event| event.name == "step 3").enumerate() {
        event.properties = (number % 2 == 0).then(|| r#"{"x":1}"#.to_owned());
    }
    tables.sessions.iter_mut().take(3).for_each(|session| session.country = Some("DE"));
    // A bot session is counted separately.
    tables.sessions.iter_mut().skip(9).for_each(|session| session.bot = true);
    for (conditions, sessions, bots) in [
        (&["properties.x=1"][..], 5, 0),
        (&["properties.x=1", "country_code=DE"], 2, 0),
        (&["country_code=DE"], 3, 0),
        (&["event.event_name=step 3"], 9, 1),
        // Different events meet the two conditions.
        (&["properties.x=1", "event.event_name=step 9"], 0, 0),
        (&["properties.x=1", "event.event_name=other"], 5, 0),
    ] {
        let parse = |text: &&str| Where::parse("--where", text, Subject::Sessions).unwrap();
        let conditions: Vec<Where> = conditions.iter().map(parse).collect();
        let filter = SessionFilter::new(&conditions, crate::time::Zone::UTC);
        for max_events in [0, 25, 1_000] {
            let tables = Estimated(tables.clone());
            let selection = ClassifiedSessions::new(&tables, &filter);
            let selected = selection.class(SELECTED);
            assert!(selected.unclassified().is_some());
            let folded = fold_chunks(&selected, &june(), &NoValues, &Numbers, &Collect, max_events).unwrap();
            assert_eq!(folded.sum, vec![vec![1, 2, 1, 3]; sessions], "{max_events} {conditions:?}");
            assert_eq!((folded.sessions, folded.bots), (sessions as u64, bots));
            // A classified selection has the same sequences.
            selection.prepare(Some(june().window.range())).unwrap();
            assert!(selected.unclassified().is_none());
            let again = fold_chunks(&selected, &june(), &NoValues, &Numbers, &Collect, max_events).unwrap();
            assert_eq!((again.sum, again.sessions, again.bots), (folded.sum, folded.sessions, folded.bots));
        }
    }
}

/// Tables that record the last date of each read of events.
struct Recorded(MemoryTables, Mutex<Vec<Day>>);

impl Tables for Recorded {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let last = days.filter(|_| table == Table::Events).map(|(_, last)| last);
        self.1.lock().unwrap().extend(last);
        self.0.read(table, days, columns)
    }

    fn facts(&self) -> &dyn TableFacts {
        &self.0
    }
}

#[test]
fn events_of_an_excluded_bot_are_not_read() {
    let mut tables = tables();
    tables.sessions.iter_mut().for_each(|session| session.country = Some("DE"));
    let bot = session("2026-06-01T08:00:00Z", "bot");
    let seconds = 90 * crate::time::DAY / SECOND;
    tables.sessions.push(Session { bot: true, seconds, country: Some("DE"), ..bot });
    let last_read = |condition: &str, include_bots: bool| {
        let conditions = [Where::parse("--where", condition, Subject::Sessions).unwrap()];
        let filter = SessionFilter::new(&conditions, Zone::UTC);
        let tables = Recorded(tables.clone(), Mutex::default());
        let selection = ClassifiedSessions::new(&tables, &filter);
        let query = Query { include_bots, ..june() };
        let selected = selection.class(SELECTED);
        let folded = fold_sessions(&selected, &query, &NoValues, &Numbers, &Collect).unwrap();
        assert_eq!((folded.sum.len(), folded.bots), (10, 1), "{condition}");
        tables.1.lock().unwrap().iter().max().unwrap().to_string()
    };
    assert_eq!(last_read("country_code=DE", false), "2026-06-11");
    // The bot is counted as all other sessions are.
    assert_eq!(last_read("country_code=DE", true), "2026-08-30");
}

#[test]
fn session_whose_first_events_are_pruned_is_left_out() {
    let mut tables = tables();
    tables.events_pruned = Some(crate::report::tests::memory_tables::day("2026-06-04"));
    let folded = fold_sessions(&tables, &june(), &NoValues, &Numbers, &Collect).unwrap();
    assert_eq!((folded.sum.len(), folded.sessions), (6, 6));
    assert!(on_pruned_events(&tables, &june()).unwrap().contains("up to 2026-06-04"));
    tables.events_pruned = Some(crate::report::tests::memory_tables::day("2026-05-31"));
    assert_eq!(on_pruned_events(&tables, &june()), None);
}
