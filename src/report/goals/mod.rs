//! `goals`: how often, and by how many sessions and visitors, the goals of `wa.toml` are reached.

mod converters;

use serde::Serialize;

use super::answer::rows::{Group, RowFigure, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::values::{Distinct, Percent};
use super::metric::{AsMetric, Unit};
use super::query::tables::Tables;
use super::query::{Query, pruned};
use super::sequence::definitions::Goal;
use super::sequence::event_pattern::{self, EventPattern, PatternMatcher};
use super::sequence::{
    BoundTags, EventTags, Folded, SequenceEvent, SequenceFold, SessionGroups, TieOrder, fold_groups,
    fold_sessions, on_pruned_events,
};
use crate::error::Result;
use crate::store::frame::Frame;
use crate::time::Zone;
use converters::{ConverterCounts, Converters, SessionVisitors};

/// The number of goals that one read of the events counts.
const GOALS_PER_READ: usize = 30;

rows! {
    /// A goal.
    GoalRow {
        dimensions {
            /// The name in the settings.
            name = "name",
        }
        metrics {
            /// The number of events that reach the goal.
            total: u64,
            /// The number of sessions with such an event.
            converting_sessions: u64,
            /// The number of visitors with such an event.
            unique_converters: Distinct,
            /// 100 × converting sessions / sessions.
            session_rate: Percent,
            /// 100 × unique converters / visitors.
            visitor_rate: Percent,
        }
    }
}

/// The body of `goals`.
#[derive(Clone, Debug, Serialize)]
pub struct Goals {
    /// The number of sessions in the window.
    pub sessions: u64,
    /// The number of their visitors.
    pub visitors: u64,
    /// The goals, in the order of the settings.
    pub goals: RowList<GoalRow>,
}

impl ReportBody for Goals {
    const NAME: &'static str = "goals";

    fn figures(&self) -> Vec<RowFigure> {
        RowFigure::of_list("goals", &self.goals)
    }

    fn totals(&self) -> Option<Group<'static>> {
        let metrics = &[("sessions", Unit::Count), ("visitors", Unit::Distinct)];
        Some(Group::totals(Self::NAME, metrics, vec![self.sessions.value(), self.visitors.value()]))
    }

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("goals", &self.goals).with_bar("converting_sessions")]
    }
}

/// Computes `goals`.
pub(crate) fn goals(tables: &dyn Tables, query: &Query, goals: &[Goal]) -> Result<Report<Goals>> {
    let mut counted = Counted::default();
    let mut notes = Vec::new();
    for batch in goals.chunks(GOALS_PER_READ) {
        let tags = GoalTags::new(tables, query, batch, &mut notes);
        let fold = GoalFold::new(batch.len());
        let folded = fold_sessions(tables, query, &SessionVisitors, &tags, &fold)?;
        for converters in fold.converters.count(batch.len(), 0, &|group| group) {
            counted.add(batch, &folded, converters);
        }
    }
    report(tables, query, goals.is_empty(), counted, notes)
}

/// Computes `goals` for each group of a breakdown, and for all sessions at the end. Returns `None`
/// in the same cases as [`fold_groups`].
pub(crate) fn goals_by_group(
    groups: &SessionGroups<'_>,
    query: &Query,
    goals: &[Goal],
) -> Result<Option<Vec<Report<Goals>>>> {
    let mut counted: Vec<Counted> = Vec::new();
    let mut notes = Vec::new();
    for batch in goals.chunks(GOALS_PER_READ) {
        let tags = GoalTags::new(groups.all(), query, batch, &mut notes);
        let fold = GoalFold::new(batch.len());
        let folded = fold_groups(groups, query, &SessionVisitors, &tags, &fold)?;
        let Some(folded) = folded else { return Ok(None) };
        let number = |group: u32| groups.number(group);
        let converters = fold.converters.count(batch.len(), folded.len().saturating_sub(1), &number);
        counted.resize_with(folded.len(), Counted::default);
        for ((counted, folded), converters) in counted.iter_mut().zip(&folded).zip(converters) {
            counted.add(batch, folded, converters);
        }
    }
    if goals.is_empty() {
        // The groups are not known without a read.
        return Ok(None);
    }
    let report =
        |tables: &dyn Tables, counted| report(tables, query, goals.is_empty(), counted, notes.clone());
    groups.reports(counted, report).map(Some)
}

