//! `funnel`: the number of sessions or visitors that reach each step.
//!
//! For each session or visitor, the report finds the longest chain of events that passes the first
//! steps. The count of a step is the number of chains that reach it.

mod any_order;
mod chain;
mod options;
mod steps;
mod strict;
#[cfg(test)]
mod tests;

pub use options::{FunnelOptions, FunnelOrder, FunnelUnit};

use serde::Serialize;

use super::answer::rows::{Group, RowFigure, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::time_counts::TimeCounts;
use super::metric::values::{FractionalSeconds, Percent};
use super::metric::{AsMetric, Unit};
use super::query::session_keys::NoValues;
use super::query::tables::Tables;
use super::query::{Query, pruned};
use super::sequence::event_pattern::{self, EventPattern, PatternMatcher};
use super::sequence::{
    BoundTags, EventTags, Folded, SequenceEvent, SequenceFold, SessionGroups, fold_groups, fold_sessions,
    fold_visitors, on_pruned_events, results_differ,
};
use crate::config::quantity::format_duration;
use crate::error::Result;
use crate::store::frame::Frame;
use crate::time::{Micros, SECOND, Zone};
use steps::{Chain, EXCLUDED, Limits, MAX_STEPS, StepEvent};

rows! {
    /// A step.
    FunnelStep {
        dimensions {
            /// The event with its conditions; for steps in any order, the number of passed steps.
            name = "name",
        }
        metrics {
            /// The number of sessions or visitors that passed the step.
            count: u64,
            /// Their share of the sessions or visitors that passed step 1.
            conversion_rate: Percent,
            /// Their share of the sessions or visitors that passed the previous step.
            step_conversion_rate: Percent,
            /// The number of sessions or visitors that passed the previous step but not this one.
            drop_off: u64,
            /// The median time from the previous step.
            median_seconds: Option<FractionalSeconds>,
            /// The 90th percentile of that time.
            p90_seconds: Option<FractionalSeconds>,
        }
    }
}

/// The body of `funnel`.
#[derive(Clone, Debug, Serialize)]
pub struct Funnel {
    /// The name of the funnel in the settings; `None` for steps of the command line.
    pub funnel: Option<String>,
    /// Whether sessions or visitors are counted.
    pub unit: FunnelUnit,
    /// The order of the steps.
    pub order: FunnelOrder,
    /// The longest time from the first to the last step; `None` for the whole session.
    pub within_seconds: Option<i64>,
    /// The number of sessions or visitors of the window, including those that pass no step.
    pub total: u64,
    /// The steps.
    pub steps: RowList<FunnelStep>,
}

impl ReportBody for Funnel {
    const NAME: &'static str = "funnel";

    fn figures(&self) -> Vec<RowFigure> {
        RowFigure::of_list("steps", &self.steps)
    }

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("steps", &self.steps).with_bar("count")]
    }

    fn totals(&self) -> Option<Group<'static>> {
        Some(Group::totals(Self::NAME, &[("total", Unit::Count)], vec![self.total.value()]))
    }

    fn facts(&self) -> Vec<String> {
        let name = self.funnel.iter().map(|name| format!("funnel {name}"));
        let within = match self.within_seconds {
            Some(seconds) => format!("steps within {}", format_duration(seconds.saturating_mul(SECOND))),
            None => "steps within the session".to_owned(),
        };
        let order = match self.order {
            FunnelOrder::Ordered => None,
            FunnelOrder::Strict => Some("without other events in between".to_owned()),
            FunnelOrder::Any => Some("in any order".to_owned()),
        };
        let unit = match self.unit {
            FunnelUnit::Session => pluralize(self.total, "session"),
            FunnelUnit::Visitor => pluralize(self.total, "visitor"),
        };
        let parts: Vec<String> = name.chain([unit, within]).chain(order).collect();
        vec![parts.join(", ")]
    }
}

