//! Random logs: what verify and rebuild must keep, whatever the events are.

use proptest::prelude::*;

use super::fixture::Place;
use crate::store::columns::Table;
use crate::time::{DAY, SECOND, format_utc, parse_human};

const NOW: &str = "2026-03-20T12:00:00Z";

/// What a random event says, beside its number.
#[derive(Clone, Debug)]
struct Said {
    chatbot: u8,
    session: Option<u8>,
    anonymous: Option<u8>,
    user: Option<u8>,
    /// Half hours after the first day, and what is added to them.
    half_hours: i64,
    more_us: i64,
    name: u8,
    extra: u8,
    copies: usize,
}

fn said() -> impl Strategy<Value = Said> {
    let maybe = |most: u8| proptest::option::of(0..most);
    (
        (0..2u8, maybe(3), maybe(3), maybe(2)),
        (0..240i64, prop_oneof![Just(0), Just(1), Just(-1), 0..1800 * SECOND]),
        (0..6u8, 0..16u8, prop_oneof![9 => Just(1usize), 1 => Just(2)]),
    )
        .prop_map(
            |((chatbot, session, anonymous, user), (half_hours, more_us), (name, extra, copies))| Said {
                chatbot,
                session,
                anonymous,
                user,
                half_hours,
                more_us,
                name,
                extra,
                copies,
            },
        )
}

fn line(number: usize, said: &Said) -> String {
    let time = parse_human("2026-03-10T00:00:00Z").unwrap() + said.half_hours * 1800 * SECOND + said.more_us;
    let mut fields = vec![
        format!("\"chatbot_id\":\"bot{}\"", said.chatbot),
        format!("\"timestamp\":\"{}\"", format_utc(time)),
    ];
    if said.extra & 1 == 0 {
        fields.push(format!("\"event_id\":\"e{number}\""));
    } else {
        fields.push(format!(
            "\"properties\":{{\"n\":{number},\"response_time_ms\":{number}.25,\"triggered_by\":\"b\"}}"
        ));
    }
    for (name, value) in
        [("session_id", said.session), ("anonymous_id", said.anonymous), ("user_id", said.user)]
    {
        if let Some(value) = value {
            fields.push(format!("\"{name}\":\"{value}\""));
        }
    }
    if said.session.is_none() && said.anonymous.is_none() && said.user.is_none() {
        fields.push("\"session_id\":\"9\"".to_owned());
    }
    let names = ["message_sent", "message_received", "widget_opened", "widget_error", "page_view", "x"];
    fields.push(format!("\"event_name\":\"{}\"", names[usize::from(said.name)]));
    if said.extra & 2 != 0 {
        fields
            .push(format!("\"page_url\":\"https://shop.example/p{}?utm_source=u{}\"", said.extra, said.name));
        fields.push("\"user_agent\":\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\"".to_owned());
    }
    if said.extra & 4 != 0 {
        fields.push(
            "\"referrer\":\"https://news.example/a\",\"screen_width\":300,\"user_email\":\"a@b.example\""
                .to_owned(),
        );
    }
    if said.extra & 8 != 0 {
        fields.push(
            "\"user_agent\":\"Googlebot/2.1 (+http://www.google.com/bot.html)\",\"ip\":\"192.0.2.7\""
                .to_owned(),
        );
    }
    format!("{{{}}}\n", fields.join(","))
}

/// Deals lines to files.
fn deal(events: &[Said], files: usize) -> Vec<Vec<String>> {
    let mut dealt = vec![Vec::new(); files];
    for (number, said) in events.iter().enumerate() {
        for copy in 0..said.copies {
            dealt[(number * 7 + copy) % files].push(line(number, said));
        }
    }
    dealt
}

fn zones() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati"][..])
}

