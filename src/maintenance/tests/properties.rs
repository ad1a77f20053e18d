//! Properties of verify and rebuild on random logs.

use proptest::prelude::*;

use super::fixture::Fixture;
use crate::store::columns::Table;
use crate::time::{DAY, SECOND, format_utc, parse_human};

const NOW: &str = "2026-03-20T12:00:00Z";

/// A random event.
#[derive(Clone, Debug)]
struct RandomEvent {
    chatbot: u8,
    session: Option<u8>,
    anonymous: Option<u8>,
    user: Option<u8>,
    /// The time: half hours after the first day, and an offset in microseconds.
    half_hours: i64,
    more_us: i64,
    name: u8,
    extra: u8,
    copies: usize,
}

fn random_event() -> impl Strategy<Value = RandomEvent> {
    let maybe = |most: u8| proptest::option::of(0..most);
    (
        (0..2u8, maybe(3), maybe(3), maybe(2)),
        (0..240i64, prop_oneof![Just(0), Just(1), Just(-1), 0..1800 * SECOND]),
        (0..6u8, 0..16u8, prop_oneof![9 => Just(1usize), 1 => Just(2)]),
    )
        .prop_map(
            |((chatbot, session, anonymous, user), (half_hours, more_us), (name, extra, copies))| {
                RandomEvent { chatbot, session, anonymous, user, half_hours, more_us, name, extra, copies }
            },
        )
}

fn line(number: usize, event: &RandomEvent) -> String {
    let time =
        parse_human("2026-03-10T00:00:00Z").unwrap() + event.half_hours * 1800 * SECOND + event.more_us;
    let mut fields = vec![
        format!("\"chatbot_id\":\"bot{}\"", event.chatbot),
        format!("\"timestamp\":\"{}\"", format_utc(time)),
    ];
    if event.extra & 1 == 0 {
        fields.push(format!("\"event_id\":\"e{number}\""));
    } else {
        fields.push(format!(
            "\"properties\":{{\"n\":{number},\"response_time_ms\":{number}.25,\"triggered_by\":\"b\"}}"
        ));
    }
    for (name, value) in
        [("session_id", event.session), ("anonymous_id", event.anonymous), ("user_id", event.user)]
    {
        if let Some(value) = value {
            fields.push(format!("\"{name}\":\"{value}\""));
        }
    }
    if event.session.is_none() && event.anonymous.is_none() && event.user.is_none() {
        fields.push("\"session_id\":\"9\"".to_owned());
    }
    let names = ["message_sent", "message_received", "widget_opened", "widget_error", "page_view", "x"];
    fields.push(format!("\"event_name\":\"{}\"", names[usize::from(event.name)]));
    if event.extra & 2 != 0 {
        fields.push(format!(
            "\"page_url\":\"https://shop.example/p{}?utm_source=u{}\"",
            event.extra, event.name
        ));
        fields.push("\"user_agent\":\"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\"".to_owned());
    }
    if event.extra & 4 != 0 {
        fields.push(
            "\"referrer\":\"https://news.example/a\",\"screen_width\":300,\"user_email\":\"a@b.example\""
                .to_owned(),
        );
    }
    if event.extra & 8 != 0 {
        fields.push(
            "\"user_agent\":\"Googlebot/2.1 (+http://www.google.com/bot.html)\",\"ip\":\"192.0.2.7\""
                .to_owned(),
        );
    }
    format!("{{{}}}\n", fields.join(","))
}

