//! The merge laws of session summaries, and the gap rule, on random events.

use proptest::prelude::*;

use super::{SessionSummary, merge_adjacent, split_by_gap};
use crate::event::{Block, Event, EventRow, KeyKind, TextField, TextId};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::tables::session_consistency::consistent_rows;
use crate::store::tables::sessions::{file_builder, read};
use crate::time::{Micros, SECOND};

const TIMEOUT: i64 = 1800 * SECOND;

/// The fields of a random event. Small alphabets make ties and conflicts common.
#[derive(Clone, Debug)]
struct Sample {
    time: i64,
    id: u128,
    name: &'static str,
    anonymous: Option<&'static str>,
    user: Option<&'static str>,
    email: Option<&'static str>,
    metadata: Option<&'static str>,
    city: Option<&'static str>,
    trigger: Option<&'static str>,
    category: Option<&'static str>,
    landing: Option<&'static str>,
    url: Option<&'static str>,
    source: Option<&'static str>,
    screen: Option<i32>,
    response: Option<i64>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let gap = prop_oneof![Just(0), Just(1), Just(1799), Just(1800), Just(1801), 0..4000i64];
    let maybe = |words: &'static [&'static str]| proptest::option::of(proptest::sample::select(words));
    (
        (gap, 0..6i64, any::<u128>()),
        proptest::sample::select(&["message_sent", "message_received", "widget_opened", "x"][..]),
        (maybe(&["a", "b"]), maybe(&["u", "v"]), maybe(&["e@x", "f@x"])),
        (maybe(&["/l", "/m"]), maybe(&["https://h/p?q", "https://h/l"]), maybe(&["g", "h"])),
        (
            maybe(&["{\"plan\":\"a\\\"b\"}", "{}"]),
            maybe(&["Bonn", "Köln"]),
            maybe(&["click", "timer"]),
            maybe(&["error"]),
        ),
        (proptest::option::of(300..303i32), proptest::option::of(response())),
    )
        .prop_map(
            |(
                (gap, spread, id),
                name,
                (anonymous, user, email),
                (landing, url, source),
                (metadata, city, trigger, category),
                (screen, response),
            )| {
                let time = gap * SECOND + spread * TIMEOUT;
                Sample {
                    time,
                    id,
                    name,
                    anonymous,
                    user,
                    email,
                    metadata,
                    city,
                    trigger,
                    category,
                    landing,
                    url,
                    source,
                    screen,
                    response,
                }
            },
        )
}

/// Generates usual response times, and some whose sum overflows the column.
fn response() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..5_000_000i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX / 2 + 1)]
}

/// Builds a block of events with one session key.
fn block(events: &[Sample]) -> Block {
    let mut block = Block::default();
    for sample in events {
        let mut row =
            EventRow { id: sample.id, time: sample.time, key_kind: KeyKind::Session, ..EventRow::EMPTY };
        let fields = [
            (TextField::ChatbotId, Some("c")),
            (TextField::SessionId, Some("s")),
            (TextField::EventName, Some(sample.name)),
            (TextField::AnonymousId, sample.anonymous),
            (TextField::UserId, sample.user),
            (TextField::UserEmail, sample.email),
            (TextField::UserMetadata, sample.metadata),
            (TextField::City, sample.city),
            (TextField::EventCategory, sample.category),
            (TextField::LandingPage, sample.landing),
            (TextField::PageUrl, sample.url),
            (TextField::UtmSource, sample.source),
        ];
        for (field, text) in fields {
            row.text[field as usize] = text.map_or(TextId::NONE, |text| block.texts.push(text).unwrap());
        }
        row.triggered_by = sample.trigger.map_or(TextId::NONE, |text| block.texts.push(text).unwrap());
        row.names_source = sample.source.is_some();
        row.screen_width = sample.screen.unwrap_or(crate::event::NO_NUMBER);
        row.response_us = sample.response.unwrap_or(crate::event::NO_RESPONSE);
        block.rows.push(row);
    }
    block
}

fn sessions_of<'a>(block: &'a Block, mut rows: Vec<&'a EventRow>, now: Micros) -> Vec<SessionSummary<'a>> {
    rows.sort_by_key(|row| (row.time, row.id));
    let events: Vec<Event<'_>> = rows.into_iter().map(|row| block.event(row)).collect();
    split_by_gap(&events, TIMEOUT).filter_map(|events| SessionSummary::from_events(events, now)).collect()
}

