//! `summary`: the main metrics of a window.
//!
//! Sums come from the daily statistics, which are by default never pruned. Distinct visitors cannot
//! be summed over days, so they are counted over the sessions of the window.

use serde::Serialize;

use super::answer::comparison::Comparison;
use super::answer::rows::{Group, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::by_group;
use super::metric::totals::{self, Totals, by_day};
use super::metric::unique_visitors::{UniqueVisitors, VisitorCounts};
use super::metric::values::{Distinct, Millis, Percent, Seconds};
use super::metric::visitors_by_chatbot;
use super::query::by_chatbot::ChatbotPartitions;
use super::query::chatbots::ChatbotIndex;
use super::query::selection::ClassifiedSessions;
use super::query::tables::{PartKind, Tables};
use super::query::{Query, pruned};
use crate::error::{Error, Result};
use crate::ingest::fields::standard_category;
use crate::ingest::shape::names;
use crate::store::frame::Frame;
use crate::time::Day;

rows! {
    /// The metrics of a window.
    SummaryMetrics {
        dimensions {}
        metrics {
            /// The number of sessions that started in the window.
            total_sessions: u64,
            /// The number of distinct visitors; `None` if sessions of the window are pruned.
            unique_visitors: Option<Distinct>,
            /// The number of sessions with at least one message sent.
            total_conversations: u64,
            /// The mean session duration, rounded half up; 0 without sessions.
            avg_session_duration_seconds: Seconds,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
            /// The number of visitors first seen in the window or known only by a session key.
            new_visitors: Option<Distinct>,
            /// The number of visitors first seen before the window.
            returning_visitors: Option<Distinct>,
            /// The number of `message_sent` events.
            total_messages_sent: u64,
            /// The number of `message_received` events.
            total_messages_received: u64,
            /// The mean response time over all messages, rounded half up; `None` without any.
            avg_response_time_ms: Option<Millis>,
            /// The number of events of category `error`.
            error_count: u64,
            /// The number of bot sessions, which no other metric counts; 0 if they are included.
            bot_sessions_excluded: u64,
        }
    }
}

/// The maximum number of event names in a note.
const MAX_NAMES: usize = 6;
/// The longest event name in a note, in characters.
const MAX_NAME: usize = 40;

/// The body of `summary`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The metrics.
    pub summary: SummaryMetrics,
}

impl ReportBody for Summary {
    const NAME: &'static str = "summary";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::single("summary", &self.summary)]
    }
}

/// Computes `summary`. With `compare`, compares it with the previous period.
pub fn summary(tables: &dyn Tables, query: &Query, compare: bool) -> Result<Report<Summary>> {
    let mut report = build(tables, query, compare, |query, pruned| measure(tables, query, pruned))?;
    report.notes.extend(on_other_events(tables, query, &report.body)?);
    Ok(report)
}

/// Returns the reports of [`each_summary`].
#[cfg(test)]
pub(crate) fn summaries(
    tables: &dyn Tables,
    query: &Query,
    compare: bool,
    chatbots: &[String],
) -> Result<Vec<Report<Summary>>> {
    let mut reports = Vec::new();
    each_summary(tables, query, compare, chatbots, &mut |report| {
        reports.push(report);
        Ok(())
    })?;
    Ok(reports)
}

