//! Applies the rules to events.

use std::collections::{BTreeMap, HashSet};

use super::event_names;
use super::findings::{self, Finding, Findings, LintReport, Rule, Sample, Subject, truncate};
use super::infer::InferredPlan;
use super::personal_data;
use super::plan::{Check, TrackingPlan};
use super::properties::{self, JsonType};
use crate::error::Result;
use crate::store::frame::{Frame, Ints, Texts};
use crate::time::format_utc;

/// The columns of `events` that the rules read.
pub const COLUMNS: [&str; 8] = [
    "session_id",
    "event_name",
    "event_category",
    "properties",
    "page_url",
    "page_title",
    "referrer",
    "timestamp",
];

/// The columns other than `properties` that are searched for personal data.
const TEXT_COLUMNS: [&str; 3] = ["page_url", "page_title", "referrer"];

/// The categories of the standard events.
const CATEGORIES: [&str; 4] = ["engagement", "performance", "error", "system"];

/// The maximum size of the properties of an event, in bytes of JSON.
const MAX_PROPERTIES_BYTES: usize = 1024;
/// The maximum number of different event names that are counted.
const MAX_NAMES: usize = 10_000;
/// The maximum number of properties whose types are counted.
const MAX_TYPED_PROPERTIES: usize = 20_000;

/// The options of a check.
#[derive(Debug, Default)]
pub struct LintOptions {
    /// The rules to check; empty for all.
    pub only: Vec<Rule>,
    /// The rules not to check.
    pub ignored: Vec<Rule>,
    /// The tracking plan.
    pub plan: Option<TrackingPlan>,
    /// Whether a plan is inferred.
    pub infer_plan: bool,
}

/// The types of a property's values: the number of values of each type, in the order of
/// [`JsonType::ALL`], and the first sample of each type.
#[derive(Debug, Default)]
struct TypedValues {
    counts: [u64; JsonType::ALL.len()],
    samples: [Option<Sample>; JsonType::ALL.len()],
}

/// Checks events, in the order in which they are added.
#[derive(Debug, Default)]
pub struct Linter {
    options: LintOptions,
    events: u64,
    names: HashSet<String>,
    findings: Findings,
    /// The types of each property, by event name and property.
    types: BTreeMap<String, BTreeMap<String, TypedValues>>,
    typed_properties: usize,
    untracked_events: u64,
    inferred: InferredPlan,
}

/// The values of an event that the rules check.
struct Event<'a> {
    name: &'a str,
    session_id: Option<&'a str>,
    timestamp: i64,
}

impl Event<'_> {
    fn sample(&self, value: Option<String>) -> Sample {
        Sample {
            value,
            session_id: self.session_id.map(str::to_owned),
            timestamp: format_utc(self.timestamp),
        }
    }

    fn subject<'b>(&'b self, rule: Rule, property: Option<&'b str>) -> Subject<'b> {
        Subject { rule, event_name: self.name, property, message: None }
    }
}

/// The columns of a frame.
struct Columns<'a> {
    session_id: &'a Texts,
    event_name: &'a Texts,
    event_category: &'a Texts,
    properties: &'a Texts,
    texts: Vec<(&'static str, &'a Texts)>,
    timestamp: &'a Ints,
}

impl Linter {
    /// Creates a linter.
    pub fn new(options: LintOptions) -> Linter {
        Linter { options, ..Linter::default() }
    }

    /// Checks the events of a frame, which must have [`COLUMNS`].
    ///
    /// # Errors
    /// Fails if the frame lacks a column.
    pub fn add(&mut self, frame: &Frame) -> Result<()> {
        let texts = TEXT_COLUMNS.into_iter().map(|name| Ok((name, frame.texts(name)?)));
        let columns = Columns {
            session_id: frame.texts("session_id")?,
            event_name: frame.texts("event_name")?,
            event_category: frame.texts("event_category")?,
            properties: frame.texts("properties")?,
            texts: texts.collect::<Result<_>>()?,
            timestamp: frame.ints("timestamp")?,
        };
        for row in 0..frame.height() {
            let event = Event {
                name: columns.event_name.get(row).unwrap_or(""),
                session_id: columns.session_id.get(row),
                timestamp: columns.timestamp.or_zero(row),
            };
            let properties = columns.properties.get(row);
            self.events += 1;
            self.add_name(&event);
            self.add_category(&event, columns.event_category.get(row));
            let has_untyped = self.add_properties(&event, properties.unwrap_or("{}"));
            for (column, texts) in &columns.texts {
                if let Some(text) = texts.get(row) {
                    self.add_text(&event, column, "", text);
                }
            }
            self.add_to_plan(&event, properties);
            self.untracked_events += u64::from(self.findings.take_untracked() | has_untyped);
        }
        Ok(())
    }

