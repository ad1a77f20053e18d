//! Tests that a report with conditions equals the report without them on tables that contain only
//! the selected sessions.
//!
//! The expected sessions are found event by event, from logs with ties, late events, several
//! chatbots, bots and clock changes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::memory_tables::{Event, MemoryTables, Session, time};
use crate::report::*;
use crate::time::{Day, Micros, SECOND, Zone};

const NAMES: [&str; 4] = ["widget_loaded", "message_sent", "message_received", "clicked"];
const PLANS: [Option<&str>; 4] = [None, Some("pro"), Some("free"), Some("a|b")];
const URLS: [Option<&str>; 3] = [None, Some("https://x.example/pricing"), Some("https://x.example/")];
const MINUTE: Micros = 60 * SECOND;

/// An event of a random log. Numbers are indexes.
#[derive(Clone, Debug)]
struct LogEvent {
    chatbot: usize,
    key: usize,
    minute: i64,
    name: usize,
    plan: usize,
    url: usize,
    cart: i64,
}

fn any_event() -> impl Strategy<Value = LogEvent> {
    (0..2usize, 0..7usize, 0..4 * 24 * 60i64, 0..NAMES.len(), 0..PLANS.len(), 0..URLS.len(), 0..4i64)
        .prop_map(|(chatbot, key, minute, name, plan, url, cart)| LogEvent {
            chatbot,
            key,
            // Times are multiples of ten minutes, so that events share instants and gaps equal the
            // timeout.
            minute: minute / 10 * 10,
            name,
            plan,
            url,
            cart,
        })
}

/// A session of a log: its row and its events.
#[derive(Clone, Debug)]
pub(super) struct LogSession {
    row: Session,
    events: Vec<LogEvent>,
}

impl LogSession {
    fn has_event(&self, is_met: impl Fn(&LogEvent) -> bool) -> bool {
        self.events.iter().any(is_met)
    }

    /// Counts events, including pruned ones.
    fn count(&self, name: &str) -> usize {
        self.row.count(name) as usize
    }

    /// Removes the events up to a UTC date.
    fn prune(&mut self, last: Day) {
        self.events.retain(|event| Day::utc(at(event.minute)) > last);
    }
}

/// The log begins the day before the clocks of Berlin are set forward.
fn at(minute: i64) -> Micros {
    time("2026-03-28T00:00:00Z") + minute * MINUTE
}

fn properties(event: &LogEvent) -> Option<String> {
    let plan = PLANS[event.plan].map(|plan| format!("\"plan\":\"{plan}\""));
    let cart = (event.cart > 0).then(|| format!("\"cart\":{{\"items\":[{{\"n\":{}}}]}}", event.cart));
    let members: Vec<String> = plan.into_iter().chain(cart).collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}

/// The attributes of a session, by its key: keys 5 and 6 have no session id, key 3 is a bot.
fn new_session(chatbot: usize, key: usize, start: Micros) -> Session {
    Session {
        chatbot: ["shop", "docs"][chatbot],
        session: (key < 5).then(|| format!("s{key}")),
        anonymous: (key != 4).then(|| format!("v{}", key % 3)),
        bot: key == 3,
        country: [Some("DE"), Some("AT"), None][key % 3],
        device: [Some("mobile"), Some("desktop")].get(key % 3).copied().flatten(),
        channel: key.is_multiple_of(2).then_some("Email"),
        start,
        ..super::memory_tables::session("2026-03-28", "")
    }
}