fn pluralize(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Computes `funnel`.
pub(crate) fn funnel(tables: &dyn Tables, query: &Query, options: &FunnelOptions) -> Result<Report<Funnel>> {
    let within = options.within();
    let fold = FunnelFold::new(options);
    let (tags, notes) = FunnelTags::new(tables, query, options);
    let folded = match options.unit {
        FunnelUnit::Session => fold_sessions(tables, query, &NoValues, &tags, &fold)?,
        FunnelUnit::Visitor => fold_visitors(tables, query, within.unwrap_or(0), &tags, &fold)?,
    };
    report(tables, query, options, &folded, notes)
}

/// Computes `funnel` for each group of a breakdown, and for all sessions at the end. The funnel
/// must count sessions. Returns `None` in the same cases as [`fold_groups`].
pub(crate) fn funnel_by_group(
    groups: &SessionGroups<'_>,
    query: &Query,
    options: &FunnelOptions,
) -> Result<Option<Vec<Report<Funnel>>>> {
    let fold = FunnelFold::new(options);
    let (tags, notes) = FunnelTags::new(groups.all(), query, options);
    let Some(folded) = fold_groups(groups, query, &NoValues, &tags, &fold)? else { return Ok(None) };
    let report = |tables: &dyn Tables, folded| report(tables, query, options, &folded, notes.clone());
    groups.reports(folded, report).map(Some)
}

fn report(
    tables: &dyn Tables,
    query: &Query,
    options: &FunnelOptions,
    folded: &Folded<Totals>,
    notes: Vec<String>,
) -> Result<Report<Funnel>> {
    let body = Funnel {
        funnel: options.name.clone(),
        unit: options.unit,
        order: options.order,
        within_seconds: options.within().map(|within| within / SECOND),
        total: match options.unit {
            FunnelUnit::Session => folded.sessions,
            FunnelUnit::Visitor => folded.visitors,
        },
        steps: RowList::complete(rows(options, &folded.sum)),
    };
    let mut report = Report::new(ReportHead::new(tables, query, folded.bots), body);
    report.notes = diagnostics::on_window(tables, query, folded.sessions == 0, folded.bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(on_pruned_events(tables, query));
    report.notes.extend(notes);
    Ok(report)
}

fn rows(options: &FunnelOptions, totals: &Totals) -> Vec<FunnelStep> {
    let first = totals.steps.first().map_or(0, |step| step.count);
    let mut previous = first;
    let row = |(number, (pattern, step)): (usize, (&EventPattern, &StepTotals))| {
        let [median, p90] = step.waits.percentiles([50, 90]).map(|time| time.map(FractionalSeconds::from));
        let before = std::mem::replace(&mut previous, step.count);
        FunnelStep {
            name: match (options.order, number) {
                (FunnelOrder::Any, 0) => "any 1 step".to_owned(),
                (FunnelOrder::Any, number) => format!("any {} steps", number + 1),
                _ => pattern.text().to_owned(),
            },
            count: step.count,
            conversion_rate: Percent::from_parts(step.count, first),
            step_conversion_rate: Percent::from_parts(step.count, before),
            drop_off: before - step.count,
            median_seconds: median,
            p90_seconds: p90,
        }
    };
    options.steps.iter().zip(&totals.steps).enumerate().map(row).collect()
}

/// Rounds a time half up to hundredths of a second, in which the report gives it. Rounding it first
/// to milliseconds and then to hundredths could differ.
fn to_hundredths(time: Micros) -> Micros {
    const HUNDREDTH: Micros = SECOND / 100;
    (time.max(0) + HUNDREDTH / 2) / HUNDREDTH * HUNDREDTH
}

/// The sums of a step.
#[derive(Clone, Default)]
struct StepTotals {
    count: u64,
    /// The times from the previous step.
    waits: TimeCounts,
}

/// The sums of a funnel.
#[derive(Clone)]
struct Totals {
    steps: Vec<StepTotals>,
    /// A reusable buffer for the events of a sequence.
    events: Vec<StepEvent>,
}

/// Finds the chain of each sequence.
struct FunnelFold {
    steps: usize,
    order: FunnelOrder,
    limits: Limits,
    /// Whether a chain can start at any event.
    starts: bool,
}

impl FunnelFold {
    fn new(options: &FunnelOptions) -> FunnelFold {
        FunnelFold {
            steps: options.steps.len().min(MAX_STEPS),
            order: options.order,
            limits: Limits { within: options.within() },
            starts: options.unit == FunnelUnit::Session,
        }
    }
}

impl FunnelFold {
    /// Returns the longest chain of a sequence. `buffer` is reused between calls.
    fn chain(&self, buffer: &mut Vec<StepEvent>, events: &[SequenceEvent]) -> Chain {
        buffer.clear();
        buffer.extend(events.iter().map(|event| StepEvent::new(event, self.starts)));
        match self.order {
            FunnelOrder::Ordered => chain::longest(buffer, self.steps, &self.limits),
            FunnelOrder::Strict => strict::longest(buffer, self.steps, &self.limits),
            FunnelOrder::Any => any_order::longest(buffer, self.steps, &self.limits),
        }
    }
}

impl<S> SequenceFold<S> for FunnelFold {
    type Sum = Totals;

    fn empty(&self) -> Totals {
        Totals { steps: vec![StepTotals::default(); self.steps], events: Vec::new() }
    }

    fn add(&self, totals: &mut Totals, _: &S, events: &[SequenceEvent]) {
        let chain = self.chain(&mut totals.events, events);
        let mut previous = None;
        for (step, time) in totals.steps.iter_mut().zip(chain.times()) {
            step.count += 1;
            previous.into_iter().for_each(|previous: i64| step.waits.add(to_hundredths(time - previous)));
            previous = Some(*time);
        }
    }

    fn depends_on_ties(&self, events: &[SequenceEvent]) -> bool {
        results_differ(events, |events| self.chain(&mut Vec::new(), events))
    }

    fn merge(&self, mut totals: Totals, other: Totals) -> Totals {
        for (step, other) in totals.steps.iter_mut().zip(other.steps) {
            step.count += other.count;
            step.waits = std::mem::take(&mut step.waits).merge(other.waits);
        }
        totals
    }
}

/// Tags events with the steps that they match.
struct FunnelTags {
    /// The steps, then the excluded events.
    patterns: Vec<EventPattern>,
    steps: usize,
    /// Whether events that match no pattern are part of sequences.
    keeps_others: bool,
    zone: Zone,
    /// Whether a pattern has a field that is looked up in the events of the window.
    depends_on_events: bool,
}

impl FunnelTags {
    /// Returns the tags, and notes on fields that are not columns.
    fn new(tables: &dyn Tables, query: &Query, options: &FunnelOptions) -> (FunnelTags, Vec<String>) {
        let steps = options.steps.len().min(MAX_STEPS);
        let mut patterns: Vec<EventPattern> = options.steps.iter().take(steps).cloned().collect();
        patterns.extend(options.exclude.iter().take(options::MAX_EXCLUDED).cloned());
        let depends_on_events = event_pattern::depend_on_events(&patterns);
        let notes = event_pattern::resolve(tables, query, &mut patterns);
        let keeps_others = options.order == FunnelOrder::Strict;
        (FunnelTags { patterns, steps, keeps_others, zone: tables.zone(), depends_on_events }, notes)
    }
}

impl EventTags for FunnelTags {
    fn columns(&self) -> Vec<&'static str> {
        event_pattern::columns(&self.patterns)
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>> {
        let mut matcher = PatternMatcher::new(&self.patterns, frame, self.zone)?;
        let all_steps = (1u32 << self.steps) - 1;
        Ok(Box::new(move |row| {
            let bits = matcher.bits(row);
            let excluded = if bits & !all_steps == 0 { 0 } else { EXCLUDED };
            (bits != 0 || self.keeps_others).then_some(bits & all_steps | excluded)
        }))
    }

    fn shared_name(&self) -> Option<&'static str> {
        (!self.depends_on_events).then_some("funnel")
    }
}
