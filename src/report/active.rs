//! `active`: how many sessions were going on at a moment.
//!
//! A session counts that had an event within the timeout before the moment, T: from T - timeout to
//! T, both included. Its first and last event are enough to tell. If it started at or before T and
//! its last event lies in that span, there is one. If its last event lies after T, let `e` be its
//! last event up to T and `f` the next one, after T: within a session they are at most a timeout
//! apart, so `e` lies at or after `f` - timeout, and so after T - timeout. Conversely a session
//! that starts after T, or ended before T - timeout, has no event in the span.

use rayon::prelude::*;
use serde::Serialize;

use super::answer::{Body, Head, Report, Robots};
use super::metric::{AsFigure, Group, Item, Unit};
use super::query::Query;
use super::query::pruned;
use super::query::tables::Tables;
use super::query::window::Window;
use crate::error::{Error, Result};
use crate::store::frame::Frame;
use crate::time::{Micros, format_utc, parse_human};

/// The answer of `active`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Active {
    /// Sessions with an event within the timeout before the moment.
    pub active_sessions: u64,
    /// The moment.
    pub timestamp: String,
}

const FIGURES: &[(&str, Unit)] = &[("active_sessions", Unit::Count)];

impl Body for Active {
    const NAME: &'static str = "active";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group {
            name: "active",
            single: true,
            keys: &["timestamp"],
            figures: FIGURES,
            items: vec![Item { names: vec![&self.timestamp], values: vec![self.active_sessions.value()] }],
            shown: 1,
            rest: None,
            bar: None,
            total: None,
        }]
    }
}

/// Reads a moment as a person types it: a time, a date and time (UTC), or `now`.
///
/// # Errors
/// Of kind usage, where it is none.
pub fn moment(text: Option<&str>, now: Micros) -> Result<Micros> {
    match text.map(str::trim) {
        None | Some("now") => Ok(now),
        Some(text) => parse_human(text).ok_or_else(|| {
            Error::usage(format!("--as-of {text:?} is no time"))
                .hint("write it as 2026-06-30T10:30:00Z, as 2026-06-30 10:30 (UTC), or as now")
        }),
    }
}

/// Answers `active` for a moment.
pub fn active(
    tables: &dyn Tables,
    chatbots: &[String],
    include_bots: bool,
    moment: Micros,
) -> Result<Report<Active>> {
    let today = tables.zone().day(moment);
    let query =
        Query { window: Window { from: today, to: today, today }, chatbots: chatbots.to_vec(), include_bots };
    let since = moment.saturating_sub(tables.timeout());
    let columns = query.columns(&["started_at", "ended_at"]);
    let frames = tables.read_sessions_ended_since(since, &columns)?;
    let counts = frames
        .par_iter()
        .map(|frame| count(frame, &query, since, moment))
        .collect::<Result<Vec<(u64, u64)>>>()?;
    let (sessions, bots) = counts.into_iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let head = Head {
        window: None,
        robots: Robots::of(&query, bots),
        moment: Some(moment),
        ..Head::of(tables, &query, bots)
    };
    let mut report = Report::new(head, Active { active_sessions: sessions, timestamp: format_utc(moment) });
    // Known are the days on which the sessions began that are pruned: of those active then, some began the day
    // before.
    let began = (tables.zone().day(since).plus(-1), today);
    if let Some(pruned) = pruned::on_days(tables, began, chatbots)? {
        report.notes.push(format!(
            "sessions up to {pruned} are pruned: of those active then, only what is kept is counted"
        ));
    }
    if tables.days().is_none() {
        report.notes.push(super::metric::diagnostics::NO_DATA.to_owned());
    }
    Ok(report)
}

fn count(frame: &Frame, query: &Query, since: Micros, moment: Micros) -> Result<(u64, u64)> {
    let (started, ended) = (frame.ints("started_at")?, frame.ints("ended_at")?);
    let mut asked = query.asked(frame)?;
    let robots = frame.bools("is_bot")?;
    let (mut sessions, mut bots) = (0, 0);
    for row in 0..frame.height() {
        let (Some(start), Some(end)) = (started.get(row), ended.get(row)) else { continue };
        if start > moment || end < since || !asked.contains(row) {
            continue;
        }
        let is_bot = robots.is_true(row);
        bots += u64::from(is_bot);
        sessions += u64::from(!is_bot || query.include_bots);
    }
    Ok((sessions, bots))
}