/// Splits a log into sessions. The timeout is 30 minutes.
fn sessions(log: &[LogEvent]) -> Vec<LogSession> {
    let mut by_key: BTreeMap<(usize, usize), Vec<LogEvent>> = BTreeMap::new();
    for event in log {
        // Without a session id, the visitor is the key: keys 5 and 6 have visitors v2 and v0.
        by_key.entry((event.chatbot, event.key)).or_default().push(event.clone());
    }
    let mut all = Vec::new();
    for ((chatbot, key), mut events) in by_key {
        events.sort_by_key(|event| event.minute);
        for events in events.chunk_by(|a, b| b.minute - a.minute <= 30) {
            let (first, last) = (events[0].minute, events[events.len() - 1].minute);
            let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
            events.iter().for_each(|event| *counts.entry(NAMES[event.name]).or_default() += 1);
            let row = Session {
                seconds: (last - first) * 60,
                counts: counts.into_iter().collect(),
                ..new_session(chatbot, key, at(first))
            };
            all.push(LogSession { row, events: events.to_vec() });
        }
    }
    all
}

/// Returns the tables of a log with only some of its sessions, but all events and visitors.
fn tables(
    log: &[LogEvent],
    sessions: &[LogSession],
    zone: Zone,
    is_kept: impl Fn(&LogSession) -> bool,
) -> MemoryTables {
    let all = MemoryTables::new(sessions.iter().map(|session| session.row.clone()).collect());
    let kept = sessions.iter().filter(|session| is_kept(session)).map(|session| session.row.clone());
    let mut tables =
        MemoryTables { first_seen_times: all.first_seen(), zone, ..MemoryTables::new(kept.collect()) };
    // The days with data include those of sessions that are not selected.
    tables.days = TableFacts::days(&MemoryTables { zone, ..all });
    tables.events = log
        .iter()
        .map(|event| {
            let session = new_session(event.chatbot, event.key, 0);
            Event {
                chatbot: session.chatbot,
                session: session.session,
                anonymous: session.anonymous,
                name: NAMES[event.name],
                category: None,
                properties: properties(event),
                time: at(event.minute),
                url: URLS[event.url],
            }
        })
        .collect();
    tables
}

type IsKept = fn(&LogSession) -> bool;

/// Conditions, and the sessions that meet all of them.
const CONDITIONS: [(&[&str], IsKept); 14] = [
    (&["country_code=DE|AT"], |s| s.row.country.is_some()),
    (&["country_code!=DE"], |s| s.row.country != Some("DE")),
    (&["country_code="], |s| s.row.country.is_none()),
    (&["device_type=mob*", "channel=Direct"], |s| s.row.device == Some("mobile") && s.row.channel.is_none()),
    (&["duration_seconds>30m"], |s| s.row.seconds > 1800),
    (&["event_counts.message_sent=0"], |s| s.count("message_sent") == 0),
    (&["event_counts.message_sent>=2 and country_code!=AT"], |s| {
        s.count("message_sent") >= 2 && s.row.country != Some("AT")
    }),
    (&["event.event_name=message_sent"], |s| s.has_event(|e| NAMES[e.name] == "message_sent")),
    (&["properties.plan=pro"], |s| s.has_event(|e| PLANS[e.plan] == Some("pro"))),
    (&["plan=\"a|b\""], |s| s.has_event(|e| PLANS[e.plan] == Some("a|b"))),
    (&["properties.cart.items.0.n>1 and event_name=clicked"], |s| {
        s.has_event(|e| e.cart > 1 && NAMES[e.name] == "clicked")
    }),
    // Different events can meet the two conditions.
    (&["properties.cart.items.0.n>1", "event_name=clicked"], |s| {
        s.has_event(|e| e.cart > 1) && s.has_event(|e| NAMES[e.name] == "clicked")
    }),
    (&["page_url~PRICING and properties.plan!=", "country_code=DE|"], |s| {
        s.has_event(|e| URLS[e.url].is_some_and(|url| url.ends_with("pricing")) && PLANS[e.plan].is_some())
            && s.row.country != Some("AT")
    }),
    (&["event.timestamp<2026-03-29"], |s| s.has_event(|e| at(e.minute) < time("2026-03-29"))),
];