    fn checks(&self, rule: Rule) -> bool {
        (self.options.only.is_empty() || self.options.only.contains(&rule))
            && !self.options.ignored.contains(&rule)
    }

    fn report(&mut self, event: &Event<'_>, subject: Subject<'_>, value: impl FnOnce() -> Option<String>) {
        if self.checks(subject.rule) {
            self.findings.add(subject, || event.sample(value()));
        }
    }

    fn add_name(&mut self, event: &Event<'_>) {
        if !self.names.contains(event.name) && self.names.len() < MAX_NAMES {
            self.names.insert(event.name.to_owned());
        }
        let broken = [
            (Rule::NameCase, event_names::snake_case(event.name).is_some()),
            (Rule::NameTense, event_names::is_not_past_tense(event.name)),
            (Rule::NameGeneric, event_names::is_generic(event.name)),
        ];
        for (rule, is_broken) in broken {
            if is_broken {
                self.report(event, event.subject(rule, None), || None);
            }
        }
    }

    fn add_category(&mut self, event: &Event<'_>, category: Option<&str>) {
        if let Some(category) = category.filter(|category| !CATEGORIES.contains(category)) {
            self.report(event, event.subject(Rule::Category, None), || Some(truncate(category)));
        }
    }

    /// Checks the properties of an event. Returns whether the types of one are not tracked.
    fn add_properties(&mut self, event: &Event<'_>, object: &str) -> bool {
        if object.len() > MAX_PROPERTIES_BYTES {
            let size = || Some(format!("{} bytes", object.len()));
            self.report(event, event.subject(Rule::PropertiesSize, None), size);
        }
        let mut has_untyped = false;
        properties::visit(object, &mut |path, key, json_type, value| {
            let text = properties::text(json_type, value);
            if self.checks(Rule::MixedTypes) {
                has_untyped |= !self.add_type(event, path, key, json_type, &text);
            }
            if matches!(json_type, JsonType::String | JsonType::Number) {
                self.add_text(event, path, key, &text);
            }
        });
        has_untyped
    }

    /// Counts the type of a value. Returns whether the property is tracked.
    fn add_type(
        &mut self,
        event: &Event<'_>,
        path: &str,
        key: &str,
        json_type: JsonType,
        text: &str,
    ) -> bool {
        let is_known = self.types.get(event.name).is_some_and(|paths| paths.contains_key(path));
        if !is_known {
            if self.typed_properties >= MAX_TYPED_PROPERTIES {
                return false;
            }
            self.typed_properties += 1;
            self.types
                .entry(event.name.to_owned())
                .or_default()
                .insert(path.to_owned(), TypedValues::default());
        }
        let Some(values) = self.types.get_mut(event.name).and_then(|paths| paths.get_mut(path)) else {
            return false;
        };
        let index = json_type as usize;
        if let (Some(count), Some(sample)) = (values.counts.get_mut(index), values.samples.get_mut(index)) {
            *count += 1;
            sample.get_or_insert_with(|| event.sample(Some(masked_sample(key, text))));
        }
        true
    }

    fn add_text(&mut self, event: &Event<'_>, path: &str, key: &str, text: &str) {
        for found in personal_data::find(key, text) {
            let value = || Some(masked_sample(key, text.get(found.range.clone()).unwrap_or("")));
            self.report(event, event.subject(found.rule, Some(path)), value);
        }
    }