/// Computes the `summary` of each chatbot from one pass over the tables, and passes it to `each`,
/// in the order given. Notes on events refer to all chatbots together and are in the first report.
pub(crate) fn each_summary(
    tables: &dyn Tables,
    query: &Query,
    compare: bool,
    chatbots: &[String],
    each: &mut dyn FnMut(Report<Summary>) -> Result<()>,
) -> Result<()> {
    let index = ChatbotIndex::new(chatbots);
    let count = |query: &Query| {
        let (visitors, totals) = rayon::join(
            || visitors_by_chatbot::count(tables, query, &index),
            || totals::by_chatbot(tables, query, &index),
        );
        Ok::<_, Error>((query.window, visitors?, totals?))
    };
    let mut counted = vec![count(query)?];
    if compare {
        counted.push(count(&query.previous())?);
    }
    let partitions = ChatbotPartitions::new(tables);
    let mut all = Totals::default();
    counted.first().iter().flat_map(|(.., sums)| sums).for_each(|sums| all.add(sums));
    let mut notes = on_other_events(tables, query, &metrics(query, None, &all).0)?;
    for (number, chatbot) in chatbots.iter().enumerate() {
        let query = Query { chatbots: vec![chatbot.clone()], ..query.clone() };
        let measure = |query: &Query, pruned: Option<Day>| {
            let counted = counted.iter().find(|(window, ..)| *window == query.window);
            let (visitors, sums) =
                counted.and_then(|(_, visitors, sums)| visitors.get(number).zip(sums.get(number))).unzip();
            let visitors = visitors.filter(|_| pruned.is_none()).map(UniqueVisitors::counts);
            Ok(metrics(query, visitors, sums.unwrap_or(&Totals::default())))
        };
        let mut report = build(&partitions.chatbot(chatbot), &query, compare, measure)?;
        report.notes.extend(notes.take());
        each(report)?;
    }
    Ok(())
}

/// Computes the `summary` of each group of a breakdown, and of all sessions at the end. The classes
/// of the sessions are the numbers of the groups. Only the last report has notes on events.
pub(crate) fn summaries_of_groups(
    sessions: &ClassifiedSessions<'_>,
    query: &Query,
    groups: usize,
) -> Result<Vec<Report<Summary>>> {
    let tables = sessions.tables();
    let pruned = pruned::in_window(tables, query)?;
    let (figures, daily) = rayon::join(
        || by_group::figures(sessions, query, groups),
        || query.has_daily_stats(tables).then(|| by_day(tables, query)).transpose(),
    );
    let mut figures = figures?;
    if let Some(days) = daily? {
        // The daily statistics also have days whose sessions are pruned.
        figures.totals.truncate(groups);
        figures.totals.push(sum(days.into_values()));
    }
    let measured = figures.totals.iter().zip(figures.visitors).map(|(sums, visitors)| {
        let visitors = Some(visitors).filter(|_| pruned.is_none());
        metrics(query, visitors, sums)
    });
    let report = |(group, measured): (usize, (Summary, u64))| {
        let measure = |_: &Query, _| Ok(measured.clone());
        if group < groups {
            return build(&sessions.class(group as u32), query, false, measure);
        }
        let mut report = build(tables, query, false, measure)?;
        report.notes.extend(on_other_events(tables, query, &report.body)?);
        Ok(report)
    };
    measured.enumerate().map(report).collect()
}

/// Builds the report. `measure` returns the metrics of a window and the number of bot sessions. Its
/// second argument is the last pruned day, if sessions of the window are pruned.
fn build(
    tables: &dyn Tables,
    query: &Query,
    compare: bool,
    measure: impl Fn(&Query, Option<Day>) -> Result<(Summary, u64)>,
) -> Result<Report<Summary>> {
    let pruned = pruned::in_window(tables, query)?;
    let (body, bots) = measure(query, pruned)?;
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    let is_empty = report.body.summary.total_sessions == 0;
    report.notes.extend(diagnostics::on_window(tables, query, is_empty, bots)?);
    report.notes.extend(on_unknown_visitors(query, pruned));
    if !query.has_daily_stats(tables) {
        report.notes.extend(diagnostics::on_pruned_sessions(pruned));
    }
    if compare {
        let previous_query = query.previous();
        let previous_pruned = pruned::in_window(tables, &previous_query)?;
        // Without daily statistics, all metrics need the sessions; with them, only visitors do.
        let all_unknown = previous_pruned.filter(|_| !query.has_daily_stats(tables));
        let previous = match all_unknown {
            None => Some(measure(&previous_query, previous_pruned)?.0),
            Some(_) => None,
        };
        let groups = previous.as_ref().map(ReportBody::groups);
        let comparison = Comparison::new(query.window, &report.body.groups(), groups.as_deref());
        report.comparison = Some(comparison);
        report.notes.extend(diagnostics::on_comparison(tables, query, all_unknown));
        if all_unknown.is_none() && pruned.is_none() {
            report.notes.extend(on_unknown_visitors(&previous_query, previous_pruned));
        }
    }
    Ok(report)
}

