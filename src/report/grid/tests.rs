//! Checks that the answers of a grid, which share reads and results, equal separate reports.

use proptest::prelude::*;

use crate::report::sequence::event_pattern::EventPattern;
use crate::report::tests::agreement::any_session;
use crate::report::tests::memory_tables::{Event, MemoryTables, Session};
use crate::report::*;
use crate::time::{Day, SECOND, Zone};

/// The kind of an event, and its time after the start of its session, in seconds.
type Step = (usize, i64);

const NAMES: [&str; 6] =
    ["widget_loaded", "widget_opened", "message_sent", "message_received", "feedback_given", "slow_response"];

/// Returns tables with unique session ids, and events within their sessions.
fn tables(sessions: Vec<(Session, Vec<Step>)>) -> MemoryTables {
    let mut events = Vec::new();
    let numbered = sessions.into_iter().enumerate().map(|(number, (session, steps))| {
        let id = format!("session {number}");
        for (kind, after) in steps {
            let name = NAMES[kind % NAMES.len()];
            // Some responses have no response time.
            let properties = match kind % 4 {
                0 => Some(format!(r#"{{"response_time_ms":{},"rating":{}}}"#, after * 3, 1 + after % 5)),
                1 => Some(format!(r#"{{"load_time_ms":{after},"plan":"pro"}}"#)),
                _ => None,
            };
            events.push(Event {
                chatbot: session.chatbot,
                session: Some(id.clone()),
                anonymous: session.anonymous.clone(),
                name,
                category: (kind % 5 == 0).then_some("error"),
                properties,
                time: session.start + after.min(session.seconds) * SECOND,
                url: None,
            });
        }
        Session { session: Some(id), ..session }
    });
    let mut tables = MemoryTables::new(numbered.collect());
    tables.events = events;
    tables
}

/// All reports of a grid, each with all its periods.
fn parts() -> Vec<(ReportKind, GridPeriod)> {
    let kinds = [
        ReportKind::Summary,
        ReportKind::Trends,
        ReportKind::Visitors,
        ReportKind::Sources,
        ReportKind::Pages,
        ReportKind::Locations,
        ReportKind::Devices,
        ReportKind::Events,
        ReportKind::Funnel,
        ReportKind::Retention,
        ReportKind::Conversations,
        ReportKind::Heatmap,
        ReportKind::Performance,
    ];
    let periods = [GridPeriod::Window, GridPeriod::Compared, GridPeriod::Previous];
    let of_kind = |kind: ReportKind| {
        let periods = periods.into_iter();
        periods
            .filter(move |period| *period != GridPeriod::Compared || kind.supports_compare())
            .map(move |period| (kind, period))
    };
    kinds.into_iter().flat_map(of_kind).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn answers_of_a_grid_equal_separate_reports(
        sessions in prop::collection::vec(
            (any_session(), prop::collection::vec((0usize..60, 0i64..7000), 0..8)), 1..30),
        lengths in prop::sample::select(vec![vec![1u32, 7, 30], vec![5, 20], vec![30]]),
        to in 10i32..45,
        zone in prop::sample::select(vec!["UTC", "Asia/Kathmandu"]),
        chosen in prop::sample::select(vec![vec![], vec!["shop"], vec!["docs", "shop"]]),
        max_chatbots in 1usize..4,
        include_bots: bool,
        limit in prop::option::of(1usize..4),
        step in prop::sample::select(vec!["message_sent", "* where plan=pro", "* where extra.x=1|2"]),
        pruned in prop::option::of((0i32..30, 0i32..30)),
        parts in prop::sample::subsequence(parts(), 5),
    ) {
        let mut tables = tables(sessions);
        tables.zone = Zone::parse(zone).unwrap();
        let start = Day::parse("2026-01-18").unwrap();
        if let Some((sessions, events)) = pruned {
            tables.sessions_pruned = Some(start.plus(sessions));
            tables.events_pruned = Some(start.plus(events));
        }
        let to = start.plus(to);
        let window = |days: &u32| Window { from: to.plus(1 - *days as i32), to, today: to };
        let windows: Vec<Window> = lengths.iter().map(window).collect();
        let known = |id: &&str| tables.sessions.iter().any(|session| session.chatbot == *id);
        let chatbots: Vec<String> = chosen.into_iter().filter(known).map(str::to_owned).collect();
        let query = Query { chatbots, include_bots, ..Query::new(*windows.last().unwrap()) };
        let mut reports = ReportRequest::new(ReportKind::All, query, 0);
        reports.limit = limit;
        let steps = ["widget_loaded", step].map(|text| EventPattern::parse(text).unwrap());
        reports.sequences.funnel.steps = steps.into();
        let request = GridRequest { reports, windows: windows.clone(), parts, max_chatbots };
        let json = |answer: &dyn Answer| (serde_json::to_value(answer).unwrap(), answer.notes().to_vec());
        let grid = run_grid(&tables, &request, |_, answer| json(answer)).unwrap();
        prop_assert!(grid.scopes.len() <= max_chatbots + 1);
        for (scope, of_scope) in grid.scopes.iter().zip(&grid.answers) {
            for (window, of_window) in windows.iter().zip(of_scope) {
                prop_assert_eq!(of_window.len(), request.parts.len());
                for (part, answer) in of_window.iter().enumerate() {
                    let request = request.request(scope, *window, part);
                    let separate = run(&tables, &request).unwrap();
                    let expected = json(separate.answers()[0]);
                    prop_assert_eq!(answer, &expected, "{:?} of {:?} in {:?}", request.kind, scope, window);
                }
            }
        }
    }
}