/// The reports that show sessions or events, with their figures.
const KINDS: [ReportKind; 17] = [
    ReportKind::Summary,
    ReportKind::Trends,
    ReportKind::Visitors,
    ReportKind::Sources,
    ReportKind::Pages,
    ReportKind::Locations,
    ReportKind::Devices,
    ReportKind::Events,
    ReportKind::Performance,
    ReportKind::Heatmap,
    ReportKind::Retention,
    ReportKind::Conversations,
    ReportKind::Goals,
    ReportKind::Funnel,
    ReportKind::Paths,
    ReportKind::Active,
    ReportKind::Sessions,
];

/// Returns a request with a goal.
fn request(kind: ReportKind, query: &Query, moment: Micros) -> ReportRequest {
    let mut request = ReportRequest::new(kind, query.clone(), moment);
    let event = EventPattern::parse("clicked where properties.cart.items.0.n>1").unwrap();
    request.sequences.definitions.goals = vec![Goal { name: "bought".to_owned(), event }];
    request
}

/// Prunes the events up to a day, which is before the second day.
fn prune(log: &mut Vec<LogEvent>, sessions: &mut [LogSession], last: Day) {
    log.retain(|event| Day::utc(at(event.minute)) > last);
    sessions.iter_mut().for_each(|session| session.prune(last));
}

