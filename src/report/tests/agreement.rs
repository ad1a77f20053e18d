//! Checks that reports on random sessions agree with each other and with counts computed session by
//! session.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::memory_tables::{MemoryTables, Session, session, time};
use crate::report::*;
use crate::time::{DAY, Day, Micros, SECOND, Zone};

pub fn any_session() -> impl Strategy<Value = Session> {
    let pick = |names: &'static [&'static str]| prop::option::of(prop::sample::select(names));
    let identity = (
        prop::sample::select(&["shop", "docs", "a chatbot of a long name"][..]),
        prop::option::weighted(0.6, 0u8..4),
        prop::option::weighted(0.3, 0u8..3),
        0u8..20,
    );
    let counts = prop::collection::btree_map(
        prop::sample::select(&["message_sent", "message_received", "widget_loaded", "é\"\\"][..]),
        1u64..4,
        1..4,
    );
    let attributes = (
        pick(&["google", "mail"]),
        pick(&["google.com", "a-very-long-domain.example"]),
        pick(&["Direct", "Email"]),
        pick(&["/", "/pricing"]),
        pick(&["desktop", "mobile", "unknown"]),
        pick(&["DE", "FR"]),
        pick(&["Bonn", "unknown"]),
    );
    let times = (0i64..40 * DAY, 0i64..7200, prop::collection::vec(0u64..5_000_000, 0..3));
    (identity, counts, attributes, times, prop::bool::weighted(0.2), 0u64..3).prop_map(
        |((chatbot, anonymous, user, id), counts, attributes, (at, seconds, response_us), bot, errors)| {
            let (utm, domain, channel, page, device, country, city) = attributes;
            Session {
                chatbot,
                session: Some(format!("s{id}")),
                anonymous: anonymous.map(|n| format!("anonymous id {n}")),
                user: user.map(|n| format!("u{n}")),
                start: time("2026-01-20") + at / SECOND * SECOND,
                seconds,
                bot,
                counts: counts.into_iter().collect(),
                errors,
                response_us,
                utm,
                domain,
                channel,
                page,
                device,
                browser: device,
                os: device,
                country,
                city,
            }
        },
    )
}

fn sum(rows: &Value, metric: &str) -> u64 {
    rows.as_array().unwrap().iter().map(|row| row[metric].as_u64().unwrap()).sum()
}

/// The expected totals, counted session by session.
struct Expected {
    sessions: u64,
    visitors: u64,
    new: u64,
    conversations: u64,
    events: u64,
    bots: u64,
    seconds: u64,
}

