//! `--fail-if`: conditions on the metrics of a summary.

use super::answer::Report;
use super::answer::rows::Row;
use super::metric::{Metric, Unit};
use super::query::operator::Operator;
use super::summary::{Summary, SummaryMetrics};
use crate::decimal::{DecimalText, Hundredths};
use crate::error::{Error, ErrorKind, Result};
use crate::suggest::nearest;

/// The part of a metric that a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Change,
    ChangePercent,
}

/// A condition such as `conversion_rate < 20` or `total_sessions.change_percent < -30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    metric: &'static str,
    part: Part,
    operator: Operator,
    /// A plain decimal number, without an exponent.
    number: String,
    text: String,
}

/// The result of evaluating a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The condition does not hold.
    Passed,
    /// The condition holds, as the message says.
    Failed(String),
    /// The metric is unknown, as the message says.
    Unknown(String),
}

impl Condition {
    /// Parses a condition: a metric of the summary, one of `< <= > >= = !=`, and a number.
    ///
    /// # Errors
    /// Returns a usage error that suggests the nearest metric or shows the syntax.
    pub fn parse(text: &str) -> Result<Condition> {
        let syntax = "write it as 'conversion_rate < 20' or, compared with the previous period, \
                      'total_sessions.change_percent < -30'";
        let invalid = |why: String| Error::usage(format!("--fail-if {text:?}: {why}"));
        let (target, operator, number) = match Operator::split(text) {
            Some((_, Operator::Contains, _)) | None => {
                return Err(invalid("no comparison operator".to_owned()).hint(syntax));
            }
            Some(split) => split,
        };
        let (name, part) = match target.split_once('.') {
            None => (target, Part::Value),
            Some((name, "change")) => (name, Part::Change),
            Some((name, "change_percent")) => (name, Part::ChangePercent),
            Some((_, part)) => {
                return Err(invalid(format!("a metric has no part {part:?}"))
                    .hint("the parts are change and change_percent, compared with the previous period"));
            }
        };
        let Some(metric) = SummaryMetrics::names().find(|metric| *metric == name) else {
            let hint = match nearest(name, SummaryMetrics::names()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the metrics are {}", SummaryMetrics::names().collect::<Vec<_>>().join(", ")),
            };
            return Err(invalid(format!("the summary has no metric {name:?}")).hint(hint));
        };
        let without_unit = number.strip_suffix('%').unwrap_or(number).trim_end();
        if !is_plain_number(without_unit) {
            return Err(invalid(format!("{number:?} is not a number")).hint(syntax));
        }
        let number = without_unit.to_owned();
        Ok(Condition { metric, part, operator, number, text: text.trim().to_owned() })
    }

    /// Returns whether the condition needs the comparison with the previous period.
    pub fn needs_comparison(&self) -> bool {
        self.part != Part::Value
    }

    /// Evaluates the condition on a summary.
    pub(crate) fn evaluate(&self, report: &Report<Summary>) -> Verdict {
        let unknown =
            |why: &str| Verdict::Unknown(format!("cannot evaluate --fail-if {:?}: {why}", self.text));
        let Some(metric) = self.metric(report) else {
            return match self.part {
                Part::Value => unknown(&format!("{} is unknown for this window", self.metric)),
                _ if report.comparison.is_none() => {
                    unknown("the summary is not compared with the previous period")
                }
                _ => unknown(&format!("{} of the previous period is 0 or unknown", self.metric)),
            };
        };
        let Some(hundredths) = metric.hundredths() else {
            return unknown(&format!("{} is unknown", self.metric));
        };
        if !self.holds(hundredths) {
            return Verdict::Passed;
        }
        let value = Hundredths(i64::try_from(hundredths).unwrap_or(i64::MAX));
        let value = serde_json::to_string(&value).unwrap_or_default();
        let name = match self.part {
            Part::Value => self.metric.to_owned(),
            Part::Change => format!("{}.change", self.metric),
            Part::ChangePercent => format!("{}.change_percent", self.metric),
        };
        Verdict::Failed(format!("{name} is {value}, which meets --fail-if {:?}", self.text))
    }

    fn metric(&self, report: &Report<Summary>) -> Option<Metric> {
        let index = SummaryMetrics::METRICS.iter().position(|(name, _)| *name == self.metric)?;
        let (_, unit) = SummaryMetrics::METRICS.get(index)?;
        if self.part == Part::Value {
            let value = report.body.summary.metrics().get(index).copied().flatten()?;
            return Some(Metric { unit: *unit, value: Some(value) });
        }
        let change = report.comparison.as_ref()?.groups.first()?.rows.first()?.changes.get(index)?;
        match self.part {
            Part::ChangePercent => {
                change.percent().map(|percent| Metric { unit: Unit::Percent, value: Some(percent.0) })
            }
            _ => Some(change.difference()).filter(|metric| metric.value.is_some()),
        }
    }

    fn holds(&self, hundredths: i128) -> bool {
        let value = format!("{hundredths}e-2");
        let order = DecimalText::parse(&value).zip(DecimalText::parse(&self.number)).map(|(a, b)| a.cmp(&b));
        order.is_some_and(|order| self.operator.accepts(order))
    }
}

/// Returns whether a text is a number of digits with an optional sign and optional decimals.
fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Evaluates all conditions on a summary. Returns the messages of those that cannot be evaluated,
/// and an error of kind [`ErrorKind::ConditionMet`] if at least one holds.
pub fn evaluate(conditions: &[Condition], report: &Report<Summary>) -> (Vec<String>, Option<Error>) {
    let (mut failed, mut unknown) = (Vec::new(), Vec::new());
    for condition in conditions {
        match condition.evaluate(report) {
            Verdict::Passed => {}
            Verdict::Failed(message) => failed.push(message),
            Verdict::Unknown(message) => unknown.push(message),
        }
    }
    let error = (!failed.is_empty()).then(|| Error::new(ErrorKind::ConditionMet, failed.join("; ")));
    (unknown, error)
}