/// Returns a note if the window has events, but no standard events of widgets or conversations.
/// Conversations and messages are then 0.
fn on_other_events(tables: &dyn Tables, query: &Query, summary: &Summary) -> Result<Option<String>> {
    let SummaryMetrics { total_messages_sent, total_messages_received, error_count, .. } = summary.summary;
    if summary.summary.total_sessions == 0 || total_messages_sent + total_messages_received + error_count > 0
    {
        return Ok(None);
    }
    let events = super::events::events(tables, query, None, false)?.body.events.all;
    if events.is_empty() || events.iter().any(|event| standard_category(&event.event_name).is_some()) {
        return Ok(None);
    }
    let name = |event: &super::events::EventName| {
        let name = event.event_name.as_str();
        let short: String = name.chars().take(MAX_NAME).collect();
        match names::suggested(name) {
            Some(standard) => format!("{short:?} (like {standard}?)"),
            None => format!("{short:?}"),
        }
    };
    let mut listed: Vec<String> = events.iter().take(MAX_NAMES).map(name).collect();
    if events.len() > MAX_NAMES {
        listed.push(format!("and {} more", events.len() - MAX_NAMES));
    }
    Ok(Some(format!(
        "no event of this window belongs to a widget or a conversation, as message_sent does, so \
         conversations and messages are 0; its events are {}; [names] in a map renames them: `wa preview FILE`",
        listed.join(", ")
    )))
}

/// Computes the metrics of a window. `pruned` is the last pruned day, if sessions of the window are
/// pruned. Returns the metrics and the number of bot sessions.
fn measure(tables: &dyn Tables, query: &Query, pruned: Option<Day>) -> Result<(Summary, u64)> {
    let is_retained = pruned.is_none();
    if is_retained && !query.has_daily_stats(tables) && tables.parts(PartKind::Visitors).is_none() {
        let of_frame = |frame: &Frame| totals::of_frame(frame, query);
        let (visitors, frames) =
            UniqueVisitors::count_with(tables, query, &totals::FIGURE_COLUMNS, of_frame)?;
        return Ok(metrics(query, Some(visitors.counts()), &sum(frames)));
    }
    let visitors = || match is_retained {
        true => UniqueVisitors::count(tables, query).map(|visitors| Some(visitors.counts())),
        false => Ok(None),
    };
    let (visitors, days) = rayon::join(visitors, || by_day(tables, query));
    Ok(metrics(query, visitors?, &sum(days?.into_values())))
}

fn sum(totals: impl IntoIterator<Item = Totals>) -> Totals {
    totals.into_iter().fold(Totals::default(), |mut sum, totals| {
        sum.add(&totals);
        sum
    })
}

/// Computes the metrics from sums, and returns the number of bot sessions too. `visitors` are
/// unknown if sessions of the window are pruned.
fn metrics(query: &Query, visitors: Option<VisitorCounts>, sums: &Totals) -> (Summary, u64) {
    let summary = SummaryMetrics {
        total_sessions: sums.sessions,
        unique_visitors: visitors.map(|visitors| Distinct(visitors.unique)),
        total_conversations: sums.conversations,
        avg_session_duration_seconds: Seconds::mean(sums.seconds, sums.sessions),
        conversion_rate: Percent::from_parts(sums.conversations, sums.sessions),
        new_visitors: visitors.map(|visitors| Distinct(visitors.new)),
        returning_visitors: visitors.map(|visitors| Distinct(visitors.returning())),
        total_messages_sent: sums.sent,
        total_messages_received: sums.received,
        avg_response_time_ms: Millis::mean(sums.response_us, sums.responses),
        error_count: sums.errors,
        bot_sessions_excluded: if query.include_bots { 0 } else { sums.bots },
    };
    (Summary { summary }, sums.bots)
}

fn on_unknown_visitors(query: &Query, pruned: Option<Day>) -> Option<String> {
    let pruned = pruned?;
    Some(format!(
        "unique, new and returning visitors from {} on are unknown: sessions up to {pruned} are pruned",
        query.window.from
    ))
}
