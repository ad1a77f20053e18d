//! `visitors`: new and returning visitors, and the number of their sessions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::daily_visitors;
use super::metric::days::listed_days;
use super::metric::totals::{Totals, by_chatbot_and_day, by_day};
use super::metric::unique_visitors::{MAX_SESSIONS, UniqueVisitors};
use super::metric::values::{Distinct, Ratio};
use super::metric::visitors_by_chatbot;
use super::query::by_chatbot::ChatbotPartitions;
use super::query::chatbots::ChatbotIndex;
use super::query::tables::Tables;
use super::query::{Query, pruned};
use crate::error::Result;
use crate::time::Day;

rows! {
    /// The visitors of a window. If sessions of the window are pruned, all metrics except the
    /// number of sessions are `None`.
    VisitorMetrics {
        dimensions {}
        metrics {
            /// The number of distinct visitors.
            unique_visitors: Option<Distinct>,
            /// The number of visitors first seen in the window or known only by a session key.
            new_visitors: Option<Distinct>,
            /// The number of visitors first seen before the window.
            returning_visitors: Option<Distinct>,
            /// The number of sessions.
            total_sessions: u64,
            /// Sessions / visitors.
            sessions_per_visitor: Option<Ratio>,
        }
    }
}

rows! {
    /// The visitors in a class of session counts.
    Frequency {
        dimensions {
            /// The number of sessions: `1`, `2`, `3-5`, `6-10` or `11+`.
            sessions = "sessions",
        }
        metrics {
            /// The number of visitors.
            visitors: u64,
        }
    }
}

rows! {
    /// The visitors of a day.
    VisitorDay {
        dimensions {
            /// The day, `YYYY-MM-DD`.
            stat_date = "stat_date",
        }
        metrics {
            /// The number of distinct visitors.
            unique_visitors: Distinct,
            /// The number of visitors first seen on the day or known only by a session key.
            new_visitors: Distinct,
            /// The number of visitors first seen before the day.
            returning_visitors: Distinct,
        }
    }
}

/// The body of `visitors`.
#[derive(Clone, Debug, Serialize)]
pub struct Visitors {
    /// The metrics of the window.
    pub visitors: VisitorMetrics,
    /// Visitors by their number of sessions; empty if sessions of the window are pruned.
    pub frequency: RowList<Frequency>,
    /// The days of the window up to today.
    pub days: RowList<VisitorDay>,
}

impl ReportBody for Visitors {
    const NAME: &'static str = "visitors";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::single("visitors", &self.visitors),
            Group::list("frequency", &self.frequency).with_share("visitors"),
            Group::list("days", &self.days).with_bar("unique_visitors"),
        ]
    }
}

/// The classes of [`Frequency`], each with the largest number of sessions in it.
const CLASSES: [(&str, usize); 5] = [("1", 1), ("2", 2), ("3-5", 5), ("6-10", 10), ("11+", MAX_SESSIONS)];

/// Computes `visitors`.
pub(crate) fn visitors(tables: &dyn Tables, query: &Query) -> Result<Report<Visitors>> {
    let pruned = pruned::in_window(tables, query)?;
    let count = || match pruned {
        None => UniqueVisitors::count(tables, query).map(Some),
        Some(_) => Ok(None),
    };
    if query.has_daily_stats(tables) {
        let (unique, totals) = rayon::join(count, || by_day(tables, query));
        return build(tables, query, pruned, unique?, totals?);
    }
    let daily = daily_visitors::count(tables, query)?;
    let unique = match daily.window {
        Some(visitors) => Some(visitors).filter(|_| pruned.is_none()),
        None => count()?,
    };
    build(tables, query, pruned, unique, daily.days)
}

/// Returns the reports of [`each_visitors`].
#[cfg(test)]
pub(crate) fn visitors_of_each(
    tables: &dyn Tables,
    query: &Query,
    chatbots: &[String],
) -> Result<Vec<Report<Visitors>>> {
    let mut reports = Vec::new();
    each_visitors(tables, query, chatbots, &mut |report| {
        reports.push(report);
        Ok(())
    })?;
    Ok(reports)
}

