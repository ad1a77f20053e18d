//! Findings: the broken rule, the number of events, and samples.

use std::collections::HashMap;

use serde::Serialize;

/// The maximum number of findings. Further ones are only counted.
const MAX_FINDINGS: usize = 10_000;
/// The maximum number of samples of a finding.
const MAX_SAMPLES: usize = 3;
/// The maximum number of characters of a sample.
const SAMPLE_CHARS: usize = 60;

/// A rule that events can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The event name is not in snake_case.
    NameCase,
    /// No word of the event name is in the past tense.
    NameTense,
    /// The event name does not name an action and its object.
    NameGeneric,
    /// The category is not a standard one.
    Category,
    /// The properties are larger than 1 KiB.
    PropertiesSize,
    /// A property has more than one type.
    MixedTypes,
    /// An email address in a property, a URL or the page title.
    EmailAddress,
    /// A phone number in a property, a URL or the page title.
    PhoneNumber,
    /// A payment card number in a property, a URL or the page title.
    CardNumber,
    /// The tracking plan does not have the event.
    PlanUnknownEvent,
    /// The properties do not match the schema of the tracking plan.
    PlanViolation,
    /// The tracking plan has the event, but no such event occurred.
    PlanUnusedEvent,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 12] = [
        Rule::NameCase,
        Rule::NameTense,
        Rule::NameGeneric,
        Rule::Category,
        Rule::PropertiesSize,
        Rule::MixedTypes,
        Rule::EmailAddress,
        Rule::PhoneNumber,
        Rule::CardNumber,
        Rule::PlanUnknownEvent,
        Rule::PlanViolation,
        Rule::PlanUnusedEvent,
    ];

    /// Returns the name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Rule::NameCase => "name_case",
            Rule::NameTense => "name_tense",
            Rule::NameGeneric => "name_generic",
            Rule::Category => "category",
            Rule::PropertiesSize => "properties_size",
            Rule::MixedTypes => "mixed_types",
            Rule::EmailAddress => "email_address",
            Rule::PhoneNumber => "phone_number",
            Rule::CardNumber => "card_number",
            Rule::PlanUnknownEvent => "plan_unknown_event",
            Rule::PlanViolation => "plan_violation",
            Rule::PlanUnusedEvent => "plan_unused_event",
        }
    }
}

/// An event that breaks a rule, and the value at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The value, truncated; personal data in it is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The session of the event, by its id in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The time of the event, as RFC 3339 in UTC.
    pub timestamp: String,
}

/// The events of one name that break a rule. For a rule about properties, the events that break it
/// with one property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The name of the event.
    pub event_name: String,
    /// The path of the property, or the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The number of events.
    pub events: u64,
    /// Describes the problem.
    pub message: String,
    /// Samples of events, in the order of their times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// The result of checking events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LintReport {
    /// The number of checked events.
    pub events: u64,
    /// The number of different event names.
    pub event_names: u64,
    /// The findings, by number of events in descending order, then by event name, rule and
    /// property.
    pub findings: Vec<Finding>,
    /// The number of events with findings or properties that were not tracked, because there were
    /// too many different ones.
    pub untracked: u64,
}

/// The key of a finding: rule, event name, and property or message.
type Key = (Rule, String, Option<String>, Option<String>);

/// Collects findings, at most [`MAX_FINDINGS`].
#[derive(Debug, Default)]
pub(super) struct Findings {
    findings: HashMap<Key, (u64, Vec<Sample>)>,
    /// Whether a finding of the current event was not tracked.
    is_untracked: bool,
}

/// The subject of a finding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub rule: Rule,
    pub event_name: &'a str,
    pub property: Option<&'a str>,
    /// The message, if the rule has several.
    pub message: Option<&'a str>,
}

impl Findings {
    /// Counts an event.
    pub(super) fn add(&mut self, subject: Subject<'_>, sample: impl FnOnce() -> Sample) {
        let Subject { rule, event_name, property, message } = subject;
        let key = (rule, event_name.to_owned(), property.map(str::to_owned), message.map(str::to_owned));
        if !self.findings.contains_key(&key) && self.findings.len() >= MAX_FINDINGS {
            self.is_untracked = true;
            return;
        }
        let (events, samples) = self.findings.entry(key).or_default();
        *events += 1;
        if samples.len() < MAX_SAMPLES {
            let sample = sample();
            if samples.iter().all(|other| other.value != sample.value) {
                samples.push(sample);
            }
        }
    }

    /// Returns whether a finding was not tracked since the last call.
    pub(super) fn take_untracked(&mut self) -> bool {
        std::mem::take(&mut self.is_untracked)
    }

    /// Returns the findings, unordered. `message` returns the message of a finding without a
    /// specific one.
    pub(super) fn into_vec(self, message: impl Fn(Rule, &str) -> String) -> Vec<Finding> {
        let finding = |((rule, event_name, property, own), (events, samples)): (Key, (u64, Vec<Sample>))| {
            let message = own.unwrap_or_else(|| message(rule, &event_name));
            Finding { rule, event_name, property, events, message, samples }
        };
        self.findings.into_iter().map(finding).collect()
    }
}

/// Sorts findings by number of events, in descending order.
pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| {
            (finding.event_name.clone(), finding.rule, finding.property.clone(), finding.message.clone())
        };
        b.events.cmp(&a.events).then_with(|| key(a).cmp(&key(b)))
    });
}

/// Returns the first characters of a value, for a sample.
pub(super) fn truncate(text: &str) -> String {
    match text.char_indices().nth(SAMPLE_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or("")),
        None => text.to_owned(),
    }
}