fn answer(tables: &MemoryTables, request: &ReportRequest) -> Value {
    serde_json::to_value(run(tables, request).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn filtered_report_equals_report_on_selected_sessions(
        log in prop::collection::vec(any_event(), 0..120),
        condition in 0..CONDITIONS.len(),
        first in 0i32..4,
        days in 1i32..5,
        include_bots: bool,
        one_chatbot: bool,
        compare: bool,
        prunes: bool,
        has_late_events: bool,
    ) {
        let (conditions, is_kept) = CONDITIONS[condition];
        let (mut log, mut sessions) = (log.clone(), sessions(&log));
        let pruned = prunes.then(|| Day::parse("2026-03-28").unwrap());
        pruned.into_iter().for_each(|last| prune(&mut log, &mut sessions, last));
        // The condition on a time without an offset assumes UTC.
        let is_berlin = !conditions[0].contains("timestamp") && days % 2 == 0;
        let zone = if is_berlin { Zone::parse("Europe/Berlin").unwrap() } else { Zone::UTC };
        let tables = |is_kept: IsKept| {
            MemoryTables { events_pruned: pruned, has_late_events, ..tables(&log, &sessions, zone, is_kept) }
        };
        let (all, selected) = (tables(|_| true), tables(is_kept));
        let from = Day::parse("2026-03-28").unwrap().plus(first);
        let window = Window { from, to: from.plus(days - 1), today: Day::parse("2026-04-10").unwrap() };
        let has_shop = all.sessions.iter().any(|s| s.chatbot == "shop");
        // A name is looked up in the events of the window, which may have none.
        let has_plan = all.events.iter().any(|event| {
            event.properties.as_deref().is_some_and(|properties| properties.contains("plan"))
                && window.contains(zone.day(event.time))
        });
        if conditions[0].starts_with("plan") && !has_plan {
            return Ok(());
        }
        let chatbots = if one_chatbot && has_shop { vec!["shop".to_owned()] } else { Vec::new() };
        let query = Query { chatbots, include_bots, ..Query::new(window) };
        for kind in KINDS {
            let plain = ReportRequest {
                compare: compare && kind.supports_compare(),
                ..request(kind, &query, at(36 * 60))
            };
            let parse = |text: &&str| Where::parse("--where", text, Subject::Sessions).unwrap();
            let filtered = ReportRequest { conditions: conditions.iter().map(parse).collect(), ..plain.clone() };
            // A report on a chatbot that the tables do not contain is an error.
            // `selected` does not contain a chatbot without selected sessions.
            if selected.sessions.iter().all(|s| s.chatbot != "shop") && !plain.query.chatbots.is_empty() {
                continue;
            }
            prop_assert_eq!(answer(&all, &filtered), answer(&selected, &plain), "{:?} {:?}", kind, conditions);
        }
    }
}

type Values = fn(&LogSession) -> Vec<[&'static str; 2]>;

/// Returns the pairs that some events have; `unknown` without any.
fn pairs(
    session: &LogSession,
    pair: impl Fn(&LogEvent) -> Option<[&'static str; 2]>,
) -> Vec<[&'static str; 2]> {
    let mut pairs: Vec<[&str; 2]> = session.events.iter().filter_map(pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    if pairs.is_empty() { vec![["unknown"; 2]] } else { pairs }
}

/// Fields, and the values that a session has. With one field, the second value is empty.
const FIELDS: [(&[&str], Values); 8] = [
    (&["country_code"], |s| vec![[s.row.country.unwrap_or("unknown"), ""]]),
    (&["channel"], |s| vec![[s.row.channel.unwrap_or("Direct"), ""]]),
    (&["had_conversation", "device_type"], |s| {
        let conversation = if s.count("message_sent") > 0 { "true" } else { "false" };
        vec![[conversation, s.row.device.unwrap_or("unknown")]]
    }),
    (&["event_counts.clicked"], |s| vec![[["0", "1", "2", "3", "more"][s.count("clicked").min(4)], ""]]),
    (&["properties.plan"], |s| {
        let plans = pairs(s, |event| PLANS[event.plan].map(|plan| [plan, ""]));
        plans.into_iter().map(|[plan, _]| [plan, ""]).collect()
    }),
    (&["event.event_name"], |s| pairs(s, |event| Some([NAMES[event.name], ""]))),
    (&["plan", "country_code"], |s| {
        let plans = pairs(s, |event| PLANS[event.plan].map(|plan| [plan, ""]));
        plans.into_iter().map(|[plan, _]| [plan, s.row.country.unwrap_or("unknown")]).collect()
    }),
    (&["page_url", "properties.plan"], |s| {
        pairs(s, |event| match (URLS[event.url], PLANS[event.plan]) {
            (None, None) => None,
            (url, plan) => Some([url.unwrap_or("unknown"), plan.unwrap_or("unknown")]),
        })
    }),
];

/// Returns the figures of an answer, without its scope.
fn figures(mut answer: Value) -> Value {
    let object = answer.as_object_mut().unwrap();
    ["chatbot_id", "period_days", "from", "to", "values", "by", "groups", "groups_overlap"]
        .iter()
        .for_each(|key| drop(object.remove(*key)));
    answer
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn group_of_a_breakdown_equals_report_on_its_sessions(
        log in prop::collection::vec(any_event(), 1..120),
        fields in 0..FIELDS.len(),
        limit in prop::sample::select(vec![Some(1), Some(2), Some(10), None]),
        include_bots: bool,
        filtered: bool,
        prunes: bool,
        has_late_events: bool,
    ) {
        let (names, values) = FIELDS[fields];
        let (mut log, mut sessions) = (log.clone(), sessions(&log));
        let pruned = prunes.then(|| Day::parse("2026-03-28").unwrap());
        pruned.into_iter().for_each(|last| prune(&mut log, &mut sessions, last));
        let tables = |is_kept: &dyn Fn(&LogSession) -> bool| {
            MemoryTables { events_pruned: pruned, has_late_events, ..tables(&log, &sessions, Zone::UTC, is_kept) }
        };
        prop_assume!(sessions.iter().all(|s| s.count("clicked") < 4));
        prop_assume!(names[0] != "plan" || log.iter().any(|event| PLANS[event.plan].is_some()));
        let all = tables(&|_| true);
        let from = Day::parse("2026-03-28").unwrap();
        let window = Window { from, to: from.plus(3), today: Day::parse("2026-04-10").unwrap() };
        let query = Query { include_bots, ..Query::new(window) };
        // Filtered by one property and broken down by another.
        let is_selected = |s: &LogSession| !filtered || s.has_event(|e| e.cart > 1);
        let condition = Where::parse("--where", "properties.cart.items.0.n>1", Subject::Sessions).unwrap();

        let mut counts: BTreeMap<[&str; 2], usize> = BTreeMap::new();
        for session in sessions.iter().filter(|s| (include_bots || !s.row.bot) && is_selected(s)) {
            values(session).into_iter().for_each(|pair| *counts.entry(pair).or_default() += 1);
        }
        let mut ranked: Vec<([&str; 2], usize)> = counts.into_iter().collect();
        ranked.sort_by_key(|(pair, count)| (usize::MAX - count, *pair));
        let shown: Vec<[&str; 2]> = ranked.iter().take(limit.unwrap_or(usize::MAX)).map(|(pair, _)| *pair).collect();

        for kind in KINDS.into_iter().filter(|kind| !matches!(kind, ReportKind::Active | ReportKind::Sessions)) {
            let plain = request(kind, &query, 0);
            let request = ReportRequest {
                by: names.iter().map(|name| Field::parse(name, Subject::Sessions).unwrap()).collect(),
                by_limit: limit,
                conditions: if filtered { vec![condition.clone()] } else { Vec::new() },
                ..plain.clone()
            };
            let answer_by = answer(&all, &request);
            let of = |is_kept: &dyn Fn(&LogSession) -> bool| {
                let kept = |s: &LogSession| is_selected(s) && is_kept(s);
                figures(answer(&tables(&kept), &plain))
            };
            prop_assert_eq!(figures(answer_by.clone()), of(&|_| true));
            let is_event_field = ["plan", "properties.plan", "event.event_name", "page_url"].contains(&names[0]);
            prop_assert_eq!(answer_by["groups_overlap"].as_bool(), Some(is_event_field));
            let groups = answer_by["groups"].as_array().unwrap();
            let has_other = shown.len() < ranked.len();
            prop_assert_eq!(groups.len(), shown.len() + usize::from(has_other), "{:?}", names);
            for (group, pair) in groups.iter().zip(&shown) {
                let listed: Vec<&str> = group["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
                prop_assert_eq!(listed, pair[..names.len()].to_vec());
                prop_assert_eq!(figures(group.clone()), of(&|s| values(s).contains(pair)), "{:?} {:?}", kind, pair);
            }
            if has_other {
                let other = groups.last().unwrap();
                prop_assert_eq!(other["values"][0].as_str(), Some("(other)"));
                let expected = of(&|s| values(s).iter().any(|pair| !shown.contains(pair)));
                prop_assert_eq!(figures(other.clone()), expected, "{:?} other", kind);
            }
        }
    }
}

/// Checks that each of `count` groups of a breakdown of a log of 30 days equals the report on its
/// sessions.
fn check_groups(log: &[LogEvent], field: &str, count: usize, has_value: impl Fn(&LogEvent, &str) -> bool) {
    let sessions = sessions(log);
    let all = tables(log, &sessions, Zone::UTC, |_| true);
    let from = Day::parse("2026-03-28").unwrap();
    let query = Query::new(Window { from, to: from.plus(30), today: from.plus(30) });
    for kind in [
        ReportKind::Summary,
        ReportKind::Heatmap,
        ReportKind::Visitors,
        ReportKind::Funnel,
        ReportKind::Goals,
        ReportKind::Conversations,
        ReportKind::Paths,
        ReportKind::Performance,
    ] {
        let plain = request(kind, &query, 0);
        let by = vec![Field::parse(field, Subject::Sessions).unwrap()];
        let answer_by = answer(&all, &ReportRequest { by, by_limit: None, ..plain.clone() });
        assert_eq!(figures(answer_by.clone()), figures(answer(&all, &plain)), "{kind:?}");
        let groups = answer_by["groups"].as_array().unwrap();
        assert_eq!(groups.len(), count, "{kind:?}");
        for group in groups {
            let value = group["values"][0].as_str().unwrap();
            let of_group = tables(log, &sessions, Zone::UTC, |s| s.has_event(|e| has_value(e, value)));
            assert_eq!(figures(group.clone()), figures(answer(&of_group, &plain)), "{kind:?} {group}");
        }
    }
}

#[test]
fn group_of_many_equals_report_on_its_sessions() {
    // 100 instants, which are the values of the breakdown. Most sessions have several of them.
    let event = |n: usize| LogEvent {
        chatbot: n % 2,
        key: n % 7,
        minute: (n * 7 % 100) as i64 * 10,
        name: n / 3 % NAMES.len(),
        plan: n % PLANS.len(),
        url: n % URLS.len(),
        cart: n as i64 % 4,
    };
    let log: Vec<LogEvent> = (0..300).map(event).collect();
    check_groups(&log, "event.timestamp", 100, |event, value| at(event.minute) == time(value));
}

#[test]
fn group_equals_report_if_sets_of_values_differ() {
    // Each of 300 sessions has a different set of nine values.
    let event = |n: usize, cart: usize| LogEvent {
        chatbot: n % 2,
        key: n % 7,
        minute: (n * 120 + cart) as i64,
        name: (n + cart) % NAMES.len(),
        plan: n % PLANS.len(),
        url: n % URLS.len(),
        cart: cart as i64,
    };
    let carts = |n: usize| (1..10).filter(move |cart| n >> (cart - 1) & 1 == 1);
    let log: Vec<LogEvent> = (1..=300).flat_map(|n| carts(n).map(move |cart| event(n, cart))).collect();
    let has_value = |event: &LogEvent, value: &str| event.cart.to_string() == value;
    check_groups(&log, "properties.cart.items.0.n", 9, has_value);
    // Few sets of few values.
    let few: Vec<LogEvent> = log.into_iter().filter(|event| event.cart < 4).collect();
    check_groups(&few, "properties.cart.items.0.n", 3, has_value);
}

#[test]
fn empty_selection_and_pruned_events_have_notes() {
    let log = [LogEvent { chatbot: 0, key: 0, minute: 0, name: 1, plan: 0, url: 0, cart: 1 }];
    let sessions = sessions(&log);
    let mut tables = tables(&log, &sessions, Zone::UTC, |_| true);
    let day = Day::parse("2026-03-28").unwrap();
    let query = Query::new(Window { from: day, to: day, today: day });
    let notes = |tables: &MemoryTables, condition: &str| {
        let conditions = vec![Where::parse("--where", condition, Subject::Sessions).unwrap()];
        let request =
            ReportRequest { conditions, ..ReportRequest::new(ReportKind::Summary, query.clone(), 0) };
        run(tables, &request).unwrap().notes()
    };
    assert_eq!(notes(&tables, "country_code=FR"), ["no session on 2026-03-28 meets the conditions"]);
    assert_eq!(notes(&tables, "cart.items.0.n=1"), ["cart.items.0.n is read as properties.cart.items.0.n"]);
    // A path that no event has, a longer one, and an event that did not happen.
    for (condition, note) in [
        (
            "properties.crat.items=1",
            "no event of these days has properties.crat.items: did you mean properties.cart?",
        ),
        ("properties.cart.n!=1", "no event of these days has properties.cart.n"),
        ("cart.items.1.n!=1", "no event of these days has cart.items.1.n"),
        (
            "event_counts.mesage_sent<1",
            "no session of these days has event_counts.mesage_sent: did you mean event_counts.message_sent?",
        ),
    ] {
        assert_eq!(
            notes(&tables, condition)
                .iter()
                .find(|found| found.starts_with("no ") && !found.contains("meets")),
            Some(&note.to_owned())
        );
    }
    let misspelled = Where::parse("--where", "crat=1", Subject::Sessions).unwrap();
    let request = ReportRequest { conditions: vec![misspelled], ..request(ReportKind::Summary, &query, 0) };
    let Err(error) = run(&tables, &request) else { panic!("no error") };
    assert_eq!(error.hint_text(), Some("did you mean cart?"));
    tables.events_pruned = Some(day);
    assert!(notes(&tables, "country_code=DE").is_empty());
    let note = notes(&tables, "event.event_name=message_sent").pop().unwrap();
    assert!(note.starts_with("events up to 2026-03-28 are pruned"), "{note}");
}