/// Computes the `visitors` of each chatbot from one pass over the tables, and passes it to `each`,
/// in the order given. The daily statistics must be able to answer the query.
pub(crate) fn each_visitors(
    tables: &dyn Tables,
    query: &Query,
    chatbots: &[String],
    each: &mut dyn FnMut(Report<Visitors>) -> Result<()>,
) -> Result<()> {
    let index = ChatbotIndex::new(chatbots);
    let (unique, totals) = rayon::join(
        || visitors_by_chatbot::count(tables, query, &index),
        || by_chatbot_and_day(tables, query, &index),
    );
    let (unique, mut totals) = (unique?, totals?.into_iter().peekable());
    let partitions = ChatbotPartitions::new(tables);
    let mut report = |(number, (chatbot, unique)): (u32, (&String, UniqueVisitors))| {
        let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
        while let Some((_, day, sums)) = totals.next_if(|(of_chatbot, ..)| *of_chatbot == number) {
            days.entry(day).or_default().add(&sums);
        }
        let query = Query { chatbots: vec![chatbot.clone()], ..query.clone() };
        let pruned = pruned::in_window(tables, &query)?;
        let unique = Some(unique).filter(|_| pruned.is_none());
        build(&partitions.chatbot(chatbot), &query, pruned, unique, days)
    };
    (0..).zip(chatbots.iter().zip(unique)).try_for_each(|chatbot| each(report(chatbot)?))
}

/// Builds the report from the visitors of the window, and from the sums and visitors of each day.
/// `pruned` is the last pruned day of the window. If it is set, the visitors are unknown.
fn build(
    tables: &dyn Tables,
    query: &Query,
    pruned: Option<Day>,
    unique: Option<UniqueVisitors>,
    totals: BTreeMap<Day, Totals>,
) -> Result<Report<Visitors>> {
    let bots = totals.values().fold(0u64, |sum, day| sum.saturating_add(day.bots));
    let sessions = totals.values().fold(0u64, |sum, day| sum.saturating_add(day.sessions));
    let metrics = VisitorMetrics {
        unique_visitors: unique.as_ref().map(|visitors| Distinct(visitors.unique)),
        new_visitors: unique.as_ref().map(|visitors| Distinct(visitors.new)),
        returning_visitors: unique.as_ref().map(|visitors| Distinct(visitors.counts().returning())),
        total_sessions: sessions,
        sessions_per_visitor: unique.as_ref().map(|visitors| Ratio::from_parts(sessions, visitors.unique)),
    };
    let body = Visitors {
        visitors: metrics,
        frequency: RowList::complete(unique.as_ref().map(frequency).unwrap_or_default()),
        days: RowList::complete(days(tables, query, totals)?),
    };
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    report.notes = diagnostics::on_window(tables, query, sessions == 0, bots)?;
    if let Some(day) = pruned {
        let mut note =
            format!("the visitors of the whole window are unknown: sessions up to {day} are pruned");
        if query.has_daily_stats(tables) {
            note.push_str("; the visitors of each day are known");
        }
        report.notes.push(note);
    }
    Ok(report)
}

fn frequency(visitors: &UniqueVisitors) -> Vec<Frequency> {
    let mut start = 0;
    let row = |(sessions, end): (&str, usize)| {
        let class = visitors.by_sessions.get(start..end).unwrap_or_default();
        start = end;
        Frequency { sessions: sessions.to_owned(), visitors: class.iter().sum() }
    };
    CLASSES.map(row).into()
}

fn days(tables: &dyn Tables, query: &Query, mut totals: BTreeMap<Day, Totals>) -> Result<Vec<VisitorDay>> {
    totals.retain(|_, day| day.sessions > 0);
    let data = totals.first_key_value().zip(totals.last_key_value());
    let data = data.map(|((first, _), (last, _))| (*first, *last));
    let Some((first, last)) = listed_days(tables, query, data)? else { return Ok(Vec::new()) };
    let row = |day: i32| {
        let totals = totals.get(&Day(day)).copied().unwrap_or_default();
        VisitorDay {
            stat_date: Day(day).to_string(),
            unique_visitors: Distinct(totals.visitors),
            new_visitors: Distinct(totals.new_visitors),
            returning_visitors: Distinct(totals.visitors.saturating_sub(totals.new_visitors)),
        }
    };
    Ok((first.0..=last.0).map(row).collect())
}