/// The figures of all goals, and the number of bot sessions.
struct Counted {
    body: Goals,
    bots: u64,
}

impl Default for Counted {
    fn default() -> Counted {
        let body = Goals { sessions: 0, visitors: 0, goals: RowList::complete(Vec::new()) };
        Counted { body, bots: 0 }
    }
}

impl Counted {
    /// Adds the figures of a batch of goals.
    fn add(&mut self, batch: &[Goal], folded: &Folded<Vec<GoalTotals>>, converters: ConverterCounts) {
        let ConverterCounts { visitors, converters } = converters;
        (self.body.sessions, self.body.visitors, self.bots) = (folded.sessions, visitors, folded.bots);
        let row = |((goal, totals), converters): ((&Goal, &GoalTotals), u64)| GoalRow {
            name: goal.name.clone(),
            total: totals.events,
            converting_sessions: totals.sessions,
            unique_converters: Distinct(converters),
            session_rate: Percent::from_parts(totals.sessions, folded.sessions),
            visitor_rate: Percent::from_parts(converters, visitors),
        };
        self.body.goals.all.extend(batch.iter().zip(&folded.sum).zip(converters).map(row));
        self.body.goals.shown = self.body.goals.all.len();
    }
}

fn report(
    tables: &dyn Tables,
    query: &Query,
    has_no_goals: bool,
    counted: Counted,
    notes: Vec<String>,
) -> Result<Report<Goals>> {
    let Counted { body, bots } = counted;
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    if has_no_goals {
        report.notes.push("no goals are defined: add a table [goals] to wa.toml".to_owned());
        return Ok(report);
    }
    report.notes = diagnostics::on_window(tables, query, report.body.sessions == 0, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(on_pruned_events(tables, query));
    report.notes.extend(notes);
    Ok(report)
}

/// The sums of a goal.
#[derive(Clone, Copy, Default)]
struct GoalTotals {
    events: u64,
    sessions: u64,
}

/// Accumulates goals.
struct GoalFold {
    goals: usize,
    converters: Converters,
}

impl GoalFold {
    fn new(goals: usize) -> GoalFold {
        GoalFold { goals, converters: Converters::new() }
    }
}

impl SequenceFold<u128> for GoalFold {
    type Sum = Vec<GoalTotals>;

    fn visit(&self, groups: &[u32], visitor: &u128) {
        self.converters.add(*visitor, groups, 0);
    }

    fn empty(&self) -> Vec<GoalTotals> {
        vec![GoalTotals::default(); self.goals]
    }

    fn add(&self, totals: &mut Vec<GoalTotals>, _: &u128, events: &[SequenceEvent]) {
        for (number, totals) in totals.iter_mut().enumerate() {
            let reached = events.iter().filter(|event| event.tag >> number & 1 == 1).count() as u64;
            if reached > 0 {
                totals.events += reached;
                totals.sessions += 1;
            }
        }
    }

    fn collect(&self, groups: &[u32], visitor: &u128, events: &[SequenceEvent]) {
        self.converters.add(*visitor, groups, events.iter().fold(0, |bits, event| bits | event.tag));
    }

    fn merge(&self, mut totals: Vec<GoalTotals>, other: Vec<GoalTotals>) -> Vec<GoalTotals> {
        for (totals, other) in totals.iter_mut().zip(other) {
            totals.events += other.events;
            totals.sessions += other.sessions;
        }
        totals
    }
}

/// Tags events with the goals that they reach.
struct GoalTags {
    patterns: Vec<EventPattern>,
    zone: Zone,
}

impl GoalTags {
    /// Returns the tags of goals. Adds notes on fields that are not columns.
    fn new(tables: &dyn Tables, query: &Query, goals: &[Goal], notes: &mut Vec<String>) -> GoalTags {
        let mut patterns: Vec<EventPattern> = goals.iter().map(|goal| goal.event.clone()).collect();
        notes.extend(event_pattern::resolve(tables, query, &mut patterns));
        GoalTags { patterns, zone: tables.zone() }
    }
}

impl EventTags for GoalTags {
    fn columns(&self) -> Vec<&'static str> {
        event_pattern::columns(&self.patterns)
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>> {
        let mut matcher = PatternMatcher::new(&self.patterns, frame, self.zone)?;
        Ok(Box::new(move |row| Some(matcher.bits(row)).filter(|bits| *bits != 0)))
    }

    fn tie_order(&self) -> TieOrder {
        TieOrder::Tag
    }
}
