//! Guarantee 4, agreement, for reports on sequences of events, which are compared with reports that
//! are computed from the reference model. The log has late and repeated events, ties, bots, several
//! chatbots, and a time zone with clock changes.

use wa::report::{
    EventPattern, FunnelOptions, FunnelOrder, FunnelUnit, Goal, ReportKind, ReportRequest, run,
};
use wa::time::SECOND;

use super::agreement::{CHATBOTS, Case, numbers, windows};
use super::support::generated_logs::NOW;
use super::support::reference_reports::Scope;
use super::support::reference_sequences::{FunnelSpec, Step};

const DAY: i64 = 86_400 * SECOND;

pub fn scopes() -> Vec<Scope> {
    let chatbots: [&[&str]; 3] = [&[], &["docs"], &[CHATBOTS[2], "shop"]];
    let mut scopes = Vec::new();
    for (number, (from, to)) in windows().into_iter().enumerate() {
        let chatbots = chatbots[number % 3].iter().map(|id| (*id).to_owned()).collect();
        scopes.push(Scope { from, to, chatbots, include_bots: number % 2 == 1 });
        scopes.push(Scope { from, to, chatbots: Vec::new(), include_bots: false });
    }
    scopes
}

pub fn pattern(step: &Step) -> EventPattern {
    let text = match step {
        (name, None) => (*name).to_owned(),
        (name, Some((property, least))) => format!("{name} where properties.{property}>{least}"),
    };
    EventPattern::parse(&text).unwrap()
}

pub fn funnels() -> Vec<FunnelSpec> {
    let plain = |names: &[&'static str]| names.iter().map(|name| (*name, None)).collect::<Vec<Step>>();
    let session = FunnelSpec {
        steps: plain(&["message_sent", "message_received", "message_sent", "feedback_given"]),
        exclude: Vec::new(),
        by_visitor: false,
        order: "ordered",
        within: None,
    };
    let long: Step = ("message_sent", Some(("message_length", 100)));
    vec![
        session.clone(),
        FunnelSpec { within: Some(600 * SECOND), exclude: plain(&["widget_loaded"]), ..session.clone() },
        FunnelSpec { steps: vec![long, ("message_received", None)], order: "strict", ..session.clone() },
        FunnelSpec {
            steps: plain(&["feedback_given", "message_sent", "page_viewed", "message_received"]),
            order: "any",
            ..session.clone()
        },
        FunnelSpec { by_visitor: true, within: Some(7 * DAY), ..session.clone() },
        FunnelSpec {
            by_visitor: true,
            within: Some(90 * DAY),
            steps: vec![("feedback_given", None), long, ("message_received", None), ("page_viewed", None)],
            exclude: plain(&["custom_thing"]),
            ..session.clone()
        },
        FunnelSpec {
            by_visitor: true,
            within: Some(3 * DAY),
            steps: plain(&["feedback_given", "message_sent", "custom_thing"]),
            order: "any",
            ..session
        },
    ]
}

fn compare_funnels(zone: &str) {
    let case = Case::new(zone);
    let reference = case.reference();
    let mut reached = 0;
    for scope in scopes() {
        let query = case.query(&scope);
        let end = case.zone.start_of(query.window.to.plus(1));
        for spec in funnels() {
            let mut request = ReportRequest::new(ReportKind::Funnel, query.clone(), NOW);
            request.sequences.funnel = FunnelOptions {
                name: None,
                steps: spec.steps.iter().map(pattern).collect(),
                exclude: spec.exclude.iter().map(pattern).collect(),
                unit: if spec.by_visitor { FunnelUnit::Visitor } else { FunnelUnit::Session },
                order: match spec.order {
                    "strict" => FunnelOrder::Strict,
                    "any" => FunnelOrder::Any,
                    _ => FunnelOrder::Ordered,
                },
                within: spec.within,
            };
            let mut found = serde_json::to_value(run(&case.snapshot, &request).unwrap()).unwrap();
            for step in found["steps"].as_array_mut().unwrap() {
                step.as_object_mut().unwrap().remove("name");
            }
            let (total, steps) = reference.funnel(&scope, &spec, end);
            assert_eq!(found["total"], total, "{scope:?} {spec:?}");
            assert_eq!(numbers(&found["steps"]), numbers(&steps), "{scope:?} {spec:?}");
            reached += steps.as_array().unwrap().last().and_then(|step| step["count"].as_u64()).unwrap();
        }
    }
    assert!(reached > 500, "only {reached} chains reach the last step");
}

#[test]
fn agreement_of_funnels_in_utc() {
    compare_funnels("UTC");
}

#[test]
fn agreement_of_funnels_with_daylight_saving_time() {
    compare_funnels("America/New_York");
}

#[test]
fn agreement_of_goals_and_paths() {
    let case = Case::new("America/New_York");
    let reference = case.reference();
    let goals: [Step; 3] =
        [("message_sent", Some(("message_length", 100))), ("feedback_given", None), ("absent", None)];
    for scope in scopes() {
        let mut request = ReportRequest::new(ReportKind::Goals, case.query(&scope), NOW);
        let goal = |step: &Step| Goal { name: step.0.to_owned(), event: pattern(step) };
        request.sequences.definitions.goals = goals.iter().map(goal).collect();
        let found = serde_json::to_value(run(&case.snapshot, &request).unwrap()).unwrap();
        assert_eq!(numbers(&found["goals"]), numbers(&reference.goals(&scope, &goals)), "{scope:?}");
        for steps in [1, 3, 20] {
            let mut request = ReportRequest::new(ReportKind::Paths, case.query(&scope), NOW);
            (request.sequences.paths.steps, request.lists_all, request.limit) = (steps, true, None);
            let found = serde_json::to_value(run(&case.snapshot, &request).unwrap()).unwrap();
            assert_eq!(numbers(&found["paths"]), numbers(&reference.paths(&scope, steps)), "{scope:?}");
        }
    }
}
