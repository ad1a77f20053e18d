//! `--fail-if`: a figure of the summary that must not be what a condition says.

use super::{Figure, Row, Unit};
use crate::decimal::fixed::Hundredths;
use crate::error::{Error, ErrorKind, Result};
use crate::report::answer::Report;
use crate::report::summary::{Summary, SummaryFigures};
use crate::suggest::nearest;

/// How a figure is compared with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Different,
}

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [(&str, Comparison); 7] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("!=", Comparison::Different),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

/// What of a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Change,
    ChangePercent,
}

/// A condition such as `conversion_rate < 20` or `total_sessions.change_percent < -30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    figure: &'static str,
    part: Part,
    comparison: Comparison,
    /// The number, and how many decimals its digits have: 12.5 is (125, 1).
    number: (i128, u32),
    text: String,
}

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The figure is not what the condition says: all is well.
    Passed,
    /// It is: a sentence that says so.
    Failed(String),
    /// The figure cannot be known: a sentence that says so.
    Unknown(String),
}

impl Condition {
    /// Reads a condition: the name of a figure of the summary, one of `< <= > >= = !=`, a number.
    ///
    /// # Errors
    /// Of kind usage, with the nearest name, or the form.
    pub fn parse(text: &str) -> Result<Condition> {
        let form = "write it as 'conversion_rate < 20' or, against the period before, 'total_sessions.change_percent < -30'";
        let wrong = |why: String| Error::usage(format!("--fail-if {text:?}: {why}"));
        let found = text.char_indices().find_map(|(at, _)| {
            let rest = text.get(at..)?;
            SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(sign, what)| (at, sign.len(), *what))
        });
        let Some((at, length, comparison)) = found else {
            return Err(wrong("there is no comparison in it".to_owned()).hint(form));
        };
        let (name, rest) = text.split_at(at);
        let (name, part) = match name.trim().split_once('.') {
            None => (name.trim(), Part::Value),
            Some((name, "change")) => (name, Part::Change),
            Some((name, "change_percent")) => (name, Part::ChangePercent),
            Some((_, part)) => {
                return Err(wrong(format!("{part:?} is no part of a figure"))
                    .hint("the parts are change and change_percent, both against the period before"));
            }
        };
        let Some(figure) = SummaryFigures::names().find(|known| *known == name) else {
            let known: Vec<String> = SummaryFigures::names().map(str::to_owned).collect();
            let hint = match nearest(name, &known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the figures are {}", known.join(", ")),
            };
            return Err(wrong(format!("the summary has no figure {name:?}")).hint(hint));
        };
        let number = rest.get(length..).unwrap_or("").trim();
        let number = decimal(number.strip_suffix('%').unwrap_or(number).trim_end())
            .ok_or_else(|| wrong(format!("{number:?} is no number")).hint(form))?;
        Ok(Condition { figure, part, comparison, number, text: text.trim().to_owned() })
    }

    /// Tells whether the condition needs the period before.
    pub fn needs_comparison(&self) -> bool {
        self.part != Part::Value
    }

    /// Holds the condition against a summary.
    pub fn check(&self, report: &Report<Summary>) -> Verdict {
        let unknown =
            |why: &str| Verdict::Unknown(format!("--fail-if {:?} cannot be told: {why}", self.text));
        let Some(figure) = self.value(report) else {
            return match self.part {
                Part::Value => unknown(&format!("{} is not known for this window", self.figure)),
                _ if report.comparison.is_none() => unknown("it was not compared with the period before"),
                _ => unknown(&format!("{} of the period before is 0 or not known", self.figure)),
            };
        };
        let Some(value) = figure.hundredths() else {
            return unknown(&format!("{} is not known", self.figure));
        };
        if !self.holds(value) {
            return Verdict::Passed;
        }
        let shown = Hundredths(i64::try_from(value).unwrap_or(i64::MAX));
        let shown = serde_json::to_string(&shown).unwrap_or_default();
        let name = match self.part {
            Part::Value => self.figure.to_owned(),
            Part::Change => format!("{}.change", self.figure),
            Part::ChangePercent => format!("{}.change_percent", self.figure),
        };
        Verdict::Failed(format!("{name} is {shown}, and --fail-if says {:?}", self.text))
    }

    fn value(&self, report: &Report<Summary>) -> Option<Figure> {
        let at = SummaryFigures::FIGURES.iter().position(|(name, _)| *name == self.figure)?;
        let (_, unit) = SummaryFigures::FIGURES.get(at)?;
        if self.part == Part::Value {
            let value = report.body.summary.values().get(at).copied().flatten()?;
            return Some(Figure { unit: *unit, value: Some(value) });
        }
        let change = report.comparison.as_ref()?.groups.first()?.rows.first()?.changes.get(at)?;
        match self.part {
            Part::ChangePercent => {
                change.percent().map(|percent| Figure { unit: Unit::Percent, value: Some(percent.0) })
            }
            _ => Some(change.difference()).filter(|figure| figure.value.is_some()),
        }
    }

    /// Compares hundredths with the number, exactly: both as integers of the same scale.
    fn holds(&self, hundredths: i128) -> bool {
        let (digits, decimals) = self.number;
        let left = hundredths.saturating_mul(10i128.saturating_pow(decimals));
        let right = digits.saturating_mul(100);
        match self.comparison {
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::More => left > right,
            Comparison::AtLeast => left >= right,
            Comparison::Equal => left == right,
            Comparison::Different => left != right,
        }
    }
}

/// Reads a decimal number: its digits, and how many of them are decimals.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() > 18 || decimals.len() > 9 || text.ends_with('.') {
        return None;
    }
    let digits = format!("{whole}{decimals}");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i128 = digits.parse().ok()?;
    Some((if negative { -number } else { number }, decimals.len() as u32))
}

/// Holds all conditions against a summary. Returns sentences on those that cannot be told, and an
/// error of kind [`ErrorKind::ConditionMet`] where at least one figure is what a condition says.
pub fn check(conditions: &[Condition], report: &Report<Summary>) -> (Vec<String>, Option<Error>) {
    let (mut failed, mut notes) = (Vec::new(), Vec::new());
    for condition in conditions {
        match condition.check(report) {
            Verdict::Passed => {}
            Verdict::Failed(sentence) => failed.push(sentence),
            Verdict::Unknown(sentence) => notes.push(sentence),
        }
    }
    let error = (!failed.is_empty()).then(|| Error::new(ErrorKind::ConditionMet, failed.join("; ")));
    (notes, error)
}