fn singles(block: &Block) -> Vec<SessionSummary<'_>> {
    block.rows.iter().map(|row| SessionSummary::from_event(block.event(row), 0)).collect()
}

fn merged<'a>(pieces: impl IntoIterator<Item = SessionSummary<'a>>) -> SessionSummary<'a> {
    pieces
        .into_iter()
        .reduce(|mut all, piece| {
            all.merge(piece);
            all
        })
        .expect("there is an event")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn merging_is_associative_and_commutative(
        events in proptest::collection::vec(sample(), 1..8),
        order in any::<u64>(),
        cut_at in 0..8usize,
    ) {
        let block = block(&events);
        let in_order = merged(singles(&block));
        // Another order and another grouping.
        let mut shuffled = singles(&block);
        let n = shuffled.len();
        for i in (1..n).rev() {
            shuffled.swap(i, (order.rotate_left(i as u32 * 7) % (i as u64 + 1)) as usize);
        }
        let right = shuffled.split_off(cut_at.min(n - 1));
        let pieces = [shuffled, right].into_iter().filter(|p| !p.is_empty()).map(merged);
        prop_assert_eq!(merged(pieces), in_order);
    }

    #[test]
    fn adding_an_event_equals_merging_its_summary(events in proptest::collection::vec(sample(), 1..8)) {
        let block = block(&events);
        let mut added = SessionSummary::from_event(block.event(&block.rows[0]), 0);
        for row in &block.rows[1..] {
            added.add(block.event(row));
        }
        prop_assert_eq!(added, merged(singles(&block)));
    }

    // The result does not depend on how the events are distributed over fragments.
    #[test]
    fn merged_fragments_equal_sessions_split_from_all_events(
        events in proptest::collection::vec(sample(), 1..20),
        deal in proptest::collection::vec(0..3usize, 20),
    ) {
        let block = block(&events);
        let mut parts: [Vec<&EventRow>; 3] = Default::default();
        for (row, &part) in block.rows.iter().zip(&deal) {
            parts[part].push(row);
        }
        let pieces: Vec<SessionSummary<'_>> = parts.into_iter().flat_map(|rows| sessions_of(&block, rows, 0)).collect();
        prop_assert_eq!(merge_adjacent(pieces, TIMEOUT), sessions_of(&block, block.rows.iter().collect(), 0));
    }

    // The independent computation sorts the events, splits them at larger gaps, and evaluates each
    // field.
    #[test]
    fn session_fields_match_an_independent_computation(events in proptest::collection::vec(sample(), 1..12)) {
        let block = block(&events);
        let mut sorted = events.clone();
        sorted.sort_by_key(|sample| (sample.time, sample.id));
        let runs: Vec<&[Sample]> = sorted.chunk_by(|a, b| b.time - a.time <= TIMEOUT).collect();
        let sessions = sessions_of(&block, block.rows.iter().collect(), 0);
        prop_assert_eq!(sessions.len(), runs.len());
        for (session, run) in sessions.iter().zip(runs) {
            prop_assert_eq!(session.first.time, run[0].time);
            prop_assert_eq!(session.ended_at, run[run.len() - 1].time);
            prop_assert_eq!(session.event_count(), run.len() as u64);
            let sent = run.iter().filter(|s| s.name == "message_sent").count();
            prop_assert_eq!(session.count("message_sent"), sent as u64);
            let anonymous = run.iter().find_map(|s| s.anonymous);
            prop_assert_eq!(session.anonymous_id.value().map(super::CowStr::as_ref), anonymous);
            let user = run.iter().rev().find_map(|s| s.user);
            prop_assert_eq!(session.user_id.value().map(super::CowStr::as_ref), user);
            let landing = run.iter().find_map(|s| s.landing).or(run.iter().find_map(|s| {
                s.url.map(|url| if url == "https://h/l" { "/l" } else { "/p" })
            }));
            prop_assert_eq!(session.landing(), landing);
            let names_no_other = |s: &&Sample| {
                (s.email.is_some() || s.metadata.is_some()) && (s.user.is_none() || s.user == user)
            };
            let last = run.iter().rev().find(names_no_other);
            prop_assert_eq!(session.profile().and_then(|p| p.user_email.as_deref()), last.and_then(|s| s.email));
            let metadata = session.profile().and_then(|p| p.user_metadata.as_deref());
            prop_assert_eq!(metadata, last.and_then(|s| s.metadata));
            let city = run.iter().find_map(|s| s.city);
            prop_assert_eq!(session.location.value().and_then(|place| place.city.as_deref()), city);
            let trigger = run.iter().find_map(|s| s.trigger);
            prop_assert_eq!(session.triggered_by.value().map(super::CowStr::as_ref), trigger);
            prop_assert_eq!(session.errors, run.iter().filter(|s| s.category.is_some()).count() as u64);
            let responses: Vec<i64> = run.iter().filter_map(|s| s.response).collect();
            let sum = responses.iter().map(|us| i128::from(*us)).sum::<i128>().min(i128::from(i64::MAX));
            prop_assert_eq!(i128::from(session.response_sum_us), sum);
            prop_assert_eq!(session.response_count, responses.len() as u64);
        }
    }

    #[test]
    fn sessions_round_trip_through_their_table(events in proptest::collection::vec(sample(), 1..12)) {
        let block = block(&events);
        let sessions = sessions_of(&block, block.rows.iter().collect(), 7);
        let table = stored(&sessions);
        prop_assert_eq!(read(&table).unwrap(), sessions);
    }

    // One column has the values of other rows, so that most rows are inconsistent.
    #[test]
    fn consistent_rows_agree_with_a_comparison_of_frames(
        events in proptest::collection::vec(sample(), 1..12),
        column in 0..Table::Sessions.columns().len(),
    ) {
        let block = block(&events);
        let table = stored(&sessions_of(&block, block.rows.iter().collect(), 7));
        let order: Vec<u32> = (0..table.height() as u32).rev().collect();
        let reversed = table.gather(&order).unwrap();
        let columns = Table::Sessions.columns().iter().enumerate().map(|(number, of_table)| {
            let source = if number == column { &reversed } else { &table };
            source.select(&[of_table.name]).unwrap()
        });
        let changed = Frame::join_columns(table.height(), columns.collect()).unwrap();
        let sessions = read(&changed).unwrap();
        let derived = stored(&sessions);
        let is_equal = |row: usize| changed.slice(row, 1) == derived.slice(row, 1);
        let expected: Vec<bool> = (0..changed.height()).map(is_equal).collect();
        prop_assert_eq!(consistent_rows(&changed, &sessions).unwrap(), expected);
    }

    // The merge law also holds for rows that were stored and read back.
    #[test]
    fn stored_sessions_merge_with_new_fragments(
        events in proptest::collection::vec(sample(), 1..12),
        is_stored in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let block = block(&events);
        let (old, new): (Vec<_>, Vec<_>) = block.rows.iter().zip(is_stored).partition(|(_, is_stored)| *is_stored);
        let rows = |part: Vec<(_, bool)>| part.into_iter().map(|(row, _)| row).collect();
        let table = stored(&sessions_of(&block, rows(old), 0));
        let pieces = [read(&table).unwrap(), sessions_of(&block, rows(new), 0)].concat();
        let joined = merge_adjacent(pieces, TIMEOUT);
        let whole = sessions_of(&block, block.rows.iter().collect(), 0);
        prop_assert!(stored(&joined) == stored(&whole));
        prop_assert_eq!(joined, whole);
    }
}

fn stored(sessions: &[SessionSummary<'_>]) -> crate::store::frame::Frame {
    let bytes = file_builder(&sessions.iter().collect::<Vec<_>>()).unwrap().finish().unwrap();
    crate::store::parquet::decode(bytes, None).unwrap()
}

#[test]
fn gap_splits_only_beyond_thirty_minutes() {
    let at = |time| Sample {
        time,
        id: time as u128,
        name: "x",
        anonymous: None,
        user: None,
        email: None,
        metadata: None,
        city: None,
        trigger: None,
        category: None,
        landing: None,
        url: None,
        source: None,
        screen: None,
        response: None,
    };
    for (gap, expected) in [(TIMEOUT, 1), (TIMEOUT + 1, 2)] {
        let block = block(&[at(0), at(gap)]);
        assert_eq!(merge_adjacent(singles(&block), TIMEOUT).len(), expected, "a gap of {gap} µs");
    }
}