    fn add_to_plan(&mut self, event: &Event<'_>, properties: Option<&str>) {
        if self.options.infer_plan {
            self.inferred.add(event.name, properties);
        }
        let check = self.options.plan.as_ref().map(|plan| plan.check(event.name, properties));
        match check {
            Some(Check::UnknownEvent) => {
                self.report(event, event.subject(Rule::PlanUnknownEvent, None), || None);
            }
            Some(Check::Violations(violations)) => {
                for violation in violations {
                    let mut subject = event.subject(Rule::PlanViolation, violation.property.as_deref());
                    subject.message = Some(&violation.message);
                    self.report(event, subject, || None);
                }
            }
            Some(Check::Passed) | None => {}
        }
    }

    /// Returns the plan of all events.
    pub fn into_plan(self) -> InferredPlan {
        self.inferred
    }

    /// Returns the findings.
    pub fn finish(self) -> LintReport {
        let checks_unused = self.checks(Rule::PlanUnusedEvent);
        let mut findings = self.findings.into_vec(message);
        findings.extend(self.types.into_iter().flat_map(|(name, paths)| mixed_types(name, paths)));
        if let Some(plan) = self.options.plan.filter(|_| checks_unused) {
            let unused = plan.event_names().filter(|name| !self.names.contains(*name));
            findings.extend(unused.map(|name| Finding {
                rule: Rule::PlanUnusedEvent,
                event_name: name.to_owned(),
                property: None,
                events: 0,
                message: message(Rule::PlanUnusedEvent, name),
                samples: Vec::new(),
            }));
        }
        findings::sort(&mut findings);
        LintReport {
            events: self.events,
            event_names: self.names.len() as u64,
            findings,
            untracked: self.untracked_events,
        }
    }
}

/// Returns a finding for each property with values of several types.
fn mixed_types(name: String, paths: BTreeMap<String, TypedValues>) -> impl Iterator<Item = Finding> {
    paths.into_iter().filter_map(move |(path, values)| {
        let counts: Vec<(JsonType, u64)> =
            JsonType::ALL.into_iter().zip(values.counts).filter(|(_, count)| *count > 0).collect();
        if counts.len() < 2 {
            return None;
        }
        let types: Vec<String> =
            counts.iter().map(|(json_type, count)| format!("{} ({count})", json_type.name())).collect();
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        Some(Finding {
            rule: Rule::MixedTypes,
            event_name: name.clone(),
            property: Some(path),
            // Assume that the most frequent type is right.
            events: counts.iter().map(|(_, count)| count).sum::<u64>() - most,
            message: format!("has values of several types: {}", types.join(", ")),
            samples: values.samples.into_iter().flatten().collect(),
        })
    })
}

fn masked_sample(key: &str, text: &str) -> String {
    truncate(&personal_data::mask(key, text))
}

/// Returns the message of a rule for the events of a name.
fn message(rule: Rule, name: &str) -> String {
    match rule {
        Rule::NameCase => match event_names::snake_case(name).filter(|name| !name.is_empty()) {
            Some(snake_case) => format!("is not snake_case: write {snake_case}"),
            None => "is not snake_case".to_owned(),
        },
        Rule::NameTense => match event_names::past_tense(name) {
            Some(past) => format!("is not in the past tense: write {past}"),
            None => "is not in the past tense, as in page_viewed".to_owned(),
        },
        Rule::NameGeneric => {
            "does not name both an object and an action, as checkout_completed does".to_owned()
        }
        Rule::Category => format!("has a category that is none of {}", CATEGORIES.join(", ")),
        Rule::PropertiesSize => "has properties of more than 1 KiB".to_owned(),
        Rule::MixedTypes => "has values of several types".to_owned(),
        Rule::EmailAddress => "contains an email address".to_owned(),
        Rule::PhoneNumber => "contains a phone number".to_owned(),
        Rule::CardNumber => "contains a card number".to_owned(),
        Rule::PlanUnknownEvent => "is not in the tracking plan".to_owned(),
        Rule::PlanViolation => "does not match the tracking plan".to_owned(),
        Rule::PlanUnusedEvent => "is in the tracking plan and did not occur".to_owned(),
    }
}
