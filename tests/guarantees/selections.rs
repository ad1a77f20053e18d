//! Guarantee 4, agreement, with filters and breakdowns: all reports are compared with the reference
//! reports on the sessions that a naive function selects. The log has late and repeated events,
//! ties, bots, several chatbots and a time zone with clock changes; in one store, older events are
//! pruned.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Datelike;
use serde_json::{Value, json};
use wa::report::{
    Field, FunnelOptions, FunnelOrder, FunnelUnit, Goal, Interval, ReportKind, ReportRequest,
    RetentionOptions, Subject, Where, run,
};
use wa::time::SECOND;

use super::agreement::{Case, numbers};
use super::sequences::{pattern, scopes};
use super::support::generated_logs::NOW;
use super::support::reference_reports::{ReferenceReports, Scope};
use super::support::reference_sequences::{FunnelSpec, Step};
use super::support::tables::Row;

const GOALS: [Step; 3] =
    [("message_sent", Some(("message_length", 100))), ("feedback_given", None), ("absent", None)];

fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row[column].as_str()
}

/// Returns a property of an event.
fn property<'a>(event: &'a Row, name: &str) -> &'a Value {
    event["properties"].get(name).unwrap_or(&Value::Null)
}

fn is_long(event: &Row) -> bool {
    property(event, "message_length").as_f64().is_some_and(|length| length > 100.0)
}

type IsSelected = fn(&Row, &[&Row]) -> bool;

/// Conditions, with a function that selects the sessions that meet all of them.
const FILTERS: [(&[&str], IsSelected); 8] = [
    (&["country_code=DE|FR"], |s, _| matches!(text(s, "country_code"), Some("DE" | "FR"))),
    (&["channel=Direct", "device_type!=desktop"], |s, _| {
        text(s, "channel").unwrap_or("Direct") == "Direct" && text(s, "device_type") != Some("desktop")
    }),
    (&["properties.message_length>100"], |_, events| events.iter().any(|event| is_long(event))),
    (&["event.event_name=message_received and properties.response_time_ms<2500"], |_, events| {
        events.iter().any(|event| {
            let time = property(event, "response_time_ms");
            let time = time.as_f64().or_else(|| time.as_str()?.parse().ok());
            text(event, "event_name") == Some("message_received") && time.is_some_and(|time| time < 2500.0)
        })
    }),
    // Different events can meet the two conditions.
    (&["properties.rating=good|5", "properties.message_length>100", "country_code!="], |s, events| {
        let is_good =
            |event: &&Row| matches!(property(event, "rating").to_string().as_str(), "\"good\"" | "5");
        events.iter().any(is_good)
            && events.iter().any(|event| is_long(event))
            && text(s, "country_code").is_some()
    }),
    (&["nested.response_time_ms=1.0"], |_, events| {
        events.iter().any(|event| property(event, "nested").get("response_time_ms") == Some(&json!(1)))
    }),
    (&["event_counts.message_sent>=2 and duration_seconds>10m"], |s, _| {
        s["messages_sent"].as_i64() >= Some(2) && s["duration_seconds"].as_i64() > Some(600)
    }),
    (&["page_url=*checkout", "event.event_name=*error*|feedback_given"], |_, events| {
        let is_named = |event: &&Row| {
            let name = text(event, "event_name").unwrap();
            name.contains("error") || name == "feedback_given"
        };
        events.iter().any(|event| text(event, "page_url").is_some_and(|url| url.ends_with("checkout")))
            && events.iter().any(is_named)
    }),
];

