//! The law of the mergeable summary, and the gap rule, on random events.

use proptest::prelude::*;

use super::{SessionSummary, merge_adjacent, split_by_gap};
use crate::event::{Block, Event, EventRow, KeyKind, TextField, TextId};
use crate::store::tables::sessions::{file, read};
use crate::time::{Micros, SECOND};

const TIMEOUT: i64 = 1800 * SECOND;

/// What a random event says; small alphabets, so that ties and clashes are common.
#[derive(Clone, Debug)]
struct Said {
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

fn said() -> impl Strategy<Value = Said> {
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
                Said {
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

/// Usual response times, and such that no column holds the sum of two.
fn response() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..5_000_000i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX / 2 + 1)]
}

/// Puts events of one session key into a block.
fn block(events: &[Said]) -> Block {
    let mut block = Block::default();
    for said in events {
        let mut row =
            EventRow { id: said.id, time: said.time, key_kind: KeyKind::Session, ..EventRow::EMPTY };
        let fields = [
            (TextField::ChatbotId, Some("c")),
            (TextField::SessionId, Some("s")),
            (TextField::EventName, Some(said.name)),
            (TextField::AnonymousId, said.anonymous),
            (TextField::UserId, said.user),
            (TextField::UserEmail, said.email),
            (TextField::UserMetadata, said.metadata),
            (TextField::City, said.city),
            (TextField::EventCategory, said.category),
            (TextField::LandingPage, said.landing),
            (TextField::PageUrl, said.url),
            (TextField::UtmSource, said.source),
        ];
        for (field, text) in fields {
            row.text[field as usize] = text.map_or(TextId::NONE, |text| block.texts.push(text).unwrap());
        }
        row.triggered_by = said.trigger.map_or(TextId::NONE, |text| block.texts.push(text).unwrap());
        row.names_source = said.source.is_some();
        row.screen_width = said.screen.unwrap_or(crate::event::NO_NUMBER);
        row.response_us = said.response.unwrap_or(crate::event::NO_RESPONSE);
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
        events in proptest::collection::vec(said(), 1..8),
        order in any::<u64>(),
        cut_at in 0..8usize,
    ) {
        let block = block(&events);
        let in_order = merged(singles(&block));
        // Another order, and another way of putting brackets.
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
    fn adding_an_event_is_merging_with_its_own_summary(events in proptest::collection::vec(said(), 1..8)) {
        let block = block(&events);
        let mut added = SessionSummary::from_event(block.event(&block.rows[0]), 0);
        for row in &block.rows[1..] {
            added.add(block.event(row));
        }
        prop_assert_eq!(added, merged(singles(&block)));
    }

    /// Whatever the pieces, joining them gives the sessions of all events cut at once.
    #[test]
    fn sessions_joined_from_pieces_are_those_cut_from_all_events(
        events in proptest::collection::vec(said(), 1..20),
        deal in proptest::collection::vec(0..3usize, 20),
    ) {
        let block = block(&events);
        let mut hands: [Vec<&EventRow>; 3] = Default::default();
        for (row, &hand) in block.rows.iter().zip(&deal) {
            hands[hand].push(row);
        }
        let pieces: Vec<SessionSummary<'_>> = hands.into_iter().flat_map(|rows| sessions_of(&block, rows, 0)).collect();
        prop_assert_eq!(merge_adjacent(pieces, TIMEOUT), sessions_of(&block, block.rows.iter().collect(), 0));
    }

    /// A second way to say what a session is: sort, cut where the gap is greater, look at each field.
    #[test]
    fn a_session_is_what_its_fields_rules_say(events in proptest::collection::vec(said(), 1..12)) {
        let block = block(&events);
        let mut sorted = events.clone();
        sorted.sort_by_key(|said| (said.time, said.id));
        let runs: Vec<&[Said]> = sorted.chunk_by(|a, b| b.time - a.time <= TIMEOUT).collect();
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
            let names_no_other = |s: &&Said| {
                (s.email.is_some() || s.metadata.is_some()) && (s.user.is_none() || s.user == user)
            };
            let last = run.iter().rev().find(names_no_other);
            prop_assert_eq!(session.profile().and_then(|p| p.user_email.as_deref()), last.and_then(|s| s.email));
            let metadata = session.profile().and_then(|p| p.user_metadata.as_deref());
            prop_assert_eq!(metadata, last.and_then(|s| s.metadata));
            let city = run.iter().find_map(|s| s.city);
            prop_assert_eq!(session.place.value().and_then(|place| place.city.as_deref()), city);
            let trigger = run.iter().find_map(|s| s.trigger);
            prop_assert_eq!(session.triggered_by.value().map(super::CowStr::as_ref), trigger);
            prop_assert_eq!(session.errors, run.iter().filter(|s| s.category.is_some()).count() as u64);
            let responses: Vec<i64> = run.iter().filter_map(|s| s.response).collect();
            let sum = responses.iter().map(|us| i128::from(*us)).sum::<i128>().min(i128::from(i64::MAX));
            prop_assert_eq!(i128::from(session.response_sum_us), sum);
            prop_assert_eq!(session.response_count, responses.len() as u64);
        }
    }

    /// What is written to the table and read back is the same, to the last position.
    #[test]
    fn a_session_survives_its_table(events in proptest::collection::vec(said(), 1..12)) {
        let block = block(&events);
        let sessions = sessions_of(&block, block.rows.iter().collect(), 7);
        let table = stored(&sessions);
        prop_assert_eq!(read(&table).unwrap(), sessions);
    }

    /// Whatever was stored before: the law holds for rows of the table as for summaries.
    #[test]
    fn stored_sessions_joined_with_new_pieces_are_those_cut_from_all_events(
        events in proptest::collection::vec(said(), 1..12),
        is_stored in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let block = block(&events);
        let (old, new): (Vec<_>, Vec<_>) = block.rows.iter().zip(is_stored).partition(|(_, is_stored)| *is_stored);
        let rows = |hand: Vec<(_, bool)>| hand.into_iter().map(|(row, _)| row).collect();
        let table = stored(&sessions_of(&block, rows(old), 0));
        let pieces = [read(&table).unwrap(), sessions_of(&block, rows(new), 0)].concat();
        let joined = merge_adjacent(pieces, TIMEOUT);
        let whole = sessions_of(&block, block.rows.iter().collect(), 0);
        prop_assert!(stored(&joined).equals_missing(&stored(&whole)));
        prop_assert_eq!(joined, whole);
    }
}

fn stored(sessions: &[SessionSummary<'_>]) -> polars::prelude::DataFrame {
    let bytes = file(&sessions.iter().collect::<Vec<_>>()).unwrap().finish().unwrap();
    crate::store::parquet::decode(crate::store::file_system::Opened::Bytes(bytes), None).unwrap()
}

#[test]
fn thirty_minutes_stay_together_and_a_microsecond_more_splits() {
    let at = |time| Said {
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