/// Distributes the lines of events over files.
fn distribute(events: &[RandomEvent], files: usize) -> Vec<Vec<String>> {
    let mut lines = vec![Vec::new(); files];
    for (number, event) in events.iter().enumerate() {
        for copy in 0..event.copies {
            lines[(number * 7 + copy) % files].push(line(number, event));
        }
    }
    lines
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

/// Returns the sums of sessions that no rebuild may change.
fn session_sums(fixture: &Fixture) -> Vec<i64> {
    let columns = ["event_count", "messages_sent", "messages_received", "widget_opened_count", "error_count"];
    fixture.sums(Table::Sessions, &[&columns[..], &["response_time_sum_us", "response_time_count"]].concat())
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn verify_is_clean_and_rebuild_changes_nothing(
        events in proptest::collection::vec(random_event(), 1..60),
        zone in zones(),
        keep in proptest::option::of(6..11u32),
        keep_longer in proptest::option::of(0..3u32),
    ) {
        let mut fixture = Fixture::new(NOW);
        fixture.set_zone(zone);
        let mut files = distribute(&events, 3);
        let late = files.pop().unwrap();
        for file in files {
            fixture.ingest(&file);
        }
        fixture.assert_clean();
        fixture.gc(keep, keep_longer.and_then(|longer| Some(keep? + longer)));
        fixture.assert_clean();
        fixture.ingest(&late);
        fixture.assert_clean();
        let before = fixture.rows(&[]);
        let generation = fixture.store().snapshot().unwrap().manifest().generation;
        let report = fixture.rebuild();
        prop_assert!(!report.changed, "{:?}", report);
        prop_assert_eq!(report.sessions_changed, 0);
        prop_assert_eq!(fixture.store().snapshot().unwrap().manifest().generation, generation);
        prop_assert_eq!(fixture.rows(&[]), before);
    }

    #[test]
    fn rebuild_with_new_settings_equals_fresh_ingest(
        events in proptest::collection::vec(random_event(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
    ) {
        let mut fixture = Fixture::new(NOW);
        fixture.set_zone(zones.0);
        fixture.settings.session_timeout = timeouts.0;
        let files = distribute(&events, 2);
        for file in &files {
            fixture.ingest(file);
        }
        let before = fixture.rows(&[]);
        let (old_zone, old_timeout) = (fixture.settings.timezone, fixture.settings.session_timeout);
        fixture.set_zone(zones.1);
        fixture.settings.session_timeout = timeouts.1;
        fixture.rebuild();
        fixture.assert_clean();
        let mut fresh = Fixture::new(NOW);
        fresh.settings = fixture.settings.clone();
        for file in files.iter().rev() {
            fresh.ingest(file);
        }
        prop_assert_eq!(fixture.content(), fresh.content());
        // Restore the old settings.
        fixture.settings.timezone = old_zone;
        fixture.settings.session_timeout = old_timeout;
        fixture.rebuild();
        fixture.assert_clean();
        if timeouts.0 == timeouts.1 {
            let sessions = |rows: &super::fixture::Rows| rows[0].clone();
            prop_assert_eq!(sessions(&fixture.rows(&[])), sessions(&before));
        }
        let mut again = Fixture::new(NOW);
        again.settings = fixture.settings.clone();
        for file in &files {
            again.ingest(file);
        }
        prop_assert_eq!(fixture.content(), again.content());
    }

    /// The logs also have sessions whose events are pruned in part.
    #[test]
    fn rebuild_in_parts_equals_rebuild_of_all_sessions(
        events in proptest::collection::vec(random_event(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
        keep in proptest::option::of(6..11u32),
        sessions_together in 1..5u64,
    ) {
        let [(whole, expected), (mut parts, report)] = [u64::MAX, sessions_together].map(|together| {
            let mut fixture = Fixture::new(NOW);
            fixture.set_zone(zones.0);
            fixture.settings.session_timeout = timeouts.0;
            fixture.ingest(&distribute(&events, 1).concat());
            fixture.gc(keep, None);
            fixture.set_zone(zones.1);
            fixture.settings.session_timeout = timeouts.1;
            let report = fixture.rebuild_in_parts(together);
            (fixture, report)
        });
        prop_assert_eq!(report, expected);
        prop_assert_eq!(parts.rows(&[]), whole.rows(&[]));
        parts.assert_clean();
        let again = parts.rebuild_in_parts(sessions_together);
        prop_assert!(!again.changed, "{:?}", again);
    }

    /// If events were pruned and settings change, exactly one session counts each event. Restoring
    /// the old settings restores partial sessions.
    #[test]
    fn rebuild_counts_every_event_of_partial_sessions_once(
        events in proptest::collection::vec(random_event(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
        keep in 6..11u32,
        keep_longer in proptest::option::of(0..3u32),
    ) {
        let mut fixture = Fixture::new(NOW);
        fixture.set_zone(zones.0);
        fixture.settings.session_timeout = timeouts.0;
        let mut files = distribute(&events, 2);
        let late = files.pop().unwrap();
        fixture.ingest(&files.concat());
        fixture.gc(Some(keep), keep_longer.map(|longer| keep + longer));
        fixture.ingest(&late);
        let before = session_sums(&fixture);
        let visitors = fixture.rows(&[])[2].clone();
        fixture.set_zone(zones.1);
        fixture.settings.session_timeout = timeouts.1;
        fixture.rebuild();
        fixture.assert_clean();
        prop_assert_eq!(session_sums(&fixture), before.clone());
        let again = fixture.rebuild();
        prop_assert!(!again.changed, "{:?}", again);
        fixture.set_zone(zones.0);
        fixture.settings.session_timeout = timeouts.0;
        fixture.rebuild();
        fixture.assert_clean();
        prop_assert_eq!(session_sums(&fixture), before);
        prop_assert_eq!(fixture.rows(&[])[2].clone(), visitors);
    }

    /// Daily statistics count every session once, including pruned sessions.
    #[test]
    fn new_time_zone_preserves_sums_of_daily_statistics(
        events in proptest::collection::vec(random_event(), 1..60),
        zones in (zones(), zones()),
        keep in (6..11u32, 0..2u32),
    ) {
        let columns = [
            "total_sessions", "bot_sessions", "total_conversations", "total_messages_sent",
            "total_messages_received", "widget_opens", "error_count", "desktop_sessions",
            "session_duration_sum_seconds", "response_time_sum_us", "response_time_count",
        ];
        let mut fixture = Fixture::new(NOW);
        fixture.set_zone(zones.0);
        fixture.ingest(&distribute(&events, 1).concat());
        fixture.gc(Some(keep.0), Some(keep.0 + keep.1));
        let before = fixture.sums(Table::DailyStats, &columns);
        let rows = fixture.rows(&["updated_at"]);
        fixture.set_zone(zones.1);
        fixture.rebuild();
        fixture.assert_clean();
        prop_assert_eq!(fixture.sums(Table::DailyStats, &columns), before);
        fixture.set_zone(zones.0);
        fixture.rebuild();
        fixture.assert_clean();
        prop_assert_eq!(fixture.rows(&["updated_at"])[0].clone(), rows[0].clone());
    }

    /// The contribution of each event to daily statistics stays the same when sessions are split or
    /// merged next to pruned ones. The events contain no bots, because a session that is merged
    /// with a bot session becomes a bot session.
    #[test]
    fn new_timeout_preserves_event_sums_of_daily_statistics(
        events in proptest::collection::vec(random_event(), 1..60),
        zones in (zones(), zones()),
        timeouts in (timeouts(), timeouts()),
        keep in (6..11u32, 0..2u32),
    ) {
        let columns = [
            "total_messages_sent", "total_messages_received", "widget_opens", "error_count",
            "response_time_sum_us", "response_time_count",
        ];
        let events: Vec<RandomEvent> = events.into_iter().map(|event| RandomEvent { extra: event.extra & 7, ..event }).collect();
        let mut fixture = Fixture::new(NOW);
        fixture.set_zone(zones.0);
        fixture.settings.session_timeout = timeouts.0;
        fixture.ingest(&distribute(&events, 1).concat());
        fixture.gc(Some(keep.0), Some(keep.0 + keep.1));
        let before = fixture.sums(Table::DailyStats, &columns);
        for (zone, timeout) in [(zones.1, timeouts.1), (zones.0, timeouts.0)] {
            fixture.set_zone(zone);
            fixture.settings.session_timeout = timeout;
            fixture.rebuild();
            fixture.assert_clean();
            prop_assert_eq!(fixture.sums(Table::DailyStats, &columns), before.clone());
        }
    }

    /// After any sequence of ingests, gcs and rebuilds, daily statistics are the sum of pruned and
    /// retained sessions, visitor counts are consistent, and a rebuild changes nothing.
    #[test]
    fn daily_statistics_are_pruned_plus_retained_sessions(
        events in proptest::collection::vec(random_event(), 1..80),
        zone in zones(),
        steps in proptest::collection::vec(step(), 1..10),
    ) {
        // Exclude bots: a session that is merged with a bot session becomes a bot session.
        let events: Vec<RandomEvent> = events.into_iter().map(|event| RandomEvent { extra: event.extra & 7, ..event }).collect();
        let files = distribute(&events, 4);
        let mut fixture = Fixture::new(NOW);
        fixture.set_zone(zone);
        fixture.ingest(&files[0]);
        let mut pruned = [0; 8];
        let minus = |a: [i64; 8], b: [i64; 8]| std::array::from_fn(|n| a[n] - b[n]);
        for step in &steps {
            let before = retained_sums(&fixture);
            match *step {
                Step::Ingest(file) => drop(fixture.ingest(&files[file])),
                Step::Prune(events, longer) => {
                    fixture.gc(Some(events), longer.map(|longer| events + longer));
                    let removed: [i64; 8] = minus(before, retained_sums(&fixture));
                    pruned = std::array::from_fn(|n| pruned[n] + removed[n]);
                }
                Step::Rebuild(zone, timeout) => {
                    fixture.set_zone(zone);
                    fixture.settings.session_timeout = timeout;
                    fixture.rebuild();
                }
            }
            fixture.assert_clean();
            prop_assert_eq!(minus(daily_sums(&fixture), retained_sums(&fixture)), pruned, "after {:?} of {:?}", step, steps);
            for row in fixture.days() {
                let visitors = [0, row.new_visitors, row.unique_visitors, row.total_sessions];
                prop_assert!(visitors.is_sorted(), "after {:?} of {:?}: {:?}", step, steps, row);
            }
            let again = fixture.rebuild();
            prop_assert!(!again.changed, "after {:?} of {:?}: {:?}", step, steps, again);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Ingests one of the files.
    Ingest(usize),
    /// Runs a gc: the days for which events are retained, and the additional days for which
    /// sessions are retained (`None` for all).
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

/// Returns the number and sums of sessions in daily statistics.
fn daily_sums(fixture: &Fixture) -> [i64; 8] {
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
    fixture.sums(Table::DailyStats, &columns).try_into().unwrap()
}

/// Returns the number and sums of the retained sessions.
fn retained_sums(fixture: &Fixture) -> [i64; 8] {
    let columns = [
        "messages_sent",
        "messages_received",
        "widget_opened_count",
        "error_count",
        "duration_seconds",
        "response_time_sum_us",
        "response_time_count",
    ];
    let sums = fixture.sums(Table::Sessions, &columns);
    let number = fixture.sessions().len() as i64;
    std::array::from_fn(|n| if n == 0 { number } else { sums[n - 1] })
}