/// Returns the expected figures of a scope, given the end of its window.
type Expected = dyn Fn(&ReferenceReports<'_>, &Scope, i64) -> Value;

/// A requested report and its expected figures.
struct Asked {
    kind: ReportKind,
    set_up: Box<dyn Fn(&mut ReportRequest)>,
    expected: Box<Expected>,
}

fn asked(
    kind: ReportKind,
    set_up: impl Fn(&mut ReportRequest) + 'static,
    expected: impl Fn(&ReferenceReports<'_>, &Scope, i64) -> Value + 'static,
) -> Asked {
    Asked { kind, set_up: Box::new(set_up), expected: Box::new(expected) }
}

fn funnel(by_visitor: bool, order: &'static str) -> Asked {
    let steps = ["message_sent", "message_received", "feedback_given"].map(|name| (name, None));
    let within = by_visitor.then_some(7 * 86_400 * SECOND);
    let spec = FunnelSpec { steps: steps.to_vec(), exclude: Vec::new(), by_visitor, order, within };
    let options = FunnelOptions {
        name: None,
        steps: spec.steps.iter().map(pattern).collect(),
        exclude: Vec::new(),
        unit: if by_visitor { FunnelUnit::Visitor } else { FunnelUnit::Session },
        order: if order == "any" { FunnelOrder::Any } else { FunnelOrder::Ordered },
        within,
    };
    asked(
        ReportKind::Funnel,
        move |request| request.sequences.funnel = options.clone(),
        move |reference, scope, end| {
            let (total, steps) = reference.funnel(scope, &spec, end);
            json!({"total": total, "steps": steps})
        },
    )
}

fn retention(interval: Interval, unbounded: bool, event: Option<&'static str>) -> Asked {
    let options = RetentionOptions { interval, unbounded, return_event: event.map(str::to_owned) };
    asked(
        ReportKind::Retention,
        move |request| request.retention = options.clone(),
        move |reference, scope, _| {
            let mut expected = reference.retention(scope, interval.name(), unbounded, event);
            // The groups of a breakdown contain no window.
            expected
                .as_object_mut()
                .unwrap()
                .retain(|key, _| !["from", "to", "period_days"].contains(&key.as_str()));
            expected
        },
    )
}

/// Returns a report without options.
fn plain(kind: ReportKind, expected: fn(&ReferenceReports<'_>, &Scope) -> Value) -> Asked {
    asked(
        kind,
        |request| (request.lists_all, request.limit) = (true, None),
        move |reference, scope, _| expected(reference, scope),
    )
}

/// Returns the reports with their expected figures. `events`, the heatmap and `--return` use the
/// event counts of session rows, while the reference counts events, so it supports none of them if
/// events are pruned.
fn reports(pruned: bool) -> Vec<Asked> {
    let goals = GOALS.iter().map(|step| Goal { name: step.0.to_owned(), event: pattern(step) });
    let goals: Vec<Goal> = goals.collect();
    let of_counts = [
        plain(ReportKind::Heatmap, |reference, scope| reference.heatmap(scope)),
        plain(ReportKind::Events, |reference, scope| reference.events(scope, usize::MAX)),
        plain(ReportKind::Performance, |reference, scope| reference.performance(scope)),
        retention(Interval::Month, true, Some("message_sent")),
    ];
    let all = vec![
        funnel(false, "ordered"),
        funnel(true, "any"),
        asked(
            ReportKind::Goals,
            move |request| request.sequences.definitions.goals = goals.clone(),
            |reference, scope, _| json!({"goals": reference.goals(scope, &GOALS)}),
        ),
        asked(
            ReportKind::Paths,
            |request| (request.sequences.paths.steps, request.lists_all, request.limit) = (3, true, None),
            |reference, scope, _| json!({"paths": reference.paths(scope, 3)}),
        ),
        plain(ReportKind::Conversations, |reference, scope| reference.conversations(scope)),
        plain(ReportKind::Visitors, |reference, scope| reference.visitors_report(scope)),
        plain(ReportKind::Summary, |reference, scope| reference.summary(scope)),
        plain(ReportKind::Trends, |reference, scope| reference.trends(scope)),
        plain(ReportKind::Sources, |reference, scope| reference.sources(scope)),
        plain(ReportKind::Devices, |reference, scope| reference.devices(scope)),
        plain(ReportKind::Pages, |reference, scope| reference.pages(scope)),
        plain(ReportKind::Locations, |reference, scope| reference.locations(scope)),
        retention(Interval::Week, false, None),
    ];
    all.into_iter().chain(of_counts.into_iter().filter(|_| !pruned)).collect()
}

/// Returns the members of an answer that the expected answer has. Steps of a funnel lose their
/// names.
fn parts(found: &Value, expected: &Value) -> Value {
    let mut found = found.clone();
    let wanted = expected.as_object().unwrap();
    let object = found.as_object_mut().unwrap();
    object.retain(|key, _| wanted.contains_key(key));
    for step in object.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        step.as_object_mut().unwrap().remove("name");
    }
    numbers(&found)
}

/// Returns every fifth scope, from index `number` on.
fn some_scopes(number: usize) -> impl Iterator<Item = Scope> {
    scopes().into_iter().skip(number % 5).step_by(5)
}

fn answer(case: &Case, request: &ReportRequest) -> (Value, Vec<String>) {
    let outcome = run(&case.snapshot, request).unwrap();
    (serde_json::to_value(&outcome).unwrap(), outcome.notes())
}

fn request(case: &Case, asked: &Asked, scope: &Scope) -> ReportRequest {
    let mut request = ReportRequest::new(asked.kind, case.query(scope), NOW);
    (asked.set_up)(&mut request);
    request
}

/// The end of a scope's window.
fn end(case: &Case, scope: &Scope) -> i64 {
    case.zone.start_of(case.query(scope).window.to.plus(1))
}

fn compare_filtered(case: &Case) {
    let reference = case.reference();
    let is_pruned = case.snapshot.manifest().events_pruned_through.is_some();
    let mut selected_sessions = 0;
    for (number, (conditions, is_selected)) in FILTERS.iter().enumerate() {
        let selected = reference.select(is_selected);
        let parse = |text: &&str| Where::parse("--where", text, Subject::Sessions).unwrap();
        let conditions: Vec<Where> = conditions.iter().map(parse).collect();
        for scope in some_scopes(number) {
            selected_sessions += selected.sessions(&scope).len();
            for asked in reports(is_pruned) {
                let request =
                    ReportRequest { conditions: conditions.clone(), ..request(case, &asked, &scope) };
                let is_known = |name: &str| {
                    let events = reference.sessions(&Scope { include_bots: true, ..scope.clone() });
                    events.iter().any(|(_, events)| events.iter().any(|e| !property(e, name).is_null()))
                };
                // A property name is valid only if events of the window have it.
                if FILTERS[number].0[0].starts_with("nested") && !is_known("nested") {
                    continue;
                }
                let expected = (asked.expected)(&selected, &scope, end(case, &scope));
                let (found, _) = answer(case, &request);
                let kind = asked.kind.name();
                assert_eq!(parts(&found, &expected), numbers(&expected), "{kind} {conditions:?} {scope:?}");
            }
        }
    }
    assert!(selected_sessions > 300, "only {selected_sessions} sessions");
}

#[test]
fn agreement_of_filtered_reports() {
    compare_filtered(&Case::new("America/New_York"));
}

#[test]
fn agreement_of_filtered_reports_with_pruned_events() {
    compare_filtered(&Case::pruned("America/New_York", 330));
}

#[test]
fn agreement_of_filtered_and_broken_down_active_sessions() {
    let case = Case::new("America/New_York");
    let reference = case.reference();
    let timeout = 1_800 * SECOND;
    let (fields, values, _) = FIELDS[3];
    let (mut active, mut in_groups) = (0, 0);
    for (number, (conditions, is_selected)) in FILTERS.iter().enumerate() {
        let selected = reference.select(is_selected);
        let parse = |text: &&str| Where::parse("--where", text, Subject::Sessions).unwrap();
        // Names that are not columns are looked up in the window, but the moment can be on any day.
        if conditions[0].starts_with("nested") {
            continue;
        }
        for scope in some_scopes(number) {
            let sessions = selected.sessions(&scope);
            for (session, _) in sessions.iter().step_by(1 + sessions.len() / 8) {
                let end = session["ended_at"].as_i64().unwrap();
                for moment in [end - 1, end, end + timeout, end + timeout + 1] {
                    let expected = |reference: &ReferenceReports<'_>| {
                        reference.active(&scope.chatbots, scope.include_bots, moment, timeout)
                    };
                    let mut request = ReportRequest::new(ReportKind::Active, case.query(&scope), moment);
                    request.conditions = conditions.iter().map(parse).collect();
                    request.by = vec![
                        Field::parse("properties.rating", Subject::Sessions).unwrap(),
                        Field::parse(fields[1], Subject::Sessions).unwrap(),
                    ];
                    let (found, _) = answer(&case, &request);
                    assert_eq!(found["active_sessions"], expected(&selected), "{conditions:?} at {moment}");
                    active += expected(&selected);
                    for group in found["groups"].as_array().unwrap() {
                        let of_value = selected.select(|session, events| {
                            values(session, events).iter().any(|value| group["values"] == json!(value))
                        });
                        assert_eq!(group["active_sessions"], expected(&of_value), "{group} at {moment}");
                        assert_ne!(group["active_sessions"], 0, "{group} at {moment}");
                        in_groups += expected(&of_value);
                    }
                }
            }
        }
    }
    assert!(active > 100 && in_groups >= active, "{active} active sessions, {in_groups} in groups");
}

type Values = fn(&Row, &[&Row]) -> BTreeSet<Vec<String>>;

fn or_unknown(row: &Row, column: &str) -> String {
    text(row, column).unwrap_or("unknown").to_owned()
}

/// Returns the values of the events for which `values` returns some; `unknown` if there are none.
fn of_events(
    events: &[&Row],
    fields: usize,
    values: impl Fn(&Row) -> Option<Vec<String>>,
) -> BTreeSet<Vec<String>> {
    let found: BTreeSet<Vec<String>> = events.iter().filter_map(|event| values(event)).collect();
    if found.is_empty() { BTreeSet::from([vec!["unknown".to_owned(); fields]]) } else { found }
}

/// Returns a rating as text.
fn rating(event: &Row) -> Option<String> {
    match property(event, "rating") {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    }
}

/// Fields, the values of a session, and whether a session can have several values.
const FIELDS: [(&[&str], Values, bool); 5] = [
    (&["country_code"], |s, _| BTreeSet::from([vec![or_unknown(s, "country_code")]]), false),
    (
        &["channel", "had_conversation"],
        |s, _| {
            let channel = text(s, "channel").unwrap_or("Direct").to_owned();
            BTreeSet::from([vec![channel, s["had_conversation"].to_string()]])
        },
        false,
    ),
    (&["properties.rating"], |_, events| of_events(events, 1, |event| Some(vec![rating(event)?])), true),
    (
        &["rating", "device_type"],
        |s, events| {
            let ratings = of_events(events, 1, |event| Some(vec![rating(event)?]));
            ratings.into_iter().map(|rating| [rating, vec![or_unknown(s, "device_type")]].concat()).collect()
        },
        true,
    ),
    (
        &["event.event_name", "properties.rating"],
        |_, events| {
            of_events(events, 2, |event| {
                let rating = rating(event).unwrap_or("unknown".to_owned());
                Some(vec![text(event, "event_name").unwrap().to_owned(), rating])
            })
        },
        true,
    ),
];

/// Returns the number of sessions that a report counts; `None` for reports on visitors.
fn sessions_of(kind: ReportKind, answer: &Value) -> Option<u64> {
    let sum =
        |list: &Value, key: &str| list.as_array().unwrap().iter().map(|row| row[key].as_u64().unwrap()).sum();
    match kind {
        ReportKind::Funnel if answer["unit"] == "session" => answer["total"].as_u64(),
        ReportKind::Goals => Some(sum(&answer["goals"], "converting_sessions")),
        ReportKind::Paths => Some(sum(&answer["paths"], "count")),
        ReportKind::Heatmap => Some(sum(&answer["cells"], "sessions")),
        ReportKind::Conversations => answer["conversations"].as_u64(),
        ReportKind::Visitors => answer["visitors"]["total_sessions"].as_u64(),
        ReportKind::Summary => answer["summary"]["total_sessions"].as_u64(),
        ReportKind::Trends => Some(sum(&answer["trends"], "sessions")),
        ReportKind::Sources => Some(sum(&answer["channels"], "count")),
        ReportKind::Devices => Some(sum(&answer["browsers"], "count")),
        ReportKind::Pages => Some(sum(&answer["pages"], "sessions")),
        ReportKind::Locations => Some(sum(&answer["cities"], "sessions")),
        _ => None,
    }
}

fn compare_broken_down(case: &Case) {
    let reference = case.reference();
    let is_pruned = case.snapshot.manifest().events_pruned_through.is_some();
    let mut compared = 0;
    for (number, (fields, values, overlap)) in FIELDS.iter().enumerate() {
        for (scope, limit) in some_scopes(number).zip([Some(2), Some(10), None].into_iter().cycle()) {
            // Filter by one property and break down by another.
            let filtered = number % 2 == 1;
            let base = if filtered {
                reference.select(|_, events| events.iter().any(|e| is_long(e)))
            } else {
                reference.select(|_, _| true)
            };
            for asked in reports(is_pruned) {
                let mut request = request(case, &asked, &scope);
                request.by =
                    fields.iter().map(|name| Field::parse(name, Subject::Sessions).unwrap()).collect();
                request.by_limit = limit;
                if filtered {
                    let condition = "properties.message_length>100";
                    request.conditions = vec![Where::parse("--where", condition, Subject::Sessions).unwrap()];
                }
                // `retention` extends its window to the start of its first period.
                let counted = match asked.kind {
                    ReportKind::Retention => {
                        let from = match request.retention.interval {
                            Interval::Week => scope.from.week(chrono::Weekday::Mon).first_day(),
                            _ => scope.from.with_day(1).unwrap(),
                        };
                        Scope { from, ..scope.clone() }
                    }
                    _ => scope.clone(),
                };
                let mut counts: BTreeMap<Vec<String>, usize> = BTreeMap::new();
                for (session, events) in base.sessions(&counted) {
                    values(session, events)
                        .into_iter()
                        .for_each(|value| *counts.entry(value).or_default() += 1);
                }
                if fields[0] == "rating" && !counts.keys().any(|values| values[0] != "unknown") {
                    // A property name is valid only if events of the window have it.
                    continue;
                }
                let mut ranked: Vec<(Vec<String>, usize)> = counts.into_iter().collect();
                ranked.sort_by_key(|(values, count)| (usize::MAX - count, values.clone()));
                let shown: Vec<Vec<String>> = ranked
                    .iter()
                    .take(limit.unwrap_or(usize::MAX))
                    .map(|(values, _)| values.clone())
                    .collect();
                let (found, notes) = answer(case, &request);
                let context = format!("{} by {fields:?} of {scope:?}", asked.kind.name());
                let groups = found["groups"].as_array().unwrap();
                let has_other = shown.len() < ranked.len();
                assert_eq!(groups.len(), shown.len() + usize::from(has_other), "{context}");
                let until = end(case, &scope);
                for (group, value) in groups.iter().zip(&shown) {
                    assert_eq!(group["values"], json!(value), "{context}");
                    let of_value = base.select(|session, events| values(session, events).contains(value));
                    let expected = (asked.expected)(&of_value, &scope, until);
                    assert_eq!(parts(group, &expected), numbers(&expected), "{value:?} of {context}");
                    compared += 1;
                }
                if has_other {
                    let others =
                        base.select(|s, events| values(s, events).iter().any(|v| !shown.contains(v)));
                    let expected = (asked.expected)(&others, &scope, until);
                    let other = groups.last().unwrap();
                    assert_eq!(other["values"][0], "(other)", "{context}");
                    assert_eq!(parts(other, &expected), numbers(&expected), "(other) of {context}");
                }
                assert_eq!(found["groups_overlap"], *overlap, "{context}");
                let has_note =
                    notes.iter().any(|note| note.contains("the groups can add up to more than the total"));
                assert_eq!(has_note, *overlap, "{context}: {notes:?}");
                let sum: Option<u64> = groups.iter().map(|group| sessions_of(asked.kind, group)).sum();
                match (sum, sessions_of(asked.kind, &found)) {
                    (Some(sum), Some(total)) if *overlap => assert!(sum >= total, "{context}"),
                    (Some(sum), Some(total)) => assert_eq!(sum, total, "{context}"),
                    _ => {}
                }
            }
        }
    }
    assert!(compared > 150, "only {compared} groups");
}

#[test]
fn agreement_of_broken_down_reports() {
    compare_broken_down(&Case::new("America/New_York"));
}

#[test]
fn agreement_of_broken_down_reports_with_pruned_events() {
    compare_broken_down(&Case::pruned("America/New_York", 330));
}