fn count(tables: &MemoryTables, query: &Query) -> Expected {
    let selected: Vec<&Session> = tables
        .sessions
        .iter()
        .filter(|s| query.window.contains(tables.day_of(s)))
        .filter(|s| query.chatbots.is_empty() || query.chatbots.iter().any(|id| id == s.chatbot))
        .collect();
    let counted: Vec<&&Session> = selected.iter().filter(|s| query.include_bots || !s.bot).collect();
    let visitors = |is_counted: &dyn Fn(&Session) -> bool| -> u64 {
        counted.iter().filter(|s| is_counted(s)).map(|s| s.visitor()).collect::<BTreeSet<_>>().len() as u64
    };
    Expected {
        sessions: counted.len() as u64,
        visitors: visitors(&|_| true),
        new: visitors(&|s| tables.is_new(s, query.window.from, query.window.to)),
        conversations: counted.iter().filter(|s| s.count("message_sent") > 0).count() as u64,
        events: counted.iter().flat_map(|s| &s.counts).map(|(_, count)| count).sum(),
        bots: selected.iter().filter(|s| s.bot).count() as u64,
        seconds: counted.iter().map(|s| s.seconds as u64).sum(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn summaries_together_equal_those_of_each_chatbot(
        sessions in prop::collection::vec(any_session(), 1..60),
        first in 0i32..40,
        days in prop::sample::select(vec![1i32, 7, 30]),
        include_bots: bool,
        compare: bool,
        pruned in prop::option::of(0i32..40),
    ) {
        let mut tables = MemoryTables::new(sessions);
        tables.first_seen_times.insert(("shop", "anonymous", "anonymous id 1".to_owned()), time("2025-01-01"));
        tables.sessions_pruned = pruned.map(|days| Day::parse("2026-01-10").unwrap().plus(days));
        let from = Day::parse("2026-01-19").unwrap().plus(first);
        let window = Window { from, to: from.plus(days - 1), today: from };
        let mut chatbots: Vec<String> = tables.sessions.iter().map(|s| s.chatbot.to_owned()).collect();
        chatbots.push("a chatbot without sessions".to_owned());
        chatbots.sort_unstable();
        chatbots.dedup();
        let query = Query { window, chatbots: Vec::new(), include_bots };
        let together = summary::summaries(&tables, &query, compare, &chatbots).unwrap();
        prop_assert_eq!(together.len(), chatbots.len());
        for (chatbot, report) in chatbots.into_iter().zip(together) {
            let query = Query { chatbots: vec![chatbot], ..query.clone() };
            let expected = summary::summary(&tables, &query, compare).unwrap();
            prop_assert_eq!(serde_json::to_value(&report).unwrap(), serde_json::to_value(&expected).unwrap());
            prop_assert_eq!(report.head, expected.head);
            // `summaries` adds the note on standard events once, for all chatbots together.
            for note in expected.notes.iter().filter(|note| !note.contains("belongs to a widget")) {
                prop_assert!(report.notes.contains(note), "{note}");
            }
        }
    }

    #[test]
    fn visitors_together_equal_those_of_each_chatbot(
        sessions in prop::collection::vec(any_session(), 1..60),
        first in 0i32..40,
        days in prop::sample::select(vec![1i32, 7, 30]),
        pruned in prop::option::of(0i32..40),
    ) {
        let mut tables = MemoryTables::new(sessions);
        tables.first_seen_times.insert(("shop", "anonymous", "anonymous id 1".to_owned()), time("2025-01-01"));
        tables.sessions_pruned = pruned.map(|days| Day::parse("2026-01-10").unwrap().plus(days));
        let from = Day::parse("2026-01-19").unwrap().plus(first);
        let window = Window { from, to: from.plus(days - 1), today: from };
        let mut chatbots: Vec<String> = tables.sessions.iter().map(|s| s.chatbot.to_owned()).collect();
        chatbots.push("a chatbot without sessions".to_owned());
        chatbots.sort_unstable();
        chatbots.dedup();
        let query = Query { window, chatbots: Vec::new(), include_bots: false };
        let together = visitors::visitors_of_each(&tables, &query, &chatbots).unwrap();
        prop_assert_eq!(together.len(), chatbots.len());
        for (chatbot, report) in chatbots.into_iter().zip(together) {
            let query = Query { chatbots: vec![chatbot], ..query.clone() };
            let expected = visitors::visitors(&tables, &query).unwrap();
            prop_assert_eq!(serde_json::to_value(&report).unwrap(), serde_json::to_value(&expected).unwrap());
            prop_assert_eq!(report.head, expected.head);
            prop_assert_eq!(report.notes, expected.notes);
        }
    }

    #[test]
    fn reports_agree_with_each_other_and_with_the_sessions(
        sessions in prop::collection::vec(any_session(), 0..60),
        first in 0i32..40,
        days in prop::sample::select(vec![1i32, 7, 30, 365]),
        one_chatbot: bool,
        include_bots: bool,
        berlin: bool,
        by_chatbot: bool,
    ) {
        let mut tables = MemoryTables::new(sessions);
        // A visitor that was first seen long before all sessions.
        tables.first_seen_times.insert(("shop", "anonymous", "anonymous id 1".to_owned()), time("2025-01-01"));
        if berlin {
            tables.zone = Zone::parse("Europe/Berlin").unwrap();
        }
        let from = Day::parse("2026-01-19").unwrap().plus(first);
        let window = Window { from, to: from.plus(days - 1), today: from };
        let has_shop = tables.sessions.iter().any(|s| s.chatbot == "shop");
        let chatbots = if one_chatbot && has_shop { vec!["shop".to_owned()] } else { Vec::new() };
        let query = Query { window, chatbots, include_bots };
        let expected = count(&tables, &query);

        let now: Micros = time("2026-06-01");
        let ask = |kind| {
            let request = ReportRequest { by_chatbot, limit: None, ..ReportRequest::new(kind, query.clone(), now) };
            let outcome = run(&tables, &request).unwrap();
            let value = serde_json::to_value(&outcome).unwrap();
            if by_chatbot { value.as_array().unwrap().clone() } else { vec![value] }
        };
        let total =
            |answers: &[Value], value: &dyn Fn(&Value) -> u64| answers.iter().map(value).sum::<u64>();

        let summary = ask(ReportKind::Summary);
        let metric = |name: &str| total(&summary, &|a| a["summary"][name].as_u64().unwrap());
        prop_assert_eq!(metric("total_sessions"), expected.sessions);
        prop_assert_eq!(metric("unique_visitors"), expected.visitors);
        prop_assert_eq!(metric("new_visitors"), expected.new);
        prop_assert_eq!(metric("returning_visitors"), expected.visitors - expected.new);
        prop_assert_eq!(metric("total_conversations"), expected.conversations);
        if !include_bots {
            prop_assert_eq!(metric("bot_sessions_excluded"), expected.bots);
        }
        if !by_chatbot && expected.sessions > 0 {
            let mean = (expected.seconds as f64 / expected.sessions as f64 + 0.5).floor() as u64;
            prop_assert_eq!(metric("avg_session_duration_seconds"), mean);
        }

        let trends = ask(ReportKind::Trends);
        prop_assert_eq!(total(&trends, &|a| sum(&a["trends"], "sessions")), expected.sessions);
        prop_assert_eq!(total(&trends, &|a| sum(&a["trends"], "conversations")), expected.conversations);
        prop_assert_eq!(
            total(&trends, &|a| sum(&a["trends"], "messages")),
            metric("total_messages_sent") + metric("total_messages_received")
        );

        let sources = ask(ReportKind::Sources);
        for part in ["utm_sources", "referrers", "channels"] {
            prop_assert_eq!(total(&sources, &|a| sum(&a[part], "count")), expected.sessions, "{}", part);
        }
        let devices = ask(ReportKind::Devices);
        for part in ["devices", "browsers", "operating_systems"] {
            prop_assert_eq!(total(&devices, &|a| sum(&a[part], "count")), expected.sessions, "{}", part);
        }
        let pages = ask(ReportKind::Pages);
        prop_assert_eq!(total(&pages, &|a| sum(&a["pages"], "sessions")), expected.sessions);
        prop_assert_eq!(total(&pages, &|a| sum(&a["pages"], "conversations")), expected.conversations);
        let locations = ask(ReportKind::Locations);
        for part in ["countries", "cities"] {
            prop_assert_eq!(total(&locations, &|a| sum(&a[part], "sessions")), expected.sessions, "{}", part);
        }
        let events = ask(ReportKind::Events);
        prop_assert_eq!(total(&events, &|a| sum(&a["events"], "event_count")), expected.events);
        let sessions = ask(ReportKind::Sessions);
        prop_assert_eq!(total(&sessions, &|a| a["total"].as_u64().unwrap()), expected.sessions);

        let visitors = ask(ReportKind::Visitors);
        let visitors_metric = |name: &str| total(&visitors, &|a| a["visitors"][name].as_u64().unwrap());
        prop_assert_eq!(visitors_metric("unique_visitors"), expected.visitors);
        prop_assert_eq!(visitors_metric("total_sessions"), expected.sessions);
        prop_assert_eq!(total(&visitors, &|a| sum(&a["frequency"], "visitors")), expected.visitors);
        if days == 1 {
            // The visitors of a single day equal the visitors in its daily statistics.
            prop_assert_eq!(total(&visitors, &|a| sum(&a["days"], "unique_visitors")), expected.visitors);
            prop_assert_eq!(total(&visitors, &|a| sum(&a["days"], "new_visitors")), expected.new);
        }
    }

    #[test]
    fn active_session_has_an_event_within_the_timeout(
        // The gaps between the events of a session, in minutes, up to the timeout of 30.
        gaps in prop::collection::vec(0i64..=30, 0..8),
        at in -40i64..280,
    ) {
        let start = time("2026-06-01T12:00:00Z");
        let mut times = vec![0];
        for gap in gaps {
            times.push(times.last().unwrap() + gap);
        }
        let last = *times.last().unwrap();
        let tables = MemoryTables::new(vec![Session { start, seconds: last * 60, ..session("2026-06-01", "a") }]);
        let is_active = times.iter().any(|time| at - 30 <= *time && *time <= at);
        let moment = start + at * 60 * SECOND;
        let found = active::active(&tables, &[], false, moment).unwrap().body.active_sessions;
        prop_assert_eq!(found == 1, is_active);
    }
}