fn timeouts() -> impl Strategy<Value = i64> {
    proptest::sample::select(&[600 * SECOND, 1800 * SECOND, 3600 * SECOND, 2 * DAY][..])
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// What no rebuild may change: neither lost nor counted twice.
fn kept(place: &Place) -> Vec<i64> {
    let columns = ["event_count", "messages_sent", "messages_received", "widget_opened_count", "error_count"];
    place.sums(Table::Sessions, &[&columns[..], &["response_time_sum_us", "response_time_count"]].concat())
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn verify_is_clean_after_any_ingests_and_gcs_and_a_rebuild_without_a_change_changes_no_row(
        events in proptest::collection::vec(said(), 1..60),
        zone in zones(),
        keep in proptest::option::of(6..11u32),
        keep_longer in proptest::option::of(0..3u32),
    ) {
        let mut place = Place::new(NOW);
        place.zone(zone);
        let mut files = deal(&events, 3);
        let late = files.pop().unwrap();
        for file in files {
            place.ingest(&file);
        }
        place.is_clean();
        place.gc(keep, keep_longer.and_then(|longer| Some(keep? + longer)));
        place.is_clean();
        place.ingest(&late);
        place.is_clean();
        let before = place.rows(&[]);
        let generation = place.store().snapshot().unwrap().manifest().generation;
        let report = place.rebuild();
        prop_assert!(!report.changed, "{:?}", report);
        prop_assert_eq!(report.sessions_changed, 0);
        prop_assert_eq!(place.store().snapshot().unwrap().manifest().generation, generation);
        prop_assert_eq!(place.rows(&[]), before);
    }

    #[test]
    fn a_rebuild_by_another_timeout_and_time_zone_is_a_fresh_ingest_by_them(
        events in proptest::collection::vec(said(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
    ) {
        let mut place = Place::new(NOW);
        place.zone(zones.0);
        place.settings.session_timeout = timeouts.0;
        let files = deal(&events, 2);
        for file in &files {
            place.ingest(file);
        }
        let before = place.rows(&[]);
        let (old_zone, old_timeout) = (place.settings.timezone, place.settings.session_timeout);
        place.zone(zones.1);
        place.settings.session_timeout = timeouts.1;
        place.rebuild();
        place.is_clean();
        let mut fresh = Place::new(NOW);
        fresh.settings = place.settings.clone();
        for file in files.iter().rev() {
            fresh.ingest(file);
        }
        prop_assert_eq!(place.figures(), fresh.figures());
        // And back: as if nothing had been.
        place.settings.timezone = old_zone;
        place.settings.session_timeout = old_timeout;
        place.rebuild();
        place.is_clean();
        if timeouts.0 == timeouts.1 {
            let sessions = |rows: &super::fixture::Rows| rows[0].clone();
            prop_assert_eq!(sessions(&place.rows(&[])), sessions(&before));
        }
        let mut again = Place::new(NOW);
        again.settings = place.settings.clone();
        for file in &files {
            again.ingest(file);
        }
        prop_assert_eq!(place.figures(), again.figures());
    }

    /// Where events are pruned, no event is lost from the sessions and none counted twice, whatever
    /// the settings become, and what cannot be made again comes back as it was.
    #[test]
    fn a_rebuild_at_the_seam_loses_nothing_and_doubles_nothing(
        events in proptest::collection::vec(said(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
        keep in 6..11u32,
        keep_longer in proptest::option::of(0..3u32),
    ) {
        let mut place = Place::new(NOW);
        place.zone(zones.0);
        place.settings.session_timeout = timeouts.0;
        let mut files = deal(&events, 2);
        let late = files.pop().unwrap();
        place.ingest(&files.concat());
        place.gc(Some(keep), keep_longer.map(|longer| keep + longer));
        place.ingest(&late);
        let before = kept(&place);
        let visitors = place.rows(&[])[2].clone();
        place.zone(zones.1);
        place.settings.session_timeout = timeouts.1;
        place.rebuild();
        place.is_clean();
        prop_assert_eq!(kept(&place), before.clone());
        let again = place.rebuild();
        prop_assert!(!again.changed, "{:?}", again);
        place.zone(zones.0);
        place.settings.session_timeout = timeouts.0;
        place.rebuild();
        place.is_clean();
        prop_assert_eq!(kept(&place), before);
        prop_assert_eq!(place.rows(&[])[2].clone(), visitors);
    }

    /// Sums of daily statistics count every session once, also where sessions are pruned.
    #[test]
    fn a_time_zone_moves_no_session_out_of_the_daily_statistics(
        events in proptest::collection::vec(said(), 1..60),
        zones in (zones(), zones()),
        keep in (6..11u32, 0..2u32),
    ) {
        let columns = [
            "total_sessions", "bot_sessions", "total_conversations", "total_messages_sent",
            "total_messages_received", "widget_opens", "error_count", "desktop_sessions",
            "session_duration_sum_seconds", "response_time_sum_us", "response_time_count",
        ];
        let mut place = Place::new(NOW);
        place.zone(zones.0);
        place.ingest(&deal(&events, 1).concat());
        place.gc(Some(keep.0), Some(keep.0 + keep.1));
        let before = place.sums(Table::DailyStats, &columns);
        let rows = place.rows(&["updated_at"]);
        place.zone(zones.1);
        place.rebuild();
        place.is_clean();
        prop_assert_eq!(place.sums(Table::DailyStats, &columns), before);
        place.zone(zones.0);
        place.rebuild();
        place.is_clean();
        prop_assert_eq!(place.rows(&["updated_at"])[0].clone(), rows[0].clone());
    }

    /// What events add to daily statistics stays there, also where sessions are cut and joined
    /// beside those that are pruned. (Robots are left out: who is joined with one becomes one.)
    #[test]
    fn a_timeout_takes_no_event_out_of_the_daily_statistics(
        events in proptest::collection::vec(said(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
        keep in (6..11u32, 0..2u32),
    ) {
        let columns = [
            "total_messages_sent", "total_messages_received", "widget_opens", "error_count",
            "response_time_sum_us", "response_time_count",
        ];
        let events: Vec<Said> = events.into_iter().map(|said| Said { extra: said.extra & 7, ..said }).collect();
        let mut place = Place::new(NOW);
        place.zone(zones.0);
        place.settings.session_timeout = timeouts.0;
        place.ingest(&deal(&events, 1).concat());
        place.gc(Some(keep.0), Some(keep.0 + keep.1));
        let before = place.sums(Table::DailyStats, &columns);
        for (zone, timeout) in [(zones.1, timeouts.1), (zones.0, timeouts.0)] {
            place.zone(zone);
            place.settings.session_timeout = timeout;
            place.rebuild();
            place.is_clean();
            prop_assert_eq!(place.sums(Table::DailyStats, &columns), before.clone());
        }
    }

    /// Whatever was pruned, and however often: daily statistics are what went and what is held, no day
    /// counts fewer visitors than it can have, and nothing is left to be mended.
    #[test]
    fn daily_statistics_are_what_went_and_what_is_held(
        events in proptest::collection::vec(said(), 1..80),
        zone in zones(),
        steps in proptest::collection::vec(step(), 1..10),
    ) {
        // Who is joined with a robot becomes one.
        let events: Vec<Said> = events.into_iter().map(|said| Said { extra: said.extra & 7, ..said }).collect();
        let files = deal(&events, 4);
        let mut place = Place::new(NOW);
        place.zone(zone);
        place.ingest(&files[0]);
        let mut gone = [0; 8];
        let less = |a: [i64; 8], b: [i64; 8]| std::array::from_fn(|n| a[n] - b[n]);
        for step in &steps {
            let before = held(&place);
            match *step {
                Step::Ingest(file) => drop(place.ingest(&files[file])),
                Step::Prune(events, longer) => {
                    place.gc(Some(events), longer.map(|longer| events + longer));
                    let went: [i64; 8] = less(before, held(&place));
                    gone = std::array::from_fn(|n| gone[n] + went[n]);
                }
                Step::Rebuild(zone, timeout) => {
                    place.zone(zone);
                    place.settings.session_timeout = timeout;
                    place.rebuild();
                }
            }
            place.is_clean();
            prop_assert_eq!(less(counted(&place), held(&place)), gone, "after {:?} of {:?}", step, steps);
            for row in place.days() {
                let visitors = [0, row.new_visitors, row.unique_visitors, row.total_sessions];
                prop_assert!(visitors.is_sorted(), "after {:?} of {:?}: {:?}", step, steps, row);
            }
            let again = place.rebuild();
            prop_assert!(!again.changed, "after {:?} of {:?}: {:?}", step, steps, again);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Takes in one of the files.
    Ingest(usize),
    /// Keeps so many days of events, and of sessions so many more, or all.
    Prune(u32, Option<u32>),
    /// Changes time zone and timeout.
    Rebuild(&'static str, i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Ingest),
        2 => (5..11u32, proptest::option::weighted(0.9, 0..3u32)).prop_map(|(keep, more)| Step::Prune(keep, more)),
        2 => (zones(), timeouts()).prop_map(|(zone, timeout)| Step::Rebuild(zone, timeout)),
    ]
}

/// What daily statistics count of sessions: their number, and sums.
fn counted(place: &Place) -> [i64; 8] {
    let columns = [
        "total_sessions",
        "total_messages_sent",
        "total_messages_received",
        "widget_opens",
        "error_count",
        "session_duration_sum_seconds",
        "response_time_sum_us",
        "response_time_count",
    ];
    place.sums(Table::DailyStats, &columns).try_into().unwrap()
}

/// The same of the sessions that are held.
fn held(place: &Place) -> [i64; 8] {
    let columns = [
        "messages_sent",
        "messages_received",
        "widget_opened_count",
        "error_count",
        "duration_seconds",
        "response_time_sum_us",
        "response_time_count",
    ];
    let sums = place.sums(Table::Sessions, &columns);
    let number = place.sessions().len() as i64;
    std::array::from_fn(|n| if n == 0 { number } else { sums[n - 1] })
}
