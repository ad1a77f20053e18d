//! `--fail-if`: conditions on the figures of a report.
//!
//! A condition names a figure by its key in JSON: `conversion_rate < 20`, `load_time_ms.p95 > 3000`
//! or, compared with the previous period, `total_sessions.change_percent < -30`. `total_sessions
//! unusual` compares a day with the same weekday in the weeks before.
//!
//! - [`figure`] finds the figure in an answer; [`unusual`] compares a day with others.

mod figure;
#[cfg(test)]
mod tests;
mod unusual;

use super::dispatch::{ReportOutcome, ReportRequest};
use super::query::operator::Operator;
use super::query::tables::Tables;
use crate::decimal::{DecimalText, Hundredths};
use crate::error::{Error, ErrorKind, Result};
use figure::Figure;

/// The part of a figure that a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Value,
    Change,
    ChangePercent,
}

/// The test that a condition applies to a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// A comparison with a plain decimal number, without an exponent.
    Compare(Operator, String),
    /// A test for a figure that is far from the figures of the same weekday.
    Unusual,
}

/// A condition such as `conversion_rate < 20` or `total_sessions.change_percent < -30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The keys of the figure.
    path: Vec<String>,
    part: Part,
    test: Test,
    text: String,
}

/// The result of evaluating a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The condition does not hold.
    Passed,
    /// The condition holds. The message explains it.
    Failed(String),
    /// The figure is unknown. The message gives the reason.
    Unknown(String),
}

/// The syntax of a condition, for hints.
const SYNTAX: &str = "write it as 'conversion_rate < 20', 'total_sessions.change_percent < -30' (compared \
                      with the previous period) or 'total_sessions unusual' (compared with the same weekday)";

impl Condition {
    /// Parses a condition: a figure, one of `< <= > >= = !=`, and a number; or a figure and
    /// `unusual`.
    ///
    /// # Errors
    /// Returns a usage error that shows the syntax.
    pub fn parse(text: &str) -> Result<Condition> {
        let invalid = |why: String| Error::usage(format!("--fail-if {text:?}: {why}"));
        let condition = |target: &str, test: Test| {
            let (path, part) = split_target(target);
            Condition { path, part, test, text: text.trim().to_owned() }
        };
        if let Some(target) = text.trim().strip_suffix("unusual").filter(|rest| rest.ends_with(' ')) {
            let condition = condition(target, Test::Unusual);
            return match condition.part {
                Part::Value => Ok(condition),
                _ => Err(invalid("a change cannot be tested with unusual".to_owned())
                    .hint("write it as 'total_sessions unusual'")),
            };
        }
        let (target, operator, number) = match Operator::split(text) {
            Some((_, Operator::Contains | Operator::NotContains, _)) | None => {
                return Err(invalid("no comparison operator".to_owned()).hint(SYNTAX));
            }
            Some(split) => split,
        };
        let without_unit = number.strip_suffix('%').unwrap_or(number).trim_end();
        if !is_plain_number(without_unit) {
            return Err(invalid(format!("{number:?} is not a number")).hint(SYNTAX));
        }
        Ok(condition(target, Test::Compare(operator, without_unit.to_owned())))
    }

    /// Returns whether the condition needs the comparison with the previous period.
    pub fn needs_comparison(&self) -> bool {
        self.part != Part::Value
    }

    /// Evaluates the condition on the outcome of a request.
    ///
    /// # Errors
    /// Returns a usage error if the report has no such figure.
    pub(crate) fn evaluate(
        &self,
        tables: &dyn Tables,
        request: &ReportRequest,
        outcome: &ReportOutcome,
    ) -> Result<Verdict> {
        let answers = outcome.answers();
        let figure = Figure::find(&answers, &self.path).map_err(|error| self.labeled(&error))?;
        match &self.test {
            Test::Compare(operator, number) => Ok(self.compare(&figure, *operator, number)),
            Test::Unusual => {
                let verdict = unusual::evaluate(tables, request, &self.path)?;
                Ok(match verdict {
                    Verdict::Passed => Verdict::Passed,
                    Verdict::Failed(what) => Verdict::Failed(self.failed(&what)),
                    Verdict::Unknown(why) => self.unknown(&why),
                })
            }
        }
    }

    fn compare(&self, figure: &Figure<'_>, operator: Operator, number: &str) -> Verdict {
        let name = figure.name();
        let Some(metric) = figure.metric(self.part) else {
            return self.unknown(&match self.part {
                Part::Value => format!("{name} is unknown for this window"),
                _ if !figure.is_compared() => {
                    format!("{} is not compared with the previous period", figure.report())
                }
                _ => format!("{name} of the previous period is 0 or unknown"),
            });
        };
        let Some(hundredths) = metric.hundredths() else {
            return self.unknown(&format!("{name} is unknown"));
        };
        let order = DecimalText::parse(&format!("{hundredths}e-2"))
            .zip(DecimalText::parse(number))
            .map(|(a, b)| a.cmp(&b));
        if !order.is_some_and(|order| operator.accepts(order)) {
            return Verdict::Passed;
        }
        let part = match self.part {
            Part::Value => "",
            Part::Change => ".change",
            Part::ChangePercent => ".change_percent",
        };
        Verdict::Failed(self.failed(&format!("{name}{part} is {}", shown(hundredths))))
    }

    fn failed(&self, what: &str) -> String {
        format!("{what}, which meets --fail-if {:?}", self.text)
    }

    fn unknown(&self, why: &str) -> Verdict {
        Verdict::Unknown(format!("cannot evaluate --fail-if {:?}: {why}", self.text))
    }

    fn labeled(&self, error: &Error) -> Error {
        let labeled = Error::usage(format!("--fail-if {:?}: {error}", self.text));
        match error.hint_text() {
            Some(hint) => labeled.hint(hint.to_owned()),
            None => labeled,
        }
    }
}

/// Formats a number of hundredths for messages.
fn shown(hundredths: i128) -> String {
    let value = Hundredths(i64::try_from(hundredths).unwrap_or(i64::MAX));
    serde_json::to_string(&value).unwrap_or_default()
}

/// Splits a target into the keys of a figure and its part.
fn split_target(target: &str) -> (Vec<String>, Part) {
    let mut path: Vec<String> = target.split('.').map(|key| key.trim().to_owned()).collect();
    let part = match path.last().map(String::as_str) {
        Some("change") => Part::Change,
        Some("change_percent") => Part::ChangePercent,
        _ => Part::Value,
    };
    if part != Part::Value {
        path.pop();
    }
    (path, part)
}

/// Returns whether a string is a decimal number: digits with an optional sign and optional
/// decimals.
fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    [whole, decimals].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Evaluates all conditions on the outcome of a request. Returns a message for each condition that
/// cannot be evaluated, and an error of kind [`ErrorKind::ConditionMet`] if at least one holds.
///
/// # Errors
/// Returns a usage error if the report does not have a figure.
pub fn evaluate(
    conditions: &[Condition],
    tables: &dyn Tables,
    request: &ReportRequest,
    outcome: &ReportOutcome,
) -> Result<(Vec<String>, Option<Error>)> {
    let (mut failed, mut unknown) = (Vec::new(), Vec::new());
    for condition in conditions {
        match condition.evaluate(tables, request, outcome)? {
            Verdict::Passed => {}
            Verdict::Failed(message) => failed.push(message),
            Verdict::Unknown(message) => unknown.push(message),
        }
    }
    let error = (!failed.is_empty()).then(|| Error::new(ErrorKind::ConditionMet, failed.join("; ")));
    Ok((unknown, error))
}
